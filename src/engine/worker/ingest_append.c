/* ingest_append.c - chunks into the transaction, and who was at fault when it refuses them.
 *
 * The appender runs INSERT INTO table (…) SELECT … FROM incoming, where incoming has
 * `n`, the rows' numbers, c0, c1, … the cells and p0, p1, … (is there a cell, or is it
 * the default?).
 */
#include "engine/worker/ingest.h"
#include "sql/sql.h"

#include <stdio.h>

/* --- the INSERT --- */
static void put_insert(struct ingest *g, struct buf *b)
{
	const char *between = "";

	buf_lit(b, "INSERT INTO ");
	buf_add(b, g->table);
	buf_lit(b, " (");
	for (int i = 0; i < g->nfields; i++) {
		if (!g->fields[i].given)
			continue;
		buf_add(b, str_of(between));
		sql_quote_name(b, g->fields[i].name);
		between = ", ";
	}
	buf_lit(b, ") SELECT ");
	between = "";
	for (int i = 0; i < g->nfields; i++) {
		const struct field *f = &g->fields[i];
		char from[24];

		if (!f->given)
			continue;
		buf_add(b, str_of(between));
		between = ", ";
		snprintf(from, sizeof(from), "c%d", i);
		if (f->fallback.n)
			buf_fmt(b, "CASE WHEN p%d THEN ", i);
		if (f->staged)
			ingest_put_cast(g, b, f, from);
		else
			buf_add(b, str_of(from));
		if (f->fallback.n)
			buf_fmt(b, " ELSE (%.*s) END", SARG(f->fallback));
	}
	buf_lit(b, " FROM incoming");
}

/* --- chunks --- */
struct shape { /* of a chunk */
	int n;
	duckdb_logical_type *types;
	const char **names;
};

static void add_column(struct ingest *g, struct shape *s, duckdb_type type, const char *name)
{
	s->types[s->n] = duckdb_create_logical_type(type);
	s->names[s->n++] = arena_cstr(g->t->call.arena, str_of(name));
}

static void shape_of(struct ingest *g, struct shape *s)
{
	size_t most = (size_t)g->nfields * 2 + 1;
	char name[24];

	*s = (struct shape){0, ARENA_ARRAY(g->t->call.arena, duckdb_logical_type, most),
			    ARENA_ARRAY(g->t->call.arena, const char *, most)};
	add_column(g, s, DUCKDB_TYPE_BIGINT, "n");
	for (int i = 0; i < g->nfields; i++) {
		const struct field *f = &g->fields[i];

		if (!f->given)
			continue;
		snprintf(name, sizeof(name), "c%d", i);
		add_column(g, s, f->staged ? DUCKDB_TYPE_VARCHAR : f->id, name);
		if (!f->staged && f->id == DUCKDB_TYPE_DECIMAL) {
			duckdb_destroy_logical_type(&s->types[s->n - 1]);
			s->types[s->n - 1] = duckdb_create_decimal_type((uint8_t)f->width, (uint8_t)f->scale);
		}
	}
	for (int i = 0; i < g->nfields; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		if (g->fields[i].given && g->fields[i].fallback.n)
			add_column(g, s, DUCKDB_TYPE_BOOLEAN, name);
	}
}

static void shape_drop(struct shape *s)
{
	for (int i = 0; i < s->n; i++)
		duckdb_destroy_logical_type(&s->types[i]);
}

/* Points the fields into the chunk at hand. */
static void load_chunk(struct ingest *g)
{
	duckdb_data_chunk chunk = g->chunks[g->at];
	idx_t next = 0;

	g->numbers = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, next++));
	for (int i = 0; i < g->nfields; i++) {
		struct field *f = &g->fields[i];

		f->size = 0;
		if (!f->given)
			continue;
		f->vector = duckdb_data_chunk_get_vector(chunk, next++);
		f->values = duckdb_vector_get_data(f->vector);
		duckdb_vector_ensure_validity_writable(f->vector);
		f->valid = duckdb_vector_get_validity(f->vector);
	}
	for (int i = 0; i < g->nfields; i++)
		if (g->fields[i].given && g->fields[i].fallback.n)
			g->fields[i].present = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, next++));
	g->filled = 0;
}

static void make_chunk(struct ingest *g)
{
	struct shape s;

	if (g->at < g->nchunks) {
		duckdb_data_chunk_reset(g->chunks[g->at]);
	} else {
		shape_of(g, &s);
		g->chunks[g->nchunks++] = duckdb_create_data_chunk(s.types, (idx_t)s.n);
		shape_drop(&s);
	}
	load_chunk(g);
}

static void drop_chunks(struct ingest *g)
{
	while (g->nchunks > 0)
		duckdb_destroy_data_chunk(&g->chunks[--g->nchunks]);
	g->at = 0;
	g->filled = 0;
}

