/* write.c - JSON straight into a buf. Keeps no stack: whoever begins an object
 * or array ends it. Any thread.
 */
#include "json/json_int.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void comma(struct json_out *o)
{
	if (o->comma)
		buf_addc(o->b, ',');
	o->comma = true;
}

static void begin(struct json_out *o, char bracket)
{
	comma(o);
	buf_addc(o->b, bracket);
	o->comma = false;
}

static void end(struct json_out *o, char bracket)
{
	buf_addc(o->b, bracket);
	o->comma = true;
}

void json_begin_object(struct json_out *o)
{
	begin(o, '{');
}

void json_end_object(struct json_out *o)
{
	end(o, '}');
}

void json_begin_array(struct json_out *o)
{
	begin(o, '[');
}

void json_end_array(struct json_out *o)
{
	end(o, ']');
}

void json_key(struct json_out *o, struct str key)
{
	comma(o);
	json_quote(o->b, key);
	buf_addc(o->b, ':');
	o->comma = false;
}

void json_literal_key(struct json_out *o, struct str quoted)
{
	comma(o);
	buf_add(o->b, quoted);
	o->comma = false;
}

void json_put_text(struct json_out *o, struct str s)
{
	comma(o);
	json_quote(o->b, s);
}

void json_put_int(struct json_out *o, int64_t v)
{
	comma(o);
	buf_i64(o->b, v);
}

void json_put_real(struct json_out *o, double v)
{
	comma(o);
	if (isnan(v))
		buf_lit(o->b, "\"NaN\"");
	else if (isinf(v))
		buf_add(o->b, v > 0 ? S("\"Infinity\"") : S("\"-Infinity\""));
	else
		json_real_text(o->b, v);
}

void json_put_bool(struct json_out *o, bool v)
{
	comma(o);
	buf_add(o->b, v ? S("true") : S("false"));
}

void json_put_null(struct json_out *o)
{
	comma(o);
	buf_lit(o->b, "null");
}

void json_put_raw(struct json_out *o, struct str json)
{
	comma(o);
	buf_add(o->b, json);
}

/* Length of the well-formed UTF-8 sequence at the front of s, which is not ASCII; or 0. */
static size_t utf8_sequence(struct str s)
{
	unsigned char lead = (unsigned char)s.p[0];
	size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;

	return str_is_utf8(str_head(s, n)) ? n : 0;
}

/* The bytes over 0x7F at the front of s, with what is not UTF-8 replaced. */
static size_t quote_wide(struct buf *b, struct str s)
{
	size_t at = 0;

	while (at < s.n && (s.p[at] & 0x80)) {
		size_t n = utf8_sequence(str_tail(s, at));

		if (n == 0)
			break;
		at += n;
	}
	if (at) {
		buf_add(b, str_head(s, at));
		return at;
	}
	buf_lit(b, "\xEF\xBF\xBD");
	return 1;
}

