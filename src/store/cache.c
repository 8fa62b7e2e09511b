/* cache.c - immutable objects as local files: which are there, who reads them, which go first.
 *
 * An object is fetched by the first who asks; the others wait for that file. What is
 * read is held, and never removed meanwhile; what is not goes when room is needed,
 * the longest unused first. Owns the index; the files are cache_files.c's. One mutex,
 * never held during I/O. Any thread.
 */
#include "store/cache_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECE = 33 * 1024 * 1024 }; /* of an object, fetched at once: a data file of the usual size is one request */

enum state { COMING, WHOLE, FAILED };

struct store_held {
	struct store_cache *k;
	struct list link; /* in `used` while it is whole and in the map; in `dead` when its file may go */
	int holds;        /* readers, and those who wait for it */
	enum state state;
	bool gone;        /* not in the map: nobody finds it any more */
	int64_t size;
	struct id id;
	struct err err;   /* of FAILED */
	size_t tenant_n, name_n;
	char name[];      /* "tenant/key", terminated */
};

struct store_cache {
	struct store *store;
	struct str dir;
	int64_t max_bytes;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t came;  /* something is not COMING any more */
	struct map by_name;
	struct list used;     /* latest first */
	struct list dead;
	struct store_cache_stats stats;
};

static struct str held_name(const struct store_held *h)
{
	return str_from(h->name, h->name_n);
}

static struct str held_tenant(const struct store_held *h)
{
	return str_from(h->name, h->tenant_n);
}

static struct str held_key(const struct store_held *h)
{
	return str_tail(held_name(h), h->tenant_n + 1);
}

static struct store_held *held_new(struct store_cache *k, struct str tenant, struct str key, int64_t size)
{
	size_t n = tenant.n + 1 + key.n;
	struct store_held *h = base_zalloc(sizeof(*h) + n + 1);
	char *at = h->name;

	h->k = k;
	h->size = size;
	h->id = id_v4();
	h->tenant_n = tenant.n;
	h->name_n = n;
	list_init(&h->link);
	str_copy_to(&at, tenant);
	*at++ = '/';
	str_copy_to(&at, key);
	return h;
}

/* --- under the lock --- */
static void enter(struct store_held *h)
{
	map_put(&h->k->by_name, held_name(h), h);
}

static void count(struct store_held *h, int sign)
{
	h->k->stats.bytes += sign * h->size;
	h->k->stats.files += (uint64_t)sign;
}

static void settle(struct store_held *h)
{
	h->state = WHOLE;
	list_add_head(&h->k->used, &h->link);
}

/* Nobody finds it from now on; its file goes as soon as nobody reads it. */
static void forget(struct store_held *h)
{
	if (h->gone)
		return;
	map_del(&h->k->by_name, held_name(h));
	list_del(&h->link);
	h->gone = true;
	if (h->holds == 0)
		list_add_tail(&h->k->dead, &h->link);
}

static void let_go(struct store_held *h)
{
	INVARIANT(h->holds > 0);
	if (--h->holds == 0 && h->gone)
		list_add_tail(&h->k->dead, &h->link);
}

/* Forgets the longest unused until `more` bytes fit, as far as nobody reads them. */
static void make_room(struct store_cache *k, int64_t more)
{
	int64_t excess = k->stats.bytes - (more < k->max_bytes ? k->max_bytes - more : 0);

	for (struct list *it = k->used.prev, *before; it != &k->used && excess > 0; it = before) {
		struct store_held *h = LIST_ITEM(it, struct store_held, link);

		before = it->prev;
		if (h->holds > 0)
			continue;
		excess -= h->size;
		k->stats.evicted++;
		forget(h);
	}
}

/* --- without it --- */
/* Removes the files of what was forgotten. */
static void bury(struct store_cache *k)
{
	struct list *it;

	pthread_mutex_lock(&k->lock);
	while ((it = list_pop(&k->dead))) {
		struct store_held *h = LIST_ITEM(it, struct store_held, link);

		pthread_mutex_unlock(&k->lock);
		if (h->state == WHOLE)
			store_cache_remove(k->dir, held_tenant(h), &h->id);
		pthread_mutex_lock(&k->lock);
		if (h->state == WHOLE)
			count(h, -1);
		free(h);
	}
	pthread_mutex_unlock(&k->lock);
}

