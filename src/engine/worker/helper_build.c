/* helper_build.c - the helper catalog made a file, when Mayfly is built; no worker runs this. */
#include "engine/worker/helper_image.h"
#include "sql/sql.h"

static bool fill(struct call *c, duckdb_connection con, const char *path)
{
	return database_register(c, con) && database_query(c, con, arena_fmt(c->arena, "ATTACH '%s' AS _sf", path).p) &&
	       database_query(c, con, "USE _sf") && database_query(c, con, "BEGIN") &&
	       database_query_all(c, con, sql_helper_statements()) && database_query(c, con, "COMMIT") &&
	       database_query(c, con, "USE memory") && database_query(c, con, "DETACH _sf");
}

bool helper_build(struct call *c, const char *path)
{
	const struct worker_options o = {.memory = 1 << 30, .threads = 1};
	duckdb_connection con;
	duckdb_database db;
	bool ok;

	if (!database_open_instance(c, &o, 8, &db))
		return false;
	ok = duckdb_connect(db, &con) == DuckDBSuccess || fail(c, ERR_INTERNAL, "DuckDB gave no connection");
	if (ok) {
		ok = fill(c, con, path);
		duckdb_disconnect(&con);
	}
	duckdb_close(&db);
	return ok;
}
