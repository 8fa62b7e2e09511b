/* kv_test.c - the contract that every backend of kv/ keeps, and what Redis and the file add to it. */
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
	for (size_t i = 0; i < COUNT_OF(backends) && backends[i].bounded; i++) {
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
	for (size_t i = 0; i < COUNT_OF(backends) && backends[i].bounded; i++) {
		begin_full_at(&f, &backends[i], 333);
		assert_int_equal(race(put_own_keys, &f), 333);
		assert_int_equal(count(&f), 333);
		end(&f);
	}
}

/* --- what Redis adds: servers that share it --- */
enum { PROCESSES = 4 };

/* A server of its own: another process, with its own connections. */
static void count_up_elsewhere(const struct redis_options *o, const char *prefix)
{
	struct fixture f = {.kv = NULL};
	struct redis *r;

	call_open(&f.c, &f.arena);
	r = redis_open(&f.c, o);
	INVARIANT(r);
	f.kv = kv_redis_open(r, str_of(prefix));
	INVARIANT(race(count_up, &f) == RACERS * ROUNDS);
	close_kv(&f);
	redis_close(r);
	arena_close(&f.arena);
	_exit(0);
}

static void processes_lose_nothing_by_compare_and_set(void **state)
{
	pid_t pids[PROCESSES];
	struct redis_options o;
	struct redis_rig server;
	struct fixture f = {.kv = NULL};
	struct redis *r;

	(void)state;
	REDIS_NEEDED();
	call_open(&f.c, &f.arena);
	redis_rig_open(&server, NULL);
	o = redis_rig_options(&server);
	for (int i = 0; i < PROCESSES; i++) { /* forked before there are threads: they wait for the first record */
		pids[i] = fork();
		if (pids[i] == 0) {
			while (!redis_rig_holds(&server, "test:record:n"))
				poll(NULL, 0, 5);
			count_up_elsewhere(&o, "test:");
		}
		assert_true(pids[i] > 0);
	}
	r = redis_rig_client(&f.c, &o);
	f.kv = kv_redis_open(r, S("test:"));
	assert_true(put(&f, "n", "0"));
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	holds(&f, "n", "3840");
	close_kv(&f);
	redis_close(r);
	redis_rig_close(&server);
	arena_close(&f.arena);
}

static struct redis_value ask_redis(struct fixture *f, struct redis_command cmd)
{
	struct redis_value v;

	assert_true(redis_one(&f->c, kv_redis_shared.client, cmd, &v));
	return v;
}

static bool note_key(void *arg, struct str key, const struct kv_record *r)
{
	struct visit *v = arg;

	(void)r;
	v->keys[v->seen++] = key.p[key.n - 1];
	return true;
}

static bool count_key(void *arg, struct str key, const struct kv_record *r)
{
	struct visit *v = arg;

	(void)key;
	(void)r;
	v->seen++;
	return true;
}

static void scan_all(struct fixture *f, const char *want)
{
	struct visit v = {.f = f};

	assert_true(kv_scan(&f->c, f->kv, S(""), note_key, &v));
	qsort(v.keys, (size_t)v.seen, 1, by_letter);
	assert_int_equal(v.seen, strlen(want));
	assert_memory_equal(v.keys, want, v.seen);
}

static struct str redis_name(struct fixture *f, const char *rest)
{
	return arena_fmt(&f->arena, "test:%d:%s", kv_redis_shared.fixtures - 1, rest);
}

static void what_is_none_of_ours_is_an_error_of_its_key_alone(void **state)
{
	struct kv_record r;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f, of_redis);
	assert_true(put(&f, "a", "1") && put(&f, "b", "2") && put(&f, "c", "3"));
	ask_redis(&f, REDIS_COMMAND(S("DEL"), redis_name(&f, "record:b")));
	ask_redis(&f, REDIS_COMMAND(S("LPUSH"), redis_name(&f, "record:b"), S("a list")));
	ask_redis(&f, REDIS_COMMAND(S("HSET"), redis_name(&f, "record:c"), S("version"), S("none")));
	expect_error(&f, kv_get(&f.c, f.kv, S("b"), &r), ERR_STORAGE);
	expect_error(&f, put(&f, "b", "2"), ERR_STORAGE);
	expect_error(&f, kv_get(&f.c, f.kv, S("c"), &r), ERR_STORAGE);
	scan_all(&f, "a");
	assert_true(put(&f, "c", "again"));
	scan_all(&f, "ac");
	end(&f);
}

