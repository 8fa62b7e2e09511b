/* dialect_int.h - what the files of the dialect share: words with rules, and where operands begin. */
#ifndef MAYFLY_SQL_DIALECT_INT_H
#define MAYFLY_SQL_DIALECT_INT_H

#include "sql/rewrite_int.h"

/* --- words with rules: dialect_words.def, sorted --- */
typedef bool word_fn(struct plan *p, int i, intptr_t arg);

enum context_value {
	CONTEXT_DATABASE, CONTEXT_SCHEMA, CONTEXT_SCHEMAS, CONTEXT_WAREHOUSE, CONTEXT_ROLE, CONTEXT_USER, CONTEXT_SESSION, CONTEXT_ACCOUNT,
	CONTEXT_REGION, CONTEXT_VERSION, CONTEXT_LAST_QUERY, CONTEXT_ROLES, CONTEXT_SECONDARY, CONTEXT_NOTHING,
};
word_fn word_context;
bool word_dollar(struct plan *p, int i) NODISCARD;

/* --- calls (dialect_calls.c) --- */
word_fn word_part_first, word_part_later, word_extract, word_deep, word_rename, word_now, word_position, word_to_number, word_ratio, word_hash, word_listagg, word_array_agg, word_object_agg, word_count, word_object_construct, word_nextval,
	word_interval, word_collate, word_quote;
/* The arguments of the call whose name is token i; max + 1: there are more. */
int call_args(const struct plan *p, int i, struct sql_span *v, int max);
int call_tail(const struct plan *p, int i);
/* --- windows (dialect_windows.c) --- */
word_fn word_window, word_avg, word_median, word_percentile, word_sequence;

/* --- how often operands are written (dialect_copies.c) --- */
/* Of a function's arguments; 0: its name is none that repeats them. */
int copies_of(const struct sql_token *name);

/* --- operands (dialect_operands.c) --- */
/* Is token i the last one of a value? */
bool ends_value(const struct plan *p, int i);
/* The first token of what stands before the operator i, which binds as LIKE does, and the first one behind what stands behind. */
int operand_start(struct plan *p, int i);
int operand_end(struct plan *p, int i);
/* The first token of the primary, with calls, casts and subscripts, that ends before token i; -1: there is none. */
int primary_start(struct plan *p, int i);
/* What ends at token `last` begins at `start`: primary_start() need not look again. */
void chain(struct plan *p, int start, int last);
bool is_comparison(const struct sql_token *k);

/* --- paths into variants (dialect_paths.c): the token to go on at --- */
int plan_path(struct plan *p, int i);     /* v:a.b[0] at the `:` */
int plan_bracket(struct plan *p, int i);  /* v[0], [1, 2] */
int plan_brace(struct plan *p, int i);    /* {'a': 1} */
word_fn word_value;
/* The value at tokens [start, last], next to a number or sorted by: cast as that needs. */
void plan_value(struct plan *p, int start, int last);

/* --- lambdas (dialect_lambda.c) --- */
word_fn word_lambda;
/* FILTER(array, lambda), not the clause behind an aggregate. */
bool is_filter_call(const struct sql_tokens *t, int i);

/* --- clauses (dialect_query.c) --- */
word_fn word_table, word_flatten, word_minus, word_top, word_sample, word_values, word_dual, word_match_condition, word_information_schema,
	word_refused, word_time_travel, word_connect, word_type_refused, word_pivot;
/* Where the alias of what ends before token i stands; -1: it has none. */
int alias_at(const struct plan *p, int i);
bool plan_stage(struct plan *p, int i) NODISCARD;

#endif
