/* parse.c - the text of a document as a tree of values in an arena.
 *
 * Strict: RFC 8259 and UTF-8; no member twice, no half pair of surrogates, no NUL in a key; whole numbers in 64 bits. Depth and
 * number of values are bounded while it reads. Not here: what is asked of the tree (read.c). Any thread.
 */
#include "json/json_int.h"

#include <math.h>
#include <stdlib.h>

struct parse {
	struct call *c;
	struct json_scan at;
	const char *begin;
	char *texts;     /* where the next string goes, terminated: all of them are no longer than the document */
	struct buf open; /* members and elements read so far of what is not closed, as struct json_member */
	int depth, values, most;
};

static bool read_value(struct parse *s, struct json_node *ret);

static bool wrong_as(const struct parse *s, enum err_kind kind, const char *why)
{
	const char *line = s->begin;
	int lines = 1;

	for (const char *p = s->begin; p < s->at.p; p++) {
		if (*p != '\n')
			continue;
		lines++;
		line = p + 1;
	}
	return fail(s->c, kind, "line %d, column %d: %s", lines, (int)(s->at.p - line) + 1, why);
}

static bool wrong(const struct parse *s, const char *why)
{
	return wrong_as(s, ERR_INVALID_JSON, why);
}

/* --- scalars --- */
static bool read_string(struct parse *s, struct str *ret)
{
	const char *from = s->at.p++;
	char *to = s->texts;
	bool half = false;
	struct str raw;

	if (!json_scan_string(&s->at, &raw))
		return wrong(s, s->at.p == s->at.end ? "a string without an end" : "a control character or a wrong escape in a string");
	s->texts = json_unescape_to(to, raw, &half);
	*s->texts++ = '\0';
	*ret = str_from(to, (size_t)(s->texts - 1 - to));
	if (!half && str_is_utf8(*ret))
		return true;
	s->at.p = from;
	return wrong(s, half ? "half a pair of surrogates in a string" : "a string that is not UTF-8");
}

static bool read_real(struct parse *s, struct str text, struct json_node *ret)
{
	ret->kind = JSON_KIND_REAL;
	ret->real = strtod(arena_cstr(s->c->arena, text), NULL);
	return !isinf(ret->real) || wrong_as(s, ERR_INVALID_FIELD, "a number that is too large");
}

static bool read_number(struct parse *s, struct json_node *ret)
{
	const char *from = s->at.p;
	struct str text;

	if (!json_scan_number(&s->at)) {
		s->at.p = from;
		return wrong(s, "a value expected");
	}
	text = str_from(from, (size_t)(s->at.p - from));
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '.' || text.p[i] == 'e' || text.p[i] == 'E')
			return read_real(s, text, ret);
	ret->kind = JSON_KIND_INT;
	return str_to_i64(text, &ret->whole) || wrong_as(s, ERR_INVALID_FIELD, "an integer of more than 64 bits");
}

/* --- arrays and objects --- */
static bool count_value(struct parse *s)
{
	if (s->values == s->most)
		return wrong(s, arena_fmt(s->c->arena, "more than %d values", s->most).p);
	s->values++;
	return true;
}

static bool enter(struct parse *s)
{
	if (s->depth == JSON_MAX_DEPTH)
		return wrong(s, arena_fmt(s->c->arena, "nested deeper than %d levels", JSON_MAX_DEPTH).p);
	s->depth++;
	if (!count_value(s))
		return false;
	s->at.p++;
	return true;
}

/* Behind a value: a comma, or the bracket that closes. */
static bool next(struct parse *s, char close, bool *ret_last)
{
	*ret_last = json_scan_take(&s->at, close);
	if (*ret_last)
		return true;
	if (s->at.p == s->at.end || *s->at.p != ',')
		return wrong(s, close == ']' ? "a comma or ] expected" : "a comma or } expected");
	if (!count_value(s))
		return false;
	s->at.p++;
	return true;
}

static size_t open_from(const struct parse *s, size_t from, const struct json_member **ret)
{
	*ret = s->open.n > from ? (const struct json_member *)(const void *)(s->open.p + from) : NULL;
	return (s->open.n - from) / sizeof(struct json_member);
}

static void add_open(struct parse *s, const struct json_member *m)
{
	buf_add(&s->open, str_from((const char *)m, sizeof(*m)));
}

