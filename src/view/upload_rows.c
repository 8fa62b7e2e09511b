/* upload_rows.c - what the worker is asked about an uploaded file: its columns, their types, its rows.
 *
 * Types are inferred over all rows: every value is put into a class by one
 * expression, and the classes of a column together give its type. What could
 * lose a digit becomes text. To append, cells are cast to the table's types
 * instead. Not here: how the bytes came, the commit (upload.c).
 */
#include "view/upload_int.h"

#include "sql/sql.h"

#include <stdio.h>

/* --- classes of values --- */
enum {
	IS_BOOLEAN = 1, IS_INT64 = 2, IS_INT38 = 4 /* of more digits */, IS_DOUBLE = 8, IS_DATE = 16, IS_TIMESTAMP = 32,
	IS_TIMESTAMPTZ = 64, IS_TIME = 128, IS_TEXT = 256,
	IS_OTHER = 512 /* of JSON: nested, or a number too long */, IS_NOT_FINITE = 1024 /* of CSV: NaN, … */
};
#define INT_PATTERN "'-?(0|[1-9][0-9]*)'"
#define DATE_PATTERN "[0-9]{4}-[0-9]{2}-[0-9]{2}"
#define CLOCK_PATTERN "[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6})?)?"
/* x is the text */
#define TIME_CLASSES \
	" WHEN regexp_full_match(x, '" DATE_PATTERN "') AND TRY_CAST(x AS DATE) IS NOT NULL THEN 16" \
	" WHEN regexp_full_match(x, '" DATE_PATTERN "[T ]" CLOCK_PATTERN "') AND TRY_CAST(x AS TIMESTAMP) IS NOT NULL THEN 32" \
	" WHEN regexp_full_match(x, '" DATE_PATTERN "[T ]" CLOCK_PATTERN "(Z|[+-][0-9]{2}(:?[0-9]{2})?)')" \
	" AND TRY_CAST(x AS TIMESTAMPTZ) IS NOT NULL THEN 64" \
	" WHEN regexp_full_match(x, '[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?') AND TRY_CAST(x AS TIME) IS NOT NULL THEN 128"
static const char csv_class[] =
	"CASE WHEN x IS NULL THEN 0 WHEN x[1] BETWEEN '0' AND '9' OR x[1] = '-' THEN CASE"
	" WHEN x = '-0' THEN 8"
	" WHEN regexp_full_match(x, " INT_PATTERN ") THEN CASE WHEN length(x) < 19 OR TRY_CAST(x AS BIGINT) IS NOT NULL THEN 2"
	" WHEN TRY_CAST(x AS DECIMAL(38,0)) IS NOT NULL THEN 4 ELSE 256 END"
	" WHEN regexp_full_match(x, '-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?')"
	" THEN CASE WHEN isfinite(TRY_CAST(x AS DOUBLE)) THEN 8 ELSE 256 END"
	TIME_CLASSES " WHEN x IN ('-Infinity', '-inf') THEN 1024 ELSE 256 END"
	" WHEN lower(x) IN ('true', 'false') THEN 1 WHEN x IN ('NaN', 'nan', 'Infinity', 'inf') THEN 1024 ELSE 256 END";
/* j is the JSON value, x its text */
static const char json_class[] =
	"CASE WHEN j IS NULL THEN 0 ELSE CASE json_type(j) WHEN 'NULL' THEN 0 WHEN 'BOOLEAN' THEN 1"
	" WHEN 'UBIGINT' THEN CASE WHEN TRY_CAST(x AS BIGINT) IS NOT NULL THEN 2 ELSE 4 END"
	" WHEN 'BIGINT' THEN 2 WHEN 'HUGEINT' THEN 4"
	" WHEN 'DOUBLE' THEN CASE WHEN NOT regexp_full_match(x, " INT_PATTERN ")"
	" THEN CASE WHEN isfinite(TRY_CAST(x AS DOUBLE)) THEN 8 ELSE 512 END"
	" WHEN TRY_CAST(x AS DECIMAL(38,0)) IS NOT NULL THEN 4 ELSE 512 END"
	" WHEN 'VARCHAR' THEN CASE WHEN NOT (x[1] BETWEEN '0' AND '9') THEN 256" TIME_CLASSES " ELSE 256 END"
	" ELSE 512 END END";

