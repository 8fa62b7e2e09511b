/* sweep.c - the pass that drops what nothing needs any more, from space to space.
 *
 * Any server may run it, and several may at once: what it does is the same
 * whoever does it, and doing it again changes nothing. A pass is bounded: where
 * it has looked at enough it stops between two spaces, and the next begins
 * there. What goes wrong in a space is logged, and keeps no other from its turn.
 *
 *   views_sweep ─▶ tenants ─▶ spaces ─▶ sweep_space.c
 *                     └─▶ files of the cache whose objects are gone: also those that other servers dropped
 *
 * Threads: one pass at a time, on the pool or the caller's; blocks.
 */
#include "view/view_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { PASS_BUDGET = 20000 /* objects and tables looked at */, CHILDREN = 500, KNOWN_MAX = 100000, SETTLED_MS = 10000 };

struct swept { /* between two passes */
	struct buf tenant, space; /* the last that was swept; empty: begin at the first */
	struct map sessions;      /* struct known, by the document's key; the room's lock, as what follows */
	struct map settled;       /* struct settled, by the entry's key */
};
/* A document that was read: its time and its SQL never change, so until then there is no reason to read it again. */
struct known {
	int64_t expires_ms;
	struct str key, sql_id; /* behind it */
};

struct settled {
	int64_t changed_ms, size;
	struct str key; /* behind it */
};

bool sweep_going(struct sweep *s)
{
	bool stopping;

	pthread_mutex_lock(&s->v->lock);
	stopping = s->v->stopping;
	pthread_mutex_unlock(&s->v->lock);
	return !stopping;
}

void sweep_failed(struct sweep *s, struct str space, const char *what)
{
	struct call *c = &s->call;

	if (c->err.kind != ERR_NONE)
		obs_log_call(c, OBS_WARN, "view", "sweep of space %.*s, %s: %s", SARG(space), what, c->err.text);
	call_forgive(c);
}

struct arena *sweep_arena(struct sweep *s, struct arena *a)
{
	struct arena *before = s->call.arena;

	s->call.arena = a;
	return before;
}

/* --- documents that were read --- */

static struct swept *held(struct views *v)
{
	pthread_mutex_lock(&v->lock);
	if (!v->swept)
		v->swept = base_zalloc(sizeof(*v->swept));
	return v->swept;
}

bool sweep_knows(struct sweep *s, struct str key, struct str *ret_sql_id)
{
	const struct known *k = map_get(&held(s->v)->sessions, key);
	bool knows = k && k->expires_ms > clock_wall_ms();

	if (knows)
		*ret_sql_id = arena_dup(s->call.arena, k->sql_id);
	pthread_mutex_unlock(&s->v->lock);
	return knows;
}

void sweep_learn(struct sweep *s, struct str key, const struct session_doc *d)
{
	struct swept *at;
	struct known *k;
	char *text;

	k = base_zalloc(sizeof(*k) + key.n + d->sql_id.n);
	text = (char *)(k + 1);
	k->expires_ms = d->expires_ms;
	k->key = str_copy_to(&text, key);
	k->sql_id = str_copy_to(&text, d->sql_id);
	at = held(s->v);
	free(map_del(&at->sessions, k->key));
	if (at->sessions.n < KNOWN_MAX) {
		map_put(&at->sessions, k->key, k);
		k = NULL;
	}
	pthread_mutex_unlock(&s->v->lock);
	free(k);
}

/* --- entries that were read --- */

bool sweep_knows_settled(struct sweep *s, const struct store_entry *e)
{
	const struct settled *k = map_get(&held(s->v)->settled, e->key);
	bool knows = k && k->changed_ms == e->changed_ms && k->size == e->size;

	pthread_mutex_unlock(&s->v->lock);
	return knows;
}

static void forget_settled(struct swept *at)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&at->settled, &i, &slot);)
		free(slot.value);
	map_close(&at->settled);
	at->settled = (struct map){0};
}

void sweep_learn_settled(struct sweep *s, const struct store_entry *e)
{
	struct swept *at;
	struct settled *k;
	char *text;

	if (clock_wall_ms() - e->changed_ms < SETTLED_MS + s->v->o.skew_ms) /* the store's clock is coarse */
		return;
	k = base_zalloc(sizeof(*k) + e->key.n);
	text = (char *)(k + 1);
	*k = (struct settled){e->changed_ms, e->size, str_copy_to(&text, e->key)};
	at = held(s->v);
	if (at->settled.n >= KNOWN_MAX)
		forget_settled(at);
	free(map_del(&at->settled, k->key));
	map_put(&at->settled, k->key, k);
	pthread_mutex_unlock(&s->v->lock);
}

/* Those whose time is over by `now`. */
static void unlearn(struct views *v, int64_t now)
{
	struct swept *at = held(v);
	struct map left = {0};
	struct map_slot slot;

	for (size_t i = 0; map_next(&at->sessions, &i, &slot);) {
		struct known *k = slot.value;

		if (k->expires_ms > now)
			map_put(&left, k->key, k);
		else
			free(k);
	}
	map_close(&at->sessions);
	at->sessions = left;
	pthread_mutex_unlock(&v->lock);
}

/* --- where the last pass stopped --- */

static void remember(struct sweep *s, struct str tenant, struct str space)
{
	struct swept *at = s->v->swept;

	buf_clear(&at->tenant);
	buf_clear(&at->space);
	buf_add(&at->tenant, tenant);
	buf_add(&at->space, space);
}

static bool enough(const struct sweep *s)
{
	return s->left <= 0;
}

