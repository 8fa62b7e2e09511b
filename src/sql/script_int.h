/* script_int.h - what the files about psql scripts share: PostgreSQL's tokens, as psql's scanner cuts them. */
#ifndef MAYFLY_SQL_SCRIPT_INT_H
#define MAYFLY_SQL_SCRIPT_INT_H

#include "sql/sql_int.h"

enum script_token_kind {
	PG_END,
	PG_WORD,      /* unquoted identifier or keyword */
	PG_QUOTED,    /* "…", U&"…" */
	PG_STRING,    /* '…' and its continuations, E'…', U&'…', B'…', X'…' */
	PG_DOLLAR,    /* $tag$…$tag$ */
	PG_NUMBER,    /* 1, 1.5e3; $1 */
	PG_VARIABLE,  /* :name, :'name', :"name", :{?name}: `use` tells */
	PG_OPERATOR,  /* one character of an operator; `::` and `:=` as one token */
	PG_PUNCT,     /* ( ) [ ] , ; . */
	PG_ESCAPED,   /* \; and \: */
	PG_BACKSLASH, /* a meta-command begins */
	PG_UNFINISHED /* `what` says what */
};
struct script_token {
	enum script_token_kind kind;
	size_t at, n;
	struct script_use use;
	const char *what;
};
struct script_lexer {
	struct str text;
	size_t at;
	bool variables;      /* psql's variables and backslashes are looked for */
};

/* One token; comments and blanks fall away. No recursion; what is consumed is never read again. */
void script_next(struct script_lexer *x, struct script_token *ret);
/* A variable's reference at x->at (a colon); false when there is none. Moves nothing. */
bool script_use_at(const struct script_lexer *x, struct script_use *ret);

static inline struct str token_text(const struct script_lexer *x, const struct script_token *t)
{
	return str_from(x->text.p + t->at, t->n);
}
static inline bool token_is(const struct script_lexer *x, const struct script_token *t, const char *word)
{
	return t->kind == PG_WORD && word_is(token_text(x, t), str_of(word));
}
static inline bool token_punct(const struct script_lexer *x, const struct script_token *t, char c)
{
	return t->kind == PG_PUNCT && x->text.p[t->at] == c;
}
/* In psql's eyes; a vertical tab is none. */
static inline bool script_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* --- variables --- */
struct script_values {
	script_value_fn *value;
	void *arg;
};
/* Adds what a use stands for. ERR_MISSING_VARIABLE, ERR_SCRIPT. */
bool script_value(struct call *c, const struct script_use *use, const struct script_values *values, struct buf *out) NODISCARD;

/* --- meta-commands --- */
/* Where the arguments end that begin at `at`: at the end of the line or before a backslash outside of quotes. Adds the
 * variables in them to `uses`. ERR_SCRIPT for what is unfinished, ERR_META_COMMAND for backticks, which would run a program. */
struct script_uses {
	struct buf v; /* of struct script_use */
};
bool script_arguments_end(struct call *c, struct str text, size_t at, struct script_uses *uses, size_t *ret) NODISCARD;
/* The parts of what stands behind \copy, as offsets in it. */
struct copy_parts {
	size_t before;       /* bytes before FROM */
	struct str file;     /* as written; empty: the rows follow */
	bool quoted;
	size_t after;        /* where the options begin */
};
bool script_copy_parts(struct call *c, struct str line, size_t at, struct copy_parts *ret) NODISCARD;

/* ERR_SCRIPT at a byte offset, with sqlstate 42601. */
bool script_error(struct call *c, size_t at, const char *fmt, ...) PRINTF(3, 4);

#endif
