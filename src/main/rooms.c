/* rooms.c - opens the rooms bottom-up, hands each its options, closes them top-down. */
#include "main/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POOL_QUEUE = 100000, SWEEP_TICK_MS = 250, SWEEP_BATCH = 1000, RETENTION_MS = 60000 };

/* One server a data folder: held until the process ends, however it ends. */
static bool lock_data_folder(struct server *s)
{
	const char *dir = arena_cstr(&s->arena, s->conf.data_dir), *path = arena_fmt(&s->arena, "%s/lock", dir).p;
	int fd;

	if (mkdir(dir, 0711) != 0 && errno != EEXIST)
		return fail(&s->call, ERR_UNAVAILABLE, "cannot make the data folder %s: %s", dir, strerror(errno));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(&s->call, ERR_UNAVAILABLE, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	close(fd);
	return fail(&s->call, ERR_UNAVAILABLE, "the data folder %s is in use by another server", dir);
}

static int count_loops(const struct conf *f)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (f->server_loops)
		return (int)f->server_loops;
	return cores < 8 ? 1 : cores / 4 > MAX_LOOPS ? MAX_LOOPS : (int)(cores / 4);
}

static void open_threads(struct server *s)
{
	s->nloops = count_loops(&s->conf);
	for (int i = 0; i < s->nloops; i++)
		s->loops[i] = exec_loop_open("loop");
	s->pool = exec_pool_open("pool", (int)s->conf.server_pool_threads, POOL_QUEUE);
}

/* Objects, the event log: what outlives the process; see keeping.c for the rest. */
static bool open_memory_of_the_server(struct server *s)
{
	struct str dir = s->conf.data_dir;

	if (!server_identity(&s->call, dir, true, &s->identity) || !server_open_redis(s) || !server_open_records(s))
		return false;
	s->store = store_folder_open(&s->call, arena_fmt(&s->arena, "%.*s/store", SARG(dir)));
	return s->store != NULL;
}

static enum event_sync event_sync(struct str name)
{
	return str_eq(name, S("always")) ? EVENT_SYNC_ALWAYS : str_eq(name, S("interval")) ? EVENT_SYNC_INTERVAL : EVENT_SYNC_NEVER;
}

static void keep_events(void *arg)
{
	events_sweep(arg);
}

static void retention_is_due(void *arg)
{
	struct server *s = arg;

	if (!exec_pool_run(s->pool, keep_events, s->events))
		obs_log(OBS_WARN, "main", "the pool is full: old events are dropped later");
}

static bool open_lifecycle(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct lifecycle_options l = {.loop = s->loops[0], .tick_ms = SWEEP_TICK_MS, .batch = SWEEP_BATCH};
	const struct events_options e = {
		.store = s->store, .server = s->identity.id, .key = s->identity.key, .topic_prefix = f->events_topic_prefix,
		.sync = event_sync(f->events_fsync), .segment_bytes = f->events_segment_bytes,
		.retention_ms = f->events_retention_seconds > INT64_MAX / 1000 ? 0 : f->events_retention_seconds * 1000,
		.retention_bytes = f->events_retention_bytes, .loop = s->loops[0], .pool = s->pool,
	};

	s->lifecycle = lifecycle_open(&l);
	s->events = events_open(&s->call, &e);
	if (!s->events)
		return false;
	lifecycle_every(s->lifecycle, RETENTION_MS, retention_is_due, s);
	return server_open_mirror(s);
}

/* What spaces keep, and its cache. */
static bool open_storage(struct server *s)
{
	const struct conf *f = &s->conf;
	struct store_option *v = ARENA_ARRAY(&s->arena, struct store_option, (size_t)f->storage_options.n + 1);
	bool folder = str_eq(f->storage_scheme, S("fs"));
	struct str root = f->storage_root.n || !folder ? f->storage_root : arena_fmt(&s->arena, "%.*s/storage", SARG(f->data_dir));
	struct store_options o = {.scheme = f->storage_scheme, .library = f->storage_library,
				  .opendal = str_eq(f->storage_driver, S("opendal")), .options = v};

	if (folder && !o.opendal && f->storage_options.n)
		return fail(&s->call, ERR_UNKNOWN_FIELD, "storage.%.*s: scheme fs has no such option", SARG(f->storage_options.v[0].key));
	if (root.n)
		v[o.noptions++] = (struct store_option){S("root"), root};
	for (int i = 0; i < f->storage_options.n; i++)
		v[o.noptions++] = (struct store_option){f->storage_options.v[i].key, f->storage_options.v[i].value};
	s->storage = store_open(&s->call, &o);
	if (!s->storage)
		return false;
	s->cache = store_cache_open(&s->call, s->storage, arena_fmt(&s->arena, "%.*s/cache", SARG(f->data_dir)), f->spaces_cache_bytes);
	return s->cache != NULL;
}

