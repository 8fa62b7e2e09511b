/* pg_conn_test.c - connections to a real PostgreSQL: statements, COPY, errors, limits, stop signs, the pipeline. */
#include "pg_rig.h"

#include "json/json.h"
#include "rows/rows.h"

#include <pthread.h>

static struct pg_rig rig;

struct bench {
	struct arena arena;
	struct call c;
	struct pg_conn *p;
	struct pg_stop stop;
};

static struct pg_conn *connected(struct call *c, struct pg_stop *stop)
{
	struct pg_conn *p = NULL;

	if (!pg_connect(c, &(struct pg_target){.conninfo = str_of(rig.conninfo), .stop = stop}, &p))
		print_error("%s\n", c->err.text);
	assert_non_null(p);
	return p;
}

static int setup(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	arena_open(&b->arena);
	call_open(&b->c, &b->arena);
	pg_stop_open(&b->stop);
	b->p = connected(&b->c, &b->stop);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	pg_conn_close(b->p);
	pg_stop_close(&b->stop);
	arena_close(&b->arena);
	free(b);
	return 0;
}

static struct pg_answer run(struct bench *b, const char *sql)
{
	struct pg_answer a;

	pg_run(&b->c, b->p, &(struct pg_ask){.sql = str_of(sql), .caps = {1000, 1 << 20}}, 250, &a);
	return a;
}

/* Every kind of row text must be one that rows/ can read again. */
static void reads_back(struct bench *b, const struct pg_answer *a)
{
	struct engine_column *columns;
	int n;

	assert_true(engine_columns(&b->c, a->columns, &columns, &n));
	for (int i = 0; i < a->nparts; i++) {
		struct convert cv = {.from = ENGINE_NATIVE, .to = ENGINE_SNOWFLAKE, .shape = CONVERT_ARRAYS, .columns = columns, .ncolumns = n};
		struct buf out = {0};
		struct str rows;
		bool done = false;

		assert_true(convert_envelope(engine_bytes_str(a->parts[i].bytes), &rows));
		cv.scan = json_scan(rows);
		while (!done)
			assert_true(convert_page(&cv, CONVERT_PAGE, &out, &done));
		convert_drop(&cv);
		buf_drop(&out);
	}
}

