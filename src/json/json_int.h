/* json_int.h - inside json/: finding the bytes of a string that are not plain.
 *
 * Eight bytes at a time; what is flagged first (lowest) is exact, later flags
 * of the same word may be false, so only the first is used.
 */
#ifndef MAYFLY_JSON_INT_H
#define MAYFLY_JSON_INT_H

#include "json/json.h"

#include <endian.h>

#define JSON_EACH_BYTE(c) (0x0101010101010101ULL * (c))

/* High bit of every byte that is a quote, a backslash or a control character. */
static inline uint64_t json_marks(uint64_t w)
{
	uint64_t quote = w ^ JSON_EACH_BYTE('"');
	uint64_t backslash = w ^ JSON_EACH_BYTE('\\');
	uint64_t found = (w - JSON_EACH_BYTE(0x20)) & ~w;

	found |= (quote - JSON_EACH_BYTE(1)) & ~quote;
	found |= (backslash - JSON_EACH_BYTE(1)) & ~backslash;
	return found & JSON_EACH_BYTE(0x80);
}

/* How many bytes from p on are neither marked nor flagged in `also`, a byte mask
 * (0x80: bytes over 0x7F as well; 0: none). */
static inline size_t json_plain(const char *p, const char *end, unsigned char also)
{
	const char *at = p;

	for (; end - at >= 8; at += 8) {
		uint64_t w, found;

		memcpy(&w, at, 8);
		w = le64toh(w);
		found = json_marks(w) | (w & JSON_EACH_BYTE(also));
		if (found)
			return (size_t)(at - p) + (size_t)(__builtin_ctzll(found) / 8);
	}
	for (; at < end; at++) {
		unsigned char c = (unsigned char)*at;

		if (c < 0x20 || c == '"' || c == '\\' || (c & also))
			break;
	}
	return (size_t)(at - p);
}

#endif
