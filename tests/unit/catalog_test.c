/* catalog_test.c - sessions' own databases in real workers: seen by their own session only, within limits, dropped once.
 *
 * Workers are processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include "catalog_rig.h"

/* --- seen by their own session only --- */
static void a_session_finds_its_tables_and_the_tenants(void **state)
{
	struct owned *o = open_catalog(false);

	(void)state;
	ddl(NULL, "create table base as select i as id, 'name ' || i as name from range(10) t(i)");
	ddl(o, "create table Mine(id int primary key, v varchar)");
	insert(o, "insert into mine values (1, 'a'), (2, 'b')");
	assert_rows(o, "select m.v, b.name from mine m join base b on b.id = m.id order by 1", "[\"a\",\"name 1\"],[\"b\",\"name 2\"]");
	assert_rows(o, arena_fmt(&fx->arena, "select count(*) from \"%s\".public.\"Mine\"", name_of(o)).p, "[2]");
	must(change(o, "update mine set v = 'c' where id = 2", ENGINE_UPDATED));
	must(change(o, "delete from mine where id = 1", ENGINE_DELETED));
	assert_rows(o, "select * from mine", "[2,\"c\"]");
	assert_rows(o, "select name from mayfly_tables()", "[\"Mine\"]");
	assert_rows(NULL, "select name from mayfly_tables()", "");
	assert_int_equal(run(NULL, "select * from mine").outcome, ENGINE_FAILED);
	assert_int_equal(drop(o).n, 1);
	close_catalog(o);
}

/* Everything that lists, or that guesses what was meant. */
static void two_sessions_do_not_see_each_other(void **state)
{
	static const char *const lists[] = {
		"select * from duckdb_tables()", "select * from duckdb_columns()", "select * from duckdb_constraints()",
		"select * from duckdb_sequences()", "select * from duckdb_schemas()", "select * from duckdb_databases()",
		"select * from duckdb_views()", "select * from duckdb_indexes()", "select * from information_schema.tables",
		"select * from information_schema.columns", "select * from information_schema.schemata",
		"select * from information_schema.table_constraints", "select * from pg_catalog.pg_class",
		"select * from pg_catalog.pg_namespace",
		"select * from pg_catalog.pg_tables", "select * from sqlite_master", "show tables", "show all tables", "show databases",
		"select * from pg_catalog.pg_sequences", "select * from pg_catalog.pg_attribute", "select name from mayfly_tables()"};
	static const char *const guesses[] = {
		"select * from secret_tabl", "select * from secret_tables", "insert into secret_tabl values (1)", "drop table secret_tabl",
		"select secret_column from secret_table", "describe secret_table", "select nextval('secret_sequence')",
		"select * from public.secret_table", "alter table secret_table add column x int", "select * from secret_vie",
		"select secret_macr(1)", "select null::secret_typ", "summarize secret_table", "comment on table secret_table is 'x'"};
	struct owned *a = open_catalog(false), *b = open_catalog(true);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct owned *o = i ? b : a;

		ddl(o, "create table secret_table(secret_column int primary key)");
		ddl(o, "create sequence secret_sequence");
		ddl(o, "create view secret_view as select * from secret_table");
		ddl(o, "create type secret_type as enum ('x')");
		ddl(o, "create macro secret_macro(x) as x + 1");
		ddl(o, "drop table secret_table cascade");
		ddl(o, "create table secret_table(secret_column int primary key)");
	}
	for (int i = 0; i < 3; i++) {
		struct owned *asks = i == 0 ? NULL : open_catalog(i == 2);

		for (size_t j = 0; j < COUNT_OF(lists); j++) {
			struct done d = run(asks, lists[j]);

			must(d);
			assert_int_equal(str_search(d.rows, S("secret")), d.rows.n);
			assert_int_equal(str_search(d.rows, str_of(a->hex)), d.rows.n);
			assert_int_equal(str_search(d.rows, str_of(b->hex)), d.rows.n);
		}
		for (size_t j = 0; j < COUNT_OF(guesses); j++) {
			struct done d = run(asks, guesses[j]);

			assert_int_equal(d.outcome, ENGINE_FAILED);
			assert_int_equal(str_search(d.text, str_of(a->hex)), d.text.n);
			assert_int_equal(str_search(d.text, str_of(b->hex)), d.text.n);
			assert_int_equal(str_search(d.text, S("Did you mean \"secret")), d.text.n);
			assert_int_equal(str_search(d.text, S("__eph_")), d.text.n);
		}
		if (asks)
			close_catalog(asks);
	}
	close_catalog(a);
	close_catalog(b);
}

