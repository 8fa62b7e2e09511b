/* out.h - the door of out/: HTTP requests to others, by libcurl.
 *
 * Synchronous, one at a time a client; a client keeps its connections. Only
 * http and https, no redirects, no proxies from the environment, no cookies.
 * An answer with any status is a success: what it means is the caller's.
 *
 * Threads: any, one at a time a client. The call's cancel flag and deadline
 * end a request within a second.
 */
#ifndef MAYFLY_OUT_H
#define MAYFLY_OUT_H

#include "base/base.h"
#include "out/traces.h"

struct out_client;

struct out_header {
	struct str name, value;
};

struct out_request {
	struct str method;                /* empty = GET */
	struct str url;
	const struct out_header *headers;
	int nheaders;
	struct str body;                  /* p = NULL: none */
	/* Instead of `body`, one that streams: at most n bytes each time, 0 at its end, less than 0 ends the
	 * request with ERR_CANCELED. It waits for the server's 100 before a large body. */
	int64_t (*source)(void *arg, char *to, size_t n);
	int64_t source_bytes;             /* all that will come; -1 = not known, then in chunks */
	bool public_only;                 /* ERR_FORBIDDEN where every address of the host is out_public()'s no */
	struct str unix_socket;           /* connect there instead; empty = by the URL's host */
	int64_t timeout_ms;               /* of the whole; 0 = as long as the call has */
	int64_t connect_ms;               /* of connecting; 0 = 10 s */
	int64_t stall_ms;                 /* no byte in either direction, in whole seconds; 0 = for ever */
	size_t max_body_bytes;            /* of the answer, decoded; 0 = 64 MiB */
	/* Takes the body of a 2xx answer piece by piece instead of out_answer.body (without limit
	 * unless max_body_bytes says one); false ends the request with ERR_CANCELED. */
	bool (*sink)(void *arg, struct str piece);
	void *arg;                        /* of source and sink */
};

/* Lives in the call's arena. */
struct out_answer {
	int status;
	const struct out_header *headers; /* in their order, values trimmed */
	int nheaders;
	struct str body;                  /* decoded */
};

struct out_client *out_open(void);
void out_close(struct out_client *o);

/* ERR_INVALID_FIELD: the request cannot be sent as it is. ERR_UNAVAILABLE: no connection, or it broke.
 * ERR_REQUEST_TIMEOUT, ERR_CANCELED, ERR_BODY_TOO_LARGE. */
bool out_fetch(struct call *c, struct out_client *o, const struct out_request *q, struct out_answer *ret) NODISCARD;

/* Is this an address of the public internet? Not loopback, private, link-local, unspecified, multicast, reserved, nor an IPv6
 * address that stands for an IPv4 one which is none. */
struct sockaddr;
bool out_public(const struct sockaddr *a);

/* The first header of that name, p = NULL when absent. */
struct str out_header(const struct out_answer *a, const char *name);

#endif
