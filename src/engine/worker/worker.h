/* worker.h - inside the worker side of engine/: one process, one tenant's DuckDB.
 *
 *   fd 3 ──▶ executor ──▶ session ──▶ DuckDB    an executor is one thread that takes
 *            executor       (connection, cache)  a statement, runs it, answers it
 *            executor ──▶ parts ──▶ fd 3
 *   fd 4 ──▶ control: cancels, acknowledgements, progress, how many threads DuckDB gets
 *
 * Only worker/ and functions/ include duckdb.h. Everything from the server is checked for
 * bounds; a packet that is not well-formed ends the process.
 */
#ifndef MAYFLY_ENGINE_WORKER_H
#define MAYFLY_ENGINE_WORKER_H

#include "engine/engine.h"
#include "engine/json_text.h" /* engine/worker/json.c */
#include "engine/wire.h"

#include <duckdb.h>
#include <pthread.h>

enum {
	WORKER_CACHE = 64,                /* prepared statements a session keeps */
	WORKER_CACHE_SQL = 16 * 1024,     /* longer texts are not kept */
	WORKER_EARLY = 256,               /* cancels remembered before their statement was picked up */
	WORKER_ZONE = 64,                 /* length of a time zone's name */
	WORKER_TEXT_MAX = WIRE_BODY_MAX / 2, /* row text of one partition, whatever the limits say */
	WORKER_EXIT_BAD_PACKET = 2,
	WORKER_EXIT_FATAL = 3,
};

/* --- worker.c: options, executors, control --- */
struct worker_options {
	const char *dir;
	const char *samples; /* load these and exit */
	const char *cache;   /* a folder to read from, absolute; NULL = none */
	int64_t memory, temp;
	uid_t uid;           /* 0 = stay */
	int threads, concurrent, databases;
	bool require_sandbox, no_rlimit_as;
	bool records;        /* keeps files of the server's own, and nothing else */
};
struct worker;
struct executor;

/* --- samples.c, uid.c --- */
int worker_load_samples(const char *dir); /* an exit code */
bool worker_become(uid_t uid) NODISCARD;  /* with the tenant's folder */

/* --- sandbox.c --- */
struct sandbox {
	bool landlock, seccomp, rlimits;
};
/* Rlimits, no_new_privs and Landlock: before any thread exists, in the tenant's folder. */
void sandbox_enter(const struct worker_options *o, struct sandbox *ret);
/* The system call filter, for all threads: after DuckDB is open. */
void sandbox_seal(struct sandbox *ret);

/* --- how a statement failed --- */
struct task {
	uint64_t id;
	struct call call;      /* its arena is the statement's memory */
	struct engine_ask ask;
	struct wire_catalog scope; /* where it runs; no name: the tenant's database alone */
	struct catalog *catalog;   /* entered */
	struct engine_end end;     /* texts in the arena */
	struct engine_usage usage; /* of the catalog after it; tables -1: unknown */
	struct change *change; /* the script's transaction, open or not; NULL: not of a script */
	struct str database, schema; /* where its names are looked up; empty: nowhere */
	bool nowhere;          /* since they are not there */
	uint64_t ddl;          /* when that was looked at, by executor_ddl() */
	size_t prefix;         /* bytes put before ask.sql when it was prepared */
	size_t *casts;         /* where BIND_CAST was put into ask.sql */
	int ncasts;
	struct str uncast;     /* ask.sql before that */
	bool broken;           /* DuckDB cannot go on */
};
/* Leave the failure in t->end; all return false. */
bool task_fails(struct task *t, const char *class, const char *fmt, ...) PRINTF(3, 4);
bool task_bad_bind(struct task *t, const char *type, struct str value);
bool task_failed_by_duckdb(struct task *t, const char *message); /* as JSON, or plain text */

/* --- duckdb.c: the instance and its sessions --- */
struct databases;
bool database_open(struct call *c, const struct worker_options *o, duckdb_database *ret, struct databases **ret_all) NODISCARD;
/* An instance with these n settings; every one must be there. */
bool database_open_with(struct call *c, const char *name, const char *const settings[][2], size_t n,
			duckdb_database *ret) NODISCARD;
