/* store_test.c - the contract that every backend of store/ keeps, and appends where a backend has them. */
#include "store_rig.h"

static void a_put_is_read_back_whole_and_in_ranges(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		OWNS(buf) b = {0};

		expect_error(&f, get(&f, "a/b", 0, 10, &b), ERR_NOT_FOUND);
		assert_true(put(&f, "a/b", "0123456789", STORE_NEW));
		expect_error(&f, put(&f, "a/b", "other", STORE_NEW), ERR_CONFLICT);
		expect_bytes(&f, "a/b", "0123456789");
		assert_true(get(&f, "a/b", 3, 4, &b));
		assert_str_equal(buf_str(&b), "3456");
		assert_true(get(&f, "a/b", 8, 4, &b));
		assert_str_equal(buf_str(&b), "89");
		assert_true(get(&f, "a/b", 10, 4, &b));
		assert_int_equal(b.n, 0);
		assert_true(get(&f, "a/b", 1000, INT64_MAX, &b));
		assert_int_equal(b.n, 0);
		assert_true(put(&f, "a/b", "new", STORE_REPLACE));
		expect_bytes(&f, "a/b", "new");
		assert_true(put(&f, "a/c", "", STORE_REPLACE));
		expect_bytes(&f, "a/c", "");
		assert_true(f.s->ops->drop(&f.c, f.s, S("a/b")));
		assert_true(f.s->ops->drop(&f.c, f.s, S("a/b")));
		assert_true(f.s->ops->drop(&f.c, f.s, S("no/such/key")));
		expect_error(&f, get(&f, "a/b", 0, 10, &b), ERR_NOT_FOUND);
		expect_error(&f, get(&f, "a", 0, 10, &b), ERR_NOT_FOUND);
		reopen(&f);
		expect_bytes(&f, "a/c", "");
	}
}

static void large_objects_and_small_buffers(void **state)
{
	enum { LARGE = 5 * 1024 * 1024 + 3 };
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		OWNS(buf) in = {0};
		OWNS(buf) out = {0};
		OWNS(buf) small = {.limit = 1000};

		id_random(buf_room(&in, LARGE), LARGE);
		in.n = LARGE;
		assert_true(f.s->ops->put(&f.c, f.s, S("large"), buf_str(&in), STORE_NEW));
		assert_true(get(&f, "large", 0, INT64_MAX, &out));
		assert_true(str_eq(buf_str(&out), buf_str(&in)));
		buf_lit(&small, "kept");
		expect_error(&f, f.s->ops->get(&f.c, f.s, S("large"), 0, INT64_MAX, &small), ERR_RESULT_TOO_LARGE);
		assert_str_equal(buf_str(&small), "kept");
	}
}

static void keys_are_checked(void **state)
{
	static const char *const bad[] = {"", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a", "a/./b", "a b", "a\n",
					  "\xc3\xa4", "a\\b", "~tmp", "a:b", "*"};
	static const char *const good[] = {"a", "a/b/c", "...", ".a", "a..", "A-Z_0.9=$", "t=1/x"};
	struct fixture f;
	char key[STORE_KEY_MAX + 2];

	(void)state;
	assert_false(store_key_valid(str_from("a\0b", 3)));
	memset(key, 'k', sizeof(key));
	assert_false(store_key_valid(str_from(key, 256)));
	for (size_t i = 2; i < sizeof(key); i += 3)
		key[i] = '/';
	assert_true(store_key_valid(str_from(key, STORE_KEY_MAX)));
	assert_false(store_key_valid(str_from(key, STORE_KEY_MAX + 1)));
	EACH_BACKEND(&f)
	{
		OWNS(buf) b = {0};

		for (size_t i = 0; i < COUNT_OF(bad); i++) {
			assert_false(store_key_valid(str_of(bad[i])));
			expect_error(&f, put(&f, bad[i], "x", STORE_NEW), ERR_INVALID_FIELD);
			expect_error(&f, get(&f, bad[i], 0, 1, &b), ERR_INVALID_FIELD);
			expect_error(&f, f.s->ops->drop(&f.c, f.s, str_of(bad[i])), ERR_INVALID_FIELD);
			if (!f.backend->appends)
				continue;
			expect_error(&f, append(&f, bad[i], 0, "x"), ERR_INVALID_FIELD);
			expect_error(&f, f.s->ops->cut(&f.c, f.s, str_of(bad[i]), 0), ERR_INVALID_FIELD);
		}
		for (size_t i = 0; i < COUNT_OF(good); i++) {
			if (strcmp(good[i], "a/b/c") == 0)
				assert_true(f.s->ops->drop(&f.c, f.s, S("a")));
			assert_true(put(&f, good[i], good[i], STORE_NEW));
			expect_bytes(&f, good[i], good[i]);
		}
		assert_true(f.s->ops->put(&f.c, f.s, str_from(key, STORE_KEY_MAX), S("deep"), STORE_NEW));
		assert_true(f.s->ops->drop(&f.c, f.s, str_from(key, STORE_KEY_MAX)));
	}
}

