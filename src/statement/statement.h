/* statement.h - the door of statement/: handles of running and finished SQL.
 *
 * A handle names one statement through its life: submitted, running, and then
 * for its TTL the result. One function moves its state, by the table stmt_fsm;
 * terminal states never change. Results are partitions of encoded bytes, in
 * memory or spooled to files.
 *
 * Knows nothing of HTTP. Threads: any; what may read a file says "blocks".
 */
#ifndef MAYFLY_STATEMENT_H
#define MAYFLY_STATEMENT_H

#include "base/base.h"
#include "engine/engine.h"
#include "exec/exec.h"
#include "kv/kv.h"
#include "lifecycle/lifecycle.h"
#include "statement/results.h"
#include "statement/room.h"

struct stmt; /* reference-counted */

enum stmt_state { STMT_SUBMITTED, STMT_RUNNING, STMT_SUCCEEDED, STMT_FAILED, STMT_CANCELED, STMT_STATES };
extern const struct fsm_state stmt_fsm[STMT_STATES];

/* Why it failed, for both surfaces. Texts live with the statement. */
struct stmt_error {
	enum err_kind kind;       /* err_code(kind) is the native code */
	struct str text;          /* natively */
	struct str snowflake;     /* on /api/v2 */
	char sqlstate[6];
	char native[8];           /* Snowflake's six digits */
	int position;             /* 1-based byte in the SQL, 0 = unknown */
};

/* --- submitting --- */
struct stmt_bind {
	struct str name; /* "1", "2", … or the name */
	enum engine_bind_type type;
	struct str value;
	const struct str *values; /* of a batch: ask.batch of them, p NULL = NULL; else NULL */
};
struct stmt_parameters {       /* of the request and of ALTER SESSION */
	struct str timezone, query_tag;
	struct str formats[ENGINE_FORMATS]; /* the wire text of a type; empty = the usual */
	int64_t rows_per_resultset; /* 0 = all */
};
struct stmt_context {          /* Snowflake surface: exact names first, then in upper case; empty = MAYFLY, PUBLIC, none, none */
	struct str database, schema, warehouse, role;
};
struct stmt_scope {            /* of a named session; zeroed = the principal's default session */
	struct str session_id;
	struct engine_catalog *catalog;
	struct lease_owner *owner; /* the statement ends, and is forgotten, with it: ERR_SESSION_CLOSED when it is over */
	bool share;                /* other sessions of the tenant may be named */
	bool persistent;           /* the session's storage: its statements survive the process */
	bool detached;             /* owner is for running only: the handle outlives it */
};
struct stmt_ask {
	struct str sql;
	bool snowflake;            /* dialect, form and errors of /api/v2; else DuckDB's */
	const struct stmt_bind *binds;
	int nbinds;
	int64_t batch;             /* rows of array binds; 0 = none */
	struct stmt_parameters parameters;
	struct stmt_context context;
	bool null_text;
	bool retry;                /* request_id may have been seen: then that handle is the answer */
	struct str request_id;     /* idempotency key; empty = none */
	int64_t statements;        /* how many the text must hold, 0 = any; natively it is one */
	int64_t timeout_ms;        /* 0 = none */
	int64_t ttl_seconds;       /* -1 = default; clamped to the maximum */
	bool read_only;            /* one SELECT, else ERR_READ_ONLY */
	bool no_cache;             /* USE_CACHED_RESULT = false */
	const struct err *refused; /* what is wrong with what came beside the text: the statement fails of it; NULL = nothing */
	struct stmt_scope scope;
};
/* Do submitting, finding and listing touch a store? Then they block, and are called on a pool. Where this is false,
 * submitting into a persistent session blocks all the same. */
bool statements_block(const struct statements *s);
bool statement_blocks(const struct stmt *st); /* does canceling, forgetting or granting it touch a store? */
/* The statement is recorded (durably, where its storage is) and on its way, or FAILED already (SQL that cannot be
 * compiled). Fails for an empty statement, a full tenant, a store that cannot be reached, and natively for what the gate
 * refuses. The caller gets a reference. */
bool statement_submit(struct call *c, struct statements *s, const struct stmt_ask *ask, struct stmt **ret) NODISCARD;

/* --- looking --- */
/* ERR_NOT_FOUND also for other tenants' and principals'; ERR_RESULT_EXPIRED past its TTL. */
bool statement_find(struct call *c, struct statements *s, struct str handle, struct stmt **ret) NODISCARD;
/* May the caller only read it, by a grant? Cancel, forget and grants are for its own principal and admins. */
bool statement_granted(const struct call *c, struct stmt *st);
void statement_unref(struct stmt *st); /* NULL is fine */

struct stmt_counts {
	int64_t inserted, updated, deleted;
};
enum { STMT_CHILDREN_MAX = 100000 }; /* snowflake_api.max_multi_statements is at most this */
struct stmt_view { /* one consistent look; texts live as long as the reference */
	struct str handle, tenant, session_id, sql;
	enum stmt_state state;
	int64_t created_ms, started_ms, completed_ms, expires_ms; /* wall; 0 = not yet */
	double progress;          /* 0..1, or -1 */
	enum engine_form form;    /* of the stored partitions */
	struct str columns;       /* packed, see engine_columns(); final once SUCCEEDED */
	int parts;
	int64_t rows, row_bytes;  /* of the result */
	struct stmt_counts counts;
	struct str children;      /* handles of the statements of a multi-statement request, ID_LEN each, once SUCCEEDED; else empty */
	struct str query_tag;
	const struct stmt_error *error; /* FAILED and CANCELED */
};
void statement_view(struct stmt *st, struct stmt_view *ret);

/* fn(arg) once, from any thread, when the statement ended or (on_change) when anything changed;
 * drop(arg) always follows, also after statement_unwatch. Fires at once when it has ended. */
void statement_watch(struct stmt *st, const struct watch *w);
void statement_unwatch(struct stmt *st, const void *arg);

struct stmt_filter {
	struct str session_id;    /* empty = any */
	int state;                /* -1 = any */
	int64_t since_ms, until_ms; /* of created; 0 = open */
	struct str after;         /* a handle; empty = from the newest */
	int limit;
};
/* Newest first, references; ret_next is empty on the last page. */
bool statement_list(struct call *c, struct statements *s, const struct stmt_filter *f, struct stmt ***ret, int *ret_n,
		    struct str *ret_next) NODISCARD;

/* Lets a principal of the tenant ("*": all) read the result, or takes that back (absent is fine). ERR_TOO_MANY beyond
 * STMT_GRANTS_MAX; ERR_INVALID_FIELD for no name. */
enum { STMT_GRANTS_MAX = 100, STMT_PRINCIPAL_MAX = 256 };
bool statement_grant(struct call *c, struct stmt *st, struct str principal, bool give) NODISCARD;

/* --- ending --- */
/* Nothing when it has ended. One that another server runs is told to end there: soon. */
bool statement_cancel(struct call *c, struct stmt *st) NODISCARD;
bool statement_forget(struct call *c, struct stmt *st) NODISCARD; /* cancels, and the handle is unknown from now on */
/* The same without waiting for a store, for who cannot be told that it failed. Never block. */
void statement_cancel_soon(struct stmt *st);
void statement_forget_soon(struct stmt *st);

#endif
