/* sql_test.c - tokens, statements, the gate and the rewriting for DuckDB. */
#include "sql/sql.h"

#include "test.h"

#include <stdio.h>

#define BROKEN(...) \
	do { \
		print_error(__VA_ARGS__); \
		print_error("\n"); \
		_fail(__FILE__, __LINE__); \
	} while (0)

/* --- each case gets a call of its own --- */
struct bench {
	struct arena arena;
	struct call c;
	struct sql_tokens t;
	struct sql_span *s;
	int n;
};

static bool cut(struct bench *b, enum sql_dialect d, const char *text)
{
	arena_open(&b->arena);
	call_open(&b->c, &b->arena);
	return sql_lex(&b->c, d, str_of(text), &b->t) && sql_split(&b->c, &b->t, &b->s, &b->n);
}

static void done(struct bench *b)
{
	arena_close(&b->arena);
}

static const char *const catalogs[] = {"shop", NULL};

static bool gate(struct bench *b, enum sql_dialect d, const char *text, bool select_only)
{
	struct sql_gate g = {catalogs, select_only};
	bool ok = cut(b, d, text);

	for (int i = 0; ok && i < b->n; i++)
		ok = sql_gate(&b->c, &b->t, b->s[i], &g);
	return ok;
}

/* "kind:text" of every token, a blank between. */
static const char *tokens_text(struct bench *b)
{
	static const char kinds[] = "wqsnpo.e";
	struct buf out = {0};
	const char *text;

	for (int i = 0; i < b->t.n; i++)
		buf_fmt(&out, "%s%c:%.*s", i ? " " : "", kinds[b->t.v[i].kind], SARG(b->t.v[i].text));
	text = arena_cstr(&b->arena, buf_str(&out));
	buf_drop(&out);
	return text;
}

struct pair {
	const char *in, *out;
};

static void expect_tokens(enum sql_dialect d, const struct pair *v, size_t n)
{
	struct bench b;

	for (size_t i = 0; i < n; i++) {
		if (!cut(&b, d, v[i].in))
			BROKEN("%s: %s", v[i].in, b.c.err.text);
		assert_string_equal(tokens_text(&b), v[i].out);
		assert_int_equal(b.t.v[b.t.n].kind, SQL_END);
		done(&b);
	}
}

static void duckdb_text_is_cut_where_duckdb_cuts_it(void **state)
{
	static const struct pair cases[] = {
		{"select a.b, \"c\"\"d\" from t", "w:select w:a .:. w:b .:, q:\"c\"\"d\" w:from w:t"},
		{"1 1.5 .5 1e10 1_000 5.", "n:1 n:1.5 n:.5 n:1e10 n:1_000 n:5."},
		{"1e 0x1F 1from", "n:1 w:e n:0 w:x1F n:1 w:from"},
		{"1e+5 1e+ 1.5E-3", "n:1e+5 n:1 w:e o:+ n:1.5E-3"},
		{"'it''s' 'a\\' E'a\\'b' $$x'y$$ $t$a$$b$t$", "s:'it''s' s:'a\\' s:E'a\\'b' s:$$x'y$$ s:$t$a$$b$t$"},
		{"x'00' B'1' n'a' y'b'", "s:x'00' s:B'1' s:n'a' w:y s:'b'"},
		{"? ?1 $1 $name $a$x$a$", "p:? p:?1 p:$1 p:$name s:$a$x$a$"},
		{"a$$b$$c", "w:a$$b$$c"},
		{"a::int b->>'c' d=>e f:=g h||i", "w:a o::: w:int w:b o:->> s:'c' w:d o:=> w:e w:f o::= w:g w:h o:|| w:i"},
		{"a<=b <> != == ** // << !~~* ~~", "w:a o:<= w:b o:<> o:!= o:== o:** o:// o:<< o:!~~* o:~~"},
		{"t:f x[1:2]", "w:t o:: w:f w:x .:[ n:1 o:: n:2 .:]"},
		{"1 -- c\n2", "n:1 n:2"},
		{"1 -- c\r2", "n:1 n:2"},
		{"1 /* a /* b */ c */ 2", "n:1 n:2"},
		{"1 //* ' */ 2 --'", "n:1 o:/ n:2"},
		{"1+--c\n2 3*/*c*/4", "n:1 o:+ n:2 n:3 o:* n:4"},
		{"\xEF\xBB\xBFselect", "w:select"},
		{"\xC3\xA9t\xC3\xA9", "w:\xC3\xA9t\xC3\xA9"},
		{"", ""},
		{" \t\r\n\f -- x", ""},
	};

	(void)state;
	expect_tokens(SQL_DUCKDB, cases, COUNT_OF(cases));
}

