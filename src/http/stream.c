/* stream.c - answers pulled piece by piece, as fast as the client reads.
 *
 * The next piece is pulled when the former is written. In HTTP/1.1 a piece is
 * a chunk; in 1.0 the end of the connection ends the body.
 */
#include "http/http_int.h"

#include <stdio.h>

enum { SIZE_LINE = 24 };

void http_stream(struct http_res *out, const struct http_source *source, void *self)
{
	INVARIANT(!out->source && source->pull);
	out->source = source;
	out->self = self;
}

void http_stream_sse(struct http_res *out, const struct http_source *source, void *self)
{
	http_stream(out, source, self);
	out->sse = true;
	http_set(out, "Content-Type", S("text/event-stream"));
	http_set(out, "Cache-Control", S("no-store"));
	http_set(out, "X-Accel-Buffering", S("no"));
}

/* The first line of text: up to CR, LF or CRLF, as the receiver splits. */
static struct str cut_line(struct str *rest)
{
	size_t lf = str_find(*rest, '\n'), cr = str_find(*rest, '\r');
	size_t end = lf < cr ? lf : cr, next = end + 1;
	struct str line = str_head(*rest, end);

	if (end == rest->n)
		*rest = (struct str){0};
	else
		*rest = str_tail(*rest, cr + 1 == lf ? next + 1 : next);
	return line;
}

static void add_sse_line(struct buf *into, struct str name, struct str value)
{
	buf_add(into, name);
	buf_lit(into, ": ");
	buf_add(into, value);
	buf_lit(into, "\n");
}

void http_sse_event(struct buf *into, struct str id, struct str event, struct str data)
{
	if (id.n)
		add_sse_line(into, S("id"), cut_line(&id));
	if (event.n)
		add_sse_line(into, S("event"), cut_line(&event));
	while (data.n)
		add_sse_line(into, S("data"), cut_line(&data));
	buf_lit(into, "\n");
}

void http_stream_end(struct http_req *r)
{
	const struct http_source *source = r->res.source;

	r->res.source = NULL;
	uv_timer_stop(&r->timer);
	http_zip_end(&r->res);
	if (source && source->close)
		source->close(r->res.self);
}

static void finish(struct http_req *r)
{
	http_stream_end(r);
	http_req_over(r);
}

static void on_beat(uv_timer_t *t);

/* The piece is written. True: pull the next at once. */
static bool go_on(struct http_req *r)
{
	switch (r->more) {
	case HTTP_MORE:
		return true;
	case HTTP_END:
		finish(r);
		return false;
	case HTTP_BROKEN:
		http_conn_close(r->conn);
		return false;
	case HTTP_WAIT:
		break;
	}
	if (r->woken) {
		r->woken = false;
		return true;
	}
	r->state = REQ_WAIT;
	http_clock_set(r->conn, CLOCK_NONE);
	if (r->res.sse)
		uv_timer_start(&r->timer, on_beat, HTTP_SSE_BEAT_MS, 0);
	return false;
}

static void on_piece_sent(struct http_req *r)
{
	if (go_on(r))
		http_stream_pull(r);
}

static void frame_piece(struct http_req *r)
{
	bool last = r->more == HTTP_END;
	struct str tail = last ? S("\r\n0\r\n\r\n") : S("\r\n");
	char *size;

	buf_clear(&r->line);
	size = buf_room(&r->line, SIZE_LINE);
	r->line.n = (size_t)snprintf(size, SIZE_LINE, "%zx\r\n", r->piece.n);
	r->bufs[0] = uv_buf_init(r->line.p, (unsigned)r->line.n);
	r->bufs[1].base = r->piece.p;
	r->bufs[1].len = r->piece.n;
	r->bufs[2] = uv_buf_init((char *)(uintptr_t)tail.p, (unsigned)tail.n);
	r->nbufs = 3;
}

/* Writes what was pulled. True: pull the next at once. */
static bool send_piece(struct http_req *r)
{
	static const char last[] = "0\r\n\r\n";

	r->nbufs = 0;
	if (r->more == HTTP_BROKEN) /* half a piece could pass for the end of the body */
		buf_clear(&r->piece);
	if (r->piece.n && r->res.framed) {
		frame_piece(r);
	} else if (r->piece.n) {
		r->bufs[0].base = r->piece.p;
		r->bufs[0].len = r->piece.n;
		r->nbufs = 1;
	} else if (r->more == HTTP_END && r->res.framed) {
		r->bufs[0] = uv_buf_init((char *)(uintptr_t)last, sizeof(last) - 1);
		r->nbufs = 1;
	}
	r->sent = on_piece_sent;
	if (r->nbufs > 0 && !http_wire_send(r))
		return false;
	return go_on(r);
}

static void on_beat(uv_timer_t *t)
{
	struct http_req *r = t->data;

	buf_clear(&r->piece);
	buf_lit(&r->piece, ":\n\n");
	r->more = HTTP_WAIT;
	if (send_piece(r))
		http_stream_pull(r);
}

static void pull(struct http_req *r)
{
	buf_clear(&r->piece);
	r->more = r->res.source->pull(r->res.self, &r->piece);
	if (r->res.zip && r->more != HTTP_BROKEN)
		http_zip(&r->res, &r->piece, r->more);
}

static void on_pulled(struct http_req *r)
{
	if (send_piece(r))
		http_stream_pull(r);
}

void http_stream_pull(struct http_req *r)
{
	uv_timer_stop(&r->timer);
	for (int i = 0; i < HTTP_PULLS; i++) {
		r->state = REQ_RUN;
		if (r->res.source->blocks && http_req_on_pool(r, pull, on_pulled))
			return;
		if (r->res.source->blocks)
			r->more = HTTP_BROKEN;
		else
			pull(r);
		if (!send_piece(r))
			return;
	}
	http_req_later(r, http_stream_pull);
}

void http_stream_begin(struct http_req *r)
{
	if (r->is_head)
		finish(r);
	else
		http_stream_pull(r);
}
