/* http_rig.h - for the tests of http/: a plain client over a blocking socket,
 * and a server on two loops that serves the `routes` of the test.
 */
#ifndef MAYFLY_TEST_HTTP_RIG_H
#define MAYFLY_TEST_HTTP_RIG_H

#include "http/http.h"

#include "test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RIG_PATIENCE_MS = 60000 };

struct rig_client {
	int fd;
	struct buf in; /* read, not yet taken */
};

struct rig_answer {
	int status;
	struct buf head, body;
};

UNUSED static int rig_dial(int port, int rcvbuf)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

UNUSED static void rig_send(struct rig_client *c, struct str s)
{
	while (s.n) {
		ssize_t n = send(c->fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the answer tells */
		s = str_tail(s, (size_t)n);
	}
}

/* Some more bytes; false at the end of the connection. */
UNUSED static bool rig_more(struct rig_client *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char *to = buf_room(&c->in, 65536);
	ssize_t n;

	assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
	n = read(c->fd, to, 65536);
	if (n <= 0)
		return false;
	c->in.n += (size_t)n;
	return true;
}

UNUSED static struct str rig_header(const struct rig_answer *a, const char *name)
{
	struct str rest = buf_str(&a->head);

	while (rest.n) {
		struct str value = str_trim(str_cut(&rest, '\n')), key = str_cut(&value, ':');

		if (str_ieq(key, str_of(name)))
			return str_trim(value);
	}
	return (struct str){0};
}

UNUSED static void rig_take(struct rig_client *c, struct buf *to, size_t n)
{
	while (c->in.n < n)
		assert_true(rig_more(c));
	buf_add(to, str_head(buf_str(&c->in), n));
	buf_cut_front(&c->in, n);
}

UNUSED static void rig_take_line(struct rig_client *c, struct buf *to)
{
	size_t n;

	while ((n = str_search(buf_str(&c->in), S("\r\n"))) == c->in.n)
		assert_true(rig_more(c));
	buf_clear(to);
	rig_take(c, to, n + 2);
}

UNUSED static void rig_take_chunks(struct rig_client *c, struct buf *body)
{
	struct buf line = {0};
	size_t n;

	do {
		rig_take_line(c, &line);
		n = strtoul(buf_cstr(&line), NULL, 16);
		rig_take(c, body, n);
		rig_take_line(c, &line);
		assert_int_equal(line.n, 2);
	} while (n > 0);
	buf_drop(&line);
}

/* The next answer; *a is emptied first. with_body: not for HEAD. */
UNUSED static void rig_read(struct rig_client *c, struct rig_answer *a, bool with_body)
{
	uint64_t n = 0;
	size_t end;

	buf_clear(&a->head);
	buf_clear(&a->body);
	while ((end = str_search(buf_str(&c->in), S("\r\n\r\n"))) == c->in.n)
		assert_true(rig_more(c));
	rig_take(c, &a->head, end + 4);
	a->status = atoi(buf_cstr(&a->head) + sizeof("HTTP/1.1"));
	if (!with_body || a->status == 100)
		return;
	if (str_eq(rig_header(a, "transfer-encoding"), S("chunked")))
		rig_take_chunks(c, &a->body);
	else if (str_to_u64(rig_header(a, "content-length"), &n))
		rig_take(c, &a->body, n);
}

/* Is nothing more to come, and the connection closed by the server? */
UNUSED static bool rig_closed(struct rig_client *c)
{
	return c->in.n == 0 && !rig_more(c);
}

UNUSED static void rig_close(struct rig_client *c)
{
	close(c->fd);
	buf_drop(&c->in);
}

UNUSED static void rig_answer_drop(struct rig_answer *a)
{
	buf_drop(&a->head);
	buf_drop(&a->body);
}

/* --- the server --- */

enum { HEAD_MS = 1000, BODY_MS = 1500, IDLE_MS = 2000, STALL_MS = 1500, HEAD_BYTES = 2048, BODY_BYTES = 65536, CONNECTIONS = 40 };
enum { BIG = 8 << 20 };

static struct {
	struct http_server *server;
	struct exec_loop *loops[2];
	struct exec_pool *pool;
	struct arena arena;
	struct call call;
	int port;
	char *big;
	atomic_int released, closed, pulled, left, dones, handled;
	_Atomic(struct http_park *) held; /* of a request that the test wakes */
	atomic_bool more;                 /* the stream has something */
} at;

extern const struct http_route rig_routes[]; /* the test's */

UNUSED static bool on_root(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)rooms;
	(void)in;
	atomic_fetch_add(&at.handled, 1);
	http_set(out, "Content-Type", S("text/plain"));
	buf_fmt(http_out(out), "hello %.*s\n", SARG(c->principal));
	return true;
}

