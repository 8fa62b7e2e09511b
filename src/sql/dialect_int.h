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
word_fn word_context;
bool word_dollar(struct plan *p, int i) NODISCARD;

/* --- calls (dialect_calls.c) --- */
word_fn word_part_first, word_part_later, word_extract, word_rename, word_now, word_sequence, word_position, word_to_number, word_avg,
	word_median, word_ratio, word_hash, word_listagg, word_array_agg, word_object_agg, word_count, word_object_construct;
/* The arguments of the call whose name is token i; max + 1: there are more. */
int call_args(const struct plan *p, int i, struct sql_span *v, int max);
int call_tail(const struct plan *p, int i);

#endif
