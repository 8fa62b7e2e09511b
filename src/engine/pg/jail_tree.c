/* jail_tree.c - trees of files: made, copied, merged, compared, measured, removed.
 *
 * Paths are relative to a descriptor, and no link is followed: what an instance left is not trusted. An overlay's marks are a
 * character device 0:0 for "gone" and an extended attribute of a folder for "nothing from below". Any thread; errors in errno.
 */
#include "engine/pg/jail_layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { DEPTH_MAX = 16, MODE = 0700, PIECE = 1 << 30 };
static const char opaque[] = "user.overlay.opaque";

static int open_folder(int dir, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int jail_tree_open_parent(int dir, const char *path, const char **ret_last)
{
	const char *last = strrchr(path, '/');
	char folder[TREE_PATH];

	snprintf(folder, sizeof(folder), "%.*s", last ? (int)(last - path) : 1, last ? path : ".");
	*ret_last = last ? last + 1 : path;
	return open_folder(dir, folder);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_gone(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int fd)
{
	char v = 0;

	return fgetxattr(fd, opaque, &v, 1) == 1 && v == 'y';
}

bool jail_tree_mark_opaque(int fd)
{
	return fsetxattr(fd, opaque, "y", 1, 0) == 0;
}

static bool give_to(int fd, struct jail_owner o)
{
	return geteuid() != 0 || fchown(fd, o.uid, o.gid) == 0;
}

bool jail_tree_make(int dir, const char *path, struct jail_owner o)
{
	const char *name;
	int in = jail_tree_open_parent(dir, path, &name);
	int fd = in >= 0 && mkdirat(in, name, MODE) == 0 ? open_folder(in, name) : -1;
	bool ok = fd >= 0 && give_to(fd, o);

	if (fd >= 0)
		file_close_quietly(fd);
	if (in >= 0)
		file_close_quietly(in);
	return ok;
}

/* --- entries of a folder, without the walker's descriptor --- */
typedef bool entry_fn(void *arg, const char *name, const struct stat *st);

static bool each_entry(int dir, entry_fn *fn, void *arg)
{
	int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	const struct dirent *e;
	struct stat st;
	bool ok = true;

	if (!d) {
		if (own >= 0)
			file_close_quietly(own);
		return false;
	}
	while (ok && (e = readdir(d)))
		if (!is_dot(e->d_name))
			ok = fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? fn(arg, e->d_name, &st) : errno == ENOENT;
	own = errno;
	closedir(d);
	errno = own;
	return ok;
}

/* --- copying --- */
bool jail_tree_share(int from, int to, enum jail_copy how)
{
	ssize_t n = 1;

	if (ioctl(to, FICLONE, from) == 0)
		return true;
	if (how == COPY_SHARED)
		return false;
	while (n > 0)
		n = copy_file_range(from, NULL, to, NULL, PIECE, 0);
	return n == 0;
}

struct copying {
	int from, to, depth;
	enum jail_copy how;
	struct jail_owner owner;
};

/* Times stay: a file that nobody writes to afterwards is known by them. */
static bool copy_file(int from_dir, const char *name, int to_dir, const struct stat *st, const struct copying *v)
{
	int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int to = from < 0 ? -1 : openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, st->st_mode & 0777);
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	bool ok = to >= 0 && jail_tree_share(from, to, v->how) && give_to(to, v->owner) && futimens(to, times) == 0;

	if (from >= 0)
		file_close_quietly(from);
	if (to >= 0)
		file_close_quietly(to);
	return ok;
}

static bool copy_folder(int from_dir, const char *from, int to_dir, const char *to, const struct copying *above);

static bool copy_entry(void *arg, const char *name, const struct stat *st)
{
	const struct copying *v = arg;

	if (S_ISDIR(st->st_mode))
		return copy_folder(v->from, name, v->to, name, v);
	if (S_ISREG(st->st_mode))
		return copy_file(v->from, name, v->to, st, v);
	return true; /* sockets; PostgreSQL has no links without tablespaces */
}

static bool copy_folder(int from_dir, const char *from, int to_dir, const char *to, const struct copying *above)
{
	struct copying v = *above;
	bool ok;

	if (v.depth++ > DEPTH_MAX) {
		errno = ELOOP;
		return false;
	}
	if (!jail_tree_make(to_dir, to, v.owner) && errno != EEXIST)
		return false;
	v.from = open_folder(from_dir, from);
	v.to = v.from < 0 ? -1 : open_folder(to_dir, to);
	ok = v.to >= 0 && each_entry(v.from, copy_entry, &v);
	if (v.from >= 0)
		file_close_quietly(v.from);
	if (v.to >= 0)
		file_close_quietly(v.to);
	return ok;
}

bool jail_tree_copy(int dir, const char *from, const char *to, enum jail_copy how, struct jail_owner o)
{
	return copy_folder(dir, from, dir, to, &(struct copying){.how = how, .owner = o});
}

/* --- merging: each layer's entries over those of the one below --- */
struct merging {
	struct copying copy; /* from: a folder of the layer; to: the same of the result */
};

static bool merge_folder(int from_dir, const char *from, int to_dir, const char *to, const struct merging *above);

static bool merge_entry(void *arg, const char *name, const struct stat *st)
{
	const struct merging *v = arg;
	bool folder_stays = false;
	struct stat there;

	if (fstatat(v->copy.to, name, &there, AT_SYMLINK_NOFOLLOW) == 0) {
		folder_stays = S_ISDIR(there.st_mode) && S_ISDIR(st->st_mode);
		if (!folder_stays && !jail_tree_remove(v->copy.to, name))
			return false;
	}
	if (is_gone(st))
		return true;
	if (S_ISDIR(st->st_mode))
		return merge_folder(v->copy.from, name, v->copy.to, name, v);
	return !S_ISREG(st->st_mode) || copy_file(v->copy.from, name, v->copy.to, st, &v->copy);
}

static bool merge_folder(int from_dir, const char *from, int to_dir, const char *to, const struct merging *above)
{
	struct merging v = *above;
	bool ok;

	if (v.copy.depth++ > DEPTH_MAX) {
		errno = ELOOP;
		return false;
	}
	v.copy.from = open_folder(from_dir, from);
	if (v.copy.from < 0)
		return false;
	ok = !is_opaque(v.copy.from) || jail_tree_remove(to_dir, to);
	ok = ok && (jail_tree_make(to_dir, to, v.copy.owner) || errno == EEXIST);
	v.copy.to = ok ? open_folder(to_dir, to) : -1;
	ok = v.copy.to >= 0 && each_entry(v.copy.from, merge_entry, &v);
	file_close_quietly(v.copy.from);
	if (v.copy.to >= 0)
		file_close_quietly(v.copy.to);
	return ok;
}

bool jail_tree_merge(int dir, const struct str *layers, int n, const char *to, struct jail_owner o)
{
	struct merging v = {{.how = COPY_BYTES, .owner = o}};

	for (int i = n; i-- > 0;) {
		char name[TREE_PATH];

		snprintf(name, sizeof(name), "%.*s", SARG(layers[i]));
		if (!merge_folder(dir, name, dir, to, &v))
			return false;
	}
	return true;
}

/* --- btrfs --- */
bool jail_tree_subvolume(int dir, const char *name, struct jail_owner o)
{
	struct btrfs_ioctl_vol_args_v2 a = {0};
	const char *last;
	int in = jail_tree_open_parent(dir, name, &last), fd;
	bool ok;

	snprintf(a.name, sizeof(a.name), "%s", last);
	ok = in >= 0 && ioctl(in, BTRFS_IOC_SUBVOL_CREATE_V2, &a) == 0;
	fd = ok ? open_folder(dir, name) : -1;
	ok = fd >= 0 && give_to(fd, o) && fchmod(fd, MODE) == 0;
	if (fd >= 0)
		file_close_quietly(fd);
	if (in >= 0)
		file_close_quietly(in);
	return ok;
}

bool jail_tree_snapshot(int dir, const char *from, const char *to)
{
	struct btrfs_ioctl_vol_args_v2 a = {0};
	const char *last;
	int in = jail_tree_open_parent(dir, to, &last);
	bool ok;

	snprintf(a.name, sizeof(a.name), "%s", last);
	a.fd = in < 0 ? -1 : open_folder(dir, from);
	ok = a.fd >= 0 && ioctl(in, BTRFS_IOC_SNAP_CREATE_V2, &a) == 0;
	if (a.fd >= 0)
		file_close_quietly((int)a.fd);
	if (in >= 0)
		file_close_quietly(in);
	return ok;
}

/* --- removing --- */
enum { SUBVOLUME_ROOT = 256 };

static bool remove_subvolume(int dir, const char *name)
{
	struct btrfs_ioctl_vol_args a = {0};

	snprintf(a.name, sizeof(a.name), "%s", name);
	return ioctl(dir, BTRFS_IOC_SNAP_DESTROY, &a) == 0;
}

static bool remove_entry(void *arg, const char *name, const struct stat *st)
{
	int dir = *(int *)arg, in;
	bool ok;

	if (!S_ISDIR(st->st_mode))
		return unlinkat(dir, name, 0) == 0 || errno == ENOENT;
	if (st->st_ino == SUBVOLUME_ROOT && remove_subvolume(dir, name))
		return true;
	in = open_folder(dir, name);
	if (in < 0 && errno == EACCES && fchmodat(dir, name, MODE, 0) == 0)
		in = open_folder(dir, name); /* an overlay's work folder has mode 0 */
	if (in < 0)
		return errno == ENOENT;
	ok = each_entry(in, remove_entry, &in);
	file_close_quietly(in);
	return ok && (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

bool jail_tree_remove(int dir, const char *name)
{
	const char *last;
	struct stat st;
	int in = jail_tree_open_parent(dir, name, &last);
	bool ok;

	if (in < 0)
		return errno == ENOENT;
	ok = fstatat(in, last, &st, AT_SYMLINK_NOFOLLOW) == 0 ? remove_entry(&in, last, &st) : errno == ENOENT;
	file_close_quietly(in);
	return ok;
}

/* --- measuring, walking, comparing --- */
struct sum {
	int dir;
	int64_t bytes;
};

static bool add_bytes(void *arg, const char *name, const struct stat *st)
{
	struct sum *v = arg;
	struct sum in;

	v->bytes += (int64_t)st->st_blocks * 512;
	if (!S_ISDIR(st->st_mode))
		return true;
	in = (struct sum){open_folder(v->dir, name), 0};
	if (in.dir < 0)
		return true; /* gone meanwhile, or not for us */
	each_entry(in.dir, add_bytes, &in);
	file_close_quietly(in.dir);
	v->bytes += in.bytes;
	return true;
}

int64_t jail_tree_bytes(int dir, const char *name)
{
	struct sum v = {dir, 0};
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		add_bytes(&v, name, &st);
	return v.bytes;
}

struct walking {
	int dir, other, depth; /* other: the same folder of the parent, -1 = none */
	char path[TREE_PATH];  /* of `dir`, "" at the top, else ends with a slash */
	jail_tree_fn *fn;
	void *arg;
};

static bool walk_folder(const struct walking *above, const char *name, const struct stat *st);

static bool same_file(const struct stat *a, const struct stat *b)
{
	return S_ISREG(b->st_mode) && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool walk_entry(void *arg, const char *name, const struct stat *st)
{
	const struct walking *v = arg;
	char path[TREE_PATH];
	struct stat there;
	int fd;
	bool ok;

	if (snprintf(path, sizeof(path), "%s%s", v->path, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (S_ISDIR(st->st_mode))
		return walk_folder(v, name, st);
	if (is_gone(st))
		return v->fn(v->arg, NODE_GONE, path, -1, st);
	if (!S_ISREG(st->st_mode))
		return true;
	if (v->other >= 0 && fstatat(v->other, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && same_file(st, &there))
		return true;
	fd = openat(v->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ok = fd >= 0 && v->fn(v->arg, NODE_FILE, path, fd, st);
	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

/* What the parent has and this one has not. */
static bool missing_entry(void *arg, const char *name, const struct stat *st)
{
	const struct walking *v = arg;
	char path[TREE_PATH];
	struct stat here;

	if (fstatat(v->dir, name, &here, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	snprintf(path, sizeof(path), "%s%s", v->path, name);
	return v->fn(v->arg, NODE_GONE, path, -1, st);
}

static bool walk_folder(const struct walking *above, const char *name, const struct stat *st)
{
	struct walking v = *above;
	bool ok, top = above->depth == 0;

	if (v.depth++ > DEPTH_MAX || snprintf(v.path, sizeof(v.path), "%s%s/", above->path, name) >= (int)sizeof(v.path)) {
		errno = ELOOP;
		return false;
	}
	if (top)
		v.path[0] = '\0';
	v.dir = open_folder(above->dir, name);
	if (v.dir < 0)
		return false;
	v.other = top || above->other < 0 ? above->other : open_folder(above->other, name);
	ok = top || v.fn(v.arg, is_opaque(v.dir) ? NODE_OPAQUE : NODE_FOLDER, v.path, v.dir, st);
	ok = ok && each_entry(v.dir, walk_entry, &v) && (v.other < 0 || each_entry(v.other, missing_entry, &v));
	file_close_quietly(v.dir);
	if (v.other >= 0 && !top)
		file_close_quietly(v.other);
	return ok;
}

static bool walk(int dir, const char *name, int other, jail_tree_fn *fn, void *arg)
{
	struct walking v = {.dir = dir, .other = other, .fn = fn, .arg = arg};
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && walk_folder(&v, name, &st);
}

bool jail_tree_walk(int dir, const char *name, jail_tree_fn *fn, void *arg)
{
	return walk(dir, name, -1, fn, arg);
}

bool jail_tree_compare(int dir, const char *name, const char *parent, jail_tree_fn *fn, void *arg)
{
	int other = open_folder(dir, parent);
	bool ok = other >= 0 && walk(dir, name, other, fn, arg);

	if (other >= 0)
		file_close_quietly(other);
	return ok;
}
