/* ingest_cells.c - cells of rows into vectors of their columns' types.
 *
 * What fits: whole numbers of any writing (1, 1.0, "1") for integers, numbers and
 * their texts for DECIMAL (rounded) and reals, "NaN" and "Infinity" as texts for
 * reals, true and false for BOOLEAN; a VARCHAR takes any value as its text.
 * Everything else goes as text and is cast by DuckDB.
 */
#include "engine/worker/ingest.h"

#include <limits.h>

enum { SHOWN = 60 /* bytes of a value in an error */ };

static bool is_text(const struct rows_cell *c)
{
	return c->kind == ROWS_TEXT || c->kind == ROWS_FIELD;
}

/* Behind cuts no character stays half. */
static struct str shown(struct str s)
{
	size_t n = s.n < SHOWN ? s.n : SHOWN;

	while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	return str_head(s, n);
}

static enum rows_put refuse(struct ingest *g, const struct field *f, const struct rows_cell *c, const char *what)
{
	struct str s = shown(c->raw.p ? c->raw : c->text);

	return rows_refuse(g->rows, (int)(f - g->fields), "%.*s %s %.*s", SARG(s), what, SARG(shown(f->type)));
}

static void set_valid(struct field *f, idx_t row, bool valid)
{
	uint64_t bit = 1ULL << (row & 63);

	if (valid)
		f->valid[row >> 6] |= bit;
	else
		f->valid[row >> 6] &= ~bit;
}

static enum rows_put put_null(struct ingest *g, struct field *f, bool absent)
{
	idx_t row = (idx_t)g->filled;
	bool fallback = absent && f->present;

	if (!f->nullable && !fallback)
		return rows_refuse(g->rows, (int)(f - g->fields), absent ? "the column is NOT NULL and is not given" :
									   "the column is NOT NULL");
	set_valid(f, row, false);
	f->size = 0;
	if (f->present)
		f->present[row] = !fallback;
	return ROWS_PUT_OK;
}

static enum rows_put put_text(struct ingest *g, struct field *f, struct str s)
{
	duckdb_vector_assign_string_element_len(f->vector, (idx_t)g->filled, s.p ? s.p : "", s.n);
	f->size = (int)s.n;
	return ROWS_PUT_OK;
}

static enum rows_put put_bool(struct ingest *g, struct field *f, const struct rows_cell *c)
{
	bool yes = c->kind == ROWS_TRUE || (is_text(c) && str_ieq(c->text, S("true")));

	if (!yes && c->kind != ROWS_FALSE && !(is_text(c) && str_ieq(c->text, S("false"))))
		return refuse(g, f, c, "is neither true nor false, for a column of type");
	((bool *)f->values)[g->filled] = yes;
	return ROWS_PUT_OK;
}

/* --- integers --- */
static const struct range {
	int64_t min;
	uint64_t max;
	int size;
} ranges[] = {
	[DUCKDB_TYPE_TINYINT] = {INT8_MIN, INT8_MAX, 1},    [DUCKDB_TYPE_UTINYINT] = {0, UINT8_MAX, 1},
	[DUCKDB_TYPE_SMALLINT] = {INT16_MIN, INT16_MAX, 2}, [DUCKDB_TYPE_USMALLINT] = {0, UINT16_MAX, 2},
	[DUCKDB_TYPE_INTEGER] = {INT32_MIN, INT32_MAX, 4},  [DUCKDB_TYPE_UINTEGER] = {0, UINT32_MAX, 4},
	[DUCKDB_TYPE_BIGINT] = {INT64_MIN, INT64_MAX, 8},   [DUCKDB_TYPE_UBIGINT] = {0, UINT64_MAX, 8},
};

static void store(struct field *f, idx_t row, int size, uint64_t bits)
{
	switch (size) {
	case 1:
		((uint8_t *)f->values)[row] = (uint8_t)bits;
		break;
	case 2:
		((uint16_t *)f->values)[row] = (uint16_t)bits;
		break;
	case 4:
		((uint32_t *)f->values)[row] = (uint32_t)bits;
		break;
	default:
		((uint64_t *)f->values)[row] = bits;
		break;
	}
}

/* A whole number's size and sign, or false and *ret_put. */
static bool whole(struct ingest *g, struct field *f, const struct rows_cell *c, unsigned __int128 *ret, bool *ret_negative)
{
	enum rows_number kind = ROWS_NO_NUMBER;

	if (c->kind == ROWS_NUMBER || is_text(c))
		kind = rows_to_fixed(c->text, 0, ret, ret_negative);
	if (kind == ROWS_EXACT)
		return true;
	refuse(g, f, c, kind == ROWS_TOO_LARGE ? "is out of range for" : "is no whole number, for a column of type");
	return false;
}

static enum rows_put put_integer(struct ingest *g, struct field *f, const struct rows_cell *c)
{
	const struct range *r = &ranges[f->id];
	unsigned __int128 size, most;
	bool negative;
	int64_t v;

	if ((c->kind == ROWS_NUMBER || is_text(c)) && rows_to_small(c->text, &v)) {
		if (v < r->min || (v > 0 && (uint64_t)v > r->max))
			return refuse(g, f, c, "is out of range for");
		store(f, (idx_t)g->filled, r->size, (uint64_t)v);
		return ROWS_PUT_OK;
	}
	if (!whole(g, f, c, &size, &negative))
		return ROWS_PUT_STOP;
	most = negative ? (unsigned __int128)0 - (unsigned __int128)(__int128)r->min : r->max;
	if (size > most)
		return refuse(g, f, c, "is out of range for");
	store(f, (idx_t)g->filled, r->size, negative ? 0 - (uint64_t)size : (uint64_t)size);
	return ROWS_PUT_OK;
}

