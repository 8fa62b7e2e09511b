/* classify.c - statements split, and told apart by their first words. */
#include "sql/sql_int.h"

bool sql_split(struct call *c, const struct sql_tokens *t, struct sql_span **ret, int *ret_n)
{
	int n = 1, from = 0, found = 0;
	struct sql_span *v;

	for (int i = 0; i < t->n; i++)
		n += is_punct(&t->v[i], ';');
	v = ARENA_ARRAY(c->arena, struct sql_span, (size_t)n);
	for (int i = 0; i <= t->n; i++) {
		if (i < t->n && !is_punct(&t->v[i], ';'))
			continue;
		if (i > from)
			v[found++] = (struct sql_span){from, i};
		from = i + 1;
	}
	*ret = v;
	*ret_n = found;
	return true;
}

/* What every kind is called and does. */
static const struct {
	const char *name;
	bool writes, session_state;
} kinds[SQL_KIND_COUNT] = {
	[SQL_SELECT] = {"SELECT", false, false},
	[SQL_SHOW] = {"SHOW", false, false},
	[SQL_EXPLAIN] = {"EXPLAIN", false, false},
	[SQL_INSERT] = {"INSERT", true, false},
	[SQL_UPDATE] = {"UPDATE", true, false},
	[SQL_DELETE] = {"DELETE", true, false},
	[SQL_MERGE] = {"MERGE", true, false},
	[SQL_TRUNCATE] = {"TRUNCATE", true, false},
	[SQL_CREATE] = {"CREATE", true, false},
	[SQL_DROP] = {"DROP", true, false},
	[SQL_ALTER] = {"ALTER", true, false},
	[SQL_COMMENT] = {"COMMENT", true, false},
	[SQL_BEGIN] = {"BEGIN", false, true},
	[SQL_COMMIT] = {"COMMIT", false, true},
	[SQL_ROLLBACK] = {"ROLLBACK", false, true},
	[SQL_USE] = {"USE", false, true},
	[SQL_SET] = {"SET", false, true},
	[SQL_RESET] = {"RESET", false, true},
	[SQL_CALL] = {"CALL", true, true},
	[SQL_COPY] = {"COPY", true, false},
	[SQL_PUT] = {"PUT", true, false},
	[SQL_GET] = {"GET", false, false},
	[SQL_ATTACH] = {"ATTACH", true, true},
	[SQL_DETACH] = {"DETACH", true, true},
	[SQL_EXPORT] = {"EXPORT", false, false},
	[SQL_IMPORT] = {"IMPORT", true, false},
	[SQL_INSTALL] = {"INSTALL", true, true},
	[SQL_LOAD] = {"LOAD", true, true},
	[SQL_CHECKPOINT] = {"CHECKPOINT", true, false},
	[SQL_PRAGMA] = {"PRAGMA", true, true},
	[SQL_VACUUM] = {"VACUUM", true, false},
	[SQL_ANALYZE] = {"ANALYZE", true, false},
	[SQL_PREPARE] = {"PREPARE", false, true},
	[SQL_EXECUTE] = {"EXECUTE", true, true},
	[SQL_DEALLOCATE] = {"DEALLOCATE", false, true},
	[SQL_GRANT] = {"GRANT", true, false},
	[SQL_REVOKE] = {"REVOKE", true, false},
	[SQL_UNKNOWN] = {"UNKNOWN", true, true},
};

const char *sql_kind_name(enum sql_kind k)
{
	INVARIANT(k < SQL_KIND_COUNT);
	return kinds[k].name;
}

/* First words that are not the name of their kind. */
static const struct {
	struct str word;
	enum sql_kind kind;
} spellings[] = {
	{S_INIT("from"), SQL_SELECT},	     {S_INIT("values"), SQL_SELECT},	  {S_INIT("table"), SQL_SELECT},
	{S_INIT("pivot"), SQL_SELECT},	     {S_INIT("pivot_wider"), SQL_SELECT}, {S_INIT("pivot_longer"), SQL_SELECT},
	{S_INIT("unpivot"), SQL_SELECT},     {S_INIT("describe"), SQL_SHOW},	  {S_INIT("desc"), SQL_SHOW},
	{S_INIT("summarize"), SQL_SHOW},     {S_INIT("start"), SQL_BEGIN},	  {S_INIT("end"), SQL_COMMIT},
	{S_INIT("abort"), SQL_ROLLBACK},     {S_INIT("unset"), SQL_RESET},	  {S_INIT("analyse"), SQL_ANALYZE},
};