/* --- cells --- */
static const struct cell {
	const char *sql, *type, *json;
} cells[] = {
	{"true", "BOOLEAN", "true"}, {"false", "BOOLEAN", "false"}, {"NULL::int", "INTEGER", "null"},
	{"(-32768)::int2", "SMALLINT", "-32768"}, {"2147483647", "INTEGER", "2147483647"},
	{"(-9223372036854775808)::int8", "BIGINT", "-9223372036854775808"}, {"4294967295::oid", "UINTEGER", "4294967295"},
	{"1.5::float4", "FLOAT", "1.5"}, {"1::float8", "DOUBLE", "1.0"}, {"'-0'::float8", "DOUBLE", "-0.0"}, {"0.1::float8",
		"DOUBLE", "0.1"},
	{"1e300::float8", "DOUBLE", "1e+300"}, {"'NaN'::float8", "DOUBLE", "\"NaN\""},
	{"'-Infinity'::float4", "FLOAT", "\"-Infinity\""}, {"'Infinity'::float8", "DOUBLE", "\"Infinity\""},
	{"12.5::numeric(10,2)", "DECIMAL(10,2)", "\"12.50\""}, {"0.5::numeric(38,38)", "DECIMAL(38,38)",
		"\"0.50000000000000000000000000000000000000\""},
	{"12345::numeric(3,-2)", "DECIMAL(5,0)", "\"12300\""}, {"0.001::numeric(2,4)", "DECIMAL(4,4)", "\"0.0010\""},
	{"1::numeric(39,2)", "VARCHAR", "\"1.00\""}, {"1.50", "VARCHAR", "\"1.50\""},
	{"'a\"b\\\n\u00e4'", "VARCHAR", "\"a\\\"b\\\\\\n\u00e4\""}, {"'x'::char(3)", "VARCHAR", "\"x  \""}, {"'n'::name", "VARCHAR",
		"\"n\""},
	{"'\\x00ff10'::bytea", "BLOB", "\"AP8Q\""}, {"''::bytea", "BLOB", "\"\""},
	{"'2026-02-28'::date", "DATE", "\"2026-02-28\""}, {"'0044-03-15 BC'::date", "DATE", "\"0044-03-15 (BC)\""},
	{"'infinity'::date", "DATE", "\"infinity\""}, {"'12345-01-01'::date", "DATE", "\"12345-01-01\""},
	{"'24:00:00'::time", "TIME", "\"24:00:00.000000\""}, {"'01:02:03.5'::time", "TIME", "\"01:02:03.500000\""},
	{"'01:02:03+05:30'::timetz", "TIME WITH TIME ZONE", "\"01:02:03.000000+05:30\""},
	{"'01:02:03-08'::timetz", "TIME WITH TIME ZONE", "\"01:02:03.000000-08:00\""},
	{"'2026-01-02 03:04:05.25'::timestamp", "TIMESTAMP", "\"2026-01-02T03:04:05.250000\""},
	{"'0044-03-15 01:00:00 BC'::timestamp", "TIMESTAMP", "\"0044-03-15 (BC)T01:00:00.000000\""},
	{"'-infinity'::timestamp", "TIMESTAMP", "\"-infinity\""},
	{"'2026-01-02 03:04:05+09'::timestamptz", "TIMESTAMP WITH TIME ZONE", "\"2026-01-01T18:04:05.000000Z\""},
	{"'infinity'::timestamptz", "TIMESTAMP WITH TIME ZONE", "\"infinity\""},
	{"'1 year 2 mons -3 days 04:05:06.70'::interval", "INTERVAL", "\"1 year 2 months -3 days 04:05:06.7\""},
	{"'0'::interval", "INTERVAL", "\"00:00:00\""}, {"'-1 year'::interval", "INTERVAL", "\"-1 year\""},
	{"'1 day -00:00:01'::interval", "INTERVAL", "\"1 day -00:00:01\""}, {"'300:00:00'::interval", "INTERVAL", "\"300:00:00\""},
	{"'-1 day 2 hours'::interval", "INTERVAL", "\"-1 day 02:00:00\""},
	{"'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "UUID", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
	{"'{\"a\": [1, 2.50, {\"b\": null}]}'::json", "JSON", "{\"a\":[1,2.50,{\"b\":null}]}"},
	{"'{\"b\": 1, \"a\": \"x y\"}'::jsonb", "JSON", "{\"a\":\"x y\",\"b\":1}"}, {"'\"s\"'::json", "JSON", "\"s\""},
	{"'null'::jsonb", "JSON", "null"},
	{"array[1,NULL,3]", "INTEGER[]", "[1,null,3]"}, {"'{}'::int[]", "INTEGER[]", "[]"},
	{"array[[1,2],[3,4]]", "INTEGER[]", "[[1,2],[3,4]]"}, {"'[0:1]={5,6}'::int8[]", "BIGINT[]", "[5,6]"},
	{"array['a,b','c\"d\\','NULL',NULL,'{}','']", "VARCHAR[]", "[\"a,b\",\"c\\\"d\\\\\",\"NULL\",null,\"{}\",\"\"]"},
	{"array[true,false]", "BOOLEAN[]", "[true,false]"}, {"array['\\x01'::bytea]", "BLOB[]", "[\"AQ==\"]"},
	{"array[1.5::numeric(5,2)]", "DECIMAL(5,2)[]", "[\"1.50\"]"}, {"array['1 day'::interval]", "INTERVAL[]", "[\"1 day\"]"},
	{"array['2026-01-02'::timestamp]", "TIMESTAMP[]", "[\"2026-01-02T00:00:00.000000\"]"},
	{"array['{\"a\": \"x,y\"}'::jsonb]", "JSON[]", "[{\"a\":\"x,y\"}]"}, {"array['NaN'::float8,1]", "DOUBLE[]", "[\"NaN\",1.0]"},
	{"'127.0.0.1'::inet", "VARCHAR", "\"127.0.0.1\""}, {"int4range(1,5)", "VARCHAR", "\"[1,5)\""},
	{"row(1,'a b')", "VARCHAR", "\"(1,\\\"a b\\\")\""}, {"B'101'", "VARCHAR", "\"101\""}, {"'(1,2)'::point", "VARCHAR", "\"(1,2)\""},
	{"array['(1,2),(3,4)'::box,'(1,2),(3,4)'::box]", "VARCHAR", "\"{(3,4),(1,2);(3,4),(1,2)}\""},
};

static void cells_are_native(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		struct str sql = arena_fmt(b->c.arena, "SELECT %s AS v", cells[i].sql);
		struct pg_answer a = run(b, sql.p);
		struct engine_column *columns;
		int n;

		if (a.outcome != PG_OK)
			print_error("%s: %.*s\n", cells[i].sql, SARG(a.error.message));
		assert_int_equal(a.outcome, PG_OK);
		assert_true(engine_columns(&b->c, a.columns, &columns, &n));
		assert_int_equal(n, 1);
		assert_str_equal(columns[0].name, "v");
		assert_str_equal(columns[0].type, cells[i].type);
		assert_true(columns[0].nullable);
		assert_str_equal(pg_rig_rows(&b->c, &a), arena_fmt(b->c.arena, "[%s]", cells[i].json).p);
		reads_back(b, &a);
		pg_answer_drop(&a);
	}
}

