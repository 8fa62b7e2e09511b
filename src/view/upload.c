/* upload.c - rows of a client become a table, or a part of one.
 *
 *   put ─▶ queue ─▶ spool file ─▶ upload_rows.c: a SELECT of it ─▶ write.c ─▶ commit
 *          (bounded)  (the cache's, readable for the worker)
 *
 * The client's thread only fills the queue; steps of the operation empty it, and
 * wait where it is empty. What fails before the commit changes nothing. Not
 * here: what the bytes mean (upload_csv.c, upload_json.c, upload_rows.c).
 */
#include "view/upload_int.h"

#include "sql/sql.h"

#include <pthread.h>
#include <stdlib.h>

enum { QUEUE_BYTES = 4 << 20, UPLOAD_MS = 6 * 3600 * 1000 /* until the last byte; http/ ends those that are too slow */ };

struct view_upload {
	atomic_int refs;           /* the client's, until view_upload_end(); the operation's */
	struct views *room;
	void (*fn)(void *arg);     /* room() */
	void (*drop)(void *arg);
	void *arg;
	struct list waiting;       /* the operation; the room's lock */
	bool signaled;             /* the room's lock: something came since it looked */
	pthread_mutex_t lock;
	/* the lock */
	struct buf queue;
	bool full, ended, complete, over; /* over: nobody reads it any more */
};
struct uploading { /* the operation's state */
	struct view_upload *u;
	struct str space, name;    /* as it is written */
	enum view_upload_mode mode;
	struct upload_rows rows;
	struct csv csv;
	struct json_whole json;
	int fd;
	int64_t size, began_ms;
	struct str path;
	struct ice_table table;    /* when it began; version 0: none */
	struct table_mark mark;
	struct ice_schema schema;
	struct str *casts;
	struct written w;
	struct space_table made;
	bool moved;
	int starts;
};

enum { STARTS_MAX = 4 };

/* --- the client's side --- */

