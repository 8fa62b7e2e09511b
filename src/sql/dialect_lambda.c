/* dialect_lambda.c - FILTER, TRANSFORM and REDUCE over arrays: lambdas as DuckDB has them, over lists of VARIANT values.
 *
 * filter(a, x -> c)            SF_LIST_ARRAY(list_filter(SF_ELEMENTS(a), lambda x: CAST(c AS BOOLEAN)))
 * transform(a, x -> e)         SF_LIST_ARRAY(list_transform(SF_ELEMENTS(a), lambda x: e))
 * reduce(a, i, (acc, x) -> e)  struct_extract(list_reduce(SF_REDUCED(a, i), lambda acc, x: {'a': e, 'x': NULL}), 'a'): values of a list
 *                              are all of one type, and so they are structs of an accumulator, of the type of i, and an element.
 *
 * Parameters are written under names of our own: helpers have lambdas too, and would take theirs for the user's.
 */
#include "sql/dialect_int.h"

enum { PARAMETERS_MAX = 2 };

struct parameter {
	int name;                    /* token */
	struct sql_span type;        /* may be empty */
	struct str written;
	bool variant;                /* it has no type of its own, and no accumulator gives it one */
};
struct lambda {
	struct parameter v[PARAMETERS_MAX];
	int n, body;                 /* body: the first token behind `->` */
};

bool is_filter_call(const struct sql_tokens *t, int i)
{
	return sql_is(t, i, "filter") && is_punct(&t->v[i + 1], '(') && !sql_is(t, i + 2, "where");
}

static bool parameter(struct lambda *l, struct sql_span s, const struct sql_tokens *t)
{
	if (s.from >= s.to || !is_name(&t->v[s.from]) || l->n == PARAMETERS_MAX)
		return false;
	l->v[l->n++] = (struct parameter){.name = s.from, .type = {s.from + 1, s.to}};
	return true;
}

/* x [type] -> …, (x [type], y [type]) -> … */
static bool lambda_at(const struct sql_tokens *t, struct sql_span s, struct lambda *ret)
{
	int arrow = s.from, from, to;

	*ret = (struct lambda){.n = 0};
	while (arrow < s.to && !is_operator(&t->v[arrow], S("->")))
		arrow = t->v[arrow].match > arrow ? t->v[arrow].match + 1 : arrow + 1;
	if (arrow + 1 >= s.to)
		return false;
	ret->body = arrow + 1;
	if (!is_punct(&t->v[s.from], '(') || t->v[s.from].match != arrow - 1)
		return parameter(ret, (struct sql_span){s.from, arrow}, t);
	to = arrow - 1;
	from = s.from + 1;
	for (int k = from; k <= to; k = t->v[k].match > k ? t->v[k].match + 1 : k + 1) {
		if (k < to && !is_punct(&t->v[k], ','))
			continue;
		if (!parameter(ret, (struct sql_span){from, k}, t))
			return false;
		from = k + 1;
	}
	return true;
}

static bool typed(struct plan *p, const struct parameter *v, struct buf *type)
{
	if (v->type.from == v->type.to)
		return false;
	if (write_type(p->t, v->type.from, v->type.to, type) == v->type.from)
		for (int k = v->type.from; k < v->type.to; k++)
			buf_fmt(type, "%s%.*s", k > v->type.from ? " " : "", SARG(p->t->v[k].text));
	return true;
}

/* CAST(value AS its type) */
static struct str cast_of(struct plan *p, const struct parameter *v, struct str value)
{
	OWNS(buf) type = {0};

	return typed(p, v, &type) ? arena_fmt(p->c->arena, "CAST(%.*s AS %.*s)", SARG(value), SARG(buf_str(&type))) : value;
}

/* Does the token mean a member, type or function, whatever it is called? */
static bool is_member(const struct plan *p, int k)
{
	const struct sql_token *o = &p->t->v[k];
	bool step = is_operator(o - 1, S(":")) && o[-2].kind != SQL_STRING; /* else it is the value in {'a': x} */

	return step || is_punct(o - 1, '.') || is_operator(o - 1, S("::")) || is_punct(o + 1, '(');
}

/* Is token k, which is called like a parameter, one of a lambda further in? Its own rule comes later, and has the last word. */
static bool is_parameter_again(const struct plan *p, int k)
{
	return is_operator(&p->t->v[k + 1], S("->"));
}

static bool is_sum(const struct sql_token *k)
{
	static const struct str operators[] = {S_INIT("+"), S_INIT("-"), S_INIT("*"), S_INIT("/"), S_INIT("%")};

	for (size_t i = 0; i < COUNT_OF(operators); i++)
		if (is_operator(k, operators[i]))
			return true;
	return false;
}

/* Is token k an operand by itself? DuckDB would take the other one's type, and round. */
static bool in_sum(const struct plan *p, int k)
{
	const struct sql_token *o = &p->t->v[k];

	return is_sum(o + 1) || (is_sum(o - 1) && !is_operator(o + 1, S(":")) && !is_operator(o + 1, S("::")) && !is_punct(o + 1, '['));
}

/* A parameter's name wherever the body has it. */
static void plan_parameter(struct plan *p, const struct parameter *v, struct sql_span body)
{
	struct str name = sql_name_of(p->c->arena, SQL_SNOWFLAKE, &p->t->v[v->name]);

	for (int k = body.from; k < body.to; k++) {
		const struct sql_token *o = &p->t->v[k];

		if (!is_name(o) || is_member(p, k) || is_parameter_again(p, k) || !str_eq(sql_name_of(p->c->arena, SQL_SNOWFLAKE, o), name))
			continue;
		edit_replace(p, k, k + 1, v->written);
		p->todo[k - p->from] |= PLAN_FIXED;
		if (v->variant && in_sum(p, k))
			edit_wrap(p, k, k, S("CAST("), S(" AS DOUBLE)"));
		else if (v->type.from == v->type.to)
			plan_value(p, k, k);
	}
}

