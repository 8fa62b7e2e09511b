/* sql_dialect_test.c - Snowflake's dialect as DuckDB's: what is written, what is said to do without text, what is refused. */
#include "sql_rig.h"

static bool known(void *arg, struct str name, struct str *ret_text)
{
	(void)arg;
	if (str_eq(name, S("N")))
		return true;
	*ret_text = str_eq(name, S("T")) ? S("db1.t1") : str_eq(name, S("BAD")) ? S("a; drop table b") : (struct str){0};
	return ret_text->p != NULL;
}

static const struct sql_context context = {
	.database = S_INIT("SHOP"), .schema = S_INIT("O'K"), .user = S_INIT("ME"), .last_query = S_INIT("01-2"), .variable = known,
};

static bool written(struct bench *b, const char *text, struct sql_rewrite *ret)
{
	return cut(b, SQL_SNOWFLAKE, text) && b->n == 1 && sql_rewrite_snowflake(&b->c, &b->t, b->s[0], &context, ret);
}

static void expect(const struct pair *v, size_t n)
{
	struct sql_rewrite r;
	struct bench b;

	for (size_t i = 0; i < n; i++) {
		struct buf all = {0};

		if (!written(&b, v[i].in, &r))
			BROKEN("%s: %s", v[i].in, b.c.err.text);
		for (int k = 0; k < r.sf.nsteps; k++) {
			buf_add(&all, r.sf.steps[k].text);
			buf_lit(&all, "; ");
		}
		buf_add(&all, r.text);
		assert_string_equal(buf_cstr(&all), v[i].out);
		buf_drop(&all);
		done(&b);
	}
}

struct refused {
	const char *text, *message, *native;
};

static void expect_refused(const struct refused *v, size_t n)
{
	struct sql_rewrite r;
	struct bench b;

	for (size_t i = 0; i < n; i++) {
		if (written(&b, v[i].text, &r))
			BROKEN("%s: %.*s", v[i].text, SARG(r.text));
		assert_string_equal(b.c.err.text, v[i].message);
		assert_string_equal(b.c.err.native, v[i].native);
		done(&b);
	}
}

static void what_a_statement_is_written_in_becomes_literals(void **state)
{
	static const struct pair cases[] = {
		{"select current_database(), Current_Schema() s", "SELECT 'SHOP' AS \"CURRENT_DATABASE()\", 'O''K' AS \"S\""},
		{"select current_user, current_user()", "SELECT 'ME' AS \"CURRENT_USER\", 'ME' AS \"CURRENT_USER()\""},
		{"select current_warehouse()", "SELECT CAST(NULL AS VARCHAR) AS \"CURRENT_WAREHOUSE()\""},
		{"select last_query_id(), last_query_id(-1)", "SELECT '01-2' AS \"LAST_QUERY_ID()\", '01-2' AS \"LAST_QUERY_ID(-1)\""},
		{"select t.current_user, current_database from t", "SELECT T.CURRENT_USER AS \"CURRENT_USER\", CURRENT_DATABASE AS \"CURRENT_DATABASE\" FROM T"},
		{"select current_timestamp, current_date()", "SELECT now() AS \"CURRENT_TIMESTAMP\", today() AS \"CURRENT_DATE()\""},
		{"select $n + $t", "SELECT getvariable('N') + getvariable('T') AS \"$N + $T\""},
		{"select $1, v.$2 from v", "SELECT #1 AS \"$1\", V.COLUMN2 AS \"$2\" FROM V"},
		{"select * from identifier('a.\"b c\"') where identifier($t).x = 1", "SELECT * FROM A.\"b c\" WHERE DB1.T1.X = 1"},
		{"drop table identifier($t)", "DROP TABLE DB1.T1"},
		{"set x = 1 + 1", "SET VARIABLE \"X\" = 1 + 1"},
		{"set (a, b) = (1, 'x')", "SET VARIABLE \"A\" = 1; SET VARIABLE \"B\" = 'x'"},
		{"set (a, b) = (select 1, 2)",
		 "SET VARIABLE \"A\" = (SELECT c1 FROM (SELECT 1 AS \"1\", 2 AS \"2\") AS q(c1, c2)); "
		 "SET VARIABLE \"B\" = (SELECT c2 FROM (SELECT 1 AS \"1\", 2 AS \"2\") AS q(c1, c2))"},
		{"unset x", "RESET VARIABLE \"X\""},
		{"unset (x, y)", "RESET VARIABLE \"X\"; RESET VARIABLE \"Y\""},
		{"begin", "BEGIN TRANSACTION"},
		{"begin work name a", "BEGIN TRANSACTION"},
		{"start transaction", "BEGIN TRANSACTION"},
		{"commit work", "COMMIT"},
		{"rollback", "ROLLBACK"},
		{"create or replace transient schema db.s with managed access comment = 'x'", "DROP SCHEMA IF EXISTS \"DB\".\"S\" CASCADE; CREATE SCHEMA \"DB\".\"S\""},
		{"create schema if not exists s", "CREATE SCHEMA IF NOT EXISTS \"S\""},
		{"drop schema if exists s", "DROP SCHEMA IF EXISTS \"S\" CASCADE"},
		{"drop schema s restrict", "DROP SCHEMA \"S\""},
	};

	(void)state;
	expect(cases, COUNT_OF(cases));
}

