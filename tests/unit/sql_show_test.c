/* sql_show_test.c - SHOW and DESCRIBE as the SELECTs that they become: scopes, clauses, what is refused and where. */
#include "sql_rig.h"

#define SESSION "__eph_0123456789abcdef0123456789abcdef"

static const struct sql_context context = {
	.database = S_INIT("SHOP"), .schema = S_INIT("O'K"), .warehouse = S_INIT("WH"), .session_catalog = S_INIT(SESSION),
};

static bool shown(struct bench *b, const char *text, struct sql_rewrite *ret)
{
	return cut(b, SQL_SNOWFLAKE, text) && b->n == 1 && sql_rewrite_snowflake(&b->c, &b->t, b->s[0], &context, ret);
}

/* Is the text one SELECT of DuckDB's? */
static bool one_select(struct bench *b, struct str text)
{
	struct sql_tokens t;
	struct sql_span *spans;
	struct sql_class k;
	int n;

	if (!sql_lex(&b->c, SQL_DUCKDB, text, &t) || !sql_split(&b->c, &t, &spans, &n) || n != 1)
		return false;
	sql_classify(&b->c, &t, spans[0], &k);
	return k.kind == SQL_SELECT && !k.writes;
}

static void expect_parts(const struct pair *v, size_t n)
{
	struct sql_rewrite r;
	struct bench b;

	for (size_t i = 0; i < n; i++) {
		if (!shown(&b, v[i].in, &r))
			BROKEN("%s: %s", v[i].in, b.c.err.text);
		assert_true(r.sf.own && r.placeholders == 0 && r.sf.does == SQL_DOES_RUN);
		if (str_search(r.text, str_of(v[i].out)) == r.text.n)
			BROKEN("%s: %.*s", v[i].in, SARG(r.text));
		if (!one_select(&b, r.text))
			BROKEN("%s is no SELECT: %.*s", v[i].in, SARG(r.text));
		done(&b);
	}
}

#define OWN "\"=db\", \"=schema\", \"=table\", \"=at\", \"=name\""
#define SAME(column, value) " AND system.main.lower(" column ") = system.main.lower('" value "')"
#define WITHIN(db, schema) SAME("\"=db\"", db) SAME("\"=schema\"", schema)

static void the_scope_is_the_current_one_or_what_is_said(void **state)
{
	static const struct pair pairs[] = {
		{"show tables", "sf_show_tables('SHOP', 'O''K') WHERE true" WITHIN("SHOP", "O''K") " UNION"},
		{"show tables in db1.s1", WITHIN("DB1", "S1") " UNION"},
		{"show tables in schema \"s1\"", WITHIN("SHOP", "s1") " UNION"},
		{"show tables from s1", WITHIN("SHOP", "S1") " UNION"},
		{"show tables in schema", WITHIN("SHOP", "O''K") " UNION"},
		{"show tables in database", "WHERE true" SAME("\"=db\"", "SHOP") " UNION"},
		{"show tables in database db1", "WHERE true" SAME("\"=db\"", "DB1") " UNION"},
		{"show tables in account", "WHERE true) ORDER BY"},
		{"show schemas", "WHERE true" SAME("\"=db\"", "SHOP") " UNION"},
		{"show schemas in db1", "WHERE true" SAME("\"=db\"", "DB1") " UNION"},
		{"show databases", "sf_show_databases('SHOP', 'O''K') WHERE true) ORDER BY"},
		{"show columns in t", WITHIN("SHOP", "O''K") SAME("\"=table\"", "T") " UNION"},
		{"show columns in table s.t", WITHIN("SHOP", "S") SAME("\"=table\"", "T") " UNION"},
		{"show columns in view d.s.t", WITHIN("D", "S") SAME("\"=table\"", "T") " UNION"},
		{"show columns in schema s", WITHIN("SHOP", "S") " UNION"},
		{"show primary keys in \"" SESSION "\".public.\"t\"", WITHIN("SHOP", "O''K") SAME("\"=table\"", "t") " UNION"},
		{"show unique keys", "sf_show_keys('SHOP', 'O''K', 'UNIQUE') WHERE true" WITHIN("SHOP", "O''K") " UNION"},
		{"show warehouses", "sf_show_warehouses('WH') WHERE true) ORDER BY"},
		{"show roles", "sf_show_roles(NULL) WHERE true) ORDER BY"},
		{"show parameters in session", "sf_show_parameters() WHERE true) ORDER BY"},
		{"show parameters like 'a' for table d.t", "sf_show_parameters() WHERE true AND \"=name\" ILIKE 'a' ESCAPE '\\') ORDER BY"},
		{"desc t", "sf_describe_columns('SHOP', 'O''K') WHERE true" WITHIN("SHOP", "O''K") SAME("\"=table\"", "T") " QUALIFY"},
		{"describe view s.v", "(" OWN ", \"write default\")"},
		{"describe schema d.s", "sf_show_objects('SHOP', 'O''K') WHERE true" WITHIN("D", "S") " UNION"},
		{"describe database d", "sf_describe_database('SHOP', 'O''K') WHERE true" SAME("\"=db\"", "D") " UNION"},
	};

	(void)state;
	expect_parts(pairs, COUNT_OF(pairs));
}