static void snowflake_text_has_its_own_strings_comments_and_placeholders(void **state)
{
	static const struct pair cases[] = {
		{"'a\\'b' 'c''d' $$e'f$$ X'0f'", "s:'a\\'b' s:'c''d' s:$$e'f$$ s:X'0f'"},
		{"1 // c\n2 /* a /* b */ 3", "n:1 n:2 n:3"},
		{"? :1 :name ?1", "p:? p::1 p::name p:? n:1"},
		{"a=:x (:1) a::int select:1", "w:a o:= p::x .:( p::1 .:) w:a o::: w:int w:select p::1"},
		{"v:a.b v[0]:c f(x):d \"q\":e", "w:v o:: w:a .:. w:b w:v .:[ n:0 .:] o:: w:c w:f .:( w:x .:) o:: w:d q:\"q\" o:: w:e"},
		{"{'a':1, 'b': :c}", ".:{ s:'a' o:: n:1 .:, s:'b' o:: p::c .:}"},
		{"system$wait $1 $x", "w:system$wait w:$1 w:$x"},
		{"select\xC2\xA0""1", "w:select n:1"},
		{"e'a'", "w:e s:'a'"},
	};

	(void)state;
	expect_tokens(SQL_SNOWFLAKE, cases, COUNT_OF(cases));
}

static void brackets_know_their_partner_and_depth(void **state)
{
	struct bench b;

	(void)state;
	assert_true(cut(&b, SQL_DUCKDB, "f([a], {b: (c)})"));
	assert_int_equal(b.t.v[1].match, b.t.n - 1);
	assert_int_equal(b.t.v[b.t.n - 1].match, 1);
	assert_int_equal(b.t.v[2].match, 4);
	assert_int_equal(b.t.v[0].depth, 0);
	assert_int_equal(b.t.v[1].depth, 0);
	assert_int_equal(b.t.v[3].depth, 2);
	assert_int_equal(b.t.v[10].depth, 3);
	assert_int_equal(b.t.v[0].match, -1);
	done(&b);
}

struct bad {
	enum sql_dialect d;
	const char *text, *message;
	int position;
};

static void what_is_no_token_is_a_syntax_error_with_its_place(void **state)
{
	static const struct bad cases[] = {
		{SQL_SNOWFLAKE, "select 'abc", "line 1 at position 7 unexpected '''.", 8},
		{SQL_SNOWFLAKE, "select 'abc\\'", "line 1 at position 7 unexpected '''.", 8},
		{SQL_DUCKDB, "select\n \"abc", "line 2 at position 1 unexpected '\"'.", 9},
		{SQL_DUCKDB, "select $a$x", "line 1 at position 7 unexpected '$a$'.", 8},
		{SQL_DUCKDB, "1 /* /* */", "line 1 at position 2 unexpected '/*'.", 3},
		{SQL_DUCKDB, "select (1", "line 1 at position 9 unexpected '<EOF>'.", 10},
		{SQL_DUCKDB, "select 1)", "line 1 at position 8 unexpected ')'.", 9},
		{SQL_DUCKDB, "select (1]", "line 1 at position 9 unexpected ']'.", 10},
		{SQL_DUCKDB, "select (1; 2)", "line 1 at position 9 unexpected ';'.", 10},
		{SQL_DUCKDB, "select '\xC3\xA9' \\", "line 1 at position 11 unexpected '\\'.", 13},
		{SQL_DUCKDB, "select u&'a'", "line 1 at position 7 unexpected 'u&'.", 8},
		{SQL_DUCKDB, "from a where\xC2\xA0, 'f'", "line 1 at position 12 unexpected '\xC2\xA0'.", 13},
		{SQL_DUCKDB, "from a where\xE2\x80\x8B, 'f'", "line 1 at position 12 unexpected '\xE2\x80\x8B'.", 13},
		{SQL_SNOWFLAKE, "select \x01", "line 1 at position 7 unexpected '\x01'.", 8},
	};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char want[200];

		snprintf(want, sizeof(want), "SQL compilation error:\nsyntax error %s", cases[i].message);
		assert_false(cut(&b, cases[i].d, cases[i].text));
		assert_int_equal(b.c.err.kind, ERR_SQL);
		assert_string_equal(b.c.err.text, want);
		assert_string_equal(b.c.err.sqlstate, "42000");
		assert_string_equal(b.c.err.native, "001003");
		assert_int_equal(b.c.err.position, cases[i].position);
		done(&b);
	}
}

static void text_behind_a_nul_byte_is_never_dropped(void **state)
{
	OWNS(arena) a = {0};
	struct sql_tokens t;
	struct call c;

	(void)state;
	call_open(&c, &a);
	assert_false(sql_lex(&c, SQL_DUCKDB, S("select 1 --\0\nfrom x"), &t));
	assert_int_equal(c.err.position, 12);
}

static void too_many_tokens_are_refused(void **state)
{
	OWNS(arena) a = {0};
	size_t n = (size_t)SQL_MAX_TOKENS + 1;
	char *text = malloc(n);
	struct sql_tokens t;
	struct call c;

	(void)state;
	assert_non_null(text);
	memset(text, ',', n);
	call_open(&c, &a);
	assert_true(sql_lex(&c, SQL_DUCKDB, str_from(text, n - 1), &t));
	assert_false(sql_lex(&c, SQL_DUCKDB, str_from(text, n), &t));
	assert_int_equal(c.err.kind, ERR_SQL);
	free(text);
}

