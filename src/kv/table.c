/* table.c - records in memory: what the backends of kv/ have in common. */
#include "kv/kv_int.h"

#include <stdlib.h>

enum { TICK_MS = 1000, A_SWEEP = 10000 };

static struct kv_table *self(struct kv *kv)
{
	return CONTAINER_OF(kv, struct kv_table, kv);
}

void kv_table_open(struct kv_table *t, const struct kv_ops *ops, uint64_t max_records)
{
	t->kv.ops = ops;
	t->max_records = max_records;
	pthread_mutex_init(&t->lock, NULL);
	wheel_open(&t->wheel, TICK_MS, clock_wall_ms());
}

void kv_table_close(struct kv_table *t)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&t->items, &i, &slot);)
		free(slot.value);
	map_close(&t->items);
	pthread_mutex_destroy(&t->lock);
}

bool kv_sizes_valid(struct call *c, struct str key, struct str value)
{
	if (key.n > KV_KEY_MAX)
		return fail(c, ERR_INVALID_FIELD, "a key has at most %d bytes, this one %zu", KV_KEY_MAX, key.n);
	if (value.n > KV_VALUE_MAX)
		return fail(c, ERR_INVALID_FIELD, "a record has at most %d bytes, this one %zu", KV_VALUE_MAX, value.n);
	return true;
}

struct kv_item *kv_item_new(struct str key, struct str value)
{
	struct kv_item *r = base_alloc(sizeof(*r) + key.n + value.n);

	*r = (struct kv_item){.key_n = (uint32_t)key.n, .value_n = (uint32_t)value.n};
	list_init(&r->due.link);
	if (key.n)
		memcpy(r->bytes, key.p, key.n);
	if (value.n)
		memcpy(r->bytes + key.n, value.p, value.n);
	return r;
}

static void forget(struct kv_table *t, struct kv_item *r)
{
	map_del(&t->items, kv_item_key(r));
	wheel_del(&r->due);
	t->bytes -= (size_t)r->key_n + r->value_n;
	free(r);
}

static bool past(const struct kv_item *r, int64_t now)
{
	return r->expires_ms && now >= r->expires_ms;
}

struct kv_item *kv_table_live(struct kv_table *t, struct str key)
{
	struct kv_item *r = map_get(&t->items, key);

	if (!r || !past(r, clock_wall_ms()))
		return r;
	if (!t->frozen)
		forget(t, r);
	return NULL;
}

bool kv_as_expected(struct call *c, const struct kv_item *r, uint64_t expected)
{
	uint64_t version = r ? r->version : KV_ABSENT;

	return expected == KV_ANY || expected == version || fail(c, ERR_CONFLICT, "the record has changed");
}

void kv_table_forget(struct kv_table *t, struct str key)
{
	struct kv_item *r = map_get(&t->items, key);

	INVARIANT(!t->frozen);
	if (r)
		forget(t, r);
}

void kv_table_put(struct kv_table *t, struct kv_item *r)
{
	kv_table_forget(t, kv_item_key(r));
	map_put(&t->items, kv_item_key(r), r);
	t->bytes += (size_t)r->key_n + r->value_n;
	if (r->expires_ms)
		wheel_put(&t->wheel, &r->due, r->expires_ms);
}

static struct kv_record copy_of(struct call *c, const struct kv_item *r)
{
	return (struct kv_record){arena_dup(c->arena, kv_item_value(r)), r->version, r->expires_ms};
}

bool kv_table_get(struct call *c, struct kv *kv, struct str key, struct kv_record *ret)
{
	struct kv_table *t = self(kv);
	const struct kv_item *r;

	pthread_mutex_lock(&t->lock);
	r = kv_table_live(t, key);
	if (r)
		*ret = copy_of(c, r);
	pthread_mutex_unlock(&t->lock);
	return r || fail(c, ERR_NOT_FOUND, "no record %.*s", SARG(key));
}

struct copy {
	struct copy *next;
	struct str key;
	struct kv_record record;
};

static struct copy *copy_all(struct call *c, const struct kv_table *t, struct str prefix)
{
	int64_t now = clock_wall_ms();
	struct copy *first = NULL;
	struct map_slot slot;

	for (size_t i = 0; map_next(&t->items, &i, &slot);) {
		struct copy *one;

		if (!str_starts(slot.key, prefix) || past(slot.value, now))
			continue;
		one = ARENA_NEW(c->arena, struct copy);
		*one = (struct copy){first, arena_dup(c->arena, slot.key), copy_of(c, slot.value)};
		first = one;
	}
	return first;
}

bool kv_table_scan(struct call *c, struct kv *kv, struct str prefix, kv_scan_fn *fn, void *arg)
{
	struct kv_table *t = self(kv);
	const struct copy *all;

	pthread_mutex_lock(&t->lock);
	all = copy_all(c, t, prefix);
	pthread_mutex_unlock(&t->lock);
	while (all && fn(arg, all->key, &all->record))
		all = all->next;
	return true;
}

static int sweep_some(struct kv_table *t)
{
	struct list due;
	int n = 0;

	list_init(&due);
	pthread_mutex_lock(&t->lock);
	if (!t->frozen)
		n = wheel_advance(&t->wheel, clock_wall_ms(), &due, A_SWEEP);
	LIST_EACH(&due, it)
		forget(t, CONTAINER_OF(LIST_ITEM(it, struct wheel_node, link), struct kv_item, due));
	pthread_mutex_unlock(&t->lock);
	return n;
}

void kv_table_sweep(struct kv *kv)
{
	while (sweep_some(self(kv)) == A_SWEEP)
		;
}

uint64_t kv_table_count(struct kv *kv)
{
	struct kv_table *t = self(kv);
	uint64_t n;

	pthread_mutex_lock(&t->lock);
	n = t->items.n;
	pthread_mutex_unlock(&t->lock);
	return n;
}
