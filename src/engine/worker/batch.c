/* batch.c - arrays of binds as a table: mayfly_binds(), columns "1", "2", …
 *
 * Each column has one type, found by its values before anything runs: one that cannot be read is said then. Only the statement
 * that came with them sees them. Not here: statements that run once a row (run.c).
 *
 * Set and read on its executor's thread, or on DuckDB's while that waits.
 */
#include "engine/worker/process.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH_SMALL = 18 /* digits of a BIGINT */, BATCH_DIGITS = 38, MICROS = 1000000 };

struct batch_column;
/* Into row `row` of the vector; false: it is none of this kind. */
typedef bool put_fn(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value);
struct batch_column {
	const struct engine_bind *bind;
	put_fn *put;
	duckdb_type type;
	int digits, scale; /* of what is exact: the most digits before the point, and behind it */
	bool fine;         /* some time has less than a microsecond */
	bool far;          /* an instant that no TIMESTAMP_NS holds */
};
struct batch {
	int64_t rows;
	int n;
	struct batch_column *columns;
};

static struct str value_of(const struct batch_column *col, int64_t row)
{
	return col->bind->values ? col->bind->values[row] : col->bind->type == ENGINE_B_NULL ? (struct str){0} : col->bind->value;
}

#define CELL(type) (((type *)duckdb_vector_get_data(v))[row])

/* --- readers --- */
static bool put_big(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	struct bind_decimal d;

	(void)col;
	return bind_read_decimal(value, &d) && (CELL(int64_t) = (int64_t)d.value, true);
}

static bool put_exact(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	struct bind_decimal d;

	if (!bind_read_decimal(value, &d))
		return false;
	for (int i = d.scale; i < col->scale; i++)
		d.value *= 10;
	CELL(__int128) = d.value;
	return true;
}

static bool put_real(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	(void)col;
	return bind_read_real(value, &CELL(double));
}

static bool put_text(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	(void)col;
	if (!str_is_utf8(value))
		return false;
	duckdb_vector_assign_string_element_len(v, row, value.p, value.n);
	return true;
}

static bool put_binary(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	OWNS(buf) bytes = {0};

	(void)col;
	if (!hash_unhex(value, &bytes))
		return false;
	duckdb_vector_assign_string_element_len(v, row, bytes.p ? bytes.p : "", bytes.n);
	return true;
}

static bool put_boolean(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	bool yes = str_ieq(value, S("true")) || str_eq(value, S("1"));

	(void)col;
	CELL(bool) = yes;
	return yes || str_ieq(value, S("false")) || str_eq(value, S("0"));
}

static bool put_date(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	int64_t ms, days;

	(void)col;
	if (!str_to_i64(value, &ms))
		return false;
	days = floor_div(ms, 86400000);
	CELL(int32_t) = (int32_t)days;
	return days > INT32_MIN + 1 && days < INT32_MAX;
}

/* Nanoseconds, or the microseconds of all where none has more. */
static bool put_time(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	struct bind_instant at;

	if (!bind_read_instant(value, &at))
		return false;
	CELL(int64_t) = col->fine ? at.micros * 1000 + at.nanos : at.micros;
	return col->bind->type != ENGINE_B_TIME || (at.micros >= 0 && at.micros < 86400000000);
}

/* As text with its offset: a column of any type takes it as it takes such a literal. */
static bool put_zoned(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	enum { OFFSET_ZERO = 1440, SECOND = 1000000 };
	struct str rest = value, text = str_cut(&rest, ' ');
	struct bind_instant at;
	int64_t zone, local;
	char to[96], *end;

	(void)col;
	if (!bind_read_instant(text, &at) || !str_to_i64(rest, &zone) || zone < 0 || zone > 2 * OFFSET_ZERO)
		return false;
	zone -= OFFSET_ZERO;
	local = floor_div(at.micros, SECOND) + zone * 60;
	end = text_timestamp(to, local, (at.micros - floor_div(at.micros, SECOND) * SECOND) * 1000 + at.nanos, 9, ' ');
	end += snprintf(end, 16, "%c%02d:%02d", zone < 0 ? '-' : '+', abs((int)zone) / 60, abs((int)zone) % 60);
	duckdb_vector_assign_string_element_len(v, row, to, (idx_t)(end - to));
	return true;
}

