/* lease.c - leases, and the one sweeper that looks after them.
 *
 * Owns the wheel, the timer and the lists of owners. Not here: what a lease is
 * for (its room's), the event log (events.c).
 *
 * One lock guards wheel and lists. hold() is called under it, so a lease that
 * is handed out cannot be freed in between; due(), end() and drop() are called
 * without it. Nothing is taken back from a batch that was handed out: due() may
 * come to a lease that was moved or cleared at that moment, so a room judges
 * by its own state.
 */
#include "lifecycle/lifecycle.h"

#include "base/list.h"
#include "base/wheel.h"
#include "obs/obs.h"

#include <pthread.h>
#include <stdlib.h>

enum { AGAIN_MS = 1 }; /* until the rest of a full batch */

struct every {
	struct every *next;
	int64_t interval_ms, due_ms;
	exec_fn *fn;
	void *arg;
};

struct lifecycle {
	struct lifecycle_options o;
	struct exec_timer *timer;
	struct every *every;     /* the loop's */
	pthread_mutex_t lock;
	struct wheel wheel;
	uint64_t leases;
	int64_t lag_ms;
	_Atomic uint64_t due, swept, failed;
};

/* --- one lease --- */

void lease_init(struct lease *l, const struct lease_kind *kind)
{
	*l = (struct lease){.kind = kind};
	list_init(&l->due.link);
	list_init(&l->in_owner);
}

void lease_owner_init(struct lease_owner *o)
{
	*o = (struct lease_owner){0};
	list_init(&o->owned);
}

void lease_set(struct lifecycle *lc, struct lease *l, int64_t due_mono_ms)
{
	pthread_mutex_lock(&lc->lock);
	lc->leases += !list_linked(&l->due.link);
	wheel_put(&lc->wheel, &l->due, due_mono_ms);
	pthread_mutex_unlock(&lc->lock);
}

void lease_clear(struct lifecycle *lc, struct lease *l)
{
	pthread_mutex_lock(&lc->lock);
	lc->leases -= list_linked(&l->due.link);
	wheel_del(&l->due);
	list_del(&l->in_owner);
	pthread_mutex_unlock(&lc->lock);
}

/* --- owners --- */

bool lease_own(struct lifecycle *lc, struct lease_owner *owner, struct lease *child)
{
	bool over;

	pthread_mutex_lock(&lc->lock);
	over = owner->over;
	if (!over) {
		list_del(&child->in_owner);
		list_add_tail(&owner->owned, &child->in_owner);
	}
	pthread_mutex_unlock(&lc->lock);
	return !over;
}

bool lease_own_beside(struct lifecycle *lc, struct lease *sibling, struct lease *child)
{
	bool owned;

	pthread_mutex_lock(&lc->lock);
	owned = list_linked(&sibling->in_owner);
	if (owned) {
		list_del(&child->in_owner);
		list_add_tail(&sibling->in_owner, &child->in_owner);
	}
	pthread_mutex_unlock(&lc->lock);
	return owned;
}

/* The next that is owned, out of its owner and held; NULL = none is left, and none comes. */
static struct lease *take_owned(struct lifecycle *lc, struct lease_owner *owner)
{
	struct lease *child = NULL;
	struct list *first;

	pthread_mutex_lock(&lc->lock);
	owner->over = true;
	first = list_pop(&owner->owned);
	if (first) {
		child = LIST_ITEM(first, struct lease, in_owner);
		child->kind->hold(child);
	}
	pthread_mutex_unlock(&lc->lock);
	return child;
}

void lease_end_owned(struct lifecycle *lc, struct lease_owner *owner)
{
	struct lease *child;

	while ((child = take_owned(lc, owner)) != NULL) {
		child->kind->end(child);
		child->kind->drop(child);
	}
}

/* --- the sweeper --- */

