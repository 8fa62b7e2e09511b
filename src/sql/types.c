/* types.c - Snowflake's type names as DuckDB's: where they stand and what they become.
 *
 * NUMBER is DECIMAL(38,0); INT and its family are BIGINT, which is what fits 64
 * bits faster. A length of texts or bytes is a CHECK of the column that CREATE
 * TABLE makes; a cast cuts a text off. Digits of a second are types of our own
 * (engine/functions/types.c): a cast to one goes through DuckDB's type.
 *
 * What DuckDB reads or writes otherwise - times, truths, bytes, texts of them -
 * is cast by a macro around the operand first (helper_syntax.def).
 */
#include "sql/dialect_int.h"

enum params { DROP, KEEP, CHARACTERS, BYTES, DIGITS };
enum { LENGTH_MAX = 16777216, BYTES_MAX = 8388608, DIGITS_ALL = 9 };

static const struct type {
	struct str name;
	const char *duckdb;
	enum params params;
	const char *without; /* parameters to write when there are none */
	const char *digits;  /* of DIGITS: our own type, before the number; its text: DuckDB's keeps all */
	const char *cast;    /* the macro SF_[TRY_]CAST_… */
	int mentions;        /* how often that has its operand */
} types[] = {
	{S_INIT("number"), "DECIMAL", KEEP, "(38,0)", NULL, NULL, 0},
	{S_INIT("numeric"), "DECIMAL", KEEP, "(38,0)", NULL, NULL, 0},
	{S_INIT("decimal"), "DECIMAL", KEEP, "(38,0)", NULL, NULL, 0},
	{S_INIT("dec"), "DECIMAL", KEEP, "(38,0)", NULL, NULL, 0},
	{S_INIT("int"), "BIGINT", DROP, "", NULL, NULL, 0},
	{S_INIT("integer"), "BIGINT", DROP, "", NULL, NULL, 0},
	{S_INIT("bigint"), "BIGINT", DROP, "", NULL, NULL, 0},
	{S_INIT("smallint"), "BIGINT", DROP, "", NULL, NULL, 0},
	{S_INIT("tinyint"), "BIGINT", DROP, "", NULL, NULL, 0},
	{S_INIT("byteint"), "BIGINT", DROP, "", NULL, NULL, 0},
	{S_INIT("float"), "DOUBLE", DROP, "", NULL, NULL, 0},
	{S_INIT("float4"), "DOUBLE", DROP, "", NULL, NULL, 0},
	{S_INIT("float8"), "DOUBLE", DROP, "", NULL, NULL, 0},
	{S_INIT("real"), "DOUBLE", DROP, "", NULL, NULL, 0},
	{S_INIT("double"), "DOUBLE", DROP, "", NULL, NULL, 0},
	{S_INIT("decfloat"), "DOUBLE", DROP, "", NULL, NULL, 0},
	{S_INIT("string"), "VARCHAR", CHARACTERS, "", NULL, "TEXT", 2},
	{S_INIT("text"), "VARCHAR", CHARACTERS, "", NULL, "TEXT", 2},
	{S_INIT("varchar"), "VARCHAR", CHARACTERS, "", NULL, "TEXT", 2},
	{S_INIT("nvarchar"), "VARCHAR", CHARACTERS, "", NULL, "TEXT", 2},
	{S_INIT("nvarchar2"), "VARCHAR", CHARACTERS, "", NULL, "TEXT", 2},
	{S_INIT("char"), "VARCHAR", CHARACTERS, "1", NULL, "TEXT", 2},
	{S_INIT("character"), "VARCHAR", CHARACTERS, "1", NULL, "TEXT", 2},
	{S_INIT("nchar"), "VARCHAR", CHARACTERS, "1", NULL, "TEXT", 2},
	{S_INIT("binary"), "BLOB", BYTES, "", NULL, NULL, 0},
	{S_INIT("varbinary"), "BLOB", BYTES, "", NULL, NULL, 0},
	{S_INIT("time"), "TIME", DIGITS, "", "TIME_", "TIME", 1},
	{S_INIT("datetime"), "TIMESTAMP", DIGITS, "", "TIMESTAMP_NTZ_", "NTZ", 1},
	{S_INIT("timestamp"), "TIMESTAMP", DIGITS, "", "TIMESTAMP_NTZ_", "NTZ", 1},
	{S_INIT("timestamp_ntz"), "TIMESTAMP", DIGITS, "", "TIMESTAMP_NTZ_", "NTZ", 1},
	{S_INIT("timestampntz"), "TIMESTAMP", DIGITS, "", "TIMESTAMP_NTZ_", "NTZ", 1},
	{S_INIT("timestamp_ltz"), "TIMESTAMPTZ", DIGITS, "", "TIMESTAMP_LTZ_", "LTZ", 2},
	{S_INIT("timestampltz"), "TIMESTAMPTZ", DIGITS, "", "TIMESTAMP_LTZ_", "LTZ", 2},
	{S_INIT("timestamp_tz"), "TIMESTAMP_TZ", DIGITS, "", "TIMESTAMP_TZ_", "TZ", 1},
	{S_INIT("timestamptz"), "TIMESTAMP_TZ", DIGITS, "", "TIMESTAMP_TZ_", "TZ", 1},
	{S_INIT("date"), "DATE", DROP, "", NULL, "DATE", 1},
	{S_INIT("boolean"), "BOOLEAN", DROP, "", NULL, "BOOLEAN", 1},
	{S_INIT("variant"), "SF_VARIANT", DROP, "", NULL, NULL, 0},
	{S_INIT("object"), "SF_OBJECT", DROP, "", NULL, NULL, 0},
	{S_INIT("array"), "SF_ARRAY", DROP, "", NULL, NULL, 0},
	{S_INIT("map"), "SF_OBJECT", DROP, "", NULL, NULL, 0},
};

