/* op.c - operations: begun by a call that does not wait, watched until they end.
 *
 * Steps of one operation follow each other, so that its arena and its call have
 * one thread at a time: the pool's, where the store may block, or the engine's
 * loop while a task tells what it has. No thread waits in between. Not here:
 * what the steps do (build.c, upload.c, pages.c, …).
 */
#include "view/view_int.h"

#include "base/watch.h"
#include "rows/rows.h"

#include <stdlib.h>

/* --- the lease: its deadline --- */

static struct view_op *op_of(struct lease *l)
{
	return CONTAINER_OF(l, struct view_op, lease);
}

static void hold(struct lease *l)
{
	atomic_fetch_add(&op_of(l)->refs, 1);
}

static void drop(struct lease *l)
{
	view_op_unref(op_of(l));
}

static void on_due(struct lease *l)
{
	struct view_op *op = op_of(l);

	atomic_store(&op->late, true);
	view_op_cancel(op);
	lifecycle_swept(op->room->o.lifecycle, l, true);
}

/* Nobody owns an operation. */
static void on_owner_ended(struct lease *l)
{
	view_op_cancel(op_of(l));
}

static const struct lease_kind lease_kind = {"view operation", hold, drop, on_due, on_owner_ended};

/* --- life --- */

struct view_op *op_new(struct call *c, struct views *v)
{
	struct view_op *op = base_zalloc(sizeof(*op));

	atomic_init(&op->refs, 2);
	op->room = v;
	arena_open(&op->arena);
	call_open(&op->call, &op->arena);
	list_init(&op->node);
	list_init(&op->in_stuck);
	list_init(&op->waiting);
	lease_init(&op->lease, &lease_kind);
	op->call.tenant = arena_dup(&op->arena, c->tenant);
	op->call.principal = arena_dup(&op->arena, c->principal);
	op->call.request_id = arena_dup(&op->arena, c->request_id);
	op->call.traceparent = arena_dup(&op->arena, c->traceparent);
	op->call.role = c->role;
	op->call.cancel = &op->canceled;
	op->call.deadline_ms = clock_mono_ms() + v->o.build_ms;
	return op;
}

void view_op_unref(struct view_op *op)
{
	if (!op || atomic_fetch_sub(&op->refs, 1) != 1)
		return;
	op_got_drop(op);
	arena_close(&op->arena);
	free(op);
}

static void close_it(struct view_op *op)
{
	if (op->closing)
		op->closing(op);
	op->closing = NULL;
}

void op_end(struct view_op *op)
{
	struct views *v = op->room;
	struct watcher *w;

	close_it(op);
	if (v->o.lifecycle)
		lease_clear(v->o.lifecycle, &op->lease);
	pthread_mutex_lock(&v->lock);
	INVARIANT(!op->over && !op->task);
	op->over = true;
	w = watch_take(&op->watchers, true);
	pthread_mutex_unlock(&v->lock);
	watch_fire(w);
	views_leave(v, &op->node);
	view_op_unref(op);
}

/* --- steps --- */

static void on_pool(void *arg)
{
	struct view_op *op = arg;

	op->next(op);
}

void op_step_next(struct view_op *op, op_step *next)
{
	struct views *v = op->room;

	op->next = next;
	if (exec_pool_run(v->o.pool, on_pool, op))
		return;
	pthread_mutex_lock(&v->lock);
	list_add_tail(&v->stuck, &op->in_stuck);
	pthread_mutex_unlock(&v->lock);
}

void ops_run_stuck(struct views *v)
{
	for (;;) {
		struct list *first;

		pthread_mutex_lock(&v->lock);
		first = list_pop(&v->stuck);
		pthread_mutex_unlock(&v->lock);
		if (!first)
			return;
		if (exec_pool_run(v->o.pool, on_pool, LIST_ITEM(first, struct view_op, in_stuck)))
			continue;
		pthread_mutex_lock(&v->lock);
		list_add_head(&v->stuck, first);
		pthread_mutex_unlock(&v->lock);
		return;
	}
}

void op_wait(struct view_op *op, struct list *on, op_step *next)
{
	struct views *v = op->room;
	bool canceled = atomic_load(&op->canceled);

	op->next = next;
	if (!canceled)
		list_add_tail(on, &op->waiting);
	pthread_mutex_unlock(&v->lock);
	if (canceled)
		op_step_next(op, next);
}

void op_resume(struct views *v, struct list *on)
{
	for (;;) {
		struct view_op *op;
		struct list *first;

		pthread_mutex_lock(&v->lock);
		first = list_pop(on);
		pthread_mutex_unlock(&v->lock);
		if (!first)
			return;
		op = LIST_ITEM(first, struct view_op, waiting);
		op_step_next(op, op->next);
	}
}

static bool refused(struct call *c, struct view_op *op, const char *why)
{
	close_it(op);
	view_op_unref(op);
	view_op_unref(op);
	return fail(c, ERR_UNAVAILABLE, "%s", why);
}