/* --- limits --- */
static void a_change_beyond_a_limit_leaves_nothing(void **state)
{
	const struct engine_usage max = {2, 1000, 100000};
	struct owned *o = open_catalog(false);
	struct done d;

	(void)state;
	engine_catalog_limit(o->k, &max);
	ddl(o, "create table a(i bigint, s varchar)");
	insert(o, "insert into a select i, 'x' from range(900) t(i)");
	d = change(o, "insert into a select i, 'y' from range(101) t(i)", ENGINE_INSERTED);
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "rows");
	assert_str_equal(d.text, "tenants.session_rows: limit 1000, this statement would make it 1001");
	assert_rows(o, "select count(*) from a", "[900]");
	insert(o, "insert into a select i, 'y' from range(100) t(i)");
	d = change(o, "update a set s = repeat('z', 100)", ENGINE_UPDATED);
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "bytes");
	assert_rows(o, "select max(length(s)) from a", "[1]");
	must(change(o, "delete from a where i > 10", ENGINE_DELETED));
	d = change(o, "insert into a values (1, repeat('q', 200000))", ENGINE_INSERTED);
	assert_int_equal(d.outcome, ENGINE_FULL);
	ddl(o, "create table b as select 1 as x");
	d = change(o, "create table c as select 1 as x", ENGINE_STATUS);
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "tables");
	assert_rows(o, "select name from mayfly_tables() order by 1", "[\"a\"],[\"b\"]");
	ddl(o, "drop table b");
	ddl(o, "create table c as select 1 as x");
	d = change(o, "create or replace table c as select i from range(5000) t(i)", ENGINE_STATUS);
	assert_str_equal(d.class, "rows");
	assert_rows(o, "select * from c", "[1]");
	close_catalog(o);
}

static void usage_is_told_after_each_change(void **state)
{
	struct owned *o = open_catalog(false);

	(void)state;
	ddl(o, "create table a(i bigint, s varchar)");
	assert_int_equal(o->usage.tables, 1);
	insert(o, "insert into a values (1, 'abc'), (2, NULL)");
	assert_int_equal(o->usage.rows, 2);
	assert_int_equal(o->usage.bytes, 19);
	must(change(o, "update a set s = 'abcdef' where i = 1", ENGINE_UPDATED));
	assert_int_equal(o->usage.bytes, 22);
	insert(o, "insert into a select * from a");
	assert_int_equal(o->usage.rows, 4);
	assert_int_equal(o->usage.bytes, 44);
	must(change(o, "delete from a", ENGINE_DELETED));
	assert_int_equal(o->usage.rows, 0);
	assert_int_equal(o->usage.bytes, 0);
	ddl(o, "create table rowids(rowid bigint)");
	insert(o, "insert into rowids values (5)");
	insert(o, "insert into rowids values (6)");
	assert_int_equal(o->usage.rows, 2);
	assert_int_equal(change(o, "insert into a values ('x', 'y')", ENGINE_INSERTED).outcome, ENGINE_FAILED);
	ddl(o, "alter table a rename to \"The Second\"");
	assert_rows(o, "select name from mayfly_tables() order by 1", "[\"The Second\"],[\"rowids\"]");
	assert_int_equal(o->usage.tables, 2);
	ddl(o, "create view seen as select * from rowids");
	ddl(o, "create temp table passing(i int)");
	assert_int_equal(o->usage.tables, 2);
	must(change(o, "vacuum", ENGINE_STATUS));
	must(change(o, "truncate rowids", ENGINE_DELETED));
	assert_int_equal(o->usage.rows, 0);
	close_catalog(o);
}

static void writers_at_once_keep_the_count(void **state)
{
	struct owned *o = open_catalog(false);
	struct told t[40];

	(void)state;
	ddl(o, "create table a(i bigint)");
	for (int i = 0; i < 40; i++) {
		struct engine_ask ask = ask_of(o, i % 4 ? "insert into a select * from range(100)"
							: "create or replace table b as select 1 as x");

		ask.writes = true;
		ask.counts = i % 4 ? ENGINE_INSERTED : ENGINE_STATUS;
		begin_ask(&t[i], &ask);
	}
	for (int i = 0; i < 40; i++) {
		wait_for(&t[i].ended);
		assert_true(t[i].outcome == ENGINE_OK || i % 4 == 0); /* two replacing at once: one may fail */
		finish(&t[i]);
	}
	assert_rows(o, "select count(*) from a", "[3000]");
	must(change(o, "delete from b", ENGINE_DELETED));
	assert_int_equal(o->usage.rows, 3000);
	assert_int_equal(o->usage.tables, 2);
	close_catalog(o);
}

