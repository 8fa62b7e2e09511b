/* snowflake.c - rows of functions made DuckDB's: signatures, NULLs, errors, values in and out. */
#include "engine/functions/functions.h"
#include "engine/functions/types.h"

#include <stdio.h>

/* --- types --- */
static duckdb_logical_type alias_of(const char *name)
{
	duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);

	duckdb_logical_type_set_alias(type, name);
	return type;
}

static duckdb_logical_type type_of(char letter)
{
	switch (letter) {
	case 'X':
		return duckdb_create_logical_type(DUCKDB_TYPE_BLOB);
	case 'I':
		return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	case 'D':
		return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
	case 'B':
		return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
	case 'N':
		return duckdb_create_decimal_type(38, 0);
	case 'd':
		return duckdb_create_logical_type(DUCKDB_TYPE_DATE);
	case 't':
		return duckdb_create_logical_type(DUCKDB_TYPE_TIME);
	case 's':
		return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
	case 'z':
		return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_TZ);
	case 'T':
		return sf_zoned_type(9);
	case 'a':
		return alias_of(ARRAY_TYPE);
	case 'o':
		return alias_of(OBJECT_TYPE);
	case 'v':
		return alias_of(VARIANT_TYPE);
	case 'F':
		return duckdb_create_logical_type(DUCKDB_TYPE_FLOAT);
	case 'A':
		return duckdb_create_logical_type(DUCKDB_TYPE_ANY);
	default:
		INVARIANT(letter == 'V');
		return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	}
}

/* --- arguments --- */
bool sf_is_null(const struct sf_row *r, idx_t i)
{
	if (r->args[i].variant)
		return r->args[i].variant_null;
	return r->args[i].valid && !duckdb_validity_row_is_valid(r->args[i].valid, r->row);
}

struct str sf_text(const struct sf_row *r, idx_t i)
{
	duckdb_string_t *s = &((duckdb_string_t *)(uintptr_t)r->args[i].at)[r->row];

	INVARIANT(r->args[i].type == DUCKDB_TYPE_VARCHAR || r->args[i].type == DUCKDB_TYPE_BLOB);
	if (r->args[i].variant)
		return r->args[i].text;
	return str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s));
}

#define AT(type) (((const type *)r->args[i].at)[r->row])

double sf_double(const struct sf_row *r, idx_t i)
{
	return AT(double);
}

bool sf_bool(const struct sf_row *r, idx_t i)
{
	return AT(bool);
}

int32_t sf_days(const struct sf_row *r, idx_t i)
{
	return AT(int32_t);
}

static __int128 huge(duckdb_hugeint h)
{
	return (__int128)(((unsigned __int128)(uint64_t)h.upper << 64) | h.lower);
}

static bool stored(const struct sf_row *r, idx_t i, duckdb_type type, __int128 *ret)
{
	switch (type) {
	case DUCKDB_TYPE_TINYINT:
		*ret = (int)AT(int8_t); /* signed */
		return true;
	case DUCKDB_TYPE_UTINYINT:
		*ret = AT(uint8_t);
		return true;
	case DUCKDB_TYPE_SMALLINT:
		*ret = AT(int16_t);
		return true;
	case DUCKDB_TYPE_USMALLINT:
		*ret = AT(uint16_t);
		return true;
	case DUCKDB_TYPE_INTEGER:
		*ret = AT(int32_t);
		return true;
	case DUCKDB_TYPE_UINTEGER:
		*ret = AT(uint32_t);
		return true;
	case DUCKDB_TYPE_BIGINT:
		*ret = AT(int64_t);
		return true;
	case DUCKDB_TYPE_UBIGINT:
		*ret = AT(uint64_t);
		return true;
	case DUCKDB_TYPE_HUGEINT:
		*ret = huge(AT(duckdb_hugeint));
		return true;
	default:
		return false;
	}
}

bool sf_number(const struct sf_row *r, idx_t i, __int128 *ret, int *ret_scale)
{
	const struct sf_arg *a = &r->args[i];

	*ret_scale = a->type == DUCKDB_TYPE_DECIMAL ? a->scale : 0;
	if (a->type == DUCKDB_TYPE_BOOLEAN) {
		*ret = AT(bool);
		return true;
	}
	return stored(r, i, a->type == DUCKDB_TYPE_DECIMAL ? a->store : a->type, ret);
}

int64_t sf_int(const struct sf_row *r, idx_t i)
{
	return AT(int64_t);
}

/* --- results --- */
void sf_put_text(struct sf_row *r, struct str s)
{
	duckdb_vector_assign_string_element_len(r->output, r->row, s.n ? s.p : "", s.n);
}

void sf_put_int(struct sf_row *r, int64_t v)
{
	((int64_t *)r->out)[r->row] = v;
}

