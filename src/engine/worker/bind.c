/* bind.c - bind values from their texts to DuckDB's parameters.
 *
 * One reader a type (specification, section 3). Every value is read before
 * anything runs; one that cannot be read is said with its type.
 */
#include "engine/functions/types.h"
#include "sql/sql.h"

#include <math.h>
#include <stdlib.h>

typedef bool bind_fn(duckdb_prepared_statement st, idx_t at, struct str value);

static bool bind_null(duckdb_prepared_statement st, idx_t at, struct str value)
{
	(void)value;
	return duckdb_bind_null(st, at) == DuckDBSuccess;
}

/* --- numbers --- */
/* [+-] digits [. digits], at most 38 that count. */
bool bind_read_decimal(struct str s, struct bind_decimal *ret)
{
	bool negative = s.n && s.p[0] == '-', point = false, any = false;
	struct bind_decimal d = {0};

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_tail(s, 1);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (!ascii_digit(s.p[i]))
			return false;
		if (d.digits == 38 || d.scale == 38)
			return false;
		any = true;
		d.value = d.value * 10 + (s.p[i] - '0');
		d.digits += d.value != 0;
		d.scale += point;
	}
	if (negative)
		d.value = -d.value;
	*ret = d;
	return any;
}

static duckdb_hugeint hugeint(__int128 v)
{
	return (duckdb_hugeint){.lower = (uint64_t)v, .upper = (int64_t)(v >> 64)};
}

static bool bind_fixed(duckdb_prepared_statement st, idx_t at, struct str value)
{
	struct bind_decimal d;
	duckdb_decimal out;

	if (!bind_read_decimal(value, &d))
		return false;
	if (d.scale == 0 && d.digits <= 18)
		return duckdb_bind_int64(st, at, (int64_t)d.value) == DuckDBSuccess;
	out.width = (uint8_t)(d.digits > d.scale ? d.digits : d.scale);
	out.scale = (uint8_t)d.scale;
	out.value = hugeint(d.value);
	return duckdb_bind_decimal(st, at, out) == DuckDBSuccess;
}

static bool bind_int(duckdb_prepared_statement st, idx_t at, struct str value)
{
	struct bind_decimal d;
	int64_t small;

	if (str_to_i64(value, &small))
		return duckdb_bind_int64(st, at, small) == DuckDBSuccess;
	if (!bind_read_decimal(value, &d) || d.scale)
		return false;
	return duckdb_bind_hugeint(st, at, hugeint(d.value)) == DuckDBSuccess;
}

/* strtod reads more than we take: hexadecimal, "inf", "nan(…)", leading blanks. */
static bool read_real(struct str s, double *ret)
{
	char text[64];
	char *end;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) && (s.p[i] == '\0' || !strchr("+-.eE", s.p[i])))
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*ret = strtod(text, &end);
	return end == text + s.n;
}

bool bind_read_real(struct str value, double *ret)
{
	if (str_eq(value, S("NaN")))
		*ret = NAN;
	else if (str_eq(value, S("Infinity")) || str_eq(value, S("-Infinity")))
		*ret = value.p[0] == '-' ? -INFINITY : INFINITY;
	else
		return read_real(value, ret);
	return true;
}

static bool bind_real(duckdb_prepared_statement st, idx_t at, struct str value)
{
	double v;

	return bind_read_real(value, &v) && duckdb_bind_double(st, at, v) == DuckDBSuccess;
}

static bool bind_boolean(duckdb_prepared_statement st, idx_t at, struct str value)
{
	bool yes = str_ieq(value, S("true")) || str_eq(value, S("1"));

	if (!yes && !str_ieq(value, S("false")) && !str_eq(value, S("0")))
		return false;
	return duckdb_bind_boolean(st, at, yes) == DuckDBSuccess;
}

/* --- text and bytes --- */
static bool bind_text(duckdb_prepared_statement st, idx_t at, struct str value)
{
	return str_is_utf8(value) && duckdb_bind_varchar_length(st, at, value.p ? value.p : "", value.n) == DuckDBSuccess;
}

static bool bind_binary(duckdb_prepared_statement st, idx_t at, struct str value)
{
	OWNS(buf) bytes = {0};

	return hash_unhex(value, &bytes) &&
	       duckdb_bind_blob(st, at, bytes.p ? bytes.p : "", bytes.n) == DuckDBSuccess;
}