static struct str type_of(int64_t is, bool json)
{
	const int64_t numbers = IS_INT64 | IS_INT38 | IS_DOUBLE;
	const int64_t texts = IS_DATE | IS_TIMESTAMP | IS_TIMESTAMPTZ | IS_TIME | IS_TEXT;

	if (is == IS_BOOLEAN)
		return S("BOOLEAN");
	if (is == IS_INT64)
		return S("BIGINT");
	if (is && !(is & ~(int64_t)(IS_INT64 | IS_INT38)))
		return S("DECIMAL(38,0)");
	if (is && !(is & ~(numbers | IS_NOT_FINITE)) && is != IS_NOT_FINITE)
		return S("DOUBLE");
	if (is == IS_DATE)
		return S("DATE");
	if (is == IS_TIMESTAMP || is == (IS_TIMESTAMP | IS_DATE))
		return S("TIMESTAMP");
	if (is == IS_TIMESTAMPTZ)
		return S("TIMESTAMPTZ");
	if (is == IS_TIME)
		return S("TIME");
	return json && (is & ~texts) ? S("JSON") : S("VARCHAR");
}

/* --- text --- */

static struct str quoted_name(struct arena *a, struct str name)
{
	OWNS(buf) b = {0};

	sql_quote_name(&b, name);
	return arena_dup(a, buf_str(&b));
}

static struct str literal(struct arena *a, struct str text)
{
	OWNS(buf) b = {0};

	sql_quote_literal(&b, text);
	return arena_dup(a, buf_str(&b));
}

/* Of a JSON column: its text, NULL for JSON's null too. */
static struct str json_text_of(struct arena *a, struct str cell)
{
	return arena_fmt(a, "(%.*s ->> '$')", SARG(cell));
}

static bool is_nested(struct str type)
{
	return str_ends(type, S("]")) || str_istarts(type, S("STRUCT(")) || str_istarts(type, S("MAP("));
}

/* --- what stands behind FROM --- */

static void put_struct(struct buf *b, const struct upload_rows *r)
{
	buf_addc(b, '{');
	for (int i = 0; i < r->n; i++) {
		const struct upload_column *k = &r->columns[i];
		struct str type = r->format == ENGINE_ROWS_CSV ? S("VARCHAR") : k->nested ? k->type : S("JSON");
		char name[24];

		if (i)
			buf_lit(b, ", ");
		snprintf(name, sizeof(name), "c%d", i);
		sql_quote_literal(b, r->format == ENGINE_ROWS_CSV ? str_of(name) : k->name);
		buf_lit(b, ": ");
		sql_quote_literal(b, type);
	}
	buf_addc(b, '}');
}

/* DuckDB's buffers are a multiple of the longest row that it takes, one a thread: as small as the file allows. */
enum { ROW_BYTES_LEAST = 64 * 1024, ROW_BYTES_MOST = 16 * 1024 * 1024 };

static long long longest_row(const struct upload_rows *r)
{
	return r->size < ROW_BYTES_LEAST ? ROW_BYTES_LEAST : r->size > ROW_BYTES_MOST ? ROW_BYTES_MOST : r->size;
}

#define JSON_OPTIONS "format = '%s', maximum_object_size = %lld"

static const char *json_format(const struct upload_rows *r)
{
	return r->format == ENGINE_ROWS_NDJSON ? "newline_delimited" : "array";
}

static struct str from_json(struct arena *a, const struct upload_rows *r)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "read_json(");
	sql_quote_literal(&b, r->path);
	buf_fmt(&b, ", " JSON_OPTIONS ", columns = ", json_format(r), longest_row(r));
	put_struct(&b, r);
	buf_addc(&b, ')');
	return arena_dup(a, buf_str(&b));
}

