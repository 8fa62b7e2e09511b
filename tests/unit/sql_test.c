/* sql_test.c - tokens, statements, the gate and the rewriting for DuckDB. */
#include "sql_rig.h"

/* --- each case gets a call of its own --- */
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

static void what_is_no_token_is_a_syntax_error_with_its_place(void **state)
{
	static const struct bad cases[] = {
		{SQL_SNOWFLAKE, "select 'abc", "parse error line 1 at position 11 near '<EOF>'.", 8},
		{SQL_SNOWFLAKE, "select 'abc\\'", "parse error line 1 at position 13 near '<EOF>'.", 8},
		{SQL_SNOWFLAKE, "select /* x\n", "parse error line 2 at position 0 near '<EOF>'.", 8},
		{SQL_SNOWFLAKE, "select $$x", "parse error line 1 at position 10 near '<EOF>'.", 8},
		{SQL_SNOWFLAKE, "select `a` from t", "syntax error line 1 at position 7 unexpected '`'.", 8},
		{SQL_SNOWFLAKE, "select a=`b`", "syntax error line 1 at position 9 unexpected '`'.", 10},
		{SQL_DUCKDB, "select\n \"abc", "syntax error line 2 at position 1 unexpected '\"'.", 9},
		{SQL_DUCKDB, "select $a$x", "syntax error line 1 at position 7 unexpected '$a$'.", 8},
		{SQL_DUCKDB, "1 /* /* */", "syntax error line 1 at position 2 unexpected '/*'.", 3},
		{SQL_DUCKDB, "select (1", "syntax error line 1 at position 9 unexpected '<EOF>'.", 10},
		{SQL_DUCKDB, "select 1)", "syntax error line 1 at position 8 unexpected ')'.", 9},
		{SQL_DUCKDB, "select (1]", "syntax error line 1 at position 9 unexpected ']'.", 10},
		{SQL_DUCKDB, "select (1; 2)", "syntax error line 1 at position 9 unexpected ';'.", 10},
		{SQL_DUCKDB, "select '\xC3\xA9' \\", "syntax error line 1 at position 11 unexpected '\\'.", 13},
		{SQL_DUCKDB, "select u&'a'", "syntax error line 1 at position 7 unexpected 'u&'.", 8},
		{SQL_DUCKDB, "from a where\xC2\xA0, 'f'", "syntax error line 1 at position 12 unexpected '\xC2\xA0'.", 13},
		{SQL_DUCKDB, "from a where\xE2\x80\x8B, 'f'", "syntax error line 1 at position 12 unexpected '\xE2\x80\x8B'.", 13},
		{SQL_SNOWFLAKE, "select \x01", "syntax error line 1 at position 7 unexpected '\x01'.", 8},
	};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char want[200];

		snprintf(want, sizeof(want), "SQL compilation error:\n%s", cases[i].message);
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
	assert_true(sql_rewrite_snowflake(&c, &t, (struct sql_span){0, t.n}, &(const struct sql_context){0}, &r));
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
		(void)!sql_rewrite_snowflake(&c, &t, (struct sql_span){0, t.n}, &(const struct sql_context){0}, &r);
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

static void neither_reserved_catalogs_nor_other_sessions_can_be_named(void **state)
{
	static const char *const refused[] = {
		"from system.main.x", "from system.x", "from temp.x", "from memory.main.x", "from _sf.main.x", "from \"_SF\".x",
		"from mutable.public.x", "from __eph_0123.main.x", "create schema __eph_0123.s", "from memory.main.x", "from t join memory.main.x on true", "insert into memory.main.x values (1)",
		"create table memory.main.x (a int)", "create schema memory.s", "drop view memory.main.v", "update memory.main.x set a = 1",
		"select system.main.abs(1)", "describe memory.main.x", "create table temp.x (a int)", "from duckdb_databases", "from pg_catalog.pg_settings",
		"from main.duckdb_logs", "from pragma_database_list", "alter table memory.main.x rename to y", "create index i on memory.main.x (a)", NULL};
	static const char *const passed[] = {
		"from shop.main.x", "from SHOP.main.x", "from \"Shop\".main.x", "from main.x", "from s.x", "from pg_catalog.pg_tables",
		"select t.a.b, other.main.x from t", "select temp.a from t temp", "create schema shop.s", "create table shop.main.x (a int)",
		"select system.a from system", "from other.main.x", "create table other.main.x (a int)", "create schema other.s", NULL};

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
		if (!cut(&b, SQL_SNOWFLAKE, v[i].in) || !sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &(const struct sql_context){0}, &r))
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
		 "CREATE TABLE T (A DECIMAL(38,0) NOT NULL, B DECIMAL(10,2), C DECIMAL(5), D BIGINT NOT NULL, E BIGINT, F DOUBLE, G VARCHAR, H VARCHAR "
		 "CHECK (CASE WHEN length(\"H\") > 10 THEN error(format('String ''{}'' is too long and would be truncated', \"H\")) ELSE true END) DEFAULT 'x', "
		 "I VARCHAR CHECK (CASE WHEN length(\"I\") > 3 THEN error(format('String ''{}'' is too long and would be truncated', \"I\")) ELSE true END), "
		 "J BLOB CHECK (CASE WHEN octet_length(\"J\") > 8 THEN error(format('Binary value ''{}'' is too long and would be truncated', hex(\"J\"))) ELSE true END), "
		 "K BOOLEAN, L DATE, M TIME_3, N TIMESTAMP, O TIMESTAMP, P TIMESTAMPTZ, "
		 "Q TIMESTAMPTZ, R TIMESTAMP, S SF_VARIANT, T SF_ARRAY, U DOUBLE, CHECK ('SF PRIMARY KEY ' <> '' OR \"A\" IS NULL))"},
		{"alter table t add column if not exists a number", "ALTER TABLE T ADD COLUMN IF NOT EXISTS A DECIMAL(38,0)"},
		{"alter table t alter column a set data type string", "ALTER TABLE T ALTER COLUMN \"A\" TYPE VARCHAR"},
		{"select * from t where a::number(3, 1) = try_cast(f(b as_) as int)", "SELECT * FROM T WHERE A :: DECIMAL(3,1) = TRY_CAST(F(B AS_) AS BIGINT)"},
		{"create table t (a varchar(3), \"b\"\"c\" char) as select 1, 2", "CREATE TABLE T AS SELECT CAST(\"A\" AS VARCHAR) AS \"A\", CAST(\"b\"\"c\" AS VARCHAR) AS \"b\"\"c\" FROM ( SELECT 1 AS \"1\", 2 AS \"2\") AS q(\"A\", \"b\"\"c\")"},
		{"values (a.b::varchar(3), f(x)[0]::char, -c::int::text(2), cast(g(1) as string(4)), (1)::varchar, v::varchar(16777216))",
		 "VALUES (SF_CUT(SF_CAST_TEXT(A.B) :: VARCHAR, 3), SF_CUT(SF_CAST_TEXT(GET(F(X), 0)) :: VARCHAR, 1), "
		 "- SF_CUT(SF_CAST_TEXT(C :: BIGINT) :: VARCHAR, 2), SF_CUT(CAST(SF_CAST_TEXT(G(1)) AS VARCHAR), 4), "
		 "SF_CAST_TEXT((1)) :: VARCHAR, SF_CAST_TEXT(V) :: VARCHAR)"},
		{"values (a::timestamp(3), cast(b as timestamp_tz(0)), c::time(9), d::timestamp with time zone, e::timestamp_ltz(6)::date)",
		 "VALUES (SF_CAST_NTZ(A) :: TIMESTAMP::TIMESTAMP_NTZ_3, CAST(SF_CAST_TZ(B) AS TIMESTAMP_TZ)::TIMESTAMP_TZ_0, SF_CAST_TIME(C) :: TIME, "
		 "SF_CAST_TZ(D) :: TIMESTAMP_TZ, SF_CAST_DATE(SF_CAST_LTZ(E) :: TIMESTAMPTZ::TIMESTAMP_LTZ_6) :: DATE)"},
		{"values (a::varchar(2)::timestamp without time zone::boolean, try_cast(b as binary), cast(c::varchar(3) as date), (select d)::date)",
		 "VALUES (SF_CAST_BOOLEAN(SF_CAST_NTZ(SF_CUT(SF_CAST_TEXT(A) :: VARCHAR, 2)) :: TIMESTAMP) :: BOOLEAN, "
		 "TRY_CAST(SF_TRY_TO_BINARY(B) AS BLOB), CAST(SF_CAST_DATE(SF_CUT(SF_CAST_TEXT(C) :: VARCHAR, 3)) AS DATE), SF_CAST_DATE((SELECT D AS \"D\")) :: DATE)"},
		{"alter table t add column a date default '2024-01-01'::date", "ALTER TABLE T ADD COLUMN A DATE DEFAULT '2024-01-01' :: DATE"},
		{"values (case when a then 'b' end::varchar(2), x in ('a')::varchar(1))",
		 "VALUES (SF_CUT(SF_CAST_TEXT(CASE WHEN A THEN 'b' END) :: VARCHAR, 2), X IN SF_CUT(SF_CAST_TEXT(('a')) :: VARCHAR, 1))"},
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
	assert_true(sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &(const struct sql_context){0}, &r));
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
	assert_true(sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &(const struct sql_context){0}, &r));
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
		{"select $a from t", "SQL compilation error: error line 1 at position 7\nSession variable '$A' does not exist", "002211"},
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
		assert_false(sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &(const struct sql_context){0}, &r));
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