static void store_huge(struct field *f, idx_t row, unsigned __int128 bits)
{
	((duckdb_uhugeint *)f->values)[row] = (duckdb_uhugeint){(uint64_t)bits, (uint64_t)(bits >> 64)};
}

static enum rows_put put_huge(struct ingest *g, struct field *f, const struct rows_cell *c)
{
	const unsigned __int128 top = (unsigned __int128)1 << 127;
	bool is_signed = f->id == DUCKDB_TYPE_HUGEINT, negative;
	unsigned __int128 size;

	if (!whole(g, f, c, &size, &negative))
		return ROWS_PUT_STOP;
	if (is_signed ? size > top - !negative : negative && size)
		return refuse(g, f, c, "is out of range for");
	store_huge(f, (idx_t)g->filled, negative ? 0 - size : size);
	return ROWS_PUT_OK;
}

static unsigned __int128 ten_to(int n)
{
	unsigned __int128 v = 1;

	while (n-- > 0)
		v *= 10;
	return v;
}

static enum rows_put put_decimal(struct ingest *g, struct field *f, const struct rows_cell *c)
{
	enum rows_number kind = ROWS_NO_NUMBER;
	unsigned __int128 size = 0;
	bool negative = false;
	idx_t row = (idx_t)g->filled;

	if (c->kind == ROWS_NUMBER || is_text(c))
		kind = rows_to_fixed(c->text, f->scale, &size, &negative);
	if (kind == ROWS_NO_NUMBER)
		return refuse(g, f, c, "is no number, for a column of type");
	if (kind == ROWS_TOO_LARGE || size >= ten_to(f->width))
		return refuse(g, f, c, "is out of range for");
	size = negative ? 0 - size : size;
	if (f->store == DUCKDB_TYPE_HUGEINT)
		store_huge(f, row, size);
	else
		store(f, row, f->store == DUCKDB_TYPE_SMALLINT ? 2 : f->store == DUCKDB_TYPE_INTEGER ? 4 : 8, (uint64_t)size);
	return ROWS_PUT_OK;
}

/* --- reals --- */
static enum rows_put put_real(struct ingest *g, struct field *f, const struct rows_cell *c)
{
	idx_t row = (idx_t)g->filled;
	bool number = c->kind == ROWS_NUMBER || is_text(c);

	if (number && f->id == DUCKDB_TYPE_DOUBLE)
		number = rows_to_double(c->text, &((double *)f->values)[row]);
	else if (number)
		number = rows_to_float(c->text, &((float *)f->values)[row]);
	return number ? ROWS_PUT_OK : refuse(g, f, c, "is no number that fits a column of type");
}

/* --- dates --- */
static enum rows_put put_time(struct ingest *g, struct field *f, const struct rows_cell *c)
{
	idx_t row = (idx_t)g->filled;

	if (!is_text(c))
		return refuse(g, f, c, "is no text, for a column of type");
	if (f->id == DUCKDB_TYPE_DATE ? rows_to_date(c->text, &((int32_t *)f->values)[row]) :
					rows_to_timestamp(c->text, &((int64_t *)f->values)[row]))
		return ROWS_PUT_OK;
	return ingest_stage(g, f) ? ROWS_PUT_AGAIN : ROWS_PUT_STOP; /* DuckDB knows more ways to write them */
}

static enum rows_put put_value(struct ingest *g, struct field *f, const struct rows_cell *c)
{
	if (f->staged)
		return put_text(g, f, f->json && c->kind != ROWS_FIELD ? c->raw : c->text);
	switch (f->id) {
	case DUCKDB_TYPE_VARCHAR:
		return put_text(g, f, c->text);
	case DUCKDB_TYPE_BOOLEAN:
		return put_bool(g, f, c);
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DOUBLE:
		return put_real(g, f, c);
	case DUCKDB_TYPE_DATE:
	case DUCKDB_TYPE_TIMESTAMP:
		return put_time(g, f, c);
	case DUCKDB_TYPE_DECIMAL:
		return put_decimal(g, f, c);
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_UHUGEINT:
		return put_huge(g, f, c);
	default:
		return put_integer(g, f, c);
	}
}

enum rows_put ingest_cell(void *arg, int column, const struct rows_cell *cell)
{
	struct ingest *g = arg;
	struct field *f = &g->fields[column];

	if (cell->kind <= ROWS_NULL)
		return put_null(g, f, cell->kind == ROWS_ABSENT);
	set_valid(f, (idx_t)g->filled, true);
	if (f->present)
		f->present[g->filled] = true;
	return put_value(g, f, cell);
}

enum rows_put ingest_row(void *arg)
{
	struct ingest *g = arg;
	int64_t bytes = g->width;

	for (int i = 0; i < g->nfields; i++)
		bytes += g->fields[i].size; /* 0 but of texts */
	g->numbers[g->filled++] = rows_number(g->rows);
	g->pending_bytes += bytes;
	g->sum.bytes += bytes;
	g->sum.rows++;
	if ((idx_t)g->filled < duckdb_vector_size() && g->pending_bytes < INGEST_PENDING_BYTES)
		return ROWS_PUT_OK;
	return ingest_next_chunk(g) ? ROWS_PUT_OK : ROWS_PUT_STOP;
}
