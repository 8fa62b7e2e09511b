/* layers_kept.c - what of layers outlives the process besides themselves: pins, last uses, verdicts.
 *
 *   runner/layers/<place>/<tenant>/<id> = "<pinned until> <last used> <hits> <y|n|->"      wall ms; a record with a TTL
 *
 * A hit only marks its layer; a task on the pool writes. A record holds a quarter longer than the pin, so most hits write
 * nothing. <place> is this server, which alone has its jail's layers, or "dsn": servers on one PostgreSQL server have the same
 * layers, and of their times the later win.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

#include <stdlib.h>

struct kept {
	int64_t pinned_ms, used_ms, hits;
	char verified;
};
struct to_keep {
	struct str key; /* of the layer */
	struct kept v;
};

static struct str record_prefix(struct arena *a, const struct runner *r)
{
	struct str place = r->o.backend && runner_one_database(r) ? S("dsn") : r->o.server;

	return arena_fmt(a, "runner/layers/%.*s/", SARG(place));
}

static struct str record_key(struct arena *a, const struct runner *r, struct str layer)
{
	return arena_fmt(a, "%.*s%.*s", SARG(record_prefix(a, r)), SARG(layer));
}

static bool read_kept(struct str text, struct kept *ret)
{
	struct str rest = text, verdict;

	*ret = (struct kept){0};
	if (!str_to_i64(str_cut(&rest, ' '), &ret->pinned_ms) || !str_to_i64(str_cut(&rest, ' '), &ret->used_ms) ||
	    !str_to_i64(str_cut(&rest, ' '), &ret->hits))
		return false;
	verdict = str_cut(&rest, ' ');
	if (str_eq(verdict, S("y")) || str_eq(verdict, S("n")))
		ret->verified = verdict.p[0];
	return ret->hits >= 0;
}

/* --- writing --- */

static bool write_one(struct call *c, struct runner *r, const struct to_keep *k)
{
	struct str key = record_key(c->arena, r, k->key);
	struct kept v = k->v, before;
	int64_t now = clock_wall_ms(), ttl = r->o.layer_ttl_s * 1000;
	struct kv_record rec;

	if (kv_get(c, r->o.kv, key, &rec)) {
		if (read_kept(rec.value, &before)) {
			v.pinned_ms = before.pinned_ms > v.pinned_ms ? before.pinned_ms : v.pinned_ms;
			v.used_ms = before.used_ms > v.used_ms ? before.used_ms : v.used_ms;
			v.verified = v.verified ? v.verified : before.verified;
		}
	} else if (c->err.kind == ERR_NOT_FOUND) {
		call_forgive(c);
	} else {
		return false;
	}
	if (v.pinned_ms - now > ttl)
		ttl = v.pinned_ms - now;
	return kv_put(c, r->o.kv, key,
		      arena_fmt(c->arena, "%lld %lld %lld %c", (long long)v.pinned_ms, (long long)v.used_ms, (long long)v.hits,
				v.verified ? v.verified : '-'),
		      KV_ANY, ttl);
}

static struct to_keep *collect(struct call *c, struct layers *ls, int *ret_n)
{
	int64_t now = clock_wall_ms();
	struct map_slot slot;
	struct to_keep *v;
	int n = 0;

	pthread_mutex_lock(&ls->lock);
	v = ARENA_ARRAY(c->arena, struct to_keep, ls->by_key.n + 1);
	for (size_t i = 0; map_next(&ls->by_key, &i, &slot);) {
		struct layer *l = slot.value;

		if (!l->keep)
			continue;
		l->keep = false;
		if (l->pinned_ms > now)
			l->kept_ms = l->pinned_ms + (l->pinned_ms - now) / 4;
		v[n++] = (struct to_keep){arena_dup(c->arena, l->key), {l->kept_ms, l->used_ms, l->hits_total, l->verified}};
	}
	pthread_mutex_unlock(&ls->lock);
	*ret_n = n;
	return v;
}

/* The next hit, or the next sweep, tries again. */
static void mark_again(struct layers *ls, struct str key)
{
	struct layer *l;

	pthread_mutex_lock(&ls->lock);
	l = map_get(&ls->by_key, key);
	if (l) {
		l->kept_ms = 0;
		l->keep = true;
	}
	pthread_mutex_unlock(&ls->lock);
}

void layers_keep_now(struct call *c, struct runner *r)
{
	OWNS(arena) a = {0};
	struct arena *callers = c->arena;
	struct to_keep *v;
	int n;

	if (!r->o.kv)
		return;
	c->arena = &a;
	v = collect(c, r->layers, &n);
	for (int i = 0; i < n; i++) {
		if (write_one(c, r, &v[i]))
			continue;
		obs_log(OBS_WARN, "runner", "the pin of a layer could not be kept: %s", err_code(c->err.kind));
		call_forgive(c);
		mark_again(r->layers, v[i].key);
	}
	c->arena = callers;
}

static void keep_task(void *arg)
{
	struct runner *r = arg;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	layers_keep_now(&c, r);
	atomic_store(&r->layers->keeping, false);
}

void layers_keep(struct runner *r)
{
	bool no = false;

	if (!r->o.kv || !atomic_compare_exchange_strong(&r->layers->keeping, &no, true))
		return; /* the next hit or sweep finds what that one did not */
	if (!r->o.pool)
		keep_task(r);
	else if (!exec_pool_run(r->o.pool, keep_task, r))
		atomic_store(&r->layers->keeping, false);
}

void layer_unkeep(struct call *c, struct runner *r, struct layer *l)
{
	if (r->o.kv && !kv_drop(c, r->o.kv, record_key(c->arena, r, l->key), KV_ANY))
		call_forgive(c); /* its TTL ends it */
}

/* --- at open --- */

struct taking {
	struct layers *layers;
	size_t prefix;
};

static bool take_up(void *arg, struct str key, const struct kv_record *rec)
{
	const struct taking *t = arg;
	struct layers *ls = t->layers;
	struct layer *l;
	struct kept v;

	if (!read_kept(rec->value, &v))
		return true;
	pthread_mutex_lock(&ls->lock);
	l = map_get(&ls->by_key, str_tail(key, t->prefix));
	if (l) {
		l->pinned_ms = l->kept_ms = v.pinned_ms;
		l->used_ms = l->hits_ms = v.used_ms > l->created_ms ? v.used_ms : l->created_ms;
		l->hits_total = v.hits;
		l->hits = v.hits > 0 ? 1 : 0;
		l->verified = v.verified;
	}
	pthread_mutex_unlock(&ls->lock);
	return true;
}

bool layers_kept(struct call *c, struct runner *r)
{
	struct str prefix = record_prefix(c->arena, r);
	struct taking t = {r->layers, prefix.n};

	return !r->o.kv || kv_scan(c, r->o.kv, prefix, take_up, &t);
}
