/* json_flatten.c - SF_FLATTEN: the rows of FLATTEN as one list of structs, for the table macro to unnest. */
#include "engine/functions/json_of.h"

#include <stdio.h>

enum { ARGS = 6 /* input, path, outer, recursive, mode, from the last */, KEY = 1, PATH, INDEX, VALUE, THIS, COLUMNS };
enum { MODE_OBJECT = 1, MODE_ARRAY = 2 };
static const char *const column_names[COLUMNS] = {"seq", "key", "path", "index", "value", "this"};

struct flat { /* one call over a chunk */
	duckdb_function_info info;
	duckdb_vector list, rows, cells[COLUMNS];
	idx_t n, cap;               /* rows of all lists */
	int64_t seq;
	bool recursive, failed;
	int modes;
	struct buf path, room;
};

static duckdb_logical_type result_type(void)
{
	duckdb_logical_type types[COLUMNS], row, list;

	for (int i = 0; i < COLUMNS; i++)
		types[i] = duckdb_create_logical_type(i == 0 || i == INDEX ? DUCKDB_TYPE_BIGINT : DUCKDB_TYPE_VARCHAR);
	duckdb_logical_type_set_alias(types[VALUE], VARIANT_TYPE);
	duckdb_logical_type_set_alias(types[THIS], VARIANT_TYPE);
	row = duckdb_create_struct_type(types, (const char **)(uintptr_t)column_names, COLUMNS);
	list = duckdb_create_list_type(row);
	for (int i = 0; i < COLUMNS; i++)
		duckdb_destroy_logical_type(&types[i]);
	duckdb_destroy_logical_type(&row);
	return list;
}

/* --- rows --- */
static bool room_for_row(struct flat *f)
{
	if (f->n < f->cap)
		return true;
	f->cap = f->cap ? f->cap * 2 : 2 * duckdb_vector_size();
	if (duckdb_list_vector_reserve(f->list, f->cap) != DuckDBSuccess)
		return false;
	f->rows = duckdb_list_vector_get_child(f->list);
	for (int i = 0; i < COLUMNS; i++) /* they may have moved */
		f->cells[i] = duckdb_struct_vector_get_child(f->rows, (idx_t)i);
	return true;
}

static void put_text(struct flat *f, int cell, struct str s)
{
	if (s.p)
		duckdb_vector_assign_string_element_len(f->cells[cell], f->n, s.p, s.n);
	else
		cell_set_null(f->cells[cell], f->n);
}

struct found {
	struct str key, value, this;
	int64_t index; /* -1: none */
};

static void put_row(struct flat *f, const struct found *r)
{
	if (!room_for_row(f)) {
		f->failed = true;
		return;
	}
	((int64_t *)duckdb_vector_get_data(f->cells[0]))[f->n] = f->seq;
	put_text(f, KEY, r->key.p ? variant_text(str_from(r->key.p - 1, r->key.n + 2), &f->room) : r->key);
	put_text(f, PATH, str_from(f->path.p ? f->path.p : "", f->path.n));
	((int64_t *)duckdb_vector_get_data(f->cells[INDEX]))[f->n] = r->index;
	if (r->index < 0)
		cell_set_null(f->cells[INDEX], f->n);
	put_text(f, VALUE, r->value.p && variant_kind(r->value) != VARIANT_UNDEFINED ? r->value : (struct str){NULL, 0});
	put_text(f, THIS, r->this);
	f->n++;
}

/* --- walking --- */
static bool is_plain(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (!ascii_alpha(key.p[i]) && key.p[i] != '_' && (i == 0 || (!ascii_digit(key.p[i]) && key.p[i] != '$')))
			return false;
	return key.n > 0;
}

static void put_step(struct flat *f, const struct found *r)
{
	struct str key;

	if (r->index >= 0) {
		buf_fmt(&f->path, "[%lld]", (long long)r->index);
		return;
	}
	if (is_plain(r->key)) {
		if (f->path.n)
			buf_addc(&f->path, '.');
		buf_add(&f->path, r->key);
		return;
	}
	key = variant_text(str_from(r->key.p - 1, r->key.n + 2), &f->room);
	buf_lit(&f->path, "['");
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] == '\'' || key.p[i] == '\\')
			buf_addc(&f->path, '\\');
		buf_addc(&f->path, key.p[i]);
	}
	buf_lit(&f->path, "']");
}

static void walk(struct flat *f, struct str v, int depth)
{
	enum variant_kind k = variant_kind(v);
	bool shown = f->modes & (k == VARIANT_ARRAY ? MODE_ARRAY : MODE_OBJECT);
	struct found r = {.this = v, .index = -1};
	size_t path = f->path.n;
	int64_t i = 0;

	if (depth > VARIANT_DEPTH || (k != VARIANT_ARRAY && k != VARIANT_OBJECT))
		return;
	for (struct variant_items it = variant_items(v); !f->failed && variant_next(&it, &r.key, &r.value); i++) {
		if (k == VARIANT_ARRAY)
			r.index = i;
		put_step(f, &r);
		if (shown && variant_kind(r.value) != VARIANT_UNDEFINED)
			put_row(f, &r);
		if (f->recursive)
			walk(f, r.value, depth + 1);
		f->path.n = path;
	}
}

