/* bind_values.c - the text of a bind as a value of its type: one reader a type (specification, section 3).
 *
 * Not here: values as parameters of a statement (bind.c) and as columns of a table (batch.c). Pure functions, any thread.
 */
#include "engine/worker/worker.h"

#include <math.h>
#include <stdlib.h>

enum { EXACT_DIGITS = 38, EXPONENT_MAX = 16384, DAY_MS = 86400000, OFFSET_ZERO = 1440 /* minutes */ };

/* --- numbers --- */
/* [+-] digits [. digits], at most 38 that count. */
static bool read_exact(struct str s, struct buf *bytes, struct bind_value *ret)
{
	bool negative = s.n && s.p[0] == '-', point = false, any = false;
	struct bind_exact d = {0};

	(void)bytes;
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_tail(s, 1);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (!ascii_digit(s.p[i]) || d.digits == EXACT_DIGITS || d.scale == EXACT_DIGITS)
			return false;
		any = true;
		d.value = d.value * 10 + (s.p[i] - '0');
		d.digits += d.value != 0;
		d.scale += point;
	}
	if (negative)
		d.value = -d.value;
	ret->exact = d;
	return any;
}

static bool read_whole(struct str s, struct buf *bytes, struct bind_value *ret)
{
	return read_exact(s, bytes, ret) && ret->exact.scale == 0;
}

/* The same with an exponent, as far as 38 digits hold all of it; no zeros at its end. */
static bool read_decfloat(struct str s, struct buf *bytes, struct bind_value *ret)
{
	struct bind_exact *d = &ret->exact;
	int64_t exponent = 0, scale;
	size_t at = 0;

	while (at < s.n && s.p[at] != 'e' && s.p[at] != 'E')
		at++;
	if (!read_exact(str_head(s, at), bytes, ret))
		return false;
	at += 1 + (at + 1 < s.n && s.p[at + 1] == '+');
	if (at <= s.n && (!str_to_i64(str_tail(s, at), &exponent) || (s.p[at - 1] == '+' && s.p[at] == '-') ||
			  exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX))
		return false;
	scale = d->value ? d->scale - exponent : 0;
	for (; scale > 0 && d->value % 10 == 0; scale--, d->digits--)
		d->value /= 10;
	for (; scale < 0 && d->digits < EXACT_DIGITS; scale++, d->digits++)
		d->value *= 10;
	d->scale = (int)scale;
	return scale >= 0 && scale <= EXACT_DIGITS;
}

/* strtod reads more than we take: hexadecimal, "inf", "nan(…)", leading blanks. */
static bool read_finite(struct str s, double *ret)
{
	char text[64];
	char *end;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) && (s.p[i] == '\0' || !strchr("+-.eE", s.p[i])))
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*ret = strtod(text, &end);
	return end == text + s.n;
}

static bool read_real(struct str s, struct buf *bytes, struct bind_value *ret)
{
	(void)bytes;
	if (str_eq(s, S("NaN")))
		ret->real = NAN;
	else if (str_eq(s, S("Infinity")) || str_eq(s, S("-Infinity")))
		ret->real = s.p[0] == '-' ? -INFINITY : INFINITY;
	else
		return read_finite(s, &ret->real);
	return true;
}

static bool read_boolean(struct str s, struct buf *bytes, struct bind_value *ret)
{
	(void)bytes;
	ret->yes = str_ieq(s, S("true")) || str_eq(s, S("1"));
	return ret->yes || str_ieq(s, S("false")) || str_eq(s, S("0"));
}

/* --- text and bytes --- */
static bool read_text(struct str s, struct buf *bytes, struct bind_value *ret)
{
	(void)bytes;
	ret->text = str_from(s.p ? s.p : "", s.n);
	return str_is_utf8(s);
}

static bool read_bytes(struct str s, struct buf *bytes, struct bind_value *ret)
{
	buf_clear(bytes);
	if (!hash_unhex(s, bytes))
		return false;
	ret->text = str_from(bytes->p ? bytes->p : "", bytes->n);
	return true;
}

