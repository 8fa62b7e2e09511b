/* server.h - part of the door of http/: routes, what the server asks of the rooms above, and the server.
 *
 * Include http/http.h.
 */
#ifndef MAYFLY_HTTP_SERVER_H
#define MAYFLY_HTTP_SERVER_H

#include "base/base.h"
#include "exec/exec.h"

struct http_server;
struct http_req;
struct http_res;

/* --- routes --- */
enum {
	HTTP_UPLOAD = 1 << 30,  /* the body streams */
	HTTP_ON_POOL = 1 << 29, /* its handler always blocks: it runs on a pool thread from the first, `done` does not */
};
typedef bool http_handler(struct call *c, void *rooms, const struct http_req *in, struct http_res *out);
struct http_route {
	const char *method;      /* "GET", …; a GET row also answers HEAD */
	const char *path;        /* "/v1/things/{id}"; a {…} matches one non-empty segment */
	http_handler *handler;
	http_handler *done;      /* for parked requests; NULL when the route never parks */
	unsigned flags;          /* the surface's own, and HTTP_… */
	const char *summary;     /* for OpenAPI and the index page */
};

/* What the server asks the rooms above. */
struct http_surface {
	const struct http_route *routes; /* ends with a zero row */
	void *rooms;                     /* given to handlers */
	/* Before every handler; sets tenant and principal of the call or fails it. */
	bool (*guard)(struct call *c, void *rooms, const struct http_req *in, const struct http_route *route);
	/* Writes the answer for a failed call (also 404, 405, 413 …, where `in` may have
	 * nothing but what was read so far and route may be NULL). */
	void (*failed)(struct call *c, void *rooms, const struct http_req *in, struct http_res *out, const struct http_route *route);
};

struct http_limits {
	int64_t head_ms, body_ms;    /* absolute: from the first byte of a request to the end of its head, of its body;
				      * for a body that streams, body_ms is between two arrivals, and not while it is FULL */
	int64_t idle_ms;             /* keep-alive between requests, and before the first byte */
	int64_t write_stall_ms;      /* no progress of a write */
	size_t max_head_bytes;       /* request line and headers */
	size_t max_body_bytes;       /* decoded */
	int max_connections;         /* beyond: 503 and closed */
	int max_pipelined;           /* requests read ahead on a connection, and at most max_head_bytes of them */
};
struct http_tls {
	const char *cert_file, *key_file; /* PEM; both or none */
};
struct http_stats {
	uint64_t connections_open, connections_total, requests_total, refused_total, parked;
	uint64_t bytes_in, bytes_out;
};

/* --- the server. The process ignores SIGPIPE. --- */
struct http_options {
	struct exec_loop *const *loops; /* each accepts and serves */
	int nloops;
	struct exec_pool *pool;
	struct http_limits limits;
	struct http_tls tls;
	struct http_surface surface;
};
struct http_server *http_open(struct call *c, const struct http_options *o) NODISCARD;
/* "127.0.0.1:8484", "[::1]:8484", "unix:/path", or "fd:3" (systemd); port 0 takes a free one.
 * Before the loops run. ret_address has the real port. */
bool http_listen(struct call *c, struct http_server *s, const char *address, struct buf *ret_address) NODISCARD;
struct http_stats http_server_stats(struct http_server *s);
/* Drain, any thread: stops accepting, closes idle connections, answers what is running with `Connection: close`;
 * told(arg) on loop 0 when no connection is left or after grace_ms, when the rest is cut. */
void http_drain(struct http_server *s, int64_t grace_ms, exec_fn *told, void *arg);
bool http_draining(const struct http_server *s);
void http_close(struct http_server *s); /* loops stopped; waits for requests that are on the pool, which still runs or is done */

#endif
