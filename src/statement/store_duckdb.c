/* store_duckdb.c - statements in DuckDB files of this server: the ops table.
 *
 * A file per session that is kept, <tenant>.<session id>.db, and one for the
 * tenant's default session and detached statements, <tenant>.db. A handle that
 * was dropped is remembered for a day, so that an end that comes late does not
 * bring it back; a session's file goes as a whole.
 *
 * Limits of handles are the room's to keep: it has every live one of this
 * server. Not here: transactions and files (_batch.c), SQL (_rows.c), lists
 * (_list.c). Any thread but a loop's.
 */
#include "statement/store_duckdb_int.h"

#include "obs/obs.h"

#include <stdlib.h>

static struct duck_store *store_of(struct stmt_store *s)
{
	return CONTAINER_OF(s, struct duck_store, store);
}

/* What is detached outlives the session's file. */
static struct duck_file *file_of_record(struct call *c, struct duck_store *s, const struct stmt_record *r)
{
	return duck_file_of(c, s, r->tenant, r->detached ? S("") : r->session_id);
}

static void due(struct duck_store *s, struct duck_file *f, int64_t ms)
{
	pthread_mutex_lock(&s->lock);
	if (ms < f->sweep_ms)
		f->sweep_ms = ms;
	pthread_mutex_unlock(&s->lock);
}

static size_t bytes_of(const struct engine_step *v, int n)
{
	size_t bytes = 0;

	for (int i = 0; i < n; i++)
		for (int k = 0; k < v[i].nbinds; k++)
			bytes += v[i].binds[k].s.n;
	return bytes;
}

static struct duck_work work_of(struct engine_step *steps, int n, bool make)
{
	return (struct duck_work){.steps = steps, .nsteps = n, .bytes = bytes_of(steps, n), .make = make};
}

/* --- submitted and running --- */

/* Handles are unguessable: what is there after a batch was lost is what that batch put there. */
static void may_be_there(struct duck_work *w)
{
	duck_insert_again(&w->steps[0]);
}

static bool op_add(struct call *c, struct stmt_store *store, const struct stmt_record *r, const struct stmt_store_limits *most)
{
	struct duck_store *s = store_of(store);
	struct duck_file *f = file_of_record(c, s, r);
	struct engine_step step;
	struct duck_work w;
	bool ok;

	(void)most;
	if (!f)
		return false;
	step = duck_insert(c, r);
	w = work_of(&step, 1, true);
	ok = duck_write(c, s, f, &w, may_be_there);
	duck_file_leave(s, f);
	return ok;
}

static bool op_started(struct call *c, struct stmt_store *store, const struct stmt_record *r)
{
	struct duck_store *s = store_of(store);
	struct duck_file *f = file_of_record(c, s, r);
	struct engine_step step;
	struct duck_work w;
	bool ok;

	if (!f)
		return false;
	step = duck_started(c, r);
	w = work_of(&step, 1, false);
	ok = duck_write(c, s, f, &w, NULL);
	duck_file_leave(s, f);
	return ok;
}

/* --- one record --- */

/* ERR_NOT_FOUND: not there, or dropped. */
static bool read_record(struct call *c, struct duck_store *s, struct duck_file *f, struct str handle, struct stmt_record *ret,
			enum duck_left *ret_left)
{
	struct engine_step step = duck_select(c, handle);
	struct duck_rows rows;

	if (!duck_read(c, s, f, &step, &rows))
		return false;
	if (rows.n > 0 && rows.ncells != DUCK_CELLS)
		return fail(c, ERR_STORAGE, "rows of the file %s of the statement store are not as they should be", f->name);
	if (rows.n > 0 && !duck_record(c, f, rows.cells, ret, ret_left))
		return false;
	if (rows.n == 0 || *ret_left == DUCK_DROP)
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(str_head(handle, ID_LEN)));
	return true;
}

