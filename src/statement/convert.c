/* convert.c - finished results in other forms: as a stream of JSON, NDJSON or
 * CSV, and partition by partition in the form they were not stored in.
 *
 * A reader holds one partition and writes a page a time; partitions that are
 * stored natively go into JSON as they are, without a look at their cells.
 * Not here: how a cell changes (rows/), Parquet (parquet.c).
 * Threads: one reader is used by one thread at a time; reading blocks.
 */
#include "statement/statement_int.h"

#include <stdlib.h>

/* --- one partition in the other form --- */

static bool convert_part(struct call *c, const struct stmt_view *v, struct str plain, enum engine_form form,
			 struct buf *out)
{
	OWNS(convert) cv = {.from = v->form, .to = form, .shape = CONVERT_ARRAYS};
	struct engine_column *columns;
	struct str rows;
	bool done;

	if (!engine_columns(c, v->columns, &columns, &cv.ncolumns))
		return false;
	cv.columns = columns;
	if (!convert_envelope(plain, &rows))
		return fail(c, ERR_INTERNAL, "a partition of the result is not well-formed");
	cv.scan = json_scan(rows);
	buf_lit(out, "{\"data\":[");
	do {
		if (!convert_page(&cv, CONVERT_PAGE, out, &done))
			return buf_ok(out) ? fail(c, ERR_INTERNAL, "a partition of the result is not well-formed")
					   : fail(c, ERR_RESULT_TOO_LARGE, "a partition is too large in this form");
	} while (!done);
	buf_lit(out, "]}");
	return true;
}

bool stmt_part_as(struct call *c, struct stmt *st, int i, enum engine_form form, struct buf *ret)
{
	OWNS(plain_part) part = {0};
	OWNS(buf) out = {.limit = CONVERT_PLAIN_MAX};
	struct stmt_view v;

	statement_view(st, &v);
	if (!plain_part_open(c, st, i, &part))
		return false;
	if (form == v.form && !stmt_formatted(st))
		buf_add(&out, part.text);
	else if (!convert_part(c, &v, part.text, form, &out))
		return false;
	if (!buf_ok(&out))
		return fail(c, ERR_RESULT_TOO_LARGE, "a partition is too large in this form");
	plain_part_drop(&part);
	buf_give(ret, &out);
	return true;
}

/* --- the whole result as a stream --- */

enum read_step { READ_HEAD, READ_PART, READ_ROWS, READ_TAIL, READ_ENDED, READ_BROKEN };

struct stmt_reader {
	struct stmt *st;
	struct stmt_view view;
	enum stmt_format format;
	enum read_step step;
	struct arena life;   /* columns, keys */
	struct arena work;   /* of one call */
	struct call call;    /* our own: the one that opened us may be over */
	struct convert cv;   /* cv.scan: what is left of the partition */
	struct plain_part part;
	int next;            /* partition */
};

static const enum convert_shape shape_of[] = {
	[STMT_JSON] = CONVERT_ARRAYS,
	[STMT_NDJSON] = CONVERT_OBJECTS,
	[STMT_CSV] = CONVERT_CSV,
};

static bool open_columns(struct call *c, struct stmt_reader *r)
{
	struct arena *callers = c->arena;
	struct engine_column *columns;
	bool ok;

	if (r->view.columns.n == 0) /* a statement without a result, natively */
		return true;
	c->arena = &r->life;
	ok = engine_columns(c, r->view.columns, &columns, &r->cv.ncolumns);
	c->arena = callers;
	if (!ok)
		return false;
	r->cv.columns = columns;
	if (r->format == STMT_NDJSON)
		r->cv.keys = convert_keys(&r->life, columns, r->cv.ncolumns);
	return true;
}

struct stmt_reader *statement_reader(struct call *c, struct stmt *st, enum stmt_format f)
{
	struct stmt_reader *r = base_zalloc(sizeof(*r));

