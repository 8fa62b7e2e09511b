/* json_test.c - documents in, text out, rows scanned. */
#include "json/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "test.h"

static int open_call(void **state)
{
	struct call *c = base_zalloc(sizeof(*c));

	call_open(c, base_zalloc(sizeof(struct arena)));
	*state = c;
	return 0;
}

static int close_call(void **state)
{
	struct call *c = *state;

	arena_close(c->arena);
	free(c->arena);
	free(c);
	return 0;
}

static void refused_as(struct call *c, enum err_kind kind, struct str text, const char *words)
{
	const json_node *n;

	assert_false(json_read(c, text, &n));
	assert_int_equal(c->err.kind, kind);
	assert_non_null(strstr(c->err.text, words));
	call_forgive(c);
}

static void refused(struct call *c, struct str text, const char *words)
{
	refused_as(c, ERR_INVALID_JSON, text, words);
}

static void a_document_is_read_with_exact_integers(void **state)
{
	struct call *c = *state;
	const json_node *n;

	assert_true(json_read_object(c, S("{\"a\":9223372036854775807,\"b\":[true,null,1.5,\"x\\u0000y\"]}"), &n));
	assert_true(json_int(json_get(n, "a")) == INT64_MAX);
	assert_int_equal(json_count(n), 2);
	n = json_get(n, "b");
	assert_int_equal(json_kind(n), JSON_KIND_ARRAY);
	assert_int_equal(json_count(n), 4);
	assert_true(json_bool(json_at(n, 0)));
	assert_int_equal(json_kind(json_at(n, 1)), JSON_KIND_NULL);
	assert_true(json_number(json_at(n, 2)) == 1.5);
	assert_true(str_eq(json_text(json_at(n, 3)), S("x\0y")));
	assert_null(json_at(n, 4));
}

static void a_bad_document_is_refused_with_its_place(void **state)
{
	struct call *c = *state;

	refused(c, S("{\"a\":1,\n \"a\":2}"), "line 2, column");
	refused_as(c, ERR_INVALID_FIELD, S("{\"a\":18446744073709551616}"), "integer");
	refused(c, S("{\"a\":\"\xFF\"}"), "line 1, column");
	refused(c, S("{\"a\":\"\\ud800\"}"), "line 1, column");
	refused(c, S(""), "line 1");
	refused(c, S("{} {}"), "line 1, column");
	refused(c, S("{\"a\":NaN}"), "line 1");
	refused(c, S("[1,]"), "line 1");
	refused(c, S("\xEF\xBB\xBF{}"), "line 1");
	refused(c, S("[1,\n 01]"), "line 2, column 2: invalid token");
	refused(c, S("[\"a\", \"\\uDC00\"]"), "invalid Unicode");
	refused(c, S("[\"\\uD83Dx\"]"), "invalid Unicode");
	refused(c, S("[\"\\x\"]"), "invalid escape");
	refused(c, S("[\"a\nb\"]"), "unexpected newline");
	refused(c, S("[\"a"), "premature end");
	refused(c, S("{\"a\\u0000\":1}"), "NUL byte in object key");
	refused(c, S("{\"a\" 1}"), "':' expected");
	refused(c, S("{1:1}"), "string or '}' expected");
	refused(c, S("{\"a\":1,}"), "string or '}' expected");
	refused_as(c, ERR_INVALID_FIELD, S("[1e309]"), "real number overflow");
}

/* However many there are. */
static void no_member_is_there_twice(void **state)
{
	struct call *c = *state;
	const json_node *n;

	for (int members = 2; members <= 2000; members = members * 3 / 2 + 1) {
		OWNS(buf) b = {0};

		for (int i = 1; i < members; i++)
			buf_fmt(&b, "%c\"k%d\":%d", i > 1 ? ',' : '{', i, i);
		buf_fmt(&b, ",\"%s\":0}", "k0");
		assert_true(json_read_object(c, buf_str(&b), &n));
		assert_int_equal(json_count(n), members);
		assert_true(json_int(json_get(n, arena_fmt(c->arena, "k%d", members - 1).p)) == members - 1);
		b.n -= strlen("0\":0}");
		buf_fmt(&b, "%d\":0}", members / 2);
		refused(c, buf_str(&b), "duplicate object key");
	}
}

