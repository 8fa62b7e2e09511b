/* ingest_table.c - what rows have to fit: the table's columns, and casts to them in SQL.
 *
 * Metadata functions do not know a session's catalog; DESCRIBE does.
 */
#include "engine/worker/ingest.h"
#include "sql/sql.h"

/* --- columns --- */
static bool is_direct(const struct field *f)
{
	switch (f->id) {
	case DUCKDB_TYPE_BOOLEAN:
	case DUCKDB_TYPE_TINYINT:
	case DUCKDB_TYPE_SMALLINT:
	case DUCKDB_TYPE_INTEGER:
	case DUCKDB_TYPE_BIGINT:
	case DUCKDB_TYPE_UTINYINT:
	case DUCKDB_TYPE_USMALLINT:
	case DUCKDB_TYPE_UINTEGER:
	case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_UHUGEINT:
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DOUBLE:
	case DUCKDB_TYPE_DECIMAL:
	case DUCKDB_TYPE_VARCHAR:
	case DUCKDB_TYPE_DATE:
	case DUCKDB_TYPE_TIMESTAMP:
		return !f->json;
	default:
		return false;
	}
}

bool ingest_is_nested(duckdb_type id)
{
	return id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_ARRAY || id == DUCKDB_TYPE_STRUCT || id == DUCKDB_TYPE_MAP ||
	       id == DUCKDB_TYPE_UNION;
}

static bool is_json(duckdb_logical_type type)
{
	char *alias = duckdb_logical_type_get_alias(type);
	bool json = alias && strcmp(alias, "JSON") == 0;

	duckdb_free(alias);
	return json;
}

static struct str type_name(struct arena *a, duckdb_logical_type type)
{
	struct engine_column described = {0};

	types_describe(a, type, &described);
	return described.type;
}

static void set_type(struct ingest *g, struct field *f, duckdb_logical_type type)
{
	f->id = duckdb_get_type_id(type);
	f->json = is_json(type) || ingest_is_nested(f->id);
	f->type = type_name(g->t->call.arena, type);
	f->staged = !is_direct(f);
	if (f->id != DUCKDB_TYPE_DECIMAL)
		return;
	f->width = duckdb_decimal_width(type);
	f->scale = duckdb_decimal_scale(type);
	f->store = duckdb_decimal_internal_type(type);
}

static struct str text_at(struct ingest *g, duckdb_data_chunk chunk, idx_t column, idx_t row)
{
	duckdb_vector v = duckdb_data_chunk_get_vector(chunk, column);
	duckdb_string_t *s = (duckdb_string_t *)duckdb_vector_get_data(v) + row;

	if (!duckdb_validity_row_is_valid(duckdb_vector_get_validity(v), row))
		return (struct str){NULL, 0};
	return arena_dup(g->t->call.arena, str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s)));
}

/* DESCRIBE: name, type, null, key, default, extra. */
static int describe_chunk(struct ingest *g, duckdb_data_chunk chunk, int from)
{
	int n = (int)duckdb_data_chunk_get_size(chunk);

	for (int i = 0; i < n && from + i < g->nfields; i++) {
		struct field *f = &g->fields[from + i];

		f->name = text_at(g, chunk, 0, (idx_t)i);
		f->nullable = !str_eq(text_at(g, chunk, 2, (idx_t)i), S("NO"));
		f->key = text_at(g, chunk, 3, (idx_t)i).n > 0;
		f->fallback = text_at(g, chunk, 4, (idx_t)i);
		g->names[from + i] = f->name;
	}
	return from + n;
}

static bool describe(struct ingest *g)
{
	OWNS(buf) sql = {0};
	duckdb_result r;
	duckdb_data_chunk chunk;
	int n = 0;

	buf_lit(&sql, "DESCRIBE ");
	buf_add(&sql, g->table);
	if (duckdb_query(g->con, buf_cstr(&sql), &r) != DuckDBSuccess) {
		ingest_failed(g, duckdb_result_error(&r));
		duckdb_destroy_result(&r);
		return false;
	}
	while ((chunk = duckdb_fetch_chunk(r))) {
		n = describe_chunk(g, chunk, n);
		duckdb_destroy_data_chunk(&chunk);
	}
	duckdb_destroy_result(&r);
	return n == g->nfields || task_fails(g->t, "Catalog", "The table changes while rows come");
}

static bool take_types(struct ingest *g, duckdb_prepared_statement st)
{
	idx_t n = duckdb_prepared_statement_column_count(st);

	if (n > INGEST_COLUMNS_MAX)
		return task_fails(g->t, "Invalid Input", "A table for rows has at most %d columns", INGEST_COLUMNS_MAX);
	g->nfields = (int)n;
	g->fields = ARENA_ARRAY(g->t->call.arena, struct field, n);
	g->names = ARENA_ARRAY(g->t->call.arena, struct str, n);
	for (idx_t i = 0; i < n; i++) {
		g->fields[i].logical = duckdb_prepared_statement_column_logical_type(st, i);
		set_type(g, &g->fields[i], g->fields[i].logical);
	}
	return true;
}

