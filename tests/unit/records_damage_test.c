/* records_damage_test.c - DuckDB files of the server's own: what survives a worker's death, files that are damaged or not ours. */
#include "records_rig.h"

/* --- what survives --- */
static void what_was_acknowledged_survives_a_kill(void **state)
{
	struct fixture *f = *state;

	one(f, "a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)");
	for (int i = 0; i < 5; i++) {
		char sql[64];

		snprintf(sql, sizeof(sql), "INSERT INTO t VALUES (%d)", i);
		one(f, "a.db", sql);
		kill_worker();
		for (struct engine_report r = {.workers = 1}; r.workers;) /* until it is reaped */
			engine_report(f->engine, &r);
		assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), i + 1);
	}
	stop_engine(f);
	assert_false(exists(f, "a.db.wal")); /* a worker that is told to go checkpoints */
	open_engine(f);
	assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), 5);
}

static int64_t size_of(const struct fixture *f, const char *name)
{
	struct stat st;
	char path[256];

	path_of(f, name, path);
	return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Long enough for the worker to checkpoint, which it does when it has answered: killed when the file grows. */
static void a_kill_beside_a_checkpoint_loses_nothing(void **state)
{
	const struct engine_step add[] = {PLAIN("INSERT INTO t SELECT max(a) + 1, repeat(md5(max(a)::VARCHAR), 600000)::BLOB FROM t")};
	struct fixture *f = *state;

	one(f, "a.db", "CREATE TABLE t AS SELECT 0 AS a, ''::BLOB AS x");
	for (int i = 1; i <= 6; i++) {
		int64_t before = size_of(f, "a.db");

		run_ok(f, "a.db", add, 1);
		for (int64_t until = clock_mono_ms() + 200; size_of(f, "a.db") == before && clock_mono_ms() < until;)
			;
		kill_worker();
		for (struct engine_report r = {.workers = 1}; r.workers;)
			engine_report(f->engine, &r);
		assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), i + 1);
		assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t WHERE a = 0 OR x = repeat(md5((a - 1)::VARCHAR), 600000)::BLOB"), i + 1);
	}
}

static void a_worker_that_dies_loses_its_batches_and_no_more(void **state)
{
	const struct engine_step slow[] = {PLAIN("INSERT INTO t SELECT 2"),
					   PLAIN("SELECT count(*) FROM range(100000000000) r(i) WHERE hash(i) = 0")};
	struct fixture *f = *state;
	struct told t, other;

	one(f, "a.db", "CREATE TABLE t AS SELECT 1 AS a");
	submit(f, &t, "a.db", slow, 2, false);
	await(&t, &t.started);
	submit(f, &other, "b.db", slow + 1, 1, true);
	await(&other, &other.started);
	kill_worker();
	await(&t, &t.ended);
	await(&other, &other.ended);
	assert_int_equal(t.outcome, ENGINE_LOST);
	assert_int_equal(other.outcome, ENGINE_LOST);
	told_drop(&t);
	told_drop(&other);
	assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), 1);
}

