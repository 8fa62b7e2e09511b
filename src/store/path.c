/* path.c - a key's way through the folders, without following links.
 *
 * A folder that a walk has seen is durable: who makes one holds the write
 * lock until its parent is synced. Folders may go away between two steps when
 * a drop leaves them empty; whoever puts then tries again.
 */
#include "store/store_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_CAP = 256, FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* `~` is in no key, so this folder hides no object. */
static const char TEMP[] = "~tmp";

static void name_of(struct str part, char ret[NAME_CAP])
{
	INVARIANT(part.n < NAME_CAP);
	memcpy(ret, part.p, part.n);
	ret[part.n] = 0;
}

static int make_one(int in, const char *name)
{
	if (mkdirat(in, name, 0700) < 0 && errno != EEXIST)
		return -1;
	if (fsync(in) < 0) {
		int saved = errno;

		unlinkat(in, name, AT_REMOVEDIR);
		errno = saved;
		return -1;
	}
	return openat(in, name, FOLDER);
}

static int step(int in, struct str part, enum store_walk how)
{
	char name[NAME_CAP];
	int fd;

	name_of(part, name);
	fd = openat(in, name, FOLDER);
	return fd < 0 && errno == ENOENT && how == STORE_WALK_AND_MAKE ? make_one(in, name) : fd;
}

static int walk(int root, struct str path, enum store_walk how)
{
	int fd = openat(root, ".", FOLDER);

	while (fd >= 0 && path.n) {
		int next = step(fd, str_cut(&path, '/'), how);

		file_close_quietly(fd);
		fd = next;
	}
	return fd;
}

int store_path_folder(struct folder *f, struct str path, enum store_walk how)
{
	int fd;

	pthread_rwlock_rdlock(&f->making);
	fd = walk(f->root, path, STORE_WALK);
	pthread_rwlock_unlock(&f->making);
	if (fd >= 0 || errno != ENOENT || how == STORE_WALK)
		return fd;
	pthread_rwlock_wrlock(&f->making);
	fd = walk(f->root, path, STORE_WALK_AND_MAKE);
	pthread_rwlock_unlock(&f->making);
	return fd;
}

int store_path_open(struct folder *f, struct str key, int flags)
{
	int in = store_path_folder(f, store_key_folder(key), STORE_WALK);
	char name[NAME_CAP];
	struct stat st;
	int fd;

	if (in < 0)
		return -1;
	name_of(store_key_name(key), name);
	fd = openat(in, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	file_close_quietly(in);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		file_close_quietly(fd);
		errno = EISDIR;
		return -1;
	}
	return fd;
}

bool store_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EISDIR || error == ELOOP;
}

bool store_fail(struct call *c, const char *what, struct str key)
{
	if (errno == ENOTDIR || errno == EISDIR)
		return fail(c, ERR_CONFLICT, "%.*s would be inside an object, or is a folder of others", SARG(key));
	return fail(c, ERR_STORAGE, "cannot %s %.*s: %s", what, SARG(key), strerror(errno));
}

bool store_path_clear(int in, const char *name)
{
	int saved = errno;

	if ((saved == EEXIST || saved == EISDIR) && unlinkat(in, name, AT_REMOVEDIR) == 0)
		return true;
	errno = saved;
	return false;
}

/* Removes `path` and its parents while they are empty; syncs the first that stays. */
static bool drop_empty(struct folder *f, struct str path)
{
	bool ok = true;
	int in;

	for (; path.n; path = store_key_folder(path)) {
		char name[NAME_CAP];

		name_of(store_key_name(path), name);
		in = store_path_folder(f, store_key_folder(path), STORE_WALK);
		if (in < 0 && errno != ENOENT)
			return false;
		if (in < 0)
			continue;
		ok = unlinkat(in, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
		file_close_quietly(in);
		if (!ok)
			break;
	}
	in = store_path_folder(f, path, STORE_WALK);
	if (in < 0)
		return errno == ENOENT;
	ok = fsync(in) == 0;
	file_close_quietly(in);
	return ok;
}

bool store_path_drop(struct folder *f, struct str key)
{
	int in = store_path_folder(f, store_key_folder(key), STORE_WALK);
	char name[NAME_CAP];
	bool ok;

	if (in < 0)
		return store_absent(errno);
	name_of(store_key_name(key), name);
	ok = unlinkat(in, name, 0) == 0;
	file_close_quietly(in);
	if (!ok)
		return store_absent(errno);
	return drop_empty(f, store_key_folder(key));
}

/* Locks of other machines may not be seen here: what they write is younger. */
static bool left_long_ago(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (int64_t)st.st_mtim.tv_sec * 1000 <= clock_wall_ms() - STORE_TORN_MS;
}

/* Files only: that is all a process puts there. */
static void remove_left(int in, const char *name)
{
	int fd = openat(in, name, FOLDER);

	if (fd < 0)
		return;
	if (left_long_ago(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 && file_empty_folder(fd))
		unlinkat(in, name, AT_REMOVEDIR);
	file_close_quietly(fd);
}

static void remove_all_left(int temp)
{
	int fd = openat(temp, ".", FOLDER);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (id_valid(str_of(e->d_name)))
			remove_left(temp, e->d_name);
	}
	if (d)
		closedir(d);
}

bool store_temp_open(struct call *c, struct folder *f)
{
	int all = step(f->root, str_of(TEMP), STORE_WALK_AND_MAKE);
	bool ok = all >= 0 && flock(all, LOCK_EX) == 0;

	if (ok) {
		remove_all_left(all);
		f->temp_name = id_v4();
		f->temp = step(all, id_str(&f->temp_name), STORE_WALK_AND_MAKE);
		ok = f->temp >= 0 && flock(f->temp, LOCK_EX | LOCK_NB) == 0;
	}
	if (!ok)
		fail(c, ERR_STORAGE, "cannot make a folder in %s of the store: %s", TEMP, strerror(errno));
	if (all >= 0)
		file_close_quietly(all);
	return ok;
}

void store_temp_close(struct folder *f)
{
	int all = openat(f->root, TEMP, FOLDER);

	if (f->temp < 0)
		return;
	file_close_quietly(f->temp);
	if (all >= 0) {
		unlinkat(all, f->temp_name.text, AT_REMOVEDIR);
		file_close_quietly(all);
	}
}
