/* feed_test.c - rows into a session's table as the server sees it: put, full, room, and every way it ends.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include <dirent.h>

#include "engine_rig.h"
#include "worker_pid.h"

#define NAME "__eph_00000000000000000000000000000001"

static void on_room(void *arg)
{
	struct told *t = arg;

	assert_int_equal(t->ended, 0);
	tell(t, &t->rooms);
}

/* --- an engine with one catalog --- */
static void on_used(void *arg, const struct engine_usage *now)
{
	((struct fixture *)arg)->used = *now;
}

static int begin(void **state)
{
	struct fixture *f = fixture_open(1);
	struct engine_catalog_options k = {.tenant = S("acme"), .name = S(NAME), .used = on_used, .arg = f};

	signal(SIGPIPE, SIG_DFL); /* nothing here may depend on its being ignored */
	f->limits.concurrent = 4;
	make_engine(f, 2, 650000);
	f->catalog = engine_catalog_open(f->engine, &k);
	exec_loop_start(f->loop);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	if (!f->stopped.ended)
		stop_engine(f);
	engine_catalog_forget(f->catalog);
	engine_catalog_unref(f->catalog);
	close_engine(f);
	fixture_close(f);
	return 0;
}

static void run(struct fixture *f, struct told *t, const char *sql, bool writes)
{
	struct engine_ask ask = {.sql = str_of(sql), .tenant = S("acme"), .form = ENGINE_NATIVE, .first_part_bytes = 100000,
				 .catalog = f->catalog, .writes = writes, .counts = writes ? ENGINE_STATUS : ENGINE_ROWS};

	told_init(t);
	assert_true(engine_run(&f->c, f->engine, &ask, &listener, t, &t->task));
	expect_good_end(t);
}

static void execute(struct fixture *f, const char *sql)
{
	struct told t;

	run(f, &t, sql, true);
	told_drop(&t);
}

static void assert_rows(struct fixture *f, const char *sql, const char *rows)
{
	struct told t;

	run(f, &t, sql, false);
	assert_string_equal(buf_cstr(&t.rows), rows);
	told_drop(&t);
}

static bool try_ingest(struct fixture *f, struct told *t, const char *table)
{
	struct engine_ingest in = {.catalog = f->catalog, .table = str_of(table), .format = ENGINE_ROWS_NDJSON, .room = on_room};

	told_init(t);
	return engine_ingest(&f->c, f->engine, &in, &listener, t, &t->feed, &t->task);
}

static void ingest(struct fixture *f, struct told *t, const char *table)
{
	assert_true(try_ingest(f, t, table));
}

/* Puts all of it, waiting for room or for the end of the task. */
static void put_all(struct told *t, struct str bytes)
{
	while (bytes.n) {
		int rooms;
		size_t n;

		pthread_mutex_lock(&t->lock);
		rooms = t->rooms;
		pthread_mutex_unlock(&t->lock);
		n = engine_feed_put(t->feed, bytes);
		assert_true(n <= bytes.n);
		bytes = str_tail(bytes, n);
		if (n)
			continue;
		pthread_mutex_lock(&t->lock);
		while (t->rooms == rooms && !t->ended)
			pthread_cond_wait(&t->changed, &t->lock);
		pthread_mutex_unlock(&t->lock);
	}
}

static void put_rows(struct told *t, int from, int to, size_t piece)
{
	OWNS(buf) b = {0};

	for (int i = from; i < to; i++) {
		buf_fmt(&b, "{\"id\":%d,\"name\":\"the name of row number %d\"}\n", i, i);
		if (b.n >= piece) {
			put_all(t, buf_str(&b));
			buf_clear(&b);
		}
	}
	put_all(t, buf_str(&b));
}

static int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void nothing(void *arg)
{
	(void)arg;
}

/* What the loop still had to do is done. */
static void settle(struct fixture *f)
{
	exec_call(f->loop, nothing, NULL);
}

/* --- rows arrive --- */
static void a_million_bytes_and_more_pass_a_small_socket(void **state)
{
	struct fixture *f = *state;
	struct told t;
	static const size_t pieces[] = {1, 70000, 3000000};

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		int rows = pieces[i] == 1 ? 3000 : 300000;

		ingest(f, &t, "t");
		put_rows(&t, 0, rows, pieces[i]);
		engine_feed_end(t.feed, true);
		wait_for(&t, &t.ended);
		assert_int_equal(t.outcome, ENGINE_OK);
		assert_int_equal(t.count, rows);
		assert_int_equal(t.started, 1);
		told_drop(&t);
	}
	assert_rows(f, "SELECT count(*), sum(id) FROM t", "{\"data\":[[603000,\"90004198500\"]]}");
	settle(f);
	assert_int_equal(f->used.tables, 1);
	assert_int_equal(f->used.rows, 603000);
}

