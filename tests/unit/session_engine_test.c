/* session_engine_test.c - the room of sessions over real workers of the mayfly binary named by MAYFLY_BINARY. */
#include "session_rig.h"
#include "worker_pid.h"

#include <dirent.h>

static void engine_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 2, .concurrent = 4, .queued = 10000};
}

static struct sessions *side_open(struct rig *r, struct session_options *so)
{
	const struct engine_options o = {.loop = r->loop, .program = getenv("MAYFLY_BINARY"), .data_dir = str_of(r->dir),
					 .max_workers = 4,
					 .idle_ms = 1LL << 40, .cancel_grace_ms = 1LL << 40, .uid_base = 640000, .limits = engine_limits};

	assert_non_null(o.program); /* else this program would be started as its own worker */
	so->engine = r->engine = engine_open(&r->c, &o);
	assert_non_null(r->engine);
	return sessions_open(&r->c, so);
}

static void stop_loop(void *loop)
{
	exec_loop_stop(loop);
}

static void side_stop(struct rig *r)
{
	engine_stop(r->engine, stop_loop, r->loop);
}

static void side_close(struct rig *r)
{
	engine_close(r->engine);
}

static const struct rig_side engine_side = {side_open, side_stop, side_close};

static int begin(void **state)
{
	struct rig *r = rig_new(&engine_side);

	rig_start(r);
	*state = r;
	return 0;
}

/* --- rows --- */

struct room {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool free;
};

static void on_free(void *arg)
{
	struct room *m = arg;

	pthread_mutex_lock(&m->lock);
	m->free = true;
	pthread_cond_signal(&m->cond);
	pthread_mutex_unlock(&m->lock);
}

static bool insert(struct rig *r, struct session *se, const char *table, const char *rows, int64_t *ret)
{
	struct room m = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	const struct session_rows_ask ask = {.table = str_of(table), .format = ENGINE_ROWS_NDJSON, .room = on_free, .arg = &m};
	struct str rest = str_of(rows);
	struct session_result res;
	struct engine_feed *feed;
	struct session_op *op;
	bool ok;

	if (!session_insert(&r->c, se, &ask, &feed, &op))
		return false;
	while (rest.n) {
		size_t took = engine_feed_put(feed, rest);

		rest = str_tail(rest, took);
		pthread_mutex_lock(&m.lock);
		while (!took && !m.free)
			pthread_cond_wait(&m.cond, &m.lock);
		m.free = false;
		pthread_mutex_unlock(&m.lock);
	}
	engine_feed_end(feed, true);
	ok = rig_finish(r, op, &res);
	if (ok)
		*ret = res.rows;
	return ok;
}

static int64_t rows_of(struct rig *r, struct session *se, const char *table)
{
	struct session_result res;
	struct session_op *op;

	assert_true(session_describe(&r->c, se, &op));
	assert_true(rig_finish(r, op, &res));
	for (int i = 0; i < res.ntables; i++)
		if (str_eq(res.tables[i].name, str_of(table)))
			return res.tables[i].rows;
	return -1;
}

/* --- the tests --- */

static void a_session_lives_and_dies_with_its_rows(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	struct str id = rig_id(r, se);
	struct session_result res;
	struct session_view v;
	struct told t;
	int64_t n;

	assert_true(rig_create(r, se, "t"));
	assert_int_equal(rows_of(r, se, "t"), 0);
	assert_true(insert(r, se, "t", "{\"id\":1,\"what\":\"a\"}\n{\"id\":2,\"what\":null}\n", &n));
	assert_int_equal(n, 2);
	assert_true(insert(r, se, "T", "[3,\"b\"]\n", &n));
	assert_int_equal(rows_of(r, se, "t"), 3);
	session_view(se, &v);
	assert_true(v.usage.tables == 1 && v.usage.rows == 3 && v.usage.bytes > 0);
	assert_true(rig_close(r, se, &res));
	assert_true(res.ntables == 1 && res.rows == 3);
	t = rig_told(r, id);
	assert_true(t.opened == 1 && t.closed == 1 && t.tables == 1 && t.rows == 3);
	session_unref(se);
}

static void rows_that_do_not_fit_leave_nothing(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	int64_t n;

	assert_true(rig_create(r, se, "t"));
	assert_true(insert(r, se, "t", "[1,\"a\"]\n", &n));
	assert_false(insert(r, se, "t", "[2,\"b\"]\n[\"x\",\"c\"]\n", &n));
	assert_str_equal(r->c.err.more, "\"row\":2,\"column\":\"id\"");
	rig_expect(r, false, ERR_SCHEMA_MISMATCH);
	rig_expect(r, insert(r, se, "t", "[2,\"b\"]\n[1,\"c\"]\n", &n), ERR_CONSTRAINT);
	rig_expect(r, insert(r, se, "nothing", "[2,\"b\"]\n", &n), ERR_UNKNOWN_TABLE);
	assert_int_equal(rows_of(r, se, "t"), 1);
	session_unref(se);
}

