/* http_rig_upload.h - for the tests of uploads: routes whose sink behaves as their path says, and bodies. */
#ifndef MAYFLY_TEST_HTTP_RIG_UPLOAD_H
#define MAYFLY_TEST_HTTP_RIG_UPLOAD_H

#include "http_rig_tls.h"

#include <zlib.h>

/* --- the route: POST /up/{mode}/{n}; n: the most bytes of a body, or after how many something happens --- */

enum mode { TAKE, SLOW, HOLD, STOP, WAKE, ON_POOL, WAIT, FAIL, MODES };
static const char *const mode_names[MODES] = {"take", "slow", "hold", "stop", "wake", "pool", "wait", "fail"};
enum { ANY_SIZE = 2147483647, WAIT_MS = 30 };

struct heap { /* what the sink of a request has seen; the call's */
	enum mode mode;
	size_t most, n;
	unsigned long crc;
	bool held, closed, complete;
	struct http_res *out;
	struct http_park *park; /* a reference, till the sink closes */
};
static atomic_int completes, takes;

static void go(void *park)
{
	http_upload_go(park);
	http_unref(park);
}

/* The test lets it go on, once. */
static enum http_took hold(struct heap *h)
{
	if (h->held)
		return HTTP_TOOK;
	h->held = true;
	atomic_store(&at.held, http_park_of(h->out));
	return HTTP_FULL;
}

static enum http_took take(void *self, struct str bytes)
{
	struct heap *h = self;

	assert_true(bytes.n > 0 && bytes.n <= 65536);
	atomic_fetch_add(&takes, 1);
	h->n += bytes.n;
	h->crc = crc32(h->crc, (const Bytef *)bytes.p, (uInt)bytes.n);
	if (h->mode == SLOW && exec_pool_run(at.pool, go, http_park_of(h->out)))
		return HTTP_FULL; /* another thread lets it go on, perhaps before this returns */
	if (h->mode == HOLD)
		return hold(h);
	if (h->mode == STOP && h->n >= h->most) {
		http_wake(h->park);
		return HTTP_ENOUGH;
	}
	if (h->mode == WAKE && h->n >= h->most)
		http_wake(h->park);
	return HTTP_TOOK;
}

static void on_closed(void *self, bool complete)
{
	struct heap *h = self;

	assert_false(h->closed);
	h->closed = true;
	h->complete = complete;
	atomic_fetch_add(&completes, complete);
	atomic_fetch_add(&at.closed, 1);
	if (complete)
		http_wake(h->park);
	http_unref(h->park);
}

static void on_left(void *arg)
{
	const struct heap *h = arg;

	assert_true(h->closed && !h->complete); /* the sink before it */
	atomic_fetch_add(&at.left, 1);
}

static enum mode mode_of(struct str name)
{
	enum mode m = TAKE;

	while (m < MODES - 1 && !str_eq(name, str_of(mode_names[m])))
		m++;
	return m;
}

static bool on_up(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const struct http_sink sink = {take, on_closed};
	struct heap *h = ARENA_NEW(c->arena, struct heap);
	uint64_t n = 0;

	(void)rooms;
	assert_true(str_to_u64(http_param(in, 1), &n));
	*h = (struct heap){.mode = mode_of(http_param(in, 0)), .most = (size_t)n, .out = out};
	if (h->mode == ON_POOL && !http_is_on_pool(out))
		return http_on_pool(out);
	h->park = http_park(out, h->mode == WAIT ? WAIT_MS : -1);
	http_on_leave(h->park, on_left, h);
	http_keep(out, h);
	http_upload(out, &sink, h, h->mode == STOP || h->mode == WAKE ? ANY_SIZE : h->most);
	return h->mode != FAIL || fail(c, ERR_INVALID_FIELD, "No.");
}

static bool on_up_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	const struct heap *h = http_kept(out);

	(void)c;
	(void)rooms;
	(void)in;
	atomic_fetch_add(&at.dones, 1);
	buf_fmt(http_out(out), "%zu %lx %s", h->n, h->crc, h->complete ? "all" : "some");
	return true;
}