static void it_is_full_while_no_worker_reads(void **state)
{
	struct fixture *f = *state;
	struct told busy[2], t;
	OWNS(buf) b = {0};
	size_t taken = 0, n;

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 2; i++)
		ingest(f, &busy[i], "t"); /* and all places of uploads, half of all, wait for their rows */
	for (int i = 0; i < 2; i++)
		wait_for(&busy[i], &busy[i].started);
	ingest(f, &t, "t");
	while (b.n < 1000000)
		buf_lit(&b, "{\"id\":1,\"name\":\"abc\"}\n");
	while ((n = engine_feed_put(t.feed, buf_str(&b))) == b.n)
		taken += n;
	while ((n = engine_feed_put(t.feed, str_tail(buf_str(&b), n))) > 0)
		taken += n;
	assert_int_equal(engine_feed_put(t.feed, S("x")), 0);
	settle(f);
	assert_int_equal(t.rooms, 0);
	assert_int_equal(t.started, 0);
	engine_feed_end(busy[0].feed, true);
	wait_for(&t, &t.rooms);
	assert_int_equal(t.started, 1);
	engine_feed_end(t.feed, false);
	engine_feed_end(busy[1].feed, true);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_FAILED);
	wait_for(&busy[1], &busy[1].ended);
	assert_int_equal(busy[1].outcome, ENGINE_OK);
	wait_for(&busy[0], &busy[0].ended);
	told_drop(&busy[0]);
	told_drop(&busy[1]);
	told_drop(&t);
	assert_rows(f, "SELECT count(*) FROM t", "{\"data\":[[0]]}");
}

/* --- ends --- */
static void what_is_not_complete_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct told t;

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	ingest(f, &t, "t");
	put_rows(&t, 0, 100000, 50000);
	engine_feed_end(t.feed, false);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_FAILED);
	assert_string_equal(buf_cstr(&t.class), "Incomplete");
	told_drop(&t);
	assert_rows(f, "SELECT count(*) FROM t", "{\"data\":[[0]]}");
}

static void a_task_that_ended_early_takes_and_forgets(void **state)
{
	struct fixture *f = *state;
	struct told t;

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	for (int complete = 0; complete < 2; complete++) {
		ingest(f, &t, "t");
		put_all(&t, S("{\"id\":1}\n{\"id\":\"two\"}\n"));
		put_rows(&t, 0, 200000, 100000); /* while it ends */
		wait_for(&t, &t.ended);
		assert_int_equal(t.outcome, ENGINE_FAILED);
		assert_string_equal(buf_cstr(&t.class), "Mismatch");
		assert_string_equal(buf_cstr(&t.column), "id");
		assert_int_equal(t.row, 2);
		put_rows(&t, 0, 1000, 100);
		engine_feed_end(t.feed, complete);
		told_drop(&t);
	}
	ingest(f, &t, "nowhere");
	put_rows(&t, 0, 100000, 100000);
	engine_feed_end(t.feed, true);
	wait_for(&t, &t.ended);
	assert_string_equal(buf_cstr(&t.class), "Unknown Table");
	told_drop(&t);
	assert_rows(f, "SELECT count(*) FROM t", "{\"data\":[[0]]}");
}

static void a_cancel_ends_it_queued_or_running(void **state)
{
	struct fixture *f = *state;
	struct told t[3];

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 3; i++) {
		ingest(f, &t[i], "t");
		put_all(&t[i], S("{\"id\":1}\n"));
	}
	wait_for(&t[1], &t[1].started);
	for (int i = 2; i >= 0; i--) {
		engine_cancel(t[i].task);
		wait_for(&t[i], &t[i].ended);
		assert_int_equal(t[i].outcome, ENGINE_INTERRUPTED);
		assert_int_equal(engine_feed_put(t[i].feed, S("x")), 1);
		engine_feed_end(t[i].feed, true);
		told_drop(&t[i]);
	}
	assert_rows(f, "SELECT count(*) FROM t", "{\"data\":[[0]]}");
}

