/* session_fake.h - tables for the room of sessions that fail when they are told to.
 *
 * A list in memory; of persistent sessions also a text file where the engine
 * would have its database. Every write is a step, see session_rig.h.
 */
#ifndef MAYFLY_SESSION_FAKE_H
#define MAYFLY_SESSION_FAKE_H

#include "session_rig.h"

enum { FAKE_TABLES = 16 };
struct fake_table {
	char name[64];
	int64_t rows;
};
struct engine_catalog { /* the door's type, opaque to the room */
	atomic_int refs;
	struct engine_catalog_options o;
	char path[256], folder[200];
	pthread_mutex_t lock;
	bool attached, forgotten;
	struct engine_usage max;
	struct fake_table v[FAKE_TABLES];
	int n;
};
static struct fake {
	struct exec_loop *loop;
	const char *dir;
	_Atomic int live;           /* catalogs */
	_Atomic int begun;          /* tasks of any kind */
	_Atomic bool refuse, lose;  /* what begins is refused; what begins is lost */
} fake;

struct fake_task {
	const struct engine_listener *l;
	void *arg;
	struct engine_catalog *k;
	struct engine_end end;
	struct buf packed;
};

static void fake_tell(void *arg)
{
	struct fake_task *t = arg;
	struct engine_usage u = {.tables = t->k->n};

	if (t->packed.n) {
		const struct engine_part part = {.bytes = engine_bytes_copy(buf_str(&t->packed))};

		t->l->part(t->arg, &part);
	}
	pthread_mutex_lock(&t->k->lock);
	for (int i = 0; i < t->k->n; i++)
		u.rows += t->k->v[i].rows;
	if (!t->k->forgotten && t->k->o.used)
		t->k->o.used(t->k->o.arg, &u);
	pthread_mutex_unlock(&t->k->lock);
	t->l->ended(t->arg, &t->end);
	buf_drop(&t->packed);
	free(t);
}

static struct fake_task *fake_task(struct engine_catalog *k, const struct engine_listener *l, void *arg)
{
	struct fake_task *t = base_zalloc(sizeof(*t));

	*t = (struct fake_task){.l = l, .arg = arg, .k = k, .end = {.position = -1}};
	atomic_fetch_add(&fake.begun, 1);
	if (atomic_load(&fake.lose))
		t->end.outcome = ENGINE_LOST;
	return t;
}

static void fake_save(struct engine_catalog *k)
{
	FILE *f;

	if (!k->o.persistent)
		return;
	mkdir(k->folder, 0700);
	f = fopen(k->path, "w");
	assert_non_null(f);
	for (int i = 0; i < k->n; i++)
		fprintf(f, "%s %lld\n", k->v[i].name, (long long)k->v[i].rows);
	fclose(f);
}

static void fake_attach(struct engine_catalog *k)
{
	FILE *f = k->attached || !k->o.persistent ? NULL : fopen(k->path, "r");
	long long rows;

	k->attached = true;
	while (f && k->n < FAKE_TABLES && fscanf(f, "%63s %lld", k->v[k->n].name, &rows) == 2)
		k->v[k->n++].rows = rows;
	if (f)
		fclose(f);
}

static struct engine_catalog *fake_open(struct engine *e, const struct engine_catalog_options *o)
{
	struct engine_catalog *k = base_zalloc(sizeof(*k));

	(void)e;
	atomic_init(&k->refs, 1);
	pthread_mutex_init(&k->lock, NULL);
	k->o = *o;
	snprintf(k->folder, sizeof(k->folder), "%s/tenants/%.*s", fake.dir, SARG(o->tenant));
	mkdir(k->folder, 0700);
	strcat(k->folder, "/sessions");
	snprintf(k->path, sizeof(k->path), "%s/%.*s.db", k->folder, SARG(o->name));
	atomic_fetch_add(&fake.live, 1);
	return k;
}

static void fake_forget(struct engine_catalog *k)
{
	pthread_mutex_lock(&k->lock);
	k->forgotten = true;
	pthread_mutex_unlock(&k->lock);
}

