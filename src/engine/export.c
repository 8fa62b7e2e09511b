/* export.c - the server's side of exports: asks for one, opens what the worker wrote, drops it.
 *
 * The folder is the worker's: every step there refuses links, and only a
 * regular file with one name and the size that was told is opened.
 */
#include "engine/engine_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool engine_export(struct call *c, struct engine *e, const struct engine_export *x, const struct engine_listener *l, void *arg,
		   struct engine_task **ret)
{
	struct engine_task *t = task_new(e, WIRE_EXPORT, l, arg);

	wire_put_export(&t->body, x);
	if (!task_queue(c, t, x->tenant))
		return false;
	*ret = t;
	return true;
}

static bool is_the_file(int fd, int64_t bytes)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size == bytes;
}

bool engine_file_open(struct call *c, struct engine *e, struct str tenant, const struct engine_file *f, int *ret_fd)
{
	int folder = engine_file_name_ok(f->name) ? engine_open_folder(e, tenant, ENGINE_EXPORTS) : -1, fd = -1;

	/* Without blocking: it may be a pipe. */
	if (folder >= 0) {
		fd = openat(folder, arena_cstr(c->arena, f->name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		file_close_quietly(folder);
	}
	if (fd >= 0 && is_the_file(fd, f->bytes)) {
		*ret_fd = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return fail(c, ERR_ENGINE_LOST, "an exported file is not there any more as the engine worker wrote it");
}

void engine_file_drop(struct engine *e, struct str tenant, struct str name)
{
	OWNS(arena) a = {0};
	int folder = engine_file_name_ok(name) ? engine_open_folder(e, tenant, ENGINE_EXPORTS) : -1;

	if (folder < 0)
		return;
	unlinkat(folder, arena_cstr(&a, name), 0);
	close(folder);
}
