/* entry.c - saved SQL as it is stored: sql/{id}.json, and the same in the properties of its view's table.
 *
 * That the object is there means that the SQL is saved. What it says may be
 * behind: the commit of the view decides, the object is written after it, and
 * mended by a reader where a server died in between. Threads: any; blocks.
 */
#include "view/view_int.h"

#include "json/json.h"

enum { ENTRY_SETTLED_MS = 30000, VERSION_AT = 14 /* in a UUID */ };

/* --- ids --- */

bool entry_id_listed(struct str id)
{
	return id_valid(id) && id.p[VERSION_AT] == '7';
}

bool entry_visible(const struct call *c, const struct entry *e)
{
	return !e->adhoc || c->role == ROLE_ADMIN || str_eq(c->principal, e->principal);
}

/* --- JSON --- */

static void put_variables(struct json_out *o, const struct saved_sql *s)
{
	json_literal_key(o, S("\"variables\":"));
	json_begin_array(o);
	for (int i = 0; i < s->nvariables; i++) {
		json_begin_object(o);
		JSON_FIELD_TEXT(o, "name", s->variables[i].name);
		JSON_FIELD_TEXT(o, "type", s->variables[i].type);
		if (s->variables[i].has_default) {
			json_literal_key(o, S("\"default\":"));
			json_put_raw(o, s->variables[i].dflt);
		}
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_saved(struct json_out *o, const struct saved_sql *s)
{
	JSON_FIELD_TEXT(o, "id", s->id);
	JSON_FIELD_TEXT(o, "name", s->name);
	JSON_FIELD_TEXT(o, "sql", s->sql);
	json_literal_key(o, S("\"order_by\":"));
	json_put_texts(o, s->order_by, s->norder);
	put_variables(o, s);
	JSON_FIELD_TEXT(o, "revision_id", s->revision_id);
	JSON_FIELD_TIME(o, "created_at", s->created_ms);
	JSON_FIELD_TIME(o, "updated_at", s->updated_ms);
}

void entry_put(struct buf *b, const struct entry *e)
{
	struct json_out o = json_out(b);

	json_begin_object(&o);
	put_saved(&o, &e->saved);
	JSON_FIELD_INT(&o, "_revision", e->revision);
	JSON_FIELD_TEXT(&o, "_principal", e->principal);
	JSON_FIELD_BOOL(&o, "_adhoc", e->adhoc);
	JSON_FIELD_TEXT(&o, "_error", e->saved.view.error);
	attempt_put(&o, &e->attempt);
	JSON_FIELD_INT(&o, "_building_from", e->building_from);
	json_end_object(&o);
}

static bool corrupt(struct call *c, struct str id, const char *what)
{
	call_forgive(c);
	return fail(c, ERR_CORRUPT_TABLE, "the entry of saved SQL %.*s cannot be read: %s", SARG(id), what);
}

static bool read_order(struct call *c, const json_node *o, struct saved_sql *s)
{
	return json_want_texts(c, o, "order_by", INT32_MAX, &s->order_by, &s->norder) && s->order_by;
}

static bool read_variables(struct call *c, const json_node *o, struct saved_sql *s)
{
	const json_node *v = json_get(o, "variables");
	struct view_variable *items;

	if (!v || json_kind(v) != JSON_KIND_ARRAY)
		return false;
	s->nvariables = (int)json_count(v);
	s->variables = items = ARENA_ARRAY(c->arena, struct view_variable, json_count(v) + 1);
	for (int i = 0; i < s->nvariables; i++) {
		const json_node *item = json_at(v, (size_t)i), *dflt;

		if (json_kind(item) != JSON_KIND_OBJECT || !json_want_text(c, item, "name", &items[i].name) ||
		    !json_want_text(c, item, "type", &items[i].type))
			return false;
		dflt = json_get(item, "default");
		items[i].has_default = dflt != NULL;
		if (dflt)
			items[i].dflt = json_node_text(c->arena, dflt);
	}
	return true;
}

/* The part that the table's properties have a say in. */
static bool read_saved(struct call *c, const json_node *o, struct entry *e)
{
	struct saved_sql *s = &e->saved;

	return json_want_text(c, o, "id", &s->id) && json_want_text(c, o, "name", &s->name) && json_want_text(c, o, "sql", &s->sql) &&
	       json_want_text(c, o, "revision_id", &s->revision_id) && json_want_time(c, o, "created_at", &s->created_ms) &&
	       json_want_time(c, o, "updated_at", &s->updated_ms) && json_want_int(c, o, "_revision", 1, INT64_MAX, &e->revision) &&
	       e->revision > 0 && s->sql.n && s->revision_id.n && s->created_ms && s->updated_ms && read_order(c, o, s) && read_variables(c, o, s);
}

static bool read_rest(struct call *c, const json_node *o, struct entry *e)
{
	return json_want_text(c, o, "_principal", &e->principal) && json_want_bool(c, o, "_adhoc", &e->adhoc) &&
	       json_want_text(c, o, "_error", &e->saved.view.error) &&
	       attempt_read(c, o, &e->attempt) &&
	       json_want_int(c, o, "_building_from", 0, INT64_MAX, &e->building_from);
}

bool entry_read(struct call *c, struct views *v, struct str space, struct str id, struct entry *ret)
{
	const json_node *o;
	struct entry e = {0};

	if (!view_read_json(c, v, key_saved(c, space, id), &o)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return fail(c, ERR_NOT_FOUND, "there is no saved SQL %.*s", SARG(id));
	}
	if (!read_saved(c, o, &e) || !read_rest(c, o, &e) || !str_eq(e.saved.id, id))
		return corrupt(c, id, "a field is missing or wrong");
	*ret = e;
	return true;
}

/* --- with its view --- */

void entry_move(struct saved_sql *s, enum view_state to)
{
	INVARIANT(s->view.state == to || fsm_may(view_fsm, s->view.state, to));
	s->view.state = to;
}

static bool parameterized(const struct saved_sql *s)
{
	for (int i = 0; i < s->nvariables; i++)
		if (!s->variables[i].has_default)
			return true;
	return false;
}

void entry_set_view(struct saved_sql *s, const struct pin *pin)
{
	s->view.snapshot_id = pin->snapshot_id;
	s->view.snapshot_ms = pin->snapshot_ms;
	s->view.rows = pin->rows;
	s->view.schema_hash = pin->schema_hash;
	s->view.schema_version = pin->schema_version;
	s->view.location = pin->location;
	entry_move(s, parameterized(s) ? VIEW_PARAMETERIZED : VIEW_READY);
}

/* What the table says of the SQL that is in force. */
static bool take_table(struct call *c, const struct ice_table *t, struct entry *e)
{
	struct str text = ice_value(t->properties, t->nproperties, PROP_SAVED);
	struct entry in_force = {0};
	const json_node *o;

	if (!json_read_object(c, text, &o) || !read_saved(c, o, &in_force) || !str_eq(in_force.saved.id, e->saved.id))
		return corrupt(c, e->saved.id, "properties of its view");
	in_force.saved.view = e->saved.view;
	e->saved = in_force.saved;
	e->revision = in_force.revision;
	return true;
}

/* A build that was begun: its server says how it ended, or is gone. */
static void settle(struct views *v, struct entry *e)
{
	struct saved_sql *s = &e->saved;

	if (e->attempt.until_ms && !attempt_gone(v, &e->attempt, 0)) {
		entry_move(s, VIEW_BUILDING);
		return;
	}
	if (e->attempt.until_ms)
		s->view.error = s->view.snapshot_id > e->building_from ? S("") : S(BUILDER_GONE);
	if (!s->view.snapshot_id) {
		entry_move(s, VIEW_FAILED);
		if (!s->view.error.n)
			s->view.error = S("it was never built");
	}
}

/* A server died between the commit and its word of it. Only after a while: most often it is about to write. */
static void mend(struct call *c, struct views *v, struct str space, const struct entry *e, const struct ice_table *t)
{
	struct entry clean = *e;

	if (t->updated_ms + ENTRY_SETTLED_MS > clock_wall_ms())
		return;
	clean.attempt = (struct attempt){0};
	clean.building_from = 0;
	clean.saved.view.error = S("");
	if (!entry_store(c, v, space, &clean, STORE_REPLACE))
		call_forgive(c);
}

/* No table: not built yet, or deleted just when somebody wrote the entry. */
static bool without_table(struct call *c, struct views *v, struct str space, const struct entry *e)
{
	bool deleted;

	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	if (!key_there(c, v, key_saved_deleted(c, space, e->saved.id), &deleted))
		return false;
	return !deleted || fail(c, ERR_NOT_FOUND, "there is no saved SQL %.*s", SARG(e->saved.id));
}

bool entry_get(struct call *c, struct views *v, struct str space, struct str id, struct entry *ret, struct ice_table *ret_table)
{
	struct ice_table t = {0};
	struct entry e;
	struct pin pin;

	if (!entry_read(c, v, space, id, &e))
		return false;
	if (!ice_load(c, v->o.store, key_view(c, space, id), &t)) {
		if (!without_table(c, v, space, &e))
			return false;
		t = (struct ice_table){.prefix = key_view(c, space, id)};
	}
	if (t.current) {
		int64_t written = e.revision;

		if (!take_table(c, &t, &e) || !build_pin(c, &t, t.current, &pin))
			return false;
		entry_set_view(&e.saved, &pin);
		if (e.revision > written)
			mend(c, v, space, &e, &t);
	}
	settle(v, &e);
	*ret = e;
	*ret_table = t;
	return true;
}

/* Read again, because looking at the table took a while: what is written is of the attempt that is gone. */
static bool store_settled(struct call *c, struct views *v, struct str space, const struct entry *settled)
{
	struct entry e;

	if (!entry_read(c, v, space, settled->saved.id, &e))
		return false;
	if (!str_eq(e.attempt.id, settled->attempt.id) || e.attempt.until_ms != settled->attempt.until_ms)
		return true;
	e.attempt = (struct attempt){0};
	e.building_from = 0;
	e.saved.view.error = settled->saved.view.error;
	return entry_store(c, v, space, &e, STORE_REPLACE);
}

bool entry_settle(struct call *c, struct views *v, struct str space, struct str id, bool *ret_settled)
{
	struct ice_table table;
	struct entry e;

	if (!entry_read(c, v, space, id, &e))
		return false;
	*ret_settled = !e.attempt.until_ms;
	if (*ret_settled || !attempt_gone(v, &e.attempt, v->o.skew_ms))
		return true;
	return entry_get(c, v, space, id, &e, &table) && (!e.attempt.until_ms || store_settled(c, v, space, &e));
}

bool entry_exists(struct call *c, struct views *v, struct str space, struct str id)
{
	bool there;

	return key_there(c, v, key_saved(c, space, id), &there) &&
	       (there || fail(c, ERR_NOT_FOUND, "there is no saved SQL %.*s", SARG(id)));
}

/* --- writing --- */

bool entry_store(struct call *c, struct views *v, struct str space, const struct entry *e, enum store_put how)
{
	struct store *s = v->o.store;
	OWNS(buf) text = {0};
	bool deleted;

	entry_put(&text, e);
	if (!s->ops->put(c, s, key_saved(c, space, e->saved.id), buf_str(&text), how) ||
	    !key_there(c, v, key_saved_deleted(c, space, e->saved.id), &deleted))
		return false;
	if (!deleted)
		return true;
	return entry_drop(c, v, space, e->saved.id) && fail(c, ERR_NOT_FOUND, "saved SQL %.*s was deleted", SARG(e->saved.id));
}

bool entry_drop(struct call *c, struct views *v, struct str space, struct str id)
{
	struct store *s = v->o.store;
	struct str prefix = key_view(c, space, id);

	if (!key_mark(c, v, key_saved_deleted(c, space, id)) || !s->ops->drop(c, s, key_saved(c, space, id)) || !ice_drop(c, s, prefix))
		return false;
	store_cache_forget(v->o.cache, c->tenant, prefix);
	return true;
}

static void put_meta(struct json_out *o, const struct saved_sql *saved, const struct pin *pin)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "sql_id", saved->id);
	JSON_FIELD_TIME(o, "created_at", saved->created_ms);
	JSON_FIELD_TIME(o, "updated_at", pin->snapshot_ms > saved->updated_ms ? pin->snapshot_ms : saved->updated_ms);
	JSON_FIELD_INT(o, "snapshot_id", pin->snapshot_id);
	JSON_FIELD_TEXT(o, "schema_hash", pin->schema_hash);
	json_end_object(o);
}

