/* http_upload_test.c - bodies that stream into a sink: framing, gzip, back-pressure, the ends. */
#include "http_rig_upload.h"

#include <pthread.h>

/* --- tests: whole bodies --- */

static void bodies_arrive_whole_in_every_framing(void **state)
{
	static const char *const paths[] = {"/up/take/100000000", "/up/slow/100000000", "/up/pool/100000000"};
	static const size_t sizes[] = {1, 1000, 65536, 3000000};
	struct rig_client c = dial();
	struct buf b = {0}, packed = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths) * COUNT_OF(sizes); i++) {
		const char *path = paths[i % COUNT_OF(paths)];
		struct str body = str_from(at.big, sizes[i / COUNT_OF(paths)]);

		buf_clear(&b);
		buf_clear(&packed);
		add_sized(&b, path, body);
		add_head(&b, path, "Transfer-Encoding: chunked\r\n");
		add_chunks(&b, body, 1 + body.n / 7);
		zip(&packed, body);
		add_zipped(&b, path, buf_str(&packed));
		add_head(&b, path, "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n");
		add_chunks(&b, buf_str(&packed), 1 + packed.n / 3);
		rig_send(&c, buf_str(&b)); /* pipelined */
		for (int k = 0; k < 4; k++)
			took_all(&c, body);
	}
	assert_int_equal(completes, 4 * COUNT_OF(paths) * COUNT_OF(sizes));
	assert_int_equal(at.dones, completes);
	assert_int_equal(http_server_stats(at.server).parked, 0);
	rig_send(&c, S(GET("/")));
	answers(&c, 200, "hello", false);
	rig_close(&c);
	buf_drop(&b);
	buf_drop(&packed);
}

static void a_body_may_come_byte_by_byte(void **state)
{
	struct rig_client c = dial();
	struct str body = str_from(at.big, 300);
	struct buf b = {0}, packed = {0};

	(void)state;
	zip(&packed, body);
	add_head(&b, "/up/slow/300", "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n");
	add_chunks(&b, buf_str(&packed), 3);
	add_sized(&b, "/up/take/300", body);
	for (size_t i = 0; i < b.n; i++)
		rig_send(&c, str_from(b.p + i, 1));
	took_all(&c, body);
	took_all(&c, body);
	rig_close(&c);
	buf_drop(&b);
	buf_drop(&packed);
}

static void an_empty_body_is_complete_at_once(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};

	(void)state;
	add_head(&b, "/up/take/0", "Content-Length: 0\r\n");
	add_head(&b, "/up/pool/0", "");
	add_head(&b, "/up/take/0", "Transfer-Encoding: chunked\r\n");
	add_chunks(&b, S(""), 1);
	add_head(&b, "/up/take/0", "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n");
	add_chunks(&b, S(""), 1);
	rig_send(&c, buf_str(&b));
	for (int i = 0; i < 4; i++)
		took_all(&c, S(""));
	assert_int_equal(takes, 0);
	rig_close(&c);
	buf_drop(&b);
}

static void gzip_may_have_members(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0}, packed = {0};

	(void)state;
	for (size_t i = 0; i < 200; i++)
		zip(&packed, str_from(at.big + i * 100, 100));
	add_zipped(&b, "/up/take/20000", buf_str(&packed));
	rig_send(&c, buf_str(&b));
	took_all(&c, str_from(at.big, 20000));
	rig_close(&c);
	buf_drop(&b);
	buf_drop(&packed);
}

static void a_client_that_asks_is_told_to_continue(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		buf_clear(&b);
		add_head(&b, i ? "/up/pool/5" : "/up/take/5", "Content-Length: 5\r\nExpect: 100-continue\r\n");
		rig_send(&c, buf_str(&b));
		rig_read(&c, &a, false);
		assert_int_equal(a.status, 100);
		rig_send(&c, S("hello"));
		took_all(&c, S("hello"));
	}
	buf_clear(&b);
	add_head(&b, "/deaf/no", "Content-Length: 5\r\nExpect: 100-continue\r\n");
	rig_send(&c, buf_str(&b));
	answers(&c, 400, "invalid_field", true); /* no 100 */
	rig_answer_drop(&a);
	rig_close(&c);
	buf_drop(&b);
}

