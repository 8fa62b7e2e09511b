/* sql_rig.h - each case gets a call of its own. */
#ifndef MAYFLY_TEST_SQL_RIG_H
#define MAYFLY_TEST_SQL_RIG_H

#include "sql/sql.h"

#include "test.h"

#include <stdio.h>

#define BROKEN(...) \
	do { \
		print_error(__VA_ARGS__); \
		print_error("\n"); \
		_fail(__FILE__, __LINE__); \
	} while (0)

/* --- each case gets a call of its own --- */
struct bench {
	struct arena arena;
	struct call c;
	struct sql_tokens t;
	struct sql_span *s;
	int n;
};

UNUSED static bool cut(struct bench *b, enum sql_dialect d, const char *text)
{
	arena_open(&b->arena);
	call_open(&b->c, &b->arena);
	return sql_lex(&b->c, d, str_of(text), &b->t) && sql_split(&b->c, &b->t, &b->s, &b->n);
}

UNUSED static void done(struct bench *b)
{
	arena_close(&b->arena);
}

static const char *const catalogs[] = {"shop", NULL};

struct pair {
	const char *in, *out;
};

struct bad {
	enum sql_dialect d;
	const char *text, *message;
	int position;
};

#endif
