/* samples.c - `mayfly engine --samples`: fills a new tenant's database from
 * the files of npm's vega-datasets, and exits. Runs before any sandbox, on SQL of
 * ours only. Names are in upper case, as an unquoted name is in Snowflake.
 */
#include "engine/worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* <dir> is the folder, as a literal's inside. */
static const char *const steps[] = {
	"ATTACH 'mayfly.new' AS MAYFLY",
	"CREATE SCHEMA IF NOT EXISTS MAYFLY.PUBLIC",
	"USE MAYFLY.PUBLIC",
	"CREATE TABLE FLIGHTS AS SELECT date AS \"DATE\", delay AS \"DELAY\", distance AS \"DISTANCE\", origin AS \"ORIGIN\", "
	"destination AS \"DESTINATION\" FROM read_parquet('<dir>/flights-3m.parquet')",
	"CREATE TABLE MOVIES AS SELECT \"Title\"->>'$' AS \"TITLE\", \"US Gross\" AS \"US_GROSS\", "
	"\"Worldwide Gross\" AS \"WORLDWIDE_GROSS\", \"US DVD Sales\" AS \"US_DVD_SALES\", "
	"\"Production Budget\" AS \"PRODUCTION_BUDGET\", try_strptime(\"Release Date\", '%b %d %Y')::DATE AS \"RELEASE_DATE\", "
	"\"MPAA Rating\" AS \"MPAA_RATING\", \"Running Time min\" AS \"RUNNING_TIME_MIN\", \"Distributor\" AS \"DISTRIBUTOR\", "
	"\"Source\" AS \"SOURCE\", \"Major Genre\" AS \"MAJOR_GENRE\", \"Creative Type\" AS \"CREATIVE_TYPE\", "
	"\"Director\" AS \"DIRECTOR\", \"Rotten Tomatoes Rating\" AS \"ROTTEN_TOMATOES_RATING\", "
	"\"IMDB Rating\" AS \"IMDB_RATING\", \"IMDB Votes\" AS \"IMDB_VOTES\" FROM read_json('<dir>/movies.json')",
	"CREATE TABLE ZIPCODES AS SELECT zip_code AS \"ZIP_CODE\", latitude AS \"LATITUDE\", longitude AS \"LONGITUDE\", "
	"city AS \"CITY\", state AS \"STATE\", county AS \"COUNTY\" FROM read_csv('<dir>/zipcodes.csv')",
	"CREATE TABLE EARTHQUAKES AS SELECT f.id AS \"ID\", make_timestamp(f.properties.time * 1000) AS \"TIME\", "
	"f.properties.mag AS \"MAGNITUDE\", f.properties.place AS \"PLACE\", f.geometry.coordinates[1] AS \"LONGITUDE\", "
	"f.geometry.coordinates[2] AS \"LATITUDE\", f.geometry.coordinates[3] AS \"DEPTH\" "
	"FROM (SELECT unnest(features) AS f FROM read_json('<dir>/earthquakes.json', maximum_object_size=67108864))",
	"USE memory.main",
	"CHECKPOINT MAYFLY",
	"DETACH MAYFLY",
};

static const char *step(struct call *c, const char *sql, const char *dir)
{
	struct str s = str_of(sql), mark = S("<dir>");
	size_t at = str_search(s, mark);

	return at == s.n ? sql : arena_fmt(c->arena, "%.*s%s%s", (int)at, sql, dir, sql + at + mark.n).p;
}

static bool run_steps(struct call *c, duckdb_connection con, const char *dir)
{
	OWNS(buf) quoted = {0};

	for (const char *p = dir; *p; p++) {
		if (*p == '\'')
			buf_addc(&quoted, '\'');
		buf_addc(&quoted, *p);
	}
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		if (!database_query(c, con, step(c, steps[i], buf_cstr(&quoted))))
			return false;
	return true;
}

int worker_load_samples(const char *dir)
{
	OWNS(arena) a = {0};
	duckdb_database db = NULL;
	duckdb_connection con = NULL;
	struct call c;
	bool ok;

	call_open(&c, &a);
	unlink("mayfly.new");
	ok = duckdb_open(NULL, &db) == DuckDBSuccess && duckdb_connect(db, &con) == DuckDBSuccess && run_steps(&c, con, dir);
	duckdb_disconnect(&con);
	duckdb_close(&db);
	if (ok && rename("mayfly.new", "mayfly.db") == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "mayfly engine: the samples cannot be loaded: %s\n", c.err.text);
	unlink("mayfly.new");
	return EXIT_FAILURE;
}
