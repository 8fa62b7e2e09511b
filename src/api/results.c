/* results.c - GET /v1/statements/{handle}/result in every native format. */
#include "api/api_int.h"

enum { SMALL_RESULT = 64 * 1024 };

/* The first is the default. Parquet is written whole, the others are read. */
static const struct format {
	const char *name, *media;
	bool whole;
	enum stmt_format read;
} formats[] = {
	{"json", "application/json", false, STMT_JSON},
	{"ndjson", "application/x-ndjson", false, STMT_NDJSON},
	{"csv", "text/csv", false, STMT_CSV},
	{"parquet", "application/vnd.apache.parquet", true, 0},
};

static enum http_more pull(void *self, struct buf *into)
{
	switch (statement_read(self, into)) {
	case STMT_READ_MORE:
		return HTTP_MORE;
	case STMT_READ_END:
		return HTTP_END;
	case STMT_READ_BROKEN:
		break;
	}
	return HTTP_BROKEN;
}

static void close_reader(void *self)
{
	statement_reader_close(self);
}

/* A small result is written at once, with its length; a large one is streamed. */
static bool write_rows(struct call *c, struct http_res *out, struct stmt *st, const struct stmt_view *v, enum stmt_format f)
{
	static const struct http_source source = {pull, close_reader, true};
	struct stmt_reader *r = statement_reader(c, st, f);
	enum stmt_read more = STMT_READ_MORE;

	if (!r)
		return false;
	if (v->row_bytes > SMALL_RESULT) {
		http_stream(out, &source, r);
		return true;
	}
	while (more == STMT_READ_MORE)
		more = statement_read(r, http_out(out));
	statement_reader_close(r);
	return more == STMT_READ_END || fail(c, ERR_INTERNAL, "the stored result cannot be read");
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

static const struct format *choose_format(struct call *c, const struct http_req *in)
{
	const char *offers[COUNT_OF(formats) + 1] = {NULL}, *wanted = NULL;
	struct str name;
	bool named = http_query(c, in, "format", &name);

	for (size_t i = 0; i < COUNT_OF(formats); i++)
		offers[i] = formats[i].media;
	if (!named)
		wanted = http_accept(in, offers);
	for (size_t i = 0; i < COUNT_OF(formats); i++)
		if (named ? str_ieq(name, str_of(formats[i].name)) : wanted == formats[i].media)
			return &formats[i];
	return NULL;
}

/* Of a finished statement; on the pool. */
bool api_write_result(struct call *c, struct api *a, const struct http_req *in, struct http_res *out, struct stmt *st)
{
	const struct format *f = choose_format(c, in);
	struct stmt_view v;

	statement_view(st, &v);
	if (!f)
		return fail(c, ERR_NOT_ACCEPTABLE, "results are application/json, application/x-ndjson, text/csv or application/vnd.apache.parquet");
	if (!check_finished(c, &v))
		return false;
	if (!http_is_on_pool(out))
		return http_on_pool(out);
	http_status(out, 200);
	http_set(out, "Content-Type", str_of(f->media));
	return f->whole ? statement_parquet(c, a->statements, st, http_out(out)) : write_rows(c, out, st, &v, f->read);
}

bool api_result(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct stmt *st;

	return api_find(c, rooms, in, &st) && api_write_result(c, rooms, in, out, st);
}
