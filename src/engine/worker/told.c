/* told.c - what columns of a result are told as in Snowflake's form, beyond their type.
 *
 * Where its text says that a column is a table's, a literal, a count or a bind
 * (sql_origins), the column has the precision, length and table that Snowflake
 * tells; else it is an expression's. What tables have is kept until something
 * is defined. Nothing here fails: what cannot be found is not told.
 *
 * On the executor's thread, whose own the kept tables are.
 */
#include "engine/worker/catalog.h"
#include "sql/sql.h"

#include <stdlib.h>

enum { TABLES_MAX = 256, EXPRESSION_LENGTH = 134217728, COLUMN_LENGTH = 16777216, COUNT_DIGITS = 18, TOLD_SQL_MAX = 64 * 1024 };

struct told_column {
	struct str name;
	bool required;  /* NOT NULL */
	int64_t length; /* declared; 0 = none */
};
struct told_table { /* n 0: there is none */
	struct str database, schema, name;
	struct told_column *columns;
	int n;
};
struct told {
	struct arena arena;
	struct map tables; /* "database\0schema\0name" in lower case */
	uint64_t ddl;
};

/* --- tables --- */
static struct str copy_lower(struct arena *a, struct str s)
{
	char *to = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		to[i] = ascii_lower(s.p[i]);
	return str_from(to, s.n);
}

static struct str text_at(struct arena *a, duckdb_data_chunk chunk, idx_t column, idx_t row)
{
	duckdb_string_t *s = &((duckdb_string_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column)))[row];

	return arena_dup(a, str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s)));
}

static void put_where(struct buf *b, const char *alias, const struct str name[3])
{
	static const char *const parts[] = {"database_name", "schema_name", "table_name"};

	for (int i = 0; i < 3; i++) {
		buf_fmt(b, "%s lower(%s.%s) = ", i ? " AND" : "", alias, parts[i]);
		sql_quote_literal(b, name[i]);
	}
}

static void put_question(struct buf *b, const struct str name[3])
{
	buf_lit(b, "SELECT c.database_name, c.schema_name, c.table_name, c.column_name, NOT c.is_nullable, coalesce(k.length, 0) "
		   "FROM duckdb_columns() AS c LEFT JOIN (SELECT k.constraint_column_names[1] AS name, try_cast(regexp_extract(k.expression, "
		   "'^CASE +WHEN \\(\\((?:octet_)?length\\(.*\\) > (\\d+)\\)\\) THEN', 1) AS BIGINT) AS length "
		   "FROM duckdb_constraints() AS k WHERE k.constraint_type = 'CHECK' AND");
	put_where(b, "k", name);
	buf_lit(b, ") AS k ON k.name = c.column_name AND k.length IS NOT NULL WHERE NOT c.internal AND");
	put_where(b, "c", name);
	buf_lit(b, " ORDER BY c.column_index");
}

static void read_columns(struct arena *a, duckdb_result *r, struct told_table *ret)
{
	duckdb_data_chunk chunk;

	while ((chunk = duckdb_fetch_chunk(*r))) {
		idx_t n = duckdb_data_chunk_get_size(chunk);
		const bool *required = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 4));
		const int64_t *length = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 5));
		struct told_column *more = ARENA_ARRAY(a, struct told_column, (size_t)ret->n + n);

		if (ret->n)
			memcpy(more, ret->columns, sizeof(*more) * (size_t)ret->n);
		ret->columns = more;
		for (idx_t i = 0; i < n; i++)
			ret->columns[ret->n++] = (struct told_column){text_at(a, chunk, 3, i), required[i], length[i]};
		ret->database = text_at(a, chunk, 0, 0);
		ret->schema = text_at(a, chunk, 1, 0);
		ret->name = text_at(a, chunk, 2, 0);
		duckdb_destroy_data_chunk(&chunk);
	}
}

static struct told *told_of(struct executor *x)
{
	uint64_t ddl = executor_ddl(x);

	if (!x->told)
		x->told = base_zalloc(sizeof(*x->told));
	if (x->told->ddl != ddl || x->told->tables.n >= TABLES_MAX) {
		map_close(&x->told->tables);
		x->told->tables = (struct map){0};
		arena_reset(&x->told->arena);
		x->told->ddl = ddl;
	}
	return x->told;
}

