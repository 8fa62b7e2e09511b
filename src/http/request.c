/* request.c - the life of a request: read, routed, guarded, run, parked, over.
 *
 * Route and guard come before the body, so that nobody uploads without being
 * allowed to. See http_req_state for who owns a request when.
 */
#include "http/http_int.h"

#include "obs/obs.h"

static void leave_park(struct http_req *r)
{
	uv_timer_stop(&r->timer);
	STAT_SUB(r->loop->parked, 1);
}

void http_req_refuse(struct http_req *r)
{
	if (r->state == REQ_UPLOAD)
		leave_park(r);
	http_upload_end(r, false);
	r->ok = r->keep_alive = false;
	r->linger = true;
	STAT_ADD(r->loop->refused, 1);
	http_answer(r);
}

static bool too_large(struct http_req *r)
{
	fail(&r->call, ERR_BODY_TOO_LARGE, "The body is larger than this server takes.");
	http_req_refuse(r);
	return false;
}

/* --- running --- */

static const struct http_surface *surface_of(const struct http_req *r)
{
	return &r->loop->server->surface;
}

static void run(struct http_req *r)
{
	r->ok = r->running(&r->call, surface_of(r)->rooms, r, &r->res);
}

static void settle_run(struct http_req *r);

static void run_on_loop(struct http_req *r)
{
	r->state = REQ_RUN;
	run(r);
	settle_run(r);
}

static void on_pool_thread(void *arg)
{
	struct http_req *r = arg;

	r->work(r);
	http_loop_push(r->loop, &r->item);
}

/* Names and attributes are of the route: what the client wrote stays out. */
static void end_span(struct http_req *r)
{
	const struct http_route *route = r->route;
	struct str path = str_of(route ? route->path : ""), method = str_of(route ? route->method : "_OTHER");
	const struct obs_attr attrs[] = {
		{.key = "http.response.status_code", .number = r->res.status}, {.key = "http.request.method", .text = method},
		{.key = "http.route", .text = path}, {.key = "mayfly.tenant", .text = r->call.tenant.p ? r->call.tenant : S("")},
	};

	obs_span_end(&r->span, arena_fmt(&r->arena, "%.*s %.*s", SARG(method), SARG(path)), r->res.status >= 500, attrs, COUNT_OF(attrs));
}

/* The client left: who waits for the request is told, and `done` runs for what the handler kept. */
static void abandon(struct http_req *r)
{
	bool waits = r->state == REQ_PARKED || r->state == REQ_UPLOAD;
	bool parked = waits || (r->state == REQ_POOL && r->ok && r->res.want_park);

	if (waits)
		leave_park(r);
	uv_timer_stop(&r->timer);
	r->state = REQ_OVER;
	http_upload_end(r, false);
	http_park_leave(r);
	if (parked) {
		r->running = r->route->done;
		run(r);
	}
	http_stream_end(r);
	http_park_over(r);
	if (r->span.on)
		end_span(r);
}

static void on_back(struct http_item *it)
{
	struct http_req *r = CONTAINER_OF(it, struct http_req, item);

	if (r->conn) {
		r->state = REQ_RUN;
		r->back(r);
		return;
	}
	abandon(r);
	http_req_put(r);
}

bool http_req_on_pool(struct http_req *r, void (*work)(struct http_req *), void (*back)(struct http_req *))
{
	enum http_req_state before = r->state;

	r->state = REQ_POOL;
	r->work = work;
	r->back = back;
	r->item.fn = on_back;
	http_clock_set(r->conn, CLOCK_NONE);
	if (exec_pool_run(r->loop->server->pool, on_pool_thread, r))
		return true;
	r->state = before;
	return false;
}

void http_req_later(struct http_req *r, void (*back)(struct http_req *))
{
	r->state = REQ_POOL;
	r->back = back;
	r->item.fn = on_back;
	http_clock_set(r->conn, CLOCK_NONE);
	http_loop_push(r->loop, &r->item);
}

void http_req_left(struct http_req *r)
{
	if (r->state == REQ_POOL) { /* comes back by itself */
		r->conn->req = NULL;
		r->conn = NULL;
		return;
	}
	abandon(r);
}

static void count_answer(const struct http_req *r)
{
	int class = r->res.status / 100;

	if (class >= 1 && class <= 5)
		obs_count(OBS_M_HTTP_1XX + (class - 1));
	if (r->began_ns)
		obs_observe(OBS_M_HTTP_SECONDS, clock_mono_ns() - r->began_ns);
}

void http_req_over(struct http_req *r)
{
	struct http_conn *c = r->conn;
	bool close = r->res.close, linger = r->linger;

	STAT_ADD(r->loop->requests, 1);
	count_answer(r);
	if (r->span.on)
		end_span(r);
	http_park_over(r);
	c->req = NULL;
	http_req_put(r);
	if (close)
		http_conn_finish(c, linger);
	else
		http_conn_next(c);
}

