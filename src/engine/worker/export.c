/* export.c - a SELECT's rows as Parquet files in the folder of exports.
 *
 * One COPY keeps the order. What became larger than a file may be is read back
 * and written again in ranges of whole row groups, which keep their places.
 * When it fails, is canceled or becomes too large, none of its files stays.
 */
#include "engine/worker/worker.h"

#include <stdio.h>
#include <unistd.h>

enum { FILES_MAX = 10000 };

struct export {
	struct executor *x;
	struct task *t;
	struct session *s;
	struct engine_export ask;
	int made;                  /* numbers of files that may be there: 0 … made - 1 */
};

/* --- names --- */
static const char *path_of(const struct export *e, int i)
{
	return arena_fmt(e->t->call.arena, ENGINE_EXPORTS "/%llu-%d.parquet", (unsigned long long)e->t->id, i).p;
}

static void drop(const struct export *e, int i)
{
	unlink(path_of(e, i));
}

/* --- one COPY --- */
/* `sql` stands at the prefix's end: positions in errors are its. */
static struct str copy_text(const struct export *e, struct str sql, const char *path)
{
	struct task *t = e->t;
	OWNS(buf) b = {0};

	buf_lit(&b, "COPY (\n");
	t->prefix = b.n;
	buf_add(&b, sql);
	buf_fmt(&b, "\n) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, PRESERVE_ORDER true, ", path, ENGINE_GROUP_ROWS);
	buf_lit(&b, "USE_TMP_FILE false, RETURN_STATS true");
	if (e->ask.field_ids.n) {
		buf_lit(&b, ", FIELD_IDS ");
		buf_add(&b, e->ask.field_ids);
	}
	buf_lit(&b, ")");
	return arena_dup(t->call.arena, buf_str(&b));
}

static bool too_large(struct task *t, int64_t max)
{
	task_fails(t, "", "The result is larger than %lld bytes", (long long)max);
	t->end.outcome = ENGINE_TOO_LARGE;
	return false;
}

static bool execute(const struct export *e, duckdb_prepared_statement st, struct engine_file *f)
{
	duckdb_result r;
	bool ok;

	if (!bind_all(e->t, st))
		return false;
	ok = duckdb_execute_prepared(st, &r) == DuckDBSuccess;
	ok = ok ? export_describe(e->t, e->s->con, &r, f) : task_failed_by_duckdb(e->t, duckdb_result_error(&r));
	duckdb_destroy_result(&r);
	return ok;
}

static bool prepare(const struct export *e, struct str text, duckdb_prepared_statement *ret)
{
	if (memchr(text.p, '\0', text.n))
		return task_fails(e->t, "Parser", "A statement cannot hold a zero byte");
	if (duckdb_prepare(e->s->con, text.p, ret) == DuckDBSuccess)
		return true;
	task_failed_by_duckdb(e->t, duckdb_prepare_error(*ret));
	duckdb_destroy_prepare(ret);
	return false;
}

/* Rows of `sql` into a new file, described in *ret. */
static bool copy(struct export *e, struct str sql, struct engine_file *ret)
{
	const char *path = path_of(e, e->made++);
	duckdb_prepared_statement st;
	bool ok;

	*ret = (struct engine_file){.name = str_of(path + sizeof(ENGINE_EXPORTS))};
	if (executor_canceled(e->x))
		return task_fails(e->t, "INTERRUPT", "Interrupted!");
	if (!prepare(e, copy_text(e, sql, path), &st))
		return false;
	executor_watch_file(e->x, path, e->ask.max_bytes);
	ok = execute(e, st, ret);
	executor_watch_file(e->x, NULL, 0);
	duckdb_destroy_prepare(&st);
	if (executor_overgrown(e->x) || (ok && e->ask.max_bytes && ret->bytes > e->ask.max_bytes))
		return too_large(e->t, e->ask.max_bytes);
	return ok;
}

/* --- several files --- */
static int64_t rows_a_file(const struct export *e, const struct engine_file *whole)
{
	int64_t files = (whole->bytes + e->ask.file_bytes - 1) / e->ask.file_bytes;
	int64_t groups = (whole->rows + ENGINE_GROUP_ROWS - 1) / ENGINE_GROUP_ROWS;

	files = files > FILES_MAX ? FILES_MAX : files;
	return (groups + files - 1) / files * ENGINE_GROUP_ROWS;
}

static bool split(struct export *e, const struct engine_file *whole, struct engine_file **ret, int *ret_n)
{
	int64_t rows = rows_a_file(e, whole), total = 0;
	int n = (int)((whole->rows + rows - 1) / rows);
	struct engine_file *v = ARENA_ARRAY(e->t->call.arena, struct engine_file, (size_t)n);

	for (int i = 0; i < n; i++) {
		struct str sql = arena_fmt(e->t->call.arena, "SELECT * FROM read_parquet('%s') WHERE file_row_number BETWEEN %lld AND %lld",
					   path_of(e, 0), (long long)(i * rows), (long long)((i + 1) * rows - 1));

		if (!copy(e, sql, &v[i]))
			return false;
		total += v[i].bytes;
		if (e->ask.max_bytes && total > e->ask.max_bytes)
			return too_large(e->t, e->ask.max_bytes);
	}
	drop(e, 0);
	*ret = v;
	*ret_n = n;
	return true;
}

/* --- all of it --- */
static bool tell(const struct export *e, const struct engine_file *v, int n)
{
	struct wire_part head = {0};
	OWNS(buf) packed = {0};

	engine_pack_files(v, n, &packed);
	for (int i = 0; i < n; i++)
		head.rows += v[i].rows;
	head.size = packed.n;
	e->t->end.rows = head.rows;
	return parts_bytes(&e->x->parts, e->t, &head, buf_str(&packed));
}

static bool export(struct export *e)
{
	struct engine_file whole, *files = &whole;
	int n = 1;

	if (!copy(e, e->ask.sql, &whole))
		return false;
	if (e->ask.file_bytes && whole.bytes > e->ask.file_bytes && whole.rows > ENGINE_GROUP_ROWS && !split(e, &whole, &files, &n))
		return false;
	return tell(e, files, n);
}

void run_export(struct executor *x, struct task *t, struct str body)
{
	struct export e = {.x = x, .t = t};

	t->end.position = -1;
	if (!wire_get_export(&t->call, body, &e.ask, &t->ask))
		_exit(WORKER_EXIT_BAD_PACKET);
	e.s = executor_session(x, t);
	if (!e.s)
		return;
	executor_is_heavy(x);
	if (executor_runs(x, e.s))
		export(&e);
	else
		task_fails(t, "INTERRUPT", "Interrupted!");
	executor_runs(x, NULL);
	if (t->end.outcome == ENGINE_FAILED && executor_canceled(x) && !t->broken)
		t->end.outcome = ENGINE_INTERRUPTED;
	for (int i = 0; t->end.outcome != ENGINE_OK && i < e.made; i++)
		drop(&e, i);
	if (t->end.outcome != ENGINE_OK)
		worker_session_close(e.s);
}
