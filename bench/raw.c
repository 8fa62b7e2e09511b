/* raw.c - the floor: the same SQL on DuckDB's C API, in one process.
 *
 * No HTTP, no worker, no sandbox. The database is opened as an engine worker
 * opens it: in memory, with FOLDER/mayfly.db attached.
 * Usage: raw FOLDER sql STATEMENT…
 *                                runs each once
 *        raw FOLDER timed STATEMENT
 *                                seconds of it
 *        raw FOLDER loop CLIENTS SECONDS STATEMENT [KEY]
 *                                statements a second of CLIENTS threads, each with its
 *                                connection, search path, preparation, bind and stream;
 *                                DuckDB with one thread, as in a worker at rest
 *        raw FOLDER first STATEMENT
 *                                seconds until the first rows of a stream are there
 *        raw FOLDER copy STATEMENT FILE
 *                                seconds of COPY (STATEMENT) TO FILE (FORMAT json)
 *        raw FOLDER ingest FILE COLUMNS
 *                                seconds of read_json(FILE) into a new table in memory, of COLUMNS: name TYPE, …
 *        raw FOLDER inserts COUNT each|together
 *                                seconds of so many INSERT of one row into a new table of three columns, a transaction each or one
 *        raw FOLDER append ROWS
 *                                seconds of so many rows into a new table of three columns through the appender, with its commit
 */
#include <duckdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS_MAX = 256 };

struct client {
	pthread_t thread;
	duckdb_database db;
	const char *sql;
	const int64_t *key; /* NULL = nothing to bind */
	const atomic_bool *stop;
	long statements;
};

static void check(duckdb_state state, const char *what)
{
	if (state == DuckDBSuccess)
		return;
	fprintf(stderr, "raw: %s\n", what ? what : "DuckDB refused");
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(duckdb_connection con, const char *sql)
{
	duckdb_result r;
	duckdb_state state = duckdb_query(con, sql, &r);

	check(state, duckdb_result_error(&r));
	duckdb_destroy_result(&r);
}

static duckdb_connection open_connection(duckdb_database db)
{
	duckdb_connection con;

	check(duckdb_connect(db, &con), "no connection");
	run(con, "SET search_path = 'MAYFLY.PUBLIC'");
	return con;
}

static duckdb_database open_database(const char *folder)
{
	duckdb_connection con;
	duckdb_database db;
	char sql[4096];

	check(duckdb_open(":memory:", &db), "DuckDB could not be opened");
	check(duckdb_connect(db, &con), "no connection");
	snprintf(sql, sizeof(sql), "ATTACH '%s/mayfly.db' AS MAYFLY", folder);
	run(con, sql);
	run(con, "CREATE SCHEMA IF NOT EXISTS MAYFLY.PUBLIC");
	duckdb_disconnect(&con);
	return db;
}

static duckdb_prepared_statement prepare(duckdb_connection con, const char *sql)
{
	duckdb_prepared_statement st;
	duckdb_state state = duckdb_prepare(con, sql, &st);

	check(state, duckdb_prepare_error(st));
	return st;
}

static duckdb_result begin_stream(duckdb_prepared_statement st)
{
	duckdb_pending_result pending;
	duckdb_state state = duckdb_pending_prepared_streaming(st, &pending);
	duckdb_result r;

	check(state, duckdb_pending_error(pending));
	state = duckdb_execute_pending(pending, &r);
	check(state, duckdb_result_error(&r));
	duckdb_destroy_pending(&pending);
	return r;
}

static idx_t fetch_rows(duckdb_result r)
{
	duckdb_data_chunk chunk = duckdb_fetch_chunk(r);
	idx_t n = chunk ? duckdb_data_chunk_get_size(chunk) : 0;

	duckdb_destroy_data_chunk(&chunk);
	return n;
}

/* What a request is: a connection of its own, one row. */
static void one_statement(const struct client *c)
{
	duckdb_connection con = open_connection(c->db);
	duckdb_prepared_statement st = prepare(con, c->sql);
	duckdb_result r;
	idx_t rows = 0, n;

	if (c->key)
		check(duckdb_bind_int64(st, 1, *c->key), "the key could not be bound");
	r = begin_stream(st);
	while ((n = fetch_rows(r)) > 0)
		rows += n;
	check(rows == 1 ? DuckDBSuccess : DuckDBError, "not one row");
	duckdb_destroy_result(&r);
	duckdb_destroy_prepare(&st);
	duckdb_disconnect(&con);
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	for (; !atomic_load(c->stop); c->statements++)
		one_statement(c);
	return NULL;
}

static int loop(duckdb_database db, int argc, char **argv)
{
	static struct client v[CLIENTS_MAX];
	atomic_bool stop = false;
	int n = argc >= 3 ? atoi(argv[0]) : 0;
	int64_t key = argc == 4 ? atoll(argv[3]) : 0;
	duckdb_connection con;
	double begin;
	long all = 0;

	if (n < 1 || n > CLIENTS_MAX || argc > 4)
		return 2;
	con = open_connection(db);
	run(con, "SET GLOBAL threads = 1");
	duckdb_disconnect(&con);
	begin = now();
	for (int i = 0; i < n; i++) {
		v[i] = (struct client){.db = db, .sql = argv[2], .key = argc == 4 ? &key : NULL, .stop = &stop};
		if (pthread_create(&v[i].thread, NULL, client_main, &v[i]) != 0)
			return 1;
	}
	while (now() < begin + atof(argv[1]))
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < n; i++) {
		pthread_join(v[i].thread, NULL);
		all += v[i].statements;
	}
	printf("%.1f\n", (double)all / (now() - begin));
	return 0;
}

