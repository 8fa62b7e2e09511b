/* tables.c - what is done inside a session: tables made and listed, rows put in, the whole copied.
 *
 * None of it touches the record, so one task of the engine is all there is to
 * each, but for a fork, which opens a session first. Not here: the text of
 * CREATE TABLE (ddl.c).
 */
#include "session/session_int.h"

#include "json/json.h"

/* --- lists --- */

static void listed(struct session_op *op)
{
	if (op->end.outcome == ENGINE_GONE)
		session_gone(&op->call, op->se->r.id, CAUSE_CLOSED);
	else if (op->end.outcome != ENGINE_OK)
		op_engine_error(op);
	else
		(void)!op_unpack(op);
	op_done(op);
}

bool session_describe(struct call *c, struct session *se, struct session_op **ret)
{
	struct session_op *op = session_op_new(se, c);

	if (!se->room->ops->exists(se->catalog)) {
		*ret = op;
		op_done(op);
		return true;
	}
	if (!op_run_verb(c, op, ENGINE_CATALOG_TABLES, NULL, listed)) {
		op_abandon(op);
		return false;
	}
	*ret = op;
	return true;
}

/* --- CREATE TABLE --- */

struct creation {
	struct str name;
	int ncolumns;
	struct str *columns;
	struct ddl ddl;
};

static bool duplicate(struct session_op *op)
{
	const struct creation *k = op->own;

	call_forgive(&op->call);
	return fail(&op->call, ERR_DUPLICATE_TABLE, "table %.*s exists already", SARG(str_head(k->name, 64)));
}

static bool is_listed(const struct session_op *op, struct str name)
{
	for (int i = 0; i < op->ntables; i++)
		if (str_ieq(op->tables[i].name, name))
			return true;
	return false;
}

/* The request is wrong in any case; that its name is taken would be said first. */
static void refused(struct session_op *op)
{
	const struct creation *k = op->own;
	struct err why = op->call.err;

	call_forgive(&op->call);
	if (op->end.outcome == ENGINE_OK && op_unpack(op) && is_listed(op, k->name)) {
		duplicate(op);
	} else {
		op->call.err = why;
	}
	op_done(op);
}

/* DuckDB's errors about what was written between the brackets. */
static bool is_about_columns(struct str class)
{
	static const char *const classes[] = {"Parser", "Syntax", "Binder", "Catalog", "Invalid Input", "Not implemented",
					      "Conversion", "Invalid type", "Out of Range", "Constraint"};

	for (size_t i = 0; i < COUNT_OF(classes); i++)
		if (str_ieq(class, str_of(classes[i])))
			return true;
	return false;
}

/* The column whose definition an error stands in, or else whose type it names; -1 = not known. */
static int column_of(const struct creation *k, const struct engine_end *e)
{
	for (int i = 0; i < k->ncolumns && e->position >= 0; i++)
		if (e->position >= (int64_t)k->ddl.column_at[i] && e->position < (int64_t)k->ddl.column_at[i + 1])
			return i;
	for (int i = 0; i < k->ncolumns; i++) {
		size_t from = k->ddl.column_at[i], to = k->ddl.column_at[i + 1];
		struct str type = str_trim(str_from(k->ddl.sql.p + from, to - from));

		type = str_head(type, str_find(type, ' ')); /* its first word */
		if (type.n && str_search(e->text, type) < e->text.n)
			return i;
	}
	return k->ncolumns == 1 ? 0 : -1;
}

static void create_failed(struct session_op *op)
{
	const struct creation *k = op->own;
	const struct engine_end *e = &op->end;
	struct str line = str_head(e->text, str_find(e->text, '\n'));
	int column;

	/* another transaction made it just now: not in sight yet, or in the way already */
	if (str_search(e->text, S("already exists")) < e->text.n || str_search(e->text, S("write-write conflict")) < e->text.n) {
		duplicate(op);
		return;
	}
	if (!is_about_columns(e->class)) {
		fail(&op->call, ERR_STORAGE, "%.*s", SARG(line));
		return;
	}
	column = column_of(k, e);
	if (column < 0)
		fail(&op->call, ERR_INVALID_FIELD, "columns: %.*s", SARG(line));
	else
		fail(&op->call, ERR_INVALID_FIELD, "type of column %.*s: %.*s", SARG(k->columns[column]), SARG(line));
}