/* At most a batch of what is due, out of the wheel and held. */
static int take_due(struct lifecycle *lc, struct lease **ret)
{
	int64_t now = clock_mono_ms();
	struct list due;
	int n = 0;

	list_init(&due);
	pthread_mutex_lock(&lc->lock);
	wheel_advance(&lc->wheel, now, &due, lc->o.batch);
	LIST_EACH(&due, it) {
		struct lease *l = CONTAINER_OF(LIST_ITEM(it, struct wheel_node, link), struct lease, due);

		list_del(it);
		l->kind->hold(l);
		lc->lag_ms = now - l->due.due_ms;
		obs_observe(OBS_M_SWEEPER_LAG, lc->lag_ms * 1000000);
		ret[n++] = l;
	}
	lc->leases -= (uint64_t)n;
	pthread_mutex_unlock(&lc->lock);
	atomic_fetch_add(&lc->due, (uint64_t)n);
	return n;
}

static void call_every(struct lifecycle *lc)
{
	int64_t now = clock_mono_ms();

	for (struct every *e = lc->every; e; e = e->next) {
		if (now < e->due_ms)
			continue;
		e->due_ms = now + e->interval_ms;
		e->fn(e->arg);
	}
}

static bool sweep(struct lifecycle *lc)
{
	struct lease **v = base_alloc(sizeof(struct lease *) * (size_t)lc->o.batch);
	int n = take_due(lc, v);

	for (int i = 0; i < n; i++) {
		v[i]->kind->due(v[i]);
		v[i]->kind->drop(v[i]);
	}
	free(v);
	call_every(lc);
	return n == lc->o.batch;
}

static void on_tick(void *arg)
{
	struct lifecycle *lc = arg;

	if (sweep(lc)) /* more may be due: the loop's other work first, then the next batch */
		exec_timer_set(lc->timer, AGAIN_MS, lc->o.tick_ms);
}

void lifecycle_sweep(struct lifecycle *lc)
{
	sweep(lc);
}

static void sweep_all(void *lc)
{
	while (sweep(lc))
		;
}

void lifecycle_sweep_all(struct lifecycle *lc)
{
	exec_call(lc->o.loop, sweep_all, lc);
}

void lifecycle_swept(struct lifecycle *lc, const struct lease *l, bool ok)
{
	atomic_fetch_add(ok ? &lc->swept : &lc->failed, 1);
	if (!ok)
		obs_log(OBS_WARN, "lifecycle", "a %s whose time is over could not be swept", l->kind->name);
}

/* --- the room --- */

struct lifecycle *lifecycle_open(const struct lifecycle_options *o)
{
	struct lifecycle *lc = base_zalloc(sizeof(*lc));

	INVARIANT(o->tick_ms > 0 && o->batch > 0);
	lc->o = *o;
	pthread_mutex_init(&lc->lock, NULL);
	wheel_open(&lc->wheel, o->tick_ms, clock_mono_ms());
	lc->timer = exec_timer_open(o->loop, on_tick, lc);
	exec_timer_set(lc->timer, o->tick_ms, o->tick_ms);
	return lc;
}

void lifecycle_every(struct lifecycle *lc, int64_t interval_ms, exec_fn *fn, void *arg)
{
	struct every *e = base_alloc(sizeof(*e));

	*e = (struct every){lc->every, interval_ms, clock_mono_ms() + interval_ms, fn, arg};
	lc->every = e;
}

void lifecycle_stats(struct lifecycle *lc, struct lifecycle_stats *ret)
{
	*ret = (struct lifecycle_stats){.due = atomic_load(&lc->due), .swept = atomic_load(&lc->swept),
					.failed = atomic_load(&lc->failed)};
	pthread_mutex_lock(&lc->lock);
	ret->leases = lc->leases;
	ret->lag_ms = lc->lag_ms;
	pthread_mutex_unlock(&lc->lock);
}

void lifecycle_close(struct lifecycle *lc)
{
	exec_timer_close(lc->timer);
	for (struct every *e = lc->every, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	pthread_mutex_destroy(&lc->lock);
	free(lc);
}
