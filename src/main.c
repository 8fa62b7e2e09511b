/* main.c - builds the rooms bottom-up, hands each its options, closes them top-down.
 *
 * The only place that sees all rooms. `mayfly serve` is here; `mayfly engine`
 * is the worker side of engine/; every other verb is a client command.
 */
#include "api/api.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "exec/exec.h"
#include "http/http.h"
#include "kv/kv.h"
#include "lifecycle/lifecycle.h"
#include "obs/obs.h"
#include "out/out.h"
#include "runner/runner.h"
#include "session/session.h"
#include "statement/statement.h"
#include "store/store.h"
#include "tenant/tenant.h"
#include "view/view.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LOOPS = 64, MAX_SETS = 256, POOL_QUEUE = 100000, MAX_REQUEST_KEYS = 10000000, MAX_RECORDS = 10000000,
       STOP_TICK_MS = 50, SESSIONS_STOP_MS = 10000, SWEEP_TICK_MS = 250, SWEEP_BATCH = 1000,
       RETENTION_MS = 60000 };

struct server {
	struct arena arena;
	struct call call;
	struct conf conf;
	const char *samples;
	struct exec_loop *loops[MAX_LOOPS];
	int nloops;
	struct exec_pool *pool;
	struct traces *traces;   /* NULL: none are sent */
	struct kv *request_keys; /* of this process */
	struct kv *records;      /* durable */
	struct store *store;     /* of this server: the event log */
	struct store *storage;   /* of the spaces; perhaps shared */
	struct store_cache *cache;
	struct server_identity identity;
	struct lifecycle *lifecycle;
	struct events *events;
	struct engine *engine;
	struct tenants *tenants;
	struct statements *statements;
	struct sessions *sessions;
	struct views *views;
	struct store *journal;   /* of the runner */
	struct pg_backend *postgres;
	struct str postgres_missing;
	struct runner *runner;
	struct http_server *http;
	struct api api;
	struct exec_timer *stop_timer;
	int64_t cancel_at_ms, give_up_at_ms;
	bool stopping, canceled;
	atomic_bool sessions_ended, views_ended, runner_ended;
	struct buf addresses;
};

/* --- the command line of serve --- */

static bool add_set(struct server *s, struct str *sets, int *n, const char *key, const char *value)
{
	if (*n == MAX_SETS)
		return fail(&s->call, ERR_INVALID_FIELD, "more than %d options", MAX_SETS);
	sets[(*n)++] = *key ? arena_fmt(&s->arena, "%s=%s", key, value) : str_of(value);
	return true;
}

static const struct {
	const char *flag;
	const char *key; /* of an option; "" = the flag's value is one, NULL = not an option */
} serve_flags[] = {{"--listen", "server.listen"}, {"--data", "data.dir"}, {"--set", ""}, {"--config", NULL}, {"--samples", NULL}};

static bool read_args(struct server *s, int argc, char **argv, struct str *ret_file, struct str *sets, int *n)
{
	for (int i = 0; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		size_t f = 0;

		while (f < COUNT_OF(serve_flags) && strcmp(argv[i], serve_flags[f].flag) != 0)
			f++;
		if (f == COUNT_OF(serve_flags))
			return fail(&s->call, ERR_INVALID_FIELD, "unknown option %s; see `mayfly help serve`", argv[i]);
		if (!value)
			return fail(&s->call, ERR_INVALID_FIELD, "%s needs a value", argv[i]);
		if (serve_flags[f].key && !add_set(s, sets, n, serve_flags[f].key, value))
			return false;
		if (strcmp(argv[i], "--config") == 0)
			*ret_file = str_of(value);
		else if (strcmp(argv[i], "--samples") == 0)
			s->samples = value;
	}
	return true;
}

static bool configure(struct server *s, int argc, char **argv)
{
	struct str *sets = ARENA_ARRAY(&s->arena, struct str, MAX_SETS);
	struct str file = {0};
	enum obs_level least;
	int n = 0;

	if (!read_args(s, argc, argv, &file, sets, &n) || !conf_load(&s->call, file, sets, n, environ, &s->conf))
		return false;
	if (!obs_level_of(s->conf.log_level, &least))
		return fail(&s->call, ERR_INVALID_FIELD, "log.level");
	obs_log_open(least, str_eq(s->conf.log_format, S("json")) ||
				    (str_eq(s->conf.log_format, S("auto")) && !isatty(STDERR_FILENO)));
	return true;
}

