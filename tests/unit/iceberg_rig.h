/* iceberg_rig.h - a table in a folder, behind a store of the test's own: it counts, fails, loses answers, kills. */
#ifndef MAYFLY_TEST_ICEBERG_RIG_H
#define MAYFLY_TEST_ICEBERG_RIG_H

#include "iceberg/iceberg_int.h"

#include "faults.h"
#include "folder.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#define TABLE "spaces/s/tables/t"

enum verb { VERB_PUT, VERB_GET, VERB_LIST, VERB_DROP, VERBS };

struct flaky { /* a store over another */
	struct store store;            /* first */
	struct store *under;
	int calls[VERBS];
	const char *match;             /* what follows is for puts of keys that have this inside */
	int refuse;                    /* so many are not done, and fail */
	int lose;                      /* so many are done, and fail like this: */
	enum err_kind lose_as;         /* 0 = ERR_STORAGE */
	bool cut_off, gone;            /* cut_off: after a lost answer nothing of the kind can be read: gone */
	int changes, die_at;           /* kills this process at that change: there is a step before and one after each */
	void (*before)(struct flaky *f, enum verb verb, struct str key);
	void *arg;
};

struct rig {
	struct arena arena;
	struct call c;
	char place[FOLDER_PATH_MAX];
	struct store *folder;
	struct flaky flaky;
	struct store *s;               /* &flaky.store */
};

UNUSED static void step(struct flaky *f)
{
	if (++f->changes == f->die_at)
		kill(getpid(), SIGKILL);
}

static void met(struct flaky *f, enum verb verb, struct str key)
{
	f->calls[verb]++;
	if (f->before)
		f->before(f, verb, key);
}

static bool flaky_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	struct flaky *f = (struct flaky *)s;
	bool ours, done;

	met(f, VERB_PUT, key);
	ours = f->match && str_search(key, str_of(f->match)) < key.n;
	if (ours && f->refuse > 0) {
		f->refuse--;
		return fail(c, ERR_STORAGE, "the test refused it");
	}
	step(f);
	done = f->under->ops->put(c, f->under, key, bytes, how);
	step(f);
	if (done && ours && f->lose > 0) {
		f->lose--;
		f->gone = f->cut_off;
		return fail(c, f->lose_as ? f->lose_as : ERR_STORAGE, "the test lost the answer");
	}
	return done;
}

static bool flaky_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	struct flaky *f = (struct flaky *)s;

	met(f, VERB_GET, key);
	if (f->gone && str_search(key, str_of(f->match)) < key.n)
		return fail(c, ERR_UNAVAILABLE, "the test cut it off");
	return f->under->ops->get(c, f->under, key, offset, max, ret);
}

static bool flaky_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret,
		       size_t *ret_n)
{
	struct flaky *f = (struct flaky *)s;

	met(f, VERB_LIST, prefix);
	return f->under->ops->list(c, f->under, prefix, after, ret, ret_n);
}

static bool flaky_drop(struct call *c, struct store *s, struct str key)
{
	struct flaky *f = (struct flaky *)s;
	bool done;

	met(f, VERB_DROP, key);
	step(f);
	done = f->under->ops->drop(c, f->under, key);
	step(f);
	return done;
}

static const struct store_ops flaky_ops = {
	.name = "flaky", .put = flaky_put, .get = flaky_get, .list = flaky_list, .drop = flaky_drop};

/* The clock is right again, whatever the test before has added to it: the times of the store's objects are the system's. */
static void right_the_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_advance((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - clock_wall_ms());
}

UNUSED static void rig_open(struct rig *r)
{
	faults.no_disk = true; /* kills do not need it */
	right_the_clock();
	*r = (struct rig){0};
	call_open(&r->c, &r->arena);
	folder_make(r->place);
	r->folder = store_folder_open(&r->c, arena_fmt(&r->arena, "%s/store", r->place));
	assert_non_null(r->folder);
	r->flaky.store = (struct store){&flaky_ops, S("file:///srv/mayfly")};
	r->flaky.under = r->folder;
	r->s = &r->flaky.store;
}

UNUSED static void rig_close(struct rig *r)
{
	assert_int_equal(r->c.err.kind, ERR_NONE);
	r->folder->ops->close(r->folder);
	folder_remove(r->place);
	arena_close(&r->arena);
}

/* --- what a test does --- */
UNUSED static void refused(struct rig *r, bool ok, enum err_kind kind)
{
	assert_false(ok);
	if (r->c.err.kind != kind)
		print_error("%s: %s\n", err_code(r->c.err.kind), r->c.err.text);
	assert_int_equal(r->c.err.kind, kind);
	call_forgive(&r->c);
}

UNUSED static void worked(struct rig *r, bool ok)
{
	if (!ok)
		print_error("%s: %s\n", err_code(r->c.err.kind), r->c.err.text);
	assert_true(ok);
}

UNUSED static struct str key_in(struct rig *r, const char *path)
{
	return arena_fmt(&r->arena, TABLE "/%s", path);
}

UNUSED static bool is_there(struct rig *r, struct str key)
{
	OWNS(buf) b = {0};
	bool there = r->folder->ops->get(&r->c, r->folder, key, 0, 1, &b);

	call_forgive(&r->c);
	return there;
}

