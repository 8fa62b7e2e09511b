/* export_stats.c - what is in a Parquet file that was just written: row groups, columns, bounds.
 *
 * The leaves and their order come from the file's schema, sums and bounds from
 * the COPY that wrote it: it compares as the types do. A bound that may have
 * been cut is none.
 */
#include "engine/worker/worker.h"
#include "sql/sql.h"

enum { BOUND_MOST = 255 }; /* bytes; a longer text is cut */

/* --- reading vectors --- */
struct texts { /* a vector of VARCHAR */
	duckdb_string_t *v;
	uint64_t *valid;
};

static struct texts texts_of(duckdb_vector v)
{
	return (struct texts){duckdb_vector_get_data(v), duckdb_vector_get_validity(v)};
}

static struct str text_at(const struct texts *t, idx_t i)
{
	if (t->valid && !duckdb_validity_row_is_valid(t->valid, i))
		return (struct str){NULL, 0};
	return str_from(duckdb_string_t_data(&t->v[i]), duckdb_string_t_length(t->v[i])); /* a short one is in place */
}

/* --- the statistics: map of quoted path to map of name to value --- */
struct stat {
	struct str key;        /* "l"."element" */
	int64_t bytes, values, nulls;
	bool has_nan, has_min, has_max;
	struct str min, max;
};
struct stats {
	struct stat *v;
	idx_t n;
};

static bool set_number(struct str text, int64_t *ret)
{
	return str_to_i64(text, ret) && *ret >= 0;
}

static bool set_stat(struct arena *a, struct stat *s, struct str name, struct str value)
{
	if (str_eq(name, S("column_size_bytes")))
		return set_number(value, &s->bytes);
	if (str_eq(name, S("num_values")))
		return set_number(value, &s->values);
	if (str_eq(name, S("null_count")))
		return set_number(value, &s->nulls);
	if (str_eq(name, S("has_nan")))
		s->has_nan = str_eq(value, S("true"));
	if (str_eq(name, S("min"))) {
		s->min = arena_dup(a, value);
		s->has_min = true;
	}
	if (str_eq(name, S("max"))) {
		s->max = arena_dup(a, value);
		s->has_max = true;
	}
	return true;
}

static bool take_stats(struct arena *a, duckdb_vector map, struct stats *ret)
{
	duckdb_list_entry all = *(duckdb_list_entry *)duckdb_vector_get_data(map);
	duckdb_vector entry = duckdb_list_vector_get_child(map), inner = duckdb_struct_vector_get_child(entry, 1);
	duckdb_vector pair = duckdb_list_vector_get_child(inner);
	const duckdb_list_entry *pairs = duckdb_vector_get_data(inner);
	struct texts keys = texts_of(duckdb_struct_vector_get_child(entry, 0));
	struct texts names = texts_of(duckdb_struct_vector_get_child(pair, 0));
	struct texts values = texts_of(duckdb_struct_vector_get_child(pair, 1));
	bool ok = true;

	ret->v = ARENA_ARRAY(a, struct stat, all.length);
	ret->n = all.length;
	for (idx_t i = 0; i < all.length; i++) {
		const duckdb_list_entry *p = &pairs[all.offset + i];

		ret->v[i].key = arena_dup(a, text_at(&keys, all.offset + i));
		for (idx_t k = p->offset; k < p->offset + p->length; k++)
			ok = ok && set_stat(a, &ret->v[i], text_at(&names, k), text_at(&values, k));
	}
	return ok;
}

enum { COL_ROWS = 1, COL_BYTES = 2, COL_STATS = 4 };

static bool read_stats(struct task *t, duckdb_result *r, struct engine_file *f, struct stats *ret)
{
	duckdb_data_chunk chunk = duckdb_fetch_chunk(*r);
	bool ok = chunk && duckdb_data_chunk_get_size(chunk) == 1 && duckdb_data_chunk_get_column_count(chunk) > COL_STATS;

	if (ok) {
		f->rows = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, COL_ROWS));
		f->bytes = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, COL_BYTES));
		ok = take_stats(t->call.arena, duckdb_data_chunk_get_vector(chunk, COL_STATS), ret);
	}
	if (chunk)
		duckdb_destroy_data_chunk(&chunk);
	return ok || task_fails(t, "Internal", "The statistics of a Parquet file cannot be read");
}

/* --- rows of a query about the file --- */
typedef bool row_fn(void *arg, duckdb_data_chunk chunk, idx_t row);

static bool each_row(struct task *t, duckdb_connection con, const char *sql, row_fn *fn, void *arg)
{
	duckdb_data_chunk chunk;
	duckdb_result r;
	bool ok = duckdb_query(con, sql, &r) == DuckDBSuccess;

	if (!ok)
		task_failed_by_duckdb(t, duckdb_result_error(&r));
	while (ok && (chunk = duckdb_fetch_chunk(r)) != NULL) {
		for (idx_t i = 0; ok && i < duckdb_data_chunk_get_size(chunk); i++)
			ok = fn(arg, chunk, i) || task_fails(t, "Internal", "What is in a Parquet file cannot be read");
		duckdb_destroy_data_chunk(&chunk);
	}
	duckdb_destroy_result(&r);
	t->end.position = -1; /* there is no text of the client's */
	return ok;
}

static const char *query_of(struct task *t, const char *fmt, const struct engine_file *f)
{
	return arena_fmt(t->call.arena, fmt, SARG(f->name)).p;
}

/* --- leaves --- */
struct node { /* of the file's schema, in order, parents before their children */
	struct str name;
	int64_t children;
	bool repeated, blob;
};
struct nodes {
	struct arena *arena;
	struct node *v;
	size_t n, cap;
};

