/* format_test.c - Snowflake's formats of dates and times: elements, errors, and what is written is read again. */
#include "engine/format.h"

#include "test.h"

static void what_is_no_format_is_told(void **state)
{
	static const char *const bad[][2] = {{"FF10", "FF10"}, {"HH24:MI:SS.FF99 TZH", "FF99"}, {"YYYY \"at", "\""}, {"YYYY-MM-DD\"", "\""}};
	struct format f;
	struct str what;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(format_compile(str_of(bad[i][0]), &f, &what));
		assert_true(str_eq(what, str_of(bad[i][1])));
	}
	assert_true(format_compile(S("FF9\"0\"FF0\"\""), &f, &what));
}

static void compiles(struct format *f, const char *text)
{
	struct str bad;

	assert_true(format_compile(str_of(text), f, &bad));
}

#define HOURS INT64_C(3600000000000)
static const struct format_time leap = {.days = 19782, .nanos = 13 * HOURS + 5 * HOURS / 60 + 7250000000, .offset_minutes = 120};

static void writes(const char *format, const struct format_time *t, const char *want)
{
	OWNS(buf) out = {0};
	struct format f;

	compiles(&f, format);
	format_write(&f, t, 9, &out);
	assert_str_equal(buf_str(&out), want);
}

static void every_element_is_written(void **state)
{
	const struct format_time evening = {.days = -25567, .nanos = 20 * HOURS + 1, .offset_minutes = -330};
	const struct format_time midnight = {.days = 0};

	(void)state;
	writes("YYYY-MM-DD", &leap, "2024-02-29");
	writes("yyyy/mm/dd", &leap, "2024/02/29");
	writes("YY MON DY", &leap, "24 Feb Thu");
	writes("mmmm month day", &leap, "February February Thursday");
	writes("YYYY-MM-DDTHH24:MI:SS.FFTZH:TZM", &leap, "2024-02-29T13:05:07.250000000+02:00");
	writes("HH24:MI:SS.FF3 TZHTZM", &leap, "13:05:07.250 +0200");
	writes("HH12:MI AM|HH:MI", &leap, "01:05 PM|01:05");
	writes("HH:MI", &leap, "13:05");
	writes("HH12 PM", &evening, "08 PM");
	writes("HH12 PM", &midnight, "12 AM");
	writes("DY DD.MM.YYYY FF9 FF0 TZH TZM", &evening, "Mon 01.01.1900 000000001  -05 30");
	writes("\"the day \"DD\" of AM\"", &leap, "the day 29 of AM");
	writes("YYYYMMDDHH24MISS", &leap, "20240229130507");
}

static void refused(const char *format, const char *bad)
{
	struct str got;
	struct format f;

	assert_false(format_compile(str_of(format), &f, &got));
	assert_str_equal(got, bad);
}

static void unknown_elements_are_named(void **state)
{
	OWNS(buf) b = {0};
	struct str bad;
	struct format f;

	(void)state;
	refused("YYYY-QQ", "QQ");
	refused("foo", "foo");
	refused("DD bar2 MM", "bar2");
	compiles(&f, "AUTO");
	assert_true(f.automatic);
	compiles(&f, "");
	assert_true(f.automatic);
	for (int i = 0; i < FORMAT_ITEMS + 1; i++)
		buf_lit(&b, "DD");
	assert_false(format_compile(buf_str(&b), &f, &bad));
	buf_clear(&b);
	buf_lit(&b, "\"");
	for (int i = 0; i < FORMAT_TEXT_MAX + 1; i++)
		buf_lit(&b, "x");
	assert_false(format_compile(buf_str(&b), &f, &bad));
}

static bool reads(const char *format, const char *text, struct format_time *ret)
{
	struct format f;
	unsigned has;

	compiles(&f, format);
	return format_read(&f, str_of(text), ret, &has);
}

static void assert_leap(const struct format_time *t)
{
	assert_int_equal(t->days, leap.days);
	assert_int_equal(t->nanos, leap.nanos);
	assert_int_equal(t->offset_minutes, leap.offset_minutes);
}

