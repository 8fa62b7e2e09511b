/* time.c - dates, times and instants between Snowflake's numbers and ISO texts.
 *
 * Snowflake counts days, or seconds with nine places and one sign for both.
 * The ISO texts are the ones engine workers write: years beyond 9999 as they
 * are, years before 1 as "0044-03-15 (BC)", and infinity as a word in both
 * forms. Pure; any thread.
 */
#include "rows/rows_int.h"

enum { NANOS = 1000000000, DAY = 86400, SECOND_DIGITS = 18, YEAR_DIGITS = 11, HOUR_DIGITS = 2, FRACTION_MAX = 9 };
enum { ZONE_ZERO = 1440 }; /* what Snowflake adds to an offset in minutes */

struct instant {
	int64_t seconds; /* since 1970, or since midnight; rounded down */
	int64_t nanos;   /* 0 … 999,999,999 after it */
};

static bool take(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_tail(*s, 1);
	return true;
}

static bool take_digits(struct str *s, size_t least, size_t most, int64_t *ret)
{
	int64_t v = 0;
	size_t n = 0;

	while (n < s->n && ascii_digit(s->p[n])) {
		if (n == most)
			return false;
		v = v * 10 + (s->p[n++] - '0');
	}
	if (n < least)
		return false;
	*s = str_tail(*s, n);
	*ret = v;
	return true;
}

/* ".25" or nothing. */
static bool take_places(struct str *s, int64_t *ret_nanos, int *ret_digits)
{
	int64_t v = 0;
	int digits = 0;

	if (take(s, '.')) {
		size_t before = s->n;

		if (!take_digits(s, 1, FRACTION_MAX, &v))
			return false;
		digits = (int)(before - s->n);
	}
	*ret_digits = digits;
	while (v && digits++ < FRACTION_MAX)
		v *= 10;
	*ret_nanos = v;
	return true;
}

static bool take_fraction(struct str *s, int64_t *ret_nanos)
{
	int digits;

	return take_places(s, ret_nanos, &digits);
}

static bool is_infinity(struct str s)
{
	return str_eq(s, S("infinity")) || str_eq(s, S("-infinity"));
}

static bool put_infinity(struct str s, struct buf *out)
{
	buf_add(out, s);
	return true;
}

/* --- Snowflake's numbers --- */
static bool read_seconds(struct str s, struct instant *ret)
{
	bool negative = take(&s, '-');
	struct instant t;

	if (!take_digits(&s, 1, SECOND_DIGITS, &t.seconds) || !take_fraction(&s, &t.nanos) || s.n)
		return false;
	if (negative) {
		t.seconds = -t.seconds - (t.nanos > 0);
		t.nanos = t.nanos ? NANOS - t.nanos : 0;
	}
	*ret = t;
	return true;
}

static void put_padded(struct buf *out, int64_t v, int width)
{
	char *to = buf_room(out, (size_t)width);

	if (!to)
		return;
	for (int i = width - 1; i >= 0; i--, v /= 10)
		to[i] = (char)('0' + v % 10);
	out->n += (size_t)width;
}

static void put_fraction(struct buf *out, int64_t nanos, int digits)
{
	if (digits == 0)
		return;
	for (int i = digits; i < FRACTION_MAX; i++)
		nanos /= 10;
	buf_addc(out, '.');
	put_padded(out, nanos, digits);
}

static void put_seconds_to(struct buf *out, struct instant t, int digits)
{
	bool negative = t.seconds < 0;

	if (negative && t.nanos) {
		t.seconds++;
		t.nanos = NANOS - t.nanos;
	}
	if (negative)
		buf_addc(out, '-');
	buf_i64(out, negative ? -t.seconds : t.seconds);
	put_fraction(out, t.nanos, digits);
}

/* --- ISO texts --- */
static void put_civil(struct buf *out, int64_t days)
{
	int64_t year;
	unsigned month, day;
	bool bc;

	clock_civil_from_days(days, &year, &month, &day);
	bc = year < 1;
	if (bc)
		year = 1 - year;
	if (year > 9999)
		buf_i64(out, year);
	else
		put_padded(out, year, 4);
	buf_addc(out, '-');
	put_padded(out, month, 2);
	buf_addc(out, '-');
	put_padded(out, day, 2);
	if (bc)
		buf_lit(out, " (BC)");
}

