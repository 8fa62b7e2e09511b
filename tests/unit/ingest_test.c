/* ingest_test.c - rows into a table, the worker's side: formats, types, errors, limits, ends. */
#include "ingest_rig.h"

/* --- rows come in --- */
static void every_format_brings_rows(void **state)
{
	(void)state;
	execute("CREATE TABLE f (id INTEGER, name VARCHAR, price DOUBLE)");
	takes("f", ENGINE_ROWS_JSON, S("[{\"id\":1,\"name\":\"a\",\"price\":1.5},[2,\"b\",null]]"), 2);
	takes("f", ENGINE_ROWS_NDJSON, S("{\"NAME\":\"c\",\"id\":3}\n\n[4,\"d\",1e3]\n"), 2);
	takes("f", ENGINE_ROWS_CSV, S("price,ID\r\n2.5,5\r\n,6\r\n"), 2);
	takes("f", ENGINE_ROWS_CSV, S("name,id\n,7\n\"\",8\n\"x,\"\"\n\",9\n"), 3);
	takes("F", ENGINE_ROWS_JSON, S("[]"), 0);
	takes("f", ENGINE_ROWS_NDJSON, S(""), 0);
	takes("f", ENGINE_ROWS_CSV, S("id\n"), 0);
	assert_rows("SELECT * FROM f ORDER BY id", "[1,\"a\",1.5],[2,\"b\",null],[3,\"c\",null],[4,\"d\",1000.0],[5,null,2.5],"
						   "[6,null,null],[7,null,null],[8,\"\",null],[9,\"x,\\\"\\n\",null]");
	execute("DROP TABLE f");
}

static void frames_and_rows_are_cut_anywhere(void **state)
{
	static const size_t pieces[] = {1, 2, 3, 5, 7, 1 << 20};
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE cut (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 500; i++)
		buf_fmt(&b, "{\"id\":%d,\"name\":\"row \\u20ac %d\"}\n", i, i);
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		OWNS(answer) a;

		ingest("cut", ENGINE_ROWS_NDJSON, buf_str(&b), pieces[i], &a);
		assert_int_equal(a.end.outcome, ENGINE_OK);
		assert_int_equal(a.end.rows, 500);
	}
	assert_rows("SELECT count(*), sum(id), count(DISTINCT name), max(name) FROM cut",
		    "[3000,\"748500\",500,\"row \xE2\x82\xAC 99\"]");
	execute("DROP TABLE cut");
}

static void many_rows_keep_their_order(void **state)
{
	struct upload u;
	OWNS(answer) a;
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE many (id BIGINT PRIMARY KEY, name VARCHAR, at_day DATE)");
	u = open_upload(&the, "many", ENGINE_ROWS_NDJSON);
	for (int i = 0; i < 300000; i++) {
		/* dates of two writings: the column goes another way from row 150000 on */
		buf_fmt(&b, "{\"id\":%d,\"name\":\"row number %d\",\"at_day\":\"%s\"}\n", i, i,
			i < 150000 ? "2024-02-29" : "2024-2-29");
		if (b.n > 100000 || i == 299999) {
			put_frame(&u, buf_str(&b));
			buf_clear(&b);
		}
	}
	end_upload(&the, &u, true, &a);
	assert_int_equal(a.end.outcome, ENGINE_OK);
	assert_int_equal(a.end.rows, 300000);
	assert_int_equal(a.usage.tables, 1);
	assert_int_equal(a.usage.rows, 300000);
	assert_true(a.usage.bytes > 300000 * 20);
	assert_rows("SELECT count(*), sum(id), min(at_day), max(at_day), count(*) FILTER (name = 'row number ' || id) FROM many",
		    "[300000,\"44999850000\",\"2024-02-29\",\"2024-02-29\",300000]");
	assert_rows("SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY rowid) AS before FROM many) WHERE id < before", "[0]");
	execute("DROP TABLE many");
}

static void a_long_row_comes_whole(void **state)
{
	OWNS(buf) b = {0};
	OWNS(answer) a;

	(void)state;
	execute("CREATE TABLE long (id INTEGER, name VARCHAR)");
	for (int row = 0; row < 3; row++) {
		buf_fmt(&b, "{\"id\":%d,\"name\":\"", row);
		for (int i = 0; i < 600000; i++)
			buf_lit(&b, "0123456789");
		buf_lit(&b, "\"}\n");
	}
	ingest("long", ENGINE_ROWS_NDJSON, buf_str(&b), 60000, &a);
	assert_int_equal(a.end.rows, 3);
	assert_rows("SELECT id, length(name) FROM long ORDER BY id", "[0,6000000],[1,6000000],[2,6000000]");
	execute("DELETE FROM long");
	buf_clear(&b);
	buf_lit(&b, "{\"id\":1,\"name\":\"");
	while (b.n < (17 << 20))
		buf_lit(&b, "0123456789");
	refuses("long", ENGINE_ROWS_NDJSON, buf_str(&b), "Mismatch", 1, "");
	execute("DROP TABLE long");
}

