/* bytes.c - Snowflake's encodings and digests of texts and bytes, and its chance: RANDOM, UNIFORM, RANDSTR, UUIDs.
 *
 * Chance comes from base/id.h. UNIFORM, NORMAL and RANDSTR make their value of the number they are given.
 */
#include "engine/functions/functions.h"

#include <math.h>

/* --- encodings --- */
static void hex_encode(struct sf_row *r)
{
	bool upper = r->nargs < 2 || sf_int(r, 1) != 0;

	hash_hex(sf_text(r, 0), &r->text);
	for (size_t i = 0; upper && i < r->text.n; i++)
		r->text.p[i] = ascii_upper(r->text.p[i]);
	sf_put_text(r, buf_str(&r->text));
}

static bool unhex(struct sf_row *r, struct str s)
{
	if (hash_unhex(s, &r->text))
		return true;
	sf_fails(r, "100115/22000", "The following string is not a legal hex-encoded value: '%.*s'", SARG(str_head(s, 200)));
	return false;
}

static void put_as_text(struct sf_row *r)
{
	if (str_is_utf8(buf_str(&r->text)))
		sf_put_text(r, buf_str(&r->text));
	else
		sf_fails(r, SF_BAD_VALUE, "Invalid UTF-8 in a decoded string");
}

static void hex_decode_text(struct sf_row *r)
{
	if (unhex(r, sf_text(r, 0)))
		put_as_text(r);
}

static void hex_decode(struct sf_row *r)
{
	if (unhex(r, sf_text(r, 0)))
		sf_put_text(r, buf_str(&r->text));
}

/* (bytes[, line length, 0 = none[, alphabet: what stands for + / =]]) */
static void base64_encode(struct sf_row *r)
{
	int64_t line = r->nargs > 1 ? sf_int(r, 1) : 0;
	struct str other = r->nargs > 2 ? sf_text(r, 2) : (struct str){NULL, 0};

	hash_base64(sf_text(r, 0), &r->text);
	for (size_t i = 0; i < r->text.n; i++) {
		char c = r->text.p[i];
		size_t k = c == '+' ? 0 : c == '/' ? 1 : c == '=' ? 2 : 3;

		if (line > 0 && i > 0 && (int64_t)i % line == 0)
			buf_addc(&r->more, '\n');
		buf_addc(&r->more, k < 3 && k < other.n ? other.p[k] : c);
	}
	sf_put_text(r, buf_str(&r->more));
}

static bool unbase64(struct sf_row *r)
{
	struct str s = sf_text(r, 0), other = r->nargs > 1 ? sf_text(r, 1) : (struct str){NULL, 0};

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		for (size_t k = 0; k < other.n && k < 3; k++)
			if (c == other.p[k])
				c = "+/="[k];
		if (c != '\n' && c != '\r')
			buf_addc(&r->more, c);
	}
	while (r->more.n % 4)
		buf_addc(&r->more, '=');
	if (hash_unbase64(buf_str(&r->more), &r->text))
		return true;
	sf_fails(r, "100116/22000", "The following string is not a legal base64-encoded value: '%.*s'", SARG(str_head(s, 200)));
	return false;
}

static void base64_decode_text(struct sf_row *r)
{
	if (unbase64(r))
		put_as_text(r);
}

static void base64_decode(struct sf_row *r)
{
	if (unbase64(r))
		sf_put_text(r, buf_str(&r->text));
}

static void to_binary(struct sf_row *r)
{
	struct str format = r->nargs > 1 ? sf_text(r, 1) : S("hex");

	if (r->args[0].type == DUCKDB_TYPE_BLOB || str_ieq(format, S("utf-8")) || str_ieq(format, S("utf8"))) {
		sf_put_text(r, sf_text(r, 0));
	} else if (str_ieq(format, S("base64"))) {
		r->nargs = 1;
		base64_decode(r);
		r->nargs = 2;
	} else if (str_ieq(format, S("hex"))) {
		hex_decode(r);
	} else {
		sf_fails(r, SF_BAD_VALUE, "Invalid value for the format of a binary: '%.*s'", SARG(str_head(format, 100)));
	}
}

/* --- digests --- */
static void put_digest(struct sf_row *r, enum hash_kind kind, bool hex)
{
	hash_digest(kind, sf_text(r, 0), &r->more);
	if (hex)
		hash_hex(buf_str(&r->more), &r->text);
	sf_put_text(r, buf_str(hex ? &r->text : &r->more));
}

