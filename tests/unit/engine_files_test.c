/* engine_files_test.c - exports, bare statements and the cache as the server sees them.
 *
 * Real worker processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include "engine/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "engine_rig.h"
#include "worker_pid.h"

enum { ROW_GROUP = 20480, UIDS = 640000 };

static void open_engine(struct fixture *f, uid_t uid_base)
{
	make_engine(f, 3, uid_base);
	exec_loop_start(f->loop);
}

static int begin(void **state)
{
	struct fixture *f = fixture_open(8);

	snprintf(f->cache, sizeof(f->cache), "%s/cache", f->dir);
	open_engine(f, UIDS);
	*state = f;
	return 0;
}

static int end(void **state)
{
	close_engine(*state);
	fixture_close(*state);
	return 0;
}

/* --- statements --- */
static void run_ask(struct fixture *f, struct told *t, const struct engine_ask *ask)
{
	told_init(t);
	assert_true(engine_run(&f->c, f->engine, ask, &listener, t, &t->task));
	wait_for(t, &t->ended);
}

static void run(struct fixture *f, struct told *t, const char *sql, bool bare)
{
	struct engine_ask ask = {.sql = str_of(sql), .tenant = S("acme"), .form = ENGINE_NATIVE, .first_part_bytes = 1 << 20, .bare = bare};

	run_ask(f, t, &ask);
}

static void expect_rows(struct fixture *f, const char *sql, bool bare, const char *rows)
{
	struct told t;

	run(f, &t, sql, bare);
	expect_good_end(&t);
	assert_str_equal(buf_str(&t.rows), rows);
	told_drop(&t);
}

static void expect_done(struct fixture *f, const char *sql)
{
	struct engine_ask ask = {.sql = str_of(sql), .tenant = S("acme"), .counts = ENGINE_STATUS};
	struct told t;

	run_ask(f, &t, &ask);
	expect_good_end(&t);
	told_drop(&t);
}

static struct engine_export export_of(const char *sql)
{
	return (struct engine_export){.tenant = S("acme"), .sql = str_of(sql)};
}

static void start_export(struct fixture *f, struct told *t, const struct engine_export *x)
{
	told_init(t);
	assert_true(engine_export(&f->c, f->engine, x, &listener, t, &t->task));
}

/* The files, in the fixture's arena. */
static int export_all(struct fixture *f, const struct engine_export *x, struct engine_file **ret)
{
	struct told t;
	int n;

	start_export(f, &t, x);
	expect_good_end(&t);
	assert_true(engine_files(&f->c, arena_dup(&f->arena, buf_str(&t.rows)), ret, &n));
	told_drop(&t);
	return n;
}

static const char *export_path(struct fixture *f, struct str name)
{
	return arena_fmt(&f->arena, "%s/tenants/acme/exports/%.*s", f->dir, SARG(name)).p;
}

static int files_there(struct fixture *f)
{
	DIR *d = opendir(export_path(f, S("")));
	int n = 0;

	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static const struct engine_file_column *column(const struct engine_file *f, const char *path)
{
	for (int i = 0; i < f->ncolumns; i++)
		if (str_eq(f->columns[i].path, str_of(path)))
			return &f->columns[i];
	print_message("no column %s\n", path);
	assert_true(false);
	return NULL;
}

/* Moves an exported file into the tenant's cache, as the server does; its path. */
static const char *into_cache(struct fixture *f, const struct engine_file *file, const char *name)
{
	const char *path = arena_fmt(&f->arena, "%s/acme/%s", f->cache, name).p;
	OWNS(buf) bytes = {0};
	int from, to;

	assert_true(engine_file_open(&f->c, f->engine, S("acme"), file, &from));
	assert_true(file_read(from, (size_t)file->bytes, &bytes));
	close(from);
	assert_int_equal(bytes.n, file->bytes);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(to >= 0);
	assert_true(file_write(to, buf_str(&bytes)));
	close(to);
	engine_file_drop(f->engine, S("acme"), file->name);
	return path;
}

/* --- exports --- */
static void a_select_becomes_a_file_with_its_statistics(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT i, 'n' || lpad(i::VARCHAR, 6, '0') AS s, CASE WHEN i % 2 = 0 THEN i END AS half "
					   "FROM range(50000) t(i) ORDER BY i DESC");
	const struct engine_file_column *col;
	struct engine_file *v;

	x.field_ids = S("{i: 1, s: 2, half: 3}");
	assert_int_equal(export_all(f, &x, &v), 1);
	assert_int_equal(v->rows, 50000);
	assert_int_equal(v->nsplits, 3);
	assert_int_equal(v->splits[0], 4);
	assert_int_equal(v->ncolumns, 3);
	col = column(v, "i");
	assert_true(col->has_bounds);
	assert_str_equal(col->min, "0");
	assert_str_equal(col->max, "49999");
	assert_int_equal(col->values, 50000);
	assert_int_equal(col->nulls, 0);
	col = column(v, "s");
	assert_str_equal(col->min, "n000000");
	assert_str_equal(col->max, "n049999");
	assert_int_equal(column(v, "half")->nulls, 25000);
	assert_true(column(v, "half")->bytes > 0 && column(v, "half")->bytes < v->bytes);
	expect_rows(f, arena_fmt(&f->arena, "SELECT i, s FROM read_parquet('exports/%.*s', file_row_number = true) "
				 "WHERE file_row_number BETWEEN 30000 AND 30001 ORDER BY file_row_number", SARG(v->name)).p, true,
		    "{\"data\":[[19999,\"n019999\"],[19998,\"n019998\"]]}");
	expect_rows(f, arena_fmt(&f->arena, "SELECT string_agg(name || field_id, ',' ORDER BY field_id) FROM "
				 "parquet_schema('exports/%.*s') WHERE field_id IS NOT NULL", SARG(v->name)).p, true, "{\"data\":[[\"i1,s2,half3\"]]}");
	into_cache(f, v, "kept.parquet");
	assert_int_equal(files_there(f), 0);
}

