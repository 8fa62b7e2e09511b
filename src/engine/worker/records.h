/* records.h - inside the worker side of engine/: files of the server's own, one DuckDB instance each.
 *
 *   run_records ──▶ records_take ──▶ steps, rows ──▶ answer ──▶ records_tend
 *                   (open or opened)                            (kept open, or closed)
 */
#ifndef MAYFLY_ENGINE_WORKER_RECORDS_H
#define MAYFLY_ENGINE_WORKER_RECORDS_H

#include "engine/worker/worker.h"

/* --- records_file.c: open files --- */
struct records_file;
struct records *records_open(const struct worker_options *o) NODISCARD;
void records_close(struct records *r); /* checkpoints all; nothing runs any more */
/* The file for this thread alone, open; waits for another that has it. NULL: t->end says why. */
struct records_file *records_take(struct records *r, struct task *t, const struct engine_records_ask *ask) NODISCARD;
struct session *records_session(struct records_file *f);
/* What was committed is found again after the machine stopped; false: t->end says why. */
bool records_settle(struct task *t, struct records_file *f) NODISCARD;
/* Gives it back: checkpointed when it is time, kept open or not. After the answer, since it may take a while. */
void records_tend(struct records *r, struct records_file *f);
void records_discard(struct records *r, struct records_file *f); /* DuckDB cannot go on with it: closes it */
bool records_drop(struct records *r, struct task *t, struct str name) NODISCARD;

/* --- records_rows.c: rows of a step, packed --- */
struct rows_out {
	struct buf piece, held; /* being filled; whole ones: u64 size, i64 rows, bytes */
	int64_t rows, total;    /* of the piece; of the step */
	bool at_once;           /* pieces leave as they are whole */
};
bool rows_send(struct executor *x, struct task *t, duckdb_result *r, struct rows_out *out) NODISCARD;
bool rows_release(struct executor *x, struct task *t, struct rows_out *out) NODISCARD; /* those held */
void rows_drop(struct rows_out *out);

#endif
