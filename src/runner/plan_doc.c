/* plan_doc.c - plans as the contract's object, and why a step is a miss: compared with what the tenant built lately.
 *
 * Owns the memory of built plans, bounded by bytes and by tenant. It ends with the process; then a difference has less to say.
 *
 * Threads: any.
 */
#include "runner/plan_int.h"

#include <pthread.h>
#include <stdlib.h>

enum { CHAINS_BYTES = 16 << 20, CHAINS_OF_TENANT = 16, CHAIN_COST = 512 };

struct chain { /* a plan that was built */
	struct list link;
	struct arena arena;
	struct str tenant;
	char base[RUNNER_HEX + 1];
	struct plan_step *steps;
	int nsteps;
	size_t cost;
};
struct chains {
	pthread_mutex_t lock;
	struct list recent;              /* the latest first */
	size_t bytes;
};

void chains_open(struct runner *r)
{
	r->chains = base_zalloc(sizeof(*r->chains));
	pthread_mutex_init(&r->chains->lock, NULL);
	list_init(&r->chains->recent);
}

static void chain_drop(struct chains *k, struct chain *h)
{
	list_del(&h->link);
	k->bytes -= h->cost;
	arena_close(&h->arena);
	free(h);
}

void chains_close(struct runner *r)
{
	struct chains *k = r->chains;

	if (!k)
		return;
	LIST_EACH(&k->recent, it)
		chain_drop(k, LIST_ITEM(it, struct chain, link));
	pthread_mutex_destroy(&k->lock);
	free(k);
	r->chains = NULL;
}

/* --- remembering --- */

static void copy_step(struct arena *a, struct plan_step *to, const struct plan_step *from)
{
	struct plan_use *uses = ARENA_ARRAY(a, struct plan_use, (size_t)from->nuses + 1);

	*to = *from;
	to->path = arena_dup(a, from->path);
	for (int i = 0; i < from->nuses; i++)
		uses[i] = (struct plan_use){arena_dup(a, from->uses[i].name), from->uses[i].value};
	to->uses = uses;
}

static struct chain *chain_of(struct str tenant, const struct plan *p)
{
	struct chain *h = base_zalloc(sizeof(*h));

	h->tenant = arena_dup(&h->arena, tenant);
	memcpy(h->base, p->base, sizeof(h->base));
	h->steps = ARENA_ARRAY(&h->arena, struct plan_step, (size_t)p->nsteps + 1);
	h->nsteps = p->nsteps;
	for (int i = 0; i < p->nsteps; i++)
		copy_step(&h->arena, &h->steps[i], &p->steps[i]);
	h->cost = CHAIN_COST + h->arena.used;
	return h;
}

static bool same_end(const struct chain *h, struct str tenant, const struct plan *p)
{
	return h->nsteps == p->nsteps && str_eq(h->tenant, tenant) &&
	       memcmp(h->steps[h->nsteps - 1].id, p->steps[p->nsteps - 1].id, RUNNER_HEX) == 0;
}

/* Under the lock. Moves it to the front when it is known. */
static bool known(struct chains *k, struct str tenant, const struct plan *p)
{
	LIST_EACH(&k->recent, it) {
		struct chain *h = LIST_ITEM(it, struct chain, link);

		if (!same_end(h, tenant, p))
			continue;
		list_del(&h->link);
		list_add_head(&k->recent, &h->link);
		return true;
	}
	return false;
}

/* Under the lock. */
static void trim(struct chains *k, struct str tenant)
{
	int n = 0;

	LIST_EACH(&k->recent, it) {
		struct chain *h = LIST_ITEM(it, struct chain, link);

		if (str_eq(h->tenant, tenant) && ++n > CHAINS_OF_TENANT)
			chain_drop(k, h);
	}
	while (k->bytes > CHAINS_BYTES)
		chain_drop(k, LIST_ITEM(k->recent.prev, struct chain, link));
}

void plan_remember(struct runner *r, struct str tenant, const struct plan *plan)
{
	struct chains *k = r->chains;
	struct chain *h;
	bool there;

	if (plan->nsteps == 0)
		return;
	pthread_mutex_lock(&k->lock);
	there = known(k, tenant, plan);
	pthread_mutex_unlock(&k->lock);
	if (there)
		return;
	h = chain_of(tenant, plan);
	pthread_mutex_lock(&k->lock);
	list_add_head(&k->recent, &h->link);
	k->bytes += h->cost;
	trim(k, h->tenant);
	pthread_mutex_unlock(&k->lock);
}

/* --- comparing --- */

struct likeness {
	int paths, ids; /* steps at the beginning that agree */
};

static struct likeness likeness(const struct chain *h, const struct plan *p)
{
	struct likeness l = {0};

	while (l.paths < h->nsteps && l.paths < p->nsteps && str_eq(h->steps[l.paths].path, p->steps[l.paths].path))
		l.paths++;
	while (l.ids < l.paths && memcmp(h->steps[l.ids].id, p->steps[l.ids].id, RUNNER_HEX) == 0)
		l.ids++;
	return l;
}

/* Under the lock: the latest of those that are most alike. */
static const struct chain *most_alike(struct chains *k, struct str tenant, const struct plan *p, struct likeness *ret)
{
	const struct chain *best = NULL;

	LIST_EACH(&k->recent, it) {
		const struct chain *h = LIST_ITEM(it, struct chain, link);
		struct likeness l;

		if (!str_eq(h->tenant, tenant))
			continue;
		l = likeness(h, p);
		if (best && (l.paths < ret->paths || (l.paths == ret->paths && l.ids <= ret->ids)))
			continue;
		best = h;
		*ret = l;
	}
	return best;
}

