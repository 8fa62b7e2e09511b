/* script_class.c - what one statement of PostgreSQL is, by its tokens alone.
 *
 * `reads_only` is an allow-list by first words, narrowed by words and names anywhere in the statement; it errs on the side of
 * refusing, which costs the statement an instance of its own. It does not see into views, operators and the users' own functions: the
 * wall there is that such statements run in a READ ONLY transaction that is rolled back, followed by DISCARD ALL.
 * `volatile_names` looks into dollar-quoted bodies as well. A sequence is part of the state, so nextval is none of them.
 */
#include "sql/script_int.h"

#define WATCHES(name) S_INIT(name),
#define VARIES(name)
#define MOMENT(name)
static const struct str watching[] = {
#include "sql/script_class.def"
};
#undef WATCHES
#undef VARIES
#define WATCHES(name)
#define VARIES(name) S_INIT(name),
static const struct str varying[] = {
#include "sql/script_class.def"
};
#undef VARIES
#undef MOMENT
#define VARIES(name)
#define MOMENT(name) S_INIT(name),
static const struct str moments[] = {
#include "sql/script_class.def"
};

enum { BODIES_MAX = 3, NAMES_MAX = (int)(COUNT_OF(varying) + COUNT_OF(moments)) + 1 };

/* The first words of a statement; what is no word is empty. */
enum { HEAD_MAX = 6 };
struct head {
	struct str word[HEAD_MAX];
	int n;
};

static bool word_at(const struct head *h, int i, const char *word)
{
	return i < h->n && word_is(h->word[i], str_of(word));
}

static bool word_among(const struct head *h, int i, const char *const *words)
{
	for (; *words; words++)
		if (word_at(h, i, *words))
			return true;
	return false;
}

static void read_head(struct str sql, struct head *h)
{
	struct script_lexer x = {.text = sql};
	struct script_token t;

	for (h->n = 0; h->n < HEAD_MAX; h->n++) {
		script_next(&x, &t);
		if (t.kind == PG_END || t.kind == PG_UNFINISHED)
			return;
		h->word[h->n] = t.kind == PG_WORD ? token_text(&x, &t) : S("");
	}
}

/* --- names --- */

/* The name a token gives, in whatever case. A quoted one with quotes in it is in no list. */
static struct str name_of(const struct script_lexer *x, const struct script_token *t)
{
	struct str s = token_text(x, t);

	return t->kind == PG_QUOTED ? str_from(s.p + 1, s.n - 2) : s;
}

static bool fits(struct str name, struct str pattern)
{
	if (pattern.p[pattern.n - 1] == '*')
		return str_istarts(name, str_head(pattern, pattern.n - 1));
	return word_is(name, pattern);
}

static bool watches(struct str name)
{
	char first = name.n ? ascii_lower(name.p[0]) : '\0';

	for (size_t i = 0; i < COUNT_OF(watching); i++)
		if (watching[i].p[0] == first && fits(name, watching[i]))
			return true;
	return false;
}

/* --- reads only --- */

/* The words that begin what only reads; and those that may not stand anywhere in it. */
static const char *const readers[] = {"select", "values", "table", "with", NULL};
static const char *const writers[] = {"insert", "update", "delete", "merge", "into", NULL};

static bool is_reader(const struct script_lexer *x, const struct script_token *t)
{
	struct sql_token k = {.kind = SQL_WORD, .text = token_text(x, t)};

	return t->kind == PG_WORD && word_in(&k, readers);
}

/* Skips the options of EXPLAIN; *t becomes the first token of what it explains. */
static void skip_explain(struct script_lexer *x, struct script_token *t)
{
	size_t open = 0;

	script_next(x, t);
	if (token_punct(x, t, '(')) {
		struct script_lexer ahead = *x;
		struct script_token next;

		/* EXPLAIN (SELECT 1) explains, EXPLAIN (ANALYZE) … has options. */
		script_next(&ahead, &next);
		if (token_punct(&ahead, &next, '(') || is_reader(&ahead, &next))
			return;
		do {
			open += token_punct(x, t, '(');
			open -= token_punct(x, t, ')');
			script_next(x, t);
		} while (open > 0 && t->kind != PG_END && t->kind != PG_UNFINISHED);
		return;
	}
	while (token_is(x, t, "analyze") || token_is(x, t, "analyse") || token_is(x, t, "verbose"))
		script_next(x, t);
}