static void upload_unref(struct view_upload *u)
{
	if (atomic_fetch_sub(&u->refs, 1) != 1)
		return;
	if (u->drop)
		u->drop(u->arg);
	buf_drop(&u->queue);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static void signal_operation(struct view_upload *u)
{
	pthread_mutex_lock(&u->room->lock);
	u->signaled = true;
	pthread_mutex_unlock(&u->room->lock);
	op_resume(u->room, &u->waiting);
}

bool view_upload_put(struct view_upload *u, struct str bytes)
{
	bool over, room;

	pthread_mutex_lock(&u->lock);
	INVARIANT(!u->ended);
	over = u->over;
	if (!over)
		buf_add(&u->queue, bytes);
	u->full = !over && u->queue.n >= QUEUE_BYTES;
	room = !u->full;
	pthread_mutex_unlock(&u->lock);
	if (!over)
		signal_operation(u);
	return room;
}

void view_upload_end(struct view_upload *u, bool complete)
{
	pthread_mutex_lock(&u->lock);
	INVARIANT(!u->ended);
	u->ended = true;
	u->complete = complete;
	pthread_mutex_unlock(&u->lock);
	signal_operation(u);
	upload_unref(u);
}

/* --- the operation's side of the queue --- */

/* What has come, and what is to be told. False: nothing more will come. */
static bool take(struct view_upload *u, struct buf *ret, bool *ret_complete)
{
	bool full, more;

	pthread_mutex_lock(&u->lock);
	*ret = buf_take(&u->queue);
	full = u->full;
	u->full = false;
	more = ret->n || !u->ended;
	*ret_complete = u->complete;
	pthread_mutex_unlock(&u->lock);
	if (full)
		u->fn(u->arg);
	return more;
}

/* Bytes that still come are let go. */
static void let_go(struct view_upload *u)
{
	bool full;

	pthread_mutex_lock(&u->lock);
	u->over = true;
	full = u->full;
	u->full = false;
	buf_drop(&u->queue);
	pthread_mutex_unlock(&u->lock);
	if (full)
		u->fn(u->arg);
}

static void closing(struct view_op *op)
{
	struct uploading *s = op->state;

	let_go(s->u);
	csv_close(&s->csv);
	if (s->fd >= 0)
		file_close_quietly(s->fd);
	if (s->path.n)
		store_cache_unspool(op->room->o.cache, s->path);
	upload_unref(s->u);
}

/* --- is it allowed? --- */

static bool is_reserved(struct str name)
{
	struct str rest = str_tail(name, sizeof("view_") - 1);
	char lower[ID_LEN];

	if (!str_istarts(name, S("view_")) || rest.n != ID_LEN)
		return false;
	for (size_t i = 0; i < ID_LEN; i++)
		lower[i] = ascii_lower(rest.p[i]);
	return id_valid(str_from(lower, ID_LEN));
}

static bool duplicate(struct call *c, struct str name, struct str there)
{
	call_forgive(c);
	if (str_eq(name, there))
		return fail(c, ERR_DUPLICATE_TABLE, "table %.*s exists already", SARG(name));
	return fail(c, ERR_DUPLICATE_TABLE, "table %.*s exists already, its name differs in case only", SARG(there));
}

static bool room_for_one(struct call *c, struct views *v, struct str space)
{
	struct view_page page = {0};
	struct view_caps caps;
	struct str *names;
	int n;

	view_caps_of(v, c->tenant, &caps);
	if (caps.tables <= 0 || caps.tables > INT32_MAX)
		return true;
	page.limit = (int)caps.tables;
	if (!key_children(c, v, key_space(c, space, "/table_names"), &page, &names, &n))
		return false;
	return n < caps.tables || fail(c, ERR_QUOTA, "the space has %lld tables already", (long long)caps.tables);
}

static bool no_name_yet(struct call *c, struct views *v, struct uploading *s)
{
	struct str prefix = key_table(c, s->space, s->name);

	if (s->mode == VIEW_APPEND) {
		call_forgive(c);
		return fail(c, ERR_UNKNOWN_TABLE, "no table %.*s", SARG(s->name));
	}
	call_forgive(c);
	s->mark = (struct table_mark){0};
	s->table = (struct ice_table){.prefix = prefix};
	return room_for_one(c, v, s->space);
}

/* The name, and the table as it is now. */
static bool look(struct call *c, struct views *v, struct uploading *s)
{
	struct str prefix = key_table(c, s->space, s->name);
	struct ice_table t;

	if (!space_check(c, v, s->space))
		return false;
	if (!table_mark_read(c, v, s->space, s->name, &s->mark))
		return c->err.kind == ERR_NOT_FOUND ? no_name_yet(c, v, s) : false;
	if (s->mark.deleting_ms)
		return fail(c, ERR_CONFLICT, "table %.*s is being dropped", SARG(s->name));
	if (!ice_load(c, v->o.store, prefix, &t)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		if (s->mode == VIEW_APPEND)
			return fail(c, ERR_UNKNOWN_TABLE, "no table %.*s", SARG(s->name));
		t = (struct ice_table){.prefix = prefix};
	}
	if (!str_eq(s->mark.name, s->name))
		return s->mode == VIEW_APPEND ? fail(c, ERR_UNKNOWN_TABLE, "no table %.*s", SARG(s->name))
					      : duplicate(c, s->name, s->mark.name);
	if (t.version && s->mode == VIEW_CREATE)
		return duplicate(c, s->name, s->name);
	s->table = t;
	return true;
}

/* --- the commit --- */

/* From here on the name is ours, or of those who write the same table. */
static bool take_name(struct call *c, struct views *v, struct uploading *s)
{
	struct table_mark m;
	struct id id = id_v4();

	if (!s->mark.name.n) {
		m = (struct table_mark){.name = s->name, .id = arena_dup(c->arena, id_str(&id))};
		if (table_mark_write(c, v, s->space, &m, STORE_NEW)) {
			s->mark = m;
			return true;
		}
		if (c->err.kind != ERR_CONFLICT)
			return false;
		call_forgive(c);
	}
	if (!table_mark_read(c, v, s->space, s->name, &m)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return fail(c, ERR_CONFLICT, "table %.*s was dropped meanwhile", SARG(s->name));
	}
	if (!str_eq(m.name, s->name))
		return duplicate(c, s->name, m.name);
	if (m.deleting_ms || (s->mark.name.n && !str_eq(m.id, s->mark.id)))
		return fail(c, ERR_CONFLICT, "table %.*s was dropped meanwhile", SARG(s->name));
	s->mark = m;
	return true;
}

static enum ice_verdict check(struct call *c, void *arg, const struct ice_table *base)
{
	struct view_op *op = arg;
	struct uploading *s = op->state;

	if (!op_going(op) || !space_check(c, op->room, s->space) || !take_name(c, op->room, s))
		return ICE_REFUSE;
	if (base->version && s->mode == VIEW_CREATE) {
		duplicate(c, s->name, s->name);
		return ICE_REFUSE;
	}
	if (base->version == s->table.version || (s->table.version && base->nschemas == s->table.nschemas &&
						  str_eq(base->uuid, s->table.uuid) && base->schema->id == s->table.schema->id))
		return ICE_GO;
	s->moved = true;
	fail(c, ERR_CONFLICT, "the table has changed meanwhile");
	return ICE_REFUSE;
}

static bool commit(struct view_op *op, struct uploading *s, struct ice_committed *ret)
{
	const struct ice_property summary[] = {{S(PROP_SERVER), op->room->o.server}};
	const struct ice_change change = {
		.how = s->mode == VIEW_APPEND ? ICE_APPEND : ICE_OVERWRITE, .schema = &s->schema,
		.files = s->w.files, .nfiles = s->w.nfiles, .summary = summary, .nsummary = 1, .deadline_mono_ms = op->call.deadline_ms};

	return ice_commit(&op->call, op->room->o.store, s->w.prefix, &change, check, op, ret);
}

/* The space or the table went while the commit was made. */
static bool not_late(struct view_op *op, struct uploading *s)
{
	struct views *v = op->room;
	struct call *c = &op->call;
	struct table_mark m = {0};
	struct err why;

	if (space_check(c, v, s->space) && table_mark_read(c, v, s->space, s->name, &m) && !m.deleting_ms &&
	    str_eq(m.id, s->mark.id))
		return true;
	if (c->err.kind != ERR_NONE && c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	fail(c, ERR_NOT_FOUND, "table %.*s was dropped meanwhile", SARG(s->name));
	why = c->err;
	call_forgive(c);
	if ((!m.id.n || str_eq(m.id, s->mark.id)) && ice_drop(c, v->o.store, s->w.prefix))
		store_cache_forget(v->o.cache, c->tenant, s->w.prefix);
	c->err = why;
	return false;
}

/* Errors after which it is known that nothing was committed. */
static bool is_clear(enum err_kind kind)
{
	return kind == ERR_CONFLICT || kind == ERR_DUPLICATE_TABLE || kind == ERR_NOT_FOUND || kind == ERR_STATEMENT_TIMEOUT ||
	       kind == ERR_CANCELED || kind == ERR_CORRUPT_TABLE || kind == ERR_QUOTA;
}

/* Of CSV, the header tells. */
static bool is_empty(const struct uploading *s)
{
	return (s->rows.format == ENGINE_ROWS_JSON || s->rows.format == ENGINE_ROWS_NDJSON) && !s->json.some;
}

static void read_rows(struct view_op *op);

static void commit_failed(struct view_op *op, struct uploading *s)
{
	struct call *c = &op->call;

	if (is_clear(c->err.kind))
		files_unwrite(op, &s->w);
	if (!s->moved || ++s->starts >= STARTS_MAX) {
		op_end(op);
		return;
	}
	s->moved = false;
	call_forgive(c);
	if (look(c, op->room, s))
		op_step_next(op, read_rows);
	else
		op_end(op);
}

static void located(struct view_op *op)
{
	op_end(op);
}

/* DuckDB's CSV reader has been seen to leave rows out without a word. */
static bool all_read(struct view_op *op, struct uploading *s)
{
	if (s->rows.format != ENGINE_ROWS_CSV || s->w.rows == s->csv.record - 1)
		return true;
	fail(&op->call, ERR_SCHEMA_MISMATCH, "%lld of its %lld rows can be read", (long long)s->w.rows, (long long)s->csv.record - 1);
	files_unwrite(op, &s->w);
	return false;
}

static void written(struct view_op *op)
{
	struct uploading *s = op->state;
	struct call *c = &op->call;
	struct ice_committed done;

	if (c->err.kind == ERR_VIEW_FAILED || c->err.kind == ERR_SQL_INVALID) { /* of a value, not of a text */
		c->err.kind = ERR_SCHEMA_MISMATCH;
		c->err.position = 0;
		upload_locate(op, &s->rows, located);
		return;
	}
	if (c->err.kind != ERR_NONE) {
		op_end(op);
		return;
	}
	if (!all_read(op, s)) {
		op_end(op);
		return;
	}
	if (!commit(op, s, &done)) {
		commit_failed(op, s);
		return;
	}
	if (not_late(op, s) && table_describe(c, &done.table, s->name, &s->made)) {
		op->result.table = &s->made;
		op->result.rows = s->w.rows;
		view_tell(op->room, c, &(struct view_told){VIEW_E_TABLE_WRITTEN, s->space, s->name, s->made.snapshot_id, s->w.rows,
							   clock_mono_ms() - s->began_ms, S("")});
	}
	op_end(op);
}

/* --- the rows --- */

static void write_rows(struct view_op *op, struct uploading *s)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "SELECT ");
	for (int i = 0; i < s->schema.n; i++) {
		if (s->casts && s->casts[i].n)
			buf_fmt(&b, "%sCAST(\"c%d\" AS %.*s)", i ? ", " : "", i, SARG(s->casts[i]));
		else
			buf_fmt(&b, "%s\"c%d\"", i ? ", " : "", i);
		buf_lit(&b, " AS ");
		sql_quote_name(&b, s->schema.fields[i].name);
	}
	buf_lit(&b, " FROM (");
	buf_add(&b, s->rows.select);
	buf_lit(&b, ") AS \"_q\"(");
	for (int i = 0; i < s->schema.n; i++)
		buf_fmt(&b, "%s\"c%d\"", i ? ", " : "", i);
	buf_addc(&b, ')');
	s->w = (struct written){.prefix = key_table(&op->call, s->space, s->name), .schema = &s->schema,
				.sql = arena_dup(&op->arena, buf_str(&b))};
	files_write(op, &s->w, written);
}

