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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_answer_is_a_value),
		cmocka_unit_test(threads_share_connections_and_get_their_own_answers),
		cmocka_unit_test(an_error_of_redis_fails_the_call),
		cmocka_unit_test(a_script_is_sent_whole_when_redis_forgot_it),
		cmocka_unit_test(messages_come_and_a_lost_connection_is_told),
	};

	return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
