/* convert_test.c - cells of every kind both ways, rows in every shape, and what
 * happens to partitions that are not what they should be. */
#include "rows/rows_int.h"
#include "statement/statement_int.h"

#include <libdeflate.h>
#include <stdio.h>

#include "test.h"

/* --- cells --- */
static struct str convert_one(struct convert *cv, const struct engine_column *col, const char *cell, struct buf *out)
{
	struct json_cell c;
	OWNS(buf) row = {0};
	struct json_scan s;

	buf_fmt(&row, "[%s]", cell);
	s = json_scan(buf_str(&row));
	assert_true(json_scan_row(&s) && json_scan_cell(&s, &c));
	buf_clear(out);
	if (!convert_cell(cv, col, &c, out) || !buf_ok(out))
		return S("(refused)");
	return buf_str(out);
}

static void one_way(const struct engine_column *col, enum engine_form to, const char *from, const char *want)
{
	OWNS(convert) cv = {.from = to == ENGINE_NATIVE ? ENGINE_SNOWFLAKE : ENGINE_NATIVE, .to = to};
	OWNS(buf) out = {0};
	struct str got = convert_one(&cv, col, from, &out);

	if (!str_eq(got, str_of(want)))
		print_error("%.*s to %s: %s\n", SARG(col->type), to == ENGINE_NATIVE ? "native" : "snowflake", from);
	assert_str_equal(got, want);
}

static void native(enum engine_type kind, const char *type, const char *from, const char *want)
{
	one_way(&(struct engine_column){.type = str_of(type), .kind = kind}, ENGINE_NATIVE, from, want);
}

static void snowflake(enum engine_type kind, const char *type, const char *from, const char *want)
{
	one_way(&(struct engine_column){.type = str_of(type), .kind = kind}, ENGINE_SNOWFLAKE, from, want);
}

static void both(enum engine_type kind, const char *type, const char *snow, const char *nat)
{
	native(kind, type, snow, nat);
	snowflake(kind, type, nat, snow);
}

#define NO "(refused)"

static void booleans_and_numbers_change_both_ways(void **state)
{
	(void)state;
	both(ENGINE_T_BOOL, "BOOLEAN", "\"true\"", "true");
	both(ENGINE_T_BOOL, "BOOLEAN", "\"false\"", "false");
	both(ENGINE_T_INT, "BIGINT", "\"-9223372036854775808\"", "-9223372036854775808");
	both(ENGINE_T_INT, "UBIGINT", "\"18446744073709551615\"", "18446744073709551615");
	both(ENGINE_T_HUGE, "HUGEINT", "\"170141183460469231731687303715884105727\"",
	     "\"170141183460469231731687303715884105727\"");
	both(ENGINE_T_DECIMAL, "DECIMAL(10,4)", "\"-12.5000\"", "\"-12.5000\"");
	both(ENGINE_T_REAL, "DOUBLE", "\"1.5\"", "1.5");
	both(ENGINE_T_REAL, "DOUBLE", "\"100\"", "100.0");
	both(ENGINE_T_REAL, "DOUBLE", "\"-0\"", "-0.0");
	both(ENGINE_T_REAL, "DOUBLE", "\"1e+300\"", "1e+300");
	both(ENGINE_T_REAL, "FLOAT", "\"NaN\"", "\"NaN\"");
	both(ENGINE_T_REAL, "FLOAT", "\"inf\"", "\"Infinity\"");
	both(ENGINE_T_REAL, "FLOAT", "\"-inf\"", "\"-Infinity\"");
}

static void numbers_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {"\"\"", "\"-\"", "\"01\"", "\"1.\"", "\".5\"", "\"1x\"", "\"+1\"", "\"1,2\"", "\" 1\"",
		"\"\\u0031\"", "\"true\""};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		native(ENGINE_T_INT, "BIGINT", bad[i], NO);
		native(ENGINE_T_DECIMAL, "DECIMAL(3,1)", bad[i], NO);
		native(ENGINE_T_REAL, "DOUBLE", bad[i], NO);
		native(ENGINE_T_BOOL, "BOOLEAN", i == COUNT_OF(bad) - 1 ? "\"1\"" : bad[i], NO);
	}
	native(ENGINE_T_INT, "BIGINT", "\"1.5\"", NO);
	native(ENGINE_T_INT, "BIGINT", "\"1e3\"", NO);
	native(ENGINE_T_HUGE, "HUGEINT", "\"1.5\"", NO);
	native(ENGINE_T_INT, "BIGINT", "12", NO);
	snowflake(ENGINE_T_INT, "BIGINT", "[1]", NO);
	snowflake(ENGINE_T_BOOL, "BOOLEAN", "1", NO);
}