static void types_known(struct view_op *op)
{
	struct uploading *s = op->state;
	struct call *c = &op->call;
	struct engine_column *columns;
	struct ice_column *v;
	int n;

	if (op->got.end.outcome != ENGINE_OK)
		(void)!op_fail_engine(op, S(""), S(""), 0);
	else if (engine_columns(c, op->got.columns, &columns, &n)) {
		v = ARENA_ARRAY(c->arena, struct ice_column, (size_t)n + 1);
		for (int i = 0; i < n; i++)
			v[i] = (struct ice_column){columns[i].name, columns[i].type};
		if (ice_schema_of(c, s->table.version ? &s->table : NULL, v, n, &s->schema, &s->casts)) {
			write_rows(op, s);
			return;
		}
	}
	op_end(op);
}

static void rows_known(struct view_op *op)
{
	struct uploading *s = op->state;
	struct engine_ask ask = {.form = ENGINE_NATIVE, .counts = ENGINE_ROWS, .bare = true};
	OWNS(buf) b = {0};

	if (op->call.err.kind != ERR_NONE) {
		op_end(op);
		return;
	}
	if (s->mode == VIEW_APPEND) {
		s->schema = *s->table.schema;
		s->casts = NULL;
		write_rows(op, s);
		return;
	}
	buf_lit(&b, "SELECT * FROM (");
	buf_add(&b, s->rows.select);
	buf_lit(&b, ") AS \"_q\" LIMIT 0");
	ask.sql = buf_str(&b);
	op_ask(op, &ask, types_known);
}

