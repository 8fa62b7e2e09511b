/* functions.c - SQL functions that only the server's own code can give. */
#include "engine/worker/catalog.h"
#include "sql/sql.h"

#include <stdlib.h>

/* The number of the connection travels as the pointer itself: nothing to copy or free. */
static void wait_bind(duckdb_bind_info info)
{
	duckdb_client_context context;
	uintptr_t connection;

	duckdb_scalar_function_get_client_context(info, &context);
	connection = duckdb_client_context_get_connection_id(context);
	duckdb_destroy_client_context(&context);
	duckdb_scalar_function_set_bind_data(info, (void *)connection, NULL);
}

static void wait_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	struct worker *w = duckdb_scalar_function_get_extra_info(info);
	uintptr_t connection = (uintptr_t)duckdb_scalar_function_get_bind_data(info);
	duckdb_vector column = duckdb_data_chunk_get_vector(input, 0);
	const int64_t *seconds = duckdb_vector_get_data(column);
	uint64_t *valid = duckdb_vector_get_validity(column);
	idx_t n = duckdb_data_chunk_get_size(input);
	OWNS(buf) text = {0};

	for (idx_t i = 0; i < n; i++) {
		if (valid && !duckdb_validity_row_is_valid(valid, i)) {
			cell_set_null(output, i);
			continue;
		}
		if (!worker_wait(w, connection, seconds[i])) {
			duckdb_scalar_function_set_error(info, "Interrupted!");
			return;
		}
		buf_clear(&text);
		buf_fmt(&text, "waited %lld seconds", (long long)(seconds[i] > 0 ? seconds[i] : 0));
		duckdb_vector_assign_string_element_len(output, i, text.p, text.n);
	}
}

/* --- mayfly_tables(): names of the tables of the session that asks; none outside of one --- */
struct listing { /* of one execution */
	struct arena arena;
	struct str *names;
	int n, at;
};

static void listing_free(void *p)
{
	struct listing *l = p;

	arena_close(&l->arena);
	free(l);
}

static void tables_bind(duckdb_bind_info info)
{
	duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	duckdb_client_context context;
	uintptr_t connection;

	duckdb_table_function_get_client_context(info, &context);
	connection = duckdb_client_context_get_connection_id(context);
	duckdb_destroy_client_context(&context);
	duckdb_bind_add_result_column(info, "name", text);
	duckdb_destroy_logical_type(&text);
	duckdb_bind_set_bind_data(info, (void *)connection, NULL);
}

/* As it is when the statement runs, however long ago it was prepared. */
static void tables_init(duckdb_init_info info)
{
	struct listing *l = base_zalloc(sizeof(*l));
	struct worker *w = duckdb_init_get_extra_info(info);
	struct str catalog;

	l->names = worker_tables(w, (uintptr_t)duckdb_init_get_bind_data(info), &l->arena, &catalog, &l->n);
	duckdb_init_set_init_data(info, l, listing_free);
	duckdb_init_set_max_threads(info, 1);
}

static void tables_run(duckdb_function_info info, duckdb_data_chunk output)
{
	struct listing *l = duckdb_function_get_init_data(info);
	duckdb_vector v = duckdb_data_chunk_get_vector(output, 0);
	idx_t n = 0;

	for (; l->at < l->n && n < duckdb_vector_size(); l->at++, n++)
		duckdb_vector_assign_string_element_len(v, n, l->names[l->at].p, l->names[l->at].n);
	duckdb_data_chunk_set_size(output, n);
}

static bool register_tables(struct worker *w, duckdb_connection con)
{
	duckdb_table_function f = duckdb_create_table_function();
	bool ok;

	duckdb_table_function_set_name(f, "mayfly_tables");
	duckdb_table_function_set_extra_info(f, w, NULL);
	duckdb_table_function_set_bind(f, tables_bind);
	duckdb_table_function_set_init(f, tables_init);
	duckdb_table_function_set_function(f, tables_run);
	ok = duckdb_register_table_function(con, f) == DuckDBSuccess;
	duckdb_destroy_table_function(&f);
	return ok;
}

bool functions_register(struct call *c, struct worker *w, duckdb_connection con)
{
	duckdb_scalar_function f = duckdb_create_scalar_function();
	duckdb_logical_type bigint = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	bool ok;

	duckdb_scalar_function_set_name(f, "SYSTEM$WAIT");
	duckdb_scalar_function_add_parameter(f, bigint);
	duckdb_scalar_function_set_return_type(f, text);
	duckdb_scalar_function_set_volatile(f); /* else it would run while the statement is prepared */
	duckdb_scalar_function_set_extra_info(f, w, NULL);
	duckdb_scalar_function_set_bind(f, wait_bind);
	duckdb_scalar_function_set_function(f, wait_run);
	ok = duckdb_register_scalar_function(con, f) == DuckDBSuccess;
	duckdb_destroy_scalar_function(&f);
	duckdb_destroy_logical_type(&bigint);
	duckdb_destroy_logical_type(&text);
	return (ok && register_tables(w, con) && batch_register(w, con) && columns_register(w, con)) ||
	       fail(c, ERR_INTERNAL, "Mayfly's own functions could not be registered");
}

/* --- what a client may call a function of its own --- */
static bool is_helper(struct task *t, struct str name)
{
	struct sql_tokens tokens;
	struct sql_class class;

	for (const char *const *sql = sql_helper_statements(); *sql; sql++) {
		if (!sql_lex(&t->call, SQL_DUCKDB, str_of(*sql), &tokens))
			return true;
		sql_classify(&t->call, &tokens, (struct sql_span){0, tokens.n}, &class);
		if (str_ieq(class.leaf, name))
			return true;
	}
	return false;
}

bool functions_may_be_called(struct executor *x, struct task *t, struct str name)
{
	OWNS(buf) sql = {0};
	int64_t n;

	buf_lit(&sql, "SELECT count(*) FROM duckdb_functions() WHERE database_name = 'system' AND lower(function_name) = lower(");
	sql_quote_literal(&sql, name);
	buf_lit(&sql, ")");
	if (!catalog_admin(x, t) || !catalog_numbers(t, x->admin, buf_cstr(&sql), &n, 1))
		return false;
	if (n == 0 && !is_helper(t, name))
		return true;
	return task_fails(t, "Catalog", "Function with name \"%.*s\" already exists: it is the engine's own", SARG(str_head(name, 200)));
}
