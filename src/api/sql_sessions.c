/* sql_sessions.c - /v1/spaces/{space_id}/sql-sessions: a pinned snapshot, and its rows by page, count and stream.
 *
 * A page is converted on the pool; a stream is pulled on the request's loop,
 * where it never blocks.
 */
#include "api/api_int.h"
#include "rows/rows.h"

#include <stdlib.h>

/* --- opening --- */

static bool read_refresh(struct call *c, const json_node *body, enum view_refresh_mode *ret)
{
	static const char *const modes[] = {[VIEW_REFRESH_AUTO] = "auto", [VIEW_REFRESH_NEVER] = "never", [VIEW_REFRESH_FORCE] = "force"};
	struct str text = S("auto");

	if (!json_want_text(c, body, "refresh", &text))
		return false;
	for (int m = 0; m < (int)COUNT_OF(modes); m++) {
		if (!str_eq(text, str_of(modes[m])))
			continue;
		*ret = m;
		return true;
	}
	return fail(c, ERR_INVALID_FIELD, "refresh must be auto, never or force");
}

static bool read_variables(struct call *c, const json_node *body, const json_node **ret)
{
	const json_node *n = json_get(body, "variables");

	*ret = n && json_kind(n) != JSON_KIND_NULL ? n : NULL;
	return !*ret || json_kind(n) == JSON_KIND_OBJECT || fail(c, ERR_INVALID_FIELD, "variables must be an object: {\"name\": value}");
}

static bool read_ask(struct call *c, struct api *a, const struct http_req *in, struct sql_session_ask *ask)
{
	static const char *const keys[] = {"sql_id", "sql", "order_by", "variables", "refresh", "ttl_seconds", NULL};
	const json_node *body;

	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) || !json_want_text(c, body, "sql_id", &ask->sql_id) ||
	    !json_want_text(c, body, "sql", &ask->sql) || !api_read_order(c, body, &ask->order_by, &ask->norder) ||
	    !read_variables(c, body, &ask->variables) || !read_refresh(c, body, &ask->refresh) ||
	    !json_want_int(c, body, "ttl_seconds", 1, a->conf->spaces_max_ttl_seconds, &ask->ttl_seconds))
		return false;
	return (ask->sql_id.p != NULL) != (ask->sql.p != NULL) || fail(c, ERR_INVALID_FIELD, "give either sql_id or sql");
}

bool api_open_sql_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct sql_session_ask ask = {.space = http_param(in, 0), .norder = -1, .ttl_seconds = VIEW_TTL_DEFAULT,
				      .async = api_prefer_async(in)};
	struct api *a = rooms;
	struct view_op *op;

	return read_ask(c, a, in, &ask) && view_session_open(c, a->views, &ask, &op) && api_wait_view(c, out, op, NULL, false);
}

bool api_open_sql_session_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct str id = {0}, status = {0};
	const json_node *document;
	struct view_result r;

	(void)rooms;
	if (!api_view_result(c, out, &r) || !json_read_object(c, r.session, &document) || !json_want_text(c, document, "id", &id) ||
	    !json_want_text(c, document, "status", &status))
		return false;
	if (api_prefer_async(in))
		http_set(out, "Preference-Applied", S("respond-async"));
	api_json(out, str_eq(status, S("running")) ? 202 : 201);
	http_set(out, "Location", arena_fmt(c->arena, "/v1/spaces/%.*s/sql-sessions/%.*s", SARG(http_param(in, 0)), SARG(id)));
	buf_add(http_out(out), r.session);
	return true;
}

/* --- looking, counting, closing --- */

bool api_get_sql_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;

	if (!view_session_get(c, a->views, http_param(in, 0), http_param(in, 1), http_out(out)))
		return false;
	api_json(out, 200);
	return true;
}

bool api_sql_session_count(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct api *a = rooms;
	int64_t n;

	if (!view_session_count(c, a->views, http_param(in, 0), http_param(in, 1), &n))
		return false;
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_INT(&o, "count", n);
	json_end_object(&o);
	return true;
}

bool api_close_sql_session(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;

	if (!view_session_drop(c, a->views, http_param(in, 0), http_param(in, 1)))
		return false;
	http_status(out, 204);
	return true;
}

/* --- a page --- */

bool api_sql_session_rows(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct view_rows_ask ask = {.space = http_param(in, 0), .session = http_param(in, 1), .limit = VIEW_ROWS_DEFAULT};
	enum api_format *format = ARENA_NEW(c->arena, enum api_format);
	struct api *a = rooms;
	struct view_op *op;

	return api_format_of_answer(c, in, format) && api_query_int(c, in, "offset", 0, INT64_MAX, &ask.offset) &&
	       api_query_int(c, in, "limit", 1, INT64_MAX, &ask.limit) && view_rows(c, a->views, &ask, &op) &&
	       api_wait_view(c, out, op, format, true);
}