/* What a session may set must not make rows that are no JSON, or of another type than they say. */
static void settings_of_the_session(void **state)
{
	struct bench *b = *state;
	struct pg_answer a;
	struct engine_column *columns;
	int n;

	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT current_setting('TimeZone'), current_setting('DateStyle'), "
		"current_setting('IntervalStyle'), current_setting('client_encoding'), current_setting('bytea_output')"),
		"[\"UTC\",\"ISO, MDY\",\"postgres\",\"UTF8\",\"hex\"]");
	pg_rig_sql(&b->c, b->p, "SET TimeZone = 'Asia/Kathmandu'");
	pg_rig_sql(&b->c, b->p, "SET bytea_output = 'escape'");
	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT '2026-01-01 00:00:00+00'::timestamptz, '\\x005c41ff'::bytea"),
		"[\"2026-01-01T00:00:00.000000Z\",\"AFxB/w==\"]");
	pg_rig_sql(&b->c, b->p, "SET DateStyle = 'German'");
	pg_rig_sql(&b->c, b->p, "SET IntervalStyle = 'iso_8601'");
	a = run(b, "SELECT '2026-02-28'::date, '1 day'::interval");
	assert_true(engine_columns(&b->c, a.columns, &columns, &n));
	assert_str_equal(columns[0].type, "VARCHAR");
	assert_str_equal(columns[1].type, "VARCHAR");
	assert_str_equal(pg_rig_rows(&b->c, &a), "[\"28.02.2026\",\"P1D\"]");
	pg_answer_drop(&a);
	pg_rig_sql(&b->c, b->p, "SET client_encoding = 'LATIN1'");
	a = run(b, "SELECT chr(228) AS v");
	assert_int_equal(a.outcome, PG_OK);
	assert_true(str_is_utf8(pg_rig_rows(&b->c, &a)));
	pg_answer_drop(&a);
	pg_rig_sql(&b->c, b->p, "DISCARD ALL");
	assert_str_equal(pg_rig_sql(&b->c, b->p,
		"SELECT current_setting('TimeZone'), current_setting('client_encoding'), '1 day'::interval"),
		"[\"UTC\",\"UTF8\",\"1 day\"]");
}

/* --- answers --- */
static void answers_have_tags(void **state)
{
	struct bench *b = *state;
	struct pg_answer a = run(b, "CREATE TEMP TABLE t (a int, b text)");

	assert_str_equal(a.command_tag, "CREATE TABLE");
	assert_int_equal(a.affected, -1);
	assert_false(a.has_rows);
	a = run(b, "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 5) i");
	assert_str_equal(a.command_tag, "INSERT 0 5");
	assert_int_equal(a.affected, 5);
	a = run(b, "DELETE FROM t WHERE a < 3 RETURNING a");
	assert_true(a.has_rows);
	assert_str_equal(a.command_tag, "DELETE 2");
	assert_str_equal(pg_rig_rows(&b->c, &a), "[1],[2]");
	pg_answer_drop(&a);
	a = run(b, "SELECT * FROM t WHERE false");
	assert_true(a.has_rows && a.rows == 0 && a.nparts == 0 && a.columns.n > 0);
	assert_str_equal(a.command_tag, "SELECT 0");
	a = run(b, "SELECT FROM t");
	assert_str_equal(pg_rig_rows(&b->c, &a), "[],[],[]");
	pg_answer_drop(&a);
	a = run(b, "");
	assert_int_equal(a.outcome, PG_OK);
	a = run(b, "SELECT 1 AS a; SELECT 2 AS b");
	assert_str_equal(pg_rig_rows(&b->c, &a), "[2]");
	assert_true(a.ns > 0);
	pg_answer_drop(&a);
}

