/* engine_worker_types_test.c - every type as a worker reads and writes it. */
#include "engine_worker_rig.h"

/* --- every type: SQL, native cell, Snowflake cell --- */
struct sample {
	const char *sql, *native, *snowflake;
};
static const struct sample samples[] = {
	{"true", "true", "\"true\""},
	{"false", "false", "\"false\""},
	{"(-128)::TINYINT", "-128", "\"-128\""},
	{"(-32768)::SMALLINT", "-32768", "\"-32768\""},
	{"(-2147483648)::INTEGER", "-2147483648", "\"-2147483648\""},
	{"(-9223372036854775808)::BIGINT", "-9223372036854775808", "\"-9223372036854775808\""},
	{"9223372036854775807::BIGINT", "9223372036854775807", "\"9223372036854775807\""},
	{"255::UTINYINT", "255", "\"255\""},
	{"65535::USMALLINT", "65535", "\"65535\""},
	{"4294967295::UINTEGER", "4294967295", "\"4294967295\""},
	{"18446744073709551615::UBIGINT", "18446744073709551615", "\"18446744073709551615\""},
	{"(-170141183460469231731687303715884105728)::HUGEINT", "\"-170141183460469231731687303715884105728\"",
		"\"-170141183460469231731687303715884105728\""},
	{"0::HUGEINT", "\"0\"", "\"0\""},
	{"340282366920938463463374607431768211455::UHUGEINT", "\"340282366920938463463374607431768211455\"",
		"\"340282366920938463463374607431768211455\""},
	{"12.5::DECIMAL(4,1)", "\"12.5\"", "\"12.5\""},
	{"(-0.05)::DECIMAL(4,2)", "\"-0.05\"", "\"-0.05\""},
	{"12.5::DECIMAL(9,4)", "\"12.5000\"", "\"12.5000\""},
	{"(-999999999999.999999)::DECIMAL(18,6)", "\"-999999999999.999999\"", "\"-999999999999.999999\""},
	{"99999999999999999999999999999999999999::DECIMAL(38,0)", "\"99999999999999999999999999999999999999\"",
		"\"99999999999999999999999999999999999999\""},
	{"0.00000000000000000000000000000000000001::DECIMAL(38,38)", "\"0.00000000000000000000000000000000000001\"",
		"\"0.00000000000000000000000000000000000001\""},
	{"1.0::DOUBLE", "1.0", "\"1\""},
	{"0.1::DOUBLE", "0.1", "\"0.1\""},
	{"(-1.5e300)::DOUBLE", "-1.5e+300", "\"-1.5e+300\""},
	{"(1.0::DOUBLE/3)", "0.3333333333333333", "\"0.3333333333333333\""},
	{"5e-324::DOUBLE", "5e-324", "\"5e-324\""},
	{"'NaN'::DOUBLE", "\"NaN\"", "\"NaN\""},
	{"'inf'::DOUBLE", "\"Infinity\"", "\"inf\""},
	{"'-inf'::DOUBLE", "\"-Infinity\"", "\"-inf\""},
	{"0.1::FLOAT", "0.1", "\"0.1\""},
	{"16777216::FLOAT", "16777216.0", "\"16777216\""},
	{"'NaN'::FLOAT", "\"NaN\"", "\"NaN\""},
	{"''", "\"\"", "\"\""},
	{"'Zo\xC3\xAB \"quoted\" back\\slash'", "\"Zo\xC3\xAB \\\"quoted\\\" back\\\\slash\"",
		"\"Zo\xC3\xAB \\\"quoted\\\" back\\\\slash\""},
	{"chr(10) || chr(9) || chr(1) || 'exactly 12345' || chr(0)", "\"\\n\\t\\u0001exactly 12345\\u0000\"",
		"\"\\n\\t\\u0001exactly 12345\\u0000\""},
	{"'\\x00\\xFF\\x10'::BLOB", "\"AP8Q\"", "\"00FF10\""},
	{"''::BLOB", "\"\"", "\"\""},
	{"'0101'::BIT", "\"0101\"", "\"0101\""},
	{"'101010101'::BIT", "\"101010101\"", "\"101010101\""},
	{"DATE '2024-02-29'", "\"2024-02-29\"", "\"19782\""},
	{"DATE '1900-01-01'", "\"1900-01-01\"", "\"-25567\""},
	{"DATE '0044-03-15 (BC)'", "\"0044-03-15 (BC)\"", "\"-735160\""},
	{"'infinity'::DATE", "\"infinity\"", "\"infinity\""},
	{"'-infinity'::DATE", "\"-infinity\"", "\"-infinity\""},
	{"TIME '13:05:07.25'", "\"13:05:07.250000\"", "\"47107.250000000\""},
	{"TIME '00:00:00'", "\"00:00:00.000000\"", "\"0.000000000\""},
	{"'13:05:07.123456789'::TIME_NS", "\"13:05:07.123456789\"", "\"47107.123456789\""},
	{"'13:05:07.25+02:30'::TIMETZ", "\"13:05:07.250000+02:30\"", "\"13:05:07.250000+02:30\""},
	{"'13:05:07-08'::TIMETZ", "\"13:05:07.000000-08:00\"", "\"13:05:07.000000-08:00\""},
	{"TIMESTAMP '2024-02-29 13:05:07.25'", "\"2024-02-29T13:05:07.250000\"", "\"1709211907.250000000\""},
	{"TIMESTAMP '1969-12-31 23:59:59.5'", "\"1969-12-31T23:59:59.500000\"", "\"-0.500000000\""},
	{"TIMESTAMP '1969-12-31 23:59:58.25'", "\"1969-12-31T23:59:58.250000\"", "\"-1.750000000\""},
	{"'2024-02-29 13:05:07'::TIMESTAMP_S", "\"2024-02-29T13:05:07\"", "\"1709211907\""},
	{"'1969-12-31 23:59:59'::TIMESTAMP_S", "\"1969-12-31T23:59:59\"", "\"-1\""},
	{"'2024-02-29 13:05:07.25'::TIMESTAMP_MS", "\"2024-02-29T13:05:07.250\"", "\"1709211907.250\""},
	{"'2024-02-29 13:05:07.123456789'::TIMESTAMP_NS", "\"2024-02-29T13:05:07.123456789\"",
		"\"1709211907.123456789\""},
	{"TIMESTAMPTZ '2024-02-29 13:05:07.25+02'", "\"2024-02-29T11:05:07.250000Z\"", "\"1709204707.250000000\""},
	{"'2024-02-29 15:05:07.25 +02:00'::TIMESTAMP_TZ", "\"2024-02-29T15:05:07.250000000+02:00\"", "\"1709211907.250000000 1560\""},
	{"'1969-12-31 15:59:59.500000001-08'::TIMESTAMP_TZ", "\"1969-12-31T15:59:59.500000001-08:00\"", "\"-0.499999999 960\""},
	{"'1969-12-31 15:59:59.5678-08'::TIMESTAMP_TZ_2", "\"1969-12-31T15:59:59.56-08:00\"", "\"-0.44 960\""},
	{"'0001-01-01'::TIMESTAMP_TZ", "\"0001-01-01T00:00:00.000000000+00:00\"", "\"-62135596800.000000000 1440\""},
	{"'infinity'::TIMESTAMP::TIMESTAMP_TZ", "\"infinity\"", "\"infinity\""},
	{"TIMESTAMP '2024-02-29 13:05:07.256789'::TIMESTAMP_NTZ_3", "\"2024-02-29T13:05:07.256000\"", "\"1709211907.256\""},
	{"TIMESTAMP '1969-12-31 23:59:59.256789'::TIMESTAMP_NTZ_0", "\"1969-12-31T23:59:59.000000\"", "\"-1\""},
	{"TIME '13:05:07.256789'::TIME_1", "\"13:05:07.200000\"", "\"47107.2\""},
	{"['2024-02-29 15:05:07+02'::TIMESTAMP_TZ]", "[\"2024-02-29T15:05:07.000000000+02:00\"]",
		"\"[\\n  \\\"2024-02-29 15:05:07.000000000+02:00\\\"\\n]\""},
	{"'infinity'::TIMESTAMP", "\"infinity\"", "\"infinity\""},
	{"'-infinity'::TIMESTAMPTZ", "\"-infinity\"", "\"-infinity\""},
	{"INTERVAL '14 months 2 days 4 hours 5.5 seconds'", "\"1 year 2 months 2 days 04:00:05.5\"",
		"\"1 year 2 months 2 days 04:00:05.5\""},
	{"INTERVAL '-1 month -1 year'", "\"-1 year -1 month\"", "\"-1 year -1 month\""},
	{"INTERVAL '0 day'", "\"00:00:00\"", "\"00:00:00\""},
	{"INTERVAL '-3.25 seconds'", "\"-00:00:03.25\"", "\"-00:00:03.25\""},
	{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
		"\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
	{"'b''c'::ENUM('a', 'b''c')", "\"b'c\"", "\"b'c\""},
	{"[1, NULL, 3]", "[1,null,3]", "\"[\\n  1,\\n  undefined,\\n  3\\n]\""},
	{"[]::INTEGER[]", "[]", "\"[]\""},
	{"[[1], NULL, []]", "[[1],null,[]]", "\"[\\n  [\\n    1\\n  ],\\n  undefined,\\n  []\\n]\""},
	{"[1, 2]::INTEGER[2]", "[1,2]", "\"[\\n  1,\\n  2\\n]\""},
	{"{'b': 1, 'a': 'x\"y'}", "{\"b\":1,\"a\":\"x\\\"y\"}", "\"{\\n  \\\"a\\\": \\\"x\\\\\\\"y\\\",\\n  \\\"b\\\": 1\\n}\""},
	{"{'n': NULL, 'd': 1.50::DECIMAL(4,2), 't': TIMESTAMP '2024-02-29 13:05:07.25'}",
		"{\"n\":null,\"d\":\"1.50\",\"t\":\"2024-02-29T13:05:07.250000\"}",
		"\"{\\n  \\\"d\\\": 1.50,\\n  \\\"n\\\": null,\\n  \\\"t\\\": \\\"2024-02-29 13:05:07.250000\\\"\\n}\""},
	{"MAP {'z': 1, 'a': NULL}", "{\"z\":1,\"a\":null}", "\"{\\n  \\\"a\\\": null,\\n  \\\"z\\\": 1\\n}\""},
	{"MAP {1: 'x'}", "[{\"key\":1,\"value\":\"x\"}]", "\"{\\n  \\\"1\\\": \\\"x\\\"\\n}\""},
	{"union_value(num := 7)", "{\"num\":7}", "\"7\""},
	{"'{\"b\": [1, null], \"a\": {}}'::JSON", "{\"b\":[1,null],\"a\":{}}",
		"\"{\\n  \\\"a\\\": {},\\n  \\\"b\\\": [\\n    1,\\n    null\\n  ]\\n}\""},
	{"'1.50'::JSON", "1.50", "\"1.50\""},
	{"'\"s\"'::JSON", "\"s\"", "\"\\\"s\\\"\""},
	{"'null'::JSON", "null", "\"null\""},
	{"['{\"k\":1}'::JSON]", "[{\"k\":1}]", "\"[\\n  {\\n    \\\"k\\\": 1\\n  }\\n]\""},
	{"{'a': 1}::VARIANT", "{\"a\":1}", "\"{\\n  \\\"a\\\": 1\\n}\""},
	{"[1::VARIANT, NULL]", "[1,null]", NULL},
	{"'12345678901234567890123456789012345678901234567890'::BIGNUM",
		"\"12345678901234567890123456789012345678901234567890\"",
		"\"12345678901234567890123456789012345678901234567890\""},
};

static void every_type_has_its_cell_in_both_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		char sql[512], want[512];

		snprintf(sql, sizeof(sql), "SELECT %s AS v", samples[i].sql);
		snprintf(want, sizeof(want), "[%s]", samples[i].native);
		assert_data(&the, ENGINE_NATIVE, sql, want);
		snprintf(want, sizeof(want), "[%s]", samples[i].snowflake);
		if (samples[i].snowflake)
			assert_data(&the, ENGINE_SNOWFLAKE, sql, want);
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static double some_double(uint64_t *x, int i)
{
	switch (i % 4) {
	case 0:
		return (double)(next_random(x) >> 11) / 9007199254740992.0;
	case 1:
		return (double)(next_random(x) % 100000000) / 100.0;
	case 2:
		return (double)(1ULL << next_random(x) % 53) / (double)(1ULL << next_random(x) % 13);
	default:
		return -(double)(next_random(x) % 10000000000000) / (double)(1 + next_random(x) % 1000);
	}
}

static void reals_read_back_and_are_no_longer_than_needed(void **state)
{
	uint64_t x = 88172645463325252U;
	char text[TEXT_ROOM], shorter[64];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		double v = some_double(&x, i);
		char *end = text_double(text, v);

		if (!end)
			continue;
		*end = '\0';
		assert_true(strtod(text, NULL) == v);
		snprintf(shorter, sizeof(shorter), "%.15g", v);
		if (strtod(shorter, NULL) == v && !strchr(shorter, 'e'))
			assert_string_equal(text, shorter);
	}
	for (int i = 0; i < 200000; i++) {
		uint32_t bits = (uint32_t)next_random(&x);
		char *end;
		float v;

		memcpy(&v, &bits, sizeof(v));
		end = text_float(text, v);
		if (!end)
			continue;
		*end = '\0';
		assert_true(strtof(text, NULL) == v);
	}
}

