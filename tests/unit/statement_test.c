/* statement_test.c - the life of handles: states, deadlines, caps, results, races.
 *
 * Real workers of the mayfly binary named by MAYFLY_BINARY; time is turned by hand.
 */
#include "statement/statement.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "test.h"

struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct exec_pool *pool;
	struct kv *kv;
	struct lifecycle *lifecycle;
	struct engine *engine;
	struct statements *statements;
	struct statement_caps caps;
	struct lease session; /* an owner */
	char dir[64];
};

static void engine_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 2, .concurrent = 4, .queued = 10000};
}

static void caps_of(void *arg, struct str tenant, struct statement_caps *ret)
{
	(void)tenant;
	*ret = *(struct statement_caps *)arg;
}

static void nothing(struct lease *l)
{
	(void)l;
}

static const struct lease_kind session_kind = {"session", nothing, nothing, nothing, nothing};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine_options eo = {.max_workers = 2, .idle_ms = 1LL << 40, .cancel_grace_ms = 1LL << 40, .uid_base = 640000,
				    .limits = engine_limits, .program = getenv("MAYFLY_BINARY")};
	struct statement_options so = {.default_ttl_s = 3600, .max_ttl_s = 86400, .max_result_bytes = 64 << 20,
				       .max_part_rows = 10000, .memory_bytes = 1 << 20, .max_per_session = 1000, .cleanup_ms = 300000,
				       .caps = caps_of, .arg = &f->caps};

	assert_non_null(getenv("MAYFLY_BINARY")); /* else this program would be started as its own worker */
	call_open(&f->c, &f->arena);
	f->c.tenant = S("acme");
	f->caps = (struct statement_caps){1000000, 1LL << 40};
	strcpy(f->dir, "/tmp/mayfly-stmt-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->loop = eo.loop = so.loop = exec_loop_open("engine");
	f->pool = so.pool = exec_pool_open("pool", 2, 1000);
	f->kv = so.kv = kv_memory_open(1000000);
	f->lifecycle = so.lifecycle = lifecycle_open(&(struct lifecycle_options){.loop = f->loop, .tick_ms = 250, .batch = 1000});
	lease_init(&f->session, &session_kind);
	eo.data_dir = so.data_dir = str_of(f->dir);
	f->engine = so.engine = engine_open(&f->c, &eo);
	assert_non_null(f->engine);
	f->statements = statements_open(&f->c, &so);
	assert_non_null(f->statements);
	exec_loop_start(f->loop);
	*state = f;
	return 0;
}

static void stop_loop(void *loop)
{
	exec_loop_stop(loop);
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[128];

	statements_cancel_all(f->statements);
	engine_stop(f->engine, stop_loop, f->loop);
	exec_loop_join(f->loop);
	exec_pool_close(f->pool);
	statements_close(f->statements);
	engine_close(f->engine);
	f->kv->ops->close(f->kv);
	lifecycle_close(f->lifecycle);
	exec_loop_close(f->loop);
	arena_close(&f->arena);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

#define FOREVER "select count(*) from range(100000000) a, range(100000) b"

static struct stmt *submit(struct fixture *f, const struct stmt_ask *ask)
{
	struct stmt *st = NULL;

	assert_true(statement_submit(&f->c, f->statements, ask, &st));
	return st;
}

static struct stmt *submit_sql(struct fixture *f, const char *sql)
{
	return submit(f, &(struct stmt_ask){.sql = str_of(sql), .ttl_seconds = -1, .snowflake = true, .statements = 1});
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int fired, dropped;
};

static void fired(void *arg)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->fired++;
	pthread_mutex_unlock(&w->lock);
}

static void dropped(void *arg)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->dropped++;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static struct stmt_view wait_end(struct stmt *st)
{
	struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	struct stmt_view v;

	statement_watch(st, &(struct stmt_watch){.fn = fired, .drop = dropped, .arg = &w});
	pthread_mutex_lock(&w.lock);
	while (!w.dropped)
		pthread_cond_wait(&w.cond, &w.lock);
	assert_int_equal(w.fired, 1);
	pthread_mutex_unlock(&w.lock);
	statement_view(st, &v);
	return v;
}