static void rows_come_in_parts(void **state)
{
	struct bench *b = *state;
	struct pg_answer a;
	int64_t rows = 0, bytes = 0;

	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i"),
		.caps = {100000, 1 << 30}}, 250, &a);
	assert_int_equal(a.outcome, PG_OK);
	assert_true(a.nparts >= 5);
	for (int i = 0; i < a.nparts; i++) {
		struct str s = engine_bytes_str(a.parts[i].bytes);

		assert_false(a.parts[i].gzip);
		assert_true(s.n < PG_PART_BYTES + 4096);
		rows += a.parts[i].rows;
		bytes += a.parts[i].row_bytes;
	}
	assert_int_equal(rows, 50000);
	assert_int_equal(a.rows, rows);
	assert_int_equal(a.bytes, bytes);
	assert_false(a.truncated);
	reads_back(b, &a);
	pg_answer_drop(&a);
}

static void caps_cut(void **state)
{
	static const struct str sql = S_INIT("SELECT repeat('x', 10) FROM generate_series(1, 1000)");
	struct bench *b = *state;
	struct pg_answer a;

	pg_run(&b->c, b->p, &(struct pg_ask){.sql = sql, .caps = {3, 1 << 20}}, 250, &a);
	assert_true(a.outcome == PG_OK && a.truncated && a.rows == 3);
	assert_str_equal(a.command_tag, "SELECT 1000");
	pg_answer_drop(&a);
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = sql, .caps = {1000, 50}}, 250, &a);
	assert_true(a.truncated && a.rows == 3 && a.bytes == 42);
	pg_answer_drop(&a);
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = sql, .caps = {1000, 1 << 20}}, 250, &a);
	assert_true(!a.truncated && a.rows == 1000);
	pg_answer_drop(&a);
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = sql}, 250, &a);
	assert_true(a.has_rows && !a.truncated && a.rows == 0 && a.nparts == 0 && a.affected == 1000);
}

static void errors_have_fields(void **state)
{
	struct bench *b = *state;
	struct pg_answer a;

	a = run(b, "SELECT '\u00e4\u00e4' , nope");
	assert_int_equal(a.outcome, PG_FAILED);
	assert_string_equal(a.error.sqlstate, "42703");
	assert_str_equal(a.error.severity, "ERROR");
	assert_int_equal(a.error.position, 15); /* characters, not bytes */
	pg_rig_sql(&b->c, b->p, "CREATE TEMP TABLE k (id int CONSTRAINT k_small CHECK (id < 5))");
	a = run(b, "INSERT INTO k VALUES (7)");
	assert_string_equal(a.error.sqlstate, "23514");
	assert_str_equal(a.error.constraint, "k_small");
	assert_str_equal(a.error.table, "k");
	assert_true(a.error.detail.n > 0 && a.error.schema.n > 0);
	a = run(b, "SELECT length(1)");
	assert_true(a.error.hint.n > 0);
	a = run(b, "DO $$ BEGIN RAISE 'no' USING errcode = 'MF001', detail = 'd', hint = 'h', column = 'c'; END $$");
	assert_string_equal(a.error.sqlstate, "MF001");
	assert_str_equal(a.error.message, "no");
	assert_str_equal(a.error.column, "c");
	assert_true(a.error.context.n > 0);
	/* Rows that came before the error are none of the answer. */
	a = run(b, "SELECT 1 / (3 - i) FROM generate_series(1, 5) i");
	assert_string_equal(a.error.sqlstate, "22012");
	assert_true(a.nparts == 0 && a.rows == 0);
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = {"SELECT 1\0", 9}}, 250, &a);
	assert_string_equal(a.error.sqlstate, "22021");
	assert_true(pg_conn_alive(b->p));
}

static void one_statement_only(void **state)
{
	struct bench *b = *state;
	struct pg_answer a;

	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("SELECT 1; SELECT 2"), .one_only = true}, 250, &a);
	assert_int_equal(a.outcome, PG_FAILED);
	assert_string_equal(a.error.sqlstate, "42601");
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("SELECT 1;"), .one_only = true, .caps = {10, 100}}, 250, &a);
	assert_str_equal(pg_rig_rows(&b->c, &a), "[1]");
	pg_answer_drop(&a);
}

