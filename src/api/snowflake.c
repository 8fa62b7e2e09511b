/* snowflake.c - /api/v2/statements: submit, ask, cancel.
 *
 * Source: the specification, sections 1 to 3, 6 and 8. What an answer with
 * rows looks like is in snowflake_result.c.
 */
#include "api/api_int.h"

enum { MAX_BINDS = 100000 };

/* --- reading the body --- */

static const struct {
	struct str name;
	enum engine_bind_type type;
} bind_types[] = {
	{S_INIT("FIXED"), ENGINE_B_FIXED}, {S_INIT("REAL"), ENGINE_B_REAL}, {S_INIT("DECFLOAT"), ENGINE_B_FIXED},
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

static bool bad_payload(struct call *c)
{
	return fail(c, ERR_INVALID_JSON, "Incoming request does not contain a valid payload.");
}

static bool read_bind(struct call *c, struct str name, const json_node *n, struct stmt_bind *ret)
{
	const json_node *type = json_kind(n) == JSON_KIND_OBJECT ? json_get(n, "type") : NULL;
	const json_node *value = type ? json_get(n, "value") : NULL;

	if (!type || json_kind(type) != JSON_KIND_TEXT)
		return bad_payload(c);
	*ret = (struct stmt_bind){.name = name, .type = ENGINE_B_NULL};
	if (!value || json_kind(value) == JSON_KIND_NULL)
		return true;
	if (json_kind(value) == JSON_KIND_ARRAY) {
		fail(c, ERR_SQL, "Unsupported feature 'array binds'.");
		return fail_state(c, "0A000", "000002");
	}
	if (json_kind(value) != JSON_KIND_TEXT)
		return bad_payload(c);
	ret->value = json_text(value);
	return bind_type(c, json_text(type), &ret->type);
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
	for (void *it = NULL; json_each(o, &it, &name, &value);)
		if (!read_bind(c, name, value, &v[ask->nbinds++]))
			return false;
	ask->binds = v;
	return true;
}

/* A whole number from 0, as a number or as text. */
static bool read_count(struct call *c, const json_node *n, int64_t *ret)
{
	if (json_kind(n) == JSON_KIND_TEXT ? !str_to_i64(json_text(n), ret) : json_kind(n) != JSON_KIND_INT)
		return bad_payload(c);
	if (json_kind(n) == JSON_KIND_INT)
		*ret = json_int(n);
	return *ret >= 0 || bad_payload(c);
}

static bool is_false(const json_node *n)
{
	if (json_kind(n) == JSON_KIND_TEXT)
		return str_ieq(json_text(n), S("false"));
	return json_kind(n) == JSON_KIND_BOOL && !json_bool(n);
}

/* Parameters of the session, keys in any case, values text, number or bool. */
static bool read_parameters(struct call *c, const json_node *body, struct stmt_ask *ask)
{
	const json_node *o = json_get(body, "parameters"), *value;
	struct str name;

	if (!o || json_kind(o) != JSON_KIND_OBJECT)
		return true;
	for (void *it = NULL; json_each(o, &it, &name, &value);) {
		if (str_ieq(name, S("TIMEZONE")) && json_kind(value) == JSON_KIND_TEXT)
			ask->parameters.timezone = json_text(value);
		if (str_ieq(name, S("USE_CACHED_RESULT")))
			ask->no_cache = is_false(value);
		if (str_ieq(name, S("MULTI_STATEMENT_COUNT")) && !read_count(c, value, &ask->statements))
			return false;
	}
	return true;
}

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

static bool read_ask(struct call *c, struct api *a, const struct http_req *in, struct stmt_ask *ask)
{
	const json_node *body, *statement;
	struct str nullable;

	*ask = (struct stmt_ask){.snowflake = true, .statements = 1, .ttl_seconds = -1};
	if (!api_session_scope(c, a, in, http_header(in, "X-Mayfly-Session"), &ask->scope) || !api_read_body(c, in, &body))
		return false;
	statement = json_get(body, "statement");
	if (!statement || json_kind(statement) == JSON_KIND_NULL)
		return fail(c, ERR_SQL_EMPTY, "the statement is empty");
	if (json_kind(statement) != JSON_KIND_TEXT)
		return bad_payload(c);
	ask->sql = json_text(statement);
	ask->null_text = http_query(c, in, "nullable", &nullable) && str_ieq(nullable, S("false"));
	ask->retry = api_query_flag(c, in, "retry");
	http_query(c, in, "requestId", &ask->request_id);
	ask->request_id = str_head(ask->request_id, API_REQUEST_ID_MAX);
	return read_parameters(c, body, ask) && read_timeout(c, body, ask) && api_result_ttl(c, in, &ask->ttl_seconds) && read_binds(c, body, ask);
}

/* --- handlers --- */

bool api_post_statement(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	int64_t wait_ms = a->conf->snowflake_sync_wait_seconds * 1000;
	struct stmt_ask ask;
	struct stmt_view v;
	struct stmt *st;

	if (api_goes_to_pool(a, in, out))
		return http_on_pool(out);
	if (!read_ask(c, a, in, &ask))
		return false;
	if (ask.scope.persistent && !http_is_on_pool(out)) /* it is written before it runs */
		return http_on_pool(out);
	if (!statement_submit(c, a->statements, &ask, &st))
		return false;
	api_hold(c, st);
	statement_view(st, &v);
	if (fsm_terminal(stmt_fsm, v.state) || wait_ms == 0 || api_query_flag(c, in, "async"))
		return api_write_statement(c, in, out, st);
	return api_wait_end(c, out, st, wait_ms, a->conf->snowflake_cancel_on_disconnect);
}

bool api_post_statement_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)rooms;
	return api_write_statement(c, in, out, api_note(out));
}

bool api_get_statement(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct str partition;
	struct stmt *st;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find(c, rooms, in, &st))
		return false;
	if (http_query(c, in, "partition", &partition))
		return api_write_partition(c, in, out, st, partition);
	return api_write_statement(c, in, out, st);
}

/* A handle that is unknown, or forgotten, is as good as canceled. */
static bool is_nothing(struct call *c)
{
	if (c->err.kind != ERR_NOT_FOUND && c->err.kind != ERR_RESULT_EXPIRED)
		return false;
	call_forgive(c);
	return true;
}

/* Answers the same whatever the handle was: running, ended, unknown (specification, section 8). */
bool api_cancel_statement(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct str handle = http_param(in, 0);
	struct json_out o = json_out(http_out(out));
	struct stmt *st = NULL;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find(c, rooms, in, &st) && !is_nothing(c))
		return false;
	if (st && statement_blocks(st) && !http_is_on_pool(out))
		return http_on_pool(out);
	if (st && (!api_check_owner(c, st) || !statement_cancel(c, st)))
		return false;
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "code", S("000604"));
	JSON_FIELD_TEXT(&o, "sqlState", S("57014"));
	JSON_FIELD_TEXT(&o, "message", S("SQL execution canceled"));
	JSON_FIELD_TEXT(&o, "statementHandle", handle);
	JSON_FIELD_TEXT(&o, "statementStatusUrl", arena_fmt(c->arena, "/api/v2/statements/%.*s", SARG(handle)));
	json_end_object(&o);
	return true;
}