static enum sql_kind kind_of_word(const struct sql_token *t)
{
	if (t->kind != SQL_WORD)
		return SQL_UNKNOWN;
	for (int k = 0; k < SQL_UNKNOWN; k++)
		if (word_is(t->text, str_of(kinds[k].name)))
			return (enum sql_kind)k;
	for (size_t i = 0; i < COUNT_OF(spellings); i++)
		if (word_is(t->text, spellings[i].word))
			return spellings[i].kind;
	return SQL_UNKNOWN;
}

static int behind_with(const struct sql_tokens *t, int i, int to)
{
	for (i++; i < to; i++) {
		bool body = is_punct(&t->v[i], '(') && (sql_is(t, i - 1, "as") || sql_is(t, i - 1, "materialized"));

		if (t->v[i].match > i)
			i = t->v[i].match;
		if (body && !(i + 1 < to && is_punct(&t->v[i + 1], ',')))
			return i + 1;
	}
	return to;
}

/* A statement in brackets can only be a query; WITH gives way to what it precedes. */
static enum sql_kind kind_at(const struct sql_tokens *t, int i, int to, int *ret_word)
{
	bool bracket = false;
	enum sql_kind kind;

	for (; i < to && (is_punct(&t->v[i], '(') || sql_is(t, i, "with")); bracket |= is_punct(&t->v[i], '('), i++)
		if (sql_is(t, i, "with"))
			i = behind_with(t, i, to) - 1;
	*ret_word = i;
	kind = i < to ? kind_of_word(&t->v[i]) : SQL_UNKNOWN;
	return bracket && kind != SQL_SELECT && kind != SQL_SHOW ? SQL_UNKNOWN : kind;
}

/* First token behind EXPLAIN and its options. */
static int behind_explain(const struct sql_tokens *t, int i, int to, bool *ret_runs)
{
	static const char *const options[] = {"analyze", "analyse", "verbose", "using", "tabular", "json", "text", "query", "plan", "for", NULL};
	static const char *const in_brackets[] = {"analyze", "analyse", "verbose", "format", NULL};
	int end;

	*ret_runs = false;
	for (i++; i < to; i++) {
		end = i;
		if (is_punct(&t->v[i], '(') && i + 1 < to && word_in(&t->v[i + 1], in_brackets))
			end = t->v[i].match;
		else if (!word_in(&t->v[i], options))
			break;
		for (int j = i; j <= end; j++)
			*ret_runs |= sql_is(t, j, "analyze") || sql_is(t, j, "analyse");
		i = end;
	}
	return i;
}

static void flags(const struct sql_tokens *t, int *i, int to, struct sql_class *k)
{
	static const char *const passed[] = {"local",	"global", "transient", "persistent", "secure", "recursive",
					     "unique",	"external", "dynamic",	"unlogged",   "hybrid", "iceberg",
					     "on",	"materialized", NULL};

	for (; *i < to; ++*i) {
		if (sql_is(t, *i, "or") && sql_is(t, *i + 1, "replace")) {
			k->or_replace = true;
			++*i;
		} else if (sql_is(t, *i, "temp") || sql_is(t, *i, "temporary") || sql_is(t, *i, "volatile")) {
			k->temporary = true;
		} else if (!word_in(&t->v[*i], passed)) {
			return;
		}
	}
}

static void exists(const struct sql_tokens *t, int *i, struct sql_class *k)
{
	if (!sql_is(t, *i, "if"))
		return;
	k->if_not_exists = sql_is(t, *i + 1, "not") && sql_is(t, *i + 2, "exists");
	k->if_exists = sql_is(t, *i + 1, "exists");
	*i += k->if_not_exists ? 3 : k->if_exists ? 2 : 0;
}

