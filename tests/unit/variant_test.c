/* variant_test.c - the text of VARIANT values: parsed, walked, compared, whatever the bytes. */
#include "engine/json_text.h"
#include "engine/functions/json.h"

#include <stdio.h>

#include "test.h"

#define NINES_50 "99999999999999999999999999999999999999999999999999"
#define NINES_400 NINES_50 NINES_50 NINES_50 NINES_50 NINES_50 NINES_50 NINES_50 NINES_50

static const char *parsed(struct buf *out, struct str json)
{
	struct variant_error error;

	buf_clear(out);
	return variant_parse(json, false, out, &error) == VARIANT_PARSED ? buf_cstr(out) : "?";
}

static void json_becomes_one_text(void **state)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{" { \"b\" : 1 , \"a\" : [ true , null ] } ", "{\"a\":[true,null],\"b\":1}"},
		{"{\"b\":1,\"a\":{\"d\":1,\"c\":2}}", "{\"a\":{\"c\":2,\"d\":1},\"b\":1}"},
		{"[1,,2,]", "[1,undefined,2,undefined]"},
		{"[,]", "[undefined,undefined]"},
		{"[]", "[]"},
		{"{}", "{}"},
		{"12.500", "12.5"},
		{"1.0", "1"},
		{"-0", "0"},
		{"-0.0", "0"},
		{"0.001", "0.001"},
		{"100", "100"},
		{"12345678901234567890123456789012345678", "12345678901234567890123456789012345678"},
		{"0.12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678"},
		{"123456789012345678901234567890123456789", "1.2345678901234568e+38"},
		{"1.912e2", "1.912000000000000e+02"},
		{"0.1e0", "1.000000000000000e-01"},
		{"1e400", "Infinity"},
		{"0." NINES_400 NINES_400, "1.000000000000000e+00"},
		{NINES_400 "." NINES_400, "Infinity"},
		{"-0.000" NINES_400 NINES_400, "-1.000000000000000e-03"},
		{"\"a\\u0041\\/\\n\\\"\"", "\"aA/\\n\\\"\""},
		{"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""},
		{"\"\\ud83d\"", "\"\xEF\xBF\xBD\""},
		{"\"\\u0000\"", "\"\\u0000\""},
		{"\"a\tb\"", "\"a\\tb\""},
		{"{\"\":1}", "{\"\":1}"},
	};
	OWNS(buf) out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(parsed(&out, str_of(rows[i].json)), rows[i].text);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
	static const struct {
		const char *json, *error;
	} rows[] = {
		{"hello", "unknown keyword \"hello\", pos 6"},
		{"{\"a\":", "incomplete object value, pos 6"},
		{"{\"a\"", "incomplete object value, pos 5"},
		{"{", "incomplete object value, pos 2"},
		{"[1,2", "incomplete array value, pos 5"},
		{"[1 2]", "missing comma, pos 4"},
		{"{\"a\" 1}", "missing colon, pos 6"},
		{"{\"a\":1 \"b\":2}", "missing comma, pos 8"},
		{"{\"a\":1,\"a\":2}", "duplicate object attribute \"a\", pos 11"},
		{"{\"a\":}", "missing attribute value, pos 6"},
		{"\"abc", "unfinished string, pos 5"},
		{"\"\\x\"", "invalid escape sequence, pos 2"},
		{"1 2", "more than one document in the input, pos 3"},
		{"]", "misplaced bracket, pos 1"},
		{"-", "invalid number, pos 2"},
		{"1.", "invalid number, pos 3"},
		{"undefined", "unknown keyword \"undefined\", pos 10"},
		{"NaN", "unknown keyword \"NaN\", pos 4"},
		{"d\"2024-01-01\"", "unknown keyword \"d\", pos 2"},
	};
	struct variant_error error;
	OWNS(buf) out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(variant_parse(str_of(rows[i].json), false, &out, &error), VARIANT_WRONG);
		assert_string_equal(error.text, rows[i].error);
		assert_int_equal(out.n, 0);
	}
	assert_int_equal(variant_parse(S(" \n"), false, &out, &error), VARIANT_EMPTY);
	assert_int_equal(variant_parse(S("{\"b\":1,\"a\":2,\"b\":3}"), true, &out, &error), VARIANT_PARSED);
	assert_str_equal(buf_str(&out), "{\"a\":2,\"b\":3}");
}

