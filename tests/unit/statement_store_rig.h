/* statement_store_rig.h - rooms of statements in front of stores: one server or two, each with workers of its own.
 *
 * Include after statement_rig.h.
 */
#ifndef MAYFLY_STATEMENT_STORE_RIG_H
#define MAYFLY_STATEMENT_STORE_RIG_H

#include "statement_rig.h"
#include "redis_rig.h"
#include "store_fake.h"

enum type { MEMORY, DISK, SHARED, HYBRID, /* real ones: */ REDIS };

struct node {
	struct exec_loop *loop;
	struct exec_pool *pool;
	struct lifecycle *lifecycle;
	struct engine *engine;
	struct kv *local;
	struct redis *client;       /* with a real Redis */
	struct kv *kv;              /* in it */
	struct statements *s;
	struct lease_owner session;
	struct store *store;
	struct events *events;
	char dir[FOLDER_PATH_MAX];
};
struct rig {
	struct arena arena;
	struct call c;
	enum type type;
	struct fake *disk, *shared; /* NULL: the type has none, or real ones: */
	struct redis_rig *redis;
	struct kv *kv;              /* of all servers */
	struct statement_caps caps;
	struct statement_options o; /* what a test wants different */
	int nodes;
	struct node *a, *b;
};

static void rig_stop_loop(void *loop)
{
	exec_loop_stop(loop);
}

static void node_stores(struct rig *r, struct node *n, const struct statement_options *o)
{
	struct stmt_stores at = {0};
	char owner[16];

	snprintf(owner, sizeof(owner), "s/%d", r->nodes++);
	n->s = stmt_open(&r->c, o);
	assert_non_null(n->s);
	if (r->disk && r->disk->rooms[0] == NULL)
		at.disk = fake_store(r->disk, n->s, owner);
	if (r->shared) {
		at.shared = fake_store(r->shared, n->s, owner);
		at.owner = str_of(((struct fake_store *)at.shared)->owner);
		at.cancel = fake_cancel;
		at.renew = fake_renew;
	}
	if (!at.disk && !at.shared)
		return;
	stmt_keeping_new(n->s);
	n->s->keeping->at = at;
	assert_true(stmt_keeping_open(&r->c, n->s));
}

static void node_real(struct rig *r, struct node *n, struct statement_options *o)
{
	const struct redis_options ro = redis_rig_options(r->redis);

	o->redis = n->client = redis_rig_client(&r->c, &ro);
	o->redis_prefix = S("t:statements:");
	o->server = arena_fmt(&r->arena, "s%d", r->nodes++);
	o->kv = n->kv = kv_redis_open(n->client, S("t:kv:"));
	n->s = statements_open(&r->c, o);
	assert_non_null(n->s);
}

static struct node *node_open(struct rig *r)
{
	struct node *n = calloc(1, sizeof(*n));
	struct engine_options eo = {.max_workers = 2, .idle_ms = 1LL << 40, .cancel_grace_ms = 1LL << 40, .uid_base = 640000,
				    .limits = engine_limits, .program = getenv("MAYFLY_BINARY")};
	struct statement_options so = r->o;

	assert_non_null(getenv("MAYFLY_BINARY"));
	folder_make(n->dir);
	n->loop = eo.loop = so.loop = exec_loop_open("engine");
	n->pool = so.pool = exec_pool_open("pool", 2, 1000);
	n->local = so.kv_local = kv_memory_open(100000);
	so.kv = r->kv;
	n->lifecycle = so.lifecycle = lifecycle_open(&(struct lifecycle_options){.loop = n->loop, .tick_ms = 20, .batch = 1000});
	n->store = store_folder_open(&r->c, arena_fmt(&r->arena, "%s/events", n->dir));
	n->events = so.events = events_open(&r->c, &(struct events_options){.store = n->store, .server = S("s"), .key = S("k"),
									    .topic_prefix = S("mayfly"), .sync = EVENT_SYNC_NEVER,
									    .segment_bytes = 1 << 20});
	assert_non_null(n->events);
	lease_owner_init(&n->session);
	eo.data_dir = so.data_dir = str_of(n->dir);
	n->engine = so.engine = engine_open(&r->c, &eo);
	assert_non_null(n->engine);
	so.keep_local = r->type == HYBRID;
	if (r->redis)
		node_real(r, n, &so);
	else
		node_stores(r, n, &so);
	exec_loop_start(n->loop);
	return n;
}

static void node_close(struct node *n)
{
	if (!n)
		return;
	engine_stop(n->engine, rig_stop_loop, n->loop);
	exec_loop_join(n->loop);
	exec_pool_close(n->pool);
	statements_close(n->s);
	engine_close(n->engine);
	lifecycle_close(n->lifecycle);
	events_close(n->events);
	n->store->ops->close(n->store);
	n->local->ops->close(n->local);
	if (n->client) {
		n->kv->ops->close(n->kv);
		redis_close(n->client);
	}
	exec_loop_close(n->loop);
	folder_remove(n->dir);
	free(n);
}

