/* runner_project_test.c - trees: paths, limits, the tail rule; contents by etag: puts, caps, marks, sweeps. */
#include "plan_rig.h"

/* --- paths and trees --- */

static void paths_are_checked(void **state)
{
	static const char *const right[] = {"a.sql", "init/01.sql", "a/b/c/d.sql", "…/ü.sql", "a b.sql", ".hidden", "a..b", "...", "x\\y"};
	static const char *const bad[] = {"", "/a.sql", "a//b", "a/", "./a", "a/./b", "../a", "a/..", "a/../b", ".", "..", "a\nb", "a\x7f", "a\xff"};
	struct fixture *f = *state;
	char longest[JOB_PATH_MAX + 1];

	for (size_t i = 0; i < COUNT_OF(right); i++)
		assert_true(fine(f, tree_path_check(&f->c, str_of(right[i]))));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_error(f, tree_path_check(&f->c, str_of(bad[i])), ERR_INVALID_PATH);
	memset(longest, 'a', sizeof(longest));
	assert_true(tree_path_check(&f->c, str_from(longest, JOB_PATH_MAX)));
	expect_error(f, tree_path_check(&f->c, str_from(longest, sizeof(longest))), ERR_INVALID_PATH);
	expect_error(f, tree_path_check(&f->c, str_from("a\0b", 3)), ERR_INVALID_PATH);
}