	r->st = stmt_ref(st);
	r->format = f;
	statement_view(st, &r->view);
	call_open(&r->call, &r->work);
	r->call.tenant = r->view.tenant;
	r->cv.from = r->view.form;
	r->cv.to = ENGINE_NATIVE;
	r->cv.shape = shape_of[f];
	if (r->view.state != STMT_SUCCEEDED)
		fail(c, ERR_NOT_FINISHED, "the statement has no result");
	else if (open_columns(c, r))
		return r;
	statement_reader_close(r);
	return NULL;
}

void statement_reader_close(struct stmt_reader *r)
{
	plain_part_drop(&r->part);
	convert_drop(&r->cv);
	arena_close(&r->work);
	arena_close(&r->life);
	statement_unref(r->st);
	free(r);
}

static void read_head(struct stmt_reader *r, struct buf *into)
{
	if (r->format == STMT_CSV)
		convert_csv_header(r->cv.columns, r->cv.ncolumns, into);
	if (r->format != STMT_JSON)
		return;
	buf_lit(into, "{\"columns\":");
	convert_columns(r->cv.columns, r->cv.ncolumns, into);
	buf_lit(into, ",\"rows\":[");
}

static void read_tail(struct stmt_reader *r, struct buf *into)
{
	if (r->format == STMT_JSON)
		buf_fmt(into, "],\"row_count\":%lld}", (long long)r->view.rows);
}

static bool as_stored(const struct stmt_reader *r)
{
	return r->format == STMT_JSON && r->view.form == ENGINE_NATIVE;
}

static bool read_part(struct stmt_reader *r, struct buf *into)
{
	struct str rows;

	if (r->next == r->view.parts) {
		r->step = READ_TAIL;
		return true;
	}
	arena_reset(&r->work);
	if (!plain_part_open(&r->call, r->st, r->next++, &r->part) || !convert_envelope(r->part.text, &rows))
		return false;
	r->cv.scan = json_scan(rows);
	r->step = READ_ROWS;
	if (as_stored(r) && rows.n) {
		if (r->cv.comma)
			buf_addc(into, ',');
		r->cv.comma = true;
	}
	return true;
}

/* The rows are the text that goes out: no cell is looked at. */
static bool copy_page(struct json_scan *s, struct buf *into)
{
	struct str left = str_from(s->p, (size_t)(s->end - s->p)), page = str_head(left, CONVERT_PAGE);

	buf_add(into, page);
	s->p += page.n;
	return s->p == s->end;
}

static bool read_rows(struct stmt_reader *r, struct buf *into)
{
	bool done;

	if (as_stored(r))
		done = copy_page(&r->cv.scan, into);
	else if (!convert_page(&r->cv, CONVERT_PAGE, into, &done))
		return false;
	if (done) {
		plain_part_close(&r->part);
		r->step = READ_PART;
	}
	return true;
}

static bool read_step(struct stmt_reader *r, struct buf *into)
{
	switch (r->step) {
	case READ_HEAD:
		read_head(r, into);
		r->step = READ_PART;
		return true;
	case READ_PART:
		return read_part(r, into);
	case READ_ROWS:
		return read_rows(r, into);
	case READ_TAIL:
		read_tail(r, into);
		r->step = READ_ENDED;
		return true;
	case READ_ENDED:
	case READ_BROKEN:
		break;
	}
	return r->step == READ_ENDED;
}

/* END comes alone: whoever drops what came with it loses nothing. */
enum stmt_read statement_read(struct stmt_reader *r, struct buf *into)
{
	size_t from = into->n;

	while (into->n - from < CONVERT_PAGE && r->step != READ_ENDED) {
		if (read_step(r, into) && buf_ok(into))
			continue;
		r->step = READ_BROKEN;
		return STMT_READ_BROKEN;
	}
	return into->n > from ? STMT_READ_MORE : STMT_READ_END;
}
