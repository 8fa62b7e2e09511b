/* session_servers_test.c - two and three servers that share the records of sessions, in memory and in a real Redis. */
#include "session_fake.h"

#include "redis_rig.h"

enum { SERVERS = 3 };

/* Servers of one kv, in one process. Their beats are the test's. */
struct world {
	struct rig *r[SERVERS];
	bool up[SERVERS];
	struct redis_rig *redis;  /* or NULL: in memory */
	struct redis *client;
	struct kv *kv;
	struct exec_loop *loop;   /* of the fake's tasks */
	struct arena arena;
	struct call c;
};
static struct world *world;

static struct sessions *side_open(struct rig *r, struct session_options *so)
{
	fake.dir = r->dir;
	fake.loop = world->loop;
	return sessions_open_on(&r->c, so, &fake_tables);
}

static void side_close(struct rig *r)
{
	(void)r;
}

static const struct rig_side side = {side_open, fake_side_stop, side_close};
static const char *const names[SERVERS] = {"server-a", "server-b", "server-c"};

static void start(struct world *w, int i)
{
	rig_start(w->r[i]);
	room_lock(w->r[i]->sessions);
	w->r[i]->sessions->beating = true; /* not by itself */
	room_unlock(w->r[i]->sessions);
	w->up[i] = true;
}

/* Nothing is ended: as a kill leaves it. */
static void kill_server(struct world *w, int i)
{
	rig_stop(w->r[i]);
	w->up[i] = false;
}

static void world_open(struct world *w, struct redis_rig *redis)
{
	*w = (struct world){.redis = redis};
	world = w;
	fake = (struct fake){0};
	call_open(&w->c, &w->arena);
	w->loop = exec_loop_open("fake");
	exec_loop_start(w->loop);
	if (redis) {
		struct redis_options o;

		redis_rig_open(redis, (const char *const[]){"--appendonly", "yes", "--appendfsync", "no", NULL});
		o = redis_rig_options(redis);
		o.timeout_ms = SANITIZED ? 10000 : 3000;
		w->client = redis_rig_client(&w->c, &o);
		w->kv = kv_redis_open(w->client, S("t:"));
	} else {
		w->kv = kv_memory_open(100000);
	}
	for (int i = 0; i < SERVERS; i++) {
		w->r[i] = rig_new(&side);
		w->r[i]->shared = w->kv;
		w->r[i]->server = names[i];
		start(w, i);
	}
}

static void world_close(struct world *w)
{
	for (int i = 0; i < SERVERS; i++) {
		if (w->up[i])
			rig_stop(w->r[i]);
		rig_remove(w->r[i]);
	}
	w->kv->ops->close(w->kv);
	if (w->redis) {
		redis_close(w->client);
		redis_rig_close(w->redis);
	}
	exec_loop_stop(w->loop);
	exec_loop_join(w->loop);
	exec_loop_close(w->loop);
	arena_close(&w->arena);
	assert_int_equal(atomic_load(&fake.live), 0);
}

/* Time goes by; those of the mask say that they live, and look. */
static void pass(struct world *w, int64_t ms, unsigned living)
{
	for (int64_t at = 0; at <= ms; at += SERVER_BEAT_MS) {
		clock_advance(SERVER_BEAT_MS);
		for (int i = 0; i < SERVERS; i++)
			if (w->up[i] && living & 1u << i)
				servers_beat(w->r[i]->sessions);
	}
}

static void sweep_to(struct world *w, int i, uint64_t n)
{
	rig_sweep_until(w->r[i], n);
}

/* What the logs of all that are up say of it. */
static struct told told(struct world *w, struct str id)
{
	struct told sum = {0};

	for (int i = 0; i < SERVERS; i++) {
		struct told t;

		if (!w->up[i])
			continue;
		t = rig_told(w->r[i], id);
		sum.opened += t.opened;
		sum.closed += t.closed;
		sum.timed_out += t.timed_out;
		sum.reason = t.timed_out + t.closed ? t.reason : sum.reason;
	}
	return sum;
}

