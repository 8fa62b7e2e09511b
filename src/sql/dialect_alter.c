/* dialect_alter.c - ALTER TABLE and VIEW, COMMENT.
 *
 * DuckDB alters one thing a statement, so that a list becomes steps. What is
 * of no consequence here - keys, clustering, storage - still needs its table.
 */
#include "sql/dialect_int.h"

struct alteration {
	struct writer *w;
	const struct sql_head *h;
	struct str name;      /* of the table, as it is written */
	struct str alter;     /* "ALTER TABLE [IF EXISTS] name" */
	struct sql_step *steps;
	int n;
	bool view;
};

static struct str quoted(struct call *c, struct str name)
{
	OWNS(buf) b = {0};

	sql_quote_name(&b, name);
	return arena_dup(c->arena, buf_str(&b));
}

static struct str name_at(struct alteration *a, int i)
{
	return quoted(a->w->c, sql_name_of(a->w->c->arena, SQL_SNOWFLAKE, &a->w->t->v[i]));
}

static int item_end(const struct sql_tokens *t, int i, int to)
{
	while (i < to && !is_punct(&t->v[i], ','))
		i = t->v[i].match > i ? t->v[i].match + 1 : i + 1;
	return i;
}

static void add(struct alteration *a, struct str text)
{
	a->steps[a->n++].text = text;
}

/* Nothing, but where there is no such table. */
static bool nothing(struct alteration *a)
{
	struct arena *arena = a->w->c->arena;

	add(a, a->view ? arena_fmt(arena, "SELECT 1 FROM %.*s LIMIT 0", SARG(a->name))
		       : arena_fmt(arena, "DELETE FROM %.*s WHERE FALSE", SARG(a->name)));
	return true;
}

static bool comment_on(struct alteration *a, const char *object, struct str name, int string)
{
	struct writer *w = a->w;
	OWNS(buf) b = {0};

	sql_quote_literal(&b, string < 0 ? S("") : string_value(w->c->arena, SQL_SNOWFLAKE, w->t->v[string].text));
	add(a, arena_fmt(w->c->arena, "COMMENT ON %s %.*s IS %.*s", object, SARG(name), SARG(buf_str(&b))));
	return true;
}

/* --- ADD and DROP of columns --- */

/* c type [DEFAULT x] [NOT NULL] …: NOT NULL is set afterwards, which DuckDB wants. */
static bool add_column(struct alteration *a, int i, int to, bool if_not_exists)
{
	struct writer *w = a->w;
	const struct sql_tokens *t = w->t;
	bool not_null = false;
	OWNS(buf) tail = {0};
	int type = i + 1;

	if (!is_name(&t->v[i]) || type >= to)
		return unexpected_token(w->c, t, type < to ? i : to, to);
	buf_fmt(&w->out, "%.*s ADD COLUMN %s", SARG(a->alter), if_not_exists ? "IF NOT EXISTS " : "");
	w->plan.todo[type - w->plan.from] |= PLAN_TYPE;
	for (int k = type; k < to; k = t->v[k].match > k ? t->v[k].match + 1 : k + 1) {
		if (sql_is(t, k, "not") && sql_is(t, k + 1, "null")) {
			edit_replace(&w->plan, k, k + 2, S(""));
			not_null = true;
		} else if (sql_is(t, k, "comment") && t->v[k + 1].kind == SQL_STRING) {
			edit_replace(&w->plan, k, k + 2, S(""));
		} else if (sql_is(t, k, "autoincrement") || sql_is(t, k, "identity")) {
			return unsupported(w->c, &t->v[k], S("AUTOINCREMENT in ALTER TABLE"));
		} else if (sql_is(t, k, "unique") || (sql_is(t, k, "primary") && sql_is(t, k + 1, "key"))) {
			edit_replace(&w->plan, k, k + 1 + sql_is(t, k, "primary"), S(""));
		}
	}
	if (!write_span(w, i, to))
		return false;
	add(a, write_cut(w));
	if (not_null) {
		struct str column = name_at(a, i);

		add(a, arena_fmt(w->c->arena, "%.*s ALTER COLUMN %.*s SET NOT NULL", SARG(a->alter), SARG(column)));
	}
	return true;
}

static bool is_constraint(const struct sql_tokens *t, int i)
{
	static const char *const words[] = {"constraint", "primary", "foreign", "unique", NULL};

	return word_in(&t->v[i], words);
}

static bool add_columns(struct alteration *a, int i, int to)
{
	const struct sql_tokens *t = a->w->t;
	bool if_not_exists;
	int end;

	if (is_constraint(t, i) || sql_is(t, i, "row") || sql_is(t, i, "search"))
		return nothing(a);
	for (; i < to; i = end + 1) {
		i += sql_is(t, i, "column");
		if_not_exists = sql_is(t, i, "if") && sql_is(t, i + 1, "not") && sql_is(t, i + 2, "exists");
		i += if_not_exists ? 3 : 0;
		end = item_end(t, i, to);
		if (!add_column(a, i, end, if_not_exists))
			return false;
	}
	return true;
}