static void bounds_are_there_where_they_are_exact(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of(
		"SELECT * FROM (VALUES (1.5::DOUBLE, 'NaN'::DOUBLE, '\\xAA\\x41'::BLOB, repeat('x', 300), NULL::INTEGER, true, -1.25::DECIMAL(10,2), "
		"DATE '1905-02-03', -0.0::DOUBLE, ''), ('-inf', 1, '\\x00', 'a', NULL, false, 3, DATE '2020-01-01', 0, NULL)) "
		"t(d, nan, b, long, none, yes, dec, day, zero, empty)");
	const struct engine_file_column *col;
	struct engine_file *v;

	assert_int_equal(export_all(f, &x, &v), 1);
	assert_str_equal(column(v, "d")->min, "-inf");
	assert_str_equal(column(v, "d")->max, "1.5");
	col = column(v, "nan");
	assert_true(col->has_nan);
	assert_false(col->has_bounds);
	assert_false(column(v, "long")->has_bounds);
	assert_false(column(v, "none")->has_bounds);
	assert_int_equal(column(v, "none")->nulls, 2);
	assert_str_equal(column(v, "b")->min, "\\x00");
	assert_str_equal(column(v, "b")->max, "\\xAA\\x41");
	assert_str_equal(column(v, "yes")->min, "0");
	assert_str_equal(column(v, "yes")->max, "1");
	assert_str_equal(column(v, "dec")->min, "-1.25");
	assert_str_equal(column(v, "day")->min, "1905-02-03");
	assert_str_equal(column(v, "zero")->min, "-0.0");
	assert_true(column(v, "empty")->has_bounds);
	assert_str_equal(column(v, "empty")->max, "");
	assert_int_equal(column(v, "empty")->nulls, 1);
}

static void leaves_of_nested_columns_are_named_as_in_parquet(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT [1, 2, NULL] AS l, {'a': 1, 'we\"ird.name': [{'x': 'y'}]} AS st, MAP {'k': 7} AS m, 1 AS \"Last\"");
	static const char *const paths[] = {"l.list.element", "st.a", "st.we\"ird.name.list.element.x", "m.key_value.key",
					    "m.key_value.value", "Last"};
	struct engine_file *v;

	assert_int_equal(export_all(f, &x, &v), 1);
	assert_int_equal(v->ncolumns, (int)COUNT_OF(paths));
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		assert_str_equal(v->columns[i].path, paths[i]);
	assert_int_equal(v->columns[0].values, 3);
	assert_int_equal(v->columns[0].nulls, 1);
	assert_str_equal(v->columns[0].max, "2");
	assert_str_equal(v->columns[2].min, "y");
	assert_str_equal(v->columns[4].min, "7");
}

static void no_rows_are_one_file(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT 1 AS a, 'x' AS b WHERE false");
	struct engine_file *v;

	x.file_bytes = 1;
	assert_int_equal(export_all(f, &x, &v), 1);
	assert_int_equal(v->rows, 0);
	assert_int_equal(v->nsplits, 0);
	assert_int_equal(v->ncolumns, 2);
	assert_true(v->bytes > 0);
	assert_false(v->columns[0].has_bounds);
	expect_rows(f, arena_fmt(&f->arena, "SELECT count(*) FROM read_parquet('exports/%.*s')", SARG(v->name)).p, true, "{\"data\":[[0]]}");
}

