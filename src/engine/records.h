/* records.h - part of engine/'s door: tables of the server's own in DuckDB files that no user's SQL reaches.
 *
 * The files are opened by a worker of an engine that runs nothing else (a
 * second `struct engine`, engine_options.records), each in a DuckDB instance of
 * its own: what a user's worker does, or how it ends, does not touch them. A
 * batch of steps is one transaction; once it ended with ENGINE_OK it is on the
 * disk. Batches of one file run one after the other in the order they came,
 * those of several files beside each other. Limits are asked for tenant "records".
 */
#ifndef MAYFLY_ENGINE_RECORDS_H
#define MAYFLY_ENGINE_RECORDS_H

#include "engine/result.h"

struct engine;
struct engine_task;
struct engine_listener;

enum engine_cell_kind { ENGINE_CELL_NULL, ENGINE_CELL_INT, ENGINE_CELL_REAL, ENGINE_CELL_TEXT, ENGINE_CELL_BYTES };
struct engine_cell {
	enum engine_cell_kind kind;
	int64_t integer;        /* INT; of rows: booleans 0 and 1, TIMESTAMP as microseconds since 1970 */
	double real;
	struct str s;           /* TEXT (valid UTF-8), BYTES */
};
struct engine_step {
	struct str sql;                  /* one statement; kept prepared */
	const struct engine_cell *binds; /* ? i+1 */
	int nbinds;
	bool must_change;                /* it must change a row, else the batch fails with class "Conflict" and nothing is kept */
};
struct engine_records_ask {
	struct str file;                 /* of the engine's data_dir: up to 200 of [a-zA-Z0-9_.-], no dot at first, ending in .db */
	const struct engine_step *steps; /* rows come of the last one that gives any */
	int nsteps;
	bool make;                       /* the file may be new */
	bool drop;                       /* closes and removes the file instead; no steps; absent is fine */
};
/* part() brings rows, packed, in pieces of at most about a megabyte (a row is never cut); see engine_rows(). They come before
 * the commit, and mean nothing when that fails. ended(): rows given, or else changed by all steps; ENGINE_FAILED with class
 * "Missing" when the file is not there and may not be made, "Foreign" when it is no database or not one of ours, "Corrupt" when
 * it is damaged, "Conflict", or DuckDB's own class: nothing is kept; ENGINE_LOST: the batch may have been done or not. A batch
 * holds at most 144 MB. Copies what `ask` borrows. */
bool engine_records_run(struct call *c, struct engine *e, const struct engine_records_ask *ask, const struct engine_listener *l,
			void *arg, struct engine_task **ret) NODISCARD;
/* The rows of one piece: n rows of ncells, borrowing from `packed`. Checks every byte. */
struct engine_rows {
	const struct engine_cell *cells;
	int n, ncells;
};
bool engine_rows(struct call *c, struct str packed, struct engine_rows *ret) NODISCARD;
/* Names of the files that are there, without opening any. */
bool engine_records_files(struct call *c, struct engine *e, struct str **ret, int *ret_n) NODISCARD;

#endif
