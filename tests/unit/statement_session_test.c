/* statement_session_test.c - statements inside named sessions: their life, caps, names, and what is told of them. */
#include "statement_rig.h"
#include "event_pages.h"

#include <pthread.h>

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
	for (int tries = 0; tries < 6000 && p.in_memory; tries++) {
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
	assert_true(statement_part_rows(&f->c, found, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "[42]");
	assert_str_equal(v.session_id, SESSION);
	statement_view(running, &v);
	assert_true(v.state <= STMT_RUNNING);
	statement_forget_soon(running);
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
	statement_forget_soon(first);
	statement_unref(first);
	statement_unref(submit(f, &ask));
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_TOO_MANY);
	filter.session_id = S("22222222-2222-4333-8444-555555555555");
	assert_true(statement_list(&f->c, f->statements, &filter, &items, &n, &next));
	assert_int_equal(n, 0);
	for (int tries = 0; tries < 6000 && !statements_idle(f->statements); tries++)
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
		lease_owner_init(&f->session);
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

#define HEX "0123456789abcdef0123456789abcdef"

static void no_text_names_the_catalog_of_a_session(void **state)
{
	static const struct {
		const char *raised, *shown;
	} rows[] = {
		{"table \"__eph_" HEX "\".public.\"t\" is gone", "table mutable.public.\"t\" is gone"},
		{"in __eph_" HEX ", in \"__eph_" HEX, "in mutable, in \"mutable"},
		{"__eph_" HEX "__eph_" HEX "_t", "__eph_" HEX "__eph_" HEX "_t"},
		{"all names that begin with __eph_ are reserved, say we", "all names that begin with __eph_ are reserved, say we"},
		{"\"__eph_0123\"", "\"__eph_0123\""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct stmt_bind bind = {.name = S("1"), .type = ENGINE_B_TEXT, .value = str_of(rows[i].raised)};
		struct stmt *st = submit(f, &(struct stmt_ask){.sql = S("select error(?)"), .ttl_seconds = -1, .binds = &bind, .nbinds = 1});
		struct stmt_view v = wait_end(st);

		assert_int_equal(v.state, STMT_FAILED);
		assert_str_equal(v.error->text, rows[i].shown);
		statement_unref(st);
	}
}

static void what_is_read_only_takes_one_select(void **state)
{
	static const char *const refused[] = {"create table t (i int)", "insert into t values (1)", "explain select 1",
					      "set timezone = 'UTC'",
					      "with x as (select 1) delete from t", "commit"};
	struct fixture *f = *state;
	struct stmt_ask ask = {.sql = S("with x as (select 42 as a) select a from x"), .ttl_seconds = -1, .read_only = true};
	struct stmt *st = submit(f, &ask);

	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	statement_unref(st);
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		ask.sql = str_of(refused[i]);
		expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_READ_ONLY);
	}
	ask.sql = S("select * from read_csv('/etc/passwd')");
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_NOT_ALLOWED);
	ask = (struct stmt_ask){.sql = S("create table t (i int)"), .ttl_seconds = -1, .read_only = true, .snowflake = true};
	st = submit(f, &ask);
	assert_int_equal(wait_end(st).error->kind, ERR_READ_ONLY);
	statement_unref(st);
}

static void names_of_sessions_are_refused_outside_of_them(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = {.sql = S("select 1 from mutable.public.\"__eph_" HEX "_t\""), .ttl_seconds = -1};
	struct stmt *st;

	assert_false(statement_submit(&f->c, f->statements, &ask, &st));
	assert_int_equal(f->c.err.position, 15);
	expect_error(f, false, ERR_NOT_ALLOWED);
	ask.snowflake = true;
	st = submit(f, &ask);
	assert_int_equal(wait_end(st).error->kind, ERR_NOT_ALLOWED);
	assert_int_equal(wait_end(st).error->position, 15);
	statement_unref(st);
	ask = (struct stmt_ask){.sql = S("select dateadd('day', 1, d), nvl(1, 2), (select a from read_csv('x')) from t"),
				.ttl_seconds = -1, .snowflake = true}; /* said of the rewritten text */
	st = submit(f, &ask);
	assert_int_equal(wait_end(st).error->kind, ERR_NOT_ALLOWED);
	assert_int_equal(wait_end(st).error->position, 56);
	statement_unref(st);
}

/* --- with a catalog of its own --- */