/* --- tests: answers before the body --- */

static void who_does_not_ask_for_the_body_answers_before_it(void **state)
{
	static const char *const paths[] = {"/deaf/yes", "/deaf/pool", "/deaf/no"};
	struct rig_client c = dial();
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		add_sized(&b, paths[i], str_from(at.big, 60000)); /* short: read past, the connection goes on */
	rig_send(&c, buf_str(&b));
	answers(&c, 200, "hello", false);
	answers(&c, 200, "hello", false);
	answers(&c, 400, "invalid_field: No.", false);
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct rig_client other = dial();

		buf_clear(&b);
		add_sized(&b, paths[i], str_from(at.big, BIG));
		rig_send(&other, buf_str(&b));
		answers(&other, i == 2 ? 400 : 200, "", true);
		rig_close(&other);
	}
	assert_int_equal(at.closed, 0);
	rig_close(&c);
	buf_drop(&b);
}

static void a_handler_that_fails_after_asking_closes_the_sink(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};

	(void)state;
	add_sized(&b, "/up/fail/100", S("12345"));
	add_sized(&b, "/up/take/100", S("12345"));
	rig_send(&c, buf_str(&b));
	answers(&c, 400, "invalid_field: No.", false);
	took_all(&c, S("12345"));
	assert_int_equal(at.closed, 2);
	assert_int_equal(completes, 1);
	assert_int_equal(at.dones, 1);
	rig_close(&c);
	buf_drop(&b);
}

static void the_guard_comes_before_the_body(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};

	(void)state;
	add_head(&b, "/up/take/9", "Transfer-Encoding: chunked\r\nX-Deny: 1\r\n");
	rig_send(&c, buf_str(&b));
	answers(&c, 403, "forbidden", true);
	assert_int_equal(at.closed, 0);
	rig_close(&c);
	buf_drop(&b);
}

/* --- tests: back-pressure --- */

static void a_full_sink_stops_the_socket(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};
	struct http_park *p;
	uint64_t before;

	(void)state;
	add_sized(&b, "/up/hold/100000000", str_from(at.big, BIG));
	before = http_server_stats(at.server).bytes_in;
	rig_send(&c, str_head(buf_str(&b), 500000));
	p = await_held();
	assert_true(quiet_for(&c, BODY_MS + 300)); /* the clock of the body does not run */
	assert_true(http_server_stats(at.server).bytes_in - before <= 2 * 65536);
	assert_int_equal(takes, 1);
	go(p);
	rig_send(&c, str_tail(buf_str(&b), 500000));
	took_all(&c, str_from(at.big, BIG));
	rig_close(&c);
	buf_drop(&b);
}

static void a_full_sink_stops_the_unzipping(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0}, packed = {0};
	struct http_park *p;

	(void)state;
	zip(&packed, str_from(at.big, BIG));
	assert_true(packed.n < 200000);
	add_zipped(&b, "/up/hold/100000000", buf_str(&packed));
	buf_lit(&b, GET("/"));
	rig_send(&c, buf_str(&b));
	p = await_held();
	assert_true(quiet_for(&c, 20));
	assert_int_equal(takes, 1);
	go(p);
	took_all(&c, str_from(at.big, BIG));
	answers(&c, 200, "hello", false);
	rig_close(&c);
	buf_drop(&b);
	buf_drop(&packed);
}

/* --- tests: the ends --- */

static void enough_is_answered_without_the_rest(void **state)
{
	static const char *const paths[] = {"/up/stop/100000", "/up/wake/100000", "/up/wait/100000000"};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct rig_client c = dial();

		at.closed = at.dones = 0;
		buf_clear(&b);
		add_head(&b, paths[i], "Content-Length: 8000000\r\n");
		buf_add(&b, str_from(at.big, 1000000));
		rig_send(&c, buf_str(&b));
		took_some(&c);
		assert_int_equal(at.closed, 1);
		assert_int_equal(at.dones, 1);
		assert_int_equal(completes, 0);
		rig_close(&c);
	}
	assert_int_equal(http_server_stats(at.server).parked, 0);
	buf_drop(&b);
}

