/* hash.h - digests and text encodings.
 *
 * hash_bytes is for tables only: seeded per process, never stored. Digests
 * and HMAC are OpenSSL's.
 */
#ifndef MAYFLY_BASE_HASH_H
#define MAYFLY_BASE_HASH_H

#include "base/buf.h"

uint64_t hash_bytes(struct str s);

enum { SHA256_LEN = 32, SHA256_HEX = 2 * SHA256_LEN };
void hash_sha256(struct str s, unsigned char ret[SHA256_LEN]);
void hash_sha256_hex(struct str s, char ret[SHA256_HEX + 1]); /* lower case */
enum hash_kind { HASH_MD5, HASH_SHA1, HASH_SHA224, HASH_SHA256, HASH_SHA384, HASH_SHA512 };
void hash_digest(enum hash_kind kind, struct str s, struct buf *out); /* its bytes */
void hash_hmac_sha256(struct str key, struct str s, unsigned char ret[SHA256_LEN]);
bool hash_equal(const void *a, const void *b, size_t n); /* in constant time */

void hash_hex(struct str bytes, struct buf *out);        /* lower case */
bool hash_unhex(struct str text, struct buf *out) NODISCARD;
void hash_base64(struct str bytes, struct buf *out);     /* with padding */
bool hash_unbase64(struct str text, struct buf *out) NODISCARD;    /* padding required */
void hash_base64url(struct str bytes, struct buf *out);  /* without padding */
bool hash_unbase64url(struct str text, struct buf *out) NODISCARD; /* padding refused */

#endif
