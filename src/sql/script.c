/* script.c - psql scripts cut into statements and meta-commands, in one pass; never run.
 *
 * What ends a statement is psql's rule: a `;` outside of parentheses and of BEGIN … END in a CREATE FUNCTION or PROCEDURE.
 * Unlike psql, which learns from the server that a COPY wants rows, the words of the statement tell it here.
 */
#include "sql/script_int.h"

#include <limits.h>

enum { IFS_MAX = 64 };

struct splitter {
	struct call *c;
	struct script_lexer x;
	struct script_token t;
	struct buf pieces, uses, escapes; /* of struct script_piece, struct script_use, size_t */
	int npieces, nuses, nescapes;
	/* the last place that was asked for */
	size_t placed;
	int line, column;
	/* the statement that is open */
	bool open;
	size_t from, to;                /* its first token; behind its last one */
	int first_use, first_escape;
	int words;
	char first[4];                  /* letters of CREATE OR REPLACE FUNCTION among its first words, as psql keeps them */
	size_t parens, paren_at, begins, begin_at, brackets;
	bool subscript, operand, array; /* the last bracket is one; the token before is an operand; is the word ARRAY */
	enum { COPY_NONE, COPY_SEEN, COPY_FROM, COPY_STDIN } copy;
	/* \if */
	size_t ifs[IFS_MAX];
	bool elses[IFS_MAX];
	int nifs;
};

bool script_error(struct call *c, size_t at, const char *fmt, ...)
{
	va_list ap;
	struct str text;

	va_start(ap, fmt);
	text = arena_vfmt(c->arena, fmt, ap);
	va_end(ap);
	fail_at(c, ERR_SCRIPT, (int)at + 1, "%s", text.p);
	return fail_state(c, "42601", "");
}

void script_place(struct str text, size_t at, int *ret_line, int *ret_column)
{
	size_t mark = str_starts(text, S("\xEF\xBB\xBF")) ? 3 : 0;

	sql_line_column(str_tail(text, mark), at > mark ? at - mark : 0, ret_line, ret_column);
}

/* Rising: linear over the whole script. */
static void place(struct splitter *s, size_t at, struct script_piece *p)
{
	for (; s->placed < at; s->placed++) {
		char ch = s->x.text.p[s->placed];

		if (ch == '\n') {
			s->line++;
			s->column = 1;
		} else if (((unsigned char)ch & 0xC0) != 0x80) {
			s->column++;
		}
	}
	p->line = s->line;
	p->column = s->column;
}

static bool add_piece(struct splitter *s, struct script_piece *p)
{
	if (s->npieces == SCRIPT_PIECES_MAX)
		return script_error(s->c, p->at, "a script has at most %d statements", SCRIPT_PIECES_MAX);
	/* Counts for now; pointers when the lists do not move any more. */
	p->nuses = s->nuses - s->first_use;
	p->nescapes = s->nescapes - s->first_escape;
	s->first_use = s->nuses;
	s->first_escape = s->nescapes;
	buf_add(&s->pieces, str_from((const char *)p, sizeof(*p)));
	s->npieces++;
	return true;
}

static bool add_use(struct splitter *s, const struct script_use *use)
{
	if (s->nuses == SCRIPT_USES_MAX)
		return script_error(s->c, use->at, "a script uses variables in at most %d places", SCRIPT_USES_MAX);
	buf_add(&s->uses, str_from((const char *)use, sizeof(*use)));
	s->nuses++;
	return true;
}

/* --- rows --- */

/* The rows of a COPY begin on the line after it. */
static bool read_rows(struct splitter *s, struct script_piece *p)
{
	struct str text = s->x.text, rest, line;
	size_t at = s->x.at;

	while (at < text.n && text.p[at] != '\n' && script_blank(text.p[at]))
		at++;
	if (at + 1 < text.n && text.p[at] == '-' && text.p[at + 1] == '-')
		at += str_find(str_tail(text, at), '\n');
	if (at < text.n && text.p[at] != '\n')
		return script_error(s->c, at, "the rows of COPY begin on the next line: nothing may stand behind it here");
	rest = str_tail(text, at < text.n ? at + 1 : at);
	p->copy_in = true;
	p->data = str_from(rest.p, 0);
	while (rest.n) {
		line = str_head(rest, str_find(rest, '\n'));
		rest = str_tail(rest, line.n < rest.n ? line.n + 1 : line.n);
		if (str_eq(line, S("\\.")) || str_eq(line, S("\\.\r"))) {
			p->data.n = (size_t)(line.p - p->data.p);
			s->x.at = (size_t)(rest.p - text.p);
			return true;
		}
	}
	return script_error(s->c, p->at, "the rows of this COPY do not end: a line with only \\. is missing");
}

/* --- statements --- */

