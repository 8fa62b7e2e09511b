/* engine_test.c - workers as the server sees them: run, cancel, lose, stop.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include "engine/engine.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	struct engine_limits limits;
	char dir[FOLDER_PATH_MAX];
};

/* What one task told, under a lock, since it comes on the loop. */
struct told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct engine_task *task;
	struct buf rows, columns, text, class;
	int started, parts, ended;
	enum engine_outcome outcome;
	int64_t count, position;
};

static void on_started(void *arg)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->started++;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
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
	t->ended++;
	t->outcome = end->outcome;
	t->count = end->rows;
	t->position = end->position;
	buf_add(&t->text, end->text);
	buf_add(&t->class, end->class);
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

static void limits_of(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)tenant;
	*ret = *(struct engine_limits *)arg;
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine_options o = {.max_workers = 2, .idle_ms = 3600000, .cancel_grace_ms = 5000, .uid_base = 640000,
				   .limits = limits_of, .arg = &f->limits, .program = getenv("MAYFLY_BINARY")};

	assert_non_null(getenv("MAYFLY_BINARY")); /* else this program would be started as its own worker */
	call_open(&f->c, &f->arena);
	folder_make(f->dir);
	f->limits = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 2, .concurrent = 2, .queued = 2};
	f->loop = exec_loop_open("engine");
	o.loop = f->loop;
	o.data_dir = str_of(f->dir);
	f->engine = engine_open(&f->c, &o);
	assert_non_null(f->engine);
	exec_loop_start(f->loop);
	*state = f;
	return 0;
}

struct stopped {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool yes;
};

static void on_stopped(void *arg)
{
	struct stopped *s = arg;

	pthread_mutex_lock(&s->lock);
	s->yes = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static int end(void **state)
{
	struct fixture *f = *state;
	struct stopped s = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

	engine_stop(f->engine, on_stopped, &s);
	pthread_mutex_lock(&s.lock);
	while (!s.yes)
		pthread_cond_wait(&s.cond, &s.lock);
	pthread_mutex_unlock(&s.lock);
	exec_loop_stop(f->loop);
	exec_loop_join(f->loop);
	engine_close(f->engine);
	exec_loop_close(f->loop);
	arena_close(&f->arena);
	folder_remove(f->dir);
	free(f);
	return 0;
}

static struct engine_ask ask_of(const char *sql)
{
	return (struct engine_ask){.sql = str_of(sql), .tenant = S("acme"), .form = ENGINE_NATIVE, .first_part_bytes = 100000};
}

static bool try_start(struct fixture *f, struct told *t, const struct engine_ask *ask)
{
	*t = (struct told){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	return engine_run(&f->c, f->engine, ask, &listener, t, &t->task);
}

static void start(struct fixture *f, struct told *t, const char *sql)
{
	struct engine_ask ask = ask_of(sql);

	assert_true(try_start(f, t, &ask));
}

static void wait_for(struct told *t, const int *what)
{
	pthread_mutex_lock(&t->lock);
	while (!*what)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static void finish(struct told *t)
{
	wait_for(t, &t->ended);
	engine_task_unref(t->task);
	buf_drop(&t->rows);
	buf_drop(&t->columns);
	buf_drop(&t->text);
	buf_drop(&t->class);
}

static void rows_and_columns_come_back(void **state)
{
	struct fixture *f = *state;
	struct engine_column *columns;
	struct told t;
	int n;

	start(f, &t, "select 42 as a, 'x' as b");
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_OK);
	assert_int_equal(t.started, 1);
	assert_str_equal(buf_str(&t.rows), "{\"data\":[[42,\"x\"]]}");
	assert_true(engine_columns(&f->c, buf_str(&t.columns), &columns, &n));
	assert_int_equal(n, 2);
	assert_str_equal(columns[0].name, "a");
	assert_int_equal(columns[0].kind, ENGINE_T_INT);
	finish(&t);
}

static void an_error_has_its_class_and_place(void **state)
{
	struct fixture *f = *state;
	struct told t;

	start(f, &t, "select * from nowhere");
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_FAILED);
	assert_str_equal(buf_str(&t.class), "Catalog");
	assert_int_equal(t.position, 14);
	finish(&t);
}

static void a_running_statement_is_canceled_and_its_worker_lives_on(void **state)
{
	struct fixture *f = *state;
	struct engine_report r;
	struct told t;

	start(f, &t, "select count(*) from range(100000000) a, range(100000) b");
	wait_for(&t, &t.started);
	engine_cancel(t.task);
	engine_cancel(t.task);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_INTERRUPTED);
	assert_int_equal(t.ended, 1);
	finish(&t);
	start(f, &t, "select 1");
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_OK);
	finish(&t);
	engine_report(f->engine, &r);
	assert_int_equal(r.started, 1);
	assert_int_equal(r.crashed, 0);
}

static void a_full_queue_refuses_and_a_queued_task_can_be_canceled(void **state)
{
	struct fixture *f = *state;
	struct told t[4], more;
	struct engine_ask ask = ask_of("select 1");

	for (int i = 0; i < 4; i++) /* two run, two wait */
		start(f, &t[i], "select count(*) from range(100000000) a, range(100000) b");
	wait_for(&t[0], &t[0].started);
	wait_for(&t[1], &t[1].started);
	assert_false(try_start(f, &more, &ask));
	assert_int_equal(f->c.err.kind, ERR_TOO_MANY);
	call_forgive(&f->c);
	for (int i = 3; i >= 0; i--)
		engine_cancel(t[i].task);
	for (int i = 0; i < 4; i++) {
		wait_for(&t[i], &t[i].ended);
		assert_int_equal(t[i].outcome, ENGINE_INTERRUPTED);
		finish(&t[i]);
	}
}