static void texts_are_read(void **state)
{
	struct format_time t;

	(void)state;
	assert_true(reads("YYYY-MM-DD\"T\"HH24:MI:SS.FFTZH:TZM", "2024-02-29T13:05:07.25+02:00", &t));
	assert_leap(&t);
	assert_true(reads("DD-mon-YYYY HH12:MI:SS.FF3 AM TZHTZM", "29-feb-2024 1:05:07.250 pm +0200", &t));
	assert_leap(&t);
	assert_true(reads("YYYYMMDD", "20240229", &t));
	assert_int_equal(t.days, 19782);
	assert_true(reads("DY, MMMM DD YY", "Thu, February 29 70", &t) == false); /* 1970 has none */
	assert_true(reads("MM/DD/YY", "1/2/69", &t));
	assert_int_equal(t.days, clock_days_from_civil(2069, 1, 2));
	assert_true(reads("HH12 AM", "12 AM", &t));
	assert_int_equal(t.nanos, 0);
	assert_true(reads("HH24:MI TZH:TZM", "00:00 -03:30", &t));
	assert_int_equal(t.offset_minutes, -210);
	assert_true(reads("HH24:MITZH:TZM", "00:00Z", &t));
	for (size_t i = 0; i < 8; i++) {
		static const char *const bad[][2] = {{"YYYY-MM-DD", "2023-02-29"}, {"MM", "13"}, {"MM", "0"}, {"DD", "x"}, {"HH24:MI", "10:60"},
			{"YYYY", "2024 "  "x"}, {"HH12 AM", "13 PM"}, {"FF3", "1234"}};

		assert_false(reads(bad[i][0], bad[i][1], &t));
	}
}

static void what_is_written_is_read_again(void **state)
{
	static const char *const formats[] = {"YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM", "DY DD MON YYYY HH12:MI:SS.FF AM TZHTZM",
		"DAY MONTH DD YYYY HH24 MI SS FF TZHTZM"};
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 30000; round++) {
		OWNS(buf) out = {0};
		struct format_time t, back;
		struct format f;
		unsigned has;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		t = (struct format_time){.days = (int64_t)(seed >> 33) % 3652059 - 719162, .nanos = (int64_t)(seed >> 11) % (24 * HOURS),
					 .offset_minutes = (int)(seed >> 40) % 2881 - 1440};
		compiles(&f, formats[round % (int)COUNT_OF(formats)]);
		format_write(&f, &t, 9, &out);
		assert_true(format_read(&f, buf_str(&out), &back, &has));
		assert_int_equal(back.days, t.days);
		assert_int_equal(back.nanos, t.nanos);
		assert_int_equal(back.offset_minutes, t.offset_minutes);
	}
}

static void automatic(const char *text, int64_t days, int64_t nanos, int offset, unsigned has)
{
	struct format_time t;
	unsigned got;

	if (!format_read_auto(str_of(text), &t, &got))
		print_error("not read: %s\n", text);
	assert_true(format_read_auto(str_of(text), &t, &got));
	assert_int_equal(t.days, days);
	assert_int_equal(t.nanos, nanos);
	assert_int_equal(t.offset_minutes, offset);
	assert_int_equal(got & (FORMAT_HAS_DATE | FORMAT_HAS_ZONE | FORMAT_HAS_HOUR), has);
}

static void usual_forms_need_no_format(void **state)
{
	struct format_time t;
	unsigned has;
	enum { DATE = FORMAT_HAS_DATE, TIME = FORMAT_HAS_HOUR, ZONE = FORMAT_HAS_ZONE };

	(void)state;
	automatic("2024-02-29", 19782, 0, 0, DATE);
	automatic("2024-2-9", 19762, 0, 0, DATE);
	automatic(" 2024-02-29 13:05:07.25 ", 19782, leap.nanos, 0, DATE | TIME);
	automatic("2024-02-29T13:05:07.25Z", 19782, leap.nanos, 0, DATE | TIME | ZONE);
	automatic("2024-02-29T13:05:07.25+02:00", 19782, leap.nanos, 120, DATE | TIME | ZONE);
	automatic("2024-02-29 13:05:07.250 +0200", 19782, leap.nanos, 120, DATE | TIME | ZONE);
	automatic("2024-02-29 13 -08", 19782, 13 * HOURS, -480, DATE | TIME | ZONE);
	automatic("13:05", 0, 13 * HOURS + 5 * HOURS / 60, 0, TIME);
	automatic("Thu, 29 Feb 2024 13:00:00 +0200", 19782, 13 * HOURS, 120, DATE | TIME | ZONE);
	automatic("Thu Feb 29 13:00:00 +0200 2024", 19782, 13 * HOURS, 120, DATE | TIME | ZONE);
	automatic("02/29/2024", 19782, 0, 0, DATE);
	automatic("29-FEB-2024", 19782, 0, 0, DATE);
	assert_false(format_read_auto(S(""), &t, &has));
	assert_false(format_read_auto(S("yesterday"), &t, &has));
	assert_false(format_read_auto(S("2024-02-30"), &t, &has));
	assert_false(format_read_auto(S("2024-02-29 25:00"), &t, &has));
	assert_false(format_read_auto(S("2024-02-29 13:00 +2x"), &t, &has));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_format_is_told),
		cmocka_unit_test(every_element_is_written),
		cmocka_unit_test(unknown_elements_are_named),
		cmocka_unit_test(texts_are_read),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(usual_forms_need_no_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
