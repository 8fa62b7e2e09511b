/* session_doc.c - the document of a SQL session: sql_sessions/{id}/meta.json.
 *
 * As the contract has it, with fields of its own behind, whose names begin with
 * `_` and which no client sees: enough to read the pinned rows without looking
 * at the view's metadata. Read each time, never cached; what is read is input.
 */
#include "view/view_int.h"

#include "json/json.h"

struct str *column_names(struct arena *a, const struct ice_schema *s)
{
	struct str *names = ARENA_ARRAY(a, struct str, (size_t)s->n + 1);

	for (int i = 0; i < s->n; i++)
		names[i] = s->fields[i].name;
	return names;
}

/* --- writing --- */

static void put_time(struct json_out *o, int64_t ms)
{
	if (ms)
		json_put_time(o, ms);
	else
		json_put_null(o);
}

static void put_number(struct json_out *o, bool known, int64_t n)
{
	if (known)
		json_put_int(o, n);
	else
		json_put_null(o);
}

static void put_view(struct json_out *o, const struct session_doc *d)
{
	const struct pin *p = &d->pin;

	json_literal_key(o, S("\"view\":"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "sql_id", d->sql_id);
	json_literal_key(o, S("\"snapshot_id\":"));
	put_number(o, p->snapshot_id > 0, p->snapshot_id);
	json_literal_key(o, S("\"snapshot_at\":"));
	put_time(o, p->snapshot_ms);
	json_literal_key(o, S("\"schema_version\":"));
	put_number(o, p->snapshot_id > 0, p->schema_version);
	json_end_object(o);
}

static void put_pagination(struct json_out *o, const struct session_doc *d)
{
	json_literal_key(o, S("\"pagination\":"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "strategy", S("offset"));
	json_literal_key(o, S("\"order_by\":"));
	json_put_texts(o, d->order_by, d->norder);
	JSON_FIELD_INT(o, "default_limit", VIEW_ROWS_DEFAULT);
	JSON_FIELD_INT(o, "max_limit", VIEW_ROWS_MAX);
	json_end_object(o);
}

static void put_count(struct json_out *o, const struct session_doc *d)
{
	json_literal_key(o, S("\"count\":"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "mode", S("on_demand"));
	json_literal_key(o, S("\"cached_at\":"));
	put_time(o, d->counted_ms);
	json_literal_key(o, S("\"value\":"));
	put_number(o, d->counted_ms > 0, d->count);
	json_end_object(o);
}

static void put_own(struct json_out *o, const struct session_doc *d)
{
	const struct pin *p = &d->pin;

	JSON_FIELD_TEXT(o, "_owner", d->owner);
	if (d->variables.n) {
		json_literal_key(o, S("\"_variables\":"));
		json_put_raw(o, d->variables);
	}
	JSON_FIELD_BOOL(o, "_own_order", d->own_order);
	JSON_FIELD_BOOL(o, "_adhoc", d->adhoc);
	attempt_put(o, &d->attempt);
	if (!p->snapshot_id)
		return;
	JSON_FIELD_INT(o, "_rows", p->rows);
	JSON_FIELD_BOOL(o, "_ordered", p->ordered);
	JSON_FIELD_TEXT(o, "_location", p->location);
	JSON_FIELD_TEXT(o, "_manifest_list", p->manifest_list);
	JSON_FIELD_TEXT(o, "_schema_hash", p->schema_hash);
	json_literal_key(o, S("\"_schema\":"));
	ice_put_schema_json(o, &p->schema);
}

void session_doc_json(struct buf *b, const struct session_doc *d, bool stored)
{
	struct json_out o = json_out(b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "id", d->id);
	JSON_FIELD_TEXT(&o, "space_id", d->space);
	JSON_FIELD_TEXT(&o, "sql_id", d->sql_id);
	JSON_FIELD_TEXT(&o, "sql", d->sql);
	JSON_FIELD_TEXT(&o, "status", d->status);
	json_literal_key(&o, S("\"created_at\":"));
	put_time(&o, d->created_ms);
	json_literal_key(&o, S("\"expires_at\":"));
	put_time(&o, d->expires_ms);
	if (d->error.n)
		JSON_FIELD_TEXT(&o, "error", d->error);
	else
		JSON_FIELD_NULL(&o, "error");
	put_view(&o, d);
	put_pagination(&o, d);
	put_count(&o, d);
	if (stored)
		put_own(&o, d);
	json_end_object(&o);
}

/* --- reading --- */

static bool read_view(struct call *c, const json_node *view, struct pin *p)
{
	int64_t version = 0;

	if (!view || json_kind(view) != JSON_KIND_OBJECT || !json_want_int(c, view, "snapshot_id", 1, INT64_MAX, &p->snapshot_id) ||
	    !json_want_time(c, view, "snapshot_at", &p->snapshot_ms) || !json_want_int(c, view, "schema_version", 0, INT32_MAX, &version))
		return false;
	p->schema_version = (int)version;
	return true;
}

static bool read_pin(struct call *c, const json_node *o, struct pin *p)
{
	const json_node *schema = json_get(o, "_schema");

	if (!read_view(c, json_get(o, "view"), p))
		return false;
	if (!p->snapshot_id)
		return true;
	if (!schema || !ice_schema_from_json(c, S("_schema"), schema, &p->schema) || !json_want_int(c, o, "_rows", 0, INT64_MAX, &p->rows) ||
	    !json_want_bool(c, o, "_ordered", &p->ordered) || !json_want_text(c, o, "_location", &p->location) ||
	    !json_want_text(c, o, "_manifest_list", &p->manifest_list) || !json_want_text(c, o, "_schema_hash", &p->schema_hash))
		return false;
	return store_key_valid(p->manifest_list);
}

static bool read_order(struct call *c, const json_node *pagination, struct session_doc *d)
{
	return pagination && json_want_texts(c, pagination, "order_by", INT32_MAX, &d->order_by, &d->norder) && d->order_by;
}

static bool read_count(struct call *c, const json_node *count, struct session_doc *d)
{
	return count && json_kind(count) == JSON_KIND_OBJECT && json_want_time(c, count, "cached_at", &d->counted_ms) &&
	       json_want_int(c, count, "value", 0, INT64_MAX, &d->count);
}

static bool read_doc(struct call *c, const json_node *o, struct session_doc *d)
{
	const json_node *variables = json_get(o, "_variables");

	if (variables && json_kind(variables) == JSON_KIND_OBJECT)
		d->variables = json_node_text(c->arena, variables);
	return json_want_text(c, o, "id", &d->id) && json_want_text(c, o, "space_id", &d->space) &&
	       json_want_text(c, o, "sql_id", &d->sql_id) && json_want_text(c, o, "sql", &d->sql) &&
	       json_want_text(c, o, "status", &d->status) && json_want_time(c, o, "created_at", &d->created_ms) &&
	       json_want_time(c, o, "expires_at", &d->expires_ms) && json_want_text(c, o, "error", &d->error) &&
	       json_want_text(c, o, "_owner", &d->owner) && json_want_bool(c, o, "_own_order", &d->own_order) &&
	       json_want_bool(c, o, "_adhoc", &d->adhoc) &&
	       attempt_read(c, o, &d->attempt) &&
	       read_order(c, json_get(o, "pagination"), d) && read_count(c, json_get(o, "count"), d) && read_pin(c, o, &d->pin) &&
	       id_valid(d->id) && id_valid(d->sql_id) && d->expires_ms > 0 &&
	       (!str_eq(d->status, S("ready")) || d->pin.snapshot_id > 0);
}

bool session_doc_read(struct call *c, struct views *v, struct str key, struct session_doc *ret)
{
	struct session_doc d = {0};
	const json_node *o;

	if (!view_read_json(c, v, key, &o))
		return false;
	if (!read_doc(c, o, &d)) {
		call_forgive(c);
		return fail(c, ERR_CORRUPT_TABLE, "%.*s is no document of a SQL session", SARG(key));
	}
	*ret = d;
	return true;
}

static bool is_visible(const struct call *c, const struct session_doc *d)
{
	return c->role == ROLE_ADMIN || str_eq(c->principal, d->owner);
}

static bool unknown(struct call *c, struct str id)
{
	call_forgive(c);
	return fail(c, ERR_NOT_FOUND, "there is no SQL session %.*s", SARG(str_head(id, ID_LEN)));
}

bool session_doc_expire(struct call *c, struct views *v, const struct session_doc *d)
{
	struct store *s = v->o.store;
	char at[CLOCK_RFC3339_MAX];
	bool first = s->ops->put(c, s, key_session_deleted(c, d->space, d->id), str_of(clock_rfc3339(clock_wall_ms(), at)), STORE_NEW);

	if (!first && c->err.kind != ERR_CONFLICT)
		return false;
	call_forgive(c);
	if (!s->ops->drop(c, s, key_session(c, d->space, d->id)))
		return false;
	deadline_ended(v, d->id);
	if (!first)
		return true;
	atomic_fetch_add(&v->expired, 1);
	view_tell(v, c, &(struct view_told){.event = VIEW_E_SESSION_EXPIRED, .space = d->space, .id = d->id, .snapshot_id = -1,
					    .rows = -1, .duration_ms = clock_wall_ms() - d->created_ms});
	return true;
}

static bool expired(struct call *c, struct views *v, const struct session_doc *d)
{
	char at[CLOCK_RFC3339_MAX];

	if (!session_doc_expire(c, v, d))
		call_forgive(c);
	return fail(c, ERR_SESSION_EXPIRED, "the session expired at %s", clock_rfc3339(d->expires_ms, at));
}

/* As far as its reader and its time go. */
bool session_doc_mine(struct call *c, struct views *v, struct str space, struct str id, struct session_doc *ret)
{
	struct session_doc d;

	if (!view_id_check(c, "space_id", space))
		return false;
	if (!id_valid(id))
		return unknown(c, S("of that name"));
	if (!session_doc_read(c, v, key_session(c, space, id), &d))
		return c->err.kind == ERR_NOT_FOUND ? unknown(c, id) : false;
	if (!str_eq(d.id, id) || !str_eq(d.space, space) || !is_visible(c, &d))
		return unknown(c, id);
	if (clock_wall_ms() >= d.expires_ms)
		return expired(c, v, &d);
	*ret = d;
	return true;
}

bool session_doc_get(struct call *c, struct views *v, struct str space, struct str id, struct session_doc *ret)
{
	struct session_doc d;

	if (!session_doc_mine(c, v, space, id, &d))
		return false;
	if (!entry_exists(c, v, space, d.sql_id)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return fail(c, ERR_VIEW_DELETED, "its SQL was deleted");
	}
	if (str_eq(d.status, S("running")) && attempt_gone(v, &d.attempt, 0)) {
		d.status = S("failed");
		d.error = S(BUILDER_GONE);
	}
	*ret = d;
	return true;
}

/* --- storing --- */

bool session_doc_put(struct call *c, struct views *v, const struct session_doc *d, enum store_put how)
{
	struct str key = key_session(c, d->space, d->id);
	struct store *s = v->o.store;
	OWNS(buf) text = {0};
	bool deleted;

	session_doc_json(&text, d, true);
	if (!s->ops->put(c, s, key, buf_str(&text), how))
		return false;
	if (how == STORE_NEW) /* its id is new */
		return true;
	if (!key_there(c, v, key_session_deleted(c, d->space, d->id), &deleted))
		return false;
	return !deleted || (s->ops->drop(c, s, key) && unknown(c, d->id));
}

bool session_doc_drop(struct call *c, struct views *v, struct str space, struct str id)
{
	if (!key_mark(c, v, key_session_deleted(c, space, id)) || !v->o.store->ops->drop(c, v->o.store, key_session(c, space, id)))
		return false;
	deadline_ended(v, id);
	return true;
}
