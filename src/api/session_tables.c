/* session_tables.c - /v1/sessions/{id}/tables and …/query.
 *
 * A query is a statement of the session that nobody keeps: it is waited for,
 * answered in the form that Accept names, and forgotten.
 */
#include "api/api_int.h"
#include "sql/sql.h"

/* --- making a table --- */

static bool read_column(struct call *c, const json_node *n, size_t i, struct session_column *ret)
{
	static const char *const keys[] = {"name", "type", "nullable", NULL};

	*ret = (struct session_column){.nullable = true};
	if (json_kind(n) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "columns[%zu] must be an object", i);
	if (!json_only(c, n, keys) || !json_want_text(c, n, "name", &ret->name) || !json_want_text(c, n, "type", &ret->type) ||
	    !json_want_bool(c, n, "nullable", &ret->nullable))
		return false;
	return (ret->name.p && ret->type.p) || fail(c, ERR_INVALID_FIELD, "columns[%zu] needs name and type", i);
}

static bool read_columns(struct call *c, const json_node *body, struct session_table_ask *ask)
{
	const json_node *list = json_get(body, "columns");
	struct session_column *v;

	if (!list || json_kind(list) != JSON_KIND_ARRAY)
		return fail(c, ERR_INVALID_FIELD, "columns must be an array of {\"name\", \"type\", \"nullable\"}");
	v = ARENA_ARRAY(c->arena, struct session_column, json_count(list) + 1);
	for (size_t i = 0; i < json_count(list); i++)
		if (!read_column(c, json_at(list, i), i, &v[i]))
			return false;
	ask->columns = v;
	ask->ncolumns = (int)json_count(list);
	return true;
}

static bool read_key(struct call *c, const json_node *body, struct session_table_ask *ask)
{
	const json_node *list = json_get(body, "primary_key");
	struct str *v;

	if (!list || json_kind(list) == JSON_KIND_NULL)
		return true;
	if (json_kind(list) != JSON_KIND_ARRAY)
		return fail(c, ERR_INVALID_FIELD, "primary_key must be an array of names of columns");
	v = ARENA_ARRAY(c->arena, struct str, json_count(list) + 1);
	for (size_t i = 0; i < json_count(list); i++) {
		if (json_kind(json_at(list, i)) != JSON_KIND_TEXT)
			return fail(c, ERR_INVALID_FIELD, "primary_key must be an array of names of columns");
		v[i] = json_text(json_at(list, i));
	}
	ask->key = v;
	ask->nkey = (int)json_count(list);
	return true;
}

bool api_create_table(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const keys[] = {"name", "columns", "primary_key", NULL};
	struct session_table_ask ask = {0};
	const json_node *body;
	struct session_op *op;
	struct session *se;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find_session(c, rooms, http_param(in, 0), &se) || !api_read_body(c, in, &body) || !json_only(c, body, keys) ||
	    !json_want_text(c, body, "name", &ask.name) || !read_columns(c, body, &ask) || !read_key(c, body, &ask))
		return false;
	if (!ask.name.p)
		return fail(c, ERR_INVALID_FIELD, "name is missing");
	return session_create_table(c, se, &ask, &op) && api_wait_op(c, out, op, arena_cstr(c->arena, ask.name));
}

bool api_create_table_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct str name = str_of(api_note(out));
	struct session_result r;

	(void)rooms;
	if (!api_op_result(c, out, &r))
		return false;
	api_json(out, 201);
	http_set(out, "Location", arena_fmt(c->arena, "/v1/sessions/%.*s/tables/%.*s", SARG(http_param(in, 0)), SARG(name)));
	json_begin_object(&o);
	api_put_table_names(c, &o, r.session, name);
	json_end_object(&o);
	return true;
}

/* --- counting --- */

bool api_count_rows(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct session *se;
	struct session_op *op;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find_session(c, rooms, http_param(in, 0), &se))
		return false;
	session_touch(se);
	return session_describe(c, se, &op) && api_wait_op(c, out, op, NULL);
}

