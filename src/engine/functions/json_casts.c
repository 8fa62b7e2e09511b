/* json_casts.c - the types SF_VARIANT, SF_OBJECT, SF_ARRAY (texts under a name) and their casts.
 *
 * DuckDB takes a cast that is registered for a named type wherever it would take one of the type below: in comparisons,
 * arithmetic, arguments of functions, stored values. Whole numbers and decimals are registered one by one, for there is no
 * cast of any decimal.
 */
#include "engine/functions/json_of.h"

#include "engine/format.h"
#include "engine/functions/types.h"

#include <math.h>
#include <stdio.h>

enum { EXPLICIT = -1, DECIMAL_DIGITS = 38 };

/* --- into a VARIANT --- */
static bool fails(duckdb_function_info info, duckdb_vector out, idx_t row, const char *text)
{
	duckdb_cast_function_set_row_error(info, text, row, out);
	return false;
}

static void put_text(duckdb_vector out, idx_t row, struct str s)
{
	duckdb_vector_assign_string_element_len(out, row, s.p ? s.p : "", s.n);
}

static bool from_any(duckdb_function_info info, idx_t n, duckdb_vector in, duckdb_vector out)
{
	OWNS(arena) a = {0};
	OWNS(buf) text = {0};
	struct variant_column c;

	if (!variant_column(&a, in, &c)) {
		duckdb_cast_function_set_error(info, "A value of this type cannot be a VARIANT");
		return false;
	}
	for (idx_t i = 0; i < n; i++) {
		buf_clear(&text);
		variant_put(&text, &c, i);
		if (variant_column_null(&c, i))
			cell_set_null(out, i);
		else
			put_text(out, i, buf_str(&text));
	}
	return true;
}

static bool array_from_any(duckdb_function_info info, idx_t n, duckdb_vector in, duckdb_vector out)
{
	OWNS(arena) a = {0};
	OWNS(buf) text = {0};
	struct variant_column c;

	if (!variant_column(&a, in, &c)) {
		duckdb_cast_function_set_error(info, "A value of this type cannot be an ARRAY");
		return false;
	}
	for (idx_t i = 0; i < n; i++) {
		struct str v;
		bool wrapped;

		buf_clear(&text);
		buf_addc(&text, '[');
		variant_put(&text, &c, i);
		v = str_tail(buf_str(&text), 1);
		wrapped = variant_kind(v) != VARIANT_ARRAY;
		if (wrapped)
			buf_addc(&text, ']');
		if (variant_column_null(&c, i) || variant_sql_null(v))
			cell_set_null(out, i);
		else
			put_text(out, i, wrapped ? buf_str(&text) : str_tail(buf_str(&text), 1));
	}
	return true;
}

static bool object_from_any(duckdb_function_info info, idx_t n, duckdb_vector in, duckdb_vector out)
{
	OWNS(arena) a = {0};
	OWNS(buf) text = {0}, error = {0};
	struct variant_column c;
	bool ok = variant_column(&a, in, &c);

	for (idx_t i = 0; ok && i < n; i++) {
		buf_clear(&text);
		variant_put(&text, &c, i);
		if (variant_column_null(&c, i) || variant_sql_null(buf_str(&text))) {
			cell_set_null(out, i);
			continue;
		}
		if (variant_kind(buf_str(&text)) == VARIANT_OBJECT) {
			put_text(out, i, buf_str(&text));
			continue;
		}
		buf_clear(&error);
		buf_lit(&error, "SF 100071/22000 Failed to cast variant value ");
		buf_add(&error, str_head(buf_str(&text), 200));
		buf_lit(&error, " to OBJECT");
		if (!fails(info, out, i, buf_cstr(&error)) && duckdb_cast_function_get_cast_mode(info) == DUCKDB_CAST_NORMAL)
			return false;
	}
	return ok;
}

/* --- out of a VARIANT --- */
struct target { /* of a cast: what one value becomes */
	duckdb_function_info info;
	duckdb_type type, store;
	int precision, scale;
	void *to;
	duckdb_vector out;
	struct buf room;
};
typedef bool put_fn(struct target *t, struct str v, idx_t row); /* false: it cannot */

