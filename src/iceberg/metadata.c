/* metadata.c - vN.metadata.json read: what Mayfly needs of it, each key checked.
 *
 * Not what is written: metadata_write.c. Keys that are not known here stay in the
 * document (ice_table.metadata), so that a commit keeps them. Any thread.
 * Source: the Iceberg table specification, "Table metadata fields", format version 2.
 */
#include "iceberg/iceberg_int.h"

#include <stdlib.h>

struct reading {
	struct call *c;
	struct str key;                /* of the object, for errors */
	const json_node *root;
};

#define BAD(r, ...) bad((r), arena_fmt((r)->c->arena, __VA_ARGS__))

static bool bad(struct reading *r, struct str what)
{
	return fail(r->c, ERR_CORRUPT_TABLE, "%.*s: %.*s", SARG(r->key), SARG(what));
}

/* --- members, required unless `may` --- */
static bool member(struct reading *r, const json_node *o, const char *name, enum json_kind kind, const json_node **ret)
{
	static const char *const kinds[] = {
		[JSON_KIND_INT] = "a whole number", [JSON_KIND_TEXT] = "a string",
		[JSON_KIND_ARRAY] = "an array", [JSON_KIND_OBJECT] = "an object",
	};
	const json_node *n = json_get(o, name);

	if (!n)
		return BAD(r, "\"%s\" is missing", name);
	if (json_kind(n) != kind)
		return BAD(r, "\"%s\" is not %s", name, kinds[kind]);
	*ret = n;
	return true;
}

static bool absent(const json_node *o, const char *name)
{
	const json_node *n = json_get(o, name);

	return !n || json_kind(n) == JSON_KIND_NULL;
}

static bool number(struct reading *r, const json_node *o, const char *name, int64_t max, int64_t *ret)
{
	const json_node *n;

	if (!member(r, o, name, JSON_KIND_INT, &n))
		return false;
	if (json_int(n) < 0 || json_int(n) > max)
		return BAD(r, "\"%s\" is out of range", name);
	*ret = json_int(n);
	return true;
}

static bool small(struct reading *r, const json_node *o, const char *name, int *ret)
{
	int64_t v;

	if (!number(r, o, name, INT32_MAX, &v))
		return false;
	*ret = (int)v;
	return true;
}

static bool text(struct reading *r, const json_node *o, const char *name, struct str *ret)
{
	const json_node *n;

	if (!member(r, o, name, JSON_KIND_TEXT, &n))
		return false;
	*ret = json_text(n);
	return true;
}

/* An array of objects of at most `max`. */
static bool objects(struct reading *r, const char *name, size_t max, const json_node **ret)
{
	const json_node *list;

	if (!member(r, r->root, name, JSON_KIND_ARRAY, &list))
		return false;
	if (json_count(list) > max)
		return BAD(r, "\"%s\" has more than %zu members", name, max);
	for (size_t i = 0; i < json_count(list); i++) {
		if (json_kind(json_at(list, i)) != JSON_KIND_OBJECT)
			return BAD(r, "\"%s\" has a member that is not an object", name);
	}
	*ret = list;
	return true;
}

/* name: of the object, for errors. */
static bool properties(struct reading *r, const json_node *o, const char *name, struct ice_property **ret, int *ret_n)
{
	struct ice_property *v;
	const json_node *value;
	struct str key;
	int n = 0;

	if (json_count(o) > ICE_PROPERTIES_MAX)
		return BAD(r, "\"%s\" has more than %d members", name, ICE_PROPERTIES_MAX);
	v = ARENA_ARRAY(r->c->arena, struct ice_property, json_count(o) + 1);
	for (void *it = NULL; json_each(o, &it, &key, &value);) {
		if (json_kind(value) != JSON_KIND_TEXT)
			return BAD(r, "\"%.*s\" of \"%s\" is not a string", (int)str_head(key, 100).n, key.p, name);
		v[n++] = (struct ice_property){key, json_text(value)};
	}
	*ret = v;
	*ret_n = n;
	return true;
}

/* --- schemas, partition specs, sort orders --- */
static bool read_schemas(struct reading *r, struct ice_table *t)
{
	struct ice_schema *v;
	const json_node *list;
	int current;

	if (!objects(r, "schemas", ICE_SCHEMAS_MAX, &list) || !small(r, r->root, "current-schema-id", &current))
		return false;
	v = ARENA_ARRAY(r->c->arena, struct ice_schema, json_count(list) + 1);
	for (int i = 0; i < (int)json_count(list); i++) {
		if (!ice_schema_from_json(r->c, r->key, json_at(list, (size_t)i), &v[i]))
			return false;
		t->nschemas = i + 1;
		t->schemas = v;
		if (ice_schema_last_id(&v[i]) > t->last_column_id)
			return BAD(r, "\"last-column-id\" is less than the id of a field");
	}
	t->schema = ice_schema_by_id(t, current);
	return t->schema || BAD(r, "\"current-schema-id\" is %d, but \"schemas\" has no such", current);
}

