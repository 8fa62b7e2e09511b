/* statement_multi_test.c - requests with several statements: order, state, failure, ends from outside.
 *
 * Real workers of the mayfly binary named by MAYFLY_BINARY; time is turned by hand.
 */
#include "statement_rig.h"

static struct stmt_ask several(const char *sql)
{
	return (struct stmt_ask){.sql = str_of(sql), .ttl_seconds = -1, .snowflake = true};
}

static struct stmt *script(struct fixture *f, const char *sql)
{
	const struct stmt_ask ask = several(sql);

	return submit(f, &ask);
}

static struct stmt *child(struct fixture *f, const struct stmt_view *v, int i)
{
	struct stmt *st = NULL;

	assert_true((size_t)(i + 1) * ID_LEN <= v->children.n);
	assert_true(statement_find(&f->c, f->statements, str_from(v->children.p + i * ID_LEN, ID_LEN), &st));
	return st;
}

static void assert_child(struct fixture *f, const struct stmt_view *v, int i, const char *rows)
{
	struct stmt *st = child(f, v, i);
	struct stmt_view seen;
	struct str got;

	statement_view(st, &seen);
	assert_int_equal(seen.state, STMT_SUCCEEDED);
	assert_true(statement_part_rows(&f->c, st, 0, ENGINE_SNOWFLAKE, &got));
	assert_str_equal(got, rows);
	statement_unref(st);
}

static enum stmt_state state_of(struct stmt *st)
{
	struct stmt_view v;

	statement_view(st, &v);
	return v.state;
}

/* The handle whose text is FOREVER, once it runs. */
static struct stmt *running_child(struct fixture *f)
{
	const struct stmt_filter running = {.state = STMT_RUNNING, .limit = 10};

	for (;;) {
		struct stmt *found = NULL, **v;
		struct str next;
		int n;

		assert_true(statement_list(&f->c, f->statements, &running, &v, &n, &next));
		for (int i = 0; i < n; i++) {
			struct stmt_view seen;

			statement_view(v[i], &seen);
			if (!found && str_eq(seen.sql, S(FOREVER)))
				found = v[i];
			else
				statement_unref(v[i]);
		}
		if (found)
			return found;
		sched_yield();
	}
}

static int64_t handles(struct fixture *f)
{
	struct statement_stats s;

	statements_stats(f->statements, &s);
	return (int64_t)s.live;
}

static void each_statement_has_a_handle_and_they_share_a_session(void **state)
{
	struct fixture *f = *state;
	struct stmt *st = script(f, "create temp table t(a int); set x = 2; insert into t values (1), ($x);\n begin; delete from t where a = 1;"
				    " rollback; select sum(a) from t;");
	struct stmt_view v = wait_end(st);

	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_int_equal(v.children.n, 7 * ID_LEN);
	assert_child(f, &v, 0, "[\"Table T successfully created.\"]");
	assert_child(f, &v, 2, "[\"2\"]");
	assert_child(f, &v, 4, "[\"1\"]");
	assert_child(f, &v, 6, "[\"3\"]");
	assert_int_equal(handles(f), 8);
	assert_true(statement_forget(&f->c, st));
	statement_unref(st);
	assert_int_equal(handles(f), 7);
}

static void nothing_runs_of_a_text_that_is_wrong(void **state)
{
	static const struct {
		const char *sql, *native;
		int position;
	} wrong[] = {
		{"create table w(a int); selec 1", "001003", 24},
		{"create table w(a int);\n\n get @s file:///x", "391911", 0},
		{"create table w(a int); select $nobody", "002211", 0},
		{"create table w(a int); alter session set nothing_such = 1", "001003", 0},
		/* what DuckDB's parser says */
		{"create table w(a int); insert into w values (1,; select 1", "001003", 48},
		{"create table w(a int); insert into w values (1,, 2); select 1", "001003", 48},
		{"create table w(a int);\n select 'é' || a b c from w; select 1", "001003", 44},
		{"create table w(a int); select 'é' as \"ü\" from from w; select 1", "001003", 49},
		{"create table w(a int); select iff(a > 1, a::varchar, 'x') from w where where a", "001003", 72},
		{"create table w(a int); insert overwrite into w select 1 group having", "001003", 0},
		{"create table w(a int); alter session set week_start = 1", "000002", 0},
	};
	struct fixture *f = *state;
	struct stmt *last;
	struct stmt_view v;

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct stmt *st = script(f, wrong[i].sql);

		v = wait_end(st);
		assert_int_equal(v.state, STMT_FAILED);
		assert_string_equal(v.error->native, wrong[i].native);
		if (wrong[i].position)
			assert_int_equal(v.error->position, wrong[i].position);
		assert_int_equal(v.children.n, 0);
		statement_unref(st);
	}
	assert_int_equal(handles(f), COUNT_OF(wrong));
	last = script(f, "select 1; create table w(a int)"); /* which was not made before */
	assert_int_equal(wait_end(last).state, STMT_SUCCEEDED);
	statement_unref(last);
}