static void a_client_that_leaves_half_way_is_told_of(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};

	(void)state;
	add_head(&b, "/up/take/100000", "Content-Length: 100000\r\n");
	buf_add(&b, str_from(at.big, 50000));
	rig_send(&c, buf_str(&b));
	for (int i = 0; i < RIG_PATIENCE_MS && !takes; i++)
		poll(NULL, 0, 1);
	rig_close(&c);
	await(&at.dones, 1);
	assert_int_equal(at.closed, 1);
	assert_int_equal(at.left, 1);
	assert_int_equal(completes, 0);
	assert_int_equal(http_server_stats(at.server).parked, 0);
	buf_drop(&b);
}

static void a_client_that_leaves_a_full_sink_is_noticed_when_it_goes_on(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};
	struct http_park *p;

	(void)state;
	add_head(&b, "/up/hold/100000", "Content-Length: 100000\r\n");
	buf_add(&b, str_from(at.big, 50000));
	rig_send(&c, buf_str(&b));
	p = await_held();
	rig_close(&c);
	go(p);
	await(&at.dones, 1);
	assert_int_equal(at.closed, 1);
	assert_int_equal(at.left, 1);
	buf_drop(&b);
}

static void what_is_too_large_is_refused(void **state)
{
	struct buf b = {0}, packed = {0};

	(void)state;
	add_head(&b, "/up/take/1000", "Content-Length: 1001\r\n");
	refuses(&b, 413, "body_too_large");
	assert_int_equal(takes, 0);
	add_head(&b, "/up/take/1000", "Transfer-Encoding: chunked\r\n");
	add_chunks(&b, str_from(at.big, 5000), 700);
	refuses(&b, 413, "body_too_large");
	assert_int_equal(takes, 1);
	zip(&packed, str_from(at.big, BIG));
	add_zipped(&b, "/up/slow/1000000", buf_str(&packed));
	refuses(&b, 413, "body_too_large");
	assert_true(takes < 20);
	assert_int_equal(completes, 0);
	assert_int_equal(at.dones, 0);
	assert_int_equal(http_server_stats(at.server).parked, 0);
	buf_drop(&b);
	buf_drop(&packed);
}

static void what_is_no_body_is_refused(void **state)
{
	struct buf b = {0}, packed = {0};

	(void)state;
	add_head(&b, "/up/take/1000", "Transfer-Encoding: chunked\r\n");
	buf_lit(&b, "5\r\nhello\r\nX\r\n");
	refuses(&b, 400, "bad_request: Malformed request: the chunks");
	add_zipped(&b, "/up/take/1000", S("this is not gzip at all"));
	refuses(&b, 400, "bad_request: The body is not whole gzip.");
	zip(&packed, S("hello"));
	add_zipped(&b, "/up/take/1000", str_head(buf_str(&packed), packed.n - 1));
	refuses(&b, 400, "bad_request: The body is not whole gzip.");
	buf_lit(&packed, "and more");
	add_zipped(&b, "/up/take/1000", buf_str(&packed));
	refuses(&b, 400, "bad_request: The body is not whole gzip.");
	assert_int_equal(at.dones, 0);
	buf_drop(&b);
	buf_drop(&packed);
}

static void a_body_may_take_long_but_not_stall(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};

	(void)state;
	add_head(&b, "/up/take/1000", "Content-Length: 1000\r\n");
	rig_send(&c, buf_str(&b));
	for (int i = 0; i < 10; i++) { /* twice as long as BODY_MS */
		rig_send(&c, S("."));
		assert_true(quiet_for(&c, BODY_MS / 5));
	}
	answers(&c, 408, "request_timeout", true);
	assert_int_equal(takes, 10);
	assert_int_equal(at.closed, 1);
	assert_int_equal(at.dones, 0);
	rig_close(&c);
	buf_drop(&b);
}

