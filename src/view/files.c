/* files.c - which data files a pinned snapshot has, and which of them holds a row.
 *
 * What a manifest list and its manifests say never changes, so the latest
 * listings stay in memory, up to LISTINGS_BYTES: by the key of the list, which
 * holds the tenant's prefix. A listing that is kept proves nothing: whether the
 * session may read, and whether the files are there, is asked each time.
 * One mutex, not held while the store is read. Any thread that may block.
 */
#include "view/view_int.h"

#include <stdlib.h>

enum { LISTINGS_BYTES = 16 * 1024 * 1024 };

struct kept { /* reference-counted, never changed; paths lie behind the files */
	struct list used;
	atomic_int refs;
	size_t size;
	struct str key;
	struct listing listing;
};
struct listings {
	struct map by_key;
	struct list used; /* latest first */
	size_t bytes;
};

static void unref(void *arg)
{
	struct kept *k = arg;

	if (atomic_fetch_sub(&k->refs, 1) == 1)
		free(k);
}

/* --- under the lock --- */

static void forget(struct listings *l, struct kept *k)
{
	map_del(&l->by_key, k->key);
	list_del(&k->used);
	l->bytes -= k->size;
	unref(k);
}

static struct listings *opened(struct views *v)
{
	if (!v->listings) {
		v->listings = base_zalloc(sizeof(*v->listings));
		list_init(&v->listings->used);
	}
	return v->listings;
}

static struct kept *find(struct listings *l, struct str key)
{
	struct kept *k = map_get(&l->by_key, key);

	if (!k)
		return NULL;
	list_del(&k->used);
	list_add_head(&l->used, &k->used);
	atomic_fetch_add(&k->refs, 1);
	return k;
}

/* Takes one reference; another thread may have been quicker. */
static void keep(struct listings *l, struct kept *k)
{
	if (k->size > LISTINGS_BYTES / 4 || map_get(&l->by_key, k->key))
		return;
	atomic_fetch_add(&k->refs, 1);
	map_put(&l->by_key, k->key, k);
	list_add_head(&l->used, &k->used);
	l->bytes += k->size;
	while (l->bytes > LISTINGS_BYTES)
		forget(l, LIST_ITEM(l->used.prev, struct kept, used));
}

/* --- without it --- */

static bool fill(struct call *c, struct kept *k, struct listed *to, const struct ice_file *from, int n)
{
	char *text = (char *)(to + n);
	struct listing *l = &k->listing;

	*l = (struct listing){.v = to, .n = n};
	for (int i = 0; i < n; i++) {
		if (from[i].rows < 0 || from[i].bytes < 0 || from[i].rows > INT64_MAX - l->rows || from[i].bytes > INT64_MAX - l->bytes)
			return fail(c, ERR_CORRUPT_TABLE, "%.*s: the sizes of its files cannot be", SARG(k->key));
		to[i] = (struct listed){str_copy_to(&text, from[i].path), from[i].rows, from[i].bytes, l->rows};
		l->rows += from[i].rows;
		l->bytes += from[i].bytes;
	}
	return true;
}

static struct kept *kept_new(struct call *c, struct str key, const struct ice_file *files, int n)
{
	size_t size = sizeof(struct kept) + key.n + sizeof(struct listed) * (size_t)n;
	struct kept *k;
	char *text;

	for (int i = 0; i < n; i++)
		size += files[i].path.n;
	k = base_zalloc(size);
	atomic_init(&k->refs, 1);
	k->size = size;
	text = (char *)k + size - key.n;
	k->key = str_copy_to(&text, key);
	if (fill(c, k, (struct listed *)(k + 1), files, n))
		return k;
	free(k);
	return NULL;
}

static struct kept *read_listing(struct call *c, struct views *v, struct str prefix, const struct pin *pin, struct str key)
{
	struct ice_file *files;
	struct kept *k;
	int n;

	if (!ice_files(c, v->o.store, prefix, pin->location, pin->manifest_list, &files, &n))
		return NULL;
	k = kept_new(c, key, files, n);
	if (!k)
		return NULL;
	pthread_mutex_lock(&v->lock);
	keep(opened(v), k);
	pthread_mutex_unlock(&v->lock);
	return k;
}

bool listing_get(struct call *c, struct views *v, struct str prefix, const struct pin *pin, struct listing *ret)
{
	struct str key = key_file(c->arena, prefix, pin->manifest_list);
	struct kept *k;

	pthread_mutex_lock(&v->lock);
	k = find(opened(v), key);
	pthread_mutex_unlock(&v->lock);
	if (!k)
		k = read_listing(c, v, prefix, pin, key);
	if (!k)
		return false;
	arena_defer(c->arena, unref, k);
	*ret = k->listing;
	return true;
}

int listing_find(const struct listing *l, int64_t row)
{
	int from = 0, to = l->n;

	while (from < to) { /* the first that ends behind the row */
		int mid = from + (to - from) / 2;

		if (l->v[mid].before + l->v[mid].rows > row)
			to = mid;
		else
			from = mid + 1;
	}
	return from;
}

void listings_close(struct views *v)
{
	struct listings *l = v->listings;

	if (!l)
		return;
	while (!list_empty(&l->used))
		forget(l, LIST_ITEM(l->used.next, struct kept, used));
	map_close(&l->by_key);
	free(l);
	v->listings = NULL;
}