void view_meta_put(struct call *c, struct views *v, struct str space, const struct saved_sql *saved, const struct pin *pin)
{
	struct store *s = v->o.store;
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);
	struct err before = c->err;

	put_meta(&o, saved, pin);
	if (!s->ops->put(c, s, key_view_meta(c, space, saved->id), buf_str(&text), STORE_REPLACE))
		c->err = before;
}

/* --- lists --- */

/* The id in "…/sql/{id}.json"; empty: another object, or of an ad-hoc entry. */
static struct str id_of(struct str key, struct str prefix)
{
	struct str name = str_tail(key, prefix.n), id;

	if (!str_ends(name, S(".json")))
		return S("");
	id = str_head(name, name.n - 5);
	return entry_id_listed(id) ? id : S("");
}

/* Calls fn for each entry behind `after` until it says stop. */
struct entry_walk {
	struct str space, after;       /* after: an id */
	/* false: stop; ret_ok: without an error */
	bool (*fn)(struct call *c, struct entry_walk *w, const struct store_entry *at, struct str id, bool *ret_ok);
	void *arg;
};

static bool walk_entries(struct call *c, struct views *v, struct entry_walk *w)
{
	struct str prefix = key_space(c, w->space, "/sql/");
	struct str after = w->after.n ? key_saved(c, w->space, w->after) : S("");
	bool ok = true;
	size_t n;

	do {
		struct store_entry *e;

		if (!v->o.store->ops->list(c, v->o.store, prefix, after, &e, &n))
			return false;
		for (size_t i = 0; i < n; i++) {
			struct str id = id_of(e[i].key, prefix);

			if (id.n && !w->fn(c, w, &e[i], id, &ok))
				return ok;
		}
		if (n)
			after = e[n - 1].key;
	} while (n == STORE_LIST_MAX);
	return true;
}

