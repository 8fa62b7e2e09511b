/* stores.c - a statement store alone, through its door: no HTTP, no engine that runs SQL.
 *
 * Usage: stores redis URL THREADS SECONDS put|get
 *        stores duckdb FOLDER THREADS SECONDS put|get
 *                                handles a second: put is `add` and `end` with one small part, get is `find` and `part`.
 *                                A thread has one handle under way.
 * The worker of the DuckDB store is of the mayfly binary named by MAYFLY_BINARY.
 */
#include "engine/engine.h"
#include "kv/redis.h"
#include "rows/rows.h"
#include "statement/store.h"

#include "base/clock.h"
#include "base/id.h"

#include <libdeflate.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS_MAX = 256, HANDLES = 2000, SQL_BYTES = 100, RESULT_BYTES = 200 };

struct bench {
	struct stmt_store *store;
	struct engine_bytes *part;
	struct str owner;
	struct buf columns;
	struct stmt_kept_part kept;
	char sql[SQL_BYTES];
	struct id handles[HANDLES];  /* that are there before getting begins */
	bool put;
	atomic_bool stop;
};
struct client {
	pthread_t thread;
	struct bench *bench;
	long at, done;
};

static void die(const char *what)
{
	fprintf(stderr, "stores: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool bytes_of(void *arg, struct call *c, int i, struct engine_bytes **ret)
{
	struct bench *b = arg;

	(void)c;
	(void)i;
	*ret = engine_bytes_ref(b->part);
	return true;
}

static struct stmt_record record_of(const struct bench *b, struct str handle)
{
	int64_t wall = clock_wall_ms();

	return (struct stmt_record){.handle = handle, .tenant = S("acme"), .principal = S("ann"), .request_id = S("bench"), .owner = b->owner,
				    .sql = str_from(b->sql, SQL_BYTES), .snowflake = true, .kind = SQL_SELECT, .state = STMT_SUBMITTED,
				    .created_ms = wall, .ttl_ms = 3600000};
}

static void put(struct bench *b, struct call *c, struct id handle)
{
	const struct stmt_store_ops *ops = b->store->ops;
	const struct stmt_store_limits most = {100000000, 0};
	struct stmt_record r;

	r = record_of(b, id_str(&handle));
	if (!ops->add(c, b->store, &r, &most))
		die(c->err.text);
	r.state = STMT_SUCCEEDED;
	r.started_ms = r.completed_ms = r.created_ms;
	r.expires_ms = r.created_ms + r.ttl_ms;
	r.columns = buf_str(&b->columns);
	r.rows = 1;
	r.row_bytes = b->kept.row_bytes;
	r.nparts = 1;
	r.parts = &b->kept;
	if (!ops->end(c, b->store, &r, bytes_of, b))
		die(c->err.text);
}

static void get(struct bench *b, struct call *c, const struct id *handle)
{
	const struct stmt_store_key k = {.tenant = S("acme"), .handle = id_str(handle)};
	struct engine_bytes *part;
	struct stmt_record r;

	if (!b->store->ops->find(c, b->store, &k, &r) || !b->store->ops->part(c, b->store, &r, 0, &part))
		die(c->err.text);
	if (r.state != STMT_SUCCEEDED || engine_bytes_str(part).n != (size_t)b->kept.stored)
		die("not what was put");
	engine_bytes_unref(part);
}

static void *client_main(void *arg)
{
	struct client *me = arg;
	struct bench *b = me->bench;

	for (; !atomic_load(&b->stop); me->done++) {
		struct arena a = {0};
		struct call c;

		call_open(&c, &a);
		c.tenant = S("acme");
		c.principal = S("ann");
		if (b->put)
			put(b, &c, id_v7());
		else
			get(b, &c, &b->handles[(me->at + me->done) % HANDLES]);
		arena_close(&a);
	}
	return NULL;
}

struct filler {
	pthread_t thread;
	struct bench *bench;
	int from;
};

enum { FILLERS = 50 };

static void *fill_main(void *arg)
{
	struct filler *f = arg;

	for (int i = f->from; i < HANDLES; i += FILLERS) {
		struct arena a = {0};
		struct call c;

		call_open(&c, &a);
		c.tenant = S("acme");
		f->bench->handles[i] = id_v7();
		put(f->bench, &c, f->bench->handles[i]);
		arena_close(&a);
	}
	return NULL;
}

static void fill(struct bench *b)
{
	struct filler v[FILLERS];

	for (int i = 0; i < FILLERS; i++) {
		v[i] = (struct filler){.bench = b, .from = i};
		if (pthread_create(&v[i].thread, NULL, fill_main, &v[i]) != 0)
			die("no thread");
	}
	for (int i = 0; i < FILLERS; i++)
		pthread_join(v[i].thread, NULL);
}

static double measure(struct bench *b, int threads, double seconds)
{
	static struct client v[THREADS_MAX];
	double begin;
	long done = 0;

	if (!b->put)
		fill(b);
	begin = now();
	for (int i = 0; i < threads; i++) {
		v[i] = (struct client){.bench = b, .at = i * 37L};
		if (pthread_create(&v[i].thread, NULL, client_main, &v[i]) != 0)
			die("no thread");
	}
	while (now() < begin + seconds)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	atomic_store(&b->stop, true);
	for (int i = 0; i < threads; i++) {
		pthread_join(v[i].thread, NULL);
		done += v[i].done;
	}
	return (double)done / (now() - begin);
}

static double redis_store(struct bench *b, struct call *c, const char *url, int threads, double seconds)
{
	const struct redis_options o = {.url = str_of(url), .connections = 4, .timeout_ms = 5000};
	struct redis *r = redis_open(c, &o);
	double rate;

	if (!r)
		die(c->err.text);
	b->store = stmt_store_redis(c, &(struct store_redis_options){.redis = r, .prefix = S("bench:"), .server = S("bench"), .tombstone_ms = 60000});
	if (!b->store)
		die(c->err.text);
	b->owner = stmt_store_redis_owner(b->store);
	rate = measure(b, threads, seconds);
	b->store->ops->close(b->store);
	redis_close(r);
	return rate;
}

static void limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 2, .concurrent = 64, .queued = 1000};
}