/* In memory, with `share` of ten parts of the worker's memory. */
bool database_open_instance(struct call *c, const struct worker_options *o, int share, duckdb_database *ret) NODISCARD;
bool database_query(struct call *c, duckdb_connection con, const char *sql) NODISCARD;
/* Snowflake's types, casts and functions, which the helper catalog is made of. */
bool database_register(struct call *c, duckdb_connection con) NODISCARD;
bool database_query_all(struct call *c, duckdb_connection con, const char *const *v) NODISCARD; /* NULL-terminated */

struct cached {
	struct buf sql;                      /* the path, a byte (1: of binds that are cast), the text */
	uint64_t ddl;                        /* when it was prepared, by executor_ddl() */
	duckdb_prepared_statement statement; /* NULL = free */
	uint64_t used;                       /* when, by the session's count */
};
struct session { /* one connection as a statement finds it */
	struct list of_catalog, of_all; /* kept for later, of a catalog */
	struct catalog *catalog;
	duckdb_connection con; /* NULL = not open */
	uint64_t number;       /* DuckDB's id of the connection */
	bool helpers;
	char timezone[WORKER_ZONE];
	struct buf path;                     /* where names are looked up, as it was set */
	uint64_t path_ddl;                   /* when, by executor_ddl() */
	uint64_t uses;
	struct cached cache[WORKER_CACHE];
};
bool worker_session_open(struct task *t, duckdb_database db, bool helpers, struct session *s) NODISCARD; /* in t->scope */
void worker_session_close(struct session *s);
bool session_connect(struct task *t, duckdb_database db, struct session *s) NODISCARD; /* without settings of its own */
bool session_timezone(struct task *t, struct session *s, struct str zone) NODISCARD;
/* Prepares ask.sql or takes it from the cache. ret_kept: the session keeps it, else the caller destroys it. */
bool session_prepare(struct task *t, struct session *s, duckdb_prepared_statement *ret, bool *ret_kept) NODISCARD;
void session_forget(struct session *s); /* empties the cache */

/* --- readable.c --- */
/* What to prepare instead of ask.sql, in the arena; NULL: its result can be read as it is. */
const char *readable_sql(struct task *t, duckdb_prepared_statement st);

/* --- bind.c --- */
bool bind_all(struct task *t, duckdb_prepared_statement st) NODISCARD;
/* A TIMESTAMP_TZ is bound as its parts, which ask.sql then casts. */
#define BIND_CAST "::TIMESTAMP_TZ"
void bind_casts(struct task *t);
/* A column of TIMESTAMP_LTZ takes no TIMESTAMP_TZ of VALUES as it is. */
bool bind_fits(struct task *t, duckdb_connection con) NODISCARD;

/* --- bind_values.c: the text of a bind as a value of its type --- */
enum bind_kind { BIND_EXACT, BIND_WHOLE, BIND_REAL, BIND_TEXT, BIND_BOOLEAN, BIND_DATE, BIND_TIME, BIND_LOCAL, BIND_INSTANT, BIND_ZONED,
		 BIND_BYTES, BIND_KINDS };
struct bind_type {
	const char *name;
	enum bind_kind kind;
};
struct bind_value { /* by the kind */
	union {
		struct bind_exact {
			__int128 value;
			int digits, scale; /* digits: that count, on both sides of the point */
		} exact;               /* BIND_EXACT, BIND_WHOLE: scale 0 */
		double real;
		bool yes;
		struct str text;       /* BIND_TEXT: UTF-8; BIND_BYTES: in the caller's buffer */
		int32_t days;
		struct bind_instant {  /* nanoseconds since 1970, of any year; BIND_TIME: since midnight */
			int64_t micros;
			int nanos;     /* 0..999 */
			int zone;      /* BIND_ZONED: minutes */
		} at;
	};
};
struct bind_type bind_type(enum engine_bind_type type);
bool bind_read(enum engine_bind_type type, struct str text, struct buf *bytes, struct bind_value *ret) NODISCARD;
static inline bool bind_is_near(struct bind_instant v) /* do 64 bits hold its nanoseconds? */
{
	return v.micros > INT64_MIN / 1000 && v.micros < INT64_MAX / 1000;
}

/* --- batch.c: arrays of binds as a table, mayfly_binds() --- */
struct batch;
bool batch_open(struct executor *x, struct task *t) NODISCARD; /* for the statement that runs next; false: t->end */
void executor_batch(struct executor *x, const struct batch *b); /* NULL: none any more */
const struct batch *worker_batch(struct worker *w, uint64_t connection); /* of the statement that runs there; NULL: none */
bool batch_register(struct worker *w, duckdb_connection con) NODISCARD;

