/* worker_bare.c - the second instance of a worker, for statements that see nothing of the tenant's.
 *
 * An instance of its own, since no setting of a connection takes another
 * catalog of the same one away. It has no table and no file attached; it reads
 * the cache, writes exports and spills. Opened with the first statement that
 * needs it; the two share the room for spilling from then on. What both have
 * in memory is bounded by the process's own limit.
 */
#include "engine/worker.h"
#include "sql/sql.h"

enum { BARE_SHARE = 4 }; /* of ten parts of the memory */

const char *bare_room(struct call *c, const struct worker_options *o)
{
	return arena_fmt(c->arena, "SET GLOBAL max_temp_directory_size = '%lldB'", (long long)(o->temp / 2)).p;
}

static const char *directories(struct call *c, const struct worker_options *o)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "SET GLOBAL allowed_directories = ['" ENGINE_EXPORTS "'");
	if (o->cache) {
		buf_lit(&b, ", ");
		sql_quote_literal(&b, str_of(o->cache));
	}
	buf_lit(&b, "]");
	return arena_cstr(c->arena, buf_str(&b));
}

static bool set_up(struct call *c, const struct worker_options *o, duckdb_connection con)
{
	const char *const settings[] = {
		"SET GLOBAL errors_as_json = true",
		"SET GLOBAL TimeZone = 'UTC'",
		"SET GLOBAL temp_directory = 'spill'",
		"SET GLOBAL catalog_error_max_schemas = 0",
		/* Not parquet_metadata_cache: it keeps what it has seen of every file, outside of the memory's limit. */
		bare_room(c, o),
		directories(c, o),
		"SET GLOBAL allowed_configs = ['TimeZone', 'threads']",
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL lock_configuration = true",
		NULL,
	};

	return database_query_all(c, con, settings);
}

bool bare_open(struct call *c, const struct worker_options *o, duckdb_database *ret)
{
	duckdb_connection con;
	duckdb_database db;
	bool ok;

	if (!database_open_instance(c, o, BARE_SHARE, &db))
		return false;
	ok = duckdb_connect(db, &con) == DuckDBSuccess || fail(c, ERR_INTERNAL, "DuckDB gave no connection");
	if (ok) {
		ok = set_up(c, o, con);
		duckdb_disconnect(&con);
	}
	if (!ok)
		duckdb_close(&db);
	else
		*ret = db;
	return ok;
}