static void fake_unref(struct engine_catalog *k)
{
	if (atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	atomic_fetch_sub(&fake.live, 1);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static void fake_limit(struct engine_catalog *k, const struct engine_usage *max)
{
	pthread_mutex_lock(&k->lock);
	k->max = *max;
	pthread_mutex_unlock(&k->lock);
}

static bool fake_exists(struct engine_catalog *k)
{
	bool attached;

	pthread_mutex_lock(&k->lock);
	attached = k->attached;
	pthread_mutex_unlock(&k->lock);
	return attached || (k->o.persistent && access(k->path, F_OK) == 0);
}

static void fake_pack(struct fake_task *t, const struct fake_table *v, const char *error)
{
	buf_fmt(&t->packed, "%s\t%lld\t%s\n", v->name, (long long)v->rows, error);
}

static void fake_drop(struct engine_catalog *k, struct fake_task *t)
{
	int failing = atomic_exchange(&steps.fail_drop, 0), left = 0;

	for (int i = 0; i < k->n; i++) {
		fake_pack(t, &k->v[i], i == failing - 1 ? "held" : "");
		if (i == failing - 1)
			k->v[left++] = k->v[i];
		step();
	}
	k->n = left;
	fake_save(k);
	step();
	if (left == 0) {
		k->attached = false;
		unlink(k->path);
	}
	step();
}

static bool fake_run(struct call *c, struct engine_catalog *k, enum engine_catalog_verb verb, struct engine_catalog *to,
		     const struct engine_listener *l, void *arg, struct engine_task **ret)
{
	struct fake_task *t;

	if (atomic_load(&fake.refuse))
		return fail(c, ERR_UNAVAILABLE, "no worker may be started");
	t = fake_task(k, l, arg);
	pthread_mutex_lock(&k->lock);
	fake_attach(k);
	for (int i = 0; i < k->n && verb == ENGINE_CATALOG_TABLES && t->end.outcome == ENGINE_OK; i++)
		fake_pack(t, &k->v[i], "");
	if (verb == ENGINE_CATALOG_DROP && t->end.outcome == ENGINE_OK)
		fake_drop(k, t);
	if (verb == ENGINE_CATALOG_FORK && t->end.outcome == ENGINE_OK) {
		memcpy(to->v, k->v, sizeof(k->v));
		to->n = k->n;
		to->attached = true;
		fake_save(to);
	}
	pthread_mutex_unlock(&k->lock);
	exec_post(fake.loop, fake_tell, t);
	*ret = NULL;
	return true;
}

static void fake_fail(struct fake_task *t, const char *class, const char *text)
{
	t->end.outcome = ENGINE_FAILED;
	t->end.class = str_of(class);
	t->end.text = str_of(text);
}

static struct fake_table *fake_find(struct engine_catalog *k, const char *name)
{
	for (int i = 0; i < k->n; i++)
		if (str_ieq(str_of(k->v[i].name), str_of(name)))
			return &k->v[i];
	return NULL;
}

/* CREATE TABLE "catalog".public."name" (…); there is no type NOSUCH */
static bool fake_create(struct call *c, struct engine *e, const struct engine_ask *ask, const struct engine_listener *l,
			void *arg, struct engine_task **ret)
{
	struct engine_catalog *k = ask->catalog;
	struct fake_task *t = fake_task(k, l, arg);
	struct str name = str_tail(ask->sql, str_search(ask->sql, S(".public.\"")) + 9);
	size_t bad = str_search(ask->sql, S("NOSUCH"));
	char z[64];

	(void)c;
	(void)e;
	snprintf(z, sizeof(z), "%.*s", (int)str_find(name, '"'), name.p);
	pthread_mutex_lock(&k->lock);
	fake_attach(k);
	if (fake_find(k, z)) {
		fake_fail(t, "Catalog", "Table with that name already exists!");
	} else if (bad < ask->sql.n) {
		fake_fail(t, "Catalog", "Type with name NOSUCH does not exist!");
		t->end.position = (int64_t)bad;
	} else if (k->n >= k->max.tables) {
		t->end.outcome = ENGINE_FULL;
		t->end.class = S("tables");
	} else if (t->end.outcome == ENGINE_OK) {
		k->v[k->n] = (struct fake_table){0};
		strcpy(k->v[k->n++].name, z);
		fake_save(k);
	}
	pthread_mutex_unlock(&k->lock);
	exec_post(fake.loop, fake_tell, t);
	*ret = NULL;
	return true;
}

/* The feed is the task: fake_fed() says how it ends. */
static bool fake_insert(struct call *c, struct engine *e, const struct engine_ingest *in, const struct engine_listener *l,
			void *arg, struct engine_feed **ret_feed, struct engine_task **ret)
{
	struct fake_task *t = fake_task(in->catalog, l, arg);

	(void)c;
	(void)e;
	buf_add(&t->packed, in->table);
	buf_addc(&t->packed, 0);
	*ret_feed = (struct engine_feed *)t;
	*ret = NULL;
	return true;
}

static void fake_fed(struct engine_feed *feed, const struct engine_end *end)
{
	struct fake_task *t = (struct fake_task *)feed;
	struct fake_table *v;

	pthread_mutex_lock(&t->k->lock);
	v = fake_find(t->k, t->packed.p);
	t->end = *end;
	if (!v)
		fake_fail(t, "Unknown Table", "no such table");
	else if (end->outcome == ENGINE_OK)
		v->rows += end->rows;
	fake_save(t->k);
	pthread_mutex_unlock(&t->k->lock);
	buf_clear(&t->packed);
	exec_post(fake.loop, fake_tell, t);
}

static void fake_nothing(struct engine_task *t)
{
	(void)t;
}

static bool fake_unpack(struct call *c, struct str packed, struct engine_table_info **ret, int *ret_n)
{
	struct engine_table_info *v = ARENA_ARRAY(c->arena, struct engine_table_info, FAKE_TABLES);
	int n = 0;

	while (packed.n) {
		struct str line = str_cut(&packed, '\n');

		v[n].name = str_cut(&line, '\t');
		if (!str_to_i64(str_cut(&line, '\t'), &v[n].rows))
			return fail(c, ERR_INTERNAL, "packed");
		v[n++].error = line;
	}
	*ret = v;
	*ret_n = n;
	return true;
}

static int64_t fake_worked(const struct engine_catalog *k)
{
	(void)k;
	return 0;
}

static const struct session_tables_ops fake_tables = {
	.open = fake_open, .forget = fake_forget, .unref = fake_unref, .limit = fake_limit, .exists = fake_exists, .worked = fake_worked, .run = fake_run,
	.create = fake_create, .insert = fake_insert, .task_unref = fake_nothing, .unpack = fake_unpack,
};

/* --- the side --- */

static struct sessions *fake_side_open(struct rig *r, struct session_options *so)
{
	fake.dir = r->dir;
	fake.loop = r->loop;
	return sessions_open_on(&r->c, so, &fake_tables);
}

static void fake_side_stop(struct rig *r)
{
	exec_loop_stop(r->loop);
}

static void fake_side_close(struct rig *r)
{
	(void)r;
	assert_int_equal(atomic_load(&fake.live), 0); /* every catalog was given back */
}

static const struct rig_side fake_side = {fake_side_open, fake_side_stop, fake_side_close};

UNUSED static int fake_begin(void **state)
{
	struct rig *r = rig_new(&fake_side);

	fake = (struct fake){0};
	rig_start(r);
	*state = r;
	return 0;
}

UNUSED static void fake_rows(struct rig *r, struct session *se, const char *table, int64_t rows)
{
	struct session_result res;
	struct engine_feed *feed;
	struct session_op *op;

	assert_true(session_insert(&r->c, se, &(struct session_rows_ask){.table = str_of(table)}, &feed, &op));
	fake_fed(feed, &(struct engine_end){.rows = rows, .position = -1});
	assert_true(rig_finish(r, op, &res));
	assert_int_equal(res.rows, rows);
}

#endif
