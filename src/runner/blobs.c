/* blobs.c - contents by tenant and SHA-256: in the store, with a table of what is there, and a few in memory.
 *
 *   [tenants/<tenant>/]blobs/<sha256>                the content
 *   [tenants/<tenant>/]blobs/<sha256>.<wall ms>      a mark: it is kept until then at least
 *
 * A content is kept for the TTL from its last put, and as long as its latest mark says. Marks are never changed, so that
 * servers cannot undo each other's; a use writes one only when the time it needs is not covered. Tables follow the store: they
 * are filled by one listing, and asked again for what they do not know.
 *
 * Threads: any; the lock covers tables and contents, never the store.
 */
#include "runner/runner_int.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	BLOB_COST = 4096,                /* what one counts at least, against the tenant's cap */
	CONTENT_MAX = 1 << 20,           /* larger ones are not kept in memory */
	CONTENTS_BYTES = 32 << 20,
	LATE_MS = 300000,                /* sweeps come after the time is over, so that no other server just relies on it */
	TABLE_IDLE_MS = 600000,
	MARKS_MAX = 64,                  /* of one content that a pass looks at */
	SWEEP_MOST_MS = 600000,          /* between passes, which list all that is stored */
};

struct entry {
	char hex[RUNNER_HEX + 1];
	int64_t size, until_ms;
};
struct table { /* of a tenant */
	char tenant[TENANT_NAME_MAX + 1];
	struct map blobs;
	int64_t bytes, used_ms;
};
struct content {
	struct list link;
	struct str key;                  /* of the store; behind the bytes */
	size_t n;
	char bytes[];
};
struct blobs {
	pthread_mutex_t lock;
	struct map tables, contents;
	struct list recent;              /* contents, the latest first */
	size_t held;                     /* their bytes */
};

bool blobs_open(struct call *c, struct runner *r)
{
	(void)c;
	r->blobs = base_zalloc(sizeof(*r->blobs));
	pthread_mutex_init(&r->blobs->lock, NULL);
	list_init(&r->blobs->recent);
	return true;
}

static void table_free(struct table *t)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&t->blobs, &i, &slot);)
		free(slot.value);
	map_close(&t->blobs);
	free(t);
}

void blobs_close(struct runner *r)
{
	struct blobs *b = r->blobs;
	struct map_slot slot;

	if (!b)
		return;
	for (size_t i = 0; map_next(&b->tables, &i, &slot);)
		table_free(slot.value);
	map_close(&b->tables);
	map_close(&b->contents);
	LIST_EACH(&b->recent, it)
		free(LIST_ITEM(it, struct content, link));
	pthread_mutex_destroy(&b->lock);
	free(b);
	r->blobs = NULL;
}

/* --- names --- */

bool etag_hex(struct call *c, struct str etag, struct str *ret)
{
	struct str hex = str_tail(etag, sizeof("sha256:") - 1);

	if (!str_starts(etag, S("sha256:")) || !str_is_hex(hex, SHA256_HEX))
		return fail(c, ERR_INVALID_FIELD, "an etag is `sha256:` and 64 digits 0-9 and a-f");
	*ret = hex;
	return true;
}

static struct str blob_key(struct call *c, struct str hex)
{
	return arena_fmt(c->arena, "%.*sblobs/%.*s", SARG(store_tenant_prefix(c->arena, c->tenant)), SARG(hex));
}

bool runner_tenants(struct call *c, struct runner *r, struct str **ret, int *ret_n)
{
	struct store *s = r->o.store;
	struct arena *callers = c->arena;
	struct str *v = ARENA_ARRAY(callers, struct str, 16), after = S("");
	OWNS(arena) page = {0};
	int n = 1, cap = 16;

	v[0] = S("default");
	for (;;) {
		struct store_entry *e;
		struct str rest;
		size_t found;
		bool ok;

		arena_reset(&page);
		c->arena = &page;
		ok = s->ops->list(c, s, S("tenants/"), after, &e, &found);
		c->arena = callers;
		if (!ok || !found) {
			*ret = v;
			*ret_n = n;
			return ok;
		}
		if (n == cap) {
			struct str *more = ARENA_ARRAY(callers, struct str, (size_t)(cap *= 2));

			memcpy(more, v, sizeof(*v) * (size_t)n);
			v = more;
		}
		rest = str_tail(e[0].key, sizeof("tenants/") - 1);
		v[n] = arena_dup(callers, str_cut(&rest, '/'));
		after = arena_fmt(callers, "tenants/%.*s/~", SARG(v[n])); /* behind all of its keys */
		n += tenant_name_valid(v[n]);
	}
}

