/* rows_json.c - rows of JSON: one array of them, or one a line.
 *
 * RFC 8259 to the letter, in one pass. A row is an object, by names, or an
 * array, by places. Zeros behind the buffer's end stop every loop, so no byte is
 * asked for before it is looked at; a zero is in no JSON text.
 */
#include "engine/worker/rows_int.h"

#include <endian.h>

enum { AT_START, AT_FIRST, AT_NEXT, BEHIND };
#define EACH_BYTE(c) (0x0101010101010101ULL * (c))

struct cursor {
	struct rows *r;
	const char *p, *end;
};

static enum rows_step value(struct cursor *k, int depth, struct rows_cell *ret);

static bool at_end(const struct cursor *k)
{
	return k->p >= k->end;
}

/* Something else than what has to be there; maybe it has not come yet. */
static enum rows_step expected(struct cursor *k, const char *what)
{
	if (at_end(k) && !k->r->complete)
		return STEP_SHORT;
	if (at_end(k))
		return rows_wrong(k->r, (struct str){NULL, 0}, "not JSON: the text ends where %s is expected", what);
	return rows_wrong(k->r, (struct str){NULL, 0}, "not JSON: %s is expected", what);
}

static void space(struct cursor *k)
{
	while (*k->p == ' ' || *k->p == '\t' || *k->p == '\r' || (*k->p == '\n' && !k->r->lines))
		k->p++;
}

static bool take(struct cursor *k, char c)
{
	if (*k->p != c)
		return false;
	k->p++;
	return true;
}

/* --- strings --- */
/* High bit of every byte that is a quote, a backslash or a control character; only the lowest is exact. */
static uint64_t marks(uint64_t w)
{
	uint64_t quote = w ^ EACH_BYTE('"'), backslash = w ^ EACH_BYTE('\\');
	uint64_t found = (w - EACH_BYTE(0x20)) & ~w;

	found |= (quote - EACH_BYTE(1)) & ~quote;
	found |= (backslash - EACH_BYTE(1)) & ~backslash;
	return found & EACH_BYTE(0x80);
}

/* The first marked byte from p on; the zeros behind the end are such. high: there may be bytes over 0x7F. */
static const char *first_mark(const char *p, uint64_t *high)
{
	for (;; p += 8) {
		uint64_t w, found;

		memcpy(&w, p, 8);
		w = le64toh(w);
		found = marks(w);
		*high |= w & EACH_BYTE(0x80);
		if (found)
			return p + __builtin_ctzll(found) / 8;
	}
}

static bool four_hex(const char *p)
{
	for (int i = 0; i < 4; i++)
		if (ascii_hex(p[i]) < 0)
			return false;
	return true;
}

/* At a backslash: moves behind what belongs to it. */
static enum rows_step skip_escape(struct cursor *k)
{
	if (k->p[1] && strchr("\"\\/bfnrt", k->p[1])) {
		k->p += 2;
		return STEP_OK;
	}
	if (k->end - k->p < 6 && !k->r->complete)
		return STEP_SHORT;
	if (k->p[1] != 'u' || !four_hex(k->p + 2))
		return rows_wrong(k->r, (struct str){NULL, 0}, "not JSON: a backslash with nothing it can escape");
	k->p += 6;
	return STEP_OK;
}

/* At a quote; ret_raw is what stands between the two. */
static enum rows_step string(struct cursor *k, struct str *ret_raw, bool *ret_escaped)
{
	const char *from = k->p + 1;
	uint64_t high = 0;

	*ret_escaped = false;
	for (k->p = first_mark(from, &high); *k->p != '"'; k->p = first_mark(k->p, &high)) {
		enum rows_step step;

		if (*k->p != '\\')
			return expected(k, "the end of a string, without control characters,");
		*ret_escaped = true;
		step = skip_escape(k);
		if (step != STEP_OK)
			return step;
	}
	*ret_raw = str_from(from, (size_t)(k->p - from));
	k->p++;
	if (high && !str_is_utf8(*ret_raw))
		return rows_wrong(k->r, (struct str){NULL, 0}, "the text is not UTF-8");
	return STEP_OK;
}

