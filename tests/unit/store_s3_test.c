/* store_s3_test.c - what only an object store does: refuse, lose answers, be away; and that no text tells a secret. */
#include "store/store.h"

#include "folder.h"
#include "s3_double.h"

#include <fcntl.h>

struct fixture {
	struct arena arena;
	struct call c;
	struct store_option options[S3_OPTIONS];
	struct store *s;
};

static int begin(void **state)
{
	struct fixture *f = base_zalloc(sizeof(*f));

	call_open(&f->c, &f->arena);
	*state = f;
	if (!s3_double_port() || !opendal_library()[0])
		return 0;
	s3_options(&f->arena, id_v4().text, f->options);
	f->s = s3_open(&f->c, f->options);
	if (!f->s)
		print_error("%s\n", f->c.err.text);
	return f->s ? 0 : -1;
}

static int end(void **state)
{
	struct fixture *f = *state;

	if (f->s) {
		s3_command("refuse 0");
		s3_command("lose 0");
		s3_command("see");
		f->s->ops->close(f->s);
	}
	arena_close(&f->arena);
	free(f);
	return 0;
}

static struct fixture *needs_s3(void **state)
{
	struct fixture *f = *state;

	if (!f->s) {
		print_message("SKIP: no S3 double or no OpenDAL binding (make interop)\n");
		skip();
	}
	return f;
}

static bool put(struct fixture *f, const char *key, const char *bytes, enum store_put how)
{
	return f->s->ops->put(&f->c, f->s, str_of(key), str_of(bytes), how);
}

static void expect_bytes(struct fixture *f, const char *key, const char *want)
{
	OWNS(buf) b = {0};

	assert_true(f->s->ops->get(&f->c, f->s, str_of(key), 0, INT64_MAX, &b));
	assert_str_equal(buf_str(&b), want);
}

