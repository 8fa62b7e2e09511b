/* instances_pool.c - places, boots, and instances that wait for work.
 *
 * Every instance has a place, of o.instances. Who wants one and finds none takes that of an instance that waits (of the
 * layer that was used longest ago), else stands in the queue. Boots in the background take only places that nobody wants.
 *
 *   wanted ─▶ boots (threads) ─▶ somebody waits for it: handed over    ─▶ nobody: warm, while memory and time allow
 *
 * Threads: any; few threads of its own for boots and for removing, which live as long as the room: what a thread that
 * ended had started would die with it.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

#include <math.h>
#include <stdlib.h>

enum { BOOT_DEADLINE_MS = 60000, TOO_MANY_MS = 20, RATE_HALF_LIFE_MS = 5000, BOOTS_AHEAD = 64 };

/* --- the lock --- */

static void boot_task(void *arg);

void instances_unlock(struct instances *is)
{
	struct list go, *in;

	list_init(&go);
	while ((in = list_pop(&is->wanted)) != NULL)
		list_add_tail(&go, in);
	obs_gauge_set(OBS_M_INSTANCES_WARM, is->warm);
	obs_gauge_set(OBS_M_INSTANCES_SHARED, is->shared);
	obs_gauge_set(OBS_M_INSTANCES_BUSY, is->places - is->warm - is->shared - is->booting);
	obs_gauge_set(OBS_M_INSTANCES_BOOTING, is->booting);
	obs_gauge_set(OBS_M_INSTANCES_WARM_BYTES, is->warm_bytes);
	pthread_mutex_unlock(&is->lock);
	while ((in = list_pop(&go)) != NULL) /* the queue is longer than what booting can be */
		INVARIANT(exec_pool_run(is->boots, boot_task, LIST_ITEM(in, struct boot, in)));
}

/* --- places --- */

static bool place_try_locked(struct instances *is)
{
	if (is->places >= is->r->o.instances)
		return false;
	is->places++;
	return true;
}

void place_give(struct instances *is)
{
	struct list *in;

	pthread_mutex_lock(&is->lock);
	in = list_pop(&is->queue);
	if (in) {
		struct ticket *t = LIST_ITEM(in, struct ticket, in);

		t->granted = true;
		ticket_wake(t);
	} else {
		is->places--;
	}
	instances_unlock(is);
}

static bool idles(const struct box *b)
{
	return b->use != PG_SHARED || (b->leases == 0 && b->connecting == 0);
}

/* Waiting ones before shared ones; of the layer that was used longest ago. */
static struct box *victim_locked(struct instances *is)
{
	struct box *least = NULL;

	LIST_EACH(&is->all, it) {
		struct box *b = LIST_ITEM(it, struct box, all);
		bool sooner;

		if (!idles(b))
			continue;
		sooner = least && (b->use == PG_SHARED) != (least->use == PG_SHARED) ?
				 least->use == PG_SHARED : least && b->layer->pool.used_ms < least->layer->pool.used_ms;
		if (!least || sooner)
			least = b;
	}
	if (least)
		box_out_locked(is, least);
	return least;
}

static void box_end(struct box *b);

static bool place_wait(struct call *c, struct instances *is, struct ticket *t, struct pg_stop *stop)
{
	bool went = ticket_wait(c, t, stop, 0), granted;

	pthread_mutex_lock(&is->lock);
	list_del(&t->in);
	granted = t->granted;
	instances_unlock(is);
	if (!went && granted)
		place_give(is);
	INVARIANT(!went || granted);
	return went;
}

bool place_take(struct call *c, struct runner *r, struct pg_stop *stop)
{
	struct instances *is = r->instances;
	struct box *victim = NULL;
	struct ticket t;
	bool taken;

	pthread_mutex_lock(&is->lock);
	taken = list_empty(&is->queue) && place_try_locked(is);
	if (!taken)
		victim = victim_locked(is);
	if (taken || victim) {
		instances_unlock(is);
		if (victim)
			box_end(victim); /* its place is the caller's */
		return true;
	}
	ticket_open(&t);
	list_add_tail(&is->queue, &t.in);
	obs_count(OBS_M_INSTANCE_WAITS);
	instances_unlock(is);
	taken = place_wait(c, is, &t, stop);
	ticket_close(&t);
	return taken;
}

/* --- boxes --- */

/* Its instance is gone. */
void box_free(struct box *b)
{
	struct instances *is = b->layer->of->r->instances;

	pthread_mutex_lock(&is->lock);
	b->layer->pool.boxes--;
	instances_unlock(is);
	layer_unhold(b->layer);
	free(b);
}

/* Everything but its place. */
static void box_end(struct box *b)
{
	pg_conn_close(b->conn);
	for (int i = 0; i < b->nidle; i++)
		pg_conn_close(b->idle[i]);
	if (b->pg)
		b->pg->ops->release(b->pg);
	box_free(b);
}