/* Evicted, or expired by Redis: the sets of names still have them. */
static void what_redis_forgot_is_forgotten_by_a_scan_and_a_sweep(void **state)
{
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f, of_redis);
	assert_true(put(&f, "a", "1") && put(&f, "b", "2"));
	assert_true(kv_put(&f.c, f.kv, S("t"), S("3"), KV_ANY, 60000));
	assert_in_range(ask_redis(&f, REDIS_COMMAND(S("PTTL"), redis_name(&f, "record:t"))).integer, 1, 60000);
	ask_redis(&f, REDIS_COMMAND(S("DEL"), redis_name(&f, "record:a"), redis_name(&f, "record:t")));
	assert_int_equal(count(&f), 3);
	scan_all(&f, "b");
	assert_int_equal(count(&f), 1);
	assert_int_equal(ask_redis(&f, REDIS_COMMAND(S("EXISTS"), redis_name(&f, "expiries"))).integer, 0);
	assert_true(kv_put(&f.c, f.kv, S("t"), S("3"), KV_ANY, 60000));
	ask_redis(&f, REDIS_COMMAND(S("DEL"), redis_name(&f, "record:t")));
	clock_advance(60001);
	f.kv->ops->sweep(f.kv);
	REDIS_UNTIL(ask_redis(&f, REDIS_COMMAND(S("ZCARD"), redis_name(&f, "names"))).integer == 1);
	end(&f);
}

/* More names than a page, and the last bytes there are. */
static void a_scan_by_prefix_sees_every_name(void **state)
{
	struct visit v;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f, of_redis);
	for (int i = 0; i < 2500; i++)
		assert_true(kv_put(&f.c, f.kv, arena_fmt(&f.arena, "many/%d", i), S(""), KV_ABSENT, 0));
	assert_true(put(&f, "many\xff\xff", "") && put(&f, "many\xff\xff/z", "") && put(&f, "man", "") && put(&f, "mao", ""));
	v = (struct visit){.f = &f};
	assert_true(kv_scan(&f.c, f.kv, S("many/"), count_key, &v));
	assert_int_equal(v.seen, 2500);
	v = (struct visit){.f = &f};
	assert_true(kv_scan(&f.c, f.kv, S("many\xff\xff"), count_key, &v));
	assert_int_equal(v.seen, 2);
	v = (struct visit){.f = &f};
	assert_true(kv_scan(&f.c, f.kv, S("\xff\xff"), count_key, &v));
	assert_int_equal(v.seen, 0);
	assert_int_equal(count(&f), 2504);
	end(&f);
}

/* What is not used any more leaves nothing behind, unless a record was meant to stay. */
static void every_key_has_a_time_to_live_unless_a_record_has_none(void **state)
{
	static const char *const sets[] = {"names", "expiries", "version"};
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f, of_redis);
	assert_true(kv_put(&f.c, f.kv, S("long"), S(""), KV_ANY, 1000000));
	assert_true(kv_put(&f.c, f.kv, S("short"), S(""), KV_ANY, 1000));
	for (size_t i = 0; i < COUNT_OF(sets); i++)
		assert_in_range(ask_redis(&f, REDIS_COMMAND(S("PTTL"), redis_name(&f, sets[i]))).integer, 1000000, 90000000);
	assert_true(put(&f, "for ever", "") && kv_put(&f.c, f.kv, S("short"), S(""), KV_ANY, 1000));
	assert_int_equal(ask_redis(&f, REDIS_COMMAND(S("PTTL"), redis_name(&f, "names"))).integer, -1);
	assert_in_range(ask_redis(&f, REDIS_COMMAND(S("PTTL"), redis_name(&f, "expiries"))).integer, 1000000, 90000000);
	end(&f);
}

