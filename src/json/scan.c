/* scan.c - walks rows of JSON text without building anything. Checks what it
 * walks over (a worker wrote it: input), except the inside of nested values,
 * of which only brackets and strings are followed. Any thread.
 */
#include "json/json_int.h"

static bool spoil(struct json_scan *s)
{
	s->bad = true;
	return false;
}

void json_scan_space(struct json_scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool at(const struct json_scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static bool take(struct json_scan *s, char c)
{
	if (!at(s, c))
		return false;
	s->p++;
	return true;
}

bool json_scan_take(struct json_scan *s, char c)
{
	json_scan_space(s);
	return take(s, c);
}

/* The four hex digits at p, or -1. */
static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = ascii_hex(p[i]);

		if (digit < 0)
			return -1;
		v = v * 16 + digit;
	}
	return v;
}

/* Behind a backslash. */
static bool skip_escape(struct json_scan *s)
{
	char c;

	if (s->p == s->end)
		return spoil(s);
	c = *s->p++;
	if (c == 'u') {
		if (hex4(s->p, s->end) < 0)
			return spoil(s);
		s->p += 4;
		return true;
	}
	return (c && strchr("\"\\/bfnrt", c)) || spoil(s);
}

bool json_scan_string(struct json_scan *s, struct str *ret_inside)
{
	const char *from = s->p;

	for (;;) {
		s->p += json_plain(s->p, s->end, 0);
		if (take(s, '"'))
			break;
		if (!take(s, '\\'))
			return spoil(s); /* the end, or a control character */
		if (!skip_escape(s))
			return false;
	}
	*ret_inside = str_from(from, (size_t)(s->p - 1 - from));
	return true;
}

static bool skip_digits(struct json_scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && ascii_digit(*s->p))
		s->p++;
	return s->p > from;
}

static bool skip_number(struct json_scan *s)
{
	take(s, '-');
	if (!take(s, '0') && !skip_digits(s))
		return spoil(s);
	if (take(s, '.') && !skip_digits(s))
		return spoil(s);
	if (!take(s, 'e') && !take(s, 'E'))
		return true;
	if (!take(s, '+'))
		take(s, '-');
	return skip_digits(s) || spoil(s);
}

/* At a nested value's opening bracket; moves behind the one that balances it. */
static bool skip_nested(struct json_scan *s)
{
	size_t depth = 0;
	struct str inside;

	do {
		char c;

		if (s->p == s->end)
			return spoil(s);
		c = *s->p++;
		if (c == '"' && !json_scan_string(s, &inside))
			return false;
		if (c == '[' || c == '{')
			depth++;
		else if (c == ']' || c == '}')
			depth--;
	} while (depth);
	return true;
}

bool json_is_number(struct str text)
{
	struct json_scan s = json_scan(text);

	return skip_number(&s) && s.p == s.end;
}

static bool skip_word(struct json_scan *s, struct str word)
{
	if (!str_starts(str_from(s->p, (size_t)(s->end - s->p)), word))
		return spoil(s);
	s->p += word.n;
	return true;
}

static bool skip_bare(struct json_scan *s)
{
	if (s->p == s->end)
		return spoil(s);
	switch (*s->p) {
	case '[':
	case '{':
		return skip_nested(s);
	case 'n':
		return skip_word(s, S("null"));
	case 't':
		return skip_word(s, S("true"));
	case 'f':
		return skip_word(s, S("false"));
	default:
		return skip_number(s);
	}
}

static bool scan_value(struct json_scan *s, struct json_cell *ret)
{
	struct json_cell cell = {.quoted = take(s, '"')};
	const char *from = s->p;

	if (cell.quoted) {
		if (!json_scan_string(s, &cell.raw))
			return false;
	} else {
		if (!skip_bare(s))
			return false;
		cell.raw = str_from(from, (size_t)(s->p - from));
		cell.null = *from == 'n';
	}
	*ret = cell;
	return true;
}

bool json_scan_row(struct json_scan *s)
{
	json_scan_space(s);
	if (s->bad || s->p == s->end)
		return false;
	return take(s, '[') || spoil(s);
}

/* At a row's `]`: behind it stands nothing, or a comma and the next row. */
static bool end_row(struct json_scan *s)
{
	s->p++;
	json_scan_space(s);
	if (s->p == s->end)
		return false;
	if (!take(s, ','))
		return spoil(s);
	json_scan_space(s);
	return at(s, '[') ? false : spoil(s);
}

bool json_scan_cell(struct json_scan *s, struct json_cell *ret)
{
	struct json_cell cell;

	if (s->bad)
		return false;
	json_scan_space(s);
	if (at(s, ']'))
		return end_row(s);
	if (!scan_value(s, &cell))
		return false;
	json_scan_space(s);
	if (take(s, ',')) {
		json_scan_space(s);
		if (at(s, ']'))
			return spoil(s);
	} else if (!at(s, ']')) {
		return spoil(s);
	}
	*ret = cell;
	return true;
}

static char *put_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xC0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xE0 | code >> 12);
		} else {
			*to++ = (char)(0xF0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3F));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3F));
	}
	*to++ = (char)(0x80 | (code & 0x3F));
	return to;
}

/* The character that \uXXXX at *p (behind the u) stands for, with its second
 * half when it is a pair; half a pair is U+FFFD, no hex the letter. Moves *p. */
static unsigned escaped_code(const char **p, const char *end)
{
	int high = hex4(*p, end), low = -1;

	if (high < 0)
		return 'u';
	*p += 4;
	if (high < 0xD800 || high > 0xDFFF)
		return (unsigned)high;
	if (high < 0xDC00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u')
		low = hex4(*p + 2, end);
	if (low < 0xDC00 || low > 0xDFFF)
		return 0xFFFD;
	*p += 6;
	return 0x10000 + ((unsigned)(high - 0xD800) << 10) + (unsigned)(low - 0xDC00);
}

static char unescaped(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

struct str json_unescape(struct arena *a, struct str raw)
{
	const char *p = raw.p, *end = raw.p + raw.n;
	char *text, *to;

	if (str_find(raw, '\\') == raw.n)
		return raw;
	to = text = arena_alloc(a, raw.n + 1); /* no escape is shorter than what it stands for */
	while (p < end) {
		if (*p != '\\' || end - p < 2) {
			*to++ = *p++;
			continue;
		}
		p += 2;
		if (p[-1] == 'u')
			to = put_utf8(to, escaped_code(&p, end));
		else
			*to++ = unescaped(p[-1]);
	}
	return str_from(text, (size_t)(to - text));
}
