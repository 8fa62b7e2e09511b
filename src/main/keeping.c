/* keeping.c - where records and statements are kept, by snowflake_api.statement_storage.type.
 *
 * session: records in a file of the data folder, statements in memory and, of
 * what is persistent, in DuckDB files; redis: all of it in Redis, which servers
 * share; hybrid: in Redis, and statements here as well.
 */
#include "main/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_RECORDS = 10000000, MAX_REQUEST_KEYS = 10000000, KEEPER_IDLE_MS = 300000, KEEPER_CONCURRENT = 16,
       KEEPER_QUEUED = 100000 };
#define KEEPER_MEMORY ((int64_t)2 << 30)

static bool has_type(const struct server *s, const char *type)
{
	return str_eq(s->conf.storage_type, str_of(type));
}

/* The URL as the banner and errors may show it. */
static struct str place_of_redis(struct server *s)
{
	struct str url = s->conf.storage_redis_url;
	size_t from = str_search(url, S("://")), at = url.n;

	while (at > 0 && url.p[at - 1] != '@')
		at--;
	if (from == url.n || at <= from)
		return url;
	return arena_fmt(&s->arena, "%.*s://%.*s", SARG(str_head(url, from)), SARG(str_tail(url, at)));
}

/* --- Redis --- */

static void redis_changed(void *arg, bool up)
{
	struct server *s = arg;

	if (up)
		obs_log(OBS_INFO, "main", "Redis can be reached");
	else
		obs_log(OBS_WARN, "main", "Redis cannot be reached");
	pthread_mutex_lock(&s->told_lock);
	if (s->told)
		statements_redis_changed(s->told, up);
	pthread_mutex_unlock(&s->told_lock);
}

/* NULL: nobody any more, when it returns. */
static void tell_of_redis(struct server *s, struct statements *told)
{
	pthread_mutex_lock(&s->told_lock);
	s->told = told;
	pthread_mutex_unlock(&s->told_lock);
}

bool server_open_redis(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct redis_options o = {.url = f->storage_redis_url, .ca_file = f->storage_redis_ca_file,
					.connections = (int)f->storage_redis_connections, .timeout_ms = f->storage_redis_timeout_ms,
					.changed = redis_changed, .arg = s};
	struct err why;

	pthread_mutex_init(&s->told_lock, NULL);
	if (has_type(s, "session"))
		return true;
	s->redis = redis_open(&s->call, &o);
	if (s->redis)
		return true;
	why = s->call.err;
	call_forgive(&s->call);
	return fail(&s->call, why.kind, "snowflake_api.statement_storage.redis.url: %s", why.text);
}

/* --- records: sessions, jobs, leases --- */

static const char *in_data_folder(struct server *s, const char *name)
{
	return arena_fmt(&s->arena, "%.*s/%s", SARG(s->conf.data_dir), name).p;
}

struct moving {
	struct call *c;
	struct kv *to;
	int64_t moved, now_ms;
	bool failed;
};

static bool move_record(void *arg, struct str key, const struct kv_record *r)
{
	struct moving *m = arg;
	int64_t left_ms = r->expires_ms ? r->expires_ms - m->now_ms : 0;

	if (left_ms < 0)
		return true;
	if (kv_put(m->c, m->to, key, r->value, KV_ABSENT, left_ms)) {
		m->moved++;
		return true;
	}
	m->failed = m->c->err.kind != ERR_CONFLICT; /* a start that was cut short had moved it */
	if (!m->failed)
		call_forgive(m->c);
	return !m->failed;
}

/* What this server kept in its file goes to Redis, once: it brings its sessions and jobs along. */
static bool move_records(struct server *s)
{
	const char *path = in_data_folder(s, "records.log"), *moved = in_data_folder(s, "records.log.moved");
	struct moving m = {.c = &s->call, .to = s->records, .now_ms = clock_wall_ms()};
	struct kv *from;

	if (access(path, F_OK) != 0)
		return true;
	from = kv_file_open(&s->call, str_of(path), MAX_RECORDS);
	if (!from)
		return false;
	m.failed = !kv_scan(&s->call, from, S(""), move_record, &m) || m.failed;
	from->ops->close(from);
	if (m.failed)
		return false;
	if (rename(path, moved) != 0 || !file_sync_folder(arena_cstr(&s->arena, s->conf.data_dir)))
		return fail(&s->call, ERR_STORAGE, "cannot rename %s: %s", path, strerror(errno));
	if (m.moved)
		obs_log(OBS_INFO, "main", "%lld records were moved from records.log to Redis", (long long)m.moved);
	return true;
}

/* Says that this server's records are in Redis: without them it would take its sessions' files for leftovers. */
static bool mark_folder(struct server *s)
{
	const char *path = in_data_folder(s, "records.redis");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct str place = place_of_redis(s), prefix = s->conf.storage_redis_key_prefix;
	bool ok = fd >= 0 && file_write(fd, arena_fmt(&s->arena, "%.*s %.*s\n", SARG(place), SARG(prefix)));

	if (fd >= 0)
		close(fd);
	return ok || fail(&s->call, ERR_STORAGE, "cannot write %s: %s", path, strerror(errno));
}

