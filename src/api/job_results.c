/* job_results.c - /v1/jobs/{id}/results[/{n}]: what the statements of a head gave, in every native format.
 *
 * A reader has one statement's rows at a time and writes them page by page: what fits is sent at once, what
 * does not is streamed from the pool. Without {n} it is the last statement that returned rows, and as JSON all of them.
 */
#include "api/api_int.h"
#include "rows/rows.h"

#include <stdlib.h>

enum { AT_ONCE = 64 * 1024, NO_MORE = -2 };

struct reader {
	struct job *job;
	enum api_format format;
	bool all;               /* JSON: also every statement, as `results` */
	bool began, over;       /* over: all is written */
	int64_t n;              /* of the open statement; NO_MORE = none is open */
	struct arena who, arena;/* of the call; of the open statement */
	struct call call;
	struct job_result result;
	struct convert rows;
	int part;               /* the next one */
	struct buf ahead;       /* written before it became a stream */
};

static void reader_close(void *self)
{
	struct reader *r = self;

	job_result_drop(&r->result);
	convert_drop(&r->rows);
	arena_close(&r->arena);
	arena_close(&r->who);
	buf_drop(&r->ahead);
	job_unref(r->job);
	free(r);
}

/* --- one statement --- */

static bool begin_rows(struct reader *r)
{
	static const enum convert_shape shapes[] = {[API_JSON] = CONVERT_ARRAYS, [API_NDJSON] = CONVERT_OBJECTS, [API_CSV] = CONVERT_CSV};
	struct engine_column *columns = NULL;
	int n = 0;

	if (r->result.has_rows && !engine_columns(&r->call, r->result.columns, &columns, &n))
		return false;
	convert_drop(&r->rows);
	r->rows = (struct convert){.from = ENGINE_NATIVE, .to = ENGINE_NATIVE, .shape = shapes[r->format], .columns = columns, .ncolumns = n};
	if (r->format == API_NDJSON)
		r->rows.keys = convert_keys(&r->arena, columns, n);
	r->part = 0;
	return true;
}

/* ERR_NOT_FOUND: there is none. */
static bool open_statement(struct reader *r, int64_t n)
{
	struct job_result next;

	job_result_drop(&r->result);
	r->result = (struct job_result){0};
	r->n = NO_MORE;
	arena_reset(&r->arena);
	if (!job_results(&r->call, r->job, n, &next))
		return false;
	r->result = next;
	r->n = n;
	return begin_rows(r);
}

static void put_head(struct reader *r, struct buf *into)
{
	if (r->format == API_CSV && r->result.has_rows)
		convert_csv_header(r->rows.columns, r->rows.ncolumns, into);
	if (r->format != API_JSON)
		return;
	buf_lit(into, "{\"columns\":");
	convert_columns(r->rows.columns, r->rows.ncolumns, into);
	buf_lit(into, ",\"rows\":[");
}

/* The last statement's members stay open while `results` are to follow. */
static void put_foot(struct reader *r, struct buf *into)
{
	struct json_out o = json_out(into);

	if (r->format != API_JSON)
		return;
	buf_fmt(into, "],\"row_count\":%lld,", (long long)r->result.rows);
	JSON_FIELD_TEXT(&o, "command_tag", r->result.command_tag);
	JSON_FIELD_BOOL(&o, "truncated", r->result.truncated);
	json_key(&o, S("notices"));
	json_put_raw(&o, r->result.notices.n ? r->result.notices : S("[]"));
	if (r->n != JOB_LAST_ROWS || !r->all)
		buf_addc(into, '}');
}

/* Some rows; *ret_done after the last. */
static bool put_rows(struct reader *r, struct buf *into, bool *ret_done)
{
	struct str rows;
	bool done = true;

	if (r->rows.scan.p != r->rows.scan.end) {
		if (!convert_page(&r->rows, CONVERT_PAGE, into, &done))
			return false;
		if (done)
			r->rows.scan = (struct json_scan){0};
		*ret_done = false;
		return true;
	}
	*ret_done = r->part == r->result.nparts;
	if (*ret_done)
		return true;
	if (!convert_envelope(engine_bytes_str(r->result.parts[r->part++].bytes), &rows))
		return false;
	r->rows.scan = json_scan(rows);
	return true;
}

/* --- one after the other --- */

