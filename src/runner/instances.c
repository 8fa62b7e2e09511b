/* instances.c - leases of instances: what a job runs on.
 *
 *   writable: one that waits ─▶ one on its way ─▶ boot it here        never used again
 *   shared:   instances_shared.c
 *
 * A lease is a use of its layer. Not here: places and boots (instances_pool.c), what a layer is (layers.c).
 * Threads: any. A lease of one that waits is a lock, a look at its socket and at its process.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { BOOT_THREADS = 2, REAP_THREADS = 1, REAPS_MAX = 100000, DROP_POLL_MS = 2, BOOT_MS_GUESS = 25 };

/* --- taking one --- */

static struct box *take_warm(struct instances *is, const struct boot *what)
{
	for (;;) {
		struct box *b;

		pthread_mutex_lock(&is->lock);
		b = warm_pop_locked(is, what->layer, what->use);
		instances_unlock(is);
		if (!b || box_lives(b))
			return b;
		obs_count(OBS_M_INSTANCES_DIED);
		box_release(is, b);
	}
}

/* One that boots and that nobody else waits for; *ret NULL: there is none, or it was not made. */
static bool take_booting(struct call *c, struct instances *is, const struct boot *what, struct pg_stop *stop, struct box **ret)
{
	struct layer *l = what->layer;
	struct ticket t;
	bool went;

	*ret = NULL;
	pthread_mutex_lock(&is->lock);
	if (l->pool.booting[what->use] <= pool_waiting_locked(l, what->use)) {
		instances_unlock(is);
		return true;
	}
	ticket_open(&t);
	t.use = what->use;
	list_add_tail(&l->pool.waiting, &t.in);
	instances_unlock(is);
	went = ticket_wait(c, &t, stop, 0);
	pthread_mutex_lock(&is->lock);
	list_del(&t.in);
	instances_unlock(is);
	ticket_close(&t);
	if (went)
		*ret = t.given;
	else if (t.given)
		box_release(is, t.given);
	return went;
}

bool box_take(struct call *c, struct runner *r, const struct boot *what, struct pg_stop *stop, struct box **ret)
{
	struct instances *is = r->instances;
	struct box *b = take_warm(is, what);

	if (!b && !take_booting(c, is, what, stop, &b))
		return false;
	if (!b) {
		if (!place_take(c, r, stop))
			return false;
		if (!box_boot(c, r, what, stop, &b)) {
			place_give(is);
			return false;
		}
	} else {
		b->boot_ns = 0;
	}
	*ret = b;
	return true;
}

/* --- leases --- */

static void lease(struct box *b, struct pg_stop *stop, struct tenancy *ret)
{
	pg_conn_stop(b->conn, stop);
	*ret = (struct tenancy){.instance = b->pg, .conn = b->conn, .warm = b->boot_ns == 0, .boot_ns = b->boot_ns, .of = b};
	b->conn = NULL;
	layer_use(b->layer);
}

static bool lease_private(struct call *c, struct runner *r, struct layer *l, struct pg_stop *stop, struct tenancy *ret)
{
	const struct boot what = {.is = r->instances, .layer = l, .use = PG_PRIVATE};
	struct instances *is = r->instances;
	struct box *b;
	bool first;

	pthread_mutex_lock(&is->lock);
	first = l->pool.rate_ms == 0;
	pool_arrival_locked(l);
	instances_unlock(is);
	if (!box_take(c, r, &what, stop, &b))
		return false;
	lease(b, stop, ret);
	pthread_mutex_lock(&is->lock);
	if (!first || is->booting == 0) /* many layers that are used once are not worth it */
		pool_refill_locked(is, l);
	instances_unlock(is);
	return true;
}

