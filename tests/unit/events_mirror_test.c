/* events_mirror_test.c - two and three servers that tell each other their events through a real Redis. */
#include "events_rig.h"
#include "redis_rig.h"

#include "lifecycle/events_int.h"

#include <stdlib.h>

#define PREFIX "t:events:"

struct side {
	struct fixture f;
	struct events_mirror *m;
	int64_t items;
};

static const struct event_filter acme_statements = {.tenant = S_INIT("acme"), .topic = EVENT_STATEMENT};

static void open_mirror(struct side *s, const struct redis_rig *r)
{
	struct redis_options o = redis_rig_options(r);
	const struct events_mirror_options m = {.events = s->f.e, .redis = &o, .prefix = S(PREFIX), .items = s->items ? s->items : 100000};

	o.timeout_ms = SANITIZED ? 5000 : 1000;
	s->m = events_mirror_open(&s->f.c, &m);
	if (!s->m)
		print_message("events_mirror_open: %s\n", s->f.c.err.text);
	assert_non_null(s->m);
}

static void begin_log(struct side *s, const char *server)
{
	*s = (struct side){.f.o = {.server = str_of(server), .key = str_of(server), .topic_prefix = S("mayfly"), .sync = EVENT_SYNC_NEVER,
				   .segment_bytes = 65536}};
	call_open(&s->f.c, &s->f.arena);
	folder_make(s->f.dir);
	open_log(&s->f);
}

static void begin_side(struct side *s, const struct redis_rig *r, const char *server)
{
	begin_log(s, server);
	open_mirror(s, r);
}

static void end_side(struct side *s)
{
	if (s->m)
		events_mirror_close(s->m);
	close_log(&s->f);
	folder_remove(s->f.dir);
	arena_close(&s->f.arena);
}

/* As a new process has it. */
static void again(struct side *s, const struct redis_rig *r)
{
	events_mirror_close(s->m);
	close_log(&s->f);
	open_log(&s->f);
	open_mirror(s, r);
}

static void pass_now(struct side *s)
{
	events_mirror_now(s->m);
}

static struct events_mirror_stats stats(struct side *s)
{
	struct events_mirror_stats n;

	events_mirror_stats(s->m, &n);
	return n;
}

/* How many items the filter sees, and are they those of `server`, from `first`, one after the other? */
static int64_t count(struct side *s, const struct event_filter *f, const char *server, int64_t first)
{
	int64_t next = first;
	char cursor[512] = "";
	bool more = true;

	while (more) {
		OWNS(arena) a = {0};
		struct event_page page = {.cursor = str_of(cursor), .limit = 100};
		struct str stream;
		struct call c;

		call_open(&c, &a);
		stream = arena_fmt(&a, "\"stream\":\"%s\"", server);
		assert_true(events_read(&c, s->f.e, f, &page));
		for (int i = 0; i < page.n; i++) {
			if (str_search(page.items[i].line, stream) == page.items[i].line.n)
				continue;
			assert_int_equal(page.items[i].offset, next);
			next++;
		}
		more = page.n == 100;
		assert_true(page.cursor.n < sizeof(cursor));
		snprintf(cursor, sizeof(cursor), "%.*s", SARG(page.cursor));
	}
	return next - first;
}

#define UNTIL_COUNT(side, server, n) \
	do { \
		for (int tries_ = 0; count((side), &acme, (server), 0) < (n); tries_++) { \
			assert_true(tries_ < 12000); \
			pass_now(side); \
			poll(NULL, 0, 5); \
		} \
		assert_int_equal(count((side), &acme, (server), 0), (n)); \
	} while (0)

static void expect_chained(struct side *s, int64_t mirrored, int64_t missing)
{
	struct events_verdict v;

	assert_true(events_verify(&s->f.c, &s->f.store.store, s->f.o.server, s->f.o.key, &v));
	for (int i = 0; i < v.nbad; i++)
		print_message("%.*s\n", SARG(v.bad[i]));
	assert_int_equal(v.nbad, 0);
	assert_int_equal(v.mirrored, mirrored);
	assert_int_equal(v.missing, missing);
}