static void names_in_includes_are_resolved(void **state)
{
	static const struct {
		const char *from, *spelled, *is;
	} rows[] = {
		{"", "a.sql", "a.sql"}, {"", "./a.sql", "a.sql"}, {"", "x/../a.sql", "a.sql"}, {"", "x//a.sql", "x/a.sql"},
		{"m/n/f.sql", "a.sql", "m/n/a.sql"}, {"m/n/f.sql", "../a.sql", "m/a.sql"}, {"m/f.sql", "../../a.sql", NULL},
		{"", "../a.sql", NULL}, {"", "/a.sql", NULL}, {"", ".", NULL}, {"", "", NULL}, {"f.sql", "./x/./y.sql", "x/y.sql"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str got;
		bool ok = tree_resolve(&f->c, str_of(rows[i].from), str_of(rows[i].spelled), &got);

		if (rows[i].is) {
			assert_true(fine(f, ok));
			assert_str_equal(got, rows[i].is);
		} else {
			expect_error(f, ok, ERR_MISSING_INCLUDE);
		}
	}
}

static bool add(struct fixture *f, struct tree *t)
{
	bool ok = tree_add(&f->c, &f->r, &f->arena, t, f->files, f->nfiles);

	f->nfiles = 0;
	return ok;
}

static void trees_grow_by_parts(void **state)
{
	struct fixture *f = *state;
	struct tree t = {0};

	file(f, "m/2.sql", "two");
	file(f, "a.sql", "a");
	assert_true(fine(f, add(f, &t)));
	file(f, "z.sql", "zzzz");
	file(f, "m/1.sql", "one");
	file(f, "m/2.sql", "other");
	file(f, "0.sql", "");
	assert_true(fine(f, add(f, &t)));
	assert_int_equal(t.n, 5);
	assert_int_equal(t.bytes, 1 + 5 + 3 + 4);
	for (int i = 1; i < t.n; i++)
		assert_true(str_cmp(t.files[i - 1].path, t.files[i].path) < 0);
	assert_str_equal(tree_find(&t, S("m/2.sql"))->content, "other");
	assert_null(tree_find(&t, S("m")));
	assert_string_equal(tree_find(&t, S("0.sql"))->etag, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* Whatever the parts are, the tree is the same. */
static void trees_do_not_depend_on_their_parts(void **state)
{
	struct fixture *f = *state;
	struct tree whole = {0}, parts = {0};
	char names[30][16];

	for (int i = 0; i < 30; i++)
		snprintf(names[i], sizeof(names[i]), "f%d.sql", i * 7 % 30);
	for (int i = 0; i < 30; i++)
		file(f, names[i], names[i]);
	assert_true(fine(f, add(f, &whole)));
	for (int i = 0; i < 30; i++) {
		file(f, names[i], names[i]);
		if (i % 4 == 3 || i == 29)
			assert_true(fine(f, add(f, &parts)));
	}
	assert_int_equal(whole.n, parts.n);
	assert_int_equal(whole.bytes, parts.bytes);
	for (int i = 0; i < whole.n; i++) {
		assert_true(str_eq(whole.files[i].path, parts.files[i].path));
		assert_string_equal(whole.files[i].etag, parts.files[i].etag);
	}
}

static void trees_have_limits(void **state)
{
	struct fixture *f = *state;
	struct tree t = {0};
	char *big = calloc(1, 60001), names[41][8];

	memset(big, 'x', 60000);
	file(f, "a.sql", big);
	assert_true(fine(f, add(f, &t)));
	file(f, "b.sql", big);
	expect_error(f, add(f, &t), ERR_PROJECT_TOO_LARGE);
	assert_int_equal(t.n, 1); /* as before */
	assert_int_equal(t.bytes, 60000);
	file(f, "a.sql", big);
	assert_true(fine(f, add(f, &t)));
	file(f, "a.sql", big);
	assert_true(fine(f, add(f, &t)));
	file(f, "a.sql", big); /* replaced again and again: its memory is not free */
	expect_error(f, add(f, &t), ERR_PROJECT_TOO_LARGE);
	t = (struct tree){0};
	for (int i = 0; i < 41; i++) {
		snprintf(names[i], sizeof(names[i]), "%d", i);
		file(f, names[i], "");
	}
	expect_error(f, add(f, &t), ERR_PROJECT_TOO_LARGE);
	free(big);
}

static void bad_files_are_refused(void **state)
{
	struct fixture *f = *state;
	struct tree t = {0};
	struct job_file twice[] = {{.path = S_INIT("a"), .content = S_INIT("1")}, {.path = S_INIT("b"), .content = S_INIT("2")},
				   {.path = S_INIT("a"), .content = S_INIT("3")}};
	struct job_file etag = {.path = S_INIT("a"), .etag = S_INIT("sha256:12")}, none = {.path = S_INIT("a")};

	expect_error(f, tree_add(&f->c, &f->r, &f->arena, &t, twice, 3), ERR_INVALID_PATH);
	expect_error(f, tree_add(&f->c, &f->r, &f->arena, &t, &etag, 1), ERR_INVALID_FIELD);
	etag.etag = S("md5:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect_error(f, tree_add(&f->c, &f->r, &f->arena, &t, &etag, 1), ERR_INVALID_FIELD);
	etag.etag = S("sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect_error(f, tree_add(&f->c, &f->r, &f->arena, &t, &etag, 1), ERR_INVALID_FIELD);
	expect_error(f, tree_add(&f->c, &f->r, &f->arena, &t, &none, 1), ERR_INVALID_FIELD);
	assert_int_equal(t.n, 0);
}

/* --- the tail rule: the contract's sentences as rows --- */

static const struct {
	const char *files, *chain, *head; /* blanks between; chain NULL: by the rule */
	const char *tail, *unused;
	enum err_kind wrong;
} rules[] = {
	{"q.sql", NULL, "q.sql", "", "", 0},
	{"seed/a.sql init/z.sql b.sql q.sql z.sql", NULL, "q.sql", "init/z.sql seed/a.sql b.sql", "z.sql", 0},
	{"migrations/002.sql migrations/001.sql migrations/010.sql queries/top.sql", NULL, "queries/top.sql",
	 "migrations/001.sql migrations/002.sql migrations/010.sql", "", 0},
	{"init/1.sql init/2.sql init/3.sql seed/1.sql a.sql", NULL, "init/2.sql", "init/1.sql", "a.sql init/3.sql seed/1.sql", 0},
	{"init/1.sql seed/1.sql seed/2.sql a.sql", NULL, "seed/2.sql", "init/1.sql seed/1.sql", "a.sql", 0},
	/* bytewise: - before / before letters, capitals before small ones */
	{"a/b.sql a-b.sql a.sql B.sql q.sql", NULL, "q.sql", "B.sql a-b.sql a.sql a/b.sql", "", 0},
	/* test/ and bench/ are in nobody's tail, the head may lie there; only at the top */
	{"init/1.sql m/1.sql test/a.sql test/b.sql bench/c.sql", NULL, "test/b.sql", "init/1.sql m/1.sql", "bench/c.sql test/a.sql", 0},
	{"a.sql m/test/x.sql tests/y.sql zz.sql bench.sql", NULL, "zz.sql", "a.sql bench.sql m/test/x.sql tests/y.sql", "", 0},
	{"a.sql bench/x/y.sql c.sql", NULL, "bench/x/y.sql", "a.sql", "c.sql", 0},
	/* only *.sql; init and seed are folders */
	{"README.md data.csv a.sql b.SQL q.sql init.sql seed", NULL, "q.sql", "a.sql init.sql", "", 0},
	/* chains */
	{"a.sql b.sql c.sql q.sql", "c.sql a.sql", "q.sql", "c.sql a.sql", "b.sql", 0},
	{"a.sql b.sql c.sql q.sql", "c.sql q.sql a.sql", "q.sql", "c.sql", "a.sql b.sql", 0},
	{"a.sql q.sql", "", "q.sql", "", "a.sql", 0},
	{"a.sql q.sql x.txt test/t.sql", "x.txt test/t.sql a.sql q.sql", "q.sql", "a.sql", "test/t.sql", 0},
	{"seed/1.sql init/1.sql q.sql", "seed/1.sql init/1.sql", "q.sql", "seed/1.sql init/1.sql", "", 0},
	{"a.sql q.sql", "a.sql nope.sql", "q.sql", NULL, NULL, ERR_INVALID_PATH},
	{"a.sql q.sql", "q.sql nope.sql", "q.sql", NULL, NULL, ERR_INVALID_PATH},
	{"a.sql q.sql", "a.sql a.sql", "q.sql", NULL, NULL, ERR_INVALID_PATH},
	{"a.sql q.sql", "q.sql q.sql", "q.sql", NULL, NULL, ERR_INVALID_PATH},
	{"a.sql", NULL, "q.sql", NULL, NULL, ERR_HEAD_NOT_FOUND},
	{"a.sql", NULL, "", NULL, NULL, ERR_HEAD_NOT_FOUND},
	{"", NULL, "q.sql", NULL, NULL, ERR_EMPTY_PROJECT},
};

static int words(struct fixture *f, const char *text, struct str **ret)
{
	struct str rest = str_of(text);
	int n = 0;

	*ret = ARENA_ARRAY(&f->arena, struct str, 32);
	while (rest.n)
		(*ret)[n++] = str_cut(&rest, ' ');
	return n;
}

static void expect_words(struct fixture *f, const struct str *v, int n, const char *text)
{
	OWNS(buf) b = {0};

	(void)f;
	for (int i = 0; i < n; i++) {
		if (i)
			buf_addc(&b, ' ');
		buf_add(&b, v[i]);
	}
	assert_string_equal(buf_cstr(&b), text);
}

static void tails_are_by_the_rule(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct str *paths, *chain = NULL;
		struct tree t = {0};
		struct tree_order o;
		int n = words(f, rules[i].files, &paths), nchain = rules[i].chain ? words(f, rules[i].chain, &chain) : -1;
		bool ok;

		for (int k = 0; k < n; k++)
			file(f, arena_cstr(&f->arena, paths[k]), "");
		assert_true(fine(f, add(f, &t)));
		ok = tree_order(&f->c, &t, str_of(rules[i].head), chain, nchain, &o);
		if (rules[i].wrong) {
			expect_error(f, ok, rules[i].wrong);
			continue;
		}
		assert_true(fine(f, ok));
		expect_words(f, o.tail, o.ntail, rules[i].tail);
		expect_words(f, o.unused, o.nunused, rules[i].unused);
	}
}

/* --- blobs --- */

static void put(struct fixture *f, const char *content)
{
	assert_true(fine(f, runner_blob_put(&f->c, &f->r, etag_of(f, str_of(content)), str_of(content))));
}

static bool has(struct fixture *f, const char *content)
{
	bool ok = runner_blob_has(&f->c, &f->r, etag_of(f, str_of(content)));

	if (!ok)
		expect_error(f, ok, ERR_NOT_FOUND);
	return ok;
}

static void blobs_are_put_and_found(void **state)
{
	struct fixture *f = *state;
	struct str got, hex;

	assert_false(has(f, "select 1"));
	put(f, "select 1");
	put(f, "select 1");
	put(f, "");
	assert_true(has(f, "select 1"));
	assert_true(has(f, ""));
	assert_true(etag_hex(&f->c, etag_of(f, S("select 1")), &hex));
	assert_true(fine(f, blob_get(&f->c, &f->r, hex, &got)));
	assert_str_equal(got, "select 1");
	expect_error(f, runner_blob_put(&f->c, &f->r, etag_of(f, S("x")), S("y")), ERR_ETAG_MISMATCH);
	expect_error(f, runner_blob_put(&f->c, &f->r, S("sha256:zz"), S("y")), ERR_INVALID_FIELD);
	f->c.tenant = S("other"); /* invisible to others */
	assert_false(has(f, "select 1"));
	expect_error(f, blob_get(&f->c, &f->r, hex, &got), ERR_NOT_FOUND);
}

static void blobs_survive_their_server(void **state)
{
	struct fixture *f = *state;
	struct runner second = {0};
	struct str got, hex;

	put(f, "select 1");
	rig_open(f, &second, f->r.o.store);
	assert_true(fine(f, runner_blob_has(&f->c, &second, etag_of(f, S("select 1")))));
	put(f, "select 2"); /* behind the other's back */
	assert_true(fine(f, runner_blob_has(&f->c, &second, etag_of(f, S("select 2")))));
	assert_true(etag_hex(&f->c, etag_of(f, S("select 2")), &hex));
	assert_true(fine(f, blob_get(&f->c, &second, hex, &got)));
	assert_str_equal(got, "select 2");
	plans_close(&second);
}

static void blobs_of_a_tenant_are_capped(void **state)
{
	struct fixture *f = *state;
	struct str big = {memset(arena_alloc(&f->arena, 9000), 'x', 9000), 9000};

	rig_blob_bytes = 12288; /* three small ones: each counts a block at least */
	put(f, "1");
	put(f, "2");
	expect_error(f, runner_blob_put(&f->c, &f->r, etag_of(f, big), big), ERR_QUOTA);
	put(f, "3");
	expect_error(f, runner_blob_put(&f->c, &f->r, etag_of(f, S("4")), S("4")), ERR_QUOTA);
	put(f, "3"); /* there already: costs nothing */
	f->c.tenant = S("other");
	put(f, "4");
}

static struct str stored(struct fixture *f, const char *content)
{
	return arena_fmt(&f->arena, "tenants/acme/blobs/%s", etag_of(f, str_of(content)).p + 7);
}

static size_t count_keys(struct fixture *f)
{
	struct store_entry *e;
	size_t n;

	assert_true(fine(f, f->r.o.store->ops->list(&f->c, f->r.o.store, S(""), S(""), &e, &n)));
	return n;
}

static void blobs_end_when_unused(void **state)
{
	struct fixture *f = *state;

	put(f, "used");
	put(f, "unused");
	clock_advance(RIG_TTL_S * 600);
	assert_true(has(f, "used")); /* refreshes it: more than half of its time was over */
	clock_advance(RIG_TTL_S * 600);
	assert_false(has(f, "unused")); /* its time is over, though no sweep came */
	assert_true(has(f, "used"));
	blobs_sweep(&f->c, &f->r);
	assert_int_equal(count_keys(f), 3); /* an old mark went; contents rather late than under somebody's hands */
	clock_advance(300000);
	blobs_sweep(&f->c, &f->r);
	assert_str_equal(f->c.tenant, "acme");
	assert_int_equal(count_keys(f), 2); /* the content and its latest mark */
	assert_true(has(f, "used"));
	clock_advance(RIG_TTL_S * 3000);
	blobs_sweep(&f->c, &f->r);
	assert_int_equal(count_keys(f), 0);
	assert_false(has(f, "used"));
	put(f, "used"); /* and may come again */
	assert_true(has(f, "used"));
	clock_advance(RIG_TTL_S * 100);
	blobs_sweep(&f->c, &f->r);
	assert_int_equal(count_keys(f), 1);
	assert_true(has(f, "used"));
}

static void blobs_of_live_jobs_stay(void **state)
{
	struct fixture *f = *state;
	struct job_file by_etag = {.path = S_INIT("a.sql"), .etag = etag_of(f, S("select 1"))};
	struct runner second = {0};
	struct tree t = {0};
	struct str got;

	put(f, "select 1");
	assert_true(fine(f, tree_add(&f->c, &f->r, &f->arena, &t, &by_etag, 1)));
	assert_true(fine(f, tree_check_blobs(&f->c, &f->r, &t)));
	assert_int_equal(t.files[0].size, 8);
	assert_int_equal(t.bytes, 8);
	assert_true(fine(f, tree_hold(&f->c, &f->r, &t, clock_wall_ms() + RIG_TTL_S * 20000)));
	clock_advance(RIG_TTL_S * 19000);
	rig_open(f, &second, f->r.o.store);
	blobs_sweep(&f->c, &second); /* another server knows it from the mark */
	assert_true(fine(f, tree_content(&f->c, &second, &t, S("a.sql"), &got)));
	assert_str_equal(got, "select 1");
	clock_advance(RIG_TTL_S * 3000);
	blobs_sweep(&f->c, &second);
	expect_error(f, tree_content(&f->c, &second, &t, S("a.sql"), &got), ERR_NOT_FOUND);
	plans_close(&second);
}

static void missing_blobs_are_listed(void **state)
{
	struct fixture *f = *state;
	struct job_file files[] = {{.path = S_INIT("a"), .etag = etag_of(f, S("1"))}, {.path = S_INIT("b"), .etag = etag_of(f, S("2"))},
				   {.path = S_INIT("c"), .content = S_INIT("3")}, {.path = S_INIT("d"), .etag = etag_of(f, S("4"))}};
	struct tree t = {0};

	put(f, "2");
	assert_true(fine(f, tree_add(&f->c, &f->r, &f->arena, &t, files, 4)));
	assert_false(tree_check_blobs(&f->c, &f->r, &t));
	assert_int_equal(f->c.err.kind, ERR_MISSING_BLOBS);
	assert_true(str_eq(f->c.err.more, arena_fmt(&f->arena, "\"missing\":[\"%s\",\"%s\"]", etag_of(f, S("1")).p, etag_of(f, S("4")).p)));
	call_forgive(&f->c);
	put(f, "1");
	put(f, "4");
	assert_true(fine(f, tree_check_blobs(&f->c, &f->r, &t)));
	assert_int_equal(t.bytes, 4);
}

static void sizes_by_etag_count(void **state)
{
	struct fixture *f = *state;
	struct str big = {memset(arena_alloc(&f->arena, 60000), 'x', 60000), 60000};
	struct job_file files[] = {{.path = S_INIT("a"), .etag = etag_of(f, big)}, {.path = S_INIT("b"), .content = big}};
	struct tree t = {0};

	assert_true(fine(f, runner_blob_put(&f->c, &f->r, files[0].etag, big)));
	assert_true(fine(f, tree_add(&f->c, &f->r, &f->arena, &t, files, 2)));
	expect_error(f, tree_check_blobs(&f->c, &f->r, &t), ERR_PROJECT_TOO_LARGE);
}

static void spoiled_contents_are_told(void **state)
{
	struct fixture *f = *state;
	struct runner second = {0};
	struct str got, hex;

	put(f, "select 1");
	assert_true(fine(f, f->r.o.store->ops->put(&f->c, f->r.o.store, stored(f, "select 1"), S("drop table"), STORE_REPLACE)));
	rig_open(f, &second, f->r.o.store); /* has nothing in memory */
	assert_true(etag_hex(&f->c, etag_of(f, S("select 1")), &hex));
	expect_error(f, blob_get(&f->c, &second, hex, &got), ERR_STORAGE);
	plans_close(&second);
}

static void tenants_are_found(void **state)
{
	struct fixture *f = *state;
	struct str *tenants;
	char name[8];
	int n;

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "t%02d", i);
		f->c.tenant = arena_dup(&f->arena, str_of(name));
		put(f, "1");
		put(f, "2");
	}
	f->c.tenant = S("default");
	put(f, "1");
	assert_true(fine(f, runner_tenants(&f->c, &f->r, &tenants, &n)));
	assert_int_equal(n, 21);
	assert_str_equal(tenants[0], "default");
	assert_str_equal(tenants[20], "t19");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(paths_are_checked), CASE(names_in_includes_are_resolved), CASE(trees_grow_by_parts),
		CASE(trees_do_not_depend_on_their_parts), CASE(trees_have_limits), CASE(bad_files_are_refused), CASE(tails_are_by_the_rule),
		CASE(blobs_are_put_and_found), CASE(blobs_survive_their_server), CASE(blobs_of_a_tenant_are_capped), CASE(blobs_end_when_unused),
		CASE(blobs_of_live_jobs_stay), CASE(missing_blobs_are_listed), CASE(sizes_by_etag_count), CASE(spoiled_contents_are_told),
		CASE(tenants_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
