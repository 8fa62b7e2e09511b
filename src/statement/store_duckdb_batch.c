/* store_duckdb_batch.c - what waits before each file, taken to it together.
 *
 * Whoever waits and finds nobody at it leads: takes what waits, runs it as one
 * transaction and tells the others. A batch that fails is run again one by one,
 * so that only who is to blame fails; one that was lost with its worker is told
 * to all of it, since each knows for itself what may be done twice.
 */
#include "statement/store_duckdb_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORKS_MAX = 256 };

/* --- one batch and its worker --- */

struct pieces {
	struct engine_bytes **v;
	int n, cap;
};
struct wait {
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool ended;
	struct duck_end end;
	struct pieces pieces;
};

static void copy_text(char *to, size_t cap, struct str s)
{
	s = str_head(s, cap - 1);
	if (s.n)
		memcpy(to, s.p, s.n);
	to[s.n] = 0;
}

static void end_is(struct duck_end *end, const char *class, const char *text)
{
	end->outcome = ENGINE_FAILED;
	copy_text(end->class, sizeof(end->class), str_of(class));
	copy_text(end->text, sizeof(end->text), str_of(text));
}

static void on_part(void *arg, const struct engine_part *part)
{
	struct wait *w = arg;
	struct pieces *p = &w->pieces;

	pthread_mutex_lock(&w->lock);
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 4;
		p->v = base_realloc(p->v, sizeof(struct engine_bytes *) * (size_t)p->cap);
	}
	p->v[p->n++] = part->bytes;
	pthread_mutex_unlock(&w->lock);
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct wait *w = arg;

	pthread_mutex_lock(&w->lock);
	w->end.outcome = end->outcome;
	copy_text(w->end.class, sizeof(w->end.class), end->class);
	copy_text(w->end.text, sizeof(w->end.text), str_head(end->text, str_find(end->text, '\n')));
	w->ended = true;
	pthread_cond_signal(&w->over);
	pthread_mutex_unlock(&w->lock);
}

static void on_started(void *arg)
{
	(void)arg;
}

static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

static void free_pieces(struct pieces *p)
{
	for (int i = 0; i < p->n; i++)
		engine_bytes_unref(p->v[i]);
	free(p->v);
}

/* A batch that could not be handed over: nothing of it was done. */
static void not_begun(struct call *c, struct duck_end *end)
{
	bool busy = c->err.kind == ERR_TOO_MANY || c->err.kind == ERR_UNAVAILABLE;

	end_is(end, busy ? "Unavailable" : c->err.kind == ERR_QUOTA ? "Full" : "Refused", c->err.text);
	call_forgive(c);
}

/* Blocks until it ended. Pieces of rows are the caller's. */
static void run_ask(struct call *c, struct duck_store *s, const struct engine_records_ask *ask, struct duck_end *end,
		    struct pieces *ret)
{
	struct wait w = {.ended = false};
	struct engine_task *task;

	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.over, NULL);
	if (engine_records_run(c, s->engine, ask, &listener, &w, &task)) {
		pthread_mutex_lock(&w.lock);
		while (!w.ended)
			pthread_cond_wait(&w.over, &w.lock);
		pthread_mutex_unlock(&w.lock);
		engine_task_unref(task);
	} else {
		not_begun(c, &w.end);
	}
	pthread_cond_destroy(&w.over);
	pthread_mutex_destroy(&w.lock);
	*end = w.end;
	*ret = w.pieces;
}

/* --- rows --- */

static void drop_pieces(void *arg)
{
	free_pieces(arg);
	free(arg);
}

static bool unpack(struct call *c, const struct pieces *p, struct duck_rows *ret)
{
	struct engine_rows *v = ARENA_ARRAY(c->arena, struct engine_rows, (size_t)p->n + 1);
	struct duck_rows all = {0};
	struct engine_cell *cells, *at;

	for (int i = 0; i < p->n; i++) {
		if (!engine_rows(c, engine_bytes_str(p->v[i]), &v[i]))
			return false;
		if (i > 0 && v[i].ncells != v[0].ncells)
			return false;
		all.n += v[i].n;
	}
	all.ncells = v[0].ncells;
	cells = at = ARENA_ARRAY(c->arena, struct engine_cell, (size_t)all.n * (size_t)all.ncells + 1);
	for (int i = 0; i < p->n; i++) {
		size_t n = (size_t)v[i].n * (size_t)all.ncells;

		if (n)
			memcpy(at, v[i].cells, n * sizeof(*at));
		at += n;
	}
	all.cells = cells;
	*ret = all;
	return true;
}