/* --- types: what a native result writes comes back as the same value --- */
static const struct {
	const char *type, *value;
} typed[] = {
	{"BOOLEAN", "true"}, {"BOOLEAN", "false"},
	{"TINYINT", "-128"}, {"SMALLINT", "32767"}, {"INTEGER", "-2147483648"}, {"BIGINT", "-9223372036854775808"},
	{"BIGINT", "9223372036854775807"}, {"UTINYINT", "255"}, {"USMALLINT", "65535"}, {"UINTEGER", "4294967295"},
	{"UBIGINT", "18446744073709551615"},
	{"HUGEINT", "'-170141183460469231731687303715884105728'"}, {"HUGEINT", "'170141183460469231731687303715884105727'"},
	{"UHUGEINT", "'340282366920938463463374607431768211455'"},
	{"FLOAT", "0.1"}, {"FLOAT", "'NaN'"}, {"DOUBLE", "0.14285714285714285"}, {"DOUBLE", "'Infinity'"}, {"DOUBLE", "'-Infinity'"},
	{"DOUBLE", "'NaN'"}, {"DOUBLE", "1.7976931348623157e308"}, {"DOUBLE", "5e-324"}, {"DOUBLE", "-0.0"},
	{"DECIMAL(4,1)", "-999.9"}, {"DECIMAL(9,2)", "1234567.89"}, {"DECIMAL(18,3)", "123456789012345.678"},
	{"DECIMAL(38,10)", "1234567890123456789012345678.0123456789"}, {"DECIMAL(38,0)", "'-99999999999999999999999999999999999999'"},
	{"VARCHAR", "''"}, {"VARCHAR", "'a \"q\" \\ b' || chr(10) || chr(1) || '\xE2\x82\xAC \xF0\x9F\x98\x80'"}, {"VARCHAR", "'null'"},
	{"BLOB", "'\\x00\\xFFabc'::BLOB"}, {"BLOB", "''::BLOB"}, {"BIT", "'0101101'"},
	{"UUID", "'00112233-4455-6677-8899-aabbccddeeff'"},
	{"DATE", "'2024-02-29'"}, {"DATE", "'0044-03-15 (BC)'"}, {"DATE", "'infinity'"}, {"DATE", "'12345-01-01'"},
	{"TIME", "'23:59:59.999999'"}, {"TIME_NS", "'12:34:56.123456789'"}, {"TIMETZ", "'12:34:56.5+05:30'"},
	{"TIMESTAMP", "'2024-02-29 12:34:56.123456'"}, {"TIMESTAMP", "'-infinity'"}, {"TIMESTAMP", "'0044-03-15 (BC) 01:02:03.5'"}, {"TIMESTAMP", "'1969-12-31 23:59:59.999999'"},
	{"TIMESTAMP_S", "'2024-02-29 12:34:56'"}, {"TIMESTAMP_MS", "'2024-02-29 12:34:56.123'"},
	{"TIMESTAMP_NS", "'2024-02-29 12:34:56.123456789'"}, {"TIMESTAMPTZ", "'2024-02-29 12:34:56.123456+00'"},
	{"INTERVAL", "'1 year 2 months 3 days 04:05:06.789'"}, {"INTERVAL", "'-5 days -01:00:00'"},
	{"ENUM('x', 'y''z')", "'y''z'"},
	{"JSON", "'{\"a\":[1,2.50,\"x\",null]}'"}, {"JSON", "'\"text\"'"}, {"JSON", "'12'"},
	{"INTEGER[]", "[1,NULL,3]"}, {"VARCHAR[]", "['a','b\"c',NULL]"}, {"INTEGER[3]", "[1,2,3]"}, {"INTEGER[][]", "[[1],[],NULL]"},
	{"DOUBLE[]", "['NaN'::DOUBLE, 'Infinity', 1.5]"}, {"DECIMAL(10,2)[]", "[1.25, -3.5]"},
	{"HUGEINT[]", "['170141183460469231731687303715884105727']"},
	{"TIMESTAMP[]", "['2024-02-29 12:34:56.123456']"}, {"UUID[]", "['00112233-4455-6677-8899-aabbccddeeff']"},
	{"STRUCT(a INTEGER, \"b c\" VARCHAR)", "{'a': 1, 'b c': 'x'}"},
	{"STRUCT(a INTEGER, b STRUCT(c DATE, d INTERVAL))", "{'a': NULL, 'b': {'c': '2024-01-01', 'd': '3 days'}}"},
	{"MAP(VARCHAR, INTEGER)", "MAP {'k': 1, 'l': NULL}"}, {"MAP(INTEGER, VARCHAR)", "MAP {1: 'x', 2: 'y'}"},
	{"MAP(DATE, INTEGER[])", "MAP {'2024-01-01'::DATE: [1,2]}"}, {"STRUCT(m MAP(INTEGER, INTEGER))", "{'m': MAP {1: 2}}"},
	{"BLOB[]", "['\\x00\\x01\\x02'::BLOB, NULL, ''::BLOB]"}, {"STRUCT(\"a'\"\"b\" BLOB, c BIT)", "row('\\xFF'::BLOB, '011'::BIT)"},
	{"UNION(n INTEGER, s VARCHAR)", "union_value(s := '1')"}, {"UNION(n INTEGER, s VARCHAR)[]", "[union_value(n := 1), NULL]"},
	{"BIGNUM", "'123456789012345678901234567890123456789012345'"}, {"GEOMETRY", "'POINT (1 2)'"},
	{"STRUCT(a BLOB)[2]", "[{'a': '\\x01'::BLOB}, NULL]"}, {"MAP(VARCHAR, BLOB)", "MAP {'k': '\\x09'::BLOB}"},
};