static const struct {
	put_fn *put;
	duckdb_type type;
	const char *name;
} kinds[ENGINE_B_COUNT] = {
	[ENGINE_B_NULL] = {put_text, DUCKDB_TYPE_VARCHAR, "NULL"},
	[ENGINE_B_FIXED] = {put_exact, DUCKDB_TYPE_DECIMAL, "FIXED"},
	[ENGINE_B_REAL] = {put_real, DUCKDB_TYPE_DOUBLE, "REAL"},
	[ENGINE_B_TEXT] = {put_text, DUCKDB_TYPE_VARCHAR, "TEXT"},
	[ENGINE_B_BOOLEAN] = {put_boolean, DUCKDB_TYPE_BOOLEAN, "BOOLEAN"},
	[ENGINE_B_DATE] = {put_date, DUCKDB_TYPE_DATE, "DATE"},
	[ENGINE_B_TIME] = {put_time, DUCKDB_TYPE_TIME, "TIME"},
	[ENGINE_B_TIMESTAMP_NTZ] = {put_time, DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP_NTZ"},
	[ENGINE_B_TIMESTAMP_LTZ] = {put_time, DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP_LTZ"},
	[ENGINE_B_TIMESTAMP_TZ] = {put_zoned, DUCKDB_TYPE_VARCHAR, "TIMESTAMP_TZ"},
	[ENGINE_B_BINARY] = {put_binary, DUCKDB_TYPE_BLOB, "BINARY"},
	[ENGINE_B_INT] = {put_exact, DUCKDB_TYPE_DECIMAL, "INT"},
	[ENGINE_B_DOUBLE] = {put_real, DUCKDB_TYPE_DOUBLE, "DOUBLE"},
};

/* --- a column's type --- */
static bool look_at_exact(struct batch_column *col, struct str value)
{
	struct bind_decimal d;

	if (!bind_read_decimal(value, &d))
		return false;
	col->scale = d.scale > col->scale ? d.scale : col->scale;
	col->digits = d.digits - d.scale > col->digits ? d.digits - d.scale : col->digits;
	return true;
}

static bool look_at(struct batch_column *col, struct str value)
{
	struct bind_instant at;

	if (col->put == put_exact)
		return look_at_exact(col, value);
	if (col->put != put_time || col->bind->type == ENGINE_B_TIMESTAMP_LTZ || !bind_read_instant(value, &at))
		return true;
	col->fine = col->fine || at.nanos;
	col->far = col->far || !bind_instant_is_near(&at);
	return true;
}

static bool choose_type(struct task *t, struct batch_column *col)
{
	if (col->put == put_exact && col->digits + col->scale > BATCH_DIGITS)
		return task_fails(t, "Conversion", "the values of a bind variable take more than %d digits together", BATCH_DIGITS);
	if (col->put == put_exact && col->scale == 0 && col->digits <= BATCH_SMALL) {
		col->put = put_big;
		col->type = DUCKDB_TYPE_BIGINT;
	}
	col->fine = col->fine && !col->far; /* one column has one type */
	if (col->fine)
		col->type = col->type == DUCKDB_TYPE_TIME ? DUCKDB_TYPE_TIME_NS : DUCKDB_TYPE_TIMESTAMP_NS;
	return true;
}

static duckdb_logical_type type_of(const struct batch_column *col)
{
	if (col->type == DUCKDB_TYPE_DECIMAL)
		return duckdb_create_decimal_type(BATCH_DIGITS, (uint8_t)col->scale);
	return duckdb_create_logical_type(col->type);
}

/* --- every value, before anything runs --- */
static bool try_values(struct task *t, const struct batch_column *col, int64_t rows)
{
	duckdb_logical_type type = type_of(col);
	duckdb_vector v = duckdb_create_vector(type, 1);
	bool ok = true;

	for (int64_t i = 0; ok && i < rows; i++) {
		struct str value = value_of(col, i);

		if (value.p && !col->put(col, v, 0, value))
			ok = task_bad_bind(t, kinds[col->bind->type].name, value);
		if (!col->bind->values)
			break; /* the same for all */
	}
	duckdb_destroy_vector(&v);
	duckdb_destroy_logical_type(&type);
	return ok;
}

static bool open_column(struct task *t, const struct engine_bind *bind, struct batch_column *col)
{
	*col = (struct batch_column){.bind = bind, .put = kinds[bind->type].put, .type = kinds[bind->type].type};
	for (int64_t i = 0; i < t->ask.batch; i++) {
		struct str value = value_of(col, i);

		if (value.p && !look_at(col, value))
			return task_bad_bind(t, kinds[bind->type].name, value);
	}
	return choose_type(t, col) && try_values(t, col, t->ask.batch);
}

bool batch_open(struct executor *x, struct task *t)
{
	struct batch *b = ARENA_NEW(t->call.arena, struct batch);

	b->rows = t->ask.batch;
	b->n = t->ask.nbinds;
	b->columns = ARENA_ARRAY(t->call.arena, struct batch_column, (size_t)b->n + 1);
	for (int i = 0; i < b->n; i++)
		if (!open_column(t, &t->ask.binds[i], &b->columns[i]))
			return false;
	executor_batch(x, b);
	return true;
}

/* --- the function --- */
struct reading { /* of one execution */
	const struct batch *batch;
	int64_t at;
};

static void binds_bind(duckdb_bind_info info)
{
	duckdb_client_context context;
	const struct batch *b;

	duckdb_table_function_get_client_context(info, &context);
	b = worker_batch(duckdb_bind_get_extra_info(info), duckdb_client_context_get_connection_id(context));
	duckdb_destroy_client_context(&context);
	if (!b || b->n == 0) {
		duckdb_bind_set_error(info, "there are no arrays of bind variables");
		return;
	}
	for (int i = 0; i < b->n; i++) {
		duckdb_logical_type type = type_of(&b->columns[i]);
		char name[16];

		snprintf(name, sizeof(name), "%d", i + 1);
		duckdb_bind_add_result_column(info, name, type);
		duckdb_destroy_logical_type(&type);
	}
	duckdb_bind_set_cardinality(info, (idx_t)b->rows, true);
	duckdb_bind_set_bind_data(info, (void *)(uintptr_t)b, NULL);
}

static void binds_init(duckdb_init_info info)
{
	struct reading *r = base_zalloc(sizeof(*r));

	r->batch = duckdb_init_get_bind_data(info);
	duckdb_init_set_init_data(info, r, free);
	duckdb_init_set_max_threads(info, 1);
}

static void put_cell(const struct batch_column *col, duckdb_vector v, idx_t row, struct str value)
{
	if (value.p && col->put(col, v, row, value))
		return;
	cell_set_null(v, row);
}

static void binds_run(duckdb_function_info info, duckdb_data_chunk output)
{
	struct reading *r = duckdb_function_get_init_data(info);
	const struct batch *b = r->batch;
	int64_t n = b->rows - r->at;

	if (n > (int64_t)duckdb_vector_size())
		n = (int64_t)duckdb_vector_size();
	for (int i = 0; i < b->n; i++) {
		duckdb_vector v = duckdb_data_chunk_get_vector(output, (idx_t)i);

		for (int64_t row = 0; row < n; row++)
			put_cell(&b->columns[i], v, (idx_t)row, value_of(&b->columns[i], r->at + row));
	}
	r->at += n;
	duckdb_data_chunk_set_size(output, (idx_t)n);
}

bool batch_register(struct worker *w, duckdb_connection con)
{
	duckdb_table_function f = duckdb_create_table_function();
	bool ok;

	duckdb_table_function_set_name(f, "mayfly_binds");
	duckdb_table_function_set_extra_info(f, w, NULL);
	duckdb_table_function_set_bind(f, binds_bind);
	duckdb_table_function_set_init(f, binds_init);
	duckdb_table_function_set_function(f, binds_run);
	ok = duckdb_register_table_function(con, f) == DuckDBSuccess;
	duckdb_destroy_table_function(&f);
	return ok;
}