static bool drop_columns(struct alteration *a, int i, int to)
{
	const struct sql_tokens *t = a->w->t;
	bool if_exists;

	if (is_constraint(t, i) || sql_is(t, i, "clustering") || sql_is(t, i, "row") || sql_is(t, i, "search") || sql_is(t, i, "all"))
		return nothing(a);
	i += sql_is(t, i, "column");
	if_exists = sql_is(t, i, "if") && sql_is(t, i + 1, "exists");
	for (i += if_exists ? 2 : 0; i < to; i += 2) {
		struct str column;

		if (!is_name(&t->v[i]) || (i + 1 < to && !is_punct(&t->v[i + 1], ',')))
			return unexpected_token(a->w->c, t, is_name(&t->v[i]) ? i + 1 : i, to);
		column = name_at(a, i);
		add(a, arena_fmt(a->w->c->arena, "%.*s DROP COLUMN %s%.*s", SARG(a->alter), if_exists ? "IF EXISTS " : "", SARG(column)));
	}
	return true;
}

/* --- ALTER and MODIFY of columns --- */
static bool alter_column(struct alteration *a, int i, int to)
{
	struct writer *w = a->w;
	const struct sql_tokens *t = w->t;
	struct str column;
	int type;

	i += sql_is(t, i, "column");
	if (i + 1 >= to || !is_name(&t->v[i]))
		return unexpected_token(w->c, t, i + 1 >= to ? to : i, to);
	column = name_at(a, i);
	i++;
	if (sql_is(t, i, "comment") || sql_is(t, i, "unset"))
		return comment_on(a, "COLUMN", arena_fmt(w->c->arena, "%.*s.%.*s", SARG(a->name), SARG(column)), sql_is(t, i, "unset") ? -1 : i + 1);
	if (sql_is(t, i, "not") && sql_is(t, i + 1, "null")) {
		add(a, arena_fmt(w->c->arena, "%.*s ALTER COLUMN %.*s SET NOT NULL", SARG(a->alter), SARG(column)));
		return true;
	}
	buf_fmt(&w->out, "%.*s ALTER COLUMN %.*s ", SARG(a->alter), SARG(column));
	type = sql_is(t, i, "set") && sql_is(t, i + 1, "data") ? i + 3 : sql_is(t, i, "type") ? i + 1 : i;
	if (type == i && (sql_is(t, i, "set") || sql_is(t, i, "drop"))) {
		if (sql_is(t, i + 1, "masking") || sql_is(t, i + 1, "tag"))
			return unsupported(w->c, &t->v[i + 1], S("MASKING POLICY"));
		if (!write_span(w, i, to))
			return false;
	} else {
		if (type >= to)
			return unexpected_token(w->c, t, to, to);
		w->plan.todo[type - w->plan.from] |= PLAN_TYPE;
		buf_lit(&w->out, "TYPE ");
		if (!write_span(w, type, to))
			return false;
	}
	add(a, write_cut(w));
	return true;
}

static bool alter_columns(struct alteration *a, int i, int to)
{
	const struct sql_tokens *t = a->w->t;

	if (is_punct(&t->v[i], '(') && t->v[i].match == to - 1) {
		i++;
		to--;
	}
	for (int end; i < to; i = end + 1) {
		end = item_end(t, i, to);
		i += sql_is(t, i, "alter") || sql_is(t, i, "modify");
		if (!alter_column(a, i, end))
			return false;
	}
	return true;
}

/* --- the rest --- */

/* RENAME TO [d.s.]t: DuckDB wants the last part alone; RENAME COLUMN. */
static bool rename_it(struct alteration *a, int i, int to)
{
	struct writer *w = a->w;
	struct str name;
	int end;

	if (!sql_is(w->t, i, "to")) {
		buf_fmt(&w->out, "%.*s RENAME ", SARG(a->alter));
		if (!write_span(w, i, to))
			return false;
		add(a, write_cut(w));
		return true;
	}
	if (i + 1 >= to || !is_name(&w->t->v[i + 1]))
		return unexpected_token(w->c, w->t, i + 1, to);
	end = name_end(w->t, i + 1, to);
	name = name_at(a, end);
	add(a, arena_fmt(w->c->arena, "%.*s RENAME TO %.*s", SARG(a->alter), SARG(name)));
	return end == to - 1 || unexpected_token(w->c, w->t, end + 1, to);
}