bool op_begin(struct call *c, struct view_op *op, op_step *first, struct view_op **ret)
{
	struct views *v = op->room;
	bool stopping;

	op->next = first;
	pthread_mutex_lock(&v->lock);
	stopping = v->stopping;
	if (!stopping)
		list_add_tail(&v->ops, &op->node);
	pthread_mutex_unlock(&v->lock);
	if (stopping)
		return refused(c, op, "the server is stopping");
	if (v->o.lifecycle)
		lease_set(v->o.lifecycle, &op->lease, op->call.deadline_ms);
	if (exec_pool_run(v->o.pool, on_pool, op)) {
		*ret = op;
		return true;
	}
	if (v->o.lifecycle)
		lease_clear(v->o.lifecycle, &op->lease);
	views_leave(v, &op->node);
	return refused(c, op, "too much waits already");
}

void op_deadline(struct view_op *op, int64_t after_ms)
{
	op->call.deadline_ms = clock_mono_ms() + after_ms;
	if (op->room->o.lifecycle && list_linked(&op->node))
		lease_set(op->room->o.lifecycle, &op->lease, op->call.deadline_ms);
}

bool op_going(struct view_op *op)
{
	if (op->call.err.kind != ERR_NONE)
		return false;
	if (atomic_load(&op->late) || clock_mono_ms() > op->call.deadline_ms)
		return fail(&op->call, ERR_STATEMENT_TIMEOUT, "it took longer than %lld ms", (long long)op->room->o.build_ms);
	if (atomic_load(&op->canceled))
		return fail(&op->call, ERR_CANCELED, "it was canceled");
	return true;
}

void view_op_cancel(struct view_op *op)
{
	struct views *v = op->room;
	struct engine_task *task;
	bool first, waits;

	pthread_mutex_lock(&v->lock);
	first = !op->over && !atomic_exchange(&op->canceled, true);
	waits = first && list_linked(&op->waiting);
	if (waits)
		list_del(&op->waiting);
	task = first ? op->task : NULL;
	if (task)
		op->task = NULL; /* this reference is ours now */
	pthread_mutex_unlock(&v->lock);
	if (task) {
		engine_cancel(task);
		engine_task_unref(task);
	}
	if (waits)
		op_step_next(op, op->next);
}

/* --- tasks of the engine --- */

static void on_started(void *arg)
{
	(void)arg;
}

static void on_columns(void *arg, struct str packed)
{
	struct view_op *op = arg;

	op->got.columns = arena_dup(&op->arena, packed);
}

/* What an export tells is one part: the description of its files. */
static void on_description(struct view_op *op, const struct engine_part *part)
{
	op->got.columns = arena_dup(&op->arena, engine_bytes_str(part->bytes));
	engine_bytes_unref(part->bytes);
}

