/* base_test.c - text, memory, containers, ids, clocks and digests. */
#include "base/base.h"

#include "folder.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>

static void text_numbers_are_checked_to_the_last_digit(void **state)
{
	int64_t i;
	uint64_t u;

	(void)state;
	assert_true(str_to_i64(S("-9223372036854775808"), &i));
	assert_true(i == INT64_MIN);
	assert_false(str_to_i64(S("9223372036854775808"), &i));
	assert_false(str_to_i64(S(""), &i));
	assert_false(str_to_i64(S("-"), &i));
	assert_false(str_to_i64(S("+1"), &i));
	assert_false(str_to_i64(S("1 "), &i));
	assert_true(str_to_u64(S("18446744073709551615"), &u));
	assert_true(u == UINT64_MAX);
	assert_false(str_to_u64(S("18446744073709551616"), &u));
}

static void utf8_is_judged_by_the_unicode_table(void **state)
{
	(void)state;
	assert_true(str_is_utf8(S("plain ascii text that is long")));
	assert_true(str_is_utf8(S("Zo\xC3\xAB \xE2\x82\xAC \xF0\x9F\x98\x80")));
	assert_false(str_is_utf8(S("\xC0\xAF")));         /* overlong */
	assert_false(str_is_utf8(S("\xED\xA0\x80")));     /* surrogate */
	assert_false(str_is_utf8(S("\xF4\x90\x80\x80"))); /* above U+10FFFF */
	assert_false(str_is_utf8(S("abc\xE2\x82")));      /* cut short */
}

static void a_cut_walks_a_list(void **state)
{
	struct str rest = S("a,,b");

	(void)state;
	assert_true(str_eq(str_cut(&rest, ','), S("a")));
	assert_true(str_eq(str_cut(&rest, ','), S("")));
	assert_true(str_eq(str_cut(&rest, ','), S("b")));
	assert_null(rest.p);
}

static void a_buffer_stops_at_its_limit(void **state)
{
	struct buf b = {.limit = 8};

	(void)state;
	buf_add(&b, S("12345678"));
	assert_true(buf_ok(&b));
	buf_addc(&b, '9');
	assert_false(buf_ok(&b));
	assert_int_equal(b.n, 8);
	buf_drop(&b);
	buf_i64(&b, INT64_MIN);
	assert_false(buf_ok(&b));
	b.limit = 0;
	buf_clear(&b);
	buf_i64(&b, INT64_MIN);
	assert_string_equal(buf_cstr(&b), "-9223372036854775808");
	buf_drop(&b);
}


static int order;

static void set_first(void *arg)
{
	(void)arg;
	order = order * 10 + 1;
}

static void set_second(void *arg)
{
	(void)arg;
	order = order * 10 + 2;
}

static void an_arena_undoes_newest_first(void **state)
{
	struct arena a;
	char *last = NULL;

	(void)state;
	arena_open(&a);
	for (size_t n = 1; n < 20000; n += 37) {
		char *p = arena_alloc(&a, n);

		assert_true(((uintptr_t)p & 15) == 0);
		memset(p, (int)(n & 0xFF), n);
		if (last)
			assert_true(p != last);
		last = p;
	}
	order = 0;
	arena_defer(&a, set_first, NULL);
	arena_defer(&a, set_second, NULL);
	arena_reset(&a);
	assert_int_equal(order, 21);
	assert_string_equal(arena_cstr(&a, S("again")), "again");
	arena_close(&a);
}

static void a_map_keeps_what_it_was_given(void **state)
{
	enum { N = 5000 };
	struct id *ids = calloc(N, sizeof(*ids));
	struct map m = {0};
	size_t seen = 0, i = 0;
	struct map_slot slot;

	(void)state;
	for (int k = 0; k < N; k++) {
		ids[k] = id_v4();
		assert_null(map_put(&m, id_str(&ids[k]), &ids[k]));
	}
	for (int k = 0; k < N; k += 2)
		assert_ptr_equal(map_del(&m, id_str(&ids[k])), &ids[k]);
	for (int k = 0; k < N; k++)
		assert_ptr_equal(map_get(&m, id_str(&ids[k])), k % 2 ? &ids[k] : NULL);
	while (map_next(&m, &i, &slot))
		seen++;
	assert_int_equal(seen, N / 2);
	map_close(&m);
	free(ids);
}

