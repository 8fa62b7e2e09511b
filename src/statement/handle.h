/* handle.h - inside statement/: what a handle is made of.
 *
 * A million of finished handles fit in half a gigabyte: what only a running one
 * needs is in struct running, what only stores need in struct kept (kept.h).
 *
 * Locks, never two at once: a shard's lock guards the states, parts and watches
 * of its statements; `tenants_lock` the counts and lists by tenant and session.
 * A statement is in its shard's map (one reference) until forgotten; its lease
 * is cleared before that reference goes.
 */
#ifndef MAYFLY_STATEMENT_HANDLE_H
#define MAYFLY_STATEMENT_HANDLE_H

#include "sql/sql.h"
#include "statement/statement.h"

#include <pthread.h>

enum {
	SHARDS = 16,
	INLINE_RESULT_BYTES = 10 * 1024 * 1024, /* stored bytes; larger results are spooled */
	FIRST_PART_BYTES = 100 * 1024,
	PART_ENVELOPE = 64,                     /* bytes that a stored part may have around its row texts */
	PARTS_MAX = 1 << 18,                    /* of a result */
	TOMBSTONES = 100000,                    /* expired handles that are remembered */
	TOMBSTONE_MS = 24 * 3600 * 1000,
};

struct part {
	struct engine_bytes *bytes; /* NULL = in the spool file, or PART_KEPT */
	int64_t offset;             /* in the spool file; PART_KEPT: in a store alone */
	uint32_t stored, row_bytes, rows;
	bool gzip;
};
enum { PART_KEPT = -1 };
union stmt_parts { /* see stmt_parts() */
	struct part one, *many;
};

/* Packed columns; statements that have the same share them. */
struct columns {
	atomic_int refs;
	uint32_t n;
	bool formatted; /* see engine_columns_formatted() */
	char packed[];
};

struct tenant_use {
	char name[64];
	int64_t live, bytes;
	struct list statements; /* newest first */
};

struct session_use { /* of a session that has live handles */
	int64_t live;
	struct str id;
	char text[];
};

struct stmt_map {
	struct stmt **v; /* NULL = free */
	size_t cap;      /* a power of two, or 0 */
	size_t n;
};
struct stmt *stmt_map_get(const struct stmt_map *m, struct str handle); /* NULL when absent */
void stmt_map_put(struct stmt_map *m, struct stmt *st);
void stmt_map_del(struct stmt_map *m, const struct stmt *st);           /* absent is fine */
void stmt_map_close(struct stmt_map *m);

enum { LATEST = 16 };
struct shard {
	pthread_mutex_t lock;
	struct stmt_map map;
	struct columns *latest[LATEST]; /* the latest, by their hash */
};

/* What only one that runs needs. */
struct running {
	struct engine_task *task;
	struct stmt *child;         /* of a script: the statement that runs now; a reference */
	struct stmt_origins *origins; /* owned; NULL = the text runs as it is, or nothing is known */
	struct stmt_shape *shape;   /* owned; NULL = the usual one */
	int64_t timeout_ms;
	int64_t created_mono_ms;
	int64_t stored_bytes;
	int parts_cap;
	bool cacheable;             /* its result may be given again: under this key, while this is the version */
	uint64_t cache_version;
	unsigned char cache_key[SHA256_LEN];
	uint32_t request_n;
	char request[];             /* the correlation id of the call, for the event of its end */
};

/* Principals that may read it; replaced as a whole. */
struct stmt_grants {
	int n;
	struct str v[];
};

/* Handles of the statements of a multi-statement request, ID_LEN each. */
struct stmt_children {
	size_t n; /* bytes */
	char handles[];
};

