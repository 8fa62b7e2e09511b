/* project.c - a folder of SQL files: which, their contents, and waiting until one changes. */
#include "cli/chain.h"

#include "base/file.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCHED = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF, QUIET_MS = 80, POLL_MS = 200 };

static bool cannot_read(struct call *c, struct str path)
{
	return fail(c, ERR_INVALID_FIELD, "cannot read %.*s: %s", SARG(path), strerror(errno));
}

/* --- one file --- */

static bool is_text(struct str s)
{
	return str_is_utf8(s) && str_find(s, '\0') == s.n;
}

static struct str etag_of(struct call *c, struct str bytes)
{
	unsigned char digest[SHA256_LEN];
	OWNS(buf) b = {0};

	hash_sha256(bytes, digest);
	buf_lit(&b, "sha256:");
	hash_hex(str_from((const char *)digest, sizeof(digest)), &b);
	return arena_dup(c->arena, buf_str(&b));
}

static bool read_all(struct call *c, const struct project *p, struct str path, struct buf *ret)
{
	struct str name = arena_fmt(c->arena, "%.*s/%.*s", SARG(p->folder), SARG(path));
	int fd = open(name.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool done;

	if (fd < 0)
		return cannot_read(c, name);
	done = file_read(fd, PROJECT_FILE_MAX, ret);
	file_close_quietly(fd);
	return done || cannot_read(c, name);
}

static bool take_file(struct call *c, struct project *p, struct str path)
{
	struct project_file *to;
	OWNS(buf) bytes = {0};

	if (!str_is_utf8(path))
		return fail(c, ERR_INVALID_FIELD, "a name in %.*s is no UTF-8", SARG(p->folder));
	if (p->n == PROJECT_FILES_MAX)
		return fail(c, ERR_INVALID_FIELD, "%.*s has more than %d files", SARG(p->folder), PROJECT_FILES_MAX);
	if (!read_all(c, p, path, &bytes))
		return false;
	if (p->n == p->cap) {
		struct project_file *more = ARENA_ARRAY(c->arena, struct project_file, p->cap ? p->cap * 2 : 64);

		if (p->n)
			memcpy(more, p->files, p->n * sizeof(*more));
		p->files = more;
		p->cap = p->cap ? p->cap * 2 : 64;
	}
	to = &p->files[p->n++];
	*to = (struct project_file){.path = arena_dup(c->arena, path), .etag = etag_of(c, buf_str(&bytes)), .size = (int64_t)bytes.n};
	if (bytes.n <= PROJECT_INLINE_MAX && is_text(buf_str(&bytes)))
		to->content = arena_dup(c->arena, buf_str(&bytes));
	return true;
}

/* --- the walk: folders are appended while they are found, and read in that order --- */

static bool take_folder(struct call *c, struct project *p, struct str path)
{
	size_t deep = path.n > 0;

	for (size_t i = 0; i < path.n; i++)
		deep += path.p[i] == '/';
	if (deep > PROJECT_DEEP_MAX || p->nfolders == PROJECT_FILES_MAX)
		return fail(c, ERR_INVALID_FIELD, "%.*s has too many folders, or folders more than %d deep", SARG(p->folder),
			    PROJECT_DEEP_MAX);
	if (p->nfolders == p->folders_cap) {
		struct str *more = ARENA_ARRAY(c->arena, struct str, p->folders_cap ? p->folders_cap * 2 : 16);

		if (p->nfolders)
			memcpy(more, p->folders, p->nfolders * sizeof(*more));
		p->folders = more;
		p->folders_cap = p->folders_cap ? p->folders_cap * 2 : 16;
	}
	p->folders[p->nfolders++] = path;
	return true;
}

static bool take_entry(struct call *c, struct project *p, struct str folder, const char *name)
{
	struct str path = arena_fmt(c->arena, "%.*s%s%s", SARG(folder), folder.n ? "/" : "", name);
	struct str full = arena_fmt(c->arena, "%.*s/%.*s", SARG(p->folder), SARG(path));
	struct stat st;

	if (lstat(full.p, &st) != 0)
		return errno == ENOENT || cannot_read(c, full); /* removed meanwhile */
	if (S_ISDIR(st.st_mode))
		return take_folder(c, p, path);
	if (!S_ISREG(st.st_mode))
		return true;
	if (st.st_size > PROJECT_FILE_MAX) {
		p->left_out++;
		return true;
	}
	if (take_file(c, p, path))
		return true;
	if (lstat(full.p, &st) == 0 || errno != ENOENT)
		return false;
	call_forgive(c); /* removed meanwhile, as editors do with theirs */
	return true;
}

static bool walk_folder(struct call *c, struct project *p, struct str folder)
{
	struct str full = arena_fmt(c->arena, "%.*s/%.*s", SARG(p->folder), SARG(folder));
	DIR *d = opendir(full.p);
	const struct dirent *e;
	bool ok = true;

	if (!d)
		return cannot_read(c, full);
	while (ok && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			ok = take_entry(c, p, folder, e->d_name);
	closedir(d);
	return ok;
}

static int by_path(const void *a, const void *b)
{
	return str_cmp(((const struct project_file *)a)->path, ((const struct project_file *)b)->path);
}

bool project_read(struct call *c, struct str folder, struct project *ret)
{
	struct project p = {.folder = arena_dup(c->arena, folder)};

	if (!take_folder(c, &p, S("")))
		return false;
	for (size_t i = 0; i < p.nfolders; i++)
		if (!walk_folder(c, &p, p.folders[i]))
			return false;
	if (p.n)
		qsort(p.files, p.n, sizeof(*p.files), by_path);
	*ret = p;
	return true;
}

const struct project_file *project_file(const struct project *p, struct str path)
{
	const struct project_file key = {.path = path};

	return p->n ? bsearch(&key, p->files, p->n, sizeof(key), by_path) : NULL;
}

bool project_content(struct call *c, const struct project *p, const struct project_file *f, struct str *ret)
{
	OWNS(buf) bytes = {0};

	if (f->content.p) {
		*ret = f->content;
		return true;
	}
	if (!read_all(c, p, f->path, &bytes))
		return false;
	*ret = arena_dup(c->arena, buf_str(&bytes));
	return true;
}

/* --- waiting --- */

/* True when an event is about a name that is not hidden. What editors write beside it counts for nothing. */
static bool take_events(int fd)
{
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(fd, buffer, sizeof(buffer));
	bool counts = false;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(const void *)(buffer + at);

		counts = counts || e->len == 0 || e->name[0] != '.';
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	return counts;
}

static bool canceled(const struct call *c)
{
	return c->cancel && atomic_load(c->cancel);
}

static bool wait_for_change(struct call *c, int fd)
{
	bool changed = false;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, changed ? QUIET_MS : POLL_MS);

		if (canceled(c))
			return fail(c, ERR_CANCELED, "interrupted");
		if (n < 0 && errno != EINTR)
			return fail(c, ERR_INTERNAL, "cannot wait for changes: %s", strerror(errno));
		if (n == 0 && changed)
			return true;
		if (n > 0 && take_events(fd))
			changed = true;
	}
}

bool project_watch(struct call *c, const struct project *p, int *ret)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	bool ok = fd >= 0;

	for (size_t i = 0; ok && i < p->nfolders; i++) {
		struct str full = arena_fmt(c->arena, "%.*s/%.*s", SARG(p->folder), SARG(p->folders[i]));

		ok = inotify_add_watch(fd, full.p, WATCHED) >= 0 || (i > 0 && errno == ENOENT);
	}
	if (!ok) {
		(void)fail(c, ERR_INVALID_FIELD, "cannot watch %.*s: %s", SARG(p->folder), strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	*ret = fd;
	return true;
}

bool project_wait(struct call *c, int fd)
{
	bool changed = wait_for_change(c, fd);

	close(fd);
	return changed;
}