static void read_rows(struct view_op *op)
{
	struct uploading *s = op->state;

	s->rows = (struct upload_rows){.format = s->rows.format, .path = s->path, .size = s->size, .csv = &s->csv,
				       .empty = is_empty(s), .target = s->mode == VIEW_APPEND ? s->table.schema : NULL};
	upload_read(op, &s->rows, rows_known);
}

/* --- the spool --- */

static bool write_out(struct view_op *op, struct uploading *s, struct str bytes)
{
	if (!file_write(s->fd, bytes))
		return fail(&op->call, ERR_STORAGE, "the upload cannot be spooled");
	s->size += (int64_t)bytes.n;
	return true;
}

static bool spool(struct view_op *op, struct uploading *s, struct str bytes, bool last)
{
	struct call *c = &op->call;
	OWNS(buf) lines = {0};

	if (s->rows.format == ENGINE_ROWS_JSON)
		return json_whole_feed(c, &s->json, bytes) && (!last || json_whole_end(c, &s->json)) && write_out(op, s, bytes);
	if (s->rows.format == ENGINE_ROWS_NDJSON)
		return json_lines_feed(c, &s->json, bytes) && write_out(op, s, bytes);
	if (s->rows.format != ENGINE_ROWS_CSV)
		return write_out(op, s, bytes);
	return csv_feed(c, &s->csv, bytes, &lines) && (!last || csv_end(c, &s->csv, &lines)) && write_out(op, s, buf_str(&lines));
}

