/* catalog_end_test.c - catalogs whose worker ends, or that are dropped. */
#include "catalog_rig.h"

/* --- one task --- */
static void begin_task(struct told *t, struct owned *o, const char *sql)
{
	struct engine_ask ask = ask_of(o, sql);

	begin_ask(t, &ask);
}

/* --- the engine --- */
static bool has_file(struct owned *o, const char *ends)
{
	return access(arena_fmt(&fx->arena, "%s/tenants/acme/sessions/%s.db%s", fx->dir, name_of(o), ends).p, F_OK) == 0;
}

static int workers(void)
{
	struct engine_report r;

	engine_report(fx->engine, &r);
	return r.workers;
}

#define LONG "select count(*) from range(100000000) a, range(100000) b"

/* --- the worker ends --- */
static void a_killed_worker_takes_memory_and_leaves_files(void **state)
{
	struct owned *memory[3], *file = open_catalog(true), *fresh = open_catalog(false);
	struct listed l;

	(void)state;
	for (int i = 0; i < 3; i++) {
		memory[i] = open_catalog(false);
		ddl(memory[i], "create table t as select 1 as x");
	}
	ddl(file, "create table Kept(x int, s varchar)");
	ddl(file, "create view v as select * from Kept");
	insert(file, "insert into kept values (7, 'seven')");
	kill_worker();
	for (int ms = 0; ms < WAIT_MS && workers() > 0; ms += 20)
		usleep(20000);
	for (int i = 0; i < 3; i++) {
		wait_for(&memory[i]->lost);
		assert_int_equal(run(memory[i], "select * from t").outcome, ENGINE_LOST);
		assert_false(engine_catalog_exists(memory[i]->k));
		assert_int_equal(drop(memory[i]).n, 0);
		assert_int_equal(memory[i]->lost, 1);
	}
	assert_int_equal(workers(), 0); /* none was started for those */
	assert_true(engine_catalog_exists(file->k));
	l = verb(file, ENGINE_CATALOG_TABLES, NULL);
	assert_int_equal(l.n, 1);
	assert_str_equal(l.v[0].name, "Kept");
	assert_int_equal(l.v[0].rows, 1);
	assert_rows(file, "select x from v", "[7]");
	insert(file, "insert into kept values (8, 'eight')");
	assert_int_equal(file->usage.rows, 2);
	assert_int_equal(file->usage.bytes, 18);
	assert_int_equal(file->lost, 0);
	ddl(fresh, "create table t as select 1 as x"); /* first used in the new worker */
	assert_int_equal(fresh->lost, 0);
	for (int i = 0; i < 3; i++)
		close_catalog(memory[i]);
	close_catalog(file);
	close_catalog(fresh);
}

/* As if it had been killed while it spilled. */
static void what_a_killed_worker_spilled_is_gone_with_it(void **state)
{
	static const char *const folders[] = {"tmp", "incoming"};
	struct owned *o = open_catalog(false);
	const char *paths[COUNT_OF(folders)];

	(void)state;
	ddl(o, "create table t as select 1 as x");
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		FILE *f;

		paths[i] = arena_fmt(&fx->arena, "%s/tenants/acme/%s/spilled", fx->dir, folders[i]).p;
		f = fopen(paths[i], "w");
		assert_non_null(f);
		fputs("planted-secret", f);
		fclose(f);
	}
	kill_worker();
	wait_for(&o->lost);
	for (int ms = 0; ms < WAIT_MS && workers() > 0; ms += 20)
		usleep(20000);
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		assert_int_not_equal(access(paths[i], F_OK), 0);
	close_catalog(o);
}