static bool take_civil(struct str *s, int64_t *ret_days)
{
	const struct str bc = S_INIT(" (BC)");
	int64_t year, month, day;

	if (!take_digits(s, 4, YEAR_DIGITS, &year) || !take(s, '-') || !take_digits(s, 2, 2, &month) ||
	    !take(s, '-') || !take_digits(s, 2, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	if (str_starts(*s, bc)) {
		*s = str_tail(*s, bc.n);
		year = 1 - year;
	}
	*ret_days = clock_days_from_civil(year, (unsigned)month, (unsigned)day);
	return true;
}

static void put_clock(struct buf *out, int64_t seconds)
{
	put_padded(out, seconds / 3600, HOUR_DIGITS);
	buf_addc(out, ':');
	put_padded(out, seconds / 60 % 60, 2);
	buf_addc(out, ':');
	put_padded(out, seconds % 60, 2);
}

static bool take_clock_to(struct str *s, struct instant *ret, int *ret_digits)
{
	int64_t hour, minute, second;

	if (!take_digits(s, HOUR_DIGITS, HOUR_DIGITS, &hour) || !take(s, ':') || !take_digits(s, 2, 2, &minute) ||
	    !take(s, ':') || !take_digits(s, 2, 2, &second) || !take_places(s, &ret->nanos, ret_digits))
		return false;
	ret->seconds = hour * 3600 + minute * 60 + second;
	return hour <= 24 && minute < 60 && second < 60;
}

static bool take_clock(struct str *s, struct instant *ret)
{
	int digits;

	return take_clock_to(s, ret, &digits);
}

/* --- dates --- */
bool convert_days_to_date(struct str days, struct buf *out)
{
	int64_t v;

	if (is_infinity(days))
		return put_infinity(days, out);
	if (!str_to_i64(days, &v) || v > INT32_MAX || v < INT32_MIN)
		return false;
	put_civil(out, v);
	return true;
}

bool convert_date_to_days(struct str date, struct buf *out)
{
	int64_t days;

	if (is_infinity(date))
		return put_infinity(date, out);
	if (!take_civil(&date, &days) || date.n)
		return false;
	buf_i64(out, days);
	return true;
}

/* --- times of day: 24:00:00 is one --- */
bool convert_seconds_to_time(struct str seconds, int digits, struct buf *out)
{
	struct instant t;

	if (!read_seconds(seconds, &t) || t.seconds < 0 || t.seconds > DAY)
		return false;
	put_clock(out, t.seconds);
	put_fraction(out, t.nanos, digits);
	return true;
}

bool convert_time_to_seconds(struct str time, int digits, struct buf *out)
{
	struct instant t;

	if (!take_clock(&time, &t) || time.n)
		return false;
	put_seconds_to(out, t, digits);
	return true;
}

/* --- instants --- */
bool convert_epoch_to_iso(struct str epoch, int digits, struct buf *out)
{
	struct instant t;
	int64_t days, rest;

	if (is_infinity(epoch))
		return put_infinity(epoch, out);
	if (!read_seconds(epoch, &t))
		return false;
	days = t.seconds / DAY;
	rest = t.seconds % DAY;
	if (rest < 0) {
		rest += DAY;
		days--;
	}
	put_civil(out, days);
	buf_addc(out, 'T');
	put_clock(out, rest);
	put_fraction(out, t.nanos, digits);
	return true;
}

bool convert_iso_to_epoch(struct str iso, int digits, struct buf *out)
{
	struct instant t;
	int64_t days;

	if (is_infinity(iso))
		return put_infinity(iso, out);
	if (!take_civil(&iso, &days) || !take(&iso, 'T') || !take_clock(&iso, &t) || iso.n)
		return false;
	t.seconds += days * DAY;
	put_seconds_to(out, t, digits);
	return true;
}

/* --- instants with an offset: how many places the fraction has, tells the text --- */
static bool take_offset(struct str *s, int64_t *ret_minutes)
{
	bool negative = s->n && s->p[0] == '-';
	int64_t hours, minutes;

	if (!negative && (s->n == 0 || s->p[0] != '+'))
		return false;
	*s = str_tail(*s, 1);
	if (!take_digits(s, 2, 2, &hours) || !take(s, ':') || !take_digits(s, 2, 2, &minutes) || minutes > 59)
		return false;
	*ret_minutes = negative ? -(hours * 60 + minutes) : hours * 60 + minutes;
	return hours * 60 + minutes <= ZONE_ZERO;
}

static void put_offset(struct buf *out, int64_t minutes)
{
	int64_t size = minutes < 0 ? -minutes : minutes;

	buf_addc(out, minutes < 0 ? '-' : '+');
	put_padded(out, size / 60, 2);
	buf_addc(out, ':');
	put_padded(out, size % 60, 2);
}

static int places_of(struct str number)
{
	size_t point = str_find(number, '.');

	return point == number.n ? 0 : (int)(number.n - point - 1);
}

static int64_t day_of(int64_t seconds)
{
	return seconds / DAY - (seconds % DAY < 0);
}

bool convert_zoned_to_iso(struct str zoned, struct buf *out)
{
	struct str rest = zoned, epoch = str_cut(&rest, ' ');
	struct instant t;
	int64_t zone, days;

	if (is_infinity(zoned))
		return put_infinity(zoned, out);
	if (!read_seconds(epoch, &t) || !str_to_i64(rest, &zone) || zone < 0 || zone > 2 * ZONE_ZERO)
		return false;
	t.seconds += (zone - ZONE_ZERO) * 60;
	days = day_of(t.seconds);
	put_civil(out, days);
	buf_addc(out, 'T');
	put_clock(out, t.seconds - days * DAY);
	put_fraction(out, t.nanos, places_of(epoch));
	put_offset(out, zone - ZONE_ZERO);
	return true;
}

bool convert_iso_to_zoned(struct str iso, struct buf *out)
{
	int64_t days, zone;
	struct instant t;
	int digits;

	if (is_infinity(iso))
		return put_infinity(iso, out);
	if (!take_civil(&iso, &days) || !take(&iso, 'T') || !take_clock_to(&iso, &t, &digits) || !take_offset(&iso, &zone) || iso.n)
		return false;
	t.seconds += days * DAY - zone * 60;
	put_seconds_to(out, t, digits);
	buf_addc(out, ' ');
	buf_i64(out, zone + ZONE_ZERO);
	return true;
}