static void deep_nesting_takes_no_stack(void **state)
{
	OWNS(arena) a = {0};
	enum { DEEP = 300000 };
	struct buf text = {0};
	struct sql_tokens t;
	struct sql_gate g = {catalogs, true};
	struct sql_rewrite r;
	struct call c;

	(void)state;
	for (int i = 0; i < DEEP; i++)
		buf_lit(&text, "(select ");
	buf_lit(&text, "1");
	for (int i = 0; i < DEEP; i++)
		buf_addc(&text, ')');
	call_open(&c, &a);
	assert_true(sql_lex(&c, SQL_SNOWFLAKE, buf_str(&text), &t));
	assert_true(sql_gate(&c, &t, (struct sql_span){0, t.n}, &g));
	assert_true(sql_rewrite_snowflake(&c, &t, (struct sql_span){0, t.n}, &r));
	assert_true(r.text.n < 10 * text.n);
	buf_drop(&text);
}

/* Each of these was, or could be, quadratic: at this size a test that ends is a test that passed. */
static void repetition_costs_no_more_than_its_length(void **state)
{
	static const char *const pieces[] = {"select ", "select 1,", "select a from ", "from ", "(select trim(a from ", "cast(", "a as (", "?,", "a.", NULL};
	struct sql_gate g = {catalogs, false};
	struct sql_rewrite r;

	(void)state;
	for (size_t i = 0; pieces[i]; i++) {
		OWNS(arena) a = {0};
		struct buf text = {0};
		struct sql_tokens t;
		struct call c;
		int open = 0;

		buf_lit(&text, "select 1 ");
		for (int k = 0; k < 200000; k++)
			buf_add(&text, str_of(pieces[i]));
		for (size_t k = 0; k < text.n; k++)
			open += text.p[k] == '(';
		for (; open > 0; open--)
			buf_addc(&text, ')');
		call_open(&c, &a);
		assert_true(sql_lex(&c, SQL_SNOWFLAKE, buf_str(&text), &t));
		(void)!sql_rewrite_snowflake(&c, &t, (struct sql_span){0, t.n}, &r);
		call_forgive(&c);
		(void)!sql_gate(&c, &t, (struct sql_span){0, t.n}, &g);
		buf_drop(&text);
	}
}

static void statements_are_split_at_semicolons_only(void **state)
{
	struct bench b;

	(void)state;
	assert_true(cut(&b, SQL_SNOWFLAKE, ";; select ';' ; /* ; */ ; select $$;$$ -- ;\n;"));
	assert_int_equal(b.n, 2);
	assert_str_equal(b.t.v[b.s[0].to - 1].text, "';'");
	assert_str_equal(b.t.v[b.s[1].to - 1].text, "$$;$$");
	done(&b);
	assert_true(cut(&b, SQL_DUCKDB, " -- nothing"));
	assert_int_equal(b.n, 0);
	done(&b);
}

/* --- classes --- */
struct classed {
	const char *text;
	enum sql_kind kind;
	bool writes, session_state;
};

static void statements_are_told_apart_by_their_words(void **state)
{
	static const struct classed cases[] = {
		{"select 1", SQL_SELECT, false, false},
		{"((select 1) union select 2)", SQL_SELECT, false, false},
		{"from t", SQL_SELECT, false, false},
		{"values (1)", SQL_SELECT, false, false},
		{"table t", SQL_SELECT, false, false},
		{"pivot t on a", SQL_SELECT, false, false},
		{"with a as (select 1), b(x) as not materialized (select 2) select 1", SQL_SELECT, false, false},
		{"with recursive a(x) using key (x) as (select 1) insert into t from a", SQL_INSERT, true, false},
		{"with a as (select 1) update t set x = 1", SQL_UPDATE, true, false},
		{"with a as (select 1) delete from t", SQL_DELETE, true, false},
		{"with a as (select 1) merge into t using a on true when matched then delete", SQL_MERGE, true, false},
		{"with materialized (x) as (select 1) insert into t values (1)", SQL_UNKNOWN, true, true},
		{"(insert into t values (1))", SQL_UNKNOWN, true, true},
		{"desc t", SQL_SHOW, false, false},
		{"summarize t", SQL_SHOW, false, false},
		{"explain insert into t values (1)", SQL_EXPLAIN, false, false},
		{"explain analyze insert into t values (1)", SQL_EXPLAIN, true, false},
		{"explain (analyze, format json) delete from t", SQL_EXPLAIN, true, false},
		{"explain (select 1)", SQL_EXPLAIN, false, false},
		{"start transaction", SQL_BEGIN, false, true},
		{"end", SQL_COMMIT, false, true},
		{"set x = 1", SQL_SET, false, true},
		{"unset x", SQL_RESET, false, true},
		{"create temp table t (a int)", SQL_CREATE, true, true},
		{"create table t (a int)", SQL_CREATE, true, false},
		{"select nextval('s')", SQL_SELECT, false, true},
		{"select \"setseed\"(0.5)", SQL_SELECT, false, true},
		{"select setseed from t", SQL_SELECT, false, false},
		{"comment on table t is 'x'", SQL_COMMENT, true, false},
		{"truncate t", SQL_TRUNCATE, true, false},
		{"selec 1", SQL_UNKNOWN, true, true},
		{"\"select\" 1", SQL_UNKNOWN, true, true},
		{"with", SQL_UNKNOWN, true, true},
	};
	struct sql_class k;
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(cut(&b, SQL_DUCKDB, cases[i].text));
		sql_classify(&b.c, &b.t, b.s[0], &k);
		if (k.kind != cases[i].kind || k.writes != cases[i].writes || k.session_state != cases[i].session_state)
			BROKEN("%s: %s writes %d session %d", cases[i].text, sql_kind_name(k.kind), k.writes, k.session_state);
		done(&b);
	}
}