/* More of them than one task parses. */
static void the_last_of_many_statements_is_parsed_before_the_first_runs(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) sql = {0};
	struct stmt *st;
	struct stmt_view v;

	buf_lit(&sql, "create table w(a int)");
	for (int i = 0; i < 1700; i++)
		buf_lit(&sql, ";\ninsert into w values (1)");
	buf_lit(&sql, ";\nselect a from from w");
	st = script(f, buf_cstr(&sql));
	v = wait_end(st);
	assert_int_equal(v.state, STMT_FAILED);
	assert_string_equal(v.error->native, "001003");
	assert_str_equal(v.error->snowflake, "SQL compilation error:\nsyntax error line 1702 at position 14 unexpected 'from'.");
	assert_int_equal(handles(f), 1);
	statement_unref(st);
	st = submit_sql(f, "select * from w");
	v = wait_end(st);
	assert_string_equal(v.error->native, "002003");
	statement_unref(st);
}

/* A script whose texts wait for the worker ends at once, and takes no place there. */
static void a_cancel_ends_what_waits_to_be_parsed(void **state)
{
	struct fixture *f = *state;
	struct stmt *busy[4], *st;

	for (int i = 0; i < 4; i++) {
		busy[i] = submit_sql(f, FOREVER);
		while (state_of(busy[i]) != STMT_RUNNING)
			sched_yield();
	}
	st = script(f, "select 1; select 2");
	while (state_of(st) != STMT_RUNNING)
		sched_yield();
	assert_true(statement_cancel(&f->c, st));
	assert_int_equal(wait_end(st).state, STMT_CANCELED);
	for (int i = 0; i < 4; i++) {
		assert_true(statement_cancel(&f->c, busy[i]));
		assert_int_equal(wait_end(busy[i]).state, STMT_CANCELED);
		statement_unref(busy[i]);
	}
	assert_int_equal(handles(f), 5);
	statement_unref(st);
}

/* --- SET makes variables --- */
struct settings {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct buf rows;
	bool ended;
};

static void settings_started(void *arg)
{
	(void)arg;
}

static void settings_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

static void settings_part(void *arg, const struct engine_part *p)
{
	struct settings *s = arg;

	assert_false(p->gzip);
	buf_add(&s->rows, engine_bytes_str(p->bytes));
	engine_bytes_unref(p->bytes);
}

