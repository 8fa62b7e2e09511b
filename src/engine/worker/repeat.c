/* repeat.c - would a SELECT give the same rows again, while nothing of the tenant's changes?
 *
 * Answered by DuckDB's own syntax tree, and what DuckDB knows of each name in
 * it: functions by their stability, macros of the system and views by what
 * they are made of, tables by their generated columns. What is not known is
 * not repeatable: functions and views of sessions, macros of clients, samples,
 * table functions but a few, the views of the system.
 *
 * Owns the functions that are known, under its lock; any executor's thread.
 */
#include "engine/worker/process.h"
#include "json/json.h"
#include "sql/sql.h"

#include <stdlib.h>

enum { DEPTH_MAX = 16, TEXT_MAX = 64 * 1024 };
enum verdict { LOOK /* at `made_of` */, LOOKING, YES, NO };
struct known {
	struct str name;    /* lower case */
	struct str made_of; /* expressions of macros, joined by commas; empty = none */
	enum verdict is;
};
struct repeats {
	pthread_mutex_t lock;
	bool loaded;
	struct map functions;
	struct arena arena; /* theirs */
};

struct judge {
	struct task *t;
	duckdb_connection con;
	struct repeats *r;
	const json_node *tree; /* of the text at hand */
	struct str database, schema; /* of the view at hand, else of the statement */
	int depth;
};

struct repeats *repeats_open(void)
{
	struct repeats *r = base_zalloc(sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	return r;
}

static bool walk(struct judge *j, const json_node *n);
static bool text_is_repeatable(struct judge *j, struct str sql);

/* --- asking DuckDB --- */
typedef bool row_fn(struct judge *j, const struct str *cells, void *arg);

static struct str cell(struct arena *a, duckdb_data_chunk chunk, idx_t column, idx_t row)
{
	duckdb_vector v = duckdb_data_chunk_get_vector(chunk, column);
	duckdb_string_t *s = &((duckdb_string_t *)duckdb_vector_get_data(v))[row];

	return duckdb_validity_row_is_valid(duckdb_vector_get_validity(v), row)
		       ? arena_dup(a, str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s)))
		       : (struct str){NULL, 0};
}

/* Every row of up to three texts, until one says no. */
static bool each_row(struct judge *j, const char *sql, row_fn *fn, void *arg)
{
	struct str cells[3] = {{0}};
	duckdb_data_chunk chunk;
	duckdb_result r;
	bool ok = duckdb_query(j->con, sql, &r) == DuckDBSuccess && duckdb_column_count(&r) <= COUNT_OF(cells);

	for (idx_t i = 0; ok && i < duckdb_column_count(&r); i++)
		ok = duckdb_column_type(&r, i) == DUCKDB_TYPE_VARCHAR;
	while (ok && (chunk = duckdb_fetch_chunk(r)) != NULL) {
		for (idx_t row = 0; ok && row < duckdb_data_chunk_get_size(chunk); row++) {
			for (idx_t i = 0; i < duckdb_column_count(&r); i++)
				cells[i] = cell(j->t->call.arena, chunk, i, row);
			ok = fn(j, cells, arg);
		}
		duckdb_destroy_data_chunk(&chunk);
	}
	duckdb_destroy_result(&r);
	return ok;
}

static bool take_text(struct judge *j, const struct str *cells, void *arg)
{
	struct str *first = arg;

	(void)j;
	if (first->n || !cells[0].n) /* more than one, or none */
		return false;
	*first = cells[0];
	return true;
}

static const char *quoted(struct judge *j, const char *before, struct str literal, const char *behind)
{
	OWNS(buf) b = {0};

	buf_add(&b, str_of(before));
	sql_quote_literal(&b, literal);
	buf_add(&b, str_of(behind));
	return arena_cstr(j->t->call.arena, buf_str(&b));
}

/* The place of what was not written is told as the largest number there is, which is none in JSON as we read it. In texts it does
 * not matter what becomes of it. */
