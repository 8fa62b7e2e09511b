/* store.h - where statements are kept besides the memory of the server that runs them.
 *
 * Two stores: DuckDB files of this server (store_duckdb.c) and Redis, which
 * servers share (store_redis*.c). One contract suite for both, and for the room
 * with each type of storage. All of a store blocks: never on a loop. A record's
 * terminal state never changes; who comes second gets ERR_CONFLICT.
 *
 * ERR_UNAVAILABLE: the store cannot be reached, what was asked may have been
 * done or not; ERR_STORAGE: it is damaged or refuses, this record
 * alone is meant.
 */
#ifndef MAYFLY_STATEMENT_STORE_H
#define MAYFLY_STATEMENT_STORE_H

#include "statement/statement.h"
#include "sql/sql.h"

struct stmt_kept_part {
	int64_t stored, rows, row_bytes;
	bool gzip;
};
/* What is kept of a statement. Texts borrow. */
struct stmt_record {
	struct str handle, tenant, principal;
	struct str session_id;      /* empty: the default session */
	struct str request_id;      /* the correlation id of the call, for events */
	struct str owner;           /* server that runs it, "<id>/<incarnation>" */
	struct str claim;           /* key in the kv that its idempotency key claims; empty = none; kept, not read by stores */
	struct str sql, query_tag;
	struct str children;        /* handles, ID_LEN each; empty = none */
	bool snowflake, null_text, detached, several, status_shape;
	enum sql_kind kind;
	enum stmt_state state;
	int64_t created_ms, started_ms, completed_ms, expires_ms, ttl_ms, timeout_ms;
	struct stmt_error *error;   /* NULL = none */
	struct stmt_counts counts;
	struct str columns;         /* packed */
	int64_t rows, row_bytes;
	int nparts;
	const struct stmt_kept_part *parts;
	struct str first;           /* from find() only: bytes of partition 0 where they came along; empty: ask part() */
	const struct str *grants;   /* principals that may read it; "*" = all of the tenant */
	int ngrants;
};

struct stmt_store_key {
	struct str tenant;
	struct str session_id;      /* of a session that is cascaded; empty: default, or detached */
	struct str handle;
};
struct stmt_store_limits {      /* of live handles; <= 0 = none. ERR_TOO_MANY says which */
	int64_t tenant, session;
};
struct stmt_store_page {
	struct str tenant;          /* empty: all of the store (DuckDB, at start) */
	const struct stmt_filter *filter; /* NULL: everything, any order */
	const struct call *viewer;  /* NULL: all principals' */
};
typedef bool stmt_record_fn(void *arg, struct call *c, const struct stmt_record *r); /* false: enough */
/* Bytes of part i of a statement that ends; a reference. */
typedef bool stmt_bytes_fn(void *arg, struct call *c, int i, struct engine_bytes **ret);

struct stmt_store {
	const struct stmt_store_ops *ops;
};
struct stmt_store_ops {
	const char *name;
	bool shared;                /* other servers read and write it */
	/* SUBMITTED, durable when it returns. ERR_CONFLICT: the handle is there, or was dropped; ERR_QUOTA: the store lives and takes
	 * nothing for now: it is not there. */
	bool (*add)(struct call *c, struct stmt_store *s, const struct stmt_record *r, const struct stmt_store_limits *most);
	bool (*started)(struct call *c, struct stmt_store *s, const struct stmt_record *r); /* RUNNING; need not be durable */
	/* Its end: parts first, then the state by compare-and-set; adds it where it is not there (`add` was lost, or never came). All or
	 * nothing. ERR_CONFLICT: another end, or a drop, is there already; ERR_QUOTA: the store lives, and has no room for it. */
	bool (*end)(struct call *c, struct stmt_store *s, const struct stmt_record *r, stmt_bytes_fn *bytes, void *arg);
	/* ERR_NOT_FOUND, also when it was dropped; ERR_RESULT_EXPIRED past its time, as long as that is remembered, and to a client
	 * (a call with a tenant) only where it might have seen it. In the call's arena. */
	bool (*find)(struct call *c, struct stmt_store *s, const struct stmt_store_key *k, struct stmt_record *ret);
	/* ERR_STORAGE: missing. */
	bool (*part)(struct call *c, struct stmt_store *s, const struct stmt_record *r, int i, struct engine_bytes **ret);
	/* Newest first; lets fn see more than the filter's limit. What a record borrows lives as long as fn runs. */
	bool (*list)(struct call *c, struct stmt_store *s, const struct stmt_store_page *p, stmt_record_fn *fn, void *arg);
	bool (*grant)(struct call *c, struct stmt_store *s, const struct stmt_store_key *k, struct str principal, bool give);
	bool (*drop)(struct call *c, struct stmt_store *s, const struct stmt_store_key *k);     /* absent is fine */
	bool (*drop_session)(struct call *c, struct stmt_store *s, struct str tenant, struct str session_id); /* all of a session */
	void (*sweep)(struct stmt_store *s);  /* idempotent, from time to time: what is past its time, what dead owners left */
	void (*close)(struct stmt_store *s);
};

/* --- record.c: what has no column of its own, as one JSON text: kind, request id, claim, flags, ttl and timeout, counts, row
 * bytes, columns, parts and all of the error. Not in it: handle, tenant, session, principal, owner, SQL, state, times, grants,
 * `rows`. --- */
void stmt_metadata_text(const struct stmt_record *r, struct buf *out);
/* Over what is there, of which `handle`, `state` and `rows` must be filled already: parts and error are checked against them.
 * Everything is new in the call's arena. ERR_STORAGE: *ret is as it was. */
bool stmt_metadata_read(struct call *c, struct str text, struct stmt_record *ret) NODISCARD;

/* --- store_duckdb.c --- */
struct store_duckdb_options {
	struct engine *engine;      /* that runs nothing else */
};
struct stmt_store *stmt_store_duckdb(struct call *c, const struct store_duckdb_options *o) NODISCARD;

/* --- store_redis.c --- */
struct redis;
struct store_redis_options {
	struct redis *redis;
	struct str prefix;
	struct str server;          /* id of this server */
	int64_t tombstone_ms;       /* how long an expired or dropped handle is told from an unknown one */
	/* From messages of other servers; any thread, must not block; cancel() also from stmt_store_redis_renew(). */
	void (*cancel)(void *arg, struct str tenant, struct str handle);    /* somebody wants a statement of this server to end */
	/* This server found that its owner is gone, and ended it; in the call that found it. */
	void (*lost)(void *arg, struct call *c, const struct stmt_record *r);
	/* It ended, was dropped, or its grants changed, elsewhere; empty: messages may have been lost. */
	void (*changed)(void *arg, struct str tenant, struct str handle);
	void *arg;
};
struct stmt_store *stmt_store_redis(struct call *c, const struct store_redis_options *o) NODISCARD;
struct str stmt_store_redis_owner(struct stmt_store *s);      /* of this process, for records */
/* Asks the owner to cancel. ERR_NOT_FOUND when it has none that lives: then the record is FAILED by now. */
bool stmt_store_redis_cancel(struct call *c, struct stmt_store *s, const struct stmt_record *r) NODISCARD;
/* Renews the times to live of what this server runs, and its lease; blocks; every few seconds. */
void stmt_store_redis_renew(struct stmt_store *s);

#endif