static void settings_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void settings_ended(void *arg, const struct engine_end *end)
{
	struct settings *s = arg;

	assert_int_equal(end->outcome, ENGINE_OK);
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* DuckDB's settings of the names below, as a statement of the surface finds them. */
static struct str settings_now(struct fixture *f)
{
	static const struct engine_listener listener = {settings_started, settings_columns, settings_part, settings_progress, settings_ended};
	struct settings s = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	const struct engine_ask ask = {.sql = S("select string_agg(name || '=' || if(name in ('search_path', 'schema'), value like '%system%', value), ' '"
						" order by name) from duckdb_settings()"
						" where name in ('memory_limit', 'TimeZone', 'enable_external_access', 'search_path',"
						" 'lock_configuration', 'allowed_directories', 'home_directory', 'schema')"),
				       .tenant = S("acme"), .helpers = true, .form = ENGINE_NATIVE, .first_part_bytes = 1 << 20};
	struct engine_task *task;
	struct str rows;

	assert_true(engine_run(&f->c, f->engine, &ask, &listener, &s, &task));
	pthread_mutex_lock(&s.lock);
	while (!s.ended)
		pthread_cond_wait(&s.changed, &s.lock);
	pthread_mutex_unlock(&s.lock);
	engine_task_unref(task);
	rows = arena_dup(&f->arena, buf_str(&s.rows));
	buf_drop(&s.rows);
	return rows;
}

static void a_variable_of_a_settings_name_is_no_setting(void **state)
{
	static const char *const sql[] = {
		"set memory_limit = '1GB'; select $memory_limit", "set threads = 64; select $threads", "set (timezone, threads) = ('x', 3); select 1",
		"set enable_external_access = true; select $ENABLE_EXTERNAL_ACCESS", "set search_path = 'system'; select $search_path",
		"set lock_configuration = false; select $lock_configuration", "set allowed_directories = '/'; unset allowed_directories",
		"set \"memory_limit\" = '2GB'; select 1", "set schema = 'system'; select $schema", "set home_directory = '/'; select $home_directory",
	};
	struct fixture *f = *state;
	struct str before;

	before = settings_now(f);
	assert_true(str_search(before, S("lock_configuration=true memory_limit=")) < before.n);
	assert_true(str_search(before, S("schema=false search_path=false")) < before.n);
	for (size_t i = 0; i < COUNT_OF(sql); i++) {
		struct stmt *st = script(f, sql[i]);
		struct stmt_view v = wait_end(st);

		if (v.state != STMT_SUCCEEDED)
			print_error("%s: %.*s\n", sql[i], SARG(v.error->text));
		assert_int_equal(v.state, STMT_SUCCEEDED);
		statement_unref(st);
		assert_true(str_eq(settings_now(f), before));
	}
	for (size_t i = 0; i < COUNT_OF(sql); i++) {
		struct str alone = str_head(str_of(sql[i]), str_find(str_of(sql[i]), ';'));
		struct stmt *st = submit(f, &(struct stmt_ask){.sql = alone, .ttl_seconds = -1, .snowflake = true, .statements = 1});

		assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
		statement_unref(st);
		assert_true(str_eq(settings_now(f), before));
	}
}

static void those_behind_a_failure_are_never_made(void **state)
{
	struct fixture *f = *state;
	struct stmt *st = script(f, "create table k(a int); insert into k values (1);\ninsert into k values ('x'); insert into k values (3)");
	struct stmt_view v = wait_end(st);

	assert_int_equal(v.state, STMT_FAILED);
	assert_string_equal(v.error->native, "100132");
	assert_string_equal(v.error->sqlstate, "P0000");
	assert_true(str_search(v.error->snowflake, S("\"insert into k values ('x')\" (at line 2, position 0).\nNumeric value 'x'")) <
		    v.error->snowflake.n);
	assert_int_equal(handles(f), 4);
	statement_unref(st);
}

static void a_cancel_ends_all_of_it(void **state)
{
	struct fixture *f = *state;

	for (int which = 0; which < 2; which++) {
		struct stmt *st = script(f, "select 1; " FOREVER "; select 2"), *long_one = running_child(f);
		struct stmt_view v;

		assert_true(statement_cancel(&f->c, which ? long_one : st));
		v = wait_end(st);
		assert_int_equal(v.state, STMT_CANCELED);
		v = wait_end(long_one);
		assert_int_equal(v.state, STMT_CANCELED);
		statement_unref(long_one);
		statement_unref(st);
	}
	assert_int_equal(handles(f), 6);
}

static void a_timeout_covers_all_of_it(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = several("select 1; " FOREVER "; select 2");
	struct stmt *st, *long_one;
	struct stmt_view v;

	ask.timeout_ms = 60000;
	st = submit(f, &ask);
	long_one = running_child(f);
	clock_advance(61000);
	lifecycle_sweep_all(f->lifecycle);
	v = wait_end(st);
	assert_string_equal(v.error->native, "000630");
	v = wait_end(long_one);
	assert_string_equal(v.error->native, "000630");
	statement_unref(long_one);
	statement_unref(st);
}

static void it_ends_with_the_owner_of_its_lease(void **state)
{
	struct fixture *f = *state;
	struct stmt_ask ask = several("select 1; " FOREVER "; select 2");
	struct stmt *st, *long_one;

	ask.scope.owner = &f->session;
	st = submit(f, &ask);
	long_one = running_child(f);
	lease_end_owned(f->lifecycle, &f->session);
	assert_int_equal(wait_end(st).state, STMT_CANCELED);
	assert_int_equal(wait_end(long_one).state, STMT_CANCELED);
	assert_int_equal(handles(f), 0);
	statement_unref(long_one);
	statement_unref(st);
}

static void there_is_room_for_all_of_it_or_it_does_not_begin(void **state)
{
	struct fixture *f = *state;
	const struct stmt_ask ask = several("select 1; select 2; select 3");
	struct stmt *st = NULL;

	f->caps.max_statements = 3;
	expect_error(f, statement_submit(&f->c, f->statements, &ask, &st), ERR_TOO_MANY);
	assert_int_equal(handles(f), 0);
	f->caps.max_statements = 4;
	st = submit(f, &ask);
	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	statement_unref(st);
}

/* The room closes while scripts run, and while they wait for their turn: nothing is left. */
static void the_room_closes_in_the_middle(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++)
		statement_unref(script(f, "select 1; select 2; " FOREVER "; select 3"));
	statement_unref(running_child(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_statement_has_a_handle_and_they_share_a_session),
		CASE(nothing_runs_of_a_text_that_is_wrong),
		CASE(the_last_of_many_statements_is_parsed_before_the_first_runs),
		CASE(a_cancel_ends_what_waits_to_be_parsed),
		CASE(a_variable_of_a_settings_name_is_no_setting),
		CASE(those_behind_a_failure_are_never_made),
		CASE(a_cancel_ends_all_of_it),
		CASE(a_timeout_covers_all_of_it),
		CASE(it_ends_with_the_owner_of_its_lease),
		CASE(there_is_room_for_all_of_it_or_it_does_not_begin),
		CASE(the_room_closes_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
