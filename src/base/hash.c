/* hash.c - digests and text encodings. */
#include "base/hash.h"

#include "base/id.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

static uint64_t seed;

static void make_seed(void)
{
	id_random(&seed, sizeof(seed));
	seed |= 1;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t r = (__uint128_t)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t load_up_to_8(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n < 8 ? n : 8);
	return v;
}

/* Multiply-and-fold over 16 bytes a step (the wyhash family), keyed. */
uint64_t hash_bytes(struct str s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t h;
	size_t i = 0;

	pthread_once(&once, make_seed);
	h = seed ^ (s.n * 0x9E3779B97F4A7C15ULL);
	for (; i + 16 <= s.n; i += 16)
		h = mix(load_up_to_8(s.p + i, 8) ^ 0xA0761D6478BD642FULL ^ seed,
			load_up_to_8(s.p + i + 8, 8) ^ h);
	if (i < s.n) {
		uint64_t a = load_up_to_8(s.p + i, s.n - i);
		uint64_t b = s.n - i > 8 ? load_up_to_8(s.p + i + 8, s.n - i - 8) : 0;

		h = mix(a ^ 0xE7037ED1A0B428DBULL ^ seed, b ^ h);
	}
	return mix(h ^ seed, 0x8EBC6AF09C88C6E3ULL);
}

static EVP_MD *sha256;

static void fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	INVARIANT(sha256);
}

void hash_sha256(struct str s, unsigned char ret[SHA256_LEN])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT; /* else OpenSSL looks it up each time */
	unsigned int n = SHA256_LEN;

	pthread_once(&once, fetch_sha256);
	INVARIANT(EVP_Digest(s.p, s.n, ret, &n, sha256, NULL) == 1);
}

void hash_sha256_hex(struct str s, char ret[SHA256_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[SHA256_LEN];

	hash_sha256(s, sum);
	for (int i = 0; i < SHA256_LEN; i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[SHA256_HEX] = '\0';
}

void hash_digest(enum hash_kind kind, struct str s, struct buf *out)
{
	static const char *const names[] = {"MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"};
	char *to = buf_room(out, EVP_MAX_MD_SIZE);
	size_t n = 0;

	if (!to)
		return;
	INVARIANT(EVP_Q_digest(NULL, names[kind], NULL, s.n ? s.p : "", s.n, (unsigned char *)to, &n) == 1);
	out->n += n;
}

void hash_hmac_sha256(struct str key, struct str s, unsigned char ret[SHA256_LEN])
{
	unsigned int n = SHA256_LEN;

	INVARIANT(HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)s.p, s.n, ret, &n));
}

bool hash_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void hash_hex(struct str bytes, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";
	char *to = buf_room(out, bytes.n * 2);

	if (!to)
		return;
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	out->n += bytes.n * 2;
}

bool hash_unhex(struct str text, struct buf *out)
{
	if (text.n % 2)
		return false;
	for (size_t i = 0; i < text.n; i += 2) {
		int hi = ascii_hex(text.p[i]), lo = ascii_hex(text.p[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		buf_addc(out, (char)(hi << 4 | lo));
	}
	return buf_ok(out);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode64(struct str in, const char *digits, bool pad, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)in.p;

	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0);

		buf_addc(out, digits[v >> 18]);
		buf_addc(out, digits[v >> 12 & 63]);
		if (left > 1)
			buf_addc(out, digits[v >> 6 & 63]);
		else if (pad)
			buf_addc(out, '=');
		if (left > 2)
			buf_addc(out, digits[v & 63]);
		else if (pad)
			buf_addc(out, '=');
	}
}

static int value64(char c, const char *digits)
{
	const char *hit = c ? strchr(digits, c) : NULL;

	return hit ? (int)(hit - digits) : -1;
}

static bool decode64(struct str in, const char *digits, struct buf *out)
{
	uint32_t v = 0;
	int bits = 0;

	if (in.n % 4 == 1)
		return false;
	for (size_t i = 0; i < in.n; i++) {
		int d = value64(in.p[i], digits);

		if (d < 0)
			return false;
		v = (v << 6 | (uint32_t)d) & 0xFFFFFF;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_addc(out, (char)(v >> bits & 0xFF));
		}
	}
	/* Bits that carry nothing must be zero: one text for one value. */
	return (v & ((1U << bits) - 1)) == 0 && buf_ok(out);
}

void hash_base64(struct str bytes, struct buf *out)
{
	encode64(bytes, alphabet, true, out);
}

void hash_base64url(struct str bytes, struct buf *out)
{
	encode64(bytes, alphabet_url, false, out);
}

bool hash_unbase64(struct str text, struct buf *out)
{
	if (text.n % 4)
		return false;
	if (text.n && text.p[text.n - 1] == '=')
		text.n--;
	if (text.n && text.p[text.n - 1] == '=')
		text.n--;
	return decode64(text, alphabet, out);
}

bool hash_unbase64url(struct str text, struct buf *out)
{
	return decode64(text, alphabet_url, out);
}