/* `name` in lower case. */
static struct told_table *table_named(struct executor *x, struct task *t, const struct str name[3])
{
	struct told *all = told_of(x);
	struct str key = arena_fmt(t->call.arena, "%.*s%c%.*s%c%.*s", SARG(name[0]), 0, SARG(name[1]), 0, SARG(name[2]));
	struct told_table *found = map_get(&all->tables, key);
	OWNS(buf) sql = {0};
	duckdb_result r;

	if (found)
		return found;
	if (!x->admin && duckdb_connect(executor_database(x), &x->admin) != DuckDBSuccess)
		return NULL;
	put_question(&sql, name);
	found = ARENA_NEW(&all->arena, struct told_table);
	*found = (struct told_table){0};
	if (duckdb_query(x->admin, buf_cstr(&sql), &r) == DuckDBSuccess)
		read_columns(&all->arena, &r, found);
	duckdb_destroy_result(&r);
	map_put(&all->tables, arena_dup(&all->arena, key), found);
	return found;
}

/* As DuckDB looks for it: in the session's catalog first. */
static struct told_table *table_of(struct executor *x, struct task *t, const struct sql_source *s)
{
	struct arena *a = t->call.arena;
	struct str name[3] = {copy_lower(a, s->parts[0]), copy_lower(a, s->parts[1]), copy_lower(a, s->parts[2])};
	struct told_table *found = NULL;

	if (!s->parts[2].n || str_search(s->parts[2], S("\0")) < s->parts[2].n)
		return NULL;
	if (!s->parts[0].n && !s->parts[1].n && t->scope.name.n) {
		const struct str own[3] = {t->scope.name, S("public"), name[2]};

		found = table_named(x, t, own);
		if (found && found->n)
			return found;
	}
	if (!name[0].n)
		name[0] = copy_lower(a, t->database.n ? t->database : S("MAYFLY"));
	if (!name[1].n)
		name[1] = copy_lower(a, t->schema.n ? t->schema : S("PUBLIC"));
	return table_named(x, t, name);
}

/* --- columns --- */
static bool is_text(const struct engine_column *k)
{
	return k->kind == ENGINE_T_TEXT || k->kind == ENGINE_T_UUID || k->kind == ENGINE_T_INTERVAL || k->kind == ENGINE_T_TIMETZ;
}

static void tell_expression(struct engine_column *k)
{
	if (is_text(k))
		k->length = EXPRESSION_LENGTH;
}

static void tell_column(struct task *t, struct engine_column *k, const struct told_table *from, int at, bool nullable)
{
	const struct told_column *told = &from->columns[at];
	bool session = t->scope.name.n && str_eq(from->database, t->scope.name);

	k->nullable = nullable || !told->required;
	k->database = session ? (t->database.n ? t->database : S("MAYFLY")) : from->database;
	k->schema = session ? (t->schema.n ? t->schema : S("PUBLIC")) : from->schema;
	k->table = from->name;
	if (is_text(k))
		k->length = told->length ? told->length : COLUMN_LENGTH;
	else if (k->kind == ENGINE_T_BLOB)
		k->length = told->length;
}

static void tell_digits(struct engine_column *k, int precision)
{
	if (k->kind != ENGINE_T_INT && k->kind != ENGINE_T_HUGE)
		return;
	k->precision = precision;
	k->scale = 0;
	k->exact = true;
}

static int digits_in(struct str s)
{
	int n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ascii_digit(s.p[i]) && (n || s.p[i] != '0');
	return n ? n : 1;
}

