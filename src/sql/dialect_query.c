/* dialect_query.c - clauses of queries: what stands in FROM, set operations, TOP, SAMPLE, INFORMATION_SCHEMA. */
#include "sql/dialect_int.h"

int alias_at(const struct plan *p, int i)
{
	static const char *const no_alias[] = {"sample", "tablesample", "pivot", "unpivot", "at", "before", "match_recognize", "changes",
					       "asof",	 "semi",	"anti",	 "positional", "connect", "start", "match_condition", "outer",
					       "qualify", NULL};
	const struct sql_tokens *t = p->t;

	if (i >= p->to)
		return -1;
	if (sql_is(t, i, "as"))
		return i + 1 < p->to && is_name(&t->v[i + 1]) ? i + 1 : -1;
	return is_name(&t->v[i]) && ends_value(p, i) && !word_in(&t->v[i], no_alias) ? i : -1;
}

/* Does a table stand at token i, after FROM, JOIN, or a comma that may be FROM's? */
static bool in_from(const struct plan *p, int i)
{
	static const char *const before[] = {"from", "join", "lateral", "using", NULL};

	return i > p->from && (word_in(&p->t->v[i - 1], before) || is_punct(&p->t->v[i - 1], ','));
}

static bool join_lacks_condition(const struct plan *p, int table)
{
	static const char *const without[] = {"cross", "natural", "positional", NULL};
	int join = table - 1 - sql_is(p->t, table - 1, "lateral");

	if (!sql_is(p->t, join, "join") || join < p->from)
		return false;
	return join == p->from || !(word_in(&p->t->v[join - 1], without) || (sql_is(p->t, join - 1, "outer") && sql_is(p->t, join - 2, "natural")));
}

/* The join with the table function that begins at `table` and closes at `close` needs no ON there. */
static void join_on_true(struct plan *p, int table, int close)
{
	int alias = alias_at(p, close + 1), last = alias >= 0 ? alias : close;

	if (!join_lacks_condition(p, table))
		return;
	if (alias >= 0 && is_punct(&p->t->v[alias + 1], '('))
		last = p->t->v[alias + 1].match;
	if (!sql_is(p->t, last + 1, "on") && !sql_is(p->t, last + 1, "using"))
		edit_behind(p, last, S(" ON TRUE"));
}

/* TABLE(f(…)) is f(…). */
bool word_table(struct plan *p, int i, intptr_t unused)
{
	const struct sql_tokens *t = p->t;
	int open = i + 1, end;

	(void)unused;
	if (!is_punct(&t->v[open], '(') || !is_name(&t->v[open + 1]) || !in_from(p, i))
		return true;
	end = name_end(t, open + 1, p->to);
	if (sql_is(t, end, "result_scan"))
		return unsupported(p->c, &t->v[end], S("RESULT_SCAN"));
	if (!is_punct(&t->v[end + 1], '(') || t->v[end + 1].match + 1 != t->v[open].match)
		return true;
	edit_replace(p, i, open + 1, S(""));
	edit_replace(p, t->v[open].match, t->v[open].match + 1, S(""));
	join_on_true(p, i, t->v[open].match);
	return true;
}

/* Does a name stand among the arguments, so that they may be of a table beside it? */
static bool names_columns(const struct plan *p, int open)
{
	const struct sql_tokens *t = p->t;

	for (int k = open + 1; k < t->v[open].match; k++)
		if (is_name(&t->v[k]) && !is_punct(&t->v[k + 1], '(') && !is_operator(&t->v[k + 1], S("=>")) && !sql_is(t, k, "true") &&
		    !sql_is(t, k, "false") && !is_operator(&t->v[k - 1], S(":")))
			return true;
	return false;
}

/* The argument says whether it is FLATTEN itself. Over columns its rows are joined with theirs, which turns their order round. */
bool word_flatten(struct plan *p, int i, intptr_t itself)
{
	if (!is_punct(&p->t->v[i + 1], '('))
		return true;
	if (itself && names_columns(p, i + 1))
		edit_replace(p, i, i + 1, S("SF_FLATTEN_COLUMN"));
	join_on_true(p, i, p->t->v[i + 1].match);
	return true;
}

bool word_minus(struct plan *p, int i, intptr_t unused)
{
	static const char *const begins[] = {"select", "with", "values", "from", "all", NULL};
	const struct sql_token *k = &p->t->v[i];

	(void)unused;
	if (i > p->from && (word_in(k + 1, begins) || (is_punct(k + 1, '(') && (word_in(k + 2, begins) || is_punct(k + 2, '(')))))
		edit_replace(p, i, i + 1, S("EXCEPT"));
	return true;
}