static bool has_path(const struct plan_step *steps, int n, struct str path)
{
	for (int i = 0; i < n; i++)
		if (str_eq(steps[i].path, path))
			return true;
	return false;
}

/* The first variable that is not as it was, or empty. */
static struct str changed_variable(const struct plan_step *was, const struct plan_step *is)
{
	for (int i = 0; i < is->nuses; i++) {
		bool same = false;

		for (int j = 0; j < was->nuses && !same; j++)
			same = str_eq(was->uses[j].name, is->uses[i].name) && was->uses[j].value == is->uses[i].value;
		if (!same)
			return is->uses[i].name;
	}
	return S("");
}

static const char *other_path(const struct chain *h, const struct plan *p, int at)
{
	if (at >= h->nsteps || !has_path(h->steps, h->nsteps, p->steps[at].path))
		return "new_step";
	return has_path(p->steps, p->nsteps, h->steps[at].path) ? "order_changed" : "step_removed";
}

static const char *why(const struct chain *h, const struct plan *p, int at, struct str *ret_changed)
{
	const struct plan_step *was = &h->steps[at], *is = &p->steps[at];

	if (at >= h->nsteps || !str_eq(was->path, is->path))
		return other_path(h, p, at);
	if (memcmp(was->content, is->content, SHA256_LEN) != 0)
		return "content_changed";
	if (memcmp(was->includes, is->includes, SHA256_LEN) != 0)
		return "include_changed";
	*ret_changed = changed_variable(was, is);
	if (ret_changed->n)
		return "variable_changed";
	return strcmp(h->base, p->base) != 0 ? "engine_changed" : "evicted";
}

static void chains_compare(struct call *c, struct runner *r, const struct plan *plan, int from, struct difference *ret)
{
	struct chains *k = r->chains;
	struct likeness l = {0};
	const struct chain *h;

	*ret = (struct difference){.at = from, .reason = "new_step"};
	pthread_mutex_lock(&k->lock);
	h = most_alike(k, c->tenant, plan, &l);
	if (h && l.ids == plan->nsteps) {
		ret->reason = "evicted";
	} else if (h) {
		ret->at = l.ids > from ? l.ids : from;
		ret->reason = why(h, plan, ret->at, &ret->changed);
		ret->changed = arena_dup(c->arena, ret->changed);
	}
	pthread_mutex_unlock(&k->lock);
}

/* --- the document --- */

static void put_nearest(struct json_out *o, const struct plan *p, int nearest)
{
	json_key(o, S("nearest"));
	if (nearest < 0) {
		json_put_null(o);
		return;
	}
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "layer_id", str_of(p->steps[nearest].id));
	JSON_FIELD_TEXT(o, "path", p->steps[nearest].path);
	JSON_FIELD_INT(o, "steps", nearest + 1);
	json_end_object(o);
}

static void put_difference(struct call *c, struct runner *r, struct json_out *o, const struct plan *p, int nearest)
{
	struct difference d;

	json_key(o, S("first_difference"));
	if (nearest + 1 >= p->nsteps) {
		json_put_null(o);
		return;
	}
	chains_compare(c, r, p, nearest + 1, &d);
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "path", p->steps[d.at].path);
	JSON_FIELD_TEXT(o, "hash", str_of(p->steps[d.at].id));
	JSON_FIELD_TEXT(o, "reason", str_of(d.reason));
	if (d.changed.n)
		JSON_FIELD_TEXT(o, "variable", d.changed);
	json_end_object(o);
}

static void put_steps(struct json_out *o, const struct plan *p, int nearest)
{
	json_key(o, S("steps"));
	json_begin_array(o);
	for (int i = 0; i < p->nsteps; i++) {
		json_begin_object(o);
		JSON_FIELD_TEXT(o, "path", p->steps[i].path);
		JSON_FIELD_TEXT(o, "hash", str_of(p->steps[i].id));
		JSON_FIELD_BOOL(o, "hit", i <= nearest);
		JSON_FIELD_BOOL(o, "layer", p->steps[i].must);
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_plan(struct call *c, struct runner *r, const struct plan *p, struct json_out *o)
{
	int nearest = p->nsteps - 1;

	while (nearest >= 0 && !layer_there(r, c->tenant, str_of(p->steps[nearest].id)))
		nearest--;
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "tail_hash", str_of(p->tail_hash));
	JSON_FIELD_TEXT(o, "base", str_of(p->base));
	JSON_FIELD_TEXT(o, "head_path", p->head);
	put_steps(o, p, nearest);
	put_nearest(o, p, nearest);
	put_difference(c, r, o, p, nearest);
	json_key(o, S("unused"));
	json_put_texts(o, p->order.unused, p->order.nunused);
	json_key(o, S("volatile"));
	json_put_texts(o, p->volatile_names, p->nvolatile);
	json_end_object(o);
}

bool runner_plan(struct call *c, struct runner *r, const struct job_ask *ask, struct json_out *o)
{
	struct tree t = {0};
	struct plan plan;
	struct job_error error;
	struct plan_ask what = {.tree = &t, .head = ask->head_path, .chain = ask->chain, .nchain = ask->nchain,
				.variables = ask->variables, .nvariables = ask->nvariables};

	if (!ask->head_path.n)
		return fail(c, ERR_INVALID_FIELD, "head_path: a plan needs a head");
	if (!tree_add(c, r, c->arena, &t, ask->files, ask->nfiles) || !tree_check_blobs(c, r, &t) ||
	    !plan_make(c, r, &what, &plan, &error))
		return false;
	put_plan(c, r, &plan, o);
	return true;
}
