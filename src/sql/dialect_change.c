/* dialect_change.c - INSERT of one table or many, of array binds, and the other statements that change rows. */
#include "sql/dialect_int.h"

enum { MAX_TARGETS = 1000 }; /* of one INSERT ALL: each writes the source once more */

struct target {          /* INTO name [(columns)] [VALUES (values)] */
	struct sql_span name, columns, values; /* without their brackets */
	bool has_values;
};

static bool unexpected_at(struct writer *w, int i, int to)
{
	return unexpected_token(w->c, w->t, i, to);
}

static bool begins_source(const struct sql_tokens *t, int i)
{
	return sql_is(t, i, "select") || sql_is(t, i, "with") || sql_is(t, i, "from") || is_punct(&t->v[i], '(');
}

/* What stands behind INTO at i; returns the token behind it, 0: that is no name. */
static int target_at(const struct sql_tokens *t, int i, int to, struct target *ret)
{
	int end;

	*ret = (struct target){0};
	if (i >= to || !is_name(&t->v[i]))
		return 0;
	end = name_end(t, i, to) + 1;
	ret->name = (struct sql_span){i, end};
	if (end < to && is_punct(&t->v[end], '(') && !begins_source(t, end + 1)) {
		ret->columns = (struct sql_span){end + 1, t->v[end].match};
		end = t->v[end].match + 1;
	}
	if (sql_is(t, end, "values") && is_punct(&t->v[end + 1], '(')) {
		ret->has_values = true;
		ret->values = (struct sql_span){end + 2, t->v[end + 1].match};
		end = t->v[end + 1].match + 1;
	}
	return end;
}

static bool write_text(struct writer *w, struct sql_span s, struct str *ret)
{
	if (!write_span(w, s.from, s.to))
		return false;
	*ret = write_cut(w);
	return true;
}

/* --- array binds --- */

/* Is there FROM, a set operation or what ends the list of the SELECT at i? */
static bool is_bare_select(const struct sql_tokens *t, int i, int to)
{
	static const char *const words[] = {"from",  "where", "union", "except", "intersect", "minus", "having", "qualify", "limit",
					    "order", "group", "fetch", "values", NULL};

	for (i++; i < to; i = t->v[i].match > i ? t->v[i].match + 1 : i + 1)
		if (word_in(&t->v[i], words))
			return false;
	return true;
}

static bool has_default(const struct sql_tokens *t, struct sql_span s)
{
	for (int i = s.from; i < s.to; i++)
		if (sql_is(t, i, "default"))
			return true;
	return false;
}

/* INSERT INTO t VALUES (?, …) and INSERT INTO t SELECT ?, … read all rows of the binds at once. */
static bool insert_batch(struct writer *w, const struct target *target, int behind, struct sql_span s)
{
	bool values = target->has_values && behind == s.to && !has_default(w->t, target->values);

	if (!values && (target->has_values || !sql_is(w->t, behind, "select") || !is_bare_select(w->t, behind, s.to)))
		return write_span(w, s.from, s.to);
	w->bound = true;
	w->sf.set_based = true;
	if (values) {
		if (!write_span(w, s.from, target->values.from - 2))
			return false;
		buf_lit(&w->out, " SELECT ");
		if (!write_span(w, target->values.from, target->values.to))
			return false;
	} else if (!write_span(w, s.from, s.to)) {
		return false;
	}
	buf_lit(&w->out, " FROM mayfly_binds() AS b");
	return true;
}

/* --- INSERT OVERWRITE --- */
static struct sql_step *steps_for(struct writer *w, int n)
{
	struct sql_step *v = ARENA_ARRAY(w->c->arena, struct sql_step, (size_t)n);

	w->sf.steps = v;
	return v;
}

/* Once for every name. */
static bool add_delete(struct writer *w, const struct target *target, struct sql_step *v)
{
	struct str text;

	buf_lit(&w->out, "DELETE FROM ");
	if (!write_text(w, target->name, &text))
		return false;
	for (int k = 0; k < w->sf.nsteps; k++)
		if (str_eq(v[k].text, text))
			return true;
	v[w->sf.nsteps++] = (struct sql_step){.text = text, .deletes = true};
	return true;
}

static bool insert_one(struct writer *w, int i, struct sql_span s, bool overwrite)
{
	struct target target;
	int behind = target_at(w->t, i + 1, s.to, &target);

	if (!behind)
		return unexpected_at(w, i + 1, s.to);
	if (overwrite && !add_delete(w, &target, steps_for(w, 1)))
		return false;
	if (overwrite)
		edit_replace(&w->plan, i - 1, i, S(""));
	if (w->plan.x->batch)
		return insert_batch(w, &target, behind, s);
	return write_span(w, s.from, s.to);
}

