/* http_wait_test.c - what takes time: the pool, parks, streams, TLS, listening, drain. */
#include "http_rig_tls.h"

#include <sys/stat.h>

/* --- handlers --- */

static bool on_pool(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	if (!http_is_on_pool(out))
		return http_on_pool(out);
	assert_false(exec_on_loop(at.loops[0]) || exec_on_loop(at.loops[1]));
	return on_root(c, rooms, in, out);
}

/* Of a route whose flag says so: never on a loop. */
static bool on_pool_already(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	assert_true(http_is_on_pool(out));
	return on_pool(c, rooms, in, out);
}

static void wake_and_forget(void *park)
{
	http_wake(park);
	http_unref(park);
}

/* Woken by another thread, perhaps before the handler has returned. */
static bool on_park(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct http_park *p;

	(void)c;
	(void)rooms;
	if (str_eq(http_param(in, 0), S("pool")) && !http_is_on_pool(out))
		return http_on_pool(out);
	p = http_park(out, -1);
	http_keep(out, &at);
	assert_true(exec_pool_run(at.pool, wake_and_forget, p));
	return true;
}

static bool on_park_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	atomic_fetch_add(&at.dones, 1);
	return on_root(c, rooms, in, out);
}

static bool on_wait(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	(void)in;
	http_unref(http_park(out, 30));
	return true;
}

static void on_left(void *arg)
{
	(void)arg;
	atomic_fetch_add(&at.left, 1);
}

static bool on_hold(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct http_park *p = http_park(out, -1);

	(void)c;
	(void)rooms;
	(void)in;
	http_on_leave(p, on_left, NULL);
	atomic_store(&at.held, p);
	return true;
}

static enum http_more pull_pieces(void *self, struct buf *into)
{
	int *left = self;

	atomic_fetch_add(&at.pulled, 1);
	for (int i = 0; i < 4096; i++)
		buf_lit(into, "0123456789abcdef");
	return --*left > 0 ? HTTP_MORE : HTTP_END;
}

static void close_pieces(void *self)
{
	free(self);
	atomic_fetch_add(&at.closed, 1);
}

static const struct http_source pieces = {pull_pieces, close_pieces, false};
static const struct http_source pool_pieces = {pull_pieces, close_pieces, true};

static bool on_stream(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	int *left = base_alloc(sizeof(*left));

	(void)c;
	(void)rooms;
	*left = atoi(http_param(in, 1).p);
	http_stream(out, str_eq(http_param(in, 0), S("pool")) ? &pool_pieces : &pieces, left);
	return true;
}

static enum http_more pull_broken(void *self, struct buf *into)
{
	bool first = atomic_fetch_add(&at.pulled, 1) == 0;

	(void)self;
	buf_lit(into, "0\r\n\r\n"); /* as the rows of a CSV may begin */
	return first ? HTTP_MORE : HTTP_BROKEN;
}

static void close_nothing(void *self)
{
	(void)self;
	atomic_fetch_add(&at.closed, 1);
}

static bool on_broken(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const struct http_source source = {pull_broken, close_nothing, false};

	(void)c;
	(void)rooms;
	(void)in;
	http_stream(out, &source, NULL);
	return true;
}

static enum http_more pull_event(void *self, struct buf *into)
{
	(void)self;
	if (!atomic_exchange(&at.more, false))
		return HTTP_WAIT;
	http_sse_event(into, S("7"), S("tick"), S("one\ntwo"));
	return HTTP_WAIT;
}

static bool on_events(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const struct http_source source = {pull_event, close_nothing, false};

	(void)c;
	(void)rooms;
	(void)in;
	atomic_store(&at.held, http_park_of(out));
	http_stream_sse(out, &source, NULL);
	return true;
}

const struct http_route rig_routes[] = {
	{"GET", "/", on_root, NULL, 0, ""},
	{"GET", "/big", on_big, NULL, 0, ""},
	{"GET", "/pool", on_pool, NULL, 0, ""},
	{"GET", "/always", on_pool_already, NULL, HTTP_ON_POOL, ""},
	{"GET", "/park/{where}", on_park, on_park_done, 0, ""},
	{"GET", "/wait", on_wait, on_park_done, 0, ""},
	{"GET", "/hold", on_hold, on_park_done, 0, ""},
	{"GET", "/stream/{where}/{n}", on_stream, NULL, 0, ""},
	{"GET", "/broken", on_broken, NULL, 0, ""},
	{"GET", "/events", on_events, NULL, 0, ""},
	{0},
};

