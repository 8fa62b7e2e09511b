/* build_run.c - a build itself: describe, export, put, commit.
 *
 * The text that runs has the sources as CTEs in front of the client's SELECT, so
 * nothing else has a name in it. The commit looks once more at what is in force;
 * whoever loses leaves nothing behind. Not here: whether it is needed (build.c).
 */
#include "view/build_int.h"

#include "sql/sql.h"

enum { STARTS_MAX = 4 };

static struct frame *frame_of(struct view_op *op)
{
	return op->build->inner;
}

static void fail_build(struct view_op *op)
{
	INVARIANT(op->call.err.kind != ERR_NONE);
	build_finish(op);
}

/* --- the text --- */

static bool compose_parts(struct view_op *op, struct frame *f)
{
	struct call *c = &op->call;
	struct str sql = f->b->sql;
	struct sql_tokens t;
	struct sql_span *spans;
	OWNS(buf) with = {0};
	int n;

	if (!sql_lex(c, SQL_DUCKDB, sql, &t) || !sql_split(c, &t, &spans, &n))
		return false;
	if (n != 1)
		return fail(c, ERR_SQL_INVALID, "it is not one SELECT");
	f->inner = str_head(sql, t.v[spans[0].to - 1].at + t.v[spans[0].to - 1].text.n);
	for (int i = 0; i < f->nsources; i++) {
		buf_add(&with, i ? S(", ") : S("WITH "));
		source_put_cte(&with, &f->sources[i]);
	}
	if (f->nsources)
		buf_addc(&with, ' ');
	f->with = arena_dup(c->arena, buf_str(&with));
	return true;
}

static bool hold_sources(struct view_op *op, struct frame *f)
{
	for (int i = 0; i < f->nsources; i++)
		if (!op_going(op) || !source_hold(&op->call, op->room, &f->sources[i]))
			return false;
	return true;
}

/* --- its columns --- */

static bool is_sortable(const struct ice_type *t)
{
	switch (t->kind) {
	case ICE_BOOLEAN:
	case ICE_INT:
	case ICE_LONG:
	case ICE_DECIMAL:
	case ICE_DATE:
	case ICE_TIME:
	case ICE_TIMESTAMP:
	case ICE_TIMESTAMPTZ:
	case ICE_STRING:
	case ICE_UUID:
	case ICE_BINARY:
		return true;
	case ICE_FLOAT: /* the format orders -0.0 before 0.0 */
	case ICE_DOUBLE:
	case ICE_FIXED:
	case ICE_LIST:
	case ICE_STRUCT:
	case ICE_MAP:
	case ICE_KINDS:
		break;
	}
	return false;
}

static int column_of(const struct frame *f, struct str name)
{
	for (int i = 0; i < f->schema.n; i++)
		if (str_eq(f->schema.fields[i].name, name))
			return i;
	return -1;
}

/* What the table's metadata says of the order, as far as the format can say it. */
static void add_sort(struct frame *f, int column, const struct sql_order *o)
{
	const struct ice_field *field = &f->schema.fields[column];

	if (is_sortable(&field->type))
		f->sort[f->nsort++] = (struct ice_order){field->id, o->desc, o->nulls_first};
}

static bool read_order(struct view_op *op, struct frame *f)
{
	const struct saved_sql *q = f->b->saved;
	struct str *names = ARENA_ARRAY(&op->arena, struct str, (size_t)f->schema.n + 1), *own = NULL;
	int n = q->norder;
	bool given = n > 0, sortable = true, *used = ARENA_ARRAY(&op->arena, bool, (size_t)f->schema.n + 1);
	OWNS(buf) b = {0};

	for (int i = 0; i < f->schema.n; i++)
		names[i] = f->schema.fields[i].name;
	if (!given && !sql_order_of(&op->call, f->inner, &own, &n))
		return false;
	f->sort = ARENA_ARRAY(&op->arena, struct ice_order, (size_t)(n > 0 ? n : 0) + 1);
	f->nsort = 0;
	for (int i = 0; i < n; i++) {
		struct sql_order o;
		int at, before = f->nsort;

		if (!sql_order_item(&op->call, given ? q->order_by[i] : own[i], names, f->schema.n, &o)) {
			if (given)
				return false;
			call_forgive(&op->call); /* of a column that is not in the result */
			break;
		}
		at = column_of(f, o.column);
		INVARIANT(at >= 0);
		if (given && used[at])
			return fail(&op->call, ERR_INVALID_FIELD, "order_by: `%.*s` is there twice", SARG(o.column));
		used[at] = true;
		if (sortable)
			add_sort(f, at, &o);
		sortable = sortable && f->nsort > before;
		buf_fmt(&b, "%s\"_q\".\"c%d\" %s NULLS %s", i ? ", " : " ORDER BY ", at, o.desc ? "DESC" : "ASC",
			o.nulls_first ? "FIRST" : "LAST");
	}
	f->order = given ? arena_dup(&op->arena, buf_str(&b)) : S("");
	return true;
}

