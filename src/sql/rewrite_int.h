/* rewrite_int.h - what rewriters share: marks, and the plan of what to do at which token, made before anything is written. */
#ifndef MAYFLY_SQL_REWRITE_INT_H
#define MAYFLY_SQL_REWRITE_INT_H

#include "sql/sql_int.h"

/* Where output and source stand side by side; a pair that says nothing new is left out. */
struct marks {
	struct sql_mark *v;
	int n, cap;
};
void mark_add(struct arena *a, struct marks *m, size_t out, size_t in);

enum {
	PLAN_NAME = 1,  /* a select item ends before this token: name it after its text */
	PLAN_ALIAS = 2, /* this token is the alias of a select item */
	PLAN_TYPE = 4,  /* a type begins here */
};

struct plan {
	const struct sql_tokens *t;
	int from, to;
	unsigned char *todo;     /* by token - from; one more than tokens */
	struct sql_span *named;  /* what a PLAN_NAME names */
};

/* Result names: of every select list in the span. */
void plan_names(struct plan *p);
/* Appends the name the tokens of `s` give a column, as Snowflake writes it. */
void name_text(struct arena *a, const struct sql_tokens *t, struct sql_span s, struct buf *out);

/* Types: in casts, and in the columns of CREATE TABLE and ALTER TABLE. */
void plan_types(struct plan *p, const struct sql_head *h);
/* Writes DuckDB's name of the type at token `i`; returns the token behind it, or `i` when it stays as it is. */
int write_type(const struct sql_tokens *t, int i, int to, struct buf *out);

#endif
