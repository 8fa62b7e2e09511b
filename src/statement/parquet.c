/* parquet.c - a finished result as one Parquet file. Not here: how it is made (rows/). Blocks. */
#include "statement/statement_int.h"

static bool add_native_part(struct call *c, struct stmt *st, int i, size_t *total, struct engine_bytes **ret)
{
	OWNS(buf) text = {0};

	if (!stmt_part_as(c, st, i, ENGINE_NATIVE, &text))
		return false;
	*total += text.n;
	if (*total > CONVERT_PARQUET_MAX)
		return fail(c, ERR_RESULT_TOO_LARGE, "the result is too large for one Parquet file");
	*ret = engine_bytes_copy(buf_str(&text));
	return true;
}

static bool native_parts(struct call *c, struct stmt *st, struct engine_bytes **rows, int n)
{
	size_t total = 0;
	int i = 0;

	while (i < n && add_native_part(c, st, i, &total, &rows[i]))
		i++;
	if (i == n)
		return true;
	while (i > 0)
		engine_bytes_unref(rows[--i]);
	return false;
}

bool statement_parquet(struct call *c, struct statements *s, struct stmt *st, struct buf *ret)
{
	struct engine_bytes **rows;
	struct stmt_view v;

	statement_view(st, &v);
	if (v.state != STMT_SUCCEEDED)
		return fail(c, ERR_NOT_FINISHED, "the statement has no result");
	if (v.columns.n == 0)
		return fail(c, ERR_NOT_ACCEPTABLE, "the statement returned no columns, which Parquet cannot hold");
	rows = ARENA_ARRAY(c->arena, struct engine_bytes *, (size_t)v.parts + 1);
	return native_parts(c, st, rows, v.parts) &&
	       convert_to_parquet(c, s->o.engine, &(struct engine_table){v.columns, rows, v.parts}, ret);
}
