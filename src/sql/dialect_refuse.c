/* dialect_refuse.c - statements that cannot work here: refused at once, by the kind of statement. */
#include "sql/dialect_int.h"

/* Objects of CREATE, DROP, ALTER and COMMENT that there are none of; those of two words by the first. */
static const struct {
	struct str word;
	const char *feature;
} objects[] = {
	{S_INIT("STAGE"), NULL},
	{S_INIT("PIPE"), NULL},
	{S_INIT("STREAM"), NULL},
	{S_INIT("TASK"), NULL},
	{S_INIT("WAREHOUSE"), NULL},
	{S_INIT("ROLE"), NULL},
	{S_INIT("USER"), NULL},
	{S_INIT("PROCEDURE"), NULL},
	{S_INIT("SHARE"), NULL},
	{S_INIT("TAG"), NULL},
	{S_INIT("ALERT"), NULL},
	{S_INIT("SECRET"), NULL},
	{S_INIT("INTEGRATION"), NULL},
	{S_INIT("APPLICATION"), NULL},
	{S_INIT("SERVICE"), NULL},
	{S_INIT("MODEL"), NULL},
	{S_INIT("STREAMLIT"), NULL},
	{S_INIT("NOTEBOOK"), NULL},
	{S_INIT("CONNECTION"), NULL},
	{S_INIT("ACCOUNT"), NULL},
	{S_INIT("FILE"), "FILE FORMAT"},
	{S_INIT("RESOURCE"), "RESOURCE MONITOR"},
	{S_INIT("MASKING"), "MASKING POLICY"},
	{S_INIT("ROW"), "ROW ACCESS POLICY"},
	{S_INIT("NETWORK"), "NETWORK POLICY"},
	{S_INIT("PASSWORD"), "PASSWORD POLICY"},
	{S_INIT("AGGREGATION"), "AGGREGATION POLICY"},
	{S_INIT("PROJECTION"), "PROJECTION POLICY"},
	{S_INIT("AUTHENTICATION"), "AUTHENTICATION POLICY"},
	{S_INIT("STORAGE"), "STORAGE INTEGRATION"},
	{S_INIT("NOTIFICATION"), "NOTIFICATION INTEGRATION"},
	{S_INIT("SECURITY"), "SECURITY INTEGRATION"},
	{S_INIT("API"), "API INTEGRATION"},
	{S_INIT("CATALOG"), "CATALOG INTEGRATION"},
	{S_INIT("COMPUTE"), "COMPUTE POOL"},
	{S_INIT("IMAGE"), "IMAGE REPOSITORY"},
	{S_INIT("GIT"), "GIT REPOSITORY"},
	{S_INIT("FAILOVER"), "FAILOVER GROUP"},
	{S_INIT("REPLICATION"), "REPLICATION GROUP"},
	{S_INIT("EVENT"), "EVENT TABLE"},
	{S_INIT("SEMANTIC"), "SEMANTIC VIEW"},
};

/* Kinds that run nowhere here. */
static const struct {
	enum sql_kind kind;
	const char *feature;
} kinds[] = {
	{SQL_COPY, "COPY INTO"}, {SQL_GRANT, "GRANT"}, {SQL_REVOKE, "REVOKE"}, {SQL_EXECUTE, "EXECUTE"},
};

/* First words of statements of which there is no kind. */
static const struct {
	struct str word;
	const char *feature;
} starts[] = {
	{S_INIT("undrop"), "UNDROP"},	   {S_INIT("list"), "LIST"},	       {S_INIT("ls"), "LIST"},
	{S_INIT("remove"), "REMOVE"},	   {S_INIT("rm"), "REMOVE"},	       {S_INIT("declare"), "SNOWFLAKE SCRIPTING"},
	{S_INIT("let"), "SNOWFLAKE SCRIPTING"},
};

static const char *feature_of_object(const struct sql_class *k)
{
	for (size_t i = 0; i < COUNT_OF(objects); i++)
		if (str_eq(k->object, objects[i].word))
			return objects[i].feature ? objects[i].feature : objects[i].word.p;
	return NULL;
}

/* Words among those before the object, which class.object leaves out. */
static const char *feature_of_flags(const struct sql_tokens *t, const struct sql_head *h)
{
	static const char *const flags[][2] = {{"external", "EXTERNAL TABLE"}, {"dynamic", "DYNAMIC TABLE"}, {"iceberg", "ICEBERG TABLE"},
					       {"materialized", "MATERIALIZED VIEW"}};

	for (int i = h->word + 1; i < h->word + 4; i++)
		for (size_t k = 0; k < COUNT_OF(flags); k++)
			if (sql_is(t, i, flags[k][0]) && (sql_is(t, i + 1, "table") || sql_is(t, i + 1, "function") || sql_is(t, i + 1, "view")))
				return flags[k][1];
	return NULL;
}

/* CREATE FUNCTION f(a type) RETURNS type AS …; one of DuckDB's has neither types nor RETURNS. */
static bool is_function(const struct sql_tokens *t, const struct sql_head *h)
{
	int i = h->name_to;

	return h->class.kind == SQL_CREATE && str_eq(h->class.object, S("FUNCTION")) && h->name_to > h->name_from &&
	       is_punct(&t->v[i], '(') && sql_is(t, t->v[i].match + 1, "returns");
}

static const char *feature_of(const struct sql_tokens *t, const struct sql_head *h)
{
	enum sql_kind kind = h->class.kind;
	const char *feature = NULL;

	if (kind >= SQL_CREATE && kind <= SQL_COMMENT) {
		feature = is_function(t, h) ? "FUNCTION" : feature_of_object(&h->class);
		return feature ? feature : feature_of_flags(t, h);
	}
	if (kind == SQL_EXECUTE && sql_is(t, h->word + 1, "immediate"))
		return "EXECUTE IMMEDIATE";
	if (kind == SQL_EXECUTE && sql_is(t, h->word + 1, "task"))
		return "TASK";
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].feature;
	for (size_t i = 0; kind == SQL_UNKNOWN && i < COUNT_OF(starts); i++)
		if (t->v[h->word].kind == SQL_WORD && word_is(t->v[h->word].text, starts[i].word))
			return starts[i].feature;
	return NULL;
}

bool refuse_unsupported(struct call *c, const struct sql_tokens *t, const struct sql_head *h)
{
	const char *feature = h->explain && sql_is(t, h->explained - 2, "using") ? "EXPLAIN USING" : feature_of(t, h);

	return !feature || unsupported(c, &t->v[h->word], str_of(feature));
}
