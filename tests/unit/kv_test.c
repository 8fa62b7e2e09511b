/* kv_test.c - the contract that every backend of kv/ keeps, and what the file adds to it. */
#include "kv_rig.h"

static void only_the_expected_version_is_replaced(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		uint64_t first;

		expect_absent(&f, "k");
		expect_error(&f, kv_put(&f.c, f.kv, S("k"), S("zero"), 17, 0), ERR_CONFLICT);
		assert_true(kv_put(&f.c, f.kv, S("k"), S("one"), KV_ABSENT, 0));
		expect_error(&f, kv_put(&f.c, f.kv, S("k"), S("two"), KV_ABSENT, 0), ERR_CONFLICT);
		first = holds(&f, "k", "one");
		assert_true(kv_put(&f.c, f.kv, S("k"), S("two"), first, 0));
		assert_true(holds(&f, "k", "two") > first);
		expect_error(&f, kv_put(&f.c, f.kv, S("k"), S("three"), first, 0), ERR_CONFLICT);
		expect_error(&f, kv_drop(&f.c, f.kv, S("k"), first), ERR_CONFLICT);
		assert_true(put(&f, "k", "four"));
		assert_true(kv_drop(&f.c, f.kv, S("k"), KV_ANY));
		assert_true(kv_drop(&f.c, f.kv, S("k"), KV_ANY));
		expect_absent(&f, "k");
		expect_error(&f, kv_drop(&f.c, f.kv, S("k"), first), ERR_CONFLICT);
		assert_true(put(&f, "k", ""));
		assert_true(kv_drop(&f.c, f.kv, S("k"), holds(&f, "k", "")));
		assert_int_equal(count(&f), 0);
	}
}

static void a_record_past_its_time_is_absent_and_swept(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct kv_record r;
		int64_t now = clock_wall_ms();

		assert_true(kv_put(&f.c, f.kv, S("a"), S("1"), KV_ABSENT, 5000));
		assert_true(kv_put(&f.c, f.kv, S("b"), S("2"), KV_ABSENT, 0));
		clock_advance(4000);
		assert_true(kv_get(&f.c, f.kv, S("a"), &r));
		assert_in_range(r.expires_ms, now + 5000, now + 6000);
		clock_advance(1001);
		expect_absent(&f, "a");
		assert_true(kv_put(&f.c, f.kv, S("a"), S("3"), KV_ABSENT, 5000));
		clock_advance(10000);
		f.kv->ops->sweep(f.kv);
		assert_int_equal(count(&f), 1);
		holds(&f, "b", "2");
	}
}

static void a_full_store_refuses_new_keys_only(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(backends); i++) {
		begin_full_at(&f, &backends[i], 3);
		assert_true(put(&f, "a", "") && put(&f, "b", "") && put(&f, "c", ""));
		expect_error(&f, put(&f, "d", ""), ERR_TOO_MANY);
		assert_true(put(&f, "c", "more"));
		assert_true(kv_drop(&f.c, f.kv, S("a"), KV_ANY));
		assert_true(put(&f, "d", ""));
		end(&f);
	}
}

static void keys_and_values_have_a_largest_size(void **state)
{
	struct fixture f;
	char *large = base_zalloc(KV_VALUE_MAX + 1);

	(void)state;
	EACH_BACKEND(&f)
	{
		struct kv_record r;

		assert_true(kv_put(&f.c, f.kv, str_from(large, KV_KEY_MAX), str_from(large, KV_VALUE_MAX), KV_ANY, 0));
		assert_true(kv_get(&f.c, f.kv, str_from(large, KV_KEY_MAX), &r));
		assert_int_equal(r.value.n, KV_VALUE_MAX);
		expect_error(&f, kv_put(&f.c, f.kv, str_from(large, KV_KEY_MAX + 1), S(""), KV_ANY, 0), ERR_INVALID_FIELD);
		expect_error(&f, kv_put(&f.c, f.kv, S("k"), str_from(large, KV_VALUE_MAX + 1), KV_ANY, 0), ERR_INVALID_FIELD);
		assert_true(put(&f, "", "the empty key"));
		assert_int_equal(count(&f), 2);
	}
	free(large);
}

/* --- scan --- */
struct visit {
	struct fixture *f;
	int seen, stop_at;
	char keys[8];
};

static bool drop_it_and_put_another(void *arg, struct str key, const struct kv_record *r)
{
	struct visit *v = arg;
	struct fixture *f = v->f;

	assert_int_equal(key.n, 3);
	assert_true(str_eq(r->value, str_tail(key, 2)));
	v->keys[v->seen++] = key.p[2];
	assert_true(kv_drop(&f->c, f->kv, key, r->version));
	assert_true(kv_put(&f->c, f->kv, arena_fmt(&f->arena, "p/x%.*s", SARG(key)), S("new"), KV_ABSENT, 0));
	return v->seen != v->stop_at;
}