static void texts_keep_their_escapes(void **state)
{
	(void)state;
	both(ENGINE_T_TEXT, "VARCHAR", "\"Zo\xC3\xAB \\\"q\\\" \\u0000\"", "\"Zo\xC3\xAB \\\"q\\\" \\u0000\"");
	both(ENGINE_T_TEXT, "VARCHAR", "\"\"", "\"\"");
	both(ENGINE_T_UUID, "UUID", "\"6f1e3c1a-0000-4000-8000-000000000001\"", "\"6f1e3c1a-0000-4000-8000-000000000001\"");
	both(ENGINE_T_INTERVAL, "INTERVAL", "\"1 year 2 days\"", "\"1 year 2 days\"");
	both(ENGINE_T_TIMETZ, "TIME WITH TIME ZONE", "\"13:05:07.250000+02:00\"", "\"13:05:07.250000+02:00\"");
	snowflake(ENGINE_T_TEXT, "VARCHAR", "12", NO);
}

static void the_word_null_is_null_but_in_texts(void **state)
{
	(void)state;
	for (int kind = 0; kind < ENGINE_T_COUNT; kind++) {
		native((enum engine_type)kind, "ANY", "null", "null");
		snowflake((enum engine_type)kind, "ANY", "null", "null");
		native((enum engine_type)kind, "ANY", "\"null\"", kind == ENGINE_T_TEXT ? "\"null\"" : "null");
	}
}

static void bytes_are_hex_there_and_base64_here(void **state)
{
	(void)state;
	both(ENGINE_T_BLOB, "BLOB", "\"00FF\"", "\"AP8=\"");
	both(ENGINE_T_BLOB, "BLOB", "\"\"", "\"\"");
	both(ENGINE_T_BLOB, "BLOB", "\"FBEFBE\"", "\"++++\"");
	both(ENGINE_T_BLOB, "BLOB", "\"C0FFEE00\"", "\"wP/uAA==\"");
	native(ENGINE_T_BLOB, "BLOB", "\"0\"", NO);
	native(ENGINE_T_BLOB, "BLOB", "\"zz\"", NO);
	snowflake(ENGINE_T_BLOB, "BLOB", "\"AP8\"", NO);
	snowflake(ENGINE_T_BLOB, "BLOB", "\"A=8=\"", NO);
}

static void dates_are_days_in_every_era(void **state)
{
	(void)state;
	both(ENGINE_T_DATE, "DATE", "\"19782\"", "\"2024-02-29\"");
	both(ENGINE_T_DATE, "DATE", "\"0\"", "\"1970-01-01\"");
	both(ENGINE_T_DATE, "DATE", "\"-25567\"", "\"1900-01-01\"");
	both(ENGINE_T_DATE, "DATE", "\"2932896\"", "\"9999-12-31\"");
	both(ENGINE_T_DATE, "DATE", "\"2932897\"", "\"10000-01-01\"");
	both(ENGINE_T_DATE, "DATE", "\"-719162\"", "\"0001-01-01\"");
	both(ENGINE_T_DATE, "DATE", "\"-719163\"", "\"0001-12-31 (BC)\"");
	both(ENGINE_T_DATE, "DATE", "\"-735160\"", "\"0044-03-15 (BC)\"");
	both(ENGINE_T_DATE, "DATE", "\"infinity\"", "\"infinity\"");
	both(ENGINE_T_DATE, "DATE", "\"-infinity\"", "\"-infinity\"");
	native(ENGINE_T_DATE, "DATE", "\"99999999999\"", NO);
	native(ENGINE_T_DATE, "DATE", "\"1.5\"", NO);
	snowflake(ENGINE_T_DATE, "DATE", "\"2024-13-01\"", NO);
	snowflake(ENGINE_T_DATE, "DATE", "\"2024-00-01\"", NO);
	snowflake(ENGINE_T_DATE, "DATE", "\"0000-01-01\"", NO);
	snowflake(ENGINE_T_DATE, "DATE", "\"2024-2-1\"", NO);
	snowflake(ENGINE_T_DATE, "DATE", "\"2024-02-29x\"", NO);
	snowflake(ENGINE_T_DATE, "DATE", "\"123456789012-01-01\"", NO);
}

static void times_are_seconds(void **state)
{
	(void)state;
	both(ENGINE_T_TIME, "TIME", "\"47107.250000000\"", "\"13:05:07.250000\"");
	both(ENGINE_T_TIME, "TIME", "\"0.000000000\"", "\"00:00:00.000000\"");
	both(ENGINE_T_TIME, "TIME", "\"86400.000000000\"", "\"24:00:00.000000\"");
	both(ENGINE_T_TIME, "TIME_NS", "\"47107.000000001\"", "\"13:05:07.000000001\"");
	native(ENGINE_T_TIME, "TIME", "\"-1.000000000\"", NO);
	native(ENGINE_T_TIME, "TIME", "\"86401.000000000\"", NO);
	snowflake(ENGINE_T_TIME, "TIME", "\"13:60:00\"", NO);
	snowflake(ENGINE_T_TIME, "TIME", "\"13:05\"", NO);
	snowflake(ENGINE_T_TIME, "TIME", "\"13:05:07.1234567890\"", NO);
}

