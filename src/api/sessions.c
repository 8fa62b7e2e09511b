/* sessions.c - /v1/sessions: open, look, extend, fork, close. */
#include "api/api_int.h"

enum { LABELS_MAX = 64, LABEL_BYTES = 1024 };

/* --- references --- */

static void unref(void *arg)
{
	session_unref(arg);
}

bool api_find_session(struct call *c, struct api *a, struct str id, struct session **ret)
{
	if (!session_find(c, a->sessions, id, ret))
		return false;
	arena_defer(c->arena, unref, *ret);
	return true;
}

bool api_session_scope(struct call *c, struct api *a, const struct http_req *in, struct str id, struct stmt_scope *ret)
{
	struct session_scope scope;
	struct session *se;
	struct session_view v;

	if (!id.p)
		return true;
	if (!api_find_session(c, a, id, &se))
		return false;
	session_scope(se, &scope);
	session_view(se, &v);
	*ret = (struct stmt_scope){.session_id = v.id, .catalog = scope.catalog, .owner = scope.owner, .share = scope.share,
				   .persistent = v.persistent,
				   .detached = str_ieq(http_header(in, "X-Mayfly-Detached"), S("true"))};
	return true;
}

/* --- the document --- */

static void put_clocks(struct json_out *o, const struct session_view *v)
{
	api_put_time(o, "created_at", v->created_ms);
	api_put_time(o, "expires_at", v->expires_ms);
	JSON_FIELD_INT(o, "timeout_seconds", v->timeout_seconds);
	if (v->idle_seconds >= 0)
		JSON_FIELD_INT(o, "idle_timeout_seconds", v->idle_seconds);
	else
		JSON_FIELD_NULL(o, "idle_timeout_seconds");
	if (v->idle_seconds >= 0)
		api_put_time(o, "idle_expires_at", v->idle_expires_ms);
}

static void put_members(struct json_out *o, const struct session_view *v)
{
	JSON_FIELD_TEXT(o, "session_id", v->id);
	JSON_FIELD_TEXT(o, "tenant_id", v->tenant);
	JSON_FIELD_TEXT(o, "storage", v->persistent ? S("persistent") : S("memory"));
	put_clocks(o, v);
	JSON_FIELD_BOOL(o, "close_on_disconnect", v->close_on_disconnect);
	json_key(o, S("labels"));
	json_put_raw(o, v->labels.n ? v->labels : S("{}"));
}

void api_put_table_names(struct call *c, struct json_out *o, struct session *se, struct str name)
{
	JSON_FIELD_TEXT(o, "name", name);
	JSON_FIELD_TEXT(o, "physical_id", session_physical_id(c->arena, se, name));
	JSON_FIELD_TEXT(o, "table_ref", session_table_ref(c->arena, se, name));
}

static void put_tables(struct call *c, struct json_out *o, const struct session_result *r)
{
	json_key(o, S("tables"));
	json_begin_array(o);
	for (int i = 0; i < r->ntables; i++) {
		json_begin_object(o);
		api_put_table_names(c, o, r->session, r->tables[i].name);
		JSON_FIELD_INT(o, "row_count", r->tables[i].rows);
		json_end_object(o);
	}
	json_end_array(o);
}

static void write_session(struct call *c, struct http_res *out, int status, const struct session_result *r)
{
	struct json_out o = json_out(http_out(out));
	struct session_view v;

	session_view(r->session, &v);
	api_json(out, status);
	if (status == 201)
		http_set(out, "Location", arena_fmt(c->arena, "/v1/sessions/%.*s", SARG(v.id)));
	json_begin_object(&o);
	put_members(&o, &v);
	put_tables(c, &o, r);
	json_end_object(&o);
}

/* --- opening --- */

static bool read_labels(struct call *c, const json_node *body, struct str *ret)
{
	const json_node *labels = json_get(body, "labels"), *value;
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);
	struct str name;

	if (!labels || json_kind(labels) == JSON_KIND_NULL)
		return true;
	if (json_kind(labels) != JSON_KIND_OBJECT || json_count(labels) > LABELS_MAX)
		return fail(c, ERR_INVALID_FIELD, "labels must be an object of at most %d texts", LABELS_MAX);
	json_begin_object(&o);
	for (void *it = NULL; json_each(labels, &it, &name, &value);) {
		if (json_kind(value) != JSON_KIND_TEXT || name.n > LABEL_BYTES || json_text(value).n > LABEL_BYTES)
			return fail(c, ERR_INVALID_FIELD, "labels.%.*s must be text, name and value at most %d bytes",
				    SARG(str_head(name, 64)), LABEL_BYTES);
		json_key(&o, name);
		json_put_text(&o, json_text(value));
	}
	json_end_object(&o);
	*ret = arena_dup(c->arena, buf_str(&text));
	return true;
}