static bool swap_with(struct alteration *a, int i, int to)
{
	struct writer *w = a->w;
	struct str other, here, there;

	if (i + 1 >= to || !is_name(&w->t->v[i + 1]))
		return unexpected_token(w->c, w->t, i + 1, to);
	if (name_end(w->t, i + 1, to) != i + 1 || a->h->name_to != a->h->name_from + 1)
		return unsupported(w->c, &w->t->v[i], S("SWAP WITH of qualified names"));
	here = name_at(a, a->h->name_from);
	other = there = name_at(a, i + 1);
	add(a, arena_fmt(w->c->arena, "%.*s RENAME TO \"SF$SWAP\"", SARG(a->alter)));
	add(a, arena_fmt(w->c->arena, "ALTER TABLE %.*s RENAME TO %.*s", SARG(other), SARG(here)));
	add(a, arena_fmt(w->c->arena, "ALTER TABLE \"SF$SWAP\" RENAME TO %.*s", SARG(there)));
	return true;
}

/* SET COMMENT = 'x'; other properties are of no consequence. */
static bool set_properties(struct alteration *a, int i, int to, bool set)
{
	const struct sql_tokens *t = a->w->t;

	for (int k = i; k < to; k++) {
		if (!sql_is(t, k, "comment"))
			continue;
		if (set && (!is_operator(&t->v[k + 1], S("=")) || t->v[k + 2].kind != SQL_STRING))
			return unexpected_token(a->w->c, t, k + 1, to);
		return comment_on(a, a->view ? "VIEW" : "TABLE", a->name, set ? k + 2 : -1);
	}
	return nothing(a);
}

static bool alter_clause(struct alteration *a, int i, int to)
{
	const struct sql_tokens *t = a->w->t;

	if (i >= to)
		return unexpected_token(a->w->c, t, to, to);
	if (sql_is(t, i, "rename"))
		return rename_it(a, i + 1, to);
	if (sql_is(t, i, "set") || sql_is(t, i, "unset"))
		return set_properties(a, i + 1, to, sql_is(t, i, "set"));
	if (a->view)
		return unexpected_token(a->w->c, t, i, to);
	if (sql_is(t, i, "add") && i + 1 < to)
		return add_columns(a, i + 1, to);
	if (sql_is(t, i, "drop") && i + 1 < to)
		return drop_columns(a, i + 1, to);
	if ((sql_is(t, i, "alter") || sql_is(t, i, "modify")) && i + 1 < to)
		return is_constraint(t, i + 1) ? nothing(a) : alter_columns(a, i + 1, to);
	if (sql_is(t, i, "swap") && sql_is(t, i + 1, "with"))
		return swap_with(a, i + 1, to);
	if (sql_is(t, i, "cluster") || sql_is(t, i, "suspend") || sql_is(t, i, "resume") || sql_is(t, i, "recluster"))
		return nothing(a);
	return unexpected_token(a->w->c, t, i, to);
}

static bool alter(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	struct alteration a = {.w = w, .h = h, .view = str_eq(h->class.object, S("VIEW"))};

	if (h->name_from == h->name_to)
		return unexpected_token(w->c, w->t, s.to, s.to);
	if (!write_span(w, h->name_from, h->name_to))
		return false;
	a.name = write_cut(w);
	a.alter = arena_fmt(w->c->arena, "ALTER %s %s%.*s", a.view ? "VIEW" : "TABLE", h->class.if_exists ? "IF EXISTS " : "", SARG(a.name));
	a.steps = ARENA_ARRAY(w->c->arena, struct sql_step, (size_t)(2 * (s.to - s.from) + 3));
	if (!alter_clause(&a, h->name_to, s.to))
		return false;
	if (a.n == 0)
		return unexpected_token(w->c, w->t, s.to, s.to);
	w->sf.steps = a.steps;
	w->sf.nsteps = a.n - 1;
	mark_add(w->c->arena, &w->marks, 0, w->t->v[s.from].at);
	buf_add(&w->out, a.steps[a.n - 1].text);
	return true;
}

/* COMMENT [IF EXISTS] ON object name IS 'x' */
static bool comment(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	if (str_eq(h->class.object, S("SCHEMA")) || str_eq(h->class.object, S("DATABASE")) || str_eq(h->class.object, S("SEQUENCE")) ||
	    str_eq(h->class.object, S("FUNCTION")))
		return unsupported(w->c, &w->t->v[h->word], arena_fmt(w->c->arena, "COMMENT ON %.*s", SARG(h->class.object)));
	if (sql_is(w->t, h->word + 1, "if") && sql_is(w->t, h->word + 2, "exists"))
		edit_replace(&w->plan, h->word + 1, h->word + 3, S(""));
	return write_span(w, s.from, s.to);
}

statement_fn *alter_statement(const struct sql_head *h)
{
	if (h->explain)
		return NULL;
	if (h->class.kind == SQL_COMMENT)
		return comment;
	if (h->class.kind == SQL_ALTER && (str_eq(h->class.object, S("TABLE")) || str_eq(h->class.object, S("VIEW"))))
		return alter;
	return NULL;
}
