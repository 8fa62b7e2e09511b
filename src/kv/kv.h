/* kv.h - the door of kv/: small records with a time to live and compare-and-set.
 *
 * One ops table, one contract suite for every backend. Here: memory. A record's
 * version grows with every change of its key; a record past its time is absent.
 * Threads: any.
 */
#ifndef MAYFLY_KV_H
#define MAYFLY_KV_H

#include "base/base.h"

struct kv;

struct kv_record {
	struct str value;      /* in the call's arena */
	uint64_t version;
	int64_t expires_ms;    /* clock_wall_ms(); 0 = never */
};

/* What the key must be for a put or a drop to happen. */
#define KV_ANY UINT64_MAX
#define KV_ABSENT 0 /* else: the version that was read */

struct kv_ops {
	const char *name;
	/* ERR_NOT_FOUND when absent */
	bool (*get)(struct call *c, struct kv *kv, struct str key, struct kv_record *ret);
	/* ERR_CONFLICT when the key is not as `expected`; ttl_ms 0 = for ever */
	bool (*put)(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected, int64_t ttl_ms);
	bool (*drop)(struct call *c, struct kv *kv, struct str key, uint64_t expected); /* absent is fine for KV_ANY */
	void (*sweep)(struct kv *kv);                                                   /* forgets what is past its time */
	uint64_t (*count)(struct kv *kv);
	void (*close)(struct kv *kv);
};
struct kv {
	const struct kv_ops *ops;
};

struct kv *kv_memory_open(uint64_t max_records); /* beyond: ERR_TOO_MANY */

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

#endif