static struct str without_no_places(struct arena *a, struct str text)
{
	static const struct str none = S_INIT("18446744073709551615");
	struct str all = arena_dup(a, text);
	char *at = (char *)(uintptr_t)all.p, *end = at + all.n;

	while ((at = memmem(at, (size_t)(end - at), none.p, none.n)) != NULL) {
		memset(at, ' ', none.n);
		*at = '0';
	}
	return all;
}

static bool read_tree(struct judge *j, struct str sql, const json_node **ret)
{
	struct str text = {0};
	const json_node *root, *error;

	if (sql.n > TEXT_MAX || memchr(sql.p, '\0', sql.n) ||
	    !each_row(j, quoted(j, "SELECT CAST(system.main.json_serialize_sql(", sql, ") AS VARCHAR)"), take_text, &text))
		return false;
	if (!json_read_object(&j->t->call, without_no_places(j->t->call.arena, text), &root)) {
		call_forgive(&j->t->call);
		return false;
	}
	error = json_get(root, "error");
	*ret = json_get(root, "statements");
	return error && json_kind(error) == JSON_KIND_BOOL && !json_bool(error) && *ret && json_kind(*ret) == JSON_KIND_ARRAY &&
	       json_count(*ret) == 1;
}

/* What a CREATE VIEW or CREATE MACRO makes it of. */
static struct str behind_as(struct judge *j, struct str create)
{
	struct sql_tokens t;

	if (!sql_lex(&j->t->call, SQL_DUCKDB, create, &t)) {
		call_forgive(&j->t->call);
		return (struct str){NULL, 0};
	}
	for (int i = 0; i + 1 < t.n; i++)
		if (t.v[i].depth == 0 && sql_is(&t, i, "AS"))
			return str_tail(create, t.v[i + 1].at);
	return (struct str){NULL, 0};
}

/* Every overload of CREATE MACRO f(…) AS body, (…) AS body; joined by commas. */
static struct str bodies(struct judge *j, struct str create, const struct sql_tokens *t)
{
	OWNS(buf) b = {0};
	size_t from = 0;

	for (int i = 0; i + 1 < t->n; i++) {
		const struct sql_token *k = &t->v[i];

		if (k->depth != 0)
			continue;
		if (!from && sql_is(t, i, "AS")) {
			from = t->v[i + 1].at;
		} else if (from && str_eq(k->text, S(",")) && k[1].match > i && sql_is(t, k[1].match + 1, "AS")) {
			buf_add(&b, str_from(create.p + from, k->at - from));
			buf_lit(&b, ", ");
			i = k[1].match + 1;
			from = t->v[i + 1].at;
		}
	}
	if (!from)
		return (struct str){NULL, 0};
	buf_add(&b, str_tail(create, from));
	return arena_dup(j->t->call.arena, buf_str(&b));
}

/* --- functions --- */
static void know(struct repeats *r, struct str name, enum verdict is, struct str made_of)
{
	struct known *k = map_get(&r->functions, name);

	if (!k) {
		k = ARENA_NEW(&r->arena, struct known);
		k->name = arena_lower(&r->arena, name);
		k->is = is;
		k->made_of = arena_dup(&r->arena, made_of);
		map_put(&r->functions, k->name, k);
		return;
	}
	/* Also the name of another: both must be. */
	if (is == NO)
		k->is = NO;
	else if (made_of.n)
		k->made_of = k->made_of.n ? arena_fmt(&r->arena, "%.*s, %.*s", SARG(k->made_of), SARG(made_of))
					  : arena_dup(&r->arena, made_of);
	if (k->is == YES && k->made_of.n)
		k->is = LOOK;
}

static bool take_function(struct judge *j, const struct str *cells, void *arg)
{
	(void)arg;
	know(j->r, cells[0], str_eq(cells[1], S("no")) ? NO : cells[2].n ? LOOK : YES, cells[2]);
	return true;
}

