/* store_floors.c - the floors of the statement stores: the same rows on hiredis and on DuckDB's C API, with nothing of ours.
 *
 * Usage: store_floors redis PORT DEPTH SECONDS put|get
 *                                handles a second over one connection, DEPTH of them sent before the first answer is read:
 *                                what a record costs in plain commands, no scripts
 *        store_floors duckdb FOLDER THREADS SECONDS put|get
 *                                rows a second, each inserted and committed by itself, or looked up by its key; each thread has a
 *                                connection and a prepared statement; a commit is on the disk
 */
#include <duckdb.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS_MAX = 256, HANDLES = 2000, SQL_BYTES = 100, METADATA_BYTES = 300, RESULT_BYTES = 223 };

struct sizes {
	char sql[SQL_BYTES + 1], metadata[METADATA_BYTES + 1], result[RESULT_BYTES + 1];
};
static struct sizes values;

static void die(const char *what)
{
	fprintf(stderr, "store_floors: %s\n", what ? what : "DuckDB refused");
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- Redis --- */

struct pipe {
	redisContext *redis;
	int waiting;
};

static void post(struct pipe *p, const char *words)
{
	char copy[2048];
	const char *argv[40];
	char *rest = copy;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word; (word = strsep(&rest, " ")) && argc < 40;)
		argv[argc++] = word;
	if (redisAppendCommandArgv(p->redis, argc, argv, NULL) != REDIS_OK)
		die("a command could not be sent");
	p->waiting++;
}

static void read_answers(struct pipe *p)
{
	void *reply;

	for (; p->waiting > 0; p->waiting--) {
		if (redisGetReply(p->redis, &reply) != REDIS_OK)
			die("Redis hung up");
		if (((redisReply *)reply)->type == REDIS_REPLY_ERROR)
			die(((redisReply *)reply)->str);
		freeReplyObject(reply);
	}
}

/* A handle's name is as long as one of ours, and as they are in the order of time. */
static void handle_of(long i, char to[40])
{
	snprintf(to, 40, "0192f0c0-%04lx-7%03lx-8000-%012lx", i >> 12 & 0xffff, i & 0xfff, i);
}

/* A record is written twice, when it is taken and with its result when it has ended: the keys, fields and bytes that the store
 * leaves in Redis, with the times to live, and in the two sets that lists and sweeps need. */
static void put_begin(struct pipe *p, long i)
{
	char text[2048], handle[40];

	handle_of(i, handle);
	snprintf(text, sizeof(text), "HSET floor:acme:statement:%s handle %s tenant acme principal ann owner bench/0192f0c0-0000-4000-8000-0000000000000"
		 " sql %s created_at 1763750000000 status SUBMITTED result_metadata "
		 "{\"version\":1,\"kind\":\"SELECT\",\"request_id\":\"bench\",\"snowflake\":true,\"ttl_ms\":3600000}", handle, handle, values.sql);
	post(p, text);
	snprintf(text, sizeof(text), "PEXPIRE floor:acme:statement:%s 86400000", handle);
	post(p, text);
	snprintf(text, sizeof(text), "ZADD floor:acme:index 0 %s", handle);
	post(p, text);
}

static void put_end(struct pipe *p, long i)
{
	char text[2048], handle[40];

	handle_of(i, handle);
	snprintf(text, sizeof(text), "SET floor:acme:result:%s:0 %s PX 3660000", handle, values.result);
	post(p, text);
	snprintf(text, sizeof(text), "HSET floor:acme:statement:%s status SUCCEEDED started_at 1763750000001 completed_at 1763750000002 "
		 "expires_at %ld result_row_count 1 result_metadata "
		 "{\"version\":1,\"kind\":\"SELECT\",\"request_id\":\"bench\",\"snowflake\":true,\"ttl_ms\":3600000,\"row_bytes\":200,"
		 "\"columns\":\"AQAAAAEAAABBBwAAAElOVEVHRVIBJgAA\",\"parts\":[223,1,200,1]}", handle, 1763753600000 + i / 40);
	post(p, text);
	snprintf(text, sizeof(text), "PEXPIRE floor:acme:statement:%s 3660000", handle);
	post(p, text);
	snprintf(text, sizeof(text), "ZADD floor:acme:ended %ld %s", 1763753600000 + i / 40, handle);
	post(p, text);
}

static long put_some(struct pipe *p, int depth, long done)
{
	for (int i = 0; i < depth; i++)
		put_begin(p, done + i);
	read_answers(p);
	for (int i = 0; i < depth; i++)
		put_end(p, done + i);
	read_answers(p);
	return depth;
}

static long get_some(struct pipe *p, int depth, long done)
{
	char text[128], handle[40];

	for (int i = 0; i < depth; i++) {
		handle_of((done + i) % HANDLES, handle);
		snprintf(text, sizeof(text), "HGETALL floor:acme:statement:%s", handle);
		post(p, text);
		snprintf(text, sizeof(text), "GET floor:acme:result:%s:0", handle);
		post(p, text);
	}
	read_answers(p);
	return depth;
}

static double redis_floor(const char *port, int depth, double seconds, bool put)
{
	struct pipe p = {.redis = redisConnect("127.0.0.1", atoi(port))};
	double begin;
	long done = 0;

	if (!p.redis || p.redis->err)
		die("no Redis");
	for (long i = 0; !put && i < HANDLES; i += 100)
		put_some(&p, 100, i);
	for (begin = now(); now() < begin + seconds;)
		done += (put ? put_some : get_some)(&p, depth, done);
	redisFree(p.redis);
	return (double)done / (now() - begin);
}

