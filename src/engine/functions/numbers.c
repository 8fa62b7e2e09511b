/* numbers.c - Snowflake's exact numbers: numbers read from texts, numbers as texts.
 *
 * A number here is whole digits and a scale; what is cut off is rounded half away from zero.
 */
#include "engine/functions/functions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = SF_DIGITS_MAX };

__int128 sf_power_of_ten(int n)
{
	static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
					 100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
					 10000000000000000, 100000000000000000, 1000000000000000000};
	__int128 v = 1;

	for (; n > 18; n -= 18)
		v *= powers[18];
	return v * powers[n];
}

bool sf_fits(__int128 v)
{
	__int128 limit = sf_power_of_ten(DIGITS_MAX);

	return v < limit && v > -limit;
}

bool sf_rescale(__int128 v, int from, int to, __int128 *ret)
{
	__int128 unit, rest;

	if (to - from > DIGITS_MAX)
		return v == 0 && (*ret = 0, true);
	if (to >= from)
		return !__builtin_mul_overflow(v, sf_power_of_ten(to - from), ret) && sf_fits(*ret);
	if (from - to > DIGITS_MAX) {
		*ret = 0;
		return true;
	}
	unit = sf_power_of_ten(from - to);
	rest = v % unit;
	v /= unit;
	if (rest >= unit - rest)
		v++;
	else if (-rest >= unit + rest)
		v--;
	*ret = v;
	return sf_fits(v);
}

/* --- reading --- */
struct reading {
	__int128 digits;
	int scale, ndigits;
	bool any, point;
};

/* Digits that no NUMBER holds are left out: they only round. */
static bool read_digit(struct reading *n, char c)
{
	if (c == '.') {
		if (n->point)
			return false;
		n->point = true;
		return true;
	}
	if (!ascii_digit(c))
		return false;
	n->any = true;
	if (n->ndigits < DIGITS_MAX) {
		n->digits = n->digits * 10 + (c - '0');
		n->ndigits += n->digits != 0;
		n->scale += n->point;
	} else if (!n->point) {
		n->scale--;
	}
	return true;
}

static bool read_exponent(struct str s, int *ret)
{
	int64_t v;

	if (s.n && s.p[0] == '+')
		s = str_tail(s, 1);
	if (!str_to_i64(s, &v) || v < -1000 || v > 1000)
		return false;
	*ret = (int)v;
	return true;
}

bool sf_read_number(struct str s, __int128 *ret, int *ret_scale)
{
	struct reading n = {0};
	bool minus;
	int exponent = 0;
	size_t i = 0;

	s = str_trim(s);
	minus = s.n && s.p[0] == '-';
	if (minus || (s.n && s.p[0] == '+'))
		i++;
	while (i < s.n && read_digit(&n, s.p[i]))
		i++;
	if (i < s.n && ((s.p[i] != 'e' && s.p[i] != 'E') || !read_exponent(str_tail(s, i + 1), &exponent)))
		return false;
	*ret = minus ? -n.digits : n.digits;
	*ret_scale = n.scale - exponent;
	return n.any;
}

static void unknown_number(struct sf_row *r, struct str s)
{
	sf_fails(r, "100038/22018", "Numeric value '%.*s' is not recognized", SARG(str_head(s, 200)));
}

static void out_of_range(struct sf_row *r)
{
	sf_fails(r, "100046/22003", "Number out of representable range: type FIXED[SB16](38,0)");
}

bool sf_any_number(struct sf_row *r, idx_t i, __int128 *ret, int *ret_scale)
{
	char text[64];
	struct str s;
	double v;

	switch (r->args[i].type) {
	case DUCKDB_TYPE_VARCHAR:
		s = sf_text(r, i);
		break;
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DOUBLE:
		v = r->args[i].type == DUCKDB_TYPE_DOUBLE ? sf_double(r, i) : (double)((const float *)r->args[i].at)[r->row];
		s = str_from(text, (size_t)snprintf(text, sizeof(text), "%.17g", v));
		break;
	default:
		if (sf_number(r, i, ret, ret_scale))
			return true;
		sf_fails(r, SF_BAD_ARGUMENT, "Invalid argument types for function: a number is needed");
		return false;
	}
	if (sf_read_number(s, ret, ret_scale))
		return true;
	unknown_number(r, s);
	return false;
}