/* kill -9: what was not written is not written. */
UNUSED static void node_kill(struct rig *r, struct node *n)
{
	if (r->disk)
		fake_switch(r->disk, &r->disk->down, true);
	if (r->shared)
		fake_switch(r->shared, &r->shared->down, true);
	node_close(n);
	if (r->disk)
		fake_switch(r->disk, &r->disk->down, false);
	if (r->shared)
		fake_switch(r->shared, &r->shared->down, false);
}

static struct rig *rig_new(enum type type)
{
	struct rig *r = calloc(1, sizeof(*r));

	call_open(&r->c, &r->arena);
	r->c.tenant = S("acme");
	r->type = type;
	r->caps = (struct statement_caps){1000000, 1LL << 40};
	r->o = (struct statement_options){.default_ttl_s = 3600, .max_ttl_s = 86400, .max_result_bytes = 64 << 20, .max_part_rows = 10000,
					  .memory_bytes = 1 << 20, .max_per_session = 1000, .cleanup_ms = 300000,
					  .default_persistent = true, .caps = caps_of, .arg = &r->caps};
	r->kv = kv_memory_open(1000000);
	if (type == REDIS) {
		r->redis = calloc(1, sizeof(*r->redis));
		redis_rig_open(r->redis, NULL);
	}
	r->disk = type == DISK || type == HYBRID ? fake_open() : NULL;
	r->shared = type == SHARED || type == HYBRID ? fake_open() : NULL;
	return r;
}

static int rig_free(void **state)
{
	struct rig *r = *state;

	node_close(r->a);
	node_close(r->b);
	if (r->disk)
		fake_forget(r->disk);
	if (r->shared)
		fake_forget(r->shared);
	if (r->redis)
		redis_rig_close(r->redis);
	free(r->redis);
	r->kv->ops->close(r->kv);
	arena_close(&r->arena);
	free(r);
	return 0;
}

static int rig_open(void **state, enum type type)
{
	struct rig *r = *state = rig_new(type);

	r->a = node_open(r);
	return 0;
}

UNUSED static int on_memory(void **state)
{
	return rig_open(state, MEMORY);
}
UNUSED static int on_disk(void **state)
{
	return rig_open(state, DISK);
}
UNUSED static int on_shared(void **state)
{
	return rig_open(state, SHARED);
}
UNUSED static int on_hybrid(void **state)
{
	return rig_open(state, HYBRID);
}
UNUSED static int on_redis(void **state)
{
	return rig_open(state, REDIS);
}

#define ON(type, name) {#name " on " #type, name, on_##type, rig_free, NULL}
#define ON_ALL(name) ON(memory, name), ON(disk, name), ON(shared, name), ON(hybrid, name), ON(redis, name)

UNUSED static struct stmt *run(struct rig *r, struct node *n, const char *sql)
{
	struct stmt *st = NULL;

	assert_true(statement_submit(&r->c, n->s, &(struct stmt_ask){.sql = str_of(sql), .ttl_seconds = 100}, &st));
	return st;
}

UNUSED static struct stmt *ask(struct rig *r, struct node *n, const struct stmt_ask *a)
{
	struct stmt *st = NULL;

	assert_true(statement_submit(&r->c, n->s, a, &st));
	return st;
}

UNUSED static bool wrong(struct rig *r, bool ok, enum err_kind kind)
{
	bool as_said = !ok && r->c.err.kind == kind;

	if (!as_said)
		print_error("%s: %s\n", ok ? "it went well" : err_code(r->c.err.kind), r->c.err.text);
	call_forgive(&r->c);
	return as_said;
}

UNUSED static struct stmt *found(struct rig *r, struct node *n, struct str handle)
{
	struct stmt *st = NULL;

	if (!statement_find(&r->c, n->s, handle, &st))
		print_error("%s\n", r->c.err.text);
	assert_non_null(st);
	return st;
}

UNUSED static enum stmt_state state_of(struct stmt *st)
{
	struct stmt_view v;

	statement_view(st, &v);
	return v.state;
}

/* Looked at until `cond` holds; a minute at most. */
#define UNTIL(cond) \
	do { \
		int tries_ = 0; \
		while (!(cond)) { \
			assert_true(tries_++ < 6000); \
			usleep(10000); \
		} \
	} while (0)

#define ASSERT_SAME(a, b) assert_true(str_eq((a), (b)))

UNUSED static struct str copy(struct rig *r, struct str s)
{
	return arena_dup(&r->arena, s);
}

#endif
