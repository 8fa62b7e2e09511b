/* sf_functions_test.c - Snowflake's functions as C calls them: exact numbers, and SQL over columns of every kind. */
#include "engine/functions/functions.h"

#include "test.h"

/* --- numbers --- */
static void number(const char *text, const char *want, int want_scale)
{
	OWNS(buf) b = {0};
	__int128 v;
	int scale;

	assert_true(sf_read_number(str_of(text), &v, &scale));
	assert_int_equal(scale, want_scale);
	sf_number_text(v, scale < 0 ? 0 : scale, &b);
	assert_str_equal(buf_str(&b), want);
}

static void numbers_are_read_and_written(void **state)
{
	__int128 v;
	int scale;

	(void)state;
	number("0", "0", 0);
	number(" -12.50 ", "-12.50", 2);
	number("+.5", "0.5", 1);
	number("12.", "12", 0);
	number("1e-2", "0.01", 2);
	number("-0.000", "0.000", 3);
	number("99999999999999999999999999999999999999", "99999999999999999999999999999999999999", 0);
	number("-0.0000000000000000000000000000000000001", "-0.0000000000000000000000000000000000001", 37);
	assert_true(sf_read_number(S("1e3"), &v, &scale));
	assert_true(v == 1 && scale == -3);
	assert_true(sf_read_number(S("123456789012345678901234567890123456789012"), &v, &scale));
	assert_int_equal(scale, -4);
	assert_false(sf_read_number(S(""), &v, &scale));
	assert_false(sf_read_number(S("."), &v, &scale));
	assert_false(sf_read_number(S("-"), &v, &scale));
	assert_false(sf_read_number(S("1.2.3"), &v, &scale));
	assert_false(sf_read_number(S("1e"), &v, &scale));
	assert_false(sf_read_number(S("1e99999"), &v, &scale));
	assert_false(sf_read_number(S("1 2"), &v, &scale));
	assert_false(sf_read_number(S("0x10"), &v, &scale));
}

static void rescaled(int64_t v, int from, int to, int64_t want)
{
	__int128 got;

	assert_true(sf_rescale(v, from, to, &got));
	assert_true(got == want);
}

static void rounding_is_half_away_from_zero(void **state)
{
	__int128 ten = 10, most = 1, got;

	(void)state;
	rescaled(25, 1, 0, 3);
	rescaled(-25, 1, 0, -3);
	rescaled(24, 1, 0, 2);
	rescaled(-24, 1, 0, -2);
	rescaled(125, 2, 4, 12500);
	rescaled(0, 0, 80, 0);
	rescaled(5, 60, 0, 0);
	rescaled(1, -3, 0, 1000);
	for (int i = 0; i < 37; i++)
		most *= ten;
	assert_true(sf_rescale(most, 0, 0, &got));
	assert_false(sf_rescale(most, 0, 1, &got));
	assert_false(sf_rescale(most, 0, 38, &got));
	assert_false(sf_rescale(1, 0, 38, &got));
}

/* --- in DuckDB --- */
struct rig {
	duckdb_database db;
	duckdb_connection con;
};

static int open_rig(void **state)
{
	static struct rig rig;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	assert_int_equal(duckdb_open(NULL, &rig.db), DuckDBSuccess);
	assert_int_equal(duckdb_connect(rig.db, &rig.con), DuckDBSuccess);
	assert_true(sf_functions_register(&c, rig.con));
	*state = &rig;
	return 0;
}

static int close_rig(void **state)
{
	struct rig *rig = *state;

	duckdb_disconnect(&rig->con);
	duckdb_close(&rig->db);
	return 0;
}

/* The first cell as text; a NULL is "NULL", an error its message. */
static void answers(struct rig *rig, const char *expression, const char *want)
{
	OWNS(buf) sql = {0};
	duckdb_result r;
	char *got = NULL;

	buf_fmt(&sql, "SELECT CAST((%s) AS VARCHAR)", expression);
	if (duckdb_query(rig->con, buf_cstr(&sql), &r) == DuckDBSuccess) {
		assert_int_equal(duckdb_row_count(&r), 1);
		got = duckdb_value_varchar(&r, 0, 0);
		assert_string_equal(got ? got : "NULL", want);
	} else {
		if (!strstr(duckdb_result_error(&r), want))
			print_error("%s: %s\n", expression, duckdb_result_error(&r));
		assert_non_null(strstr(duckdb_result_error(&r), want));
	}
	duckdb_free(got);
	duckdb_destroy_result(&r);
}