static bool take_node(void *arg, duckdb_data_chunk chunk, idx_t row)
{
	struct nodes *all = arg;
	struct texts name = texts_of(duckdb_data_chunk_get_vector(chunk, 0));
	const int64_t *children = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
	const bool *repeated = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2));
	const bool *blob = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 3));

	if (all->n == all->cap) {
		struct node *v = ARENA_ARRAY(all->arena, struct node, all->cap * 2 + 64);

		if (all->n)
			memcpy(v, all->v, sizeof(*v) * all->n);
		all->v = v;
		all->cap = all->cap * 2 + 64;
	}
	all->v[all->n++] = (struct node){arena_dup(all->arena, text_at(&name, row)), children[row], repeated[row], blob[row]};
	return true;
}

static bool read_nodes(struct task *t, duckdb_connection con, const struct engine_file *f, struct nodes *ret)
{
	static const char sql[] = "SELECT name, coalesce(num_children, 0)::BIGINT, coalesce(repetition_type = 'REPEATED', false), "
				  "coalesce(duckdb_type = 'BLOB', false) FROM parquet_schema('" ENGINE_EXPORTS "/%.*s')";

	*ret = (struct nodes){.arena = t->call.arena};
	return each_row(t, con, query_of(t, sql, f), take_node, ret) &&
	       (ret->n > 1 || task_fails(t, "Internal", "A Parquet file has no columns"));
}

struct leaves {
	struct arena *arena;
	const struct nodes *nodes;
	struct stats stats;
	struct engine_file_column *v;
	int n;
};

/* AA41 → \xAA\x41 */
static struct str escaped(struct arena *a, struct str hex)
{
	OWNS(buf) b = {0};

	for (size_t i = 0; i + 1 < hex.n; i += 2)
		buf_fmt(&b, "\\x%.2s", hex.p + i);
	return arena_dup(a, buf_str(&b));
}

static void put_leaf(struct leaves *l, const struct node *node, struct str path, struct str key)
{
	struct engine_file_column *col = &l->v[l->n++];
	size_t most = node->blob ? 2 * BOUND_MOST : BOUND_MOST;

	*col = (struct engine_file_column){.path = path};
	for (idx_t i = 0; i < l->stats.n; i++) {
		const struct stat *s = &l->stats.v[i];

		if (!str_eq(s->key, key))
			continue;
		col->bytes = s->bytes;
		col->values = s->values;
		col->nulls = s->nulls;
		col->has_nan = s->has_nan;
		col->has_bounds = s->has_min && s->has_max && !s->has_nan && s->min.n <= most && s->max.n <= most;
		if (!col->has_bounds)
			return;
		col->min = node->blob ? escaped(l->arena, s->min) : s->min;
		col->max = node->blob ? escaped(l->arena, s->max) : s->max;
		return;
	}
}

static struct str dotted(struct arena *a, struct str before, struct str name)
{
	return before.n ? arena_fmt(a, "%.*s.%.*s", SARG(before), SARG(name)) : name;
}

/* Repeated groups ("list", "key_value") are in Parquet's paths, not in DuckDB's. */
static struct str quoted(struct arena *a, struct str before, const struct node *node)
{
	OWNS(buf) b = {0};

	if (node->repeated)
		return before;
	buf_add(&b, before);
	if (before.n)
		buf_addc(&b, '.');
	sql_quote_name(&b, node->name);
	return arena_dup(a, buf_str(&b));
}

/* The node at `at` with all below it; returns what comes behind. */
static size_t put_below(struct leaves *l, size_t at, struct str path, struct str key)
{
	const struct node *node = &l->nodes->v[at++];

	path = dotted(l->arena, path, node->name);
	key = quoted(l->arena, key, node);
	if (node->children == 0)
		put_leaf(l, node, path, key);
	for (int64_t i = 0; i < node->children && at < l->nodes->n; i++)
		at = put_below(l, at, path, key);
	return at;
}

/* --- row groups --- */
struct splits {
	struct arena *arena;
	int64_t *v;
	int n;
};

static bool take_split(void *arg, duckdb_data_chunk chunk, idx_t row)
{
	struct splits *s = arg;
	const int64_t *total = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));

	if (!s->v)
		s->v = ARENA_ARRAY(s->arena, int64_t, (size_t)total[row]);
	s->v[s->n++] = ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)))[row];
	return true;
}

static bool read_splits(struct task *t, duckdb_connection con, struct engine_file *f)
{
	static const char sql[] =
		"SELECT min(CASE WHEN dictionary_page_offset > 0 THEN dictionary_page_offset ELSE data_page_offset END)::BIGINT, "
		"count(*) OVER () FROM parquet_metadata('" ENGINE_EXPORTS "/%.*s') GROUP BY row_group_id ORDER BY 1";
	struct splits s = {.arena = t->call.arena};

	if (f->rows == 0)
		return true; /* an empty row group has no place */
	if (!each_row(t, con, query_of(t, sql, f), take_split, &s))
		return false;
	f->splits = s.v;
	f->nsplits = s.n;
	return true;
}

bool export_describe(struct task *t, duckdb_connection con, duckdb_result *r, struct engine_file *f)
{
	struct leaves l = {.arena = t->call.arena};
	struct nodes nodes;

	if (!read_stats(t, r, f, &l.stats) || !read_nodes(t, con, f, &nodes) || !read_splits(t, con, f))
		return false;
	l.nodes = &nodes;
	l.v = ARENA_ARRAY(t->call.arena, struct engine_file_column, nodes.n);
	for (size_t at = 1; at < nodes.n;)
		at = put_below(&l, at, (struct str){NULL, 0}, (struct str){NULL, 0});
	f->columns = l.v;
	f->ncolumns = l.n;
	return true;
}