static struct str from_csv(struct arena *a, const struct upload_rows *r)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "read_csv(");
	sql_quote_literal(&b, r->path);
	buf_lit(&b, ", auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', comment = '', new_line = '\\n', "
		    "nullstr = '', allow_quoted_nulls = false, strict_mode = true, null_padding = false, "
		    "max_line_size = ");
	buf_fmt(&b, "%lld, buffer_size = %lld, columns = ", longest_row(r), 2 * longest_row(r));
	put_struct(&b, r);
	buf_addc(&b, ')');
	return arena_dup(a, buf_str(&b));
}

static struct str from_parquet(struct arena *a, const struct upload_rows *r)
{
	return arena_fmt(a, "read_parquet(%.*s, hive_partitioning = false)", SARG(literal(a, r->path)));
}

/* --- errors --- */

/* What DuckDB says of a file that it cannot read. */
static bool fail_rows(struct view_op *op)
{
	struct call *c = &op->call;
	const struct engine_end *e = &op->got.end;
	struct str line = str_head(e->text, str_find(e->text, '\n'));
	size_t file = str_search(line, S(" in file \""));

	if (c->err.kind != ERR_NONE)
		return false;
	if (e->outcome != ENGINE_FAILED || str_ieq(e->class, S("Out of Memory")))
		return op_fail_engine(op, S(""), S(""), 0);
	if (file < line.n) { /* the name of the spool file is nobody's business */
		struct str rest = str_tail(line, file + 10);
		struct str behind = str_tail(rest, str_find(rest, '"') + 1);

		line = arena_fmt(&op->arena, "%.*s%.*s", SARG(str_head(line, file)), SARG(behind));
	} else if (str_ieq(e->class, S("Conversion"))) {
		line = op_engine_line(op);
	} else if (str_search(line, S("/")) < line.n) {
		line = S("it is not a file of this format");
	}
	if (str_search(line, S("non-record JSON")) < line.n)
		return fail(c, ERR_SCHEMA_MISMATCH, "the rows are no objects with keys");
	return fail(c, str_starts(line, S("Malformed JSON")) ? ERR_INVALID_JSON : ERR_SCHEMA_MISMATCH, "%.*s", SARG(line));
}

static bool no_columns(struct call *c)
{
	return fail(c, ERR_SCHEMA_MISMATCH, "there are no rows with columns");
}

static bool mismatch(struct call *c, struct str column, const char *what)
{
	OWNS(buf) b = {0};

	fail(c, ERR_SCHEMA_MISMATCH, "%s %.*s", what, SARG(str_head(column, 100)));
	buf_lit(&b, "\"column\":");
	json_quote(&b, column);
	return fail_more(c, "%.*s", (int)b.n, b.p);
}

/* --- an answer of one row of numbers --- */

static bool first_row(struct view_op *op, struct json_cell *ret, int n, bool *ret_found)
{
	struct json_scan s;
	struct str data;
	int at = 0;

	*ret_found = false;
	if (!op->got.nparts)
		return true;
	if (!op_got_plain(op))
		return false;
	data = engine_bytes_str(op->got.parts[0]);
	if (!str_starts(data, S("{\"data\":[")) || !str_ends(data, S("]}")))
		return fail(&op->call, ERR_ENGINE_LOST, "the engine answered something that cannot be read");
	s = json_scan(str_from(data.p + 9, data.n - 11));
	if (!json_scan_row(&s))
		return true;
	while (at < n && json_scan_cell(&s, &ret[at]))
		at++;
	*ret_found = at == n && !s.bad;
	return *ret_found || fail(&op->call, ERR_ENGINE_LOST, "the engine answered something that cannot be read");
}

/* --- inferring --- */

static struct upload_rows *rows_of(struct view_op *op)
{
	return op->uploading;
}