static void calls_are_spelled_as_duckdb_has_them(void **state)
{
	static const struct pair cases[] = {
		{"values (dateadd(day, 1, d), DateAdd('mons', a + f(1, 2), \"d\"))", "VALUES (SF_DATEADD_DAY( 1, D), SF_DATEADD_MONTH( A + F(1, 2), \"d\"))"},
		{"select datediff(yy, a, b)", "SELECT SF_DATEDIFF_YEAR( A, B) AS \"DATEDIFF(YY, A, B)\""},
		{"values (date_trunc('week', a), trunc(a, 'month'), trunc(a, 2), last_day(a), last_day(a, year))",
		 "VALUES (SF_TRUNC_WEEK( A), SF_TRUNC_MONTH(A), TRUNC(A, 2), LAST_DAY(A), SF_LAST_DAY_YEAR(A))"},
		{"values (extract(epoch_second from a), date_part(dow, a), time_slice(a, 4, 'MONTH', 'START'), date_part(x || 'y', a))",
		 "VALUES (SF_PART_EPOCH_SECOND( A), SF_PART_DAYOFWEEK( A), SF_SLICE_MONTH(A, 4, 'START'), DATE_PART(X || 'y', A))"},
		{"values (dateadd(day, dateadd(hour, 1, 2), 3))", "VALUES (SF_DEEP_DATEADD_DAY( SF_DATEADD_HOUR( 1, 2), 3))"},
		{"values (ceil(a, 2), ceil(floor(a, 3), 2), dateadd(day, ceil(a), d))",
		 "VALUES (CEIL(A, 2), SF_DEEP_CEIL(FLOOR(A, 3), 2), SF_DATEADD_DAY( CEIL(A), D))"},
		{"values (position('a' in f(x in y)), insert('a', 1, 2, 'b'), seq4(), seq8(1), date(x), char(65))",
		 "VALUES (CHARINDEX('a', F(X IN Y)), SF_INSERT('a', 1, 2, 'b'), (ROW_NUMBER() OVER () - 1), (ROW_NUMBER() OVER () - 1), TO_DATE(X), CHR(65))"},
		{"values (to_number(x, 10, 2), try_to_decimal(x, '99', 3), to_number(x))",
		 "VALUES (CAST(SF_NUMERIC_TEXT(X) AS DECIMAL(10,2)), TRY_CAST(SF_TRY_NUMERIC_TEXT(X, '99') AS DECIMAL(3,0)), TO_NUMBER(X))"},
		{"select avg(distinct ?) over (partition by ?), ? from t",
		 "SELECT SF_AVG_OVER(SUM(DISTINCT $1) OVER (PARTITION BY $2), COUNT(DISTINCT $1) OVER (PARTITION BY $2)) AS \"AVG(DISTINCT ?) OVER (PARTITION BY ?)\", $3 AS \"?\" FROM T"},
		{"values (median(x), ratio_to_report(a) over w, hash(a, b))",
		 "VALUES (SF_MEDIAN(MEDIAN(X), MIN(X)), ((A) / SUM(A) OVER W), SF_HASH(HASH(A, B)))"},
		{"values (listagg(a), listagg(distinct a, ',') within group (order by b desc) over (partition by c))",
		 "VALUES (COALESCE(LISTAGG(A, ''), ''), COALESCE(LISTAGG(DISTINCT A, ',' ORDER BY B DESC) OVER (PARTITION BY C), ''))"},
		{"values (array_agg(distinct a) within group (order by a), array_unique_agg(b), object_agg(k, v))",
		 "VALUES (SF_ARRAY_OF(LIST(DISTINCT A ORDER BY A)), SF_ARRAY_OF(LIST(DISTINCT B)), SF_OBJECT_OF(LIST(STRUCT_PACK(k := K, v := V))))"},
		{"values (count(distinct a, b + 1), count(a), count(*))",
		 "VALUES (COUNT(DISTINCT( A, B + 1)) FILTER (WHERE ( A) IS NOT NULL AND ( B + 1) IS NOT NULL), COUNT(A), COUNT(*))"},
		{"values (object_construct(*), object_construct('a', 1))", "VALUES (OBJECT_CONSTRUCT(STRUCT_PACK(*COLUMNS(*))), OBJECT_CONSTRUCT('a', 1))"},
		{"select t.dateadd, date from t", "SELECT T.DATEADD AS \"DATEADD\", DATE AS \"DATE\" FROM T"},
	};
	static const struct refused refusals[] = {
		{"values (dateadd(foo, 1, 2))", "SQL compilation error:\n'FOO' is not a valid date/time component for function dateadd.", "001008"},
		{"values (extract(foo from 2))", "SQL compilation error:\n'FOO' is not a valid date/time component for function extract.", "001008"},
	};

	(void)state;
	expect(cases, COUNT_OF(cases));
	expect_refused(refusals, COUNT_OF(refusals));
}

