/* dialect_create.c - CREATE TABLE, VIEW and SEQUENCE without what DuckDB lacks.
 *
 * Keys are not enforced there, so they go, but for the NOT NULL of a primary
 * one and a CHECK that is always true, from which the catalog's listings know
 * them (helper_metadata.def); comments and identities become statements of their own; what only says
 * how data is stored goes without a trace. CREATE itself may so become a step.
 */
#include "sql/dialect_int.h"

struct extra {                /* of a column: a comment, or an identity */
	int name;             /* its token */
	struct str comment;
	struct str start, increment;
	bool identity;
};
struct creation {
	struct writer *w;
	const struct sql_head *h;
	struct extra *extras;
	int nextras;
	struct str comment;   /* of the whole */
	struct str keys;      /* checks that stand for them, each behind a comma */
	struct str name;      /* as it is written */
	struct sql_step *steps;
	int n;
};

static struct str literal_text(struct call *c, struct str value)
{
	OWNS(buf) b = {0};

	sql_quote_literal(&b, value);
	return arena_dup(c->arena, buf_str(&b));
}

static void drop(struct plan *p, int from, int to)
{
	if (from < to)
		edit_replace(p, from, to, S(""));
}

static int next_item(const struct sql_tokens *t, int i, int to)
{
	while (i < to && !is_punct(&t->v[i], ','))
		i = t->v[i].match > i ? t->v[i].match + 1 : i + 1;
	return i;
}

/* --- attributes of columns --- */

/* Behind REFERENCES t [(a)] [MATCH x] [ON UPDATE|DELETE x [y]]. */
static int behind_references(const struct sql_tokens *t, int i, int to)
{
	i = name_end(t, i + 1, to) + 1;
	if (i < to && is_punct(&t->v[i], '('))
		i = t->v[i].match + 1;
	if (sql_is(t, i, "match"))
		i += 2;
	while (sql_is(t, i, "on") && (sql_is(t, i + 1, "delete") || sql_is(t, i + 1, "update")))
		i += 3 + (sql_is(t, i + 2, "set") || sql_is(t, i + 2, "no"));
	return i < to ? i : to;
}

/* Behind AUTOINCREMENT|IDENTITY [(start, step)] [START n] [INCREMENT n] [ORDER|NOORDER]. */
static int behind_identity(const struct sql_tokens *t, int i, int to, struct extra *e)
{
	e->identity = true;
	e->start = e->increment = S("1");
	if (++i < to && is_punct(&t->v[i], '(')) {
		if (t->v[i].match == i + 4) {
			e->start = t->v[i + 1].text;
			e->increment = t->v[i + 3].text;
		}
		i = t->v[i].match + 1;
	}
	while (sql_is(t, i, "start") || sql_is(t, i, "increment")) {
		struct str *value = sql_is(t, i, "start") ? &e->start : &e->increment;

		i++;
		if (sql_is(t, i, "with") || sql_is(t, i, "by") || is_operator(&t->v[i], S("=")))
			i++;
		*value = t->v[i++].text;
	}
	if (sql_is(t, i, "order") || sql_is(t, i, "noorder"))
		i++;
	return i < to ? i : to;
}

static struct extra *extra_of(struct creation *d, int name)
{
	struct extra *e = &d->extras[d->nextras++];

	*e = (struct extra){.name = name};
	return e;
}

/* Behind [WITH] TAG (…) or [WITH] MASKING|PROJECTION|ROW ACCESS POLICY p [USING|ON (…)]; i: it is neither. */
static int behind_policy(const struct sql_tokens *t, int i, int to)
{
	int at = i + sql_is(t, i, "with");

	if (sql_is(t, at, "tag") && is_punct(&t->v[at + 1], '('))
		return t->v[at + 1].match + 1;
	at += sql_is(t, at, "row") && sql_is(t, at + 1, "access") ? 2 : sql_is(t, at, "masking") || sql_is(t, at, "projection") ? 1 : 0;
	if (!sql_is(t, at, "policy") || at + 1 >= to)
		return i;
	at = name_end(t, at + 1, to) + 1;
	if ((sql_is(t, at, "using") || sql_is(t, at, "on")) && is_punct(&t->v[at + 1], '('))
		at = t->v[at + 1].match + 1;
	return at;
}

