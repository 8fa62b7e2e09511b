/* records_test.c - DuckDB files of the server's own: every kind of value, all or nothing, several files, the wall. */
#include "records_rig.h"

/* --- values --- */
static void every_kind_of_value_comes_back(void **state)
{
	static const char zeros[] = "a\0b\xff\xfe";
	const struct engine_cell in[] = {INT(INT64_MIN), INT(INT64_MAX), REAL(1.5), TEXT(S("h\xc3\xa9llo\0x")), BYTES(S(zeros)), NONE,
					 INT(1234567890123456), INT(1), TEXT(S("")), BYTES(S(""))};
	const struct engine_step steps[] = {
		PLAIN("CREATE TABLE t(a BIGINT, b BIGINT, r DOUBLE, s VARCHAR, x BLOB, n INTEGER, ts TIMESTAMP, k BOOLEAN, e VARCHAR, eb BLOB)"),
		STEP("INSERT INTO t VALUES (?,?,?,?,?,?,make_timestamp(?::BIGINT),?,?,?)", in),
		PLAIN("SELECT *, 7::TINYINT, 8::USMALLINT, 2.5::FLOAT, 9::HUGEINT, 10::UBIGINT, epoch_ms(1), '1970-01-01 00:00:02'::TIMESTAMP_S, "
		      "'1970-01-01 00:00:02'::TIMESTAMP_NS, NULL FROM t"),
	};
	static const int64_t numbers[] = {7, 8, 0, 9, 10, 1000, 2000000, 2000000};
	struct fixture *f = *state;
	struct engine_rows rows;
	struct told t;

	run(f, &t, "a.db", steps, 3, true);
	assert_outcome(&t, ENGINE_OK);
	assert_int_equal(t.rows, 1);
	assert_int_equal(t.npieces, 1);
	assert_true(engine_rows(&f->c, engine_bytes_str(t.pieces[0]), &rows));
	assert_int_equal(rows.n, 1);
	assert_int_equal(rows.ncells, 19);
	for (size_t i = 0; i < COUNT_OF(in); i++) {
		assert_int_equal(rows.cells[i].kind, in[i].kind);
		assert_true(rows.cells[i].integer == in[i].integer);
		assert_true(rows.cells[i].real == in[i].real);
		assert_true(str_eq(rows.cells[i].s, in[i].s));
	}
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (i != 2)
			assert_true(rows.cells[10 + i].kind == ENGINE_CELL_INT && rows.cells[10 + i].integer == numbers[i]);
	assert_true(rows.cells[12].kind == ENGINE_CELL_REAL && rows.cells[12].real == 2.5);
	assert_int_equal(rows.cells[18].kind, ENGINE_CELL_NULL);
	told_drop(&t);
}

static void a_type_that_is_not_taken_fails_and_keeps_nothing(void **state)
{
	const struct engine_step steps[] = {PLAIN("CREATE TABLE t(a INTEGER)"), PLAIN("SELECT [1,2]")};
	struct fixture *f = *state;
	struct told t;

	run(f, &t, "a.db", steps, 2, true);
	assert_outcome(&t, ENGINE_FAILED);
	assert_string_equal(t.class, "Conversion");
	told_drop(&t);
	expect(f, "a.db", "SELECT * FROM t", "Catalog");
}

static void a_thousand_steps_are_one_transaction(void **state)
{
	static struct engine_cell cells[1000];
	static struct engine_step steps[1002];
	struct fixture *f = *state;
	struct told t;

	one(f, "a.db", "CREATE TABLE t(a BIGINT PRIMARY KEY)");
	for (int i = 0; i < 1000; i++) {
		cells[i] = (struct engine_cell)INT(i);
		steps[i] = (struct engine_step){.sql = S("INSERT INTO t VALUES (?)"), .binds = &cells[i], .nbinds = 1, .must_change = true};
	}
	run_ok(f, "a.db", steps, 1000);
	assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), 1000);
	for (int i = 0; i < 1000; i++)
		cells[i].integer = i == 999 ? 0 : 1000 + i; /* the last is there */
	run(f, &t, "a.db", steps, 1000, false);
	assert_outcome(&t, ENGINE_FAILED);
	assert_string_equal(t.class, "Constraint");
	told_drop(&t);
	assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), 1000);
}