static void done(struct view_op *op)
{
	rows_of(op)->next(op);
}

static void compose(struct view_op *op, struct upload_rows *r)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "SELECT ");
	for (int i = 0; i < r->n; i++) {
		if (i)
			buf_lit(&b, ", ");
		buf_add(&b, r->columns[i].to);
		buf_lit(&b, " AS ");
		sql_quote_name(&b, r->columns[i].name);
	}
	buf_lit(&b, " FROM ");
	buf_add(&b, r->from);
	r->select = arena_dup(&op->arena, buf_str(&b));
}

static struct str converted(struct arena *a, const struct upload_rows *r, const struct upload_column *k)
{
	bool json = r->format != ENGINE_ROWS_CSV;

	if (str_eq(k->type, S("VARCHAR")) && !json)
		return k->cell;
	if (str_eq(k->type, S("VARCHAR")))
		return json_text_of(a, k->cell);
	if (str_eq(k->type, S("JSON")))
		return arena_fmt(a, "CAST(%.*s AS VARCHAR)", SARG(k->cell));
	if (k->nested)
		return k->cell;
	return arena_fmt(a, "CAST(%.*s AS %.*s)", SARG(json ? json_text_of(a, k->cell) : k->cell), SARG(k->type));
}

/* A nested column is text where a long integer in it would be rounded. */
static bool is_asked(const struct upload_rows *r, const struct upload_column *k)
{
	return r->format == ENGINE_ROWS_CSV || !is_nested(k->type) || str_search(k->type, S("DOUBLE")) < k->type.n;
}

/* `classes` of a nested column: not 0 where it has numbers that its type would round. */
static bool settle_type(struct view_op *op, const struct upload_rows *r, struct upload_column *k, struct str classes)
{
	bool json = r->format != ENGINE_ROWS_CSV;
	int64_t is;

	if (!str_to_i64(classes, &is))
		is = 0;
	if (json && is_nested(k->type)) {
		k->nested = !is;
		k->type = is ? S("JSON") : k->type;
		return true;
	}
	if (json && !is && !str_eq(k->type, S("JSON"))) /* it has values, but no key of that name */
		return mismatch(&op->call, k->name, "this key is empty, or differs from another in case only:");
	k->type = type_of(is, json);
	return true;
}

/* One cell: "16,2,…", a number for every column that was asked; NULL when there are no rows. */
static bool settle_types(struct view_op *op, const struct upload_rows *r)
{
	struct json_cell cell;
	struct str rest;
	bool found;

	if (!first_row(op, &cell, 1, &found))
		return false;
	rest = found && !cell.null ? str_from(cell.raw.p, cell.raw.n) : S("");
	for (int i = 0; i < r->n; i++) {
		struct str classes = S("0");

		if (rest.n && is_asked(r, &r->columns[i])) {
			classes = str_head(rest, str_find(rest, ','));
			rest = str_tail(rest, classes.n + 1);
		}
		if (!settle_type(op, r, &r->columns[i], classes))
			return false;
	}
	return true;
}

static void classes_known(struct view_op *op)
{
	struct upload_rows *r = rows_of(op);

	if (op->got.end.outcome != ENGINE_OK) {
		(void)!fail_rows(op);
		done(op);
		return;
	}
	if (!settle_types(op, r)) {
		done(op);
		return;
	}
	if (r->format != ENGINE_ROWS_CSV)
		r->from = from_json(&op->arena, r);
	for (int i = 0; i < r->n; i++)
		r->columns[i].to = converted(&op->arena, r, &r->columns[i]);
	compose(op, r);
	done(op);
}

static void put_cell(struct buf *b, const struct upload_rows *r, const struct upload_column *k)
{
	if (r->format != ENGINE_ROWS_CSV && is_nested(k->type))
		buf_fmt(b, "CASE WHEN regexp_matches(CAST(%.*s AS VARCHAR), '[0-9]{18}') THEN CAST('1' AS JSON) END", SARG(k->cell));
	else
		buf_add(b, k->cell);
}

