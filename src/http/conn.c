/* conn.c - a connection: accepted, read, timed, closed.
 *
 * Bytes are given to the request in progress; what it does not take (the next
 * ones, while this one is answered) is kept in `ahead`, and reading stops when
 * that is enough. An idle connection owns no buffer.
 */
#include "http/http_int.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { REFUSED_AT_ONCE = 256 }; /* connections over the limit that still hear why */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct http_conn *c = h->data;

	(void)hint;
	*ret = uv_buf_init(c->loop->read, HTTP_READ_SIZE);
}

static void begin(struct http_conn *c)
{
	c->req = http_req_get(c->loop);
	c->req->conn = c;
	c->req->local = c->local;
	http_clock_set(c, CLOCK_HEAD);
}

/* Returns the bytes taken. */
static size_t feed(struct http_conn *c, struct str in)
{
	size_t used = 0;

	c->feeding = true;
	while (used < in.n && !c->closing && !c->lingering) {
		size_t n;

		if (!c->req)
			begin(c);
		n = http_req_feed(c->req, str_tail(in, used));
		if (n == 0)
			break;
		used += n;
	}
	c->feeding = false;
	return c->closing || c->lingering ? in.n : used;
}

static void feed_ahead(struct http_conn *c)
{
	buf_cut_front(&c->ahead, feed(c, buf_str(&c->ahead)));
	if (c->ahead.n == 0)
		buf_drop(&c->ahead);
}

