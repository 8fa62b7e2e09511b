/* view_pages_rig.h - rooms of views over one store and real workers, for unit tests of what is read and swept.
 *
 * Each server of a fixture has an engine and a cache of its own, as on two machines. Workers are of the
 * mayfly binary named by MAYFLY_BINARY; time is turned by hand, and sweeps come when they are called.
 */
#ifndef MAYFLY_VIEW_PAGES_RIG_H
#define MAYFLY_VIEW_PAGES_RIG_H

#include "view/view_int.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "folder.h"
#include "test.h"

enum { WAIT_S = 60, MINUTE_MS = 60 * 1000 };

struct server {
	struct exec_loop *loop;
	struct exec_pool *pool;
	struct engine *engine;
	struct store_cache *cache;
	struct views *views;
	char dir[FOLDER_PATH_MAX + 8];
};
struct fixture {
	struct arena arena;
	struct call c;
	struct store *store;
	struct server a, b;            /* b: see open_b() */
	int64_t file_bytes, page_bytes; /* of servers that are opened from now on */
	char dir[FOLDER_PATH_MAX];
};

static inline void rig_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 2, .concurrent = 4, .queued = 1000};
}

static inline void rig_caps(void *arg, struct str tenant, struct view_caps *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct view_caps){.spaces = 100, .tables = 100, .saved = 100, .sql_sessions = 10000, .view_bytes = 1 << 30};
}

static inline void server_open(struct fixture *f, struct server *s, const char *name)
{
	struct engine_options eo = {.max_workers = 4, .idle_ms = 1LL << 40, .cancel_grace_ms = 1LL << 40, .uid_base = 640000,
				    .limits = rig_limits, .program = getenv("MAYFLY_BINARY")};
	struct views_options vo = {.store = f->store, .server = str_of(name), .default_ttl_s = 600, .max_ttl_s = 3600, .build_ms = 300000,
				   .skew_ms = 300000, .grace_ms = 600000, .sweep_ms = MINUTE_MS, .file_bytes = f->file_bytes,
				   .page_bytes = f->page_bytes, .caps = rig_caps};

	assert_non_null(getenv("MAYFLY_BINARY")); /* else this program would be started as its own worker */
	snprintf(s->dir, sizeof(s->dir), "%s/%s", f->dir, name);
	assert_true(file_make_folder(s->dir, 0711));
	s->loop = eo.loop = exec_loop_open("engine");
	s->pool = vo.pool = exec_pool_open("pool", 2, 1000);
	eo.data_dir = str_of(s->dir);
	eo.cache_dir = arena_fmt(&f->arena, "%s/cache", s->dir);
	s->cache = vo.cache = store_cache_open(&f->c, f->store, eo.cache_dir, 1 << 30);
	assert_non_null(s->cache);
	s->engine = vo.engine = engine_open(&f->c, &eo);
	assert_non_null(s->engine);
	s->views = views_open(&f->c, &vo);
	assert_non_null(s->views);
	exec_loop_start(s->loop);
}

struct flag {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int n;
};
#define FLAG {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER}

static inline void flag_raise(void *arg)
{
	struct flag *f = arg;

	pthread_mutex_lock(&f->lock);
	f->n++;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

/* A watch's end, and its room's: told and dropped, so that nothing of it comes later. */
static inline void flag_wait(struct flag *f, int n)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&f->lock);
	while (f->n < n)
		assert_int_not_equal(pthread_cond_timedwait(&f->cond, &f->lock, &until), ETIMEDOUT);
	pthread_mutex_unlock(&f->lock);
}

static inline void stop_loop(void *loop)
{
	exec_loop_stop(loop);
}