static bool open_engine(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct engine_options o = {
		.loop = s->loops[0], .data_dir = f->data_dir, .cache_dir = arena_fmt(&s->arena, "%.*s/cache", SARG(f->data_dir)),
		.max_workers = (int)f->engine_max_workers,
		.idle_ms = f->engine_idle_seconds * 1000, .cancel_grace_ms = f->engine_cancel_grace_seconds * 1000,
		.uid_base = (uid_t)f->engine_uid_base, .require_sandbox = str_eq(f->engine_sandbox, S("require")),
		.limits = tenant_engine_limits, .arg = &s->conf,
	};

	s->engine = engine_open(&s->call, &o);
	return s->engine && (!s->samples || engine_load_samples(&s->call, s->engine, S("default"), str_of(s->samples)));
}

/* Who comes first need not wait for the worker: it starts while the server looks at PostgreSQL and opens its doors. */
static bool start_worker_ahead(struct server *s)
{
	if (str_eq(s->conf.auth_mode, S("none")) && !s->conf.auth_require_tenant)
		engine_start_ahead(s->engine, S("default"));
	return true;
}

static void session_gone_for_good(void *arg, struct str tenant, struct str session_id)
{
	statements_session_gone(arg, tenant, session_id);
}

static bool open_sessions(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct session_options o = {
		.engine = s->engine, .kv = s->records, .shared = s->redis != NULL, .lifecycle = s->lifecycle, .events = s->events,
		.pool = s->pool, .server = s->identity.id, .location = f->server_listen.n ? f->server_listen.v[0] : S(""), .data_dir = f->data_dir,
		.share_within_tenant = f->sessions_share_within_tenant, .require_tenant = f->auth_require_tenant,
		.tombstone_ms = f->sessions_remember_seconds * 1000, .caps = tenant_session_caps, .arg = &s->conf,
		.gone = session_gone_for_good, .gone_arg = s->statements,
	};

	s->sessions = sessions_open(&s->call, &o);
	return s->sessions != NULL;
}

static bool open_views(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct views_options o = {
		.store = s->storage, .cache = s->cache, .engine = s->engine, .lifecycle = s->lifecycle, .events = s->events,
		.pool = s->pool, .server = s->identity.id, .default_ttl_s = f->spaces_ttl_seconds,
		.max_ttl_s = f->spaces_max_ttl_seconds, .build_ms = f->spaces_build_seconds * 1000,
		.skew_ms = f->spaces_clock_skew_seconds * 1000, .grace_ms = f->spaces_grace_seconds * 1000,
		.sweep_ms = f->spaces_sweep_seconds * 1000, .file_bytes = f->spaces_file_bytes, .page_bytes = f->spaces_page_bytes,
		.caps = tenant_view_caps, .arg = &s->conf,
	};

	s->views = views_open(&s->call, &o);
	return s->views != NULL;
}

static bool open_postgres(struct server *s)
{
	const struct conf *f = &s->conf;
	struct str dir = f->runner_layers_dir.n ? f->runner_layers_dir : arena_fmt(&s->arena, "%.*s/layers", SARG(f->data_dir));
	const struct pg_jail_options j = {
		.dir = dir, .bin_dir = f->runner_postgres_bin_dir, .driver = f->runner_driver,
		.require = str_eq(f->runner_isolation, S("require")), .uid = (uid_t)f->runner_postgres_uid,
		.extensions = f->runner_postgres_extensions.v, .nextensions = f->runner_postgres_extensions.n,
		.max = (int)f->runner_instance_max, .memory_bytes = f->runner_instance_memory_bytes,
		.disk_bytes = f->runner_instance_disk_bytes, .pids = (int)f->runner_instance_pids,
	};
	const struct pg_dsn_options d = {.dsn = f->runner_postgres_dsn, .server = s->identity.id, .max = (int)f->runner_instance_max};
	bool ok = f->runner_postgres_dsn.n ? pg_dsn_open(&s->call, &d, &s->postgres) : pg_jail_open(&s->call, &j, &s->postgres);

	if (ok)
		return true;
	s->postgres = NULL;
	s->postgres_missing = arena_dup(&s->arena, str_of(s->call.err.text));
	call_forgive(&s->call);
	return true;
}

static bool open_runner(struct server *s)
{
	const struct conf *f = &s->conf;
	struct runner_options o;

	s->journal = store_folder_open(&s->call, arena_fmt(&s->arena, "%.*s/journal", SARG(f->data_dir)));
	if (!s->journal || !open_postgres(s))
		return false;
	o = (struct runner_options){
		.store = s->storage, .journal = s->journal, .kv = s->records, .backend = s->postgres,
		.backend_missing = s->postgres ? NULL : s->postgres_missing.p, .engine = s->engine, .lifecycle = s->lifecycle,
		.events = s->events, .pool = s->pool, .server = s->identity.id, .concurrent = (int)f->runner_concurrent,
		.queued = (int)f->runner_queued, .project_files = f->runner_project_max_files,
		.project_bytes = f->runner_project_max_bytes, .result_rows = f->runner_result_max_rows,
		.result_bytes = f->runner_result_max_bytes, .result_statements = f->runner_result_max_statements,
		.replay_ms = f->runner_layers_replay_ms, .layer_bytes = f->runner_layers_max_bytes,
		.layer_ttl_s = f->runner_layers_ttl_seconds, .share = f->runner_layers_share,
		.instance_ttl_s = f->runner_instance_ttl_seconds, .instance_idle_s = f->runner_instance_idle_seconds,
		.instances = (int)f->runner_instance_max, .warm_bytes = f->runner_instance_warm_bytes,
		.blob_ttl_s = f->runner_blob_ttl_seconds, .hooks_private = f->runner_webhooks_allow_private,
		.hook_attempts = (int)f->runner_webhooks_attempts, .hook_backoff_ms = f->runner_webhooks_backoff_ms,
		.caps = tenant_runner_caps, .arg = &s->conf,
	};
	s->runner = runner_open(&s->call, &o);
	return s->runner != NULL;
}

