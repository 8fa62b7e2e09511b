/* real.c - the shortest decimal text that reads back as the same number.
 *
 * Exact, in 128-bit integers: v = m·2^e, and every decimal between the middles
 * to its neighbours reads back as v. Scaled by a power of ten so that v has
 * 17 or 18 digits, the interval holds an integer; digits are dropped as long
 * as it holds one that is ten times shorter. Sizes outside LEAST..MOST, where
 * the scaling would not fit or an exponent is better reading, go the slow way.
 */
#include "base/text.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef unsigned __int128 u128;

static const double LEAST = 1e-4;
static const double MOST = 9007199254740992.0, MOST_FLOAT = 16777216.0; /* e <= 0 below them */

static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
	100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000,
	100000000000000000, 1000000000000000000, 10000000000000000000U};

static u128 power_of_ten(int n)
{
	return n <= 19 ? (u128)tens[n] : (u128)tens[19] * tens[n - 19];
}

struct decimal { /* digits · 10^-places */
	uint64_t digits;
	int places;
};

/* Is there a multiple of `by` in [a, b]? Then counts in those. */
static inline int drop(uint64_t *a, uint64_t *b, uint64_t by)
{
	uint64_t low = (*a + by - 1) / by, high = *b / by;

	if (low > high)
		return 0;
	*a = low;
	*b = high;
	return 1;
}

/* v = m · 2^e with e <= 0 and `bits` bits in m. */
static struct decimal shortest(uint64_t m, int e, int bits)
{
	int places = 16 - ((e + bits - 1) * 1233 >> 12), shift = 2 - e, dropped;
	bool even = m % 2 == 0, lowest = m == 1ULL << (bits - 1); /* the neighbour below is nearer */
	u128 scale = power_of_ten(places), part = ((u128)1 << shift) - 1;
	u128 low = (4 * m - (lowest ? 1 : 2)) * scale, high = (4 * m + 2) * scale, exact = 4 * m * scale;
	uint64_t a = (uint64_t)(low >> shift) + ((low & part) != 0 || !even);
	uint64_t b = (uint64_t)(high >> shift) - ((high & part) == 0 && !even);
	u128 below = exact & part, middle = (u128)1 << (shift - 1);
	uint64_t whole, rest, half, digits;

	dropped = 8 * drop(&a, &b, 100000000) + 8 * drop(&a, &b, 100000000);
	dropped += 4 * drop(&a, &b, 10000) + 2 * drop(&a, &b, 100) + drop(&a, &b, 10);
	/* Of those in [a, b] the nearest to the exact value; of two the even one. */
	whole = (uint64_t)(exact >> shift);
	rest = whole % tens[dropped];
	half = dropped ? tens[dropped] / 2 : 0;
	digits = whole / tens[dropped];
	if (dropped ? rest > half || (rest == half && (below || digits % 2)) : below > middle || (below == middle && digits % 2))
		digits++;
	digits = digits < a ? a : digits > b ? b : digits;
	return (struct decimal){digits, places - dropped};
}

static char *put_decimal(char *to, struct decimal d)
{
	if (d.places < 0)
		return text_u64(to, d.digits * tens[-d.places]);
	return text_decimal(to, (__int128)d.digits, d.places);
}

/* Prices and the like: digits and power are exact, so their quotient is rounded as reading would. */
static char *put_few_places(char *to, double size)
{
	for (int places = 0; places <= 4 && size < 1e9; places++) {
		double power = (double)tens[places];
		uint64_t digits = (uint64_t)(size * power + 0.5);

		if ((double)digits / power == size)
			return text_decimal(to, (__int128)digits, places);
	}
	return NULL;
}

char *text_double(char *to, double v)
{
	char *end;
	uint64_t bits;
	double size = fabs(v);

	if (!(size >= LEAST && size < MOST))
		return NULL;
	if (v < 0)
		*to++ = '-';
	end = put_few_places(to, size);
	if (end)
		return end;
	memcpy(&bits, &size, sizeof(bits));
	return put_decimal(to, shortest((bits & ((1ULL << 52) - 1)) | 1ULL << 52, (int)(bits >> 52) - 1075, 53));
}

char *text_float(char *to, float v)
{
	uint32_t bits;
	float size = fabsf(v);

	if (!((double)size >= LEAST && (double)size < MOST_FLOAT))
		return NULL;
	if (v < 0)
		*to++ = '-';
	memcpy(&bits, &size, sizeof(bits));
	return put_decimal(to, shortest((bits & ((1U << 23) - 1)) | 1U << 23, (int)(bits >> 23) - 150, 24));
}
