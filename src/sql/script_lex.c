/* script_lex.c - psql scripts as PostgreSQL's tokens; one pass, no recursion.
 *
 * The rules are those of psql's scanner (psqlscan.l of PostgreSQL 15), with standard_conforming_strings on: a statement must
 * end where psql ends it.
 */
#include "sql/script_int.h"

static bool word_start(char c)
{
	return ascii_alpha(c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool tag_part(char c)
{
	return word_start(c) || ascii_digit(c);
}

static bool operator_char(char c)
{
	return c && strchr("~!@#^&|`?+-*/%<>=", c);
}

static char peek(const struct script_lexer *x, size_t ahead)
{
	return x->at + ahead < x->text.n ? x->text.p[x->at + ahead] : '\0';
}

/* The end of what is from `at` on of characters that `part` takes. */
static size_t run_end(struct str s, size_t at, bool (*part)(char))
{
	while (at < s.n && part(s.p[at]))
		at++;
	return at;
}

static bool word_part(char c)
{
	return tag_part(c) || c == '$';
}

static size_t line_end(struct str s, size_t at)
{
	while (at < s.n && s.p[at] != '\n' && s.p[at] != '\r')
		at++;
	return at;
}

/* Behind the comment that begins at `at`; 0 when it does not end. */
static size_t comment_end(struct str s, size_t at)
{
	size_t open = 1;

	for (at += 2; at + 1 < s.n; at++) {
		if (s.p[at] == '*' && s.p[at + 1] == '/') {
			at++;
			if (--open == 0)
				return at + 1;
		} else if (s.p[at] == '/' && s.p[at + 1] == '*') {
			at++;
			open++;
		}
	}
	return 0;
}

static bool token(struct script_lexer *x, struct script_token *ret, enum script_token_kind kind, size_t end)
{
	ret->kind = kind;
	ret->at = x->at;
	ret->n = end - x->at;
	x->at = end;
	return true;
}

static bool unfinished(struct script_lexer *x, struct script_token *ret, const char *what)
{
	ret->what = what;
	return token(x, ret, PG_UNFINISHED, x->text.n);
}

/* True: `ret` is a comment without an end. */
static bool skip_blanks(struct script_lexer *x, struct script_token *ret)
{
	size_t end;

	for (;;) {
		char c = peek(x, 0);

		if (script_blank(c)) {
			x->at++;
		} else if (c == '-' && peek(x, 1) == '-') {
			x->at = line_end(x->text, x->at);
		} else if (c == '/' && peek(x, 1) == '*') {
			end = comment_end(x->text, x->at);
			if (!end)
				return unfinished(x, ret, "comment");
			x->at = end;
		} else {
			return false;
		}
	}
}

/* Behind the quote that closes the text whose body begins at `at`; 0 when there is none. */
static size_t quote_end(struct str s, size_t at, char quote, bool escapes)
{
	for (; at < s.n; at++) {
		if (escapes && s.p[at] == '\\') {
			at++;
		} else if (s.p[at] == quote) {
			if (at + 1 == s.n || s.p[at + 1] != quote)
				return at + 1;
			at++;
		}
	}
	return 0;
}

/* Two strings with a line's end between are one: where the body of the next begins, or 0. Comments of one line may stand
 * between. This is the server's rule; psql, which reads line by line, takes the second for one without escapes. */
static size_t continued(struct str s, size_t at)
{
	bool line = false;

	for (; at < s.n; at++) {
		if (s.p[at] == '\'')
			return line ? at + 1 : 0;
		if (s.p[at] == '-' && at + 1 < s.n && s.p[at + 1] == '-')
			at = line_end(s, at);
		if (at < s.n && !script_blank(s.p[at]))
			return 0;
		line = line || (at < s.n && (s.p[at] == '\n' || s.p[at] == '\r'));
	}
	return 0;
}

static bool lex_string(struct script_lexer *x, struct script_token *ret, size_t skip, bool escapes)
{
	size_t body = x->at + skip, end;

	for (;;) {
		end = quote_end(x->text, body, '\'', escapes);
		if (!end)
			return unfinished(x, ret, "quoted string");
		/* Only with escapes it matters where the next part ends: without them it is a string of its own. */
		body = escapes ? continued(x->text, end) : 0;
		if (!body)
			return token(x, ret, PG_STRING, end);
	}
}

static bool lex_name(struct script_lexer *x, struct script_token *ret, size_t skip)
{
	size_t end = quote_end(x->text, x->at + skip, '"', false);

	return end ? token(x, ret, PG_QUOTED, end) : unfinished(x, ret, "quoted name");
}

static bool lex_word(struct script_lexer *x, struct script_token *ret)
{
	char c = ascii_lower(peek(x, 0)), next = peek(x, 1);

	if (next == '\'' && c && strchr("ebxn", c))
		return lex_string(x, ret, 2, c == 'e');
	if (c == 'u' && next == '&' && peek(x, 2) == '\'')
		return lex_string(x, ret, 3, false);
	if (c == 'u' && next == '&' && peek(x, 2) == '"')
		return lex_name(x, ret, 3);
	return token(x, ret, PG_WORD, run_end(x->text, x->at, word_part));
}

static bool lex_dollar(struct script_lexer *x, struct script_token *ret)
{
	size_t tag = x->at + 1, end;
	struct str rest;

	if (ascii_digit(peek(x, 1)))
		return token(x, ret, PG_NUMBER, run_end(x->text, tag, ascii_digit));
	if (word_start(peek(x, 1)))
		tag = run_end(x->text, tag, tag_part);
	if (tag >= x->text.n || x->text.p[tag] != '$')
		return token(x, ret, PG_PUNCT, x->at + 1);
	tag = tag + 1 - x->at;
	rest = str_tail(x->text, x->at + tag);
	end = str_search(rest, str_from(x->text.p + x->at, tag));
	if (end == rest.n)
		return unfinished(x, ret, "dollar-quoted string");
	return token(x, ret, PG_DOLLAR, x->at + tag + end + tag);
}

/* An exponent without digits is none: 1e'…' is 1 and an escape string. */
static bool lex_number(struct script_lexer *x, struct script_token *ret)
{
	struct str s = x->text;
	size_t end = run_end(s, x->at, ascii_digit), digits;

	if (end < s.n && s.p[end] == '.' && !(end + 1 < s.n && s.p[end + 1] == '.'))
		end = run_end(s, end + 1, ascii_digit);
	if (end < s.n && ascii_lower(s.p[end]) == 'e') {
		digits = end + 1;
		if (digits < s.n && (s.p[digits] == '+' || s.p[digits] == '-'))
			digits++;
		if (digits < s.n && ascii_digit(s.p[digits]))
			end = run_end(s, digits, ascii_digit);
	}
	return token(x, ret, PG_NUMBER, end);
}

static bool use_of(const struct script_lexer *x, enum script_form form, size_t skip, struct script_use *ret)
{
	static const char closing[] = {[SCRIPT_LITERAL] = '\'', [SCRIPT_NAME] = '"', [SCRIPT_TEST] = '}'};
	size_t from = x->at + skip, end = run_end(x->text, from, tag_part), behind = end;

	if (end == from)
		return false;
	if (form != SCRIPT_PLAIN && (end >= x->text.n || x->text.p[end] != closing[form]))
		return false;
	behind += form != SCRIPT_PLAIN;
	*ret = (struct script_use){str_from(x->text.p + from, end - from), form, false, x->at, behind - x->at};
	return true;
}

bool script_use_at(const struct script_lexer *x, struct script_use *ret)
{
	char next = peek(x, 1);

	if (next == '\'')
		return use_of(x, SCRIPT_LITERAL, 2, ret);
	if (next == '"')
		return use_of(x, SCRIPT_NAME, 2, ret);
	if (next == '{' && peek(x, 2) == '?')
		return use_of(x, SCRIPT_TEST, 3, ret);
	return use_of(x, SCRIPT_PLAIN, 1, ret);
}

static bool lex_colon(struct script_lexer *x, struct script_token *ret)
{
	char next = peek(x, 1);

	if (next == ':' || next == '=')
		return token(x, ret, PG_OPERATOR, x->at + 2);
	if (!x->variables || !script_use_at(x, &ret->use))
		return token(x, ret, PG_OPERATOR, x->at + 1);
	return token(x, ret, PG_VARIABLE, x->at + ret->use.n);
}

static bool lex_backslash(struct script_lexer *x, struct script_token *ret)
{
	char next = peek(x, 1);

	if (!x->variables)
		return token(x, ret, PG_OPERATOR, x->at + 1);
	if (next == ';' || next == ':')
		return token(x, ret, PG_ESCAPED, x->at + 2);
	return token(x, ret, PG_BACKSLASH, x->at + 1);
}

static bool lex_one(struct script_lexer *x, struct script_token *ret)
{
	char c = peek(x, 0);

	if (word_start(c))
		return lex_word(x, ret);
	if (ascii_digit(c) || (c == '.' && ascii_digit(peek(x, 1))))
		return lex_number(x, ret);
	switch (c) {
	case '\'':
		return lex_string(x, ret, 1, false);
	case '"':
		return lex_name(x, ret, 1);
	case '$':
		return lex_dollar(x, ret);
	case ':':
		return lex_colon(x, ret);
	case '\\':
		return lex_backslash(x, ret);
	default:
		return token(x, ret, operator_char(c) ? PG_OPERATOR : PG_PUNCT, x->at + 1);
	}
}

void script_next(struct script_lexer *x, struct script_token *ret)
{
	if (skip_blanks(x, ret))
		return;
	if (x->at >= x->text.n)
		(void)token(x, ret, PG_END, x->at);
	else
		(void)lex_one(x, ret);
}
