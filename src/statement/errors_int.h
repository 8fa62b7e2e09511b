/* errors_int.h - an engine's error, and what /api/v2 says of it. */
#ifndef MAYFLY_STATEMENT_ERRORS_INT_H
#define MAYFLY_STATEMENT_ERRORS_INT_H

#include "statement/statement_int.h"

struct error_place {
	size_t at;        /* byte in the client's text */
	int line, column; /* from 1; from 0 */
	int token;        /* what stands there; tokens->n = the end */
	bool known;
};
struct error_case {
	struct str class, text;          /* DuckDB's */
	const struct sql_tokens *tokens; /* of the client's text; NULL = it cannot be read */
	struct error_place place;
	enum sql_kind kind;              /* of the statement */
	struct str handle;
	struct call *c;                  /* its arena */
};
struct error_said {
	char native[8], sqlstate[6];
};

/* The name that the text tells, whose first place in the client's text is the place of the error; empty = none. */
struct str error_name(struct str class, struct str text);
/* Snowflake's six digits for it. */
const char *error_native(struct str class, struct str text);
void error_say(const struct error_case *k, struct buf *out, struct error_said *ret);

#endif