static bool put_varchar(struct target *t, struct str v, idx_t row)
{
	struct str text;

	if (!variant_varchar(v, &t->room, &text))
		return false;
	put_text(t->out, row, text);
	return true;
}

static bool put_json_type(struct target *t, struct str v, idx_t row)
{
	buf_clear(&t->room);
	variant_put_json(&t->room, v);
	put_text(t->out, row, buf_str(&t->room));
	return true;
}

/* The number that a value is, or its text tells. */
static bool number_of(struct target *t, struct str v, struct str *ret)
{
	enum variant_kind k = variant_kind(v);

	if (k == VARIANT_BOOLEAN)
		*ret = str_eq(v, S("true")) ? S("1") : S("0");
	else if (k == VARIANT_VARCHAR)
		*ret = str_trim(variant_text(v, &t->room));
	else if (variant_is_number(k))
		*ret = v;
	else
		return false;
	return true;
}

static bool put_real(struct target *t, struct str v, idx_t row)
{
	struct str number;
	double real;

	if (!number_of(t, v, &number) || !variant_real(number, &real))
		return false;
	if (t->type == DUCKDB_TYPE_FLOAT)
		((float *)t->to)[row] = (float)real;
	else
		((double *)t->to)[row] = real;
	return true;
}

static bool fits(__int128 v, duckdb_type store)
{
	switch (store) {
	case DUCKDB_TYPE_TINYINT: return v >= INT8_MIN && v <= INT8_MAX;
	case DUCKDB_TYPE_SMALLINT: return v >= INT16_MIN && v <= INT16_MAX;
	case DUCKDB_TYPE_INTEGER: return v >= INT32_MIN && v <= INT32_MAX;
	case DUCKDB_TYPE_BIGINT: return v >= INT64_MIN && v <= INT64_MAX;
	case DUCKDB_TYPE_UBIGINT: return v >= 0 && v <= UINT64_MAX;
	default: return true;
	}
}

static bool put_digits(struct target *t, struct str v, idx_t row)
{
	struct str number;
	__int128 n;

	if (!number_of(t, v, &number) || !variant_decimal(number, t->precision, t->scale, &n) || !fits(n, t->store))
		return false;
	switch (t->store) {
	case DUCKDB_TYPE_TINYINT: ((int8_t *)t->to)[row] = (int8_t)n; break;
	case DUCKDB_TYPE_SMALLINT: ((int16_t *)t->to)[row] = (int16_t)n; break;
	case DUCKDB_TYPE_INTEGER: ((int32_t *)t->to)[row] = (int32_t)n; break;
	case DUCKDB_TYPE_BIGINT: ((int64_t *)t->to)[row] = (int64_t)n; break;
	case DUCKDB_TYPE_UBIGINT: ((uint64_t *)t->to)[row] = (uint64_t)n; break;
	default: ((duckdb_hugeint *)t->to)[row] = (duckdb_hugeint){(uint64_t)n, (int64_t)(n >> 64)}; break;
	}
	return true;
}

static bool put_bool(struct target *t, struct str v, idx_t row)
{
	static const char *const yes[] = {"true", "t", "yes", "y", "on", "1"}, *const no[] = {"false", "f", "no", "n", "off", "0"};
	enum variant_kind k = variant_kind(v);
	double real;

	if (variant_is_number(k) && variant_real(v, &real)) {
		((bool *)t->to)[row] = real != 0;
		return true;
	}
	if (k == VARIANT_VARCHAR)
		v = variant_text(v, &t->room);
	for (size_t i = 0; (k == VARIANT_BOOLEAN || k == VARIANT_VARCHAR) && i < COUNT_OF(yes); i++) {
		if (str_ieq(v, str_of(yes[i])) || str_ieq(v, str_of(no[i]))) {
			((bool *)t->to)[row] = str_ieq(v, str_of(yes[i]));
			return true;
		}
	}
	return false;
}

static bool put_bytes(struct target *t, struct str v, idx_t row)
{
	enum variant_kind k = variant_kind(v);
	OWNS(buf) bytes = {0}, lower = {0};
	struct str hex;

	if (k != VARIANT_BINARY && k != VARIANT_VARCHAR)
		return false;
	hex = variant_text(v, &t->room);
	for (size_t i = 0; i < hex.n; i++)
		buf_addc(&lower, ascii_lower(hex.p[i]));
	if (!hash_unhex(buf_str(&lower), &bytes))
		return false;
	put_text(t->out, row, buf_str(&bytes));
	return true;
}

