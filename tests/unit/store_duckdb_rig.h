/* store_duckdb_rig.h - the DuckDB store over a real worker, and statements whose bytes can be told again from their handles. */
#ifndef MAYFLY_TEST_STORE_DUCKDB_RIG_H
#define MAYFLY_TEST_STORE_DUCKDB_RIG_H

#include "engine/engine.h"
#include "statement/store.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"
#include "worker_pid.h"

enum { DUCK_RIG_WAIT_S = 120 };

struct duck_rig {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	struct stmt_store *store;
	struct buf columns;
	char dir[FOLDER_PATH_MAX];
	bool owns_dir;
};

static void duck_rig_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = 1LL << 30, .threads = 1, .concurrent = 4, .queued = 10000};
}

/* Over what is in g->dir. */
UNUSED static void duck_rig_start(struct duck_rig *g)
{
	struct engine_options o = {.max_workers = 1, .idle_ms = 3600000, .cancel_grace_ms = 5000, .uid_base = 640000, .records = true,
				   .limits = duck_rig_limits, .program = getenv("MAYFLY_BINARY")};
	struct store_duckdb_options so;

	assert_non_null(getenv("MAYFLY_BINARY")); /* else this program would be started as its own worker */
	call_open(&g->c, &g->arena);
	g->loop = exec_loop_open("records");
	o.loop = g->loop;
	o.data_dir = str_of(g->dir);
	g->engine = engine_open(&g->c, &o);
	assert_non_null(g->engine);
	exec_loop_start(g->loop);
	so.engine = g->engine;
	g->store = stmt_store_duckdb(&g->c, &so);
	assert_non_null(g->store);
}

UNUSED static void duck_rig_open(struct duck_rig *g)
{
	const struct engine_column columns[] = {{.name = S("n"), .type = S("BIGINT"), .kind = ENGINE_T_INT, .nullable = true}};

	memset(g, 0, sizeof(*g));
	folder_make(g->dir);
	chmod(g->dir, 0711);
	g->owns_dir = true;
	engine_pack_columns(columns, 1, &g->columns);
	duck_rig_start(g);
}

struct duck_rig_stopped {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool yes;
};

static void duck_rig_on_stopped(void *arg)
{
	struct duck_rig_stopped *t = arg;

	pthread_mutex_lock(&t->lock);
	t->yes = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

/* The store is closed. */
UNUSED static void duck_rig_stop_engine(struct duck_rig *g)
{
	struct duck_rig_stopped t = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

	engine_stop(g->engine, duck_rig_on_stopped, &t);
	pthread_mutex_lock(&t.lock);
	while (!t.yes)
		pthread_cond_wait(&t.changed, &t.lock);
	pthread_mutex_unlock(&t.lock);
	exec_loop_stop(g->loop);
	exec_loop_join(g->loop);
	engine_close(g->engine);
	exec_loop_close(g->loop);
	arena_close(&g->arena);
	memset(&g->arena, 0, sizeof(g->arena));
}

UNUSED static void duck_rig_stop(struct duck_rig *g)
{
	g->store->ops->close(g->store);
	duck_rig_stop_engine(g);
}

/* A server that ends and one that starts. */
UNUSED static void duck_rig_reopen(struct duck_rig *g)
{
	duck_rig_stop(g);
	duck_rig_start(g);
}

UNUSED static void duck_rig_close(struct duck_rig *g)
{
	duck_rig_stop(g);
	buf_drop(&g->columns);
	if (g->owns_dir)
		folder_remove(g->dir);
}

/* --- statements --- */

/* Bytes of a result, which any process can tell from the handle. */
static void duck_rig_fill(struct str handle, int part, char *to, size_t n)
{
	uint64_t x = 14695981039346656037U + (uint64_t)part;

	for (size_t i = 0; i < handle.n; i++)
		x = (x ^ (unsigned char)handle.p[i]) * 1099511628211U;
	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		to[i] = (char)(x >> 56);
	}
}

static bool duck_rig_bytes(void *arg, struct call *c, int i, struct engine_bytes **ret)
{
	const struct stmt_record *r = arg;
	size_t n = (size_t)r->parts[i].stored;
	char *bytes = malloc(n + 1);

	(void)c;
	assert_non_null(bytes);
	duck_rig_fill(r->handle, i, bytes, n);
	*ret = engine_bytes_copy(str_from(bytes, n));
	free(bytes);
	return true;
}

/* In the call's arena; an empty handle: a new one. */
UNUSED static struct stmt_record duck_rig_record(struct duck_rig *g, struct call *c, const char *tenant, const char *session)
{
	struct id id = id_v7();

	(void)g;
	return (struct stmt_record){
		.handle = arena_dup(c->arena, id_str(&id)), .tenant = str_of(tenant), .session_id = str_of(session),
		.principal = S("alice"), .request_id = S("req-1"), .owner = S("server/1"), .sql = S("SELECT n FROM t WHERE s = 'ä'"),
		.claim = S("stmt/acme/5/alice/key"), .snowflake = true, .kind = SQL_SELECT, .state = STMT_SUBMITTED,
		.created_ms = clock_wall_ms(), .ttl_ms = 3600000, .timeout_ms = 60000,
	};
}

