/* columns.c - mayfly_columns(): the columns of the tables of the session that asks; none outside of one.
 *
 * A session's catalog is hidden, so that DuckDB's own listings leave it out. What is asked here sees what is
 * committed, as mayfly_tables() does. Any thread of DuckDB's.
 */
#include "engine/worker/catalog.h"
#include "sql/sql.h"

#include <stdlib.h>

enum { TABLE_NAME, COLUMN_INDEX, COLUMN_NAME, TYPE, NULLABLE, DEFAULT, PRIMARY, COLUMNS };
enum { INFO_NAME = 1, INFO_TYPE, INFO_NOT_NULL, INFO_DEFAULT, INFO_KEY }; /* of pragma_table_info() */

struct session_column {
	struct str table, name, type, fallback; /* fallback.p NULL: no default */
	int32_t index;
	bool nullable, primary;
	struct session_column *next;
};
struct listing { /* of one execution */
	struct arena arena;
	struct session_column *first, **last;
};

static void listing_free(void *p)
{
	struct listing *l = p;

	arena_close(&l->arena);
	free(l);
}

/* --- one table --- */

static bool is_valid(duckdb_vector v, idx_t row)
{
	return duckdb_validity_row_is_valid(duckdb_vector_get_validity(v), row);
}

static struct str text_at(struct arena *a, duckdb_data_chunk chunk, int column, idx_t row)
{
	duckdb_vector v = duckdb_data_chunk_get_vector(chunk, (idx_t)column);
	duckdb_string_t *s = &((duckdb_string_t *)duckdb_vector_get_data(v))[row];

	return is_valid(v, row) ? arena_dup(a, str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s))) : (struct str){0};
}

static bool bool_at(duckdb_data_chunk chunk, int column, idx_t row)
{
	duckdb_vector v = duckdb_data_chunk_get_vector(chunk, (idx_t)column);

	return is_valid(v, row) && ((bool *)duckdb_vector_get_data(v))[row];
}

static void take_rows(struct listing *l, struct str table, duckdb_data_chunk chunk, int32_t *index)
{
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		struct session_column *k = arena_zalloc(&l->arena, sizeof(*k));

		*k = (struct session_column){
			.table = table,
			.name = text_at(&l->arena, chunk, INFO_NAME, row),
			.type = text_at(&l->arena, chunk, INFO_TYPE, row),
			.fallback = text_at(&l->arena, chunk, INFO_DEFAULT, row),
			.index = ++*index,
			.nullable = !bool_at(chunk, INFO_NOT_NULL, row),
			.primary = bool_at(chunk, INFO_KEY, row),
		};
		*l->last = k;
		l->last = &k->next;
	}
}

static bool is_table_info(duckdb_result *r)
{
	static const duckdb_type types[] = {DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_VARCHAR,
					    DUCKDB_TYPE_BOOLEAN, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BOOLEAN};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (duckdb_column_type(r, i) != types[i])
			return false;
	return true;
}

/* A table that is not there any more has no columns. */
static void list_table(struct listing *l, duckdb_connection con, struct str catalog, struct str table)
{
	OWNS(buf) name = {0}, sql = {0};
	duckdb_data_chunk chunk;
	duckdb_result r;
	int32_t index = 0;

	sql_quote_name(&name, catalog);
	buf_lit(&name, ".public.");
	sql_quote_name(&name, table);
	buf_lit(&sql, "FROM pragma_table_info(");
	sql_quote_literal(&sql, buf_str(&name));
	buf_lit(&sql, ")");
	if (duckdb_query(con, buf_cstr(&sql), &r) == DuckDBSuccess && is_table_info(&r)) {
		while ((chunk = duckdb_fetch_chunk(r))) {
			take_rows(l, table, chunk, &index);
			duckdb_destroy_data_chunk(&chunk);
		}
	}
	duckdb_destroy_result(&r);
}

/* --- the function --- */

