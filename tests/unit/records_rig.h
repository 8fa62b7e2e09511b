/* records_rig.h - an engine of records for tests, and batches in few words.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#ifndef MAYFLY_TEST_RECORDS_RIG_H
#define MAYFLY_TEST_RECORDS_RIG_H

#include "engine/engine.h"
#include "engine/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"
#include "worker_pid.h"

enum { RECORDS_WAIT_S = 120 };

struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	struct engine_limits limits;
	char dir[FOLDER_PATH_MAX];
};

/* What one batch told. */
struct told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct engine_task *task;
	struct engine_bytes *pieces[1024];
	int npieces;
	bool started, ended;
	enum engine_outcome outcome;
	int64_t rows;
	char class[64], text[512];
};

UNUSED static void on_started(void *arg)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->started = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

UNUSED static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
	assert_true(false); /* a batch of records has none */
}

UNUSED static void on_part(void *arg, const struct engine_part *p)
{
	struct told *t = arg;

	assert_false(p->gzip);
	pthread_mutex_lock(&t->lock);
	assert_true(t->npieces < 1024);
	t->pieces[t->npieces++] = p->bytes;
	pthread_mutex_unlock(&t->lock);
}

UNUSED static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

UNUSED static void on_ended(void *arg, const struct engine_end *end)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->ended = true;
	t->outcome = end->outcome;
	t->rows = end->rows;
	snprintf(t->class, sizeof(t->class), "%.*s", (int)(end->class.n), end->class.p ? end->class.p : "");
	snprintf(t->text, sizeof(t->text), "%.*s", (int)(end->text.n), end->text.p ? end->text.p : "");
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

UNUSED static void assert_outcome(const struct told *t, enum engine_outcome outcome)
{
	if (t->outcome != outcome)
		print_error("outcome %d: %s: %s\n", t->outcome, t->class, t->text);
	assert_int_equal(t->outcome, outcome);
}

UNUSED static void limits_of(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)tenant;
	*ret = *(struct engine_limits *)arg;
}

UNUSED static void open_engine(struct fixture *f)
{
	struct engine_options o = {.max_workers = 1, .idle_ms = 3600000, .cancel_grace_ms = 5000, .uid_base = 640000, .records = true,
				   .limits = limits_of, .arg = &f->limits, .program = getenv("MAYFLY_BINARY")};

	assert_non_null(getenv("MAYFLY_BINARY")); /* else this program would be started as its own worker */
	f->loop = exec_loop_open("records");
	o.loop = f->loop;
	o.data_dir = str_of(f->dir);
	f->engine = engine_open(&f->c, &o);
	assert_non_null(f->engine);
	exec_loop_start(f->loop);
}

UNUSED static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	call_open(&f->c, &f->arena);
	folder_make(f->dir);
	chmod(f->dir, 0711);
	f->limits = (struct engine_limits){.memory_bytes = 1LL << 30, .threads = 1, .concurrent = 3, .queued = 1000};
	open_engine(f);
	*state = f;
	return 0;
}

UNUSED static void on_stopped(void *arg)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->ended = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

UNUSED static void told_init(struct told *t)
{
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
}

UNUSED static void await(struct told *t, const bool *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RECORDS_WAIT_S;
	pthread_mutex_lock(&t->lock);
	while (!*what)
		assert_int_equal(pthread_cond_timedwait(&t->changed, &t->lock, &until), 0);
	pthread_mutex_unlock(&t->lock);
}

UNUSED static void stop_engine(struct fixture *f)
{
	struct told t;

	told_init(&t);
	engine_stop(f->engine, on_stopped, &t);
	await(&t, &t.ended);
	exec_loop_stop(f->loop);
	exec_loop_join(f->loop);
	engine_close(f->engine);
	exec_loop_close(f->loop);
}

UNUSED static int end(void **state)
{
	struct fixture *f = *state;

	stop_engine(f);
	folder_remove(f->dir);
	arena_close(&f->arena);
	free(f);
	return 0;
}