static void paths_and_operators_become_calls(void **state)
{
	static const struct pair cases[] = {
		{"values (v:a.b[0]['c d'].\"E\", t.v:x::varchar, f(x):y::int + 1, (a):b)",
		 "VALUES (GET_PATH(V, 'a.b[0][\"c d\"].\"E\"'), SF_CAST_TEXT(GET_PATH(T.V, 'x')) :: VARCHAR, GET_PATH(F(X), 'y') :: BIGINT + 1, GET_PATH((A), 'b'))"},
		{"values (v[0], v['k'][i + 1], v:a[b:c].d, v:a::date:b, v:a:b)",
		 "VALUES (GET(V, 0), GET(GET(V, 'k'), I + 1), GET_PATH(GET(GET_PATH(V, 'a'), GET_PATH(B, 'c')), 'd'), GET_PATH(GET_PATH(V, 'a') :: DATE, 'b'), GET_PATH(V, 'a.b'))"},
		{"select * from t where v:a > 3.5 and 1 = v:b and v:c between -1 and 2 and v:d in (1, 2) and v:e = 'x' order by v:f desc",
		 "SELECT * FROM T WHERE CAST(GET_PATH(V, 'a') AS DOUBLE) > 3.5 AND 1 = CAST(GET_PATH(V, 'b') AS DOUBLE) AND CAST(GET_PATH(V, 'c') AS DOUBLE) BETWEEN - 1 AND 2 "
		 "AND CAST(GET_PATH(V, 'd') AS DOUBLE) IN (1, 2) AND GET_PATH(V, 'e') = 'x' ORDER BY SF_SORT_KEY(GET_PATH(V, 'f')) DESC"},
		{"values ([1, [2]], {'a': 1, 'b': {'c': v:x}}, {*}, {})",
		 "VALUES (ARRAY_CONSTRUCT(1, ARRAY_CONSTRUCT(2)), OBJECT_CONSTRUCT('a', 1, 'b', OBJECT_CONSTRUCT('c', GET_PATH(V, 'x'))), OBJECT_CONSTRUCT(STRUCT_PACK(*COLUMNS(*))), OBJECT_CONSTRUCT())"},
		{"values (a || b rlike 'x', not a not regexp v:p, rlike(a, b), avg(v:a))",
		 "VALUES (REGEXP_LIKE(A || B, 'x'), NOT (NOT REGEXP_LIKE(A, GET_PATH(V, 'p'))), RLIKE(A, B), SF_AVG(SUM(GET_PATH(V, 'a')), COUNT(GET_PATH(V, 'a'))))"},
		{"select * from t where case when a then b end like any ('a%', b) or c not ilike all ('x')",
		 "SELECT * FROM T WHERE SF_LIKE_ANY(CASE WHEN A THEN B END, ['a%', B]) OR (NOT SF_ILIKE_ALL(C, ['x']))"},
		{"select a rlike 'x' b, a rlike 'y' from t", "SELECT REGEXP_LIKE(A, 'x') AS \"B\", REGEXP_LIKE(A, 'y') AS \"A RLIKE 'y'\" FROM T"},
		{"select f.value:x, value > 1 from flatten(x) f", "SELECT GET_PATH(F.VALUE, 'x') AS \"F.VALUE:X\", CAST(VALUE AS DOUBLE) > 1 AS \"VALUE > 1\" FROM SF_FLATTEN_COLUMN(X) F"},
	};

	(void)state;
	expect(cases, COUNT_OF(cases));
}

static void windows_see_what_snowflakes_see(void **state)
{
	static const struct pair cases[] = {
		{"values (first_value(a) ignore nulls over (partition by b order by c), last_value(a) over (order by b rows 1 preceding), lag(a, 1) respect nulls over w)",
		 "VALUES (FIRST_VALUE(A IGNORE NULLS) OVER (PARTITION BY B ORDER BY C ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), "
		 "LAST_VALUE(A) OVER (ORDER BY B ROWS 1 PRECEDING), LAG(A, 1) OVER W)"},
		{"values (percentile_cont(0.5) within group (order by v:a desc) over (partition by b), row_number() over (order by seq4()))",
		 "VALUES (SF_MEDIAN(PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY GET_PATH(V, 'a') DESC) OVER (PARTITION BY B), MIN( GET_PATH(V, 'a')) OVER (PARTITION BY B)), "
		 "ROW_NUMBER() OVER (ORDER BY NULL))"},
		{"select at, t.at, offset o from t where desc = 1 limit 1 offset 2", "SELECT \"AT\" AS \"AT\", T.AT AS \"AT\", \"OFFSET\" AS \"O\" FROM T WHERE \"DESC\" = 1 LIMIT 1 OFFSET 2"},
		{"create table o (at int, end date, show int) ", "CREATE TABLE O (\"AT\" BIGINT, \"END\" DATE, \"SHOW\" BIGINT)"},
		{"select case when a then b end, trim(both 'x' from a) from t order by b desc, c asc",
		 "SELECT CASE WHEN A THEN B END AS \"CASE WHEN A THEN B END\", TRIM(BOTH 'x' FROM A) AS \"TRIM(BOTH 'x' FROM A)\" FROM T ORDER BY B DESC, C ASC"},
		{"select * from t pivot (sum(a) for b in ('x', 'y z')) p", "SELECT * FROM T PIVOT (SUM(A) FOR B IN ('x' AS \"'x'\", 'y z' AS \"'y z'\")) P"},
		{"values (interval '1 hour, 2 minutes')", "VALUES (INTERVAL '1 hour  2 minutes')"},
	};
	static const struct refused refusals[] = {
		{"select conditional_change_event(a) over (order by b)", "Unsupported feature 'CONDITIONAL_CHANGE_EVENT'.", "000002"},
		{"select a collate 'de'", "Unsupported feature 'COLLATE'.", "000002"},
		{"explain using text select 1", "Unsupported feature 'EXPLAIN USING'.", "000002"},
		{"create materialized view v as select 1", "Unsupported feature 'MATERIALIZED VIEW'.", "000002"},
	};

	(void)state;
	expect(cases, COUNT_OF(cases));
	expect_refused(refusals, COUNT_OF(refusals));
}