static void a_null_of_every_type_is_null(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		char sql[512];

		if (strstr(samples[i].sql, "::INTEGER[2]")) /* DuckDB has no CASE of arrays */
			continue;
		snprintf(sql, sizeof(sql), "SELECT CASE WHEN r %% 2 = 1 THEN NULL ELSE %s END IS NULL AS n, "
			"CASE WHEN r %% 2 = 0 THEN NULL ELSE %s END AS v FROM range(1) t(r)", samples[i].sql, samples[i].sql);
		assert_data(&the, ENGINE_NATIVE, sql, "[false,null]");
		assert_data(&the, ENGINE_SNOWFLAKE, sql, "[\"false\",null]");
	}
}

static void nulls_at_every_level_stay_in_their_rows(void **state)
{
	(void)state;
	assert_data(&the, ENGINE_NATIVE,
		"SELECT CASE WHEN r = 1 THEN NULL ELSE [{'a': r, 'b': CASE WHEN r = 2 THEN NULL ELSE [r, NULL] END}, NULL] END v "
		"FROM range(4) t(r) ORDER BY r",
		"[[{\"a\":0,\"b\":[0,null]},null]],[null],[[{\"a\":2,\"b\":null},null]],[[{\"a\":3,\"b\":[3,null]},null]]");
	do_sql(&the, "CREATE OR REPLACE TABLE arrays (a INTEGER[2])");
	do_sql(&the, "INSERT INTO arrays VALUES ([0, NULL]), (NULL), ([2, NULL])");
	assert_data(&the, ENGINE_NATIVE, "SELECT a FROM arrays", "[[0,null]],[null],[[2,null]]");
	assert_data(&the, ENGINE_NATIVE, "SELECT [1, 2] AS constant, {'x': 'y'} AS s FROM range(3)",
		"[[1,2],{\"x\":\"y\"}],[[1,2],{\"x\":\"y\"}],[[1,2],{\"x\":\"y\"}]");
}

