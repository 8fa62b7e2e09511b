/* sql_int.h - what the files of sql/ share. */
#ifndef MAYFLY_SQL_INT_H
#define MAYFLY_SQL_INT_H

#include "sql/sql.h"

/* Is this word (given in lower case) what `s` says, in any case? */
static inline bool word_is(struct str s, struct str word)
{
	return s.n == word.n && str_ieq(s, word);
}
/* Is this WORD one of the words of a NULL-terminated list? */
bool word_in(const struct sql_token *t, const char *const *words);

static inline bool is_name(const struct sql_token *t)
{
	return t->kind == SQL_WORD || t->kind == SQL_QUOTED;
}
static inline bool is_punct(const struct sql_token *t, char c)
{
	return t->kind == SQL_PUNCT && t->text.p[0] == c;
}
static inline bool is_operator(const struct sql_token *t, struct str text)
{
	return t->kind == SQL_OPERATOR && str_eq(t->text, text);
}

/* Index of the last token of the dotted name that begins at `i`. */
int name_end(const struct sql_tokens *t, int i, int to);

/* The compilation error of Snowflake's form, at a byte offset. */
bool syntax_error(struct call *c, struct str text, size_t at, struct str unexpected);

/* A statement's class with what EXPLAIN wraps taken out. */
struct sql_head {
	struct sql_class class;
	int explained;           /* first token behind EXPLAIN and its options, or s.from */
	int word;                /* the token that decided the kind */
	bool explain;
	int name_from, name_to;  /* tokens of class.name; empty = none */
};
void head_of(struct call *c, const struct sql_tokens *t, struct sql_span s, struct sql_head *ret);
/* The syntax error of a statement whose deciding word we do not know. */
bool unknown_statement(struct call *c, const struct sql_tokens *t, const struct sql_head *h, int to);
/* First token behind the list of common table expressions that begins at `i`. */

/* Names that no database of a tenant may have, in any case: the instance's own catalogs, and those of sessions. */
bool sql_reserved_database(struct str name);

/* The bytes a SQL_STRING stands for. */
struct str string_value(struct arena *a, enum sql_dialect d, struct str text);

#endif