/* The first segment of one may end a few items before that of the other. */
static void same_bytes(struct side *a, struct side *b)
{
	size_t n;
	OWNS(buf) here = {0};
	OWNS(buf) there = {0};
	const struct str key = S("events/acme/session_lifecycle/server-a/00000000000000000000.ndjson");

	assert_true(a->f.store.under->ops->get(&a->f.c, a->f.store.under, key, 0, 1 << 24, &here));
	assert_true(b->f.store.under->ops->get(&b->f.c, b->f.store.under, key, 0, 1 << 24, &there));
	n = here.n < there.n ? here.n : there.n;
	assert_true(n > 0 && (n == here.n || n >= 65536));
	assert_memory_equal(here.p, there.p, n);
}

static void count_call(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

/* --- there and back --- */
static void what_one_writes_the_other_has(void **state)
{
	struct event_watcher *w;
	atomic_int calls = 0;
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	w = events_watch(b.f.e, &(struct event_watch){count_call, &calls, acme});
	append_many(&a.f, 0, 100);
	UNTIL_COUNT(&b, "server-a", 100);
	same_bytes(&a, &b);
	assert_true(atomic_load(&calls) > 0);
	append_many(&b.f, 0, 7);
	UNTIL_COUNT(&a, "server-b", 7);
	assert_int_equal(count(&a, &acme, "server-a", 0), 100);
	assert_int_equal(count(&b, &acme, "server-b", 0), 7);
	assert_int_equal(stats(&a).sent, 100);
	assert_int_equal(stats(&a).received, 7);
	assert_int_equal(stats(&b).received, 100);
	assert_int_equal(stats(&b).refused + stats(&b).lost + stats(&a).behind, 0);
	assert_true(event_append(&a.f.c, a.f.e, EVENT_STATEMENT, S("acme"), S("{\"handle\":\"x\"}")));
	while (count(&b, &acme_statements, "server-a", 0) < 1)
		pass_now(&b);
	events_unwatch(b.f.e, w);
	expect_chained(&b, 2, 0);
	expect_chained(&a, 1, 0);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void a_third_one_gets_all_of_both(void **state)
{
	struct redis_rig r;
	struct side a, b, third;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	append_many(&a.f, 0, 300);
	append_many(&b.f, 0, 200);
	UNTIL_COUNT(&b, "server-a", 300);
	begin_side(&third, &r, "server-c");
	UNTIL_COUNT(&third, "server-a", 300);
	UNTIL_COUNT(&third, "server-b", 200);
	UNTIL_COUNT(&a, "server-b", 200);
	expect_chained(&third, 2, 0);
	end_side(&third);
	end_side(&b);
	end_side(&a);
	redis_rig_close(&r);
}

/* --- without Redis --- */
static void a_log_that_was_there_before_is_sent_when_redis_comes(void **state)
{
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_log(&a, "server-a");
	append_many(&a.f, 0, 50);
	redis_rig_kill(&r);
	open_mirror(&a, &r); /* warns, and goes on */
	append_many(&a.f, 50, 60);
	assert_false(stats(&a).up);
	redis_rig_start(&r);
	begin_side(&b, &r, "server-b");
	for (int i = 0; count(&b, &acme, "server-a", 0) < 60; i++) {
		assert_true(i < 30000);
		pass_now(&a);
		pass_now(&b);
	}
	assert_int_equal(count(&b, &acme, "server-a", 0), 60);
	assert_int_equal(stats(&a).sent, 60);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void a_wrong_url_is_told(void **state)
{
	struct redis_options o = {.url = S("http://localhost"), .timeout_ms = 1000};
	struct events_mirror_options m = {.redis = &o, .prefix = S(PREFIX), .items = 10};
	struct side a;

	(void)state;
	begin_log(&a, "server-a");
	m.events = a.f.e;
	assert_null(events_mirror_open(&a.f.c, &m));
	assert_int_equal(a.f.c.err.kind, ERR_INVALID_FIELD);
	call_forgive(&a.f.c);
	append_many(&a.f, 0, 3);
	end_side(&a);
}

static void a_redis_that_forgets_all_costs_nothing(void **state)
{
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	for (int round = 1; round < 5; round++) {
		redis_rig_kill(&r);
		append_many(&a.f, (round - 1) * 40, round * 40);
		append_many(&b.f, (round - 1) * 40, round * 40);
		redis_rig_start(&r);
		for (int i = 0; count(&b, &acme, "server-a", 0) < round * 40 || count(&a, &acme, "server-b", 0) < round * 40; i++) {
			assert_true(i < 30000);
			pass_now(&a);
			pass_now(&b);
			poll(NULL, 0, 2);
		}
	}
	assert_int_equal(count(&b, &acme, "server-a", 0), 160);
	assert_int_equal(count(&a, &acme, "server-b", 0), 160);
	same_bytes(&a, &b);
	expect_chained(&a, 1, 0);
	expect_chained(&b, 1, 0);
	assert_int_equal(stats(&b).refused + stats(&b).lost, 0);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void emptied_under_way(void **state)
{
	struct redis_value v;
	struct redis_options o;
	struct redis_rig r;
	struct redis *client;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	o = redis_rig_options(&r);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	client = redis_rig_client(&a.f.c, &o);
	append_many(&a.f, 0, 500);
	UNTIL_COUNT(&b, "server-a", 500);
	assert_true(redis_one(&a.f.c, client, REDIS_COMMAND(S("FLUSHALL")), &v));
	append_many(&a.f, 500, 510); /* all of it is sent once more */
	UNTIL_COUNT(&b, "server-a", 510);
	same_bytes(&a, &b);
	assert_int_equal(stats(&b).received, 510);
	redis_close(client);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void a_redis_that_stands_still_holds_up_nobody(void **state)
{
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	append_many(&a.f, 0, 10);
	UNTIL_COUNT(&b, "server-a", 10);
	redis_rig_signal(&r, SIGSTOP);
	append_many(&a.f, 10, 500);
	assert_true(stats(&a).up); /* nobody has asked it */
	pass_now(&a);
	assert_false(stats(&a).up);
	assert_true(stats(&a).behind > 0);
	redis_rig_signal(&r, SIGCONT);
	for (int i = 0; count(&b, &acme, "server-a", 0) < 500; i++) {
		assert_true(i < 30000);
		pass_now(&a);
		pass_now(&b);
		poll(NULL, 0, 2);
	}
	assert_int_equal(count(&b, &acme, "server-a", 0), 500);
	same_bytes(&a, &b);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

/* --- restarts --- */
static void whoever_starts_again_goes_on_where_it_was(void **state)
{
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	append_many(&a.f, 0, 100);
	UNTIL_COUNT(&b, "server-a", 100);
	again(&b, &r);
	assert_int_equal(count(&b, &acme, "server-a", 0), 100);
	again(&a, &r);
	append_many(&a.f, 100, 150);
	UNTIL_COUNT(&b, "server-a", 150);
	same_bytes(&a, &b);
	assert_int_equal(stats(&b).received, 50);
	expect_chained(&b, 1, 0);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void last_segment(const struct side *b, char ret[512])
{
	snprintf(ret, 512, "%s/events/acme/session_lifecycle/server-a/%s", b->f.dir, first_segment);
}

/* Cut anywhere in its last lines, as a crash leaves it; or with other bytes there. */
static void a_torn_mirror_is_mended_from_redis(void **state)
{
	struct redis_rig r;
	struct side a, b;
	char path[512];
	struct stat st;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	append_many(&a.f, 0, 20);
	UNTIL_COUNT(&b, "server-a", 20);
	last_segment(&b, path);
	assert_int_equal(stat(path, &st), 0);
	for (int i = 0; i < 12; i++) {
		off_t to = i == 11 ? 0 : st.st_size - 1 - i * 97;
		int fd;

		events_mirror_close(b.m);
		close_log(&b.f);
		assert_int_equal(truncate(path, to), 0);
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (i % 3 == 2)
			assert_int_equal(write(fd, "\0\0\0\n{}\n", 7), 7);
		close(fd);
		open_log(&b.f);
		open_mirror(&b, &r);
		UNTIL_COUNT(&b, "server-a", 20);
		same_bytes(&a, &b);
		expect_chained(&b, 1, 0);
	}
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void segments_end_as_at_home(void **state)
{
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	append_many(&a.f, 0, 1000); /* several segments of 64 KiB */
	UNTIL_COUNT(&b, "server-a", 1000);
	again(&b, &r);
	append_many(&a.f, 1000, 2000);
	UNTIL_COUNT(&b, "server-a", 2000);
	assert_int_equal(count(&b, &acme, "server-a", 0), 2000);
	expect_chained(&b, 1, 0);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

/* --- gaps --- */
static void what_redis_did_not_keep_is_told_as_lost(void **state)
{
	static const char *const args[] = {"--stream-node-max-entries", "10", NULL};
	struct event_page page = {.limit = 1000};
	struct redis_rig r;
	struct side a, b;
	int64_t got;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, args);
	begin_log(&a, "server-a");
	a.items = 100;
	open_mirror(&a, &r);
	begin_side(&b, &r, "server-b");
	append_many(&a.f, 0, 50);
	UNTIL_COUNT(&b, "server-a", 50);
	events_mirror_close(b.m);
	append_many(&a.f, 50, 1000);
	while (stats(&a).behind || stats(&a).sent < 1000)
		pass_now(&a);
	open_mirror(&b, &r);
	REDIS_UNTIL((pass_now(&b), stats(&b).received >= 100));
	page.cursor = S("");
	assert_true(events_read(&b.f.c, b.f.e, &acme, &page));
	got = stats(&b).received;
	assert_int_equal(page.n, 50 + got);
	assert_int_equal(page.items[49].offset, 49);
	assert_int_equal(page.items[page.n - 1].offset, 999);
	assert_int_equal(page.lost, 950 - got);
	assert_int_equal(stats(&b).lost, 950 - got);
	assert_int_equal(stats(&b).refused, 0);
	expect_chained(&b, 1, 950 - got);
	append_many(&a.f, 1000, 1010);
	REDIS_UNTIL((pass_now(&b), stats(&b).received >= (uint64_t)got + 10));
	expect_chained(&b, 1, 950 - got);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

/* --- what others say is input --- */
struct forger {
	struct redis *client;
	struct call *c;
};

static void put_item(const struct forger *f, struct str line)
{
	struct redis_value v;

	assert_true(redis_one(f->c, f->client, REDIS_COMMAND(S("XADD"), S(PREFIX "stream:server-x"), S("*"), S("item"), line), &v));
}

static void put_line(const struct forger *f, const struct event_line *l, char ret_hash[HEX + 1])
{
	OWNS(buf) b = {0};

	event_line_print(&b, l, ret_hash);
	put_item(f, str_head(buf_str(&b), b.n - 1));
}

static struct event_line line_of(int64_t offset, const char *prev)
{
	return (struct event_line){.topic = S("mayfly.audit.session_lifecycle.v1"), .stream = S("server-x"), .tenant = S("acme"),
				   .time = S("2026-11-21T10:00:00.000Z"), .payload = S("{\"seq\":1}"), .offset = offset, .prev_hash = str_of(prev)};
}

static void put_bad(const struct forger *f, const char *prev)
{
	char hash[HEX + 1];
	struct event_line l = line_of(1, prev);

	put_item(f, S(""));
	put_item(f, S("{}"));
	put_item(f, S("\xff\xfe\n\n"));
	l.stream = S("server-a");
	put_line(f, &l, hash);
	l = line_of(1, prev);
	l.stream = S("../../x");
	put_line(f, &l, hash);
	l = line_of(1, prev);
	l.tenant = S("../x");
	put_line(f, &l, hash);
	l.tenant = S("");
	put_line(f, &l, hash);
	l = line_of(1, prev);
	l.topic = S("mayfly.audit.nothing.v1");
	put_line(f, &l, hash);
	l.topic = S("a/../b.audit.job.v1");
	put_line(f, &l, hash);
	l = line_of(1, prev);
	l.payload = S("{\"a\":1},\"tenant_id\":\"other\",\"b\":{}");
	put_line(f, &l, hash);
	l.payload = S("{not json}");
	put_line(f, &l, hash);
	l = line_of(1, event_no_hash); /* the hash of the item before is another */
	put_line(f, &l, hash);
}

static void only_true_items_of_their_server_are_kept(void **state)
{
	enum { BAD = 13 };
	OWNS(buf) changed = {0};
	struct redis_value v;
	struct redis_options o;
	struct redis_rig r;
	struct forger f;
	char hash[HEX + 1], next[HEX + 1];
	struct event_line l;
	struct side b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	o = redis_rig_options(&r);
	begin_side(&b, &r, "server-b");
	f = (struct forger){redis_rig_client(&b.f.c, &o), &b.f.c};
	l = line_of(0, event_no_hash);
	put_line(&f, &l, hash);
	l = line_of(1, hash);
	event_line_print(&changed, &l, next);
	changed.p[str_search(buf_str(&changed), S("\"seq\":1")) + 6] = '2';
	put_item(&f, str_head(buf_str(&changed), changed.n - 1));
	put_bad(&f, hash);
	put_line(&f, &l, next);
	put_line(&f, &l, next); /* again: here already */
	assert_true(redis_one(&b.f.c, f.client, REDIS_COMMAND(S("ZADD"), S(PREFIX "servers"), arena_fmt(&b.f.arena, "%lld", (long long)clock_wall_ms()),
							     S("server-x")), &v));
	assert_true(redis_one(&b.f.c, f.client, REDIS_COMMAND(S("PUBLISH"), S(PREFIX "news"), S("server-x")), &v));
	REDIS_UNTIL(stats(&b).received == 2);
	assert_int_equal(stats(&b).refused, BAD);
	assert_int_equal(count(&b, &acme, "server-x", 0), 2);
	expect_chained(&b, 1, 0);
	redis_close(f.client);
	end_side(&b);
	redis_rig_close(&r);
}

static void a_stranger_among_the_servers_does_not_stop_the_others(void **state)
{
	struct redis_value v;
	struct redis_options o;
	struct redis_rig r;
	struct side a, b;
	struct redis *client;
	struct str now;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	o = redis_rig_options(&r);
	begin_log(&b, "server-b");
	client = redis_rig_client(&b.f.c, &o);
	now = arena_fmt(&b.f.arena, "%lld", (long long)clock_wall_ms());
	assert_true(redis_one(&b.f.c, client, REDIS_COMMAND(S("SET"), S(PREFIX "stream:odd"), S("x")), &v));
	assert_true(redis_one(&b.f.c, client, REDIS_COMMAND(S("ZADD"), S(PREFIX "servers"), now, S("odd"), now, S("no/name"), now, S("")), &v));
	begin_side(&a, &r, "server-a");
	open_mirror(&b, &r);
	append_many(&a.f, 0, 20);
	UNTIL_COUNT(&b, "server-a", 20);
	redis_close(client);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void a_full_redis_is_caught_up_with_later(void **state)
{
	struct redis_value v;
	struct redis_options o;
	struct redis_rig r;
	struct side a, b;
	struct redis *client;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	o = redis_rig_options(&r);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	client = redis_rig_client(&a.f.c, &o);
	append_many(&a.f, 0, 20);
	UNTIL_COUNT(&b, "server-a", 20);
	assert_true(redis_one(&a.f.c, client, REDIS_COMMAND(S("CONFIG"), S("SET"), S("maxmemory"), S("1")), &v));
	append_many(&a.f, 20, 40);
	pass_now(&a);
	assert_true(stats(&a).behind > 0);
	assert_true(redis_one(&a.f.c, client, REDIS_COMMAND(S("CONFIG"), S("SET"), S("maxmemory"), S("0")), &v));
	pass_now(&a);
	UNTIL_COUNT(&b, "server-a", 40);
	redis_close(client);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void a_disk_that_fails_is_tried_again(void **state)
{
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	for (int i = 0; i < 6; i++) {
		b.f.store.part = i * 37;
		b.f.store.fail_at = 1;
		append_many(&a.f, i * 10, i * 10 + 10);
		UNTIL_COUNT(&b, "server-a", i * 10 + 10);
	}
	same_bytes(&a, &b);
	expect_chained(&b, 1, 0);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

/* --- retention --- */
static void mirrors_are_kept_as_long_as_ones_own(void **state)
{
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_log(&b, "server-b");
	close_log(&b.f);
	b.f.o.retention_ms = 3600 * 1000;
	open_log(&b.f);
	open_mirror(&b, &r);
	append_many(&a.f, 0, 50);
	UNTIL_COUNT(&b, "server-a", 50);
	clock_advance(2 * 3600 * 1000);
	pass_now(&b);
	assert_int_equal(count(&b, &acme, "server-a", 0), 0);
	append_many(&a.f, 50, 60);
	REDIS_UNTIL((pass_now(&b), stats(&b).received == 60));
	assert_int_equal(count(&b, &acme, "server-a", 50), 10);
	again(&b, &r); /* what Redis has of before is too old */
	pass_now(&b);
	assert_int_equal(count(&b, &acme, "server-a", 50), 10);
	expect_chained(&b, 1, 0);
	events_mirror_close(b.m);
	b.m = NULL;
	clock_advance(2 * 3600 * 1000);
	events_sweep(b.f.e); /* nobody mirrors any more */
	assert_int_equal(count(&b, &acme, "server-a", 0), 0);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

/* --- live --- */
struct follower {
	struct side *s;
	pthread_t thread;
	atomic_bool stop;
	atomic_int_fast64_t read;
	int64_t faults, from_store, lost;
};

static void look_at_item(struct follower *x, const struct event_item *it)
{
	if (str_search(it->line, S("\"stream\":\"server-a\"")) == it->line.n)
		return;
	x->faults += it->offset != atomic_load(&x->read);
	atomic_fetch_add(&x->read, 1);
}

/* Follows the log as a live stream does, from its start. */
static void *follow_live(void *arg)
{
	struct follower *x = arg;
	char kept[1024] = "";
	bool last = false, from_store = true;

	while (!last) {
		struct event_page page = {.cursor = str_of(kept), .limit = 20};
		OWNS(arena) a = {0};
		struct call c;

		call_open(&c, &a);
		last = atomic_load(&x->stop);
		if (!from_store && !events_recent(&c, x->s->f.e, &acme, &page)) {
			INVARIANT(c.err.kind == ERR_NONE);
			from_store = true;
		}
		if (from_store) {
			page.lost = 0;
			INVARIANT(events_read(&c, x->s->f.e, &acme, &page));
			x->from_store++;
			from_store = page.n == 20;
		}
		x->lost += page.lost;
		for (int i = 0; i < page.n; i++)
			look_at_item(x, &page.items[i]);
		last = last && page.n == 0;
		INVARIANT(page.cursor.n < sizeof(kept));
		snprintf(kept, sizeof(kept), "%.*s", SARG(page.cursor));
	}
	return NULL;
}

static void readers_see_all_in_order_while_redis_comes_and_goes(void **state)
{
	enum { ROUNDS = 6, EACH = 150 };
	struct follower x = {0};
	struct redis_rig r;
	struct side a, b;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	x.s = &b;
	assert_int_equal(pthread_create(&x.thread, NULL, follow_live, &x), 0);
	for (int i = 0; i < ROUNDS; i++) {
		append_many(&a.f, i * EACH, i * EACH + EACH / 2);
		if (i % 3 == 1) {
			redis_rig_kill(&r);
			redis_rig_start(&r);
		}
		append_many(&b.f, i * 10, i * 10 + 10);
		append_many(&a.f, i * EACH + EACH / 2, i * EACH + EACH);
		for (int k = 0; atomic_load(&x.read) < (i + 1) * EACH; k++) {
			assert_true(k < 5000);
			pass_now(&a);
			pass_now(&b);
			poll(NULL, 0, 2);
		}
	}
	atomic_store(&x.stop, true);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.faults, 0);
	assert_int_equal(x.lost, 0);
	assert_int_equal(atomic_load(&x.read), ROUNDS * EACH);
	expect_chained(&b, 1, 0);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

static void after_the_first_look_memory_has_what_others_write(void **state)
{
	struct event_page page = {.limit = 100};
	struct redis_rig r;
	struct side a, b;
	struct str cursor;

	(void)state;
	REDIS_NEEDED();
	redis_rig_open(&r, NULL);
	begin_side(&a, &r, "server-a");
	begin_side(&b, &r, "server-b");
	append_many(&a.f, 0, 10);
	UNTIL_COUNT(&b, "server-a", 10);
	assert_true(events_tail(&b.f.c, b.f.e, &acme, &cursor));
	page.cursor = cursor;
	assert_true(events_recent(&b.f.c, b.f.e, &acme, &page));
	assert_int_equal(page.n, 0);
	append_many(&a.f, 10, 15);
	UNTIL_COUNT(&b, "server-a", 15);
	assert_true(events_recent(&b.f.c, b.f.e, &acme, &page));
	assert_int_equal(page.n, 5);
	assert_int_equal(page.items[0].offset, 10);
	again(&b, &r); /* of a new process memory has nothing; that is no fault of the reader */
	append_many(&a.f, 15, 17);
	UNTIL_COUNT(&b, "server-a", 17);
	assert_true(events_read(&b.f.c, b.f.e, &acme, &page));
	assert_int_equal(page.n, 2);
	page.cursor = cursor;
	assert_false(events_recent(&b.f.c, b.f.e, &acme, &page));
	assert_true(page.elsewhere);
	end_side(&a);
	end_side(&b);
	redis_rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_writes_the_other_has),
		cmocka_unit_test(a_third_one_gets_all_of_both),
		cmocka_unit_test(a_log_that_was_there_before_is_sent_when_redis_comes),
		cmocka_unit_test(a_wrong_url_is_told),
		cmocka_unit_test(a_redis_that_forgets_all_costs_nothing),
		cmocka_unit_test(emptied_under_way),
		cmocka_unit_test(a_redis_that_stands_still_holds_up_nobody),
		cmocka_unit_test(whoever_starts_again_goes_on_where_it_was),
		cmocka_unit_test(a_torn_mirror_is_mended_from_redis),
		cmocka_unit_test(segments_end_as_at_home),
		cmocka_unit_test(what_redis_did_not_keep_is_told_as_lost),
		cmocka_unit_test(only_true_items_of_their_server_are_kept),
		cmocka_unit_test(a_stranger_among_the_servers_does_not_stop_the_others),
		cmocka_unit_test(a_full_redis_is_caught_up_with_later),
		cmocka_unit_test(a_disk_that_fails_is_tried_again),
		cmocka_unit_test(mirrors_are_kept_as_long_as_ones_own),
		cmocka_unit_test(readers_see_all_in_order_while_redis_comes_and_goes),
		cmocka_unit_test(after_the_first_look_memory_has_what_others_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
