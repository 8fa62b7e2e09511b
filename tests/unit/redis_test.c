/* redis_test.c - the Redis client against a real redis-server, and against servers that are none. */
#include "redis_rig.h"

#include "race.h"

struct fixture {
	struct redis_rig server;
	struct arena arena;
	struct call c;
	struct redis *r;
};

static void begin_with(struct fixture *f, const char *const *args)
{
	struct redis_options o;

	*f = (struct fixture){.r = NULL};
	call_open(&f->c, &f->arena);
	redis_rig_open(&f->server, args);
	o = redis_rig_options(&f->server);
	f->r = redis_rig_client(&f->c, &o);
}

static void end(struct fixture *f)
{
	redis_close(f->r);
	redis_rig_close(&f->server);
	arena_close(&f->arena);
}

static struct redis_value one(struct fixture *f, struct redis_command cmd)
{
	struct redis_value v;

	if (!redis_one(&f->c, f->r, cmd, &v)) {
		print_message("%s\n", f->c.err.text);
		assert_true(false);
	}
	return v;
}

static void expect_error(struct fixture *f, bool ok, enum err_kind kind, const char *words)
{
	assert_false(ok);
	if (!strstr(f->c.err.text, words))
		print_message("not \"%s\" but: %s\n", words, f->c.err.text);
	assert_non_null(strstr(f->c.err.text, words));
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

static void every_kind_of_answer_is_a_value(void **state)
{
	const struct redis_command v[] = {
		REDIS_COMMAND(S("SET"), S("k"), S("a\0\r\nb")),
		REDIS_COMMAND(S("GET"), S("k")),
		REDIS_COMMAND(S("GET"), S("none")),
		REDIS_COMMAND(S("INCRBY"), S("n"), S("-9007199254740993")),
		REDIS_COMMAND(S("LPUSH"), S("k"), S("x")),
		REDIS_COMMAND(S("EVAL"), S("return {1, {'two', {}}, false, {err='FOO bar'}}"), S("0")),
		REDIS_COMMAND(S("SET"), S("empty"), S("")),
		REDIS_COMMAND(S("GET"), S("empty")),
	};
	struct redis_value a[COUNT_OF(v)];
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, NULL);
	assert_true(redis_ask(&f.c, f.r, v, COUNT_OF(v), a));
	assert_int_equal(a[0].kind, REDIS_STATUS);
	assert_str_equal(a[0].text, "OK");
	assert_int_equal(a[1].kind, REDIS_TEXT);
	assert_true(str_eq(a[1].text, S("a\0\r\nb")));
	assert_int_equal(a[2].kind, REDIS_NIL);
	assert_int_equal(a[3].kind, REDIS_INT);
	assert_true(a[3].integer == -9007199254740993);
	assert_int_equal(a[4].kind, REDIS_ERROR);
	assert_true(str_starts(a[4].text, S("WRONGTYPE ")));
	assert_int_equal(a[5].kind, REDIS_ARRAY);
	assert_int_equal(a[5].n, 4);
	assert_int_equal(a[5].items[0].integer, 1);
	assert_str_equal(a[5].items[1].items[0].text, "two");
	assert_int_equal(a[5].items[1].items[1].kind, REDIS_ARRAY);
	assert_int_equal(a[5].items[1].items[1].n, 0);
	assert_int_equal(a[5].items[2].kind, REDIS_NIL);
	assert_int_equal(a[5].items[3].kind, REDIS_ERROR);
	assert_int_equal(a[7].kind, REDIS_TEXT);
	assert_int_equal(a[7].text.n, 0);
	end(&f);
}

enum { ROUNDS = SANITIZED ? 200 : 2000 };

static void ask_in_pairs(struct racer *t)
{
	struct fixture *f = t->arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct arena arena = {0};
		struct redis_value a[3];
		struct str key, value;
		struct call c;

		call_open(&c, &arena);
		key = arena_fmt(&arena, "key:%d:%d", t->number, i % 7);
		value = arena_fmt(&arena, "%d of %d", i, t->number);
		INVARIANT(redis_ask(&c, f->r,
				    (struct redis_command[]){REDIS_COMMAND(S("SET"), key, value), REDIS_COMMAND(S("GET"), key),
							     REDIS_COMMAND(S("ECHO"), value)}, 3, a));
		t->wins += str_eq(a[1].text, value) && str_eq(a[2].text, value);
		arena_close(&arena);
	}
}

static void threads_share_connections_and_get_their_own_answers(void **state)
{
	struct redis_stats stats;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, NULL);
	assert_int_equal(race(ask_in_pairs, &f), RACERS * ROUNDS);
	redis_stats(f.r, &stats);
	assert_int_equal(stats.commands, RACERS * ROUNDS * 3);
	assert_int_equal(stats.reconnects, 0);
	assert_int_equal(stats.timeouts, 0);
	end(&f);
}

