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
	PLAN_EDIT = 8,  /* edit_at() says what */
	PLAN_TAKEN = 16, /* replaced together with the token before it */
	PLAN_FIXED = 32, /* no rule of a word applies: the parameter of a lambda */
};

struct edit_piece {
	struct str text;
	struct sql_span again;                /* not empty: these tokens once more, instead of a text */
	struct edit_piece *parts;             /* or these, which may repeat the very token that they stand behind */
	bool active;
	struct edit_piece *next;
};
struct edit {
	struct edit_piece *before;            /* written before the token, in this order */
	struct edit_piece *behind, *last;     /* and behind it, or behind what stands instead of it */
	struct str instead;                   /* p NULL: the token itself */
	int resume;                           /* with `instead`: the first token behind what it replaces */
};

struct plan {
	struct call *c;
	const struct sql_tokens *t;
	const struct sql_context *x;
	const struct sql_head *head;
	int from, to;
	unsigned char *todo;     /* by token - from; one more than tokens */
	struct sql_span *named;  /* what a PLAN_NAME names */
	int *edit_of;            /* with PLAN_EDIT: index in edits */
	int *chain_of;           /* by token - from, or NULL: 1 + the first token of the path expression that ends at this one */
	int *case_of;            /* by token - from, or NULL: the partner of a CASE or END */
	int flattens;            /* has it FLATTEN or its like? 0: nobody has looked, 1: no, 2: yes */
	struct edit *edits;
	int nedits, capedits;
};

/* --- edits (edit.c): texts live as long as the call's arena --- */
/* Before what earlier ones put there: the later wraps the earlier. Behind: after what earlier ones put there. */
void edit_before(struct plan *p, int i, struct str text);
void edit_behind(struct plan *p, int i, struct str text);
/* What stands at tokens [from, to) is written once more behind token i. */
void edit_again(struct plan *p, int i, int from, int to);
/* Behind token i: n texts, and behind each but the last of them tokens of spans[…] once more. */
void edit_repeat(struct plan *p, int i, const struct str *texts, const struct sql_span *spans, int n);
void edit_wrap(struct plan *p, int from, int last, struct str before, struct str behind);
/* Tokens [from, to) become `text`, which may be empty. What is planned for those behind `from` is lost. */
void edit_replace(struct plan *p, int from, int to, struct str text);
/* The END of the CASE, or the CASE of the END, at token i; i: it has none. */
int case_partner(struct plan *p, int i);
/* The token that stands for token i: itself, or where a replacement begins that takes it in. */
int edit_holder(const struct plan *p, int i);
const struct edit *edit_at(const struct plan *p, int i);

/* show.c: SHOW, and DESCRIBE of what is in the catalog; a text of our own. */
bool sql_is_show(const struct sql_tokens *t, struct sql_span s);
bool sql_show(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_context *x, struct sql_rewrite *ret) NODISCARD;

/* Result names: of every select list in the span. */
void plan_names(struct plan *p);
/* Appends the name the tokens of `s` give a column, as Snowflake writes it. */
void name_text(struct arena *a, const struct sql_tokens *t, struct sql_span s, struct buf *out);

/* Types: in casts, and in the columns of CREATE TABLE and ALTER TABLE. */
void plan_types(struct plan *p, const struct sql_head *h);
/* Writes DuckDB's name of the type at token `i`; returns the token behind it, or `i` when it stays as it is. */
int write_type(const struct sql_tokens *t, int i, int to, struct buf *out);
/* Casts that cut off, around all that other rules make of what they cast: after these. */
void plan_casts(struct plan *p);

/* Calls, paths and words that mean something else there (dialect_words.c). */
bool plan_words(struct plan *p) NODISCARD;
/* Fails where a plan would not end: it cannot be interrupted while it is made (dialect_copies.c). */
bool check_copies(struct plan *p) NODISCARD;
/* Operators that become calls around their operands: last of all. */
void plan_operators(struct plan *p);

/* --- writing (rewrite.c) --- */
struct writer {
	struct call *c;
	const struct sql_tokens *t;
	struct plan plan;
	struct buf out;
	struct marks marks;
	struct map seen;         /* placeholder name -> its number */
	struct str *names;
	int nnames, capnames;
	int *questions, nquestions; /* tokens of `?`, in order */
	bool dropped;            /* what stood before the next token was left out */
	int again;               /* how deep tokens are written once more */
	size_t named, budget;    /* bytes of result names */
	struct sql_snowflake sf;
	bool bound;              /* placeholders are columns of mayfly_binds() AS b */
};
/* Tokens [from, to) as planned, and the name of an item that ends there. */
bool write_span(struct writer *w, int from, int to) NODISCARD;
/* What was written so far becomes a text of its own; writing begins anew. */
struct str write_cut(struct writer *w);

/* --- statements of their own kind: they write all, or set w->sf --- */
typedef bool statement_fn(struct writer *w, const struct sql_head *h, struct sql_span s);
/* NULL: written token by token (dialect_session.c). */
statement_fn *session_statement(const struct sql_head *h);
statement_fn *change_statement(const struct sql_head *h); /* dialect_change.c */
statement_fn *create_statement(const struct sql_head *h); /* dialect_create.c */
statement_fn *alter_statement(const struct sql_head *h);  /* dialect_alter.c */
/* ERR_SQL 000002 for what cannot work (dialect_refuse.c). */
bool refuse_unsupported(struct call *c, const struct sql_tokens *t, const struct sql_head *h) NODISCARD;
bool unsupported(struct call *c, const struct sql_token *k, struct str what);
/* The syntax error at token `i`, or at the end of the statement. */
bool unexpected_token(struct call *c, const struct sql_tokens *t, int i, int to);

/* $x and IDENTIFIER(…) where names stand (dialect_context.c). */
bool splice_identifiers(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_context *x, struct sql_rewrite *ret,
			bool *ret_changed) NODISCARD;

#endif