/* --- elsewhere and later --- */

static void handlers_run_on_the_pool_and_parks_are_woken(void **state)
{
	(void)state;
	asks("GET /pool HTTP/1.1\r\nHost: x\r\nX-Who: me\r\n\r\n", 200, "hello me\n");
	asks("GET /always HTTP/1.1\r\nHost: x\r\nX-Who: me\r\n\r\n", 200, "hello me\n");
	for (int i = 0; i < 50; i++) {
		asks(GET("/park/loop"), 200, "hello \n");
		asks(GET("/park/pool"), 200, "hello \n");
	}
	assert_int_equal(at.dones, 100);
	asks(GET("/wait"), 200, "hello \n");
	assert_int_equal(at.dones, 101);
}

static void a_client_that_leaves_is_noticed_while_parked(void **state)
{
	struct rig_client c = dial();
	struct http_park *p;

	(void)state;
	rig_send(&c, S(GET("/hold")));
	p = await_held();
	assert_false(http_park_gone(p));
	rig_close(&c);
	await(&at.left, 1);
	await(&at.dones, 1);
	assert_true(http_park_gone(p));
	http_wake(p);
	wake_and_forget(p);
	asks(GET("/"), 200, "hello \n");
	assert_int_equal(at.dones, 1);
	assert_int_equal(http_server_stats(at.server).parked, 0);
}

static void a_park_can_be_woken_often_and_late(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};
	struct http_park *p;

	(void)state;
	rig_send(&c, S(GET("/hold")));
	p = await_held();
	for (int i = 0; i < 1000; i++)
		http_wake(p);
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 200);
	for (int i = 0; i < 1000; i++)
		http_wake(p);
	http_unref(p);
	assert_int_equal(at.dones, 1);
	assert_int_equal(at.left, 0);
	rig_answer_drop(&a);
	rig_close(&c);
}

/* --- streams --- */

static void streams(const char *request, size_t n)
{
	struct rig_answer a = {0};

	at.closed = 0;
	ask(&a, request);
	assert_str_equal(rig_header(&a, "transfer-encoding"), "chunked");
	assert_int_equal(a.body.n, n);
	await(&at.closed, 1);
	rig_answer_drop(&a);
}

static void streams_are_chunked_from_the_loop_and_from_the_pool(void **state)
{
	(void)state;
	streams(GET("/stream/loop/50"), 50 * 65536);
	streams(GET("/stream/pool/50"), 50 * 65536);
}

static void a_stream_to_head_is_not_pulled(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S("HEAD /stream/loop/9 HTTP/1.1\r\nHost: x\r\n\r\n" GET("/")));
	rig_read(&c, &a, false);
	assert_int_equal(a.status, 200);
	rig_read(&c, &a, true);
	assert_str_equal(buf_str(&a.body), "hello \n");
	await(&at.closed, 1);
	assert_int_equal(at.pulled, 0);
	rig_answer_drop(&a);
	rig_close(&c);
}

static void a_stream_to_http_1_0_ends_with_the_connection(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S("GET /stream/loop/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
	rig_read(&c, &a, true);
	assert_str_equal(rig_header(&a, "connection"), "close");
	while (rig_more(&c))
		;
	assert_int_equal(c.in.n, 3 * 65536);
	rig_answer_drop(&a);
	rig_close(&c);
}

static void a_stream_waits_for_its_reader_and_is_cut(void **state)
{
	struct rig_client c = {.fd = rig_dial(at.port, 4096)};

	(void)state;
	rig_send(&c, S(GET("/stream/loop/100000")));
	await(&at.closed, 1);
	assert_true(at.pulled < 1000); /* what the sockets hold, not the 100,000 */
	rig_close(&c);
}

static void a_stream_whose_client_left_is_closed(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S(GET("/events")));
	rig_read(&c, &a, false);
	http_unref(await_held());
	rig_close(&c);
	await(&at.closed, 1);
	rig_answer_drop(&a);
}

static void a_broken_stream_has_no_end(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S(GET("/broken")));
	rig_read(&c, &a, false);
	while (rig_more(&c))
		;
	assert_str_equal(buf_str(&c.in), "5\r\n0\r\n\r\n\r\n"); /* the piece that was whole, in its frame, and nothing of the broken one */
	await(&at.closed, 1);
	rig_answer_drop(&a);
	rig_close(&c);
}

