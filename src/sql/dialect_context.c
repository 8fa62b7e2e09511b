/* dialect_context.c - what a statement is written in: CURRENT_…() as literals, variables, IDENTIFIER(…). */
#include "sql/dialect_int.h"

/* Versions are compared by clients: that of the service which the SQL API's specification was recorded from. */
#define SERVICE_VERSION "10.36.101"
#define ACCOUNT "MAYFLY"

static struct str literal(struct plan *p, struct str value, const char *otherwise)
{
	struct str text;
	OWNS(buf) b = {0};

	if (!value.n && !otherwise)
		return S("CAST(NULL AS VARCHAR)");
	sql_quote_literal(&b, value.n ? value : str_of(otherwise));
	text = arena_dup(p->c->arena, buf_str(&b));
	return text;
}

static struct str schemas(struct plan *p)
{
	struct str db = p->x->database, schema = p->x->schema;

	return arena_fmt(p->c->arena, "[\"%.*s.%.*s\"]", SARG(db.n ? db : S("MAYFLY")), SARG(schema.n ? schema : S("PUBLIC")));
}

static struct str context_value(struct plan *p, enum context_value v)
{
	const struct sql_context *x = p->x;

	switch (v) {
	case CONTEXT_DATABASE:
		return literal(p, x->database, "MAYFLY");
	case CONTEXT_SCHEMA:
		return literal(p, x->schema, "PUBLIC");
	case CONTEXT_SCHEMAS:
		return literal(p, schemas(p), NULL);
	case CONTEXT_WAREHOUSE:
		return literal(p, x->warehouse, NULL);
	case CONTEXT_ROLE:
		return literal(p, x->role, "PUBLIC");
	case CONTEXT_USER:
		return literal(p, x->user, ACCOUNT);
	case CONTEXT_SESSION:
		return literal(p, x->session, "1");
	case CONTEXT_ACCOUNT:
		return S("'" ACCOUNT "'");
	case CONTEXT_REGION:
		return S("'LOCAL'");
	case CONTEXT_VERSION:
		return S("'" SERVICE_VERSION "'");
	case CONTEXT_LAST_QUERY:
		return literal(p, x->last_query, NULL);
	case CONTEXT_ROLES:
		return S("'[\"PUBLIC\"]'");
	case CONTEXT_SECONDARY:
		return S("'{\"roles\":\"\",\"value\":\"\"}'");
	case CONTEXT_NOTHING:
		break;
	}
	return literal(p, S(""), NULL);
}

/* CURRENT_DATABASE() and its like; LAST_QUERY_ID() takes numbers too: only the last one (-1) is known. */
bool word_context(struct plan *p, int i, intptr_t value)
{
	const struct sql_tokens *t = p->t;
	bool empty = is_punct(&t->v[i + 1], '(') && t->v[i + 1].match == i + 2;

	if (!empty && value == CONTEXT_LAST_QUERY && is_punct(&t->v[i + 1], '(') && t->v[i + 1].match == i + 4 &&
	    is_operator(&t->v[i + 2], S("-")) && str_eq(t->v[i + 3].text, S("1")))
		edit_replace(p, i, i + 5, context_value(p, CONTEXT_LAST_QUERY));
	else if (empty)
		edit_replace(p, i, i + 3, context_value(p, (enum context_value)value));
	else if (value == CONTEXT_USER && !is_punct(&t->v[i + 1], '.') && !is_punct(&t->v[i + 1], '('))
		edit_replace(p, i, i + 1, context_value(p, CONTEXT_USER));
	return true;
}

/* --- variables --- */
static bool unknown_variable(struct call *c, const struct sql_tokens *t, const struct sql_token *k, struct str name)
{
	int line, column;

	sql_line_column(t->text, k->at, &line, &column);
	fail_at(c, ERR_SQL, (int)k->at + 1, "SQL compilation error: error line %d at position %d\nSession variable '$%.*s' does not exist",
		line, column - 1, SARG(str_head(name, 256)));
	return fail_state(c, "02000", "002211");
}

/* The variable that the token `$name` means, in upper case. */
static struct str variable_name(struct arena *a, const struct sql_token *k)
{
	struct str name = str_tail(k->text, 1);
	char *p = arena_alloc(a, name.n + 1);

	for (size_t i = 0; i < name.n; i++)
		p[i] = ascii_upper(name.p[i]);
	return str_from(p, name.n);
}

