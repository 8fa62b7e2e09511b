/* map.h - an unordered map from bytes to a pointer.
 *
 * Open addressing with linear probing and a seed per process, so that keys
 * chosen by a client cannot pile up. Keys are borrowed: they must live as long
 * as their entry, usually inside the value. Not thread-safe; the owner locks.
 */
#ifndef MAYFLY_BASE_MAP_H
#define MAYFLY_BASE_MAP_H

#include "base/str.h"

struct map_slot {
	uint64_t hash; /* 0 = free */
	struct str key;
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t cap; /* a power of two, or 0 */
	size_t n;
};

void map_close(struct map *m);
void *map_get(const struct map *m, struct str key);             /* NULL when absent */
void *map_put(struct map *m, struct str key, void *value);      /* returns the value it replaced */
void *map_del(struct map *m, struct str key);                   /* returns the value it removed */

/* Walks in no order: for (size_t i = 0; map_next(&m, &i, &slot);) — nothing may
 * be put or deleted meanwhile. */
bool map_next(const struct map *m, size_t *i, struct map_slot *ret);

#endif
