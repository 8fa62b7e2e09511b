/* cache.c - results of SELECTs that are given again while nothing of the tenant's has changed.
 *
 *   submit ──▶ ask ──hit──▶ parts, columns ──▶ ended        no engine in between
 *               └──miss──▶ engine ──▶ ended: keep
 *
 * The engine counts what may change what a tenant's SQL sees. A result is kept
 * when the count did not move from before it was asked for until it was there,
 * and found while the count is still that, and nothing that moves it waits or
 * runs. Whether it would come again at all is the worker's word.
 *
 * The bytes are shared with the statements that have them. Any thread; the
 * cache's lock is the only one that is held, and nothing is called under it.
 */
#include "statement/statement_int.h"

#include <stdlib.h>

enum {
	CACHE_BYTES_MAX = 64 << 20, CACHE_ENTRIES_MAX = 4096,
	ENTRY_BYTES_MAX = INLINE_RESULT_BYTES, /* what is larger is on its way to a file */
};

struct result {
	struct list node;          /* in recent, the least recently used first */
	unsigned char key[SHA256_LEN];
	uint64_t version;
	int64_t kept_mono_ms, bytes;
	struct columns *columns;   /* a reference */
	int nparts;
	struct part parts[];       /* a reference to the bytes of each */
};

struct cache {
	pthread_mutex_t lock;
	struct map results;        /* by key */
	struct list recent;
	int64_t bytes;
	_Atomic uint64_t hits, misses;
};

struct cache *stmt_cache_open(void)
{
	struct cache *k = base_zalloc(sizeof(*k));

	pthread_mutex_init(&k->lock, NULL);
	list_init(&k->recent);
	return k;
}

static void result_free(struct result *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->nparts; i++)
		engine_bytes_unref(r->parts[i].bytes);
	stmt_columns_unref(r->columns);
	free(r);
}

/* Lock held; the caller frees it without. */
static void take_out(struct cache *k, struct result *r)
{
	list_del(&r->node);
	map_del(&k->results, str_from((const char *)r->key, SHA256_LEN));
	k->bytes -= r->bytes;
}

