/* session_rig.h - the room of sessions over real records and a real event log that can fail, for tests.
 *
 * Every write of records and log is a step: the step `die_at` ends the process;
 * and the next few can be made to fail. Who has the tables is a side: the fake
 * of session_fake.h, or the engine.
 */
#ifndef MAYFLY_SESSION_RIG_H
#define MAYFLY_SESSION_RIG_H

#include "session/session_int.h"

#include "json/json.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "folder.h"
#include "event_pages.h"
#include "test.h"

/* --- steps --- */

struct steps {
	_Atomic int n, die_at;        /* 0 = never */
	_Atomic int fail_kv, fail_log; /* how many of the next fail */
	_Atomic int fail_drop;        /* the fake's table i-1 is not dropped, once */
};
static struct steps steps;

static void step(void)
{
	if (atomic_fetch_add(&steps.n, 1) + 1 == atomic_load(&steps.die_at))
		kill(getpid(), SIGKILL);
}

static bool spent(_Atomic int *left)
{
	int n = atomic_load(left);

	return n > 0 && atomic_fetch_sub(left, 1) > 0;
}

/* --- records that can fail --- */

struct rig_kv {
	struct kv kv;
	struct kv *below;
};

static struct kv *below(struct kv *kv)
{
	return CONTAINER_OF(kv, struct rig_kv, kv)->below;
}

static bool rig_get(struct call *c, struct kv *kv, struct str key, struct kv_record *ret)
{
	return kv_get(c, below(kv), key, ret);
}

static bool rig_put(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected, int64_t ttl_ms)
{
	bool ok;

	step();
	if (spent(&steps.fail_kv))
		return fail(c, ERR_STORAGE, "the disk is full");
	ok = kv_put(c, below(kv), key, value, expected, ttl_ms);
	step();
	return ok;
}

static bool rig_drop(struct call *c, struct kv *kv, struct str key, uint64_t expected)
{
	step();
	return spent(&steps.fail_kv) ? fail(c, ERR_STORAGE, "the disk is full") : kv_drop(c, below(kv), key, expected);
}

static bool rig_scan(struct call *c, struct kv *kv, struct str prefix, kv_scan_fn *fn, void *arg)
{
	return kv_scan(c, below(kv), prefix, fn, arg);
}

static void rig_forget(struct kv *kv)
{
	below(kv)->ops->sweep(below(kv));
}

static const struct kv_ops rig_kv_ops = {
	.name = "rig", .get = rig_get, .put = rig_put, .drop = rig_drop, .scan = rig_scan, .sweep = rig_forget,
};

/* --- a log that can fail --- */

struct rig_store {
	struct store store;
	struct store *below;
};

static struct store *store_below(struct store *s)
{
	return CONTAINER_OF(s, struct rig_store, store)->below;
}

static bool rig_store_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	return store_below(s)->ops->put(c, store_below(s), key, bytes, how);
}

static bool rig_store_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	return store_below(s)->ops->get(c, store_below(s), key, offset, max, ret);
}

static bool rig_store_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret,
			   size_t *ret_n)
{
	return store_below(s)->ops->list(c, store_below(s), prefix, after, ret, ret_n);
}

static bool rig_store_drop(struct call *c, struct store *s, struct str key)
{
	return store_below(s)->ops->drop(c, store_below(s), key);
}

static bool rig_append(struct call *c, struct store *s, struct str key, int64_t offset, struct str bytes, bool sync)
{
	bool ok;

	step();
	if (spent(&steps.fail_log))
		return fail(c, ERR_STORAGE, "the disk is full");
	ok = store_below(s)->ops->append(c, store_below(s), key, offset, bytes, sync);
	step();
	return ok;
}

static bool rig_cut(struct call *c, struct store *s, struct str key, int64_t size)
{
	return store_below(s)->ops->cut(c, store_below(s), key, size);
}

static const struct store_ops rig_store_ops = {.name = "rig", .put = rig_store_put, .get = rig_store_get, .list = rig_store_list,
					       .drop = rig_store_drop, .append = rig_append, .cut = rig_cut};

/* --- the room --- */

enum { POOL_THREADS = 4 };
struct rig;
struct rig_side { /* who has the tables */
	struct sessions *(*open)(struct rig *r, struct session_options *so);
	void (*stop)(struct rig *r);  /* the loop stops in the end */
	void (*close)(struct rig *r); /* after the room */
};
struct rig {
	const struct rig_side *side;
	struct arena arena;
	struct call c;             /* of acme's alice */
	struct exec_loop *loop;
	struct exec_pool *pool;
	struct rig_kv kv;
	struct rig_store store;
	struct events *events;
	struct lifecycle *lifecycle;
	struct engine *engine;     /* of a side that has one */
	struct sessions *sessions;
	struct session_caps caps;
	int pool_queue;            /* most that may wait; 0 = many */
	atomic_int gone;           /* how often this process was told that a session has ended for good */
	char gone_id[64];          /* which the last time; of tests that end one after the other */
	struct kv *shared;         /* records that other rigs have too, or NULL */
	const char *server;        /* NULL: "server-1" */
	int64_t log_bytes;         /* what a stream keeps, and of a segment; 0 = all */
	char dir[FOLDER_PATH_MAX];
};