static void give_way(struct store_cache *k, int64_t more)
{
	pthread_mutex_lock(&k->lock);
	make_room(k, more);
	pthread_mutex_unlock(&k->lock);
	bury(k);
}

void store_cache_release(struct store_held *h)
{
	struct store_cache *k = h ? h->k : NULL;

	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	let_go(h);
	pthread_mutex_unlock(&k->lock);
}

/* Writes the object to fd piece by piece; one byte more than `size` is asked for, to see that it ends there. */
static bool fetch_pieces(struct call *c, struct store *s, const struct store_held *h, int fd)
{
	OWNS(buf) piece = {0};
	int64_t at = 0;

	while (at <= h->size) {
		int64_t want = h->size + 1 - at < PIECE ? h->size + 1 - at : PIECE;

		buf_clear(&piece);
		buf_room(&piece, (size_t)want);
		if (!s->ops->get(c, s, held_key(h), at, want, &piece))
			return false;
		if (piece.n > 0 && !file_write_at(fd, buf_str(&piece), at))
			return fail(c, ERR_STORAGE, "cannot write into the cache: %s", strerror(errno));
		at += (int64_t)piece.n;
		if ((int64_t)piece.n < want)
			break;
	}
	return at == h->size || fail(c, ERR_STORAGE, "%.*s has %s%lld bytes, not %lld", SARG(held_key(h)),
				     at > h->size ? "at least " : "", (long long)at, (long long)h->size);
}

static struct cache_file file_of(const struct store_held *h)
{
	return (struct cache_file){.id = h->id, .tenant = held_tenant(h), .key = held_key(h), .size = h->size};
}

static bool fetch(struct call *c, struct store_cache *k, const struct store_held *h)
{
	const struct cache_file file = file_of(h);
	int fd = store_cache_create(c, k->dir, file.tenant, &h->id, ".part");
	bool ok;

	if (fd < 0)
		return false;
	ok = fetch_pieces(c, k->store, h, fd);
	file_close_quietly(fd);
	ok = ok && store_cache_name(c, k->dir, &file);
	if (!ok)
		store_cache_unlink(k->dir, file.tenant, &h->id, ".part");
	return ok;
}

/* Tells those who wait how it came out. */
static void arrive(struct call *c, struct store_held *h, bool ok)
{
	struct store_cache *k = h->k;

	pthread_mutex_lock(&k->lock);
	if (ok && h->gone) {
		h->state = WHOLE;
	} else if (ok) {
		settle(h);
	} else {
		h->state = FAILED;
		h->err = c->err;
		h->err.more = S("");
		k->stats.bytes -= h->size;
		k->stats.files--;
		forget(h);
		let_go(h);
	}
	pthread_cond_broadcast(&k->came);
	pthread_mutex_unlock(&k->lock);
}

/* Finds or makes the entry and holds it. A size that differs from what is whole there is another object of that key. */
static struct store_held *take(struct store_cache *k, struct str tenant, struct str key, int64_t size, bool *ret_new)
{
	struct store_held *fresh = held_new(k, tenant, key, size), *h;

	pthread_mutex_lock(&k->lock);
	h = map_get(&k->by_name, held_name(fresh));
	if (h && h->state == WHOLE && h->size != size) {
		forget(h);
		h = NULL;
	}
	*ret_new = !h;
	if (!h) {
		make_room(k, size);
		h = fresh;
		enter(h);
		count(h, 1);
		k->stats.misses++;
	} else {
		free(fresh);
	}
	h->holds++;
	while (!*ret_new && h->state == COMING)
		pthread_cond_wait(&k->came, &k->lock);
	if (!*ret_new && h->state == WHOLE && !h->gone) {
		list_del(&h->link);
		list_add_head(&k->used, &h->link);
		k->stats.hits++;
	}
	pthread_mutex_unlock(&k->lock);
	return h;
}

/* Others may have removed or cut the file. */
static bool still_there(struct store_cache *k, struct store_held *h, int64_t size)
{
	bool there = h->size == size && store_cache_intact(k->dir, held_tenant(h), &h->id, size);

	if (there)
		return true;
	pthread_mutex_lock(&k->lock);
	forget(h);
	let_go(h);
	pthread_mutex_unlock(&k->lock);
	return false;
}

