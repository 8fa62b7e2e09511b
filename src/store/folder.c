/* folder.c - a folder of a local file system as the store.
 *
 * An object is a file; its key is its path. A put writes a file of its own
 * under ~tmp, syncs it, and gives it its name in one step (link or rename), then
 * syncs the folder. Owns the folder and the descriptors in it; any number of
 * threads, and of processes.
 */
#include "store/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ages are measured by our clock, so that is the one that says when a put was. */
static bool stamp(int fd)
{
	int64_t now = clock_wall_ms();
	struct timespec at = {.tv_sec = now / 1000, .tv_nsec = now % 1000 * 1000000};

	return futimens(fd, (struct timespec[]){at, at}) == 0;
}

/* A whole, synced file in the temporary folder. */
static bool write_temp(struct call *c, struct folder *f, struct str key, struct str bytes, struct id *ret)
{
	struct id id = id_v4();
	int fd = openat(f->temp, id.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return fail(c, ERR_STORAGE, "cannot make a file for %.*s: %s", SARG(key), strerror(errno));
	ok = file_write(fd, bytes) && stamp(fd) && fsync(fd) == 0;
	if (!ok)
		fail(c, ERR_STORAGE, "cannot write %.*s: %s", SARG(key), strerror(errno));
	if (close(fd) < 0 && ok)
		ok = fail(c, ERR_STORAGE, "cannot write %.*s: %s", SARG(key), strerror(errno));
	if (ok)
		*ret = id;
	else
		unlinkat(f->temp, id.text, 0);
	return ok;
}

static bool name_it(struct folder *f, const struct id *temp, int in, const char *name, enum store_put how)
{
	if (how == STORE_REPLACE)
		return renameat(f->temp, temp->text, in, name) == 0;
	return linkat(f->temp, temp->text, in, name, 0) == 0;
}

/* A drop may remove the folder between finding it and using it: then once more. */
static bool place(struct call *c, struct folder *f, struct str key, const struct id *temp, enum store_put how)
{
	const char *name = arena_cstr(c->arena, store_key_name(key));
	bool named = false;
	int in = -1;

	for (int i = 0; i < STORE_TRIES && !named; i++) {
		if (in >= 0)
			file_close_quietly(in);
		in = store_path_folder(f, store_key_folder(key), STORE_WALK_AND_MAKE);
		if (in < 0 && errno != ENOENT)
			return store_fail(c, "make the folder of", key);
		named = in >= 0 && name_it(f, temp, in, name, how);
		if (!named && in >= 0 && errno != ENOENT && !store_path_clear(in, name))
			break;
	}
	if (!named && errno == EEXIST)
		fail(c, ERR_CONFLICT, "there is an object %.*s already", SARG(key));
	else if (!named || fsync(in) < 0)
		named = store_fail(c, "name", key);
	if (in >= 0)
		file_close_quietly(in);
	return named;
}

static bool folder_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	struct folder *f = store_folder(s);
	struct id temp;
	bool ok;

	if (!store_key_check(c, key) || !write_temp(c, f, key, bytes, &temp))
		return false;
	ok = place(c, f, key, &temp, how);
	if (!ok || how == STORE_NEW)
		unlinkat(f->temp, temp.text, 0);
	return ok;
}

static bool folder_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	size_t before = ret->n;
	struct stat st;
	bool ok;
	int fd;

	INVARIANT(offset >= 0 && max >= 0);
	if (!store_key_check(c, key))
		return false;
	fd = store_path_open(store_folder(s), key, O_RDONLY);
	if (fd < 0 && store_absent(errno))
		return fail(c, ERR_NOT_FOUND, "no object %.*s", SARG(key));
	if (fd < 0 || fstat(fd, &st) < 0) {
		store_fail(c, "open", key);
		file_close_quietly(fd);
		return false;
	}
	if (max > st.st_size - offset)
		max = st.st_size - offset;
	ok = max <= 0 || file_read_at(fd, offset, (size_t)max, ret);
	if (!ok && errno == EFBIG)
		fail(c, ERR_RESULT_TOO_LARGE, "the object is larger than what shall hold it");
	else if (!ok)
		fail(c, ERR_STORAGE, "%s", strerror(errno));
	file_close_quietly(fd);
	if (!ok)
		ret->n = before;
	return ok;
}

static bool folder_drop(struct call *c, struct store *s, struct str key)
{
	struct folder *f = store_folder(s);

	if (!store_key_check(c, key))
		return false;
	store_logs_forget(&f->logs, key);
	return store_path_drop(f, key) || fail(c, ERR_STORAGE, "cannot drop %.*s: %s", SARG(key), strerror(errno));
}

static void folder_close(struct store *s)
{
	struct folder *f = store_folder(s);

	store_logs_close(&f->logs);
	store_temp_close(f);
	if (f->root >= 0)
		file_close_quietly(f->root);
	pthread_rwlock_destroy(&f->making);
	free((char *)f->store.location.p);
	free(f);
}

static const struct store_ops folder_ops = {
	.name = "folder", .put = folder_put, .get = folder_get, .list = store_folder_list, .drop = folder_drop,
	.append = store_folder_append, .cut = store_folder_cut, .close = folder_close,
};

/* syncfs: what a killed process has named but not synced is visible, so it shall be durable. */
static int open_root(const char *path)
{
	bool made = mkdir(path, 0700) == 0;
	int root, parent;

	if (!made && errno != EEXIST)
		return -1;
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	parent = made ? openat(root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (syncfs(root) < 0 || (made && (parent < 0 || fsync(parent) < 0))) {
		file_close_quietly(root);
		root = -1;
	}
	if (parent >= 0)
		file_close_quietly(parent);
	return root;
}

/* Walks follow each other closely: one that makes a folder goes before them. */
static void open_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t how;

	pthread_rwlockattr_init(&how);
	pthread_rwlockattr_setkind_np(&how, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &how);
	pthread_rwlockattr_destroy(&how);
}

static bool locate(struct folder *f, const char *path)
{
	char *absolute = realpath(path, NULL);

	if (absolute)
		f->store.location = store_location_of_folder(str_of(absolute));
	free(absolute);
	return f->store.location.n > 0;
}

struct store *store_folder_open(struct call *c, struct str path)
{
	struct folder *f = base_zalloc(sizeof(*f));
	const char *root = arena_cstr(c->arena, path);

	f->store.ops = &folder_ops;
	f->temp = -1;
	open_lock(&f->making);
	store_logs_open(&f->logs);
	f->root = open_root(root);
	if (f->root >= 0 && locate(f, root) && store_temp_open(c, f))
		return &f->store;
	fail(c, ERR_STORAGE, "cannot open the store %.*s: %s", SARG(path), strerror(errno));
	folder_close(&f->store);
	return NULL;
}