static void an_idle_worker_stays_for_memory_and_goes_without(void **state)
{
	struct owned *o = open_catalog(false), *p = open_catalog(true);

	(void)state;
	ddl(o, "create table t as select 1 as x");
	ddl(p, "create table t as select 2 as x");
	for (int i = 0; i < 3; i++) {
		struct told other;
		struct engine_ask ask = ask_of(NULL, "select 1");

		clock_advance(3600000);
		ask.tenant = S("other"); /* and no other tenant sends it away */
		begin_ask(&other, &ask);
		finish(&other);
	}
	usleep(1200000); /* two ticks of the engine, real ones */
	assert_int_equal(o->lost, 0);
	assert_rows(o, "select * from t", "[1]");
	assert_int_equal(drop(o).n, 1);
	clock_advance(3600000);
	for (int ms = 0; ms < WAIT_MS && workers() > 0; ms += 20)
		usleep(20000);
	assert_int_equal(workers(), 0);
	assert_int_equal(o->lost, 0);
	assert_rows(p, "select * from t", "[2]");
	close_catalog(o);
	close_catalog(p);
}

static void tenants_with_sessions_keep_their_workers(void **state)
{
	struct owned *a = open_in("a", false), *b = open_in("b", false), *all[2] = {a, b};
	struct engine_ask ask = ask_of(NULL, "select 1");
	struct told t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct engine_ask make = ask_of(all[i], "create table t as select 1 as x");

		make.tenant = i ? S("b") : S("a");
		make.writes = true;
		must(run_ask(&make));
	}
	ask.tenant = S("c");
	assert_false(engine_run(&fx->c, fx->engine, &ask, &listener, &t, &t.task));
	assert_int_equal(fx->c.err.kind, ERR_UNAVAILABLE);
	call_forgive(&fx->c);
	assert_int_equal(drop(a).n, 1);
	must(run_ask(&ask));
	assert_int_equal(a->lost + b->lost, 0);
	close_catalog(a);
	close_catalog(b);
}

/* --- dropping --- */
static void a_drop_gets_through_when_all_statements_are_long(void **state)
{
	struct owned *o = open_catalog(false), *other = open_catalog(true);
	struct told busy[CONCURRENT + 3], late;
	struct listed l;

	(void)state;
	ddl(o, "create table t as select * from range(10)");
	ddl(o, "create table u(i int)");
	ddl(other, "create table t as select * from range(10)");
	for (int i = 0; i < CONCURRENT + 3; i++)
		begin_task(&busy[i], NULL, LONG);
	begin_task(&late, o, "select 1");
	wait_for(&busy[CONCURRENT - 1].started);
	l = drop(o);
	assert_int_equal(l.outcome, ENGINE_OK);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[0].rows + l.v[1].rows, 10);
	assert_int_equal(l.v[0].error.n, 0);
	wait_for(&late.ended);
	assert_int_equal(late.outcome, ENGINE_GONE);
	finish(&late);
	l = verb(other, ENGINE_CATALOG_TABLES, NULL);
	assert_int_equal(l.v[0].rows, 10);
	assert_int_equal(drop(other).n, 1);
	assert_int_equal(drop(o).n, 0); /* again: nothing left */
	assert_false(engine_catalog_exists(o->k));
	for (int i = 0; i < CONCURRENT + 3; i++) {
		engine_cancel(busy[i].task);
		finish(&busy[i]);
	}
	assert_int_equal(run(o, "select 1").outcome, ENGINE_GONE);
	close_catalog(o);
	close_catalog(other);
}

static void a_drop_ends_what_runs_there_but_for_what_outlives_it(void **state)
{
	struct owned *o = open_catalog(true);
	struct engine_ask stays = ask_of(o, "select count(*), SYSTEM$WAIT(2) from t");
	struct told running, outlives;

	(void)state;
	ddl(o, "create table t as select * from range(10)");
	stays.outlives = true;
	begin_task(&running, o, "select count(*) from t, range(100000000) a, range(100000) b");
	begin_ask(&outlives, &stays);
	wait_for(&running.started);
	wait_for(&outlives.started);
	assert_true(has_file(o, ""));
	assert_int_equal(drop(o).n, 1);
	wait_for(&running.ended);
	assert_int_equal(running.outcome, ENGINE_GONE);
	wait_for(&outlives.ended);
	assert_true(outlives.outcome == ENGINE_OK || outlives.outcome == ENGINE_FAILED); /* it had begun, or not yet */
	finish(&running);
	finish(&outlives);
	assert_rows(NULL, "select 1", "[1]");
	assert_false(has_file(o, "") || has_file(o, ".wal"));
	close_catalog(o);
}

