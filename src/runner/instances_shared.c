/* instances_shared.c - one instance a layer for all who only read, with few connections.
 *
 *   lease: an idle connection ─▶ one more, up to SHARED_CONNS ─▶ in turn        none runs: the first who comes boots it
 *
 * A connection is back when pg_read() left it as new. An instance that is retired gets no more leases and goes with its
 * last; one that is killed goes at once: the connections of its leases break, their memory stays theirs.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { TRIES = 3 };

static void wake_readers_locked(struct layer *l, bool all)
{
	struct list *in;

	while ((in = list_pop(&l->pool.readers)) != NULL) {
		struct ticket *t = LIST_ITEM(in, struct ticket, in);

		t->granted = true;
		ticket_wake(t);
		if (!all)
			return;
	}
}

/* --- the end of one --- */

/* With the lock; what is returned is to be released by the caller. */
static struct pg_instance *let_go_locked(struct box *b, bool *ret_free)
{
	struct pg_instance *pg = NULL;

	if (b->connecting == 0 && (b->killed || b->leases == 0)) {
		pg = b->pg;
		b->pg = NULL;
	}
	*ret_free = b->leases == 0 && b->connecting == 0;
	return pg;
}

static void let_go(struct instances *is, struct box *b, struct pg_instance *pg, bool free_it)
{
	if (free_it) { /* its place goes with the last of it */
		b->pg = pg;
		if (pg) {
			box_release(is, b);
			return;
		}
		box_free(b);
		return;
	}
	if (pg) {
		pg->ops->release(pg);
		place_give(is);
	}
}

/* A reference of the pool, a lease or a connect ended; `idle` is closed outside the lock. */
static void settle_and_unlock(struct instances *is, struct box *b)
{
	struct pg_conn *idle[SHARED_CONNS];
	struct pg_instance *pg;
	bool free_it;
	int n = b->nidle;

	memcpy(idle, b->idle, sizeof(idle));
	b->nidle = 0;
	b->nconns -= n;
	pg = let_go_locked(b, &free_it);
	instances_unlock(is);
	for (int i = 0; i < n; i++)
		pg_conn_close(idle[i]);
	let_go(is, b, pg, free_it);
}

void shared_retire_and_unlock(struct instances *is, struct box *b, bool kill)
{
	if (!b->retired)
		box_out_locked(is, b);
	b->retired = true;
	b->killed = b->killed || kill;
	wake_readers_locked(b->layer, true);
	settle_and_unlock(is, b);
}

/* --- the beginning of one --- */

static void install_locked(struct instances *is, struct layer *l, struct box *b)
{
	b->use = PG_SHARED;
	b->idle[0] = b->conn;
	b->nidle = b->nconns = 1;
	b->conn = NULL;
	b->since_ms = clock_mono_ms();
	list_add_tail(&is->all, &b->all);
	is->shared++;
	l->pool.shared = b;
}

/* By the one who set shared_boots. A writable one that waits, unused, is as good. */
static bool make_shared(struct call *c, struct runner *r, struct layer *l, struct pg_stop *stop, int64_t *ret_ns)
{
	const struct boot what = {.is = r->instances, .layer = l, .use = PG_PRIVATE}, fresh = {.is = r->instances, .layer = l, .use = PG_SHARED};
	struct instances *is = r->instances;
	struct box *b = NULL;
	bool ready, made;

	pthread_mutex_lock(&is->lock);
	ready = l->pool.nwarm[PG_PRIVATE] > 0 || l->pool.booting[PG_PRIVATE] > pool_waiting_locked(l, PG_PRIVATE);
	instances_unlock(is);
	if (ready) {
		made = box_take(c, r, &what, stop, &b);
	} else {
		made = place_take(c, r, stop);
		if (made && !box_boot(c, r, &fresh, stop, &b)) {
			place_give(is);
			made = false;
		}
	}
	if (made)
		*ret_ns = ready ? 0 : b->boot_ns;
	if (made)
		pg_conn_stop(b->conn, NULL);
	pthread_mutex_lock(&is->lock);
	l->pool.shared_boots = false;
	if (made)
		install_locked(is, l, b);
	wake_readers_locked(l, true);
	instances_unlock(is);
	return made;
}

/* --- leases --- */

static bool wait_turn(struct call *c, struct instances *is, struct layer *l, struct pg_stop *stop)
{
	struct ticket t;
	bool went, granted;

	ticket_open(&t);
	list_add_tail(&l->pool.readers, &t.in);
	instances_unlock(is);
	went = ticket_wait(c, &t, stop, 0);
	pthread_mutex_lock(&is->lock);
	list_del(&t.in);
	granted = t.granted;
	if (!went && granted) /* the turn is the next one's */
		wake_readers_locked(l, false);
	instances_unlock(is);
	ticket_close(&t);
	return went;
}