/* --- what the rooms ask --- */

static void engine_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct engine_limits){
		.memory_bytes = caps->memory_bytes, .temp_bytes = caps->temp_bytes, .threads = (int)caps->threads,
		.concurrent = (int)caps->concurrent_statements, .queued = (int)caps->queued_statements,
	};
}

static void statement_caps(void *arg, struct str tenant, struct statement_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct statement_caps){.max_statements = caps->max_statements, .result_bytes = caps->result_bytes};
}

static void session_caps(void *arg, struct str tenant, struct session_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct session_caps){
		.max_sessions = caps->max_sessions, .max_timeout_seconds = caps->session_timeout_seconds,
		.session = {caps->session_tables, caps->session_rows, caps->session_bytes},
		.tenant = {caps->ephemeral_tables, caps->ephemeral_rows, caps->ephemeral_bytes},
	};
}

static void view_caps(void *arg, struct str tenant, struct view_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct view_caps){.spaces = caps->spaces, .tables = caps->space_tables, .saved = caps->space_sql,
				  .sql_sessions = caps->sql_sessions, .view_bytes = caps->view_bytes};
}

static void runner_caps(void *arg, struct str tenant, struct runner_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct runner_caps){.jobs = caps->jobs, .running = caps->concurrent_jobs, .job_ttl_s = caps->job_ttl_seconds,
				    .blob_bytes = caps->blob_bytes, .layer_bytes = caps->layer_bytes};
}

static void scrape_sessions(struct server *s)
{
	struct lifecycle_stats l;
	struct session_stats se;
	struct events_stats ev;

	lifecycle_stats(s->lifecycle, &l);
	sessions_stats(s->sessions, &se);
	events_stats(s->events, &ev);
	obs_gauge_set(OBS_M_SESSIONS_OPEN, (int64_t)se.open);
	obs_gauge_set(OBS_M_SESSIONS_OPENED, (int64_t)se.opened);
	obs_gauge_set(OBS_M_SESSIONS_CLOSED, (int64_t)se.closed);
	obs_gauge_set(OBS_M_SESSIONS_TIMED_OUT, (int64_t)se.timed_out);
	obs_gauge_set(OBS_M_SESSIONS_PARTIAL, (int64_t)se.partial);
	obs_gauge_set(OBS_M_EPHEMERAL_TABLES, (int64_t)se.tables);
	obs_gauge_set(OBS_M_EPHEMERAL_ROWS, (int64_t)se.rows);
	obs_gauge_set(OBS_M_EPHEMERAL_BYTES, (int64_t)se.bytes);
	obs_gauge_set(OBS_M_EVENTS_APPENDED, (int64_t)ev.appended);
	obs_gauge_set(OBS_M_EVENTS_DROPPED, (int64_t)ev.dropped);
	obs_gauge_set(OBS_M_EVENT_BYTES, (int64_t)ev.bytes);
	obs_gauge_set(OBS_M_SWEEPER_LEASES, (int64_t)l.leases);
	obs_gauge_set(OBS_M_SWEEPER_DUE, (int64_t)l.due);
	obs_gauge_set(OBS_M_SWEEPER_SWEPT, (int64_t)l.swept);
	obs_gauge_set(OBS_M_SWEEPER_FAILED, (int64_t)l.failed);
}