static void a_step_that_must_change_and_does_not_undoes_the_batch(void **state)
{
	const struct engine_step set_up[] = {PLAIN("CREATE TABLE t(k VARCHAR PRIMARY KEY, v INTEGER)"), PLAIN("INSERT INTO t VALUES ('a',1)")};
	const struct engine_step lost[] = {PLAIN("INSERT INTO t VALUES ('b',1)"),
					   {.sql = S("UPDATE t SET v = 2 WHERE k = 'a' AND v = 7"), .must_change = true}};
	const struct engine_step won[] = {PLAIN("INSERT INTO t VALUES ('b',1)"),
					  {.sql = S("UPDATE t SET v = 2 WHERE k = 'a' AND v = 1"), .must_change = true}};
	const struct engine_step alone[] = {{.sql = S("DELETE FROM t WHERE k = 'z'"), .must_change = true}};
	const struct engine_step back[] = {{.sql = S("UPDATE t SET v = 3 WHERE k = 'a' RETURNING v"), .must_change = true}};
	struct fixture *f = *state;
	struct told t;

	run_ok(f, "a.db", set_up, 2);
	run(f, &t, "a.db", lost, 2, false);
	assert_outcome(&t, ENGINE_FAILED);
	assert_string_equal(t.class, "Conflict");
	told_drop(&t);
	assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), 1);
	run_ok(f, "a.db", won, 2);
	assert_int_equal(number(f, "a.db", "SELECT sum(v) FROM t"), 3);
	run(f, &t, "a.db", alone, 1, false);
	assert_string_equal(t.class, "Conflict");
	told_drop(&t);
	run(f, &t, "a.db", back, 1, false);
	assert_outcome(&t, ENGINE_OK);
	assert_int_equal(t.rows, 1);
	assert_int_equal(t.npieces, 1);
	told_drop(&t);
}

static void rows_come_of_the_last_step_that_has_any(void **state)
{
	const struct engine_step steps[] = {PLAIN("CREATE TABLE t AS SELECT 1 AS a"), PLAIN("SELECT 5"), PLAIN("SELECT 6 FROM t"),
					    PLAIN("SELECT 7 FROM t WHERE a = 2"), PLAIN("UPDATE t SET a = 2")};
	struct fixture *f = *state;
	struct engine_rows rows;
	struct told t;

	run(f, &t, "a.db", steps, 5, true);
	assert_outcome(&t, ENGINE_OK);
	assert_int_equal(t.npieces, 1);
	assert_true(engine_rows(&f->c, engine_bytes_str(t.pieces[0]), &rows));
	assert_int_equal(rows.n, 1);
	assert_int_equal(rows.cells[0].integer, 6);
	told_drop(&t);
}

static void many_rows_come_in_pieces_and_in_order(void **state)
{
	const struct engine_step s[] = {PLAIN("SELECT i, 'row ' || i FROM range(300000) r(i) ORDER BY i")};
	struct fixture *f = *state;
	int64_t next = 0;
	struct told t;

	one(f, "a.db", "CREATE TABLE t(a INTEGER)");
	run(f, &t, "a.db", s, 1, false);
	assert_outcome(&t, ENGINE_OK);
	assert_int_equal(t.rows, 300000);
	assert_true(t.npieces > 5);
	for (int i = 0; i < t.npieces; i++) {
		struct engine_rows rows;

		assert_true(engine_rows(&f->c, engine_bytes_str(t.pieces[i]), &rows));
		for (int k = 0; k < rows.n; k++)
			assert_int_equal(rows.cells[2 * k].integer, next++);
	}
	assert_int_equal(next, 300000);
	told_drop(&t);
}