static int64_t width_of(duckdb_type id, const struct field *f)
{
	switch (id) {
	case DUCKDB_TYPE_BOOLEAN:
	case DUCKDB_TYPE_TINYINT:
	case DUCKDB_TYPE_UTINYINT:
		return 1;
	case DUCKDB_TYPE_SMALLINT:
	case DUCKDB_TYPE_USMALLINT:
		return 2;
	case DUCKDB_TYPE_INTEGER:
	case DUCKDB_TYPE_UINTEGER:
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DATE:
		return 4;
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_UHUGEINT:
	case DUCKDB_TYPE_UUID:
	case DUCKDB_TYPE_INTERVAL:
		return 16;
	case DUCKDB_TYPE_DECIMAL:
		return width_of(f->store, f);
	case DUCKDB_TYPE_VARCHAR:
	case DUCKDB_TYPE_BLOB:
	case DUCKDB_TYPE_BIT:
	case DUCKDB_TYPE_LIST:
	case DUCKDB_TYPE_ARRAY:
	case DUCKDB_TYPE_STRUCT:
	case DUCKDB_TYPE_MAP:
	case DUCKDB_TYPE_UNION:
		return 0; /* as long as their text */
	default:
		return 8;
	}
}

/* As many chunks as their memory allows: a wide table has few. */
static void measure(struct ingest *g)
{
	int64_t per_chunk = (int64_t)duckdb_vector_size() * 16 * (g->nfields + 1);

	g->width = 0;
	for (int i = 0; i < g->nfields; i++)
		g->width += width_of(g->fields[i].id, &g->fields[i]);
	g->pending_max = (int)(4 * INGEST_PENDING_BYTES / per_chunk);
	g->pending_max = g->pending_max < 1 ? 1 : g->pending_max > INGEST_PENDING ? INGEST_PENDING : g->pending_max;
}

bool ingest_open(struct ingest *g)
{
	OWNS(buf) insert = {0};
	struct shape s;
	bool ok;

	measure(g);
	put_insert(g, &insert);
	shape_of(g, &s);
	ok = duckdb_appender_create_query(g->con, buf_cstr(&insert), (idx_t)s.n, s.types, "incoming", s.names,
					  &g->appender) == DuckDBSuccess;
	shape_drop(&s);
	if (!ok)
		return ingest_failed(g, duckdb_appender_error(g->appender));
	drop_chunks(g);
	make_chunk(g);
	return true;
}

/* --- who was at fault --- */
static void put_probe(struct ingest *g, struct buf *b, int i)
{
	char from[24];

	snprintf(from, sizeof(from), "c%d", i);
	buf_fmt(b, "%sSELECT %d, min(n) FROM incoming WHERE c%d IS NOT NULL AND TRY(", b->n ? " UNION ALL " : "", i, i);
	ingest_put_cast(g, b, &g->fields[i], from);
	buf_lit(b, ") IS NULL");
}

/* Runs `select` over the chunks that were refused; the smallest of its second column, with the first beside it. */
static bool ask_chunks(struct ingest *g, const char *select, int64_t ret[2])
{
	const char *sql = arena_fmt(g->t->call.arena, "INSERT INTO temp.main.at_fault %s", select).p;
	struct shape s;
	duckdb_appender probe;
	bool ok;

	if (!ingest_query(g, "CREATE OR REPLACE TEMP TABLE at_fault (i BIGINT, n BIGINT)"))
		return false;
	shape_of(g, &s);
	ok = duckdb_appender_create_query(g->con, sql, (idx_t)s.n, s.types, "incoming", s.names, &probe) == DuckDBSuccess;
	for (int i = 0; ok && i < g->nchunks && i <= g->at; i++)
		ok = duckdb_append_data_chunk(probe, g->chunks[i]) == DuckDBSuccess;
	ok = ok && duckdb_appender_close(probe) == DuckDBSuccess;
	duckdb_appender_destroy(&probe);
	shape_drop(&s);
	ok = ok && ingest_numbers(g, "SELECT i, n FROM temp.main.at_fault WHERE n IS NOT NULL ORDER BY n LIMIT 1", ret);
	return ingest_query(g, "DROP TABLE temp.main.at_fault") && ok;
}

static void find_cast(struct ingest *g)
{
	OWNS(buf) select = {0};
	int64_t found[2];

	for (int i = 0; i < g->nfields; i++)
		if (g->fields[i].given && g->fields[i].staged)
			put_probe(g, &select, i);
	if (select.n == 0 || !ask_chunks(g, buf_cstr(&select), found))
		return;
	g->t->end.column = g->fields[found[0]].name;
	g->t->end.row = found[1];
}