/* --- fork --- */
static void a_fork_has_the_same_and_goes_its_own_way(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct owned *a = open_catalog(i), *b = open_catalog(i);
		struct listed l;

		ddl(a, "create table \"T\"(i int primary key, s varchar)");
		ddl(a, "create view v as select count(*) as n from t");
		insert(a, "insert into t values (1, 'one'), (2, 'two')");
		l = verb(a, ENGINE_CATALOG_FORK, b);
		assert_int_equal(l.outcome, ENGINE_OK);
		assert_int_equal(l.n, 1);
		assert_str_equal(l.v[0].name, "T");
		assert_int_equal(l.v[0].rows, 2);
		assert_int_equal(b->usage.rows, 2);
		insert(b, "insert into t values (3, 'three')");
		assert_int_equal(change(b, "insert into t values (1, 'again')", ENGINE_INSERTED).outcome, ENGINE_FAILED);
		assert_rows(a, "select count(*) from t", "[2]");
		assert_int_equal(drop(a).n, 1);
		assert_rows(b, "select n from v", "[3]");
		assert_int_equal(drop(b).n, 1);
		close_catalog(a);
		close_catalog(b);
	}
}

static void a_fork_beyond_the_limits_leaves_nothing(void **state)
{
	const struct engine_usage max = {10, 5, 1 << 20};
	struct owned *a = open_catalog(false), *b = open_catalog(false);
	struct listed l;

	(void)state;
	ddl(a, "create table t as select * from range(6)");
	engine_catalog_limit(b->k, &max);
	l = verb(a, ENGINE_CATALOG_FORK, b);
	assert_int_equal(l.outcome, ENGINE_FULL);
	assert_int_equal(drop(b).n, 0);
	assert_int_equal(drop(a).n, 1);
	close_catalog(a);
	close_catalog(b);
}

/* --- many --- */
static int64_t rss_kb(pid_t pid)
{
	char path[64], line[256];
	long long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* MAYFLY_CATALOGS sets how many, for measurements. */
static void thousands_of_catalogs_are_small(void **state)
{
	int n = getenv("MAYFLY_CATALOGS") ? atoi(getenv("MAYFLY_CATALOGS")) : 1000;
	struct owned **v = arena_alloc(&fx->arena, sizeof(struct owned *) * (size_t)n);
	int64_t before, after, began, used;

	(void)state;
	ddl(NULL, "create table warm as select 1 as x");
	before = rss_kb(worker_pid());
	began = clock_mono_ms();
	for (int i = 0; i < n; i++) {
		v[i] = open_catalog(false);
		ddl(v[i], "create table t(id int, name varchar)");
		insert(v[i], "insert into t values (1, 'one'), (2, 'two')");
	}
	used = clock_mono_ms() - began;
	after = rss_kb(worker_pid());
	print_message("%d catalogs: %.1f KB each (%lld MB in all), %.2f ms each\n", n, (double)(after - before) / n,
		      (long long)after / 1024, (double)used / n);
	assert_true(SANITIZED || (after - before) / n < 200);
	began = clock_mono_ms();
	for (int i = 0; i < n; i++) {
		assert_int_equal(drop(v[i]).n, 1);
		close_catalog(v[i]);
	}
	print_message("dropped in %.2f ms each, %lld MB left\n", (double)(clock_mono_ms() - began) / n,
		      (long long)rss_kb(worker_pid()) / 1024);
}

/* --- lists on the wire --- */
static void a_list_of_tables_is_checked(void **state)
{
	static const char good[] = "\1\0\0\0\1\0\0\0t\5\0\0\0\0\0\0\0\0\0\0\0";
	static const char *const bad[] = {"\xff\xff\xff\xff", "\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0",
					  "\1\0\0\0\1\0\0\0\xff\5\0\0\0\0\0\0\0\0\0\0\0", "\1\0\0\0\1\0\0\0t\5\0\0\0\0\0\0\xff\0\0\0\0"};
	static const size_t lengths[] = {4, 20, 21, 21};
	struct engine_table_info *v;
	int n;

	(void)state;
	assert_true(engine_tables(&fx->c, str_from(good, 21), &v, &n));
	assert_int_equal(v[0].rows, 5);
	for (size_t i = 0; i < 21; i++) {
		assert_false(engine_tables(&fx->c, str_from(good, i), &v, &n));
		call_forgive(&fx->c);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(engine_tables(&fx->c, str_from(bad[i], lengths[i]), &v, &n));
		call_forgive(&fx->c);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(a_session_finds_its_tables_and_the_tenants),
		CASE(two_sessions_do_not_see_each_other),
		CASE(a_change_beyond_a_limit_leaves_nothing),
		CASE(usage_is_told_after_each_change),
		CASE(writers_at_once_keep_the_count),
		CASE(a_fork_has_the_same_and_goes_its_own_way),
		CASE(a_fork_beyond_the_limits_leaves_nothing),
		CASE(thousands_of_catalogs_are_small),
		CASE(a_list_of_tables_is_checked),
	};

	return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