struct ids {
	struct str *v;
	int n, max;
	bool more;
};

static bool collect(struct call *c, struct entry_walk *w, const struct store_entry *at, struct str id, bool *ret_ok)
{
	struct ids *ids = w->arg;

	(void)c;
	(void)at;
	(void)ret_ok;
	if (ids->n == ids->max) {
		ids->more = true;
		return false;
	}
	ids->v[ids->n++] = id;
	return true;
}

bool entry_ids(struct call *c, struct views *v, struct str space, struct view_page *page, struct str **ret, int *ret_n)
{
	struct ids ids = {.v = ARENA_ARRAY(c->arena, struct str, (size_t)page->limit + 1), .max = page->limit};
	struct entry_walk w = {.space = space, .after = page->after, .fn = collect, .arg = &ids};

	if (!walk_entries(c, v, &w))
		return false;
	page->next = ids.more && ids.n ? ids.v[ids.n - 1] : S("");
	*ret = ids.v;
	*ret_n = ids.n;
	return true;
}

/* --- by what they say --- */

struct wanted {
	struct views *v;
	unsigned char digest[SHA256_LEN];
	bool by_name;
	struct str text;               /* of the SQL, or the name in lower case */
	struct entry found;
	struct str *ids;
	int n, max;
};

/* The digests of an entry: remembered, or read now. false, without an error: it has gone. */
static bool digests(struct call *c, struct wanted *w, struct str space, const struct store_entry *at, struct memo_entry *ret)
{
	struct str id = id_of(at->key, key_space(c, space, "/sql/"));
	OWNS(arena) a = {0}; /* a space may have many */
	struct call reading = *c;
	struct entry e;

	if (memo_get(w->v, at, ret))
		return true;
	reading.arena = &a;
	if (!entry_read(&reading, w->v, space, id, &e))
		return reading.err.kind == ERR_NOT_FOUND || reading.err.kind == ERR_CORRUPT_TABLE ? false : fail_as(c, &reading.err);
	*ret = (struct memo_entry){0};
	hash_sha256(e.saved.sql, ret->sql);
	hash_sha256(arena_lower(&a, e.saved.name), ret->name);
	if (e.adhoc)
		memset(ret, 0, sizeof(*ret));
	memo_put(w->v, at, ret);
	return true;
}

