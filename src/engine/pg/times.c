/* times.c - PostgreSQL's dates, times and intervals (DateStyle ISO, IntervalStyle postgres) as DuckDB writes them.
 *
 * Pure functions. Whatever is not of the expected shape makes them return false and write nothing: the cell then
 * stays the server's text. Times of day and instants have six digits of fraction, years before 1 a "(BC)" behind the date.
 */
#include "engine/pg/pg_int.h"

enum { YEAR_DIGITS_MAX = 7 };

struct civil {
	int64_t year; /* 0 = 1 BC */
	unsigned month, day;
};
struct of_day {
	int64_t hour;
	unsigned minute, second, micros;
};

/* --- reading: each takes from the front of *s --- */
static bool digits(struct str *s, size_t least, size_t most, int64_t *ret)
{
	int64_t v = 0;
	size_t n = 0;

	for (; n < s->n && n < most && ascii_digit(s->p[n]); n++)
		v = v * 10 + (s->p[n] - '0');
	if (n < least || (n < s->n && ascii_digit(s->p[n])))
		return false;
	*s = str_tail(*s, n);
	*ret = v;
	return true;
}

static bool mark(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_tail(*s, 1);
	return true;
}

static bool two(struct str *s, unsigned *ret)
{
	int64_t v;

	if (!digits(s, 2, 2, &v))
		return false;
	*ret = (unsigned)v;
	return true;
}

static bool read_date(struct str *s, struct civil *ret)
{
	return digits(s, 4, YEAR_DIGITS_MAX, &ret->year) && mark(s, '-') && two(s, &ret->month) && mark(s, '-') && two(s, &ret->day);
}

static bool read_fraction(struct str *s, unsigned *ret)
{
	unsigned v = 0, n = 0;

	for (; n < s->n && n < 6 && ascii_digit(s->p[n]); n++)
		v = v * 10 + (unsigned)(s->p[n] - '0');
	*s = str_tail(*s, n);
	if (n == 0)
		return false;
	for (; n < 6; n++)
		v *= 10;
	*ret = v;
	return true;
}

static bool read_time(struct str *s, size_t hour_digits, struct of_day *ret)
{
	ret->micros = 0;
	if (!digits(s, 2, hour_digits, &ret->hour) || !mark(s, ':') || !two(s, &ret->minute) || !mark(s, ':') || !two(s, &ret->second))
		return false;
	return !mark(s, '.') || read_fraction(s, &ret->micros);
}

/* +hh[:mm[:ss]] */
static bool read_offset(struct str *s, int *ret_seconds)
{
	unsigned h, m = 0, sec = 0;
	int sign = 1;

	if (mark(s, '-'))
		sign = -1;
	else if (!mark(s, '+'))
		return false;
	if (!two(s, &h) || (mark(s, ':') && (!two(s, &m) || (mark(s, ':') && !two(s, &sec)))))
		return false;
	*ret_seconds = sign * (int)(h * 3600 + m * 60 + sec);
	return true;
}

/* What may stand at the end of a date; then nothing else. */
static bool read_era(struct str *s, struct civil *d)
{
	if (str_eq(*s, S(" BC")))
		d->year = 1 - d->year;
	return s->n == 0 || str_eq(*s, S(" BC"));
}

/* --- writing --- */
static void put_date(struct buf *out, struct civil d)
{
	bool bc = d.year <= 0;
	long long year = bc ? 1 - d.year : d.year;

	buf_fmt(out, "%04lld-%02u-%02u%s", year, d.month, d.day, bc ? " (BC)" : "");
}

static void put_time(struct buf *out, struct of_day t)
{
	buf_fmt(out, "%02lld:%02u:%02u.%06u", (long long)t.hour, t.minute, t.second, t.micros);
}

static bool word(struct str s, struct buf *out)
{
	if (!str_eq(s, S("infinity")) && !str_eq(s, S("-infinity")))
		return false;
	buf_add(out, s);
	return true;
}

bool pg_date(struct str s, struct buf *out)
{
	struct civil d;

	if (word(s, out))
		return true;
	if (!read_date(&s, &d) || !read_era(&s, &d))
		return false;
	put_date(out, d);
	return true;
}

bool pg_time(struct str s, struct buf *out)
{
	struct of_day t;

	if (!read_time(&s, 2, &t) || s.n)
		return false;
	put_time(out, t);
	return true;
}

