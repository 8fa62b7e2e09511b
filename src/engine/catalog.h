/* catalog.h - part of engine/'s door: a session's own database in its tenant's worker.
 *
 * A catalog is attached, hidden from metadata, when it is first used: memory of
 * the worker, or `sessions/<name>.db` in the tenant's folder. Its tables are in its
 * schema `public`. Statements that name it (engine_ask.catalog) find its tables
 * first, then the tenant's. Memory catalogs keep their worker from being stopped
 * for idleness, and die with it.
 */
#ifndef MAYFLY_ENGINE_CATALOG_H
#define MAYFLY_ENGINE_CATALOG_H

#include "engine/result.h"

struct engine;
struct engine_task;
struct engine_listener;
struct engine_catalog; /* reference-counted */

struct engine_usage {
	int64_t tables, rows, bytes; /* bytes of the values, estimated for what SQL wrote */
};
struct engine_catalog_options {
	struct str tenant;
	struct str name;       /* "__eph_" and 32 hex digits */
	bool persistent;
	/* On the engine's loop: the worker that held a memory catalog has ended. At most once. */
	void (*lost)(void *arg);
	/* On the engine's loop, after a task that may have changed it ended. */
	void (*used)(void *arg, const struct engine_usage *now);
	void *arg;
};
/* Attaches nothing yet. The functions are not called after engine_catalog_forget(). */
struct engine_catalog *engine_catalog_open(struct engine *e, const struct engine_catalog_options *o);
struct engine_catalog *engine_catalog_ref(struct engine_catalog *k);
void engine_catalog_unref(struct engine_catalog *k);   /* NULL is fine */
void engine_catalog_forget(struct engine_catalog *k);  /* waits for a call of lost() or used(); not from inside one */
/* For what begins from now on; without it there are no limits. A statement that would go beyond one leaves nothing:
 * ENGINE_FULL. What makes it smaller is never refused. */
void engine_catalog_limit(struct engine_catalog *k, const struct engine_usage *max);
/* May there be anything to drop: was it attached in this process, or is there a file? May block shortly. */
bool engine_catalog_exists(struct engine_catalog *k);

/* Wall time when a statement or an upload of it last ended; INT64_MAX while one waits or runs, 0 = none yet. Any thread. */
int64_t engine_catalog_worked(const struct engine_catalog *k);

/* --- what is done with a whole catalog; ahead of the tenant's queue of statements ---
 * In a memory catalog that was never used there are no tables, and no worker is started to say so. */
enum engine_catalog_verb {
	ENGINE_CATALOG_TABLES, /* lists the tables with their rows */
	ENGINE_CATALOG_DROP,   /* interrupts what runs there, drops table by table, then the catalog and its files;
	                        * a table that could not be dropped has `error`, and the catalog stays,
	                        * for nothing but another drop */
	ENGINE_CATALOG_FORK,   /* copies tables and rows into `to`, which has none */
};
/* part() brings the tables, packed, once; see engine_tables(). */
bool engine_catalog_run(struct call *c, struct engine_catalog *k, enum engine_catalog_verb verb, struct engine_catalog *to,
			const struct engine_listener *l, void *arg, struct engine_task **ret) NODISCARD;
struct engine_table_info {
	struct str name;       /* as it was written when it was made */
	int64_t rows;
	struct str error;      /* of a drop; empty = done */
};
/* Borrows from `packed`; checks every byte. */
bool engine_tables(struct call *c, struct str packed, struct engine_table_info **ret, int *ret_n) NODISCARD;

/* --- rows into a table: all or none --- */
enum engine_rows_format {
	ENGINE_ROWS_JSON,    /* an array of objects, or of arrays */
	ENGINE_ROWS_NDJSON,  /* an object, or an array, a line */
	ENGINE_ROWS_CSV,     /* RFC 4180 with a header row; an empty unquoted field is NULL */
	ENGINE_ROWS_PARQUET,
};
struct engine_ingest {
	struct engine_catalog *catalog;
	struct str table;            /* name inside the catalog */
	enum engine_rows_format format;
	void (*room)(void *arg);     /* the feed takes bytes again; on the engine's loop; may be NULL */
};
struct engine_feed; /* reference-counted with its task: engine_feed_end() gives it back */
/* ended(): ENGINE_OK with rows; else ENGINE_FAILED with class "Unknown Table", "Mismatch" (row, column),
 * "Constraint", or DuckDB's own, and not one row is kept. May end before all was fed. */
bool engine_ingest(struct call *c, struct engine *e, const struct engine_ingest *in, const struct engine_listener *l,
		   void *arg, struct engine_feed **ret_feed, struct engine_task **ret) NODISCARD;
/* Never blocks; any one thread at a time. Returns how many bytes it took, 0 = full: room() will tell. After the task
 * ended, of which room() tells as well, it takes everything and forgets it. */
size_t engine_feed_put(struct engine_feed *f, struct str bytes);
/* complete: that was all, commit. Else nothing of it is kept. Once. */
void engine_feed_end(struct engine_feed *f, bool complete);

#endif