static bool find(struct call *c, struct duck_store *s, struct duck_file *f, struct str handle, struct stmt_record *ret)
{
	struct stmt_record r;
	enum duck_left left;

	if (!read_record(c, s, f, handle, &r, &left))
		return false;
	if (left == DUCK_EXPIRED && c->tenant.n && !duck_visible(c, &r))
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(r.handle));
	if (left == DUCK_EXPIRED)
		return fail(c, ERR_RESULT_EXPIRED, "the result of statement %.*s has expired", SARG(r.handle));
	*ret = r;
	return true;
}

static bool op_find(struct call *c, struct stmt_store *store, const struct stmt_store_key *k, struct stmt_record *ret)
{
	struct duck_store *s = store_of(store);
	struct duck_file *f = duck_file_of(c, s, k->tenant, k->session_id);
	bool ok;

	if (!f)
		return false;
	ok = find(c, s, f, k->handle, ret);
	duck_file_leave(s, f);
	return ok;
}

/* --- ends --- */

struct ending {
	struct duck_store *s;
	struct duck_file *f;
	const struct stmt_record *r;
	stmt_bytes_fn *bytes;
	void *arg;
};

static bool part_bytes(struct call *c, const struct ending *e, int i, struct engine_bytes **ret)
{
	struct engine_bytes *b;

	if (!e->bytes(e->arg, c, i, &b))
		return false;
	if ((int64_t)engine_bytes_str(b).n == e->r->parts[i].stored) {
		*ret = b;
		return true;
	}
	engine_bytes_unref(b);
	return fail(c, ERR_STORAGE, "partition %d of statement %.*s is not of the size that was told", i, SARG(e->r->handle));
}

static bool all_bytes(struct call *c, const struct ending *e, struct buf *ret)
{
	for (int i = 0; i < e->r->nparts; i++) {
		struct engine_bytes *b;

		if (!part_bytes(c, e, i, &b))
			return false;
		buf_add(ret, engine_bytes_str(b));
		engine_bytes_unref(b);
	}
	return true;
}

/* After a lost batch: what is there may be what that batch wrote. */
static bool is_there(struct call *c, const struct ending *e)
{
	const struct stmt_record *r = e->r;
	struct err conflict = c->err;
	struct stmt_record there;
	enum duck_left left;
	bool same;

	call_forgive(c);
	same = read_record(c, e->s, e->f, r->handle, &there, &left) && left != DUCK_DROP && there.state == r->state &&
	       there.completed_ms == r->completed_ms && there.rows == r->rows && there.nparts == r->nparts;
	call_forgive(c);
	return same || fail_as(c, &conflict);
}

/* It runs, or is not there. */
static bool not_ended(struct call *c, const struct ending *e)
{
	struct engine_step step = duck_select(c, e->r->handle);
	struct stmt_record there;
	struct duck_rows rows;
	enum duck_left left;

	if (!duck_read(c, e->s, e->f, &step, &rows)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return true;
	}
	if (rows.n == 0)
		return true;
	if (rows.ncells != DUCK_CELLS || !duck_record(c, e->f, rows.cells, &there, &left))
		return c->err.kind ? false : fail(c, ERR_STORAGE, "the row of statement %.*s is damaged", SARG(e->r->handle));
	return (left == DUCK_LIVE && !fsm_terminal(stmt_fsm, there.state)) ||
	       fail(c, ERR_CONFLICT, "statement %.*s has ended", SARG(e->r->handle));
}

static bool write_step(struct call *c, const struct ending *e, struct engine_step step)
{
	struct duck_work w = work_of(&step, 1, true);

	return duck_write(c, e->s, e->f, &w, NULL) || (c->err.kind == ERR_CONFLICT && w.alone && is_there(c, e));
}

static bool write_end(struct call *c, const struct ending *e, const struct str *rows)
{
	bool ok = write_step(c, e, duck_end_of(c, e->r, rows));

	if (!ok && c->err.kind == ERR_CONFLICT) {
		call_forgive(c);
		ok = not_ended(c, e) && write_step(c, e, duck_ended(c, e->r, rows));
	}
	if (ok && e->r->expires_ms)
		due(e->s, e->f, e->r->expires_ms);
	return ok;
}