static inline void server_close(struct server *s)
{
	struct flag over = FLAG;

	if (!s->views)
		return;
	views_stop(s->views, flag_raise, &over);
	flag_wait(&over, 1);
	engine_stop(s->engine, stop_loop, s->loop);
	exec_loop_join(s->loop);
	exec_pool_close(s->pool);
	views_close(s->views);
	engine_close(s->engine);
	store_cache_close(s->cache);
	exec_loop_close(s->loop);
	*s = (struct server){0};
}

static inline int rig_open(void **state, int64_t file_bytes, int64_t page_bytes)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct space space;
	bool made;

	call_open(&f->c, &f->arena);
	f->c.tenant = S("acme");
	f->file_bytes = file_bytes;
	f->page_bytes = page_bytes;
	folder_make(f->dir);
	assert_int_equal(chmod(f->dir, 0711), 0); /* workers have users of their own */
	f->store = store_folder_open(&f->c, arena_fmt(&f->arena, "%s/store", f->dir));
	assert_non_null(f->store);
	server_open(f, &f->a, "a");
	assert_true(view_space_put(&f->c, f->a.views, S("lab"), &space, &made));
	*state = f;
	return 0;
}

static inline int begin(void **state)
{
	return rig_open(state, 32 << 20, 64 << 20);
}

static inline int end(void **state)
{
	struct fixture *f = *state;

	server_close(&f->a);
	server_close(&f->b);
	f->store->ops->close(f->store);
	arena_close(&f->arena);
	folder_remove(f->dir);
	free(f);
	return 0;
}

/* --- operations --- */

static inline void nothing(void *arg)
{
	(void)arg;
}

/* Forgets the operation when it has failed; the error is the call's. */
static inline bool wait_for(struct fixture *f, struct view_op *op, struct view_result *ret)
{
	struct flag over = FLAG;
	bool ok;

	view_op_watch(op, &(struct watch){.fn = nothing, .drop = flag_raise, .arg = &over});
	flag_wait(&over, 1);
	call_forgive(&f->c);
	ok = view_op_result(&f->c, op, ret);
	if (!ok)
		view_op_unref(op);
	return ok;
}

static inline void must(struct fixture *f, bool ok)
{
	if (!ok)
		fprintf(stderr, "%s: %s\n", err_code(f->c.err.kind), f->c.err.text);
	assert_true(ok);
}

static inline bool failed(struct fixture *f, enum err_kind kind)
{
	bool as_expected = f->c.err.kind == kind;

	if (!as_expected)
		fprintf(stderr, "not %s but %s: %s\n", err_code(kind), err_code(f->c.err.kind), f->c.err.text);
	call_forgive(&f->c);
	return as_expected;
}

/* Rows as CSV with a header; a table of the space lab. */
static inline void upload(struct fixture *f, const char *table, enum view_upload_mode mode, struct str csv)
{
	const struct view_upload_ask ask = {.space = S("lab"), .table = str_of(table), .mode = mode, .format = ENGINE_ROWS_CSV,
					    .room = nothing, .room_drop = nothing};
	struct view_upload *u;
	struct view_op *op;
	struct view_result r;

	must(f, view_upload(&f->c, f->a.views, &ask, &u, &op));
	while (!view_upload_put(u, csv))
		;
	view_upload_end(u, true);
	must(f, wait_for(f, op, &r));
	view_op_unref(op);
}

/* `head`, then what fmt makes of 0 … n-1, in rows. */
static inline void upload_rows(struct fixture *f, const char *table, int n, const char *head, const char *fmt)
{
	OWNS(buf) csv = {0};

	buf_add(&csv, str_of(head));
	for (int i = 0; i < n; i++) {
		struct str row = arena_fmt(&f->arena, fmt, i, i, i);

		buf_add(&csv, row);
	}
	upload(f, table, VIEW_CREATE, buf_str(&csv));
}

static inline struct str take_saved(struct fixture *f, struct view_op *op)
{
	struct view_result r;
	struct str id;

	must(f, wait_for(f, op, &r));
	id = arena_dup(&f->arena, r.saved->id);
	view_op_unref(op);
	return id;
}

