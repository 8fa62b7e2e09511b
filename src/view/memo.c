/* memo.c - what this process remembers of the store: digests of entries, and how many sessions a space has.
 *
 * Only ever a reason not to look: whatever matches is read again. An entry is
 * known by its key, size and time of change; one that was changed just now is
 * not remembered, because clocks of stores are coarse. Threads: any.
 */
#include "view/view_int.h"

#include <stdlib.h>

enum {
	ENTRIES_MAX = 20000,           /* then all are forgotten: about 5 MB */
	COUNTS_MAX = 10000,
	SETTLED_MS = 10000,            /* older than any store's clock is coarse */
	COUNT_AGE_MS = 60000, COUNT_AGAIN_MS = 1000, /* a count holds so long; one that refuses, so long */
};

struct known {
	int64_t size, changed_ms;
	struct memo_entry entry;
	size_t nkey;
	char key[];
};
struct counted { /* sessions of a space */
	int64_t n, at_mono_ms;
	size_t nkey;
	char key[];
};
struct memo { /* under the room's lock */
	struct map entries, counts;
};

static void forget_all(struct map *m)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(m, &i, &slot);)
		free(slot.value);
	map_close(m);
	*m = (struct map){0};
}

static struct memo *held(struct views *v)
{
	pthread_mutex_lock(&v->lock);
	if (!v->memo)
		v->memo = base_zalloc(sizeof(*v->memo));
	return v->memo;
}

static void let_go(struct views *v)
{
	pthread_mutex_unlock(&v->lock);
}

void memo_close(struct views *v)
{
	if (!v->memo)
		return;
	forget_all(&v->memo->entries);
	forget_all(&v->memo->counts);
	free(v->memo);
	v->memo = NULL;
}

/* --- entries --- */

bool memo_get(struct views *v, const struct store_entry *at, struct memo_entry *ret)
{
	struct known *k = map_get(&held(v)->entries, at->key);
	bool same = k && k->size == at->size && k->changed_ms == at->changed_ms;

	if (same)
		*ret = k->entry;
	let_go(v);
	return same;
}

void memo_put(struct views *v, const struct store_entry *at, const struct memo_entry *e)
{
	struct known *k;
	struct memo *m;

	if (clock_wall_ms() - at->changed_ms < SETTLED_MS + v->o.skew_ms)
		return;
	k = base_alloc(sizeof(*k) + at->key.n);
	*k = (struct known){at->size, at->changed_ms, *e, at->key.n};
	memcpy(k->key, at->key.p, at->key.n);
	m = held(v);
	if (m->entries.n >= ENTRIES_MAX)
		forget_all(&m->entries);
	free(map_del(&m->entries, at->key));
	map_put(&m->entries, str_from(k->key, k->nkey), k);
	let_go(v);
}

/* --- sessions --- */

/* One more of a count that is fresh enough; false: count again. */
static bool add_one(struct views *v, struct str key, int64_t cap, bool *ret_full)
{
	struct counted *k = map_get(&held(v)->counts, key);
	int64_t age = k ? clock_mono_ms() - k->at_mono_ms : 0;
	bool fresh = k && age < (k->n < cap ? COUNT_AGE_MS : COUNT_AGAIN_MS);

	if (fresh && !(*ret_full = k->n >= cap))
		k->n++;
	let_go(v);
	return fresh;
}

static void set_count(struct views *v, struct str key, int64_t n)
{
	struct counted *k = base_alloc(sizeof(*k) + key.n);
	struct memo *m;

	*k = (struct counted){n, clock_mono_ms(), key.n};
	memcpy(k->key, key.p, key.n);
	m = held(v);
	if (m->counts.n >= COUNTS_MAX)
		forget_all(&m->counts);
	free(map_del(&m->counts, key));
	map_put(&m->counts, str_from(k->key, k->nkey), k);
	let_go(v);
}

/* Documents below the prefix; no more are looked for than the cap. */
static bool count_documents(struct call *c, struct views *v, struct str prefix, int64_t cap, int64_t *ret)
{
	struct str after = {0};
	int64_t n = 0;
	size_t got;

	do {
		struct store_entry *e;

		if (!v->o.store->ops->list(c, v->o.store, prefix, after, &e, &got))
			return false;
		for (size_t i = 0; i < got; i++)
			n += str_ends(e[i].key, S("/meta.json"));
		if (got)
			after = e[got - 1].key;
	} while (got == STORE_LIST_MAX && n < cap);
	*ret = n;
	return true;
}

bool memo_session(struct call *c, struct views *v, struct str space)
{
	struct str key = key_space(c, space, "/sql_sessions/");
	struct view_caps caps;
	bool full = false;
	int64_t n;

	view_caps_of(v, c->tenant, &caps);
	if (!add_one(v, key, caps.sql_sessions, &full)) {
		if (!count_documents(c, v, key, caps.sql_sessions, &n))
			return false;
		full = n >= caps.sql_sessions;
		set_count(v, key, full ? n : n + 1);
	}
	return !full || fail(c, ERR_QUOTA, "the space has its %lld SQL sessions", (long long)caps.sql_sessions);
}
