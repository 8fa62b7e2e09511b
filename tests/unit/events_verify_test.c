/* events_verify_test.c - what was changed, cut or lost behind the log's back is found. */
#include "events_rig.h"

/* --- files of the log, behind its back --- */
static struct buf read_file(const char *path)
{
	struct buf b = {0};
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	do {
		n = read(fd, buf_room(&b, 65536), 65536);
		assert_true(n >= 0);
		b.n += (size_t)n;
	} while (n > 0);
	close(fd);
	return b;
}

static void write_file(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	close(fd);
}

static int count_bad(struct fixture *f)
{
	return verify(f).nbad;
}

static void every_changed_byte_is_found(void **state)
{
	char path[256];
	struct fixture f;
	struct buf b;
	int missed = 0;

	(void)state;
	begin(&f);
	append_many(&f, 0, 4);
	reopen(&f);
	expect_sound(&f, 4);
	path_of(&f, first_segment, path);
	b = read_file(path);
	for (size_t i = 0; i < b.n; i++) {
		char was = b.p[i];

		b.p[i] = was ^ (i % 2 ? 1 : 0x20);
		write_file(path, buf_str(&b));
		if (count_bad(&f) == 0)
			missed++;
		b.p[i] = was;
		arena_reset(&f.arena);
	}
	assert_int_equal(missed, 0);
	write_file(path, buf_str(&b));
	expect_sound(&f, 4);
	buf_drop(&b);
	end(&f);
}

static void every_changed_byte_of_the_head_is_found(void **state)
{
	char path[256];
	struct fixture f;
	struct buf b;
	size_t last;
	int missed = 0;

	(void)state;
	begin(&f);
	append_many(&f, 0, 2);
	reopen(&f);
	path_of(&f, first_head, path);
	b = read_file(path);
	for (last = b.n - 1; last > 0 && b.p[last - 1] != '\n';)
		last--;
	for (size_t i = last; i < b.n; i++) {
		char was = b.p[i];

		b.p[i] = was ^ 1;
		write_file(path, buf_str(&b));
		/* without its end the record before it counts, which does not say that the log is closed */
		if (count_bad(&f) == 0 && i != b.n - 1)
			missed++;
		b.p[i] = was;
	}
	assert_int_equal(missed, 0);
	buf_drop(&b);
	end(&f);
}

/* One payload is another, with a hash that is right; with `all`, so are the hashes of all items behind it. */
static void forge(struct buf *b, bool all)
{
	struct str rest = buf_str(b);
	char hash[65] = "";

	for (int i = 0; rest.n; i++) {
		struct str line = str_cut(&rest, '\n');
		char *at = b->p + (line.p - b->p);
		unsigned char digest[SHA256_LEN];
		OWNS(buf) hex = {0};

		if (i < 2)
			continue;
		if (i == 2)
			at[str_search(line, S("opened"))] = 'O';
		else if (all)
			memcpy(at + line.n - 66 - 9 - 1 - 64, hash, 64);
		else
			continue;
		hash_sha256(str_head(line, line.n - 66 - 9), digest);
		hash_hex(str_from((char *)digest, sizeof(digest)), &hex);
		memcpy(hash, hex.p, 64);
		memcpy(at + line.n - 66, hash, 64);
	}
}

static void a_forged_chain_is_found(void **state)
{
	for (int all = 0; all < 2; all++) {
		struct events_verdict v;
		char path[256];
		struct fixture f;
		struct buf b;

		begin(&f);
		append_many(&f, 0, 6);
		path_of(&f, first_segment, path);
		b = read_file(path);
		forge(&b, all);
		write_file(path, buf_str(&b));
		v = verify(&f);
		assert_int_equal(v.nbad, 1);
		if (all)
			assert_true(str_ends(v.bad[0], S("offset 5 is not the item that the signed head tells")));
		else
			assert_true(str_search(v.bad[0], S("offset 3 does not follow the item before it")) < v.bad[0].n);
		buf_drop(&b);
		end(&f);
	}
	(void)state;
}

static size_t line_begin(const struct buf *b, int from_end)
{
	size_t at = b->n;

	while (from_end-- > 0) {
		at--;
		while (at > 0 && b->p[at - 1] != '\n')
			at--;
	}
	return at;
}