static void expect_error(struct fixture *f, enum err_kind kind)
{
	if (f->c.err.kind != kind)
		print_error("%s\n", f->c.err.text);
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

static void what_passes_is_tried_again(void **state)
{
	struct fixture *f = needs_s3(state);
	struct store_entry *all;
	size_t n;

	s3_command("refuse 2");
	assert_true(put(f, "a", "1", STORE_NEW));
	s3_command("refuse 2");
	assert_true(put(f, "a", "2", STORE_REPLACE));
	s3_command("refuse 2");
	expect_bytes(f, "a", "2");
	s3_command("refuse 2");
	assert_true(f->s->ops->list(&f->c, f->s, S(""), S(""), &all, &n));
	assert_int_equal(n, 1);
	s3_command("refuse 2");
	assert_true(f->s->ops->drop(&f->c, f->s, S("a")));
}

static void what_does_not_pass_is_unavailable(void **state)
{
	struct fixture *f = needs_s3(state);
	struct store_entry *all;
	OWNS(buf) b = {0};
	size_t n;

	s3_command("refuse 1000");
	assert_false(put(f, "a", "1", STORE_NEW));
	expect_error(f, ERR_UNAVAILABLE);
	assert_false(put(f, "a", "1", STORE_REPLACE));
	expect_error(f, ERR_UNAVAILABLE);
	assert_false(f->s->ops->get(&f->c, f->s, S("a"), 0, 1, &b));
	expect_error(f, ERR_UNAVAILABLE);
	assert_false(f->s->ops->list(&f->c, f->s, S(""), S(""), &all, &n));
	expect_error(f, ERR_UNAVAILABLE);
	s3_command("refuse 0");
	assert_false(f->s->ops->get(&f->c, f->s, S("a"), 0, 1, &b));
	expect_error(f, ERR_NOT_FOUND);
}

static void a_lost_answer_is_no_lost_commit(void **state)
{
	struct fixture *f = needs_s3(state);

	s3_command("lose 1");
	assert_true(put(f, "mine", "my bytes", STORE_NEW)); /* its second try met its own object */
	expect_bytes(f, "mine", "my bytes");
	assert_false(put(f, "mine", "my bytes", STORE_NEW));
	expect_error(f, ERR_CONFLICT);
	s3_command("refuse 1");
	assert_false(put(f, "mine", "others", STORE_NEW));
	expect_error(f, ERR_CONFLICT);
	s3_command("lose 2");
	assert_true(put(f, "mine", "new", STORE_REPLACE));
	expect_bytes(f, "mine", "new");
}

static void a_store_that_ignores_conditions_is_refused(void **state)
{
	struct fixture *f = needs_s3(state);

	s3_command("blind");
	assert_null(s3_open(&f->c, f->options));
	assert_non_null(strstr(f->c.err.text, "replaces objects"));
	expect_error(f, ERR_UNAVAILABLE);
}

static void errors_tell_no_secret(void **state)
{
	struct fixture *f = needs_s3(state);

	f->options[S3_SECRET].value = S("hunter2-is-the-secret");
	assert_null(s3_open(&f->c, f->options));
	assert_null(strstr(f->c.err.text, "hunter2"));
	assert_non_null(strstr(f->c.err.text, "SignatureDoesNotMatch"));
	expect_error(f, ERR_UNAVAILABLE);
	f->options[0].value = S("no-such-bucket");
	f->options[S3_SECRET].value = S("S3RVER");
	assert_null(s3_open(&f->c, f->options));
	assert_non_null(strstr(f->c.err.text, "NoSuchBucket"));
	expect_error(f, ERR_UNAVAILABLE);
	f->options[2].value = S("http://user:hunter2@127.0.0.1:1");
	assert_null(s3_open(&f->c, f->options));
	assert_null(strstr(f->c.err.text, "hunter2"));
	expect_error(f, ERR_UNAVAILABLE);
	assert_null(store_open(&f->c, &(struct store_options){.scheme = S("nosuch"), .library = str_of(opendal_library())}));
	expect_error(f, ERR_UNAVAILABLE);
}

static void the_location_names_bucket_and_root(void **state)
{
	struct fixture *f = needs_s3(state);

	assert_str_equal(f->s->location, arena_fmt(&f->arena, "s3://test/%.*s", SARG(f->options[1].value)).p);
	assert_string_equal(f->s->ops->name, "opendal");
	assert_null(f->s->ops->append);
	assert_null(f->s->ops->cut);
}

static void the_cache_fetches_from_it(void **state)
{
	struct fixture *f = needs_s3(state);
	enum { SIZE = 34 * 1024 * 1024 }; /* more than one request */
	char place[FOLDER_PATH_MAX];
	OWNS(buf) bytes = {0};
	OWNS(buf) back = {0};
	struct store_cache *k;
	struct store_held *h;
	struct str path;
	int fd;

	folder_make(place);
	k = store_cache_open(&f->c, f->s, str_of(place), 2 * SIZE);
	assert_non_null(k);
	id_random(buf_room(&bytes, SIZE), SIZE);
	bytes.n = SIZE;
	fd = open(arena_fmt(&f->arena, "%s/made", place).p, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0 && file_write(fd, buf_str(&bytes)));
	assert_true(store_cache_put(&f->c, k, S("default"), S("d/large"), fd, SIZE));
	close(fd);
	store_cache_forget(k, S("default"), S("d/"));
	assert_true(store_cache_hold(&f->c, k, S("default"), S("d/large"), SIZE, &path, &h));
	fd = open(path.p, O_RDONLY);
	assert_true(fd >= 0 && file_read(fd, SIZE + 1, &back));
	close(fd);
	assert_true(str_eq(buf_str(&back), buf_str(&bytes)));
	store_cache_release(h);
	assert_false(store_cache_hold(&f->c, k, S("default"), S("d/large"), SIZE - 1, &path, &h));
	expect_error(f, ERR_STORAGE);
	store_cache_close(k);
	folder_remove(place);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(what_passes_is_tried_again),
		TEST(what_does_not_pass_is_unavailable),
		TEST(a_lost_answer_is_no_lost_commit),
		TEST(a_store_that_ignores_conditions_is_refused),
		TEST(errors_tell_no_secret),
		TEST(the_location_names_bucket_and_root),
		TEST(the_cache_fetches_from_it),
	};

	return cmocka_run_group_tests_name("store_s3", tests, NULL, NULL);
}
