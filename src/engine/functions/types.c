/* types.c - Snowflake's types of time that DuckDB lacks, as aliases with casts of their own.
 *
 * TIMESTAMP_TZ is an INTERVAL that compares as its instant does and spells the
 * offset in minutes (zoned_pack). TIMESTAMP_TZ_n, TIMESTAMP_NTZ_n, TIMESTAMP_LTZ_n and TIME_n have n
 * digits of a second and cut off what is finer. A cast has no session: a text
 * or a time without an offset gets +00:00. Any thread.
 */
#include "base/clock.h"
#include "engine/format.h"
#include "engine/functions/types.h"

#include <stdio.h>

enum { COST_SAME = 1, COST_NEVER = -1, COST_TEXT = 200, DIGITS_MAX = 9 };
/* Above two arguments of any type, which cost 5 each: ARG_MIN(ANY, ANY) is before ARG_MIN(INTEGER, TIMESTAMP). */
enum { COST_WALL = 11, COST_INSTANT = 20, COST_DAY = 30 };
#define MICROS_PER_SECOND INT64_C(1000000)
#define MICROS_PER_DAY (86400 * MICROS_PER_SECOND)
#define MICROS_PER_MINUTE (60 * MICROS_PER_SECOND)

/* --- instants with an offset --- */
#define NANOS_PER_DAY ((__int128)86400000000) /* a day of an INTERVAL's, which we count in nanoseconds */
#define NANOS_PER_MONTH (30 * NANOS_PER_DAY)
enum { DAYS_OF_UTC = 40000 /* more than any offset is below it: what is below the months stays positive */ };

static bool infinite(int64_t micros)
{
	return micros == INT64_MAX || micros == -INT64_MAX;
}

bool zoned_pack(struct zoned z, duckdb_interval *ret)
{
	__int128 nanos, months;
	int days = DAYS_OF_UTC + z.zone;

	if (infinite(z.utc)) {
		*ret = (duckdb_interval){z.utc > 0 ? INT32_MAX : INT32_MIN, 0, 0};
		return true;
	}
	nanos = (__int128)z.utc * 1000 + z.nanos - days * NANOS_PER_DAY;
	months = nanos / NANOS_PER_MONTH - (nanos % NANOS_PER_MONTH < 0);
	if (months > INT32_MAX / 2 || months < INT32_MIN / 2)
		return false;
	*ret = (duckdb_interval){(int32_t)months, days, (int64_t)(nanos - months * NANOS_PER_MONTH)};
	return true;
}

struct zoned zoned_unpack(duckdb_interval v)
{
	__int128 nanos = v.months * NANOS_PER_MONTH + v.days * NANOS_PER_DAY + v.micros, micros;

	if (v.months == INT32_MAX || v.months == INT32_MIN)
		return (struct zoned){v.months > 0 ? INT64_MAX : -INT64_MAX, 0, 0};
	micros = nanos / 1000 - (nanos % 1000 < 0);
	return (struct zoned){(int64_t)micros, (int)(nanos - micros * 1000), v.days - DAYS_OF_UTC};
}

/* --- vectors --- */
static bool is_null(duckdb_vector v, idx_t row)
{
	uint64_t *valid = duckdb_vector_get_validity(v);

	return valid && !duckdb_validity_row_is_valid(valid, row);
}

struct casting { /* one vector */
	duckdb_function_info info;
	duckdb_vector from, to;
	int64_t unit;              /* extra: what is cut off, in microseconds */
	bool try, failed;
};
typedef void row_fn(struct casting *k, idx_t row);