void box_release_now(struct instances *is, struct box *b)
{
	box_end(b);
	place_give(is);
}

struct reap {
	struct instances *is;
	struct box *box;
};

static void reap_task(void *arg)
{
	struct reap *r = arg;

	box_release_now(r->is, r->box);
	free(r);
}

void box_release(struct instances *is, struct box *b)
{
	struct reap *r = base_alloc(sizeof(*r));

	*r = (struct reap){is, b};
	if (!exec_pool_run(is->reaps, reap_task, r))
		reap_task(r);
}

bool box_lives(const struct box *b)
{
	return pg_conn_alive(b->conn) && b->pg->ops->alive(b->pg);
}

void box_out_locked(struct instances *is, struct box *b)
{
	struct instance_pool *p = &b->layer->pool;

	list_del(&b->all);
	if (b->use == PG_SHARED) {
		is->shared--;
		if (p->shared == b)
			p->shared = NULL;
		return;
	}
	list_del(&b->in);
	p->nwarm[b->use]--;
	is->warm--;
	is->warm_bytes -= b->memory;
}

struct box *warm_pop_locked(struct instances *is, struct layer *l, enum pg_use use)
{
	LIST_EACH(&l->pool.warm, it) {
		struct box *b = LIST_ITEM(it, struct box, in);

		if (b->use != use)
			continue;
		box_out_locked(is, b);
		return b;
	}
	return NULL;
}

/* --- booting --- */

static bool open_box(struct call *c, struct runner *r, const struct boot *what, struct pg_stop *stop, struct box *b)
{
	struct pg_backend *be = r->o.backend;
	const struct layer *l = what->layer;
	const struct pg_open_ask ask = {
		.layer = l->base ? S("") : str_of(l->id), .use = what->use, .tenant = l->tenant, .stop = stop,
	};
	const struct pg_ask first = {.sql = S("SELECT 1")};
	struct pg_answer answer;

	if (!be->ops->open(c, be, &ask, &b->pg))
		return false;
	if (!be->ops->connect(c, b->pg, PG_OWNER, stop, &b->conn))
		return false;
	pg_run(c, b->conn, &first, 0, &answer);
	pg_answer_drop(&answer);
	if (answer.outcome != PG_OK)
		return ticket_may_go_on(c, stop) && fail(c, ERR_ENGINE_UNREACHABLE, "the instance ended while it booted");
	return true;
}

static struct box *box_new(const struct boot *what)
{
	struct instances *is = what->is;
	struct box *b = base_zalloc(sizeof(*b));

	pthread_mutex_lock(&is->lock);
	what->layer->pool.boxes++;
	instances_unlock(is);
	b->layer = layer_hold(what->layer);
	b->use = what->use;
	list_init(&b->all);
	list_init(&b->in);
	return b;
}

/* The backend has no room for it (other servers may use it as well): something that waits here goes, or time passes. */
static bool make_way(struct call *c, struct instances *is, struct pg_stop *stop)
{
	struct box *victim;
	struct ticket t;
	bool went;

	pthread_mutex_lock(&is->lock);
	victim = victim_locked(is);
	instances_unlock(is);
	if (victim) {
		box_release_now(is, victim);
		return ticket_may_go_on(c, stop);
	}
	ticket_open(&t);
	went = ticket_wait(c, &t, stop, TOO_MANY_MS);
	ticket_close(&t);
	return went;
}

bool box_boot(struct call *c, struct runner *r, const struct boot *what, struct pg_stop *stop, struct box **ret)
{
	int64_t began = clock_mono_ns(), until = clock_mono_ms() + BOOT_DEADLINE_MS;
	struct instances *is = r->instances;
	struct pg_instance_stats stats = {0};
	struct box *b = box_new(what);

	while (!open_box(c, r, what, stop, b)) {
		bool again = c->err.kind == ERR_TOO_MANY && clock_mono_ms() < until;

		box_end(b);
		if (!again)
			return false;
		call_forgive(c);
		if (!make_way(c, is, stop))
			return false;
		b = box_new(what);
	}
	b->boot_ns = clock_mono_ns() - began;
	b->born_ms = clock_mono_ms();
	b->pg->ops->stats(b->pg, &stats);
	b->memory = stats.memory_bytes;
	obs_observe(OBS_M_INSTANCE_BOOT_SECONDS, b->boot_ns);
	pthread_mutex_lock(&is->lock);
	is->boot_ms = is->boot_ms * 0.8 + (double)b->boot_ns / 1e6 * 0.2;
	instances_unlock(is);
	*ret = b;
	return true;
}

/* --- in the background --- */

bool boot_soon_locked(struct instances *is, struct layer *l, enum pg_use use)
{
	struct boot *what;

	if (is->closing || l->pool.closed || is->r->o.warm_bytes == 0 || is->booting >= BOOTS_AHEAD || !list_empty(&is->queue) ||
	    !place_try_locked(is))
		return false;
	what = base_alloc(sizeof(*what));
	*what = (struct boot){.is = is, .layer = layer_hold(l), .use = use};
	list_init(&what->in);
	list_add_tail(&is->wanted, &what->in);
	l->pool.booting[use]++;
	is->booting++;
	return true;
}