static bool read_types(struct ingest *g)
{
	OWNS(buf) sql = {0};
	duckdb_prepared_statement st;
	bool ok;

	buf_lit(&sql, "SELECT * FROM ");
	buf_add(&sql, g->table);
	ok = duckdb_prepare(g->con, buf_cstr(&sql), &st) == DuckDBSuccess ? take_types(g, st) :
									    ingest_failed(g, duckdb_prepare_error(st));
	duckdb_destroy_prepare(&st);
	return ok;
}

/* Asked of DuckDB by preparing an INSERT into each column, where there are any. */
static void find_generated(struct ingest *g)
{
	for (int i = 0; i < g->nfields; i++) {
		OWNS(buf) sql = {0};
		duckdb_prepared_statement st;

		buf_lit(&sql, "INSERT INTO ");
		buf_add(&sql, g->table);
		buf_lit(&sql, " (");
		sql_quote_name(&sql, g->fields[i].name);
		buf_lit(&sql, ") VALUES (NULL)");
		g->fields[i].generated = duckdb_prepare(g->con, buf_cstr(&sql), &st) != DuckDBSuccess;
		duckdb_destroy_prepare(&st);
	}
}

/* Rows know nothing of generated columns. */
static void leave_generated_out(struct ingest *g)
{
	int n = 0;

	for (int i = 0; i < g->nfields; i++) {
		if (g->fields[i].generated) {
			duckdb_destroy_logical_type(&g->fields[i].logical);
			continue;
		}
		g->fields[n] = g->fields[i];
		g->names[n++] = g->fields[i].name;
	}
	g->nfields = n;
}

bool ingest_describe(struct ingest *g)
{
	const char *catalog = arena_cstr(g->t->call.arena, g->what.catalog.name);
	const char *table = arena_cstr(g->t->call.arena, g->what.table);
	duckdb_appender probe;
	OWNS(buf) name = {0};
	int stored;
	bool found = duckdb_appender_create_ext(g->con, catalog, "public", table, &probe) == DuckDBSuccess;

	stored = found ? (int)duckdb_appender_column_count(probe) : 0;
	duckdb_appender_destroy(&probe);
	if (!found || strlen(table) != g->what.table.n) /* a view is none either */
		return task_fails(g->t, "Unknown Table", "There is no table \"%.*s\"", SARG(str_head(g->what.table, 200)));
	sql_quote_name(&name, g->what.catalog.name);
	buf_lit(&name, ".public.");
	sql_quote_name(&name, g->what.table);
	g->table = arena_dup(g->t->call.arena, buf_str(&name));
	if (!read_types(g) || !describe(g))
		return false;
	if (stored < g->nfields)
		find_generated(g);
	leave_generated_out(g);
	for (int i = 0; i < g->nfields; i++)
		g->fields[i].given = true;
	return true;
}

/* --- casts --- */
static void put_value(struct ingest *g, struct buf *b, duckdb_logical_type type, const char *from, int depth);

/* Does the type hold what JSON's own cast reads otherwise than native results write it? */
static bool is_special(duckdb_logical_type type)
{
	duckdb_logical_type kids[2] = {NULL, NULL};
	duckdb_type id = duckdb_get_type_id(type);
	bool special = id == DUCKDB_TYPE_BLOB || id == DUCKDB_TYPE_BIT || id == DUCKDB_TYPE_MAP;

	if (id == DUCKDB_TYPE_LIST)
		kids[0] = duckdb_list_type_child_type(type);
	else if (id == DUCKDB_TYPE_ARRAY)
		kids[0] = duckdb_array_type_child_type(type);
	else if (id == DUCKDB_TYPE_STRUCT)
		for (idx_t i = 0; i < duckdb_struct_type_child_count(type) && !special; i++) {
			duckdb_logical_type kid = duckdb_struct_type_child_type(type, i);

			special = is_special(kid);
			duckdb_destroy_logical_type(&kid);
		}
	if (kids[0]) {
		special = is_special(kids[0]);
		duckdb_destroy_logical_type(&kids[0]);
	}
	return special;
}

static void put_elements(struct ingest *g, struct buf *b, duckdb_logical_type kid, const char *from, int depth)
{
	const char *each = arena_fmt(g->t->call.arena, "e%d", depth).p;

	buf_fmt(b, "list_transform(CAST(%s AS JSON[]), lambda %s: ", from, each);
	put_value(g, b, kid, each, depth + 1);
	buf_addc(b, ')');
}

/* As a text literal of SQL holding a path of JSON with one member. */
static void put_path(struct buf *b, struct str name)
{
	buf_lit(b, "'$.\"");
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '\'')
			buf_addc(b, '\'');
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, name.p[i]);
	}
	buf_lit(b, "\"'");
}

