/* engine_worker_test.c - the worker side of engine/, in a process of its own over its two sockets. */
#include "engine_worker_rig.h"

/* --- a statement --- */
static void a_select_comes_back_in_both_forms(void **state)
{
	(void)state;
	assert_data(&the, ENGINE_NATIVE, "SELECT 1 AS a, 'x' AS b, NULL AS c", "[1,\"x\",null]");
	assert_data(&the, ENGINE_SNOWFLAKE, "SELECT 1 AS a, 'x' AS b, NULL AS c", "[\"1\",\"x\",null]");
}

/* --- counters, errors --- */
static void changes_are_counted_without_rows(void **state)
{
	static const struct {
		const char *sql;
		enum engine_counts counts;
		int64_t rows;
	} steps[] = {
		{"CREATE OR REPLACE TABLE counted (a INTEGER)", ENGINE_STATUS, 0},
		{"INSERT INTO counted SELECT * FROM range(10)", ENGINE_INSERTED, 10},
		{"UPDATE counted SET a = a + 1 WHERE a < 3", ENGINE_UPDATED, 3},
		{"DELETE FROM counted WHERE a = 100", ENGINE_DELETED, 0},
		{"DROP TABLE counted", ENGINE_STATUS, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct engine_ask ask = asking(steps[i].sql, ENGINE_SNOWFLAKE);
		OWNS(answer) a;

		ask.counts = steps[i].counts;
		run(&the, &ask, &a);
		assert_ok(&a);
		assert_int_equal(a.end.rows, steps[i].rows);
		assert_int_equal(a.parts, 0);
		assert_null(a.columns);
	}
}

enum { ANYWHERE = -2 };
struct wrong {
	const char *sql, *class, *text;
	int64_t position;
};
static const struct wrong wrongs[] = {
	{"SELEC 1", "Parser", "syntax error at or near \"SELEC\"", 0},
	{"SELECT 1 FROM nope", "Catalog", "Table with name nope does not exist!", 14},
	{"SELECT '\xC3\xA9', nope FROM range(1)", "Binder", "Referenced column \"nope\" not found in FROM clause!", 13},
	{"SELECT CAST('abc' AS INTEGER)", "Conversion", "Could not convert string 'abc' to INT32", 7},
	{"SELECT 1; SELECT 2", "Invalid Input", "Cannot prepare multiple statements at once!", -1},
	{"SELECT error('boom')", "Invalid Input", "boom", -1},
	{"-- nothing", "Invalid Input", "No statement to prepare!", -1},
	{"SELECT * FROM read_text('/etc/passwd')", "Permission", "Cannot access file", 14},
	{"COPY (SELECT 1) TO '/tmp/mayfly-worker-out'", "Permission", "Cannot access file", -1},
	{"SET memory_limit = '1TB'", "Invalid Input", "", -1},
	{"SET lock_configuration = false", "Invalid Input", "", -1},
	{"SELECT * FROM glob('/etc/*')", "Permission", "Cannot access", ANYWHERE},
	{"COPY (SELECT 1) TO 'mayfly.db'", "Permission", "Cannot access", ANYWHERE},
	{"SELECT * FROM '/proc/self/environ.csv'", "Permission", "", ANYWHERE},
	{"INSTALL httpfs", "Permission", "", -1},
	{"ATTACH '/tmp/mayfly-worker-other.db'", "Permission", "", -1},
};

static void errors_have_class_text_and_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
		struct engine_ask ask = asking(wrongs[i].sql, ENGINE_NATIVE);
		OWNS(answer) a;

		run(&the, &ask, &a);
		assert_int_equal(a.end.outcome, ENGINE_FAILED);
		if (!str_eq(a.end.class, str_of(wrongs[i].class)) || !str_starts(a.end.text, str_of(wrongs[i].text)))
			print_error("%s: %.*s: %.*s\n", wrongs[i].sql, SARG(a.end.class), SARG(a.end.text));
		assert_str_equal(a.end.class, wrongs[i].class);
		assert_true(str_starts(a.end.text, str_of(wrongs[i].text)));
		if (wrongs[i].position != ANYWHERE)
			assert_int_equal(a.end.position, wrongs[i].position);
	}
}

