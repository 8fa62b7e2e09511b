/* rows_fuzz.c - any bytes as JSON, NDJSON or CSV rows; the first byte chooses the
 * format. Fed in one piece or byte by byte, the outcome is the same.
 */
#include "engine/worker/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct seen {
	uint64_t rows, sum;
	enum rows_state state;
	int64_t bad_row;
};
struct sink_state {
	struct seen seen;
	uint64_t row; /* of the attempt at hand */
};

static const struct str names[] = {S_INIT("a"), S_INIT("b"), S_INIT("name \"c\"")};

static enum rows_put on_header(void *arg, const bool *given)
{
	struct sink_state *s = arg;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		s->seen.sum = s->seen.sum * 31 + given[i];
	return ROWS_PUT_OK;
}

static void read_values(struct str text)
{
	unsigned __int128 fixed;
	bool negative;
	int64_t whole;
	int32_t days;
	double real;
	float small;

	(void)rows_to_fixed(text, 4, &fixed, &negative);
	if (rows_to_small(text, &whole) && (rows_to_fixed(text, 0, &fixed, &negative) != ROWS_EXACT ||
					    (negative ? -(int64_t)fixed : (int64_t)fixed) != whole))
		INVARIANT(!"both readings of a whole number are the same");
	if (!rows_to_double(text, &real))
		real = 0;
	if (!rows_to_float(text, &small))
		small = 0;
	if (rows_to_date(text, &days))
		INVARIANT(text.n == 10);
	if (rows_to_timestamp(text, &whole))
		INVARIANT(text.n >= 19);
}

static enum rows_put on_cell(void *arg, int column, const struct rows_cell *cell)
{
	struct sink_state *s = arg;

	INVARIANT(column >= 0 && column < (int)COUNT_OF(names));
	if (column == 0 || s->row == 0)
		s->row = s->row * 31 + 1;
	s->row = s->row * 31 + (uint64_t)cell->kind * 7 + (uint64_t)column;
	if (cell->kind < ROWS_NUMBER)
		return ROWS_PUT_OK;
	INVARIANT(str_is_utf8(cell->text));
	for (size_t i = 0; i < cell->text.n; i++)
		s->row = s->row * 31 + (unsigned char)cell->text.p[i];
	read_values(cell->text);
	return ROWS_PUT_OK;
}

static enum rows_put on_row(void *arg)
{
	struct sink_state *s = arg;

	s->seen.rows++;
	s->seen.sum = s->seen.sum * 31 + s->row;
	s->row = 0;
	return ROWS_PUT_OK;
}

static struct seen read_all(enum engine_rows_format format, struct str text, size_t piece)
{
	struct sink_state s = {0};
	const struct rows_sink sink = {on_header, on_cell, on_row, &s};
	struct rows *r = rows_open(format, names, COUNT_OF(names), &sink);
	enum rows_state state = ROWS_MORE;

	while (state == ROWS_MORE) {
		size_t room, size = piece < text.n ? piece : text.n;
		char *to = rows_room(r, &room);

		size = size < room ? size : room;
		if (size)
			memcpy(to, text.p, size);
		rows_added(r, size);
		text = str_tail(text, size);
		s.row = 0;
		state = rows_run(r, text.n == 0);
	}
	s.seen.state = state;
	s.seen.bad_row = state == ROWS_BAD ? rows_error(r)->row : 0;
	rows_close(r);
	return s.seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str text = {(const char *)bytes, n};
	enum engine_rows_format format;
	struct seen whole, pieces;

	if (n == 0)
		return 0;
	format = (enum engine_rows_format)(bytes[0] % ENGINE_ROWS_PARQUET);
	text = str_tail(text, 1);
	whole = read_all(format, text, SIZE_MAX);
	pieces = read_all(format, text, 1 + bytes[0] % 5);
	INVARIANT(whole.state == pieces.state && whole.rows == pieces.rows && whole.sum == pieces.sum);
	INVARIANT(whole.bad_row == pieces.bad_row);
	return 0;
}
