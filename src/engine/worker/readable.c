/* readable.c - statements whose results hold types that chunks cannot be read of.
 *
 * VARIANT, BIGNUM, GEOMETRY and what contains them: the statement is prepared
 * again inside a SELECT that casts those columns, VARIANT and nested ones to
 * JSON, the others to text. Names stay; the type becomes the cast's.
 */
#include "engine/worker/worker.h"
#include "sql/sql.h"

enum { TYPE_GEOMETRY = 40 }; /* newer than the header */

static void put_form(struct buf *b, duckdb_logical_type type, idx_t i)
{
	int id = (int)duckdb_get_type_id(type);
	unsigned long long n = i;

	if (types_readable(type))
		buf_fmt(b, "c%llu", n);
	else if (id == DUCKDB_TYPE_BIGNUM || id == TYPE_GEOMETRY)
		buf_fmt(b, "c%llu::VARCHAR", n);
	else /* a VARIANT that is NULL would become JSON's null */
		buf_fmt(b, "CASE WHEN c%llu IS NOT NULL THEN c%llu::JSON END", n, n);
}

static bool all_readable(duckdb_prepared_statement st)
{
	idx_t n = duckdb_prepared_statement_column_count(st);
	bool ok = true;

	for (idx_t i = 0; ok && i < n; i++) {
		duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(st, i);

		ok = duckdb_get_type_id(type) == DUCKDB_TYPE_INVALID || types_readable(type);
		duckdb_destroy_logical_type(&type);
	}
	return ok;
}

/* c1 AS "name", c2::JSON AS "other" */
static void put_select(struct buf *b, duckdb_prepared_statement st)
{
	idx_t n = duckdb_prepared_statement_column_count(st);

	buf_lit(b, "SELECT ");
	for (idx_t i = 0; i < n; i++) {
		duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(st, i);
		const char *name = duckdb_prepared_statement_column_name(st, i);

		buf_add(b, i ? S(", ") : S(""));
		put_form(b, type, i);
		buf_lit(b, " AS ");
		sql_quote_name(b, str_of(name));
		duckdb_free((void *)(uintptr_t)name);
		duckdb_destroy_logical_type(&type);
	}
}

static void put_names(struct buf *b, idx_t n)
{
	for (idx_t i = 0; i < n; i++)
		buf_fmt(b, "%sc%llu", i ? ", " : "", (unsigned long long)i);
}

/* The statement without what ends it. */
static bool inner_text(struct task *t, struct str *ret)
{
	struct sql_tokens tokens;
	int n;

	if (!sql_lex(&t->call, SQL_DUCKDB, t->ask.sql, &tokens)) {
		call_forgive(&t->call);
		return false;
	}
	for (n = tokens.n; n > 0 && str_eq(tokens.v[n - 1].text, S(";")); n--)
		;
	if (n == 0)
		return false;
	*ret = str_head(t->ask.sql, tokens.v[n - 1].at + tokens.v[n - 1].text.n);
	return true;
}

const char *readable_sql(struct task *t, duckdb_prepared_statement st)
{
	OWNS(buf) b = {0};
	struct str inner;

	if (duckdb_prepared_statement_type(st) != DUCKDB_STATEMENT_TYPE_SELECT || all_readable(st) || !inner_text(t, &inner))
		return NULL;
	put_select(&b, st);
	buf_lit(&b, " FROM (");
	t->prefix = b.n;
	buf_add(&b, inner);
	buf_lit(&b, ") AS t(");
	put_names(&b, duckdb_prepared_statement_column_count(st));
	buf_lit(&b, ")");
	return arena_cstr(t->call.arena, buf_str(&b));
}