static struct str id_of(struct world *w, int i, struct session *se)
{
	struct str id = arena_dup(&w->arena, rig_id(w->r[i], se));

	return id;
}

static void expect_find(struct world *w, int i, struct str id, enum err_kind kind)
{
	struct rig *r = w->r[i];
	struct session *se;
	bool ok = session_find(&r->c, r->sessions, id, &se);

	if (kind == ERR_NONE) {
		assert_true(ok);
		session_unref(se);
		return;
	}
	if (kind == ERR_WRONG_SERVER)
		assert_str_equal(r->c.err.more, "\"location\":\"http://here:8484\"");
	rig_expect(r, ok, kind);
}

/* --- the tests, for each kind of kv --- */
static void others_sessions_are_known_and_left_alone(struct world *w)
{
	struct session_result res;
	struct session *se = rig_memory(w->r[0]);
	struct str id = id_of(w, 0, se);

	expect_find(w, 1, id, ERR_WRONG_SERVER);
	expect_find(w, 1, S("0198c2a4-0000-4000-8000-000000000000"), ERR_NO_SESSION);
	kill_server(w, 1);
	start(w, 1);
	expect_find(w, 1, id, ERR_WRONG_SERVER);
	expect_find(w, 0, id, ERR_NONE);
	w->r[1]->c.principal = S("bob");
	expect_find(w, 1, id, ERR_NO_SESSION);
	w->r[1]->c.principal = S("alice");
	assert_true(rig_close(w->r[0], se, &res));
	session_unref(se);
	expect_find(w, 0, id, ERR_SESSION_CLOSED);
	expect_find(w, 1, id, ERR_SESSION_CLOSED);
	assert_int_equal(told(w, id).closed, 1);
}

static void a_dead_servers_sessions_end_once(struct world *w)
{
	enum { N = 20 };
	struct session *kept = rig_session(w->r[0], &(struct session_ask){.persistent = true, .timeout_seconds = 600, .idle_seconds = -1});
	struct str ids[N], kept_id = id_of(w, 0, kept);
	struct session *own = rig_memory(w->r[1]);

	session_unref(kept);
	for (int i = 0; i < N; i++) {
		struct session *se = rig_memory(w->r[0]);

		ids[i] = id_of(w, 0, se);
		session_unref(se);
	}
	pass(w, 3 * SERVER_DEAD_MS, 7);
	expect_find(w, 0, ids[0], ERR_NONE);
	kill_server(w, 0);
	pass(w, SERVER_DEAD_MS + SERVER_BEAT_MS, 6);
	sweep_to(w, 1, 1); /* its own is left */
	sweep_to(w, 2, 0);
	for (int i = 0; i < N; i++) {
		struct told t = told(w, ids[i]);

		assert_true(t.timed_out == 1 && t.closed == 0);
		assert_str_equal(t.reason, "server_lost");
		expect_find(w, 1, ids[i], ERR_SESSION_EXPIRED);
		expect_find(w, 2, ids[i], ERR_SESSION_EXPIRED);
	}
	assert_int_equal(atomic_load(&w->r[1]->gone) + atomic_load(&w->r[2]->gone), N);
	expect_find(w, 1, kept_id, ERR_WRONG_SERVER);
	pass(w, 555 * 1000, 6); /* its time is over, and its server never came back */
	sweep_to(w, 1, 1);
	sweep_to(w, 2, 0);
	assert_int_equal(told(w, kept_id).timed_out, 1);
	assert_int_equal(told(w, kept_id).reason.n, 0);
	expect_find(w, 2, kept_id, ERR_SESSION_EXPIRED);
	start(w, 0); /* too late: there is nothing left to do for it */
	assert_int_equal(rig_places(w->r[0]), 0);
	assert_int_equal(told(w, ids[0]).timed_out, 1);
	session_unref(own);
}

