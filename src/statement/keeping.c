/* keeping.c - the stores of a room: opened, told the time, closed; messages of other servers. */
#include "statement/kept.h"

#include "obs/obs.h"

#include <stdlib.h>

void stmt_call(struct call *c, struct arena *a, struct str tenant)
{
	call_open(c, a);
	c->tenant = tenant;
	c->role = ROLE_ADMIN;
}

/* --- messages --- */

static struct stmt *told_of(struct statements *s, struct str tenant, struct str handle)
{
	struct stmt *st = stmt_get(s, handle);

	if (st && str_eq(tenant, str_of(st->tenant->name)))
		return st;
	statement_unref(st);
	return NULL;
}

void stmt_told_cancel(void *room, struct str tenant, struct str handle)
{
	struct stmt *st = told_of(room, tenant, handle);

	if (st)
		statement_cancel_soon(st);
	statement_unref(st);
}

static bool is_watched(struct keeping *kg, struct str handle)
{
	bool found = false;

	pthread_mutex_lock(&kg->lock);
	LIST_EACH(&kg->watched, it)
		found = found || str_eq(handle, stmt_handle(LIST_ITEM(it, struct kept, watched)->st));
	pthread_mutex_unlock(&kg->lock);
	return found;
}

/* Messages may have been lost: every copy is looked up. */
static void look_at_copies(void *arg)
{
	struct statements *s = arg;
	size_t n;
	struct stmt **v = stmt_all(s, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i]->kept && atomic_load(&v[i]->kept->shared))
			stmt_owe(v[i], DEBT_LOOK, BACKOFF_MIN_MS);
		statement_unref(v[i]);
	}
	free(v);
}

void stmt_told_changed(void *room, struct str tenant, struct str handle)
{
	struct statements *s = room;
	struct stmt *st;

	if (!handle.n) {
		stmt_look_soon(s->keeping);
		stmt_run_soon(s->keeping, look_at_copies, s);
		return;
	}
	st = told_of(s, tenant, handle);
	if (st && st->kept)
		stmt_owe(st, DEBT_LOOK, 0);
	else if (!st && is_watched(s->keeping, handle))
		stmt_look_soon(s->keeping);
	statement_unref(st);
}

void statements_redis_changed(struct statements *s, bool up)
{
	struct keeping *kg = s->keeping;

	if (!kg)
		return;
	atomic_store(&kg->up, up);
	if (!up)
		return;
	pthread_mutex_lock(&kg->lock);
	LIST_EACH(&kg->busy, it) {
		struct kept *k = LIST_ITEM(it, struct kept, busy);

		if (!kg->closing && !k->writing && (k->debt & DEBT_SHARED) && k->late)
			wheel_put(&kg->later, &k->due, clock_mono_ms());
	}
	pthread_mutex_unlock(&kg->lock);
}

/* --- in time --- */

static void on_tick(void *arg)
{
	struct keeping *kg = arg;
	int64_t now = clock_mono_ms();
	bool look;

	stmt_pay_due(kg);
	stmt_gone_due(kg);
	pthread_mutex_lock(&kg->lock);
	look = now >= kg->look_ms && !kg->looking;
	pthread_mutex_unlock(&kg->lock);
	if (look)
		stmt_look_soon(kg);
}

static void renew_job(void *arg)
{
	struct keeping *kg = arg;

	kg->at.renew(kg->at.shared);
	kg->at.shared->ops->sweep(kg->at.shared);
	atomic_store(&kg->renewing, false);
}

static void sweep_job(void *arg)
{
	struct keeping *kg = arg;

	kg->at.disk->ops->sweep(kg->at.disk);
	atomic_store(&kg->sweeping, false);
}

/* On a thread of the server's: what is written here must not keep a lease waiting. */
static void run_once(struct keeping *kg, atomic_bool *running, exec_fn *fn)
{
	if (!atomic_exchange(running, true) && !exec_pool_run(kg->room->o.pool, fn, kg))
		atomic_store(running, false);
}

static void renew(void *arg)
{
	struct keeping *kg = arg;

	run_once(kg, &kg->renewing, renew_job);
}

static void sweep(void *arg)
{
	struct keeping *kg = arg;

	run_once(kg, &kg->sweeping, sweep_job);
}

/* --- the room --- */

void stmt_keeping_new(struct statements *s)
{
	struct keeping *kg = s->keeping = base_zalloc(sizeof(*kg));

	kg->room = s;
	pthread_mutex_init(&kg->lock, NULL);
	pthread_cond_init(&kg->freed, NULL);
	wheel_open(&kg->later, TICK_MS / 2, clock_mono_ms());
	list_init(&kg->busy);
	list_init(&kg->watched);
	list_init(&kg->gone);
	atomic_init(&kg->up, true);
	kg->writers = exec_pool_open("stores", WRITERS, WRITES_QUEUED);
	kg->tick = exec_timer_open(s->o.loop, on_tick, kg);
	exec_timer_set(kg->tick, TICK_MS, TICK_MS);
}

bool stmt_keeping_open(struct call *c, struct statements *s)
{
	struct keeping *kg = s->keeping;

	if (kg->at.shared)
		lifecycle_every(s->o.lifecycle, RENEW_MS, renew, kg);
	if (kg->at.disk)
		lifecycle_every(s->o.lifecycle, s->o.cleanup_ms, sweep, kg);
	return stmt_restart(c, s);
}

bool stmt_keeping_idle(struct statements *s)
{
	struct keeping *kg = s->keeping;
	bool idle;

	pthread_mutex_lock(&kg->lock);
	idle = !kg->nbusy && list_empty(&kg->gone) && !kg->dropping;
	pthread_mutex_unlock(&kg->lock);
	return idle;
}

void stmt_keeping_stats(struct statements *s, struct statement_stats *ret)
{
	struct keeping *kg = s->keeping;
	bool down = kg->at.shared && !atomic_load(&kg->up);

	pthread_mutex_lock(&kg->lock);
	ret->owed = (uint64_t)kg->nlate;
	pthread_mutex_unlock(&kg->lock);
	ret->degraded = down && s->o.degrade;
	ret->unavailable = down && !s->o.degrade;
}

static struct stmt *next_busy(struct keeping *kg)
{
	struct list *first;
	struct kept *k = NULL;

	pthread_mutex_lock(&kg->lock);
	first = list_pop(&kg->busy);
	if (first) {
		k = LIST_ITEM(first, struct kept, busy);
		wheel_del(&k->due);
	}
	pthread_mutex_unlock(&kg->lock);
	return k ? k->st : NULL;
}

static void let_busy_go(struct keeping *kg)
{
	struct stmt *st;

	while ((st = next_busy(kg)) != NULL)
		statement_unref(st);
}

void stmt_keeping_stop(struct statements *s)
{
	struct keeping *kg = s->keeping;

	if (!kg)
		return;
	exec_timer_close(kg->tick);
	pthread_mutex_lock(&kg->lock);
	kg->closing = true;
	pthread_mutex_unlock(&kg->lock);
	exec_pool_close(kg->writers);
	let_busy_go(kg);
	stmt_foreign_close(kg);
}

void stmt_keeping_close(struct statements *s)
{
	struct keeping *kg = s->keeping;

	if (!kg)
		return;
	if (kg->at.shared)
		kg->at.shared->ops->close(kg->at.shared);
	if (kg->at.disk)
		kg->at.disk->ops->close(kg->at.disk);
	stmt_gone_close(kg);
	pthread_mutex_destroy(&kg->lock);
	pthread_cond_destroy(&kg->freed);
	free(kg);
}