static bool cast_rows(duckdb_function_info info, idx_t n, duckdb_vector from, duckdb_vector to, row_fn *row)
{
	struct casting k = {.info = info, .from = from, .to = to, .unit = (intptr_t)duckdb_cast_function_get_extra_info(info),
			    .try = duckdb_cast_function_get_cast_mode(info) == DUCKDB_CAST_TRY};

	for (idx_t i = 0; i < n && (!k.failed || k.try); i++) {
		if (is_null(from, i))
			cell_set_null(to, i);
		else
			row(&k, i);
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

static void fails(struct casting *k, idx_t i, const char *text)
{
	k->failed = true;
	if (k->try)
		duckdb_cast_function_set_row_error(k->info, text, i, k->to);
	else
		duckdb_cast_function_set_error(k->info, text);
}

static struct zoned zoned_at(const struct casting *k, idx_t i)
{
	return zoned_unpack(IN(duckdb_interval, k, i));
}

static int64_t wall_of(struct zoned z)
{
	return infinite(z.utc) ? z.utc : z.utc + z.zone * MICROS_PER_MINUTE;
}

static void put_zoned(struct casting *k, idx_t i, struct zoned z)
{
	if (!infinite(z.utc))
		z.utc = cut_off(z.utc, k->unit);
	if (k->unit)
		z.nanos = 0;
	if (!zoned_pack(z, &OUT(duckdb_interval, k, i)))
		fails(k, i, "Timestamp is out of range");
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
	fails(k, i, text);
}

/* --- from an instant with an offset --- */
CAST(zoned_to_wall)
{
	OUT(int64_t, k, i) = wall_of(zoned_at(k, i));
}

CAST(zoned_to_instant)
{
	OUT(int64_t, k, i) = zoned_at(k, i).utc;
}

CAST(zoned_to_date)
{
	int64_t wall = wall_of(zoned_at(k, i));

	OUT(int32_t, k, i) = infinite(wall) ? (wall > 0 ? INT32_MAX : -INT32_MAX) : (int32_t)floor_div(wall, MICROS_PER_DAY);
}

CAST(zoned_to_time)
{
	int64_t wall = wall_of(zoned_at(k, i));

	OUT(int64_t, k, i) = wall - floor_div(wall, MICROS_PER_DAY) * MICROS_PER_DAY;
}

/* "2024-02-29 15:05:07.250 +0200" */
CAST(zoned_to_text)
{
	struct zoned z = zoned_at(k, i);
	int64_t wall = wall_of(z), seconds = floor_div(wall, MICROS_PER_SECOND);
	int zone = z.zone, size = zone < 0 ? -zone : zone;
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
CAST(zoned_to_zoned)
{
	put_zoned(k, i, zoned_at(k, i));
}

/* --- to one --- */
CAST(micros_to_zoned)
{
	put_zoned(k, i, (struct zoned){IN(int64_t, k, i), 0, 0});
}

CAST(nanos_to_zoned)
{
	int64_t nanos = IN(int64_t, k, i), micros = floor_div(nanos, 1000);

	put_zoned(k, i, infinite(nanos) ? (struct zoned){nanos, 0, 0} : (struct zoned){micros, (int)(nanos - micros * 1000), 0});
}

CAST(date_to_zoned)
{
	int32_t days = IN(int32_t, k, i);
	int64_t utc = days == INT32_MAX ? INT64_MAX : days == -INT32_MAX ? -INT64_MAX : days * MICROS_PER_DAY;

	put_zoned(k, i, (struct zoned){utc, 0, 0});
}

CAST(text_to_zoned)
{
	struct format_time t;
	unsigned has;

	if (!format_read_auto(text_at(k, i), &t, &has) || !(has & FORMAT_HAS_DATE)) {
		not_recognized(k, i, "Timestamp");
		return;
	}
	put_zoned(k, i, (struct zoned){t.days * MICROS_PER_DAY + t.nanos / 1000 - t.offset_minutes * MICROS_PER_MINUTE,
				       (int)(t.nanos % 1000), t.offset_minutes});
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

/* Values that are bound. */
static bool parts_to_zoned(duckdb_function_info info, idx_t n, duckdb_vector from, duckdb_vector to)
{
	struct casting k = {.info = info, .from = from, .to = to, .try = duckdb_cast_function_get_cast_mode(info) == DUCKDB_CAST_TRY};
	const int64_t *utc = duckdb_vector_get_data(duckdb_struct_vector_get_child(from, 0));
	const int16_t *nanos = duckdb_vector_get_data(duckdb_struct_vector_get_child(from, 1));
	const int16_t *zone = duckdb_vector_get_data(duckdb_struct_vector_get_child(from, 2));

	for (idx_t i = 0; i < n; i++) {
		bool null = is_null(from, i);

		for (idx_t kid = 0; kid < 3; kid++)
			null = null || is_null(duckdb_struct_vector_get_child(from, kid), i);
		if (null)
			cell_set_null(to, i);
		else if (nanos[i] < 0 || nanos[i] > 999 || zone[i] < -1440 || zone[i] > 1440)
			fails(&k, i, "Timestamp is out of range");
		else
			put_zoned(&k, i, (struct zoned){utc[i], nanos[i], zone[i]});
	}
	return !k.failed;
}

/* --- registering --- */
duckdb_logical_type sf_zoned_parts(void)
{
	static const char *const names[] = {"utc", "nanos", "zone"};
	duckdb_logical_type kids[] = {duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP),
				      duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT),
				      duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT)};
	duckdb_logical_type type = duckdb_create_struct_type(kids, (const char **)(uintptr_t)names, COUNT_OF(kids));

	for (size_t i = 0; i < COUNT_OF(kids); i++)
		duckdb_destroy_logical_type(&kids[i]);
	return type;
}

duckdb_logical_type sf_zoned_type(int digits)
{
	duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_INTERVAL);
	char name[32];

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
	{DUCKDB_TYPE_INTERVAL, same_bytes, NULL, COST_NEVER}, /* what it is compared by */
};

