/* records_test.c - DuckDB files of the server's own: every kind of value, all or nothing, what survives what.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include "engine/engine.h"
#include "engine/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

enum { WAIT_S = 120 };

struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	struct engine_limits limits;
	char dir[FOLDER_PATH_MAX];
};

/* What one batch told. */
struct told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct engine_task *task;
	struct engine_bytes *pieces[1024];
	int npieces;
	bool started, ended;
	enum engine_outcome outcome;
	int64_t rows;
	char class[64], text[512];
};

static void on_started(void *arg)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->started = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
	assert_true(false); /* a batch of records has none */
}

static void on_part(void *arg, const struct engine_part *p)
{
	struct told *t = arg;

	assert_false(p->gzip);
	pthread_mutex_lock(&t->lock);
	assert_true(t->npieces < 1024);
	t->pieces[t->npieces++] = p->bytes;
	pthread_mutex_unlock(&t->lock);
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->ended = true;
	t->outcome = end->outcome;
	t->rows = end->rows;
	snprintf(t->class, sizeof(t->class), "%.*s", (int)(end->class.n), end->class.p ? end->class.p : "");
	snprintf(t->text, sizeof(t->text), "%.*s", (int)(end->text.n), end->text.p ? end->text.p : "");
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

static void assert_outcome(const struct told *t, enum engine_outcome outcome)
{
	if (t->outcome != outcome)
		print_error("outcome %d: %s: %s\n", t->outcome, t->class, t->text);
	assert_int_equal(t->outcome, outcome);
}

static void limits_of(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)tenant;
	*ret = *(struct engine_limits *)arg;
}

static void open_engine(struct fixture *f)
{
	struct engine_options o = {.max_workers = 1, .idle_ms = 3600000, .cancel_grace_ms = 5000, .uid_base = 640000, .records = true,
				   .limits = limits_of, .arg = &f->limits, .program = getenv("MAYFLY_BINARY")};

	assert_non_null(getenv("MAYFLY_BINARY")); /* else this program would be started as its own worker */
	f->loop = exec_loop_open("records");
	o.loop = f->loop;
	o.data_dir = str_of(f->dir);
	f->engine = engine_open(&f->c, &o);
	assert_non_null(f->engine);
	exec_loop_start(f->loop);
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	call_open(&f->c, &f->arena);
	folder_make(f->dir);
	chmod(f->dir, 0711);
	f->limits = (struct engine_limits){.memory_bytes = 1LL << 30, .threads = 1, .concurrent = 3, .queued = 1000};
	open_engine(f);
	*state = f;
	return 0;
}

static void on_stopped(void *arg)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->ended = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void told_init(struct told *t)
{
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
}

static void await(struct told *t, const bool *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&t->lock);
	while (!*what)
		assert_int_equal(pthread_cond_timedwait(&t->changed, &t->lock, &until), 0);
	pthread_mutex_unlock(&t->lock);
}

static void stop_engine(struct fixture *f)
{
	struct told t;

	told_init(&t);
	engine_stop(f->engine, on_stopped, &t);
	await(&t, &t.ended);
	exec_loop_stop(f->loop);
	exec_loop_join(f->loop);
	engine_close(f->engine);
	exec_loop_close(f->loop);
}

static int end(void **state)
{
	struct fixture *f = *state;

	stop_engine(f);
	folder_remove(f->dir);
	arena_close(&f->arena);
	free(f);
	return 0;
}

static void told_drop(struct told *t)
{
	for (int i = 0; i < t->npieces; i++)
		engine_bytes_unref(t->pieces[i]);
	engine_task_unref(t->task);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
}

/* --- batches in few words --- */
#define INT(v) {.kind = ENGINE_CELL_INT, .integer = (v)}
#define REAL(v) {.kind = ENGINE_CELL_REAL, .real = (v)}
#define TEXT(v) {.kind = ENGINE_CELL_TEXT, .s = (v)}
#define BYTES(v) {.kind = ENGINE_CELL_BYTES, .s = (v)}
#define NONE {.kind = ENGINE_CELL_NULL}
#define STEP(text, cells) {.sql = S_INIT(text), .binds = (cells), .nbinds = COUNT_OF(cells)}
#define PLAIN(text) {.sql = S_INIT(text)}

static void submit(struct fixture *f, struct told *t, const char *file, const struct engine_step *steps, int n, bool make)
{
	const struct engine_records_ask ask = {.file = str_of(file), .steps = steps, .nsteps = n, .make = make};

	told_init(t);
	assert_true(engine_records_run(&f->c, f->engine, &ask, &listener, t, &t->task));
}

