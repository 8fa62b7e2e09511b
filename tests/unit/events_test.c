/* events_test.c - the event log on a folder: nothing acknowledged is lost, nothing comes twice, nothing is changed unseen. */
#include "events_rig.h"

/* --- appending and reading --- */
static void pages_partition_the_log(void **state)
{
	struct str cursor = S("");
	struct event_item *it;
	struct fixture f;
	int64_t seen = 0, lost;
	int n;

	(void)state;
	begin(&f);
	append_many(&f, 0, 25);
	do {
		assert_true(read_events(&f.c, f.e, &acme, cursor, 4, &it, &n, &cursor, &lost));
		for (int i = 0; i < n; i++, seen++) {
			assert_int_equal(seq_of(&it[i]), seen);
			assert_int_equal(it[i].offset, seen);
			assert_int_equal(it[i].topic, LIFE);
		}
		assert_int_equal(lost, 0);
	} while (n == 4);
	assert_int_equal(seen, 25);
	append_many(&f, 25, 27);
	assert_true(read_events(&f.c, f.e, &acme, cursor, 10, &it, &n, &cursor, &lost));
	assert_int_equal(n, 2);
	assert_int_equal(seq_of(&it[0]), 25);
	end(&f);
}

static void an_item_is_as_the_contract_has_it(void **state)
{
	static const char *const keys[] = {"topic", "stream", "offset", "time", "tenant_id", "payload", "prev_hash", "hash"};
	struct event_item *it;
	struct fixture f;
	struct str cursor, rest;
	int64_t lost, at_ms;
	char quoted[32];
	size_t at = 0;
	int n;

	(void)state;
	begin(&f);
	assert_true(event_append(&f.c, f.e, LIFE, S("acme"), S("{\n\"seq\":0}")));
	assert_true(event_append(&f.c, f.e, LIFE, S("acme"), S("{\"seq\":1}")));
	assert_true(read_events(&f.c, f.e, &acme, S(""), 10, &it, &n, &cursor, &lost));
	assert_int_equal(n, 2);
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		size_t found;

		snprintf(quoted, sizeof(quoted), "\"%s\":", keys[i]);
		found = str_search(it[1].line, str_of(quoted));
		assert_true(found < it[1].line.n && found >= at);
		at = found;
	}
	assert_true(str_starts(it[0].line, S("{\"topic\":\"mayfly.audit.session_lifecycle.v1\",\"stream\":\"server-a\",\"offset\":0,\"time\":\"")));
	assert_str_equal(it[0].payload, "{ \"seq\":0}");
	rest = str_tail(it[0].line, str_search(it[0].line, S("\"time\":\"")) + 8);
	assert_true(clock_parse_rfc3339(str_head(rest, str_find(rest, '"')), &at_ms));
	/* the hash of one is the prev_hash of the next, and that of all before it in the line */
	assert_true(str_search(it[1].line, str_head(str_tail(it[0].line, it[0].line.n - 66), 64)) < it[1].line.n);
	{
		unsigned char digest[SHA256_LEN];
		OWNS(buf) hex = {0};

		hash_sha256(str_head(it[1].line, str_search(it[1].line, S(",\"hash\":\""))), digest);
		hash_hex(str_from((char *)digest, sizeof(digest)), &hex);
		assert_true(str_eq(buf_str(&hex), str_head(str_tail(it[1].line, it[1].line.n - 66), 64)));
	}
	end(&f);
}

static void names_of_topics(void **state)
{
	enum event_topic t = EVENT_JOB;
	struct fixture f;

	(void)state;
	begin(&f);
	assert_str_equal(event_topic_name(&f.arena, f.e, EVENT_STATEMENT), "mayfly.audit.statement.v1");
	for (int i = 0; i < EVENT_TOPICS; i++) {
		assert_true(event_topic_of(f.e, event_topic_name(&f.arena, f.e, (enum event_topic)i), &t));
		assert_int_equal(t, i);
	}
	assert_true(event_topic_of(f.e, S("jammi.audit.session_lifecycle.v1"), &t));
	assert_int_equal(t, LIFE);
	assert_false(event_topic_of(f.e, S("jammi.audit.statement.v1"), &t));
	end(&f);
}

