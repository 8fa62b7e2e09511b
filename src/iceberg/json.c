/* json.c - types and schemas as the JSON of Iceberg's metadata, both ways.
 *
 * Reading trusts nothing: kinds, ranges, ids that are there twice, nesting
 * beyond ICE_DEPTH_MAX. Recursion follows the nesting. Any thread.
 */
#include "iceberg/iceberg_int.h"

#include <stdio.h>
#include <stdlib.h>

/* --- out --- */
static void put_fields(struct json_out *o, const struct ice_field *v, int n)
{
	JSON_FIELD_TEXT(o, "type", S("struct"));
	json_key(o, S("fields"));
	json_begin_array(o);
	for (int i = 0; i < n; i++) {
		json_begin_object(o);
		JSON_FIELD_INT(o, "id", v[i].id);
		JSON_FIELD_TEXT(o, "name", v[i].name);
		JSON_FIELD_BOOL(o, "required", v[i].required);
		json_key(o, S("type"));
		ice_put_type_json(o, &v[i].type);
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_list(struct json_out *o, const struct ice_field *element)
{
	JSON_FIELD_TEXT(o, "type", S("list"));
	JSON_FIELD_INT(o, "element-id", element->id);
	JSON_FIELD_BOOL(o, "element-required", element->required);
	json_key(o, S("element"));
	ice_put_type_json(o, &element->type);
}

static void put_map(struct json_out *o, const struct ice_field *key, const struct ice_field *value)
{
	JSON_FIELD_TEXT(o, "type", S("map"));
	JSON_FIELD_INT(o, "key-id", key->id);
	json_key(o, S("key"));
	ice_put_type_json(o, &key->type);
	JSON_FIELD_INT(o, "value-id", value->id);
	JSON_FIELD_BOOL(o, "value-required", value->required);
	json_key(o, S("value"));
	ice_put_type_json(o, &value->type);
}

static void put_plain(struct json_out *o, const struct ice_type *t)
{
	char text[40];

	if (t->kind == ICE_DECIMAL)
		snprintf(text, sizeof(text), "decimal(%d, %d)", t->precision, t->scale);
	else if (t->kind == ICE_FIXED)
		snprintf(text, sizeof(text), "fixed[%d]", t->precision);
	else
		snprintf(text, sizeof(text), "%s", ice_kind_name(t->kind));
	json_put_text(o, str_of(text));
}

void ice_put_type_json(struct json_out *o, const struct ice_type *t)
{
	if (t->kind != ICE_STRUCT && t->kind != ICE_LIST && t->kind != ICE_MAP) {
		put_plain(o, t);
		return;
	}
	json_begin_object(o);
	if (t->kind == ICE_STRUCT)
		put_fields(o, t->fields, t->nfields);
	else if (t->kind == ICE_LIST)
		put_list(o, &t->fields[0]);
	else
		put_map(o, &t->fields[0], &t->fields[1]);
	json_end_object(o);
}

void ice_put_schema_json(struct json_out *o, const struct ice_schema *s)
{
	json_begin_object(o);
	JSON_FIELD_INT(o, "schema-id", s->id);
	put_fields(o, s->fields, s->n);
	json_end_object(o);
}

/* --- in --- */
struct reading {
	struct call *c;
	struct str key;
	int *ids;   /* of all fields, ICE_FIELDS_MAX */
	int nids;
};

static bool corrupt(const struct reading *r, const char *what)
{
	return fail(r->c, ERR_CORRUPT_TABLE, "%.*s: its schema has %s", SARG(r->key), what);
}

static const json_node *member(const json_node *o, const char *name, enum json_kind kind)
{
	const json_node *n = o ? json_get(o, name) : NULL;

	return n && json_kind(n) == kind ? n : NULL;
}

static bool read_id(struct reading *r, const json_node *o, const char *name, int *ret)
{
	const json_node *n = member(o, name, JSON_KIND_INT);

	if (!n || json_int(n) < 1 || json_int(n) > INT32_MAX)
		return corrupt(r, "a field without an id");
	if (r->nids == ICE_FIELDS_MAX)
		return corrupt(r, "too many fields");
	*ret = (int)json_int(n);
	r->ids[r->nids++] = *ret;
	return true;
}

static bool read_type(struct reading *r, const json_node *n, int depth, struct ice_type *ret);

static bool read_field(struct reading *r, const json_node *o, int depth, struct ice_field *ret)
{
	const json_node *name, *required;

	if (json_kind(o) != JSON_KIND_OBJECT)
		return corrupt(r, "a field that is no object");
	name = member(o, "name", JSON_KIND_TEXT);
	required = member(o, "required", JSON_KIND_BOOL);
	if (!name || json_text(name).n == 0 || json_text(name).n > ICE_NAME_MAX)
		return corrupt(r, "a field without a name, or with too long a name");
	ret->name = json_text(name);
	ret->required = required && json_bool(required);
	return read_id(r, o, "id", &ret->id) && read_type(r, json_get(o, "type"), depth, &ret->type);
}

static bool read_fields(struct reading *r, const json_node *o, int depth, struct ice_type *ret)
{
	const json_node *fields = member(o, "fields", JSON_KIND_ARRAY);
	size_t n = fields ? json_count(fields) : 0;
	struct ice_field *v;

	if (!fields)
		return corrupt(r, "a struct without fields");
	if (n > ICE_FIELDS_MAX)
		return corrupt(r, "too many fields");
	v = ARENA_ARRAY(r->c->arena, struct ice_field, n);
	for (size_t i = 0; i < n; i++)
		if (!read_field(r, json_at(fields, i), depth + 1, &v[i]))
			return false;
	*ret = (struct ice_type){ICE_STRUCT, 0, 0, v, (int)n};
	return true;
}

/* The element of a list, the key or value of a map. */
static bool read_part(struct reading *r, const json_node *o, const char *name, int depth, struct ice_field *ret)
{
	const json_node *required;
	char id[24], need[24];

	snprintf(id, sizeof(id), "%s-id", name);
	snprintf(need, sizeof(need), "%s-required", name);
	required = member(o, need, JSON_KIND_BOOL);
	ret->name = str_of(name);
	ret->required = required ? json_bool(required) : strcmp(name, "key") == 0;
	return read_id(r, o, id, &ret->id) && read_type(r, json_get(o, name), depth + 1, &ret->type);
}

static bool read_nested(struct reading *r, const json_node *o, int depth, struct ice_type *ret)
{
	const json_node *type = member(o, "type", JSON_KIND_TEXT);
	struct str name = type ? json_text(type) : S("");
	struct ice_field *v;

	if (depth >= ICE_DEPTH_MAX)
		return corrupt(r, "a type that is nested too deep");
	if (str_eq(name, S("struct")))
		return read_fields(r, o, depth, ret);
	v = ARENA_ARRAY(r->c->arena, struct ice_field, 2);
	*ret = (struct ice_type){str_eq(name, S("list")) ? ICE_LIST : ICE_MAP, 0, 0, v, str_eq(name, S("list")) ? 1 : 2};
	if (ret->kind == ICE_LIST)
		return read_part(r, o, "element", depth, &v[0]);
	if (!str_eq(name, S("map")))
		return corrupt(r, "a type that is not known");
	return read_part(r, o, "key", depth, &v[0]) && read_part(r, o, "value", depth, &v[1]);
}

/* "10, 2" of "decimal(10, 2)", "16" of "fixed[16]". */
static bool read_number(struct str text, int min, int max, int *ret)
{
	int64_t v;

	if (!str_to_i64(str_trim(text), &v) || v < min || v > max)
		return false;
	*ret = (int)v;
	return true;
}

static bool read_parameters(struct str name, struct ice_type *ret)
{
	struct str inside;

	if (str_starts(name, S("decimal(")) && str_ends(name, S(")"))) {
		inside = str_from(name.p + 8, name.n - 9);
		ret->kind = ICE_DECIMAL;
		return read_number(str_cut(&inside, ','), 1, 38, &ret->precision) && inside.p &&
		       read_number(inside, 0, ret->precision, &ret->scale);
	}
	if (!str_starts(name, S("fixed[")) || !str_ends(name, S("]")))
		return false;
	ret->kind = ICE_FIXED;
	return read_number(str_from(name.p + 6, name.n - 7), 1, ICE_OBJECT_MAX, &ret->precision);
}

static bool read_type(struct reading *r, const json_node *n, int depth, struct ice_type *ret)
{
	*ret = (struct ice_type){0};
	if (n && json_kind(n) == JSON_KIND_OBJECT)
		return read_nested(r, n, depth, ret);
	if (!n || json_kind(n) != JSON_KIND_TEXT)
		return corrupt(r, "a field without a type");
	for (int k = 0; k < ICE_KINDS; k++) {
		bool plain = k != ICE_DECIMAL && k != ICE_FIXED && k != ICE_LIST && k != ICE_STRUCT && k != ICE_MAP;

		ret->kind = (enum ice_kind)k;
		if (plain && str_eq(json_text(n), str_of(ice_kind_name(ret->kind))))
			return true;
	}
	return read_parameters(json_text(n), ret) || corrupt(r, "a type that is not known");
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static bool ids_differ(struct reading *r)
{
	qsort(r->ids, (size_t)r->nids, sizeof(int), by_number);
	for (int i = 1; i < r->nids; i++)
		if (r->ids[i] == r->ids[i - 1])
			return corrupt(r, "two fields of one id");
	return true;
}

static struct reading reading(struct call *c, struct str key)
{
	return (struct reading){c, key, ARENA_ARRAY(c->arena, int, ICE_FIELDS_MAX), 0};
}

bool ice_type_from_json(struct call *c, struct str key, const json_node *n, struct ice_type *ret)
{
	struct reading r = reading(c, key);

	return read_type(&r, n, 0, ret) && ids_differ(&r);
}

bool ice_schema_from_json(struct call *c, struct str key, const json_node *n, struct ice_schema *ret)
{
	struct reading r = reading(c, key);
	const json_node *id = json_get(n, "schema-id");
	struct ice_type all;

	if (json_kind(n) != JSON_KIND_OBJECT || (id && json_kind(id) != JSON_KIND_INT))
		return corrupt(&r, "no id");
	if (id && (json_int(id) < 0 || json_int(id) > INT32_MAX))
		return corrupt(&r, "no id");
	if (!read_fields(&r, n, -1, &all) || !ids_differ(&r))
		return false;
	*ret = (struct ice_schema){id ? (int)json_int(id) : 0, all.fields, all.nfields};
	return true;
}