static void instants_change_on_both_sides_of_1970(void **state)
{
	(void)state;
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"1709211907.250000000\"", "\"2024-02-29T13:05:07.250000\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"-0.500000000\"", "\"1969-12-31T23:59:59.500000\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"-1.000000000\"", "\"1969-12-31T23:59:59.000000\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"-1.500000000\"", "\"1969-12-31T23:59:58.500000\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"-86400.000000000\"", "\"1969-12-31T00:00:00.000000\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"-86400.000001000\"", "\"1969-12-30T23:59:59.999999\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"253402300800.000000000\"", "\"10000-01-01T00:00:00.000000\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"-63517824000.000000000\"", "\"0044-03-15 (BC)T00:00:00.000000\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP_S", "\"1709211907.000000000\"", "\"2024-02-29T13:05:07\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP_MS", "\"1709211907.250000000\"", "\"2024-02-29T13:05:07.250\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP_NS", "\"-0.000000001\"", "\"1969-12-31T23:59:59.999999999\"");
	both(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"-infinity\"", "\"-infinity\"");
	both(ENGINE_T_TIMESTAMPTZ, "TIMESTAMP WITH TIME ZONE", "\"1709211907.250000000\"", "\"2024-02-29T13:05:07.250000Z\"");
	both(ENGINE_T_TIMESTAMPTZ, "TIMESTAMP WITH TIME ZONE", "\"infinity\"", "\"infinity\"");
	both(ENGINE_T_TIMESTAMPTZ, "TIMESTAMP WITH TIME ZONE", "\"-63517824000.000000000\"",
	     "\"0044-03-15 (BC)T00:00:00.000000Z\"");
	native(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"17.\"", NO);
	native(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"1234567890123456789.0\"", NO);
	native(ENGINE_T_TIMESTAMPTZ, "TIMESTAMP WITH TIME ZONE", "\"\"", NO);
	snowflake(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"2024-02-29 13:05:07\"", NO);
	snowflake(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"2024-02-29T25:05:07\"", NO);
	snowflake(ENGINE_T_TIMESTAMP, "TIMESTAMP", "\"2024-02-29T13:05:07.250000+02:00\"", NO);
}

static void formats_are_left_behind(void **state)
{
	const struct engine_column date = {.type = S("DATE"), .kind = ENGINE_T_DATE, .formatted = true};
	const struct engine_column bytes = {.type = S("BLOB"), .kind = ENGINE_T_BLOB, .formatted = true};
	OWNS(convert) same = {.from = ENGINE_SNOWFLAKE, .to = ENGINE_SNOWFLAKE};
	OWNS(buf) out = {0};

	(void)state;
	one_way(&date, ENGINE_NATIVE, "\"19782|29/02/24\"", "\"2024-02-29\"");
	one_way(&date, ENGINE_NATIVE, "\"19782|\"", "\"2024-02-29\"");
	one_way(&date, ENGINE_NATIVE, "\"infinity\"", "\"infinity\"");
	one_way(&date, ENGINE_NATIVE, "\"|29/02/24\"", NO);
	one_way(&bytes, ENGINE_NATIVE, "\"00FF|AP8=\"", "\"AP8=\"");
	assert_str_equal(convert_one(&same, &date, "\"19782|29|02\\u0001\"", &out), "\"29|02\\u0001\"");
	assert_str_equal(convert_one(&same, &date, "\"infinity\"", &out), "\"infinity\"");
	assert_str_equal(convert_one(&same, &date, "\"null\"", &out), "\"null\"");
	assert_str_equal(convert_one(&same, &date, "null", &out), "null");
}

static void instants_keep_their_offset(void **state)
{
	(void)state;
	both(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ", "\"1709211907.250000000 1560\"", "\"2024-02-29T15:05:07.250000000+02:00\"");
	both(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ", "\"-0.500000000 960\"", "\"1969-12-31T15:59:59.500000000-08:00\"");
	both(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ(3)", "\"0.001 1440\"", "\"1970-01-01T00:00:00.001+00:00\"");
	both(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ(0)", "\"-86400 1110\"", "\"1969-12-30T18:30:00-05:30\"");
	native(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ", "\"0.000000000\"", NO);
	native(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ", "\"0.000000000 2881\"", NO);
	native(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ", "\"0.000000000 -1\"", NO);
	snowflake(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ", "\"1970-01-01T00:00:00Z\"", NO);
	snowflake(ENGINE_T_TIMESTAMP_TZ, "TIMESTAMP_TZ", "\"1970-01-01T00:00:00+01:60\"", NO);
}

