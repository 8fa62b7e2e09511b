/* events_test.c - the event log on a folder: nothing acknowledged is lost, nothing comes twice, nothing is changed unseen. */
#include "lifecycle/lifecycle.h"

#include "folder.h"
#include "event_pages.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE EVENT_SESSION_LIFECYCLE
#define KEY S("the secret of this server")

/* --- a store whose appends fail when told, maybe after a part was written --- */
struct faulty {
	struct store store;
	struct store *under;
	int64_t appends, fail_at, part; /* fail_at: the nth append from now, 0 = none; part: bytes that are written all the same */
	bool cut_fails;
};

static struct faulty *faulty(struct store *s)
{
	return CONTAINER_OF(s, struct faulty, store);
}

static bool faulty_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	return faulty(s)->under->ops->put(c, faulty(s)->under, key, bytes, how);
}

static bool faulty_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	return faulty(s)->under->ops->get(c, faulty(s)->under, key, offset, max, ret);
}

static bool faulty_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret, size_t *n)
{
	return faulty(s)->under->ops->list(c, faulty(s)->under, prefix, after, ret, n);
}

static bool faulty_drop(struct call *c, struct store *s, struct str key)
{
	return faulty(s)->under->ops->drop(c, faulty(s)->under, key);
}

static bool faulty_append(struct call *c, struct store *s, struct str key, int64_t offset, struct str bytes, bool sync)
{
	struct faulty *f = faulty(s);

	f->appends++;
	if (f->fail_at == 0 || --f->fail_at > 0)
		return f->under->ops->append(c, f->under, key, offset, bytes, sync);
	if (f->part)
		assert_true(f->under->ops->append(c, f->under, key, offset, str_head(bytes, (size_t)f->part), sync));
	return fail(c, ERR_STORAGE, "the disk is full");
}

static bool faulty_cut(struct call *c, struct store *s, struct str key, int64_t size)
{
	struct faulty *f = faulty(s);

	if (f->cut_fails)
		return fail(c, ERR_STORAGE, "the disk is gone");
	return f->under->ops->cut(c, f->under, key, size);
}

static void faulty_close(struct store *s)
{
	faulty(s)->under->ops->close(faulty(s)->under);
}

static const struct store_ops faulty_ops = {
	.name = "faulty", .put = faulty_put, .get = faulty_get, .list = faulty_list, .drop = faulty_drop,
	.append = faulty_append, .cut = faulty_cut, .close = faulty_close,
};

/* --- fixture: a folder, a server's log on it --- */
struct fixture {
	struct arena arena;
	struct call c;
	char dir[FOLDER_PATH_MAX];
	struct faulty store;
	struct events *e;
	struct events_options o;
};

static void open_store(struct fixture *f)
{
	f->store = (struct faulty){.store = {&faulty_ops}};
	f->store.under = store_folder_open(&f->c, str_of(f->dir));
	assert_non_null(f->store.under);
}

static void open_log(struct fixture *f)
{
	open_store(f);
	f->o.store = &f->store.store;
	f->e = events_open(&f->c, &f->o);
	assert_non_null(f->e);
}

static void close_log(struct fixture *f)
{
	events_close(f->e);
	faulty_close(&f->store.store);
}

static void reopen(struct fixture *f)
{
	close_log(f);
	open_log(f);
}

static void begin(struct fixture *f)
{
	*f = (struct fixture){.o = {.server = S("server-a"), .key = KEY, .topic_prefix = S("mayfly"), .sync = EVENT_SYNC_NEVER,
				    .segment_bytes = 1 << 20}};
	call_open(&f->c, &f->arena);
	folder_make(f->dir);
	open_log(f);
}

static void end(struct fixture *f)
{
	close_log(f);
	folder_remove(f->dir);
	arena_close(&f->arena);
}

static bool append(struct fixture *f, const char *tenant, int64_t seq)
{
	char payload[128];

	snprintf(payload, sizeof(payload), "{\"event\":\"%s\",\"session_id\":\"s%lld\",\"seq\":%lld}", seq % 2 ? "closed" : "opened",
		 (long long)seq / 2, (long long)seq);
	return event_append(&f->c, f->e, LIFE, str_of(tenant), str_of(payload));
}

