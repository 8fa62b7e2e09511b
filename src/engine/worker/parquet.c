/* parquet.c - stored native rows as a Parquet file.
 *
 * Rows go into a temporary table with the columns' own types, the table into a
 * file of the temporary folder, the file onto the wire in pieces. Where Parquet
 * or the way back from JSON has no such type: HUGEINT becomes DECIMAL(38,0),
 * BIT text; unions, maps with other keys than text and nested bytes become JSON.
 */
#include "engine/worker/worker.h"
#include "sql/sql.h"

#include <fcntl.h>
#include <unistd.h>

enum { PIECE = 4 << 20 };

/* --- columns --- */
static bool has(const struct engine_column *col, struct str what)
{
	return str_search(col->type, what) < col->type.n;
}

static bool stays_json(const struct engine_column *col)
{
	if (col->kind == ENGINE_T_JSON || col->kind == ENGINE_T_OBJECT || col->kind == ENGINE_T_ARRAY)
		return true;
	if (col->kind != ENGINE_T_LIST && col->kind != ENGINE_T_STRUCT)
		return false;
	return has(col, S("UNION(")) || has(col, S("BLOB")) || (has(col, S("MAP(")) && !has(col, S("MAP(VARCHAR")));
}

static struct str stored_type(const struct engine_column *col)
{
	if (stays_json(col))
		return S("JSON");
	if (col->kind == ENGINE_T_HUGE)
		return S("DECIMAL(38,0)");
	if (col->kind == ENGINE_T_TIMESTAMP_TZ)
		return S("TIMESTAMPTZ");
	if (str_eq(col->type, S("BIT")) || str_eq(col->type, S("\"NULL\"")))
		return S("VARCHAR");
	return col->type;
}

/* DuckDB's names differ in more than case, and none is empty. */
static struct str unique_name(struct arena *a, const struct engine_column *v, int i)
{
	struct str name = v[i].name.n ? v[i].name : arena_fmt(a, "column%d", i);

	for (int j = 0; j < i; j++)
		if (str_ieq(v[j].name, v[i].name))
			return arena_fmt(a, "%.*s_%d", SARG(name), i);
	return name;
}

static void put_create(struct task *t, struct buf *b, const struct engine_column *v, int n)
{
	buf_lit(b, "CREATE TEMP TABLE rows (");
	for (int i = 0; i < n; i++) {
		buf_add(b, i ? S(", ") : S(""));
		sql_quote_name(b, unique_name(t->call.arena, v, i));
		buf_addc(b, ' ');
		buf_add(b, stored_type(&v[i]));
	}
	buf_lit(b, ")");
}

/* Cell i of the JSON row r as its column's type. */
static void put_cell(struct buf *b, const struct engine_column *col, int i)
{
	bool nested = col->kind == ENGINE_T_LIST || col->kind == ENGINE_T_STRUCT;

	if (stays_json(col))
		buf_fmt(b, "CASE WHEN r->>'$[%d]' IS NOT NULL THEN r->'$[%d]' END", i, i);
	else if (nested)
		buf_fmt(b, "CAST(r->'$[%d]' AS %.*s)", i, SARG(stored_type(col)));
	else if (col->kind == ENGINE_T_BLOB)
		buf_fmt(b, "from_base64(r->>'$[%d]')", i);
	else
		buf_fmt(b, "CAST(r->>'$[%d]' AS %.*s)", i, SARG(stored_type(col)));
}

static void put_insert(struct buf *b, const struct engine_column *v, int n)
{
	buf_lit(b, "INSERT INTO rows SELECT ");
	for (int i = 0; i < n; i++) {
		buf_add(b, i ? S(", ") : S(""));
		put_cell(b, &v[i], i);
	}
	buf_lit(b, " FROM (SELECT unnest(json_extract(?::JSON, '$.data[*]')) AS r)");
}

