/* sessions.c - SQL sessions: opened, told, dropped.
 *
 *   begin ─▶ its SQL: by id, by text, or an entry of its own ─▶ build.c ─▶ document
 *                         └─ async: the document first, as running; a second operation, which nobody waits for, goes on
 *
 * Not here: the document's text (session_doc.c), its rows (pages.c).
 */
#include "view/view_int.h"

#include "sql/sql.h"

enum { OPEN_TRIES = 5 };

struct opening {
	struct str space, sql_id, sql, values; /* values: JSON of the variables */
	const struct str *order_by;
	int norder;                    /* -1: the view's */
	enum view_refresh_mode mode;
	int64_t ttl_ms, began_mono_ms;
	bool async, background;
	struct str attempt;            /* the id of what is stored as running; empty: nothing is */
	struct entry entry;
	struct ice_table table;        /* as the entry was found with */
	bool has_view;
	struct bound bound;
	struct select_read read;
	struct build build;
	struct session_doc doc;
	int tries;
};

static void begin_build(struct view_op *op);
static void find_again(struct view_op *op);

/* --- the document --- */

/* The columns that the items name, each once. */
static bool check_order(struct call *c, const struct str *items, int n, const struct ice_schema *schema)
{
	struct str *names = column_names(c->arena, schema), *seen = ARENA_ARRAY(c->arena, struct str, (size_t)n + 1);

	for (int i = 0; i < n; i++) {
		struct sql_order o;

		if (!sql_order_item(c, items[i], names, schema->n, &o))
			return false;
		for (int k = 0; k < i; k++)
			if (str_ieq(seen[k], o.column))
				return fail(c, ERR_INVALID_FIELD, "order_by: `%.*s` is there twice", SARG(o.column));
		seen[i] = o.column;
	}
	return true;
}

/* The items before the first that is no column of the view. */
static int known_columns(struct call *c, const struct str *items, int n, const struct ice_schema *schema)
{
	struct str *names = column_names(c->arena, schema);
	struct sql_order o;

	for (int i = 0; i < n; i++)
		if (!sql_order_item(c, items[i], names, schema->n, &o)) {
			call_forgive(c);
			return i;
		}
	return n;
}

/* What orders the view's files: its order_by, else the text's own. */
static bool order_of_view(struct call *c, struct opening *o, const struct str **ret, int *ret_n)
{
	const struct saved_sql *q = &o->entry.saved;
	struct str *own;
	int n;

	*ret = q->order_by;
	*ret_n = q->norder;
	if (q->norder)
		return true;
	if (!sql_order_of(c, o->bound.sql, &own, &n))
		return false;
	*ret = own;
	*ret_n = known_columns(c, own, n, &o->build.pin.schema);
	return true;
}

static bool same_order(const struct str *a, int na, const struct str *b, int nb)
{
	for (int i = 0; i < na && na == nb; i++)
		if (!str_eq(a[i], b[i]))
			return false;
	return na == nb;
}