bool pg_timetz(struct str s, struct buf *out)
{
	struct of_day t;
	int offset;
	unsigned size;

	if (!read_time(&s, 2, &t) || !read_offset(&s, &offset) || s.n)
		return false;
	put_time(out, t);
	size = (unsigned)(offset < 0 ? -offset : offset);
	buf_fmt(out, "%c%02u:%02u", offset < 0 ? '-' : '+', size / 3600, size / 60 % 60);
	if (size % 60)
		buf_fmt(out, ":%02u", size % 60);
	return true;
}

static bool read_instant(struct str *s, struct civil *d, struct of_day *t)
{
	return read_date(s, d) && mark(s, ' ') && read_time(s, 2, t);
}

bool pg_timestamp(struct str s, struct buf *out)
{
	struct civil d;
	struct of_day t;

	if (word(s, out))
		return true;
	if (!read_instant(&s, &d, &t) || !read_era(&s, &d))
		return false;
	put_date(out, d);
	buf_addc(out, 'T');
	put_time(out, t);
	return true;
}

/* The same instant at offset 0: sessions are in UTC until they choose otherwise. */
static void to_utc(struct civil *d, struct of_day *t, int offset)
{
	int64_t seconds = t->hour * 3600 + t->minute * 60 + t->second - offset;
	int64_t days = clock_days_from_civil(d->year, d->month, d->day) + seconds / 86400;

	seconds %= 86400;
	if (seconds < 0) {
		seconds += 86400;
		days--;
	}
	clock_civil_from_days(days, &d->year, &d->month, &d->day);
	t->hour = seconds / 3600;
	t->minute = (unsigned)(seconds / 60 % 60);
	t->second = (unsigned)(seconds % 60);
}

bool pg_timestamptz(struct str s, struct buf *out)
{
	struct civil d;
	struct of_day t;
	int offset;

	if (word(s, out))
		return true;
	if (!read_instant(&s, &d, &t) || !read_offset(&s, &offset) || !read_era(&s, &d))
		return false;
	if (offset)
		to_utc(&d, &t, offset);
	put_date(out, d);
	buf_addc(out, 'T');
	put_time(out, t);
	buf_addc(out, 'Z');
	return true;
}

/* --- intervals: "1 year 2 mons -3 days +04:05:06.7" --- */
struct interval {
	int64_t years, months, days;
	struct of_day t;
	bool negative; /* the time */
};

static bool read_unit(struct str unit, int64_t v, struct interval *ret)
{
	static const struct str units[] = {S_INIT("year"), S_INIT("mon"), S_INIT("day")};
	int64_t *const to[] = {&ret->years, &ret->months, &ret->days};
	struct str one = str_ends(unit, S("s")) ? str_head(unit, unit.n - 1) : unit;

	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (str_eq(one, units[i])) {
			*to[i] = v;
			return true;
		}
	return false;
}

static bool read_clock(struct str s, struct interval *ret)
{
	ret->negative = mark(&s, '-');
	if (!ret->negative)
		(void)mark(&s, '+');
	return read_time(&s, 12, &ret->t) && s.n == 0;
}

static bool read_interval(struct str s, struct interval *ret)
{
	*ret = (struct interval){0};
	while (s.n) {
		struct str first = str_cut(&s, ' ');
		int64_t v;

		if (str_find(first, ':') < first.n)
			return read_clock(first, ret) && s.n == 0;
		if (str_starts(first, S("+")))
			first = str_tail(first, 1);
		if (!str_to_i64(first, &v) || !read_unit(str_cut(&s, ' '), v, ret))
			return false;
	}
	return true;
}

static void put_count(struct buf *out, size_t from, int64_t v, const char *unit)
{
	if (v)
		buf_fmt(out, "%s%lld %s%s", out->n > from ? " " : "", (long long)v, unit, v == 1 || v == -1 ? "" : "s");
}

bool pg_interval(struct str s, struct buf *out)
{
	size_t from = out->n;
	struct interval v;
	bool timed;

	if (word(s, out))
		return true;
	if (!s.n || !read_interval(s, &v))
		return false;
	timed = v.t.hour || v.t.minute || v.t.second || v.t.micros;
	put_count(out, from, v.years, "year");
	put_count(out, from, v.months, "month");
	put_count(out, from, v.days, "day");
	if (!timed && out->n > from)
		return true;
	buf_fmt(out, "%s%s%02lld:%02u:%02u", out->n > from ? " " : "", v.negative ? "-" : "", (long long)v.t.hour, v.t.minute, v.t.second);
	if (!v.t.micros)
		return true;
	buf_fmt(out, ".%06u", v.t.micros);
	while (out->p[out->n - 1] == '0')
		out->n--;
	return true;
}