#define SESSION_HEX "11111111222243338444555555555555"
#define PHYSICAL "mutable.public.\"__eph_" SESSION_HEX "_t\""

static struct engine_catalog *catalog_open(struct fixture *f, const char *name)
{
	return engine_catalog_open(f->engine, &(struct engine_catalog_options){.tenant = S("acme"), .name = str_of(name)});
}

static void catalog_close(struct engine_catalog *k)
{
	engine_catalog_forget(k);
	engine_catalog_unref(k);
}

static struct stmt_view run_in(struct fixture *f, struct engine_catalog *k, const char *sql, bool snowflake)
{
	struct stmt_ask ask = ask_in_session(f, sql);
	struct stmt_view v;
	struct stmt *st;

	ask.scope.catalog = k;
	ask.snowflake = snowflake;
	st = submit(f, &ask);
	v = wait_end(st);
	statement_unref(st); /* the room has it still */
	return v;
}

static struct str rows_of(struct fixture *f, struct engine_catalog *k, const char *sql)
{
	struct stmt_ask ask = ask_in_session(f, sql);
	struct stmt *st;
	struct str rows;

	ask.scope.catalog = k;
	st = submit(f, &ask);
	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	assert_true(statement_part_rows(&f->c, st, 0, ENGINE_NATIVE, &rows));
	rows = arena_dup(&f->arena, rows);
	statement_unref(st);
	return rows;
}

static void assert_succeeds(struct fixture *f, const char *sql)
{
	struct stmt *st = submit_sql(f, sql);

	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	statement_unref(st);
}

static void a_session_sees_its_tables_by_both_names_and_the_tenants(void **state)
{
	struct fixture *f = *state;
	struct engine_catalog *k = catalog_open(f, "__eph_" SESSION_HEX), *other = catalog_open(f, "__eph_" HEX);
	struct stmt_ask ask = ask_in_session(f, "select * from mutable.public.\"__eph_" HEX "_t\"");
	struct stmt *st;

	assert_succeeds(f, "create table base (id int, word varchar)");
	assert_succeeds(f, "insert into base values (1, 'one')");
	assert_int_equal(run_in(f, k, "create table t (id int primary key, v varchar)", false).state, STMT_SUCCEEDED);
	assert_int_equal(run_in(f, k, "insert into " PHYSICAL " values (1, 'a')", true).state, STMT_SUCCEEDED);
	assert_int_equal(run_in(f, other, "create table t (id int)", false).state, STMT_SUCCEEDED);
	assert_str_equal(rows_of(f, k, "select t.v, word from t join base using (id)"), "[\"a\",\"one\"]");
	assert_str_equal(rows_of(f, k, "select v from " PHYSICAL), "[\"a\"]");
	ask.scope.catalog = k;
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_NOT_ALLOWED);
	ask.scope.share = true;
	st = submit(f, &ask);
	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	statement_unref(st);
	catalog_close(k);
	catalog_close(other);
}

static void errors_in_a_session_name_places_and_no_catalog(void **state)
{
	static const struct {
		const char *sql;
		bool snowflake;
		const char *at; /* where it says the fault is */
	} rows[] = {
		{"select nope from " PHYSICAL, false, "nope"},
		{"select 1 from " PHYSICAL " where nope = 1", false, "nope"},
		{"select nvl(1, 2) from " PHYSICAL " where nope = 1", true, "nope"},
		{"select 1 from " PHYSICAL " where v = = 2", false, "= 2"},
		{"select * from " PHYSICAL " x join missing using (id)", true, NULL},
		{"select * from mutable.public.missing", false, NULL},
		{"insert into " PHYSICAL " values (1, 'again')", false, NULL},
		{"insert into " PHYSICAL " values ('x', 'y')", true, NULL},
		{"insert into " PHYSICAL " values (5)", false, NULL},
		{"create table t (i int)", false, NULL},
		{"alter table " PHYSICAL " drop column nope", false, NULL},
		{"select * from t, " PHYSICAL " as t", false, NULL},
		{"select t.id from " PHYSICAL " as a, t as b", false, NULL},
		{"create view w as select nope from t", false, NULL},
		{"drop table missing", false, NULL},
		{"select * from tt", false, NULL},
	};
	struct fixture *f = *state;
	struct engine_catalog *k = catalog_open(f, "__eph_" SESSION_HEX), *other = catalog_open(f, "__eph_" HEX);

	assert_int_equal(run_in(f, k, "create table t (id int primary key, v varchar)", false).state, STMT_SUCCEEDED);
	assert_int_equal(run_in(f, k, "insert into t values (1, 'a')", false).state, STMT_SUCCEEDED);
	assert_int_equal(run_in(f, other, "create table missing (id int)", false).state, STMT_SUCCEEDED);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stmt_view v = run_in(f, k, rows[i].sql, rows[i].snowflake);

		assert_int_equal(v.state, STMT_FAILED);
		if (rows[i].at)
			assert_int_equal(v.error->position, strstr(rows[i].sql, rows[i].at) - rows[i].sql + 1);
		assert_int_equal(str_search(v.error->text, S("__eph_")), v.error->text.n);
		assert_int_equal(str_search(v.error->snowflake, S("__eph_")), v.error->snowflake.n);
	}
	catalog_close(k);
	catalog_close(other);
}