static void rig_caps(void *arg, struct str tenant, struct session_caps *ret)
{
	(void)tenant;
	*ret = *(struct session_caps *)arg;
}

static void rig_gone(void *arg, struct str tenant, struct str session_id)
{
	struct rig *r = arg;

	INVARIANT(str_eq(tenant, S("acme")) || str_eq(tenant, S("other")));
	snprintf(r->gone_id, sizeof(r->gone_id), "%.*s", SARG(session_id));
	atomic_fetch_add(&r->gone, 1);
}

static struct str rig_server(const struct rig *r)
{
	return str_of(r->server ? r->server : "server-1");
}

static void rig_open_log(struct rig *r)
{
	const struct events_options eo = {.store = &r->store.store, .server = rig_server(r),
					  .key = S("0123456789abcdef0123456789abcdef"),
					  .topic_prefix = S("mayfly"), .sync = EVENT_SYNC_ALWAYS, .segment_bytes = r->log_bytes ? r->log_bytes : 1 << 20,
					  .retention_bytes = r->log_bytes};

	r->kv.kv.ops = &rig_kv_ops;
	r->kv.below = r->shared ? r->shared : kv_file_open(&r->c, arena_fmt(&r->arena, "%s/records", r->dir), 1000000);
	assert_non_null(r->kv.below);
	r->store.store.ops = &rig_store_ops;
	r->store.below = store_folder_open(&r->c, arena_fmt(&r->arena, "%s/log", r->dir));
	assert_non_null(r->store.below);
	r->events = events_open(&r->c, &eo);
	assert_non_null(r->events);
}

/* As a server that starts on r->dir. */
static void rig_start(struct rig *r)
{
	struct lifecycle_options lo = {.tick_ms = 250, .batch = 1000};
	struct session_options so = {.server = rig_server(r), .shared = r->shared, .location = S("http://here:8484"), .tombstone_ms = 60000,
				     .caps = rig_caps, .arg = &r->caps, .gone = rig_gone, .gone_arg = r};

	atomic_store(&r->gone, 0);
	arena_open(&r->arena);
	call_open(&r->c, &r->arena);
	r->c.tenant = S("acme");
	r->c.principal = S("alice");
	r->c.request_id = S("req-1");
	r->loop = lo.loop = exec_loop_open("loop");
	r->pool = so.pool = exec_pool_open("pool", POOL_THREADS, r->pool_queue ? r->pool_queue : 10000);
	rig_open_log(r);
	r->lifecycle = so.lifecycle = lifecycle_open(&lo);
	so.kv = &r->kv.kv;
	so.events = r->events;
	so.data_dir = str_of(r->dir);
	r->sessions = r->side->open(r, &so);
	assert_non_null(r->sessions);
	exec_loop_start(r->loop);
}

/* As a server that is gone: nothing is ended. */
static void rig_stop(struct rig *r)
{
	r->side->stop(r);
	exec_loop_join(r->loop);
	exec_pool_close(r->pool);
	sessions_close(r->sessions);
	r->side->close(r);
	lifecycle_close(r->lifecycle);
	events_close(r->events);
	if (!r->shared)
		r->kv.below->ops->close(r->kv.below);
	r->store.below->ops->close(r->store.below);
	exec_loop_close(r->loop);
	arena_close(&r->arena);
}

static struct rig *rig_new(const struct rig_side *side)
{
	struct rig *r = base_zalloc(sizeof(*r));
	char path[128];

	r->side = side;
	steps = (struct steps){0};
	atomic_store(&faults.no_disk, true); /* being killed loses no page */
	r->caps = (struct session_caps){.max_sessions = 100000, .max_timeout_seconds = 604800, .session = {100, 1000000, 1 << 30},
					.tenant = {1000, 10000000, 1LL << 40}};
	folder_make(r->dir);
	snprintf(path, sizeof(path), "%s/tenants", r->dir);
	mkdir(path, 0700);
	return r;
}

static void rig_remove(struct rig *r)
{
	folder_remove(r->dir);
	free(r);
}

UNUSED static int rig_end(void **state)
{
	struct rig *r = *state;

	rig_stop(r);
	rig_remove(r);
	return 0;
}