static void json_is_laid_out_in_a_string_and_compact_here(void **state)
{
	(void)state;
	both(ENGINE_T_JSON, "JSON", "\"{\\n  \\\"tags\\\": [\\n    \\\"a\\\",\\n    null\\n  ]\\n}\"", "{\"tags\":[\"a\",null]}");
	both(ENGINE_T_JSON, "JSON", "\"{}\"", "{}");
	both(ENGINE_T_JSON, "JSON", "\"[]\"", "[]");
	both(ENGINE_T_JSON, "JSON", "\"[\\n  {},\\n  []\\n]\"", "[{},[]]");
	both(ENGINE_T_JSON, "JSON", "\"\\\"s \\\\n \\\\u00e9\\\"\"", "\"s \\n \\u00e9\"");
	both(ENGINE_T_JSON, "JSON", "\"-1.50e+3\"", "-1.50e+3");
	both(ENGINE_T_LIST, "INTEGER[]", "\"[\\n  1,\\n  undefined\\n]\"", "[1,null]");
	both(ENGINE_T_STRUCT, "STRUCT(a INTEGER)", "\"{\\n  \\\"a\\\": 1\\n}\"", "{\"a\":1}");
	snowflake(ENGINE_T_JSON, "JSON", " { \"a\" : [ 1 , { } ] } ", "\"{\\n  \\\"a\\\": [\\n    1,\\n    {}\\n  ]\\n}\"");
	both(ENGINE_T_STRUCT, "STRUCT(a INTEGER)", "\"{\\n  \\\"a\\\": null\\n}\"", "{\"a\":null}");
	native(ENGINE_T_JSON, "JSON", "\"[undefined]\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"[1,]\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"[1 2]\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"[1}\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"{\\\"a\\\"}\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"{1:2}\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"[] []\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"\\\"\\\\q\\\"\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"\\\"\\\\u12\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"nul\"", NO);
	native(ENGINE_T_JSON, "JSON", "\"null\\u0000\"", NO);
	snowflake(ENGINE_T_JSON, "JSON", "{[}]", NO);
}

static void elements_of_lists_change_by_their_type(void **state)
{
	(void)state;
	both(ENGINE_T_LIST, "DOUBLE[]", "\"[\\n  42,\\n  \\\"inf\\\",\\n  undefined,\\n  1.5\\n]\"",
	     "[42.0,\"Infinity\",null,1.5]");
	both(ENGINE_T_LIST, "DECIMAL(4,1)[][]", "\"[\\n  [\\n    -1.5\\n  ],\\n  undefined\\n]\"", "[[\"-1.5\"],null]");
	both(ENGINE_T_LIST, "HUGEINT[2]", "\"[\\n  7\\n]\"", "[\"7\"]");
	both(ENGINE_T_LIST, "TIMESTAMP WITH TIME ZONE[]",
	     "\"[\\n  \\\"0044-03-15 (BC) 00:00:00.000000Z\\\",\\n  \\\"infinity\\\"\\n]\"",
	     "[\"0044-03-15 (BC)T00:00:00.000000Z\",\"infinity\"]");
	both(ENGINE_T_LIST, "VARCHAR[]", "\"[\\n  \\\"a T\\\"\\n]\"", "[\"a T\"]");
	native(ENGINE_T_LIST, "DOUBLE[]", "\"[true]\"", NO);
	native(ENGINE_T_LIST, "DOUBLE[]", "\"[,]\"", NO);
	native(ENGINE_T_LIST, "DECIMAL(4,1)[]", "\"[1e5]\"", NO);
	snowflake(ENGINE_T_LIST, "TIMESTAMP[]", "[1]", NO);
}

static void nesting_has_a_limit(void **state)
{
	OWNS(buf) deep = {0};
	OWNS(buf) out = {0};

	(void)state;
	for (int i = 0; i < CONVERT_DEPTH; i++)
		buf_addc(&deep, '[');
	for (int i = 0; i < CONVERT_DEPTH; i++)
		buf_addc(&deep, ']');
	assert_true(convert_json(buf_str(&deep), (struct convert_layout){0}, &out));
	assert_true(str_eq(buf_str(&out), buf_str(&deep)));
	buf_addc(&deep, ']');
	deep.p[0] = '[';
	memmove(deep.p + 1, deep.p, deep.n - 1);
	assert_false(convert_json(buf_str(&deep), (struct convert_layout){0}, &out));
}

/* --- rows --- */
static const struct engine_column three[] = {
	{.name = S_INIT("n"), .type = S_INIT("INTEGER"), .kind = ENGINE_T_INT, .nullable = true},
	{.name = S_INIT("t,\"x\""), .type = S_INIT("VARCHAR"), .kind = ENGINE_T_TEXT, .nullable = true},
	{.name = S_INIT("l"), .type = S_INIT("INTEGER[]"), .kind = ENGINE_T_LIST},
};
static const char native_rows[] = "[1,\"a\",[1,2]],\n[null,\"\",null],[-3,\"q\\\"u,o\\r\\n\",[]]";
static const char snowflake_rows[] =
	"[\"1\",\"a\",\"[\\n  1,\\n  2\\n]\"],\n[null,\"\",null],[\"-3\",\"q\\\"u,o\\r\\n\",\"[]\"]";
static const char csv_rows[] = "1,a,\"[1,2]\"\r\n,\"\",\r\n-3,\"q\"\"u,o\r\n\",[]\r\n";
static const char object_rows[] = "{\"n\":1,\"t,\\\"x\\\"\":\"a\",\"l\":[1,2]}\n{\"n\":null,\"t,\\\"x\\\"\":\"\",\"l\":null}\n"
				  "{\"n\":-3,\"t,\\\"x\\\"\":\"q\\\"u,o\\r\\n\",\"l\":[]}\n";

static bool rows_as(enum engine_form from, enum engine_form to, enum convert_shape shape, struct str rows, struct buf *out)
{
	OWNS(arena) a = {0};
	OWNS(convert) cv = {from, to, shape, three, COUNT_OF(three), NULL, .scan = json_scan(rows)};
	bool done = false;

	cv.keys = convert_keys(&a, three, COUNT_OF(three));
	buf_clear(out);
	while (!done)
		if (!convert_page(&cv, 1, out, &done))
			return false;
	return true;
}