static void scrape(void *arg)
{
	struct server *s = arg;
	struct http_stats h = http_server_stats(s->http);
	struct statement_stats st;
	struct engine_report e;

	engine_report(s->engine, &e);
	statements_stats(s->statements, &st);
	obs_gauge_set(OBS_M_HTTP_CONNECTIONS, (int64_t)h.connections_open);
	obs_gauge_set(OBS_M_HTTP_PARKED, (int64_t)h.parked);
	obs_gauge_set(OBS_M_HTTP_REFUSED, (int64_t)h.refused_total);
	obs_gauge_set(OBS_M_STATEMENTS_SUCCEEDED, (int64_t)st.succeeded);
	obs_gauge_set(OBS_M_STATEMENTS_FAILED, (int64_t)st.failed);
	obs_gauge_set(OBS_M_STATEMENTS_CANCELED, (int64_t)st.canceled);
	obs_gauge_set(OBS_M_STATEMENTS_RUNNING, e.running);
	obs_gauge_set(OBS_M_STATEMENTS_QUEUED, e.queued);
	obs_gauge_set(OBS_M_STATEMENTS_LIVE, (int64_t)st.live);
	obs_gauge_set(OBS_M_RESULT_BYTES_MEMORY, (int64_t)st.memory_bytes);
	obs_gauge_set(OBS_M_RESULT_BYTES_SPOOLED, (int64_t)st.spooled_bytes);
	obs_gauge_set(OBS_M_WORKERS_RUNNING, e.workers);
	obs_gauge_set(OBS_M_WORKERS_STARTED, (int64_t)e.started);
	obs_gauge_set(OBS_M_WORKERS_CRASHED, (int64_t)e.crashed);
	obs_gauge_set(OBS_M_WORKERS_KILLED, (int64_t)e.killed);
	scrape_sessions(s);
}

/* --- building --- */

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
	s->request_keys = kv_memory_open(MAX_REQUEST_KEYS);
}

/* Records, objects, the event log: what outlives the process. */
static bool open_memory_of_the_server(struct server *s)
{
	struct str dir = s->conf.data_dir;

	if (!server_identity(&s->call, dir, true, &s->identity))
		return false;
	s->records = kv_file_open(&s->call, arena_fmt(&s->arena, "%.*s/records.log", SARG(dir)), MAX_RECORDS);
	s->store = s->records ? store_folder_open(&s->call, arena_fmt(&s->arena, "%.*s/store", SARG(dir))) : NULL;
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
	return true;
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
		.limits = engine_limits, .arg = &s->conf,
	};

	s->engine = engine_open(&s->call, &o);
	return s->engine && (!s->samples || engine_load_samples(&s->call, s->engine, S("default"), str_of(s->samples)));
}

static bool open_statements(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct statement_options o = {
		.engine = s->engine, .loop = s->loops[0], .pool = s->pool, .kv = s->request_keys, .data_dir = f->data_dir,
		.lifecycle = s->lifecycle, .events = f->events_statements ? s->events : NULL,
		.cleanup_ms = f->storage_cleanup_interval_seconds * 1000,
		.default_ttl_s = f->storage_default_ttl_seconds, .max_ttl_s = f->storage_max_ttl_seconds,
		.max_result_bytes = f->storage_max_result_size_mb * 1024 * 1024, .max_part_rows = f->storage_result_batch_size,
		.max_per_session = f->storage_max_statements_per_session,
		.memory_bytes = f->statements_memory_bytes, .whole_first = str_eq(f->snowflake_first_partition, S("whole")),
		.caps = statement_caps, .arg = &s->conf,
	};

	s->statements = statements_open(&s->call, &o);
	return s->statements != NULL;
}