static void columns_bind(duckdb_bind_info info)
{
	static const struct {
		const char *name;
		duckdb_type type;
	} columns[COLUMNS] = {
		[TABLE_NAME] = {"table_name", DUCKDB_TYPE_VARCHAR}, [COLUMN_INDEX] = {"column_index", DUCKDB_TYPE_INTEGER},
		[COLUMN_NAME] = {"column_name", DUCKDB_TYPE_VARCHAR}, [TYPE] = {"data_type", DUCKDB_TYPE_VARCHAR},
		[NULLABLE] = {"is_nullable", DUCKDB_TYPE_BOOLEAN}, [DEFAULT] = {"column_default", DUCKDB_TYPE_VARCHAR},
		[PRIMARY] = {"is_primary", DUCKDB_TYPE_BOOLEAN},
	};
	duckdb_client_context context;
	uintptr_t connection;

	for (int i = 0; i < COLUMNS; i++) {
		duckdb_logical_type type = duckdb_create_logical_type(columns[i].type);

		duckdb_bind_add_result_column(info, columns[i].name, type);
		duckdb_destroy_logical_type(&type);
	}
	duckdb_table_function_get_client_context(info, &context);
	connection = duckdb_client_context_get_connection_id(context);
	duckdb_destroy_client_context(&context);
	duckdb_bind_set_bind_data(info, (void *)connection, NULL);
}

/* As it is when the statement runs, however long ago it was prepared. */
static void columns_init(duckdb_init_info info)
{
	struct listing *l = base_zalloc(sizeof(*l));
	struct worker *w = duckdb_init_get_extra_info(info);
	struct str catalog, *names;
	duckdb_connection con;
	int n;

	l->last = &l->first;
	names = worker_tables(w, (uintptr_t)duckdb_init_get_bind_data(info), &l->arena, &catalog, &n);
	if (n > 0 && duckdb_connect(worker_database(w), &con) == DuckDBSuccess) {
		for (int i = 0; i < n; i++)
			list_table(l, con, catalog, names[i]);
		duckdb_disconnect(&con);
	}
	duckdb_init_set_init_data(info, l, listing_free);
	duckdb_init_set_max_threads(info, 1);
}

static void put_text(duckdb_data_chunk output, int column, idx_t row, struct str text)
{
	duckdb_vector v = duckdb_data_chunk_get_vector(output, (idx_t)column);

	if (text.p) {
		duckdb_vector_assign_string_element_len(v, row, text.p, text.n);
		return;
	}
	cell_set_null(v, row);
}

static void put_bool(duckdb_data_chunk output, int column, idx_t row, bool value)
{
	((bool *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(output, (idx_t)column)))[row] = value;
}

static void columns_run(duckdb_function_info info, duckdb_data_chunk output)
{
	struct listing *l = duckdb_function_get_init_data(info);
	int32_t *index = duckdb_vector_get_data(duckdb_data_chunk_get_vector(output, COLUMN_INDEX));
	idx_t n = 0;

	for (; l->first && n < duckdb_vector_size(); l->first = l->first->next, n++) {
		const struct session_column *k = l->first;

		put_text(output, TABLE_NAME, n, k->table);
		index[n] = k->index;
		put_text(output, COLUMN_NAME, n, k->name);
		put_text(output, TYPE, n, k->type);
		put_bool(output, NULLABLE, n, k->nullable);
		put_text(output, DEFAULT, n, k->fallback);
		put_bool(output, PRIMARY, n, k->primary);
	}
	duckdb_data_chunk_set_size(output, n);
}

bool columns_register(struct worker *w, duckdb_connection con)
{
	duckdb_table_function f = duckdb_create_table_function();
	bool ok;

	duckdb_table_function_set_name(f, "mayfly_columns");
	duckdb_table_function_set_extra_info(f, w, NULL);
	duckdb_table_function_set_bind(f, columns_bind);
	duckdb_table_function_set_init(f, columns_init);
	duckdb_table_function_set_function(f, columns_run);
	ok = duckdb_register_table_function(con, f) == DuckDBSuccess;
	duckdb_destroy_table_function(&f);
	return ok;
}
