/* jail_publish.c - a stopped instance becomes a layer.
 *
 * PostgreSQL is stopped, not snapshotted while it runs, on every driver: a fast shutdown takes as long as a checkpoint (6 to 8 ms), and a
 * layer that was shut down needs no recovery. Then what it makes anew at each start goes, the description is written, and one rename
 * gives the folder its place. The writer dies at any point: either it has its place, or the next start discards it.
 */
#include "engine/pg/jail_layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STOP_MS = 120000 };

void (*jail_test_step)(const char *step);

static void passed(const char *step)
{
	if (jail_test_step)
		jail_test_step(step);
}

/* --- stopping --- */
static bool stop(struct call *c, struct jail_instance *i)
{
	struct pg_limits l = {NULL, c->cancel, c->deadline_ms};
	int64_t own = clock_mono_ms() + STOP_MS;
	enum pg_woken w;
	int code;

	if (!l.deadline_ms || own < l.deadline_ms)
		l.deadline_ms = own;
	syscall(SYS_pidfd_send_signal, i->child.pidfd, SIGINT, NULL, 0); /* fast: sessions are ended */
	w = pg_wait(&l, i->child.pidfd, POLLIN);
	if (w == PG_ASKED_TO_STOP)
		return fail(c, ERR_CANCELED, "canceled while a layer was published");
	if (w == PG_TOO_LATE)
		return fail(c, ERR_STATEMENT_TIMEOUT, "the deadline passed while a layer was published");
	if (!jail_reap(&i->child, 0, &code))
		return fail(c, ERR_ENGINE_LOST, "an instance cannot be waited for: %s", strerror(errno));
	if (code != 0) {
		struct str words = jail_last_words(c, i->words);

		return fail(c, ERR_ENGINE_LOST, "PostgreSQL could not write its state (code %d): %.*s", code, SARG(words));
	}
	return true;
}

/* --- what PostgreSQL makes anew --- */
static void remove_named(int dir, const char *path)
{
	const char *name;
	int in = jail_tree_open_parent(dir, path, &name);
	struct stat st;

	if (in < 0)
		return;
	if (fstatat(in, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		unlinkat(in, name, 0);
	close(in);
}

static void clean_databases(int data)
{
	int fd = openat(data, "base", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	char path[TREE_PATH];

	while (d && (e = readdir(d))) {
		if (!ascii_digit(e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/pg_internal.init", e->d_name);
		remove_named(fd, path);
	}
	if (d)
		closedir(d);
}

void jail_clean(struct jail *j, const char *folder)
{
	static const char *const names[] = {"postmaster.pid", "postmaster.opts", "global/pg_internal.init", "current_logfiles"};
	int data = openat(j->root, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (data < 0)
		return;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		remove_named(data, names[i]);
	clean_databases(data);
	close(data);
}

/* --- its description --- */
static bool count_bytes(void *arg, enum jail_node kind, const char *path, int fd, const struct stat *st)
{
	(void)path;
	(void)fd;
	if (kind != NODE_GONE)
		*(int64_t *)arg += (int64_t)st->st_blocks * 512;
	return true;
}

static int64_t own_bytes(struct call *c, struct jail_instance *i, const char *data, struct str parent)
{
	int64_t n = 0;

	if (i->room.mount.lowers)
		return jail_tree_bytes(i->jail->root, data);
	if (!jail_tree_compare(i->jail->root, data, arena_fmt(c->arena, "layers/%.*s/data", SARG(parent)).p, count_bytes, &n))
		n = jail_tree_bytes(i->jail->root, data);
	return n;
}

static bool too_deep(const struct jail_layer *parent)
{
	return parent->nbelow + 2 >= PG_DEPTH_MAX; /* with the parent itself and this one */
}

/* The layers and this one as a single folder in its place. */
static bool flatten(struct call *c, struct jail_instance *i, struct jail_layer *l)
{
	struct jail *j = i->jail;
	struct str folders[PG_DEPTH_MAX + 2];
	const char *whole = arena_fmt(c->arena, "%s/whole", i->room.name).p, *data = arena_fmt(c->arena, "%s/data", i->room.name).p;
	int n = 0;

	folders[n++] = str_of(data);
	for (int k = 0; k < l->nbelow; k++)
		folders[n++] = arena_fmt(c->arena, "layers/%.*s/data", SARG(l->below[k]));
	if (!jail_tree_merge(j->root, folders, n, whole, jail_owner(j)) || !jail_tree_remove(j->root, data) ||
	    renameat(j->root, whole, j->root, data) != 0)
		return fail(c, ERR_STORAGE, "layers cannot be merged: %s", strerror(errno));
	l->bytes = jail_tree_bytes(j->root, data);
	l->nbelow = 0;
	l->parent_build = S("");
	return true;
}

static void place_over(struct jail_instance *i, struct str top, const struct jail_layer *parent, struct jail_layer *l)
{
	l->parent = i->layer;
	l->depth = i->layer.n ? parent->depth + 1 : 0;
	if (!i->room.mount.lowers)
		return;
	l->below[l->nbelow++] = top;
	for (int k = 0; k < parent->nbelow; k++)
		l->below[l->nbelow++] = parent->below[k];
}

static bool describe(struct call *c, struct jail_instance *i, struct jail_layer *l)
{
	struct jail *j = i->jail;
	struct str top = i->layer.n ? i->layer : str_of(j->base);
	const char *data = arena_fmt(c->arena, "%s/data", i->room.name).p;
	struct id build = id_v4();
	struct jail_layer parent;

	if (!jail_layer_read(c, j, arena_cstr(c->arena, top), &parent))
		return false;
	if (!jail_tree_remove(j->root, arena_fmt(c->arena, "%s/work", i->room.name).p) ||
	    !jail_tree_remove(j->root, arena_fmt(c->arena, "%s/s", i->room.name).p))
		return fail(c, ERR_STORAGE, "a layer cannot be written: %s", strerror(errno));
	place_over(i, top, &parent, l);
	l->bytes = own_bytes(c, i, data, top);
	l->build = arena_dup(c->arena, id_str(&build));
	l->parent_build = i->layer.n ? parent.build : S("");
	l->boot_id = str_of(j->boot_id);
	l->published_ms = clock_wall_ms();
	if (l->nbelow && too_deep(&parent) && !flatten(c, i, l))
		return false;
	passed("described");
	return jail_layer_write(c, j, i->room.name, l);
}

static bool publish(struct call *c, struct jail_instance *i, struct jail_layer *l, bool *ret_first)
{
	if (!jail_instance_alive(&i->instance))
		return fail(c, ERR_ENGINE_LOST, "the instance ended before its layer was published");
	jail_watch_remove(i);
	passed("begun");
	if (!stop(c, i))
		return false;
	passed("stopped");
	jail_clean(i->jail, arena_fmt(c->arena, "%s/data", i->room.name).p);
	passed("cleaned");
	if (!describe(c, i, l))
		return false;
	passed("written");
	if (!jail_layer_place(c, i->jail, i->room.name, l->id, ret_first))
		return false;
	i->room.on_disk = false;
	passed("placed");
	return true;
}

bool jail_instance_publish(struct call *c, struct pg_instance *instance, struct str id, struct str manifest, bool *ret_first)
{
	struct jail_instance *i = CONTAINER_OF(instance, struct jail_instance, instance);
	struct jail_layer l = {.id = id, .manifest = manifest};
	bool ok = i->use == PG_BUILD && jail_layer_id_valid(id);

	ok = ok ? publish(c, i, &l, ret_first) : fail(c, ERR_INTERNAL, "this instance cannot be published");
	jail_instance_release(instance);
	return ok;
}
