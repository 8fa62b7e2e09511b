/* store.h - the door of store/: immutable objects and growing logs by key.
 *
 * One ops table, one contract suite for every backend. Here: a folder. Keys are
 * paths of the form a/b/c (letters, digits, `_`, `-`, `.`, `=`, `$`; no part is empty,
 * `.` or `..` or longer than 255; a key that begins with another and `/` conflicts with it).
 * What a put, a drop or a synced append acknowledged survives a crash; a put
 * is seen whole or not at all. Threads: any. Everything blocks.
 */
#ifndef MAYFLY_STORE_H
#define MAYFLY_STORE_H

#include "base/base.h"

struct store;

enum { STORE_KEY_MAX = 1024, STORE_LIST_MAX = 1000 };
enum store_put {
	STORE_NEW,     /* ERR_CONFLICT when the key exists: of any number of racers one wins */
	STORE_REPLACE, /* whatever was there */
};
struct store_entry {
	struct str key;
	int64_t size;      /* bytes */
	int64_t changed_ms; /* wall */
};

struct store_ops {
	const char *name;
	bool (*put)(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how);
	/* At most `max` bytes from `offset` are added to ret; fewer at the end. ERR_NOT_FOUND. */
	bool (*get)(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret);
	/* Keys that begin with `prefix` and are greater than `after`, bytewise in order, at most
	 * STORE_LIST_MAX; in the call's arena. */
	bool (*list)(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret, size_t *ret_n);
	bool (*drop)(struct call *c, struct store *s, struct str key); /* absent is fine */
	/* Adds at `offset`, which must be the object's size (0 makes it): ERR_CONFLICT else. With `sync` it
	 * is durable on return. A torn append may leave part of `bytes`. NULL where a backend has no appends. */
	bool (*append)(struct call *c, struct store *s, struct str key, int64_t offset, struct str bytes, bool sync);
	/* Cuts an object made by appends back to `size`, durably. NULL with append. */
	bool (*cut)(struct call *c, struct store *s, struct str key, int64_t size);
	void (*close)(struct store *s);
};
struct store {
	const struct store_ops *ops;
};

/* Makes the folder when it is missing; what torn puts left behind is removed. */
struct store *store_folder_open(struct call *c, struct str path) NODISCARD;

bool store_key_valid(struct str key);

#endif
