/* json_number.c - numbers in VARIANT values: 38 digits exactly, else a double. */
#include "engine/functions/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS = 38, DIGITS_READ = 400 /* of a double written out */, EXPONENT_MAX = 100000 };

struct parts { /* of a number's text: digits · 10^exponent */
	char digits[DIGITS_READ];
	int n, exponent;
	bool negative;
};

/* The digits without zeros in front; what does not fit is dropped into the exponent. */
static bool take_digits(struct str s, size_t *i, struct parts *ret)
{
	bool any = false, point = false;

	for (; *i < s.n && (ascii_digit(s.p[*i]) || (s.p[*i] == '.' && !point)); ++*i) {
		if (s.p[*i] == '.') {
			point = true;
			continue;
		}
		any = true;
		if (ret->n == DIGITS_READ) {
			ret->exponent += !point;
			continue;
		}
		if (ret->n || s.p[*i] != '0')
			ret->digits[ret->n++] = s.p[*i];
		ret->exponent -= point;
	}
	return any;
}

static bool take_exponent(struct str s, size_t *i, struct parts *ret)
{
	bool negative;
	int v = 0;

	if (*i == s.n || (s.p[*i] != 'e' && s.p[*i] != 'E'))
		return true;
	++*i;
	negative = *i < s.n && s.p[*i] == '-';
	if (*i < s.n && (s.p[*i] == '-' || s.p[*i] == '+'))
		++*i;
	if (*i == s.n)
		return false;
	for (; *i < s.n && ascii_digit(s.p[*i]); ++*i)
		v = v < EXPONENT_MAX ? v * 10 + (s.p[*i] - '0') : v;
	ret->exponent += negative ? -v : v;
	return true;
}

static bool split(struct str s, struct parts *ret)
{
	size_t i = 0;

	ret->n = ret->exponent = 0;
	ret->negative = s.n && s.p[0] == '-';
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		i++;
	return take_digits(s, &i, ret) && take_exponent(s, &i, ret) && i == s.n;
}

bool variant_is_numeric(struct str text)
{
	struct parts p;

	return split(str_trim(text), &p);
}

bool variant_decimal(struct str number, int precision, int scale, __int128 *ret)
{
	unsigned __int128 v = 0;
	struct parts p;
	int keep;

	if (!split(str_trim(number), &p))
		return false;
	keep = p.n + p.exponent + scale; /* digits in front of the place to round at */
	if (keep > DIGITS)
		return p.n == 0 ? (*ret = 0, true) : false;
	for (int i = 0; i < keep; i++)
		v = v * 10 + (unsigned)(i < p.n ? p.digits[i] - '0' : 0);
	if (keep >= 0 && keep < p.n && p.digits[keep] >= '5')
		v++;
	for (unsigned __int128 limit = 1, i = 0; i <= (unsigned)precision; i++, limit *= 10)
		if (i == (unsigned)precision && v >= limit)
			return false;
	*ret = p.negative ? -(__int128)v : (__int128)v;
	return true;
}

bool variant_real(struct str number, double *ret)
{
	char text[DIGITS_READ + 40], *end;
	size_t n = number.n;

	if (str_ieq(number, S("nan")))
		return *ret = (double)NAN, true;
	if (str_ieq(number, S("infinity")) || str_ieq(number, S("inf")))
		return *ret = HUGE_VAL, true;
	if (str_ieq(number, S("-infinity")) || str_ieq(number, S("-inf")))
		return *ret = -HUGE_VAL, true;
	if (n == 0 || n >= sizeof(text) || !variant_is_numeric(number))
		return false;
	memcpy(text, number.p, n);
	text[n] = '\0';
	*ret = strtod(text, &end);
	return *end == '\0' || isspace((unsigned char)*end);
}

void variant_put_double(struct buf *out, double v)
{
	char text[40];
	int n;

	if (isnan(v)) {
		buf_lit(out, "NaN");
		return;
	}
	if (isinf(v)) {
		buf_add(out, v < 0 ? S("-Infinity") : S("Infinity"));
		return;
	}
	n = snprintf(text, sizeof(text), "%.15e", v);
	if (strtod(text, NULL) != v)
		n = snprintf(text, sizeof(text), "%.16e", v);
	buf_add(out, str_from(text, (size_t)n));
}

static void put_exact(struct buf *out, const struct parts *p)
{
	int whole = p->n + p->exponent; /* digits before the point */

	if (p->negative)
		buf_addc(out, '-');
	if (whole <= 0)
		buf_addc(out, '0');
	for (int i = 0; i < whole; i++)
		buf_addc(out, i < p->n ? p->digits[i] : '0');
	if (p->exponent >= 0)
		return;
	buf_addc(out, '.');
	for (int i = whole; i < 0; i++)
		buf_addc(out, '0');
	buf_add(out, str_from(p->digits + (whole > 0 ? whole : 0), (size_t)(p->n - (whole > 0 ? whole : 0))));
}

static void strip_zeros(struct parts *p)
{
	while (p->exponent < 0 && p->n && p->digits[p->n - 1] == '0') {
		p->n--;
		p->exponent++;
	}
}

static double real_of(const struct parts *p)
{
	char text[DIGITS_READ + 40];

	snprintf(text, sizeof(text), "%s%.*se%d", p->negative ? "-" : "", p->n ? p->n : 1, p->n ? p->digits : "0", p->exponent);
	return strtod(text, NULL);
}

void variant_put_number(struct buf *out, struct str number)
{
	bool real = str_find(number, 'e') < number.n || str_find(number, 'E') < number.n;
	struct parts p;
	double v = 0;

	if (!real && split(number, &p)) {
		strip_zeros(&p);
		if (p.n == 0) {
			buf_addc(out, '0');
			return;
		}
		if (p.n + (p.exponent > 0 ? p.exponent : 0) <= DIGITS && -p.exponent <= DIGITS) {
			put_exact(out, &p);
			return;
		}
	}
	if (!variant_real(number, &v) && split(number, &p)) /* longer than it may be: those digits do not matter */
		v = real_of(&p);
	variant_put_double(out, v);
}

void variant_put_decimal(struct buf *out, __int128 v, int scale)
{
	char text[TEXT_ROOM], *end = text_decimal(text, v, scale);

	if (scale > 0) {
		while (end > text && end[-1] == '0')
			end--;
		if (end > text && end[-1] == '.')
			end--;
	}
	buf_add(out, str_from(text, (size_t)(end - text)));
}
