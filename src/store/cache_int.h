/* cache_int.h - inside store/: the files of the cache, without its index. */
#ifndef MAYFLY_STORE_CACHE_INT_H
#define MAYFLY_STORE_CACHE_INT_H

#include "store/store_int.h"

/* cache_files.c. A tenant's folder has <id> (an object), <id>.key (its size and its key), <id>.part (on its way) and
 * <id>.spool (an upload). Only a name without an ending is a whole object. */
struct cache_file {
	struct id id;
	struct str tenant, key; /* in the call's arena */
	int64_t size, changed_ms;
};

/* The cache's folder and what is whole in it, oldest first, for free(); removes the rest. After a restart of the machine nothing is
 * kept: files are not synced, so they may be torn then. */
bool store_cache_scan(struct call *c, struct str dir, struct cache_file **ret, size_t *ret_n) NODISCARD;

/* A new file <id>.part, or <id>.spool; makes the tenant's folder. */
int store_cache_create(struct call *c, struct str dir, struct str tenant, const struct id *id, const char *ending);
/* Gives <id>.part its name: from then on it is whole. */
bool store_cache_name(struct call *c, struct str dir, const struct cache_file *f) NODISCARD;
void store_cache_unlink(struct str dir, struct str tenant, const struct id *id, const char *ending); /* absent is fine */
void store_cache_remove(struct str dir, struct str tenant, const struct id *id);                     /* a whole object */
/* Is the file there with this size? */
bool store_cache_intact(struct str dir, struct str tenant, const struct id *id, int64_t size);
/* All of `from`, which must have `size` bytes, to `to`. */
bool store_cache_copy(struct call *c, int from, int to, int64_t size) NODISCARD;

/* "dir/tenant/<id><ending>" */
struct str store_cache_path(struct arena *a, struct str dir, struct str tenant, const struct id *id, const char *ending);

#endif
