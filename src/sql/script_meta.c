/* script_meta.c - arguments of meta-commands as psql reads them, its booleans, and what \copy stands for. */
#include "sql/script_int.h"

/* --- arguments --- */

enum quoting { BARE, SINGLE, DOUBLE };

struct arguments {
	struct call *c;
	struct script_lexer x;
	enum quoting in;
	size_t quote_at;
};

static bool ends_here(const struct arguments *a)
{
	char ch = a->x.text.p[a->x.at];

	return ch == '\n' || (ch == '\\' && a->in == BARE);
}

/* Moves over one character, or an escaped one, or a variable's reference; tells which. */
enum step { STEP_CHAR, STEP_QUOTE, STEP_ESCAPE, STEP_USE, STEP_BLANK, STEP_ERROR };

static enum step step_quoted(struct arguments *a, char ch)
{
	struct str s = a->x.text;

	if (ch == '\\' && a->in == SINGLE && a->x.at + 1 < s.n && s.p[a->x.at + 1] != '\n') {
		a->x.at += 2;
		return STEP_ESCAPE;
	}
	a->x.at++;
	if (ch != (a->in == SINGLE ? '\'' : '"'))
		return STEP_CHAR;
	if (a->in == SINGLE && a->x.at < s.n && s.p[a->x.at] == '\'') {
		a->x.at++;
		return STEP_CHAR; /* doubled: the one before */
	}
	a->in = BARE;
	return STEP_QUOTE;
}

static enum step step(struct arguments *a, struct script_use *ret_use)
{
	char ch = a->x.text.p[a->x.at];

	if (a->in != BARE)
		return step_quoted(a, ch);
	if (ch == ':' && script_use_at(&a->x, ret_use)) {
		ret_use->slice = ret_use->form == SCRIPT_PLAIN && ascii_digit(ret_use->name.p[0]);
		a->x.at += ret_use->n;
		return STEP_USE;
	}
	if (ch == '`') {
		fail_at(a->c, ERR_META_COMMAND, (int)a->x.at + 1, "backticks would run a program");
		(void)fail_state(a->c, "0A000", "");
		return STEP_ERROR;
	}
	a->quote_at = a->x.at++;
	if (ch != '\'' && ch != '"')
		return script_blank(ch) ? STEP_BLANK : STEP_CHAR;
	a->in = ch == '\'' ? SINGLE : DOUBLE;
	return STEP_QUOTE;
}

bool script_arguments_end(struct call *c, struct str text, size_t at, struct script_uses *uses, size_t *ret)
{
	struct arguments a = {.c = c, .x = {.text = text, .at = at, .variables = true}};
	struct script_use use;

	while (a.x.at < text.n && !ends_here(&a)) {
		enum step did = step(&a, &use);

		if (did == STEP_ERROR)
			return false;
		if (did == STEP_USE)
			buf_add(&uses->v, str_from((const char *)&use, sizeof(use)));
	}
	if (a.in != BARE)
		return script_error(c, a.quote_at, "this quoted argument has no end on its line");
	*ret = a.x.at;
	return true;
}

/* The character that a backslash and what follows it at `at` stand for; *ret_end: behind it. */
static char escaped(struct str s, size_t at, size_t *ret_end)
{
	static const char from[] = "nbtrf", to[] = "\n\b\t\r\f";
	const char *known = s.p[at] ? strchr(from, s.p[at]) : NULL;
	unsigned v = 0;
	size_t i = at;

	if (s.p[at] == 'x' && at + 1 < s.n && ascii_hex(s.p[at + 1]) >= 0) {
		for (i = at + 1; i < s.n && i < at + 3 && ascii_hex(s.p[i]) >= 0; i++)
			v = v * 16 + (unsigned)ascii_hex(s.p[i]);
	} else {
		for (; i < s.n && i < at + 3 && s.p[i] >= '0' && s.p[i] <= '7'; i++)
			v = v * 8 + (unsigned)(s.p[i] - '0');
	}
	*ret_end = i > at ? i : at + 1;
	if (i > at)
		return (char)v;
	return known ? to[known - from] : s.p[at];
}

struct argument {
	struct buf *text;
	bool open;
	size_t bare; /* bytes at its end that stood outside of quotes */
};

/* What one step adds to the argument. */
static void add_step(struct arguments *a, struct argument *g, size_t from, enum step did)
{
	struct str s = a->x.text;
	bool kept = s.p[from] == '"'; /* double quotes stay */

	g->open = true;
	if (did == STEP_ESCAPE) {
		buf_addc(g->text, escaped(s, from + 1, &a->x.at));
		g->bare = 0;
	} else if (did == STEP_CHAR || kept) {
		buf_addc(g->text, s.p[from]);
		g->bare = a->in == BARE && did == STEP_CHAR ? g->bare + 1 : 0;
	} else {
		g->bare = 0;
	}
}

static void end_argument(struct call *c, const struct script_piece *p, struct argument *g, struct buf *list)
{
	bool include = p->kind == SCRIPT_INCLUDE || p->kind == SCRIPT_INCLUDE_RELATIVE;
	struct str text;

	if (!g->open)
		return;
	text = buf_str(g->text);
	for (; include && g->bare > 0 && text.n && text.p[text.n - 1] == ';'; g->bare--)
		text.n--;
	text = arena_dup(c->arena, text);
	buf_add(list, str_from((const char *)&text, sizeof(text)));
	buf_clear(g->text);
	g->open = false;
	g->bare = 0;
}

