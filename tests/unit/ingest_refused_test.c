/* ingest_refused_test.c - rows that do not fit, limits, streams that end early. */
#include "ingest_rig.h"

/* --- what does not fit --- */
static void rows_that_do_not_fit_leave_nothing(void **state)
{
	static const struct {
		const char *rows;
		int row;
		const char *column;
	} bad[] = {
		{"[[1,2,3]]", 1, ""}, {"[[1]]", 1, ""}, {"[{\"id\":1},{\"idd\":2}]", 2, "idd"}, {"[{\"id\":1,\"ID\":2}]", 1, "id"},
		{"[{\"id\":1},{\"id\":1.5}]", 2, "id"}, {"[{\"id\":\"NaN\"}]", 1, "id"}, {"[{\"id\":NaN}]", 1, "id"},
		{"[{\"id\":\"text\"}]", 1, "id"}, {"[{\"id\":2147483648}]", 1, "id"}, {"[{\"id\":-2147483649}]", 1, "id"},
		{"[{\"id\":true}]", 1, "id"}, {"[{\"id\":[1]}]", 1, "id"}, {"[{\"id\":\"\"}]", 1, "id"}, {"[{\"id\":\" 1\"}]", 1, "id"},
		{"[{\"id\":99999999999999999999999999999999999999999999}]", 1, "id"}, {"[{\"id\":1},{\"id\":null}]", 2, "id"},
		{"[{\"id\":1},{\"v\":5}]", 2, "id"}, {"[{\"id\":1}", 2, ""}, {"[{\"id\":1},{\"id\":2", 2, ""}, {"", 1, ""},
	};
	static const struct {
		const char *type, *value;
	} cells[] = {
		{"BOOLEAN", "1"}, {"BOOLEAN", "\"maybe\""}, {"UTINYINT", "-1"}, {"UBIGINT", "18446744073709551616"}, {"HUGEINT", "0.5"},
		{"UHUGEINT", "-1"}, {"HUGEINT", "170141183460469231731687303715884105728"}, {"DECIMAL(4,1)", "1000"},
		{"DECIMAL(4,1)", "999.95"}, {"DECIMAL(4,1)", "\"NaN\""}, {"DOUBLE", "1e400"}, {"DOUBLE", "\"abc\""}, {"DOUBLE", "true"},
		{"FLOAT", "1e39"}, {"DATE", "20240101"}, {"DATE", "\"2024-02-30\""}, {"DATE", "\"soon\""},
		{"TIMESTAMP", "\"2024-01-01 25:00:00\""},
		{"TIMESTAMP", "17e8"}, {"TIME", "\"25:00\""}, {"UUID", "\"abc\""}, {"INTERVAL", "\"3 moons\""}, {"ENUM('a')", "\"b\""},
		{"BLOB", "\"no base64\""}, {"BLOB", "\"A\""}, {"BIT", "\"012\""}, {"INTEGER[]", "[1,\"x\"]"}, {"INTEGER[]", "5"},
		{"INTEGER[2]", "[1]"}, {"STRUCT(a INTEGER)", "{\"b\":1}"}, {"STRUCT(a BLOB)", "[1]"}, {"MAP(INTEGER, INTEGER)", "{\"x\":1}"},
		{"BLOB[]", "[\"!\"]"},
	};

	(void)state;
	execute("CREATE TABLE bad (id INTEGER NOT NULL, v INTEGER)");
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		refuses("bad", ENGINE_ROWS_JSON, str_of(bad[i].rows), "Mismatch", bad[i].row, bad[i].column);
	refuses("bad", ENGINE_ROWS_CSV, S("id,id\n1,2\n"), "Mismatch", 0, "id");
	refuses("bad", ENGINE_ROWS_CSV, S("id,x\n1,2\n"), "Mismatch", 0, "x");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,2\n1\n"), "Mismatch", 2, "");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,2\n1,2,3\n"), "Mismatch", 2, "");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,2\n,2\n"), "Mismatch", 2, "id");
	refuses("bad", ENGINE_ROWS_CSV, S("v\n1\n"), "Mismatch", 0, "id");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,\"x"), "Mismatch", 1, "");
	refuses("nowhere", ENGINE_ROWS_JSON, S("[]"), "Unknown Table", 0, "");
	refuses("", ENGINE_ROWS_JSON, S("[]"), "Unknown Table", 0, "");
	execute("CREATE VIEW looks AS SELECT * FROM bad");
	refuses("looks", ENGINE_ROWS_JSON, S("[]"), "Unknown Table", 0, "");
	execute("DROP VIEW looks");
	execute("DROP TABLE bad");
	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		OWNS(buf) sql = {0}, rows = {0};

		buf_fmt(&sql, "CREATE TABLE cells (id INTEGER, v %s)", cells[i].type);
		execute(buf_cstr(&sql));
		for (int n = 1; n < 5000; n++)
			buf_fmt(&rows, "{\"id\":%d,\"v\":null}\n", n);
		buf_fmt(&rows, "{\"id\":5000,\"v\":%s}\n{\"id\":5001,\"v\":%s}\n", cells[i].value, cells[i].value);
		refuses("cells", ENGINE_ROWS_NDJSON, buf_str(&rows), "Mismatch", 5000, "v");
		execute("DROP TABLE cells");
	}
}

