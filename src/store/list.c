/* list.c - keys of a folder in the order of their bytes, a page at a time.
 *
 * Within one folder the order of whole keys is that of the names with a `/`
 * behind those of folders: then `a-b` comes before `a/b`, and whatever is in a
 * folder stays together. So a walk in that order needs only the next few names of
 * each folder on its way; a folder is read again when they did not suffice.
 */
#include "store/store_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct listing {
	struct call *c;
	struct folder *f;
	struct str prefix, after;
	struct store_entry *out;
	size_t n;
};

/* The least names of a folder above a bound, those of folders with `/`. */
struct names {
	struct buf text;
	struct name {
		size_t at, n;
	} *all;
	size_t n, cap, want;
	bool more; /* some were left out */
};

static void names_drop(struct names *ns)
{
	buf_drop(&ns->text);
	free(ns->all);
}

static struct str name_at(const struct names *ns, size_t i)
{
	return str_from(ns->text.p + ns->all[i].at, ns->all[i].n);
}

static int by_bytes(const void *a, const void *b, void *text)
{
	const struct name *x = a, *y = b;
	const char *p = text;

	return str_cmp(str_from(p + x->at, x->n), str_from(p + y->at, y->n));
}

/* Sorts, and keeps the `want` least. */
static void names_trim(struct names *ns)
{
	struct buf kept = {0};

	if (ns->n == 0)
		return;
	qsort_r(ns->all, ns->n, sizeof(*ns->all), by_bytes, ns->text.p);
	if (ns->n > ns->want) {
		ns->more = true;
		ns->n = ns->want;
	}
	for (size_t i = 0; i < ns->n; i++) {
		struct str name = name_at(ns, i);

		ns->all[i].at = kept.n;
		buf_add(&kept, name);
	}
	buf_drop(&ns->text);
	ns->text = kept;
}

static void names_add(struct names *ns, struct str name, bool folder)
{
	if (ns->n == ns->want * 2)
		names_trim(ns);
	if (ns->n == ns->cap) {
		ns->cap = ns->cap ? ns->cap * 2 : 64;
		ns->all = base_realloc(ns->all, ns->cap * sizeof(*ns->all));
	}
	ns->all[ns->n++] = (struct name){ns->text.n, name.n + folder};
	buf_add(&ns->text, name);
	if (folder)
		buf_addc(&ns->text, '/');
}

/* Some file systems do not tell the kind of a name. */
static int kind_of(int in, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(in, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

/* May a key that is `path`, or begins with it when it is a folder's, be in the page? */
static bool wanted(const struct listing *l, struct str path, bool folder)
{
	if (!str_starts(path, l->prefix) && !(folder && str_starts(l->prefix, path)))
		return false;
	return str_cmp(path, l->after) > 0 || (folder && str_starts(l->after, path));
}

/* path: of the folder, with `/` behind, or empty; from: the greatest name that was seen, or empty. */
static bool read_names(struct listing *l, DIR *d, struct buf *path, struct str from, struct names *ret)
{
	size_t stem = path->n;
	const struct dirent *e;
	int error;

	rewinddir(d);
	while (errno = 0, (e = readdir(d))) {
		struct str name = str_of(e->d_name);
		int kind = store_part_valid(name) ? kind_of(dirfd(d), e) : DT_UNKNOWN;
		bool folder = kind == DT_DIR;
		struct str whole;

		if (kind != DT_DIR && kind != DT_REG)
			continue;
		buf_add(path, name);
		if (folder)
			buf_addc(path, '/');
		whole = buf_str(path);
		if (whole.n <= STORE_KEY_MAX && wanted(l, whole, folder) && str_cmp(str_tail(whole, stem), from) > 0)
			names_add(ret, name, folder);
		path->n = stem;
	}
	error = errno;
	names_trim(ret);
	errno = error;
	return error == 0 || store_fail(l->c, "list", buf_str(path));
}

static void add_object(struct listing *l, int in, struct buf *path, struct str name)
{
	const char *file = arena_cstr(l->c->arena, name);
	size_t stem = path->n;
	struct stat st;

	if (fstatat(in, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return; /* dropped meanwhile */
	buf_add(path, name);
	l->out[l->n++] = (struct store_entry){
		.key = arena_dup(l->c->arena, buf_str(path)),
		.size = st.st_size,
		.changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
	};
	path->n = stem;
}

static bool list_folder(struct listing *l, struct buf *path);

static bool list_names(struct listing *l, int in, struct buf *path, const struct names *ns)
{
	size_t stem = path->n;
	bool ok = true;

	for (size_t i = 0; ok && i < ns->n && l->n < STORE_LIST_MAX; i++) {
		struct str name = name_at(ns, i);

		if (!str_ends(name, S("/"))) {
			add_object(l, in, path, name);
			continue;
		}
		buf_add(path, name);
		ok = list_folder(l, path);
		path->n = stem;
	}
	return ok;
}

static bool list_open(struct listing *l, DIR *d, struct buf *path)
{
	OWNS(buf) last = {0};
	bool ok = true, more = true;

	while (ok && more && l->n < STORE_LIST_MAX) {
		struct names ns = {.want = STORE_LIST_MAX - l->n};

		ok = read_names(l, d, path, buf_str(&last), &ns) && list_names(l, dirfd(d), path, &ns);
		more = ns.more;
		buf_clear(&last);
		if (ns.n)
			buf_add(&last, name_at(&ns, ns.n - 1));
		names_drop(&ns);
	}
	return ok;
}

/* path: with `/` behind, or empty. As deep as keys are: each level has at least two bytes of them. */
static bool list_folder(struct listing *l, struct buf *path)
{
	int fd = store_path_folder(l->f, str_head(buf_str(path), path->n ? path->n - 1 : 0), STORE_WALK);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool ok;

	if (!d) {
		ok = store_absent(errno) || store_fail(l->c, "list", buf_str(path));
		if (fd >= 0)
			file_close_quietly(fd);
		return ok;
	}
	ok = list_open(l, d, path);
	closedir(d);
	return ok;
}

static bool folder_valid(struct str folder)
{
	return folder.n == 0 || store_key_valid(folder);
}

bool store_folder_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret,
		       size_t *ret_n)
{
	struct listing l = {.c = c, .f = store_folder(s), .prefix = prefix, .after = after};
	struct str folder = store_key_folder(prefix);
	OWNS(buf) path = {0};

	l.out = ARENA_ARRAY(c->arena, struct store_entry, STORE_LIST_MAX);
	if (folder.n < prefix.n && prefix.p[folder.n] == '/') {
		buf_add(&path, folder);
		buf_addc(&path, '/');
	}
	if (folder_valid(folder) && !(path.n == 1) && !list_folder(&l, &path))
		return false;
	*ret = l.out;
	*ret_n = l.n;
	return true;
}