static void a_definition_tells_its_object_and_name(void **state)
{
	struct sql_class k;
	struct bench b;

	(void)state;
	assert_true(cut(&b, SQL_SNOWFLAKE, "create or replace temporary table if not exists a.b.\"c d\" as select 1"));
	sql_classify(&b.c, &b.t, b.s[0], &k);
	assert_str_equal(k.object, "TABLE");
	assert_str_equal(k.name, "a.b.\"c d\"");
	assert_str_equal(k.leaf, "c d");
	assert_true(k.or_replace && k.temporary && k.if_not_exists && k.as_select && !k.if_exists);
	done(&b);
	assert_true(cut(&b, SQL_SNOWFLAKE, "drop view if exists s . v1 cascade"));
	sql_classify(&b.c, &b.t, b.s[0], &k);
	assert_str_equal(k.object, "VIEW");
	assert_str_equal(k.name, "s . v1");
	assert_str_equal(k.leaf, "V1");
	assert_true(k.if_exists && !k.if_not_exists && !k.as_select);
	done(&b);
	assert_true(cut(&b, SQL_SNOWFLAKE, "create table t (a int, b int as (a + 1))"));
	sql_classify(&b.c, &b.t, b.s[0], &k);
	assert_false(k.as_select);
	done(&b);
	assert_true(cut(&b, SQL_DUCKDB, "alter table main.t add column x int"));
	sql_classify(&b.c, &b.t, b.s[0], &k);
	assert_str_equal(k.name, "main.t");
	assert_str_equal(k.leaf, "t");
	done(&b);
	assert_true(cut(&b, SQL_DUCKDB, "create unique index on t (a)"));
	sql_classify(&b.c, &b.t, b.s[0], &k);
	assert_str_equal(k.object, "INDEX");
	assert_int_equal(k.name.n, 0);
	done(&b);
}

/* --- the gate --- */
static void expect_gate(const char *const *v, bool pass, bool select_only)
{
	struct bench b;

	for (; *v; v++) {
		if (gate(&b, SQL_DUCKDB, *v, select_only) != pass)
			BROKEN("%s: %s", *v, pass ? b.c.err.text : "passed");
		if (!pass) {
			assert_int_equal(b.c.err.kind, select_only ? ERR_READ_ONLY : ERR_NOT_ALLOWED);
			assert_true(b.c.err.position > 0);
		}
		done(&b);
	}
}

static void statement_kinds_are_allowed_by_list(void **state)
{
	static const char *const refused[] = {
		"update extensions", "update extensions (json)",
		"copy t to 'x'", "copy (select 1) to 'x'", "export database 'x'", "import database 'x'", "attach 'x' as y", "detach y",
		"install httpfs", "load httpfs", "checkpoint", "pragma version", "use x", "prepare p as select 1",
		"execute p", "deallocate p", "call pragma_version()", "call read_csv('x')", "call \"read_csv\"('x')", "set threads = 1", "set global timezone = 'UTC'",
		"set memory_limit = '1GB'", "reset memory_limit", "set search_path = 'x'", "explain copy t to 'x'",
		"explain analyze copy t to 'x'", "explain (format json) attach 'x'", "select 1; attach 'x'", "create secret s (type s3)",
		"create persistent secret s (type s3)", "drop secret s", "create database d", "grant select on t to r", "put 'x' y",
		"with a as (select 1) copy t to 'x'", NULL};
	static const char *const passed[] = {
		"begin", "commit", "rollback", "update extensions set a = 1", "vacuum", "vacuum t", "analyze t", "explain select 1", "explain (format json) select 1",
		"set variable x = 1", "reset variable x", "set timezone = 'UTC'", "set session timezone = 'UTC'", "set time zone 'UTC'",
		"call system$wait(1)", "create schema s", "create sequence s", "create type m as enum ('a')", "create index i on t (a)",
		"create macro f(x) as x + 1", "create or replace temp view v as select 1", "drop table if exists t", "show tables",
		"describe t", "summarize t", "truncate t", "comment on column t.a is 'x'", "alter table t rename to u", NULL};

	static const char *const unknown[] = {"force checkpoint", "explain (costs) copy t to 'x'", "selec 1", "explain", NULL};
	struct bench b;

	(void)state;
	expect_gate(refused, false, false);
	expect_gate(passed, true, false);
	for (size_t i = 0; unknown[i]; i++) {
		assert_false(gate(&b, SQL_DUCKDB, unknown[i], false));
		assert_int_equal(b.c.err.kind, ERR_SQL);
		assert_string_equal(b.c.err.native, "001003");
		done(&b);
	}
}