static bool variable_of(struct call *c, const struct sql_tokens *t, int i, const struct sql_context *x, struct str *ret_name,
			struct str *ret_value)
{
	*ret_value = (struct str){0};
	*ret_name = variable_name(c->arena, &t->v[i]);
	return (x->variable && x->variable(x->arg, *ret_name, ret_value)) || unknown_variable(c, t, &t->v[i], *ret_name);
}

/* $name is the variable's value, $1 a column by its place. */
bool word_dollar(struct plan *p, int i)
{
	const struct sql_token *k = &p->t->v[i];
	struct str name, value;

	if (ascii_digit(k->text.p[1])) {
		bool qualified = i > 0 && is_punct(k - 1, '.');

		edit_replace(p, i, i + 1, arena_fmt(p->c->arena, qualified ? "COLUMN%.*s" : "#%.*s", SARG(str_tail(k->text, 1))));
		return true;
	}
	if (!variable_of(p->c, p->t, i, p->x, &name, &value))
		return false;
	edit_replace(p, i, i + 1, arena_fmt(p->c->arena, "getvariable('%.*s')", SARG(name)));
	return true;
}

/* --- IDENTIFIER(…) --- */

/* Is the text a dotted name, and nothing else? */
static bool is_dotted(struct call *c, struct str text)
{
	struct sql_tokens t;

	if (!sql_lex(c, SQL_SNOWFLAKE, text, &t)) {
		call_forgive(c);
		return false;
	}
	return t.n > 0 && is_name(&t.v[0]) && name_end(&t, 0, t.n) == t.n - 1 && t.v[0].text.p[0] != '$';
}

static bool identifier_value(struct call *c, const struct sql_tokens *t, int i, const struct sql_context *x, struct str *ret)
{
	const struct sql_token *k = &t->v[i];
	struct str name;

	if (k->kind == SQL_PLACEHOLDER)
		return unsupported(c, k, S("IDENTIFIER of a bind variable"));
	if (k->kind == SQL_STRING)
		*ret = string_value(c->arena, SQL_SNOWFLAKE, k->text);
	else if (k->kind != SQL_WORD || k->text.p[0] != '$')
		*ret = k->text;
	else if (!variable_of(c, t, i, x, &name, ret))
		return false;
	else if (!ret->p)
		return unsupported(c, k, S("IDENTIFIER of a computed variable"));
	return is_dotted(c, *ret) || unexpected_token(c, t, i, t->n);
}

/* TABLE('name') and TABLE($x) where a table stands mean the same. */
static bool names_something(const struct sql_tokens *t, int i, int to)
{
	const struct sql_token *k = &t->v[i];

	if (k->kind != SQL_WORD || i + 3 >= to || !is_punct(k + 1, '(') || k[1].match != i + 3)
		return false;
	if (sql_is(t, i, "identifier"))
		return k[2].kind == SQL_STRING || k[2].kind == SQL_PLACEHOLDER || is_name(k + 2);
	return sql_is(t, i, "table") && (k[2].kind == SQL_STRING || k[2].text.p[0] == '$');
}

/* database..table means its schema PUBLIC. */
static bool skips_schema(const struct sql_tokens *t, int i, struct sql_span s)
{
	return i > s.from && i + 2 < s.to && is_punct(&t->v[i], '.') && is_punct(&t->v[i + 1], '.') && is_name(&t->v[i - 1]) &&
	       is_name(&t->v[i + 2]);
}

bool splice_identifiers(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_context *x, struct sql_rewrite *ret,
			bool *ret_changed)
{
	struct marks marks = {0};
	OWNS(buf) out = {0};
	size_t at = s.from < s.to ? t->v[s.from].at : 0;
	struct str name;

	*ret_changed = false;
	for (int i = s.from; i < s.to; i++) {
		bool skips = skips_schema(t, i, s);

		if (!skips && !names_something(t, i, s.to))
			continue;
		name = S(".PUBLIC");
		if (!skips && !identifier_value(c, t, i + 2, x, &name))
			return false;
		mark_add(c->arena, &marks, out.n, at);
		buf_add(&out, str_from(t->text.p + at, t->v[i].at - at));
		mark_add(c->arena, &marks, out.n, t->v[i].at);
		buf_add(&out, name);
		*ret_changed = true;
		i += skips ? 0 : 3;
		at = t->v[i].at + 1;
	}
	if (!*ret_changed)
		return true;
	mark_add(c->arena, &marks, out.n, at);
	buf_add(&out, str_from(t->text.p + at, t->v[s.to - 1].at + t->v[s.to - 1].text.n - at));
	*ret = (struct sql_rewrite){.text = arena_dup(c->arena, buf_str(&out)), .marks = marks.v, .nmarks = marks.n};
	return true;
}
