/* dialect_operands.c - where operands begin and end, by their tokens; operators that become calls around them; texts in sums. */
#include "sql/dialect_int.h"

/* Words that are no part of a value. */
static const char *const around_values[] = {
	"select", "distinct", "all",   "from",	"where", "and",	   "or",     "not",   "on",	"when",	  "then",  "else",  "having",
	"qualify", "by",      "like",  "ilike", "rlike", "regexp", "between", "is",    "in",	"set",	  "values", "using", "with",
	"as",	  "limit",    "offset", "case",	"return", "any",   "some",   "exists", "union",	"except", "minus", "intersect", "group",
	"order",  "join",     "into",  "escape", "top", "default", "returning", "left",	"right",  "full",  "inner", "cross", "natural",
	"lateral", "window",  "partition", "rows", "range", "asc", "desc",   "nulls", "fetch",	"over",   "filter", "within", "table",
	"update", "delete",   "insert", "merge", "matched", "if",  NULL};

static bool is_compare(const struct sql_token *k)
{
	static const struct str operators[] = {S_INIT("="),  S_INIT("<"),  S_INIT(">"),	 S_INIT("<="), S_INIT(">="), S_INIT("<>"),
					       S_INIT("!="), S_INIT("=="), S_INIT("=>"), S_INIT(":="), S_INIT("->")};

	if (k->kind != SQL_OPERATOR)
		return false;
	for (size_t i = 0; i < COUNT_OF(operators); i++)
		if (str_eq(k->text, operators[i]))
			return true;
	return false;
}

bool is_comparison(const struct sql_token *k)
{
	return is_compare(k) && !is_operator(k, S("=>")) && !is_operator(k, S(":=")) && !is_operator(k, S("->"));
}

static bool closes(const struct sql_tokens *t, int i)
{
	return t->v[i].match >= 0 && t->v[i].match < i;
}

bool ends_value(const struct plan *p, int i)
{
	const struct sql_token *k = &p->t->v[i];

	if (i < p->from)
		return false;
	if (k->kind == SQL_WORD)
		return (i > p->from && is_punct(k - 1, '.')) || !word_in(k, around_values) || is_filter_call(p->t, i);
	return k->kind == SQL_QUOTED || k->kind == SQL_STRING || k->kind == SQL_NUMBER || k->kind == SQL_PLACEHOLDER || closes(p->t, i);
}

static void match_cases(struct plan *p)
{
	int n = p->to - p->from, open = 0, *stack = arena_alloc(p->c->arena, sizeof(int) * (size_t)(n + 1));
	const struct sql_token *v = p->t->v + p->from;

	p->case_of = arena_alloc(p->c->arena, sizeof(int) * (size_t)(n + 1));
	for (int i = 0; i < n; i++) {
		p->case_of[i] = i;
		while (open > 0 && v[stack[open - 1]].depth > v[i].depth)
			open--;
		if (v[i].kind != SQL_WORD || (i > 0 && is_punct(&v[i - 1], '.')))
			continue;
		if (sql_is(p->t, p->from + i, "case"))
			stack[open++] = i;
		if (!sql_is(p->t, p->from + i, "end") || !open || v[stack[open - 1]].depth != v[i].depth)
			continue;
		p->case_of[i] = stack[--open];
		p->case_of[stack[open]] = i;
	}
}

int case_partner(struct plan *p, int i)
{
	if (!p->case_of)
		match_cases(p);
	return p->case_of[i - p->from] + p->from;
}

