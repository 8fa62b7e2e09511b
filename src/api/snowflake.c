/* snowflake.c - /api/v2/statements: submit, ask, cancel.
 *
 * Source: the specification, sections 1, 6 and 8. What a body means is in
 * snowflake_read.c, what an answer with rows looks like in snowflake_result.c.
 */
#include "api/api_int.h"

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
	if (!api_read_statement(c, a, in, &ask))
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
