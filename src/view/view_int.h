/* view_int.h - inside view/.
 *
 *   api ─▶ saved.c  sessions.c  pages.c   upload.c  tables.c  spaces.c     what clients ask for
 *              │        │        │            │
 *              └── build.c ◀─────│────────────┘     a SELECT becomes a snapshot: read.c (what does it name?), sources.c
 *                   │            │                  (where is that?), then describe, export, put, commit
 *                   └─ iceberg/ store/ engine/      pages.c: pin ─▶ files ─▶ rows
 *
 * An operation is a chain of steps: each runs on the pool, may block on the
 * store, and ends by naming what comes next: another step, an engine's task,
 * or the end. No step waits for the engine.
 */
#ifndef MAYFLY_VIEW_INT_H
#define MAYFLY_VIEW_INT_H

#include "view/view.h"

#include <pthread.h>

/* --- view.c --- */
struct build;
struct session_doc;
struct views {
	struct views_options o;
	pthread_mutex_t lock;          /* the lists, the flights, and of each operation what its struct says */
	struct list ops;               /* that run */
	struct list stuck;             /* steps that the pool had no place for */
	struct map flights;            /* build.c's: views that are being refreshed */
	struct list sweeps;            /* what runs beside the operations: at most one of each of these */
	struct list sweeping, renewer, expirer;
	struct id process;             /* of this one; a server that is started again has another */
	struct list building;          /* attempts.c's */
	pthread_cond_t renewed;
	unsigned renewals;
	bool renew_again;              /* a round became due while one is under way */
	struct map deadlines;          /* deadlines.c's, by the session's id */
	struct list over;
	bool stopping;
	exec_fn *told;
	void *told_arg;
	atomic_ullong built, failed, sessions, pages, expired, snapshots_dropped, objects_dropped;
	struct memo *memo;             /* memo.c: made at first use; views_close() calls memo_close() */
	struct listings *listings;     /* files.c: made at first use; views_close() calls listings_close() */
	struct swept *swept;           /* sweep.c: made at first use; views_close() calls swept_close() */
	atomic_int streams;            /* that are open */
	int sweep_budget;              /* things that a pass looks at; 0 = sweep.c's own number */
};
void view_caps_of(struct views *v, struct str tenant, struct view_caps *ret);
int64_t views_late_ms(const struct views *v);        /* whoever began something this long ago has ended */
/* A snapshot may go when its successor is older: longest session + longest read + skew + grace. */
int64_t views_successor_age_ms(const struct views *v);
void views_leave(struct views *v, struct list *node); /* out of the list of what runs; a stop may be over, and the room gone */
bool views_leave_unless(struct views *v, struct list *node, bool *again); /* false: it was said to be done again, and is not left */

