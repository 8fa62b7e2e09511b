/* tokens.h - part of sql/'s door: text as tokens, places in it, statements between `;`. */
#ifndef MAYFLY_SQL_TOKENS_H
#define MAYFLY_SQL_TOKENS_H

#include "base/base.h"

enum sql_dialect {
	SQL_DUCKDB,    /* native surface */
	SQL_SNOWFLAKE, /* '\\' escapes, $$…$$, // comments, :name placeholders */
};

enum sql_token_kind {
	SQL_WORD,        /* unquoted identifier or keyword */
	SQL_QUOTED,      /* "identifier" */
	SQL_STRING,      /* '…', $$…$$, E'…' (DuckDB) */
	SQL_NUMBER,
	SQL_PLACEHOLDER, /* ?  ?1  $1  $name  :1  :name */
	SQL_OPERATOR,    /* one token an operator: + - :: => -> || <= … */
	SQL_PUNCT,       /* ( ) [ ] { } , ; . */
	SQL_END
};
struct sql_token {
	enum sql_token_kind kind;
	struct str text;    /* as written, quotes included */
	size_t at;          /* byte offset */
	int match;          /* index of the partner of a bracket, else -1 */
	int depth;          /* brackets open around it */
};
struct sql_tokens {
	const struct sql_token *v; /* v[n].kind == SQL_END */
	int n;
	struct str text;
	enum sql_dialect dialect;
};

enum { SQL_MAX_TOKENS = 2 * 1024 * 1024 };

/* Comments and blanks fall away. Unfinished strings, comments, quoted names and
 * unbalanced brackets fail with ERR_SQL, sqlstate 42000, code 001003 and the position. */
bool sql_lex(struct call *c, enum sql_dialect d, struct str text, struct sql_tokens *ret) NODISCARD;

/* Is token i this word (unquoted, any case)? */
bool sql_is(const struct sql_tokens *t, int i, const char *word);

/* Line and column (both from 1; column in characters) of a byte offset. */
void sql_line_column(struct str text, size_t at, int *ret_line, int *ret_column);

/* --- splitting: statements between `;`, empty ones left out --- */
struct sql_span {
	int from, to; /* tokens [from, to) */
};
bool sql_split(struct call *c, const struct sql_tokens *t, struct sql_span **ret, int *ret_n) NODISCARD;

#endif
