/* http_int.h - inside http/.
 *
 *   loop --- conns, one clock list each --- conn --- req (only while a request
 *   is in progress) --- res, park
 *
 * Everything of a connection and its request happens on its loop's thread; a
 * request that is REQ_POOL belongs to a pool thread until it comes back
 * through the loop's queue of items.
 */
#ifndef MAYFLY_HTTP_INT_H
#define MAYFLY_HTTP_INT_H

#include "exec/exec_uv.h"
#include "http/frame.h"
#include "http/http.h"
#include "obs/obs.h"

#include <openssl/ssl.h>
#include <stdlib.h>

enum {
	HTTP_READ_SIZE = 64 * 1024,    /* one read of a loop */
	HTTP_PARAMS = 8,               /* {…} of a route */
	HTTP_FIELDS = 128,             /* header lines of a request */
	HTTP_SPARE_REQS = 64,          /* kept a loop, each with one arena block and small buffers */
	HTTP_KEEP_BYTES = 16 * 1024,   /* a buffer larger than this is not kept */
	HTTP_ONE_WRITE = 4096,         /* smaller bodies are copied behind the head: one buffer is cheaper to send */
	HTTP_GZIP_LEAST = 1024,        /* smaller bodies are sent as they are */
	HTTP_GZIP_ON_LOOP = 64 * 1024, /* larger ones are compressed on the pool */
	HTTP_DISCARD = 64 * 1024,      /* body of a failed request that is read to keep the connection */
	HTTP_LINGER_MS = 1000,         /* after an early answer: reading on, so that it is not lost to a reset */
	HTTP_SSE_BEAT_MS = 15000,
	HTTP_PULLS = 16,               /* of one stream before others get their turn */
};

/* What a connection waits for; each kind has one length, so its list is in order. */
enum http_clock { CLOCK_IDLE, CLOCK_HEAD, CLOCK_BODY, CLOCK_WRITE, CLOCK_LINGER, CLOCK_NONE, CLOCK_KINDS };

/* Work for a loop from any thread. */
struct http_item {
	struct http_item *next;
	void (*fn)(struct http_item *it);
};

struct http_loop {
	struct http_server *server;
	struct exec_loop *exec;
	uv_loop_t *uv;
	uv_timer_t sweep;
	struct list clocks[CLOCK_KINDS];
	struct list spare;                  /* of http_req */
	struct list listeners;
	int nspare;
	int handles;                        /* ours, not yet closed */
	_Atomic(struct http_item *) items;  /* newest first */
	int64_t date_s;
	char date[40];                      /* "Date: …\r\n" of that second */
	char *read;                         /* HTTP_READ_SIZE, shared by all its connections */
	char *unzip;                        /* a piece of a body, shared as well; NULL before the first */
	struct libdeflate_compressor *gzip;
	atomic_uint_least64_t connections, accepted, requests, refused, parked, in, out;
};

struct http_listener {
	struct list link;
	struct http_loop *loop;
	bool local;                         /* a unix socket */
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
};

struct http_node; /* of the tree of routes */

struct http_server {
	struct http_limits limits;
	struct http_surface surface;
	struct exec_pool *pool;
	struct http_loop *loops;
	int nloops;
	struct http_node *routes;
	SSL_CTX *tls;
	struct list paths;                  /* of unix sockets to unlink */
	atomic_int open;                    /* connections */
	atomic_bool draining;
	atomic_bool told;
	exec_fn *on_drained;
	void *on_drained_arg;
	struct exec_timer *grace;
	int64_t grace_ms;
};

struct http_tls_state; /* of a connection */

struct http_conn {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	struct http_loop *loop;
	struct list link;                   /* in the list of its clock */
	int64_t due_ms;
	size_t queued;                      /* bytes not yet written when the write clock was set */
	struct http_req *req;               /* NULL while idle */
	struct http_tls_state *tls;         /* NULL without TLS */
	struct buf ahead;                   /* read, not yet understood */
	int nahead;                         /* requests in there, roughly */
	enum http_clock clock;
	bool local, reading, feeding, closing, lingering;
};

enum http_req_state {
	REQ_HEAD,    /* being read */
	REQ_BODY,
	REQ_RUN,     /* a handler is on the stack */
	REQ_POOL,    /* on a pool thread */
	REQ_PARKED,
	REQ_UPLOAD,  /* parked, and the body goes to its sink */
	REQ_WRITE,   /* an answer, or a piece of a stream, is being written */
	REQ_WAIT,    /* the stream has nothing now */
	REQ_OVER,    /* the client left */
};