/* --- keys.c: of the call's tenant; no slash at the end of a prefix --- */
bool view_id_check(struct call *c, const char *what, struct str id) NODISCARD; /* ERR_INVALID_FIELD: as the contract's space_id */
struct str key_spaces(struct arena *a, struct str tenant);              /* "spaces" or "tenants/{tenant}/spaces" */
struct str key_space(struct call *c, struct str space, const char *rest); /* "spaces/{s}" and rest: "/meta.json", "/sql/", … */
struct str key_table(struct call *c, struct str space, struct str table);       /* …/tables/{name} */
struct str key_table_name(struct call *c, struct str space, struct str table);  /* …/table_names/{in lower case}: the table is there */
struct str key_saved(struct call *c, struct str space, struct str id);          /* …/sql/{id}.json */
struct str key_view(struct call *c, struct str space, struct str id);           /* …/materialized_views/{id} */
struct str key_view_meta(struct call *c, struct str space, struct str id);      /* …/materialized_views/{id}/meta.json */
struct str key_collecting(struct call *c, struct str space, struct str id);     /* …/materialized_views/{id}/collecting */
struct str key_session(struct call *c, struct str space, struct str id);        /* …/sql_sessions/{id}/meta.json */
/* A deletion leaves these until the sweep: a write that comes late brings nothing back. */
struct str key_saved_deleted(struct call *c, struct str space, struct str id);  /* …/sql/{id}.deleted */
struct str key_session_deleted(struct call *c, struct str space, struct str id); /* …/sql_sessions/{id}/deleted */
struct str key_file(struct arena *a, struct str prefix, struct str path);       /* of a table's file */
/* What a store lists below a prefix, first parts only ("a" of "…/a/b"), each once, behind `after`, at most `limit`. */
bool key_children(struct call *c, struct views *v, struct str prefix, struct view_page *page, struct str **ret, int *ret_n) NODISCARD;
bool space_check(struct call *c, struct views *v, struct str space) NODISCARD;  /* spaces.c: it is there: ERR_NOT_FOUND */
/* For the sweep, spaces.c: goes on with a deletion that was begun a while ago and not ended; nothing where there is none. */
bool space_finish_drop(struct call *c, struct views *v, struct str id) NODISCARD;
bool key_there(struct call *c, struct views *v, struct str key, bool *ret) NODISCARD; /* is there such an object? */
bool key_mark(struct call *c, struct views *v, struct str key) NODISCARD; /* an object that is there, with the time */
/* The whole object as a JSON object. ERR_NOT_FOUND, ERR_CORRUPT_TABLE naming it. */
bool view_read_json(struct call *c, struct views *v, struct str key, const json_node **ret) NODISCARD;

/* --- op.c --- */
typedef void op_step(struct view_op *op);
struct op_got { /* what the engine's task brought, in the operation's arena */
	struct engine_end end;
	struct str columns;            /* packed; of an export: the description of its files */
	struct engine_bytes **parts;   /* gzip where they are large, see op_got_plain(); released with the operation or by op_got_drop() */
	int nparts, room;
	bool export;
};
struct view_op {
	struct views *room;
	struct arena arena;
	struct call call;              /* who asked; its deadline is the build's; its cancel flag is `canceled`; its error is the operation's */
	atomic_int refs;
	op_step *next;
	struct op_got got;
	struct view_result result;
	void *state;                   /* of the file that began it; in the arena */
	struct build *build;           /* build.c's: the innermost */
	struct written *writing;       /* write.c's */
	struct upload_rows *uploading; /* upload_rows.c's */
	struct select_read *reading;   /* read.c's */
	void (*closing)(struct view_op *op); /* before the end is told, on success and failure: gives back what is held; may be NULL */
	struct lease lease;            /* until its deadline */
	atomic_bool canceled, late;    /* late: by its deadline */
	/* the room's lock */
	struct list node, in_stuck, waiting;
	struct watcher *watchers;
	bool over;
	struct engine_task *task;
	unsigned turn;                 /* tasks that have ended */
};
struct view_op *op_new(struct call *c, struct views *v);                       /* one reference for the caller, one for its run */
/* The first step, soon, on the pool. ERR_UNAVAILABLE: stopping, or the pool is full; the operation is gone, closing() was called. */
bool op_begin(struct call *c, struct view_op *op, op_step *first, struct view_op **ret) NODISCARD;
/* The last thing that a step does: exactly one of these. */
void op_step_next(struct view_op *op, op_step *next);
/* Tenant is filled in; op->got is there in `next`, which looks at got.end.outcome and calls op_fail_engine(). Where the task could
 * not begin, or the operation is canceled or late, no task was run and the call has the error already. */
void op_ask(struct view_op *op, const struct engine_ask *ask, op_step *next);
void op_export(struct view_op *op, const struct engine_export *x, op_step *next);
void op_end(struct view_op *op);                                               /* with the call's error, if it has one */
void op_got_drop(struct view_op *op);
bool op_got_plain(struct view_op *op) NODISCARD;                               /* its parts, which large ones are not at first */
/* Or this: with the room's lock held, which it gives back. The operation goes on with `next` when op_resume() is called with that
 * list, or when it is canceled or late. */
