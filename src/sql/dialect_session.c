/* dialect_session.c - statements about the session: USE, ALTER SESSION, SET, transactions, databases, schemas.
 *
 * The server keeps a session's state, so most of these have no text: they say
 * what changes. Variables' values live in DuckDB.
 */
#include "sql/dialect_int.h"

static struct str name_at(const struct writer *w, int i)
{
	return sql_name_of(w->c->arena, SQL_SNOWFLAKE, &w->t->v[i]);
}

/* A database that is not the tenant's own to name. */
static bool check_database(struct writer *w, int i, struct str name)
{
	if (!sql_reserved_database(name))
		return true;
	fail_at(w->c, ERR_NOT_ALLOWED, (int)w->t->v[i].at + 1, "The catalog %.*s is not allowed here", SARG(str_head(name, 200)));
	return fail_state(w->c, "42501", "003001");
}

static bool ends_at(struct writer *w, int i, int to)
{
	return i == to || unexpected_token(w->c, w->t, i, to);
}

/* --- USE --- */
static bool use_names(struct writer *w, int i, int to, bool schema)
{
	int end;

	if (i >= to || !is_name(&w->t->v[i]))
		return unexpected_token(w->c, w->t, i, to);
	end = name_end(w->t, i, to);
	if (end > i + 2)
		return unexpected_token(w->c, w->t, i + 3, to);
	if (end > i || !schema) {
		w->sf.database = name_at(w, i);
		if (!check_database(w, i, w->sf.database))
			return false;
	}
	w->sf.schema = end > i || schema ? name_at(w, end) : S("PUBLIC");
	w->sf.does = SQL_DOES_USE;
	return ends_at(w, end + 1, to);
}

static bool set_one(struct writer *w, struct str name, struct str value)
{
	struct sql_setting *one = ARENA_NEW(w->c->arena, struct sql_setting);

	*one = (struct sql_setting){name, value};
	w->sf.settings = one;
	w->sf.nsettings = 1;
	return true;
}

static bool use_thing(struct writer *w, struct str what, int i, int to)
{
	if (i >= to || !is_name(&w->t->v[i]))
		return unexpected_token(w->c, w->t, i, to);
	w->sf.does = SQL_DOES_USE_NAME;
	return ends_at(w, i + 1, to) && set_one(w, what, name_at(w, i));
}

static bool use(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	const struct sql_tokens *t = w->t;
	int i = h->word + 1;

	if (sql_is(t, i, "secondary") && sql_is(t, i + 1, "roles"))
		return use_thing(w, S("SECONDARY ROLES"), i + 2, s.to);
	if (i + 1 < s.to && is_name(&t->v[i + 1])) {
		if (sql_is(t, i, "warehouse"))
			return use_thing(w, S("WAREHOUSE"), i + 1, s.to);
		if (sql_is(t, i, "role"))
			return use_thing(w, S("ROLE"), i + 1, s.to);
		if (sql_is(t, i, "database"))
			return use_names(w, i + 1, s.to, false);
		if (sql_is(t, i, "schema"))
			return use_names(w, i + 1, s.to, true);
	}
	return use_names(w, i, s.to, false);
}

/* --- ALTER SESSION --- */

/* The literal at i, maybe signed; returns the token behind it, or i. */
static int literal_at(struct writer *w, int i, int to, struct str *ret)
{
	const struct sql_token *k = &w->t->v[i];
	bool sign = i + 1 < to && (is_operator(k, S("-")) || is_operator(k, S("+"))) && k[1].kind == SQL_NUMBER;

	if (i >= to)
		return i;
	if (k->kind == SQL_STRING)
		*ret = string_value(w->c->arena, SQL_SNOWFLAKE, k->text);
	else if (k->kind == SQL_NUMBER)
		*ret = k->text;
	else if (sign)
		*ret = arena_fmt(w->c->arena, "%.*s%.*s", SARG(k->text), SARG(k[1].text));
	else
		return i;
	return i + 1 + sign;
}