/* --- files that are not ours, or no longer whole --- */
static void write_file(const struct fixture *f, const char *name, const char *bytes, size_t n)
{
	char path[256];
	int fd;

	path_of(f, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	assert_true(fd >= 0 && file_write(fd, str_from(bytes, n)));
	fchmod(fd, 0666);
	close(fd);
}

static void what_is_no_database_is_foreign(void **state)
{
	char garbage[5000], path[256];
	struct fixture *f = *state;

	memset(garbage, 'g', sizeof(garbage));
	write_file(f, "a.db", garbage, sizeof(garbage));
	write_file(f, "b.db", "", 0);
	write_file(f, "c.db", "SQLite format 3", 16);
	memcpy(garbage + 8, "DUCK", 4);
	write_file(f, "d.db", garbage, sizeof(garbage));
	path_of(f, "e.db", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	path_of(f, "f.db", path);
	assert_int_equal(mkdir(path, 0777), 0);
	for (const char *name = "abcef"; *name; name++)
		expect(f, (char[]){*name, '.', 'd', 'b', '\0'}, "SELECT 1", "Foreign");
	one(f, "z.db", "SELECT 1");
	for (const char *name = "abcdef"; *name; name++) {
		struct told t;

		run(f, &t, (char[]){*name, '.', 'd', 'b', '\0'}, (struct engine_step[]){PLAIN("SELECT 1")}, 1, true);
		assert_outcome(&t, ENGINE_FAILED);
		assert_true(strcmp(t.class, "Foreign") == 0 || strcmp(t.class, "Corrupt") == 0);
		told_drop(&t);
	}
	one(f, "z.db", "SELECT 1");
}

static size_t read_whole(const struct fixture *f, const char *name, char **ret)
{
	struct buf b = {0};
	char path[256];
	int fd;

	path_of(f, name, path);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && file_read(fd, 64 << 20, &b));
	close(fd);
	*ret = b.p;
	return b.n;
}

/* A file with some rows, closed. */
static size_t sound_file(struct fixture *f, char **ret)
{
	const struct engine_step steps[] = {PLAIN("CREATE TABLE t(a INTEGER PRIMARY KEY, s VARCHAR)"),
					    PLAIN("INSERT INTO t SELECT i, repeat('x', 100) || hash(i) FROM range(20000) r(i)"), PLAIN("CHECKPOINT")};

	run_ok(f, "sound.db", steps, 2);
	stop_engine(f);
	open_engine(f);
	return read_whole(f, "sound.db", ret);
}

/* However it is cut or changed: the file fails, or still says the truth; others go on. */
static void expect_damage(struct fixture *f, const char *what, size_t at, int *refused)
{
	const struct engine_step s[] = {PLAIN("SELECT count(*) FROM t WHERE s LIKE repeat('x', 100) || '%'")};
	struct engine_rows rows;
	struct told t;

	run(f, &t, "a.db", s, 1, false);
	if (t.outcome == ENGINE_OK) {
		assert_true(engine_rows(&f->c, engine_bytes_str(t.pieces[0]), &rows));
		assert_int_equal(rows.cells[0].integer, 20000);
	} else {
		if (t.outcome != ENGINE_FAILED || (strcmp(t.class, "Corrupt") != 0 && strcmp(t.class, "Foreign") != 0))
			print_error("%s at %zu\n", what, at);
		assert_outcome(&t, ENGINE_FAILED);
		assert_true(strcmp(t.class, "Corrupt") == 0 || strcmp(t.class, "Foreign") == 0);
		(*refused)++;
	}
	told_drop(&t);
	drop(f, &t, "a.db");
	await(&t, &t.ended);
	assert_outcome(&t, ENGINE_OK);
	told_drop(&t);
}

static void damaged_files_are_said_to_be_and_others_go_on(void **state)
{
	struct fixture *f = *state;
	char *whole;
	size_t n = sound_file(f, &whole);
	int refused = 0;

	for (size_t cut = 100; cut < n; cut += n / 13) {
		write_file(f, "a.db", whole, cut);
		expect_damage(f, "cut", cut, &refused);
	}
	print_message("cut: %d\n", refused);
	assert_true(refused >= 6);
	for (size_t at = 0; at < n; at += at < 12288 ? 331 : n / 29) {
		whole[at] ^= 0x55;
		write_file(f, "a.db", whole, n);
		expect_damage(f, "changed", at, &refused);
		whole[at] ^= 0x55;
	}
	print_message("changed: %d\n", refused);
	assert_true(refused >= 20);
	assert_int_equal(number(f, "sound.db", "SELECT count(*) FROM t"), 20000);
	free(whole);
}

static void another_programs_database_is_foreign(void **state)
{
	struct fixture *f = *state;
	char *bytes;
	size_t n;

	/* The mark is all that tells it from ours. */
	one(f, "b.db", "DROP SCHEMA mayfly_records_1");
	stop_engine(f);
	open_engine(f);
	n = read_whole(f, "b.db", &bytes);
	write_file(f, "a.db", bytes, n);
	free(bytes);
	expect(f, "a.db", "SELECT 1", "Foreign");
	one(f, "z.db", "SELECT 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_a_kill, begin, end),
		cmocka_unit_test_setup_teardown(a_kill_beside_a_checkpoint_loses_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_worker_that_dies_loses_its_batches_and_no_more, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_database_is_foreign, begin, end),
		cmocka_unit_test_setup_teardown(damaged_files_are_said_to_be_and_others_go_on, begin, end),
		cmocka_unit_test_setup_teardown(another_programs_database_is_foreign, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