static void functions_are_refused_however_they_are_spelled(void **state)
{
	static const char *const refused[] = {
		"from read_csv('x')", "from READ_CSV('x')", "from \"ReAd_cSv\" ('x')", "from main.\"read_csv\"('x')",
		"from read_csv/**/('x')", "from read_csv -- c\n ('x')", "select (a).read_text()", "select a.b.read_blob()",
		"select f(x).read_text()", "select [1][1].glob()", "from parquet_scan('x')", "from arrow_scan(1, 2, 3)",
		"from arrow_scan_dumb(1, 2, 3)", "from seq_scan('t')", "from scan_arrow_ipc('x')", "from sniff_csv('x')",
		"from parquet_metadata('x')", "from glob('*')", "from query('select 1')", "from query_table('t')",
		"from json_execute_serialized_sql('x')", "select json_serialize_plan('from x')", "from histogram('t', a)",
		"from main.histogram(t, a)", "from histogram_values('t', a)", "select getenv('HOME')", "from duckdb_settings()",
		"select current_setting('temp_directory')", "select current_setting('Time' || 'Zone')", "from duckdb_logs()",
		"from enable_logging('x')", "from disable_logging()", "from truncate_duckdb_logs()", "select write_log('x')",
		"from duckdb_secrets()", "from which_secret('x', 'y')", "from duckdb_temporary_files()", "from pragma_version()",
		"from sql_auto_complete('from ''/')", "from checkpoint()", "from force_checkpoint('x')", "from enable_peg_parser()",
		"create macro f(x) as table from read_csv(x)", "create view v as from read_parquet('x')",
		"create table t (a varchar default getenv('x'))", "insert into t select read_text('x')",
		"select list_transform([1], x -> getenv('x'))", "create macro f(x) as getenv(x)",
		"select * from t where exists (from read_csv('x'))", "alter table t add column c int default current_setting('threads')", NULL};
	static const char *const passed[] = {
		"select query, glob, read_csv from t", "select 1 as glob", "from t as \"read_csv\"", "from read_me", "select 'read_csv(''x'')'",
		"with query as (select 1) select * from query", "select current_setting('TimeZone')", "select current_setting('timezone')",
		"select getvariable('x')", "select histogram(a) from t", "select nextval('s')", "from duckdb_tables()", "from duckdb_columns()",
		"from information_schema.tables", "from range(3)", "from json_each('{}')", "select json_serialize_sql('select 1')",
		"from unnest([1])", "select $$read_csv('x')$$", "select 1 -- read_csv('x')", NULL};

	(void)state;
	expect_gate(refused, false, false);
	expect_gate(passed, true, false);
}

static void files_are_no_tables(void **state)
{
	static const char *const refused[] = {
		"from 'x.csv'", "from E'x.csv'", "from $$x.csv$$", "from \"x.csv\"", "from x.csv", "from main.\"x.csv\"", "from \"x\".\"csv\"",
		"from x.csv.gz", "from \"x.PARQUET\"", "from \"x.csv?a\"", "from \"s3://a/b\"", "from \"http://x\"", "from \"a*\"",
		"from \"/etc/passwd\"", "from only 'x'", "from only \"x.db\"", "from t join 'x' on true", "from t, 'x'",
		"from t positional join 'x'", "from t, lateral (from 'x')", "from ('x' join t on true)", "from ((t join 'x' on true) cross join u)",
		"select * from t a, 'x'", "from a: 'x'", "from t, b: \"x.csv\"", "from t as set, 'x'", "from s.where, 'x'", "from t as t(a, b), 'x'",
		"from t join u on case when true then true end, 'x'", "from t join u on a is not distinct from b, 'x'",
		"select 1 as distinct from 'x'", "describe 'x'", "desc 'x'", "summarize 'x'", "show 'x'", "describe table 'x'", "table 'x'",
		"pivot 'x' on a", "unpivot 'x' on a", "pivot_wider 'x' on a", "pivot_longer \"x.csv\" on a", "from (describe 'x')",
		"from (table \"x.csv\")", "insert into t from 'x'", "insert into t table 'x'", "insert into 'x' values (1)",
		"create table t as from \"x.csv\"", "create view v as table 'x'", "update t set a = 1 from 'x'", "update 'x' set a = 1",
		"delete from t using 'x'", "delete from t using u, 'x'", "merge into t using 'x' on true when matched then delete",
		"with a as (from 'x') from a", "select (select 1 from 'x')", "select exists(from 'x')", "select array(from 'x')",
		"select 1 in (from 'x')", "select trim((from 'x'))", "insert into trim (from 'x')", "insert into trim (select a from 'x')",
		"insert into trim (with q as (select 1) from 'x')", "select extract(year from (select a from 'x'))",
		"from (values (1)) t, ('x' join u on true)", "from values (1) t, 'x'", "from t values (a), 'x'", "explain analyze from 'x'",
		"truncate 'x'", "vacuum analyze \"x.csv\"", "analyze \"x.csv\"", "create index i on \"x.csv\" (a)", "set variable v = (from 'x')",
		"select a from t limit (select count(*) from 'x')", "select a from t union all from 'x'", NULL};
	static const char *const passed[] = {
		"select 'x.csv'", "select \"a/b\", \"x.csv\" from t", "select a as \"x.csv\" from t", "select x.csv from t",
		"select a from t where b in ('x', 'y') and c = 'z'", "select 'a', 'b' from t", "from t select a, 'b'",
		"select a, 'x' from t union all select 1, 'y' order by 1 desc, 'z'", "from (values ('a'), ('b')) t", "from values ('a'), ('b') t",
		"insert into t values ('a'), ('b')", "insert into t (a) values ('x')", "update t set a = 'x', b = 'y'",
		"select trim(both 'x' from 'xax'), extract(year from '2020-01-01'::date), substring('abc' from 'b')",
		"select a is distinct from 'x', a is not distinct from 'y'", "select {'a': 'b', 'c': 'd'}, ['x', 'y']", "from t a, u b where a.x = 'y'",
		"merge into t using u on t.a = u.a when matched then update set b = 'r', c = 's' when not matched then insert values ('k', 'l')",
		"pivot t on a in ('x', 'y') using sum(b)", "from t pivot (sum(a) for b in ('x', 'y'))", "from t group by a, 'x'",
		"from t join u using (a, b) where c = 'x'", "select case a when 'x' then 'y' end, 'z' from t", "create table t (a varchar default 'x')",
		"select list_filter(['x'], y -> y = 'x')", "comment on table t is 'x.csv'", "select date '2020-01-01', interval '1 day' from t", NULL};

	(void)state;
	expect_gate(refused, false, false);
	expect_gate(passed, true, false);
}

