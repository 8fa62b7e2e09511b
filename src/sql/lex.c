/* lex.c - text into tokens, one pass, no recursion.
 *
 * The DuckDB dialect must cut text exactly where DuckDB's own scanner does,
 * else the gate would judge another statement than the one that runs: hence
 * comments inside operator runs, nested comments, dollar quotes, '\r' as the
 * end of a line, and no blanks beyond ASCII.
 */
#include "sql/sql_int.h"

#include <limits.h>

struct lexer {
	struct call *c;
	enum sql_dialect d;
	struct str text;
	size_t at;
	struct sql_token *v;
	int n, cap;
	int open; /* index of the innermost open bracket, or -1 */
	int depth;
};

static bool word_start(char c)
{
	return ascii_alpha(c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool word_part(char c)
{
	return word_start(c) || ascii_digit(c) || c == '$';
}

static char peek(const struct lexer *x, size_t ahead)
{
	return x->at + ahead < x->text.n ? x->text.p[x->at + ahead] : '\0';
}

static void grow(struct lexer *x)
{
	int cap = x->cap ? x->cap * 2 : (int)(x->text.n / 4) + 16;
	struct sql_token *v;

	if (cap > SQL_MAX_TOKENS + 1)
		cap = SQL_MAX_TOKENS + 1;
	v = arena_alloc(x->c->arena, sizeof(*v) * (size_t)cap);
	if (x->n)
		memcpy(v, x->v, sizeof(*v) * (size_t)x->n);
	x->v = v;
	x->cap = cap;
}

/* Adds the token from x->at to `end`. */
static bool token(struct lexer *x, enum sql_token_kind kind, size_t end)
{
	if (x->n == SQL_MAX_TOKENS)
		return fail_at(x->c, ERR_SQL, (int)x->at + 1, "SQL text has more than %d tokens", SQL_MAX_TOKENS);
	if (x->n == x->cap)
		grow(x);
	x->v[x->n++] = (struct sql_token){kind, str_from(x->text.p + x->at, end - x->at), x->at, -1, x->depth};
	x->at = end;
	return true;
}

bool syntax_error(struct call *c, struct str text, size_t at, struct str unexpected)
{
	int line, column;

	sql_line_column(text, at, &line, &column);
	if (unexpected.n > 100)
		unexpected.n = 100;
	fail_at(c, ERR_SQL, (int)at + 1, "SQL compilation error:\nsyntax error line %d at position %d unexpected '%.*s'.", line,
		column - 1, SARG(unexpected));
	return fail_state(c, "42000", "001003");
}

/* A string, name or comment that the text ends in, `n` bytes of which open it. */
static bool unfinished(struct lexer *x, size_t n)
{
	int line, column;

	if (x->d == SQL_DUCKDB)
		return syntax_error(x->c, x->text, x->at, str_head(str_tail(x->text, x->at), n));
	sql_line_column(x->text, x->text.n, &line, &column);
	fail_at(x->c, ERR_SQL, (int)x->at + 1, "SQL compilation error:\nparse error line %d at position %d near '<EOF>'.", line, column - 1);
	return fail_state(x->c, "42000", "001003");
}

static bool unexpected(struct lexer *x, size_t n)
{
	return syntax_error(x->c, x->text, x->at, str_head(str_tail(x->text, x->at), n));
}

void sql_line_column(struct str text, size_t at, int *ret_line, int *ret_column)
{
	int line = 1, column = 1;

	for (size_t i = 0; i < at && i < text.n; i++) {
		if (text.p[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text.p[i] & 0xC0) != 0x80) {
			column++;
		}
	}
	*ret_line = line;
	*ret_column = column;
}

/* Bytes of the Unicode blank at p, 0 when there is none. */
static size_t wide_blank(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (s.n >= 2 && p[0] == 0xC2 && p[1] == 0xA0)
		return 2;
	if (s.n < 3)
		return 0;
	if ((p[0] == 0xE2 && p[1] == 0x80 && (p[2] <= 0x8F || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF)) ||
	    (p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0x9F && p[2] <= 0xA4) || (p[0] == 0xE3 && p[1] == 0x80 && p[2] == 0x80) ||
	    (p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF))
		return 3;
	return 0;
}

static void skip_line(struct lexer *x)
{
	while (x->at < x->text.n && x->text.p[x->at] != '\n' && (x->text.p[x->at] != '\r' || x->d == SQL_SNOWFLAKE))
		x->at++;
}

static bool skip_block(struct lexer *x)
{
	size_t from = x->at;
	int open = 1;

	for (x->at += 2; open > 0 && x->at < x->text.n; x->at++) {
		if (peek(x, 0) == '*' && peek(x, 1) == '/') {
			open--;
			x->at++;
		} else if (x->d == SQL_DUCKDB && peek(x, 0) == '/' && peek(x, 1) == '*') {
			open++;
			x->at++;
		}
	}
	if (open == 0)
		return true;
	x->at = from;
	return unfinished(x, 2);
}

static bool line_comment(const struct lexer *x)
{
	char a = peek(x, 0);

	return a == peek(x, 1) && (a == '-' || (a == '/' && x->d == SQL_SNOWFLAKE));
}

/* Moves to the next token or the end. */
static bool skip_blanks(struct lexer *x)
{
	while (x->at < x->text.n) {
		char c = x->text.p[x->at];

		if (c == ' ' || (c >= '\t' && c <= '\r' && c != '\v')) {
			x->at++;
		} else if (line_comment(x)) {
			skip_line(x);
		} else if (c == '/' && peek(x, 1) == '*') {
			if (!skip_block(x))
				return false;
		} else if ((unsigned char)c >= 0x80 && (x->d == SQL_SNOWFLAKE || x->at == 0) &&
			   wide_blank(str_tail(x->text, x->at))) {
			x->at += wide_blank(str_tail(x->text, x->at));
		} else {
			return true;
		}
	}
	return true;
}

/* A quoted thing whose body begins at x->at + skip; doubled quotes stay inside. */
static bool lex_quoted(struct lexer *x, enum sql_token_kind kind, size_t skip, bool escapes)
{
	char quote = peek(x, skip - 1);
	size_t i = x->at + skip;

	for (; i < x->text.n; i++) {
		if (escapes && x->text.p[i] == '\\') {
			i++;
		} else if (x->text.p[i] == quote) {
			if (i + 1 == x->text.n || x->text.p[i + 1] != quote)
				return token(x, kind, i + 1);
			i++;
		}
	}
	return unfinished(x, skip);
}

/* Length of $tag$ at x->at, 0 when there is none. */
static size_t dollar_tag(const struct lexer *x)
{
	size_t i = 1;

	if (peek(x, 1) == '$')
		return 2;
	if (x->d == SQL_SNOWFLAKE || !word_start(peek(x, 1)))
		return 0;
	while (peek(x, i) != '$' && word_part(peek(x, i)))
		i++;
	return peek(x, i) == '$' ? i + 1 : 0;
}

static size_t word_run(const struct lexer *x, size_t from)
{
	while (word_part(peek(x, from)))
		from++;
	return from;
}

static bool lex_dollar(struct lexer *x)
{
	size_t tag = dollar_tag(x), end;
	struct str rest;

	if (tag == 0) {
		end = word_run(x, 1);
		if (end == 1)
			return unexpected(x, 1);
		return token(x, x->d == SQL_SNOWFLAKE ? SQL_WORD : SQL_PLACEHOLDER, x->at + end);
	}
	rest = str_tail(x->text, x->at + tag);
	end = str_search(rest, str_from(x->text.p + x->at, tag));
	if (end == rest.n)
		return unfinished(x, tag);
	return token(x, SQL_STRING, x->at + tag + end + tag);
}

static bool lex_word(struct lexer *x)
{
	size_t end = x->at;
	char c = peek(x, 0);

	if (peek(x, 1) == '\'' && strchr(x->d == SQL_DUCKDB ? "eExXbBnN" : "xX", c))
		return lex_quoted(x, SQL_STRING, 2, c == 'e' || c == 'E');
	if (x->d == SQL_DUCKDB && (c == 'u' || c == 'U') && peek(x, 1) == '&' && (peek(x, 2) == '\'' || peek(x, 2) == '"'))
		return unexpected(x, 2);
	for (; end < x->text.n && word_part(x->text.p[end]); end++) {
		if ((unsigned char)x->text.p[end] < 0xC2 || !wide_blank(str_tail(x->text, end)))
			continue;
		if (x->d == SQL_SNOWFLAKE)
			break;
		x->at = end;
		return unexpected(x, wide_blank(str_tail(x->text, end)));
	}
	return token(x, SQL_WORD, end);
}

static size_t digits(const struct lexer *x, size_t i)
{
	while (ascii_digit(peek(x, i)) || (x->d == SQL_DUCKDB && i > 0 && peek(x, i) == '_' && ascii_digit(peek(x, i - 1)) &&
					   ascii_digit(peek(x, i + 1))))
		i++;
	return i;
}

static bool lex_number(struct lexer *x)
{
	size_t i = digits(x, 0), e;

	if (peek(x, i) == '.' && peek(x, i + 1) != '.')
		i = digits(x, i + 1);
	if (peek(x, i) == 'e' || peek(x, i) == 'E') {
		e = i + 1;
		if (peek(x, e) == '+' || peek(x, e) == '-')
			e++;
		if (ascii_digit(peek(x, e)))
			i = digits(x, e);
	}
	return token(x, SQL_NUMBER, x->at + i);
}

/* Is the ':' at x->at glued to what stands before it, as in v:path or {'a':1}? */
static bool glued(const struct lexer *x)
{
	static const char *const not_values[] = {"select", "where", "and",  "or",    "not",   "in",    "like", "between",
						 "then",   "else",  "when", "on",    "set",   "limit", "offset", "by",
						 "from",   "values", "as",  "return", NULL};
	const struct sql_token *last = x->n ? &x->v[x->n - 1] : NULL;

	if (!last || last->at + last->text.n != x->at)
		return false;
	if (last->kind == SQL_WORD)
		return !word_in(last, not_values);
	return last->kind == SQL_QUOTED || last->kind == SQL_STRING || last->kind == SQL_PLACEHOLDER || is_punct(last, ')') ||
	       is_punct(last, ']') || is_punct(last, '}');
}

static bool lex_colon(struct lexer *x)
{
	if (peek(x, 1) == ':' || peek(x, 1) == '=')
		return token(x, SQL_OPERATOR, x->at + 2);
	if (x->d == SQL_SNOWFLAKE && word_part(peek(x, 1)) && !glued(x))
		return token(x, SQL_PLACEHOLDER, x->at + word_run(x, 1));
	return token(x, SQL_OPERATOR, x->at + 1);
}

static bool operator_char(char c)
{
	return c != '\0' && strchr("+-*/<>=~!@#%^&|`", c) != NULL;
}

/* Operators of more than one character, longest first. */
static const struct str operators[] = {
	S_INIT("!~~*"), S_INIT("->>"), S_INIT("<=>"), S_INIT("<->"), S_INIT("~~~"), S_INIT("~~*"), S_INIT("!~~"),
	S_INIT("!~*"),	S_INIT("->"),  S_INIT("=>"),  S_INIT("<="),  S_INIT(">="),  S_INIT("<>"),  S_INIT("!="),
	S_INIT("=="),	S_INIT("||"),  S_INIT("//"),  S_INIT("**"),  S_INIT("<<"),  S_INIT(">>"),  S_INIT("&&"),
	S_INIT("^@"),	S_INIT("@>"),  S_INIT("<@"),  S_INIT("~~"),  S_INIT("~*"),  S_INIT("!~"),
};

static bool lex_operator(struct lexer *x)
{
	struct str run = {x->text.p + x->at, 1};

	while (operator_char(peek(x, run.n))) {
		char a = run.p[run.n - 1], b = run.p[run.n];

		/* a comment begins inside the run: the operator ends before it */
		if ((run.n > 1 && a == '-' && b == '-') || (run.n > 1 && a == '/' && b == '*')) {
			run.n--;
			break;
		}
		run.n++;
	}
	for (size_t i = 0; run.n > 1 && i < COUNT_OF(operators); i++)
		if (str_starts(run, operators[i]))
			return token(x, SQL_OPERATOR, x->at + operators[i].n);
	return token(x, SQL_OPERATOR, x->at + 1);
}

static char opener_of(char close)
{
	return close == ')' ? '(' : close == ']' ? '[' : '{';
}

static bool lex_close(struct lexer *x)
{
	struct sql_token *open = x->open >= 0 ? &x->v[x->open] : NULL;
	int outer, at = x->open;

	if (!open || open->text.p[0] != opener_of(peek(x, 0)))
		return unexpected(x, 1);
	outer = open->match;
	x->depth--;
	if (!token(x, SQL_PUNCT, x->at + 1))
		return false;
	x->v[at].match = x->n - 1;
	x->v[x->n - 1].match = at;
	x->open = outer;
	return true;
}

/* While a bracket is open its match holds the bracket around it. */
static bool lex_open(struct lexer *x)
{
	if (!token(x, SQL_PUNCT, x->at + 1))
		return false;
	x->v[x->n - 1].match = x->open;
	x->open = x->n - 1;
	x->depth++;
	return true;
}

static bool lex_punct(struct lexer *x)
{
	switch (peek(x, 0)) {
	case '(':
	case '[':
	case '{':
		return lex_open(x);
	case ')':
	case ']':
	case '}':
		return lex_close(x);
	case ';':
		return x->depth == 0 ? token(x, SQL_PUNCT, x->at + 1) : unexpected(x, 1);
	case ',':
	case '.':
		return token(x, SQL_PUNCT, x->at + 1);
	default:
		return unexpected(x, 1);
	}
}

static bool lex_one(struct lexer *x)
{
	char c = x->text.p[x->at];

	if (word_start(c))
		return lex_word(x);
	if (ascii_digit(c) || (c == '.' && ascii_digit(peek(x, 1)) && !(x->n && is_name(&x->v[x->n - 1]))))
		return lex_number(x);
	if (c == '\'')
		return lex_quoted(x, SQL_STRING, 1, x->d == SQL_SNOWFLAKE);
	if (c == '"')
		return lex_quoted(x, SQL_QUOTED, 1, false);
	if (c == '$')
		return lex_dollar(x);
	if (c == '?')
		return token(x, SQL_PLACEHOLDER, x->at + (x->d == SQL_DUCKDB ? digits(x, 1) : 1));
	if (c == ':')
		return lex_colon(x);
	if (c == '`' && x->d == SQL_SNOWFLAKE)
		return unexpected(x, 1);
	if (operator_char(c))
		return lex_operator(x);
	return lex_punct(x);
}

static bool finish(struct lexer *x, struct sql_tokens *ret)
{
	if (x->open >= 0)
		return syntax_error(x->c, x->text, x->text.n, S("<EOF>"));
	if (x->n == x->cap)
		grow(x);
	x->v[x->n] = (struct sql_token){SQL_END, str_from(x->text.p + x->text.n, 0), x->text.n, -1, 0};
	*ret = (struct sql_tokens){x->v, x->n, x->text, x->d};
	return true;
}

bool sql_lex(struct call *c, enum sql_dialect d, struct str text, struct sql_tokens *ret)
{
	struct lexer x = {.c = c, .d = d, .text = text, .open = -1};

	if (!text.p)
		x.text = S("");
	if (text.n > INT_MAX - 1)
		return fail(c, ERR_SQL, "SQL text is too long");
	x.at = str_find(x.text, '\0');
	if (x.at < x.text.n)
		return unexpected(&x, 0);
	x.at = 0;
	for (;;) {
		if (!skip_blanks(&x))
			return false;
		if (x.at >= x.text.n)
			return finish(&x, ret);
		if (!lex_one(&x))
			return false;
	}
}

/* Most words differ in their first letter. */
static bool says(const struct sql_token *t, const char *word)
{
	return ascii_lower(t->text.p[0]) == ascii_lower(*word) && str_ieq(t->text, str_of(word));
}

bool sql_is(const struct sql_tokens *t, int i, const char *word)
{
	return i >= 0 && i < t->n && t->v[i].kind == SQL_WORD && says(&t->v[i], word);
}

bool word_in(const struct sql_token *t, const char *const *words)
{
	if (t->kind != SQL_WORD)
		return false;
	for (; *words; words++)
		if (says(t, *words))
			return true;
	return false;
}

int name_end(const struct sql_tokens *t, int i, int to)
{
	while (i + 2 < to && is_punct(&t->v[i + 1], '.')) {
		int skipped = i + 3 < to && is_punct(&t->v[i + 2], '.'); /* database..table */

		if (!is_name(&t->v[i + 2 + skipped]))
			break;
		i += 2 + skipped;
	}
	return i;
}
