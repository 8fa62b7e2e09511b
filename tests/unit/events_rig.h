/* events_rig.h - an event log on a folder, whose appends fail when told. */
#ifndef MAYFLY_TEST_EVENTS_RIG_H
#define MAYFLY_TEST_EVENTS_RIG_H

#include "lifecycle/lifecycle.h"

#include "folder.h"
#include "event_pages.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE EVENT_SESSION_LIFECYCLE
#define KEY S("the secret of this server")

/* --- a store whose appends fail when told, maybe after a part was written --- */
struct faulty {
	struct store store;
	struct store *under;
	_Atomic int64_t appends, fail_at, part; /* fail_at: the nth append from now, 0 = none; part: bytes that are written all the same */
	bool cut_fails;
};

UNUSED static struct faulty *faulty(struct store *s)
{
	return CONTAINER_OF(s, struct faulty, store);
}

UNUSED static bool faulty_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	return faulty(s)->under->ops->put(c, faulty(s)->under, key, bytes, how);
}

UNUSED static bool faulty_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	return faulty(s)->under->ops->get(c, faulty(s)->under, key, offset, max, ret);
}

UNUSED static bool faulty_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret, size_t *n)
{
	return faulty(s)->under->ops->list(c, faulty(s)->under, prefix, after, ret, n);
}

UNUSED static bool faulty_drop(struct call *c, struct store *s, struct str key)
{
	return faulty(s)->under->ops->drop(c, faulty(s)->under, key);
}

UNUSED static bool faulty_append(struct call *c, struct store *s, struct str key, int64_t offset, struct str bytes, bool sync)
{
	struct faulty *f = faulty(s);

	f->appends++;
	if (f->fail_at == 0 || --f->fail_at > 0)
		return f->under->ops->append(c, f->under, key, offset, bytes, sync);
	if (f->part)
		assert_true(f->under->ops->append(c, f->under, key, offset, str_head(bytes, (size_t)f->part), sync));
	return fail(c, ERR_STORAGE, "the disk is full");
}

UNUSED static bool faulty_cut(struct call *c, struct store *s, struct str key, int64_t size)
{
	struct faulty *f = faulty(s);

	if (f->cut_fails)
		return fail(c, ERR_STORAGE, "the disk is gone");
	return f->under->ops->cut(c, f->under, key, size);
}

UNUSED static void faulty_close(struct store *s)
{
	faulty(s)->under->ops->close(faulty(s)->under);
}

static const struct store_ops faulty_ops = {
	.name = "faulty", .put = faulty_put, .get = faulty_get, .list = faulty_list, .drop = faulty_drop,
	.append = faulty_append, .cut = faulty_cut, .close = faulty_close,
};

/* --- fixture: a folder, a server's log on it --- */
struct fixture {
	struct arena arena;
	struct call c;
	char dir[FOLDER_PATH_MAX];
	struct faulty store;
	struct events *e;
	struct events_options o;
};

UNUSED static void open_store(struct fixture *f)
{
	f->store = (struct faulty){.store = {&faulty_ops}};
	f->store.under = store_folder_open(&f->c, str_of(f->dir));
	assert_non_null(f->store.under);
}

UNUSED static void open_log(struct fixture *f)
{
	open_store(f);
	f->o.store = &f->store.store;
	f->e = events_open(&f->c, &f->o);
	assert_non_null(f->e);
}

UNUSED static void close_log(struct fixture *f)
{
	events_close(f->e);
	faulty_close(&f->store.store);
}

UNUSED static void reopen(struct fixture *f)
{
	close_log(f);
	open_log(f);
}

UNUSED static void begin(struct fixture *f)
{
	*f = (struct fixture){.o = {.server = S("server-a"), .key = KEY, .topic_prefix = S("mayfly"), .sync = EVENT_SYNC_NEVER,
				    .segment_bytes = 1 << 20}};
	call_open(&f->c, &f->arena);
	folder_make(f->dir);
	open_log(f);
}

