/* gzip.c - bodies in and out of gzip. */
#include "http/http_int.h"

#include <libdeflate.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, PIECE = 64 * 1024 };

bool http_deflate(struct libdeflate_compressor *z, struct http_res *res)
{
	char *to = buf_room(&res->packed, libdeflate_gzip_compress_bound(z, res->body.n));

	if (!to)
		return false;
	res->packed.n = libdeflate_gzip_compress(z, res->body.p, res->body.n, to, res->packed.cap);
	if (res->packed.n >= res->body.n)
		res->packed.n = 0;
	return res->packed.n > 0;
}

/* --- streams: piece by piece, flushed only where the stream waits or ends --- */

void http_zip_begin(struct http_res *res)
{
	res->zip = base_zalloc(sizeof(*res->zip));
	INVARIANT(deflateInit2(res->zip, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK);
}

void http_zip(struct http_res *res, struct buf *piece, enum http_more more)
{
	int flush = more == HTTP_END ? Z_FINISH : more == HTTP_WAIT ? Z_SYNC_FLUSH : Z_NO_FLUSH;
	struct buf plain = *piece;
	z_stream *z = res->zip;

	buf_clear(&res->packed);
	z->next_in = (Bytef *)plain.p;
	z->avail_in = (uInt)plain.n;
	do {
		char *to = buf_room(&res->packed, PIECE);

		z->next_out = (Bytef *)to;
		z->avail_out = PIECE;
		INVARIANT(deflate(z, flush) != Z_STREAM_ERROR);
		res->packed.n += PIECE - z->avail_out;
	} while (z->avail_out == 0);
	*piece = res->packed;
	res->packed = plain;
}

void http_zip_end(struct http_res *res)
{
	if (res->zip)
		deflateEnd(res->zip);
	free(res->zip);
	res->zip = NULL;
}

/* --- request bodies that are read whole --- */

/* One step into `out`; Z_BUF_ERROR when its limit is reached. */
static int inflate_step(z_stream *z, struct buf *out)
{
	size_t most = out->limit - out->n < PIECE ? out->limit - out->n : PIECE;
	char *to = most ? buf_room(out, most) : NULL;
	int rc;

	if (!to)
		return Z_BUF_ERROR;
	z->next_out = (Bytef *)to;
	z->avail_out = (uInt)most;
	rc = inflate(z, Z_NO_FLUSH);
	out->n += most - z->avail_out;
	if (rc == Z_STREAM_END && z->avail_in > 0) /* another member follows */
		return inflateReset(z);
	return rc;
}

static bool inflate_all(struct call *c, z_stream *z, struct buf *out)
{
	for (;;) {
		int rc = inflate_step(z, out);

		if (rc == Z_STREAM_END)
			return true;
		if (out->n == out->limit)
			return fail(c, ERR_BODY_TOO_LARGE, "The decoded body is larger than this server takes.");
		if (rc != Z_OK || (z->avail_in == 0 && z->avail_out > 0))
			return fail(c, ERR_BAD_REQUEST, HTTP_NOT_GZIP);
	}
}

void http_inflate(struct http_req *r)
{
	struct buf out = {.limit = r->loop->server->limits.max_body_bytes + 1};
	z_stream z = {0};

	INVARIANT(inflateInit2(&z, GZIP_WINDOW) == Z_OK);
	z.next_in = (Bytef *)r->body.p;
	z.avail_in = (uInt)r->body.n;
	inflate_all(&r->call, &z, &out);
	inflateEnd(&z);
	buf_drop(&r->body);
	r->body = buf_take(&out);
}

/* --- request bodies that stream --- */

static void unzip_begin(struct http_unzip *u, struct http_loop *l)
{
	u->z = base_zalloc(sizeof(*u->z));
	INVARIANT(inflateInit2(u->z, GZIP_WINDOW) == Z_OK);
	if (!l->unzip)
		l->unzip = base_alloc(PIECE);
}

bool http_unzip(struct http_unzip *u, struct http_loop *l, struct str *in, struct str *ret)
{
	int rc;

	if (!u->z)
		unzip_begin(u, l);
	if (u->between)
		inflateReset(u->z);
	u->z->next_in = (Bytef *)(uintptr_t)in->p;
	u->z->avail_in = (uInt)in->n;
	u->z->next_out = (Bytef *)l->unzip;
	u->z->avail_out = PIECE;
	rc = inflate(u->z, Z_NO_FLUSH);
	*in = str_tail(*in, in->n - u->z->avail_in);
	*ret = str_from(l->unzip, PIECE - u->z->avail_out);
	u->between = rc == Z_STREAM_END;
	u->more = rc == Z_OK && u->z->avail_out == 0;
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR; /* the last: it wants more bytes */
}

bool http_unzip_is_whole(const struct http_unzip *u)
{
	return !u->z || u->between;
}

void http_unzip_end(struct http_unzip *u)
{
	if (u->z)
		inflateEnd(u->z);
	free(u->z);
	*u = (struct http_unzip){0};
}
