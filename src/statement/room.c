/* room.c - the room opened, counted, swept and closed. */
#include "statement/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static void clean_up(void *arg)
{
	struct statements *s = arg;

	s->o.kv->ops->sweep(s->o.kv);
}

static bool empty_spool(struct call *c, struct statements *s)
{
	bool made = file_make_folder(s->spool_dir, 0700);
	int fd = made ? open(s->spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool emptied = fd >= 0 && file_empty_folder(fd);

	if (fd >= 0)
		file_close_quietly(fd);
	return emptied || fail(c, ERR_UNAVAILABLE, "cannot %s %s: %s", made ? "read" : "make", s->spool_dir, strerror(errno));
}

bool statements_block(const struct statements *s)
{
	return s->keeping && (s->keeping->at.shared || (s->keeping->at.disk && s->o.default_persistent));
}

struct statements *stmt_open(struct call *c, const struct statement_options *o)
{
	struct statements *s = base_zalloc(sizeof(*s));

	s->o = *o;
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&s->shards[i].lock, NULL);
	pthread_mutex_init(&s->tenants_lock, NULL);
	list_init(&s->in_memory);
	s->no_rows = engine_bytes_copy(S("{\"data\":[]}"));
	s->cache = o->cache_results ? stmt_cache_open() : NULL;
	if (asprintf(&s->spool_dir, "%.*s/spool", SARG(o->data_dir)) < 0)
		s->spool_dir = NULL;
	INVARIANT(s->spool_dir);
	if (!empty_spool(c, s)) {
		statements_close(s);
		return NULL;
	}
	lifecycle_every(o->lifecycle, o->cleanup_ms, clean_up, s);
	return s;
}

static bool open_redis(struct call *c, struct statements *s, struct stmt_stores *at)
{
	const struct store_redis_options o = {
		.redis = s->o.redis, .prefix = s->o.redis_prefix, .server = s->o.server, .tombstone_ms = TOMBSTONE_MS,
		.cancel = stmt_told_cancel, .changed = stmt_told_changed, .lost = stmt_told_lost, .arg = s,
	};

	at->shared = stmt_store_redis(c, &o);
	if (!at->shared)
		return false;
	at->owner = stmt_store_redis_owner(at->shared);
	at->cancel = stmt_store_redis_cancel;
	at->renew = stmt_store_redis_renew;
	return true;
}

static bool open_duckdb(struct call *c, struct statements *s, struct stmt_stores *at)
{
	at->disk = stmt_store_duckdb(c, &(struct store_duckdb_options){.engine = s->o.records});
	return at->disk != NULL;
}

struct statements *statements_open(struct call *c, const struct statement_options *o)
{
	struct statements *s = stmt_open(c, o);

	if (!s || !(o->records || o->redis))
		return s;
	stmt_keeping_new(s);
	if ((!o->redis || open_redis(c, s, &s->keeping->at)) && (!o->records || open_duckdb(c, s, &s->keeping->at)) &&
	    stmt_keeping_open(c, s))
		return s;
	statements_close(s);
	return NULL;
}

void statements_stats(struct statements *s, struct statement_stats *ret)
{
	*ret = (struct statement_stats){
		.live = (uint64_t)atomic_load(&s->live), .expired = (uint64_t)atomic_load(&s->expired),
		.submitted = atomic_load(&s->submitted), .succeeded = atomic_load(&s->ended[STMT_SUCCEEDED]),
		.failed = atomic_load(&s->ended[STMT_FAILED]), .canceled = atomic_load(&s->ended[STMT_CANCELED]),
		.memory_bytes = (uint64_t)atomic_load(&s->memory_bytes),
		.spooled_bytes = (uint64_t)atomic_load(&s->spooled_bytes),
		.active = atomic_load(&s->active),
	};
	if (s->keeping)
		stmt_keeping_stats(s, ret);
	if (s->cache)
		stmt_cache_stats(s->cache, ret);
}

bool statements_idle(struct statements *s)
{
	return atomic_load(&s->active) == 0 && (!s->keeping || stmt_keeping_idle(s));
}

void statements_cancel_all(struct statements *s)
{
	size_t n;
	struct stmt **v;

	atomic_store(&s->closing, true);
	v = stmt_all(s, &n);
	for (size_t i = 0; i < n; i++) {
		statement_cancel_soon(v[i]);
		statement_unref(v[i]);
	}
	free(v);
}

static void close_shard(struct shard *shard)
{
	stmt_map_close(&shard->map);
	for (int i = 0; i < LATEST; i++)
		stmt_columns_unref(shard->latest[i]);
	pthread_mutex_destroy(&shard->lock);
}

void statements_close(struct statements *s)
{
	size_t n;
	struct stmt **v;

	atomic_store(&s->closing, true);
	stmt_keeping_stop(s);
	v = stmt_all(s, &n);
	for (size_t i = 0; i < n; i++) {
		statement_cancel_soon(v[i]); /* for who still watches it */
		stmt_unlink(v[i]);
		statement_unref(v[i]);
	}
	free(v);
	stmt_keeping_close(s);
	for (int i = 0; i < SHARDS; i++)
		close_shard(&s->shards[i]);
	stmt_cache_close(s->cache);
	stmt_places_close(s);
	pthread_mutex_destroy(&s->tenants_lock);
	engine_bytes_unref(s->no_rows);
	free(s->spool_dir);
	free(s);
}
