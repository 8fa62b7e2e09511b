/* kv.h - the door of kv/: small records with a time to live and compare-and-set.
 *
 * One ops table, one contract suite for every backend: memory (gone with the
 * process) and a file (one append-only log, one writer, compacted). A record's
 * version grows with every change of its key; a record past its time is absent.
 * Threads: any. With the file backend put and drop block until they are durable.
 */
#ifndef MAYFLY_KV_H
#define MAYFLY_KV_H

#include "base/base.h"
#include "kv/redis.h"

struct kv;

struct kv_record {
	struct str value;      /* in the call's arena */
	uint64_t version;
	int64_t expires_ms;    /* clock_wall_ms(); 0 = never */
};

/* What the key must be for a put or a drop to happen. */
#define KV_ANY UINT64_MAX
#define KV_ABSENT 0 /* else: the version that was read */

typedef bool kv_scan_fn(void *arg, struct str key, const struct kv_record *r);

struct kv_ops {
	const char *name;
	/* ERR_NOT_FOUND when absent */
	bool (*get)(struct call *c, struct kv *kv, struct str key, struct kv_record *ret);
	/* ERR_CONFLICT when the key is not as `expected`; ttl_ms 0 = for ever */
	bool (*put)(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected, int64_t ttl_ms);
	bool (*drop)(struct call *c, struct kv *kv, struct str key, uint64_t expected); /* absent is fine for KV_ANY */
	/* Calls fn for the records whose key begins with `prefix`, in no order, until it returns false. They
	 * are a copy: fn may put and drop. Key and record live as long as the call. */
	bool (*scan)(struct call *c, struct kv *kv, struct str prefix, kv_scan_fn *fn, void *arg);
	void (*sweep)(struct kv *kv);                                                   /* forgets what is past its time */
	uint64_t (*count)(struct kv *kv);
	void (*close)(struct kv *kv);
};
struct kv {
	const struct kv_ops *ops;
};

struct kv *kv_memory_open(uint64_t max_records); /* beyond: ERR_TOO_MANY */
/* `path` is the log, in a folder that is there; a torn end is cut, what cannot be read else is an error that
 * names the byte; ERR_CONFLICT when another has it open. ERR_STORAGE of a put or drop: not done, as far
 * as this process sees. Values and keys that are longer (in any backend): ERR_INVALID_FIELD. */
enum { KV_KEY_MAX = 4096, KV_VALUE_MAX = 16 * 1024 * 1024 };
struct kv *kv_file_open(struct call *c, struct str path, uint64_t max_records) NODISCARD;

static inline NODISCARD bool kv_get(struct call *c, struct kv *kv, struct str key, struct kv_record *ret)
{
	return kv->ops->get(c, kv, key, ret);
}
static inline NODISCARD bool kv_put(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected,
				    int64_t ttl_ms)
{
	return kv->ops->put(c, kv, key, value, expected, ttl_ms);
}
static inline NODISCARD bool kv_drop(struct call *c, struct kv *kv, struct str key, uint64_t expected)
{
	return kv->ops->drop(c, kv, key, expected);
}

static inline NODISCARD bool kv_scan(struct call *c, struct kv *kv, struct str prefix, kv_scan_fn *fn, void *arg)
{
	return kv->ops->scan(c, kv, prefix, fn, arg);
}

#endif