static void any_item_s_cursor_resumes_behind_it(void **state)
{
	struct event_item *all, *it;
	struct str cursor;
	struct fixture f;
	int64_t lost;
	int n, m;

	(void)state;
	begin(&f);
	f.o.segment_bytes = 3000;
	reopen(&f);
	for (int i = 0; i < 30; i++) {
		append_many(&f, i, i + 1);
		assert_true(event_append(&f.c, f.e, EVENT_STATEMENT, S("acme"), S("{\"seq\":-1}")));
		clock_advance(3);
	}
	assert_true(read_events(&f.c, f.e, &acme_all, S(""), 100, &all, &n, &cursor, &lost));
	assert_int_equal(n, 60);
	for (int i = 0; i < n; i++) {
		if (i % 7 == 0)
			reopen(&f);
		assert_true(read_events(&f.c, f.e, &acme_all, all[i].cursor, 100, &it, &m, &cursor, &lost));
		assert_int_equal(m, n - 1 - i);
		for (int j = 0; j < m; j++)
			assert_true(str_eq(it[j].line, all[i + 1 + j].line));
	}
	end(&f);
}

static void filters_look_into_the_payload(void **state)
{
	struct event_filter by = acme;
	struct event_item *it;
	struct str cursor;
	struct fixture f;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	append_many(&f, 0, 10);
	assert_true(event_append(&f.c, f.e, LIFE, S("acme"), S("{\"x\":{\"event\":\"opened\"},\"principal\":\"b\\\"ob\",\"seq\":10}")));
	by.event = S("opened");
	for (int memory = 0; memory < 2; memory++) {
		if (memory)
			assert_true(recent_events(&f.c, f.e, &by, S(""), 100, &it, &n, &cursor));
		else
			assert_true(read_events(&f.c, f.e, &by, S(""), 100, &it, &n, &cursor, &lost));
		assert_int_equal(n, 5);
		assert_int_equal(seq_of(&it[4]), 8);
	}
	assert_true(read_events(&f.c, f.e, &by, cursor, 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 0);
	by.session_id = S("s2");
	assert_true(read_events(&f.c, f.e, &by, S(""), 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 1);
	assert_int_equal(seq_of(&it[0]), 4);
	by = acme;
	by.principal = S("b\"ob");
	assert_true(read_events(&f.c, f.e, &by, S(""), 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 1);
	assert_int_equal(seq_of(&it[0]), 10);
	by.principal = S("");
	assert_true(recent_events(&f.c, f.e, &by, S(""), 100, &it, &n, &cursor));
	assert_int_equal(n, 10);
	end(&f);
}

static void what_is_no_cursor_is_refused(void **state)
{
	static const char *const bad[] = {"x", "!!", "MQ", "MQo", "Mgphcm1lCg", "MQphY21lCjAgc2VydmVyLWEgLTEK", "MQphY21lCjkgc2VydmVyLWEgMQo",
					  "MQphY21lCjAgc2VydmVyLWEgMQ"};
	struct event_item *it;
	struct str cursor;
	struct fixture f;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	append_many(&f, 0, 2);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(read_events(&f.c, f.e, &acme, str_of(bad[i]), 10, &it, &n, &cursor, &lost));
		assert_int_equal(f.c.err.kind, ERR_INVALID_FIELD);
		call_forgive(&f.c);
		assert_false(recent_events(&f.c, f.e, &acme, str_of(bad[i]), 10, &it, &n, &cursor));
		assert_int_equal(f.c.err.kind, ERR_INVALID_FIELD);
		call_forgive(&f.c);
	}
	end(&f);
}

static void tenants_do_not_meet(void **state)
{
	struct event_filter other = {.tenant = S("other"), .topic = -1};
	struct event_item *it;
	struct str cursor;
	struct fixture f;
	int64_t lost, head;
	int n;

	(void)state;
	begin(&f);
	append_many(&f, 0, 5);
	assert_true(append(&f, "other", 100));
	assert_true(read_events(&f.c, f.e, &other, S(""), 10, &it, &n, &cursor, &lost));
	assert_int_equal(n, 1);
	assert_int_equal(it[0].offset, 0);
	assert_int_equal(seq_of(&it[0]), 100);
	assert_false(read_events(&f.c, f.e, &acme, cursor, 10, &it, &n, &cursor, &lost));
	assert_int_equal(f.c.err.kind, ERR_INVALID_FIELD);
	call_forgive(&f.c);
	assert_true(event_head(&f.c, f.e, LIFE, S("other"), &head));
	assert_int_equal(head, 1);
	assert_false(append(&f, "../acme", 0));
	assert_int_equal(f.c.err.kind, ERR_INVALID_TENANT);
	call_forgive(&f.c);
	end(&f);
}

static void two_servers_in_one_store_merge_by_time(void **state)
{
	struct fixture f;
	struct events_options o;
	struct events *b;
	struct event_item *it;
	struct str cursor, tail;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	o = f.o;
	o.server = S("server-b");
	b = events_open(&f.c, &o);
	assert_non_null(b);
	for (int i = 0; i < 20; i++) {
		char payload[32];

		snprintf(payload, sizeof(payload), "{\"seq\":%d}", i);
		assert_true(event_append(&f.c, i % 3 ? b : f.e, LIFE, S("acme"), str_of(payload)));
		clock_advance(5);
	}
	assert_true(events_tail(&f.c, f.e, &acme, &tail));
	assert_true(read_events(&f.c, f.e, &acme, S(""), 12, &it, &n, &cursor, &lost));
	assert_int_equal(n, 12);
	for (int i = 0; i < n; i++)
		assert_int_equal(seq_of(&it[i]), i);
	assert_true(read_events(&f.c, b, &acme, cursor, 12, &it, &n, &cursor, &lost));
	assert_int_equal(n, 8);
	assert_int_equal(seq_of(&it[0]), 12);
	assert_true(str_eq(tail, cursor));
	assert_true(event_append(&f.c, b, LIFE, S("acme"), S("{\"seq\":20}")));
	assert_true(read_events(&f.c, f.e, &acme, tail, 12, &it, &n, &cursor, &lost));
	assert_int_equal(n, 1);
	events_close(b);
	end(&f);
}

/* --- failures and restarts --- */
static void a_failed_append_leaves_neither_gap_nor_duplicate(void **state)
{
	(void)state;
	for (int round = 0; round < 24; round++) {
		struct event_item *it, *all;
		struct fixture f;
		unsigned random;
		int64_t total, fail_at, from, lost;
		struct str cursor;
		int n, m;

		begin(&f);
		id_random(&random, sizeof(random));
		total = 1 + random % 64;
		fail_at = 1 + random / 64 % (2 * total);
		from = random / 4096 % total;
		f.o.segment_bytes = round % 2 ? 2000 : 1 << 20;
		reopen(&f);
		f.store.fail_at = fail_at;
		f.store.part = round % 3 * 40;
		f.store.cut_fails = round % 4 == 3;
		for (int64_t i = 0; i < total;) {
			if (append(&f, "acme", i)) {
				i++;
				continue;
			}
			assert_int_equal(f.c.err.kind, ERR_STORAGE);
			call_forgive(&f.c);
			f.store.cut_fails = false;
		}
		expect_sound(&f, total);
		reopen(&f);
		check_all(&f, 0, total);
		assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &all, &n, &cursor, &lost));
		assert_int_equal(n, total);
		assert_true(read_events(&f.c, f.e, &acme, from ? all[from - 1].cursor : S(""), 100, &it, &m, &cursor, &lost));
		assert_int_equal(m, total - from);
		for (int i = 0; i < m; i++)
			assert_int_equal(it[i].offset, from + i);
		append_many(&f, total, total + 2);
		expect_sound(&f, total + 2);
		end(&f);
	}
}

