/* view.c - the room itself: opened, swept now and then, stopped, closed.
 *
 * Owns the list of operations that run. Not here: what they do.
 */
#include "view/view_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { TICK_MS = 250 }; /* between looks at steps that the pool had no place for */

const struct fsm_state view_fsm[VIEW_STATES] = {
	[VIEW_BUILDING] = {"building", TO(VIEW_READY) | TO(VIEW_PARAMETERIZED) | TO(VIEW_FAILED)},
	[VIEW_READY] = {"ready", TO(VIEW_BUILDING) | TO(VIEW_PARAMETERIZED) | TO(VIEW_FAILED)},
	[VIEW_PARAMETERIZED] = {"parameterized", TO(VIEW_BUILDING) | TO(VIEW_READY) | TO(VIEW_FAILED)},
	[VIEW_FAILED] = {"failed", TO(VIEW_BUILDING) | TO(VIEW_READY) | TO(VIEW_PARAMETERIZED)},
};

/* --- the sweep, beside the operations --- */

static void sweep_on_pool(void *arg)
{
	struct views *v = arg;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	views_sweep(&c, v);
	if (c.err.kind != ERR_NONE)
		obs_log(OBS_WARN, "view", "the sweep of spaces ended early: %s", c.err.text);
	views_leave(v, &v->sweeping);
}

static void sweep_due(void *arg)
{
	struct views *v = arg;
	bool begin;

	pthread_mutex_lock(&v->lock);
	begin = !v->stopping && !list_linked(&v->sweeping);
	if (begin)
		list_add_tail(&v->sweeps, &v->sweeping);
	pthread_mutex_unlock(&v->lock);
	if (!begin || exec_pool_run(v->o.pool, sweep_on_pool, v))
		return;
	views_leave(v, &v->sweeping);
}

static void tick(void *arg)
{
	ops_run_stuck(arg);
}

/* --- metrics --- */

static void scrape(void *arg)
{
	struct views *v = arg;
	struct store_cache_stats k;
	struct views_stats s;

	views_stats(v, &s);
	store_cache_stats(v->o.cache, &k);
	obs_gauge_set(OBS_M_VIEWS_BUILT, (int64_t)s.built);
	obs_gauge_set(OBS_M_VIEWS_FAILED, (int64_t)s.failed);
	obs_gauge_set(OBS_M_SQL_SESSIONS_OPENED, (int64_t)s.sessions);
	obs_gauge_set(OBS_M_SQL_SESSIONS_EXPIRED, (int64_t)s.expired);
	obs_gauge_set(OBS_M_VIEW_PAGES, (int64_t)s.pages);
	obs_gauge_set(OBS_M_SNAPSHOTS_DROPPED, (int64_t)s.snapshots_dropped);
	obs_gauge_set(OBS_M_OBJECTS_DROPPED, (int64_t)s.objects_dropped);
	obs_gauge_set(OBS_M_CACHE_BYTES, k.bytes);
	obs_gauge_set(OBS_M_CACHE_FILES, (int64_t)k.files);
	obs_gauge_set(OBS_M_CACHE_HITS, (int64_t)k.hits);
	obs_gauge_set(OBS_M_CACHE_MISSES, (int64_t)k.misses);
	obs_gauge_set(OBS_M_CACHE_EVICTED, (int64_t)k.evicted);
}

/* --- life --- */

struct views *views_open(struct call *c, const struct views_options *o)
{
	struct views *v = base_zalloc(sizeof(*v));

