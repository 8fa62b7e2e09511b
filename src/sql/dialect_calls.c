/* dialect_calls.c - calls of functions that DuckDB spells otherwise: parts of dates, renames, aggregates.
 *
 * A rule edits the function's name, its brackets and commas, and what belongs
 * to the call behind it; never anything before the name or inside of an
 * argument, so that rules may apply in any order.
 */
#include "sql/dialect_int.h"

static bool called(const struct plan *p, int i)
{
	return is_punct(&p->t->v[i + 1], '(') && p->t->v[i + 1].match < p->to && !(p->todo[i - p->from] & PLAN_TYPE);
}

int call_args(const struct plan *p, int i, struct sql_span *v, int max)
{
	const struct sql_tokens *t = p->t;
	int close = t->v[i + 1].match, n = 0, from = i + 2;

	for (int k = from; k <= close; k++) {
		if (t->v[k].match > k) {
			k = t->v[k].match;
		} else if (k == close || is_punct(&t->v[k], ',')) {
			if (k == close && k == i + 2)
				return 0;
			if (n == max)
				return max + 1;
			v[n++] = (struct sql_span){from, k};
			from = k + 1;
		}
	}
	return n;
}

/* --- parts of dates --- */
static const struct {
	struct str word;
	const char *part;
} parts[] = {
#define PART(part, word) {S_INIT(word), #part},
#include "sql/dialect_parts.def"
#undef PART
};

static struct str part_word(struct plan *p, const struct sql_token *k)
{
	if (k->kind == SQL_STRING)
		return string_value(p->c->arena, SQL_SNOWFLAKE, k->text);
	return sql_name_of(p->c->arena, SQL_SNOWFLAKE, k);
}

/* The part that one token names, bare or quoted; NULL: it is none. */
static const char *part_of(struct plan *p, struct sql_span s)
{
	const struct sql_token *k = &p->t->v[s.from];
	struct str word;

	if (s.to != s.from + 1 || (!is_name(k) && k->kind != SQL_STRING))
		return NULL;
	word = part_word(p, k);
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (word_is(word, parts[i].word))
			return parts[i].part;
	return NULL;
}

static bool no_part(struct plan *p, int function, int i)
{
	struct str word = str_head(part_word(p, &p->t->v[i]), 100);

	fail_at(p->c, ERR_SQL, (int)p->t->v[i].at + 1, "SQL compilation error:\n'%.*s' is not a valid date/time component for function %.*s.",
		SARG(word), SARG(str_head(p->t->v[function].text, 100)));
	return fail_state(p->c, "22023", "001008");
}

/* CEIL and FLOOR repeat what they round to digits alone. */
static bool repeats(const struct plan *p, int i)
{
	static const char *const rounding[] = {"ceil", "floor", NULL};
	struct sql_span v[2];

	return copies_of(&p->t->v[i]) > 0 && (!word_in(&p->t->v[i], rounding) || call_args(p, i, v, 2) == 2);
}

/* Does an argument call what repeats its operands? Then the macro that binds them first is the one to call: SF_DEEP_…. */
static bool is_deep(const struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;

	for (int k = i + 2; k < t->v[i + 1].match; k++)
		if (t->v[k].kind == SQL_WORD && is_punct(&t->v[k + 1], '(') && repeats(p, k))
			return true;
	return false;
}

static void named_by_part(struct plan *p, int i, const char *prefix, const char *part)
{
	static const char *const repeating[] = {"SF_DATEADD_", "SF_TRUNC_", "SF_SLICE_"};
	bool deep = false;

	for (size_t k = 0; k < COUNT_OF(repeating); k++)
		deep |= strcmp(prefix, repeating[k]) == 0 && is_deep(p, i);
	edit_replace(p, i, i + 1, arena_fmt(p->c->arena, "%s%s%s", deep ? "SF_DEEP_" : "", prefix + (deep ? 3 : 0), part));
}

/* f(part, …): the part moves into the name. */
bool word_part_first(struct plan *p, int i, intptr_t prefix)
{
	struct sql_span v[4];
	const char *part;
	int n;

	if (!called(p, i) || (n = call_args(p, i, v, 4)) < 2 || n > 3)
		return true;
	part = part_of(p, v[0]);
	if (!part && v[0].to == v[0].from + 1 && (is_name(&p->t->v[v[0].from]) || p->t->v[v[0].from].kind == SQL_STRING))
		return no_part(p, i, v[0].from);
	if (!part)
		return true;
	named_by_part(p, i, (const char *)prefix, part);
	edit_replace(p, v[0].from, v[1].from, S(""));
	return true;
}

