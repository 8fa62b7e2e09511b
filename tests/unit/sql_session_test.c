/* sql_session_test.c - names inside a session, and templates. */
#include "sql_rig.h"

/* --- inside a session --- */
#define OWN "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define REF(t) "mutable.public.\"__eph_" OWN "_" t "\""
#define ENGINE(t) "\"__eph_" OWN "\".public.\"" t "\""

static bool scoped(struct bench *b, enum sql_dialect d, const char *text, const struct sql_scope *s, struct sql_rewrite *ret)
{
	return cut(b, d, text) && sql_rewrite_scope(&b->c, &b->t, b->s[0], s, ret);
}

static const struct sql_scope in_session = {S_INIT("__eph_" OWN), false};
static const struct sql_scope sharing = {S_INIT("__eph_" OWN), true};
static const struct sql_scope no_session;

static void expect_scoped(enum sql_dialect d, const struct sql_scope *s, const struct pair *v, size_t n)
{
	struct sql_rewrite r;
	struct bench b;

	for (size_t i = 0; i < n; i++) {
		if (!scoped(&b, d, v[i].in, s, &r))
			BROKEN("%s: %s", v[i].in, b.c.err.text);
		if (!str_eq(r.text, str_of(v[i].out)))
			BROKEN("%s\n  %s", v[i].in, arena_cstr(&b.arena, r.text));
		done(&b);
	}
}

static void expect_unscoped(const struct sql_scope *s, const char *const *v, enum err_kind kind)
{
	struct sql_rewrite r;
	struct bench b;

	for (; *v; v++)
		for (int d = SQL_DUCKDB; d <= SQL_SNOWFLAKE; d++) {
			if (scoped(&b, (enum sql_dialect)d, *v, s, &r))
				BROKEN("%s: passed as %s", *v, arena_cstr(&b.arena, r.text));
			if (b.c.err.kind != kind || b.c.err.position <= 0)
				BROKEN("%s: %s at %d", *v, b.c.err.text, b.c.err.position);
			done(&b);
		}
}

