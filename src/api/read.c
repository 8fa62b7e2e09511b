/* read.c - parameters, bodies and preferences, read the same way everywhere; members that many answers have. */
#include "api/api_int.h"

enum { LIST_MAX = 1000, LIST_DEFAULT = 100 };

bool api_query_int(struct call *c, const struct http_req *in, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	struct str text;
	int64_t v;

	if (!http_query(c, in, name, &text))
		return true;
	if (!str_to_i64(text, &v) || v < min || v > max)
		return fail(c, ERR_INVALID_FIELD, "%s must be a whole number from %lld to %lld", name, (long long)min, (long long)max);
	*ret = v;
	return true;
}

bool api_query_limit(struct call *c, const struct http_req *in, int *ret)
{
	int64_t limit = LIST_DEFAULT;

	if (!api_query_int(c, in, "limit", 1, LIST_MAX, &limit))
		return false;
	*ret = (int)limit;
	return true;
}

bool api_read_page(struct call *c, const struct http_req *in, struct view_page *ret)
{
	*ret = (struct view_page){0};
	http_query(c, in, "after", &ret->after);
	return api_query_limit(c, in, &ret->limit);
}

bool api_query_flag(struct call *c, const struct http_req *in, const char *name)
{
	struct str text;

	return http_query(c, in, name, &text) && str_ieq(text, S("true"));
}

static bool is_json(struct str type)
{
	struct str rest = type;

	return !type.n || str_ieq(str_trim(str_cut(&rest, ';')), S("application/json"));
}

bool api_read_body(struct call *c, const struct http_req *in, const json_node **ret)
{
	if (!is_json(http_header(in, "Content-Type")))
		return fail(c, ERR_UNSUPPORTED_MEDIA, "Content-Type must be application/json");
	return json_read_body(c, http_body(in), ret);
}

/* The next of Prefer's preferences: `wait=10`; RFC 7240 also lets one write `wait = "10"; parameters`. */
static struct str cut_preference(struct str *rest, struct str *ret_value)
{
	struct str one = str_cut(rest, ','), value = str_cut(&one, ';'), name = str_trim(str_cut(&value, '='));

	value = str_trim(value);
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = str_from(value.p + 1, value.n - 2);
	*ret_value = value;
	return name;
}

bool api_prefer_wait(struct call *c, const struct http_req *in, int64_t *ret_ms)
{
	struct str rest = http_header(in, "Prefer"), value;
	int64_t seconds;

	(void)c;
	while (rest.n) {
		if (!str_ieq(cut_preference(&rest, &value), S("wait")) || !str_to_i64(value, &seconds) || seconds < 0)
			continue;
		*ret_ms = (seconds > API_WAIT_MAX_S ? API_WAIT_MAX_S : seconds) * 1000;
		return true;
	}
	return false;
}

bool api_prefer_async(const struct http_req *in)
{
	struct str rest = http_header(in, "Prefer"), value;

	while (rest.n)
		if (str_ieq(cut_preference(&rest, &value), S("respond-async")))
			return true;
	return false;
}

bool api_read_nothing(struct call *c, const struct http_req *in)
{
	static const char *const keys[] = {NULL};
	const json_node *body;

	return http_body(in).n == 0 || (api_read_body(c, in, &body) && json_only(c, body, keys));
}

static bool is_number(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]))
			return false;
	return s.n > 0;
}

bool api_result_ttl(struct call *c, const struct http_req *in, int64_t *ret_seconds)
{
	struct str text = http_header(in, "X-Mayfly-Result-TTL");
	int64_t v;

	if (!text.p)
		return true;
	if (is_number(text) && !str_to_i64(text, &v)) /* the maximum is below */
		v = INT64_MAX;
	else if (!str_to_i64(text, &v) || v < 1)
		return fail(c, ERR_INVALID_FIELD, "X-Mayfly-Result-TTL must be a whole number of seconds, at least 1");
	*ret_seconds = v;
	return true;
}

void api_json(struct http_res *out, int status)
{
	http_status(out, status);
	http_set(out, "Content-Type", S("application/json"));
}

void api_put_text(struct json_out *o, const char *key, struct str text)
{
	json_key(o, str_of(key));
	if (text.n)
		json_put_text(o, text);
	else
		json_put_null(o);
}

void api_put_next(struct json_out *o, struct str cursor)
{
	api_put_text(o, "next", cursor);
}

void api_put_time(struct json_out *o, const char *key, int64_t wall_ms)
{
	char text[CLOCK_RFC3339_MAX];

	api_put_text(o, key, wall_ms && wall_ms != INT64_MAX ? str_of(clock_rfc3339(wall_ms, text)) : S(""));
}

struct json_out api_begin_list(struct http_res *out)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, 200);
	json_begin_object(&o);
	json_key(&o, S("items"));
	json_begin_array(&o);
	return o;
}

void api_end_list(struct json_out *o, struct str next)
{
	json_end_array(o);
	api_put_next(o, next);
	json_end_object(o);
}
