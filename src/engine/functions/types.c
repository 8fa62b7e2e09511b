/* types.c - Snowflake's types of time that DuckDB lacks, as aliases with casts of their own.
 *
 * TIMESTAMP_TZ is a struct of an instant, what is finer than a microsecond, and
 * the offset in minutes: it sorts and compares as the instant does, then by
 * offset. TIMESTAMP_TZ_n, TIMESTAMP_NTZ_n, TIMESTAMP_LTZ_n and TIME_n have n
 * digits of a second and cut off what is finer. A cast has no session: a text
 * or a time without an offset gets +00:00. Any thread.
 */
#include "engine/format.h"
#include "engine/functions/types.h"

#include <stdio.h>

enum { COST_SAME = 1, COST_WALL = 10, COST_INSTANT = 20, COST_DAY = 30, COST_TEXT = 200, COST_NEVER = -1, DIGITS_MAX = 9 };
#define MICROS_PER_SECOND INT64_C(1000000)
#define MICROS_PER_DAY (86400 * MICROS_PER_SECOND)
#define MICROS_PER_MINUTE (60 * MICROS_PER_SECOND)

/* --- vectors --- */
struct zoned_vector {
	duckdb_vector kids[3];
	int64_t *utc;
	int16_t *nanos, *zone;
};

static struct zoned_vector zoned_of(duckdb_vector v)
{
	struct zoned_vector z;

	for (idx_t i = 0; i < COUNT_OF(z.kids); i++)
		z.kids[i] = duckdb_struct_vector_get_child(v, i);
	z.utc = duckdb_vector_get_data(z.kids[0]);
	z.nanos = duckdb_vector_get_data(z.kids[1]);
	z.zone = duckdb_vector_get_data(z.kids[2]);
	return z;
}

static bool is_null(duckdb_vector v, idx_t row)
{
	uint64_t *valid = duckdb_vector_get_validity(v);

	return valid && !duckdb_validity_row_is_valid(valid, row);
}

struct casting { /* one vector */
	duckdb_function_info info;
	duckdb_vector from, to;
	struct zoned_vector zoned; /* the side that is one */
	int64_t unit;              /* extra: what is cut off, in microseconds */
	bool try, failed;
};
typedef void row_fn(struct casting *k, idx_t row);

static void zoned_null(struct zoned_vector *z, idx_t row)
{
	for (size_t i = 0; i < COUNT_OF(z->kids); i++)
		cell_set_null(z->kids[i], row);
}

static bool cast_rows(duckdb_function_info info, idx_t n, duckdb_vector from, duckdb_vector to, row_fn *row)
{
	struct casting k = {.info = info, .from = from, .to = to, .unit = (intptr_t)duckdb_cast_function_get_extra_info(info),
			    .try = duckdb_cast_function_get_cast_mode(info) == DUCKDB_CAST_TRY};
	duckdb_logical_type type = duckdb_vector_get_column_type(to);
	bool makes_zoned = duckdb_get_type_id(type) == DUCKDB_TYPE_STRUCT, has_zoned;

	duckdb_destroy_logical_type(&type);
	type = duckdb_vector_get_column_type(from);
	has_zoned = duckdb_get_type_id(type) == DUCKDB_TYPE_STRUCT;
	duckdb_destroy_logical_type(&type);
	if (makes_zoned || has_zoned)
		k.zoned = zoned_of(makes_zoned ? to : from);
	for (idx_t i = 0; i < n && (!k.failed || k.try); i++) {
		if (!is_null(from, i)) {
			row(&k, i);
			continue;
		}
		cell_set_null(to, i);
		if (makes_zoned)
			zoned_null(&k.zoned, i);
	}
	return !k.failed;
}