/* A key over the names in [from, to), called `name`. */
static void add_key(struct creation *d, const char *kind, struct str name, struct sql_span names)
{
	struct arena *a = d->w->c->arena;
	OWNS(buf) b = {0};

	buf_add(&b, d->keys);
	buf_lit(&b, ", CHECK (");
	sql_quote_literal(&b, arena_fmt(a, "SF %s %.*s", kind, SARG(name)));
	buf_lit(&b, " <> ''");
	for (int i = names.from; i < names.to; i++) {
		if (!is_name(&d->w->t->v[i]))
			continue;
		buf_lit(&b, " OR ");
		sql_quote_name(&b, sql_name_of(a, SQL_SNOWFLAKE, &d->w->t->v[i]));
		buf_lit(&b, " IS NULL");
	}
	buf_lit(&b, ")");
	d->keys = arena_dup(a, buf_str(&b));
}

static const char *const nothings[] = {"unique", "enforced", "deferrable", "rely",    "norely", "validate",
				       "novalidate", "enable", "disable",  "virtual", NULL};

/* The attribute of column `name` at i: what it is replaced by, and the token behind it; i: none of ours. */
static int attribute_at(struct creation *d, int name, int i, int to, struct str *instead)
{
	const struct sql_tokens *t = d->w->t;

	*instead = S("");
	if (sql_is(t, i, "unique"))
		add_key(d, "UNIQUE", S(""), (struct sql_span){name, name + 1});
	if (sql_is(t, i, "primary") && sql_is(t, i + 1, "key")) {
		add_key(d, "PRIMARY KEY", S(""), (struct sql_span){name, name + 1});
		*instead = S("NOT NULL");
		return i + 2;
	}
	if (sql_is(t, i, "constraint") || sql_is(t, i, "initially"))
		return i + 2;
	if (sql_is(t, i, "foreign") && sql_is(t, i + 1, "key"))
		return i + 2;
	if (sql_is(t, i, "not") && (sql_is(t, i + 1, "enforced") || sql_is(t, i + 1, "deferrable")))
		return i + 2;
	if (sql_is(t, i, "references"))
		return behind_references(t, i, to);
	if (sql_is(t, i, "autoincrement") || sql_is(t, i, "identity"))
		return behind_identity(t, i, to, extra_of(d, name));
	if (sql_is(t, i, "comment") && t->v[i + 1].kind == SQL_STRING) {
		extra_of(d, name)->comment = string_value(d->w->c->arena, SQL_SNOWFLAKE, t->v[i + 1].text);
		return i + 2;
	}
	if (word_in(&t->v[i], nothings))
		return i + 1;
	return behind_policy(t, i, to);
}

static bool dress_column(struct creation *d, int i, int to)
{
	const struct sql_tokens *t = d->w->t;
	int name = i;
	struct str instead;

	for (i++; i < to;) {
		int behind = attribute_at(d, name, i, to, &instead);

		if (sql_is(t, i, "collate") && t->v[i + 1].kind == SQL_STRING)
			return unsupported(d->w->c, &t->v[i], S("COLLATE"));
		if (behind > to)
			return unexpected_token(d->w->c, t, to, to);
		if (behind > i) {
			edit_replace(&d->w->plan, i, behind, instead);
			i = behind;
		} else {
			i = t->v[i].match > i ? t->v[i].match + 1 : i + 1;
		}
	}
	return true;
}

/* Columns of PRIMARY KEY (…) are never NULL. */
static void key_columns(struct creation *d, int open, int key)
{
	const struct sql_tokens *t = d->w->t;
	int close = t->v[open].match, end;

	for (int i = open + 1; i < close; i = end + 1) {
		end = next_item(t, i, close);
		for (int k = key + 1; k < t->v[key].match; k += 2)
			if (is_name(&t->v[k]) && is_name(&t->v[i]) &&
			    str_eq(sql_name_of(d->w->c->arena, SQL_SNOWFLAKE, &t->v[k]), sql_name_of(d->w->c->arena, SQL_SNOWFLAKE, &t->v[i])))
				edit_before(&d->w->plan, end, S(" NOT NULL"));
	}
}

static bool is_constraint(const struct sql_tokens *t, int i)
{
	static const char *const words[] = {"constraint", "primary", "foreign", NULL};

	return (word_in(&t->v[i], words) && !(sql_is(t, i, "primary") && !sql_is(t, i + 1, "key"))) ||
	       (sql_is(t, i, "unique") && is_punct(&t->v[i + 1], '('));
}

