/* json_parse.c - users' JSON into the text of a VARIANT; Snowflake's words for what is wrong with it.
 *
 * Taken beyond JSON, as Snowflake does: an element of an array that is not there ([1,,2] and [1,]) is undefined; control
 * characters in strings.
 */
#include "engine/functions/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOK_BACK = 32 /* members of an object compared with each other at once; more are when it ends */ };

struct member { /* places in out */
	size_t key, key_end, value, value_end, order;
};
struct parse {
	const char *start, *p, *end;
	struct buf *out;
	struct buf *members;  /* struct member, of all open objects */
	struct variant_error *error;
	bool last_wins;
	int depth;
};

static bool value(struct parse *s);

static bool wrong(struct parse *s, const char *what, struct str named)
{
	size_t pos = (size_t)(s->p - s->start) + 1;

	if (named.p)
		snprintf(s->error->text, sizeof(s->error->text), "%s \"%.*s\", pos %zu", what, SARG(str_head(named, 60)), pos);
	else
		snprintf(s->error->text, sizeof(s->error->text), "%s, pos %zu", what, pos);
	return false;
}
#define WRONG(s, what) wrong((s), (what), (struct str){NULL, 0})

static void space(struct parse *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static bool at_end(const struct parse *s)
{
	return s->p == s->end;
}

/* --- scalars --- */
static size_t escape_len(const char *p, const char *end)
{
	if (p == end || !*p)
		return 0;
	if (*p != 'u')
		return strchr("\"\\/bfnrt", *p) ? 1 : 0;
	for (int i = 1; i <= 4; i++)
		if (p + i >= end || ascii_hex(p[i]) < 0)
			return 0;
	return 5;
}

/* Out it goes with as few escapes as can be. */
static bool string(struct parse *s)
{
	const char *from = s->p++;
	bool escaped = false;
	struct buf room = {0};
	struct str raw;

	for (; !at_end(s) && *s->p != '"'; s->p++) {
		if (*s->p == '\\') {
			size_t n = escape_len(s->p + 1, s->end);

			if (n == 0)
				return WRONG(s, "invalid escape sequence");
			escaped = true;
			s->p += n;
		} else if ((unsigned char)*s->p < 0x20) {
			escaped = true;
		}
	}
	if (at_end(s))
		return WRONG(s, "unfinished string");
	s->p++;
	raw = str_from(from, (size_t)(s->p - from));
	if (!escaped)
		buf_add(s->out, raw);
	else
		variant_put_text(s->out, variant_text(raw, &room));
	buf_drop(&room);
	return true;
}

static bool digits(struct parse *s)
{
	const char *from = s->p;

	while (!at_end(s) && ascii_digit(*s->p))
		s->p++;
	return s->p > from;
}

static bool number(struct parse *s)
{
	const char *from = s->p;
	bool ok;

	s->p += *s->p == '-';
	ok = digits(s);
	if (ok && !at_end(s) && *s->p == '.') {
		s->p++;
		ok = digits(s);
	}
	if (ok && !at_end(s) && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (!at_end(s) && (*s->p == '+' || *s->p == '-'))
			s->p++;
		ok = digits(s);
	}
	if (!ok)
		return WRONG(s, "invalid number");
	variant_put_number(s->out, str_from(from, (size_t)(s->p - from)));
	return true;
}

static bool is_word(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool word(struct parse *s)
{
	struct str w = {s->p, 0};

	while (!at_end(s) && is_word(*s->p))
		s->p++;
	w.n = (size_t)(s->p - w.p);
	if (w.n == 0)
		return WRONG(s, "unexpected character");
	if (!str_eq(w, S("true")) && !str_eq(w, S("false")) && !str_eq(w, S("null")))
		return wrong(s, "unknown keyword", w);
	buf_add(s->out, w);
	return true;
}

/* --- brackets --- */
static bool array(struct parse *s)
{
	bool any = false;

	buf_addc(s->out, '[');
	for (;;) {
		space(s);
		if (at_end(s))
			return WRONG(s, "incomplete array value");
		if (*s->p == ']' && !any)
			break;
		if (*s->p == ',' || *s->p == ']')
			buf_lit(s->out, "undefined");
		else if (!value(s))
			return false;
		any = true;
		space(s);
		if (at_end(s))
			return WRONG(s, "incomplete array value");
		if (*s->p == ']')
			break;
		if (*s->p != ',')
			return WRONG(s, "missing comma");
		s->p++;
		buf_addc(s->out, ',');
	}
	s->p++;
	buf_addc(s->out, ']');
	return true;
}

static int by_key(const void *a, const void *b, void *arg)
{
	const struct member *l = a, *r = b;
	const char *base = arg;
	int c = str_cmp(str_from(base + l->key, l->key_end - l->key), str_from(base + r->key, r->key_end - r->key));

	return c ? c : (l->order > r->order) - (l->order < r->order);
}

static struct str key_of(const struct buf *out, const struct member *m)
{
	return str_from(out->p + m->key, m->key_end - m->key);
}

static bool in_order(const struct buf *out, const struct member *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (str_cmp(key_of(out, &v[i - 1]), key_of(out, &v[i])) >= 0)
			return false;
	return true;
}

/* Members stand in `out` from `from`, which is behind the bracket. The last of a name stays. */
static void rearrange(struct buf *out, size_t from, struct member *v, size_t n)
{
	OWNS(buf) old = {0};
	bool any = false;

	buf_add(&old, str_from(out->p, out->n));
	qsort_r(v, n, sizeof(*v), by_key, old.p);
	out->n = from;
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && str_eq(key_of(&old, &v[i]), key_of(&old, &v[i + 1])))
			continue;
		if (any)
			buf_addc(out, ',');
		any = true;
		buf_addc(out, '"');
		buf_add(out, key_of(&old, &v[i]));
		buf_lit(out, "\":");
		buf_add(out, str_from(old.p + v[i].value, v[i].value_end - v[i].value));
	}
}

