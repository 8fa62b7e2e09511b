/* origins.c - places of a text that runs, carried back to the client's text.
 *
 * The marks of both rewritings, the scope's and Snowflake's, in one block. A
 * text with more marks than ORIGINS_MAX has no places.
 */
#include "statement/statement_int.h"

enum { ORIGINS_MAX = 1 << 16 };

struct stmt_origins {
	int nouter, ninner;
	bool rewritten;           /* Snowflake's, not only moved */
	struct sql_mark v[];      /* the scope's, then Snowflake's */
};

struct stmt_origins *stmt_origins_of(const struct compiled *k)
{
	int nouter = k->moved ? k->outer.nmarks : 0, ninner = k->inner.nmarks;
	struct stmt_origins *o;

	if (nouter + ninner > ORIGINS_MAX)
		return NULL;
	o = base_alloc(sizeof(*o) + sizeof(o->v[0]) * (size_t)(nouter + ninner));
	o->nouter = nouter;
	o->ninner = ninner;
	o->rewritten = k->inner.text.p != NULL;
	if (nouter)
		memcpy(o->v, k->outer.marks, sizeof(o->v[0]) * (size_t)nouter);
	if (ninner)
		memcpy(o->v + nouter, k->inner.marks, sizeof(o->v[0]) * (size_t)ninner);
	return o;
}

static int64_t source_of(const struct sql_mark *marks, int n, int64_t position)
{
	return (int64_t)sql_source_position(&(struct sql_rewrite){.marks = marks, .nmarks = n}, (size_t)position);
}

int64_t stmt_origin(const struct stmt_origins *o, int64_t position)
{
	if (!o || position < 0)
		return -1;
	if (o->rewritten)
		position = source_of(o->v + o->nouter, o->ninner, position);
	return source_of(o->v, o->nouter, position);
}
