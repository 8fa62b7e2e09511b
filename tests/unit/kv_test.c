/* kv_test.c - the contract that every backend of kv/ keeps. */
#include "kv/kv.h"

#include "test.h"

struct backend {
	const char *name;
	struct kv *(*open)(void);
};

static struct kv *open_memory(void)
{
	return kv_memory_open(3);
}

static const struct backend backends[] = {{"memory", open_memory}};

struct fixture {
	struct arena arena;
	struct call c;
	struct kv *kv;
};

static void begin(struct fixture *f, const struct backend *b)
{
	*f = (struct fixture){.kv = b->open()};
	call_open(&f->c, &f->arena);
	assert_string_equal(f->kv->ops->name, b->name);
}

static void end(struct fixture *f)
{
	f->kv->ops->close(f->kv);
	arena_close(&f->arena);
}

static void expect_error(struct fixture *f, bool ok, enum err_kind kind)
{
	assert_false(ok);
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

#define EACH_BACKEND(f) \
	for (size_t i_ = 0; i_ < COUNT_OF(backends) && (begin((f), &backends[i_]), true); end(f), i_++)

static void only_the_expected_version_is_replaced(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct kv_record r;
		uint64_t first;

		expect_error(&f, kv_get(&f.c, f.kv, S("k"), &r), ERR_NOT_FOUND);
		assert_true(kv_put(&f.c, f.kv, S("k"), S("one"), KV_ABSENT, 0));
		expect_error(&f, kv_put(&f.c, f.kv, S("k"), S("two"), KV_ABSENT, 0), ERR_CONFLICT);
		assert_true(kv_get(&f.c, f.kv, S("k"), &r));
		assert_str_equal(r.value, "one");
		first = r.version;
		assert_true(kv_put(&f.c, f.kv, S("k"), S("two"), first, 0));
		expect_error(&f, kv_put(&f.c, f.kv, S("k"), S("three"), first, 0), ERR_CONFLICT);
		expect_error(&f, kv_drop(&f.c, f.kv, S("k"), first), ERR_CONFLICT);
		assert_true(kv_put(&f.c, f.kv, S("k"), S("four"), KV_ANY, 0));
		assert_true(kv_drop(&f.c, f.kv, S("k"), KV_ANY));
		assert_true(kv_drop(&f.c, f.kv, S("k"), KV_ANY));
	}
}

static void a_record_past_its_time_is_absent_and_swept(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct kv_record r;

		assert_true(kv_put(&f.c, f.kv, S("a"), S("1"), KV_ABSENT, 5000));
		assert_true(kv_put(&f.c, f.kv, S("b"), S("2"), KV_ABSENT, 0));
		clock_advance(4000);
		assert_true(kv_get(&f.c, f.kv, S("a"), &r));
		clock_advance(1001);
		expect_error(&f, kv_get(&f.c, f.kv, S("a"), &r), ERR_NOT_FOUND);
		assert_true(kv_put(&f.c, f.kv, S("a"), S("3"), KV_ABSENT, 5000));
		clock_advance(10000);
		f.kv->ops->sweep(f.kv);
		assert_int_equal(f.kv->ops->count(f.kv), 1);
		assert_true(kv_get(&f.c, f.kv, S("b"), &r));
	}
}

static void a_full_store_refuses_new_keys_only(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		assert_true(kv_put(&f.c, f.kv, S("a"), S(""), KV_ANY, 0));
		assert_true(kv_put(&f.c, f.kv, S("b"), S(""), KV_ANY, 0));
		assert_true(kv_put(&f.c, f.kv, S("c"), S(""), KV_ANY, 0));
		expect_error(&f, kv_put(&f.c, f.kv, S("d"), S(""), KV_ANY, 0), ERR_TOO_MANY);
		assert_true(kv_put(&f.c, f.kv, S("c"), S("more"), KV_ANY, 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_expected_version_is_replaced),
		cmocka_unit_test(a_record_past_its_time_is_absent_and_swept),
		cmocka_unit_test(a_full_store_refuses_new_keys_only),
	};

	return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
