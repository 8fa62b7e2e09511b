/* engine_script_test.c - statements that share a connection, with real workers. */
#include "catalog_rig.h"

static struct engine_ask in_script(struct owned *o, uint64_t script, const char *sql)
{
	struct engine_ask ask = ask_of(o, sql);

	ask.script = script;
	ask.writes = true;
	ask.session_state = true;
	ask.counts = ENGINE_STATUS;
	return ask;
}

static struct done first(struct owned *o, uint64_t script, const char *sql)
{
	struct engine_ask ask = in_script(o, script, sql);

	ask.script_begins = true;
	return run_ask(&ask);
}

static struct done next(struct owned *o, uint64_t script, const char *sql)
{
	struct engine_ask ask = in_script(o, script, sql);

	return run_ask(&ask);
}

static struct done ddl_in(struct owned *o, uint64_t script, const char *sql)
{
	struct engine_ask ask = in_script(o, script, sql);

	ask.commits_before = true;
	return run_ask(&ask);
}

static struct done rows_in(uint64_t script, const char *sql)
{
	struct engine_ask ask = ask_of(NULL, sql);

	ask.script = script;
	return run_ask(&ask);
}

static void end_script(uint64_t script)
{
	engine_script_end(fx->engine, S("acme"), script);
}

static bool lane_is_free(uint64_t script)
{
	struct done d = first(NULL, script, "SELECT 1");

	end_script(script);
	return d.outcome == ENGINE_OK;
}

/* --- one connection --- */
static void a_script_keeps_its_connection(void **state)
{
	(void)state;
	must(first(NULL, 1, "CREATE TEMP TABLE t AS SELECT 7 AS a"));
	must(next(NULL, 1, "SET VARIABLE x = 5"));
	assert_str_equal(rows_in(1, "SELECT a + getvariable('x') FROM t").rows, "{\"data\":[[12]]}");
	assert_int_equal(run(NULL, "SELECT a FROM t").outcome, ENGINE_FAILED);
	end_script(1);
	assert_int_equal(next(NULL, 1, "SELECT a FROM t").outcome, ENGINE_LOST);
}

static void a_failure_leaves_the_connection(void **state)
{
	(void)state;
	must(first(NULL, 1, "CREATE TEMP TABLE t AS SELECT 7 AS a"));
	assert_int_equal(next(NULL, 1, "SELECT nope").outcome, ENGINE_FAILED);
	assert_str_equal(rows_in(1, "SELECT a FROM t").rows, "{\"data\":[[7]]}");
	end_script(1);
}

static void two_scripts_do_not_see_each_other(void **state)
{
	(void)state;
	must(first(NULL, 1, "CREATE TEMP TABLE t AS SELECT 1 AS a"));
	must(first(NULL, 2, "CREATE TEMP TABLE t AS SELECT 2 AS a"));
	assert_str_equal(rows_in(1, "SELECT a FROM t").rows, "{\"data\":[[1]]}");
	assert_str_equal(rows_in(2, "SELECT a FROM t").rows, "{\"data\":[[2]]}");
	end_script(1);
	assert_str_equal(rows_in(2, "SELECT a FROM t").rows, "{\"data\":[[2]]}");
	end_script(2);
}

static void only_so_many_scripts_are_open(void **state)
{
	struct engine_ask ask = in_script(NULL, 4, "SELECT 1");
	struct engine_task *task;
	struct told t = {0};

	(void)state;
	for (uint64_t i = 1; i <= 3; i++)
		must(first(NULL, i, "SELECT 1"));
	ask.script_begins = true;
	assert_false(engine_run(&fx->c, fx->engine, &ask, &listener, &t, &task));
	assert_int_equal(fx->c.err.kind, ERR_TOO_MANY);
	assert_true(strstr(fx->c.err.text, "open_scripts") != NULL);
	call_forgive(&fx->c);
	end_script(2);
	must(run(NULL, "SELECT 1")); /* behind the end, on the engine's loop */
	assert_true(lane_is_free(5));
	end_script(1);
	end_script(3);
}

