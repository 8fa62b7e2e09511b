/* upload_int.h - between upload.c (bytes come in, a commit goes out), upload_csv.c (records of a CSV file) and
 * upload_json.c (is an array whole? is it nested too deep?), upload_rows.c (what the worker is asked about the file).
 */
#ifndef MAYFLY_VIEW_UPLOAD_INT_H
#define MAYFLY_VIEW_UPLOAD_INT_H

#include "view/view_int.h"

/* --- upload_csv.c: RFC 4180 while the bytes pass by --- */
enum {
	CSV_COLUMNS_MAX = 4096,
	CSV_NAME_MAX = 4096,                 /* bytes of a column's name; a table takes fewer */
	UPLOAD_ROW_MAX = 16 * 1024 * 1024,   /* bytes of a row: DuckDB skips what its buffers do not hold, and does not always say so */
	UPLOAD_DEPTH_MAX = 1000,             /* of JSON: its readers follow the nesting on their stack */
};
enum csv_at { CSV_FIELD, CSV_PLAIN, CSV_QUOTED, CSV_QUOTE /* one inside, or the closing one */, CSV_CR };
struct csv {
	enum csv_at at;
	int64_t record;              /* 0 = the header */
	size_t length;               /* of this record so far, in bytes */
	int fields, columns;         /* of this record so far; of the header */
	bool blank;                  /* nothing of this record yet */
	int bom;                     /* bytes of a byte order mark so far; -1: looked for */
	struct buf name;             /* of the header's present field */
	struct arena *arena;
	struct str *names;           /* columns */
};
void csv_open(struct csv *k, struct arena *a);
/* What DuckDB is to read is added to `out`: records end with LF, empty lines are gone where there is more than one column.
 * ERR_SCHEMA_MISMATCH with the "row" (from 1; the header is 0). */
bool csv_feed(struct call *c, struct csv *k, struct str bytes, struct buf *out) NODISCARD;
bool csv_end(struct call *c, struct csv *k, struct buf *out) NODISCARD;
void csv_close(struct csv *k);

/* --- upload_json.c: brackets of JSON, while the bytes pass by; zeroed, it is open. ERR_INVALID_JSON. --- */
struct json_whole {
	int64_t depth;
	bool text, escaped; /* inside a string, behind its backslash */
	bool over;
	bool some;          /* there is more than blanks and the array's own brackets */
};
/* Of an array, or of lines. */
bool json_whole_feed(struct call *c, struct json_whole *k, struct str bytes) NODISCARD;
bool json_lines_feed(struct call *c, struct json_whole *k, struct str bytes) NODISCARD;
bool json_whole_end(struct call *c, const struct json_whole *k) NODISCARD;

/* --- upload_rows.c --- */
struct upload_column {
	struct str name, type;       /* type: DuckDB's, of what the file has */
	struct str cell;             /* the expression that reads it */
	struct str to;               /* what it becomes, "CAST(… AS …)" */
	bool nested;                 /* of JSON: read as `type`, not as JSON */
	struct str check;            /* true where a value cannot become that; empty = not known */
};
struct upload_rows {
	enum engine_rows_format format;
	struct str path;
	int64_t size;                /* of that file */
	bool empty;                  /* it has no rows; only to append */
	struct csv *csv;
	const struct ice_schema *target; /* of the table, to append; NULL = types are inferred */
	struct upload_column *columns;
	int n;
	struct str from;             /* what stands behind FROM */
	struct str select;           /* out: one SELECT with the columns of the table */
	op_step *next;
	struct err why;              /* of upload_locate() */
};
/* In `next` op->call may have an error; else `select` is there. */
void upload_read(struct view_op *op, struct upload_rows *r, op_step *next);
/* After an export failed over a value: finds which. In `next` the call's error names row and column where they are known. */
void upload_locate(struct view_op *op, struct upload_rows *r, op_step *next);

#endif