/* f(x, …, part): TRUNC, LAST_DAY; f(x, n, part[, y]): TIME_SLICE. */
bool word_part_later(struct plan *p, int i, intptr_t prefix)
{
	bool slice = ((const char *)prefix)[3] == 'S';
	int n, at = slice ? 2 : 1;
	struct sql_span v[4];
	const char *part;

	if (!called(p, i) || (n = call_args(p, i, v, 4)) <= at || n > at + 1 + slice)
		return true;
	part = part_of(p, v[at]);
	if (!part || (p->t->v[v[at].from].kind != SQL_STRING && ((const char *)prefix)[3] == 'T'))
		return true;
	named_by_part(p, i, (const char *)prefix, part);
	edit_replace(p, v[at].from - 1, v[at].to, S(""));
	return true;
}

/* EXTRACT(part FROM x) */
bool word_extract(struct plan *p, int i, intptr_t prefix)
{
	const char *part;

	if (!called(p, i) || !sql_is(p->t, i + 3, "from"))
		return true;
	part = part_of(p, (struct sql_span){i + 2, i + 3});
	if (!part)
		return no_part(p, i, i + 2);
	named_by_part(p, i, (const char *)prefix, part);
	edit_replace(p, i + 2, i + 4, S(""));
	return true;
}

/* --- other names --- */
bool word_deep(struct plan *p, int i, intptr_t name)
{
	if (called(p, i) && is_deep(p, i))
		edit_replace(p, i, i + 1, str_of((const char *)name));
	return true;
}

bool word_rename(struct plan *p, int i, intptr_t name)
{
	static const char *const before_names[] = {"into", "table", "then", "exists", "column", "add", NULL};

	if (called(p, i) && !(i > p->from && word_in(&p->t->v[i - 1], before_names)))
		edit_replace(p, i, i + 1, str_of((const char *)name));
	return true;
}

/* SF_NOW_LTZ() for CURRENT_TIMESTAMP[()|(n)] */
bool word_now(struct plan *p, int i, intptr_t call)
{
	int to = i + 1;

	if (is_punct(&p->t->v[i + 1], '.') || sql_is(p->t, i - 1, "as"))
		return true;
	if (called(p, i)) {
		to = p->t->v[i + 1].match + 1;
		if (to > i + 4)
			return true;
	}
	edit_replace(p, i, to, str_of((const char *)call));
	return true;
}

/* POSITION(a IN b) → CHARINDEX(a, b) */
bool word_position(struct plan *p, int i, intptr_t unused)
{
	const struct sql_tokens *t = p->t;

	(void)unused;
	if (!called(p, i))
		return true;
	edit_replace(p, i, i + 1, S("CHARINDEX"));
	for (int k = i + 2; k < t->v[i + 1].match; k++) {
		if (t->v[k].match > k)
			k = t->v[k].match;
		else if (sql_is(t, k, "in")) {
			edit_replace(p, k, k + 1, S(","));
			break;
		}
	}
	return true;
}

/* TO_NUMBER(x[, 'format'], p[, s]): numbers written out at the end are the result's precision and scale. */
bool word_to_number(struct plan *p, int i, intptr_t tries)
{
	const struct sql_tokens *t = p->t;
	int n, numbers = 0, last;
	struct sql_span v[4];

	if (!called(p, i) || (n = call_args(p, i, v, 4)) < 2 || n > 4)
		return true;
	while (numbers < 2 && numbers < n - 1 && v[n - 1 - numbers].to == v[n - 1 - numbers].from + 1 &&
	       t->v[v[n - 1 - numbers].from].kind == SQL_NUMBER)
		numbers++;
	if (!numbers)
		return true;
	last = n - numbers;
	edit_replace(p, i, i + 1, tries ? S("TRY_CAST(SF_TRY_NUMERIC_TEXT") : S("CAST(SF_NUMERIC_TEXT"));
	edit_replace(p, v[last].from - 1, v[n - 1].to, S(""));
	edit_behind(p, v[n - 1].to,
		    arena_fmt(p->c->arena, " AS DECIMAL(%.*s,%.*s))", SARG(t->v[v[last].from].text),
			      SARG(numbers == 2 ? t->v[v[last + 1].from].text : S("0"))));
	return true;
}

