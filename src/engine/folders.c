/* folders.c - a tenant's folders on the server's side: its own, which its worker may write, and its cache, which that may read.
 *
 * What is in the tenant's own folder was left there by a worker: it is
 * reached step by step, and no link is followed.
 */
#include "engine/engine_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *tenant_path(struct engine *e, struct str tenant, struct arena *a)
{
	return e->o.records ? e->data_dir : arena_fmt(a, "%s/tenants/%.*s", e->data_dir, SARG(tenant)).p;
}

const char *engine_tenant_folder(struct call *c, struct engine *e, struct str tenant)
{
	const char *dir = tenant_path(e, tenant, c->arena);

	if (file_make_folder(dir, 0700))
		return dir;
	fail(c, ERR_UNAVAILABLE, "cannot make %s: %s", dir, strerror(errno));
	return NULL;
}

static const char *cache_path(struct engine *e, struct str tenant, struct arena *a)
{
	return arena_fmt(a, "%s/%.*s", e->cache_dir, SARG(tenant)).p;
}

bool engine_cache_folder(struct call *c, struct engine *e, struct str tenant, gid_t group, const char **ret)
{
	const char *path;

	if (!e->cache_dir) {
		*ret = NULL;
		return true;
	}
	path = cache_path(e, tenant, c->arena);
	if (!file_make_folder(path, 0750) || lchown(path, (uid_t)-1, group) != 0 || chmod(path, 0750) != 0)
		return fail(c, ERR_UNAVAILABLE, "cannot make %s: %s", path, strerror(errno));
	*ret = path;
	return true;
}

void engine_take_back(struct engine *e, struct str tenant)
{
	OWNS(arena) a = {0};

	if (!e->report.own_uid)
		return;
	(void)!lchown(tenant_path(e, tenant, &a), geteuid(), getegid());
	if (e->cache_dir)
		(void)!lchown(cache_path(e, tenant, &a), (uid_t)-1, getegid());
}

int engine_open_folder(struct engine *e, struct str tenant, const char *name)
{
	enum { FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	OWNS(arena) a = {0};
	int own = open(tenant_path(e, tenant, &a), FOLDER), fd;

	if (own < 0)
		return -1;
	fd = openat(own, name, FOLDER);
	file_close_quietly(own);
	return fd;
}

/* Its files are named after it. */
void engine_drop_exports(struct engine *e, struct str tenant, uint64_t task)
{
	int fd = engine_open_folder(e, tenant, ENGINE_EXPORTS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	char prefix[24];

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	snprintf(prefix, sizeof(prefix), "%llu-", (unsigned long long)task);
	while ((entry = readdir(d)))
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			unlinkat(fd, entry->d_name, 0);
	closedir(d);
}

void engine_empty_folder(struct engine *e, struct str tenant, const char *name)
{
	int fd = engine_open_folder(e, tenant, name);

	if (fd < 0)
		return;
	file_empty_folder(fd);
	close(fd);
}
