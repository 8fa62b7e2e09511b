/* rows_test.c - readers of JSON, NDJSON and CSV rows, and of the values in them. */
#include "engine/worker/rows.h"

#include <math.h>
#include <stdio.h>

#include "test.h"

/* --- a sink that writes rows as text: kind and text of each cell --- */
struct shown {
	struct rows *rows;
	struct buf all, row, header;
	int again; /* ask once for the row with this number again */
};

static const char kinds[] = {[ROWS_ABSENT] = '-', [ROWS_NULL] = 'n', [ROWS_FALSE] = 'f', [ROWS_TRUE] = 't',
			     [ROWS_NUMBER] = '#', [ROWS_TEXT] = '\'', [ROWS_NESTED] = '[', [ROWS_FIELD] = '"'};
static const struct str names[] = {S_INIT("id"), S_INIT("Name"), S_INIT("a\"b")};

static enum rows_put on_header(void *arg, const bool *given)
{
	struct shown *s = arg;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		buf_addc(&s->header, given[i] ? '1' : '0');
	return ROWS_PUT_OK;
}

static enum rows_put on_cell(void *arg, int column, const struct rows_cell *cell)
{
	struct shown *s = arg;

	assert_in_range(column, 0, COUNT_OF(names) - 1);
	if (str_eq(cell->text, S("refuse")))
		return rows_refuse(s->rows, column, "refused %d", 7);
	if (rows_number(s->rows) == s->again && column == 1) {
		s->again = 0;
		buf_clear(&s->row);
		return ROWS_PUT_AGAIN;
	}
	buf_fmt(&s->row, "%d%c", column, kinds[cell->kind]);
	if (cell->kind >= ROWS_NUMBER)
		buf_add(&s->row, cell->text);
	buf_addc(&s->row, ' ');
	return ROWS_PUT_OK;
}

static enum rows_put on_row(void *arg)
{
	struct shown *s = arg;

	buf_add(&s->all, buf_str(&s->row));
	buf_addc(&s->all, '|');
	buf_clear(&s->row);
	return ROWS_PUT_OK;
}

static void shown_drop(struct shown *s)
{
	rows_close(s->rows);
	buf_drop(&s->all);
	buf_drop(&s->row);
	buf_drop(&s->header);
}

/* Feeds the text in pieces of `piece` bytes. Cells of an attempt cut short are forgotten. */
static enum rows_state read_rows(struct shown *s, enum engine_rows_format format, struct str text, size_t piece)
{
	const struct rows_sink sink = {on_header, on_cell, on_row, s};
	enum rows_state state = ROWS_MORE;

	s->rows = rows_open(format, names, COUNT_OF(names), &sink);
	while (state == ROWS_MORE || state == ROWS_AGAIN) {
		bool complete = text.n == 0;
		size_t room, n = piece < text.n ? piece : text.n;
		char *to;

		if (state == ROWS_MORE) {
			to = rows_room(s->rows, &room);
			n = n < room ? n : room;
			if (n)
				memcpy(to, text.p, n);
			rows_added(s->rows, n);
			text = str_tail(text, n);
		}
		buf_clear(&s->row);
		state = rows_run(s->rows, complete);
		assert_false(complete && state == ROWS_MORE);
	}
	return state;
}

static void check(enum engine_rows_format format, const char *text, const char *expected)
{
	for (size_t piece = 1; piece <= strlen(text) + 1; piece = piece < 8 ? piece + 1 : piece * 2) {
		struct shown s = {0};
		enum rows_state state = read_rows(&s, format, str_of(text), piece);

		if (state != ROWS_END)
			print_message("%s: row %lld: %.*s: %s\n", text, (long long)rows_error(s.rows)->row,
				      SARG(rows_error(s.rows)->column), rows_error(s.rows)->text);
		assert_int_equal(state, ROWS_END);
		assert_string_equal(buf_cstr(&s.all), expected);
		shown_drop(&s);
	}
}

