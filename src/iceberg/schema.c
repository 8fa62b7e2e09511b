/* schema.c - columns become a schema whose field ids stay, and what DuckDB is told of it.
 *
 * Iceberg knows columns by ids, so a column keeps its id as long as old files
 * can be read as what it is now. DuckDB matches the fields inside a column by
 * name: where one of those changes its type, the whole column gets a new id.
 * Pure functions, any thread.
 */
#include "iceberg/iceberg_int.h"
#include "sql/sql.h"

/* --- comparing --- */
static bool fields_same(const struct ice_field *a, const struct ice_field *b, int n, bool ids);

static bool types_same(const struct ice_type *a, const struct ice_type *b, bool ids)
{
	return a->kind == b->kind && a->precision == b->precision && a->scale == b->scale && a->nfields == b->nfields &&
	       fields_same(a->fields, b->fields, a->nfields, ids);
}

static bool fields_same(const struct ice_field *a, const struct ice_field *b, int n, bool ids)
{
	for (int i = 0; i < n; i++) {
		if (!str_eq(a[i].name, b[i].name) || (ids && (a[i].id != b[i].id || a[i].required != b[i].required)))
			return false;
		if (!types_same(&a[i].type, &b[i].type, ids))
			return false;
	}
	return true;
}

bool ice_type_same(const struct ice_type *a, const struct ice_type *b)
{
	return types_same(a, b, true);
}

bool ice_schema_same(const struct ice_schema *a, const struct ice_schema *b)
{
	return a->n == b->n && fields_same(a->fields, b->fields, a->n, true);
}

static int highest_id(const struct ice_field *v, int n)
{
	int most = 0;

	for (int i = 0; i < n; i++) {
		int inside = highest_id(v[i].type.fields, v[i].type.nfields);

		most = v[i].id > most ? v[i].id : most;
		most = inside > most ? inside : most;
	}
	return most;
}

int ice_schema_last_id(const struct ice_schema *s)
{
	return highest_id(s->fields, s->n);
}

static const struct ice_field *find_by_id(const struct ice_field *v, int n, int id)
{
	for (int i = 0; i < n; i++) {
		const struct ice_field *inside;

		if (v[i].id == id)
			return &v[i];
		inside = find_by_id(v[i].type.fields, v[i].type.nfields, id);
		if (inside)
			return inside;
	}
	return NULL;
}

const struct ice_field *ice_field_by_id(const struct ice_schema *s, int id)
{
	return find_by_id(s->fields, s->n, id);
}

static const struct ice_field *find_by_name(const struct ice_field *v, int n, struct str name)
{
	for (int i = 0; i < n; i++)
		if (str_eq(v[i].name, name))
			return &v[i];
	return NULL;
}

/* Fields may come and go, those that stay must be readable. */
static bool struct_promotes(const struct ice_type *from, const struct ice_type *to)
{
	for (int i = 0; i < to->nfields; i++) {
		const struct ice_field *was = find_by_name(from->fields, from->nfields, to->fields[i].name);

		if (was && !ice_promotes(&was->type, &to->fields[i].type))
			return false;
	}
	return true;
}

bool ice_promotes(const struct ice_type *from, const struct ice_type *to)
{
	if (from->kind == ICE_INT && to->kind == ICE_LONG)
		return true;
	if (from->kind == ICE_FLOAT && to->kind == ICE_DOUBLE)
		return true;
	if (from->kind != to->kind)
		return false;
	switch (to->kind) {
	case ICE_DECIMAL:
		return from->scale == to->scale && from->precision <= to->precision;
	case ICE_FIXED:
		return from->precision == to->precision;
	case ICE_LIST:
		return ice_promotes(&from->fields[0].type, &to->fields[0].type);
	case ICE_MAP: /* keys must stay as they are */
		return types_same(&from->fields[0].type, &to->fields[0].type, false) &&
		       ice_promotes(&from->fields[1].type, &to->fields[1].type);
	case ICE_STRUCT:
		return struct_promotes(from, to);
	default:
		return true;
	}
}

/* --- names --- */
enum { ICE_COLUMN_MAX = ICE_NAME_MAX - 16 }; /* a number may come behind it */

