/* rows.h - the door of rows/: cells, rows and partitions of results from one form to another.
 *
 * Pure functions (but for parquet.c) over bytes that a worker wrote: whatever is
 * not well-formed makes them return false, never more. Where partitions come from, and where
 * the texts go, is the business of the rooms above.
 *
 *   partition ─▶ plain ─▶ rows ─▶ cells ─▶ row texts
 *               rows.c             └─ cells.c, time.c, json.c
 */
#ifndef MAYFLY_ROWS_H
#define MAYFLY_ROWS_H

#include "engine/engine.h"
#include "json/json.h"

enum {
	CONVERT_PLAIN_MAX = 512 * 1024 * 1024, /* of one partition; a worker writes no larger one */
	CONVERT_PAGE = 256 * 1024,             /* what a reader adds at a time */
	CONVERT_PARQUET_MAX = 512 * 1024 * 1024, /* rows in native form, and the file */
};

/* --- rows.c: partitions --- */
/* The bytes of one gzip member; false when it is none, is followed by anything or is too large. */
bool convert_gunzip(struct str stored, struct buf *ret) NODISCARD;
/* What stands between `{"data":[` and `]}`. */
bool convert_envelope(struct str plain, struct str *ret_rows) NODISCARD;

/* --- rows.c: rows --- */
enum convert_shape {
	CONVERT_ARRAYS,  /* [cell,…],[cell,…] */
	CONVERT_OBJECTS, /* {"name":cell,…}\n */
	CONVERT_CSV,     /* RFC 4180; cells in native form */
};
struct convert {
	enum engine_form from, to;
	enum convert_shape shape;
	const struct engine_column *columns;
	int ncolumns;
	const struct str *keys; /* of CONVERT_OBJECTS, see convert_keys */
	struct json_scan scan;  /* the rows still to do */
	bool comma;             /* of CONVERT_ARRAYS: a row was written */
	struct arena scratch;   /* of one page */
	struct buf cell, text;  /* of one cell */
};
void convert_drop(struct convert *cv); /* zeroed, it is open */
/* Each column's `"name":`, with _1, _2, … where a name comes again. */
const struct str *convert_keys(struct arena *a, const struct engine_column *columns, int n);
void convert_columns(const struct engine_column *columns, int n, struct buf *out); /* [{"name","type","nullable"},…] */
void convert_csv_header(const struct engine_column *columns, int n, struct buf *out);
/* Writes rows until about `page` bytes are added or none is left (*ret_done). */
bool convert_page(struct convert *cv, size_t page, struct buf *out, bool *ret_done) NODISCARD;

/* --- parquet.c: the rows as one Parquet file, made by the worker of the call's tenant; waits for it. Takes the
 * references of the parts, also when it fails. --- */
bool convert_to_parquet(struct call *c, struct engine *e, const struct engine_table *table, struct buf *ret) NODISCARD;

#endif