static void appends_until_killed(struct fixture *f, int told)
{
	open_log(f);
	for (int64_t i = 0;; i++) {
		int64_t next;

		if (!event_head(&f->c, f->e, LIFE, S("acme"), &next) || !append(f, "acme", next) ||
		    write(told, &next, sizeof(next)) != sizeof(next))
			_exit(1);
		arena_reset(&f->arena);
	}
}

/* The parent takes acknowledgements until it has enough, kills, and takes what was still in the pipe. */
static int64_t kill_after(struct fixture *f, int acknowledged)
{
	int64_t last = -1, got;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		appends_until_killed(f, fds[1]);
	close(fds[1]);
	for (int i = 0; read(fds[0], &got, sizeof(got)) == sizeof(got); i++) {
		last = got;
		if (i == acknowledged)
			kill(pid, SIGKILL);
	}
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return last;
}

static void a_killed_server_loses_nothing_it_acknowledged(void **state)
{
	struct fixture f;
	int64_t next;

	(void)state;
	begin(&f);
	close_log(&f);
	f.o.segment_bytes = 20000;
	for (int round = 0; round < 40; round++) {
		int64_t last = kill_after(&f, round * 7 % 60);
		struct events_verdict v;

		assert_true(last >= 0);
		open_log(&f);
		v = verify(&f);
		assert_int_equal(v.nbad, 0);
		assert_true(v.items - v.unsealed >= last + 1);
		assert_true(event_head(&f.c, f.e, LIFE, S("acme"), &next));
		assert_true(next >= last + 1);
		check_all(&f, 0, next);
		close_log(&f);
		arena_reset(&f.arena);
	}
	open_log(&f);
	end(&f);
}

