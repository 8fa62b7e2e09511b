/* jail_layer.c - layers on disk: written, placed, read, listed, dropped, made durable.
 *
 *   layers/<id>/data      what it adds (overlay), or all of it
 *   layers/<id>/layer     text: its parent, their builds, the folders below it, the boot in which it was written, the runner's manifest
 *   layers/<id>/durable   there once all of it is on disk; a layer without it is discarded after another boot
 *
 * A layer gets its name by one rename: what lies in layers/ is whole. Who uses one holds a shared flock on its folder, who drops it
 * takes the exclusive one, so servers that share the folder do not take layers from under each other. Any thread.
 */
#include "engine/pg/jail_layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LAYER_FILE_MAX = 64 << 20 };
static const char first_line[] = "mayfly layer 2";

bool jail_layer_id_valid(struct str id)
{
	return str_is_hex(id, PG_LAYER_LEN);
}

/* --- the file --- */
static void write_layer(const struct jail_layer *l, struct buf *b)
{
	buf_fmt(b, "%s\n%.*s\n%.*s\n%.*s\n%.*s\n%.*s\n%d\n%lld\n%lld\n%d\n", first_line, SARG(l->id), SARG(l->parent), SARG(l->build),
		SARG(l->parent_build), SARG(l->boot_id), l->depth, (long long)l->bytes, (long long)l->published_ms, l->nbelow);
	for (int i = 0; i < l->nbelow; i++)
		buf_fmt(b, "%.*s\n", SARG(l->below[i]));
	buf_fmt(b, "%zu\n", l->manifest.n);
	buf_add(b, l->manifest);
	buf_lit(b, "\nend\n");
}

static bool number(struct str *rest, int64_t max, int64_t *ret)
{
	return str_to_i64(str_cut(rest, '\n'), ret) && *ret >= 0 && *ret <= max;
}

static bool name_valid(struct str s)
{
	return s.n > 0 && s.n < JAIL_NAME && s.p[0] != '.' && str_find(s, '/') == s.n && str_find(s, ':') == s.n &&
	       str_find(s, ',') == s.n && str_find(s, '\\') == s.n;
}

static bool parse_layer(struct str text, struct jail_layer *ret)
{
	struct jail_layer l = {0};
	int64_t depth, below, n;

	if (!str_eq(str_cut(&text, '\n'), str_of(first_line)))
		return false;
	l.id = str_cut(&text, '\n');
	l.parent = str_cut(&text, '\n');
	l.build = str_cut(&text, '\n');
	l.parent_build = str_cut(&text, '\n');
	l.boot_id = str_cut(&text, '\n');
	if (!number(&text, INT32_MAX, &depth) || !number(&text, INT64_MAX, &l.bytes) || !number(&text, INT64_MAX, &l.published_ms) ||
	    !number(&text, PG_DEPTH_MAX, &below))
		return false;
	for (int i = 0; i < below; i++) {
		l.below[i] = str_cut(&text, '\n');
		if (!name_valid(l.below[i]))
			return false;
	}
	if (!number(&text, LAYER_FILE_MAX, &n) || (size_t)n > text.n || !str_eq(str_tail(text, (size_t)n), S("\nend\n")))
		return false;
	l.manifest = str_head(text, (size_t)n);
	l.depth = (int)depth;
	l.nbelow = (int)below;
	*ret = l;
	return true;
}

