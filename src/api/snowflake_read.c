/* snowflake_read.c - the body of POST /api/v2/statements, as what statement/ is asked.
 *
 * A body that is none is refused (390142). What a statement must answer for -
 * a bind of no known type, arrays of several lengths, the value of a parameter -
 * goes along as `refused`, so that it gets a handle. Unknown members, parameters
 * and bindings are ignored.
 * Source: the specification, sections 2 and 3.
 */
#include "api/api_int.h"

enum {
	MAX_BINDS = 100000,      /* of a statement; JSON_MAX_VALUES bounds the cells of array binds */
	MAX_QUERY_TAG = 2000,    /* bytes */
	MAX_FORMAT = 256,        /* bytes of an output format */
};

static bool bad_payload(struct call *c)
{
	return fail(c, ERR_INVALID_JSON, "Incoming request does not contain a valid payload.");
}

/* --- bindings --- */

static const struct {
	struct str name;
	enum engine_bind_type type;
} bind_types[] = {
	{S_INIT("FIXED"), ENGINE_B_FIXED}, {S_INIT("REAL"), ENGINE_B_REAL}, {S_INIT("DECFLOAT"), ENGINE_B_DECFLOAT},
	{S_INIT("TEXT"), ENGINE_B_TEXT}, {S_INIT("BOOLEAN"), ENGINE_B_BOOLEAN}, {S_INIT("DATE"), ENGINE_B_DATE},
	{S_INIT("TIME"), ENGINE_B_TIME}, {S_INIT("TIMESTAMP_NTZ"), ENGINE_B_TIMESTAMP_NTZ},
	{S_INIT("TIMESTAMP_LTZ"), ENGINE_B_TIMESTAMP_LTZ}, {S_INIT("TIMESTAMP_TZ"), ENGINE_B_TIMESTAMP_TZ},
	{S_INIT("BINARY"), ENGINE_B_BINARY},
};

static bool bind_type(struct call *c, struct str name, enum engine_bind_type *ret)
{
	for (size_t i = 0; i < COUNT_OF(bind_types); i++) {
		if (!str_ieq(bind_types[i].name, name))
			continue;
		*ret = bind_types[i].type;
		return true;
	}
	fail(c, ERR_SQL, "SQL compilation error:\nUnsupported data type '%.*s'.", SARG(str_head(name, 64)));
	return fail_state(c, "42601", "002040");
}

/* The values of one bind for every row of a batch. */
static bool read_values(struct call *c, const json_node *array, struct stmt_bind *ret)
{
	size_t n = json_count(array);
	struct str *v = ARENA_ARRAY(c->arena, struct str, n + 1);

	for (size_t i = 0; i < n; i++) {
		const json_node *cell = json_at(array, i);

		if (json_kind(cell) != JSON_KIND_TEXT && json_kind(cell) != JSON_KIND_NULL)
			return bad_payload(c);
		if (json_kind(cell) == JSON_KIND_TEXT)
			v[i] = json_text(cell);
	}
	ret->values = v;
	return true;
}

/* All arrays are of one length. */
static bool same_size(struct call *c, const struct stmt_ask *ask, struct str name, int64_t n)
{
	if (!ask->batch || ask->batch == n)
		return true;
	fail(c, ERR_SQL,
	     "SQL compilation error:\nBatch size of %lld for bind variable %.*s not the same as previous size of %lld.", (long long)n,
	     SARG(str_head(name, 64)), (long long)ask->batch);
	return fail_state(c, "42601", "002099");
}

/* Texts, as the specification has them: a number that is not quoted is a bad payload. An array without values binds nothing. */
static bool read_bind(struct call *c, struct str name, const json_node *n, struct stmt_ask *ask, struct stmt_bind *v)
{
	const json_node *type = json_kind(n) == JSON_KIND_OBJECT ? json_get(n, "type") : NULL;
	const json_node *value = type ? json_get(n, "value") : NULL;
	bool array = value && json_kind(value) == JSON_KIND_ARRAY;
	struct stmt_bind b = {.name = name, .type = ENGINE_B_NULL};

	if (!type || json_kind(type) != JSON_KIND_TEXT)
		return bad_payload(c);
	if (value && json_kind(value) != JSON_KIND_NULL) {
		if (!array && json_kind(value) != JSON_KIND_TEXT)
			return bad_payload(c);
		if (!bind_type(c, json_text(type), &b.type) || (array && !read_values(c, value, &b)))
			return false;
	}
	if (array && json_count(value) == 0)
		return true;
	if (array && !same_size(c, ask, name, (int64_t)json_count(value)))
		return false;
	if (array)
		ask->batch = (int64_t)json_count(value);
	else if (b.type != ENGINE_B_NULL)
		b.value = json_text(value);
	v[ask->nbinds++] = b;
	return true;
}