/* False: `end` tells, or the call has an error (rows that cannot be read). */
static bool select_rows(struct call *c, struct duck_store *s, const struct duck_file *f, const struct engine_step *step,
			struct duck_end *end, struct duck_rows *ret)
{
	const struct engine_records_ask ask = {.file = str_of(f->name), .steps = step, .nsteps = 1};
	struct pieces *p = base_zalloc(sizeof(*p));

	run_ask(c, s, &ask, end, p);
	arena_defer(c->arena, drop_pieces, p);
	if (end->outcome != ENGINE_OK)
		return false;
	if (unpack(c, p, ret))
		return true;
	call_forgive(c);
	return fail(c, ERR_STORAGE, "rows of the file %s of the statement store cannot be read", f->name);
}

/* --- a file's tables --- */

static bool is_text(const struct duck_rows *rows, int i, int column, const char *text)
{
	const struct engine_cell *cell = &rows->cells[i * rows->ncells + column];

	return cell->kind == ENGINE_CELL_TEXT && str_eq(cell->s, str_of(text));
}

static bool has(const struct duck_rows *rows, const char *table)
{
	for (int i = 0; i < rows->n; i++)
		if (is_text(rows, i, 0, table))
			return true;
	return false;
}

/* The file says whose it is: another tenant's, under this one's name, is refused. */
static void make_tables(struct call *c, struct duck_store *s, const struct duck_file *f, struct duck_end *end)
{
	const struct engine_cell whose[] = {{.kind = ENGINE_CELL_INT, .integer = DUCK_LAYOUT},
					    {.kind = ENGINE_CELL_TEXT, .s = str_of(f->name)}};
	struct engine_step *steps = ARENA_ARRAY(c->arena, struct engine_step, (size_t)duck_ntables + 1);
	const struct engine_records_ask ask = {.file = str_of(f->name), .steps = steps, .nsteps = duck_ntables + 1, .make = true};
	struct pieces none;

	memcpy(steps, duck_tables, sizeof(*steps) * (size_t)duck_ntables);
	steps[duck_ntables] = (struct engine_step){.sql = S("INSERT INTO mayfly VALUES (?, ?)"), .binds = whose,
						.nbinds = COUNT_OF(whose)};
	run_ask(c, s, &ask, end, &none);
	free_pieces(&none);
}

static void check_layout(struct call *c, struct duck_store *s, const struct duck_file *f, struct duck_end *end)
{
	const struct engine_step step = {.sql = S("SELECT layout, file FROM mayfly")};
	struct duck_rows rows;

	if (!select_rows(c, s, f, &step, end, &rows))
		return;
	if (rows.n != 1 || rows.cells[0].kind != ENGINE_CELL_INT || rows.cells[0].integer < 1)
		end_is(end, "Foreign", "its table mayfly does not name a layout");
	else if (rows.cells[0].integer > DUCK_LAYOUT)
		end_is(end, "Foreign", "it has the layout of a newer version");
	else if (!is_text(&rows, 0, 1, f->name))
		end_is(end, "Foreign", "it was made under another name, for another tenant or session");
}

/* Whether the file has our tables; where it is new, or was left empty by a crash, and may be made, they are made. */
static bool settle(struct call *c, struct duck_store *s, const struct duck_file *f, bool make, struct duck_end *end)
{
	const struct engine_step step = {.sql = S("SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()")};
	struct duck_rows rows = {0};
	bool read = select_rows(c, s, f, &step, end, &rows);

	if (!read && end->outcome == ENGINE_OK)
		end_is(end, "Corrupt", "its tables cannot be read");
	else if (!read ? make && strcmp(end->class, "Missing") == 0 : make && rows.n == 0)
		make_tables(c, s, f, end);
	else if (read && rows.n == 0)
		end_is(end, "Missing", "it is empty");
	else if (read && (!has(&rows, "mayfly") || !has(&rows, "statements") || !has(&rows, "statement_results")))
		end_is(end, "Foreign", "it holds other tables");
	else if (read)
		check_layout(c, s, f, end);
	if (c->err.kind && end->outcome == ENGINE_OK)
		end_is(end, "Corrupt", c->err.text);
	call_forgive(c);
	return end->outcome == ENGINE_OK;
}

/* --- leading --- */

static bool fits(const struct duck_work *w, int steps, size_t bytes)
{
	return !w->drop && !w->alone && steps + w->nsteps <= DUCK_BATCH_STEPS && bytes + w->bytes <= DUCK_BATCH_BYTES;
}