static void quote_mark(struct buf *b, unsigned char c)
{
	static const char short_form[256] = {
	        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	static const char hex[] = "0123456789abcdef";

	if (short_form[c])
		buf_add(b, str_from((char[]){'\\', short_form[c]}, 2));
	else
		buf_add(b, str_from((char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
}

void json_quote(struct buf *b, struct str s)
{
	const char *p = s.p, *stop = s.p + s.n;
	unsigned char watched = 0x80; /* until all wide bytes are known to be good */
	bool judged = false;

	if (!buf_room(b, s.n + 2)) /* most strings need no more than this */
		return;
	buf_addc(b, '"');
	while (p < stop) {
		size_t run = json_plain(p, stop, watched);
		struct str rest = str_from(p + run, (size_t)(stop - p) - run);

		buf_add(b, str_from(p, run));
		p += run;
		if (!rest.n)
			break;
		if (!(*p & 0x80)) {
			quote_mark(b, (unsigned char)*p++);
		} else if (!judged) {
			judged = true;
			watched = str_is_utf8(rest) ? 0 : 0x80;
		} else {
			p += quote_wide(b, rest);
		}
	}
	buf_addc(b, '"');
}

/* The point and `places` digits. */
static void put_fraction(struct buf *b, int64_t digits, size_t places)
{
	char *to = buf_room(b, places + 1);

	if (!to)
		return;
	for (size_t i = places; i > 0; i--) {
		to[i] = (char)('0' + digits % 10);
		digits /= 10;
	}
	to[0] = '.';
	b->n += places + 1;
}

static const long double powers[] = {1e0L, 1e1L, 1e2L, 1e3L, 1e4L, 1e5L, 1e6L, 1e7L, 1e8L, 1e9L, 1e10L, 1e11L, 1e12L, 1e13L,
				     1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L};
_Static_assert(LDBL_MANT_DIG >= 64, "the powers above and 17 digits are exact in a long double");

/* size * 10^places, rounded; -1 where the product is too close to a tie to tell. */
static int64_t scaled(double size, size_t places)
{
	long double product = size * powers[places];
	int64_t digits = (int64_t)product;
	long double rest = product - (long double)digits;

	if (rest > 0.49L && rest < 0.51L)
		return -1;
	return digits + (rest > 0.5L);
}

enum answer { NO, YES, UNSURE };

/* Is size the double nearest to digits / 10^places? The quotient is off by at
 * most 2^-64 of itself, which matters only next to a tie. */
static enum answer reads_back(int64_t digits, size_t places, double size)
{
	const long double off = 0x1p-63L;
	long double quotient = (long double)digits / powers[places];
	bool low = (double)(quotient * (1 - off)) == size, high = (double)(quotient * (1 + off)) == size;

	return low == high ? (low ? YES : NO) : UNSURE;
}

static void put_digits(struct buf *b, int64_t digits, size_t places, bool fraction_only)
{
	int64_t one;

	for (; places > 0 && digits % 10 == 0; places--)
		digits /= 10;
	one = fraction_only ? INT64_MAX : (int64_t)powers[places];
	buf_i64(b, digits / one);
	if (places)
		put_fraction(b, digits % one, places);
}

/* A few places: digits and power are exact as doubles, so their quotient is rounded correctly. */
static bool put_short(struct buf *b, double size)
{
	if (size >= 1e9)
		return false;
	for (size_t places = 0; places < 5; places++) {
		double power = (double)powers[places];
		int64_t digits = (int64_t)(size * power + 0.5);

		if ((double)digits / power == size) {
			put_digits(b, digits, places, false);
			return true;
		}
	}
	return false;
}

/* By precision, as the ladder in json_real_text does, which decides where this is unsure. */
static bool put_long(struct buf *b, double size)
{
	size_t whole = 0, zeros = 0; /* digits before the point, zeros behind it */

	while (size >= (double)powers[whole])
		whole++;
	while (size * (double)powers[zeros + 1] < 1)
		zeros++;
	for (size_t precision = 15; precision <= 17; precision++) {
		size_t places = precision - whole + zeros;
		int64_t digits = scaled(size, places);
		enum answer good = digits < 0 ? UNSURE : reads_back(digits, places, size);

		if (good == UNSURE)
			return false;
		if (good == NO)
			continue;
		put_digits(b, digits, places, whole == 0);
		return true;
	}
	return false;
}

/* The usual sizes, without an exponent: the same text as the ladder's, ten times as fast. */
static bool put_positional(struct buf *b, double v)
{
	double size = fabs(v);
	size_t before = b->n;

	if (!(size >= 1e-4 && size < 1e15))
		return false;
	if (v < 0)
		buf_addc(b, '-');
	if (put_short(b, size) || put_long(b, size))
		return true;
	b->n = before;
	return false;
}

void json_real_text(struct buf *b, double v)
{
	char text[32];
	int n = 0;

	if (put_positional(b, v))
		return;
	for (int precision = 15; precision <= 17; precision++) {
		n = snprintf(text, sizeof(text), "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_add(b, str_from(text, (size_t)n));
}
