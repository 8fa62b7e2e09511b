/* json.c - JSON text laid out anew, value by value, without a tree.
 *
 * Numbers and strings keep their bytes, members their order. Pure; any thread.
 */
#include "rows/rows_int.h"

struct layout {
	struct str in; /* what is left */
	struct convert_layout how;
	struct buf *out;
	int depth;
};

static bool put_value(struct layout *l);

static void skip_space(struct layout *l)
{
	size_t n = 0;

	while (n < l->in.n && (l->in.p[n] == ' ' || l->in.p[n] == '\n' || l->in.p[n] == '\t' || l->in.p[n] == '\r'))
		n++;
	l->in = str_tail(l->in, n);
}

/* The next byte that is not white space, or 0. */
static char next(struct layout *l)
{
	skip_space(l);
	return l->in.n ? l->in.p[0] : '\0';
}

static bool take(struct layout *l, char c)
{
	if (next(l) != c)
		return false;
	l->in = str_tail(l->in, 1);
	return true;
}

static void put_line(struct layout *l)
{
	if (!l->how.pretty)
		return;
	buf_addc(l->out, '\n');
	for (int i = 0; i < l->depth; i++)
		buf_lit(l->out, "  ");
}

static bool copy(struct layout *l, size_t n)
{
	buf_add(l->out, str_head(l->in, n));
	l->in = str_tail(l->in, n);
	return true;
}

/* Bytes of the escape behind a backslash; 0 = it is none. */
static size_t escape_len(struct str s)
{
	if (s.n == 0 || s.p[0] == '\0')
		return 0;
	if (s.p[0] != 'u')
		return strchr("\"\\/bfnrt", s.p[0]) ? 1 : 0;
	if (s.n < 5)
		return 0;
	for (int i = 1; i < 5; i++)
		if (!ascii_digit(s.p[i]) && (ascii_lower(s.p[i]) < 'a' || ascii_lower(s.p[i]) > 'f'))
			return 0;
	return 5;
}

/* Bytes of the string at the front, with its quotes; 0 = there is none. */
static size_t string_len(struct layout *l)
{
	size_t i = 1;

	if (next(l) != '"')
		return 0;
	while (i < l->in.n && l->in.p[i] != '"') {
		size_t escape = l->in.p[i] == '\\' ? escape_len(str_tail(l->in, i + 1)) : 0;

		if ((unsigned char)l->in.p[i] < 0x20 || (l->in.p[i] == '\\' && escape == 0))
			return 0;
		i += 1 + escape;
	}
	return i < l->in.n ? i + 1 : 0;
}

static bool put_string(struct layout *l)
{
	size_t n = string_len(l);

	return n && copy(l, n);
}

static bool scalar_byte(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '+' || c == '.';
}

/* The number or word at the front; empty when there is none. */
static struct str scalar(struct layout *l)
{
	size_t n = 0;

	skip_space(l);
	while (n < l->in.n && scalar_byte(l->in.p[n]))
		n++;
	return str_head(l->in, n);
}

static bool put_scalar(struct layout *l)
{
	struct str s = scalar(l);

	if (str_eq(s, S("true")) || str_eq(s, S("false")) || str_eq(s, S("null")) || json_is_number(s))
		return copy(l, s.n);
	return false;
}

static bool put_leaf(struct layout *l)
{
	bool quoted = next(l) == '"';
	size_t n = quoted ? string_len(l) : scalar(l).n;
	struct str raw = str_head(l->in, n);

	if (!l->how.leaf || str_eq(raw, S("null")))
		return quoted ? put_string(l) : put_scalar(l);
	l->in = str_tail(l->in, n);
	if (quoted && n)
		raw = str_from(raw.p + 1, n - 2);
	return n && l->how.leaf(l->how.arg, raw, quoted, l->out);
}

/* --- arrays --- */
static bool take_null(struct layout *l, struct str word)
{
	struct str s = scalar(l);

	if (!str_eq(s, word))
		return false;
	l->in = str_tail(l->in, s.n);
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
	copy(l, 1);
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
	struct layout l = {json, layout, out, 0};

	return put_value(&l) && next(&l) == '\0' && l.in.n == 0 && buf_ok(out);
}
