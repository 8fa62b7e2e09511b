/* memory.c - records of this process, gone with it. */
#include "kv/kv.h"

#include <pthread.h>
#include <stdlib.h>

struct record {
	struct wheel_node due;
	uint64_t version;
	int64_t expires_ms;
	uint32_t key_n, value_n;
	char bytes[]; /* key, value */
};

struct memory {
	struct kv kv;
	pthread_mutex_t lock;
	struct map records;
	uint64_t versions, max_records;
	struct wheel wheel;
};

enum { TICK_MS = 1000, A_SWEEP = 10000 };

static struct memory *self(struct kv *kv)
{
	return CONTAINER_OF(kv, struct memory, kv);
}

static struct str key_of(const struct record *r)
{
	return str_from(r->bytes, r->key_n);
}

static void forget(struct memory *m, struct record *r)
{
	map_del(&m->records, key_of(r));
	wheel_del(&r->due);
	free(r);
}

/* The live record of a key, or NULL; one past its time is forgotten on the way. */
static struct record *live(struct memory *m, struct str key)
{
	struct record *r = map_get(&m->records, key);

	if (r && r->expires_ms && clock_wall_ms() >= r->expires_ms) {
		forget(m, r);
		return NULL;
	}
	return r;
}

static bool as_expected(struct call *c, const struct record *r, uint64_t expected)
{
	uint64_t version = r ? r->version : KV_ABSENT;

	return expected == KV_ANY || expected == version || fail(c, ERR_CONFLICT, "the record has changed");
}

static bool memory_get(struct call *c, struct kv *kv, struct str key, struct kv_record *ret)
{
	struct memory *m = self(kv);
	struct record *r;

	pthread_mutex_lock(&m->lock);
	r = live(m, key);
	if (r)
		*ret = (struct kv_record){arena_dup(c->arena, str_from(r->bytes + r->key_n, r->value_n)), r->version, r->expires_ms};
	pthread_mutex_unlock(&m->lock);
	return r || fail(c, ERR_NOT_FOUND, "no record %.*s", SARG(key));
}

static struct record *record_new(struct memory *m, struct str key, struct str value, int64_t ttl_ms)
{
	struct record *r = base_alloc(sizeof(*r) + key.n + value.n);

	INVARIANT(key.n <= UINT32_MAX && value.n <= UINT32_MAX);
	*r = (struct record){.version = ++m->versions, .expires_ms = ttl_ms ? clock_wall_ms() + ttl_ms : 0,
			     .key_n = (uint32_t)key.n, .value_n = (uint32_t)value.n};
	list_init(&r->due.link);
	memcpy(r->bytes, key.p, key.n);
	memcpy(r->bytes + key.n, value.p, value.n);
	return r;
}

static bool put_locked(struct call *c, struct memory *m, struct str key, struct str value, uint64_t expected,
		       int64_t ttl_ms)
{
	struct record *r = live(m, key);

	if (!as_expected(c, r, expected))
		return false;
	if (!r && m->records.n >= m->max_records)
		return fail(c, ERR_TOO_MANY, "too many records");
	if (r)
		forget(m, r);
	r = record_new(m, key, value, ttl_ms);
	map_put(&m->records, key_of(r), r);
	if (r->expires_ms)
		wheel_put(&m->wheel, &r->due, r->expires_ms);
	return true;
}

static bool memory_put(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected, int64_t ttl_ms)
{
	struct memory *m = self(kv);
	bool ok;

	pthread_mutex_lock(&m->lock);
	ok = put_locked(c, m, key, value, expected, ttl_ms);
	pthread_mutex_unlock(&m->lock);
	return ok;
}

static bool memory_drop(struct call *c, struct kv *kv, struct str key, uint64_t expected)
{
	struct memory *m = self(kv);
	struct record *r;
	bool ok;

	pthread_mutex_lock(&m->lock);
	r = live(m, key);
	ok = as_expected(c, r, expected);
	if (ok && r)
		forget(m, r);
	pthread_mutex_unlock(&m->lock);
	return ok;
}

static int sweep_some(struct memory *m)
{
	struct list due;
	int n;

	list_init(&due);
	pthread_mutex_lock(&m->lock);
	n = wheel_advance(&m->wheel, clock_wall_ms(), &due, A_SWEEP);
	LIST_EACH(&due, it)
		forget(m, CONTAINER_OF(LIST_ITEM(it, struct wheel_node, link), struct record, due));
	pthread_mutex_unlock(&m->lock);
	return n;
}

static void memory_sweep(struct kv *kv)
{
	while (sweep_some(self(kv)) == A_SWEEP)
		;
}

static uint64_t memory_count(struct kv *kv)
{
	struct memory *m = self(kv);
	uint64_t n;

	pthread_mutex_lock(&m->lock);
	n = m->records.n;
	pthread_mutex_unlock(&m->lock);
	return n;
}

static void memory_close(struct kv *kv)
{
	struct memory *m = self(kv);
	struct map_slot slot;

	for (size_t i = 0; map_next(&m->records, &i, &slot);)
		free(slot.value);
	map_close(&m->records);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static const struct kv_ops memory_ops = {
	.name = "memory", .get = memory_get, .put = memory_put, .drop = memory_drop, .sweep = memory_sweep,
	.count = memory_count, .close = memory_close,
};

struct kv *kv_memory_open(uint64_t max_records)
{
	struct memory *m = base_zalloc(sizeof(*m));

	m->kv.ops = &memory_ops;
	m->max_records = max_records;
	pthread_mutex_init(&m->lock, NULL);
	wheel_open(&m->wheel, TICK_MS, clock_wall_ms());
	return &m->kv;
}