static void append_many(struct fixture *f, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
		assert_true(append(f, "acme", i));
}

static int64_t seq_of(const struct event_item *it)
{
	struct str s = it->payload;
	int64_t seq = -1;

	s = str_tail(s, str_search(s, S("\"seq\":")) + 6);
	assert_true(str_to_i64(str_head(s, str_find(s, '}')), &seq));
	return seq;
}

static const struct event_filter acme = {.tenant = S_INIT("acme"), .topic = LIFE};
static const struct event_filter acme_all = {.tenant = S_INIT("acme"), .topic = -1};

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
static void check_all(struct fixture *f, int64_t from, int64_t total)
{
	struct str cursor = S("");
	struct event_item *it;
	int64_t next = from, lost;
	int n;

	do {
		assert_true(read_events(&f->c, f->e, &acme, cursor, 7, &it, &n, &cursor, &lost));
		for (int i = 0; i < n; i++, next++) {
			assert_int_equal(it[i].offset, next);
			assert_int_equal(seq_of(&it[i]), next);
		}
	} while (n == 7);
	assert_int_equal(next, total);
}

static struct events_verdict verify(struct fixture *f)
{
	struct events_verdict v;

	assert_true(events_verify(&f->c, &f->store.store, KEY, &v));
	return v;
}

static void expect_sound(struct fixture *f, int64_t items)
{
	struct events_verdict v = verify(f);

	if (v.nbad)
		print_error("%.*s\n", SARG(v.bad[0]));
	assert_int_equal(v.nbad, 0);
	assert_int_equal(v.items, items);
	assert_int_equal(v.unsealed, 0);
}

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

struct at_once {
	struct fixture *f;
	atomic_bool stop;
	int64_t read, lost;
	int faults;
};