static void json_that_is_not_quite_json_leaves_as_json(void **state)
{
	(void)state;
	assert_data(&the, ENGINE_NATIVE, "SELECT '[1, NaN, -Infinity]'::JSON", "[[1,\"NaN\",\"-Infinity\"]]");
	assert_data(&the, ENGINE_NATIVE, "SELECT '{\"a\" :\n1}'::JSON", "[{\"a\":1}]");
}

static void columns_carry_names_types_and_precision(void **state)
{
	struct engine_ask ask = asking("SELECT 1::DECIMAL(10,2) AS \"Price\", [1] AS l, {'a b': 1, 'c': '{}'::JSON} AS s, MAP {'k': 1} m, "
		"'a'::ENUM('a', 'b''c') e, [1]::INTEGER[1] f, now() AS n, 1 AS \"Price\", '1'::VARIANT v, union_value(x := 1) u",
		ENGINE_NATIVE);
	static const char *const types[] = {"DECIMAL(10,2)", "INTEGER[]", "STRUCT(\"a b\" INTEGER, c JSON)", "MAP(VARCHAR, INTEGER)",
		"ENUM('a', 'b''c')", "INTEGER[1]", "TIMESTAMP WITH TIME ZONE", "INTEGER", "JSON", "UNION(x INTEGER)"};
	OWNS(answer) a;

	(void)state;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.ncolumns, COUNT_OF(types));
	for (int i = 0; i < a.ncolumns; i++)
		assert_str_equal(a.columns[i].type, types[i]);
	assert_str_equal(a.columns[0].name, "Price");
	assert_str_equal(a.columns[7].name, "Price");
	assert_int_equal(a.columns[0].precision, 10);
	assert_int_equal(a.columns[0].scale, 2);
	assert_int_equal(a.columns[0].kind, ENGINE_T_DECIMAL);
	assert_int_equal(a.columns[8].kind, ENGINE_T_JSON);
}