static bool end_inline(struct call *c, const struct ending *e)
{
	OWNS(buf) rows = {0};
	struct str all;

	if (!all_bytes(c, e, &rows))
		return false;
	all = buf_str(&rows);
	return write_end(c, e, e->r->nparts ? &all : NULL);
}

/* --- large results: batches first --- */

struct chunk {
	struct arena arena;
	struct call c;
	struct engine_step *steps;
	struct engine_bytes **held;
	int n;
	size_t bytes;
};

static void chunk_open(struct chunk *k, int most)
{
	*k = (struct chunk){.n = 0};
	call_open(&k->c, &k->arena);
	k->steps = ARENA_ARRAY(&k->arena, struct engine_step, (size_t)most);
	k->held = ARENA_ARRAY(&k->arena, struct engine_bytes *, (size_t)most);
}

static void chunk_close(struct chunk *k)
{
	for (int i = 0; i < k->n; i++)
		engine_bytes_unref(k->held[i]);
	arena_close(&k->arena);
}

/* Parts from `at` on, as many as one transaction takes. */
static bool fill_chunk(struct call *c, const struct ending *e, int at, int most, struct chunk *k)
{
	while (k->n < most && (k->n == 0 || k->bytes + (size_t)e->r->parts[at + k->n].stored <= DUCK_BATCH_BYTES)) {
		struct engine_bytes *b;

		if (!part_bytes(c, e, at + k->n, &b))
			return false;
		k->steps[k->n] = duck_batch(&k->c, e->r->handle, at + k->n, engine_bytes_str(b));
		k->bytes += engine_bytes_str(b).n;
		k->held[k->n++] = b;
	}
	return true;
}

static bool write_batches(struct call *c, const struct ending *e)
{
	bool ok = true;

	for (int at = 0; ok && at < e->r->nparts;) {
		int most = e->r->nparts - at < DUCK_BATCH_STEPS ? e->r->nparts - at : DUCK_BATCH_STEPS;
		struct duck_work w;
		struct chunk k;

		chunk_open(&k, most);
		ok = fill_chunk(c, e, at, most, &k);
		if (ok) {
			w = (struct duck_work){.steps = k.steps, .nsteps = k.n, .bytes = k.bytes, .make = true};
			ok = duck_write(c, e->s, e->f, &w, NULL);
		}
		at += k.n;
		chunk_close(&k);
	}
	return ok;
}

/* One end of a handle at a time, and none while the file is swept of batches without an end. */
static void enter_ending(struct duck_store *s, struct duck_file *f, struct str handle)
{
	pthread_mutex_lock(&s->lock);
	while (f->sweeping || map_get(&f->ending, handle))
		pthread_cond_wait(&f->turn, &s->lock);
	map_put(&f->ending, handle, f);
	pthread_mutex_unlock(&s->lock);
}

static void leave_ending(struct duck_store *s, struct duck_file *f, struct str handle)
{
	pthread_mutex_lock(&s->lock);
	map_del(&f->ending, handle);
	pthread_cond_broadcast(&f->turn);
	pthread_mutex_unlock(&s->lock);
}

/* What is left in batches goes now, or when the file is swept. */
static void drop_orphans(const struct ending *e)
{
	OWNS(arena) a = {0};
	struct engine_step step;
	struct duck_work w;
	struct call c;

	call_open(&c, &a);
	due(e->s, e->f, 0);
	step = duck_orphans(&c, e->r->handle);
	w = work_of(&step, 1, false);
	(void)!duck_run(e->s, e->f, &w);
}

static bool end_in_batches(struct call *c, const struct ending *e)
{
	bool ok;

	enter_ending(e->s, e->f, e->r->handle);
	ok = not_ended(c, e); /* batches of an end that is there are not written over */
	if (ok) {
		ok = write_batches(c, e) && write_end(c, e, NULL);
		if (!ok)
			drop_orphans(e);
	}
	leave_ending(e->s, e->f, e->r->handle);
	return ok;
}