enum outcome { FOUND, REFUSED, AGAIN };

static enum outcome hold_once(struct call *c, struct store_cache *k, struct store_held *h, bool mine, int64_t size)
{
	struct err err;

	if (mine) {
		bool ok = fetch(c, k, h);

		arrive(c, h, ok);
		return ok ? FOUND : REFUSED;
	}
	if (h->state == WHOLE)
		return still_there(k, h, size) ? FOUND : AGAIN;
	err = h->err;
	store_cache_release(h);
	fail_as(c, &err);
	return REFUSED;
}

bool store_cache_hold(struct call *c, struct store_cache *k, struct str tenant, struct str key, int64_t size, struct str *ret_path,
		      struct store_held **ret)
{
	enum outcome out = AGAIN;
	struct store_held *h = NULL;

	INVARIANT(tenant_name_valid(tenant));
	if (!store_key_check(c, key))
		return false;
	if (size < 0)
		return fail(c, ERR_STORAGE, "%.*s cannot have %lld bytes", SARG(key), (long long)size);
	while (out == AGAIN) {
		bool mine;

		h = take(k, tenant, key, size, &mine);
		bury(k);
		out = hold_once(c, k, h, mine, size);
	}
	if (out == REFUSED)
		return false;
	*ret_path = store_cache_path(c->arena, k->dir, tenant, &h->id, "");
	*ret = h;
	return true;
}

/* --- puts --- */
/* From the copy: the caller's file may still change under others' hands. */
static bool store_copy(struct call *c, struct store *s, struct str key, int fd, int64_t size)
{
	void *bytes;
	bool ok;

	if (size == 0)
		return s->ops->put(c, s, key, S(""), STORE_NEW);
	bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return fail(c, ERR_STORAGE, "cannot read from the cache: %s", strerror(errno));
	ok = s->ops->put(c, s, key, str_from(bytes, (size_t)size), STORE_NEW);
	munmap(bytes, (size_t)size);
	return ok;
}

/* The object is stored: that it is not cached as well is no error. */
static void keep_copy(struct call *c, struct store_held *h)
{
	struct store_cache *k = h->k;
	const struct cache_file file = file_of(h);
	bool ok = h->size <= k->max_bytes && store_cache_name(c, k->dir, &file);

	call_forgive(c);
	if (!ok) {
		store_cache_unlink(k->dir, file.tenant, &h->id, ".part");
		free(h);
		return;
	}
	pthread_mutex_lock(&k->lock);
	count(h, 1);
	if (map_get(&k->by_name, held_name(h))) { /* somebody was quicker to fetch it */
		h->state = WHOLE;
		h->gone = true;
		list_add_tail(&k->dead, &h->link);
	} else {
		enter(h);
		settle(h);
		make_room(k, 0);
	}
	pthread_mutex_unlock(&k->lock);
	bury(k);
}

bool store_cache_put(struct call *c, struct store_cache *k, struct str tenant, struct str key, int fd, int64_t size)
{
	struct store_held *h;
	bool ok;
	int to;

	INVARIANT(tenant_name_valid(tenant) && size >= 0);
	if (!store_key_check(c, key))
		return false;
	give_way(k, size);
	h = held_new(k, tenant, key, size);
	to = store_cache_create(c, k->dir, tenant, &h->id, ".part");
	ok = to >= 0 && store_cache_copy(c, fd, to, size) && store_copy(c, k->store, key, to, size);
	if (to >= 0)
		file_close_quietly(to);
	if (ok) {
		keep_copy(c, h);
		return true;
	}
	store_cache_unlink(k->dir, tenant, &h->id, ".part");
	free(h);
	return false;
}

void store_cache_forget(struct store_cache *k, struct str tenant, struct str prefix)
{
	struct list matching;
	struct map_slot slot;

	list_init(&matching);
	pthread_mutex_lock(&k->lock);
	LIST_EACH(&k->used, it) {
		struct store_held *h = LIST_ITEM(it, struct store_held, link);

		if (str_eq(held_tenant(h), tenant) && str_starts(held_key(h), prefix))
			forget(h);
	}
	for (size_t i = 0; map_next(&k->by_name, &i, &slot);) { /* what is left of it is on its way */
		struct store_held *h = slot.value;

		if (str_eq(held_tenant(h), tenant) && str_starts(held_key(h), prefix))
			list_add_tail(&matching, &h->link);
	}
	LIST_EACH(&matching, it)
		forget(LIST_ITEM(it, struct store_held, link));
	pthread_mutex_unlock(&k->lock);
	bury(k);
}