/* --- tables --- */

static int64_t cost(int64_t size)
{
	return size < BLOB_COST ? BLOB_COST : size;
}

/* Under the lock. */
static struct table *table_of(struct runner *r, struct str tenant)
{
	struct table *t = map_get(&r->blobs->tables, tenant);

	if (t)
		t->used_ms = clock_mono_ms();
	return t;
}

/* Under the lock. What the table did not know, it knows now. */
static void note(struct table *t, struct str hex, int64_t size, int64_t until_ms)
{
	struct entry *e = map_get(&t->blobs, hex);

	if (!e) {
		e = base_zalloc(sizeof(*e));
		memcpy(e->hex, hex.p, RUNNER_HEX);
		e->size = size;
		t->bytes += cost(size);
		map_put(&t->blobs, str_from(e->hex, RUNNER_HEX), e);
	}
	if (until_ms > e->until_ms)
		e->until_ms = until_ms;
}

/* Under the lock. */
static void forget(struct table *t, struct str hex)
{
	struct entry *e = map_del(&t->blobs, hex);

	if (!e)
		return;
	t->bytes -= cost(e->size);
	free(e);
}

static void forget_blob(struct runner *r, struct str tenant, struct str hex)
{
	struct table *t;

	pthread_mutex_lock(&r->blobs->lock);
	t = map_get(&r->blobs->tables, tenant);
	if (t)
		forget(t, hex);
	pthread_mutex_unlock(&r->blobs->lock);
}

/* --- what the store has --- */

struct group { /* a content and its marks */
	char hex[RUNNER_HEX + 1];
	bool there;
	int64_t size, until_ms;
	int64_t marks[MARKS_MAX];
	int nmarks;
};
typedef bool group_fn(struct call *c, struct runner *r, struct group *g, void *arg);

static void add_to_group(struct runner *r, struct group *g, const struct store_entry *e, struct str suffix)
{
	int64_t until = e->changed_ms + r->o.blob_ttl_s * 1000;

	if (suffix.n == 0) {
		g->there = true;
		g->size = e->size;
	} else if (!str_to_i64(str_tail(suffix, 1), &until)) {
		return;
	} else if (g->nmarks < MARKS_MAX) {
		g->marks[g->nmarks++] = until;
	}
	if (until > g->until_ms)
		g->until_ms = until;
}

/* The group that this key begins or belongs to. */
static void next_entry(struct runner *r, struct group *g, const struct store_entry *e, struct str name)
{
	struct str hex = str_head(name, RUNNER_HEX);

	if (!str_is_hex(hex, SHA256_HEX))
		return;
	if (!str_eq(hex, str_of(g->hex))) {
		*g = (struct group){0};
		memcpy(g->hex, hex.p, RUNNER_HEX);
	}
	add_to_group(r, g, e, str_tail(name, RUNNER_HEX));
}

struct pass {
	struct runner *r;
	struct str start;                /* of its keys */
	struct group g;
	group_fn *fn;
	void *arg;
};

static bool take_page(struct call *c, struct pass *p, const struct store_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str name = str_tail(e[i].key, p->start.n);
		bool same = str_eq(str_head(name, RUNNER_HEX), str_of(p->g.hex));

		if (!same && p->g.hex[0] && !p->fn(c, p->r, &p->g, p->arg))
			return false;
		if (!same)
			p->g.hex[0] = '\0';
		next_entry(p->r, &p->g, &e[i], name);
	}
	return true;
}

/* Calls fn for each content of the call's tenant whose key begins with `of`, and for marks without one. */
static bool each_group(struct call *c, struct runner *r, struct str of, group_fn *fn, void *arg)
{
	struct store *s = r->o.store;
	struct arena *callers = c->arena;
	OWNS(arena) page = {0};
	OWNS(buf) after = {0};
	struct pass p = {.r = r, .start = blob_key(c, S("")), .fn = fn, .arg = arg};
	struct str prefix = blob_key(c, of);
	bool ok = true;

	for (size_t n = 1; ok && n > 0;) {
		struct store_entry *e;

		arena_reset(&page);
		c->arena = &page;
		ok = s->ops->list(c, s, prefix, buf_str(&after), &e, &n) && take_page(c, &p, e, n);
		c->arena = callers;
		if (ok && n) {
			buf_clear(&after);
			buf_add(&after, e[n - 1].key);
		}
	}
	return ok && (!p.g.hex[0] || fn(c, r, &p.g, arg));
}

