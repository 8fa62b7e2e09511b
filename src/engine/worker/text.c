/* text.c - texts of single values, written where there is room for TEXT_ROOM bytes.
 *
 * Pure functions, any thread. They are called once a cell: no buffer is asked,
 * no format string read.
 */
#include "engine/worker/worker.h"

/* A year before 1 is written as DuckDB does: "0001-01-01 (BC)" is the year 0. */
static char *text_civil(char *to, int64_t days, bool *ret_bc)
{
	int64_t year;
	unsigned month, day;

	clock_civil_from_days(days, &year, &month, &day);
	*ret_bc = year <= 0;
	if (*ret_bc)
		year = 1 - year;
	to = year > 9999 ? text_u64(to, (uint64_t)year) : text_padded(to, (uint64_t)year, 4);
	*to++ = '-';
	to = text_padded(to, month, 2);
	*to++ = '-';
	return text_padded(to, day, 2);
}

static char *text_bc(char *to, bool bc)
{
	memcpy(to, " (BC)", 5);
	return bc ? to + 5 : to;
}

static char *text_infinity(char *to, bool negative)
{
	memcpy(to, negative ? "-infinity" : "infinity", negative ? 9 : 8);
	return to + (negative ? 9 : 8);
}

char *text_date(char *to, int32_t days)
{
	bool bc;

	if (days == INT32_MAX || days == -INT32_MAX)
		return text_infinity(to, days < 0);
	to = text_civil(to, days, &bc);
	return text_bc(to, bc);
}

static char *text_clock(char *to, uint64_t seconds)
{
	to = seconds >= 360000 ? text_u64(to, seconds / 3600) : text_padded(to, seconds / 3600, 2);
	*to++ = ':';
	to = text_padded(to, seconds / 60 % 60, 2);
	*to++ = ':';
	return text_padded(to, seconds % 60, 2);
}

static char *text_fraction(char *to, uint64_t fraction, int digits)
{
	if (digits == 0)
		return to;
	*to++ = '.';
	return text_padded(to, fraction, digits);
}

char *text_time(char *to, int64_t micros)
{
	to = text_clock(to, (uint64_t)micros / 1000000);
	return text_fraction(to, (uint64_t)micros % 1000000, 6);
}

char *text_seconds(char *to, __int128 nanos)
{
	unsigned __int128 size = nanos < 0 ? 0 - (unsigned __int128)nanos : (unsigned __int128)nanos;

	if (nanos < 0)
		*to++ = '-';
	to = text_u128(to, size / 1000000000);
	return text_fraction(to, (uint64_t)(size % 1000000000), 9);
}

char *text_timestamp(char *to, int64_t seconds, int64_t fraction, int digits, char between)
{
	int64_t days = seconds / 86400, rest = seconds % 86400;
	bool bc;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	to = text_civil(to, days, &bc);
	to = text_bc(to, bc);
	*to++ = between;
	to = text_clock(to, (uint64_t)rest);
	return text_fraction(to, (uint64_t)fraction, digits);
}

static char *text_count(char *to, const char *start, int64_t v, const char *unit)
{
	size_t n = strlen(unit);

	if (v == 0)
		return to;
	if (to != start)
		*to++ = ' ';
	to = text_i64(to, v);
	*to++ = ' ';
	memcpy(to, unit, n);
	to += n;
	if (v != 1 && v != -1)
		*to++ = 's';
	return to;
}

char *text_interval(char *to, duckdb_interval v)
{
	const char *start = to;
	uint64_t micros = v.micros < 0 ? 0 - (uint64_t)v.micros : (uint64_t)v.micros, fraction = micros % 1000000;
	int digits = 6;

	to = text_count(to, start, v.months / 12, "year");
	to = text_count(to, start, v.months % 12, "month");
	to = text_count(to, start, v.days, "day");
	if (micros == 0 && to != start)
		return to;
	if (to != start)
		*to++ = ' ';
	if (v.micros < 0)
		*to++ = '-';
	to = text_clock(to, micros / 1000000);
	for (; digits > 0 && fraction % 10 == 0; digits--)
		fraction /= 10;
	return text_fraction(to, fraction, digits);
}

char *text_uuid(char *to, duckdb_hugeint v)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t halves[2] = {(uint64_t)v.upper ^ (1ULL << 63), v.lower}; /* DuckDB flips the sign to sort */

	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*to++ = '-';
		*to++ = hex[halves[i / 16] >> (60 - i % 16 * 4) & 15];
	}
	return to;
}
