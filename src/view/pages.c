/* pages.c - rows of a pinned snapshot: its files, held in the cache, read by one statement of the worker.
 *
 * A snapshot whose files are in the session's order is read by place: the
 * listing tells which files have the rows, and the statement asks each for a
 * range of row numbers, so that a page costs the same anywhere. Else all files
 * are sorted, with a row's place in the snapshot as the last key. Columns are
 * found by field id, under names of our own (c0, c1, …): no name in a file can
 * get between them and ours. The document and the SQL entry are read each time.
 *
 *   page_open ─▶ (store: document, listing, files) ─▶ engine ─▶ page_read ─▶ end
 *
 * Threads: steps of an operation (op.c); the two at the end block.
 */
#include "view/view_int.h"

#include "sql/sql.h"

struct page {
	struct page_ask ask;
	struct session_doc doc;
	struct listing all;
	bool sorted;             /* the order is made by the statement */
	int first, n;            /* the files that it reads */
	int64_t rows;            /* that it must bring */
	struct str *paths;
	struct store_held **held;
	int nheld;
};

/* --- the session and its snapshot --- */

bool session_ready(struct call *c, struct views *v, struct str space, struct str id, struct session_doc *ret)
{
	if (!session_doc_get(c, v, space, id, ret))
		return false;
	if (str_eq(ret->status, S("running")))
		return fail(c, ERR_NOT_FINISHED, "the rows of this session are still being computed");
	if (!str_eq(ret->status, S("ready")))
		return fail(c, ERR_VIEW_FAILED, "the rows of this session could not be computed: %.*s", SARG(ret->error));
	return true;
}

bool session_lost(struct call *c, struct views *v, struct str space, struct str id)
{
	struct session_doc doc;

	call_forgive(c);
	if (!session_doc_get(c, v, space, id, &doc))
		return false;
	return fail(c, ERR_SESSION_EXPIRED, "the snapshot of this session is gone");
}

bool page_sorts(const struct session_doc *d)
{
	return d->norder > 1 && (d->own_order || !d->pin.ordered);
}

/* Not found means that the snapshot was dropped. */
static bool lost_if_absent(struct call *c, struct views *v, const struct page *p)
{
	return c->err.kind == ERR_NOT_FOUND ? session_lost(c, v, p->ask.space, p->ask.session) : false;
}

static struct str prefix_of(struct call *c, const struct page *p)
{
	return key_view(c, p->ask.space, p->doc.sql_id);
}

static bool pin_page(struct call *c, struct views *v, struct page *p)
{
	const struct page_ask *a = &p->ask;
	int last;

	if (!session_ready(c, v, a->space, a->session, &p->doc))
		return false;
	if (!listing_get(c, v, prefix_of(c, p), &p->doc.pin, &p->all))
		return lost_if_absent(c, v, p);
	if (a->offset >= p->all.rows)
		return true;
	p->rows = a->limit < p->all.rows - a->offset ? a->limit : p->all.rows - a->offset;
	p->sorted = page_sorts(&p->doc);
	p->first = p->sorted ? 0 : listing_find(&p->all, a->offset);
	last = p->sorted ? p->all.n - 1 : listing_find(&p->all, a->offset + p->rows - 1);
	p->n = last - p->first + 1;
	return true;
}

static bool hold_files(struct view_op *op, struct page *p)
{
	struct call *c = &op->call;
	struct views *v = op->room;
	struct str prefix = prefix_of(c, p);

	p->paths = ARENA_ARRAY(c->arena, struct str, (size_t)p->n);
	p->held = ARENA_ARRAY(c->arena, struct store_held *, (size_t)p->n);
	for (; p->nheld < p->n; p->nheld++) {
		const struct listed *f = &p->all.v[p->first + p->nheld];
		struct str key = key_file(c->arena, prefix, f->path);

		if (!op_going(op))
			return false;
		if (!store_cache_hold(c, v->o.cache, c->tenant, key, f->bytes, &p->paths[p->nheld], &p->held[p->nheld]))
			return lost_if_absent(c, v, p);
	}
	return true;
}

static void release_files(struct view_op *op)
{
	struct page *p = op->state;

	while (p->nheld > 0)
		store_cache_release(p->held[--p->nheld]);
}

/* --- the statement --- */

