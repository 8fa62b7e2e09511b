/* binds.c - values of a request for the placeholders of its statement.
 *
 * On /api/v2 each placeholder must have a value; an array of them is one a row,
 * and a plain one beside arrays counts for every row. Natively they go to the
 * engine as they are.
 */
#include "statement/statement_int.h"

static struct str in_upper_case(struct arena *a, struct str name)
{
	char *to = arena_alloc(a, name.n + 1);

	for (size_t i = 0; i < name.n; i++)
		to[i] = ascii_upper(name.p[i]);
	return str_from(to, name.n);
}

/* The first of a name counts. */
static void index_binds(struct arena *a, const struct stmt_ask *ask, struct map *ret)
{
	for (int i = ask->nbinds - 1; i >= 0; i--) {
		struct str name = in_upper_case(a, ask->binds[i].name);

		map_del(ret, name);
		map_put(ret, name, (void *)(uintptr_t)&ask->binds[i]);
	}
}

/* The first placeholder token that stands for name i (a `?` counts itself). */
static const struct sql_token *placeholder_token(const struct sql_tokens *t, struct str name)
{
	int64_t number = 0, seen = 0;

	if (!str_to_i64(name, &number))
		number = 0;
	for (int i = 0; i < t->n; i++) {
		const struct sql_token *token = &t->v[i];

		if (token->kind != SQL_PLACEHOLDER)
			continue;
		if (str_eq(token->text, S("?")) ? ++seen == number : str_ieq(str_tail(token->text, 1), name))
			return token;
	}
	return NULL;
}

static bool no_bind(struct call *c, const struct sql_tokens *t, struct str name)
{
	const struct sql_token *token = placeholder_token(t, name);
	size_t at = token ? token->at : 0;
	struct str shown = token ? token->text : S("?");
	int line, column;

	sql_line_column(t->text, at, &line, &column);
	fail_at(c, ERR_SQL, (int)at + 1, "SQL compilation error: error line %d at position %d\nBind variable %.*s not set.", line,
		column - 1, SARG(shown));
	return fail_state(c, "42601", "002049");
}

enum { PLACEHOLDERS_MAX = 16384 }; /* of one statement, as Snowflake has it for lists */

static bool too_many(struct call *c, int n)
{
	fail(c, ERR_SQL, "SQL compilation error:\nmaximum number of expressions in a list exceeded, expected at most %d, got %d",
	     PLACEHOLDERS_MAX, n);
	return fail_state(c, "42601", "001795");
}

bool stmt_bind_by_rewrite(struct call *c, const struct stmt_ask *ask, const struct sql_tokens *t, const struct sql_rewrite *rw,
			  struct engine_ask *ret)
{
	struct engine_bind *v = ARENA_ARRAY(c->arena, struct engine_bind, (size_t)rw->placeholders + 1);
	struct map by_name = {0};
	bool ok = rw->placeholders <= PLACEHOLDERS_MAX || too_many(c, rw->placeholders);

	index_binds(c->arena, ask, &by_name);
	for (int i = 0; ok && i < rw->placeholders; i++) {
		const struct stmt_bind *b = map_get(&by_name, in_upper_case(c->arena, rw->names[i]));

		ok = b || no_bind(c, t, rw->names[i]);
		if (b)
			v[i] = (struct engine_bind){.type = b->type, .value = b->value, .values = b->values};
	}
	map_close(&by_name);
	if (!ok)
		return false;
	ret->binds = v;
	ret->nbinds = rw->placeholders;
	return true;
}

void stmt_bind_as_given(struct call *c, const struct stmt_ask *ask, struct engine_ask *ret)
{
	struct engine_bind *v = ARENA_ARRAY(c->arena, struct engine_bind, (size_t)ask->nbinds + 1);
	struct str *names = ARENA_ARRAY(c->arena, struct str, (size_t)ask->nbinds + 1);

	for (int i = 0; i < ask->nbinds; i++) {
		v[i] = (struct engine_bind){.type = ask->binds[i].type, .value = ask->binds[i].value};
		names[i] = ask->binds[i].name;
	}
	ret->binds = v;
	ret->bind_names = names;
	ret->nbinds = ask->nbinds;
}