double sf_real(struct sf_row *r, idx_t i)
{
	__int128 v;
	int scale;

	if (r->args[i].type == DUCKDB_TYPE_DOUBLE)
		return sf_double(r, i);
	if (r->args[i].type == DUCKDB_TYPE_FLOAT)
		return (double)((const float *)r->args[i].at)[r->row];
	if (!sf_any_number(r, i, &v, &scale))
		return NAN;
	return (double)v / pow(10, scale);
}

/* --- to numbers --- */
static bool read_formatted(struct sf_row *r, __int128 *ret, int *ret_scale)
{
	struct str s = sf_text(r, 0), format = sf_text(r, 1);
	bool hex = str_find(format, 'X') < format.n || str_find(format, 'x') < format.n, minus = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ',' || s.p[i] == '$' || s.p[i] == ' ')
			continue;
		if (s.p[i] == '-' && i > 0 && i + 1 == s.n)
			minus = true;
		else if (s.p[i] != '+' || i + 1 < s.n)
			buf_addc(&r->text, s.p[i]);
	}
	*ret = 0;
	*ret_scale = 0;
	for (size_t i = 0; hex && i < r->text.n; i++) {
		if (ascii_hex(r->text.p[i]) < 0 || i > 30)
			return false;
		*ret = *ret * 16 + ascii_hex(r->text.p[i]);
	}
	if (hex ? r->text.n == 0 : !sf_read_number(buf_str(&r->text), ret, ret_scale))
		return false;
	*ret = minus ? -*ret : *ret;
	return true;
}

static bool numeric(struct sf_row *r, __int128 *ret, int *ret_scale)
{
	if (r->nargs == 1)
		return sf_any_number(r, 0, ret, ret_scale);
	if (read_formatted(r, ret, ret_scale))
		return true;
	unknown_number(r, sf_text(r, 0));
	return false;
}

static void to_number(struct sf_row *r)
{
	__int128 v;
	int scale;

	if (!numeric(r, &v, &scale))
		return;
	if (sf_rescale(v, scale, 0, &v))
		sf_put_number(r, v);
	else
		out_of_range(r);
}

void sf_number_text(__int128 v, int scale, struct buf *out)
{
	char digits[DIGITS_MAX + 4];
	unsigned __int128 n = (unsigned __int128)(v < 0 ? -v : v);
	int at = (int)sizeof(digits), left = scale;

	do {
		digits[--at] = (char)('0' + (int)(n % 10));
		n /= 10;
		left--;
		if (left == 0 && scale > 0 && at > 0)
			digits[--at] = '.';
	} while ((n > 0 || left >= 0) && at > 1);
	if (v < 0)
		buf_addc(out, '-');
	buf_add(out, str_from(digits + at, sizeof(digits) - (size_t)at));
}

/* Plain digits, to be cast to a NUMBER(p, s). */
static void numeric_text(struct sf_row *r)
{
	__int128 v;
	int scale;

	if (!numeric(r, &v, &scale))
		return;
	if (scale < 0 || scale > DIGITS_MAX - 1) {
		if (!sf_rescale(v, scale, scale < 0 ? 0 : DIGITS_MAX - 1, &v)) {
			out_of_range(r);
			return;
		}
		scale = scale < 0 ? 0 : DIGITS_MAX - 1;
	}
	buf_clear(&r->text);
	sf_number_text(v, scale, &r->text);
	sf_put_text(r, buf_str(&r->text));
}

static const struct {
	const char *text;
	double value;
} words[] = {{"nan", NAN}, {"inf", INFINITY}, {"infinity", INFINITY}, {"-inf", -INFINITY}, {"-infinity", -INFINITY}};

