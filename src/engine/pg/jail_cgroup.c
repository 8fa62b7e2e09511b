/* jail_cgroup.c - a cgroup of version 2 for each instance, where one is delegated to the server.
 *
 *   <own>/                                the server's; once it gives controllers to its children no process may be in it
 *   <own>/mayfly-server/                  the server and its workers, moved there when no process of another's is in <own>
 *   <own>/mayfly-<key>-<server>-<n>/      an instance; key: of the folder of layers, whose servers/ tells who lives
 *
 * Not here: the rlimits, which hold where this does not (jail_filter.c). Hierarchies of version 1 are not used. Nothing
 * outside of <own> is touched. Any thread; what is busy when its instance ends is removed from the background thread.
 */
#include "engine/pg/jail_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LEAF "mayfly-server"
enum { FILE_MAX = 1 << 20, ROUNDS = 16, ANCESTORS_MAX = 64, CLOSE_MS = 1000 };

struct left { /* a cgroup that was busy when it was to go */
	struct list node;
	char name[JAIL_NAME];
};
struct jail_cgroups {
	int base;               /* -1: not delegated */
	char key[40];
	pthread_mutex_t lock;
	struct list left;
};

struct jail_cgroup_sight jail_test_cgroup = {"/proc/self/cgroup", "/proc/self/mountinfo", "/run/systemd/system", false};

/* --- files --- */
static bool read_at(int dir, const char *name, struct buf *ret)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && file_read(fd, FILE_MAX, ret);

	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

static bool write_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && file_write(fd, str_of(text));

	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

static bool lists(struct str line, struct str word)
{
	for (line = str_trim(line); line.n;)
		if (str_eq(str_cut(&line, ' '), word))
			return true;
	return false;
}

/* --- the own cgroup --- */
/* mountinfo writes a space as \040. */
static struct str unescape(struct call *c, struct str s)
{
	char *to = arena_alloc(c->arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool code = s.p[i] == '\\' && i + 3 < s.n && ascii_digit(s.p[i + 1]) && ascii_digit(s.p[i + 2]) && ascii_digit(s.p[i + 3]);

		to[n++] = code ? (char)((s.p[i + 1] - '0') * 64 + (s.p[i + 2] - '0') * 8 + s.p[i + 3] - '0') : s.p[i];
		i += code ? 3 : 0;
	}
	return str_from(to, n);
}

static bool is_below(struct str path, struct str root)
{
	return str_eq(root, S("/")) || (str_starts(path, root) && (path.n == root.n || path.p[root.n] == '/'));
}

/* "31 23 0:28 <root> <mount point> <options> [<fields>] - <type> <source> <options>" */
static bool shows(struct call *c, struct str line, struct str own, struct str *ret)
{
	size_t dash = str_search(line, S(" - "));
	struct str type = dash < line.n ? str_tail(line, dash + 3) : S(""), root, point;

	for (int i = 0; i < 3; i++)
		str_cut(&line, ' ');
	root = unescape(c, str_cut(&line, ' '));
	point = unescape(c, str_cut(&line, ' '));
	if (!str_eq(str_cut(&type, ' '), S("cgroup2")) || root.n == 0 || point.n == 0 || !is_below(own, root))
		return false;
	if (root.n > 1)
		own = str_tail(own, root.n);
	while (own.n && own.p[own.n - 1] == '/')
		own.n--;
	*ret = arena_fmt(c->arena, "%.*s%.*s", SARG(point), SARG(own));
	return true;
}

struct str jail_cgroup_find(struct call *c, struct str self, struct str mounts)
{
	struct str own = {NULL, 0}, found = {NULL, 0}, line;

	while (self.n) {
		line = str_cut(&self, '\n');
		if (str_starts(line, S("0::/")))
			own = str_tail(line, 3);
	}
	if (str_search(own, S("/..")) < own.n)
		return found; /* above the namespace */
	while (own.n && mounts.n) {
		line = str_cut(&mounts, '\n');
		if (shows(c, line, own, &found))
			break;
	}
	return found;
}