/* --- moments --- */
#define DAY_NANOS INT64_C(86400000000000)

/* Seconds, milli-, micro- or nanoseconds since 1970, by the size of the number. */
static bool moment_of_number(struct str v, struct format_time *ret)
{
	__int128 n, scale = 1000000000;

	if (!variant_decimal(v, 38, 0, &n))
		return false;
	for (__int128 limit = INT64_C(31536000000); scale > 1 && (n >= limit || n <= -limit); limit *= 1000)
		scale /= 1000;
	n *= scale;
	if (n > INT64_MAX || n < INT64_MIN)
		return false;
	ret->days = (int64_t)(n / DAY_NANOS);
	ret->nanos = (int64_t)(n % DAY_NANOS);
	if (ret->nanos < 0) {
		ret->nanos += DAY_NANOS;
		ret->days--;
	}
	ret->offset_minutes = 0;
	return true;
}

static bool moment_of(struct target *t, struct str v, struct format_time *ret, unsigned *ret_has)
{
	struct str text;
	int64_t whole;

	*ret_has = FORMAT_HAS_DATE | FORMAT_HAS_TIME;
	if (variant_kind(v) == VARIANT_INTEGER)
		return moment_of_number(v, ret);
	if (!variant_is_text(variant_kind(v)) || variant_kind(v) == VARIANT_BINARY)
		return false;
	text = variant_text(v, &t->room);
	if (str_to_i64(text, &whole))
		return moment_of_number(text, ret);
	return format_read_auto(text, ret, ret_has);
}

static bool put_date(struct target *t, struct str v, idx_t row)
{
	struct format_time m;
	unsigned has;

	if (!moment_of(t, v, &m, &has) || (has & FORMAT_HAS_DATE) != FORMAT_HAS_DATE || m.days > INT32_MAX || m.days < INT32_MIN)
		return false;
	((int32_t *)t->to)[row] = (int32_t)m.days;
	return true;
}

static bool put_time(struct target *t, struct str v, idx_t row)
{
	struct format_time m;
	unsigned has;

	if (!moment_of(t, v, &m, &has) || !(has & FORMAT_HAS_HOUR))
		return false;
	((int64_t *)t->to)[row] = m.nanos / 1000;
	return true;
}

static bool put_moment(struct target *t, struct str v, idx_t row)
{
	struct format_time m;
	unsigned has;
	__int128 micros;

	if (!moment_of(t, v, &m, &has) || (has & FORMAT_HAS_DATE) != FORMAT_HAS_DATE)
		return false;
	micros = (__int128)m.days * 86400000000 + m.nanos / 1000;
	if (t->type == DUCKDB_TYPE_TIMESTAMP_TZ)
		micros -= (__int128)m.offset_minutes * 60000000;
	if (micros >= INT64_MAX || micros <= -INT64_MAX)
		return false;
	((int64_t *)t->to)[row] = (int64_t)micros;
	return true;
}

static bool put_instant(struct target *t, struct str v, idx_t row)
{
	struct format_time m;
	unsigned has;
	__int128 micros;

	if (!moment_of(t, v, &m, &has) || (has & FORMAT_HAS_DATE) != FORMAT_HAS_DATE)
		return false;
	micros = (__int128)m.days * 86400000000 + m.nanos / 1000 - (__int128)m.offset_minutes * 60000000;
	if (micros >= INT64_MAX || micros <= -INT64_MAX)
		return false;
	return zoned_pack((struct zoned){(int64_t)micros, (int)(m.nanos % 1000), m.offset_minutes}, &((duckdb_interval *)t->to)[row]);
}

