/* statement_cache_test.c - results that are given again: when, to whom, and never a stale one.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include "statement_rig.h"

#include <stdatomic.h>

static uint64_t hits(struct fixture *f)
{
	struct statement_stats s;

	statements_stats(f->statements, &s);
	return s.cache_hits;
}

static struct stmt_ask plain(const char *sql)
{
	return (struct stmt_ask){.sql = str_of(sql), .ttl_seconds = -1, .snowflake = true, .statements = 1};
}

/* Runs it; was it answered by the cache? ret_rows: its first partition, in the call's arena. */
static bool answered(struct fixture *f, const struct stmt_ask *ask, struct str *ret_rows)
{
	uint64_t before = hits(f);
	struct stmt *st = submit(f, ask);
	struct stmt_view v = wait_end(st);

	if (v.state != STMT_SUCCEEDED)
		print_error("%.*s: %.*s\n", SARG(ask->sql), SARG(v.error->text));
	assert_int_equal(v.state, STMT_SUCCEEDED);
	if (ret_rows) {
		assert_true(statement_part_rows(&f->c, st, 0, v.form, ret_rows));
		*ret_rows = arena_dup(&f->arena, *ret_rows);
	}
	statement_unref(st);
	return hits(f) > before;
}

static bool hit(struct fixture *f, const char *sql)
{
	struct stmt_ask ask = plain(sql);

	return answered(f, &ask, NULL);
}

static void do_sql(struct fixture *f, const char *sql)
{
	assert_false(hit(f, sql));
}

static void assert_rows(struct fixture *f, const char *sql, const char *rows)
{
	struct stmt_ask ask = plain(sql);
	struct str got;

	answered(f, &ask, &got);
	assert_str_equal(got, rows);
}

static void make_table(struct fixture *f)
{
	do_sql(f, "create table t(a integer, b varchar)");
	do_sql(f, "insert into t select i, 'b' || i from range(10) r(i)");
}

static void the_same_select_is_answered_at_once(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = plain("select * from t where a >= 3 order by a");
	struct stmt *first, *second;
	struct stmt_view a, b;
	struct str x, y;

	make_table(f);
	first = submit(f, &ask);
	a = wait_end(first);
	second = submit(f, &ask);
	statement_view(second, &b); /* without waiting */
	assert_int_equal(b.state, STMT_SUCCEEDED);
	assert_int_equal(hits(f), 1);
	assert_false(str_eq(a.handle, b.handle));
	assert_true(str_eq(a.columns, b.columns) && a.columns.n > 0);
	assert_true(a.parts == b.parts && a.rows == b.rows && a.row_bytes == b.row_bytes && b.rows == 7);
	assert_true(statement_part_rows(&f->c, first, 0, a.form, &x) && statement_part_rows(&f->c, second, 0, b.form, &y));
	assert_true(str_eq(x, y));
	assert_true(statement_forget(&f->c, first)); /* the bytes are the second's, too */
	statement_unref(first);
	assert_true(statement_part_rows(&f->c, second, 0, b.form, &y));
	assert_str_equal(y, "[\"3\",\"b3\"],[\"4\",\"b4\"],[\"5\",\"b5\"],[\"6\",\"b6\"],[\"7\",\"b7\"],[\"8\",\"b8\"],[\"9\",\"b9\"]");
	statement_unref(second);
	assert_true(hit(f, "select * from t where a >= 3 order by a"));
}

static void results_of_several_partitions_are_kept_whole(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = plain("select i, 'text ' || i from range(30000) r(i)");
	struct stmt *st;
	struct stmt_view v;

	assert_false(answered(f, &ask, NULL));
	st = submit(f, &ask);
	v = wait_end(st);
	assert_int_equal(hits(f), 1);
	assert_int_equal(v.rows, 30000);
	assert_true(v.parts > 2);
	for (int i = 0; i < v.parts; i++) {
		struct str rows;

		assert_true(statement_part_rows(&f->c, st, i, v.form, &rows));
	}
	statement_unref(st);
}

