/* rows_int.h - inside rows/: cells from one form to another, their dates and their JSON. */
#ifndef MAYFLY_ROWS_INT_H
#define MAYFLY_ROWS_INT_H

#include "rows/rows.h"

enum { CONVERT_DEPTH = 256 }; /* brackets in a nested cell: a nested type with JSON in it */

/* --- cells.c: one cell of column `col`, from cv->from to cv->to --- */
bool convert_cell(struct convert *cv, const struct engine_column *col, const struct json_cell *cell,
		  struct buf *out) NODISCARD;

/* --- time.c: texts without quotes; `digits` of the fraction --- */
bool convert_days_to_date(struct str days, struct buf *out) NODISCARD;
bool convert_date_to_days(struct str date, struct buf *out) NODISCARD;
bool convert_seconds_to_time(struct str seconds, int digits, struct buf *out) NODISCARD;
bool convert_time_to_seconds(struct str time, int digits, struct buf *out) NODISCARD;
bool convert_epoch_to_iso(struct str epoch, int digits, struct buf *out) NODISCARD;
bool convert_iso_to_epoch(struct str iso, int digits, struct buf *out) NODISCARD;
/* "1709211907.250000000 1560" and "2024-02-29T15:05:07.250000000+02:00" */
bool convert_zoned_to_iso(struct str zoned, struct buf *out) NODISCARD;
bool convert_iso_to_zoned(struct str iso, struct buf *out) NODISCARD;

/* --- json.c: layouts of JSON text; false: not JSON, or deeper than CONVERT_DEPTH --- */
struct convert_layout {
	bool pretty;    /* two spaces a level; else no white space */
	bool undefined; /* a null in an array is `undefined` where it is pretty */
	/* Writes a string (without its quotes), number or bool anew; NULL: they stay as they are. */
	bool (*leaf)(const void *arg, struct str raw, bool quoted, struct buf *out);
	const void *arg;
};
bool convert_json(struct str json, struct convert_layout layout, struct buf *out) NODISCARD;

#endif
