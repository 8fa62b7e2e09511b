/* statement_test.c - the life of handles: states, deadlines, caps, results, races.
 *
 * Real workers of the mayfly binary named by MAYFLY_BINARY; time is turned by hand.
 */
#include "statement_rig.h"

#include <pthread.h>

static void a_result_is_there_until_its_ttl_and_then_known_to_be_gone(void **state)
{
	struct fixture *f = *state;
	struct stmt *st = submit(f, &(struct stmt_ask){.sql = S("select 40 + 2 as a"), .ttl_seconds = 100}), *again;
	struct stmt_view v = wait_end(st);
	struct str rows, handle = arena_dup(&f->arena, v.handle);

	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_true(v.expires_ms - v.completed_ms == 100000);
	assert_true(statement_part_rows(&f->c, st, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "[42]");
	statement_unref(st);
	clock_advance(99000);
	lifecycle_sweep_all(f->lifecycle);
	assert_true(statement_find(&f->c, f->statements, handle, &again));
	statement_unref(again);
	clock_advance(1500);
	lifecycle_sweep_all(f->lifecycle);
	expect_error(f, statement_find(&f->c, f->statements, handle, &again), ERR_RESULT_EXPIRED);
	clock_advance(25 * 3600 * 1000);
	lifecycle_sweep_all(f->lifecycle);
	expect_error(f, statement_find(&f->c, f->statements, handle, &again), ERR_NOT_FOUND);
}

static void a_running_statement_is_not_swept_but_timed_out(void **state)
{
	struct fixture *f = *state;
	struct stmt *free_run = submit_sql(f, FOREVER);
	struct stmt *timed = submit(f, &(struct stmt_ask){.sql = S(FOREVER), .ttl_seconds = 1, .timeout_ms = 5000});
	struct stmt_view v;

	clock_advance(4000);
	lifecycle_sweep_all(f->lifecycle);
	statement_view(timed, &v);
	assert_true(v.state <= STMT_RUNNING);
	clock_advance(1500);
	lifecycle_sweep_all(f->lifecycle);
	statement_view(timed, &v);
	assert_int_equal(v.state, STMT_FAILED);
	assert_int_equal(v.error->kind, ERR_STATEMENT_TIMEOUT);
	assert_string_equal(v.error->native, "000630");
	clock_advance(1000000000);
	lifecycle_sweep_all(f->lifecycle);
	statement_view(free_run, &v);
	assert_true(v.state <= STMT_RUNNING);
	statement_unref(timed);
	statement_cancel_soon(free_run);
	statement_unref(free_run);
}

static void others_do_not_see_a_handle(void **state)
{
	struct fixture *f = *state;
	struct stmt *st, *seen;
	struct stmt_view v;

	f->c.principal = S("ann");
	st = submit_sql(f, "select 1");
	v = wait_end(st);
	f->c.principal = S("bob");
	expect_error(f, statement_find(&f->c, f->statements, v.handle, &seen), ERR_NOT_FOUND);
	f->c.role = ROLE_ADMIN;
	assert_true(statement_find(&f->c, f->statements, v.handle, &seen));
	statement_unref(seen);
	f->c.tenant = S("other");
	expect_error(f, statement_find(&f->c, f->statements, v.handle, &seen), ERR_NOT_FOUND);
	statement_unref(st);
}

static void a_request_id_runs_once(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = {.sql = S("create table once (i int)"), .snowflake = true, .ttl_seconds = -1, .request_id = S("r-1")};
	struct stmt *first = submit(f, &ask), *second;

	ask.retry = true;
	second = submit(f, &ask);
	assert_ptr_equal(first, second);
	assert_int_equal(wait_end(second).state, STMT_SUCCEEDED);
	statement_unref(second);
	ask.retry = false; /* without retry it is a new one */
	second = submit(f, &ask);
	assert_ptr_not_equal(first, second);
	assert_int_equal(wait_end(second).state, STMT_FAILED);
	statement_unref(first);
	statement_unref(second);
}

static void caps_refuse_and_lose_nothing(void **state)
{
	struct fixture *f = *state;
	const struct stmt_ask third = {.sql = S("select 3"), .ttl_seconds = -1};
	struct stmt *kept[2], *more;

	f->caps.max_statements = 2;
	kept[0] = submit_sql(f, "select 1");
	kept[1] = submit_sql(f, "select 2");
	expect_error(f, statement_submit(&f->c, f->statements, &third, &more), ERR_TOO_MANY);
	assert_int_equal(wait_end(kept[0]).state, STMT_SUCCEEDED);
	assert_int_equal(wait_end(kept[1]).state, STMT_SUCCEEDED);
	statement_forget_soon(kept[0]);
	more = submit_sql(f, "select 3");
	assert_int_equal(wait_end(more).state, STMT_SUCCEEDED);
	statement_unref(more);
	statement_unref(kept[0]);
	statement_unref(kept[1]);
}

static void large_results_are_spooled_read_back_and_removed(void **state)
{
	struct fixture *f = *state;
	struct stmt *st = submit(f, &(struct stmt_ask){.sql = S("select md5(i::varchar) from range(300000) t(i)"), .ttl_seconds = 100});
	struct stmt_view v = wait_end(st);
	struct stmt_part p;
	int64_t rows = 0;
	bool spooled = false;

	assert_int_equal(v.state, STMT_SUCCEEDED);
	for (int tries = 0; tries < 1000 && !spooled; tries++) {
		usleep(10000);
		assert_true(statement_part_info(st, v.parts - 1, &p));
		spooled = !p.in_memory;
	}
	assert_true(spooled);
	assert_true(file_of(f, v.handle));
	for (int i = 0; i < v.parts; i++) {
		struct str text;

		assert_true(statement_part_rows(&f->c, st, i, ENGINE_NATIVE, &text));
		assert_true(statement_part_info(st, i, &p));
		assert_true(str_starts(text, S("[")));
		rows += p.rows;
	}
	assert_true(rows == 300000);
	clock_advance(200000);
	lifecycle_sweep_all(f->lifecycle);
	assert_false(file_of(f, v.handle));
	statement_unref(st);
}

static void a_list_pages_newest_first_without_gap_or_duplicate(void **state)
{
	enum { N = 57 };
	struct fixture *f = *state;
	struct stmt_filter filter = {.state = -1, .limit = 10};
	struct str before = S("~");
	int seen = 0;

	for (int i = 0; i < N; i++) {
		struct stmt *st = submit_sql(f, "select 1");

		wait_end(st);
		statement_unref(st);
	}
	do {
		struct stmt **items;
		struct str next;
		int n;

		assert_true(statement_list(&f->c, f->statements, &filter, &items, &n, &next));
		for (int i = 0; i < n; i++) {
			struct stmt_view v;

			statement_view(items[i], &v);
			assert_true(str_cmp(v.handle, before) < 0);
			before = arena_dup(&f->arena, v.handle);
			statement_unref(items[i]);
			seen++;
		}
		filter.after = next;
	} while (filter.after.n);
	assert_int_equal(seen, N);
	filter = (struct stmt_filter){.state = STMT_FAILED, .limit = 10};
	struct stmt **items;
	struct str next;
	int n;

	assert_true(statement_list(&f->c, f->statements, &filter, &items, &n, &next));
	assert_int_equal(n, 0);
}

struct racer {
	struct fixture *f;
	int bad;
};

/* Cancels at once: whichever of result and cancel is first stays, whatever comes later. */
static void *race(void *arg)
{
	struct racer *r = arg;
	struct arena a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = S("acme");
	for (int i = 0; i < 150; i++) {
		struct stmt_ask ask = {.sql = S("select 1"), .ttl_seconds = -1};
		struct stmt_view first, later;
		struct stmt *st;

		if (!statement_submit(&c, r->f->statements, &ask, &st)) {
			r->bad++;
			continue;
		}
		if (i % 3)
			usleep((unsigned)(i * 7 % 900));
		statement_cancel_soon(st);
		statement_view(st, &first);
		usleep(200);
		statement_view(st, &later);
		r->bad += first.state != later.state || (first.state != STMT_CANCELED && first.state != STMT_SUCCEEDED);
		r->bad += first.state == STMT_CANCELED && later.parts != 0;
		if (i % 5 == 0)
			statement_forget_soon(st);
		statement_unref(st);
	}
	arena_close(&a);
	return NULL;
}

static void a_cancel_and_a_result_never_overwrite_each_other(void **state)
{
	struct fixture *f = *state;
	struct racer racers[4] = {{f, 0}, {f, 0}, {f, 0}, {f, 0}};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 200; i++)
		lifecycle_sweep_all(f->lifecycle);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(racers[i].bad, 0);
	}
}