static void clauses_filter_order_and_limit(void **state)
{
	static const struct pair pairs[] = {
		{"show tables like 'a''%'", " AND \"=name\" ILIKE 'a''%' ESCAPE '\\' UNION"},
		{"show tables like 'a\\\\'", " AND \"=name\" ILIKE 'a\\\\' ESCAPE '\\' UNION"},
		{"show tables starts with 'A''b'", " AND system.main.starts_with(\"=name\", 'A''b') UNION"},
		{"show tables limit 7", ") ORDER BY " OWN " LIMIT 7"},
		{"show tables limit 7 from 'x'", " AND \"=name\" > 'x' UNION"},
		{"show tables like 'a' in account starts with 'b' limit 1 from 'c'",
		 "ILIKE 'a' ESCAPE '\\' AND system.main.starts_with(\"=name\", 'b') AND \"=name\" > 'c') ORDER BY " OWN " LIMIT 1"},
		{"show terse tables", "SELECT \"created_on\", \"name\", \"kind\", \"database_name\", \"schema_name\" FROM"},
		{"show terse users", "SELECT * EXCLUDE (" OWN ") FROM"},
		{"show tables", "SELECT * EXCLUDE (" OWN ", \"dropped_on\") FROM"},
		{"show tables history", "SELECT * EXCLUDE (" OWN ") FROM"},
		{"show schemas history in account", "SELECT * EXCLUDE (" OWN ", \"kind\", \"schema_name\") FROM"},
	};

	(void)state;
	expect_parts(pairs, COUNT_OF(pairs));
}

static void what_is_not_there_is_an_error_of_the_text(void **state)
{
	static const struct pair pairs[] = {
		{"show tables in s", "error('SF 002043/02000 Object does not exist, or operation cannot be performed.')"},
		{"show schemas in d", "FROM sf_list_databases() WHERE true" SAME("database_name", "D")},
		{"describe table \"x'y\"", "error('SF 002003/42S02 Table ''x''y'' does not exist or not authorized.')"},
		{"desc view d.s.v", "error('SF 002003/42S02 View ''D.S.V'' does not exist or not authorized.')"},
		{"show primary keys in t", "error('SF 002003/42S02 Table ''T'' does not exist or not authorized.')"},
	};

	(void)state;
	expect_parts(pairs, COUNT_OF(pairs));
}