static int find_type(const struct sql_token *k)
{
	for (size_t i = 0; k->kind == SQL_WORD && i < COUNT_OF(types); i++)
		if (word_is(k->text, types[i].name))
			return (int)i;
	return -1;
}

/* Behind WITH [LOCAL] TIME ZONE or WITHOUT TIME ZONE at `i`, or `i`. ret_type: what it makes of a type of time, else NULL. */
static int behind_zone(const struct sql_tokens *t, int i, const char **ret_type)
{
	bool with = sql_is(t, i, "with"), local = with && sql_is(t, i + 1, "local");
	int at = i + 1 + local;

	if ((!with && !sql_is(t, i, "without")) || !sql_is(t, at, "time") || !sql_is(t, at + 1, "zone"))
		return i;
	*ret_type = local ? "timestamp_ltz" : with ? "timestamp_tz" : "timestamp_ntz";
	return at + 2;
}

struct written { /* a type that stands in the text */
	const struct type *type;
	int params; /* its bracket; 0 = none */
	int behind;
	int n;      /* length or digits; -1 = as many as there are */
};

static const struct type *type_named(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (str_eq(types[i].name, str_of(name)))
			return &types[i];
	return NULL;
}

static int length_of(const struct sql_tokens *t, const struct written *w)
{
	static const int most[] = {[CHARACTERS] = LENGTH_MAX - 1, [BYTES] = BYTES_MAX - 1, [DIGITS] = DIGITS_ALL - 1};
	struct str text = w->params ? t->v[w->params + 1].text : str_of(w->type->without);
	uint64_t n;

	if (w->type->params < CHARACTERS || !str_to_u64(text, &n) || n > (uint64_t)most[w->type->params])
		return -1;
	return (int)n;
}

/* The type at token `i`; false: there is none of ours. */
static bool read_type(const struct sql_tokens *t, int i, int to, struct written *ret)
{
	int type = find_type(&t->v[i]), at = i + 1;
	const char *zoned = NULL;

	if (type < 0 || (at < to && is_punct(&t->v[at], '.')))
		return false;
	*ret = (struct written){.type = &types[type]};
	if (sql_is(t, at, "precision") || sql_is(t, at, "varying"))
		at++;
	if (at < to && is_punct(&t->v[at], '(')) {
		ret->params = at;
		at = t->v[at].match + 1;
	}
	ret->behind = at;
	if (ret->type->params == DIGITS && !str_ieq(ret->type->name, S("time")))
		ret->behind = behind_zone(t, at, &zoned);
	if (zoned)
		ret->type = type_named(zoned);
	ret->n = length_of(t, ret);
	return true;
}

int write_type(const struct sql_tokens *t, int i, int to, struct buf *out)
{
	struct written w;

	if (!read_type(t, i, to, &w))
		return i;
	if (w.type->params == DIGITS && w.n >= 0) {
		buf_add(out, str_of(w.type->digits));
		buf_i64(out, w.n);
		return w.behind;
	}
	buf_add(out, str_of(w.type->duckdb));
	if (w.type->params != KEEP)
		return w.behind;
	if (!w.params)
		buf_add(out, str_of(w.type->without));
	for (int k = w.params; w.params && k <= t->v[w.params].match; k++)
		buf_add(out, t->v[k].text);
	return w.behind;
}

static void plan_type(struct plan *p, int i)
{
	if (i < p->to)
		p->todo[i - p->from] |= PLAN_TYPE;
}