/* One more connection; counted already, as one that connects and as a lease. */
static struct pg_conn *connect_one(struct call *c, struct instances *is, struct box *b, struct pg_stop *stop)
{
	struct pg_conn *p = NULL;
	bool alive = true;

	if (!b->pg->ops->connect(c, b->pg, PG_OWNER, stop, &p)) {
		p = NULL;
		alive = b->pg->ops->alive(b->pg);
	}
	pthread_mutex_lock(&is->lock);
	b->connecting--;
	if (p && !b->killed) {
		instances_unlock(is);
		return p;
	}
	b->nconns--;
	b->leases--;
	if (!alive || b->retired)
		shared_retire_and_unlock(is, b, !alive);
	else
		instances_unlock(is);
	pg_conn_close(p);
	return NULL;
}

static void lost_conn(struct instances *is, struct box *b, struct pg_conn *p)
{
	bool alive;

	pg_conn_close(p);
	pthread_mutex_lock(&is->lock);
	b->connecting++; /* its instance is looked at */
	b->nconns--;
	instances_unlock(is);
	alive = b->pg && b->pg->ops->alive(b->pg);
	pthread_mutex_lock(&is->lock);
	b->connecting--;
	b->leases--;
	if (!alive)
		obs_count(OBS_M_INSTANCES_DIED);
	if (!alive || b->retired)
		shared_retire_and_unlock(is, b, !alive);
	else
		instances_unlock(is);
}

enum took { TOOK, AGAIN, TOOK_NOTHING };

/* With the lock, which is given back. */
static enum took take_conn(struct call *c, struct instances *is, struct box *b, struct pg_stop *stop, struct pg_conn **ret)
{
	struct pg_conn *p;

	b->leases++;
	b->since_ms = clock_mono_ms();
	if (b->nidle > 0) {
		p = b->idle[--b->nidle];
		instances_unlock(is);
		if (!pg_conn_alive(p)) {
			lost_conn(is, b, p);
			return AGAIN;
		}
		pg_conn_stop(p, stop);
		*ret = p;
		return TOOK;
	}
	b->nconns++;
	b->connecting++;
	instances_unlock(is);
	*ret = connect_one(c, is, b, stop);
	return *ret ? TOOK : TOOK_NOTHING;
}

static void give(struct box *b, struct pg_conn *p, int64_t boot_ns, struct tenancy *ret)
{
	*ret = (struct tenancy){.conn = p, .shared = true, .warm = boot_ns == 0, .boot_ns = boot_ns, .of = b};
	layer_use(b->layer);
}

bool lease_shared(struct call *c, struct runner *r, struct layer *l, struct pg_stop *stop, struct tenancy *ret)
{
	struct instances *is = r->instances;
	int64_t boot_ns = 0;
	int tries = TRIES;

	for (;;) {
		struct pg_conn *p = NULL;
		struct box *b;

		pthread_mutex_lock(&is->lock);
		l->pool.used_ms = clock_mono_ms();
		b = l->pool.shared;
		if (b && (b->nidle > 0 || b->nconns < SHARED_CONNS)) {
			enum took took = take_conn(c, is, b, stop, &p);

			if (took == TOOK) {
				give(b, p, boot_ns, ret);
				return true;
			}
			if (took == AGAIN)
				continue;
			if (--tries == 0 || !ticket_may_go_on(c, stop))
				return c->err.kind == ERR_NONE ? fail(c, ERR_ENGINE_LOST, "the shared instance ended") : false;
			call_forgive(c);
		} else if (b || l->pool.shared_boots) {
			if (!wait_turn(c, is, l, stop))
				return false;
		} else {
			l->pool.shared_boots = true;
			instances_unlock(is);
			if (!make_shared(c, r, l, stop, &boot_ns))
				return false;
		}
	}
}

void shared_return(struct runner *r, struct tenancy *t, bool healthy)
{
	struct instances *is = r->instances;
	struct box *b = t->of;
	struct layer *l = b->layer;
	bool alive = t->conn && pg_conn_alive(t->conn), queued;

	if (alive && healthy)
		pg_conn_stop(t->conn, NULL);
	pthread_mutex_lock(&is->lock);
	b->leases--;
	b->since_ms = clock_mono_ms();
	queued = !list_empty(&is->queue) && b->leases == 0; /* somebody needs its place */
	if (healthy && alive && !b->retired && !queued) {
		b->idle[b->nidle++] = t->conn;
		wake_readers_locked(l, false);
		instances_unlock(is);
	} else {
		b->nconns--;
		if (b->retired || queued || (!healthy && !alive)) {
			shared_retire_and_unlock(is, b, !healthy && !alive);
		} else {
			wake_readers_locked(l, false);
			instances_unlock(is);
		}
		pg_conn_close(t->conn);
	}
	layer_release(l);
}
