/* names.c - result names: which select items have none, and what Snowflake calls them.
 *
 * Every list of every SELECT is named, subqueries too: there it does no harm,
 * and the rule needs no grammar.
 */
#include "sql/rewrite_int.h"

enum { LONGEST_NAME = 1000 }; /* bytes; nested queries would grow quadratically */

static bool is_close(const struct sql_token *t)
{
	return is_punct(t, ')') || is_punct(t, ']') || is_punct(t, '}');
}

/* Does the token end the select item that began at `from`? */
static bool ends_item(const struct sql_tokens *t, int from, int i)
{
	static const char *const words[] = {"from",   "into",	"where",  "having", "qualify",	 "limit", "offset",
					    "fetch",  "window", "union",  "except", "intersect", "minus", NULL};
	const struct sql_token *k = &t->v[i];

	if (is_punct(k, ',') || is_punct(k, ';') || is_close(k))
		return true;
	if (k->kind != SQL_WORD)
		return false;
	if (sql_is(t, i, "select"))
		return true;
	if (sql_is(t, i, "from"))
		return !sql_is(t, i - 1, "distinct");
	if (i == from || is_punct(k - 1, '.') || sql_is(t, i - 1, "as"))
		return false;
	return word_in(k, words) || ((sql_is(t, i, "group") || sql_is(t, i, "order")) && sql_is(t, i + 1, "by"));
}

static int item_end(const struct sql_tokens *t, int from, int to)
{
	int i = from;

	while (i < to && !ends_item(t, from, i))
		i = t->v[i].match > i ? t->v[i].match + 1 : i + 1;
	return i < to ? i : to;
}

/* `*`, `t.*`, COLUMNS(…), with whatever follows: these name themselves. */
static bool is_star(const struct sql_tokens *t, int from, int end)
{
	int i;

	if (!is_name(&t->v[from]))
		return is_operator(&t->v[from], S("*"));
	i = name_end(t, from, end);
	if (i + 2 < end && is_punct(&t->v[i + 1], '.') && is_operator(&t->v[i + 2], S("*")))
		return true;
	return sql_is(t, from, "columns") && from + 1 < end && is_punct(&t->v[from + 1], '(');
}

/* INTERVAL '1' DAY, as DuckDB reads it. */
static bool is_interval_unit(const struct sql_token *k)
{
	static const char *const units[] = {
		"year",	  "years",   "month",  "months",  "day",     "days",	 "hour",      "hours",	     "minute",	    "minutes",
		"second", "seconds", "week",   "weeks",	  "quarter", "quarters", "decade",    "decades",     "century",	    "centuries",
		"millennium", "millennia", "millisecond", "milliseconds", "microsecond", "microseconds", NULL};

	return word_in(k, units);
}

/* May the last word of an item be an alias without AS, given the token before it? */
static bool bare_alias(const struct sql_tokens *t, int from, int last)
{
	static const char *const before_operand[] = {
		"and",	    "or",      "not",	  "is",	     "in",   "like", "ilike", "rlike", "regexp", "between", "then", "else",
		"when",	    "case",    "distinct", "escape", "over", "any",  "all",   "some",  "ignore", "respect", "collate",
		"interval", "prior",   "connect_by_root",    "from", "to",   NULL};
	static const char *const ends_operand[] = {"end", "null", "true", "false", "isnull", "notnull", NULL};
	static const char *const tails[][2] = {{"double", "precision"}, {"time", "zone"}, {"char", "varying"}, {"character", "varying"}};
	const struct sql_token *k = &t->v[last], *before = k - 1;

	if (before->kind == SQL_OPERATOR || (before->kind == SQL_PUNCT && !is_close(before)))
		return false;
	if (word_in(before, before_operand) || word_in(k, ends_operand))
		return false;
	if (last - 2 >= from && before->kind == SQL_STRING && sql_is(t, last - 2, "interval") && is_interval_unit(k))
		return false;
	if (last - 3 >= from && sql_is(t, last - 1, "zone") && sql_is(t, last - 3, "at"))
		return false;
	for (size_t i = 0; i < COUNT_OF(tails); i++)
		if (sql_is(t, last - 1, tails[i][0]) && sql_is(t, last, tails[i][1]))
			return false;
	return true;
}

