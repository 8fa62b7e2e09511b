/* project.c - trees of files, and the tail rule of the contract.
 *
 * Pure but for contents that are known by etag only (blobs.c). Not here: what is inside a file (facts.c).
 *
 * Threads: any, one at a time a tree.
 */
#include "runner/runner_int.h"

#include <stdlib.h>

enum { MISSING_TOLD = 1000 /* etags in one error */ };

/* --- paths --- */

static bool part_right(struct str part)
{
	return part.n > 0 && !str_eq(part, S(".")) && !str_eq(part, S(".."));
}

static const char *wrong_path(struct str path)
{
	if (path.n == 0)
		return "is empty";
	if (path.n > JOB_PATH_MAX)
		return "is too long";
	if (path.p[0] == '/')
		return "is absolute; paths begin at the project's root";
	if (!str_is_utf8(path))
		return "is no UTF-8";
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7F)
			return "has a control character";
	for (struct str rest = path; rest.p;)
		if (!part_right(str_cut(&rest, '/')))
			return "has a part that is empty, `.` or `..`";
	return NULL;
}

bool tree_path_check(struct call *c, struct str path)
{
	const char *why = wrong_path(path);

	if (!why)
		return true;
	if (!str_is_utf8(path))
		path = S("a path");
	return fail(c, ERR_INVALID_PATH, "%.*s %s", (int)str_head(path, 200).n, path.p, why);
}

/* One part behind the others; false: above the root. */
static bool add_part(struct buf *b, struct str part)
{
	if (part.n == 0 || str_eq(part, S(".")))
		return true;
	if (str_eq(part, S(".."))) {
		if (b->n == 0)
			return false;
		while (b->n > 0 && b->p[--b->n] != '/')
			;
		return true;
	}
	if (b->n)
		buf_addc(b, '/');
	buf_add(b, part);
	return true;
}

bool tree_resolve(struct call *c, struct str from, struct str spelled, struct str *ret)
{
	OWNS(buf) b = {0};
	bool inside = spelled.n > 0 && spelled.p[0] != '/';

	while (from.n && from.p[from.n - 1] != '/')
		from.n--;
	for (struct str rest = from; inside && rest.p;)
		inside = add_part(&b, str_cut(&rest, '/'));
	for (struct str rest = spelled; inside && rest.p;)
		inside = add_part(&b, str_cut(&rest, '/'));
	if (!inside || b.n == 0)
		return fail(c, ERR_MISSING_INCLUDE, "%.*s is not a file of the project", (int)str_head(spelled, 200).n, spelled.p);
	*ret = arena_dup(c->arena, buf_str(&b));
	return true;
}