void stmt_cache_close(struct cache *k)
{
	struct list *it;

	if (!k)
		return;
	while ((it = list_pop(&k->recent)) != NULL)
		result_free(LIST_ITEM(it, struct result, node));
	map_close(&k->results);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

void stmt_cache_stats(struct cache *k, struct statement_stats *ret)
{
	ret->cache_hits = atomic_load(&k->hits);
	ret->cache_misses = atomic_load(&k->misses);
}

/* --- what a result depends on, but for the tables --- */
static void put(struct buf *b, struct str s)
{
	const uint64_t n = s.n;

	buf_add(b, str_from((const char *)&n, sizeof(n)));
	buf_add(b, s);
}

static void key_of(const struct call *c, const struct stmt_ask *ask, unsigned char ret[SHA256_LEN])
{
	const unsigned char flags[] = {ask->snowflake, ask->null_text, ask->read_only, ask->scope.share, (unsigned char)c->role};
	OWNS(buf) b = {0};

	put(&b, c->tenant);
	put(&b, c->principal);
	put(&b, ask->scope.session_id);
	put(&b, ask->parameters.timezone);
	for (int i = 0; i < ENGINE_FORMATS; i++)
		put(&b, ask->parameters.formats[i]);
	put(&b, str_from((const char *)&ask->parameters.rows_per_resultset, sizeof(ask->parameters.rows_per_resultset)));
	put(&b, ask->context.database);
	put(&b, ask->context.schema);
	put(&b, ask->context.warehouse);
	put(&b, ask->context.role);
	put(&b, str_from((const char *)flags, sizeof(flags)));
	put(&b, str_from((const char *)&ask->statements, sizeof(ask->statements)));
	put(&b, ask->sql);
	for (int i = 0; i < ask->nbinds; i++) {
		buf_addc(&b, (char)ask->binds[i].type);
		put(&b, ask->binds[i].name);
		put(&b, ask->binds[i].value);
	}
	hash_sha256(buf_str(&b), ret);
}

/* --- asking --- */
static bool may_be_cached(const struct stmt *st, const struct stmt_ask *ask, const struct compiled *k)
{
	return st->room->cache && !ask->no_cache && k->class.kind == SQL_SELECT && !k->class.writes && !k->class.session_state &&
	       k->ask.counts == ENGINE_ROWS;
}

/* A copy with references of its own. */
static struct result *copy(const struct result *r)
{
	size_t size = sizeof(*r) + sizeof(r->parts[0]) * (size_t)r->nparts;
	struct result *mine = base_alloc(size);

	memcpy(mine, r, size);
	list_init(&mine->node);
	for (int i = 0; i < r->nparts; i++)
		engine_bytes_ref(mine->parts[i].bytes);
	if (mine->columns)
		atomic_fetch_add(&mine->columns->refs, 1);
	return mine;
}

static struct result *look_up(const struct stmt *st, const unsigned char key[SHA256_LEN], uint64_t version)
{
	struct cache *k = st->room->cache;
	int64_t oldest = clock_mono_ms() - st->room->o.max_ttl_s * 1000;
	struct result *r, *found = NULL, *stale = NULL;

	pthread_mutex_lock(&k->lock);
	r = map_get(&k->results, str_from((const char *)key, SHA256_LEN));
	if (r && (r->version != version || r->kept_mono_ms < oldest)) {
		take_out(k, r);
		stale = r;
	} else if (r) {
		list_del(&r->node);
		list_add_tail(&k->recent, &r->node);
		found = copy(r);
	}
	pthread_mutex_unlock(&k->lock);
	result_free(stale);
	return found;
}

static void give(struct stmt *st, struct result *r)
{
	stmt_started(st);
	stmt_lock(st);
	if (!stmt_over(st) && !st->columns) {
		st->columns = r->columns;
		r->columns = NULL;
	}
	stmt_unlock(st);
	for (int i = 0; i < r->nparts; i++) {
		const struct part *p = &r->parts[i];

		/* Takes the reference. */
		stmt_add_part(st, &(struct engine_part){.bytes = p->bytes, .gzip = p->gzip, .rows = p->rows, .row_bytes = p->row_bytes});
	}
	r->nparts = 0;
	result_free(r);
	stmt_end(st, STMT_SUCCEEDED, NULL);
}

bool stmt_cache_answers(const struct call *c, struct stmt *st, const struct stmt_ask *ask, struct compiled *k)
{
	unsigned char key[SHA256_LEN];
	struct result *r;
	uint64_t version;
	bool still;

	if (!may_be_cached(st, ask, k))
		return false;
	key_of(c, ask, key);
	still = engine_unchanging(st->room->o.engine, c->tenant, &version);
	r = still ? look_up(st, key, version) : NULL;
	atomic_fetch_add(r ? &st->room->cache->hits : &st->room->cache->misses, 1);
	if (r) {
		give(st, r);
		return true;
	}
	stmt_lock(st);
	if (still && st->run) {
		memcpy(st->run->cache_key, key, sizeof(key));
		st->run->cache_version = version;
		st->run->cacheable = true;
	}
	stmt_unlock(st);
	k->ask.judge = still;
	return false;
}

/* --- keeping --- */
/* Under the statement's lock: all of its result, or NULL. */
static struct result *result_of(const struct stmt *st)
{
	struct result *r;

	if (stmt_over(st) || !st->run || !st->run->cacheable || st->run->stored_bytes > ENTRY_BYTES_MAX)
		return NULL;
	for (int i = 0; i < st->nparts; i++)
		if (!stmt_parts(st)[i].bytes)
			return NULL;
	r = base_zalloc(sizeof(*r) + sizeof(r->parts[0]) * (size_t)st->nparts);
	memcpy(r->key, st->run->cache_key, sizeof(r->key));
	r->version = st->run->cache_version;
	r->kept_mono_ms = clock_mono_ms();
	r->nparts = st->nparts;
	r->bytes = (int64_t)(sizeof(*r) + sizeof(r->parts[0]) * (size_t)st->nparts) + st->run->stored_bytes;
	r->columns = st->columns;
	if (r->columns) {
		r->bytes += r->columns->n;
		atomic_fetch_add(&r->columns->refs, 1);
	}
	for (int i = 0; i < st->nparts; i++) {
		r->parts[i] = stmt_parts(st)[i];
		engine_bytes_ref(r->parts[i].bytes);
	}
	return r;
}

/* Lock held: those that must go for it, in `gone`. */
static void put_in(struct cache *k, struct result *r, struct list *gone)
{
	struct result *former = map_get(&k->results, str_from((const char *)r->key, SHA256_LEN));

	if (former) {
		take_out(k, former);
		list_add_tail(gone, &former->node);
	}
	map_put(&k->results, str_from((const char *)r->key, SHA256_LEN), r);
	list_add_tail(&k->recent, &r->node);
	k->bytes += r->bytes;
	while (k->bytes > CACHE_BYTES_MAX || k->results.n > CACHE_ENTRIES_MAX) {
		struct result *oldest = LIST_ITEM(k->recent.next, struct result, node);

		take_out(k, oldest);
		list_add_tail(gone, &oldest->node);
	}
}

void stmt_cache_keep(struct stmt *st)
{
	struct cache *k = st->room->cache;
	struct list gone, *it;
	struct result *r;
	uint64_t version;

	if (!k)
		return;
	stmt_lock(st);
	r = result_of(st);
	stmt_unlock(st);
	if (!r)
		return;
	list_init(&r->node);
	if (!engine_unchanging(st->room->o.engine, str_of(st->tenant->name), &version) || version != r->version) {
		result_free(r);
		return;
	}
	list_init(&gone);
	pthread_mutex_lock(&k->lock);
	put_in(k, r, &gone);
	pthread_mutex_unlock(&k->lock);
	while ((it = list_pop(&gone)) != NULL)
		result_free(LIST_ITEM(it, struct result, node));
}
