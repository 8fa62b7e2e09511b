/* statements.c - /v1/statements: the native view of the same handles. */
#include "api/api_int.h"

#include <stdlib.h>

enum { MAX_PARAMS = 10000 };

/* --- the document --- */

static void put_error(struct json_out *o, const struct stmt_error *e)
{
	json_key(o, S("error"));
	if (!e) {
		json_put_null(o);
		return;
	}
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "code", str_of(err_code(e->kind)));
	JSON_FIELD_TEXT(o, "message", e->text);
	JSON_FIELD_TEXT(o, "sqlstate", str_of(e->sqlstate));
	json_key(o, S("position"));
	if (e->position)
		json_put_int(o, e->position);
	else
		json_put_null(o);
	json_end_object(o);
}

static void put_result_counts(struct json_out *o, const struct stmt_view *v)
{
	bool done = v->state == STMT_SUCCEEDED;

	json_key(o, S("progress"));
	if (v->progress < 0)
		json_put_null(o);
	else
		json_put_real(o, v->progress);
	json_key(o, S("row_count"));
	if (done)
		json_put_int(o, v->rows);
	else
		json_put_null(o);
	JSON_FIELD_INT(o, "result_bytes", done ? v->row_bytes : 0);
	JSON_FIELD_INT(o, "partition_count", done || v->state == STMT_RUNNING ? v->parts : 0); /* stored so far */
}

static void write_document(struct json_out *o, const struct stmt_view *v)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "handle", v->handle);
	json_key(o, S("session_id"));
	if (v->session_id.n)
		json_put_text(o, v->session_id);
	else
		json_put_null(o);
	JSON_FIELD_TEXT(o, "tenant_id", v->tenant);
	JSON_FIELD_TEXT(o, "status", str_of(stmt_fsm[v->state].name));
	JSON_FIELD_TEXT(o, "sql", v->sql);
	api_put_time(o, "created_at", v->created_ms);
	api_put_time(o, "started_at", v->started_ms);
	api_put_time(o, "completed_at", v->completed_ms);
	api_put_time(o, "expires_at", v->expires_ms);
	put_result_counts(o, v);
	JSON_FIELD_TEXT(o, "sql_state", v->error ? str_of(v->error->sqlstate) : S("00000"));
	if (v->query_tag.n)
		JSON_FIELD_TEXT(o, "query_tag", v->query_tag);
	put_error(o, v->error);
	json_end_object(o);
}

static bool write_statement(struct http_res *out, int status, struct stmt *st)
{
	struct json_out o = json_out(http_out(out));
	struct stmt_view v;

	statement_view(st, &v);
	api_json(out, status);
	write_document(&o, &v);
	return true;
}

/* --- submitting --- */

static bool param_value(struct call *c, const json_node *n, struct stmt_bind *ret)
{
	OWNS(buf) b = {0};

	switch (json_kind(n)) {
	case JSON_KIND_NULL:
		ret->type = ENGINE_B_NULL;
		return true;
	case JSON_KIND_BOOL:
		ret->type = ENGINE_B_BOOLEAN;
		ret->value = json_bool(n) ? S("true") : S("false");
		return true;
	case JSON_KIND_INT:
		ret->type = ENGINE_B_INT;
		ret->value = arena_fmt(c->arena, "%lld", (long long)json_int(n));
		return true;
	case JSON_KIND_REAL:
		ret->type = ENGINE_B_DOUBLE;
		json_real_text(&b, json_number(n));
		ret->value = arena_dup(c->arena, buf_str(&b));
		return true;
	case JSON_KIND_TEXT:
		ret->type = ENGINE_B_TEXT;
		ret->value = json_text(n);
		return true;
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT:
		break;
	}
	return fail(c, ERR_INVALID_FIELD, "params: a value must be null, a bool, a number or text");
}

static bool params_by_position(struct call *c, const json_node *list, struct stmt_bind *v)
{
	for (size_t i = 0; i < json_count(list); i++) {
		v[i].name = arena_fmt(c->arena, "%zu", i + 1);
		if (!param_value(c, json_at(list, i), &v[i]))
			return false;
	}
	return true;
}