static void nesting_has_a_limit(void **state)
{
	struct call *c = *state;
	struct buf b = {0};
	const json_node *n;

	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		buf_addc(&b, '[');
	buf_lit(&b, "\"[[[[\\\"[[[[\"");
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		buf_addc(&b, ']');
	assert_true(json_read(c, buf_str(&b), &n));
	buf_clear(&b);
	for (int i = 0; i <= JSON_MAX_DEPTH; i++)
		buf_lit(&b, "[\n");
	refused(c, buf_str(&b), "line 65, column 1: nested deeper");
	buf_drop(&b);
}

static void a_request_has_only_so_many_values(void **state)
{
	struct call *c = *state;
	struct buf b = {0};
	const json_node *n;

	buf_lit(&b, "{\"a,[{\":[0");
	for (int i = 3; i < JSON_MAX_VALUES; i++)
		buf_lit(&b, ",0");
	buf_lit(&b, "]}");
	assert_true(json_read_body(c, buf_str(&b), &n));
	b.n -= 2;
	buf_lit(&b, ",0,0]}");
	assert_true(json_read(c, buf_str(&b), &n));
	assert_false(json_read_body(c, buf_str(&b), &n));
	assert_int_equal(c->err.kind, ERR_INVALID_JSON);
	buf_drop(&b);
}

static void only_an_object_is_an_object(void **state)
{
	struct call *c = *state;
	const json_node *n;

	assert_false(json_read_object(c, S("[1]"), &n));
	assert_int_equal(c->err.kind, ERR_INVALID_JSON);
}

static void wanted_fields_have_their_type_or_are_named(void **state)
{
	struct call *c = *state;
	const json_node *n;
	struct str text = S("before");
	int64_t i = 7;
	bool yes = true;

	assert_true(json_read_object(c, S("{\"t\":\"x\",\"i\":5,\"b\":false,\"z\":null,\"r\":5.0}"), &n));
	assert_true(json_want_text(c, n, "z", &text) && json_want_text(c, n, "absent", &text));
	assert_str_equal(text, "before");
	assert_true(json_want_text(c, n, "t", &text));
	assert_str_equal(text, "x");
	assert_true(json_want_int(c, n, "i", 5, 5, &i));
	assert_int_equal(i, 5);
	assert_true(json_want_bool(c, n, "b", &yes));
	assert_false(yes);
	assert_false(json_want_int(c, n, "i", 6, 9, &i));
	assert_int_equal(c->err.kind, ERR_INVALID_FIELD);
	assert_string_equal(c->err.text, "i must be from 6 to 9");
	call_forgive(c);
	assert_false(json_want_int(c, n, "r", 0, 9, &i));
	assert_string_equal(c->err.text, "r must be a whole number");
	call_forgive(c);
	assert_false(json_want_text(c, n, "i", &text));
	assert_string_equal(c->err.text, "i must be a string");
	call_forgive(c);
	assert_false(json_want_bool(c, n, "i", &yes));
	assert_string_equal(c->err.text, "i must be true or false");
}

static void an_unknown_field_is_named(void **state)
{
	static const char *const keys[] = {"sql", "params", NULL};
	struct call *c = *state;
	const json_node *n;

	assert_true(json_read_object(c, S("{\"params\":1,\"sql\":2}"), &n));
	assert_true(json_only(c, n, keys));
	assert_true(json_read_object(c, S("{\"sql\":2,\"sqlx\":3}"), &n));
	assert_false(json_only(c, n, keys));
	assert_int_equal(c->err.kind, ERR_UNKNOWN_FIELD);
	assert_string_equal(c->err.text, "unknown field \"sqlx\"");
}

static void quoted(struct str in, const char *out)
{
	struct buf b = {0};

	json_quote(&b, in);
	assert_str_equal(buf_str(&b), out);
	buf_drop(&b);
}

