/* avro_schema.c - the schema of an Avro file, from its JSON to types that drive the reading.
 *
 * Recursion follows the nesting of the JSON, which JSON_MAX_DEPTH bounds. Any thread.
 */
#include "iceberg/avro.h"

struct reading {
	struct call *c;
	struct map names; /* of records, enums and fixed, without their namespaces */
	int types;
	const char *why;
};

static const struct avro_type *read_type(struct reading *r, const json_node *n);

static void *refuse(struct reading *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return NULL;
}

static struct avro_type *new_type(struct reading *r, enum avro_kind kind)
{
	struct avro_type *t;

	if (++r->types > AVRO_TYPES_MAX)
		return refuse(r, "its schema has too many types");
	t = ARENA_NEW(r->c->arena, struct avro_type);
	t->kind = kind;
	return t;
}

static const json_node *member(const json_node *o, const char *name, enum json_kind kind)
{
	const json_node *n = json_get(o, name);

	return n && json_kind(n) == kind ? n : NULL;
}

static struct str without_namespace(struct str name)
{
	size_t n = name.n;

	while (n > 0 && name.p[n - 1] != '.')
		n--;
	return str_tail(name, n);
}

static const struct avro_type *named_type(struct reading *r, struct str name)
{
	static const struct {
		struct str name;
		enum avro_kind kind;
	} plain[] = {
		{S_INIT("null"), AVRO_NULL}, {S_INIT("boolean"), AVRO_BOOLEAN}, {S_INIT("int"), AVRO_WHOLE},
		{S_INIT("long"), AVRO_WHOLE}, {S_INIT("float"), AVRO_FLOAT}, {S_INIT("double"), AVRO_DOUBLE},
		{S_INIT("bytes"), AVRO_BYTES}, {S_INIT("string"), AVRO_BYTES},
	};
	const struct avro_type *t;

	for (size_t i = 0; i < COUNT_OF(plain); i++)
		if (str_eq(name, plain[i].name))
			return new_type(r, plain[i].kind);
	t = map_get(&r->names, without_namespace(name));
	return t ? t : refuse(r, "its schema names a type that is not known");
}

/* Known by its name from here on, also inside itself. */
static bool remember(struct reading *r, const json_node *o, struct avro_type *t)
{
	const json_node *name = member(o, "name", JSON_KIND_TEXT);

	if (!name)
		return refuse(r, "its schema has a type without a name");
	(void)map_put(&r->names, without_namespace(json_text(name)), t);
	return true;
}

static bool read_field(struct reading *r, const json_node *o, struct avro_field *ret)
{
	const json_node *id;

	if (json_kind(o) != JSON_KIND_OBJECT)
		return refuse(r, "its schema has a field that is no object");
	id = member(o, "field-id", JSON_KIND_INT);
	ret->id = id && json_int(id) >= 0 && json_int(id) <= INT32_MAX ? (int)json_int(id) : -1;
	ret->type = read_type(r, json_get(o, "type"));
	return ret->type;
}

static const struct avro_type *read_record(struct reading *r, const json_node *o)
{
	const json_node *fields = member(o, "fields", JSON_KIND_ARRAY);
	struct avro_type *t = new_type(r, AVRO_STRUCT);

	if (!t || !remember(r, o, t))
		return NULL;
	if (!fields || json_count(fields) > AVRO_TYPES_MAX)
		return refuse(r, "its schema has a record without fields, or with too many");
	t->n = (int)json_count(fields);
	t->fields = ARENA_ARRAY(r->c->arena, struct avro_field, t->n);
	for (int i = 0; i < t->n; i++)
		if (!read_field(r, json_at(fields, (size_t)i), &t->fields[i]))
			return NULL;
	return t;
}

static const struct avro_type *read_union(struct reading *r, const json_node *branches)
{
	struct avro_type *t = new_type(r, AVRO_UNION);

	if (!t || json_count(branches) > AVRO_TYPES_MAX)
		return refuse(r, "its schema has too many types");
	t->n = (int)json_count(branches);
	t->fields = ARENA_ARRAY(r->c->arena, struct avro_field, t->n);
	for (int i = 0; i < t->n; i++) {
		t->fields[i] = (struct avro_field){-1, read_type(r, json_at(branches, (size_t)i))};
		if (!t->fields[i].type)
			return NULL;
	}
	return t;
}

static const struct avro_type *read_holder(struct reading *r, const json_node *o, enum avro_kind kind, const char *held)
{
	struct avro_type *t = new_type(r, kind);

	if (!t)
		return NULL;
	t->n = 1;
	t->fields = ARENA_NEW(r->c->arena, struct avro_field);
	*t->fields = (struct avro_field){-1, read_type(r, json_get(o, held))};
	return t->fields->type ? t : NULL;
}

static const struct avro_type *read_fixed(struct reading *r, const json_node *o)
{
	const json_node *size = member(o, "size", JSON_KIND_INT);
	struct avro_type *t = new_type(r, AVRO_FIXED);

	if (!size || json_int(size) < 0 || json_int(size) > ICE_OBJECT_MAX)
		return refuse(r, "its schema has a fixed without a size");
	if (!t || !remember(r, o, t))
		return NULL;
	t->size = (size_t)json_int(size);
	return t;
}

static const struct avro_type *read_object(struct reading *r, const json_node *o)
{
	const json_node *type = json_get(o, "type");
	struct str name = type && json_kind(type) == JSON_KIND_TEXT ? json_text(type) : S("");
	struct avro_type *t;

	if (str_eq(name, S("record")))
		return read_record(r, o);
	if (str_eq(name, S("array")))
		return read_holder(r, o, AVRO_ARRAY, "items");
	if (str_eq(name, S("map")))
		return read_holder(r, o, AVRO_MAP, "values");
	if (str_eq(name, S("fixed")))
		return read_fixed(r, o);
	if (!str_eq(name, S("enum")))
		return read_type(r, type); /* {"type": "long", "logicalType": …}, {"type": {…}} */
	t = new_type(r, AVRO_ENUM);
	return t && remember(r, o, t) ? t : NULL;
}

static const struct avro_type *read_type(struct reading *r, const json_node *n)
{
	if (n && json_kind(n) == JSON_KIND_TEXT)
		return named_type(r, json_text(n));
	if (n && json_kind(n) == JSON_KIND_ARRAY)
		return read_union(r, n);
	if (n && json_kind(n) == JSON_KIND_OBJECT)
		return read_object(r, n);
	return refuse(r, "its schema has no type where one must be");
}

const struct avro_type *avro_schema(struct call *c, struct str json, const char **ret_why)
{
	struct reading r = {.c = c};
	const struct avro_type *t;
	const json_node *root;

	*ret_why = "its schema is too large";
	if (json.n > AVRO_SCHEMA_MAX)
		return NULL;
	*ret_why = "its schema is no JSON";
	if (!json_read(c, json, &root)) {
		call_forgive(c);
		return NULL;
	}
	t = read_type(&r, root);
	map_close(&r.names);
	*ret_why = r.why;
	if (t && t->kind != AVRO_STRUCT)
		*ret_why = "it does not hold records";
	return t && t->kind == AVRO_STRUCT ? t : NULL;
}