static void an_error_of_redis_fails_the_call(void **state)
{
	struct redis_value v;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, NULL);
	one(&f, REDIS_COMMAND(S("SET"), S("k"), S("v")));
	expect_error(&f, redis_one(&f.c, f.r, REDIS_COMMAND(S("LPUSH"), S("k"), S("v")), &v), ERR_STORAGE, "WRONGTYPE");
	expect_error(&f, redis_one(&f.c, f.r, REDIS_COMMAND(S("NOTHING"), S("a secret")), &v), ERR_STORAGE, "unknown command 'NOTHING'");
	end(&f);
}

static void a_script_is_sent_whole_when_redis_forgot_it(void **state)
{
	static struct redis_script add = {.text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"};
	const struct redis_args a = {.keys = (const struct str[]){S("n")}, .nkeys = 1, .args = (const struct str[]){S("20")}, .nargs = 1};
	struct redis_value v;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, NULL);
	redis_script_open(&add);
	assert_true(redis_run(&f.c, f.r, &add, &a, &v) && v.integer == 20);
	assert_str_equal(one(&f, REDIS_COMMAND(S("SCRIPT"), S("FLUSH"))).text, "OK");
	assert_true(redis_run(&f.c, f.r, &add, &a, &v) && v.integer == 40);
	assert_int_equal(one(&f, REDIS_COMMAND(S("SCRIPT"), S("EXISTS"), str_of(add.sha))).items[0].integer, 1);
	assert_true(redis_run(&f.c, f.r, &add, &a, &v) && v.integer == 60);
	one(&f, REDIS_COMMAND(S("SET"), S("n"), S("text")));
	expect_error(&f, redis_run(&f.c, f.r, &add, &a, &v), ERR_STORAGE, "not an integer");
	end(&f);
}

/* --- messages --- */
struct heard {
	atomic_int nothing, texts;
	char last[32]; /* once `texts` has grown */
};

static void hear(void *arg, struct str text)
{
	struct heard *h = arg;

	if (!text.p) {
		atomic_fetch_add(&h->nothing, 1);
		return;
	}
	snprintf(h->last, sizeof(h->last), "%.*s", SARG(text));
	atomic_fetch_add(&h->texts, 1);
}

static void messages_come_and_a_lost_connection_is_told(void **state)
{
	struct heard a = {.texts = 0}, b = {.texts = 0}, other = {.texts = 0};
	struct redis_subscription *sa, *sb, *so;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, NULL);
	sa = redis_subscribe(f.r, &(struct redis_listener){S("ch"), hear, &a});
	sb = redis_subscribe(f.r, &(struct redis_listener){S("ch"), hear, &b});
	so = redis_subscribe(f.r, &(struct redis_listener){S("other"), hear, &other});
	REDIS_UNTIL(atomic_load(&a.nothing) == 1 && atomic_load(&b.nothing) == 1 && atomic_load(&other.nothing) == 1);
	assert_int_equal(one(&f, REDIS_COMMAND(S("PUBLISH"), S("ch"), S("first"))).integer, 1);
	REDIS_UNTIL(atomic_load(&a.texts) == 1 && atomic_load(&b.texts) == 1);
	assert_string_equal(a.last, "first");
	redis_rig_kill(&f.server);
	redis_rig_start(&f.server);
	REDIS_UNTIL(atomic_load(&a.nothing) == 2 && atomic_load(&b.nothing) == 2 && atomic_load(&other.nothing) == 2 && redis_up(f.r));
	redis_unsubscribe(f.r, sb);
	redis_post(f.r, REDIS_COMMAND(S("PUBLISH"), S("ch"), S("")));
	REDIS_UNTIL(atomic_load(&a.texts) == 2);
	assert_string_equal(a.last, "");
	assert_int_equal(b.texts, 1);
	assert_int_equal(other.texts, 0);
	redis_unsubscribe(f.r, sa);
	REDIS_UNTIL(one(&f, REDIS_COMMAND(S("PUBLISH"), S("ch"), S("gone"))).integer == 0);
	redis_unsubscribe(f.r, so);
	end(&f);
}

/* --- losses --- */
struct told {
	atomic_int ups, downs;
};

static void count_changes(void *arg, bool up)
{
	struct told *t = arg;

	atomic_fetch_add(up ? &t->ups : &t->downs, 1);
}