bool instance_lease(struct call *c, struct runner *r, struct layer *l, bool shared, struct pg_stop *stop, struct tenancy *ret)
{
	int64_t began = clock_mono_ns();
	bool went = shared ? lease_shared(c, r, l, stop, ret) : lease_private(c, r, l, stop, ret);

	if (went)
		obs_observe(ret->warm ? OBS_M_INSTANCE_WARM_SECONDS : OBS_M_INSTANCE_COLD_SECONDS, clock_mono_ns() - began);
	else if (c->err.kind == ERR_NOT_FOUND)
		layer_lost(r, l);
	return went;
}

bool instance_build(struct call *c, struct runner *r, struct layer *l, struct pg_stop *stop, struct tenancy *ret)
{
	const struct boot what = {.is = r->instances, .layer = l, .use = PG_BUILD};
	struct box *b;

	if (!box_take(c, r, &what, stop, &b))
		return false;
	lease(b, stop, ret);
	return true;
}

void instance_return(struct runner *r, struct tenancy *t, bool healthy)
{
	struct box *b = t->of;
	struct layer *l;

	if (t->shared) {
		shared_return(r, t, healthy);
	} else {
		l = b->layer;
		b->conn = t->conn;
		box_release(r->instances, b);
		layer_release(l);
	}
	*t = (struct tenancy){0};
}

void instance_published(struct runner *r, struct tenancy *t)
{
	struct box *b = t->of;
	struct layer *l = b->layer;

	b->pg = NULL;
	b->conn = t->conn;
	box_release_now(r->instances, b);
	layer_release(l);
	*t = (struct tenancy){0};
}

/* --- ahead of time --- */

/* The memory of the deepest layer of the plan that is there; NULL: there is no backend. */
static struct layer *deepest(struct runner *r, struct str tenant, const struct plan *plan, bool *ret_tail)
{
	struct layers *ls = r->layers;
	struct layer *l = NULL;
	int i;

	pthread_mutex_lock(&ls->lock);
	for (i = plan->nsteps; i > 0 && !l; i--)
		l = layer_get_locked(ls, tenant, str_of(plan->steps[i - 1].id));
	*ret_tail = l ? i + 1 == plan->nsteps : plan->nsteps == 0;
	l = layer_hold(l ? l : layer_base_locked(ls, tenant));
	pthread_mutex_unlock(&ls->lock);
	return l;
}

void instance_expect(struct runner *r, struct str tenant, const struct plan *plan)
{
	struct instances *is = r->instances;
	enum pg_use use;
	struct layer *l;
	bool tail;

	if (!r->o.backend)
		return;
	l = deepest(r, tenant, plan, &tail);
	use = tail ? PG_PRIVATE : PG_BUILD;
	pthread_mutex_lock(&is->lock);
	if (l->pool.nwarm[use] + l->pool.booting[use] == 0 && !(tail && l->pool.rate_ms == 0 && (l->pool.shared || l->pool.shared_boots))) {
		l->pool.used_ms = clock_mono_ms();
		(void)boot_soon_locked(is, l, use);
	}
	instances_unlock(is);
	layer_unhold(l);
}

/* --- the sweep --- */

static bool over(const struct instances *is, const struct box *b, int64_t now)
{
	const struct runner_options *o = &is->r->o;
	const struct instance_pool *p = &b->layer->pool;
	int64_t used = b->use == PG_SHARED || b->since_ms > p->used_ms ? b->since_ms : p->used_ms;

	return now - b->born_ms >= o->instance_ttl_s * 1000 || now - used >= o->instance_idle_s * 1000;
}

static bool died(const struct box *b)
{
	return b->use == PG_SHARED ? b->pg && !b->pg->ops->alive(b->pg) : !box_lives(b);
}

static struct box *next_over_locked(struct instances *is, bool *ret_dead)
{
	int64_t now = clock_mono_ms();

	LIST_EACH(&is->all, it) {
		struct box *b = LIST_ITEM(it, struct box, all);
		bool old = now - b->born_ms >= is->r->o.instance_ttl_s * 1000;

		*ret_dead = died(b);
		if (*ret_dead || old || (b->leases == 0 && over(is, b, now)))
			return b;
	}
	return NULL;
}