/* Whatever may change what a SELECT sees. */
static void after_a_change_it_runs_again(void **state)
{
	static const struct {
		const char *sql, *rows;
	} changes[] = {
		{"insert into t values (100, 'x')", "[\"11\",\"145\"]"},
		{"update t set a = 0 where a = 100", "[\"11\",\"45\"]"},
		{"delete from t where b = 'x'", "[\"10\",\"45\"]"},
		{"create or replace table t as select 7 as a", "[\"1\",\"7\"]"},
		{"alter table t add column c integer", "[\"1\",\"7\"]"},
		{"create table other(a integer)", "[\"1\",\"7\"]"},
		{"drop table other", "[\"1\",\"7\"]"},
		{"truncate table t", "[\"0\",null]"},
	};
	struct fixture *f = *state;

	make_table(f);
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		hit(f, "select count(*), sum(a) from t");
		assert_true(hit(f, "select count(*), sum(a) from t"));
		do_sql(f, changes[i].sql);
		assert_rows(f, "select count(*), sum(a) from t", changes[i].rows);
	}
}

static void a_write_that_failed_counts_as_one(void **state)
{
	struct fixture *f = *state;
	struct stmt *st;

	make_table(f);
	hit(f, "select count(*) from t");
	assert_true(hit(f, "select count(*) from t"));
	st = submit_sql(f, "insert into t select error('no')::integer, 'x'");
	assert_int_equal(wait_end(st).state, STMT_FAILED);
	statement_unref(st);
	assert_false(hit(f, "select count(*) from t"));
	assert_true(hit(f, "select count(*) from t"));
}

/* While a write runs nothing is given and nothing kept. */
static void beside_a_write_that_runs_every_select_runs(void **state)
{
	struct fixture *f = *state;
	struct stmt *st;

	make_table(f);
	hit(f, "select count(*) from t");
	assert_true(hit(f, "select count(*) from t"));
	st = submit_sql(f, "insert into t select count(*), 'x' from range(100000000) a, range(100000) b");
	assert_false(hit(f, "select count(*) from t"));
	assert_false(hit(f, "select count(*) from t"));
	assert_true(statement_cancel(&f->c, st));
	wait_end(st);
	statement_unref(st);
	for (int tries = 0; !hit(f, "select count(*) from t"); tries++) /* the worker lets go of it soon */
		assert_true(tries < 10000);
}

static void each_context_has_results_of_its_own(void **state)
{
	struct fixture *f = *state;
	const struct stmt_bind one[] = {{.name = S("1"), .type = ENGINE_B_FIXED, .value = S("1")}}, two[] = {{.name = S("1"), .type = ENGINE_B_FIXED, .value = S("2")}},
			       text[] = {{.name = S("1"), .type = ENGINE_B_TEXT, .value = S("1")}};
	struct stmt_ask ask = plain("select ?, count(*) from range(5)"), other;

	ask.binds = one;
	ask.nbinds = 1;
	assert_false(answered(f, &ask, NULL));
	assert_true(answered(f, &ask, NULL));
#define OTHERWISE(change) \
	do { \
		other = ask; \
		change; \
		assert_false(answered(f, &other, NULL)); \
		assert_true(answered(f, &other, NULL)); \
		assert_true(answered(f, &ask, NULL)); \
	} while (0)
	OTHERWISE(other.binds = two);
	OTHERWISE(other.binds = text);
	OTHERWISE(other.parameters.timezone = S("Europe/Paris"));
	OTHERWISE(other.null_text = true);
	OTHERWISE(other.snowflake = false);
	OTHERWISE(other.sql = S("select ?, count(*) from range(6)"));
	OTHERWISE(other.read_only = true);
#undef OTHERWISE
	f->c.principal = S("bob");
	assert_false(answered(f, &ask, NULL));
	assert_true(answered(f, &ask, NULL));
	f->c.role = ROLE_ADMIN;
	assert_false(answered(f, &ask, NULL));
	f->c.tenant = S("globex");
	assert_false(answered(f, &ask, NULL));
	f->c = (struct call){.arena = &f->arena, .tenant = S("acme")};
	assert_true(answered(f, &ask, NULL));
	ask.no_cache = true;
	assert_false(answered(f, &ask, NULL));
}

