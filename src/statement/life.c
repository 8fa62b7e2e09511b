/* life.c - the one owner of every move of a statement's state.
 *
 * A move is asked for by many (the engine, a cancel, a timeout, a drain) and
 * made here, under the shard's lock, by the table stmt_fsm: whoever comes
 * second finds that it is decided and changes nothing. Where stores keep a
 * statement, deciding how it ends and ending are two: they hear it in between.
 */
#include "statement/kept.h"

#include "obs/obs.h"

#include <stdlib.h>

void statement_watch(struct stmt *st, const struct watch *w)
{
	struct watcher *now = NULL;

	stmt_lock(st);
	watch_add(fsm_terminal(stmt_fsm, st->state) ? &now : &st->watchers, w);
	stmt_unlock(st);
	watch_fire(now);
	if (st->foreign)
		stmt_foreign_watch(st);
}

void statement_unwatch(struct stmt *st, const void *arg)
{
	struct watcher *found;
	bool alone;

	stmt_lock(st);
	found = watch_take_of(&st->watchers, arg);
	alone = !st->watchers;
	stmt_unlock(st);
	watch_drop(found);
	if (st->foreign && alone)
		stmt_foreign_unwatch(st);
}

void stmt_changed(struct stmt *st)
{
	struct watcher *w;

	stmt_lock(st);
	w = watch_take(&st->watchers, false);
	stmt_unlock(st);
	watch_fire(w);
}

bool stmt_has_ended(struct stmt *st)
{
	bool ended;

	stmt_lock(st);
	ended = fsm_terminal(stmt_fsm, st->state);
	stmt_unlock(st);
	return ended;
}

bool stmt_started(struct stmt *st)
{
	bool moved;

	stmt_lock(st);
	moved = !st->ending && fsm_may(stmt_fsm, st->state, STMT_RUNNING);
	if (moved) {
		st->state = STMT_RUNNING;
		st->started_ms = clock_wall_ms();
	}
	stmt_unlock(st);
	if (!moved)
		return false;
	stmt_changed(st);
	if (st->kept && (atomic_load(&st->kept->shared) || atomic_load(&st->kept->disk)))
		stmt_owe(st, DEBT_START, STARTED_AFTER_MS);
	return true;
}

/* Under the lock: everything that becomes true with the terminal state. */
static void enter_end(struct stmt *st, enum stmt_state to, struct stmt_error *error)
{
	st->state = (uint8_t)to;
	st->error = error;
	if (to == STMT_SUCCEEDED)
		st->progress = 1;
	else if (st->kept) /* no store keeps it: it is unknown on every server */
		st->progress = -1;
	if (st->withdrawn)
		return;
	atomic_fetch_add(&st->room->ended[to], 1);
	if (st->run)
		obs_observe(OBS_M_STATEMENT_SECONDS, (clock_mono_ms() - st->run->created_mono_ms) * 1000000);
}

static void forget_run(struct stmt *st)
{
	struct running *run;

	stmt_lock(st);
	run = st->run;
	st->run = NULL;
	stmt_unlock(st);
	stmt_running_free(run);
}

static void after_end(struct stmt *st, enum stmt_state to, struct watcher *watchers, bool tell)
{
	struct statements *s = st->room;

	atomic_fetch_sub(&s->active, 1);
	if (to == STMT_SUCCEEDED)
		stmt_results_done(st);
	else
		stmt_drop_results(st);
	stmt_due(st, clock_mono_ms() + (st->kept ? stmt_expires_ms(st) - clock_wall_ms() : st->ttl_s * INT64_C(1000)));
	if (tell)
		stmt_tell(st);
	forget_run(st);
	watch_fire(watchers);
}

void stmt_settle(struct stmt *st, enum stmt_state to, struct stmt_error *error, bool tell)
{
	struct watcher *watchers;

	stmt_lock(st);
	enter_end(st, to, error);
	watchers = watch_take(&st->watchers, true);
	stmt_unlock(st);
	after_end(st, to, watchers, tell);
}

static void let_engine_go(struct engine_task *task, enum stmt_state to)
{
	if (task && to != STMT_SUCCEEDED)
		engine_cancel(task);
	engine_task_unref(task);
}

/* What ran for it, for the decision to let go; of a script: the statement. */
struct ran {
	struct engine_task *task;
	struct stmt *child;
};

/* A script that is canceled, or takes too long, ends its statement likewise. */
static void let_child_go(struct stmt *child, enum stmt_state to, const struct stmt_error *why)
{
	bool late = why && why->kind == ERR_STATEMENT_TIMEOUT;

	if (!child)
		return;
	if (to != STMT_SUCCEEDED)
		stmt_end(child, late ? STMT_FAILED : STMT_CANCELED, late ? stmt_error_copy(why) : stmt_error_simple(ERR_CANCELED, 0));
	statement_unref(child);
}

/* The first who asks decides. */
static bool decide(struct stmt *st, enum stmt_state to, struct ran *ret)
{
	bool first = !st->ending && fsm_may(stmt_fsm, st->state, to);

	if (!first)
		return false;
	st->ending = true;
	st->completed_ms = clock_wall_ms();
	if (st->run) {
		*ret = (struct ran){st->run->task, st->run->child};
		st->run->task = NULL;
		st->run->child = NULL;
	}
	return true;
}

bool stmt_end(struct stmt *st, enum stmt_state to, struct stmt_error *error)
{
	struct watcher *watchers = NULL;
	struct stmt_error *why = NULL;
	struct ran ran = {0};
	bool first;

	stmt_lock(st);
	first = decide(st, to, &ran);
	why = ran.child ? stmt_error_copy(error) : NULL;
	if (first && !st->kept) {
		enter_end(st, to, error);
		watchers = watch_take(&st->watchers, true);
	}
	stmt_unlock(st);
	if (!first) {
		free(error);
		return false;
	}
	let_engine_go(ran.task, to);
	let_child_go(ran.child, to, why);
	free(why);
	if (st->kept)
		stmt_kept_end(st, to, error);
	else
		after_end(st, to, watchers, true);
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