/* --- all of them --- */
struct out_of {
	duckdb_type type;
	const char *alias, *told;
	int cost;
	put_fn *put;
	int precision;
};
static const struct out_of outs[] = {
	{DUCKDB_TYPE_DOUBLE, NULL, "REAL", 50, put_real, 0},
	{DUCKDB_TYPE_FLOAT, NULL, "REAL", 90, put_real, 0},
	{DUCKDB_TYPE_VARCHAR, NULL, "VARCHAR", 60, put_varchar, 0},
	{DUCKDB_TYPE_VARCHAR, "JSON", "VARIANT", 95, put_json_type, 0},
	{DUCKDB_TYPE_BIGINT, NULL, "FIXED", 70, put_digits, 19},
	{DUCKDB_TYPE_HUGEINT, NULL, "FIXED", 95, put_digits, 38},
	{DUCKDB_TYPE_UBIGINT, NULL, "FIXED", 96, put_digits, 20},
	{DUCKDB_TYPE_INTEGER, NULL, "FIXED", 97, put_digits, 19},
	{DUCKDB_TYPE_SMALLINT, NULL, "FIXED", 98, put_digits, 19},
	{DUCKDB_TYPE_TINYINT, NULL, "FIXED", 99, put_digits, 19},
	{DUCKDB_TYPE_BOOLEAN, NULL, "BOOLEAN", 110, put_bool, 0},
	{DUCKDB_TYPE_TIMESTAMP, NULL, "TIMESTAMP_NTZ", 120, put_moment, 0},
	{DUCKDB_TYPE_DATE, NULL, "DATE", 121, put_date, 0},
	{DUCKDB_TYPE_TIMESTAMP_TZ, NULL, "TIMESTAMP_LTZ", 122, put_moment, 0},
	{DUCKDB_TYPE_TIME, NULL, "TIME", 123, put_time, 0},
	{DUCKDB_TYPE_BLOB, NULL, "BINARY", 130, put_bytes, 0},
	{DUCKDB_TYPE_INTERVAL, "TIMESTAMP_TZ", "TIMESTAMP_TZ", 131, put_instant, 0},
};
static const struct out_of decimals = {DUCKDB_TYPE_DECIMAL, NULL, "FIXED", 80, put_digits, 0};

/* What cannot be is an error, and NULL in TRY_CAST. */
static bool refuse(struct target *t, const struct out_of *o, struct str v, idx_t row)
{
	char text[400];

	buf_clear(&t->room);
	variant_put_json(&t->room, v);
	snprintf(text, sizeof(text), "SF 100071/22000 Failed to cast variant value %.*s to %s",
		 SARG(str_head(buf_str(&t->room), 200)), o->told);
	fails(t->info, t->out, row, text);
	return duckdb_cast_function_get_cast_mode(t->info) != DUCKDB_CAST_NORMAL;
}

static bool to_plain(duckdb_function_info info, idx_t n, duckdb_vector in, duckdb_vector out)
{
	const struct out_of *o = duckdb_cast_function_get_extra_info(info);
	duckdb_logical_type type = duckdb_vector_get_column_type(out);
	struct target t = {.info = info, .type = o->type, .store = o->type, .precision = o->precision, .out = out,
			   .to = duckdb_vector_get_data(out)};
	struct variant_column c = {.at = duckdb_vector_get_data(in), .valid = duckdb_vector_get_validity(in),
				    .type = DUCKDB_TYPE_VARCHAR};
	bool ok = true;

	if (o->type == DUCKDB_TYPE_DECIMAL) {
		t.precision = duckdb_decimal_width(type);
		t.scale = duckdb_decimal_scale(type);
		t.store = duckdb_decimal_internal_type(type);
	}
	duckdb_destroy_logical_type(&type);
	for (idx_t i = 0; ok && i < n; i++) {
		struct str v;

		if (variant_column_null(&c, i)) {
			cell_set_null(out, i);
			continue;
		}
		v = variant_column_text(&c, i);
		if (variant_sql_null(v))
			cell_set_null(out, i);
		else if (!o->put(&t, v, i))
			ok = refuse(&t, o, v, i);
	}
	buf_drop(&t.room);
	return ok;
}

/* --- registering --- */
struct rig {
	duckdb_connection con;
	duckdb_logical_type variant, object, array;
	bool ok;
};

static duckdb_logical_type named(const char *alias)
{
	duckdb_logical_type t = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);

	duckdb_logical_type_set_alias(t, alias);
	return t;
}

