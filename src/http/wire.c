/* wire.c - the bytes of an answer onto the socket.
 *
 * Tried at once, the rest queued in the loop; one write of a request at a
 * time. With TLS the same goes through slices of cipher text (tls.c).
 */
#include "http/http_int.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

/* Forgets the first n bytes of what is to be written; true when nothing is left. */
static bool consume(struct http_req *r, size_t n)
{
	while (r->nbufs > 0 && n >= r->bufs[0].len) {
		n -= r->bufs[0].len;
		r->bufs[0] = r->bufs[1];
		r->bufs[1] = r->bufs[2];
		r->nbufs--;
	}
	if (r->nbufs > 0) {
		r->bufs[0].base += n;
		r->bufs[0].len -= n;
	}
	return r->nbufs == 0;
}

static void on_written(uv_write_t *w, int status)
{
	struct http_req *r = w->data;

	if (status < 0 || r->conn->closing) {
		http_conn_close(r->conn);
		return;
	}
	r->nbufs = 0;
	r->sent(r);
}

static bool send_plain(struct http_req *r)
{
	uv_stream_t *s = &r->conn->uv.stream;
	int n = uv_try_write(s, r->bufs, (unsigned)r->nbufs);

	if (n == UV_EAGAIN)
		n = 0;
	if (n >= 0 && consume(r, (size_t)n))
		return true;
	r->write.data = r;
	if (n < 0 || uv_write(&r->write, s, r->bufs, (unsigned)r->nbufs, on_written) != 0)
		http_conn_close(r->conn);
	else
		http_clock_set(r->conn, CLOCK_WRITE);
	return false;
}

bool http_wire_send(struct http_req *r)
{
	if (r->conn->closing)
		return false;
	r->state = REQ_WRITE;
	for (int i = 0; i < r->nbufs; i++)
		STAT_ADD(r->loop->out, r->bufs[i].len);
	return r->conn->tls ? http_tls_pump(r->conn) : send_plain(r);
}

size_t http_wire_queued(const struct http_conn *c)
{
	size_t n = c->uv.stream.write_queue_size;
	uv_os_fd_t fd;
	int sent = 0;

	/* a reader may be slow for long before the socket takes more */
	if (uv_fileno(&c->uv.handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &sent) == 0)
		n += (size_t)sent;
	if (c->tls && c->req)
		for (int i = 0; i < c->req->nbufs; i++)
			n += c->req->bufs[i].len;
	return n;
}

static void on_interim(uv_write_t *w, int status)
{
	(void)status;
	free(w);
}

void http_wire_interim(struct http_conn *c, struct str lasting)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)lasting.p, (unsigned)lasting.n);
	uv_write_t *w;

	if (c->tls) {
		http_tls_say(c, lasting);
		return;
	}
	w = base_alloc(sizeof(*w));
	if (uv_write(w, &c->uv.stream, &buf, 1, on_interim) != 0)
		free(w);
}
