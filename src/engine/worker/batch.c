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

/* One of another type than is usual for its kind has it by its values: what is exact and fits a BIGINT, times with nanoseconds. */
struct batch_column {
	const struct engine_bind *bind;
	enum bind_kind kind;
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

/* --- a column's type, by its values --- */
static const duckdb_type usual[BIND_KINDS] = {
	[BIND_EXACT] = DUCKDB_TYPE_DECIMAL, [BIND_WHOLE] = DUCKDB_TYPE_DECIMAL, [BIND_REAL] = DUCKDB_TYPE_DOUBLE, [BIND_TEXT] = DUCKDB_TYPE_VARCHAR,
	[BIND_BOOLEAN] = DUCKDB_TYPE_BOOLEAN, [BIND_DATE] = DUCKDB_TYPE_DATE, [BIND_TIME] = DUCKDB_TYPE_TIME, [BIND_LOCAL] = DUCKDB_TYPE_TIMESTAMP,
	[BIND_INSTANT] = DUCKDB_TYPE_TIMESTAMP_TZ, [BIND_ZONED] = DUCKDB_TYPE_VARCHAR, [BIND_BYTES] = DUCKDB_TYPE_BLOB,
};

static void look_at_exact(struct batch_column *col, const struct bind_exact *d)
{
	col->scale = d->scale > col->scale ? d->scale : col->scale;
	col->digits = d->digits - d->scale > col->digits ? d->digits - d->scale : col->digits;
}

static void look_at(struct batch_column *col, const struct bind_value *v)
{
	if (col->type == DUCKDB_TYPE_DECIMAL) {
		look_at_exact(col, &v->exact);
	} else if (col->kind == BIND_TIME || col->kind == BIND_LOCAL) {
		col->fine = col->fine || v->at.nanos;
		col->far = col->far || !bind_is_near(v->at);
	}
}

static bool choose_type(struct task *t, struct batch_column *col)
{
	if (col->type == DUCKDB_TYPE_DECIMAL && col->digits + col->scale > BATCH_DIGITS)
		return task_fails(t, "Conversion", "the values of a bind variable take more than %d digits together", BATCH_DIGITS);
	if (col->type == DUCKDB_TYPE_DECIMAL && col->scale == 0 && col->digits <= BATCH_SMALL)
		col->type = DUCKDB_TYPE_BIGINT;
	if (col->fine && !col->far) /* one column has one type */
		col->type = col->type == DUCKDB_TYPE_TIME ? DUCKDB_TYPE_TIME_NS : DUCKDB_TYPE_TIMESTAMP_NS;
	return true;
}

static duckdb_logical_type type_of(const struct batch_column *col)
{
	if (col->type == DUCKDB_TYPE_DECIMAL)
		return duckdb_create_decimal_type(BATCH_DIGITS, (uint8_t)col->scale);
	return duckdb_create_logical_type(col->type);
}

/* Reads every value, before anything runs. */
static bool open_column(struct task *t, const struct engine_bind *bind, struct batch_column *col)
{
	const struct bind_type type = bind_type(bind->type);
	int64_t different = bind->values ? t->ask.batch : 1;
	OWNS(buf) bytes = {0};
	struct bind_value v;

	*col = (struct batch_column){.bind = bind, .kind = type.kind, .type = usual[type.kind]};
	for (int64_t i = 0; i < different; i++) {
		struct str value = value_of(col, i);

		if (!value.p)
			continue;
		if (!bind_read(bind->type, value, &bytes, &v))
			return task_bad_bind(t, type.name, value);
		look_at(col, &v);
	}
	return choose_type(t, col);
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

/* --- cells --- */
#define CELL(type) (((type *)duckdb_vector_get_data(v))[row])

static void put_decimal(const struct batch_column *col, duckdb_vector v, idx_t row, struct bind_exact d)
{
	for (int i = d.scale; i < col->scale; i++)
		d.value *= 10;
	CELL(__int128) = d.value;
}

/* As text with its offset: a column of any type takes it as it takes such a literal. */
static void put_zoned(duckdb_vector v, idx_t row, struct bind_instant at)
{
	int64_t seconds = floor_div(at.micros, MICROS);
	char to[96], *end;

	end = text_timestamp(to, seconds + at.zone * 60, (at.micros - seconds * MICROS) * 1000 + at.nanos, 9, ' ');
	end += snprintf(end, 16, "%c%02d:%02d", at.zone < 0 ? '-' : '+', abs(at.zone) / 60, abs(at.zone) % 60);
	duckdb_vector_assign_string_element_len(v, row, to, (idx_t)(end - to));
}

static void put_value(const struct batch_column *col, duckdb_vector v, idx_t row, const struct bind_value *value)
{
	switch (col->kind) {
	case BIND_EXACT:
	case BIND_WHOLE:
		if (col->type == DUCKDB_TYPE_BIGINT)
			CELL(int64_t) = (int64_t)value->exact.value;
		else
			put_decimal(col, v, row, value->exact);
		return;
	case BIND_REAL:
		CELL(double) = value->real;
		return;
	case BIND_BOOLEAN:
		CELL(bool) = value->yes;
		return;
	case BIND_DATE:
		CELL(int32_t) = value->days;
		return;
	case BIND_TIME:
	case BIND_LOCAL:
	case BIND_INSTANT:
		CELL(int64_t) = col->type == usual[col->kind] ? value->at.micros : value->at.micros * 1000 + value->at.nanos;
		return;
	case BIND_ZONED:
		put_zoned(v, row, value->at);
		return;
	case BIND_TEXT:
	case BIND_BYTES:
		duckdb_vector_assign_string_element_len(v, row, value->text.p, value->text.n);
		return;
	case BIND_KINDS:
		break;
	}
	INVARIANT(false);
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

static void put_cell(const struct batch_column *col, duckdb_vector v, idx_t row, struct str text, struct buf *bytes)
{
	struct bind_value value;

	if (text.p && bind_read(col->bind->type, text, bytes, &value)) /* as it could before */
		put_value(col, v, row, &value);
	else
		cell_set_null(v, row);
}

static void binds_run(duckdb_function_info info, duckdb_data_chunk output)
{
	struct reading *r = duckdb_function_get_init_data(info);
	const struct batch *b = r->batch;
	int64_t n = b->rows - r->at;
	OWNS(buf) bytes = {0};

	if (n > (int64_t)duckdb_vector_size())
		n = (int64_t)duckdb_vector_size();
	for (int i = 0; i < b->n; i++) {
		duckdb_vector v = duckdb_data_chunk_get_vector(output, (idx_t)i);

		for (int64_t row = 0; row < n; row++)
			put_cell(&b->columns[i], v, (idx_t)row, value_of(&b->columns[i], r->at + row), &bytes);
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
