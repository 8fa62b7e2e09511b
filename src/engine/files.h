/* files.h - part of engine/'s door: a SELECT's rows as Parquet files in the tenant's folder.
 *
 * The worker writes them, the server reads them from there, puts them where
 * they belong, and drops them. They outlive the worker, not the server. What
 * a worker left there is input: never followed as a link, never mapped.
 */
#ifndef MAYFLY_ENGINE_FILES_H
#define MAYFLY_ENGINE_FILES_H

#include "engine/result.h"

enum { ENGINE_GROUP_ROWS = 20480 }; /* of a row group */

struct engine;
struct engine_bind;
struct engine_listener;
struct engine_task;

struct engine_export {
	struct str tenant;
	struct str sql;                  /* one SELECT of the server's making; runs bare (see engine_ask) */
	const struct engine_bind *binds; /* as in engine_ask */
	const struct str *bind_names;
	int nbinds;
	struct str field_ids;            /* DuckDB's FIELD_IDS: "{id: 1, …}" */
	int64_t file_bytes;              /* a larger result becomes several files of about that; 0 = one file */
	int64_t max_bytes;               /* of all files: ENGINE_TOO_LARGE beyond; 0 = no limit */
};
/* Rows keep the order of the SELECT, within the files and from one to the next. At least one file, also without rows.
 * Row groups of ENGINE_GROUP_ROWS, zstd. part() brings the description once, packed: engine_files(). */
bool engine_export(struct call *c, struct engine *e, const struct engine_export *x, const struct engine_listener *l, void *arg,
		   struct engine_task **ret) NODISCARD;

struct engine_file_column {
	struct str path;                 /* "a", "l.list.element", …: as Parquet names the leaf */
	int64_t bytes, values, nulls;    /* compressed bytes; values with the NULLs */
	bool has_nan;
	bool has_bounds;                 /* exact ones: never with NaN, nor of texts and bytes longer than 255 */
	struct str min, max;             /* as DuckDB writes them, booleans 0 and 1, "-inf"; each byte of binary as \xNN */
};
struct engine_file {
	struct str name;                 /* in the tenant's folder of exports: no slash */
	int64_t rows, bytes;
	const int64_t *splits;           /* where its row groups begin, rising */
	int nsplits;
	const struct engine_file_column *columns;
	int ncolumns;
};
/* Borrows from `packed`; checks every byte. */
bool engine_files(struct call *c, struct str packed, struct engine_file **ret, int *ret_n) NODISCARD;
/* A descriptor to read it: a regular file of exactly f->bytes, else ERR_ENGINE_LOST. Blocks. */
bool engine_file_open(struct call *c, struct engine *e, struct str tenant, const struct engine_file *f, int *ret_fd) NODISCARD;
void engine_file_drop(struct engine *e, struct str tenant, struct str name); /* blocks; absent is fine */

#endif
