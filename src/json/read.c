/* read.c - what is asked of documents from clients. Not for results: those are
 * scanned or written, never held as a tree.
 *
 * A document belongs to the arena of its call. Any thread.
 */
#include "json/json_int.h"

#include <limits.h>

static bool read_object(struct call *c, struct str text, int values, const json_node **ret)
{
	const json_node *root;

	if (!json_parse(c, text, values, &root))
		return false;
	if (root->kind != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_JSON, "line 1, column 1: the document must be an object");
	*ret = root;
	return true;
}

bool json_read(struct call *c, struct str text, const json_node **ret)
{
	return json_parse(c, text, INT_MAX, ret);
}

bool json_read_object(struct call *c, struct str text, const json_node **ret)
{
	return read_object(c, text, INT_MAX, ret);
}

bool json_read_object_within(struct call *c, struct str text, int values, const json_node **ret)
{
	return read_object(c, text, values, ret);
}

bool json_read_body(struct call *c, struct str text, const json_node **ret)
{
	return read_object(c, text, JSON_MAX_VALUES, ret);
}

static bool is(const json_node *n, enum json_kind kind)
{
	return n && n->kind == kind;
}

enum json_kind json_kind(const json_node *n)
{
	return n->kind;
}

const json_node *json_get(const json_node *object, const char *key)
{
	struct str wanted = str_of(key);

	for (size_t i = 0; is(object, JSON_KIND_OBJECT) && i < object->n; i++)
		if (str_eq(object->members[i].key, wanted))
			return &object->members[i].value;
	return NULL;
}

size_t json_count(const json_node *n)
{
	return is(n, JSON_KIND_ARRAY) || is(n, JSON_KIND_OBJECT) ? n->n : 0;
}

const json_node *json_at(const json_node *array, size_t i)
{
	return is(array, JSON_KIND_ARRAY) && i < array->n ? &array->elements[i] : NULL;
}

struct str json_text(const json_node *n)
{
	return is(n, JSON_KIND_TEXT) ? str_from(n->text, n->n) : (struct str){NULL, 0};
}

int64_t json_int(const json_node *n)
{
	return is(n, JSON_KIND_INT) ? n->whole : 0;
}

double json_number(const json_node *n)
{
	return is(n, JSON_KIND_REAL) ? n->real : (double)json_int(n);
}

bool json_bool(const json_node *n)
{
	return is(n, JSON_KIND_BOOL) && n->yes;
}

bool json_each(const json_node *object, void **it, struct str *ret_key, const json_node **ret_value)
{
	const struct json_member *m = *it;

	if (!is(object, JSON_KIND_OBJECT))
		return false;
	m = m ? m + 1 : object->members;
	if (m == object->members + object->n)
		return false;
	*it = (void *)(uintptr_t)m;
	*ret_key = m->key;
	*ret_value = &m->value;
	return true;
}

/* The member, or NULL when it is absent or null. */
static const json_node *member(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return is(n, JSON_KIND_NULL) ? NULL : n;
}

bool json_want_text(struct call *c, const json_node *o, const char *key, struct str *ret)
{
	const json_node *n = member(o, key);

	if (!n)
		return true;
	if (!is(n, JSON_KIND_TEXT))
		return fail(c, ERR_INVALID_FIELD, "%s must be a string", key);
	*ret = json_text(n);
	return true;
}

bool json_want_int(struct call *c, const json_node *o, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	const json_node *n = member(o, key);

	if (!n)
		return true;
	if (!is(n, JSON_KIND_INT))
		return fail(c, ERR_INVALID_FIELD, "%s must be a whole number", key);
	if (json_int(n) < min || json_int(n) > max)
		return fail(c, ERR_INVALID_FIELD, "%s must be from %lld to %lld", key, (long long)min, (long long)max);
	*ret = json_int(n);
	return true;
}

bool json_want_bool(struct call *c, const json_node *o, const char *key, bool *ret)
{
	const json_node *n = member(o, key);

	if (!n)
		return true;
	if (!is(n, JSON_KIND_BOOL))
		return fail(c, ERR_INVALID_FIELD, "%s must be true or false", key);
	*ret = json_bool(n);
	return true;
}

bool json_want_time(struct call *c, const json_node *o, const char *key, int64_t *ret_wall_ms)
{
	const json_node *n = member(o, key);

	return !n || (is(n, JSON_KIND_TEXT) && clock_parse_rfc3339(json_text(n), ret_wall_ms)) ||
	       fail(c, ERR_INVALID_FIELD, "%s must be a time, as RFC 3339 has it", key);
}

bool json_want_texts(struct call *c, const json_node *o, const char *key, int max, const struct str **ret, int *ret_n)
{
	const json_node *list = member(o, key);
	size_t n = list ? json_count(list) : 0;
	struct str *v;

	if (!list)
		return true;
	if (!is(list, JSON_KIND_ARRAY) || n > (size_t)max)
		return fail(c, ERR_INVALID_FIELD, "%s must be an array of at most %d strings", key, max);
	v = ARENA_ARRAY(c->arena, struct str, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (!is(json_at(list, i), JSON_KIND_TEXT))
			return fail(c, ERR_INVALID_FIELD, "%s[%zu] must be a string", key, i);
		v[i] = json_text(json_at(list, i));
	}
	*ret = v;
	*ret_n = (int)n;
	return true;
}

static bool listed(const char *const *keys, struct str key)
{
	for (; *keys; keys++)
		if (str_eq(str_of(*keys), key))
			return true;
	return false;
}

bool json_only(struct call *c, const json_node *o, const char *const *keys)
{
	const json_node *value;
	struct str key;

	for (void *it = NULL; json_each(o, &it, &key, &value);)
		if (!listed(keys, key))
			return fail(c, ERR_UNKNOWN_FIELD, "unknown field \"%.*s\"", (int)(key.n < 100 ? key.n : 100), key.p);
	return true;
}
