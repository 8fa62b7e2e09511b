/* store_folder_test.c - what only the folder promises, also when its process is killed. */
#include "store_rig.h"

/* --- crashes --- */
enum { CRASH_ROUNDS = 30, LINE = 100 };

/* Bytes that tell which object they belong to; sizes up to three pages. */
static struct str body_of(struct arena *a, int number)
{
	size_t n = 10 + (size_t)number * 7919 % 12000;
	char *p = arena_alloc(a, n);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + ((size_t)number + i) % 26);
	return str_from(p, n);
}

struct ack {
	char what; /* 'p' or 'l' */
	int number;
};

NORETURN static void write_until_killed(const struct backend *b, const char *place, int from, int out)
{
	struct own_call own = {0};
	struct store *s;

	call_open(&own.c, &own.arena);
	s = b->open(&own.c, place);
	INVARIANT(s);
	for (int i = from;; i++) {
		struct ack put_ack = {'p', i}, line_ack = {'l', i};
		char line[LINE];

		INVARIANT(s->ops->put(&own.c, s, arena_fmt(&own.arena, "p/%d/%d", i % 5, i), body_of(&own.arena, i), STORE_NEW));
		INVARIANT(write(out, &put_ack, sizeof(put_ack)) == sizeof(put_ack));
		memset(line, 'a' + i % 26, LINE);
		INVARIANT(s->ops->append(&own.c, s, S("log"), (int64_t)i * LINE, str_from(line, LINE), true));
		INVARIANT(write(out, &line_ack, sizeof(line_ack)) == sizeof(line_ack));
		arena_reset(&own.arena);
	}
}

/* Lets a child write, kills it, and tells what it had acknowledged: puts and lines. */
static void crash_once(struct fixture *f, int from, int *ret_puts, int *ret_lines)
{
	unsigned char dice;
	int acks[2], seen = 0;
	struct ack a;
	pid_t child;

	assert_int_equal(pipe(acks), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(acks[0]);
		write_until_killed(f->backend, f->place, from, acks[1]);
	}
	close(acks[1]);
	id_random(&dice, 1);
	while (read(acks[0], &a, sizeof(a)) == sizeof(a)) {
		*(a.what == 'p' ? ret_puts : ret_lines) = a.number + 1;
		if (seen++ == dice % 40)
			kill(child, SIGKILL);
	}
	waitpid(child, NULL, 0);
	close(acks[0]);
}

static void expect_puts(struct fixture *f, int acknowledged, int *ret_there)
{
	struct str after = S("");
	struct store_entry *all;
	OWNS(buf) b = {0};
	size_t n;

	*ret_there = 0;
	do {
		assert_true(f->s->ops->list(&f->c, f->s, S("p/"), after, &all, &n));
		for (size_t i = 0; i < n; i++) {
			int number = atoi(strrchr(arena_cstr(&f->arena, all[i].key), '/') + 1);

			assert_true(get(f, arena_cstr(&f->arena, all[i].key), 0, INT64_MAX, &b));
			assert_true(str_eq(buf_str(&b), body_of(&f->arena, number)));
			*ret_there = number >= *ret_there ? number + 1 : *ret_there;
		}
		after = n ? all[n - 1].key : after;
	} while (n == STORE_LIST_MAX);
	for (int i = 0; i < acknowledged; i++)
		assert_true(get(f, arena_cstr(&f->arena, arena_fmt(&f->arena, "p/%d/%d", i % 5, i)), 0, 1, &b));
}

static void expect_lines(struct fixture *f, int acknowledged)
{
	OWNS(buf) b = {0};

	if (acknowledged == 0)
		return;
	assert_true(get(f, "log", 0, INT64_MAX, &b));
	assert_true(b.n >= (size_t)acknowledged * LINE);
	for (size_t i = 0; i < (size_t)acknowledged * LINE; i++)
		assert_int_equal(b.p[i], 'a' + i / LINE % 26);
}

/* The next child goes on where everything is there: what was not acknowledged is dropped or cut. */
static int settle(struct fixture *f, int puts, int there, int lines)
{
	int from = puts < lines ? puts : lines;

	for (int i = from; i < there; i++)
		assert_true(f->s->ops->drop(&f->c, f->s, arena_fmt(&f->arena, "p/%d/%d", i % 5, i)));
	if (lines > 0)
		assert_true(f->s->ops->cut(&f->c, f->s, S("log"), (int64_t)from * LINE));
	else
		assert_true(f->s->ops->drop(&f->c, f->s, S("log")));
	return from;
}