/* Which row and column are bad, and a part of the words. */
static void check_bad(enum engine_rows_format format, const char *text, int row, const char *column, const char *words)
{
	for (size_t piece = 1; piece <= strlen(text) + 1; piece = piece < 8 ? piece + 1 : piece * 2) {
		struct shown s = {0};
		enum rows_state state = read_rows(&s, format, str_of(text), piece);

		assert_true(state == ROWS_BAD || state == ROWS_STOPPED);
		if (rows_error(s.rows)->row != row || !strstr(rows_error(s.rows)->text, words))
			print_message("%s: %lld %s\n", text, (long long)rows_error(s.rows)->row, rows_error(s.rows)->text);
		assert_int_equal(rows_error(s.rows)->row, row);
		assert_str_equal(rows_error(s.rows)->column, column);
		assert_non_null(strstr(rows_error(s.rows)->text, words));
		shown_drop(&s);
	}
}

/* --- JSON --- */
static void json_rows_come_by_name_and_by_place(void **state)
{
	(void)state;
	check(ENGINE_ROWS_JSON, "[]", "");
	check(ENGINE_ROWS_JSON, " \n[ ] \n ", "");
	check(ENGINE_ROWS_JSON, "\xEF\xBB\xBF[[1,2,3]]", "0#1 1#2 2#3 |");
	check(ENGINE_ROWS_JSON, "[{\"id\":1,\"Name\":\"x\",\"a\\\"b\":null}]", "0#1 1'x 2n |");
	check(ENGINE_ROWS_JSON, "[{\"NAME\":true,\"ID\":false}]", "1t 0f 2- |");
	check(ENGINE_ROWS_JSON, "[{},[1,2,3], {\"id\" : -1.5e+7 }\n,[[1,{\"x\":[]}],{},\"\"]]",
	      "0- 1- 2- |0#1 1#2 2#3 |0#-1.5e+7 1- 2- |0[[1,{\"x\":[]}] 1[{} 2' |");
	check(ENGINE_ROWS_JSON, "[{\"Name\":1,\"id\":2},{\"id\":3,\"Name\":4},{\"Name\":5,\"id\":6}]",
	      "1#1 0#2 2- |0#3 1#4 2- |1#5 0#6 2- |");
}

static void json_strings_lose_their_escapes(void **state)
{
	(void)state;
	check(ENGINE_ROWS_JSON, "[{\"id\":\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\\u00e9\\u20AC\\uD83D\\uDE00z\"}]",
	      "0'a\n\t\"\\/\b\f\r\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z 1- 2- |");
	check(ENGINE_ROWS_JSON, "[{\"\\u0069d\":\"\xE2\x82\xAC and more than eight\"}]", "0'\xE2\x82\xAC and more than eight 1- 2- |");
	check(ENGINE_ROWS_JSON, "[{\"id\":[\"\\u0041\"]}]", "0[[\"\\u0041\"] 1- 2- |");
}

