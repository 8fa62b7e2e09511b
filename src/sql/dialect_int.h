/* dialect_int.h - what the files of the dialect share: words with rules, and where operands begin. */
#ifndef MAYFLY_SQL_DIALECT_INT_H
#define MAYFLY_SQL_DIALECT_INT_H

#include "sql/rewrite_int.h"

/* --- words with rules: dialect_words.def, sorted --- */
typedef bool word_fn(struct plan *p, int i, intptr_t arg);

enum context_value {
	CONTEXT_DATABASE, CONTEXT_SCHEMA, CONTEXT_SCHEMAS, CONTEXT_WAREHOUSE, CONTEXT_ROLE, CONTEXT_USER, CONTEXT_SESSION, CONTEXT_ACCOUNT,
	CONTEXT_REGION, CONTEXT_VERSION, CONTEXT_LAST_QUERY, CONTEXT_NOTHING,
};
word_fn word_context, word_now;
bool word_dollar(struct plan *p, int i) NODISCARD;

#endif
