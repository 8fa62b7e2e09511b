/* script.h - part of sql/'s door: psql scripts (PostgreSQL's SQL with psql's variables and meta-commands) as their pieces.
 *
 * Pure. Positions are byte offsets into the script. A piece borrows from the text that was given.
 */
#ifndef MAYFLY_SQL_SCRIPT_H
#define MAYFLY_SQL_SCRIPT_H

#include "base/base.h"

enum { SCRIPT_PIECES_MAX = 4000000, SCRIPT_USES_MAX = 1000000, SCRIPT_EXPANDED_MAX = 64 << 20 /* bytes of a statement */ };
enum script_kind {
	SCRIPT_SQL,    /* one statement */
	SCRIPT_INCLUDE, SCRIPT_INCLUDE_RELATIVE, /* \i FILE, \ir FILE */
	SCRIPT_SET, SCRIPT_UNSET, SCRIPT_ECHO,
	SCRIPT_COPY,   /* \copy TABLE FROM 'file in the project' … ; also FROM stdin with data */
	SCRIPT_IF, SCRIPT_ELIF, SCRIPT_ELSE, SCRIPT_ENDIF,
};
enum script_form { SCRIPT_PLAIN /* :name */, SCRIPT_LITERAL /* :'name' */, SCRIPT_NAME /* :"name" */, SCRIPT_TEST /* :{?name} */ };
struct script_use { /* of a variable, in a statement or in the arguments of a meta-command */
	struct str name;
	enum script_form form;
	bool slice;          /* :name as in a[1:name], or \echo 12:30: stays as it is when there is no such variable */
	size_t at, n;        /* the whole reference: offset in the script, bytes */
};
struct script_piece {
	enum script_kind kind;
	struct str text;     /* SQL: from its first word to before its `;`. Else what follows the command's name on its line */
	size_t at;           /* offset of text */
	int line, column;    /* of its first character, or a meta-command's backslash, from 1; columns count characters */
	const struct script_use *uses;
	int nuses;
	const size_t *escapes; /* offsets of \; and \: which stand for ; and : */
	int nescapes;
	bool gset;           /* SQL that ends with \gset: its one row becomes variables */
	struct str prefix;   /* of their names */
	bool copy_in;        /* COPY … FROM stdin: its rows are `data` */
	struct str data;     /* without the line \. */
};

/* Splits as psql does: '…', E'…', U&'…', B'…', "…", $tag$…$tag$, nested comments, `--`, BEGIN ATOMIC … END of function bodies,
 * COPY … FROM stdin with its rows. ERR_SCRIPT with the position (byte offset + 1) and words for what is unfinished (quote,
 * comment, dollar quote, COPY data, \if without \endif, parenthesis) and for a byte that is no UTF-8; ERR_META_COMMAND for a
 * meta-command that is not taken, naming it. */
bool script_split(struct call *c, struct str text, struct script_piece **ret, int *ret_n) NODISCARD;
void script_place(struct str text, size_t at, int *ret_line, int *ret_column); /* from 1; columns count characters */

/* --- variables --- */
typedef bool script_value_fn(void *arg, struct str name, struct str *ret); /* false: there is none */
struct script_mark { size_t out, in; }; /* out: offset in the expanded text; in: in the script */
struct script_text {
	struct str text;
	const struct script_mark *marks; /* rising */
	int nmarks;
};
/* The piece's text with its variables replaced, each by its value as it is: no variables are looked for in values. Without any,
 * it borrows. ERR_MISSING_VARIABLE naming it, ERR_SCRIPT for what gets too long, each with its position. */
bool script_expand(struct call *c, const struct script_piece *p, script_value_fn *value, void *arg, struct script_text *ret) NODISCARD;
size_t script_source(const struct script_text *t, size_t at_out);
/* The arguments of a meta-command as psql reads them (quotes, variables; blanks part them); those of includes without `;` at
 * their end. */
bool script_arguments(struct call *c, const struct script_piece *p, script_value_fn *value, void *arg, struct str **ret, int *ret_n) NODISCARD;
/* psql's idea of a boolean: on, true, yes, 1, t, … ; ERR_SCRIPT else. */
bool script_truth(struct call *c, const struct script_piece *p, struct str text, bool *ret) NODISCARD;
/* \copy: the statement COPY … FROM STDIN that it stands for, and its file; empty = the data of the piece. As in psql no variables
 * are looked for in its text. Only files of the project and rows: TO, PROGRAM and PSTDIN are ERR_META_COMMAND. */
struct script_copy {
	struct str statement, file;
};
bool script_copy_of(struct call *c, const struct script_piece *p, struct script_copy *ret) NODISCARD;

/* --- what a statement is; by its tokens, comments ignored; `sql` is expanded --- */
struct script_class {
	bool reads_only;     /* may run in the shared, read-only instance: SELECT, VALUES, TABLE, WITH, SHOW, EXPLAIN, without what
	                      * writes, locks rows, ends or watches other connections, or keeps a state behind */
	bool cluster_wide;   /* roles, databases, tablespaces, ALTER SYSTEM: beyond one database */
	bool transaction;    /* BEGIN, COMMIT, … */
	bool rows_need_copy; /* COPY … TO stdout */
	const struct str *volatile_names; /* functions found whose answer differs from run to run: now, random, … */
	int nvolatile;
};
void script_classify(struct call *c, struct str sql, struct script_class *ret);

#endif
