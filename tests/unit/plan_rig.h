/* plan_rig.h - a runner with as much as trees, blobs and plans need: a store in a folder, a backend that has an identity. */
#ifndef MAYFLY_TEST_PLAN_RIG_H
#define MAYFLY_TEST_PLAN_RIG_H

#include "runner/runner_int.h"

#include "folder.h"
#include "test.h"

enum { RIG_FILES = 64, RIG_TTL_S = 1000 };

struct fixture {
	struct arena arena;
	struct call c;
	struct runner r;
	struct pg_backend backend;
	char dir[FOLDER_PATH_MAX];
	struct job_file files[RIG_FILES];
	int nfiles;
	struct job_variable variables[8];
	int nvariables;
	struct job_error error;
};

/* Settable from tests. */
static const char *rig_engine = "PostgreSQL 15.1; timezone=UTC";
static int64_t rig_blob_bytes = 1 << 20;

UNUSED static bool rig_identity(struct call *c, struct pg_backend *b, struct buf *ret)
{
	(void)c;
	(void)b;
	buf_add(ret, str_of(rig_engine));
	return true;
}

static const struct pg_backend_ops rig_ops = {.name = "fake", .identity = rig_identity};

static void rig_caps(void *arg, struct str tenant, struct runner_caps *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct runner_caps){.blob_bytes = rig_blob_bytes};
}

static bool fine(struct fixture *f, bool ok)
{
	if (!ok)
		print_error("%s: %s\n", err_code(f->c.err.kind), f->c.err.text);
	return ok;
}

UNUSED static void expect_error(struct fixture *f, bool ok, enum err_kind kind)
{
	assert_false(ok);
	assert_string_equal(err_code(f->c.err.kind), err_code(kind));
	call_forgive(&f->c);
}

static void rig_open(struct fixture *f, struct runner *r, struct store *s)
{
	r->o = (struct runner_options){
		.store = s, .backend = &f->backend, .project_files = 40, .project_bytes = 100000, .blob_ttl_s = RIG_TTL_S,
		.layer_ttl_s = RIG_TTL_S, .caps = rig_caps,
	};
	assert_true(fine(f, plans_open(&f->c, r)));
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct store *s;

	call_open(&f->c, &f->arena);
	f->c.tenant = S("acme");
	f->backend.ops = &rig_ops;
	folder_make(f->dir);
	s = store_folder_open(&f->c, str_of(f->dir));
	assert_non_null(s);
	rig_open(f, &f->r, s);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	plans_close(&f->r);
	f->r.o.store->ops->close(f->r.o.store);
	folder_remove(f->dir);
	arena_close(&f->arena);
	rig_engine = "PostgreSQL 15.1; timezone=UTC";
	rig_blob_bytes = 1 << 20;
	free(f);
	return 0;
}
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* A file of the next tree; the same path again replaces it. */
UNUSED static void file(struct fixture *f, const char *path, const char *content)
{
	int i = 0;

	while (i < f->nfiles && !str_eq(f->files[i].path, str_of(path)))
		i++;
	assert_true(i < RIG_FILES);
	f->files[i] = (struct job_file){.path = str_of(path), .content = str_of(content)};
	f->nfiles += i == f->nfiles;
}

UNUSED static void variable(struct fixture *f, const char *name, const char *value)
{
	f->variables[f->nvariables++] = (struct job_variable){str_of(name), str_of(value)};
}

UNUSED static struct str etag_of(struct fixture *f, struct str content)
{
	char hex[RUNNER_HEX + 1];

	hash_sha256_hex(content, hex);
	return arena_fmt(&f->arena, "sha256:%s", hex);
}

/* Layers that are there, as layers.c would say. */
static struct {
	char ids[64][RUNNER_HEX + 1];
	int n;
} there;

bool layer_there(struct runner *r, struct str tenant, struct str id);
bool layer_there(struct runner *r, struct str tenant, struct str id)
{
	(void)r;
	(void)tenant;
	for (int i = 0; i < there.n; i++)
		if (str_eq(id, str_of(there.ids[i])))
			return true;
	return false;
}

UNUSED static void publish(const char *id)
{
	memcpy(there.ids[there.n++ % 64], id, RUNNER_HEX + 1);
}

#endif
