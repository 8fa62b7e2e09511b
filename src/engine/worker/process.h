/* process.h - inside the worker side of engine/: the process itself, for the files that run it. */
#ifndef MAYFLY_ENGINE_WORKER_PROCESS_H
#define MAYFLY_ENGINE_WORKER_PROCESS_H

#include "engine/worker/worker.h"

#include <stdatomic.h>

struct worker {
	struct worker_options o;
	duckdb_database db, bare;     /* bare: under opening; NULL = not yet */
	pthread_mutex_t opening;
	duckdb_connection con;        /* control's own */
	int wake;                     /* eventfd: an executor got work while control slept */
	pthread_mutex_t lock;
	struct catalogs *catalogs;
	struct repeats *repeats;
	struct scripts *scripts;
	struct databases *databases;  /* NULL: it keeps records */
	_Atomic uint64_t ddl;         /* how often something was defined */
	struct records *records;      /* NULL: this worker runs statements */
	struct executor *executors;
	int nexecutors;               /* one more than statements at once: for what is done with a whole catalog */
	uint64_t early[WORKER_EARLY]; /* canceled before they were picked up */
	size_t nearly;                /* how many ever; the ring's next place */
	bool asleep;                  /* control waits without a tick */
	bool quitting;
	int busy;
	int threads, wanted;          /* DuckDB's: it has, it should have */
	pthread_cond_t wants, governed;
	duckdb_connection governors[2]; /* of db and bare; NULL = not open */
	int64_t heavy_ms;             /* when one ran long last */
};

void worker_init_monotonic(pthread_cond_t *cond);

/* --- threads.c --- */
NORETURN void *threads_main(void *worker);                     /* the governor's thread */
void threads_tick(struct worker *w, bool heavy, int64_t now_ms); /* does a statement run long now? */

#endif