static bool read_binds(struct call *c, const json_node *body, struct stmt_ask *ask)
{
	const json_node *o = json_get(body, "bindings"), *value;
	struct stmt_bind *v;
	struct str name;

	if (!o || json_kind(o) == JSON_KIND_NULL)
		return true;
	if (json_kind(o) != JSON_KIND_OBJECT || json_count(o) > MAX_BINDS)
		return bad_payload(c);
	v = ARENA_ARRAY(c->arena, struct stmt_bind, json_count(o) + 1);
	ask->binds = v;
	for (void *it = NULL; json_each(o, &it, &name, &value);)
		if (!read_bind(c, name, value, ask, v))
			return false;
	return true;
}

/* --- parameters: keys in any case; values text, number or bool --- */

static bool bad_value(struct call *c, const char *name, struct str value)
{
	fail(c, ERR_SQL, "SQL compilation error:\ninvalid value [%.*s] for parameter '%s'", SARG(str_head(value, 64)), name);
	return fail_state(c, "22023", "001008");
}

/* A whole number from 0, as a number or as text. */
static bool read_count(struct call *c, const json_node *n, int64_t *ret)
{
	int64_t v;

	if (json_kind(n) == JSON_KIND_TEXT ? !str_to_i64(json_text(n), &v) : json_kind(n) != JSON_KIND_INT)
		return bad_payload(c);
	if (json_kind(n) == JSON_KIND_INT)
		v = json_int(n);
	if (v < 0)
		return bad_payload(c);
	*ret = v;
	return true;
}

static bool is_false(const json_node *n)
{
	if (json_kind(n) == JSON_KIND_TEXT)
		return str_ieq(json_text(n), S("false"));
	return json_kind(n) == JSON_KIND_BOOL && !json_bool(n);
}

static const struct {
	const char *name;
	enum engine_format first, last; /* the types that it is for */
} formats[] = {
	{"DATE_OUTPUT_FORMAT", ENGINE_FORMAT_DATE, ENGINE_FORMAT_DATE},
	{"TIME_OUTPUT_FORMAT", ENGINE_FORMAT_TIME, ENGINE_FORMAT_TIME},
	{"TIMESTAMP_OUTPUT_FORMAT", ENGINE_FORMAT_NTZ, ENGINE_FORMAT_TZ}, /* those without one of their own */
	{"TIMESTAMP_NTZ_OUTPUT_FORMAT", ENGINE_FORMAT_NTZ, ENGINE_FORMAT_NTZ},
	{"TIMESTAMP_LTZ_OUTPUT_FORMAT", ENGINE_FORMAT_LTZ, ENGINE_FORMAT_LTZ},
	{"TIMESTAMP_TZ_OUTPUT_FORMAT", ENGINE_FORMAT_TZ, ENGINE_FORMAT_TZ},
	{"BINARY_OUTPUT_FORMAT", ENGINE_FORMAT_BINARY, ENGINE_FORMAT_BINARY},
};

static bool read_format(struct call *c, struct str name, const json_node *value, struct str v[][ENGINE_FORMATS])
{
	for (size_t i = 0; i < COUNT_OF(formats); i++) {
		bool own = formats[i].first == formats[i].last;

		if (!str_ieq(name, str_of(formats[i].name)))
			continue;
		if (json_kind(value) != JSON_KIND_TEXT || json_text(value).n > MAX_FORMAT ||
		    !(formats[i].first == ENGINE_FORMAT_BINARY ? format_is_binary(json_text(value)) : format_is_one(json_text(value))))
			return bad_value(c, formats[i].name, json_kind(value) == JSON_KIND_TEXT ? json_text(value) : S(""));
		for (int k = (int)formats[i].first; k <= (int)formats[i].last; k++)
			v[own][k] = json_text(value);
	}
	return true;
}

static bool read_number(struct call *c, const char *name, const json_node *value, int64_t *ret)
{
	if (read_count(c, value, ret))
		return true;
	call_forgive(c);
	return bad_value(c, name, json_node_text(c->arena, value));
}

