/* cache_files.c - the cache's folders and files: made, named, removed, found again after a restart.
 *
 * Knows nothing of who holds what: cache.c never asks two threads for the same
 * id. A tenant's folder is entered by the server and by the group of that tenant's
 * worker, which the engine sets; files in it are for reading. Any thread.
 */
#include "store/cache_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAP = 4096, BOOT_MAX = 64, FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static const char BOOT[] = "~boot"; /* of which start of the machine the files are */

struct str store_cache_path(struct arena *a, struct str dir, struct str tenant, const struct id *id, const char *ending)
{
	return arena_fmt(a, "%.*s/%.*s/%s%s", SARG(dir), SARG(tenant), id->text, ending);
}

/* Without a call: releases and evictions have none. */
static const char *path_of(char to[PATH_CAP], struct str dir, struct str tenant, const struct id *id, const char *ending)
{
	int n = snprintf(to, PATH_CAP, "%.*s/%.*s/%s%s", SARG(dir), SARG(tenant), id->text, ending);

	return n > 0 && n < PATH_CAP ? to : "";
}

void store_cache_unlink(struct str dir, struct str tenant, const struct id *id, const char *ending)
{
	char path[PATH_CAP];

	unlink(path_of(path, dir, tenant, id, ending));
}

void store_cache_remove(struct str dir, struct str tenant, const struct id *id)
{
	store_cache_unlink(dir, tenant, id, "");
	store_cache_unlink(dir, tenant, id, ".key");
}

bool store_cache_intact(struct str dir, struct str tenant, const struct id *id, int64_t size)
{
	char path[PATH_CAP];
	struct stat st;

	return lstat(path_of(path, dir, tenant, id, ""), &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size;
}

/* The engine may have made the tenant's folder before: then its group is the worker's. */
static bool make_folder(struct call *c, const char *path, unsigned mode)
{
	if (mkdir(path, 0700) == 0)
		return chmod(path, mode) == 0 || fail(c, ERR_STORAGE, "cannot make %s: %s", path, strerror(errno));
	return errno == EEXIST || fail(c, ERR_STORAGE, "cannot make %s: %s", path, strerror(errno));
}

int store_cache_create(struct call *c, struct str dir, struct str tenant, const struct id *id, const char *ending)
{
	const char *path = store_cache_path(c->arena, dir, tenant, id, ending).p;
	int fd;

	if (!make_folder(c, arena_fmt(c->arena, "%.*s/%.*s", SARG(dir), SARG(tenant)).p, 0750))
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0 && fchmod(fd, 0644) == 0)
		return fd;
	fail(c, ERR_STORAGE, "cannot make a file in the cache: %s", strerror(errno));
	if (fd >= 0)
		file_close_quietly(fd);
	return -1;
}

static bool write_key(const char *path, const struct cache_file *f)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	char text[STORE_KEY_MAX + 32];
	int n = snprintf(text, sizeof(text), "%lld %.*s", (long long)f->size, SARG(f->key));
	bool ok = fd >= 0 && file_write(fd, str_from(text, (size_t)n));

	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

bool store_cache_name(struct call *c, struct str dir, const struct cache_file *f)
{
	const char *part = store_cache_path(c->arena, dir, f->tenant, &f->id, ".part").p;
	const char *key = store_cache_path(c->arena, dir, f->tenant, &f->id, ".key").p;

	if (write_key(key, f) && rename(part, store_cache_path(c->arena, dir, f->tenant, &f->id, "").p) == 0)
		return true;
	fail(c, ERR_STORAGE, "cannot name a file in the cache: %s", strerror(errno));
	unlink(key);
	return false;
}