static void write_out(struct buf *b)
{
	OWNS(answer) a;

	run(&the, "SELECT v FROM src ORDER BY id", false, &a);
	buf_lit(b, "[[7,");
	buf_add(b, str_from(a.rows.p + 1, a.rows.n - 2));
	buf_lit(b, "],{\"id\":8}]");
}

static void every_type_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(typed); i++) {
		OWNS(buf) sql = {0}, json = {0};

		buf_fmt(&sql, "CREATE TABLE src AS SELECT 7 AS id, CAST(%s AS %s) AS v", typed[i].value, typed[i].type);
		execute(buf_cstr(&sql));
		execute("CREATE TABLE dst AS SELECT * FROM src LIMIT 0");
		write_out(&json);
		takes("dst", ENGINE_ROWS_JSON, buf_str(&json), 2);
		assert_rows("SELECT count(*), count(*) FILTER (d.v IS NOT DISTINCT FROM s.v) FROM dst d, src s WHERE d.id = 7",
			    "[1,1]");
		assert_rows("SELECT v FROM dst WHERE id = 8", "[null]");
		execute("DROP TABLE src");
		execute("DROP TABLE dst");
	}
}

/* --- CSV has the cells as native results write them, without the quotes of JSON --- */
static void put_csv(struct buf *b, struct str cell)
{
	OWNS(arena) a = {0};

	if (str_eq(cell, S("null")))
		return;
	if (cell.n && cell.p[0] == '"')
		cell = json_unescape(&a, str_from(cell.p + 1, cell.n - 2));
	buf_addc(b, '"');
	for (size_t i = 0; i < cell.n; i++) {
		if (cell.p[i] == '"')
			buf_addc(b, '"');
		buf_addc(b, cell.p[i]);
	}
	buf_addc(b, '"');
}

static void every_type_comes_back_from_csv(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(typed); i++) {
		OWNS(buf) sql = {0}, csv = {0};
		OWNS(answer) a;

		if (strcmp(typed[i].value, "'\"text\"'") == 0)
			continue; /* a JSON text loses its quotes in CSV: what is left is no JSON */
		buf_fmt(&sql, "CREATE TABLE src AS SELECT 7 AS id, CAST(%s AS %s) AS v", typed[i].value, typed[i].type);
		execute(buf_cstr(&sql));
		execute("CREATE TABLE dst AS SELECT * FROM src LIMIT 0");
		run(&the, "SELECT v FROM src", false, &a);
		buf_lit(&csv, "v,id\r\n");
		put_csv(&csv, str_from(a.rows.p + 1, a.rows.n - 2));
		buf_lit(&csv, ",7\r\n,8\r\n");
		takes("dst", ENGINE_ROWS_CSV, buf_str(&csv), 2);
		assert_rows("SELECT count(*), count(*) FILTER (d.v IS NOT DISTINCT FROM s.v) FROM dst d, src s WHERE d.id = 7",
			    "[1,1]");
		assert_rows("SELECT v FROM dst WHERE id = 8", "[null]");
		execute("DROP TABLE src");
		execute("DROP TABLE dst");
	}
}

