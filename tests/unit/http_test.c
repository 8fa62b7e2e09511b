/* http_test.c - requests and answers: framing, clocks, routes, connections, bodies. */
#include "http_rig.h"

#include <zlib.h>

/* --- handlers --- */

static bool on_echo(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	buf_add(http_out(out), http_body(in));
	http_no_compress(out);
	return true;
}

static bool on_text(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct str n = http_param(in, 0);
	uint64_t v = 0;

	(void)rooms;
	if (!str_to_u64(n, &v))
		return fail(c, ERR_INVALID_FIELD, "Not a number: %.*s.", SARG(n));
	for (uint64_t i = 0; i < v; i++)
		buf_lit(http_out(out), "0123456789");
	return true;
}

static bool on_encoded(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	http_set(out, "Content-Encoding", S("br"));
	return on_text(c, rooms, in, out);
}

static bool on_things(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct str q = S("none");

	(void)rooms;
	http_query(c, in, "q", &q);
	buf_fmt(http_out(out), "%.*s|%.*s|%.*s|%.*s", SARG(http_param(in, 0)), SARG(http_param(in, 1)), SARG(q),
		SARG(http_path(in)));
	return true;
}

static bool on_things_new(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	(void)in;
	http_status(out, 204);
	return true;
}


static bool on_fail(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)rooms;
	(void)in;
	buf_lit(http_out(out), "half an answer");
	http_set(out, "X-Half", S("1"));
	return fail(c, ERR_INTERNAL, "It broke.");
}

static bool on_accept(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const offers[] = {"application/json", "text/csv", NULL};
	const char *best = http_accept(in, offers);

	(void)rooms;
	if (!best)
		return fail(c, ERR_NOT_ACCEPTABLE, "None of these.");
	buf_add(http_out(out), str_of(best));
	return true;
}

static bool on_pool(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	if (!http_is_on_pool(out))
		return http_on_pool(out);
	assert_false(exec_on_loop(at.loops[0]) || exec_on_loop(at.loops[1]));
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

const struct http_route rig_routes[] = {
	{"GET", "/", on_root, NULL, 0, ""},
	{"POST", "/", on_echo, NULL, 0, ""},
	{"POST", "/echo", on_echo, NULL, 0, ""},
	{"GET", "/text/{tens}", on_text, NULL, 0, ""},
	{"GET", "/encoded/{tens}", on_encoded, NULL, 0, ""},
	{"GET", "/big", on_big, NULL, 0, ""},
	{"GET", "/things/{id}/rows/{n}", on_things, NULL, 0, ""},
	{"DELETE", "/things/new", on_things_new, NULL, 0, ""},
	{"GET", "/things/{id}", on_things, NULL, 0, ""},
	{"GET", "/pool", on_pool, NULL, 0, ""},
	{"GET", "/wait", on_wait, on_root, 0, ""},
	{"GET", "/fail", on_fail, NULL, 0, ""},
	{"GET", "/accept", on_accept, NULL, 0, ""},
	{0},
};

/* --- framing --- */

static const struct probe {
	const char *name;
	int status;
	struct str bytes;
} probes[] = {
#define PROBE(name, status, bytes) {name, status, S_INIT(bytes)},
#include "../http_probe/probes.def"
#undef PROBE
};

static void probe(const struct probe *p, size_t step)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	for (struct str s = p->bytes; s.n; s = str_tail(s, step))
		rig_send(&c, str_head(s, step));
	rig_read(&c, &a, true);
	if (a.status != p->status)
		print_error("probe \"%s\" in steps of %zu: %d\n", p->name, step, a.status);
	assert_int_equal(a.status, p->status);
	if (p->status >= 400) {
		assert_str_equal(rig_header(&a, "connection"), "close");
		assert_true(rig_closed(&c));
	}
	rig_answer_drop(&a);
	rig_close(&c);
}

static void probes_are_refused_and_their_neighbours_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(probes); i++)
		probe(&probes[i], probes[i].bytes.n);
}

static void probes_are_judged_alike_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(probes); i++)
		probe(&probes[i], 1);
}

static void a_large_head_is_431(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S("GET / HTTP/1.1\r\nHost: x\r\n"));
	for (int i = 0; i < 200; i++)
		rig_send(&c, S("X-Long: 0123456789\r\n"));
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 431);
	assert_true(rig_closed(&c));
	rig_answer_drop(&a);
	rig_close(&c);
}

static void a_large_body_is_413_before_it_is_sent(void **state)
{
	(void)state;
	asks("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413,
	     "body_too_large: The body is larger than this server takes.");
	asks("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", 408,
	     "request_timeout: The body of the request took too long to arrive.");
}

