/* jail_run.c - instances: opened, connected to, measured, released. Any thread but a loop's; one at a time an instance. */
#include "engine/pg/jail_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { BOOT_MS = 60000, POLL_MS = 1, REAP_MS = 10000, WORDS_BYTES = 65536, PID_FILE_MAX = 4096 };

static struct jail_instance *instance_of(struct pg_instance *i)
{
	return CONTAINER_OF(i, struct jail_instance, instance);
}

/* --- what PostgreSQL says while it starts --- */
/* A pipe that does not block: what nobody reads is lost, an instance cannot fill anything with its words. */
static bool open_words(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return true;
}

struct str jail_last_words(struct call *c, int fd)
{
	OWNS(buf) said = {.limit = WORDS_BYTES};
	struct str left, line, first = S("it said nothing");

	if (fd >= 0)
		(void)!file_read(fd, WORDS_BYTES - 1, &said); /* ends where it would block */
	for (left = buf_str(&said); left.n;) {
		line = str_cut(&left, '\n');
		if (str_eq(first, S("it said nothing")) && line.n)
			first = line;
		for (size_t i = 0; i < line.n; i++)
			if (str_starts(str_tail(line, i), S("FATAL:")) || str_starts(str_tail(line, i), S("ERROR:")) ||
			    str_starts(str_tail(line, i), S("PANIC:")) || str_starts(str_tail(line, i), S("initdb: error:")))
				return arena_dup(c->arena, str_tail(line, i));
	}
	return arena_dup(c->arena, first);
}

/* --- readiness --- */
static bool heard_ready(int notify)
{
	char words[512];
	ssize_t n;

	while ((n = recv(notify, words, sizeof(words), MSG_DONTWAIT)) > 0)
		if (str_search(str_from(words, (size_t)n), S("READY=1")) < (size_t)n)
			return true;
	return false;
}