static void clauses_of_queries_become_duckdbs(void **state)
{
	static const struct pair cases[] = {
		{"select * from t, table(flatten(input => t.v)) f", "SELECT * FROM T, SF_FLATTEN_COLUMN(INPUT => T.V) F"},
		{"select * from table(generator(rowcount => 3)) g", "SELECT * FROM GENERATOR(ROWCOUNT => 3) G"},
		{"select * from t join lateral flatten(t.v) f", "SELECT * FROM T JOIN LATERAL SF_FLATTEN_COLUMN(T.V) F ON TRUE"},
		{"select * from t left join table(flatten(t.v)) as f (a) where 1 = 1", "SELECT * FROM T LEFT JOIN SF_FLATTEN_COLUMN(T.V) AS F (A) ON TRUE WHERE 1 = 1"},
		{"select * from t join lateral flatten(t.v) f on f.x cross join table(flatten(u)) g", "SELECT * FROM T JOIN LATERAL SF_FLATTEN_COLUMN(T.V) F ON F.X CROSS JOIN SF_FLATTEN_COLUMN(U) G"},
		{"select a from t minus (select b from u)", "SELECT A AS \"A\" FROM T EXCEPT (SELECT B AS \"B\" FROM U)"},
		{"select top 3 a from t order by a", "SELECT A AS \"A\" FROM T ORDER BY A LIMIT 3 "},
		{"select * from (select distinct top 1 v:a from t)", "SELECT * FROM (SELECT DISTINCT GET_PATH(V, 'a') AS \"V:A\" FROM T LIMIT 1 )"},
		{"select * from t sample (10) where 1 = 1", "SELECT * FROM T TABLESAMPLE bernoulli(10%) WHERE 1 = 1"},
		{"select * from t x tablesample system (3.5) seed (7), u sample row (5 rows)", "SELECT * FROM T X TABLESAMPLE system(3.5%) REPEATABLE (7), U TABLESAMPLE reservoir(5 ROWS)"},
		{"select column1, v.$2 from values (1, f(2, 3)), (3, 4) v where 1 = 1", "SELECT COLUMN1 AS \"COLUMN1\", V.COLUMN2 AS \"$2\" FROM (VALUES (1, F(2, 3)), (3, 4)) V(COLUMN1, COLUMN2) WHERE 1 = 1"},
		{"select * from (values (1)), (values (2)) as w, values", "SELECT * FROM (VALUES (1)) AS \"VALUES\"(COLUMN1), (VALUES (2)) AS W(COLUMN1), VALUES"},
		{"select * from values (1) as v (a)", "SELECT * FROM (VALUES (1)) AS V (A)"},
		{"insert into t values (1), (2)", "INSERT INTO T VALUES (1), (2)"},
		{"select 1 from dual", "SELECT 1 AS \"1\" FROM (VALUES (1)) AS DUAL(DUMMY)"},
		{"select * from t asof join u match_condition (t.a >= u.a) on t.b = u.b", "SELECT * FROM T ASOF JOIN U ON (T.A >= U.A) AND T.B = U.B"},
		{"select * from information_schema.tables t join db.\"INFORMATION_SCHEMA\".columns on 1 = 1",
		 "SELECT * FROM SF_IS_TABLES('SHOP', session := 'O''K') T JOIN SF_IS_COLUMNS('DB') AS COLUMNS ON 1 = 1"},
	};
	static const struct refused refusals[] = {
		{"select * from table(result_scan(last_query_id()))", "Unsupported feature 'RESULT_SCAN'.", "000002"},
		{"select * from t at (offset => -60)", "Unsupported feature 'TIME TRAVEL'.", "000002"},
		{"select * from @s/x", "Unsupported feature 'STAGE'.", "000002"},
		{"select * from t match_recognize (x)", "Unsupported feature 'MATCH_RECOGNIZE'.", "000002"},
		{"select 1 from t start with a = 1 connect by b = 2", "Unsupported feature 'CONNECT BY'.", "000002"},
		{"select a::geography", "Unsupported feature 'GEOGRAPHY'.", "000002"},
		{"select 1 from information_schema.nope", "SQL compilation error:\nObject 'SHOP.INFORMATION_SCHEMA.NOPE' does not exist or not authorized.", "002003"},
	};

	(void)state;
	expect(cases, COUNT_OF(cases));
	expect_refused(refusals, COUNT_OF(refusals));
}

