/* life.c - the one owner of every move of a statement's state.
 *
 * A move is asked for by many (the engine, a cancel, a timeout, a drain) and
 * made here, under the shard's lock, by the table stmt_fsm: whoever comes
 * second finds a terminal state and changes nothing.
 */
#include "statement/statement_int.h"

#include "obs/obs.h"

#include <stdlib.h>

void statement_watch(struct stmt *st, const struct watch *w)
{
	struct watcher *now = NULL;

	stmt_lock(st);
	watch_add(fsm_terminal(stmt_fsm, st->state) ? &now : &st->watchers, w);
	stmt_unlock(st);
	watch_fire(now);
}

void statement_unwatch(struct stmt *st, const void *arg)
{
	struct watcher *found;

	stmt_lock(st);
	found = watch_take_of(&st->watchers, arg);
	stmt_unlock(st);
	watch_drop(found);
}

void stmt_changed(struct stmt *st)
{
	struct watcher *w;

	stmt_lock(st);
	w = watch_take(&st->watchers, false);
	stmt_unlock(st);
	watch_fire(w);
}

bool stmt_started(struct stmt *st)
{
	bool moved;

	stmt_lock(st);
	moved = fsm_may(stmt_fsm, st->state, STMT_RUNNING);
	if (moved) {
		st->state = STMT_RUNNING;
		st->started_ms = clock_wall_ms();
	}
	stmt_unlock(st);
	if (moved)
		stmt_changed(st);
	return moved;
}

/* Under the lock: everything that becomes true with the terminal state. */
static void enter_end(struct stmt *st, enum stmt_state to, struct stmt_error *error)
{
	st->state = to;
	st->error = error;
	st->completed_ms = clock_wall_ms();
	st->expires_ms = st->completed_ms + st->ttl_ms;
	if (to == STMT_SUCCEEDED)
		st->progress = 1;
	if (st->withdrawn)
		return;
	atomic_fetch_add(&st->room->ended[to], 1);
	obs_observe(OBS_M_STATEMENT_SECONDS, (clock_mono_ms() - st->created_mono_ms) * 1000000);
}

static void after_end(struct stmt *st, enum stmt_state to, struct watcher *watchers)
{
	struct statements *s = st->room;

	atomic_fetch_sub(&s->active, 1);
	if (to == STMT_SUCCEEDED)
		stmt_results_done(st);
	else
		stmt_drop_results(st);
	stmt_due(st, clock_mono_ms() + st->ttl_ms);
	stmt_tell(st);
	watch_fire(watchers);
}

bool stmt_end(struct stmt *st, enum stmt_state to, struct stmt_error *error)
{
	struct watcher *watchers = NULL;
	struct engine_task *task = NULL;
	bool moved;

	stmt_lock(st);
	moved = fsm_may(stmt_fsm, st->state, to);
	if (moved) {
		enter_end(st, to, error);
		watchers = watch_take(&st->watchers, true);
		task = st->task;
		st->task = NULL;
	}
	stmt_unlock(st);
	if (!moved) {
		free(error);
		return false;
	}
	if (task && to != STMT_SUCCEEDED)
		engine_cancel(task);
	engine_task_unref(task);
	after_end(st, to, watchers);
	return true;
}

void stmt_expire(struct stmt *st)
{
	struct statements *s = st->room;

	if (!stmt_leave_place(st)) /* forgotten just now */
		return;
	stmt_lock(st);
	st->expired = true;
	stmt_unlock(st);
	atomic_fetch_sub(&s->live, 1);
	atomic_fetch_add(&s->expired, 1);
	stmt_drop_results(st);
	stmt_due(st, clock_mono_ms() + TOMBSTONE_MS); /* remembered, so that it is told from an unknown one */
}