/* Follows the log as a live stream does: from memory, else from the store. */
static void *follow(void *arg)
{
	struct at_once *x = arg;
	char kept[512] = "";
	bool last = false;

	while (!last) {
		struct str cursor = str_of(kept);
		struct event_item *it;
		struct arena a = {0};
		int64_t lost = 0;
		struct call c;
		int n;

		call_open(&c, &a);
		last = atomic_load(&x->stop);
		if (!recent_events(&c, x->f->e, &acme, cursor, 50, &it, &n, &cursor))
			INVARIANT(read_events(&c, x->f->e, &acme, cursor, 50, &it, &n, &cursor, &lost));
		x->lost += lost;
		for (int i = 0; i < n; i++, x->read++)
			x->faults += kept[0] && it[i].offset != x->read + x->lost;
		if (n && !kept[0])
			x->lost = it[0].offset;
		last = last && n == 0;
		snprintf(kept, sizeof(kept), "%.*s", SARG(cursor));
		arena_close(&a);
	}
	return NULL;
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
		INVARIANT(events_verify(&c, &x->f->store.store, KEY, &v));
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

/* --- files of the log, behind its back --- */
static void path_of(const struct fixture *f, const char *name, char ret[256])
{
	snprintf(ret, 256, "%s/events/acme/session_lifecycle/server-a/%s", f->dir, name);
}

static struct buf read_file(const char *path)
{
	struct buf b = {0};
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	do {
		n = read(fd, buf_room(&b, 65536), 65536);
		assert_true(n >= 0);
		b.n += (size_t)n;
	} while (n > 0);
	close(fd);
	return b;
}

static void write_file(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	close(fd);
}

static const char first_segment[] = "00000000000000000000.ndjson", first_head[] = "head-00000000000000000000.ndjson";

static int count_bad(struct fixture *f)
{
	return verify(f).nbad;
}

static void every_changed_byte_is_found(void **state)
{
	char path[256];
	struct fixture f;
	struct buf b;
	int missed = 0;

	(void)state;
	begin(&f);
	append_many(&f, 0, 4);
	reopen(&f);
	expect_sound(&f, 4);
	path_of(&f, first_segment, path);
	b = read_file(path);
	for (size_t i = 0; i < b.n; i++) {
		char was = b.p[i];

		b.p[i] = was ^ (i % 2 ? 1 : 0x20);
		write_file(path, buf_str(&b));
		if (count_bad(&f) == 0)
			missed++;
		b.p[i] = was;
		arena_reset(&f.arena);
	}
	assert_int_equal(missed, 0);
	write_file(path, buf_str(&b));
	expect_sound(&f, 4);
	buf_drop(&b);
	end(&f);
}

static void every_changed_byte_of_the_head_is_found(void **state)
{
	char path[256];
	struct fixture f;
	struct buf b;
	size_t last;
	int missed = 0;

	(void)state;
	begin(&f);
	append_many(&f, 0, 2);
	reopen(&f);
	path_of(&f, first_head, path);
	b = read_file(path);
	for (last = b.n - 1; last > 0 && b.p[last - 1] != '\n';)
		last--;
	for (size_t i = last; i < b.n; i++) {
		char was = b.p[i];

		b.p[i] = was ^ 1;
		write_file(path, buf_str(&b));
		/* without its end the record before it counts, which does not say that the log is closed */
		if (count_bad(&f) == 0 && i != b.n - 1)
			missed++;
		b.p[i] = was;
	}
	assert_int_equal(missed, 0);
	buf_drop(&b);
	end(&f);
}

/* One payload is another, with a hash that is right; with `all`, so are the hashes of all items behind it. */
static void forge(struct buf *b, bool all)
{
	struct str rest = buf_str(b);
	char hash[65] = "";

	for (int i = 0; rest.n; i++) {
		struct str line = str_cut(&rest, '\n');
		char *at = b->p + (line.p - b->p);
		unsigned char digest[SHA256_LEN];
		OWNS(buf) hex = {0};

		if (i < 2)
			continue;
		if (i == 2)
			at[str_search(line, S("opened"))] = 'O';
		else if (all)
			memcpy(at + line.n - 66 - 9 - 1 - 64, hash, 64);
		else
			continue;
		hash_sha256(str_head(line, line.n - 66 - 9), digest);
		hash_hex(str_from((char *)digest, sizeof(digest)), &hex);
		memcpy(hash, hex.p, 64);
		memcpy(at + line.n - 66, hash, 64);
	}
}

static void a_forged_chain_is_found(void **state)
{
	for (int all = 0; all < 2; all++) {
		struct events_verdict v;
		char path[256];
		struct fixture f;
		struct buf b;

		begin(&f);
		append_many(&f, 0, 6);
		path_of(&f, first_segment, path);
		b = read_file(path);
		forge(&b, all);
		write_file(path, buf_str(&b));
		v = verify(&f);
		assert_int_equal(v.nbad, 1);
		if (all)
			assert_true(str_ends(v.bad[0], S("offset 5 is not the item that the signed head tells")));
		else
			assert_true(str_search(v.bad[0], S("offset 3 does not follow the item before it")) < v.bad[0].n);
		buf_drop(&b);
		end(&f);
	}
	(void)state;
}

static size_t line_begin(const struct buf *b, int from_end)
{
	size_t at = b->n;

	while (from_end-- > 0) {
		at--;
		while (at > 0 && b->p[at - 1] != '\n')
			at--;
	}
	return at;
}

static void a_cut_tail_is_found_and_the_stream_goes_on(void **state)
{
	for (int lines = 1; lines <= 6; lines += 5) {
		struct events_stats stats;
		char path[256], again[256];
		struct event_item *it;
		struct fixture f;
		struct str cursor;
		int64_t lost, next;
		struct buf b, kept;
		int n, bad;

		begin(&f);
		append_many(&f, 0, 6);
		close_log(&f);
		path_of(&f, first_segment, path);
		b = read_file(path);
		write_file(path, str_head(buf_str(&b), line_begin(&b, lines)));
		open_log(&f);
		bad = count_bad(&f);
		assert_int_equal(bad, 1);
		assert_true(str_search(verify(&f).bad[0], S("cut off")) < verify(&f).bad[0].n);
		assert_true(append(&f, "acme", 7));
		events_stats(f.e, &stats);
		assert_int_equal(stats.broken, 1);
		assert_true(event_head(&f.c, f.e, LIFE, S("acme"), &next));
		assert_int_equal(next, 8);
		assert_true(count_bad(&f) > 0);
		kept = read_file(path);
		assert_int_equal(kept.n, line_begin(&b, lines)); /* evidence stays */
		path_of(&f, "00000000000000000006.ndjson", again);
		assert_int_equal(access(again, F_OK), 0);
		assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
		assert_int_equal(n, 8 - lines);
		assert_int_equal(lost, lines);
		assert_true(str_starts(it[6 - lines].payload, S("{\"event\":\"chain_broken\",")));
		/* found once, not at every start */
		reopen(&f);
		assert_true(append(&f, "acme", 8));
		events_stats(f.e, &stats);
		assert_int_equal(stats.broken, 0);
		buf_drop(&b);
		buf_drop(&kept);
		end(&f);
	}
	(void)state;
}

static void a_lost_head_is_found_and_the_stream_goes_on(void **state)
{
	char path[256];
	struct event_item *it;
	struct fixture f;
	struct str cursor;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	append_many(&f, 0, 3);
	close_log(&f);
	path_of(&f, first_head, path);
	assert_int_equal(unlink(path), 0);
	open_log(&f);
	assert_true(count_bad(&f) > 0);
	assert_true(append(&f, "acme", 4));
	assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 5);
	assert_int_equal(it[4].offset, 4);
	end(&f);
	begin(&f);
	append_many(&f, 0, 3);
	close_log(&f);
	f.o.key = S("another key");
	open_log(&f);
	assert_true(append(&f, "acme", 4));
	reopen(&f);
	assert_true(append(&f, "acme", 5));
	assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 6);
	end(&f);
}