static void what_may_differ_each_time_always_runs(void **state)
{
	static const char *const set_up[] = {
		"create sequence s",
		"create view wild as select a, random() as r from t",
		"create view outer_view as select * from wild",
		"create view by_clock as select current_date as d from t",
		"create macro wild_macro(x) as x + random()",
		"create macro late(x, y := now()) as y",
		"create macro wild_rows() as table select uuid() as u",
		"create table made(a integer, r double generated always as (random()))",
		"create table t2(a integer)",
	};
	static const char *const sql[] = {
		"select now() from t", "select random() from t", "select uuid() from t", "select gen_random_uuid() from t",
		"select current_date from t", "select current_timestamp from t", "select current_time from t", "select localtimestamp from t",
		"select today() from t", "select nextval('s') from t", "select age(timestamp '2020-01-01') from t",
		"select a from t order by random()", "select a from t where random() < 2", "select max(a) filter (where random() < 2) from t",
		"select a from t using sample 50%", "select (select max(random()) from t2) from t", "with w as (select uuid()) select * from w",
		"select sum(a) over (order by random()) from t",
		"select * from wild", "select a from outer_view", "select * from by_clock", "select wild_macro(a) from t",
		"select late(a) from t", "select * from wild_rows()", "select * from made", "select a from t limit (select random() * 3)::integer",
		"select list_transform([1, 2], x -> x + random()) from t", "select 1 union all select random()",
		"select table_name from information_schema.tables", "select count(*) from t, lateral (select random() where a > 0)",
	};
	struct fixture *f = *state;
	int ran = 0;

	make_table(f);
	for (size_t i = 0; i < COUNT_OF(set_up); i++)
		do_sql(f, set_up[i]);
	for (size_t i = 0; i < COUNT_OF(sql); i++) {
		struct stmt_ask ask = plain(sql[i]);

		for (int native = 0; native < 2; native++)
			for (int round = 0; round < 2; round++) {
				struct stmt *st = NULL;

				ask.snowflake = !native;
				if (statement_submit(&f->c, f->statements, &ask, &st)) /* else the gate has it */
					ran += wait_end(st).state == STMT_SUCCEEDED;
				else
					call_forgive(&f->c);
				statement_unref(st);
				if (hits(f))
					print_error("given again: %s\n", sql[i]);
				assert_int_equal(hits(f), 0);
			}
	}
	print_message("%d of %zu ran\n", ran, 4 * COUNT_OF(sql));
	assert_true(ran > 3 * (int)COUNT_OF(sql));
}

static void what_is_repeatable_is_found_to_be(void **state)
{
	static const char *const sql[] = {
		"select a, b from t", "select count(distinct a), max(b), sum(a) from t where b like 'b%'", "select a / 3, a % 2, mod(a, 2) from t",
		"select iff(a > 3, nvl(b, 'x'), zeroifnull(a)::varchar) from t", "with w as (select a from t) select * from w",
		"select * from calm", "select x.a from t x join t y on x.a = y.a", "select row_number() over (order by a) from t",
		"select a from t where a in (select max(a) from t)", "select * from range(5)", "select 1", "select upper(b) || '.' from t",
		"select a from t union all select a + 1 from t order by 1", "select case when a > 1 then date '2020-01-01' + a end from t",
		"select a from PUBLIC.t", "select a from MAYFLY.PUBLIC.t", "select to_char(a) from t", "select coalesce(b, 'x'), ifnull(b, 'y') from t",
	};
	struct fixture *f = *state;
	int ran = 0;

	make_table(f);
	do_sql(f, "create view calm as select a + 1 as x, lower(b) as y from t where a > 2");
	for (size_t i = 0; i < COUNT_OF(sql); i++) {
		struct stmt_ask ask = plain(sql[i]);
		struct stmt *st = submit(f, &ask);
		bool ok = wait_end(st).state == STMT_SUCCEEDED; /* not every function is there */

		statement_unref(st);
		if (!ok)
			continue;
		ran++;
		if (!hit(f, sql[i])) {
			print_error("not given again: %s\n", sql[i]);
			assert_true(false);
		}
	}
	assert_true(ran >= 16);
}