/* --- copies --- */
/* Bytes moved, 0 at the end, -1. Within the kernel, and without moving any where the file system shares blocks. */
static ssize_t copy_some(int from, int64_t at, int to, size_t n)
{
	off_t in = at, out = at;
	ssize_t got = copy_file_range(from, &in, to, &out, n, 0);
	OWNS(buf) b = {0};

	if (got >= 0 || (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
		return got;
	if (!file_read_at(from, at, n < 1 << 20 ? n : 1 << 20, &b) || !file_write_at(to, buf_str(&b), at))
		return -1;
	return (ssize_t)b.n;
}

bool store_cache_copy(struct call *c, int from, int to, int64_t size)
{
	struct stat st;
	int64_t at = 0;
	ssize_t got = 1;

	if (fstat(from, &st) < 0 || st.st_size != size)
		return fail(c, ERR_STORAGE, "a file to store has %lld bytes, not %lld", (long long)st.st_size, (long long)size);
	while (at < size && got > 0) {
		got = copy_some(from, at, to, (size_t)(size - at));
		if (got < 0 && errno == EINTR)
			got = 1;
		else
			at += got > 0 ? got : 0;
	}
	if (got < 0)
		return fail(c, ERR_STORAGE, "cannot write into the cache: %s", strerror(errno));
	return at == size || fail(c, ERR_STORAGE, "a file to store ended at %lld of %lld bytes", (long long)at, (long long)size);
}

/* --- what an earlier process left --- */
struct scan {
	struct call *c;
	struct str dir;
	struct cache_file *all;
	size_t n, cap;
};

static bool read_small(struct call *c, const char *path, size_t max, struct str *ret)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	OWNS(buf) b = {0};
	bool ok = fd >= 0 && file_read(fd, max, &b);

	if (fd >= 0)
		file_close_quietly(fd);
	if (ok)
		*ret = arena_dup(c->arena, buf_str(&b));
	return ok;
}

/* A whole object: its key is known and its size is right. */
static bool recover(struct scan *s, struct cache_file *f)
{
	struct str text, size;
	struct stat st;

	if (lstat(store_cache_path(s->c->arena, s->dir, f->tenant, &f->id, "").p, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !read_small(s->c, store_cache_path(s->c->arena, s->dir, f->tenant, &f->id, ".key").p, STORE_KEY_MAX + 32, &text))
		return false;
	size = str_cut(&text, ' ');
	f->key = text;
	f->changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return text.p && store_key_valid(text) && str_to_i64(size, &f->size) && f->size == st.st_size;
}

static void keep(struct scan *s, const struct cache_file *f)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->all = base_realloc(s->all, s->cap * sizeof(*s->all));
	}
	s->all[s->n++] = *f;
}

/* Names that this file does not make are left alone: the folder may be another's by mistake. */
static void look_at(struct scan *s, int in, struct str tenant, struct str name)
{
	struct cache_file f = {.tenant = tenant};
	struct str ending = str_tail(name, ID_LEN);

	if (!id_valid(str_head(name, ID_LEN)))
		return;
	memcpy(f.id.text, name.p, ID_LEN);
	if (str_eq(ending, S(".part")) || str_eq(ending, S(".spool")) ||
	    (str_eq(ending, S(".key")) && faccessat(in, f.id.text, F_OK, AT_SYMLINK_NOFOLLOW) < 0))
		unlinkat(in, name.p, 0);
	else if (ending.n == 0 && recover(s, &f))
		keep(s, &f);
	else if (ending.n == 0)
		store_cache_remove(s->dir, tenant, &f.id);
}

static void scan_tenant(struct scan *s, int root, struct str tenant)
{
	int fd = openat(root, tenant.p, FOLDER);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		look_at(s, dirfd(d), tenant, arena_dup(s->c->arena, str_of(e->d_name)));
	if (d)
		closedir(d);
}

static int by_age(const void *a, const void *b)
{
	const struct cache_file *x = a, *y = b;

	return (x->changed_ms > y->changed_ms) - (x->changed_ms < y->changed_ms);
}

/* Which start of the machine this is; empty when the system does not tell. */
static struct str this_boot(struct call *c)
{
	struct str now = S("");

	return read_small(c, "/proc/sys/kernel/random/boot_id", BOOT_MAX, &now) ? now : S("");
}

static bool made_since(struct call *c, struct str dir, struct str boot)
{
	struct str noted;

	return boot.n > 0 && read_small(c, arena_fmt(c->arena, "%.*s/%s", SARG(dir), BOOT).p, BOOT_MAX, &noted) &&
	       str_eq(noted, boot);
}

static bool note_boot(struct call *c, int root, struct str boot)
{
	int fd = openat(root, BOOT, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && file_write(fd, boot);

	if (!ok)
		fail(c, ERR_STORAGE, "cannot write into the cache: %s", strerror(errno));
	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

static bool scan_all(struct scan *s, DIR *d)
{
	struct str boot = this_boot(s->c);
	const struct dirent *e;

	while ((e = readdir(d))) {
		if (tenant_name_valid(str_of(e->d_name)))
			scan_tenant(s, dirfd(d), arena_dup(s->c->arena, str_of(e->d_name)));
	}
	if (!made_since(s->c, s->dir, boot)) {
		for (size_t i = 0; i < s->n; i++)
			store_cache_remove(s->dir, s->all[i].tenant, &s->all[i].id);
		s->n = 0;
	}
	return note_boot(s->c, dirfd(d), boot);
}

bool store_cache_scan(struct call *c, struct str dir, struct cache_file **ret, size_t *ret_n)
{
	const char *path = arena_cstr(c->arena, dir);
	struct scan s = {.c = c, .dir = dir};
	bool ok;
	DIR *d;

	if (!make_folder(c, path, 0711))
		return false;
	d = opendir(path);
	if (!d)
		return fail(c, ERR_STORAGE, "cannot open the cache %s: %s", path, strerror(errno));
	ok = scan_all(&s, d);
	closedir(d);
	if (!ok) {
		free(s.all);
		return false;
	}
	if (s.n)
		qsort(s.all, s.n, sizeof(*s.all), by_age);
	*ret = s.all;
	*ret_n = s.n;
	return true;
}