/* Every cell is a row of its own: an expression a column would take DuckDB 10 ms and a MB for each. */
static void ask_classes(struct view_op *op)
{
	struct upload_rows *r = rows_of(op);
	struct engine_ask ask = {.form = ENGINE_NATIVE, .counts = ENGINE_ROWS, .bare = true};
	bool json = r->format != ENGINE_ROWS_CSV;
	int n = 0;
	OWNS(buf) b = {0};

	buf_fmt(&b, "SELECT string_agg(CAST(v AS VARCHAR), ',' ORDER BY k) FROM (SELECT k, bit_or(%s) AS v FROM (SELECT k, %s FROM "
		"(SELECT unnest(CAST([", json ? json_class : csv_class, json ? "j, j ->> '$' AS x" : "x");
	for (int i = 0; i < r->n; i++)
		if (is_asked(r, &r->columns[i])) {
			if (n++)
				buf_lit(&b, ", ");
			put_cell(&b, r, &r->columns[i]);
		}
	buf_fmt(&b, "] AS %s[])) AS %s, unnest(range(%d)) AS k FROM ", json ? "JSON" : "VARCHAR", json ? "j" : "x", n);
	buf_add(&b, r->from);
	buf_lit(&b, ")) GROUP BY k)");
	ask.sql = buf_str(&b);
	op_ask(op, &ask, classes_known);
}

/* --- to append --- */

static int field_of(const struct ice_schema *s, struct str name)
{
	for (int i = 0; i < s->n; i++)
		if (str_eq(s->fields[i].name, name))
			return i;
	for (int i = 0; i < s->n; i++)
		if (str_ieq(s->fields[i].name, name))
			return i;
	return -1;
}

static bool is_int(enum ice_kind k)
{
	return k == ICE_INT || k == ICE_LONG;
}

/* The cell as text that the type's own cast reads. */
static struct str scalar(struct arena *a, const struct ice_type *t, struct str text)
{
	if (is_int(t->kind)) /* a cast would round */
		return arena_fmt(a, "(CASE WHEN regexp_full_match(%.*s, '[+-]?[0-9]+') THEN %.*s ELSE %.*s || ' is no integer' END)",
				 SARG(text), SARG(text), SARG(text));
	return text;
}

static void put_cast(struct upload_column *k, struct arena *a, const struct upload_rows *r, const struct ice_type *t)
{
	bool nested = t->kind == ICE_LIST || t->kind == ICE_STRUCT || t->kind == ICE_MAP;
	struct str cell = k->cell, type;
	OWNS(buf) b = {0};

	ice_put_duckdb_type(&b, t);
	type = arena_dup(a, buf_str(&b));
	if (r->format == ENGINE_ROWS_CSV || (r->format != ENGINE_ROWS_PARQUET && !nested)) {
		if (r->format != ENGINE_ROWS_CSV)
			cell = json_text_of(a, cell);
		if (t->kind == ICE_BINARY) {
			k->to = arena_fmt(a, "from_base64(%.*s)", SARG(cell));
			k->check = arena_fmt(a, "%.*s IS NOT NULL AND TRY(from_base64(%.*s)) IS NULL", SARG(cell), SARG(cell));
			return;
		}
		k->check = cell;
		cell = scalar(a, t, cell);
	}
	k->to = arena_fmt(a, "CAST(%.*s AS %.*s)", SARG(cell), SARG(type));
	k->check = arena_fmt(a, "%.*s IS NOT NULL AND TRY_CAST(%.*s AS %.*s) IS NULL", SARG(k->check.n ? k->check : cell), SARG(cell),
			     SARG(type));
}