static void chunks_beyond_the_limit_are_413(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < BODY_BYTES / 16 + 1; i++)
		rig_send(&c, S("10\r\n0123456789abcdef\r\n"));
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 413);
	rig_answer_drop(&a);
	rig_close(&c);
}

/* --- clocks --- */

static void dribble(const char *start, const char *bytes, int status)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};
	struct pollfd p = {.fd = c.fd, .events = POLLIN};

	rig_send(&c, str_of(start));
	while (poll(&p, 1, BODY_MS / 25) == 0 && *bytes)
		rig_send(&c, str_from(bytes++, 1));
	rig_read(&c, &a, true);
	assert_int_equal(a.status, status);
	assert_true(rig_closed(&c));
	rig_answer_drop(&a);
	rig_close(&c);
}

#define SLOW "0123456789012345678901234567890123456789012345678901234567890123456789"

static void a_dribbled_head_or_body_is_408(void **state)
{
	(void)state;
	dribble("", "GET /" SLOW " HTTP/1.1\r\nHost: x\r\n\r\n", 408);
	dribble("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 70\r\n\r\n", SLOW, 408);
	dribble("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n46\r\n", SLOW, 408);
}

static void an_idle_connection_is_closed_in_silence(void **state)
{
	struct rig_client c = dial(), used = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&used, S(GET("/")));
	rig_read(&used, &a, true);
	assert_true(rig_closed(&c));
	assert_true(rig_closed(&used));
	rig_answer_drop(&a);
	rig_close(&c);
	rig_close(&used);
}

static void a_reader_that_stops_is_cut(void **state)
{
	struct rig_client c = {.fd = rig_dial(at.port, 4096)};

	(void)state;
	rig_send(&c, S(GET("/big")));
	await(&at.released, 1); /* although nobody read */
	rig_close(&c);
}

static void a_slow_reader_that_goes_on_gets_it_all(void **state)
{
	struct rig_client c = {.fd = rig_dial(at.port, 65536)};
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S(GET("/big")));
	for (int i = 0; i < 8; i++) {
		poll(NULL, 0, STALL_MS / 4);
		for (size_t had = c.in.n; c.in.n < had + 100000;)
			assert_true(rig_more(&c));
	}
	rig_read(&c, &a, true);
	assert_int_equal(a.body.n, BIG);
	assert_memory_equal(a.body.p, at.big, BIG);
	await(&at.released, 1);
	rig_answer_drop(&a);
	rig_close(&c);
}

/* --- answers --- */

static void a_request_is_routed_by_segments(void **state)
{
	(void)state;
	asks(GET("/things/a/rows/7"), 200, "a|7|none|/things/a/rows/7");
	asks(GET("/things/%C3%A4%2Fb/rows/7?q=1&q=a+%26%20b&z"), 200, "\xC3\xA4/b|7|a & b|/things/\xC3\xA4/b/rows/7");
	asks(GET("/things/new"), 200, "new||none|/things/new");
	asks(GET("/things/../things/x"), 404, "not_found: There is nothing at this path.");
	asks(GET("/things//rows/7"), 404, "not_found: There is nothing at this path.");
	asks(GET("/things/"), 404, "not_found: There is nothing at this path.");
	asks(GET("/%74hings/x"), 200, "x||none|/things/x");
	asks("DELETE /things/new HTTP/1.1\r\nHost: x\r\n\r\n", 204, "");
}

static void another_method_is_405_with_allow(void **state)
{
	struct rig_answer a = {0};

	(void)state;
	ask(&a, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");
	assert_int_equal(a.status, 405);
	assert_str_equal(rig_header(&a, "allow"), "GET, HEAD, POST");
	assert_null(rig_header(&a, "connection").p); /* so small a body is read past */
	rig_answer_drop(&a);
}

static void head_has_the_length_but_no_body(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" GET("/")));
	rig_read(&c, &a, false);
	assert_str_equal(rig_header(&a, "content-length"), "7");
	rig_read(&c, &a, true);
	assert_str_equal(buf_str(&a.body), "hello \n");
	rig_answer_drop(&a);
	rig_close(&c);
}

static void a_failed_call_is_answered_by_the_surface(void **state)
{
	struct rig_answer a = {0};

	(void)state;
	ask(&a, GET("/fail"));
	assert_int_equal(a.status, 500);
	assert_str_equal(buf_str(&a.body), "internal: It broke.");
	assert_null(rig_header(&a, "x-half").p);
	rig_answer_drop(&a);
	asks(GET("/text/none"), 400, "invalid_field: Not a number: none.");
}

static void the_guard_comes_before_the_body(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	asks("POST /echo HTTP/1.1\r\nHost: x\r\nX-Deny: 1\r\nExpect: 100-continue\r\nContent-Length: 60000\r\n\r\n", 403,
	     "forbidden: Denied.");
	rig_send(&c, S("POST /echo HTTP/1.1\r\nHost: x\r\nX-Deny: 1\r\nContent-Length: 2\r\n\r\nab" GET("/")));
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 403);
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 200);
	rig_answer_drop(&a);
	rig_close(&c);
}