static bool unreadable(struct call *c)
{
	return fail(c, ERR_INTERNAL, "the rows of the page are not well-formed");
}

static bool put_rows(struct call *c, const struct view_result *r, struct convert *cv, struct buf *out)
{
	struct str rows;
	bool done;

	for (int i = 0; i < r->nparts; i++) {
		if (!convert_envelope(engine_bytes_str(r->parts[i]), &rows))
			return unreadable(c);
		cv->scan = json_scan(rows);
		do
			if (!convert_page(cv, CONVERT_PAGE, out, &done))
				return unreadable(c);
		while (!done);
	}
	return true;
}

static bool put_json(struct call *c, const struct view_result *r, struct convert *cv, struct buf *out)
{
	buf_lit(out, "{\"columns\":");
	convert_columns(cv->columns, cv->ncolumns, out);
	buf_lit(out, ",\"rows\":[");
	if (!put_rows(c, r, cv, out))
		return false;
	buf_fmt(out, "],\"row_count\":%lld,\"offset\":%lld,\"limit\":%lld}", (long long)r->rows, (long long)r->offset,
		(long long)r->limit);
	return true;
}

static bool put_page(struct call *c, enum api_format f, const struct view_result *r, struct buf *out)
{
	static const enum convert_shape shapes[] = {[API_JSON] = CONVERT_ARRAYS, [API_NDJSON] = CONVERT_OBJECTS, [API_CSV] = CONVERT_CSV};
	OWNS(convert) cv = {.from = ENGINE_NATIVE, .to = ENGINE_NATIVE, .shape = shapes[f]};
	struct engine_column *columns;

	if (!engine_columns(c, r->columns, &columns, &cv.ncolumns))
		return false;
	cv.columns = columns;
	if (f == API_JSON)
		return put_json(c, r, &cv, out);
	if (f == API_NDJSON)
		cv.keys = convert_keys(c->arena, columns, cv.ncolumns);
	else
		convert_csv_header(columns, cv.ncolumns, out);
	return put_rows(c, r, &cv, out);
}

static bool put_parquet(struct call *c, struct api *a, const struct view_result *r, struct buf *out)
{
	const struct engine_table table = {r->columns, r->parts, r->nparts};

	for (int i = 0; i < r->nparts; i++)
		engine_bytes_ref(r->parts[i]);
	return convert_to_parquet(c, a->engine, &table, out);
}

bool api_sql_session_rows_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	const enum api_format *f = api_note(out);
	struct view_result r;

	(void)in;
	if (!http_is_on_pool(out))
		return http_on_pool(out);
	if (!api_view_result(c, out, &r))
		return false;
	api_set_format(out, *f);
	return *f == API_PARQUET ? put_parquet(c, rooms, &r, http_out(out)) : put_page(c, *f, &r, http_out(out));
}

/* --- all rows --- */

struct rows_stream {
	struct view_stream *rows;
	struct http_res *out;
};

static void wake(void *arg)
{
	http_wake(arg);
}

static void drop(void *arg)
{
	http_unref(arg);
}

static enum http_more pull_rows(void *self, struct buf *into)
{
	struct rows_stream *s = self;
	struct watch w = {.fn = wake, .drop = drop, .arg = http_park_of(s->out)};
	enum view_pull how = view_stream_pull(s->rows, into, &w);

	if (how != VIEW_PULL_WAIT) /* it was not taken */
		http_unref(w.arg);
	switch (how) {
	case VIEW_PULL_ROWS:
		return HTTP_MORE;
	case VIEW_PULL_WAIT:
		return HTTP_WAIT;
	case VIEW_PULL_END:
		return HTTP_END;
	case VIEW_PULL_BROKEN:
		break;
	}
	return HTTP_BROKEN;
}

static void close_rows(void *self)
{
	struct rows_stream *s = self;

	view_stream_close(s->rows);
	free(s);
}

bool api_sql_session_stream(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const offers[] = {"application/x-ndjson", NULL};
	static const struct http_source source = {pull_rows, close_rows, false};
	struct view_stream *rows_of;
	struct api *a = rooms;
	struct rows_stream *s;

	if (!http_accept(in, offers))
		return fail(c, ERR_NOT_ACCEPTABLE, "a stream is application/x-ndjson");
	if (!view_stream_open(c, a->views, http_param(in, 0), http_param(in, 1), &rows_of))
		return false;
	s = base_zalloc(sizeof(*s));
	s->rows = rows_of;
	s->out = out;
	api_set_format(out, API_NDJSON);
	http_stream(out, &source, s);
	return true;
}
