/* dialect_paths.c - paths into variants, arrays and objects as they are written there: v:a.b[0]['c'], [1, 2], {'a': 1}. */
#include "sql/dialect_int.h"

static bool is_number(const struct sql_tokens *t, int i)
{
	return t->v[i].kind == SQL_NUMBER || (is_operator(&t->v[i], S("-")) && t->v[i + 1].kind == SQL_NUMBER);
}

/* Is the value of tokens [start, end) compared with a number that is written out? DuckDB would take the number's type for both. */
static bool meets_number(const struct plan *p, int start, int end)
{
	const struct sql_tokens *t = p->t;
	int i = end + sql_is(t, end, "not");

	if (is_comparison(&t->v[end]) || sql_is(t, i, "between"))
		return is_number(t, is_comparison(&t->v[end]) ? end + 1 : i + 1);
	if (sql_is(t, i, "in") && is_punct(&t->v[i + 1], '('))
		return is_number(t, i + 2);
	return start - 2 >= p->from && is_comparison(&t->v[start - 1]) && t->v[start - 2].kind == SQL_NUMBER;
}

/* Is it what ORDER BY sorts by first? */
static bool is_sorted_by(const struct plan *p, int start, int end)
{
	static const char *const behind[] = {"asc", "desc", "nulls", "limit", "rows", "range", "offset", "fetch", NULL};
	const struct sql_token *k = &p->t->v[end];

	if (!sql_is(p->t, start - 1, "by") || !sql_is(p->t, start - 2, "order") || sql_is(p->t, start - 4, "group"))
		return false;
	return end >= p->to || is_punct(k, ',') || is_punct(k, ')') || word_in(k, behind);
}

void plan_value(struct plan *p, int start, int last)
{
	int holder = edit_holder(p, last);

	if (meets_number(p, start, last + 1))
		edit_wrap(p, start, holder, S("CAST("), S(" AS DOUBLE)"));
	else if (is_sorted_by(p, start, last + 1))
		edit_wrap(p, start, holder, S("SF_SORT_KEY("), S(")"));
	chain(p, start, last);
}

/* First token behind the steps of a path that begin at i: names, and subscripts that are literals. */
static int behind_steps(const struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;

	while (i < p->to) {
		const struct sql_token *k = &t->v[i];

		if ((is_punct(k, '.') || is_operator(k, S(":"))) && i + 1 < p->to && is_name(k + 1))
			i += 2;
		else if (is_punct(k, '[') && k->match == i + 2 && (k[1].kind == SQL_STRING || k[1].kind == SQL_NUMBER))
			i += 3;
		else
			break;
	}
	return i < p->to ? i : p->to;
}

static void add_step(struct plan *p, const struct sql_token *k, struct buf *path)
{
	if (k->kind == SQL_STRING) {
		struct str key = string_value(p->c->arena, SQL_SNOWFLAKE, k->text);

		buf_addc(path, '"');
		for (size_t i = 0; i < key.n; i++) {
			if (key.p[i] == '"' || key.p[i] == '\\')
				buf_addc(path, '\\');
			buf_addc(path, key.p[i]);
		}
		buf_addc(path, '"');
	} else {
		buf_add(path, is_operator(k, S(":")) ? S(".") : k->text);
	}
}

int plan_path(struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;
	int start = is_name(&t->v[i + 1]) && i + 1 < p->to ? primary_start(p, i) : -1, end;
	OWNS(buf) path = {0};
	OWNS(buf) text = {0};

	if (start < 0 || t->v[i - 1].kind == SQL_STRING)
		return i;
	end = behind_steps(p, i);
	for (int k = i + 1; k < end; k++)
		add_step(p, &t->v[k], &path);
	edit_before(p, start, S("GET_PATH("));
	buf_lit(&text, ", ");
	sql_quote_literal(&text, buf_str(&path));
	buf_addc(&text, ')');
	edit_replace(p, i, end, arena_dup(p->c->arena, buf_str(&text)));
	plan_value(p, start, end - 1);
	return end - 1;
}

int plan_bracket(struct plan *p, int i)
{
	int close = p->t->v[i].match, start = ends_value(p, i - 1) ? primary_start(p, i) : -1;

	if (start < 0) {
		edit_replace(p, i, i + 1, S("ARRAY_CONSTRUCT("));
		edit_replace(p, close, close + 1, S(")"));
		return i;
	}
	if (close == i + 1)
		return i;
	edit_before(p, start, S("GET("));
	edit_replace(p, i, i + 1, S(", "));
	edit_replace(p, close, close + 1, S(")"));
	plan_value(p, start, close);
	return i;
}

int plan_brace(struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;
	int close = t->v[i].match;

	if (close == i + 2 && is_operator(&t->v[i + 1], S("*"))) {
		edit_replace(p, i, close + 1, S("OBJECT_CONSTRUCT(STRUCT_PACK(*COLUMNS(*)))"));
		return close;
	}
	edit_replace(p, i, i + 1, S("OBJECT_CONSTRUCT("));
	edit_replace(p, close, close + 1, S(")"));
	for (int k = i + 1; k + 1 < close; k++) {
		if (t->v[k].match > k)
			k = t->v[k].match;
		else if (t->v[k].kind == SQL_STRING && is_operator(&t->v[k + 1], S(":")) && (k == i + 1 || is_punct(&t->v[k - 1], ',')))
			edit_replace(p, k + 1, k + 2, S(","));
	}
	return i;
}

static bool flattens(struct plan *p)
{
	static const char *const words[] = {"flatten", "split_to_table", "strtok_split_to_table", NULL};

	if (!p->flattens) {
		p->flattens = 1;
		for (int i = p->from; i < p->to; i++)
			if (word_in(&p->t->v[i], words))
				p->flattens = 2;
	}
	return p->flattens == 2;
}

/* VALUE of FLATTEN, next to a number. */
bool word_value(struct plan *p, int i, intptr_t unused)
{
	int start = i;

	(void)unused;
	while (start - 2 >= p->from && is_punct(&p->t->v[start - 1], '.') && is_name(&p->t->v[start - 2]))
		start -= 2;
	if (meets_number(p, start, i + 1) && flattens(p))
		edit_wrap(p, start, i, S("CAST("), S(" AS DOUBLE)"));
	return true;
}