static bool create_typed(struct rig *r, struct session *se, const char *name, const char *type)
{
	const struct session_column columns[] = {{S("first"), S("INTEGER"), true}, {S("odd"), str_of(type), true}};
	const struct session_table_ask ask = {.name = str_of(name), .columns = columns, .ncolumns = 2};
	struct session_result res;
	struct session_op *op;

	return session_create_table(&r->c, se, &ask, &op) && rig_finish(r, op, &res);
}

static void the_engine_judges_types(void **state)
{
	static const char *const right[] = {"INTEGER", "decimal(10, 2)", "VARCHAR[]", "INTEGER[3]", "DOUBLE PRECISION", "UUID", "JSON",
		"TIMESTAMP WITH TIME ZONE", "STRUCT(a INTEGER, \"b c\" VARCHAR[])", "MAP(VARCHAR, INTEGER)", "ENUM('x', 'y')",
		"UNION(n INTEGER, s VARCHAR)", "INTEGER -- comment", "\"INTEGER\"", "CHARACTER VARYING(3)", "HUGEINT", "BLOB"};
	static const char *const wrong[] = {"NOSUCH", "DECIMAL(99, 2)", "INTEGER(", "STRUCT()", "\"no such\"", "VARCHAR[-1]",
		"MAP(INTEGER)",
		"ENUM(1)", "STRUCT(a NOSUCH)", "DECIMAL(a)", "INTEGER TIME", "IF"};
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	char name[16];

	for (size_t i = 0; i < COUNT_OF(right); i++) {
		snprintf(name, sizeof(name), "r%zu", i);
		if (!create_typed(r, se, name, right[i]))
			print_message("%s: %s\n", right[i], r->c.err.text);
		assert_int_equal(r->c.err.kind, ERR_NONE);
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(create_typed(r, se, "w", wrong[i]));
		if (str_search(str_of(r->c.err.text), S("odd")) == strlen(r->c.err.text))
			print_message("%s: %s\n", wrong[i], r->c.err.text);
		rig_expect(r, false, ERR_INVALID_FIELD);
	}
	rig_expect(r, create_typed(r, se, "R0", "INTEGER"), ERR_DUPLICATE_TABLE);
	session_unref(se);
}

static void limits_hold_in_the_engine(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	int64_t n;

	r->caps.session.tables = 1;
	r->caps.session.rows = 2;
	assert_true(rig_create(r, se, "t"));
	assert_false(rig_create(r, se, "u"));
	assert_str_equal(r->c.err.more, "\"quota\":\"session_tables\",\"limit\":1,\"usage\":1");
	rig_expect(r, false, ERR_QUOTA);
	assert_true(insert(r, se, "t", "[1,\"a\"]\n", &n));
	assert_false(insert(r, se, "t", "[2,\"a\"]\n[3,\"b\"]\n", &n));
	assert_str_equal(r->c.err.more, "\"quota\":\"session_rows\",\"limit\":2,\"usage\":1");
	rig_expect(r, false, ERR_QUOTA);
	assert_int_equal(rows_of(r, se, "t"), 1);
	session_unref(se);
}

static void a_fork_has_the_rows_and_keys(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r), *copy;
	struct session_result res;
	struct session_view v;
	struct session_op *op;
	int64_t n;

	assert_true(rig_create(r, se, "t"));
	assert_true(insert(r, se, "t", "[1,\"a\"]\n[2,\"b\"]\n", &n));
	assert_true(session_fork(&r->c, se, &op));
	assert_true(rig_wait(r, op, &res));
	session_view(res.session, &v);
	assert_true(session_find(&r->c, r->sessions, v.id, &copy));
	session_op_unref(op);
	assert_true(insert(r, copy, "t", "[3,\"c\"]\n", &n));
	rig_expect(r, insert(r, copy, "t", "[1,\"c\"]\n", &n), ERR_CONSTRAINT);
	assert_int_equal(rows_of(r, se, "t"), 2);
	assert_true(rig_close(r, se, &res));
	assert_int_equal(rows_of(r, copy, "t"), 3);
	session_unref(se);
	session_unref(copy);
}

#define SECRET "the-planted-secret-of-this-test"

/* Is the secret anywhere below the data folder? */
static bool leaks(struct rig *r)
{
	char command[160];

	snprintf(command, sizeof(command), "grep -raq '%s' %s", SECRET, r->dir);
	return system(command) == 0;
}