static void only_the_callers_catalogs_can_be_named(void **state)
{
	static const char *const refused[] = {
		"from system.main.x", "from system.x", "from temp.x", "from memory.main.x", "from _sf.main.x", "from \"_SF\".x",
		"from mutable.public.x", "from other.main.x", "from t join other.main.x on true", "insert into other.main.x values (1)",
		"create table other.main.x (a int)", "create schema other.s", "drop view other.main.v", "update other.main.x set a = 1",
		"select system.main.abs(1)", "describe other.main.x", "create table temp.x (a int)", "from duckdb_databases", "from pg_catalog.pg_settings",
		"from main.duckdb_logs", "from pragma_database_list", "alter table other.main.x rename to y", "create index i on other.main.x (a)", NULL};
	static const char *const passed[] = {
		"from shop.main.x", "from SHOP.main.x", "from \"Shop\".main.x", "from main.x", "from s.x", "from pg_catalog.pg_tables",
		"select t.a.b, other.main.x from t", "select temp.a from t temp", "create schema shop.s", "create table shop.main.x (a int)",
		"select system.a from system", NULL};

	(void)state;
	expect_gate(refused, false, false);
	expect_gate(passed, true, false);
}

static void a_view_is_one_select(void **state)
{
	static const char *const refused[] = {"insert into t values (1)", "show tables", "explain select 1", "create table t (a int)",
					      "with a as (select 1) delete from t", "begin", NULL};
	static const char *const passed[] = {"select 1", "with a as (select 1) from a", "(select 1)", "values (1)", "pivot t on a", NULL};

	(void)state;
	expect_gate(refused, false, true);
	expect_gate(passed, true, true);
}

static void a_refusal_names_what_and_where(void **state)
{
	struct bench b;

	(void)state;
	assert_false(gate(&b, SQL_DUCKDB, "select * from main.\"Read_CSV\"('x')", false));
	assert_string_equal(b.c.err.text, "The function Read_CSV is not allowed here: it reads files");
	assert_int_equal(b.c.err.position, 20);
	done(&b);
	assert_false(gate(&b, SQL_SNOWFLAKE, "selec 1", false));
	assert_string_equal(b.c.err.text, "SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'.");
	done(&b);
}

/* --- Snowflake to DuckDB --- */
static void expect_rewrites(const struct pair *v, size_t n)
{
	struct sql_rewrite r;
	struct bench b;

	for (size_t i = 0; i < n; i++) {
		if (!cut(&b, SQL_SNOWFLAKE, v[i].in) || !sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &r))
			BROKEN("%s: %s", v[i].in, b.c.err.text);
		assert_string_equal(arena_cstr(&b.arena, r.text), v[i].out);
		done(&b);
	}
}