static void a_cut_tail_is_found_and_the_stream_goes_on(void **state)
{
	for (int lines = 1; lines <= 6; lines += 5) {
		struct events_stats stats;
		char path[256], again[256];
		struct event_item *it;
		struct fixture f;
		struct str cursor;
		int64_t lost, next;
		struct buf b, kept;
		int n, bad;

		begin(&f);
		append_many(&f, 0, 6);
		close_log(&f);
		path_of(&f, first_segment, path);
		b = read_file(path);
		write_file(path, str_head(buf_str(&b), line_begin(&b, lines)));
		open_log(&f);
		bad = count_bad(&f);
		assert_int_equal(bad, 1);
		assert_true(str_search(verify(&f).bad[0], S("cut off")) < verify(&f).bad[0].n);
		assert_true(append(&f, "acme", 7));
		events_stats(f.e, &stats);
		assert_int_equal(stats.broken, 1);
		assert_true(event_head(&f.c, f.e, LIFE, S("acme"), &next));
		assert_int_equal(next, 8);
		assert_true(count_bad(&f) > 0);
		kept = read_file(path);
		assert_int_equal(kept.n, line_begin(&b, lines)); /* evidence stays */
		path_of(&f, "00000000000000000006.ndjson", again);
		assert_int_equal(access(again, F_OK), 0);
		assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
		assert_int_equal(n, 8 - lines);
		assert_int_equal(lost, lines);
		assert_true(str_starts(it[6 - lines].payload, S("{\"event\":\"chain_broken\",")));
		/* found once, not at every start */
		reopen(&f);
		assert_true(append(&f, "acme", 8));
		events_stats(f.e, &stats);
		assert_int_equal(stats.broken, 0);
		buf_drop(&b);
		buf_drop(&kept);
		end(&f);
	}
	(void)state;
}

static void a_lost_head_is_found_and_the_stream_goes_on(void **state)
{
	char path[256];
	struct event_item *it;
	struct fixture f;
	struct str cursor;
	int64_t lost;
	int n;

	(void)state;
	begin(&f);
	append_many(&f, 0, 3);
	close_log(&f);
	path_of(&f, first_head, path);
	assert_int_equal(unlink(path), 0);
	open_log(&f);
	assert_true(count_bad(&f) > 0);
	assert_true(append(&f, "acme", 4));
	assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 5);
	assert_int_equal(it[4].offset, 4);
	end(&f);
	begin(&f);
	append_many(&f, 0, 3);
	close_log(&f);
	f.o.key = S("another key");
	open_log(&f);
	assert_true(append(&f, "acme", 4));
	reopen(&f);
	assert_true(append(&f, "acme", 5));
	assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 6);
	end(&f);
}

static void items_put_behind_a_closed_head_are_found(void **state)
{
	char path[256];
	struct fixture f;
	struct buf b;

	(void)state;
	begin(&f);
	append_many(&f, 0, 3);
	close_log(&f);
	path_of(&f, first_segment, path);
	b = read_file(path);
	buf_add(&b, str_tail(buf_str(&b), line_begin(&b, 1)));
	write_file(path, buf_str(&b));
	open_store(&f);
	assert_true(count_bad(&f) > 0);
	faulty_close(&f.store.store);
	open_log(&f);
	buf_drop(&b);
	end(&f);
}

/* As a crash leaves it: the head is that of before, the last line is in pieces. */
static void a_torn_last_line_is_cut_wherever_it_ends(void **state)
{
	char path[256], head[256];
	struct fixture f;
	struct buf b, before;
	size_t last;

	(void)state;
	begin(&f);
	append_many(&f, 0, 3);
	path_of(&f, first_head, head);
	path_of(&f, first_segment, path);
	before = read_file(head);
	append_many(&f, 3, 4);
	b = read_file(path);
	last = line_begin(&b, 1);
	for (size_t n = last; n <= b.n; n++) {
		close_log(&f);
		write_file(path, str_head(buf_str(&b), n));
		write_file(head, buf_str(&before));
		open_log(&f);
		assert_int_equal(count_bad(&f), 0);
		assert_int_equal(verify(&f).unsealed, n == b.n);
		append_many(&f, n == b.n ? 4 : 3, 5);
		expect_sound(&f, 5);
		check_all(&f, 0, 5);
		arena_reset(&f.arena);
	}
	buf_drop(&b);
	buf_drop(&before);
	end(&f);
}

