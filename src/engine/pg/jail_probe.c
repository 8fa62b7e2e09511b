/* jail_probe.c - what this kernel and this file system give, found by doing it, in a folder that goes away again. */
#include "engine/pg/jail_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { TRIAL_MS = 20000, WORDS = 256 };

enum jail_level jail_test_level = JAIL_USERNS;

const char *jail_driver_name(enum jail_driver d)
{
	static const char *const names[JAIL_DRIVERS] = {"btrfs", "overlay", "overlay-tmpfs", "reflink", "copy"};

	return names[d];
}

const char *jail_kind(enum jail_driver d)
{
	return d == JAIL_BTRFS ? "btrfs" : d == JAIL_OVERLAY || d == JAIL_OVERLAY_TMPFS ? "overlay" : "tree";
}

void jail_missing(struct jail *j, const char *fmt, ...)
{
	size_t n = strlen(j->missing);
	va_list ap;

	if (n && n + 3 < sizeof(j->missing)) {
		memcpy(j->missing + n, "; ", 3);
		n += 2;
	}
	va_start(ap, fmt);
	vsnprintf(j->missing + n, sizeof(j->missing) - n, fmt, ap);
	va_end(ap);
}

/* --- a trial: a child that mounts, changes what it finds, and ends --- */
static int change_files(void *arg)
{
	int fd = open("/d/file", O_RDWR | O_CLOEXEC), made = open("/d/new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	(void)arg;
	if (fd < 0 || write(fd, "B", 1) != 1 || made < 0)
		return 1;
	return unlink("/d/gone") == 0 && rename("/d/new", "/d/renamed") == 0 && mkdir("/d/folder", 0700) == 0 ? 0 : 2;
}

static bool make_file(int dir, const char *name, struct jail_owner o)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && file_write(fd, S("A")) && (geteuid() != 0 || fchown(fd, o.uid, o.gid) == 0);

	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

static bool make_data(int dir, const char *name, struct jail_owner o)
{
	char path[TREE_PATH];

	if (!jail_tree_make(dir, name, o))
		return false;
	snprintf(path, sizeof(path), "%s/file", name);
	if (!make_file(dir, path, o))
		return false;
	snprintf(path, sizeof(path), "%s/gone", name);
	return make_file(dir, path, o);
}

/* Folders as an instance's are: one that is bound, one under an overlay, one over it. */
static bool make_trial(struct jail *j)
{
	static const char *const folders[] = {"mnt", "lower", "over", "over/data", "over/work"};
	bool ok = make_data(j->root, "data", jail_owner(j));

	for (size_t i = 0; ok && i < COUNT_OF(folders); i++)
		ok = jail_tree_make(j->root, folders[i], jail_owner(j));
	return ok && make_data(j->root, "lower/data", jail_owner(j));
}

static bool trial(struct jail *j, const struct jail_mount *m, char why[WORDS])
{
	OWNS(arena) a = {0};
	struct jail_plan *p;
	struct jail_child ch;
	struct call c;
	bool ok;
	int code = -1;

	call_open(&c, &a);
	p = arena_alloc(&a, sizeof(*p));
	jail_plan(&c, j, JAIL_PROBE, m, p);
	p->instead = change_files;
	ok = jail_spawn(&c, j, p, &ch);
	if (ok) {
		struct pg_limits l = {.deadline_ms = clock_mono_ms() + TRIAL_MS};

		ok = jail_started(&c, p, &ch, &l, NULL);
		if (!ok)
			jail_kill(&ch, j->level);
		if (!jail_reap(&ch, TRIAL_MS, &code) || (ok && code != 0))
			ok = fail(&c, ERR_ENGINE_UNREACHABLE, "files cannot be changed (%d)", code);
	}
	snprintf(why, WORDS, "%s", c.err.text);
	return ok;
}

/* --- the level --- */
static bool level_holds(struct jail *j, enum jail_level level, char why[WORDS])
{
	j->level = level;
	if (level < jail_test_level) {
		snprintf(why, WORDS, "forbidden by a test");
		return false;
	}
	if (level == JAIL_ROOT && geteuid() != 0) {
		snprintf(why, WORDS, "the server is not root");
		return false;
	}
	return trial(j, &(struct jail_mount){NULL, "."}, why);
}

/* initdb looks its user up; without a mount namespace it sees the host's list. */
static bool take_known_user(struct call *c, struct jail *j)
{
	const struct passwd *p = getpwuid(j->uid);

	if (p)
		return true;
	p = getpwnam("postgres");
	if (!p)
		return fail(c, ERR_ENGINE_UNREACHABLE, "without namespaces, instances need a user of the system: uid %u is none, nor is there a user postgres",
			    (unsigned)j->uid);
	j->uid = p->pw_uid;
	j->gid = p->pw_gid;
	return true;
}

/* Nor is there another way to the folder than its path. */
static bool is_reachable(struct call *c, struct jail *j)
{
	struct str all = str_of(j->path);
	struct stat st;

	for (size_t i = 1; i < all.n; i++)
		if (all.p[i] == '/' && stat(arena_cstr(c->arena, str_head(all, i)), &st) == 0 && !(st.st_mode & S_IXOTH) && st.st_uid != j->uid)
			return fail(c, ERR_ENGINE_UNREACHABLE, "without namespaces, uid %u must reach the folder of the layers: %.*s is closed to it",
				    (unsigned)j->uid, (int)i, all.p);
	return chmod(j->path, 0711) == 0 || fail(c, ERR_STORAGE, "%s cannot be opened to the instances: %s", j->path, strerror(errno));
}

static bool find_level(struct call *c, struct jail *j, bool require)
{
	char user[WORDS], root[WORDS];

	if (level_holds(j, JAIL_USERNS, user) || level_holds(j, JAIL_ROOT, root))
		return true;
	if (require)
		return fail(c, ERR_ENGINE_UNREACHABLE, "instances cannot be isolated: user namespaces: %s; namespaces by root: %s", user, root);
	jail_missing(j, "instances are not isolated (user namespaces: %s; namespaces by root: %s)", user, root);
	j->level = JAIL_PLAIN;
	return geteuid() != 0 || (take_known_user(c, j) && is_reachable(c, j));
}

/* --- the driver --- */
static bool shares_blocks(struct jail *j)
{
	int from = openat(j->root, "data/file", O_RDONLY | O_CLOEXEC);
	int to = openat(j->root, "shared", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool ok = from >= 0 && to >= 0 && jail_tree_share(from, to, COPY_SHARED);

	if (from >= 0)
		file_close_quietly(from);
	if (to >= 0)
		file_close_quietly(to);
	return ok;
}

static bool takes_snapshots(struct jail *j)
{
	struct statfs s;
	bool ok = fstatfs(j->root, &s) == 0 && s.f_type == BTRFS_SUPER_MAGIC &&
		  jail_tree_subvolume(j->root, "subvolume", jail_owner(j)) && jail_tree_snapshot(j->root, "subvolume", "snapshot");

	return jail_tree_remove(j->root, "snapshot") && jail_tree_remove(j->root, "subvolume") && ok;
}

static bool overlays(struct jail *j, bool in_memory, char why[WORDS])
{
	const struct jail_mount disk = {"lower/data", "over"}, memory = {"lower/data", NULL};

	if (j->level == JAIL_PLAIN) {
		snprintf(why, WORDS, "no namespaces");
		return false;
	}
	/* Layers are built on disk in both. */
	if (!trial(j, &disk, why) || (in_memory && !trial(j, &memory, why)))
		return false;
	return jail_tree_remove(j->root, "over") && jail_tree_make(j->root, "over", jail_owner(j)) &&
	       jail_tree_make(j->root, "over/data", jail_owner(j)) && jail_tree_make(j->root, "over/work", jail_owner(j));
}

static bool driver_works(struct jail *j, enum jail_driver d, char why[WORDS])
{
	snprintf(why, WORDS, "the file system cannot");
	switch (d) {
	case JAIL_BTRFS: return takes_snapshots(j);
	case JAIL_OVERLAY: return shares_blocks(j) && overlays(j, false, why);
	case JAIL_OVERLAY_TMPFS: return overlays(j, true, why);
	case JAIL_REFLINK: return shares_blocks(j);
	default: return true;
	}
}

static bool find_driver(struct call *c, struct jail *j, struct str wanted)
{
	bool any = wanted.n == 0 || str_eq(wanted, S("auto"));
	char why[WORDS] = "unknown";

	for (int d = 0; d < JAIL_DRIVERS; d++) {
		if (!any && !str_eq(wanted, str_of(jail_driver_name(d))))
			continue;
		if (driver_works(j, d, why)) {
			j->driver = d;
			return true;
		}
	}
	return fail(c, ERR_ENGINE_UNREACHABLE, "runner.driver %.*s does not work in %s: %s", SARG(wanted), j->path, why);
}

/* --- the folders --- */
static bool own(struct call *c, struct jail *j, int dir, const char *path)
{
	if ((geteuid() != 0 || fchown(dir, j->uid, j->gid) == 0) && fchmod(dir, 0700) == 0)
		return true;
	return fail(c, ERR_STORAGE, "%s cannot be given to uid %u: %s", path, (unsigned)j->uid, strerror(errno));
}

static int open_made(struct call *c, const char *path)
{
	int fd = -1;

	if (file_make_folder(path, 0700))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail(c, ERR_STORAGE, "%s cannot be used: %s", path, strerror(errno));
	return fd;
}

static bool try_all(struct call *c, struct jail *j, const struct pg_jail_options *o)
{
	struct id id = id_v4();
	const char *path = arena_fmt(c->arena, "%s/probe-%s", j->path, id.text).p;
	int above = open(j->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok;

	j->root = open_made(c, path);
	ok = j->root >= 0 && own(c, j, j->root, path);
	if (ok && !make_trial(j))
		ok = fail(c, ERR_STORAGE, "%s cannot be used: %s", path, strerror(errno));
	ok = ok && find_level(c, j, o->require) && find_driver(c, j, o->driver);
	if (above >= 0 && !jail_tree_remove(above, str_of(path).p + strlen(j->path) + 1) && ok)
		ok = fail(c, ERR_STORAGE, "%s cannot be removed: %s", path, strerror(errno));
	if (above >= 0)
		close(above);
	if (j->root >= 0)
		close(j->root);
	j->root = -1;
	return ok;
}

static bool open_kind(struct call *c, struct jail *j)
{
	static const char *const folders[] = {"layers", "run", "build", "trash", "locks", "servers", "mnt"};
	char *path = strdup(arena_fmt(c->arena, "%s/%s", j->path, jail_kind(j->driver)).p);
	bool ok;

	j->root = open_made(c, path);
	free(j->path);
	j->path = path;
	ok = j->root >= 0 && own(c, j, j->root, path);
	for (size_t i = 0; ok && i < COUNT_OF(folders); i++)
		ok = jail_tree_make(j->root, folders[i], jail_owner(j)) || errno == EEXIST ||
		     fail(c, ERR_STORAGE, "%s/%s cannot be made: %s", path, folders[i], strerror(errno));
	return ok;
}

bool jail_probe(struct call *c, struct jail *j, const struct pg_jail_options *o)
{
	const char *dir = arena_cstr(c->arena, o->dir);
	int fd = open_made(c, dir);

	if (fd < 0)
		return false;
	close(fd);
	j->path = realpath(dir, NULL);
	if (!j->path)
		return fail(c, ERR_STORAGE, "%s cannot be used: %s", dir, strerror(errno));
	if (!jail_filter())
		jail_missing(j, "no filter of system calls");
	if (!try_all(c, j, o) || !open_kind(c, j))
		return false;
	if (j->driver == JAIL_OVERLAY_TMPFS)
		jail_missing(j, "the file system of the layers has no reflinks: instances write into memory, and the first write to a table copies it");
	if (j->driver == JAIL_COPY)
		jail_missing(j, "each instance is a copy of its layer");
	return true;
}
