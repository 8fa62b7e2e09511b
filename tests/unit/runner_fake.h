/* runner_fake.h - a runner over a backend in memory: instances are structs, a layer is the list of steps that made it.
 *
 * What layers and instances need of their neighbours is here as well, so that this file's functions are linked instead: pg_*,
 * script_run(), tree_content(), share_*, plan_remember(). A step's file is a word that script_run() acts on:
 * "ok"; "fail" (an SQL error); "slow" (the clock turns by 500 ms); "gate" (until fake.gate opens, or the stop sign);
 * "die" (its instance dies, `fake.deaths` times); "random" (never the same state).
 */
#ifndef MAYFLY_TEST_RUNNER_FAKE_H
#define MAYFLY_TEST_RUNNER_FAKE_H

#include "runner/layers_int.h"

#include "test.h"

#include <poll.h>
#include <stdio.h>

enum { FAKE_LAYERS = 256, FAKE_STEPS = 16, FAKE_LIMIT_MS = 60000, FAKE_MEMORY = 16 << 20 };

struct fake_layer {
	char id[PG_LAYER_LEN + 1], parent[PG_LAYER_LEN + 1], state[512], manifest[1024];
	int64_t bytes, published_ms;
};
struct fake_instance {
	struct pg_instance pg; /* first */
	char layer[PG_LAYER_LEN + 1], state[512];
	enum pg_use use;
	atomic_bool alive;
	atomic_int conns;
	int number;
};
struct pg_conn { /* the door's type */
	struct fake_instance *of;
	struct pg_stop *stop;
	atomic_bool open;
};
static struct fake {
	struct pg_backend b;
	pthread_mutex_t lock, locks_lock;
	struct fake_layer layers[FAKE_LAYERS];
	int nlayers;
	char locked[64][PG_LAYER_LEN + 1];
	atomic_int opened[PG_SHARED + 1], live, released, published, dropped, scripts, numbers, connects, remembered;
	atomic_int fail_open, fail_publish, deaths; /* how many times yet */
	_Atomic enum err_kind fail_kind;
	atomic_bool gate, boot_gate_shut; /* the second: boots wait while it is set */
	atomic_int in_gate, in_boot;
	int64_t layer_bytes;    /* of each that is published */
	char shared[PG_LAYER_LEN + 1]; /* what the store has */
	atomic_int exported;
} fake;

/* --- waiting, as tests do it --- */
#define fake_until(cond) \
	do { \
		int left_ = FAKE_LIMIT_MS; \
		while (!(cond) && left_-- > 0) \
			poll(NULL, 0, 1); \
		assert_true(cond); \
	} while (0)

