/* catalog_rig.h - catalogs of an engine with real workers. */
#ifndef MAYFLY_TEST_CATALOG_RIG_H
#define MAYFLY_TEST_CATALOG_RIG_H

#include "engine/engine.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"
#include "worker_pid.h"

enum { CONCURRENT = 2, WAIT_MS = 60000 };

struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	struct engine_limits limits;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopped;
	char dir[FOLDER_PATH_MAX];
};
UNUSED static struct fixture *fx; /* of the test that runs */
UNUSED static int64_t fx_idle_ms = 60000;

/* --- one catalog, and what its owner was told --- */
struct owned {
	struct engine_catalog *k;
	int lost, used;
	struct engine_usage usage;
	char hex[33];
};

UNUSED static void on_lost(void *arg)
{
	struct owned *o = arg;

	pthread_mutex_lock(&fx->lock);
	o->lost++;
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

UNUSED static void on_used(void *arg, const struct engine_usage *now)
{
	struct owned *o = arg;

	pthread_mutex_lock(&fx->lock);
	o->used++;
	o->usage = *now;
	pthread_mutex_unlock(&fx->lock);
}

static const char *name_of(struct owned *o)
{
	return arena_fmt(&fx->arena, "__eph_%s", o->hex).p;
}

UNUSED static struct owned *open_in(const char *tenant, bool persistent)
{
	struct owned *o = arena_zalloc(&fx->arena, sizeof(*o));
	struct engine_catalog_options options = {.tenant = str_of(tenant), .persistent = persistent, .lost = on_lost, .used = on_used,
						 .arg = o};
	struct id id = id_v4();
	int n = 0;

	for (int i = 0; i < ID_LEN; i++)
		if (id.text[i] != '-')
			o->hex[n++] = id.text[i];
	options.name = str_of(name_of(o));
	o->k = engine_catalog_open(fx->engine, &options);
	return o;
}

UNUSED static struct owned *open_catalog(bool persistent)
{
	return open_in("acme", persistent);
}

UNUSED static void close_catalog(struct owned *o)
{
	engine_catalog_forget(o->k);
	engine_catalog_unref(o->k);
}

/* --- one task --- */
struct told {
	struct engine_task *task;
	struct buf rows, text, class;
	int started, parts, ended;
	enum engine_outcome outcome;
	int64_t count, inserted, updated, deleted;
	bool nowhere;
	int64_t steps[8];
	int nsteps;
};

UNUSED static void on_started(void *arg)
{
	struct told *t = arg;

	pthread_mutex_lock(&fx->lock);
	t->started++;
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

UNUSED static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

UNUSED static void on_part(void *arg, const struct engine_part *p)
{
	struct told *t = arg;

	t->parts++;
	if (!p->gzip)
		buf_add(&t->rows, engine_bytes_str(p->bytes));
	engine_bytes_unref(p->bytes);
}

UNUSED static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

UNUSED static void on_ended(void *arg, const struct engine_end *end)
{
	struct told *t = arg;

	pthread_mutex_lock(&fx->lock);
	t->ended++;
	t->outcome = end->outcome;
	t->count = end->rows;
	t->inserted = end->inserted;
	t->updated = end->updated;
	t->deleted = end->deleted;
	t->nowhere = end->nowhere;
	t->nsteps = end->nsteps;
	for (int i = 0; i < end->nsteps && i < 8; i++)
		t->steps[i] = end->step_rows[i];
	buf_add(&t->text, end->text);
	buf_add(&t->class, end->class);
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

UNUSED static void wait_for(const int *what)
{
	pthread_mutex_lock(&fx->lock);
	while (!*what)
		pthread_cond_wait(&fx->changed, &fx->lock);
	pthread_mutex_unlock(&fx->lock);
}

UNUSED static struct engine_ask ask_of(struct owned *o, const char *sql)
{
	return (struct engine_ask){.sql = str_of(sql), .tenant = S("acme"), .form = ENGINE_NATIVE, .first_part_bytes = 1 << 20,
				   .catalog = o ? o->k : NULL};
}

UNUSED static void begin_ask(struct told *t, const struct engine_ask *ask)
{
	*t = (struct told){0};
	assert_true(engine_run(&fx->c, fx->engine, ask, &listener, t, &t->task));
}

UNUSED static void finish(struct told *t)
{
	wait_for(&t->ended);
	engine_task_unref(t->task);
	buf_drop(&t->rows);
	buf_drop(&t->text);
	buf_drop(&t->class);
}

/* Runs it and gives how it ended; a text of what came and of the error lives in the fixture's arena. */
struct done {
	enum engine_outcome outcome;
	struct str rows, text, class;
	int64_t count, inserted, updated, deleted;
	bool nowhere;
	int64_t steps[8];
	int nsteps;
};

UNUSED static struct done run_ask(const struct engine_ask *ask)
{
	struct told t;
	struct done d;

	begin_ask(&t, ask);
	wait_for(&t.ended);
	d = (struct done){t.outcome, arena_dup(&fx->arena, buf_str(&t.rows)), arena_dup(&fx->arena, buf_str(&t.text)),
			  arena_dup(&fx->arena, buf_str(&t.class)), t.count, t.inserted, t.updated, t.deleted, t.nowhere, {0}, t.nsteps};
	memcpy(d.steps, t.steps, sizeof(d.steps));
	finish(&t);
	return d;
}

UNUSED static struct done run(struct owned *o, const char *sql)
{
	struct engine_ask ask = ask_of(o, sql);

	return run_ask(&ask);
}

UNUSED static struct done change(struct owned *o, const char *sql, enum engine_counts counts)
{
	struct engine_ask ask = ask_of(o, sql);

	ask.writes = true;
	ask.counts = counts;
	return run_ask(&ask);
}

UNUSED static void must(struct done d)
{
	if (d.outcome != ENGINE_OK)
		print_error("%.*s: %.*s\n", SARG(d.class), SARG(d.text));
	assert_int_equal(d.outcome, ENGINE_OK);
}

UNUSED static void ddl(struct owned *o, const char *sql)
{
	must(change(o, sql, ENGINE_STATUS));
}

UNUSED static void insert(struct owned *o, const char *sql)
{
	must(change(o, sql, ENGINE_INSERTED));
}

UNUSED static void assert_rows(struct owned *o, const char *sql, const char *rows)
{
	struct done d = run(o, sql);

	must(d);
	if (!str_eq(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", rows)))
		print_error("%s gave %.*s\n", sql, SARG(d.rows));
	assert_true(str_eq(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", rows)));
}

/* --- a verb --- */
UNUSED static void begin_verb(struct told *t, struct owned *o, enum engine_catalog_verb verb, struct owned *to)
{
	*t = (struct told){0};
	assert_true(engine_catalog_run(&fx->c, o->k, verb, to ? to->k : NULL, &listener, t, &t->task));
}

struct listed {
	enum engine_outcome outcome;
	struct engine_table_info *v;
	int n;
	struct str text;
};

UNUSED static struct listed listed_of(struct told *t)
{
	struct listed l = {0};

	wait_for(&t->ended);
	l.outcome = t->outcome;
	l.text = arena_dup(&fx->arena, buf_str(&t->text));
	if (t->outcome == ENGINE_OK) {
		assert_int_equal(t->parts, 1);
		assert_true(engine_tables(&fx->c, arena_dup(&fx->arena, buf_str(&t->rows)), &l.v, &l.n));
	}
	finish(t);
	return l;
}

UNUSED static struct listed verb(struct owned *o, enum engine_catalog_verb v, struct owned *to)
{
	struct told t;

	begin_verb(&t, o, v, to);
	return listed_of(&t);
}

UNUSED static struct listed drop(struct owned *o)
{
	return verb(o, ENGINE_CATALOG_DROP, NULL);
}

/* --- the engine --- */
UNUSED static void limits_of(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)tenant;
	*ret = *(struct engine_limits *)arg;
}

UNUSED static void open_engine(void)
{
	struct engine_options o = {.max_workers = 2, .idle_ms = fx_idle_ms, .cancel_grace_ms = 5000, .uid_base = 640000, .limits = limits_of,
				   .arg = &fx->limits, .program = getenv("MAYFLY_BINARY")};

	assert_non_null(o.program);
	fx->loop = o.loop = exec_loop_open("engine");
	o.data_dir = str_of(fx->dir);
	fx->engine = engine_open(&fx->c, &o);
	assert_non_null(fx->engine);
	exec_loop_start(fx->loop);
}

UNUSED static int begin(void **state)
{
	(void)state;
	fx = calloc(1, sizeof(*fx));
	call_open(&fx->c, &fx->arena);
	pthread_mutex_init(&fx->lock, NULL);
	pthread_cond_init(&fx->changed, NULL);
	folder_make(fx->dir);
	assert_int_equal(chmod(fx->dir, 0711), 0);
	fx->limits = (struct engine_limits){.memory_bytes = 1LL << 31, .temp_bytes = 1 << 30, .threads = 2, .concurrent = CONCURRENT,
					    .queued = 100, .scripts = 3, .databases = 70};
	open_engine();
	return 0;
}

UNUSED static void on_stopped(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&fx->lock);
	fx->stopped = true;
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

UNUSED static void close_engine(void)
{
	fx->stopped = false;
	engine_stop(fx->engine, on_stopped, NULL);
	pthread_mutex_lock(&fx->lock);
	while (!fx->stopped)
		pthread_cond_wait(&fx->changed, &fx->lock);
	pthread_mutex_unlock(&fx->lock);
	exec_loop_stop(fx->loop);
	exec_loop_join(fx->loop);
	engine_close(fx->engine);
	exec_loop_close(fx->loop);
}

UNUSED static int end(void **state)
{
	(void)state;
	close_engine();
	folder_remove(fx->dir);
	arena_close(&fx->arena);
	free(fx);
	return 0;
}

#endif