struct http_res {
	int status;
	struct buf fields;                  /* header lines as sent */
	struct buf body;
	struct buf packed;                  /* the body compressed */
	struct z_stream_s *zip;             /* of a compressed stream */
	struct str ref;
	void (*release)(void *);
	void *owner;
	const struct http_source *source;
	void *self;
	void *kept;
	int64_t wait_ms;
	bool want_pool, on_pool, want_park;
	bool has_encoding, no_compress, compress_small, vary, close, sse;
	bool framed;                        /* a stream in chunks */
};

struct http_unzip { /* zeroed is ready */
	struct z_stream_s *z;
	bool between;                       /* at the end of a member */
	bool more;                          /* comes out without more going in */
};

struct http_upload { /* a body that streams */
	const struct http_sink *sink;       /* NULL: none, or closed */
	void *self;
	size_t max, seen;                   /* decoded */
	struct http_unzip unzip;
	struct buf held;                    /* read, and not yet handed over: the sink is full */
	bool paused;
	bool ended;                         /* the framing says so */
};

struct http_req {
	struct http_item item;              /* the way back from the pool */
	struct list link;                   /* spare */
	struct http_loop *loop;
	struct http_conn *conn;             /* NULL when it closed while this was on the pool */
	enum http_req_state state;
	struct call call;
	struct arena arena;
	/* the head */
	struct http_head_scan scan;
	struct str head, method, target, path, query;
	struct http_header *fields;
	int nfields;
	struct str params[HTTP_PARAMS];
	int nparams;
	const struct http_route *route;
	const struct http_node *node;       /* of the path, for Allow */
	bool is_head, keep_alive, gzipped, discard, expects, local;
	bool linger;                        /* bytes of the client are left unread */
	bool unread;                        /* its body is left to the handler, which has not asked for it */
	bool some_is_here;                  /* bytes of the body came with the head */
	bool answered;                      /* the handler ran before the body, which is only read past */
	/* the body */
	struct http_chunks chunks;
	uint64_t left;                      /* of a body with a length */
	struct buf body;
	struct http_upload up;
	/* running */
	int status;                         /* that a kind of error does not tell: 417; else 0 */
	http_handler *running;
	bool ok;
	int64_t began_ns;                   /* when its head was complete */
	void (*work)(struct http_req *r);   /* on the pool */
	void (*back)(struct http_req *r);   /* then on the loop */
	struct http_park *park;
	bool woken;
	uv_timer_t timer;
	/* the answer */
	struct http_res res;
	struct buf line;                    /* status line and headers, or a chunk's size */
	struct buf piece;                   /* of a stream */
	enum http_more more;                /* what the last pull said */
	uv_buf_t bufs[3];                   /* being written */
	int nbufs;
	void (*sent)(struct http_req *r);
	uv_write_t write;
	char id[ID_LEN];
	struct obs_span span;               /* from its head to the end of its answer */
	char trace[OBS_TRACEPARENT_LEN + 1]; /* for what is below the span */
};

/* loop.c: clocks, items from other threads, spare requests */
void http_loop_open(struct http_loop *l, struct http_server *s, struct exec_loop *exec);
void http_loop_close(struct http_loop *l);
void http_loop_push(struct http_loop *l, struct http_item *it); /* any thread */
void http_loop_cut(struct http_loop *l);        /* closes all its connections */
void http_listeners_close(struct http_loop *l);
void http_clock_set(struct http_conn *c, enum http_clock kind);
struct http_req *http_req_get(struct http_loop *l);
void http_req_put(struct http_req *r);
struct str http_date(struct http_loop *l);

/* conn.c */
void http_conn_accept(struct http_listener *li);
void http_conn_bytes(struct http_conn *c, struct str bytes); /* plain ones */
void http_conn_close(struct http_conn *c);                   /* at once */
void http_conn_finish(struct http_conn *c, bool linger);     /* after an answer */
void http_conn_next(struct http_conn *c);                    /* bytes can be taken again: of a body, or the next request */
void http_conn_due(struct http_conn *c);                     /* its clock ran out */

