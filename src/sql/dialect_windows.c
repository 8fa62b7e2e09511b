/* dialect_windows.c - functions over windows: frames that are others there, NULLs that are passed over, averages. */
#include "sql/dialect_int.h"

static bool called(const struct plan *p, int i)
{
	return is_punct(&p->t->v[i + 1], '(') && p->t->v[i + 1].match < p->to && !(p->todo[i - p->from] & PLAN_TYPE);
}

/* The bracket of OVER (…) behind the call at i; 0: there is none. */
static int over_bracket(const struct plan *p, int i)
{
	int last = call_tail(p, i);

	return last > p->t->v[i + 1].match && p->t->v[last].match >= 0 && sql_is(p->t, p->t->v[last].match - 1, "over") ? p->t->v[last].match : 0;
}

static bool is_over(const struct plan *p, int i)
{
	return over_bracket(p, i) || sql_is(p->t, call_tail(p, i) - 1, "over");
}

/* f(x) IGNORE NULLS OVER is f(x IGNORE NULLS) OVER. */
static void nulls_inside(struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;
	int close = t->v[i + 1].match;

	if (!sql_is(t, close + 2, "nulls") || !(sql_is(t, close + 1, "ignore") || sql_is(t, close + 1, "respect")))
		return;
	if (sql_is(t, close + 1, "ignore"))
		edit_before(p, close, S(" IGNORE NULLS"));
	edit_replace(p, close + 1, close + 3, S(""));
}

/* Without a frame of their own, these see the whole partition there. */
static void whole_frame(struct plan *p, int open)
{
	const struct sql_tokens *t = p->t;
	bool ordered = false;

	for (int k = open + 1; k < t->v[open].match; k = t->v[k].match > k ? t->v[k].match + 1 : k + 1) {
		if (sql_is(t, k, "rows") || sql_is(t, k, "range") || sql_is(t, k, "groups"))
			return;
		ordered |= sql_is(t, k, "order") && sql_is(t, k + 1, "by");
	}
	if (ordered)
		edit_before(p, t->v[open].match, S(" ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"));
}

bool word_window(struct plan *p, int i, intptr_t framed)
{
	int open;

	if (!called(p, i))
		return true;
	open = framed ? over_bracket(p, i) : 0;
	nulls_inside(p, i);
	if (open)
		whole_frame(p, open);
	return true;
}

/* f(x) tail → outer(first(x) tail, second(x) tail); `begin` is "outer(first". */
static void twice(struct plan *p, int i, const char *begin, const char *second)
{
	int last = call_tail(p, i), close = p->t->v[i + 1].match;
	const struct str texts[] = {arena_fmt(p->c->arena, ", %s(", second), S(")"), S(")")};
	const struct sql_span spans[] = {{i + 2, close}, {close + 1, last + 1}};

	edit_replace(p, i, i + 1, str_of(begin));
	edit_repeat(p, last, texts, spans, 3);
}

bool word_avg(struct plan *p, int i, intptr_t unused)
{
	struct sql_span v[1];

	(void)unused;
	if (called(p, i) && call_args(p, i, v, 1) == 1)
		twice(p, i, is_over(p, i) ? "SF_AVG_OVER(SUM" : "SF_AVG(SUM", "COUNT");
	return true;
}

bool word_median(struct plan *p, int i, intptr_t unused)
{
	struct sql_span v[1];

	(void)unused;
	if (called(p, i) && call_args(p, i, v, 1) == 1)
		twice(p, i, "SF_MEDIAN(MEDIAN", "MIN");
	return true;
}

/* PERCENTILE_CONT(n) WITHIN GROUP (ORDER BY x) tail has the digits of MEDIAN. */
bool word_percentile(struct plan *p, int i, intptr_t unused)
{
	const struct sql_tokens *t = p->t;
	struct str texts[] = {S(", MIN("), S(")"), S(")")};
	struct sql_span spans[2];
	int close, group, end, last;

	(void)unused;
	if (!called(p, i))
		return true;
	close = t->v[i + 1].match;
	group = close + 3;
	if (!sql_is(t, close + 1, "within") || !is_punct(&t->v[group], '(') || !sql_is(t, group + 1, "order"))
		return true;
	end = t->v[group].match;
	last = call_tail(p, i);
	spans[1] = (struct sql_span){end + 1, last + 1};
	end -= sql_is(t, end - 1, "asc") || sql_is(t, end - 1, "desc");
	spans[0] = (struct sql_span){group + 3, end};
	edit_replace(p, i, i + 1, S("SF_MEDIAN(PERCENTILE_CONT"));
	edit_repeat(p, last, texts, spans, 3);
	return true;
}

/* SEQ1(), SEQ2(), SEQ4(), SEQ8(): from 0 on, without holes; as the order of a window any order. */
bool word_sequence(struct plan *p, int i, intptr_t unused)
{
	bool ordering = sql_is(p->t, i - 1, "by") && sql_is(p->t, i - 2, "order");

	(void)unused;
	if (called(p, i) && p->t->v[i + 1].match <= i + 3)
		edit_replace(p, i, p->t->v[i + 1].match + 1, ordering ? S("NULL") : S("(ROW_NUMBER() OVER () - 1)"));
	return true;
}