/* With a client that gives up soon. */
static void begin_impatient(struct fixture *f, struct told *told, int64_t timeout_ms)
{
	struct redis_options o;

	*f = (struct fixture){.r = NULL};
	*told = (struct told){.ups = 0};
	call_open(&f->c, &f->arena);
	redis_rig_open(&f->server, NULL);
	o = redis_rig_options(&f->server);
	o.timeout_ms = timeout_ms;
	o.changed = count_changes;
	o.arg = told;
	f->r = redis_rig_client(&f->c, &o);
}

/* Wins when it fails as it must. */
static void ask_in_vain(struct racer *t)
{
	struct fixture *f = t->arg;
	struct arena arena = {0};
	struct redis_value v;
	struct call c;

	call_open(&c, &arena);
	t->wins = !redis_one(&c, f->r, REDIS_COMMAND(S("GET"), S("k")), &v) && c.err.kind == ERR_UNAVAILABLE;
	arena_close(&arena);
}

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void a_server_that_hangs_is_given_up_and_found_again(void **state)
{
	struct redis_stats stats;
	struct redis_value v;
	struct told told;
	struct fixture f;
	int64_t began;

	(void)state;
	REDIS_NEEDED();
	begin_impatient(&f, &told, 2000);
	one(&f, REDIS_COMMAND(S("SET"), S("k"), S("v")));
	redis_rig_signal(&f.server, SIGSTOP);
	began = real_ms();
	assert_int_equal(race(ask_in_vain, &f), RACERS);
	assert_true(real_ms() - began >= 1900);
	REDIS_UNTIL(!redis_up(f.r));
	began = real_ms();
	for (int i = 0; i < 100; i++)
		expect_error(&f, redis_one(&f.c, f.r, REDIS_COMMAND(S("GET"), S("k")), &v), ERR_UNAVAILABLE, "Redis cannot be reached");
	assert_true(real_ms() - began < 100 * 2000 / 2); /* at once: not each after the time for an answer */
	redis_stats(f.r, &stats);
	assert_int_equal(stats.connections, 0);
	assert_true(stats.timeouts >= 1);
	assert_non_null(strstr(stats.why, "no answer within 2000 ms"));
	redis_rig_signal(&f.server, SIGCONT);
	REDIS_UNTIL(redis_up(f.r));
	assert_str_equal(one(&f, REDIS_COMMAND(S("GET"), S("k"))).text, "v");
	REDIS_UNTIL(atomic_load(&told.ups) == 1 && atomic_load(&told.downs) == 1);
	end(&f);
}

static void *turn_the_clock(void *arg)
{
	for (int i = 0; i < 20; i++) {
		clock_advance(60000);
		poll(NULL, 0, 10);
	}
	return arg;
}

/* Time of tests is not time that a server takes. */
static void clocks_turned_forward_do_not_hurry_redis(void **state)
{
	struct redis_stats stats;
	struct fixture f;
	pthread_t turner;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, NULL);
	one(&f, REDIS_COMMAND(S("SET"), S("k"), S("v")));
	one(&f, REDIS_COMMAND(S("CLIENT"), S("PAUSE"), S("300")));
	assert_int_equal(pthread_create(&turner, NULL, turn_the_clock, NULL), 0);
	assert_str_equal(one(&f, REDIS_COMMAND(S("GET"), S("k"))).text, "v");
	pthread_join(turner, NULL);
	redis_stats(f.r, &stats);
	assert_int_equal(stats.timeouts, 0);
	end(&f);
}

enum { LOSSES = 8, AT_LEAST = 20 };

struct losses {
	struct fixture f;
	atomic_bool over;
	int won;
};

/* Until the losses are over, and then some more that must all be answered. */
static void ask_through_losses(struct racer *t)
{
	struct losses *l = t->arg;
	int more = 0;

	while (more < AT_LEAST) {
		bool over = atomic_load(&l->over);
		struct arena arena = {0};
		struct redis_value v;
		struct call c;

		call_open(&c, &arena);
		if (redis_one(&c, l->f.r, REDIS_COMMAND(S("INCR"), S("n")), &v))
			t->wins++;
		else
			INVARIANT(c.err.kind == ERR_UNAVAILABLE && !over);
		more += over;
		arena_close(&arena);
	}
}

static void *ask_meanwhile(void *arg)
{
	struct losses *l = arg;

	l->won = race(ask_through_losses, l);
	return NULL;
}

static void everybody_goes_on_after_a_restart(void **state)
{
	struct losses l = {.won = 0};
	struct redis_stats stats;
	pthread_t asking;

	(void)state;
	REDIS_NEEDED();
	begin_with(&l.f, NULL);
	assert_int_equal(pthread_create(&asking, NULL, ask_meanwhile, &l), 0);
	for (int i = 0; i < LOSSES; i++) {
		redis_rig_kill(&l.f.server);
		redis_rig_start(&l.f.server);
		REDIS_UNTIL((redis_stats(l.f.r, &stats), stats.connections == 2));
	}
	atomic_store(&l.over, true);
	pthread_join(asking, NULL);
	assert_true(l.won >= RACERS * AT_LEAST);
	redis_stats(l.f.r, &stats);
	assert_true(stats.reconnects >= LOSSES);
	end(&l.f);
}