/* The key stands in DuckDB's words: `duplicate key "a: 1, b: x"`, or without the names. */
static struct str key_in(struct str text)
{
	size_t from = str_search(text, S("uplicate key \""));
	struct str key;

	if (from == text.n)
		return (struct str){NULL, 0};
	key = str_tail(text, from + strlen("uplicate key \""));
	for (size_t i = key.n; i-- > 0;)
		if (key.p[i] == '"')
			return str_head(key, i);
	return (struct str){NULL, 0};
}

/* The column that DuckDB names before the key's text, which is cut off; NULL: none. */
static const struct field *named_column(struct ingest *g, struct str *key)
{
	for (int i = 0; i < g->nfields; i++) {
		const struct field *f = &g->fields[i];
		struct str named = arena_fmt(g->t->call.arena, "%.*s: ", SARG(f->name));

		if (!f->key || !f->given || !str_starts(*key, named))
			continue;
		*key = str_tail(*key, named.n);
		return f;
	}
	return NULL;
}

/* The last of the rows with the key: the others were there before it. Where the column is not named,
 * both are among these rows, unless they are far apart. */
static void put_search(struct ingest *g, struct buf *b, const struct field *f, struct str key, int least)
{
	int i = (int)(f - g->fields);

	buf_fmt(b, "%sSELECT %d, max(n) FROM incoming WHERE CAST(c%d AS VARCHAR) = ", b->n ? " UNION ALL " : "", i, i);
	sql_quote_literal(b, key);
	buf_fmt(b, " HAVING count(*) >= %d", least);
}

static void find_key(struct ingest *g)
{
	struct str key = key_in(g->t->end.text);
	const struct field *f = key.p ? named_column(g, &key) : NULL, *only = NULL;
	OWNS(buf) select = {0};
	int64_t found[2];
	int keys = 0;

	for (int i = 0; i < g->nfields && !f && key.p; i++) {
		if (!g->fields[i].key || !g->fields[i].given)
			continue;
		only = &g->fields[i];
		put_search(g, &select, only, key, 2);
		keys++;
	}
	if (keys == 1)
		f = only;
	if (f) {
		buf_clear(&select);
		put_search(g, &select, f, key, 1);
	}
	if (select.n == 0 || !ask_chunks(g, buf_cstr(&select), found))
		return;
	g->t->end.row = found[1];
	g->t->end.column = g->fields[found[0]].name;
}

static bool refused(struct ingest *g)
{
	struct engine_end end;

	ingest_failed(g, duckdb_appender_error(g->appender));
	duckdb_appender_destroy(&g->appender);
	if (g->t->end.outcome != ENGINE_FAILED || g->t->broken)
		return false;
	catalog_rollback(&g->change);
	end = g->t->end;
	if (str_eq(end.class, S("Mismatch")) && end.column.n == 0)
		find_cast(g);
	else if (str_eq(end.class, S("Constraint")))
		find_key(g);
	end.row = g->t->end.row;
	end.column = g->t->end.column;
	g->t->end = end;
	return false;
}

/* --- appending --- */
static bool flush(struct ingest *g)
{
	if (duckdb_appender_flush(g->appender) != DuckDBSuccess)
		return refused(g);
	g->pending_bytes = 0;
	return true;
}

static bool append(struct ingest *g)
{
	if (g->filled == 0)
		return true;
	duckdb_data_chunk_set_size(g->chunks[g->at], (idx_t)g->filled);
	if (duckdb_append_data_chunk(g->appender, g->chunks[g->at]) != DuckDBSuccess)
		return refused(g);
	return true;
}

bool ingest_next_chunk(struct ingest *g)
{
	if (!append(g) || !catalog_fits(g->x, g->t, &g->sum))
		return false;
	if (executor_canceled(g->x))
		return task_fails(g->t, "INTERRUPT", "Interrupted!");
	if (g->at + 1 < g->pending_max && g->pending_bytes < INGEST_PENDING_BYTES) {
		g->at++;
	} else {
		if (!flush(g))
			return false;
		g->at = 0;
	}
	make_chunk(g);
	return true;
}

bool ingest_close(struct ingest *g)
{
	bool ok = append(g) && (duckdb_appender_close(g->appender) == DuckDBSuccess || refused(g));

	if (ok)
		duckdb_appender_destroy(&g->appender);
	return ok;
}

bool ingest_stage(struct ingest *g, struct field *f)
{
	if (!ingest_close(g))
		return false;
	g->pending_bytes = 0;
	f->staged = true;
	return ingest_open(g);
}

void ingest_drop(struct ingest *g)
{
	duckdb_appender_destroy(&g->appender);
	drop_chunks(g);
	for (int i = 0; i < g->nfields; i++)
		duckdb_destroy_logical_type(&g->fields[i].logical);
}