static void nesting_and_size_have_limits(void **state)
{
	struct variant_error error;
	OWNS(buf) deep = {0}, out = {0};

	(void)state;
	for (int i = 0; i < 1000000; i++)
		buf_addc(&deep, '[');
	assert_int_equal(variant_parse(buf_str(&deep), false, &out, &error), VARIANT_WRONG);
	assert_non_null(strstr(error.text, "nested too deep"));
	/* Walked without recursion, however deep. */
	for (int i = 0; i < 1000000; i++)
		buf_addc(&deep, ']');
	assert_int_equal(variant_count(buf_str(&deep)), 1);
	buf_clear(&deep);
	for (int i = 0; i <= VARIANT_BYTES; i++)
		buf_addc(&deep, ' ');
	assert_int_equal(variant_parse(buf_str(&deep), false, &out, &error), VARIANT_WRONG);
	assert_string_equal(error.text, "document is too large, max size 16777216 bytes");
}

static void many_members_are_sorted_and_duplicates_found(void **state)
{
	struct variant_error error;
	OWNS(buf) json = {0}, out = {0};
	struct str found;

	(void)state;
	buf_lit(&json, "{");
	for (int i = 0; i < 20000; i++)
		buf_fmt(&json, "%s\"k%d\":%d", i ? "," : "", (i * 7919) % 20000, i);
	buf_lit(&json, "}");
	assert_int_equal(variant_parse(buf_str(&json), false, &out, &error), VARIANT_PARSED);
	assert_int_equal(variant_count(buf_str(&out)), 20000);
	assert_true(variant_member(buf_str(&out), S("k7919"), &found));
	assert_str_equal(found, "1");
	json.n--;
	buf_lit(&json, ",\"k7\":0}");
	buf_clear(&out);
	assert_int_equal(variant_parse(buf_str(&json), false, &out, &error), VARIANT_WRONG);
	assert_non_null(strstr(error.text, "duplicate object attribute \"k7\""));
}

static void paths_lead_to_values(void **state)
{
	static const struct {
		const char *path, *value; /* NULL: nowhere; "!": no path */
	} rows[] = {
		{"a", "{\"b\":[10,{\"c d\":\"x\"}]}"},
		{"a.b[0]", "10"},
		{"a.b[1]['c d']", "\"x\""},
		{"a.b[1][\"c d\"]", "\"x\""},
		{"a['b'][1].\"c d\"", "\"x\""},
		{"a:b[0]", NULL},
		{" a . b [ 0 ] ", "10"},
		{"['it''s']", "1"},
		{"\"say \\\"q\\\"\"", "2"},
		{"", "{\"a\":{\"b\":[10,{\"c d\":\"x\"}]},\"it's\":1,\"say \\\"q\\\"\":2}"},
		{"A", NULL},
		{"a.b[2]", NULL},
		{"a.b[-1]", NULL},
		{"a[0]", NULL},
		{"a.b.c", NULL},
		{"a[", "!"},
		{"a.", "!"},
		{"a..b", "!"},
		{"a[99999999999999999999]", "!"},
		{"a['b", "!"},
	};
	const struct str v = S("{\"a\":{\"b\":[10,{\"c d\":\"x\"}]},\"it's\":1,\"say \\\"q\\\"\":2}");
	struct variant_path path = {0};
	struct str found;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		variant_path(&path, str_of(rows[i].path));
		assert_int_equal(path.bad, rows[i].value && strcmp(rows[i].value, "!") == 0);
		if (path.bad)
			continue;
		assert_int_equal(variant_get(v, &path, &found), rows[i].value != NULL);
		if (rows[i].value)
			assert_str_equal(found, rows[i].value);
	}
	variant_path_drop(&path);
}