/* --- Parquet --- */
static void take_file(struct peer *w, uint64_t task, const char *path, struct answer *a)
{
	static char packet[WIRE_PACKET];
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	*a = (struct answer){.end.outcome = ENGINE_LOST};
	while (a->end.outcome == ENGINE_LOST) {
		int fd = -1;
		size_t n = next_packet(w, packet, &fd, 60000);
		struct wire_in in = wire_in(str_from(packet, n));
		struct wire_head h;
		struct str body;

		assert_true(n > 0);
		while (wire_next(&in, &h, &body)) {
			struct wire_part head;

			if (h.kind == WIRE_END) {
				take_end(a, body);
				continue;
			}
			assert_int_equal(h.kind, WIRE_PART);
			memcpy(&head, body.p, sizeof(head));
			assert_int_equal(head.gzip, 0);
			if (h.in_fd) {
				void *p;
				bool mapped;
				struct call c;

				call_open(&c, &a->arena);
				assert_true(wire_take_memfd(&c, fd, head.size, &p, &mapped));
				assert_int_equal(write(out, p, head.size), head.size);
				engine_bytes_unref(engine_bytes_adopt(p, head.size, mapped));
			} else {
				assert_int_equal(write(out, body.p + sizeof(head), head.size), head.size);
			}
			a->parts++;
			control_send(w, WIRE_ACK, task, 1);
		}
	}
	close(out);
}

