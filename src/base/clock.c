/* clock.c - time, and the hand that tests turn. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t advanced_ms;

static int64_t read_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + atomic_load(&advanced_ms) * 1000000;
}

int64_t clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

void clock_advance(int64_t ms)
{
	atomic_fetch_add(&advanced_ms, ms);
}

/* Both conversions follow Howard Hinnant's public-domain derivation. */
int64_t clock_days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m + (m > 2 ? -3U : 9U)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + (int64_t)doe - 719468;
}

void clock_civil_from_days(int64_t z, int64_t *ret_y, unsigned *ret_m, unsigned *ret_d)
{
	int64_t era;
	unsigned doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = (unsigned)(z - era * 146097);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*ret_d = doy - (153 * mp + 2) / 5 + 1;
	*ret_m = mp < 10 ? mp + 3 : mp - 9;
	*ret_y = (int64_t)yoe + era * 400 + (*ret_m <= 2);
}

const char *clock_rfc3339(int64_t wall_ms, char ret[CLOCK_RFC3339_MAX])
{
	int64_t days = wall_ms / 86400000, in_day = wall_ms % 86400000, year;
	unsigned month, day;

	if (in_day < 0) {
		in_day += 86400000;
		days--;
	}
	clock_civil_from_days(days, &year, &month, &day);
	snprintf(ret, CLOCK_RFC3339_MAX, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
		 (int)(year % 10000), month, day, (int)(in_day / 3600000), (int)(in_day / 60000 % 60),
		 (int)(in_day / 1000 % 60), (int)(in_day % 1000));
	return ret;
}

static bool two_digits(const char *p, unsigned max, unsigned *ret)
{
	if (!ascii_digit(p[0]) || !ascii_digit(p[1]))
		return false;
	*ret = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
	return *ret <= max;
}

/* The part behind the seconds: ".123456" and then Z or ±hh:mm. */
static bool parse_fraction_and_zone(struct str s, int64_t *ret_ms)
{
	int64_t ms = 0, scale = 100;
	unsigned h, m;

	if (s.n && s.p[0] == '.') {
		s = str_tail(s, 1);
		if (!s.n || !ascii_digit(s.p[0]))
			return false;
		for (; s.n && ascii_digit(s.p[0]); s = str_tail(s, 1), scale /= 10)
			ms += scale * (s.p[0] - '0');
	}
	if (str_ieq(s, S("Z"))) {
		*ret_ms = ms;
		return true;
	}
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' ||
	    !two_digits(s.p + 1, 23, &h) || !two_digits(s.p + 4, 59, &m))
		return false;
	*ret_ms = ms + (s.p[0] == '-' ? 1 : -1) * (int64_t)(h * 60 + m) * 60000;
	return true;
}

/* Does the calendar have this day? */
static bool is_day(unsigned year, unsigned month, unsigned day)
{
	unsigned m, d;
	int64_t y;

	clock_civil_from_days(clock_days_from_civil(year, month, day), &y, &m, &d);
	return y == year && m == month && d == day;
}

bool clock_parse_rfc3339(struct str s, int64_t *ret_wall_ms)
{
	unsigned century, year, month, day, hour, minute, second;
	int64_t rest;

	if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != 't') ||
	    s.p[13] != ':' || s.p[16] != ':')
		return false;
	if (!two_digits(s.p, 99, &century) || !two_digits(s.p + 2, 99, &year) ||
	    !two_digits(s.p + 5, 12, &month) || !two_digits(s.p + 8, 31, &day) ||
	    !two_digits(s.p + 11, 23, &hour) || !two_digits(s.p + 14, 59, &minute) ||
	    !two_digits(s.p + 17, 60, &second) || month == 0 || day == 0)
		return false;
	if (!parse_fraction_and_zone(str_tail(s, 19), &rest))
		return false;
	if (!is_day(century * 100 + year, month, day))
		return false;
	*ret_wall_ms = clock_days_from_civil((int64_t)century * 100 + year, month, day) * 86400000 +
		       ((int64_t)hour * 3600 + minute * 60 + second) * 1000 + rest;
	return true;
}