static void errors_are_told_in_both_surfaces_words(void **state)
{
	static const struct {
		const char *sql, *native, *sqlstate, *snowflake;
	} rows[] = {
		{"selec 1", "001003", "42000", "SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'."},
		{"select * from no_such", "002003", "42S02", "SQL compilation error:\nObject 'NO_SUCH' does not exist or not authorized."},
		{"select nope from range(1)", "000904", "42000", "SQL compilation error: error line 1 at position 7\ninvalid identifier 'NOPE'"},
		{"select 'abc'::number", "100038", "22018", "Numeric value 'abc' is not recognized"},
		{"select 1/0", "100051", "22012", "Division by zero"},
		{"commit", "391911", "0A000", "Command not supported by SQL API: COMMIT"},
		{"select ?", "002049", "42601", "SQL compilation error: error line 1 at position 7\nBind variable ? not set."},
		{"select 1; select 2", "000008", "0A000", "Actual statement count 2 did not match the desired statement count 1."},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stmt *st = submit_sql(f, rows[i].sql);
		struct stmt_view v = wait_end(st);

		assert_int_equal(v.state, STMT_FAILED);
		assert_string_equal(v.error->native, rows[i].native);
		assert_string_equal(v.error->sqlstate, rows[i].sqlstate);
		assert_str_equal(v.error->snowflake, rows[i].snowflake);
		statement_unref(st);
	}
}

static void the_states_are_a_table(void **state)
{
	struct buf b = {0};

	(void)state;
	fsm_print(stmt_fsm, STMT_STATES, &b);
	assert_string_equal(buf_cstr(&b), "SUBMITTED -> RUNNING | FAILED | CANCELED\n"
					  "RUNNING -> SUCCEEDED | FAILED | CANCELED\n"
					  "SUCCEEDED\nFAILED\nCANCELED\n");
	buf_drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_result_is_there_until_its_ttl_and_then_known_to_be_gone),
		CASE(a_running_statement_is_not_swept_but_timed_out),
		CASE(others_do_not_see_a_handle),
		CASE(a_request_id_runs_once),
		CASE(caps_refuse_and_lose_nothing),
		CASE(large_results_are_spooled_read_back_and_removed),
		CASE(a_list_pages_newest_first_without_gap_or_duplicate),
		CASE(a_cancel_and_a_result_never_overwrite_each_other),
		CASE(errors_are_told_in_both_surfaces_words),
		cmocka_unit_test(the_states_are_a_table),
	};

	return cmocka_run_group_tests_name("statement", tests, NULL, NULL);
}