static void items_put_behind_a_closed_head_are_found(void **state)
{
	char path[256];
	struct fixture f;
	struct buf b;

	(void)state;
	begin(&f);
	append_many(&f, 0, 3);
	close_log(&f);
	path_of(&f, first_segment, path);
	b = read_file(path);
	buf_add(&b, str_tail(buf_str(&b), line_begin(&b, 1)));
	write_file(path, buf_str(&b));
	open_store(&f);
	assert_true(count_bad(&f) > 0);
	faulty_close(&f.store.store);
	open_log(&f);
	buf_drop(&b);
	end(&f);
}

/* As a crash leaves it: the head is that of before, the last line is in pieces. */
static void a_torn_last_line_is_cut_wherever_it_ends(void **state)
{
	char path[256], head[256];
	struct fixture f;
	struct buf b, before;
	size_t last;

	(void)state;
	begin(&f);
	append_many(&f, 0, 3);
	path_of(&f, first_head, head);
	path_of(&f, first_segment, path);
	before = read_file(head);
	append_many(&f, 3, 4);
	b = read_file(path);
	last = line_begin(&b, 1);
	for (size_t n = last; n <= b.n; n++) {
		close_log(&f);
		write_file(path, str_head(buf_str(&b), n));
		write_file(head, buf_str(&before));
		open_log(&f);
		assert_int_equal(count_bad(&f), 0);
		assert_int_equal(verify(&f).unsealed, n == b.n);
		append_many(&f, n == b.n ? 4 : 3, 5);
		expect_sound(&f, 5);
		check_all(&f, 0, 5);
		arena_reset(&f.arena);
	}
	buf_drop(&b);
	buf_drop(&before);
	end(&f);
}

