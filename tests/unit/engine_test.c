/* engine_test.c - workers as the server sees them: run, cancel, lose, stop.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include <dirent.h>

#include "engine_rig.h"
#include "worker_pid.h"

static int begin(void **state)
{
	struct fixture *f = fixture_open(2);

	make_engine(f, 2, 640000);
	exec_loop_start(f->loop);
	*state = f;
	return 0;
}

static int end(void **state)
{
	close_engine(*state);
	fixture_close(*state);
	return 0;
}

static struct engine_ask ask_of(const char *sql)
{
	return (struct engine_ask){.sql = str_of(sql), .tenant = S("acme"), .form = ENGINE_NATIVE, .first_part_bytes = 100000};
}

static bool try_start(struct fixture *f, struct told *t, const struct engine_ask *ask)
{
	told_init(t);
	return engine_run(&f->c, f->engine, ask, &listener, t, &t->task);
}

static void start(struct fixture *f, struct told *t, const char *sql)
{
	struct engine_ask ask = ask_of(sql);

	assert_true(try_start(f, t, &ask));
}

static void finish(struct told *t)
{
	wait_for(t, &t->ended);
	told_drop(t);
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
	kill_worker();
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