/* Depend on the clock, the session or the configuration, whatever their stability says. */
static const char *const unstable[] = {"age", "getvariable", "current_setting", "current_localtime", "current_localtimestamp",
				       "write_log"};
/* Has no row to be stable for: a result that came did not call it; is the parser's own. */
static const char *const stable[] = {"error", "unnest", "grouping"};

static const char functions_sql[] =
	"SELECT lower(function_name), CASE WHEN bool_and(function_type = 'macro' OR stability = 'CONSISTENT') THEN 'yes' ELSE 'no' END, "
	"string_agg(macro_definition, ', ') FROM duckdb_functions() WHERE database_name = 'system' "
	"AND function_type IN ('scalar', 'aggregate', 'macro') GROUP BY 1";

static void know_helpers(struct judge *j)
{
	for (const char *const *sql = sql_helper_statements(); *sql; sql++) {
		struct sql_tokens tokens;
		struct sql_class class;

		if (!sql_lex(&j->t->call, SQL_DUCKDB, str_of(*sql), &tokens)) {
			call_forgive(&j->t->call);
			continue;
		}
		sql_classify(&j->t->call, &tokens, (struct sql_span){0, tokens.n}, &class);
		know(j->r, class.leaf, LOOK, bodies(j, str_of(*sql), &tokens));
	}
}

/* Lock held. */
static bool load(struct judge *j)
{
	if (j->r->loaded)
		return true;
	for (size_t i = 0; i < COUNT_OF(stable); i++)
		know(j->r, str_of(stable[i]), YES, (struct str){NULL, 0});
	if (!each_row(j, functions_sql, take_function, NULL))
		return false;
	for (size_t i = 0; i < COUNT_OF(stable); i++)
		((struct known *)map_get(&j->r->functions, str_of(stable[i])))->is = YES;
	for (size_t i = 0; i < COUNT_OF(unstable); i++)
		know(j->r, str_of(unstable[i]), NO, (struct str){NULL, 0});
	know_helpers(j);
	j->r->loaded = true;
	return true;
}

/* Lock held by whoever is first: a macro is made of other functions. */
static bool function_ok(struct judge *j, struct str name)
{
	struct known *k = map_get(&j->r->functions, arena_lower(j->t->call.arena, name));

	if (!k || k->is == NO)
		return false;
	if (k->is == LOOK) {
		const char *sql = arena_fmt(j->t->call.arena, "SELECT %.*s", SARG(k->made_of)).p;

		k->is = LOOKING;
		k->is = text_is_repeatable(j, str_of(sql)) ? YES : NO;
	}
	return k->is != NO; /* LOOKING: what else it is made of decides */
}

static const char *const table_functions[] = {"range", "generate_series", "unnest", "repeat", "json_each", "json_tree",
					      /* of the helper catalog */
					      "flatten", "sf_flatten_column", "split_to_table", "strtok_split_to_table"};

static bool is_one_of(struct str name, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(name, str_of(v[i])))
			return true;
	return false;
}

/* --- names of columns that are functions where there is no such column --- */
static bool column_ok(const json_node *names)
{
	struct str name;

	if (!names || json_count(names) != 1)
		return true;
	name = json_text(json_at(names, 0));
	return !str_istarts(name, S("current_")) && !str_istarts(name, S("local")) && !str_istarts(name, S("get_current_")) &&
	       !str_ieq(name, S("user")) && !str_ieq(name, S("session_user"));
}

/* --- tables --- */
static bool take_default(struct judge *j, const struct str *cells, void *arg)
{
	(void)arg;
	return text_is_repeatable(j, arena_fmt(j->t->call.arena, "SELECT %.*s", SARG(cells[0])));
}

struct place { /* where a table may be */
	struct str catalog, schema, name;
};