int operand_start(struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;
	int k = i - 1;

	for (; k >= p->from; k--) {
		if (closes(t, k)) {
			k = t->v[k].match;
			continue;
		}
		if (sql_is(t, k, "end") && !(k > p->from && is_punct(&t->v[k - 1], '.'))) {
			k = case_partner(p, k);
			continue;
		}
		if (t->v[k].match > k || is_punct(&t->v[k], ',') || is_punct(&t->v[k], ';') || is_compare(&t->v[k]))
			break;
		if (t->v[k].kind == SQL_WORD && word_in(&t->v[k], around_values) && !(k > p->from && is_punct(&t->v[k - 1], '.')) &&
		    !is_punct(&t->v[k + 1], '.') && !(is_punct(&t->v[k + 1], '(') && (sql_is(t, k, "left") || sql_is(t, k, "right"))))
			break;
	}
	return k + 1;
}

int operand_end(struct plan *p, int i)
{
	static const char *const also[] = {"end", "tablesample", "sample", "pivot", NULL};
	const struct sql_tokens *t = p->t;
	int k = i + 1;

	while (k < p->to) {
		const struct sql_token *v = &t->v[k];
		bool member = is_punct(v - 1, '.');

		if (closes(t, k) || is_punct(v, ',') || is_punct(v, ';') || is_compare(v) || (p->todo[k - p->from] & (PLAN_ALIAS | PLAN_NAME)))
			break;
		if (sql_is(t, k, "case") && !member) {
			k = case_partner(p, k) + 1;
			continue;
		}
		if (k > i + 1 && !member && v->kind == SQL_WORD && (word_in(v, around_values) || word_in(v, also)) &&
		    !(is_punct(v + 1, '(') && (sql_is(t, k, "left") || sql_is(t, k, "right"))))
			break;
		k = v->match > k ? v->match + 1 : k + 1;
	}
	return k < p->to ? k : p->to;
}

static bool names_value(const struct plan *p, int k)
{
	return k >= p->from && is_name(&p->t->v[k]) && ends_value(p, k);
}

/* OVER, FILTER, WITHIN GROUP: what stands before is a call. */
static bool behind_call(const struct sql_tokens *t, int i)
{
	return sql_is(t, i, "over") || (sql_is(t, i, "filter") && !is_filter_call(t, i)) || (sql_is(t, i, "group") && sql_is(t, i - 1, "within"));
}

void chain(struct plan *p, int start, int last)
{
	if (!p->chain_of)
		p->chain_of = arena_zalloc(p->c->arena, sizeof(int) * (size_t)(p->to - p->from + 1));
	p->chain_of[last - p->from] = start + 1;
}

int primary_start(struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;

	while (i > p->from) {
		int k = i - 1;

		if (p->chain_of && p->chain_of[k - p->from])
			return p->chain_of[k - p->from] - 1;
		if (sql_is(t, k, "end") && case_partner(p, k) != k)
			return case_partner(p, k);
		if (closes(t, k)) {
			k = t->v[k].match;
			i = k;
			if (behind_call(t, k - 1)) {
				i = k - 1 - sql_is(t, k - 1, "group");
				continue;
			}
			if (is_punct(&t->v[k], '[') ? !ends_value(p, k - 1) : !names_value(p, k - 1) || !is_punct(&t->v[k], '('))
				return k;
			if (is_punct(&t->v[k], '['))
				continue;
			k--;
		}
		if (!ends_value(p, k))
			return -1;
		while (k - 2 >= p->from && is_punct(&t->v[k - 1], '.') && is_name(&t->v[k - 2]))
			k -= 2;
		if (k - 1 > p->from && (is_operator(&t->v[k - 1], S("::")) || is_punct(&t->v[k - 1], '.')))
			i = k - 1;
		else
			return k;
	}
	return -1;
}

/* --- operators around operands --- */
struct around {
	int start, op, end; /* [start, op) and (last, end) are the operands; NOT is part of the operator */
	bool negated;
};

static struct around around(struct plan *p, int i, int last)
{
	struct around a = {.op = i, .end = operand_end(p, last)};

	a.negated = i > p->from && sql_is(p->t, i - 1, "not");
	a.op -= a.negated;
	a.start = operand_start(p, a.op);
	return a;
}

