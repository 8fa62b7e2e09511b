/* store_cache_test.c - objects as local files: fetched once, held while they are read, the longest unused go first. */
#include "store/store.h"

#include "folder.h"
#include "race.h"

#include <dirent.h>
#include <fcntl.h>

enum { MAX_BYTES = 1000 };

/* A folder store that counts what is fetched, and may hold fetches up or refuse them. */
struct fixture {
	struct arena arena;
	struct call c;
	char place[FOLDER_PATH_MAX];
	struct store *real;
	struct store counting;
	struct store_cache *k;
	atomic_int gets;
	atomic_bool refuse;
	atomic_int wait_for; /* a fetch goes on when so many ask */
	atomic_int asking;
	atomic_bool unkind;  /* puts fail */
};

static struct fixture *now;

static bool counted_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	(void)s;
	now->gets++;
	for (int64_t until = clock_mono_ms() + 60000; now->asking < now->wait_for; sched_yield())
		INVARIANT(clock_mono_ms() < until);
	if (now->refuse)
		return fail(c, ERR_UNAVAILABLE, "the store is away");
	return now->real->ops->get(c, now->real, key, offset, max, ret);
}

static bool counted_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	(void)s;
	if (now->unkind)
		return fail(c, ERR_UNAVAILABLE, "the store is away");
	return now->real->ops->put(c, now->real, key, bytes, how);
}

static const struct store_ops counting_ops = {.name = "counting", .get = counted_get, .put = counted_put};

static struct str cache_dir(struct fixture *f)
{
	return arena_fmt(&f->arena, "%s/cache", f->place);
}

static void reopen(struct fixture *f)
{
	if (f->k)
		store_cache_close(f->k);
	f->k = store_cache_open(&f->c, &f->counting, cache_dir(f), MAX_BYTES);
	assert_non_null(f->k);
}

static int begin(void **state)
{
	struct fixture *f = base_zalloc(sizeof(*f));

	call_open(&f->c, &f->arena);
	folder_make(f->place);
	f->real = store_folder_open(&f->c, arena_fmt(&f->arena, "%s/store", f->place));
	assert_non_null(f->real);
	f->counting.ops = &counting_ops;
	now = f;
	reopen(f);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	store_cache_close(f->k);
	f->real->ops->close(f->real);
	folder_remove(f->place);
	arena_close(&f->arena);
	free(f);
	return 0;
}

static void store_object(struct fixture *f, const char *key, size_t n)
{
	char *bytes = arena_alloc(&f->arena, n);

	memset(bytes, key[0], n);
	assert_true(f->real->ops->put(&f->c, f->real, str_of(key), str_from(bytes, n), STORE_NEW));
}

static struct store_held *hold(struct fixture *f, const char *tenant, const char *key, int64_t size, struct str *ret_path)
{
	struct store_held *h = NULL;

	assert_true(store_cache_hold(&f->c, f->k, str_of(tenant), str_of(key), size, ret_path, &h));
	return h;
}

/* Holds and releases. */
static void use(struct fixture *f, const char *key, int64_t size)
{
	struct str path;

	store_cache_release(hold(f, "default", key, size, &path));
}

static void expect_refused(struct fixture *f, const char *key, int64_t size, enum err_kind kind)
{
	struct store_held *h = NULL;
	struct str path = S("");

	assert_false(store_cache_hold(&f->c, f->k, S("default"), str_of(key), size, &path, &h));
	assert_int_equal(f->c.err.kind, kind);
	assert_null(h);
	assert_int_equal(path.n, 0);
	call_forgive(&f->c);
}

static struct store_cache_stats stats(struct fixture *f)
{
	struct store_cache_stats s;

	store_cache_stats(f->k, &s);
	return s;
}