static void a_key_is_not_the_folder_of_another(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND_THAT(&f, b_->folders)
	{
		OWNS(buf) b = {0};

		assert_true(put(&f, "a/b", "1", STORE_NEW));
		expect_error(&f, put(&f, "a", "2", STORE_NEW), ERR_CONFLICT);
		expect_error(&f, put(&f, "a", "2", STORE_REPLACE), ERR_CONFLICT);
		expect_error(&f, put(&f, "a/b/c", "2", STORE_NEW), ERR_CONFLICT);
		if (f.backend->appends) {
			expect_error(&f, append(&f, "a", 0, "2"), ERR_CONFLICT);
			expect_error(&f, append(&f, "a/b/c", 0, "2"), ERR_CONFLICT);
		}
		expect_error(&f, get(&f, "a/b/c", 0, 1, &b), ERR_NOT_FOUND);
		assert_true(f.s->ops->drop(&f.c, f.s, S("a")));
		assert_true(f.s->ops->drop(&f.c, f.s, S("a/b/c")));
		expect_bytes(&f, "a/b", "1");
		assert_true(f.s->ops->drop(&f.c, f.s, S("a/b")));
		assert_true(put(&f, "a", "3", STORE_NEW));
	}
}

/* --- races --- */
static void put_new_once(struct racer *r)
{
	struct fixture *f = r->arg;
	struct own_call own = {0};
	char text[16];

	call_open(&own.c, &own.arena);
	snprintf(text, sizeof(text), "by %d", r->number);
	r->wins = f->s->ops->put(&own.c, f->s, S("race/deep/er"), str_of(text), STORE_NEW);
	if (!r->wins)
		INVARIANT(own.c.err.kind == ERR_CONFLICT);
	arena_close(&own.arena);
}

static void of_many_racers_one_makes_the_object(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		for (int round = 0; round < 20; round++) {
			OWNS(buf) b = {0};

			assert_int_equal(race(put_new_once, &f), 1);
			assert_true(get(&f, "race/deep/er", 0, 100, &b));
			assert_true(str_starts(buf_str(&b), S("by ")));
			assert_true(f.s->ops->drop(&f.c, f.s, S("race/deep/er")));
		}
	}
}

/* Folders come and go under each other's hands. */
static void put_and_drop(struct racer *r)
{
	struct fixture *f = r->arg;
	struct own_call own = {0};

	call_open(&own.c, &own.arena);
	for (int i = 0; i < 50; i++) {
		struct str key = arena_fmt(&own.arena, "churn/%d/%d/x", i % 3, r->number % 4 == 0 ? 0 : r->number);
		enum store_put how = i % 2 ? STORE_NEW : STORE_REPLACE;

		if (!f->s->ops->put(&own.c, f->s, key, key, how)) {
			INVARIANT(own.c.err.kind == ERR_CONFLICT && r->number % 4 == 0);
			call_forgive(&own.c);
		}
		INVARIANT(f->s->ops->drop(&own.c, f->s, key));
		INVARIANT(!f->backend->appends ||
			  f->s->ops->append(&own.c, f->s, arena_fmt(&own.arena, "churn/%d/log%d", i % 3, r->number), 0, key, false));
		INVARIANT(f->s->ops->drop(&own.c, f->s, arena_fmt(&own.arena, "churn/%d/log%d", i % 3, r->number)));
	}
	arena_close(&own.arena);
}

static void puts_and_drops_race_for_folders(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct store_entry *all;
		size_t n;

		race(put_and_drop, &f);
		assert_true(f.s->ops->list(&f.c, f.s, S(""), S(""), &all, &n));
		assert_int_equal(n, 0);
		assert_true(put(&f, "churn", "its folders are gone", STORE_NEW));
	}
}

static void append_in_turn(struct racer *r)
{
	struct fixture *f = r->arg;
	struct own_call own = {0};

	call_open(&own.c, &own.arena);
	for (int64_t at = 0; at < 40 * 4;) {
		if (f->s->ops->append(&own.c, f->s, S("logs/one"), at, S("line"), at % 16 == 0))
			r->wins++;
		else
			INVARIANT(own.c.err.kind == ERR_CONFLICT);
		call_forgive(&own.c);
		at += 4;
	}
	arena_close(&own.arena);
}