static unsigned hex4(const char *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v * 16 + (unsigned)ascii_hex(p[i]);
	return v;
}

static void put_utf8(struct buf *b, unsigned code)
{
	if (code < 0x80) {
		buf_addc(b, (char)code);
		return;
	}
	if (code < 0x800) {
		buf_addc(b, (char)(0xC0 | code >> 6));
	} else if (code < 0x10000) {
		buf_addc(b, (char)(0xE0 | code >> 12));
		buf_addc(b, (char)(0x80 | (code >> 6 & 0x3F)));
	} else {
		buf_addc(b, (char)(0xF0 | code >> 18));
		buf_addc(b, (char)(0x80 | (code >> 12 & 0x3F)));
		buf_addc(b, (char)(0x80 | (code >> 6 & 0x3F)));
	}
	buf_addc(b, (char)(0x80 | (code & 0x3F)));
}

/* Behind `\u`; false: half a pair. Moves *p. */
static bool put_code(struct buf *b, const char **p, const char *end)
{
	unsigned code = hex4(*p), low;

	*p += 4;
	if (code >= 0xD800 && code <= 0xDFFF) {
		if (code > 0xDBFF || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
			return false;
		low = hex4(*p + 2);
		if (low < 0xDC00 || low > 0xDFFF)
			return false;
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
		*p += 6;
	}
	put_utf8(b, code);
	return true;
}

static char unescaped(char c)
{
	static const char map[128] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

	return map[(unsigned char)c & 127] ? map[(unsigned char)c & 127] : c;
}

/* raw has been scanned: its escapes are whole. */
static enum rows_step unescape(struct cursor *k, struct str raw, struct str *ret)
{
	struct buf *b = &k->r->text;
	const char *p = raw.p, *end = raw.p + raw.n;

	buf_clear(b);
	while (p < end) {
		size_t n = str_find(str_from(p, (size_t)(end - p)), '\\');

		buf_add(b, str_from(p, n));
		p += n;
		if (p == end)
			break;
		p += 2;
		if (p[-1] != 'u')
			buf_addc(b, unescaped(p[-1]));
		else if (!put_code(b, &p, end))
			return rows_wrong(k->r, (struct str){NULL, 0}, "a \\u escape is half of a surrogate pair");
	}
	buf_addc(b, '\0');
	*ret = str_from(b->p, b->n - 1);
	return STEP_OK;
}

static enum rows_step text(struct cursor *k, struct str *ret)
{
	bool escaped;
	enum rows_step step = string(k, ret, &escaped);

	return step == STEP_OK && escaped ? unescape(k, *ret, ret) : step;
}

/* --- values --- */
static bool digits(struct cursor *k)
{
	const char *from = k->p;

	while (ascii_digit(*k->p))
		k->p++;
	return k->p > from;
}

static enum rows_step number(struct cursor *k)
{
	take(k, '-');
	if (!take(k, '0') && !digits(k))
		return expected(k, "a value");
	if (take(k, '.') && !digits(k))
		return expected(k, "a digit");
	if (take(k, 'e') || take(k, 'E')) {
		if (!take(k, '+'))
			take(k, '-');
		if (!digits(k))
			return expected(k, "a digit");
	}
	return at_end(k) && !k->r->complete ? STEP_SHORT : STEP_OK;
}

static enum rows_step word(struct cursor *k, const char *what)
{
	for (const char *w = what; *w; w++)
		if (!take(k, *w))
			return expected(k, what);
	return STEP_OK;
}

/* Behind the opening bracket of a nested value. */
static enum rows_step items(struct cursor *k, char close, int depth)
{
	struct rows_cell cell;
	enum rows_step step = STEP_OK;
	struct str key;
	bool escaped;

	space(k);
	if (take(k, close))
		return STEP_OK;
	for (;;) {
		if (close == '}') {
			step = *k->p == '"' ? string(k, &key, &escaped) : expected(k, "a member's name");
			space(k);
			if (step == STEP_OK && !take(k, ':'))
				step = expected(k, "':'");
			space(k);
		}
		if (step == STEP_OK)
			step = value(k, depth, &cell);
		if (step != STEP_OK)
			return step;
		space(k);
		if (take(k, close))
			return STEP_OK;
		if (!take(k, ','))
			return expected(k, close == '}' ? "',' or '}'" : "',' or ']'");
		space(k);
	}
}

static enum rows_step nested(struct cursor *k, int depth)
{
	char close = *k->p == '[' ? ']' : '}';

	if (depth == ROWS_MAX_DEPTH)
		return rows_wrong(k->r, (struct str){NULL, 0}, "nested deeper than %d levels", ROWS_MAX_DEPTH);
	k->p++;
	return items(k, close, depth + 1);
}

/* Only a cell's own text loses its escapes: what is nested stays as it was written. */
static enum rows_step value(struct cursor *k, int depth, struct rows_cell *ret)
{
	const char *from = k->p;
	enum rows_step step;
	bool escaped;

	switch (*from) {
	case '"':
		ret->kind = ROWS_TEXT;
		step = depth ? string(k, &ret->text, &escaped) : text(k, &ret->text);
		break;
	case '[':
	case '{':
		ret->kind = ROWS_NESTED;
		step = nested(k, depth);
		break;
	case 't':
		ret->kind = ROWS_TRUE;
		step = word(k, "true");
		break;
	case 'f':
		ret->kind = ROWS_FALSE;
		step = word(k, "false");
		break;
	case 'n':
		ret->kind = ROWS_NULL;
		step = word(k, "null");
		break;
	default:
		ret->kind = ROWS_NUMBER;
		step = number(k);
		break;
	}
	ret->raw = str_from(from, (size_t)(k->p - from));
	if (ret->kind != ROWS_TEXT)
		ret->text = ret->raw;
	return step;
}

static enum rows_step cell(struct cursor *k, int column)
{
	struct rows_cell c;
	enum rows_step step = value(k, 0, &c);

	/* The grammar's errors get the column that they are in. */
	if (step == STEP_BAD)
		rows_blame(k->r, k->r->names[column]);
	return step == STEP_OK ? rows_put_cell(k->r, column, &c) : step;
}

/* --- rows --- */
static bool guessed(struct cursor *k, int column)
{
	struct str name;

	if (column < 0 || !k->r->plain[column])
		return false;
	name = k->r->names[column];
	if ((size_t)(k->end - k->p) < name.n + 2 || k->p[name.n + 1] != '"' || memcmp(k->p + 1, name.p, name.n) != 0)
		return false;
	k->p += name.n + 2;
	return true;
}

/* At the quote of the i-th member's name. */
static enum rows_step name_of(struct cursor *k, int i, int *ret_column)
{
	struct rows *r = k->r;
	int column = i < r->ncolumns ? r->guess[i] : -1;
	enum rows_step step;
	struct str name;

	if (!guessed(k, column)) {
		step = text(k, &name);
		if (step != STEP_OK)
			return step;
		column = rows_column(r, name);
		if (column < 0)
			return rows_wrong(r, name, "the table has no such column");
		if (i < r->ncolumns)
			r->guess[i] = column;
	}
	if (r->seen[column] == r->attempt)
		return rows_wrong(r, r->names[column], "the column is given twice");
	r->seen[column] = r->attempt;
	*ret_column = column;
	return STEP_OK;
}

static enum rows_step member(struct cursor *k, int i)
{
	enum rows_step step;
	int column = 0;

	if (*k->p != '"')
		return expected(k, "a member's name");
	step = name_of(k, i, &column);
	if (step != STEP_OK)
		return step;
	space(k);
	if (!take(k, ':'))
		return expected(k, "':'");
	space(k);
	return cell(k, column);
}

static enum rows_step absent(struct cursor *k)
{
	static const struct rows_cell none = {.kind = ROWS_ABSENT};
	struct rows *r = k->r;
	enum rows_step step = STEP_OK;

	for (int i = 0; i < r->ncolumns && step == STEP_OK; i++)
		if (r->seen[i] != r->attempt)
			step = rows_put_cell(r, i, &none);
	return step;
}

static enum rows_step object(struct cursor *k)
{
	int given = 0;

	k->p++;
	space(k);
	if (take(k, '}'))
		return absent(k);
	for (;;) {
		enum rows_step step = member(k, given++);

		if (step != STEP_OK)
			return step;
		space(k);
		if (take(k, '}'))
			return given == k->r->ncolumns ? STEP_OK : absent(k);
		if (!take(k, ','))
			return expected(k, "',' or '}'");
		space(k);
	}
}

static enum rows_step too_few(struct cursor *k, int given)
{
	return rows_wrong(k->r, (struct str){NULL, 0}, "the row has %d fields, the table %d columns", given, k->r->ncolumns);
}

static enum rows_step array(struct cursor *k)
{
	int given = 0;

	k->p++;
	space(k);
	if (take(k, ']'))
		return too_few(k, 0);
	for (;;) {
		enum rows_step step;

		if (given == k->r->ncolumns)
			return rows_wrong(k->r, (struct str){NULL, 0}, "the row has more fields than the table's %d columns", given);
		step = cell(k, given++);
		if (step != STEP_OK)
			return step;
		space(k);
		if (take(k, ']'))
			return given == k->r->ncolumns ? STEP_OK : too_few(k, given);
		if (!take(k, ','))
			return expected(k, "',' or ']'");
		space(k);
	}
}

static enum rows_step row(struct cursor *k)
{
	if (*k->p == '{')
		return object(k);
	if (*k->p == '[')
		return array(k);
	return expected(k, "a row, an object or an array,");
}

static enum rows_step done(struct cursor *k, int phase)
{
	k->r->at = (size_t)(k->p - k->r->p);
	k->r->phase = phase;
	return STEP_OK;
}

/* Moves behind a row only when its sink has taken it. */
static enum rows_step row_done(struct cursor *k, int phase)
{
	enum rows_step step = rows_put_row(k->r);

	return step == STEP_OK ? done(k, phase) : step;
}

static void skip_mark(struct cursor *k)
{
	if (k->end - k->p >= 3 && memcmp(k->p, "\xEF\xBB\xBF", 3) == 0)
		k->p += 3;
}

static enum rows_step line_step(struct cursor *k)
{
	enum rows_step step;

	space(k);
	if (at_end(k))
		return k->r->complete ? STEP_END : STEP_SHORT;
	if (take(k, '\n'))
		return done(k, AT_NEXT);
	step = row(k);
	if (step != STEP_OK)
		return step;
	space(k);
	if (!take(k, '\n') && !(at_end(k) && k->r->complete))
		return expected(k, "the end of the line");
	return row_done(k, AT_NEXT);
}

static enum rows_step array_step(struct cursor *k)
{
	int phase = k->r->phase;
	enum rows_step step;

	space(k);
	if (phase == BEHIND)
		return at_end(k) ? (k->r->complete ? STEP_END : STEP_SHORT) : expected(k, "nothing behind the array");
	if (phase == AT_START)
		return take(k, '[') ? done(k, AT_FIRST) : expected(k, "an array of rows");
	if (phase == AT_FIRST && take(k, ']'))
		return done(k, BEHIND);
	if (phase == AT_NEXT) {
		if (take(k, ']'))
			return done(k, BEHIND);
		if (!take(k, ','))
			return expected(k, "',' or ']'");
		space(k);
	}
	step = row(k);
	return step == STEP_OK ? row_done(k, AT_NEXT) : step;
}

enum rows_step rows_json_step(struct rows *r)
{
	struct cursor k = {r, r->p + r->at, r->p + r->n};

	if (r->phase == AT_START) {
		if (k.end - k.p < 3 && !r->complete)
			return STEP_SHORT;
		skip_mark(&k);
	}
	return r->lines ? line_step(&k) : array_step(&k);
}
