/* rows.h - rows out of JSON, NDJSON and CSV, as they arrive: cells to a sink.
 *
 *   bytes ──▶ rows_room, rows_added ──▶ rows_run ──▶ sink: cell, cell, …, row
 *
 * Constant memory: a block, or one row where that is longer, at most ROWS_MAX_BYTES.
 * A row cut by the end of what is there is read again from its start when more
 * has come, so its cells may be put more than once; row() is told once.
 * Knows nothing of DuckDB. One thread at a time.
 */
#ifndef MAYFLY_ENGINE_WORKER_ROWS_H
#define MAYFLY_ENGINE_WORKER_ROWS_H

#include "base/base.h"
#include "engine/catalog.h"

enum {
	ROWS_MAX_BYTES = 16 << 20, /* of one row, or of one line */
	ROWS_MAX_DEPTH = 64,       /* brackets in one cell */
	ROWS_BLOCK = 256 * 1024,   /* room for what comes next */
	ROWS_PAD = 16,             /* zeros behind the buffer's end stop every scan */
	ROWS_NAME_MAX = 200,       /* of a name in an error */
};

enum rows_kind {
	ROWS_ABSENT, /* a member that the object does not have */
	ROWS_NULL,
	ROWS_FALSE, ROWS_TRUE,
	ROWS_NUMBER, /* as JSON writes it */
	ROWS_TEXT,   /* a JSON string */
	ROWS_NESTED, /* an array or an object */
	ROWS_FIELD,  /* of CSV: text of whatever type */
};
struct rows_cell { /* for the duration of the call */
	enum rows_kind kind;
	struct str text; /* without quotes and escapes; a byte that is no part of it may be read behind its end */
	struct str raw;  /* as it was written; of JSON */
};

enum rows_put { ROWS_PUT_OK, ROWS_PUT_STOP, ROWS_PUT_AGAIN /* this row once more, from its first cell */ };
struct rows_sink {
	enum rows_put (*header)(void *arg, const bool *given); /* of CSV: which columns there are; before all else */
	enum rows_put (*cell)(void *arg, int column, const struct rows_cell *cell);
	enum rows_put (*row)(void *arg);                       /* it has all its cells */
	void *arg;
};

enum rows_state {
	ROWS_MORE,    /* feed it */
	ROWS_END,     /* all was read */
	ROWS_STOPPED, /* by the sink */
	ROWS_BAD,     /* see rows_error */
	ROWS_AGAIN,   /* the sink wants the row once more: call again */
};
struct rows_error {
	int64_t row;         /* from 1; 0 = none of them */
	struct str column;   /* empty = the whole row */
	char name[ROWS_NAME_MAX + 1], text[512];
};

struct rows;
/* names: of the columns, kept by the caller. They differ in more than case. */
struct rows *rows_open(enum engine_rows_format format, const struct str *names, int n, const struct rows_sink *sink);
void rows_close(struct rows *r); /* NULL is fine */
char *rows_room(struct rows *r, size_t *ret_n); /* where the next bytes go; at least one */
void rows_added(struct rows *r, size_t n);
/* Reads as many rows as are there; complete: nothing more comes. */
enum rows_state rows_run(struct rows *r, bool complete);
/* How the sink says what is wrong with a cell (column -1: with the row). Returns ROWS_PUT_STOP. */
enum rows_put rows_refuse(struct rows *r, int column, const char *fmt, ...) PRINTF(3, 4);
const struct rows_error *rows_error(const struct rows *r);
int64_t rows_number(const struct rows *r); /* of the row being read */

/* --- rows_values.c: texts as values --- */
enum rows_number { ROWS_EXACT, ROWS_ROUNDED, ROWS_NO_NUMBER, ROWS_TOO_LARGE };
/* |s| · 10^scale, half away from zero: digits, a point, an exponent, a sign; no spaces. */
enum rows_number rows_to_fixed(struct str s, int scale, unsigned __int128 *ret, bool *ret_negative);
bool rows_to_small(struct str s, int64_t *ret) NODISCARD;      /* up to 18 digits and a sign, nothing else */
bool rows_to_double(struct str s, double *ret) NODISCARD;      /* the nearest; false: no number, or too large */
bool rows_to_float(struct str s, float *ret) NODISCARD;
/* As native results write them; other texts may be dates all the same. */
bool rows_to_date(struct str s, int32_t *ret) NODISCARD;       /* 2024-02-29 */
bool rows_to_timestamp(struct str s, int64_t *ret) NODISCARD;  /* 2024-02-29T12:00:00[.000000][Z], or a space for T */

#endif