struct naming {
	struct arena *arena;
	struct map taken; /* names in lower case */
};

static void *const is_taken = (void *)(uintptr_t)1;

static bool take_name(struct naming *m, struct str name)
{
	struct str lower = arena_lower(m->arena, name);

	if (map_get(&m->taken, lower))
		return false;
	(void)map_put(&m->taken, lower, is_taken);
	return true;
}

/* Paging counts rows by DuckDB's column of that name; the other marks field ids. */
static bool is_reserved(struct str name)
{
	return str_ieq(name, S("file_row_number")) || str_ieq(name, S("__duckdb_field_id"));
}

/* The name if it is free, else with the first free number behind it. `counts` remembers where each base got to. */
static struct str unique_name(struct naming *m, struct map *counts, struct str base)
{
	struct str lower = arena_lower(m->arena, base), name;
	uintptr_t n = (uintptr_t)map_get(counts, lower);

	if (n == 0 && !is_reserved(base) && take_name(m, base))
		return base;
	do
		name = arena_fmt(m->arena, "%.*s_%u", SARG(base), (unsigned)++n);
	while (!take_name(m, name));
	(void)map_put(counts, lower, (void *)n);
	return name;
}

static bool name_columns(struct call *c, const struct ice_column *v, int n, struct ice_field *fields)
{
	struct naming m = {c->arena, {0}};
	struct map counts = {0};
	bool ok = true;

	for (int i = 0; i < n && ok; i++) {
		struct str name = v[i].name.n ? v[i].name : arena_fmt(c->arena, "column_%d", i + 1);

		ok = name.n <= ICE_COLUMN_MAX && str_is_utf8(name) && !memchr(name.p, 0, name.n);
		if (ok)
			fields[i].name = arena_dup(c->arena, unique_name(&m, &counts, name));
		else
			(void)fail(c, ERR_SQL_INVALID, "column %d: its name is longer than %d bytes, or no text; name it with AS",
			           i + 1, ICE_COLUMN_MAX);
	}
	map_close(&m.taken);
	map_close(&counts);
	return ok;
}

/* --- ids --- */
static int give_ids(struct ice_field *v, int n, const struct ice_field *was, int nwas, int last);

static int give_id(struct ice_field *f, const struct ice_field *was, int last)
{
	f->id = was ? was->id : ++last;
	if (was)
		return give_ids(f->type.fields, f->type.nfields, was->type.fields, was->type.nfields, last);
	return give_ids(f->type.fields, f->type.nfields, NULL, 0, last);
}

/* Returns the highest id given so far. Fields that `was` has and that can be read as what they are now keep theirs. */
static int give_ids(struct ice_field *v, int n, const struct ice_field *was, int nwas, int last)
{
	for (int i = 0; i < n; i++) {
		const struct ice_field *former = find_by_name(was, nwas, v[i].name);

		if (former && !ice_promotes(&former->type, &v[i].type))
			former = NULL;
		last = give_id(&v[i], former, last);
	}
	return last;
}

/* One of the table that has these columns, whatever their ids; the current one first, then the newest. */
static const struct ice_schema *equal_schema(const struct ice_table *t, const struct ice_field *v, int n)
{
	if (t->schema && t->schema->n == n && fields_same(t->schema->fields, v, n, false))
		return t->schema;
	for (int i = t->nschemas - 1; i >= 0; i--)
		if (t->schemas[i].n == n && fields_same(t->schemas[i].fields, v, n, false))
			return &t->schemas[i];
	return NULL;
}

static int count_fields(const struct ice_field *v, int n)
{
	int sum = n;

	for (int i = 0; i < n && sum <= ICE_FIELDS_MAX; i++)
		sum += count_fields(v[i].type.fields, v[i].type.nfields);
	return sum;
}

static int next_schema_id(const struct ice_table *t)
{
	int next = 0;

	for (int i = 0; i < t->nschemas; i++)
		next = t->schemas[i].id >= next ? t->schemas[i].id + 1 : next;
	return next;
}