void sf_put_double(struct sf_row *r, double v)
{
	((double *)r->out)[r->row] = v;
}

void sf_put_bool(struct sf_row *r, bool v)
{
	((bool *)r->out)[r->row] = v;
}

void sf_put_days(struct sf_row *r, int32_t days)
{
	((int32_t *)r->out)[r->row] = days;
}

void sf_put_number(struct sf_row *r, __int128 v)
{
	((duckdb_hugeint *)r->out)[r->row] = (duckdb_hugeint){(uint64_t)v, (int64_t)(v >> 64)};
}

void sf_put_null(struct sf_row *r)
{
	cell_set_null(r->output, r->row);
}

/* A missing element of an array is a SQL NULL outside of it. */
void sf_put_variant(struct sf_row *r, struct str v)
{
	if (v.p && !str_eq(v, S("undefined")))
		sf_put_text(r, v);
	else
		sf_put_null(r);
}

void sf_put_built(struct sf_row *r, struct variant_list *l, char bracket)
{
	variant_end(l, bracket);
	sf_put_text(r, buf_str(&r->text));
}

unsigned sf_own(const struct sf_row *r)
{
	return r->function->flags >> SF_OWN_BITS;
}

void sf_fails(struct sf_row *r, const char *code, const char *fmt, ...)
{
	OWNS(buf) text = {0};
	va_list ap;

	if (r->function->flags & SF_TRY) {
		sf_put_null(r);
		return;
	}
	buf_fmt(&text, "SF %s ", code);
	va_start(ap, fmt);
	buf_vfmt(&text, fmt, ap);
	va_end(ap);
	r->failed = true;
	duckdb_scalar_function_set_error(r->info, buf_cstr(&text));
}

/* --- a chunk --- */
/* Digits of a known scale stand in a struct of their own. */
static void load_digits(struct sf_arg *a, duckdb_vector v, duckdb_logical_type type)
{
	if (!sf_digits_scale(type, &a->scale))
		return;
	a->type = DUCKDB_TYPE_DECIMAL;
	a->store = DUCKDB_TYPE_HUGEINT;
	a->width = SF_DIGITS_MAX;
	a->at = duckdb_vector_get_data(duckdb_struct_vector_get_child(v, 0));
}

static bool is_variant(duckdb_logical_type type)
{
	char *alias = duckdb_logical_type_get_alias(type);
	struct str name = str_of(alias);
	bool variant = str_eq(name, S(VARIANT_TYPE)) || str_eq(name, S(OBJECT_TYPE)) || str_eq(name, S(ARRAY_TYPE));

	duckdb_free(alias);
	return variant;
}

/* What stands in the row's variants. */
static void unwrap(struct sf_row *r)
{
	for (idx_t i = 0; i < r->nargs; i++) {
		struct sf_arg *a = &r->args[i];

		if (!a->variant)
			continue;
		a->variant = false;
		a->variant_null = sf_is_null(r, i) || !variant_varchar(sf_text(r, i), &a->room, &a->text);
		a->variant = true;
	}
}

static void load(struct sf_row *r, idx_t i)
{
	duckdb_vector v = duckdb_data_chunk_get_vector(r->input, i);
	duckdb_logical_type type = duckdb_vector_get_column_type(v);
	struct sf_arg *a = &r->args[i];

	*a = (struct sf_arg){.type = duckdb_get_type_id(type), .at = duckdb_vector_get_data(v)};
	a->valid = duckdb_vector_get_validity(v);
	if (a->type == DUCKDB_TYPE_DECIMAL) {
		a->store = duckdb_decimal_internal_type(type);
		a->width = duckdb_decimal_width(type);
		a->scale = duckdb_decimal_scale(type);
	}
	if (a->type == DUCKDB_TYPE_STRUCT)
		load_digits(a, v, type);
	a->variant = a->type == DUCKDB_TYPE_VARCHAR && is_variant(type);
	duckdb_destroy_logical_type(&type);
}

static bool has_null(const struct sf_row *r)
{
	for (idx_t i = 0; i < r->nargs; i++)
		if (sf_is_null(r, i))
			return true;
	return false;
}

static bool begin(struct sf_row *r)
{
	if (sf_reads_values(r->function))
		return sf_values_open(r);
	r->text.limit = r->more.limit = SF_TEXT_MAX;
	if (r->nargs > SF_ARGS)
		r->nargs = SF_ARGS;
	for (idx_t i = 0; i < r->nargs; i++)
		load(r, i);
	return true;
}

/* False: a NULL makes it NULL, or it failed. */
static bool arguments(struct sf_row *r)
{
	if (r->values)
		return sf_values_read(r);
	unwrap(r);
	return (r->function->flags & SF_NULLS) || !has_null(r);
}

