/* jail_pack.c - archives of layers: gzip over tar, of what a layer adds to the one below, or of all of it.
 *
 *   layer              first, text: "delta" or "whole"
 *   data/…             folders and files; a folder that hides the one below has a pax record SCHILY.xattr.user.overlay.opaque=y
 *   data/… as a device 0:0        gone
 *
 * The same for every driver: what an overlay keeps apart, a copy finds by comparing with its parent's. A delta is pages and a log
 * over other pages, so it is laid over the very bytes that it was taken from, which a build's id tells. Every server makes a base
 * of its own: a layer over the base is packed whole, the base's files first, then its own with their marks; who takes it puts each
 * over the last. Taking one trusts nothing in it: paths are those of PostgreSQL's folder, everything else refuses the archive.
 */
#include "engine/pg/jail_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK = 512, PIECE = 256 * 1024, PATH_PART = 100, LEVEL = 1 };
static const char opaque_record[] = "39 SCHILY.xattr.user.overlay.opaque=y\n";

struct tar_head { /* ustar */
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6], version[2], user[32], group[32],
		major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_head) == BLOCK, "a tar header is a block");

static unsigned sum_of(const struct tar_head *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned n = 8 * ' ';

	for (size_t i = 0; i < sizeof(*h); i++)
		if (i < offsetof(struct tar_head, sum) || i >= offsetof(struct tar_head, type))
			n += p[i];
	return n;
}

/* --- packing --- */
struct packing {
	gzFile to;
	char *piece;
};

static bool put(struct packing *v, const void *p, size_t n)
{
	return n == 0 || gzwrite(v->to, p, (unsigned)n) == (int)n;
}

static bool put_padding(struct packing *v, size_t n)
{
	static const char zeros[BLOCK];

	return put(v, zeros, (BLOCK - n % BLOCK) % BLOCK);
}

static bool put_head(struct packing *v, const char *path, char type, unsigned mode, int64_t size)
{
	struct tar_head h = {.magic = "ustar", .version = {'0', '0'}, .type = type};
	size_t n = strlen(path);

	if (n >= PATH_PART) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(h.name, path, n);
	snprintf(h.mode, sizeof(h.mode), "%07o", mode & 0777);
	snprintf(h.uid, sizeof(h.uid), "%07o", 0);
	snprintf(h.gid, sizeof(h.gid), "%07o", 0);
	snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)size);
	snprintf(h.mtime, sizeof(h.mtime), "%011o", 0);
	snprintf(h.major, sizeof(h.major), "%07o", 0);
	snprintf(h.minor, sizeof(h.minor), "%07o", 0);
	snprintf(h.sum, sizeof(h.sum), "%06o", sum_of(&h));
	h.sum[7] = ' ';
	return put(v, &h, sizeof(h));
}

static bool put_content(struct packing *v, int fd, int64_t size)
{
	for (int64_t at = 0; at < size;) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		if (!file_fill_at(fd, at, v->piece, n) || !put(v, v->piece, n))
			return false;
		at += (int64_t)n;
	}
	return put_padding(v, (size_t)(size % BLOCK));
}

static bool put_text(struct packing *v, const char *path, char type, struct str text)
{
	return put_head(v, path, type, 0600, (int64_t)text.n) && put(v, text.p, text.n) && put_padding(v, text.n);
}

static bool pack_node(void *arg, enum jail_node kind, const char *path, int fd, const struct stat *st)
{
	struct packing *v = arg;
	char name[TREE_PATH + 8];

	snprintf(name, sizeof(name), "data/%s", path);
	switch (kind) {
	case NODE_OPAQUE:
		if (!put_text(v, "data/PaxHeader", 'x', S(opaque_record)))
			return false;
		return put_head(v, name, '5', 0700, 0);
	case NODE_FOLDER: return put_head(v, name, '5', 0700, 0);
	case NODE_FILE: return put_head(v, name, '0', st->st_mode, st->st_size) && put_content(v, fd, st->st_size);
	case NODE_GONE: return put_head(v, name, '3', 0, 0);
	}
	return false;
}