static void events_are_sent_when_woken(void **state)
{
	static const char event[] = "id: 7\nevent: tick\ndata: one\ndata: two\n\n";
	struct rig_client c = dial();
	struct rig_answer a = {0};
	struct http_park *p;

	(void)state;
	rig_send(&c, S(GET("/events")));
	rig_read(&c, &a, false);
	assert_str_equal(rig_header(&a, "content-type"), "text/event-stream");
	p = await_held();
	for (int i = 0; i < 3; i++) {
		atomic_store(&at.more, true);
		http_wake(p);
		buf_clear(&a.body);
		rig_take_line(&c, &a.body);
		assert_int_equal(strtoul(buf_cstr(&a.body), NULL, 16), sizeof(event) - 1);
		buf_clear(&a.body);
		rig_take(&c, &a.body, sizeof(event) + 1);
		assert_str_equal(str_head(buf_str(&a.body), sizeof(event) - 1), event);
	}
	rig_close(&c);
	await(&at.closed, 1);
	wake_and_forget(p);
	rig_answer_drop(&a);
}

/* --- unix sockets and inherited ones --- */

static int dial_unix(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void leave_stale_socket(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
}

static void answers_root(int fd)
{
	struct rig_client c = {.fd = fd};
	struct rig_answer a = {0};

	assert_true(fd >= 0);
	rig_send(&c, S(GET("/")));
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 200);
	rig_answer_drop(&a);
	rig_close(&c);
}

static void a_unix_socket_replaces_a_stale_one(void **state)
{
	struct http_options o = options();
	struct buf address = {0}, real = {0};
	struct stat st;

	(void)state;
	leave_stale_socket(scratch_file("s"));
	buf_fmt(&address, "unix:%s", scratch_file("s"));
	at.server = http_open(&at.call, &o);
	assert_true(http_listen(&at.call, at.server, buf_cstr(&address), &real));
	assert_str_equal(buf_str(&real), buf_cstr(&address));
	assert_false(http_listen(&at.call, at.server, buf_cstr(&address), &real)); /* it lives */
	assert_int_equal(stat(scratch_file("s"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	for (int i = 0; i < 2; i++)
		exec_loop_start(at.loops[i]);
	answers_root(dial_unix(scratch_file("s")));
	buf_drop(&address);
	buf_drop(&real);
}

static void an_inherited_socket_is_served(void **state)
{
	struct http_options o = options();
	struct sockaddr_in sa = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct buf address = {0};

	(void)state;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 10), 0);
	buf_fmt(&address, "fd:%d", fd);
	start(&o, buf_cstr(&address));
	answers_root(rig_dial(at.port, 0));
	buf_drop(&address);
}

static void a_wrong_address_is_refused(void **state)
{
	static const char *const wrong[] = {"", "nowhere", "127.0.0.1:", "fd:x", "fd:2", "fd:99999", "unix:", "256.0.0.1:0"};
	struct http_options o = options();
	struct buf real = {0};

	(void)state;
	at.server = http_open(&at.call, &o);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		call_forgive(&at.call);
		assert_false(http_listen(&at.call, at.server, wrong[i], &real));
		assert_int_not_equal(at.call.err.kind, ERR_NONE);
	}
	buf_drop(&real);
}

/* --- TLS --- */

static size_t tls_read_all(SSL *ssl, struct buf *in, size_t n)
{
	while (in->n < n) {
		int got = SSL_read(ssl, buf_room(in, 65536), 65536);

		if (got <= 0)
			break;
		in->n += (size_t)got;
	}
	return in->n;
}

static void tls_answers_small_and_large(void **state)
{
	static const char two[] = GET("/") GET("/big");
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct buf in = {0};
	const unsigned char *proto;
	unsigned n;
	SSL *ssl;
	int fd;

	(void)state;
	start_tls();
	fd = rig_dial(at.port, 0);
	ssl = tls_dial(ctx, fd);
	SSL_get0_alpn_selected(ssl, &proto, &n);
	assert_str_equal(str_from((const char *)proto, n), "http/1.1");
	assert_int_equal(SSL_write(ssl, two, sizeof(two) - 1), (int)sizeof(two) - 1);
	tls_read_all(ssl, &in, BIG);
	assert_true(str_starts(buf_str(&in), S("HTTP/1.1 200 OK\r\n")));
	buf_cut_front(&in, str_search(buf_str(&in), S("hello \n")) + 7);
	buf_cut_front(&in, str_search(buf_str(&in), S("\r\n\r\n")) + 4);
	assert_int_equal(tls_read_all(ssl, &in, BIG), BIG);
	assert_memory_equal(in.p, at.big, BIG);
	assert_int_equal(SSL_write(ssl, "GET\n", 4), 4);
	buf_clear(&in);
	tls_read_all(ssl, &in, 1 << 20); /* to the close_notify behind the 400 */
	assert_true(str_starts(buf_str(&in), S("HTTP/1.1 400 ")));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	buf_drop(&in);
}

