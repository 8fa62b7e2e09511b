/* store_rig.h - a store of either kind. */
#ifndef MAYFLY_TEST_STORE_RIG_H
#define MAYFLY_TEST_STORE_RIG_H

#include "store/store.h"

#include "faults.h"
#include "folder.h"
#include "race.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

struct backend {
	const char *name;
	struct store *(*open)(struct call *c, const char *place);
};

UNUSED static struct store *open_folder(struct call *c, const char *place)
{
	return store_folder_open(c, arena_fmt(c->arena, "%s/store", place));
}

static const struct backend backends[] = {{"folder", open_folder}};

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
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

#define EACH_BACKEND(f) \
	for (size_t i_ = 0; i_ < COUNT_OF(backends) && (begin((f), &backends[i_]), true); end(f), i_++)

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