static bool read_columns(struct view_op *op, struct frame *f)
{
	struct engine_column *columns;
	struct ice_column *v;
	int n;

	if (!engine_columns(&op->call, op->got.columns, &columns, &n))
		return false;
	if (n > VIEW_COLUMNS_MAX)
		return fail(&op->call, ERR_SQL_INVALID, "it has more than %d columns", VIEW_COLUMNS_MAX);
	v = ARENA_ARRAY(&op->arena, struct ice_column, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		v[i] = (struct ice_column){columns[i].name, columns[i].type};
	return ice_schema_of(&op->call, f->table.version ? &f->table : NULL, v, n, &f->schema, &f->casts) && read_order(op, f);
}

/* --- the export --- */

static void put_list(struct buf *b, const struct frame *f)
{
	for (int i = 0; i < f->schema.n; i++) {
		if (i)
			buf_lit(b, ", ");
		if (f->casts[i].n)
			buf_fmt(b, "CAST(\"_q\".\"c%d\" AS %.*s)", i, SARG(f->casts[i]));
		else
			buf_fmt(b, "\"_q\".\"c%d\"", i);
		buf_lit(b, " AS ");
		sql_quote_name(b, f->schema.fields[i].name);
	}
}

static void compose_export(struct view_op *op, struct frame *f)
{
	OWNS(buf) b = {0};

	buf_add(&b, f->with);
	buf_lit(&b, "SELECT ");
	put_list(&b, f);
	buf_lit(&b, " FROM (\n");
	f->w.before = b.n;
	buf_add(&b, f->inner);
	buf_lit(&b, "\n) AS \"_q\"(");
	for (int i = 0; i < f->schema.n; i++)
		buf_fmt(&b, "%s\"c%d\"", i ? ", " : "", i);
	buf_addc(&b, ')');
	buf_add(&b, f->order);
	if (f->b->empty)
		buf_lit(&b, " LIMIT 0");
	f->w.sql = arena_dup(&op->arena, buf_str(&b));
	f->w.prefix = f->b->prefix;
	f->w.schema = &f->schema;
	f->w.client = f->b->saved->sql;
	f->w.inner = f->inner;
	f->w.binds = f->b->binds;
	f->w.bind_names = f->b->bind_names;
	f->w.nbinds = f->b->nbinds;
}

/* --- the commit --- */

/* Was what is in force in the table made of this very entry? */
static bool is_this_entry(struct call *c, const struct build *b, const struct ice_table *base)
{
	const json_node *o, *id;

	if (!json_read_object(c, ice_value(base->properties, base->nproperties, PROP_SAVED), &o)) {
		call_forgive(c);
		return false;
	}
	id = json_get(o, "revision_id");
	return id && json_kind(id) == JSON_KIND_TEXT && str_eq(json_text(id), b->saved->revision_id);
}

static bool in_force(struct call *c, const struct build *b, const struct ice_table *base)
{
	int64_t revision;

	if (!base->version || !str_to_i64(ice_value(base->properties, base->nproperties, PROP_REVISION), &revision) ||
	    revision < b->revision || (revision == b->revision && is_this_entry(c, b, base)))
		return true;
	return fail(c, ERR_REVISION_CONFLICT, "another revision of the SQL is in force by now");
}

static bool same_schemas(const struct ice_table *a, const struct ice_table *b)
{
	return a->version == b->version || (a->nschemas == b->nschemas && a->last_column_id == b->last_column_id &&
					    str_eq(a->uuid, b->uuid) && a->schema->id == b->schema->id);
}

/* One that somebody else made of the same state of the sources, or a newer one. */
static bool is_enough(struct call *c, const struct frame *f, const struct ice_table *base)
{
	const struct ice_snapshot *there = build_there(f->b, base, 0);
	enum build_age age;

	if (!there || (f->there && f->there->id == there->id))
		return false;
	age = build_compare(c, f->sources_json, ice_value(there->summary, there->nsummary, PROP_SOURCES));
	return age == BUILD_NEWER || (age == BUILD_SAME && f->b->mode != VIEW_REFRESH_FORCE);
}

static bool still_there(struct call *c, struct views *v, const struct build *b)
{
	return space_check(c, v, b->space) && (b->unsaved || entry_exists(c, v, b->space, b->saved->id));
}

static enum ice_verdict check(struct call *c, void *arg, const struct ice_table *base)
{
	struct view_op *op = arg;
	struct frame *f = frame_of(op);

	if (!op_going(op) || !still_there(c, op->room, f->b) || !in_force(c, f->b, base))
		return ICE_REFUSE;
	if (is_enough(c, f, base))
		return ICE_ENOUGH;
	if (same_schemas(&f->table, base))
		return ICE_GO;
	f->moved = true;
	fail(c, ERR_CONFLICT, "the view has changed meanwhile");
	return ICE_REFUSE;
}

static int next_schema_version(const struct frame *f)
{
	const struct ice_table *t = &f->table;
	const struct ice_snapshot *last = t->nsnapshots ? &t->snapshots[t->nsnapshots - 1] : NULL;

	if (!last || !ice_schema_by_id(t, last->schema_id))
		return 1;
	return build_schema_version(t, last) + (last->schema_id != f->schema.id);
}

static bool commit(struct view_op *op, struct frame *f, struct ice_committed *ret)
{
	struct build *b = f->b;
	struct str revision = arena_fmt(&op->arena, "%lld", (long long)b->revision);
	struct str version = arena_fmt(&op->arena, "%d", next_schema_version(f));
	struct ice_property summary[] = {
		{S(PROP_SCHEMA_VERSION), version},
		{S(PROP_SOURCES), f->sources_json}, {S(PROP_REVISION), revision}, {S(PROP_SERVER), op->room->o.server},
		{S(PROP_ORDERED), S("true")}, {S(PROP_BINDINGS), b->bindings}};
	const struct ice_property properties[] = {
		{S(PROP_SQL_ID), b->saved->id}, {S(PROP_REVISION), revision}, {S(PROP_SAVED), b->entry_json}};
	const struct ice_change change = {
		.how = ICE_OVERWRITE, .schema = &f->schema, .order = f->sort, .norder = f->nsort, .files = f->w.files,
		.nfiles = f->w.nfiles, .summary = summary, .nsummary = (int)COUNT_OF(summary) - !b->bindings.n,
		.properties = properties, .nproperties = b->entry_json.n ? (int)COUNT_OF(properties) : 0,
		.beside = b->bindings.n > 0, .deadline_mono_ms = op->call.deadline_ms};

	return ice_commit(&op->call, op->room->o.store, b->prefix, &change, check, op, ret);
}

/* The space or the SQL went while the commit was made: nobody else will remove it before the sweep. */
static bool not_late(struct view_op *op, struct frame *f)
{
	struct views *v = op->room;
	struct call *c = &op->call;
	struct err why;

	if (still_there(c, v, f->b))
		return true;
	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	why = c->err;
	call_forgive(c);
	if (ice_drop(c, v->o.store, f->b->prefix))
		store_cache_forget(v->o.cache, c->tenant, f->b->prefix);
	c->err = why;
	return false;
}

/* Errors after which it is known that nothing was committed. */
static bool is_clear(enum err_kind kind)
{
	return kind == ERR_CONFLICT || kind == ERR_REVISION_CONFLICT || kind == ERR_NOT_FOUND || kind == ERR_STATEMENT_TIMEOUT ||
	       kind == ERR_CANCELED || kind == ERR_CORRUPT_TABLE || kind == ERR_QUOTA;
}

static void commit_failed(struct view_op *op, struct frame *f)
{
	struct call *c = &op->call;

	if (is_clear(c->err.kind))
		files_unwrite(op, &f->w);
	if (!f->moved || ++f->starts >= STARTS_MAX) {
		fail_build(op);
		return;
	}
	f->moved = false;
	call_forgive(c);
	for (int i = 0; i < f->nsources; i++)
		source_release(&f->sources[i]);
	op_step_next(op, build_start);
}

static void written(struct view_op *op)
{
	struct frame *f = frame_of(op);
	struct call *c = &op->call;
	struct build *b = f->b;
	struct ice_committed done;

	if (c->err.kind != ERR_NONE) {
		fail_build(op);
		return;
	}
	if (!commit(op, f, &done)) {
		commit_failed(op, f);
		return;
	}
	if (!done.snapshot) { /* what somebody else has made will do */
		files_unwrite(op, &f->w);
		done.snapshot = build_there(b, &done.table, 0);
	} else if (!not_late(op, f)) {
		fail_build(op);
		return;
	} else {
		b->committed = true;
	}
	INVARIANT(done.snapshot);
	(void)!build_pin(c, &done.table, done.snapshot, &b->pin);
	build_finish(op);
}

/* --- steps --- */

static void columns_known(struct view_op *op)
{
	struct frame *f = frame_of(op);

	if (op->got.end.outcome != ENGINE_OK)
		(void)!op_fail_engine(op, f->b->saved->sql, f->inner, f->w.before);
	else if (read_columns(op, f)) {
		if (f->b->check_only) {
			build_finish(op);
			return;
		}
		compose_export(op, f);
		files_write(op, &f->w, written);
		return;
	}
	fail_build(op);
}

void build_run(struct view_op *op)
{
	struct frame *f = frame_of(op);
	struct engine_ask ask;
	OWNS(buf) b = {0};

	if (!hold_sources(op, f) || !compose_parts(op, f)) {
		fail_build(op);
		return;
	}
	buf_add(&b, f->with);
	buf_lit(&b, "SELECT * FROM (\n");
	f->w.before = b.n;
	buf_add(&b, f->inner);
	buf_lit(&b, "\n) AS \"_q\" LIMIT 0");
	ask = (struct engine_ask){.sql = buf_str(&b), .binds = f->b->binds, .bind_names = f->b->bind_names, .nbinds = f->b->nbinds,
				  .form = ENGINE_NATIVE, .counts = ENGINE_ROWS, .bare = true};
	op_ask(op, &ask, columns_known);
}
