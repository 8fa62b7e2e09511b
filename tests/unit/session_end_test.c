/* session_end_test.c - sessions end once, whoever asks. */
#include "session_steps.h"

/* --- ending once --- */
struct closer {
	struct session *se;
	pthread_barrier_t *start;
	int spins;
};

static void *closer(void *arg)
{
	struct closer *k = arg;
	struct arena a = {0};
	struct call c;
	struct session_op *op;

	call_open(&c, &a);
	c.tenant = S("acme");
	c.principal = S("alice");
	pthread_barrier_wait(k->start);
	for (volatile int i = 0; i < k->spins; i++)
		;
	if (session_close(&c, k->se, &op))
		session_op_unref(op);
	arena_close(&a);
	return NULL;
}

/* The sweeper finds the session due in the moment in which two clients close it. */
static void close_and_sweeper_race_a_thousand_times(void **state)
{
	enum { N = 1000 };
	struct rig *r = *state;
	struct told all;

	for (int i = 0; i < N; i++) {
		struct session *se = rig_session(r, &(struct session_ask){.timeout_seconds = 0, .idle_seconds = -1});
		pthread_barrier_t start;
		struct closer k = {se, &start, i % 40 * 10000}; /* so that both sides win some */
		pthread_t a, b;

		pthread_barrier_init(&start, NULL, 3);
		assert_int_equal(pthread_create(&a, NULL, closer, &k), 0);
		assert_int_equal(pthread_create(&b, NULL, closer, &k), 0);
		if (i % 4 == 0)
			rig_sweep(r); /* then they come while it ends */
		pthread_barrier_wait(&start);
		rig_sweep(r);
		pthread_join(a, NULL);
		pthread_join(b, NULL);
		rig_sweep_until(r, 0);
		if (i % 20 == 0) {
			struct told one = rig_told(r, rig_id(r, se));

			assert_true(one.opened == 1 && one.closed + one.timed_out == 1);
		}
		pthread_barrier_destroy(&start);
		session_unref(se);
	}
	all = rig_told(r, S(""));
	assert_int_equal(all.opened, N);
	assert_int_equal(all.closed + all.timed_out, N);
	assert_int_equal(atomic_load(&r->gone), N);
	print_message("closed %d, timed out %d\n", all.closed, all.timed_out);
	assert_true(all.closed > 0 && all.timed_out > 0);
}

static void a_drop_that_fails_names_survivors_and_is_tried_again(void **state)
{
	enum { TABLES = 4 };
	struct rig *r = *state;

	for (int nth = 1; nth <= TABLES; nth++) {
		struct session *se = rig_memory(r), *again;
		struct str id = rig_id(r, se), survivor;
		struct session_result res;
		struct session_op *op;
		struct told t;

		for (int i = 1; i <= TABLES; i++) {
			const char *name = arena_fmt(&r->arena, "t%d", i).p;

			assert_true(rig_create(r, se, name));
			fake_rows(r, se, name, 10 * i);
		}
		survivor = session_physical_id(&r->arena, se, arena_fmt(&r->arena, "t%d", nth));
		atomic_store(&steps.fail_drop, nth);
		assert_true(session_close(&r->c, se, &op));
		assert_false(rig_finish(r, op, &res));
		assert_str_equal(r->c.err.more, arena_fmt(&r->arena, "\"failed\":1,\"total\":4,\"surviving\":[\"%.*s\"]", SARG(survivor)).p);
		rig_expect(r, false, ERR_PARTIAL_DELETION);
		t = rig_told(r, id);
		assert_true(t.partial == 1 && t.closed == 0);
		assert_true(has(t.last, arena_fmt(&r->arena, "\"details\":{\"surviving_tables\":[\"%.*s\"],\"attempted_event\":\"closed\"}",
						  SARG(survivor)).p));
		rig_expect(r, rig_create(r, se, "new"), ERR_SESSION_CLOSED);
		assert_true(session_find(&r->c, r->sessions, id, &again)); /* so that it can be closed */
		if (nth % 2) {
			assert_true(rig_close(r, again, &res));
			assert_true(res.ntables == 1 && res.rows == 10 * nth);
		} else {
			clock_advance(RETRY_MIN_MS);
		}
		rig_sweep_until(r, 0);
		t = rig_told(r, id);
		assert_true(t.partial == 1 && t.closed == 1 && t.tables == TABLES && t.rows == 100);
		session_unref(again);
		session_unref(se);
	}
}

/* One failure at a time in the records or the log, at every place of a close. */
static void a_store_that_fails_delays_the_end_and_never_doubles_it(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 6; i++) {
		struct session *se = rig_memory(r);
		struct str id = rig_id(r, se);
		struct session_result res;
		struct told t;

		assert_true(rig_create(r, se, "t"));
		fake_rows(r, se, "t", 3);
		atomic_store(i % 2 ? &steps.fail_log : &steps.fail_kv, 1 + i / 2);
		rig_expect(r, rig_close(r, se, &res), ERR_STORAGE);
		for (int64_t end = clock_mono_ms() + (1 << 30); rig_places(r) > 0;) {
			assert_true(clock_mono_ms() < end);
			clock_advance(RETRY_MAX_MS);
			rig_sweep(r);
			sched_yield();
		}
		t = rig_told(r, id);
		assert_true(t.opened == 1 && t.closed == 1 && t.timed_out == 0);
		assert_true(t.tables == 1 && t.rows == 3);
		session_unref(se);
	}
}