/* [CONSTRAINT k] PRIMARY KEY (…) or UNIQUE (…) in [i, end). */
static void note_key(struct creation *d, int i, int end)
{
	const struct sql_tokens *t = d->w->t;
	struct str name = sql_is(t, i, "constraint") ? sql_name_of(d->w->c->arena, SQL_SNOWFLAKE, &t->v[i + 1]) : S("");

	i += sql_is(t, i, "constraint") ? 2 : 0;
	if (sql_is(t, i, "primary") && i + 2 < end && is_punct(&t->v[i + 2], '('))
		add_key(d, "PRIMARY KEY", name, (struct sql_span){i + 3, t->v[i + 2].match});
	if (sql_is(t, i, "unique") && i + 1 < end && is_punct(&t->v[i + 1], '('))
		add_key(d, "UNIQUE", name, (struct sql_span){i + 2, t->v[i + 1].match});
}

static bool dress_columns(struct creation *d, int open)
{
	const struct sql_tokens *t = d->w->t;
	int close = t->v[open].match, kept = 0, keys = 0, end, key;

	for (int i = open + 1; i < close; i = end + 1) {
		end = next_item(t, i, close);
		if (!is_constraint(t, i)) {
			kept++;
			if (i < end && !dress_column(d, i, end))
				return false;
			continue;
		}
		note_key(d, i, end);
		for (key = i; key < end && !sql_is(t, key, "primary"); key++)
			;
		if (key + 2 < end && is_punct(&t->v[key + 2], '(') && keys++ == 0)
			key_columns(d, open, key + 2);
		if (kept)
			drop(&d->w->plan, i - 1, end);
		else
			drop(&d->w->plan, i, end < close ? end + 1 : end);
	}
	return true;
}

/* --- what stands before and behind --- */

/* Words before the object that DuckDB has not; returns the object's token. */
static int dress_flags(struct writer *w, const struct sql_head *h, const char *object)
{
	static const char *const dropped[] = {"local", "global", "transient", "secure", "hybrid", "recursive", "unlogged", NULL};
	int i = h->word + 1;

	for (; i < h->name_from && !sql_is(w->t, i, object); i++) {
		if (word_in(&w->t->v[i], dropped))
			drop(&w->plan, i, i + 1);
		else if (sql_is(w->t, i, "volatile"))
			edit_replace(&w->plan, i, i + 1, S("TEMPORARY"));
	}
	return i;
}

/* Options from i on, up to AS, LIKE, CLONE or the end: they go, but for the comment. */
static int dress_options(struct creation *d, int i, int to)
{
	const struct sql_tokens *t = d->w->t;
	int from = i;

	while (i < to && !sql_is(t, i, "as")) {
		if (sql_is(t, i, "comment") && is_operator(&t->v[i + 1], S("=")) && t->v[i + 2].kind == SQL_STRING)
			d->comment = string_value(d->w->c->arena, SQL_SNOWFLAKE, t->v[i + 2].text);
		i = t->v[i].match > i ? t->v[i].match + 1 : i + 1;
	}
	drop(&d->w->plan, from, i < to ? i : to);
	return i < to ? i : to;
}

static void add_text(struct creation *d, struct str text)
{
	d->steps[d->n++].text = text;
}

/* The name of the sequence behind an identity, beside its table. */
static struct str sequence_of(struct creation *d, const struct extra *e)
{
	struct writer *w = d->w;
	OWNS(buf) b = {0};

	for (int i = d->h->name_from; i + 1 < d->h->name_to; i += 2) {
		sql_quote_name(&b, sql_name_of(w->c->arena, SQL_SNOWFLAKE, &w->t->v[i]));
		buf_addc(&b, '.');
	}
	sql_quote_name(&b, arena_fmt(w->c->arena, "SF$IDENTITY$%.*s$%.*s", SARG(str_head(d->h->class.leaf, 200)),
				     SARG(str_head(sql_name_of(w->c->arena, SQL_SNOWFLAKE, &w->t->v[e->name]), 200))));
	return arena_dup(w->c->arena, buf_str(&b));
}