static int parameter_at(struct writer *w, int i, int to, bool set, struct sql_setting *ret)
{
	const struct sql_tokens *t = w->t;
	int at;

	if (i >= to || t->v[i].kind != SQL_WORD)
		return i;
	*ret = (struct sql_setting){.name = name_at(w, i)};
	if (!set)
		return i + 1;
	if (i + 2 >= to || !is_operator(&t->v[i + 1], S("=")))
		return i;
	at = literal_at(w, i + 2, to, &ret->value);
	if (at > i + 2)
		return at;
	ret->value = t->v[i + 2].text;
	return t->v[i + 2].kind == SQL_WORD ? i + 3 : i;
}

static bool alter_session(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	int i = h->word + 2, n = 0, next;
	struct sql_setting *v = ARENA_ARRAY(w->c->arena, struct sql_setting, (size_t)(s.to - s.from));
	bool set = sql_is(w->t, i, "set");

	if (!set && !sql_is(w->t, i, "unset"))
		return unexpected_token(w->c, w->t, i, s.to);
	for (i++; i < s.to; i = next) {
		if (n > 0 && is_punct(&w->t->v[i], ','))
			i++;
		next = parameter_at(w, i, s.to, set, &v[n]);
		if (next == i)
			return unexpected_token(w->c, w->t, i, s.to);
		n++;
	}
	if (n == 0)
		return unexpected_token(w->c, w->t, s.to, s.to);
	w->sf.does = SQL_DOES_SET_PARAMETERS;
	w->sf.settings = v;
	w->sf.nsettings = n;
	return true;
}

/* --- variables --- */
struct variables {
	struct sql_setting *v;
	struct sql_step *steps;
	int n;
};

static struct variables variables_for(struct writer *w, int n)
{
	return (struct variables){ARENA_ARRAY(w->c->arena, struct sql_setting, (size_t)n), ARENA_ARRAY(w->c->arena, struct sql_step, (size_t)n), 0};
}

/* The last text stays where it is, as the statement's own. */
static bool variables_done(struct writer *w, const struct variables *v)
{
	w->sf.does = SQL_DOES_SET_VARIABLES;
	w->sf.settings = v->v;
	w->sf.nsettings = v->n;
	w->sf.steps = v->steps;
	w->sf.nsteps = v->n - 1;
	buf_add(&w->out, v->steps[v->n - 1].text);
	return true;
}

static void begin_variable(struct writer *w, const char *verb, struct str name)
{
	buf_add(&w->out, str_of(verb));
	sql_quote_name(&w->out, name);
}

/* Is the span one literal, or TRUE or FALSE? */
static struct str literal_value(struct writer *w, struct sql_span s)
{
	struct str value = {0};

	if (literal_at(w, s.from, s.to, &value) == s.to)
		return value;
	if (s.to == s.from + 1 && (sql_is(w->t, s.from, "true") || sql_is(w->t, s.from, "false")))
		return arena_lower(w->c->arena, w->t->v[s.from].text);
	return (struct str){0};
}

static bool set_variable(struct writer *w, struct variables *v, struct str name, struct sql_span s)
{
	if (s.from >= s.to)
		return unexpected_token(w->c, w->t, s.from, s.to);
	v->v[v->n] = (struct sql_setting){name, literal_value(w, s)};
	begin_variable(w, "SET VARIABLE ", name);
	buf_lit(&w->out, " = ");
	if (!write_span(w, s.from, s.to))
		return false;
	v->steps[v->n++].text = write_cut(w);
	return true;
}

static int next_comma(const struct sql_tokens *t, int i, int to)
{
	while (i < to && !is_punct(&t->v[i], ','))
		i = t->v[i].match > i ? t->v[i].match + 1 : i + 1;
	return i;
}