static void memory_is_bounded_and_the_oldest_goes(void **state)
{
	struct fixture *f = *state;
	char sql[128];

	for (int i = 0; i < 12; i++) { /* of some 8 MB each: zeros and ones do not compress to nothing */
		snprintf(sql, sizeof(sql), "select string_agg(md5((r.i * %d)::varchar), '') from range(500000) r(i)", i + 3);
		assert_false(hit(f, sql));
	}
	assert_true(hit(f, sql));
	assert_false(hit(f, "select string_agg(md5((r.i * 3)::varchar), '') from range(500000) r(i)"));
}

/* --- writers and readers at once --- */
struct race {
	struct fixture *f;
	atomic_int written;
	atomic_bool done;
	atomic_int stale, reads;
};

static int64_t count_now(struct race *r, struct call *c, const char *sql)
{
	struct stmt_ask ask = plain(sql);
	struct stmt_view v;
	struct str rows;
	struct stmt *st;
	int64_t n = -1;

	assert_true(statement_submit(c, r->f->statements, &ask, &st));
	v = wait_end(st);
	if (v.state == STMT_SUCCEEDED && v.columns.n && statement_part_rows(c, st, 0, v.form, &rows) && rows.n > 4)
		(void)!str_to_i64(str_head(str_tail(rows, 2), rows.n - 4), &n);
	statement_unref(st);
	return n;
}

static void *read_on(void *arg)
{
	struct race *r = arg;
	OWNS(arena) a = {0};

	while (!atomic_load(&r->done)) {
		int least = atomic_load(&r->written);
		struct call c;

		call_open(&c, &a);
		c.tenant = S("acme");
		if (count_now(r, &c, "select count(*) from raced") < least)
			atomic_fetch_add(&r->stale, 1);
		atomic_fetch_add(&r->reads, 1);
		arena_reset(&a);
	}
	return NULL;
}

static void no_reader_misses_what_was_acknowledged(void **state)
{
	enum { READERS = 3, ROWS = 150 };
	struct race r = {.f = *state};
	pthread_t threads[READERS];
	OWNS(arena) a = {0};

	do_sql(r.f, "create table raced(a integer)");
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
	for (int i = 0; i < ROWS; i++) {
		struct call c;

		call_open(&c, &a);
		c.tenant = S("acme");
		assert_int_equal(count_now(&r, &c, "insert into raced values (1)"), 1);
		atomic_store(&r.written, i + 1);
		for (int until = atomic_load(&r.reads) + i % 4; atomic_load(&r.reads) < until;) /* sometimes they are alone */
			sched_yield();
		arena_reset(&a);
	}
	atomic_store(&r.done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&r.stale), 0);
	assert_true(hits(r.f) > 0);
	assert_rows(r.f, "select count(*) from raced", "[\"150\"]");
}

static void without_the_option_nothing_is_kept(void **state)
{
	struct fixture *f = *state;
	struct statement_stats s;

	assert_false(hit(f, "select 1"));
	assert_false(hit(f, "select 1"));
	statements_stats(f->statements, &s);
	assert_int_equal(s.cache_misses, 0);
}

static int begin_cached(void **state)
{
	results_are_cached = true;
	return begin(state);
}

static int begin_plain(void **state)
{
	results_are_cached = false;
	return begin(state);
}

#define CACHED(name) cmocka_unit_test_setup_teardown(name, begin_cached, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED(the_same_select_is_answered_at_once),
		CACHED(results_of_several_partitions_are_kept_whole),
		CACHED(after_a_change_it_runs_again),
		CACHED(a_write_that_failed_counts_as_one),
		CACHED(beside_a_write_that_runs_every_select_runs),
		CACHED(each_context_has_results_of_its_own),
		CACHED(what_may_differ_each_time_always_runs),
		CACHED(what_is_repeatable_is_found_to_be),
		CACHED(memory_is_bounded_and_the_oldest_goes),
		CACHED(no_reader_misses_what_was_acknowledged),
		cmocka_unit_test_setup_teardown(without_the_option_nothing_is_kept, begin_plain, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