static void changes_of_rows_become_steps(void **state)
{
	static const struct pair cases[] = {
		{"insert overwrite into s.t (a) select 1", "DELETE FROM S.T; INSERT INTO S.T (A) SELECT 1 AS \"1\""},
		{"insert all into a into b (x, y) values (c, d + 1) select * from t",
		 "INSERT INTO A SELECT * FROM (SELECT * FROM T) AS q; INSERT INTO B (X, Y) SELECT C, D + 1 FROM (SELECT * FROM T) AS q"},
		{"insert first when c > 1 then into a when d then into b into c values (1) else into e select ? as c",
		 "INSERT INTO A SELECT * FROM (SELECT $1 AS \"C\") AS q WHERE (C > 1); "
		 "INSERT INTO B SELECT * FROM (SELECT $1 AS \"C\") AS q WHERE (D) AND NOT COALESCE((C > 1), FALSE); "
		 "INSERT INTO C SELECT 1 FROM (SELECT $1 AS \"C\") AS q WHERE (D) AND NOT COALESCE((C > 1), FALSE); "
		 "INSERT INTO E SELECT * FROM (SELECT $1 AS \"C\") AS q WHERE TRUE AND NOT COALESCE((C > 1), FALSE) AND NOT COALESCE((D), FALSE)"},
		{"insert overwrite all into a into a select 1 x", "DELETE FROM A; INSERT INTO A SELECT * FROM (SELECT 1 AS \"X\") AS q; INSERT INTO A SELECT * FROM (SELECT 1 AS \"X\") AS q"},
		{"update t as x set x.a = 1, b = x.b, \"x\".c = (select 1) from u where x.d = 1", "UPDATE T AS X SET A = 1, B = X.B, C = (SELECT 1 AS \"1\") FROM U WHERE X.D = 1"},
		{"merge into t using u on t.a = u.a when matched then update set t.b = u.b when not matched then insert (a) values (u.a)",
		 "MERGE INTO T USING U ON T.A = U.A WHEN MATCHED THEN UPDATE SET B = U.B WHEN NOT MATCHED THEN INSERT (A) VALUES (U.A)"},
		{"truncate table if exists s.t", "TRUNCATE S.T"},
	};
	static const struct refused refusals[] = {
		{"insert t values (1)", "SQL compilation error:\nsyntax error line 1 at position 7 unexpected 't'.", "001003"},
		{"insert all into a", "SQL compilation error:\nsyntax error line 1 at position 17 unexpected '<EOF>'.", "001003"},
		{"insert all select 1", "SQL compilation error:\nsyntax error line 1 at position 11 unexpected 'select'.", "001003"},
	};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	expect(cases, COUNT_OF(cases));
	expect_refused(refusals, COUNT_OF(refusals));
	assert_true(written(&b, "merge into t using u on 1 = 1 when matched then delete when not matched then insert values (1)", &r));
	assert_int_equal(r.sf.merges, SQL_MERGE_DELETES | SQL_MERGE_INSERTS);
	done(&b);
	assert_true(written(&b, "insert overwrite all into x.a into b select 1", &r));
	assert_true(r.sf.nsteps == 3 && r.sf.steps[0].deletes && r.sf.steps[2].inserts);
	assert_str_equal(r.sf.steps[2].table, "A");
	assert_str_equal(r.sf.last_table, "B");
	done(&b);
}

static void array_binds_are_read_as_rows(void **state)
{
	static const struct pair cases[] = {
		{"insert into t values (?, ?, :x)", "INSERT INTO T SELECT b.\"1\", b.\"2\", b.\"3\" FROM mayfly_binds() AS b"},
		{"insert into t (a, b) values (upper(?), 1)", "INSERT INTO T (A, B) SELECT UPPER(b.\"1\"), 1 FROM mayfly_binds() AS b"},
		{"insert into t select ?, ? + 1", "INSERT INTO T SELECT b.\"1\" AS \"?\", b.\"2\" + 1 AS \"? + 1\" FROM mayfly_binds() AS b"},
		{"insert into t values (?), (?)", "INSERT INTO T VALUES ($1), ($2)"},
		{"insert into t values (?, default)", "INSERT INTO T VALUES ($1, DEFAULT)"},
		{"insert into t select a from u where b = ?", "INSERT INTO T SELECT A AS \"A\" FROM U WHERE B = $1"},
		{"update t set a = ?", "UPDATE T SET A = $1"},
	};
	struct sql_context batch = context;
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	batch.batch = true;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(cut(&b, SQL_SNOWFLAKE, cases[i].in) && sql_rewrite_snowflake(&b.c, &b.t, b.s[0], &batch, &r));
		assert_string_equal(arena_cstr(&b.arena, r.text), cases[i].out);
		assert_int_equal(r.sf.set_based, i < 3);
		done(&b);
	}
}

static void definitions_lose_what_duckdb_lacks(void **state)
{
	static const struct pair cases[] = {
		{"create or replace transient table s.t (id int primary key, a date not null unique comment 'x''y', b int references u (id) on delete set null, "
		 "constraint k unique (a), primary key (b, \"id\"), foreign key (a) references v) cluster by (a) data_retention_time_in_days = 1 comment = 'z'",
		 "CREATE OR REPLACE TABLE S.T (ID BIGINT NOT NULL, A DATE NOT NULL, B BIGINT NOT NULL, CHECK ('SF PRIMARY KEY ' <> '' OR \"ID\" IS NULL), "
		 "CHECK ('SF UNIQUE ' <> '' OR \"A\" IS NULL), CHECK ('SF UNIQUE K' <> '' OR \"A\" IS NULL), CHECK ('SF PRIMARY KEY ' <> '' OR \"B\" IS NULL OR \"id\" IS NULL)); COMMENT ON COLUMN S.T.\"A\" IS 'x''y'; COMMENT ON TABLE S.T IS 'z'"},
		{"create table t (constraint k primary key (a), a int)", "CREATE TABLE T ( A BIGINT NOT NULL, CHECK ('SF PRIMARY KEY K' <> '' OR \"A\" IS NULL))"},
		{"create table t (id int autoincrement start 5 increment 2 order not null, b int identity(1, 1))",
		 "CREATE TABLE T (ID BIGINT NOT NULL, B BIGINT); CREATE OR REPLACE SEQUENCE \"SF$IDENTITY$T$ID\" START WITH 5 INCREMENT BY 2; "
		 "ALTER TABLE T ALTER COLUMN \"ID\" SET DEFAULT nextval('\"SF$IDENTITY$T$ID\"'); CREATE OR REPLACE SEQUENCE \"SF$IDENTITY$T$B\" START WITH 1 INCREMENT BY 1; "
		 "ALTER TABLE T ALTER COLUMN \"B\" SET DEFAULT nextval('\"SF$IDENTITY$T$B\"')"},
		{"create table t like s", "CREATE TABLE T AS SELECT * FROM S LIMIT 0"},
		{"create or replace table t clone d.s copy grants", "CREATE OR REPLACE TABLE T AS SELECT * FROM D.S"},
		{"create table t (a int, b date) as select 1, 2",
		 "CREATE TABLE T AS SELECT CAST(\"A\" AS BIGINT) AS \"A\", CAST(\"B\" AS DATE) AS \"B\" FROM ( SELECT 1 AS \"1\", 2 AS \"2\") AS q(\"A\", \"B\")"},
		{"create table t (a, b) copy grants as select 1, 2", "CREATE TABLE T (A, B) AS SELECT 1 AS \"1\", 2 AS \"2\""},
		{"create volatile table if not exists t (a int default s.nextval)", "CREATE TEMPORARY TABLE IF NOT EXISTS T (A BIGINT DEFAULT nextval('\"S\"'))"},
		{"create or replace secure view v (a comment 'c', b) comment = 'd' as select 1, 2",
		 "CREATE OR REPLACE VIEW V (A, B) AS SELECT 1 AS \"1\", 2 AS \"2\"; COMMENT ON COLUMN V.\"A\" IS 'c'; COMMENT ON VIEW V IS 'd'"},
		{"create sequence if not exists s with start = 5 increment by -1 noorder comment = 'x'", "CREATE SEQUENCE IF NOT EXISTS S START WITH 5 INCREMENT BY -1"},
		{"select d.s.nextval, nextval from t", "SELECT nextval('\"D\".\"S\"') AS \"NEXTVAL\", NEXTVAL AS \"NEXTVAL\" FROM T"},
	};

	(void)state;
	expect(cases, COUNT_OF(cases));
}