UNUSED static void on_release(void *owner)
{
	(void)owner;
	atomic_fetch_add(&at.released, 1);
}

UNUSED static bool on_big(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	(void)in;
	http_body_ref(out, str_from(at.big, BIG), on_release, NULL);
	return true;
}

UNUSED static bool guard(struct call *c, void *rooms, const struct http_req *in, const struct http_route *route)
{
	(void)rooms;
	assert_non_null(route);
	if (http_header(in, "X-Deny").p)
		return fail(c, ERR_FORBIDDEN, "Denied.");
	c->principal = http_header(in, "x-who");
	return true;
}

UNUSED static void failed(struct call *c, void *rooms, const struct http_req *in, struct http_res *out, const struct http_route *route)
{
	static const int statuses[ERR_KIND_COUNT] = { /* of what handlers and the guard fail with; the rest is the server's */
		[ERR_INVALID_FIELD] = 400, [ERR_FORBIDDEN] = 403, [ERR_NOT_ACCEPTABLE] = 406};

	(void)rooms;
	(void)in;
	(void)route;
	if (statuses[c->err.kind])
		http_status(out, statuses[c->err.kind]);
	buf_fmt(http_out(out), "%s: %s", err_code(c->err.kind), c->err.text);
}

UNUSED static struct http_options options(void)
{
	return (struct http_options){
		.loops = at.loops,
		.nloops = 2,
		.pool = at.pool,
		.limits = {HEAD_MS, BODY_MS, IDLE_MS, STALL_MS, HEAD_BYTES, BODY_BYTES, CONNECTIONS, 8},
		.surface = {.routes = rig_routes, .guard = guard, .failed = failed},
	};
}

UNUSED static void start(const struct http_options *o, const char *address)
{
	struct buf real = {0};

	at.server = http_open(&at.call, o);
	assert_non_null(at.server);
	assert_true(http_listen(&at.call, at.server, address, &real));
	at.port = atoi(strrchr(buf_cstr(&real), ':') + 1);
	buf_drop(&real);
	for (int i = 0; i < 2; i++)
		exec_loop_start(at.loops[i]);
}

UNUSED static int make(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as the server's main does */
	arena_open(&at.arena);
	call_open(&at.call, &at.arena);
	for (int i = 0; i < 2; i++)
		at.loops[i] = exec_loop_open("http");
	at.pool = exec_pool_open("pool", 2, 1000);
	at.released = at.closed = at.pulled = at.left = at.dones = at.handled = 0;
	at.held = NULL;
	return 0;
}

UNUSED static int open_server(void **state)
{
	struct http_options o;

	make(state);
	o = options();
	start(&o, "127.0.0.1:0");
	return 0;
}

UNUSED static int close_server(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		exec_loop_stop(at.loops[i]);
		exec_loop_join(at.loops[i]);
	}
	exec_pool_close(at.pool);
	http_close(at.server);
	for (int i = 0; i < 2; i++)
		exec_loop_close(at.loops[i]);
	arena_close(&at.arena);
	return 0;
}

UNUSED static struct rig_client dial(void)
{
	return (struct rig_client){.fd = rig_dial(at.port, 0)};
}

/* Waits until a counter, moved by other threads, is n. */
UNUSED static void await(atomic_int *counter, int n)
{
	for (int i = 0; i < RIG_PATIENCE_MS && atomic_load(counter) != n; i++)
		poll(NULL, 0, 1);
	assert_int_equal(atomic_load(counter), n);
}

UNUSED static struct http_park *await_held(void)
{
	for (int i = 0; i < RIG_PATIENCE_MS && !atomic_load(&at.held); i++)
		poll(NULL, 0, 1);
	assert_non_null(atomic_load(&at.held));
	return atomic_exchange(&at.held, NULL);
}

/* One request on a connection of its own; the answer's head and body are in *a. */
UNUSED static void ask(struct rig_answer *a, const char *request)
{
	struct rig_client c = dial();

	rig_send(&c, str_of(request));
	rig_read(&c, a, !str_starts(str_of(request), S("HEAD")));
	rig_close(&c);
}

UNUSED static void asks(const char *request, int status, const char *body)
{
	struct rig_answer a = {0};

	ask(&a, request);
	assert_int_equal(a.status, status);
	assert_str_equal(buf_str(&a.body), body);
	rig_answer_drop(&a);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

UNUSED static int make_big(void **state)
{
	(void)state;
	at.big = base_alloc(BIG);
	for (size_t i = 0; i < BIG; i++)
		at.big[i] = (char)('a' + i % 23);
	return 0;
}

UNUSED static int drop_big(void **state)
{
	(void)state;
	free(at.big);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_server, close_server)

#endif