bool jail_layer_write(struct call *c, struct jail *j, const char *folder, const struct jail_layer *l)
{
	const char *path = arena_fmt(c->arena, "%s/layer", folder).p;
	int fd = openat(j->root, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	OWNS(buf) b = {0};
	bool ok;

	write_layer(l, &b);
	ok = fd >= 0 && file_write(fd, buf_str(&b));
	if (!ok)
		fail(c, ERR_STORAGE, "a layer cannot be written: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

bool jail_layer_read(struct call *c, struct jail *j, const char *name, struct jail_layer *ret)
{
	int fd = openat(j->root, arena_fmt(c->arena, "layers/%s/layer", name).p, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	OWNS(buf) b = {0};
	bool ok = fd >= 0 && file_read(fd, LAYER_FILE_MAX, &b) && parse_layer(arena_dup(c->arena, buf_str(&b)), ret);

	if (fd >= 0)
		close(fd);
	return ok || fail(c, ERR_NOT_FOUND, "there is no layer %s", name);
}

/* --- its place --- */
static void layer_path(char path[TREE_PATH], struct str name, const char *file)
{
	snprintf(path, TREE_PATH, "layers/%.*s%s", SARG(name), file);
}

static int hold(struct jail *j, struct str name)
{
	struct stat held, named;
	char path[TREE_PATH];
	int fd;

	layer_path(path, name, "");
	fd = openat(j->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
	    fstatat(j->root, path, &named, AT_SYMLINK_NOFOLLOW) == 0 && held.st_ino == named.st_ino)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int jail_layer_hold(struct call *c, struct jail *j, struct str name)
{
	int fd = hold(j, name);

	if (fd < 0 && str_eq(name, str_of(j->base))) { /* the first that needs it */
		if (!jail_base(c, j))
			return -1;
		fd = hold(j, name);
	}
	if (fd < 0)
		fail(c, ERR_NOT_FOUND, "there is no layer %.*s", SARG(name));
	return fd;
}

bool jail_layer_place(struct call *c, struct jail *j, const char *folder, struct str name, bool *ret_first)
{
	char path[TREE_PATH];
	bool first;

	layer_path(path, name, "");
	first = renameat2(j->root, folder, j->root, path, RENAME_NOREPLACE) == 0;
	if (!first && errno != EEXIST)
		return fail(c, ERR_STORAGE, "a layer cannot be named: %s", strerror(errno));
	if (!first)
		jail_to_trash(j, folder);
	jail_threads_wake(j, WAKE_DURABLE);
	*ret_first = first;
	return true;
}

bool jail_layer_durable(struct jail *j, struct str name)
{
	char path[TREE_PATH];

	layer_path(path, name, "/durable");
	return faccessat(j->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- all of them --- */
struct found {
	struct jail_layer *v;
	int n, room;
};

static int by_depth(const void *a, const void *b)
{
	const struct jail_layer *x = a, *y = b;

	return x->depth != y->depth ? (x->depth > y->depth) - (x->depth < y->depth) : str_cmp(x->id, y->id);
}

static void add(struct found *f, const struct jail_layer *l)
{
	if (f->n == f->room) {
		f->room = f->room ? f->room * 2 : 64;
		f->v = base_realloc(f->v, (size_t)f->room * sizeof(*f->v));
	}
	f->v[f->n++] = *l;
}

static bool read_all(struct call *c, struct jail *j, struct found *f)
{
	int fd = openat(j->root, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	struct jail_layer l;

	if (!d)
		return fail(c, ERR_STORAGE, "the folder of layers cannot be read: %s", strerror(errno));
	while ((e = readdir(d))) {
		if (!jail_layer_id_valid(str_of(e->d_name)))
			continue;
		if (jail_layer_read(c, j, e->d_name, &l) && str_eq(l.id, str_of(e->d_name)))
			add(f, &l);
		call_forgive(c); /* it was dropped meanwhile */
	}
	closedir(d);
	return true;
}

bool jail_layers_each(struct call *c, struct jail *j, bool (*fn)(void *arg, struct jail_layer *l), void *arg)
{
	struct found f = {0};
	bool ok = read_all(c, j, &f);

	if (f.n)
		qsort(f.v, (size_t)f.n, sizeof(*f.v), by_depth);
	for (int i = 0; ok && i < f.n; i++)
		if (!fn(arg, &f.v[i]))
			break;
	free(f.v);
	return ok;
}

struct listing {
	pg_found_fn *fn;
	void *arg;
};

static bool list_one(void *arg, struct jail_layer *l)
{
	struct listing *v = arg;
	struct pg_found f = {l->id, l->parent, l->bytes, l->published_ms, l->manifest, l->build, l->parent_build};

	return v->fn(v->arg, &f);
}

bool jail_list(struct call *c, struct pg_backend *b, pg_found_fn *fn, void *arg)
{
	return jail_layers_each(c, jail_of(b), list_one, &(struct listing){fn, arg});
}

/* --- dropping --- */
struct asking {
	struct str id;
	bool below_another;
};

static bool looks_below(void *arg, struct jail_layer *l)
{
	struct asking *v = arg;

	v->below_another = str_eq(l->parent, v->id);
	for (int i = 0; i < l->nbelow; i++)
		v->below_another |= str_eq(l->below[i], v->id);
	return !v->below_another;
}

bool jail_drop(struct call *c, struct pg_backend *b, struct str id)
{
	struct jail *j = jail_of(b);
	struct asking v = {id, false};
	char path[TREE_PATH];
	int fd;

	if (!jail_layer_id_valid(id))
		return true;
	layer_path(path, id, "");
	fd = openat(j->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || fail(c, ERR_STORAGE, "a layer cannot be opened: %s", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return fail(c, ERR_LAYER_IN_USE, "an instance runs over the layer");
	}
	if (jail_layers_each(c, j, looks_below, &v) && !v.below_another)
		jail_to_trash(j, path);
	close(fd);
	if (v.below_another)
		fail(c, ERR_LAYER_IN_USE, "another layer is over the layer");
	return c->err.kind == ERR_NONE;
}

/* --- durable --- */
struct collecting {
	struct jail *j;
	struct buf *names;
};

/* Of another boot and without its mark, it cannot be told any more. */
static bool collect(void *arg, struct jail_layer *l)
{
	struct collecting *v = arg;

	if (str_eq(l->boot_id, str_of(v->j->boot_id)) && !jail_layer_durable(v->j, l->id))
		buf_fmt(v->names, "%.*s\n", SARG(l->id));
	return true;
}

static void mark(struct jail *j, struct str name)
{
	char path[TREE_PATH];
	int fd;

	layer_path(path, name, "/durable");
	fd = openat(j->root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/* syncfs() is told after the list was made: what is in the list is on disk then. The mark itself may come later. */
void jail_make_durable(struct jail *j)
{
	OWNS(arena) a = {0};
	OWNS(buf) todo = {0};
	struct jail_layer base;
	struct call c;
	struct str left;

	call_open(&c, &a);
	if (!jail_layers_each(&c, j, collect, &(struct collecting){j, &todo}))
		return;
	if (j->base[0] && jail_layer_read(&c, j, j->base, &base) && !jail_layer_durable(j, str_of(j->base)))
		buf_fmt(&todo, "%s\n", j->base);
	if (todo.n == 0 || syncfs(j->root) != 0)
		return;
	for (left = buf_str(&todo); left.n;)
		mark(j, str_cut(&left, '\n'));
}
