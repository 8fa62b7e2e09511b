/* logs.c - objects that grow: an append is one pwrite and one fdatasync.
 *
 * Keeps the latest STORE_OPEN_MAX descriptors open; more only while more
 * are in use at once. An append that fails leaves the object at the size it had,
 * or the next append at that size fails until it is cut.
 */
#include "store/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct log {
	struct list used;     /* under store_logs.lock, as users and gone */
	int users;
	bool gone;            /* no longer in the map: the last user closes */
	pthread_mutex_t lock; /* one append at a time; fd */
	int fd;               /* -1 until the first use */
	size_t key_n;
	char key[];
};

void store_logs_open(struct store_logs *l)
{
	pthread_mutex_init(&l->lock, NULL);
	list_init(&l->used);
}

static void log_free(struct log *g)
{
	if (g->fd >= 0)
		file_close_quietly(g->fd);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void log_forget(struct store_logs *l, struct log *g)
{
	map_del(&l->by_key, str_from(g->key, g->key_n));
	list_del(&g->used);
	g->gone = true;
	if (g->users == 0)
		log_free(g);
}

void store_logs_forget(struct store_logs *l, struct str key)
{
	struct log *g;

	pthread_mutex_lock(&l->lock);
	g = map_get(&l->by_key, key);
	if (g)
		log_forget(l, g);
	pthread_mutex_unlock(&l->lock);
}

void store_logs_close(struct store_logs *l)
{
	LIST_EACH(&l->used, it)
		log_forget(l, LIST_ITEM(it, struct log, used));
	map_close(&l->by_key);
	pthread_mutex_destroy(&l->lock);
}

static void forget_oldest(struct store_logs *l)
{
	for (struct list *it = l->used.prev, *before; it != &l->used && l->by_key.n >= STORE_OPEN_MAX; it = before) {
		struct log *g = LIST_ITEM(it, struct log, used);

		before = it->prev;
		if (g->users == 0)
			log_forget(l, g);
	}
}

static struct log *log_new(struct str key)
{
	struct log *g = base_alloc(sizeof(*g) + key.n);

	*g = (struct log){.fd = -1, .key_n = key.n};
	pthread_mutex_init(&g->lock, NULL);
	memcpy(g->key, key.p, key.n);
	return g;
}

/* The log of a key, locked. */
static struct log *take(struct store_logs *l, struct str key)
{
	struct log *g;

	pthread_mutex_lock(&l->lock);
	g = map_get(&l->by_key, key);
	if (!g) {
		forget_oldest(l);
		g = log_new(key);
		map_put(&l->by_key, str_from(g->key, g->key_n), g);
	}
	list_del(&g->used);
	list_add_head(&l->used, &g->used);
	g->users++;
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_lock(&g->lock);
	return g;
}

static void give(struct store_logs *l, struct log *g)
{
	pthread_mutex_unlock(&g->lock);
	pthread_mutex_lock(&l->lock);
	if (--g->users == 0 && g->gone)
		log_free(g);
	pthread_mutex_unlock(&l->lock);
}

/* Makes the object, durably, unless it is there. */
static int make(struct folder *f, const char *name, struct str key)
{
	for (int i = 0; i < STORE_TRIES; i++) {
		int in = store_path_folder(f, store_key_folder(key), STORE_WALK_AND_MAKE);
		int fd = in < 0 ? -1 : openat(in, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
		bool again = fd < 0 && (errno == ENOENT || (in >= 0 && store_path_clear(in, name)));
		int error = errno;

		if (fd >= 0 && fsync(in) < 0) {
			error = errno;
			file_close_quietly(fd);
			fd = -1;
		}
		if (in >= 0)
			file_close_quietly(in);
		errno = error;
		if (!again)
			return fd;
	}
	return -1;
}

enum absent { ABSENT_IS_MADE, ABSENT_CONFLICTS, ABSENT_FAILS };

/* Opens the object unless it is open and still has its name. */
static bool ready(struct call *c, struct folder *f, struct log *g, enum absent absent, struct stat *ret)
{
	struct str key = str_from(g->key, g->key_n);

	if (g->fd >= 0 && fstat(g->fd, ret) == 0 && ret->st_nlink > 0)
		return true;
	if (g->fd >= 0)
		file_close_quietly(g->fd);
	g->fd = store_path_open(f, key, O_RDWR);
	if (g->fd < 0 && (errno == ENOENT || errno == EISDIR) && absent == ABSENT_IS_MADE)
		g->fd = make(f, arena_cstr(c->arena, store_key_name(key)), key);
	if (g->fd >= 0)
		return fstat(g->fd, ret) == 0 || store_fail(c, "look at", key);
	if (errno != ENOENT)
		return store_fail(c, "open", key);
	return fail(c, absent == ABSENT_FAILS ? ERR_NOT_FOUND : ERR_CONFLICT, "no object %.*s", SARG(key));
}

static bool append_locked(struct call *c, struct log *g, int64_t offset, struct str bytes, bool sync)
{
	int error;

	if (file_write_at(g->fd, bytes, offset) && (!sync || fdatasync(g->fd) == 0))
		return true;
	error = errno;
	if (ftruncate(g->fd, offset) < 0) {
		file_close_quietly(g->fd);
		g->fd = -1;
	}
	return fail(c, ERR_STORAGE, "cannot append to %.*s: %s", (int)g->key_n, g->key, strerror(error));
}

bool store_folder_append(struct call *c, struct store *s, struct str key, int64_t offset, struct str bytes, bool sync)
{
	struct folder *f = store_folder(s);
	struct stat st;
	struct log *g;
	bool ok;

	INVARIANT(offset >= 0);
	if (!store_key_check(c, key))
		return false;
	g = take(&f->logs, key);
	ok = ready(c, f, g, offset == 0 ? ABSENT_IS_MADE : ABSENT_CONFLICTS, &st);
	if (ok && st.st_size != offset)
		ok = fail(c, ERR_CONFLICT, "%.*s has %lld bytes, not %lld", SARG(key), (long long)st.st_size, (long long)offset);
	ok = ok && append_locked(c, g, offset, bytes, sync);
	give(&f->logs, g);
	return ok;
}

bool store_folder_cut(struct call *c, struct store *s, struct str key, int64_t size)
{
	struct folder *f = store_folder(s);
	struct stat st;
	struct log *g;
	bool ok;

	INVARIANT(size >= 0);
	if (!store_key_check(c, key))
		return false;
	g = take(&f->logs, key);
	ok = ready(c, f, g, ABSENT_FAILS, &st);
	if (ok && size > st.st_size)
		ok = fail(c, ERR_CONFLICT, "%.*s has %lld bytes, fewer than %lld", SARG(key), (long long)st.st_size,
			  (long long)size);
	else if (ok && (ftruncate(g->fd, size) < 0 || fsync(g->fd) < 0))
		ok = store_fail(c, "cut", key);
	give(&f->logs, g);
	return ok;
}