static void rows_come_in_every_shape_from_both_forms(void **state)
{
	OWNS(buf) out = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		enum engine_form from = i ? ENGINE_NATIVE : ENGINE_SNOWFLAKE;
		struct str rows = i ? S(native_rows) : S(snowflake_rows);

		assert_true(rows_as(from, ENGINE_NATIVE, CONVERT_CSV, rows, &out));
		assert_str_equal(buf_str(&out), csv_rows);
		assert_true(rows_as(from, ENGINE_NATIVE, CONVERT_OBJECTS, rows, &out));
		assert_str_equal(buf_str(&out), object_rows);
		assert_true(rows_as(from, ENGINE_NATIVE, CONVERT_ARRAYS, rows, &out));
		assert_str_equal(buf_str(&out), "[1,\"a\",[1,2]],[null,\"\",null],[-3,\"q\\\"u,o\\r\\n\",[]]");
	}
	assert_true(rows_as(ENGINE_NATIVE, ENGINE_SNOWFLAKE, CONVERT_ARRAYS, S(native_rows), &out));
	assert_str_equal(buf_str(&out), "[\"1\",\"a\",\"[\\n  1,\\n  2\\n]\"],[null,\"\",null],[\"-3\",\"q\\\"u,o\\r\\n\",\"[]\"]");
	convert_csv_header(three, COUNT_OF(three), (buf_clear(&out), &out));
	assert_str_equal(buf_str(&out), "n,\"t,\"\"x\"\"\",l\r\n");
}

static void rows_of_another_width_are_refused(void **state)
{
	static const char *const bad[] = {"[1,\"a\"]", "[1,\"a\",[],2]", "[]", "[1,\"a\",[]", "[1,\"a\",[]] [1,\"a\",[]]",
		"[1,\"a\",[]],", "1", "[1,\"a\",[]]]", "[NaN,\"a\",[]]"};
	OWNS(buf) out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		for (int shape = CONVERT_ARRAYS; shape <= CONVERT_CSV; shape++)
			assert_false(rows_as(ENGINE_NATIVE, ENGINE_NATIVE, (enum convert_shape)shape, str_of(bad[i]), &out));
	assert_true(rows_as(ENGINE_NATIVE, ENGINE_NATIVE, CONVERT_CSV, S(""), &out));
	assert_int_equal(out.n, 0);
}

static void names_that_come_again_get_a_suffix(void **state)
{
	static const struct engine_column cols[] = {
		{.name = S_INIT("a")}, {.name = S_INIT("a")}, {.name = S_INIT("a_1")}, {.name = S_INIT("a")},
		{.name = S_INIT("a_1")}, {.name = S_INIT("")}, {.name = S_INIT("")},
	};
	static const char *const want[] = {"\"a\":", "\"a_2\":", "\"a_1\":", "\"a_3\":", "\"a_1_1\":", "\"\":", "\"_1\":"};
	OWNS(arena) a = {0};
	const struct str *keys = convert_keys(&a, cols, COUNT_OF(cols));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(want); i++)
		assert_str_equal(keys[i], want[i]);
}

/* --- partitions --- */
static void gzip(struct str plain, struct buf *out)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
	char *to = buf_room(out, libdeflate_gzip_compress_bound(c, plain.n));

	out->n += libdeflate_gzip_compress(c, plain.p, plain.n, to, out->cap - out->n);
	libdeflate_free_compressor(c);
}

static void gzip_is_believed_only_where_it_can_be_true(void **state)
{
	OWNS(buf) packed = {0};
	OWNS(buf) out = {0};

	(void)state;
	gzip(S("{\"data\":[]}"), &packed);
	assert_true(convert_gunzip(buf_str(&packed), &out));
	assert_str_equal(buf_str(&out), "{\"data\":[]}");
	for (size_t cut = 0; cut < packed.n; cut++)
		assert_false(convert_gunzip(str_head(buf_str(&packed), cut), (buf_clear(&out), &out)));
	packed.p[packed.n - 1] = 0x10; /* 256 MiB, it says */
	assert_false(convert_gunzip(buf_str(&packed), (buf_clear(&out), &out)));
	packed.p[packed.n - 1] = 0;
	packed.p[packed.n - 4]++;
	assert_false(convert_gunzip(buf_str(&packed), (buf_clear(&out), &out)));
	packed.p[packed.n - 4]--;
	buf_addc(&packed, '\0');
	assert_false(convert_gunzip(buf_str(&packed), (buf_clear(&out), &out)));
	buf_clear(&packed);
	gzip(S(""), &packed);
	assert_true(convert_gunzip(buf_str(&packed), (buf_clear(&out), &out)));
	assert_int_equal(out.n, 0);
}