static pid_t parent_of(const char *pid)
{
	char path[300];
	FILE *f;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

/* The only child of this process. */
static pid_t worker_pid(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (ascii_digit(e->d_name[0]) && parent_of(e->d_name) == getpid())
			found = atoi(e->d_name);
	closedir(d);
	assert_true(found > 0);
	return found;
}

static void a_killed_worker_loses_what_ran_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct engine_report r;
	struct told lost, next;

	start(f, &next, "create table kept as select 7 as v");
	wait_for(&next, &next.ended);
	finish(&next);
	start(f, &lost, "select count(*) from range(100000000) a, range(100000) b");
	wait_for(&lost, &lost.started);
	kill(worker_pid(), SIGKILL);
	wait_for(&lost, &lost.ended);
	assert_int_equal(lost.outcome, ENGINE_LOST);
	finish(&lost);
	start(f, &next, "select v from kept");
	wait_for(&next, &next.ended);
	assert_int_equal(next.outcome, ENGINE_OK);
	assert_str_equal(buf_str(&next.rows), "{\"data\":[[7]]}");
	finish(&next);
	engine_report(f->engine, &r);
	assert_int_equal(r.crashed, 1);
	assert_int_equal(r.started, 2);
	assert_int_equal(r.running, 0);
}

static void a_stopped_worker_that_ignores_its_cancel_is_ended(void **state)
{
	struct fixture *f = *state;
	struct told t;
	pid_t pid;

	start(f, &t, "select count(*) from range(100000000) a, range(100000) b");
	wait_for(&t, &t.started);
	pid = worker_pid();
	kill(pid, SIGSTOP); /* hears nothing */
	engine_cancel(t.task);
	usleep(100000); /* the cancel has been sent: now its grace begins */
	clock_advance(6000);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_INTERRUPTED);
	finish(&t);
}

static void an_idle_worker_makes_room_and_busy_ones_do_not(void **state)
{
	static const char *const names[] = {"a", "b", "c"};
	struct fixture *f = *state;
	struct engine_ask ask = ask_of("select 1");
	struct told t, busy[2];

	for (int i = 0; i < 3; i++) { /* two places: the third sends an idle one away */
		ask.tenant = str_of(names[i]);
		assert_true(try_start(f, &t, &ask));
		wait_for(&t, &t.ended);
		assert_int_equal(t.outcome, ENGINE_OK);
		finish(&t);
	}
	ask.sql = S("select count(*) from range(100000000) a, range(100000) b");
	for (int i = 0; i < 2; i++) {
		ask.tenant = str_of(names[i]);
		assert_true(try_start(f, &busy[i], &ask));
		wait_for(&busy[i], &busy[i].started);
	}
	ask.tenant = S("c");
	assert_false(try_start(f, &t, &ask));
	assert_int_equal(f->c.err.kind, ERR_UNAVAILABLE);
	call_forgive(&f->c);
	for (int i = 0; i < 2; i++) {
		engine_cancel(busy[i].task);
		finish(&busy[i]);
	}
}

static void a_large_statement_travels_in_a_memfd(void **state)
{
	struct fixture *f = *state;
	struct buf sql = {0};
	struct told t;

	buf_lit(&sql, "select length('");
	for (int i = 0; i < 1000000; i++)
		buf_addc(&sql, 'x');
	buf_lit(&sql, "') as n");
	start(f, &t, buf_cstr(&sql));
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_OK);
	assert_str_equal(buf_str(&t.rows), "{\"data\":[[1000000]]}");
	finish(&t);
	buf_drop(&sql);
}

static void thousands_of_columns_come_in_a_memfd(void **state)
{
	struct fixture *f = *state;
	struct engine_column *columns;
	struct buf sql = {0};
	struct told t;
	int n;

	buf_lit(&sql, "select 0 as a0");
	for (int i = 1; i < 5000; i++)
		buf_fmt(&sql, ", %d as a_column_of_some_name_%d", i, i);
	start(f, &t, buf_cstr(&sql));
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_OK);
	assert_true(engine_columns(&f->c, buf_str(&t.columns), &columns, &n));
	assert_int_equal(n, 5000);
	assert_str_equal(columns[4999].name, "a_column_of_some_name_4999");
	finish(&t);
	buf_drop(&sql);
}

static void a_large_result_comes_in_growing_parts(void **state)
{
	struct fixture *f = *state;
	struct engine_ask ask = ask_of("select i, 'row ' || i as s from range(200000) t(i)");
	struct told t;

	ask.max_part_rows = 10000;
	assert_true(try_start(f, &t, &ask));
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_OK);
	assert_int_equal(t.count, 200000);
	assert_true(t.parts >= 20);
	finish(&t);
	ask.max_result_bytes = 100000;
	assert_true(try_start(f, &t, &ask));
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_TOO_LARGE);
	finish(&t);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(rows_and_columns_come_back),
		CASE(an_error_has_its_class_and_place),
		CASE(a_running_statement_is_canceled_and_its_worker_lives_on),
		CASE(a_full_queue_refuses_and_a_queued_task_can_be_canceled),
		CASE(a_killed_worker_loses_what_ran_and_nothing_else),
		CASE(a_stopped_worker_that_ignores_its_cancel_is_ended),
		CASE(an_idle_worker_makes_room_and_busy_ones_do_not),
		CASE(a_large_statement_travels_in_a_memfd),
		CASE(thousands_of_columns_come_in_a_memfd),
		CASE(a_large_result_comes_in_growing_parts),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