/* --- time --- */
static bool bind_made(duckdb_prepared_statement st, idx_t at, duckdb_value v)
{
	bool ok = duckdb_bind_value(st, at, v) == DuckDBSuccess;

	duckdb_destroy_value(&v);
	return ok;
}

static bool bind_date(duckdb_prepared_statement st, idx_t at, struct str value)
{
	int64_t ms, days;

	if (!str_to_i64(value, &ms))
		return false;
	days = floor_div(ms, 86400000);
	if (days <= INT32_MIN + 1 || days >= INT32_MAX)
		return false;
	return duckdb_bind_date(st, at, (duckdb_date){(int32_t)days}) == DuckDBSuccess;
}

static bool bind_time(duckdb_prepared_statement st, idx_t at, struct str value)
{
	int64_t ns;

	if (!str_to_i64(value, &ns) || ns < 0 || ns >= 86400000000000)
		return false;
	if (ns % 1000 == 0)
		return duckdb_bind_time(st, at, (duckdb_time){ns / 1000}) == DuckDBSuccess;
	return bind_made(st, at, duckdb_create_time_ns((duckdb_time_ns){ns}));
}

bool bind_read_instant(struct str s, struct bind_instant *ret)
{
	const __int128 most = (__int128)INT64_MAX / 2 * 1000;
	struct bind_decimal d;
	__int128 micros;

	if (!bind_read_decimal(s, &d) || d.scale || d.value > most || d.value < -most)
		return false;
	micros = d.value / 1000 - (d.value % 1000 < 0);
	*ret = (struct bind_instant){(int64_t)micros, (int)(d.value - micros * 1000)};
	return true;
}

/* Whole microseconds as TIMESTAMP, and what no TIMESTAMP_NS holds; what is finer as TIMESTAMP_NS, which few functions know. */
static bool bind_ntz(duckdb_prepared_statement st, idx_t at, struct str value)
{
	struct bind_instant v;

	if (!bind_read_instant(value, &v))
		return false;
	if (v.nanos == 0 || !bind_instant_is_near(&v))
		return duckdb_bind_timestamp(st, at, (duckdb_timestamp){v.micros}) == DuckDBSuccess;
	return bind_made(st, at, duckdb_create_timestamp_ns((duckdb_timestamp_ns){v.micros * 1000 + v.nanos}));
}

static bool bind_instant(duckdb_prepared_statement st, idx_t at, struct str value)
{
	struct bind_instant v;

	return bind_read_instant(value, &v) && duckdb_bind_timestamp_tz(st, at, (duckdb_timestamp){v.micros}) == DuckDBSuccess;
}

/* "<ns> <offset minutes + 1440>"; the text casts it (bind_casts) */
static bool bind_tz(duckdb_prepared_statement st, idx_t at, struct str value)
{
	enum { OFFSET_ZERO = 1440 };
	struct str rest = value, text = str_cut(&rest, ' ');
	duckdb_logical_type type;
	duckdb_value fields[3], made;
	struct bind_instant v;
	int64_t offset;

	if (!bind_read_instant(text, &v) || !str_to_i64(rest, &offset) || offset < 0 || offset > 2 * OFFSET_ZERO)
		return false;
	fields[0] = duckdb_create_timestamp((duckdb_timestamp){v.micros});
	fields[1] = duckdb_create_int16((int16_t)v.nanos);
	fields[2] = duckdb_create_int16((int16_t)(offset - OFFSET_ZERO));
	type = sf_zoned_parts();
	made = duckdb_create_struct_value(type, fields);
	duckdb_destroy_logical_type(&type);
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		duckdb_destroy_value(&fields[i]);
	return bind_made(st, at, made);
}

static const struct {
	const char *name;
	bind_fn *bind;
} binders[ENGINE_B_COUNT] = {
	[ENGINE_B_NULL] = {"NULL", bind_null},
	[ENGINE_B_FIXED] = {"FIXED", bind_fixed},
	[ENGINE_B_REAL] = {"REAL", bind_real},
	[ENGINE_B_TEXT] = {"TEXT", bind_text},
	[ENGINE_B_BOOLEAN] = {"BOOLEAN", bind_boolean},
	[ENGINE_B_DATE] = {"DATE", bind_date},
	[ENGINE_B_TIME] = {"TIME", bind_time},
	[ENGINE_B_TIMESTAMP_NTZ] = {"TIMESTAMP_NTZ", bind_ntz},
	[ENGINE_B_TIMESTAMP_LTZ] = {"TIMESTAMP_LTZ", bind_instant},
	[ENGINE_B_TIMESTAMP_TZ] = {"TIMESTAMP_TZ", bind_tz},
	[ENGINE_B_BINARY] = {"BINARY", bind_binary},
	[ENGINE_B_INT] = {"INT", bind_int},
	[ENGINE_B_DOUBLE] = {"DOUBLE", bind_real},
};