static void a_hundred_megabytes_come_back_as_they_were(void **state)
{
	const size_t size = 100 << 20;
	char *bytes = malloc(size);
	uint64_t x = 88172645463325252ULL;
	struct fixture *f = *state;

	for (size_t i = 0; i < size; i += 8) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		memcpy(bytes + i, &x, 8);
	}
	one(f, "a.db", "CREATE TABLE t(k BIGINT PRIMARY KEY, x BLOB)");
	for (int round = 0; round < 3; round++) {
		const struct engine_cell in[] = {INT(round), BYTES(str_from(bytes, size))};
		const struct engine_step steps[] = {STEP("INSERT INTO t VALUES (?,?)", in)};
		const struct engine_step read[] = {PLAIN("SELECT x FROM t ORDER BY k DESC LIMIT 1")};
		struct engine_rows rows;
		struct told t;

		run_ok(f, "a.db", steps, 1);
		run(f, &t, "a.db", read, 1, false);
		assert_outcome(&t, ENGINE_OK);
		assert_int_equal(t.npieces, 1);
		assert_true(engine_rows(&f->c, engine_bytes_str(t.pieces[0]), &rows));
		assert_int_equal(rows.cells[0].kind, ENGINE_CELL_BYTES);
		assert_int_equal(rows.cells[0].s.n, size);
		assert_memory_equal(rows.cells[0].s.p, bytes, size);
		told_drop(&t);
	}
	free(bytes);
}

static void what_is_too_large_is_refused_before_it_is_sent(void **state)
{
	const size_t size = 150 << 20;
	char *bytes = calloc(1, size);
	const struct engine_cell in[] = {BYTES(str_from(bytes, size))}, bad[] = {TEXT(S("\xff"))};
	const struct engine_step large[] = {STEP("SELECT ?", in)}, text[] = {STEP("SELECT ?", bad)};
	const struct engine_records_ask asks[] = {{.file = S("a.db"), .steps = large, .nsteps = 1, .make = true},
						  {.file = S("a.db"), .steps = text, .nsteps = 1, .make = true}};
	struct fixture *f = *state;
	struct engine_task *task;
	struct told t;

	told_init(&t);
	for (int i = 0; i < 2; i++) {
		assert_false(engine_records_run(&f->c, f->engine, &asks[i], &listener, &t, &task));
		call_forgive(&f->c);
	}
	assert_false(t.started);
	told_drop(&t);
	free(bytes);
}

/* --- names --- */
static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const bad[] = {"", ".db", "..", "a", "a.wal", "a.db.wal", "../a.db", "a/b.db", ".a.db", "a b.db", "a'.db", "a\\.db",
					  "a.DB", "building"};
	char longest[RECORDS_NAME_MAX + 2];
	struct fixture *f = *state;
	struct engine_task *task;
	struct told t;

	told_init(&t);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(engine_records_run(&f->c, f->engine, &(struct engine_records_ask){.file = str_of(bad[i]), .make = true}, &listener, &t,
						&task));
		call_forgive(&f->c);
	}
	memset(longest, 'x', sizeof(longest));
	strcpy(longest + RECORDS_NAME_MAX - 3, ".db");
	one(f, longest, "SELECT 1");
	memcpy(longest + RECORDS_NAME_MAX - 3, "x.db", 5);
	assert_false(engine_records_run(&f->c, f->engine, &(struct engine_records_ask){.file = str_of(longest), .make = true}, &listener, &t,
					&task));
	call_forgive(&f->c);
	one(f, "tenant-1.0af-B_2.db", "SELECT 1");
	told_drop(&t);
}