/* SELECT TOP n … is SELECT … LIMIT n. */
bool word_top(struct plan *p, int i, intptr_t unused)
{
	static const char *const sets[] = {"union", "except", "intersect", "minus", "select", NULL};
	const struct sql_tokens *t = p->t;
	int k = i + 2;

	(void)unused;
	if (t->v[i + 1].kind != SQL_NUMBER ||
	    !(sql_is(t, i - 1, "select") || ((sql_is(t, i - 1, "distinct") || sql_is(t, i - 1, "all")) && sql_is(t, i - 2, "select"))))
		return true;
	while (k < p->to && !is_punct(&t->v[k], ')') && !word_in(&t->v[k], sets))
		k = t->v[k].match > k ? t->v[k].match + 1 : k + 1;
	edit_replace(p, i, i + 2, S(""));
	edit_before(p, k < p->to ? k : p->to, arena_fmt(p->c->arena, " LIMIT %.*s ", SARG(t->v[i + 1].text)));
	return true;
}

/* [TABLE]SAMPLE [BERNOULLI|ROW|SYSTEM|BLOCK] (n [ROWS]) [REPEATABLE|SEED (m)] */
bool word_sample(struct plan *p, int i, intptr_t unused)
{
	const struct sql_tokens *t = p->t;
	bool blocks = sql_is(t, i + 1, "system") || sql_is(t, i + 1, "block"), rows;
	int open = i + 1 + (blocks || sql_is(t, i + 1, "bernoulli") || sql_is(t, i + 1, "row")), end;
	OWNS(buf) text = {0};

	(void)unused;
	if (!is_punct(&t->v[open], '(') || i == p->from || !ends_value(p, i - 1) || t->v[open + 1].kind != SQL_NUMBER)
		return true;
	rows = sql_is(t, open + 2, "rows");
	end = t->v[open].match + 1;
	buf_fmt(&text, "TABLESAMPLE %s(%.*s%s)", rows ? "reservoir" : blocks ? "system" : "bernoulli", SARG(t->v[open + 1].text),
		rows ? " ROWS" : "%");
	if ((sql_is(t, end, "repeatable") || sql_is(t, end, "seed")) && is_punct(&t->v[end + 1], '(') && t->v[end + 1].match == end + 3) {
		buf_fmt(&text, " REPEATABLE (%.*s)", SARG(t->v[end + 2].text));
		end += 4;
	}
	edit_replace(p, i, end, arena_dup(p->c->arena, buf_str(&text)));
	return true;
}

/* --- VALUES in FROM: its columns are COLUMN1, COLUMN2, … --- */
static struct str column_names(struct plan *p, int open, bool alias)
{
	OWNS(buf) b = {0};
	int n = 1, close = p->t->v[open].match;

	for (int k = open + 1; k < close; k = p->t->v[k].match > k ? p->t->v[k].match + 1 : k + 1)
		n += is_punct(&p->t->v[k], ',');
	buf_add(&b, alias ? S("(") : S(" AS \"VALUES\"("));
	for (int k = 1; k <= n; k++)
		buf_fmt(&b, "%sCOLUMN%d", k > 1 ? ", " : "", k);
	buf_addc(&b, ')');
	return arena_dup(p->c->arena, buf_str(&b));
}

bool word_values(struct plan *p, int i, intptr_t unused)
{
	const struct sql_tokens *t = p->t;
	bool inside = i > p->from && is_punct(&t->v[i - 1], '(');
	int close, alias, last;

	(void)unused;
	if (!is_punct(&t->v[i + 1], '(') || !in_from(p, inside ? i - 1 : i) || (!inside && is_punct(&t->v[i - 1], ',')))
		return true;
	close = t->v[i + 1].match;
	while (is_punct(&t->v[close + 1], ',') && is_punct(&t->v[close + 2], '('))
		close = t->v[close + 2].match;
	if (inside && close + 1 != t->v[i - 1].match)
		return true;
	if (!inside) {
		edit_replace(p, i, i + 1, S("(VALUES"));
		edit_behind(p, close, S(")"));
	}
	last = inside ? close + 1 : close;
	alias = alias_at(p, last + 1);
	if (alias < 0)
		edit_behind(p, last, column_names(p, i + 1, false));
	else if (!is_punct(&t->v[alias + 1], '('))
		edit_behind(p, alias, column_names(p, i + 1, true));
	return true;
}

/* FROM DUAL: one row. */
bool word_dual(struct plan *p, int i, intptr_t unused)
{
	(void)unused;
	if (sql_is(p->t, i - 1, "from") && !is_punct(&p->t->v[i + 1], '.'))
		edit_replace(p, i, i + 1, S("(VALUES (1)) AS DUAL(DUMMY)"));
	return true;
}

/* ASOF JOIN t MATCH_CONDITION (a >= b) [ON …] */
bool word_match_condition(struct plan *p, int i, intptr_t unused)
{
	int close;

	(void)unused;
	if (!is_punct(&p->t->v[i + 1], '('))
		return true;
	close = p->t->v[i + 1].match;
	edit_replace(p, i, i + 1, S("ON"));
	if (sql_is(p->t, close + 1, "on"))
		edit_replace(p, close + 1, close + 2, S("AND"));
	return true;
}