static void all_here(struct view_op *op, struct uploading *s, bool complete)
{
	struct call *c = &op->call;

	if (!complete)
		fail(c, ERR_BAD_REQUEST, "the upload ended before all of it came");
	else if (spool(op, s, S(""), true) && is_empty(s) && s->mode != VIEW_APPEND)
		fail(c, ERR_SCHEMA_MISMATCH, "the upload has no rows, so no columns");
	if (c->err.kind != ERR_NONE) {
		op_end(op);
		return;
	}
	op_deadline(op, op->room->o.build_ms);
	read_rows(op);
}

static void receive(struct view_op *op)
{
	struct uploading *s = op->state;
	struct views *v = op->room;

	for (;;) {
		OWNS(buf) bytes = {0};
		bool complete, more;

		pthread_mutex_lock(&v->lock);
		s->u->signaled = false;
		pthread_mutex_unlock(&v->lock);
		more = take(s->u, &bytes, &complete);
		if (!op_going(op) || (bytes.n && !spool(op, s, buf_str(&bytes), false))) {
			op_end(op);
			return;
		}
		if (!more) {
			all_here(op, s, complete);
			return;
		}
		if (bytes.n)
			continue;
		pthread_mutex_lock(&v->lock);
		if (!s->u->signaled) {
			op_wait(op, &s->u->waiting, receive);
			return;
		}
		pthread_mutex_unlock(&v->lock);
	}
}

static void begin(struct view_op *op)
{
	struct uploading *s = op->state;
	struct call *c = &op->call;

	if (look(c, op->room, s) && store_cache_spool(c, op->room->o.cache, c->tenant, &s->fd, &s->path))
		receive(op);
	else
		op_end(op);
}

/* --- the door --- */

static struct view_upload *upload_new(struct views *v, const struct view_upload_ask *ask)
{
	struct view_upload *u = base_zalloc(sizeof(*u));

	atomic_init(&u->refs, 2);
	u->room = v;
	u->fn = ask->room;
	u->arg = ask->arg;
	list_init(&u->waiting);
	pthread_mutex_init(&u->lock, NULL);
	return u;
}

/* At once, before the client sends all of it. */
static bool allowed(struct call *c, struct views *v, const struct view_upload_ask *ask)
{
	struct uploading probe = {.space = ask->space, .name = ask->table, .mode = ask->mode};

	if (!view_id_check(c, "table", ask->table) || !space_check(c, v, ask->space))
		return false;
	if (is_reserved(ask->table))
		return fail(c, ERR_INVALID_NAME, "%.*s is the name of a view", SARG(ask->table));
	return look(c, v, &probe);
}

bool view_upload(struct call *c, struct views *v, const struct view_upload_ask *ask, struct view_upload **ret,
		 struct view_op **ret_op)
{
	struct view_upload *u;
	struct uploading *s;
	struct view_op *op;

	if (!allowed(c, v, ask))
		return false;
	op = op_new(c, v);
	op_deadline(op, UPLOAD_MS);
	s = ARENA_NEW(&op->arena, struct uploading);
	u = upload_new(v, ask);
	s->u = u;
	s->fd = -1;
	s->space = arena_dup(&op->arena, ask->space);
	s->name = arena_dup(&op->arena, ask->table);
	s->mode = ask->mode;
	s->rows.format = ask->format;
	s->began_ms = clock_mono_ms();
	csv_open(&s->csv, &op->arena);
	op->state = s;
	op->closing = closing;
	if (!op_begin(c, op, begin, ret_op)) {
		upload_unref(u);
		return false;
	}
	u->drop = ask->room_drop; /* not before: a refused upload leaves it to the caller */
	*ret = u;
	return true;
}