static bool to_next(struct reader *r, struct buf *into)
{
	int64_t next = r->n == JOB_LAST_ROWS || r->n == NO_MORE ? 0 : r->n + 1;

	if (!r->all) {
		r->over = true;
		return true;
	}
	if (next == 0)
		buf_lit(into, ",\"results\":[");
	if (!open_statement(r, next)) {
		r->over = r->call.err.kind == ERR_NOT_FOUND;
		call_forgive(&r->call);
		buf_lit(into, "]}");
		return r->over;
	}
	if (next > 0)
		buf_addc(into, ',');
	put_head(r, into);
	return true;
}

/* A page more, or what stands between two statements. */
static bool read_more(struct reader *r, struct buf *into)
{
	bool done;

	if (!r->began) {
		r->began = true;
		put_head(r, into);
		return true;
	}
	if (!put_rows(r, into, &done))
		return false;
	if (!done)
		return true;
	put_foot(r, into);
	return to_next(r, into);
}

static enum http_more pull(void *self, struct buf *into)
{
	struct reader *r = self;

	if (into != &r->ahead && r->ahead.n) {
		buf_add(into, buf_str(&r->ahead));
		buf_drop(&r->ahead);
	}
	while (!r->over && into->n < AT_ONCE)
		if (!read_more(r, into))
			return HTTP_BROKEN;
	return r->over ? HTTP_END : HTTP_MORE;
}

/* --- answering --- */

static struct reader *reader_open(struct call *c, struct job *j, enum api_format f)
{
	struct reader *r = base_zalloc(sizeof(*r));

	r->job = j;
	r->format = f;
	call_open(&r->call, &r->arena);
	r->call.tenant = arena_dup(&r->who, c->tenant);
	r->call.principal = arena_dup(&r->who, c->principal);
	r->call.role = c->role;
	return r;
}

static bool write_parquet(struct call *c, struct api *a, struct http_res *out, const struct job_result *got)
{
	struct engine_bytes **parts = ARENA_ARRAY(c->arena, struct engine_bytes *, (size_t)got->nparts + 1);
	const struct engine_table table = {got->columns, parts, got->nparts};

	if (!got->has_rows)
		return fail(c, ERR_NOT_ACCEPTABLE, "the statement returned no columns: there is no Parquet of it");
	for (int i = 0; i < got->nparts; i++)
		parts[i] = engine_bytes_ref(got->parts[i].bytes);
	return convert_to_parquet(c, a->engine, &table, http_out(out));
}

static bool send_rows(struct call *c, struct http_res *out, struct reader *r)
{
	static const struct http_source source = {pull, reader_close, true};
	enum http_more more = pull(r, &r->ahead);

	if (more == HTTP_MORE) {
		http_stream(out, &source, r);
		return true;
	}
	if (more == HTTP_END)
		buf_add(http_out(out), buf_str(&r->ahead));
	reader_close(r);
	return more == HTTP_END || fail(c, ERR_INTERNAL, "the stored result cannot be read");
}

/* The statement to begin with. None returned rows: an empty answer, but for Parquet. */
static bool open_first(struct call *c, struct reader *r, int64_t n)
{
	if (open_statement(r, n))
		return true;
	if (n == JOB_LAST_ROWS && r->call.err.kind == ERR_NOT_FOUND) {
		call_forgive(&r->call);
		r->n = JOB_LAST_ROWS;
		return begin_rows(r);
	}
	return fail_as(c, &r->call.err);
}

static bool answer(struct call *c, struct api *a, const struct http_req *in, struct http_res *out, int64_t n)
{
	enum api_format f;
	struct reader *r;
	struct job *j;
	bool ok;

	if (!api_format_of_answer(c, in, &f) || !job_find(c, a->runner, http_param(in, 0), &j))
		return false;
	r = reader_open(c, j, f);
	r->all = n == JOB_LAST_ROWS && f == API_JSON;
	ok = open_first(c, r, n);
	if (ok)
		api_set_format(out, f);
	if (ok && f != API_PARQUET)
		return send_rows(c, out, r);
	ok = ok && write_parquet(c, a, out, &r->result);
	reader_close(r);
	return ok;
}

bool api_job_results(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	return answer(c, rooms, in, out, JOB_LAST_ROWS);
}

bool api_job_result(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	int64_t n;

	if (!str_to_i64(http_param(in, 1), &n) || n < 0)
		return fail(c, ERR_NOT_FOUND, "a result's number is from 0");
	return answer(c, rooms, in, out, n);
}