static const char *place_text(struct judge *j, const struct place *p)
{
	OWNS(buf) b = {0};

	sql_quote_name(&b, p->catalog);
	buf_addc(&b, '.');
	sql_quote_name(&b, p->schema);
	buf_addc(&b, '.');
	sql_quote_name(&b, p->name);
	return arena_cstr(j->t->call.arena, buf_str(&b));
}

static bool is_table(struct judge *j, const struct place *p)
{
	struct arena *a = j->t->call.arena;
	duckdb_table_description d;
	bool ok = duckdb_table_description_create_ext(j->con, arena_cstr(a, p->catalog), arena_cstr(a, p->schema),
						       arena_cstr(a, p->name),
						      &d) == DuckDBSuccess;

	duckdb_table_description_destroy(&d);
	return ok; /* not of a view */
}

static bool is_there(struct judge *j, const struct place *p)
{
	duckdb_prepared_statement st;
	bool ok = duckdb_prepare(j->con, arena_fmt(j->t->call.arena, "SELECT * FROM %s LIMIT 0", place_text(j, p)).p, &st) ==
		  DuckDBSuccess;

	duckdb_destroy_prepare(&st);
	return ok;
}

/* Defaults and generated columns look alike; what is generated is computed when it is read. */
static bool columns_ok(struct judge *j, const struct place *p)
{
	return each_row(j,
			quoted(j, "SELECT dflt_value FROM pragma_table_info(", str_of(place_text(j, p)), ") WHERE dflt_value IS NOT NULL"),
			take_default, NULL);
}

/* Views of sessions are hidden from those who ask. */
static bool view_ok(struct judge *j, const struct place *p)
{
	OWNS(buf) b = {0};
	struct str create = {0}, body, database = j->database, schema = j->schema;
	bool ok;

	if (sql_is_catalog(p->catalog))
		return false;
	buf_lit(&b, "SELECT sql FROM duckdb_views() WHERE NOT internal AND lower(database_name) = lower(");
	sql_quote_literal(&b, p->catalog);
	buf_lit(&b, ") AND lower(schema_name) = lower(");
	sql_quote_literal(&b, p->schema);
	buf_lit(&b, ") AND lower(view_name) = lower(");
	sql_quote_literal(&b, p->name);
	buf_lit(&b, ")");
	if (!each_row(j, arena_cstr(j->t->call.arena, buf_str(&b)), take_text, &create))
		return false;
	body = behind_as(j, create);
	j->database = p->catalog;
	j->schema = p->schema;
	ok = body.n && text_is_repeatable(j, body);
	j->database = database;
	j->schema = schema;
	return ok;
}

enum found { ABSENT, GOOD, BAD };

static enum found look_at(struct judge *j, struct place p)
{
	if (p.catalog.n == 0 || p.schema.n == 0)
		return ABSENT;
	if (is_table(j, &p))
		return columns_ok(j, &p) ? GOOD : BAD;
	if (!is_there(j, &p))
		return ABSENT;
	return view_ok(j, &p) ? GOOD : BAD;
}

static struct str member(const json_node *o, const char *key)
{
	const json_node *m = json_get(o, key);

	return m && json_kind(m) == JSON_KIND_TEXT ? json_text(m) : (struct str){NULL, 0};
}

/* Is there a WITH of this name anywhere in the text? */
static bool has_cte(const json_node *n, struct str name)
{
	const json_node *value;
	struct str key;

	if (json_kind(n) == JSON_KIND_ARRAY) {
		for (size_t i = 0; i < json_count(n); i++)
			if (has_cte(json_at(n, i), name))
				return true;
		return false;
	}
	if (json_kind(n) != JSON_KIND_OBJECT)
		return false;
	if (json_get(n, "value") && json_get(json_get(n, "value"), "materialized") && str_ieq(member(n, "key"), name))
		return true;
	for (void *it = NULL; json_each(n, &it, &key, &value);)
		if (has_cte(value, name))
			return true;
	return false;
}