/* --- parking --- */

static void unpark(struct http_req *r)
{
	if (r->state == REQ_UPLOAD)
		http_upload_enough(r);
	leave_park(r);
	r->woken = false;
	r->running = r->route->done;
	run_on_loop(r);
}

static void on_wait_over(uv_timer_t *t)
{
	unpark(t->data);
}

static void park(struct http_req *r)
{
	INVARIANT(r->route->done);
	r->res.want_park = false;
	r->state = REQ_PARKED;
	STAT_ADD(r->loop->parked, 1);
	http_clock_set(r->conn, CLOCK_NONE);
	if (r->res.wait_ms >= 0) {
		uv_update_time(r->loop->uv);
		uv_timer_start(&r->timer, on_wait_over, (uint64_t)r->res.wait_ms, 0);
	}
	if (r->woken) /* while the handler ran on the pool */
		http_wake(r->park);
}

void http_req_woken(struct http_req *r)
{
	if (r->state == REQ_PARKED || r->state == REQ_UPLOAD)
		unpark(r);
	else if (r->state == REQ_WAIT)
		http_stream_pull(r);
	else
		r->woken = true;
}

static void read_past(struct http_req *r);

/* The handler has returned, or failed. */
static void end_run(struct http_req *r)
{
	if (r->ok && r->up.sink) {
		INVARIANT(r->res.want_park);
		park(r);
		http_upload_begin(r, r->some_is_here || r->conn->ahead.n > 0);
	} else if (r->ok && r->res.want_park) {
		park(r);
	} else {
		http_upload_end(r, false);
		if (r->unread)
			read_past(r);
		else
			http_answer(r);
	}
}

static void settle_run(struct http_req *r)
{
	struct http_res *res = &r->res;

	if (r->ok && res->want_pool && !res->on_pool) {
		res->on_pool = true;
		if (http_req_on_pool(r, run, settle_run))
			return;
		r->ok = fail(&r->call, ERR_UNAVAILABLE, "Too much work is queued.");
	}
	res->want_pool = res->on_pool = false;
	end_run(r);
}

/* Everything of the request is here, or its handler asks for the body. */
static void dispatch(struct http_req *r)
{
	if (r->answered) {
		http_answer(r);
		return;
	}
	r->ok = r->call.err.kind == ERR_NONE;
	if (!r->ok) {
		http_answer(r);
		return;
	}
	r->running = r->route->handler;
	if (!(r->route->flags & HTTP_ON_POOL)) {
		run_on_loop(r);
		return;
	}
	r->state = REQ_RUN;
	r->res.want_pool = true;
	settle_run(r);
}

/* --- the body --- */

static void body_done(struct http_req *r)
{
	if (r->state == REQ_UPLOAD) {
		http_upload_ended(r);
		return;
	}
	if (r->gzipped && !r->discard && r->body.n > 0) {
		if (http_req_on_pool(r, http_inflate, dispatch))
			return;
		fail(&r->call, ERR_UNAVAILABLE, "Too much work is queued.");
	}
	dispatch(r);
}

static bool add_body(struct http_req *r, struct str piece)
{
	size_t most = r->loop->server->limits.max_body_bytes;

	if (r->state == REQ_UPLOAD)
		return http_upload_take(r, piece);
	if (r->discard)
		return true;
	if (piece.n > most - r->body.n)
		return too_large(r);
	buf_add(&r->body, piece);
	return true;
}

static size_t feed_length(struct http_req *r, struct str in)
{
	struct str piece = str_head(in, in.n < r->left ? in.n : (size_t)r->left);

	r->left -= piece.n;
	if (!add_body(r, piece))
		return in.n;
	if (r->left == 0)
		body_done(r);
	return piece.n;
}

static size_t feed_chunks(struct http_req *r, struct str in)
{
	struct str rest = in, piece;

	for (;;) {
		switch (http_chunks_next(&r->chunks, &rest, &piece)) {
		case FRAME_DATA:
			if (!add_body(r, piece))
				return in.n;
			break;
		case FRAME_MORE:
			return in.n;
		case FRAME_BAD:
			fail(&r->call, ERR_BAD_REQUEST, "Malformed request: the chunks of the body are broken.");
			http_req_refuse(r);
			return in.n;
		case FRAME_DONE:
			body_done(r);
			return in.n - rest.n;
		}
	}
}

/* --- the head --- */

/* The body of a call that has failed already is read past when it is short, to keep the connection. */
static bool is_worth_reading(const struct http_req *r)
{
	if (r->call.err.kind == ERR_NONE && !r->answered)
		return true;
	return !r->expects && !r->scan.chunked && r->scan.length <= HTTP_DISCARD;
}