static int first(duckdb_database db, int argc, char **argv)
{
	double begin = now();
	duckdb_connection con;
	duckdb_prepared_statement st;
	duckdb_result r;

	if (argc != 1)
		return 2;
	con = open_connection(db);
	st = prepare(con, argv[0]);
	r = begin_stream(st);
	check(fetch_rows(r) > 0 ? DuckDBSuccess : DuckDBError, "no rows");
	printf("%.6f\n", now() - begin);
	duckdb_destroy_result(&r);
	duckdb_destroy_prepare(&st);
	duckdb_disconnect(&con);
	return 0;
}

static int copy(duckdb_database db, int argc, char **argv)
{
	duckdb_connection con;
	char sql[8192];
	double begin;

	if (argc != 2)
		return 2;
	con = open_connection(db);
	begin = now();
	snprintf(sql, sizeof(sql), "COPY (%s) TO '%s' (FORMAT json)", argv[0], argv[1]);
	run(con, sql);
	printf("%.6f\n", now() - begin);
	duckdb_disconnect(&con);
	return 0;
}

static int ingest(duckdb_database db, int argc, char **argv)
{
	duckdb_connection con;
	char create[4096], insert[4096];
	double begin;

	if (argc != 2)
		return 2;
	con = open_connection(db);
	snprintf(create, sizeof(create), "CREATE TABLE memory.main.rows (%s)", argv[1]);
	snprintf(insert, sizeof(insert), "INSERT INTO memory.main.rows BY NAME SELECT * FROM read_json('%s', format = "
		 "'newline_delimited')", argv[0]);
	run(con, create);
	begin = now();
	run(con, insert);
	printf("%.6f\n", now() - begin);
	duckdb_disconnect(&con);
	return 0;
}

static int sql(duckdb_database db, int argc, char **argv)
{
	duckdb_connection con = open_connection(db);

	for (int i = 0; i < argc; i++)
		run(con, argv[i]);
	duckdb_disconnect(&con);
	return 0;
}

static void make_table(duckdb_connection con)
{
	run(con, "CREATE OR REPLACE TABLE into_it (id BIGINT, name VARCHAR, price DECIMAL(10, 2))");
}

static int inserts(duckdb_database db, int argc, char **argv)
{
	duckdb_connection con = open_connection(db);
	bool together = argc == 2 && strcmp(argv[1], "together") == 0;
	char text[200];
	double begin;

	if (argc != 2)
		return 2;
	make_table(con);
	begin = now();
	if (together)
		run(con, "BEGIN");
	for (int i = 0; i < atoi(argv[0]); i++) {
		snprintf(text, sizeof(text), "INSERT INTO into_it VALUES (%d, 'name %d', %d.25)", i, i, i);
		run(con, text);
	}
	if (together)
		run(con, "COMMIT");
	printf("%.6f\n", now() - begin);
	duckdb_disconnect(&con);
	return 0;
}

static void append_row(duckdb_appender to, int64_t i)
{
	char name[40];
	duckdb_value price;

	snprintf(name, sizeof(name), "name %d", (int)i);
	price = duckdb_create_decimal((duckdb_decimal){10, 2, {(uint64_t)(i * 100 + 25), 0}});
	check(duckdb_append_int64(to, i), "int64");
	check(duckdb_append_varchar(to, name), "varchar");
	check(duckdb_append_value(to, price), "decimal");
	check(duckdb_appender_end_row(to), duckdb_appender_error(to));
	duckdb_destroy_value(&price);
}

static int append(duckdb_database db, int argc, char **argv)
{
	duckdb_connection con = open_connection(db);
	duckdb_appender to;
	double begin;

	if (argc != 1)
		return 2;
	make_table(con);
	begin = now();
	check(duckdb_appender_create_ext(con, "MAYFLY", "PUBLIC", "into_it", &to), "appender");
	for (int64_t i = 0; i < atol(argv[0]); i++)
		append_row(to, i);
	check(duckdb_appender_destroy(&to), "flush");
	printf("%.6f\n", now() - begin);
	duckdb_disconnect(&con);
	return 0;
}

static int timed(duckdb_database db, int argc, char **argv)
{
	duckdb_connection con = open_connection(db);
	double begin = now();

	if (argc != 1)
		return 2;
	run(con, argv[0]);
	printf("%.6f\n", now() - begin);
	duckdb_disconnect(&con);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(duckdb_database db, int argc, char **argv);
} verbs[] = {{"sql", sql}, {"loop", loop}, {"first", first}, {"copy", copy}, {"ingest", ingest}, {"timed", timed}, {"inserts", inserts}, {"append", append}};

int main(int argc, char **argv)
{
	int code = 2;

	for (size_t i = 0; argc > 2 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		duckdb_database db;

		if (strcmp(argv[2], verbs[i].name) != 0)
			continue;
		db = open_database(argv[1]);
		code = verbs[i].run(db, argc - 3, argv + 3);
		duckdb_close(&db);
	}
	if (code == 2)
		fprintf(stderr, "raw: see the head of bench/raw.c\n");
	return code;
}