static void values_are_bound_by_name(void **state)
{
	struct fixture *f = *state;
	const struct engine_bind binds[] = {{.type = ENGINE_B_INT, .value = S("3")}, {.type = ENGINE_B_TEXT, .value = S("it's")}};
	const struct str names[] = {S("least"), S("word")};
	struct engine_export x = export_of("SELECT i, $word AS w FROM range(5) t(i) WHERE i >= CAST($least AS BIGINT) ORDER BY i");
	struct engine_file *v;

	x.binds = binds;
	x.bind_names = names;
	x.nbinds = 2;
	assert_int_equal(export_all(f, &x, &v), 1);
	assert_int_equal(v->rows, 2);
	assert_str_equal(column(v, "i")->min, "3");
	assert_str_equal(column(v, "w")->max, "it's");
}

static void a_large_result_becomes_several_files_in_order(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT i, hash(i)::VARCHAR AS noise FROM range(200001) t(i) ORDER BY i DESC");
	int64_t next = 200000;
	struct engine_file *v;
	int n;

	x.field_ids = S("{i: 7, noise: 8}");
	x.file_bytes = 600000;
	n = export_all(f, &x, &v);
	assert_true(n > 2);
	assert_int_equal(files_there(f), n);
	for (int i = 0; i < n; i++) {
		assert_true(i == n - 1 || v[i].rows % ROW_GROUP == 0);
		assert_int_equal(v[i].nsplits, (v[i].rows + ROW_GROUP - 1) / ROW_GROUP);
		assert_true(v[i].bytes < 2 * x.file_bytes);
		/* In order, without a hole, and the field ids are kept. */
		expect_rows(f, arena_fmt(&f->arena, "SELECT count(*) FROM read_parquet('exports/%.*s', schema = MAP {7: {name: 'i', type: 'BIGINT', "
					 "default_value: NULL}}, file_row_number = true) WHERE i + file_row_number <> %lld", SARG(v[i].name),
					 (long long)next).p, true, "{\"data\":[[0]]}");
		assert_str_equal(column(&v[i], "i")->max, arena_fmt(&f->arena, "%lld", (long long)next).p);
		next -= v[i].rows;
	}
	assert_int_equal(next, -1);
}

/* All that Iceberg has: a file that was read back and written again is like one that was not. */
static const char every_type[] =
	"SELECT i % 2 = 0 AS b, i::INTEGER AS i, i AS l, i::FLOAT AS f, CASE WHEN i % 7 > 0 THEN i / 3 END AS d, "
	"(i - 100)::DECIMAL(9, 2) AS n9, i::DECIMAL(38, 10) AS n38, DATE '1960-01-01' + i::INTEGER AS day, "
	"TIME '00:00:00' + to_microseconds(i) AS t, TIMESTAMP '1950-01-01' + to_microseconds(i * 1000001) AS ts, "
	"TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i) AS tz, 's' || i AS s, ('00000000-0000-0000-0000-' || "
	"lpad(i::VARCHAR, 12, '0'))::UUID AS u, encode('b' || i) AS x, CASE WHEN i % 3 > 0 THEN [i, NULL, i + 1] END AS li, "
	"{'a': i, 'b': {'c': ['x' || i]}} AS st, MAP {'k' || i: {'v': i}} AS m FROM range(45000) t(i) ORDER BY i DESC";
static const char every_id[] =
	"{b: 1, i: 2, l: 3, f: 4, d: 5, n9: 6, n38: 7, day: 8, t: 9, ts: 10, tz: 11, s: 12, u: 13, x: 14, "
	"li: {__duckdb_field_id: 15, element: 18}, st: {__duckdb_field_id: 16, a: 19, b: {__duckdb_field_id: 20, c: "
	"{__duckdb_field_id: 21, element: 22}}}, m: {__duckdb_field_id: 17, key: 23, value: {__duckdb_field_id: 24, v: 25}}}";

static const char *told_by(struct fixture *f, const char *fmt, const char *files)
{
	struct told t;
	const char *rows;

	run(f, &t, arena_fmt(&f->arena, fmt, files).p, true);
	if (t.outcome != ENGINE_OK)
		print_message("%.*s\n", SARG(buf_str(&t.text)));
	assert_int_equal(t.outcome, ENGINE_OK);
	rows = arena_cstr(&f->arena, buf_str(&t.rows));
	told_drop(&t);
	return rows;
}