static void stop_loop(void *loop)
{
	exec_loop_stop(loop);
}

static double duckdb_store(struct bench *b, struct call *c, const char *folder, int threads, double seconds)
{
	struct engine_options o = {.loop = exec_loop_open("records"), .program = getenv("MAYFLY_BINARY"), .data_dir = str_of(folder), .max_workers = 1,
				   .idle_ms = 1LL << 40, .cancel_grace_ms = 60000, .records = true, .limits = limits};
	struct engine *e = o.program ? engine_open(c, &o) : NULL;
	double rate;

	if (!e)
		die(o.program ? c->err.text : "MAYFLY_BINARY is not set");
	exec_loop_start(o.loop);
	b->store = stmt_store_duckdb(c, &(struct store_duckdb_options){.engine = e});
	if (!b->store)
		die(c->err.text);
	rate = measure(b, threads, seconds);
	b->store->ops->close(b->store);
	engine_stop(e, stop_loop, o.loop);
	exec_loop_join(o.loop);
	engine_close(e);
	exec_loop_close(o.loop);
	return rate;
}

static void open_bench(struct bench *b)
{
	const struct engine_column column = {.name = S("A"), .type = S("INTEGER"), .kind = ENGINE_T_INT, .precision = 38};
	struct libdeflate_compressor *gzip = libdeflate_alloc_compressor(1);
	char text[RESULT_BYTES], part[2 * RESULT_BYTES];
	size_t n;

	memset(b->sql, 's', SQL_BYTES);
	id_random(text, sizeof(text)); /* stays as large as it is */
	n = gzip ? libdeflate_gzip_compress(gzip, text, sizeof(text), part, sizeof(part)) : 0;
	if (n == 0)
		die("no gzip");
	libdeflate_free_compressor(gzip);
	engine_pack_columns(&column, 1, &b->columns);
	b->part = engine_bytes_copy(str_from(part, n));
	b->kept = (struct stmt_kept_part){.stored = (int64_t)n, .rows = 1, .row_bytes = RESULT_BYTES, .gzip = true};
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct arena a = {0};
	struct call c;
	int threads = argc == 6 ? atoi(argv[3]) : 0;
	bool redis = argc == 6 && strcmp(argv[1], "redis") == 0;

	if (threads < 1 || threads > THREADS_MAX || atof(argv[4]) <= 0 || (!redis && strcmp(argv[1], "duckdb") != 0)) {
		fprintf(stderr, "stores: see the head of bench/stores.c\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	call_open(&c, &a);
	open_bench(&b);
	b.put = strcmp(argv[5], "put") == 0;
	b.owner = S("bench/1");
	printf("%.1f\n", (redis ? redis_store : duckdb_store)(&b, &c, argv[2], threads, atof(argv[4])));
	engine_bytes_unref(b.part);
	buf_drop(&b.columns);
	arena_close(&a);
	return 0;
}
