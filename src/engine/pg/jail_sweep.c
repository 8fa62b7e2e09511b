/* jail_sweep.c - what a crash left: folders of servers that are gone, layers that a power loss may have torn.
 *
 * Every server holds a lock on its own file in servers/, whose name begins the names of its folders. The sweep and the making of that
 * file happen under one lock, so nobody sweeps a server that is just coming.
 */
#include "engine/pg/jail_layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- servers --- */
bool jail_server_gone(struct jail *j, struct str server)
{
	char path[JAIL_NAME + 16];
	bool gone;
	int fd;

	if (server.n == 0 || server.n >= sizeof(j->server))
		return true;
	snprintf(path, sizeof(path), "servers/%.*s", SARG(server));
	fd = openat(j->root, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	gone = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	return gone;
}

typedef void each_fn(struct jail *j, const char *folder, const char *name);

static void each(struct jail *j, const char *folder, each_fn *fn)
{
	int fd = openat(j->root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fn(j, folder, e->d_name);
	if (d)
		closedir(d);
}

static void sweep_folder(struct jail *j, const char *folder, const char *name)
{
	struct str rest = str_of(name), server = str_cut(&rest, '-');
	char path[TREE_PATH];

	if (!jail_server_gone(j, server))
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	jail_to_trash(j, path);
}

static void sweep_server(struct jail *j, const char *folder, const char *name)
{
	char path[TREE_PATH];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (jail_server_gone(j, str_of(name)))
		unlinkat(j->root, path, 0);
}

static bool come(struct call *c, struct jail *j)
{
	const char *path = arena_fmt(c->arena, "servers/%s", j->server).p;

	j->server_lock = openat(j->root, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return (j->server_lock >= 0 && flock(j->server_lock, LOCK_EX | LOCK_NB) == 0) ||
	       fail(c, ERR_STORAGE, "this server cannot be written into %s: %s", j->path, strerror(errno));
}

/* --- layers --- */
static bool is_torn(struct jail *j, const struct jail_layer *l, const char *name)
{
	return !str_eq(l->boot_id, str_of(j->boot_id)) && !jail_layer_durable(j, str_of(name));
}

static bool lacks_one_below(struct jail *j, const struct jail_layer *l)
{
	char path[TREE_PATH];

	for (int i = 0; i < l->nbelow; i++) {
		snprintf(path, sizeof(path), "layers/%.*s/layer", SARG(l->below[i]));
		if (faccessat(j->root, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			return true;
	}
	return false;
}

static void sweep_layer(struct jail *j, const char *folder, const char *name)
{
	OWNS(arena) a = {0};
	struct jail_layer l;
	char path[TREE_PATH];
	struct call c;

	call_open(&c, &a);
	if (jail_layer_read(&c, j, name, &l) && !is_torn(j, &l, name))
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	jail_to_trash(j, path);
}

/* Parents come before children: one whose parent went goes too. */
static bool sweep_orphan(void *arg, struct jail_layer *l)
{
	struct jail *j = arg;
	char path[TREE_PATH];

	if (lacks_one_below(j, l)) {
		snprintf(path, sizeof(path), "layers/%.*s", SARG(l->id));
		jail_to_trash(j, path);
	}
	return true;
}

bool jail_sweep(struct call *c, struct jail *j)
{
	int lock = openat(j->root, "sweep", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bool ok = lock >= 0 && flock(lock, LOCK_EX) == 0;

	if (!ok)
		fail(c, ERR_STORAGE, "%s cannot be locked: %s", j->path, strerror(errno));
	if (ok) {
		each(j, "run", sweep_folder);
		each(j, "build", sweep_folder);
		each(j, "servers", sweep_server);
		each(j, "layers", sweep_layer);
		ok = jail_layers_each(c, j, sweep_orphan, j) && come(c, j);
	}
	if (lock >= 0)
		close(lock);
	return ok;
}

static void remove_one(struct jail *j, const char *folder, const char *name)
{
	char path[TREE_PATH];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!jail_tree_remove(j->root, path))
		return; /* again when the next comes, or at the next start */
}

void jail_empty_trash(struct jail *j)
{
	each(j, "trash", remove_one);
}