static const char *paths_of(struct fixture *f, const struct engine_file *v, int n)
{
	OWNS(buf) b = {0};

	for (int i = 0; i < n; i++)
		buf_fmt(&b, "%s'exports/%.*s'", i ? ", " : "", SARG(v[i].name));
	return arena_cstr(&f->arena, buf_str(&b));
}

static void every_type_survives_being_split(void **state)
{
	static const char schema[] = "SELECT name, type, repetition_type, num_children, converted_type, scale, precision, field_id, logical_type "
				     "FROM parquet_schema(%s)";
	static const char rows[] = "SELECT count(*), bit_xor(hash(file_row_number + file_index * 20480, b, i, l, f, d, n9, n38, day, t, "
				   "ts, tz, s, u, x, li, st, m)), sum(i) FROM read_parquet([%s], file_row_number = true)";
	struct fixture *f = *state;
	struct engine_export x = export_of(every_type);
	struct engine_file *whole, *v;
	int n;

	x.field_ids = str_of(every_id);
	assert_int_equal(export_all(f, &x, &whole), 1);
	x.file_bytes = whole->bytes / 3;
	n = export_all(f, &x, &v);
	assert_int_equal(n, 3);
	assert_string_equal(told_by(f, schema, paths_of(f, whole, 1)), told_by(f, schema, paths_of(f, &v[1], 1)));
	assert_string_equal(told_by(f, rows, paths_of(f, whole, 1)), told_by(f, rows, paths_of(f, v, n)));
	for (int i = 0; i < whole->ncolumns; i++) {
		assert_true(str_eq(whole->columns[i].path, v[0].columns[i].path));
		assert_int_equal(whole->columns[i].nulls, v[0].columns[i].nulls + v[1].columns[i].nulls + v[2].columns[i].nulls);
		assert_true(whole->columns[i].has_bounds && v[2].columns[i].has_bounds);
	}
}

static void expect_refused(struct fixture *f, const struct engine_export *x, enum engine_outcome outcome, const char *class)
{
	struct told t;

	start_export(f, &t, x);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, outcome);
	assert_str_equal(buf_str(&t.class), class);
	assert_int_equal(t.rows.n, 0);
	told_drop(&t);
	assert_int_equal(files_there(f), 0);
}

static void what_is_too_large_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT hash(i)::VARCHAR || hash(i + 1)::VARCHAR AS v FROM range(300000000) t(i)");

	x.max_bytes = 4 << 20; /* many times that: it is seen while it is written */
	expect_refused(f, &x, ENGINE_TOO_LARGE, "");
	x.sql = S("SELECT hash(i)::VARCHAR AS v FROM range(1000) t(i)");
	x.max_bytes = 1000;
	expect_refused(f, &x, ENGINE_TOO_LARGE, "");
	x.max_bytes = 1000000;
	expect_rows(f, "SELECT 1 AS a", true, "{\"data\":[[1]]}");
}

static void errors_have_places_in_the_select(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT 1 AS a,\n nowhere FROM range(3)");
	struct told t;

	start_export(f, &t, &x);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_FAILED);
	assert_str_equal(buf_str(&t.class), "Binder");
	assert_int_equal(t.position, 16);
	told_drop(&t);
	x.sql = S("SELECT 'é' AS a, FROM FROM");
	start_export(f, &t, &x);
	wait_for(&t, &t.ended);
	assert_str_equal(buf_str(&t.class), "Parser");
	assert_int_equal(t.position, 23);
	told_drop(&t);
	x.sql = S("SELECT CAST('x' || range AS INTEGER) FROM range(100)");
	expect_refused(f, &x, ENGINE_FAILED, "Conversion");
	x.sql = S("SELECT $missing AS a");
	expect_refused(f, &x, ENGINE_FAILED, "Bind");
	x.sql = S("SELECT 1 AS a -- and then");
	x.field_ids = S("{b: 1}");
	expect_refused(f, &x, ENGINE_FAILED, "Binder");
}

static void a_canceled_export_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT hash(i)::VARCHAR || hash(i + 1)::VARCHAR AS v FROM range(300000000) t(i)");
	struct told t;

	start_export(f, &t, &x);
	wait_for(&t, &t.started);
	while (access(export_path(f, S("")), F_OK) != 0 || files_there(f) == 0)
		usleep(1000);
	engine_cancel(t.task);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_INTERRUPTED);
	told_drop(&t);
	assert_int_equal(files_there(f), 0);
	expect_rows(f, "SELECT 1 AS a", true, "{\"data\":[[1]]}");
}