/* --- waiting: for operations by watching, for the sweeper by asking it --- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int fired, dropped;
};

static void on_fired(void *arg)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->fired++;
	pthread_mutex_unlock(&w->lock);
}

static void on_drop(void *arg)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->dropped++;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

/* Waits, and leaves the error in c. The operation's memory goes: what the result needs is copied by `look`. */
static bool rig_wait(struct rig *r, struct session_op *op, struct session_result *ret)
{
	struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	bool ok;

	session_op_watch(op, &(struct watch){.fn = on_fired, .drop = on_drop, .arg = &w});
	pthread_mutex_lock(&w.lock);
	while (!w.dropped)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	assert_int_equal(w.fired, 1);
	ok = session_op_result(&r->c, op, ret);
	if (ok) {
		struct engine_table_info *v = ARENA_ARRAY(&r->arena, struct engine_table_info, (size_t)ret->ntables + 1);

		for (int i = 0; i < ret->ntables; i++)
			v[i] = (struct engine_table_info){arena_dup(&r->arena, ret->tables[i].name), ret->tables[i].rows, {0}};
		ret->tables = v;
	}
	return ok;
}

static bool rig_finish(struct rig *r, struct session_op *op, struct session_result *ret)
{
	bool ok = rig_wait(r, op, ret);

	session_op_unref(op);
	return ok;
}

static void rig_sweep_now(void *arg)
{
	lifecycle_sweep(arg);
}

static void rig_sweep(struct rig *r)
{
	exec_call(r->loop, rig_sweep_now, r->lifecycle);
}

static uint64_t rig_places(struct rig *r)
{
	struct session_stats st;

	sessions_stats(r->sessions, &st);
	return st.open;
}

/* Sweeps until `n` sessions are left; gives up after a time that no healthy machine needs. */
static void rig_sweep_until(struct rig *r, uint64_t n)
{
	for (int64_t end = clock_mono_ms() + 60000; rig_places(r) != n;) {
		assert_true(clock_mono_ms() < end);
		rig_sweep(r);
		sched_yield();
	}
}

static void rig_expect(struct rig *r, bool ok, enum err_kind kind)
{
	assert_false(ok);
	if (r->c.err.kind != kind)
		print_message("%s: %s\n", err_code(r->c.err.kind), r->c.err.text);
	assert_int_equal(r->c.err.kind, kind);
	call_forgive(&r->c);
}

/* --- what the log says --- */

struct told {
	int opened, closed, timed_out, partial;
	int64_t tables, rows;      /* of the terminal event */
	struct str last;           /* payload of the last event */
	struct str reason;
};

static void rig_count(struct call *c, struct str payload, struct told *t)
{
	const json_node *o, *details;
	struct str event;

	assert_true(json_read_object(c, payload, &o));
	event = json_text(json_get(o, "event"));
	t->last = payload;
	details = json_get(o, "details");
	t->opened += str_eq(event, S("opened"));
	t->partial += str_eq(event, S("partial_deletion_failure"));
	if (!str_eq(event, S("closed")) && !str_eq(event, S("timed_out")))
		return;
	*(str_eq(event, S("closed")) ? &t->closed : &t->timed_out) += 1;
	t->tables = json_int(json_get(o, "ephemeral_table_count"));
	t->rows = json_int(json_get(o, "deleted_row_count"));
	t->reason = details ? json_text(json_get(details, "reason")) : (struct str){0};
}

/* Events of a session of acme's; an empty id: of all of them. */
static struct told rig_told(struct rig *r, struct str id)
{
	const struct event_filter f = {.tenant = S("acme"), .topic = EVENT_SESSION_LIFECYCLE, .session_id = id};
	struct event_item *items;
	struct str cursor = S("");
	struct told t = {0};
	int64_t lost;
	int n;

	do {
		assert_true(read_events(&r->c, r->events, &f, cursor, 500, &items, &n, &cursor, &lost));
		for (int i = 0; i < n; i++)
			rig_count(&r->c, items[i].payload, &t);
	} while (n == 500);
	return t;
}

/* --- short hands --- */

static struct session *rig_session(struct rig *r, const struct session_ask *ask)
{
	struct session *se = NULL;

	assert_true(session_open(&r->c, r->sessions, ask, &se));
	return se;
}

static struct session *rig_memory(struct rig *r)
{
	return rig_session(r, &(struct session_ask){.timeout_seconds = 3600, .idle_seconds = -1});
}

static struct str rig_id(struct rig *r, struct session *se)
{
	struct session_view v;

	session_view(se, &v);
	return arena_dup(&r->arena, v.id);
}

static bool rig_create(struct rig *r, struct session *se, const char *name)
{
	const struct session_column columns[] = {{S("id"), S("INTEGER"), false}, {S("what"), S("VARCHAR"), true}};
	const struct str key[] = {S("id")};
	const struct session_table_ask ask = {str_of(name), columns, 2, key, 1};
	struct session_result res;
	struct session_op *op;

	return session_create_table(&r->c, se, &ask, &op) && rig_finish(r, op, &res);
}

static bool rig_close(struct rig *r, struct session *se, struct session_result *ret)
{
	struct session_op *op;

	return session_close(&r->c, se, &op) && rig_finish(r, op, ret);
}

#endif
