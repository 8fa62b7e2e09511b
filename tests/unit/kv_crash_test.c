/* kv_crash_test.c - failing disks, compaction, and kills. */
#include "kv_rig.h"

/* --- failing disks --- */
static void after_a_failed_sync_nothing_is_promised_any_more(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, of_file);
	assert_true(put(&f, "a", "1"));
	faults.sync_error = EIO;
	expect_error(&f, put(&f, "a", "2"), ERR_STORAGE);
	faults.sync_error = 0;
	holds(&f, "a", "1");
	expect_error(&f, put(&f, "b", "3"), ERR_STORAGE);
	expect_error(&f, kv_drop(&f.c, f.kv, S("a"), KV_ANY), ERR_STORAGE);
	holds(&f, "a", "1");
	reopen(&f);
	holds(&f, "a", "1");
	assert_true(put(&f, "b", "3"));
	end(&f);
}

static void a_full_disk_refuses_and_the_log_lives_on(void **state)
{
	struct rlimit was, small;
	struct fixture f;
	size_t before;

	(void)state;
	begin(&f, of_file);
	assert_true(put(&f, "a", "1"));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = log_size(&f) + 70; /* a part of the next batch */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	before = log_size(&f);
	expect_error(&f, put(&f, "b", "a value that is longer than what is left"), ERR_STORAGE);
	assert_int_equal(log_size(&f), before);
	expect_absent(&f, "b");
	assert_true(put(&f, "c", "3"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(put(&f, "b", "2"));
	reopen(&f);
	holds(&f, "a", "1");
	holds(&f, "b", "2");
	holds(&f, "c", "3");
	end(&f);
}

static struct fixture *reading;

static void read_in_sync(void)
{
	struct fixture *f = reading;

	faults.in_sync = NULL;
	holds(f, "a", "1");
	expect_absent(f, "b");
	assert_int_equal(count(f), 1);
	reading = NULL;
}

static void readers_neither_wait_for_a_sync_nor_see_what_it_has_not_made_durable(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, of_file);
	assert_true(put(&f, "a", "1"));
	for (int i = 0; i < 2; i++) {
		reading = &f;
		faults.in_sync = read_in_sync;
		if (i == 0)
			assert_true(put(&f, "b", "2") && kv_drop(&f.c, f.kv, S("b"), KV_ANY));
		else
			assert_true(put(&f, "a", "2"));
		assert_null(reading);
	}
	holds(&f, "a", "2");
	end(&f);
}

static void many_threads_share_a_sync(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, of_file);
	faults.fdatasyncs = 0;
	assert_int_equal(race(put_own_keys, &f), RACERS * 50);
	assert_true(faults.fdatasyncs < RACERS * 50 / 2);
	reopen(&f);
	assert_int_equal(count(&f), RACERS * 50);
	end(&f);
}

/* --- compaction --- */
enum { WIDE = 8192, REWRITES = 60 };

static void wide_value(char to[WIDE], int number, int round)
{
	memset(to, 'a' + (number + round) % 26, WIDE);
	snprintf(to, WIDE, "%d %d", number, round);
}

/* Rewrites a key of its own, and reads it back each time. */
static void rewrite(struct racer *r)
{
	struct fixture *f = r->arg;
	char value[WIDE];

	for (int i = 0; i < REWRITES; i++) {
		struct arena arena = {0};
		struct kv_record back;
		struct call c;
		struct str key;

		call_open(&c, &arena);
		key = arena_fmt(&arena, "wide/%d", r->number);
		wide_value(value, r->number, i);
		INVARIANT(kv_put(&c, f->kv, key, str_from(value, WIDE), KV_ANY, 0));
		INVARIANT(kv_get(&c, f->kv, key, &back) && str_eq(back.value, str_from(value, WIDE)));
		INVARIANT(kv_put(&c, f->kv, arena_fmt(&arena, "brief/%d", r->number), S("x"), KV_ANY, 1 + i));
		f->kv->ops->sweep(f->kv);
		arena_close(&arena);
	}
	r->wins = 1;
}