/* --- INSERT ALL and FIRST --- */
struct many {
	struct writer *w;
	bool first, overwrite;
	struct str source;
	struct str condition, others; /* of the current WHEN; NOT of all former ones, " AND …" */
	struct sql_step *steps;
	int n;
};

/* Tokens of the source query: the first SELECT or WITH outside of brackets that ends the list of INTOs. */
static int source_at(const struct sql_tokens *t, int i, int to)
{
	while (i < to && !sql_is(t, i, "select") && !sql_is(t, i, "with") && !(is_punct(&t->v[i], '(') && sql_is(t, i + 1, "select") && t->v[i].match == to - 1))
		i = t->v[i].match > i ? t->v[i].match + 1 : i + 1;
	return i;
}

static bool write_target(struct many *m, const struct target *target)
{
	struct writer *w = m->w;

	buf_lit(&w->out, "INSERT INTO ");
	if (!write_span(w, target->name.from, target->name.to))
		return false;
	if (target->columns.to) {
		buf_lit(&w->out, " (");
		if (!write_span(w, target->columns.from, target->columns.to))
			return false;
		buf_addc(&w->out, ')');
	}
	buf_lit(&w->out, " SELECT ");
	if (!target->has_values)
		buf_addc(&w->out, '*');
	else if (has_default(w->t, target->values))
		return unsupported(w->c, &w->t->v[target->values.from], S("DEFAULT in a multi-table INSERT"));
	else if (!write_span(w, target->values.from, target->values.to))
		return false;
	return true;
}

static bool insert_target(struct many *m, const struct target *target, bool otherwise)
{
	struct writer *w = m->w;
	struct sql_step *step = &m->steps[m->n++];
	struct str others = m->first || otherwise ? m->others : S("");

	if (!write_target(m, target))
		return false;
	buf_fmt(&w->out, " FROM (%.*s) AS q", SARG(m->source));
	if (m->condition.n || others.n)
		buf_fmt(&w->out, " WHERE %.*s%.*s", SARG(m->condition.n ? m->condition : S("TRUE")), SARG(others));
	*step = (struct sql_step){.text = write_cut(w), .table = sql_name_of(w->c->arena, SQL_SNOWFLAKE, &w->t->v[target->name.to - 1]), .inserts = true};
	return true;
}

static bool all_targets(struct many *m, int *i, int to, bool otherwise)
{
	struct target target;
	int behind;

	while (sql_is(m->w->t, *i, "into")) {
		behind = target_at(m->w->t, *i + 1, to, &target);
		if (!behind)
			return unexpected_at(m->w, *i + 1, to);
		if (!insert_target(m, &target, otherwise))
			return false;
		*i = behind;
	}
	return true;
}

static bool condition_at(struct many *m, int *i, int to)
{
	const struct sql_tokens *t = m->w->t;
	int then = *i + 1;
	struct str text;

	for (int open = 0; then < to && !(open == 0 && sql_is(t, then, "then")); then = t->v[then].match > then ? t->v[then].match + 1 : then + 1)
		open += sql_is(t, then, "case") - sql_is(t, then, "end");
	if (then >= to)
		return unexpected_at(m->w, to, to);
	if (!write_text(m->w, (struct sql_span){*i + 1, then}, &text))
		return false;
	m->condition = arena_fmt(m->w->c->arena, "(%.*s)", SARG(text));
	*i = then + 1;
	return true;
}

static bool conditional(struct many *m, int *i, int to)
{
	struct str former = S("");

	while (sql_is(m->w->t, *i, "when")) {
		m->others = former;
		if (!condition_at(m, i, to) || !all_targets(m, i, to, false))
			return false;
		former = arena_fmt(m->w->c->arena, "%.*s AND NOT COALESCE(%.*s, FALSE)", SARG(former), SARG(m->condition));
	}
	m->others = former;
	m->condition = S("");
	if (!sql_is(m->w->t, *i, "else"))
		return true;
	++*i;
	return all_targets(m, i, to, true);
}

static bool delete_targets(struct many *m, int i, int to)
{
	struct target target;

	for (; i < to; i = m->w->t->v[i].match > i ? m->w->t->v[i].match + 1 : i + 1) {
		if (!sql_is(m->w->t, i, "into") || !target_at(m->w->t, i + 1, to, &target))
			continue;
		if (!add_delete(m->w, &target, m->steps))
			return false;
	}
	m->n = m->w->sf.nsteps;
	return true;
}