static void forget_statement(struct splitter *s)
{
	s->open = false;
	s->words = 0;
	memset(s->first, 0, sizeof(s->first));
	s->parens = s->begins = s->brackets = 0;
	s->subscript = s->operand = s->array = false;
	s->copy = COPY_NONE;
}

static struct script_piece statement(struct splitter *s)
{
	struct script_piece p = {.kind = SCRIPT_SQL, .at = s->from};

	p.text = str_from(s->x.text.p + s->from, s->to - s->from);
	place(s, s->from, &p);
	return p;
}

static bool end_statement(struct splitter *s)
{
	struct script_piece p;

	if (!s->open)
		return true;
	p = statement(s);
	if (s->copy == COPY_STDIN && !read_rows(s, &p))
		return false;
	forget_statement(s);
	return add_piece(s, &p);
}

/* psql's heuristic, to the letter: does the statement begin with CREATE [OR REPLACE] FUNCTION or PROCEDURE? */
static bool makes_routine(const struct splitter *s)
{
	const char *f = s->first;

	return f[0] == 'c' && (f[1] == 'f' || f[1] == 'p' || (f[1] == 'o' && f[2] == 'r' && (f[3] == 'f' || f[3] == 'p')));
}

static void count_begin(struct splitter *s)
{
	if (token_is(&s->x, &s->t, "begin")) {
		if (s->begins++ == 0)
			s->begin_at = s->t.at;
	} else if (token_is(&s->x, &s->t, "case")) {
		s->begins += s->begins > 0;
	} else if (token_is(&s->x, &s->t, "end")) {
		s->begins -= s->begins > 0;
	}
}

static void see_copy(struct splitter *s)
{
	const struct script_lexer *x = &s->x;

	if (s->copy == COPY_FROM)
		s->copy = token_is(x, &s->t, "stdin") || token_is(x, &s->t, "stdout") ? COPY_STDIN : COPY_NONE;
	else if (!s->open && token_is(x, &s->t, "copy"))
		s->copy = COPY_SEEN;
	else if (s->copy == COPY_SEEN && s->parens == 0 && token_is(x, &s->t, "from"))
		s->copy = COPY_FROM;
	else if (s->copy == COPY_SEEN && s->parens == 0 && token_is(x, &s->t, "to"))
		s->copy = COPY_NONE;
}

static void see_word(struct splitter *s)
{
	static const char *const words[] = {"create", "function", "procedure", "or", "replace", NULL};
	struct sql_token k = {.kind = SQL_WORD, .text = token_text(&s->x, &s->t)};

	if (s->words == 0)
		memset(s->first, 0, sizeof(s->first));
	if (s->words < (int)sizeof(s->first) && word_in(&k, words))
		s->first[s->words] = ascii_lower(k.text.p[0]);
	s->words++;
	if (s->parens == 0 && s->first[0] == 'c' && makes_routine(s))
		count_begin(s);
}

static void see_punct(struct splitter *s)
{
	switch (s->x.text.p[s->t.at]) {
	case '(':
		if (s->parens++ == 0)
			s->paren_at = s->t.at;
		break;
	case ')':
		s->parens -= s->parens > 0;
		break;
	case '[':
		s->brackets++;
		s->subscript = s->operand && !s->array;
		break;
	case ']':
		s->brackets -= s->brackets > 0;
		break;
	default:
		break;
	}
}

/* a[1:n] is a slice unless n is a variable; in ARRAY[:n] and in a[:n, …] nothing else makes sense. */
static bool see_variable(struct splitter *s)
{
	char before = s->t.at > s->from && s->open ? s->x.text.p[s->to - 1] : ' ';

	s->t.use.slice = s->brackets > 0 && (s->operand || (before == '[' && s->subscript));
	return add_use(s, &s->t.use);
}

static bool see_escaped(struct splitter *s)
{
	if (s->nescapes == SCRIPT_USES_MAX)
		return script_error(s->c, s->t.at, "too many escaped characters");
	buf_add(&s->escapes, str_from((const char *)&s->t.at, sizeof(s->t.at)));
	s->nescapes++;
	if (s->x.text.p[s->t.at + 1] == ';')
		s->words = 0;
	return true;
}

static bool see_token(struct splitter *s)
{
	enum script_token_kind kind = s->t.kind;
	bool ok = true;

	see_copy(s);
	if (!s->open) {
		s->open = true;
		s->from = s->t.at;
	}
	if (kind == PG_WORD)
		see_word(s);
	else if (kind == PG_PUNCT)
		see_punct(s);
	else if (kind == PG_VARIABLE)
		ok = see_variable(s);
	else if (kind == PG_ESCAPED)
		ok = see_escaped(s);
	s->array = token_is(&s->x, &s->t, "array");
	s->operand = (kind != PG_PUNCT && kind != PG_OPERATOR && kind != PG_ESCAPED) || token_punct(&s->x, &s->t, ')') ||
		     token_punct(&s->x, &s->t, ']');
	s->to = s->t.at + s->t.n;
	return ok;
}

