/* bounds.c - the bytes of a column's lower and upper bound, from the text that DuckDB writes.
 *
 * Iceberg's single-value serialization. A text that cannot be read is no bound,
 * never an error: bounds only help to skip files. Pure functions, any thread.
 */
#include "iceberg/iceberg_int.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

enum { BOUND_CHARACTERS = 16, NUMBER_TEXT_MAX = 64 };

static struct str copy(struct arena *a, const void *p, size_t n)
{
	return arena_dup(a, str_from(p, n));
}

static struct str int32_bytes(struct arena *a, int64_t v)
{
	uint32_t le = htole32((uint32_t)(int32_t)v);

	return copy(a, &le, sizeof(le));
}

static struct str int64_bytes(struct arena *a, int64_t v)
{
	uint64_t le = htole64((uint64_t)v);

	return copy(a, &le, sizeof(le));
}

static bool boolean_bound(struct arena *a, struct str text, struct str *ret)
{
	bool yes = str_ieq(text, S("true")) || str_eq(text, S("1"));

	if (!yes && !str_ieq(text, S("false")) && !str_eq(text, S("0")))
		return false;
	*ret = copy(a, yes ? "\1" : "\0", 1);
	return true;
}

static bool integer_bound(struct arena *a, const struct ice_type *t, struct str text, struct str *ret)
{
	int64_t v;

	if (!str_to_i64(text, &v) || (t->kind == ICE_INT && (v < INT32_MIN || v > INT32_MAX)))
		return false;
	*ret = t->kind == ICE_INT ? int32_bytes(a, v) : int64_bytes(a, v);
	return true;
}

/* The writer may have taken -0.0 and 0.0 for equal, readers do not: a zero is the outer one of the two. */
static bool real_bound(struct arena *a, const struct ice_type *t, struct str text, bool upper, struct str *ret)
{
	char z[NUMBER_TEXT_MAX], *end;
	double v;
	float f;
	uint32_t le;
	uint64_t le64;

	if (text.n == 0 || text.n >= sizeof(z) || text.p[0] == ' ')
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	v = strtod(z, &end);
	f = strtof(z, NULL);
	if (end != z + text.n || isnan(v))
		return false;
	if (t->kind == ICE_DOUBLE) {
		v = v == 0 ? (upper ? 0.0 : -0.0) : v;
		memcpy(&le64, &v, sizeof(v));
		*ret = int64_bytes(a, (int64_t)le64);
		return true;
	}
	f = f == 0 ? (upper ? 0.0F : -0.0F) : f;
	memcpy(&le, &f, sizeof(f));
	*ret = int32_bytes(a, (int32_t)le);
	return true;
}

/* Digits of the fraction are padded to the scale; more than that must be zeros. */
static bool read_unscaled(struct str text, int scale, __int128 *ret)
{
	bool negative = text.n > 0 && text.p[0] == '-', dot = false;
	int digits = 0, behind = 0;
	__int128 v = 0;

	for (size_t i = negative; i < text.n; i++) {
		char ch = text.p[i];

		if (ch == '.' && !dot) {
			dot = true;
			continue;
		}
		if (!ascii_digit(ch) || (dot && behind == scale && ch != '0'))
			return false;
		if (dot && behind == scale)
			continue;
		digits += v != 0 || ch != '0';
		if (digits > 38)
			return false;
		behind += dot;
		v = v * 10 + (ch - '0');
	}
	if (text.n <= negative || (dot && text.n == (size_t)negative + 1))
		return false;
	for (; behind < scale; behind++) {
		digits += v != 0;
		if (digits > 38)
			return false;
		v *= 10;
	}
	*ret = negative ? -v : v;
	return true;
}

/* Two's complement, big-endian, as short as it can be. */
static bool decimal_bound(struct arena *a, const struct ice_type *t, struct str text, struct str *ret)
{
	unsigned char bytes[16];
	__int128 v;
	size_t skip = 0;

	if (!read_unscaled(text, t->scale, &v))
		return false;
	for (int i = 0; i < 16; i++)
		bytes[15 - i] = (unsigned char)((unsigned __int128)v >> (8 * i));
	while (skip < 15 && ((bytes[skip] == 0 && bytes[skip + 1] < 0x80) || (bytes[skip] == 0xFF && bytes[skip + 1] >= 0x80)))
		skip++;
	*ret = copy(a, bytes + skip, sizeof(bytes) - skip);
	return true;
}