static void register_zoned(struct registry *r, int digits)
{
	duckdb_logical_type type = sf_zoned_type(digits), whole = sf_zoned_type(DIGITS_MAX), parts = sf_zoned_parts();

	r->ok = r->ok && duckdb_register_logical_type(r->con, type, NULL) == DuckDBSuccess;
	cast_partners(r, type, digits, of_zoned, COUNT_OF(of_zoned));
	if (digits < DIGITS_MAX)
		cast_between(r, type, whole, zoned_to_zoned, (int64_t[2]){COST_SAME, 0});
	else
		cast_between(r, parts, whole, parts_to_zoned, (int64_t[2]){COST_NEVER, 0});
	duckdb_destroy_logical_type(&parts);
	duckdb_destroy_logical_type(&type);
	duckdb_destroy_logical_type(&whole);
}

static duckdb_logical_type short_type(const char *name, duckdb_type stored, int digits)
{
	duckdb_logical_type type = duckdb_create_logical_type(stored);
	char alias[32];

	snprintf(alias, sizeof(alias), "%s_%d", name, digits);
	duckdb_logical_type_set_alias(type, alias);
	return type;
}

static void register_short(struct registry *r, const char *name, int digits, const struct partner *v, size_t n)
{
	duckdb_logical_type type = short_type(name, v[0].type, digits);

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

/* Columns of one type with other digits meet in joins, unions and INSERTs. */
static void register_other_digits(struct registry *r, int from, int to)
{
	duckdb_logical_type zoned = sf_zoned_type(to), whence = sf_zoned_type(from);
	static const struct {
		const char *name;
		duckdb_type stored;
		bool has_day;
	} types[] = {{"TIMESTAMP_NTZ", DUCKDB_TYPE_TIMESTAMP, true}, {"TIMESTAMP_LTZ", DUCKDB_TYPE_TIMESTAMP_TZ, true},
		     {"TIME", DUCKDB_TYPE_TIME, false}};
	const int64_t cost_unit[2] = {COST_NEVER, unit_of(to)};

	if (from != to && to < DIGITS_MAX) /* to all digits: register_zoned() */
		cast_between(r, whence, zoned, zoned_to_zoned, cost_unit);
	for (size_t i = 0; i < COUNT_OF(types) && from < DIGITS_MAX; i++) {
		duckdb_logical_type a = short_type(types[i].name, types[i].stored, from);
		duckdb_logical_type b = short_type(types[i].name, types[i].stored, to);

		if (types[i].has_day)
			cast_between(r, a, zoned, micros_to_zoned, cost_unit);
		if (from != to && to < DIGITS_MAX)
			cast_between(r, a, b, micros_cut, cost_unit);
		duckdb_destroy_logical_type(&a);
		duckdb_destroy_logical_type(&b);
	}
	duckdb_destroy_logical_type(&zoned);
	duckdb_destroy_logical_type(&whence);
}

/* --- sums: by the clock on the wall, which keeps its offset --- */
static int64_t months_later(int64_t days, int64_t months)
{
	int64_t year, month;
	unsigned m, day, last;

	clock_civil_from_days(days, &year, &m, &day);
	months += year * 12 + (m - 1);
	year = floor_div(months, 12);
	month = months - year * 12 + 1;
	last = (unsigned)(clock_days_from_civil(month == 12 ? year + 1 : year, month == 12 ? 1 : (unsigned)month + 1, 1) -
			  clock_days_from_civil(year, (unsigned)month, 1));
	return clock_days_from_civil(year, (unsigned)month, day < last ? day : last);
}

static bool zoned_sum(struct zoned z, duckdb_interval by, int sign, duckdb_interval *ret)
{
	int64_t wall = wall_of(z), days = floor_div(wall, MICROS_PER_DAY), time = wall - days * MICROS_PER_DAY;
	__int128 utc;

	if (infinite(z.utc))
		return zoned_pack(z, ret);
	if (by.months)
		days = months_later(days, (int64_t)sign * by.months);
	utc = (__int128)(days + (int64_t)sign * by.days) * MICROS_PER_DAY + time + (__int128)by.micros * sign -
	      z.zone * MICROS_PER_MINUTE;
	if (utc > INT64_MAX / 2 || utc < INT64_MIN / 2)
		return false;
	z.utc = (int64_t)utc;
	return zoned_pack(z, ret);
}

static bool zoned_add(duckdb_interval a, duckdb_interval b, duckdb_interval *ret)
{
	return zoned_sum(zoned_unpack(a), b, 1, ret);
}

static bool zoned_added(duckdb_interval a, duckdb_interval b, duckdb_interval *ret)
{
	return zoned_sum(zoned_unpack(b), a, 1, ret);
}

static bool zoned_subtract(duckdb_interval a, duckdb_interval b, duckdb_interval *ret)
{
	return zoned_sum(zoned_unpack(a), b, -1, ret);
}

/* Days and time, as a TIMESTAMP less a TIMESTAMP is. */
static bool zoned_between(duckdb_interval a, duckdb_interval b, duckdb_interval *ret)
{
	int64_t to = zoned_unpack(a).utc, from = zoned_unpack(b).utc, micros;

	if (infinite(to) || infinite(from) || __builtin_sub_overflow(to, from, &micros) || micros / MICROS_PER_DAY > INT32_MAX ||
	    micros / MICROS_PER_DAY < INT32_MIN)
		return false;
	*ret = (duckdb_interval){0, (int32_t)(micros / MICROS_PER_DAY), micros % MICROS_PER_DAY};
	return true;
}

typedef bool sum_fn(duckdb_interval a, duckdb_interval b, duckdb_interval *ret);

static void sum_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output, sum_fn *sum)
{
	duckdb_vector a = duckdb_data_chunk_get_vector(input, 0), b = duckdb_data_chunk_get_vector(input, 1);
	const duckdb_interval *left = duckdb_vector_get_data(a), *right = duckdb_vector_get_data(b);
	duckdb_interval *out = duckdb_vector_get_data(output);
	idx_t n = duckdb_data_chunk_get_size(input);

	for (idx_t i = 0; i < n; i++) {
		if (is_null(a, i) || is_null(b, i)) {
			cell_set_null(output, i);
		} else if (!sum(left[i], right[i], &out[i])) {
			duckdb_scalar_function_set_error(info, "Timestamp is out of range");
			return;
		}
	}
}