/* --- types.c: what DuckDB's types are to us --- */
struct column;
struct cell_format;
typedef void cell_fn(struct buf *b, const struct column *col, idx_t row);
struct column { /* reads one vector; a tree for nested types */
	cell_fn *put;          /* a cell that is not NULL */
	cell_fn *inner;        /* the same inside a nested Snowflake cell */
	const void *data;      /* of the vector at hand */
	uint64_t *valid;       /* NULL = no NULLs */
	duckdb_type type;
	duckdb_type store;     /* how DECIMAL and ENUM are stored */
	int scale;
	enum engine_form form;
	bool text_keys;        /* of MAP */
	int nkids;
	struct column *kids;   /* elements, fields, key and value, members */
	struct str *names;     /* of fields, members, enum values */
	uint64_t array_size;
	struct cell_format *format;  /* the request's own; NULL = none */
	cell_fn *unformatted;
};
bool types_column(struct task *t, duckdb_logical_type type, enum engine_form form, struct column *ret) NODISCARD;
void types_load(struct column *col, duckdb_vector v);
/* Name, kind and precision for the wire. */
void types_describe(struct arena *a, duckdb_logical_type type, struct engine_column *ret);
bool types_readable(duckdb_logical_type type); /* can its vectors be read here? */

/* --- encode.c: cells by type --- */
struct encoding {
	const char *name;  /* DuckDB's */
	enum engine_type kind;
	cell_fn *native, *snowflake; /* a cell */
	cell_fn *inner;              /* inside the JSON text of a nested Snowflake cell; NULL: as natively */
};
const struct encoding *encoding_of(duckdb_type type, bool json); /* NULL: not readable */
void encode_row(struct buf *b, const struct column *cols, int n, idx_t row, struct str null);

static inline void cell_set_null(duckdb_vector v, idx_t row)
{
	duckdb_vector_ensure_validity_writable(v);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(v), row);
}
static inline int64_t floor_div(int64_t v, int64_t by) /* by > 0 */
{
	return v / by - (v % by < 0);
}

/* --- text.c: texts of single values, without quotes, where there is room for TEXT_ROOM bytes --- */
char *text_date(char *to, int32_t days);
char *text_time(char *to, int64_t micros);
char *text_seconds(char *to, __int128 nanos);       /* [-]seconds.9 digits */
char *text_timestamp(char *to, int64_t seconds, int64_t fraction, int digits, char between);
char *text_interval(char *to, duckdb_interval v);
char *text_uuid(char *to, duckdb_hugeint v);

/* --- real.c: finite reals, the shortest that reads back --- */
void put_double(struct buf *b, double v); /* any size */
void put_float(struct buf *b, float v);

/* --- parts.c: rows into partitions, partitions onto the wire --- */
struct libdeflate_compressor;
struct packer { /* a second thread for results of several partitions */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct buf text;        /* its partition */
	struct wire_part head;
	uint64_t task;
	bool started, busy, canceled;
};
struct parts {
	struct executor *executor;
	struct buf out;    /* the packet being filled */
	struct buf text;   /* the open partition: {"data":[ … */
	struct buf packed; /* its compressed form */
	struct libdeflate_compressor *gzip;
	int64_t rows, row_bytes, part_limit; /* of the open one */
	int64_t total_rows, total_bytes, closed;
	struct packer packer;
};
void parts_open(struct parts *p, struct executor *x);
void parts_begin(struct parts *p, struct task *t); /* of a result */
bool parts_rows(struct parts *p, struct task *t, struct column *cols, int n, duckdb_data_chunk chunk) NODISCARD;
bool parts_end(struct parts *p, struct task *t) NODISCARD; /* the last partition, maybe empty */
bool parts_bytes(struct parts *p, struct task *t, const struct wire_part *head, struct str bytes) NODISCARD;
void parts_columns(struct parts *p, struct task *t, struct str packed);
void parts_repeatable(struct parts *p, struct task *t);
void parts_finish(struct parts *p, struct task *t); /* END, and all that was waiting */