static bool op_end(struct call *c, struct stmt_store *store, const struct stmt_record *r, stmt_bytes_fn *bytes, void *arg)
{
	struct duck_store *s = store_of(store);
	struct ending e = {s, file_of_record(c, s, r), r, bytes, arg};
	bool ok;

	if (!e.f)
		return false;
	ok = r->nparts == 0 || duck_inline(r) ? end_inline(c, &e) : end_in_batches(c, &e);
	duck_file_leave(s, e.f);
	if (ok || c->err.kind != ERR_SESSION_CLOSED)
		return ok;
	call_forgive(c);
	return fail(c, ERR_CONFLICT, "the session of statement %.*s has ended", SARG(r->handle));
}

/* --- partitions --- */

static bool part_of(const struct duck_rows *rows, const struct stmt_record *r, int i, struct str *ret)
{
	int64_t all = 0;

	for (int k = 0; k < r->nparts; k++)
		all += r->parts[k].stored;
	if (rows->n != 1 || rows->cells[0].kind != ENGINE_CELL_BYTES || (int64_t)rows->cells[0].s.n != r->parts[i].stored)
		return false;
	if (duck_inline(r) && (rows->ncells != 2 || rows->cells[1].kind != ENGINE_CELL_INT || rows->cells[1].integer != all))
		return false;
	*ret = rows->cells[0].s;
	return true;
}

static bool read_part(struct call *c, struct duck_store *s, struct duck_file *f, const struct stmt_record *r, int i,
		      struct engine_bytes **ret)
{
	struct engine_step step = duck_inline(r) ? duck_select_rows(c, r, i) : duck_select_batch(c, r, i);
	struct stmt_record now;
	struct duck_rows rows;
	struct str bytes;

	if (!duck_read(c, s, f, &step, &rows)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
	} else if (part_of(&rows, r, i, &bytes)) {
		*ret = engine_bytes_copy(bytes);
		return true;
	}
	call_forgive(c);
	return find(c, s, f, r->handle, &now) && /* it is there, its bytes are not */
	       fail(c, ERR_STORAGE, "partition %d of statement %.*s is missing from the file %s", i, SARG(r->handle), f->name);
}

static bool op_part(struct call *c, struct stmt_store *store, const struct stmt_record *r, int i, struct engine_bytes **ret)
{
	struct duck_store *s = store_of(store);
	struct duck_file *f = file_of_record(c, s, r);
	OWNS(arena) a = {0}; /* the rows may be large */
	struct call inner = *c;
	bool ok;

	if (!f)
		return false;
	if (i < 0 || i >= r->nparts) {
		duck_file_leave(s, f);
		return fail(c, ERR_STORAGE, "statement %.*s has no partition %d", SARG(r->handle), i);
	}
	inner.arena = &a;
	ok = read_part(&inner, s, f, r, i, ret);
	duck_file_leave(s, f);
	return ok || fail_as(c, &inner.err);
}

/* --- grants --- */

static bool changed_grants(struct call *c, const struct stmt_record *r, struct str principal, bool give, struct str *ret)
{
	struct str *v = ARENA_ARRAY(c->arena, struct str, (size_t)r->ngrants + 1);
	int n = 0;

	for (int i = 0; i < r->ngrants; i++)
		if (!str_eq(r->grants[i], principal))
			v[n++] = r->grants[i];
		else if (give)
			v[n++] = principal, give = false;
	if (give && n >= STMT_GRANTS_MAX)
		return fail(c, ERR_TOO_MANY, "a statement has at most %d grants", STMT_GRANTS_MAX);
	if (give)
		v[n++] = principal;
	*ret = duck_grants_text(c, v, n);
	return true;
}