static int files_of_sessions(struct rig *r)
{
	char path[128];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/tenants/acme/sessions", r->dir);
	d = opendir(path);
	while (d && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void a_persistent_session_outlives_the_server_and_leaves_nothing_at_its_end(void **state)
{
	const struct session_ask ask = {.persistent = true, .timeout_seconds = 3600, .idle_seconds = -1};
	struct rig *r = *state;
	struct session *se = rig_session(r, &ask);
	char id[ID_LEN + 1];
	struct session_result res;
	int64_t n;

	snprintf(id, sizeof(id), "%.*s", SARG(rig_id(r, se)));
	assert_true(rig_create(r, se, "t"));
	assert_true(insert(r, se, "t", "[1,\"" SECRET "\"]\n", &n));
	session_unref(se);
	rig_stop(r);
	assert_true(leaks(r)); /* it is persistent */
	rig_start(r);
	assert_true(session_find(&r->c, r->sessions, str_of(id), &se));
	assert_int_equal(rows_of(r, se, "t"), 1);
	rig_expect(r, insert(r, se, "t", "[1,\"x\"]\n", &n), ERR_CONSTRAINT);
	assert_true(rig_close(r, se, &res));
	assert_true(res.ntables == 1 && res.rows == 1);
	assert_int_equal(files_of_sessions(r), 0);
	assert_false(leaks(r));
	session_unref(se);
}

static void an_expired_persistent_session_is_dropped_at_the_next_start(void **state)
{
	const struct session_ask ask = {.persistent = true, .timeout_seconds = 100, .idle_seconds = -1};
	struct rig *r = *state;
	struct session *se = rig_session(r, &ask);
	struct told t;
	int64_t n;

	assert_true(rig_create(r, se, "t"));
	assert_true(insert(r, se, "t", "[1,\"" SECRET "\"]\n[2,\"b\"]\n", &n));
	session_unref(se);
	rig_stop(r);
	clock_advance(100000);
	rig_start(r);
	rig_sweep_until(r, 0);
	t = rig_told(r, S(""));
	assert_true(t.timed_out == 1 && t.tables == 1 && t.rows == 2);
	assert_str_equal(t.reason, "server_restart");
	assert_int_equal(files_of_sessions(r), 0);
	assert_false(leaks(r));
}

static void a_killed_worker_ends_memory_sessions_and_no_others(void **state)
{
	const struct session_ask persistent = {.persistent = true, .timeout_seconds = 3600, .idle_seconds = -1};
	struct rig *r = *state;
	struct session *memory = rig_memory(r), *unused = rig_memory(r), *kept = rig_session(r, &persistent);
	struct str id = rig_id(r, memory);
	struct told t;
	int64_t n;

	assert_true(rig_create(r, memory, "t") && rig_create(r, kept, "t"));
	assert_true(insert(r, memory, "t", "[1,\"a\"]\n", &n) && insert(r, kept, "t", "[1,\"a\"]\n[2,\"b\"]\n", &n));
	kill_worker();
	rig_sweep_until(r, 2);
	t = rig_told(r, id);
	assert_true(t.timed_out == 1 && t.tables == 1 && t.rows == 1);
	assert_str_equal(t.reason, "engine_lost");
	assert_int_equal(rows_of(r, kept, "t"), 2);
	assert_true(rig_create(r, unused, "t"));
	session_unref(memory);
	session_unref(unused);
	session_unref(kept);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void a_shutdown_ends_memory_sessions_in_the_engine(void **state)
{
	enum { N = 50 };
	struct rig *r = *state;
	struct told t;
	int64_t n;

	for (int i = 0; i < N; i++) {
		struct session *se = rig_memory(r);

		assert_true(rig_create(r, se, "t") && insert(r, se, "t", "[1,\"" SECRET "\"]\n", &n));
		session_unref(se);
	}
	sessions_shutdown(r->sessions, nothing, NULL);
	rig_sweep_until(r, 0);
	t = rig_told(r, S(""));
	assert_true(t.closed == N && t.rows == 1);
	assert_str_equal(t.reason, "server_shutdown");
	assert_false(leaks(r));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, rig_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_lives_and_dies_with_its_rows),
		TEST(rows_that_do_not_fit_leave_nothing),
		TEST(the_engine_judges_types),
		TEST(limits_hold_in_the_engine),
		TEST(a_fork_has_the_rows_and_keys),
		TEST(a_persistent_session_outlives_the_server_and_leaves_nothing_at_its_end),
		TEST(an_expired_persistent_session_is_dropped_at_the_next_start),
		TEST(a_killed_worker_ends_memory_sessions_and_no_others),
		TEST(a_shutdown_ends_memory_sessions_in_the_engine),
	};

	return cmocka_run_group_tests_name("session_engine", tests, NULL, NULL);
}
