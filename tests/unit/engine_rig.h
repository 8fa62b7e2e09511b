/* engine_rig.h - an engine with real workers, and what a task of it told.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#ifndef MAYFLY_TEST_ENGINE_RIG_H
#define MAYFLY_TEST_ENGINE_RIG_H

#include "engine/engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

enum { RIG_WAIT_S = 120 };

/* --- what one task told, under a lock, since it comes on the loop --- */
struct told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct engine_task *task;
	struct engine_feed *feed; /* of uploads */
	struct buf rows, columns, text, class, column;
	int started, parts, rooms, ended;
	enum engine_outcome outcome;
	int64_t count, row, position;
};

UNUSED static void told_init(struct told *t)
{
	*t = (struct told){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

UNUSED static void told_drop(struct told *t)
{
	engine_task_unref(t->task);
	buf_drop(&t->rows);
	buf_drop(&t->columns);
	buf_drop(&t->text);
	buf_drop(&t->class);
	buf_drop(&t->column);
}

UNUSED static void wait_for(struct told *t, const int *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RIG_WAIT_S;
	pthread_mutex_lock(&t->lock);
	while (!*what)
		assert_int_equal(pthread_cond_timedwait(&t->changed, &t->lock, &until), 0);
	pthread_mutex_unlock(&t->lock);
}

/* Waits for its end, which must be a good one. */
UNUSED static void expect_good_end(struct told *t)
{
	wait_for(t, &t->ended);
	if (t->outcome != ENGINE_OK)
		print_message("%.*s\n", SARG(buf_str(&t->text)));
	assert_int_equal(t->outcome, ENGINE_OK);
}

static void tell(struct told *t, int *what)
{
	pthread_mutex_lock(&t->lock);
	(*what)++;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void on_started(void *arg)
{
	tell(arg, &((struct told *)arg)->started);
}

static void on_columns(void *arg, struct str packed)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	buf_add(&t->columns, packed);
	pthread_mutex_unlock(&t->lock);
}

static void on_part(void *arg, const struct engine_part *p)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->parts++;
	if (!p->gzip)
		buf_add(&t->rows, engine_bytes_str(p->bytes));
	pthread_mutex_unlock(&t->lock);
	engine_bytes_unref(p->bytes);
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	assert_true(fraction >= 0);
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->outcome = end->outcome;
	t->count = end->rows;
	t->row = end->row;
	t->position = end->position;
	buf_add(&t->text, end->text);
	buf_add(&t->class, end->class);
	buf_add(&t->column, end->column);
	t->ended++;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

/* --- the engine --- */
struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	struct engine_limits limits;
	struct told stopped;
	struct engine_catalog *catalog; /* of tests that work in one */
	struct engine_usage used;       /* its, on the loop */
	char dir[FOLDER_PATH_MAX], cache[2 * FOLDER_PATH_MAX];
};

static void limits_of(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)tenant;
	*ret = *(struct engine_limits *)arg;
}

/* The loop is not started: what must be there before its first turn comes between this and exec_loop_start(). */
UNUSED static void make_engine(struct fixture *f, int max_workers, uid_t uid_base)
{
	struct engine_options o = {.max_workers = max_workers, .idle_ms = 3600000, .cancel_grace_ms = 5000, .uid_base = uid_base,
				   .limits = limits_of, .arg = &f->limits, .program = getenv("MAYFLY_BINARY")};

	assert_non_null(o.program); /* else this program would be started as its own worker */
	f->loop = exec_loop_open("engine");
	o.loop = f->loop;
	o.data_dir = str_of(f->dir);
	o.cache_dir = str_of(f->cache);
	f->engine = engine_open(&f->c, &o);
	assert_non_null(f->engine);
	told_init(&f->stopped);
}

static void on_stopped(void *arg)
{
	tell(arg, &((struct told *)arg)->ended);
}

UNUSED static void stop_engine(struct fixture *f)
{
	engine_stop(f->engine, on_stopped, &f->stopped);
	wait_for(&f->stopped, &f->stopped.ended);
}

UNUSED static void close_engine(struct fixture *f)
{
	if (!f->stopped.ended)
		stop_engine(f);
	exec_loop_stop(f->loop);
	exec_loop_join(f->loop);
	engine_close(f->engine);
	exec_loop_close(f->loop);
}

UNUSED static struct fixture *fixture_open(int queued)
{
	struct fixture *f = calloc(1, sizeof(*f));

	call_open(&f->c, &f->arena);
	folder_make(f->dir);
	chmod(f->dir, 0711);
	f->limits = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 2, .concurrent = 2, .queued = queued};
	return f;
}

UNUSED static void fixture_close(struct fixture *f)
{
	arena_close(&f->arena);
	folder_remove(f->dir);
	free(f);
}

#endif