/* --- DuckDB --- */

struct client {
	pthread_t thread;
	duckdb_connection con;
	duckdb_prepared_statement st;
	const atomic_bool *stop;
	bool put;
	long first, done;
};

static void run(duckdb_connection con, const char *sql)
{
	duckdb_result r;

	if (duckdb_query(con, sql, &r) != DuckDBSuccess)
		die(duckdb_result_error(&r));
	duckdb_destroy_result(&r);
}

static void one(struct client *c, long i)
{
	char handle[64];
	duckdb_result r;
	duckdb_data_chunk chunk;

	snprintf(handle, sizeof(handle), "0192f0c0-0000-7000-8000-%012ld", i);
	duckdb_bind_varchar(c->st, 1, handle);
	if (c->put) {
		duckdb_bind_varchar(c->st, 2, values.sql);
		duckdb_bind_varchar(c->st, 3, values.metadata);
		duckdb_bind_blob(c->st, 4, values.result, RESULT_BYTES);
	}
	if (duckdb_execute_prepared(c->st, &r) != DuckDBSuccess)
		die(duckdb_result_error(&r));
	chunk = duckdb_fetch_chunk(r);
	if (!c->put && (!chunk || duckdb_data_chunk_get_size(chunk) != 1))
		die("not one row");
	duckdb_destroy_data_chunk(&chunk);
	duckdb_destroy_result(&r);
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	for (; !atomic_load(c->stop); c->done++)
		one(c, c->put ? c->first + c->done : (c->first + c->done) % HANDLES);
	return NULL;
}

static void open_table(duckdb_database db)
{
	duckdb_connection con;
	char sql[2048];

	if (duckdb_connect(db, &con) != DuckDBSuccess)
		die("no connection");
	run(con, "CREATE TABLE statements (handle VARCHAR PRIMARY KEY, session_id VARCHAR NOT NULL, sql VARCHAR NOT NULL, status VARCHAR NOT NULL,"
		 " created_at TIMESTAMP NOT NULL, started_at TIMESTAMP, completed_at TIMESTAMP, error_message VARCHAR, error_code VARCHAR,"
		 " result_row_count BIGINT, result_metadata VARCHAR, result BLOB)");
	run(con, "CREATE INDEX idx_session_id ON statements (session_id)");
	run(con, "CREATE INDEX idx_created_at ON statements (created_at)");
	snprintf(sql, sizeof(sql), "INSERT INTO statements SELECT '0192f0c0-0000-7000-8000-' || lpad(i::VARCHAR, 12, '0'), 's', '%s', 'SUCCEEDED',"
		 " TIMESTAMP '2026-01-01' + to_milliseconds(i), NULL, NULL, NULL, NULL, 1, '%s', '%s'::BLOB FROM range(%d) t(i)",
		 values.sql, values.metadata, values.result, HANDLES);
	run(con, sql);
	duckdb_disconnect(&con);
}

static void open_client(struct client *c, duckdb_database db, int n)
{
	const char *sql = c->put ? "INSERT INTO statements VALUES (?, 's', ?, 'SUCCEEDED', now()::TIMESTAMP, NULL, NULL, NULL, NULL, 1, ?, ?)"
				 : "SELECT * FROM statements WHERE handle = ?";

	c->first = c->put ? (n + 1) * 10000000L : n * 37L;
	if (duckdb_connect(db, &c->con) != DuckDBSuccess || duckdb_prepare(c->con, sql, &c->st) != DuckDBSuccess)
		die("a client could not be prepared");
	if (pthread_create(&c->thread, NULL, client_main, c) != 0)
		die("no thread");
}

static double duckdb_floor(const char *folder, int threads, double seconds, bool put)
{
	static struct client v[THREADS_MAX];
	atomic_bool stop = false;
	duckdb_database db;
	char path[4096];
	double begin;
	long done = 0;

	snprintf(path, sizeof(path), "%s/floor.db", folder);
	if (duckdb_open(path, &db) != DuckDBSuccess)
		die("DuckDB could not be opened");
	open_table(db);
	begin = now();
	for (int i = 0; i < threads; i++) {
		v[i] = (struct client){.stop = &stop, .put = put};
		open_client(&v[i], db, i);
	}
	while (now() < begin + seconds)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < threads; i++) {
		pthread_join(v[i].thread, NULL);
		done += v[i].done;
		duckdb_destroy_prepare(&v[i].st);
		duckdb_disconnect(&v[i].con);
	}
	begin = now() - begin;
	duckdb_close(&db);
	return (double)done / begin;
}

int main(int argc, char **argv)
{
	int n = argc == 6 ? atoi(argv[3]) : 0;
	bool put = argc == 6 && strcmp(argv[5], "put") == 0;

	if (n < 1 || n > THREADS_MAX || atof(argv[4]) <= 0 || (strcmp(argv[1], "redis") != 0 && strcmp(argv[1], "duckdb") != 0)) {
		fprintf(stderr, "store_floors: see the head of bench/store_floors.c\n");
		return 2;
	}
	memset(values.sql, 's', SQL_BYTES);
	memset(values.metadata, 'm', METADATA_BYTES);
	memset(values.result, 'r', RESULT_BYTES);
	printf("%.1f\n", (strcmp(argv[1], "redis") == 0 ? redis_floor : duckdb_floor)(argv[2], n, atof(argv[4]), put));
	return 0;
}
