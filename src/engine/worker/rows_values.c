/* rows_values.c - texts as numbers, dates and timestamps.
 *
 * Exact: what is read is the value nearest to what was written. Pure, any thread.
 */
#include "engine/worker/rows.h"

#include <math.h>
#include <stdlib.h>

typedef unsigned __int128 u128;

enum { DIGITS_EXACT = 19 /* always fit 64 bits */, EXPONENT_MAX = 100000000 };

/* --- decimal texts --- */
struct decimal { /* digits · 10^exponent; the digits stand in `text`, with a point among them */
	struct str text;
	int64_t exponent; /* of the last digit */
	bool negative;
};

static bool read_exponent(struct str s, int64_t *ret)
{
	bool negative = s.n && s.p[0] == '-';
	int64_t v = 0;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_tail(s, 1);
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_digit(s.p[i]))
			return false;
		v = v < EXPONENT_MAX ? v * 10 + (s.p[i] - '0') : EXPONENT_MAX;
	}
	*ret = negative ? -v : v;
	return true;
}

static bool read_decimal(struct str s, struct decimal *ret)
{
	size_t i = 0, digits = 0, point = 0;
	bool pointed = false;

	*ret = (struct decimal){.negative = s.n && s.p[0] == '-'};
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_tail(s, 1);
	for (; i < s.n && (ascii_digit(s.p[i]) || (s.p[i] == '.' && !pointed)); i++) {
		if (s.p[i] == '.') {
			pointed = true;
			point = i;
		} else {
			digits++;
		}
	}
	ret->text = str_head(s, i);
	if (digits == 0)
		return false;
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		if (!read_exponent(str_tail(s, i + 1), &ret->exponent))
			return false;
	} else if (i < s.n) {
		return false;
	}
	if (pointed)
		ret->exponent -= (int64_t)(i - point - 1);
	return true;
}

static bool times_ten(u128 *v, unsigned digit)
{
	return !__builtin_mul_overflow(*v, (u128)10, v) && !__builtin_add_overflow(*v, (u128)digit, v);
}

static int64_t count_digits(struct str text)
{
	return (int64_t)text.n - (str_find(text, '.') < text.n);
}

enum rows_number rows_to_fixed(struct str s, int scale, u128 *ret, bool *ret_negative)
{
	struct decimal d;
	int64_t keep, at = 0, shift;
	u128 v = 0;
	bool rest = false, up = false;

	if (!read_decimal(s, &d))
		return ROWS_NO_NUMBER;
	shift = d.exponent + scale;
	keep = count_digits(d.text) + (shift < 0 ? shift : 0);
	for (size_t i = 0; i < d.text.n; i++) {
		unsigned digit = (unsigned)(d.text.p[i] - '0');

		if (d.text.p[i] == '.')
			continue;
		if (at < keep && !times_ten(&v, digit))
			return ROWS_TOO_LARGE;
		if (at == keep)
			up = digit >= 5;
		rest = rest || (at >= keep && digit);
		at++;
	}
	for (; shift > 0 && v; shift--)
		if (!times_ten(&v, 0))
			return ROWS_TOO_LARGE;
	if (up && __builtin_add_overflow(v, (u128)1, &v))
		return ROWS_TOO_LARGE;
	*ret = v;
	*ret_negative = d.negative;
	return rest ? ROWS_ROUNDED : ROWS_EXACT;
}

bool rows_to_small(struct str s, int64_t *ret)
{
	bool negative = s.n && s.p[0] == '-';
	int64_t v = 0;

	if (negative)
		s = str_tail(s, 1);
	if (s.n == 0 || s.n > 18)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_digit(s.p[i]))
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*ret = negative ? -v : v;
	return true;
}

/* --- reals --- */
static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
	100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000,
	100000000000000000, 1000000000000000000, 10000000000000000000U};

static int leading_zeros(u128 v)
{
	uint64_t high = (uint64_t)(v >> 64);

	return high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)v);
}

/* v · 2^e, and a little more where `more`: to the nearest double, ties to even. */
static double nearest(u128 v, bool more, int e)
{
	int drop = 128 - leading_zeros(v) - 54;
	uint64_t top;

	if (drop <= 0)
		return ldexp((double)v, e); /* it has all its bits */
	more = more || (v & (((u128)1 << drop) - 1));
	top = (uint64_t)(v >> drop);
	top = (top >> 1) + ((top & 1) && (more || (top & 2)));
	return ldexp((double)top, drop + 1 + e);
}