static bool read_arguments(struct arguments *a, const struct script_piece *p, struct buf *list, struct argument *g,
			   struct script_values *values)
{
	struct script_use use;

	while (a->x.at < a->x.text.n) {
		size_t from = a->x.at;
		enum step did = step(a, &use);

		if (did == STEP_ERROR)
			return false;
		if (did == STEP_BLANK) {
			end_argument(a->c, p, g, list);
		} else if (did == STEP_USE) {
			use.at += p->at;
			if (!script_value(a->c, &use, values, g->text))
				return false;
			g->open = true;
			g->bare = 0;
		} else {
			add_step(a, g, from, did);
		}
	}
	if (a->in != BARE)
		return script_error(a->c, p->at + a->quote_at, "this quoted argument has no end on its line");
	end_argument(a->c, p, g, list);
	return true;
}

bool script_arguments(struct call *c, const struct script_piece *p, script_value_fn *value, void *arg, struct str **ret, int *ret_n)
{
	struct arguments a = {.c = c, .x = {.text = p->text, .variables = true}};
	struct script_values values = {value, arg};
	OWNS(buf) text = {.limit = SCRIPT_EXPANDED_MAX};
	OWNS(buf) list = {0};
	struct argument g = {.text = &text};

	if (!read_arguments(&a, p, &list, &g, &values))
		return false;
	if (!buf_ok(&text))
		return script_error(c, p->at, "the arguments get too long");
	*ret_n = (int)(list.n / sizeof(**ret));
	*ret = arena_alloc(c->arena, list.n + 1);
	if (list.n)
		memcpy(*ret, list.p, list.n);
	return true;
}

/* --- booleans --- */

bool script_truth(struct call *c, const struct script_piece *p, struct str text, bool *ret)
{
	static const struct {
		struct str word;
		size_t least;
		bool value;
	} words[] = {{S_INIT("true"), 1, true}, {S_INIT("false"), 1, false}, {S_INIT("yes"), 1, true}, {S_INIT("no"), 1, false},
		     {S_INIT("on"), 2, true},   {S_INIT("off"), 2, false},   {S_INIT("1"), 1, true},   {S_INIT("0"), 1, false}};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (text.n >= words[i].least && str_istarts(words[i].word, text)) {
			*ret = words[i].value;
			return true;
		}
	return script_error(c, p->at, "\"%.*s\" is no boolean", (int)(text.n < 100 ? text.n : 100), text.p);
}

/* --- \copy --- */

static bool refuse_copy(struct call *c, size_t at, const char *what)
{
	fail_at(c, ERR_META_COMMAND, (int)at + 1, "\\copy takes files of the project and rows of the script: %s", what);
	return fail_state(c, "0A000", "");
}

/* The first FROM or TO outside of parentheses. */
static bool find_direction(struct call *c, struct script_lexer *x, size_t at, struct script_token *t)
{
	size_t open = 0;
	int n = 0;

	for (;; n++) {
		script_next(x, t);
		if (t->kind == PG_END || t->kind == PG_UNFINISHED)
			return script_error(c, at, "\\copy needs a table and FROM");
		if (token_punct(x, t, '('))
			open++;
		else if (token_punct(x, t, ')') && open)
			open--;
		else if (!open && n && (token_is(x, t, "from") || token_is(x, t, "to")))
			return true;
	}
}

static struct str file_word(struct str line, size_t at)
{
	size_t end = at;

	while (end < line.n && !script_blank(line.p[end]) && line.p[end] != ';')
		end++;
	return str_from(line.p + at, end - at);
}

bool script_copy_parts(struct call *c, struct str line, size_t at, struct copy_parts *ret)
{
	struct script_lexer x = {.text = line};
	struct script_token t;
	struct str word;

	if (!find_direction(c, &x, at, &t))
		return false;
	if (token_is(&x, &t, "to"))
		return refuse_copy(c, at, "it writes none");
	*ret = (struct copy_parts){.before = t.at};
	script_next(&x, &t);
	if (t.kind == PG_END || t.kind == PG_UNFINISHED)
		return script_error(c, at, "\\copy needs a file behind FROM");
	ret->quoted = line.p[t.at] == '\'';
	word = ret->quoted ? token_text(&x, &t) : file_word(line, t.at);
	ret->after = t.at + word.n;
	if (!ret->quoted && (str_ieq(word, S("program")) || str_ieq(word, S("pstdin")) || str_ieq(word, S("pstdout"))))
		return refuse_copy(c, at, "it runs no program and has no input of its own");
	if (ret->quoted || !(str_ieq(word, S("stdin")) || str_ieq(word, S("stdout"))))
		ret->file = word;
	return true;
}

/* 'it''s' as it's */
static struct str unquote(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1), *to = p;

	for (size_t i = 1; i + 1 < s.n; i++) {
		*to++ = s.p[i];
		i += s.p[i] == '\'';
	}
	return str_from(p, (size_t)(to - p));
}

bool script_copy_of(struct call *c, const struct script_piece *p, struct script_copy *ret)
{
	struct copy_parts parts;
	struct str before, after;

	if (!script_copy_parts(c, p->text, p->at, &parts))
		return false;
	before = str_head(p->text, parts.before);
	after = str_tail(p->text, parts.after);
	*ret = (struct script_copy){.file = parts.quoted ? unquote(c->arena, parts.file) : parts.file};
	if (parts.quoted && !ret->file.n)
		return script_error(c, p->at, "\\copy needs a file behind FROM");
	ret->statement = arena_fmt(c->arena, "COPY %.*sFROM STDIN %.*s", SARG(before), SARG(after));
	return true;
}
