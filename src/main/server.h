/* server.h - inside main: the server, and what its parts call of each other. */
#ifndef MAYFLY_MAIN_SERVER_H
#define MAYFLY_MAIN_SERVER_H

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

#include <pthread.h>

enum { MAX_LOOPS = 64 };

struct server {
	struct arena arena;
	struct call call;
	struct conf conf;
	const char *samples;
	struct exec_loop *loops[MAX_LOOPS];
	int nloops;
	struct exec_pool *pool;
	struct traces *traces;   /* NULL: none are sent */
	struct redis *redis;     /* NULL: nothing is shared through one */
	pthread_mutex_t told_lock;
	struct statements *told; /* hears whether Redis can be reached */
	struct kv *local_keys;   /* claims of request ids, of this process */
	struct kv *shared_keys;  /* and of all servers; NULL without Redis */
	struct kv *records;      /* durable: a file, or in Redis */
	struct store *store;     /* of this server: the event log */
	struct store *storage;   /* of the spaces; perhaps shared */
	struct store_cache *cache;
	struct server_identity identity;
	struct lifecycle *lifecycle;
	struct events *events;
	struct events_mirror *mirror; /* NULL: other servers neither tell nor are told */
	struct engine *engine;
	struct engine *keeper;   /* runs no user's SQL: keeps statements in DuckDB files; NULL with type redis */
	struct exec_loop *keeper_loop; /* its own: it works from before the server serves until the statements are closed */
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

/* caps.c: what the rooms ask of a tenant; arg is the configuration */
void tenant_engine_limits(void *arg, struct str tenant, struct engine_limits *ret);
void tenant_statement_caps(void *arg, struct str tenant, struct statement_caps *ret);
void tenant_session_caps(void *arg, struct str tenant, struct session_caps *ret);
void tenant_view_caps(void *arg, struct str tenant, struct view_caps *ret);
void tenant_runner_caps(void *arg, struct str tenant, struct runner_caps *ret);

/* rooms.c */
bool server_open_rooms(struct server *s) NODISCARD; /* bottom-up; what was opened is closed all the same when it fails */
void server_close_rooms(struct server *s);          /* top-down */

/* keeping.c: where records and statements are kept */
bool server_open_redis(struct server *s) NODISCARD;
bool server_open_records(struct server *s) NODISCARD;
bool server_open_statements(struct server *s) NODISCARD;
void server_close_statements(struct server *s);
void server_close_records(struct server *s); /* and Redis */
void server_print_keeping(struct server *s); /* a line of the banner */

/* mirror.c */
bool server_open_mirror(struct server *s) NODISCARD;

/* scrape.c */
void server_scrape(void *server); /* the gauges, before they are written */

/* banner.c */
void server_print_banner(struct server *s);

/* stop.c */
void server_stop_on_signals(struct server *s);

#endif
