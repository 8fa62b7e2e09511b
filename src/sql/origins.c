/* origins.c - where the columns of a SELECT come from, as far as its text tells.
 *
 * Reads the text that runs, in DuckDB's dialect. Says nothing rather than
 * something wrong: a source that is no plain table has no name, and what may
 * come from it is of no kind. Binds nothing.
 */
#include "sql/sql_int.h"

struct reading {
	struct call *c;
	const struct sql_tokens *t;
	int to;
	struct str *ctes;
	int nctes;
	struct sql_item *items;
	struct sql_source *sources;
	int nitems, nsources;
	bool merged;   /* columns of a join by USING or NATURAL come once */
	bool derived;  /* one of the sources is no table */
};

static struct str part(const struct reading *r, int i)
{
	return sql_name_of(r->c->arena, r->t->dialect, &r->t->v[i]);
}

static int behind(const struct sql_tokens *t, int i)
{
	return t->v[i].match > i ? t->v[i].match + 1 : i + 1;
}

/* --- WITH --- */
static int read_ctes(struct reading *r, int i)
{
	const struct sql_tokens *t = r->t;

	r->ctes = ARENA_ARRAY(r->c->arena, struct str, (size_t)(r->to - i));
	for (i += sql_is(t, i + 1, "recursive") ? 2 : 1; i < r->to && is_name(&t->v[i]); i++) {
		r->ctes[r->nctes++] = part(r, i);
		while (i < r->to && !(sql_is(t, i, "as") || sql_is(t, i, "materialized")))
			i = behind(t, i);
		while (i < r->to && !is_punct(&t->v[i], '('))
			i++;
		i = i < r->to ? behind(t, i) : i;
		if (i >= r->to || !is_punct(&t->v[i], ','))
			break;
	}
	return i;
}

static bool is_cte(const struct reading *r, struct str name)
{
	for (int i = 0; i < r->nctes; i++)
		if (str_ieq(r->ctes[i], name))
			return true;
	return false;
}

/* --- FROM --- */
static bool ends_from(const struct sql_tokens *t, int i)
{
	static const char *const words[] = {"where",  "having", "qualify", "window", "limit", "offset", "fetch", "union", "except",
					    "intersect", "group", "order",   "using", NULL};

	return t->v[i].kind == SQL_END || is_punct(&t->v[i], ';') || word_in(&t->v[i], words);
}

static bool begins_join(const struct sql_tokens *t, int i)
{
	static const char *const words[] = {"join",  "inner", "left", "right",	    "full", "cross", "natural",
					    "outer", "asof",  "semi", "positional", "anti", NULL};

	return is_punct(&t->v[i], ',') || word_in(&t->v[i], words);
}

/* left(a, 1) and its like in a condition are functions. */
static bool is_join(const struct sql_tokens *t, int i)
{
	return begins_join(t, i) && (is_punct(&t->v[i], ',') || sql_is(t, i, "join") || !is_punct(&t->v[i + 1], '('));
}

static int read_alias(struct reading *r, int i, struct sql_source *s)
{
	static const char *const no_alias[] = {"on", "tablesample", "sample", "pivot", "unpivot", "at", NULL};
	const struct sql_tokens *t = r->t;
	bool as = sql_is(t, i, "as");

	i += as;
	if (i < r->to && is_name(&t->v[i]) && (as || (!ends_from(t, i) && !begins_join(t, i) && !word_in(&t->v[i], no_alias)))) {
		s->alias = part(r, i++);
		if (i < r->to && is_punct(&t->v[i], '(')) {
			memset(s->parts, 0, sizeof(s->parts));
			i = behind(t, i);
		}
	}
	return i;
}

static int read_table(struct reading *r, int i, struct sql_source *s)
{
	int end = name_end(r->t, i, r->to), n = (end - i) / 2 + 1;

	if (n > 3 || is_punct(&r->t->v[end + 1], '('))
		return end + 1;
	for (int k = 0; k < n; k++)
		s->parts[3 - n + k] = part(r, i + 2 * k);
	s->alias = s->parts[2];
	if (n == 1 && is_cte(r, s->parts[2]))
		s->parts[2] = (struct str){0};
	return end + 1;
}

static int read_source(struct reading *r, int i)
{
	struct sql_source *s = &r->sources[r->nsources++];

	if (sql_is(r->t, i, "lateral"))
		i++;
	if (i < r->to && is_name(&r->t->v[i]))
		i = read_table(r, i, s);
	if (i < r->to && is_punct(&r->t->v[i], '('))
		i = behind(r->t, i);
	i = read_alias(r, i, s);
	r->derived |= s->parts[2].p == NULL;
	return i;
}

static void may_lack(struct reading *r, int from, int to)
{
	for (int i = from; i < to; i++)
		r->sources[i].nullable = true;
}