static struct str upper(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_upper(s.p[i]);
	return str_from(p, s.n);
}

static bool as_query(const struct sql_tokens *t, int from, int to)
{
	static const char *const queries[] = {"select", "with", "from", "values", "table", "pivot", "unpivot", NULL};

	for (int i = from; i + 1 < to; i++) {
		if (t->v[i].match > i)
			i = t->v[i].match;
		else if (sql_is(t, i, "as") && (word_in(&t->v[i + 1], queries) || is_punct(&t->v[i + 1], '(')))
			return true;
	}
	return false;
}

/* CREATE, DROP, ALTER, COMMENT: what object, and its name. */
static void object_of(struct call *c, const struct sql_tokens *t, int i, int to, struct sql_head *h)
{
	struct sql_class *k = &h->class;
	int end;

	i++;
	flags(t, &i, to, k);
	exists(t, &i, k);
	flags(t, &i, to, k); /* COMMENT IF EXISTS ON TABLE */
	if (i >= to || t->v[i].kind != SQL_WORD)
		return;
	k->object = upper(c->arena, t->v[i].text);
	i++;
	if (str_eq(k->object, S("SESSION")))
		return;
	if (!k->if_exists)
		exists(t, &i, k);
	if (i >= to || !is_name(&t->v[i]) || sql_is(t, i, "on"))
		return;
	end = name_end(t, i, to);
	h->name_from = i;
	h->name_to = end + 1;
	k->name = str_from(t->v[i].text.p, t->v[end].at + t->v[end].text.n - t->v[i].at);
	k->leaf = sql_name_of(c->arena, t->dialect, &t->v[end]);
	if (k->kind == SQL_CREATE && (str_eq(k->object, S("TABLE")) || str_eq(k->object, S("VIEW"))))
		k->as_select = as_query(t, end + 1, to);
}

/* Functions that change what the next statement of a connection sees. */
static bool touches_session(struct call *c, const struct sql_tokens *t, int from, int to)
{
	static const struct str names[] = {S_INIT("setseed"), S_INIT("currval"), S_INIT("nextval")};

	for (int i = from; i + 1 < to; i++) {
		if (!is_name(&t->v[i]) || !is_punct(&t->v[i + 1], '('))
			continue;
		for (size_t j = 0; j < COUNT_OF(names); j++)
			if (word_is(sql_name_of(c->arena, t->dialect, &t->v[i]), names[j]))
				return true;
	}
	return false;
}

void head_of(struct call *c, const struct sql_tokens *t, struct sql_span s, struct sql_head *ret)
{
	bool runs = true, session;
	int i = s.from;

	*ret = (struct sql_head){.explain = sql_is(t, i, "explain")};
	if (ret->explain)
		i = behind_explain(t, i, s.to, &runs);
	ret->explained = i;
	ret->class.kind = kind_at(t, i, s.to, &ret->word);
	if (ret->class.kind >= SQL_CREATE && ret->class.kind <= SQL_COMMENT)
		object_of(c, t, i, s.to, ret);
	if (ret->class.kind == SQL_TRUNCATE) {
		i = ret->word + 1 + sql_is(t, ret->word + 1, "table");
		exists(t, &i, &ret->class);
	}
	session = ret->class.kind == SQL_ALTER && str_eq(ret->class.object, S("SESSION"));
	ret->class.writes = runs && kinds[ret->class.kind].writes && !session;
	ret->class.session_state =
		session || kinds[ret->class.kind].session_state || ret->class.temporary || touches_session(c, t, i, s.to);
}

bool unknown_statement(struct call *c, const struct sql_tokens *t, const struct sql_head *h, int to)
{
	return syntax_error(c, t->text, t->v[h->word].at, h->word < to ? t->v[h->word].text : S("<EOF>"));
}

void sql_classify(struct call *c, const struct sql_tokens *t, struct sql_span s, struct sql_class *ret)
{
	struct sql_head h;

	head_of(c, t, s, &h);
	*ret = h.class;
	if (h.explain)
		ret->kind = SQL_EXPLAIN;
}