static void what_cannot_be_recorded_or_told_is_not_opened(void **state)
{
	struct rig *r = *state;
	struct session *se;

	for (int i = 0; i < 2; i++) {
		atomic_store(i ? &steps.fail_log : &steps.fail_kv, 1);
		rig_expect(r, session_open(&r->c, r->sessions, &(struct session_ask){.timeout_seconds = 9, .idle_seconds = -1}, &se),
			   ERR_STORAGE);
		assert_int_equal(rig_places(r), 0);
		assert_int_equal(r->kv.below->ops->count(r->kv.below), 0);
	}
	assert_int_equal(rig_told(r, S("")).opened, 0);
}

struct block {
	pthread_mutex_t lock;
	_Atomic int in;
};

static void block(void *arg)
{
	struct block *b = arg;

	atomic_fetch_add(&b->in, 1);
	pthread_mutex_lock(&b->lock);
	pthread_mutex_unlock(&b->lock);
}

/* The pool has no place for the next step of an end: it is taken up later. */
static void an_end_that_finds_no_place_on_the_pool_waits(void **state)
{
	struct rig *r = *state;
	struct block b = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct session *se;
	struct session_op *op;

	rig_stop(r);
	r->pool_queue = 1;
	rig_start(r);
	se = rig_memory(r);
	pthread_mutex_lock(&b.lock);
	for (int i = 1; i <= POOL_THREADS; i++) {
		assert_true(exec_pool_run(r->pool, block, &b));
		for (int64_t end = clock_mono_ms() + 60000; atomic_load(&b.in) < i; sched_yield())
			assert_true(clock_mono_ms() < end);
	}
	assert_true(exec_pool_run(r->pool, block, &b)); /* the one that may wait */
	assert_true(session_close(&r->c, se, &op));
	assert_false(list_empty(&r->sessions->stuck));
	session_op_unref(op);
	pthread_mutex_unlock(&b.lock);
	for (int64_t end = clock_mono_ms() + (1 << 30); rig_places(r) > 0; sched_yield()) {
		assert_true(clock_mono_ms() < end);
		clock_advance(TICK_MS);
		rig_sweep(r);
	}
	assert_int_equal(rig_told(r, S("")).closed, 1);
	session_unref(se);
}

static void lose(void *arg)
{
	struct engine_catalog *k = arg;

	k->n = 0;
	k->attached = false;
	k->o.lost(k->o.arg);
}

static void a_memory_session_ends_with_its_worker(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r), *again;
	struct str id = rig_id(r, se);
	struct told t;

	assert_true(rig_create(r, se, "t"));
	fake_rows(r, se, "t", 8);
	exec_call(r->loop, lose, se->catalog);
	rig_sweep_until(r, 0);
	t = rig_told(r, id);
	assert_true(t.timed_out == 1 && t.tables == 1 && t.rows == 8);
	assert_str_equal(t.reason, "engine_lost");
	rig_expect(r, session_find(&r->c, r->sessions, id, &again), ERR_SESSION_EXPIRED);
	session_unref(se);
}

static void a_shutdown_closes_memory_sessions_and_leaves_the_others(void **state)
{
	struct rig *r = *state;
	struct session *memory = rig_memory(r);
	struct session *kept = rig_session(r, &(struct session_ask){.persistent = true, .timeout_seconds = 3600, .idle_seconds = -1});
	struct str id = rig_id(r, memory);
	atomic_bool done = false;

	assert_true(rig_create(r, memory, "t"));
	sessions_shutdown(r->sessions, told, &done);
	for (int64_t end = clock_mono_ms() + 60000; !atomic_load(&done); sched_yield())
		assert_true(clock_mono_ms() < end);
	assert_int_equal(rig_places(r), 1);
	assert_int_equal(rig_told(r, id).closed, 1);
	assert_str_equal(rig_told(r, id).reason, "server_shutdown");
	assert_int_equal(rig_told(r, rig_id(r, kept)).closed, 0);
	session_unref(memory);
	session_unref(kept);
}

static void a_removed_tenant_takes_its_sessions_along(void **state)
{
	struct rig *r = *state;
	struct session *mine = rig_memory(r), *theirs;

	r->c.tenant = S("other");
	theirs = rig_memory(r);
	r->c.tenant = S("acme");
	sessions_remove_tenant(&r->c, r->sessions, S("acme"));
	rig_sweep_until(r, 1);
	assert_int_equal(rig_told(r, rig_id(r, mine)).closed, 1);
	assert_str_equal(rig_told(r, rig_id(r, mine)).reason, "tenant_removed");
	session_unref(mine);
	session_unref(theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(close_and_sweeper_race_a_thousand_times),
		TEST(a_drop_that_fails_names_survivors_and_is_tried_again),
		TEST(a_store_that_fails_delays_the_end_and_never_doubles_it),
		TEST(what_cannot_be_recorded_or_told_is_not_opened),
		TEST(an_end_that_finds_no_place_on_the_pool_waits),
		TEST(a_memory_session_ends_with_its_worker),
		TEST(a_shutdown_closes_memory_sessions_and_leaves_the_others),
		TEST(a_removed_tenant_takes_its_sessions_along),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