/* --- dates and times --- */
/* Takes digits off *s: at least `min`, at most `max`. */
static bool take_digits(struct str *s, size_t min, size_t max, int64_t *ret)
{
	size_t n = 0;
	int64_t v = 0;

	while (n < s->n && n < max && ascii_digit(s->p[n]))
		v = v * 10 + (s->p[n++] - '0');
	*s = str_tail(*s, n);
	*ret = v;
	return n >= min;
}

static bool take_char(struct str *s, char ch)
{
	bool there = s->n > 0 && s->p[0] == ch;

	*s = str_tail(*s, there);
	return there;
}

/* "2020-02-29", "0044-03-15 (BC)"; years of up to seven digits. */
static bool take_date(struct str *s, int64_t *ret_days)
{
	int64_t year, month, day;

	if (!take_digits(s, 1, 7, &year) || !take_char(s, '-') || !take_digits(s, 2, 2, &month) || !take_char(s, '-') ||
	    !take_digits(s, 2, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	if (str_starts(*s, S(" (BC)"))) {
		*s = str_tail(*s, 5);
		year = 1 - year;
	}
	*ret_days = clock_days_from_civil(year, (unsigned)month, (unsigned)day);
	return true;
}

/* "01:02:03.000004" in microseconds. */
static bool take_time(struct str *s, int64_t *ret)
{
	int64_t hours, minutes, seconds, micros = 0;
	size_t before;

	if (!take_digits(s, 2, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, 2, &minutes) || !take_char(s, ':') ||
	    !take_digits(s, 2, 2, &seconds))
		return false;
	if (hours > 24 || minutes > 59 || seconds > 60)
		return false;
	if (take_char(s, '.')) {
		before = s->n;
		if (!take_digits(s, 1, 6, &micros))
			return false;
		for (size_t n = before - s->n; n < 6; n++)
			micros *= 10;
	}
	*ret = ((hours * 60 + minutes) * 60 + seconds) * 1000000 + micros;
	return true;
}

/* "+02", "-05:30", "+00:00:10"; nothing is UTC. In microseconds. */
static bool take_offset(struct str *s, int64_t *ret)
{
	bool west = s->n > 0 && s->p[0] == '-';
	int64_t part, sum = 0;

	*ret = 0;
	if (s->n == 0)
		return true;
	if (!take_char(s, '-') && !take_char(s, '+'))
		return false;
	for (int unit = 3600; unit > 0; unit /= 60) {
		if (unit < 3600 && !take_char(s, ':'))
			break;
		if (!take_digits(s, 2, 2, &part))
			return false;
		sum += part * unit;
	}
	*ret = (west ? -sum : sum) * 1000000;
	return true;
}

/* The values that DuckDB keeps for infinity, as they are in its files. */
static bool infinite(struct str text, int64_t most, int64_t *ret)
{
	*ret = text.n > 0 && text.p[0] == '-' ? -most : most;
	return str_eq(text, S("infinity")) || str_eq(text, S("-infinity"));
}

static bool date_bound(struct arena *a, struct str text, struct str *ret)
{
	int64_t days;

	if (!infinite(text, INT32_MAX, &days)) {
		if (!take_date(&text, &days) || text.n > 0 || days < INT32_MIN || days > INT32_MAX)
			return false;
	}
	*ret = int32_bytes(a, days);
	return true;
}

static bool time_bound(struct arena *a, struct str text, struct str *ret)
{
	int64_t micros;

	if (!take_time(&text, &micros) || text.n > 0)
		return false;
	*ret = int64_bytes(a, micros);
	return true;
}

static bool timestamp_bound(struct arena *a, const struct ice_type *t, struct str text, struct str *ret)
{
	int64_t days, time, offset = 0, micros;
	__int128 sum;

	if (infinite(text, INT64_MAX, &micros)) {
		*ret = int64_bytes(a, micros);
		return true;
	}
	if (!take_date(&text, &days) || !(take_char(&text, ' ') || take_char(&text, 'T')) || !take_time(&text, &time))
		return false;
	if (t->kind == ICE_TIMESTAMPTZ && !take_offset(&text, &offset))
		return false;
	sum = (__int128)days * 86400 * 1000000 + time - offset;
	if (text.n > 0 || sum < INT64_MIN || sum > INT64_MAX)
		return false;
	*ret = int64_bytes(a, (int64_t)sum);
	return true;
}

/* --- bytes --- */
static bool uuid_bound(struct arena *a, struct str text, struct str *ret)
{
	OWNS(buf) hex = {0};
	OWNS(buf) bytes = {0};

	if (text.n != ID_LEN)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (hyphen != (text.p[i] == '-'))
			return false;
		if (!hyphen)
			buf_addc(&hex, ascii_lower(text.p[i]));
	}
	if (!hash_unhex(buf_str(&hex), &bytes))
		return false;
	*ret = arena_dup(a, buf_str(&bytes));
	return true;
}

/* \x00 is a byte, everything else stands for itself. */
static bool binary_bound(struct arena *a, struct str text, bool upper, struct str *ret)
{
	unsigned char *p = arena_alloc(a, text.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		bool escape = text.p[i] == '\\';
		int high, low;

		if (!escape) {
			p[n++] = (unsigned char)text.p[i];
			continue;
		}
		if (text.n - i < 4 || text.p[i + 1] != 'x')
			return false;
		high = ascii_hex(text.p[i + 2]);
		low = ascii_hex(text.p[i + 3]);
		if (high < 0 || low < 0)
			return false;
		p[n++] = (unsigned char)(high * 16 + low);
		i += 3;
	}
	if (n > BOUND_CHARACTERS) {
		n = BOUND_CHARACTERS;
		while (upper && n > 0 && p[n - 1] == 0xFF)
			n--;
		if (upper && n == 0)
			return false;
		p[n - 1] = (unsigned char)(p[n - 1] + upper);
	}
	*ret = str_from((char *)p, n);
	return true;
}

/* Where the character before `end` begins. */
static size_t before(struct str s, size_t end)
{
	do
		end--;
	while ((s.p[end] & 0xC0) == 0x80);
	return end;
}

static unsigned code_point(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned v = s.n == 1 ? p[0] : s.n == 2 ? p[0] & 0x1F : s.n == 3 ? p[0] & 0x0F : p[0] & 0x07;

	for (size_t i = 1; i < s.n; i++)
		v = v << 6 | (p[i] & 0x3F);
	return v;
}

static size_t put_code_point(char *to, unsigned v)
{
	static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
	size_t n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--, v >>= 6)
		to[i] = (char)(0x80 | (v & 0x3F));
	to[0] = (char)(marks[n == 1 ? 0 : n] | v);
	return n;
}

