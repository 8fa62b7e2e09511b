/* session.h - the door of session/: sessions with ephemeral tables.
 *
 * A session is a tenant's own tables for a while: a catalog of the engine, a
 * lease with two clocks, and a record in kv/ that says who may end it. It ends
 * once, however many ask (close, a client that left, the sweeper, a restart, a
 * shutdown, the tenant's removal): whoever moves the record from open to
 * closing counts, drops and publishes.
 *
 * Threads: any. What reaches the engine is an operation that is waited for by
 * watching it; what "blocks" waits for a disk.
 */
#ifndef MAYFLY_SESSION_H
#define MAYFLY_SESSION_H

#include "base/base.h"
#include "engine/engine.h"
#include "exec/exec.h"
#include "kv/kv.h"
#include "lifecycle/lifecycle.h"
#include "session/room.h"

struct session;    /* reference-counted */
struct session_op; /* reference-counted: something under way */

enum session_state { SESSION_OPENING, SESSION_OPEN, SESSION_CLOSING, SESSION_CLOSED, SESSION_STATES };
extern const struct fsm_state session_fsm[SESSION_STATES];

enum { SESSION_NAME_MAX = 24, SESSION_PHYSICAL_MAX = 63, SESSION_DISCONNECT_MS = 10000,
       SESSION_TIMEOUT_DEFAULT = INT32_MIN /* an hour, or the cap where that is less */ };

/* --- opening and finding --- */
struct session_ask {
	bool persistent;
	int64_t timeout_seconds;      /* 0 is expired at once; at most the tenant's cap; or SESSION_TIMEOUT_DEFAULT */
	int64_t idle_seconds;         /* -1 = none */
	bool close_on_disconnect;
	struct str labels;            /* a JSON object, as text */
};
/* Recorded, and `opened` published, before it returns. Blocks. ERR_NO_TENANT_BINDING, ERR_INVALID_FIELD, ERR_QUOTA.
 * The caller gets a reference. */
bool session_open(struct call *c, struct sessions *s, const struct session_ask *ask, struct session **ret) NODISCARD;
/* ERR_NO_SESSION (also other tenants' and principals'), ERR_SESSION_CLOSED, ERR_SESSION_EXPIRED, ERR_WRONG_SERVER. One
 * whose end failed half way is found while no attempt runs, so that it can be closed again: its view says closing. */
bool session_find(struct call *c, struct sessions *s, struct str id, struct session **ret) NODISCARD;
void session_touch(struct session *se);  /* it is used: moves the idle clock */
void session_unref(struct session *se);  /* NULL is fine */

struct session_view {                    /* texts live as long as the reference */
	struct str id, tenant, principal, labels;
	enum session_state state;
	bool persistent, close_on_disconnect;
	int64_t created_ms, expires_ms;  /* wall; expires_ms INT64_MAX = unbounded */
	int64_t timeout_seconds, idle_seconds; /* idle -1 = none */
	int64_t idle_expires_ms;         /* 0 = none */
	struct engine_usage usage;       /* as last told by the engine */
};
void session_view(struct session *se, struct session_view *ret);
struct session_filter {
	struct str after; /* ret_next of the page before; empty = from the start */
	int limit;
};
/* Open ones that the caller may see, oldest first, references; ret_next is empty on the last page. */
bool session_list(struct call *c, struct sessions *s, const struct session_filter *f, struct session ***ret, int *ret_n,
		  struct str *ret_next) NODISCARD;
/* Blocks. ERR_INVALID_FIELD beyond the tenant's cap. */
bool session_extend(struct call *c, struct session *se, int64_t timeout_seconds) NODISCARD;
/* A client holds its event stream, or lets go; the clock of close_on_disconnect. */
void session_hold(struct session *se);
void session_let_go(struct session *se);

/* --- what a statement inside the session needs --- */
struct session_scope {
	struct engine_catalog *catalog;  /* lives as long as the session's reference */
	struct lease_owner *owner;       /* of its statements */
	bool share;                      /* other sessions of the tenant may be named */
};
void session_scope(struct session *se, struct session_scope *ret); /* counts as use */

/* --- names --- */
/* 1 to 24 of letters, digits, `_`; not beginning with a digit or __eph_: ERR_INVALID_NAME, ERR_NAME_TOO_LONG (max). */
bool session_name_check(struct call *c, struct str name) NODISCARD;
struct str session_physical_id(struct arena *a, const struct session *se, struct str name); /* __eph_<32 hex>_<name> */
struct str session_table_ref(struct arena *a, const struct session *se, struct str name);   /* mutable.public."…" */

/* --- operations: they begin, and are watched --- */
struct session_column {
	struct str name, type;
	bool nullable;
};
struct session_table_ask {
	struct str name;
	const struct session_column *columns;
	int ncolumns;
	const struct str *key;           /* primary key */
	int nkey;
};
/* Checks in this order: duplicate, length, name, columns, key; then limits; then makes it. */
bool session_create_table(struct call *c, struct session *se, const struct session_table_ask *ask,
			  struct session_op **ret) NODISCARD;
bool session_describe(struct call *c, struct session *se, struct session_op **ret) NODISCARD;
bool session_fork(struct call *c, struct session *se, struct session_op **ret) NODISCARD;
/* Ends it as `closed`. ERR_SESSION_CLOSED when it is, or is being, ended by another. */
bool session_close(struct call *c, struct session *se, struct session_op **ret) NODISCARD;
/* Rows for a table; feed it, then watch. ERR_UNKNOWN_TABLE comes with the result. */
struct session_rows_ask {
	struct str table;
	enum engine_rows_format format;
	void (*room)(void *arg);         /* see engine_ingest */
	void *arg;
};
bool session_insert(struct call *c, struct session *se, const struct session_rows_ask *ask, struct engine_feed **ret_feed,
		    struct session_op **ret) NODISCARD;

/* fn(arg) once, any thread, when it has ended; at once when it has. drop(arg) follows, also after unwatch. */
void session_op_watch(struct session_op *op, const struct watch *w);
void session_op_unwatch(struct session_op *op, const void *arg);
void session_op_unref(struct session_op *op);
struct session_result {
	struct session *session;         /* it, or the new one of a fork; lives as long as the operation */
	struct engine_table_info *tables; /* of describe and close (what was dropped) */
	int ntables;
	int64_t rows;                    /* inserted, or deleted */
};
/* Of an operation that has ended: fails with its error, or gives what it made. ERR_DUPLICATE_TABLE, ERR_UNKNOWN_TABLE,
 * ERR_SCHEMA_MISMATCH, ERR_CONSTRAINT, ERR_QUOTA, ERR_PARTIAL_DELETION, ERR_STORAGE, ERR_SQL, … */
bool session_op_result(struct call *c, struct session_op *op, struct session_result *ret) NODISCARD;

#endif