#define SUM(name) \
	static void name##_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) \
	{ \
		sum_run(info, input, output, name); \
	}
SUM(zoned_add)
SUM(zoned_added)
SUM(zoned_subtract)
SUM(zoned_between)

/* --- functions --- */
static void zone_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	duckdb_vector from = duckdb_data_chunk_get_vector(input, 0);
	const duckdb_interval *in = duckdb_vector_get_data(from);
	int16_t *out = duckdb_vector_get_data(output);
	idx_t n = duckdb_data_chunk_get_size(input);

	(void)info;
	for (idx_t i = 0; i < n; i++) {
		if (is_null(from, i))
			cell_set_null(output, i);
		else
			out[i] = (int16_t)zoned_unpack(in[i]).zone;
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

struct signature {
	const char *name;
	duckdb_logical_type from, and_from, to; /* and_from NULL: one argument */
	duckdb_scalar_function_t run;
};

static void register_function(struct registry *r, const struct signature *v)
{
	duckdb_scalar_function f = duckdb_create_scalar_function();

	duckdb_scalar_function_set_name(f, v->name);
	duckdb_scalar_function_add_parameter(f, v->from);
	if (v->and_from)
		duckdb_scalar_function_add_parameter(f, v->and_from);
	duckdb_scalar_function_set_return_type(f, v->to);
	duckdb_scalar_function_set_function(f, v->run);
	r->ok = r->ok && duckdb_register_scalar_function(r->con, f) == DuckDBSuccess;
	duckdb_destroy_scalar_function(&f);
}

static void register_functions(struct registry *r)
{
	duckdb_logical_type zoned = sf_zoned_type(DIGITS_MAX), text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	duckdb_logical_type small = duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT);
	duckdb_logical_type span = duckdb_create_logical_type(DUCKDB_TYPE_INTERVAL);
	const struct signature functions[] = {
		{"SF_TZ_ZONE", zoned, NULL, small, zone_run},
		{"SF_TYPE_NAME", text, NULL, text, name_run},
		{"+", zoned, span, zoned, zoned_add_run},
		{"+", span, zoned, zoned, zoned_added_run},
		{"-", zoned, span, zoned, zoned_subtract_run},
		{"-", zoned, zoned, span, zoned_between_run},
	};

	for (size_t i = 0; i < COUNT_OF(functions); i++)
		register_function(r, &functions[i]);
	duckdb_destroy_logical_type(&zoned);
	duckdb_destroy_logical_type(&text);
	duckdb_destroy_logical_type(&small);
	duckdb_destroy_logical_type(&span);
}

bool sf_types_register(struct call *c, duckdb_connection con)
{
	struct registry r = {con, true};

	for (int digits = DIGITS_MAX; digits >= 0; digits--) {
		register_zoned(&r, digits);
		if (digits == DIGITS_MAX)
			continue;
		register_short(&r, "TIMESTAMP_NTZ", digits, of_wall, COUNT_OF(of_wall));
		register_short(&r, "TIMESTAMP_LTZ", digits, of_instant, COUNT_OF(of_instant));
		register_short(&r, "TIME", digits, of_time, COUNT_OF(of_time));
	}
	for (int from = 0; from <= DIGITS_MAX; from++)
		for (int to = 0; to <= DIGITS_MAX; to++)
			if (from < DIGITS_MAX || to < DIGITS_MAX)
				register_other_digits(&r, from, to);
	register_functions(&r);
	return r.ok || fail(c, ERR_INTERNAL, "Snowflake's types could not be registered");
}
