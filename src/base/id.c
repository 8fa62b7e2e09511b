/* id.c - UUIDs from the kernel's randomness.
 *
 * The pool of random bytes is per thread: the one place where a thread-local
 * is worth it, since no state of a call lives in it.
 */
#include "base/id.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <sys/random.h>

static void fill(unsigned char *to, size_t n)
{
	while (n) {
		ssize_t got = getrandom(to, n, 0);

		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
}

void id_random(void *to, size_t n)
{
	static _Thread_local unsigned char pool[4096];
	static _Thread_local size_t left;

	if (n > sizeof(pool) / 4) {
		fill(to, n);
		return;
	}
	if (left < n) {
		fill(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= n;
	memcpy(to, pool + left, n);
	memset(pool + left, 0, n); /* handed out once */
}

static void format(const unsigned char b[16], char to[ID_LEN])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			to[at++] = '-';
		to[at++] = hex[b[i] >> 4];
		to[at++] = hex[b[i] & 15];
	}
}

static struct id finish(unsigned char b[16], unsigned version)
{
	struct id id = {{0}};

	b[6] = (unsigned char)((b[6] & 0x0F) | (version << 4));
	b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
	format(b, id.text);
	return id;
}

struct id id_v4(void)
{
	unsigned char b[16];

	id_random(b, sizeof(b));
	return finish(b, 4);
}

void id_v4_text(char to[ID_LEN])
{
	unsigned char b[16];

	id_random(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
	format(b, to);
}

/* The last stamp given out never goes back, so that text order stays time
 * order when the wall clock is set back. */
static int64_t ordered_ms(void)
{
	static _Atomic int64_t last;
	int64_t now = clock_wall_ms();
	int64_t seen = atomic_load(&last);

	while (seen < now && !atomic_compare_exchange_weak(&last, &seen, now))
		;
	return seen < now ? now : seen;
}

struct id id_v7(void)
{
	unsigned char b[16];
	uint64_t ms = (uint64_t)ordered_ms();

	id_random(b, sizeof(b));
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(ms >> (40 - 8 * i));
	return finish(b, 7);
}

/* The stamp is in 64ths of a millisecond, and no two are the same. */
enum { STAMP_BITS = 54, STAMPS_PER_MS = 64 };

static uint64_t next_stamp(void)
{
	static _Atomic uint64_t last;
	uint64_t now = (uint64_t)clock_wall_ms() * STAMPS_PER_MS, seen = atomic_load(&last), next;

	do
		next = now > seen ? now : seen + 1;
	while (!atomic_compare_exchange_weak(&last, &seen, next));
	return next;
}

struct id id_ordered(void)
{
	struct id id = {{0}};
	unsigned char b[16];
	uint64_t stamp = next_stamp() << (64 - STAMP_BITS);

	id_random(b, sizeof(b));
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(stamp >> (56 - 8 * i));
	b[6] = (unsigned char)((stamp >> 8 & 0xFC) | (b[6] & 0x03));
	format(b, id.text);
	return id;
}

bool id_valid(struct str s)
{
	if (s.n != ID_LEN)
		return false;
	for (size_t i = 0; i < ID_LEN; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		char c = ascii_lower(s.p[i]);

		if (hyphen ? c != '-' : !(ascii_digit(c) || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}
