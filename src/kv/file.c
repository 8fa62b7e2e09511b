/* file.c - records in memory, and every change of them in a log on disk.
 *
 * A change is decided under the lock, in order, and queued. One of the waiting
 * threads leads: it writes what is queued as one batch, syncs, and only then
 * applies it to the table. So a reader never sees what is not durable, and a
 * thread whose key has a change under way waits for it before it decides.
 * The leader also compacts, without the lock: it alone changes items, and the
 * table is frozen, so readers go on. Not here: the log's bytes (log.c) and the
 * file (log_file.c, used by the leader alone).
 *
 * A change that failed to be written was not applied. If its sync failed it may
 * be there after a restart all the same: ERR_STORAGE says that nobody knows.
 * What is dropped or replaced stays in the log until the next compaction.
 */
#include "kv/kv_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { COMPACT_FLOOR = 1024 * 1024, BATCH_KEPT = 1024 * 1024 };

struct change {
	struct list link; /* in file.queue, then in the leader's batch */
	enum kv_log_kind kind;
	struct kv_item *item; /* of a drop: the key only */
	bool is_new;
	bool done;
	int error; /* errno */
	pthread_cond_t wake;
};

struct file {
	struct kv_table table;
	struct kv_log log;      /* the leader's */
	struct buf batch;       /* the leader's */
	int64_t compact_at;     /* the leader's: not below this size, after a failure */
	struct list queue;
	struct map under_way;   /* key to struct change */
	pthread_cond_t settled; /* some key is no longer under way */
	uint64_t under_way_new; /* keys that will be new */
	int broken;             /* errno of the log's end, or 0 */
	bool led;
};

static struct file *self(struct kv *kv)
{
	return CONTAINER_OF(kv, struct file, table.kv);
}

/* --- the leader --- */

static void take_batch(struct file *f, struct list *ret)
{
	size_t begun = kv_batch_begin(&f->batch);

	list_init(ret);
	while (!list_empty(&f->queue) && f->batch.n < KV_BATCH_FULL) {
		struct change *ch = CONTAINER_OF(list_pop(&f->queue), struct change, link);

		list_add_tail(ret, &ch->link);
		kv_batch_add(&f->batch, ch->kind, ch->item);
	}
	kv_batch_end(&f->batch, begun);
}

static void apply(struct file *f, struct change *ch)
{
	if (ch->error) {
		free(ch->item);
	} else if (ch->kind == KV_LOG_PUT) {
		kv_table_put(&f->table, ch->item);
	} else {
		kv_table_forget(&f->table, kv_item_key(ch->item));
		free(ch->item);
	}
}

/* A change belongs to its thread again as soon as that thread can see `done`. */
static void settle(struct file *f, struct list *batch, int error)
{
	struct list *it;

	while ((it = list_pop(batch))) {
		struct change *ch = CONTAINER_OF(it, struct change, link);

		map_del(&f->under_way, kv_item_key(ch->item));
		f->under_way_new -= ch->is_new;
		ch->error = error;
		apply(f, ch);
		ch->done = true;
		pthread_cond_signal(&ch->wake);
	}
	f->broken = f->log.broken;
	pthread_cond_broadcast(&f->settled);
}

/* What the log would have at most if it were compacted now. */
static int64_t live_bytes(const struct kv_table *t)
{
	return (int64_t)(t->bytes + t->items.n * (KV_BATCH_HEAD + KV_ITEM_HEAD));
}

static bool compaction_due(const struct file *f)
{
	return !f->broken && f->log.n > COMPACT_FLOOR && f->log.n > f->compact_at && f->log.n / 2 > live_bytes(&f->table);
}

/* Takes and leaves the lock held. */
static void compact(struct file *f)
{
	uint64_t versions = f->table.versions;
	int64_t before = f->log.n;
	int error;

	f->table.frozen = true;
	pthread_mutex_unlock(&f->table.lock);
	error = kv_log_compact(&f->log, &f->table, versions);
	f->compact_at = error ? before * 2 : 0;
	if (error)
		obs_log(OBS_ERROR, "kv", "cannot compact %s: %s", f->log.name.p, strerror(error));
	pthread_mutex_lock(&f->table.lock);
	f->table.frozen = false;
	f->broken = f->log.broken;
}

static void lead(struct file *f)
{
	struct list batch;
	int error;

	f->led = true;
	take_batch(f, &batch);
	pthread_mutex_unlock(&f->table.lock);
	error = kv_log_add(&f->log, buf_str(&f->batch));
	if (f->batch.cap > BATCH_KEPT)
		buf_drop(&f->batch);
	buf_clear(&f->batch);
	pthread_mutex_lock(&f->table.lock);
	settle(f, &batch, error);
	if (compaction_due(f))
		compact(f);
	f->led = false;
}