static int by_letter(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

static void a_scan_sees_a_copy(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct visit all = {.f = &f}, some = {.f = &f, .stop_at = 2};

		assert_true(put(&f, "p/a", "a") && put(&f, "p/b", "b") && put(&f, "p/c", "c") && put(&f, "q/d", "d") && put(&f, "p", "e"));
		assert_true(kv_put(&f.c, f.kv, S("p/t"), S("t"), KV_ANY, 1000));
		clock_advance(1001);
		assert_true(kv_scan(&f.c, f.kv, S("p/"), drop_it_and_put_another, &all));
		assert_int_equal(all.seen, 3);
		qsort(all.keys, 3, 1, by_letter);
		assert_memory_equal(all.keys, "abc", 3);
		assert_true(kv_drop(&f.c, f.kv, S("p/xp/a"), KV_ANY) && kv_drop(&f.c, f.kv, S("p/xp/b"), KV_ANY) &&
			    kv_drop(&f.c, f.kv, S("p/xp/c"), KV_ANY));
		assert_true(put(&f, "q/e", "e") && put(&f, "q/f", "f"));
		assert_true(kv_scan(&f.c, f.kv, S("q/"), drop_it_and_put_another, &some));
		assert_int_equal(some.seen, 2);
		assert_true(kv_scan(&f.c, f.kv, S("none"), drop_it_and_put_another, &some));
		assert_int_equal(some.seen, 2);
	}
}

/* --- races --- */
enum { ROUNDS = 60 };

/* Adds one to a shared number, ROUNDS times, by compare-and-set. */
static void count_up(struct racer *r)
{
	struct fixture *f = r->arg;

	while (r->wins < ROUNDS) {
		struct arena arena = {0};
		struct kv_record was;
		struct call c;
		int64_t v;

		call_open(&c, &arena);
		INVARIANT(kv_get(&c, f->kv, S("n"), &was) && str_to_i64(was.value, &v));
		if (kv_put(&c, f->kv, S("n"), arena_fmt(&arena, "%lld", (long long)v + 1), was.version, 0))
			r->wins++;
		else
			INVARIANT(c.err.kind == ERR_CONFLICT);
		arena_close(&arena);
	}
}

static void compare_and_set_loses_nothing(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		assert_true(put(&f, "n", "0"));
		assert_int_equal(race(count_up, &f), RACERS * ROUNDS);
		holds(&f, "n", "960");
	}
}

static void racers_do_not_overfill(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(backends); i++) {
		begin_full_at(&f, &backends[i], 333);
		assert_int_equal(race(put_own_keys, &f), 333);
		assert_int_equal(count(&f), 333);
		end(&f);
	}
}

/* --- what the file adds: opening again --- */
static void opening_again_finds_everything(void **state)
{
	uint64_t a, dropped, t;
	struct kv_record r;
	struct fixture f;

	(void)state;
	begin(&f, of_file);
	assert_true(put(&f, "a", "1") && put(&f, "a", "2") && put(&f, "b", "3"));
	assert_true(kv_put(&f.c, f.kv, S("t"), S("4"), KV_ANY, 60000));
	a = holds(&f, "a", "2");
	t = holds(&f, "t", "4");
	assert_true(put(&f, "last", ""));
	dropped = holds(&f, "last", "");
	assert_true(kv_drop(&f.c, f.kv, S("last"), KV_ANY) && kv_drop(&f.c, f.kv, S("b"), KV_ANY));
	reopen(&f);
	assert_int_equal(count(&f), 2);
	assert_int_equal(holds(&f, "a", "2"), a);
	assert_true(kv_get(&f.c, f.kv, S("t"), &r));
	assert_int_equal(r.version, t);
	assert_true(r.expires_ms > clock_wall_ms());
	assert_true(put(&f, "new", ""));
	assert_true(holds(&f, "new", "") > dropped);
	clock_advance(60001);
	reopen(&f);
	assert_int_equal(count(&f), 2);
	expect_absent(&f, "t");
	end(&f);
}

static void a_log_has_one_server(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, of_file);
	assert_null(kv_file_open(&f.c, str_of(f.path), 3));
	assert_int_equal(f.c.err.kind, ERR_CONFLICT);
	assert_non_null(strstr(f.c.err.text, "is in use"));
	call_forgive(&f.c);
	assert_true(put(&f, "a", "the first goes on"));
	assert_null(kv_file_open(&f.c, S("/no/such/folder/kv.log"), 3));
	assert_int_equal(f.c.err.kind, ERR_STORAGE);
	call_forgive(&f.c);
	end(&f);
}

