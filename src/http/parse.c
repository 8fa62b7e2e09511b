/* parse.c - a whole, judged head into method, fields, path and query.
 *
 * llhttp does the parsing; head.c has refused what it takes too easily.
 */
#include "http/http_int.h"

#include <llhttp.h>

static struct http_req *req_of(llhttp_t *p)
{
	return p->data;
}

static int on_method(llhttp_t *p, const char *at, size_t n)
{
	req_of(p)->method = str_from(at, n);
	return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	req_of(p)->target = str_from(at, n);
	return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
	struct http_req *r = req_of(p);

	if (r->nfields == r->scan.fields)
		return HPE_USER;
	r->fields[r->nfields++] = (struct http_header){.name = {at, n}, .value = {at + n, 0}};
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	struct http_req *r = req_of(p);

	if (r->nfields == 0)
		return HPE_USER;
	r->fields[r->nfields - 1].value = str_trim(str_from(at, n));
	return 0;
}

static int on_head(llhttp_t *p)
{
	struct http_req *r = req_of(p);

	r->keep_alive = llhttp_should_keep_alive(p) != 0;
	return HPE_PAUSED; /* the body is chunk.c's */
}

static const llhttp_settings_t settings = {
	.on_method = on_method,
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
};

static bool refuse(struct http_req *r, const char *why)
{
	return fail(&r->call, ERR_BAD_REQUEST, "Malformed request: %s.", why);
}

bool http_unescape(struct arena *a, struct str in, bool plus, struct str *ret)
{
	char *to = arena_alloc(a, in.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		char ch = in.p[i];

		if (ch == '%') {
			int hi = i + 2 < in.n ? ascii_hex(in.p[i + 1]) : -1;
			int lo = hi >= 0 ? ascii_hex(in.p[i + 2]) : -1;

			if (lo < 0 || hi + lo == 0)
				return false;
			ch = (char)(hi * 16 + lo);
			i += 2;
		} else if (plus && ch == '+') {
			ch = ' ';
		}
		to[n++] = ch;
	}
	to[n] = '\0';
	*ret = str_from(to, n);
	return str_is_utf8(*ret);
}

/* Absolute form: its authority must be the Host's. Leaves the path and query in *target. */
static bool strip_authority(struct http_req *r, struct str *target)
{
	size_t scheme = str_istarts(*target, S("http://")) ? 7 : str_istarts(*target, S("https://")) ? 8 : 0;
	struct str rest = str_tail(*target, scheme);
	size_t end = 0;

	if (scheme == 0)
		return refuse(r, "the request target is not a path");
	while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
		end++;
	if (end == 0 || !str_ieq(str_head(rest, end), http_header(r, "host")))
		return refuse(r, "the request target and Host differ");
	*target = end < rest.n ? str_tail(rest, end) : S("/");
	return true;
}

/* So that handlers can walk the parameters without failing. */
static bool take_query(struct http_req *r)
{
	struct str text;

	if (str_find(r->query, '%') < r->query.n && !http_unescape(&r->arena, r->query, true, &text))
		return refuse(r, "the query is not percent-encoded UTF-8");
	return true;
}

static bool take_target(struct http_req *r)
{
	struct str target = r->target;

	if (target.p[0] != '/' && !strip_authority(r, &target))
		return false;
	if (str_find(target, '#') < target.n)
		return refuse(r, "a fragment in the request target");
	r->query = target;
	r->target = str_cut(&r->query, '?');
	if (r->target.n == 0)
		r->target = S("/");
	if (str_find(r->target, '%') == r->target.n)
		r->path = r->target;
	else if (!http_unescape(&r->arena, r->target, false, &r->path))
		return refuse(r, "the path is not percent-encoded UTF-8");
	return take_query(r);
}

static bool take_expect(struct http_req *r)
{
	struct str expect = http_header(r, "expect");

	if (!expect.p)
		return true;
	r->expects = str_ieq(expect, S("100-continue"));
	if (r->expects)
		return true;
	r->status = 417;
	return fail(&r->call, ERR_BAD_REQUEST, "No expectation but 100-continue is met.");
}

static bool take_encoding(struct http_req *r)
{
	struct str encoding = http_header(r, "content-encoding");

	if (encoding.n == 0 || str_ieq(encoding, S("identity")))
		return true;
	r->gzipped = str_ieq(encoding, S("gzip")) || str_ieq(encoding, S("x-gzip"));
	if (!r->gzipped)
		return fail(&r->call, ERR_UNSUPPORTED_MEDIA, "Content-Encoding may be gzip or identity.");
	return true;
}

bool http_parse(struct http_req *r)
{
	llhttp_t parser;
	llhttp_errno_t rc;

	r->fields = ARENA_ARRAY(&r->arena, struct http_header, (size_t)r->scan.fields);
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = r;
	rc = llhttp_execute(&parser, r->head.p, r->head.n);
	r->path = r->target; /* until it is decoded, for the form of a refusal */
	if (rc != HPE_PAUSED)
		return refuse(r, rc == HPE_OK ? "the head does not end" : llhttp_get_error_reason(&parser));
	r->is_head = str_eq(r->method, S("HEAD"));
	return take_target(r) && take_expect(r) && take_encoding(r);
}