/* The type of CAST(… AS type): behind the last AS inside the bracket; 0 = there is none. */
static int cast_type(const struct sql_tokens *t, int open)
{
	for (int i = t->v[open].match - 1; i > open; i--) {
		if (t->v[i].match >= 0 && t->v[i].match < i)
			i = t->v[i].match;
		else if (sql_is(t, i, "as"))
			return i + 1;
	}
	return 0;
}

/* A column of CREATE TABLE: what is too long for it fails when it is put there. */
static void plan_length(struct plan *p, int name, int type)
{
	struct str column = sql_name_of(p->c->arena, SQL_SNOWFLAKE, &p->t->v[name]);
	OWNS(buf) b = {0};
	OWNS(buf) quoted = {0};
	struct written w;
	bool bytes;

	if (type >= p->to || !read_type(p->t, type, p->to, &w) || w.n < 0 || w.type->params == DIGITS)
		return;
	bytes = w.type->params == BYTES;
	sql_quote_name(&quoted, column);
	buf_fmt(&b, " CHECK (CASE WHEN %s(%.*s) > %d THEN error(format('%s ''{}'' is too long and would be truncated', %s%.*s%s)) "
		"ELSE true END)", bytes ? "octet_length" : "length", SARG(buf_str(&quoted)), w.n, bytes ? "Binary value" : "String",
		bytes ? "hex(" : "", SARG(buf_str(&quoted)), bytes ? ")" : "");
	edit_behind(p, type, arena_dup(p->c->arena, buf_str(&b)));
}

static const char *const constraints[] = {"constraint", "primary", "unique", "foreign", "check", NULL};

/* The column list in the bracket `open` of CREATE TABLE. With AS SELECT behind it there are no constraints. */
static void plan_columns(struct plan *p, int open)
{
	const struct sql_tokens *t = p->t;
	bool first = true, filled = sql_is(t, t->v[open].match + 1, "as");

	for (int i = open + 1; i < t->v[open].match; i++) {
		if (first && is_name(&t->v[i]) && !word_in(&t->v[i], constraints)) {
			plan_type(p, i + 1);
			if (!filled)
				plan_length(p, i, i + 1);
		}
		first = is_punct(&t->v[i], ',');
		if (t->v[i].match > i)
			i = t->v[i].match;
	}
}

/* ADD [COLUMN] [IF NOT EXISTS] c type, ALTER [COLUMN] c [SET DATA] TYPE type. */
static void plan_alter(struct plan *p, int i)
{
	const struct sql_tokens *t = p->t;

	if (!sql_is(t, i, "add")) {
		for (; i < p->to; i++)
			if (sql_is(t, i, "type"))
				plan_type(p, i + 1);
		return;
	}
	i++;
	if (sql_is(t, i, "column"))
		i++;
	if (sql_is(t, i, "if") && sql_is(t, i + 1, "not") && sql_is(t, i + 2, "exists"))
		i += 3;
	if (i < p->to && is_name(&t->v[i]) && !word_in(&t->v[i], constraints))
		plan_type(p, i + 1);
}

static const char *const casts[] = {"cast", "try_cast", NULL};

static bool is_cast(const struct plan *p, int i)
{
	return i + 1 < p->to && is_punct(&p->t->v[i + 1], '(') && word_in(&p->t->v[i], casts);
}

void plan_types(struct plan *p, const struct sql_head *h)
{
	const struct sql_tokens *t = p->t;
	bool table = str_eq(h->class.object, S("TABLE"));

	if (table && h->class.kind == SQL_CREATE && h->name_to < p->to && is_punct(&t->v[h->name_to], '('))
		plan_columns(p, h->name_to);
	if (table && h->class.kind == SQL_ALTER)
		plan_alter(p, h->name_to);
	for (int i = p->from; i + 1 < p->to; i++) {
		int type = is_operator(&t->v[i], S("::")) ? i + 1 : is_cast(p, i) ? cast_type(t, i + 1) : 0;

		if (type)
			plan_type(p, type);
	}
}

/* --- casts: made last, around all that other rules made of their operands --- */
struct cast {
	int at, from, last, type; /* `::` or CAST; its operand, and the type behind it */
	bool operator, tries;
	struct written w;
};

/* The first token of what the `::` at i casts, which goes on to `last`. */
static int operand_of(struct plan *p, int i, int last)
{
	int start = primary_start(p, i);

	chain(p, start < 0 ? i - 1 : start, last);
	return start < 0 ? i - 1 : start;
}

/* v:a::date:b: the path is around the cast, and was planned before it. */
static bool goes_on(const struct plan *p, const struct cast *k)
{
	const struct sql_token *next = &p->t->v[k->w.behind];

	return k->operator && k->w.behind < p->to && (str_eq(next->text, S(":")) || is_punct(next, '['));
}