static void quotients_are_exact(void **state)
{
	struct rig *rig = *state;

	/* six more digits than the dividend has, up to twelve */
	answers(rig, "SF_DIVIDE(1, 3)", "0.333333");
	answers(rig, "SF_DIVIDE(-2, 3)", "-0.666667");
	answers(rig, "SF_DIVIDE(1234567890123456789, 7)", "176366841446208112.714286");
	answers(rig, "SF_DIVIDE(10.25, 3)", "3.41666667");
	answers(rig, "SF_DIVIDE(CAST(NULL AS DECIMAL(4,2)), 3)", "NULL");
	answers(rig, "SF_DIVIDE(CAST(1.23456789 AS DECIMAL(10,8)), 3)", "0.411522630000");
	answers(rig, "SF_DIVIDE(CAST(1 AS DECIMAL(18,12)), 3)", "0.333333333333");
	answers(rig, "SF_DIVIDE(1, 0.0000000000000000000000000000000003)", "SF 100046/22003");
	answers(rig, "SF_DIVIDE(CAST(1 AS DECIMAL(38,20)), CAST(3 AS DECIMAL(38,20)))", "0.33333333333333333333");
	answers(rig, "SF_DIVIDE(CAST(0.1 AS DECIMAL(38,37)), 2)", "0.0500000000000000000000000000000000000");
	answers(rig, "typeof(SF_DIVIDE(1.5, 2))", "DECIMAL(38,7)");
	answers(rig, "SF_DIVIDE(CAST('99999999999999999999999999' AS DECIMAL(38,0)), CAST('-99999999999999999999999999999999999999' AS DECIMAL(38,0)))",
		"0.000000");
	answers(rig, "SF_DIVIDE(CAST('99999999999999999999999999999999' AS DECIMAL(38,0)), 1)", "99999999999999999999999999999999.000000");
	answers(rig, "SF_DIVIDE(CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)), CAST('33333333333333333333333333333333333333' AS DECIMAL(38,0)))",
		"3.000000");
	answers(rig, "SF_DIVIDE('10', 4)", "2.50000000000");
	answers(rig, "SF_DIVIDE(10, '4')", "2.500000");
	answers(rig, "SF_DIVIDE(CAST(1 AS DOUBLE), 4)", "0.25");
	answers(rig, "SF_DIVIDE(CAST(1 AS FLOAT), CAST(4 AS DOUBLE))", "0.25");
	answers(rig, "SF_DIVIDE(1.5, CAST(4 AS DOUBLE))", "0.375");
	answers(rig, "SF_DIVIDE(1, CAST(0 AS DOUBLE))", "SF 100051/22012 Division by zero");
	answers(rig, "SF_DIVIDE(1, 0)", "SF 100051/22012 Division by zero");
	answers(rig, "SF_DIVIDE(1.5, 0.0)", "SF 100051/22012 Division by zero");
	answers(rig, "SF_DIVIDE(NULL, 0)", "NULL");
	answers(rig, "SF_DIVIDE(1, NULL)", "NULL");
	answers(rig, "SF_DIVIDE('x', 4)", "SF 100038/22018 Numeric value 'x' is not recognized");
	answers(rig, "SF_DIVIDE(DATE '2024-01-01', 4)", "SF 001044/42P13");
	answers(rig, "SF_DIVIDE(true, 4)", "SF 001044/42P13");
	answers(rig, "SF_DIVIDE0(1.5, 0)", "0.0000000");
	answers(rig, "SF_DIVIDE0(1.5, NULL)", "NULL");
	answers(rig, "SF_DIVIDE0(NULL, 0)", "NULL");
	answers(rig, "SF_DIVIDE0(CAST(2 AS DOUBLE), 0)", "0.0");
	answers(rig, "SF_DIVIDE0_NULL(3, NULL)", "0.000000");
	answers(rig, "SF_DIVIDE0_NULL(NULL, NULL)", "NULL");
	answers(rig, "SF_DIVIDE0_NULL(CAST(2 AS DOUBLE), NULL)", "0.0");
	answers(rig, "SF_MEAN(CAST(5 AS HUGEINT), 2)", "2.500");
	answers(rig, "SF_MEAN(CAST(5.5 AS DECIMAL(38,1)), 2)", "2.7500");
	answers(rig, "SF_MEAN(CAST(5 AS DOUBLE), 2)", "2.5");
}

static void errors_are_nulls_where_they_are_tried(void **state)
{
	struct rig *rig = *state;

	answers(rig, "SF_TO_NUMBER('1x')", "SF 100038/22018");
	answers(rig, "SF_TRY_TO_NUMBER('1x')", "NULL");
	answers(rig, "SF_TO_DATE('2024-02-30')", "SF 100040/22007 Date '2024-02-30' is not recognized");
	answers(rig, "SF_TRY_TO_DATE('2024-02-30')", "NULL");
	answers(rig, "SF_TO_DATE('2024', 'YYYY-QQ')", "SF 100096/22007");
	answers(rig, "SF_TRY_TO_NTZ('x')", "NULL");
	answers(rig, "SF_TO_BINARY('zz')", "SF 100115/22000");
	answers(rig, "SF_TRY_TO_BINARY('zz')", "NULL");
	answers(rig, "SF_TO_BOOLEAN('perhaps')", "SF 100037/22018");
	answers(rig, "SF_HEX_DECODE_STRING('ff')", "SF 100132/P0000 Invalid UTF-8");
	answers(rig, "(SELECT count(SF_TRY_TO_NUMBER(s)) FROM (VALUES ('1'), ('x'), (NULL), ('2')) t(s))", "2");
	answers(rig, "(SELECT sum(SF_TO_NUMBER(i::VARCHAR)) FROM range(5000) t(i))", "12497500");
}