static bool fill_order(struct call *c, struct opening *o)
{
	const struct str *items;
	struct str *to;
	int n, given = o->norder;

	if (!order_of_view(c, o, &items, &n))
		return false;
	if (given > 0 && str_eq(o->order_by[given - 1], S(TIE_BREAKER)))
		given--;
	if (given >= 0) {
		if (!check_order(c, o->order_by, given, &o->build.pin.schema))
			return false;
		o->doc.own_order = !same_order(items, n, o->order_by, given);
		items = o->order_by;
		n = given;
	}
	o->doc.order_by = to = ARENA_ARRAY(c->arena, struct str, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		to[i] = items[i];
	to[n] = S(TIE_BREAKER);
	o->doc.norder = n + 1;
	return true;
}

/* Its time counts from now; of an async one from when it was stored. */
static void fill_new(struct view_op *op, struct opening *o)
{
	static const struct str tie[] = {S_INIT(TIE_BREAKER)};
	struct id id = id_v4();
	int64_t now = clock_wall_ms();

	o->doc = (struct session_doc){
		.id = arena_dup(&op->arena, id_str(&id)), .space = o->space, .sql_id = o->entry.saved.id, .sql = o->entry.saved.sql,
		.owner = op->call.principal, .created_ms = now, .expires_ms = now + o->ttl_ms, .variables = o->bound.canonical,
		.order_by = tie, .norder = 1, .adhoc = o->entry.adhoc};
}

static void show(struct view_op *op, const struct opening *o)
{
	OWNS(buf) json = {0};

	session_doc_json(&json, &o->doc, false);
	op->result.session = arena_dup(&op->arena, buf_str(&json));
}

/* --- which SQL --- */

static bool make_adhoc(struct view_op *op, struct opening *o)
{
	struct id id = id_v4(), revision = id_v4();
	int64_t now = clock_wall_ms();

	if (!saved_check(&op->call, o->sql, NULL, 0))
		return false;
	o->has_view = false;
	o->table = (struct ice_table){0};
	o->entry = (struct entry){
		.saved = {.id = arena_dup(&op->arena, id_str(&id)), .sql = o->sql, .created_ms = now, .updated_ms = now,
			  .revision_id = arena_dup(&op->arena, id_str(&revision))},
		.revision = 1, .principal = op->call.principal, .adhoc = true};
	return true;
}

static bool find_entry(struct view_op *op, struct opening *o, struct str id)
{
	struct call *c = &op->call;

	if (!id_valid(id))
		return fail(c, ERR_NOT_FOUND, "there is no such saved SQL");
	if (!entry_get(c, op->room, o->space, id, &o->entry, &o->table))
		return false;
	o->has_view = o->entry.saved.view.snapshot_id > 0;
	return entry_visible(c, &o->entry) || fail(c, ERR_NOT_FOUND, "there is no saved SQL %.*s", SARG(id));
}

static bool find_sql(struct view_op *op, struct opening *o)
{
	struct call *c = &op->call;
	struct entry found;
	bool is_saved;

	if (o->sql_id.n)
		return find_entry(op, o, o->sql_id);
	if (!entry_by_sql(c, op->room, o->space, o->sql, &found, &is_saved))
		return false;
	if (is_saved) {
		if (find_entry(op, o, found.saved.id) && str_eq(o->entry.saved.sql, o->sql))
			return true;
		if (c->err.kind != ERR_NONE && c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c); /* it was deleted or changed just now */
	}
	return make_adhoc(op, o);
}

static bool bind_values(struct view_op *op, struct opening *o)
{
	const struct saved_sql *q = &o->entry.saved;
	struct call *c = &op->call;
	const json_node *values;

	if (!json_read_object(c, o->values, &values) ||
	    !variables_bind(c, q->sql, q->variables, q->nvariables, values, &o->bound))
		return false;
	for (int i = 0; o->bound.missing && i < q->nvariables; i++)
		if (!q->variables[i].has_default && !json_get(values, arena_cstr(c->arena, q->variables[i].name)))
			return fail(c, ERR_INVALID_FIELD, "variables: `%.*s` has no default and needs a value",
				    SARG(q->variables[i].name));
	return true;
}

/* --- the view is there --- */

static void tell_opened(struct view_op *op, const struct opening *o)
{
	struct view_told t = {.event = VIEW_E_SESSION_OPENED, .space = o->space, .id = o->doc.id, .rows = o->doc.pin.rows,
			      .snapshot_id = o->doc.pin.snapshot_id, .duration_ms = clock_mono_ms() - o->began_mono_ms};

	atomic_fetch_add(&op->room->sessions, 1);
	view_tell(op->room, &op->call, &t);
}

/* What the build has changed, or an earlier one has left to say. */
static bool store_entry(struct view_op *op, struct opening *o)
{
	struct entry *e = &o->entry;
	bool first = e->adhoc && !o->has_view; /* else it is there, and may say what is over */
	bool stale = e->saved.view.error.n && e->saved.view.state != VIEW_BUILDING;
	struct call *c = &op->call;

	if (o->build.committed && !o->bound.canonical.n)
		view_meta_put(c, op->room, o->space, &e->saved, &o->build.pin);
	if (!first && !(o->build.committed && stale))
		return true;
	e->attempt = (struct attempt){0};
	e->building_from = 0;
	e->saved.view.error = S("");
	return entry_store(c, op->room, o->space, e, first && !o->background ? STORE_NEW : STORE_REPLACE);
}

/* The sweep looks at marks and documents in the other order: one of the two sees the other. */
static bool still_wanted(struct call *c, struct views *v, const struct opening *o)
{
	bool collecting, there;

	if (!space_check(c, v, o->space))
		return false;
	if (!o->doc.adhoc)
		return true;
	if (!key_there(c, v, key_collecting(c, o->space, o->doc.sql_id), &collecting) ||
	    !key_there(c, v, key_saved(c, o->space, o->doc.sql_id), &there))
		return false;
	return (there && !collecting) || fail(c, ERR_VIEW_DELETED, "its view was collected just now");
}

static bool store_doc(struct view_op *op, struct opening *o, enum store_put how)
{
	struct call *c = &op->call;
	struct err e;

	if (!session_doc_put(c, op->room, &o->doc, how))
		return false;
	if (still_wanted(c, op->room, o))
		return true;
	e = c->err;
	call_forgive(c);
	if (!session_doc_drop(c, op->room, o->space, o->doc.id))
		call_forgive(c);
	return fail_as(c, &e);
}

/* Whoever asked has gone: the document says it. */
static void store_failure(struct view_op *op, struct opening *o)
{
	struct err e = op->call.err;

	call_forgive(&op->call);
	attempt_end(op->room, o->attempt);
	o->doc.status = S("failed");
	o->doc.error = str_of(e.text);
	o->doc.pin = (struct pin){0};
	o->doc.attempt = (struct attempt){0};
	if (!session_doc_put(&op->call, op->room, &o->doc, STORE_REPLACE))
		call_forgive(&op->call);
	(void)fail_as(&op->call, &e);
}

static void end_failed(struct view_op *op)
{
	struct opening *o = op->state;

	if (o->background)
		store_failure(op, o);
	op_end(op);
}

static void opened(struct view_op *op)
{
	struct opening *o = op->state;
	struct call *c = &op->call;

	if (c->err.kind == ERR_REVISION_CONFLICT && !o->entry.adhoc && ++o->tries < OPEN_TRIES) {
		call_forgive(c);
		op_step_next(op, find_again);
		return;
	}
	if (c->err.kind != ERR_NONE) {
		end_failed(op);
		return;
	}
	if (o->background)
		attempt_end(op->room, o->attempt);
	else
		fill_new(op, o);
	o->doc.pin = o->build.pin;
	o->doc.status = S("ready");
	o->doc.attempt = (struct attempt){0};
	if (!fill_order(c, o) || !store_entry(op, o) || !store_doc(op, o, o->background ? STORE_REPLACE : STORE_NEW)) {
		end_failed(op);
		return;
	}
	if (!o->background)
		deadline_set(c, op->room, &o->doc);
	tell_opened(op, o);
	show(op, o);
	op_end(op);
}

/* --- async: the document first --- */

static void forget_attempt(struct view_op *op)
{
	struct opening *o = op->state;

	attempt_forget(op->room, o->attempt);
}

/* What the building operation needs, in its own memory. */
static struct view_op *builder_of(struct view_op *op, const struct opening *o)
{
	struct view_op *b = op_new(&op->call, op->room);
	struct opening *to = ARENA_NEW(&b->arena, struct opening);
	struct arena *a = &b->arena;

	*to = (struct opening){.norder = o->norder, .mode = o->mode, .background = true, .entry = o->entry, .has_view = o->has_view,
			       .doc = o->doc, .began_mono_ms = o->began_mono_ms};
	to->space = arena_dup(a, o->space);
	to->values = arena_dup(a, o->values);
	to->order_by = texts_copy(a, o->order_by, o->norder);
	to->entry.saved = saved_copy(a, &o->entry.saved);
	to->entry.principal = arena_dup(a, o->entry.principal);
	to->sql_id = to->doc.sql_id = to->entry.saved.id;
	to->doc.sql = to->entry.saved.sql;
	to->doc.space = to->space;
	to->doc.id = arena_dup(a, o->doc.id);
	to->attempt = arena_dup(a, o->attempt);
	to->doc.attempt = to->entry.attempt = (struct attempt){0};
	to->doc.owner = b->call.principal;
	to->doc.variables = arena_dup(a, o->doc.variables);
	b->state = to;
	b->closing = forget_attempt;
	return b;
}

static bool store_running(struct view_op *op, struct opening *o)
{
	struct call *c = &op->call;
	struct entry e = o->entry;
	bool own = e.adhoc && !o->has_view;

	fill_new(op, o);
	o->doc.status = S("running");
	o->doc.attempt = e.attempt = attempt_begin(c, op->room, o->space, own ? e.saved.id : S(""), o->doc.id);
	o->attempt = o->doc.attempt.id;
	if ((!own || entry_store(c, op->room, o->space, &e, STORE_NEW)) && store_doc(op, o, STORE_NEW)) {
		deadline_set(c, op->room, &o->doc);
		return true;
	}
	attempt_forget(op->room, o->attempt);
	return false;
}

static void run_behind(struct view_op *op)
{
	struct opening *o = op->state;
	struct view_op *builder;

	if (op->call.err.kind == ERR_NONE && store_running(op, o)) {
		builder = builder_of(op, o);
		if (op_begin(&op->call, builder, begin_build, &builder))
			view_op_unref(builder);
		else
			store_failure(op, o);
		show(op, o);
	}
	op_end(op);
}

/* --- steps --- */

static void fill_build(struct view_op *op, struct opening *o)
{
	struct entry clean = o->entry;
	struct saved_sql *q = &o->entry.saved;
	OWNS(buf) json = {0};

	clean.attempt = (struct attempt){0};
	clean.building_from = 0;
	clean.saved.view.error = S("");
	entry_put(&json, &clean);
	o->build = (struct build){
		.space = o->space, .prefix = key_view(&op->call, o->space, q->id), .saved = q, .sql = o->bound.sql,
		.table = o->has_view ? &o->table : NULL,
		.unsaved = o->entry.adhoc && !o->has_view && !o->background, .revision = o->entry.revision,
		.binds = o->bound.binds, .bind_names = o->bound.names, .nbinds = o->bound.n, .bindings = o->bound.canonical,
		.mode = o->mode, .next = opened};
	if (!o->has_view)
		o->build.entry_json = arena_dup(&op->arena, buf_str(&json));
}

/* The first step of a building operation, the last of a waiting one. */
static void begin_build(struct view_op *op)
{
	struct opening *o = op->state;

	if (!bind_values(op, o)) {
		end_failed(op);
		return;
	}
	fill_build(op, o);
	build_begin(op, &o->build);
}

/* Another revision came into force meanwhile. */
static void find_again(struct view_op *op)
{
	struct opening *o = op->state;

	if (!(o->background ? find_entry(op, o, o->sql_id) : find_sql(op, o))) {
		end_failed(op);
		return;
	}
	o->doc.sql = o->entry.saved.sql;
	begin_build(op);
}

static void begin(struct view_op *op)
{
	struct opening *o = op->state;
	struct call *c = &op->call;

	if (!space_check(c, op->room, o->space) || !memo_session(c, op->room, o->space) || !find_sql(op, o) || !bind_values(op, o)) {
		op_end(op);
	} else if (!o->async) {
		fill_build(op, o);
		build_begin(op, &o->build);
	} else if (o->entry.adhoc && !o->has_view) {
		o->read.client = o->sql;
		read_select(op, o->bound.sql, &o->read, run_behind);
	} else {
		run_behind(op);
	}
}

static bool check_ask(struct call *c, struct views *v, const struct sql_session_ask *ask)
{
	if ((ask->sql_id.n > 0) == (ask->sql.n > 0))
		return fail(c, ERR_INVALID_FIELD, "one of `sql_id` and `sql` is needed");
	if (ask->ttl_seconds != VIEW_TTL_DEFAULT && (ask->ttl_seconds < 1 || ask->ttl_seconds > v->o.max_ttl_s)) {
		fail(c, ERR_INVALID_FIELD, "ttl_seconds is from 1 to %lld", (long long)v->o.max_ttl_s);
		return fail_more(c, "\"field\":\"ttl_seconds\",\"max\":%lld", (long long)v->o.max_ttl_s);
	}
	if (ask->variables && json_kind(ask->variables) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "variables: an object is needed");
	return order_check(c, ask->order_by, ask->norder);
}

bool view_session_open(struct call *c, struct views *v, const struct sql_session_ask *ask, struct view_op **ret)
{
	struct view_op *op;
	struct opening *o;

	if (!check_ask(c, v, ask))
		return false;
	op = op_new(c, v);
	o = ARENA_NEW(&op->arena, struct opening);
	*o = (struct opening){
		.space = arena_dup(&op->arena, ask->space), .sql_id = arena_dup(&op->arena, ask->sql_id),
		.sql = arena_dup(&op->arena, ask->sql), .values = ask->variables ? json_node_text(&op->arena, ask->variables) : S("{}"),
		.order_by = texts_copy(&op->arena, ask->order_by, ask->norder), .norder = ask->norder, .mode = ask->refresh,
		.ttl_ms = (ask->ttl_seconds == VIEW_TTL_DEFAULT ? v->o.default_ttl_s : ask->ttl_seconds) * 1000,
		.began_mono_ms = clock_mono_ms(), .async = ask->async};
	op->state = o;
	return op_begin(c, op, begin, ret);
}

/* --- telling and dropping --- */

bool view_session_get(struct call *c, struct views *v, struct str space, struct str id, struct buf *ret_json)
{
	struct session_doc d;

	if (!session_doc_get(c, v, space, id, &d))
		return false;
	session_doc_json(ret_json, &d, false);
	return true;
}

bool view_session_drop(struct call *c, struct views *v, struct str space, struct str id)
{
	struct session_doc d;

	if (!session_doc_mine(c, v, space, id, &d) || !session_doc_drop(c, v, space, id))
		return false;
	view_tell(v, c, &(struct view_told){.event = VIEW_E_SESSION_CLOSED, .space = space, .id = id, .snapshot_id = -1, .rows = -1,
					    .duration_ms = clock_wall_ms() - d.created_ms});
	return true;
}