static void an_envelope_is_what_workers_write(void **state)
{
	struct str rows;

	(void)state;
	assert_true(convert_envelope(S("{\"data\":[[1],\n[2]\n]}\n"), &rows));
	assert_str_equal(rows, "[1],\n[2]");
	assert_true(convert_envelope(S("{\"data\":[]}"), &rows));
	assert_int_equal(rows.n, 0);
	assert_false(convert_envelope(S("{\"data\":["), &rows));
	assert_false(convert_envelope(S("{\"data\":[}"), &rows));
	assert_false(convert_envelope(S(""), &rows));
}

/* --- whole results: a statement that has finished --- */
struct finished {
	struct statements room;
	struct tenant_use tenant;
	struct stmt *st;
	struct arena arena;
	struct call call;
};

static struct finished *finished(enum engine_form form)
{
	struct finished *f = base_zalloc(sizeof(*f));
	OWNS(buf) columns = {0};

	call_open(&f->call, &f->arena);
	pthread_mutex_init(&f->room.shards[0].lock, NULL);
	pthread_mutex_init(&f->room.tenants_lock, NULL);
	snprintf(f->tenant.name, sizeof(f->tenant.name), "acme");
	list_init(&f->tenant.statements);
	engine_pack_columns(three, COUNT_OF(three), &columns);
	f->st = base_zalloc(sizeof(*f->st));
	f->st->refs = 1;
	f->st->room = &f->room;
	f->st->tenant = &f->tenant;
	f->st->state = STMT_SUCCEEDED;
	f->st->snowflake = form == ENGINE_SNOWFLAKE;
	f->st->columns = stmt_columns_new(buf_str(&columns));
	return f;
}

/* Room for one more: the first is in the statement. */
static struct part *next_part(struct stmt *st)
{
	const struct part one = st->parts.one;

	if (st->nparts == 1) {
		st->parts.many = base_zalloc(8 * sizeof(one));
		st->parts.many[0] = one;
	}
	st->nparts++;
	return &stmt_parts(st)[st->nparts - 1];
}

static void add_part(struct finished *f, struct str rows, int64_t n, bool packed)
{
	OWNS(buf) plain = {0};
	OWNS(buf) stored = {0};
	struct part *p = next_part(f->st);

	buf_fmt(&plain, "{\"data\":[%.*s]}", SARG(rows));
	if (packed)
		gzip(buf_str(&plain), &stored);
	else
		buf_add(&stored, buf_str(&plain));
	*p = (struct part){.bytes = engine_bytes_copy(buf_str(&stored)), .stored = (uint32_t)stored.n, .rows = (uint32_t)n, .gzip = packed};
	f->st->rows += n;
}

static void finished_drop(struct finished *f)
{
	for (int i = 0; i < f->st->nparts; i++)
		engine_bytes_unref(stmt_parts(f->st)[i].bytes);
	assert_int_equal(f->st->refs, 1); /* readers gave theirs back */
	if (f->st->nparts > 1)
		free(f->st->parts.many);
	stmt_columns_unref(f->st->columns);
	free(f->st);
	pthread_mutex_destroy(&f->room.shards[0].lock);
	pthread_mutex_destroy(&f->room.tenants_lock);
	arena_close(&f->arena);
	free(f);
}

static enum stmt_read read_all(struct finished *f, enum stmt_format format, struct buf *out)
{
	struct stmt_reader *r = statement_reader(&f->call, f->st, format);
	enum stmt_read more = STMT_READ_MORE;

	assert_non_null(r);
	while (more == STMT_READ_MORE) {
		size_t from = out->n;

		more = statement_read(r, out);
		assert_true((out->n > from) == (more == STMT_READ_MORE) || more == STMT_READ_BROKEN);
	}
	statement_reader_close(r);
	return more;
}

#define HEAD_TEXT \
	"{\"columns\":[{\"name\":\"n\",\"type\":\"INTEGER\",\"nullable\":true}," \
	"{\"name\":\"t,\\\"x\\\"\",\"type\":\"VARCHAR\",\"nullable\":true}," \
	"{\"name\":\"l\",\"type\":\"INTEGER[]\",\"nullable\":false}],\"rows\":["

static void a_result_is_read_partition_by_partition(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct finished *f = finished(i ? ENGINE_NATIVE : ENGINE_SNOWFLAKE);
		OWNS(buf) out = {0};

		add_part(f, i ? S("[1,\"a\",[1]]") : S("[\"1\",\"a\",\"[\\n  1\\n]\"]"), 1, false);
		add_part(f, S(""), 0, true);
		add_part(f, i ? S("[2,\"b\",[]]") : S("[\"2\",\"b\",\"[]\"]"), 1, true);
		assert_int_equal(read_all(f, STMT_JSON, &out), STMT_READ_END);
		assert_str_equal(buf_str(&out), HEAD_TEXT "[1,\"a\",[1]],[2,\"b\",[]]],\"row_count\":2}");
		buf_clear(&out);
		assert_int_equal(read_all(f, STMT_NDJSON, &out), STMT_READ_END);
		assert_str_equal(buf_str(&out), "{\"n\":1,\"t,\\\"x\\\"\":\"a\",\"l\":[1]}\n{\"n\":2,\"t,\\\"x\\\"\":\"b\",\"l\":[]}\n");
		buf_clear(&out);
		assert_int_equal(read_all(f, STMT_CSV, &out), STMT_READ_END);
		assert_str_equal(buf_str(&out), "n,\"t,\"\"x\"\"\",l\r\n1,a,[1]\r\n2,b,[]\r\n");
		finished_drop(f);
	}
}

