/* id.h - unguessable ids and the only source of randomness.
 *
 * Bytes come from getrandom(2), fetched in blocks per thread, so an id costs
 * tens of nanoseconds. Both forms are 36 characters of lower-case hex in
 * groups 8-4-4-4-12 (RFC 9562).
 */
#ifndef MAYFLY_BASE_ID_H
#define MAYFLY_BASE_ID_H

#include "base/str.h"

enum { ID_LEN = 36 };

struct id {
	char text[ID_LEN + 1];
};

void id_random(void *to, size_t n);
struct id id_v4(void); /* 122 random bits */
struct id id_v7(void); /* ordered by time within a process, 74 random bits */
struct id id_ordered(void); /* each after the one before, within a process; 74 random bits; no UUID of any version */
void id_v4_text(char to[ID_LEN]); /* the same without terminator, into place */
bool id_valid(struct str s); /* shape only: 36 characters, hex and hyphens in place */

static inline struct str id_str(const struct id *id)
{
	return (struct str){id->text, ID_LEN};
}

#endif