static void expect_error(struct fixture *f, bool ok, enum err_kind kind)
{
	assert_false(ok);
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

static void a_result_is_there_until_its_ttl_and_then_known_to_be_gone(void **state)
{
	struct fixture *f = *state;
	struct stmt *st = submit(f, &(struct stmt_ask){.sql = S("select 40 + 2 as a"), .ttl_seconds = 100}), *again;
	struct stmt_view v = wait_end(st);
	struct str rows, handle = arena_dup(&f->arena, v.handle);

	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_true(v.expires_ms - v.completed_ms == 100000);
	assert_true(statement_part_plain(&f->c, st, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "{\"data\":[[42]]}");
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
	statement_cancel(free_run);
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
	struct stmt *kept[2], *more;

	f->caps.max_statements = 2;
	kept[0] = submit_sql(f, "select 1");
	kept[1] = submit_sql(f, "select 2");
	expect_error(f, statement_submit(&f->c, f->statements, &(struct stmt_ask){.sql = S("select 3"), .ttl_seconds = -1}, &more), ERR_TOO_MANY);
	assert_int_equal(wait_end(kept[0]).state, STMT_SUCCEEDED);
	assert_int_equal(wait_end(kept[1]).state, STMT_SUCCEEDED);
	statement_forget(kept[0]);
	more = submit_sql(f, "select 3");
	assert_int_equal(wait_end(more).state, STMT_SUCCEEDED);
	statement_unref(more);
	statement_unref(kept[0]);
	statement_unref(kept[1]);
}

static bool file_of(struct fixture *f, struct str handle)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/spool/%.*s", f->dir, SARG(handle));
	return access(path, F_OK) == 0;
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

		assert_true(statement_part_plain(&f->c, st, i, ENGINE_NATIVE, &text));
		assert_true(statement_part_info(st, i, &p));
		assert_true(str_starts(text, S("{\"data\":[[")));
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

/* --- named sessions --- */

#define SESSION "11111111-2222-4333-8444-555555555555"

static struct stmt_ask ask_in_session(struct fixture *f, const char *sql)
{
	return (struct stmt_ask){.sql = str_of(sql), .ttl_seconds = -1, .scope = {.session_id = S(SESSION), .owner = &f->session}};
}

static bool wait_spooled(struct stmt *st)
{
	struct stmt_part p = {.in_memory = true};
	struct stmt_view v;

	statement_view(st, &v);
	for (int tries = 0; tries < 1000 && p.in_memory; tries++) {
		usleep(10000);
		assert_true(statement_part_info(st, v.parts - 1, &p));
	}
	return !p.in_memory;
}

static void statements_end_and_are_forgotten_with_their_session(void **state)
{
	static const char *const texts[] = {FOREVER, "select 42", "select md5(i::varchar) from range(300000) t(i)"};
	enum { N = COUNT_OF(texts) };
	struct fixture *f = *state;
	struct stmt *v[N], *other = submit_sql(f, "select 1"), *found;
	struct statement_stats before, after;
	struct stmt_view view;

	assert_int_equal(wait_end(other).state, STMT_SUCCEEDED);
	statements_stats(f->statements, &before);
	for (int i = 0; i < N; i++) {
		struct stmt_ask ask = ask_in_session(f, texts[i]);

		v[i] = submit(f, &ask);
		assert_true(i == 0 || wait_end(v[i]).state == STMT_SUCCEEDED);
	}
	assert_true(wait_spooled(v[2]));
	statement_view(v[2], &view);
	assert_true(file_of(f, view.handle));
	assert_str_equal(view.session_id, SESSION);
	lease_end_owned(f->lifecycle, &f->session);
	assert_false(file_of(f, view.handle));
	for (int i = 0; i < N; i++) {
		statement_view(v[i], &view);
		assert_int_equal(view.state, i ? STMT_SUCCEEDED : STMT_CANCELED);
		assert_int_equal(view.parts, 0);
		expect_error(f, statement_find(&f->c, f->statements, view.handle, &found), ERR_NOT_FOUND);
		statement_unref(v[i]);
	}
	statements_stats(f->statements, &after);
	assert_int_equal(after.live, before.live);
	assert_int_equal(after.memory_bytes + after.spooled_bytes, before.memory_bytes); /* the other's may be spooled by now */
	statement_view(other, &view);
	assert_true(statement_find(&f->c, f->statements, view.handle, &found));
	statement_unref(found);
	statement_unref(other);
}

static void a_detached_statement_outlives_its_session(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = ask_in_session(f, "select 42");
	struct stmt *running, *done, *found;
	struct stmt_view v;
	struct str rows;

	ask.scope.detached = true;
	done = submit(f, &ask);
	ask.sql = S(FOREVER);
	running = submit(f, &ask);
	v = wait_end(done);
	lease_end_owned(f->lifecycle, &f->session);
	assert_true(statement_find(&f->c, f->statements, v.handle, &found));
	assert_true(statement_part_plain(&f->c, found, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "{\"data\":[[42]]}");
	assert_str_equal(v.session_id, SESSION);
	statement_view(running, &v);
	assert_true(v.state <= STMT_RUNNING);
	statement_forget(running);
	statement_unref(found);
	statement_unref(running);
	statement_unref(done);
}

static void a_session_that_has_ended_takes_no_statement(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = ask_in_session(f, "select 1");
	struct statement_stats stats;
	struct stmt *st;

	lease_end_owned(f->lifecycle, &f->session);
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_SESSION_CLOSED);
	ask.scope.detached = true;
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_SESSION_CLOSED);
	statements_stats(f->statements, &stats);
	assert_int_equal(stats.live, 0);
	assert_int_equal(stats.active, 0);
	assert_int_equal(stats.canceled, 0);
}

static void a_session_has_so_many_handles(void **state)
{
	enum { CAP = 1000 };
	struct fixture *f = *state;
	struct stmt_ask ask = ask_in_session(f, "select 1");
	struct stmt **items, *st, *first = NULL;
	struct stmt_filter filter = {.state = -1, .limit = CAP + 1, .session_id = S(SESSION)};
	struct str next;
	int n;

	ask.ttl_seconds = 100;
	for (int i = 0; i < CAP; i++) {
		st = submit(f, &ask);
		if (first)
			statement_unref(st);
		else
			first = st;
	}
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_TOO_MANY);
	statement_unref(submit_sql(f, "select 1")); /* outside of it there is room */
	assert_true(statement_list(&f->c, f->statements, &filter, &items, &n, &next));
	assert_int_equal(n, CAP);
	for (int i = 0; i < n; i++) {
		assert_int_equal(wait_end(items[i]).state, STMT_SUCCEEDED);
		statement_unref(items[i]);
	}
	statement_forget(first);
	statement_unref(first);
	statement_unref(submit(f, &ask));
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_TOO_MANY);
	filter.session_id = S("22222222-2222-4333-8444-555555555555");
	assert_true(statement_list(&f->c, f->statements, &filter, &items, &n, &next));
	assert_int_equal(n, 0);
	for (int tries = 0; tries < 1000 && !statements_idle(f->statements); tries++)
		usleep(10000);
	clock_advance(200000); /* what has expired is not counted */
	lifecycle_sweep_all(f->lifecycle);
	statement_unref(submit(f, &ask));
	lease_end_owned(f->lifecycle, &f->session);
}