/* --- tests: TLS, drain, the server's end --- */

static void uploads_go_through_tls(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct buf b = {0}, want = {0};
	char in[4096];
	size_t n = 0;
	SSL *ssl;
	int fd;

	(void)state;
	completes = takes = 0;
	start_tls();
	fd = rig_dial(at.port, 0);
	ssl = tls_dial(ctx, fd);
	add_sized(&b, "/up/slow/100000000", str_from(at.big, BIG));
	assert_int_equal(SSL_write(ssl, b.p, (int)b.n), (int)b.n);
	sum(&want, str_from(at.big, BIG), "all");
	while (str_search(str_from(in, n), buf_str(&want)) == n) {
		int got = SSL_read(ssl, in + n, (int)(sizeof(in) - n));

		assert_true(got > 0);
		n += (size_t)got;
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	buf_drop(&b);
	buf_drop(&want);
}

static atomic_int drained;

static void on_drained(void *arg)
{
	(void)arg;
	atomic_fetch_add(&drained, 1);
}

static void drain_waits_for_an_upload(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0};
	struct http_park *p;

	(void)state;
	drained = 0;
	add_head(&b, "/up/hold/10", "Content-Length: 10\r\n");
	buf_lit(&b, "01234");
	rig_send(&c, buf_str(&b));
	p = await_held();
	http_drain(at.server, RIG_PATIENCE_MS, on_drained, NULL);
	go(p);
	assert_true(quiet_for(&c, 20));
	assert_int_equal(drained, 0);
	rig_send(&c, S("56789"));
	answers(&c, 200, "10 ", true);
	await(&drained, 1);
	rig_close(&c);
	buf_drop(&b);
}

static void closing_in_the_middle_leaks_nothing(void **state)
{
	struct rig_client c = dial(), full = dial();
	struct buf b = {0};

	(void)state;
	add_head(&b, "/up/take/100000", "Content-Length: 100000\r\nContent-Encoding: gzip\r\n");
	zip(&b, str_from(at.big, 1000));
	rig_send(&c, buf_str(&b));
	buf_clear(&b);
	add_head(&b, "/up/hold/100000", "Content-Length: 100000\r\n");
	buf_add(&b, str_from(at.big, 99999));
	rig_send(&full, buf_str(&b));
	http_unref(await_held());
	for (int i = 0; i < RIG_PATIENCE_MS && takes < 2; i++)
		poll(NULL, 0, 1);
	assert_int_equal(at.closed, 0);
	rig_close(&c);
	rig_close(&full);
	buf_drop(&b);
}

/* --- tests: much, and many --- */