static void put_read_schema(struct buf *b, const struct ice_schema *s, struct arena *a)
{
	struct ice_schema renamed = *s;

	renamed.fields = ARENA_ARRAY(a, struct ice_field, (size_t)s->n);
	for (int i = 0; i < s->n; i++) {
		renamed.fields[i] = s->fields[i];
		renamed.fields[i].name = arena_fmt(a, "c%d", i);
	}
	ice_put_read_schema(b, &renamed);
}

/* `SELECT place AS "f", file_row_number AS "r", * FROM read_parquet([…], schema = …)`: "f" rises from file to file. */
static void put_files(struct buf *b, const struct page *p, int from, int n, struct str schema)
{
	buf_fmt(b, "SELECT file_index + %d AS \"f\", file_row_number AS \"r\", * FROM read_parquet([", from);
	for (int i = 0; i < n; i++) {
		if (i)
			buf_lit(b, ", ");
		sql_quote_literal(b, p->paths[from + i]);
	}
	buf_lit(b, "], schema = ");
	buf_add(b, schema);
	buf_addc(b, ')');
}

static void put_range(struct buf *b, const struct page *p, int i, struct str schema)
{
	const struct listed *f = &p->all.v[p->first + i];
	int64_t from = p->ask.offset - f->before, to = p->ask.offset + p->rows - 1 - f->before;

	put_files(b, p, i, 1, schema);
	buf_fmt(b, " WHERE file_row_number BETWEEN %lld AND %lld", (long long)(from > 0 ? from : 0),
		(long long)(to < f->rows ? to : f->rows - 1));
}

/* The first and the last file in part, those between them whole. */
static void put_ranges(struct buf *b, const struct page *p, struct str schema)
{
	put_range(b, p, 0, schema);
	if (p->n > 2) {
		buf_lit(b, " UNION ALL ");
		put_files(b, p, 1, p->n - 2, schema);
	}
	if (p->n > 1) {
		buf_lit(b, " UNION ALL ");
		put_range(b, p, p->n - 1, schema);
	}
}

static bool put_order_item(struct call *c, struct buf *b, const struct ice_schema *s, struct str item)
{
	struct str *names = column_names(c->arena, s);
	struct sql_order o;

	if (!sql_order_item(c, item, names, s->n, &o))
		return false;
	for (int i = 0; i < s->n; i++) {
		if (!str_eq(names[i], o.column))
			continue;
		buf_fmt(b, "\"q\".\"c%d\"%s NULLS %s, ", i, o.desc ? " DESC" : "", o.nulls_first ? "FIRST" : "LAST");
		return true;
	}
	return fail(c, ERR_CORRUPT_TABLE, "the session is ordered by a column that its snapshot does not have");
}

/* The last item of a document's order is a row's place. */
static bool put_order(struct call *c, struct buf *b, const struct page *p)
{
	buf_lit(b, " ORDER BY ");
	for (int i = 0; p->sorted && i < p->doc.norder - 1; i++)
		if (!put_order_item(c, b, &p->doc.pin.schema, p->doc.order_by[i]))
			return false;
	buf_lit(b, "\"q\".\"f\", \"q\".\"r\"");
	if (p->sorted)
		buf_fmt(b, " LIMIT %lld OFFSET %lld", (long long)p->rows, (long long)p->ask.offset);
	return true;
}

static void put_columns(struct buf *b, const struct ice_schema *s, bool rows)
{
	buf_lit(b, "SELECT ");
	for (int i = 0; i < s->n; i++) {
		buf_add(b, i ? S(", ") : S(""));
		if (rows) {
			buf_fmt(b, "\"q\".\"c%d\"", i);
		} else {
			buf_lit(b, "CAST(NULL AS ");
			ice_put_duckdb_type(b, &s->fields[i].type);
			buf_addc(b, ')');
		}
		buf_lit(b, " AS ");
		sql_quote_name(b, s->fields[i].name);
	}
}

static bool put_select(struct call *c, struct buf *b, const struct page *p)
{
	OWNS(buf) schema = {0};

	put_columns(b, &p->doc.pin.schema, p->n > 0);
	if (p->n == 0) {
		buf_lit(b, " WHERE false");
		return true;
	}
	put_read_schema(&schema, &p->doc.pin.schema, c->arena);
	buf_lit(b, " FROM (");
	if (p->sorted)
		put_files(b, p, 0, p->n, buf_str(&schema));
	else
		put_ranges(b, p, buf_str(&schema));
	buf_lit(b, ") AS \"q\"");
	return put_order(c, b, p);
}