static void what_was_acknowledged_survives_being_killed(void **state)
{
	struct fixture f;

	(void)state;
	EACH_BACKEND_WITH_APPENDS(&f)
	{
		int from = 0, total = 0;

		for (int round = 0; round < CRASH_ROUNDS; round++) {
			int puts = from, lines = from, there;

			f.s->ops->close(f.s);
			f.s = NULL;
			crash_once(&f, from, &puts, &lines);
			reopen(&f);
			expect_puts(&f, puts, &there);
			expect_lines(&f, lines);
			total += puts - from;
			from = settle(&f, puts, there, lines);
			arena_reset(&f.arena);
		}
		assert_true(total > CRASH_ROUNDS);
	}
}

/* --- what only the folder promises --- */
static void syncs_are_as_many_as_needed(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &backends[0]);
	faults.fsyncs = faults.fdatasyncs = 0;
	assert_true(put(&f, "a/b/c", "1", STORE_NEW));
	assert_int_equal(faults.fsyncs, 4); /* the file, two folders made, the name */
	assert_true(put(&f, "a/b/d", "1", STORE_NEW));
	assert_int_equal(faults.fsyncs, 6);
	assert_true(append(&f, "a/log", 0, "1"));
	faults.fsyncs = faults.fdatasyncs = 0;
	for (int i = 1; i < 10; i++)
		assert_true(append(&f, "a/log", i, "1"));
	assert_int_equal(faults.fsyncs, 0);
	assert_int_equal(faults.fdatasyncs, 9);
	assert_true(f.s->ops->append(&f.c, f.s, S("a/log"), 10, S("1"), false));
	assert_int_equal(faults.fdatasyncs, 9);
	end(&f);
}

static void an_append_that_fails_may_be_tried_again(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, &backends[0]);
	assert_true(append(&f, "log", 0, "one"));
	faults.sync_error = EIO;
	expect_error(&f, append(&f, "log", 3, "two, torn"), ERR_STORAGE);
	expect_error(&f, put(&f, "x/y", "z", STORE_NEW), ERR_STORAGE);
	faults.sync_error = ENOSPC;
	expect_error(&f, append(&f, "log", 3, "two, torn"), ERR_STORAGE);
	faults.sync_error = 0;
	expect_bytes(&f, "log", "one");
	assert_true(append(&f, "log", 3, "two"));
	expect_bytes(&f, "log", "onetwo");
	assert_true(put(&f, "x/y", "z", STORE_NEW));
	end(&f);
}