static void add_id(struct arena *a, struct wanted *w, struct str id)
{
	if (w->n == w->max) {
		int max = w->max ? 2 * w->max : 4;
		struct str *more = ARENA_ARRAY(a, struct str, (size_t)max);

		if (w->n)
			memcpy(more, w->ids, sizeof(*more) * (size_t)w->n);
		w->ids = more;
		w->max = max;
	}
	w->ids[w->n++] = id;
}

/* Reads what the digests found again. */
static bool confirm(struct call *c, struct wanted *w, struct str space, struct str id, bool *ret_same)
{
	struct entry e;

	*ret_same = false;
	if (!entry_read(c, w->v, space, id, &e)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return true;
	}
	*ret_same = !e.adhoc && str_eq(w->by_name ? arena_lower(c->arena, e.saved.name) : e.saved.sql, w->text);
	if (*ret_same)
		w->found = e;
	return true;
}

static bool match(struct call *c, struct entry_walk *walk, const struct store_entry *at, struct str id, bool *ret_ok)
{
	struct wanted *w = walk->arg;
	struct memo_entry m;
	bool same;

	if (!digests(c, w, walk->space, at, &m))
		return *ret_ok = c->err.kind == ERR_NONE;
	if (memcmp(w->by_name ? m.name : m.sql, w->digest, SHA256_LEN) != 0)
		return true;
	if (!confirm(c, w, walk->space, id, &same))
		return *ret_ok = false;
	if (same)
		add_id(c->arena, w, id);
	return !same || w->by_name;
}