static void kinds_are_told_by_how_a_value_begins(void **state)
{
	static const struct {
		const char *text;
		enum variant_kind kind;
	} rows[] = {
		{"", VARIANT_BAD}, {"nul", VARIANT_BAD}, {"x\"1\"", VARIANT_BAD}, {"null", VARIANT_NULL}, {"undefined", VARIANT_UNDEFINED},
		{"true", VARIANT_BOOLEAN}, {"-1", VARIANT_INTEGER}, {"1.5", VARIANT_DECIMAL}, {"1e2", VARIANT_DOUBLE}, {"-Infinity", VARIANT_DOUBLE},
		{"NaN", VARIANT_DOUBLE}, {"\"1\"", VARIANT_VARCHAR}, {"d\"2024-01-01\"", VARIANT_DATE}, {"t\"00:00:00\"", VARIANT_TIME},
		{"n\"\"", VARIANT_TIMESTAMP_NTZ}, {"l\"\"", VARIANT_TIMESTAMP_LTZ}, {"z\"\"", VARIANT_TIMESTAMP_TZ}, {"b\"00\"", VARIANT_BINARY},
		{"[", VARIANT_ARRAY}, {"{", VARIANT_OBJECT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(variant_kind(str_of(rows[i].text)), rows[i].kind);
}

static void decimals_are_rounded_half_away_from_zero(void **state)
{
	static const struct {
		const char *text;
		int precision, scale;
		int64_t value;
		bool ok;
	} rows[] = {
		{"1.5", 38, 0, 2, true}, {"-1.5", 38, 0, -2, true}, {"1.4999", 38, 0, 1, true}, {"0.5", 38, 0, 1, true}, {"0.05", 38, 0, 0, true},
		{"1.234", 10, 2, 123, true}, {"99.995", 4, 2, 0, false}, {"1e3", 38, 0, 1000, true}, {"12e-1", 38, 0, 1, true}, {"0", 1, 0, 0, true},
		{"0e99999", 1, 0, 0, true}, {"1e38", 38, 0, 0, false}, {"1e999999999999", 38, 0, 0, false}, {"1e-999999999999", 38, 0, 0, true},
		{" 7 ", 38, 0, 7, true}, {"+7", 38, 0, 7, true}, {".5", 38, 1, 5, true}, {"", 38, 0, 0, false}, {"x", 38, 0, 0, false},
		{"1e", 38, 0, 0, false}, {"1.2.3", 38, 0, 0, false}, {"-", 38, 0, 0, false},
	};
	__int128 v;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(variant_decimal(str_of(rows[i].text), rows[i].precision, rows[i].scale, &v), rows[i].ok);
		if (rows[i].ok)
			assert_true(v == rows[i].value);
	}
	assert_true(variant_decimal(S("99999999999999999999999999999999999999"), 38, 0, &v));
	assert_false(variant_decimal(S("100000000000000000000000000000000000000"), 38, 0, &v));
}

static void values_have_an_order(void **state)
{
	static const char *const in_order[] = {"false", "true", "-1e300", "-2", "1", "1.5", "2", "10", "1e2", "\"\"", "\"a\"", "\"a b\"", "\"b\""};
	OWNS(buf) a = {0}, b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(in_order); i++) {
		for (size_t j = 0; j < COUNT_OF(in_order); j++) {
			int wanted = (i > j) - (i < j), got = variant_compare(str_of(in_order[i]), str_of(in_order[j]));

			buf_clear(&a);
			buf_clear(&b);
			variant_sort_key(str_of(in_order[i]), &a);
			variant_sort_key(str_of(in_order[j]), &b);
			assert_int_equal((got > 0) - (got < 0), wanted);
			got = str_cmp(buf_str(&a), buf_str(&b));
			assert_int_equal((got > 0) - (got < 0), wanted);
		}
	}
	assert_int_equal(variant_compare(S("1.0"), S("1")), 0);
}

