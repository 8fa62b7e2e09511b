/* rows_int.h - inside the readers of rows. */
#ifndef MAYFLY_ENGINE_WORKER_ROWS_INT_H
#define MAYFLY_ENGINE_WORKER_ROWS_INT_H

#include "engine/worker/rows.h"

enum rows_step {
	STEP_OK,    /* `at` has moved */
	STEP_SHORT, /* the end of what is there came first */
	STEP_END,
	STEP_BAD, STEP_STOP, STEP_AGAIN,
};

struct rows {
	struct rows_sink sink;
	const struct str *names;
	int ncolumns;
	struct map by_name;   /* lower case: column + 1 */
	struct arena keys;
	enum rows_step (*step)(struct rows *r);
	bool lines;           /* NDJSON */
	bool complete;
	int phase;            /* of the reader */
	/* bytes */
	char *p;
	size_t n, cap, at;    /* read up to `at` */
	size_t want;          /* reading is worth while with so many behind `at` */
	/* the row */
	int64_t row;
	uint64_t attempt;     /* at a row */
	uint64_t *seen;       /* by column: the attempt that had it last */
	int *guess;           /* JSON: column of the i-th member of the row before; CSV: of the i-th field; -1 = none */
	bool *plain;          /* by column: its name stands in JSON as it is */
	int nfields;          /* of the CSV header */
	struct buf text, key; /* of a cell, of a name */
	struct rows_error error;
};

/* The column of that name, whatever the case of its letters, or -1. */
int rows_column(struct rows *r, struct str name);
enum rows_step rows_put_cell(struct rows *r, int column, const struct rows_cell *cell);
enum rows_step rows_put_row(struct rows *r);
/* Leaves an error of this row; returns STEP_BAD. */
enum rows_step rows_wrong(struct rows *r, struct str column, const char *fmt, ...) PRINTF(3, 4);

void rows_blame(struct rows *r, struct str column); /* it is this column's error */

enum rows_step rows_json_step(struct rows *r);
enum rows_step rows_csv_step(struct rows *r);

#endif