static void a_server_that_starts_again_in_time_has_its_own(struct world *w)
{
	struct session *se = rig_memory(w->r[0]);
	struct session *kept = rig_session(w->r[0], &(struct session_ask){.persistent = true, .timeout_seconds = 3600, .idle_seconds = -1});
	struct str id = id_of(w, 0, se), kept_id = id_of(w, 0, kept);

	session_unref(se);
	session_unref(kept);
	pass(w, SERVER_BEAT_MS, 7);
	kill_server(w, 0);
	pass(w, SERVER_DEAD_MS / 3, 6);
	start(w, 0);
	pass(w, 3 * SERVER_DEAD_MS, 7);
	sweep_to(w, 0, 1);
	assert_int_equal(told(w, id).timed_out, 1);
	assert_str_equal(told(w, id).reason, "server_restart");
	expect_find(w, 0, kept_id, ERR_NONE);
	expect_find(w, 1, kept_id, ERR_WRONG_SERVER);
}

static void a_server_that_was_away_drops_what_others_ended(struct world *w)
{
	struct session *se = rig_memory(w->r[0]);
	struct session *kept = rig_session(w->r[0], &(struct session_ask){.persistent = true, .timeout_seconds = 3600, .idle_seconds = -1});
	struct str id = id_of(w, 0, se), kept_id = id_of(w, 0, kept);

	assert_true(rig_create(w->r[0], se, "m"));
	pass(w, SERVER_BEAT_MS, 7);
	pass(w, SERVER_DEAD_MS + 2 * SERVER_BEAT_MS, 6); /* as if it were stopped */
	sweep_to(w, 1, 0);
	sweep_to(w, 2, 0);
	assert_int_equal(told(w, id).timed_out, 1);
	pass(w, SERVER_BEAT_MS, 7);
	sweep_to(w, 0, 1);
	expect_find(w, 0, id, ERR_SESSION_EXPIRED);
	assert_int_equal(told(w, id).timed_out, 1); /* not told again */
	expect_find(w, 0, kept_id, ERR_NONE);
	pass(w, 3 * SERVER_DEAD_MS, 7);
	expect_find(w, 0, kept_id, ERR_NONE);
	expect_find(w, 2, kept_id, ERR_WRONG_SERVER);
	session_unref(se);
	session_unref(kept);
}

static void in_memory(void (*test)(struct world *w))
{
	struct world w;

	world_open(&w, NULL);
	test(&w);
	world_close(&w);
}

static void in_redis(void (*test)(struct world *w))
{
	struct redis_rig redis;
	struct world w;

	REDIS_NEEDED();
	world_open(&w, &redis);
	test(&w);
	world_close(&w);
}

#define BOTH(test) \
	static void test##_in_memory(void **state) \
	{ \
		(void)state; \
		in_memory(test); \
	} \
	static void test##_in_redis(void **state) \
	{ \
		(void)state; \
		in_redis(test); \
	}
BOTH(others_sessions_are_known_and_left_alone)
BOTH(a_dead_servers_sessions_end_once)
BOTH(a_server_that_starts_again_in_time_has_its_own)
BOTH(a_server_that_was_away_drops_what_others_ended)

/* --- Redis itself --- */
static void wait_for_redis(struct world *w)
{
	REDIS_UNTIL(redis_up(w->client));
}

static void without_redis(struct world *w)
{
	struct rig *r = w->r[0];
	struct session *se = rig_memory(r), *none;
	struct str id = id_of(w, 0, se);
	struct session_result res;
	struct session_op *op;

	pass(w, SERVER_BEAT_MS, 7);
	redis_rig_kill(w->redis);
	rig_expect(r, session_open(&r->c, r->sessions, &(struct session_ask){.timeout_seconds = 60, .idle_seconds = -1}, &none), ERR_UNAVAILABLE);
	rig_expect(r, session_extend(&r->c, se, 60), ERR_UNAVAILABLE);
	assert_true(rig_create(r, se, "goes_on"));
	expect_find(w, 0, id, ERR_NONE);
	expect_find(w, 1, id, ERR_UNAVAILABLE);
	pass(w, 4 * SERVER_DEAD_MS, 7); /* nobody dies of it */
	assert_true(session_close(&r->c, se, &op));
	rig_expect(r, rig_finish(r, op, &res), ERR_UNAVAILABLE);
	redis_rig_start(w->redis);
	wait_for_redis(w);
	pass(w, SERVER_BEAT_MS, 7);
	sweep_to(w, 0, 0); /* it is tried again by itself */
	assert_int_equal(told(w, id).closed, 1);
	assert_int_equal(told(w, id).timed_out, 0);
	expect_find(w, 1, id, ERR_SESSION_CLOSED);
	session_unref(se);
}

