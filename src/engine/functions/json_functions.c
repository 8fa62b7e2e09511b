/* json_functions.c - rows of a table of functions as DuckDB's: arguments of any type, read as VARIANT values.
 *
 * Any thread of DuckDB; nothing is shared between two calls.
 */
#include "engine/functions/json_of.h"

#include <stdio.h>

struct arity {
	int least, most; /* most < 0: any number */
	char rest;       /* of what '*' repeats */
};

static struct arity arity_of(const char *signature)
{
	struct arity a = {0, 0, 0};
	bool optional = false;

	for (const char *p = signature; *p; p++) {
		if (*p == '|') {
			optional = true;
		} else if (*p == '*') {
			a.rest = p[-1];
			a.least -= !optional;
			a.most = -1;
		} else {
			a.least += !optional;
			a.most++;
		}
	}
	return a;
}

static char letter_of(const char *signature, int i)
{
	char last = 'v';

	for (const char *p = signature; *p; p++) {
		if (*p == '|')
			continue;
		if (*p == '*')
			break;
		last = *p;
		if (i-- == 0)
			break;
	}
	return last;
}

static void bind(duckdb_bind_info info)
{
	const struct variant_function *fn = duckdb_scalar_function_bind_get_extra_info(info);
	struct arity a = arity_of(fn->signature);
	int n = (int)duckdb_scalar_function_bind_get_argument_count(info);
	char text[200];

	if (n >= a.least && (a.most < 0 || n <= a.most))
		return;
	snprintf(text, sizeof(text), "SF %s/42601 %s arguments for function [%s], expected %d, got %d",
		 n < a.least ? "000938" : "000939", n < a.least ? "not enough" : "too many", fn->name, n < a.least ? a.least : a.most, n);
	duckdb_scalar_function_bind_set_error(info, text);
}

void variant_fails(struct variant_call *f, const char *code, const char *fmt, ...)
{
	int n = snprintf(f->error, sizeof(f->error), "SF %s ", code);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->error + n, sizeof(f->error) - (size_t)n, fmt, ap);
	va_end(ap);
	f->failed = true;
}

void variant_gives_null(struct variant_call *f)
{
	f->null = true;
}

/* A missing element of an array is a SQL NULL outside of it. */
void variant_gives(struct variant_call *f, struct str v)
{
	if (v.p && !str_eq(v, S("undefined")))
		buf_add(&f->out, v);
	else
		f->null = true;
}

/* --- a chunk --- */
struct chunk {
	struct arena arena;
	struct variant_call call;
	struct variant_column *columns;
	struct buf *rooms;    /* texts of arguments that had to be made */
	char *letters;
	int64_t *ints;
};

static struct str value_of(struct chunk *k, int i, idx_t row)
{
	const struct variant_column *c = &k->columns[i];
	struct buf *room = &k->rooms[i];

	if (c->type == DUCKDB_TYPE_VARCHAR && c->alias == VARIANT_OURS)
		return variant_column_text(c, row);
	buf_clear(room);
	variant_put(room, c, row);
	return buf_str(room);
}

/* p NULL: a JSON null is none. */
static struct str text_of(struct chunk *k, int i, idx_t row)
{
	const struct variant_column *c = &k->columns[i];
	struct str text;

	if (c->type == DUCKDB_TYPE_VARCHAR && c->alias != VARIANT_OURS)
		return variant_column_text(c, row);
	if (!variant_varchar(value_of(k, i, row), &k->call.room, &text))
		return (struct str){NULL, 0};
	return arena_dup(&k->arena, text);
}

static bool int_of(struct chunk *k, int i, idx_t row)
{
	struct str v = value_of(k, i, row);
	__int128 n = 0;

	if (variant_kind(v) == VARIANT_BOOLEAN)
		n = str_eq(v, S("true"));
	else if (variant_kind(v) == VARIANT_VARCHAR)
		v = variant_text(v, &k->call.room);
	if (variant_kind(v) != VARIANT_BOOLEAN && !variant_decimal(v, 38, 0, &n)) {
		variant_fails(&k->call, "100038/22018", "Numeric value '%.*s' is not recognized", SARG(str_head(v, 100)));
		return false;
	}
	k->ints[i] = n > INT64_MAX ? INT64_MAX : n < INT64_MIN ? INT64_MIN : (int64_t)n;
	return true;
}

/* False: a NULL makes it NULL, or it failed. */
static bool arguments(struct chunk *k, idx_t row)
{
	struct variant_call *f = &k->call;

	for (int i = 0; i < f->n; i++) {
		f->v[i] = (struct str){NULL, 0};
		if (!variant_column_null(&k->columns[i], row)) {
			if (k->letters[i] == 'i')
				f->v[i] = int_of(k, i, row) ? S("") : f->v[i];
			else
				f->v[i] = k->letters[i] == 't' ? text_of(k, i, row) : value_of(k, i, row);
		}
		if (f->failed)
			return false;
		if (!f->v[i].p && !f->fn->nulls) {
			f->null = true;
			return false;
		}
	}
	return true;
}