/* --- aggregates --- */

/* Last token of what belongs to the call at i: WITHIN GROUP (…), FILTER (…), IGNORE NULLS, OVER (…) or OVER name. */
int call_tail(const struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;
	int last = t->v[i + 1].match;

	if (sql_is(t, last + 1, "within") && sql_is(t, last + 2, "group") && is_punct(&t->v[last + 3], '('))
		last = t->v[last + 3].match;
	if (sql_is(t, last + 1, "filter") && is_punct(&t->v[last + 2], '('))
		last = t->v[last + 2].match;
	if ((sql_is(t, last + 1, "ignore") || sql_is(t, last + 1, "respect")) && sql_is(t, last + 2, "nulls"))
		last += 2;
	if (sql_is(t, last + 1, "over"))
		last = is_punct(&t->v[last + 2], '(') ? t->v[last + 2].match : last + 2;
	return last < p->to ? last : t->v[i + 1].match;
}

/* RATIO_TO_REPORT(x) OVER w → ((x) / SUM(x) OVER w) */
bool word_ratio(struct plan *p, int i, intptr_t unused)
{
	int close, last;

	(void)unused;
	if (!called(p, i))
		return true;
	close = p->t->v[i + 1].match;
	last = call_tail(p, i);
	if (last == close)
		return true;
	edit_replace(p, i, i + 1, S("("));
	edit_behind(p, close, S(" / SUM("));
	edit_again(p, close, i + 2, close);
	edit_behind(p, close, S(")"));
	edit_behind(p, last, S(")"));
	return true;
}

bool word_hash(struct plan *p, int i, intptr_t unused)
{
	(void)unused;
	if (called(p, i)) {
		edit_replace(p, i, i + 1, S("SF_HASH(HASH"));
		edit_behind(p, p->t->v[i + 1].match, S(")"));
	}
	return true;
}

/* WITHIN GROUP (ORDER BY …) moves into the brackets of the call. */
static void order_inside(struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;
	int close = t->v[i + 1].match;

	if (!sql_is(t, close + 1, "within") || !sql_is(t, close + 2, "group") || !is_punct(&t->v[close + 3], '('))
		return;
	edit_replace(p, close, close + 4, S(" "));
}

bool word_listagg(struct plan *p, int i, intptr_t unused)
{
	struct sql_span v[2];
	int n;

	(void)unused;
	if (!called(p, i) || (n = call_args(p, i, v, 2)) < 1 || n > 2)
		return true;
	edit_replace(p, i, i + 1, S("COALESCE(LISTAGG"));
	edit_behind(p, call_tail(p, i), S(", '')"));
	if (n == 1)
		edit_before(p, p->t->v[i + 1].match, S(", ''"));
	order_inside(p, i);
	return true;
}

/* ARRAY_AGG and ARRAY_UNIQUE_AGG: an ARRAY of a list. */
bool word_array_agg(struct plan *p, int i, intptr_t unique)
{
	struct sql_span v[1];

	if (!called(p, i) || call_args(p, i, v, 1) != 1)
		return true;
	edit_replace(p, i, i + 1, S("SF_ARRAY_OF(LIST"));
	if (unique)
		edit_behind(p, i + 1, S("DISTINCT "));
	edit_behind(p, call_tail(p, i), S(")"));
	order_inside(p, i);
	return true;
}

/* OBJECT_AGG(k, v) OVER w; without OVER it is a macro. */
bool word_object_agg(struct plan *p, int i, intptr_t unused)
{
	struct sql_span v[2];

	(void)unused;
	if (!called(p, i) || call_args(p, i, v, 2) != 2)
		return true;
	edit_replace(p, i, i + 1, S("SF_OBJECT_OF(LIST(STRUCT_PACK"));
	edit_behind(p, i + 1, S("k := "));
	edit_behind(p, v[1].from - 1, S(" v := "));
	edit_behind(p, p->t->v[i + 1].match, S(")"));
	edit_behind(p, call_tail(p, i), S(")"));
	return true;
}

