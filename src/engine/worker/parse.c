/* parse.c - texts that are only parsed: nothing is bound, nothing runs.
 *
 * The words of DuckDB's parser and the place are those that the statement would end with at its turn. On its executor's
 * thread, on the connection that the worker has for itself.
 */
#include "engine/worker/catalog.h"

static bool parses(struct executor *x, struct task *t, struct str sql)
{
	duckdb_extracted_statements v = NULL;
	const char *wrong;
	bool ok;

	if (sql.n && memchr(sql.p, '\0', sql.n))
		return task_fails(t, "Parser", "A statement cannot hold a zero byte");
	t->ask.sql = sql; /* what a place of an error is in */
	ok = duckdb_extract_statements(x->admin, arena_cstr(t->call.arena, sql), &v) > 0;
	wrong = ok ? NULL : duckdb_extract_statements_error(v);
	ok = ok || !wrong || task_failed_by_duckdb(t, wrong); /* a text without statements is none of the parser's errors */
	duckdb_destroy_extracted(&v);
	return ok;
}

bool run_parse(struct executor *x, struct task *t)
{
	if (!catalog_admin(x, t))
		return false;
	for (int i = 0; i < t->ask.nsteps; i++) {
		if (executor_canceled(x))
			return task_fails(t, "INTERRUPT", "Interrupted!");
		if (!parses(x, t, t->ask.steps[i].sql)) {
			t->end.rows = i;
			return false;
		}
	}
	return true;
}