/* What a SELECT gave is made a Parquet file, put where SQL may read it, and read back. */
static void stored_rows_become_a_parquet_file(void **state)
{
	const char *sql = "SELECT 1::TINYINT a, 170141183460469::HUGEINT h, 1.50::DECIMAL(4,2) d, 'NaN'::DOUBLE r, 'x\"y' \"T\", 2 AS t, "
		"'\\x00\\xFF'::BLOB b, DATE '2024-02-29' dt, TIMESTAMP '2024-02-29 13:05:07.25' ts, TIMESTAMPTZ '2024-02-29 13:05:07Z' tz, "
		"{'order': [1, NULL]} s, MAP {'k': 1} m, MAP {1: 'x'} mm, '{\"j\": 1}'::JSON j, 'a'::ENUM('a', 'b') e, INTERVAL '1 day' i, "
		"NULL n, '01'::BIT bits FROM range(3)";
	struct engine_ask ask = asking(sql, ENGINE_NATIVE);
	OWNS(buf) b = {0}, packed = {0}, json = {0};
	char path[128];
	OWNS(answer) a;
	OWNS(answer) file;
	uint64_t task = the.next + 1;
	size_t at;
	int fd = -1;

	(void)state;
	run(&the, &ask, &a);
	assert_ok(&a);
	buf_fmt(&json, "{\"data\":[%s]}", buf_cstr(&a.data));
	engine_pack_columns(a.columns, a.ncolumns, &packed);
	at = wire_begin_record(&b, WIRE_PARQUET, task);
	the.next = task + 1;
	wire_text(&b, buf_str(&packed));
	wire_u32(&b, 2);
	wire_text(&b, buf_str(&json));
	wire_text(&b, S("{\"data\":[]}"));
	wire_end_record(&b, at);
	assert_int_equal(wire_send(the.jobs, buf_str(&b), fd), 0);
	snprintf(path, sizeof(path), "%s/tmp/back.parquet", the.dir);
	take_file(&the, task, path, &file);
	assert_ok(&file);
	assert_true(file.parts >= 1);
	assert_data(&the, ENGINE_NATIVE, "SELECT a, h, d, r, \"T\", t_5, b, dt, ts, tz, s, m, mm, j, e, i, n, bits "
		"FROM 'tmp/back.parquet' LIMIT 1",
		"[1,\"170141183460469\",\"1.50\",\"NaN\",\"x\\\"y\",2,\"AP8=\",\"2024-02-29\",\"2024-02-29T13:05:07.250000\","
		"\"2024-02-29T13:05:07.000000Z\",{\"order\":[1,null]},{\"k\":1},[{\"key\":1,\"value\":\"x\"}],{\"j\":1},\"a\",\"1 day\",null,\"01\"]");
	assert_data(&the, ENGINE_NATIVE, "SELECT count(*), (SELECT count(*) FROM glob('tmp/rows-*')) FROM 'tmp/back.parquet'", "[3,0]");
}

