/* statement_int.h - inside statement/.
 *
 * Locks, never two at once: a shard's lock guards the states, parts and watches
 * of its statements; `tenants_lock` the counts and lists by tenant and session.
 * A statement is in its shard's map (one reference) until forgotten; its lease
 * is cleared before that reference goes.
 */
#ifndef MAYFLY_STATEMENT_INT_H
#define MAYFLY_STATEMENT_INT_H

#include "rows/rows.h"
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
	struct engine_bytes *bytes; /* NULL = spooled */
	int64_t offset;             /* in the spool file */
	int64_t stored, rows, row_bytes;
	bool gzip;
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

struct shard {
	pthread_mutex_t lock;
	struct map map; /* handle -> struct stmt */
};

struct stmt {
	atomic_int refs;
	struct statements *room;
	struct shard *shard;
	struct tenant_use *tenant;
	struct session_use *session; /* while it is counted; NULL = no named session */
	struct list in_tenant;      /* tenants_lock */
	struct list in_memory;      /* tenants_lock: finished results with bytes in memory, oldest first */
	struct lease lease;         /* timeout while it runs, TTL and tombstone after; owned by the session's */
	char handle[ID_LEN];
	bool detached;              /* outlives the owner of its lease */
	/* shard lock from here */
	bool snowflake, null_text, expired, forgotten, spooling;
	bool counted;               /* has a place under the caps */
	bool withdrawn;             /* refused before it began: nobody got the handle, nothing counts it */
	bool status_shape;          /* answers with a status text, not a counter */
	bool may_be_missing;        /* DROP IF EXISTS: an object that does not exist is no error */
	enum engine_form form;
	enum engine_counts counting;
	enum sql_kind kind;
	enum stmt_state state;
	struct engine_task *task;
	int64_t created_ms, started_ms, completed_ms, expires_ms; /* wall */
	int64_t created_mono_ms, timeout_ms, ttl_ms;
	int64_t due_mono_ms;        /* of the lease */
	float progress;
	int nparts, parts_cap;
	struct part *parts;
	int64_t rows, row_bytes, stored_bytes, memory_bytes, spooled_bytes;
	struct stmt_counts counts;
	struct str columns;         /* owned */
	struct stmt_error *error;   /* owned */
	struct watcher *watchers;
	struct str sql, principal, session_id, request_id; /* in tail; request_id: the caller's, for events */
	char *tail;
};

struct statements {
	struct statement_options o;
	struct shard shards[SHARDS];
	pthread_mutex_t tenants_lock;
	struct map tenants;         /* name -> struct tenant_use */
	struct map sessions;        /* id -> struct session_use */
	struct list in_memory;
	char *spool_dir;
	_Atomic int64_t memory_bytes, spooled_bytes;
	_Atomic int64_t live, expired, active;
	_Atomic uint64_t submitted, ended[STMT_STATES];
};

static inline struct str stmt_handle(const struct stmt *st)
{
	return (struct str){st->handle, ID_LEN};
}
static inline void stmt_lock(struct stmt *st)
{
	pthread_mutex_lock(&st->shard->lock);
}
static inline void stmt_unlock(struct stmt *st)
{
	pthread_mutex_unlock(&st->shard->lock);
}
static inline struct stmt *stmt_ref(struct stmt *st)
{
	atomic_fetch_add(&st->refs, 1);
	return st;
}

/* compile.c: SQL text to what an engine runs */
struct compiled {
	struct engine_ask ask;
	struct sql_class class;
};
/* ret->class is known also for many that fail. */
bool stmt_compile(struct call *c, const struct stmt_ask *ask, struct compiled *ret) NODISCARD;
/* The catalog of a session, "__eph_<32 hex>". */
struct str stmt_catalog_name(struct arena *a, struct str session_id);
/* The client's tokens with the names of its session put in. */
struct stmt_scoped {
	struct sql_rewrite rewrite;
	struct sql_tokens tokens;   /* of rewrite.text */
	struct sql_span span;
	bool moved;                 /* the text is another one */
};
bool stmt_scoped(struct call *c, const struct sql_tokens *t, struct sql_span span, const struct sql_scope *scope,
		 struct stmt_scoped *ret) NODISCARD;
static inline bool stmt_drops_if_exists(const struct sql_class *k)
{
	return k->kind == SQL_DROP && k->if_exists && k->leaf.n > 0;
}

/* errors.c: what clients are told */
struct stmt_error *stmt_error_of_call(const struct call *c); /* a failed compile */
struct stmt_error *stmt_error_of_engine(struct stmt *st, const struct engine_end *end);
bool stmt_error_is_missing(const struct engine_end *end); /* the object of the statement does not exist */
struct stmt_error *stmt_error_simple(enum err_kind kind, int64_t timeout_ms);

/* life.c: the one owner of every move */
bool stmt_started(struct stmt *st);
/* Moves to a terminal state, wakes, starts the TTL; takes `error`. False when it had ended. */
bool stmt_end(struct stmt *st, enum stmt_state to, struct stmt_error *error);
void stmt_changed(struct stmt *st); /* fires on_change watches */
void stmt_expire(struct stmt *st);

/* run.c: the engine's listener */
extern const struct engine_listener stmt_listener;

/* told.c */
void stmt_tell(struct stmt *st); /* posts the event of its end */

/* shapes.c: result of statements that have none of their own (specification, section 10) */
void stmt_shape_counter(struct stmt *st, int64_t n);
void stmt_shape_status(struct stmt *st, bool missing); /* missing: DROP IF EXISTS found nothing */

/* results.c */
bool stmt_add_part(struct stmt *st, const struct engine_part *p); /* takes p->bytes */
void stmt_results_done(struct stmt *st);  /* after success: spool what must be */
void stmt_drop_results(struct stmt *st);  /* shard lock not held */
/* A reference to the bytes of partition i as stored. Blocks when it is spooled. */
bool stmt_stored_part(struct call *c, struct stmt *st, int i, struct engine_bytes **ret, bool *ret_gzip) NODISCARD;

/* serve.c: partition i of a finished statement, plain; blocks */
struct plain_part {
	struct str text; /* borrows from the two below */
	struct engine_bytes *stored;
	struct buf plain;
};
bool plain_part_open(struct call *c, struct stmt *st, int i, struct plain_part *ret) NODISCARD; /* ret is empty, but for memory */
void plain_part_close(struct plain_part *p); /* keeps the memory of `plain` for the next one */
void plain_part_drop(struct plain_part *p);

/* convert.c: partition i in `form` as {"data":[…]}, plain; blocks */
bool stmt_part_as(struct call *c, struct stmt *st, int i, enum engine_form form, struct buf *ret) NODISCARD;

/* places.c: handles under the caps of tenant and session */
bool stmt_take_place(struct call *c, struct stmt *st) NODISCARD; /* or says which cap is full */
bool stmt_leave_place(struct stmt *st);                          /* false: it had none any more */
void stmt_places_close(struct statements *s);

/* statement.c */
void stmt_due(struct stmt *st, int64_t due_mono_ms); /* nothing for a forgotten one */

#endif