static bool match_columns(struct view_op *op, struct upload_rows *r)
{
	struct call *c = &op->call;
	const struct ice_schema *s = r->target;
	struct upload_column *to = ARENA_ARRAY(c->arena, struct upload_column, (size_t)s->n);

	for (int i = 0; i < r->n; i++) {
		int at = field_of(s, r->columns[i].name);

		if (at < 0)
			return mismatch(c, r->columns[i].name, "the table has no column");
		if (to[at].to.n)
			return mismatch(c, r->columns[i].name, "this column is there twice:");
		to[at] = r->columns[i];
		to[at].name = s->fields[at].name;
		put_cast(&to[at], c->arena, r, &s->fields[at].type);
	}
	for (int i = 0; i < s->n; i++) {
		OWNS(buf) b = {0};

		if (to[i].to.n)
			continue;
		buf_lit(&b, "CAST(NULL AS ");
		ice_put_duckdb_type(&b, &s->fields[i].type);
		buf_addc(&b, ')');
		to[i].name = s->fields[i].name;
		to[i].to = arena_dup(c->arena, buf_str(&b));
	}
	r->columns = to;
	r->n = s->n;
	compose(op, r);
	return true;
}

/* --- the columns of the file --- */

static void columns_known(struct view_op *op)
{
	struct upload_rows *r = rows_of(op);
	struct arena *a = &op->arena;

	if (r->n == 0)
		no_columns(&op->call);
	if (op->call.err.kind != ERR_NONE) {
		done(op);
		return;
	}
	if (r->format == ENGINE_ROWS_CSV)
		r->from = from_csv(a, r);
	else if (r->format != ENGINE_ROWS_PARQUET)
		r->from = from_json(a, r);
	for (int i = 0; i < r->n; i++) {
		struct upload_column *k = &r->columns[i];

		k->cell = r->format == ENGINE_ROWS_CSV ? arena_fmt(a, "\"c%d\"", i) : quoted_name(a, k->name);
		k->to = k->cell;
	}
	if (r->target) {
		(void)!match_columns(op, r);
		done(op);
	} else if (r->format == ENGINE_ROWS_PARQUET) {
		compose(op, r);
		done(op);
	} else {
		ask_classes(op);
	}
}

/* DuckDB names the second of two keys that differ in case only A_1: no name in the file leads back to it. */
static bool distinct(struct call *c, const struct engine_column *v, int n)
{
	for (int i = 0; i < n; i++) {
		struct str base;
		size_t end = v[i].name.n;

		while (end && ascii_digit(v[i].name.p[end - 1]))
			end--;
		if (end < 2 || end == v[i].name.n || v[i].name.p[end - 1] != '_')
			continue;
		base = str_head(v[i].name, end - 1);
		for (int k = 0; k < n; k++)
			if (k != i && str_ieq(v[k].name, base) && !str_eq(v[k].name, base))
				return mismatch(c, v[k].name, "two keys differ in case only:");
	}
	return true;
}

static bool take_columns(struct view_op *op, struct upload_rows *r)
{
	struct engine_column *v;
	int n;

	if (!engine_columns(&op->call, op->got.columns, &v, &n))
		return false;
	if (r->format != ENGINE_ROWS_PARQUET && !distinct(&op->call, v, n))
		return false;
	r->columns = ARENA_ARRAY(&op->arena, struct upload_column, (size_t)n + 1);
	r->n = n;
	for (int i = 0; i < n; i++)
		r->columns[i] = (struct upload_column){.name = v[i].name, .type = v[i].type};
	return true;
}

static void described(struct view_op *op)
{
	struct upload_rows *r = rows_of(op);

	if (op->got.end.outcome != ENGINE_OK)
		(void)!fail_rows(op);
	else
		(void)!take_columns(op, r);
	columns_known(op);
}

