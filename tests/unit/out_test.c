/* out_test.c - requests to a server of one thread that says what the test wrote. */
#include "out/out.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

struct bench {
	struct arena arena;
	struct call c;
	struct out_client *client;
	int listener;
	pthread_t server;
	const char *answer;
	char asked[4096];  /* the request as it came */
	char url[64];
	char dir[FOLDER_PATH_MAX]; /* of the unix socket; empty = none */
};

static int open_bench(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	call_open(&b->c, &b->arena);
	b->client = out_open();
	b->listener = -1;
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	if (b->listener >= 0) {
		pthread_join(b->server, NULL);
		close(b->listener);
	}
	if (b->dir[0])
		folder_remove(b->dir);
	out_close(b->client);
	arena_close(&b->arena);
	free(b);
	return 0;
}

/* The head and as much body as its Content-Length says. */
static bool whole(const char *text, size_t n)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
	size_t body = length ? strtoul(length + 15, NULL, 10) : 0;

	if (strcasestr(text, "transfer-encoding: chunked"))
		return strstr(text, "\r\n0\r\n\r\n") != NULL;
	return end && n >= (size_t)(end + 4 - text) + body;
}

/* One connection: reads a request, answers, waits until the client leaves. */
static void *serve(void *arg)
{
	struct bench *b = arg;
	int fd = accept(b->listener, NULL, NULL);
	size_t n = 0;
	char rest[64];

	while (n < sizeof(b->asked) - 1 && !whole(b->asked, n)) {
		ssize_t got = read(fd, b->asked + n, sizeof(b->asked) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		if (strcasestr(b->asked, "Expect: 100-continue") && str_ends(str_from(b->asked, n), S("\r\n\r\n")) && !whole(b->asked, n))
			assert_int_equal(write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25), 25);
	}
	if (b->answer)
		assert_int_equal(write(fd, b->answer, strlen(b->answer)), strlen(b->answer));
	else
		while (read(fd, rest, sizeof(rest)) > 0)
			continue;
	close(fd);
	return NULL;
}

static void listen_tcp(struct bench *b, const char *answer)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);

	b->answer = answer;
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(b->listener, 1), 0);
	assert_int_equal(getsockname(b->listener, (struct sockaddr *)&a, &n), 0);
	snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d/x", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&b->server, NULL, serve, b), 0);
}

static void a_request_goes_out_as_it_was_written(void **state)
{
	struct bench *b = *state;
	struct out_header headers[] = {{S("X-One"), S("1")}, {S("X-Empty"), S("")}};
	struct out_request q = {.method = S("POST"), .headers = headers, .nheaders = 2, .body = S("{\"a\":1}")};
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Two:  two \r\nx-two: again\r\n\r\nok");
	q.url = str_of(b->url);
	assert_true(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(a.status, 201);
	assert_str_equal(a.body, "ok");
	assert_str_equal(out_header(&a, "x-TWO"), "two");
	assert_null(out_header(&a, "absent").p);
	assert_non_null(strstr(b->asked, "POST /x HTTP/1.1\r\n"));
	assert_non_null(strstr(b->asked, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(b->asked, "\r\nX-Empty:\r\n"));
	assert_non_null(strstr(b->asked, "\r\n\r\n{\"a\":1}"));
	assert_null(strcasestr(b->asked, "Expect:"));
}

static void a_redirect_is_an_answer_like_any_other(void **state)
{
	struct bench *b = *state;
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
	assert_true(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url)}, &a));
	assert_int_equal(a.status, 302);
	assert_non_null(strstr(b->asked, "GET /x"));
}

static void an_answer_that_is_too_large_is_refused(void **state)
{
	struct bench *b = *state;
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
	assert_false(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url), .max_body_bytes = 9}, &a));
	assert_int_equal(b->c.err.kind, ERR_BODY_TOO_LARGE);
}

static bool keep(void *arg, struct str piece)
{
	struct buf *b = arg;

	if (b->limit && b->n + piece.n > b->limit)
		return false;
	buf_add(b, piece);
	return true;
}

static void a_body_can_be_taken_piece_by_piece(void **state)
{
	struct bench *b = *state;
	OWNS(buf) got = {0};
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_true(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url), .sink = keep, .arg = &got}, &a));
	assert_str_equal(buf_str(&got), "abcde");
	assert_int_equal(a.body.n, 0);
}

static void a_sink_can_stop_the_answer(void **state)
{
	struct bench *b = *state;
	OWNS(buf) got = {.limit = 1};
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
	assert_false(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url), .sink = keep, .arg = &got}, &a));
	assert_int_equal(b->c.err.kind, ERR_CANCELED);
}

static void the_body_of_an_error_is_not_for_the_sink(void **state)
{
	struct bench *b = *state;
	OWNS(buf) got = {0};
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
	assert_true(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url), .sink = keep, .arg = &got}, &a));
	assert_int_equal(a.status, 404);
	assert_str_equal(a.body, "none");
	assert_int_equal(got.n, 0);
}