static struct str own_cgroup(struct call *c)
{
	OWNS(buf) self = {0};
	OWNS(buf) mounts = {0};
	struct str path;

	if (!read_at(AT_FDCWD, jail_test_cgroup.self, &self) || !read_at(AT_FDCWD, jail_test_cgroup.mounts, &mounts))
		return (struct str){NULL, 0};
	path = jail_cgroup_find(c, buf_str(&self), buf_str(&mounts));
	if (str_ends(path, S("/" LEAF))) /* moved there before */
		path.n -= sizeof(LEAF);
	return path;
}

/* --- whether it is ours --- */
/* systemd gives the folder to the unit's user; to root all of them are open, and it says by an attribute which are given away. */
static bool is_delegated(int base, struct str path)
{
	bool marked = geteuid() == 0 || str_search(path, S("/user@")) < path.n;
	char v[8];

	if (faccessat(base, ".", W_OK, AT_EACCESS) != 0 || faccessat(base, "cgroup.procs", W_OK, AT_EACCESS) != 0 ||
	    faccessat(base, "cgroup.subtree_control", W_OK, AT_EACCESS) != 0)
		return false;
	return !marked || access(jail_test_cgroup.systemd, F_OK) != 0 || fgetxattr(base, "user.delegate", v, sizeof(v)) > 0 ||
	       fgetxattr(base, "trusted.delegate", v, sizeof(v)) > 0;
}

static pid_t parent_of(pid_t pid)
{
	OWNS(buf) stat = {0};
	char path[32];
	const char *end;
	int64_t parent;
	struct str rest;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_at(AT_FDCWD, path, &stat))
		return errno == ENOENT || errno == ESRCH ? getpid() : 0; /* one that has ended stands in nobody's way */
	end = strrchr(buf_cstr(&stat), ')'); /* of the program's name; then " S 1234 …" */
	rest = end ? str_of(end) : S("");
	str_cut(&rest, ' ');
	str_cut(&rest, ' ');
	return str_to_i64(str_cut(&rest, ' '), &parent) ? (pid_t)parent : 0;
}

static bool is_ours(pid_t pid)
{
	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (pid == getpid())
			return true;
		pid = parent_of(pid);
	}
	return false;
}

static bool all_ours(struct str pids)
{
	int64_t pid;

	while (pids.n)
		if (!str_to_i64(str_cut(&pids, '\n'), &pid) || !is_ours((pid_t)pid))
			return false;
	return true;
}

static bool move_all(int base, struct str pids)
{
	char pid[24];
	struct str one;

	if (mkdirat(base, LEAF, 0755) != 0 && errno != EEXIST)
		return false;
	while (pids.n) {
		one = str_cut(&pids, '\n');
		snprintf(pid, sizeof(pid), "%.*s", SARG(one));
		if (!write_at(base, LEAF "/cgroup.procs", pid) && errno != ESRCH)
			return false;
	}
	return true;
}

/* NULL, or what is in the way. The server's own workers go along; while they are moved they may make more. */
static const char *leave(struct call *c, int base)
{
	for (int i = 0; i < ROUNDS; i++) {
		OWNS(buf) pids = {0};

		if (!read_at(base, "cgroup.procs", &pids))
			return arena_fmt(c->arena, "its processes are not told: %s", strerror(errno)).p;
		if (pids.n == 0)
			return NULL;
		if (!all_ours(buf_str(&pids)))
			return "there are processes in it that are not the server's";
		if (!move_all(base, buf_str(&pids)))
			return arena_fmt(c->arena, "the server cannot move into a child of it: %s", strerror(errno)).p;
	}
	return "the server cannot leave it";
}

