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

enum { MAX_LOOPS = 64, MAX_RECORDS = 10000000 };

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
	struct events_mirror *mirror; /* NULL: other servers neither tell nor are told */
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

/* caps.c: what the rooms ask of a tenant; arg is the configuration */
void tenant_engine_limits(void *arg, struct str tenant, struct engine_limits *ret);
void tenant_statement_caps(void *arg, struct str tenant, struct statement_caps *ret);
void tenant_session_caps(void *arg, struct str tenant, struct session_caps *ret);
void tenant_view_caps(void *arg, struct str tenant, struct view_caps *ret);
void tenant_runner_caps(void *arg, struct str tenant, struct runner_caps *ret);

/* rooms.c */
bool server_open_rooms(struct server *s) NODISCARD; /* bottom-up; what was opened is closed all the same when it fails */
void server_close_rooms(struct server *s);          /* top-down */

/* mirror.c */
bool server_open_mirror(struct server *s) NODISCARD;

/* scrape.c */
void server_scrape(void *server); /* the gauges, before they are written */

/* banner.c */
void server_print_banner(struct server *s);

/* stop.c */
void server_stop_on_signals(struct server *s);

#endif
