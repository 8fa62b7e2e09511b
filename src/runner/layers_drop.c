/* layers_drop.c - how layers go: by TTL, for room, because a client asked, because another process dropped them.
 *
 *   benefit = ms to replay it x hits (decayed) / bytes: the least goes first; then by last use, then the larger
 *
 * Only leaves go, so a parent waits for its children. What is used by a job, a build or a lease, pinned or young stays.
 * A layer that goes is a flight like one that is built: who needs it waits, and builds it anew.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

enum { YOUNG_MS = 60000, LOCK_MS = 2000 };

enum hold { FREE, IN_USE, HAS_CHILDREN, PINNED, YOUNG, HOLDS };
static const char *const hold_names[HOLDS] = {"", "in_use", "children", "pinned", "young"};

static enum hold held_by(const struct layer *l, int64_t now_ms)
{
	if (l->uses > 0 || l->going || map_get(&l->of->flights, l->key))
		return IN_USE;
	if (l->children > 0)
		return HAS_CHILDREN;
	if (l->pinned_ms > now_ms)
		return PINNED;
	return now_ms - l->created_ms < YOUNG_MS ? YOUNG : FREE;
}

/* --- dropping one --- */

/* It is free; from now on nobody finds it. */
static void send_off_locked(struct layers *ls, struct layer *l)
{
	INVARIANT(!l->going && l->uses == 0 && flight_begin_locked(ls, l->key));
	l->going = true;
	layer_hold(l);
}

static bool drop_in_backend(struct call *c, struct runner *r, const struct layer *l)
{
	struct pg_backend *b = r->o.backend;
	int64_t deadline = c->deadline_ms, until = clock_mono_ms() + LOCK_MS;
	void *lock;
	bool dropped;

	c->deadline_ms = deadline && deadline < until ? deadline : until;
	if (!b->ops->lock(c, b, str_of(l->id), NULL, &lock)) {
		c->deadline_ms = deadline;
		return false;
	}
	c->deadline_ms = deadline;
	dropped = b->ops->drop(c, b, str_of(l->id));
	b->ops->unlock(lock);
	return dropped;
}

/* Sent off before. */
static bool drop(struct call *c, struct runner *r, struct layer *l, enum obs_metric why)
{
	struct layers *ls = r->layers;
	bool dropped;

	instances_drop(r, l);
	dropped = drop_in_backend(c, r, l);
	if (dropped) {
		layer_unkeep(c, r, l);
		obs_count(why);
	} else {
		instances_take(r, l);
	}
	pthread_mutex_lock(&ls->lock);
	l->going = false;
	if (dropped)
		layer_forget_locked(ls, l);
	flight_end_locked(ls, l->key);
	pthread_mutex_unlock(&ls->lock);
	layer_unhold(l);
	return dropped;
}

/* --- room --- */

static bool worth_less(const struct layer *a, const struct layer *b, int64_t now)
{
	double x = (double)(a->replay_ms + 1) * layer_hits_locked(a, now) / (double)(a->bytes + 1);
	double y = (double)(b->replay_ms + 1) * layer_hits_locked(b, now) / (double)(b->bytes + 1);

	if (x != y)
		return x < y;
	if (a->used_ms != b->used_ms)
		return a->used_ms < b->used_ms;
	return a->bytes > b->bytes;
}

struct reasons {
	int n[HOLDS];
};

/* tenant: only of this one; p = NULL: of any. `not`: could not be dropped just now. */
static struct layer *least_locked(struct layers *ls, struct str tenant, const struct layer *not, struct reasons *why)
{
	int64_t now = clock_wall_ms();
	struct layer *least = NULL;
	struct map_slot slot;

	*why = (struct reasons){0};
	for (size_t i = 0; map_next(&ls->by_key, &i, &slot);) {
		struct layer *l = slot.value;
		enum hold h;

		if (l->base || l == not || (tenant.p && !str_eq(l->tenant, tenant)))
			continue;
		h = held_by(l, now);
		why->n[h]++;
		if (h == FREE && (!least || worth_less(l, least, now)))
			least = l;
	}
	return least;
}

static int64_t tenant_bytes_locked(struct layers *ls, struct str tenant)
{
	struct map_slot slot;
	int64_t n = 0;

	for (size_t i = 0; map_next(&ls->by_key, &i, &slot);) {
		const struct layer *l = slot.value;

		if (str_eq(l->tenant, tenant))
			n += l->bytes;
	}
	return n;
}

static bool unreclaimable(struct call *c, const struct reasons *why, bool all, int64_t cap)
{
	struct buf names = {0};

	for (int h = IN_USE; h < HOLDS; h++)
		if (why->n[h])
			buf_fmt(&names, "%s\"%s\"", names.n ? "," : "", hold_names[h]);
	(void)fail(c, ERR_QUOTA, "%s layers fill their %lld bytes, and none can go: %.*s", all ? "the server's" : "the tenant's",
		   (long long)cap, SARG(buf_str(&names)));
	(void)fail_more(c, "\"reasons\":[%.*s],\"max\":%lld", SARG(buf_str(&names)), (long long)cap);
	buf_drop(&names);
	return false;
}