/* The end of `r` with nparts partitions of `stored` bytes each. */
UNUSED static void duck_rig_succeed(struct duck_rig *g, struct call *c, struct stmt_record *r, int nparts, int64_t stored)
{
	struct stmt_kept_part *parts = ARENA_ARRAY(c->arena, struct stmt_kept_part, (size_t)nparts + 1);

	for (int i = 0; i < nparts; i++)
		parts[i] = (struct stmt_kept_part){.stored = stored, .rows = 10 + i, .row_bytes = stored, .gzip = i % 2 == 0};
	r->state = STMT_SUCCEEDED;
	r->started_ms = r->created_ms + 1;
	r->completed_ms = r->created_ms + 2;
	r->expires_ms = r->completed_ms + r->ttl_ms;
	r->columns = buf_str(&g->columns);
	r->nparts = nparts;
	r->parts = parts;
	r->rows = r->row_bytes = 0;
	for (int i = 0; i < nparts; i++) {
		r->rows += parts[i].rows;
		r->row_bytes += parts[i].row_bytes;
	}
}

UNUSED static struct stmt_store_key duck_rig_key(const struct stmt_record *r)
{
	return (struct stmt_store_key){r->tenant, r->detached ? S("") : r->session_id, r->handle};
}

static const struct stmt_store_limits duck_rig_no_limits = {0, 0};

UNUSED static bool duck_rig_add(struct duck_rig *g, struct call *c, const struct stmt_record *r)
{
	return g->store->ops->add(c, g->store, r, &duck_rig_no_limits);
}

UNUSED static bool duck_rig_end(struct duck_rig *g, struct call *c, struct stmt_record *r)
{
	return g->store->ops->end(c, g->store, r, duck_rig_bytes, r);
}

/* All partitions are as they were written. */
UNUSED static bool duck_rig_whole(struct duck_rig *g, struct call *c, const struct stmt_record *r)
{
	for (int i = 0; i < r->nparts; i++) {
		size_t n = (size_t)r->parts[i].stored;
		char *want = malloc(n + 1);
		struct engine_bytes *got;
		bool same;

		assert_non_null(want);
		duck_rig_fill(r->handle, i, want, n);
		if (!g->store->ops->part(c, g->store, r, i, &got)) {
			free(want);
			return false;
		}
		same = str_eq(engine_bytes_str(got), str_from(want, n));
		engine_bytes_unref(got);
		free(want);
		if (!same)
			return fail(c, ERR_INTERNAL, "partition %d has other bytes", i);
	}
	return true;
}

/* --- the files themselves --- */

struct duck_rig_told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ended;
	enum engine_outcome outcome;
	struct buf rows;
	char text[256];
};

static void duck_rig_on_part(void *arg, const struct engine_part *p)
{
	struct duck_rig_told *t = arg;

	pthread_mutex_lock(&t->lock);
	buf_clear(&t->rows);
	buf_add(&t->rows, engine_bytes_str(p->bytes));
	pthread_mutex_unlock(&t->lock);
	engine_bytes_unref(p->bytes);
}

static void duck_rig_on_ended(void *arg, const struct engine_end *end)
{
	struct duck_rig_told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->ended = true;
	t->outcome = end->outcome;
	snprintf(t->text, sizeof(t->text), "%.*s", (int)end->text.n, end->text.n ? end->text.p : "");
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void duck_rig_on_started(void *arg)
{
	(void)arg;
}

static const struct engine_listener duck_rig_listener = {
	.started = duck_rig_on_started, .part = duck_rig_on_part, .ended = duck_rig_on_ended};

/* Runs SQL in a file beside the store; the first cell of the rows, or -1. */
UNUSED static int64_t duck_rig_sql(struct duck_rig *g, const char *file, const char *sql)
{
	const struct engine_step step = {.sql = str_of(sql)};
	const struct engine_records_ask ask = {.file = str_of(file), .steps = &step, .nsteps = 1, .make = true};
	struct duck_rig_told t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct engine_task *task;
	struct engine_rows rows;
	int64_t v = -1;

	assert_true(engine_records_run(&g->c, g->engine, &ask, &duck_rig_listener, &t, &task));
	pthread_mutex_lock(&t.lock);
	while (!t.ended)
		pthread_cond_wait(&t.changed, &t.lock);
	pthread_mutex_unlock(&t.lock);
	engine_task_unref(task);
	if (t.outcome != ENGINE_OK)
		print_error("%s: %s\n", sql, t.text);
	assert_int_equal(t.outcome, ENGINE_OK);
	if (t.rows.n) {
		assert_true(engine_rows(&g->c, buf_str(&t.rows), &rows));
		v = rows.n ? rows.cells[0].integer : -1;
	}
	buf_drop(&t.rows);
	return v;
}

#endif