static const char *take(struct call *c, int base, struct str path)
{
	OWNS(buf) controllers = {0};
	const char *why;

	if (!read_at(base, "cgroup.controllers", &controllers))
		return arena_fmt(c->arena, "its controllers are not told: %s", strerror(errno)).p;
	if (!jail_test_cgroup.bare && !lists(buf_str(&controllers), S("memory")))
		return "it has no controller for memory";
	if (!jail_test_cgroup.bare && !lists(buf_str(&controllers), S("pids")))
		return "it has no controller for pids";
	if (!is_delegated(base, path))
		return "it is not delegated to the server";
	why = leave(c, base);
	if (!why && !jail_test_cgroup.bare && !write_at(base, "cgroup.subtree_control", "+memory +pids"))
		why = arena_fmt(c->arena, "its controllers cannot be given to instances: %s", strerror(errno)).p;
	return why;
}

/* --- of one instance --- */
static bool limit(int fd, const char *name, int64_t n)
{
	char text[24] = "max";

	if (n >= 0)
		snprintf(text, sizeof(text), "%lld", (long long)n);
	return write_at(fd, name, text);
}

/* Without swap the kernel has no file for it. */
bool jail_cgroup_limit(int fd, int64_t memory_bytes, int pids)
{
	return limit(fd, "memory.max", memory_bytes) && limit(fd, "pids.max", pids > 0 ? pids : -1) &&
	       (limit(fd, "memory.swap.max", 0) || errno == ENOENT) && (limit(fd, "memory.oom.group", 1) || errno == ENOENT);
}

bool jail_cgroup_make(struct call *c, struct jail *j, int64_t memory_bytes, struct jail_cgroup *ret)
{
	struct jail_cgroups *all = j->cgroups;
	int error;

	*ret = (struct jail_cgroup){.fd = -1};
	if (all->base < 0)
		return true;
	snprintf(ret->name, sizeof(ret->name), "mayfly-%s-%s-%llu", all->key, j->server,
		 (unsigned long long)atomic_fetch_add(&j->serial, 1));
	if (mkdirat(all->base, ret->name, 0755) != 0)
		return fail(c, ERR_ENGINE_UNREACHABLE, "an instance's cgroup cannot be made: %s", strerror(errno));
	ret->fd = openat(all->base, ret->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->fd >= 0 && (jail_test_cgroup.bare || jail_cgroup_limit(ret->fd, memory_bytes, j->pids)))
		return true;
	error = errno;
	jail_cgroup_drop(j, ret);
	return fail(c, ERR_ENGINE_UNREACHABLE, "an instance's cgroup cannot be limited: %s", strerror(error));
}