/* --- transactions --- */
static void a_transaction_is_seen_when_it_is_committed(void **state)
{
	(void)state;
	ddl(NULL, "CREATE TABLE t (a INT)");
	must(first(NULL, 1, "BEGIN TRANSACTION"));
	must(next(NULL, 1, "BEGIN TRANSACTION"));
	must(next(NULL, 1, "INSERT INTO t VALUES (1), (2)"));
	assert_rows(NULL, "SELECT count(*) FROM t", "[0]");
	must(next(NULL, 1, "COMMIT"));
	must(next(NULL, 1, "COMMIT"));
	must(next(NULL, 1, "ROLLBACK"));
	assert_rows(NULL, "SELECT count(*) FROM t", "[2]");
	end_script(1);
}

static void what_is_open_at_the_end_is_rolled_back(void **state)
{
	(void)state;
	ddl(NULL, "CREATE TABLE t (a INT)");
	must(first(NULL, 1, "BEGIN"));
	must(next(NULL, 1, "INSERT INTO t VALUES (1)"));
	end_script(1);
	must(first(NULL, 2, "BEGIN"));
	must(next(NULL, 2, "INSERT INTO t VALUES (1)"));
	must(next(NULL, 2, "ROLLBACK"));
	must(next(NULL, 2, "INSERT INTO t VALUES (5)"));
	end_script(2);
	assert_rows(NULL, "SELECT * FROM t", "[5]");
}

static void ddl_commits_what_is_open(void **state)
{
	(void)state;
	ddl(NULL, "CREATE TABLE t (a INT)");
	must(first(NULL, 1, "BEGIN"));
	must(next(NULL, 1, "INSERT INTO t VALUES (1)"));
	must(ddl_in(NULL, 1, "CREATE TABLE u (a INT)"));
	must(next(NULL, 1, "INSERT INTO t VALUES (2)"));
	must(next(NULL, 1, "ROLLBACK")); /* there is none any more */
	assert_rows(NULL, "SELECT count(*) FROM t", "[2]");
	end_script(1);
}

static void a_conflict_is_tried_again_outside_of_a_transaction(void **state)
{
	struct engine_ask ask = ask_of(NULL, "UPDATE t SET a = a + 10");
	struct told t;

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT 1 AS a");
	must(first(NULL, 1, "BEGIN"));
	must(next(NULL, 1, "UPDATE t SET a = a + 1"));
	ask.writes = true;
	ask.counts = ENGINE_UPDATED;
	begin_ask(&t, &ask);
	wait_for(&t.started);
	must(next(NULL, 1, "COMMIT"));
	wait_for(&t.ended);
	assert_int_equal(t.outcome, ENGINE_OK);
	assert_int_equal(t.updated, 1);
	finish(&t);
	assert_rows(NULL, "SELECT a FROM t", "[12]");
	end_script(1);
}

static void a_conflict_inside_of_a_transaction_is_told(void **state)
{
	struct done d;

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT 1 AS a");
	must(first(NULL, 1, "BEGIN"));
	must(first(NULL, 2, "BEGIN"));
	must(next(NULL, 1, "UPDATE t SET a = 2"));
	d = next(NULL, 2, "UPDATE t SET a = 3");
	assert_int_equal(d.outcome, ENGINE_FAILED);
	assert_true(str_search(d.text, S("onflict")) < d.text.n);
	end_script(1);
	end_script(2);
}

/* --- in a session's catalog --- */
static void a_sessions_limits_hold_at_commit(void **state)
{
	struct engine_usage max = {10, 5, 1 << 20};
	struct owned *o = open_catalog(false);
	struct done d;

	(void)state;
	engine_catalog_limit(o->k, &max);
	ddl(o, "CREATE TABLE t (a INTEGER)");
	must(first(o, 1, "BEGIN"));
	must(next(o, 1, "INSERT INTO t VALUES (1), (2), (3)"));
	must(next(o, 1, "INSERT INTO t VALUES (4), (5), (6)"));
	d = next(o, 1, "COMMIT");
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "rows");
	assert_rows(o, "SELECT count(*) FROM t", "[0]");
	must(next(o, 1, "BEGIN"));
	must(next(o, 1, "INSERT INTO t VALUES (1), (2), (3)"));
	must(next(o, 1, "UPDATE t SET a = 9"));
	must(next(o, 1, "DELETE FROM t WHERE a = 10"));
	must(next(o, 1, "COMMIT"));
	assert_rows(o, "SELECT count(*), max(a) FROM t", "[3,9]");
	assert_int_equal(o->usage.tables, 1);
	assert_int_equal(o->usage.rows, 3);
	assert_int_equal(o->usage.bytes, 12);
	end_script(1);
	assert_int_equal(drop(o).outcome, ENGINE_OK);
	close_catalog(o);
}