static void put_result(struct variant_call *f, duckdb_vector output, idx_t row)
{
	void *to = duckdb_vector_get_data(output);

	if (f->null)
		cell_set_null(output, row);
	else if (f->fn->gives == GIVES_BOOLEAN)
		((bool *)to)[row] = f->number != 0;
	else if (f->fn->gives == GIVES_BIGINT)
		((int64_t *)to)[row] = f->number;
	else
		duckdb_vector_assign_string_element_len(output, row, f->out.p ? f->out.p : "", f->out.n);
}

static void one(struct chunk *k, duckdb_vector output, idx_t row)
{
	struct variant_call *f = &k->call;

	f->null = false;
	f->row = row;
	buf_clear(&f->out);
	if (arguments(k, row))
		f->fn->fn(f);
	if (!f->failed && !buf_ok(&f->out))
		variant_fails(f, "100078/22000", "Actual size of the value is more than the maximum of %d bytes", VARIANT_BYTES);
	if (!f->failed)
		put_result(f, output, row);
}

static bool begin(struct chunk *k, const struct variant_function *fn, duckdb_data_chunk input)
{
	int n = (int)duckdb_data_chunk_get_column_count(input);

	k->columns = ARENA_ARRAY(&k->arena, struct variant_column, (size_t)n + 1);
	k->rooms = ARENA_ARRAY(&k->arena, struct buf, (size_t)n + 1);
	k->letters = ARENA_ARRAY(&k->arena, char, (size_t)n + 1);
	k->ints = ARENA_ARRAY(&k->arena, int64_t, (size_t)n + 1);
	k->call = (struct variant_call){.fn = fn, .n = n, .ints = k->ints, .columns = k->columns};
	k->call.v = ARENA_ARRAY(&k->arena, struct str, (size_t)n + 1);
	k->call.out.limit = VARIANT_BYTES;
	for (int i = 0; i < n; i++) {
		k->letters[i] = letter_of(fn->signature, i);
		if (!variant_column(&k->arena, duckdb_data_chunk_get_vector(input, (idx_t)i), &k->columns[i])) {
			variant_fails(&k->call, "001044/42P13", "Argument %d of %s is of a type that cannot be a VARIANT", i + 1, fn->name);
			return false;
		}
	}
	return true;
}

static void end(struct chunk *k)
{
	for (int i = 0; k->rooms && i < k->call.n; i++)
		buf_drop(&k->rooms[i]);
	buf_drop(&k->call.out);
	buf_drop(&k->call.room);
	buf_drop(&k->call.room2);
	variant_path_drop(&k->call.path);
	arena_close(&k->arena);
}

static void run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	idx_t n = duckdb_data_chunk_get_size(input);
	struct chunk k = {0};

	if (begin(&k, duckdb_scalar_function_get_extra_info(info), input))
		for (idx_t i = 0; i < n && !k.call.failed; i++)
			one(&k, output, i);
	if (k.call.failed)
		duckdb_scalar_function_set_error(info, k.call.error);
	end(&k);
}

/* --- registering --- */
static duckdb_logical_type type_of(enum variant_gives gives)
{
	static const char *const names[] = {[GIVES_VARIANT] = VARIANT_TYPE, [GIVES_OBJECT] = OBJECT_TYPE, [GIVES_ARRAY] = ARRAY_TYPE};
	duckdb_logical_type type;

	if (gives == GIVES_BOOLEAN || gives == GIVES_BIGINT)
		return duckdb_create_logical_type(gives == GIVES_BOOLEAN ? DUCKDB_TYPE_BOOLEAN : DUCKDB_TYPE_BIGINT);
	type = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	if (gives != GIVES_TEXT)
		duckdb_logical_type_set_alias(type, names[gives]);
	return type;
}

static bool register_one(duckdb_connection con, const struct variant_function *fn)
{
	duckdb_scalar_function f = duckdb_create_scalar_function();
	duckdb_logical_type any = duckdb_create_logical_type(DUCKDB_TYPE_ANY), type = type_of(fn->gives);
	bool ok;

	duckdb_scalar_function_set_name(f, fn->name);
	duckdb_scalar_function_set_varargs(f, any);
	duckdb_scalar_function_set_return_type(f, type);
	duckdb_scalar_function_set_special_handling(f);
	duckdb_scalar_function_set_extra_info(f, (void *)(uintptr_t)fn, NULL);
	duckdb_scalar_function_set_bind(f, bind);
	duckdb_scalar_function_set_function(f, run);
	ok = duckdb_register_scalar_function(con, f) == DuckDBSuccess;
	duckdb_destroy_scalar_function(&f);
	duckdb_destroy_logical_type(&any);
	duckdb_destroy_logical_type(&type);
	return ok;
}

bool variant_functions_register(duckdb_connection con, const struct variant_function *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!register_one(con, &v[i]))
			return false;
	return true;
}

bool variant_register(duckdb_connection con)
{
	return variant_casts_register(con) && variant_functions_register(con, variant_values, variant_nvalues) &&
	       variant_functions_register(con, variant_objects, variant_nobjects) &&
	       variant_functions_register(con, variant_arrays, variant_narrays) && variant_flatten_register(con);
}