static bool note_group(struct call *c, struct runner *r, struct group *g, void *arg)
{
	struct table *t = arg;

	(void)c;
	(void)r;
	if (g->there)
		note(t, str_of(g->hex), g->size, g->until_ms);
	return true;
}

/* Makes sure that the call's tenant has a table. */
static bool load_table(struct call *c, struct runner *r)
{
	struct table *t;
	bool there;

	pthread_mutex_lock(&r->blobs->lock);
	there = table_of(r, c->tenant) != NULL;
	pthread_mutex_unlock(&r->blobs->lock);
	if (there)
		return true;
	t = base_zalloc(sizeof(*t));
	memcpy(t->tenant, c->tenant.p, c->tenant.n < TENANT_NAME_MAX ? c->tenant.n : TENANT_NAME_MAX);
	t->used_ms = clock_mono_ms();
	if (!each_group(c, r, S(""), note_group, t)) {
		table_free(t);
		return false;
	}
	pthread_mutex_lock(&r->blobs->lock);
	if (!table_of(r, c->tenant)) {
		map_put(&r->blobs->tables, str_of(t->tenant), t);
		t = NULL;
	}
	pthread_mutex_unlock(&r->blobs->lock);
	if (t) /* another was faster */
		table_free(t);
	return true;
}

static bool peek(struct runner *r, struct str tenant, struct str hex, struct entry *ret)
{
	struct table *t;
	struct entry *e;

	pthread_mutex_lock(&r->blobs->lock);
	t = table_of(r, tenant);
	e = t ? map_get(&t->blobs, hex) : NULL;
	if (e)
		*ret = *e;
	pthread_mutex_unlock(&r->blobs->lock);
	return e != NULL;
}

static bool note_one(struct call *c, struct runner *r, struct group *g, void *arg)
{
	struct table *t;

	(void)arg;
	if (!g->there)
		return true;
	pthread_mutex_lock(&r->blobs->lock);
	t = table_of(r, c->tenant);
	if (t)
		note(t, str_of(g->hex), g->size, g->until_ms);
	pthread_mutex_unlock(&r->blobs->lock);
	return true;
}

/* What the table says, and what the store says where it says nothing or too little. */
static bool find(struct call *c, struct runner *r, struct str hex, struct entry *ret)
{
	int64_t now = clock_wall_ms();
	OWNS(buf) first = {0};

	if (!load_table(c, r))
		return false;
	if (peek(r, c->tenant, hex, ret) && ret->until_ms > now)
		return true;
	/* what is not there is common, and cheaper to learn so than by a listing */
	if (r->o.store->ops->get(c, r->o.store, blob_key(c, hex), 0, 1, &first)) {
		if (!each_group(c, r, hex, note_one, NULL))
			return false;
		if (peek(r, c->tenant, hex, ret) && ret->until_ms > now)
			return true;
	} else if (c->err.kind != ERR_NOT_FOUND) {
		return false;
	}
	call_forgive(c);
	return fail(c, ERR_NOT_FOUND, "there is no content sha256:%.*s", SARG(hex));
}

/* --- keeping --- */

int64_t blob_used_until(const struct runner *r)
{
	int64_t ttl = r->o.blob_ttl_s * 1000;

	return clock_wall_ms() + ttl - ttl / 16; /* a little less: then a use just after a put, or another use, writes no mark */
}

static bool mark(struct call *c, struct runner *r, struct str hex, int64_t until_ms)
{
	int64_t step = r->o.blob_ttl_s * 500; /* so that uses soon after need none */
	struct store *s = r->o.store;
	struct table *t;

	until_ms = (until_ms / step + 1) * step;
	if (!s->ops->put(c, s, arena_fmt(c->arena, "%.*s.%013lld", SARG(blob_key(c, hex)), (long long)until_ms), S(""), STORE_REPLACE))
		return false;
	pthread_mutex_lock(&r->blobs->lock);
	t = table_of(r, c->tenant);
	if (t && map_get(&t->blobs, hex))
		note(t, hex, 0, until_ms);
	pthread_mutex_unlock(&r->blobs->lock);
	return true;
}

bool blob_hold(struct call *c, struct runner *r, struct str hex, int64_t until_ms, int64_t *ret_size)
{
	struct entry e;

	if (!find(c, r, hex, &e) || (e.until_ms < until_ms && !mark(c, r, hex, until_ms)))
		return false;
	if (ret_size)
		*ret_size = e.size;
	return true;
}