/* SET (a, b) = (SELECT …): each is a column of it. */
static bool set_from_query(struct writer *w, struct variables *v, int names, struct sql_span query)
{
	const struct sql_tokens *t = w->t;
	int n = (t->v[names].match - names) / 2;
	struct str text;

	if (!write_span(w, query.from, query.to))
		return false;
	text = write_cut(w);
	for (int k = 0; k < n; k++) {
		struct str name = name_at(w, names + 1 + 2 * k);

		v->v[v->n].name = name;
		begin_variable(w, "SET VARIABLE ", name);
		buf_fmt(&w->out, " = (SELECT c%d FROM (%.*s) AS q(", k + 1, SARG(text));
		for (int j = 0; j < n; j++)
			buf_fmt(&w->out, "%sc%d", j ? ", " : "", j + 1);
		buf_lit(&w->out, "))");
		v->steps[v->n++].text = write_cut(w);
	}
	return variables_done(w, v);
}

static bool is_name_list(const struct sql_tokens *t, int open)
{
	int close = t->v[open].match;

	if (close <= open + 1 || (close - open) % 2)
		return false;
	for (int i = open + 1; i < close; i++)
		if ((i - open) % 2 ? !is_name(&t->v[i]) : !is_punct(&t->v[i], ','))
			return false;
	return true;
}

static bool set_several(struct writer *w, int i, int to)
{
	const struct sql_tokens *t = w->t;
	int values = t->v[i].match + 2, at, end;
	struct variables v = variables_for(w, to - i);

	if (!is_name_list(t, i) || values >= to || !is_operator(&t->v[values - 1], S("=")) || !is_punct(&t->v[values], '(') ||
	    t->v[values].match != to - 1)
		return unexpected_token(w->c, t, i, to);
	if (sql_is(t, values + 1, "select") || sql_is(t, values + 1, "with"))
		return set_from_query(w, &v, i, (struct sql_span){values + 1, to - 1});
	at = values + 1;
	for (int k = i + 1; k < t->v[i].match; k += 2, at = end + 1) {
		end = next_comma(t, at, to - 1);
		if (!set_variable(w, &v, name_at(w, k), (struct sql_span){at, end}))
			return false;
	}
	return ends_at(w, at, to) && variables_done(w, &v);
}

static bool set(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	struct variables v = variables_for(w, 1);
	int i = h->word + 1;

	if (i < s.to && is_punct(&w->t->v[i], '('))
		return set_several(w, i, s.to);
	if (i + 1 >= s.to || !is_name(&w->t->v[i]) || !is_operator(&w->t->v[i + 1], S("=")))
		return unexpected_token(w->c, w->t, i < s.to && is_name(&w->t->v[i]) ? i + 1 : i, s.to);
	return set_variable(w, &v, name_at(w, i), (struct sql_span){i + 2, s.to}) && variables_done(w, &v);
}

static bool unset(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	int i = h->word + 1, to = s.to;
	struct variables v = variables_for(w, s.to - s.from);

	if (sql_is(w->t, h->word, "reset"))
		return unknown_statement(w->c, w->t, h, s.to);
	if (i < to && is_punct(&w->t->v[i], '(') && is_name_list(w->t, i) && w->t->v[i].match == to - 1) {
		i++;
		to--;
	} else if (i + 1 != to || !is_name(&w->t->v[i])) {
		return unexpected_token(w->c, w->t, i, to);
	}
	for (; i < to; i += 2) {
		v.v[v.n].name = name_at(w, i);
		begin_variable(w, "RESET VARIABLE ", v.v[v.n].name);
		v.steps[v.n++].text = write_cut(w);
	}
	return variables_done(w, &v);
}

/* --- transactions --- */
static bool transaction(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	const struct sql_tokens *t = w->t;
	enum sql_kind kind = h->class.kind;
	int i = h->word + 1;

	if (kind == SQL_BEGIN && i < s.to && !sql_is(t, i, "work") && !sql_is(t, i, "transaction") && !sql_is(t, i, "name"))
		return unsupported(w->c, &t->v[h->word], S("SNOWFLAKE SCRIPTING"));
	if (sql_is(t, i, "work") || sql_is(t, i, "transaction"))
		i++;
	if (kind == SQL_BEGIN && i + 1 < s.to && sql_is(t, i, "name") && is_name(&t->v[i + 1]))
		i += 2;
	mark_add(w->c->arena, &w->marks, 0, t->v[h->word].at);
	buf_add(&w->out, kind == SQL_BEGIN ? S("BEGIN TRANSACTION") : kind == SQL_COMMIT ? S("COMMIT") : S("ROLLBACK"));
	return ends_at(w, i, s.to);
}