static inline struct str save(struct fixture *f, const char *sql, const char *order)
{
	struct str item = str_of(order);
	const struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = str_of(sql), .order_by = &item, .norder = order ? 1 : 0};
	struct view_op *op;

	must(f, view_save(&f->c, f->a.views, &ask, &op));
	return take_saved(f, op);
}

static inline void refresh(struct fixture *f, struct str id)
{
	struct view_op *op;

	must(f, view_refresh(&f->c, f->a.views, S("lab"), id, false, &op));
	take_saved(f, op);
}

static inline void update(struct fixture *f, struct str id, const char *sql)
{
	struct saved_sql now;
	struct saved_ask ask = {.space = S("lab"), .id = id, .name = S("v"), .sql = str_of(sql)};
	struct view_op *op;

	must(f, view_saved_get(&f->c, f->a.views, S("lab"), id, &now));
	ask.parent_revision_id = now.revision_id;
	must(f, view_save(&f->c, f->a.views, &ask, &op));
	take_saved(f, op);
}

static inline struct str text_of(struct fixture *f, struct str json, const char *key)
{
	const json_node *o;

	assert_true(json_read_object(&f->c, json, &o));
	assert_non_null(json_get(o, key));
	return json_text(json_get(o, key));
}

static inline struct str session_with(struct fixture *f, const struct sql_session_ask *ask)
{
	struct view_op *op;
	struct view_result r;
	struct str id;

	must(f, view_session_open(&f->c, f->a.views, ask, &op));
	must(f, wait_for(f, op, &r));
	id = text_of(f, arena_dup(&f->arena, r.session), "id");
	view_op_unref(op);
	return id;
}

static inline struct str open_session(struct fixture *f, struct str sql_id)
{
	return session_with(f, &(struct sql_session_ask){.space = S("lab"), .sql_id = sql_id, .norder = -1});
}

/* The rows between the brackets of all parts; columns may be NULL. */
static inline bool read_page(struct fixture *f, struct server *s, struct str session, int64_t offset, int64_t limit, struct buf *ret)
{
	const struct view_rows_ask ask = {S("lab"), session, offset, limit};
	struct view_op *op;
	struct view_result r;

	if (!view_rows(&f->c, s->views, &ask, &op) || !wait_for(f, op, &r))
		return false;
	assert_int_equal(r.offset, offset);
	assert_int_equal(r.limit, limit);
	for (int i = 0; i < r.nparts; i++) {
		struct str part = engine_bytes_str(r.parts[i]);

		assert_true(str_starts(part, S("{\"data\":[")) && str_ends(part, S("]}")));
		if (ret->n)
			buf_addc(ret, ',');
		buf_add(ret, str_head(str_tail(part, 9), part.n - 11));
	}
	view_op_unref(op);
	return true;
}

/* Names and types, "id BIGINT, …". */
static inline struct str columns_of(struct fixture *f, struct str session)
{
	const struct view_rows_ask ask = {S("lab"), session, 0, 1};
	struct engine_column *v;
	struct view_op *op;
	struct view_result r;
	OWNS(buf) b = {0};
	int n;

	must(f, view_rows(&f->c, f->a.views, &ask, &op));
	must(f, wait_for(f, op, &r));
	assert_true(engine_columns(&f->c, r.columns, &v, &n));
	for (int i = 0; i < n; i++)
		buf_fmt(&b, "%s%.*s %.*s", i ? ", " : "", SARG(v[i].name), SARG(v[i].type));
	view_op_unref(op);
	return arena_dup(&f->arena, buf_str(&b));
}

static inline struct str page(struct fixture *f, struct str session, int64_t offset, int64_t limit)
{
	OWNS(buf) b = {0};

	must(f, read_page(f, &f->a, session, offset, limit, &b));
	return arena_dup(&f->arena, buf_str(&b));
}

#endif
