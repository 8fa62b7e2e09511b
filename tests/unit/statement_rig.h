/* statement_rig.h - a room of statements over real workers, for unit tests.
 *
 * Workers are of the mayfly binary named by MAYFLY_BINARY; time is turned by hand.
 */
#ifndef MAYFLY_STATEMENT_RIG_H
#define MAYFLY_STATEMENT_RIG_H

#include "statement/statement.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct exec_pool *pool;
	struct kv *kv;
	struct lifecycle *lifecycle;
	struct store *store;
	struct events *events; /* events_flush() writes what was told */
	struct engine *engine;
	struct statements *statements;
	struct statement_caps caps;
	struct lease_owner session; /* an owner */
	char dir[FOLDER_PATH_MAX];
};

static void engine_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 2, .concurrent = 4, .queued = 10000, .scripts = 100, .databases = 64};
}

static void caps_of(void *arg, struct str tenant, struct statement_caps *ret)
{
	(void)tenant;
	*ret = *(struct statement_caps *)arg;
}

/* Of the next begin(). */
UNUSED static bool results_are_cached;

UNUSED static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine_options eo = {.max_workers = 2, .idle_ms = 1LL << 40, .cancel_grace_ms = 1LL << 40, .uid_base = 640000,
				    .limits = engine_limits, .program = getenv("MAYFLY_BINARY")};
	struct statement_options so = {.default_ttl_s = 3600, .max_ttl_s = 86400, .max_result_bytes = 64 << 20,
				       .max_part_rows = 10000, .memory_bytes = 1 << 20, .max_per_session = 1000, .max_children = 10000, .create_missing = true, .cleanup_ms = 300000,
				       .cache_results = results_are_cached,
				       .caps = caps_of, .arg = &f->caps};

	assert_non_null(getenv("MAYFLY_BINARY")); /* else this program would be started as its own worker */
	call_open(&f->c, &f->arena);
	f->c.tenant = S("acme");
	f->caps = (struct statement_caps){1000000, 1LL << 40};
	folder_make(f->dir);
	f->loop = eo.loop = so.loop = exec_loop_open("engine");
	f->pool = so.pool = exec_pool_open("pool", 2, 1000);
	f->kv = so.kv = kv_memory_open(1000000);
	f->lifecycle = so.lifecycle = lifecycle_open(&(struct lifecycle_options){.loop = f->loop, .tick_ms = 250, .batch = 1000});
	f->store = store_folder_open(&f->c, arena_fmt(&f->arena, "%s/events", f->dir));
	assert_non_null(f->store);
	f->events = so.events = events_open(&f->c, &(struct events_options){.store = f->store, .server = S("s"), .key = S("k"),
									    .topic_prefix = S("mayfly"), .sync = EVENT_SYNC_NEVER,
									    .segment_bytes = 1 << 20});
	assert_non_null(f->events);
	lease_owner_init(&f->session);
	eo.data_dir = so.data_dir = str_of(f->dir);
	f->engine = so.engine = engine_open(&f->c, &eo);
	assert_non_null(f->engine);
	f->statements = statements_open(&f->c, &so);
	assert_non_null(f->statements);
	exec_loop_start(f->loop);
	*state = f;
	return 0;
}

static void stop_loop(void *loop)
{
	exec_loop_stop(loop);
}

UNUSED static int end(void **state)
{
	struct fixture *f = *state;

	statements_cancel_all(f->statements);
	engine_stop(f->engine, stop_loop, f->loop);
	exec_loop_join(f->loop);
	exec_pool_close(f->pool);
	statements_close(f->statements);
	engine_close(f->engine);
	f->kv->ops->close(f->kv);
	lifecycle_close(f->lifecycle);
	events_close(f->events);
	f->store->ops->close(f->store);
	exec_loop_close(f->loop);
	arena_close(&f->arena);
	folder_remove(f->dir);
	free(f);
	return 0;
}

#define FOREVER "select count(*) from range(100000000) a, range(100000) b"

static struct stmt *submit(struct fixture *f, const struct stmt_ask *ask)
{
	struct stmt *st = NULL;

	assert_true(statement_submit(&f->c, f->statements, ask, &st));
	return st;
}

UNUSED static struct stmt *submit_sql(struct fixture *f, const char *sql)
{
	return submit(f, &(struct stmt_ask){.sql = str_of(sql), .ttl_seconds = -1, .snowflake = true, .statements = 1});
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int fired, dropped;
};

static void fired(void *arg)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->fired++;
	pthread_mutex_unlock(&w->lock);
}

static void dropped(void *arg)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->dropped++;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

UNUSED static struct stmt_view wait_end(struct stmt *st)
{
	struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	struct stmt_view v;

	statement_watch(st, &(struct watch){.fn = fired, .drop = dropped, .arg = &w});
	pthread_mutex_lock(&w.lock);
	while (!w.dropped)
		pthread_cond_wait(&w.cond, &w.lock);
	assert_int_equal(w.fired, 1);
	pthread_mutex_unlock(&w.lock);
	statement_view(st, &v);
	return v;
}

UNUSED static void expect_error(struct fixture *f, bool ok, enum err_kind kind)
{
	assert_false(ok);
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

UNUSED static bool file_of(struct fixture *f, struct str handle)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/spool/%.*s", f->dir, SARG(handle));
	return access(path, F_OK) == 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