static void a_physical_name_becomes_what_the_engine_knows(void **state)
{
	static const struct pair cases[] = {
		{"from " REF("t"), "from " ENGINE("t")},
		{"select * from MUTABLE . Public /* c */ . \"__eph_" OWN "_t\" a", "select * from " ENGINE("t") " a"},
		{"select * from \"mutable\".\"PUBLIC\".__EPH_" OWN "_t", "select * from " ENGINE("t")},
		{"from mutable.public.orders join mutable.public.\"a \"\"b\" on true",
		 "from " ENGINE("orders") " join " ENGINE("a \"\"b") " on true"},
		{"from \"__eph_" OWN "_t\"", "from \"t\""},
		{"select \"__eph_" OWN "_t\".a, " REF("t") ".b from " REF("t"),
		 "select \"t\".a, " ENGINE("t") ".b from " ENGINE("t")},
		{"select " REF("t") ".*, " REF("t") ".a * 2 from " REF("t"), "select \"t\".*, " ENGINE("t") ".a * 2 from " ENGINE("t")},
		{"select a from x, " REF("t") ", \"__eph_" OWN "_u\" as y, (\"__eph_" OWN "_v\")",
		 "select a from x, " ENGINE("t") ", \"u\" as y, (\"v\")"},
		{"from x join " REF("t") " using (a)", "from x join " ENGINE("t") " using (a)"},
		{"insert into " REF("t") "(a) values (1) returning \"__eph_" OWN "_t\".a",
		 "insert into " ENGINE("t") "(a) values (1) returning \"t\".a"},
		{"update \"__eph_" OWN "_t\" set a = 1", "update \"t\" set a = 1"},
		{"delete from " REF("t") " using " REF("u"), "delete from " ENGINE("t") " using " ENGINE("u")},
		{"merge into " REF("t") " using " REF("u") " on true when matched then delete",
		 "merge into " ENGINE("t") " using " ENGINE("u") " on true when matched then delete"},
		{"truncate " REF("t"), "truncate " ENGINE("t")},
		{"truncate table \"__eph_" OWN "_t\"", "truncate table \"t\""},
		{"drop table if exists " REF("t"), "drop table if exists " ENGINE("t")},
		{"drop table if exists \"__eph_" OWN "_t\"", "drop table if exists \"t\""},
		{"alter table " REF("t") " add column b int", "alter table " ENGINE("t") " add column b int"},
		{"alter table " REF("t") " rename to " REF("u"), "alter table " ENGINE("t") " rename to \"u\""},
		{"alter table t rename to public.u", "alter table t rename to \"u\""},
		{"alter table t rename to \"__eph_" OWN "_u\"", "alter table t rename to \"u\""},
		{"describe " REF("t"), "describe " ENGINE("t")},
		{"summarize \"__eph_" OWN "_t\"", "summarize \"t\""},
		{"comment on table " REF("t") " is 'x'", "comment on table " ENGINE("t") " is 'x'"},
		{"comment on column " REF("t") ".a is 'x'", "comment on column " ENGINE("t") ".a is 'x'"},
		{"create table " REF("t") " (a int references " REF("u") "(a))",
		 "create table " ENGINE("t") " (a int references \"u\"(a))"},
		{"create table x (a int, b int references \"__eph_" OWN "_u\")", "create table x (a int, b int references \"u\")"},
		{"create table x as select * from y, \"__eph_" OWN "_u\"", "create table x as select * from y, \"u\""},
		{"create index i on \"__eph_" OWN "_t\" (a)", "create index i on \"t\" (a)"},
		{"with q as (from " REF("t") ") from q", "with q as (from " ENGINE("t") ") from q"},
		{"explain analyze delete from " REF("t"), "explain analyze delete from " ENGINE("t")},
		{"pivot " REF("t") " on a", "pivot " ENGINE("t") " on a"},
		/* what a fork copies as text */
		{"create view " REF("v") " as select " REF("t") ".a from " REF("t"),
		 "create view " ENGINE("v") " as select \"t\".a from \"t\""},
		{"create macro m() as table from " REF("t"), "create macro m() as table from \"t\""},
		{"create temp view v as from " REF("t"), "create temp view v as from " ENGINE("t")},
		/* the rest of the text stays */
		{" -- a\nfrom/**/" REF("t") "/* b */ ; ", " -- a\nfrom/**/" ENGINE("t") "/* b */ ; "},
		{"select 'mutable.public.\"__eph_x\"', $$__eph_$$ -- __eph_x", "select 'mutable.public.\"__eph_x\"', $$__eph_$$ -- __eph_x"},
		{"select mutable, x.mutable from t mutable", "select mutable, x.mutable from t mutable"},
		{"select x.mutable.public from x", "select x.mutable.public from x"},
		{"select __ep, eph_, x__eph_ from __ephemeral", "select __ep, eph_, x__eph_ from __ephemeral"},
		{"create table MAYFLY.PUBLIC.a_name_of_the_tenants_that_is_long (a int)",
		 "create table MAYFLY.PUBLIC.a_name_of_the_tenants_that_is_long (a int)"},
		{"create table mayfly.\"no-rule\" (a int)", "create table mayfly.\"no-rule\" (a int)"},
		{"create temp table a_temporary_table_with_a_long_name (a int)", "create temp table a_temporary_table_with_a_long_name (a int)"},
		{"create schema MAYFLY.s", "create schema MAYFLY.s"},
		{"drop schema \"mayfly\".s cascade", "drop schema \"mayfly\".s cascade"},
		{"alter table MAYFLY.PUBLIC.t rename to a_name_of_the_tenants_that_is_long",
		 "alter table MAYFLY.PUBLIC.t rename to a_name_of_the_tenants_that_is_long"},
		{"alter table t rename column a to \"b c\"", "alter table t rename column a to \"b c\""},
	};

	(void)state;
	expect_scoped(SQL_DUCKDB, &in_session, cases, COUNT_OF(cases));
}

static void snowflakes_names_are_folded(void **state)
{
	static const struct pair cases[] = {
		{"select * from mutable.public.__eph_" OWN "_t", "select * from " ENGINE("T")},
		{"select * from mutable.public.\"__eph_" OWN "_t\"", "select * from " ENGINE("t")},
		{"select * from mutable.public.orders o", "select * from " ENGINE("ORDERS") " o"},
		{"select __EPH_" OWN "_t.a from __eph_" OWN "_T", "select \"T\".a from \"T\""},
		{"select a from t // __eph_", "select a from t // __eph_"},
	};

	(void)state;
	expect_scoped(SQL_SNOWFLAKE, &in_session, cases, COUNT_OF(cases));
}