/* The first that waits for this; with box NULL all are told that it was not made. */
static bool hand_over_locked(struct layer *l, enum pg_use use, struct box *b)
{
	LIST_EACH(&l->pool.waiting, it) {
		struct ticket *t = LIST_ITEM(it, struct ticket, in);

		if (t->use != use)
			continue;
		list_del(&t->in);
		t->granted = true;
		t->given = b;
		ticket_wake(t);
		if (b)
			return true;
	}
	return false;
}

/* Others, that were used longer ago, go for it; the list of them is the caller's to release. */
static bool put_warm_locked(struct instances *is, struct box *b, struct list *ret_victims)
{
	struct instance_pool *p = &b->layer->pool;
	int64_t most = is->r->o.warm_bytes;

	if (is->closing || p->closed || b->memory > most || !list_empty(&is->queue))
		return false;
	while (is->warm_bytes + b->memory > most) {
		struct box *victim = victim_locked(is);

		INVARIANT(victim && victim->use != PG_SHARED); /* bytes are only of waiting ones */
		list_add_tail(ret_victims, &victim->in);
	}
	b->since_ms = clock_mono_ms();
	list_add_tail(&is->all, &b->all);
	list_add_head(&p->warm, &b->in);
	p->nwarm[b->use]++;
	is->warm++;
	is->warm_bytes += b->memory;
	return true;
}

static void booted(struct boot *what, struct box *b)
{
	struct instances *is = what->is;
	struct list victims, *in;
	bool kept;

	list_init(&victims);
	if (b)
		pg_conn_stop(b->conn, NULL);
	pthread_mutex_lock(&is->lock);
	is->booting--;
	what->layer->pool.booting[what->use]--;
	kept = hand_over_locked(what->layer, what->use, b) || (b && put_warm_locked(is, b, &victims));
	instances_unlock(is);
	if (b && !kept)
		box_release(is, b);
	while ((in = list_pop(&victims)) != NULL)
		box_release(is, LIST_ITEM(in, struct box, in));
}

/* Nobody waits for it: there is time. */
static bool warm_up(struct call *c, const struct boot *what, const struct box *b)
{
	struct instances *is = what->is;
	bool awaited;

	pthread_mutex_lock(&is->lock);
	awaited = what->use != PG_PRIVATE || is->closing || pool_waiting_locked(what->layer, what->use) > 0;
	instances_unlock(is);
	return awaited || instance_warm_up(c, is->r, b->conn);
}

static void boot_task(void *arg)
{
	struct boot *what = arg;
	struct instances *is = what->is;
	OWNS(arena) a = {0};
	struct box *b = NULL;
	struct call c;

	call_open(&c, &a);
	c.deadline_ms = clock_mono_ms() + BOOT_DEADLINE_MS;
	if (!box_boot(&c, is->r, what, &is->stop, &b)) {
		if (c.err.kind != ERR_CANCELED)
			obs_log(OBS_WARN, "runner", "an instance could not be booted ahead: %s", err_code(c.err.kind));
		b = NULL;
	}
	if (b && !warm_up(&c, what, b)) {
		box_end(b);
		b = NULL;
	}
	booted(what, b);
	if (!b)
		place_give(is);
	layer_unhold(what->layer);
	free(what);
}

/* --- how many --- */

int pool_waiting_locked(const struct layer *l, enum pg_use use)
{
	int n = 0;

	LIST_EACH((struct list *)&l->pool.waiting, it)
		n += LIST_ITEM(it, struct ticket, in)->use == use;
	return n;
}

static double rate_locked(const struct instance_pool *p, int64_t now)
{
	return p->rate * exp2(-(double)(now - p->rate_ms) / RATE_HALF_LIFE_MS);
}

void pool_arrival_locked(struct layer *l)
{
	struct instance_pool *p = &l->pool;
	int64_t now = clock_mono_ms();

	p->rate = rate_locked(p, now) + 1;
	p->rate_ms = p->used_ms = now;
}

/* Arrivals while one boots, and one. */
void pool_refill_locked(struct instances *is, struct layer *l)
{
	struct instance_pool *p = &l->pool;
	int64_t now = clock_mono_ms();
	double per_ms = rate_locked(p, now) * 0.6931 / RATE_HALF_LIFE_MS;
	int target = 1 + (int)(per_ms * is->boot_ms);

	if (p->rate_ms == 0 || now - p->rate_ms > is->r->o.instance_idle_s * 1000)
		return;
	while (p->nwarm[PG_PRIVATE] + p->booting[PG_PRIVATE] - pool_waiting_locked(l, PG_PRIVATE) < target)
		if (!boot_soon_locked(is, l, PG_PRIVATE))
			return;
}