/* --- binds --- */
struct bound {
	enum engine_bind_type type;
	const char *value, *type_name, *native; /* type_name NULL: refused as a value of `native` */
};
static const struct bound bounds[] = {
	{ENGINE_B_NULL, "", "INTEGER", "null"},
	{ENGINE_B_FIXED, "-12", "BIGINT", "-12"},
	{ENGINE_B_FIXED, "12.50", "DECIMAL(4,2)", "\"12.50\""},
	{ENGINE_B_FIXED, "0.05", "DECIMAL(2,2)", "\"0.05\""},
	{ENGINE_B_FIXED, "-.5", "DECIMAL(1,1)", "\"-0.5\""},
	{ENGINE_B_FIXED, "12345678901234567890123456789012345678", "DECIMAL(38,0)", "\"12345678901234567890123456789012345678\""},
	{ENGINE_B_FIXED, "123456789012345678901234567890123456789", NULL, "FIXED"},
	{ENGINE_B_FIXED, "abc", NULL, "FIXED"},
	{ENGINE_B_FIXED, "", NULL, "FIXED"},
	{ENGINE_B_FIXED, "1e5", NULL, "FIXED"},
	{ENGINE_B_FIXED, "1.2.3", NULL, "FIXED"},
	{ENGINE_B_REAL, "1.5e3", "DOUBLE", "1500.0"},
	{ENGINE_B_REAL, "NaN", "DOUBLE", "\"NaN\""},
	{ENGINE_B_REAL, "-Infinity", "DOUBLE", "\"-Infinity\""},
	{ENGINE_B_REAL, "1e999", "DOUBLE", "\"Infinity\""},
	{ENGINE_B_REAL, "inf", NULL, "REAL"},
	{ENGINE_B_REAL, "nan", NULL, "REAL"},
	{ENGINE_B_REAL, "0x10", NULL, "REAL"},
	{ENGINE_B_REAL, " 1", NULL, "REAL"},
	{ENGINE_B_TEXT, "Zo\xC3\xAB", "VARCHAR", "\"Zo\xC3\xAB\""},
	{ENGINE_B_TEXT, "\xFF", NULL, "TEXT"},
	{ENGINE_B_BOOLEAN, "TRUE", "BOOLEAN", "true"},
	{ENGINE_B_BOOLEAN, "0", "BOOLEAN", "false"},
	{ENGINE_B_BOOLEAN, "yes", NULL, "BOOLEAN"},
	{ENGINE_B_DATE, "1709164800000", "DATE", "\"2024-02-29\""},
	{ENGINE_B_DATE, "-1", "DATE", "\"1969-12-31\""},
	{ENGINE_B_DATE, "2024-02-29", NULL, "DATE"},
	{ENGINE_B_TIME, "47107250000000", "TIME", "\"13:05:07.250000\""},
	{ENGINE_B_TIME, "47107250000999", "TIME_NS", "\"13:05:07.250000999\""},
	{ENGINE_B_TIME, "86400000000000", NULL, "TIME"},
	{ENGINE_B_TIMESTAMP_NTZ, "1709211907250000000", "TIMESTAMP", "\"2024-02-29T13:05:07.250000\""},
	{ENGINE_B_TIMESTAMP_NTZ, "-500000000", "TIMESTAMP", "\"1969-12-31T23:59:59.500000\""},
	{ENGINE_B_TIMESTAMP_NTZ, "1709211907123456789", "TIMESTAMP_NS", "\"2024-02-29T13:05:07.123456789\""},
	{ENGINE_B_TIMESTAMP_LTZ, "1709211907250000000", "TIMESTAMP WITH TIME ZONE", "\"2024-02-29T13:05:07.250000Z\""},
	{ENGINE_B_TIMESTAMP_TZ, "1709211907250000000 1560", "TIMESTAMP_TZ", "\"2024-02-29T15:05:07.250000000+02:00\""},
	{ENGINE_B_TIMESTAMP_TZ, "-1 0", "TIMESTAMP_TZ", "\"1969-12-30T23:59:59.999999999-24:00\""},
	{ENGINE_B_TIMESTAMP_TZ, "1709211907250000000", NULL, "TIMESTAMP_TZ"},
	{ENGINE_B_TIMESTAMP_TZ, "1709211907250000000 9999", NULL, "TIMESTAMP_TZ"},
	{ENGINE_B_DECFLOAT, "1e3", "BIGINT", "1000"},
	{ENGINE_B_DECFLOAT, "-1.50E-2", "DECIMAL(3,3)", "\"-0.015\""},
	{ENGINE_B_DECFLOAT, "1e38", NULL, "DECFLOAT"},
	{ENGINE_B_DECFLOAT, "1e+-5", NULL, "DECFLOAT"},
	{ENGINE_B_DECFLOAT, "1e", NULL, "DECFLOAT"},
	{ENGINE_B_BINARY, "00ff", "BLOB", "\"AP8=\""},
	{ENGINE_B_BINARY, "0", NULL, "BINARY"},
	{ENGINE_B_INT, "9223372036854775807", "BIGINT", "9223372036854775807"},
	{ENGINE_B_INT, "9223372036854775808", "HUGEINT", "\"9223372036854775808\""},
	{ENGINE_B_DOUBLE, "0.25", "DOUBLE", "0.25"},
};

