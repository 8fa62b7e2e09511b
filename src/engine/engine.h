/* engine.h - the door of engine/: SQL engines in processes of their own.
 *
 * A tenant's SQL runs in that tenant's worker, `mayfly engine`, a sandboxed
 * child of the server; what comes back are encoded, compressed bytes. This
 * door is the server side: start, feed, cancel and reap workers. Nothing a
 * worker sends is trusted.
 *
 * Threads: engine_run and engine_cancel from any; every callback of a task
 * comes on the engine's loop, in the order started, columns, part…, ended.
 */
#ifndef MAYFLY_ENGINE_H
#define MAYFLY_ENGINE_H

#include "base/base.h"
#include "engine/ask.h"
#include "engine/catalog.h"
#include "engine/files.h"
#include "engine/format.h"
#include "engine/pg/layers.h"
#include "engine/records.h"
#include "engine/result.h"
#include "exec/exec.h"

/* --- how it ended --- */
enum engine_outcome {
	ENGINE_OK, ENGINE_FAILED, ENGINE_INTERRUPTED, ENGINE_TOO_LARGE,
	ENGINE_LOST,           /* the worker ended */
	ENGINE_GONE,           /* the catalog is not there any more, or is being dropped */
	ENGINE_FULL,           /* a limit of the catalog: class is "tables", "rows" or "bytes"; or of the tenant: "databases" */
};
struct engine_end {
	enum engine_outcome outcome;
	int64_t rows;          /* of the result, or changed by `sql`; of ENGINE_PARSE that failed: the step, from 0 */
	int64_t inserted, updated, deleted; /* by all steps, as their counts say */
	const int64_t *step_rows; /* by each step, nsteps of them; NULL = none */
	int nsteps;
	bool nowhere;          /* ask.context is not there, and was not to be made: names without a database are found nowhere */
	struct str class;      /* DuckDB's error class, "Catalog", "Binder", … */
	struct str text;       /* its message, one or more lines */
	int64_t position;      /* byte offset in sql, or -1 */
	struct str bad_bind;   /* not empty: the value of this bind could not be read; type in class */
	int64_t row;           /* of an ingest: the row that does not fit, from 1; 0 else */
	struct str column;     /* and its column; empty = the whole row */
	bool repeatable;       /* of ask.judge: the same rows while nothing of the tenant's changes. False where in doubt */
};
/* What the worker tells of a task. The strs of columns and ended live during the call only. */
struct engine_listener {
	void (*started)(void *arg); /* handed to the worker */
	void (*columns)(void *arg, struct str packed);
	void (*part)(void *arg, const struct engine_part *part);
	void (*progress)(void *arg, double fraction);
	void (*ended)(void *arg, const struct engine_end *end); /* once, last */
};

/* Queues one statement for the tenant's worker. Fails with ERR_TOO_MANY when the tenant's
 * queue is full, ERR_UNAVAILABLE when no worker may be started. Copies what `ask` borrows. */
bool engine_run(struct call *c, struct engine *e, const struct engine_ask *ask, const struct engine_listener *l,
		void *arg, struct engine_task **ret) NODISCARD;
/* Interrupts; ended() follows within engine.cancel_grace_seconds. After ended() nothing. Any thread. */
void engine_cancel(struct engine_task *t);
/* How often what a tenant's SQL sees may have changed, counted before ended() is told; false while such a task waits or runs. */
bool engine_unchanging(struct engine *e, struct str tenant, uint64_t *ret) NODISCARD;
/* The connection of a script goes, an open transaction is rolled back. Once its last statement has ended, for each script whose
 * first one was queued; any thread, never blocks. */
void engine_script_end(struct engine *e, struct str tenant, uint64_t script);
/* Gives back engine_run's reference, at any time: the task goes on, and ended() still comes. */
void engine_task_unref(struct engine_task *t);

/* Rewrites stored native partitions as a Parquet file in the worker of the call's tenant;
 * part() brings pieces of the file in order. */
struct engine_table {
	struct str packed_columns;
	struct engine_bytes *const *parts; /* {"data":…} objects, plain */
	int nparts;
};
bool engine_to_parquet(struct call *c, struct engine *e, const struct engine_table *table, const struct engine_listener *l,
		       void *arg, struct engine_task **ret) NODISCARD;

/* --- the engine --- */
struct engine_limits { /* of one tenant */
	int64_t memory_bytes, temp_bytes;
	int threads;     /* DuckDB's, for heavy statements */
	int concurrent;  /* statements at once */
	int queued;      /* beyond these: ERR_TOO_MANY */
	int scripts;     /* open at once; beyond these: ERR_TOO_MANY */
	int databases;   /* beside the tenant's own; beyond these: ENGINE_FULL */
};
struct engine_options {
	struct exec_loop *loop;
	const char *program; /* that has the verb `engine`; NULL = this one */
	struct str data_dir;
	/* <cache_dir>/<tenant> is readable for that tenant's worker; made when it starts, never to be removed; empty = none */
	struct str cache_dir;
	int max_workers;
	int64_t idle_ms, cancel_grace_ms;
	uid_t uid_base;  /* root only: worker slot i runs as uid_base + i; 0 = keep ours */
	bool require_sandbox;
	bool records;    /* its worker keeps files of our own in data_dir itself, see records.h, and runs nothing else */
	void (*limits)(void *arg, struct str tenant, struct engine_limits *ret); /* any thread */
	void *arg;
};
struct engine_report { /* for /readyz, the banner and /metrics */
	int workers;
	uint64_t started, crashed, killed;
	int running, queued;
	bool landlock, seccomp, rlimits, own_uid; /* of the latest worker, or of the probe at start */
	char version[32];                         /* DuckDB's */
};
struct engine *engine_open(struct call *c, const struct engine_options *o) NODISCARD;
void engine_report(struct engine *e, struct engine_report *ret);
/* Fills a tenant's database that does not exist yet from the sample files in `dir`; blocks, before the loop runs. */
bool engine_load_samples(struct call *c, struct engine *e, struct str tenant, struct str dir) NODISCARD;
/* Starts a tenant's worker before anything asks for it; where it cannot be had, whoever asks is told. Before the loop runs. */
void engine_start_ahead(struct engine *e, struct str tenant);
/* Ends all workers; what runs ends with ENGINE_LOST. Before the loop stops. told(arg) when the last is gone. */
void engine_stop(struct engine *e, exec_fn *told, void *arg);
void engine_close(struct engine *e); /* the loop has stopped */

/* `mayfly engine …`: the worker side's main; returns the exit code. */
int engine_worker_main(int argc, char **argv);

#endif
