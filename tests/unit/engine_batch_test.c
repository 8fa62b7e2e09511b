/* engine_batch_test.c - arrays of binds: as a table, and once a row; with real workers. */
#include "catalog_rig.h"

#define NONE {NULL, 0}
static const struct str whole[] = {S_INIT("1"), S_INIT("-2"), NONE, S_INIT("999999999999999999")};
static const struct str exact[] = {S_INIT("1.5"), S_INIT("-0.001"), NONE, S_INIT("12345678901234567890")};
static const struct str real[] = {S_INIT("1.5e3"), S_INIT("-0.25"), NONE, S_INIT("Infinity")};
static const struct str text[] = {S_INIT("a"), S_INIT(""), NONE, S_INIT("Zo\xC3\xAB")};
static const struct str yes[] = {S_INIT("true"), S_INIT("0"), NONE, S_INIT("1")};
static const struct str dates[] = {S_INIT("1709164800000"), S_INIT("-86400000"), NONE, S_INIT("0")};
static const struct str times[] = {S_INIT("47107250000000"), S_INIT("0"), NONE, S_INIT("1000")};
static const struct str fine[] = {S_INIT("1709211907250000001"), S_INIT("-1"), NONE, S_INIT("0")};
static const struct str instants[] = {S_INIT("1709211907250000000"), S_INIT("-1000000"), NONE, S_INIT("0")};
static const struct str zoned[] = {S_INIT("1709211907250000000 1560"), S_INIT("0 1440"), NONE, S_INIT("0 1035")};
static const struct str bytes[] = {S_INIT("00ff"), S_INIT(""), NONE, S_INIT("AB")};

static struct engine_ask batch_of(const char *sql, const struct engine_bind *binds, int n, int64_t rows)
{
	struct engine_ask ask = ask_of(NULL, sql);

	ask.binds = binds;
	ask.nbinds = n;
	ask.batch = rows;
	ask.set_based = true;
	ask.writes = true;
	ask.counts = ENGINE_INSERTED;
	return ask;
}