static void add_extra(struct creation *d, const struct extra *e)
{
	struct arena *a = d->w->c->arena;
	struct str sequence;
	OWNS(buf) b = {0};

	sql_quote_name(&b, sql_name_of(a, SQL_SNOWFLAKE, &d->w->t->v[e->name]));
	if (!e->identity) {
		struct str comment = literal_text(d->w->c, e->comment);

		add_text(d, arena_fmt(a, "COMMENT ON COLUMN %.*s.%.*s IS %.*s", SARG(d->name), SARG(buf_str(&b)), SARG(comment)));
		return;
	}
	sequence = sequence_of(d, e);
	add_text(d, arena_fmt(a, "CREATE %s %.*s START WITH %.*s INCREMENT BY %.*s",
			      d->h->class.if_not_exists ? "SEQUENCE IF NOT EXISTS" : "OR REPLACE SEQUENCE", SARG(sequence), SARG(e->start),
			      SARG(e->increment)));
	sequence = literal_text(d->w->c, sequence);
	add_text(d, arena_fmt(a, "ALTER TABLE %.*s ALTER COLUMN %.*s SET DEFAULT nextval(%.*s)", SARG(d->name), SARG(buf_str(&b)), SARG(sequence)));
}

/* The statement itself is in w->out. */
static bool finish(struct creation *d, const char *object)
{
	struct writer *w = d->w;
	bool identity = false;

	for (int i = 0; i < d->nextras; i++)
		identity |= d->extras[i].identity;
	if (!d->comment.n && !d->nextras)
		return true;
	d->steps = ARENA_ARRAY(w->c->arena, struct sql_step, (size_t)(2 * d->nextras + 3));
	if (identity && d->h->class.or_replace)
		add_text(d, arena_fmt(w->c->arena, "DROP TABLE IF EXISTS %.*s", SARG(d->name)));
	add_text(d, write_cut(w));
	for (int i = 0; i < d->nextras; i++)
		add_extra(d, &d->extras[i]);
	if (d->comment.n) {
		struct str comment = literal_text(w->c, d->comment);

		add_text(d, arena_fmt(w->c->arena, "COMMENT ON %s %.*s IS %.*s", object, SARG(d->name), SARG(comment)));
	}
	w->sf.steps = d->steps;
	w->sf.nsteps = d->n - 1;
	buf_add(&w->out, d->steps[d->n - 1].text);
	return true;
}

static bool begin(struct creation *d, struct writer *w, const struct sql_head *h, struct sql_span s)
{
	*d = (struct creation){.w = w, .h = h, .extras = ARENA_ARRAY(w->c->arena, struct extra, (size_t)(s.to - s.from + 1))};
	if (h->name_to == h->name_from)
		return unexpected_token(w->c, w->t, s.to, s.to);
	if (!write_span(w, h->name_from, h->name_to))
		return false;
	d->name = write_cut(w);
	return true;
}

/* --- CREATE TABLE --- */

/* Does a type stand behind the first column's name? */
static bool has_types(const struct sql_tokens *t, int open)
{
	return open + 2 < t->v[open].match && !is_punct(&t->v[open + 2], ',');
}

/* (a T, …) AS query: the types become casts of the query's columns. */
static bool filled(struct creation *d, int open, int as, int to)
{
	struct writer *w = d->w;
	const struct sql_tokens *t = w->t;
	OWNS(buf) names = {0};
	int end;

	if (!write_span(w, d->h->word, d->h->name_to))
		return false;
	buf_lit(&w->out, " AS SELECT ");
	for (int i = open + 1; i < t->v[open].match; i = end + 1) {
		end = next_item(t, i, t->v[open].match);
		if (i > open + 1) {
			buf_lit(&w->out, ", ");
			buf_lit(&names, ", ");
		}
		buf_lit(&w->out, "CAST(");
		sql_quote_name(&names, sql_name_of(w->c->arena, SQL_SNOWFLAKE, &t->v[i]));
		sql_quote_name(&w->out, sql_name_of(w->c->arena, SQL_SNOWFLAKE, &t->v[i]));
		buf_lit(&w->out, " AS ");
		if (i + 1 >= end || write_type(t, i + 1, end, &w->out) == i + 1)
			buf_add(&w->out, t->v[i + 1].text);
		buf_lit(&w->out, ") AS ");
		sql_quote_name(&w->out, sql_name_of(w->c->arena, SQL_SNOWFLAKE, &t->v[i]));
	}
	buf_lit(&w->out, " FROM (");
	if (!write_span(w, as + 1, to))
		return false;
	buf_fmt(&w->out, ") AS q(%.*s)", SARG(buf_str(&names)));
	return finish(d, "TABLE");
}

