/* layers.c - which layers are there, and who uses them.
 *
 * The registry mirrors what the backend lists; a layer is there when it is in `by_key` and is not going. Uses are jobs,
 * builds and leases of instances: a layer with a use is not dropped. Its memory outlives that (refs), so that whoever
 * still holds one may look at it.
 *
 * Not here: how one is made (build.c, replay.c), when one goes (layers_drop.c), what outlives the process (layers_kept.c).
 * Threads: any; one lock, under which nothing blocks.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

#include <math.h>
#include <stdlib.h>

enum { HITS_HALF_LIFE_MS = 86400000 };

struct layer_key layer_key(struct str tenant, struct str id)
{
	struct layer_key k;
	char *at = k.text;

	INVARIANT(tenant.n <= TENANT_NAME_MAX && id.n <= RUNNER_HEX);
	str_copy_to(&at, tenant);
	*at++ = '/';
	str_copy_to(&at, id);
	k.n = (size_t)(at - k.text);
	return k;
}

/* --- memory --- */

struct layer *layer_hold(struct layer *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

void layer_unhold(struct layer *l)
{
	while (l && atomic_fetch_sub(&l->refs, 1) == 1) {
		struct layer *parent = l->parent;

		INVARIANT(list_empty(&l->pool.warm) && list_empty(&l->pool.waiting) && list_empty(&l->pool.readers) && !l->pool.shared);
		free(l);
		l = parent;
	}
}

/* One block: the layer, its texts, its names. */
static struct layer *layer_new(struct layers *ls, const struct layer_made *m)
{
	size_t n = m->tenant.n + 1 + m->id.n + m->tenant.n + m->path.n, names = sizeof(struct str) * (size_t)m->nvolatile;
	struct layer *l;
	struct str *v;
	char *at, *key;

	for (int i = 0; i < m->nvolatile; i++)
		n += m->volatile_names[i].n;
	l = base_zalloc(sizeof(*l) + names + n);
	v = (struct str *)(l + 1);
	at = key = (char *)(l + 1) + names;
	str_copy_to(&at, m->tenant);
	*at++ = '/';
	str_copy_to(&at, m->id);
	l->key = str_from(key, (size_t)(at - key));
	l->tenant = str_copy_to(&at, m->tenant);
	l->path = str_copy_to(&at, m->path);
	for (int i = 0; i < m->nvolatile; i++)
		v[i] = str_copy_to(&at, m->volatile_names[i]);
	l->volatile_names = v;
	l->nvolatile = m->nvolatile;
	memcpy(l->id, m->id.p, m->id.n);
	memcpy(l->parent_id, m->parent.p ? m->parent.p : "", m->parent.n);
	l->of = ls;
	l->created_ms = l->used_ms = l->hits_ms = m->created_ms;
	l->replay_ms = m->replay_ms;
	l->opaque = m->opaque;
	l->seen = ls->listing;
	l->bytes = m->bytes;
	atomic_init(&l->refs, 1);
	list_init(&l->pool.warm);
	list_init(&l->pool.waiting);
	list_init(&l->pool.readers);
	return l;
}

/* --- the registry --- */

struct layer *layer_get_locked(struct layers *ls, struct str tenant, struct str id)
{
	struct layer_key k = layer_key(tenant, id);
	struct layer *l = map_get(&ls->by_key, layer_key_str(&k));

	return l && !l->going ? l : NULL;
}

struct layer *layer_base_locked(struct layers *ls, struct str tenant)
{
	const struct layer_made m = {.tenant = tenant, .id = str_of(ls->r->base), .created_ms = clock_wall_ms()};
	struct layer *l = layer_get_locked(ls, tenant, m.id);

	if (l)
		return l;
	l = layer_new(ls, &m);
	l->base = true;
	map_put(&ls->by_key, l->key, l);
	return l;
}

static void set_gauges(struct layers *ls)
{
	obs_gauge_set(OBS_M_LAYERS, ls->n);
	obs_gauge_set(OBS_M_LAYER_BYTES, ls->bytes);
}

struct layer *layer_add_locked(struct layers *ls, const struct layer_made *m)
{
	struct layer_key k = layer_key(m->tenant, m->id);
	struct layer *l = map_get(&ls->by_key, layer_key_str(&k));

	if (l) {
		ls->bytes += m->bytes - l->bytes;
		l->bytes = m->bytes;
		return l;
	}
	l = layer_new(ls, m);
	l->parent = m->parent.n ? layer_get_locked(ls, m->tenant, m->parent) : NULL;
	if (l->parent) {
		layer_hold(l->parent);
		l->parent->children++;
	}
	map_put(&ls->by_key, l->key, l);
	ls->bytes += l->bytes;
	ls->n++;
	set_gauges(ls);
	return l;
}

void layer_forget_locked(struct layers *ls, struct layer *l)
{
	if (l->gone)
		return;
	l->gone = true;
	map_del(&ls->by_key, l->key);
	ls->bytes -= l->bytes;
	ls->n--;
	if (l->parent)
		l->parent->children--;
	set_gauges(ls);
	layer_unhold(l);
}

void layer_lost(struct runner *r, struct layer *l)
{
	pthread_mutex_lock(&r->layers->lock);
	if (!l->base)
		layer_forget_locked(r->layers, l);
	pthread_mutex_unlock(&r->layers->lock);
}

/* --- uses --- */

double layer_hits_locked(const struct layer *l, int64_t now_ms)
{
	return l->hits * exp2(-(double)(now_ms - l->hits_ms) / HITS_HALF_LIFE_MS);
}

void layer_hit_locked(struct layer *l, int64_t now_ms)
{
	l->hits = layer_hits_locked(l, now_ms) + 1;
	l->hits_total++;
	l->hits_ms = l->used_ms = now_ms;
}

/* kv is written when what it has would not hold until then; what is written holds a quarter longer, so that few hits do. */
void layer_pin_locked(struct layer *l, int64_t until_ms)
{
	if (until_ms > l->pinned_ms)
		l->pinned_ms = until_ms;
	if (l->pinned_ms > l->kept_ms && !l->base)
		l->keep = true;
}

void layer_use(struct layer *l)
{
	pthread_mutex_lock(&l->of->lock);
	l->uses++;
	pthread_mutex_unlock(&l->of->lock);
	layer_hold(l);
}

void layer_release(struct layer *l)
{
	pthread_mutex_lock(&l->of->lock);
	INVARIANT(l->uses > 0);
	l->uses--;
	pthread_mutex_unlock(&l->of->lock);
	layer_unhold(l);
}

struct str layer_id(const struct layer *l)
{
	return str_of(l->id);
}

bool layer_there(struct runner *r, struct str tenant, struct str id)
{
	bool there;

	if (str_eq(id, str_of(r->base)))
		return true;
	if (id.n != RUNNER_HEX)
		return false;
	pthread_mutex_lock(&r->layers->lock);
	there = layer_get_locked(r->layers, tenant, id) != NULL;
	pthread_mutex_unlock(&r->layers->lock);
	return there;
}

void layers_counted(struct runner *r, int *ret_n, int64_t *ret_bytes)
{
	pthread_mutex_lock(&r->layers->lock);
	*ret_n = r->layers->n;
	*ret_bytes = r->layers->bytes;
	pthread_mutex_unlock(&r->layers->lock);
}

/* --- what the backend has --- */

struct listed {
	struct call *c;
	struct layer_made *v;
	size_t n, cap;
};

static bool take_found(void *arg, const struct pg_found *f)
{
	struct listed *to = arg;

	if (f->id.n != RUNNER_HEX || f->parent.n > RUNNER_HEX)
		return true;
	if (to->n == to->cap) {
		to->cap = to->cap ? to->cap * 2 : 64;
		to->v = base_realloc(to->v, to->cap * sizeof(*to->v));
	}
	layer_found(to->c, f, &to->v[to->n++]);
	return true;
}

/* Those that were there before the listing began and are not in it. */
static void forget_unlisted(struct layers *ls, uint64_t listing, struct arena *a)
{
	struct layer **gone = ARENA_ARRAY(a, struct layer *, ls->by_key.n + 1);
	struct map_slot slot;
	int n = 0;

	for (size_t i = 0; map_next(&ls->by_key, &i, &slot);) {
		struct layer *l = slot.value;

		if (!l->base && !l->going && l->seen < listing)
			gone[n++] = l;
	}
	for (int i = 0; i < n; i++)
		layer_forget_locked(ls, gone[i]);
}

bool layers_refresh(struct call *c, struct runner *r)
{
	OWNS(arena) a = {0};
	struct arena *callers = c->arena;
	struct pg_backend *b = r->o.backend;
	struct layers *ls = r->layers;
	struct listed all = {.c = c};
	uint64_t listing;
	bool listed;

	pthread_mutex_lock(&ls->lock);
	listing = ++ls->listing; /* what is registered from now on may be missing in it */
	pthread_mutex_unlock(&ls->lock);
	c->arena = &a;
	listed = b->ops->list(c, b, take_found, &all);
	pthread_mutex_lock(&ls->lock);
	for (size_t i = 0; listed && i < all.n; i++) {
		struct layer *l = layer_add_locked(ls, &all.v[i]);

		if (l->seen < listing)
			l->seen = listing;
	}
	if (listed)
		forget_unlisted(ls, listing, &a);
	ls->listed_ms = clock_mono_ms();
	set_gauges(ls);
	pthread_mutex_unlock(&ls->lock);
	c->arena = callers;
	free(all.v);
	return listed;
}

/* --- open, close --- */

bool layers_open(struct call *c, struct runner *r)
{
	struct layers *ls = base_zalloc(sizeof(*ls));

	r->layers = ls;
	ls->r = r;
	pthread_mutex_init(&ls->lock, NULL);
	list_init(&ls->sightings);
	if (!r->o.backend)
		return true;
	if (layers_refresh(c, r) && layers_kept(c, r))
		return true;
	layers_close(r);
	return false;
}

void layers_close(struct runner *r)
{
	struct layers *ls = r->layers;
	struct map_slot slot;

	if (!ls)
		return;
	while (atomic_load(&ls->keeping)) /* a task of the pool, which is open still */
		ticket_pause(1);
	INVARIANT(ls->flights.n == 0);
	sightings_close(ls);
	for (size_t i = 0; map_next(&ls->by_key, &i, &slot);) {
		struct layer *l = slot.value;

		INVARIANT(l->uses == 0);
		layer_unhold(l);
	}
	for (size_t i = 0; map_next(&ls->failures, &i, &slot);)
		free(slot.value);
	map_close(&ls->by_key);
	map_close(&ls->flights);
	map_close(&ls->failures);
	pthread_mutex_destroy(&ls->lock);
	free(ls);
	r->layers = NULL;
}
