/* quotients.c - Snowflake's division: `/`, DIV0, DIV0NULL, the averages.
 *
 * The result's scale depends on the dividend's, and a C function's type of result is fixed. So there is one overload for each
 * scale: a type SF_DIGITS_n holds the digits of any DECIMAL(p, n), whatever p is, and the casts to it cost less than any other,
 * which makes DuckDB choose by scale. Each operand is written once, so chains of divisions stay as long as they are written.
 * Not the quotient's digits for aggregates: those come as SUM and COUNT. Any thread.
 */
#include "engine/functions/functions.h"

#include <stdio.h>
#include <string.h>

enum { COST = 1, EXPLICIT_COST = -1 };

/* --- SF_DIGITS_n --- */
#define DIGITS_NAME "SF_DIGITS_"

duckdb_logical_type sf_digits_type(int scale)
{
	const char *names[] = {"digits"};
	duckdb_logical_type whole = duckdb_create_logical_type(DUCKDB_TYPE_HUGEINT);
	duckdb_logical_type type = duckdb_create_struct_type(&whole, names, 1);
	char name[32];

	snprintf(name, sizeof(name), DIGITS_NAME "%d", scale);
	duckdb_logical_type_set_alias(type, name);
	duckdb_destroy_logical_type(&whole);
	return type;
}

bool sf_digits_scale(duckdb_logical_type type, int *ret)
{
	char *alias = duckdb_logical_type_get_alias(type);
	struct str name = str_of(alias);
	int64_t scale;
	bool ok = str_starts(name, S(DIGITS_NAME)) && str_to_i64(str_tail(name, sizeof(DIGITS_NAME) - 1), &scale);

	if (ok)
		*ret = (int)scale;
	duckdb_free(alias);
	return ok;
}

static duckdb_hugeint widened(__int128 v)
{
	return (duckdb_hugeint){(uint64_t)v, (int64_t)(v >> 64)};
}

#define WIDEN(type) \
	for (idx_t i = 0; i < n; i++) \
		to[i] = widened(((const type *)at)[i])

static bool widen(duckdb_type store, const void *at, idx_t n, duckdb_hugeint *to)
{
	switch (store) {
	case DUCKDB_TYPE_SMALLINT:
		WIDEN(int16_t);
		return true;
	case DUCKDB_TYPE_INTEGER:
		WIDEN(int32_t);
		return true;
	case DUCKDB_TYPE_BIGINT:
		WIDEN(int64_t);
		return true;
	case DUCKDB_TYPE_HUGEINT:
		memcpy(to, at, n * sizeof(*to));
		return true;
	default:
		return false;
	}
}

static bool to_digits(duckdb_function_info info, idx_t n, duckdb_vector from, duckdb_vector to)
{
	duckdb_logical_type type = duckdb_vector_get_column_type(from);
	duckdb_type store = duckdb_decimal_internal_type(type);
	duckdb_vector digits = duckdb_struct_vector_get_child(to, 0);
	uint64_t *valid = duckdb_vector_get_validity(from);

	duckdb_destroy_logical_type(&type);
	if (!widen(store, duckdb_vector_get_data(from), n, duckdb_vector_get_data(digits))) {
		duckdb_cast_function_set_error(info, "A decimal is needed");
		return false;
	}
	for (idx_t i = 0; valid && i < n; i++) {
		if (duckdb_validity_row_is_valid(valid, i))
			continue;
		cell_set_null(to, i);
		cell_set_null(digits, i);
	}
	return true;
}

static bool cast_registered(duckdb_connection con, int precision, int scale, duckdb_logical_type to)
{
	duckdb_cast_function f = duckdb_create_cast_function();
	duckdb_logical_type from = duckdb_create_decimal_type((uint8_t)precision, (uint8_t)scale);
	bool ok;

	duckdb_cast_function_set_source_type(f, from);
	duckdb_cast_function_set_target_type(f, to);
	duckdb_cast_function_set_implicit_cast_cost(f, COST);
	duckdb_cast_function_set_function(f, to_digits);
	ok = duckdb_register_cast_function(con, f) == DuckDBSuccess;
	duckdb_destroy_cast_function(&f);
	duckdb_destroy_logical_type(&from);
	return ok;
}