UNUSED static bool file_is_there(struct rig *r, struct str path)
{
	return is_there(r, arena_fmt(&r->arena, TABLE "/%.*s", SARG(path)));
}

UNUSED static void store_text(struct rig *r, const char *path, struct str text)
{
	worked(r, r->folder->ops->put(&r->c, r->folder, key_in(r, path), text, STORE_REPLACE));
}

UNUSED static struct str stored_text(struct rig *r, const char *path)
{
	struct str text;

	worked(r, ice_object(&r->c, r->folder, key_in(r, path), &text));
	return text;
}

/* Objects of the table below a folder of it ("" = all). */
UNUSED static int objects_below(struct rig *r, const char *path)
{
	struct store_entry *v;
	size_t n;

	worked(r, r->folder->ops->list(&r->c, r->folder, key_in(r, path), (struct str){0}, &v, &n));
	return (int)n;
}

/* --- commits --- */
static const struct ice_column two_columns[] = {{S_INIT("id"), S_INIT("BIGINT")}, {S_INIT("name"), S_INIT("VARCHAR")}};

UNUSED static const struct ice_schema *schema_of(struct call *c, const struct ice_table *former, const struct ice_column *v, int n)
{
	struct ice_schema *s = ARENA_NEW(c->arena, struct ice_schema);
	struct str *casts;

	INVARIANT(ice_schema_of(c, former, v, n, s, &casts));
	return s;
}

/* Files of 10, 11, … rows, whose objects are put. */
UNUSED static const struct ice_file *new_files(struct call *c, struct store *s, int n)
{
	struct ice_file *v = ARENA_ARRAY(c->arena, struct ice_file, (size_t)n + 1);

	for (int i = 0; i < n; i++) {
		v[i] = (struct ice_file){.path = ice_new_data_path(c->arena, i), .rows = 10 + i, .bytes = 7};
		INVARIANT(s->ops->put(c, s, arena_fmt(c->arena, TABLE "/%.*s", SARG(v[i].path)), S("parquet"), STORE_NEW));
	}
	return v;
}

UNUSED static struct ice_change change_of(struct call *c, struct store *s, enum ice_how how, int nfiles)
{
	struct ice_change x = {.how = how, .schema = schema_of(c, NULL, two_columns, 2), .nfiles = nfiles};

	x.files = new_files(c, s, nfiles);
	return x;
}

UNUSED static struct ice_committed commit_change(struct rig *r, const struct ice_change *x)
{
	struct ice_committed done;

	worked(r, ice_commit(&r->c, r->s, S(TABLE), x, NULL, NULL, &done));
	return done;
}

UNUSED static struct ice_committed commit_files(struct rig *r, enum ice_how how, int nfiles)
{
	struct ice_change x = change_of(&r->c, r->s, how, nfiles);

	return commit_change(r, &x);
}

/* For flaky.before: another commits just before a version is put. arg: the rig. */
UNUSED static void another_commits(struct flaky *f, enum verb verb, struct str key)
{
	struct rig *r = f->arg;
	struct ice_change x;
	struct ice_committed done;

	if (verb != VERB_PUT || !str_ends(key, S(".metadata.json")))
		return;
	f->before = NULL;
	x = change_of(&r->c, r->folder, ICE_APPEND, 1);
	INVARIANT(ice_commit(&r->c, r->folder, S(TABLE), &x, NULL, NULL, &done));
}

UNUSED static struct ice_table load_table(struct rig *r)
{
	struct ice_table t;

	worked(r, ice_load(&r->c, r->s, S(TABLE), &t));
	return t;
}

/* fork() copies the pool of random bytes: what both would draw is thrown away. */
UNUSED static pid_t fork_apart(void)
{
	unsigned char some[1024];
	pid_t pid = fork();

	for (int i = 0; pid == 0 && i < 4; i++)
		id_random(some, sizeof(some));
	return pid;
}

/* Waits for a process: was it killed? Else it must have ended well. */
UNUSED static bool was_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGKILL);
	else
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

/* How many files a snapshot has; all of them are there. */
UNUSED static int files_of(struct rig *r, const struct ice_table *t, const struct ice_snapshot *s, int64_t *ret_rows)
{
	struct ice_file *v;
	int64_t rows = 0;
	int n;

	worked(r, ice_files(&r->c, r->s, S(TABLE), t->location, s->manifest_list, &v, &n));
	for (int i = 0; i < n; i++) {
		assert_true(file_is_there(r, v[i].path));
		rows += v[i].rows;
	}
	if (ret_rows)
		*ret_rows = rows;
	return n;
}

/* Every snapshot follows the one before it, ids and numbers and times grow, and all that they name is there. */
UNUSED static void is_linear(struct rig *r, const struct ice_table *t)
{
	for (int i = 0; i < t->nsnapshots; i++) {
		const struct ice_snapshot *s = &t->snapshots[i], *was = i ? s - 1 : NULL;

		assert_true(!was || (s->parent == was->id && s->id > was->id && s->sequence > was->sequence && s->at_ms > was->at_ms));
		files_of(r, t, s, NULL);
	}
	assert_ptr_equal(t->current, &t->snapshots[t->nsnapshots - 1]);
}

#endif
