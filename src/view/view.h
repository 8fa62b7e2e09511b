/* view.h - the door of view/: spaces, their tables, saved SQL with materialized views, SQL sessions.
 *
 * Everything lives in the store, in the layout of the contract (section 3);
 * any server on the same store serves any of it, and nothing in this process
 * is authoritative. A view is an Iceberg table: its commit decides which SQL is
 * in force. A session is a document that pins one snapshot. SQL runs in the
 * tenant's worker and sees the space's tables and views, and nothing else.
 *
 * Threads: any but a loop's: what is here reads the store and "blocks". What
 * needs the engine is an operation, which begins, and is watched.
 */
#ifndef MAYFLY_VIEW_H
#define MAYFLY_VIEW_H

#include "engine/engine.h"
#include "exec/exec.h"
#include "iceberg/iceberg.h"
#include "lifecycle/lifecycle.h"
#include "view/room.h"
#include "view/spaces.h"

struct view_op; /* reference-counted: something under way */

enum { VIEW_SQL_MAX = 100000, VIEW_NAME_MAX = 256, VIEW_ID_MAX = 63, VIEW_DEPTH_MAX = 16,
       VIEW_ROWS_DEFAULT = 50, VIEW_ROWS_MAX = 1000, VIEW_TTL_DEFAULT = 0 };

/* --- saved SQL --- */
enum view_state { VIEW_BUILDING, VIEW_READY, VIEW_PARAMETERIZED, VIEW_FAILED, VIEW_STATES };
extern const struct fsm_state view_fsm[VIEW_STATES];
struct view_variable {
	struct str name, type;           /* type: DuckDB's, "INTEGER" */
	bool has_default;
	struct str dflt;                 /* a JSON value */
};
struct saved_sql {
	struct str id, name, sql;
	const struct str *order_by;      /* as it was given */
	int norder;
	const struct view_variable *variables;
	int nvariables;
	struct str revision_id;
	int64_t created_ms, updated_ms;
	struct {
		enum view_state state;
		struct str error;        /* of the latest attempt, when it failed; empty = none */
		int64_t snapshot_id, snapshot_ms, rows; /* snapshot_id 0 = none yet */
		struct str schema_hash;
		int schema_version;
		struct str location;
	} view;
};
struct saved_ask {
	struct str space, id;            /* id: of an update; empty = a new one */
	struct str parent_revision_id;   /* of an update; empty = ERR_INVALID_FIELD */
	struct str name, sql;
	const struct str *order_by;
	int norder;
	const struct view_variable *variables;
	int nvariables;
	bool async;                      /* the operation ends when it is stored as building */
};
/* Validated, built, in force when the operation ends. ERR_SQL_INVALID (position), ERR_NOT_ALLOWED, ERR_REVISION_CONFLICT,
 * ERR_VIEW_FAILED (its rows could not be computed). */
bool view_save(struct call *c, struct views *v, const struct saved_ask *ask, struct view_op **ret) NODISCARD;
bool view_refresh(struct call *c, struct views *v, struct str space, struct str id, bool async, struct view_op **ret) NODISCARD;
bool view_saved_get(struct call *c, struct views *v, struct str space, struct str id, struct saved_sql *ret) NODISCARD;
bool view_saved_list(struct call *c, struct views *v, struct str space, struct view_page *page, struct saved_sql **ret,
		     int *ret_n) NODISCARD;
bool view_saved_drop(struct call *c, struct views *v, struct str space, struct str id) NODISCARD;

/* --- SQL sessions --- */
enum view_refresh_mode { VIEW_REFRESH_AUTO, VIEW_REFRESH_NEVER, VIEW_REFRESH_FORCE };
struct sql_session_ask {
	struct str space, sql_id, sql;   /* one of the two */
	const struct str *order_by;      /* norder -1: the view's */
	int norder;
	const json_node *variables;      /* an object; NULL = none */
	enum view_refresh_mode refresh;
	int64_t ttl_seconds;             /* or VIEW_TTL_DEFAULT */
	bool async;
};
bool view_session_open(struct call *c, struct views *v, const struct sql_session_ask *ask, struct view_op **ret) NODISCARD;
/* The document as clients see it, one JSON object. ERR_NOT_FOUND, ERR_SESSION_EXPIRED, ERR_VIEW_DELETED. */
bool view_session_get(struct call *c, struct views *v, struct str space, struct str id, struct buf *ret_json) NODISCARD;
bool view_session_drop(struct call *c, struct views *v, struct str space, struct str id) NODISCARD;
bool view_session_count(struct call *c, struct views *v, struct str space, struct str id, int64_t *ret) NODISCARD;

struct view_rows_ask {
	struct str space, session;
	int64_t offset, limit;           /* ERR_INVALID_FIELD, ERR_LIMIT_TOO_LARGE ("max_limit") */
};
/* A page: result.columns and result.parts, native form. */
bool view_rows(struct call *c, struct views *v, const struct view_rows_ask *ask, struct view_op **ret) NODISCARD;

/* All rows, a stretch after the other: no more than two stretches are in memory. */
struct view_stream;
bool view_stream_open(struct call *c, struct views *v, struct str space, struct str session, struct view_stream **ret) NODISCARD;
enum view_pull { VIEW_PULL_ROWS, VIEW_PULL_WAIT /* wake() will be called */, VIEW_PULL_END, VIEW_PULL_BROKEN };
/* The next rows as NDJSON are added to `into`. Never blocks; one thread at a time. wake(arg) may come from any thread, once
 * for each WAIT; drop(arg) follows it, also when it never comes. */
enum view_pull view_stream_pull(struct view_stream *s, struct buf *into, const struct watch *wake);
void view_stream_close(struct view_stream *s);

/* --- operations --- */
/* fn(arg) once, any thread, when it has ended; at once when it has. drop(arg) follows, also after unwatch. */
void view_op_watch(struct view_op *op, const struct watch *w);
void view_op_unwatch(struct view_op *op, const void *arg);
void view_op_unref(struct view_op *op); /* it goes on; its end is told to those who watch */
void view_op_cancel(struct view_op *op); /* a page that nobody waits for any more; others go on */
struct view_result {             /* lives as long as the operation; what it does not make is zero */
	struct saved_sql *saved;
	struct space_table *table;
	struct str session;      /* the document, as view_session_get() gives it */
	struct str columns;      /* packed */
	struct engine_bytes *const *parts; /* {"data":…} objects, plain */
	int nparts;
	int64_t rows, offset, limit;
};
bool view_op_result(struct call *c, struct view_op *op, struct view_result *ret) NODISCARD;

/* --- for the Iceberg REST catalog: tables are "{table}" and "view_{sql_id}" --- */
bool view_catalog_tables(struct call *c, struct views *v, struct str space, struct view_page *page, struct str **ret, int *ret_n) NODISCARD;
bool view_catalog_load(struct call *c, struct views *v, struct str space, struct str table, struct ice_table *ret) NODISCARD;

#endif
