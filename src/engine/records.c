/* records.c - the server's side of records.h: batches go to the one worker of an engine opened for them.
 *
 * Files that are named in a batch are opened by the worker only; here their
 * folder is listed.
 */
#include "engine/engine_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* All files are in one worker: its lane has this name. */
static const struct str lane_name = S_INIT("records");

static bool cell_ok(const struct engine_cell *v)
{
	return (v->kind != ENGINE_CELL_TEXT && v->kind != ENGINE_CELL_BYTES) ||
	       (v->s.n <= RECORDS_BODY_MAX && (v->kind != ENGINE_CELL_TEXT || str_is_utf8(v->s)));
}

static bool ask_ok(struct call *c, const struct engine_records_ask *ask)
{
	size_t bytes = 0;

	if (!records_name_ok(ask->file))
		return fail(c, ERR_INVALID_NAME, "a file of records cannot have this name");
	for (int i = 0; i < ask->nsteps; i++) {
		const struct engine_step *s = &ask->steps[i];

		INVARIANT(s->nbinds <= RECORDS_CELLS_MAX);
		bytes += s->sql.n;
		for (int k = 0; k < s->nbinds; k++) {
			if (!cell_ok(&s->binds[k]))
				return fail(c, ERR_INVALID_FIELD, "a value for a file of records is no text or too long");
			bytes += s->binds[k].s.n;
			if (bytes > RECORDS_BODY_MAX)
				return fail(c, ERR_QUOTA, "a batch of records holds more than %d bytes", RECORDS_BODY_MAX);
		}
	}
	return true;
}

bool engine_records_run(struct call *c, struct engine *e, const struct engine_records_ask *ask, const struct engine_listener *l,
			void *arg, struct engine_task **ret)
{
	struct engine_task *t;

	INVARIANT(!ask->drop || ask->nsteps == 0);
	if (!ask_ok(c, ask))
		return false;
	t = task_new(e, WIRE_RECORDS, l, arg);
	t->name = base_alloc(ask->file.n);
	memcpy(t->name, ask->file.p, ask->file.n);
	t->file = str_from(t->name, ask->file.n);
	wire_put_records(&t->body, ask);
	if (!task_queue(c, t, lane_name))
		return false;
	*ret = t;
	return true;
}

/* A file that is being made has another name until it is whole. */
static bool is_file(int folder, const char *name)
{
	struct stat st;

	return records_name_ok(str_of(name)) && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size > 0;
}

static void put_name(struct call *c, const char *name, struct buf *list)
{
	struct str s = arena_dup(c->arena, str_of(name));

	buf_add(list, str_from((const char *)&s, sizeof(s)));
}

bool engine_records_files(struct call *c, struct engine *e, struct str **ret, int *ret_n)
{
	int fd = engine_open_folder(e, lane_name, ".");
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	OWNS(buf) list = {0};
	int failed;

	if (!d) {
		file_close_quietly(fd);
		return fail(c, ERR_UNAVAILABLE, "the folder of records cannot be read: %s", strerror(errno));
	}
	for (errno = 0; (entry = readdir(d)) != NULL; errno = 0)
		if (is_file(fd, entry->d_name))
			put_name(c, entry->d_name, &list);
	failed = errno;
	closedir(d);
	if (failed)
		return fail(c, ERR_UNAVAILABLE, "the folder of records cannot be read: %s", strerror(failed));
	*ret_n = (int)(list.n / sizeof(struct str));
	*ret = ARENA_ARRAY(c->arena, struct str, (size_t)*ret_n);
	if (list.n)
		memcpy(*ret, list.p, list.n);
	return true;
}