/* --- databases and schemas --- */
static bool database(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	int i = h->name_to;

	if (h->name_to == h->name_from)
		return unexpected_token(w->c, w->t, s.to, s.to);
	if (h->name_to > h->name_from + 1)
		return unexpected_token(w->c, w->t, h->name_from + 1, s.to);
	w->sf.does = h->class.kind == SQL_CREATE ? SQL_DOES_CREATE_DATABASE : SQL_DOES_DROP_DATABASE;
	w->sf.database = name_at(w, h->name_from);
	if (sql_is(w->t, i, "clone"))
		return unsupported(w->c, &w->t->v[i], S("CLONE"));
	if (sql_is(w->t, i, "from") || (sql_is(w->t, i, "as") && sql_is(w->t, i + 1, "replica")))
		return unsupported(w->c, &w->t->v[i], S("SHARE"));
	return check_database(w, h->name_from, w->sf.database);
}

static struct str whole_name(struct writer *w, const struct sql_head *h)
{
	OWNS(buf) b = {0};

	for (int i = h->name_from; i < h->name_to; i += 2) {
		if (i > h->name_from)
			buf_addc(&b, '.');
		sql_quote_name(&b, name_at(w, i));
	}
	return arena_dup(w->c->arena, buf_str(&b));
}

/* What stands behind the name is of no consequence here; DuckDB does not replace schemas, and drops only empty ones. */
static bool schema(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	bool create = h->class.kind == SQL_CREATE, keeps = sql_is(w->t, s.to - 1, "restrict");
	struct sql_step *drop;
	struct str name;

	if (h->name_to == h->name_from)
		return unexpected_token(w->c, w->t, s.to, s.to);
	if (create && sql_is(w->t, h->name_to, "clone"))
		return unsupported(w->c, &w->t->v[h->name_to], S("CLONE"));
	name = whole_name(w, h);
	if (create && h->class.or_replace) {
		drop = ARENA_NEW(w->c->arena, struct sql_step);
		drop->text = arena_fmt(w->c->arena, "DROP SCHEMA IF EXISTS %.*s CASCADE", SARG(name));
		w->sf.steps = drop;
		w->sf.nsteps = 1;
	}
	mark_add(w->c->arena, &w->marks, 0, w->t->v[h->word].at);
	buf_add(&w->out, create ? S("CREATE SCHEMA ") : S("DROP SCHEMA "));
	if (h->class.if_not_exists || h->class.if_exists)
		buf_add(&w->out, create ? S("IF NOT EXISTS ") : S("IF EXISTS "));
	mark_add(w->c->arena, &w->marks, w->out.n, w->t->v[h->name_from].at);
	buf_add(&w->out, name);
	if (!create && !keeps)
		buf_lit(&w->out, " CASCADE");
	return true;
}

static statement_fn *for_object(const struct sql_head *h)
{
	struct str object = h->class.object;
	bool alter = h->class.kind == SQL_ALTER;

	if (str_eq(object, S("DATABASE")))
		return alter ? NULL : database;
	if (str_eq(object, S("SCHEMA")))
		return alter ? NULL : schema;
	return alter && str_eq(object, S("SESSION")) ? alter_session : NULL;
}

statement_fn *session_statement(const struct sql_head *h)
{
	switch (h->explain ? SQL_EXPLAIN : h->class.kind) {
	case SQL_USE:
		return use;
	case SQL_SET:
		return set;
	case SQL_RESET:
		return unset;
	case SQL_BEGIN:
	case SQL_COMMIT:
	case SQL_ROLLBACK:
		return transaction;
	case SQL_CREATE:
	case SQL_DROP:
	case SQL_ALTER:
		return for_object(h);
	default:
		return NULL;
	}
}