static void names_that_are_reserved_are_refused_wherever_they_stand(void **state)
{
	static const char *const everywhere[] = {
		"select * from mutable.public.\"__eph_" OTHER "_t\"", "select * from \"__eph_" OTHER "_t\"",
		"select \"__eph_" OTHER "_t\".a from t", "select * from mutable.public.__eph_x", "select * from mutable.t",
		"select * from mutable.main.t", "select * from \"MUTABLE\".\"__eph_" OWN "_t\"", "select mutable.a from t mutable",
		"select * from mutable.public.\"__eph_" OWN "_\"", "select * from mutable.public.\"__eph_" OWN "\"",
		"select * from mutable.public.\"__eph_" OWN "___eph_t\"", "select * from mutable.public.\"__eph_0123_t\"",
		"select * from mutable.public", "select mutable.public.* from t",
		"select * from \"__eph_" OWN "\".public.t", "select * from __EPH_" OWN ".public.t", "select * from \"__eph_" OTHER "\".public.t",
		"select * from public.\"__eph_" OWN "_t\"", "select * from MAYFLY.PUBLIC.\"__eph_" OWN "_t\"", "select t.\"__eph_" OWN "_a\" from t",
		"select 1 as __eph_x", "select 1 as \"__eph_" OWN "_x\"", "select a __eph_x from t", "select __eph_ from t",
		"select * from t as \"__eph_" OWN "_x\"", "with \"__eph_" OWN "_q\" as (select 1) select 1",
		"with a as (select 1), \"__eph_" OWN "_q\" as (select 1) select 1", "with a as (select 1), \"__eph_" OWN "_q\"(x) as (select 1) select 1",
		"create view v as with __eph_q as (select 1) select 1", "create table x (__eph_a int)", "create table x (\"__eph_" OWN "_a\" int)",
		"create table x (a int, \"__eph_" OWN "_b\" int)", "create schema __eph_x", "create view __eph_x as select 1",
		"create sequence \"__eph_" OTHER "_s\"", "drop table __eph_x", "drop schema \"__eph_" OWN "\" cascade",
		"alter table t rename to \"__eph_" OTHER "_u\"", "alter table t add column __eph_x int", "select f(__eph_a => 1)",
		"select {\"__eph_" OWN "_k\": 1}", "select (x).__eph_y from x", "select cast(1 as \"__eph_" OTHER "\".public.mood)",
		"create table \"__eph_" OTHER "_t\" (a int)", "select __eph_f(1)", "update t set __eph_a = 1", NULL};
	static const char *const without_session[] = {"select * from mutable.public.t", "select * from mutable.public.\"__eph_" OWN "_t\"",
						      "select \"__eph_" OWN "_t\".a from t", "create table __eph_x (a int)", NULL};

	(void)state;
	expect_unscoped(&in_session, everywhere, ERR_NOT_ALLOWED);
	expect_unscoped(&no_session, everywhere, ERR_NOT_ALLOWED);
	expect_unscoped(&no_session, without_session, ERR_NOT_ALLOWED);
}

static void a_refusal_does_not_tell_sessions_apart(void **state)
{
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	assert_false(scoped(&b, SQL_DUCKDB, "select  mutable.public.\"__eph_" OTHER "_t\".a", &in_session, &r));
	assert_string_equal(b.c.err.text, "names that begin with __eph_ are reserved");
	assert_int_equal(b.c.err.position, 24);
	assert_string_equal(b.c.err.native, "003001");
	done(&b);
}

