/* sql_fuzz.c - libFuzzer entry: any bytes through lexer, split, classes, gate, scope, template and rewriting.
 *
 * Beyond not crashing: what the gate lets through has been cut completely,
 * what the rewriting writes can be cut again as DuckDB text, and no text that
 * comes out of a session's scope names another session.
 */
#include "sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_tokens(const struct sql_tokens *t)
{
	size_t behind = 0;

	for (int i = 0; i < t->n; i++) {
		const struct sql_token *k = &t->v[i];

		INVARIANT(k->text.n > 0 && k->at >= behind && k->text.p == t->text.p + k->at);
		INVARIANT(k->match < 0 || t->v[k->match].match == i);
		behind = k->at + k->text.n;
	}
	INVARIANT(behind <= t->text.n && t->v[t->n].kind == SQL_END);
}

static void check_rewrite(struct call *c, const struct sql_tokens *t, struct sql_span s)
{
	struct sql_rewrite r;
	struct sql_tokens again;

	if (!sql_rewrite_snowflake(c, t, s, &(const struct sql_context){0}, &r)) {
		call_forgive(c);
		return;
	}
	for (size_t at = 0; at <= r.text.n; at++)
		INVARIANT(sql_source_position(&r, at) <= t->text.n + r.text.n);
	if (sql_lex(c, SQL_DUCKDB, r.text, &again))
		check_tokens(&again);
	call_forgive(c);
}

/* --- a session: nothing that passes scope and gate names another one --- */
#define OWN "__eph_0123456789abcdef0123456789abcdef"

static bool names_other(struct call *c, const struct sql_tokens *t)
{
	for (int i = 0; i < t->n; i++) {
		struct str name;

		if (t->v[i].kind != SQL_WORD && t->v[i].kind != SQL_QUOTED)
			continue;
		name = sql_name_of(c->arena, t->dialect, &t->v[i]);
		if (str_istarts(name, S(SQL_EPHEMERAL)) && !str_ieq(name, S(OWN)))
			return true;
	}
	return false;
}

static void check_scope(struct call *c, const struct sql_tokens *t, struct sql_span s)
{
	static const char *const catalogs[] = {"MAYFLY", OWN, NULL};
	const struct sql_scope scope = {S(OWN), false}, none = {0};
	struct sql_gate g = {catalogs, false};
	struct sql_rewrite r;
	struct sql_tokens again;
	struct sql_span *spans;
	int n;

	if (!sql_rewrite_scope(c, t, s, &none, &r))
		call_forgive(c);
	if (!sql_rewrite_scope(c, t, s, &scope, &r)) {
		call_forgive(c);
		return;
	}
	for (size_t at = 0; at <= r.text.n; at++)
		INVARIANT(sql_source_position(&r, at) <= t->text.n + r.text.n);
	INVARIANT(sql_lex(c, t->dialect, r.text, &again) && sql_split(c, &again, &spans, &n));
	check_tokens(&again);
	for (int i = 0; i < n; i++)
		if (!sql_gate(c, &again, spans[i], &g)) {
			call_forgive(c);
			return;
		}
	INVARIANT(n != 1 || !names_other(c, &again));
}

static struct str reference(void *arg, struct str name)
{
	(void)arg;
	return name.n % 2 ? S("mutable.public.\"x\"") : (struct str){0};
}

static void check_template(struct call *c, struct str text)
{
	struct str out;

	if (sql_template(c, text, S("t"), reference, NULL, &out))
		INVARIANT(out.n <= text.n * 4);
	else
		call_forgive(c);
}

static void check_order(struct call *c, struct str text)
{
	struct sql_order o;
	struct str *items;
	int n;

	if (!sql_order_of(c, text, &items, &n)) {
		call_forgive(c);
		return;
	}
	for (int i = 0; i < n; i++) /* an item names what it was made of */
		if (!sql_order_item(c, items[i], items, n, &o))
			INVARIANT(false);
}

/* Where {{name}} stood there is $name; the rest is as it was. */
static void check_variables(struct call *c, struct str text)
{
	struct sql_variable_use *uses;
	struct sql_tokens t;
	struct str out;
	int n, found = 0, before = 0;

	check_order(c, text);
	if (!sql_variables(c, text, &out, &uses, &n)) {
		INVARIANT(c->err.kind == ERR_SQL_INVALID && c->err.position >= 0 && (size_t)c->err.position <= text.n + 1);
		call_forgive(c);
		return;
	}
	for (int i = 0; i < n; i++) {
		INVARIANT(str_starts(str_tail(text, uses[i].at), S("{{")) && (i == 0 || uses[i].at > uses[i - 1].at));
		INVARIANT(sql_name_check(c, uses[i].name, text.n) || c->err.kind == ERR_INVALID_NAME);
		call_forgive(c);
	}
	INVARIANT(sql_lex(c, SQL_DUCKDB, text, &t));
	for (int i = 0; i < t.n; i++)
		before += t.v[i].kind == SQL_PLACEHOLDER;
	INVARIANT(sql_lex(c, SQL_DUCKDB, out, &t));
	for (int i = 0; i < t.n; i++)
		found += t.v[i].kind == SQL_PLACEHOLDER;
	INVARIANT(found == before + n);
}

static void run(enum sql_dialect d, struct str text)
{
	static const char *const catalogs[] = {"main", NULL};
	struct sql_gate g = {catalogs, false};
	OWNS(arena) a = {0};
	struct sql_class k;
	struct sql_tokens t;
	struct sql_span *s;
	struct call c;
	int n;

	call_open(&c, &a);
	if (!sql_lex(&c, d, text, &t))
		return;
	check_tokens(&t);
	INVARIANT(sql_split(&c, &t, &s, &n));
	for (int i = 0; i < n; i++) {
		sql_classify(&c, &t, s[i], &k);
		INVARIANT(k.kind < SQL_KIND_COUNT);
		if (!sql_gate(&c, &t, s[i], &g))
			call_forgive(&c);
		if (d == SQL_SNOWFLAKE)
			check_rewrite(&c, &t, s[i]);
		check_scope(&c, &t, s[i]);
	}
	if (d == SQL_DUCKDB)
		check_template(&c, text);
	if (d == SQL_DUCKDB)
		check_variables(&c, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str text = {(const char *)bytes, n};

	run(SQL_DUCKDB, text);
	run(SQL_SNOWFLAKE, text);
	return 0;
}