static void each_offset_is_appended_once(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND_WITH_APPENDS(&f)
	{
		OWNS(buf) b = {0};

		assert_int_equal(race(append_in_turn, &f) * 4, 160);
		assert_true(get(&f, "logs/one", 0, INT64_MAX, &b));
		assert_int_equal(b.n, 160);
		for (size_t i = 0; i < b.n; i += 4)
			assert_memory_equal(b.p + i, "line", 4);
	}
}

/* --- listing --- */
enum { MANY = 3000, FEW = STORE_LIST_MAX + 50, FEWER = 200 };

struct model {
	char keys[MANY][48];
	size_t n;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Few letters, so that names are often each other's beginnings. */
static void random_key(char to[48])
{
	static const char letters[] = "ab-.=$_0";
	unsigned char dice[16];
	size_t n = 0;

	id_random(dice, sizeof(dice));
	for (size_t i = 0; i < (size_t)(2 + dice[0] % 10); i++) {
		bool cut = i > 0 && to[n - 1] != '/' && dice[i + 1] % 4 == 0;

		to[n++] = cut ? '/' : letters[dice[i + 1] / 4 % 8];
	}
	to[n] = 0;
}

/* An append without a sync is the cheaper way where there is one. */
static bool make(struct call *c, struct fixture *f, struct str key)
{
	return f->backend->appends ? f->s->ops->append(c, f->s, key, 0, key, false) : f->s->ops->put(c, f->s, key, key, STORE_NEW);
}

static void fill(struct fixture *f, struct model *m, size_t n)
{
	struct arena scratch = {0};

	m->n = 0;
	while (m->n < n) {
		struct str key;
		struct call c;

		call_open(&c, &scratch);
		random_key(m->keys[m->n]);
		key = str_of(m->keys[m->n]);
		if (store_key_valid(key) && make(&c, f, key))
			m->n++;
		arena_reset(&scratch);
	}
	arena_close(&scratch);
	qsort(m->keys, m->n, sizeof(m->keys[0]), by_text);
}

static void expect_listing(struct fixture *f, const struct model *m, const char *prefix, const char *after)
{
	struct store_entry *all;
	size_t n, at = 0;

	if (!f->s->ops->list(&f->c, f->s, str_of(prefix), str_of(after), &all, &n))
		print_error("list '%s' after '%s': %s\n", prefix, after, f->c.err.text);
	assert_int_equal(f->c.err.kind, ERR_NONE);
	for (size_t i = 0; i < m->n && at < STORE_LIST_MAX; i++) {
		struct str key = str_of(m->keys[i]);

		if (!str_starts(key, str_of(prefix)) || strcmp(m->keys[i], after) <= 0)
			continue;
		assert_true(at < n);
		assert_true(str_eq(all[at].key, key));
		assert_int_equal(all[at].size, key.n);
		at++;
	}
	assert_int_equal(at, n);
}

static void listings_are_in_the_order_of_bytes(void **state)
{
	static const char *const prefixes[] = {"", "a", "a/", "a/b", "a-", "b/a/", ".", "-", "zz", "a//", "/", "//", "../", "../a", "a/../"};
	struct model *m = base_zalloc(sizeof(*m));
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		size_t step = f.backend->remote ? 397 : 97;
		char after[48] = "";

		fill(&f, m, f.backend->remote ? FEWER : MANY);
		for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
			expect_listing(&f, m, prefixes[i], "");
			for (int j = 0; j < (f.backend->remote ? 2 : 40); j++) {
				random_key(after);
				expect_listing(&f, m, prefixes[i], after);
			}
		}
		for (size_t i = 0; i < m->n; i += step)
			expect_listing(&f, m, "", m->keys[i]);
		for (size_t i = 0; i < m->n; i += step)
			expect_listing(&f, m, m->keys[i], "");
	}
	free(m);
}

static void pages_follow_each_other(void **state)
{
	struct model *m = base_zalloc(sizeof(*m));
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct str after = S("");
		struct store_entry *all;
		size_t n, seen = 0;
		int pages = 0;

		fill(&f, m, f.backend->remote ? FEW : MANY);
		do {
			assert_true(f.s->ops->list(&f.c, f.s, S(""), after, &all, &n));
			for (size_t i = 0; i < n; i++)
				assert_true(str_eq(all[i].key, str_of(m->keys[seen++])));
			after = n ? all[n - 1].key : after;
			pages++;
		} while (n == STORE_LIST_MAX);
		assert_int_equal(seen, m->n);
		assert_int_equal(pages, (int)(m->n / STORE_LIST_MAX) + 1);
	}
	free(m);
}

static void an_entry_tells_size_and_time(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct store_entry *all;
		size_t n;

		assert_true(put(&f, "x/y", "12345", STORE_NEW));
		assert_true(f.s->ops->list(&f.c, f.s, S("x/"), S(""), &all, &n));
		assert_int_equal(n, 1);
		assert_int_equal(all[0].size, 5);
		assert_true(llabs(all[0].changed_ms - clock_wall_ms()) < 60000);
	}
}