static void *append_hundred(void *arg)
{
	struct fixture *f = arg;
	struct arena a = {0};
	struct call c;

	call_open(&c, &a);
	for (int i = 0; i < 100; i++) {
		INVARIANT(event_append(&c, f->e, LIFE, S("acme"), S("{\"seq\":1}")));
		event_post(f->e, i % 2 ? LIFE : EVENT_STATEMENT, i % 3 ? S("acme") : S("other"), S("{\"seq\":2}"));
	}
	arena_close(&a);
	return NULL;
}

static void batches_of_eight_threads(void **state)
{
	struct events_stats stats;
	pthread_t threads[8];
	struct fixture f;

	(void)state;
	begin(&f);
	f.o.segment_bytes = 20000;
	reopen(&f);
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_hundred, &f), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		pthread_join(threads[i], NULL);
	events_flush(f.e);
	expect_sound(&f, 1600);
	events_stats(f.e, &stats);
	assert_int_equal(stats.appended, 1600);
	assert_true(stats.batches <= 1600);
	assert_int_equal(stats.dropped, 0);
	end(&f);
}

static void *sweep_and_verify(void *arg)
{
	struct at_once *x = arg;

	while (!atomic_load(&x->stop)) {
		struct events_verdict v;
		struct arena a = {0};
		struct call c;

		call_open(&c, &a);
		events_sweep(x->f->e);
		INVARIANT(events_verify(&c, &x->f->store.store, S("server-a"), KEY, &v));
		if (v.nbad)
			print_error("%.*s\n", SARG(v.bad[0]));
		x->faults += v.nbad;
		arena_close(&a);
	}
	return NULL;
}

static void readers_sweeps_and_verifying_while_it_is_written(void **state)
{
	struct at_once reader = {0}, sweeper = {0};
	pthread_t writers[4], follows, sweeps;
	struct fixture f;

	(void)state;
	begin(&f);
	f.o.segment_bytes = 10000;
	f.o.retention_bytes = 50000;
	reopen(&f);
	reader.f = sweeper.f = &f;
	pthread_create(&follows, NULL, follow, &reader);
	pthread_create(&sweeps, NULL, sweep_and_verify, &sweeper);
	for (size_t i = 0; i < COUNT_OF(writers); i++)
		pthread_create(&writers[i], NULL, append_hundred, &f);
	for (size_t i = 0; i < COUNT_OF(writers); i++)
		pthread_join(writers[i], NULL);
	events_flush(f.e);
	atomic_store(&reader.stop, true);
	atomic_store(&sweeper.stop, true);
	pthread_join(follows, NULL);
	pthread_join(sweeps, NULL);
	assert_int_equal(reader.faults, 0);
	assert_int_equal(sweeper.faults, 0);
	{
		int64_t next;

		assert_true(event_head(&f.c, f.e, LIFE, S("acme"), &next));
		assert_int_equal(reader.read + reader.lost, next);
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_partition_the_log),
		cmocka_unit_test(an_item_is_as_the_contract_has_it),
		cmocka_unit_test(names_of_topics),
		cmocka_unit_test(any_item_s_cursor_resumes_behind_it),
		cmocka_unit_test(filters_look_into_the_payload),
		cmocka_unit_test(what_is_no_cursor_is_refused),
		cmocka_unit_test(tenants_do_not_meet),
		cmocka_unit_test(two_servers_in_one_store_merge_by_time),
		cmocka_unit_test(a_failed_append_leaves_neither_gap_nor_duplicate),
		cmocka_unit_test(a_killed_server_loses_nothing_it_acknowledged),
		cmocka_unit_test(batches_of_eight_threads),
		cmocka_unit_test(readers_sweeps_and_verifying_while_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
