/* results.c - GET /v1/statements/{handle}/result in every native format. */
#include "api/api_int.h"

#include <stdlib.h>

enum { SMALL_RESULT = 64 * 1024 };

/* Parquet is written whole, the others are read. */
static const enum stmt_format reading[] = {[API_JSON] = STMT_JSON, [API_NDJSON] = STMT_NDJSON, [API_CSV] = STMT_CSV};

/* What is streamed: its beginning was read already, so that what cannot be read at all is an error and no stream. */
struct rows {
	struct stmt_reader *reader;
	struct buf first;
};

static enum http_more pull(void *self, struct buf *into)
{
	struct rows *r = self;

	if (r->first.n) {
		buf_add(into, buf_str(&r->first));
		buf_drop(&r->first);
		return HTTP_MORE;
	}
	switch (statement_read(r->reader, into)) {
	case STMT_READ_MORE:
		return HTTP_MORE;
	case STMT_READ_END:
		return HTTP_END;
	case STMT_READ_BROKEN:
		break;
	}
	return HTTP_BROKEN;
}

static void close_rows(void *self)
{
	struct rows *r = self;

	statement_reader_close(r->reader);
	buf_drop(&r->first);
	free(r);
}

static void stream_rows(struct http_res *out, struct stmt_reader *reader, struct buf *first)
{
	static const struct http_source source = {pull, close_rows, true};
	struct rows *r = base_zalloc(sizeof(*r));

	*r = (struct rows){reader, *first};
	http_stream(out, &source, r);
}

/* A small result is written at once, with its length; a large one is streamed. */
static bool write_rows(struct call *c, struct http_res *out, struct stmt *st, const struct stmt_view *v, enum stmt_format f)
{
	struct stmt_reader *r = statement_reader(c, st, f);
	enum stmt_read more = STMT_READ_MORE;
	struct buf first = {0};

	if (!r)
		return false;
	if (v->row_bytes > SMALL_RESULT) {
		more = statement_read(r, &first);
		if (more == STMT_READ_MORE) {
			stream_rows(out, r, &first);
			return true;
		}
		buf_add(http_out(out), buf_str(&first));
		buf_drop(&first);
	}
	while (more == STMT_READ_MORE)
		more = statement_read(r, http_out(out));
	statement_reader_close(r);
	return more == STMT_READ_END || fail(c, ERR_STORAGE, "the stored result cannot be read");
}

static bool check_finished(struct call *c, const struct stmt_view *v)
{
	const struct stmt_error *e = v->error;

	if (v->state == STMT_SUCCEEDED)
		return true;
	if (!fsm_terminal(stmt_fsm, v->state))
		return fail(c, ERR_NOT_FINISHED, "the statement is %s", stmt_fsm[v->state].name);
	fail_at(c, e->kind, e->position, "%.*s", SARG(e->text));
	return fail_state(c, e->sqlstate, e->native);
}

/* Of a finished statement; on the pool. */
bool api_write_result(struct call *c, struct api *a, const struct http_req *in, struct http_res *out, struct stmt *st)
{
	enum api_format f;
	struct stmt_view v;

	statement_view(st, &v);
	if (!api_format_of_answer(c, in, &f) || !check_finished(c, &v))
		return false;
	if (!http_is_on_pool(out))
		return http_on_pool(out);
	api_set_format(out, f);
	if (f == API_PARQUET)
		return statement_parquet(c, a->statements, st, http_out(out));
	return write_rows(c, out, st, &v, reading[f]);
}

bool api_result(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct stmt *st;

	if (api_goes_to_pool(rooms, in, out))
		return http_on_pool(out);
	return api_find(c, rooms, in, &st) && api_write_result(c, rooms, in, out, st);
}