static const struct engine_table_info *table_named(const struct session_result *r, struct str name)
{
	for (int i = 0; i < r->ntables; i++)
		if (str_ieq(r->tables[i].name, name))
			return &r->tables[i];
	return NULL;
}

static bool unknown_table(struct call *c, struct str name)
{
	return fail(c, ERR_UNKNOWN_TABLE, "the session has no table %.*s", SARG(str_head(name, 100)));
}

bool api_count_rows_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	const struct engine_table_info *t;
	struct session_result r;

	(void)rooms;
	if (!api_op_result(c, out, &r))
		return false;
	t = table_named(&r, http_param(in, 1));
	if (!t)
		return unknown_table(c, http_param(in, 1));
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_INT(&o, "count", t->rows);
	json_end_object(&o);
	return true;
}

/* --- querying: describe (for the names that {table} may be), run, answer --- */

struct query {
	struct stmt_ask ask;
	struct str table;
	struct session *session;
	struct stmt *st; /* NULL until it was submitted */
	struct arena *arena;
	struct session_result described;
};

static struct str reference(void *arg, struct str name)
{
	const struct query *q = arg;
	const struct engine_table_info *t = table_named(&q->described, name);

	return t ? session_table_ref(q->arena, q->session, t->name) : (struct str){0};
}

static bool read_query(struct call *c, struct api *a, const struct http_req *in, struct query *q)
{
	static const char *const keys[] = {"sql", "table", "params", NULL};
	const json_node *body;

	q->ask = (struct stmt_ask){.read_only = true, .ttl_seconds = -1, .timeout_ms = (int64_t)API_TIMEOUT_MAX_S * 1000};
	q->arena = c->arena;
	if (!api_find_session(c, a, http_param(in, 0), &q->session) || !api_read_body(c, in, &body) || !json_only(c, body, keys) ||
	    !json_want_text(c, body, "sql", &q->ask.sql) || !json_want_text(c, body, "table", &q->table) ||
	    !api_read_params(c, body, &q->ask))
		return false;
	return q->ask.sql.p || fail(c, ERR_INVALID_FIELD, "sql is missing");
}

static void forget(void *arg)
{
	statement_forget_soon(arg);
}

static bool run_query(struct call *c, struct api *a, const struct http_req *in, struct http_res *out, struct query *q)
{
	if (!api_session_scope(c, a, in, http_param(in, 0), &q->ask.scope))
		return false;
	q->ask.scope.detached = false;
	q->ask.scope.persistent = false; /* nobody looks for it later */
	if (!statement_submit(c, a->statements, &q->ask, &q->st))
		return false;
	api_hold(c, q->st);
	arena_defer(c->arena, forget, q->st);
	api_wait_end(c, out, q->st, -1, true);
	api_keep_note(c, out, q);
	return true;
}

bool api_query_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct query *q = ARENA_NEW(c->arena, struct query);
	struct session_op *op;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!read_query(c, rooms, in, q))
		return false;
	if (!q->table.p && str_find(q->ask.sql, '{') == q->ask.sql.n)
		return run_query(c, rooms, in, out, q);
	return session_describe(c, q->session, &op) && api_wait_op(c, out, op, q);
}

/* The tables are known: templates filled in, the statement begins. */
static bool fill_in(struct call *c, struct http_res *out, struct query *q)
{
	if (!api_op_result(c, out, &q->described))
		return false;
	if (q->table.p && !table_named(&q->described, q->table))
		return unknown_table(c, q->table);
	return sql_template(c, q->ask.sql, q->table, reference, q, &q->ask.sql);
}

bool api_query_session_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct query *q = api_note(out);

	if (!q->st && api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!q->st)
		return fill_in(c, out, q) && run_query(c, rooms, in, out, q);
	return api_write_result(c, rooms, in, out, q->st);
}