static void a_dropped_session_takes_its_scripts_along(void **state)
{
	struct owned *o = open_catalog(true);

	(void)state;
	ddl(o, "CREATE TABLE t (a INTEGER)");
	must(first(o, 1, "BEGIN"));
	must(next(o, 1, "INSERT INTO t VALUES (1)"));
	assert_int_equal(drop(o).outcome, ENGINE_OK);
	assert_int_equal(next(o, 1, "COMMIT").outcome, ENGINE_GONE);
	end_script(1);
	must(run(NULL, "SELECT 1"));
	close_catalog(o);
}

/* --- cancel, death, idleness --- */
static void a_cancel_leaves_the_script_to_its_end(void **state)
{
	struct engine_ask ask = in_script(NULL, 1, "SELECT SYSTEM$WAIT(60)");
	struct told t;

	(void)state;
	must(first(NULL, 1, "CREATE TEMP TABLE t AS SELECT 7 AS a"));
	begin_ask(&t, &ask);
	wait_for(&t.started);
	engine_cancel(t.task);
	wait_for(&t.ended);
	assert_int_equal(t.outcome, ENGINE_INTERRUPTED);
	finish(&t);
	assert_str_equal(rows_in(1, "SELECT a FROM t").rows, "{\"data\":[[7]]}");
	end_script(1);
}

static void a_worker_that_dies_loses_its_scripts(void **state)
{
	struct engine_ask ask = in_script(NULL, 2, "SELECT SYSTEM$WAIT(60)");
	struct told t;

	(void)state;
	must(first(NULL, 1, "BEGIN"));
	must(first(NULL, 2, "BEGIN"));
	begin_ask(&t, &ask);
	wait_for(&t.started);
	kill_worker();
	wait_for(&t.ended);
	assert_int_equal(t.outcome, ENGINE_LOST);
	finish(&t);
	must(run(NULL, "SELECT 1")); /* another worker */
	assert_int_equal(next(NULL, 1, "SELECT 1").outcome, ENGINE_LOST);
	end_script(1);
	end_script(2);
	must(first(NULL, 3, "SELECT 1"));
	end_script(3);
}

static int begin_impatient(void **state)
{
	fx_idle_ms = 1;
	return begin(state);
}

static int end_impatient(void **state)
{
	fx_idle_ms = 60000;
	return end(state);
}

static void an_idle_script_keeps_its_worker(void **state)
{
	struct engine_report r;

	(void)state;
	must(first(NULL, 1, "CREATE TEMP TABLE t AS SELECT 7 AS a"));
	poll(NULL, 0, 1500); /* three looks at idleness */
	assert_str_equal(rows_in(1, "SELECT a FROM t").rows, "{\"data\":[[7]]}");
	engine_report(fx->engine, &r);
	assert_int_equal(r.started, 1);
	end_script(1);
	do {
		poll(NULL, 0, 20);
		engine_report(fx->engine, &r);
	} while (r.workers);
}

/* --- steps --- */
static void steps_and_their_statement_are_one(void **state)
{
	const struct engine_sql steps[] = {{S("DELETE FROM t"), ENGINE_DELETED}, {S("INSERT INTO u VALUES (1), (2)"), ENGINE_INSERTED}};
	struct engine_ask ask = ask_of(NULL, "INSERT INTO t SELECT * FROM range(5)");
	struct done d;

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT 1 AS a UNION ALL SELECT 2");
	ddl(NULL, "CREATE TABLE u (a INT)");
	ask.steps = steps;
	ask.nsteps = 2;
	ask.writes = true;
	ask.counts = ENGINE_INSERTED;
	d = run_ask(&ask);
	must(d);
	assert_int_equal(d.count, 5);
	assert_int_equal(d.inserted, 7);
	assert_int_equal(d.deleted, 2);
	assert_int_equal(d.nsteps, 2);
	assert_int_equal(d.steps[0], 2);
	assert_int_equal(d.steps[1], 2);
	ask.sql = S("INSERT INTO t SELECT CAST('x' AS INT)");
	assert_int_equal(run_ask(&ask).outcome, ENGINE_FAILED);
	assert_rows(NULL, "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM u)", "[5,2]");
}