static int by_name(const void *a, const void *b)
{
	const struct store_cached *x = a, *y = b;
	int order = str_cmp(x->tenant, y->tenant);

	return order ? order : str_cmp(x->key, y->key);
}

void store_cache_names(struct call *c, struct store_cache *k, struct store_cached **ret, size_t *ret_n)
{
	struct store_cached *v;
	size_t n = 0;

	pthread_mutex_lock(&k->lock);
	v = ARENA_ARRAY(c->arena, struct store_cached, k->by_name.n);
	LIST_EACH(&k->used, it) {
		const struct store_held *h = LIST_ITEM(it, struct store_held, link);

		v[n++] = (struct store_cached){arena_dup(c->arena, held_tenant(h)), arena_dup(c->arena, held_key(h))};
	}
	pthread_mutex_unlock(&k->lock);
	if (n)
		qsort(v, n, sizeof(*v), by_name);
	*ret = v;
	*ret_n = n;
}

/* --- uploads --- */
bool store_cache_spool(struct call *c, struct store_cache *k, struct str tenant, int *ret_fd, struct str *ret_path)
{
	struct id id = id_v4();
	int fd;

	INVARIANT(tenant_name_valid(tenant));
	fd = store_cache_create(c, k->dir, tenant, &id, ".spool");
	if (fd < 0)
		return false;
	*ret_fd = fd;
	*ret_path = store_cache_path(c->arena, k->dir, tenant, &id, ".spool");
	return true;
}

void store_cache_unspool(struct store_cache *k, struct str path)
{
	struct str rest = str_tail(path, k->dir.n + 1), tenant = str_cut(&rest, '/');
	struct id id = {0};

	INVARIANT(str_starts(path, k->dir) && tenant_name_valid(tenant) && str_ends(rest, S(".spool")) &&
		  id_valid(str_head(rest, ID_LEN)));
	memcpy(id.text, rest.p, ID_LEN);
	store_cache_unlink(k->dir, tenant, &id, ".spool");
}

void store_cache_stats(struct store_cache *k, struct store_cache_stats *ret)
{
	pthread_mutex_lock(&k->lock);
	*ret = k->stats;
	pthread_mutex_unlock(&k->lock);
}

/* --- its life --- */
static void find_again(struct store_cache *k, const struct cache_file *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct store_held *h = held_new(k, all[i].tenant, all[i].key, all[i].size);

		h->id = all[i].id;
		count(h, 1);
		if (map_get(&k->by_name, held_name(h)))
			forget(map_get(&k->by_name, held_name(h)));
		enter(h);
		settle(h);
	}
	make_room(k, 0);
}

struct store_cache *store_cache_open(struct call *c, struct store *s, struct str dir, int64_t max_bytes)
{
	char *absolute = NULL;
	struct store_cache *k;
	struct cache_file *all;
	size_t n;

	if (!store_cache_scan(c, dir, &all, &n))
		return NULL;
	absolute = realpath(arena_cstr(c->arena, dir), NULL);
	if (!absolute) {
		fail(c, ERR_STORAGE, "cannot open the cache %.*s: %s", SARG(dir), strerror(errno));
		free(all);
		return NULL;
	}
	k = base_zalloc(sizeof(*k));
	*k = (struct store_cache){.store = s, .dir = str_of(absolute), .max_bytes = max_bytes};
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->came, NULL);
	list_init(&k->used);
	list_init(&k->dead);
	find_again(k, all, n);
	free(all);
	bury(k);
	return k;
}

void store_cache_close(struct store_cache *k)
{
	bury(k);
	LIST_EACH(&k->used, it) {
		struct store_held *h = LIST_ITEM(it, struct store_held, link);

		INVARIANT(h->holds == 0);
		map_del(&k->by_name, held_name(h));
		free(h);
	}
	INVARIANT(k->by_name.n == 0);
	map_close(&k->by_name);
	pthread_cond_destroy(&k->came);
	pthread_mutex_destroy(&k->lock);
	free((char *)k->dir.p);
	free(k);
}
