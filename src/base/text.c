/* text.c - decimal texts of integers. */
#include "base/text.h"

#include <string.h>

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