/* Is the last member's name another's? */
static bool is_duplicate(struct parse *s, size_t first)
{
	const struct member *v = (const struct member *)(const void *)s->members->p;
	size_t n = s->members->n / sizeof(*v);

	for (size_t i = first; i + 1 < n; i++)
		if (str_eq(key_of(s->out, &v[i]), key_of(s->out, &v[n - 1])))
			return true;
	return false;
}

static struct member *last_member(struct parse *s)
{
	return (struct member *)(void *)(s->members->p + s->members->n) - 1;
}

static bool attribute(struct parse *s, size_t first, size_t order)
{
	struct member m = {.order = order};

	if (*s->p != '"')
		return WRONG(s, *s->p == ':' ? "misplaced colon" : *s->p == ',' ? "misplaced comma" : "object attribute name expected");
	m.key = s->out->n + 1;
	if (!string(s))
		return false;
	m.key_end = s->out->n - 1;
	buf_add(s->members, str_from((const char *)&m, sizeof(m)));
	if (!s->last_wins && order < LOOK_BACK && is_duplicate(s, first))
		return wrong(s, "duplicate object attribute", key_of(s->out, last_member(s)));
	return true;
}

static bool member(struct parse *s, size_t first, size_t order)
{
	if (!attribute(s, first, order))
		return false;
	space(s);
	if (at_end(s))
		return WRONG(s, "incomplete object value");
	if (*s->p != ':')
		return WRONG(s, "missing colon");
	s->p++;
	buf_addc(s->out, ':');
	last_member(s)->value = s->out->n;
	space(s);
	if (at_end(s))
		return WRONG(s, "incomplete object value");
	if (*s->p == ',' || *s->p == '}')
		return WRONG(s, "missing attribute value");
	if (!value(s))
		return false;
	last_member(s)->value_end = s->out->n;
	return true;
}