static bool sha2_kind(struct sf_row *r, enum hash_kind *ret)
{
	int64_t bits = r->nargs > 1 ? sf_int(r, 1) : 256;

	switch (bits) {
	case 224:
		*ret = HASH_SHA224;
		return true;
	case 0:
	case 256:
		*ret = HASH_SHA256;
		return true;
	case 384:
		*ret = HASH_SHA384;
		return true;
	case 512:
		*ret = HASH_SHA512;
		return true;
	default:
		sf_fails(r, SF_BAD_VALUE, "Invalid value [%lld] for the digest size of SHA2: 224, 256, 384 or 512",
			 (long long)bits);
		return false;
	}
}

static void sha2_hex(struct sf_row *r)
{
	enum hash_kind kind;

	if (sha2_kind(r, &kind))
		put_digest(r, kind, true);
}

static void sha2_bytes(struct sf_row *r)
{
	enum hash_kind kind;

	if (sha2_kind(r, &kind))
		put_digest(r, kind, false);
}

static void sha1_hex(struct sf_row *r)
{
	put_digest(r, HASH_SHA1, true);
}

static void sha1_bytes(struct sf_row *r)
{
	put_digest(r, HASH_SHA1, false);
}

static void md5_hex(struct sf_row *r)
{
	put_digest(r, HASH_MD5, true);
}

static void md5_bytes(struct sf_row *r)
{
	put_digest(r, HASH_MD5, false);
}

static void md5_number(struct sf_row *r, size_t at)
{
	uint64_t v = 0;

	hash_digest(HASH_MD5, sf_text(r, 0), &r->more);
	for (size_t i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)r->more.p[at + i];
	sf_put_number(r, (__int128)v);
}

static void md5_upper(struct sf_row *r)
{
	md5_number(r, 0);
}

static void md5_lower(struct sf_row *r)
{
	md5_number(r, 8);
}

/* --- UUIDs --- */
static void uuid_random(struct sf_row *r)
{
	char text[ID_LEN];

	id_v4_text(text);
	sf_put_text(r, str_from(text, ID_LEN));
}

/* Of a name in a name space (RFC 9562, version 5). */
static void uuid_named(struct sf_row *r)
{
	struct str space = sf_text(r, 0), name = sf_text(r, 1);
	unsigned char bytes[16];
	OWNS(buf) hex = {0};
	char text[ID_LEN];

	for (size_t i = 0; i < space.n; i++)
		if (space.p[i] != '-')
			buf_addc(&r->text, space.p[i]);
	if (r->text.n != 32 || !hash_unhex(buf_str(&r->text), &r->more)) {
		sf_fails(r, SF_BAD_VALUE, "Invalid UUID: '%.*s'", SARG(str_head(space, 100)));
		return;
	}
	buf_add(&r->more, name);
	buf_clear(&r->text);
	hash_digest(HASH_SHA1, buf_str(&r->more), &r->text);
	memcpy(bytes, r->text.p, sizeof(bytes));
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x50);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	hash_hex(str_from((const char *)bytes, sizeof(bytes)), &hex);
	for (size_t i = 0, k = 0; i < ID_LEN; i++)
		text[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-' : hex.p[k++];
	sf_put_text(r, str_from(text, ID_LEN));
}

/* --- chance --- */
static void random_number(struct sf_row *r)
{
	int64_t v;

	id_random(&v, sizeof(v));
	sf_put_int(r, v);
}

/* splitmix64: neighbouring seeds are far apart. */
static uint64_t mixed(uint64_t v)
{
	v += 0x9e3779b97f4a7c15u;
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
	return v ^ (v >> 31);
}

static double fraction(uint64_t v)
{
	return (double)(v >> 11) * 0x1p-53;
}

static void uniform_whole(struct sf_row *r)
{
	int64_t low = sf_int(r, 0), high = sf_int(r, 1);
	uint64_t span = (uint64_t)high - (uint64_t)low, v = mixed((uint64_t)sf_int(r, 2));

	if (span != UINT64_MAX)
		v = (uint64_t)(((unsigned __int128)v * (span + 1)) >> 64);
	if (high < low)
		sf_fails(r, SF_BAD_VALUE, "UNIFORM: the minimum is above the maximum");
	else
		sf_put_int(r, (int64_t)((uint64_t)low + v));
}