static void versions_do_not_come_again_when_redis_lost_everything(void **state)
{
	uint64_t was;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f, of_redis);
	assert_true(put(&f, "k", "1"));
	was = holds(&f, "k", "1");
	ask_redis(&f, REDIS_COMMAND(S("FLUSHALL")));
	expect_absent(&f, "k");
	assert_true(put(&f, "k", "2"));
	assert_true(holds(&f, "k", "2") > was);
	expect_error(&f, kv_drop(&f.c, f.kv, S("k"), was), ERR_CONFLICT);
	end(&f);
}

static void a_full_redis_is_unavailable_for_new_records_only(void **state)
{
	uint64_t keys = 0;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f, of_redis);
	assert_true(put(&f, "a", "1") && put(&f, "b", "2"));
	ask_redis(&f, REDIS_COMMAND(S("CONFIG"), S("SET"), S("maxmemory"), S("1")));
	expect_error(&f, put(&f, "c", "3"), ERR_UNAVAILABLE);
	keys = count(&f);
	holds(&f, "a", "1");
	assert_true(kv_drop(&f.c, f.kv, S("b"), KV_ANY));
	ask_redis(&f, REDIS_COMMAND(S("CONFIG"), S("SET"), S("maxmemory"), S("0")));
	assert_int_equal(keys, 2);
	expect_absent(&f, "c");
	assert_true(put(&f, "c", "3"));
	assert_int_equal(count(&f), 2);
	end(&f);
}

static void without_redis_everything_is_unavailable_at_once(void **state)
{
	struct kv_record r;
	struct visit v;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f, of_redis);
	assert_true(put(&f, "a", "1"));
	redis_rig_kill(&kv_redis_shared.server);
	REDIS_UNTIL(!redis_up(kv_redis_shared.client));
	v = (struct visit){.f = &f};
	expect_error(&f, kv_get(&f.c, f.kv, S("a"), &r), ERR_UNAVAILABLE);
	expect_error(&f, put(&f, "a", "2"), ERR_UNAVAILABLE);
	expect_error(&f, kv_drop(&f.c, f.kv, S("a"), KV_ANY), ERR_UNAVAILABLE);
	expect_error(&f, kv_scan(&f.c, f.kv, S(""), note_key, &v), ERR_UNAVAILABLE);
	f.kv->ops->sweep(f.kv);
	assert_int_equal(count(&f), 0);
	redis_rig_start(&kv_redis_shared.server);
	REDIS_UNTIL(redis_up(kv_redis_shared.client));
	expect_absent(&f, "a");
	assert_true(put(&f, "a", "3"));
	end(&f);
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
		cmocka_unit_test(processes_lose_nothing_by_compare_and_set), /* first: it forks */
		cmocka_unit_test_setup_teardown(only_the_expected_version_is_replaced, on_disk, off_disk),
		cmocka_unit_test(a_record_past_its_time_is_absent_and_swept),
		cmocka_unit_test(a_full_store_refuses_new_keys_only),
		cmocka_unit_test(keys_and_values_have_a_largest_size),
		cmocka_unit_test(a_scan_sees_a_copy),
		cmocka_unit_test(compare_and_set_loses_nothing),
		cmocka_unit_test(racers_do_not_overfill),
		cmocka_unit_test(what_is_none_of_ours_is_an_error_of_its_key_alone),
		cmocka_unit_test(what_redis_forgot_is_forgotten_by_a_scan_and_a_sweep),
		cmocka_unit_test(a_scan_by_prefix_sees_every_name),
		cmocka_unit_test(every_key_has_a_time_to_live_unless_a_record_has_none),
		cmocka_unit_test(versions_do_not_come_again_when_redis_lost_everything),
		cmocka_unit_test(a_full_redis_is_unavailable_for_new_records_only),
		cmocka_unit_test(without_redis_everything_is_unavailable_at_once),
		cmocka_unit_test_setup_teardown(opening_again_finds_everything, on_disk, off_disk),
		cmocka_unit_test(a_log_has_one_server),
		cmocka_unit_test(a_torn_end_is_cut_wherever_it_is),
		cmocka_unit_test(zeros_at_the_end_are_cut),
		cmocka_unit_test(damage_is_an_error_or_cut_and_never_believed),
	};

	return cmocka_run_group_tests_name("kv", tests, off_disk, close_redis);
}
