/* room.h - part of the door of statement/: the room, opened and closed by main.
 *
 * Include statement/statement.h.
 */
#ifndef MAYFLY_STATEMENT_ROOM_H
#define MAYFLY_STATEMENT_ROOM_H

#include "base/base.h"
#include "engine/engine.h"
#include "exec/exec.h"
#include "kv/kv.h"
#include "lifecycle/lifecycle.h"

struct redis;
struct statements;

/* --- the room --- */
struct statement_caps {
	int64_t max_statements, result_bytes;
};
struct statement_options {
	struct engine *engine;
	struct exec_loop *loop;     /* the engine's */
	struct exec_pool *pool;
	struct kv *kv;              /* idempotency keys; with shared, those of all servers */
	struct kv *kv_local;        /* of this process: while degraded */
	struct engine *records;     /* an engine of its own for DuckDB tables; NULL = nothing is kept in them */
	struct redis *redis;        /* NULL: no servers share anything */
	struct str redis_prefix;
	struct str server;          /* id of this one */
	bool keep_local;            /* hybrid: what ended stays here as well */
	bool degrade;               /* hybrid: goes on without Redis; what was written meanwhile follows later */
	bool default_persistent;    /* statements without a session are kept in DuckDB tables, too */
	bool cache_results;
	bool log_sql;               /* events carry the text */
	struct lifecycle *lifecycle;
	struct events *events;      /* NULL = none are told */
	struct str data_dir;        /* spool/ below it is emptied at open */
	int64_t default_ttl_s, max_ttl_s;
	int64_t cleanup_ms;         /* between sweeps of the keys */
	int64_t max_result_bytes, max_part_rows, memory_bytes;
	int64_t max_per_session;    /* live handles of one named session: ERR_TOO_MANY beyond */
	int64_t max_children;       /* statements of one multi-statement request */
	bool create_missing;        /* databases and schemas that a request names are made when they are not there */
	bool whole_first;           /* the first partition holds a result under 10 MB */
	void (*caps)(void *arg, struct str tenant, struct statement_caps *ret);
	void *arg;
};
struct statement_stats {
	uint64_t live, expired, submitted, succeeded, failed, canceled;
	uint64_t memory_bytes, spooled_bytes;
	int64_t active;
	uint64_t owed;              /* handles that are not in Redis yet */
	uint64_t cache_hits, cache_misses;
	bool degraded;              /* Redis cannot be reached, and new statements are taken all the same */
	bool unavailable;           /* a store cannot be reached, and new statements are refused */
};
struct statements *statements_open(struct call *c, const struct statement_options *o) NODISCARD;
void statements_stats(struct statements *s, struct statement_stats *ret);
/* Nothing is submitted or running, nothing owed to a store; while one is away it may stay false. */
bool statements_idle(struct statements *s);
/* The session is gone: what is kept of its statements goes, those that a former process left as well. Any thread; soon. */
void statements_session_gone(struct statements *s, struct str tenant, struct str session_id);
/* Redis is reachable, or not any more: what was owed to it is written. Any thread, at once. */
void statements_redis_changed(struct statements *s, bool up);
void statements_cancel_all(struct statements *s); /* drain: what still runs ends as CANCELED */
void statements_close(struct statements *s);      /* the engine has stopped */

#endif
