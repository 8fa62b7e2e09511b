/* kv_int.h - inside kv/: the table in memory that every backend here has, and the log's format. */
#ifndef MAYFLY_KV_INT_H
#define MAYFLY_KV_INT_H

#include "kv/kv.h"

#include <pthread.h>

struct kv_item {
	struct wheel_node due;
	uint64_t version;
	int64_t expires_ms;
	uint32_t key_n, value_n;
	char bytes[]; /* key, value */
};

/* The first member of a backend. Under the lock, all but kv and max_records. */
struct kv_table {
	struct kv kv;
	pthread_mutex_t lock;
	struct map items;
	struct wheel wheel;
	uint64_t versions; /* the last one given */
	uint64_t max_records;
	size_t bytes;      /* of keys and values */
	bool frozen;       /* nothing is forgotten: somebody walks through it without the lock */
};

static inline struct str kv_item_key(const struct kv_item *r)
{
	return str_from(r->bytes, r->key_n);
}
static inline struct str kv_item_value(const struct kv_item *r)
{
	return str_from(r->bytes + r->key_n, r->value_n);
}

/* table.c. Those that take a kv_table want its lock held, those that take a kv (rows of ops) take it. */
void kv_table_open(struct kv_table *t, const struct kv_ops *ops, uint64_t max_records);
void kv_table_close(struct kv_table *t);
bool kv_sizes_valid(struct call *c, struct str key, struct str value) NODISCARD;
struct kv_item *kv_item_new(struct str key, struct str value); /* version 0, without end */
struct kv_item *kv_table_live(struct kv_table *t, struct str key); /* NULL when absent or past its time */
bool kv_as_expected(struct call *c, const struct kv_item *r, uint64_t expected) NODISCARD;
void kv_table_put(struct kv_table *t, struct kv_item *r); /* takes it over; replaces */
void kv_table_forget(struct kv_table *t, struct str key); /* absent is fine */
bool kv_table_get(struct call *c, struct kv *kv, struct str key, struct kv_record *ret);
bool kv_table_scan(struct call *c, struct kv *kv, struct str prefix, kv_scan_fn *fn, void *arg);
void kv_table_sweep(struct kv *kv);
uint64_t kv_table_count(struct kv *kv);

/* log.c: bytes of the log, see there. */
enum {
	KV_LOG_HEAD = 16, KV_BATCH_HEAD = 16, KV_ITEM_HEAD = 32,
	KV_BATCH_FULL = 4 * 1024 * 1024, /* a batch takes no more items beyond; so it has at most: */
	KV_BATCH_MAX = KV_BATCH_FULL + KV_ITEM_HEAD + KV_KEY_MAX + KV_VALUE_MAX,
};
enum kv_log_kind { KV_LOG_PUT = 1, KV_LOG_DROP, KV_LOG_VERSION };
void kv_log_head(struct buf *to);
/* A batch: begin, add at least once, end with what begin returned. */
size_t kv_batch_begin(struct buf *to);
void kv_batch_add(struct buf *to, enum kv_log_kind kind, const struct kv_item *r);
void kv_batch_end(struct buf *to, size_t begun);
/* Applies a log to the table. *ret_whole: where the torn end begins, or the log's size. */
bool kv_log_read(struct call *c, struct str log, struct kv_table *t, size_t *ret_whole) NODISCARD;

/* log_file.c: the log as a file; one thread at a time. */
struct kv_log {
	int dir, fd;
	struct str name, temp_name; /* in dir; own */
	int64_t n;                  /* bytes, all durable but of a batch that is being added */
	int broken;                 /* errno of what ended its life, or 0 */
};
bool kv_log_open(struct call *c, struct kv_log *l, struct str path, struct kv_table *t) NODISCARD;
int kv_log_add(struct kv_log *l, struct str batch); /* durable; 0 or errno */
/* 0 or errno. Nobody changes the items meanwhile; `versions`: the last that was given. */
int kv_log_compact(struct kv_log *l, const struct kv_table *t, uint64_t versions);
void kv_log_close(struct kv_log *l);

#endif
