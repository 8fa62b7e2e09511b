/* leases.c - what becomes of a statement in time, and with its session. */
#include "statement/kept.h"

static struct stmt *stmt_of(struct lease *l)
{
	return CONTAINER_OF(l, struct stmt, lease);
}

static void hold(struct lease *l)
{
	stmt_ref(stmt_of(l));
}

static void drop(struct lease *l)
{
	statement_unref(stmt_of(l));
}

/* One that was forgotten meanwhile is not left with a lease. */
void stmt_clear_if_forgotten(struct stmt *st)
{
	bool forgotten;

	stmt_lock(st);
	forgotten = st->forgotten;
	stmt_unlock(st);
	if (forgotten)
		lease_clear(st->room->o.lifecycle, &st->lease);
}

void stmt_due(struct stmt *st, int64_t due_mono_ms)
{
	stmt_lock(st);
	st->due_mono_ms = due_mono_ms;
	stmt_unlock(st);
	lease_set(st->room->o.lifecycle, &st->lease, due_mono_ms);
	stmt_clear_if_forgotten(st);
}

/* A timeout, the end of a TTL, or the end of what is remembered of an expired handle. */
static void on_due(struct lease *l)
{
	struct stmt *st = stmt_of(l);
	bool running, expired, moved;
	int64_t timeout_ms;

	stmt_lock(st);
	running = !fsm_terminal(stmt_fsm, st->state);
	expired = st->expired;
	timeout_ms = st->run ? st->run->timeout_ms : 0;
	moved = st->forgotten || clock_mono_ms() < st->due_mono_ms;
	stmt_unlock(st);
	if (moved)
		return;
	if (running)
		stmt_end(st, STMT_FAILED, stmt_error_simple(ERR_STATEMENT_TIMEOUT, timeout_ms));
	else if (expired || atomic_load(&st->room->expired) >= TOMBSTONES)
		stmt_unlink(st);
	else
		stmt_expire(st);
	lifecycle_swept(st->room->o.lifecycle, l, true);
}

/* Its session has ended: nothing is left of it, but for who reads a part just now. */
static void on_owner_ended(struct lease *l)
{
	struct stmt *st = stmt_of(l);

	if (st->detached)
		return;
	statement_cancel_soon(st);
	if (st->kept)
		stmt_drop_if_under_way(st); /* what stores have of ended ones goes with all of the session */
	stmt_drop_results(st);
	stmt_unlink(st);
}

const struct lease_kind stmt_lease_kind = {"statement", hold, drop, on_due, on_owner_ended};