/* The words of a join, and the source behind them. */
static int read_join(struct reading *r, int i)
{
	const struct sql_tokens *t = r->t;
	bool left = false, right = false;
	int n = r->nsources;

	for (; i < r->to && begins_join(t, i); i++) {
		left |= sql_is(t, i, "left") || sql_is(t, i, "full");
		right |= sql_is(t, i, "right") || sql_is(t, i, "full");
		r->merged |= sql_is(t, i, "natural") || sql_is(t, i, "semi") || sql_is(t, i, "anti");
	}
	i = read_source(r, i);
	if (right)
		may_lack(r, 0, n);
	if (left)
		may_lack(r, n, r->nsources);
	return i;
}

/* Up to what ends FROM; false for what changes the columns of a source. */
static bool read_from(struct reading *r, int i)
{
	const struct sql_tokens *t = r->t;

	i = read_source(r, i);
	while (i < r->to) {
		if (sql_is(t, i, "pivot") || sql_is(t, i, "unpivot"))
			return false;
		if (sql_is(t, i, "using") && is_punct(&t->v[i + 1], '(')) {
			r->merged = true;
			i = behind(t, i + 1);
		} else if (is_join(t, i)) {
			i = read_join(r, i);
		} else if (ends_from(t, i)) {
			break;
		} else {
			i = behind(t, i);
		}
	}
	for (; i < r->to; i = behind(t, i))
		if (sql_is(t, i, "rollup") || sql_is(t, i, "cube") || sql_is(t, i, "grouping"))
			may_lack(r, 0, r->nsources);
	return true;
}

/* --- the select list --- */
static void number_item(struct sql_item *item, struct str text)
{
	size_t dot = str_find(text, '.');
	int whole = 0, zeros = 0;

	for (size_t i = 0; i < text.n; i++)
		if (!ascii_digit(text.p[i]) && i != dot)
			return;
	while (zeros + 1 < (int)dot && text.p[zeros] == '0')
		zeros++;
	whole = (int)dot - zeros;
	item->scale = dot < text.n ? (int)(text.n - dot) - 1 : 0;
	item->precision = whole + item->scale;
	if (item->precision > 0 && item->precision <= 38)
		item->kind = item->scale ? SQL_ITEM_DECIMAL : SQL_ITEM_INTEGER;
}