static void steps_join_the_scripts_transaction(void **state)
{
	const struct engine_sql steps[] = {{S("DELETE FROM t"), ENGINE_DELETED}};
	struct engine_ask ask = in_script(NULL, 1, "INSERT INTO t SELECT * FROM range(5)");

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT 1 AS a");
	must(first(NULL, 1, "BEGIN"));
	ask.steps = steps;
	ask.nsteps = 1;
	ask.counts = ENGINE_INSERTED;
	must(run_ask(&ask));
	assert_rows(NULL, "SELECT count(*) FROM t", "[1]");
	must(next(NULL, 1, "COMMIT"));
	assert_rows(NULL, "SELECT count(*) FROM t", "[5]");
	end_script(1);
}

static void steps_keep_a_sessions_limits(void **state)
{
	const struct engine_sql steps[] = {{S("INSERT INTO t SELECT * FROM range(4)"), ENGINE_INSERTED}};
	struct engine_usage max = {10, 5, 1 << 20};
	struct owned *o = open_catalog(false);
	struct engine_ask ask = ask_of(o, "INSERT INTO t SELECT * FROM range(4)");
	struct done d;

	(void)state;
	engine_catalog_limit(o->k, &max);
	ddl(o, "CREATE TABLE t (a INTEGER)");
	ask.steps = steps;
	ask.nsteps = 1;
	ask.writes = true;
	ask.counts = ENGINE_INSERTED;
	d = run_ask(&ask);
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_rows(o, "SELECT count(*) FROM t", "[0]");
	ask.sql = S("INSERT INTO t VALUES (1)");
	must(run_ask(&ask));
	assert_int_equal(o->usage.rows, 5);
	assert_int_equal(drop(o).outcome, ENGINE_OK);
	close_catalog(o);
}

static void a_merge_tells_what_it_did(void **state)
{
	struct engine_ask ask = ask_of(NULL, "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.a = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET b = s.b "
					     "WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b) -- so");
	struct done d;

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT i AS a, 'old' AS b FROM range(3) r(i)");
	ddl(NULL, "CREATE TABLE s AS SELECT i AS a, 'new' AS b FROM range(6) r(i)");
	ask.writes = true;
	ask.counts = ENGINE_MERGED;
	d = run_ask(&ask);
	must(d);
	assert_int_equal(d.inserted, 3);
	assert_int_equal(d.updated, 2);
	assert_int_equal(d.deleted, 1);
	assert_int_equal(d.count, 6);
	assert_true(str_eq(d.rows, S("")));
}

static void further_rows_are_left_out(void **state)
{
	static const struct {
		int64_t max;
		const char *rows;
	} v[] = {{1, "[0]"}, {3, "[0],[1],[2]"}, {5, "[0],[1],[2],[3],[4]"}, {9, "[0],[1],[2],[3],[4]"}, {0, "[0],[1],[2],[3],[4]"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(v); i++) {
		struct engine_ask ask = ask_of(NULL, "SELECT * FROM range(5)");
		struct done d;

		ask.max_rows = v[i].max;
		d = run_ask(&ask);
		assert_str_equal(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", v[i].rows).p);
	}
	assert_rows(NULL, "SELECT 1", "[1]");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(a_script_keeps_its_connection),
		CASE(a_failure_leaves_the_connection),
		CASE(two_scripts_do_not_see_each_other),
		CASE(only_so_many_scripts_are_open),
		CASE(a_transaction_is_seen_when_it_is_committed),
		CASE(what_is_open_at_the_end_is_rolled_back),
		CASE(ddl_commits_what_is_open),
		CASE(a_conflict_is_tried_again_outside_of_a_transaction),
		CASE(a_conflict_inside_of_a_transaction_is_told),
		CASE(a_sessions_limits_hold_at_commit),
		CASE(a_dropped_session_takes_its_scripts_along),
		CASE(a_cancel_leaves_the_script_to_its_end),
		CASE(a_worker_that_dies_loses_its_scripts),
		cmocka_unit_test_setup_teardown(an_idle_script_keeps_its_worker, begin_impatient, end_impatient),
		CASE(steps_and_their_statement_are_one),
		CASE(steps_join_the_scripts_transaction),
		CASE(steps_keep_a_sessions_limits),
		CASE(a_merge_tells_what_it_did),
		CASE(further_rows_are_left_out),
	};

	return cmocka_run_group_tests_name("engine scripts", tests, NULL, NULL);
}