/* --- meta-commands --- */

static const struct {
	struct str name;
	enum script_kind kind;
} commands[] = {
	{S_INIT("i"), SCRIPT_INCLUDE},
	{S_INIT("include"), SCRIPT_INCLUDE},
	{S_INIT("ir"), SCRIPT_INCLUDE_RELATIVE},
	{S_INIT("include_relative"), SCRIPT_INCLUDE_RELATIVE},
	{S_INIT("set"), SCRIPT_SET},
	{S_INIT("unset"), SCRIPT_UNSET},
	{S_INIT("echo"), SCRIPT_ECHO},
	{S_INIT("copy"), SCRIPT_COPY},
	{S_INIT("if"), SCRIPT_IF},
	{S_INIT("elif"), SCRIPT_ELIF},
	{S_INIT("else"), SCRIPT_ELSE},
	{S_INIT("endif"), SCRIPT_ENDIF},
};

static bool refuse_command(struct splitter *s, size_t at, struct str name)
{
	name = str_head(name, 40);
	if (!name.n)
		return script_error(s->c, at, "a backslash that begins no meta-command");
	fail_at(s->c, ERR_META_COMMAND, (int)at + 1, "the meta-command \\%.*s is not taken", SARG(name));
	return fail_state(s->c, "0A000", "");
}

static bool count_if(struct splitter *s, size_t at, enum script_kind kind)
{
	if (kind == SCRIPT_IF) {
		if (s->nifs == IFS_MAX)
			return script_error(s->c, at, "\\if goes at most %d deep", IFS_MAX);
		s->elses[s->nifs] = false;
		s->ifs[s->nifs++] = at;
		return true;
	}
	if (s->nifs == 0)
		return script_error(s->c, at, "no \\if is open here");
	if (kind == SCRIPT_ENDIF) {
		s->nifs--;
		return true;
	}
	if (s->elses[s->nifs - 1])
		return script_error(s->c, at, "after \\else only \\endif can follow");
	s->elses[s->nifs - 1] = kind == SCRIPT_ELSE;
	return true;
}

/* What follows a command's name; the scanner goes on behind it. */
static bool read_arguments(struct splitter *s, size_t at, struct str *ret)
{
	struct script_uses uses = {{0}};
	const struct script_use *use;
	size_t end;
	bool ok = true;

	if (!script_arguments_end(s->c, s->x.text, at, &uses, &end)) {
		buf_drop(&uses.v);
		return false;
	}
	use = (const struct script_use *)(const void *)uses.v.p;
	for (size_t i = 0; ok && i < uses.v.n / sizeof(*use); i++)
		ok = add_use(s, &use[i]);
	buf_drop(&uses.v);
	*ret = str_from(s->x.text.p + at, end - at);
	/* Two backslashes part a command from what follows it on its line. */
	if (end + 1 < s->x.text.n && s->x.text.p[end] == '\\' && s->x.text.p[end + 1] == '\\')
		end += 2;
	s->x.at = end;
	return ok;
}

static bool take_gset(struct splitter *s, size_t at)
{
	struct script_piece p;
	struct str prefix;
	size_t uses = 0;

	if (!s->open)
		return script_error(s->c, at, "\\gset needs a statement before it, without its `;`");
	if (s->parens || s->begins)
		return script_error(s->c, at, "\\gset stands inside of the statement");
	if (s->copy == COPY_STDIN)
		return script_error(s->c, at, "\\gset cannot end a COPY");
	p = statement(s);
	uses = (size_t)s->nuses;
	if (!read_arguments(s, s->x.at, &prefix))
		return false;
	p.gset = true;
	p.prefix = str_trim(prefix);
	if ((size_t)s->nuses != uses)
		return script_error(s->c, at, "the prefix of \\gset is written out, without variables");
	for (size_t i = 0; i < p.prefix.n; i++)
		if (!ascii_alpha(p.prefix.p[i]) && !ascii_digit(p.prefix.p[i]) && p.prefix.p[i] != '_')
			return script_error(s->c, at, "the prefix of \\gset is made of letters, digits and _");
	forget_statement(s);
	return add_piece(s, &p);
}

static bool take_copy(struct splitter *s, struct script_piece *p)
{
	struct str line = str_tail(s->x.text, s->x.at);
	struct copy_parts parts;

	line = str_head(line, str_find(line, '\n'));
	s->x.at += line.n;
	while (line.n && script_blank(line.p[0]))
		line = str_tail(line, 1);
	p->text = str_trim(line);
	p->at = (size_t)(line.p - s->x.text.p);
	if (!script_copy_parts(s->c, p->text, p->at, &parts))
		return false;
	return parts.file.n || parts.quoted || read_rows(s, p);
}

