/* room.h - part of view/'s door: the room itself. */
#ifndef MAYFLY_VIEW_ROOM_H
#define MAYFLY_VIEW_ROOM_H

#include "engine/engine.h"
#include "exec/exec.h"
#include "lifecycle/lifecycle.h"
#include "store/store.h"

struct views;

struct view_caps { /* of one tenant */
	int64_t spaces, tables, saved, sql_sessions; /* spaces: of the tenant; tables, saved, sql_sessions: of a space */
	int64_t view_bytes;                          /* of one table or view, compressed */
};
struct views_options {
	struct store *store;             /* shared with other servers */
	struct store_cache *cache;
	struct engine *engine;
	struct lifecycle *lifecycle;     /* for the sweep; NULL: views_sweep() is the caller's business */
	struct events *events;           /* NULL = none */
	struct exec_pool *pool;
	struct str server;               /* id of this server */
	int64_t default_ttl_s, max_ttl_s;      /* of SQL sessions */
	int64_t build_ms;                /* longest build or read */
	int64_t skew_ms, grace_ms;       /* between servers' clocks; beyond all bounds */
	int64_t sweep_ms;
	int64_t file_bytes, page_bytes;
	void (*caps)(void *arg, struct str tenant, struct view_caps *ret);
	void *arg;
};
struct views *views_open(struct call *c, const struct views_options *o) NODISCARD;
bool views_idle(struct views *v);  /* no operation runs, no stream is open */
/* Nothing begins any more; what runs is canceled. Before the engine stops. told(arg) when nothing runs. */
void views_stop(struct views *v, exec_fn *told, void *arg);
void views_close(struct views *v);
void views_sweep(struct call *c, struct views *v); /* one pass over every tenant's spaces; blocks */

struct views_stats {
	uint64_t built, failed, sessions, pages, expired, snapshots_dropped, objects_dropped;
};
void views_stats(struct views *v, struct views_stats *ret);

#endif