static void exports_leave_half_of_the_executors_to_statements(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT hash(i)::VARCHAR AS v FROM range(3000000000) t(i)");
	struct told t[2];

	start_export(f, &t[0], &x);
	start_export(f, &t[1], &x);
	wait_for(&t[0], &t[0].started);
	expect_rows(f, "SELECT 1 AS a", false, "{\"data\":[[1]]}");
	assert_int_equal(t[1].started, 0);
	engine_cancel(t[0].task);
	wait_for(&t[0], &t[0].ended);
	wait_for(&t[1], &t[1].started);
	engine_cancel(t[1].task);
	wait_for(&t[1], &t[1].ended);
	told_drop(&t[0]);
	told_drop(&t[1]);
}

static void a_new_server_finds_no_exports(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT 1 AS a");
	struct engine_file *v;
	int fd;

	export_all(f, &x, &v);
	assert_int_equal(files_there(f), 1);
	close_engine(f);
	open_engine(f, UIDS);
	expect_rows(f, "SELECT 1 AS a", true, "{\"data\":[[1]]}");
	assert_int_equal(files_there(f), 0);
	assert_false(engine_file_open(&f->c, f->engine, S("acme"), v, &fd));
	assert_int_equal(f->c.err.kind, ERR_ENGINE_LOST);
	call_forgive(&f->c);
}

/* The only child of this process. */
static void exports_outlive_their_worker_but_not_half_written_ones(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT 1 AS a");
	struct engine_file *v;
	struct told t;
	pid_t pid;
	int fd;

	export_all(f, &x, &v);
	x.sql = S("SELECT hash(i)::VARCHAR AS v FROM range(3000000000) t(i)");
	start_export(f, &t, &x);
	while (files_there(f) < 2)
		usleep(1000);
	pid = worker_pid();
	if (pid > 1)
		kill(pid, SIGKILL);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_LOST);
	told_drop(&t);
	expect_rows(f, "SELECT 1 AS a", true, "{\"data\":[[1]]}"); /* of another one */
	assert_int_equal(files_there(f), 1);
	assert_true(engine_file_open(&f->c, f->engine, S("acme"), v, &fd));
	close(fd);
}

/* --- opening what a worker left --- */
static void expect_not_opened(struct fixture *f, const struct engine_file *file)
{
	int fd = -1;

	assert_false(engine_file_open(&f->c, f->engine, S("acme"), file, &fd));
	assert_int_equal(f->c.err.kind, ERR_ENGINE_LOST);
	call_forgive(&f->c);
}

static void only_a_plain_file_of_that_size_is_opened(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT 1 AS a");
	struct engine_file *v, other;
	const char *real, *folder = export_path(f, S("")), *aside = arena_fmt(&f->arena, "%s/aside", f->dir).p;

	export_all(f, &x, &v);
	real = export_path(f, v->name);
	other = *v;
	other.bytes++;
	expect_not_opened(f, &other);
	other = *v;
	other.name = S("link");
	assert_int_equal(symlink(real, export_path(f, other.name)), 0);
	expect_not_opened(f, &other);
	other.name = S("pipe");
	assert_int_equal(mkfifo(export_path(f, other.name), 0600), 0);
	expect_not_opened(f, &other);
	other.name = S("folder");
	assert_int_equal(mkdir(export_path(f, other.name), 0700), 0);
	expect_not_opened(f, &other);
	other.name = S("hard");
	assert_int_equal(link(real, export_path(f, other.name)), 0);
	expect_not_opened(f, &other);
	expect_not_opened(f, v); /* the other name of it */
	engine_file_drop(f->engine, S("acme"), other.name);
	assert_true(engine_file_open(&f->c, f->engine, S("acme"), v, &(int){-1}));
	other.name = S("../exports/x");
	expect_not_opened(f, &other);
	other.name = S("..");
	expect_not_opened(f, &other);
	rmdir(export_path(f, S("folder")));
	folder = arena_fmt(&f->arena, "%.*s", (int)strlen(folder) - 1, folder).p;
	assert_int_equal(rename(folder, aside), 0); /* the whole folder as a link */
	assert_int_equal(symlink(aside, folder), 0);
	expect_not_opened(f, v);
	engine_file_drop(f->engine, S("acme"), v->name);
	assert_int_equal(access(arena_fmt(&f->arena, "%s/%.*s", aside, SARG(v->name)).p, F_OK), 0);
}

/* --- descriptions --- */
static struct str packed_sample(struct fixture *f, struct buf *b)
{
	static const int64_t splits[] = {4, 700};
	static const struct engine_file_column columns[] = {
		{.path = S_INIT("a"), .bytes = 10, .values = 3, .nulls = 1, .has_bounds = true, .min = S_INIT("1"), .max = S_INIT("22")},
		{.path = S_INIT("l.list.element"), .bytes = 20, .values = 9, .has_nan = true},
	};
	const struct engine_file v[] = {
		{.name = S("1-0.parquet"), .rows = 3, .bytes = 1000, .splits = splits, .nsplits = 2, .columns = columns, .ncolumns = 2},
		{.name = S("1-1.parquet"), .rows = 0, .bytes = 100},
	};

