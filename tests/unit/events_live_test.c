/* events_live_test.c - events that are posted, and those who wait for them. */
#include "events_rig.h"

/* --- posting --- */
static void posted_events_come_in_order_in_batches(void **state)
{
	struct events_stats stats;
	struct fixture f;

	(void)state;
	begin(&f);
	for (int i = 0; i < 500; i++) {
		char payload[64];

		snprintf(payload, sizeof(payload), "{\"seq\":%d}", i);
		event_post(f.e, LIFE, S("acme"), str_of(payload));
	}
	events_flush(f.e);
	events_stats(f.e, &stats);
	assert_int_equal(stats.appended, 500);
	assert_int_equal(stats.batches, 1);
	check_all(&f, 0, 500);
	event_post(f.e, LIFE, S("acme"), S("{\"seq\":500}"));
	reopen(&f); /* closing writes what waits */
	check_all(&f, 0, 501);
	expect_sound(&f, 501);
	end(&f);
}

static void what_was_dropped_is_told(void **state)
{
	static char text[200000];
	struct event_item *it;
	struct fixture f;
	struct str cursor;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"x\":\"", 6);
	memcpy(text + sizeof(text) - 2, "\"}", 2);
	for (int i = 0; i < 100; i++)
		event_post(f.e, LIFE, S("acme"), str_from(text, sizeof(text)));
	event_post(f.e, LIFE, S("other"), S("{\"seq\":1}")); /* its room is its own */
	events_flush(f.e);
	assert_true(read_events(&f.c, f.e, &acme, S(""), 200, &it, &n, &cursor, &lost));
	assert_int_equal(n, EVENT_POSTED_MAX / 4 / sizeof(text) + 1);
	assert_str_equal(it[0].payload, "{\"event\":\"dropped\",\"count\":59}");
	expect_sound(&f, n + 1);
	/* a store that fails drops posted events as well */
	f.store.fail_at = 1;
	event_post(f.e, LIFE, S("acme"), S("{\"seq\":1}"));
	event_post(f.e, LIFE, S("acme"), S("{\"seq\":2}"));
	events_flush(f.e);
	events_flush(f.e);
	assert_true(read_events(&f.c, f.e, &acme, cursor, 200, &it, &n, &cursor, &lost));
	assert_int_equal(n, 1);
	assert_str_equal(it[0].payload, "{\"event\":\"dropped\",\"count\":2}");
	end(&f);
}

static void a_batch_comes_by_itself_within_a_second(void **state)
{
	struct exec_pool *pool = exec_pool_open("events", 1, 8);
	struct exec_loop *loop = exec_loop_open("events");
	struct events_stats stats = {0};
	int64_t give_up = clock_mono_ms() + 60000;
	struct fixture f;

	(void)state;
	begin(&f);
	close_log(&f);
	f.o.loop = loop;
	f.o.pool = pool;
	open_log(&f);
	exec_loop_start(loop);
	event_post(f.e, LIFE, S("acme"), S("{\"seq\":0}"));
	while (stats.appended == 0 && clock_mono_ms() < give_up)
		events_stats(f.e, &stats);
	assert_int_equal(stats.appended, 1);
	exec_loop_stop(loop);
	exec_loop_join(loop);
	end(&f);
	exec_loop_close(loop);
	exec_pool_close(pool);
}

