/* types.c - Snowflake's type names as DuckDB's: where they stand and what they become.
 *
 * NUMBER is DECIMAL(38,0); INT and its family are BIGINT, which is what fits
 * 64 bits faster; lengths of texts and fractions of seconds are dropped.
 */
#include "sql/rewrite_int.h"

enum params { DROP, KEEP };

static const struct {
	struct str name;
	const char *duckdb;
	enum params params;
	const char *without; /* parameters to write when there are none */
} types[] = {
	{S_INIT("number"), "DECIMAL", KEEP, "(38,0)"},
	{S_INIT("numeric"), "DECIMAL", KEEP, "(38,0)"},
	{S_INIT("decimal"), "DECIMAL", KEEP, "(38,0)"},
	{S_INIT("dec"), "DECIMAL", KEEP, "(38,0)"},
	{S_INIT("int"), "BIGINT", DROP, ""},
	{S_INIT("integer"), "BIGINT", DROP, ""},
	{S_INIT("bigint"), "BIGINT", DROP, ""},
	{S_INIT("smallint"), "BIGINT", DROP, ""},
	{S_INIT("tinyint"), "BIGINT", DROP, ""},
	{S_INIT("byteint"), "BIGINT", DROP, ""},
	{S_INIT("float"), "DOUBLE", DROP, ""},
	{S_INIT("float4"), "DOUBLE", DROP, ""},
	{S_INIT("float8"), "DOUBLE", DROP, ""},
	{S_INIT("real"), "DOUBLE", DROP, ""},
	{S_INIT("double"), "DOUBLE", DROP, ""},
	{S_INIT("string"), "VARCHAR", DROP, ""},
	{S_INIT("text"), "VARCHAR", DROP, ""},
	{S_INIT("varchar"), "VARCHAR", DROP, ""},
	{S_INIT("char"), "VARCHAR", DROP, ""},
	{S_INIT("character"), "VARCHAR", DROP, ""},
	{S_INIT("nchar"), "VARCHAR", DROP, ""},
	{S_INIT("nvarchar"), "VARCHAR", DROP, ""},
	{S_INIT("nvarchar2"), "VARCHAR", DROP, ""},
	{S_INIT("binary"), "BLOB", DROP, ""},
	{S_INIT("varbinary"), "BLOB", DROP, ""},
	{S_INIT("time"), "TIME", DROP, ""},
	{S_INIT("datetime"), "TIMESTAMP", DROP, ""},
	{S_INIT("timestamp"), "TIMESTAMP", DROP, ""},
	{S_INIT("timestamp_ntz"), "TIMESTAMP", DROP, ""},
	{S_INIT("timestampntz"), "TIMESTAMP", DROP, ""},
	{S_INIT("timestamp_ltz"), "TIMESTAMPTZ", DROP, ""},
	{S_INIT("timestampltz"), "TIMESTAMPTZ", DROP, ""},
	{S_INIT("timestamp_tz"), "TIMESTAMPTZ", DROP, ""},
	{S_INIT("timestamptz"), "TIMESTAMPTZ", DROP, ""},
	{S_INIT("variant"), "JSON", DROP, ""},
	{S_INIT("object"), "JSON", DROP, ""},
	{S_INIT("array"), "JSON", DROP, ""},
};

static int find_type(const struct sql_token *k)
{
	for (size_t i = 0; k->kind == SQL_WORD && i < COUNT_OF(types); i++)
		if (word_is(k->text, types[i].name))
			return (int)i;
	return -1;
}

/* Behind WITH [LOCAL] TIME ZONE or WITHOUT TIME ZONE at `i`, or `i`. */
static int behind_zone(const struct sql_tokens *t, int i, bool *ret_zoned)
{
	int at = i + 1;

	*ret_zoned = sql_is(t, i, "with");
	if (!*ret_zoned && !sql_is(t, i, "without"))
		return i;
	if (sql_is(t, at, "local"))
		at++;
	if (sql_is(t, at, "time") && sql_is(t, at + 1, "zone"))
		return at + 2;
	*ret_zoned = false;
	return i;
}

static void write_params(const struct sql_tokens *t, int from, int to, struct buf *out)
{
	for (int i = from; i < to; i++)
		buf_add(out, t->v[i].text);
}

int write_type(const struct sql_tokens *t, int i, int to, struct buf *out)
{
	int type = find_type(&t->v[i]), at = i + 1, params = 0;
	bool zoned;

	if (type < 0 || (at < to && is_punct(&t->v[at], '.')))
		return i;
	if (sql_is(t, at, "precision") || sql_is(t, at, "varying"))
		at++;
	if (at < to && is_punct(&t->v[at], '(')) {
		params = at;
		at = t->v[at].match + 1;
	}
	at = behind_zone(t, at, &zoned);
	buf_add(out, str_of(zoned ? "TIMESTAMPTZ" : types[type].duckdb));
	if (!params)
		buf_add(out, str_of(types[type].without));
	else if (types[type].params == KEEP)
		write_params(t, params, t->v[params].match + 1, out);
	return at;
}

static void plan_type(struct plan *p, int i)
{
	if (i < p->to)
		p->todo[i - p->from] |= PLAN_TYPE;
}

/* CAST(… AS type): the last AS inside the bracket. */
static void plan_cast(struct plan *p, int open)
{
	const struct sql_tokens *t = p->t;

	for (int i = t->v[open].match - 1; i > open; i--) {
		if (t->v[i].match >= 0 && t->v[i].match < i)
			i = t->v[i].match;
		else if (sql_is(t, i, "as")) {
			plan_type(p, i + 1);
			return;
		}
	}
}

static const char *const constraints[] = {"constraint", "primary", "unique", "foreign", "check", NULL};

/* The column list in the bracket `open` of CREATE TABLE. */
static void plan_columns(struct plan *p, int open)
{
	const struct sql_tokens *t = p->t;
	bool first = true;

	for (int i = open + 1; i < t->v[open].match; i++) {
		if (first && is_name(&t->v[i]) && !word_in(&t->v[i], constraints))
			plan_type(p, i + 1);
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

void plan_types(struct plan *p, const struct sql_head *h)
{
	static const char *const casts[] = {"cast", "try_cast", NULL};
	const struct sql_tokens *t = p->t;
	bool table = str_eq(h->class.object, S("TABLE"));

	if (table && h->class.kind == SQL_CREATE && h->name_to < p->to && is_punct(&t->v[h->name_to], '('))
		plan_columns(p, h->name_to);
	if (table && h->class.kind == SQL_ALTER)
		plan_alter(p, h->name_to);
	for (int i = p->from; i + 1 < p->to; i++) {
		if (is_operator(&t->v[i], S("::")))
			plan_type(p, i + 1);
		else if (is_punct(&t->v[i + 1], '(') && word_in(&t->v[i], casts))
			plan_cast(p, i + 1);
	}
}