static void json_that_is_none_is_refused_with_its_row(void **state)
{
	static const struct {
		const char *text;
		int row;
		const char *column, *words;
	} bad[] = {
		{"", 1, "", "an array of rows"},
		{"{}", 1, "", "an array of rows"},
		{"[1]", 1, "", "a row"},
		{"[[1,2,3]", 2, "", "',' or ']'"},
		{"[[1,2,3],]", 2, "", "a row"},
		{"[[1,2,3] [4,5,6]]", 2, "", "',' or ']'"},
		{"[] x", 1, "", "nothing behind"},
		{"[[1,2,3],[4,5", 2, "", "ends"},
		{"[[1,2,3],[4,5]]", 2, "", "2 fields"},
		{"[[]]", 1, "", "0 fields"},
		{"[[1,2,3,4]]", 1, "", "more fields"},
		{"[{\"id\":1,\"other\":2}]", 1, "other", "no such column"},
		{"[{\"id\":1,\"ID\":2}]", 1, "id", "twice"},
		{"[{\"id\":NaN}]", 1, "id", "a value"},
		{"[{\"id\":01}]", 1, "", "','"},
		{"[{\"id\":1.}]", 1, "id", "a digit"},
		{"[{\"id\":.5}]", 1, "id", "a value"},
		{"[{\"id\":+5}]", 1, "id", "a value"},
		{"[{\"id\":1e}]", 1, "id", "a digit"},
		{"[{\"id\":tru}]", 1, "id", "true"},
		{"[{\"id\":'x'}]", 1, "id", "a value"},
		{"[{\"id\":1,}]", 1, "", "a member's name"},
		{"[{id:1}]", 1, "", "a member's name"},
		{"[{\"id\" 1}]", 1, "", "':'"},
		{"[{\"id\":\"a\nb\"}]", 1, "id", "control characters"},
		{"[{\"id\":\"\\x\"}]", 1, "id", "backslash"},
		{"[{\"id\":\"\\u12g4\"}]", 1, "id", "backslash"},
		{"[{\"id\":\"\\ud800\"}]", 1, "id", "surrogate"},
		{"[{\"id\":\"\\udc00\\ud800\"}]", 1, "id", "surrogate"},
		{"[{\"id\":\"\xC3\"}]", 1, "id", "UTF-8"},
		{"[{\"id\":\"\xED\xA0\x80\"}]", 1, "id", "UTF-8"},
		{"[{\"id\":[1,2}]", 1, "id", "',' or ']'"},
		{"[{\"id\":{\"a\"}}]", 1, "id", "':'"},
		{"[{\"id\":[1,]}]", 1, "id", "a value"},
		{"[{\"id\":1},{\"Name\":\"refuse\"}]", 2, "Name", "refused 7"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		check_bad(ENGINE_ROWS_JSON, bad[i].text, bad[i].row, bad[i].column, bad[i].words);
}

static void nesting_has_a_limit(void **state)
{
	OWNS(buf) b = {0};

	(void)state;
	for (int over = 0; over < 2; over++) {
		struct shown s = {0};

		buf_clear(&b);
		buf_lit(&b, "[{\"id\":");
		for (int i = 0; i < ROWS_MAX_DEPTH + over; i++)
			buf_addc(&b, '[');
		for (int i = 0; i < ROWS_MAX_DEPTH + over; i++)
			buf_addc(&b, ']');
		buf_lit(&b, "}]");
		assert_int_equal(read_rows(&s, ENGINE_ROWS_JSON, buf_str(&b), 7), over ? ROWS_BAD : ROWS_END);
		shown_drop(&s);
	}
}

static void a_row_has_a_limit(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		struct shown s = {0};
		OWNS(buf) b = {0};

		buf_lit(&b, "[{\"id\":\"");
		while (b.n < (over ? ROWS_MAX_BYTES + ROWS_BLOCK * 2 : ROWS_MAX_BYTES / 2 + 5))
			buf_lit(&b, "0123456789abcdef");
		buf_lit(&b, "\"}]");
		assert_int_equal(read_rows(&s, ENGINE_ROWS_JSON, buf_str(&b), 65536), over ? ROWS_BAD : ROWS_END);
		if (over)
			assert_non_null(strstr(rows_error(s.rows)->text, "longer"));
		else
			assert_int_equal(s.all.n, b.n - strlen("[{\"id\":\"\"}]") + strlen("0' 1- 2- |"));
		shown_drop(&s);
	}
}

static void a_row_may_be_asked_for_again(void **state)
{
	struct shown s = {.again = 2};

	(void)state;
	assert_int_equal(read_rows(&s, ENGINE_ROWS_NDJSON, S("[1,2,3]\n[4,5,6]\n{\"id\":7,\"name\":8}\n"), 100), ROWS_END);
	assert_string_equal(buf_cstr(&s.all), "0#1 1#2 2#3 |0#4 1#5 2#6 |0#7 1#8 2- |");
	shown_drop(&s);
}

/* --- NDJSON --- */
static void ndjson_has_a_row_a_line(void **state)
{
	(void)state;
	check(ENGINE_ROWS_NDJSON, "", "");
	check(ENGINE_ROWS_NDJSON, "\n \r\n\t\n", "");
	check(ENGINE_ROWS_NDJSON, "[1,2,3]", "0#1 1#2 2#3 |");
	check(ENGINE_ROWS_NDJSON, "{\"id\":1}\r\n\n [4,5,6] \n{}\n", "0#1 1- 2- |0#4 1#5 2#6 |0- 1- 2- |");
	check_bad(ENGINE_ROWS_NDJSON, "{\"id\":1}\n{\"id\":\n2}", 2, "id", "a value");
	check_bad(ENGINE_ROWS_NDJSON, "{\"id\":1} {\"id\":2}", 1, "", "end of the line");
	check_bad(ENGINE_ROWS_NDJSON, "{\"id\":1}\n{\"id\":2", 2, "", "ends");
	check_bad(ENGINE_ROWS_NDJSON, "[[1,2,3]]\n", 1, "", "1 fields");
	check_bad(ENGINE_ROWS_NDJSON, "{\"id\":1}\n7\n", 2, "", "a row");
}

/* --- CSV --- */
static void csv_columns_come_in_the_header_s_order(void **state)
{
	(void)state;
	check(ENGINE_ROWS_CSV, "id\n", "");
	check(ENGINE_ROWS_CSV, "id", "");
	check(ENGINE_ROWS_CSV, "name,ID\r\nx,1\r\ny,2", "1\"x 0\"1 |1\"y 0\"2 |");
	check(ENGINE_ROWS_CSV, "\xEF\xBB\xBFid,\"a\"\"b\"\n,\"\"\n\"a,\"\"b\"\"\r\nc\", \n", "0n 2\" |0\"a,\"b\"\r\nc 2\"  |");
	check(ENGINE_ROWS_CSV, "id,name\n\n1,2\n\r\n3,4\n\n", "0\"1 1\"2 |0\"3 1\"4 |");
	check(ENGINE_ROWS_CSV, "id\n1\n\n2\n", "0\"1 |0n |0\"2 |");
	check(ENGINE_ROWS_CSV, "id,name\n,\n", "0n 1n |");
}

static void csv_that_is_none_is_refused_with_its_row(void **state)
{
	(void)state;
	check_bad(ENGINE_ROWS_CSV, "", 0, "", "header");
	check_bad(ENGINE_ROWS_CSV, "id,other\n", 0, "other", "no such column");
	check_bad(ENGINE_ROWS_CSV, "id,ID\n", 0, "id", "twice");
	check_bad(ENGINE_ROWS_CSV, "id,name\n1,2\n3\n", 2, "", "1 fields");
	check_bad(ENGINE_ROWS_CSV, "id,name\n1,2,3\n", 1, "", "more fields");
	check_bad(ENGINE_ROWS_CSV, "id\n\"abc", 1, "", "without its end");
	check_bad(ENGINE_ROWS_CSV, "id\n\"abc\"d\n", 1, "", "between a field");
	check_bad(ENGINE_ROWS_CSV, "id\nab\"c\n", 1, "", "a quote inside");
	check_bad(ENGINE_ROWS_CSV, "id\nab\rc\n", 1, "", "between a field");
	check_bad(ENGINE_ROWS_CSV, "id\nab\r", 1, "", "carriage return");
	check_bad(ENGINE_ROWS_CSV, "id\n\xFF\n", 1, "", "UTF-8");
	check_bad(ENGINE_ROWS_CSV, "name,id\n1,refuse\n", 1, "id", "refused");
}

static void csv_tells_its_columns_first(void **state)
{
	struct shown s = {0};

	(void)state;
	assert_int_equal(read_rows(&s, ENGINE_ROWS_CSV, S("\"a\"\"b\",id\n"), 3), ROWS_END);
	assert_string_equal(buf_cstr(&s.header), "101");
	shown_drop(&s);
}

/* --- values --- */
static void fixed(const char *text, int scale, enum rows_number expected, int64_t value)
{
	unsigned __int128 v = 0;
	bool negative = false;

	assert_int_equal(rows_to_fixed(str_of(text), scale, &v, &negative), expected);
	if (expected == ROWS_EXACT || expected == ROWS_ROUNDED)
		assert_int_equal(negative ? -(int64_t)v : (int64_t)v, value);
}

static void decimal_texts_become_exact_integers(void **state)
{
	(void)state;
	fixed("0", 0, ROWS_EXACT, 0);
	fixed("-12", 0, ROWS_EXACT, -12);
	fixed("+12", 0, ROWS_EXACT, 12);
	fixed("1.0", 0, ROWS_EXACT, 1);
	fixed("1.5", 0, ROWS_ROUNDED, 2);
	fixed("-1.5", 0, ROWS_ROUNDED, -2);
	fixed("1.49", 0, ROWS_ROUNDED, 1);
	fixed("1e3", 0, ROWS_EXACT, 1000);
	fixed("1.25E+1", 1, ROWS_EXACT, 125);
	fixed("1200e-2", 0, ROWS_EXACT, 12);
	fixed("0.004", 2, ROWS_ROUNDED, 0);
	fixed("0.0004", 2, ROWS_ROUNDED, 0);
	fixed("0.005", 2, ROWS_ROUNDED, 1);
	fixed("9.999", 2, ROWS_ROUNDED, 1000);
	fixed(".5", 1, ROWS_EXACT, 5);
	fixed("5.", 1, ROWS_EXACT, 50);
	fixed("0e999999999999", 0, ROWS_EXACT, 0);
	fixed("1e-999999999999", 0, ROWS_ROUNDED, 0);
	fixed("1e999999999999", 0, ROWS_TOO_LARGE, 0);
	fixed("340282366920938463463374607431768211456", 0, ROWS_TOO_LARGE, 0);
	fixed("340282366920938463463374607431768211455.5", 0, ROWS_TOO_LARGE, 0);
	fixed("", 0, ROWS_NO_NUMBER, 0);
	fixed("-", 0, ROWS_NO_NUMBER, 0);
	fixed(".", 0, ROWS_NO_NUMBER, 0);
	fixed("1e", 0, ROWS_NO_NUMBER, 0);
	fixed(" 1", 0, ROWS_NO_NUMBER, 0);
	fixed("1 ", 0, ROWS_NO_NUMBER, 0);
	fixed("0x10", 0, ROWS_NO_NUMBER, 0);
	fixed("1.2.3", 0, ROWS_NO_NUMBER, 0);
	fixed("NaN", 0, ROWS_NO_NUMBER, 0);
}

static void same_double(const char *text)
{
	double v, reference = strtod(text, NULL);

	if (!rows_to_double(str_of(text), &v) || memcmp(&v, &reference, sizeof(v)) != 0)
		print_message("%s: %.17g, not %.17g\n", text, v, reference);
	assert_true(rows_to_double(str_of(text), &v));
	assert_memory_equal(&v, &reference, sizeof(v));
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void doubles_are_the_nearest(void **state)
{
	static const char *const some[] = {"0", "-0", "0.1", "1e22", "1e23", "9007199254740993", "9007199254740992.5",
		"9007199254740993.0000000001", "0.14285714285714285", "2.2250738585072014e-308", "4.9e-324", "1.7976931348623157e308",
		"123456789012345678", "18446744073709551615", "9999999999999999999", "8.5", "0.000001", "1e-19", "3e-20",
		"1152921504606846977", "1152921504606847105", "1152921504606846976e19"};
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(some); i++)
		same_double(some[i]);
	for (int i = 0; i < 300000; i++) {
		uint64_t bits = next_random();
		double v;

		memcpy(&v, &bits, sizeof(v));
		if (isfinite(v)) {
			snprintf(text, sizeof(text), "%.17g", v);
			same_double(text);
		}
		snprintf(text, sizeof(text), "%llu.%0*llue%d", (unsigned long long)(next_random() >> (next_random() % 60)),
			 (int)(1 + next_random() % 5), (unsigned long long)(next_random() % 10), (int)(next_random() % 44) - 22);
		same_double(text);
		/* halfway between two doubles, and near it */
		snprintf(text, sizeof(text), "%llue%d", (unsigned long long)((next_random() >> 10 | 1) | 1ULL << 53),
			 (int)(next_random() % 20) - 19);
		same_double(text);
	}
}

static void reals_that_are_none_are_refused(void **state)
{
	double v;
	float f;

	(void)state;
	assert_true(rows_to_double(S("NaN"), &v) && isnan(v));
	assert_true(rows_to_double(S("-Infinity"), &v) && v == -INFINITY);
	assert_true(rows_to_float(S("Infinity"), &f) && f == INFINITY);
	assert_true(rows_to_float(S("0.1"), &f) && f == 0.1f);
	assert_false(rows_to_double(S("1e999"), &v));
	assert_false(rows_to_float(S("1e39"), &f));
	assert_false(rows_to_double(S(""), &v));
	assert_false(rows_to_double(S("abc"), &v));
	assert_false(rows_to_double(S("0x1p3"), &v));
	assert_false(rows_to_double(S(" 1"), &v));
}

static void dates_and_timestamps_are_read_as_they_are_written(void **state)
{
	int32_t days;
	int64_t micros;

	(void)state;
	assert_true(rows_to_date(S("1970-01-02"), &days) && days == 1);
	assert_true(rows_to_date(S("2000-02-29"), &days) && days == 11016);
	assert_false(rows_to_date(S("1900-02-29"), &days));
	assert_false(rows_to_date(S("2023-13-01"), &days));
	assert_false(rows_to_date(S("2023-1-01x"), &days));
	assert_true(rows_to_timestamp(S("1970-01-01T00:00:01"), &micros) && micros == 1000000);
	assert_true(rows_to_timestamp(S("1969-12-31 23:59:59.5Z"), &micros) && micros == -500000);
	assert_true(rows_to_timestamp(S("1970-01-01T00:00:00.000001"), &micros) && micros == 1);
	assert_false(rows_to_timestamp(S("1970-01-01T24:00:00"), &micros));
	assert_false(rows_to_timestamp(S("1970-01-01T00:00:00.1234567"), &micros));
	assert_false(rows_to_timestamp(S("1970-01-01T00:00:00+02:00"), &micros));
	assert_false(rows_to_timestamp(S("1970-01-01"), &micros));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_rows_come_by_name_and_by_place),
		cmocka_unit_test(json_strings_lose_their_escapes),
		cmocka_unit_test(json_that_is_none_is_refused_with_its_row),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(a_row_has_a_limit),
		cmocka_unit_test(a_row_may_be_asked_for_again),
		cmocka_unit_test(ndjson_has_a_row_a_line),
		cmocka_unit_test(csv_columns_come_in_the_header_s_order),
		cmocka_unit_test(csv_that_is_none_is_refused_with_its_row),
		cmocka_unit_test(csv_tells_its_columns_first),
		cmocka_unit_test(decimal_texts_become_exact_integers),
		cmocka_unit_test(doubles_are_the_nearest),
		cmocka_unit_test(reals_that_are_none_are_refused),
		cmocka_unit_test(dates_and_timestamps_are_read_as_they_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