static void alterations_become_one_a_statement(void **state)
{
	static const struct pair cases[] = {
		{"alter table s.t add column if not exists a number, b date default f(1) not null",
		 "ALTER TABLE S.T ADD COLUMN IF NOT EXISTS A DECIMAL(38,0); ALTER TABLE S.T ADD COLUMN B DATE DEFAULT F(1); ALTER TABLE S.T ALTER COLUMN \"B\" SET NOT NULL"},
		{"alter table t add primary key (a)", "DELETE FROM T WHERE FALSE"},
		{"alter table t drop column if exists a, b", "ALTER TABLE T DROP COLUMN IF EXISTS \"A\"; ALTER TABLE T DROP COLUMN IF EXISTS \"B\""},
		{"alter table t modify column a int, column b drop not null, c comment 'x'",
		 "ALTER TABLE T ALTER COLUMN \"A\" TYPE BIGINT; ALTER TABLE T ALTER COLUMN \"B\" DROP NOT NULL; COMMENT ON COLUMN T.\"C\" IS 'x'"},
		{"alter table if exists t alter a set data type string", "ALTER TABLE IF EXISTS T ALTER COLUMN \"A\" TYPE VARCHAR"},
		{"alter table t rename to d.s.u", "ALTER TABLE T RENAME TO \"U\""},
		{"alter table t rename column a to b", "ALTER TABLE T RENAME COLUMN A TO B"},
		{"alter table t swap with u", "ALTER TABLE T RENAME TO \"SF$SWAP\"; ALTER TABLE \"U\" RENAME TO \"T\"; ALTER TABLE \"SF$SWAP\" RENAME TO \"U\""},
		{"alter table t set comment = 'x'", "COMMENT ON TABLE T IS 'x'"},
		{"alter table t cluster by (a)", "DELETE FROM T WHERE FALSE"},
		{"alter view v rename to w", "ALTER VIEW V RENAME TO \"W\""},
		{"comment if exists on table t is 'x'", "COMMENT ON TABLE T IS 'x'"},
	};
	static const struct refused refusals[] = {
		{"alter table t", "SQL compilation error:\nsyntax error line 1 at position 13 unexpected '<EOF>'.", "001003"},
		{"alter table t explode", "SQL compilation error:\nsyntax error line 1 at position 14 unexpected 'explode'.", "001003"},
		{"comment on schema s is 'x'", "Unsupported feature 'COMMENT ON SCHEMA'.", "000002"},
	};

	(void)state;
	expect(cases, COUNT_OF(cases));
	expect_refused(refusals, COUNT_OF(refusals));
}