/* Answers without asking for the body. */
static bool on_deaf(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	if (str_eq(http_param(in, 0), S("pool")) && !http_is_on_pool(out))
		return http_on_pool(out);
	if (str_eq(http_param(in, 0), S("no")))
		return fail(c, ERR_INVALID_FIELD, "No.");
	return on_root(c, rooms, in, out);
}

const struct http_route rig_routes[] = {
	{"GET", "/", on_root, NULL, 0, ""},
	{"POST", "/up/{mode}/{n}", on_up, on_up_done, HTTP_UPLOAD, ""},
	{"POST", "/deaf/{how}", on_deaf, NULL, HTTP_UPLOAD, ""},
	{0},
};

static int open_upload(void **state)
{
	struct http_options o;

	completes = takes = 0;
	make(state);
	o = options();
	o.limits.max_connections = 1000;
	start(&o, "127.0.0.1:0");
	return 0;
}

/* --- bodies --- */

static void add_head(struct buf *b, const char *path, const char *fields)
{
	buf_fmt(b, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, fields);
}

static void add_sized(struct buf *b, const char *path, struct str body)
{
	buf_fmt(b, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, body.n);
	buf_add(b, body);
}

static void add_chunks(struct buf *b, struct str body, size_t step)
{
	while (body.n) {
		struct str piece = str_head(body, step);

		buf_fmt(b, "%zx\r\n", piece.n);
		buf_add(b, piece);
		buf_lit(b, "\r\n");
		body = str_tail(body, piece.n);
	}
	buf_lit(b, "0\r\n\r\n");
}

static void zip(struct buf *out, struct str plain)
{
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)plain.p;
	z.avail_in = (uInt)plain.n;
	z.avail_out = (uInt)deflateBound(&z, plain.n);
	z.next_out = (Bytef *)buf_room(out, z.avail_out);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += z.total_out;
	deflateEnd(&z);
}

static void add_zipped(struct buf *b, const char *path, struct str packed)
{
	buf_fmt(b, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", path, packed.n);
	buf_add(b, packed);
}

static void sum(struct buf *to, struct str body, const char *how)
{
	buf_clear(to);
	buf_fmt(to, "%zu %lx %s", body.n, crc32(0, (const Bytef *)body.p, (uInt)body.n), how);
}

/* Reads an answer: 200, and all of `body` was seen. */
static void took_all(struct rig_client *c, struct str body)
{
	struct rig_answer a = {0};
	struct buf want = {0};

	sum(&want, body, "all");
	rig_read(c, &a, true);
	assert_int_equal(a.status, 200);
	assert_str_equal(buf_str(&a.body), buf_cstr(&want));
	rig_answer_drop(&a);
	buf_drop(&want);
}

/* Reads an answer: 200, sent before the body was there. */
static void took_some(struct rig_client *c)
{
	struct rig_answer a = {0};

	rig_read(c, &a, true);
	assert_int_equal(a.status, 200);
	assert_true(str_ends(buf_str(&a.body), S(" some")));
	assert_str_equal(rig_header(&a, "connection"), "close");
	assert_true(rig_closed(c));
	rig_answer_drop(&a);
}

static void answers(struct rig_client *c, int status, const char *begin, bool closes)
{
	struct rig_answer a = {0};

	rig_read(c, &a, true);
	assert_int_equal(a.status, status);
	assert_true(str_starts(buf_str(&a.body), str_of(begin)));
	if (closes) {
		assert_str_equal(rig_header(&a, "connection"), "close");
		assert_true(rig_closed(c));
	}
	rig_answer_drop(&a);
}

/* Sends what is in *b on a connection of its own, and expects such an answer. */
static void refuses(struct buf *b, int status, const char *begin)
{
	struct rig_client c = dial();

	at.closed = 0;
	rig_send(&c, buf_str(b));
	answers(&c, status, begin, true);
	assert_int_equal(at.closed, 1);
	rig_close(&c);
	buf_clear(b);
}

static bool quiet_for(struct rig_client *c, int ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	return poll(&p, 1, ms) == 0;
}

#endif