static void tls_refuses_old_versions_and_slow_handshakes(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct rig_client plain, slow;
	SSL *ssl;
	int fd;

	(void)state;
	start_tls();
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	SSL_CTX_set_security_level(ctx, 0);
	fd = rig_dial(at.port, 0);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	assert_int_not_equal(SSL_connect(ssl), 1);
	slow = dial();
	plain = dial();
	rig_send(&plain, S(GET("/")));
	while (rig_more(&plain)) /* an alert, perhaps */
		;
	assert_int_equal(at.handled, 0);
	assert_true(rig_closed(&slow));
	rig_close(&plain);
	rig_close(&slow);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
}

static void tls_needs_both_files(void **state)
{
	struct http_options o = options();

	(void)state;
	o.tls.cert_file = "/nowhere/cert.pem";
	assert_null(http_open(&at.call, &o));
	assert_int_equal(at.call.err.kind, ERR_INVALID_FIELD);
	call_forgive(&at.call);
	o.tls.key_file = "/nowhere/key.pem";
	assert_null(http_open(&at.call, &o));
	assert_int_equal(at.call.err.kind, ERR_INVALID_FIELD);
	start_tls();
}

/* --- drain --- */

static atomic_int drained;

static void on_drained(void *arg)
{
	(void)arg;
	atomic_fetch_add(&drained, 1);
}

static void drain_answers_what_runs_and_closes_what_idles(void **state)
{
	struct rig_client idle = dial(), busy = dial();
	struct rig_answer a = {0};
	struct http_park *p;

	(void)state;
	drained = 0;
	rig_send(&busy, S(GET("/hold")));
	p = await_held();
	http_drain(at.server, RIG_PATIENCE_MS, on_drained, NULL);
	assert_true(http_draining(at.server));
	assert_true(rig_closed(&idle));
	assert_int_equal(drained, 0);
	wake_and_forget(p);
	rig_read(&busy, &a, true);
	assert_int_equal(a.status, 200);
	assert_str_equal(rig_header(&a, "connection"), "close");
	await(&drained, 1);
	assert_int_equal(http_server_stats(at.server).connections_open, 0);
	rig_answer_drop(&a);
	rig_close(&busy);
	rig_close(&idle);
}

static void drain_cuts_after_its_grace(void **state)
{
	struct rig_client busy = dial();

	(void)state;
	drained = 0;
	rig_send(&busy, S(GET("/hold")));
	http_unref(await_held());
	http_drain(at.server, 50, on_drained, NULL);
	await(&drained, 1);
	assert_int_equal(at.left, 1);
	assert_int_equal(at.dones, 1);
	assert_true(rig_closed(&busy));
	rig_close(&busy);
}

static void closing_with_a_parked_request_leaks_nothing(void **state)
{
	struct rig_client busy = dial();

	(void)state;
	rig_send(&busy, S(GET("/hold")));
	http_unref(await_held());
	rig_close(&busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(handlers_run_on_the_pool_and_parks_are_woken),
		TEST(a_client_that_leaves_is_noticed_while_parked),
		TEST(a_park_can_be_woken_often_and_late),
		TEST(streams_are_chunked_from_the_loop_and_from_the_pool),
		TEST(a_stream_to_head_is_not_pulled),
		TEST(a_stream_to_http_1_0_ends_with_the_connection),
		TEST(a_stream_waits_for_its_reader_and_is_cut),
		TEST(a_stream_whose_client_left_is_closed),
		TEST(a_broken_stream_has_no_end),
		TEST(events_are_sent_when_woken),
		SCRATCH_TEST(a_unix_socket_replaces_a_stale_one),
		SCRATCH_TEST(an_inherited_socket_is_served),
		SCRATCH_TEST(a_wrong_address_is_refused),
		SCRATCH_TEST(tls_answers_small_and_large),
		SCRATCH_TEST(tls_refuses_old_versions_and_slow_handshakes),
		SCRATCH_TEST(tls_needs_both_files),
		TEST(drain_answers_what_runs_and_closes_what_idles),
		TEST(drain_cuts_after_its_grace),
		TEST(closing_with_a_parked_request_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, make_big, drop_big);
}