static void created(struct session_op *op)
{
	if (op->end.outcome == ENGINE_FAILED)
		create_failed(op);
	else if (op->end.outcome != ENGINE_OK)
		op_engine_error(op);
	op_done(op);
}

static struct creation *creation_of(struct session_op *op, const struct session_table_ask *ask, const struct ddl *ddl)
{
	struct arena *a = &op->arena;
	struct creation *k = ARENA_NEW(a, struct creation);
	size_t *at = ARENA_ARRAY(a, size_t, (size_t)ask->ncolumns + 1);

	k->name = arena_dup(a, ask->name);
	op->own = k;
	if (!ddl)
		return k;
	k->ncolumns = ask->ncolumns;
	k->columns = ARENA_ARRAY(a, struct str, (size_t)ask->ncolumns);
	for (int i = 0; i < ask->ncolumns; i++)
		k->columns[i] = arena_dup(a, ask->columns[i].name);
	memcpy(at, ddl->column_at, sizeof(*at) * ((size_t)ask->ncolumns + 1));
	k->ddl = (struct ddl){arena_dup(a, ddl->sql), at};
	return k;
}

static bool begin_create(struct call *c, struct session_op *op, const struct session_table_ask *ask, const struct ddl *ddl)
{
	const struct creation *k = creation_of(op, ask, ddl);
	struct sessions *s = op->room;
	struct engine_task *task;
	const struct engine_ask q = {.sql = k->ddl.sql, .form = ENGINE_NATIVE, .counts = ENGINE_STATUS,
				     .tenant = op->se->r.tenant, .catalog = op->se->catalog, .writes = true};

	session_limits(op->se);
	op->ended = created;
	if (!s->ops->create(c, s->o.engine, &q, &session_op_listener, op, &task))
		return false;
	s->ops->task_unref(task);
	return true;
}

/* c holds what is wrong with the request; it goes with the operation. */
static bool begin_refusal(struct call *c, struct session_op *op, const struct session_table_ask *ask)
{
	creation_of(op, ask, NULL);
	op->call.err = c->err;
	op->call.err.more = arena_dup(&op->arena, c->err.more);
	call_forgive(c);
	return op_run_verb(c, op, ENGINE_CATALOG_TABLES, NULL, refused);
}

bool session_create_table(struct call *c, struct session *se, const struct session_table_ask *ask, struct session_op **ret)
{
	struct session_op *op;
	struct ddl ddl;
	bool right, begun;

	if (!session_usable(c, se))
		return false;
	session_touch(se);
	right = ddl_build(c, se, ask, &ddl);
	if (!right && !se->room->ops->exists(se->catalog))
		return false;
	op = session_op_new(se, c);
	begun = right ? begin_create(c, op, ask, &ddl) : begin_refusal(c, op, ask);
	if (!begun) {
		op_abandon(op);
		return false;
	}
	*ret = op;
	return true;
}

/* --- rows --- */

static void more_row(struct call *c, const struct engine_end *e)
{
	OWNS(buf) text = {0};

	buf_fmt(&text, "\"row\":%lld", (long long)e->row);
	if (e->column.n) {
		buf_lit(&text, ",\"column\":");
		json_quote(&text, e->column);
	}
	fail_more(c, "%s", buf_cstr(&text));
}

