/* http.h - the door of http/: an HTTP/1.1 server over libuv and llhttp.
 *
 * A request is one call tree: the route's handler reads `in`, calls one room, writes `out`. It runs on a loop
 * thread and must not block; a handler that must (reads a file, parses megabytes) returns http_on_pool(out) and is
 * run again on a pool thread. Waiting is parking: http_park(), return true, and the route's `done` function writes
 * the answer once somebody called http_wake() or the time given is over.
 *
 * What `in` borrows lives until the answer was sent; so does the call's arena. Framing is strict (RFC 9112): whatever
 * two readers could understand differently is refused with 400 and the connection closed.
 */
#ifndef MAYFLY_HTTP_H
#define MAYFLY_HTTP_H

#include "base/base.h"
#include "exec/exec.h"
#include "http/server.h"

struct http_park;

/* --- the request: views into the connection's buffer --- */
struct http_header {
	struct str name, value;
};
struct str http_method(const struct http_req *in);
struct str http_path(const struct http_req *in);             /* percent-decoded, no query */
struct str http_header(const struct http_req *in, const char *name); /* empty when absent; p = NULL tells absent */
struct str http_body(const struct http_req *in);             /* decoded (chunks, gzip) */
struct str http_param(const struct http_req *in, int i);     /* the i-th {…} of the route */
/* A query parameter, percent-decoded into the call's arena; false when absent. The last one wins. */
bool http_query(struct call *c, const struct http_req *in, const char *name, struct str *ret);
bool http_peer_is_local(const struct http_req *in);          /* loopback address or unix socket */
bool http_accepts_gzip(const struct http_req *in);           /* by Accept-Encoding and its q values */
/* The best of `offers` (NULL-terminated) by Accept; NULL when none is acceptable. No Accept = the first. */
const char *http_accept(const struct http_req *in, const char *const *offers);

/* --- the answer --- */
void http_status(struct http_res *out, int status);
void http_set(struct http_res *out, const char *name, struct str value); /* adds a header; copied; CR, LF, NUL refused */
struct buf *http_out(struct http_res *out);              /* the body; write into it */
/* The body is `body`, already encoded, not copied; release(owner) when it was sent. */
void http_body_ref(struct http_res *out, struct str body, void (*release)(void *), void *owner);
/* By default the server gzips bodies over 1 KB when the client accepts it. */
void http_no_compress(struct http_res *out);
void http_compress_small(struct http_res *out); /* smaller ones as well */

/* --- streaming with back-pressure: pull is called while the socket can take more --- */
enum http_more { HTTP_MORE, HTTP_WAIT, HTTP_END, HTTP_BROKEN };
struct http_source {
	/* Appends some bytes (aim at 64 KB). HTTP_WAIT: nothing now, http_wake(park) will tell. HTTP_BROKEN ends the
	 * connection without a final chunk, so that the client sees it. */
	enum http_more (*pull)(void *self, struct buf *into);
	void (*close)(void *self); /* exactly once, after the last pull, also when the client left */
	bool blocks;               /* pull on the pool, not on the loop */
};
void http_stream(struct http_res *out, const struct http_source *source, void *self);
/* Server-sent events: sets the headers; `pull` then appends events. A comment line goes out every 15 s of silence. */
void http_stream_sse(struct http_res *out, const struct http_source *source, void *self);
void http_sse_event(struct buf *into, struct str id, struct str event, struct str data); /* empty = left out; data may have lines */

/* --- bodies that stream: routes with HTTP_UPLOAD. Their handler runs when the head has come (on the pool if it asks),
 * and answers, or calls http_upload() and parks: the body then goes to the sink, and `done` runs once woken and the
 * body is complete or was ENOUGH. A wake, or the park's time over, before the end counts as ENOUGH. While the sink is
 * full the socket is not read: a client that leaves is noticed only after http_upload_go(). --- */
enum http_took { HTTP_TOOK, HTTP_FULL /* took it; no more until http_upload_go() */, HTTP_ENOUGH /* reads no more; closes */ };
struct http_sink {
	/* At most 64 KB, decoded, in order, lent during the call; on the loop, must not block. */
	enum http_took (*take)(void *self, struct str bytes);
	/* Once, on the loop, after http_upload(), also when the handler fails: complete = the whole body came. Else it was
	 * ENOUGH, or the client left (`done` then runs as for all parked), or the body came too slowly, is too large, or
	 * not gzip: that is answered at once, and `done` does not run. */
	void (*close)(void *self, bool complete);
};
void http_upload(struct http_res *out, const struct http_sink *sink, void *self, size_t max_bytes); /* max: decoded */
void http_upload_go(struct http_park *p);  /* after HTTP_FULL; any thread, also before take has returned, also in vain */

/* --- running elsewhere and parking --- */
bool http_on_pool(struct http_res *out);  /* return its value: run this handler again on a pool thread */
bool http_is_on_pool(const struct http_res *out);
/* Parks the request at most wait_ms (< 0: without end). One reference is the caller's; http_unref gives it back. `done`
 * of the route then runs once, also when the client has left (after on_leave; its answer goes nowhere). */
struct http_park *http_park(struct http_res *out, int64_t wait_ms);
struct http_park *http_park_of(struct http_res *out); /* for HTTP_WAIT of a stream: another reference */
void http_wake(struct http_park *p);       /* any thread, any number of times, also after the end */
bool http_park_gone(struct http_park *p);  /* the client left, or the answer was sent */
void http_unref(struct http_park *p);
/* on the loop, when the client leaves while parked; before any http_wake could be missed */
void http_on_leave(struct http_park *p, void (*fn)(void *), void *arg);
/* Keeps a value from the handler to its `done` function. */
void http_keep(struct http_res *out, void *value);
void *http_kept(const struct http_res *out);

#endif