enum { WAITERS = 300 }; /* more than there are seats to wait in */

static void *ask_until_closed(void *arg)
{
	struct racer t = {.arg = arg};

	ask_in_vain(&t);
	return (void *)(intptr_t)t.wins;
}

static void closing_fails_who_waits(void **state)
{
	struct redis_stats before, after;
	struct told told;
	struct fixture f;
	pthread_t waiters[WAITERS];
	void *won;

	(void)state;
	REDIS_NEEDED();
	begin_impatient(&f, &told, 600000);
	redis_stats(f.r, &before);
	redis_rig_signal(&f.server, SIGSTOP);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(pthread_create(&waiters[i], NULL, ask_until_closed, &f), 0);
	REDIS_UNTIL((redis_stats(f.r, &after), after.commands >= before.commands + WAITERS));
	poll(NULL, 0, 20); /* they wait by now, or are about to: both must do */
	redis_close(f.r);
	for (int i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i], &won);
		assert_true((intptr_t)won == 1);
	}
	redis_rig_close(&f.server);
	arena_close(&f.arena);
}

static void hints_that_cannot_be_sent_are_dropped(void **state)
{
	enum { HINT = 256 * 1024, HINTS = 200 };
	char *bytes = base_zalloc(HINT);
	struct redis_stats stats;
	struct told told;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_impatient(&f, &told, 600000);
	redis_rig_signal(&f.server, SIGSTOP);
	for (int i = 0; i < HINTS; i++)
		redis_post(f.r, REDIS_COMMAND(S("APPEND"), S("k"), str_from(bytes, HINT)));
	redis_stats(f.r, &stats);
	assert_in_range(stats.commands, 10, HINTS / 2);
	redis_rig_signal(&f.server, SIGCONT);
	REDIS_UNTIL(one(&f, REDIS_COMMAND(S("STRLEN"), S("k"))).integer == (int64_t)stats.commands * HINT);
	free(bytes);
	end(&f);
}

static void hints_keep_their_order(void **state)
{
	const struct str range[] = {S("LRANGE"), S("l"), S("0"), S("-1")};
	struct redis_value v;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, NULL);
	for (int i = 0; i < 1000; i++)
		redis_post(f.r, REDIS_COMMAND(S("RPUSH"), S("l"), arena_fmt(&f.arena, "%d", i)));
	REDIS_UNTIL(one(&f, REDIS_COMMAND(S("LLEN"), S("l"))).integer == 1000);
	v = one(&f, (struct redis_command){range, 4});
	for (int i = 0; i < 1000; i++)
		assert_true(str_eq(v.items[i].text, arena_fmt(&f.arena, "%d", i)));
	end(&f);
}

static void a_full_redis_is_unavailable(void **state)
{
	static struct redis_script set = {.text = "return redis.call('SET', KEYS[1], 'v')"};
	const struct redis_args a = {.keys = (const struct str[]){S("k")}, .nkeys = 1};
	struct redis_value v;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin_with(&f, (const char *const[]){"--maxmemory", "1", NULL});
	redis_script_open(&set);
	expect_error(&f, redis_one(&f.c, f.r, REDIS_COMMAND(S("SET"), S("k"), S("v")), &v), ERR_UNAVAILABLE, "OOM");
	expect_error(&f, redis_run(&f.c, f.r, &set, &a, &v), ERR_UNAVAILABLE, "OOM");
	assert_int_equal(one(&f, REDIS_COMMAND(S("DEL"), S("k"))).integer, 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_answer_is_a_value),
		cmocka_unit_test(threads_share_connections_and_get_their_own_answers),
		cmocka_unit_test(an_error_of_redis_fails_the_call),
		cmocka_unit_test(a_script_is_sent_whole_when_redis_forgot_it),
		cmocka_unit_test(messages_come_and_a_lost_connection_is_told),
		cmocka_unit_test(a_server_that_hangs_is_given_up_and_found_again),
		cmocka_unit_test(clocks_turned_forward_do_not_hurry_redis),
		cmocka_unit_test(everybody_goes_on_after_a_restart),
		cmocka_unit_test(closing_fails_who_waits),
		cmocka_unit_test(hints_that_cannot_be_sent_are_dropped),
		cmocka_unit_test(hints_keep_their_order),
		cmocka_unit_test(a_full_redis_is_unavailable),
	};

	return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