/* --- live --- */
static void count_call(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void watchers_are_called_after_the_write(void **state)
{
	struct event_watcher *w, *all;
	atomic_int one = 0, every = 0;
	struct fixture f;

	(void)state;
	begin(&f);
	w = events_watch(f.e, &(struct event_watch){count_call, &one, acme});
	all = events_watch(f.e, &(struct event_watch){count_call, &every, acme_all});
	append_many(&f, 0, 2);
	assert_int_equal(one, 2);
	assert_true(event_append(&f.c, f.e, EVENT_JOB, S("acme"), S("{}")));
	assert_true(append(&f, "other", 0));
	assert_int_equal(one, 2);
	assert_int_equal(every, 3);
	events_unwatch(f.e, w);
	append_many(&f, 2, 3);
	assert_int_equal(one, 2);
	assert_int_equal(every, 4);
	events_unwatch(f.e, all);
	append_many(&f, 3, 4);
	assert_int_equal(every, 4);
	end(&f);
}

static void recent_items_are_those_of_the_log(void **state)
{
	struct event_item *it, *same;
	struct str cursor, other;
	struct fixture f;
	int64_t lost;
	int n, m;

	(void)state;
	begin(&f);
	assert_false(recent_events(&f.c, f.e, &acme_all, S(""), 10, &it, &n, &cursor)); /* nothing is open */
	assert_int_equal(f.c.err.kind, ERR_NONE);
	assert_true(events_tail(&f.c, f.e, &acme_all, &cursor));
	assert_true(recent_events(&f.c, f.e, &acme_all, cursor, 10, &it, &n, &cursor));
	assert_int_equal(n, 0);
	for (int i = 0; i < 10; i++) {
		append_many(&f, i, i + 1);
		assert_true(event_append(&f.c, f.e, EVENT_VIEW, S("acme"), S("{\"seq\":-1}")));
		clock_advance(2);
	}
	for (int i = 0; i < 6; i++) {
		assert_true(read_events(&f.c, f.e, &acme_all, cursor, 4, &same, &m, &other, &lost));
		assert_true(recent_events(&f.c, f.e, &acme_all, cursor, 4, &it, &n, &cursor));
		assert_int_equal(n, m);
		assert_true(str_eq(cursor, other));
		for (int j = 0; j < n; j++)
			assert_true(str_eq(it[j].line, same[j].line) && str_eq(it[j].cursor, same[j].cursor));
	}
	assert_int_equal(n, 0);
	end(&f);
}

static void a_slow_reader_goes_to_the_log(void **state)
{
	static char text[EVENT_PAYLOAD_MAX];
	struct event_item *it;
	struct str cursor;
	struct fixture f;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"x\":\"", 6);
	memcpy(text + sizeof(text) - 2, "\"}", 2);
	assert_true(events_tail(&f.c, f.e, &acme, &cursor));
	for (int i = 0; i < EVENT_RECENT_MAX / EVENT_PAYLOAD_MAX + 1; i++)
		assert_true(event_append(&f.c, f.e, LIFE, S("acme"), str_from(text, sizeof(text))));
	assert_false(recent_events(&f.c, f.e, &acme, cursor, 10, &it, &n, &cursor));
	assert_int_equal(f.c.err.kind, ERR_NONE);
	assert_true(read_events(&f.c, f.e, &acme, cursor, 10, &it, &n, &cursor, &lost));
	assert_int_equal(n, 10);
	assert_int_equal(lost, 0);
	assert_true(recent_events(&f.c, f.e, &acme, cursor, 10, &it, &n, &cursor));
	assert_int_equal(n, EVENT_RECENT_MAX / EVENT_PAYLOAD_MAX + 1 - 10);
	end(&f);
}

/* J-07, J-12: two records a session, replayed from offset 0 after a failure at the seventh and a restart. */
static void the_founding_replay(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	f.store.fail_at = 2 + 7 * 2;
	for (int64_t i = 0; i < 64; i++) {
		while (!append(&f, "acme", i))
			call_forgive(&f.c);
	}
	reopen(&f);
	check_all(&f, 0, 64);
	end(&f);
}

static void a_late_reader_finds_its_place_in_a_long_segment(void **state)
{
	struct event_item *it;
	struct str cursor = S("");
	struct fixture f;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	for (int i = 0; i < 3000; i++) {
		event_post(f.e, LIFE, S("acme"), S("{\"seq\":1,\"more\":\"some text that makes a line longer than it would be without\"}"));
		if (i % 500 == 0)
			events_flush(f.e);
	}
	events_flush(f.e);
	for (int at = 0; at < 3000; at += n) {
		assert_true(read_events(&f.c, f.e, &acme, cursor, 97, &it, &n, &cursor, &lost));
		assert_true(n > 0);
		assert_int_equal(it[0].offset, at);
		assert_int_equal(lost, 0);
	}
	expect_sound(&f, 3000);
	end(&f);
}

static void heads_roll(void **state)
{
	struct fixture f;
	char path[256];

	(void)state;
	begin(&f);
	append_many(&f, 0, 700);
	path_of(&f, first_head, path);
	assert_int_not_equal(access(path, F_OK), 0);
	expect_sound(&f, 700);
	reopen(&f);
	append_many(&f, 700, 701);
	expect_sound(&f, 701);
	end(&f);
}

static void streams_that_nobody_uses_are_closed(void **state)
{
	char tenant[32];
	struct fixture f;
	int64_t next;

	(void)state;
	begin(&f);
	append_many(&f, 0, 3);
	for (int i = 0; i < EVENT_STREAMS_KEPT + 10; i++) {
		snprintf(tenant, sizeof(tenant), "t%d", i);
		assert_true(event_head(&f.c, f.e, LIFE, str_of(tenant), &next));
		arena_reset(&f.arena);
	}
	event_post(f.e, EVENT_JOB, S("acme"), S("{}"));
	events_flush(f.e);
	events_flush(f.e);
	expect_sound(&f, 4);
	append_many(&f, 3, 4);
	check_all(&f, 0, 4);
	expect_sound(&f, 5);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posted_events_come_in_order_in_batches),
		cmocka_unit_test(what_was_dropped_is_told),
		cmocka_unit_test(a_batch_comes_by_itself_within_a_second),
		cmocka_unit_test(watchers_are_called_after_the_write),
		cmocka_unit_test(recent_items_are_those_of_the_log),
		cmocka_unit_test(a_slow_reader_goes_to_the_log),
		cmocka_unit_test(the_founding_replay),
		cmocka_unit_test(a_late_reader_finds_its_place_in_a_long_segment),
		cmocka_unit_test(heads_roll),
		cmocka_unit_test(streams_that_nobody_uses_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