static void an_empty_result_is_still_a_document(void **state)
{
	struct finished *f = finished(ENGINE_NATIVE);
	OWNS(buf) out = {0};

	(void)state;
	assert_int_equal(read_all(f, STMT_JSON, &out), STMT_READ_END);
	assert_str_equal(buf_str(&out), HEAD_TEXT "],\"row_count\":0}");
	buf_clear(&out);
	assert_int_equal(read_all(f, STMT_NDJSON, &out), STMT_READ_END);
	assert_int_equal(out.n, 0);
	f->st->columns->n = 0; /* an INSERT, natively */
	assert_int_equal(read_all(f, STMT_CSV, &out), STMT_READ_END);
	assert_int_equal(read_all(f, STMT_JSON, &out), STMT_READ_END);
	assert_str_equal(buf_str(&out), "{\"columns\":[],\"rows\":[],\"row_count\":0}");
	buf_clear(&out);
	assert_false(statement_parquet(&f->call, &f->room, f->st, &out));
	assert_int_equal(f->call.err.kind, ERR_NOT_ACCEPTABLE);
	finished_drop(f);
}

static void a_large_partition_is_read_in_pages(void **state)
{
	enum { ROWS = 60000 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct finished *f = finished(i ? ENGINE_NATIVE : ENGINE_SNOWFLAKE);
		struct stmt_reader *r;
		OWNS(buf) rows = {0};
		OWNS(buf) page = {0};
		size_t pages = 0, quotes = 0;

		for (int row = 0; row < ROWS; row++)
			buf_add(&rows, row ? (i ? S(",[7,\"text\",[]]") : S(",[\"7\",\"text\",\"[]\"]"))
					   : (i ? S("[7,\"text\",[]]") : S("[\"7\",\"text\",\"[]\"]")));
		add_part(f, buf_str(&rows), ROWS, true);
		r = statement_reader(&f->call, f->st, STMT_JSON);
		for (; statement_read(r, &page) == STMT_READ_MORE; pages++) {
			assert_true(page.n < 2 * CONVERT_PAGE);
			for (size_t at = 0; at < page.n; at++)
				quotes += page.p[at] == '7';
			buf_clear(&page);
		}
		assert_int_equal(quotes, ROWS);
		assert_true(pages > 3);
		statement_reader_close(r);
		finished_drop(f);
	}
}

static void a_broken_partition_breaks_the_reading(void **state)
{
	(void)state;
	for (int format = STMT_JSON; format <= STMT_CSV; format++) {
		struct finished *f = finished(ENGINE_SNOWFLAKE);
		OWNS(buf) out = {0};

		add_part(f, S("[\"1\",\"a\",\"[]\"]"), 1, true);
		add_part(f, S("[\"x\",\"a\",\"[]\"]"), 1, true);
		assert_int_equal(read_all(f, (enum stmt_format)format, &out), STMT_READ_BROKEN);
		finished_drop(f);
	}
}

static void only_what_succeeded_can_be_read(void **state)
{
	struct finished *f = finished(ENGINE_NATIVE);

	(void)state;
	f->st->state = STMT_RUNNING;
	assert_null(statement_reader(&f->call, f->st, STMT_JSON));
	assert_int_equal(f->call.err.kind, ERR_NOT_FINISHED);
	call_forgive(&f->call);
	f->st->state = STMT_SUCCEEDED;
	f->st->columns->n--;
	assert_null(statement_reader(&f->call, f->st, STMT_JSON));
	assert_int_equal(f->call.err.kind, ERR_INTERNAL);
	f->st->columns->n++;
	finished_drop(f);
}

static void a_partition_comes_in_the_other_form(void **state)
{
	struct finished *f = finished(ENGINE_NATIVE);
	OWNS(buf) out = {0};

	(void)state;
	add_part(f, S("[1,\"a\",[1,null]]"), 1, true);
	add_part(f, S("[1,2,3]"), 1, true);
	assert_true(stmt_part_as(&f->call, f->st, 0, ENGINE_SNOWFLAKE, &out));
	assert_str_equal(buf_str(&out), "{\"data\":[[\"1\",\"a\",\"[\\n  1,\\n  undefined\\n]\"]]}");
	buf_clear(&out);
	assert_true(stmt_part_as(&f->call, f->st, 0, ENGINE_NATIVE, &out));
	assert_str_equal(buf_str(&out), "{\"data\":[[1,\"a\",[1,null]]]}");
	assert_false(stmt_part_as(&f->call, f->st, 1, ENGINE_SNOWFLAKE, &out));
	assert_int_equal(f->call.err.kind, ERR_INTERNAL);
	assert_str_equal(buf_str(&out), "{\"data\":[[1,\"a\",[1,null]]]}");
	call_forgive(&f->call);
	assert_false(stmt_part_as(&f->call, f->st, 2, ENGINE_SNOWFLAKE, &out));
	finished_drop(f);
}