/* --- run.c, parquet.c --- */
bool task_execute(struct task *t, duckdb_prepared_statement st, duckdb_result *ret) NODISCARD; /* a SELECT streams */
bool task_fetch(struct task *t, duckdb_result *r, duckdb_data_chunk *ret) NODISCARD;           /* *ret NULL: that was all */
bool statement_run(struct executor *x, struct task *t, struct session *s) NODISCARD; /* ask.sql alone */
void run_parquet(struct executor *x, struct task *t, struct str body);

/* --- change.c: transactions around statements --- */
void run_statement(struct executor *x, struct task *t);
/* --- parse.c --- */
bool run_parse(struct executor *x, struct task *t) NODISCARD; /* ENGINE_PARSE */

/* --- export.c, export_stats.c: a SELECT's rows as Parquet files --- */
void run_export(struct executor *x, struct task *t, struct str body);
/* Adds what f->name holds: rows and bytes, row groups and columns. `r`: of COPY … RETURN_STATS. */
bool export_describe(struct task *t, duckdb_connection con, duckdb_result *r, struct engine_file *f) NODISCARD;

/* --- catalog.c: sessions' own databases in this process ---
 *
 *   enter ──▶ session ──▶ begin ──▶ …changes… ──▶ commit ──▶ leave
 *
 * A task of a catalog (t->scope) enters it, gets a connection whose default it is, and leaves it. Until then a
 * drop waits for it, or cancels it: executor_canceled() turns true and a wait on the connection is interrupted. */
struct change { /* a transaction; one of a catalog holds its limits */
	struct session *session;     /* NULL: not open */
	uint64_t version;            /* of the catalog when it began */
	struct buf touched;          /* of several statements: see catalog_note() */
	bool defines;                /* something: others see it when it is committed */
};
bool catalog_enter(struct executor *x, struct task *t, bool outlives) NODISCARD; /* attaches it when need be */
void catalog_leave(struct executor *x, struct task *t, struct session *s);       /* s goes back, to be used again; NULL is fine */
struct session *catalog_session(struct executor *x, struct task *t);             /* NULL: t->end says why */
bool catalog_begin(struct executor *x, struct task *t, struct session *s, struct change *ret) NODISCARD;
void catalog_rollback(struct change *ch);                                        /* not open is fine */
/* Would so many more rows and bytes fit? Else t->end is ENGINE_FULL. */
bool catalog_fits(struct executor *x, struct task *t, const struct engine_usage *more) NODISCARD;
/* COMMIT within the limits, and t->usage; else ROLLBACK and t->end. What `sql` may have changed is measured; … */
bool catalog_commit(struct executor *x, struct task *t, struct change *ch, struct str sql) NODISCARD;
/* … or, with an empty `sql`, by all statements noted. A statement is noted when it has run. */
void catalog_note(struct executor *x, struct task *t, struct change *ch, struct str sql);
/* … or so many rows and bytes came to one table. */
bool catalog_commit_rows(struct executor *x, struct task *t, struct change *ch, const struct engine_usage *more,
			 struct str table) NODISCARD;
struct catalogs *catalogs_open(void);
/* --- verbs.c --- */
void run_catalog(struct executor *x, struct task *t, struct str body);

/* --- context.c: where names are looked up --- */
bool session_context(struct executor *x, struct task *t, struct session *s) NODISCARD; /* as the ask says */
bool run_verb(struct executor *x, struct task *t) NODISCARD;
/* How often something was defined: what was prepared before may mean another thing now. */
uint64_t executor_ddl(const struct executor *x);
void worker_ddl(struct worker *w); /* something was, and can be seen */
void executor_defined(struct executor *x);

/* --- scripts.c: connections that several statements share --- */
struct scripts;
struct scripts *scripts_open(void); /* NULL: no thread */
struct session *script_enter(struct executor *x, struct task *t); /* of ask.script; sets t->change; NULL: t->end says why */
void script_leave(struct executor *x, struct session *s);
void scripts_end(struct scripts *all, uint64_t number); /* never waits */
bool scripts_in_catalog(struct executor *x, const struct catalog *k);
void scripts_leave_catalog(struct executor *x, const struct catalog *k);

/* --- ingest.c --- */
/* fd: see WIRE_INGEST; closed here. The body is read with wire_get_ingest; t->scope is set by it. */
void run_ingest(struct executor *x, struct task *t, struct str body, int fd);