static void the_request_id_is_echoed_or_made(void **state)
{
	struct rig_answer a = {0};

	(void)state;
	ask(&a, "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\n\r\n");
	assert_str_equal(rig_header(&a, "x-request-id"), "abc-1");
	ask(&a, "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\n\r\n");
	assert_true(id_valid(rig_header(&a, "x-request-id")));
	ask(&a, "GET / HTTP/1.1\n\n");
	assert_true(id_valid(rig_header(&a, "x-request-id")));
	assert_int_equal(rig_header(&a, "date").n, strlen("Sun, 06 Nov 1994 08:49:37 GMT"));
	rig_answer_drop(&a);
}

static void accept_takes_the_best_offer(void **state)
{
	(void)state;
	asks(GET("/accept"), 200, "application/json");
	asks("GET /accept HTTP/1.1\r\nHost: x\r\nAccept: text/*;q=0.9, application/json;q=0.5\r\n\r\n", 200, "text/csv");
	asks("GET /accept HTTP/1.1\r\nHost: x\r\nAccept: */*, application/json;q=0\r\n\r\n", 200, "text/csv");
	asks("GET /accept HTTP/1.1\r\nHost: x\r\nAccept: image/png\r\n\r\n", 406, "not_acceptable: None of these.");
}

/* --- connections --- */

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};
	struct buf all = {0};

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_fmt(&all, "GET %s HTTP/1.1\r\nHost: x\r\nX-Who: %d\r\n\r\n",
			i % 3 == 0 ? "/wait" : i % 3 == 1 ? "/" : "/pool", i);
	rig_send(&c, buf_str(&all));
	for (int i = 0; i < 200; i++) {
		struct buf want = {0};

		rig_read(&c, &a, true);
		buf_fmt(&want, "hello %d\n", i);
		assert_str_equal(buf_str(&a.body), buf_cstr(&want));
		buf_drop(&want);
	}
	rig_answer_drop(&a);
	buf_drop(&all);
	rig_close(&c);
}

static void keeps_alive(const char *request, bool kept)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	rig_send(&c, str_of(request));
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 200);
	if (kept) {
		rig_send(&c, S(GET("/")));
		rig_read(&c, &a, true);
		assert_int_equal(a.status, 200);
	} else {
		assert_str_equal(rig_header(&a, "connection"), "close");
		assert_true(rig_closed(&c));
	}
	rig_answer_drop(&a);
	rig_close(&c);
}

static void connections_are_kept_by_the_rules(void **state)
{
	(void)state;
	keeps_alive(GET("/"), true);
	keeps_alive("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false);
	keeps_alive("GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n", false);
	keeps_alive("GET / HTTP/1.0\r\n\r\n", false);
	keeps_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true);
}