/* Does it begin as what may read only? SHOW is by itself. */
static bool begins_reading(struct str sql)
{
	struct script_lexer x = {.text = sql};
	struct script_token t;

	script_next(&x, &t);
	if (token_is(&x, &t, "show"))
		return true;
	if (token_is(&x, &t, "explain"))
		skip_explain(&x, &t);
	while (token_punct(&x, &t, '('))
		script_next(&x, &t);
	return is_reader(&x, &t);
}

/* FOR UPDATE, FOR SHARE, FOR NO KEY UPDATE, FOR KEY SHARE */
static bool locks_rows(const struct script_lexer *x)
{
	static const char *const strengths[] = {"update", "share", "no", "key", NULL};
	struct script_lexer ahead = *x;
	struct sql_token k = {.kind = SQL_WORD};
	struct script_token t;

	script_next(&ahead, &t);
	k.text = token_text(&ahead, &t);
	return t.kind == PG_WORD && word_in(&k, strengths);
}

static bool may_stand(const struct script_lexer *x, const struct script_token *t)
{
	struct sql_token k = {.kind = SQL_WORD, .text = token_text(x, t)};

	if (t->kind == PG_UNFINISHED || token_punct(x, t, ';'))
		return false;
	if (t->kind == PG_QUOTED)
		return k.text.p[0] == '"' && !watches(name_of(x, t)); /* U&"…" could spell anything */
	if (t->kind != PG_WORD)
		return true;
	if (word_in(&k, writers) || (token_is(x, t, "for") && locks_rows(x)))
		return false;
	return !watches(name_of(x, t));
}

static bool reads_only(struct str sql)
{
	struct script_lexer x = {.text = sql};
	struct script_token t;

	if (!begins_reading(sql))
		return false;
	for (;;) {
		script_next(&x, &t);
		if (t.kind == PG_END)
			return true;
		if (!may_stand(&x, &t))
			return false;
	}
}

/* --- beyond one database --- */

static bool grants_beyond(struct str sql)
{
	static const char *const shared[] = {"database", "tablespace", "parameter", NULL};
	struct script_lexer x = {.text = sql};
	struct script_token t;

	for (;;) {
		script_next(&x, &t);
		if (t.kind == PG_END || t.kind == PG_UNFINISHED)
			return true; /* without ON: a role is granted */
		if (token_is(&x, &t, "on")) {
			struct sql_token k = {.kind = SQL_WORD};

			script_next(&x, &t);
			k.text = token_text(&x, &t);
			return t.kind == PG_WORD && word_in(&k, shared);
		}
	}
}

static bool cluster_wide(struct str sql, const struct head *h)
{
	static const char *const verbs[] = {"create", "alter", "drop", NULL};
	static const char *const objects[] = {"role", "user", "group", "database", "tablespace", "subscription", NULL};
	static const char *const grants[] = {"grant", "revoke", NULL};
	static const char *const ends[] = {"commit", "rollback", NULL};

	if (word_among(h, 0, verbs))
		return (word_among(h, 1, objects) && !(word_at(h, 1, "user") && word_at(h, 2, "mapping"))) ||
		       (word_at(h, 0, "alter") && word_at(h, 1, "system")) || (word_at(h, 0, "drop") && word_at(h, 1, "owned"));
	if (word_among(h, 0, grants))
		return grants_beyond(sql);
	if (word_at(h, 0, "comment"))
		return word_at(h, 1, "on") && word_among(h, 2, objects);
	if (word_at(h, 0, "security") && word_at(h, 1, "label"))
		return word_among(h, 3, objects) || word_among(h, 5, objects);
	if (word_at(h, 0, "reassign"))
		return true;
	return (word_at(h, 0, "prepare") && word_at(h, 1, "transaction")) || (word_among(h, 0, ends) && word_at(h, 1, "prepared"));
}

static bool ends_or_begins(const struct head *h)
{
	static const char *const words[] = {"begin",    "start",   "commit", "end", "rollback", "abort",
					    "savepoint", "release", NULL};

	return word_among(h, 0, words) || (word_at(h, 0, "prepare") && word_at(h, 1, "transaction"));
}