static bool digits_registered(duckdb_connection con)
{
	bool ok = true;

	for (int scale = 1; ok && scale < SF_DIGITS_MAX; scale++) {
		duckdb_logical_type type = sf_digits_type(scale);

		ok = duckdb_register_logical_type(con, type, NULL) == DuckDBSuccess;
		for (int precision = scale; ok && precision <= SF_DIGITS_MAX; precision++)
			ok = cast_registered(con, precision, scale, type);
		duckdb_destroy_logical_type(&type);
	}
	return ok;
}

/* --- a / b --- */
static void out_of_range(struct sf_row *r)
{
	sf_fails(r, "100046/22003", "Number out of representable range: type FIXED[SB16](38,0)");
}

/* Rounds half away from zero. No magnitude is above 10^38, so sums of two fit. */
static bool quotient(__int128 a, __int128 b, int digits, __int128 *ret)
{
	unsigned __int128 n = (unsigned __int128)(a < 0 ? -a : a), d = (unsigned __int128)(b < 0 ? -b : b), q, rest;

	INVARIANT(d != 0);
	if (!__builtin_mul_overflow(n, (unsigned __int128)sf_power_of_ten(digits), &rest)) { /* at once */
		n = rest;
		digits = 0;
	}
	if (n <= UINT64_MAX && d <= UINT64_MAX)
		q = (uint64_t)n / (uint64_t)d;
	else
		q = n / d;
	rest = n - q * d;
	if (q >= (unsigned __int128)sf_power_of_ten(SF_DIGITS_MAX - digits))
		return false;
	for (; digits > 0; digits--) {
		unsigned __int128 tenfold = 0;
		unsigned digit = 0;

		for (int k = 0; k < 10; k++) {
			tenfold += rest;
			if (tenfold >= d) {
				tenfold -= d;
				digit++;
			}
		}
		q = q * 10 + digit;
		rest = tenfold;
	}
	if (rest >= d - rest)
		q++;
	*ret = (a < 0) != (b < 0) ? -(__int128)q : (__int128)q;
	return true;
}

/* A text counts as NUMBER(18,5) there. */
static bool operand(struct sf_row *r, idx_t i, __int128 *ret, int *ret_scale)
{
	if (r->args[i].type == DUCKDB_TYPE_BOOLEAN) {
		sf_fails(r, SF_BAD_ARGUMENT, "Invalid argument types for function '/': BOOLEAN");
		return false;
	}
	if (!sf_any_number(r, i, ret, ret_scale))
		return false;
	if (r->args[i].type != DUCKDB_TYPE_VARCHAR || r->args[i].variant)
		return true;
	if (!sf_rescale(*ret, *ret_scale, SF_TEXT_SCALE, ret)) {
		out_of_range(r);
		return false;
	}
	*ret_scale = SF_TEXT_SCALE;
	return true;
}

/* What b = 0 makes, or b NULL. */
enum zero { ZERO_FAILS, ZERO_IS_ZERO, NULL_IS_ZERO };

static bool divides(struct sf_row *r, bool by_zero, enum zero zero)
{
	if (by_zero && zero == ZERO_FAILS)
		sf_fails(r, "100051/22012", "Division by zero");
	return !by_zero;
}

static void put_quotient(struct sf_row *r, __int128 a, __int128 b, int digits)
{
	__int128 q;
	bool ok;

	if (digits < 0)
		ok = quotient(a, b, 0, &q) && sf_rescale(q, -digits, 0, &q);
	else
		ok = digits <= SF_DIGITS_MAX && quotient(a, b, digits, &q);
	if (ok && sf_fits(q))
		sf_put_number(r, q);
	else
		out_of_range(r);
}

/* NULL of one operand is NULL, but for a divisor that is zero then. */
static bool null_divides(struct sf_row *r, enum zero zero)
{
	if (sf_is_null(r, 0) || (sf_is_null(r, 1) && zero != NULL_IS_ZERO)) {
		sf_put_null(r);
		return false;
	}
	return true;
}

static void divide_by(struct sf_row *r, enum zero zero)
{
	int as, bs = 0, scale = strchr(r->function->signature, '>')[2] - SF_SCALE_LETTER;
	__int128 a, b = 0;

	if (!null_divides(r, zero) || !operand(r, 0, &a, &as) || (!sf_is_null(r, 1) && !operand(r, 1, &b, &bs)))
		return;
	if (divides(r, b == 0, zero))
		put_quotient(r, a, b, scale - as + bs);
	else if (!r->failed)
		sf_put_number(r, 0);
}