/* The one Mayfly writes: 0, without fields. */
static bool check_partitions(struct reading *r)
{
	const json_node *list, *fields;
	int spec, last, id;

	if (!objects(r, "partition-specs", ICE_SPECS_MAX, &list) || !small(r, r->root, "default-spec-id", &spec) ||
	    !small(r, r->root, "last-partition-id", &last))
		return false;
	for (size_t i = 0; i < json_count(list); i++) {
		if (!small(r, json_at(list, i), "spec-id", &id) || !member(r, json_at(list, i), "fields", JSON_KIND_ARRAY, &fields))
			return false;
		if (id == spec)
			return (id == 0 && json_count(fields) == 0) || BAD(r, "partitioned tables are not supported");
	}
	return BAD(r, "\"default-spec-id\" is %d, but \"partition-specs\" has no such", spec);
}

static bool check_orders(struct reading *r)
{
	const json_node *list, *fields;
	bool found = false;
	int order, id;

	if (!objects(r, "sort-orders", ICE_SPECS_MAX, &list) || !small(r, r->root, "default-sort-order-id", &order))
		return false;
	for (size_t i = 0; i < json_count(list); i++) {
		if (!small(r, json_at(list, i), "order-id", &id) || !member(r, json_at(list, i), "fields", JSON_KIND_ARRAY, &fields))
			return false;
		found = found || id == order;
	}
	return found || order == 0 || BAD(r, "\"default-sort-order-id\" is %d, but \"sort-orders\" has no such", order);
}

/* --- snapshots --- */
static bool read_summary(struct reading *r, const json_node *o, struct ice_snapshot *s)
{
	struct ice_property *v;
	const json_node *n;

	if (!member(r, o, "summary", JSON_KIND_OBJECT, &n) || !properties(r, n, "summary", &v, &s->nsummary))
		return false;
	s->summary = v;
	s->operation = ice_value(v, s->nsummary, "operation");
	return s->operation.n > 0 || BAD(r, "\"operation\" is missing in the summary of snapshot %lld", (long long)s->id);
}

static bool read_snapshot(struct reading *r, const struct ice_table *t, const json_node *o, struct ice_snapshot *s)
{
	struct str list;

	*s = (struct ice_snapshot){.schema_id = t->schema->id};
	if (!number(r, o, "snapshot-id", INT64_MAX, &s->id) || !number(r, o, "sequence-number", INT64_MAX, &s->sequence) ||
	    !number(r, o, "timestamp-ms", INT64_MAX, &s->at_ms) || !text(r, o, "manifest-list", &list))
		return false;
	if (!absent(o, "parent-snapshot-id") && !number(r, o, "parent-snapshot-id", INT64_MAX, &s->parent))
		return false;
	if (!absent(o, "schema-id") && !small(r, o, "schema-id", &s->schema_id))
		return false;
	if (s->id == 0)
		return BAD(r, "\"snapshot-id\" is out of range");
	if (!ice_schema_by_id(t, s->schema_id))
		return BAD(r, "snapshot %lld is of schema %d, but \"schemas\" has no such", (long long)s->id, s->schema_id);
	return ice_path(r->c, r->key, t->location, list, &s->manifest_list) && read_summary(r, o, s);
}