#define CAST(name) \
	static void name##_row(struct casting *k, idx_t i); \
	static bool name(duckdb_function_info info, idx_t n, duckdb_vector from, duckdb_vector to) \
	{ \
		return cast_rows(info, n, from, to, name##_row); \
	} \
	static void name##_row(struct casting *k, idx_t i)

#define OUT(type, k, i) (((type *)duckdb_vector_get_data((k)->to))[i])
#define IN(type, k, i) (((const type *)duckdb_vector_get_data((k)->from))[i])

/* --- values --- */
static int64_t cut_off(int64_t micros, int64_t unit)
{
	return unit > 1 ? floor_div(micros, unit) * unit : micros;
}

static bool infinite(int64_t micros)
{
	return micros == INT64_MAX || micros == -INT64_MAX;
}

static int64_t wall_of(const struct zoned_vector *z, idx_t i)
{
	return infinite(z->utc[i]) ? z->utc[i] : z->utc[i] + z->zone[i] * MICROS_PER_MINUTE;
}

static void put_zoned(struct casting *k, idx_t i, int64_t utc, int nanos, int zone)
{
	k->zoned.utc[i] = infinite(utc) ? utc : cut_off(utc, k->unit);
	k->zoned.nanos[i] = (int16_t)(k->unit ? 0 : nanos);
	k->zoned.zone[i] = (int16_t)zone;
}

static struct str text_at(struct casting *k, idx_t i)
{
	duckdb_string_t *s = &((duckdb_string_t *)duckdb_vector_get_data(k->from))[i];

	return str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s));
}

static void not_recognized(struct casting *k, idx_t i, const char *what)
{
	enum { SHOWN = 200 };
	struct str s = str_head(text_at(k, i), SHOWN);
	char text[SHOWN + 64];

	snprintf(text, sizeof(text), "%s '%.*s' is not recognized", what, SARG(s));
	k->failed = true;
	if (k->try)
		duckdb_cast_function_set_row_error(k->info, text, i, k->to);
	else
		duckdb_cast_function_set_error(k->info, text);
}

/* --- from an instant with an offset --- */
CAST(zoned_to_wall)
{
	OUT(int64_t, k, i) = wall_of(&k->zoned, i);
}

CAST(zoned_to_instant)
{
	OUT(int64_t, k, i) = k->zoned.utc[i];
}

CAST(zoned_to_date)
{
	int64_t wall = wall_of(&k->zoned, i);

	OUT(int32_t, k, i) = infinite(wall) ? (wall > 0 ? INT32_MAX : -INT32_MAX) : (int32_t)floor_div(wall, MICROS_PER_DAY);
}

CAST(zoned_to_time)
{
	int64_t wall = wall_of(&k->zoned, i);

	OUT(int64_t, k, i) = wall - floor_div(wall, MICROS_PER_DAY) * MICROS_PER_DAY;
}

/* "2024-02-29 15:05:07.250 +0200" */
CAST(zoned_to_text)
{
	int64_t wall = wall_of(&k->zoned, i), seconds = floor_div(wall, MICROS_PER_SECOND);
	int zone = k->zoned.zone[i], size = zone < 0 ? -zone : zone;
	char text[96], *to = text;

	if (infinite(wall)) {
		duckdb_vector_assign_string_element(k->to, i, wall > 0 ? "infinity" : "-infinity");
		return;
	}
	to = text_timestamp(to, seconds, (wall - seconds * MICROS_PER_SECOND) / 1000, 3, ' ');
	*to++ = ' ';
	*to++ = zone < 0 ? '-' : '+';
	to = text_padded(to, (uint64_t)size / 60, 2);
	to = text_padded(to, (uint64_t)size % 60, 2);
	duckdb_vector_assign_string_element_len(k->to, i, text, (idx_t)(to - text));
}