static void too_long(struct sf_row *r)
{
	if (r->values)
		sf_fails(r, "100078/22000", "Actual size of the value is more than the maximum of %d bytes", VARIANT_BYTES);
	else
		sf_fails(r, "100078/22000", "String is too long");
}

static void one(struct sf_row *r)
{
	buf_clear(&r->text);
	buf_clear(&r->more);
	if (arguments(r))
		r->function->fn(r);
	else if (!r->failed)
		sf_put_null(r);
	if (!r->failed && (!buf_ok(&r->text) || !buf_ok(&r->more)))
		too_long(r);
}

static void end(struct sf_row *r)
{
	if (r->values)
		sf_values_close(r);
	else
		for (idx_t i = 0; i < r->nargs; i++)
			buf_drop(&r->args[i].room);
	buf_drop(&r->text);
	buf_drop(&r->more);
	buf_drop(&r->rest);
	buf_drop(&r->format_text);
	arena_close(&r->arena);
}

static void run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	struct sf_row r = {.input = input, .output = output, .out = duckdb_vector_get_data(output), .info = info};
	idx_t n = duckdb_data_chunk_get_size(input);

	r.function = duckdb_scalar_function_get_extra_info(info);
	r.nargs = duckdb_data_chunk_get_column_count(input);
	if (begin(&r))
		for (r.row = 0; r.row < n && !r.failed; r.row++)
			one(&r);
	end(&r);
}

/* --- registering --- */
static void add_parameters(duckdb_scalar_function made, const char *s)
{
	for (; *s != '>'; s++) {
		duckdb_logical_type type = *s == '#' ? sf_digits_type(*++s - SF_SCALE_LETTER) : type_of(*s);

		if (s[1] == '*') {
			duckdb_scalar_function_set_varargs(made, type);
			s++;
		} else {
			duckdb_scalar_function_add_parameter(made, type);
		}
		duckdb_destroy_logical_type(&type);
	}
}

static duckdb_logical_type result_of(const char *s)
{
	return *s == '#' ? duckdb_create_decimal_type(SF_DIGITS_MAX, (uint8_t)(s[1] - SF_SCALE_LETTER)) : type_of(*s);
}

/* Any number of any type, as far as DuckDB knows. */
static void add_values(duckdb_scalar_function made)
{
	duckdb_logical_type any = duckdb_create_logical_type(DUCKDB_TYPE_ANY);

	duckdb_scalar_function_set_varargs(made, any);
	duckdb_scalar_function_set_bind(made, sf_values_bind);
	duckdb_destroy_logical_type(&any);
}

static duckdb_scalar_function made(const struct sf_function *f)
{
	duckdb_scalar_function made = duckdb_create_scalar_function();
	duckdb_logical_type result = result_of(strchr(f->signature, '>') + 1);

	duckdb_scalar_function_set_name(made, f->name);
	if (sf_reads_values(f))
		add_values(made);
	else
		add_parameters(made, f->signature);
	duckdb_scalar_function_set_return_type(made, result);
	duckdb_destroy_logical_type(&result);
	if (sf_reads_values(f) || (f->flags & (SF_NULLS | SF_TRY | SF_NULLS_MADE))) /* else DuckDB minds a NULL of a value */
		duckdb_scalar_function_set_special_handling(made);
	if (f->flags & SF_VOLATILE)
		duckdb_scalar_function_set_volatile(made);
	duckdb_scalar_function_set_extra_info(made, (void *)(uintptr_t)f, NULL);
	duckdb_scalar_function_set_function(made, run);
	return made;
}

bool sf_register(duckdb_connection con, const struct sf_function *v, size_t n)
{
	size_t next;
	bool ok = true;

	for (size_t i = 0; ok && i < n; i = next) {
		duckdb_scalar_function_set set = duckdb_create_scalar_function_set(v[i].name);

		for (next = i; ok && next < n && strcmp(v[next].name, v[i].name) == 0; next++) {
			duckdb_scalar_function f = made(&v[next]);

			ok = duckdb_add_scalar_function_to_set(set, f) == DuckDBSuccess;
			duckdb_destroy_scalar_function(&f);
		}
		ok = ok && duckdb_register_scalar_function_set(con, set) == DuckDBSuccess;
		duckdb_destroy_scalar_function_set(&set);
	}
	return ok;
}

bool sf_functions_register(struct call *c, duckdb_connection con)
{
	return (sf_values_register(con) && sf_numbers_register(con) && sf_quotients_register(con) && sf_texts_register(con) &&
		sf_dates_register(con) && sf_bytes_register(con)) ||
	       fail(c, ERR_INTERNAL, "Snowflake's functions could not be registered");
}

bool variant_register(duckdb_connection con)
{
	return variant_casts_register(con) && variant_values_register(con) && variant_objects_register(con) &&
	       variant_arrays_register(con) && variant_flatten_register(con) && variant_elements_register(con);
}