static bool read_parameter(struct call *c, struct str name, const json_node *value, struct stmt_ask *ask)
{
	bool text = json_kind(value) == JSON_KIND_TEXT;

	if (str_ieq(name, S("TIMEZONE")) && text)
		ask->parameters.timezone = json_text(value);
	if (str_ieq(name, S("USE_CACHED_RESULT")))
		ask->no_cache = is_false(value);
	if (str_ieq(name, S("QUERY_TAG")))
		ask->parameters.query_tag = text ? json_text(value) : json_node_text(c->arena, value);
	if (ask->parameters.query_tag.n > MAX_QUERY_TAG)
		return bad_value(c, "QUERY_TAG", ask->parameters.query_tag);
	if (str_ieq(name, S("ROWS_PER_RESULTSET")))
		return read_number(c, "ROWS_PER_RESULTSET", value, &ask->parameters.rows_per_resultset);
	if (str_ieq(name, S("MULTI_STATEMENT_COUNT")))
		return read_number(c, "MULTI_STATEMENT_COUNT", value, &ask->statements);
	return true;
}

static bool read_parameters(struct call *c, const json_node *body, struct stmt_ask *ask)
{
	const json_node *o = json_get(body, "parameters"), *value;
	struct str name, given[2][ENGINE_FORMATS] = {0}; /* of all time stamps, of the type itself */

	if (!o || json_kind(o) != JSON_KIND_OBJECT)
		return true;
	for (void *it = NULL; json_each(o, &it, &name, &value);)
		if (json_kind(value) != JSON_KIND_NULL &&
		    (!read_parameter(c, name, value, ask) || !read_format(c, name, value, given)))
			return false;
	for (int k = 0; k < ENGINE_FORMATS; k++)
		ask->parameters.formats[k] = given[1][k].n ? given[1][k] : given[0][k];
	return true;
}

/* --- the rest --- */

/* Seconds; 0 and anything over the maximum are the maximum (some clients send milliseconds). */
static bool read_timeout(struct call *c, const json_node *body, struct stmt_ask *ask)
{
	const json_node *n = json_get(body, "timeout");
	int64_t s;

	if (!n || json_kind(n) == JSON_KIND_NULL)
		return true;
	if (!read_count(c, n, &s))
		return false;
	ask->timeout_ms = (s == 0 || s > API_TIMEOUT_MAX_S ? API_TIMEOUT_MAX_S : s) * 1000;
	return true;
}

static bool read_name(struct call *c, const json_node *body, const char *key, struct str *ret)
{
	const json_node *n = json_get(body, key);

	if (!n || json_kind(n) == JSON_KIND_NULL)
		return true;
	if (json_kind(n) != JSON_KIND_TEXT)
		return bad_payload(c);
	*ret = json_text(n);
	return true;
}

static bool read_context(struct call *c, const json_node *body, struct stmt_context *ret)
{
	return read_name(c, body, "database", &ret->database) && read_name(c, body, "schema", &ret->schema) &&
	       read_name(c, body, "warehouse", &ret->warehouse) && read_name(c, body, "role", &ret->role);
}

/* What the statement must answer for becomes its own error. */
static bool refuse_statement(struct call *c, struct stmt_ask *ask)
{
	struct err *e;

	if (c->err.kind != ERR_SQL)
		return false;
	e = arena_alloc(c->arena, sizeof(*e));
	*e = c->err;
	call_forgive(c);
	ask->refused = e;
	return true;
}

static bool read_body(struct call *c, const json_node *body, struct stmt_ask *ask)
{
	const json_node *statement = json_get(body, "statement");

	if (!statement || json_kind(statement) == JSON_KIND_NULL)
		return fail(c, ERR_SQL_EMPTY, "the statement is empty");
	if (json_kind(statement) != JSON_KIND_TEXT)
		return bad_payload(c);
	ask->sql = json_text(statement);
	if (!read_timeout(c, body, ask) || !read_context(c, body, &ask->context))
		return false;
	return (read_parameters(c, body, ask) && read_binds(c, body, ask)) || refuse_statement(c, ask);
}

bool api_read_statement(struct call *c, struct api *a, const struct http_req *in, struct stmt_ask *ret)
{
	const json_node *body;
	struct str nullable;

	*ret = (struct stmt_ask){.snowflake = true, .statements = 1, .ttl_seconds = -1};
	if (!api_session_scope(c, a, in, http_header(in, "X-Mayfly-Session"), &ret->scope) || !api_read_body(c, in, &body) ||
	    !read_body(c, body, ret) || !api_result_ttl(c, in, &ret->ttl_seconds))
		return false;
	ret->null_text = http_query(c, in, "nullable", &nullable) && str_ieq(nullable, S("false"));
	ret->retry = api_query_flag(c, in, "retry");
	http_query(c, in, "requestId", &ret->request_id);
	ret->request_id = str_head(ret->request_id, API_REQUEST_ID_MAX);
	return true;
}