static void what_is_not_understood_is_refused_with_its_place(void **state)
{
	static const struct bad cases[] = {
		{SQL_SNOWFLAKE, "show", "unexpected '<EOF>'", 5},
		{SQL_SNOWFLAKE, "show terse", "unexpected '<EOF>'", 11},
		{SQL_SNOWFLAKE, "show 'x'", "unexpected ''x''", 6},
		{SQL_SNOWFLAKE, "show grants", "Unsupported feature 'SHOW GRANTS'.", 6},
		{SQL_SNOWFLAKE, "show primary", "Unsupported feature 'SHOW PRIMARY'.", 6},
		{SQL_SNOWFLAKE, "show tables like", "unexpected '<EOF>'", 17},
		{SQL_SNOWFLAKE, "show tables like x", "unexpected 'x'", 18},
		{SQL_SNOWFLAKE, "show tables starts 'x'", "unexpected ''x''", 20},
		{SQL_SNOWFLAKE, "show tables limit -1", "unexpected '-'", 19},
		{SQL_SNOWFLAKE, "show tables limit 99999999999999999999", "unexpected '99999999999999999999'", 19},
		{SQL_SNOWFLAKE, "show tables limit 1.5", "unexpected '1.5'", 19},
		{SQL_SNOWFLAKE, "show tables limit 1 from x", "unexpected 'x'", 26},
		{SQL_SNOWFLAKE, "show tables in", "unexpected '<EOF>'", 15},
		{SQL_SNOWFLAKE, "show tables in a.", "unexpected '<EOF>'", 18},
		{SQL_SNOWFLAKE, "show tables in a.b.c.d", "unexpected 'd'", 22},
		{SQL_SNOWFLAKE, "show tables; drop", NULL, 0},
		{SQL_SNOWFLAKE, "show tables order by 1", "unexpected 'order'", 13},
		{SQL_SNOWFLAKE, "show databases in account x", "unexpected 'x'", 27},
		{SQL_SNOWFLAKE, "describe table", "unexpected '<EOF>'", 15},
		{SQL_SNOWFLAKE, "describe table t type = stage", "unexpected 'stage'", 25},
		{SQL_SNOWFLAKE, "describe table t u", "unexpected 'u'", 18},
		{SQL_SNOWFLAKE, "describe user u", "Unsupported feature 'DESCRIBE USER'.", 10},
	};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (shown(&b, cases[i].text, &r))
			BROKEN("%s: %.*s", cases[i].text, SARG(r.text));
		if (cases[i].message && (!strstr(b.c.err.text, cases[i].message) || b.c.err.position != cases[i].position))
			BROKEN("%s: %d: %s", cases[i].text, b.c.err.position, b.c.err.text);
		done(&b);
	}
}

static void a_query_is_described_by_duckdb(void **state)
{
	static const char *const texts[] = {"describe select 1", "desc with a as (select 1) select * from a", "describe (select 1)", "describe values (1)"};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (!shown(&b, texts[i], &r) || r.sf.own)
			BROKEN("%s: %s", texts[i], b.c.err.text);
		done(&b);
	}
}

/* Whatever is cut off or put in, the text stays one SELECT or is refused. */
static void nothing_of_the_client_gets_out_of_its_literal(void **state)
{
	static const char *const texts[] = {
		"show tables like 'a''; drop table t; --' in \"x'\".\"y\"\"'\" starts with ''';' limit 3 from '\\'' || '",
		"describe table \"a'b\".\"c\"\"d\".\"e;'f\" type = columns",
		"show terse schemas history like '\\\\' in database \"'); drop table t; --\"",
	};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		for (size_t n = strlen(texts[i]); n > 0; n--) {
			char *part = strndup(texts[i], n);

			if (shown(&b, part, &r) && r.sf.own && !one_select(&b, r.text))
				BROKEN("%s: %.*s", part, SARG(r.text));
			done(&b);
			free(part);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scope_is_the_current_one_or_what_is_said),
		cmocka_unit_test(clauses_filter_order_and_limit),
		cmocka_unit_test(what_is_not_there_is_an_error_of_the_text),
		cmocka_unit_test(what_is_not_understood_is_refused_with_its_place),
		cmocka_unit_test(a_query_is_described_by_duckdb),
		cmocka_unit_test(nothing_of_the_client_gets_out_of_its_literal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