/* --- INFORMATION_SCHEMA --- */
static bool unknown_view(struct plan *p, int i, struct str db, struct str view)
{
	fail_at(p->c, ERR_SQL, (int)p->t->v[i].at + 1, "SQL compilation error:\nObject '%.*s.INFORMATION_SCHEMA.%.*s' does not exist or not authorized.",
		SARG(str_head(db, 200)), SARG(str_head(view, 200)));
	return fail_state(p->c, "42S02", "002003");
}

bool word_information_schema(struct plan *p, int i, intptr_t unused)
{
	static const char *const views[] = {"TABLES", "COLUMNS", "VIEWS", "SCHEMATA", "DATABASES", "TABLE_CONSTRAINTS", "SEQUENCES", "FUNCTIONS",
					    "LOAD_HISTORY", NULL};
	struct str current = p->x->database.n ? p->x->database : S("MAYFLY"), db = current, view;
	const struct sql_tokens *t = p->t;
	bool qualified = i - 2 >= p->from && is_punct(&t->v[i - 1], '.') && is_name(&t->v[i - 2]);
	int start = qualified ? i - 2 : i, known = 0;
	OWNS(buf) b = {0};

	(void)unused;
	if (!is_punct(&t->v[i + 1], '.') || !is_name(&t->v[i + 2]) || is_punct(&t->v[i + 3], '.') || is_punct(&t->v[i + 3], '(') || !in_from(p, start))
		return true;
	if (qualified)
		db = sql_name_of(p->c->arena, SQL_SNOWFLAKE, &t->v[i - 2]);
	view = sql_name_of(p->c->arena, SQL_SNOWFLAKE, &t->v[i + 2]);
	while (views[known] && !str_eq(view, str_of(views[known])))
		known++;
	if (!views[known])
		return is_punct(&t->v[start - 1], ',') || unknown_view(p, i, db, view);
	buf_fmt(&b, "SF_IS_%s(", views[known]);
	sql_quote_literal(&b, db);
	if (str_ieq(db, current)) {
		buf_lit(&b, ", session := ");
		sql_quote_literal(&b, p->x->schema.n ? p->x->schema : S("PUBLIC"));
	}
	buf_addc(&b, ')');
	if (alias_at(p, i + 3) < 0)
		buf_fmt(&b, " AS %s", views[known]);
	edit_replace(p, start, i + 3, arena_dup(p->c->arena, buf_str(&b)));
	return true;
}

/* --- what there is none of --- */
bool word_refused(struct plan *p, int i, intptr_t feature)
{
	if (is_punct(&p->t->v[i + 1], '('))
		return unsupported(p->c, &p->t->v[i], str_of((const char *)feature));
	return true;
}

/* t AT|BEFORE (TIMESTAMP|OFFSET|STATEMENT|STREAM => …) */
bool word_time_travel(struct plan *p, int i, intptr_t unused)
{
	if (is_punct(&p->t->v[i + 1], '(') && is_operator(&p->t->v[i + 3], S("=>")) && i > p->from && ends_value(p, i - 1))
		return unsupported(p->c, &p->t->v[i], S("TIME TRAVEL"));
	return sql_is(p->t, i, "before") || word_quote(p, i, unused);
}

/* PIVOT (f(x) FOR y IN ('a', 'b')): the columns are called 'a' and 'b', quotes and all. */
bool word_pivot(struct plan *p, int i, intptr_t unused)
{
	const struct sql_tokens *t = p->t;
	int open = i + 1;

	(void)unused;
	if (!is_punct(&t->v[open], '('))
		return true;
	for (int k = open + 1; k < t->v[open].match; k = t->v[k].match > k ? t->v[k].match + 1 : k + 1) {
		if (!sql_is(t, k, "in") || !is_punct(&t->v[k + 1], '('))
			continue;
		if (sql_is(t, k + 2, "any") || sql_is(t, k + 2, "select"))
			return unsupported(p->c, &t->v[k + 2], S("PIVOT without the values"));
		for (int j = k + 2; j < t->v[k + 1].match; j++) {
			OWNS(buf) name = {0};

			if (t->v[j].kind != SQL_STRING || !(is_punct(&t->v[j + 1], ',') || is_punct(&t->v[j + 1], ')')))
				continue;
			buf_lit(&name, " AS ");
			sql_quote_name(&name, t->v[j].text);
			edit_behind(p, j, arena_dup(p->c->arena, buf_str(&name)));
		}
	}
	return true;
}

bool word_connect(struct plan *p, int i, intptr_t unused)
{
	(void)unused;
	return !(sql_is(p->t, i + 1, "by") && i > p->from && ends_value(p, i - 1)) || unsupported(p->c, &p->t->v[i], S("CONNECT BY"));
}

bool word_type_refused(struct plan *p, int i, intptr_t feature)
{
	if (p->todo[i - p->from] & PLAN_TYPE)
		return unsupported(p->c, &p->t->v[i], str_of((const char *)feature));
	return true;
}

/* @stage */
bool plan_stage(struct plan *p, int i)
{
	if (i > p->from && in_from(p, i) && p->t->v[i].text.p[0] == '@')
		return unsupported(p->c, &p->t->v[i], S("STAGE"));
	return true;
}
