/* sources.c - where the tables and views are that a SELECT names, and how the worker reads them.
 *
 * Names are taken without regard to case: a table, else the one saved SQL of that
 * name, else view_{sql_id}. Not here: whether a view is up to date (build.c).
 */
#include "view/view_int.h"

#include "sql/sql.h"

/* --- finding --- */

static bool unknown(struct call *c, const struct named_table *named)
{
	call_forgive(c);
	return fail_at(c, ERR_SQL_INVALID, named->position, "the space has no table or view %.*s",
		       SARG(str_head(named->name, 100)));
}

static bool as_table(struct call *c, struct views *v, struct str space, const struct named_table *named, struct source *ret)
{
	struct str name;

	if (!view_id_check(c, "", named->name) || !table_find(c, v, space, named->name, &name) ||
	    !ice_load(c, v->o.store, key_table(c, space, name), &ret->table)) {
		if (c->err.kind == ERR_INVALID_FIELD)
			c->err.kind = ERR_NOT_FOUND; /* a name that no table has */
		return false;
	}
	ret->snapshot = ret->table.current;
	return ret->snapshot || fail(c, ERR_NOT_FOUND, "no such table");
}

/* The ids of the saved SQL of that name; n 0: none. */
static bool view_ids(struct call *c, struct views *v, struct str space, struct str name, struct str **ret, int *ret_n)
{
	struct str id = arena_lower(c->arena, str_tail(name, sizeof("view_") - 1));
	struct str *one;

	if (!entry_by_name(c, v, space, name, ret, ret_n))
		return false;
	if (*ret_n || !str_istarts(name, S("view_")) || !id_valid(id))
		return true;
	one = ARENA_NEW(c->arena, struct str);
	*one = id;
	*ret = one;
	*ret_n = 1;
	return true;
}

/* What is wrong with a view as a source, or NULL. */
static const char *not_ready(const struct entry *e, const struct source *s)
{
	if (!s->snapshot)
		return "has not been built yet";
	for (int i = 0; i < e->saved.nvariables; i++)
		if (!e->saved.variables[i].has_default)
			return "has a variable without a default";
	return NULL;
}

static bool as_view(struct call *c, struct views *v, struct str space, const struct named_table *named, struct source *ret)
{
	struct entry *e = ARENA_NEW(c->arena, struct entry);
	const char *why;
	struct str *ids;
	int n;

	if (!view_ids(c, v, space, named->name, &ids, &n))
		return false;
	if (n == 0)
		return unknown(c, named);
	if (n > 1)
		return fail_at(c, ERR_SQL_INVALID, named->position, "%d saved SQL have the name %.*s: say view_{sql_id}", n,
			       SARG(str_head(named->name, 100)));
	if (!entry_get(c, v, space, ids[0], e, &ret->table))
		return c->err.kind == ERR_NOT_FOUND ? unknown(c, named) : false;
	if (!entry_visible(c, e))
		return unknown(c, named);
	ret->snapshot = ret->table.current;
	why = not_ready(e, ret);
	if (why)
		return fail_at(c, ERR_SQL_INVALID, named->position, "the view %.*s %s", SARG(str_head(named->name, 100)), why);
	ret->sql_id = arena_dup(c->arena, ids[0]);
	ret->entry = e;
	return true;
}

bool source_find(struct call *c, struct views *v, struct str space, const struct named_table *named, struct source *ret)
{
	struct source s = {.name = named->name};

	if (!as_table(c, v, space, named, &s)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		if (!as_view(c, v, space, named, &s))
			return false;
	}
	s.schema = ice_schema_by_id(&s.table, s.snapshot->schema_id);
	if (!s.schema)
		return fail(c, ERR_CORRUPT_TABLE, "%.*s: its snapshot has no schema", SARG(s.table.metadata_key));
	*ret = s;
	return true;
}

/* --- reading --- */

bool source_hold(struct call *c, struct views *v, struct source *s)
{
	struct str prefix = s->table.prefix;
	int n;

	if (!ice_files(c, v->o.store, prefix, s->table.location, s->snapshot->manifest_list, &s->files, &n))
		return false;
	s->paths = ARENA_ARRAY(c->arena, struct str, (size_t)n + 1);
	s->held = ARENA_ARRAY(c->arena, struct store_held *, (size_t)n + 1);
	for (s->nfiles = 0; s->nfiles < n; s->nfiles++) {
		const struct ice_file *f = &s->files[s->nfiles];
		struct str key = key_file(c->arena, prefix, f->path);

		if (!store_cache_hold(c, v->o.cache, c->tenant, key, f->bytes, &s->paths[s->nfiles], &s->held[s->nfiles]))
			return false;
	}
	return true;
}

void source_release(struct source *s)
{
	for (int i = 0; i < s->nfiles; i++)
		store_cache_release(s->held[i]);
	s->nfiles = 0;
}

/* The metadata says which types they have, whatever the files do: a cast to a column's own type costs nothing. */
static void put_columns(struct buf *b, const struct ice_schema *s)
{
	for (int i = 0; i < s->n; i++) {
		buf_add(b, i ? S(", CAST(") : S("CAST("));
		sql_quote_name(b, s->fields[i].name);
		buf_lit(b, " AS ");
		ice_put_duckdb_type(b, &s->fields[i].type);
		buf_lit(b, ") AS ");
		sql_quote_name(b, s->fields[i].name);
	}
}

/* A snapshot without a file has a relation of its types and no rows. */
static void put_nothing(struct buf *b, const struct ice_schema *s)
{
	for (int i = 0; i < s->n; i++) {
		buf_fmt(b, "%sCAST(NULL AS ", i ? ", " : "");
		ice_put_duckdb_type(b, &s->fields[i].type);
		buf_lit(b, ") AS ");
		sql_quote_name(b, s->fields[i].name);
	}
	buf_lit(b, " WHERE false");
}

/* Every file has just these columns: a Mayfly wrote them all, and the table never had others. */
static bool has_one_schema(const struct ice_table *t)
{
	for (int i = 0; i < t->nsnapshots; i++)
		if (!ice_value(t->snapshots[i].summary, t->snapshots[i].nsummary, PROP_SERVER).n)
			return false;
	return t->nschemas == 1;
}

void source_put_cte(struct buf *b, const struct source *s)
{
	sql_quote_name(b, s->name);
	buf_lit(b, " AS NOT MATERIALIZED (SELECT ");
	if (s->nfiles == 0) {
		put_nothing(b, s->schema);
		buf_addc(b, ')');
		return;
	}
	put_columns(b, s->schema);
	buf_lit(b, " FROM read_parquet([");
	for (int i = 0; i < s->nfiles; i++) {
		if (i)
			buf_lit(b, ", ");
		sql_quote_literal(b, s->paths[i]);
	}
	buf_lit(b, "], hive_partitioning = false");
	if (!has_one_schema(&s->table)) { /* by field ids, which costs a third more */
		buf_lit(b, ", schema = ");
		ice_put_read_schema(b, s->schema);
	}
	buf_lit(b, "))");
}