static void writers_go_on_while_the_log_is_compacted(void **state)
{
	char value[WIDE];
	struct fixture f;
	uint64_t before;

	(void)state;
	begin(&f, of_file);
	assert_int_equal(race(rewrite, &f), RACERS);
	assert_true(log_size(&f) < 2 * 1024 * 1024); /* 7.5 MB were written */
	assert_true(put(&f, "z", "") && kv_drop(&f.c, f.kv, S("z"), KV_ANY) && put(&f, "y", ""));
	before = holds(&f, "y", "");
	clock_advance(1000);
	for (int again = 0; again < 2; again++) {
		reopen(&f);
		for (int i = 0; i < RACERS; i++) {
			struct kv_record r;

			wide_value(value, i, REWRITES - 1);
			assert_true(kv_get(&f.c, f.kv, arena_fmt(&f.arena, "wide/%d", i), &r));
			assert_true(str_eq(r.value, str_from(value, WIDE)));
			assert_true(r.version < before);
		}
		assert_int_equal(count(&f), RACERS + 1);
		assert_int_equal(holds(&f, "y", ""), before);
	}
	end(&f);
}

enum { BULK = 300000, GARBAGE = 400000 };

/* Leaves the log so that the next change is due to compact if "garbage" becomes small. */
static void fill_with_garbage(struct fixture *f)
{
	char *value = base_zalloc(GARBAGE);

	INVARIANT(kv_put(&f->c, f->kv, S("bulk"), str_from(value, BULK), KV_ANY, 0));
	for (int i = 0; i < 2; i++)
		INVARIANT(kv_put(&f->c, f->kv, S("garbage"), str_from(value, GARBAGE), KV_ANY, 0));
	free(value);
}

static void versions_do_not_repeat_after_compaction_and_reopening(void **state)
{
	struct kv_record r;
	struct fixture f;
	uint64_t last;

	(void)state;
	begin(&f, of_file);
	fill_with_garbage(&f);
	assert_true(log_size(&f) > BULK + 2 * GARBAGE);
	assert_true(kv_get(&f.c, f.kv, S("garbage"), &r));
	last = r.version;
	assert_true(kv_drop(&f.c, f.kv, S("garbage"), KV_ANY));
	assert_in_range(log_size(&f), BULK, BULK + 1000);
	assert_null(kv_file_open(&f.c, str_of(f.path), 3)); /* the new file is locked too */
	call_forgive(&f.c);
	for (int i = 0; i < 2; i++) {
		reopen(&f);
		assert_true(put(&f, "a", ""));
		assert_true(holds(&f, "a", "") > last);
		last = holds(&f, "a", "");
		assert_int_equal(count(&f), 2);
	}
	end(&f);
}

static void sweep_in_second_sync(void)
{
	static int syncs;
	struct fixture *f = reading;
	uint64_t was = count(f);

	if (++syncs < 2)
		return; /* the change's own */
	faults.in_sync = NULL;
	f->kv->ops->sweep(f->kv);
	assert_int_equal(count(f), was);
	expect_absent(f, "brief");
	reading = NULL;
}

static void nothing_is_forgotten_while_the_log_is_compacted(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, of_file);
	fill_with_garbage(&f);
	assert_true(kv_put(&f.c, f.kv, S("brief"), S("1"), KV_ANY, 1000));
	clock_advance(3000);
	reading = &f;
	faults.in_sync = sweep_in_second_sync;
	assert_true(put(&f, "garbage", "small"));
	assert_null(reading);
	f.kv->ops->sweep(f.kv);
	assert_int_equal(count(&f), 2);
	reopen(&f);
	assert_int_equal(count(&f), 2);
	end(&f);
}

static void a_compaction_that_fails_costs_nothing_but_room(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, of_file);
	faults.rename_error = EIO;
	for (int i = 0; i < 3; i++) {
		fill_with_garbage(&f);
		assert_true(put(&f, "garbage", "small"));
	}
	faults.rename_error = 0;
	assert_true(log_size(&f) > 3 * (BULK + 2 * GARBAGE));
	assert_true(put(&f, "a", "1"));
	holds(&f, "garbage", "small");
	reopen(&f); /* compacts */
	assert_in_range(log_size(&f), BULK, BULK + 1000);
	holds(&f, "a", "1");
	holds(&f, "garbage", "small");
	end(&f);
}