static bool params_by_name(struct call *c, const json_node *o, struct stmt_bind *v)
{
	const json_node *value;
	struct str name;

	for (void *it = NULL; json_each(o, &it, &name, &value); v++) {
		v->name = name;
		if (!param_value(c, value, v))
			return false;
	}
	return true;
}

bool api_read_params(struct call *c, const json_node *body, struct stmt_ask *ask)
{
	const json_node *n = json_get(body, "params");
	struct stmt_bind *v;

	if (!n || json_kind(n) == JSON_KIND_NULL)
		return true;
	if (json_kind(n) != JSON_KIND_ARRAY && json_kind(n) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "params must be an array or an object");
	if (json_count(n) > MAX_PARAMS)
		return fail(c, ERR_INVALID_FIELD, "params: at most %d values", MAX_PARAMS);
	v = ARENA_ARRAY(c->arena, struct stmt_bind, json_count(n) + 1);
	ask->binds = v;
	ask->nbinds = (int)json_count(n);
	return json_kind(n) == JSON_KIND_ARRAY ? params_by_position(c, n, v) : params_by_name(c, n, v);
}

static bool read_ask(struct call *c, struct api *a, const struct http_req *in, struct stmt_ask *ask)
{
	static const char *const keys[] = {"sql", "session_id", "params", "timeout_seconds", "ttl_seconds", NULL};
	struct str session = {0};
	const json_node *body;
	int64_t timeout = 0;

	*ask = (struct stmt_ask){.ttl_seconds = -1};
	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) || !json_want_text(c, body, "sql", &ask->sql) ||
	    !json_want_text(c, body, "session_id", &session) ||
	    !json_want_int(c, body, "timeout_seconds", 0, API_TIMEOUT_MAX_S, &timeout) ||
	    !json_want_int(c, body, "ttl_seconds", 1, a->conf->storage_max_ttl_seconds, &ask->ttl_seconds) ||
	    !api_read_params(c, body, ask))
		return false;
	if (!ask->sql.p)
		return fail(c, ERR_INVALID_FIELD, "sql is missing");
	ask->timeout_ms = timeout * 1000;
	if (!session.p)
		session = http_header(in, "X-Mayfly-Session");
	return api_session_scope(c, a, in, session, &ask->scope);
}

static bool ended(struct stmt *st)
{
	struct stmt_view v;

	statement_view(st, &v);
	return fsm_terminal(stmt_fsm, v.state);
}

bool api_submit(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	int64_t wait_ms = 0;
	struct stmt_ask ask;
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
	if (api_prefer_wait(c, in, &wait_ms) && wait_ms > 0 && !ended(st))
		return api_wait_end(c, out, st, wait_ms, false);
	return write_statement(out, ended(st) && wait_ms ? 200 : 202, st);
}

/* After waiting, for both a submit and a long-poll. */
bool api_document_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct stmt *st = api_note(out);

	(void)c;
	(void)rooms;
	return write_statement(out, str_eq(http_method(in), S("POST")) && !ended(st) ? 202 : 200, st);
}

/* --- looking --- */

bool api_document(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	int64_t wait = 0;
	struct stmt *st;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find(c, rooms, in, &st) || !api_query_int(c, in, "wait", 0, API_WAIT_MAX_S, &wait))
		return false;
	if (wait && !ended(st))
		return api_wait_end(c, out, st, wait * 1000, false);
	return write_statement(out, 200, st);
}

bool api_forget(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct stmt *st;

	if (!api_find(c, rooms, in, &st) || !api_check_owner(c, st) || !statement_forget(c, st))
		return false;
	http_status(out, 204);
	return true;
}

static bool read_status(struct call *c, const struct http_req *in, int *ret)
{
	struct str text;

	*ret = -1;
	if (!http_query(c, in, "status", &text))
		return true;
	for (int s = 0; s < STMT_STATES; s++)
		if (str_ieq(text, str_of(stmt_fsm[s].name)))
			*ret = s;
	return *ret >= 0 || fail(c, ERR_INVALID_FIELD, "status must be one of SUBMITTED, RUNNING, SUCCEEDED, FAILED, CANCELED");
}