/* The eighth line of postmaster.pid is the postmaster's state. */
static bool says_ready(int data)
{
	int fd = openat(data, "postmaster.pid", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	OWNS(buf) b = {0};
	struct str left, line = {NULL, 0};

	if (fd < 0)
		return false;
	if (file_read(fd, PID_FILE_MAX, &b)) {
		left = buf_str(&b);
		for (int i = 0; i < 8 && left.p; i++)
			line = str_cut(&left, '\n');
	}
	close(fd);
	return str_starts(line, S("ready"));
}

static bool gave_up(struct call *c, struct jail_instance *i)
{
	struct str words = jail_last_words(c, i->words);

	return fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL did not start: %.*s", SARG(words));
}

static bool await_ready(struct call *c, struct jail_instance *i, const struct pg_limits *l)
{
	bool told = i->jail->programs.notifies && i->fds[JAIL_FD_NOTIFY] >= 0;
	struct pollfd fds[3] = {{.fd = i->child.pidfd, .events = POLLIN},
				{.fd = told ? i->fds[JAIL_FD_NOTIFY] : -1, .events = POLLIN},
				{.fd = l->stop ? l->stop->fd : -1, .events = POLLIN}};
	int64_t until = clock_mono_ms() + BOOT_MS;

	while (told ? !heard_ready(fds[1].fd) : !says_ready(i->fds[JAIL_FD_DATA])) {
		enum pg_woken w = pg_look(l);

		if (w == PG_ASKED_TO_STOP)
			return fail(c, ERR_CANCELED, "canceled while PostgreSQL started");
		if (w == PG_TOO_LATE)
			return fail(c, ERR_STATEMENT_TIMEOUT, "the deadline passed while PostgreSQL started");
		if (clock_mono_ms() > until)
			return fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL was not ready after %d s", BOOT_MS / 1000);
		poll(fds, 3, told ? 20 : POLL_MS);
		if (fds[0].revents)
			return gave_up(c, i);
	}
	return true;
}

/* --- opening --- */
static bool plain_folders(struct jail_instance *i)
{
	char path[TREE_PATH];

	snprintf(path, sizeof(path), "%s/s", i->room.name);
	i->fds[JAIL_FD_SOCKETS] = openat(i->jail->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/data", i->room.name);
	i->fds[JAIL_FD_DATA] = openat(i->jail->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return i->fds[JAIL_FD_SOCKETS] >= 0 && i->fds[JAIL_FD_DATA] >= 0;
}

/* In a cgroup a file system in memory counts as memory of who writes there. */
static int64_t memory_limit(const struct jail_instance *i)
{
	int64_t n = i->jail->memory_bytes;

	if (n <= 0 || (!i->room.on_disk && __builtin_add_overflow(n, i->jail->disk_bytes, &n)))
		return -1;
	return n;
}

static bool start(struct call *c, struct jail_instance *i, const struct pg_limits *l)
{
	struct jail *j = i->jail;
	struct jail_plan *p = arena_alloc(c->arena, sizeof(*p));
	int out;
	bool ok;

	if (!jail_cgroup_make(c, j, memory_limit(i), &i->cgroup))
		return false;
	if (!open_words(&i->words, &out))
		return fail(c, ERR_ENGINE_UNREACHABLE, "an instance cannot be made: %s", strerror(errno));
	jail_plan(c, j, JAIL_POSTGRES, &i->room.mount, p);
	p->out = out;
	p->cgroup = i->cgroup.fd;
	if (p->cgroup >= 0)
		p->memory_bytes = 0; /* the cgroup's limit is one of them all */
	ok = jail_spawn(c, j, p, &i->child) && jail_started(c, p, &i->child, l, i->fds);
	close(out);
	if (ok && j->level == JAIL_PLAIN && !plain_folders(i))
		ok = fail(c, ERR_STORAGE, "the folders of an instance cannot be opened: %s", strerror(errno));
	return ok && await_ready(c, i, l);
}

static bool take_place(struct call *c, struct jail *j)
{
	int n = atomic_fetch_add(&j->instances, 1);

	if (n < j->max)
		return true;
	atomic_fetch_sub(&j->instances, 1);
	return fail(c, ERR_TOO_MANY, "%d instances run, which is the limit", n);
}

static struct jail_instance *new_instance(struct jail *j, enum pg_use use, struct str layer)
{
	struct jail_instance *i = base_zalloc(sizeof(*i));

	i->instance.ops = j->backend.ops;
	i->jail = j;
	i->use = use;
	i->hold = i->words = i->child.pidfd = i->child.talk = i->child.cgroup = i->cgroup.fd = -1;
	for (int n = 0; n < JAIL_FDS; n++)
		i->fds[n] = -1;
	i->layer = (struct str){strndup(layer.n ? layer.p : "", layer.n), layer.n};
	return i;
}

static bool open_over(struct call *c, struct jail_instance *i, const struct pg_limits *l)
{
	struct jail *j = i->jail;
	struct str top = i->layer.n ? i->layer : str_of(j->base);
	struct jail_layer layer;

	i->hold = jail_layer_hold(c, j, top);
	return i->hold >= 0 && jail_layer_read(c, j, arena_cstr(c->arena, top), &layer) &&
	       jail_room_make(c, j, i->use, top, &layer, &i->room) && start(c, i, l);
}

bool jail_instance_open(struct call *c, struct pg_backend *b, const struct pg_open_ask *ask, struct pg_instance **ret)
{
	struct pg_limits l = {ask->stop, c->cancel, c->deadline_ms};
	int64_t began = clock_mono_ns();
	struct jail_instance *i;

	if (ask->layer.n && !jail_layer_id_valid(ask->layer))
		return fail(c, ERR_NOT_FOUND, "no such layer");
	if (!take_place(c, jail_of(b)))
		return false;
	i = new_instance(jail_of(b), ask->use, ask->layer);
	if (!open_over(c, i, &l)) {
		jail_instance_release(&i->instance);
		return false;
	}
	i->boot_ns = clock_mono_ns() - began;
	if (i->room.on_disk)
		jail_watch_add(i);
	*ret = &i->instance;
	return true;
}

/* --- in use --- */
/* An instance that was taken over could lay a link there, to a socket of the host's. */
static bool is_socket(int folder)
{
	struct stat st;

	return fstatat(folder, ".s.PGSQL.5432", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

bool jail_instance_connect(struct call *c, struct pg_instance *instance, enum pg_role role, struct pg_stop *stop, struct pg_conn **ret)
{
	struct jail_instance *i = instance_of(instance);
	struct pg_target t = {.stop = stop, .dbname = S("app"), .user = role == PG_ADMIN ? S("postgres") : S("app")};

	if (!jail_instance_alive(instance) || !is_socket(i->fds[JAIL_FD_SOCKETS]))
		return fail(c, ERR_ENGINE_UNREACHABLE, "the instance has ended");
	t.conninfo = arena_fmt(c->arena, "host=/proc/self/fd/%d port=5432 sslmode=disable gssencmode=disable", i->fds[JAIL_FD_SOCKETS]);
	return pg_connect(c, &t, ret);
}

bool jail_instance_alive(struct pg_instance *instance)
{
	struct pollfd end = {.fd = instance_of(instance)->child.pidfd, .events = POLLIN};

	return end.fd >= 0 && poll(&end, 1, 0) == 0;
}

/* Its own pages and the largest of what it shares. */
static void add_memory(pid_t pid, int64_t *own, int64_t *shared)
{
	OWNS(buf) b = {0};
	int64_t resident = 0, common = 0;
	struct str left;
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	left = file_read(fd, 256, &b) ? buf_str(&b) : S("");
	(void)str_cut(&left, ' '); /* its size */
	if (str_to_i64(str_cut(&left, ' '), &resident) && str_to_i64(str_cut(&left, ' '), &common)) {
		*own += resident - common;
		*shared = common > *shared ? common : *shared;
	}
	close(fd);
}

static int64_t memory_of(pid_t pid)
{
	int64_t own = 0, shared = 0, child;
	OWNS(buf) list = {0};
	struct str left;
	char path[64];
	int fd;

	add_memory(pid, &own, &shared);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && file_read(fd, 65536, &list))
		for (left = buf_str(&list); left.n;)
			if (str_to_i64(str_cut(&left, ' '), &child))
				add_memory((pid_t)child, &own, &shared);
	if (fd >= 0)
		close(fd);
	return (own + shared) * sysconf(_SC_PAGESIZE);
}

void jail_instance_stats(struct pg_instance *instance, struct pg_instance_stats *ret)
{
	struct jail_instance *i = instance_of(instance);
	char path[TREE_PATH];
	struct statfs s;

	*ret = (struct pg_instance_stats){.boot_ns = i->boot_ns};
	if (i->child.pidfd < 0)
		return;
	ret->memory_bytes = jail_cgroup_memory(&i->cgroup);
	if (ret->memory_bytes < 0)
		ret->memory_bytes = memory_of(i->child.pid);
	snprintf(path, sizeof(path), "%s/data", i->room.name);
	if (i->room.on_disk)
		ret->disk_bytes = jail_tree_bytes(i->jail->root, path);
	else if (fstatfs(i->fds[JAIL_FD_SOCKETS], &s) == 0)
		ret->disk_bytes = (int64_t)(s.f_blocks - s.f_bfree) * (int64_t)s.f_bsize;
}

/* --- the end --- */
static void close_all(struct jail_instance *i)
{
	jail_close_behind(i->jail, i->fds, JAIL_FDS);
	if (i->words >= 0)
		close(i->words);
	if (i->hold >= 0)
		close(i->hold);
}

void jail_instance_release(struct pg_instance *instance)
{
	struct jail_instance *i = instance_of(instance);
	struct jail *j = i->jail;
	int code;

	jail_watch_remove(i);
	if (i->child.pidfd >= 0) {
		jail_kill(&i->child, j->level);
		if (!jail_reap(&i->child, REAP_MS, &code)) { /* stuck in the kernel: what it has stays until the next start */
			i->room.on_disk = false;
			i->hold = -1;
		}
	}
	jail_cgroup_drop(j, &i->cgroup);
	jail_room_drop(j, &i->room);
	close_all(i);
	atomic_fetch_sub(&j->instances, 1);
	free((char *)i->layer.p);
	free(i);
}