/* digits · 10^exponent where both are small: exact in 128 bits. */
static bool small_double(uint64_t digits, int64_t exponent, double *ret)
{
	u128 v = digits;
	int zeros;

	if (digits == 0) {
		*ret = 0;
		return true;
	}
	if (exponent < -19 || exponent > 19)
		return false;
	if (digits < 1ULL << 53 && exponent >= -19 && exponent <= 19) { /* both are doubles: one rounding */
		double power = (double)tens[exponent < 0 ? -exponent : exponent];

		*ret = exponent < 0 ? (double)digits / power : (double)digits * power;
		return true;
	}
	if (exponent >= 0) {
		*ret = nearest(v * tens[exponent], false, 0);
		return true;
	}
	zeros = leading_zeros(v) - 1;
	v <<= zeros;
	*ret = nearest(v / tens[-exponent], v % tens[-exponent] != 0, -zeros);
	return true;
}

static bool few_digits(struct str text, uint64_t *ret)
{
	uint64_t v = 0;
	int n = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '.')
			continue;
		v = v * 10 + (uint64_t)(text.p[i] - '0');
		n += v != 0;
		if (n > DIGITS_EXACT)
			return false;
	}
	*ret = v;
	return true;
}

static bool not_finite(struct str s, double *ret)
{
	bool negative = s.n && s.p[0] == '-';

	if (str_ieq(s, S("nan")))
		*ret = NAN;
	else if (str_ieq(negative ? str_tail(s, 1) : s, S("infinity")) || str_ieq(negative ? str_tail(s, 1) : s, S("inf")))
		*ret = negative ? -INFINITY : INFINITY;
	else
		return false;
	return true;
}

bool rows_to_double(struct str s, double *ret)
{
	struct decimal d;
	uint64_t digits;
	double v;

	if (!read_decimal(s, &d))
		return not_finite(s, ret);
	if (few_digits(d.text, &digits) && small_double(digits, d.exponent, &v)) {
		*ret = d.negative ? -v : v;
		return true;
	}
	v = strtod(s.p, NULL); /* the byte behind s is no part of a number */
	if (!isfinite(v))
		return false;
	*ret = v;
	return true;
}

bool rows_to_float(struct str s, float *ret)
{
	struct decimal d;
	double other;
	float v;

	if (!read_decimal(s, &d)) {
		if (!not_finite(s, &other))
			return false;
		*ret = (float)other;
		return true;
	}
	v = strtof(s.p, NULL);
	if (!isfinite(v))
		return false;
	*ret = v;
	return true;
}

/* --- dates --- */
static int two(const char *p)
{
	return ascii_digit(p[0]) && ascii_digit(p[1]) ? (p[0] - '0') * 10 + (p[1] - '0') : -1;
}

static bool civil(const char *p, int64_t *ret_days)
{
	static const unsigned char days_in[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int high = two(p), low = two(p + 2), month = two(p + 5), day = two(p + 8), year = high * 100 + low;

	if (high < 0 || low < 0 || year < 1 || p[4] != '-' || p[7] != '-' || month < 1 || month > 12 || day < 1 ||
	    day > days_in[month - 1])
		return false;
	if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0)))
		return false;
	*ret_days = clock_days_from_civil(year, (unsigned)month, (unsigned)day);
	return true;
}

bool rows_to_date(struct str s, int32_t *ret)
{
	int64_t days;

	if (s.n != 10 || !civil(s.p, &days))
		return false;
	*ret = (int32_t)days;
	return true;
}

static bool fraction(struct str s, int64_t *ret)
{
	static const int power[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	int64_t v;

	if (s.n < 1 || s.n > 6 || s.p[0] == '-' || !rows_to_small(s, &v))
		return false;
	*ret = v * power[s.n];
	return true;
}

bool rows_to_timestamp(struct str s, int64_t *ret)
{
	int64_t days, micros = 0;
	int hour, minute, second;

	if (s.n && s.p[s.n - 1] == 'Z')
		s = str_head(s, s.n - 1);
	if (s.n < 19 || !civil(s.p, &days) || (s.p[10] != 'T' && s.p[10] != ' ') || s.p[13] != ':' || s.p[16] != ':')
		return false;
	hour = two(s.p + 11);
	minute = two(s.p + 14);
	second = two(s.p + 17);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	if (s.n > 19 && (s.p[19] != '.' || !fraction(str_tail(s, 20), &micros)))
		return false;
	*ret = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + micros;
	return true;
}