/* --- time --- */
/* Milliseconds since 1970 */
static bool read_date(struct str s, struct buf *bytes, struct bind_value *ret)
{
	int64_t ms, days;

	(void)bytes;
	if (!str_to_i64(s, &ms))
		return false;
	days = floor_div(ms, DAY_MS);
	ret->days = (int32_t)days;
	return days > INT32_MIN + 1 && days < INT32_MAX;
}

/* Nanoseconds since 1970 */
static bool read_instant(struct str s, struct buf *bytes, struct bind_value *ret)
{
	const __int128 most = (__int128)INT64_MAX / 2 * 1000;
	struct bind_value v;
	__int128 ns, micros;

	if (!read_whole(s, bytes, &v) || v.exact.value > most || v.exact.value < -most)
		return false;
	ns = v.exact.value;
	micros = ns / 1000 - (ns % 1000 < 0);
	ret->at = (struct bind_instant){.micros = (int64_t)micros, .nanos = (int)(ns - micros * 1000)};
	return true;
}

/* Nanoseconds since midnight */
static bool read_time(struct str s, struct buf *bytes, struct bind_value *ret)
{
	return read_instant(s, bytes, ret) && ret->at.micros >= 0 && ret->at.micros < (int64_t)DAY_MS * 1000;
}

/* "<ns> <offset minutes + 1440>" */
static bool read_zoned(struct str s, struct buf *bytes, struct bind_value *ret)
{
	struct str rest = s, ns = str_cut(&rest, ' ');
	int64_t offset;

	if (!read_instant(ns, bytes, ret) || !str_to_i64(rest, &offset) || offset < 0 || offset > 2 * OFFSET_ZERO)
		return false;
	ret->at.zone = (int)offset - OFFSET_ZERO;
	return true;
}

/* --- the types --- */
static const struct {
	struct bind_type type;
	bool (*read)(struct str s, struct buf *bytes, struct bind_value *ret);
} types[ENGINE_B_COUNT] = {
	[ENGINE_B_NULL] = {{"NULL", BIND_TEXT}, read_text},
	[ENGINE_B_FIXED] = {{"FIXED", BIND_EXACT}, read_exact},
	[ENGINE_B_REAL] = {{"REAL", BIND_REAL}, read_real},
	[ENGINE_B_TEXT] = {{"TEXT", BIND_TEXT}, read_text},
	[ENGINE_B_BOOLEAN] = {{"BOOLEAN", BIND_BOOLEAN}, read_boolean},
	[ENGINE_B_DATE] = {{"DATE", BIND_DATE}, read_date},
	[ENGINE_B_TIME] = {{"TIME", BIND_TIME}, read_time},
	[ENGINE_B_TIMESTAMP_NTZ] = {{"TIMESTAMP_NTZ", BIND_LOCAL}, read_instant},
	[ENGINE_B_TIMESTAMP_LTZ] = {{"TIMESTAMP_LTZ", BIND_INSTANT}, read_instant},
	[ENGINE_B_TIMESTAMP_TZ] = {{"TIMESTAMP_TZ", BIND_ZONED}, read_zoned},
	[ENGINE_B_BINARY] = {{"BINARY", BIND_BYTES}, read_bytes},
	[ENGINE_B_INT] = {{"INT", BIND_WHOLE}, read_whole},
	[ENGINE_B_DOUBLE] = {{"DOUBLE", BIND_REAL}, read_real},
	[ENGINE_B_DECFLOAT] = {{"DECFLOAT", BIND_EXACT}, read_decfloat},
};

struct bind_type bind_type(enum engine_bind_type type)
{
	return types[type].type;
}

bool bind_read(enum engine_bind_type type, struct str text, struct buf *bytes, struct bind_value *ret)
{
	return types[type].read(text, bytes, ret);
}