static void constraints_are_told_from_mismatches(void **state)
{
	(void)state;
	execute("CREATE TABLE keyed (id INTEGER PRIMARY KEY, code VARCHAR UNIQUE, n INTEGER CHECK (n > 0))");
	execute("INSERT INTO keyed VALUES (1000, 'x', 1)");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[2,\"b\",1],[1,\"c\",1]]"), "Constraint", 3, "id");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[1000,\"b\",1]]"), "Constraint", 2, "id");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[2,\"x\",1]]"), "Constraint", 2, "code");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[2,\"b\",0]]"), "Constraint", 0, "");
	takes("keyed", ENGINE_ROWS_JSON, S("[[1,null,1],[2,null,null]]"), 2);
	execute("DROP TABLE keyed");
	execute("CREATE TABLE keyed (id INTEGER, code VARCHAR, PRIMARY KEY (id, code))");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\"],[1,\"b\"],[1,\"a\"]]"), "Constraint", 0, "");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\"],[1,null]]"), "Mismatch", 2, "code");
	execute("DROP TABLE keyed");
}

static void a_clash_far_behind_is_found(void **state)
{
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE far (id INTEGER PRIMARY KEY)");
	for (int i = 0; i < 250000; i++)
		buf_fmt(&b, "[%d]\n", i == 249990 ? 3 : i);
	refuses("far", ENGINE_ROWS_NDJSON, buf_str(&b), "Constraint", 249991, "id");
	execute("DROP TABLE far");
}

/* --- limits --- */
static void limits_end_an_ingest_early(void **state)
{
	const struct wire_catalog before = scope;
	struct upload u;
	OWNS(answer) a;
	OWNS(answer) b;
	OWNS(buf) rows = {0};

	(void)state;
	execute("CREATE TABLE small (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 20000; i++)
		buf_fmt(&rows, "[%d,\"some text of a row\"]\n", i);
	scope.max.rows = 10000;
	u = open_upload(&the, "small", ENGINE_ROWS_NDJSON);
	put_frame(&u, buf_str(&rows)); /* and no end: it is refused before that */
	collect(&the, u.task, &a);
	close(u.fd);
	assert_int_equal(a.end.outcome, ENGINE_FULL);
	assert_str_equal(a.end.class, "rows");
	scope.max = before.max;
	scope.max.bytes = 100000;
	ingest("small", ENGINE_ROWS_NDJSON, buf_str(&rows), 4096, &b);
	assert_int_equal(b.end.outcome, ENGINE_FULL);
	assert_str_equal(b.end.class, "bytes");
	scope = before;
	assert_rows("SELECT count(*) FROM small", "[0]");
	takes("small", ENGINE_ROWS_NDJSON, buf_str(&rows), 20000);
	execute("DROP TABLE small");
}

/* --- ends --- */
static void a_stream_that_just_ends_leaves_nothing(void **state)
{
	struct upload u;

	(void)state;
	execute("CREATE TABLE half (id INTEGER)");
	for (int how = 0; how < 4; how++) {
		OWNS(answer) a;
		const uint32_t size = 100;

		u = open_upload(&the, "half", how == 3 ? ENGINE_ROWS_PARQUET : ENGINE_ROWS_JSON);
		if (how > 0)
			put_frame(&u, S("[[1],[2]]"));
		if (how == 2)
			put_bytes(&u, &size, 3);
		end_upload(&the, &u, false, &a);
		assert_int_equal(a.end.outcome, ENGINE_FAILED);
		assert_str_equal(a.end.class, "Incomplete");
	}
	assert_rows("SELECT count(*) FROM half", "[0]");
	execute("DROP TABLE half");
}

static void send_cancel(struct peer *w, uint64_t task)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_CANCEL, task);

	wire_end_record(&b, at);
	assert_int_equal(wire_send(w->control, buf_str(&b), -1), 0);
}