static void too_many_connections_are_503(void **state)
{
	struct rig_client c[CONNECTIONS + 1];
	struct rig_answer a = {0};

	(void)state;
	for (int i = 0; i < CONNECTIONS; i++) { /* answered, so accepted: two loops accept in any order */
		c[i] = dial();
		rig_send(&c[i], S("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
		rig_read(&c[i], &a, true);
		assert_int_equal(a.status, 200);
	}
	c[CONNECTIONS] = dial();
	rig_read(&c[CONNECTIONS], &a, true);
	assert_int_equal(a.status, 503);
	assert_true(rig_closed(&c[CONNECTIONS]));
	rig_close(&c[0]);
	for (int i = 1; i <= CONNECTIONS; i++)
		rig_close(&c[i]);
	rig_answer_drop(&a);
}

/* --- bodies --- */

static void expect_gets_100_and_nothing_else_is_met(void **state)
{
	struct rig_client c = dial();
	struct rig_answer a = {0};

	(void)state;
	rig_send(&c, S("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
	rig_read(&c, &a, true);
	assert_int_equal(a.status, 100);
	rig_send(&c, S("ab"));
	rig_read(&c, &a, true);
	assert_str_equal(buf_str(&a.body), "ab");
	ask(&a, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\nContent-Length: 2\r\n\r\n");
	assert_int_equal(a.status, 417);
	rig_answer_drop(&a);
	rig_close(&c);
}

static void gzip_to(struct buf *out, struct str plain)
{
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)plain.p;
	z.avail_in = (uInt)plain.n;
	z.avail_out = (uInt)deflateBound(&z, plain.n);
	z.next_out = (Bytef *)buf_room(out, z.avail_out);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += z.total_out;
	deflateEnd(&z);
}

static void post_gzip(struct rig_answer *a, struct str body)
{
	struct rig_client c = dial();
	struct buf all = {0};

	buf_fmt(&all, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", body.n);
	buf_add(&all, body);
	rig_send(&c, buf_str(&all));
	rig_read(&c, a, true);
	buf_drop(&all);
	rig_close(&c);
}

static void gzip_bodies_are_decoded_and_counted(void **state)
{
	struct rig_answer a = {0};
	struct buf z = {0};
	char *zeros = base_zalloc(4 << 20);

	(void)state;
	gzip_to(&z, S("first, "));
	gzip_to(&z, S("second"));
	post_gzip(&a, buf_str(&z));
	assert_str_equal(buf_str(&a.body), "first, second");
	post_gzip(&a, str_head(buf_str(&z), z.n - 4));
	assert_int_equal(a.status, 400);
	post_gzip(&a, S("not gzip at all"));
	assert_int_equal(a.status, 400);
	buf_clear(&z);
	gzip_to(&z, str_from(zeros, BODY_BYTES));
	post_gzip(&a, buf_str(&z));
	assert_int_equal(a.body.n, BODY_BYTES);
	buf_clear(&z);
	gzip_to(&z, str_from(zeros, 4 << 20));
	post_gzip(&a, buf_str(&z));
	assert_int_equal(a.status, 413);
	asks("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nab", 415,
	     "unsupported_media_type: Content-Encoding may be gzip or identity.");
	rig_answer_drop(&a);
	buf_drop(&z);
	free(zeros);
}

static void unzips_to(struct str packed, size_t n)
{
	struct buf plain = {0};
	z_stream z = {0};

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)packed.p;
	z.avail_in = (uInt)packed.n;
	z.next_out = (Bytef *)buf_room(&plain, n + 1);
	z.avail_out = (uInt)n + 1;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, n);
	assert_memory_equal(plain.p, "0123456789", 10);
	inflateEnd(&z);
	buf_drop(&plain);
}

#define GZIP(path, how) "GET " path " HTTP/1.1\r\nHost: x\r\nAccept-Encoding: " how "\r\n\r\n"

static void answers_are_gzipped_when_it_pays(void **state)
{
	struct rig_answer a = {0};

	(void)state;
	ask(&a, GZIP("/text/200", "br, gzip;q=0.5"));
	assert_str_equal(rig_header(&a, "content-encoding"), "gzip");
	assert_str_equal(rig_header(&a, "vary"), "Accept-Encoding");
	unzips_to(buf_str(&a.body), 2000);
	ask(&a, GZIP("/text/100000", "*")); /* large enough for the pool */
	assert_str_equal(rig_header(&a, "content-encoding"), "gzip");
	unzips_to(buf_str(&a.body), 1000000);
	ask(&a, GZIP("/text/200", "gzip;q=0, *"));
	assert_null(rig_header(&a, "content-encoding").p);
	assert_str_equal(rig_header(&a, "vary"), "Accept-Encoding");
	assert_int_equal(a.body.n, 2000);
	ask(&a, GZIP("/text/100", "gzip"));
	assert_null(rig_header(&a, "content-encoding").p);
	ask(&a, GZIP("/encoded/200", "gzip"));
	assert_str_equal(rig_header(&a, "content-encoding"), "br");
	assert_int_equal(a.body.n, 2000);
	rig_answer_drop(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(probes_are_refused_and_their_neighbours_answered),
		TEST(probes_are_judged_alike_byte_by_byte),
		TEST(a_large_head_is_431),
		TEST(a_large_body_is_413_before_it_is_sent),
		TEST(chunks_beyond_the_limit_are_413),
		TEST(a_dribbled_head_or_body_is_408),
		TEST(an_idle_connection_is_closed_in_silence),
		TEST(a_reader_that_stops_is_cut),
		TEST(a_slow_reader_that_goes_on_gets_it_all),
		TEST(a_request_is_routed_by_segments),
		TEST(another_method_is_405_with_allow),
		TEST(head_has_the_length_but_no_body),
		TEST(a_failed_call_is_answered_by_the_surface),
		TEST(the_guard_comes_before_the_body),
		TEST(the_request_id_is_echoed_or_made),
		TEST(accept_takes_the_best_offer),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(connections_are_kept_by_the_rules),
		TEST(too_many_connections_are_503),
		TEST(expect_gets_100_and_nothing_else_is_met),
		TEST(gzip_bodies_are_decoded_and_counted),
		TEST(answers_are_gzipped_when_it_pays),
	};

	return cmocka_run_group_tests(tests, make_big, drop_big);
}
