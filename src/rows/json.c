/* json.c - JSON text laid out anew, value by value, without a tree.
 *
 * Numbers and strings keep their bytes, members their order. Pure; any thread.
 */
#include "rows/rows_int.h"

struct layout {
	struct json_scan in;
	struct convert_layout how;
	struct buf *out;
	int depth;
};

static bool put_value(struct layout *l);

/* The next byte that is not white space, or 0. */
static char next(struct layout *l)
{
	json_scan_space(&l->in);
	return l->in.p < l->in.end ? *l->in.p : '\0';
}

static bool take(struct layout *l, char c)
{
	return json_scan_take(&l->in, c);
}

static void put_line(struct layout *l)
{
	if (!l->how.pretty)
		return;
	buf_addc(l->out, '\n');
	for (int i = 0; i < l->depth; i++)
		buf_lit(l->out, "  ");
}

/* With its quotes; empty: it is none. */
static struct str take_string(struct layout *l)
{
	const char *from = l->in.p;
	struct str inside;

	if (!take(l, '"') || !json_scan_string(&l->in, &inside))
		return S("");
	return str_from(from, (size_t)(l->in.p - from));
}

static bool put_string(struct layout *l)
{
	struct str s = next(l) == '"' ? take_string(l) : S("");

	buf_add(l->out, s);
	return s.n;
}

static bool scalar_byte(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '+' || c == '.';
}

/* The number or word at the front; empty when there is none. */
static struct str scalar(struct layout *l)
{
	const char *p = l->in.p;

	while (p < l->in.end && scalar_byte(*p))
		p++;
	return str_from(l->in.p, (size_t)(p - l->in.p));
}

static bool is_scalar(struct str s)
{
	return str_eq(s, S("true")) || str_eq(s, S("false")) || str_eq(s, S("null")) || json_is_number(s);
}

static bool put_leaf(struct layout *l)
{
	bool quoted = next(l) == '"';
	struct str raw = quoted ? take_string(l) : scalar(l);

	if (!raw.n)
		return false;
	if (!quoted)
		l->in.p += raw.n;
	if (!l->how.leaf || str_eq(raw, S("null"))) {
		buf_add(l->out, raw);
		return quoted || is_scalar(raw);
	}
	if (quoted)
		raw = str_from(raw.p + 1, raw.n - 2);
	return l->how.leaf(l->how.arg, raw, quoted, l->out);
}

/* --- arrays --- */
static bool take_null(struct layout *l, struct str word)
{
	struct str s;

	json_scan_space(&l->in);
	s = scalar(l);
	if (!str_eq(s, word))
		return false;
	l->in.p += s.n;
	return true;
}

static bool put_element(struct layout *l)
{
	if (l->how.undefined && take_null(l, l->how.pretty ? S("null") : S("undefined"))) {
		buf_add(l->out, l->how.pretty ? S("undefined") : S("null"));
		return true;
	}
	return put_value(l);
}

static bool put_elements(struct layout *l)
{
	do {
		put_line(l);
		if (!put_element(l))
			return false;
		if (next(l) == ',')
			buf_addc(l->out, ',');
	} while (take(l, ','));
	l->depth--;
	put_line(l);
	return take(l, ']');
}

/* --- objects --- */
static bool put_members(struct layout *l)
{
	do {
		put_line(l);
		if (!put_string(l) || !take(l, ':'))
			return false;
		buf_add(l->out, l->how.pretty ? S(": ") : S(":"));
		if (!put_value(l))
			return false;
		if (next(l) == ',')
			buf_addc(l->out, ',');
	} while (take(l, ','));
	l->depth--;
	put_line(l);
	return take(l, '}');
}

static bool put_bracketed(struct layout *l, bool (*inside)(struct layout *), char close)
{
	if (l->depth == CONVERT_DEPTH)
		return false;
	buf_addc(l->out, *l->in.p++);
	if (!take(l, close)) {
		l->depth++;
		if (!inside(l))
			return false;
	}
	buf_addc(l->out, close);
	return true;
}

static bool put_value(struct layout *l)
{
	switch (next(l)) {
	case '[':
		return put_bracketed(l, put_elements, ']');
	case '{':
		return put_bracketed(l, put_members, '}');
	default:
		return put_leaf(l);
	}
}

bool convert_json(struct str json, struct convert_layout layout, struct buf *out)
{
	struct layout l = {json_scan(json), layout, out, 0};

	return put_value(&l) && next(&l) == '\0' && l.in.p == l.in.end && buf_ok(out);
}