/* Which of the ask's binds is parameter `at` (1-based)? -1: none. */
static int bind_for(const struct engine_ask *ask, duckdb_prepared_statement st, idx_t at)
{
	const char *name = duckdb_parameter_name(st, at);
	int found = -1;
	uint64_t n;

	if (name && str_to_u64(str_of(name), &n)) {
		found = n >= 1 && n <= (uint64_t)ask->nbinds ? (int)n - 1 : -1;
	} else {
		for (int i = 0; name && ask->bind_names && i < ask->nbinds; i++)
			if (str_ieq(ask->bind_names[i], str_of(name)))
				found = i;
	}
	duckdb_free((void *)(uintptr_t)name);
	return found;
}

/* The bind of placeholder `k`; NULL: there is none. */
static const struct engine_bind *bind_named(const struct engine_ask *ask, const struct sql_token *k)
{
	struct str name = str_tail(k->text, 1);
	uint64_t n;

	if (str_to_u64(name, &n))
		return n >= 1 && n <= (uint64_t)ask->nbinds ? &ask->binds[n - 1] : NULL;
	for (int i = 0; ask->bind_names && i < ask->nbinds; i++)
		if (str_ieq(ask->bind_names[i], name))
			return &ask->binds[i];
	return NULL;
}

static bool has_zoned(const struct engine_ask *ask)
{
	bool any = false;

	for (int i = 0; i < ask->nbinds; i++)
		any = any || ask->binds[i].type == ENGINE_B_TIMESTAMP_TZ;
	return any;
}

void bind_casts(struct task *t)
{
	struct sql_tokens tokens;
	struct str sql = t->ask.sql;
	OWNS(buf) b = {0};
	size_t done = 0;

	t->ncasts = 0;
	if (!has_zoned(&t->ask))
		return;
	if (!sql_lex(&t->call, SQL_DUCKDB, sql, &tokens)) {
		call_forgive(&t->call);
		return;
	}
	t->casts = ARENA_ARRAY(t->call.arena, size_t, (size_t)tokens.n + 1);
	for (int i = 0; i < tokens.n; i++) {
		const struct sql_token *k = &tokens.v[i];
		const struct engine_bind *bind = k->kind == SQL_PLACEHOLDER ? bind_named(&t->ask, k) : NULL;
		size_t end = k->at + k->text.n;

		if (!bind || bind->type != ENGINE_B_TIMESTAMP_TZ || str_starts(str_tail(sql, end), S(BIND_CAST)))
			continue;
		buf_add(&b, str_from(sql.p + done, end - done));
		t->casts[t->ncasts++] = b.n;
		buf_lit(&b, BIND_CAST);
		done = end;
	}
	buf_add(&b, str_tail(sql, done));
	t->ask.sql = arena_dup(t->call.arena, buf_str(&b));
}

static bool not_set(struct task *t, duckdb_prepared_statement st, idx_t at)
{
	const char *name = duckdb_parameter_name(st, at);
	uint64_t n;

	if (!name || str_to_u64(str_of(name), &n))
		task_fails(t, "Bind", "Bind variable ? not set.");
	else
		task_fails(t, "Bind", "Bind variable :%s not set.", name);
	duckdb_free((void *)(uintptr_t)name);
	return false;
}

bool bind_all(struct task *t, duckdb_prepared_statement st)
{
	idx_t n = duckdb_nparams(st);

	for (idx_t at = 1; at <= n; at++) {
		int i = bind_for(&t->ask, st, at);
		const struct engine_bind *b;

		if (i < 0)
			return not_set(t, st, at);
		b = &t->ask.binds[i];
		if (!binders[b->type].bind(st, at, b->value))
			return task_bad_bind(t, binders[b->type].name, b->value);
	}
	return true;
}
