/* space_tables.c - /v1/spaces/{space_id}/tables: uploads as they come, schema and counts of what is there.
 *
 * The body goes from the socket to view/ without being kept here. take() and
 * close() come on the request's loop, room() from any thread.
 */
#include "api/api_int.h"

#include <stdlib.h>

/* --- the document --- */

static void put_schema(struct json_out *o, const struct ice_schema *s)
{
	OWNS(buf) type = {0};

	json_key(o, S("schema"));
	json_begin_array(o);
	for (int i = 0; i < s->n; i++) {
		buf_clear(&type);
		ice_put_duckdb_type(&type, &s->fields[i].type);
		json_begin_object(o);
		JSON_FIELD_TEXT(o, "name", s->fields[i].name);
		JSON_FIELD_TEXT(o, "type", buf_str(&type));
		JSON_FIELD_BOOL(o, "nullable", !s->fields[i].required);
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_table(struct json_out *o, const struct space_table *t)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "table", t->name);
	JSON_FIELD_INT(o, "snapshot_id", t->snapshot_id);
	JSON_FIELD_INT(o, "row_count", t->rows);
	put_schema(o, &t->schema);
	api_put_time(o, "snapshot_at", t->snapshot_ms);
	JSON_FIELD_INT(o, "bytes", t->bytes);
	JSON_FIELD_TEXT(o, "location", t->location);
	json_end_object(o);
}

static bool write_table(struct http_res *out, int status, const struct space_table *t)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, status);
	put_table(&o, t);
	return true;
}

/* --- looking and dropping --- */

bool api_get_space_table(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct space_table t;

	return view_table_get(c, a->views, http_param(in, 0), http_param(in, 1), &t) && write_table(out, 200, &t);
}

bool api_list_space_tables(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct space_table *items;
	struct view_page page;
	struct json_out o;
	int n;

	if (!api_read_page(c, in, &page) || !view_table_list(c, a->views, http_param(in, 0), &page, &items, &n))
		return false;
	o = api_begin_list(out);
	for (int i = 0; i < n; i++)
		put_table(&o, &items[i]);
	api_end_list(&o, page.next);
	return true;
}

bool api_drop_space_table(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;

	if (!view_table_drop(c, a->views, http_param(in, 0), http_param(in, 1)))
		return false;
	http_status(out, 204);
	return true;
}

/* --- uploading --- */

struct upload {
	atomic_int refs; /* the sink's, and that of who calls room() */
	struct view_upload *feed;
	struct http_park *park;
};

static void upload_unref(void *arg)
{
	struct upload *u = arg;

	if (atomic_fetch_sub(&u->refs, 1) != 1)
		return;
	http_unref(u->park);
	free(u);
}

static void on_room(void *arg)
{
	struct upload *u = arg;

	http_upload_go(u->park);
}

static enum http_took take(void *self, struct str bytes)
{
	struct upload *u = self;

	return view_upload_put(u->feed, bytes) ? HTTP_TOOK : HTTP_FULL;
}

static void close_upload(void *self, bool complete)
{
	struct upload *u = self;

	view_upload_end(u->feed, complete);
	upload_unref(u);
}

static bool read_mode(struct call *c, const struct http_req *in, enum view_upload_mode *ret)
{
	static const char *const modes[] = {[VIEW_CREATE] = "create", [VIEW_OVERWRITE] = "overwrite", [VIEW_APPEND] = "append"};
	struct str text;

	*ret = VIEW_CREATE;
	if (!http_query(c, in, "mode", &text))
		return true;
	for (int m = 0; m < (int)COUNT_OF(modes); m++) {
		if (!str_eq(text, str_of(modes[m])))
			continue;
		*ret = m;
		return true;
	}
	return fail(c, ERR_INVALID_FIELD, "mode must be create, overwrite or append");
}

/* Does an upload in this mode make the table? */
static bool makes(struct call *c, struct api *a, const struct view_upload_ask *ask)
{
	struct space_table t;
	bool there;

	if (ask->mode != VIEW_OVERWRITE)
		return ask->mode == VIEW_CREATE;
	there = view_table_get(c, a->views, ask->space, ask->table, &t);
	call_forgive(c);
	return !there;
}

bool api_upload_table(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const struct http_sink sink = {take, close_upload};
	struct view_upload_ask ask = {.space = http_param(in, 0), .table = http_param(in, 1), .room = on_room, .room_drop = upload_unref};
	bool *made = ARENA_NEW(c->arena, bool);
	struct api *a = rooms;
	struct view_op *op;
	struct upload *u;

	if (!read_mode(c, in, &ask.mode) || !api_format_of_body(c, in, &ask.format))
		return false;
	*made = makes(c, a, &ask);
	u = base_zalloc(sizeof(*u));
	atomic_init(&u->refs, 2);
	u->park = http_park_of(out);
	ask.arg = u;
	if (!view_upload(c, a->views, &ask, &u->feed, &op)) {
		atomic_store(&u->refs, 1);
		upload_unref(u);
		return false;
	}
	http_upload(out, &sink, u, (size_t)a->conf->server_max_upload_bytes);
	return api_wait_view(c, out, op, made, false);
}

bool api_upload_table_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	const bool *made = api_note(out);
	struct view_result r;

	(void)rooms;
	if (!api_view_result(c, out, &r))
		return false;
	if (*made)
		http_set(out, "Location", arena_fmt(c->arena, "/v1/spaces/%.*s/tables/%.*s", SARG(http_param(in, 0)), SARG(r.table->name)));
	return write_table(out, *made ? 201 : 200, r.table);
}