static void uniform_real(struct sf_row *r)
{
	double low = sf_double(r, 0), high = sf_double(r, 1);

	sf_put_double(r, low + (high - low) * fraction(mixed((uint64_t)sf_int(r, 2))));
}

static void normal(struct sf_row *r)
{
	uint64_t v = mixed((uint64_t)sf_int(r, 2));
	double radius = sqrt(-2 * log(1 - fraction(v)));

	sf_put_double(r, sf_double(r, 0) + sf_double(r, 1) * radius * cos(2 * M_PI * fraction(mixed(v))));
}

static void random_text(struct sf_row *r)
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	int64_t n = sf_int(r, 0);
	uint64_t v = (uint64_t)sf_int(r, 1);

	if (n > SF_TEXT_MAX) {
		sf_fails(r, SF_BAD_VALUE, "RANDSTR: a text of %lld characters is too long", (long long)n);
		return;
	}
	for (int64_t i = 0; i < n; i++) {
		v = mixed(v);
		buf_addc(&r->text, letters[(size_t)(fraction(v) * 62)]);
	}
	sf_put_text(r, buf_str(&r->text));
}

#define BYTES(name, result, fn) {name, "V>" result, fn, 0}, {name, "X>" result, fn, 0}
#define SIZED(name, result, fn) BYTES(name, result, fn), {name, "VI>" result, fn, 0}, {name, "XI>" result, fn, 0}

static const struct sf_function functions[] = {
	SIZED("SF_HEX_ENCODE", "V", hex_encode),
	{"SF_HEX_DECODE_STRING", "V>V", hex_decode_text, 0},
	{"SF_TRY_HEX_DECODE_STRING", "V>V", hex_decode_text, SF_TRY},
	{"SF_HEX_DECODE_BINARY", "V>X", hex_decode, 0},
	{"SF_TRY_HEX_DECODE_BINARY", "V>X", hex_decode, SF_TRY},
	SIZED("SF_BASE64_ENCODE", "V", base64_encode),
	{"SF_BASE64_ENCODE", "VIV>V", base64_encode, 0},
	{"SF_BASE64_ENCODE", "XIV>V", base64_encode, 0},
	{"SF_BASE64_DECODE_STRING", "V>V", base64_decode_text, 0},
	{"SF_BASE64_DECODE_STRING", "VV>V", base64_decode_text, 0},
	{"SF_TRY_BASE64_DECODE_STRING", "V>V", base64_decode_text, SF_TRY},
	{"SF_TRY_BASE64_DECODE_STRING", "VV>V", base64_decode_text, SF_TRY},
	{"SF_BASE64_DECODE_BINARY", "V>X", base64_decode, 0},
	{"SF_BASE64_DECODE_BINARY", "VV>X", base64_decode, 0},
	{"SF_TRY_BASE64_DECODE_BINARY", "V>X", base64_decode, SF_TRY},
	{"SF_TRY_BASE64_DECODE_BINARY", "VV>X", base64_decode, SF_TRY},
	BYTES("SF_TO_BINARY", "X", to_binary),
	{"SF_TO_BINARY", "VV>X", to_binary, 0},
	{"SF_TRY_TO_BINARY", "V>X", to_binary, SF_TRY},
	{"SF_TRY_TO_BINARY", "VV>X", to_binary, SF_TRY},
	SIZED("SF_SHA2", "V", sha2_hex),
	SIZED("SF_SHA2_BINARY", "X", sha2_bytes),
	BYTES("SF_SHA1", "V", sha1_hex),
	BYTES("SF_SHA1_BINARY", "X", sha1_bytes),
	BYTES("SF_MD5", "V", md5_hex),
	BYTES("SF_MD5_BINARY", "X", md5_bytes),
	BYTES("SF_MD5_UPPER", "N", md5_upper),
	BYTES("SF_MD5_LOWER", "N", md5_lower),
	{"SF_UUID", ">V", uuid_random, SF_VOLATILE},
	{"SF_UUID", "VV>V", uuid_named, 0},
	{"SF_RANDOM", ">I", random_number, SF_VOLATILE},
	{"SF_RANDOM", "I>I", random_number, SF_VOLATILE},
	{"SF_UNIFORM", "III>I", uniform_whole, 0},
	{"SF_UNIFORM", "DDI>D", uniform_real, 0},
	{"SF_NORMAL", "DDI>D", normal, 0},
	{"SF_RANDSTR", "II>V", random_text, 0},
};

bool sf_bytes_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