static int modes_of(struct flat *f, struct str mode)
{
	if (str_ieq(mode, S("OBJECT")))
		return MODE_OBJECT;
	if (str_ieq(mode, S("ARRAY")))
		return MODE_ARRAY;
	if (!str_ieq(mode, S("BOTH"))) {
		duckdb_scalar_function_set_error(f->info, "SF 001008/22023 invalid value for parameter MODE of FLATTEN: OBJECT, ARRAY or BOTH");
		f->failed = true;
	}
	return MODE_OBJECT | MODE_ARRAY;
}

struct inputs {
	struct variant_column c[ARGS];
	struct buf value;
	struct variant_path path;
};

static bool is_true(const struct variant_column *c, idx_t row)
{
	return !variant_column_null(c, row) && ((const bool *)(const void *)c->at)[row];
}

static struct str text_at(const struct variant_column *c, idx_t row)
{
	return variant_column_null(c, row) ? S("") : variant_column_text(c, row);
}

/* What is flattened: the value at the path. */
static struct str input_at(struct flat *f, struct inputs *in, idx_t row)
{
	struct str v, none = {NULL, 0};

	if (variant_column_null(&in->c[0], row))
		return none;
	buf_clear(&in->value);
	variant_put(&in->value, &in->c[0], row);
	v = buf_str(&in->value);
	variant_path(&in->path, text_at(&in->c[1], row));
	if (in->path.bad) {
		duckdb_scalar_function_set_error(f->info, "SF 100402/22000 Invalid extraction path in FLATTEN");
		f->failed = true;
		return none;
	}
	if (!variant_get(v, &in->path, &v))
		return none;
	f->path.n = 0;
	buf_add(&f->path, text_at(&in->c[1], row));
	return v;
}

/* --- from the last to the first --- */
static bool is_valid(duckdb_vector v, idx_t row)
{
	uint64_t *valid = duckdb_vector_get_validity(v);

	return !valid || duckdb_validity_row_is_valid(valid, row);
}

static void swap_rows(duckdb_vector v, size_t width, idx_t a, idx_t b)
{
	char *at = duckdb_vector_get_data(v), held[sizeof(duckdb_string_t)];
	bool av = is_valid(v, a), bv = is_valid(v, b);

	memcpy(held, at + a * width, width);
	memcpy(at + a * width, at + b * width, width);
	memcpy(at + b * width, held, width);
	if (av == bv)
		return;
	duckdb_validity_set_row_validity(duckdb_vector_get_validity(v), a, bv);
	duckdb_validity_set_row_validity(duckdb_vector_get_validity(v), b, av);
}

static void turn_round(struct flat *f, idx_t from)
{
	for (idx_t a = from, b = f->n; a + 1 < b; a++) {
		b--;
		for (int i = 0; i < COLUMNS; i++)
			swap_rows(f->cells[i], i == 0 || i == INDEX ? sizeof(int64_t) : sizeof(duckdb_string_t), a, b);
	}
}

static void one(struct flat *f, struct inputs *in, idx_t row)
{
	duckdb_list_entry *entries = duckdb_vector_get_data(f->list);
	struct found outer = {.index = -1};
	idx_t from = f->n;

	f->seq = (int64_t)row + 1;
	buf_clear(&f->path);
	f->recursive = is_true(&in->c[3], row);
	f->modes = modes_of(f, text_at(&in->c[4], row));
	outer.this = input_at(f, in, row);
	if (outer.this.p && !f->failed)
		walk(f, outer.this, 0);
	if (f->n == from && is_true(&in->c[2], row) && !f->failed)
		put_row(f, &outer);
	if (is_true(&in->c[5], row))
		turn_round(f, from);
	entries[row] = (duckdb_list_entry){from, f->n - from};
}

static void run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	struct flat f = {.info = info, .list = output};
	idx_t n = duckdb_data_chunk_get_size(input);
	struct inputs in = {0};
	OWNS(arena) a = {0};

	for (int i = 0; i < ARGS; i++)
		if (!variant_column(&a, duckdb_data_chunk_get_vector(input, (idx_t)i), &in.c[i])) {
			duckdb_scalar_function_set_error(info, "FLATTEN: a value of this type cannot be a VARIANT");
			return;
		}
	for (idx_t i = 0; i < n && !f.failed; i++)
		one(&f, &in, i);
	if (!f.failed)
		duckdb_list_vector_set_size(output, f.n);
	buf_drop(&f.path);
	buf_drop(&f.room);
	buf_drop(&in.value);
	variant_path_drop(&in.path);
}

bool variant_flatten_register(duckdb_connection con)
{
	static const duckdb_type args[ARGS] = {DUCKDB_TYPE_ANY, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BOOLEAN, DUCKDB_TYPE_BOOLEAN,
					       DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BOOLEAN};
	duckdb_scalar_function f = duckdb_create_scalar_function();
	duckdb_logical_type type = result_type();
	bool ok;

	duckdb_scalar_function_set_name(f, "SF_FLATTEN");
	for (int i = 0; i < ARGS; i++) {
		duckdb_logical_type t = duckdb_create_logical_type(args[i]);

		duckdb_scalar_function_add_parameter(f, t);
		duckdb_destroy_logical_type(&t);
	}
	duckdb_scalar_function_set_return_type(f, type);
	duckdb_scalar_function_set_special_handling(f);
	duckdb_scalar_function_set_function(f, run);
	ok = duckdb_register_scalar_function(con, f) == DuckDBSuccess;
	duckdb_destroy_scalar_function(&f);
	duckdb_destroy_logical_type(&type);
	return ok;
}