/* x [NOT] RLIKE y → [NOT] REGEXP_LIKE(x, y), in brackets where it is negated. */
static void plan_rlike(struct plan *p, int i)
{
	struct around a = around(p, i, i);

	if (!ends_value(p, i - 1 - sql_is(p->t, i - 1, "not")) || a.start >= a.op || a.end <= i + 1)
		return;
	edit_before(p, a.start, a.negated ? S("(NOT REGEXP_LIKE(") : S("REGEXP_LIKE("));
	edit_replace(p, a.op, i + 1, S(","));
	edit_behind(p, edit_holder(p, a.end - 1), a.negated ? S("))") : S(")"));
}

/* x [NOT] [I]LIKE ANY|ALL (a, b) → [NOT] SF_[I]LIKE_ANY(x, [a, b]) */
static void plan_like_any(struct plan *p, int i, bool any)
{
	const struct sql_tokens *t = p->t;
	int open = i + 2, close = t->v[open].match;
	struct around a = around(p, i, i + 1);

	if (a.start >= a.op || sql_is(t, open + 1, "select") || sql_is(t, open + 1, "with") || sql_is(t, close + 1, "escape"))
		return;
	edit_before(p, a.start, arena_fmt(p->c->arena, "%sSF_%s_%s(", a.negated ? "(NOT " : "", sql_is(t, i, "like") ? "LIKE" : "ILIKE", any ? "ANY" : "ALL"));
	edit_replace(p, a.op, open + 1, S(", ["));
	edit_replace(p, close, close + 1, a.negated ? S("]))") : S("])"));
}

/* --- a text in arithmetic is a NUMBER(18,5) --- */
static bool is_decimal(struct str s)
{
	enum { WHOLE = 13 };
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+'), whole = i, digits = 0;
	bool point = false;

	for (; i < s.n; i++) {
		if (s.p[i] == '.' ? point : !ascii_digit(s.p[i]))
			return false;
		digits += s.p[i] != '.';
		whole += !point && s.p[i] != '.';
		point |= s.p[i] == '.';
	}
	return digits > 0 && whole <= WHOLE;
}

static bool is_sum(const struct sql_token *k)
{
	return is_operator(k, S("+")) || is_operator(k, S("-")) || is_operator(k, S("*"));
}

/* '10' + 4: DuckDB would not know which of its operators is meant. */
static void plan_number(struct plan *p, int i)
{
	const struct sql_token *k = &p->t->v[i];
	bool behind = is_sum(k - 1) && i - 2 >= p->from && ends_value(p, i - 2);
	bool before = is_sum(k + 1) && !is_operator(k - 1, S("::")) && !ends_value(p, i - 1);

	if ((behind || before) && !is_operator(k + 1, S("::")) && ascii_lower(k->text.p[0]) != 'x' &&
	    is_decimal(string_value(p->c->arena, SQL_SNOWFLAKE, k->text)))
		edit_wrap(p, i, i, S("CAST("), S(" AS DECIMAL(18,5))"));
}

void plan_operators(struct plan *p)
{
	const struct sql_tokens *t = p->t;

	for (int i = p->from + 1; i + 1 < p->to; i++) {
		const struct sql_token *k = &t->v[i];
		char first = k->kind == SQL_WORD ? ascii_lower(k->text.p[0]) : 0;

		if (k->kind == SQL_STRING)
			plan_number(p, i);
		if ((first != 'r' && first != 'l' && first != 'i') || is_punct(k - 1, '.'))
			continue;
		if (sql_is(t, i, "rlike") || sql_is(t, i, "regexp"))
			plan_rlike(p, i);
		else if ((sql_is(t, i, "like") || sql_is(t, i, "ilike")) && is_punct(&t->v[i + 2], '(') &&
			 (sql_is(t, i + 1, "any") || sql_is(t, i + 1, "all")))
			plan_like_any(p, i, sql_is(t, i + 1, "any"));
	}
}
