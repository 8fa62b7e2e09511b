/* memory.c - records of this process, gone with it. */
#include "kv/kv_int.h"

#include <stdlib.h>

static struct kv_table *self(struct kv *kv)
{
	return CONTAINER_OF(kv, struct kv_table, kv);
}

static bool may_put(struct call *c, struct kv_table *t, struct str key, uint64_t expected)
{
	const struct kv_item *r = kv_table_live(t, key);

	if (!kv_as_expected(c, r, expected))
		return false;
	return r || t->items.n < t->max_records || fail(c, ERR_TOO_MANY, "too many records");
}

static bool memory_put(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected, int64_t ttl_ms)
{
	struct kv_table *t = self(kv);
	struct kv_item *r;
	bool ok;

	if (!kv_sizes_valid(c, key, value))
		return false;
	r = kv_item_new(key, value);
	r->expires_ms = ttl_ms ? clock_wall_ms() + ttl_ms : 0;
	pthread_mutex_lock(&t->lock);
	ok = may_put(c, t, key, expected);
	if (ok) {
		r->version = ++t->versions;
		kv_table_put(t, r);
	}
	pthread_mutex_unlock(&t->lock);
	if (!ok)
		free(r);
	return ok;
}

static bool memory_drop(struct call *c, struct kv *kv, struct str key, uint64_t expected)
{
	struct kv_table *t = self(kv);
	bool ok;

	pthread_mutex_lock(&t->lock);
	ok = kv_as_expected(c, kv_table_live(t, key), expected);
	if (ok)
		kv_table_forget(t, key);
	pthread_mutex_unlock(&t->lock);
	return ok;
}

static void memory_close(struct kv *kv)
{
	kv_table_close(self(kv));
	free(self(kv));
}

static const struct kv_ops memory_ops = {
	.name = "memory", .get = kv_table_get, .put = memory_put, .drop = memory_drop, .scan = kv_table_scan,
	.sweep = kv_table_sweep, .count = kv_table_count, .close = memory_close,
};

struct kv *kv_memory_open(uint64_t max_records)
{
	struct kv_table *t = base_zalloc(sizeof(*t));

	kv_table_open(t, &memory_ops, max_records);
	return &t->kv;
}