static void a_file_that_is_not_there_is_missing(void **state)
{
	struct fixture *f = *state;

	expect(f, "a.db", "SELECT 1", "Missing");
	assert_false(exists(f, "a.db"));
	one(f, "a.db", "SELECT 1");
	assert_true(exists(f, "a.db"));
}

static void a_dropped_file_is_gone_with_its_log(void **state)
{
	struct fixture *f = *state;
	struct told t;

	one(f, "a.db", "CREATE TABLE t AS SELECT 1 AS a");
	one(f, "b.db", "SELECT 1");
	assert_true(exists(f, "a.db.wal"));
	assert_true(listed(f, "a.db", 2));
	for (int i = 0; i < 2; i++) { /* absent is fine */
		drop(f, &t, "a.db");
		await(&t, &t.ended);
		assert_outcome(&t, ENGINE_OK);
		told_drop(&t);
	}
	assert_false(exists(f, "a.db"));
	assert_false(exists(f, "a.db.wal"));
	assert_true(listed(f, "b.db", 1));
	expect(f, "a.db", "SELECT * FROM t", "Missing");
	one(f, "a.db", "CREATE TABLE t AS SELECT 1 AS a"); /* nothing is left of it */
}

static void a_drop_comes_in_its_turn(void **state)
{
	static struct told told[40];
	const struct engine_step add[] = {PLAIN("CREATE TABLE IF NOT EXISTS t(a INTEGER)"), PLAIN("INSERT INTO t VALUES (1)")};
	struct fixture *f = *state;

	for (int i = 0; i < 40; i++) {
		if (i == 20)
			drop(f, &told[i], "a.db");
		else
			submit(f, &told[i], "a.db", add, 2, true);
	}
	for (int i = 0; i < 40; i++) {
		await(&told[i], &told[i].ended);
		assert_int_equal(told[i].outcome, ENGINE_OK);
		told_drop(&told[i]);
	}
	assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), 19);
}

/* --- several files --- */
static void more_files_than_are_kept_open(void **state)
{
	enum { FILES = 110 };
	static struct told told[FILES];
	const struct engine_step add[] = {PLAIN("CREATE TABLE IF NOT EXISTS t(a INTEGER)"), PLAIN("INSERT INTO t VALUES (1)")};
	struct fixture *f = *state;
	char name[32];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < FILES; i++) {
			snprintf(name, sizeof(name), "f%d.db", i);
			submit(f, &told[i], name, add, 2, true);
		}
		for (int i = 0; i < FILES; i++) {
			await(&told[i], &told[i].ended);
			assert_int_equal(told[i].outcome, ENGINE_OK);
			told_drop(&told[i]);
		}
	}
	assert_true(listed(f, "f109.db", FILES));
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%d.db", i);
		assert_int_equal(number(f, name, "SELECT count(*) FROM t"), 3);
	}
}

/* A long batch on one file, and a short one on another that does not wait for it. */
static void files_do_not_wait_for_each_other(void **state)
{
	const struct engine_step slow[] = {PLAIN("SELECT count(*) FROM range(100000000000) r(i) WHERE hash(i) = 0")};
	struct fixture *f = *state;
	struct told t, behind;

	one(f, "a.db", "SELECT 1");
	submit(f, &t, "a.db", slow, 1, false);
	await(&t, &t.started);
	submit(f, &behind, "a.db", (struct engine_step[]){PLAIN("SELECT 1")}, 1, false);
	for (int i = 0; i < 20; i++)
		one(f, "b.db", "SELECT 1");
	assert_false(t.ended);
	assert_false(behind.started);
	engine_cancel(t.task);
	await(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_INTERRUPTED);
	await(&behind, &behind.ended);
	assert_int_equal(behind.outcome, ENGINE_OK);
	told_drop(&t);
	told_drop(&behind);
}