static int count_temp_folders(const struct fixture *f)
{
	char path[FOLDER_PATH_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s/store/~tmp", f->place);
	assert_int_equal(stat(path, &st), 0);
	return (int)st.st_nlink - 2;
}

static void torn_puts_of_ended_processes_are_removed_after_an_hour(void **state)
{
	char path[FOLDER_PATH_MAX + 80];
	struct fixture f;
	struct store *other;

	(void)state;
	begin(&f, &backends[0]);
	snprintf(path, sizeof(path), "%s/store/~tmp/%s", f.place, id_v4().text);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/torn");
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(count_temp_folders(&f), 2);
	other = open_folder(&f.c, f.place);
	assert_non_null(other);
	assert_int_equal(count_temp_folders(&f), 3); /* it may be another machine's that is writing */
	other->ops->close(other);
	clock_advance(3600 * 1000 + 2000);
	other = open_folder(&f.c, f.place);
	assert_non_null(other);
	assert_int_equal(count_temp_folders(&f), 2); /* two that live */
	assert_true(put(&f, "a", "still able to", STORE_NEW));
	other->ops->close(other);
	assert_int_equal(count_temp_folders(&f), 1);
	end(&f);
}

static void links_are_not_followed(void **state)
{
	char path[FOLDER_PATH_MAX + 16];
	struct store_entry *all;
	OWNS(buf) b = {0};
	struct fixture f;
	size_t n;

	(void)state;
	begin(&f, &backends[0]);
	assert_true(put(&f, "real/x", "1", STORE_NEW));
	snprintf(path, sizeof(path), "%s/store/out", f.place);
	assert_int_equal(symlink("/tmp", path), 0);
	snprintf(path, sizeof(path), "%s/store/file", f.place);
	assert_int_equal(symlink("real/x", path), 0);
	snprintf(path, sizeof(path), "%s/store/fifo", f.place);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_error(&f, get(&f, "out/x", 0, 1, &b), ERR_NOT_FOUND);
	snprintf(path, sizeof(path), "%s/store/good", f.place);
	assert_int_equal(symlink("real/x", path), 0);
	expect_error(&f, get(&f, "good", 0, 1, &b), ERR_NOT_FOUND);
	expect_error(&f, get(&f, "file", 0, 1, &b), ERR_NOT_FOUND);
	expect_error(&f, get(&f, "fifo", 0, 1, &b), ERR_NOT_FOUND);
	expect_error(&f, put(&f, "out/mayfly-test-outside", "1", STORE_NEW), ERR_CONFLICT);
	expect_error(&f, append(&f, "file", 0, "1"), ERR_STORAGE);
	assert_true(f.s->ops->list(&f.c, f.s, S(""), S(""), &all, &n));
	assert_int_equal(n, 1);
	assert_str_equal(all[0].key, "real/x");
	end(&f);
}

static void empty_folders_are_not_in_the_way(void **state)
{
	char path[FOLDER_PATH_MAX + 16];
	struct store_entry *all;
	struct fixture f;
	size_t n;

	(void)state;
	begin(&f, &backends[0]);
	for (int i = 0; i < STORE_LIST_MAX + 3; i++) {
		snprintf(path, sizeof(path), "%s/store/e%d", f.place, i);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_true(f.s->ops->list(&f.c, f.s, S(""), S(""), &all, &n));
	assert_int_equal(n, 0);
	assert_true(put(&f, "f", "1", STORE_NEW));
	assert_true(f.s->ops->list(&f.c, f.s, S(""), S(""), &all, &n));
	assert_int_equal(n, 1);
	assert_true(put(&f, "e0", "1", STORE_NEW));
	assert_true(put(&f, "e1", "1", STORE_REPLACE));
	assert_true(append(&f, "e2", 0, "1"));
	end(&f);
}

static struct store *open_with(struct call *c, const char *scheme, const char *name, struct str value)
{
	struct store_option option = {str_of(name), value};

	return store_open(c, &(struct store_options){.scheme = str_of(scheme), .options = &option, .noptions = 1});
}

static void the_probe_leaves_nothing_and_the_location_is_a_uri(void **state)
{
	struct store_entry *all;
	struct fixture f;
	struct store *s;
	size_t n;

	(void)state;
	begin(&f, &backends[0]);
	s = open_with(&f.c, "fs", "root", arena_fmt(&f.arena, "%s/a b%%\xc3\xa4/", f.place));
	assert_non_null(s);
	assert_str_equal(s->location, arena_fmt(&f.arena, "file://%s/a%%20b%%25%%C3%%A4", f.place).p);
	assert_true(s->ops->list(&f.c, s, S(""), S(""), &all, &n));
	assert_int_equal(n, 0);
	s->ops->close(s);
	assert_null(open_with(&f.c, "fs", "bucket", S("x")));
	expect_error(&f, false, ERR_INVALID_FIELD);
	assert_null(open_with(&f.c, "fs", "root", S("")));
	expect_error(&f, false, ERR_INVALID_FIELD);
	assert_null(open_with(&f.c, "fs", "root", S("/no/such/place/store")));
	expect_error(&f, false, ERR_STORAGE);
	end(&f);
}

static void a_missing_binding_is_said(void **state)
{
	struct store_option option = {S("bucket"), S("b")};
	struct store_options o = {.scheme = S("s3"), .library = S("/no/such/binding.so"), .options = &option, .noptions = 1};
	struct fixture f;

	(void)state;
	begin(&f, &backends[0]);
	assert_null(store_open(&f.c, &o));
	assert_non_null(strstr(f.c.err.text, "make opendal"));
	expect_error(&f, false, ERR_UNAVAILABLE);
	o.library = S("libdl.so.2");
	assert_null(store_open(&f.c, &o));
	expect_error(&f, false, ERR_UNAVAILABLE);
	end(&f);
}

static void a_store_that_cannot_be_opened_says_so(void **state)
{
	struct arena arena = {0};
	struct call c;

	(void)state;
	call_open(&c, &arena);
	assert_null(store_folder_open(&c, S("/no/such/place/store")));
	assert_int_equal(c.err.kind, ERR_STORAGE);
	assert_non_null(strstr(c.err.text, "/no/such/place/store"));
	arena_close(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_survives_being_killed),
		cmocka_unit_test(syncs_are_as_many_as_needed),
		cmocka_unit_test(an_append_that_fails_may_be_tried_again),
		cmocka_unit_test(torn_puts_of_ended_processes_are_removed_after_an_hour),
		cmocka_unit_test(links_are_not_followed),
		cmocka_unit_test(empty_folders_are_not_in_the_way),
		cmocka_unit_test(the_probe_leaves_nothing_and_the_location_is_a_uri),
		cmocka_unit_test(a_missing_binding_is_said),
		cmocka_unit_test(a_store_that_cannot_be_opened_says_so),
	};

	return cmocka_run_group_tests_name("store", tests, off_disk, NULL);
}