static void sessions_that_share_may_be_named(void **state)
{
	static const struct pair cases[] = {
		{"from mutable.public.\"__eph_" OTHER "_t\" join " REF("t") " on true",
		 "from \"__eph_" OTHER "\".public.\"t\" join " ENGINE("t") " on true"},
		{"select \"__eph_" OTHER "_t\".a from \"__eph_" OTHER "_t\"", "select \"t\".a from \"__eph_" OTHER "\".public.\"t\""},
		{"create view v as from mutable.public.\"__eph_" OTHER "_t\"", "create view v as from \"__eph_" OTHER "\".public.\"t\""},
	};
	static const char *const refused[] = {
		"select * from \"__eph_" OTHER "\".public.t", "select * from __eph_x", "select * from mutable.x.y",
		"create table mutable.public.\"__eph_" OTHER "_t\" (a int)", "drop table mutable.public.\"__eph_" OTHER "_t\"",
		"drop table if exists \"__eph_" OTHER "_t\"", "alter table \"__eph_" OTHER "_t\" add column b int",
		"create index i on mutable.public.\"__eph_" OTHER "_t\" (a)", "create view mutable.public.\"__eph_" OTHER "_v\" as select 1", NULL};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	expect_scoped(SQL_DUCKDB, &sharing, cases, COUNT_OF(cases));
	expect_unscoped(&sharing, refused, ERR_NOT_ALLOWED);
	assert_true(scoped(&b, SQL_DUCKDB, cases[0].in, &sharing, &r));
	assert_string_equal(r.catalogs[0], "__eph_" OTHER);
	assert_string_equal(r.catalogs[1], "__eph_" OWN);
	assert_null(r.catalogs[2]);
	done(&b);
	assert_true(scoped(&b, SQL_DUCKDB, "from t", &sharing, &r));
	assert_null(r.catalogs);
	done(&b);
}

static void tables_of_a_session_have_names_that_fit(void **state)
{
	static const char *const invalid[] = {
		"create table \"a b\" (a int)", "create table \"1a\" (a int)", "create table \"\" (a int)", "create table \"a\"\"b\" (a int)",
		"create or replace table if not exists public.\"a-b\" (a int)", "create table mutable.public.\"a.b\" as select 1",
		"create table \"\xC3\xA9\" (a int)", "create table __eph_x (a int)", "create table " REF("a b") " (a int)",
		"alter table t rename to \"a b\"", "alter table " REF("t") " rename to " REF("a-b"), "explain analyze create table \"a b\" as select 1", NULL};
	static const char *const too_long[] = {"create table abcdefghijklmnopqrstuvwxy (a int)", "create table public.abcdefghijklmnopqrstuvwxy as select 1",
					       "create table " REF("abcdefghijklmnopqrstuvwxy") " (a int)", "alter table if exists public.t rename to abcdefghijklmnopqrstuvwxy", NULL};
	static const char *const refused[] = {"create schema s", "create schema if not exists public", "drop schema public cascade", "drop schema if exists s",
					      "alter schema public rename to x", "create schema MAYFLY", "drop schema mutable.public cascade", "create table main.t (a int)",
					      "create view main.v as select 1", "create view MAYFLY.PUBLIC.v as select * from " REF("t"), NULL};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	expect_unscoped(&in_session, invalid, ERR_INVALID_NAME);
	expect_unscoped(&in_session, too_long, ERR_NAME_TOO_LONG);
	expect_unscoped(&in_session, refused, ERR_NOT_ALLOWED);
	assert_false(scoped(&b, SQL_DUCKDB, "create table  abcdefghijklmnopqrstuvwxy (a int)", &in_session, &r));
	assert_str_equal(b.c.err.more, "\"max\":24");
	assert_int_equal(b.c.err.position, 15);
	done(&b);
	assert_true(scoped(&b, SQL_DUCKDB, "create table abcdefghijklmnopqrstuvwx (a int)", &in_session, &r));
	assert_ptr_equal(r.text.p, b.t.text.p);
	done(&b);
	assert_true(scoped(&b, SQL_DUCKDB, "create table \"any name of a tenant's that is long\" (a int)", &no_session, &r));
	done(&b);
	assert_true(scoped(&b, SQL_DUCKDB, "create schema s", &no_session, &r));
	done(&b);
}

