/* rows_csv.c - rows of CSV, RFC 4180 with a header row.
 *
 * Lines end in LF or CR LF. An empty field without quotes is NULL, one with
 * quotes an empty text. A line with nothing on it is a row where there is one
 * column, else nothing.
 */
#include "engine/worker/rows_int.h"

#include <stdlib.h>

enum { AT_HEADER, AT_ROWS };
enum end { END_FIELD, END_LINE };

struct cursor {
	struct rows *r;
	const char *p, *end;
};
typedef enum rows_step field_fn(struct rows *r, int i, const struct rows_cell *cell);

static enum rows_step cut(struct cursor *k, const char *what)
{
	return k->r->complete ? rows_wrong(k->r, (struct str){NULL, 0}, "not CSV: %s", what) : STEP_SHORT;
}

/* At what stands behind a field. */
static enum rows_step field_end(struct cursor *k, enum end *ret)
{
	*ret = END_LINE;
	if (k->p >= k->end)
		return k->r->complete ? STEP_OK : STEP_SHORT;
	if (*k->p == ',')
		*ret = END_FIELD;
	if (*k->p == '\r') {
		if (k->p + 1 >= k->end)
			return cut(k, "a carriage return without a line feed");
		k->p++;
	}
	if (*k->p == ',' || *k->p == '\n') {
		k->p++;
		return STEP_OK;
	}
	return rows_wrong(k->r, (struct str){NULL, 0}, "not CSV: something between a field and its comma or line end");
}

static enum rows_step quoted(struct cursor *k, struct str *ret)
{
	const char *from = ++k->p;
	struct buf *b = &k->r->text;
	bool whole = true;

	buf_clear(b);
	for (;;) {
		const char *quote = memchr(k->p, '"', (size_t)(k->end - k->p));

		if (!quote)
			return cut(k, "a quoted field without its end");
		if (quote + 1 >= k->end && !k->r->complete)
			return STEP_SHORT;
		k->p = quote + 1;
		if (quote + 1 >= k->end || *k->p != '"') {
			if (!whole)
				buf_add(b, str_from(from, (size_t)(quote - from)));
			*ret = whole ? str_from(from, (size_t)(quote - from)) : buf_str(b);
			break;
		}
		whole = false;
		buf_add(b, str_from(from, (size_t)(k->p - from))); /* with one of the two */
		from = ++k->p;
	}
	if (!whole) {
		buf_addc(b, '\0');
		*ret = str_from(b->p, b->n - 1);
	}
	return STEP_OK;
}

static enum rows_step bare(struct cursor *k, struct str *ret)
{
	const char *from = k->p;

	while (k->p < k->end && *k->p != ',' && *k->p != '\n' && *k->p != '\r' && *k->p != '"')
		k->p++;
	*ret = str_from(from, (size_t)(k->p - from));
	if (k->p < k->end && *k->p == '"')
		return rows_wrong(k->r, (struct str){NULL, 0}, "not CSV: a quote inside a field without quotes");
	return STEP_OK;
}

/* One field; what it is told to is put only when its end has come. */
static enum rows_step field(struct cursor *k, int i, field_fn *put, enum end *ret_end)
{
	struct rows_cell cell = {.kind = ROWS_FIELD};
	bool in_quotes = k->p < k->end && *k->p == '"';
	enum rows_step step = in_quotes ? quoted(k, &cell.text) : bare(k, &cell.text);

	if (step == STEP_OK)
		step = field_end(k, ret_end);
	if (step != STEP_OK)
		return step;
	if (!in_quotes && cell.text.n == 0)
		cell.kind = ROWS_NULL;
	if (!str_is_utf8(cell.text))
		return rows_wrong(k->r, (struct str){NULL, 0}, "the text is not UTF-8");
	return put(k->r, i, &cell);
}

/* The fields of one line. */
static enum rows_step line(struct cursor *k, field_fn *put, int *ret_n)
{
	enum end end = END_FIELD;
	enum rows_step step = STEP_OK;
	int n = 0;

	while (step == STEP_OK && end == END_FIELD)
		step = field(k, n++, put, &end);
	*ret_n = n;
	return step;
}

static enum rows_step done(struct cursor *k)
{
	k->r->at = (size_t)(k->p - k->r->p);
	return STEP_OK;
}

/* --- the header --- */
static enum rows_step put_name(struct rows *r, int i, const struct rows_cell *cell)
{
	int column = rows_column(r, cell->text);

	if (column < 0)
		return rows_wrong(r, cell->text, "the table has no such column");
	if (r->seen[column] == r->attempt)
		return rows_wrong(r, r->names[column], "the column is given twice");
	r->seen[column] = r->attempt;
	r->guess[i] = column;
	return STEP_OK;
}

static enum rows_step tell_header(struct rows *r)
{
	bool *given = base_zalloc((size_t)r->ncolumns + 1);
	enum rows_put put;

	for (int i = 0; i < r->nfields; i++)
		given[r->guess[i]] = true;
	put = r->sink.header(r->sink.arg, given);
	free(given);
	return put == ROWS_PUT_OK ? STEP_OK : STEP_STOP;
}

static enum rows_step header(struct cursor *k)
{
	struct rows *r = k->r;
	enum rows_step step;

	if (k->end - k->p < 3 && !r->complete)
		return STEP_SHORT;
	if (k->end - k->p >= 3 && memcmp(k->p, "\xEF\xBB\xBF", 3) == 0)
		k->p += 3;
	r->row = 0;
	if (k->p >= k->end)
		return cut(k, "the header row with the columns' names is missing");
	step = line(k, put_name, &r->nfields);
	if (step != STEP_OK)
		return step;
	r->row = 1;
	r->phase = AT_ROWS;
	step = tell_header(r);
	return step == STEP_OK ? done(k) : step;
}

/* --- rows --- */
static enum rows_step put_field(struct rows *r, int i, const struct rows_cell *cell)
{
	if (i == r->nfields)
		return rows_wrong(r, (struct str){NULL, 0}, "the row has more fields than the header's %d", i);
	return rows_put_cell(r, r->guess[i], cell);
}

static bool is_blank(const struct cursor *k)
{
	return *k->p == '\n' || (*k->p == '\r' && k->p[1] == '\n');
}

static enum rows_step one_row(struct cursor *k)
{
	struct rows *r = k->r;
	enum rows_step step;
	int n;

	if (k->p >= k->end)
		return r->complete ? STEP_END : STEP_SHORT;
	if (r->nfields > 1 && is_blank(k)) {
		k->p += *k->p == '\r' ? 2 : 1;
		return done(k);
	}
	step = line(k, put_field, &n);
	if (step != STEP_OK)
		return step;
	if (n < r->nfields)
		return rows_wrong(r, (struct str){NULL, 0}, "the row has %d fields, the header %d", n, r->nfields);
	step = rows_put_row(r);
	return step == STEP_OK ? done(k) : step;
}

enum rows_step rows_csv_step(struct rows *r)
{
	struct cursor k = {r, r->p + r->at, r->p + r->n};

	return r->phase == AT_HEADER ? header(&k) : one_row(&k);
}