/* --- crashes --- */
/* Shared with a child: what it was told is durable. */
struct acknowledged {
	atomic_int puts;
	atomic_ullong version;
	atomic_bool ended;
};

/* Twenty changes around a compaction; dies at some step of it. */
NORETURN static void change_until_dead(struct fixture *f, struct acknowledged *a, int die_at)
{
	faults.steps = 0;
	faults.die_at = die_at;
	f->kv = kv_file_open(&f->c, str_of(f->path), MAX_RECORDS);
	INVARIANT(f->kv);
	for (int i = 0; i < 20; i++) {
		struct kv_record r;

		if (i == 10) {
			fill_with_garbage(f);
			INVARIANT(put(f, "garbage", "small"));
		}
		INVARIANT(kv_put(&f->c, f->kv, arena_fmt(&f->arena, "k%d", i % 7), arena_fmt(&f->arena, "%d", i), KV_ANY, 0));
		INVARIANT(kv_get(&f->c, f->kv, arena_fmt(&f->arena, "k%d", i % 7), &r));
		a->version = r.version;
		a->puts = i + 1;
	}
	a->ended = true;
	_exit(0);
}

/* Key k holds the last acknowledged put, or the one that was under way. */
static void expect_puts(struct fixture *f, int puts)
{
	for (int k = 0; k < 7; k++) {
		int last = puts - 1 - (puts - 1 - k + 7) % 7;
		struct kv_record r;
		int64_t v;

		if (puts - 1 < k) {
			if (!kv_get(&f->c, f->kv, arena_fmt(&f->arena, "k%d", k), &r))
				call_forgive(&f->c);
			continue;
		}
		assert_true(kv_get(&f->c, f->kv, arena_fmt(&f->arena, "k%d", k), &r));
		assert_true(str_to_i64(r.value, &v));
		assert_true(v == last || (v == puts && puts % 7 == k));
	}
}

static void a_crash_at_any_step_of_a_compaction_loses_nothing(void **state)
{
	struct acknowledged *a =
		mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct fixture f;
	int step = 0;

	(void)state;
	assert_true(a != MAP_FAILED);
	do {
		pid_t child;

		begin(&f, of_file);
		close_kv(&f);
		memset(a, 0, sizeof(*a));
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			change_until_dead(&f, a, step + 1);
		waitpid(child, NULL, 0);
		step++;
		reopen(&f);
		expect_puts(&f, a->puts);
		assert_true(put(&f, "new", ""));
		assert_true(holds(&f, "new", "") > a->version);
		assert_int_equal(access(arena_cstr(&f.arena, arena_fmt(&f.arena, "%s.new", f.path)), F_OK), -1);
		end(&f);
	} while (!a->ended);
	assert_true(step > 40);
	munmap(a, sizeof(*a));
}

enum { CRASH_ROUNDS = 25, CRASH_KEYS = 40 };

struct progress {
	atomic_int acknowledged[RACERS]; /* the number in the last put of each thread */
};

static struct progress *progress;

static void put_numbers(struct racer *r)
{
	struct fixture *f = r->arg;
	char pad[2000];

	memset(pad, 'p', sizeof(pad));
	for (int i = progress->acknowledged[r->number] + 1;; i++) {
		struct arena arena = {0};
		struct call c;

		call_open(&c, &arena);
		INVARIANT(kv_put(&c, f->kv, arena_fmt(&arena, "%d/%d", r->number, i % CRASH_KEYS),
				 arena_fmt(&arena, "%d %.*s", i, 500 + i % 1500, pad), KV_ANY, 0));
		progress->acknowledged[r->number] = i;
		arena_close(&arena);
	}
}