static void result_columns_are_named_as_snowflake_names_them(void **state)
{
	static const struct pair cases[] = {
		{"select 1", "SELECT 1 AS \"1\""},
		{"select 'nan' :: float", "SELECT 'nan' :: DOUBLE AS \"'nan'::FLOAT\""},
		{"select count(*), ?", "SELECT COUNT(*) AS \"COUNT(*)\", $1 AS \"?\""},
		{"select id, p.name, s.a.\"b c\" from p", "SELECT ID AS \"ID\", P.NAME AS \"NAME\", S.A.\"b c\" AS \"b c\" FROM P"},
		{"select id a, id as b, id as \"c\"", "SELECT ID AS \"A\", ID AS \"B\", ID AS \"c\""},
		{"select *, t.*, * exclude (a), columns('a')", "SELECT *, T.*, * EXCLUDE (A), COLUMNS('a')"},
		{"select a  +\tb /* c */ - 1", "SELECT A + B - 1 AS \"A  +\tB - 1\""},
		{"select \"a b\" + 1", "SELECT \"a b\" + 1 AS \"\"\"a b\"\" + 1\""},
		{"select 1 union select 2", "SELECT 1 AS \"1\" UNION SELECT 2 AS \"2\""},
		{"with a as (select 1) select * from a", "WITH A AS (SELECT 1 AS \"1\") SELECT * FROM A"},
		{"select distinct on (a) a, all_ from t", "SELECT DISTINCT ON (A) A AS \"A\", ALL_ AS \"ALL_\" FROM T"},
		{"select a is distinct from b from t", "SELECT A IS DISTINCT FROM B AS \"A IS DISTINCT FROM B\" FROM T"},
		{"select case when a then 1 end, null, not true", "SELECT CASE WHEN A THEN 1 END AS \"CASE WHEN A THEN 1 END\", NULL AS \"NULL\", NOT TRUE AS \"NOT TRUE\""},
		{"select case a when 1 then 2 end k, f(x) g, 1::int h", "SELECT CASE A WHEN 1 THEN 2 END AS \"K\", F(X) AS \"G\", 1 :: BIGINT AS \"H\""},
		{"select interval '1' day, 1::double precision", "SELECT INTERVAL '1' DAY AS \"INTERVAL '1' DAY\", 1 :: DOUBLE AS \"1::DOUBLE PRECISION\""},
		{"select sum(a) over w, x is not null from t", "SELECT SUM(A) OVER W AS \"SUM(A) OVER W\", X IS NOT NULL AS \"X IS NOT NULL\" FROM T"},
		{"insert into t select a from u", "INSERT INTO T SELECT A AS \"A\" FROM U"},
		{"create table t as select max(a) from u", "CREATE TABLE T AS SELECT MAX(A) AS \"MAX(A)\" FROM U"},
		{"select a from t where b in (select c from d)", "SELECT A AS \"A\" FROM T WHERE B IN (SELECT C AS \"C\" FROM D)"},
		{"update t set a = 1", "UPDATE T SET A = 1"},
	};

	(void)state;
	expect_rewrites(cases, COUNT_OF(cases));
}

static void types_become_duckdbs(void **state)
{
	static const struct pair cases[] = {
		{"create table t (a number, b number(10,2), c numeric(5), d int not null, e byteint, f float4, g string, h varchar(10) default 'x', "
		 "i char varying(3), j varbinary(8), k boolean, l date, m time(3), n datetime, o timestamp_ntz(9), p timestamp_ltz, "
		 "q timestamp with local time zone, r timestamp without time zone, s variant, t array, u double precision, primary key (a))",
		 "CREATE TABLE T (A DECIMAL(38,0), B DECIMAL(10,2), C DECIMAL(5), D BIGINT NOT NULL, E BIGINT, F DOUBLE, G VARCHAR, H VARCHAR DEFAULT 'x', "
		 "I VARCHAR, J BLOB, K BOOLEAN, L DATE, M TIME, N TIMESTAMP, O TIMESTAMP, P TIMESTAMPTZ, "
		 "Q TIMESTAMPTZ, R TIMESTAMP, S JSON, T JSON, U DOUBLE, PRIMARY KEY (A))"},
		{"alter table t add column if not exists a number", "ALTER TABLE T ADD COLUMN IF NOT EXISTS A DECIMAL(38,0)"},
		{"alter table t alter column a set data type string", "ALTER TABLE T ALTER COLUMN A SET DATA TYPE VARCHAR"},
		{"select * from t where a::number(3, 1) = try_cast(f(b as_) as int)", "SELECT * FROM T WHERE A :: DECIMAL(3,1) = TRY_CAST(F(B AS_) AS BIGINT)"},
		{"select number, text from int", "SELECT NUMBER AS \"NUMBER\", TEXT AS \"TEXT\" FROM INT"},
	};

	(void)state;
	expect_rewrites(cases, COUNT_OF(cases));
}

static void literals_comments_and_calls_are_translated(void **state)
{
	static const struct pair cases[] = {
		{"values ('a\\'b\\\\c''d', $$x'y\\n$$)", "VALUES ('a''b\\c''d', 'x''y\\n')"},
		{"values ('\\x41\\u00e9\\101\\q\\t')", "VALUES ('A\xC3\xA9""Aq\t')"},
		{"values (x'00fF', X'')", "VALUES ('\\x00\\xfF'::BLOB, ''::BLOB)"},
		{"values (1 // c\n)", "VALUES (1 )"},
		{"values ('a'$$b$$)", "VALUES ('a' 'b')"},
		{"values (e'a')", "VALUES (E 'a')"},
		{"call system$wait(30)", "SELECT \"SYSTEM$WAIT\"(30) AS \"SYSTEM$WAIT\""},
		{"select system$wait(1)", "SELECT \"SYSTEM$WAIT\"(1) AS \"SYSTEM$WAIT(1)\""},
	};

	(void)state;
	expect_rewrites(cases, COUNT_OF(cases));
}

static void placeholders_are_numbered_by_their_names(void **state)
{
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	assert_true(cut(&b, SQL_SNOWFLAKE, "values (?, :n, ?1, :2, :1, '?', :n)"));
	assert_true(sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &r));
	assert_str_equal(r.text, "VALUES ($1, $2, $3 1, $3, $1, '?', $2)");
	assert_int_equal(r.placeholders, 3);
	assert_str_equal(r.names[0], "1");
	assert_str_equal(r.names[1], "n");
	assert_str_equal(r.names[2], "2");
	done(&b);
}