/* --- the wall --- */
static void steps_reach_no_file_and_load_nothing(void **state)
{
	static const char *const tries[] = {"ATTACH 'b.db' AS other", "COPY (SELECT 1) TO 'x.csv'", "SELECT * FROM read_text('/etc/passwd')",
					    "SELECT * FROM 'a.db.wal'", "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true"};
	struct fixture *f = *state;

	one(f, "b.db", "SELECT 1");
	one(f, "a.db", "SELECT 1");
	for (size_t i = 0; i < COUNT_OF(tries); i++) {
		const struct engine_step s = {.sql = str_of(tries[i])};
		struct told t;

		run(f, &t, "a.db", &s, 1, false);
		assert_outcome(&t, ENGINE_FAILED);
		told_drop(&t);
	}
	assert_false(exists(f, "x.csv"));
}

/* --- rows on the wire --- */
static void rows_that_are_not_well_formed_are_refused(void **state)
{
	const struct engine_step s[] = {PLAIN("SELECT 1, 2.5::DOUBLE, 'text', 'blob'::BLOB, NULL FROM range(3)")};
	struct fixture *f = *state;
	struct engine_rows rows;
	struct str packed;
	struct told t;
	char *copy;

	one(f, "a.db", "SELECT 1");
	run(f, &t, "a.db", s, 1, false);
	assert_int_equal(t.npieces, 1);
	packed = engine_bytes_str(t.pieces[0]);
	assert_true(engine_rows(&f->c, packed, &rows));
	assert_int_equal(rows.n, 3);
	for (size_t n = 0; n < packed.n; n++) {
		assert_false(engine_rows(&f->c, str_head(packed, n), &rows));
		call_forgive(&f->c);
	}
	for (size_t at = 0; at < packed.n; at++)
		for (int bit = 0; bit < 8; bit++) { /* whatever it says, it says it within bounds */
			copy = malloc(packed.n);
			memcpy(copy, packed.p, packed.n);
			copy[at] ^= (char)(1 << bit);
			if (engine_rows(&f->c, str_from(copy, packed.n), &rows))
				for (int i = 0; i < rows.n * rows.ncells; i++)
					assert_true(rows.cells[i].s.n <= packed.n);
			else
				call_forgive(&f->c);
			free(copy);
		}
	/* More rows than a piece may have, of nothing. */
	copy = calloc(1, 8 + (1 << 20));
	memcpy(copy, (uint32_t[]){1 << 20, 1}, 8);
	assert_false(engine_rows(&f->c, str_from(copy, 8 + (1 << 20)), &rows));
	call_forgive(&f->c);
	free(copy);
	told_drop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_kind_of_value_comes_back, begin, end),
		cmocka_unit_test_setup_teardown(a_type_that_is_not_taken_fails_and_keeps_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_thousand_steps_are_one_transaction, begin, end),
		cmocka_unit_test_setup_teardown(a_step_that_must_change_and_does_not_undoes_the_batch, begin, end),
		cmocka_unit_test_setup_teardown(rows_come_of_the_last_step_that_has_any, begin, end),
		cmocka_unit_test_setup_teardown(many_rows_come_in_pieces_and_in_order, begin, end),
		cmocka_unit_test_setup_teardown(a_hundred_megabytes_come_back_as_they_were, begin, end),
		cmocka_unit_test_setup_teardown(what_is_too_large_is_refused_before_it_is_sent, begin, end),
		cmocka_unit_test_setup_teardown(names_that_lead_elsewhere_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_missing, begin, end),
		cmocka_unit_test_setup_teardown(a_dropped_file_is_gone_with_its_log, begin, end),
		cmocka_unit_test_setup_teardown(a_drop_comes_in_its_turn, begin, end),
		cmocka_unit_test_setup_teardown(more_files_than_are_kept_open, begin, end),
		cmocka_unit_test_setup_teardown(files_do_not_wait_for_each_other, begin, end),
		cmocka_unit_test_setup_teardown(steps_reach_no_file_and_load_nothing, begin, end),
		cmocka_unit_test_setup_teardown(rows_that_are_not_well_formed_are_refused, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