static bool pack_all(struct call *c, struct jail *j, const struct jail_layer *l, struct packing *v)
{
	static const char end[2 * BLOCK];
	const char *data = arena_fmt(c->arena, "layers/%.*s/data", SARG(l->id)).p;
	bool overlay = strcmp(jail_kind(j->driver), "overlay") == 0, whole = l->parent_build.n == 0, ok;

	ok = put_text(v, "layer", '0', whole ? S("whole\n") : S("delta\n"));
	for (int i = l->nbelow; ok && whole && i > 0; i--)
		ok = jail_tree_walk(j->root, arena_fmt(c->arena, "layers/%.*s/data", SARG(l->below[i - 1])).p, pack_node, v);
	if (ok && (whole || overlay))
		ok = jail_tree_walk(j->root, data, pack_node, v);
	else if (ok)
		ok = jail_tree_compare(j->root, data, arena_fmt(c->arena, "layers/%.*s/data", SARG(l->parent)).p, pack_node, v);
	return ok && put(v, end, sizeof(end));
}

bool jail_pack(struct call *c, struct pg_backend *b, struct str id, int to_fd)
{
	struct jail *j = jail_of(b);
	int hold = jail_layer_id_valid(id) ? jail_layer_hold(c, j, id) : -1, own = -1;
	struct packing v = {0};
	struct jail_layer l;
	bool ok;

	if (hold < 0)
		return c->err.kind != ERR_NONE ? false : fail(c, ERR_NOT_FOUND, "no such layer");
	ok = jail_layer_read(c, j, arena_cstr(c->arena, id), &l);
	own = ok ? fcntl(to_fd, F_DUPFD_CLOEXEC, 0) : -1;
	v.to = own >= 0 ? gzdopen(own, "wb1") : NULL;
	if (v.to) {
		v.piece = base_alloc(PIECE);
		ok = pack_all(c, j, &l, &v);
		if (gzclose(v.to) != Z_OK || !ok)
			ok = fail(c, ERR_STORAGE, "a layer cannot be packed: %s", strerror(errno));
		free(v.piece);
	} else if (ok) {
		ok = fail(c, ERR_STORAGE, "a layer cannot be packed: %s", strerror(errno));
	}
	close(hold);
	return ok;
}

/* --- unpacking --- */
struct unpacking {
	struct call *c;
	struct jail *j;
	gzFile from;
	char *piece;
	int data;            /* the folder that is filled */
	bool overlay;        /* and a delta: marks are kept, not obeyed */
	bool delta, opaque;
	int64_t left;        /* bytes that may still come */
};

static bool bad(struct unpacking *v, const char *what)
{
	return fail(v->c, ERR_STORAGE, "the archive of a layer is refused: %s", what);
}

static bool get(struct unpacking *v, void *p, size_t n)
{
	return n == 0 || gzread(v->from, p, (unsigned)n) == (int)n || bad(v, "it is cut off or damaged");
}

static bool octal(const char *p, size_t n, int64_t *ret)
{
	int64_t x = 0;
	size_t i = 0;

	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		x = x * 8 + (p[i] - '0');
	*ret = x;
	return i > 0 && (i == n || p[i] == '\0' || p[i] == ' ');
}

/* "base/5/1259": parts of letters, digits and a few signs, none of them dots alone; a folder may end in a slash. */
static bool path_valid(struct str path)
{
	if (path.n == 0 || path.n >= PATH_PART)
		return false;
	if (path.p[path.n - 1] == '/')
		path.n--;
	while (path.n || path.p) {
		struct str part = str_cut(&path, '/');

		if (part.n == 0 || str_eq(part, S(".")) || str_eq(part, S("..")))
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (part.p[i] <= ' ' || part.p[i] > '~' || part.p[i] == '\\')
				return false;
	}
	return true;
}

/* Folders on the way are ours and no links; the last part is left to the caller. */
static bool make_folder(struct unpacking *v, const char *path, bool opaque)
{
	struct jail_owner o = jail_owner(v->j);
	int in, fd;
	bool ok;

	if (opaque && !v->overlay && !jail_tree_remove(v->data, path))
		return bad(v, "a folder cannot be replaced");
	if (!jail_tree_make(v->data, path, o) && errno != EEXIST)
		return bad(v, "a folder cannot be made");
	in = jail_tree_open_parent(v->data, path, &path);
	fd = in < 0 ? -1 : openat(in, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in >= 0)
		close(in);
	ok = fd >= 0 && (!opaque || !v->overlay || jail_tree_mark_opaque(fd));
	if (fd >= 0)
		close(fd);
	return ok || bad(v, "a folder cannot be made");
}

static bool make_gone(struct unpacking *v, const char *path)
{
	if (v->overlay) {
		const char *name;
		int in = jail_tree_open_parent(v->data, path, &name);
		bool ok = in >= 0 && mknodat(in, name, S_IFCHR, makedev(0, 0)) == 0;

		if (in >= 0)
			close(in);
		return ok || bad(v, "a mark cannot be made");
	}
	return jail_tree_remove(v->data, path) || bad(v, "a file cannot be removed");
}

