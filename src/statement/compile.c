/* compile.c - from the text and binds of a client to what an engine runs.
 *
 * Lexes, classifies, puts in the session's names, rewrites (on the Snowflake
 * surface), gates and binds; runs nothing. The gate judges the text that will
 * be executed. Positions of errors are those of the client's text.
 */
#include "statement/statement_int.h"

/* --- what may not run (specification, 6.1) --- */

static const struct {
	enum sql_kind kind;
	const char *name;
	bool in_scripts; /* it is fine there */
} unsupported[] = {
	{SQL_BEGIN, "TRANSACTION_BEGIN", true}, {SQL_COMMIT, "COMMIT", true}, {SQL_ROLLBACK, "ROLLBACK", true},
	{SQL_USE, "USE", true}, {SQL_PUT, "PUT", false}, {SQL_GET, "GET", false},
};

static bool may_run(struct call *c, enum sql_kind kind, bool script)
{
	for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
		if (unsupported[i].kind != kind || (script && unsupported[i].in_scripts))
			continue;
		fail(c, ERR_SQL, "Command not supported by SQL API: %s", unsupported[i].name);
		return fail_state(c, "0A000", "391911");
	}
	return true;
}

/* Arrays bind rows to change; a query of each row would be as many results. */
static bool may_be_batch(struct call *c, const struct stmt_ask *ask, enum sql_kind kind)
{
	if (!ask->batch || kind == SQL_INSERT || kind == SQL_UPDATE || kind == SQL_DELETE || kind == SQL_MERGE)
		return true;
	fail(c, ERR_SQL, "Unsupported feature 'array binds of %s'.", sql_kind_name(kind));
	return fail_state(c, "0A000", "000002");
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
	case SQL_MERGE:
		return ENGINE_MERGED;
	case SQL_SELECT:
	case SQL_SHOW:
	case SQL_EXPLAIN:
	case SQL_CALL:
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

/* The client's tokens with the names of its session put in. */
struct scoped {
	struct sql_rewrite rewrite;
	struct sql_tokens tokens;   /* of rewrite.text */
	struct sql_span span;
	bool moved;                 /* the text is another one */
};

static bool put_in_names(struct call *c, const struct stmt_ask *ask, const struct stmt_text *text, struct scoped *ret)
{
	const struct sql_scope scope = {
		.catalog = ask->scope.catalog ? stmt_catalog_name(c->arena, ask->scope.session_id) : S(""), .share = ask->scope.share,
	};
	const struct sql_tokens *t = text->tokens;
	struct sql_span *spans;
	int n;

	if (!sql_rewrite_scope(c, t, text->spans[text->i], &scope, &ret->rewrite))
		return false;
	ret->moved = ret->rewrite.text.p != t->text.p;
	ret->tokens = *t;
	ret->span = text->spans[text->i];
	if (!ret->moved)
		return true;
	if (!sql_lex(c, t->dialect, ret->rewrite.text, &ret->tokens) || !sql_split(c, &ret->tokens, &spans, &n))
		return false;
	if (n != text->n)
		return fail(c, ERR_NOT_ALLOWED, "one statement is expected");
	ret->span = spans[text->i];
	return true;
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

static bool gate(struct call *c, const struct stmt_ask *ask, const struct scoped *scoped, const struct sql_tokens *t,
		 struct sql_span span)
{
	const struct sql_gate g = {catalogs_of(c, &scoped->rewrite), ask->read_only};

	return sql_gate(c, t, span, &g);
}

static bool gate_text(struct call *c, const struct stmt_ask *ask, const struct scoped *scoped, struct str text)
{
	struct sql_tokens t;
	struct sql_span *spans;
	int n;

	return sql_lex(c, SQL_DUCKDB, text, &t) && sql_split(c, &t, &spans, &n) &&
	       (n == 1 || fail(c, ERR_NOT_ALLOWED, "one statement is expected")) && gate(c, ask, scoped, &t, spans[0]);
}

/* --- Snowflake's surface --- */

/* Blanks out IF EXISTS, or IF NOT EXISTS, so that the engine says whether there was anything: its "does not exist", or
 * "already exists", is then the answer and no error. Other offsets stay. */
static struct str without_exists(struct call *c, struct str sql)
{
	char *text = arena_cstr(c->arena, sql);
	struct sql_tokens t;

	if (!sql_lex(c, SQL_DUCKDB, sql, &t)) {
		call_forgive(c);
		return sql;
	}
	for (int i = 0; i + 2 < t.n; i++) {
		int last = sql_is(&t, i + 1, "EXISTS") ? i + 1 : sql_is(&t, i + 1, "NOT") && sql_is(&t, i + 2, "EXISTS") ? i + 2 : i;

		if (!sql_is(&t, i, "IF") || last == i)
			continue;
		memset(text + t.v[i].at, ' ', t.v[last].at + t.v[last].text.n - t.v[i].at);
		break;
	}
	return str_from(text, sql.n);
}

static struct str upper(struct call *c, struct str s)
{
	char *p = arena_alloc(c->arena, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_upper(s.p[i]);
	return str_from(p, s.n);
}

static struct sql_context context_of(struct call *c, const struct stmt_ask *ask, const struct stmt_world *w)
{
	return (struct sql_context){
		.database = upper(c, w->context.database), .schema = upper(c, w->context.schema),
		.session_catalog = ask->scope.catalog ? stmt_catalog_name(c->arena, ask->scope.session_id) : S(""),
		.warehouse = upper(c, w->context.warehouse), .role = upper(c, w->context.role), .user = c->principal,
		.session = w->session, .last_query = w->last_query, .variable = w->variable, .arg = w->arg, .batch = ask->batch > 0,
	};
}

static bool gate_steps(struct call *c, const struct stmt_ask *ask, const struct scoped *scoped, const struct sql_rewrite *rw)
{
	for (int i = 0; i < rw->sf.nsteps; i++)
		if (!gate_text(c, ask, scoped, rw->sf.steps[i].text))
			return false;
	return at_source(c, rw, gate_text(c, ask, scoped, rw->text));
}

static bool few_steps(struct call *c, const struct sql_snowflake *sf)
{
	if (sf->nsteps <= ENGINE_STEPS_MAX)
		return true;
	fail(c, ERR_SQL, "Unsupported feature 'more than %d changes in one statement'.", ENGINE_STEPS_MAX);
	return fail_state(c, "0A000", "000002");
}

static void take_steps(struct call *c, const struct sql_snowflake *sf, struct engine_ask *ask)
{
	struct engine_sql *v = ARENA_ARRAY(c->arena, struct engine_sql, (size_t)sf->nsteps + 1);

	for (int i = 0; i < sf->nsteps; i++)
		v[i] = (struct engine_sql){sf->steps[i].text, sf->steps[i].inserts   ? ENGINE_INSERTED
							      : sf->steps[i].deletes ? ENGINE_DELETED
										     : ENGINE_STATUS};
	ask->steps = v;
	ask->nsteps = sf->nsteps;
}

static bool run_text(struct call *c, const struct stmt_ask *ask, const struct scoped *scoped, const struct sql_tokens *source,
		     struct compiled *ret)
{
	const struct sql_rewrite *rw = &ret->inner;
	bool tells = stmt_drops_if_exists(&ret->class) || stmt_creates_if_not_exists(&ret->class);

	if (!few_steps(c, &rw->sf))
		return false;
	if (!rw->sf.own && !at_source(c, &scoped->rewrite, gate_steps(c, ask, scoped, rw)))
		return false;
	ret->ask.sql = tells ? without_exists(c, rw->text) : rw->text;
	ret->ask.set_based = rw->sf.set_based;
	take_steps(c, &rw->sf, &ret->ask);
	return stmt_bind_by_rewrite(c, ask, source, rw, &ret->ask);
}

/* CREATE and DROP DATABASE, USE: of the worker's own. What is there already, or not there, is told as an error, and no error
 * with IF NOT EXISTS, or IF EXISTS. */
static bool run_verb(const struct sql_snowflake *sf, struct compiled *ret)
{
	struct engine_ask *ask = &ret->ask;

	ask->verb = sf->does == SQL_DOES_CREATE_DATABASE ? ENGINE_CREATE_DATABASE
		    : sf->does == SQL_DOES_DROP_DATABASE ? ENGINE_DROP_DATABASE
							 : ENGINE_USE;
	ask->sql = S("");
	ask->or_replace = ret->class.or_replace;
	ask->writes = sf->does != SQL_DOES_USE;
	if (sf->database.n)
		ask->context.database = sf->database;
	if (sf->database.n || sf->schema.n)
		ask->context.schema = sf->schema;
	return true;
}

static bool in_transaction(enum sql_kind kind, struct str *ret)
{
	*ret = kind == SQL_BEGIN ? S("BEGIN TRANSACTION") : kind == SQL_COMMIT ? S("COMMIT") : S("ROLLBACK");
	return kind == SQL_BEGIN || kind == SQL_COMMIT || kind == SQL_ROLLBACK;
}

static bool compile_snowflake(struct call *c, const struct stmt_ask *ask, const struct stmt_world *w, const struct scoped *scoped,
			      struct compiled *ret)
{
	const struct sql_context x = context_of(c, ask, w);
	struct str transaction;

	if (!at_source(c, &scoped->rewrite, sql_rewrite_snowflake(c, &scoped->tokens, scoped->span, &x, &ret->inner)))
		return false;
	ret->ask.helpers = true;
	if (in_transaction(ret->class.kind, &transaction)) {
		ret->ask.sql = transaction;
		return true;
	}
	switch (ret->inner.sf.does) {
	case SQL_DOES_RUN:
	case SQL_DOES_SET_VARIABLES:
		return true;
	case SQL_DOES_USE:
	case SQL_DOES_CREATE_DATABASE:
	case SQL_DOES_DROP_DATABASE:
		return run_verb(&ret->inner.sf, ret);
	case SQL_DOES_SET_PARAMETERS:
		ret->at_once = true;
		return stmt_parameters_check(c, &ret->inner.sf);
	case SQL_DOES_USE_NAME:
		break;
	}
	ret->at_once = true;
	return true;
}

static bool has_text(const struct compiled *k)
{
	return !k->ask.sql.n && (k->inner.sf.does == SQL_DOES_RUN || k->inner.sf.does == SQL_DOES_SET_VARIABLES);
}

/* --- both surfaces --- */

static bool compile_native(struct call *c, const struct stmt_ask *ask, const struct scoped *scoped, struct compiled *ret)
{
	if (!at_source(c, &scoped->rewrite, gate(c, ask, scoped, &scoped->tokens, scoped->span)))
		return false;
	ret->ask.sql = scoped->rewrite.text;
	stmt_bind_as_given(c, ask, &ret->ask);
	return true;
}

/* In a script, what defines objects ends a transaction that is open. */
static bool commits(const struct sql_class *k)
{
	return k->kind >= SQL_CREATE && k->kind <= SQL_COMMENT;
}

static void fill_ask(struct call *c, const struct stmt_ask *ask, const struct stmt_world *w, struct compiled *ret)
{
	struct engine_ask *e = &ret->ask;

	e->tenant = c->tenant;
	e->form = ask->snowflake ? ENGINE_SNOWFLAKE : ENGINE_NATIVE;
	e->counts = counts_of(ask, &ret->class);
	e->null_text = ask->null_text;
	e->session_state = ret->class.session_state;
	e->timezone = w->parameters.timezone;
	e->catalog = ask->scope.catalog;
	e->writes = ret->class.writes;
	e->outlives = ask->scope.detached;
	if (!ask->snowflake)
		return;
	e->context = (struct engine_context){.database = w->context.database, .schema = w->context.schema};
	memcpy(e->formats, w->parameters.formats, sizeof(e->formats));
	e->max_rows = e->counts == ENGINE_ROWS ? w->parameters.rows_per_resultset : 0;
	e->batch = ask->batch;
	e->commits_before = w->script && commits(&ret->class);
}

struct stmt_world stmt_world_of(const struct stmt_ask *ask)
{
	return (struct stmt_world){.context = ask->context, .parameters = ask->parameters, .session = ask->scope.session_id};
}

bool stmt_lex(struct call *c, const struct stmt_ask *ask, struct sql_tokens *ret_tokens, struct stmt_text *ret)
{
	struct sql_span *spans;
	int n;

	if (!sql_lex(c, ask->snowflake ? SQL_SNOWFLAKE : SQL_DUCKDB, ask->sql, ret_tokens) || !sql_split(c, ret_tokens, &spans, &n))
		return false;
	*ret = (struct stmt_text){ret_tokens, spans, n, 0};
	return n > 0 || fail(c, ERR_SQL_EMPTY, "the statement is empty");
}

bool stmt_compile(struct call *c, const struct stmt_ask *ask, const struct stmt_world *w, const struct stmt_text *text,
		  struct compiled *ret)
{
	struct scoped scoped;

	*ret = (struct compiled){.class.kind = SQL_UNKNOWN};
	sql_classify(c, text->tokens, text->spans[text->i], &ret->class);
	fill_ask(c, ask, w, ret);
	if (ask->snowflake && (!may_run(c, ret->class.kind, w->script) || !may_be_batch(c, ask, ret->class.kind)))
		return false;
	if (!sql_lists_fit(c, text->tokens, text->spans[text->i]) || !put_in_names(c, ask, text, &scoped))
		return false;
	ret->outer = scoped.rewrite;
	ret->moved = scoped.moved;
	if (!ask->snowflake)
		return compile_native(c, ask, &scoped, ret);
	return compile_snowflake(c, ask, w, &scoped, ret) &&
	       (!has_text(ret) || run_text(c, ask, &scoped, text->tokens, ret));
}