/* Wherever the name may lead, it must be good: which of them DuckDB takes is not asked. */
static bool table_ok(struct judge *j, const json_node *o)
{
	struct str catalog = member(o, "catalog_name"), schema = member(o, "schema_name"), name = member(o, "table_name");
	struct str session = j->t->scope.name;
	struct str database = j->t->database;
	const struct place plain[] = {{session, S("public"), name}, {j->database, j->schema, name}, {database, j->t->schema, name}};
	const struct place half[] = {{session, schema, name}, {j->database, schema, name}, {database, schema, name},
				     {schema, S("public"), name}, {schema, S("main"), name}};
	const struct place whole[] = {{catalog, schema, name}};
	const struct place *v = catalog.n ? whole : schema.n ? half : plain;
	size_t n = catalog.n ? COUNT_OF(whole) : schema.n ? COUNT_OF(half) : COUNT_OF(plain);
	bool known = !catalog.n && !schema.n && has_cte(j->tree, name);

	for (size_t i = 0; i < n; i++) {
		enum found found = look_at(j, v[i]);

		if (found == BAD)
			return false;
		known = known || found == GOOD;
	}
	return known;
}

/* --- the tree --- */
static bool is_null(const json_node *n)
{
	return !n || json_kind(n) == JSON_KIND_NULL;
}

static const char *const sources[] = {"SELECT_NODE", "BASE_TABLE", "JOIN", "SUBQUERY", "TABLE_FUNCTION", "EXPRESSION_LIST",
				      "EMPTY"};

static bool object_ok(struct judge *j, const json_node *o)
{
	struct str type = member(o, "type"), function = member(o, "function_name");
	const json_node *inner = json_get(o, "function");

	/* What rows come from has a place for a sample. */
	if (json_get(o, "sample") && (!is_null(json_get(o, "sample")) || !is_one_of(type, sources, COUNT_OF(sources))))
		return false;
	if (!is_null(json_get(o, "at_clause")))
		return false;
	if (str_eq(type, S("BASE_TABLE")))
		return table_ok(j, o);
	if (str_eq(type, S("TABLE_FUNCTION")))
		return inner && is_one_of(member(inner, "function_name"), table_functions, COUNT_OF(table_functions));
	if (str_eq(member(o, "class"), S("COLUMN_REF")))
		return column_ok(json_get(o, "column_names"));
	return !function.n || is_one_of(function, table_functions, COUNT_OF(table_functions)) || function_ok(j, function);
}

static bool walk(struct judge *j, const json_node *n)
{
	const json_node *value;
	struct str key;

	if (json_kind(n) == JSON_KIND_ARRAY) {
		for (size_t i = 0; i < json_count(n); i++)
			if (!walk(j, json_at(n, i)))
				return false;
		return true;
	}
	if (json_kind(n) != JSON_KIND_OBJECT)
		return true;
	if (!object_ok(j, n))
		return false;
	for (void *it = NULL; json_each(n, &it, &key, &value);)
		if (!walk(j, value))
			return false;
	return true;
}

static bool text_is_repeatable(struct judge *j, struct str sql)
{
	const json_node *outer = j->tree, *tree;
	bool ok = j->depth < DEPTH_MAX && read_tree(j, sql, &tree);

	if (!ok)
		return false;
	j->depth++;
	j->tree = tree;
	ok = walk(j, tree);
	j->tree = outer;
	j->depth--;
	return ok;
}

bool statement_repeatable(struct executor *x, struct task *t, struct session *s)
{
	struct judge j = {.t = t, .con = s->con, .r = x->w->repeats, .database = t->database, .schema = t->schema};
	bool ok;

	pthread_mutex_lock(&j.r->lock);
	ok = load(&j) && text_is_repeatable(&j, t->ask.sql);
	pthread_mutex_unlock(&j.r->lock);
	call_forgive(&t->call);
	return ok;
}