static void expect_file(struct str path, char letter, size_t n)
{
	int fd = open(path.p, O_RDONLY);
	OWNS(buf) b = {0};
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_true(file_read(fd, n + 1, &b));
	close(fd);
	assert_int_equal(b.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(b.p[i], letter);
}

static bool there(struct str path)
{
	return access(path.p, F_OK) == 0;
}

static int files_in(struct fixture *f, const char *tenant)
{
	DIR *d = opendir(arena_fmt(&f->arena, "%s/cache/%s", f->place, tenant).p);
	int n = 0;

	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void an_object_is_fetched_once(void **state)
{
	struct fixture *f = *state;
	struct str first, again;
	struct store_held *a, *b;

	store_object(f, "a/b.parquet", 100);
	a = hold(f, "default", "a/b.parquet", 100, &first);
	b = hold(f, "default", "a/b.parquet", 100, &again);
	assert_int_equal(f->gets, 1);
	assert_true(str_eq(first, again));
	assert_int_equal(first.p[0], '/');
	expect_file(first, 'a', 100);
	store_cache_release(a);
	store_cache_release(b);
	store_cache_release(NULL);
	assert_int_equal(stats(f).hits, 1);
	assert_int_equal(stats(f).misses, 1);
	assert_int_equal(stats(f).files, 1);
	assert_int_equal(stats(f).bytes, 100);
	store_object(f, "empty", 0);
	a = hold(f, "default", "empty", 0, &first);
	expect_file(first, 0, 0);
	store_cache_release(a);
}

static void tenants_have_folders_of_their_own(void **state)
{
	struct fixture *f = *state;
	struct store_held *a, *b;
	struct str one, other;
	struct stat st;

	store_object(f, "k", 10);
	a = hold(f, "one", "k", 10, &one);
	b = hold(f, "other", "k", 10, &other);
	assert_int_equal(f->gets, 2);
	assert_int_not_equal(str_search(one, S("/cache/one/")), one.n);
	assert_int_not_equal(str_search(other, S("/cache/other/")), other.n);
	assert_int_equal(stat(arena_fmt(&f->arena, "%s/cache/one", f->place).p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(cache_dir(f).p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	store_cache_forget(f->k, S("one"), S(""));
	store_cache_release(a);
	store_cache_release(b);
	use(f, "k", 10);
	assert_false(there(one));
	assert_true(there(other));
}

static void the_longest_unused_go_first(void **state)
{
	struct fixture *f = *state;
	struct store_held *h;
	struct str path;

	for (const char *key = "abcde"; *key; key++)
		store_object(f, arena_fmt(&f->arena, "%c", *key).p, 400);
	use(f, "a", 400);
	use(f, "b", 400);
	use(f, "a", 400);
	use(f, "c", 400);
	assert_int_equal(stats(f).evicted, 1);
	assert_int_equal(f->gets, 3);
	use(f, "a", 400);
	assert_int_equal(f->gets, 3);
	use(f, "b", 400);
	assert_int_equal(f->gets, 4);
	assert_int_equal(stats(f).bytes, 800);
	assert_int_equal(files_in(f, "default"), 4); /* each with its key */
	store_object(f, "large", 2000);
	h = hold(f, "default", "large", 2000, &path);
	expect_file(path, 'l', 2000);
	assert_int_equal(stats(f).files, 1);
	store_cache_release(h);
	use(f, "d", 400);
	assert_int_equal(stats(f).bytes, 400);
}

static void what_is_held_is_not_removed(void **state)
{
	struct fixture *f = *state;
	struct str a_path, b_path, c_path;
	struct store_held *a, *b, *c;

	store_object(f, "a", 800);
	store_object(f, "b", 800);
	store_object(f, "c", 800);
	a = hold(f, "default", "a", 800, &a_path);
	b = hold(f, "default", "b", 800, &b_path);
	expect_file(a_path, 'a', 800);
	expect_file(b_path, 'b', 800);
	assert_int_equal(stats(f).evicted, 0);
	store_cache_release(a);
	assert_true(there(a_path)); /* a release removes nothing itself */
	c = hold(f, "default", "c", 800, &c_path);
	assert_false(there(a_path));
	expect_file(b_path, 'b', 800);
	store_cache_release(b);
	store_cache_release(c);
}

static void a_wrong_size_is_refused(void **state)
{
	struct fixture *f = *state;

	store_object(f, "a", 100);
	expect_refused(f, "a", 99, ERR_STORAGE);
	expect_refused(f, "a", 101, ERR_STORAGE);
	expect_refused(f, "a", 0, ERR_STORAGE);
	expect_refused(f, "a", -1, ERR_STORAGE);
	expect_refused(f, "no", 100, ERR_NOT_FOUND);
	expect_refused(f, "no/../k", 100, ERR_INVALID_FIELD);
	assert_int_equal(stats(f).bytes, 0);
	assert_int_equal(stats(f).files, 0);
	assert_int_equal(files_in(f, "default"), 0);
	use(f, "a", 100);
	expect_refused(f, "a", 99, ERR_STORAGE);
	use(f, "a", 100);
	assert_int_equal(stats(f).files, 1);
	assert_int_equal(files_in(f, "default"), 2);
}

static void a_file_that_others_cut_or_removed_is_fetched_again(void **state)
{
	struct fixture *f = *state;
	struct store_held *h;
	struct str path;

	store_object(f, "a", 100);
	h = hold(f, "default", "a", 100, &path);
	store_cache_release(h);
	assert_int_equal(truncate(path.p, 50), 0);
	h = hold(f, "default", "a", 100, &path);
	expect_file(path, 'a', 100);
	store_cache_release(h);
	assert_int_equal(unlink(path.p), 0);
	h = hold(f, "default", "a", 100, &path);
	expect_file(path, 'a', 100);
	store_cache_release(h);
	assert_int_equal(f->gets, 3);
	assert_int_equal(stats(f).files, 1);
}

/* --- many at once --- */
static void hold_the_same(struct racer *r)
{
	struct fixture *f = r->arg;
	struct arena arena = {0};
	struct store_held *h;
	struct str path;
	struct call c;

	call_open(&c, &arena);
	f->asking++;
	r->wins = store_cache_hold(&c, f->k, S("default"), S("shared"), 300, &path, &h);
	if (r->wins) {
		INVARIANT(access(path.p, R_OK) == 0);
		store_cache_release(h);
	} else {
		INVARIANT(c.err.kind == ERR_UNAVAILABLE && strcmp(c.err.text, "the store is away") == 0);
	}
	arena_close(&arena);
}

static void many_who_ask_at_once_wait_for_one_fetch(void **state)
{
	struct fixture *f = *state;

	store_object(f, "shared", 300);
	f->wait_for = RACERS;
	assert_int_equal(race(hold_the_same, f), RACERS);
	assert_int_equal(f->gets, 1);
	assert_int_equal(stats(f).misses, 1);
	assert_int_equal(stats(f).hits, RACERS - 1);
}

static void many_share_a_failure_and_the_next_tries_again(void **state)
{
	struct fixture *f = *state;

	store_object(f, "shared", 300);
	f->wait_for = RACERS;
	f->refuse = true;
	assert_int_equal(race(hold_the_same, f), 0);
	assert_true(f->gets >= 1 && f->gets <= RACERS);
	f->refuse = false;
	use(f, "shared", 300);
	assert_int_equal(stats(f).bytes, 300);
	assert_int_equal(stats(f).files, 1);
}

/* More than fits, in every order, forgotten in between. */
static void churn(struct racer *r)
{
	struct fixture *f = r->arg;
	struct arena arena = {0};
	struct call c;

	call_open(&c, &arena);
	for (int i = 0; i < 200; i++) {
		int number = (i * 7 + r->number * 3) % 12;
		struct str key = arena_fmt(&arena, "k%d", number), path;
		OWNS(buf) b = {0};
		struct store_held *h;
		int fd;

		INVARIANT(store_cache_hold(&c, f->k, S("default"), key, 200 + number, &path, &h));
		fd = open(path.p, O_RDONLY);
		INVARIANT(fd >= 0 && file_read(fd, 1000, &b) && b.n == (size_t)(200 + number) && b.p[7] == 'k');
		close(fd);
		if (i % 50 == r->number)
			store_cache_forget(f->k, S("default"), key);
		INVARIANT(access(path.p, R_OK) == 0);
		store_cache_release(h);
		arena_reset(&arena);
	}
	arena_close(&arena);
}

static void readers_evictions_and_forgetting_race(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 12; i++)
		store_object(f, arena_fmt(&f->arena, "k%d", i).p, (size_t)(200 + i));
	race(churn, f);
	use(f, "k0", 200);
	assert_true(stats(f).bytes <= MAX_BYTES);
	assert_int_equal(files_in(f, "default"), 2 * (int)stats(f).files);
	assert_true(stats(f).evicted > 0);
}

/* --- puts --- */
static int file_with(struct fixture *f, const char *text)
{
	int fd = open(arena_fmt(&f->arena, "%s/made", f->place).p, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_true(file_write(fd, str_of(text)));
	return fd;
}

static bool put(struct fixture *f, const char *key, int fd, int64_t size)
{
	return store_cache_put(&f->c, f->k, S("default"), str_of(key), fd, size);
}

static void expect_put_refused(struct fixture *f, const char *key, int fd, int64_t size, enum err_kind kind)
{
	assert_false(put(f, key, fd, size));
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

static void a_put_is_stored_and_read_without_a_fetch(void **state)
{
	struct fixture *f = *state;
	int fd = file_with(f, "aaaaa");
	OWNS(buf) b = {0};
	struct store_held *h;
	struct str path;

	assert_true(put(f, "a", fd, 5));
	assert_true(f->real->ops->get(&f->c, f->real, S("a"), 0, 100, &b));
	assert_str_equal(buf_str(&b), "aaaaa");
	h = hold(f, "default", "a", 5, &path);
	expect_file(path, 'a', 5);
	store_cache_release(h);
	assert_int_equal(f->gets, 0);
	assert_int_equal(stats(f).bytes, 5);
	expect_put_refused(f, "a", fd, 5, ERR_CONFLICT);
	expect_put_refused(f, "b", fd, 4, ERR_STORAGE);
	expect_put_refused(f, "b", fd, 6, ERR_STORAGE);
	f->unkind = true;
	expect_put_refused(f, "b", fd, 5, ERR_UNAVAILABLE);
	f->unkind = false;
	expect_refused(f, "b", 5, ERR_NOT_FOUND);
	assert_int_equal(files_in(f, "default"), 2);
	close(fd);
}

static void a_put_makes_room_and_may_be_larger_than_the_cache(void **state)
{
	struct fixture *f = *state;
	char *text = arena_zalloc(&f->arena, 1200);
	int fd;

	memset(text, 'x', 900);
	fd = file_with(f, text);
	assert_true(put(f, "x1", fd, 900));
	assert_true(put(f, "x2", fd, 900));
	assert_int_equal(stats(f).bytes, 900);
	close(fd);
	memset(text, 'x', 1100);
	fd = file_with(f, text);
	assert_true(put(f, "x3", fd, 1100));
	close(fd);
	assert_int_equal(stats(f).files, 0);
	use(f, "x3", 1100);
	assert_int_equal(f->gets, 1);
	fd = file_with(f, "");
	assert_true(put(f, "none", fd, 0));
	close(fd);
	use(f, "none", 0);
	assert_int_equal(f->gets, 1);
}

/* --- forgetting --- */
static void names_are_of_what_is_whole(void **state)
{
	static const char *const expected[] = {"v/1/a", "v/1/b", "v/10/a"};
	struct fixture *f = *state;
	struct store_cached *names;
	size_t n;

	store_cache_names(&f->c, f->k, &names, &n);
	assert_int_equal(n, 0);
	for (size_t i = COUNT_OF(expected); i-- > 0;) {
		store_object(f, expected[i], 10);
		use(f, expected[i], 10);
	}
	expect_refused(f, "v/2", 10, ERR_NOT_FOUND);
	store_cache_names(&f->c, f->k, &names, &n);
	assert_int_equal(n, COUNT_OF(expected));
	for (size_t i = 0; i < n; i++) {
		assert_str_equal(names[i].tenant, "default");
		assert_str_equal(names[i].key, expected[i]);
	}
}

static void forgetting_goes_by_prefix(void **state)
{
	struct fixture *f = *state;
	struct store_held *held;
	struct str path;

	store_object(f, "v/1/a", 10);
	store_object(f, "v/1/b", 10);
	store_object(f, "v/10/a", 10);
	use(f, "v/1/a", 10);
	use(f, "v/10/a", 10);
	held = hold(f, "default", "v/1/b", 10, &path);
	store_cache_forget(f->k, S("default"), S("v/1/"));
	assert_int_equal(stats(f).files, 2);
	expect_file(path, 'v', 10);
	assert_true(f->real->ops->drop(&f->c, f->real, S("v/1/b")));
	expect_refused(f, "v/1/b", 10, ERR_NOT_FOUND); /* though its file is still read by somebody */
	expect_file(path, 'v', 10);
	store_cache_release(held);
	use(f, "v/10/a", 10);
	assert_false(there(path));
	assert_int_equal(stats(f).files, 1);
	assert_int_equal(stats(f).evicted, 0);
	assert_int_equal(f->gets, 4);
}

/* --- restarts --- */
static void touch(struct fixture *f, const char *name, const char *text)
{
	int fd = open(arena_fmt(&f->arena, "%s/cache/default/%s", f->place, name).p, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_true(file_write(fd, str_of(text)));
	close(fd);
}

static void a_restart_keeps_what_is_whole(void **state)
{
	struct fixture *f = *state;
	struct str whole, torn, nameless;

	store_object(f, "whole", 100);
	store_object(f, "torn", 100);
	store_object(f, "nameless", 100);
	store_cache_release(hold(f, "default", "whole", 100, &whole));
	store_cache_release(hold(f, "default", "torn", 100, &torn));
	store_cache_release(hold(f, "default", "nameless", 100, &nameless));
	assert_int_equal(truncate(torn.p, 99), 0);
	assert_int_equal(unlink(arena_fmt(&f->arena, "%s.key", nameless.p).p), 0);
	touch(f, arena_fmt(&f->arena, "%s.part", id_v4().text).p, "half");
	touch(f, arena_fmt(&f->arena, "%s.spool", id_v4().text).p, "1,2,3");
	touch(f, arena_fmt(&f->arena, "%s.key", id_v4().text).p, "5 lost");
	reopen(f);
	assert_int_equal(stats(f).files, 1);
	assert_int_equal(stats(f).bytes, 100);
	assert_int_equal(files_in(f, "default"), 2);
	use(f, "whole", 100);
	assert_int_equal(f->gets, 3);
	use(f, "torn", 100);
	assert_int_equal(f->gets, 4);
}

static void a_restart_of_the_machine_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	int fd;

	store_object(f, "a", 100);
	use(f, "a", 100);
	reopen(f);
	assert_int_equal(stats(f).files, 1);
	fd = open(arena_fmt(&f->arena, "%s/cache/~boot", f->place).p, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_true(file_write(fd, S("another start\n")));
	close(fd);
	reopen(f);
	assert_int_equal(stats(f).files, 0);
	assert_int_equal(files_in(f, "default"), 0);
	use(f, "a", 100);
	reopen(f);
	assert_int_equal(stats(f).files, 1);
}

static void a_smaller_cache_keeps_the_latest(void **state)
{
	struct fixture *f = *state;
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct str a, b;

	store_object(f, "a", 400);
	store_object(f, "b", 400);
	store_cache_release(hold(f, "default", "a", 400, &a));
	store_cache_release(hold(f, "default", "b", 400, &b));
	assert_int_equal(utimensat(AT_FDCWD, a.p, old, 0), 0);
	store_cache_close(f->k);
	f->k = store_cache_open(&f->c, &f->counting, cache_dir(f), 500);
	assert_non_null(f->k);
	assert_false(there(a));
	assert_true(there(b));
	assert_int_equal(stats(f).bytes, 400);
}

static void a_cache_that_cannot_be_opened_says_so(void **state)
{
	struct fixture *f = *state;

	assert_null(store_cache_open(&f->c, &f->counting, S("/no/such/place/cache"), 1));
	assert_int_equal(f->c.err.kind, ERR_STORAGE);
	call_forgive(&f->c);
}

/* --- uploads --- */
static void a_spool_file_is_the_tenants_until_it_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct str path, other;
	int fd, second;

	assert_true(store_cache_spool(&f->c, f->k, S("default"), &fd, &path));
	assert_true(store_cache_spool(&f->c, f->k, S("default"), &second, &other));
	assert_false(str_eq(path, other));
	assert_true(file_write(fd, S("uuuu")));
	expect_file(path, 'u', 4);
	close(fd);
	close(second);
	store_cache_unspool(f->k, path);
	assert_false(there(path));
	assert_true(there(other));
	assert_int_equal(stats(f).files, 0);
	reopen(f);
	assert_false(there(other));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(an_object_is_fetched_once),
		TEST(tenants_have_folders_of_their_own),
		TEST(the_longest_unused_go_first),
		TEST(what_is_held_is_not_removed),
		TEST(a_wrong_size_is_refused),
		TEST(a_file_that_others_cut_or_removed_is_fetched_again),
		TEST(many_who_ask_at_once_wait_for_one_fetch),
		TEST(many_share_a_failure_and_the_next_tries_again),
		TEST(readers_evictions_and_forgetting_race),
		TEST(a_put_is_stored_and_read_without_a_fetch),
		TEST(a_put_makes_room_and_may_be_larger_than_the_cache),
		TEST(names_are_of_what_is_whole),
		TEST(forgetting_goes_by_prefix),
		TEST(a_restart_keeps_what_is_whole),
		TEST(a_restart_of_the_machine_keeps_nothing),
		TEST(a_smaller_cache_keeps_the_latest),
		TEST(a_cache_that_cannot_be_opened_says_so),
		TEST(a_spool_file_is_the_tenants_until_it_is_dropped),
	};

	return cmocka_run_group_tests_name("store_cache", tests, NULL, NULL);
}