/* Where the path is, or -1. */
static int tree_index(const struct tree *t, struct str path)
{
	int low = 0, high = t->n;

	while (low < high) {
		int mid = low + (high - low) / 2, way = str_cmp(t->files[mid].path, path);

		if (way == 0)
			return mid;
		if (way < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

const struct tree_file *tree_find(const struct tree *t, struct str path)
{
	int i = tree_index(t, path);

	return i < 0 ? NULL : &t->files[i];
}

/* --- adding --- */

static int by_path(const void *a, const void *b)
{
	const struct job_file *const *x = a, *const *y = b;

	return str_cmp((*x)->path, (*y)->path);
}

static bool file_check(struct call *c, const struct job_file *f)
{
	struct str hex;

	if (!tree_path_check(c, f->path))
		return false;
	if (f->content.p)
		return true;
	if (!f->etag.p)
		return fail(c, ERR_INVALID_FIELD, "project_tree: %.*s has neither content nor etag", SARG(f->path));
	return etag_hex(c, f->etag, &hex);
}

/* The files by path, none twice. */
static bool sort_files(struct call *c, const struct job_file *files, int n, const struct job_file ***ret)
{
	const struct job_file **v = ARENA_ARRAY(c->arena, const struct job_file *, (size_t)n + 1);

	for (int i = 0; i < n; i++) {
		if (!file_check(c, &files[i]))
			return false;
		v[i] = &files[i];
	}
	qsort(v, (size_t)n, sizeof(*v), by_path);
	for (int i = 1; i < n; i++)
		if (str_eq(v[i - 1]->path, v[i]->path))
			return fail(c, ERR_INVALID_PATH, "%.*s is in the request twice", SARG(v[i]->path));
	*ret = v;
	return true;
}

static bool too_large(struct call *c, const char *what, int64_t most, const char *option)
{
	return fail(c, ERR_PROJECT_TOO_LARGE, "the project has more than %lld %s (%s)", (long long)most, what, option);
}

/* What the tree will be: counted before anything is copied. */
static bool tree_sizes(struct call *c, struct runner *r, struct tree *will, const struct job_file *const *v, int n)
{
	for (int i = 0; i < n; i++) {
		int old = tree_index(will, v[i]->path);
		int64_t size = v[i]->content.p ? (int64_t)v[i]->content.n : 0;

		if (old >= 0 && will->files[old].size > 0)
			will->bytes -= will->files[old].size;
		will->cap += old < 0; /* how many are new */
		will->bytes += size;
		will->taken += size;
	}
	if (will->n + will->cap > r->o.project_files)
		return too_large(c, "files", r->o.project_files, "runner.project.max_files");
	if (will->bytes > r->o.project_bytes)
		return too_large(c, "bytes", r->o.project_bytes, "runner.project.max_bytes");
	if (will->taken / 2 > r->o.project_bytes)
		return fail(c, ERR_PROJECT_TOO_LARGE, "files were sent again and again: more than twice %lld bytes (runner.project.max_bytes)",
			    (long long)r->o.project_bytes);
	return true;
}

static struct tree_file file_made(struct arena *a, const struct job_file *f)
{
	struct tree_file t = {.path = arena_dup(a, f->path), .size = -1};

	if (f->content.p) {
		t.content = arena_dup(a, f->content);
		t.size = (int64_t)f->content.n;
		hash_sha256_hex(f->content, t.etag);
	} else {
		memcpy(t.etag, f->etag.p + f->etag.n - RUNNER_HEX, RUNNER_HEX);
	}
	return t;
}

static void grow(struct arena *a, struct tree *t, int n)
{
	struct tree_file *more;

	if (n <= t->cap)
		return;
	t->cap = n > 2 * t->cap ? n : 2 * t->cap;
	more = ARENA_ARRAY(a, struct tree_file, (size_t)t->cap);
	if (t->n)
		memcpy(more, t->files, sizeof(*more) * (size_t)t->n);
	t->files = more;
}

bool tree_add(struct call *c, struct runner *r, struct arena *a, struct tree *into, const struct job_file *files, int n)
{
	struct tree will = *into;
	const struct job_file **v = NULL;
	int fresh, to, old = into->n - 1;

	will.cap = 0;
	if (!sort_files(c, files, n, &v) || !tree_sizes(c, r, &will, v, n))
		return false;
	fresh = will.cap;
	grow(a, into, into->n + fresh);
	to = into->n + fresh - 1;
	for (int i = n - 1; i >= 0; i--) { /* from behind, so that nothing is overwritten before it was moved */
		int way = -1;

		while (old >= 0 && (way = str_cmp(into->files[old].path, v[i]->path)) > 0)
			into->files[to--] = into->files[old--];
		if (old >= 0 && way == 0)
			old--;
		into->files[to--] = file_made(a, v[i]);
	}
	into->n += fresh;
	into->bytes = will.bytes;
	into->taken = will.taken;
	return true;
}

/* --- contents by etag --- */

static bool told_missing(struct call *c, const struct tree *t, const int *missing, int n)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_begin_array(&o);
	for (int i = 0; i < n && i < MISSING_TOLD; i++)
		json_put_text(&o, arena_fmt(c->arena, "sha256:%s", t->files[missing[i]].etag));
	json_end_array(&o);
	fail(c, ERR_MISSING_BLOBS, "%d of the project's contents are not here: upload them, and ask again", n);
	return fail_more(c, "\"missing\":%.*s", (int)b.n, b.p);
}

bool tree_check_blobs(struct call *c, struct runner *r, struct tree *t)
{
	int *missing = ARENA_ARRAY(c->arena, int, (size_t)t->n + 1), n = 0;
	int64_t until = blob_used_until(r);

	for (int i = 0; i < t->n; i++) {
		struct tree_file *f = &t->files[i];
		int64_t size;

		if (f->content.p)
			continue;
		if (blob_hold(c, r, str_from(f->etag, RUNNER_HEX), until, &size)) {
			t->bytes += f->size < 0 ? size : 0;
			f->size = size;
			continue;
		}
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		missing[n++] = i;
	}
	if (n)
		return told_missing(c, t, missing, n);
	return t->bytes <= r->o.project_bytes || too_large(c, "bytes", r->o.project_bytes, "runner.project.max_bytes");
}

bool tree_hold(struct call *c, struct runner *r, const struct tree *t, int64_t until_ms)
{
	for (int i = 0; i < t->n; i++)
		if (!t->files[i].content.p && !blob_hold(c, r, str_from(t->files[i].etag, RUNNER_HEX), until_ms, NULL))
			return false;
	return true;
}

bool tree_content(struct call *c, struct runner *r, const struct tree *t, struct str path, struct str *ret)
{
	const struct tree_file *f = tree_find(t, path);

	if (!f)
		return fail(c, ERR_NOT_FOUND, "%.*s is not in the project", SARG(path));
	if (!f->content.p)
		return blob_get(c, r, str_from(f->etag, RUNNER_HEX), ret);
	*ret = f->content;
	return true;
}

/* --- the tail rule --- */

struct ordering {
	const struct tree *t;
	int head;
	struct str *tail;
	int n;
	bool *taken; /* by index */
};

/* In nobody's tail, by its folder; or no SQL. */
static bool never_in_tail(struct str path)
{
	return !str_ends(path, S(".sql")) || str_starts(path, S("test/")) || str_starts(path, S("bench/"));
}

static int rank(struct str path)
{
	return str_starts(path, S("init/")) ? 0 : str_starts(path, S("seed/")) ? 1 : 2;
}

static void take_step(struct ordering *o, int i)
{
	if (never_in_tail(o->t->files[i].path))
		return;
	o->taken[i] = true;
	o->tail[o->n++] = o->t->files[i].path;
}

/* init/, seed/, the rest; each bytewise, which is the tree's order. */
static void order_by_rule(struct ordering *o)
{
	int own = rank(o->t->files[o->head].path);

	for (int pass = 0; pass <= own; pass++)
		for (int i = 0; i < o->t->n && !(pass == own && i == o->head); i++)
			if (rank(o->t->files[i].path) == pass)
				take_step(o, i);
}

static bool order_by_chain(struct call *c, struct ordering *o, const struct str *chain, int n)
{
	bool *seen = ARENA_ARRAY(c->arena, bool, (size_t)o->t->n), behind = false;

	for (int i = 0; i < n; i++) {
		int at = tree_index(o->t, chain[i]);

		if (at < 0)
			return fail(c, ERR_INVALID_PATH, "chain: %.*s is not in the project", (int)str_head(chain[i], 200).n, chain[i].p);
		if (seen[at])
			return fail(c, ERR_INVALID_PATH, "chain: %.*s is in it twice", SARG(chain[i]));
		seen[at] = true;
		behind |= at == o->head;
		if (!behind)
			take_step(o, at);
	}
	return true;
}

static void collect_unused(struct call *c, const struct ordering *o, struct tree_order *ret)
{
	struct str *v = ARENA_ARRAY(c->arena, struct str, (size_t)o->t->n);
	int n = 0;

	for (int i = 0; i < o->t->n; i++)
		if (i != o->head && !o->taken[i] && str_ends(o->t->files[i].path, S(".sql")))
			v[n++] = o->t->files[i].path;
	ret->unused = v;
	ret->nunused = n;
}

bool tree_order(struct call *c, const struct tree *t, struct str head, const struct str *chain, int nchain,
		struct tree_order *ret)
{
	struct ordering o = {.t = t, .head = tree_index(t, head)};

	if (t->n == 0)
		return fail(c, ERR_EMPTY_PROJECT, "the project has no file");
	if (o.head < 0)
		return fail(c, ERR_HEAD_NOT_FOUND, "%.*s is not in the project", (int)str_head(head, 200).n, head.p);
	o.tail = ARENA_ARRAY(c->arena, struct str, (size_t)t->n);
	o.taken = ARENA_ARRAY(c->arena, bool, (size_t)t->n);
	if (!chain || nchain < 0)
		order_by_rule(&o);
	else if (!order_by_chain(c, &o, chain, nchain))
		return false;
	ret->tail = o.tail;
	ret->ntail = o.n;
	collect_unused(c, &o, ret);
	return true;
}