static void a_drop_ends_it(void **state)
{
	struct fixture *f = *state;
	struct told t[3], drop;

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 3; i++)
		ingest(f, &t[i], "t");
	wait_for(&t[1], &t[1].started);
	put_rows(&t[0], 0, 100000, 100000);
	told_init(&drop);
	assert_true(engine_catalog_run(&f->c, f->catalog, ENGINE_CATALOG_DROP, NULL, &listener, &drop, &drop.task));
	for (int i = 0; i < 3; i++) {
		wait_for(&t[i], &t[i].ended);
		assert_int_equal(t[i].outcome, ENGINE_GONE);
		engine_feed_end(t[i].feed, true);
		told_drop(&t[i]);
	}
	wait_for(&drop, &drop.ended);
	assert_int_equal(drop.outcome, ENGINE_OK);
	told_drop(&drop);
}

static void who_waits_for_room_is_told_of_the_end_too(void **state)
{
	struct fixture *f = *state;
	struct told t;
	OWNS(buf) b = {0};

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	ingest(f, &t, "t");
	wait_for(&t, &t.started);
	kill(worker_pid(), SIGSTOP); /* it reads nothing */
	while (b.n < 1000000)
		buf_lit(&b, "{\"id\":1,\"name\":\"abc\"}\n");
	while (engine_feed_put(t.feed, buf_str(&b)) > 0)
		;
	kill_worker();
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_LOST);
	assert_true(t.rooms > 0);
	assert_int_equal(engine_feed_put(t.feed, buf_str(&b)), b.n);
	engine_feed_end(t.feed, true);
	told_drop(&t);
}

static void a_killed_worker_ends_it(void **state)
{
	struct fixture *f = *state;
	struct told t;
	pid_t pid;

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	ingest(f, &t, "t");
	put_rows(&t, 0, 1000, 100);
	wait_for(&t, &t.started);
	pid = worker_pid();
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	put_rows(&t, 0, 200000, 100000); /* into nothing, and without a signal */
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_LOST);
	put_rows(&t, 0, 1000, 100);
	engine_feed_end(t.feed, true);
	told_drop(&t);
}

static void a_stopping_engine_ends_it(void **state)
{
	struct fixture *f = *state;
	struct told t[3];

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 3; i++)
		ingest(f, &t[i], "t");
	wait_for(&t[1], &t[1].started);
	engine_feed_end(t[0].feed, false);
	engine_cancel(t[1].task);
	stop_engine(f);
	for (int i = 0; i < 3; i++) {
		wait_for(&t[i], &t[i].ended);
		assert_int_not_equal(t[i].outcome, ENGINE_OK);
		if (i > 0)
			engine_feed_end(t[i].feed, i == 1);
		told_drop(&t[i]);
	}
}

static void no_descriptor_stays_open(void **state)
{
	struct fixture *f = *state;
	int before;

	execute(f, "CREATE TABLE t (id INTEGER, name VARCHAR)");
	settle(f);
	before = open_files();
	for (int i = 0; i < 5; i++) {
		struct told t[5], refused;

		for (int j = 0; j < 5; j++)
			ingest(f, &t[j], "t");
		assert_false(try_ingest(f, &refused, "t")); /* as many as there are places, and one more: that is all */
		assert_int_equal(f->c.err.kind, ERR_TOO_MANY);
		call_forgive(&f->c);
		for (int j = 0; j < 5; j++) {
			put_all(&t[j], j == 1 ? S("x\n") : S("{}\n"));
			engine_feed_end(t[j].feed, j < 2);
		}
		for (int j = 0; j < 5; j++) {
			wait_for(&t[j], &t[j].ended);
			assert_int_equal(t[j].outcome, j == 0 ? ENGINE_OK : ENGINE_FAILED);
			told_drop(&t[j]);
		}
	}
	settle(f);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_million_bytes_and_more_pass_a_small_socket, begin, end),
		cmocka_unit_test_setup_teardown(it_is_full_while_no_worker_reads, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_complete_is_not_kept, begin, end),
		cmocka_unit_test_setup_teardown(a_task_that_ended_early_takes_and_forgets, begin, end),
		cmocka_unit_test_setup_teardown(a_cancel_ends_it_queued_or_running, begin, end),
		cmocka_unit_test_setup_teardown(a_drop_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(who_waits_for_room_is_told_of_the_end_too, begin, end),
		cmocka_unit_test_setup_teardown(a_killed_worker_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(a_stopping_engine_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(no_descriptor_stays_open, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