/* What is run together next, off the queue; lock held. */
static int take(struct duck_file *f, struct duck_work **v)
{
	int n = 0, steps = 0;
	size_t bytes = 0;

	while (!list_empty(&f->queue) && n < WORKS_MAX) {
		struct duck_work *w = LIST_ITEM(f->queue.next, struct duck_work, node);

		if (n > 0 && (!fits(w, steps, bytes) || v[0]->drop || v[0]->alone))
			break;
		list_del(&w->node);
		steps += w->nsteps;
		bytes += w->bytes;
		v[n++] = w;
	}
	return n;
}

static void run_works(struct call *c, struct duck_store *s, const struct duck_file *f, struct duck_work **v, int n)
{
	struct engine_records_ask ask = {.file = str_of(f->name), .drop = v[0]->drop};
	struct duck_end end = {.outcome = ENGINE_OK};
	struct pieces none = {0};
	struct engine_step *at;
	int steps = 0;

	for (int i = 0; i < n; i++)
		steps += v[i]->nsteps;
	ask.steps = at = ARENA_ARRAY(c->arena, struct engine_step, (size_t)steps + 1);
	ask.nsteps = steps;
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < v[i]->nsteps; k++)
			*at++ = v[i]->steps[k];
		ask.make = ask.make || v[i]->make;
	}
	if (steps || ask.drop)
		run_ask(c, s, &ask, &end, &none);
	free_pieces(&none);
	for (int i = 0; i < n; i++)
		v[i]->end = end;
}

static void run_batch(struct call *c, struct duck_store *s, const struct duck_file *f, struct duck_work **v, int n)
{
	run_works(c, s, f, v, n);
	if (n == 1 || v[0]->end.outcome == ENGINE_OK || v[0]->end.outcome == ENGINE_LOST)
		return;
	for (int i = 0; i < n; i++)
		run_works(c, s, f, &v[i], 1);
}

/* Whether the file was found to have its tables. */
static bool run_taken(struct duck_store *s, const struct duck_file *f, struct duck_work **v, int n)
{
	OWNS(arena) a = {0};
	struct duck_end end = {.outcome = ENGINE_OK};
	bool make = false, ready = f->ready;
	struct call c;

	call_open(&c, &a);
	for (int i = 0; i < n; i++)
		make = make || v[i]->make;
	if (!ready && !v[0]->drop)
		ready = settle(&c, s, f, make, &end);
	if (end.outcome == ENGINE_OK)
		run_batch(&c, s, f, v, n);
	for (int i = 0; i < n && end.outcome != ENGINE_OK; i++)
		v[i]->end = end;
	return ready && !v[0]->drop;
}

/* Lock held, and given back meanwhile. */
static void lead(struct duck_store *s, struct duck_file *f)
{
	struct duck_work *v[WORKS_MAX];
	int n = take(f, v);
	bool ready;

	f->led = true;
	pthread_mutex_unlock(&s->lock);
	ready = run_taken(s, f, v, n);
	pthread_mutex_lock(&s->lock);
	f->led = false;
	f->ready = ready;
	for (int i = 0; i < n; i++)
		v[i]->done = true;
	pthread_cond_broadcast(&f->turn);
}

bool duck_run(struct duck_store *s, struct duck_file *f, struct duck_work *w)
{
	pthread_mutex_lock(&s->lock);
	if (f->dropped && !w->drop) {
		pthread_mutex_unlock(&s->lock);
		return false;
	}
	w->done = false;
	list_add_tail(&f->queue, &w->node);
	while (!w->done) {
		if (f->led)
			pthread_cond_wait(&f->turn, &s->lock);
		else
			lead(s, f);
	}
	pthread_mutex_unlock(&s->lock);
	return true;
}

/* --- writing and reading --- */

bool duck_fail(struct call *c, const struct duck_file *f, const struct duck_end *end)
{
	static const char *const gone[] = {"IO", "Out of Memory", "TransactionContext", "Unavailable", "FATAL", "INTERNAL"};

	if (end->outcome != ENGINE_FAILED)
		return fail(c, ERR_UNAVAILABLE, "the file %s of the statement store did not answer", f->name);
	if (strcmp(end->class, "Missing") == 0)
		return fail(c, ERR_NOT_FOUND, "no statement is stored there");
	if (strcmp(end->class, "Conflict") == 0 || strcmp(end->class, "Constraint") == 0)
		return fail(c, ERR_CONFLICT, "the stored statement is in another state");
	if (strcmp(end->class, "Full") == 0)
		return fail(c, ERR_QUOTA, "the statement is too large for the file %s of the statement store", f->name);
	for (size_t i = 0; i < COUNT_OF(gone); i++)
		if (strcmp(end->class, gone[i]) == 0)
			return fail(c, ERR_UNAVAILABLE, "the file %s of the statement store cannot be used now: %s: %s", f->name, end->class,
				    end->text);
	return fail(c, ERR_STORAGE, "the file %s of the statement store cannot be used: %s: %s", f->name, end->class, end->text);
}