static int64_t number_in(struct fixture *f, int thread, int key)
{
	struct kv_record r;
	struct str value;
	int64_t v;

	if (!kv_get(&f->c, f->kv, arena_fmt(&f->arena, "%d/%d", thread, key), &r)) {
		call_forgive(&f->c);
		return -1;
	}
	value = r.value;
	assert_true(str_to_i64(str_cut(&value, ' '), &v));
	assert_int_equal(value.n, 500 + v % 1500);
	return v;
}

/* Lets a child write with many threads and kills it after some puts. */
static void crash_once(struct fixture *f, int more)
{
	int64_t stop = clock_mono_ms() + 60000;
	int from = progress->acknowledged[0];
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		f->kv = kv_file_open(&f->c, str_of(f->path), MAX_RECORDS);
		INVARIANT(f->kv);
		race(put_numbers, f);
	}
	while (progress->acknowledged[0] < from + more && clock_mono_ms() < stop)
		sched_yield();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_true(progress->acknowledged[0] >= from + more);
}

static void what_was_acknowledged_survives_being_killed(void **state)
{
	struct fixture f;

	(void)state;
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(progress != MAP_FAILED);
	memset(progress->acknowledged, 0xff, sizeof(progress->acknowledged)); /* -1 */
	begin(&f, of_file);
	close_kv(&f);
	for (int round = 0; round < CRASH_ROUNDS; round++) {
		unsigned char dice;

		id_random(&dice, 1);
		crash_once(&f, 1 + dice % 60);
		reopen(&f);
		for (int t = 0; t < RACERS; t++) {
			int last = progress->acknowledged[t];

			for (int i = last < CRASH_KEYS ? 0 : last - CRASH_KEYS + 1; i <= last; i++) {
				int64_t v = number_in(&f, t, i % CRASH_KEYS);

				assert_true(v == i || (v == last + 1 && v % CRASH_KEYS == i % CRASH_KEYS));
			}
		}
		close_kv(&f);
		arena_reset(&f.arena);
	}
	end(&f);
	munmap(progress, sizeof(*progress));
}

/* --- many --- */
enum { MANY = 20000 };

static void put_share(struct racer *r)
{
	struct fixture *f = r->arg;

	for (int i = r->number; i < MANY; i += RACERS) {
		struct arena arena = {0};
		struct call c;

		call_open(&c, &arena);
		INVARIANT(kv_put(&c, f->kv, arena_fmt(&arena, "many/%d", i), arena_fmt(&arena, "value %d", i), KV_ABSENT, 0));
		arena_close(&arena);
		r->wins++;
	}
}

static bool check_one(void *arg, struct str key, const struct kv_record *r)
{
	int *seen = arg;

	assert_true(str_eq(str_tail(key, 5), str_tail(r->value, 6)));
	(*seen)++;
	return true;
}

static void many_records(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND(&f)
	{
		int seen = 0;

		assert_int_equal(race(put_share, &f), MANY);
		if (strcmp(f.kv->ops->name, "file") == 0)
			reopen(&f);
		assert_int_equal(count(&f), MANY);
		assert_true(kv_scan(&f.c, f.kv, S("many/"), check_one, &seen));
		assert_int_equal(seen, MANY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_failed_sync_nothing_is_promised_any_more),
		cmocka_unit_test(a_full_disk_refuses_and_the_log_lives_on),
		cmocka_unit_test(readers_neither_wait_for_a_sync_nor_see_what_it_has_not_made_durable),
		cmocka_unit_test_setup_teardown(many_threads_share_a_sync, on_disk, off_disk),
		cmocka_unit_test(writers_go_on_while_the_log_is_compacted),
		cmocka_unit_test_setup_teardown(versions_do_not_repeat_after_compaction_and_reopening, on_disk, off_disk),
		cmocka_unit_test(nothing_is_forgotten_while_the_log_is_compacted),
		cmocka_unit_test(a_compaction_that_fails_costs_nothing_but_room),
		cmocka_unit_test(a_crash_at_any_step_of_a_compaction_loses_nothing),
		cmocka_unit_test(what_was_acknowledged_survives_being_killed),
		cmocka_unit_test(many_records),
	};

	return cmocka_run_group_tests_name("kv", tests, off_disk, close_redis);
}