static bool remove_at(struct jail_cgroups *all, const char *name)
{
	return unlinkat(all->base, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static void remove_soon(struct jail *j, const char *name)
{
	struct jail_cgroups *all = j->cgroups;
	struct left *l;

	if (remove_at(all, name))
		return;
	l = base_zalloc(sizeof(*l));
	snprintf(l->name, sizeof(l->name), "%s", name);
	pthread_mutex_lock(&all->lock);
	list_add_tail(&all->left, &l->node);
	pthread_mutex_unlock(&all->lock);
	jail_threads_wake(j, WAKE_CGROUP);
}

void jail_cgroup_drop(struct jail *j, struct jail_cgroup *g)
{
	if (g->name[0] == '\0')
		return;
	if (g->fd >= 0)
		close(g->fd);
	remove_soon(j, g->name);
	*g = (struct jail_cgroup){.fd = -1};
}

bool jail_cgroups_again(struct jail *j)
{
	struct jail_cgroups *all = j->cgroups;
	bool any;

	pthread_mutex_lock(&all->lock);
	LIST_EACH(&all->left, it) {
		struct left *l = LIST_ITEM(it, struct left, node);

		if (remove_at(all, l->name)) {
			list_del(&l->node);
			free(l);
		}
	}
	any = !list_empty(&all->left);
	pthread_mutex_unlock(&all->lock);
	return any;
}

int64_t jail_cgroup_memory(const struct jail_cgroup *g)
{
	OWNS(buf) b = {0};
	int64_t n;

	return g->fd >= 0 && read_at(g->fd, "memory.current", &b) && str_to_i64(str_trim(buf_str(&b)), &n) ? n : -1;
}

/* --- of the server --- */
/* A child that is born in one and ends: whether the kernel lets us, before the first instance needs it. */
static bool birth(int cgroup)
{
	struct clone_args a = {.flags = CLONE_PIDFD | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
	int pidfd = -1;
	siginfo_t how;
	long pid;

	a.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return false;
	waitid(P_PIDFD, (id_t)pidfd, &how, WEXITED);
	close(pidfd);
	return true;
}

static const char *trial(struct call *c, struct jail *j)
{
	struct jail_cgroup g;
	const char *why = NULL;

	if (!jail_cgroup_make(c, j, j->memory_bytes, &g))
		return c->err.text;
	if (!birth(g.fd))
		why = arena_fmt(c->arena, "no process can begin in a child of it: %s", strerror(errno)).p;
	jail_cgroup_drop(j, &g);
	return why;
}

static void sweep(struct jail *j)
{
	struct jail_cgroups *all = j->cgroups;
	int fd = openat(all->base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		struct str rest = str_of(e->d_name);
		char kill_file[JAIL_NAME + 16];

		if (rest.n >= JAIL_NAME || !str_eq(str_cut(&rest, '-'), S("mayfly")) || !str_eq(str_cut(&rest, '-'), str_of(all->key)) ||
		    !jail_server_gone(j, str_cut(&rest, '-')))
			continue;
		snprintf(kill_file, sizeof(kill_file), "%.*s/cgroup.kill", JAIL_NAME, e->d_name);
		(void)!write_at(all->base, kill_file, "1");
		remove_soon(j, e->d_name);
	}
	if (d)
		closedir(d);
}

struct jail_cgroups *jail_cgroups_new(void)
{
	struct jail_cgroups *all = base_zalloc(sizeof(*all));

	all->base = -1;
	list_init(&all->left);
	pthread_mutex_init(&all->lock, NULL);
	return all;
}

static const char *begin(struct call *c, struct jail *j, struct str path)
{
	struct jail_cgroups *all = j->cgroups;
	int base = path.n ? open(arena_cstr(c->arena, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat st;
	const char *why;

	if (path.n == 0)
		return "there is no cgroup of version 2";
	if (base < 0)
		return arena_fmt(c->arena, "it cannot be opened: %s", strerror(errno)).p;
	why = fstat(j->root, &st) == 0 ? take(c, base, path) : strerror(errno);
	if (why) {
		close(base);
		return why;
	}
	snprintf(all->key, sizeof(all->key), "%llx.%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	all->base = base;
	return trial(c, j);
}

static void forget(struct jail_cgroups *all)
{
	pthread_mutex_lock(&all->lock);
	while (!list_empty(&all->left))
		free(LIST_ITEM(list_pop(&all->left), struct left, node));
	if (all->base >= 0)
		close(all->base);
	all->base = -1;
	pthread_mutex_unlock(&all->lock);
}

void jail_cgroups_open(struct jail *j)
{
	OWNS(arena) a = {0};
	struct jail_cgroups *all = j->cgroups;
	struct str path;
	const char *why;
	struct call c;

	call_open(&c, &a);
	path = own_cgroup(&c);
	why = begin(&c, j, path);
	if (!why) {
		sweep(j);
		return;
	}
	forget(all);
	jail_missing(j, "memory is limited by process, not by instance (%s%.*s%s%s)", path.n ? "cgroup " : "", SARG(path),
		     path.n ? ": " : "", why);
}

bool jail_cgroups_hold(const struct jail *j)
{
	return j->cgroups->base >= 0;
}

void jail_cgroups_close(struct jail *j)
{
	struct jail_cgroups *all = j->cgroups;
	int64_t until = clock_mono_ms() + CLOSE_MS;

	while (jail_cgroups_again(j) && clock_mono_ms() < until)
		poll(NULL, 0, 1);
	forget(all); /* what is still busy the next server removes */
	pthread_mutex_destroy(&all->lock);
	free(all);
}
