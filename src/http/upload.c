/* upload.c - bodies that stream into a sink while their request is parked.
 *
 *   REQ_RUN --http_upload, http_park--> REQ_UPLOAD --body complete, or enough--> REQ_PARKED
 *
 * Everything here is on the loop. While the sink is full the socket is not
 * read; what was read before waits in `held`, at most one read. A body in gzip
 * is inflated in pieces, and others get their turn after some of them.
 *
 * Where a function says OVER, the request may be answered and gone.
 */
#include "http/http_int.h"

enum { PIECES_A_TURN = 4 };

enum flow { FLOW_ON, FLOW_PAUSED, FLOW_OVER };

void http_upload(struct http_res *out, const struct http_sink *sink, void *self, size_t max_bytes)
{
	struct http_req *r = CONTAINER_OF(out, struct http_req, res);

	INVARIANT(!r->up.sink && sink->take && sink->close && (r->route->flags & HTTP_UPLOAD));
	r->up = (struct http_upload){.sink = sink, .self = self, .max = max_bytes};
}

void http_upload_end(struct http_req *r, bool complete)
{
	const struct http_sink *sink = r->up.sink;

	if (!sink)
		return;
	r->up.sink = NULL;
	http_unzip_end(&r->up.unzip);
	buf_drop(&r->up.held);
	sink->close(r->up.self, complete);
}

void http_upload_enough(struct http_req *r)
{
	r->keep_alive = false;
	r->linger = true;
	r->state = REQ_PARKED;
	http_clock_set(r->conn, CLOCK_NONE);
	http_upload_end(r, false);
}

static enum flow refuse(struct http_req *r, enum err_kind kind, const char *why)
{
	fail(&r->call, kind, "%s", why);
	http_req_refuse(r);
	return FLOW_OVER;
}

static enum flow hold_off(struct http_req *r)
{
	r->up.paused = true;
	http_clock_set(r->conn, CLOCK_NONE);
	return FLOW_PAUSED;
}

/* Decoded bytes to the sink. */
static enum flow hand(struct http_req *r, struct str bytes)
{
	struct http_upload *up = &r->up;

	if (bytes.n > up->max - up->seen)
		return refuse(r, ERR_BODY_TOO_LARGE, "The body is larger than this server takes.");
	up->seen += bytes.n;
	switch (up->sink->take(up->self, bytes)) {
	case HTTP_TOOK:
		return FLOW_ON;
	case HTTP_FULL:
		return hold_off(r);
	case HTTP_ENOUGH:
		break;
	}
	http_upload_enough(r);
	return FLOW_OVER;
}

static enum flow hand_unzipped(struct http_req *r, struct str *in)
{
	struct http_unzip *u = &r->up.unzip;
	int pieces = 0;

	while (in->n || u->more) {
		enum flow flow = FLOW_ON;
		struct str piece;

		if (pieces++ == PIECES_A_TURN) {
			http_upload_go(r->park);
			return hold_off(r);
		}
		if (!http_unzip(u, r->loop, in, &piece))
			return refuse(r, ERR_BAD_REQUEST, HTTP_NOT_GZIP);
		if (piece.n)
			flow = hand(r, piece);
		if (flow != FLOW_ON)
			return flow;
	}
	return FLOW_ON;
}

/* Moves *in past what was handed over. */
static enum flow pour(struct http_req *r, struct str *in)
{
	enum flow flow = FLOW_ON;

	if (r->gzipped)
		return hand_unzipped(r, in);
	while (in->n && flow == FLOW_ON) {
		struct str piece = str_head(*in, HTTP_READ_SIZE);

		*in = str_tail(*in, piece.n);
		flow = hand(r, piece);
	}
	return flow;
}

/* After some were handed over: is that the whole body? */
static void complete(struct http_req *r)
{
	struct http_upload *up = &r->up;

	if (!up->ended || up->held.n || up->unzip.more)
		return;
	if (r->gzipped && !http_unzip_is_whole(&up->unzip)) {
		refuse(r, ERR_BAD_REQUEST, HTTP_NOT_GZIP);
		return;
	}
	r->state = REQ_PARKED;
	http_clock_set(r->conn, CLOCK_NONE);
	http_upload_end(r, true);
}

bool http_upload_take(struct http_req *r, struct str piece)
{
	if (!r->up.paused) {
		http_clock_set(r->conn, CLOCK_BODY);
		if (pour(r, &piece) == FLOW_OVER)
			return false;
	}
	buf_add(&r->up.held, piece);
	return true;
}

void http_upload_ended(struct http_req *r)
{
	r->up.ended = true;
	complete(r);
}

void http_upload_begin(struct http_req *r, bool some_is_here)
{
	bool has_body = r->unread;

	r->unread = false;
	r->state = REQ_UPLOAD;
	if (!has_body) {
		http_upload_ended(r);
		return;
	}
	if (r->scan.length > r->up.max) {
		refuse(r, ERR_BODY_TOO_LARGE, "The body is larger than this server takes.");
		return;
	}
	r->left = r->scan.length;
	http_clock_set(r->conn, CLOCK_BODY);
	if (r->expects && r->scan.http11 && !some_is_here)
		http_wire_interim(r->conn, S("HTTP/1.1 100 Continue\r\n\r\n"));
	http_conn_next(r->conn);
}

void http_upload_resume(struct http_req *r)
{
	struct http_conn *c = r->conn;
	struct buf *held = &r->up.held;
	struct str rest = buf_str(held);

	if (r->state != REQ_UPLOAD || !r->up.paused)
		return;
	r->up.paused = false;
	http_clock_set(c, CLOCK_BODY);
	if (pour(r, &rest) != FLOW_OVER) {
		buf_cut_front(held, held->n - rest.n);
		if (held->n == 0)
			buf_drop(held);
		complete(r);
	}
	http_conn_next(c);
}