/* A column's default is for every session to read: it has no macros of ours. */
static bool is_stored(const struct plan *p, int i)
{
	const struct sql_class *k = &p->head->class;
	int open = p->head->name_to;

	if (!str_eq(k->object, S("TABLE")))
		return false;
	return k->kind == SQL_ALTER || (k->kind == SQL_CREATE && open < p->to && is_punct(&p->t->v[open], '(') && i > open &&
					i < p->t->v[open].match);
}

enum { SPAN_MAX = 200, MENTIONS_MAX = 100 };

/* Macros in macros multiply what they cast: how often is it there? Large ones, and subqueries, are there once. */
static bool may_repeat(struct plan *p, int *mentions, const struct cast *k)
{
	int most = 1;

	if (k->w.type->mentions == 1)
		return true;
	if (k->last - k->from > SPAN_MAX || sql_is(p->t, k->from + 1, "select") || sql_is(p->t, k->from + 1, "with"))
		return false;
	for (int i = k->from; i <= k->last; i++)
		if (mentions[i - p->from] > most)
			most = mentions[i - p->from];
	if (most * k->w.type->mentions > MENTIONS_MAX)
		return false;
	mentions[k->last - p->from] = most * k->w.type->mentions;
	return true;
}

/* What stands behind token i is written behind this one: a type is written whole at its first token. */
static int holder_of(const struct plan *p, int i)
{
	enum { TYPE_TOKENS = 10 }; /* timestamp ( 3 ) without time zone */
	struct written w;

	for (int k = i; k >= p->from && i - k < TYPE_TOKENS; k--)
		if ((p->todo[k - p->from] & PLAN_TYPE) && read_type(p->t, k, p->to, &w) && w.behind == i + 1)
			return k;
	return edit_holder(p, i);
}

/* Text is hexadecimal to Snowflake, where DuckDB takes its bytes. */
static void read_operand(struct plan *p, int *mentions, const struct cast *k)
{
	const char *tries = k->tries ? "TRY_" : "";

	if (k->w.type->params == BYTES)
		edit_before(p, k->from, arena_fmt(p->c->arena, "SF_%sTO_BINARY(", tries));
	else if (k->w.type->cast && !is_stored(p, k->at) && !goes_on(p, k) && may_repeat(p, mentions, k))
		edit_before(p, k->from, arena_fmt(p->c->arena, "SF_%sCAST_%s(", tries, k->w.type->cast));
	else
		return;
	edit_behind(p, holder_of(p, k->last), S(")"));
}

/* The length that the column is told to have is read from it again (origins.c). */
static void cut_off(struct plan *p, const struct cast *k, int last)
{
	edit_before(p, k->operator ? k->from : k->at, S("SF_CUT("));
	edit_behind(p, last, arena_fmt(p->c->arena, ", %d)", k->w.n));
}

static void through(struct plan *p, const struct cast *k, int last)
{
	edit_replace(p, k->type, k->w.behind, str_of(k->w.type->duckdb));
	edit_behind(p, last, arena_fmt(p->c->arena, "::%s%d", k->w.type->digits, k->w.n));
}

/* The cast that is whole at token i: a `::`, or a CAST( whose bracket closes there; inner ones come first. */
static bool cast_at(struct plan *p, int i, struct cast *ret)
{
	const struct sql_tokens *t = p->t;
	bool operator = i > p->from && is_operator(&t->v[i], S("::"));
	int open = t->v[i].match, type = 0;

	if (operator)
		type = i + 1;
	else if (is_punct(&t->v[i], ')') && open > p->from && is_cast(p, open - 1))
		type = cast_type(t, open);
	*ret = (struct cast){.at = operator ? i : open - 1, .operator = operator, .type = type};
	if (!type || type >= p->to || !read_type(t, type, p->to, &ret->w))
		return false;
	ret->tries = !operator && sql_is(t, open - 1, "try_cast");
	ret->from = operator ? operand_of(p, i, ret->w.behind - 1) : open + 1;
	ret->last = operator ? i - 1 : type - 2;
	return ret->from <= ret->last;
}

void plan_casts(struct plan *p)
{
	int *mentions = NULL;
	struct cast k;

	for (int i = p->from; i < p->to; i++) {
		int last;

		if (!cast_at(p, i, &k))
			continue;
		if (!mentions)
			mentions = arena_zalloc(p->c->arena, sizeof(int) * (size_t)(p->to - p->from + 1));
		read_operand(p, mentions, &k);
		last = k.operator ? k.type : i;
		if (k.w.n >= 0 && k.w.type->params == CHARACTERS)
			cut_off(p, &k, last);
		else if (k.w.n >= 0 && k.w.type->params == DIGITS)
			through(p, &k, last);
	}
}
