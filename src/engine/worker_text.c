/* worker_text.c - texts of single values, written where there is room for TEXT_ROOM bytes.
 *
 * Pure functions, any thread. They are called once a cell: no buffer is asked,
 * no format string read.
 */
#include "engine/worker.h"

static const char digit_pairs[201] = "0001020304050607080910111213141516171819"
				     "2021222324252627282930313233343536373839"
				     "4041424344454647484950515253545556575859"
				     "6061626364656667686970717273747576777879"
				     "8081828384858687888990919293949596979899";

static int digits_of(uint64_t v)
{
	static const uint64_t power[] = {0, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
		10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
		10000000000000000, 100000000000000000, 1000000000000000000, 10000000000000000000U};
	int guess = (64 - __builtin_clzll(v | 1)) * 1233 >> 12; /* log10(2) */

	return guess + (v >= power[guess] || guess == 0);
}

char *text_padded(char *to, uint64_t v, int width)
{
	char *at = to + width;

	while (at - to >= 2) {
		at -= 2;
		memcpy(at, digit_pairs + (v % 100) * 2, 2);
		v /= 100;
	}
	if (at > to)
		*to = (char)('0' + v % 10);
	return to + width;
}

char *text_u64(char *to, uint64_t v)
{
	return text_padded(to, v, digits_of(v));
}

char *text_i64(char *to, int64_t v)
{
	if (v >= 0)
		return text_u64(to, (uint64_t)v);
	*to++ = '-';
	return text_u64(to, 0 - (uint64_t)v);
}

char *text_u128(char *to, unsigned __int128 v)
{
	const uint64_t cut = 10000000000000000000U; /* 10^19 */

	if (v <= UINT64_MAX)
		return text_u64(to, (uint64_t)v);
	to = text_u128(to, v / cut);
	return text_padded(to, (uint64_t)(v % cut), 19);
}

char *text_decimal(char *to, __int128 v, int scale)
{
	unsigned __int128 size = v < 0 ? 0 - (unsigned __int128)v : (unsigned __int128)v;
	char digits[48], *from = digits, *end;

	if (v < 0)
		*to++ = '-';
	end = text_u128(digits, size);
	if (end - digits <= scale) { /* 0.00… */
		*to++ = '0';
	} else {
		size_t whole = (size_t)(end - digits - scale);

		memcpy(to, digits, whole);
		to += whole;
		from += whole;
	}
	if (scale == 0)
		return to;
	*to++ = '.';
	for (long zeros = scale - (end - from); zeros > 0; zeros--)
		*to++ = '0';
	memcpy(to, from, (size_t)(end - from));
	return to + (end - from);
}

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
	to = text_padded(to, seconds / 3600, seconds >= 360000 ? digits_of(seconds / 3600) : 2);
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

/* --- JSON strings: what comes is UTF-8, DuckDB checked it --- */
static bool eight_plain(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
	uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
	uint64_t low = (w - ones * 0x20) & ~w; /* a control byte */

	return ((low | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & tops) == 0;
}

static char *escape_byte(char *to, char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_form[128] = {
		['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	unsigned char u = (unsigned char)c;

	if (u < 128 && short_form[u]) {
		*to++ = '\\';
		*to++ = short_form[u];
	} else if (u < 0x20) {
		memcpy(to, "\\u00", 4);
		to[4] = hex[u >> 4];
		to[5] = hex[u & 15];
		to += 6;
	} else {
		*to++ = c;
	}
	return to;
}

static char *escape(char *to, const char *p, const char *end)
{
	for (; end - p >= 8; p += 8) {
		uint64_t eight;

		memcpy(&eight, p, 8);
		if (eight_plain(eight)) {
			memcpy(to, p, 8);
			to += 8;
			continue;
		}
		for (int i = 0; i < 8; i++)
			to = escape_byte(to, p[i]);
	}
	while (p < end)
		to = escape_byte(to, *p++);
	return to;
}

static void put_escaped(struct buf *b, struct str s)
{
	enum { PIECE = 4096, WORST = 6 };

	while (s.n) {
		struct str piece = str_head(s, PIECE);
		char *to = buf_room(b, piece.n * WORST);

		if (!to)
			return;
		b->n = (size_t)(escape(to, piece.p, piece.p + piece.n) - b->p);
		s = str_tail(s, piece.n);
	}
}

void put_quoted(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	put_escaped(b, s);
	buf_addc(b, '"');
}
