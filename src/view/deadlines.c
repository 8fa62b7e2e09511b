/* deadlines.c - the sessions that this server has opened, dropped at their time, without anybody asking for them.
 *
 *   lease due ─▶ list ─▶ a step on the pool: the document, if it is there and over; then, where the SQL was the
 *                        session's own, what sweep_space.c does with SQL that no session uses any more
 *
 * Sessions of other servers, and of those that have ended, are the sweep's; so
 * is what goes wrong here. Owns a struct for each session until it is over:
 * less than 300 bytes. Threads: any; a lease comes on the loop.
 */
#include "view/view_int.h"

#include <stdlib.h>

enum { LINGER_MS = 3500 /* so long a client that comes a little late is told that it expired */, BATCH = 200 /* SQL of one space */ };

struct deadline {
	struct lease lease;
	struct views *room;
	atomic_int refs;               /* the room's, and those that the lease has given */
	struct str tenant, space, session, sql_id; /* behind it; sql_id: of SQL that goes with the session, or empty */
	struct list node;              /* in `over`; the room's lock, as what follows */
	bool ended;                    /* by its client */
	bool taken;                    /* it is being worked on */
};

static struct deadline *of(struct lease *l)
{
	return CONTAINER_OF(l, struct deadline, lease);
}

static void unref(struct deadline *d)
{
	if (atomic_fetch_sub(&d->refs, 1) == 1)
		free(d);
}

static void hold(struct lease *l)
{
	atomic_fetch_add(&of(l)->refs, 1);
}

static void drop(struct lease *l)
{
	unref(of(l));
}

/* With the lock held. */
static void add_over(struct views *v, struct deadline *d)
{
	if (!d->taken && !list_linked(&d->node))
		list_add_tail(&v->over, &d->node);
}

static void on_due(struct lease *l)
{
	struct deadline *d = of(l);

	pthread_mutex_lock(&d->room->lock);
	add_over(d->room, d);
	pthread_mutex_unlock(&d->room->lock);
}

/* Nobody owns it. */
static void on_owner_ended(struct lease *l)
{
	on_due(l);
}

static const struct lease_kind kind = {"SQL session", hold, drop, on_due, on_owner_ended};

void deadline_set(struct call *c, struct views *v, const struct session_doc *doc)
{
	struct str sql_id = doc->adhoc ? doc->sql_id : S("");
	int64_t in_ms = doc->expires_ms - clock_wall_ms() + LINGER_MS;
	struct deadline *d;
	char *text;

	if (!v->o.lifecycle)
		return;
	d = base_zalloc(sizeof(*d) + c->tenant.n + doc->space.n + doc->id.n + sql_id.n);
	text = (char *)(d + 1);
	d->room = v;
	atomic_init(&d->refs, 1);
	list_init(&d->node);
	lease_init(&d->lease, &kind);
	d->tenant = str_copy_to(&text, c->tenant);
	d->space = str_copy_to(&text, doc->space);
	d->session = str_copy_to(&text, doc->id);
	d->sql_id = str_copy_to(&text, sql_id);
	pthread_mutex_lock(&v->lock);
	INVARIANT(!map_put(&v->deadlines, d->session, d));
	pthread_mutex_unlock(&v->lock);
	lease_set(v->o.lifecycle, &d->lease, clock_mono_ms() + in_ms); /* its id is known to nobody yet, so it cannot end before */
}

void deadline_ended(struct views *v, struct str session)
{
	struct deadline *d;

	pthread_mutex_lock(&v->lock);
	d = map_get(&v->deadlines, session);
	if (d) {
		d->ended = true;
		add_over(v, d);
	}
	pthread_mutex_unlock(&v->lock);
}

/* --- what is over --- */

/* The first, or the next of the same space. */
static struct deadline *take(struct views *v, const struct deadline *like)
{
	struct deadline *d = NULL;

	pthread_mutex_lock(&v->lock);
	if (!v->stopping && !list_empty(&v->over)) {
		d = LIST_ITEM(v->over.next, struct deadline, node);
		if (like && (!str_eq(d->space, like->space) || !str_eq(d->tenant, like->tenant)))
			d = NULL;
	}
	if (d) {
		list_del(&d->node);
		d->taken = true;
	}
	pthread_mutex_unlock(&v->lock);
	return d;
}

static void done_with(struct views *v, struct deadline *d)
{
	pthread_mutex_lock(&v->lock);
	map_del(&v->deadlines, d->session);
	pthread_mutex_unlock(&v->lock);
	lease_clear(v->o.lifecycle, &d->lease);
	unref(d);
}

/* What was deleted meanwhile is not there, or dropped by whoever has come first. */
static bool expire(struct call *c, struct views *v, const struct deadline *d)
{
	struct session_doc doc;

	if (d->ended)
		return true;
	if (!session_doc_read(c, v, key_session(c, d->space, d->session), &doc))
		return c->err.kind == ERR_NOT_FOUND;
	c->principal = doc.owner;
	return clock_wall_ms() < doc.expires_ms || session_doc_expire(c, v, &doc);
}

/* Sessions of one space, the first of which is taken. */
static void work_on(struct views *v, struct deadline *first)
{
	struct deadline *done[BATCH];
	struct str sql[BATCH];
	int n = 0, nsql = 0;
	OWNS(arena) a = {0};
	struct call c;

	for (struct deadline *d = first; d; d = n < BATCH ? take(v, first) : NULL) {
		bool ok;

		call_open(&c, &a);
		c.tenant = d->tenant;
		c.role = ROLE_ADMIN;
		ok = expire(&c, v, d);
		lifecycle_swept(v->o.lifecycle, &d->lease, ok);
		if (ok && d->sql_id.n)
			sql[nsql++] = d->sql_id;
		done[n++] = d;
	}
	call_open(&c, &a);
	c.tenant = first->tenant;
	c.role = ROLE_ADMIN;
	if (nsql)
		sweep_own_sql(&c, v, first->space, sql, nsql);
	for (int i = 0; i < n; i++)
		done_with(v, done[i]);
}

static void work(void *arg)
{
	struct views *v = arg;
	struct deadline *d;

	while ((d = take(v, NULL)) != NULL)
		work_on(v, d);
	views_leave(v, &v->expirer);
}

void deadlines_tick(void *arg)
{
	struct views *v = arg;
	bool begin;

	pthread_mutex_lock(&v->lock);
	begin = !v->stopping && !list_empty(&v->over) && !list_linked(&v->expirer);
	if (begin)
		list_add_tail(&v->sweeps, &v->expirer);
	pthread_mutex_unlock(&v->lock);
	if (begin && !exec_pool_run(v->o.pool, work, v))
		views_leave(v, &v->expirer);
}

void deadlines_close(struct views *v)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&v->deadlines, &i, &slot);) {
		struct deadline *d = slot.value;

		lease_clear(v->o.lifecycle, &d->lease);
		unref(d);
	}
	map_close(&v->deadlines);
}