static int by_sequence(const void *a, const void *b)
{
	const struct ice_snapshot *x = a, *y = b;

	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static bool read_snapshots(struct reading *r, struct ice_table *t)
{
	struct ice_snapshot *v;
	const json_node *list;
	int n;

	if (absent(r->root, "snapshots"))
		return true;
	if (!objects(r, "snapshots", ICE_SNAPSHOTS_MAX, &list))
		return false;
	n = (int)json_count(list);
	v = ARENA_ARRAY(r->c->arena, struct ice_snapshot, (size_t)n + 1);
	for (int i = 0; i < n; i++) {
		if (!read_snapshot(r, t, json_at(list, (size_t)i), &v[i]))
			return false;
	}
	qsort(v, (size_t)n, sizeof(*v), by_sequence);
	if (n > 0 && v[n - 1].sequence > ice_last_sequence(t))
		return BAD(r, "\"last-sequence-number\" is less than the number of a snapshot");
	t->snapshots = v;
	t->nsnapshots = n;
	return true;
}

/* -1, as absent, is what some write while there is none. */
static bool read_current(struct reading *r, struct ice_table *t)
{
	const json_node *n = json_get(r->root, "current-snapshot-id");
	int64_t id;

	if (!n || json_kind(n) == JSON_KIND_NULL || (json_kind(n) == JSON_KIND_INT && json_int(n) == -1))
		return true;
	if (!number(r, r->root, "current-snapshot-id", INT64_MAX, &id))
		return false;
	t->current = ice_find(t, id);
	return t->current || BAD(r, "\"current-snapshot-id\" is %lld, but \"snapshots\" has no such", (long long)id);
}

static bool check_refs(struct reading *r)
{
	const json_node *refs, *ref;
	struct str name, type;
	int64_t id;

	if (absent(r->root, "refs"))
		return true;
	if (!member(r, r->root, "refs", JSON_KIND_OBJECT, &refs))
		return false;
	for (void *it = NULL; json_each(refs, &it, &name, &ref);) {
		if (json_kind(ref) != JSON_KIND_OBJECT)
			return BAD(r, "\"refs\" has a member that is not an object");
		if (!number(r, ref, "snapshot-id", INT64_MAX, &id) || !text(r, ref, "type", &type))
			return false;
	}
	return true;
}

/* Arrays whose members are only carried on and counted. */
static bool check_lists(struct reading *r)
{
	static const char *const names[] = {"snapshot-log", "metadata-log", "statistics", "partition-statistics"};
	const json_node *list;

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (!absent(r->root, names[i]) && !objects(r, names[i], ICE_SNAPSHOTS_MAX, &list))
			return false;
	}
	return true;
}

static bool read_properties(struct reading *r, struct ice_table *t)
{
	struct ice_property *v;
	const json_node *n;

	if (absent(r->root, "properties"))
		return true;
	if (!member(r, r->root, "properties", JSON_KIND_OBJECT, &n) || !properties(r, n, "properties", &v, &t->nproperties))
		return false;
	t->properties = v;
	return true;
}

static bool read_head(struct reading *r, struct ice_table *t)
{
	int64_t format, sequence;

	if (!number(r, r->root, "format-version", INT32_MAX, &format))
		return false;
	if (format != 2)
		return BAD(r, "\"format-version\" is %lld; 2 is supported", (long long)format);
	if (!text(r, r->root, "table-uuid", &t->uuid) || !text(r, r->root, "location", &t->location) ||
	    !number(r, r->root, "last-sequence-number", INT64_MAX, &sequence) ||
	    !number(r, r->root, "last-updated-ms", INT64_MAX - 1, &t->updated_ms))
		return false;
	while (t->location.n && t->location.p[t->location.n - 1] == '/')
		t->location.n--;
	return t->location.n > 0 || BAD(r, "\"location\" is empty");
}

/* Errors of the text become the object's. */
static bool read_root(struct reading *r, struct str bytes)
{
	struct err e;

	if (json_read_body(r->c, bytes, &r->root))
		return true;
	e = r->c->err;
	call_forgive(r->c);
	return bad(r, str_of(e.text));
}

bool ice_metadata_read(struct call *c, struct str prefix, int64_t version, struct str bytes, struct ice_table *ret)
{
	struct reading r = {.c = c, .key = ice_metadata_key(c->arena, prefix, version)};
	struct ice_table t = {.prefix = arena_dup(c->arena, prefix), .version = version, .metadata_key = r.key};

	if (!read_root(&r, bytes) || !read_head(&r, &t))
		return false;
	t.metadata = r.root;
	if (!small(&r, r.root, "last-column-id", &t.last_column_id) || !read_schemas(&r, &t) || !check_partitions(&r) ||
	    !check_orders(&r) || !read_properties(&r, &t) || !read_snapshots(&r, &t) || !read_current(&r, &t) || !check_refs(&r) ||
	    !check_lists(&r))
		return false;
	*ret = t;
	return true;
}

/* --- looking into a table --- */
int64_t ice_last_sequence(const struct ice_table *t)
{
	return t->metadata ? json_int(json_get(t->metadata, "last-sequence-number")) : 0;
}

struct str ice_value(const struct ice_property *v, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (str_eq(v[i].name, str_of(name)))
			return v[i].value;
	}
	return (struct str){0};
}

bool ice_has(const struct ice_property *v, int n, struct str name)
{
	for (int i = 0; i < n; i++) {
		if (str_eq(v[i].name, name))
			return true;
	}
	return false;
}

const struct ice_snapshot *ice_find(const struct ice_table *t, int64_t snapshot_id)
{
	for (int i = 0; i < t->nsnapshots; i++) {
		if (t->snapshots[i].id == snapshot_id)
			return &t->snapshots[i];
	}
	return NULL;
}

const struct ice_schema *ice_schema_by_id(const struct ice_table *t, int id)
{
	for (int i = 0; i < t->nschemas; i++) {
		if (t->schemas[i].id == id)
			return &t->schemas[i];
	}
	return NULL;
}