/* --- spaces --- */

/* False: the pass ends here. */
static bool sweep_one(struct sweep *s, struct str space)
{
	OWNS(arena) a = {0};
	struct arena *passes = sweep_arena(s, &a);

	sweep_space(s, space);
	sweep_arena(s, passes);
	return sweep_going(s);
}

static bool sweep_tenant(struct sweep *s, struct str tenant, struct str after)
{
	struct str prefix = key_spaces(s->call.arena, tenant), *ids;
	struct view_page page = {.limit = CHILDREN};
	int n;

	s->call.tenant = tenant;
	do {
		if (!key_children(&s->call, s->v, prefix, &page, &ids, &n)) {
			sweep_failed(s, S("-"), "listing");
			return true;
		}
		for (int i = 0; i < n; i++) {
			if (str_cmp(ids[i], after) <= 0)
				continue;
			if (!sweep_one(s, ids[i]))
				return false;
			remember(s, tenant, ids[i]);
			if (enough(s))
				return false;
		}
		page.after = page.next;
	} while (page.next.n);
	return true;
}

/* The bare one, then the others as they are listed. */
static bool next_tenants(struct sweep *s, struct view_page *page, struct str **ret, int *ret_n)
{
	if (!key_children(&s->call, s->v, S("tenants"), page, ret, ret_n)) {
		sweep_failed(s, S("-"), "listing of tenants");
		return false;
	}
	return true;
}

static void sweep_tenants(struct sweep *s)
{
	struct swept *at = s->v->swept;
	struct str tenant = arena_dup(s->call.arena, buf_str(&at->tenant)), space = arena_dup(s->call.arena, buf_str(&at->space)), *names;
	struct view_page page = {.limit = CHILDREN};
	int n;

	if (!tenant.n || str_eq(tenant, S("default"))) {
		if (!sweep_tenant(s, S("default"), space))
			return;
		space = tenant = S("");
	}
	do {
		if (!next_tenants(s, &page, &names, &n))
			return;
		for (int i = 0; i < n; i++) {
			if (!tenant_name_valid(names[i]) || str_eq(names[i], S("default")) || str_cmp(names[i], tenant) < 0)
				continue;
			if (!sweep_tenant(s, names[i], str_eq(names[i], tenant) ? space : S("")))
				return;
		}
		page.after = page.next;
	} while (page.next.n);
	remember(s, S(""), S(""));
}

/* --- the cache: files of objects that are not in the store any more --- */

static struct str folder_of(struct str key)
{
	size_t n = key.n;

	while (n > 0 && key.p[n - 1] != '/')
		n--;
	return str_head(key, n);
}

/* Those of one folder, in order, against what the store lists there. */
static bool compare_folder(struct sweep *s, const struct store_cached *v, size_t n)
{
	struct store *st = s->v->o.store;
	struct str folder = folder_of(v[0].key), after = S("");
	size_t i = 0, listed;

	do {
		struct store_entry *e;

		if (!st->ops->list(&s->call, st, folder, after, &e, &listed))
			return false;
		for (size_t k = 0; k < listed; k++) {
			for (; i < n && str_cmp(v[i].key, e[k].key) < 0; i++)
				store_cache_forget(s->v->o.cache, v[i].tenant, v[i].key);
			if (i < n && str_eq(v[i].key, e[k].key))
				i++;
			after = e[k].key;
		}
	} while (listed && i < n);
	for (; i < n; i++)
		store_cache_forget(s->v->o.cache, v[i].tenant, v[i].key);
	return true;
}

/* There may be many folders. The error that is left has its words inside. */
static bool compare_in_its_arena(struct sweep *s, const struct store_cached *v, size_t n)
{
	OWNS(arena) a = {0};
	struct arena *passes = sweep_arena(s, &a);
	bool compared = compare_folder(s, v, n);

	sweep_arena(s, passes);
	return compared;
}

static void sweep_cache(struct sweep *s)
{
	struct store_cached *v;
	size_t n, to;

	store_cache_names(&s->call, s->v->o.cache, &v, &n);
	for (size_t from = 0; from < n && sweep_going(s); from = to) {
		for (to = from + 1; to < n && str_eq(v[to].tenant, v[from].tenant); to++)
			if (!str_eq(folder_of(v[to].key), folder_of(v[from].key)))
				break;
		if (!compare_in_its_arena(s, v + from, to - from)) {
			sweep_failed(s, S("-"), "files of the cache");
			return;
		}
	}
}

/* --- a pass --- */

struct sweep sweep_open(struct call *c, struct views *v)
{
	struct sweep s = {.v = v, .call = *c, .left = v->sweep_budget ? v->sweep_budget : PASS_BUDGET};

	s.call.principal = S("");
	s.late_ms = views_late_ms(v);
	s.stale_ms = s.late_ms > STALE_MS ? s.late_ms : STALE_MS;
	return s;
}

void views_sweep(struct call *c, struct views *v)
{
	struct sweep s = sweep_open(c, v);
	OWNS(arena) a = {0};

	s.call.arena = &a;
	unlearn(v, clock_wall_ms());
	sweep_tenants(&s);
	if (sweep_going(&s))
		sweep_cache(&s);
}

void swept_close(struct views *v)
{
	if (!v->swept)
		return;
	unlearn(v, INT64_MAX);
	map_close(&v->swept->sessions);
	forget_settled(v->swept);
	buf_drop(&v->swept->tenant);
	buf_drop(&v->swept->space);
	free(v->swept);
	v->swept = NULL;
}