static void a_full_session_refuses_and_keeps_what_it_has(void **state)
{
	struct fixture *f = *state;
	struct engine_catalog *k = catalog_open(f, "__eph_" SESSION_HEX);
	struct stmt_view v;

	engine_catalog_limit(k, &(struct engine_usage){.tables = 1, .rows = 2, .bytes = 1 << 20});
	assert_int_equal(run_in(f, k, "create table t (id int)", false).state, STMT_SUCCEEDED);
	assert_int_equal(run_in(f, k, "insert into t values (1), (2)", false).state, STMT_SUCCEEDED);
	v = run_in(f, k, "insert into t values (3)", false);
	assert_int_equal(v.state, STMT_FAILED);
	assert_int_equal(v.error->kind, ERR_QUOTA);
	assert_str_equal(v.error->text, "tenants.session_rows: limit 2, this statement would make it 3");
	assert_int_equal(run_in(f, k, "create table u (id int)", true).error->kind, ERR_QUOTA);
	assert_str_equal(rows_of(f, k, "select count(*) from t"), "[2]");
	catalog_close(k);
}

static void on_text(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

static void on_part(void *arg, const struct engine_part *part)
{
	(void)arg;
	engine_bytes_unref(part->bytes);
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void on_started(void *arg)
{
	(void)arg;
}

static void on_dropped(void *arg, const struct engine_end *end)
{
	atomic_store((atomic_int *)arg, 1 + (int)end->outcome);
}

static const struct engine_listener dropping = {on_started, on_text, on_part, on_progress, on_dropped};

static void a_statement_of_a_dropped_catalog_fails_and_a_detached_one_goes_on(void **state)
{
	struct fixture *f = *state;
	struct engine_catalog *k = catalog_open(f, "__eph_" SESSION_HEX);
	struct stmt_ask ask = ask_in_session(f, FOREVER);
	struct stmt *running, *detached;
	struct engine_task *task;
	struct stmt_view v;
	atomic_int dropped_as = 0;

	assert_int_equal(run_in(f, k, "create table t (id int)", false).state, STMT_SUCCEEDED);
	ask.scope.catalog = k;
	running = submit(f, &ask);
	ask.scope.detached = true;
	detached = submit(f, &ask);
	for (int tries = 0; tries < 6000 && (statement_view(detached, &v), v.state == STMT_SUBMITTED); tries++)
		usleep(10000);
	assert_true(engine_catalog_run(&f->c, k, ENGINE_CATALOG_DROP, NULL, &dropping, &dropped_as, &task));
	for (int tries = 0; tries < 6000 && !atomic_load(&dropped_as); tries++)
		usleep(10000);
	assert_int_equal(atomic_load(&dropped_as), 1 + ENGINE_OK);
	engine_task_unref(task);
	v = wait_end(running);
	assert_int_equal(v.state, STMT_FAILED);
	assert_int_equal(v.error->kind, ERR_SESSION_CLOSED);
	statement_view(detached, &v);
	assert_int_equal(v.state, STMT_RUNNING);
	assert_int_equal(run_in(f, k, "select * from t", false).error->kind, ERR_SESSION_CLOSED);
	statement_cancel_soon(detached);
	statement_unref(running);
	statement_unref(detached);
	catalog_close(k);
}

/* --- what the event log is told --- */

#define SECRET "a-secret-of-the-client"

static struct event_item *told(struct fixture *f, int *ret_n)
{
	const struct event_filter filter = {.tenant = S("acme"), .topic = EVENT_STATEMENT};
	struct event_item *items;
	struct str cursor;
	int64_t lost;

	events_flush(f->events);
	assert_true(read_events(&f->c, f->events, &filter, S(""), 1000, &items, ret_n, &cursor, &lost));
	return items;
}

static void expect_told(struct fixture *f, const struct event_item *item, struct stmt *st, const char *event, const char *rest)
{
	char created[CLOCK_RFC3339_MAX];
	struct stmt_view v;
	struct str begins;

	statement_view(st, &v);
	begins = arena_fmt(&f->arena,
			   "{\"event\":\"%s\",\"kind\":\"statement\",\"id\":\"%.*s\",\"tenant_id\":\"acme\",%s\"created_at\":\"%s\","
			   "\"duration_ms\":", event, SARG(v.handle), rest, clock_rfc3339(v.created_ms, created));
	assert_true(str_starts(item->payload, begins));
}

static bool ends_with(struct str s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && str_eq(str_tail(s, s.n - n), str_of(end));
}

static void the_end_of_every_statement_is_told_without_its_text(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = ask_in_session(f, "select '" SECRET "' from range(3)");
	struct stmt_ask refused = {.sql = S("attach '" SECRET "'"), .ttl_seconds = -1};
	struct event_item *items;
	struct stmt *v[5];
	int n;

	f->c.principal = S("ann");
	v[0] = submit(f, &ask);
	wait_end(v[0]);
	f->c.principal = S("");
	v[1] = submit_sql(f, "select cast('" SECRET "' as integer)");
	wait_end(v[1]);
	v[2] = submit_sql(f, "selec '" SECRET "'");
	assert_false(statement_submit(&f->c, f->statements, &refused, &v[3])); /* there was no statement */
	call_forgive(&f->c);
	ask.sql = S(FOREVER);
	v[3] = submit(f, &ask);
	v[4] = submit_sql(f, "create table t (" "\"" SECRET "\" int)");
	wait_end(v[4]);
	lease_end_owned(f->lifecycle, &f->session);
	items = told(f, &n);
	assert_int_equal(n, 5);
	expect_told(f, &items[0], v[0], "succeeded",
		    "\"principal\":\"ann\",\"session_id\":\"" SESSION "\",\"surface\":\"native\",\"statement\":\"SELECT\",");
	assert_true(ends_with(items[0].payload, ",\"row_count\":3}"));
	expect_told(f, &items[1], v[1], "failed", "\"surface\":\"snowflake\",\"statement\":\"SELECT\",");
	assert_true(ends_with(items[1].payload, ",\"row_count\":0,\"error_code\":\"sql_error\"}"));
	expect_told(f, &items[2], v[2], "failed", "\"surface\":\"snowflake\",\"statement\":\"UNKNOWN\",");
	expect_told(f, &items[3], v[4], "succeeded", "\"surface\":\"snowflake\",\"statement\":\"CREATE\",");
	expect_told(f, &items[4], v[3], "canceled",
		    "\"session_id\":\"" SESSION "\",\"surface\":\"native\",\"statement\":\"SELECT\",");
	assert_true(ends_with(items[4].payload, ",\"row_count\":0,\"error_code\":\"canceled\"}"));
	for (int i = 0; i < n; i++) {
		assert_int_equal(str_search(items[i].line, S(SECRET)), items[i].line.n);
		statement_unref(v[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(statements_end_and_are_forgotten_with_their_session),
		CASE(a_detached_statement_outlives_its_session),
		CASE(a_session_that_has_ended_takes_no_statement),
		CASE(a_session_has_so_many_handles),
		CASE(a_session_ends_among_submits_and_nothing_is_left),
		CASE(no_text_names_the_catalog_of_a_session),
		CASE(what_is_read_only_takes_one_select),
		CASE(names_of_sessions_are_refused_outside_of_them),
		CASE(a_session_sees_its_tables_by_both_names_and_the_tenants),
		CASE(errors_in_a_session_name_places_and_no_catalog),
		CASE(a_full_session_refuses_and_keeps_what_it_has),
		CASE(a_statement_of_a_dropped_catalog_fails_and_a_detached_one_goes_on),
		CASE(the_end_of_every_statement_is_told_without_its_text),
	};

	return cmocka_run_group_tests_name("statement_session", tests, NULL, NULL);
}