void op_wait(struct view_op *op, struct list *on, op_step *next);
void op_resume(struct views *v, struct list *on);                              /* all that wait on it; the lock is not held */
void op_deadline(struct view_op *op, int64_t after_ms);                        /* another than build_ms from its making; before or in a step */
/* Canceled or late: the call has the error. Between steps that take long. */
bool op_going(struct view_op *op) NODISCARD;
/* Runs the steps that the pool had no place for. */
void ops_run_stuck(struct views *v);
/* The first line of the engine's error, without the cache's paths in it. */
struct str op_engine_line(struct view_op *op);
/* The error of op->got.end, when it is one: `prefix` bytes stand before the client's SQL, `sql` is it as it runs, `client` as the
 * client wrote it.
 * Binder, parser and catalog errors: ERR_SQL_INVALID with the position; else ERR_VIEW_FAILED. Always returns false. */
bool op_fail_engine(struct view_op *op, struct str client, struct str sql, size_t prefix);

/* --- read.c: what a client's SELECT names --- */
enum { VIEW_COLUMNS_MAX = 4096 };
struct named_table {
	struct str name;
	int position;                  /* from 1, in the client's text; 0 = unknown */
};
struct select_read {
	struct str client;             /* set before: what the client wrote */
	struct named_table *tables;    /* each once, without regard to case */
	int ntables;
	void *inner;
};
/* The place (from 1, in characters) in what the client wrote of a byte of what runs; 0 = none. */
int read_position(struct arena *a, struct str client, struct str sql, int64_t at);
/* sql: with CAST($name AS type) or $name for variables; client: the same with {{name}}, for positions. First the gate, on this thread; then the worker's parser tells the tables; one SELECT, only
 * functions that read nothing. ret is there in `next`, where op->call may have an error: ERR_SQL_INVALID, ERR_NOT_ALLOWED. */
void read_select(struct view_op *op, struct str sql, struct select_read *ret, op_step *next);

/* --- write.c: rows of a SELECT as data files in the store, not yet committed --- */
struct written {
	struct str prefix;             /* of the table */
	const struct ice_schema *schema;
	struct str sql;                /* one SELECT of the server's making */
	struct str client, inner;      /* for errors: what the client wrote; what runs of it, behind `before` bytes of sql */
	size_t before;
	const struct engine_bind *binds;
	const struct str *bind_names;
	int nbinds;
	/* out */
	struct ice_file *files;
	int nfiles;
	int64_t rows, bytes;
	op_step *next;
};
void files_write(struct view_op *op, struct written *w, op_step *next); /* in `next` op->call may have an error; then nothing is left */
void files_unwrite(struct view_op *op, struct written *w);              /* the call's error stays */

/* --- sources.c: tables and views of a space by name --- */
struct source {
	struct str name;               /* as the SELECT names it */
	struct str sql_id;             /* of a view; empty = a table */
	struct entry *entry;           /* of a view */
	struct ice_table table;
	const struct ice_snapshot *snapshot;
	const struct ice_schema *schema;
	struct ice_file *files;
	struct str *paths;             /* in the cache, while held */
	struct store_held **held;
	int nfiles;
};
/* A table of that name, else the saved SQL of that name (ERR_SQL_INVALID when there are two), or "view_{sql_id}". Unknown:
 * ERR_SQL_INVALID with the position. */
bool source_find(struct call *c, struct views *v, struct str space, const struct named_table *named, struct source *ret) NODISCARD;
bool source_hold(struct call *c, struct views *v, struct source *s) NODISCARD;   /* its files into the cache */
void source_release(struct source *s);
/* `"name" AS NOT MATERIALIZED (SELECT … FROM read_parquet([…], schema = …))` */
void source_put_cte(struct buf *b, const struct source *s);