static bool try_grant(struct call *c, struct duck_store *s, struct duck_file *f, const struct stmt_record *r, struct str to)
{
	struct str from = duck_grants_text(c, r->grants, r->ngrants);
	struct engine_step step = duck_grants(c, r->handle, from, to);
	struct duck_work w = work_of(&step, 1, false);

	return str_eq(from, to) || duck_write(c, s, f, &w, NULL);
}

static bool op_grant(struct call *c, struct stmt_store *store, const struct stmt_store_key *k, struct str principal, bool give)
{
	struct duck_store *s = store_of(store);
	struct duck_file *f = duck_file_of(c, s, k->tenant, k->session_id);
	struct stmt_record r;
	struct str to;
	bool ok = false;

	for (int i = 0; f && !ok && i < DUCK_RACES; i++) {
		call_forgive(c);
		ok = find(c, s, f, k->handle, &r) && changed_grants(c, &r, principal, give, &to) && try_grant(c, s, f, &r, to);
		if (!ok && c->err.kind != ERR_CONFLICT)
			break;
	}
	if (f)
		duck_file_leave(s, f);
	return ok;
}

/* --- drops --- */

/* A file that is not there holds nothing to drop. */
static bool absent_is_fine(struct call *c, bool ok)
{
	if (ok || (c->err.kind != ERR_NOT_FOUND && c->err.kind != ERR_SESSION_CLOSED))
		return ok;
	call_forgive(c);
	return true;
}

static bool op_drop(struct call *c, struct stmt_store *store, const struct stmt_store_key *k)
{
	struct duck_store *s = store_of(store);
	struct duck_file *f = duck_file_of(c, s, k->tenant, k->session_id);
	int64_t now = clock_wall_ms();
	struct engine_step steps[2];
	struct duck_work w;
	bool ok;

	if (!f)
		return false;
	duck_drops(c, k->handle, now, steps);
	w = work_of(steps, 2, false);
	ok = duck_write(c, s, f, &w, NULL);
	if (ok)
		due(s, f, now + TOMBSTONE_MS);
	duck_file_leave(s, f);
	return absent_is_fine(c, ok);
}

static bool op_drop_session(struct call *c, struct stmt_store *store, struct str tenant, struct str session_id)
{
	struct duck_store *s = store_of(store);
	struct duck_file *f = session_id.n ? duck_file_of(c, s, tenant, session_id) : NULL;
	struct duck_work w = {.drop = true};
	bool ok;

	if (!f)
		return !session_id.n || false;
	pthread_mutex_lock(&s->lock);
	f->dropped = true;
	f->dropped_ms = clock_wall_ms();
	pthread_mutex_unlock(&s->lock);
	ok = duck_write(c, s, f, &w, NULL);
	duck_file_leave(s, f);
	return ok;
}

/* --- sweeping --- */

/* A user of the file when there is something to sweep. */
static bool enter_sweep(struct duck_store *s, struct duck_file *f, int64_t now)
{
	bool due_now = !f->dropped && !f->sweeping && f->ending.n == 0 && f->sweep_ms <= now;

	(void)s;
	if (due_now) {
		f->sweeping = true;
		f->users++;
	}
	return due_now;
}

static void leave_sweep(struct duck_store *s, struct duck_file *f)
{
	pthread_mutex_lock(&s->lock);
	f->sweeping = false;
	f->users--;
	pthread_cond_broadcast(&f->turn);
	pthread_mutex_unlock(&s->lock);
}

static bool next_due(struct call *c, struct duck_store *s, struct duck_file *f, int64_t *ret)
{
	struct engine_step step = duck_next_due();
	struct duck_rows rows;

	if (!duck_read(c, s, f, &step, &rows))
		return false;
	*ret = rows.n == 1 && rows.cells[0].kind == ENGINE_CELL_INT ? rows.cells[0].integer / 1000 : INT64_MAX;
	return true;
}

