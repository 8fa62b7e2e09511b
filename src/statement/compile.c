/* compile.c - from the text and binds of a client to what an engine runs.
 *
 * Lexes, classifies, puts in the session's names, rewrites (on the Snowflake
 * surface), gates and binds; runs nothing. The gate judges the text that will
 * be executed. Positions of errors are those of the client's text.
 */
#include "statement/statement_int.h"

/* --- what a single statement of the SQL API may not be (specification, 6.1) --- */

static const struct {
	enum sql_kind kind;
	const char *name;
} not_alone[] = {
	{SQL_BEGIN, "TRANSACTION_BEGIN"}, {SQL_COMMIT, "COMMIT"}, {SQL_ROLLBACK, "ROLLBACK"},
	{SQL_USE, "USE"}, {SQL_PUT, "PUT"}, {SQL_GET, "GET"},
};

static bool may_stand_alone(struct call *c, enum sql_kind kind)
{
	for (size_t i = 0; i < COUNT_OF(not_alone); i++) {
		if (not_alone[i].kind != kind)
			continue;
		fail(c, ERR_SQL, "Command not supported by SQL API: %s", not_alone[i].name);
		return fail_state(c, "0A000", "391911");
	}
	return true;
}

static bool one_statement(struct call *c, const struct stmt_ask *ask, int n)
{
	if (n == 0)
		return fail(c, ERR_SQL_EMPTY, "the statement is empty");
	if (ask->snowflake && ask->statements && ask->statements != n) {
		fail(c, ERR_SQL, "Actual statement count %d did not match the desired statement count %lld.", n,
		     (long long)ask->statements);
		return fail_state(c, "0A000", "000008");
	}
	if (n == 1)
		return true;
	if (!ask->snowflake) {
		fail(c, ERR_SQL, "one statement is expected, %d were given", n);
		return fail_state(c, "42601", "000008");
	}
	fail(c, ERR_SQL, "Unsupported feature 'multi-statement requests'.");
	return fail_state(c, "0A000", "000002");
}

/* --- binds --- */

