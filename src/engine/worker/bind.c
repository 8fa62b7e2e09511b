/* bind.c - values of binds as parameters of a statement.
 *
 * Every value is read (bind_values.c) before anything runs; one that cannot be read is said with its type.
 */
#include "engine/functions/types.h"
#include "sql/sql.h"

typedef duckdb_state bind_fn(duckdb_prepared_statement st, idx_t at, const struct bind_value *v);

static duckdb_state bind_made(duckdb_prepared_statement st, idx_t at, duckdb_value v)
{
	duckdb_state state = duckdb_bind_value(st, at, v);

	duckdb_destroy_value(&v);
	return state;
}

static duckdb_hugeint hugeint(__int128 v)
{
	return (duckdb_hugeint){.lower = (uint64_t)v, .upper = (int64_t)(v >> 64)};
}

static duckdb_state bind_exact(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	enum { SMALL = 18 /* digits of a BIGINT */ };
	const struct bind_exact *d = &v->exact;
	int width = d->digits > d->scale ? d->digits : d->scale;

	if (d->scale == 0 && d->digits <= SMALL)
		return duckdb_bind_int64(st, at, (int64_t)d->value);
	return duckdb_bind_decimal(st, at, (duckdb_decimal){(uint8_t)width, (uint8_t)d->scale, hugeint(d->value)});
}

static duckdb_state bind_whole(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	__int128 value = v->exact.value;

	if (value >= INT64_MIN && value <= INT64_MAX)
		return duckdb_bind_int64(st, at, (int64_t)value);
	return duckdb_bind_hugeint(st, at, hugeint(value));
}

static duckdb_state bind_real(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	return duckdb_bind_double(st, at, v->real);
}

static duckdb_state bind_boolean(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	return duckdb_bind_boolean(st, at, v->yes);
}

static duckdb_state bind_text(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	return duckdb_bind_varchar_length(st, at, v->text.p, v->text.n);
}

static duckdb_state bind_bytes(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	return duckdb_bind_blob(st, at, v->text.p, v->text.n);
}

static duckdb_state bind_date(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	return duckdb_bind_date(st, at, (duckdb_date){v->days});
}

static duckdb_state bind_time(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	if (v->at.nanos == 0)
		return duckdb_bind_time(st, at, (duckdb_time){v->at.micros});
	return bind_made(st, at, duckdb_create_time_ns((duckdb_time_ns){v->at.micros * 1000 + v->at.nanos}));
}

/* Whole microseconds as TIMESTAMP, and what no TIMESTAMP_NS holds; what is finer as TIMESTAMP_NS, which few functions know. */
static duckdb_state bind_local(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	if (v->at.nanos == 0 || !bind_is_near(v->at))
		return duckdb_bind_timestamp(st, at, (duckdb_timestamp){v->at.micros});
	return bind_made(st, at, duckdb_create_timestamp_ns((duckdb_timestamp_ns){v->at.micros * 1000 + v->at.nanos}));
}

static duckdb_state bind_instant(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	return duckdb_bind_timestamp_tz(st, at, (duckdb_timestamp){v->at.micros});
}

/* As its parts, which the text casts (bind_casts) */
static duckdb_state bind_zoned(duckdb_prepared_statement st, idx_t at, const struct bind_value *v)
{
	duckdb_value fields[] = {duckdb_create_timestamp((duckdb_timestamp){v->at.micros}),
				 duckdb_create_int16((int16_t)v->at.nanos), duckdb_create_int16((int16_t)v->at.zone)};
	duckdb_logical_type type = sf_zoned_parts();
	duckdb_value made = duckdb_create_struct_value(type, fields);

	duckdb_destroy_logical_type(&type);
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		duckdb_destroy_value(&fields[i]);
	return bind_made(st, at, made);
}

static bind_fn *const binders[BIND_KINDS] = {
	[BIND_EXACT] = bind_exact, [BIND_WHOLE] = bind_whole, [BIND_REAL] = bind_real, [BIND_TEXT] = bind_text, [BIND_BOOLEAN] = bind_boolean,
	[BIND_DATE] = bind_date, [BIND_TIME] = bind_time, [BIND_LOCAL] = bind_local, [BIND_INSTANT] = bind_instant, [BIND_ZONED] = bind_zoned,
	[BIND_BYTES] = bind_bytes,
};