static bool read_array(struct parse *s, struct json_node *ret)
{
	const size_t from = s->open.n;
	const struct json_member *v;
	struct json_node *elements;
	bool last;

	if (!enter(s))
		return false;
	for (last = json_scan_take(&s->at, ']'); !last;) {
		struct json_member m = {0};

		if (!read_value(s, &m.value))
			return false;
		add_open(s, &m);
		if (!next(s, ']', &last))
			return false;
	}
	ret->kind = JSON_KIND_ARRAY;
	ret->n = open_from(s, from, &v);
	elements = arena_alloc(s->c->arena, (ret->n + 1) * sizeof(*elements));
	for (size_t i = 0; i < ret->n; i++)
		elements[i] = v[i].value;
	ret->elements = elements;
	s->open.n = from;
	s->depth--;
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct json_member *const *l = a, *const *r = b;

	return str_cmp((*l)->key, (*r)->key);
}

/* A member that is there twice, or NULL. */
static const struct json_member *twice(struct arena *a, const struct json_member *v, size_t n)
{
	enum { FEW = 16 };
	const struct json_member **sorted;

	for (size_t i = 1; i < n && n <= FEW; i++)
		for (size_t k = 0; k < i; k++)
			if (str_eq(v[i].key, v[k].key))
				return &v[i];
	if (n <= FEW)
		return NULL;
	sorted = arena_alloc(a, n * sizeof(struct json_member *));
	for (size_t i = 0; i < n; i++)
		sorted[i] = &v[i];
	qsort(sorted, n, sizeof(struct json_member *), by_key);
	for (size_t i = 1; i < n; i++)
		if (str_eq(sorted[i]->key, sorted[i - 1]->key))
			return sorted[i];
	return NULL;
}

static bool read_member(struct parse *s, struct json_member *ret)
{
	json_scan_space(&s->at);
	if (s->at.p == s->at.end || *s->at.p != '"')
		return wrong(s, "the name of a member expected");
	if (!read_string(s, &ret->key))
		return false;
	if (memchr(ret->key.p, '\0', ret->key.n))
		return wrong(s, "a NUL in the name of a member");
	if (!json_scan_take(&s->at, ':'))
		return wrong(s, "a colon expected");
	return read_value(s, &ret->value);
}

static bool read_object(struct parse *s, struct json_node *ret)
{
	const size_t from = s->open.n;
	const struct json_member *v, *again;
	struct json_member *members;
	bool last;

	if (!enter(s))
		return false;
	for (last = json_scan_take(&s->at, '}'); !last;) {
		struct json_member m = {0};

		if (!read_member(s, &m))
			return false;
		add_open(s, &m);
		if (!next(s, '}', &last))
			return false;
	}
	ret->kind = JSON_KIND_OBJECT;
	ret->n = open_from(s, from, &v);
	again = twice(s->c->arena, v, ret->n);
	if (again)
		return wrong(s, arena_fmt(s->c->arena, "the member \"%.*s\" twice", SARG(str_head(again->key, 100))).p);
	members = arena_alloc(s->c->arena, (ret->n + 1) * sizeof(*members));
	if (ret->n)
		memcpy(members, v, ret->n * sizeof(*members));
	ret->members = members;
	s->open.n = from;
	s->depth--;
	return true;
}

static bool read_word(struct parse *s, struct str word, struct json_node value, struct json_node *ret)
{
	if (!str_starts(str_from(s->at.p, (size_t)(s->at.end - s->at.p)), word))
		return wrong(s, "a value expected");
	s->at.p += word.n;
	*ret = value;
	return true;
}

static bool read_value(struct parse *s, struct json_node *ret)
{
	struct str text;

	json_scan_space(&s->at);
	switch (s->at.p < s->at.end ? *s->at.p : '\0') {
	case '{':
		return read_object(s, ret);
	case '[':
		return read_array(s, ret);
	case '"':
		if (!read_string(s, &text))
			return false;
		*ret = (struct json_node){.kind = JSON_KIND_TEXT, .n = text.n, .text = text.p};
		return true;
	case 't':
		return read_word(s, S("true"), (struct json_node){.kind = JSON_KIND_BOOL, .yes = true}, ret);
	case 'f':
		return read_word(s, S("false"), (struct json_node){.kind = JSON_KIND_BOOL}, ret);
	case 'n':
		return read_word(s, S("null"), (struct json_node){.kind = JSON_KIND_NULL}, ret);
	default:
		return read_number(s, ret);
	}
}

bool json_parse(struct call *c, struct str text, int values, const json_node **ret)
{
	struct json_node *root = arena_zalloc(c->arena, sizeof(*root));
	struct parse s = {.c = c, .at = json_scan(text), .begin = text.p, .texts = arena_alloc(c->arena, text.n + 1), .most = values};
	bool ok = read_value(&s, root);

	json_scan_space(&s.at);
	if (ok && s.at.p != s.at.end)
		ok = wrong(&s, "more behind the document's end");
	buf_drop(&s.open);
	if (ok)
		*ret = root;
	return ok;
}