static void a_position_is_carried_back_to_the_source(void **state)
{
	static const char source[] = "select a+1, 'x\\'y' // c\n from no_such";
	struct sql_rewrite r;
	struct bench b;
	size_t at;

	(void)state;
	assert_true(cut(&b, SQL_SNOWFLAKE, source));
	assert_true(sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &r));
	at = str_search(r.text, S("NO_SUCH"));
	assert_int_equal(sql_source_position(&r, at), (size_t)(strstr(source, "no_such") - source));
	assert_int_equal(sql_source_position(&r, at + 3), (size_t)(strstr(source, "no_such") - source) + 3);
	assert_int_equal(sql_source_position(&r, str_search(r.text, S("FROM"))), (size_t)(strstr(source, "from") - source));
	assert_int_equal(sql_source_position(&r, 0), 0);
	done(&b);
}

static void what_cannot_be_rewritten_is_said(void **state)
{
	static const struct {
		const char *text, *message, *native;
	} cases[] = {
		{"select $1 from t", "Unsupported feature '$1'.", "000002"},
		{"select '\\0'", "Unsupported feature ''\\0''.", "000002"},
		{"select x'0g'", "SQL compilation error:\nThe following string is not a legal hex-encoded value: '0g'.", ""},
		{"selec 1", "SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'.", "001003"},
		{"with a as (select 1)\nselec 1", "SQL compilation error:\nsyntax error line 2 at position 0 unexpected 'selec'.", "001003"},
	};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(cut(&b, SQL_SNOWFLAKE, cases[i].text));
		assert_false(sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &r));
		assert_string_equal(b.c.err.text, cases[i].message);
		assert_string_equal(b.c.err.native, cases[i].native);
		done(&b);
	}
}

static void quotes_are_doubled(void **state)
{
	struct buf b = {0};

	(void)state;
	sql_quote_name(&b, S("a\"b"));
	sql_quote_literal(&b, S("it's"));
	sql_quote_literal(&b, S(""));
	assert_str_equal(buf_str(&b), "\"a\"\"b\"'it''s'''");
	buf_drop(&b);
}

static void a_name_is_folded_only_unquoted_and_in_snowflake(void **state)
{
	struct bench b;

	(void)state;
	assert_true(cut(&b, SQL_SNOWFLAKE, "ab \"c\"\"d\""));
	assert_str_equal(sql_name_of(&b.arena, SQL_SNOWFLAKE, &b.t.v[0]), "AB");
	assert_str_equal(sql_name_of(&b.arena, SQL_DUCKDB, &b.t.v[0]), "ab");
	assert_str_equal(sql_name_of(&b.arena, SQL_SNOWFLAKE, &b.t.v[1]), "c\"d");
	done(&b);
}

static void lines_and_columns_count_characters(void **state)
{
	int line, column;

	(void)state;
	sql_line_column(S("\xC3\xA9\xC3\xA9\nab"), 4, &line, &column);
	assert_int_equal(line, 1);
	assert_int_equal(column, 3);
	sql_line_column(S("\xC3\xA9\xC3\xA9\nab"), 6, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 2);
}

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
	for (int d = SQL_DUCKDB; d <= SQL_SNOWFLAKE; d++) {
		expect_scoped((enum sql_dialect)d, &in_session, cases, COUNT_OF(cases));
		expect_scoped((enum sql_dialect)d, &no_session, outside, COUNT_OF(outside));
	}
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
		cmocka_unit_test(duckdb_text_is_cut_where_duckdb_cuts_it),
		cmocka_unit_test(snowflake_text_has_its_own_strings_comments_and_placeholders),
		cmocka_unit_test(brackets_know_their_partner_and_depth),
		cmocka_unit_test(what_is_no_token_is_a_syntax_error_with_its_place),
		cmocka_unit_test(text_behind_a_nul_byte_is_never_dropped),
		cmocka_unit_test(too_many_tokens_are_refused),
		cmocka_unit_test(deep_nesting_takes_no_stack),
		cmocka_unit_test(repetition_costs_no_more_than_its_length),
		cmocka_unit_test(statements_are_split_at_semicolons_only),
		cmocka_unit_test(statements_are_told_apart_by_their_words),
		cmocka_unit_test(a_definition_tells_its_object_and_name),
		cmocka_unit_test(statement_kinds_are_allowed_by_list),
		cmocka_unit_test(functions_are_refused_however_they_are_spelled),
		cmocka_unit_test(files_are_no_tables),
		cmocka_unit_test(only_the_callers_catalogs_can_be_named),
		cmocka_unit_test(a_view_is_one_select),
		cmocka_unit_test(a_refusal_names_what_and_where),
		cmocka_unit_test(result_columns_are_named_as_snowflake_names_them),
		cmocka_unit_test(types_become_duckdbs),
		cmocka_unit_test(literals_comments_and_calls_are_translated),
		cmocka_unit_test(placeholders_are_numbered_by_their_names),
		cmocka_unit_test(a_position_is_carried_back_to_the_source),
		cmocka_unit_test(what_cannot_be_rewritten_is_said),
		cmocka_unit_test(quotes_are_doubled),
		cmocka_unit_test(a_name_is_folded_only_unquoted_and_in_snowflake),
		cmocka_unit_test(lines_and_columns_count_characters),
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
