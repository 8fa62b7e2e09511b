/* saved.c - what saved SQL adds to a SELECT: {{name}} for a variable, and orders that are columns. */
#include "sql/sql_int.h"

/* --- {{name}} --- */

static bool invalid(struct call *c, size_t at, const char *what)
{
	return fail_at(c, ERR_SQL_INVALID, (int)at + 1, "%s", what);
}

static size_t end_of(const struct sql_token *k)
{
	return k->at + k->text.n;
}

static bool glued(const struct sql_token *a, const struct sql_token *b)
{
	return end_of(a) == b->at;
}

static bool only_blanks(struct str text, size_t from, size_t to)
{
	return str_trim(str_from(text.p + from, to - from)).n == 0;
}

static bool plain_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && s.p[i] != '_' && !(i && ascii_digit(s.p[i])))
			return false;
	return s.n > 0;
}

/* Tokens i to i + 4 are {{name}}. */
static bool is_placeholder(const struct sql_tokens *t, int i)
{
	const struct sql_token *k = &t->v[i];

	return k->match == i + 4 && k[2].kind == SQL_WORD && plain_word(k[2].text) && is_punct(&k[3], '}') && glued(&k[3], &k[4]) &&
	       only_blanks(t->text, end_of(&k[1]), k[2].at) && only_blanks(t->text, end_of(&k[2]), k[3].at);
}

/* Would the character be of the same word as a $name beside it? */
static bool word_part(struct str text, size_t at)
{
	char ch = at < text.n ? text.p[at] : ' ';

	return ascii_alpha(ch) || ascii_digit(ch) || ch == '_' || ch == '$' || (unsigned char)ch >= 0x80;
}

/* MAP {{'a': 1}: 2} has a struct for a key. */
static bool is_map(const struct sql_tokens *t, int i)
{
	return i > 0 && sql_is(t, i - 1, "map");
}

/* Another variable follows at once: $a$b would be one word, or begin a text. */
static bool next_is_glued(const struct sql_tokens *t, int i)
{
	return is_punct(&t->v[i + 1], '{') && glued(&t->v[i], &t->v[i + 1]);
}

static bool check_use(struct call *c, const struct sql_tokens *t, int i)
{
	const struct sql_token *k = &t->v[i];

	if (!is_placeholder(t, i))
		return invalid(c, k->at, "a variable is written {{name}}: letters, digits and _");
	if ((k->at > 0 && word_part(t->text, k->at - 1)) || word_part(t->text, end_of(&k[4])) || next_is_glued(t, i + 4))
		return invalid(c, k->at, "a variable stands for a value, not for a part of a word");
	return true;
}

static bool begins_use(const struct sql_tokens *t, int i)
{
	const struct sql_token *k = &t->v[i];

	return is_punct(k, '{') && is_punct(k + 1, '{') && glued(k, k + 1) && (is_placeholder(t, i) || !is_map(t, i));
}

static bool lex_saved(struct call *c, struct str text, struct sql_tokens *ret)
{
	size_t last = text.n, at = 0;

	if (sql_lex(c, SQL_DUCKDB, text, ret))
		return true;
	if (c->err.kind != ERR_SQL)
		return false;
	c->err.kind = ERR_SQL_INVALID;
	for (; (at += str_search(str_tail(text, at), S("{{"))) < text.n; at++)
		last = at;
	/* A bracket that is open at the end: of the last variable, when that has no end. */
	if (c->err.position == (int)text.n + 1 && last < text.n && str_search(str_tail(text, last), S("}}")) == text.n - last)
		c->err.position = (int)last + 1;
	return false;
}

bool sql_variables(struct call *c, struct str text, struct str *ret, struct sql_variable_use **ret_uses, int *ret_n)
{
	struct sql_variable_use *uses;
	OWNS(buf) out = {0};
	struct sql_tokens t;
	size_t copied = 0;
	int n = 0;

	if (!lex_saved(c, text, &t))
		return false;
	uses = ARENA_ARRAY(c->arena, struct sql_variable_use, (size_t)t.n / 5 + 1);
	for (int i = 0; i < t.n; i++) {
		if (!begins_use(&t, i))
			continue;
		if (!check_use(c, &t, i))
			return false;
		uses[n++] = (struct sql_variable_use){t.v[i + 2].text, t.v[i].at};
		buf_add(&out, str_from(text.p + copied, t.v[i].at - copied));
		buf_addc(&out, '$');
		buf_add(&out, t.v[i + 2].text);
		copied = end_of(&t.v[i + 4]);
		i += 4;
	}
	buf_add(&out, str_tail(text, copied));
	*ret = n ? arena_dup(c->arena, buf_str(&out)) : text;
	*ret_uses = uses;
	*ret_n = n;
	return true;
}

/* --- orders --- */

struct tail { /* what may stand behind a column */
	bool desc, nulls_first;
};

/* [asc|desc] [nulls first|last] from token i on; the index behind it. */
static int read_tail(const struct sql_tokens *t, int i, struct tail *ret)
{
	*ret = (struct tail){0};
	if (sql_is(t, i, "asc") || sql_is(t, i, "desc"))
		ret->desc = sql_is(t, i++, "desc");
	if (sql_is(t, i, "nulls") && (sql_is(t, i + 1, "first") || sql_is(t, i + 1, "last"))) {
		ret->nulls_first = sql_is(t, i + 1, "first");
		i += 2;
	}
	return i;
}