static bool check_body(struct plan *p, struct sql_span body)
{
	for (int k = body.from; k < body.to; k++)
		if (is_punct(&p->t->v[k - 1], '(') && (sql_is(p->t, k, "select") || sql_is(p->t, k, "with")))
			return unsupported(p->c, &p->t->v[k], S("a query inside of a lambda"));
	return true;
}

static bool no_lambda(struct plan *p, int i)
{
	struct str name = p->t->v[i].text;

	fail_at(p->c, ERR_SQL, (int)p->t->v[i].at + 1, "SQL compilation error:\nInvalid argument types for function '%.*s'", SARG(name));
	return fail_state(p->c, "42P13", "001044");
}

/* Its last argument: "lambda x: " stands for the parameters and the arrow. */
static void plan_lambda(struct plan *p, struct lambda *l, struct sql_span s, struct str begin)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "lambda ");
	for (int i = 0; i < l->n; i++)
		buf_fmt(&b, "%s\"$%d\"", i ? ", " : "", l->v[i].name);
	buf_fmt(&b, ": %.*s", SARG(begin));
	edit_replace(p, s.from, l->body, arena_dup(p->c->arena, buf_str(&b)));
	for (int i = 0; i < l->n; i++)
		plan_parameter(p, &l->v[i], (struct sql_span){l->body, s.to});
}

/* Has the body sums of what may be VARIANT, and no double that the user asked for? */
static bool has_sum(const struct plan *p, struct sql_span body)
{
	static const char *const doubles[] = {"float", "double", "real", "to_double", NULL};
	bool sum = false;

	for (int k = body.from; k < body.to; k++) {
		if (word_in(&p->t->v[k], doubles))
			return false;
		sum |= is_sum(&p->t->v[k]);
	}
	return sum;
}

static bool plan_list(struct plan *p, int i, struct lambda *l, struct sql_span *v)
{
	bool filter = sql_is(p->t, i, "filter");
	int close = p->t->v[i + 1].match;

	l->v[0].written = cast_of(p, &l->v[0], arena_fmt(p->c->arena, "\"$%d\"", l->v[0].name));
	l->v[0].variant = l->v[0].type.from == l->v[0].type.to;
	edit_replace(p, i, i + 1, filter ? S("SF_LIST_ARRAY(list_filter") : S("SF_LIST_ARRAY(list_transform"));
	edit_behind(p, i + 1, S("SF_ELEMENTS("));
	edit_before(p, v[0].to, S(")"));
	plan_lambda(p, l, v[1], filter ? S("CAST((") : has_sum(p, (struct sql_span){l->body, v[1].to}) ? S("SF_PLAIN(") : S("("));
	edit_before(p, close, filter ? S(") AS BOOLEAN)") : S(")"));
	edit_behind(p, close, S(")"));
	return true;
}

/* The type that a number which is written out begins with: as wide as there is one; empty: it is no such number. */
static struct str wide_type(const struct sql_tokens *t, struct sql_span s)
{
	struct str number;

	s.from += is_operator(&t->v[s.from], S("-"));
	if (s.to != s.from + 1 || t->v[s.from].kind != SQL_NUMBER)
		return S("");
	number = t->v[s.from].text;
	for (size_t i = 0; i < number.n; i++)
		if (!ascii_digit(number.p[i]))
			return S("DOUBLE");
	return S("HUGEINT");
}

static bool plan_reduce(struct plan *p, int i, struct lambda *l, struct sql_span *v)
{
	OWNS(buf) type = {0};

	if (!typed(p, &l->v[0], &type))
		buf_add(&type, wide_type(p->t, v[1]));
	l->v[0].written = arena_fmt(p->c->arena, "struct_extract(\"$%d\", 'a')", l->v[0].name);
	l->v[1].written = cast_of(p, &l->v[1], arena_fmt(p->c->arena, "struct_extract(\"$%d\", 'x')", l->v[1].name));
	edit_replace(p, i, i + 1, S("struct_extract(list_reduce(SF_REDUCED"));
	edit_before(p, v[1].to, S(")"));
	if (type.n) {
		edit_behind(p, v[1].from - 1, S(" CAST("));
		edit_before(p, v[1].to, arena_fmt(p->c->arena, " AS %.*s)", SARG(buf_str(&type))));
	}
	plan_lambda(p, l, v[2], S("{'a': ("));
	edit_before(p, v[2].to, S("), 'x': NULL}"));
	edit_behind(p, v[2].to, S(", 'a')"));
	return true;
}

bool word_lambda(struct plan *p, int i, intptr_t unused)
{
	bool reduce = sql_is(p->t, i, "reduce");
	int want = reduce ? 3 : 2, n;
	struct sql_span v[3];
	struct lambda l;

	(void)unused;
	if (!is_punct(&p->t->v[i + 1], '(') || p->t->v[i + 1].match >= p->to || (sql_is(p->t, i, "filter") && !is_filter_call(p->t, i)))
		return true;
	n = call_args(p, i, v, 3);
	if (n != want || !lambda_at(p->t, v[n - 1], &l) || l.n != want - 1)
		return no_lambda(p, i);
	if (!check_body(p, (struct sql_span){l.body, v[n - 1].to}))
		return false;
	return reduce ? plan_reduce(p, i, &l, v) : plan_list(p, i, &l, v);
}