static void divide_reals_by(struct sf_row *r, enum zero zero)
{
	double a, b = 0;

	if (!null_divides(r, zero))
		return;
	a = sf_real(r, 0);
	if (!sf_is_null(r, 1))
		b = sf_real(r, 1);
	if (r->failed)
		return;
	if (divides(r, b == 0, zero))
		sf_put_double(r, a / b);
	else if (!r->failed)
		sf_put_double(r, 0);
}

static void divide(struct sf_row *r)
{
	divide_by(r, ZERO_FAILS);
}

static void divide_reals(struct sf_row *r)
{
	divide_reals_by(r, ZERO_FAILS);
}

static void divide0(struct sf_row *r)
{
	divide_by(r, ZERO_IS_ZERO);
}

static void divide0_reals(struct sf_row *r)
{
	divide_reals_by(r, ZERO_IS_ZERO);
}

static void divide0_null(struct sf_row *r)
{
	divide_by(r, NULL_IS_ZERO);
}

static void divide0_null_reals(struct sf_row *r)
{
	divide_reals_by(r, NULL_IS_ZERO);
}

/* --- an overload for each scale, in letters: A is 0 --- */
/* X(scale, of a quotient: six more digits up to twelve, of a mean: three more) */
#define SCALES(X) \
	X("B", "H", "E") X("C", "I", "F") X("D", "J", "G") X("E", "K", "H") X("F", "L", "I") \
	X("G", "M", "J") X("H", "M", "K") X("I", "M", "L") X("J", "M", "M") X("K", "M", "N") \
	X("L", "M", "O") X("M", "M", "P") X("N", "N", "Q") X("O", "O", "R") X("P", "P", "S") \
	X("Q", "Q", "T") X("R", "R", "U") X("S", "S", "V") X("T", "T", "W") X("U", "U", "X") \
	X("V", "V", "Y") X("W", "W", "Z") X("X", "X", "[") X("Y", "Y", "\\") X("Z", "Z", "]") \
	X("[", "[", "^") X("\\", "\\", "_") X("]", "]", "`") X("^", "^", "a") X("_", "_", "b") \
	X("`", "`", "c") X("a", "a", "d") X("b", "b", "e") X("c", "c", "f") X("d", "d", "f") \
	X("e", "e", "f") X("f", "f", "f")

#define BY(name, a, q, exact, reals) \
	{name, a "A>#" q, exact, SF_NULLS}, {name, a "D>D", reals, SF_NULLS}, {name, a "F>D", reals, SF_NULLS}, \
		{name, a "v>D", reals, SF_NULLS},
#define BY_REALS(name, a, reals) \
	{name, a "A>D", reals, SF_NULLS}, {name, a "D>D", reals, SF_NULLS}, {name, a "F>D", reals, SF_NULLS}, \
		{name, a "v>D", reals, SF_NULLS},
#define REALS(name, reals) BY_REALS(name, "D", reals) BY_REALS(name, "F", reals) BY_REALS(name, "v", reals)
/* Any type but these is a whole number. A text has five digits. */
#define DIVIDES(name, exact, reals) BY(name, "A", "G", exact, reals) BY(name, "V", "L", exact, reals) REALS(name, reals)

static const struct sf_function functions[] = {
#define X(scale, quotient, mean) BY("SF_DIVIDE", "#" scale, quotient, divide, divide_reals)
	DIVIDES("SF_DIVIDE", divide, divide_reals) SCALES(X)
#undef X
#define X(scale, quotient, mean) BY("SF_DIVIDE0", "#" scale, quotient, divide0, divide0_reals)
	DIVIDES("SF_DIVIDE0", divide0, divide0_reals) SCALES(X)
#undef X
#define X(scale, quotient, mean) BY("SF_DIVIDE0_NULL", "#" scale, quotient, divide0_null, divide0_null_reals)
	DIVIDES("SF_DIVIDE0_NULL", divide0_null, divide0_null_reals) SCALES(X)
#undef X
	/* a sum, and how many there were */
#define X(scale, quotient, mean) {"SF_MEAN", "#" scale "A>#" mean, divide, SF_NULLS},
	{"SF_MEAN", "AA>#D", divide, SF_NULLS}, {"SF_MEAN", "DA>D", divide_reals, SF_NULLS}, SCALES(X)
#undef X
};

bool sf_quotients_register(duckdb_connection con)
{
	return digits_registered(con) && sf_register(con, functions, COUNT_OF(functions));
}