struct stmt {
	atomic_int refs;
	uint8_t shard_at;           /* of the room's shards */
	bool foreign;               /* another server's, or found in Redis: a copy, in no map; see foreign.c */
	bool detached;              /* outlives the owner of its lease */
	bool several;               /* a script: its statements have handles of their own */
	bool snowflake, null_text;
	bool in_session;            /* shard lock from here: it is counted under its session's cap */
	bool expired, forgotten, spooling;
	bool counted;               /* has a place under the caps */
	bool withdrawn;             /* refused before it began: nobody got the handle, nothing counts it */
	bool ending;                /* how it ends is decided; with stores, `state` follows when they know */
	bool status_shape;          /* answers with a status text, not a counter */
	bool may_be_missing;        /* DROP IF EXISTS: an object that does not exist is no error */
	bool may_be_there;          /* CREATE IF NOT EXISTS: nor is one that does */
	bool forgiven;              /* it was so, and nothing has changed */
	uint8_t counting;           /* enum engine_counts */
	uint8_t kind;               /* enum sql_kind */
	uint8_t state;              /* enum stmt_state */
	int32_t ttl_s;
	int nparts;
	float progress;
	char handle[ID_LEN];
	struct statements *room;
	struct tenant_use *tenant;  /* set with its place */
	struct kept *kept;          /* its place in the stores; NULL = memory alone. See kept.h */
	struct running *run;        /* NULL once it has ended */
	struct list in_tenant;      /* tenants_lock */
	struct list in_memory;      /* tenants_lock: finished results with bytes in memory, oldest first */
	struct lease lease;         /* timeout while it runs, TTL and tombstone after; owned by the session's */
	int64_t created_ms, started_ms, completed_ms; /* wall */
	int64_t due_mono_ms;        /* of the lease */
	union stmt_parts parts;
	int64_t rows, row_bytes, memory_bytes, spooled_bytes;
	struct stmt_counts *counts; /* owned; NULL = all 0 */
	struct stmt_children *children; /* owned; NULL = none */
	struct columns *columns;      /* NULL = not known, or none */
	struct stmt_error *error;   /* owned */
	struct stmt_grants *grants; /* owned; NULL = none */
	struct watcher *watchers;
	uint32_t sql_n, principal_n, session_n, tag_n; /* lengths of the texts in tail */
	char tail[];
};

struct statements {
	struct statement_options o;
	struct shard shards[SHARDS];
	pthread_mutex_t tenants_lock;
	struct map tenants;         /* name -> struct tenant_use */
	struct map sessions;        /* id -> struct session_use */
	struct list in_memory;
	struct engine_bytes *no_rows; /* the part of every result without rows */
	char *spool_dir;
	_Atomic int64_t memory_bytes, spooled_bytes;
	_Atomic int64_t live, expired, active;
	_Atomic uint64_t submitted, ended[STMT_STATES];
	_Atomic uint64_t scripts;   /* how many there were: the number of the latest */
	atomic_bool closing;        /* nothing goes on but to its end */
	struct cache *cache;        /* NULL = results are not given again */
	struct keeping *keeping;    /* the stores; NULL = memory alone. See kept.h */
};

static inline struct str stmt_handle(const struct stmt *st)
{
	return (struct str){st->handle, ID_LEN};
}
static inline struct shard *stmt_shard(const struct stmt *st)
{
	return &st->room->shards[st->shard_at];
}
static inline void stmt_lock(struct stmt *st)
{
	pthread_mutex_lock(&stmt_shard(st)->lock);
}
static inline void stmt_unlock(struct stmt *st)
{
	pthread_mutex_unlock(&stmt_shard(st)->lock);
}
static inline struct str stmt_sql(const struct stmt *st)
{
	return (struct str){st->tail, st->sql_n};
}
static inline struct str stmt_principal(const struct stmt *st)
{
	return (struct str){st->tail + st->sql_n, st->principal_n};
}
static inline struct str stmt_session(const struct stmt *st)
{
	return (struct str){st->tail + st->sql_n + st->principal_n, st->session_n};
}
static inline struct str stmt_query_tag(const struct stmt *st)
{
	return (struct str){st->tail + st->sql_n + st->principal_n + st->session_n, st->tag_n};
}
static inline struct str stmt_children(const struct stmt *st) /* lives as long as a reference once it has succeeded */
{
	return st->children ? (struct str){st->children->handles, st->children->n} : (struct str){0};
}
static inline struct part *stmt_parts(const struct stmt *st) /* st->nparts of them; under the lock */
{
	return st->nparts > 1 ? st->parts.many : (struct part *)&st->parts.one;
}
static inline struct stmt_counts stmt_counts(const struct stmt *st) /* under the lock */
{
	return st->counts ? *st->counts : (struct stmt_counts){0};
}
static inline enum engine_form stmt_form(const struct stmt *st)
{
	return st->snowflake ? ENGINE_SNOWFLAKE : ENGINE_NATIVE;
}
/* Then what is stored is not yet what it is in Snowflake's form. */
static inline bool stmt_formatted(const struct stmt *st)
{
	return st->columns && st->columns->formatted;
}
static inline struct str stmt_columns(const struct stmt *st) /* lives as long as a reference once it is known */
{
	return st->columns ? (struct str){st->columns->packed, st->columns->n} : (struct str){0};
}
static inline int64_t stmt_expires_ms(const struct stmt *st)
{
	return st->completed_ms + st->ttl_s * INT64_C(1000);
}
/* Has it ended, or is it decided how? Under its lock. */
static inline bool stmt_over(const struct stmt *st)
{
	return st->ending || fsm_terminal(stmt_fsm, st->state);
}
static inline struct stmt *stmt_ref(struct stmt *st)
{
	atomic_fetch_add(&st->refs, 1);
	return st;
}

#endif
