/* store_rig.h - a store of either kind. */
#ifndef MAYFLY_TEST_STORE_RIG_H
#define MAYFLY_TEST_STORE_RIG_H

#include "store/store.h"

#include "faults.h"
#include "folder.h"
#include "race.h"
#include "s3_double.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

struct backend {
	const char *name; /* of its ops */
	struct store *(*open)(struct call *c, const char *place);
	const char *(*missing)(void); /* why it cannot be tested here, or NULL */
	bool appends;
	bool folders; /* a key cannot be the folder of another */
	bool remote;  /* fewer objects do */
};

UNUSED static struct store *open_folder(struct call *c, const char *place)
{
	return store_folder_open(c, arena_fmt(c->arena, "%s/store", place));
}

UNUSED static struct store *open_opendal_fs(struct call *c, const char *place)
{
	const struct store_option root = {S("root"), arena_fmt(c->arena, "%s/store", place)};

	return store_open(c, &(struct store_options){
				     .scheme = S("fs"), .opendal = true, .library = str_of(opendal_library()), .options = &root, .noptions = 1});
}

UNUSED static struct store *open_s3(struct call *c, const char *place)
{
	struct store_option options[S3_OPTIONS];

	s3_options(c->arena, place, options);
	return s3_open(c, options);
}

UNUSED static const char *never_missing(void)
{
	return NULL;
}

UNUSED static const char *opendal_missing(void)
{
	return opendal_library()[0] ? NULL : "the OpenDAL binding is not built (make opendal)";
}

UNUSED static const char *s3_missing(void)
{
	return opendal_missing() ? opendal_missing() : s3_double_port() ? NULL : "there is no S3 double (make interop)";
}

static const struct backend backends[] = {
	{"folder", open_folder, never_missing, .appends = true, .folders = true},
	{"opendal", open_opendal_fs, opendal_missing, .folders = true, .remote = true},
	{"opendal", open_s3, s3_missing, .remote = true},
};

struct fixture {
	struct arena arena;
	struct call c;
	const struct backend *backend;
	char place[FOLDER_PATH_MAX];
	struct store *s;
};

UNUSED static void reopen(struct fixture *f)
{
	if (f->s)
		f->s->ops->close(f->s);
	f->s = f->backend->open(&f->c, f->place);
	if (!f->s)
		print_error("%s\n", f->c.err.text);
	assert_non_null(f->s);
	assert_string_equal(f->s->ops->name, f->backend->name);
}

UNUSED static void begin(struct fixture *f, const struct backend *b)
{
	*f = (struct fixture){.backend = b};
	call_open(&f->c, &f->arena);
	folder_make(f->place);
	reopen(f);
}

UNUSED static void end(struct fixture *f)
{
	f->s->ops->close(f->s);
	folder_remove(f->place);
	arena_close(&f->arena);
}

UNUSED static void expect_error(struct fixture *f, bool ok, enum err_kind kind)
{
	assert_false(ok);
	if (f->c.err.kind != kind)
		print_error("%s\n", f->c.err.text);
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

#define EACH_BACKEND_THAT(f, can) \
	for (const struct backend *b_ = backends; b_ < backends + COUNT_OF(backends); b_++) \
		if (!b_->missing() && (can)) \
			for (bool once_ = (begin((f), b_), true); once_; once_ = (end(f), false))
#define EACH_BACKEND(f) EACH_BACKEND_THAT(f, true)
#define EACH_BACKEND_WITH_APPENDS(f) EACH_BACKEND_THAT(f, b_->appends)

UNUSED static bool put(struct fixture *f, const char *key, const char *bytes, enum store_put how)
{
	return f->s->ops->put(&f->c, f->s, str_of(key), str_of(bytes), how);
}

UNUSED static bool append(struct fixture *f, const char *key, int64_t offset, const char *bytes)
{
	return f->s->ops->append(&f->c, f->s, str_of(key), offset, str_of(bytes), true);
}

UNUSED static bool get(struct fixture *f, const char *key, int64_t offset, int64_t max, struct buf *ret)
{
	buf_clear(ret);
	return f->s->ops->get(&f->c, f->s, str_of(key), offset, max, ret);
}

UNUSED static void expect_bytes(struct fixture *f, const char *key, const char *want)
{
	OWNS(buf) b = {0};

	assert_true(get(f, key, 0, INT64_MAX, &b));
	assert_str_equal(buf_str(&b), want);
}

/* --- races --- */
struct own_call {
	struct arena arena;
	struct call c;
};

/* --- what only the folder promises --- */
UNUSED static int off_disk(void **state)
{
	(void)state;
	faults.no_disk = true;
	return 0;
}

#endif