/* Its place under the tenant's cap, before it is written. */
static bool reserve(struct call *c, struct runner *r, struct str hex, int64_t size)
{
	struct runner_caps caps = {0};
	struct table *t;
	bool ok = true;

	r->o.caps(r->o.arg, c->tenant, &caps);
	pthread_mutex_lock(&r->blobs->lock);
	t = table_of(r, c->tenant);
	if (t && !map_get(&t->blobs, hex)) {
		ok = t->bytes + cost(size) <= caps.blob_bytes;
		if (ok)
			note(t, hex, size, 0);
	}
	pthread_mutex_unlock(&r->blobs->lock);
	return ok || fail(c, ERR_QUOTA, "the tenant's file contents have %lld bytes at most (blob_bytes)", (long long)caps.blob_bytes);
}

/* --- a few in memory --- */

/* Under the lock. */
static void drop_content(struct blobs *b, struct content *k)
{
	map_del(&b->contents, k->key);
	list_del(&k->link);
	b->held -= k->n;
	free(k);
}

static void keep_content(struct runner *r, struct str key, struct str bytes)
{
	struct blobs *b = r->blobs;
	struct content *k, *old;

	if (bytes.n > CONTENT_MAX)
		return;
	k = base_alloc(sizeof(*k) + bytes.n + key.n);
	k->n = bytes.n;
	if (bytes.n)
		memcpy(k->bytes, bytes.p, bytes.n);
	memcpy(k->bytes + bytes.n, key.p, key.n);
	k->key = str_from(k->bytes + bytes.n, key.n);
	pthread_mutex_lock(&b->lock);
	old = map_get(&b->contents, key);
	if (old)
		drop_content(b, old);
	map_put(&b->contents, k->key, k);
	list_add_head(&b->recent, &k->link);
	b->held += k->n;
	while (b->held > CONTENTS_BYTES)
		drop_content(b, LIST_ITEM(b->recent.prev, struct content, link));
	pthread_mutex_unlock(&b->lock);
}

static bool kept_content(struct call *c, struct runner *r, struct str key, struct str *ret)
{
	struct blobs *b = r->blobs;
	struct content *k;

	pthread_mutex_lock(&b->lock);
	k = map_get(&b->contents, key);
	if (k) {
		list_del(&k->link);
		list_add_head(&b->recent, &k->link);
		*ret = arena_dup(c->arena, str_from(k->bytes, k->n));
	}
	pthread_mutex_unlock(&b->lock);
	return k != NULL;
}

static void forget_content(struct runner *r, struct str key)
{
	struct content *k;

	pthread_mutex_lock(&r->blobs->lock);
	k = map_get(&r->blobs->contents, key);
	if (k)
		drop_content(r->blobs, k);
	pthread_mutex_unlock(&r->blobs->lock);
}

/* --- contents --- */

static bool is_content(struct str bytes, struct str hex)
{
	char sum[RUNNER_HEX + 1];

	hash_sha256_hex(bytes, sum);
	return str_eq(hex, str_of(sum));
}

bool blob_get(struct call *c, struct runner *r, struct str hex, struct str *ret)
{
	struct store *s = r->o.store;
	struct str key = blob_key(c, hex);
	OWNS(buf) b = {0};

	if (kept_content(c, r, key, ret))
		return true;
	if (!s->ops->get(c, s, key, 0, INT64_MAX, &b)) {
		if (c->err.kind == ERR_NOT_FOUND)
			forget_blob(r, c->tenant, hex);
		return false;
	}
	if (!is_content(buf_str(&b), hex))
		return fail(c, ERR_STORAGE, "the stored content sha256:%.*s is not what it was", SARG(hex));
	keep_content(r, key, buf_str(&b));
	*ret = arena_dup(c->arena, buf_str(&b));
	return true;
}

static bool blob_write(struct call *c, struct runner *r, struct str hex, struct str bytes, int64_t until_ms)
{
	struct store *s = r->o.store;
	struct str key = blob_key(c, hex);
	int64_t fresh = clock_wall_ms() + r->o.blob_ttl_s * 1000;
	struct table *t;

	if (!s->ops->put(c, s, key, bytes, STORE_REPLACE)) {
		forget_blob(r, c->tenant, hex);
		return false;
	}
	pthread_mutex_lock(&r->blobs->lock);
	t = table_of(r, c->tenant);
	if (t)
		note(t, hex, (int64_t)bytes.n, fresh);
	pthread_mutex_unlock(&r->blobs->lock);
	keep_content(r, key, bytes);
	return until_ms <= fresh || mark(c, r, hex, until_ms);
}