static int64_t characters_in(struct str s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

/* DuckDB has a number where nothing else is known. */
static void tell_null(struct engine_column *k)
{
	if (k->kind != ENGINE_T_INT)
		return;
	k->kind = ENGINE_T_TEXT;
	k->type = S("VARCHAR");
	k->length = EXPRESSION_LENGTH;
}

static void tell_bind(const struct engine_ask *ask, struct engine_column *k, int placeholder)
{
	const struct engine_bind *b = placeholder >= 1 && placeholder <= ask->nbinds ? &ask->binds[placeholder - 1] : NULL;

	if (!b || b->values)
		return;
	if (b->type == ENGINE_B_NULL)
		tell_null(k);
	else if (b->type == ENGINE_B_FIXED)
		tell_digits(k, digits_in(b->value));
	else if (b->type == ENGINE_B_TEXT && is_text(k))
		k->length = characters_in(b->value);
	else if (b->type == ENGINE_B_BINARY && k->kind == ENGINE_T_BLOB)
		k->length = (int64_t)b->value.n / 2;
}

static int column_named(const struct told_table *from, struct str name)
{
	for (int i = 0; from && i < from->n; i++)
		if (str_ieq(from->columns[i].name, name))
			return i;
	return -1;
}

struct telling {
	struct executor *x;
	struct task *t;
	struct engine_column *v;
	int n, at;
	const struct sql_origins *o;
	struct told_table **tables; /* of the sources; NULL = not looked for, or none */
};

static struct told_table *source_table(struct telling *k, int source)
{
	if (!k->tables[source])
		k->tables[source] = table_of(k->x, k->t, &k->o->sources[source]);
	return k->tables[source];
}

/* By its source, or by the only one that has such a column. */
static void tell_named(struct telling *k, const struct sql_item *item)
{
	int from = item->source < 0 ? 0 : item->source, to = item->source < 0 ? k->o->nsources : item->source + 1;
	int found = -1, source = 0;

	for (int i = from; i < to; i++) {
		int at = column_named(source_table(k, i), item->name);

		if (at >= 0 && found >= 0)
			return;
		if (at >= 0) {
			found = at;
			source = i;
		}
	}
	if (found >= 0)
		tell_column(k->t, &k->v[k->at], k->tables[source], found, k->o->sources[source].nullable);
}

static int star_width(struct telling *k, const struct sql_item *item)
{
	int n = 0;

	for (int i = 0; i < k->o->nsources; i++) {
		const struct told_table *from = item->source < 0 || item->source == i ? source_table(k, i) : NULL;

		if ((item->source < 0 || item->source == i) && (!from || !from->n))
			return -1;
		n += from ? from->n : 0;
	}
	return n;
}

static void tell_star(struct telling *k, const struct sql_item *item)
{
	for (int i = 0; i < k->o->nsources; i++) {
		const struct told_table *from = item->source < 0 || item->source == i ? source_table(k, i) : NULL;

		for (int c = 0; from && c < from->n; c++)
			tell_column(k->t, &k->v[k->at++], from, c, k->o->sources[i].nullable);
	}
}

static void tell_item(struct telling *k, const struct sql_item *item)
{
	struct engine_column *v = &k->v[k->at];

	switch (item->kind) {
	case SQL_ITEM_COLUMN:
		tell_named(k, item);
		break;
	case SQL_ITEM_COUNT:
		tell_digits(v, COUNT_DIGITS);
		v->nullable = false;
		break;
	case SQL_ITEM_INTEGER:
		tell_digits(v, item->precision);
		v->nullable = false;
		break;
	case SQL_ITEM_TEXT:
		v->length = is_text(v) ? item->length : 0;
		v->nullable = false;
		break;
	case SQL_ITEM_SIZED:
		v->length = is_text(v) ? item->length : 0;
		break;
	case SQL_ITEM_PLACEHOLDER:
		tell_bind(&k->t->ask, v, item->placeholder);
		break;
	case SQL_ITEM_NULL:
		tell_null(v);
		break;
	case SQL_ITEM_DECIMAL:
		v->nullable = false;
		break;
	default:
		break;
	}
	k->at++;
}

/* Does the list have as many columns as the result? */
static bool counts_agree(struct telling *k)
{
	int n = 0;

	for (int i = 0; i < k->o->nitems; i++) {
		int width = k->o->items[i].kind == SQL_ITEM_STAR ? star_width(k, &k->o->items[i]) : 1;

		if (width < 0 || n + width > k->n)
			return false;
		n += width;
	}
	return n == k->n;
}

void told_columns(struct executor *x, struct task *t, struct engine_column *v, int n)
{
	struct sql_tokens tokens;
	struct sql_origins o;
	struct telling k = {.x = x, .t = t, .v = v, .n = n, .o = &o};

	for (int i = 0; i < n; i++)
		tell_expression(&v[i]);
	if (t->ask.sql.n > TOLD_SQL_MAX)
		return;
	if (!sql_lex(&t->call, SQL_DUCKDB, t->ask.sql, &tokens) || !sql_origins(&t->call, &tokens, (struct sql_span){0, tokens.n}, &o)) {
		call_forgive(&t->call);
		return;
	}
	k.tables = ARENA_ARRAY(t->call.arena, struct told_table *, (size_t)o.nsources + 1);
	if (!counts_agree(&k))
		return;
	for (int i = 0; i < o.nitems; i++) {
		if (o.items[i].kind == SQL_ITEM_STAR)
			tell_star(&k, &o.items[i]);
		else
			tell_item(&k, &o.items[i]);
	}
}

void told_close(struct told *told)
{
	if (!told)
		return;
	map_close(&told->tables);
	arena_close(&told->arena);
	free(told);
}