static void notices_are_kept(void **state)
{
	struct bench *b = *state;
	struct pg_answer a = run(b, "DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING errcode = '01999', hint = 'h'; END $$");

	assert_int_equal(a.nnotices, 2);
	assert_str_equal(a.notices[0].message, "one");
	assert_str_equal(a.notices[0].severity, "NOTICE");
	assert_string_equal(a.notices[0].sqlstate, "00000");
	assert_string_equal(a.notices[1].sqlstate, "01999");
	assert_str_equal(a.notices[1].hint, "h");
	a = run(b, "DO $$ BEGIN FOR i IN 1..1500 LOOP RAISE NOTICE '%', i; END LOOP; END $$");
	assert_int_equal(a.nnotices, PG_NOTICES_MAX);
	a = run(b, "DO $$ BEGIN FOR i IN 1..200 LOOP RAISE NOTICE '%', repeat('\u00e4', 100000); END LOOP; END $$");
	assert_true(a.nnotices > 10 && a.nnotices < 100); /* by their bytes */
	assert_true(a.notices[0].message.n <= 65536 && str_is_utf8(a.notices[0].message));
	assert_true(pg_conn_alive(b->p));
}

/* --- COPY --- */
static void copies(void **state)
{
	struct bench *b = *state;
	struct pg_answer a;
	struct buf big = {0};

	pg_rig_sql(&b->c, b->p, "CREATE TEMP TABLE t (a int, b text)");
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("COPY t FROM STDIN"), .data = S("1\tone\n2\ttw\\no\n")}, 250, &a);
	assert_int_equal(a.outcome, PG_OK);
	assert_str_equal(a.command_tag, "COPY 2");
	assert_int_equal(a.affected, 2);
	a = run(b, "COPY t TO STDOUT");
	assert_true(a.has_rows);
	assert_str_equal(pg_rig_rows(&b->c, &a), "[\"1\\tone\"],[\"2\\ttw\\\\no\"]");
	reads_back(b, &a);
	pg_answer_drop(&a);
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("COPY t TO STDOUT"), .caps = {1, 100}}, 250, &a);
	assert_true(a.truncated && a.rows == 1 && a.affected == 2);
	pg_answer_drop(&a);
	a = run(b, "COPY t TO STDOUT (FORMAT binary)");
	assert_int_equal(a.outcome, PG_OK);
	assert_true(a.rows >= 2);
	reads_back(b, &a);
	pg_answer_drop(&a);
	a = run(b, "COPY t FROM STDIN");
	assert_int_equal(a.outcome, PG_FAILED);
	assert_string_equal(a.error.sqlstate, "57014");
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("COPY t FROM STDIN"), .data = S("x\ty\n")}, 250, &a);
	assert_string_equal(a.error.sqlstate, "22P02");
	for (int i = 0; i < 300000; i++)
		buf_fmt(&big, "%d\tsome text for the row\n", i);
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("COPY t FROM STDIN"), .data = buf_str(&big), .one_only = true}, 250, &a);
	assert_int_equal(a.affected, 300000);
	big.p[0] = 'x'; /* an error long before the end of the data */
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("COPY t FROM STDIN"), .data = buf_str(&big)}, 250, &a);
	assert_string_equal(a.error.sqlstate, "22P02");
	buf_drop(&big);
	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT count(*) FROM t"), "[300002]");
	assert_true(pg_conn_alive(b->p));
}

/* --- stopping: another thread waits until the statement runs, then acts --- */
struct actor {
	pthread_t thread;
	const char *act; /* SQL with the pid as %s */
	struct pg_stop *stop;
	int64_t advance_ms;
	int freeze;      /* a signal to the backend */
};

static void act(struct call *c, struct pg_conn *p, const struct actor *r, struct str pid)
{
	int64_t n;

	if (r->freeze) {
		assert_true(str_to_i64(pid, &n));
		kill((pid_t)n, r->freeze);
	}
	if (r->act)
		pg_rig_sql(c, p, arena_fmt(c->arena, r->act, pid.p).p);
	if (r->stop)
		pg_stop_ask(r->stop);
	if (r->advance_ms)
		clock_advance(r->advance_ms);
}