/* Another precision. */
static bool zoned_to_zoned(duckdb_function_info info, idx_t n, duckdb_vector from, duckdb_vector to)
{
	int64_t unit = (intptr_t)duckdb_cast_function_get_extra_info(info);
	struct zoned_vector in = zoned_of(from), out = zoned_of(to);

	for (idx_t i = 0; i < n; i++) {
		if (is_null(from, i)) {
			cell_set_null(to, i);
			zoned_null(&out, i);
			continue;
		}
		out.utc[i] = infinite(in.utc[i]) ? in.utc[i] : cut_off(in.utc[i], unit);
		out.nanos[i] = unit ? 0 : in.nanos[i];
		out.zone[i] = in.zone[i];
	}
	return true;
}

/* --- to one --- */
CAST(micros_to_zoned)
{
	put_zoned(k, i, IN(int64_t, k, i), 0, 0);
}

CAST(nanos_to_zoned)
{
	int64_t nanos = IN(int64_t, k, i), micros = floor_div(nanos, 1000);

	put_zoned(k, i, infinite(nanos) ? nanos : micros, infinite(nanos) ? 0 : (int)(nanos - micros * 1000), 0);
}

CAST(date_to_zoned)
{
	int32_t days = IN(int32_t, k, i);

	put_zoned(k, i, days == INT32_MAX ? INT64_MAX : days == -INT32_MAX ? -INT64_MAX : days * MICROS_PER_DAY, 0, 0);
}

CAST(text_to_zoned)
{
	struct format_time t;
	unsigned has;

	if (!format_read_auto(text_at(k, i), &t, &has) || !(has & FORMAT_HAS_DATE)) {
		zoned_null(&k->zoned, i);
		not_recognized(k, i, "Timestamp");
		return;
	}
	put_zoned(k, i, t.days * MICROS_PER_DAY + t.nanos / 1000 - t.offset_minutes * MICROS_PER_MINUTE, (int)(t.nanos % 1000),
		  t.offset_minutes);
}

/* --- fewer digits --- */
CAST(micros_cut)
{
	int64_t v = IN(int64_t, k, i);

	OUT(int64_t, k, i) = infinite(v) ? v : cut_off(v, k->unit);
}

CAST(text_to_micros)
{
	struct format_time t;
	unsigned has;

	if (!format_read_auto(text_at(k, i), &t, &has) || !(has & FORMAT_HAS_DATE)) {
		not_recognized(k, i, "Timestamp");
		return;
	}
	OUT(int64_t, k, i) = cut_off(t.days * MICROS_PER_DAY + t.nanos / 1000, k->unit);
}

CAST(text_to_instant)
{
	struct format_time t;
	unsigned has;

	if (!format_read_auto(text_at(k, i), &t, &has) || !(has & FORMAT_HAS_DATE)) {
		not_recognized(k, i, "Timestamp");
		return;
	}
	OUT(int64_t, k, i) = cut_off(t.days * MICROS_PER_DAY + t.nanos / 1000 - t.offset_minutes * MICROS_PER_MINUTE, k->unit);
}

CAST(text_to_time)
{
	struct format_time t;
	unsigned has;

	if (!format_read_auto(text_at(k, i), &t, &has) || !(has & FORMAT_HAS_HOUR)) {
		not_recognized(k, i, "Time");
		return;
	}
	OUT(int64_t, k, i) = cut_off(t.nanos / 1000, k->unit);
}

static bool same_bytes(duckdb_function_info info, idx_t n, duckdb_vector from, duckdb_vector to)
{
	(void)info;
	(void)n;
	duckdb_vector_reference_vector(to, from);
	return true;
}

/* --- registering --- */
duckdb_logical_type sf_zoned_type(int digits)
{
	static const char *const names[] = {"utc", "nanos", "zone"};
	duckdb_logical_type kids[] = {duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP),
					 duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT),
				      duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT)};
	duckdb_logical_type type = duckdb_create_struct_type(kids, (const char **)(uintptr_t)names, COUNT_OF(kids));
	char name[32];

	for (size_t i = 0; i < COUNT_OF(kids); i++)
		duckdb_destroy_logical_type(&kids[i]);
	snprintf(name, sizeof(name), digits == DIGITS_MAX ? "TIMESTAMP_TZ" : "TIMESTAMP_TZ_%d", digits);
	duckdb_logical_type_set_alias(type, name);
	return type;
}

