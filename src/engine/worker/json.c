/* json.c - JSON text as cells hold it: on one line, or laid out as Snowflake does.
 *
 * DuckDB's JSON is a little more than JSON (NaN, trailing commas), and so is a
 * VARIANT's text (engine/functions/json.h: a letter before a string); what leaves
 * here is JSON. Numbers keep their digits, but for reals laid out as
 * Snowflake does: those have sixteen. Pure, any thread.
 */
#include "engine/json_text.h"
#include "json/json.h"

#include <stdlib.h>

enum { DEPTH_MAX = 200 };

struct walk {
	struct buf *out; /* NULL: only skips */
	struct json_scan in;
	enum json_style style;
	int depth;
};
struct member {
	struct str key, value;
};

static bool value(struct walk *w);

static void put(struct walk *w, struct str s)
{
	if (w->out)
		buf_add(w->out, s);
}

static void line(struct walk *w, int depth)
{
	if (!w->out || w->style != JSON_PRETTY)
		return;
	buf_addc(w->out, '\n');
	for (int i = 0; i < depth; i++)
		buf_lit(w->out, "  ");
}

/* With its quotes. */
static bool string(struct walk *w, struct str *ret)
{
	const char *start;
	struct str inside;

	if (!json_scan_take(&w->in, '"'))
		return false;
	start = w->in.p - 1;
	if (!json_scan_string(&w->in, &inside))
		return false;
	*ret = str_from(start, (size_t)(w->in.p - start));
	return true;
}

static bool is_word(struct str s, enum json_style style)
{
	return str_eq(s, S("true")) || str_eq(s, S("false")) || str_eq(s, S("null")) ||
	       (style == JSON_PRETTY && str_eq(s, S("undefined")));
}

static bool is_not_finite(struct str s)
{
	struct str size = s.n && s.p[0] == '-' ? str_tail(s, 1) : s;

	return str_ieq(size, S("nan")) || str_ieq(size, S("inf")) || str_ieq(size, S("infinity"));
}

enum { REAL_LEN = 40 };

/* 1.2345678901234567e+00 tells the number exactly; it is shown with fifteen digits behind the point. */
static void put_number(struct walk *w, struct str s)
{
	size_t point = str_find(s, '.'), e = str_find(s, 'e');
	char text[REAL_LEN];

	if (w->style != JSON_PRETTY || e == s.n || e < point + 17 || s.n >= sizeof(text)) {
		put(w, s);
		return;
	}
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (w->out)
		buf_fmt(w->out, "%.15e", strtod(text, NULL));
}

static bool scalar(struct walk *w)
{
	struct str s = {w->in.p, 0};

	while (w->in.p < w->in.end && (ascii_alpha(*w->in.p) || ascii_digit(*w->in.p) || strchr("+-.", *w->in.p)) && *w->in.p)
		w->in.p++;
	s.n = (size_t)(w->in.p - s.p);
	if (json_is_number(s)) {
		put_number(w, s);
		return true;
	}
	if (is_word(s, w->style)) {
		put(w, s);
		return true;
	}
	if (!is_not_finite(s))
		return false;
	put(w, S("\""));
	put(w, s);
	put(w, S("\""));
	return true;
}

static bool array(struct walk *w)
{
	bool any = false;

	put(w, S("["));
	while (!json_scan_take(&w->in, ']')) {
		if (any)
			put(w, S(","));
		line(w, w->depth);
		if (!value(w))
			return false;
		any = true;
		if (!json_scan_take(&w->in, ',')) {
			if (!json_scan_take(&w->in, ']'))
				return false;
			break;
		}
	}
	if (any)
		line(w, w->depth - 1);
	put(w, S("]"));
	return true;
}

static struct str between(struct str quoted)
{
	return str_from(quoted.p + 1, quoted.n - 2);
}

static int by_key(const void *a, const void *b)
{
	const struct member *l = a, *r = b;
	int c = str_cmp(between(l->key), between(r->key));

	return c != 0 ? c : (l->key.p > r->key.p) - (l->key.p < r->key.p);
}

/* Finds the members of the object without printing. */
static bool members(struct walk *w, struct buf *ret)
{
	struct buf *out = w->out;
	struct member m;

	w->out = NULL;
	while (!json_scan_take(&w->in, '}')) {
		if (!string(w, &m.key) || !json_scan_take(&w->in, ':'))
			return false;
		json_scan_space(&w->in);
		m.value.p = w->in.p;
		if (!value(w))
			return false;
		m.value.n = (size_t)(w->in.p - m.value.p);
		buf_add(ret, str_from((const char *)&m, sizeof(m)));
		if (!json_scan_take(&w->in, ',')) {
			if (!json_scan_take(&w->in, '}'))
				return false;
			break;
		}
	}
	w->out = out;
	return true;
}

static bool put_members(struct walk *w, const struct member *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct walk inner = {w->out, json_scan(v[i].value), w->style, w->depth};

		if (i)
			put(w, S(","));
		line(w, w->depth);
		put(w, v[i].key);
		put(w, w->style == JSON_PRETTY ? S(": ") : S(":"));
		if (!value(&inner))
			return false;
	}
	return true;
}

static bool sorted_object(struct walk *w)
{
	struct buf found = {0};
	size_t n;
	bool ok;

	put(w, S("{"));
	ok = members(w, &found);
	n = found.n / sizeof(struct member);
	if (ok && n) {
		qsort(found.p, n, sizeof(struct member), by_key);
		ok = put_members(w, (const struct member *)(const void *)found.p, n);
		line(w, w->depth - 1);
	}
	buf_drop(&found);
	put(w, S("}"));
	return ok;
}

static bool object(struct walk *w)
{
	bool any = false;
	struct str key;

	if (w->out && w->style == JSON_PRETTY)
		return sorted_object(w);
	put(w, S("{"));
	while (!json_scan_take(&w->in, '}')) {
		if (!string(w, &key) || !json_scan_take(&w->in, ':'))
			return false;
		if (any)
			put(w, S(","));
		put(w, key);
		put(w, S(":"));
		if (!value(w))
			return false;
		any = true;
		if (!json_scan_take(&w->in, ',')) {
			if (!json_scan_take(&w->in, '}'))
				return false;
			break;
		}
	}
	put(w, S("}"));
	return true;
}

static bool bracketed(struct walk *w, bool (*inside)(struct walk *))
{
	bool ok;

	w->in.p++;
	if (w->depth == DEPTH_MAX)
		return false;
	w->depth++;
	ok = inside(w);
	w->depth--;
	return ok;
}

static bool value(struct walk *w)
{
	struct str s;

	json_scan_space(&w->in);
	if (w->in.p == w->in.end)
		return false;
	if (*w->in.p == '{')
		return bracketed(w, object);
	if (*w->in.p == '[')
		return bracketed(w, array);
	if (ascii_alpha(*w->in.p) && w->in.p + 1 < w->in.end && w->in.p[1] == '"')
		w->in.p++;
	if (*w->in.p != '"')
		return scalar(w);
	if (!string(w, &s))
		return false;
	put(w, s);
	return true;
}

void put_json(struct buf *b, struct str json, enum json_style style)
{
	struct walk w = {b, json_scan(json), style, 0};
	size_t from = b->n;

	if (value(&w)) {
		json_scan_space(&w.in);
		if (w.in.p == w.in.end)
			return;
	}
	b->n = from;
	json_quote_utf8(b, json);
}