/* --- mutations --- */
static const char every_kind[] =
	"[\"true\",\"-12\",\"1701411834604692317316873037158841057\",\"1.50\",\"inf\",\"t\\u00e9\\n\",\"6f1e3c1a\",\"1 day\","
	"\"00FF\",\"-735160\",\"47107.250000000\",\"01:02:03+00\",\"-0.500000000\",\"infinity\","
	"\"{\\n  \\\"a\\\": [\\n    1e5\\n  ]\\n}\",\"[\\n  undefined,\\n  1\\n]\",\"{\\n  \\\"k\\\": \\\"v\\\"\\n}\","
	"\"{}\",\"[]\",\"-0.500000000 960\"]";

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void mutate(struct buf *b, uint32_t *seed)
{
	static const char likely[] = "\"\\[]{},:.-0u9nT \n\x80";
	size_t at = next_random(seed) % b->n;

	switch (next_random(seed) % 4) {
	case 0:
		b->p[at] = likely[next_random(seed) % (sizeof(likely) - 1)];
		break;
	case 1:
		b->p[at] = (char)next_random(seed);
		break;
	case 2:
		memmove(b->p + at, b->p + at + 1, b->n - at - 1);
		b->n--;
		break;
	default:
		b->n = at + 1;
	}
}

/* All columns in turn; what still converts must convert back. */
static void mutations_are_converted_or_refused(void **state)
{
	struct engine_column cols[ENGINE_T_COUNT];
	uint32_t seed = 1;
	int good = 0, rounds = 60000;

	(void)state;
	for (int i = 0; i < ENGINE_T_COUNT; i++)
		cols[i] = (struct engine_column){.kind = (enum engine_type)i, .type = S("MAP(")};
	for (int round = 0; round < rounds; round++) {
		OWNS(buf) rows = {0};
		OWNS(buf) out = {0};
		OWNS(buf) back = {0};
		OWNS(convert) cv = {.from = ENGINE_SNOWFLAKE, .to = ENGINE_NATIVE, .columns = cols, .ncolumns = ENGINE_T_COUNT};
		bool done;

		buf_add(&rows, S(every_kind));
		for (uint32_t n = next_random(&seed) % 3; n; n--)
			mutate(&rows, &seed);
		cv.scan = json_scan(buf_str(&rows));
		if (!convert_page(&cv, CONVERT_PAGE, &out, &done))
			continue;
		good++;
		cv.from = ENGINE_NATIVE;
		cv.to = ENGINE_SNOWFLAKE;
		cv.comma = false;
		cv.scan = json_scan(buf_str(&out));
		assert_true(convert_page(&cv, CONVERT_PAGE, &back, &done));
		if (str_eq(buf_str(&rows), S(every_kind)))
			assert_str_equal(buf_str(&back), every_kind);
	}
	assert_true(good > rounds / 4 && good < rounds);
}

static void mutated_gzip_is_refused_or_read(void **state)
{
	OWNS(buf) packed = {0};
	OWNS(buf) plain = {0};
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 50; i++)
		buf_add(&plain, S(every_kind));
	gzip(buf_str(&plain), &packed);
	for (int round = 0; round < 3000; round++) {
		OWNS(buf) copy = {0};
		OWNS(buf) out = {0};

		buf_add(&copy, buf_str(&packed));
		mutate(&copy, &seed);
		if (convert_gunzip(buf_str(&copy), &out))
			assert_true(str_eq(buf_str(&out), buf_str(&plain)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(booleans_and_numbers_change_both_ways),
		cmocka_unit_test(numbers_that_are_none_are_refused),
		cmocka_unit_test(texts_keep_their_escapes),
		cmocka_unit_test(the_word_null_is_null_but_in_texts),
		cmocka_unit_test(bytes_are_hex_there_and_base64_here),
		cmocka_unit_test(dates_are_days_in_every_era),
		cmocka_unit_test(times_are_seconds),
		cmocka_unit_test(instants_change_on_both_sides_of_1970),
		cmocka_unit_test(formats_are_left_behind),
		cmocka_unit_test(instants_keep_their_offset),
		cmocka_unit_test(json_is_laid_out_in_a_string_and_compact_here),
		cmocka_unit_test(elements_of_lists_change_by_their_type),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(rows_come_in_every_shape_from_both_forms),
		cmocka_unit_test(rows_of_another_width_are_refused),
		cmocka_unit_test(names_that_come_again_get_a_suffix),
		cmocka_unit_test(gzip_is_believed_only_where_it_can_be_true),
		cmocka_unit_test(an_envelope_is_what_workers_write),
		cmocka_unit_test(a_result_is_read_partition_by_partition),
		cmocka_unit_test(an_empty_result_is_still_a_document),
		cmocka_unit_test(a_large_partition_is_read_in_pages),
		cmocka_unit_test(a_broken_partition_breaks_the_reading),
		cmocka_unit_test(only_what_succeeded_can_be_read),
		cmocka_unit_test(a_partition_comes_in_the_other_form),
		cmocka_unit_test(mutations_are_converted_or_refused),
		cmocka_unit_test(mutated_gzip_is_refused_or_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