static void a_name_check_counts_characters_first(void **state)
{
	static const struct {
		struct str name;
		enum err_kind kind;
	} cases[] = {
		{S_INIT("a"), ERR_NONE}, {S_INIT("_A9"), ERR_NONE}, {S_INIT("abcdefghijklmnopqrstuvwx"), ERR_NONE}, {S_INIT("__ep"), ERR_NONE},
		{S_INIT(""), ERR_INVALID_NAME}, {S_INIT("9a"), ERR_INVALID_NAME}, {S_INIT("a b"), ERR_INVALID_NAME}, {S_INIT("a\"b"), ERR_INVALID_NAME},
		{S_INIT("a\0b"), ERR_INVALID_NAME}, {S_INIT("__eph_"), ERR_INVALID_NAME}, {S_INIT("__EPH_a"), ERR_INVALID_NAME},
		{S_INIT("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"), ERR_INVALID_NAME},
		{S_INIT("abcdefghijklmnopqrstuvwxy"), ERR_NAME_TOO_LONG}, {S_INIT("a bcdefghijklmnopqrstuvwxyz"), ERR_NAME_TOO_LONG},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		OWNS(arena) a = {0};
		struct call c;

		call_open(&c, &a);
		assert_int_equal(sql_name_check(&c, cases[i].name, 24), cases[i].kind == ERR_NONE);
		assert_int_equal(c.err.kind, cases[i].kind);
	}
}

#define TENANTS \
	"SELECT table_name FROM duckdb_tables() WHERE database_name = 'MAYFLY' AND schema_name = 'PUBLIC'" \
	" UNION SELECT view_name FROM duckdb_views() WHERE database_name = 'MAYFLY' AND NOT internal"

static void show_tables_shows_the_sessions_and_the_tenants(void **state)
{
	static const char both[] = "SELECT name AS \"name\" FROM (SELECT name FROM mayfly_tables() UNION " TENANTS ") ORDER BY 1";
	static const struct pair cases[] = {
		{"show tables", both},
		{"SHOW TABLES FROM public", both},
		{"show tables from mutable.public", "SELECT name AS \"name\" FROM (SELECT name FROM mayfly_tables()) ORDER BY 1"},
		{"show tables from MAYFLY.PUBLIC", "show tables from MAYFLY.PUBLIC"},
		{"show tables like 'x'", "show tables like 'x'"},
		{"show all tables", "show all tables"},
	};
	static const struct pair outside[] = {{"show tables", "show tables"}};
	struct sql_gate g = {catalogs, true};
	struct bench b;

	(void)state;
	expect_scoped(SQL_DUCKDB, &in_session, cases, COUNT_OF(cases));
	expect_scoped(SQL_DUCKDB, &no_session, outside, COUNT_OF(outside));
	expect_scoped(SQL_SNOWFLAKE, &in_session, outside, COUNT_OF(outside)); /* show.c lists them */
	assert_true(cut(&b, SQL_DUCKDB, both));
	assert_true(sql_gate(&b.c, &b.t, b.s[0], &g));
	done(&b);
}

static void a_position_is_carried_back_through_the_scope(void **state)
{
	const char *text = " select a, nosuch from " REF("t") " where nope = 1 and " REF("t") ".b = 2";
	static const char *const words[] = {"nosuch", "from", "where", "nope", "= 2", ".b"};
	struct sql_rewrite r;
	const char *out;
	struct bench b;

	(void)state;
	assert_true(scoped(&b, SQL_DUCKDB, text, &in_session, &r));
	out = arena_cstr(&b.arena, r.text);
	for (size_t i = 0; i < COUNT_OF(words); i++)
		assert_int_equal(sql_source_position(&r, (size_t)(strstr(out, words[i]) - out)), strstr(text, words[i]) - text);
	assert_int_equal(sql_source_position(&r, (size_t)(strstr(out, "\"__eph") - out)), strstr(text, "mutable") - text);
	assert_int_equal(sql_source_position(&r, (size_t)(strstr(out, "\"t\"") - out)), strstr(text, "\"__eph") - text);
	assert_int_equal(sql_source_position(&r, r.text.n), strlen(text));
	done(&b);
	assert_true(scoped(&b, SQL_DUCKDB, "select 1", &in_session, &r));
	assert_ptr_equal(r.text.p, b.t.text.p);
	assert_int_equal(sql_source_position(&r, 3), 3);
	done(&b);
}

