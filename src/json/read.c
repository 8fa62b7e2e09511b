/* read.c - documents from clients, by jansson. Not for results: those are
 * scanned or written, never held as a tree.
 *
 * A document belongs to the arena of its call. Any thread.
 */
#include "json/json.h"

#include <jansson.h>
#include <limits.h>

struct depth_scan {
	int depth, line, column, values; /* at least as many as there are, without the outermost */
	bool in_string, escaped;
};

static void free_document(void *root)
{
	json_decref(root);
}

/* Moves over one byte; brackets inside strings do not count. */
static void depth_step(struct depth_scan *d, char c)
{
	d->column++;
	if (d->in_string) {
		bool ends = c == '"' && !d->escaped;

		d->escaped = c == '\\' && !d->escaped;
		d->in_string = !ends;
	} else if (c == '"') {
		d->in_string = true;
	} else if (c == '[' || c == '{') {
		d->depth++;
		d->values++;
	} else if (c == ',') {
		d->values++;
	} else if (c == ']' || c == '}') {
		d->depth--;
	}
	if (c == '\n') {
		d->line++;
		d->column = 0;
	}
}

/* jansson's own limit of depth (2048) is fixed when it is built; it has none of values, of which one takes two bytes of
 * text and up to some hundred of memory. */
static bool check_size(struct call *c, struct str text, int values)
{
	struct depth_scan d = {.line = 1};

	for (size_t i = 0; i < text.n; i++) {
		depth_step(&d, text.p[i]);
		if (d.depth > JSON_MAX_DEPTH)
			return fail(c, ERR_INVALID_JSON, "line %d, column %d: nested deeper than %d levels", d.line,
			            d.column, JSON_MAX_DEPTH);
		if (d.values > values)
			return fail(c, ERR_INVALID_JSON, "line %d, column %d: more than %d values", d.line, d.column, values);
	}
	return true;
}

static bool read_within(struct call *c, struct str text, int values, const json_node **ret)
{
	json_error_t e;
	json_t *root;

	if (!check_size(c, text, values))
		return false;
	root = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
	if (!root && json_error_code(&e) == json_error_numeric_overflow)
		return fail(c, ERR_INVALID_FIELD, "line %d, column %d: %s", e.line, e.column, e.text);
	if (!root)
		return fail(c, ERR_INVALID_JSON, "line %d, column %d: %s", e.line, e.column, e.text);
	arena_defer(c->arena, free_document, root);
	*ret = root;
	return true;
}

static bool read_object(struct call *c, struct str text, int values, const json_node **ret)
{
	const json_node *root;

	if (!read_within(c, text, values, &root))
		return false;
	if (!json_is_object(root))
		return fail(c, ERR_INVALID_JSON, "line 1, column 1: the document must be an object");
	*ret = root;
	return true;
}

bool json_read(struct call *c, struct str text, const json_node **ret)
{
	return read_within(c, text, INT_MAX, ret);
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

enum json_kind json_kind(const json_node *n)
{
	switch (json_typeof(n)) {
	case JSON_OBJECT:
		return JSON_KIND_OBJECT;
	case JSON_ARRAY:
		return JSON_KIND_ARRAY;
	case JSON_STRING:
		return JSON_KIND_TEXT;
	case JSON_INTEGER:
		return JSON_KIND_INT;
	case JSON_REAL:
		return JSON_KIND_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_KIND_BOOL;
	case JSON_NULL:
		break;
	}
	return JSON_KIND_NULL;
}

const json_node *json_get(const json_node *object, const char *key)
{
	return json_object_get(object, key);
}

size_t json_count(const json_node *n)
{
	return json_is_array(n) ? json_array_size(n) : json_object_size(n);
}

const json_node *json_at(const json_node *array, size_t i)
{
	return json_array_get(array, i);
}

struct str json_text(const json_node *n)
{
	return str_from(json_string_value(n), json_string_length(n));
}

int64_t json_int(const json_node *n)
{
	return json_integer_value(n);
}

double json_number(const json_node *n)
{
	return json_number_value(n);
}

bool json_bool(const json_node *n)
{
	return json_is_true(n);
}

bool json_each(const json_node *object, void **it, struct str *ret_key, const json_node **ret_value)
{
	json_t *o = (json_t *)(uintptr_t)object; /* jansson's iterators are not const */

	*it = *it ? json_object_iter_next(o, *it) : json_object_iter(o);
	if (!*it)
		return false;
	*ret_key = str_of(json_object_iter_key(*it)); /* jansson refuses NUL in keys */
	*ret_value = json_object_iter_value(*it);
	return true;
}

/* The member, or NULL when it is absent or null. */
static const json_node *member(const json_node *o, const char *key)
{
	const json_node *n = json_object_get(o, key);

	return json_is_null(n) ? NULL : n;
}

bool json_want_text(struct call *c, const json_node *o, const char *key, struct str *ret)
{
	const json_node *n = member(o, key);

	if (!n)
		return true;
	if (!json_is_string(n))
		return fail(c, ERR_INVALID_FIELD, "%s must be a string", key);
	*ret = json_text(n);
	return true;
}

bool json_want_int(struct call *c, const json_node *o, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	const json_node *n = member(o, key);

	if (!n)
		return true;
	if (!json_is_integer(n))
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
	if (!json_is_boolean(n))
		return fail(c, ERR_INVALID_FIELD, "%s must be true or false", key);
	*ret = json_is_true(n);
	return true;
}

bool json_want_time(struct call *c, const json_node *o, const char *key, int64_t *ret_wall_ms)
{
	const json_node *n = member(o, key);

	return !n || (json_is_string(n) && clock_parse_rfc3339(json_text(n), ret_wall_ms)) ||
	       fail(c, ERR_INVALID_FIELD, "%s must be a time, as RFC 3339 has it", key);
}

bool json_want_texts(struct call *c, const json_node *o, const char *key, int max, const struct str **ret, int *ret_n)
{
	const json_node *list = member(o, key);
	size_t n = list ? json_count(list) : 0;
	struct str *v;

	if (!list)
		return true;
	if (!json_is_array(list) || n > (size_t)max)
		return fail(c, ERR_INVALID_FIELD, "%s must be an array of at most %d strings", key, max);
	v = ARENA_ARRAY(c->arena, struct str, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (!json_is_string(json_at(list, i)))
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
