/* wire_records.c - batches of records and their rows, packed. Shared by both sides.
 *
 * A batch: u8 flags, text file, u32 n, then for each step u8 must_change, text
 * sql, u32 n and as many cells. A cell: u8 kind; then nothing (NULL), i64
 * (INT), eight bytes (REAL) or text (TEXT, BYTES). A piece of rows: u32 rows,
 * u32 cells a row, the cells.
 */
#include "engine/engine.h"
#include "engine/wire.h"

enum batch_flag { BATCH_MAKE = 1, BATCH_DROP = 2 };
enum { STEP_LEAST = 1 + 4 + 4 };

/* Ends in .db, so that no file is what DuckDB keeps beside another. */
bool records_name_ok(struct str name)
{
	static const struct str suffix = S_INIT(".db");

	if (name.n <= suffix.n || name.n > RECORDS_NAME_MAX || name.p[0] == '.' || !str_ends(name, suffix))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_digit(name.p[i]) && !ascii_alpha(name.p[i]) && !memchr("_.-", name.p[i], 3))
			return false;
	return true;
}

/* --- writing --- */
void wire_put_cell(struct buf *b, const struct engine_cell *v)
{
	wire_u8(b, (uint8_t)v->kind);
	switch (v->kind) {
	case ENGINE_CELL_NULL:
		break;
	case ENGINE_CELL_INT:
		wire_i64(b, v->integer);
		break;
	case ENGINE_CELL_REAL:
		buf_add(b, str_from((const char *)&v->real, sizeof(v->real)));
		break;
	case ENGINE_CELL_TEXT:
	case ENGINE_CELL_BYTES:
		wire_text(b, v->s);
		break;
	}
}

void wire_put_records(struct buf *b, const struct engine_records_ask *ask)
{
	wire_u8(b, (uint8_t)((ask->make ? BATCH_MAKE : 0) | (ask->drop ? BATCH_DROP : 0)));
	wire_text(b, ask->file);
	wire_u32(b, (uint32_t)ask->nsteps);
	for (int i = 0; i < ask->nsteps; i++) {
		const struct engine_step *s = &ask->steps[i];

		wire_u8(b, s->must_change);
		wire_text(b, s->sql);
		wire_u32(b, (uint32_t)s->nbinds);
		for (int k = 0; k < s->nbinds; k++)
			wire_put_cell(b, &s->binds[k]);
	}
}

/* --- reading --- */
static bool get_cell(struct wire_in *in, struct engine_cell *ret)
{
	uint8_t kind = wire_get_u8(in);
	int64_t bits;

	if (in->bad || kind > ENGINE_CELL_BYTES)
		return false;
	*ret = (struct engine_cell){.kind = (enum engine_cell_kind)kind};
	switch (ret->kind) {
	case ENGINE_CELL_NULL:
		break;
	case ENGINE_CELL_INT:
		ret->integer = wire_get_i64(in);
		break;
	case ENGINE_CELL_REAL:
		bits = wire_get_i64(in);
		memcpy(&ret->real, &bits, sizeof(bits));
		break;
	case ENGINE_CELL_TEXT:
	case ENGINE_CELL_BYTES:
		ret->s = wire_get_text(in);
		break;
	}
	return !in->bad && (ret->kind != ENGINE_CELL_TEXT || str_is_utf8(ret->s));
}

/* A cell takes a byte at least: what cannot be there is not allocated. */
static bool get_cells(struct call *c, struct wire_in *in, size_t n, struct engine_cell **ret)
{
	struct engine_cell *v;

	if (in->bad || n > (size_t)(in->end - in->p))
		return false;
	v = ARENA_ARRAY(c->arena, struct engine_cell, n);
	for (size_t i = 0; i < n; i++)
		if (!get_cell(in, &v[i]))
			return false;
	*ret = v;
	return true;
}

static bool get_step(struct call *c, struct wire_in *in, struct engine_step *ret)
{
	uint8_t must_change = wire_get_u8(in);
	struct engine_cell *binds;
	uint32_t n;

	ret->sql = wire_get_text(in);
	n = wire_get_u32(in);
	if (in->bad || must_change > 1 || n > RECORDS_CELLS_MAX || !get_cells(c, in, n, &binds))
		return false;
	ret->must_change = must_change;
	ret->binds = binds;
	ret->nbinds = (int)n;
	return true;
}

static bool get_records(struct call *c, struct wire_in *in, struct engine_records_ask *ask)
{
	uint8_t flags = wire_get_u8(in);
	struct engine_step *steps;
	uint32_t n;

	ask->file = wire_get_text(in);
	n = wire_get_u32(in);
	if (in->bad || flags > (BATCH_MAKE | BATCH_DROP) || !records_name_ok(ask->file) || n > (size_t)(in->end - in->p) / STEP_LEAST)
		return false;
	ask->make = flags & BATCH_MAKE;
	ask->drop = flags & BATCH_DROP;
	steps = ARENA_ARRAY(c->arena, struct engine_step, n);
	for (uint32_t i = 0; i < n; i++)
		if (!get_step(c, in, &steps[i]))
			return false;
	ask->steps = steps;
	ask->nsteps = (int)n;
	return in->p == in->end && (!ask->drop || n == 0);
}

bool wire_get_records(struct call *c, struct str body, struct engine_records_ask *ret)
{
	struct engine_records_ask ask = {0};
	struct wire_in in = wire_in(body);

	if (!get_records(c, &in, &ask))
		return fail(c, ERR_BAD_REQUEST, "a batch of records on the wire is not well-formed");
	*ret = ask;
	return true;
}

bool engine_rows(struct call *c, struct str packed, struct engine_rows *ret)
{
	struct wire_in in = wire_in(packed);
	uint32_t n = wire_get_u32(&in), ncells = wire_get_u32(&in);
	struct engine_cell *cells;

	if (in.bad || ncells == 0 || ncells > RECORDS_CELLS_MAX || n > RECORDS_PIECE_CELLS ||
	    (size_t)n * ncells > RECORDS_PIECE_CELLS + RECORDS_CELLS_MAX || !get_cells(c, &in, (size_t)n * ncells, &cells) ||
	    in.p != in.end)
		return fail(c, ERR_ENGINE_LOST, "the rows of a batch of records are not well-formed");
	*ret = (struct engine_rows){.cells = cells, .n = (int)n, .ncells = (int)ncells};
	return true;
}