static void text_without_such_names_costs_next_to_nothing(void **state)
{
	static const char text[] = "select o.id, o.total, m.name from orders o join members m on o.member = m.id where o.total > $1 "
				   "and m.name like 'mutable%' group by 1, 2, 3 order by o.total desc limit 10";
	enum { ROUNDS = 2000 };
	int64_t best = INT64_MAX, begun;
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	assert_true(cut(&b, SQL_DUCKDB, text));
	for (int k = 0; k < 20; k++) {
		begun = clock_mono_ns();
		for (int i = 0; i < ROUNDS; i++)
			assert_true(sql_rewrite_scope(&b.c, &b.t, b.s[0], &in_session, &r));
		if (clock_mono_ns() - begun < best)
			best = clock_mono_ns() - begun;
	}
	print_message("scope: %lld ns\n", (long long)best / ROUNDS);
	assert_true(best / ROUNDS < 20000); /* a sanitizer's build is slow */
	done(&b);
}

static bool sees_catalog(struct bench *b, const char *text, const char *catalog, bool select_only)
{
	const char *const list[] = {"MAYFLY", catalog, NULL};
	struct sql_gate g = {list, select_only};

	return cut(b, SQL_DUCKDB, text) && sql_gate(&b->c, &b->t, b->s[0], &g);
}

static void the_gate_lets_only_the_sessions_own_catalog_through(void **state)
{
	static const char *const refused[] = {
		"from \"__eph_b\".public.t", "from \"__eph_b\".t", "from __EPH_B.t", "select \"__eph_b\".t.a", "from __eph_a", "select __eph_a", "select 1 as __eph_a",
		"select x.__eph_a.y", "select (x).__eph_a.y", "create table __eph_b.t (a int)", "select cast(1 as __eph_b.public.m)",
		"select \"__eph_b\".public.f(1)", "select mutable.a from t", "select _sf.main.f(1)", "select 1::mutable.public.m",
		"create view 'v' as select 1", "alter table t rename to 'u'", "create sequence if not exists 's'", "create or replace temp view 'v' as select 1",
		"from get_block_size('x')", "from duckdb_table_sample('t')", "call pragma_database_size()", "from pragma_database_size()", "pragma database_size",
		"from \"PRAGMA_database_size\"()", "from system.main.pragma_database_size()", "from duckdb_approx_database_count()", "from pragma_show('t')",
		"select nextval('\"__eph_b\".public.s')", "select nextval('__EPH_b.public.s')", "select nextval('__e' || 'ph_b.public.s')", "select nextval($1)",
		"select currval(getvariable('x'))", "select nextval('__e'\n'ph_b.public.s')", "select nextval(E'_\\x5feph_b.s')", "select ('x').nextval()",
		"select make_type('__eph_b.public.m')", "select json_transform('{}', '{\"a\":\"__eph_b.public.m\"}')",
		"select from_json('{}', '{\"a\":\"\\u005f_eph_b.public.m\"}')", "select from_json('{}', x)", "select main.from_json_strict('{}', getvariable('x'))",
		"create table t (a int default nextval('__eph_b.s'))", "create view v as select nextval('s')", "create or replace temp view v(a) as from (select nextval('s'))",
		"create macro f() as nextval('s')", "create function f(a) as table select a, nextval('s')", "create macro f(a) as 1, (a, b) as setseed(0.5)",
		"create table t (a int, b bigint generated always as (nextval('s')))", "create table t (b bigint as (1 + abs(a + nextval('s'))), a int)",
		"create table t (a int default (1), b double as (setseed(0.1)))", "create table t (a double default setseed(0.1))", "alter table t alter a set default setseed(0.1)",
		"explain analyze create view v as select nextval('s')", NULL};
	static const char *const passed[] = {
		"from \"__eph_a\".public.t", "select \"__eph_a\".public.t.a from \"__eph_a\".public.t", "insert into \"__eph_a\".public.t values (1)",
		"drop table \"__eph_a\".public.t", "comment on table \"__eph_a\".public.t is '__eph_b'", "select '__eph_b'", "select nextval('s'), currval('public.s'::varchar)",
		"select from_json(x, '{\"a\":\"INTEGER\"}'), x.json_transform('\"INT\"')", "create table t (a int default nextval('s'))", "from mayfly_tables()",
		"create table t (b int as (1), a int default (nextval('s') + 1))", "create table t as (select nextval('s'))", "create table t as with x as (select nextval('s')) from x",
		"create table t as select setseed(0.5)", "create view v as select nextval from t", "alter table t alter a set default nextval('s')",
		"create view v as select 'x'", "create type m as enum ('a')", "alter table t alter a set default 'x'", "select a from t where exists 'x'", NULL};
	static const char *const writes[] = {"insert into t values (1)", "delete from t", "create table t (a int)", "drop table t", "truncate t",
					     "explain analyze delete from t", "explain select 1", "select nextval('s')", "set variable x = 1", "begin", NULL};
	struct bench b;

	(void)state;
	for (size_t i = 0; refused[i]; i++) {
		if (sees_catalog(&b, refused[i], "__eph_a", false))
			BROKEN("%s: passed", refused[i]);
		assert_int_equal(b.c.err.kind, ERR_NOT_ALLOWED);
		done(&b);
	}
	for (size_t i = 0; passed[i]; i++) {
		if (!sees_catalog(&b, passed[i], "__eph_a", false))
			BROKEN("%s: %s", passed[i], b.c.err.text);
		done(&b);
	}
	for (size_t i = 0; writes[i]; i++) {
		if (sees_catalog(&b, writes[i], "__eph_a", true))
			BROKEN("%s: passed", writes[i]);
		assert_int_equal(b.c.err.kind, ERR_READ_ONLY);
		assert_string_equal(b.c.err.native, "003001");
		done(&b);
	}
}