/* --- those who change --- */

static void wait_for_key(struct file *f, struct str key)
{
	while (map_get(&f->under_way, key))
		pthread_cond_wait(&f->settled, &f->table.lock);
}

static bool usable(struct call *c, const struct file *f)
{
	return !f->broken || fail(c, ERR_STORAGE, "%s is no longer written: %s", f->log.name.p, strerror(f->broken));
}

/* Queues a decided change and waits until it is durable and applied. */
static bool commit(struct call *c, struct file *f, struct change *ch)
{
	pthread_cond_init(&ch->wake, NULL);
	map_put(&f->under_way, kv_item_key(ch->item), ch);
	f->under_way_new += ch->is_new;
	list_add_tail(&f->queue, &ch->link);
	while (!ch->done) {
		if (f->led)
			pthread_cond_wait(&ch->wake, &f->table.lock);
		else
			lead(f);
	}
	if (!f->led && !list_empty(&f->queue))
		pthread_cond_signal(&CONTAINER_OF(f->queue.next, struct change, link)->wake);
	pthread_cond_destroy(&ch->wake);
	return !ch->error || fail(c, ERR_STORAGE, "cannot write %s: %s", f->log.name.p, strerror(ch->error));
}

static bool may_put(struct call *c, struct file *f, struct change *ch, uint64_t expected)
{
	struct kv_table *t = &f->table;
	const struct kv_item *r = kv_table_live(t, kv_item_key(ch->item));

	if (!kv_as_expected(c, r, expected))
		return false;
	if (!r && t->items.n + f->under_way_new >= t->max_records)
		return fail(c, ERR_TOO_MANY, "too many records");
	ch->is_new = !r;
	ch->item->version = ++t->versions;
	return true;
}

static bool file_put(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected, int64_t ttl_ms)
{
	struct change ch = {.kind = KV_LOG_PUT};
	struct file *f = self(kv);
	bool ok;

	if (!kv_sizes_valid(c, key, value))
		return false;
	ch.item = kv_item_new(key, value);
	ch.item->expires_ms = ttl_ms ? clock_wall_ms() + ttl_ms : 0;
	pthread_mutex_lock(&f->table.lock);
	wait_for_key(f, key);
	if (usable(c, f) && may_put(c, f, &ch, expected)) {
		ok = commit(c, f, &ch);
	} else {
		free(ch.item);
		ok = false;
	}
	pthread_mutex_unlock(&f->table.lock);
	return ok;
}

static bool file_drop(struct call *c, struct kv *kv, struct str key, uint64_t expected)
{
	struct change ch = {.kind = KV_LOG_DROP};
	const struct kv_item *r;
	struct file *f = self(kv);
	bool ok;

	pthread_mutex_lock(&f->table.lock);
	wait_for_key(f, key);
	r = kv_table_live(&f->table, key);
	ok = kv_as_expected(c, r, expected);
	if (ok && r && (ok = usable(c, f))) {
		ch.item = kv_item_new(key, S(""));
		ok = commit(c, f, &ch);
	}
	pthread_mutex_unlock(&f->table.lock);
	return ok;
}

/* --- life --- */

static void file_close(struct kv *kv)
{
	struct file *f = self(kv);

	INVARIANT(list_empty(&f->queue) && !f->led);
	kv_log_close(&f->log);
	buf_drop(&f->batch);
	map_close(&f->under_way);
	pthread_cond_destroy(&f->settled);
	kv_table_close(&f->table);
	free(f);
}

static const struct kv_ops file_ops = {
	.name = "file", .get = kv_table_get, .put = file_put, .drop = file_drop, .scan = kv_table_scan,
	.sweep = kv_table_sweep, .count = kv_table_count, .close = file_close,
};

struct kv *kv_file_open(struct call *c, struct str path, uint64_t max_records)
{
	struct file *f = base_zalloc(sizeof(*f));
	bool ok;

	kv_table_open(&f->table, &file_ops, max_records);
	list_init(&f->queue);
	pthread_cond_init(&f->settled, NULL);
	ok = kv_log_open(c, &f->log, path, &f->table);
	if (!ok) {
		file_close(&f->table.kv);
		return NULL;
	}
	pthread_mutex_lock(&f->table.lock);
	if (compaction_due(f))
		compact(f);
	pthread_mutex_unlock(&f->table.lock);
	return &f->table.kv;
}
