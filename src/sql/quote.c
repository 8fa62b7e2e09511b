/* quote.c - names and literals between their text and their meaning. */
#include "sql/sql_int.h"

static void quote(struct buf *b, struct str s, char mark)
{
	char *to = buf_room(b, s.n * 2 + 2);

	if (!to)
		return;
	*to++ = mark;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == mark)
			*to++ = mark;
		*to++ = s.p[i];
	}
	*to++ = mark;
	b->n = (size_t)(to - b->p);
}

void sql_quote_name(struct buf *b, struct str name)
{
	quote(b, name, '"');
}

void sql_quote_literal(struct buf *b, struct str value)
{
	quote(b, value, '\'');
}

/* Halves the doubled quotes of a body. */
static struct str undouble(struct arena *a, struct str body, char mark)
{
	char *p;
	size_t n = 0;

	if (str_find(body, mark) == body.n)
		return body;
	p = arena_alloc(a, body.n);
	for (size_t i = 0; i < body.n; i++) {
		p[n++] = body.p[i];
		if (body.p[i] == mark)
			i++;
	}
	return str_from(p, n);
}

struct str sql_name_of(struct arena *a, enum sql_dialect d, const struct sql_token *t)
{
	char *p;

	INVARIANT(t->kind == SQL_WORD || t->kind == SQL_QUOTED);
	if (t->kind == SQL_QUOTED)
		return undouble(a, str_from(t->text.p + 1, t->text.n - 2), '"');
	if (d == SQL_DUCKDB)
		return t->text;
	p = arena_alloc(a, t->text.n + 1);
	for (size_t i = 0; i < t->text.n; i++)
		p[i] = ascii_upper(t->text.p[i]);
	return str_from(p, t->text.n);
}

static char *put_utf8(char *to, unsigned v)
{
	if (v < 0x80) {
		*to++ = (char)v;
	} else if (v < 0x800) {
		*to++ = (char)(0xC0 | v >> 6);
		*to++ = (char)(0x80 | (v & 0x3F));
	} else {
		*to++ = (char)(0xE0 | v >> 12);
		*to++ = (char)(0x80 | (v >> 6 & 0x3F));
		*to++ = (char)(0x80 | (v & 0x3F));
	}
	return to;
}

/* \ooo, \xhh or \uhhhh at s; 0 when it is none of them. */
static size_t numeric_escape(struct str s, unsigned *ret)
{
	size_t want = s.n > 1 && s.p[1] == 'u' ? 4 : 2, i;
	bool octal = s.n > 1 && s.p[1] >= '0' && s.p[1] <= '7';
	unsigned v = 0;

	if (!octal && !(s.n > 1 && (s.p[1] == 'x' || s.p[1] == 'u')))
		return 0;
	if (octal) {
		for (i = 1; i < 4 && i < s.n && s.p[i] >= '0' && s.p[i] <= '7'; i++)
			v = v * 8 + (unsigned)(s.p[i] - '0');
		*ret = v & 0xFF;
		return i;
	}
	for (i = 2; i < 2 + want; i++) {
		if (i >= s.n || ascii_hex(s.p[i]) < 0)
			return 0;
		v = v * 16 + (unsigned)ascii_hex(s.p[i]);
	}
	*ret = v;
	return i;
}

static char plain_escape(char c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *hit = c ? strchr(from, c) : NULL;

	return hit ? to[hit - from] : c;
}

/* Doubled quotes and backslashes of a quoted string. An escape never grows. */
static struct str unescape(struct arena *a, struct str body)
{
	char *p = arena_alloc(a, body.n + 1), *to = p;
	unsigned v;

	for (size_t i = 0; i < body.n; i++) {
		size_t n = body.p[i] == '\\' ? numeric_escape(str_tail(body, i), &v) : 0;

		if (n > 0) {
			to = put_utf8(to, v);
			i += n - 1;
		} else if (body.p[i] == '\\' && i + 1 < body.n) {
			*to++ = plain_escape(body.p[++i]);
		} else {
			*to++ = body.p[i];
			i += body.p[i] == '\'';
		}
	}
	return str_from(p, (size_t)(to - p));
}

struct str string_value(struct arena *a, enum sql_dialect d, struct str text)
{
	size_t tag;
	bool prefixed;

	INVARIANT(text.n >= 2);
	if (text.p[0] == '$') {
		tag = str_find(str_tail(text, 1), '$') + 2;
		return str_from(text.p + tag, text.n - 2 * tag);
	}
	prefixed = text.p[0] != '\'';
	if (d == SQL_SNOWFLAKE ? !prefixed : ascii_lower(text.p[0]) == 'e')
		return unescape(a, str_from(text.p + 1 + prefixed, text.n - 2 - prefixed));
	return undouble(a, str_from(text.p + 1 + prefixed, text.n - 2 - prefixed), '\'');
}