static void assert_column(enum engine_bind_type type, const struct str *values, const char *rows)
{
	const struct engine_bind bind = {.type = type, .values = values};
	struct engine_ask ask = batch_of("SELECT CAST(b.\"1\" AS VARCHAR) FROM mayfly_binds() AS b", &bind, 1, 4);
	struct done d;

	ask.counts = ENGINE_ROWS;
	ask.writes = false;
	d = run_ask(&ask);
	must(d);
	if (!str_eq(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", rows)))
		print_error("%.*s\n", SARG(d.rows));
	assert_true(str_eq(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", rows)));
}

static void every_type_is_a_column(void **state)
{
	(void)state;
	assert_column(ENGINE_B_FIXED, whole, "[\"1\"],[\"-2\"],[null],[\"999999999999999999\"]");
	assert_column(ENGINE_B_FIXED, exact, "[\"1.500\"],[\"-0.001\"],[null],[\"12345678901234567890.000\"]");
	assert_column(ENGINE_B_REAL, real, "[\"1500.0\"],[\"-0.25\"],[null],[\"inf\"]");
	assert_column(ENGINE_B_TEXT, text, "[\"a\"],[\"\"],[null],[\"Zo\xC3\xAB\"]");
	assert_column(ENGINE_B_BOOLEAN, yes, "[\"true\"],[\"false\"],[null],[\"true\"]");
	assert_column(ENGINE_B_DATE, dates, "[\"2024-02-29\"],[\"1969-12-31\"],[null],[\"1970-01-01\"]");
	assert_column(ENGINE_B_TIME, times, "[\"13:05:07.25\"],[\"00:00:00\"],[null],[\"00:00:00.000001\"]");
	assert_column(ENGINE_B_TIMESTAMP_NTZ, fine, "[\"2024-02-29 13:05:07.250000001\"],[\"1969-12-31 23:59:59.999999999\"],[null],[\"1970-01-01 00:00:00\"]");
	assert_column(ENGINE_B_TIMESTAMP_NTZ, instants, "[\"2024-02-29 13:05:07.25\"],[\"1969-12-31 23:59:59.999\"],[null],[\"1970-01-01 00:00:00\"]");
	assert_column(ENGINE_B_TIMESTAMP_LTZ, instants, "[\"2024-02-29 13:05:07.25+00\"],[\"1969-12-31 23:59:59.999+00\"],[null],[\"1970-01-01 00:00:00+00\"]");
	assert_column(ENGINE_B_TIMESTAMP_TZ, zoned,
		      "[\"2024-02-29 15:05:07.250000000+02:00\"],[\"1970-01-01 00:00:00.000000000+00:00\"],[null],[\"1969-12-31 17:15:00.000000000-06:45\"]");
	assert_column(ENGINE_B_BINARY, bytes, "[\"\\\\x00\\\\xFF\"],[\"\"],[null],[\"\\\\xAB\"]");
}

static void rows_are_inserted_at_once(void **state)
{
	const struct engine_bind binds[] = {{.type = ENGINE_B_FIXED, .values = whole}, {.type = ENGINE_B_TEXT, .value = S("same")},
					    {.type = ENGINE_B_NULL}};
	struct engine_ask ask = batch_of("INSERT INTO t SELECT b.\"1\", b.\"2\", b.\"3\" FROM mayfly_binds() AS b", binds, 3, 4);
	struct done d;

	(void)state;
	ddl(NULL, "CREATE TABLE t (a DECIMAL(38,0), b VARCHAR, c DATE)");
	d = run_ask(&ask);
	must(d);
	assert_int_equal(d.inserted, 4);
	assert_rows(NULL, "SELECT CAST(a AS BIGINT), b, c FROM t ORDER BY a NULLS LAST",
		    "[-2,\"same\",null],[1,\"same\",null],[999999999999999999,\"same\",null],[null,\"same\",null]");
}

static void an_offset_arrives_in_its_column(void **state)
{
	const struct engine_bind bind = {.type = ENGINE_B_TIMESTAMP_TZ, .values = zoned};
	struct engine_ask ask = batch_of("INSERT INTO z SELECT \"1\" FROM mayfly_binds()", &bind, 1, 4);

	(void)state;
	ddl(NULL, "CREATE TABLE z (a TIMESTAMP_TZ)");
	must(run_ask(&ask));
	assert_rows(NULL, "SELECT CAST(a AS TIMESTAMPTZ), SF_TZ_ZONE(a) FROM z ORDER BY 1 NULLS LAST",
		    "[\"1970-01-01T00:00:00.000000Z\",0],[\"1970-01-01T00:00:00.000000Z\",-405],[\"2024-02-29T13:05:07.250000Z\",120],[null,null]");
}

/* The same text with values of other types: nothing of the former is kept. */
static void types_are_those_of_the_values(void **state)
{
	const struct engine_bind binds[] = {{.type = ENGINE_B_FIXED, .values = whole}, {.type = ENGINE_B_FIXED, .values = exact}, {.type = ENGINE_B_TEXT, .values = text}};
	static const char *const types[] = {"BIGINT", "DECIMAL(38,3)", "VARCHAR"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		struct engine_ask ask = batch_of("SELECT typeof(\"1\") FROM mayfly_binds() LIMIT 1", &binds[i], 1, 4);
		struct done d;

		ask.counts = ENGINE_ROWS;
		d = run_ask(&ask);
		must(d);
		assert_str_equal(d.rows, arena_fmt(&fx->arena, "{\"data\":[[\"%s\"]]}", types[i]).p);
	}
	assert_int_equal(run(NULL, "SELECT * FROM mayfly_binds()").outcome, ENGINE_FAILED);
}

static void once_a_row_is_one_transaction(void **state)
{
	static const struct str keys[] = {S_INIT("1"), S_INIT("2"), S_INIT("7")}, values[] = {S_INIT("x"), NONE, S_INIT("z")};
	const struct engine_bind binds[] = {{.type = ENGINE_B_TEXT, .values = values}, {.type = ENGINE_B_FIXED, .values = keys}};
	struct engine_ask ask = batch_of("UPDATE t SET b = ? WHERE a = ?", binds, 2, 3);
	struct done d;

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT i AS a, 'old' AS b FROM range(4) r(i)");
	ask.set_based = false;
	ask.counts = ENGINE_UPDATED;
	d = run_ask(&ask);
	must(d);
	assert_int_equal(d.count, 2);
	assert_int_equal(d.updated, 2);
	assert_rows(NULL, "SELECT b FROM t ORDER BY a", "[\"old\"],[\"x\"],[null],[\"old\"]");
	ask.sql = S("INSERT INTO t SELECT CAST(? AS INT), ?");
	ask.counts = ENGINE_INSERTED;
	assert_int_equal(run_ask(&ask).outcome, ENGINE_FAILED);
	assert_rows(NULL, "SELECT count(*) FROM t", "[4]");
}

static void a_bad_value_is_named(void **state)
{
	static const struct {
		enum engine_bind_type type;
		struct str value;
		const char *name;
	} v[] = {{ENGINE_B_FIXED, S_INIT("abc"), "FIXED"}, {ENGINE_B_REAL, S_INIT("inf"), "REAL"}, {ENGINE_B_BOOLEAN, S_INIT("yes"), "BOOLEAN"},
		 {ENGINE_B_DATE, S_INIT("2024-01-01"), "DATE"}, {ENGINE_B_TIME, S_INIT("86400000000000"), "TIME"}, {ENGINE_B_TIMESTAMP_TZ, S_INIT("0"), "TIMESTAMP_TZ"},
		 {ENGINE_B_TIMESTAMP_NTZ, S_INIT(""), "TIMESTAMP_NTZ"}, {ENGINE_B_BINARY, S_INIT("0g"), "BINARY"}, {ENGINE_B_TEXT, S_INIT("\xFF"), "TEXT"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(v); i++) {
		const struct str values[] = {{NULL, 0}, v[i].value};
		const struct engine_bind bind = {.type = v[i].type, .values = values};
		struct engine_ask ask = batch_of("SELECT count(*) FROM mayfly_binds()", &bind, 1, 2);
		struct done d;

		ask.counts = ENGINE_ROWS;
		for (int k = 0; k < 2; k++) {
			d = run_ask(&ask);
			assert_int_equal(d.outcome, ENGINE_FAILED);
			assert_str_equal(d.class, v[i].name);
			assert_true(str_starts(d.text, S("Invalid bind value (")));
			ask.set_based = false;
			ask.sql = S("SELECT ?");
		}
	}
}

static void a_sessions_limits_hold(void **state)
{
	const struct engine_bind bind = {.type = ENGINE_B_FIXED, .values = whole};
	struct engine_usage max = {10, 3, 1 << 20};
	struct owned *o = open_catalog(false);
	struct engine_ask ask = batch_of("INSERT INTO t SELECT \"1\" FROM mayfly_binds()", &bind, 1, 4);

	(void)state;
	engine_catalog_limit(o->k, &max);
	ddl(o, "CREATE TABLE t (a BIGINT)");
	ask.catalog = o->k;
	assert_int_equal(run_ask(&ask).outcome, ENGINE_FULL);
	ask.batch = 3;
	must(run_ask(&ask));
	assert_int_equal(o->usage.rows, 3);
	close_catalog(o);
}

static void many_rows_come_whole(void **state)
{
	enum { ROWS = 100000 };
	struct str *a = arena_zalloc(&fx->arena, sizeof(*a) * ROWS), *b = arena_zalloc(&fx->arena, sizeof(*b) * ROWS);
	const struct engine_bind binds[] = {{.type = ENGINE_B_FIXED, .values = a}, {.type = ENGINE_B_TEXT, .values = b}};
	struct engine_ask ask = batch_of("INSERT INTO t SELECT \"1\", \"2\" FROM mayfly_binds()", binds, 2, ROWS);
	struct done d;

	(void)state;
	for (int i = 0; i < ROWS; i++) {
		a[i] = arena_fmt(&fx->arena, "%d", i);
		b[i] = i % 3 ? arena_fmt(&fx->arena, "text number %d", i) : (struct str){NULL, 0};
	}
	ddl(NULL, "CREATE TABLE t (a INT, b VARCHAR)");
	d = run_ask(&ask);
	must(d);
	assert_int_equal(d.inserted, ROWS);
	assert_rows(NULL, "SELECT count(*), count(b), CAST(sum(a) AS BIGINT), count(*) FILTER (b = 'text number ' || a) FROM t",
		    "[100000,66666,4999950000,66666]");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(every_type_is_a_column),
		CASE(rows_are_inserted_at_once),
		CASE(an_offset_arrives_in_its_column),
		CASE(types_are_those_of_the_values),
		CASE(once_a_row_is_one_transaction),
		CASE(a_bad_value_is_named),
		CASE(a_sessions_limits_hold),
		CASE(many_rows_come_whole),
	};

	return cmocka_run_group_tests_name("engine batches", tests, NULL, NULL);
}