static bool is_busy(const struct http_conn *c)
{
	return c->req && c->req->state != REQ_HEAD && c->req->state != REQ_BODY && c->req->state != REQ_UPLOAD;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static bool is_paused(const struct http_conn *c)
{
	return c->req && c->req->state == REQ_UPLOAD && c->req->up.paused;
}

/* After bytes were taken: reads on, or stops while enough is there. */
static void settle(struct http_conn *c)
{
	const struct http_limits *m = &c->loop->server->limits;
	bool enough = is_paused(c) ||
		      (is_busy(c) && (c->ahead.n >= m->max_head_bytes || c->nahead >= m->max_pipelined));

	if (c->closing || c->lingering)
		return;
	if (!c->req && atomic_load_explicit(&c->loop->server->draining, memory_order_relaxed)) {
		http_conn_close(c);
		return;
	}
	if (!c->req)
		http_clock_set(c, CLOCK_IDLE);
	if (enough && c->reading)
		uv_read_stop(&c->uv.stream);
	else if (!enough && !c->reading)
		uv_read_start(&c->uv.stream, on_alloc, on_read);
	c->reading = !enough;
}

static int count_heads(struct str s)
{
	int n = 0;

	for (size_t at; (at = str_search(s, S("\r\n\r\n"))) < s.n; s = str_tail(s, at + 4))
		n++;
	return n;
}

void http_conn_bytes(struct http_conn *c, struct str bytes)
{
	if (c->closing || c->lingering)
		return;
	c->nahead = is_busy(c) ? c->nahead + count_heads(bytes) : 0;
	if (c->ahead.n) {
		buf_add(&c->ahead, bytes);
		feed_ahead(c);
	} else {
		buf_add(&c->ahead, str_tail(bytes, feed(c, bytes)));
	}
	settle(c);
}

void http_conn_next(struct http_conn *c)
{
	if (c->feeding || c->closing)
		return;
	c->nahead = 0;
	feed_ahead(c);
	settle(c);
}

/* The client sends no more. One that waits for the end of its answer gets it; else it has left. */
static void on_end(struct http_conn *c)
{
	if (c->req && c->req->state == REQ_WRITE && !c->req->res.source) {
		uv_read_stop(&c->uv.stream);
		c->reading = false;
		c->req->res.close = true;
		return;
	}
	http_conn_close(c);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct http_conn *c = s->data;

	if (n == 0)
		return;
	if (n < 0) {
		on_end(c);
		return;
	}
	STAT_ADD(c->loop->in, n);
	if (c->tls)
		http_tls_bytes(c, str_from(buf->base, (size_t)n));
	else
		http_conn_bytes(c, str_from(buf->base, (size_t)n));
}

/* --- the end --- */

static void on_closed(uv_handle_t *h)
{
	struct http_conn *c = h->data;

	if (c->req)
		http_req_put(c->req);
	http_tls_close(c->tls);
	buf_drop(&c->ahead);
	STAT_SUB(c->loop->connections, 1);
	http_server_left(c->loop->server);
	free(c);
}

void http_conn_close(struct http_conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	list_del(&c->link);
	if (c->req)
		http_req_left(c->req);
	uv_close(&c->uv.handle, on_closed);
}

void http_conn_finish(struct http_conn *c, bool linger)
{
	uv_os_fd_t fd;

	if (c->closing)
		return;
	if (c->tls)
		http_tls_goodbye(c);
	if (!linger || uv_fileno(&c->uv.handle, &fd) != 0) {
		http_conn_close(c);
		return;
	}
	shutdown(fd, SHUT_WR);
	c->lingering = true;
	http_clock_set(c, CLOCK_LINGER);
	if (!c->reading)
		uv_read_start(&c->uv.stream, on_alloc, on_read);
	c->reading = true;
}

static void on_stall(struct http_conn *c)
{
	if (http_wire_queued(c) == c->queued)
		http_conn_close(c);
	else
		http_clock_set(c, CLOCK_WRITE);
}

static void time_out(struct http_req *r, const char *part)
{
	fail(&r->call, ERR_REQUEST_TIMEOUT, "The %s of the request took too long to arrive.", part);
	http_req_refuse(r);
}

void http_conn_due(struct http_conn *c)
{
	if (c->clock == CLOCK_WRITE)
		on_stall(c);
	else if (c->req && c->clock == CLOCK_HEAD)
		time_out(c->req, "head");
	else if (c->req && c->clock == CLOCK_BODY)
		time_out(c->req, "body");
	else
		http_conn_close(c);
}

/* --- the beginning --- */

static bool is_loopback(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->ss_family == AF_INET)
		return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
	if (sa->ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return v6->sin6_addr.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool init_handle(struct http_conn *c, bool local)
{
	int rc = local ? uv_pipe_init(c->loop->uv, &c->uv.pipe, 0) : uv_tcp_init(c->loop->uv, &c->uv.tcp);

	c->uv.handle.data = c;
	return rc == 0;
}

static void know_peer(struct http_conn *c)
{
	struct sockaddr_storage sa;
	int len = sizeof(sa);

	uv_tcp_nodelay(&c->uv.tcp, 1);
	c->local = uv_tcp_getpeername(&c->uv.tcp, (struct sockaddr *)&sa, &len) == 0 && is_loopback(&sa);
}

/* Too many connections: says so in a few bytes. */
static void turn_away(struct http_conn *c, int over)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				     "Retry-After: 1\r\nConnection: close\r\n\r\n";
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)answer, sizeof(answer) - 1);

	STAT_ADD(c->loop->refused, 1);
	if (c->tls || over > REFUSED_AT_ONCE || uv_try_write(&c->uv.stream, &buf, 1) < 0)
		http_conn_close(c);
	else
		http_conn_finish(c, true);
}

void http_conn_accept(struct http_listener *li)
{
	struct http_loop *l = li->loop;
	struct http_server *s = l->server;
	struct http_conn *c = base_zalloc(sizeof(*c));
	int over;

	c->loop = l;
	list_init(&c->link);
	INVARIANT(init_handle(c, li->local));
	over = atomic_fetch_add(&s->open, 1) + 1 - s->limits.max_connections;
	STAT_ADD(l->connections, 1);
	if (uv_accept(&li->uv.stream, &c->uv.stream) != 0 || atomic_load(&s->draining)) {
		http_conn_close(c);
		return;
	}
	STAT_ADD(l->accepted, 1);
	c->local = li->local;
	if (!li->local)
		know_peer(c);
	if (s->tls && !li->local)
		c->tls = http_tls_start(s->tls);
	if (over > 0) {
		turn_away(c, over);
		return;
	}
	http_clock_set(c, c->tls ? CLOCK_HEAD : CLOCK_IDLE);
	c->reading = uv_read_start(&c->uv.stream, on_alloc, on_read) == 0;
}