static inline bool fake_wait(struct call *c, atomic_bool *flag, bool until, struct pg_stop *stop)
{
	while (atomic_load(flag) != until) {
		if (!ticket_may_go_on(c, stop))
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

/* --- the backend --- */
static inline struct fake_layer *fake_find_locked(struct str id)
{
	for (int i = 0; i < fake.nlayers; i++)
		if (str_eq(str_of(fake.layers[i].id), id))
			return &fake.layers[i];
	return NULL;
}

static bool fake_open_instance(struct call *c, struct pg_backend *b, const struct pg_open_ask *ask, struct pg_instance **ret)
{
	struct fake_instance *i;
	struct fake_layer *l;
	bool opened;

	if (atomic_load(&fake.fail_open) > 0 && atomic_fetch_sub(&fake.fail_open, 1) > 0)
		return fail(c, atomic_load(&fake.fail_kind), "told to");
	atomic_fetch_add(&fake.in_boot, 1);
	opened = fake_wait(c, &fake.boot_gate_shut, false, ask->stop);
	atomic_fetch_sub(&fake.in_boot, 1);
	if (!opened)
		return false;
	i = base_zalloc(sizeof(*i));
	pthread_mutex_lock(&fake.lock);
	l = fake_find_locked(ask->layer);
	if (l) {
		strcpy(i->state, l->state);
		strcpy(i->layer, l->id);
	}
	pthread_mutex_unlock(&fake.lock);
	if (ask->layer.n && !l) {
		free(i);
		return fail(c, ERR_NOT_FOUND, "no such layer");
	}
	i->pg.ops = b->ops;
	i->use = ask->use;
	i->number = atomic_fetch_add(&fake.numbers, 1) + 1;
	atomic_store(&i->alive, true);
	atomic_fetch_add(&fake.live, 1);
	atomic_fetch_add(&fake.opened[ask->use], 1);
	*ret = &i->pg;
	return true;
}

static bool fake_connect(struct call *c, struct pg_instance *pg, enum pg_role role, struct pg_stop *stop, struct pg_conn **ret)
{
	struct fake_instance *i = (struct fake_instance *)pg;
	struct pg_conn *p;

	(void)role;
	if (!atomic_load(&i->alive))
		return fail(c, ERR_ENGINE_UNREACHABLE, "dead");
	p = base_zalloc(sizeof(*p));
	p->of = i;
	p->stop = stop;
	atomic_store(&p->open, true);
	atomic_fetch_add(&i->conns, 1);
	atomic_fetch_add(&fake.connects, 1);
	*ret = p;
	return true;
}

static bool fake_alive(struct pg_instance *pg)
{
	return atomic_load(&((struct fake_instance *)pg)->alive);
}

static void fake_stats(struct pg_instance *pg, struct pg_instance_stats *ret)
{
	(void)pg;
	*ret = (struct pg_instance_stats){.memory_bytes = FAKE_MEMORY, .disk_bytes = fake.layer_bytes};
}

/* Connections of a killed instance look at it later: it stays until the backend closes. */
static struct fake_instance *fake_gone[100000];
static atomic_int fake_ngone;

static void fake_release(struct pg_instance *pg)
{
	struct fake_instance *i = (struct fake_instance *)pg;

	atomic_store(&i->alive, false);
	fake_gone[atomic_fetch_add(&fake_ngone, 1)] = i;
	atomic_fetch_sub(&fake.live, 1);
	atomic_fetch_add(&fake.released, 1);
}

static inline void fake_put_layer(struct str id, struct str parent, const char *state, struct str manifest)
{
	struct fake_layer *l;

	pthread_mutex_lock(&fake.lock);
	assert_true(fake.nlayers < FAKE_LAYERS && manifest.n < sizeof(l->manifest));
	l = &fake.layers[fake.nlayers++];
	*l = (struct fake_layer){.bytes = fake.layer_bytes, .published_ms = clock_wall_ms()};
	memcpy(l->id, id.p, id.n);
	memcpy(l->parent, parent.p ? parent.p : "", parent.n);
	strcpy(l->state, state);
	memcpy(l->manifest, manifest.p, manifest.n);
	pthread_mutex_unlock(&fake.lock);
}

static bool fake_publish(struct call *c, struct pg_instance *pg, struct str id, struct str manifest, bool *ret_first)
{
	struct fake_instance *i = (struct fake_instance *)pg;
	bool there;

	assert_int_equal(i->use, PG_BUILD);
	assert_int_equal(atomic_load(&i->conns), 0);
	fake_release(pg);
	if (atomic_load(&fake.fail_publish) > 0 && atomic_fetch_sub(&fake.fail_publish, 1) > 0)
		return fail(c, atomic_load(&fake.fail_kind), "told to");
	pthread_mutex_lock(&fake.lock);
	there = fake_find_locked(id) != NULL;
	pthread_mutex_unlock(&fake.lock);
	*ret_first = !there;
	if (!there)
		fake_put_layer(id, str_of(i->layer), i->state, manifest);
	atomic_fetch_add(&fake.published, 1);
	return true;
}

static bool fake_drop(struct call *c, struct pg_backend *b, struct str id)
{
	(void)b;
	(void)c;
	pthread_mutex_lock(&fake.lock);
	for (int i = 0; i < fake.nlayers; i++) {
		assert_false(str_eq(str_of(fake.layers[i].parent), id));
		if (!str_eq(str_of(fake.layers[i].id), id))
			continue;
		memmove(&fake.layers[i], &fake.layers[i + 1], sizeof(fake.layers[0]) * (size_t)(fake.nlayers - i - 1));
		fake.nlayers--;
		i--;
	}
	pthread_mutex_unlock(&fake.lock);
	atomic_fetch_add(&fake.dropped, 1);
	return true;
}

static bool fake_list(struct call *c, struct pg_backend *b, pg_found_fn *fn, void *arg)
{
	bool go = true;

	(void)c;
	(void)b;
	pthread_mutex_lock(&fake.lock);
	for (int i = 0; go && i < fake.nlayers; i++) {
		const struct fake_layer *l = &fake.layers[i];
		const struct pg_found f = {.id = str_of(l->id), .parent = str_of(l->parent), .bytes = l->bytes,
					   .published_ms = l->published_ms, .manifest = str_of(l->manifest)};

		go = fn(arg, &f);
	}
	pthread_mutex_unlock(&fake.lock);
	return go;
}

static bool fake_lock(struct call *c, struct pg_backend *b, struct str id, struct pg_stop *stop, void **ret)
{
	(void)b;
	for (;;) {
		int free_at = -1;
		bool taken = false;

		pthread_mutex_lock(&fake.locks_lock);
		for (int i = 0; i < (int)COUNT_OF(fake.locked); i++) {
			if (str_eq(str_of(fake.locked[i]), id))
				taken = true;
			if (!fake.locked[i][0] && free_at < 0)
				free_at = i;
		}
		if (!taken && free_at >= 0) {
			memcpy(fake.locked[free_at], id.p, id.n);
			*ret = fake.locked[free_at];
		}
		pthread_mutex_unlock(&fake.locks_lock);
		if (!taken && free_at >= 0)
			return true;
		if (!ticket_may_go_on(c, stop))
			return false;
		poll(NULL, 0, 1);
	}
}

static void fake_unlock(void *lock)
{
	pthread_mutex_lock(&fake.locks_lock);
	memset(lock, 0, PG_LAYER_LEN + 1);
	pthread_mutex_unlock(&fake.locks_lock);
}

static bool fake_pack(struct call *c, struct pg_backend *b, struct str id, int to_fd);
static bool fake_unpack(struct call *c, struct pg_backend *b, const struct pg_found *f, int from_fd);
static void fake_report(struct pg_backend *b, struct pg_report *ret)
{
	(void)b;
	*ret = (struct pg_report){.backend = "fake", .driver = "none"};
}

static const struct pg_backend_ops fake_ops = {
	.name = "fake", .open = fake_open_instance, .connect = fake_connect, .alive = fake_alive, .stats = fake_stats,
	.publish = fake_publish, .release = fake_release, .drop = fake_drop, .list = fake_list, .lock = fake_lock, .unlock = fake_unlock,
	.pack = fake_pack, .unpack = fake_unpack, .report = fake_report,
};

/* --- what is linked instead of the real ones --- */
void pg_conn_stop(struct pg_conn *p, struct pg_stop *stop)
{
	p->stop = stop;
}

bool pg_conn_alive(struct pg_conn *p)
{
	return atomic_load(&p->open) && atomic_load(&p->of->alive);
}

void pg_conn_close(struct pg_conn *p)
{
	if (!p)
		return;
	atomic_fetch_sub(&p->of->conns, 1);
	free(p);
}

void pg_run(struct call *c, struct pg_conn *p, const struct pg_ask *ask, int grace_ms, struct pg_answer *ret)
{
	OWNS(buf) b = {0};

	(void)c;
	(void)grace_ms;
	*ret = (struct pg_answer){.outcome = pg_conn_alive(p) ? PG_OK : PG_LOST};
	if (ret->outcome != PG_OK || !str_starts(ask->sql, S("SELECT what")))
		return;
	buf_fmt(&b, "{\"data\":[[\"table t\",\"%s\"]]}", p->of->state); /* the state is what verify compares */
	ret->parts = ARENA_ARRAY(c->arena, struct engine_part, 1);
	ret->parts[0].bytes = engine_bytes_copy(buf_str(&b));
	ret->nparts = 1;
}

void pg_answer_drop(struct pg_answer *a)
{
	for (int i = 0; i < a->nparts; i++)
		engine_bytes_unref(a->parts[i].bytes);
	a->nparts = 0;
}

bool tree_content(struct call *c, struct runner *r, const struct tree *t, struct str path, struct str *ret)
{
	(void)r;
	for (int i = 0; i < t->n; i++) {
		if (!str_eq(t->files[i].path, path))
			continue;
		*ret = t->files[i].content;
		return true;
	}
	return fail(c, ERR_NOT_FOUND, "no such file");
}

static inline enum pg_outcome fake_failure(struct call *c, struct script_run *run, struct str path)
{
	run->error = (struct job_error){.code = S("sql_error"), .message = S("relation \"x\" does not exist"), .path = path, .line = 3,
					.sqlstate = "42P01"};
	(void)fail(c, ERR_SQL, "relation \"x\" does not exist");
	return PG_FAILED;
}

enum pg_outcome script_run(struct call *c, struct script_run *run, struct str path)
{
	struct fake_instance *i = run->conn->of;
	struct str word;
	size_t n = strlen(i->state);

	atomic_fetch_add(&fake.scripts, 1);
	assert_true(tree_content(c, run->runner, run->tree, path, &word));
	if (str_starts(word, S("gate"))) {
		bool went;

		atomic_fetch_add(&fake.in_gate, 1);
		went = fake_wait(c, &fake.gate, true, run->conn->stop);
		atomic_fetch_sub(&fake.in_gate, 1);
		if (!went)
			return c->err.kind == ERR_CANCELED ? PG_STOPPED : PG_LATE;
	}
	if (str_starts(word, S("die")) && atomic_load(&fake.deaths) > 0 && atomic_fetch_sub(&fake.deaths, 1) > 0) {
		atomic_store(&i->alive, false);
		return PG_LOST;
	}
	if (str_starts(word, S("fail")))
		return fake_failure(c, run, path);
	if (str_starts(word, S("slow")))
		clock_advance(500);
	snprintf(i->state + n, sizeof(i->state) - n, " %.*s", (int)path.n, path.p);
	if (str_starts(word, S("random")))
		snprintf(i->state + strlen(i->state), 16, "%d", i->number);
	return PG_OK;
}

/* One layer is shared: this one. */
bool share_import(struct call *c, struct runner *r, struct str tenant, struct str id)
{
	struct buf manifest = {0};

	(void)r;
	if (!str_eq(id, str_of(fake.shared)))
		return fail(c, ERR_NOT_FOUND, "nobody shares it");
	layer_manifest(&(struct layer_made){.tenant = tenant, .id = id, .created_ms = clock_wall_ms()}, S(""), &manifest);
	fake_put_layer(id, S(""), " imported", buf_str(&manifest));
	buf_drop(&manifest);
	return true;
}

bool share_export(struct call *c, struct runner *r, struct str tenant, struct str id)
{
	(void)c;
	(void)r;
	(void)tenant;
	pthread_mutex_lock(&fake.lock);
	assert_non_null(fake_find_locked(id));
	pthread_mutex_unlock(&fake.lock);
	atomic_fetch_add(&fake.exported, 1);
	return true;
}

static bool fake_pack(struct call *c, struct pg_backend *b, struct str id, int to_fd)
{
	(void)b;
	(void)id;
	(void)to_fd;
	return fail(c, ERR_INTERNAL, "only share.c packs");
}

static bool fake_unpack(struct call *c, struct pg_backend *b, const struct pg_found *f, int from_fd)
{
	(void)b;
	(void)f;
	(void)from_fd;
	return fail(c, ERR_INTERNAL, "only share.c unpacks");
}

void plan_remember(struct runner *r, struct str tenant, const struct plan *plan)
{
	(void)r;
	(void)tenant;
	(void)plan;
	atomic_fetch_add(&fake.remembered, 1);
}

/* --- the rig --- */
struct rig {
	struct runner r;
	struct runner_caps caps;
};

static inline void rig_caps(void *arg, struct str tenant, struct runner_caps *ret)
{
	(void)tenant;
	*ret = ((struct rig *)arg)->caps;
}

static inline void rig_start(struct rig *g)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	memset(g->r.base, 'b', RUNNER_HEX);
	assert_true(layers_open(&c, &g->r));
	assert_true(instances_open(&c, &g->r));
}

static inline void rig_stop(struct rig *g)
{
	instances_close(&g->r);
	layers_close(&g->r);
	assert_int_equal(atomic_load(&fake.live), 0);
}

static int rig_setup(void **state)
{
	struct rig *g = base_zalloc(sizeof(*g));

	memset(&fake, 0, sizeof(fake));
	fake.b.ops = &fake_ops;
	pthread_mutex_init(&fake.lock, NULL);
	pthread_mutex_init(&fake.locks_lock, NULL);
	fake.layer_bytes = 1000;
	g->caps.layer_bytes = INT64_MAX;
	g->r.o = (struct runner_options){
		.kv = kv_memory_open(10000), .backend = &fake.b, .replay_ms = 150, .layer_bytes = 1 << 20, .layer_ttl_s = 7 * 86400,
		.instance_ttl_s = 3600, .instance_idle_s = 60, .instances = 16, .warm_bytes = 1 << 30, .caps = rig_caps, .arg = g,
	};
	rig_start(g);
	*state = g;
	return 0;
}

static int rig_teardown(void **state)
{
	struct rig *g = *state;

	rig_stop(g);
	for (int i = 0; i < atomic_load(&fake_ngone); i++)
		free(fake_gone[i]);
	atomic_store(&fake_ngone, 0);
	g->r.o.kv->ops->close(g->r.o.kv);
	free(g);
	return 0;
}

/* --- a client: its own arena, call, stop sign, plan --- */
struct client {
	struct rig *g;
	struct arena a;
	struct call c;
	struct pg_stop stop;
	struct plan plan;
	struct tree tree;
	struct tree_file files[FAKE_STEPS];
	struct plan_step steps[FAKE_STEPS];
	struct layer_ask ask;
	struct layer_got got;
	bool went;
	pthread_t thread;
	atomic_int told, done;
};

static inline void client_told(void *arg, enum job_stage stage, int done, int total, const char *message)
{
	struct client *k = arg;

	(void)stage;
	(void)message;
	assert_true(done <= total);
	atomic_fetch_add(&k->told, 1);
}

/* "a.sql=ok b.sql=ok! c.sql=fail": `!` marks a layer by rule; the last is one anyway. Ids are chains of tenant, path and content. */
static inline void client_chain(struct client *k, const char *chain)
{
	struct str rest = str_of(arena_cstr(&k->a, str_of(chain)));
	struct buf seed = {0};

	buf_add(&seed, k->c.tenant);
	k->plan = (struct plan){.steps = k->steps, .tail_hash = k->g->r.base};
	k->tree = (struct tree){.files = k->files};
	while (rest.n) {
		struct str item = str_cut(&rest, ' '), path = str_cut(&item, '=');
		struct plan_step *s = &k->steps[k->plan.nsteps++];
		unsigned char digest[SHA256_LEN];
		struct buf hex = {0};

		*s = (struct plan_step){.path = path, .must = str_ends(item, S("!"))};
		buf_add(&seed, path);
		buf_add(&seed, item);
		hash_sha256(buf_str(&seed), digest);
		hash_hex(str_from((char *)digest, sizeof(digest)), &hex);
		memcpy(s->id, hex.p, RUNNER_HEX);
		buf_clear(&seed);
		buf_add(&seed, buf_str(&hex));
		buf_drop(&hex);
		k->files[k->tree.n++] = (struct tree_file){.path = path, .content = item};
		k->plan.tail_hash = s->id;
	}
	if (k->plan.nsteps)
		k->steps[k->plan.nsteps - 1].must = true;
	buf_drop(&seed);
}

static inline struct client *client_new(struct rig *g, const char *tenant, const char *chain)
{
	struct client *k = base_zalloc(sizeof(*k));

	k->g = g;
	call_open(&k->c, &k->a);
	pg_stop_open(&k->stop);
	k->c.tenant = str_of(tenant);
	k->c.cancel = &k->stop.on;
	client_chain(k, chain);
	k->ask = (struct layer_ask){
		.plan = &k->plan, .tree = &k->tree, .pin_s = 1, .stop = &k->stop, .told = {.step = client_told, .arg = k},
	};
	return k;
}

static inline bool client_acquire(struct client *k)
{
	k->went = layer_acquire(&k->c, &k->g->r, &k->ask, &k->got);
	if (!k->went && k->c.err.kind == ERR_NONE)
		print_error("failed without an error\n");
	return k->went;
}

static inline void *client_main(void *arg)
{
	struct client *k = arg;

	client_acquire(k);
	atomic_store(&k->done, 1);
	return NULL;
}

static inline void client_start(struct client *k)
{
	assert_int_equal(pthread_create(&k->thread, NULL, client_main, k), 0);
}

static inline void client_join(struct client *k)
{
	pthread_join(k->thread, NULL);
	k->thread = 0;
}

static inline void client_let_go(struct client *k)
{
	if (k->went && k->got.layer)
		layer_release(k->got.layer);
	k->got.layer = NULL;
	k->went = false;
	call_forgive(&k->c);
}

static inline void client_free(struct client *k)
{
	client_let_go(k);
	pg_stop_close(&k->stop);
	arena_close(&k->a);
	free(k);
}

static inline bool client_there(struct client *k, int step)
{
	return layer_there(&k->g->r, k->c.tenant, str_of(k->steps[step].id));
}

/* Acquired and let go: its layers are there. */
static inline void rig_build(struct rig *g, const char *tenant, const char *chain)
{
	struct client *k = client_new(g, tenant, chain);

	assert_true(client_acquire(k));
	client_free(k);
}

#endif