/* --- tables.c --- */
/* The name as it was given of a table that is there, without regard to case. ERR_NOT_FOUND. */
bool table_find(struct call *c, struct views *v, struct str space, struct str name, struct str *ret) NODISCARD;
struct table_mark {                    /* at key_table_name(): the table is there, or is being dropped */
	struct str name, id;           /* id: of this table, not of one of the same name before */
	int64_t deleting_ms;           /* wall; 0 = it is not */
};
bool table_mark_read(struct call *c, struct views *v, struct str space, struct str name, struct table_mark *ret) NODISCARD; /* ERR_NOT_FOUND */
bool table_mark_write(struct call *c, struct views *v, struct str space, const struct table_mark *m, enum store_put how) NODISCARD;
bool table_describe(struct call *c, const struct ice_table *t, struct str name, struct space_table *ret) NODISCARD;
/* For the sweep: goes on with a drop that was begun a while ago and not ended. `name` in any case. */
bool table_finish_drop(struct call *c, struct views *v, struct str space, struct str name) NODISCARD;

/* --- build.c: a SELECT becomes a snapshot of an Iceberg table --- */
struct pin { /* what a session keeps */
	int64_t snapshot_id, snapshot_ms, rows;
	int schema_version;            /* 1, and 1 more with every change of the columns */
	struct ice_schema schema;
	struct str manifest_list, location, schema_hash;
	bool ordered;                  /* the files are in the order below, one after the other */
};
struct build {
	struct str space, prefix;      /* prefix: of the table */
	const struct saved_sql *saved; /* the SQL that is in force with the commit */
	struct str sql;                /* what runs: bound.sql; a variable without a value is bound as NULL */
	struct str entry_json;         /* becomes PROP_SAVED with the commit; empty: a refresh, what is in force stays */
	const struct ice_table *table; /* as it was just now; NULL: it is looked at */
	bool unsaved;                  /* its entry is stored only after the commit; else: ERR_NOT_FOUND where it is gone by then */
	int64_t revision;              /* its number; the commit is refused (ERR_REVISION_CONFLICT) where a higher one, or another of this number, is */
	const struct engine_bind *binds; /* of its variables */
	const struct str *bind_names;
	int nbinds;
	struct str bindings;           /* canonical JSON of the values; empty = the defaults: the view itself */
	bool check_only;               /* nothing is built: `next` follows once the SELECT is known to be one over what is there */
	bool empty;                    /* no rows are computed: a view with a variable that has no value yet */
	enum view_refresh_mode mode;   /* AUTO: what is there will do when no source changed since; views among the sources are
	                                * looked at the same way first. NEVER: whatever is there will do */
	op_step *next;                 /* op->call may have an error; else: */
	struct pin pin;
	bool committed;                /* a new snapshot was made */
	void *inner;                   /* build.c's own */
};
void build_begin(struct view_op *op, struct build *b);
/* The pin of a snapshot that is there. */
bool build_pin(struct call *c, const struct ice_table *t, const struct ice_snapshot *s, struct pin *ret) NODISCARD;

/* Properties of a view's table: what is in force. */
#define PROP_SQL_ID "mayfly.sql-id"
#define PROP_REVISION "mayfly.revision"          /* a number, growing */
#define PROP_SAVED "mayfly.saved"                /* the entry, JSON, as at sql/{id}.json */
/* Properties of a snapshot. */
#define PROP_SOURCES "mayfly.sources"            /* {"table":{"name":[uuid, snapshot id]},…} */
#define PROP_BINDINGS "mayfly.bindings"
#define PROP_ORDERED "mayfly.ordered"            /* "true": the files, one after the other, are in the view's order */
#define PROP_SERVER "mayfly.server"
#define PROP_SCHEMA_VERSION "mayfly.schema-version" /* 1 more than the one before, where the columns are others */