static void locations_are_absolute(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND_THAT(&f, b_->folders)
	{
		const char *want = arena_fmt(&f.arena, "file://%s/a%%20b/store", f.place).p;
		char back[4096];

		assert_non_null(getcwd(back, sizeof(back)));
		assert_int_equal(mkdir(arena_fmt(&f.arena, "%s/a b", f.place).p, 0700), 0);
		assert_int_equal(chdir(f.place), 0);
		f.s->ops->close(f.s);
		f.s = f.backend->open(&f.c, "a b");
		assert_int_equal(chdir(back), 0);
		assert_non_null(f.s);
		assert_str_equal(f.s->location, want);
	}
}

/* --- appends --- */
static void an_append_fits_the_size_or_conflicts(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND_WITH_APPENDS(&f)
	{
		expect_error(&f, append(&f, "log", 4, "x"), ERR_CONFLICT);
		expect_error(&f, f.s->ops->cut(&f.c, f.s, S("log"), 0), ERR_NOT_FOUND);
		assert_true(append(&f, "log", 0, "one "));
		expect_error(&f, append(&f, "log", 0, "x"), ERR_CONFLICT);
		expect_error(&f, append(&f, "log", 3, "x"), ERR_CONFLICT);
		expect_error(&f, append(&f, "log", 5, "x"), ERR_CONFLICT);
		assert_true(append(&f, "log", 4, "two"));
		expect_bytes(&f, "log", "one two");
		expect_error(&f, f.s->ops->cut(&f.c, f.s, S("log"), 8), ERR_CONFLICT);
		assert_true(f.s->ops->cut(&f.c, f.s, S("log"), 7));
		assert_true(f.s->ops->cut(&f.c, f.s, S("log"), 4));
		assert_true(append(&f, "log", 4, "three"));
		reopen(&f);
		expect_bytes(&f, "log", "one three");
		assert_true(append(&f, "log", 9, "!"));
		assert_true(f.s->ops->drop(&f.c, f.s, S("log")));
		expect_error(&f, append(&f, "log", 10, "x"), ERR_CONFLICT);
		assert_true(append(&f, "log", 0, "again"));
		assert_true(put(&f, "log", "whole", STORE_REPLACE));
		assert_true(append(&f, "log", 5, "!"));
		expect_bytes(&f, "log", "whole!");
	}
}

static void more_logs_grow_than_are_kept_open(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND_WITH_APPENDS(&f)
	{
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < 200; i++) {
				struct str key = arena_fmt(&f.arena, "logs/%d", i);

				assert_true(f.s->ops->append(&f.c, f.s, key, round * 3, S("abc"), false));
			}
		}
		expect_bytes(&f, "logs/0", "abcabcabc");
		expect_bytes(&f, "logs/199", "abcabcabc");
	}
}

/* --- what there is to test --- */
static void tell_backend(const struct backend *b)
{
	if (!b->missing())
		return;
	print_message("SKIP: %s\n", b->missing());
	skip();
}

static void opendal_fs_is_tested(void **state)
{
	(void)state;
	tell_backend(&backends[1]);
}

static void s3_is_tested(void **state)
{
	(void)state;
	tell_backend(&backends[2]);
}

/* Tests that sync indeed; for the others it is enough that they would: being killed loses no page. */
static int on_disk(void **state)
{
	(void)state;
	faults.no_disk = false;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_put_is_read_back_whole_and_in_ranges, on_disk, off_disk),
		cmocka_unit_test(large_objects_and_small_buffers),
		cmocka_unit_test(keys_are_checked),
		cmocka_unit_test(a_key_is_not_the_folder_of_another),
		cmocka_unit_test_setup_teardown(of_many_racers_one_makes_the_object, on_disk, off_disk),
		cmocka_unit_test(puts_and_drops_race_for_folders),
		cmocka_unit_test(each_offset_is_appended_once),
		cmocka_unit_test(listings_are_in_the_order_of_bytes),
		cmocka_unit_test(pages_follow_each_other),
		cmocka_unit_test(an_entry_tells_size_and_time),
		cmocka_unit_test(locations_are_absolute),
		cmocka_unit_test_setup_teardown(an_append_fits_the_size_or_conflicts, on_disk, off_disk),
		cmocka_unit_test(more_logs_grow_than_are_kept_open),
		cmocka_unit_test(opendal_fs_is_tested),
		cmocka_unit_test(s3_is_tested),
	};

	return cmocka_run_group_tests_name("store", tests, off_disk, NULL);
}