	(void)f;
	engine_pack_files(v, 2, b);
	return buf_str(b);
}

static void a_description_comes_through(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct engine_file *v;
	int n;

	assert_true(engine_files(&f->c, packed_sample(f, &b), &v, &n));
	assert_int_equal(n, 2);
	assert_str_equal(v[0].name, "1-0.parquet");
	assert_int_equal(v[0].splits[1], 700);
	assert_str_equal(v[0].columns[0].max, "22");
	assert_true(v[0].columns[1].has_nan);
	assert_int_equal(v[1].ncolumns, 0);
}

static bool consistent(const struct engine_file *v, int n)
{
	for (int i = 0; i < n; i++) {
		if (v[i].rows < 0 || v[i].bytes <= 0 || memchr(v[i].name.p, '/', v[i].name.n))
			return false;
		for (int k = 0; k < v[i].nsplits; k++)
			if (v[i].splits[k] <= 0 || v[i].splits[k] >= v[i].bytes || (k && v[i].splits[k] <= v[i].splits[k - 1]))
				return false;
		for (int k = 0; k < v[i].ncolumns; k++)
			if (v[i].columns[k].nulls < 0 || v[i].columns[k].nulls > v[i].columns[k].values || v[i].columns[k].path.n == 0)
				return false;
	}
	return n > 0;
}

static void every_cut_and_every_flipped_bit_is_seen_or_harmless(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct str whole = packed_sample(f, &b);
	struct engine_file *v;
	int n, refused = 0;

	for (size_t i = 0; i < whole.n; i++) { /* each in memory of its own: the sanitizer sees a byte too far */
		char *copy = malloc(i + 1);

		memcpy(copy, whole.p, i);
		assert_false(engine_files(&f->c, str_from(copy, i), &v, &n));
		assert_int_equal(f->c.err.kind, ERR_ENGINE_LOST);
		call_forgive(&f->c);
		free(copy);
	}
	for (size_t i = 0; i < whole.n * 8; i++) {
		char *copy = malloc(whole.n);

		memcpy(copy, whole.p, whole.n);
		copy[i / 8] = (char)(copy[i / 8] ^ (1 << (i % 8)));
		if (engine_files(&f->c, str_from(copy, whole.n), &v, &n))
			assert_true(consistent(v, n));
		else
			refused++;
		call_forgive(&f->c);
		free(copy);
	}
	assert_true(refused > 500);
	buf_addc(&b, 'x');
	assert_false(engine_files(&f->c, buf_str(&b), &v, &n));
	call_forgive(&f->c);
}

/* --- bare statements --- */
static const char *const of_the_tenant[] = {
	"SELECT * FROM secret_table",
	"SELECT * FROM PUBLIC.secret_table",
	"SELECT * FROM MAYFLY.PUBLIC.secret_table",
	"SELECT * FROM MAYFLY.secret_table",
	"SELECT * FROM secret_view",
	"SELECT secret_macro(1)",
	"SELECT MAYFLY.PUBLIC.secret_macro(1)",
	"SELECT 'a'::secret_type",
	"SELECT 'a'::MAYFLY.PUBLIC.secret_type",
	"SELECT nextval('secret_sequence')",
	"SELECT nextval('MAYFLY.PUBLIC.secret_sequence')",
	"SELECT * FROM secret_tabl",
	"SELECT * FROM mayfly_tables()",
	"SELECT * FROM _sf.main.x",
	"SELECT \"SYSTEM$WAIT\"(1)",
};

static void a_bare_statement_sees_nothing_of_the_tenant(void **state)
{
	struct fixture *f = *state;
	struct told t;

	expect_done(f, "CREATE TABLE secret_table AS SELECT 42 AS secret_column");
	expect_done(f, "CREATE VIEW secret_view AS SELECT 42 AS secret_column");
	expect_done(f, "CREATE MACRO secret_macro(x) AS x + 1");
	expect_done(f, "CREATE TYPE secret_type AS ENUM ('a')");
	expect_done(f, "CREATE SEQUENCE secret_sequence");
	expect_rows(f, "SELECT secret_macro(secret_column) AS n FROM secret_table", false, "{\"data\":[[43]]}");
	for (size_t i = 0; i < COUNT_OF(of_the_tenant); i++) {
		run(f, &t, of_the_tenant[i], true);
		if (t.outcome == ENGINE_OK)
			print_message("%s\n", of_the_tenant[i]);
		assert_int_equal(t.outcome, ENGINE_FAILED);
		assert_int_equal(str_search(buf_str(&t.text), S("secret_column")), t.text.n);
		assert_int_equal(str_search(buf_str(&t.text), S("Did you mean \"secret")), t.text.n);
		told_drop(&t);
	}
	expect_rows(f, "SELECT count(*) FROM duckdb_tables()", true, "{\"data\":[[0]]}");
	expect_rows(f, "SELECT count(*) FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'", true, "{\"data\":[[0]]}");
	expect_rows(f, "SELECT count(*) FROM information_schema.tables", true, "{\"data\":[[0]]}");
}