static const struct stmt_bind *find_bind(const struct stmt_ask *ask, struct str name)
{
	for (int i = 0; i < ask->nbinds; i++)
		if (str_ieq(ask->binds[i].name, name))
			return &ask->binds[i];
	return NULL;
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

static bool bind_by_rewrite(struct call *c, const struct stmt_ask *ask, const struct sql_tokens *t,
			    const struct sql_rewrite *rw, struct engine_ask *ret)
{
	struct engine_bind *v = ARENA_ARRAY(c->arena, struct engine_bind, (size_t)rw->placeholders + 1);

	for (int i = 0; i < rw->placeholders; i++) {
		const struct stmt_bind *b = find_bind(ask, rw->names[i]);

		if (!b)
			return no_bind(c, t, rw->names[i]);
		v[i] = (struct engine_bind){.type = b->type, .value = b->value};
	}
	ret->binds = v;
	ret->nbinds = rw->placeholders;
	return true;
}

/* Native parameters: a list by position, an object by name; the engine finds what is missing. */
static void bind_as_given(struct call *c, const struct stmt_ask *ask, struct engine_ask *ret)
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

/* --- counters --- */

static enum engine_counts counts_of(const struct stmt_ask *ask, const struct sql_class *k)
{
	if (!ask->snowflake)
		return ENGINE_ROWS;
	switch (k->kind) {
	case SQL_INSERT:
		return ENGINE_INSERTED;
	case SQL_UPDATE:
		return ENGINE_UPDATED;
	case SQL_DELETE:
	case SQL_TRUNCATE:
		return ENGINE_DELETED;
	case SQL_SELECT:
	case SQL_SHOW:
	case SQL_EXPLAIN:
	case SQL_CALL:
	case SQL_MERGE:
		return ENGINE_ROWS;
	default:
		return ENGINE_STATUS;
	}
}

/* --- the session's names --- */

struct str stmt_catalog_name(struct arena *a, struct str session_id)
{
	return sql_catalog_of(session_id, arena_alloc(a, SQL_CATALOG_LEN));
}

bool stmt_scoped(struct call *c, const struct sql_tokens *t, struct sql_span span, const struct sql_scope *scope,
		 struct stmt_scoped *ret)
{
	struct sql_span *spans;
	int n;

	if (!sql_rewrite_scope(c, t, span, scope, &ret->rewrite))
		return false;
	ret->moved = ret->rewrite.text.p != t->text.p;
	ret->tokens = *t;
	ret->span = span;
	if (!ret->moved)
		return true;
	if (!sql_lex(c, t->dialect, ret->rewrite.text, &ret->tokens) || !sql_split(c, &ret->tokens, &spans, &n))
		return false;
	ret->span = spans[0];
	return n == 1 || fail(c, ERR_NOT_ALLOWED, "one statement is expected");
}

/* What a step said of a rewritten text is said of its source. */
static bool at_source(struct call *c, const struct sql_rewrite *rw, bool ok)
{
	if (!ok && c->err.position > 0)
		c->err.position = (int)sql_source_position(rw, (size_t)c->err.position - 1) + 1;
	return ok;
}

/* --- the gate --- */

/* The tenant's catalog, and those of sessions that the scope let through. */
static const char *const *catalogs_of(struct call *c, const struct sql_rewrite *scoped)
{
	const char **v;
	int n = 0;

	while (scoped->catalogs && scoped->catalogs[n])
		n++;
	v = ARENA_ARRAY(c->arena, const char *, (size_t)n + 2);
	v[0] = "MAYFLY";
	for (int i = 0; i < n; i++)
		v[i + 1] = scoped->catalogs[i];
	return v;
}

static bool gate(struct call *c, const struct stmt_ask *ask, const struct stmt_scoped *scoped, const struct sql_tokens *t,
		 struct sql_span span)
{
	const struct sql_gate g = {catalogs_of(c, &scoped->rewrite), ask->read_only};

	return sql_gate(c, t, span, &g);
}

static bool gate_text(struct call *c, const struct stmt_ask *ask, const struct stmt_scoped *scoped, struct str text,
		      struct sql_tokens *ret)
{
	struct sql_span *spans;
	int n;

	return sql_lex(c, SQL_DUCKDB, text, ret) && sql_split(c, ret, &spans, &n) &&
	       (n == 1 || fail(c, ERR_NOT_ALLOWED, "one statement is expected")) && gate(c, ask, scoped, ret, spans[0]);
}

/* --- both surfaces --- */

/* Blanks out IF EXISTS, so that the engine says whether there was anything: its "does not
 * exist" is then the answer and no error. Other offsets stay. */
static struct str without_if_exists(struct call *c, const struct sql_tokens *t)
{
	char *text = arena_cstr(c->arena, t->text);

	for (int i = 0; i + 1 < t->n; i++) {
		if (!sql_is(t, i, "IF") || !sql_is(t, i + 1, "EXISTS"))
			continue;
		memset(text + t->v[i].at, ' ', 2);
		memset(text + t->v[i + 1].at, ' ', 6);
		break;
	}
	return str_from(text, t->text.n);
}

static bool compile_snowflake(struct call *c, const struct stmt_ask *ask, const struct stmt_scoped *scoped,
			      const struct sql_tokens *source, struct compiled *ret)
{
	struct sql_tokens run;
	struct sql_rewrite rw;

	if (!at_source(c, &scoped->rewrite, sql_rewrite_snowflake(c, &scoped->tokens, scoped->span, &(const struct sql_context){0}, &rw)))
		return false;
	if (!at_source(c, &scoped->rewrite, at_source(c, &rw, gate_text(c, ask, scoped, rw.text, &run))))
		return false;
	ret->ask.sql = stmt_drops_if_exists(&ret->class) ? without_if_exists(c, &run) : rw.text;
	ret->ask.helpers = true;
	return bind_by_rewrite(c, ask, source, &rw, &ret->ask);
}

static bool compile_native(struct call *c, const struct stmt_ask *ask, const struct stmt_scoped *scoped, struct compiled *ret)
{
	if (!at_source(c, &scoped->rewrite, gate(c, ask, scoped, &scoped->tokens, scoped->span)))
		return false;
	ret->ask.sql = scoped->rewrite.text;
	bind_as_given(c, ask, &ret->ask);
	return true;
}

static void fill_ask(struct call *c, const struct stmt_ask *ask, struct compiled *ret)
{
	ret->ask.tenant = c->tenant;
	ret->ask.form = ask->snowflake ? ENGINE_SNOWFLAKE : ENGINE_NATIVE;
	ret->ask.counts = counts_of(ask, &ret->class);
	ret->ask.null_text = ask->null_text;
	ret->ask.session_state = ret->class.session_state;
	ret->ask.timezone = ask->parameters.timezone;
	ret->ask.catalog = ask->scope.catalog;
	ret->ask.writes = ret->class.writes;
	ret->ask.outlives = ask->scope.detached;
}

bool stmt_compile(struct call *c, const struct stmt_ask *ask, struct compiled *ret)
{
	const struct sql_scope scope = {
		.catalog = ask->scope.catalog ? stmt_catalog_name(c->arena, ask->scope.session_id) : S(""), .share = ask->scope.share,
	};
	struct stmt_scoped scoped;
	struct sql_tokens t;
	struct sql_span *spans;
	int n;

	*ret = (struct compiled){.class.kind = SQL_UNKNOWN};
	if (!sql_lex(c, ask->snowflake ? SQL_SNOWFLAKE : SQL_DUCKDB, ask->sql, &t) || !sql_split(c, &t, &spans, &n) ||
	    !one_statement(c, ask, n))
		return false;
	sql_classify(c, &t, spans[0], &ret->class);
	fill_ask(c, ask, ret);
	if ((ask->snowflake && !may_stand_alone(c, ret->class.kind)) || !stmt_scoped(c, &t, spans[0], &scope, &scoped))
		return false;
	return ask->snowflake ? compile_snowflake(c, ask, &scoped, &t, ret) : compile_native(c, ask, &scoped, ret);
}