static void describe(struct view_op *op, struct upload_rows *r)
{
	struct engine_ask ask = {.form = ENGINE_NATIVE, .counts = ENGINE_ROWS, .bare = true};
	struct str from;
	OWNS(buf) b = {0};

	if (r->format == ENGINE_ROWS_PARQUET)
		from = r->from = from_parquet(&op->arena, r);
	else /* formats of dates that are not ISO 8601 are text */
		from = arena_fmt(&op->arena, "read_json(%.*s, " JSON_OPTIONS ", records = true, sample_size = -1, maximum_depth = -1, "
				 "map_inference_threshold = -1, field_appearance_threshold = 0, dateformat = '%%Y-%%m-%%d', "
				 "timestampformat = '%%Y-%%m-%%dT%%H:%%M:%%SZ')",
				 SARG(literal(&op->arena, r->path)), json_format(r), longest_row(r));
	buf_fmt(&b, "SELECT * FROM %.*s LIMIT 0", SARG(from));
	ask.sql = buf_str(&b);
	op_ask(op, &ask, described);
}

void upload_read(struct view_op *op, struct upload_rows *r, op_step *next)
{
	op->uploading = r;
	r->next = next;
	if (r->empty) {
		r->from = S("(SELECT 1) WHERE false");
		(void)!match_columns(op, r);
		done(op);
		return;
	}
	if (r->format != ENGINE_ROWS_CSV) {
		describe(op, r);
		return;
	}
	r->n = r->csv->columns;
	r->columns = ARENA_ARRAY(&op->arena, struct upload_column, (size_t)r->n + 1);
	for (int i = 0; i < r->n; i++)
		r->columns[i].name = r->csv->names[i].n ? r->csv->names[i] : arena_fmt(&op->arena, "column%d", i + 1);
	columns_known(op);
}

/* --- which row? --- */

/* `Could not convert string 'abc is no integer' to INT64` is what scalar() makes DuckDB say. */
static struct str reason(struct arena *a, struct str text)
{
	const struct str before = S("string '"), mark = S(" is no integer'");
	size_t from = str_search(text, before), to = str_search(text, mark);

	if (from >= to || to >= text.n)
		return text;
	return arena_fmt(a, "'%.*s' is no integer", (int)(to - from - before.n), text.p + from + before.n);
}

static void located(struct view_op *op)
{
	struct upload_rows *r = rows_of(op);
	struct call *c = &op->call;
	struct json_cell cells[2];
	int64_t row, column;
	bool found;

	call_forgive(c);
	if (op->got.end.outcome != ENGINE_OK || !first_row(op, cells, 2, &found) || !found || !str_to_i64(cells[0].raw, &row) ||
	    !str_to_i64(cells[1].raw, &column) || column < 0 || column >= r->n) {
		c->err = r->why;
	} else {
		OWNS(buf) b = {0};

		buf_fmt(&b, "\"row\":%lld,\"column\":", (long long)row);
		json_quote(&b, r->columns[column].name);
		fail(c, ERR_SCHEMA_MISMATCH, "row %lld, column %.*s: %.*s", (long long)row,
		     SARG(str_head(r->columns[column].name, 100)), SARG(reason(&op->arena, str_of(r->why.text))));
		fail_more(c, "%.*s", (int)b.n, b.p);
	}
	done(op);
}

void upload_locate(struct view_op *op, struct upload_rows *r, op_step *next)
{
	struct engine_ask ask = {.form = ENGINE_NATIVE, .counts = ENGINE_ROWS, .bare = true};
	OWNS(buf) b = {0};

	op->uploading = r;
	r->next = next;
	r->why = op->call.err;
	buf_lit(&b, "SELECT n, k FROM (SELECT row_number() OVER () AS n, CASE");
	for (int i = 0; i < r->n; i++)
		if (r->columns[i].check.n)
			buf_fmt(&b, " WHEN %.*s THEN %d", SARG(r->columns[i].check), i);
	buf_fmt(&b, " WHEN false THEN 0 END AS k FROM %.*s) WHERE k IS NOT NULL ORDER BY n LIMIT 1", SARG(r->from));
	ask.sql = buf_str(&b);
	call_forgive(&op->call);
	op_ask(op, &ask, located);
}