/* --- entry.c --- */
struct attempt { /* attempts.c: a build that nobody waits for, in what says that it is being built */
	struct str id, server, process;
	int64_t until_ms;              /* wall; renewed by its process; 0 = nothing is being built */
};
struct entry { /* spaces/{s}/sql/{id}.json: there = the SQL is saved; the view's properties win over its text */
	struct saved_sql saved;
	int64_t revision;
	struct str principal;
	bool adhoc;                    /* of sessions with a text of their own; in no list */
	struct attempt attempt;
	int64_t building_from;         /* the snapshot when that began; when its builder is gone and there is a newer one, it ended well */
};
/* Ids of saved SQL are v7 UUIDs, those of ad-hoc entries v4: a listing tells them apart, entry.adhoc has the last word. */
bool entry_id_listed(struct str id);
bool entry_visible(const struct call *c, const struct entry *e); /* an ad-hoc one: to its own principal and admins */
/* One page of the saved SQL of a space, by id. */
bool entry_ids(struct call *c, struct views *v, struct str space, struct view_page *page, struct str **ret, int *ret_n) NODISCARD;
/* The object alone, without its table; NOT_FOUND. */
bool entry_read(struct call *c, struct views *v, struct str space, struct str id, struct entry *ret) NODISCARD;
/* Writes it, then looks whether it was deleted meanwhile: ERR_NOT_FOUND, and it is gone again. */
bool entry_store(struct call *c, struct views *v, struct str space, const struct entry *e, enum store_put how) NODISCARD;
/* {view}/meta.json, after a commit of the view itself; never fails: it is a hint. */
void view_meta_put(struct call *c, struct views *v, struct str space, const struct saved_sql *saved, const struct pin *pin);
/* What is told of a pinned snapshot in saved->view. */
void entry_set_view(struct saved_sql *saved, const struct pin *pin);
void entry_move(struct saved_sql *saved, enum view_state to); /* as view_fsm allows */
struct str *column_names(struct arena *a, const struct ice_schema *s);
struct str *texts_copy(struct arena *a, const struct str *v, int n); /* n below 0: none */
struct saved_sql saved_copy(struct arena *a, const struct saved_sql *s); /* all that it names lives in `a` */
bool entry_get(struct call *c, struct views *v, struct str space, struct str id, struct entry *ret, struct ice_table *ret_table) NODISCARD;
bool entry_exists(struct call *c, struct views *v, struct str space, struct str id) NODISCARD; /* ERR_NOT_FOUND */
bool entry_by_sql(struct call *c, struct views *v, struct str space, struct str sql, struct entry *ret, bool *ret_found) NODISCARD;
/* Names of the saved SQL of a space, for source_find(): ids of those called `name`, without regard to case. */
bool entry_by_name(struct call *c, struct views *v, struct str space, struct str name, struct str **ret_ids, int *ret_n) NODISCARD;
void entry_put(struct buf *b, const struct entry *e); /* its JSON */
/* For the sweep: one whose builder is gone says so from now on. *ret_settled: nobody builds it, now. ERR_NOT_FOUND. */
bool entry_settle(struct call *c, struct views *v, struct str space, struct str id, bool *ret_settled) NODISCARD;
bool entry_drop(struct call *c, struct views *v, struct str space, struct str id) NODISCARD; /* entry first, then the view; the sweep does it again before it drops the mark */

/* --- attempts.c --- */
enum { ATTEMPT_MS = 20000 /* without a renewal its builder is gone */, RENEW_MS = 7000 };
#define BUILDER_GONE "the server that built it has gone"
/* A new one of this process, renewed until attempt_end(), in the entry and in the session's document (either may be empty) that say
 * so. Lives as long as the call's arena. */
struct attempt attempt_begin(struct call *c, struct views *v, struct str space, struct str sql_id, struct str session);
/* No renewal is under way when it returns, and none comes: before what says how the build ended is written. Unknown: nothing. */
void attempt_end(struct views *v, struct str id);
void attempt_forget(struct views *v, struct str id);   /* the same, and from now on it is gone */
/* Of this process: it is not known here. Of this server before it was started again: at once. Of another: its time is over. */
bool attempt_gone(struct views *v, const struct attempt *a, int64_t slack_ms);
void attempt_put(struct json_out *o, const struct attempt *a);  /* fields of an object */
bool attempt_read(struct call *c, const json_node *o, struct attempt *ret) NODISCARD;
void attempts_renew(void *views);                      /* on the loop, each RENEW_MS */