static bool members(struct parse *s, size_t first)
{
	for (size_t order = 0;; order++) {
		space(s);
		if (at_end(s))
			return WRONG(s, "incomplete object value");
		if (*s->p == '}' && order == 0)
			return true;
		if (!member(s, first, order))
			return false;
		space(s);
		if (at_end(s))
			return WRONG(s, "incomplete object value");
		if (*s->p == '}')
			return true;
		if (*s->p != ',')
			return WRONG(s, "missing comma");
		s->p++;
		buf_addc(s->out, ',');
	}
}

/* The members of `v` are sorted, or were in order. */
static bool no_duplicates(struct parse *s, struct member *v, size_t n)
{
	qsort_r(v, n, sizeof(*v), by_key, s->out->p);
	for (size_t i = 1; i < n; i++)
		if (str_eq(key_of(s->out, &v[i - 1]), key_of(s->out, &v[i])))
			return wrong(s, "duplicate object attribute", key_of(s->out, &v[i]));
	return true;
}

static bool object(struct parse *s)
{
	size_t first = s->members->n / sizeof(struct member), from = s->out->n + 1, n;
	struct member *v;
	bool ok = true;

	buf_addc(s->out, '{');
	s->p++;
	if (!members(s, first))
		return false;
	s->p++;
	n = s->members->n / sizeof(*v) - first;
	v = (struct member *)(void *)s->members->p + first;
	if (n > 1 && !in_order(s->out, v, n)) {
		ok = s->last_wins || n <= LOOK_BACK || no_duplicates(s, v, n);
		if (ok)
			rearrange(s->out, from, v, n);
	}
	s->members->n = first * sizeof(*v);
	buf_addc(s->out, '}');
	return ok;
}

static bool value(struct parse *s)
{
	bool ok;

	if (*s->p == '"')
		return string(s);
	if (ascii_digit(*s->p) || *s->p == '-')
		return number(s);
	if (*s->p != '[' && *s->p != '{')
		return *s->p == ']' || *s->p == '}' ? WRONG(s, "misplaced bracket") : word(s);
	if (s->depth == VARIANT_DEPTH)
		return WRONG(s, "document is nested too deep");
	s->depth++;
	if (*s->p == '{') {
		ok = object(s);
	} else {
		s->p++;
		ok = array(s);
	}
	s->depth--;
	return ok;
}

enum variant_parsed variant_parse(struct str json, bool last_wins, struct buf *out, struct variant_error *ret)
{
	OWNS(buf) open = {0};
	struct parse s = {json.p, json.p, json.p + json.n, out, &open, ret, last_wins, 0};
	size_t from = out->n;

	ret->text[0] = '\0';
	if (json.n > VARIANT_BYTES) {
		snprintf(ret->text, sizeof(ret->text), "document is too large, max size %d bytes", VARIANT_BYTES);
		return VARIANT_WRONG;
	}
	space(&s);
	if (at_end(&s))
		return VARIANT_EMPTY;
	if (value(&s)) {
		space(&s);
		if (at_end(&s))
			return VARIANT_PARSED;
		WRONG(&s, "more than one document in the input");
	}
	out->n = from;
	return VARIANT_WRONG;
}

void variant_sort_members(struct buf *out, size_t from)
{
	struct str key, item;
	OWNS(buf) found = {0};
	size_t order = 0;

	if (out->n - from < 2)
		return;
	for (struct variant_items it = variant_items(str_from(out->p + from, out->n - from)); variant_next(&it, &key, &item);) {
		struct member m = {(size_t)(key.p - out->p), (size_t)(key.p - out->p) + key.n, (size_t)(item.p - out->p),
				   (size_t)(item.p - out->p) + item.n, order++};

		buf_add(&found, str_from((const char *)&m, sizeof(m)));
	}
	if (order < 2 || in_order(out, (const struct member *)(const void *)found.p, order))
		return;
	rearrange(out, from + 1, (struct member *)(void *)found.p, order);
	buf_addc(out, '}');
}