static void strings_are_quoted_and_repaired(void **state)
{
	(void)state;
	quoted(S(""), "\"\"");
	quoted(S("plain text of more than eight bytes"), "\"plain text of more than eight bytes\"");
	quoted(S("a\"b\\c\n\r\t\b\f\x01\x1F\x7F"), "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f\x7F\"");
	quoted(S("nul\0here"), "\"nul\\u0000here\"");
	quoted(S("Zo\xC3\xAB \xE2\x82\xAC\xF0\x9F\x98\x80 end"), "\"Zo\xC3\xAB \xE2\x82\xAC\xF0\x9F\x98\x80 end\"");
	quoted(S("\xC3\xAB\"\n\xC3\xAB"), "\"\xC3\xAB\\\"\\n\xC3\xAB\"");
	quoted(S("\xC3\xAB\xE2\x82\xAC\xFF\xC3\xAB"), "\"\xC3\xAB\xE2\x82\xAC\xEF\xBF\xBD\xC3\xAB\"");
	quoted(S("a\xFFz\xC3"), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
	quoted(S("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void every_byte_at_every_place_survives_a_round_trip(void **state)
{
	struct call *c = *state;

	for (unsigned byte = 0; byte < 0x80; byte++) {
		for (size_t at = 0; at < 20; at++) {
			char text[20];
			struct buf b = {0};
			const json_node *n;

			memset(text, 'x', sizeof(text));
			text[at] = (char)byte;
			json_quote(&b, str_from(text, sizeof(text)));
			assert_true(json_read(c, buf_str(&b), &n));
			assert_true(str_eq(json_text(n), str_from(text, sizeof(text))));
			assert_true(str_eq(json_unescape(c->arena, str_from(b.p + 1, b.n - 2)),
			                   str_from(text, sizeof(text))));
			buf_drop(&b);
		}
	}
}

static void a_quote_beyond_the_limit_is_bad_not_cut(void **state)
{
	struct buf b = {.limit = 8};

	(void)state;
	json_quote(&b, S("123456789"));
	assert_false(buf_ok(&b));
	buf_drop(&b);
}

static void commas_are_the_writers_business(void **state)
{
	struct buf b = {0};
	struct json_out o = json_out(&b);

	(void)state;
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "a", S("x"));
	json_key(&o, S("b"));
	json_begin_array(&o);
	json_put_int(&o, INT64_MIN);
	json_put_null(&o);
	json_begin_array(&o);
	json_end_array(&o);
	json_put_bool(&o, false);
	json_put_real(&o, NAN);
	json_put_real(&o, -INFINITY);
	json_put_raw(&o, S("{}"));
	json_end_array(&o);
	JSON_FIELD_NULL(&o, "c");
	json_end_object(&o);
	assert_str_equal(buf_str(&b), "{\"a\":\"x\",\"b\":[-9223372036854775808,null,[],false,\"NaN\",\"-Infinity\",{}],\"c\":null}");
	buf_drop(&b);
}

static void what_was_read_is_written_again(void **state)
{
	static const char text[] = "{\"z\":[1,-2.5,true,null,{\"b\":\"\\u0000\\\"\",\"a\":[]}],\"a\":{},\"big\":-9223372036854775808}";
	const json_node *n;
	struct buf b = {0};
	struct json_out o = json_out(&b);

	assert_true(json_read(*state, S(text), &n));
	json_begin_array(&o);
	json_put_node(&o, n);
	json_put_node(&o, json_get(n, "a"));
	json_end_array(&o);
	assert_int_equal(b.n, sizeof(text) - 1 + 5);
	assert_memory_equal(b.p + 1, text, sizeof(text) - 1);
	buf_drop(&b);
}

static void field_refused(struct call *c, bool taken, const char *words)
{
	assert_false(taken);
	assert_int_equal(c->err.kind, ERR_INVALID_FIELD);
	assert_string_equal(c->err.text, words);
	call_forgive(c);
}

static void arrays_of_texts_are_taken(void **state)
{
	const struct str *v = NULL;
	const json_node *o;
	int n = -1;

	assert_true(json_read(*state, S("{\"a\":[\"x\",\"\"],\"none\":null,\"mixed\":[\"x\",1],\"object\":{}}"), &o));
	assert_true(json_want_texts(*state, o, "none", 2, &v, &n));
	assert_true(json_want_texts(*state, o, "absent", 2, &v, &n));
	assert_null(v);
	assert_int_equal(n, -1);
	assert_true(json_want_texts(*state, o, "a", 2, &v, &n));
	assert_int_equal(n, 2);
	assert_str_equal(v[0], "x");
	assert_str_equal(v[1], "");
	field_refused(*state, json_want_texts(*state, o, "a", 1, &v, &n), "a must be an array of at most 1 strings");
	field_refused(*state, json_want_texts(*state, o, "mixed", 2, &v, &n), "mixed[1] must be a string");
	field_refused(*state, json_want_texts(*state, o, "object", 2, &v, &n), "object must be an array of at most 2 strings");
}

static void times_are_written_and_read(void **state)
{
	int64_t at = 7;
	const json_node *o;
	struct buf b = {0};
	struct json_out out = json_out(&b);

	json_begin_object(&out);
	JSON_FIELD_TIME(&out, "at", 1767603600123);
	json_end_object(&out);
	assert_str_equal(buf_str(&b), "{\"at\":\"2026-01-05T09:00:00.123Z\"}");
	assert_true(json_read(*state, buf_str(&b), &o));
	assert_true(json_want_time(*state, o, "none", &at));
	assert_int_equal(at, 7);
	assert_true(json_want_time(*state, o, "at", &at));
	assert_int_equal(at, 1767603600123);
	buf_drop(&b);
	assert_true(json_read(*state, S("{\"at\":\"yesterday\",\"n\":1}"), &o));
	field_refused(*state, json_want_time(*state, o, "at", &at), "at must be a time, as RFC 3339 has it");
	field_refused(*state, json_want_time(*state, o, "n", &at), "n must be a time, as RFC 3339 has it");
}

static void real_is(double v, const char *text)
{
	struct buf b = {0};

	json_real_text(&b, v);
	assert_str_equal(buf_str(&b), text);
	buf_drop(&b);
}

static void reals_are_short(void **state)
{
	(void)state;
	real_is(0, "0");
	real_is(-0.0, "-0");
	real_is(1, "1");
	real_is(-1.5, "-1.5");
	real_is(0.1, "0.1");
	real_is(0.30000000000000004, "0.30000000000000004");
	real_is(123456.05, "123456.05");
	real_is(-0.000123, "-0.000123");
	real_is(1e22, "1e+22");
	real_is(5e-324, "5e-324");
	real_is(DBL_MAX, "1.7976931348623157e+308");
	real_is(9007199254740993.0, "9007199254740992");
}

/* By the C library alone. */
static const char *shortest(double v, char text[32])
{
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, 32, "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return text;
}

static double any_double(int i)
{
	uint64_t bits;
	double v;

	id_random(&bits, sizeof(bits));
	memcpy(&v, &bits, sizeof(v));
	if (i % 4 == 0)
		return isfinite(v) ? v : 1;
	if (i % 4 == 1)
		return (double)(int64_t)(bits >> 30) / 10000.0;
	if (i % 4 == 2)
		return (double)(bits >> 11) * 0x1p-53; /* as SQL's random() */
	return nextafter(pow(10, (double)(bits % 22) - 5), (bits >> 32) % 2 ? 1e300 : 0);
}

static void reals_are_the_shortest_text_that_reads_back(void **state)
{
	char text[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		double v = any_double(i);

		real_is(v, shortest(v, text));
	}
}

static void rows_are_scanned_cell_by_cell(void **state)
{
	struct call *c = *state;
	struct json_scan s = json_scan(S("[1,\"a\\\"b\",null],\n[-2.5e+3,{\"x\":[\"]\"]},true],[]"));
	struct json_cell cell;

	assert_true(json_scan_row(&s));
	assert_true(json_scan_cell(&s, &cell) && !cell.quoted && !cell.null);
	assert_str_equal(cell.raw, "1");
	assert_true(json_scan_cell(&s, &cell) && cell.quoted);
	assert_str_equal(cell.raw, "a\\\"b");
	assert_str_equal(json_unescape(c->arena, cell.raw), "a\"b");
	assert_true(json_scan_cell(&s, &cell) && cell.null);
	assert_false(json_scan_cell(&s, &cell));
	assert_true(json_scan_row(&s));
	assert_true(json_scan_cell(&s, &cell));
	assert_str_equal(cell.raw, "-2.5e+3");
	assert_true(json_scan_cell(&s, &cell));
	assert_str_equal(cell.raw, "{\"x\":[\"]\"]}");
	assert_true(json_scan_cell(&s, &cell) && !cell.null);
	assert_false(json_scan_cell(&s, &cell));
	assert_true(json_scan_row(&s));
	assert_false(json_scan_cell(&s, &cell));
	assert_false(json_scan_row(&s));
	assert_false(s.bad);
}

static bool scans(struct str rows)
{
	char *copy = base_alloc(rows.n + 1); /* so that the sanitizer sees a read behind the end */
	struct json_scan s;
	struct json_cell cell;

	copy = base_realloc(copy, rows.n ? rows.n : 1);
	memcpy(copy, rows.p, rows.n);
	for (s = json_scan(str_from(copy, rows.n)); json_scan_row(&s);)
		while (json_scan_cell(&s, &cell))
			assert_true(cell.raw.p >= copy && cell.raw.p + cell.raw.n <= copy + rows.n);
	free(copy);
	return !s.bad;
}

static void rows_that_are_not_rows_are_bad(void **state)
{
	static const char *const bad[] = {"1", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1],", "[1][2]", "[1],,[2]",
	                                  "[\"a]", "[\"\\x\"]", "[\"\\u12\"]", "[\"a\nb\"]", "[01]", "[-]", "[1.]", "[1e]",
	                                  "[nul]", "[tru", "[{]", "[[\"]", "[+1]", "[.5]", "[\"\\", "[\"\\u"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(scans(str_of(bad[i])));
	assert_true(scans(S("")));
	assert_true(scans(S(" [ 1 , 2 ] , [ ] ")));
}

static void rows_cut_anywhere_are_never_read_past_their_end(void **state)
{
	struct str rows = S("[\"caf\\u00e9 and more text\",-1.25e-7,[{\"k\":\"v\\\\\"}],false],[null]");

	(void)state;
	for (size_t n = 1; n < rows.n; n++)
		assert_int_equal(scans(str_head(rows, n)), rows.p[n - 1] == ']' && rows.p[n] == ',' && rows.p[n + 1] == '[');
	assert_true(scans(rows));
}

static void escapes_become_text(void **state)
{
	struct call *c = *state;
	struct str plain = S("no escapes");

	assert_ptr_equal(json_unescape(c->arena, plain).p, plain.p);
	assert_str_equal(json_unescape(c->arena, S("\\n\\t\\/\\u20ac\\ud83d\\ude00")), "\n\t/\xE2\x82\xAC\xF0\x9F\x98\x80");
	assert_true(str_eq(json_unescape(c->arena, S("a\\u0000b")), S("a\0b")));
	assert_str_equal(json_unescape(c->arena, S("\\ud800x")), "\xEF\xBF\xBDx");
	assert_str_equal(json_unescape(c->arena, S("\\udc00\\ud800\\ud800")), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_str_equal(json_unescape(c->arena, S("\\u\\u12\\")), "uu12\\");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_call, close_call)
	        T(a_document_is_read_with_exact_integers),
	        T(a_bad_document_is_refused_with_its_place),
	        T(no_member_is_there_twice),
	        T(nesting_has_a_limit),
	        T(a_request_has_only_so_many_values),
	        T(only_an_object_is_an_object),
	        T(wanted_fields_have_their_type_or_are_named),
	        T(an_unknown_field_is_named),
	        T(strings_are_quoted_and_repaired),
	        T(every_byte_at_every_place_survives_a_round_trip),
	        T(a_quote_beyond_the_limit_is_bad_not_cut),
	        T(commas_are_the_writers_business),
	        T(what_was_read_is_written_again), T(arrays_of_texts_are_taken), T(times_are_written_and_read),
	        T(reals_are_short),
	        T(reals_are_the_shortest_text_that_reads_back),
	        T(rows_are_scanned_cell_by_cell),
	        T(rows_that_are_not_rows_are_bad),
	        T(rows_cut_anywhere_are_never_read_past_their_end),
	        T(escapes_become_text),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