static void on_part(void *arg, const struct engine_part *part)
{
	struct view_op *op = arg;
	struct op_got *g = &op->got;

	if (g->export) {
		on_description(op, part);
		return;
	}
	if (g->nparts == g->room) {
		int room = g->room ? 2 * g->room : 8;
		struct engine_bytes **more = ARENA_ARRAY(&op->arena, struct engine_bytes *, (size_t)room);

		if (g->nparts)
			memcpy(more, g->parts, sizeof(*more) * (size_t)g->nparts);
		g->parts = more;
		g->room = room;
	}
	g->parts[g->nparts++] = part->bytes;
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct view_op *op = arg;
	struct views *v = op->room;
	struct engine_task *task;

	op->got.end = *end;
	op->got.end.class = arena_dup(&op->arena, end->class);
	op->got.end.text = arena_dup(&op->arena, end->text);
	op->got.end.bad_bind = arena_dup(&op->arena, end->bad_bind);
	op->got.end.column = arena_dup(&op->arena, end->column);
	pthread_mutex_lock(&v->lock);
	op->turn++;
	task = op->task;
	op->task = NULL;
	pthread_mutex_unlock(&v->lock);
	engine_task_unref(task);
	op_step_next(op, op->next);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

void op_got_drop(struct view_op *op)
{
	for (int i = 0; i < op->got.nparts; i++)
		engine_bytes_unref(op->got.parts[i]);
	op->got = (struct op_got){0};
}

bool op_got_plain(struct view_op *op)
{
	struct op_got *g = &op->got;

	for (int i = 0; i < g->nparts; i++) {
		OWNS(buf) plain = {0};

		if (str_starts(engine_bytes_str(g->parts[i]), S("{")))
			continue;
		if (!convert_gunzip(engine_bytes_str(g->parts[i]), &plain))
			return fail(&op->call, ERR_ENGINE_LOST, "the engine worker sent rows that are not well-formed");
		engine_bytes_unref(g->parts[i]);
		g->parts[i] = engine_bytes_copy(buf_str(&plain));
	}
	return true;
}

/* The task runs, or has ended already: then `turn` has moved on and the operation may be gone. */
static void keep_task(struct view_op *op, struct engine_task *task, unsigned turn)
{
	struct views *v = op->room;
	bool canceled;

	pthread_mutex_lock(&v->lock);
	canceled = op->turn == turn && atomic_load(&op->canceled);
	if (op->turn == turn && !canceled) {
		op->task = task;
		task = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	if (canceled)
		engine_cancel(task);
	engine_task_unref(task);
}

static bool begin_task(struct view_op *op, const struct engine_ask *ask, const struct engine_export *x, struct engine_task **ret)
{
	struct engine *e = op->room->o.engine;

	if (ask) {
		struct engine_ask q = *ask;

		q.tenant = op->call.tenant;
		return engine_run(&op->call, e, &q, &listener, op, ret);
	}
	struct engine_export q = *x;

	q.tenant = op->call.tenant;
	return engine_export(&op->call, e, &q, &listener, op, ret);
}

static void op_task(struct view_op *op, const struct engine_ask *ask, const struct engine_export *x, op_step *next)
{
	unsigned turn = op->turn; /* nobody else moves it until the task has begun */
	struct engine_task *task;

	op_got_drop(op);
	op->got.export = x != NULL;
	op->next = next;
	atomic_fetch_add(&op->refs, 1); /* for keep_task() */
	if (op_going(op) && begin_task(op, ask, x, &task)) {
		keep_task(op, task, turn);
	} else {
		op->got.end.outcome = ENGINE_INTERRUPTED;
		op_step_next(op, next);
	}
	view_op_unref(op);
}

void op_ask(struct view_op *op, const struct engine_ask *ask, op_step *next)
{
	op_task(op, ask, NULL, next);
}

void op_export(struct view_op *op, const struct engine_export *x, op_step *next)
{
	op_task(op, NULL, x, next);
}

/* --- the engine's errors --- */

/* What is wrong with the text itself, whatever the rows are. */
static bool is_about_text(struct str class)
{
	static const char *const classes[] = {"Parser", "Syntax", "Binder", "Catalog", "Not implemented", "Parameter Not Resolved",
					      "Parameter Not Allowed", "Invalid type", "Expression"};

	for (size_t i = 0; i < COUNT_OF(classes); i++)
		if (str_ieq(class, str_of(classes[i])))
			return true;
	return false;
}

struct str op_engine_line(struct view_op *op)
{
	struct str text = op->got.end.text, line = str_head(text, str_find(text, '\n'));
	struct str folder = arena_fmt(&op->arena, "/cache/%.*s/", SARG(op->call.tenant));
	size_t from, at;

	while ((from = str_search(line, S(" \"/"))) < line.n) {
		struct str rest = str_tail(line, from + 2);

		at = str_find(rest, '"');
		if (at == rest.n || str_search(str_head(rest, at), folder) >= at)
			break;
		line = arena_fmt(&op->arena, "%.*s%.*s", SARG(str_head(line, from)), SARG(str_tail(rest, at + 1)));
	}
	return line;
}

bool op_fail_engine(struct view_op *op, struct str client, struct str sql, size_t prefix)
{
	struct call *c = &op->call;
	const struct engine_end *e = &op->got.end;
	struct str line = op_engine_line(op);
	int place;

	if (c->err.kind != ERR_NONE)
		return false;
	switch (e->outcome) {
	case ENGINE_INTERRUPTED:
		return op_going(op) ? fail(c, ERR_CANCELED, "it was interrupted") : false;
	case ENGINE_LOST:
	case ENGINE_GONE:
		return fail(c, ERR_ENGINE_LOST, "the engine worker ended");
	case ENGINE_TOO_LARGE:
	case ENGINE_FULL:
		return fail(c, ERR_RESULT_TOO_LARGE, "its rows are too large");
	case ENGINE_OK:
	case ENGINE_FAILED:
		break;
	}
	place = e->position < (int64_t)prefix ? 0 : read_position(&op->arena, client, sql, e->position - (int64_t)prefix);
	return fail_at(c, is_about_text(e->class) ? ERR_SQL_INVALID : ERR_VIEW_FAILED, place, "%.*s", SARG(line));
}

/* --- watching --- */

void view_op_watch(struct view_op *op, const struct watch *w)
{
	struct views *v = op->room;
	struct watcher *now = NULL;

	pthread_mutex_lock(&v->lock);
	watch_add(op->over ? &now : &op->watchers, w);
	pthread_mutex_unlock(&v->lock);
	watch_fire(now);
}

void view_op_unwatch(struct view_op *op, const void *arg)
{
	struct watcher *found;

	pthread_mutex_lock(&op->room->lock);
	found = watch_take_of(&op->watchers, arg);
	pthread_mutex_unlock(&op->room->lock);
	watch_drop(found);
}

bool view_op_result(struct call *c, struct view_op *op, struct view_result *ret)
{
	INVARIANT(op->over);
	if (op->call.err.kind != ERR_NONE)
		return fail_as(c, &op->call.err);
	*ret = op->result;
	return true;
}