static bool copies_out(struct str sql, const struct head *h)
{
	struct script_lexer x = {.text = sql};
	struct script_token t;
	size_t open = 0;

	if (!word_at(h, 0, "copy"))
		return false;
	for (script_next(&x, &t); t.kind != PG_END && t.kind != PG_UNFINISHED; script_next(&x, &t)) {
		open += token_punct(&x, &t, '(');
		open -= open && token_punct(&x, &t, ')');
		if (open == 0 && token_is(&x, &t, "to")) {
			script_next(&x, &t);
			return token_is(&x, &t, "stdout") || token_is(&x, &t, "stdin");
		}
	}
	return false;
}

/* --- what varies from run to run --- */

struct found {
	struct arena *a;
	struct str *names;
	int n;
};

static void found(struct found *f, struct str name)
{
	for (int i = 0; i < f->n; i++)
		if (str_eq(f->names[i], name))
			return;
	if (!f->names)
		f->names = ARENA_ARRAY(f->a, struct str, NAMES_MAX);
	f->names[f->n++] = name;
}

static const struct str *one_of(struct str name, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (word_is(name, list[i]))
			return &list[i];
	return NULL;
}

/* 'now'::timestamp, date 'today': a text that stands for a time */
static bool is_moment(struct str s)
{
	static const struct str texts[] = {S_INIT("'now'"), S_INIT("'today'"), S_INIT("'tomorrow'"), S_INIT("'yesterday'")};

	return one_of(s, texts, COUNT_OF(texts)) != NULL;
}

static bool is_time_type(const struct script_lexer *x, const struct script_token *t)
{
	static const char *const types[] = {"timestamp", "timestamptz", "date", "time", "timetz", NULL};
	struct sql_token k = {.kind = SQL_WORD, .text = token_text(x, t)};

	return t->kind == PG_WORD && word_in(&k, types);
}

static bool casts_moment(const struct script_lexer *x, const struct script_token *before, const struct script_token *t)
{
	struct script_lexer ahead = *x;
	struct script_token next;

	if (t->kind != PG_STRING || !is_moment(token_text(x, t)))
		return false;
	if (is_time_type(x, before))
		return true;
	script_next(&ahead, &next);
	if (!str_eq(token_text(&ahead, &next), S("::")) && !token_is(&ahead, &next, "as"))
		return false;
	script_next(&ahead, &next);
	return is_time_type(&ahead, &next);
}

static bool calls(const struct script_lexer *x)
{
	struct script_lexer ahead = *x;
	struct script_token next;

	script_next(&ahead, &next);
	return token_punct(&ahead, &next, '(');
}

static void see_name(struct found *f, const struct script_lexer *x, const struct script_token *t)
{
	struct str name = name_of(x, t);
	const struct str *known = NULL;

	if (t->kind == PG_WORD)
		known = one_of(name, moments, COUNT_OF(moments));
	/* Most words are no call, and need no look into the list. */
	if (!known && calls(x))
		known = one_of(name, varying, COUNT_OF(varying));
	if (known)
		found(f, *known);
}

static struct str body_of(struct str s)
{
	size_t tag = 1 + str_find(str_tail(s, 1), '$') + 1;

	return str_from(s.p + tag, s.n - 2 * tag);
}

/* Bodies of functions and of DO are texts: looked into, a few deep. */
static void look_for_varying(struct found *f, struct str sql, int deep)
{
	struct script_lexer x = {.text = sql};
	struct script_token t = {0}, before;

	for (;;) {
		before = t;
		script_next(&x, &t);
		if (t.kind == PG_END || t.kind == PG_UNFINISHED)
			return;
		if (t.kind == PG_WORD || t.kind == PG_QUOTED)
			see_name(f, &x, &t);
		else if (t.kind == PG_DOLLAR && deep < BODIES_MAX)
			look_for_varying(f, body_of(token_text(&x, &t)), deep + 1);
		else if (casts_moment(&x, &before, &t))
			found(f, varying[0]);
	}
}

void script_classify(struct call *c, struct str sql, struct script_class *ret)
{
	struct found f = {.a = c->arena};
	struct head h;

	read_head(sql, &h);
	look_for_varying(&f, sql, 0);
	*ret = (struct script_class){
		.reads_only = reads_only(sql),
		.cluster_wide = cluster_wide(sql, &h),
		.transaction = ends_or_begins(&h),
		.rows_need_copy = copies_out(sql, &h),
		.volatile_names = f.names,
		.nvolatile = f.n,
	};
}