static void statements_without_text_say_what_changes(void **state)
{
	static const struct {
		const char *text;
		enum sql_does does;
		const char *database, *schema, *name, *value;
		int settings;
	} cases[] = {
		{"use database a", SQL_DOES_USE, "A", "PUBLIC", "", "", 0},
		{"use a", SQL_DOES_USE, "A", "PUBLIC", "", "", 0},
		{"use schema \"s\"", SQL_DOES_USE, "", "s", "", "", 0},
		{"use schema a.b", SQL_DOES_USE, "A", "B", "", "", 0},
		{"use a.b", SQL_DOES_USE, "A", "B", "", "", 0},
		{"use schema identifier($t)", SQL_DOES_USE, "DB1", "T1", "", "", 0},
		{"use warehouse w", SQL_DOES_USE_NAME, "", "", "WAREHOUSE", "W", 1},
		{"use role r", SQL_DOES_USE_NAME, "", "", "ROLE", "R", 1},
		{"use secondary roles all", SQL_DOES_USE_NAME, "", "", "SECONDARY ROLES", "ALL", 1},
		{"create or replace transient database if not exists d comment = 'x'", SQL_DOES_CREATE_DATABASE, "D", "", "", "", 0},
		{"drop database if exists \"d\" cascade", SQL_DOES_DROP_DATABASE, "d", "", "", "", 0},
		{"alter session set timezone = 'UTC' autocommit = false, week_start=-1", SQL_DOES_SET_PARAMETERS, "", "", "TIMEZONE", "UTC", 3},
		{"alter session unset a, b", SQL_DOES_SET_PARAMETERS, "", "", "A", "", 2},
		{"set x = -1.5", SQL_DOES_SET_VARIABLES, "", "", "X", "-1.5", 1},
		{"set x = TRUE", SQL_DOES_SET_VARIABLES, "", "", "X", "true", 1},
		{"set x = (select 1)", SQL_DOES_SET_VARIABLES, "", "", "X", "", 1},
	};
	struct sql_rewrite r;
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (!written(&b, cases[i].text, &r))
			BROKEN("%s: %s", cases[i].text, b.c.err.text);
		assert_int_equal(r.sf.does, cases[i].does);
		assert_str_equal(r.sf.database, cases[i].database);
		assert_str_equal(r.sf.schema, cases[i].schema);
		assert_int_equal(r.sf.nsettings, cases[i].settings);
		if (cases[i].settings) {
			assert_str_equal(r.sf.settings[0].name, cases[i].name);
			assert_str_equal(r.sf.settings[0].value, cases[i].value);
		}
		done(&b);
	}
}

static void what_cannot_work_is_refused_by_its_kind(void **state)
{
	static const struct refused cases[] = {
		{"create stage s", "Unsupported feature 'STAGE'.", "000002"},
		{"create or replace file format f type = csv", "Unsupported feature 'FILE FORMAT'.", "000002"},
		{"drop warehouse w", "Unsupported feature 'WAREHOUSE'.", "000002"},
		{"alter user u set x = 1", "Unsupported feature 'USER'.", "000002"},
		{"create procedure p() returns int as 'x'", "Unsupported feature 'PROCEDURE'.", "000002"},
		{"grant role a to user b", "Unsupported feature 'GRANT'.", "000002"},
		{"copy into t from @s", "Unsupported feature 'COPY INTO'.", "000002"},
		{"execute immediate 'select 1'", "Unsupported feature 'EXECUTE IMMEDIATE'.", "000002"},
		{"begin select 1", "Unsupported feature 'SNOWFLAKE SCRIPTING'.", "000002"},
		{"create function f(a int) returns int as 'a + 1'", "Unsupported feature 'FUNCTION'.", "000002"},
		{"undrop table t", "Unsupported feature 'UNDROP'.", "000002"},
		{"create external table t (a int)", "Unsupported feature 'EXTERNAL TABLE'.", "000002"},
		{"create database d clone e", "Unsupported feature 'CLONE'.", "000002"},
		{"select *\nfrom identifier($q)", "SQL compilation error: error line 2 at position 16\nSession variable '$Q' does not exist", "002211"},
		{"select * from identifier(?)", "Unsupported feature 'IDENTIFIER of a bind variable'.", "000002"},
		{"select * from identifier($bad)", "SQL compilation error:\nsyntax error line 1 at position 25 unexpected '$bad'.", "001003"},
		{"use a.b.c", "SQL compilation error:\nsyntax error line 1 at position 7 unexpected '.'.", "001003"},
		{"use", "SQL compilation error:\nsyntax error line 1 at position 3 unexpected '<EOF>'.", "001003"},
		{"set x", "SQL compilation error:\nsyntax error line 1 at position 5 unexpected '<EOF>'.", "001003"},
		{"use database Mutable", "The catalog MUTABLE is not allowed here", "003001"},
		{"create database \"__eph_1\"", "The catalog __eph_1 is not allowed here", "003001"},
		{"drop database _sf", "The catalog _SF is not allowed here", "003001"},
	};

	(void)state;
	expect_refused(cases, COUNT_OF(cases));
}

/* --- origins --- */
static void describe_item(struct buf *b, const struct sql_item *item)
{
	static const char *const kinds[] = {"other", "column", "star", "count", "integer", "decimal", "text", "placeholder", "null"};

	buf_fmt(b, "%s", kinds[item->kind]);
	if (item->kind == SQL_ITEM_COLUMN)
		buf_fmt(b, " %.*s", SARG(item->name));
	if (item->kind == SQL_ITEM_COLUMN || item->kind == SQL_ITEM_STAR)
		buf_fmt(b, " of %d", item->source);
	if (item->kind == SQL_ITEM_INTEGER || item->kind == SQL_ITEM_DECIMAL)
		buf_fmt(b, " %d,%d", item->precision, item->scale);
	if (item->kind == SQL_ITEM_TEXT)
		buf_fmt(b, " %d", (int)item->length);
	if (item->kind == SQL_ITEM_PLACEHOLDER)
		buf_fmt(b, " %d", item->placeholder);
}

static const char *described(struct bench *b, struct buf *out)
{
	struct sql_origins o;

	buf_clear(out);
	if (!sql_origins(&b->c, &b->t, b->s[0], &o))
		return "nothing";
	for (int i = 0; i < o.nitems; i++) {
		buf_add(out, i ? S("; ") : S(""));
		describe_item(out, &o.items[i]);
	}
	for (int i = 0; i < o.nsources; i++) {
		const struct sql_source *s = &o.sources[i];

		buf_fmt(out, " | %.*s.%.*s.%.*s %.*s%s", SARG(s->parts[0]), SARG(s->parts[1]), SARG(s->parts[2]), SARG(s->alias),
			s->nullable ? " nullable" : "");
	}
	return buf_cstr(out);
}

