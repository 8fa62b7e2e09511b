/* read.c - parameters, bodies and preferences, read the same way everywhere. */
#include "api/api_int.h"

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

/* Is it `wait=10`? RFC 7240 also lets one write `wait = "10"; parameters`. */
static bool is_wait(struct str preference, int64_t *ret_seconds)
{
	struct str value = str_cut(&preference, ';');
	struct str name = str_trim(str_cut(&value, '='));

	value = str_trim(value);
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = str_from(value.p + 1, value.n - 2);
	return str_ieq(name, S("wait")) && str_to_i64(value, ret_seconds) && *ret_seconds >= 0;
}

/* Among other preferences. */
bool api_prefer_wait(struct call *c, const struct http_req *in, int64_t *ret_ms)
{
	struct str rest = http_header(in, "Prefer");
	int64_t seconds;

	(void)c;
	while (rest.n) {
		if (!is_wait(str_cut(&rest, ','), &seconds))
			continue;
		*ret_ms = (seconds > API_WAIT_MAX_S ? API_WAIT_MAX_S : seconds) * 1000;
		return true;
	}
	return false;
}

bool api_result_ttl(struct call *c, const struct http_req *in, int64_t *ret_seconds)
{
	struct str text = http_header(in, "X-Mayfly-Result-TTL");
	int64_t v;

	if (!text.p)
		return true;
	if (!str_to_i64(text, &v) || v < 1)
		return fail(c, ERR_INVALID_FIELD, "X-Mayfly-Result-TTL must be a whole number of seconds, at least 1");
	*ret_seconds = v;
	return true;
}

void api_json(struct http_res *out, int status)
{
	http_status(out, status);
	http_set(out, "Content-Type", S("application/json"));
}

void api_put_next(struct json_out *o, struct str cursor)
{
	json_key(o, S("next"));
	if (cursor.n)
		json_put_text(o, cursor);
	else
		json_put_null(o);
}