/* request.c */
size_t http_req_feed(struct http_req *r, struct str bytes); /* returns the bytes taken */
void http_req_refuse(struct http_req *r); /* answers the error just left; then the connection closes */
void http_req_left(struct http_req *r); /* the connection closes */
void http_req_over(struct http_req *r); /* the answer was sent */
void http_req_woken(struct http_req *r);
/* Runs work on a pool thread, then back on the loop; false: the pool is full. */
bool http_req_on_pool(struct http_req *r, void (*work)(struct http_req *), void (*back)(struct http_req *)) NODISCARD;
/* Runs back on the loop after others had their turn. */
void http_req_later(struct http_req *r, void (*back)(struct http_req *));

/* upload.c */
void http_upload_begin(struct http_req *r, bool some_is_here); /* the handler has asked for the body and parked */
bool http_upload_take(struct http_req *r, struct str piece);   /* of the body, without its chunks; false: OVER */
void http_upload_ended(struct http_req *r);                    /* that was the last piece */
void http_upload_enough(struct http_req *r);                   /* the rest is not read; still parked */
void http_upload_resume(struct http_req *r);
void http_upload_end(struct http_req *r, bool complete);       /* closes the sink, if there is one */

/* parse.c: the head into fields, path and query */
bool http_parse(struct http_req *r);
bool http_unescape(struct arena *a, struct str in, bool plus, struct str *ret);

/* route.c */
struct http_node *http_routes_open(const struct http_route *routes);
void http_routes_close(struct http_node *n);
/* Sets node, route and params of the request; route stays NULL when no node takes the method. */
void http_routes_find(const struct http_node *root, struct http_req *r, struct str raw_path);
void http_routes_allow(const struct http_node *n, struct buf *out);

/* answer.c */
void http_answer(struct http_req *r);         /* of a handler that ended with r->ok */
void http_res_reset(struct http_res *res);

/* gzip.c */
void http_inflate(struct http_req *r);        /* r->body, on the pool; an error is left in the call */
/* r->res.body into r->res.packed; false: it did not get smaller. */
bool http_deflate(struct libdeflate_compressor *z, struct http_res *res);
void http_zip_begin(struct http_res *res);
void http_zip(struct http_res *res, struct buf *piece, enum http_more more); /* the piece becomes its compressed form */
void http_zip_end(struct http_res *res);
/* The next piece of a body: moves *in forward; *ret is the loop's until the next call. False: it is not gzip. */
bool http_unzip(struct http_unzip *u, struct http_loop *l, struct str *in, struct str *ret);
bool http_unzip_is_whole(const struct http_unzip *u);
void http_unzip_end(struct http_unzip *u);
#define HTTP_NOT_GZIP "The body is not whole gzip."

/* stream.c */
void http_stream_begin(struct http_req *r);   /* the head was sent */
void http_stream_pull(struct http_req *r);
void http_stream_end(struct http_req *r);     /* closes the source, if there is one */

/* wire.c: bytes out, with or without TLS. r->bufs hold what is to be written;
 * true: all is written; false: r->sent will be called, or the connection was closed. */
bool http_wire_send(struct http_req *r);
void http_wire_interim(struct http_conn *c, struct str lasting);
size_t http_wire_queued(const struct http_conn *c);

/* server.c */
void http_server_left(struct http_server *s); /* one connection less */

/* park.c */
void http_park_over(struct http_req *r);      /* forgets the request */
void http_park_leave(struct http_req *r);     /* tells on_leave */

/* tls.c */
bool http_tls_open(struct call *c, const struct http_tls *o, SSL_CTX **ret) NODISCARD;
struct http_tls_state *http_tls_start(SSL_CTX *ctx);
void http_tls_close(struct http_tls_state *t);
/* Takes bytes from the socket, gives plain ones to http_conn_bytes. */
void http_tls_bytes(struct http_conn *c, struct str bytes);
/* Encrypts a slice of r->bufs and writes it, until all is written or the socket is full. */
bool http_tls_pump(struct http_conn *c);
void http_tls_say(struct http_conn *c, struct str plain);
void http_tls_goodbye(struct http_conn *c);

#define STAT_ADD(field, n) atomic_fetch_add_explicit(&(field), (uint64_t)(n), memory_order_relaxed)
#define STAT_SUB(field, n) atomic_fetch_sub_explicit(&(field), (uint64_t)(n), memory_order_relaxed)

#endif
