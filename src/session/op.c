/* op.c - operations: begun by a call that does not wait, watched until they end.
 *
 * Steps of one operation follow each other, so that its arena and its call have
 * one thread at a time: on the pool where kv/ or the event log may block, on
 * the engine's loop where a task ends. No thread waits in between.
 */
#include "session/session_int.h"

#include <stdlib.h>

struct session_op *session_op_new(struct session *se, const struct call *by)
{
	struct session_op *op = base_zalloc(sizeof(*op));

	atomic_init(&op->refs, 2);
	op->room = se->room;
	op->se = session_ref(se);
	arena_open(&op->arena);
	call_open(&op->call, &op->arena);
	list_init(&op->in_stuck);
	op->call.tenant = se->r.tenant;
	if (by) {
		op->call.principal = arena_dup(&op->arena, by->principal);
		op->call.request_id = arena_dup(&op->arena, by->request_id);
		op->call.traceparent = arena_dup(&op->arena, by->traceparent);
		op->call.role = by->role;
	}
	return op;
}

void session_op_unref(struct session_op *op)
{
	if (!op || atomic_fetch_sub(&op->refs, 1) != 1)
		return;
	session_unref(op->made);
	session_unref(op->se);
	arena_close(&op->arena);
	free(op);
}

void op_abandon(struct session_op *op)
{
	session_op_unref(op);
	session_op_unref(op);
}

/* --- steps --- */

static void on_pool(void *arg)
{
	struct session_op *op = arg;

	op->step(op);
}

void op_run(struct session_op *op, void (*step)(struct session_op *op))
{
	struct sessions *s = op->room;

	op->step = step;
	if (exec_pool_run(s->o.pool, on_pool, op))
		return;
	room_lock(s);
	list_add_tail(&s->stuck, &op->in_stuck);
	room_unlock(s);
}

void op_run_stuck(struct sessions *s)
{
	for (;;) {
		struct list *first;
		struct session_op *op;

		room_lock(s);
		first = list_pop(&s->stuck);
		room_unlock(s);
		if (!first)
			return;
		op = LIST_ITEM(first, struct session_op, in_stuck);
		if (exec_pool_run(s->o.pool, on_pool, op))
			continue;
		room_lock(s);
		list_add_head(&s->stuck, first);
		room_unlock(s);
		return;
	}
}

void op_done(struct session_op *op)
{
	struct watcher *w;

	room_lock(op->room);
	INVARIANT(!op->done);
	op->done = true;
	w = watch_take(&op->watchers, true);
	room_unlock(op->room);
	watch_fire(w);
	session_op_unref(op);
}

/* --- the engine's listener --- */

static void on_started(void *arg)
{
	(void)arg;
}

static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

static void on_part(void *arg, const struct engine_part *part)
{
	struct session_op *op = arg;

	op->packed = arena_dup(&op->arena, engine_bytes_str(part->bytes));
	engine_bytes_unref(part->bytes);
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct session_op *op = arg;

	op->end = *end;
	op->end.class = arena_dup(&op->arena, end->class);
	op->end.text = arena_dup(&op->arena, end->text);
	op->end.column = arena_dup(&op->arena, end->column);
	op->end.bad_bind = (struct str){0};
	op->ended(op);
}

const struct engine_listener session_op_listener = {on_started, on_columns, on_part, on_progress, on_ended};

bool op_run_verb(struct call *c, struct session_op *op, enum engine_catalog_verb verb, struct engine_catalog *to,
		 void (*ended)(struct session_op *op))
{
	struct sessions *s = op->room; /* once it runs, the operation may be over */
	struct engine_task *task;

	op->packed = (struct str){0};
	op->ended = ended;
	if (!s->ops->run(c, op->se->catalog, verb, to, &session_op_listener, op, &task))
		return false;
	s->ops->task_unref(task);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct engine_table_info *)a)->name, ((const struct engine_table_info *)b)->name);
}

bool op_unpack(struct session_op *op)
{
	if (!op->packed.n) {
		op->tables = NULL;
		op->ntables = 0;
		return true;
	}
	if (op->room->ops->unpack(&op->call, op->packed, &op->tables, &op->ntables)) {
		if (op->ntables)
			qsort(op->tables, (size_t)op->ntables, sizeof(*op->tables), by_name);
		return true;
	}
	call_forgive(&op->call);
	return fail(&op->call, ERR_STORAGE, "the engine's list of tables cannot be read");
}

bool op_engine_error(struct session_op *op)
{
	struct call *c = &op->call;
	const struct engine_end *e = &op->end;

	switch (e->outcome) {
	case ENGINE_GONE:
		return fail(c, ERR_SESSION_CLOSED, "session %.*s is closed", SARG(op->se->r.id));
	case ENGINE_LOST:
		return fail(c, ERR_ENGINE_LOST, "the engine worker ended");
	case ENGINE_INTERRUPTED:
		return fail(c, ERR_CANCELED, "interrupted");
	case ENGINE_FULL:
		return session_quota(c, op->se, e->class);
	case ENGINE_TOO_LARGE:
		return fail(c, ERR_RESULT_TOO_LARGE, "the result is too large");
	case ENGINE_OK:
	case ENGINE_FAILED:
		break;
	}
	return fail(c, ERR_SQL, "%.*s", SARG(e->text));
}

/* --- watching --- */

void session_op_watch(struct session_op *op, const struct watch *w)
{
	struct watcher *now = NULL;

	room_lock(op->room);
	watch_add(op->done ? &now : &op->watchers, w);
	room_unlock(op->room);
	watch_fire(now);
}

void session_op_unwatch(struct session_op *op, const void *arg)
{
	struct watcher *found;

	room_lock(op->room);
	found = watch_take_of(&op->watchers, arg);
	room_unlock(op->room);
	watch_drop(found);
}

bool session_op_result(struct call *c, struct session_op *op, struct session_result *ret)
{
	if (op->call.err.kind != ERR_NONE)
		return fail_as(c, &op->call.err);
	*ret = (struct session_result){.session = op->made ? op->made : op->se, .tables = op->tables, .ntables = op->ntables,
				       .rows = op->rows};
	return true;
}