static bool open_sessions(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct session_options o = {
		.engine = s->engine, .kv = s->records, .lifecycle = s->lifecycle, .events = s->events, .pool = s->pool,
		.server = s->identity.id, .location = f->server_listen.n ? f->server_listen.v[0] : S(""), .data_dir = f->data_dir,
		.share_within_tenant = f->sessions_share_within_tenant, .require_tenant = f->auth_require_tenant,
		.tombstone_ms = f->sessions_remember_seconds * 1000, .caps = session_caps, .arg = &s->conf,
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
		.caps = view_caps, .arg = &s->conf,
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
		.caps = runner_caps, .arg = &s->conf,
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

static bool open_rooms(struct server *s)
{
	const struct tenant_options t = tenant_options(&s->conf);

	open_threads(s);
	if (!open_memory_of_the_server(s) || !open_traces(s) || !open_lifecycle(s) || !open_storage(s) || !open_engine(s) ||
	    !(s->tenants = tenant_open(&s->call, &t)) || !open_statements(s) || !open_sessions(s) || !open_views(s) || !open_runner(s))
		return false;
	s->api = (struct api){.conf = &s->conf, .tenants = s->tenants, .engine = s->engine, .statements = s->statements,
			      .sessions = s->sessions, .views = s->views, .runner = s->runner,
			      .storage = s->storage, .events = s->events, .lifecycle = s->lifecycle};
	if (!open_http(s))
		return false;
	obs_source_add(scrape, s);
	return listen_all(s);
}

/* --- the banner --- */

static void print_sandbox(const struct engine_report *r)
{
	const char *const missing[] = {r->landlock ? NULL : "Landlock (kernel)", r->seccomp ? NULL : "seccomp (kernel)",
				       r->own_uid ? NULL : "own uids (server not root, or data folder not reachable by others)"};

	printf("  sandbox  rlimits%s%s%s\n", r->landlock ? ", Landlock" : "", r->seccomp ? ", seccomp" : "",
	       r->own_uid ? ", own uid a worker" : "");
	for (size_t i = 0; i < COUNT_OF(missing); i++)
		if (missing[i])
			printf("  missing  %s\n", missing[i]);
}

static void print_chains(struct server *s)
{
	struct runner_report r;

	runner_report(s->runner, &r);
	if (!r.ready) {
		printf("  chains   none: %s\n", r.missing);
		return;
	}
	printf("  chains   %s, %s, PostgreSQL %s\n", r.pg.backend, r.pg.driver, r.pg.version);
	if (r.pg.missing[0])
		printf("  missing  %s\n", r.pg.missing);
}

/* Three commands that work as they stand, on the first address. */
static void print_curls(struct str address, bool tls)
{
	static const char *const calls[] = {
		"/api/v2/statements -H 'Content-Type: application/json' -d '{\"statement\":\"select 40 + 2 as answer\"}'",
		"/v1/statements -H 'Content-Type: application/json' -H 'Prefer: wait=5' -d '{\"sql\":\"select version()\"}'",
		"/readyz",
	};
	bool is_unix = str_starts(address, S("unix:"));
	struct str path = is_unix ? str_tail(address, 5) : S("");

	printf("\nTry:\n");
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		printf("  curl -s%s%s%.*s %s://%.*s%s\n", tls ? "k" : "", is_unix ? " --unix-socket " : "", SARG(path),
		       tls ? "https" : "http", SARG(is_unix ? S("localhost") : address), calls[i]);
	printf("\n");
}

static void print_banner(struct server *s)
{
	struct str rest = buf_str(&s->addresses), first = str_cut(&rest, ' ');
	bool tls = s->conf.server_tls_cert.n > 0;
	struct engine_report r;

	engine_report(s->engine, &r);
	printf("mayfly %s serves on %s%.*s\n", MAYFLY_VERSION,
	       str_starts(first, S("unix:")) ? "" : tls ? "https://" : "http://", SARG(first));
	printf("  data     %.*s\n", SARG(s->conf.data_dir));
	printf("  storage  %s %.*s\n", s->storage->ops->name, SARG(s->storage->location));
	print_sandbox(&r);
	print_chains(s);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("  missing  RLIMIT_AS of workers (sanitizer build)\n");
#endif
	print_curls(first, tls);
	fflush(stdout);
}

/* --- stopping: drain, cancel what is left, stop builds, close memory sessions, end the workers, stop the loops --- */

static void on_engine_stopped(void *arg)
{
	struct server *s = arg;

	exec_timer_close(s->stop_timer);
	s->stop_timer = NULL;
	for (int i = s->nloops - 1; i >= 0; i--)
		exec_loop_stop(s->loops[i]);
}

static void on_drained(void *arg)
{
	struct server *s = arg;

	engine_stop(s->engine, on_engine_stopped, s);
}

static void on_sessions_ended(void *arg)
{
	struct server *s = arg;

	atomic_store(&s->sessions_ended, true);
}

static void on_views_ended(void *arg)
{
	struct server *s = arg;

	atomic_store(&s->views_ended, true);
}

static void on_runner_ended(void *arg)
{
	struct server *s = arg;

	atomic_store(&s->runner_ended, true);
}

static void on_stop_tick(void *arg)
{
	struct server *s = arg;
	int64_t now = clock_mono_ms();

	bool idle = statements_idle(s->statements) && views_idle(s->views) && runner_idle(s->runner);

	if (!s->canceled && !idle && now < s->cancel_at_ms)
		return;
	if (!s->canceled) {
		statements_cancel_all(s->statements);
		s->canceled = true;
		s->give_up_at_ms = now + SESSIONS_STOP_MS;
		views_stop(s->views, on_views_ended, s);
		runner_stop(s->runner, on_runner_ended, s);
		sessions_shutdown(s->sessions, on_sessions_ended, s);
	}
	if (!(atomic_load(&s->sessions_ended) && atomic_load(&s->views_ended) && atomic_load(&s->runner_ended)) &&
	    now < s->give_up_at_ms)
		return;
	exec_timer_stop(s->stop_timer);
	http_drain(s->http, 2000, on_drained, s);
}

static void on_stop_signal(void *arg)
{
	struct server *s = arg;

	if (s->stopping) { /* asked twice: no more waiting */
		s->cancel_at_ms = 0;
		return;
	}
	s->stopping = true;
	obs_log(OBS_INFO, "main", "draining for at most %lld s", (long long)s->conf.server_drain_seconds);
	obs_sd_notify("STOPPING=1");
	atomic_store(&s->api.draining, true);
	s->cancel_at_ms = clock_mono_ms() + s->conf.server_drain_seconds * 1000;
	exec_timer_set(s->stop_timer, 0, STOP_TICK_MS);
}

static void raise_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void run(struct server *s)
{
	s->stop_timer = exec_timer_open(s->loops[0], on_stop_tick, s);
	exec_on_signal(s->loops[0], SIGTERM, on_stop_signal, s);
	exec_on_signal(s->loops[0], SIGINT, on_stop_signal, s);
	print_banner(s);
	obs_sd_notify("READY=1");
	for (int i = 1; i < s->nloops; i++)
		exec_loop_start(s->loops[i]);
	exec_loop_run(s->loops[0]);
	for (int i = 1; i < s->nloops; i++)
		exec_loop_join(s->loops[i]);
}

static void close_rooms(struct server *s)
{
	if (s->http) {
		obs_source_del(scrape, s);
		http_close(s->http);
	}
	if (s->pool)
		exec_pool_close(s->pool);
	if (s->runner)
		runner_close(s->runner);
	if (s->postgres)
		s->postgres->ops->close(s->postgres);
	if (s->journal)
		s->journal->ops->close(s->journal);
	if (s->views)
		views_close(s->views);
	if (s->sessions)
		sessions_close(s->sessions);
	if (s->statements)
		statements_close(s->statements);
	if (s->engine)
		engine_close(s->engine);
	if (s->tenants)
		tenant_close(s->tenants);
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
	if (s->records)
		s->records->ops->close(s->records);
	if (s->request_keys)
		s->request_keys->ops->close(s->request_keys);
	for (int i = 0; i < s->nloops; i++)
		exec_loop_close(s->loops[i]);
	traces_close(s->traces);
	buf_drop(&s->addresses);
	arena_close(&s->arena);
}

/* What is opened later must never become standard input, output or error. */
static void open_standard_files(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
		continue;
	if (fd >= 0)
		close(fd);
}

static int serve(int argc, char **argv)
{
	struct server *s = base_zalloc(sizeof(*s));
	bool ok;

	call_open(&s->call, &s->arena);
	open_standard_files();
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	raise_file_limit();
	ok = configure(s, argc, argv) && lock_data_folder(s) && open_rooms(s);
	if (ok)
		run(s);
	else
		fprintf(stderr, "mayfly: %s\n", s->call.err.text);
	close_rooms(s);
	free(s);
	return ok ? 0 : 2;
}

int main(int argc, char **argv)
{
	char *const help[] = {argv[0], (char *)"help", (char *)"serve", NULL};

	if (argc > 2 && strcmp(argv[1], "serve") == 0 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return cli_main(3, (char **)help);
	if (argc > 1 && strcmp(argv[1], "serve") == 0)
		return serve(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "engine") == 0)
		return engine_worker_main(argc - 1, argv + 1);
	return cli_main(argc, argv);
}