static void put_struct(struct ingest *g, struct buf *b, duckdb_logical_type type, const char *from, int depth)
{
	/* What is no object makes the cast fail. */
	buf_fmt(b, "CASE WHEN CAST(%s AS MAP(VARCHAR, JSON)) IS NOT NULL THEN struct_pack(", from);
	for (idx_t i = 0; i < duckdb_struct_type_child_count(type); i++) {
		duckdb_logical_type kid = duckdb_struct_type_child_type(type, i);
		char *name = duckdb_struct_type_child_name(type, i);
		OWNS(buf) member = {0};

		buf_add(b, i ? S(", ") : S(""));
		sql_quote_name(b, str_of(name));
		buf_lit(b, " := ");
		buf_fmt(&member, "json_extract(%s, ", from);
		put_path(&member, str_of(name));
		buf_addc(&member, ')');
		put_value(g, b, kid, buf_cstr(&member), depth);
		duckdb_free(name);
		duckdb_destroy_logical_type(&kid);
	}
	buf_lit(b, ") END");
}

/* With text keys an object, else an array of {"key","value"}. */
static void put_map(struct ingest *g, struct buf *b, duckdb_logical_type type, const char *from, int depth)
{
	duckdb_logical_type key = duckdb_map_type_key_type(type), value = duckdb_map_type_value_type(type);
	bool text = duckdb_get_type_id(key) == DUCKDB_TYPE_VARCHAR;
	const char *e = arena_fmt(g->t->call.arena, "e%d", depth).p;
	const char *of_key = arena_fmt(g->t->call.arena, text ? "%s.key" : "json_extract(%s, '$.key')", e).p;
	const char *of_value = arena_fmt(g->t->call.arena, text ? "%s.value" : "json_extract(%s, '$.value')", e).p;

	buf_lit(b, "map_from_entries(list_transform(");
	buf_fmt(b, text ? "map_entries(CAST(%s AS MAP(VARCHAR, JSON)))" : "CAST(%s AS JSON[])", from);
	buf_fmt(b, ", lambda %s: struct_pack(k := ", e);
	if (text)
		buf_add(b, str_of(of_key));
	else
		put_value(g, b, key, of_key, depth + 1);
	buf_lit(b, ", v := ");
	put_value(g, b, value, of_value, depth + 1);
	buf_lit(b, ")))");
	duckdb_destroy_logical_type(&key);
	duckdb_destroy_logical_type(&value);
}

static void put_leaf(struct ingest *g, struct buf *b, duckdb_logical_type type, const char *from)
{
	switch (is_json(type) ? DUCKDB_TYPE_ANY : duckdb_get_type_id(type)) {
	case DUCKDB_TYPE_VARCHAR:
		buf_fmt(b, "json_extract_string(%s, '$')", from);
		return;
	case DUCKDB_TYPE_BLOB:
		buf_fmt(b, "from_base64(json_extract_string(%s, '$'))", from);
		return;
	case DUCKDB_TYPE_BIT:
		buf_fmt(b, "CAST(json_extract_string(%s, '$') AS BIT)", from);
		return;
	default:
		buf_fmt(b, "CAST(%s AS %.*s)", from, SARG(type_name(g->t->call.arena, type)));
	}
}

/* The JSON `from` as this type. */
static void put_value(struct ingest *g, struct buf *b, duckdb_logical_type type, const char *from, int depth)
{
	duckdb_type id = duckdb_get_type_id(type);
	bool array = id == DUCKDB_TYPE_ARRAY;
	duckdb_logical_type kid;

	if (!is_special(type) || (id != DUCKDB_TYPE_LIST && !array && id != DUCKDB_TYPE_STRUCT && id != DUCKDB_TYPE_MAP)) {
		put_leaf(g, b, type, from);
	} else if (id == DUCKDB_TYPE_STRUCT) {
		put_struct(g, b, type, from, depth);
	} else if (id == DUCKDB_TYPE_MAP) {
		put_map(g, b, type, from, depth);
	} else {
		kid = array ? duckdb_array_type_child_type(type) : duckdb_list_type_child_type(type);
		if (array)
			buf_lit(b, "CAST(");
		put_elements(g, b, kid, from, depth);
		if (array)
			buf_fmt(b, " AS %.*s)", SARG(type_name(g->t->call.arena, type)));
		duckdb_destroy_logical_type(&kid);
	}
}

void ingest_put_cast(struct ingest *g, struct buf *b, const struct field *f, const char *from)
{
	const char *json = arena_fmt(g->t->call.arena, "CAST(%s AS JSON)", from).p;

	if (f->id == DUCKDB_TYPE_BLOB)
		buf_fmt(b, "from_base64(%s)", from);
	else if (ingest_is_nested(f->id))
		put_value(g, b, f->logical, json, 0);
	else
		buf_fmt(b, "CAST(%s AS %.*s)", from, SARG(f->type));
}