static void to_double(struct sf_row *r)
{
	struct str s = r->args[0].type == DUCKDB_TYPE_VARCHAR ? str_trim(sf_text(r, 0)) : (struct str){NULL, 0};
	__int128 v;
	int scale;

	if (r->args[0].type != DUCKDB_TYPE_VARCHAR) {
		double d = sf_real(r, 0);

		if (!r->failed)
			sf_put_double(r, d);
		return;
	}
	if (r->nargs == 2) {
		if (numeric(r, &v, &scale))
			sf_put_double(r, (double)v / pow(10, scale));
		return;
	}
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_ieq(s, str_of(words[i].text))) {
			sf_put_double(r, words[i].value);
			return;
		}
	}
	buf_add(&r->text, s);
	if (sf_read_number(s, &v, &scale))
		sf_put_double(r, strtod(buf_cstr(&r->text), NULL));
	else
		unknown_number(r, sf_text(r, 0));
}

static const char *const truths[] = {"true", "t", "yes", "y", "on", "1"};
static const char *const falsehoods[] = {"false", "f", "no", "n", "off", "0"};

static void to_boolean(struct sf_row *r)
{
	struct str s;
	__int128 v;
	int scale;

	if (r->args[0].type == DUCKDB_TYPE_DOUBLE) {
		sf_put_bool(r, sf_double(r, 0) != 0);
		return;
	}
	if (r->args[0].type != DUCKDB_TYPE_VARCHAR) {
		if (sf_any_number(r, 0, &v, &scale))
			sf_put_bool(r, v != 0);
		return;
	}
	s = sf_text(r, 0);
	for (size_t i = 0; i < COUNT_OF(truths); i++) {
		if (str_ieq(s, str_of(truths[i])) || str_ieq(s, str_of(falsehoods[i]))) {
			sf_put_bool(r, str_ieq(s, str_of(truths[i])));
			return;
		}
	}
	sf_fails(r, "100037/22018", "Boolean value '%.*s' is not recognized", SARG(str_head(s, 200)));
}

/* To the left, and below zero to the right, which keeps the sign. */
static void shift(struct sf_row *r)
{
	int64_t v = sf_int(r, 0), n = sf_int(r, 1);

	if (n >= 0)
		sf_put_int(r, n > 63 ? 0 : (int64_t)((uint64_t)v << n));
	else
		sf_put_int(r, n < -63 ? -(v < 0) : v >> -n);
}

static void cube_root(struct sf_row *r)
{
	double v = sf_double(r, 0), root = cbrt(v);

	if (root != 0 && root - root == 0) /* the library's is off by a bit; one step of Newton's */
		root -= (root * root * root - v) / (3 * root * root);
	sf_put_double(r, root);
}

static const struct sf_function functions[] = {
	{"SF_CBRT", "D>D", cube_root, 0},
	{"SF_SHIFT", "II>I", shift, 0},
	{"SF_TO_NUMBER", "A>N", to_number, 0},
	{"SF_TO_NUMBER", "VV>N", to_number, 0},
	{"SF_TRY_TO_NUMBER", "A>N", to_number, SF_TRY},
	{"SF_TRY_TO_NUMBER", "VV>N", to_number, SF_TRY},
	{"SF_NUMERIC_TEXT", "A>V", numeric_text, 0},
	{"SF_NUMERIC_TEXT", "VV>V", numeric_text, 0},
	{"SF_TRY_NUMERIC_TEXT", "A>V", numeric_text, SF_TRY},
	{"SF_TRY_NUMERIC_TEXT", "VV>V", numeric_text, SF_TRY},
	{"SF_TO_DOUBLE", "A>D", to_double, 0},
	{"SF_TO_DOUBLE", "VV>D", to_double, 0},
	{"SF_TRY_TO_DOUBLE", "A>D", to_double, SF_TRY},
	{"SF_TRY_TO_DOUBLE", "VV>D", to_double, SF_TRY},
	{"SF_TO_BOOLEAN", "A>B", to_boolean, 0},
	{"SF_TRY_TO_BOOLEAN", "A>B", to_boolean, SF_TRY},
	/* of casts: a VARIANT has its own, which is written around */
	{"SF_FOR_BOOLEAN", "A>B", to_boolean, 0},
	{"SF_FOR_BOOLEAN", "v>v", sf_same_variant, 0},
	{"SF_TRY_FOR_BOOLEAN", "A>B", to_boolean, SF_TRY},
	{"SF_TRY_FOR_BOOLEAN", "v>v", sf_same_variant, 0},
};

bool sf_numbers_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
