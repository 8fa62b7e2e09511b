/* files.c - the description of exported files, packed. Shared by both sides.
 *
 * u32 n, then for each file: text name, i64 rows, i64 bytes, u32 splits and as
 * many i64, u32 columns and for each: text path, i64 bytes, i64 values,
 * i64 nulls, u8 flags, text min, text max.
 */
#include "engine/engine.h"
#include "engine/wire.h"

enum { HAS_NAN = 1, HAS_BOUNDS = 2, NAME_MAX_BYTES = 64 };
/* The least that one takes. */
enum { COLUMN_LEAST = 4 + 3 * 8 + 1 + 2 * 4, FILE_LEAST = 4 + 2 * 8 + 2 * 4 };
#define SIZE_MOST (1LL << 60)

void engine_pack_files(const struct engine_file *v, int n, struct buf *out)
{
	wire_u32(out, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		const struct engine_file *f = &v[i];

		wire_text(out, f->name);
		wire_i64(out, f->rows);
		wire_i64(out, f->bytes);
		wire_u32(out, (uint32_t)f->nsplits);
		for (int k = 0; k < f->nsplits; k++)
			wire_i64(out, f->splits[k]);
		wire_u32(out, (uint32_t)f->ncolumns);
		for (int k = 0; k < f->ncolumns; k++) {
			const struct engine_file_column *col = &f->columns[k];

			wire_text(out, col->path);
			wire_i64(out, col->bytes);
			wire_i64(out, col->values);
			wire_i64(out, col->nulls);
			wire_u8(out, (uint8_t)((col->has_nan ? HAS_NAN : 0) | (col->has_bounds ? HAS_BOUNDS : 0)));
			wire_text(out, col->min);
			wire_text(out, col->max);
		}
	}
}

static bool size_ok(int64_t v)
{
	return v >= 0 && v <= SIZE_MOST;
}

/* The name of a file, and nothing that leads elsewhere. */
bool engine_file_name_ok(struct str name)
{
	if (name.n == 0 || name.n > NAME_MAX_BYTES || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_digit(name.p[i]) && !ascii_alpha(name.p[i]) && name.p[i] != '-' && name.p[i] != '.')
			return false;
	return true;
}

static bool get_splits(struct call *c, struct wire_in *in, struct engine_file *f)
{
	uint32_t n = wire_get_u32(in);
	int64_t *v, last = 0;

	if (in->bad || n > (size_t)(in->end - in->p) / sizeof(int64_t))
		return false;
	v = ARENA_ARRAY(c->arena, int64_t, n);
	for (uint32_t i = 0; i < n; i++) {
		v[i] = wire_get_i64(in);
		if (v[i] <= last || v[i] >= f->bytes)
			return false;
		last = v[i];
	}
	f->splits = v;
	f->nsplits = (int)n;
	return true;
}

static bool get_column(struct wire_in *in, struct engine_file_column *col)
{
	uint8_t flags;

	col->path = wire_get_text(in);
	col->bytes = wire_get_i64(in);
	col->values = wire_get_i64(in);
	col->nulls = wire_get_i64(in);
	flags = wire_get_u8(in);
	col->min = wire_get_text(in);
	col->max = wire_get_text(in);
	col->has_nan = flags & HAS_NAN;
	col->has_bounds = flags & HAS_BOUNDS;
	return !in->bad && flags <= (HAS_NAN | HAS_BOUNDS) && flags != (HAS_NAN | HAS_BOUNDS) && col->path.n && size_ok(col->bytes) &&
	       size_ok(col->values) && col->nulls >= 0 && col->nulls <= col->values &&
	       (col->has_bounds || (col->min.n == 0 && col->max.n == 0)) && str_is_utf8(col->path) && str_is_utf8(col->min) &&
	       str_is_utf8(col->max);
}

static bool get_columns(struct call *c, struct wire_in *in, struct engine_file *f)
{
	uint32_t n = wire_get_u32(in);
	struct engine_file_column *v;

	if (in->bad || n > (size_t)(in->end - in->p) / COLUMN_LEAST)
		return false;
	v = ARENA_ARRAY(c->arena, struct engine_file_column, n);
	for (uint32_t i = 0; i < n; i++)
		if (!get_column(in, &v[i]))
			return false;
	f->columns = v;
	f->ncolumns = (int)n;
	return true;
}

static bool get_file(struct call *c, struct wire_in *in, struct engine_file *ret)
{
	struct engine_file f = {.name = wire_get_text(in)};

	f.rows = wire_get_i64(in);
	f.bytes = wire_get_i64(in);
	if (in->bad || !engine_file_name_ok(f.name) || !size_ok(f.rows) || f.bytes <= 0 || f.bytes > SIZE_MOST ||
	    !get_splits(c, in, &f) || !get_columns(c, in, &f))
		return false;
	*ret = f;
	return true;
}

static bool get_files(struct call *c, struct wire_in *in, struct engine_file **ret, int *ret_n)
{
	uint32_t n = wire_get_u32(in);
	struct engine_file *v;

	if (in->bad || n == 0 || n > (size_t)(in->end - in->p) / FILE_LEAST)
		return false;
	v = ARENA_ARRAY(c->arena, struct engine_file, n);
	for (uint32_t i = 0; i < n; i++)
		if (!get_file(c, in, &v[i]))
			return false;
	*ret = v;
	*ret_n = (int)n;
	return in->p == in->end;
}

bool engine_files(struct call *c, struct str packed, struct engine_file **ret, int *ret_n)
{
	struct wire_in in = wire_in(packed);
	struct engine_file *v;
	int n;

	if (!get_files(c, &in, &v, &n))
		return fail(c, ERR_ENGINE_LOST, "the description of the exported files is not well-formed");
	*ret = v;
	*ret_n = n;
	return true;
}