/* --- deadlines.c: the document that was just stored, and is known to nobody yet --- */
enum { DEADLINES_MS = 1000 };
void deadline_set(struct call *c, struct views *v, const struct session_doc *doc);
void deadline_ended(struct views *v, struct str session); /* it was dropped; unknown: nothing */
void deadlines_tick(void *views);                      /* on the loop, each DEADLINES_MS */
void deadlines_close(struct views *v);

/* --- saved.c: may it be saved? ERR_SQL_INVALID; ERR_INVALID_FIELD --- */
bool saved_check(struct call *c, struct str sql, const struct view_variable *variables, int n) NODISCARD;
bool order_check(struct call *c, const struct str *v, int n) NODISCARD; /* the items alone, not whether there are such columns */

/* --- memo.c: what this process remembers of the store: only ever a reason not to look --- */
struct memo_entry {
	unsigned char sql[SHA256_LEN], name[SHA256_LEN]; /* name: in lower case */
};
void memo_close(struct views *v);
bool memo_get(struct views *v, const struct store_entry *at, struct memo_entry *ret);
void memo_put(struct views *v, const struct store_entry *at, const struct memo_entry *e); /* not what was changed just now */
/* One SQL session more of the space: ERR_QUOTA. Counted in the store now and then, so other servers' count late. */
bool memo_session(struct call *c, struct views *v, struct str space) NODISCARD;

/* --- variables.c --- */
/* Declared and used agree, types are known, defaults fit: ERR_SQL_INVALID. ret_sql: with $name. */
bool variables_check(struct call *c, struct str sql, const struct view_variable *v, int n, struct str *ret_sql) NODISCARD;
struct bound {
	struct str sql;                /* with CAST($name AS type) */
	struct engine_bind *binds;
	struct str *names;
	int n;
	struct str canonical;          /* "" when all are the defaults */
	bool missing;                  /* one has neither a value nor a default */
};
bool variables_bind(struct call *c, struct str sql, const struct view_variable *v, int n, const json_node *values, struct bound *ret) NODISCARD;

/* --- sessions.c, session_doc.c --- */
struct session_doc {
	struct str id, space, sql_id, sql, status, error, owner;
	int64_t created_ms, expires_ms;
	struct pin pin;
	const struct str *order_by;    /* with the tie-breaker */
	int norder;
	bool own_order;                /* not the order of the files */
	int64_t count, counted_ms;     /* counted_ms 0 = not yet */
	struct str variables;          /* canonical JSON */
	struct attempt attempt;
	bool adhoc;                    /* its SQL entry is its own */
};
void session_doc_json(struct buf *b, const struct session_doc *d, bool stored); /* stored: with the `_` fields */
#define TIE_BREAKER "$position"
/* Reads and checks it: principal, expiry (drops it), deletion of its SQL. ERR_NOT_FOUND, ERR_SESSION_EXPIRED, ERR_VIEW_DELETED. */
bool session_doc_get(struct call *c, struct views *v, struct str space, struct str id, struct session_doc *ret) NODISCARD;
bool session_doc_read(struct call *c, struct views *v, struct str key, struct session_doc *ret) NODISCARD; /* unchecked, for the sweep */
/* As session_doc_get(), but also of one whose SQL is gone. */
bool session_doc_mine(struct call *c, struct views *v, struct str space, struct str id, struct session_doc *ret) NODISCARD;
bool session_doc_put(struct call *c, struct views *v, const struct session_doc *d, enum store_put how) NODISCARD;
/* Drops one that is over, and tells it, unless another was first. */
bool session_doc_expire(struct call *c, struct views *v, const struct session_doc *d) NODISCARD;
bool session_doc_drop(struct call *c, struct views *v, struct str space, struct str id) NODISCARD;