/* Index of the alias of the item [from, end), or -1. */
static int alias_of(const struct sql_tokens *t, int from, int end)
{
	int last = end - 1;

	if (last <= from || !is_name(&t->v[last]) || sql_is(t, last, "as"))
		return -1;
	return sql_is(t, last - 1, "as") || bare_alias(t, from, last) ? last : -1;
}

/* Functions without brackets name themselves; under an alias of that name DuckDB would take the word for the alias. */
static bool is_value_function(const struct sql_token *k)
{
	static const char *const words[] = {"session_user", "user", "current_role", "current_catalog", "current_schema", NULL};

	return word_in(k, words);
}

static void plan_item(struct plan *p, int from, int end)
{
	const struct sql_tokens *t = p->t;
	int alias;

	if (from == end || is_star(t, from, end) || (end - from == 1 && is_value_function(&t->v[from])))
		return;
	alias = alias_of(t, from, end);
	if (alias >= 0) {
		p->todo[alias - p->from] |= PLAN_ALIAS;
		return;
	}
	if (is_name(&t->v[from]) && name_end(t, from, end) == end - 1)
		from = end - 1;
	p->todo[end - p->from] |= PLAN_NAME;
	p->named[end - p->from] = (struct sql_span){from, end};
}

/* First token of the list behind SELECT. */
static int list_start(const struct sql_tokens *t, int i)
{
	i++;
	if (sql_is(t, i, "distinct") || sql_is(t, i, "all"))
		i++;
	if (sql_is(t, i, "on") && sql_is(t, i - 1, "distinct") && is_punct(&t->v[i + 1], '('))
		i = t->v[i + 1].match + 1;
	if (sql_is(t, i, "top") && t->v[i + 1].kind == SQL_NUMBER)
		i += 2;
	return i;
}

static void plan_list(struct plan *p, int i)
{
	int end;

	for (i = list_start(p->t, i); i < p->to; i = end + 1) {
		end = item_end(p->t, i, p->to);
		plan_item(p, i, end);
		if (end >= p->to || !is_punct(&p->t->v[end], ','))
			return;
	}
}

void plan_names(struct plan *p)
{
	for (int i = p->from; i < p->to; i++)
		if (sql_is(p->t, i, "select") && !(i > 0 && is_punct(&p->t->v[i - 1], '.')))
			plan_list(p, i);
}

static bool blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ' && !(s.p[i] >= '\t' && s.p[i] <= '\r'))
			return false;
	return true;
}

/* What stands between two tokens: blanks as written, a comment as one blank, nothing around `::`. */
static void name_gap(const struct sql_token *before, const struct sql_token *k, struct buf *out)
{
	size_t end = before->at + before->text.n;
	struct str gap = str_from(before->text.p + before->text.n, k->at - end);

	if (gap.n == 0 || is_operator(before, S("::")) || is_operator(k, S("::")))
		return;
	buf_add(out, blank(gap) ? gap : S(" "));
}

static void add_upper(struct buf *out, struct str s)
{
	char *to = buf_room(out, s.n);

	if (!to)
		return;
	for (size_t i = 0; i < s.n; i++)
		to[i] = ascii_upper(s.p[i]);
	out->n += s.n;
}

static void cut_at_character(struct buf *out, size_t n)
{
	if (out->n <= n)
		return;
	while (n > 0 && ((unsigned char)out->p[n] & 0xC0) == 0x80)
		n--;
	out->n = n;
}

void name_text(struct arena *a, const struct sql_tokens *t, struct sql_span s, struct buf *out)
{
	if (s.to - s.from == 1 && t->v[s.from].kind == SQL_QUOTED) {
		buf_add(out, sql_name_of(a, t->dialect, &t->v[s.from]));
		return;
	}
	for (int i = s.from; i < s.to && out->n <= LONGEST_NAME; i++) {
		const struct sql_token *k = &t->v[i];
		struct str text = str_head(k->text, LONGEST_NAME + 1);

		if (i > s.from)
			name_gap(k - 1, k, out);
		if (k->kind == SQL_STRING || k->kind == SQL_QUOTED)
			buf_add(out, text);
		else
			add_upper(out, text);
	}
	cut_at_character(out, LONGEST_NAME);
}