static bool number_fields(struct call *c, const struct ice_table *former, struct ice_field *v, int n, struct ice_schema *ret)
{
	const struct ice_schema *equal = former ? equal_schema(former, v, n) : NULL, *was = former ? former->schema : NULL;
	int last = former ? former->last_column_id : 0;

	if (equal) {
		*ret = *equal;
		return true;
	}
	if (last > INT32_MAX - ICE_FIELDS_MAX)
		return fail(c, ERR_CORRUPT_TABLE, "the table has no field ids left");
	(void)give_ids(v, n, was ? was->fields : NULL, was ? was->n : 0, last);
	*ret = (struct ice_schema){former ? next_schema_id(former) : 0, v, n};
	return true;
}

bool ice_schema_of(struct call *c, const struct ice_table *former, const struct ice_column *v, int n, struct ice_schema *ret,
		   struct str **ret_casts)
{
	struct ice_field *fields;
	struct str *casts;

	if (n > ICE_FIELDS_MAX)
		return fail(c, ERR_SQL_INVALID, "more than %d columns", ICE_FIELDS_MAX);
	fields = ARENA_ARRAY(c->arena, struct ice_field, n);
	casts = ARENA_ARRAY(c->arena, struct str, n);
	if (!name_columns(c, v, n, fields))
		return false;
	for (int i = 0; i < n; i++)
		if (!ice_type_parse(c, fields[i].name, v[i].type, &fields[i].type, &casts[i]))
			return false;
	if (count_fields(fields, n) > ICE_FIELDS_MAX)
		return fail(c, ERR_SQL_INVALID, "more than %d columns, with the fields inside them", ICE_FIELDS_MAX);
	if (!number_fields(c, former, fields, n, ret))
		return false;
	*ret_casts = casts;
	return true;
}

/* --- for DuckDB --- */
static void put_ids(struct buf *b, const struct ice_type *t);

static void put_id(struct buf *b, const struct ice_field *f)
{
	if (f->type.nfields == 0) {
		buf_fmt(b, ": %d", f->id);
		return;
	}
	buf_fmt(b, ": {__duckdb_field_id: %d, ", f->id);
	put_ids(b, &f->type);
	buf_addc(b, '}');
}

/* Elements, keys and values have names of their own; those of structs are quoted. */
static void put_ids(struct buf *b, const struct ice_type *t)
{
	for (int i = 0; i < t->nfields; i++) {
		if (i > 0)
			buf_lit(b, ", ");
		if (t->kind == ICE_STRUCT)
			sql_quote_name(b, t->fields[i].name);
		else
			buf_add(b, t->fields[i].name);
		put_id(b, &t->fields[i]);
	}
}

void ice_put_field_ids(struct buf *b, const struct ice_schema *s)
{
	struct ice_type all = {ICE_STRUCT, 0, 0, s->fields, s->n};

	buf_addc(b, '{');
	put_ids(b, &all);
	buf_addc(b, '}');
}

static void put_read_field(struct buf *b, const struct ice_field *f, struct buf *type)
{
	buf_clear(type);
	ice_put_duckdb_type(type, &f->type);
	buf_fmt(b, "%d: {name: ", f->id);
	sql_quote_literal(b, f->name);
	buf_lit(b, ", type: ");
	sql_quote_literal(b, buf_str(type));
	buf_lit(b, ", default_value: NULL}");
}

void ice_put_read_schema(struct buf *b, const struct ice_schema *s)
{
	OWNS(buf) type = {0};

	buf_lit(b, "map{");
	for (int i = 0; i < s->n; i++) {
		if (i > 0)
			buf_lit(b, ", ");
		put_read_field(b, &s->fields[i], &type);
	}
	buf_addc(b, '}');
}

struct str ice_schema_hash(struct arena *a, const struct ice_schema *s)
{
	unsigned char digest[SHA256_LEN];
	OWNS(buf) text = {0};
	OWNS(buf) hex = {0};
	struct json_out o = json_out(&text);

	json_begin_array(&o);
	for (int i = 0; i < s->n; i++) {
		json_put_text(&o, s->fields[i].name);
		json_put_text(&o, ice_type_name(a, &s->fields[i].type));
	}
	json_end_array(&o);
	hash_sha256(buf_str(&text), digest);
	hash_hex(str_from((const char *)digest, sizeof(digest)), &hex);
	return arena_fmt(a, "sha256:%.*s", SARG(buf_str(&hex)));
}