/* --- files.c: data files of pinned snapshots; what was read of manifests is kept, by bytes: they never change --- */
struct listed {
	struct str path;               /* below the table's prefix */
	int64_t rows, bytes, before;   /* before: rows of the files before it */
};
struct listing {
	const struct listed *v;
	int n;
	int64_t rows, bytes;
};
/* Lives as long as the call's arena. ERR_NOT_FOUND, ERR_CORRUPT_TABLE. */
bool listing_get(struct call *c, struct views *v, struct str prefix, const struct pin *pin, struct listing *ret) NODISCARD;
int listing_find(const struct listing *l, int64_t row); /* the file that has it; n when it is past the end */
void listings_close(struct views *v);

/* --- pages.c --- */
struct page_ask {
	struct str space, session;
	int64_t offset, limit, max_bytes; /* ERR_RESULT_TOO_LARGE beyond max_bytes */
};
bool page_sorts(const struct session_doc *d); /* each page sorts all rows */
bool page_begin(struct call *c, struct views *v, const struct page_ask *ask, struct view_op **ret) NODISCARD;
/* The document of a session whose rows can be read. Besides the errors of session_doc_get: ERR_NOT_FINISHED, ERR_VIEW_FAILED. */
bool session_ready(struct call *c, struct views *v, struct str space, struct str id, struct session_doc *ret) NODISCARD;
/* What a snapshot that is not there any more means to its session: always false, with an error. */
bool session_lost(struct call *c, struct views *v, struct str space, struct str id);

/* --- sweep.c, sweep_space.c: views_sweep() ends early when the room stops --- */
enum { STALE_MS = 3600 * 1000 }; /* what nobody owns goes when it was not written to for this long */
struct sweep {
	struct views *v;
	struct call call;              /* of the space's tenant; its arena is the space's */
	int left;                      /* things to look at before this pass ends */
	int64_t late_ms, stale_ms;     /* by then whoever began something has ended; STALE_MS, or longer */
};
bool sweep_going(struct sweep *s);
/* Logs the call's error, if there is one, and forgets it. */
void sweep_failed(struct sweep *s, struct str space, const char *what);
void sweep_space(struct sweep *s, struct str space);
/* Of these the SQL that is the own of sessions which are over: collected, where no session uses it. Never fails: the sweep comes. */
void sweep_own_sql(struct call *c, struct views *v, struct str space, const struct str *ids, int n);
struct sweep sweep_open(struct call *c, struct views *v);
/* The call's results live in `a` from now on; what they lived in before. A table may be large, and there may be many. */
struct arena *sweep_arena(struct sweep *s, struct arena *a);
/* What SQL the session has whose document was read before, and is not over. Any thread, as the next two. */
bool sweep_knows(struct sweep *s, struct str key, struct str *ret_sql_id);
void sweep_learn(struct sweep *s, struct str key, const struct session_doc *d);
/* Nobody built what is in this entry when it was looked at, and it was not changed since. */
bool sweep_knows_settled(struct sweep *s, const struct store_entry *e);
void sweep_learn_settled(struct sweep *s, const struct store_entry *e);
void swept_close(struct views *v);

/* --- events.c: posted, never waited for --- */
enum view_event { VIEW_E_CREATED, VIEW_E_UPDATED, VIEW_E_REFRESHED, VIEW_E_FAILED, VIEW_E_DELETED, VIEW_E_TABLE_WRITTEN, VIEW_E_TABLE_DELETED,
		  VIEW_E_SESSION_OPENED, VIEW_E_SESSION_CLOSED, VIEW_E_SESSION_EXPIRED, VIEW_E_SPACE_CREATED, VIEW_E_SPACE_DELETED, VIEW_EVENTS };
struct view_told {
	enum view_event event;
	struct str space, id;          /* of the view, table or session */
	int64_t snapshot_id, rows, duration_ms; /* -1 = not told */
	struct str error;              /* err_code() of a failure, no text: that may hold values; empty = none */
};
void view_tell(struct views *v, const struct call *c, const struct view_told *t);

#endif
