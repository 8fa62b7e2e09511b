/* table.c - aligned columns for people. Widths are those of most terminals for
 * most scripts; no locale is asked. A cell cannot move the cursor.
 */
#include "cli/cli_int.h"

#include <stdlib.h>

struct table_cell {
	size_t at, n; /* in text */
	size_t width; /* in columns of a terminal */
};

struct code_range {
	unsigned first, last;
};

static bool in_ranges(const struct code_range *r, size_t n, unsigned code)
{
	for (size_t i = 0; i < n; i++)
		if (code >= r[i].first && code <= r[i].last)
			return true;
	return false;
}

static size_t code_width(unsigned code)
{
	static const struct code_range none[] = {{0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
	static const struct code_range wide[] = {
		{0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0xFE30, 0xFE6F},
		{0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF},
		{0x20000, 0x3FFFD}};

	if (code < 0x300)
		return 1;
	if (in_ranges(none, COUNT_OF(none), code))
		return 0;
	return in_ranges(wide, COUNT_OF(wide), code) ? 2 : 1;
}

/* The character at the front of s, which is UTF-8. */
static unsigned decode(struct str s, size_t *ret_n)
{
	unsigned char lead = (unsigned char)s.p[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	unsigned code = n == 1 ? lead : lead & (0xFFU >> (n + 1));

	for (size_t i = 1; i < n; i++)
		code = code << 6 | ((unsigned char)s.p[i] & 0x3F);
	*ret_n = n;
	return code;
}

static bool is_control(unsigned code)
{
	return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
	       (code >= 0x2066 && code <= 0x2069);
}

static void add_control(struct buf *b, unsigned code)
{
	if (code == '\n')
		buf_lit(b, "\\n");
	else if (code == '\t')
		buf_lit(b, "\\t");
	else if (code < 0x100)
		buf_fmt(b, "\\x%02x", code);
	else
		buf_fmt(b, "\\u%04x", code);
}

/* Appends the cell as a terminal may see it; its width. */
size_t table_add_visible(struct buf *b, struct str cell)
{
	size_t width = 0;

	while (cell.n) {
		size_t before = b->n, n;
		unsigned code = decode(cell, &n);

		if (is_control(code)) {
			add_control(b, code);
			width += b->n - before;
		} else {
			buf_add(b, str_head(cell, n));
			width += code_width(code);
		}
		cell = str_tail(cell, n);
	}
	return width;
}

void table_open(struct table *t, int columns)
{
	*t = (struct table){.columns = columns, .right = base_zalloc((size_t)columns + 1)};
}

void table_drop(struct table *t)
{
	free(t->right);
	free(t->cells);
	buf_drop(&t->text);
}

void table_add(struct table *t, struct str cell)
{
	struct table_cell *to;

	if (t->ncells == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = base_realloc(t->cells, t->cap * sizeof(*t->cells));
	}
	to = &t->cells[t->ncells++];
	to->at = t->text.n;
	to->width = table_add_visible(&t->text, str_is_utf8(cell) ? cell : S("(not UTF-8)"));
	to->n = t->text.n - to->at;
}

static size_t *measure(const struct table *t)
{
	size_t *widths = base_zalloc(sizeof(*widths) * ((size_t)t->columns + 1));

	for (size_t i = 0; i < t->ncells; i++) {
		size_t *w = &widths[i % (size_t)t->columns];

		if (t->cells[i].width > *w)
			*w = t->cells[i].width;
	}
	return widths;
}

static void pad(FILE *to, char c, size_t n)
{
	while (n--)
		fputc(c, to);
}

static void print_cell(const struct table *t, FILE *to, size_t i, size_t width)
{
	const struct table_cell *cell = &t->cells[i];
	bool right = t->right[i % (size_t)t->columns], last = (i + 1) % (size_t)t->columns == 0;

	if (right)
		pad(to, ' ', width - cell->width);
	fwrite(t->text.p + cell->at, 1, cell->n, to);
	if (!right && !last)
		pad(to, ' ', width - cell->width);
	fputs(last ? "\n" : " | ", to);
}

static void print_rule(const struct table *t, FILE *to, const size_t *widths)
{
	for (int i = 0; i < t->columns; i++) {
		pad(to, '-', widths[i] + (i > 0));
		fputs(i + 1 == t->columns ? "\n" : "-+", to);
	}
}

void table_print(const struct table *t, FILE *to)
{
	size_t columns = (size_t)t->columns;
	size_t *widths;

	if (columns == 0)
		return;
	widths = measure(t);
	for (size_t i = 0; i < t->ncells; i++) {
		print_cell(t, to, i, widths[i % columns]);
		if (i + 1 == columns)
			print_rule(t, to, widths);
	}
	free(widths);
}