static void read_log(const struct fixture *f, struct buf *ret)
{
	FILE *in = fopen(f->path, "rb");
	struct stat st;

	assert_non_null(in);
	assert_int_equal(fstat(fileno(in), &st), 0);
	buf_clear(ret);
	assert_int_equal(fread(buf_room(ret, (size_t)st.st_size + 1), 1, (size_t)st.st_size, in), st.st_size);
	ret->n = (size_t)st.st_size;
	fclose(in);
}

static void write_log(const struct fixture *f, struct str bytes)
{
	FILE *out = fopen(f->path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, out), bytes.n);
	assert_int_equal(fclose(out), 0);
}

/* A log of two batches; *ret_first: the size without the last. */
static void make_two(struct fixture *f, struct buf *log, size_t *ret_first)
{
	begin(f, of_file);
	assert_true(put(f, "first", "1"));
	*ret_first = log_size(f);
	assert_true(put(f, "second", "22"));
	close_kv(f);
	read_log(f, log);
}

static void a_torn_end_is_cut_wherever_it_is(void **state)
{
	OWNS(buf) log = {0};
	struct fixture f;
	size_t first;

	(void)state;
	make_two(&f, &log, &first);
	for (size_t n = 0; n < log.n; n++) {
		write_log(&f, str_head(buf_str(&log), n));
		if (n >= 16 && n < first) {
			reopen(&f);
			assert_int_equal(count(&f), 0);
			assert_int_equal(log_size(&f), 16);
			continue;
		}
		reopen(&f);
		assert_int_equal(count(&f), n >= first);
		expect_absent(&f, "second");
		assert_int_equal(log_size(&f), n >= first ? first : 16);
		assert_true(put(&f, "third", "333"));
		reopen(&f);
		holds(&f, "third", "333");
		assert_int_equal(count(&f), 1 + (n >= first));
	}
	end(&f);
}

/* A sync that did not happen may leave any part of the last batch unwritten. */
static void zeros_at_the_end_are_cut(void **state)
{
	OWNS(buf) log = {0};
	struct fixture f;
	size_t first;

	(void)state;
	make_two(&f, &log, &first);
	for (size_t from = first; from < log.n; from++) {
		OWNS(buf) torn = {0};

		buf_add(&torn, str_head(buf_str(&log), from));
		while (torn.n < log.n)
			buf_addc(&torn, 0);
		if (from > first && from < first + 16)
			continue; /* a torn head is less than a page: not by halves */
		write_log(&f, buf_str(&torn));
		reopen(&f);
		holds(&f, "first", "1");
		assert_int_equal(log_size(&f), from == log.n ? log.n : first);
		expect_absent(&f, "second");
		close_kv(&f);
	}
	end(&f);
}

/* Every bit before the last batch, and the last one's head: an error that names the place. In its items: cut. */
static void damage_is_an_error_or_cut_and_never_believed(void **state)
{
	OWNS(buf) log = {0};
	struct fixture f;
	size_t first;

	(void)state;
	make_two(&f, &log, &first);
	for (size_t i = 0; i < log.n * 8; i++) {
		size_t at = i / 8;
		char place[32];

		log.p[at] = (char)(log.p[at] ^ 1 << i % 8);
		write_log(&f, buf_str(&log));
		log.p[at] = (char)(log.p[at] ^ 1 << i % 8);
		if (at >= first + 16) {
			reopen(&f);
			assert_int_equal(count(&f), 1);
			close_kv(&f);
			continue;
		}
		assert_null(kv_file_open(&f.c, str_of(f.path), 3));
		assert_int_equal(f.c.err.kind, ERR_STORAGE);
		snprintf(place, sizeof(place), "at byte %zu of", at < 16 ? 0 : at < first ? 16 : first);
		assert_non_null(strstr(f.c.err.text, place));
		call_forgive(&f.c);
		assert_int_equal(log_size(&f), log.n);
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_the_expected_version_is_replaced, on_disk, off_disk),
		cmocka_unit_test(a_record_past_its_time_is_absent_and_swept),
		cmocka_unit_test(a_full_store_refuses_new_keys_only),
		cmocka_unit_test(keys_and_values_have_a_largest_size),
		cmocka_unit_test(a_scan_sees_a_copy),
		cmocka_unit_test(compare_and_set_loses_nothing),
		cmocka_unit_test(racers_do_not_overfill),
		cmocka_unit_test_setup_teardown(opening_again_finds_everything, on_disk, off_disk),
		cmocka_unit_test(a_log_has_one_server),
		cmocka_unit_test(a_torn_end_is_cut_wherever_it_is),
		cmocka_unit_test(zeros_at_the_end_are_cut),
		cmocka_unit_test(damage_is_an_error_or_cut_and_never_believed),
	};

	return cmocka_run_group_tests_name("kv", tests, off_disk, NULL);
}
