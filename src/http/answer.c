/* answer.c - what handlers write, and how it is sent: status line, headers, body. */
#include "http/http_int.h"

#include "obs/obs.h"

#include <libdeflate.h>

/* --- for handlers --- */

void http_status(struct http_res *out, int status)
{
	INVARIANT(status >= 200 && status <= 599);
	out->status = status;
}

/* These are the server's own. */
static bool is_framing(struct str name)
{
	static const struct str own[] = {S_INIT("content-length"), S_INIT("transfer-encoding"), S_INIT("connection"),
					 S_INIT("date"), S_INIT("x-request-id")};

	for (size_t i = 0; i < COUNT_OF(own); i++)
		if (str_ieq(name, own[i]))
			return true;
	return false;
}

static bool is_field_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
			return false;
	return true;
}

static void add_field(struct buf *b, struct str name, struct str value)
{
	buf_add(b, name);
	buf_lit(b, ": ");
	buf_add(b, value);
	buf_lit(b, "\r\n");
}

void http_set(struct http_res *out, const char *name, struct str value)
{
	struct str n = str_of(name);

	INVARIANT(http_is_token(n) && !is_framing(n));
	if (!is_field_value(value))
		return;
	if (str_ieq(n, S("content-encoding")))
		out->has_encoding = true;
	add_field(&out->fields, n, value);
}

struct buf *http_out(struct http_res *out)
{
	return &out->body;
}

static void drop_ref(struct http_res *res)
{
	if (res->release)
		res->release(res->owner);
	res->release = NULL;
	res->ref = (struct str){0};
}

void http_body_ref(struct http_res *out, struct str body, void (*release)(void *), void *owner)
{
	drop_ref(out);
	out->ref = body;
	out->release = release;
	out->owner = owner;
}

void http_no_compress(struct http_res *out)
{
	out->no_compress = true;
}

void http_compress_small(struct http_res *out)
{
	out->compress_small = true;
}

bool http_on_pool(struct http_res *out)
{
	out->want_pool = true;
	return true;
}

bool http_is_on_pool(const struct http_res *out)
{
	return out->on_pool;
}

void http_keep(struct http_res *out, void *value)
{
	out->kept = value;
}

void *http_kept(const struct http_res *out)
{
	return out->kept;
}

void http_res_reset(struct http_res *res)
{
	struct buf fields = res->fields, body = res->body, packed = res->packed;

	drop_ref(res);
	buf_clear(&fields);
	buf_clear(&body);
	buf_clear(&packed);
	*res = (struct http_res){.fields = fields, .body = body, .packed = packed};
}

/* --- statuses --- */

static const struct {
	int status;
	struct str line;
} status_lines[] = {
	{200, S_INIT("HTTP/1.1 200 OK\r\n")},
	{201, S_INIT("HTTP/1.1 201 Created\r\n")},
	{202, S_INIT("HTTP/1.1 202 Accepted\r\n")},
	{204, S_INIT("HTTP/1.1 204 No Content\r\n")},
	{304, S_INIT("HTTP/1.1 304 Not Modified\r\n")},
	{400, S_INIT("HTTP/1.1 400 Bad Request\r\n")},
	{401, S_INIT("HTTP/1.1 401 Unauthorized\r\n")},
	{403, S_INIT("HTTP/1.1 403 Forbidden\r\n")},
	{404, S_INIT("HTTP/1.1 404 Not Found\r\n")},
	{405, S_INIT("HTTP/1.1 405 Method Not Allowed\r\n")},
	{406, S_INIT("HTTP/1.1 406 Not Acceptable\r\n")},
	{408, S_INIT("HTTP/1.1 408 Request Timeout\r\n")},
	{409, S_INIT("HTTP/1.1 409 Conflict\r\n")},
	{410, S_INIT("HTTP/1.1 410 Gone\r\n")},
	{412, S_INIT("HTTP/1.1 412 Precondition Failed\r\n")},
	{413, S_INIT("HTTP/1.1 413 Content Too Large\r\n")},
	{415, S_INIT("HTTP/1.1 415 Unsupported Media Type\r\n")},
	{417, S_INIT("HTTP/1.1 417 Expectation Failed\r\n")},
	{422, S_INIT("HTTP/1.1 422 Unprocessable Content\r\n")},
	{429, S_INIT("HTTP/1.1 429 Too Many Requests\r\n")},
	{431, S_INIT("HTTP/1.1 431 Request Header Fields Too Large\r\n")},
	{500, S_INIT("HTTP/1.1 500 Internal Server Error\r\n")},
	{503, S_INIT("HTTP/1.1 503 Service Unavailable\r\n")},
	{504, S_INIT("HTTP/1.1 504 Gateway Timeout\r\n")},
};

static void add_status_line(struct buf *b, int status)
{
	for (size_t i = 0; i < COUNT_OF(status_lines); i++) {
		if (status_lines[i].status == status) {
			buf_add(b, status_lines[i].line);
			return;
		}
	}
	buf_fmt(b, "HTTP/1.1 %d Status\r\n", status);
}

/* What http/ itself fails with, where no surface sets a status; anything else is a 500. */
static const int own_status[ERR_KIND_COUNT] = {
	[ERR_BAD_REQUEST] = 400, [ERR_NOT_FOUND] = 404, [ERR_METHOD_NOT_ALLOWED] = 405, [ERR_REQUEST_TIMEOUT] = 408,
	[ERR_BODY_TOO_LARGE] = 413, [ERR_UNSUPPORTED_MEDIA] = 415, [ERR_HEADERS_TOO_LARGE] = 431, [ERR_UNAVAILABLE] = 503,
};