/* The column of that name, exactly; else the only one but for case. -1: none, or more than one. */
static int find_column(struct str name, const struct str *columns, int n)
{
	int found = -1, same = 0;

	for (int i = 0; i < n; i++)
		if (str_eq(columns[i], name))
			return i;
	for (int i = 0; i < n; i++) {
		if (!str_ieq(columns[i], name))
			continue;
		found = i;
		same++;
	}
	return same == 1 ? found : -1;
}

static bool has_column(struct str name, const struct str *columns, int n, struct sql_order *o)
{
	int i = find_column(name, columns, n);

	if (i < 0)
		return false;
	o->column = columns[i];
	return true;
}

/* Cuts the word off the text's end, and the blanks before it; false when it does not stand there. */
static bool cut_word(struct str *text, struct str word)
{
	struct str head;

	if (text->n <= word.n || !str_ieq(str_tail(*text, text->n - word.n), word))
		return false;
	head = str_head(*text, text->n - word.n);
	if (str_trim(head).n == 0 || (str_trim(head).n == head.n && !str_ends(head, S("\""))))
		return false;
	*text = str_trim(head);
	return true;
}

static struct str cut_tail(struct str text, struct tail *ret)
{
	struct str rest = text;

	*ret = (struct tail){0};
	if (cut_word(&rest, S("first")) || cut_word(&rest, S("last"))) {
		bool first = str_ieq(str_head(str_tail(text, text.n - 5), 5), S("first"));

		if (cut_word(&rest, S("nulls"))) {
			ret->nulls_first = first;
			text = rest;
		}
	}
	rest = text;
	if (cut_word(&rest, S("desc")) || cut_word(&rest, S("asc"))) {
		ret->desc = str_ieq(str_tail(text, text.n - 4), S("desc"));
		text = rest;
	}
	return text;
}

/* A name as it is, or "quoted". */
static struct str unquoted(struct call *c, struct str name)
{
	struct sql_tokens t;

	if (name.n < 2 || name.p[0] != '"')
		return name;
	if (!sql_lex(c, SQL_DUCKDB, name, &t)) {
		call_forgive(c);
		return name;
	}
	return t.n == 1 && t.v[0].kind == SQL_QUOTED ? sql_name_of(c->arena, SQL_DUCKDB, &t.v[0]) : name;
}

bool sql_order_item(struct call *c, struct str item, const struct str *columns, int ncolumns, struct sql_order *ret)
{
	struct sql_order o = {0};
	struct tail tail;
	struct str name;

	for (int i = 0; i < ncolumns; i++) {
		if (!str_eq(columns[i], item))
			continue;
		*ret = (struct sql_order){.column = columns[i]};
		return true;
	}
	name = cut_tail(str_trim(item), &tail);
	if (has_column(unquoted(c, name), columns, ncolumns, &o)) {
		o.desc = tail.desc;
		o.nulls_first = tail.nulls_first;
	} else if (!has_column(str_trim(item), columns, ncolumns, &o)) {
		return fail(c, ERR_INVALID_FIELD, "order_by: `%.*s` is no column of the result, alone or with asc or desc and nulls first or last",
			    SARG(str_head(item, 200)));
	}
	*ret = o;
	return true;
}

/* The first token behind the last ORDER BY outside of brackets; -1: there is none. */
static int last_order_by(const struct sql_tokens *t)
{
	for (int i = t->n - 2; i >= 0; i--)
		if (t->v[i].depth == 0 && t->v[i].match < 0 && sql_is(t, i, "order") && sql_is(t, i + 1, "by") &&
		    !(i > 0 && (is_punct(&t->v[i - 1], '.') || sql_is(t, i - 1, "as"))))
			return i + 2;
	return -1;
}

/* Words that are values, and ALL. */
static bool is_value(const struct sql_token *k)
{
	static const char *const words[] = {"all", "null", "true", "false", "default", "current_date", "current_time",
					    "current_timestamp", "localtime", "localtimestamp", "current_user", "session_user", "user",
					    "current_role", "current_catalog", "current_schema", NULL};

	return k->kind == SQL_WORD && word_in(k, words);
}

static bool ends_items(const struct sql_tokens *t, int i)
{
	static const char *const words[] = {"limit", "offset", "fetch", NULL};

	return t->v[i].kind == SQL_END || is_punct(&t->v[i], ';') || word_in(&t->v[i], words);
}

static struct str item_of(struct call *c, const struct sql_token *k, const struct tail *tail)
{
	OWNS(buf) b = {0};
	struct str name = sql_name_of(c->arena, SQL_DUCKDB, k);

	if (plain_word(name))
		buf_add(&b, name);
	else
		sql_quote_name(&b, name);
	if (tail->desc)
		buf_lit(&b, " desc");
	if (tail->nulls_first)
		buf_lit(&b, " nulls first");
	return arena_dup(c->arena, buf_str(&b));
}

bool sql_order_of(struct call *c, struct str text, struct str **ret, int *ret_n)
{
	struct sql_tokens t;
	struct str *items;
	int at, n = 0;

	if (!lex_saved(c, text, &t))
		return false;
	items = ARENA_ARRAY(c->arena, struct str, (size_t)t.n + 1);
	at = last_order_by(&t);
	while (at >= 0 && is_name(&t.v[at]) && !is_value(&t.v[at])) {
		struct tail tail;
		int next = read_tail(&t, at + 1, &tail);
		bool more = is_punct(&t.v[next], ',');

		if (!more && !ends_items(&t, next))
			break;
		items[n++] = item_of(c, &t.v[at], &tail);
		if (!more)
			break;
		at = next + 1;
	}
	*ret = items;
	*ret_n = n;
	return true;
}