/* `n` of a piece, with commas between. */
static void add_many(struct buf *b, const char *piece, int n)
{
	for (int i = 0; i < n; i++)
		buf_fmt(b, "%s%s", i ? "," : "", piece);
}

static void a_select_of_nothing_is_told_where_it_ends(void **state)
{
	static const struct {
		const char *text, *what;
		int position;
	} cases[] = {{"select", "position 6 unexpected '<EOF>'.", 7}, {"select 1 from (select)", "position 21 unexpected ')'.", 22},
		     {"select;", "position 6 unexpected ';'.", 7}};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(cut(&b, SQL_SNOWFLAKE, cases[i].text));
		assert_false(sql_lists_fit(&b.c, &b.t, b.s[0]));
		if (!strstr(b.c.err.text, cases[i].what) || b.c.err.position != cases[i].position)
			BROKEN("%s: %d %s", cases[i].text, b.c.err.position, b.c.err.text);
		done(&b);
	}
}

static void lists_that_are_planned_slowly_have_a_limit(void **state)
{
	static const struct {
		const char *head, *piece, *tail;
		int most; /* 0 = any number */
	} lists[] = {
		{"select ", "1", "", 16384}, {"select ", "f(a,b)", " from t where a in (1,2)", 16384},
		{"with x as (select ", "1", ") select 1,2 from x", 16384}, {"select a from t group by ", "b", "", 4096},
		{"select a from t order by ", "b", " desc limit 1", 4096}, {"select sum(a) over (partition by ", "b", ") from t", 4096},
		{"insert into t values (1,2), (", "3", "), (4)", 16384}, {"insert into t values ", "(1,2)", "", 0},
		{"select 1 where a in (", "1", ")", 0}, {"select [", "1", "]", 0}, {"select f(", "1", ") from t order by 1", 0},
	};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		for (int more = 0; more < 2; more++) {
			int n = (lists[i].most ? lists[i].most : 30000) + more;
			bool fits = !lists[i].most || !more;
			OWNS(buf) text = {0};

			buf_add(&text, str_of(lists[i].head));
			add_many(&text, lists[i].piece, n);
			buf_add(&text, str_of(lists[i].tail));
			buf_addc(&text, 0);
			assert_true(cut(&b, SQL_SNOWFLAKE, text.p));
			if (sql_lists_fit(&b.c, &b.t, b.s[0]) != fits)
				BROKEN("%s, %d of %s: %s", lists[i].head, n, lists[i].piece, fits ? b.c.err.text : "taken");
			if (!fits)
				assert_string_equal(b.c.err.native, "001795");
			if (!fits)
				assert_non_null(strstr(b.c.err.text, more && lists[i].most == 4096 ? "at most 4096, got 4097" : "at most 16384, got 16385"));
			done(&b);
		}
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
		cmocka_unit_test(neither_reserved_catalogs_nor_other_sessions_can_be_named),
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
		cmocka_unit_test(a_select_of_nothing_is_told_where_it_ends),
		cmocka_unit_test(lists_that_are_planned_slowly_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