static void one_bare_statement_leaves_nothing_to_the_next(void **state)
{
	struct fixture *f = *state;
	const struct engine_bind binds[] = {{.type = ENGINE_B_INT, .value = S("7")}};
	const struct str names[] = {S("x")};
	struct engine_ask ask = {.sql = S("SELECT $x + 1 AS n"), .tenant = S("acme"), .form = ENGINE_NATIVE, .binds = binds, .bind_names = names,
				 .nbinds = 1, .bare = true, .first_part_bytes = 1000};
	struct told t;

	run_ask(f, &t, &ask);
	assert_str_equal(buf_str(&t.rows), "{\"data\":[[8]]}");
	told_drop(&t);
	ask.timezone = S("America/New_York");
	ask.sql = S("SELECT $x AS n, current_setting('TimeZone') AS z");
	run_ask(f, &t, &ask);
	assert_str_equal(buf_str(&t.rows), "{\"data\":[[7,\"America/New_York\"]]}");
	told_drop(&t);
	expect_rows(f, "SELECT current_setting('TimeZone') AS z", true, "{\"data\":[[\"UTC\"]]}");
	expect_rows(f, "SELECT json_serialize_sql('SELECT 1')::VARCHAR LIKE '{\"error\":false%' AS ok", true, "{\"data\":[[true]]}");
}