static void a_table_that_cannot_be_dropped_is_named_and_the_rest_is_gone(void **state)
{
	struct owned *o = open_catalog(false);
	struct engine_ask holds = ask_of(o, "create or replace table held as select SYSTEM$WAIT(60) as w");
	struct told holding;
	struct listed l;
	int survivors = 0;

	(void)state;
	ddl(o, "create table a as select * from range(3)");
	ddl(o, "create table held as select 1 as i");
	ddl(o, "create table z as select * from range(4)");
	holds.writes = holds.outlives = true;
	holds.counts = ENGINE_STATUS;
	begin_ask(&holding, &holds);
	wait_for(&holding.started);
	usleep(1500000); /* it has changed the table, and waits */
	l = drop(o);
	assert_int_equal(l.outcome, ENGINE_OK);
	assert_int_equal(l.n, 3);
	for (int i = 0; i < l.n; i++) {
		survivors += l.v[i].error.n > 0;
		assert_true((l.v[i].error.n > 0) == str_eq(l.v[i].name, S("held")));
	}
	assert_int_equal(survivors, 1);
	assert_int_equal(o->usage.tables, 1);
	assert_int_equal(run(o, "select 1").outcome, ENGINE_GONE);
	assert_true(engine_catalog_exists(o->k));
	engine_cancel(holding.task);
	finish(&holding);
	l = drop(o);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.v[0].error.n, 0);
	assert_int_equal(o->usage.tables, 0);
	close_catalog(o);
}

/* Whatever comes in between: every task ends once, and after the drop nothing is there. */
static void drops_race_statements(void **state)
{
	static const char *const texts[] = {"insert into t select * from range(1000)", "select count(*) from t",
					    "create or replace table u as select * from range(100)", "update t set range = 1",
					    "select count(*) from t, range(100000000) a, range(100000) b", "drop table if exists u"};
	enum { ROUNDS = 60, TASKS = 6 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct owned *o = open_catalog(round % 4 == 0);
		struct told t[TASKS];
		struct listed l;

		if (round % 3)
			ddl(o, "create table t as select * from range(10)");
		for (int i = 0; i < TASKS; i++) {
			struct engine_ask ask = ask_of(o, texts[(round + i) % COUNT_OF(texts)]);

			ask.writes = !str_starts(ask.sql, S("select"));
			ask.counts = ask.writes ? ENGINE_STATUS : ENGINE_ROWS;
			begin_ask(&t[i], &ask);
		}
		if (round % 5)
			wait_for(&t[round % 2].started);
		l = drop(o);
		assert_int_equal(l.outcome, ENGINE_OK);
		for (int i = 0; i < l.n; i++)
			assert_int_equal(l.v[i].error.n, 0);
		for (int i = 0; i < TASKS; i++) {
			wait_for(&t[i].ended);
			assert_int_equal(t[i].ended, 1);
			assert_true(t[i].outcome == ENGINE_OK || t[i].outcome == ENGINE_FAILED || t[i].outcome == ENGINE_GONE);
			finish(&t[i]);
		}
		assert_int_equal(run(o, "select 1").outcome, ENGINE_GONE);
		assert_int_equal(o->lost, 0);
		assert_false(has_file(o, "") || has_file(o, ".wal"));
		close_catalog(o);
	}
	assert_int_equal(workers(), 1);
}