static bool find(struct call *c, struct wanted *w, struct str space)
{
	struct entry_walk walk = {.space = space, .fn = match, .arg = w};

	hash_sha256(w->text, w->digest);
	return walk_entries(c, w->v, &walk);
}

bool entry_by_sql(struct call *c, struct views *v, struct str space, struct str sql, struct entry *ret, bool *ret_found)
{
	struct wanted w = {.v = v, .text = sql};

	if (!find(c, &w, space))
		return false;
	*ret_found = w.n > 0;
	if (w.n)
		*ret = w.found;
	return true;
}

bool entry_by_name(struct call *c, struct views *v, struct str space, struct str name, struct str **ret_ids, int *ret_n)
{
	struct wanted w = {.v = v, .by_name = true, .text = arena_lower(c->arena, name)};

	if (!find(c, &w, space))
		return false;
	*ret_ids = w.ids;
	*ret_n = w.n;
	return true;
}

/* --- copies --- */

struct str *texts_copy(struct arena *a, const struct str *v, int n)
{
	struct str *to = ARENA_ARRAY(a, struct str, (size_t)(n > 0 ? n : 0) + 1);

	for (int i = 0; i < n; i++)
		to[i] = arena_dup(a, v[i]);
	return to;
}

struct saved_sql saved_copy(struct arena *a, const struct saved_sql *s)
{
	struct view_variable *variables = ARENA_ARRAY(a, struct view_variable, (size_t)s->nvariables + 1);
	struct saved_sql to = *s;

	to.id = arena_dup(a, s->id);
	to.name = arena_dup(a, s->name);
	to.sql = arena_dup(a, s->sql);
	to.order_by = texts_copy(a, s->order_by, s->norder);
	for (int i = 0; i < s->nvariables; i++)
		variables[i] = (struct view_variable){
			.name = arena_dup(a, s->variables[i].name), .type = arena_dup(a, s->variables[i].type),
			.has_default = s->variables[i].has_default, .dflt = arena_dup(a, s->variables[i].dflt)};
	to.variables = variables;
	to.revision_id = arena_dup(a, s->revision_id);
	to.view.error = arena_dup(a, s->view.error);
	to.view.schema_hash = arena_dup(a, s->view.schema_hash);
	to.view.location = arena_dup(a, s->view.location);
	return to;
}