struct registry {
	duckdb_connection con;
	bool ok;
};

static int64_t unit_of(int digits)
{
	int64_t unit = 1;

	if (digits >= DIGITS_MAX)
		return 0;
	for (; digits < 6; digits++)
		unit *= 10;
	return unit;
}

static void cast_between(struct registry *r, duckdb_logical_type from, duckdb_logical_type to, duckdb_cast_function_t f,
			 const int64_t cost_unit[2])
{
	duckdb_cast_function k = duckdb_create_cast_function();

	duckdb_cast_function_set_source_type(k, from);
	duckdb_cast_function_set_target_type(k, to);
	duckdb_cast_function_set_implicit_cast_cost(k, cost_unit[0]);
	duckdb_cast_function_set_extra_info(k, (void *)(intptr_t)cost_unit[1], NULL);
	duckdb_cast_function_set_function(k, f);
	r->ok = r->ok && duckdb_register_cast_function(r->con, k) == DuckDBSuccess;
	duckdb_destroy_cast_function(&k);
}

struct partner { /* a type of DuckDB's that ours is cast to or from */
	duckdb_type type;
	duckdb_cast_function_t to, from; /* NULL: there is none */
	int64_t cost;                    /* of `to` where nobody asked for it */
};

static void cast_partners(struct registry *r, duckdb_logical_type ours, int digits, const struct partner *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		duckdb_logical_type theirs = duckdb_create_logical_type(v[i].type);

		if (v[i].to)
			cast_between(r, ours, theirs, v[i].to, (int64_t[2]){v[i].cost, 0});
		if (v[i].from)
			cast_between(r, theirs, ours, v[i].from, (int64_t[2]){COST_NEVER, unit_of(digits)});
		duckdb_destroy_logical_type(&theirs);
	}
}

static const struct partner of_zoned[] = {
	{DUCKDB_TYPE_TIMESTAMP, zoned_to_wall, micros_to_zoned, COST_WALL},
	{DUCKDB_TYPE_TIMESTAMP_TZ, zoned_to_instant, micros_to_zoned, COST_INSTANT},
	{DUCKDB_TYPE_TIMESTAMP_NS, NULL, nanos_to_zoned, 0},
	{DUCKDB_TYPE_DATE, zoned_to_date, date_to_zoned, COST_DAY},
	{DUCKDB_TYPE_TIME, zoned_to_time, NULL, COST_NEVER},
	{DUCKDB_TYPE_VARCHAR, zoned_to_text, text_to_zoned, COST_TEXT},
};

static void register_zoned(struct registry *r, int digits)
{
	duckdb_logical_type type = sf_zoned_type(digits), whole = sf_zoned_type(DIGITS_MAX);

	r->ok = r->ok && duckdb_register_logical_type(r->con, type, NULL) == DuckDBSuccess;
	cast_partners(r, type, digits, of_zoned, COUNT_OF(of_zoned));
	if (digits < DIGITS_MAX) {
		cast_between(r, type, whole, zoned_to_zoned, (int64_t[2]){COST_SAME, 0});
		cast_between(r, whole, type, zoned_to_zoned, (int64_t[2]){COST_NEVER, unit_of(digits)});
	}
	duckdb_destroy_logical_type(&type);
	duckdb_destroy_logical_type(&whole);
}

static void register_short(struct registry *r, const char *name, int digits, const struct partner *v, size_t n)
{
	duckdb_logical_type type = duckdb_create_logical_type(v[0].type);
	char alias[32];

	snprintf(alias, sizeof(alias), "%s_%d", name, digits);
	duckdb_logical_type_set_alias(type, alias);
	r->ok = r->ok && duckdb_register_logical_type(r->con, type, NULL) == DuckDBSuccess;
	cast_partners(r, type, digits, v, n);
	duckdb_destroy_logical_type(&type);
}