/* --- bodies that stream --- */

struct rest {
	struct str left;
	bool breaks;
};

static int64_t give_three(void *arg, char *to, size_t n)
{
	struct rest *r = arg;
	struct str piece = str_head(r->left, n < 3 ? n : 3);

	if (!piece.n && r->breaks)
		return -1;
	memcpy(to, piece.p, piece.n);
	r->left = str_tail(r->left, piece.n);
	return (int64_t)piece.n;
}

static void a_body_can_be_sent_piece_by_piece(void **state)
{
	struct bench *b = *state;
	struct rest r = {.left = S("0123456789")};
	struct out_request q = {.method = S("POST"), .source = give_three, .source_bytes = 10, .arg = &r};
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
	q.url = str_of(b->url);
	assert_true(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(a.status, 201);
	assert_str_equal(a.body, "ok");
	assert_non_null(strstr(b->asked, "POST /x HTTP/1.1\r\n"));
	assert_non_null(strstr(b->asked, "\r\nContent-Length: 10\r\n"));
	assert_non_null(strstr(b->asked, "\r\n\r\n0123456789"));
}

static void a_body_of_unknown_length_goes_in_chunks(void **state)
{
	struct bench *b = *state;
	struct rest r = {.left = S("0123456789")};
	struct out_request q = {.method = S("PUT"), .source = give_three, .source_bytes = -1, .arg = &r};
	struct out_answer a;

	listen_tcp(b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	q.url = str_of(b->url);
	assert_true(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(a.status, 200);
	assert_non_null(strcasestr(b->asked, "\r\nTransfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(b->asked, "\r\n3\r\n012\r\n3\r\n345\r\n"));
}

static void a_source_can_give_up(void **state)
{
	struct bench *b = *state;
	struct rest r = {.left = S("0123"), .breaks = true};
	struct out_request q = {.method = S("POST"), .source = give_three, .source_bytes = 10, .arg = &r};
	struct out_answer a;

	listen_tcp(b, NULL);
	q.url = str_of(b->url);
	assert_false(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(b->c.err.kind, ERR_CANCELED);
	call_forgive(&b->c);
	q.body = S("two");
	assert_false(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(b->c.err.kind, ERR_INVALID_FIELD);
}

static void a_stream_that_stalls_is_ended(void **state)
{
	struct bench *b = *state;
	struct out_request q = {.stall_ms = 1};
	struct out_answer a;

	listen_tcp(b, NULL);
	q.url = str_of(b->url);
	assert_false(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(b->c.err.kind, ERR_REQUEST_TIMEOUT);
}

static void silence_ends_with_the_time_given(void **state)
{
	struct bench *b = *state;
	struct out_answer a;

	listen_tcp(b, NULL);
	assert_false(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url), .timeout_ms = 50}, &a));
	assert_int_equal(b->c.err.kind, ERR_REQUEST_TIMEOUT);
}

static void the_deadline_of_the_call_holds_too(void **state)
{
	struct bench *b = *state;
	struct out_answer a;

	listen_tcp(b, NULL);
	b->c.deadline_ms = clock_mono_ms() + 50;
	assert_false(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url), .timeout_ms = 60000}, &a));
	assert_int_equal(b->c.err.kind, ERR_REQUEST_TIMEOUT);
}

static void a_canceled_call_ends_its_request(void **state)
{
	struct bench *b = *state;
	atomic_bool cancel = true;
	struct out_answer a;

	listen_tcp(b, NULL);
	b->c.cancel = &cancel;
	assert_false(out_fetch(&b->c, b->client, &(struct out_request){.url = str_of(b->url)}, &a));
	assert_int_equal(b->c.err.kind, ERR_CANCELED);
	shutdown(b->listener, SHUT_RDWR); /* the server may never have seen us */
}

static void nobody_there_is_said_in_words(void **state)
{
	struct bench *b = *state;
	struct out_answer a;

	assert_false(out_fetch(&b->c, b->client, &(struct out_request){.url = S("http://127.0.0.1:1/")}, &a));
	assert_int_equal(b->c.err.kind, ERR_UNAVAILABLE);
	assert_non_null(strstr(b->c.err.text, "http://127.0.0.1:1/: "));
	assert_non_null(strstr(b->c.err.text, "onnect"));
	call_forgive(&b->c);
	assert_false(out_fetch(&b->c, b->client, &(struct out_request){.url = S("http://localhost/"), .unix_socket = S("/nowhere")}, &a));
	assert_int_equal(b->c.err.kind, ERR_UNAVAILABLE);
	assert_string_equal(b->c.err.text, "cannot connect to unix:/nowhere");
}

static void what_cannot_be_sent_is_refused(void **state)
{
	struct bench *b = *state;
	struct out_header split = {S("X-A"), S("1\r\nX-B: 2")};
	struct out_answer a;
	struct out_request bad[] = {
	        {.url = S("ftp://127.0.0.1/x")},
	        {.url = S("file:///etc/passwd")},
	        {.url = S("http://127.0.0.1/\r\nX: y")},
	        {.url = S("http://127.0.0.1:99999/")},
	        {.url = S("http://127.0.0.1/"), .method = S("GET /")},
	        {.url = S("http://127.0.0.1/"), .headers = &split, .nheaders = 1},
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(out_fetch(&b->c, b->client, &bad[i], &a));
		assert_int_equal(b->c.err.kind, ERR_INVALID_FIELD);
		call_forgive(&b->c);
	}
}

static void a_unix_socket_serves_as_well(void **state)
{
	struct bench *b = *state;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct out_request q = {.url = S("http://localhost/y")};
	struct out_answer answer;

	folder_make(b->dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", b->dir);
	b->answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(b->listener, 1), 0);
	assert_int_equal(pthread_create(&b->server, NULL, serve, b), 0);
	q.unix_socket = str_of(a.sun_path);
	assert_true(out_fetch(&b->c, b->client, &q, &answer));
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(b->asked, "GET /y "));
}

/* --- public addresses only --- */

static void special_addresses_are_not_public(void **state)
{
	static const struct { const char *text; bool is; } cases[] = {
		{"8.8.8.8", true}, {"1.1.1.1", true}, {"100.63.255.255", true}, {"172.32.0.1", true}, {"223.255.255.255", true},
		{"0.0.0.0", false}, {"10.1.2.3", false}, {"100.64.0.1", false}, {"127.0.0.1", false}, {"127.255.255.255", false},
		{"169.254.169.254", false}, {"172.16.0.1", false}, {"172.31.255.255", false}, {"192.0.0.1", false}, {"192.0.2.1", false},
		{"192.168.1.1", false}, {"198.18.0.1", false}, {"198.51.100.1", false}, {"203.0.113.1", false}, {"224.0.0.1", false},
		{"240.0.0.1", false}, {"255.255.255.255", false},
		{"2606:4700::1111", true}, {"2a00:1450::1", true}, {"2002:808:808::1", true}, {"64:ff9b::808:808", true},
		{"::", false}, {"::1", false}, {"::8.8.8.8", false}, {"::ffff:127.0.0.1", false}, {"::ffff:8.8.8.8", false},
		{"fe80::1", false}, {"fec0::1", false}, {"fc00::1", false}, {"fd00::1", false}, {"ff02::1", false}, {"100::1", false},
		{"2001::1", false}, {"2001:db8::1", false}, {"2002:7f00:1::1", false}, {"2002:a00:1::1", false}, {"3fff::1", false},
		{"64:ff9b::a00:1", false}, {"64:ff9b:1::1", false}, {"4000::1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sockaddr_in v4 = {.sin_family = AF_INET};
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
		bool four = inet_pton(AF_INET, cases[i].text, &v4.sin_addr) == 1;

		assert_true(four || inet_pton(AF_INET6, cases[i].text, &v6.sin6_addr) == 1);
		if (out_public(four ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6) != cases[i].is)
			printf("%s\n", cases[i].text);
		assert_int_equal(out_public(four ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6), cases[i].is);
	}
	assert_false(out_public(&(struct sockaddr){.sa_family = AF_UNIX}));
}

static void a_private_address_is_refused_when_connecting(void **state)
{
	struct bench *b = *state;
	struct out_request q = {.url = S("http://localhost:9/x"), .public_only = true};
	struct out_answer a;

	assert_false(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(b->c.err.kind, ERR_FORBIDDEN);
	call_forgive(&b->c);
	q.url = S("http://2130706433:9/x"); /* 127.0.0.1 as one number */
	assert_false(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(b->c.err.kind, ERR_FORBIDDEN);
	call_forgive(&b->c);
	q.public_only = false; /* and the next request does not remember it */
	assert_false(out_fetch(&b->c, b->client, &q, &a));
	assert_int_equal(b->c.err.kind, ERR_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	        T(a_request_goes_out_as_it_was_written),
	        T(a_redirect_is_an_answer_like_any_other),
	        T(an_answer_that_is_too_large_is_refused),
	        T(a_body_can_be_taken_piece_by_piece),
	        T(a_sink_can_stop_the_answer),
	        T(the_body_of_an_error_is_not_for_the_sink),
	        T(a_body_can_be_sent_piece_by_piece),
	        T(a_body_of_unknown_length_goes_in_chunks),
	        T(a_source_can_give_up),
	        T(a_stream_that_stalls_is_ended),
	        T(silence_ends_with_the_time_given),
	        T(the_deadline_of_the_call_holds_too),
	        T(a_canceled_call_ends_its_request),
	        T(nobody_there_is_said_in_words),
	        T(what_cannot_be_sent_is_refused),
	        T(a_unix_socket_serves_as_well),
	        T(special_addresses_are_not_public),
	        T(a_private_address_is_refused_when_connecting),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
