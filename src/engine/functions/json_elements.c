/* json_elements.c - for lambdas: SF_ELEMENTS, an ARRAY's elements as a list of VARIANT values, and SF_PLAIN, what arithmetic made of
 * one. Any thread of DuckDB.
 */
#include "engine/functions/json_of.h"

#include <math.h>

struct elements { /* one call over a chunk */
	duckdb_vector list, values;
	idx_t n, cap;
};

static bool room_for_element(struct elements *e)
{
	if (e->n < e->cap)
		return true;
	e->cap = e->cap ? e->cap * 2 : 2 * duckdb_vector_size();
	if (duckdb_list_vector_reserve(e->list, e->cap) != DuckDBSuccess)
		return false;
	e->values = duckdb_list_vector_get_child(e->list); /* it may have moved */
	return true;
}

static bool put_element(struct elements *e, struct str v)
{
	if (!room_for_element(e))
		return false;
	if (variant_kind(v) == VARIANT_UNDEFINED)
		cell_set_null(e->values, e->n);
	else
		duckdb_vector_assign_string_element_len(e->values, e->n, v.p, v.n);
	e->n++;
	return true;
}

/* What is no array stands for the array with it alone. */
static bool put_elements(struct elements *e, struct str v)
{
	struct str key, item;

	if (variant_kind(v) != VARIANT_ARRAY)
		return put_element(e, v);
	for (struct variant_items it = variant_items(v); variant_next(&it, &key, &item);)
		if (!put_element(e, item))
			return false;
	return true;
}

static void run_elements(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	struct elements e = {.list = output, .values = duckdb_list_vector_get_child(output)};
	duckdb_list_entry *entries = duckdb_vector_get_data(output);
	idx_t n = duckdb_data_chunk_get_size(input);
	struct variant_column column;
	OWNS(arena) a = {0};
	OWNS(buf) text = {0};

	if (!variant_column(&a, duckdb_data_chunk_get_vector(input, 0), &column)) {
		duckdb_scalar_function_set_error(info, "SF 001044/42P13 A value of this type is no ARRAY");
		return;
	}
	for (idx_t i = 0; i < n; i++) {
		idx_t from = e.n;

		buf_clear(&text);
		variant_put(&text, &column, i);
		if (variant_sql_null(buf_str(&text))) {
			cell_set_null(output, i);
		} else if (!put_elements(&e, buf_str(&text))) {
			duckdb_scalar_function_set_error(info, "Out of Memory Error: elements of an ARRAY");
			return;
		}
		entries[i] = (duckdb_list_entry){from, e.n - from};
	}
	duckdb_list_vector_set_size(output, e.n);
}

/* Sums of VARIANT values are doubles here, and numbers of their own digits there: 2, not 2.0e+00. */
static void put_plain(struct buf *out, struct str v)
{
	double real;

	if (variant_kind(v) != VARIANT_DOUBLE || !variant_real(v, &real) || fabs(real) >= 1e15 || (real != 0 && fabs(real) < 1e-4))
		buf_add(out, v);
	else
		buf_fmt(out, "%.15g", real);
}

static void run_plain(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	idx_t n = duckdb_data_chunk_get_size(input);
	struct variant_column column;
	OWNS(arena) a = {0};
	OWNS(buf) text = {0}, plain = {0};

	if (!variant_column(&a, duckdb_data_chunk_get_vector(input, 0), &column)) {
		duckdb_scalar_function_set_error(info, "SF 001044/42P13 A value of this type cannot be a VARIANT");
		return;
	}
	for (idx_t i = 0; i < n; i++) {
		if (variant_column_null(&column, i)) {
			cell_set_null(output, i);
			continue;
		}
		buf_clear(&text);
		buf_clear(&plain);
		variant_put(&text, &column, i);
		put_plain(&plain, buf_str(&text));
		duckdb_vector_assign_string_element_len(output, i, plain.p, plain.n);
	}
}

static bool register_one(duckdb_connection con, const char *name, duckdb_logical_type gives, duckdb_scalar_function_t fn)
{
	duckdb_logical_type any = duckdb_create_logical_type(DUCKDB_TYPE_ANY);
	duckdb_scalar_function f = duckdb_create_scalar_function();
	bool ok;

	duckdb_scalar_function_set_name(f, name);
	duckdb_scalar_function_add_parameter(f, any);
	duckdb_scalar_function_set_return_type(f, gives);
	duckdb_scalar_function_set_special_handling(f);
	duckdb_scalar_function_set_function(f, fn);
	ok = duckdb_register_scalar_function(con, f) == DuckDBSuccess;
	duckdb_destroy_scalar_function(&f);
	duckdb_destroy_logical_type(&any);
	return ok;
}

bool variant_elements_register(duckdb_connection con)
{
	duckdb_logical_type value = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR), list;
	bool ok;

	duckdb_logical_type_set_alias(value, VARIANT_TYPE);
	list = duckdb_create_list_type(value);
	ok = register_one(con, "SF_ELEMENTS", list, run_elements) && register_one(con, "SF_PLAIN", value, run_plain);
	duckdb_destroy_logical_type(&value);
	duckdb_destroy_logical_type(&list);
	return ok;
}
