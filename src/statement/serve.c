/* serve.c - a stored partition in the shape that a request wants.
 *
 * Plain bytes for embedding, one gzip member for sending as it is. What is
 * stored that way already is not touched.
 */
#include "statement/convert.h"
#include "statement/statement_int.h"

#include <libdeflate.h>

static void unref_bytes(void *arg)
{
	engine_bytes_unref(arg);
}

static void drop_buf(void *arg)
{
	buf_drop(arg);
}

bool statement_part_plain(struct call *c, struct stmt *st, int i, enum engine_form form, struct str *ret)
{
	struct buf *b = ARENA_NEW(c->arena, struct buf);
	struct engine_bytes *bytes;
	bool gzip;

	arena_defer(c->arena, drop_buf, b);
	if (form != st->form) {
		if (!stmt_part_as(c, st, i, form, b))
			return false;
		*ret = buf_str(b);
		return true;
	}
	if (!stmt_stored_part(c, st, i, &bytes, &gzip))
		return false;
	arena_defer(c->arena, unref_bytes, bytes);
	*ret = engine_bytes_str(bytes);
	if (!gzip)
		return true;
	if (!convert_gunzip(*ret, b))
		return fail(c, ERR_INTERNAL, "a stored partition is damaged");
	*ret = buf_str(b);
	return true;
}

bool statement_part_gzipped(struct call *c, struct stmt *st, int i, enum engine_form form, struct engine_bytes **ret)
{
	struct libdeflate_compressor *z;
	OWNS(buf) packed = {0};
	struct str plain;
	bool gzip;

	if (form == st->form) {
		if (!stmt_stored_part(c, st, i, ret, &gzip))
			return false;
		if (gzip)
			return true;
		engine_bytes_unref(*ret);
	}
	if (!statement_part_plain(c, st, i, form, &plain))
		return false;
	z = libdeflate_alloc_compressor(1);
	INVARIANT(z && buf_room(&packed, libdeflate_gzip_compress_bound(z, plain.n)));
	packed.n = libdeflate_gzip_compress(z, plain.p, plain.n, packed.p, packed.cap);
	libdeflate_free_compressor(z);
	*ret = engine_bytes_copy(buf_str(&packed));
	return true;
}
