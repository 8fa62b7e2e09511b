/* ingest_parquet.c - rows that come as a Parquet file.
 *
 * The file cannot be read before its end is here: it waits in incoming/, which
 * only the worker's own statements may read. Columns go by their names.
 */
#include "engine/worker/ingest.h"
#include "sql/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 256 * 1024 };

/* --- the file --- */
static bool not_kept(struct ingest *g)
{
	return task_fails(g->t, "IO", "The rows cannot be kept until they are all here: %s", strerror(errno));
}

static bool copy(struct ingest *g, int fd)
{
	OWNS(buf) piece = {0};
	char *to = buf_room(&piece, PIECE);
	ssize_t n;

	while ((n = ingest_read(g, to, PIECE)) > 0) {
		g->sum.bytes += n; /* values take no less than their file */
		if (!catalog_fits(g->x, g->t, &g->sum))
			return false;
		if (!file_write(fd, str_from(to, (size_t)n)))
			return not_kept(g);
	}
	return n == 0;
}

static bool spool(struct ingest *g, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return not_kept(g);
	ok = copy(g, fd);
	if (close(fd) != 0 && ok)
		ok = not_kept(g);
	return ok;
}

/* --- its columns --- */
static int field_of(const struct ingest *g, struct str name)
{
	for (int i = 0; i < g->nfields; i++)
		if (str_ieq(g->names[i], name))
			return i;
	return -1;
}

/* Parquet has no unions and no maps by anything but text, and DuckDB's way from JSON to nested bytes none: native
 * results write such columns as JSON. */
static bool is_json_text(duckdb_prepared_statement st, idx_t i, const struct field *f)
{
	duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(st, i);
	bool text = duckdb_get_type_id(type) == DUCKDB_TYPE_VARCHAR;

	duckdb_destroy_logical_type(&type);
	return text && ingest_is_nested(f->id);
}

static bool check_columns(struct ingest *g, duckdb_prepared_statement st)
{
	idx_t n = duckdb_prepared_statement_column_count(st);
	bool ok = true;

	for (int i = 0; i < g->nfields; i++)
		g->fields[i].given = false;
	for (idx_t i = 0; i < n && ok; i++) {
		const char *name = duckdb_prepared_statement_column_name(st, i);
		int field = field_of(g, str_of(name));

		if (field < 0)
			ok = ingest_mismatch(g, 0, str_of(name), "the table has no such column");
		else if (g->fields[field].given)
			ok = ingest_mismatch(g, 0, str_of(name), "the column is given twice");
		else
			g->fields[field].given = true;
		if (ok)
			g->fields[field].json_text = is_json_text(st, i, &g->fields[field]);
		duckdb_free((void *)(uintptr_t)name);
	}
	return ok;
}

/* Whatever DuckDB says of the file is what is wrong with it. */
static bool not_a_file(struct ingest *g, const char *message)
{
	ingest_failed(g, message);
	if (g->t->end.outcome == ENGINE_FAILED && !g->t->broken)
		g->t->end.class = S("Mismatch");
	return false;
}

static bool read_columns(struct ingest *g, const char *path)
{
	const char *sql = arena_fmt(g->t->call.arena, "SELECT * FROM read_parquet('%s')", path).p;
	duckdb_prepared_statement st;
	bool ok = duckdb_prepare(g->con, sql, &st) == DuckDBSuccess ? check_columns(g, st) : not_a_file(g, duckdb_prepare_error(st));

	duckdb_destroy_prepare(&st);
	return ok;
}

/* Before anything is read: how many rows, how many bytes. */
static bool measure(struct ingest *g, const char *path)
{
	const char *sql = arena_fmt(g->t->call.arena,
		"SELECT coalesce((SELECT system.main.sum(num_rows) FROM parquet_file_metadata('%s')), 0)::BIGINT, "
		"coalesce((SELECT system.main.sum(total_uncompressed_size) FROM parquet_metadata('%s')), 0)::BIGINT", path, path).p;
	int64_t numbers[2];

	if (!ingest_numbers(g, sql, numbers) || numbers[0] < 0 || numbers[1] < 0)
		return ingest_mismatch(g, 0, (struct str){NULL, 0}, "the Parquet file's metadata cannot be read");
	g->sum.rows = numbers[0];
	g->sum.bytes = numbers[1];
	return catalog_fits(g->x, g->t, &g->sum);
}

/* --- rows --- */
static void put_from_json(struct ingest *g, struct buf *b, const struct field *f)
{
	OWNS(buf) name = {0};

	sql_quote_name(&name, f->name);
	ingest_put_cast(g, b, f, buf_cstr(&name));
}

/* The first row with a NULL where there is to be none, or with a value that its column cannot take. */
static void look_for(struct ingest *g, const char *path, bool nulls)
{
	for (int i = 0; i < g->nfields; i++) {
		const struct field *f = &g->fields[i];
		OWNS(buf) sql = {0};
		int64_t found[2];

		if (!f->given || (nulls && f->nullable))
			continue;
		buf_lit(&sql, "SELECT 0::BIGINT, system.main.min(file_row_number) FROM read_parquet('");
		buf_add(&sql, str_of(path));
		buf_lit(&sql, "', file_row_number = true) WHERE ");
		sql_quote_name(&sql, f->name);
		if (nulls) {
			buf_lit(&sql, " IS NULL");
		} else if (f->json_text) {
			buf_lit(&sql, " IS NOT NULL AND TRY(");
			put_from_json(g, &sql, f);
			buf_lit(&sql, ") IS NULL");
		} else {
			buf_lit(&sql, " IS NOT NULL AND TRY_CAST(");
			sql_quote_name(&sql, f->name);
			buf_fmt(&sql, " AS %.*s) IS NULL", SARG(f->type));
		}
		if (!ingest_numbers(g, buf_cstr(&sql), found) || (g->t->end.row && found[1] + 1 >= g->t->end.row))
			continue;
		g->t->end.row = found[1] + 1;
		g->t->end.column = f->name;
	}
}

/* REPLACE (… AS "a", … AS "b") */
static void put_replaced(struct ingest *g, struct buf *b)
{
	bool any = false;

	for (int i = 0; i < g->nfields; i++) {
		if (!g->fields[i].json_text)
			continue;
		buf_add(b, any ? S(", ") : S(" REPLACE ("));
		put_from_json(g, b, &g->fields[i]);
		buf_lit(b, " AS ");
		sql_quote_name(b, g->fields[i].name);
		any = true;
	}
	if (any)
		buf_addc(b, ')');
}

static bool insert(struct ingest *g, const char *path)
{
	OWNS(buf) sql = {0};

	buf_lit(&sql, "INSERT INTO ");
	buf_add(&sql, g->table);
	buf_lit(&sql, " BY NAME SELECT *");
	put_replaced(g, &sql);
	buf_fmt(&sql, " FROM read_parquet('%s')", path);
	if (ingest_query(g, buf_cstr(&sql)))
		return true;
	if (g->t->end.outcome != ENGINE_FAILED || g->t->broken || !str_eq(g->t->end.class, S("Mismatch")))
		return false;
	catalog_rollback(&g->change);
	look_for(g, path, g->t->end.column.n > 0); /* only a NULL has its column named */
	return false;
}

bool ingest_parquet(struct ingest *g)
{
	const char *path = arena_fmt(g->t->call.arena, "incoming/%llu.parquet", (unsigned long long)g->t->id).p;
	bool ok = spool(g, path) && read_columns(g, path) && measure(g, path) && insert(g, path);

	unlink(path);
	return ok;
}