UNUSED static void told_drop(struct told *t)
{
	for (int i = 0; i < t->npieces; i++)
		engine_bytes_unref(t->pieces[i]);
	engine_task_unref(t->task);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
}

/* --- batches in few words --- */
#define INT(v) {.kind = ENGINE_CELL_INT, .integer = (v)}
#define REAL(v) {.kind = ENGINE_CELL_REAL, .real = (v)}
#define TEXT(v) {.kind = ENGINE_CELL_TEXT, .s = (v)}
#define BYTES(v) {.kind = ENGINE_CELL_BYTES, .s = (v)}
#define NONE {.kind = ENGINE_CELL_NULL}
#define STEP(text, cells) {.sql = S_INIT(text), .binds = (cells), .nbinds = COUNT_OF(cells)}
#define PLAIN(text) {.sql = S_INIT(text)}

UNUSED static void submit(struct fixture *f, struct told *t, const char *file, const struct engine_step *steps, int n, bool make)
{
	const struct engine_records_ask ask = {.file = str_of(file), .steps = steps, .nsteps = n, .make = make};

	told_init(t);
	assert_true(engine_records_run(&f->c, f->engine, &ask, &listener, t, &t->task));
}

UNUSED static void run(struct fixture *f, struct told *t, const char *file, const struct engine_step *steps, int n, bool make)
{
	submit(f, t, file, steps, n, make);
	await(t, &t->ended);
}

UNUSED static void run_ok(struct fixture *f, const char *file, const struct engine_step *steps, int n)
{
	struct told t;

	run(f, &t, file, steps, n, true);
	assert_outcome(&t, ENGINE_OK);
	told_drop(&t);
}

UNUSED static void one(struct fixture *f, const char *file, const char *sql)
{
	const struct engine_step s = {.sql = str_of(sql)};

	run_ok(f, file, &s, 1);
}

UNUSED static void expect(struct fixture *f, const char *file, const char *sql, const char *class)
{
	const struct engine_step s = {.sql = str_of(sql)};
	struct told t;

	run(f, &t, file, &s, 1, false);
	assert_outcome(&t, ENGINE_FAILED);
	assert_string_equal(t.class, class);
	told_drop(&t);
}

/* The first cell of the first row. */
static int64_t number(struct fixture *f, const char *file, const char *sql)
{
	const struct engine_step s = {.sql = str_of(sql)};
	struct engine_rows rows;
	struct told t;
	int64_t v;

	run(f, &t, file, &s, 1, false);
	assert_outcome(&t, ENGINE_OK);
	assert_int_equal(t.npieces, 1);
	assert_true(engine_rows(&f->c, engine_bytes_str(t.pieces[0]), &rows));
	assert_int_equal(rows.cells[0].kind, ENGINE_CELL_INT);
	v = rows.cells[0].integer;
	told_drop(&t);
	return v;
}

UNUSED static void path_of(const struct fixture *f, const char *name, char to[256])
{
	snprintf(to, 256, "%s/%s", f->dir, name);
}

UNUSED static bool exists(const struct fixture *f, const char *name)
{
	char path[256];

	path_of(f, name, path);
	return access(path, F_OK) == 0;
}

UNUSED static bool listed(struct fixture *f, const char *name, int of)
{
	struct str *v;
	bool found = false;
	int n;

	assert_true(engine_records_files(&f->c, f->engine, &v, &n));
	assert_int_equal(n, of);
	for (int i = 0; i < n; i++)
		found = found || str_eq(v[i], str_of(name));
	return found;
}

UNUSED static void drop(struct fixture *f, struct told *t, const char *file)
{
	told_init(t);
	assert_true(engine_records_run(&f->c, f->engine, &(struct engine_records_ask){.file = str_of(file), .drop = true}, &listener, t, &t->task));
}

#endif