static void bare_statements_read_the_cache(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT i, i * 2 AS twice FROM range(3) t(i) ORDER BY i");
	const char *path;
	struct engine_file *v;
	struct stat st;

	export_all(f, &x, &v);
	path = into_cache(f, v, "a.parquet");
	expect_rows(f, arena_fmt(&f->arena, "SELECT sum(twice)::BIGINT AS n FROM read_parquet(['%s'])", path).p, true, "{\"data\":[[6]]}");
	path = arena_fmt(&f->arena, "%s/acme/up", f->cache).p;
	for (int i = 0; i < 2; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		assert_true(file_write(fd, i ? S("{\"a\":1}\n{\"a\":2}\n") : S("a,b\n1,x\n2,y\n")));
		close(fd);
		expect_rows(f, arena_fmt(&f->arena, i ? "SELECT sum(a)::BIGINT AS n FROM read_json('%s')" :
					 "SELECT max(b) AS n FROM read_csv('%s')", path).p, true, i ? "{\"data\":[[3]]}" : "{\"data\":[[\"y\"]]}");
	}
	assert_int_equal(stat(arena_fmt(&f->arena, "%s/acme", f->cache).p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	if (geteuid() == 0) {
		assert_int_equal(st.st_uid, 0);
		assert_true(st.st_gid >= UIDS && st.st_gid < UIDS + 3);
	}
}

/* Nobody's SQL gets here past the gate: these are what a hole in it would meet. */
static void nothing_else_is_read_and_the_cache_is_not_written(void **state)
{
	struct fixture *f = *state;
	struct engine_export x = export_of("SELECT 1 AS a");
	struct engine_file *v;
	const char *path, *beside;
	struct told t;
	struct str hostile[9];
	struct stat before, after;
	int fd;

	export_all(f, &x, &v);
	path = into_cache(f, v, "a.parquet");
	assert_int_equal(mkdir(arena_fmt(&f->arena, "%s/other", f->cache).p, 0755), 0);
	beside = arena_fmt(&f->arena, "%s/other/a.csv", f->cache).p;
	fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(file_write(fd, S("a\n1\n")));
	close(fd);
	assert_int_equal(stat(path, &before), 0);
	hostile[0] = arena_fmt(&f->arena, "COPY (SELECT 1 AS a) TO '%s/acme/b.parquet' (FORMAT parquet)", f->cache);
	hostile[1] = arena_fmt(&f->arena, "COPY (SELECT 1 AS a) TO '%s' (FORMAT parquet)", path);
	hostile[2] = arena_fmt(&f->arena, "COPY (SELECT 1 AS a) TO '%s/acme/b.csv'", f->cache);
	hostile[3] = arena_fmt(&f->arena, "COPY (SELECT 1 AS a) TO '%s/acme/../acme/b.csv' (USE_TMP_FILE false)", f->cache);
	hostile[4] = arena_fmt(&f->arena, "ATTACH '%s/acme/b.db' AS b", f->cache);
	hostile[5] = arena_fmt(&f->arena, "SELECT * FROM read_csv('%s')", beside);
	hostile[6] = arena_fmt(&f->arena, "SELECT * FROM read_csv('%s/acme/../other/a.csv')", f->cache);
	hostile[7] = S("SELECT * FROM read_text('mayfly.db')");
	hostile[8] = S("SELECT * FROM read_text('/etc/passwd')");
	for (size_t i = 0; i < 2 * COUNT_OF(hostile); i++) {
		run(f, &t, hostile[i / 2].p, i % 2);
		if (t.outcome != ENGINE_FAILED)
			print_message("%s\n", hostile[i / 2].p);
		assert_int_equal(t.outcome, ENGINE_FAILED);
		told_drop(&t);
	}
	run(f, &t, arena_fmt(&f->arena, "SELECT * FROM read_parquet('%s')", path).p, false); /* only bare ones read the cache */
	assert_int_equal(t.outcome, ENGINE_FAILED);
	told_drop(&t);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_true(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	assert_int_equal(access(arena_fmt(&f->arena, "%s/acme/b.parquet", f->cache).p, F_OK), -1);
	assert_int_equal(access(arena_fmt(&f->arena, "%s/acme/b.csv", f->cache).p, F_OK), -1);
	expect_rows(f, arena_fmt(&f->arena, "SELECT a FROM read_parquet('%s')", path).p, true, "{\"data\":[[1]]}");
}

/* With the server's own uid, which may write there, Landlock is what stands before the cache. */
static void a_worker_of_our_own_uid_does_not_write_the_cache(void **state)
{
	struct fixture *f = *state;
	struct engine_report r;
	struct told t;

	close_engine(f);
	open_engine(f, 0);
	run(f, &t, arena_fmt(&f->arena, "COPY (SELECT 1 AS a) TO '%s/acme/b.csv' (USE_TMP_FILE false)", f->cache).p, true);
	engine_report(f->engine, &r);
	assert_false(r.own_uid);
	if (!r.landlock)
		print_message("this kernel has no Landlock\n");
	assert_int_equal(t.outcome, r.landlock ? ENGINE_FAILED : ENGINE_OK);
	told_drop(&t);
}

static void a_bare_statement_is_canceled(void **state)
{
	struct fixture *f = *state;
	struct engine_ask ask = {.sql = S("SELECT count(*) FROM range(100000000) a, range(100000) b"), .tenant = S("acme"), .bare = true};
	struct told t;

	told_init(&t);
	assert_true(engine_run(&f->c, f->engine, &ask, &listener, &t, &t.task));
	wait_for(&t, &t.started);
	engine_cancel(t.task);
	wait_for(&t, &t.ended);
	assert_int_equal(t.outcome, ENGINE_INTERRUPTED);
	told_drop(&t);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(a_select_becomes_a_file_with_its_statistics),
		CASE(bounds_are_there_where_they_are_exact),
		CASE(leaves_of_nested_columns_are_named_as_in_parquet),
		CASE(no_rows_are_one_file),
		CASE(values_are_bound_by_name),
		CASE(a_large_result_becomes_several_files_in_order),
		CASE(every_type_survives_being_split),
		CASE(what_is_too_large_leaves_nothing),
		CASE(errors_have_places_in_the_select),
		CASE(a_canceled_export_leaves_nothing),
		CASE(exports_leave_half_of_the_executors_to_statements),
		CASE(a_new_server_finds_no_exports),
		CASE(exports_outlive_their_worker_but_not_half_written_ones),
		CASE(only_a_plain_file_of_that_size_is_opened),
		CASE(a_description_comes_through),
		CASE(every_cut_and_every_flipped_bit_is_seen_or_harmless),
		CASE(a_bare_statement_sees_nothing_of_the_tenant),
		CASE(one_bare_statement_leaves_nothing_to_the_next),
		CASE(bare_statements_read_the_cache),
		CASE(nothing_else_is_read_and_the_cache_is_not_written),
		CASE(a_worker_of_our_own_uid_does_not_write_the_cache),
		CASE(a_bare_statement_is_canceled),
	};

	return cmocka_run_group_tests_name("engine files", tests, NULL, NULL);
}
