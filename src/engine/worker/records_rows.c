/* records_rows.c - rows of a step as cells: read from DuckDB's vectors, packed, sent in pieces. */
#include "engine/worker/records.h"

struct source { /* one column of the chunk at hand */
	duckdb_type type;
	void *cells;
	uint64_t *valid;
};

/* --- one cell --- */
static void put_integer(struct buf *b, int64_t v)
{
	wire_put_cell(b, &(struct engine_cell){.kind = ENGINE_CELL_INT, .integer = v});
}

static void put_real(struct buf *b, double v)
{
	wire_put_cell(b, &(struct engine_cell){.kind = ENGINE_CELL_REAL, .real = v});
}

static void put_text(struct buf *b, enum engine_cell_kind kind, duckdb_string_t *s)
{
	wire_put_cell(b, &(struct engine_cell){.kind = kind, .s = str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s))});
}

static bool put_huge(struct buf *b, duckdb_hugeint v)
{
	if (v.upper != ((int64_t)v.lower < 0 ? -1 : 0))
		return false;
	put_integer(b, (int64_t)v.lower);
	return true;
}

/* INT64_MAX is not a time either way. */
static bool put_time(struct buf *b, int64_t v, int64_t numerator, int64_t denominator)
{
	int64_t scaled;

	if (__builtin_mul_overflow(v, numerator, &scaled))
		return false;
	put_integer(b, scaled / denominator);
	return true;
}

#define AT(type) (((const type *)s->cells)[row])
static bool put_cell(struct buf *b, const struct source *s, idx_t row)
{
	if (!duckdb_validity_row_is_valid(s->valid, row)) {
		wire_put_cell(b, &(struct engine_cell){.kind = ENGINE_CELL_NULL});
		return true;
	}
	switch ((int)s->type) {
	case DUCKDB_TYPE_BOOLEAN: return put_integer(b, AT(bool)), true;
	case DUCKDB_TYPE_TINYINT: return put_integer(b, AT(int8_t)), true;
	case DUCKDB_TYPE_SMALLINT: return put_integer(b, AT(int16_t)), true;
	case DUCKDB_TYPE_INTEGER: return put_integer(b, AT(int32_t)), true;
	case DUCKDB_TYPE_BIGINT: return put_integer(b, AT(int64_t)), true;
	case DUCKDB_TYPE_UTINYINT: return put_integer(b, AT(uint8_t)), true;
	case DUCKDB_TYPE_USMALLINT: return put_integer(b, AT(uint16_t)), true;
	case DUCKDB_TYPE_UINTEGER: return put_integer(b, AT(uint32_t)), true;
	case DUCKDB_TYPE_UBIGINT: return put_huge(b, (duckdb_hugeint){.lower = AT(uint64_t), .upper = 0});
	case DUCKDB_TYPE_HUGEINT: return put_huge(b, AT(duckdb_hugeint));
	case DUCKDB_TYPE_FLOAT: return put_real(b, AT(float)), true;
	case DUCKDB_TYPE_DOUBLE: return put_real(b, AT(double)), true;
	case DUCKDB_TYPE_TIMESTAMP:
	case DUCKDB_TYPE_TIMESTAMP_TZ: return put_integer(b, AT(int64_t)), true;
	case DUCKDB_TYPE_TIMESTAMP_S: return put_time(b, AT(int64_t), 1000000, 1);
	case DUCKDB_TYPE_TIMESTAMP_MS: return put_time(b, AT(int64_t), 1000, 1);
	case DUCKDB_TYPE_TIMESTAMP_NS: return put_time(b, AT(int64_t), 1, 1000);
	case DUCKDB_TYPE_VARCHAR: return put_text(b, ENGINE_CELL_TEXT, &((duckdb_string_t *)s->cells)[row]), true;
	case DUCKDB_TYPE_BLOB: return put_text(b, ENGINE_CELL_BYTES, &((duckdb_string_t *)s->cells)[row]), true;
	default: return false;
	}
}

/* --- pieces --- */
static void begin_piece(struct rows_out *out, int n)
{
	buf_clear(&out->piece);
	wire_u32(&out->piece, 0);
	wire_u32(&out->piece, (uint32_t)n);
	out->rows = 0;
}