static void *actor_main(void *arg)
{
	struct actor *r = arg;
	OWNS(arena) arena = {0};
	struct call c;
	struct pg_conn *p;
	struct str pid = {NULL, 0};

	call_open(&c, &arena);
	p = connected(&c, NULL);
	while (pid.n == 0) {
		pid = pg_rig_sql(&c, p, "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
			"AND query LIKE '%victim%'");
		pg_rig_pause();
	}
	act(&c, p, r, arena_dup(&arena, str_from(pid.p + 1, pid.n - 2)));
	pg_conn_close(p);
	return NULL;
}

static void begin(struct actor *r)
{
	assert_int_equal(pthread_create(&r->thread, NULL, actor_main, r), 0);
}

static void end(struct actor *r)
{
	assert_int_equal(pthread_join(r->thread, NULL), 0);
}

static void stops(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.stop = &b->stop};
	struct pg_stop next;
	struct pg_answer a;

	begin(&actor);
	a = run(b, "SELECT pg_sleep(60) AS victim");
	end(&actor);
	assert_int_equal(a.outcome, PG_STOPPED);
	assert_true(pg_conn_alive(b->p));
	a = run(b, "SELECT 1"); /* the sign is still on */
	assert_int_equal(a.outcome, PG_STOPPED);
	pg_stop_open(&next);
	pg_conn_stop(b->p, &next);
	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT 1"), "[1]");
	pg_conn_stop(b->p, NULL);
	pg_stop_close(&next);
}

static void stops_a_flood(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.stop = &b->stop};
	struct pg_answer a;

	begin(&actor);
	a = run(b, "SELECT repeat('x', 1000) AS victim FROM generate_series(1, 1000000000)");
	end(&actor);
	assert_int_equal(a.outcome, PG_STOPPED);
	assert_true(a.nparts == 0 && a.rows == 0);
	assert_true(pg_conn_alive(b->p));
}

static void stops_copies(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.stop = &b->stop};
	struct pg_answer a;
	struct buf big = {0};

	pg_rig_sql(&b->c, b->p, "CREATE TEMP TABLE t (a int CHECK (pg_sleep(0.1) IS NOT NULL))");
	for (int i = 0; i < 1000000; i++)
		buf_lit(&big, "1234567\n");
	begin(&actor);
	pg_run(&b->c, b->p, &(struct pg_ask){.sql = S("COPY t FROM STDIN /* victim */"), .data = buf_str(&big)}, 5000, &a);
	end(&actor);
	assert_int_equal(a.outcome, PG_STOPPED);
	pg_conn_stop(b->p, NULL);
	if (pg_conn_alive(b->p)) /* it obeyed in time */
		assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT count(*) FROM t"), "[0]");
	buf_drop(&big);
}

static void stops_copies_out(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.stop = &b->stop};
	struct pg_answer a;

	begin(&actor);
	a = run(b, "COPY (SELECT repeat('x', 1000) AS victim FROM generate_series(1, 1000000000)) TO STDOUT");
	end(&actor);
	assert_int_equal(a.outcome, PG_STOPPED);
	pg_conn_stop(b->p, NULL);
	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT 1"), "[1]");
}

static void deadlines(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.advance_ms = 3600 * 1000};
	struct pg_answer a;

	b->c.deadline_ms = clock_mono_ms() + 3000 * 1000;
	begin(&actor);
	a = run(b, "SELECT pg_sleep(60) AS victim");
	end(&actor);
	assert_int_equal(a.outcome, PG_LATE);
	b->c.deadline_ms = 0;
	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT 1"), "[1]");
}

static void losses(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.act = "SELECT pg_terminate_backend(%s)"};
	struct pg_answer a;

	begin(&actor);
	a = run(b, "SELECT pg_sleep(60) AS victim");
	end(&actor);
	assert_int_equal(a.outcome, PG_LOST);
	assert_false(pg_conn_alive(b->p));
	a = run(b, "SELECT 1");
	assert_int_equal(a.outcome, PG_LOST);
}