static int64_t tenant_cap(struct runner *r, struct str tenant)
{
	struct runner_caps caps = {.layer_bytes = INT64_MAX};

	if (r->o.caps && tenant.p)
		r->o.caps(r->o.arg, tenant, &caps);
	return caps.layer_bytes;
}

struct shrinking {
	struct str tenant;  /* whose cap holds as well; p = NULL: nobody's */
	int64_t most;       /* of all: fewer bytes than these are wanted */
	struct layer *not;  /* could not be dropped; compared only */
	bool more;          /* something went, so look again */
};

/* One step towards less. */
static bool shrink(struct call *c, struct runner *r, struct shrinking *s)
{
	struct layers *ls = r->layers;
	int64_t cap = tenant_cap(r, s->tenant);
	struct layer *l = NULL;
	struct reasons why;
	bool all, over;

	pthread_mutex_lock(&ls->lock);
	all = ls->bytes >= s->most;
	over = all || (s->tenant.p && tenant_bytes_locked(ls, s->tenant) >= cap);
	if (over)
		l = least_locked(ls, all ? (struct str){0} : s->tenant, s->not, &why);
	if (l)
		send_off_locked(ls, l);
	pthread_mutex_unlock(&ls->lock);
	s->more = l != NULL;
	if (!over)
		return true;
	if (!l)
		return unreclaimable(c, &why, all, all ? s->most : cap);
	if (!drop(c, r, l, OBS_M_LAYERS_EVICTED)) {
		if (s->not)
			return false;
		s->not = l;
		call_forgive(c);
	}
	return true;
}

static bool shrink_all(struct call *c, struct runner *r, struct shrinking *s)
{
	do
		if (!shrink(c, r, s))
			return false;
	while (s->more);
	return true;
}

bool layers_make_room(struct call *c, struct runner *r, struct str tenant)
{
	return shrink_all(c, r, &(struct shrinking){.tenant = tenant, .most = r->o.layer_bytes});
}

void layers_disk_full(struct runner *r)
{
	struct shrinking s = {0};
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	pthread_mutex_lock(&r->layers->lock);
	s.most = 1 + r->layers->bytes / 10 * 9;
	pthread_mutex_unlock(&r->layers->lock);
	if (!shrink_all(&c, r, &s))
		obs_log(OBS_WARN, "runner", "the disk is full: %s", c.err.text);
}

/* --- TTL --- */

static struct layer *overdue_locked(struct layers *ls, int64_t ttl_ms, const struct layer *not)
{
	int64_t now = clock_wall_ms();
	struct map_slot slot;

	for (size_t i = 0; map_next(&ls->by_key, &i, &slot);) {
		struct layer *l = slot.value;

		if (!l->base && l != not && held_by(l, now) == FREE && l->used_ms + ttl_ms <= now)
			return l;
	}
	return NULL;
}

static void drop_overdue(struct call *c, struct runner *r)
{
	struct layers *ls = r->layers;
	struct layer *l, *not = NULL;

	for (;;) {
		pthread_mutex_lock(&ls->lock);
		l = overdue_locked(ls, r->o.layer_ttl_s * 1000, not);
		if (l)
			send_off_locked(ls, l);
		pthread_mutex_unlock(&ls->lock);
		if (!l)
			return;
		if (drop(c, r, l, OBS_M_LAYERS_EXPIRED))
			continue;
		obs_log_call(c, OBS_WARN, "runner", "layer %.12s could not be dropped: %s", l->id, c->err.text);
		call_forgive(c);
		if (not)
			return;
		not = l;
	}
}

void layers_sweep(struct call *c, struct runner *r)
{
	OWNS(arena) a = {0};
	struct arena *callers = c->arena;

	if (!r->o.backend)
		return;
	c->arena = &a;
	layers_keep_now(c, r);
	if (!layers_refresh(c, r)) {
		obs_log_call(c, OBS_WARN, "runner", "layers could not be listed: %s", c->err.text);
		call_forgive(c);
	}
	drop_overdue(c, r);
	if (!layers_make_room(c, r, (struct str){0})) {
		obs_log_call(c, OBS_DEBUG, "runner", "layers are over their limit: %s", c->err.text);
		call_forgive(c);
	}
	c->arena = callers;
}

/* --- DELETE --- */

bool runner_layer_drop(struct call *c, struct runner *r, struct str id)
{
	struct layers *ls = r->layers;
	struct layer *l;
	enum hold h = FREE;

	if (!ls)
		return layers_unreachable(c, r);
	if (id.n != RUNNER_HEX || str_eq(id, str_of(r->base)))
		return fail(c, ERR_NOT_FOUND, "there is no such layer");
	pthread_mutex_lock(&ls->lock);
	l = layer_get_locked(ls, c->tenant, id);
	if (l)
		h = held_by(l, INT64_MAX); /* pins are no reason here */
	if (l && h == FREE)
		send_off_locked(ls, l);
	pthread_mutex_unlock(&ls->lock);
	if (!l)
		return fail(c, ERR_NOT_FOUND, "there is no such layer");
	if (h != FREE) {
		(void)fail(c, ERR_LAYER_IN_USE, h == IN_USE ? "a job uses the layer" : "there are layers over it");
		(void)fail_more(c, "\"reason\":\"%s\"", hold_names[h]);
		return false;
	}
	return drop(c, r, l, OBS_M_LAYERS_DELETED);
}