static bool send_piece(struct executor *x, struct task *t, int64_t rows, struct str bytes)
{
	const struct wire_part head = {.rows = rows, .row_bytes = (int64_t)bytes.n, .size = bytes.n};

	return parts_bytes(&x->parts, t, &head, bytes);
}

static bool end_piece(struct executor *x, struct task *t, struct rows_out *out)
{
	uint32_t rows = (uint32_t)out->rows;
	uint64_t size = out->piece.n;

	memcpy(out->piece.p, &rows, sizeof(rows));
	if (out->at_once)
		return send_piece(x, t, out->rows, buf_str(&out->piece));
	buf_add(&out->held, str_from((const char *)&size, sizeof(size)));
	buf_add(&out->held, str_from((const char *)&out->rows, sizeof(out->rows)));
	buf_add(&out->held, buf_str(&out->piece));
	if (out->held.n > RECORDS_BODY_MAX)
		return task_fails(t, "Out of Range", "The rows before the last step take more than %d bytes", RECORDS_BODY_MAX);
	return true;
}

static bool piece_full(const struct rows_out *out, int n)
{
	return out->piece.n >= RECORDS_PIECE || (out->rows + 1) * n > RECORDS_PIECE_CELLS;
}

static bool send_chunk(struct executor *x, struct task *t, struct rows_out *out, const struct source *v, int n, idx_t rows)
{
	for (idx_t row = 0; row < rows; row++) {
		if (out->rows && piece_full(out, n)) {
			if (!end_piece(x, t, out))
				return false;
			begin_piece(out, n);
		}
		for (int i = 0; i < n; i++)
			if (!put_cell(&out->piece, &v[i], row))
				return task_fails(t, "Conversion", "Column %d of the result has a value or a type that is not taken", i + 1);
		out->rows++;
		out->total++;
	}
	return true;
}

static void load(struct source *s, duckdb_result *r, duckdb_data_chunk chunk, idx_t i)
{
	duckdb_vector v = duckdb_data_chunk_get_vector(chunk, i);

	s->type = duckdb_column_type(r, i);
	s->cells = duckdb_vector_get_data(v);
	s->valid = duckdb_vector_get_validity(v);
}

bool rows_send(struct executor *x, struct task *t, duckdb_result *r, struct rows_out *out)
{
	int n = (int)duckdb_column_count(r);
	struct source *v = ARENA_ARRAY(t->call.arena, struct source, (size_t)n);
	duckdb_data_chunk chunk;
	bool ok;

	if (n > RECORDS_CELLS_MAX)
		return task_fails(t, "Out of Range", "A row has more than %d columns", RECORDS_CELLS_MAX);
	begin_piece(out, n);
	out->total = 0;
	while ((ok = task_fetch(t, r, &chunk)) && chunk) {
		if (out->total == 0 && duckdb_data_chunk_get_size(chunk) > 0)
			buf_clear(&out->held); /* an earlier step's */
		for (int i = 0; i < n; i++)
			load(&v[i], r, chunk, (idx_t)i);
		ok = send_chunk(x, t, out, v, n, duckdb_data_chunk_get_size(chunk));
		duckdb_destroy_data_chunk(&chunk);
		if (!ok)
			break;
	}
	return ok && (out->rows == 0 || end_piece(x, t, out));
}

bool rows_release(struct executor *x, struct task *t, struct rows_out *out)
{
	struct str rest = buf_str(&out->held);
	int64_t rows;
	uint64_t size;
	bool ok = true;

	while (ok && rest.n) {
		memcpy(&size, rest.p, sizeof(size));
		memcpy(&rows, rest.p + sizeof(size), sizeof(rows));
		rest = str_tail(rest, sizeof(size) + sizeof(rows));
		ok = send_piece(x, t, rows, str_head(rest, size));
		rest = str_tail(rest, size);
	}
	return ok;
}

void rows_drop(struct rows_out *out)
{
	buf_drop(&out->piece);
	buf_drop(&out->held);
}