static bool open_file_of_records(struct server *s)
{
	const char *mark = in_data_folder(s, "records.redis");

	if (access(mark, F_OK) == 0)
		return fail(&s->call, ERR_CONFLICT,
			    "sessions and jobs of this data folder are recorded in Redis: set snowflake_api.statement_storage.type to redis "
			    "or hybrid, or remove %s to go on without them", mark);
	s->records = kv_file_open(&s->call, str_of(in_data_folder(s, "records.log")), MAX_RECORDS);
	return s->records != NULL;
}

static struct str below_prefix(struct server *s, const char *name)
{
	return arena_fmt(&s->arena, "%.*s%s:", SARG(s->conf.storage_redis_key_prefix), name);
}

bool server_open_records(struct server *s)
{
	s->local_keys = kv_memory_open(MAX_REQUEST_KEYS);
	if (!s->redis)
		return open_file_of_records(s);
	s->records = kv_redis_open(s->redis, below_prefix(s, "records"));
	s->shared_keys = kv_redis_open(s->redis, below_prefix(s, "requests"));
	return mark_folder(s) && move_records(s);
}

void server_close_records(struct server *s)
{
	struct kv *const all[] = {s->records, s->shared_keys, s->local_keys};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (all[i])
			all[i]->ops->close(all[i]);
	if (s->redis)
		redis_close(s->redis);
}

/* --- statements --- */

static void keeper_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = KEEPER_MEMORY, .temp_bytes = KEEPER_MEMORY, .threads = 1,
				      .concurrent = KEEPER_CONCURRENT, .queued = KEEPER_QUEUED};
}

/* A worker of its own uid, behind those of the tenants; it starts with the first statement to keep. */
static bool open_keeper(struct server *s)
{
	const struct conf *f = &s->conf;
	struct engine_options o = {
		.data_dir = str_of(in_data_folder(s, "statements")), .max_workers = 1, .idle_ms = KEEPER_IDLE_MS,
		.cancel_grace_ms = f->engine_cancel_grace_seconds * 1000,
		.uid_base = f->engine_uid_base ? (uid_t)(f->engine_uid_base + f->engine_max_workers) : 0,
		.require_sandbox = str_eq(f->engine_sandbox, S("require")), .records = true, .limits = keeper_limits,
	};

	if (has_type(s, "redis"))
		return true;
	o.loop = s->keeper_loop = exec_loop_open("keeper");
	s->keeper = engine_open(&s->call, &o);
	if (s->keeper)
		exec_loop_start(s->keeper_loop);
	return s->keeper != NULL;
}

static void keeper_has_stopped(void *arg)
{
	struct server *s = arg;

	exec_loop_stop(s->keeper_loop);
}

static void close_keeper(struct server *s)
{
	if (s->keeper) {
		engine_stop(s->keeper, keeper_has_stopped, s);
		exec_loop_join(s->keeper_loop);
		engine_close(s->keeper);
	}
	if (s->keeper_loop)
		exec_loop_close(s->keeper_loop);
}

bool server_open_statements(struct server *s)
{
	const struct conf *f = &s->conf;
	struct statement_options o = {
		.engine = s->engine, .loop = s->loops[0], .pool = s->pool, .data_dir = f->data_dir,
		.kv = s->redis ? s->shared_keys : s->local_keys, .kv_local = s->local_keys,
		.redis = s->redis, .redis_prefix = f->storage_redis_key_prefix, .server = s->identity.id,
		.keep_local = has_type(s, "hybrid"), .degrade = has_type(s, "hybrid") && str_eq(f->storage_redis_on_loss, S("degraded")),
		.default_persistent = !has_type(s, "redis") && str_eq(f->snowflake_default_session, S("persistent")),
		.cache_results = f->snowflake_result_cache, .log_sql = f->obs_log_sql,
		.lifecycle = s->lifecycle, .events = f->events_statements ? s->events : NULL,
		.cleanup_ms = f->storage_cleanup_interval_seconds * 1000,
		.default_ttl_s = f->storage_default_ttl_seconds, .max_ttl_s = f->storage_max_ttl_seconds,
		.max_result_bytes = f->storage_max_result_size_mb * 1024 * 1024, .max_part_rows = f->storage_result_batch_size,
		.max_per_session = f->storage_max_statements_per_session,
		.max_children = f->snowflake_max_multi_statements, .create_missing = f->snowflake_create_missing_namespaces,
		.memory_bytes = f->statements_memory_bytes, .whole_first = str_eq(f->snowflake_first_partition, S("whole")),
		.caps = tenant_statement_caps, .arg = &s->conf,
	};

	if (!open_keeper(s))
		return false;
	o.records = s->keeper;
	s->statements = statements_open(&s->call, &o);
	tell_of_redis(s, s->statements);
	return s->statements != NULL;
}

void server_close_statements(struct server *s)
{
	tell_of_redis(s, NULL);
	if (s->statements)
		statements_close(s->statements);
	close_keeper(s);
}

/* --- the banner --- */

void server_print_keeping(struct server *s)
{
	struct redis_stats r;

	if (!s->redis) {
		printf("  handles  memory; of persistent sessions%s also DuckDB files in %s\n",
		       str_eq(s->conf.snowflake_default_session, S("persistent")) ? ", and without one," : "",
		       in_data_folder(s, "statements"));
		return;
	}
	redis_stats(s->redis, &r);
	printf("  handles  %sRedis %s at %.*s, keys %.*s…\n", has_type(s, "hybrid") ? "here and in " : "", r.version,
	       SARG(place_of_redis(s)), SARG(s->conf.storage_redis_key_prefix));
}