static bool open_http(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct http_options o = {
		.loops = s->loops, .nloops = s->nloops, .pool = s->pool,
		.limits = {
			.head_ms = f->server_head_seconds * 1000, .body_ms = f->server_body_seconds * 1000,
			.idle_ms = f->server_idle_seconds * 1000, .write_stall_ms = f->server_write_stall_seconds * 1000,
			.max_head_bytes = (size_t)f->server_max_head_bytes, .max_body_bytes = (size_t)f->server_max_body_bytes,
			.max_connections = (int)f->server_max_connections, .max_pipelined = 64,
		},
		.tls = {f->server_tls_cert.n ? f->server_tls_cert.p : NULL, f->server_tls_key.n ? f->server_tls_key.p : NULL},
		.surface = api_surface(&s->api),
	};

	s->http = http_open(&s->call, &o);
	return s->http != NULL;
}

static bool is_loopback(struct str address)
{
	return str_starts(address, S("127.")) || str_starts(address, S("[::1]")) || str_istarts(address, S("localhost:")) ||
	       str_starts(address, S("unix:")) || str_starts(address, S("fd:"));
}

static bool listen_all(struct server *s)
{
	const struct conf *f = &s->conf;

	for (int i = 0; i < f->server_listen.n; i++) {
		struct str address = f->server_listen.v[i];

		if (str_eq(f->auth_mode, S("none")) && !is_loopback(address))
			return fail(&s->call, ERR_INVALID_FIELD,
				    "server.listen %.*s: with auth.mode none only loopback addresses may be listened on", SARG(address));
		if (s->addresses.n)
			buf_addc(&s->addresses, ' ');
		if (!http_listen(&s->call, s->http, arena_cstr(&s->arena, address), &s->addresses))
			return false;
	}
	return true;
}

static bool open_traces(struct server *s)
{
	const struct traces_options o = {.endpoint = s->conf.traces_otlp_endpoint, .service = S("mayfly"),
					 .version = S(MAYFLY_VERSION), .instance = s->identity.id};

	if (o.endpoint.n)
		s->traces = traces_open(&s->call, &o);
	return s->traces || !o.endpoint.n;
}

bool server_open_rooms(struct server *s)
{
	const struct tenant_options t = tenant_options(&s->conf);

	if (!lock_data_folder(s))
		return false;
	open_threads(s);
	if (!open_memory_of_the_server(s) || !open_traces(s) || !open_lifecycle(s) || !open_storage(s) || !open_engine(s) ||
	    !(s->tenants = tenant_open(&s->call, &t)) || !server_open_statements(s) || !open_sessions(s) || !open_views(s) ||
	    !start_worker_ahead(s) || !open_runner(s))
		return false;
	s->api = (struct api){.conf = &s->conf, .tenants = s->tenants, .engine = s->engine, .statements = s->statements,
			      .sessions = s->sessions, .views = s->views, .runner = s->runner,
			      .redis = s->redis, .storage = s->storage, .events = s->events, .lifecycle = s->lifecycle};
	if (!open_http(s))
		return false;
	obs_source_add(server_scrape, s);
	return listen_all(s);
}

static void close_runner(struct server *s)
{
	if (s->runner)
		runner_close(s->runner);
	if (s->postgres)
		s->postgres->ops->close(s->postgres);
	if (s->journal)
		s->journal->ops->close(s->journal);
}

void server_close_rooms(struct server *s)
{
	if (s->http) {
		obs_source_del(server_scrape, s);
		http_close(s->http);
	}
	if (s->pool)
		exec_pool_close(s->pool);
	close_runner(s);
	if (s->views)
		views_close(s->views);
	if (s->sessions)
		sessions_close(s->sessions);
	server_close_statements(s);
	if (s->engine)
		engine_close(s->engine);
	if (s->tenants)
		tenant_close(s->tenants);
	if (s->mirror)
		events_mirror_close(s->mirror);
	if (s->events)
		events_close(s->events);
	if (s->lifecycle)
		lifecycle_close(s->lifecycle);
	if (s->cache)
		store_cache_close(s->cache);
	if (s->storage)
		s->storage->ops->close(s->storage);
	if (s->store)
		s->store->ops->close(s->store);
	server_close_records(s);
	for (int i = 0; i < s->nloops; i++)
		exec_loop_close(s->loops[i]);
	traces_close(s->traces);
	buf_drop(&s->addresses);
	arena_close(&s->arena);
}