/* The handler has answered before the body, of which it wants nothing. */
static void read_past(struct http_req *r)
{
	r->unread = false;
	r->answered = r->discard = true;
	if (!is_worth_reading(r)) {
		r->keep_alive = false;
		r->linger = true;
		http_answer(r);
		return;
	}
	r->state = REQ_BODY;
	r->left = r->scan.length;
	http_clock_set(r->conn, CLOCK_BODY);
	http_conn_next(r->conn);
}

static void begin_body(struct http_req *r, bool some_is_here)
{
	r->discard = r->call.err.kind != ERR_NONE;
	if (!is_worth_reading(r)) {
		http_req_refuse(r);
		return;
	}
	if (r->scan.length > r->loop->server->limits.max_body_bytes && !r->discard) {
		too_large(r);
		return;
	}
	r->state = REQ_BODY;
	r->left = r->scan.length;
	http_clock_set(r->conn, CLOCK_BODY);
	if (r->expects && r->scan.http11 && !some_is_here)
		http_wire_interim(r->conn, S("HTTP/1.1 100 Continue\r\n\r\n"));
}

static bool is_request_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n >= 1 && s.n <= 128;
}

static void name_call(struct http_req *r)
{
	struct str id = http_header(r, "x-request-id"), trace = http_header(r, "traceparent");

	if (!is_request_id(id)) {
		id_v4_text(r->id);
		id = str_from(r->id, ID_LEN);
	}
	r->call.request_id = id;
	if (traceparent_valid(trace))
		r->call.traceparent = trace;
	obs_span_begin(&r->span, OBS_SPAN_SERVER, "HTTP", r->call.traceparent);
	r->call.traceparent = obs_span_context(&r->span, r->trace, r->call.traceparent);
}

static bool admit(struct http_req *r)
{
	const struct http_surface *s = surface_of(r);

	http_routes_find(r->loop->server->routes, r, r->target);
	if (!r->node)
		return fail(&r->call, ERR_NOT_FOUND, "There is nothing at this path.");
	if (!r->route)
		return fail(&r->call, ERR_METHOD_NOT_ALLOWED, "This path does not take %.*s.", SARG(r->method));
	return !s->guard || s->guard(&r->call, s->rooms, r, r->route);
}

static void take_head(struct http_req *r, bool some_is_here)
{
	bool parsed = http_parse(r), has_body;

	r->began_ns = clock_mono_ns();
	name_call(r);
	if (!parsed) {
		http_req_refuse(r);
		return;
	}
	(void)admit(r); /* its error is answered after the body */
	has_body = r->scan.length > 0 || r->scan.chunked;
	r->unread = has_body && r->call.err.kind == ERR_NONE && (r->route->flags & HTTP_UPLOAD);
	r->some_is_here = some_is_here;
	if (r->unread || !has_body)
		dispatch(r);
	else
		begin_body(r, some_is_here);
}

enum { PATH_OF_REFUSED = 256 };

/* Of a head that is refused unread, or never ends: its path as it stands there, for the form of the answer. */
static void take_raw_path(struct http_req *r, struct str head)
{
	struct str rest = head, path;

	str_cut(&rest, ' ');
	path = str_cut(&rest, ' ');
	if (r->path.n || (!rest.p && path.n < PATH_OF_REFUSED))
		return;
	path = str_head(path, str_find(path, '?'));
	if (str_is_utf8(path))
		r->path = arena_dup(&r->arena, str_head(path, PATH_OF_REFUSED));
}

/* False: an error is left. */
static bool scan_head(struct http_req *r, struct str in, enum http_frame *ret)
{
	struct http_head_scan *h = &r->scan;

	*ret = http_head_scan(h, in);
	if (*ret == FRAME_BAD)
		return fail(&r->call, ERR_BAD_REQUEST, "Malformed request: %s.", h->why);
	if ((*ret == FRAME_DONE ? h->at : in.n) > r->loop->server->limits.max_head_bytes || h->fields > HTTP_FIELDS)
		return fail(&r->call, ERR_HEADERS_TOO_LARGE,
			    "The request line and headers are larger than this server takes.");
	return true;
}

static size_t feed_head(struct http_req *r, struct str in)
{
	enum http_frame what;
	size_t n;

	if (!scan_head(r, in, &what)) {
		take_raw_path(r, str_tail(in, r->scan.start));
		http_req_refuse(r);
		return in.n;
	}
	if (what == FRAME_MORE) {
		take_raw_path(r, str_tail(in, r->scan.start));
		return 0;
	}
	n = r->scan.at;
	r->head = arena_dup(&r->arena, str_from(in.p + r->scan.start, n - r->scan.start));
	take_head(r, in.n > n);
	return n;
}

size_t http_req_feed(struct http_req *r, struct str bytes)
{
	if (r->state == REQ_HEAD)
		return feed_head(r, bytes);
	if (r->state == REQ_BODY || (r->state == REQ_UPLOAD && !r->up.paused))
		return r->scan.chunked ? feed_chunks(r, bytes) : feed_length(r, bytes);
	return 0;
}
