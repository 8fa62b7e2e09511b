/* rows.c - what the readers of rows share: the buffer, names, errors.
 *
 * Not the grammars: rows_json.c, rows_csv.c.
 */
#include "engine/worker/rows_int.h"

#include <stdio.h>
#include <stdlib.h>

/* --- life --- */
static struct str lower(struct buf *b, struct str s)
{
	buf_clear(b);
	for (size_t i = 0; i < s.n; i++)
		buf_addc(b, ascii_lower(s.p[i]));
	return buf_str(b);
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

struct rows *rows_open(enum engine_rows_format format, const struct str *names, int n, const struct rows_sink *sink)
{
	struct rows *r = base_zalloc(sizeof(*r));
	size_t places = (size_t)n + 1;

	INVARIANT(format != ENGINE_ROWS_PARQUET);
	r->sink = *sink;
	r->names = names;
	r->ncolumns = n;
	r->step = format == ENGINE_ROWS_CSV ? rows_csv_step : rows_json_step;
	r->lines = format == ENGINE_ROWS_NDJSON;
	r->row = 1;
	r->attempt = 1;
	r->seen = base_zalloc(sizeof(*r->seen) * places);
	r->guess = base_zalloc(sizeof(*r->guess) * places);
	r->plain = base_zalloc(sizeof(*r->plain) * places);
	for (int i = 0; i < n; i++) {
		r->guess[i] = i;
		r->plain[i] = is_plain(names[i]);
		map_put(&r->by_name, arena_dup(&r->keys, lower(&r->key, names[i])), (void *)(intptr_t)(i + 1));
	}
	return r;
}

void rows_close(struct rows *r)
{
	if (!r)
		return;
	map_close(&r->by_name);
	arena_close(&r->keys);
	buf_drop(&r->text);
	buf_drop(&r->key);
	free(r->seen);
	free(r->guess);
	free(r->plain);
	free(r->p);
	free(r);
}

int rows_column(struct rows *r, struct str name)
{
	return (int)(intptr_t)map_get(&r->by_name, lower(&r->key, name)) - 1;
}

/* --- the buffer --- */
char *rows_room(struct rows *r, size_t *ret_n)
{
	if (r->at) {
		memmove(r->p, r->p + r->at, r->n - r->at);
		r->n -= r->at;
		r->at = 0;
	}
	if (r->cap - r->n < ROWS_BLOCK) {
		r->cap = r->n * 2 > r->n + ROWS_BLOCK ? r->n * 2 : r->n + ROWS_BLOCK;
		r->p = base_realloc(r->p, r->cap + ROWS_PAD);
	}
	*ret_n = r->cap - r->n;
	return r->p + r->n;
}

void rows_added(struct rows *r, size_t n)
{
	INVARIANT(n <= r->cap - r->n);
	r->n += n;
}

/* --- errors --- */
void rows_blame(struct rows *r, struct str column)
{
	struct rows_error *e = &r->error;
	size_t n = column.n < ROWS_NAME_MAX ? column.n : ROWS_NAME_MAX;

	while (n < column.n && n > 0 && ((unsigned char)column.p[n] & 0xC0) == 0x80)
		n--; /* not within a character */
	memcpy(e->name, column.p ? column.p : "", n);
	e->column = str_from(e->name, n);
}

static void wrong(struct rows *r, struct str column, const char *fmt, va_list ap)
{
	rows_blame(r, column);
	r->error.row = r->row;
	vsnprintf(r->error.text, sizeof(r->error.text), fmt, ap);
}

enum rows_step rows_wrong(struct rows *r, struct str column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	wrong(r, column, fmt, ap);
	va_end(ap);
	return STEP_BAD;
}

enum rows_put rows_refuse(struct rows *r, int column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	wrong(r, column >= 0 ? r->names[column] : (struct str){NULL, 0}, fmt, ap);
	va_end(ap);
	return ROWS_PUT_STOP;
}

const struct rows_error *rows_error(const struct rows *r)
{
	return &r->error;
}

int64_t rows_number(const struct rows *r)
{
	return r->row;
}

/* --- the sink --- */
static enum rows_step step_of(enum rows_put put)
{
	return put == ROWS_PUT_OK ? STEP_OK : put == ROWS_PUT_STOP ? STEP_STOP : STEP_AGAIN;
}

enum rows_step rows_put_cell(struct rows *r, int column, const struct rows_cell *cell)
{
	return step_of(r->sink.cell(r->sink.arg, column, cell));
}

enum rows_step rows_put_row(struct rows *r)
{
	enum rows_step step = step_of(r->sink.row(r->sink.arg));

	if (step == STEP_OK)
		r->row++;
	return step;
}

/* --- reading --- */
static enum rows_state starved(struct rows *r)
{
	size_t rest = r->n - r->at;

	if (rest >= ROWS_MAX_BYTES) {
		rows_wrong(r, (struct str){NULL, 0}, "the row is longer than %d bytes", ROWS_MAX_BYTES);
		return ROWS_BAD;
	}
	/* A long row is read again each time it has doubled, not for each piece of it. */
	r->want = rest * 2 < ROWS_MAX_BYTES ? rest * 2 : ROWS_MAX_BYTES;
	return ROWS_MORE;
}

static bool worth_reading(const struct rows *r)
{
	return r->complete || (r->n > r->at && r->n - r->at >= r->want);
}

enum rows_state rows_run(struct rows *r, bool complete)
{
	enum rows_step step;

	r->complete = complete;
	if (!worth_reading(r))
		return ROWS_MORE;
	if (!r->p)
		r->p = base_zalloc(ROWS_PAD);
	memset(r->p + r->n, 0, ROWS_PAD);
	r->want = 0;
	do {
		r->attempt++;
		step = r->step(r);
	} while (step == STEP_OK);
	switch (step) {
	case STEP_SHORT:
		return starved(r);
	case STEP_END:
		return ROWS_END;
	case STEP_STOP:
		return ROWS_STOPPED;
	case STEP_AGAIN:
		return ROWS_AGAIN;
	case STEP_OK:
	case STEP_BAD:
		break;
	}
	return ROWS_BAD;
}