static long resident_kb(void)
{
	long pages = 0, total = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_int_equal(fscanf(f, "%ld %ld", &total, &pages), 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void send_many(struct rig_client *c, const char *path, int times)
{
	struct buf b = {0};

	buf_fmt(&b, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, (size_t)times * 1000000);
	rig_send(c, buf_str(&b));
	for (int i = 0; i < times; i++)
		rig_send(c, str_from(at.big, 1000000));
	buf_drop(&b);
}

static void two_hundred_megabytes_take_no_memory(void **state)
{
	struct rig_client c = dial();
	long before;

	(void)state;
	send_many(&c, "/up/take/1000000000", 5);
	answers(&c, 200, "5000000 ", false);
	before = resident_kb();
	send_many(&c, "/up/take/1000000000", 200);
	answers(&c, 200, "200000000 ", false);
	send_many(&c, "/up/slow/1000000000", 50);
	answers(&c, 200, "50000000 ", false);
	assert_true(SANITIZED || resident_kb() - before < 25 << 10); /* of two hundred */
	rig_close(&c);
}

static void a_bomb_unfolds_in_pieces(void **state)
{
	struct rig_client c = dial();
	struct buf b = {0}, packed = {0};
	char *zeros = base_zalloc(50000000);
	long before;

	(void)state;
	zip(&packed, str_from(zeros, 50000000));
	free(zeros);
	before = resident_kb();
	add_zipped(&b, "/up/slow/50000000", buf_str(&packed));
	rig_send(&c, buf_str(&b));
	answers(&c, 200, "50000000 ", false);
	assert_true(SANITIZED || resident_kb() - before < 16 << 10); /* of fifty megabytes */
	rig_close(&c);
	buf_drop(&b);
	buf_drop(&packed);
}

enum { CLIENTS = 30, TURNS = 6 };

static void *upload_some(void *arg)
{
	static const char *const paths[] = {"/up/slow/9000000", "/up/take/9000000", "/up/pool/9000000", "/up/take/100000"};
	uintptr_t seed = (uintptr_t)arg, bad = 0;
	struct buf b = {0}, packed = {0};

	for (uintptr_t i = 0; i < TURNS; i++) {
		uintptr_t k = seed * 7 + i * 3;
		struct str body = str_from(at.big, 1 + k * 7919 % 900000);
		struct rig_client c = {.fd = rig_dial(at.port, 0)};

		buf_clear(&b);
		buf_clear(&packed);
		zip(&packed, body);
		if (k % 2)
			add_zipped(&b, paths[k % COUNT_OF(paths)], buf_str(&packed));
		else
			add_sized(&b, paths[k % COUNT_OF(paths)], body);
		rig_send(&c, k % 5 == 4 ? str_head(buf_str(&b), b.n / 2) : buf_str(&b));
		bad += k % 5 != 4 && !rig_more(&c);
		bad += k % 5 != 4 && !str_starts(buf_str(&c.in), k % 4 == 3 && body.n > 100000 ? S("HTTP/1.1 413") : S("HTTP/1.1 200"));
		rig_close(&c);
	}
	buf_drop(&b);
	buf_drop(&packed);
	return (void *)bad;
}

static void many_upload_at_once(void **state)
{
	pthread_t threads[CLIENTS];

	(void)state;
	for (uintptr_t i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, upload_some, (void *)i), 0);
	for (int i = 0; i < CLIENTS; i++) {
		void *bad;

		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	for (int i = 0; i < RIG_PATIENCE_MS && http_server_stats(at.server).connections_open; i++)
		poll(NULL, 0, 1);
	assert_int_equal(http_server_stats(at.server).connections_open, 0);
	assert_int_equal(http_server_stats(at.server).parked, 0);
}

#define UPLOAD(name) cmocka_unit_test_setup_teardown(name, open_upload, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UPLOAD(bodies_arrive_whole_in_every_framing),
		UPLOAD(a_body_may_come_byte_by_byte),
		UPLOAD(an_empty_body_is_complete_at_once),
		UPLOAD(gzip_may_have_members),
		UPLOAD(a_client_that_asks_is_told_to_continue),
		UPLOAD(who_does_not_ask_for_the_body_answers_before_it),
		UPLOAD(a_handler_that_fails_after_asking_closes_the_sink),
		UPLOAD(the_guard_comes_before_the_body),
		UPLOAD(a_full_sink_stops_the_socket),
		UPLOAD(a_full_sink_stops_the_unzipping),
		UPLOAD(enough_is_answered_without_the_rest),
		UPLOAD(a_client_that_leaves_half_way_is_told_of),
		UPLOAD(a_client_that_leaves_a_full_sink_is_noticed_when_it_goes_on),
		UPLOAD(what_is_too_large_is_refused),
		UPLOAD(what_is_no_body_is_refused),
		UPLOAD(a_body_may_take_long_but_not_stall),
		SCRATCH_TEST(uploads_go_through_tls),
		UPLOAD(drain_waits_for_an_upload),
		UPLOAD(closing_in_the_middle_leaks_nothing),
		UPLOAD(two_hundred_megabytes_take_no_memory),
		UPLOAD(a_bomb_unfolds_in_pieces),
		UPLOAD(many_upload_at_once),
	};

	return cmocka_run_group_tests(tests, make_big, drop_big);
}