static bool bind_one(struct task *t, duckdb_prepared_statement st, idx_t at, const struct engine_bind *b)
{
	const struct bind_type type = bind_type(b->type);
	OWNS(buf) bytes = {0};
	struct bind_value v;

	if (b->type == ENGINE_B_NULL)
		return duckdb_bind_null(st, at) == DuckDBSuccess || task_bad_bind(t, type.name, b->value);
	if (!bind_read(b->type, b->value, &bytes, &v) || binders[type.kind](st, at, &v) != DuckDBSuccess)
		return task_bad_bind(t, type.name, b->value);
	return true;
}

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
	t->uncast = sql;
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

/* --- INSERT … VALUES --- */
/* The name of the item at token i of a row of VALUES: of the list in front of it, else of the table's columns. */
static struct str column_fed(struct task *t, duckdb_connection con, const struct sql_tokens *v, int values, int i)
{
	int open = i, item = 0, at = v->v[values - 1].match + 1;
	struct str name = {0}, table;
	duckdb_prepared_statement st;
	const char *sql, *told;

	while (--open > values && (v->v[open].depth >= v->v[i].depth))
		item += v->v[open].depth == v->v[i].depth && str_eq(v->v[open].text, S(","));
	if (at > 0 && at < values) {
		for (int n = item; at < values - 1 && n > 0; at++)
			n -= str_eq(v->v[at].text, S(","));
		return sql_name_of(t->call.arena, SQL_DUCKDB, &v->v[at]);
	}
	table = str_from(v->text.p + v->v[2].at, v->v[values].at - v->v[2].at); /* INSERT INTO table VALUES */
	sql = arena_fmt(t->call.arena, "SELECT * FROM %.*s LIMIT 0", SARG(table)).p;
	if (duckdb_prepare(con, sql, &st) == DuckDBSuccess && (told = duckdb_prepared_statement_column_name(st, (idx_t)item)) != NULL) {
		name = arena_dup(t->call.arena, str_of(told));
		duckdb_free((void *)(uintptr_t)told);
	}
	duckdb_destroy_prepare(&st);
	return name;
}

static duckdb_type type_at(duckdb_prepared_statement st, const struct sql_token *placeholder)
{
	duckdb_type type = DUCKDB_TYPE_INVALID;

	for (idx_t at = 1; at <= duckdb_nparams(st); at++) {
		const char *name = duckdb_parameter_name(st, at);

		if (name && str_eq(str_of(name), str_tail(placeholder->text, 1)))
			type = duckdb_param_type(st, at);
		duckdb_free((void *)(uintptr_t)name);
	}
	return type;
}

static bool is_item(const struct sql_tokens *v, int i)
{
	return (str_eq(v->v[i - 1].text, S("(")) || str_eq(v->v[i - 1].text, S(","))) &&
	       (str_eq(v->v[i + 1].text, S(")")) || str_eq(v->v[i + 1].text, S(",")));
}

/* Without the casts DuckDB tells what column each is for. */
static bool zoned_fit(struct task *t, duckdb_connection con, duckdb_prepared_statement st, const struct sql_tokens *v, int values)
{
	for (int i = values + 1; i < v->n; i++) {
		const struct sql_token *k = &v->v[i];
		bool item = k->kind == SQL_PLACEHOLDER && k->depth == 1 && is_item(v, i);
		const struct engine_bind *bind = item ? bind_named(&t->ask, k) : NULL;

		if (bind && bind->type == ENGINE_B_TIMESTAMP_TZ && type_at(st, k) == DUCKDB_TYPE_TIMESTAMP_TZ)
			return task_fails(t, "Bind", "Expression type does not match column data type, expecting TIMESTAMP_LTZ(9) but got "
					  "TIMESTAMP_TZ(9) for column %.*s", SARG(column_fed(t, con, v, values, i)));
	}
	return true;
}

bool bind_fits(struct task *t, duckdb_connection con)
{
	duckdb_prepared_statement st;
	struct sql_tokens v;
	int values = 0;
	bool ok;

	if (t->ncasts == 0 || t->ask.counts != ENGINE_INSERTED)
		return true;
	if (!sql_lex(&t->call, SQL_DUCKDB, t->uncast, &v)) {
		call_forgive(&t->call);
		return true;
	}
	while (values < v.n && (v.v[values].depth || !sql_is(&v, values, "values")))
		values++;
	if (values < 3 || values == v.n)
		return true;
	ok = duckdb_prepare(con, arena_cstr(t->call.arena, t->uncast), &st) != DuckDBSuccess || zoned_fit(t, con, st, &v, values);
	duckdb_destroy_prepare(&st);
	return ok;
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

		if (i < 0)
			return not_set(t, st, at);
		if (!bind_one(t, st, at, &t->ask.binds[i]))
			return false;
	}
	return true;
}