/* The least text that is more than any that begins with `head`: its last character that has a next one becomes that. */
static bool round_up(struct arena *a, struct str head, struct str *ret)
{
	char *p = arena_alloc(a, head.n + 4);
	size_t at = head.n;

	while (at > 0) {
		size_t from = before(head, at);
		unsigned v = code_point(str_from(head.p + from, at - from)) + 1;

		if (v == 0xD800)
			v = 0xE000;
		if (v <= 0x10FFFF) {
			memcpy(p, head.p, from);
			*ret = str_from(p, from + put_code_point(p + from, v));
			return true;
		}
		at = from;
	}
	return false;
}

static bool string_bound(struct arena *a, struct str text, bool upper, struct str *ret)
{
	size_t n = 0;

	if (!str_is_utf8(text))
		return false;
	for (int i = 0; i < BOUND_CHARACTERS && n < text.n; i++)
		for (n++; n < text.n && (text.p[n] & 0xC0) == 0x80;)
			n++;
	if (upper && n < text.n)
		return round_up(a, str_head(text, n), ret);
	*ret = copy(a, text.p, n);
	return true;
}

bool ice_bound(struct arena *a, const struct ice_type *t, struct str text, bool upper, struct str *ret)
{
	switch (t->kind) {
	case ICE_BOOLEAN:
		return boolean_bound(a, text, ret);
	case ICE_INT:
	case ICE_LONG:
		return integer_bound(a, t, text, ret);
	case ICE_FLOAT:
	case ICE_DOUBLE:
		return real_bound(a, t, text, upper, ret);
	case ICE_DECIMAL:
		return decimal_bound(a, t, text, ret);
	case ICE_DATE:
		return date_bound(a, text, ret);
	case ICE_TIME:
		return time_bound(a, text, ret);
	case ICE_TIMESTAMP:
	case ICE_TIMESTAMPTZ:
		return timestamp_bound(a, t, text, ret);
	case ICE_STRING:
		return string_bound(a, text, upper, ret);
	case ICE_UUID:
		return uuid_bound(a, text, ret);
	case ICE_BINARY:
		return binary_bound(a, text, upper, ret);
	case ICE_FIXED:
	case ICE_LIST:
	case ICE_STRUCT:
	case ICE_MAP:
	case ICE_KINDS:
		break;
	}
	return false;
}