static void a_dropped_segment_is_found(void **state)
{
	char path[256], name[32];
	struct event_item *it;
	struct fixture f;
	struct str cursor;
	int64_t lost, second;
	DIR *d;
	int n;

	(void)state;
	for (int which = 0; which < 3; which++) { /* the first, one in the middle, the last */
		int64_t firsts[64] = {0};
		size_t count = 0;
		const struct dirent *entry;

		begin(&f);
		f.o.segment_bytes = 2000;
		reopen(&f);
		append_many(&f, 0, 60);
		path_of(&f, "", path);
		d = opendir(path);
		assert_non_null(d);
		while ((entry = readdir(d)))
			if (ascii_digit(entry->d_name[0]) && count < COUNT_OF(firsts))
				assert_true(str_to_i64(str_head(str_of(entry->d_name), 20), &firsts[count++]));
		closedir(d);
		assert_true(count > 5);
		second = 0;
		for (size_t i = 0; i < count; i++)
			second = which == 2 ? (firsts[i] > second ? firsts[i] : second) : which == 1 && firsts[i] && firsts[i] < 20 ? firsts[i] : second;
		snprintf(name, sizeof(name), "%020lld.ndjson", (long long)second);
		expect_sound(&f, 60);
		path_of(&f, name, path);
		assert_int_equal(unlink(path), 0);
		assert_true(count_bad(&f) > 0);
		assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
		assert_true(n < 60 && n > 40);
		if (which < 2)
			assert_int_equal(n + lost, 60);
		end(&f);
	}
}

static void strange_objects_are_told(void **state)
{
	struct events_verdict v;
	struct fixture f;
	char path[256];

	(void)state;
	begin(&f);
	append_many(&f, 0, 1);
	path_of(&f, "notes.txt", path);
	write_file(path, S("hello"));
	v = verify(&f);
	assert_int_equal(v.nbad, 1);
	assert_true(str_search(v.bad[0], S("notes.txt does not belong here")) < v.bad[0].n);
	end(&f);
}

/* --- retention --- */
static void retention_keeps_the_chain(void **state)
{
	struct str cursor = S(""), old;
	struct event_item *it;
	struct fixture f;
	int64_t lost, next;
	int n;

	(void)state;
	begin(&f);
	f.o.segment_bytes = 2000;
	f.o.retention_bytes = 6000;
	f.o.retention_ms = 1000000;
	reopen(&f);
	assert_true(events_tail(&f.c, f.e, &acme, &old));
	append_many(&f, 0, 1);
	assert_true(read_events(&f.c, f.e, &acme, S(""), 1, &it, &n, &old, &lost));
	append_many(&f, 1, 60);
	events_sweep(f.e);
	assert_int_equal(count_bad(&f), 0);
	assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
	assert_true(n > 5 && n < 30);
	assert_int_equal(lost, 0);
	assert_int_equal(it[n - 1].offset, 59);
	assert_true(read_events(&f.c, f.e, &acme, old, 100, &it, &n, &cursor, &lost));
	assert_int_equal(n + lost, 59);
	reopen(&f);
	append_many(&f, 60, 61);
	assert_int_equal(count_bad(&f), 0);
	/* by age all goes, and offsets go on */
	clock_advance(2000000);
	events_sweep(f.e);
	expect_sound(&f, 0);
	append_many(&f, 61, 62);
	expect_sound(&f, 1);
	reopen(&f);
	expect_sound(&f, 1);
	assert_true(read_events(&f.c, f.e, &acme, old, 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 1);
	assert_int_equal(lost, 60);
	clock_advance(2000000);
	close_log(&f);
	open_log(&f);
	events_sweep(f.e);
	reopen(&f);
	expect_sound(&f, 0);
	assert_true(event_head(&f.c, f.e, LIFE, S("acme"), &next));
	assert_int_equal(next, 62);
	end(&f);
}

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
	int64_t give_up = clock_mono_ms() + 10000;
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
		cmocka_unit_test(every_changed_byte_is_found),
		cmocka_unit_test(every_changed_byte_of_the_head_is_found),
		cmocka_unit_test(a_forged_chain_is_found),
		cmocka_unit_test(a_cut_tail_is_found_and_the_stream_goes_on),
		cmocka_unit_test(a_lost_head_is_found_and_the_stream_goes_on),
		cmocka_unit_test(items_put_behind_a_closed_head_are_found),
		cmocka_unit_test(a_torn_last_line_is_cut_wherever_it_ends),
		cmocka_unit_test(a_dropped_segment_is_found),
		cmocka_unit_test(strange_objects_are_told),
		cmocka_unit_test(retention_keeps_the_chain),
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