static void tables_that_refer_to_each_other_are_dropped(void **state)
{
	struct owned *o = open_catalog(false);
	struct listed l;

	(void)state;
	ddl(o, "create table a(i int primary key)");
	ddl(o, "create table b(i int primary key references a(i))");
	ddl(o, "create table c(i int references b(i))");
	insert(o, "insert into a values (1)");
	insert(o, "insert into b values (1)");
	l = drop(o);
	assert_int_equal(l.n, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(l.v[i].error.n, 0);
	close_catalog(o);
}

static void what_was_never_used_is_dropped_without_a_worker(void **state)
{
	struct owned *memory = open_catalog(false), *file = open_catalog(true);

	(void)state;
	assert_false(engine_catalog_exists(memory->k));
	assert_false(engine_catalog_exists(file->k));
	assert_int_equal(verb(memory, ENGINE_CATALOG_TABLES, NULL).n, 0);
	assert_int_equal(drop(memory).outcome, ENGINE_OK);
	assert_int_equal(drop(file).outcome, ENGINE_OK);
	assert_int_equal(workers(), 0);
	close_catalog(memory);
	close_catalog(file);
}

static void a_persistent_catalog_outlives_the_server_and_its_files_go_with_it(void **state)
{
	struct owned *o = open_catalog(true), *again;
	struct engine_catalog_options same = {.tenant = S("acme"), .persistent = true};

	(void)state;
	ddl(o, "create table t(i int primary key, s varchar)");
	insert(o, "insert into t select i, 'planted-secret-' || i from range(1000) t(i)");
	close_catalog(o);
	close_engine();
	assert_true(has_file(o, ""));
	open_engine();
	same.name = str_of(name_of(o));
	again = arena_zalloc(&fx->arena, sizeof(*again));
	memcpy(again->hex, o->hex, sizeof(o->hex));
	again->k = engine_catalog_open(fx->engine, &same);
	assert_true(engine_catalog_exists(again->k));
	assert_rows(again, "select count(*) from t", "[1000]");
	assert_int_equal(change(again, "insert into t values (5, '')", ENGINE_INSERTED).outcome, ENGINE_FAILED);
	assert_int_equal(drop(again).n, 1);
	assert_false(has_file(o, "") || has_file(o, ".wal"));
	close_catalog(again);
}

static void more_files_than_are_open_at_once(void **state)
{
	enum { N = 300 };
	struct owned **v = arena_alloc(&fx->arena, sizeof(struct owned *) * N);

	(void)state;
	for (int i = 0; i < N; i++) {
		v[i] = open_catalog(true);
		ddl(v[i], arena_fmt(&fx->arena, "create table t as select %d as i", i).p);
	}
	for (int i = 0; i < N; i++) {
		assert_rows(v[i], "select i from t", arena_fmt(&fx->arena, "[%d]", i).p);
		assert_rows(v[i], "select name from mayfly_tables()", "[\"t\"]");
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(drop(v[i]).n, 1);
		assert_false(has_file(v[i], "") || has_file(v[i], ".wal"));
		close_catalog(v[i]);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(a_killed_worker_takes_memory_and_leaves_files),
		CASE(what_a_killed_worker_spilled_is_gone_with_it),
		CASE(an_idle_worker_stays_for_memory_and_goes_without),
		CASE(tenants_with_sessions_keep_their_workers),
		CASE(a_drop_gets_through_when_all_statements_are_long),
		CASE(a_drop_ends_what_runs_there_but_for_what_outlives_it),
		CASE(a_table_that_cannot_be_dropped_is_named_and_the_rest_is_gone),
		CASE(drops_race_statements),
		CASE(tables_that_refer_to_each_other_are_dropped),
		CASE(what_was_never_used_is_dropped_without_a_worker),
		CASE(a_persistent_catalog_outlives_the_server_and_its_files_go_with_it),
		CASE(more_files_than_are_open_at_once),
	};

	return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