static int create_file(struct unpacking *v, const char *path)
{
	const char *name;
	int in = jail_tree_open_parent(v->data, path, &name);
	int fd = in < 0 ? -1 : openat(in, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (in >= 0)
		file_close_quietly(in);
	return fd;
}

static bool make_file(struct unpacking *v, const char *path, int64_t size)
{
	struct jail_owner o = jail_owner(v->j);
	int fd;
	bool ok;

	if (size > v->left)
		return bad(v, "it is larger than an instance may write");
	v->left -= size;
	if (!v->overlay && !jail_tree_remove(v->data, path))
		return bad(v, "a file cannot be replaced");
	fd = create_file(v, path);
	ok = fd >= 0 && (geteuid() != 0 || fchown(fd, o.uid, o.gid) == 0);
	for (int64_t at = 0; ok && at < size;) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		if (!get(v, v->piece, n)) {
			close(fd);
			return false;
		}
		ok = file_write(fd, str_from(v->piece, n));
		at += (int64_t)n;
	}
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	return (ok || bad(v, strerror(errno))) && get(v, v->piece, (size_t)((BLOCK - size % BLOCK) % BLOCK));
}

/* The one attribute that may come. */
static bool take_record(struct unpacking *v, int64_t size)
{
	char text[BLOCK];

	if (size != (int64_t)sizeof(opaque_record) - 1 || !get(v, text, sizeof(text)) ||
	    memcmp(text, opaque_record, sizeof(opaque_record) - 1) != 0)
		return v->c->err.kind == ERR_NONE ? bad(v, "unknown attributes") : false;
	v->opaque = true;
	return true;
}

static bool take_node(struct unpacking *v, const struct tar_head *h, int64_t size)
{
	struct str name = str_from(h->name, strnlen(h->name, sizeof(h->name)));
	bool opaque = v->opaque;
	int64_t major, minor;
	const char *path;

	if (h->type == 'x')
		return take_record(v, size);
	v->opaque = false;
	if (h->prefix[0] || !str_starts(name, S("data/")) || !path_valid(str_tail(name, 5)))
		return bad(v, "it has a path that PostgreSQL does not use");
	path = arena_cstr(v->c->arena, str_tail(name, 5));
	if (path[strlen(path) - 1] == '/')
		((char *)path)[strlen(path) - 1] = '\0';
	switch (h->type) {
	case '0': return make_file(v, path, size);
	case '5': return size == 0 ? make_folder(v, path, opaque) : bad(v, "a folder has content");
	case '3':
		if (!octal(h->major, sizeof(h->major), &major) || !octal(h->minor, sizeof(h->minor), &minor) || major || minor || size)
			return bad(v, "it has a device");
		return make_gone(v, path);
	default: return bad(v, "it has a link or a special file");
	}
}

/* 1 = a head, 0 = the end, -1 = refused. */
static int next_head(struct unpacking *v, struct tar_head *h, int64_t *size)
{
	static const char zeros[BLOCK];
	int64_t sum;

	if (!get(v, h, sizeof(*h)))
		return -1;
	if (memcmp(h, zeros, BLOCK) == 0)
		return 0;
	if (memcmp(h->magic, "ustar", 5) != 0 || !octal(h->sum, sizeof(h->sum), &sum) || sum != (int64_t)sum_of(h) ||
	    !octal(h->size, sizeof(h->size), size))
		return bad(v, "it is no archive") ? 1 : -1;
	return 1;
}

static bool take_first(struct unpacking *v)
{
	struct tar_head h;
	char text[BLOCK];
	int64_t size;

	if (next_head(v, &h, &size) <= 0 || strncmp(h.name, "layer", sizeof(h.name)) != 0 || size != 6 || !get(v, text, sizeof(text)))
		return v->c->err.kind == ERR_NONE ? bad(v, "it is no layer's") : false;
	v->delta = memcmp(text, "delta\n", 6) == 0;
	v->overlay &= v->delta;
	return v->delta || memcmp(text, "whole\n", 6) == 0 || bad(v, "it is no layer's");
}

static bool take_all(struct unpacking *v)
{
	struct tar_head h;
	int64_t size = 0;
	int got;

	while ((got = next_head(v, &h, &size)) > 0)
		if (!take_node(v, &h, size))
			return false;
	/* The checksum stands behind the end: it is checked by reading up to there. */
	while (got == 0 && (got = gzread(v->from, v->piece, BLOCK)) > 0)
		got = 0;
	return got == 0 || bad(v, "it is damaged");
}