static void notes_the_end_while_idle(void **state)
{
	struct bench *b = *state;
	struct pg_conn *p = connected(&b->c, NULL);
	struct str pid = pg_rig_sql(&b->c, p, "SELECT pg_backend_pid()");
	int64_t until = clock_mono_ms() + PG_RIG_LIMIT_MS;

	assert_true(pg_conn_alive(p));
	pg_rig_sql(&b->c, b->p, arena_fmt(b->c.arena, "SELECT pg_terminate_backend(%.*s)", (int)pid.n - 2, pid.p + 1).p);
	while (pg_conn_alive(p)) {
		assert_true(clock_mono_ms() < until);
		pg_rig_pause();
	}
	pg_conn_close(p);
}

/* A backend that does not listen is given up after the grace, and nothing hangs. */
static void gives_up_after_the_grace(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.stop = &b->stop, .freeze = SIGSTOP};
	struct str pid = pg_rig_sql(&b->c, b->p, "SELECT pg_backend_pid()");
	struct pg_answer a;
	int64_t n;

	assert_true(str_to_i64(str_from(pid.p + 1, pid.n - 2), &n));
	begin(&actor);
	a = run(b, "SELECT pg_sleep(600) AS victim");
	end(&actor);
	assert_int_equal(a.outcome, PG_STOPPED);
	assert_false(pg_conn_alive(b->p));
	kill((pid_t)n, SIGCONT);
}

/* --- the read-only round trip --- */
static enum pg_outcome read_sql(struct bench *b, const char *one, const char *two, struct pg_answer answers[2])
{
	const struct str sql[] = {str_of(one), str_of(two)};

	return pg_read(&b->c, b->p, sql, two ? 2 : 1, (struct pg_caps){1000, 1 << 20}, answers);
}

static void reads(void **state)
{
	struct bench *b = *state;
	struct pg_answer a[2];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(read_sql(b, "SELECT 1 AS a", "VALUES (2,'x')", a), PG_OK);
		assert_str_equal(pg_rig_rows(&b->c, &a[0]), "[1]");
		assert_str_equal(pg_rig_rows(&b->c, &a[1]), "[2,\"x\"]");
		assert_str_equal(a[0].command_tag, "SELECT 1");
		assert_true(pg_conn_alive(b->p));
		pg_answer_drop(&a[0]);
		pg_answer_drop(&a[1]);
	}
	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT 3"), "[3]"); /* the pipeline is left for other statements */
	assert_int_equal(read_sql(b, "SHOW TimeZone", NULL, a), PG_OK);
	assert_str_equal(pg_rig_rows(&b->c, &a[0]), "[\"UTC\"]");
	pg_answer_drop(&a[0]);
}

static void reading_cannot_write(void **state)
{
	static const char *const writes[] = {"CREATE TABLE w (a int)", "CREATE TEMP TABLE w (a int)", "SELECT nextval('s')",
		"INSERT INTO seen VALUES (1)",
		"SET TRANSACTION READ WRITE", "SELECT set_config('transaction_read_only', 'off', false)"};
	struct bench *b = *state;
	struct pg_answer a[2];

	pg_rig_sql(&b->c, b->p, "CREATE TABLE IF NOT EXISTS seen (a int)");
	pg_rig_sql(&b->c, b->p, "CREATE SEQUENCE IF NOT EXISTS s");
	for (size_t i = 0; i < COUNT_OF(writes); i++) {
		assert_int_equal(read_sql(b, writes[i], "INSERT INTO seen VALUES (2)", a), PG_NOT_READ_ONLY);
		assert_true(pg_conn_alive(b->p));
	}
	assert_str_equal(pg_rig_sql(&b->c, b->p, "SELECT count(*) FROM seen"), "[0]");
	pg_rig_sql(&b->c, b->p, "DROP TABLE seen");
	pg_rig_sql(&b->c, b->p, "DROP SEQUENCE s");
}

static void reading_leaves_nothing(void **state)
{
	struct bench *b = *state;
	struct pg_answer a[2];

	assert_int_equal(read_sql(b, "SELECT pg_advisory_lock(7)",
		"SELECT set_config('TimeZone', 'Asia/Tokyo', false), lo_create(4711)", a), PG_OK);
	pg_answer_drop(&a[0]);
	pg_answer_drop(&a[1]);
	assert_int_equal(read_sql(b, "SELECT current_setting('TimeZone'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')",
		"SELECT count(*) FROM pg_largeobject_metadata", a), PG_OK);
	assert_str_equal(pg_rig_rows(&b->c, &a[0]), "[\"UTC\",0]");
	assert_str_equal(pg_rig_rows(&b->c, &a[1]), "[0]");
	pg_answer_drop(&a[0]);
	pg_answer_drop(&a[1]);
}

