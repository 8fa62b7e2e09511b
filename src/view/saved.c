/* saved.c - saved SQL: created, updated, refreshed, listed, deleted.
 *
 * An entry comes into being after its view, and goes before it. With `async` it
 * is stored first, as building, and a second operation, which nobody waits
 * for, builds. Not here: what an entry is (entry.c), how rows become a snapshot
 * (build.c).
 */
#include "view/view_int.h"

#include "sql/sql.h"

enum { ORDER_MAX = 64, ORDER_ITEM_MAX = 1024, REVISION_TRIES = 5, COUNT_PAGE = 1000 };
enum saving_kind { SAVE_CREATE, SAVE_UPDATE, SAVE_REFRESH };

struct saving {
	enum saving_kind kind;
	bool async;                    /* it ends when the entry is stored as building */
	bool background;               /* builds what such a one has stored */
	struct str space, id, parent;
	struct entry entry;            /* as it will be; a refresh: as it is */
	struct entry former;           /* zero of a new one */
	struct bound bound;
	struct build build;
	struct str attempt;            /* the id of what it has stored */
	int64_t began_mono_ms;
	int tries;
};

static void build_it(struct view_op *op);
static void prepare_refresh(struct view_op *op);

/* --- what a client may save --- */

static int64_t characters(struct str s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static bool text_of(struct call *c, const char *field, struct str s, int64_t max)
{
	if (characters(s) > max)
		fail(c, ERR_SQL_INVALID, "`%s` has more than %lld characters", field, (long long)max);
	else if (!s.n)
		fail(c, ERR_SQL_INVALID, "`%s` is empty", field);
	else if (!str_is_utf8(s) || str_find(s, '\0') < s.n)
		fail(c, ERR_SQL_INVALID, "`%s` is no text", field);
	else
		return true;
	return fail_more(c, "\"field\":\"%s\"", field);
}

/* DuckDB takes more for a query than SELECT: FROM first, VALUES, DESCRIBE, … */
static bool is_select(struct call *c, struct str sql)
{
	struct sql_tokens t;
	int i = 0;

	if (!sql_lex(c, SQL_DUCKDB, sql, &t)) {
		struct err e = c->err;

		call_forgive(c);
		return fail_at(c, e.kind == ERR_SQL ? ERR_SQL_INVALID : e.kind, e.position, "%s", e.text);
	}
	while (t.v[i].kind == SQL_PUNCT && str_eq(t.v[i].text, S("(")))
		i++;
	return sql_is(&t, i, "select") || sql_is(&t, i, "with") ||
	       fail_at(c, ERR_SQL_INVALID, (int)t.v[i].at + 1, "`sql` is not one SELECT");
}

bool saved_check(struct call *c, struct str sql, const struct view_variable *variables, int n)
{
	struct str text;

	return text_of(c, "sql", sql, VIEW_SQL_MAX) && is_select(c, sql) && variables_check(c, sql, variables, n, &text);
}

bool order_check(struct call *c, const struct str *v, int n)
{
	if (n > ORDER_MAX)
		return fail(c, ERR_INVALID_FIELD, "order_by: at most %d items", ORDER_MAX);
	for (int i = 0; i < n; i++)
		if (!v[i].n || v[i].n > ORDER_ITEM_MAX || !str_is_utf8(v[i]))
			return fail(c, ERR_INVALID_FIELD, "order_by: item %d is empty, too long or no text", i + 1);
	return true;
}

/* --- beginning --- */

static bool has_cap(struct call *c, struct views *v, struct str space)
{
	struct view_page page = {.limit = COUNT_PAGE};
	struct view_caps caps;
	int64_t all = 0;
	struct str *ids;
	int n;

	view_caps_of(v, c->tenant, &caps);
	do {
		page.after = page.next;
		if (!entry_ids(c, v, space, &page, &ids, &n))
			return false;
		all += n;
	} while (page.next.n && all < caps.saved);
	return all < caps.saved || fail(c, ERR_QUOTA, "the space has its %lld saved SQL", (long long)caps.saved);
}

static void fill_new(struct view_op *op, struct saving *s)
{
	struct id id = id_v7(), revision = id_v4();
	struct saved_sql *q = &s->entry.saved;

	q->id = s->id = arena_dup(&op->arena, id_str(&id));
	q->revision_id = arena_dup(&op->arena, id_str(&revision));
	q->created_ms = q->updated_ms = clock_wall_ms();
	s->entry.revision = 1;
	s->entry.principal = op->call.principal;
}

static bool find_former(struct view_op *op, struct saving *s)
{
	struct call *c = &op->call;
	struct ice_table table;

	if (!id_valid(s->id))
		return fail(c, ERR_NOT_FOUND, "there is no such saved SQL");
	if (!space_check(c, op->room, s->space) || !entry_get(c, op->room, s->space, s->id, &s->former, &table))
		return false;
	return !s->former.adhoc || fail(c, ERR_NOT_FOUND, "there is no saved SQL %.*s", SARG(s->id));
}

static bool fill_update(struct view_op *op, struct saving *s)
{
	struct saved_sql *q = &s->entry.saved, *old = &s->former.saved;
	struct id revision = id_v4();

	if (!str_eq(old->revision_id, s->parent)) {
		fail(&op->call, ERR_REVISION_CONFLICT, "the revision in force is %.*s", SARG(old->revision_id));
		return fail_more(&op->call, "\"revision_id\":\"%.*s\"", SARG(old->revision_id));
	}
	q->id = old->id;
	q->revision_id = arena_dup(&op->arena, id_str(&revision));
	q->created_ms = old->created_ms;
	q->updated_ms = clock_wall_ms() > old->updated_ms ? clock_wall_ms() : old->updated_ms + 1;
	s->entry.revision = s->former.revision + 1;
	s->entry.principal = s->former.principal;
	return true;
}

/* --- async: the entry first --- */

static struct entry building_entry(struct view_op *op, struct saving *s)
{
	struct entry e = s->kind == SAVE_CREATE ? s->entry : s->former;

	e.attempt = attempt_begin(&op->call, op->room, s->space, s->id, S(""));
	s->attempt = e.attempt.id;
	e.building_from = e.saved.view.snapshot_id;
	e.saved.view.error = S("");
	entry_move(&e.saved, VIEW_BUILDING);
	return e;
}

/* The space may have gone just before. */
static bool still_in_space(struct view_op *op, struct saving *s)
{
	struct call *c = &op->call;
	struct err e;

	if (s->kind != SAVE_CREATE || space_check(c, op->room, s->space))
		return true;
	if (c->err.kind != ERR_NOT_FOUND) {
		call_forgive(c); /* it is stored; nothing says that it may not be */
		return true;
	}
	e = c->err;
	call_forgive(c);
	if (!entry_drop(c, op->room, s->space, s->id))
		call_forgive(c);
	return fail_as(c, &e);
}

static void forget_attempt(struct view_op *op)
{
	struct saving *s = op->state;

	attempt_forget(op->room, s->attempt);
}

/* What the building operation needs, in its own memory. */
static struct view_op *builder_of(struct view_op *op, const struct saving *s)
{
	struct view_op *b = op_new(&op->call, op->room);
	struct saving *to = ARENA_NEW(&b->arena, struct saving);

	*to = (struct saving){.kind = s->kind, .background = true, .began_mono_ms = clock_mono_ms()};
	to->space = arena_dup(&b->arena, s->space);
	to->id = arena_dup(&b->arena, s->id);
	to->attempt = arena_dup(&b->arena, s->attempt);
	to->entry = s->entry;
	to->entry.saved = saved_copy(&b->arena, &s->entry.saved);
	to->entry.principal = arena_dup(&b->arena, s->entry.principal);
	b->state = to;
	b->closing = forget_attempt;
	return b;
}

/* Nobody builds it: as if it had not been asked for. */
static void take_back(struct view_op *op, struct saving *s)
{
	struct call *c = &op->call;
	struct err e = c->err;

	call_forgive(c);
	if (s->kind == SAVE_CREATE ? !entry_drop(c, op->room, s->space, s->id)
				   : !entry_store(c, op->room, s->space, &s->former, STORE_REPLACE))
		call_forgive(c);
	(void)fail_as(c, &e);
}

static void store_building(struct view_op *op)
{
	struct saving *s = op->state;
	struct call *c = &op->call;
	struct view_op *builder;
	struct entry *e;

	if (c->err.kind != ERR_NONE) {
		op_end(op);
		return;
	}
	e = ARENA_NEW(&op->arena, struct entry);
	*e = building_entry(op, s);
	if (entry_store(c, op->room, s->space, e, s->kind == SAVE_CREATE ? STORE_NEW : STORE_REPLACE) && still_in_space(op, s)) {
		builder = builder_of(op, s);
		if (op_begin(c, builder, s->kind == SAVE_REFRESH ? prepare_refresh : build_it, &builder))
			view_op_unref(builder);
		else
			take_back(op, s);
	} else {
		attempt_forget(op->room, s->attempt);
	}
	op->result.saved = &e->saved;
	op_end(op);
}

/* --- the build has ended --- */

static void tell(struct view_op *op, const struct saving *s, const struct err *e)
{
	static const enum view_event told[] = {[SAVE_CREATE] = VIEW_E_CREATED, [SAVE_UPDATE] = VIEW_E_UPDATED,
					       [SAVE_REFRESH] = VIEW_E_REFRESHED};
	struct view_told t = {
		.event = e ? VIEW_E_FAILED : told[s->kind], .space = s->space, .id = s->id, .rows = e ? -1 : s->build.pin.rows,
		.snapshot_id = e ? -1 : s->build.pin.snapshot_id, .duration_ms = clock_mono_ms() - s->began_mono_ms,
		.error = e ? str_of(err_code(e->kind)) : S("")};

	view_tell(op->room, &op->call, &t);
}

/* The entry says it, unless somebody else is building by now. */
static void store_failure(struct view_op *op, struct saving *s, const struct err *why)
{
	struct call *c = &op->call;
	struct entry e;

	attempt_end(op->room, s->attempt);
	if (!entry_read(c, op->room, s->space, s->id, &e)) {
		call_forgive(c);
		return;
	}
	if (!str_eq(e.attempt.id, s->attempt))
		return;
	e.attempt = (struct attempt){0};
	e.building_from = 0;
	e.saved.view.error = str_of(why->text);
	if (!entry_store(c, op->room, s->space, &e, STORE_REPLACE))
		call_forgive(c);
}

static void failed(struct view_op *op)
{
	struct saving *s = op->state;
	struct err e = op->call.err;

	if (e.kind == ERR_REVISION_CONFLICT && s->kind == SAVE_REFRESH && ++s->tries < REVISION_TRIES) {
		call_forgive(&op->call);
		op_step_next(op, prepare_refresh);
		return;
	}
	tell(op, s, &e);
	if (s->background || s->kind == SAVE_REFRESH) {
		call_forgive(&op->call);
		store_failure(op, s, &e);
		(void)fail_as(&op->call, &e);
	}
	op_end(op);
}

/* Does the stored entry say what is in force now? */
static bool entry_is_right(const struct saving *s)
{
	return s->kind == SAVE_REFRESH && !s->background && !s->former.attempt.until_ms && !s->former.saved.view.error.n;
}

/* What another one is building just now stays said. */
static bool store_built(struct view_op *op, struct saving *s)
{
	struct call *c = &op->call;
	struct entry e = s->entry, now;

	attempt_end(op->room, s->attempt);
	if (s->kind == SAVE_CREATE && !s->background)
		return entry_store(c, op->room, s->space, &e, STORE_NEW);
	if (entry_is_right(s))
		return true;
	if (!entry_read(c, op->room, s->space, s->id, &now)) {
		if (c->err.kind == ERR_NOT_FOUND)
			return false;
		call_forgive(c);
	} else if (now.attempt.until_ms && !str_eq(now.attempt.id, s->attempt) && !attempt_gone(op->room, &now.attempt, 0)) {
		e.attempt = now.attempt;
		e.building_from = now.building_from;
	}
	if (entry_store(c, op->room, s->space, &e, STORE_REPLACE))
		return true;
	if (c->err.kind == ERR_NOT_FOUND)
		return false;
	call_forgive(c); /* the commit has decided; the copy is mended later */
	return true;
}

static void built(struct view_op *op)
{
	struct saving *s = op->state;
	struct call *c = &op->call;
	struct entry *e = &s->entry;

	if (c->err.kind != ERR_NONE) {
		failed(op);
		return;
	}
	entry_set_view(&e->saved, &s->build.pin);
	e->saved.view.error = S("");
	e->attempt = (struct attempt){0};
	e->building_from = 0;
	view_meta_put(c, op->room, s->space, &e->saved, &s->build.pin);
	if (!store_built(op, s)) {
		failed(op);
		return;
	}
	if (still_in_space(op, s)) {
		tell(op, s, NULL);
		op->result.saved = &e->saved;
	}
	op_end(op);
}

/* --- steps --- */

/* Binds the defaults, and says what is to be built. */
static bool fill_build(struct view_op *op, struct saving *s)
{
	struct saved_sql *q = &s->entry.saved;
	struct entry clean = s->entry;
	OWNS(buf) json = {0};

	clean.attempt = (struct attempt){0};
	clean.building_from = 0;
	clean.saved.view.error = S("");
	if (!variables_bind(&op->call, q->sql, q->variables, q->nvariables, NULL, &s->bound))
		return false;
	entry_put(&json, &clean);
	s->build = (struct build){
		.space = s->space, .prefix = key_view(&op->call, s->space, s->id), .saved = q, .sql = s->bound.sql,
		.unsaved = s->kind == SAVE_CREATE && !s->background, .revision = s->entry.revision, .binds = s->bound.binds,
		.bind_names = s->bound.names, .nbinds = s->bound.n, .empty = s->bound.missing, .mode = VIEW_REFRESH_FORCE,
		.next = built};
	if (s->kind != SAVE_REFRESH || !q->view.snapshot_id)
		s->build.entry_json = arena_dup(&op->arena, buf_str(&json));
	return true;
}

static void build_it(struct view_op *op)
{
	struct saving *s = op->state;

	if (!fill_build(op, s)) {
		failed(op);
		return;
	}
	if (s->async) {
		s->build.check_only = true;
		s->build.next = store_building;
	}
	build_begin(op, &s->build);
}

static void prepare_create(struct view_op *op)
{
	struct saving *s = op->state;

	fill_new(op, s);
	if (space_check(&op->call, op->room, s->space) && has_cap(&op->call, op->room, s->space))
		build_it(op);
	else
		op_end(op);
}

static void prepare_update(struct view_op *op)
{
	struct saving *s = op->state;

	if (find_former(op, s) && fill_update(op, s))
		build_it(op);
	else
		op_end(op);
}

static void prepare_refresh(struct view_op *op)
{
	struct saving *s = op->state;

	if (find_former(op, s)) {
		s->entry = s->former;
		build_it(op);
	} else if (s->background) {
		failed(op);
	} else {
		op_end(op);
	}
}

/* `"default": null` says that there is none, as everywhere in requests. */
static const struct view_variable *declared(struct arena *a, const struct saved_ask *ask)
{
	struct view_variable *to = ARENA_ARRAY(a, struct view_variable, (size_t)ask->nvariables + 1);

	for (int i = 0; i < ask->nvariables; i++) {
		to[i] = ask->variables[i];
		if (to[i].has_default && str_eq(str_trim(to[i].dflt), S("null")))
			to[i].has_default = false;
	}
	return to;
}

static struct saving *saving_of(struct view_op *op, enum saving_kind kind, struct str space, struct str id)
{
	struct saving *s = ARENA_NEW(&op->arena, struct saving);

	s->kind = kind;
	s->space = arena_dup(&op->arena, space);
	s->id = arena_dup(&op->arena, id);
	s->began_mono_ms = clock_mono_ms();
	op->state = s;
	return s;
}

bool view_save(struct call *c, struct views *v, const struct saved_ask *ask, struct view_op **ret)
{
	struct saved_sql q = {.name = ask->name, .sql = ask->sql, .order_by = ask->order_by, .norder = ask->norder,
			      .variables = declared(c->arena, ask), .nvariables = ask->nvariables};
	struct view_op *op;
	struct saving *s;

	if (ask->id.n && !ask->parent_revision_id.n)
		return fail(c, ERR_INVALID_FIELD, "parent_revision_id is missing");
	if (!text_of(c, "name", ask->name, VIEW_NAME_MAX) || !saved_check(c, ask->sql, q.variables, q.nvariables) ||
	    !order_check(c, ask->order_by, ask->norder))
		return false;
	op = op_new(c, v);
	s = saving_of(op, ask->id.n ? SAVE_UPDATE : SAVE_CREATE, ask->space, ask->id);
	s->async = ask->async;
	s->parent = arena_dup(&op->arena, ask->parent_revision_id);
	s->entry.saved = saved_copy(&op->arena, &q);
	return op_begin(c, op, ask->id.n ? prepare_update : prepare_create, ret);
}

bool view_refresh(struct call *c, struct views *v, struct str space, struct str id, bool async, struct view_op **ret)
{
	struct view_op *op = op_new(c, v);

	saving_of(op, SAVE_REFRESH, space, id)->async = async;
	return op_begin(c, op, prepare_refresh, ret);
}

/* --- reading and deleting --- */

bool view_saved_get(struct call *c, struct views *v, struct str space, struct str id, struct saved_sql *ret)
{
	struct ice_table table;
	struct entry e;

	if (!space_check(c, v, space))
		return false;
	if (!id_valid(id))
		return fail(c, ERR_NOT_FOUND, "there is no such saved SQL");
	if (!entry_get(c, v, space, id, &e, &table))
		return false;
	if (!entry_visible(c, &e))
		return fail(c, ERR_NOT_FOUND, "there is no saved SQL %.*s", SARG(id));
	*ret = e.saved;
	return true;
}

/* One whose view cannot be read is in the list, too, and says why. */
static bool list_one(struct call *c, struct views *v, struct str space, struct str id, struct entry *ret)
{
	struct ice_table table;
	struct str why;

	if (entry_get(c, v, space, id, ret, &table))
		return true;
	if (c->err.kind != ERR_CORRUPT_TABLE)
		return false;
	why = arena_dup(c->arena, str_of(c->err.text));
	call_forgive(c);
	if (!entry_read(c, v, space, id, ret)) {
		if (c->err.kind != ERR_CORRUPT_TABLE)
			return false;
		call_forgive(c);
		*ret = (struct entry){.saved = {.id = id}};
	}
	entry_move(&ret->saved, VIEW_FAILED);
	ret->saved.view.error = why;
	return true;
}

/* A page has many, each with the metadata of its table: only what is told stays. */
static bool list_copy(struct call *c, struct views *v, struct str space, struct str id, struct saved_sql *ret)
{
	OWNS(arena) a = {0};
	struct call reading = *c;
	struct entry e;

	reading.arena = &a;
	if (!list_one(&reading, v, space, id, &e))
		return fail_as(c, &reading.err);
	*ret = saved_copy(c->arena, &e.saved);
	return true;
}

bool view_saved_list(struct call *c, struct views *v, struct str space, struct view_page *page, struct saved_sql **ret, int *ret_n)
{
	struct saved_sql *list;
	struct str *ids;
	int n, kept = 0;

	if (!space_check(c, v, space))
		return false;
	if (page->after.n && !id_valid(page->after))
		return fail(c, ERR_INVALID_FIELD, "after: not a cursor of this list");
	if (!entry_ids(c, v, space, page, &ids, &n))
		return false;
	list = ARENA_ARRAY(c->arena, struct saved_sql, (size_t)n + 1);
	for (int i = 0; i < n; i++) {
		if (list_copy(c, v, space, ids[i], &list[kept])) {
			kept++;
			continue;
		}
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
	}
	*ret = list;
	*ret_n = kept;
	return true;
}

bool view_saved_drop(struct call *c, struct views *v, struct str space, struct str id)
{
	struct entry e = {0};

	if (!space_check(c, v, space))
		return false;
	if (!id_valid(id))
		return fail(c, ERR_NOT_FOUND, "there is no such saved SQL");
	if (!entry_read(c, v, space, id, &e)) {
		if (c->err.kind != ERR_CORRUPT_TABLE)
			return false;
		call_forgive(c);
	}
	if (e.adhoc)
		return fail(c, ERR_NOT_FOUND, "there is no saved SQL %.*s", SARG(id));
	if (!entry_drop(c, v, space, id))
		return false;
	view_tell(v, c, &(struct view_told){.event = VIEW_E_DELETED, .space = space, .id = id, .snapshot_id = -1, .rows = -1,
					    .duration_ms = -1});
	return true;
}