static void run(struct fixture *f, struct told *t, const char *file, const struct engine_step *steps, int n, bool make)
{
	submit(f, t, file, steps, n, make);
	await(t, &t->ended);
}

static void run_ok(struct fixture *f, const char *file, const struct engine_step *steps, int n)
{
	struct told t;

	run(f, &t, file, steps, n, true);
	assert_outcome(&t, ENGINE_OK);
	told_drop(&t);
}

static void one(struct fixture *f, const char *file, const char *sql)
{
	const struct engine_step s = {.sql = str_of(sql)};

	run_ok(f, file, &s, 1);
}

static void expect(struct fixture *f, const char *file, const char *sql, const char *class)
{
	const struct engine_step s = {.sql = str_of(sql)};
	struct told t;

	run(f, &t, file, &s, 1, false);
	assert_outcome(&t, ENGINE_FAILED);
	assert_string_equal(t.class, class);
	told_drop(&t);
}

/* The first cell of the first row. */
static int64_t number(struct fixture *f, const char *file, const char *sql)
{
	const struct engine_step s = {.sql = str_of(sql)};
	struct engine_rows rows;
	struct told t;
	int64_t v;

	run(f, &t, file, &s, 1, false);
	assert_outcome(&t, ENGINE_OK);
	assert_int_equal(t.npieces, 1);
	assert_true(engine_rows(&f->c, engine_bytes_str(t.pieces[0]), &rows));
	assert_int_equal(rows.cells[0].kind, ENGINE_CELL_INT);
	v = rows.cells[0].integer;
	told_drop(&t);
	return v;
}

static void path_of(const struct fixture *f, const char *name, char to[256])
{
	snprintf(to, 256, "%s/%s", f->dir, name);
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[256];

	path_of(f, name, path);
	return access(path, F_OK) == 0;
}

/* Of the worker, by its folder. */
static pid_t worker_of(const struct fixture *f)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	pid_t found = 0;

	while ((e = readdir(d))) {
		char path[300], line[4096];
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? open(path, O_RDONLY) : -1;
		n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : 0;
		if (fd >= 0)
			close(fd);
		if (n > 0 && memmem(line, (size_t)n, "--records", 9) && memmem(line, (size_t)n, f->dir, strlen(f->dir)))
			found = (pid_t)atoi(e->d_name);
	}
	closedir(d);
	return found;
}

static void kill_worker(const struct fixture *f)
{
	pid_t pid = worker_of(f);

	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

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

static bool listed(struct fixture *f, const char *name, int of)
{
	struct str *v;
	bool found = false;
	int n;

	assert_true(engine_records_files(&f->c, f->engine, &v, &n));
	assert_int_equal(n, of);
	for (int i = 0; i < n; i++)
		found = found || str_eq(v[i], str_of(name));
	return found;
}

static void drop(struct fixture *f, struct told *t, const char *file)
{
	told_init(t);
	assert_true(engine_records_run(&f->c, f->engine, &(struct engine_records_ask){.file = str_of(file), .drop = true}, &listener, t, &t->task));
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
	enum { FILES = 50 };
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
	assert_true(listed(f, "f49.db", FILES));
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

/* --- what survives --- */
static void what_was_acknowledged_survives_a_kill(void **state)
{
	struct fixture *f = *state;

	one(f, "a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY)");
	for (int i = 0; i < 5; i++) {
		char sql[64];

		snprintf(sql, sizeof(sql), "INSERT INTO t VALUES (%d)", i);
		one(f, "a.db", sql);
		kill_worker(f);
		for (struct engine_report r = {.workers = 1}; r.workers;) /* until it is reaped */
			engine_report(f->engine, &r);
		assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), i + 1);
	}
	stop_engine(f);
	assert_false(exists(f, "a.db.wal")); /* a worker that is told to go checkpoints */
	open_engine(f);
	assert_int_equal(number(f, "a.db", "SELECT count(*) FROM t"), 5);
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
	kill_worker(f);
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
		cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_a_kill, begin, end),
		cmocka_unit_test_setup_teardown(a_worker_that_dies_loses_its_batches_and_no_more, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_database_is_foreign, begin, end),
		cmocka_unit_test_setup_teardown(damaged_files_are_said_to_be_and_others_go_on, begin, end),
		cmocka_unit_test_setup_teardown(another_programs_database_is_foreign, begin, end),
		cmocka_unit_test_setup_teardown(steps_reach_no_file_and_load_nothing, begin, end),
		cmocka_unit_test_setup_teardown(rows_that_are_not_well_formed_are_refused, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