bool duck_write(struct call *c, struct duck_store *s, struct duck_file *f, struct duck_work *w, duck_again_fn *again)
{
	for (int i = 0; i < DUCK_TRIES; i++) {
		if (!duck_run(s, f, w))
			return fail(c, ERR_SESSION_CLOSED, "the session of the statement has ended");
		if (w->end.outcome == ENGINE_OK)
			return true;
		if (w->end.outcome != ENGINE_LOST)
			break;
		w->alone = true;
		if (again)
			again(w);
	}
	return duck_fail(c, f, &w->end);
}

/* What was queued before is on the disk, and the file is one of ours. */
static bool catch_up(struct call *c, struct duck_store *s, struct duck_file *f)
{
	struct duck_work w = {0};
	bool wait, dropped;

	pthread_mutex_lock(&s->lock);
	wait = !f->ready;
	dropped = f->dropped;
	pthread_mutex_unlock(&s->lock);
	if (dropped)
		return fail(c, ERR_NOT_FOUND, "the session of the statement has ended");
	return !wait || duck_write(c, s, f, &w, NULL);
}

bool duck_read(struct call *c, struct duck_store *s, struct duck_file *f, const struct engine_step *step, struct duck_rows *ret)
{
	struct duck_end end;

	for (int i = 0; i < DUCK_TRIES; i++) {
		if (!catch_up(c, s, f))
			return false;
		if (select_rows(c, s, f, step, &end, ret))
			return true;
		if (end.outcome != ENGINE_LOST)
			break;
	}
	return c->err.kind ? false : duck_fail(c, f, &end);
}

/* --- files --- */

static bool word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) && !ascii_alpha(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n > 0;
}

bool duck_name_read(struct str name, struct str *ret_tenant, struct str *ret_session_id)
{
	struct str rest = name, tenant = str_cut(&rest, '.'), session = str_cut(&rest, '.');

	if (rest.p) { /* <tenant>.<session id>.db */
		if (!tenant_name_valid(tenant) || !word(session) || session.n > 100 || !str_eq(rest, S("db")))
			return false;
	} else {
		if (!tenant_name_valid(tenant) || !str_eq(session, S("db")))
			return false;
		session = S("");
	}
	*ret_tenant = tenant;
	*ret_session_id = session;
	return true;
}

static struct duck_file *file_new(const char *name)
{
	struct duck_file *f = base_zalloc(sizeof(*f));

	f->name = base_zalloc(strlen(name) + 1);
	memcpy(f->name, name, strlen(name));
	INVARIANT(duck_name_read(str_of(f->name), &f->tenant, &f->session_id));
	pthread_cond_init(&f->turn, NULL);
	list_init(&f->queue);
	return f;
}

void duck_file_free(struct duck_file *f)
{
	LIST_EACH(&f->queue, it)
		free(LIST_ITEM(it, struct duck_work, node));
	map_close(&f->ending);
	pthread_cond_destroy(&f->turn);
	free(f->name);
	free(f);
}

struct duck_file *duck_file_of(struct call *c, struct duck_store *s, struct str tenant, struct str session_id)
{
	struct str name = arena_fmt(c->arena, "%.*s%s%.*s.db", SARG(tenant), session_id.n ? "." : "", SARG(session_id));
	struct str t, id;
	struct duck_file *f;

	if (!duck_name_read(name, &t, &id) || !str_eq(t, tenant) || !str_eq(id, session_id)) {
		fail(c, ERR_STORAGE, "statements of this tenant or session cannot be stored");
		return NULL;
	}
	pthread_mutex_lock(&s->lock);
	f = map_get(&s->files, name);
	if (!f) {
		f = file_new(name.p);
		map_put(&s->files, str_of(f->name), f);
	}
	f->users++;
	pthread_mutex_unlock(&s->lock);
	return f;
}

void duck_file_leave(struct duck_store *s, struct duck_file *f)
{
	pthread_mutex_lock(&s->lock);
	f->users--;
	pthread_mutex_unlock(&s->lock);
}