/* The first one is what our type is stored as. */
static const struct partner of_wall[] = {
	{DUCKDB_TYPE_TIMESTAMP, same_bytes, micros_cut, COST_SAME},
	{DUCKDB_TYPE_VARCHAR, NULL, text_to_micros, 0},
};
static const struct partner of_instant[] = {
	{DUCKDB_TYPE_TIMESTAMP_TZ, same_bytes, micros_cut, COST_SAME},
	{DUCKDB_TYPE_VARCHAR, NULL, text_to_instant, 0},
};
static const struct partner of_time[] = {
	{DUCKDB_TYPE_TIME, same_bytes, micros_cut, COST_SAME},
	{DUCKDB_TYPE_VARCHAR, NULL, text_to_time, 0},
};

/* --- functions --- */
static void zone_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	duckdb_vector from = duckdb_data_chunk_get_vector(input, 0);
	struct zoned_vector z = zoned_of(from);
	int16_t *out = duckdb_vector_get_data(output);
	idx_t n = duckdb_data_chunk_get_size(input);

	(void)info;
	for (idx_t i = 0; i < n; i++) {
		if (is_null(from, i))
			cell_set_null(output, i);
		else
			out[i] = z.zone[i];
	}
}

static void name_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	duckdb_vector from = duckdb_data_chunk_get_vector(input, 0);
	duckdb_string_t *in = duckdb_vector_get_data(from);
	idx_t n = duckdb_data_chunk_get_size(input);
	OWNS(buf) name = {0};

	(void)info;
	for (idx_t i = 0; i < n; i++) {
		if (is_null(from, i)) {
			cell_set_null(output, i);
			continue;
		}
		buf_clear(&name);
		sf_type_name(str_from(duckdb_string_t_data(&in[i]), duckdb_string_t_length(in[i])), &name);
		duckdb_vector_assign_string_element_len(output, i, name.p, name.n);
	}
}

static void register_function(struct registry *r, const char *name, duckdb_logical_type from, duckdb_type to,
			      duckdb_scalar_function_t run)
{
	duckdb_scalar_function f = duckdb_create_scalar_function();
	duckdb_logical_type result = duckdb_create_logical_type(to);

	duckdb_scalar_function_set_name(f, name);
	duckdb_scalar_function_add_parameter(f, from);
	duckdb_scalar_function_set_return_type(f, result);
	duckdb_scalar_function_set_function(f, run);
	r->ok = r->ok && duckdb_register_scalar_function(r->con, f) == DuckDBSuccess;
	duckdb_destroy_scalar_function(&f);
	duckdb_destroy_logical_type(&result);
}

bool sf_types_register(struct call *c, duckdb_connection con)
{
	struct registry r = {con, true};
	duckdb_logical_type zoned = sf_zoned_type(DIGITS_MAX), text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);

	for (int digits = DIGITS_MAX; digits >= 0; digits--) {
		register_zoned(&r, digits);
		if (digits == DIGITS_MAX)
			continue;
		register_short(&r, "TIMESTAMP_NTZ", digits, of_wall, COUNT_OF(of_wall));
		register_short(&r, "TIMESTAMP_LTZ", digits, of_instant, COUNT_OF(of_instant));
		register_short(&r, "TIME", digits, of_time, COUNT_OF(of_time));
	}
	register_function(&r, "SF_TZ_ZONE", zoned, DUCKDB_TYPE_SMALLINT, zone_run);
	register_function(&r, "SF_TYPE_NAME", text, DUCKDB_TYPE_VARCHAR, name_run);
	duckdb_destroy_logical_type(&zoned);
	duckdb_destroy_logical_type(&text);
	return r.ok || fail(c, ERR_INTERNAL, "Snowflake's types could not be registered");
}