static void values_of_other_writings_fit(void **state)
{
	(void)state;
	execute("CREATE TABLE w (id INTEGER, small TINYINT, name VARCHAR, "
		"price DECIMAL(6,2), day DATE, at_time TIMESTAMP, yes BOOLEAN)");
	takes("w", ENGINE_ROWS_JSON, S("[[1.0,\"42\",7,1.005,\"2024-2-9\",\"2024-02-09\",\"TRUE\"],"
				       "[2e0,4.2e1,true,\"-1.5\",\"2024-02-10\",\"2024-02-09 01:02\",false],"
				       "[\"3\",-1,{\"a\":[1]},0,null,\"2024-02-09T00:00:00Z\",null]]"), 3);
	assert_rows("SELECT * FROM w ORDER BY id",
		    "[1,42,\"7\",\"1.01\",\"2024-02-09\",\"2024-02-09T00:00:00.000000\",true],"
		    "[2,42,\"true\",\"-1.50\",\"2024-02-10\",\"2024-02-09T01:02:00.000000\",false],"
		    "[3,-1,\"{\\\"a\\\":[1]}\",\"0.00\",null,\"2024-02-09T00:00:00.000000\",null]");
	execute("DROP TABLE w");
}

static void times_without_a_zone_are_utc(void **state)
{
	(void)state;
	execute("CREATE TABLE z (id INTEGER, v TIMESTAMPTZ)");
	zone = S("America/New_York");
	assert_rows("SELECT CAST(TIMESTAMPTZ '2024-01-01 00:00:00Z' AS DATE)", "[\"2023-12-31\"]");
	zone = (struct str){NULL, 0};
	takes("z", ENGINE_ROWS_JSON, S("[[1,\"2024-01-01 00:00:00\"],[2,\"2024-01-01T02:00:00+02:00\"]]"), 2);
	assert_rows("SELECT count(*) FROM z WHERE epoch(v) = 1704067200", "[2]");
	execute("DROP TABLE z");
}

static void defaults_stand_for_what_is_not_given(void **state)
{
	(void)state;
	execute("CREATE SEQUENCE numbers START 5");
	execute("CREATE TABLE d (id INTEGER, n INTEGER NOT NULL DEFAULT nextval('numbers'), "
		"s VARCHAR DEFAULT 'it''s', twice AS (id * 2))");
	takes("d", ENGINE_ROWS_NDJSON, S("{\"id\":1}\n{\"id\":2,\"s\":null,\"n\":0}\n{\"id\":3,\"s\":\"x\"}\n"), 3);
	takes("d", ENGINE_ROWS_CSV, S("id\n4\n"), 1);
	takes("d", ENGINE_ROWS_JSON, S("[[5,6,\"y\"]]"), 1);
	assert_rows("SELECT id, s, twice FROM d ORDER BY id",
		    "[1,\"it's\",2],[2,null,4],[3,\"x\",6],[4,\"it's\",8],[5,\"y\",10]");
	assert_rows("SELECT count(DISTINCT n), min(n) FROM d WHERE id IN (1, 3, 4)", "[3,5]");
	execute("DELETE FROM d");
	refuses("d", ENGINE_ROWS_JSON, S("[{\"id\":1,\"twice\":2}]"), "Mismatch", 1, "twice");
	refuses("d", ENGINE_ROWS_JSON, S("[{\"id\":1,\"n\":null}]"), "Mismatch", 1, "n");
	execute("DROP TABLE d");
	execute("DROP SEQUENCE numbers");
}

/* --- Parquet --- */
static void put_parquet(struct buf *b, const char *select)
{
	char path[128], sql[512], piece[4096];
	duckdb_database db;
	duckdb_connection con;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/made.parquet", the.dir);
	snprintf(sql, sizeof(sql), "COPY (%s) TO '%s' (FORMAT parquet)", select, path);
	assert_int_equal(duckdb_open(NULL, &db), DuckDBSuccess);
	assert_int_equal(duckdb_connect(db, &con), DuckDBSuccess);
	assert_int_equal(duckdb_query(con, sql, NULL), DuckDBSuccess);
	duckdb_disconnect(&con);
	duckdb_close(&db);
	file = fopen(path, "rb");
	assert_non_null(file);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(b, str_from(piece, n));
	fclose(file);
	unlink(path);
}

static void takes_parquet(const char *table, const char *select, int64_t rows)
{
	OWNS(buf) b = {0};

	put_parquet(&b, select);
	takes(table, ENGINE_ROWS_PARQUET, buf_str(&b), rows);
}

static void refuses_parquet(const char *table, const char *select, int64_t row, const char *column)
{
	OWNS(buf) b = {0};

	put_parquet(&b, select);
	refuses(table, ENGINE_ROWS_PARQUET, buf_str(&b), "Mismatch", row, column);
}