/* --- what came --- */

static bool check_outcome(struct view_op *op, const struct page *p)
{
	struct call *c = &op->call;
	const struct engine_end *e = &op->got.end;
	struct str line = op_engine_line(op);

	if (c->err.kind != ERR_NONE)
		return false;
	if (e->outcome == ENGINE_TOO_LARGE)
		return fail(c, ERR_RESULT_TOO_LARGE, "these rows are larger than spaces.page_bytes (%lld): ask for fewer",
			    (long long)p->ask.max_bytes);
	if (e->outcome == ENGINE_FAILED && str_ieq(e->class, S("Out of Memory")))
		return fail(c, ERR_VIEW_FAILED, "%.*s", SARG(line));
	if (e->outcome == ENGINE_FAILED)
		return fail(c, ERR_CORRUPT_TABLE, "the files of snapshot %lld cannot be read: %.*s", (long long)p->doc.pin.snapshot_id,
			    SARG(line));
	if (e->outcome != ENGINE_OK)
		return op_fail_engine(op, S(""), S(""), 0);
	if (e->rows != p->rows)
		return fail(c, ERR_CORRUPT_TABLE, "the files of snapshot %lld do not have the rows that its manifests tell",
			    (long long)p->doc.pin.snapshot_id);
	return op_got_plain(op);
}

static void page_read(struct view_op *op)
{
	const struct page *p = op->state;

	if (check_outcome(op, p)) {
		op->result.columns = op->got.columns;
		op->result.parts = op->got.parts;
		op->result.nparts = op->got.nparts;
		op->result.rows = p->rows;
		op->result.offset = p->ask.offset;
		op->result.limit = p->ask.limit;
		atomic_fetch_add(&op->room->pages, 1);
	}
	op_end(op);
}

static void page_open(struct view_op *op)
{
	struct page *p = op->state;
	struct engine_ask ask = {.form = ENGINE_NATIVE, .counts = ENGINE_ROWS, .bare = true, .max_result_bytes = p->ask.max_bytes};
	OWNS(buf) sql = {0};

	if (!op_going(op) || !pin_page(&op->call, op->room, p) || !hold_files(op, p) || !put_select(&op->call, &sql, p)) {
		op_end(op);
		return;
	}
	ask.sql = buf_str(&sql);
	op_ask(op, &ask, page_read);
}

bool page_begin(struct call *c, struct views *v, const struct page_ask *ask, struct view_op **ret)
{
	struct view_op *op = op_new(c, v);
	struct page *p = ARENA_NEW(&op->arena, struct page);

	p->ask = *ask;
	p->ask.space = arena_dup(&op->arena, ask->space);
	p->ask.session = arena_dup(&op->arena, ask->session);
	op->state = p;
	op->closing = release_files;
	return op_begin(c, op, page_open, ret);
}

/* --- for clients --- */

bool view_rows(struct call *c, struct views *v, const struct view_rows_ask *ask, struct view_op **ret)
{
	const struct page_ask page = {ask->space, ask->session, ask->offset, ask->limit, v->o.page_bytes};

	if (ask->offset < 0)
		return fail(c, ERR_INVALID_FIELD, "offset is a number from 0");
	if (ask->limit < 1)
		return fail(c, ERR_INVALID_FIELD, "limit is a number from 1");
	if (ask->limit > VIEW_ROWS_MAX) {
		fail(c, ERR_LIMIT_TOO_LARGE, "limit is at most %d", VIEW_ROWS_MAX);
		return fail_more(c, "\"max_limit\":%d", VIEW_ROWS_MAX);
	}
	return page_begin(c, v, &page, ret);
}

/* Another read may fill it at the same time, with the same number. */
bool view_session_count(struct call *c, struct views *v, struct str space, struct str id, int64_t *ret)
{
	struct session_doc doc;
	struct listing all;

	if (!session_ready(c, v, space, id, &doc))
		return false;
	if (doc.counted_ms) {
		*ret = doc.count;
		return true;
	}
	if (!listing_get(c, v, key_view(c, space, doc.sql_id), &doc.pin, &all))
		return c->err.kind == ERR_NOT_FOUND ? session_lost(c, v, space, id) : false;
	doc.count = all.rows;
	doc.counted_ms = clock_wall_ms();
	if (!session_doc_put(c, v, &doc, STORE_REPLACE))
		return false;
	*ret = doc.count;
	return true;
}