/* --- {table} --- */
static struct str known_table(void *arg, struct str name)
{
	(void)arg;
	return str_eq(name, S("orders")) ? S("\"T\"") : str_eq(name, S("u")) ? S("\"U\"") : (struct str){0};
}

static void table_in_braces_is_replaced_between_tokens_only(void **state)
{
	static const struct pair cases[] = {
		{"select * from {table}", "select * from \"T\""},
		{"select * from {table} join {table:u} on {table}.a={table:u}.a -- {table}", "select * from \"T\" join \"U\" on \"T\".a=\"U\".a -- {table}"},
		{"select '{table}', \"{table}\", $${table:u}$$ /* {table} */", "select '{table}', \"{table}\", $${table:u}$$ /* {table} */"},
		{"select {table:1}, {'table': 2}, {'table':x}, {table: u}, { table }, {tables}, {x:{table:'a'}}",
		 "select {table:1}, {'table': 2}, {'table':x}, {table: u}, { table }, {tables}, {x:{table:'a'}}"},
		{"{table:u}", "\"U\""},
		{"select 1", "select 1"},
		{"", ""},
	};
	static const struct {
		const char *text;
		struct str table;
		enum err_kind kind;
		int position;
	} bad[] = {
		{"select * from {table}", S_INIT(""), ERR_INVALID_FIELD, 15},
		{"select * from {table}", S_INIT("nosuch"), ERR_UNKNOWN_TABLE, 15},
		{"select * from t, {table:nosuch}", S_INIT("u"), ERR_UNKNOWN_TABLE, 18},
		{"select '", S_INIT("u"), ERR_SQL, 8},
	};
	OWNS(arena) a = {0};
	struct str out;
	struct call c;

	(void)state;
	call_open(&c, &a);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(sql_template(&c, str_of(cases[i].in), S("orders"), known_table, NULL, &out));
		if (!str_eq(out, str_of(cases[i].out)))
			BROKEN("%s\n  %.*s", cases[i].in, SARG(out));
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(sql_template(&c, str_of(bad[i].text), bad[i].table, known_table, NULL, &out));
		assert_int_equal(c.err.kind, bad[i].kind);
		assert_int_equal(c.err.position, bad[i].position);
		call_forgive(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_physical_name_becomes_what_the_engine_knows),
		cmocka_unit_test(snowflakes_names_are_folded),
		cmocka_unit_test(names_that_are_reserved_are_refused_wherever_they_stand),
		cmocka_unit_test(a_refusal_does_not_tell_sessions_apart),
		cmocka_unit_test(sessions_that_share_may_be_named),
		cmocka_unit_test(tables_of_a_session_have_names_that_fit),
		cmocka_unit_test(a_name_check_counts_characters_first),
		cmocka_unit_test(show_tables_shows_the_sessions_and_the_tenants),
		cmocka_unit_test(a_position_is_carried_back_through_the_scope),
		cmocka_unit_test(text_without_such_names_costs_next_to_nothing),
		cmocka_unit_test(the_gate_lets_only_the_sessions_own_catalog_through),
		cmocka_unit_test(table_in_braces_is_replaced_between_tokens_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