/* False: nothing was over. */
static bool end_one(struct instances *is)
{
	struct box *b;
	bool dead;

	pthread_mutex_lock(&is->lock);
	b = next_over_locked(is, &dead);
	if (b && dead)
		obs_count(OBS_M_INSTANCES_DIED);
	if (b && b->use == PG_SHARED) {
		shared_retire_and_unlock(is, b, dead);
		return true;
	}
	if (b)
		box_out_locked(is, b);
	if (b && dead)
		pool_refill_locked(is, b->layer);
	instances_unlock(is);
	if (b)
		box_release(is, b);
	return b != NULL;
}

void instances_sweep(struct runner *r)
{
	while (end_one(r->instances)) {
	}
}

/* --- a layer goes --- */

static struct box *out_of_locked(struct instances *is, const struct layer *l)
{
	LIST_EACH(&is->all, it) {
		struct box *b = LIST_ITEM(it, struct box, all);

		if (l && b->layer != l)
			continue;
		INVARIANT(b->leases == 0 && b->connecting == 0); /* a lease is a use of the layer */
		box_out_locked(is, b);
		return b;
	}
	return NULL;
}

/* l = NULL: of all. */
static void drop_waiting(struct instances *is, const struct layer *l)
{
	struct box *b;

	do {
		pthread_mutex_lock(&is->lock);
		b = out_of_locked(is, l);
		instances_unlock(is);
		if (b)
			box_release_now(is, b);
	} while (b);
}

/* None boots, none waits, none is being removed. */
static bool empty(struct instances *is, const struct layer *l)
{
	bool none;

	pthread_mutex_lock(&is->lock);
	none = !l->pool.shared_boots && l->pool.boxes == 0;
	for (int u = 0; u <= PG_SHARED; u++)
		none = none && l->pool.booting[u] == 0;
	instances_unlock(is);
	return none;
}

void instances_drop(struct runner *r, struct layer *l)
{
	struct instances *is = r->instances;

	pthread_mutex_lock(&is->lock);
	l->pool.closed = true;
	instances_unlock(is);
	for (drop_waiting(is, l); !empty(is, l); drop_waiting(is, l)) /* what boots ahead of time ends by itself */
		ticket_pause(DROP_POLL_MS);
}

void instances_take(struct runner *r, struct layer *l)
{
	pthread_mutex_lock(&r->instances->lock);
	l->pool.closed = false;
	instances_unlock(r->instances);
}

/* --- open, close --- */

void instances_counted(struct runner *r, int *ret_warm, int *ret_busy)
{
	struct instances *is = r->instances;

	pthread_mutex_lock(&is->lock);
	*ret_warm = is->warm + is->shared;
	*ret_busy = is->places - is->warm - is->shared - is->booting;
	instances_unlock(is);
}

bool instances_open(struct call *c, struct runner *r)
{
	struct instances *is = base_zalloc(sizeof(*is));

	(void)c;
	r->instances = is;
	is->r = r;
	is->boot_ms = BOOT_MS_GUESS;
	pthread_mutex_init(&is->lock, NULL);
	list_init(&is->all);
	list_init(&is->queue);
	list_init(&is->wanted);
	pg_stop_open(&is->stop);
	is->boots = exec_pool_open("pg-boot", BOOT_THREADS, REAPS_MAX);
	is->reaps = exec_pool_open("pg-reap", REAP_THREADS, REAPS_MAX);
	return true;
}

void instances_close(struct runner *r)
{
	struct instances *is = r->instances;

	if (!is)
		return;
	pthread_mutex_lock(&is->lock);
	is->closing = true;
	instances_unlock(is);
	pg_stop_ask(&is->stop);
	exec_pool_close(is->boots);
	drop_waiting(is, NULL);
	exec_pool_close(is->reaps);
	INVARIANT(is->places == 0 && list_empty(&is->all));
	pg_stop_close(&is->stop);
	pthread_mutex_destroy(&is->lock);
	free(is);
	r->instances = NULL;
}
