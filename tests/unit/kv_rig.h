/* kv_rig.h - a kv of each kind, and what was written to it.
 *
 * The one in Redis is left out, with a word, where no redis-server is installed. All fixtures of a program share its server.
 */
#ifndef MAYFLY_TEST_KV_RIG_H
#define MAYFLY_TEST_KV_RIG_H

#include "kv/kv.h"

#include "faults.h"
#include "folder.h"
#include "race.h"
#include "redis_rig.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct backend {
	const char *name;
	struct kv *(*open)(struct call *c, struct str path, uint64_t max_records);
	bool bounded;            /* by max_records */
};

UNUSED static struct kv *open_memory(struct call *c, struct str path, uint64_t max_records)
{
	(void)c;
	(void)path;
	return kv_memory_open(max_records);
}

static struct {
	struct redis_rig server;
	struct redis *client;
	int fixtures;
} kv_redis_shared;

UNUSED static struct kv *open_redis(struct call *c, struct str path, uint64_t max_records)
{
	(void)path;
	(void)max_records;
	if (!kv_redis_shared.client) {
		struct redis_options o;

		redis_rig_open(&kv_redis_shared.server, NULL);
		o = redis_rig_options(&kv_redis_shared.server);
		kv_redis_shared.client = redis_rig_client(c, &o);
	}
	return kv_redis_open(kv_redis_shared.client, arena_fmt(c->arena, "test:%d:", kv_redis_shared.fixtures++));
}

/* Teardown of a group. */
UNUSED static int close_redis(void **state)
{
	(void)state;
	if (!kv_redis_shared.client)
		return 0;
	redis_close(kv_redis_shared.client);
	redis_rig_close(&kv_redis_shared.server);
	return 0;
}

static const struct backend backends[] = {{"memory", open_memory, true}, {"file", kv_file_open, true}, {"redis", open_redis, false}};
static const struct backend *const of_file = &backends[1];
UNUSED static const struct backend *const of_redis = &backends[2];

UNUSED static size_t backend_count(void)
{
	static bool told;

	if (redis_rig_program())
		return COUNT_OF(backends);
	if (!told)
		print_message("left out: the backend redis, for no redis-server is installed\n");
	told = true;
	return COUNT_OF(backends) - 1;
}

enum { MAX_RECORDS = 100000 };

struct fixture {
	struct arena arena;
	struct call c;
	char place[FOLDER_PATH_MAX];
	char path[FOLDER_PATH_MAX + 8]; /* of the log */
	struct kv *kv;
};

UNUSED static void begin_full_at(struct fixture *f, const struct backend *b, uint64_t max_records)
{
	*f = (struct fixture){.kv = NULL};
	call_open(&f->c, &f->arena);
	folder_make(f->place);
	snprintf(f->path, sizeof(f->path), "%s/kv.log", f->place);
	f->kv = b->open(&f->c, str_of(f->path), max_records);
	assert_non_null(f->kv);
	assert_string_equal(f->kv->ops->name, b->name);
}

UNUSED static void begin(struct fixture *f, const struct backend *b)
{
	begin_full_at(f, b, MAX_RECORDS);
}

UNUSED static void close_kv(struct fixture *f)
{
	f->kv->ops->close(f->kv);
	f->kv = NULL;
}

UNUSED static void reopen(struct fixture *f)
{
	if (f->kv)
		close_kv(f);
	f->kv = kv_file_open(&f->c, str_of(f->path), MAX_RECORDS);
	assert_non_null(f->kv);
}

UNUSED static void end(struct fixture *f)
{
	if (f->kv)
		close_kv(f);
	folder_remove(f->place);
	arena_close(&f->arena);
}

UNUSED static void expect_error(struct fixture *f, bool ok, enum err_kind kind)
{
	assert_false(ok);
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

#define EACH_BACKEND(f) \
	for (size_t i_ = 0; i_ < backend_count() && (begin((f), &backends[i_]), true); end(f), i_++)

UNUSED static bool put(struct fixture *f, const char *key, const char *value)
{
	return kv_put(&f->c, f->kv, str_of(key), str_of(value), KV_ANY, 0);
}

/* Returns the version. */
UNUSED static uint64_t holds(struct fixture *f, const char *key, const char *want)
{
	struct kv_record r;

	assert_true(kv_get(&f->c, f->kv, str_of(key), &r));
	assert_str_equal(r.value, want);
	return r.version;
}

UNUSED static void expect_absent(struct fixture *f, const char *key)
{
	struct kv_record r;

	expect_error(f, kv_get(&f->c, f->kv, str_of(key), &r), ERR_NOT_FOUND);
}

UNUSED static uint64_t count(struct fixture *f)
{
	return f->kv->ops->count(f->kv);
}

/* --- races --- */
UNUSED static void put_own_keys(struct racer *r)
{
	struct fixture *f = r->arg;
	struct arena arena = {0};
	struct call c;

	call_open(&c, &arena);
	for (int i = 0; i < 50; i++) {
		if (kv_put(&c, f->kv, arena_fmt(&arena, "%d/%d", r->number, i), S("v"), KV_ABSENT, 0))
			r->wins++;
		else
			INVARIANT(c.err.kind == ERR_TOO_MANY);
		call_forgive(&c);
	}
	arena_close(&arena);
}

/* --- what the file adds: opening again --- */
UNUSED static size_t log_size(const struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	return (size_t)st.st_size;
}

/* --- many --- */
/* Tests that sync indeed; for the others it is enough that they would: being killed loses no page. */
UNUSED static int on_disk(void **state)
{
	(void)state;
	faults.no_disk = false;
	return 0;
}

UNUSED static int off_disk(void **state)
{
	(void)state;
	faults.no_disk = true;
	return 0;
}

#endif
