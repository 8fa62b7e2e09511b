/* catalog.c - sessions' own databases as the server knows them: which worker has one, and what may be done with it.
 *
 *   new ──first task sent──▶ attached ──dropped──▶ gone
 *                               └──its worker ended (memory)──▶ lost
 *
 * Memory catalogs hang on the link that holds them and keep it; see link.c. Not here: what a worker does with one
 * (engine/worker/catalog.c). What a worker says of a catalog is checked here.
 *
 * Threads: the door's functions from any; catalog_admit and what follows on the loop.
 */
#include "engine/engine_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TABLES_MAX = 1000000, TABLE_LEAST = 4 + 8 + 4 /* bytes of one on the wire */ };

struct engine_catalog {
	struct list node;      /* in the link that holds it, with a reference; on the loop */
	atomic_int refs;
	struct engine *engine;
	struct engine_catalog_options o;
	char tenant[64], name[SQL_CATALOG_LEN + 1];
	atomic_int at_work;         /* tasks but those of the whole catalog */
	_Atomic int64_t worked_ms;  /* wall: when the last of them ended */
	pthread_mutex_t lock;
	pthread_cond_t told;
	/* under the lock */
	bool calling, forgotten;
	bool attached;         /* a worker was given a task of it */
	bool closing;          /* a drop was begun: nothing else any more */
	bool lost, gone;
	uint64_t generation;   /* of the link that holds it; 0 = none */
	struct engine_usage max;
};

struct engine_catalog *engine_catalog_open(struct engine *e, const struct engine_catalog_options *o)
{
	struct engine_catalog *k = base_zalloc(sizeof(*k));

	INVARIANT(o->tenant.n < sizeof(k->tenant) && o->name.n == SQL_CATALOG_LEN);
	memcpy(k->tenant, o->tenant.p, o->tenant.n);
	memcpy(k->name, o->name.p, o->name.n);
	k->o = *o;
	k->o.tenant = str_of(k->tenant);
	k->o.name = str_of(k->name);
	k->engine = e;
	k->max = (struct engine_usage){INT64_MAX, INT64_MAX, INT64_MAX};
	list_init(&k->node);
	atomic_init(&k->refs, 1);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->told, NULL);
	return k;
}

struct engine_catalog *engine_catalog_ref(struct engine_catalog *k)
{
	atomic_fetch_add(&k->refs, 1);
	return k;
}

void engine_catalog_unref(struct engine_catalog *k)
{
	if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->told);
	free(k);
}

void engine_catalog_limit(struct engine_catalog *k, const struct engine_usage *max)
{
	pthread_mutex_lock(&k->lock);
	k->max = *max;
	pthread_mutex_unlock(&k->lock);
}

void catalog_task_begun(struct engine_task *t)
{
	if (t->catalog && t->kind != WIRE_CATALOG)
		atomic_fetch_add(&t->catalog->at_work, 1);
}

void catalog_task_over(struct engine_task *t)
{
	if (!t->catalog || t->kind == WIRE_CATALOG)
		return;
	atomic_store(&t->catalog->worked_ms, clock_wall_ms()); /* before the count: who sees none at work sees this */
	atomic_fetch_sub(&t->catalog->at_work, 1);
}

int64_t engine_catalog_worked(const struct engine_catalog *k)
{
	return atomic_load(&k->at_work) ? INT64_MAX : atomic_load(&k->worked_ms);
}

static bool has_file(const struct engine_catalog *k)
{
	static const char *const ends[] = {"", ".wal"};
	OWNS(arena) a = {0};

	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (access(arena_fmt(&a, "%s/tenants/%s/sessions/%s.db%s", k->engine->data_dir, k->tenant, k->name, ends[i]).p,
			   F_OK) == 0)
			return true;
	return false;
}

bool engine_catalog_exists(struct engine_catalog *k)
{
	bool attached, over;

	pthread_mutex_lock(&k->lock);
	attached = k->attached;
	over = k->gone || k->lost;
	pthread_mutex_unlock(&k->lock);
	return !over && (attached || (k->o.persistent && has_file(k)));
}

void catalog_scope(struct engine_catalog *k, struct wire_catalog *ret)
{
	pthread_mutex_lock(&k->lock);
	*ret = (struct wire_catalog){k->o.name, k->o.persistent, k->max};
	pthread_mutex_unlock(&k->lock);
}

struct str catalog_tenant(const struct engine_catalog *k)
{
	return k->o.tenant;
}

/* --- telling its owner --- */
static bool begin_telling(struct engine_catalog *k)
{
	bool ok;

	pthread_mutex_lock(&k->lock);
	ok = !k->forgotten && !k->gone; /* who outlives a drop has nothing to tell */
	k->calling = ok;
	pthread_mutex_unlock(&k->lock);
	return ok;
}

static void end_telling(struct engine_catalog *k)
{
	pthread_mutex_lock(&k->lock);
	k->calling = false;
	pthread_cond_broadcast(&k->told);
	pthread_mutex_unlock(&k->lock);
}

void engine_catalog_forget(struct engine_catalog *k)
{
	pthread_mutex_lock(&k->lock);
	k->forgotten = true;
	while (k->calling)
		pthread_cond_wait(&k->told, &k->lock);
	pthread_mutex_unlock(&k->lock);
}

void catalog_used(struct engine_catalog *k, const struct engine_usage *now)
{
	if (!k->o.used || !begin_telling(k))
		return;
	k->o.used(k->o.arg, now);
	end_telling(k);
}

