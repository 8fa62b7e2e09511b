/* jail.c - the jail backend: PostgreSQL's own programs over layers on the local disk. Opening, closing, report.
 *
 * Not here: what a layer means, which one is wanted, pools (runner/). Owns its folder's part of the kind, this server's file in
 * servers/, two threads.
 */
#include "engine/pg/jail_cgroup.h"
#include "engine/pg/jail_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXTENSION_NAME_MAX = 63 };

static void jail_report(struct pg_backend *b, struct pg_report *ret)
{
	struct jail *j = jail_of(b);
	bool spaces = j->level != JAIL_PLAIN;

	*ret = (struct pg_report){.backend = "jail", .driver = jail_driver_name(j->driver), .userns = j->level == JAIL_USERNS,
				  .pidns = spaces, .netns = spaces, .mountns = spaces, .seccomp = jail_filter() != NULL, .cgroup = jail_cgroups_hold(j),
				  .instances = atomic_load(&j->instances)};
	snprintf(ret->version, sizeof(ret->version), "%s", j->programs.version);
	snprintf(ret->missing, sizeof(ret->missing), "%s", j->missing);
}

static void jail_close(struct pg_backend *b)
{
	struct jail *j = jail_of(b);
	char path[TREE_PATH];

	jail_threads_close(j->threads);
	jail_cgroups_close(j);
	if (j->server_lock >= 0) {
		snprintf(path, sizeof(path), "servers/%s", j->server);
		unlinkat(j->root, path, 0);
		close(j->server_lock);
	}
	if (j->root >= 0)
		close(j->root);
	if (j->null >= 0)
		close(j->null);
	for (int i = 0; i < j->nextensions; i++)
		free((char *)j->extensions[i].p);
	jail_programs_drop(&j->programs);
	pthread_mutex_destroy(&j->watch_lock);
	free(j->path);
	free(j);
}

const struct pg_backend_ops jail_ops = {
	.name = "jail", .identity = jail_identity, .open = jail_instance_open, .connect = jail_instance_connect,
	.alive = jail_instance_alive, .stats = jail_instance_stats, .publish = jail_instance_publish,
	.release = jail_instance_release, .drop = jail_drop, .list = jail_list, .pack = jail_pack, .unpack = jail_unpack,
	.report = jail_report, .lock = jail_lock, .unlock = jail_unlock, .close = jail_close,
};

static bool extension_valid(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n > 0 && s.n <= EXTENSION_NAME_MAX;
}

static bool take_options(struct call *c, struct jail *j, const struct pg_jail_options *o)
{
	j->max = o->max;
	j->pids = o->pids;
	j->memory_bytes = o->memory_bytes;
	j->disk_bytes = o->disk_bytes;
	j->uid = geteuid() == 0 ? o->uid : geteuid();
	j->gid = geteuid() == 0 ? (gid_t)o->uid : getegid();
	if (o->nextensions > (int)COUNT_OF(j->extensions))
		return fail(c, ERR_INVALID_FIELD, "at most %d extensions can be installed", (int)COUNT_OF(j->extensions));
	for (int i = 0; i < o->nextensions; i++) {
		if (!extension_valid(o->extensions[i]))
			return fail(c, ERR_INVALID_FIELD, "\"%.*s\" is no name of an extension", SARG(o->extensions[i]));
		j->extensions[j->nextensions++] = (struct str){strndup(o->extensions[i].p, o->extensions[i].n), o->extensions[i].n};
	}
	return true;
}

static bool read_boot_id(struct call *c, struct jail *j)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	OWNS(buf) b = {0};
	bool ok = fd >= 0 && file_read(fd, sizeof(j->boot_id) - 1, &b);

	if (fd >= 0)
		close(fd);
	if (ok) {
		struct str id = str_trim(buf_str(&b));

		snprintf(j->boot_id, sizeof(j->boot_id), "%.*s", SARG(id));
	}
	return (ok && j->boot_id[0]) || fail(c, ERR_ENGINE_UNREACHABLE, "the machine does not tell its boot id");
}

static bool begin(struct call *c, struct jail *j, const struct pg_jail_options *o)
{
	struct id id = id_v4();

	snprintf(j->server, sizeof(j->server), "%.8s%.4s", id.text, id.text + 9);
	j->cgroups = jail_cgroups_new();
	j->threads = jail_threads_open(j);
	if (!take_options(c, j, o) || !read_boot_id(c, j) || !jail_find(c, o->bin_dir, &j->programs) || !jail_probe(c, j, o) ||
	    !jail_sweep(c, j) || !jail_base_name(c, j))
		return false;
	jail_cgroups_open(j);
	jail_threads_wake(j, WAKE_TRASH | WAKE_DURABLE);
	return true;
}

bool pg_jail_open(struct call *c, const struct pg_jail_options *o, struct pg_backend **ret)
{
	struct jail *j = base_zalloc(sizeof(*j));

	j->backend.ops = &jail_ops;
	list_init(&j->watched);
	pthread_mutex_init(&j->watch_lock, NULL);
	j->root = j->server_lock = -1;
	j->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!begin(c, j, o)) {
		jail_close(&j->backend);
		return false;
	}
	*ret = &j->backend;
	return true;
}
