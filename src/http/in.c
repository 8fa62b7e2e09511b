/* in.c - what handlers read of a request: headers, parameters, preferences. */
#include "http/http_int.h"

struct str http_method(const struct http_req *in)
{
	return in->method;
}

struct str http_path(const struct http_req *in)
{
	return in->path;
}

struct str http_header(const struct http_req *in, const char *name)
{
	struct str n = str_of(name);

	for (int i = 0; i < in->nfields; i++)
		if (in->fields[i].name.n == n.n && str_ieq(in->fields[i].name, n))
			return in->fields[i].value;
	return (struct str){0};
}

struct str http_body(const struct http_req *in)
{
	return buf_str(&in->body);
}

struct str http_param(const struct http_req *in, int i)
{
	INVARIANT(i >= 0 && i < HTTP_PARAMS);
	return i < in->nparams ? in->params[i] : (struct str){0};
}

bool http_peer_is_local(const struct http_req *in)
{
	return in->local;
}

/* Walks the parameters: for (size_t it = 0; each_parameter(c, in, &it, &name, &value);) */
static bool each_parameter(struct call *c, const struct http_req *in, size_t *it, struct str *name, struct str *value)
{
	struct str rest = str_tail(in->query, *it);

	while (rest.n) {
		struct str pair = str_cut(&rest, '&');

		*it += pair.n + 1;
		if (pair.n == 0)
			continue;
		*value = pair;
		*name = str_cut(value, '=');
		/* the head was refused when these cannot be decoded */
		return http_unescape(c->arena, *name, true, name) && http_unescape(c->arena, *value, true, value);
	}
	return false;
}

bool http_query(struct call *c, const struct http_req *in, const char *name, struct str *ret)
{
	struct str key = str_of(name), k, v;
	bool found = false;

	for (size_t it = 0; each_parameter(c, in, &it, &k, &v);) {
		if (!str_eq(k, key))
			continue;
		*ret = v;
		found = true;
	}
	return found;
}

/* --- lists with q values --- */

static struct str cut_trim(struct str *rest, char at)
{
	return str_trim(str_cut(rest, at));
}

/* "0.35" in thousandths; nonsense counts as 0. */
static int weight(struct str s)
{
	int q = 0, scale = 1000;

	if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
		return 0;
	q = s.p[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < s.n; i++) {
		if (!ascii_digit(s.p[i]))
			return 0;
		scale /= 10;
		q += (s.p[i] - '0') * scale;
	}
	return q > 1000 ? 0 : q;
}

/* The q of an element whose parameters are `rest`. */
static int quality(struct str rest)
{
	while (rest.n) {
		struct str param = cut_trim(&rest, ';');

		if (str_istarts(param, S("q=")))
			return weight(str_tail(param, 2));
	}
	return 1000;
}

bool http_accepts_gzip(const struct http_req *in)
{
	struct str rest = http_header(in, "accept-encoding");
	int gzip = -1, any = 0;

	while (rest.n) {
		struct str element = str_cut(&rest, ',');
		struct str coding = cut_trim(&element, ';');

		if (str_ieq(coding, S("gzip")) || str_ieq(coding, S("x-gzip")))
			gzip = quality(element);
		else if (str_eq(coding, S("*")))
			any = quality(element);
	}
	return (gzip >= 0 ? gzip : any) > 0;
}

/* How exactly a media range names the type: 0 not at all, 1 all, 2 its kind, 3 itself. */
static int match(struct str range, struct str type)
{
	size_t slash = str_find(type, '/');

	if (str_eq(range, S("*/*")))
		return 1;
	if (str_ieq(range, type))
		return 3;
	if (range.n == slash + 2 && range.p[slash + 1] == '*' && str_istarts(type, str_head(range, slash + 1)))
		return 2;
	return 0;
}

static int acceptable(struct str accept, struct str type)
{
	int best = 0, q = 0;

	while (accept.n) {
		struct str element = str_cut(&accept, ',');
		int how = match(cut_trim(&element, ';'), type);

		if (how > best) {
			best = how;
			q = quality(element);
		}
	}
	return q;
}

const char *http_accept(const struct http_req *in, const char *const *offers)
{
	struct str accept = http_header(in, "accept");
	const char *best = NULL;
	int most = 0;

	if (str_trim(accept).n == 0)
		return offers[0];
	for (; *offers; offers++) {
		struct str type = str_of(*offers);
		int q = acceptable(accept, cut_trim(&type, ';'));

		if (q > most) {
			most = q;
			best = *offers;
		}
	}
	return best;
}