static bool insert_failed(struct session_op *op)
{
	struct call *c = &op->call;
	const struct engine_end *e = &op->end;

	if (str_eq(e->class, S("Unknown Table")))
		return fail(c, ERR_UNKNOWN_TABLE, "%.*s", SARG(e->text));
	if (str_eq(e->class, S("Constraint")))
		return fail(c, ERR_CONSTRAINT, "%.*s", SARG(e->text));
	if (!str_eq(e->class, S("Mismatch")))
		return fail(c, ERR_SQL, "%.*s", SARG(e->text));
	fail(c, ERR_SCHEMA_MISMATCH, "%.*s", SARG(e->text));
	more_row(c, e);
	return false;
}

static void inserted(struct session_op *op)
{
	session_touch(op->se);
	if (op->end.outcome == ENGINE_OK)
		op->rows = op->end.rows;
	else if (op->end.outcome == ENGINE_FAILED)
		insert_failed(op);
	else
		op_engine_error(op);
	op_done(op);
}

static void on_room(void *arg)
{
	struct session_op *op = arg;

	session_touch(op->se);
	op->fed(op->fed_arg);
}

bool session_insert(struct call *c, struct session *se, const struct session_rows_ask *ask, struct engine_feed **ret_feed,
		    struct session_op **ret)
{
	const struct engine_ingest in = {.catalog = se->catalog, .table = ask->table, .format = ask->format,
					 .room = ask->room ? on_room : NULL};
	struct sessions *s = se->room;
	struct engine_task *task;
	struct session_op *op;

	if (!session_usable(c, se))
		return false;
	session_touch(se);
	if (!ask->table.n || memchr(ask->table.p, 0, ask->table.n) || !s->ops->exists(se->catalog))
		return fail(c, ERR_UNKNOWN_TABLE, "no table %.*s in this session", SARG(str_head(ask->table, 64)));
	session_limits(se);
	op = session_op_new(se, c);
	op->ended = inserted;
	op->fed = ask->room;
	op->fed_arg = ask->arg;
	if (!s->ops->insert(c, s->o.engine, &in, &session_op_listener, op, ret_feed, &task)) {
		op_abandon(op);
		return false;
	}
	s->ops->task_unref(task);
	*ret = op;
	return true;
}

/* --- a fork --- */

static void fork_failed(struct session_op *op)
{
	(void)!session_end(&op->call, op->made, CAUSE_FORK_FAILED, NULL);
	session_unref(op->made);
	op->made = NULL;
	op_done(op);
}

static void copied(struct session_op *op)
{
	if (op->end.outcome == ENGINE_OK && op_unpack(op)) {
		op_done(op);
		return;
	}
	if (op->end.outcome == ENGINE_FAILED)
		fail(&op->call, ERR_STORAGE, "%.*s", SARG(op->end.text));
	else if (op->end.outcome == ENGINE_FULL)
		session_quota(&op->call, op->made, op->end.class);
	else
		op_engine_error(op);
	fork_failed(op);
}

static void copy(struct session_op *op)
{
	struct sessions *s = op->room;
	struct session_ask ask;
	struct session_view v;

	session_view(op->se, &v);
	ask = (struct session_ask){.persistent = v.persistent, .timeout_seconds = v.timeout_seconds,
				   .idle_seconds = v.idle_seconds, .close_on_disconnect = v.close_on_disconnect, .labels = v.labels};
	if (!session_open(&op->call, s, &ask, &op->made) || !s->ops->exists(op->se->catalog)) {
		op_done(op);
		return;
	}
	if (!session_usable(&op->call, op->made)) {
		fork_failed(op);
		return;
	}
	session_limits(op->made);
	if (!op_run_verb(&op->call, op, ENGINE_CATALOG_FORK, op->made->catalog, copied))
		fork_failed(op);
}

bool session_fork(struct call *c, struct session *se, struct session_op **ret)
{
	struct session_op *op;

	if (!session_usable(c, se))
		return false;
	session_touch(se);
	op = session_op_new(se, c);
	*ret = op;
	op_run(op, copy);
	return true;
}