static void columns_are_traced_to_their_tables(void **state)
{
	static const struct pair cases[] = {
		{"SELECT A AS \"A\", T.B AS \"x\" FROM T", "column A of 0; column B of 0 | ..T T"},
		{"SELECT A, U.B, 1 FROM D.S.T JOIN \"U\" ON T.A = U.A WHERE A > 1", "column A of -1; column B of 1; integer 1,0 | D.S.T T | ..U U"},
		{"SELECT X.A, Y.A FROM T AS X LEFT JOIN T Y ON LEFT(X.A, 1) = Y.A", "column A of 0; column A of 1 | ..T X | ..T Y nullable"},
		{"SELECT * FROM A RIGHT JOIN B ON TRUE FULL OUTER JOIN C ON TRUE", "star of -1 | ..A A nullable | ..B B nullable | ..C C nullable"},
		{"SELECT T.*, COUNT(*), COUNT(DISTINCT A) OVER (PARTITION BY B) FROM T, U", "star of 0; count; count | ..T T | ..U U"},
		{"SELECT 42 AS \"42\", -1.50, 'h\xC3\xA9', $2, NULL, 1e3, 0.5, A + 1", "integer 2,0; decimal 3,2; text 2; placeholder 2; null; other; decimal 2,1; other"},
		{"SELECT A, X.A, COUNT(*) FROM (SELECT 1) AS X, T", "other; other; count | .. X | ..T T"},
		{"WITH C AS (SELECT 1) SELECT C.A, T.A FROM C, T", "other; column A of 1 | .. C | ..T T"},
		{"SELECT T.A FROM RANGE(3) R, T", "column A of 1 | .. R | ..T T"},
		{"SELECT A FROM T GROUP BY ROLLUP (A)", "column A of 0 | ..T T nullable"},
		{"SELECT S.T.A, D.S.T.B, X.Y FROM D.S.T", "column A of 0; column B of 0; other | D.S.T T"},
		{"SELECT * FROM (SELECT 1) AS X", "nothing"},
		{"SELECT * FROM A JOIN B USING (I)", "nothing"},
		{"SELECT A FROM A JOIN B USING (I)", "column A of -1 | ..A A | ..B B"},
		{"SELECT * EXCLUDE (A) FROM T", "nothing"},
		{"SELECT A FROM T UNION SELECT A FROM T", "nothing"},
		{"SELECT A * 2, COUNT(*) + 1 FROM T", "other; other | ..T T"},
		{"INSERT INTO T VALUES (1)", "nothing"},
		{"SELECT", "nothing"},
		{"SELECT 1 FROM", "integer 1,0 | .. "},
	};
	struct buf out = {0};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(cut(&b, SQL_DUCKDB, cases[i].in));
		assert_string_equal(described(&b, &out), cases[i].out);
		done(&b);
	}
	buf_drop(&out);
}

/* `unit` n times between `before` and `behind`, around or behind a 1. */
static bool repeats_are_written(const char *before, const char *behind, int n)
{
	struct sql_rewrite r;
	struct buf text = {0};
	struct bench b;
	bool ok;

	buf_lit(&text, "values (");
	for (int i = 0; i < n; i++)
		buf_add(&text, str_of(before));
	buf_lit(&text, "1");
	for (int i = 0; i < n; i++)
		buf_add(&text, str_of(behind));
	buf_lit(&text, ")");
	ok = written(&b, buf_cstr(&text), &r);
	if (!ok) {
		assert_string_equal(b.c.err.native, "001003");
		assert_string_equal(b.c.err.sqlstate, "54001");
	}
	done(&b);
	buf_drop(&text);
	return ok;
}

static void plans_that_would_not_end_are_refused(void **state)
{
	(void)state;
	assert_true(repeats_are_written("mod(", ", 2)", 12));
	assert_false(repeats_are_written("mod(", ", 2)", 13));
	assert_true(repeats_are_written("upper(", ")", 200));
	assert_true(repeats_are_written("dateadd(day, 1, ", ")", 100));
	assert_true(repeats_are_written("to_char(", ")", 100));
	/* only its first argument is there more than once */
	assert_true(repeats_are_written("decode(a, 1, 2, 3, 4, ", ")", 100));
	assert_false(repeats_are_written("decode(", ", 1, 2, 3, 4)", 13));
	assert_true(repeats_are_written("", " + 1", 500));
	assert_false(repeats_are_written("", " + 1", 501));
	assert_true(repeats_are_written("", " + 1, 2", 2000));
	assert_true(repeats_are_written("", " - 1 = 2 and x * 2", 1000));
	assert_true(repeats_are_written("- ", "", 90));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_statement_is_written_in_becomes_literals),
		cmocka_unit_test(calls_are_spelled_as_duckdb_has_them),
		cmocka_unit_test(plans_that_would_not_end_are_refused),
		cmocka_unit_test(paths_and_operators_become_calls),
		cmocka_unit_test(windows_see_what_snowflakes_see),
		cmocka_unit_test(clauses_of_queries_become_duckdbs),
		cmocka_unit_test(changes_of_rows_become_steps),
		cmocka_unit_test(array_binds_are_read_as_rows),
		cmocka_unit_test(definitions_lose_what_duckdb_lacks),
		cmocka_unit_test(alterations_become_one_a_statement),
		cmocka_unit_test(statements_without_text_say_what_changes),
		cmocka_unit_test(what_cannot_work_is_refused_by_its_kind),
		cmocka_unit_test(columns_are_traced_to_their_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