static int files_in_incoming(void)
{
	char command[128];
	int n = -1;
	FILE *p;

	snprintf(command, sizeof(command), "ls %s/incoming | wc -l", the.dir);
	p = popen(command, "r");
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

static void parquet_files_bring_rows(void **state)
{
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE pq (id INTEGER NOT NULL, name VARCHAR DEFAULT 'none', day DATE, list INTEGER[])");
	takes_parquet("pq", "SELECT DATE '2024-01-01' + i::INT AS day, i AS ID, [i, 2] AS list FROM range(100000) t(i)", 100000);
	assert_rows("SELECT count(*), sum(id), min(name), max(day), max(list[1]) FROM pq",
		    "[100000,\"4999950000\",\"none\",\"2297-10-15\",99999]");
	execute("DELETE FROM pq");
	refuses_parquet("pq", "SELECT 1 AS id, 2 AS other", 0, "other");
	refuses_parquet("pq", "SELECT CASE WHEN i = 70 THEN 3000000000 ELSE i END AS id FROM range(100) t(i)", 71, "id");
	refuses_parquet("pq", "SELECT i AS id, CASE WHEN i = 7 THEN 'soon' ELSE '2024-01-01' END AS day FROM range(100) t(i)", 8, "day");
	refuses_parquet("pq", "SELECT CASE WHEN i <> 5 THEN i END AS id FROM range(10) t(i)", 6, "id");
	put_parquet(&b, "SELECT i AS id FROM range(100000) t(i)");
	refuses("pq", ENGINE_ROWS_PARQUET, str_head(buf_str(&b), b.n / 2), "Mismatch", 0, "");
	refuses("pq", ENGINE_ROWS_PARQUET, S("id\n1\n"), "Mismatch", 0, "");
	refuses("pq", ENGINE_ROWS_PARQUET, S(""), "Mismatch", 0, "");
	b.p[b.n / 3] ^= 0x55;
	memset(b.p + 100, 0x5A, 1000);
	refuses("pq", ENGINE_ROWS_PARQUET, buf_str(&b), "Mismatch", 0, "");
	assert_int_equal(files_in_incoming(), 0);
	execute("DROP TABLE pq");
}

static void parquet_values_count_as_large_as_they_are(void **state)
{
	const struct wire_catalog before = scope;
	OWNS(buf) b = {0};
	OWNS(answer) a;

	(void)state;
	execute("CREATE TABLE large (id INTEGER, v VARCHAR)");
	put_parquet(&b, "SELECT i AS id, repeat('x', 10000) AS v FROM range(1000) t(i)"); /* one value in its dictionary */
	assert_true(b.n < 100000);
	scope.max.bytes = 1000000;
	ingest("large", ENGINE_ROWS_PARQUET, buf_str(&b), 4096, &a);
	assert_int_equal(a.end.outcome, ENGINE_FULL);
	assert_str_equal(a.end.class, "bytes");
	scope = before;
	assert_rows("SELECT count(*) FROM large", "[0]");
	takes("large", ENGINE_ROWS_PARQUET, buf_str(&b), 1000);
	execute("DROP TABLE large");
}

static void a_bad_packet_ends_the_worker(void **state)
{
	struct peer w = {.next = 1};
	struct wire_ingest g = {.catalog = scope, .table = S("x")};
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_INGEST, 1);

	(void)state;
	folder_make(w.dir);
	start_in(&w);
	wire_put_ingest(&b, &g);
	wire_end_record(&b, at);
	assert_int_equal(wire_send(w.jobs, buf_str(&b), -1), 0); /* no stream came along */
	assert_int_equal(WEXITSTATUS(wait_gone(&w)), WORKER_EXIT_BAD_PACKET);
	close(w.jobs);
	close(w.control);
	folder_remove(w.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_brings_rows),
		cmocka_unit_test(frames_and_rows_are_cut_anywhere),
		cmocka_unit_test(many_rows_keep_their_order),
		cmocka_unit_test(a_long_row_comes_whole),
		cmocka_unit_test(every_type_comes_back),
		cmocka_unit_test(every_type_comes_back_from_csv),
		cmocka_unit_test(values_of_other_writings_fit),
		cmocka_unit_test(times_without_a_zone_are_utc),
		cmocka_unit_test(defaults_stand_for_what_is_not_given),
		cmocka_unit_test(parquet_files_bring_rows),
		cmocka_unit_test(parquet_values_count_as_large_as_they_are),
		cmocka_unit_test(a_bad_packet_ends_the_worker),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
