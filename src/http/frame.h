/* frame.h - strict framing of requests, over bytes alone: heads and chunks.
 *
 * Inside http/, and for fuzzing. Whatever two readers could understand
 * differently is bad here, although the parser behind would take it: bare CR
 * or LF, obs-fold, a space before the colon, an empty name, control
 * characters, no or two Hosts, repeated or signed Content-Length,
 * Transfer-Encoding beside it or other than exactly "chunked" (RFC 9112
 * sections 2.2, 3.2, 5, 6, 7.1).
 */
#ifndef MAYFLY_HTTP_FRAME_H
#define MAYFLY_HTTP_FRAME_H

#include "base/base.h"

enum http_frame { FRAME_MORE, FRAME_DATA, FRAME_DONE, FRAME_BAD };

/* --- heads. A zeroed struct is ready. --- */
struct http_head_scan {
	size_t start, at;     /* of the request line; of the first line not yet seen whole */
	int fields;           /* header lines seen */
	bool begun;           /* the request line was seen */
	bool blank;           /* an empty line stood before it */
	bool http11;
	bool has_length, chunked;
	int hosts;
	uint64_t length;      /* of the body */
	const char *why;      /* for FRAME_BAD */
};
/* `in` is everything since the head began, a little more each time.
 * FRAME_DONE: the head is in[start, at). */
enum http_frame http_head_scan(struct http_head_scan *h, struct str in);

/* --- chunked bodies. A zeroed struct is ready. --- */
struct http_chunks {
	int state;
	int digits;           /* of the size being read */
	uint64_t left;        /* bytes of the chunk not yet seen */
	size_t extra;         /* bytes of extensions and trailers so far */
};
/* Moves *in forward. FRAME_DATA: a piece of the body is in *ret; call again. */
enum http_frame http_chunks_next(struct http_chunks *c, struct str *in, struct str *ret);

bool http_is_token(struct str s); /* RFC 9110 5.6.2, not empty */

#endif