/* --- failed calls --- */

/* The words of what a client did wrong may be its data: they stay out of the log. */
static void log_failure(const struct http_req *r)
{
	bool ours = r->res.status >= 500;
	enum obs_level level = !ours ? OBS_DEBUG : r->call.err.kind == ERR_UNAVAILABLE ? OBS_WARN : OBS_ERROR;

	obs_log_call(&r->call, level, "http", "%.*s %.*s: %d %s%s%s", SARG(r->method), SARG(r->path),
		     r->res.status, err_code(r->call.err.kind), ours ? ": " : "", ours ? r->call.err.text : "");
}

static void write_failure(struct http_req *r)
{
	const struct http_surface *s = &r->loop->server->surface;
	enum err_kind kind = r->call.err.kind;

	INVARIANT(kind != ERR_NONE);
	http_stream_end(r);
	http_res_reset(&r->res);
	if (kind == ERR_METHOD_NOT_ALLOWED && r->node) {
		buf_lit(&r->res.fields, "Allow: ");
		http_routes_allow(r->node, &r->res.fields);
		buf_lit(&r->res.fields, "\r\n");
	}
	if (s->failed)
		s->failed(&r->call, s->rooms, r, &r->res, r->route);
	if (r->status)
		r->res.status = r->status;
	else if (r->res.status == 0)
		r->res.status = own_status[kind] ? own_status[kind] : 500;
	log_failure(r);
}

/* --- the head of an answer --- */

static bool has_no_body(int status)
{
	return status == 204 || status == 304;
}

static struct str body_of(const struct http_res *res)
{
	if (res->ref.n)
		return res->ref;
	return res->packed.n ? buf_str(&res->packed) : buf_str(&res->body);
}

static void add_length(struct http_req *r, struct str body)
{
	struct buf *b = &r->line;

	if (r->res.source) {
		r->res.framed = r->scan.http11;
		if (r->res.framed)
			buf_lit(b, "Transfer-Encoding: chunked\r\n");
		else
			r->res.close = true;
	} else if (!has_no_body(r->res.status)) {
		buf_lit(b, "Content-Length: ");
		buf_u64(b, body.n);
		buf_lit(b, "\r\n");
	}
}

static void add_head(struct http_req *r, struct str body)
{
	struct http_res *res = &r->res;
	struct buf *b = &r->line;

	buf_clear(b);
	add_status_line(b, res->status);
	buf_add(b, http_date(r->loop));
	add_field(b, S("X-Request-Id"), r->call.request_id);
	add_length(r, body);
	if (res->packed.n || res->zip)
		buf_lit(b, "Content-Encoding: gzip\r\n");
	if (res->vary)
		buf_lit(b, "Vary: Accept-Encoding\r\n");
	if (res->close)
		buf_lit(b, "Connection: close\r\n");
	else if (!r->scan.http11)
		buf_lit(b, "Connection: keep-alive\r\n");
	buf_add(b, buf_str(&res->fields));
	buf_lit(b, "\r\n");
}

static void on_head_sent(struct http_req *r)
{
	if (r->res.source)
		http_stream_begin(r);
	else
		http_req_over(r);
}

static void send_answer(struct http_req *r)
{
	struct http_res *res = &r->res;
	struct str body = body_of(res);

	if (res->status == 0)
		res->status = 200;
	if (!r->keep_alive || atomic_load_explicit(&r->loop->server->draining, memory_order_relaxed))
		res->close = true;
	add_head(r, body);
	if (r->is_head || res->source || has_no_body(res->status))
		body.n = 0;
	r->nbufs = 1;
	if (body.n > HTTP_ONE_WRITE) {
		r->bufs[1].base = (char *)(uintptr_t)body.p;
		r->bufs[1].len = body.n;
		r->nbufs = 2;
	} else {
		buf_add(&r->line, body);
	}
	r->bufs[0] = uv_buf_init(r->line.p, (unsigned)r->line.n);
	r->sent = on_head_sent;
	if (http_wire_send(r))
		on_head_sent(r);
}

/* --- compression --- */

static void deflate_on_pool(struct http_req *r)
{
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(1);

	if (z)
		http_deflate(z, &r->res);
	libdeflate_free_compressor(z);
}

/* True: on its way to the pool and back to send(). */
static bool compress(struct http_req *r)
{
	struct http_res *res = &r->res;
	size_t least = res->compress_small ? 0 : HTTP_GZIP_LEAST;

	if (res->ref.n || res->no_compress || res->has_encoding || (res->source ? !res->source->blocks : res->body.n <= least))
		return false;
	res->vary = true;
	if (!http_accepts_gzip(r))
		return false;
	if (res->source) {
		http_zip_begin(res);
		return false;
	}
	if (res->body.n > HTTP_GZIP_ON_LOOP && http_req_on_pool(r, deflate_on_pool, send_answer))
		return true;
	if (res->body.n <= HTTP_GZIP_ON_LOOP)
		http_deflate(r->loop->gzip, res);
	return false;
}

void http_answer(struct http_req *r)
{
	if (r->call.request_id.n == 0) {
		id_v4_text(r->id);
		r->call.request_id = str_from(r->id, ID_LEN);
	}
	if (!r->ok)
		write_failure(r);
	if (!compress(r))
		send_answer(r);
}