static bool blob_put(struct call *c, struct runner *r, struct str hex, struct str bytes, int64_t until_ms)
{
	if (blob_hold(c, r, hex, until_ms, NULL))
		return true;
	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	return reserve(c, r, hex, (int64_t)bytes.n) && blob_write(c, r, hex, bytes, until_ms);
}

bool runner_blob_put(struct call *c, struct runner *r, struct str etag, struct str bytes)
{
	struct str hex;

	if (!etag_hex(c, etag, &hex))
		return false;
	if ((int64_t)bytes.n > r->o.project_bytes)
		return fail(c, ERR_BODY_TOO_LARGE, "a content has %lld bytes at most (runner.project.max_bytes)",
			    (long long)r->o.project_bytes);
	if (!is_content(bytes, hex))
		return fail(c, ERR_ETAG_MISMATCH, "the content has another SHA-256 than its etag says");
	return blob_put(c, r, hex, bytes, blob_used_until(r));
}

bool runner_blob_has(struct call *c, struct runner *r, struct str etag)
{
	struct str hex;

	return etag_hex(c, etag, &hex) && blob_hold(c, r, hex, blob_used_until(r), NULL);
}

/* --- the sweep --- */

static bool drop_marks(struct call *c, struct runner *r, const struct group *g, int64_t below_ms)
{
	struct store *s = r->o.store;

	for (int i = 0; i < g->nmarks; i++) {
		struct str key = arena_fmt(c->arena, "%.*s.%013lld", SARG(blob_key(c, str_of(g->hex))), (long long)g->marks[i]);

		if (g->marks[i] < below_ms && !s->ops->drop(c, s, key))
			return false;
	}
	return true;
}

static bool copy_group(struct call *c, struct runner *r, struct group *g, void *arg)
{
	(void)c;
	(void)r;
	*(struct group *)arg = *g;
	return true;
}

static bool sweep_group(struct call *c, struct runner *r, struct group *g, void *arg)
{
	int64_t now = clock_wall_ms();
	struct store *s = r->o.store;
	struct group again = {0};
	struct entry e = {0};

	(void)arg;
	if (peek(r, c->tenant, str_of(g->hex), &e) && e.until_ms > g->until_ms)
		g->until_ms = e.until_ms; /* put or marked since, or by a clock that was turned */
	if (g->until_ms + LATE_MS > now)
		return drop_marks(c, r, g, g->until_ms);
	/* looked at once more: somebody may have marked it meanwhile */
	if (!each_group(c, r, str_of(g->hex), copy_group, &again))
		return false;
	if (again.until_ms + LATE_MS > now)
		return true;
	forget_blob(r, c->tenant, str_of(g->hex));
	forget_content(r, blob_key(c, str_of(g->hex)));
	return s->ops->drop(c, s, blob_key(c, str_of(g->hex))) && drop_marks(c, r, g, INT64_MAX);
}

/* Tables that nobody asked for a while. */
static void sweep_tables(struct runner *r)
{
	int64_t before = clock_mono_ms() - TABLE_IDLE_MS;
	struct table *idle;
	struct map_slot slot;

	do {
		idle = NULL;
		pthread_mutex_lock(&r->blobs->lock);
		for (size_t i = 0; !idle && map_next(&r->blobs->tables, &i, &slot);)
			if (((struct table *)slot.value)->used_ms < before)
				idle = slot.value;
		if (idle)
			map_del(&r->blobs->tables, str_of(idle->tenant));
		pthread_mutex_unlock(&r->blobs->lock);
		if (idle)
			table_free(idle);
	} while (idle);
}

bool runner_sweep_due(int64_t *last_ms, int64_t ttl_s)
{
	int64_t now = clock_mono_ms(), every = ttl_s < SWEEP_MOST_MS / 50 ? ttl_s * 50 : SWEEP_MOST_MS;

	if (*last_ms && now - *last_ms < every)
		return false;
	*last_ms = now;
	return true;
}

void blobs_sweep(struct call *c, struct runner *r)
{
	struct str mine = c->tenant, *tenants;
	int n;

	if (!runner_sweep_due(&r->blobs_swept_ms, r->o.blob_ttl_s) || !runner_tenants(c, r, &tenants, &n))
		return;
	for (int i = 0; i < n; i++) {
		c->tenant = tenants[i];
		if (!each_group(c, r, S(""), sweep_group, NULL))
			break;
	}
	c->tenant = mine;
	sweep_tables(r);
}