static bool take_command(struct splitter *s)
{
	struct script_piece p = {0};
	size_t at = s->t.at, end = s->x.at;
	struct str name;
	int i;

	while (end < s->x.text.n && !script_blank(s->x.text.p[end]) && s->x.text.p[end] != '\\')
		end++;
	name = str_from(s->x.text.p + s->x.at, end - s->x.at);
	s->x.at = end;
	if (str_eq(name, S("gset")))
		return take_gset(s, at);
	for (i = 0; i < (int)COUNT_OF(commands) && !str_eq(commands[i].name, name);)
		i++;
	if (i == (int)COUNT_OF(commands))
		return refuse_command(s, at, name);
	if (s->open)
		return script_error(s->c, at, "\\%.*s stands inside of a statement that has no `;` yet", SARG(name));
	p.kind = commands[i].kind;
	place(s, at, &p);
	if (p.kind >= SCRIPT_IF && !count_if(s, at, p.kind))
		return false;
	if (p.kind == SCRIPT_COPY)
		return take_copy(s, &p) && add_piece(s, &p);
	while (s->x.at < s->x.text.n && s->x.text.p[s->x.at] != '\n' && script_blank(s->x.text.p[s->x.at]))
		s->x.at++;
	p.at = s->x.at;
	if (!read_arguments(s, p.at, &p.text))
		return false;
	p.text = str_trim(p.text);
	return add_piece(s, &p);
}

/* --- the whole --- */

static bool check_text(struct call *c, struct str text)
{
	size_t at, n;

	if (text.n > INT_MAX - 1)
		return fail(c, ERR_SCRIPT, "the script is too long");
	at = str_find(text, '\0');
	if (at < text.n)
		return script_error(c, at, "a byte that is no text: NUL");
	if (str_is_utf8(text))
		return true;
	for (at = 0; at < text.n; at += n) {
		unsigned char ch = (unsigned char)text.p[at];

		n = ch < 0xC0 ? 1 : ch < 0xE0 ? 2 : ch < 0xF0 ? 3 : 4;
		if (!str_is_utf8(str_head(str_tail(text, at), n)))
			break;
	}
	return script_error(c, at, "a byte that is no UTF-8");
}

static bool finish(struct splitter *s)
{
	if (s->parens)
		return script_error(s->c, s->paren_at, "this parenthesis is not closed");
	if (s->begins)
		return script_error(s->c, s->begin_at, "this BEGIN has no END");
	if (!end_statement(s))
		return false;
	if (s->nifs)
		return script_error(s->c, s->ifs[s->nifs - 1], "this \\if has no \\endif");
	return true;
}

static bool split(struct splitter *s)
{
	for (;;) {
		bool ok = true;

		script_next(&s->x, &s->t);
		if (s->t.kind == PG_END)
			return finish(s);
		if (s->t.kind == PG_UNFINISHED)
			return script_error(s->c, s->t.at, "this %s has no end", s->t.what);
		if (s->t.kind == PG_BACKSLASH)
			ok = take_command(s);
		else if (token_punct(&s->x, &s->t, ';') && !s->parens && !s->begins)
			ok = end_statement(s);
		else
			ok = see_token(s);
		if (!ok)
			return false;
	}
}

static void *keep(struct arena *a, struct buf *b)
{
	void *v = arena_alloc(a, b->n + 1);

	if (b->n)
		memcpy(v, b->p, b->n);
	return v;
}

static void hand_out(struct splitter *s, struct script_piece **ret)
{
	const struct script_use *use = keep(s->c->arena, &s->uses);
	const size_t *escape = keep(s->c->arena, &s->escapes);
	struct script_piece *v = keep(s->c->arena, &s->pieces);

	for (int i = 0; i < s->npieces; i++) {
		v[i].uses = use;
		v[i].escapes = escape;
		use += v[i].nuses;
		escape += v[i].nescapes;
	}
	*ret = v;
}

bool script_split(struct call *c, struct str text, struct script_piece **ret, int *ret_n)
{
	struct splitter s = {.c = c, .x = {.text = text.p ? text : S(""), .variables = true}, .line = 1, .column = 1};
	bool ok = check_text(c, s.x.text);

	if (str_starts(s.x.text, S("\xEF\xBB\xBF")))
		s.x.at = s.placed = 3;
	ok = ok && split(&s);
	if (ok) {
		hand_out(&s, ret);
		*ret_n = s.npieces;
	}
	buf_drop(&s.pieces);
	buf_drop(&s.uses);
	buf_drop(&s.escapes);
	return ok;
}