static void an_endless_error_is_cut_between_characters(void **state)
{
	struct engine_ask ask = asking("SELECT error('x' || repeat('\xC3\xA9', 100000))", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_in_range(a.end.text.n, 8000, 8192);
	assert_true(str_is_utf8(a.end.text));
}

/* --- partitions --- */
static void partitions_close_at_their_sizes_and_double(void **state)
{
	struct engine_ask ask = asking("SELECT r FROM range(100000) t(r)", ENGINE_SNOWFLAKE);
	int64_t limit = 10000, rows = 0, bytes = 0;
	OWNS(answer) a;

	(void)state;
	ask.first_part_bytes = limit;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.end.rows, 100000);
	assert_true(a.parts > 4);
	for (int i = 0; i < a.parts; i++) {
		const struct wire_part *p = &a.part[i];

		if (i < a.parts - 1) {
			assert_true(p->row_bytes >= limit);
			assert_true(p->row_bytes < limit + 16);
		}
		assert_true(p->gzip || p->row_bytes < 4096);
		limit *= 2;
		rows += p->rows;
		bytes += p->row_bytes;
	}
	assert_int_equal(rows, 100000);
	assert_int_equal(bytes + rows - 1, a.data.n);
}

static void a_partition_holds_at_most_so_many_rows(void **state)
{
	struct engine_ask ask = asking("SELECT r FROM range(10) t(r)", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	ask.max_part_rows = 4;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.parts, 3);
	assert_int_equal(a.part[0].rows, 4);
	assert_int_equal(a.part[2].rows, 2);
	assert_string_equal(buf_cstr(&a.data), "[0],[1],[2],[3],[4],[5],[6],[7],[8],[9]");
}

static void no_rows_are_one_empty_partition(void **state)
{
	struct engine_ask ask = asking("SELECT 1 AS a WHERE false", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.parts, 1);
	assert_int_equal(a.part[0].rows, 0);
	assert_int_equal(a.part[0].row_bytes, 0);
	assert_int_equal(a.ncolumns, 1);
}

static void null_as_text_is_only_where_it_was_asked(void **state)
{
	struct engine_ask ask = asking("SELECT NULL, [NULL]", ENGINE_SNOWFLAKE);
	OWNS(answer) a;

	(void)state;
	ask.null_text = true;
	run(&the, &ask, &a);
	assert_string_equal(buf_cstr(&a.data), "[\"null\",\"[\\n  undefined\\n]\"]");
}

static void a_result_too_large_ends_at_once(void **state)
{
	struct engine_ask ask = asking("SELECT r, 'some text' FROM range(1000000000000) t(r)", ENGINE_NATIVE); /* of hours */
	OWNS(answer) a;

	(void)state;
	ask.max_result_bytes = 1000000;
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_TOO_LARGE);
	assert_data(&the, ENGINE_NATIVE, "SELECT 1", "[1]");
}

static void a_statement_too_long_for_a_packet_comes_in_a_memfd(void **state)
{
	OWNS(buf) sql = {0};
	struct engine_ask ask;
	OWNS(answer) a;

	(void)state;
	buf_lit(&sql, "SELECT length('");
	for (int i = 0; i < 100000; i++)
		buf_addc(&sql, 'x');
	buf_lit(&sql, "')");
	ask = asking(buf_cstr(&sql), ENGINE_NATIVE);
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_string_equal(buf_cstr(&a.data), "[100000]");
}

/* --- sessions, the cache --- */
static void run_state(struct peer *w, const char *sql, const char *rows)
{
	struct engine_ask ask = asking(sql, ENGINE_NATIVE);
	OWNS(answer) a;

	ask.session_state = true;
	run(w, &ask, &a);
	assert_ok(&a);
	if (rows)
		assert_string_equal(buf_cstr(&a.data), rows);
}