UNUSED static void end(struct fixture *f)
{
	close_log(f);
	folder_remove(f->dir);
	arena_close(&f->arena);
}

UNUSED static bool append(struct fixture *f, const char *tenant, int64_t seq)
{
	char payload[128];

	snprintf(payload, sizeof(payload), "{\"event\":\"%s\",\"session_id\":\"s%lld\",\"seq\":%lld}", seq % 2 ? "closed" : "opened",
		 (long long)seq / 2, (long long)seq);
	return event_append(&f->c, f->e, LIFE, str_of(tenant), str_of(payload));
}

UNUSED static void append_many(struct fixture *f, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
		assert_true(append(f, "acme", i));
}

UNUSED static int64_t seq_of(const struct event_item *it)
{
	struct str s = it->payload;
	int64_t seq = -1;

	s = str_tail(s, str_search(s, S("\"seq\":")) + 6);
	assert_true(str_to_i64(str_head(s, str_find(s, '}')), &seq));
	return seq;
}

static const struct event_filter acme = {.tenant = S_INIT("acme"), .topic = LIFE};
static const struct event_filter acme_all = {.tenant = S_INIT("acme"), .topic = -1};

/* --- failures and restarts --- */
UNUSED static void check_all(struct fixture *f, int64_t from, int64_t total)
{
	struct str cursor = S("");
	struct event_item *it;
	int64_t next = from, lost;
	int n;

	do {
		assert_true(read_events(&f->c, f->e, &acme, cursor, 7, &it, &n, &cursor, &lost));
		for (int i = 0; i < n; i++, next++) {
			assert_int_equal(it[i].offset, next);
			assert_int_equal(seq_of(&it[i]), next);
		}
	} while (n == 7);
	assert_int_equal(next, total);
}

UNUSED static struct events_verdict verify(struct fixture *f)
{
	struct events_verdict v;

	assert_true(events_verify(&f->c, &f->store.store, S("server-a"), KEY, &v));
	return v;
}

UNUSED static void expect_sound(struct fixture *f, int64_t items)
{
	struct events_verdict v = verify(f);

	if (v.nbad)
		print_error("%.*s\n", SARG(v.bad[0]));
	assert_int_equal(v.nbad, 0);
	assert_int_equal(v.items, items);
	assert_int_equal(v.unsealed, 0);
}

struct at_once {
	struct fixture *f;
	atomic_bool stop;
	int64_t read, lost;
	int faults;
};

/* Follows the log as a live stream does: from memory, else from the store. */
UNUSED static void *follow(void *arg)
{
	struct at_once *x = arg;
	char kept[512] = "";
	bool last = false;

	while (!last) {
		struct str cursor = str_of(kept);
		struct event_item *it;
		struct arena a = {0};
		int64_t lost = 0;
		struct call c;
		int n;

		call_open(&c, &a);
		last = atomic_load(&x->stop);
		if (!recent_events(&c, x->f->e, &acme, cursor, 50, &it, &n, &cursor))
			INVARIANT(read_events(&c, x->f->e, &acme, cursor, 50, &it, &n, &cursor, &lost));
		x->lost += lost;
		for (int i = 0; i < n; i++, x->read++)
			x->faults += kept[0] && it[i].offset != x->read + x->lost;
		if (n && !kept[0])
			x->lost = it[0].offset;
		last = last && n == 0;
		snprintf(kept, sizeof(kept), "%.*s", SARG(cursor));
		arena_close(&a);
	}
	return NULL;
}

/* --- files of the log, behind its back --- */
UNUSED static void path_of(const struct fixture *f, const char *name, char ret[256])
{
	snprintf(ret, 256, "%s/events/acme/session_lifecycle/server-a/%s", f->dir, name);
}

static const char first_segment[] = "00000000000000000000.ndjson", first_head[] = "head-00000000000000000000.ndjson";

#endif
