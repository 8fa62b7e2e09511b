/* caret.c - a place in a text: which byte, which line, and the line with a caret under it.
 *
 * Tabs go to multiples of eight; a long line is shown around its place only.
 */
#include "cli/cli_int.h"

enum { TAB = 8, INDENT = 2, BEFORE_MAX = 100, BEHIND_MAX = 60 /* columns of a terminal */ };

static bool begins_character(char c)
{
	return ((unsigned char)c & 0xC0) != 0x80;
}

size_t caret_find(struct str text, int line, int column)
{
	size_t at = 0;

	for (int i = 1; i < line; i++) {
		size_t n = str_find(str_tail(text, at), '\n');

		if (at + n >= text.n)
			return SIZE_MAX;
		at += n + 1;
	}
	if (line < 1)
		return SIZE_MAX;
	for (int i = 1; i < column && at < text.n && text.p[at] != '\n'; i++) {
		at++;
		while (at < text.n && !begins_character(text.p[at]))
			at++;
	}
	return at;
}

size_t caret_nth(struct str text, int64_t position)
{
	size_t at = 0;

	for (int64_t i = 1; i < position && at < text.n; i++) {
		at++;
		while (at < text.n && !begins_character(text.p[at]))
			at++;
	}
	return at;
}

void caret_line_of(struct str text, size_t at, int *ret_line, int *ret_column)
{
	int line = 1, column = 1;

	for (size_t i = 0; i < at && i < text.n; i++) {
		if (text.p[i] == '\n') {
			line++;
			column = 1;
		} else if (begins_character(text.p[i])) {
			column++;
		}
	}
	*ret_line = line;
	*ret_column = column;
}

static size_t character(struct str s)
{
	size_t n = 1;

	while (n < s.n && !begins_character(s.p[n]))
		n++;
	return n;
}

/* One character of a line that is `width` columns wide so far; how many more it makes. */
static size_t add_character(struct buf *b, struct str one, size_t width)
{
	size_t n = TAB - width % TAB;

	if (one.p[0] != '\t')
		return table_add_visible(b, one);
	buf_fmt(b, "%*s", (int)n, "");
	return n;
}

/* A line that is cut into what stands before the place and the rest. */
struct shown {
	struct buf text;   /* of the whole line, so far */
	size_t width;
};

static void show_until(struct shown *s, struct str line, size_t until, size_t most)
{
	for (size_t i = 0; i < until && s->width < most;) {
		size_t n = character(str_tail(line, i));

		s->width += add_character(&s->text, str_from(line.p + i, n), s->width);
		i += n;
	}
}

/* From where on the line is shown, so that its place is not too far to the right. */
static size_t first_shown(struct str line, size_t place)
{
	struct shown before = {0};
	size_t from = 0;

	show_until(&before, line, place, SIZE_MAX);
	while (before.width > BEFORE_MAX && from < place) {
		size_t n = character(str_tail(line, from));
		struct buf one = {0};

		before.width -= add_character(&one, str_from(line.p + from, n), 0);
		buf_drop(&one);
		from += n;
	}
	buf_drop(&before.text);
	return from;
}

static void add_shown(struct buf *b, struct str line, size_t place)
{
	size_t from = first_shown(line, place), caret;
	struct shown s = {0};

	if (from) {
		buf_lit(&s.text, "… ");
		s.width = 2;
	}
	line = str_tail(line, from);
	place -= from;
	show_until(&s, line, place, SIZE_MAX);
	caret = s.width;
	line = str_tail(line, place);
	show_until(&s, line, line.n, caret + BEHIND_MAX);
	buf_fmt(b, "%*s%.*s\n%*s^\n", INDENT, "", SARG(buf_str(&s.text)), (int)(INDENT + caret), "");
	buf_drop(&s.text);
}

void caret_add(struct buf *b, struct str text, size_t at)
{
	size_t from = at < text.n ? at : text.n;
	struct str line;

	while (from > 0 && text.p[from - 1] != '\n')
		from--;
	line = str_tail(text, from);
	line = str_head(line, str_find(line, '\n'));
	if (str_ends(line, S("\r")))
		line.n--;
	if (str_is_utf8(line))
		add_shown(b, line, at - from < line.n ? at - from : line.n);
}