static void binds_go_in_as_their_types_or_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bounds); i++) {
		const struct bound *v = &bounds[i];
		const struct engine_bind bind = {.type = v->type, .value = str_of(v->value)};
		struct engine_ask ask = asking("SELECT ? AS v, typeof(?1) AS t", ENGINE_NATIVE);
		char want[256];
		OWNS(answer) a;

		ask.sql = S("SELECT $1 AS v");
		ask.binds = &bind;
		ask.nbinds = 1;
		run(&the, &ask, &a);
		if (v->type_name) {
			assert_ok(&a);
			snprintf(want, sizeof(want), "[%s]", v->native);
			assert_string_equal(buf_cstr(&a.data), want);
			assert_str_equal(a.columns[0].type, v->type_name);
			continue;
		}
		assert_int_equal(a.end.outcome, ENGINE_FAILED);
		assert_str_equal(a.end.class, v->native);
		assert_str_equal(a.end.bad_bind, v->value);
		assert_int_equal(a.parts, 0);
	}
}

static void binds_are_found_by_place_and_by_name(void **state)
{
	const struct engine_bind binds[] = {{.type = ENGINE_B_FIXED, .value = S("1")}, {.type = ENGINE_B_TEXT, .value = S("two")}};
	const struct str names[] = {S_INIT("one"), S_INIT("Two")};
	struct engine_ask ask = asking("SELECT $two, $one, $two", ENGINE_NATIVE);

	(void)state;
	ask.binds = binds;
	ask.bind_names = names;
	ask.nbinds = 2;
	for (int i = 0; i < 2; i++) { /* the second from the cache */
		OWNS(answer) a;

		run(&the, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), "[\"two\",1,\"two\"]");
	}
	ask.sql = S("SELECT ?, ?");
	for (int i = 0; i < 2; i++) {
		OWNS(answer) a;

		run(&the, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), "[1,\"two\"]");
	}
}