/* LIKE s: its columns; CLONE s: its rows too. */
static bool copied(struct creation *d, int i, int to)
{
	struct writer *w = d->w;
	bool clone = sql_is(w->t, i, "clone");
	int end;

	if (i + 1 >= to || !is_name(&w->t->v[i + 1]))
		return unexpected_token(w->c, w->t, i + 1, to);
	end = name_end(w->t, i + 1, to) + 1;
	dress_options(d, end, to);
	if (!write_span(w, d->h->word, d->h->name_to))
		return false;
	buf_lit(&w->out, " AS SELECT * FROM ");
	if (!write_span(w, i + 1, end))
		return false;
	if (!clone)
		buf_lit(&w->out, " LIMIT 0");
	return finish(d, "TABLE");
}

static bool create_table(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	const struct sql_tokens *t = w->t;
	struct creation d;
	int i = h->name_to, open = 0, as;

	if (!begin(&d, w, h, s))
		return false;
	dress_flags(w, h, "table");
	if (sql_is(t, i, "like") || sql_is(t, i, "clone"))
		return copied(&d, i, s.to);
	if (sql_is(t, i, "using") && sql_is(t, i + 1, "template"))
		return unsupported(w->c, &t->v[i], S("USING TEMPLATE"));
	if (i < s.to && is_punct(&t->v[i], '(')) {
		open = i;
		i = t->v[i].match + 1;
		if (!dress_columns(&d, open))
			return false;
	}
	as = dress_options(&d, i, s.to);
	if (open && as == s.to && d.keys.n)
		edit_replace(&w->plan, t->v[open].match, t->v[open].match + 1, arena_fmt(w->c->arena, "%.*s)", SARG(d.keys)));
	if (open && as < s.to && has_types(t, open))
		return filled(&d, open, as, s.to);
	return write_span(w, s.from, s.to) && finish(&d, "TABLE");
}

static bool create_view(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	struct creation d;
	int i = h->name_to;

	if (!begin(&d, w, h, s))
		return false;
	dress_flags(w, h, "view");
	if (i < s.to && is_punct(&w->t->v[i], '(')) {
		if (!dress_columns(&d, i))
			return false;
		i = w->t->v[i].match + 1;
	}
	dress_options(&d, i, s.to);
	return write_span(w, s.from, s.to) && finish(&d, "VIEW");
}

/* CREATE SEQUENCE s [WITH] [START [WITH] [=] n] [INCREMENT [BY] [=] n] [ORDER|NOORDER] [COMMENT = 'x'] */
static bool create_sequence(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	const struct sql_tokens *t = w->t;
	struct creation d;
	int i = h->name_to;
	OWNS(buf) tail = {0};

	if (!begin(&d, w, h, s))
		return false;
	while (i < s.to) {
		bool start = sql_is(t, i, "start");

		if (!start && !sql_is(t, i, "increment")) {
			i++;
			continue;
		}
		i++;
		while (sql_is(t, i, "with") || sql_is(t, i, "by") || (i < s.to && is_operator(&t->v[i], S("="))))
			i++;
		buf_add(&tail, start ? S(" START WITH ") : S(" INCREMENT BY "));
		for (; i < s.to && (t->v[i].kind == SQL_NUMBER || is_operator(&t->v[i], S("-"))); i++)
			buf_add(&tail, t->v[i].text);
	}
	if (!write_span(w, h->word, h->name_to))
		return false;
	buf_add(&w->out, buf_str(&tail));
	return true;
}

statement_fn *create_statement(const struct sql_head *h)
{
	static const struct {
		struct str object;
		statement_fn *fn;
	} objects[] = {{S_INIT("TABLE"), create_table}, {S_INIT("VIEW"), create_view}, {S_INIT("SEQUENCE"), create_sequence}};

	if (h->explain || h->class.kind != SQL_CREATE)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(objects); i++)
		if (str_eq(h->class.object, objects[i].object))
			return objects[i].fn;
	return NULL;
}