static void a_dropped_segment_is_found(void **state)
{
	char path[256], name[32];
	struct event_item *it;
	struct fixture f;
	struct str cursor;
	int64_t lost, second;
	DIR *d;
	int n;

	(void)state;
	for (int which = 0; which < 3; which++) { /* the first, one in the middle, the last */
		int64_t firsts[64] = {0};
		size_t count = 0;
		const struct dirent *entry;

		begin(&f);
		f.o.segment_bytes = 2000;
		reopen(&f);
		append_many(&f, 0, 60);
		path_of(&f, "", path);
		d = opendir(path);
		assert_non_null(d);
		while ((entry = readdir(d)))
			if (ascii_digit(entry->d_name[0]) && count < COUNT_OF(firsts))
				assert_true(str_to_i64(str_head(str_of(entry->d_name), 20), &firsts[count++]));
		closedir(d);
		assert_true(count > 5);
		second = 0;
		for (size_t i = 0; i < count; i++)
			second = which == 2 ? (firsts[i] > second ? firsts[i] : second) : which == 1 && firsts[i] && firsts[i] < 20 ? firsts[i] : second;
		snprintf(name, sizeof(name), "%020lld.ndjson", (long long)second);
		expect_sound(&f, 60);
		path_of(&f, name, path);
		assert_int_equal(unlink(path), 0);
		assert_true(count_bad(&f) > 0);
		assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
		assert_true(n < 60 && n > 40);
		if (which < 2)
			assert_int_equal(n + lost, 60);
		end(&f);
	}
}

static void strange_objects_are_told(void **state)
{
	struct events_verdict v;
	struct fixture f;
	char path[256];

	(void)state;
	begin(&f);
	append_many(&f, 0, 1);
	path_of(&f, "notes.txt", path);
	write_file(path, S("hello"));
	v = verify(&f);
	assert_int_equal(v.nbad, 1);
	assert_true(str_search(v.bad[0], S("notes.txt does not belong here")) < v.bad[0].n);
	end(&f);
}

/* --- retention --- */
static void retention_keeps_the_chain(void **state)
{
	struct str cursor = S(""), old;
	struct event_item *it;
	struct fixture f;
	int64_t lost, next;
	int n;

	(void)state;
	begin(&f);
	f.o.segment_bytes = 2000;
	f.o.retention_bytes = 6000;
	f.o.retention_ms = 1000000;
	reopen(&f);
	assert_true(events_tail(&f.c, f.e, &acme, &old));
	append_many(&f, 0, 1);
	assert_true(read_events(&f.c, f.e, &acme, S(""), 1, &it, &n, &old, &lost));
	append_many(&f, 1, 60);
	events_sweep(f.e);
	assert_int_equal(count_bad(&f), 0);
	assert_true(read_events(&f.c, f.e, &acme, S(""), 100, &it, &n, &cursor, &lost));
	assert_true(n > 5 && n < 30);
	assert_int_equal(lost, 0);
	assert_int_equal(it[n - 1].offset, 59);
	assert_true(read_events(&f.c, f.e, &acme, old, 100, &it, &n, &cursor, &lost));
	assert_int_equal(n + lost, 59);
	reopen(&f);
	append_many(&f, 60, 61);
	assert_int_equal(count_bad(&f), 0);
	/* by age all goes, and offsets go on */
	clock_advance(2000000);
	events_sweep(f.e);
	expect_sound(&f, 0);
	append_many(&f, 61, 62);
	expect_sound(&f, 1);
	reopen(&f);
	expect_sound(&f, 1);
	assert_true(read_events(&f.c, f.e, &acme, old, 100, &it, &n, &cursor, &lost));
	assert_int_equal(n, 1);
	assert_int_equal(lost, 60);
	clock_advance(2000000);
	close_log(&f);
	open_log(&f);
	events_sweep(f.e);
	reopen(&f);
	expect_sound(&f, 0);
	assert_true(event_head(&f.c, f.e, LIFE, S("acme"), &next));
	assert_int_equal(next, 62);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_changed_byte_is_found),
		cmocka_unit_test(every_changed_byte_of_the_head_is_found),
		cmocka_unit_test(a_forged_chain_is_found),
		cmocka_unit_test(a_cut_tail_is_found_and_the_stream_goes_on),
		cmocka_unit_test(a_lost_head_is_found_and_the_stream_goes_on),
		cmocka_unit_test(items_put_behind_a_closed_head_are_found),
		cmocka_unit_test(a_torn_last_line_is_cut_wherever_it_ends),
		cmocka_unit_test(a_dropped_segment_is_found),
		cmocka_unit_test(strange_objects_are_told),
		cmocka_unit_test(retention_keeps_the_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