static void add(struct rig *r, duckdb_logical_type from, duckdb_logical_type to, int cost, const struct out_of *o,
		duckdb_cast_function_t fn)
{
	duckdb_cast_function f = duckdb_create_cast_function();

	duckdb_cast_function_set_source_type(f, from);
	duckdb_cast_function_set_target_type(f, to);
	duckdb_cast_function_set_implicit_cast_cost(f, cost);
	duckdb_cast_function_set_function(f, fn);
	duckdb_cast_function_set_extra_info(f, (void *)(uintptr_t)o, NULL);
	r->ok = r->ok && duckdb_register_cast_function(r->con, f) == DuckDBSuccess;
	duckdb_destroy_cast_function(&f);
}

static void add_outs(struct rig *r, duckdb_logical_type to, const struct out_of *o)
{
	bool text = o->put == put_varchar || o->put == put_json_type;

	add(r, r->variant, to, o->cost, o, to_plain);
	if (text) {
		add(r, r->object, to, o->cost, o, to_plain);
		add(r, r->array, to, o->cost, o, to_plain);
	}
}

static void add_ins(struct rig *r, duckdb_logical_type from)
{
	add(r, from, r->variant, 300, NULL, from_any);
	add(r, from, r->array, EXPLICIT, NULL, array_from_any);
	add(r, from, r->object, EXPLICIT, NULL, object_from_any);
}

static duckdb_logical_type type_of(const struct out_of *o)
{
	if (o->type == DUCKDB_TYPE_INTERVAL)
		return sf_zoned_type(9);
	return o->alias ? named(o->alias) : duckdb_create_logical_type(o->type);
}

static void add_plain(struct rig *r)
{
	static const duckdb_type more[] = {DUCKDB_TYPE_UTINYINT, DUCKDB_TYPE_USMALLINT, DUCKDB_TYPE_UINTEGER, DUCKDB_TYPE_UUID,
					   DUCKDB_TYPE_TIMESTAMP_S, DUCKDB_TYPE_TIMESTAMP_MS, DUCKDB_TYPE_TIMESTAMP_NS};

	for (size_t i = 0; i < COUNT_OF(outs); i++) {
		duckdb_logical_type t = type_of(&outs[i]);

		add_outs(r, t, &outs[i]);
		add_ins(r, t);
		duckdb_destroy_logical_type(&t);
	}
	for (size_t i = 0; i < COUNT_OF(more); i++) {
		duckdb_logical_type t = duckdb_create_logical_type(more[i]);

		add_ins(r, t);
		duckdb_destroy_logical_type(&t);
	}
}

static void add_decimals(struct rig *r)
{
	for (int width = 1; width <= DECIMAL_DIGITS; width++) {
		for (int scale = 0; scale <= width; scale++) {
			duckdb_logical_type t = duckdb_create_decimal_type((uint8_t)width, (uint8_t)scale);

			add(r, r->variant, t, decimals.cost + 1, &decimals, to_plain);
			add(r, t, r->variant, 300, NULL, from_any);
			add(r, t, r->array, EXPLICIT, NULL, array_from_any);
			duckdb_destroy_logical_type(&t);
		}
	}
}

bool variant_casts_register(duckdb_connection con)
{
	struct rig r = {con, named(VARIANT_TYPE), named(OBJECT_TYPE), named(ARRAY_TYPE), true};

	r.ok = duckdb_register_logical_type(con, r.variant, NULL) == DuckDBSuccess &&
	       duckdb_register_logical_type(con, r.object, NULL) == DuckDBSuccess &&
	       duckdb_register_logical_type(con, r.array, NULL) == DuckDBSuccess;
	add_plain(&r);
	add_decimals(&r);
	add(&r, r.object, r.variant, 10, NULL, from_any);
	add(&r, r.array, r.variant, 10, NULL, from_any);
	add(&r, r.variant, r.array, 200, NULL, array_from_any);
	add(&r, r.variant, r.object, 201, NULL, object_from_any);
	add(&r, r.object, r.array, EXPLICIT, NULL, array_from_any);
	add(&r, r.array, r.object, EXPLICIT, NULL, object_from_any);
	duckdb_destroy_logical_type(&r.variant);
	duckdb_destroy_logical_type(&r.object);
	duckdb_destroy_logical_type(&r.array);
	return r.ok;
}