/* --- rows --- */
static bool query(struct task *t, duckdb_connection con, const char *sql)
{
	duckdb_result r;
	bool ok = duckdb_query(con, sql, &r) == DuckDBSuccess;

	if (!ok)
		task_failed_by_duckdb(t, duckdb_result_error(&r));
	duckdb_destroy_result(&r);
	return ok;
}

static bool insert_part(struct task *t, duckdb_prepared_statement st, struct str json)
{
	duckdb_result r;
	bool ok;

	if (duckdb_bind_varchar_length(st, 1, json.p, json.n) != DuckDBSuccess)
		return task_fails(t, "Invalid Input", "Stored rows are not text");
	ok = duckdb_execute_prepared(st, &r) == DuckDBSuccess;
	if (!ok)
		task_failed_by_duckdb(t, duckdb_result_error(&r));
	duckdb_destroy_result(&r);
	return ok;
}

static bool insert_all(struct task *t, duckdb_connection con, const char *sql, struct wire_in *in)
{
	uint32_t n = wire_get_u32(in);
	duckdb_prepared_statement st;
	bool ok = duckdb_prepare(con, sql, &st) == DuckDBSuccess;

	if (!ok)
		task_failed_by_duckdb(t, duckdb_prepare_error(st));
	for (uint32_t i = 0; ok && i < n; i++) {
		struct str json = wire_get_text(in);

		ok = in->bad ? task_fails(t, "Invalid Input", "Stored rows are cut short") : insert_part(t, st, json);
	}
	duckdb_destroy_prepare(&st);
	return ok;
}

/* --- the file --- */
static bool send_pieces(struct executor *x, struct task *t, int fd)
{
	OWNS(buf) piece = {0};
	char *to = buf_room(&piece, PIECE);
	ssize_t n;

	while ((n = read(fd, to, PIECE)) > 0) {
		const struct wire_part head = {.size = (uint64_t)n};

		if (!parts_bytes(&x->parts, t, &head, str_from(to, (size_t)n)))
			return false;
	}
	return n == 0 || task_fails(t, "IO", "The Parquet file cannot be read back");
}

static bool send_file(struct executor *x, struct task *t, duckdb_connection con)
{
	const char *path = arena_fmt(t->call.arena, "tmp/rows-%llu.parquet", (unsigned long long)t->id).p;
	const char *copy = arena_fmt(t->call.arena, "COPY rows TO '%s' (FORMAT parquet, COMPRESSION zstd)", path).p;
	bool ok = query(t, con, copy);
	int fd = ok ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	unlink(path);
	if (!ok)
		return false;
	if (fd < 0)
		return task_fails(t, "IO", "The Parquet file cannot be read back");
	ok = send_pieces(x, t, fd);
	close(fd);
	return ok;
}

static bool convert(struct executor *x, struct task *t, duckdb_connection con, struct wire_in *in)
{
	OWNS(buf) create = {0}, insert = {0};
	struct engine_column *v;
	int n;

	if (!engine_columns(&t->call, wire_get_text(in), &v, &n))
		return task_fails(t, "Invalid Input", "%s", t->call.err.text);
	if (n == 0)
		return task_fails(t, "Invalid Input", "A Parquet file has at least one column");
	put_create(t, &create, v, n);
	put_insert(&insert, v, n);
	return query(t, con, buf_cstr(&create)) && insert_all(t, con, buf_cstr(&insert), in) && send_file(x, t, con);
}

void run_parquet(struct executor *x, struct task *t, struct str body)
{
	struct wire_in in = wire_in(body);
	struct session s;

	t->end.position = -1;
	if (!worker_session_open(t, executor_database(x), false, &s))
		return;
	if (executor_runs(x, &s))
		convert(x, t, s.con, &in);
	else
		task_fails(t, "INTERRUPT", "Interrupted!");
	executor_runs(x, NULL);
	if (t->end.outcome == ENGINE_FAILED && executor_canceled(x))
		t->end.outcome = ENGINE_INTERRUPTED;
	t->end.position = -1; /* there is no text of the client's */
	worker_session_close(&s);
}
