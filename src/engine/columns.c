/* columns.c - values that outlive the wire: packed columns and counted bytes.
 *
 * Shared by both sides. Packed: u32 n, then for each column text name, text
 * type, one byte each of kind, precision, scale and flags, and what the flags
 * say that follows: i64 length, texts database, schema, table.
 */
#include "engine/engine.h"
#include "engine/wire.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { COLUMN_LEAST = 4 + 4 + 4, PRECISION_MAX = 38 };

enum column_flag { COLUMN_NULLABLE = 1, COLUMN_EXACT = 2, COLUMN_LENGTH = 4, COLUMN_ORIGIN = 8, COLUMN_FORMATTED = 16,
		   COLUMN_FLAGS = 31 };

static uint8_t column_flags(const struct engine_column *k)
{
	unsigned flags = 0;

	flags |= k->nullable ? COLUMN_NULLABLE : 0U;
	flags |= k->exact ? COLUMN_EXACT : 0U;
	flags |= k->length ? COLUMN_LENGTH : 0U;
	flags |= k->table.n ? COLUMN_ORIGIN : 0U;
	flags |= k->formatted ? COLUMN_FORMATTED : 0U;
	return (uint8_t)flags;
}

void engine_pack_columns(const struct engine_column *v, int n, struct buf *out)
{
	wire_u32(out, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		wire_text(out, v[i].name);
		wire_text(out, v[i].type);
		wire_u8(out, (uint8_t)v[i].kind);
		wire_u8(out, (uint8_t)v[i].precision);
		wire_u8(out, (uint8_t)v[i].scale);
		wire_u8(out, column_flags(&v[i]));
		if (v[i].length)
			wire_i64(out, v[i].length);
		if (!v[i].table.n)
			continue;
		wire_text(out, v[i].database);
		wire_text(out, v[i].schema);
		wire_text(out, v[i].table);
	}
}

static bool column_get(struct wire_in *in, struct engine_column *ret)
{
	struct str name = wire_get_text(in), type = wire_get_text(in);
	uint8_t kind = wire_get_u8(in), precision = wire_get_u8(in), scale = wire_get_u8(in), flags = wire_get_u8(in);
	bool exact = flags & COLUMN_EXACT;

	if (in->bad || kind >= ENGINE_T_COUNT || precision > PRECISION_MAX || scale > (exact ? PRECISION_MAX : precision) ||
	    flags > COLUMN_FLAGS)
		return false;
	*ret = (struct engine_column){.name = name, .type = type, .kind = (enum engine_type)kind, .precision = precision,
				      .scale = scale, .exact = exact, .nullable = flags & COLUMN_NULLABLE,
				      .formatted = flags & COLUMN_FORMATTED};
	if (flags & COLUMN_LENGTH)
		ret->length = wire_get_i64(in);
	if (flags & COLUMN_ORIGIN) {
		ret->database = wire_get_text(in);
		ret->schema = wire_get_text(in);
		ret->table = wire_get_text(in);
	}
	return !in->bad && ret->length >= 0 && str_is_utf8(name) && str_is_utf8(type) && str_is_utf8(ret->database) &&
	       str_is_utf8(ret->schema) && str_is_utf8(ret->table);
}

static bool columns_get(struct call *c, struct wire_in *in, struct engine_column **ret, int *ret_n)
{
	uint32_t n = wire_get_u32(in);
	struct engine_column *v;

	if (in->bad || n > (size_t)(in->end - in->p) / COLUMN_LEAST)
		return false;
	v = ARENA_ARRAY(c->arena, struct engine_column, n);
	for (uint32_t i = 0; i < n; i++)
		if (!column_get(in, &v[i]))
			return false;
	*ret = v;
	*ret_n = (int)n;
	return in->p == in->end;
}

bool engine_columns(struct call *c, struct str packed, struct engine_column **ret, int *ret_n)
{
	struct wire_in in = wire_in(packed);
	struct engine_column *v;
	int n;

	if (!columns_get(c, &in, &v, &n))
		return fail(c, ERR_INTERNAL, "the columns of the result are not well-formed");
	*ret = v;
	*ret_n = n;
	return true;
}

bool engine_columns_formatted(struct str packed)
{
	struct wire_in in = wire_in(packed);
	uint32_t n = wire_get_u32(&in);
	struct engine_column k;
	bool formatted = false;

	for (uint32_t i = 0; i < n && !formatted && column_get(&in, &k); i++)
		formatted = k.formatted;
	return formatted;
}

struct engine_bytes {
	atomic_int refs;
	bool mapped;
	void *p; /* NULL: the bytes follow */
	size_t n;
	char here[];
};

struct engine_bytes *engine_bytes_copy(struct str s)
{
	struct engine_bytes *b = base_alloc(sizeof(*b) + s.n);

	b->mapped = false;
	b->p = NULL;
	b->n = s.n;
	atomic_init(&b->refs, 1);
	if (s.n)
		memcpy(b->here, s.p, s.n);
	return b;
}

struct engine_bytes *engine_bytes_adopt(void *p, size_t n, bool mapped)
{
	struct engine_bytes *b = base_alloc(sizeof(*b));

	b->mapped = mapped;
	b->p = p;
	b->n = n;
	atomic_init(&b->refs, 1);
	return b;
}

struct engine_bytes *engine_bytes_ref(struct engine_bytes *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void engine_bytes_unref(struct engine_bytes *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (b->mapped)
		munmap(b->p, b->n);
	else
		free(b->p);
	free(b);
}

struct str engine_bytes_str(const struct engine_bytes *b)
{
	return str_from(b->p ? b->p : b->here, b->n);
}