static void what_a_session_leaves_is_gone_with_it(void **state)
{
	struct peer w = start("400000000", "1"); /* one executor: the same thread every time */
	struct engine_ask ask = asking("SELECT * FROM left_behind", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	run_state(&w, "CREATE TEMP TABLE left_behind AS SELECT 1 AS a", NULL);
	run_state(&w, "SET VARIABLE v = 42", NULL);
	run_state(&w, "BEGIN TRANSACTION", NULL);
	run(&w, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_str_equal(a.end.class, "Catalog");
	assert_data(&w, ENGINE_NATIVE, "SELECT getvariable('v')", "[null]");
	stop(&w);
}

static void a_cached_statement_sees_ddl(void **state)
{
	struct peer w = start("400000000", "2");

	(void)state;
	for (int i = 0; i < 4; i++) {
		do_sql(&w, i % 2 ? "CREATE OR REPLACE TABLE moving AS SELECT 'x' AS a, 2 AS b" : "CREATE OR REPLACE TABLE moving AS SELECT 1 AS a");
		for (int j = 0; j < 3; j++)
			assert_data(&w, ENGINE_NATIVE, "SELECT * FROM moving", i % 2 ? "[\"x\",2]" : "[1]");
	}
	stop(&w);
}

static void a_cached_statement_reads_the_clock_again(void **state)
{
	struct engine_ask ask = asking("SELECT now()::VARCHAR, random(), uuid()", ENGINE_NATIVE);
	OWNS(answer) a;
	OWNS(answer) b;

	(void)state;
	for (int i = 0; i < 5; i++) { /* on every executor */
		OWNS(answer) warm;

		run(&the, &ask, &warm);
	}
	run(&the, &ask, &a);
	poll(NULL, 0, 5);
	run(&the, &ask, &b);
	assert_ok(&b);
	assert_string_not_equal(buf_cstr(&a.data), buf_cstr(&b.data));
	assert_memory_not_equal(a.data.p, b.data.p, 28);
}

static void a_time_zone_is_of_one_statement(void **state)
{
	struct peer w = start("400000000", "1");
	struct engine_ask ask = asking("SELECT (TIMESTAMPTZ '2024-07-01 12:00:00Z')::VARCHAR", ENGINE_NATIVE);

	(void)state;
	for (int i = 0; i < 4; i++) {
		OWNS(answer) a;

		ask.timezone = i % 2 ? S("America/New_York") : S("");
		run(&w, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), i % 2 ? "[\"2024-07-01 08:00:00-04\"]" : "[\"2024-07-01 12:00:00+00\"]");
	}
	ask.timezone = S("Nowhere/'X");
	OWNS(answer) a;
	run(&w, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_str_equal(a.end.text, "Unknown time zone 'Nowhere/'X'");
	stop(&w);
}

static void nulls_are_ordered_as_the_surface_expects(void **state)
{
	const char *sql = "SELECT a FROM (VALUES (1), (NULL), (2)) t(a) ORDER BY a DESC";

	(void)state;
	assert_data(&the, ENGINE_NATIVE, sql, "[2],[1],[null]");
	assert_data(&the, ENGINE_SNOWFLAKE, sql, "[null],[\"2\"],[\"1\"]");
}

/* --- cancel, window, end --- */
static void a_cancel_ends_a_statement(void **state)
{
	static const char *const long_ones[] = {"SELECT \"SYSTEM$WAIT\"(600)",
		"SELECT count(*) FROM range(3000000000) a(x), range(1000) b(y) WHERE (x * y) % 7 = 3",
		"SELECT x FROM range(1000000000000) t(x)"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(long_ones); i++) {
		struct engine_ask ask = asking(long_ones[i], ENGINE_NATIVE);
		uint64_t task = submit(&the, &ask);
		OWNS(answer) a;

		poll(NULL, 0, 100);
		control_send(&the, WIRE_CANCEL, task, 0);
		collect_acking(&the, task, &a, false);
		assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
	}
	assert_data(&the, ENGINE_NATIVE, "SELECT 1", "[1]");
}

static void a_cancel_may_come_before_its_statement(void **state)
{
	struct engine_ask ask = asking("SELECT \"SYSTEM$WAIT\"(60)", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	control_send(&the, WIRE_CANCEL, the.next, 0);
	poll(NULL, 0, 50);
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
}

static void a_wait_waits(void **state)
{
	int64_t began = clock_mono_ms();

	(void)state;
	assert_data(&the, ENGINE_SNOWFLAKE, "SELECT \"SYSTEM$WAIT\"(1)", "[\"waited 1 seconds\"]");
	assert_true(clock_mono_ms() - began >= 1000);
	assert_data(&the, ENGINE_SNOWFLAKE, "SELECT \"SYSTEM$WAIT\"(0)", "[\"waited 0 seconds\"]");
	assert_data(&the, ENGINE_NATIVE, "SELECT \"SYSTEM$WAIT\"(CASE WHEN r > 0 THEN NULL ELSE 0 END) FROM range(2) t(r)",
		"[\"waited 0 seconds\"],[null]");
}

static void at_most_a_window_of_partitions_is_unacknowledged(void **state)
{
	struct engine_ask ask = asking("SELECT r FROM range(1000) t(r)", ENGINE_NATIVE);
	static char packet[WIRE_PACKET];
	int parts = 0, fd;
	uint64_t task;
	size_t n;

	(void)state;
	ask.max_part_rows = 1;
	task = submit(&the, &ask);
	while ((n = next_packet(&the, packet, &fd, parts < WIRE_WINDOW ? 60000 : 300)) > 0) {
		struct wire_in in = wire_in(str_from(packet, n));
		struct wire_head h;
		struct str body;

		while (wire_next(&in, &h, &body))
			parts += h.kind == WIRE_PART;
	}
	assert_int_equal(parts, WIRE_WINDOW);
	control_send(&the, WIRE_CANCEL, task, 0);
	OWNS(answer) a;
	collect_acking(&the, task, &a, false);
	assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
}

/* Waits for the first word of how far it is. */
static void wait_for_progress(struct peer *w)
{
	static char packet[WIRE_PACKET];
	int told = 0, fd;

	while (!told) {
		size_t n = next_packet(w, packet, &fd, 60000);
		struct wire_in in = wire_in(str_from(packet, n));
		struct wire_head h;
		struct str body;

		assert_true(n > 0);
		while (wire_next(&in, &h, &body)) {
			assert_int_not_equal(h.kind, WIRE_END);
			told += h.kind == WIRE_PROGRESS;
		}
	}
}

static void progress_is_told_of_long_statements(void **state)
{
	OWNS(buf) sql = {0};
	struct engine_ask ask;
	uint64_t task;
	int64_t began;
	OWNS(answer) a;

	(void)state;
	do_sql(&the, "CREATE OR REPLACE TABLE many AS SELECT * FROM range(10000000) t(x)");
	buf_lit(&sql, "SELECT sum(0");
	for (int i = 0; i < 500; i++)
		buf_fmt(&sql, " + sin(x + %d)", i);
	buf_lit(&sql, ") FROM many");
	ask = asking(buf_cstr(&sql), ENGINE_NATIVE);
	began = clock_mono_ms();
	task = submit(&the, &ask);
	wait_for_progress(&the);
	control_send(&the, WIRE_CANCEL, task, 0);
	collect_acking(&the, task, &a, true);
	assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
	assert_true(a.progress <= 1 + (clock_mono_ms() - began) / 1000); /* and not more than one a second */
	do_sql(&the, "DROP TABLE many");
}

static void a_worker_ends_when_its_control_socket_does(void **state)
{
	struct peer w = start("400000000", "2");
	struct engine_ask ask = asking("SELECT \"SYSTEM$WAIT\"(60)", ENGINE_NATIVE);

	(void)state;
	submit(&w, &ask);
	poll(NULL, 0, 50);
	stop(&w);
}

static void quitting_waits_for_statements_and_keeps_what_was_written(void **state)
{
	struct peer w = start("400000000", "2");
	struct engine_ask ask = asking("SELECT \"SYSTEM$WAIT\"(1)", ENGINE_NATIVE);
	uint64_t task;
	char wal[128];
	OWNS(answer) a;

	(void)state;
	do_sql(&w, "CREATE TABLE kept AS SELECT 7 AS a");
	task = submit(&w, &ask);
	poll(NULL, 0, 50);
	control_send(&w, WIRE_QUIT, 0, 0);
	collect_acking(&w, task, &a, true);
	assert_ok(&a);
	assert_int_equal(wait_gone(&w), 0);
	snprintf(wal, sizeof(wal), "%s/mayfly.db.wal", w.dir);
	assert_int_not_equal(access(wal, F_OK), 0);
	close(w.jobs);
	close(w.control);
	start_in(&w, "400000000", "1");
	assert_data(&w, ENGINE_NATIVE, "SELECT a FROM kept", "[7]");
	stop(&w);
}

static void a_packet_that_is_not_well_formed_ends_the_worker(void **state)
{
	struct peer w = start("400000000", "1");

	(void)state;
	assert_int_equal(wire_send(w.jobs, S("not a packet"), -1), 0);
	int status = wait_gone(&w);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	w.pid = fork(); /* stop() reaps something that ended well */
	if (w.pid == 0)
		_exit(0);
	stop(&w);
}

/* It does not run, nor say anything: the worker ends. */
static void assert_ends_the_worker(bool records, enum wire_kind kind, struct str body)
{
	struct peer w = {.next = 1, .records = records};
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, kind, 1);
	int status;

	buf_add(&b, body);
	wire_end_record(&b, at);
	folder_make(w.dir);
	start_in(&w, "400000000", "1");
	assert_int_equal(wire_send(w.jobs, buf_str(&b), -1), 0);
	status = wait_gone(&w);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	close(w.jobs);
	close(w.control);
	folder_remove(w.dir);
}

static void statements_and_records_have_workers_of_their_own(void **state)
{
	const struct engine_step step = {.sql = S("SELECT 1")};
	OWNS(buf) run = {0}, records = {0}, elsewhere = {0};

	(void)state;
	wire_put_ask(&run, &(struct engine_ask){.sql = S("SELECT 1"), .form = ENGINE_NATIVE}, NULL);
	wire_put_records(&records, &(struct engine_records_ask){.file = S("a.db"), .steps = &step, .nsteps = 1, .make = true});
	wire_put_records(&elsewhere, &(struct engine_records_ask){.file = S("../mayfly.db"), .steps = &step, .nsteps = 1, .make = true});
	assert_ends_the_worker(false, WIRE_RECORDS, buf_str(&records));
	assert_ends_the_worker(true, WIRE_RUN, buf_str(&run));
	assert_ends_the_worker(true, WIRE_CATALOG, S(""));
	assert_ends_the_worker(true, WIRE_RECORDS, buf_str(&elsewhere));
	assert_ends_the_worker(true, WIRE_RECORDS, str_head(buf_str(&records), records.n - 1));
}

/* --- the sandbox --- */
static void the_kernel_holds_the_worker(void **state)
{
	(void)state;
	assert_true(the.landlock);
	assert_true(the.seccomp);
	assert_int_equal(the.rlimits, !SANITIZED);
}

static bool denied(long rc, int why)
{
	return rc == -1 && errno == why;
}

static void *no_work(void *arg)
{
	return arg;
}

/* In a child behind both walls: the first thing that is not as it should be, 0 = all is. */
static int behind_the_walls(pid_t parent)
{
	const struct worker_options o = {.no_rlimit_as = true, .concurrent = 1, .threads = 1};
	struct sandbox s = {0};
	pthread_t thread;
	int fd;

	sandbox_enter(&o, &s);
	sandbox_seal(&s);
	if (!s.landlock || !s.seccomp)
		return 1;
	if (!denied(socket(AF_INET, SOCK_STREAM, 0), EPERM) || !denied(socket(AF_UNIX, SOCK_STREAM, 0), EPERM))
		return 2;
	if (!denied(open("/etc/passwd", O_RDONLY), EACCES) || !denied(open("/proc/self/maps", O_RDONLY), EACCES))
		return 3;
	if (!denied(open("../mayfly-outside", O_WRONLY | O_CREAT, 0600), EACCES) || !denied(rename("inside", "../outside"), EACCES))
		return 4;
	if (!denied(kill(parent, 0), EPERM) || !denied(syscall(SYS_tgkill, parent, parent, 0), EPERM))
		return 5;
	if (!denied(syscall(SYS_fork), EPERM) || !denied(execl("/bin/true", "true", NULL), EPERM))
		return 6;
	if (!denied(truncate("inside", 0), EPERM) || !denied(symlink("/etc/passwd", "link"), EACCES))
		return 7;
	fd = open("inside", O_RDWR);
	if (fd < 0 || ftruncate(fd, 1) != 0 || unlink("inside") != 0)
		return 8;
	if (memfd_create("x", 0) < 0 || (!SANITIZED && pthread_create(&thread, NULL, no_work, NULL) != 0))
		return 9;
	return 0;
}

static void behind_the_walls_nothing_else_is_in_reach(void **state)
{
	char dir[FOLDER_PATH_MAX];
	pid_t parent = getpid(), child;
	int status;

	(void)state;
	folder_make(dir);
	child = fork();
	if (child == 0) {
		int fd = chdir(dir) == 0 ? open("inside", O_WRONLY | O_CREAT, 0600) : -1;

		_exit(fd < 0 ? 99 : behind_the_walls(parent));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	folder_remove(dir);
}

static void sql_that_breaks_duckdb_ends_only_the_worker(void **state)
{
	struct peer w = start("400000000", "1");
	struct engine_ask ask = asking("SELECT * FROM enable_logging('QueryLog', storage='file', storage_path='/tmp/mayfly-x')", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	ask.session_state = true; /* the connection is closed behind it, which is where DuckDB aborts */
	run(&w, &ask, &a);
	close(w.control);
	wait_gone(&w);
	close(w.jobs);
	folder_remove(w.dir);
	assert_int_not_equal(access("/tmp/mayfly-x", F_OK), 0);
	assert_data(&the, ENGINE_NATIVE, "SELECT 1", "[1]");
}

static void memory_bombs_hurt_only_themselves(void **state)
{
	static const char *const bombs[] = {"SELECT length(repeat('x', 1500000000))", "SELECT list_sum(range(100000000))",
		"SELECT repeat('x', 900000000)"};

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t i = 0; i < COUNT_OF(bombs); i++) {
		struct peer w = start("700000000", "2");
		struct engine_ask ask = asking(bombs[i], ENGINE_NATIVE);
		OWNS(answer) a;

		run(&w, &ask, &a);
		if (!a.gone) {
			print_message("%s: %.*s: %.*s\n", bombs[i], SARG(a.end.class), (int)(a.end.text.n < 70 ? a.end.text.n : 70), a.end.text.p);
			assert_int_not_equal(a.end.outcome, ENGINE_LOST);
			assert_data(&w, ENGINE_NATIVE, "SELECT 1", "[1]");
			stop(&w);
		} else {
			print_message("%s: the worker went\n", bombs[i]);
			wait_gone(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_select_comes_back_in_both_forms),
		cmocka_unit_test(changes_are_counted_without_rows),
		cmocka_unit_test(errors_have_class_text_and_place),
		cmocka_unit_test(an_endless_error_is_cut_between_characters),
		cmocka_unit_test(partitions_close_at_their_sizes_and_double),
		cmocka_unit_test(a_partition_holds_at_most_so_many_rows),
		cmocka_unit_test(no_rows_are_one_empty_partition),
		cmocka_unit_test(null_as_text_is_only_where_it_was_asked),
		cmocka_unit_test(a_result_too_large_ends_at_once),
		cmocka_unit_test(a_statement_too_long_for_a_packet_comes_in_a_memfd),
		cmocka_unit_test(what_a_session_leaves_is_gone_with_it),
		cmocka_unit_test(a_cached_statement_sees_ddl),
		cmocka_unit_test(a_cached_statement_reads_the_clock_again),
		cmocka_unit_test(a_time_zone_is_of_one_statement),
		cmocka_unit_test(nulls_are_ordered_as_the_surface_expects),
		cmocka_unit_test(a_cancel_ends_a_statement),
		cmocka_unit_test(a_cancel_may_come_before_its_statement),
		cmocka_unit_test(a_wait_waits),
		cmocka_unit_test(at_most_a_window_of_partitions_is_unacknowledged),
		cmocka_unit_test(progress_is_told_of_long_statements),
		cmocka_unit_test(a_worker_ends_when_its_control_socket_does),
		cmocka_unit_test(quitting_waits_for_statements_and_keeps_what_was_written),
		cmocka_unit_test(a_packet_that_is_not_well_formed_ends_the_worker),
		cmocka_unit_test(statements_and_records_have_workers_of_their_own),
		cmocka_unit_test(the_kernel_holds_the_worker),
		cmocka_unit_test(behind_the_walls_nothing_else_is_in_reach),
		cmocka_unit_test(sql_that_breaks_duckdb_ends_only_the_worker),
		cmocka_unit_test(memory_bombs_hurt_only_themselves),
	};

	return cmocka_run_group_tests(tests, shared_start, shared_stop);
}
