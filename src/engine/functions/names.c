/* names.c - names of types: DuckDB's to Snowflake's. Pure, any thread. */
#include "engine/functions/types.h"

static const struct {
	struct str prefix;
	enum sf_alias alias;
	bool digits; /* "_n" may follow */
	const char *snowflake;
} aliases[] = { /* by how the name begins */
	{S_INIT("SF_VARIANT"), SF_ALIAS_VARIANT, false, "VARIANT"},
	{S_INIT("SF_OBJECT"), SF_ALIAS_OBJECT, false, "OBJECT"},
	{S_INIT("SF_ARRAY"), SF_ALIAS_ARRAY, false, "ARRAY"},
	{S_INIT("TIMESTAMP_NTZ"), SF_ALIAS_NTZ, true, "TIMESTAMP_NTZ"},
	{S_INIT("TIMESTAMP_LTZ"), SF_ALIAS_LTZ, true, "TIMESTAMP_LTZ"},
	{S_INIT("TIMESTAMP_TZ"), SF_ALIAS_TZ, true, "TIMESTAMP_TZ"},
	{S_INIT("TIME"), SF_ALIAS_TIME, true, "TIME"},
};

static bool is_alias(size_t i, struct str name, int *ret_digits)
{
	struct str rest = str_tail(name, aliases[i].prefix.n);

	if (!str_starts(name, aliases[i].prefix))
		return false;
	*ret_digits = 9;
	if (rest.n == 0)
		return !aliases[i].digits || aliases[i].alias == SF_ALIAS_TZ; /* the others are DuckDB's own without digits */
	if (!aliases[i].digits || rest.n != 2 || rest.p[0] != '_' || !ascii_digit(rest.p[1]))
		return false;
	*ret_digits = rest.p[1] - '0';
	return true;
}

bool sf_alias(struct str name, enum sf_alias *ret, int *ret_digits)
{
	for (size_t i = 0; i < COUNT_OF(aliases); i++) {
		if (!is_alias(i, name, ret_digits))
			continue;
		*ret = aliases[i].alias;
		return true;
	}
	return false;
}

static const struct {
	struct str duckdb;
	const char *snowflake;
} plain[] = {
	{S_INIT("BOOLEAN"), "BOOLEAN"},
	{S_INIT("TINYINT"), "NUMBER(38,0)"},
	{S_INIT("SMALLINT"), "NUMBER(38,0)"},
	{S_INIT("INTEGER"), "NUMBER(38,0)"},
	{S_INIT("BIGINT"), "NUMBER(38,0)"},
	{S_INIT("UTINYINT"), "NUMBER(38,0)"},
	{S_INIT("USMALLINT"), "NUMBER(38,0)"},
	{S_INIT("UINTEGER"), "NUMBER(38,0)"},
	{S_INIT("UBIGINT"), "NUMBER(38,0)"},
	{S_INIT("HUGEINT"), "NUMBER(38,0)"},
	{S_INIT("UHUGEINT"), "NUMBER(38,0)"},
	{S_INIT("BIGNUM"), "NUMBER(38,0)"},
	{S_INIT("FLOAT"), "FLOAT"},
	{S_INIT("DOUBLE"), "FLOAT"},
	{S_INIT("BLOB"), "BINARY(8388608)"},
	{S_INIT("DATE"), "DATE"},
	{S_INIT("TIME"), "TIME(9)"},
	{S_INIT("TIME_NS"), "TIME(9)"},
	{S_INIT("TIMESTAMP"), "TIMESTAMP_NTZ(9)"},
	{S_INIT("TIMESTAMP_NS"), "TIMESTAMP_NTZ(9)"},
	{S_INIT("TIMESTAMP_MS"), "TIMESTAMP_NTZ(3)"},
	{S_INIT("TIMESTAMP_S"), "TIMESTAMP_NTZ(0)"},
	{S_INIT("TIMESTAMP WITH TIME ZONE"), "TIMESTAMP_LTZ(9)"},
	{S_INIT("TIMESTAMPTZ"), "TIMESTAMP_LTZ(9)"},
	{S_INIT("JSON"), "VARIANT"},
	{S_INIT("VARIANT"), "VARIANT"},
};

static bool is_array(struct str s)
{
	return str_ends(s, S("]"));
}

static bool is_object(struct str s)
{
	return str_starts(s, S("STRUCT(")) || str_starts(s, S("MAP(")) || str_starts(s, S("UNION("));
}

static void alias_name(enum sf_alias alias, int digits, struct buf *out)
{
	for (size_t i = 0; i < COUNT_OF(aliases); i++)
		if (aliases[i].alias == alias)
			buf_add(out, str_of(aliases[i].snowflake));
	if (alias >= SF_ALIAS_NTZ)
		buf_fmt(out, "(%d)", digits);
}

/* VARCHAR, ENUM, UUID, INTERVAL, … are texts there; a length that is written stays. */
static void text_name(struct str duckdb, struct buf *out)
{
	if (str_starts(duckdb, S("VARCHAR(")) || str_starts(duckdb, S("BINARY(")))
		buf_add(out, duckdb);
	else
		buf_lit(out, "VARCHAR(16777216)");
}

void sf_type_name(struct str duckdb, struct buf *out)
{
	enum sf_alias alias;
	int digits;

	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		if (!str_ieq(duckdb, plain[i].duckdb))
			continue;
		buf_add(out, str_of(plain[i].snowflake));
		return;
	}
	if (sf_alias(duckdb, &alias, &digits)) {
		alias_name(alias, digits, out);
	} else if (is_array(duckdb)) {
		buf_lit(out, "ARRAY");
	} else if (is_object(duckdb)) {
		buf_lit(out, "OBJECT");
	} else if (str_starts(duckdb, S("DECIMAL("))) {
		buf_lit(out, "NUMBER");
		buf_add(out, str_tail(duckdb, strlen("DECIMAL")));
	} else {
		text_name(duckdb, out);
	}
}