/* A file that cannot be swept now is looked at again the next time. */
static void sweep_file(struct duck_store *s, struct duck_file *f, int64_t now)
{
	OWNS(arena) a = {0};
	struct engine_step steps[3];
	struct duck_work w;
	struct call c;
	int64_t next;

	call_open(&c, &a);
	pthread_mutex_lock(&s->lock);
	f->sweep_ms = INT64_MAX; /* ends and drops from here on count again */
	pthread_mutex_unlock(&s->lock);
	steps[0] = duck_expire(&c, now);
	steps[1] = duck_forget(&c, now - TOMBSTONE_MS);
	steps[2] = duck_orphans(&c, S(""));
	w = work_of(steps, 3, false);
	if (duck_write(&c, s, f, &w, NULL) && next_due(&c, s, f, &next)) {
		due(s, f, next);
		return;
	}
	if (c.err.kind == ERR_NOT_FOUND || c.err.kind == ERR_SESSION_CLOSED)
		return;
	due(s, f, 0);
	obs_log(OBS_WARN, "statement", "the file %s of the statement store cannot be swept: %s", f->name, c.err.text);
}

/* Files of sessions that have been gone for a day. Lock held. */
static bool is_forgotten(const struct duck_file *f, int64_t now)
{
	return f->dropped && f->users == 0 && list_empty(&f->queue) && now - f->dropped_ms > TOMBSTONE_MS;
}

/* Takes what is to be swept, and frees what is forgotten. */
static int collect(struct call *c, struct duck_store *s, int64_t now, struct duck_file ***ret)
{
	struct duck_file **v, **gone;
	struct map_slot slot;
	int n = 0, ngone = 0;

	pthread_mutex_lock(&s->lock);
	v = ARENA_ARRAY(c->arena, struct duck_file *, s->files.n + 1);
	gone = ARENA_ARRAY(c->arena, struct duck_file *, s->files.n + 1);
	for (size_t i = 0; map_next(&s->files, &i, &slot);) {
		struct duck_file *f = slot.value;

		if (is_forgotten(f, now))
			gone[ngone++] = f;
		else if (enter_sweep(s, f, now))
			v[n++] = f;
	}
	for (int i = 0; i < ngone; i++) {
		map_del(&s->files, str_of(gone[i]->name));
		duck_file_free(gone[i]);
	}
	pthread_mutex_unlock(&s->lock);
	*ret = v;
	return n;
}

static void op_sweep(struct stmt_store *store)
{
	struct duck_store *s = store_of(store);
	int64_t now = clock_wall_ms();
	OWNS(arena) a = {0};
	struct duck_file **v;
	struct call c;
	int n;

	call_open(&c, &a);
	n = collect(&c, s, now, &v);
	for (int i = 0; i < n; i++) {
		sweep_file(s, v[i], now);
		leave_sweep(s, v[i]);
	}
}

/* --- the store --- */

static bool op_list(struct call *c, struct stmt_store *store, const struct stmt_store_page *p, stmt_record_fn *fn, void *arg)
{
	return duck_list(c, store_of(store), p, &(struct duck_listener){fn, arg});
}

static void op_close(struct stmt_store *store)
{
	struct duck_store *s = store_of(store);
	struct map_slot slot;

	for (size_t i = 0; map_next(&s->files, &i, &slot);)
		duck_file_free(slot.value);
	map_close(&s->files);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct stmt_store_ops ops = {
	.name = "duckdb", .shared = false, .add = op_add, .started = op_started, .end = op_end, .find = op_find, .part = op_part,
	.list = op_list, .grant = op_grant, .drop = op_drop, .drop_session = op_drop_session, .sweep = op_sweep, .close = op_close,
};

struct stmt_store *stmt_store_duckdb(struct call *c, const struct store_duckdb_options *o)
{
	struct duck_store *s;
	struct str *names;
	int n;

	if (!engine_records_files(c, o->engine, &names, &n))
		return NULL;
	s = base_zalloc(sizeof(*s));
	s->store.ops = &ops;
	s->engine = o->engine;
	pthread_mutex_init(&s->lock, NULL);
	return &s->store;
}