/* --- repeat.c: would a SELECT that has just run give the same rows again, while nothing changes? --- */
struct repeats;
struct repeats *repeats_open(void);
bool statement_repeatable(struct executor *x, struct task *t, struct session *s);

/* --- records.c: batches on files of the server's own --- */
struct records;
struct records_file;
void run_records(struct executor *x, struct task *t, struct str body);
void records_answered(struct executor *x); /* gives the file back */

/* --- formats.c: cells in the request's output formats --- */
struct cell_format;
bool formats_column(struct executor *x, struct task *t, const struct engine_column *k, struct column *col) NODISCARD;

/* --- told.c: tables, lengths and digits of columns in Snowflake's form --- */
struct told;
void told_columns(struct executor *x, struct task *t, struct engine_column *v, int n);
void told_close(struct told *told); /* NULL is fine */

/* --- executors --- */
struct executor {
	struct worker *w;
	pthread_t thread;
	struct arena arena;
	struct session sessions[3]; /* without and with helpers, outside of catalogs; bare */
	duckdb_connection admin;    /* for attaching and dropping; NULL = not open */
	struct parts parts;
	struct told *told;          /* what tables are told as; NULL = nothing yet */
	struct records_file *file;  /* of a batch, until it is answered; NULL = none */
	/* under the worker's lock */
	uint64_t task;              /* 0 = none */
	bool canceled;
	struct catalog *catalog;    /* that the task is in */
	bool outlives;              /* and a drop leaves it alone */
	int unacked;                /* parts */
	duckdb_connection running;  /* to interrupt; NULL = nothing runs */
	uint64_t running_number;
	const struct batch *batch;  /* of binds, for the statement that runs; NULL = none */
	const char *growing;        /* a file that the statement writes; NULL = none */
	int64_t growing_max;
	bool overgrown;             /* it is larger, and the statement interrupted */
	int64_t began_ms, told_ms;
	uint64_t weighed;           /* the task that weighed_cpu_ms is of: the thread's when a tick first saw it */
	int64_t weighed_cpu_ms;
	pthread_cond_t news;        /* canceled, or a part was acknowledged */
};
/* bare.c: a bare statement's is in a second instance, which sees nothing of the tenant's but may read its cache. */
struct session *executor_session(struct executor *x, struct task *t); /* outside of catalogs, open; NULL: t->end says why */
void executor_renew(struct executor *x, struct task *t);              /* it, for the next statement, after the answer */
/* The statement is heavy from its start: waits until DuckDB has its threads, not for long. */
void executor_is_heavy(struct executor *x);
/* From here on the statement is interrupted when the file becomes larger; path NULL: no longer. */
void executor_watch_file(struct executor *x, const char *path, int64_t max);
bool executor_overgrown(struct executor *x);
duckdb_database executor_database(const struct executor *x);
struct catalogs *executor_catalogs(const struct executor *x);
struct records *executor_records(const struct executor *x);
void executor_uses(struct executor *x, struct catalog *k, bool outlives); /* k NULL: none */
/* Cancels what is in this catalog and does not outlive it. */
void executor_interrupt_others(struct executor *x, const struct catalog *k);
/* From here on a cancel interrupts con; NULL: no longer. False when it was canceled before. */
bool executor_runs(struct executor *x, const struct session *s);
bool executor_canceled(struct executor *x);
bool executor_pause(struct executor *x, int64_t ms); /* false: canceled */
/* Room for one more part in the window; false: canceled. */
bool executor_window(struct executor *x);
void worker_send(struct str packet, int fd); /* ends the process when the server is gone */
/* Sleeps for the statement that runs on this connection; false when it was canceled. */
bool worker_wait(struct worker *w, uint64_t connection, int64_t seconds);
/* Names of the tables of the catalog that this connection is in, and its own; copies. */
struct str *worker_tables(struct worker *w, uint64_t connection, struct arena *a, struct str *ret_catalog, int *ret_n);
duckdb_database worker_database(const struct worker *w);
/* columns.c */
bool columns_register(struct worker *w, duckdb_connection con) NODISCARD;

/* --- engine/functions/functions.c --- */
bool functions_register(struct call *c, struct worker *w, duckdb_connection con) NODISCARD;
/* Not as one of DuckDB's or of ours, which it would hide from all who have its schema on their path. false: t->end */
bool functions_may_be_called(struct executor *x, struct task *t, struct str name) NODISCARD;

#endif
