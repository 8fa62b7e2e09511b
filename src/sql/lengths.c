/* lengths.c - that a SELECT gives something, and how many expressions a list may have.
 *
 * Limited are lists whose planning takes the square of their length: what a SELECT gives, a row of VALUES, and what GROUP BY,
 * ORDER BY and PARTITION BY name. Rows of VALUES, what IN looks among, arguments and arrays are planned in time that grows
 * with their length, and have no limit here.
 *
 * Pure functions, any thread.
 */
#include "sql/sql_int.h"

enum {
	ITEMS_MAX = 16384, /* as Snowflake has it for lists */
	KEYS_MAX = 4096,   /* of GROUP BY and the like: each is looked for among all */
};

struct length {
	int max; /* 0 = no limit */
	int n;
	bool values; /* its brackets are rows */
};

static bool short_enough(struct call *c, const struct length *l)
{
	if (!l->max || l->n <= l->max)
		return true;
	fail(c, ERR_SQL, "SQL compilation error:\nmaximum number of expressions in a list exceeded, expected at most %d, got %d", l->max,
	     l->n);
	return fail_state(c, "42601", "001795");
}

/* Does token i begin a list, or end the one that it is in? */
static bool list_begins(const struct sql_tokens *t, int i, struct length *ret)
{
	static const char *const ends[] = {"from", "where", "having", "qualify", "window", "limit", "offset", "union", "except",
					   "intersect", "minus", "group", "order", "partition", "rows", "range", "set", NULL};

	if (t->v[i].kind != SQL_WORD)
		return false;
	*ret = (struct length){.n = 1};
	if (sql_is(t, i, "select"))
		ret->max = ITEMS_MAX;
	else if (sql_is(t, i, "by"))
		ret->max = KEYS_MAX;
	else if (sql_is(t, i, "values"))
		ret->values = true;
	else
		return word_in(&t->v[i], ends);
	return true;
}

/* DuckDB says of a SELECT without expressions no place, and other words. */
static bool gives_something(struct call *c, const struct sql_tokens *t, int i, int to)
{
	const struct sql_token *next = &t->v[i + 1];

	if (t->dialect != SQL_SNOWFLAKE || !sql_is(t, i, "select") || (i + 1 < to && !is_punct(next, ')')))
		return true;
	return syntax_error(c, t->text, next->at, next->kind == SQL_END ? S("<EOF>") : next->text);
}

static int deepest(const struct sql_tokens *t, struct sql_span s)
{
	int depth = 0;

	for (int i = s.from; i < s.to; i++)
		depth = t->v[i].depth > depth ? t->v[i].depth : depth;
	return depth;
}

bool sql_lists_fit(struct call *c, const struct sql_tokens *t, struct sql_span s)
{
	struct length *v = ARENA_ARRAY(c->arena, struct length, (size_t)deepest(t, s) + 2), next;
	int at = 0;

	for (int i = s.from; i < s.to; i++) {
		const struct sql_token *k = &t->v[i];

		if (k->match > i) {
			v[at + 1] = (struct length){.n = 1, .max = v[at].values ? ITEMS_MAX : 0};
			at++;
		} else if (k->match >= 0) {
			if (!short_enough(c, &v[at]))
				return false;
			at--;
		} else if (is_punct(k, ',')) {
			v[at].n++;
		} else if (list_begins(t, i, &next)) {
			if (!short_enough(c, &v[at]) || !gives_something(c, t, i, s.to))
				return false;
			v[at] = next;
		}
	}
	return short_enough(c, &v[0]);
}
