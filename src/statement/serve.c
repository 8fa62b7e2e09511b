/* serve.c - a stored partition in the shape that a request wants.
 *
 * Plain bytes for embedding, one gzip member for sending as it is. What is
 * stored that way already is not touched.
 */
#include "statement/statement_int.h"

#include <libdeflate.h>

bool plain_part_open(struct call *c, struct stmt *st, int i, struct plain_part *ret)
{
	bool gzip;

	if (!stmt_stored_part(c, st, i, &ret->stored, &gzip))
		return false;
	ret->text = engine_bytes_str(ret->stored);
	if (!gzip)
		return true;
	buf_clear(&ret->plain);
	if (!convert_gunzip(ret->text, &ret->plain))
		return fail(c, ERR_INTERNAL, "partition %d of the result is not well-formed gzip", i);
	ret->text = buf_str(&ret->plain);
	engine_bytes_unref(ret->stored);
	ret->stored = NULL;
	return true;
}

void plain_part_close(struct plain_part *p)
{
	engine_bytes_unref(p->stored);
	p->stored = NULL;
	p->text = (struct str){0};
}

void plain_part_drop(struct plain_part *p)
{
	plain_part_close(p);
	buf_drop(&p->plain);
}

static void drop_part(void *arg)
{
	plain_part_drop(arg);
}

/* {"data":[…]}, as long as the call lives. */
static bool part_text(struct call *c, struct stmt *st, int i, enum engine_form form, struct str *ret)
{
	struct plain_part *p = ARENA_NEW(c->arena, struct plain_part);

	arena_defer(c->arena, drop_part, p);
	if (form == stmt_form(st) && !stmt_formatted(st)) {
		if (!plain_part_open(c, st, i, p))
			return false;
	} else {
		if (!stmt_part_as(c, st, i, form, &p->plain))
			return false;
		p->text = buf_str(&p->plain);
	}
	*ret = p->text;
	return true;
}

bool statement_part_rows(struct call *c, struct stmt *st, int i, enum engine_form form, struct str *ret)
{
	struct str text;

	if (!part_text(c, st, i, form, &text))
		return false;
	return convert_envelope(text, ret) || fail(c, ERR_INTERNAL, "a stored partition is damaged");
}

bool statement_part_gzipped(struct call *c, struct stmt *st, int i, enum engine_form form, struct engine_bytes **ret)
{
	struct libdeflate_compressor *z;
	OWNS(buf) packed = {0};
	struct str plain;
	bool gzip;

	if (form == stmt_form(st) && !stmt_formatted(st)) {
		if (!stmt_stored_part(c, st, i, ret, &gzip))
			return false;
		if (gzip)
			return true;
		engine_bytes_unref(*ret);
	}
	if (!part_text(c, st, i, form, &plain))
		return false;
	z = libdeflate_alloc_compressor(1);
	INVARIANT(z && buf_room(&packed, libdeflate_gzip_compress_bound(z, plain.n)));
	packed.n = libdeflate_gzip_compress(z, plain.p, plain.n, packed.p, packed.cap);
	libdeflate_free_compressor(z);
	*ret = engine_bytes_copy(buf_str(&packed));
	return true;
}