/* COUNT([DISTINCT] a, b): rows in which none is NULL. */
bool word_count(struct plan *p, int i, intptr_t unused)
{
	int n, close, first = i + 2;
	struct sql_span v[16];

	(void)unused;
	if (!called(p, i) || (n = call_args(p, i, v, 16)) < 2 || n > 16)
		return true;
	close = p->t->v[i + 1].match;
	if (sql_is(p->t, first, "distinct"))
		v[0].from = ++first;
	edit_behind(p, first - 1, S("("));
	edit_behind(p, close, S(") FILTER (WHERE "));
	for (int k = 0; k < n; k++) {
		edit_behind(p, close, k ? S(" AND (") : S("("));
		edit_again(p, close, v[k].from, v[k].to);
		edit_behind(p, close, S(") IS NOT NULL"));
	}
	edit_behind(p, close, S(")"));
	return true;
}

/* OBJECT_CONSTRUCT(*): of the row. */
bool word_object_construct(struct plan *p, int i, intptr_t unused)
{
	(void)unused;
	if (called(p, i) && p->t->v[i + 1].match == i + 3 && is_operator(&p->t->v[i + 2], S("*")))
		edit_replace(p, i + 2, i + 3, S("STRUCT_PACK(*COLUMNS(*))"));
	return true;
}

/* s.NEXTVAL → nextval('"S"') */
bool word_nextval(struct plan *p, int i, intptr_t unused)
{
	const struct sql_tokens *t = p->t;
	int start = i;
	OWNS(buf) name = {0};
	OWNS(buf) text = {0};

	(void)unused;
	while (start - 2 >= p->from && is_punct(&t->v[start - 1], '.') && is_name(&t->v[start - 2]))
		start -= 2;
	if (start == i || is_punct(&t->v[i + 1], '.') || is_punct(&t->v[i + 1], '('))
		return true;
	for (int k = start; k < i; k += 2) {
		buf_add(&name, k > start ? S(".") : S(""));
		sql_quote_name(&name, sql_name_of(p->c->arena, SQL_SNOWFLAKE, &t->v[k]));
	}
	buf_lit(&text, "nextval(");
	sql_quote_literal(&text, buf_str(&name));
	buf_addc(&text, ')');
	edit_replace(p, start, i + 1, arena_dup(p->c->arena, buf_str(&text)));
	return true;
}

/* INTERVAL '1 hour, 2 minutes': DuckDB minds the comma. */
bool word_interval(struct plan *p, int i, intptr_t unused)
{
	const struct sql_token *k = &p->t->v[i + 1];
	OWNS(buf) b = {0};
	char *text;

	(void)unused;
	if (k->kind != SQL_STRING || str_find(k->text, ',') == k->text.n)
		return true;
	sql_quote_literal(&b, string_value(p->c->arena, SQL_SNOWFLAKE, k->text));
	text = arena_cstr(p->c->arena, buf_str(&b));
	for (size_t n = 0; n < b.n; n++)
		if (text[n] == ',')
			text[n] = ' ';
	edit_replace(p, i + 1, i + 2, str_from(text, b.n));
	return true;
}

bool word_collate(struct plan *p, int i, intptr_t unused)
{
	(void)unused;
	return p->t->v[i + 1].kind != SQL_STRING || unsupported(p->c, &p->t->v[i], S("COLLATE"));
}

/* A word that DuckDB reserves, where it can only be a name. */
bool word_quote(struct plan *p, int i, intptr_t unused)
{
	const struct sql_token *k = &p->t->v[i];
	OWNS(buf) b = {0};

	(void)unused;
	if (i == p->head->word || ends_value(p, i - 1) || is_punct(k + 1, '(') || is_punct(k + 1, '[') ||
	    (p->todo[i - p->from] & (PLAN_TYPE | PLAN_ALIAS)) || k[1].kind == SQL_STRING)
		return true;
	if ((is_punct(k - 1, '(') && sql_is(p->t, i - 2, "trim")) || sql_is(p->t, i - 1, "rows") || sql_is(p->t, i - 1, "row"))
		return true;
	sql_quote_name(&b, sql_name_of(p->c->arena, SQL_SNOWFLAKE, k));
	edit_replace(p, i, i + 1, arena_dup(p->c->arena, buf_str(&b)));
	return true;
}