static bool read_storage(struct call *c, const json_node *body, bool *ret_persistent)
{
	struct str storage = S("memory");

	if (!json_want_text(c, body, "storage", &storage))
		return false;
	*ret_persistent = str_eq(storage, S("persistent"));
	return *ret_persistent || str_eq(storage, S("memory")) ||
	       fail(c, ERR_INVALID_FIELD, "storage must be memory or persistent");
}

static bool read_ask(struct call *c, const struct http_req *in, struct session_ask *ask)
{
	static const char *const keys[] = {"storage", "timeout_seconds", "idle_timeout_seconds", "close_on_disconnect", "labels", NULL};
	const json_node *body;

	*ask = (struct session_ask){.timeout_seconds = SESSION_TIMEOUT_DEFAULT, .idle_seconds = -1};
	if (http_body(in).n == 0)
		return true;
	return api_read_body(c, in, &body) && json_only(c, body, keys) && read_storage(c, body, &ask->persistent) &&
	       json_want_int(c, body, "timeout_seconds", 0, INT64_MAX, &ask->timeout_seconds) &&
	       json_want_int(c, body, "idle_timeout_seconds", 0, INT64_MAX, &ask->idle_seconds) &&
	       json_want_bool(c, body, "close_on_disconnect", &ask->close_on_disconnect) && read_labels(c, body, &ask->labels);
}

bool api_open_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct session_result made = {0};
	struct session_ask ask;

	if (!read_ask(c, in, &ask) || !session_open(c, a->sessions, &ask, &made.session))
		return false;
	arena_defer(c->arena, unref, made.session);
	write_session(c, out, 201, &made);
	return true;
}

/* --- looking --- */

bool api_list_sessions(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct session_filter f = {0};
	struct api *a = rooms;
	struct session **items;
	struct session_view v;
	struct json_out o;
	struct str next;
	int n;

	if (!api_query_limit(c, in, &f.limit))
		return false;
	http_query(c, in, "after", &f.after);
	if (!session_list(c, a->sessions, &f, &items, &n, &next))
		return false;
	o = api_begin_list(out);
	for (int i = 0; i < n; i++) {
		session_view(items[i], &v);
		json_begin_object(&o);
		put_members(&o, &v);
		JSON_FIELD_INT(&o, "table_count", v.usage.tables);
		JSON_FIELD_INT(&o, "row_count", v.usage.rows);
		json_end_object(&o);
		session_unref(items[i]);
	}
	api_end_list(&o, next);
	return true;
}

bool api_get_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct session *se;
	struct session_op *op;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find_session(c, rooms, http_param(in, 0), &se) || !session_describe(c, se, &op))
		return false;
	return api_wait_op(c, out, op, NULL);
}

bool api_get_session_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct session_result r;

	(void)rooms;
	(void)in;
	if (!api_op_result(c, out, &r))
		return false;
	write_session(c, out, 200, &r);
	return true;
}

bool api_extend_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const keys[] = {"timeout_seconds", NULL};
	const json_node *body;
	struct session_op *op;
	struct session *se;
	int64_t seconds = -1;

	if (!api_find_session(c, rooms, http_param(in, 0), &se) || !api_read_body(c, in, &body) || !json_only(c, body, keys) ||
	    !json_want_int(c, body, "timeout_seconds", 0, INT64_MAX, &seconds))
		return false;
	if (seconds < 0)
		return fail(c, ERR_INVALID_FIELD, "timeout_seconds is missing");
	if (!session_extend(c, se, seconds) || !session_describe(c, se, &op))
		return false;
	return api_wait_op(c, out, op, NULL);
}

/* --- fork and close --- */

bool api_fork_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct session *se;
	struct session_op *op;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find_session(c, rooms, http_param(in, 0), &se) || !api_read_nothing(c, in) || !session_fork(c, se, &op))
		return false;
	return api_wait_op(c, out, op, NULL);
}

bool api_fork_session_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct session_result r;

	(void)rooms;
	(void)in;
	if (!api_op_result(c, out, &r))
		return false;
	write_session(c, out, 201, &r);
	return true;
}

bool api_close_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct session *se;
	struct session_op *op;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	if (!api_find_session(c, rooms, http_param(in, 0), &se) || !session_close(c, se, &op))
		return false;
	return api_wait_op(c, out, op, NULL);
}

bool api_close_session_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct session_result r;

	(void)rooms;
	if (!api_op_result(c, out, &r))
		return false;
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "session_id", http_param(in, 0));
	JSON_FIELD_TEXT(&o, "event", S("closed"));
	JSON_FIELD_INT(&o, "deleted_tables", r.ntables);
	JSON_FIELD_INT(&o, "deleted_row_count", r.rows);
	json_end_object(&o);
	return true;
}