static void reading_fails_and_goes_on(void **state)
{
	struct bench *b = *state;
	struct pg_answer a[2];

	assert_int_equal(read_sql(b, "SELECT 1", "SELECT 1/0", a), PG_FAILED);
	assert_int_equal(a[0].outcome, PG_OK);
	assert_string_equal(a[1].error.sqlstate, "22012");
	pg_answer_drop(&a[0]);
	assert_int_equal(read_sql(b, "SELECT nope", "SELECT 1", a), PG_FAILED);
	assert_string_equal(a[0].error.sqlstate, "42703");
	assert_int_equal(a[0].error.position, 8);
	assert_int_equal(read_sql(b, "SELECT 1; SELECT 2", NULL, a), PG_FAILED);
	assert_true(pg_conn_alive(b->p));
	assert_int_equal(read_sql(b, "SELECT 5", NULL, a), PG_OK);
	assert_str_equal(pg_rig_rows(&b->c, &a[0]), "[5]");
	pg_answer_drop(&a[0]);
}

static void reading_stops(void **state)
{
	struct bench *b = *state;
	struct actor actor = {.stop = &b->stop};
	struct pg_answer a[2];

	begin(&actor);
	assert_int_equal(read_sql(b, "SELECT 1", "SELECT pg_sleep(60) AS victim", a), PG_STOPPED);
	end(&actor);
	pg_answer_drop(&a[0]);
	pg_conn_stop(b->p, NULL);
	assert_true(pg_conn_alive(b->p));
	assert_int_equal(read_sql(b, "SELECT 5", NULL, a), PG_OK);
	pg_answer_drop(&a[0]);
	actor = (struct actor){.act = "SELECT pg_terminate_backend(%s)"};
	begin(&actor);
	assert_int_equal(read_sql(b, "SELECT pg_sleep(60) AS victim", NULL, a), PG_LOST);
	end(&actor);
	assert_false(pg_conn_alive(b->p));
	assert_int_equal(read_sql(b, "SELECT 5", NULL, a), PG_LOST);
}

/* The end of the round trip is read by whoever asks. */
static void reading_and_then_the_end(void **state)
{
	struct bench *b = *state;
	struct pg_conn *p = connected(&b->c, NULL);
	struct pg_answer a[2];
	int64_t until = clock_mono_ms() + PG_RIG_LIMIT_MS;

	assert_int_equal(read_sql(b, "SELECT pg_backend_pid()", NULL, a), PG_OK);
	assert_true(pg_conn_alive(b->p));
	pg_rig_sql(&b->c, p, arena_fmt(b->c.arena, "SELECT pg_terminate_backend((%.*s::json->>0)::int)",
		SARG(arena_fmt(b->c.arena, "'%.*s'", SARG(pg_rig_rows(&b->c, &a[0]))))).p);
	pg_answer_drop(&a[0]);
	while (pg_conn_alive(b->p)) {
		assert_true(clock_mono_ms() < until);
		pg_rig_pause();
	}
	pg_conn_close(p);
}

/* What is no statement for a pipeline costs the connection, nothing more. */
static void reading_is_not_for_copies(void **state)
{
	struct bench *b = *state;
	struct pg_answer a[2];

	assert_int_not_equal(read_sql(b, "COPY (SELECT 1) TO STDOUT", NULL, a), PG_OK);
	assert_int_not_equal(read_sql(b, "SELECT 1", NULL, a), PG_OK);
}

static int open_rig(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pg_rig_open(&rig);
	return 0;
}

static int close_rig(void **state)
{
	(void)state;
	pg_rig_close(&rig);
	return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(cells_are_native), T(settings_of_the_session), T(answers_have_tags), T(rows_come_in_parts), T(caps_cut),
			T(errors_have_fields),
		T(one_statement_only), T(notices_are_kept), T(copies), T(stops), T(stops_a_flood), T(stops_copies), T(stops_copies_out),
		T(deadlines), T(losses), T(notes_the_end_while_idle), T(gives_up_after_the_grace), T(reads), T(reading_cannot_write),
		T(reading_leaves_nothing), T(reading_fails_and_goes_on), T(reading_stops), T(reading_and_then_the_end),
			T(reading_is_not_for_copies),
	};

	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