static bool read_time(struct call *c, const struct http_req *in, const char *name, int64_t *ret)
{
	struct str text;

	*ret = 0;
	return !http_query(c, in, name, &text) || clock_parse_rfc3339(text, ret) ||
	       fail(c, ERR_INVALID_FIELD, "%s must be an RFC 3339 time", name);
}

static bool read_filter(struct call *c, const struct http_req *in, struct stmt_filter *f)
{
	*f = (struct stmt_filter){0};
	if (!api_query_limit(c, in, &f->limit) || !read_status(c, in, &f->state) ||
	    !read_time(c, in, "since", &f->since_ms) || !read_time(c, in, "until", &f->until_ms))
		return false;
	http_query(c, in, "session_id", &f->session_id);
	if (http_query(c, in, "after", &f->after) && !id_valid(f->after))
		return fail(c, ERR_INVALID_FIELD, "after is not a cursor of this list");
	return true;
}

/* A list by a session that never was is 404; by one that ended it tells what is still there. */
static bool session_known(struct call *c, struct api *a, struct str id)
{
	struct session *se;

	if (api_find_session(c, a, id, &se))
		return true;
	if (c->err.kind == ERR_NO_SESSION)
		return false;
	call_forgive(c);
	return true;
}

bool api_list(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct stmt_filter f;
	struct json_out o;
	struct stmt_view v;
	struct stmt **items;
	struct str next;
	int n;

	if (api_goes_to_pool(a, in, out))
		return http_on_pool(out);
	if (!read_filter(c, in, &f) || !statement_list(c, a->statements, &f, &items, &n, &next))
		return false;
	if (n == 0 && f.session_id.n && !session_known(c, a, f.session_id))
		return false;
	o = api_begin_list(out);
	for (int i = 0; i < n; i++) {
		statement_view(items[i], &v);
		write_document(&o, &v);
		statement_unref(items[i]);
	}
	api_end_list(&o, next);
	return true;
}

/* --- live: status on every change, done with the document at the end --- */

struct live {
	struct stmt *st;
	struct http_res *out;
	struct http_park *park; /* names our watch */
	enum stmt_state told;
	double progress;
	bool began, over;
	int64_t sequence;
};

static void tell(struct live *l, struct buf *into, const char *event, const struct stmt_view *v)
{
	OWNS(buf) data = {0};
	OWNS(buf) id = {0};
	struct json_out o = json_out(&data);

	buf_i64(&id, ++l->sequence);
	write_document(&o, v);
	http_sse_event(into, buf_str(&id), str_of(event), buf_str(&data));
}

static enum http_more pull_live(void *self, struct buf *into)
{
	struct live *l = self;
	struct stmt_view v;
	size_t before = into->n;

	if (l->over)
		return HTTP_END;
	statement_unwatch(l->st, l->park);
	api_wake_by(l->st, http_park_of(l->out), true);
	statement_view(l->st, &v);
	if (!l->began || v.state != l->told)
		tell(l, into, "status", &v);
	else if (v.progress > l->progress)
		tell(l, into, "progress", &v);
	l->began = true;
	l->told = v.state;
	l->progress = v.progress;
	if (!fsm_terminal(stmt_fsm, v.state))
		return into->n > before ? HTTP_MORE : HTTP_WAIT;
	tell(l, into, "done", &v);
	l->over = true;
	return HTTP_MORE;
}

static void close_live(void *self)
{
	struct live *l = self;

	statement_unwatch(l->st, l->park);
	http_unref(l->park);
	statement_unref(l->st);
	free(l);
}

bool api_events(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const struct http_source source = {pull_live, close_live, false};
	struct api *a = rooms;
	struct live *l;
	struct stmt *st;

	if (api_goes_to_pool(a, in, out))
		return http_on_pool(out);
	if (!statement_find(c, a->statements, http_param(in, 0), &st))
		return false;
	l = base_zalloc(sizeof(*l));
	l->st = st;
	l->out = out;
	l->park = http_park_of(out);
	http_stream_sse(out, &source, l);
	return true;
}