static void moments_keep_their_types(void **state)
{
	struct rig *rig = *state;

	answers(rig, "typeof(SF_MOMENT(DATE '2024-01-01'))", "DATE");
	answers(rig, "typeof(SF_MOMENT('2024-01-01'))", "TIMESTAMP");
	answers(rig, "typeof(SF_MOMENT(TIME '10:00:00'))", "TIME");
	answers(rig, "typeof(SF_DAY(TIME '10:00:00'))", "TIMESTAMP");
	answers(rig, "SF_DAY(TIME '10:00:00')", "1970-01-01 10:00:00");
	answers(rig, "SF_MOMENT(NULL)", "NULL");
	answers(rig, "SF_MOMENT(5)", "SF 001044/42P13");
	answers(rig, "SF_AS_MOMENT(TIMESTAMP '1969-12-31 10:00:00', DATE '2024-01-01')", "1969-12-31");
	answers(rig, "SF_AS_MOMENT(TIMESTAMP '1969-12-31 10:00:00', TIME '00:00:00')", "10:00:00");
	answers(rig, "SF_WALL(SF_AS_MOMENT(SF_MOMENT(SF_TZ(TIMESTAMP '2024-01-01 00:00:00', 90)), SF_TZ(TIMESTAMP '2000-01-01 00:00:00', 90)))",
		"2024-01-01 01:30:00");
	answers(rig, "SF_ZONE(SF_AS_MOMENT(TIMESTAMP '2024-01-01 00:00:00', SF_TZ(TIMESTAMP '2000-01-01 00:00:00', -90)))", "-90");
	answers(rig, "SF_TO_NTZ(-1.5)", "1969-12-31 23:59:58.5");
	answers(rig, "SF_TO_NTZ('-1')", "1969-12-31 23:59:59");
	answers(rig, "SF_TO_NTZ(1, 10)", "SF 100132/P0000");
	answers(rig, "SF_TO_NTZ(99999999999999999999)", "SF 100046/22003");
	answers(rig, "SF_WEEKDAY('xx')", "SF 100132/P0000");
	answers(rig, "SF_TEXT(TIMESTAMP '1969-12-31 23:59:59.5')", "1969-12-31 23:59:59.500");
	answers(rig, "SF_TEXT(DATE '0001-01-01')", "0001-01-01");
}

static void texts_and_bytes(void **state)
{
	struct rig *rig = *state;

	answers(rig, "SF_SUBSTR('a\xc3\xa9z', -2, 1)", "\xc3\xa9");
	answers(rig, "SF_SUBSTR('abc', 9223372036854775807, 9223372036854775807)", "");
	answers(rig, "SF_SPLIT_PART('a--b', '--', -2)", "a");
	answers(rig, "SF_SPLIT_PART('a', '-', -9223372036854775808)", "");
	answers(rig, "SF_SPLIT('a\"b,\xc3\xa9', ',')", "[\"a\\\"b\",\"\xc3\xa9\"]");
	answers(rig, "SF_STRTOK('', 'x', 1)", "NULL");
	answers(rig, "SF_SOUNDEX('')", "");
	answers(rig, "SF_LIKENESS(repeat('x', 10000), repeat('x', 10000))", "100");
	answers(rig, "SF_BASE64_ENCODE('abcdef', 4)", "YWJj\nZGVm");
	answers(rig, "SF_SHA2('x', 100)", "SF 100132/P0000");
	answers(rig, "SF_UUID('not a uuid', 'x')", "SF 100132/P0000");
	answers(rig, "SF_UNIFORM(5, 1, 1)", "SF 100132/P0000");
	answers(rig, "SF_UNIFORM(-9223372036854775808, 9223372036854775807, 1) IS NOT NULL", "true");
	answers(rig, "SF_RANDSTR(99999999999, 1)", "SF 100132/P0000");
	answers(rig, "SF_SHIFT(1, 9223372036854775807)", "0");
	answers(rig, "SF_SHIFT(-1, -9223372036854775807)", "-1");
	answers(rig, "SF_TEXT(1234.5, '9,999.00')", " 1,234.50");
	answers(rig, "SF_TEXT(1, repeat('9', 1000))", "SF 100132/P0000");
	answers(rig, "SF_TEXT(1, '\"open')", "SF 100132/P0000");
	answers(rig, "SF_TEXT(CAST(-1 AS HUGEINT), 'XXXX')", "FFFF");
	answers(rig, "SF_TEXT(CAST(1e300 AS DOUBLE), '9')", "SF 100038/22018");
	answers(rig, "SF_TEXT(CAST('NaN' AS DOUBLE), '9')", "SF 100038/22018");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_and_written),
		cmocka_unit_test(rounding_is_half_away_from_zero),
		cmocka_unit_test(quotients_are_exact),
		cmocka_unit_test(errors_are_nulls_where_they_are_tried),
		cmocka_unit_test(moments_keep_their_types),
		cmocka_unit_test(texts_and_bytes),
	};

	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