static void cells_show_letters_of_no_string(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{"{\"b\":d\"2024-01-01\",\"a\":[undefined,n\"x\",\"d\\\"\"]}",
		 "{\n  \"a\": [\n    undefined,\n    \"x\",\n    \"d\\\"\"\n  ],\n  \"b\": \"2024-01-01\"\n}"},
		{"{\"a b\":1,\"a\":2}", "{\n  \"a\": 2,\n  \"a b\": 1\n}"},
		{"1.2345678901234568e+38", "1.234567890123457e+38"},
		{"1.912000000000000e+02", "1.912000000000000e+02"},
		{"d\"2024-01-01\"", "\"2024-01-01\""},
	};
	OWNS(buf) out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&out);
		put_json(&out, str_of(rows[i].text), JSON_PRETTY);
		assert_string_equal(buf_cstr(&out), rows[i].shown);
	}
	buf_clear(&out);
	variant_put_json(&out, S("{\"b\":d\"x\",\"c\":[b\"00\",\"e\\\"\"]}"));
	assert_string_equal(buf_cstr(&out), "{\"b\":\"x\",\"c\":[\"00\",\"e\\\"\"]}");
}

/* Readers end, stay inside, and what the parser gave is what it takes. */
static void look_at(struct str v)
{
	struct variant_path path = {0};
	struct str key, item, text;
	OWNS(buf) room = {0};
	__int128 n;
	double real;

	for (struct variant_items it = variant_items(v); variant_next(&it, &key, &item);) {
		assert_true(item.p >= v.p && item.p + item.n <= v.p + v.n);
		if (variant_varchar(item, &room, &text))
			assert_non_null(text.p);
		variant_compare(item, v);
	}
	variant_put_json(&room, v);
	buf_clear(&room);
	variant_sort_key(v, &room);
	if (!variant_decimal(v, 38, 9, &n) && !variant_real(v, &real))
		variant_path(&path, v);
	if (!path.bad && variant_get(v, &path, &item))
		assert_true(item.n <= v.n);
	variant_path_drop(&path);
}

static void damaged_bytes_harm_nobody(void **state)
{
	static const char *const seeds[] = {
		"{\"a\":[1,2.5,{\"b\":null}],\"c d\":\"x\\u00e9\\n\"}", "[1,,undefined,d\"2020-01-01\",NaN]", "{\"k\":{\"k\":[[[[\"\\\\\"]]]]}}",
		"-1.5e-300", "\"\\ud83d\\ude00\"", "\xff\xfe\x80{\"\xc3\":1}",
	};
	struct variant_error error;
	unsigned seed = 7;

	(void)state;
	for (int n = 0; n < 40000; n++) {
		struct str s = str_of(seeds[n % (int)COUNT_OF(seeds)]);
		OWNS(buf) v = {0}, out = {0}, again = {0};

		buf_add(&v, s);
		for (int i = 0; i < 3 && v.n; i++) {
			seed = seed * 1103515245 + 12345;
			if (seed >> 16 & 4)
				v.p[(seed >> 20) % v.n] = "{}[]\",:\\0en\xc3"[(seed >> 17) % 12];
			else if (seed >> 16 & 2)
				v.n = (seed >> 20) % v.n;
		}
		look_at(buf_str(&v));
		if (variant_parse(buf_str(&v), false, &out, &error) != VARIANT_PARSED)
			continue;
		look_at(buf_str(&out));
		if (str_search(buf_str(&out), S("undefined")) < out.n || str_search(buf_str(&out), S("Infinity")) < out.n)
			continue;
		assert_int_equal(variant_parse(buf_str(&out), false, &again, &error), VARIANT_PARSED);
		assert_true(str_eq(buf_str(&out), buf_str(&again)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_becomes_one_text),
		cmocka_unit_test(what_is_wrong_is_told_with_its_place),
		cmocka_unit_test(nesting_and_size_have_limits),
		cmocka_unit_test(many_members_are_sorted_and_duplicates_found),
		cmocka_unit_test(paths_lead_to_values),
		cmocka_unit_test(kinds_are_told_by_how_a_value_begins),
		cmocka_unit_test(decimals_are_rounded_half_away_from_zero),
		cmocka_unit_test(values_have_an_order),
		cmocka_unit_test(cells_show_letters_of_no_string),
		cmocka_unit_test(damaged_bytes_harm_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
