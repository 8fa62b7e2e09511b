/* store.h - the door of store/: immutable objects and growing logs by key, and a local cache of objects.
 *
 * One ops table, one contract suite for every backend: a folder, and whatever Apache OpenDAL reaches. Keys are
 * paths of the form a/b/c (letters, digits, `_`, `-`, `.`, `=`, `$`; no part is empty,
 * `.` or `..` or longer than 255; where a backend has folders, a key that begins with another and `/` conflicts with it).
 * What a put, a drop or a synced append acknowledged survives a crash; a put
 * is seen whole or not at all. Threads: any. Everything blocks.
 */
#ifndef MAYFLY_STORE_H
#define MAYFLY_STORE_H

#include "base/base.h"

struct store;

enum { STORE_KEY_MAX = 1024, STORE_LIST_MAX = 1000 };
enum store_put {
	STORE_NEW,     /* ERR_CONFLICT when the key exists: of any number of racers one wins. After ERR_UNAVAILABLE it may exist */
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
	struct str location; /* URI of the root, without a slash at its end: "file:///srv/x", "s3://bucket/prefix" */
};

/* Makes the folder when it is missing; what torn puts left behind an hour ago or longer is removed: several servers may
 * have one folder. */
struct store *store_folder_open(struct call *c, struct str path) NODISCARD;

struct store_option {
	struct str name, value;
};
struct store_options {
	struct str scheme;                  /* OpenDAL's: "fs", "s3", "gcs", "azblob", … */
	struct str library;                 /* path of the binding; empty = beside the program, then PREFIX/lib/mayfly */
	bool opendal;                       /* take OpenDAL for "fs" as well */
	const struct store_option *options; /* OpenDAL's names: "root", "bucket", "endpoint", … */
	int noptions;
};
/* The folder for "fs", else OpenDAL. Checks with a probe that a put of STORE_NEW is refused when the key exists (ERR_UNAVAILABLE
 * where it is not, or where the binding or the store cannot be reached). Secrets are never in an error. Blocks. */
struct store *store_open(struct call *c, const struct store_options *o) NODISCARD;

bool store_key_valid(struct str key);
struct str store_tenant_prefix(struct arena *a, struct str tenant); /* of its keys: "tenants/<tenant>/", nothing for the default */

/* --- cache.c: immutable objects as local files: LRU by bytes, a folder a tenant that its worker may read --- */
struct store_cache;
struct store_held; /* a file that is not removed meanwhile */
struct store_cache_stats {
	int64_t bytes;
	uint64_t files, hits, misses, evicted;
};
/* `dir` is emptied of what an earlier process had on its way; whole files are kept. */
struct store_cache *store_cache_open(struct call *c, struct store *s, struct str dir, int64_t max_bytes) NODISCARD;
void store_cache_close(struct store_cache *k);
/* The object, which must have `size` bytes (ERR_STORAGE else), as a file: fetched once, however many ask at once. Blocks.
 * ERR_NOT_FOUND. ret_path is absolute and lives in the call's arena. */
bool store_cache_hold(struct call *c, struct store_cache *k, struct str tenant, struct str key, int64_t size, struct str *ret_path,
		      struct store_held **ret) NODISCARD;
void store_cache_release(struct store_held *h); /* NULL is fine; any thread, does not block */
/* Copies what fd holds into the store and into the cache, so that reading it needs no fetch. Blocks. */
bool store_cache_put(struct call *c, struct store_cache *k, struct str tenant, struct str key, int fd, int64_t size) NODISCARD;
struct store_cached {
	struct str tenant, key;
};
/* What is there now, by tenant and key, bytewise; in the call's arena. */
void store_cache_names(struct call *c, struct store_cache *k, struct store_cached **ret, size_t *ret_n);
void store_cache_forget(struct store_cache *k, struct str tenant, struct str prefix); /* of keys; what is held goes when it is released */
/* A new file in the tenant's folder for an upload on its way: written by the server, readable for the worker. */
bool store_cache_spool(struct call *c, struct store_cache *k, struct str tenant, int *ret_fd, struct str *ret_path) NODISCARD;
void store_cache_unspool(struct store_cache *k, struct str path);
void store_cache_stats(struct store_cache *k, struct store_cache_stats *ret);

#endif