static void a_cancel_ends_a_silent_stream(void **state)
{
	static const enum engine_rows_format formats[] = {ENGINE_ROWS_NDJSON, ENGINE_ROWS_CSV, ENGINE_ROWS_PARQUET};

	(void)state;
	execute("CREATE TABLE silent (id INTEGER)");
	for (size_t i = 0; i < COUNT_OF(formats); i++) {
		struct upload u = open_upload(&the, "silent", formats[i]);
		OWNS(answer) a;

		put_frame(&u, formats[i] == ENGINE_ROWS_CSV ? S("id\n1\n") : S("[1]\n"));
		send_cancel(&the, u.task);
		collect(&the, u.task, &a);
		close(u.fd);
		assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
	}
	assert_rows("SELECT count(*) FROM silent", "[0]");
	execute("DROP TABLE silent");
}

static void two_streams_go_side_by_side(void **state)
{
	struct upload one, two;
	OWNS(answer) a;
	OWNS(answer) b;

	(void)state;
	execute("CREATE TABLE side (id INTEGER)");
	one = open_upload(&the, "side", ENGINE_ROWS_NDJSON);
	two = open_upload(&the, "side", ENGINE_ROWS_NDJSON);
	for (int i = 0; i < 5000; i++) {
		put_frame(&one, S("[1]\n"));
		put_frame(&two, S("[2]\n"));
	}
	end_upload(&the, &one, true, &a);
	assert_int_equal(a.end.rows, 5000);
	assert_rows("SELECT id, count(*) FROM side GROUP BY id", "[1,5000]");
	end_upload(&the, &two, true, &b);
	assert_int_equal(b.end.rows, 5000);
	assert_int_equal(b.usage.rows, 10000);
	execute("DROP TABLE side");
}

static void the_second_commit_of_a_key_is_refused(void **state)
{
	struct upload one, two;
	OWNS(answer) a;
	OWNS(answer) b;
	OWNS(buf) rows = {0};

	(void)state;
	execute("CREATE TABLE race (id INTEGER PRIMARY KEY)");
	for (int i = 0; i < 200000; i++)
		buf_fmt(&rows, "[%d]\n", i);
	one = open_upload(&the, "race", ENGINE_ROWS_NDJSON);
	two = open_upload(&the, "race", ENGINE_ROWS_NDJSON);
	put_frame(&one, buf_str(&rows));
	put_frame(&two, buf_str(&rows));
	end_upload(&the, &one, true, &a);
	end_upload(&the, &two, true, &b);
	assert_int_equal(a.end.outcome, ENGINE_OK);
	assert_int_equal(b.end.outcome, ENGINE_FAILED);
	assert_str_equal(b.end.class, "Constraint");
	assert_rows("SELECT count(*) FROM race", "[200000]");
	execute("DROP TABLE race");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_that_do_not_fit_leave_nothing),
		cmocka_unit_test(constraints_are_told_from_mismatches),
		cmocka_unit_test(a_clash_far_behind_is_found),
		cmocka_unit_test(limits_end_an_ingest_early),
		cmocka_unit_test(a_stream_that_just_ends_leaves_nothing),
		cmocka_unit_test(a_cancel_ends_a_silent_stream),
		cmocka_unit_test(two_streams_go_side_by_side),
		cmocka_unit_test(the_second_commit_of_a_key_is_refused),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