void catalog_lost(struct list *node)
{
	struct engine_catalog *k = LIST_ITEM(node, struct engine_catalog, node);

	pthread_mutex_lock(&k->lock);
	k->lost = true;
	pthread_mutex_unlock(&k->lock);
	if (k->o.lost && begin_telling(k)) {
		k->o.lost(k->o.arg);
		end_telling(k);
	}
	engine_catalog_unref(k);
}

/* --- which worker has it --- */
void catalog_sent(struct engine_catalog *k, uint64_t generation, struct list *held)
{
	bool first;

	pthread_mutex_lock(&k->lock);
	k->attached = true;
	first = !k->o.persistent && k->generation == 0;
	if (first)
		k->generation = generation;
	pthread_mutex_unlock(&k->lock);
	if (!first)
		return;
	engine_catalog_ref(k);
	list_add_tail(held, &k->node);
}

void catalog_dropped(struct engine_catalog *k)
{
	pthread_mutex_lock(&k->lock);
	k->gone = true;
	pthread_mutex_unlock(&k->lock);
	if (!list_linked(&k->node))
		return;
	list_del(&k->node);
	engine_catalog_unref(k);
}

/* Lock held. */
static enum admit admit_drop(struct engine_catalog *k)
{
	k->closing = true;
	if (k->gone || k->lost)
		return ADMIT_EMPTY;
	if (k->o.persistent ? k->attached || has_file(k) : k->generation != 0)
		return ADMIT_SEND;
	k->gone = true;
	return ADMIT_EMPTY;
}

/* Lock held. */
static enum admit admit(struct engine_catalog *k, const struct engine_task *t)
{
	if (t->drops)
		return admit_drop(k);
	if (k->gone || k->closing)
		return ADMIT_GONE;
	if (k->lost)
		return ADMIT_LOST;
	return t->express && !k->o.persistent && k->generation == 0 ? ADMIT_EMPTY : ADMIT_SEND;
}

enum admit catalog_admit(const struct engine_task *t)
{
	enum admit a = ADMIT_SEND;

	if (t->catalog) {
		pthread_mutex_lock(&t->catalog->lock);
		a = admit(t->catalog, t);
		pthread_mutex_unlock(&t->catalog->lock);
	}
	if (t->to && a == ADMIT_SEND) {
		pthread_mutex_lock(&t->to->lock);
		a = t->to->gone || t->to->closing ? ADMIT_GONE : t->to->lost ? ADMIT_LOST : ADMIT_SEND;
		pthread_mutex_unlock(&t->to->lock);
	}
	return a;
}

static void end_empty(struct engine_task *t)
{
	static const uint32_t none;
	struct engine_part part = {.bytes = engine_bytes_copy(str_from((const char *)&none, sizeof(none)))};

	t->listener->started(t->arg);
	t->listener->part(t->arg, &part);
	task_end(t, &(struct engine_end){.outcome = ENGINE_OK, .position = -1});
}

void catalog_end(struct engine_task *t, enum admit a)
{
	switch (a) {
	case ADMIT_EMPTY:
		end_empty(t);
		return;
	case ADMIT_GONE:
		task_end(t, &(struct engine_end){.outcome = ENGINE_GONE, .position = -1, .text = S("the session is closed")});
		return;
	case ADMIT_LOST:
		task_end_lost(t, "the engine worker that held the session's tables has ended");
		return;
	case ADMIT_SEND:
		break;
	}
	INVARIANT(false);
}

/* --- what is done with a whole one --- */
bool engine_catalog_run(struct call *c, struct engine_catalog *k, enum engine_catalog_verb verb, struct engine_catalog *to,
			const struct engine_listener *l, void *arg, struct engine_task **ret)
{
	struct engine_task *t = task_new(k->engine, WIRE_CATALOG, l, arg);
	struct wire_catalog scope;

	INVARIANT((to != NULL) == (verb == ENGINE_CATALOG_FORK));
	wire_u8(&t->body, (uint8_t)verb);
	catalog_scope(k, &scope);
	wire_put_catalog(&t->body, &scope);
	if (to)
		catalog_scope(to, &scope);
	wire_put_catalog(&t->body, to ? &scope : NULL);
	t->express = true;
	t->drops = verb == ENGINE_CATALOG_DROP;
	t->changes = verb != ENGINE_CATALOG_TABLES;
	t->catalog = engine_catalog_ref(k);
	t->to = to ? engine_catalog_ref(to) : NULL;
	if (!task_queue(c, t, k->o.tenant))
		return false;
	*ret = t;
	return true;
}

bool engine_tables(struct call *c, struct str packed, struct engine_table_info **ret, int *ret_n)
{
	struct wire_in in = wire_in(packed);
	uint32_t n = wire_get_u32(&in);
	struct engine_table_info *v;
	bool ok = !in.bad && n <= TABLES_MAX && n <= packed.n / TABLE_LEAST;

	v = ok ? ARENA_ARRAY(c->arena, struct engine_table_info, (size_t)n + 1) : NULL;
	for (uint32_t i = 0; ok && i < n; i++) {
		v[i].name = wire_get_text(&in);
		v[i].rows = wire_get_i64(&in);
		v[i].error = wire_get_text(&in);
		ok = !in.bad && v[i].name.n > 0 && v[i].rows >= 0 && str_is_utf8(v[i].name) && str_is_utf8(v[i].error);
	}
	if (!ok || in.p != in.end)
		return fail(c, ERR_INTERNAL, "the list of tables that a worker sent is not well-formed");
	*ret = v;
	*ret_n = (int)n;
	return true;
}