struct racer {
	struct fixture *f;
	int bad;
};

/* Submits into the session until it has ended. */
static void *submit_until_closed(void *arg)
{
	struct racer *r = arg;
	struct stmt_ask ask = ask_in_session(r->f, "select 1");
	struct arena a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = S("acme");
	for (int i = 0; i < 100000; i++) {
		struct stmt *st;

		if (statement_submit(&c, r->f->statements, &ask, &st)) {
			statement_unref(st);
			continue;
		}
		if (c.err.kind == ERR_TOO_MANY) {
			call_forgive(&c);
			continue;
		}
		r->bad += c.err.kind != ERR_SESSION_CLOSED;
		arena_close(&a);
		return NULL;
	}
	r->bad++;
	arena_close(&a);
	return NULL;
}

static void a_session_ends_among_submits_and_nothing_is_left(void **state)
{
	enum { ROUNDS = 30, THREADS = 3 };
	struct fixture *f = *state;
	struct racer racers[THREADS];
	struct statement_stats stats;
	pthread_t threads[THREADS];

	for (int round = 0; round < ROUNDS; round++) {
		lease_init(&f->session, &session_kind);
		for (int i = 0; i < THREADS; i++) {
			racers[i] = (struct racer){f, 0};
			assert_int_equal(pthread_create(&threads[i], NULL, submit_until_closed, &racers[i]), 0);
		}
		usleep((unsigned)(round * 531 % 7000));
		lease_end_owned(f->lifecycle, &f->session);
		for (int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			assert_int_equal(racers[i].bad, 0);
		}
		statements_stats(f->statements, &stats);
		assert_int_equal(stats.live + stats.expired, 0);
		assert_int_equal(stats.memory_bytes + stats.spooled_bytes, 0);
	}
	assert_true(stats.submitted > ROUNDS * THREADS);
}

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
		statement_cancel(st);
		statement_view(st, &first);
		usleep(200);
		statement_view(st, &later);
		r->bad += first.state != later.state || (first.state != STMT_CANCELED && first.state != STMT_SUCCEEDED);
		r->bad += first.state == STMT_CANCELED && later.parts != 0;
		if (i % 5 == 0)
			statement_forget(st);
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
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(a_result_is_there_until_its_ttl_and_then_known_to_be_gone),
		CASE(a_running_statement_is_not_swept_but_timed_out),
		CASE(others_do_not_see_a_handle),
		CASE(a_request_id_runs_once),
		CASE(caps_refuse_and_lose_nothing),
		CASE(large_results_are_spooled_read_back_and_removed),
		CASE(a_list_pages_newest_first_without_gap_or_duplicate),
		CASE(statements_end_and_are_forgotten_with_their_session),
		CASE(a_detached_statement_outlives_its_session),
		CASE(a_session_that_has_ended_takes_no_statement),
		CASE(a_session_has_so_many_handles),
		CASE(a_session_ends_among_submits_and_nothing_is_left),
		CASE(a_cancel_and_a_result_never_overwrite_each_other),
		CASE(errors_are_told_in_both_surfaces_words),
		cmocka_unit_test(the_states_are_a_table),
	};

	return cmocka_run_group_tests_name("statement", tests, NULL, NULL);
}