	(void)c;
	INVARIANT(o->store && o->cache && o->engine && o->pool && o->caps && o->build_ms > 0 && o->sweep_ms > 0);
	v->o = *o;
	pthread_mutex_init(&v->lock, NULL);
	list_init(&v->ops);
	list_init(&v->stuck);
	list_init(&v->sweeps);
	list_init(&v->sweeping);
	list_init(&v->renewer);
	list_init(&v->expirer);
	list_init(&v->building);
	list_init(&v->over);
	pthread_cond_init(&v->renewed, NULL);
	v->process = id_v4();
	if (o->lifecycle) {
		lifecycle_every(o->lifecycle, TICK_MS, tick, v);
		lifecycle_every(o->lifecycle, o->sweep_ms, sweep_due, v);
		lifecycle_every(o->lifecycle, RENEW_MS, attempts_renew, v);
		lifecycle_every(o->lifecycle, DEADLINES_MS, deadlines_tick, v);
	}
	obs_source_add(scrape, v);
	return v;
}

/* With the lock, which it gives back. Whoever leaves last tells it, and does not touch the room again. */
static void leave(struct views *v, struct list *node)
{
	exec_fn *told = NULL;
	void *arg;

	list_del(node);
	if (v->stopping && list_empty(&v->ops) && list_empty(&v->sweeps)) {
		told = v->told;
		v->told = NULL;
	}
	arg = v->told_arg;
	pthread_mutex_unlock(&v->lock);
	if (told)
		told(arg);
}

void views_leave(struct views *v, struct list *node)
{
	pthread_mutex_lock(&v->lock);
	leave(v, node);
}

bool views_leave_unless(struct views *v, struct list *node, bool *again)
{
	pthread_mutex_lock(&v->lock);
	if (*again && !v->stopping) {
		*again = false;
		pthread_mutex_unlock(&v->lock);
		return false;
	}
	leave(v, node);
	return true;
}

/* One that is not canceled yet, held. */
static struct view_op *take_running(struct views *v)
{
	struct view_op *found = NULL;

	pthread_mutex_lock(&v->lock);
	LIST_EACH(&v->ops, it) {
		struct view_op *op = LIST_ITEM(it, struct view_op, node);

		if (found || op->over || atomic_load(&op->canceled))
			continue;
		atomic_fetch_add(&op->refs, 1);
		found = op;
	}
	pthread_mutex_unlock(&v->lock);
	return found;
}

bool views_idle(struct views *v)
{
	bool idle;

	pthread_mutex_lock(&v->lock);
	idle = list_empty(&v->ops) && atomic_load(&v->streams) == 0;
	pthread_mutex_unlock(&v->lock);
	return idle;
}

void views_stop(struct views *v, exec_fn *told, void *arg)
{
	struct list nobody;
	struct view_op *op;

	list_init(&nobody);
	pthread_mutex_lock(&v->lock);
	v->stopping = true;
	v->told = told;
	v->told_arg = arg;
	pthread_mutex_unlock(&v->lock);
	while ((op = take_running(v)) != NULL) {
		view_op_cancel(op);
		view_op_unref(op);
	}
	views_leave(v, &nobody);
}

void views_close(struct views *v)
{
	INVARIANT(list_empty(&v->ops) && list_empty(&v->building) && !v->flights.n);
	obs_source_del(scrape, v);
	deadlines_close(v);
	swept_close(v);
	memo_close(v);
	listings_close(v);
	map_close(&v->flights);
	pthread_cond_destroy(&v->renewed);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

void view_caps_of(struct views *v, struct str tenant, struct view_caps *ret)
{
	v->o.caps(v->o.arg, tenant, ret);
}

int64_t views_late_ms(const struct views *v)
{
	return v->o.build_ms + v->o.skew_ms + v->o.grace_ms;
}

int64_t views_successor_age_ms(const struct views *v)
{
	return v->o.max_ttl_s * 1000 + views_late_ms(v);
}

void views_stats(struct views *v, struct views_stats *ret)
{
	*ret = (struct views_stats){
		.built = atomic_load(&v->built), .failed = atomic_load(&v->failed), .sessions = atomic_load(&v->sessions),
		.pages = atomic_load(&v->pages), .expired = atomic_load(&v->expired),
		.snapshots_dropped = atomic_load(&v->snapshots_dropped), .objects_dropped = atomic_load(&v->objects_dropped)};
}