static bool same_parent(struct unpacking *v, const struct pg_found *f, const struct jail_layer *parent)
{
	return !v->delta || (f->parent_build.n && str_eq(f->parent_build, parent->build)) ||
	       fail(v->c, ERR_CONFLICT, "the layer was made over another build of its parent");
}

/* A folder under build/ with what the archive's parent has, or nothing. */
static bool begin(struct unpacking *v, struct str top, const struct jail_layer *parent, struct jail_room *r)
{
	static const struct jail_layer nothing;
	struct jail *j = v->j;
	bool from_parent = v->delta;
	const char *data;

	if (!v->delta)
		v->left += parent->bytes; /* the base's, mostly */
	if (!jail_room_make(v->c, j, PG_BUILD, from_parent ? top : S(""), from_parent ? parent : &nothing, r))
		return false;
	data = arena_fmt(v->c->arena, "%s/data", r->name).p;
	v->data = openat(j->root, data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return v->data >= 0 || fail(v->c, ERR_STORAGE, "a layer cannot be unpacked: %s", strerror(errno));
}

static bool finish(struct unpacking *v, const struct pg_found *f, struct str top, const struct jail_layer *parent, struct jail_room *r)
{
	struct jail_layer l = {.id = f->id, .parent = f->parent, .build = f->build, .parent_build = f->parent_build,
			       .boot_id = str_of(v->j->boot_id), .manifest = f->manifest, .bytes = f->bytes,
			       .published_ms = clock_wall_ms(), .depth = f->parent.n ? parent->depth + 1 : 0};
	bool first;

	if (!v->delta)
		l.bytes = jail_tree_bytes(v->j->root, arena_fmt(v->c->arena, "%s/data", r->name).p);
	if (v->overlay) {
		if (parent->nbelow + 1 > PG_DEPTH_MAX)
			return bad(v, "it is too deep");
		l.below[l.nbelow++] = top;
		for (int i = 0; i < parent->nbelow; i++)
			l.below[l.nbelow++] = parent->below[i];
	}
	if (!jail_tree_remove(v->j->root, arena_fmt(v->c->arena, "%s/work", r->name).p) ||
	    !jail_tree_remove(v->j->root, arena_fmt(v->c->arena, "%s/s", r->name).p))
		return bad(v, strerror(errno));
	if (!jail_layer_write(v->c, v->j, r->name, &l) || !jail_layer_place(v->c, v->j, r->name, f->id, &first))
		return false;
	r->on_disk = false;
	return true;
}

static bool unpack(struct unpacking *v, const struct pg_found *f)
{
	struct str top = f->parent.n ? f->parent : str_of(v->j->base);
	int hold = jail_layer_hold(v->c, v->j, top);
	struct jail_room r = {.on_disk = false};
	struct jail_layer parent;
	bool ok;

	if (hold < 0)
		return false;
	ok = jail_layer_read(v->c, v->j, arena_cstr(v->c->arena, top), &parent) && take_first(v) && same_parent(v, f, &parent) && begin(v, top, &parent, &r) &&
	     take_all(v) && finish(v, f, top, &parent, &r);
	jail_room_drop(v->j, &r);
	if (v->data >= 0)
		close(v->data);
	close(hold);
	return ok;
}

bool jail_unpack(struct call *c, struct pg_backend *b, const struct pg_found *f, int from_fd)
{
	struct jail *j = jail_of(b);
	struct unpacking v = {.c = c, .j = j, .data = -1, .overlay = strcmp(jail_kind(j->driver), "overlay") == 0,
			      .left = j->disk_bytes};
	int own;
	bool ok;

	if (!jail_layer_id_valid(f->id) || (f->parent.n && !jail_layer_id_valid(f->parent)))
		return fail(c, ERR_NOT_FOUND, "no such layer");
	if (!id_valid(f->build) || (f->parent_build.n && !id_valid(f->parent_build)))
		return bad(&v, "it does not say which build it is");
	own = fcntl(from_fd, F_DUPFD_CLOEXEC, 0);
	v.from = own >= 0 ? gzdopen(own, "rb") : NULL;
	if (!v.from)
		return fail(c, ERR_STORAGE, "a layer cannot be unpacked: %s", strerror(errno));
	v.piece = base_alloc(PIECE);
	ok = unpack(&v, f);
	free(v.piece);
	gzclose(v.from);
	return ok;
}