static void ids_are_ordered_and_well_formed(void **state)
{
	struct id a = id_v7(), b, v4 = id_v4();

	(void)state;
	clock_advance(5);
	b = id_v7();
	assert_true(strcmp(a.text, b.text) < 0);
	assert_true(id_valid(id_str(&a)) && id_valid(id_str(&v4)));
	assert_int_equal(a.text[14], '7');
	assert_int_equal(v4.text[14], '4');
	assert_false(id_valid(S("../../etc/passwd")));
	assert_false(id_valid(S("01c8b2f0-0001-0a2c-0000-00010zz40001")));
}

static void ordered_ids_follow_each_other(void **state)
{
	struct id before = id_ordered(), after;

	(void)state;
	assert_true(strncmp(before.text, id_v7().text, 12) <= 0);
	for (int i = 0; i < 1000; i++, before = after) {
		after = id_ordered();
		assert_true(strcmp(before.text, after.text) < 0);
		assert_true(id_valid(id_str(&after)));
	}
}

static void times_read_back(void **state)
{
	char text[CLOCK_RFC3339_MAX];
	int64_t ms;

	(void)state;
	assert_string_equal(clock_rfc3339(1709211907250, text), "2024-02-29T13:05:07.250Z");
	assert_string_equal(clock_rfc3339(-1, text), "1969-12-31T23:59:59.999Z");
	assert_true(clock_parse_rfc3339(S("2024-02-29T15:05:07.25+02:00"), &ms));
	assert_true(ms == 1709211907250);
	assert_true(clock_parse_rfc3339(S("1969-12-31T23:59:59.999Z"), &ms));
	assert_true(ms == -1);
	assert_false(clock_parse_rfc3339(S("2024-02-29 13:05:07"), &ms));
	assert_false(clock_parse_rfc3339(S("2024-13-29T13:05:07Z"), &ms));
	assert_false(clock_parse_rfc3339(S("2026-02-29T13:05:07Z"), &ms));
	for (int64_t day = -800000; day < 800000; day += 997) {
		int64_t y;
		unsigned m, d;

		clock_civil_from_days(day, &y, &m, &d);
		assert_true(clock_days_from_civil(y, m, d) == day);
	}
}

static void text_encodings_are_inverses(void **state)
{
	char bytes[64];

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct buf text = {0}, back = {0};

		id_random(bytes, n);
		hash_base64(str_from(bytes, n), &text);
		assert_true(hash_unbase64(buf_str(&text), &back));
		assert_true(str_eq(buf_str(&back), str_from(bytes, n)));
		buf_clear(&text);
		buf_clear(&back);
		hash_base64url(str_from(bytes, n), &text);
		assert_true(hash_unbase64url(buf_str(&text), &back));
		assert_true(str_eq(buf_str(&back), str_from(bytes, n)));
		buf_clear(&text);
		buf_clear(&back);
		hash_hex(str_from(bytes, n), &text);
		assert_true(hash_unhex(buf_str(&text), &back));
		assert_true(str_eq(buf_str(&back), str_from(bytes, n)));
		buf_drop(&text);
		buf_drop(&back);
	}
}

static void bad_encodings_are_refused(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_false(hash_unbase64(S("abc"), &out));
	assert_false(hash_unbase64(S("ab=c"), &out));
	assert_false(hash_unbase64url(S("ab=="), &out));
	assert_false(hash_unbase64url(S("ab"), &out)); /* stray bits: "aQ" would be clean */
	assert_false(hash_unhex(S("0"), &out));
	assert_false(hash_unhex(S("0g"), &out));
	buf_drop(&out);
}