static void a_missing_bind_is_said(void **state)
{
	struct engine_ask ask = asking("SELECT ?", ENGINE_NATIVE);
	OWNS(answer) a;
	OWNS(answer) b;

	(void)state;
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_str_equal(a.end.class, "Bind");
	assert_str_equal(a.end.text, "Bind variable ? not set.");
	assert_int_equal(a.end.bad_bind.n, 0);
	ask.sql = S("SELECT $who");
	run(&the, &ask, &b);
	assert_str_equal(b.end.text, "Bind variable :who not set.");
}

static void a_cached_statement_takes_binds_of_other_types(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		const struct engine_bind binds[] = {{.type = i % 2 ? ENGINE_B_TEXT : ENGINE_B_FIXED, .value = i % 2 ? S("abc") : S("41")}};
		struct engine_ask ask = asking("SELECT ? AS v", ENGINE_NATIVE);
		OWNS(answer) a;

		ask.binds = binds;
		ask.nbinds = 1;
		run(&the, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), i % 2 ? "[\"abc\"]" : "[41]");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_its_cell_in_both_forms),
		cmocka_unit_test(reals_read_back_and_are_no_longer_than_needed),
		cmocka_unit_test(a_null_of_every_type_is_null),
		cmocka_unit_test(nulls_at_every_level_stay_in_their_rows),
		cmocka_unit_test(json_that_is_not_quite_json_leaves_as_json),
		cmocka_unit_test(columns_carry_names_types_and_precision),
		cmocka_unit_test(stored_rows_become_a_parquet_file),
		cmocka_unit_test(binds_go_in_as_their_types_or_are_refused),
		cmocka_unit_test(binds_are_found_by_place_and_by_name),
		cmocka_unit_test(a_missing_bind_is_said),
		cmocka_unit_test(a_cached_statement_takes_binds_of_other_types),
	};

	return cmocka_run_group_tests(tests, shared_start, shared_stop);
}
