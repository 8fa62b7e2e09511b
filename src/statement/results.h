/* results.h - part of the door of statement/: what a finished statement holds, and its other forms.
 *
 * Include statement/statement.h.
 */
#ifndef MAYFLY_STATEMENT_RESULTS_H
#define MAYFLY_STATEMENT_RESULTS_H

#include "base/base.h"
#include "engine/engine.h"

struct statements;
struct stmt;

/* --- partitions --- */
struct stmt_part {
	int64_t rows, row_bytes, stored_bytes;
	bool gzip, in_memory;
};
bool statement_part_info(struct stmt *st, int i, struct stmt_part *ret);
/* Partition i in `form`: its rows, `[…],[…]`, living as long as the call; or {"data":[…]} as one gzip member. Both block. */
bool statement_part_rows(struct call *c, struct stmt *st, int i, enum engine_form form, struct str *ret) NODISCARD;
bool statement_part_gzipped(struct call *c, struct stmt *st, int i, enum engine_form form, struct engine_bytes **ret) NODISCARD;

/* --- results in other forms (convert.c, parquet.c); finished statements only; all block --- */
enum stmt_format { STMT_JSON, STMT_NDJSON, STMT_CSV };
struct stmt_reader;
struct stmt_reader *statement_reader(struct call *c, struct stmt *st, enum stmt_format f); /* takes a reference of its own */
enum stmt_read { STMT_READ_MORE, STMT_READ_END, STMT_READ_BROKEN };
enum stmt_read statement_read(struct stmt_reader *r, struct buf *into); /* about one partition's worth at most */
void statement_reader_close(struct stmt_reader *r);
/* The whole result as a Parquet file, made by the tenant's worker. */
bool statement_parquet(struct call *c, struct statements *s, struct stmt *st, struct buf *ret) NODISCARD;

#endif