static int64_t characters(struct str s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

/* Which source the qualifier of tokens [from, end) means; -2 = none. */
static int source_of(const struct reading *r, int from, int end)
{
	int n = (end - from) / 2, found = -2;

	for (int i = 0; i < r->nsources; i++) {
		const struct sql_source *s = &r->sources[i];
		bool same = n == 1 ? str_ieq(s->alias, part(r, from)) : str_ieq(s->parts[2], part(r, end - 3)) && s->parts[2].p;

		for (int k = 2; same && k <= n; k++)
			same = str_ieq(s->parts[3 - k], part(r, end - 1 - 2 * k)) || !s->parts[3 - k].p;
		if (same)
			found = found == -2 ? i : -3;
	}
	return found < 0 ? -2 : found;
}

static bool is_value_word(const struct sql_token *k)
{
	static const char *const words[] = {"null", "true", "false", "current_date", "current_time", "current_timestamp", "localtime",
					    "localtimestamp", "user", "session_user", "current_user", "default", NULL};

	return word_in(k, words);
}

/* Columns and t.*: where the source is a table. */
static void column_item(const struct reading *r, int from, int end, struct sql_item *item)
{
	bool star = is_operator(&r->t->v[end - 1], S("*"));

	item->source = end - from == 1 ? -1 : source_of(r, from, end);
	if (item->source == -1 && r->derived && !star)
		return;
	if (item->source == -2 || (item->source >= 0 && !r->sources[item->source].parts[2].p && !star))
		return;
	if (end - from == 1 && r->nsources == 1 && !star)
		item->source = 0;
	item->kind = star ? SQL_ITEM_STAR : SQL_ITEM_COLUMN;
	if (!star)
		item->name = part(r, end - 1);
}

static bool is_count(const struct sql_tokens *t, int from, int end)
{
	int last = t->v[from + 1].match + 1;

	if (!sql_is(t, from, "count") || !is_punct(&t->v[from + 1], '('))
		return false;
	if (sql_is(t, last, "filter") || sql_is(t, last, "over"))
		last = is_punct(&t->v[last + 1], '(') ? t->v[last + 1].match + 1 : last + 2;
	return last == end;
}

/* Texts as long as their kind, or as a cast cuts them off (types.c). 0: neither. */
static int64_t size_of_call(const struct sql_tokens *t, int from, int end)
{
	static const struct {
		struct str name;
		int length;
	} fixed[] = {{S_INIT("md5"), 32}, {S_INIT("md5_hex"), 32}, {S_INIT("sha1"), 40}, {S_INIT("sha1_hex"), 40}, {S_INIT("uuid_string"), 36}};
	int64_t n;

	if (!is_name(&t->v[from]) || !is_punct(&t->v[from + 1], '(') || t->v[from + 1].match != end - 1)
		return 0;
	if (sql_is(t, from, "sf_cut") && is_punct(&t->v[end - 3], ',') && str_to_i64(t->v[end - 2].text, &n))
		return n;
	for (size_t i = 0; i < COUNT_OF(fixed); i++)
		if (word_is(t->v[from].text, fixed[i].name))
			return fixed[i].length;
	return 0;
}

/* Is it a dotted name, maybe ending in a star? */
static bool is_column(const struct sql_tokens *t, int from, int end)
{
	for (int i = from; i < end; i++)
		if ((i - from) % 2 ? !is_punct(&t->v[i], '.') : !is_name(&t->v[i]) && !(i == end - 1 && is_operator(&t->v[i], S("*"))))
			return false;
	return (end - from) % 2 == 1 && !(end - from == 1 && is_value_word(&t->v[from]));
}

static void read_item(struct reading *r, int from, int end)
{
	const struct sql_token *k = &r->t->v[from];
	struct sql_item *item = &r->items[r->nitems++];
	int64_t number;

	if (end - from == 2 && is_operator(k, S("-")) && k[1].kind == SQL_NUMBER)
		number_item(item, k[1].text);
	else if (is_count(r->t, from, end))
		item->kind = SQL_ITEM_COUNT;
	else if (is_column(r->t, from, end))
		column_item(r, from, end, item);
	else if (end - from > 1 && (item->length = size_of_call(r->t, from, end)) > 0)
		item->kind = SQL_ITEM_SIZED;
	else if (end - from != 1)
		return;
	else if (sql_is(r->t, from, "null"))
		item->kind = SQL_ITEM_NULL;
	else if (k->kind == SQL_NUMBER)
		number_item(item, k->text);
	else if (k->kind == SQL_STRING && k->text.p[0] == '\'') {
		item->kind = SQL_ITEM_TEXT;
		item->length = characters(string_value(r->c->arena, r->t->dialect, k->text));
	} else if (k->kind == SQL_PLACEHOLDER && str_to_i64(str_tail(k->text, 1), &number) && number > 0 && number < INT32_MAX) {
		item->kind = SQL_ITEM_PLACEHOLDER;
		item->placeholder = (int)number;
	}
}

/* A star that stands for columns that nobody can count makes the rest useless. */
static bool stars_are_plain(struct reading *r)
{
	for (int i = 0; i < r->nitems; i++) {
		const struct sql_item *item = &r->items[i];

		if (item->kind == SQL_ITEM_STAR && (r->merged || (item->source == -1 ? r->derived : !r->sources[item->source].parts[2].p)))
			return false;
	}
	return true;
}

static bool reads_star(const struct sql_tokens *t, int from, int end)
{
	for (int i = from; i < end; i = behind(t, i)) {
		bool operand = i == from || is_punct(&t->v[i - 1], '.');

		if ((is_operator(&t->v[i], S("*")) && operand && end > i + 1) || sql_is(t, i, "columns"))
			return true;
	}
	return false;
}

static bool read_list(struct reading *r, int i, int to)
{
	for (int end; i < to; i = end + 1) {
		int last;

		for (end = i; end < to && !is_punct(&r->t->v[end], ',');)
			end = behind(r->t, end);
		last = end - i > 2 && sql_is(r->t, end - 2, "as") ? end - 2 : end;
		if (last == i || reads_star(r->t, i, last))
			return false;
		read_item(r, i, last);
	}
	return true;
}

/* The end of the list, FROM or what stands there; false for set operations. */
static bool find_parts(const struct reading *r, int i, int *ret_list_end, int *ret_from)
{
	const struct sql_tokens *t = r->t;

	*ret_from = *ret_list_end = 0;
	for (; i < r->to; i = behind(t, i)) {
		if (sql_is(t, i, "union") || sql_is(t, i, "except") || sql_is(t, i, "intersect") || is_punct(&t->v[i], ';'))
			return false;
		if (!*ret_list_end && sql_is(t, i, "from") && !sql_is(t, i - 1, "distinct"))
			*ret_from = *ret_list_end = i;
		else if (!*ret_list_end && ends_from(t, i) && !sql_is(t, i, "using"))
			*ret_list_end = i;
	}
	if (!*ret_list_end)
		*ret_list_end = r->to;
	return true;
}

bool sql_origins(struct call *c, const struct sql_tokens *t, struct sql_span s, struct sql_origins *ret)
{
	struct reading r = {.c = c, .t = t, .to = s.to};
	int i = s.from, end, from;

	if (sql_is(t, i, "with"))
		i = read_ctes(&r, i);
	if (!sql_is(t, i, "select"))
		return false;
	i++;
	if (sql_is(t, i, "distinct") || sql_is(t, i, "all"))
		i++;
	if (sql_is(t, i, "on") || !find_parts(&r, i, &end, &from) || i >= end)
		return false;
	r.items = ARENA_ARRAY(c->arena, struct sql_item, (size_t)(end - i) + 1);
	r.sources = ARENA_ARRAY(c->arena, struct sql_source, (size_t)(s.to - end) + 1);
	if ((from && !read_from(&r, from + 1)) || !read_list(&r, i, end) || !stars_are_plain(&r))
		return false;
	*ret = (struct sql_origins){r.items, r.nitems, r.sources, r.nsources};
	return true;
}