static void without_redis_sessions_go_on(void **state)
{
	(void)state;
	in_redis(without_redis);
}

static bool count_record(void *arg, struct str key, const struct kv_record *r)
{
	(void)key;
	(void)r;
	++*(int *)arg;
	return true;
}

static int records(struct world *w)
{
	int n = 0;

	if (kv_scan(&w->c, w->kv, S("session/"), count_record, &n))
		return n;
	call_forgive(&w->c); /* it is just coming back */
	return -1;
}

/* Redis takes the record after its server has given up: no session has it. */
static void a_late_record(struct world *w)
{
	struct rig *r = w->r[0];
	struct session *none;

	redis_rig_signal(w->redis, SIGSTOP);
	rig_expect(r, session_open(&r->c, r->sessions, &(struct session_ask){.timeout_seconds = 60, .idle_seconds = -1}, &none), ERR_UNAVAILABLE);
	redis_rig_signal(w->redis, SIGCONT);
	wait_for_redis(w);
	REDIS_UNTIL(records(w) == 1);
	REDIS_UNTIL((pass(w, 0, 7), records(w) == 0));
}

static void a_record_that_came_too_late_goes(void **state)
{
	(void)state;
	in_redis(a_late_record);
}

static void a_redis_that_forgot(struct world *w)
{
	struct session *se = rig_memory(w->r[0]), *two = rig_memory(w->r[0]);
	struct str id = id_of(w, 0, se), closed = id_of(w, 0, two);
	struct session_result res;
	struct redis_value v;

	pass(w, SERVER_BEAT_MS, 7);
	assert_true(redis_one(&w->c, w->client, REDIS_COMMAND(S("FLUSHALL")), &v));
	expect_find(w, 1, id, ERR_NO_SESSION);
	assert_true(rig_close(w->r[0], two, &res));
	assert_int_equal(told(w, closed).closed, 1);
	pass(w, SERVER_BEAT_MS, 7);
	expect_find(w, 1, id, ERR_WRONG_SERVER);
	expect_find(w, 1, closed, ERR_SESSION_CLOSED);
	pass(w, 3 * SERVER_DEAD_MS, 7);
	expect_find(w, 0, id, ERR_NONE);
	session_unref(se);
	session_unref(two);
	kill_server(w, 0);
	pass(w, SERVER_DEAD_MS + SERVER_BEAT_MS, 6);
	sweep_to(w, 1, 0);
	sweep_to(w, 2, 0);
	expect_find(w, 1, id, ERR_SESSION_EXPIRED);
}

static void a_redis_that_forgot_is_told_again(void **state)
{
	struct redis_rig redis;
	struct world w;

	(void)state;
	REDIS_NEEDED();
	world_open(&w, &redis);
	a_redis_that_forgot(&w);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_sessions_are_known_and_left_alone_in_memory),
		cmocka_unit_test(others_sessions_are_known_and_left_alone_in_redis),
		cmocka_unit_test(a_dead_servers_sessions_end_once_in_memory),
		cmocka_unit_test(a_dead_servers_sessions_end_once_in_redis),
		cmocka_unit_test(a_server_that_starts_again_in_time_has_its_own_in_memory),
		cmocka_unit_test(a_server_that_starts_again_in_time_has_its_own_in_redis),
		cmocka_unit_test(a_server_that_was_away_drops_what_others_ended_in_memory),
		cmocka_unit_test(a_server_that_was_away_drops_what_others_ended_in_redis),
		cmocka_unit_test(without_redis_sessions_go_on),
		cmocka_unit_test(a_record_that_came_too_late_goes),
		cmocka_unit_test(a_redis_that_forgot_is_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
