/* shapes.c - results of statements that return no rows, as Snowflake shows them.
 *
 * Source: the specification, section 10: a counter column or a status text.
 */
#include "statement/statement_int.h"

#include "json/json.h"

static void set_result(struct stmt *st, const struct engine_column *columns, int n, struct str row)
{
	OWNS(buf) packed = {0};
	OWNS(buf) data = {0};
	struct engine_part p = {.rows = 1, .row_bytes = (int64_t)row.n};

	engine_pack_columns(columns, n, &packed);
	buf_fmt(&data, "{\"data\":[%.*s]}", SARG(row));
	stmt_listener.columns(st, buf_str(&packed));
	p.bytes = engine_bytes_copy(buf_str(&data));
	stmt_add_part(st, &p);
}

static struct engine_column counter_column(const char *name)
{
	return (struct engine_column){.name = str_of(name), .type = S("DECIMAL(19,0)"), .kind = ENGINE_T_DECIMAL, .precision = 19};
}

void stmt_shape_counter(struct stmt *st, int64_t n)
{
	OWNS(buf) row = {0};
	struct engine_column columns[2];
	int ncolumns = 1;

	buf_fmt(&row, "[\"%lld\"", (long long)n);
	if (st->counting == ENGINE_INSERTED) {
		columns[0] = counter_column("number of rows inserted");
	} else if (st->counting == ENGINE_DELETED) {
		columns[0] = counter_column("number of rows deleted");
	} else {
		columns[0] = counter_column("number of rows updated");
		columns[1] = counter_column("number of multi-joined rows updated");
		ncolumns = 2;
		buf_lit(&row, ",\"0\"");
	}
	buf_addc(&row, ']');
	set_result(st, columns, ncolumns, buf_str(&row));
}

static void add_object(const struct sql_class *k, struct buf *out)
{
	struct str s = k->object;

	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, i ? ascii_lower(s.p[i]) : ascii_upper(s.p[i]));
}

static void status_text(const struct sql_class *k, bool missing, struct buf *out)
{
	if (k->kind == SQL_CREATE && k->leaf.n) {
		add_object(k, out);
		buf_fmt(out, " %.*s successfully created.", SARG(k->leaf));
	} else if (k->kind == SQL_DROP && k->leaf.n && missing) {
		buf_fmt(out, "Drop statement executed successfully (%.*s already dropped).", SARG(k->leaf));
	} else if (k->kind == SQL_DROP && k->leaf.n) {
		buf_fmt(out, "%.*s successfully dropped.", SARG(k->leaf));
	} else {
		buf_lit(out, "Statement executed successfully.");
	}
}

/* The class again, from the text: it is asked for once, at the end. */
void stmt_shape_status(struct stmt *st, bool missing)
{
	const struct engine_column column = {.name = S("status"), .type = S("VARCHAR"), .kind = ENGINE_T_TEXT, .nullable = true};
	OWNS(arena) a = {0};
	OWNS(buf) text = {0};
	OWNS(buf) row = {0};
	struct sql_tokens t;
	struct sql_span *spans;
	struct sql_class k = {0};
	struct call c;
	int n;

	call_open(&c, &a);
	if (sql_lex(&c, SQL_SNOWFLAKE, stmt_sql(st), &t) && sql_split(&c, &t, &spans, &n) && n > 0)
		sql_classify(&c, &t, spans[0], &k);
	status_text(&k, missing, &text);
	buf_addc(&row, '[');
	json_quote(&row, buf_str(&text));
	buf_addc(&row, ']');
	set_result(st, &column, 1, buf_str(&row));
}