static void a_wheel_hands_out_each_deadline_once_and_in_time(void **state)
{
	enum { N = 3000, TICK = 250 };
	struct wheel *w = malloc(sizeof(*w));
	struct wheel_node *nodes = calloc(N, sizeof(*nodes));
	struct list due;
	int64_t now = 1000000;
	int seen = 0;

	(void)state;
	wheel_open(w, TICK, now);
	for (int i = 0; i < N; i++)
		wheel_put(w, &nodes[i], now + (int64_t)i * 997 % 5000000);
	wheel_del(&nodes[0]);
	for (int step = 0; seen < N - 1 && step < 100000; step++) {
		list_init(&due);
		now += step % 7 == 0 ? 300000 : 90;
		while (wheel_advance(w, now, &due, 10) == 10)
			;
		LIST_EACH(&due, it) {
			struct wheel_node *n = LIST_ITEM(it, struct wheel_node, link);

			assert_true(n->due_ms <= now);
			list_del(it);
			seen++;
		}
		for (int i = 1; i < N; i++)
			assert_true(!list_linked(&nodes[i].link) || nodes[i].due_ms > now - TICK);
	}
	assert_int_equal(seen, N - 1);
	free(nodes);
	free(w);
}

static void the_first_error_stays(void **state)
{
	struct arena a = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	assert_false(fail_at(&c, ERR_SQL, 7, "no table %s", "x"));
	assert_false(fail(&c, ERR_INTERNAL, "later"));
	assert_int_equal(c.err.kind, ERR_SQL);
	assert_int_equal(c.err.position, 7);
	assert_string_equal(c.err.text, "no table x");
	arena_close(&a);
}

static void files_are_read_and_written_whole(void **state)
{
	OWNS(buf) big = {0}, back = {0}, small = {.limit = 100};
	char dir[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 8], end[3];
	int fd;

	(void)state;
	for (int i = 0; i < 400000; i++)
		buf_i64(&big, i);
	folder_make(dir);
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(file_write(fd, S("..")));
	assert_true(file_write_at(fd, buf_str(&big), 0));
	assert_true(file_read(fd, SIZE_MAX, &back)); /* goes on behind what was written first */
	assert_true(str_eq(buf_str(&back), str_tail(buf_str(&big), 2)));
	buf_clear(&back);
	assert_true(file_read_at(fd, (int64_t)big.n - 3, 2, &back));
	assert_str_equal(buf_str(&back), "99");
	assert_false(file_read_at(fd, 0, 101, &small));
	assert_int_equal(errno, EFBIG);
	assert_true(file_fill_at(fd, (int64_t)big.n - 3, end, 3));
	assert_memory_equal(end, "999", 3);
	assert_false(file_fill_at(fd, (int64_t)big.n - 2, end, 3));
	assert_int_equal(errno, EIO);
	close(fd);
	folder_remove(dir);
}

static void folders_are_emptied_of_files_only(void **state)
{
	char dir[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 8];
	int fd;

	(void)state;
	folder_make(dir);
	assert_true(file_make_folder(dir, 0700));
	assert_false(file_make_folder("/proc/version/x", 0700));
	snprintf(path, sizeof(path), "%s/file", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	snprintf(path, sizeof(path), "%s/folder", dir);
	assert_true(file_make_folder(path, 0700));
	assert_true(file_sync_folder(dir));
	assert_false(file_sync_folder("/nowhere"));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(file_empty_folder(fd));
	assert_int_equal(faccessat(fd, "file", F_OK, 0), -1);
	assert_int_equal(faccessat(fd, "folder", F_OK, 0), 0);
	close(fd);
	folder_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_numbers_are_checked_to_the_last_digit),
		cmocka_unit_test(utf8_is_judged_by_the_unicode_table),
		cmocka_unit_test(a_cut_walks_a_list),
		cmocka_unit_test(a_buffer_stops_at_its_limit),
		cmocka_unit_test(an_arena_undoes_newest_first),
		cmocka_unit_test(a_map_keeps_what_it_was_given),
		cmocka_unit_test(ids_are_ordered_and_well_formed), cmocka_unit_test(ordered_ids_follow_each_other),
		cmocka_unit_test(times_read_back),
		cmocka_unit_test(text_encodings_are_inverses),
		cmocka_unit_test(bad_encodings_are_refused),
		cmocka_unit_test(a_wheel_hands_out_each_deadline_once_and_in_time),
		cmocka_unit_test(the_first_error_stays),
		cmocka_unit_test(files_are_read_and_written_whole),
		cmocka_unit_test(folders_are_emptied_of_files_only),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