static bool insert_many(struct writer *w, int i, struct sql_span s, bool overwrite)
{
	struct many m = {.w = w, .first = sql_is(w->t, i, "first"), .overwrite = overwrite};
	int source = source_at(w->t, i, s.to), count = 0;

	if (source >= s.to)
		return unexpected_at(w, s.to, s.to);
	for (int k = i; k < source; k++)
		count += sql_is(w->t, k, "into");
	if (count > MAX_TARGETS)
		return unsupported(w->c, &w->t->v[i], S("INSERT into that many tables"));
	m.steps = steps_for(w, 2 * count + 1);
	if (!write_text(w, (struct sql_span){source, s.to}, &m.source) || (overwrite && !delete_targets(&m, i, source)))
		return false;
	i++;
	if (!(sql_is(w->t, i, "when") ? conditional(&m, &i, source) : all_targets(&m, &i, source, false)))
		return false;
	if (i != source || count == 0)
		return unexpected_at(w, i, s.to);
	w->sf.nsteps = m.n - 1;
	w->sf.last_table = m.steps[m.n - 1].table;
	buf_add(&w->out, m.steps[m.n - 1].text);
	return true;
}

static bool insert(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	bool overwrite = sql_is(w->t, h->word + 1, "overwrite");
	int i = h->word + 1 + overwrite;

	if (sql_is(w->t, i, "all") || sql_is(w->t, i, "first"))
		return insert_many(w, i, s, overwrite);
	if (!sql_is(w->t, i, "into"))
		return unexpected_at(w, i, s.to);
	return insert_one(w, i, s, overwrite);
}

/* --- MERGE, UPDATE, TRUNCATE --- */

/* SET t.a = 1, t.b = 2: DuckDB wants columns alone. */
static void unqualify(struct plan *p, int i)
{
	static const char *const ends[] = {"from", "where", "when", NULL};
	const struct sql_tokens *t = p->t;
	bool first = true;

	for (i++; i < p->to && !word_in(&t->v[i], ends); i = t->v[i].match > i ? t->v[i].match + 1 : i + 1) {
		if (first && is_name(&t->v[i])) {
			int end = name_end(t, i, p->to);

			if (end > i && is_operator(&t->v[end + 1], S("=")))
				edit_replace(p, i, end, S(""));
		}
		first = is_punct(&t->v[i], ',');
	}
}

static bool merge(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	const struct sql_tokens *t = w->t;

	for (int i = h->word; i < s.to; i = t->v[i].match > i ? t->v[i].match + 1 : i + 1) {
		if (sql_is(t, i, "set") && sql_is(t, i - 1, "update"))
			unqualify(&w->plan, i);
		if (!sql_is(t, i, "then"))
			continue;
		w->sf.merges |= sql_is(t, i + 1, "insert") ? SQL_MERGE_INSERTS : 0U;
		w->sf.merges |= sql_is(t, i + 1, "update") ? SQL_MERGE_UPDATES : 0U;
		w->sf.merges |= sql_is(t, i + 1, "delete") ? SQL_MERGE_DELETES : 0U;
	}
	return write_span(w, s.from, s.to);
}

static bool update(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	for (int i = h->word; i < s.to; i = w->t->v[i].match > i ? w->t->v[i].match + 1 : i + 1)
		if (sql_is(w->t, i, "set")) {
			unqualify(&w->plan, i);
			break;
		}
	return write_span(w, s.from, s.to);
}

static bool truncate_table(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	int i = h->word + 1;

	if (sql_is(w->t, i, "table"))
		i++;
	if (sql_is(w->t, i, "if") && sql_is(w->t, i + 1, "exists"))
		i += 2;
	if (i >= s.to || !is_name(&w->t->v[i]) || name_end(w->t, i, s.to) != s.to - 1)
		return unexpected_at(w, i, s.to);
	buf_lit(&w->out, "TRUNCATE ");
	return write_span(w, i, s.to);
}

statement_fn *change_statement(const struct sql_head *h)
{
	if (h->explain)
		return NULL;
	switch (h->class.kind) {
	case SQL_INSERT:
		return insert;
	case SQL_MERGE:
		return merge;
	case SQL_UPDATE:
		return update;
	case SQL_TRUNCATE:
		return truncate_table;
	default:
		return NULL;
	}
}
