/* result.c - results as tables, or as the server writes them. */
#include "cli/cli_int.h"

enum { RESULT_MAX = 256 << 20 /* of a table; the other formats stream */ };

static const struct cli_format formats[] = {
	{"table", NULL}, {"json", "application/json"}, {"ndjson", "application/x-ndjson"}, {"csv", "text/csv"}};

const struct cli_format *cli_format_named(struct str name)
{
	if (!name.n)
		return &formats[0];
	for (size_t i = 0; i < COUNT_OF(formats); i++)
		if (str_eq(str_of(formats[i].name), name))
			return &formats[i];
	return NULL;
}

static void add_cell(struct table *t, struct buf *scratch, const json_node *n)
{
	struct json_out o = json_out(scratch);

	if (json_kind(n) == JSON_KIND_TEXT) {
		table_add(t, json_text(n));
	} else if (json_kind(n) == JSON_KIND_NULL) {
		table_add(t, S("NULL"));
	} else {
		buf_clear(scratch);
		json_put_node(&o, n);
		table_add(t, buf_str(scratch));
	}
}

/* DuckDB's names and PostgreSQL's. */
static bool is_numeric(struct str type)
{
	static const struct str names[] = {S_INIT("TINYINT"), S_INIT("SMALLINT"), S_INIT("INTEGER"), S_INIT("BIGINT"),
	                                   S_INIT("HUGEINT"), S_INIT("UTINYINT"), S_INIT("USMALLINT"), S_INIT("UINTEGER"),
	                                   S_INIT("UBIGINT"), S_INIT("UHUGEINT"), S_INIT("FLOAT"), S_INIT("DOUBLE"),
	                                   S_INIT("REAL"), S_INIT("DOUBLE PRECISION"), S_INIT("NUMERIC"), S_INIT("OID")};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (str_ieq(names[i], type))
			return true;
	return (str_istarts(type, S("DECIMAL(")) || str_istarts(type, S("NUMERIC("))) && str_ends(type, S(")"));
}

bool cli_is_array(const json_node *n)
{
	return n && json_kind(n) == JSON_KIND_ARRAY;
}

void cli_print_rows(const json_node *columns, const json_node *rows)
{
	int n = (int)json_count(columns);
	struct buf scratch = {0};
	struct table t;

	table_open(&t, n);
	for (int i = 0; i < n; i++) {
		const json_node *column = json_at(columns, (size_t)i);

		table_add(&t, remote_text(column, "name"));
		t.right[i] = is_numeric(remote_text(column, "type"));
	}
	for (size_t row = 0; row < json_count(rows); row++) {
		const json_node *cells = json_at(rows, row);

		for (int i = 0; cli_is_array(cells) && json_count(cells) == (size_t)n && i < n; i++)
			add_cell(&t, &scratch, json_at(cells, (size_t)i));
	}
	table_print(&t, stdout);
	table_drop(&t);
	buf_drop(&scratch);
}

static bool show_table(struct call *c, const struct remote *r, const struct remote_ask *q)
{
	const json_node *o, *columns, *rows;
	struct remote_ask table = *q;
	struct out_answer a;

	table.max_body_bytes = RESULT_MAX;
	if (!remote_ask(c, r, &table, &a)) {
		if (c->err.kind != ERR_BODY_TOO_LARGE)
			return false;
		call_forgive(c);
		return fail(c, ERR_BODY_TOO_LARGE, "the result is too large for a table; take --format csv or ndjson");
	}
	if (!json_read_object(c, a.body, &o))
		return false;
	columns = json_get(o, "columns");
	rows = json_get(o, "rows");
	if (!cli_is_array(columns) || !cli_is_array(rows))
		return fail(c, ERR_INTERNAL, "the server answered without columns and rows");
	cli_print_rows(columns, rows);
	return true;
}

static bool to_stdout(void *arg, struct str piece)
{
	char *last = arg;

	if (piece.n)
		*last = piece.p[piece.n - 1];
	return fwrite(piece.p, 1, piece.n, stdout) == piece.n;
}

static bool show_stream(struct call *c, const struct remote *r, const struct remote_ask *q, const char *accept)
{
	struct remote_ask stream = *q;
	struct out_answer a;
	char last = '\n';

	stream.accept = accept;
	stream.sink = to_stdout;
	stream.arg = &last;
	if (!remote_ask(c, r, &stream, &a))
		return false;
	if (last != '\n')
		putchar('\n');
	return true;
}

bool cli_show(struct call *c, const struct remote *r, const struct remote_ask *q, const struct cli_format *f)
{
	bool shown = f->accept ? show_stream(c, r, q, f->accept) : show_table(c, r, q);

	fflush(stdout);
	return shown;
}
