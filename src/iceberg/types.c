/* types.c - types from DuckDB's texts, and their names for DuckDB and for Iceberg.
 *
 * Not their JSON (json.c), not field ids (schema.c). Recursion follows the
 * nesting of a type, which ICE_DEPTH_MAX bounds. Pure functions, any thread.
 */
#include "iceberg/iceberg_int.h"
#include "sql/sql.h"

/* --- what DuckDB's types are kept as --- */
static const struct known {
	struct str name;
	enum ice_kind kind;
	bool cast;
	int precision;
} known[] = {
	{S_INIT("BOOLEAN"), ICE_BOOLEAN, false, 0}, {S_INIT("BOOL"), ICE_BOOLEAN, false, 0},
	{S_INIT("TINYINT"), ICE_INT, true, 0}, {S_INIT("SMALLINT"), ICE_INT, true, 0},
	{S_INIT("UTINYINT"), ICE_INT, true, 0}, {S_INIT("USMALLINT"), ICE_INT, true, 0},
	{S_INIT("INTEGER"), ICE_INT, false, 0}, {S_INIT("INT"), ICE_INT, false, 0},
	{S_INIT("BIGINT"), ICE_LONG, false, 0}, {S_INIT("UINTEGER"), ICE_LONG, true, 0},
	{S_INIT("UBIGINT"), ICE_DECIMAL, true, 20}, {S_INIT("HUGEINT"), ICE_DECIMAL, true, 38},
	{S_INIT("UHUGEINT"), ICE_DECIMAL, true, 38},
	{S_INIT("FLOAT"), ICE_FLOAT, false, 0}, {S_INIT("REAL"), ICE_FLOAT, false, 0}, {S_INIT("DOUBLE"), ICE_DOUBLE, false, 0},
	{S_INIT("DATE"), ICE_DATE, false, 0}, {S_INIT("TIME"), ICE_TIME, false, 0}, {S_INIT("TIME_NS"), ICE_TIME, true, 0},
	{S_INIT("TIMESTAMP"), ICE_TIMESTAMP, false, 0}, {S_INIT("TIMESTAMP_S"), ICE_TIMESTAMP, true, 0},
	{S_INIT("TIMESTAMP_MS"), ICE_TIMESTAMP, true, 0}, {S_INIT("TIMESTAMP_NS"), ICE_TIMESTAMP, true, 0},
	{S_INIT("TIMESTAMPTZ"), ICE_TIMESTAMPTZ, false, 0}, {S_INIT("TIMESTAMP WITH TIME ZONE"), ICE_TIMESTAMPTZ, false, 0},
	{S_INIT("TIMETZ"), ICE_STRING, true, 0}, {S_INIT("TIME WITH TIME ZONE"), ICE_STRING, true, 0},
	{S_INIT("VARCHAR"), ICE_STRING, false, 0}, {S_INIT("TEXT"), ICE_STRING, false, 0}, {S_INIT("STRING"), ICE_STRING, false, 0},
	{S_INIT("JSON"), ICE_STRING, true, 0}, {S_INIT("BIT"), ICE_STRING, true, 0}, {S_INIT("INTERVAL"), ICE_STRING, true, 0},
	{S_INIT("BIGNUM"), ICE_STRING, true, 0}, {S_INIT("NULL"), ICE_STRING, true, 0}, {S_INIT("ENUM"), ICE_STRING, true, 0},
	{S_INIT("UUID"), ICE_UUID, false, 0}, {S_INIT("BLOB"), ICE_BINARY, false, 0}, {S_INIT("BYTEA"), ICE_BINARY, false, 0},
};

struct reading {
	struct call *c;
	struct str column, rest;
	bool cast; /* something in it has to be cast */
	int fields;
};

enum token_kind { T_END, T_WORD, T_QUOTED, T_STRING, T_MARK };
struct token {
	enum token_kind kind;
	struct str text; /* quotes included */
};

static bool refuse(struct reading *r, const char *why)
{
	return fail(r->c, ERR_SQL_INVALID, "column \"%.*s\": %s", SARG(str_head(r->column, 200)), why);
}

static bool is_word(char ch)
{
	return ascii_alpha(ch) || ascii_digit(ch) || ch == '_' || (unsigned char)ch >= 0x80;
}

/* Behind the closing quote; 0 = there is none. */
static size_t quoted_end(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] != s.p[0])
			continue;
		if (i + 1 == s.n || s.p[i + 1] != s.p[0])
			return i + 1;
		i++;
	}
	return 0;
}

static struct token next_token(struct str *rest)
{
	struct str s = str_trim(*rest);
	struct token t = {T_END, {NULL, 0}};
	size_t n = 1;

	if (s.n == 0)
		return t;
	t.kind = T_MARK;
	if (s.p[0] == '"' || s.p[0] == '\'') {
		n = quoted_end(s);
		t.kind = s.p[0] == '"' ? T_QUOTED : T_STRING;
	} else if (is_word(s.p[0])) {
		while (n < s.n && is_word(s.p[n]))
			n++;
		t.kind = T_WORD;
	}
	if (n == 0)
		return (struct token){T_END, {NULL, 0}};
	t.text = str_head(s, n);
	*rest = str_tail(s, n);
	return t;
}

static struct token peek(const struct reading *r)
{
	struct str rest = r->rest;

	return next_token(&rest);
}

static bool take(struct reading *r, char mark)
{
	struct str rest = r->rest;
	struct token t = next_token(&rest);

	if (t.kind != T_MARK || t.text.p[0] != mark)
		return false;
	r->rest = rest;
	return true;
}

static bool unknown(struct reading *r)
{
	return refuse(r, "its type cannot be kept in a table; cast it to another");
}

static struct str unquoted(struct arena *a, struct token t)
{
	char *p;
	size_t n = 0;

	if (t.kind != T_QUOTED)
		return t.text;
	p = arena_alloc(a, t.text.n);
	for (size_t i = 1; i + 1 < t.text.n; i++) {
		p[n++] = t.text.p[i];
		if (t.text.p[i] == '"')
			i++;
	}
	return str_from(p, n);
}

static bool read_type(struct reading *r, int depth, struct ice_type *ret);

static bool count_fields(struct reading *r, int n)
{
	r->fields += n;
	return r->fields <= ICE_FIELDS_MAX || refuse(r, "its type has too many fields");
}

/* "(INTEGER, VARCHAR)" of MAP. */
static bool read_map(struct reading *r, int depth, struct ice_type *ret)
{
	struct ice_field *f = ARENA_ARRAY(r->c->arena, struct ice_field, 2);

	f[0].name = S("key");
	f[0].required = true;
	f[1].name = S("value");
	if (!count_fields(r, 2))
		return false;
	if (!take(r, '(') || !read_type(r, depth + 1, &f[0].type))
		return unknown(r);
	if (!take(r, ',') || !read_type(r, depth + 1, &f[1].type) || !take(r, ')'))
		return unknown(r);
	*ret = (struct ice_type){ICE_MAP, 0, 0, f, 2};
	return true;
}

/* `a INTEGER`; DuckDB has unnamed ones too, `INTEGER`: they are called f1, f2, … */
static bool read_member(struct reading *r, int depth, int index, struct ice_field *ret)
{
	struct str rest = r->rest;
	struct token name = next_token(&rest), behind;

	if (name.kind != T_WORD && name.kind != T_QUOTED)
		return unknown(r);
	behind = next_token(&rest);
	if (behind.kind == T_QUOTED || (behind.kind == T_WORD && !str_ieq(behind.text, S("WITH")))) {
		ret->name = unquoted(r->c->arena, name);
		(void)next_token(&r->rest);
	} else {
		ret->name = arena_fmt(r->c->arena, "f%d", index + 1);
		r->cast = true;
	}
	if (ret->name.n == 0 || ret->name.n > ICE_NAME_MAX || str_ieq(ret->name, S("__duckdb_field_id")))
		return refuse(r, "a field inside it has a name that cannot be kept; name it differently");
	return count_fields(r, 1) && read_type(r, depth + 1, &ret->type);
}

static bool read_struct(struct reading *r, int depth, struct ice_type *ret)
{
	struct ice_field *v = NULL;
	int n = 0, cap = 0;

	if (!take(r, '('))
		return unknown(r);
	do {
		if (n == cap) {
			struct ice_field *more = ARENA_ARRAY(r->c->arena, struct ice_field, cap ? 2 * cap : 4);

			if (n > 0)
				memcpy(more, v, sizeof(*v) * (size_t)n);
			v = more;
			cap = cap ? 2 * cap : 4;
		}
		if (!read_member(r, depth, n, &v[n]))
			return false;
		n++;
	} while (take(r, ','));
	*ret = (struct ice_type){ICE_STRUCT, 0, 0, v, n};
	return take(r, ')') || unknown(r);
}

static bool read_number(struct reading *r, int max, int *ret)
{
	struct token t = next_token(&r->rest);
	int64_t v;

	if (t.kind != T_WORD || !str_to_i64(t.text, &v) || v < 0 || v > max)
		return unknown(r);
	*ret = (int)v;
	return true;
}

static bool read_decimal(struct reading *r, struct ice_type *ret)
{
	*ret = (struct ice_type){ICE_DECIMAL, 18, 3, NULL, 0}; /* DuckDB's DECIMAL without parameters */
	if (!take(r, '('))
		return true;
	ret->scale = 0;
	if (!read_number(r, 38, &ret->precision))
		return false;
	if (take(r, ',') && !read_number(r, ret->precision, &ret->scale))
		return false;
	return (take(r, ')') && ret->precision > 0) || unknown(r);
}

/* Behind the parameters of a plain type: lengths, the values of an ENUM. */
static bool skip_parameters(struct reading *r)
{
	struct token t;

	if (!take(r, '('))
		return true;
	do
		t = next_token(&r->rest);
	while (t.kind == T_STRING || t.kind == T_WORD || (t.kind == T_MARK && t.text.p[0] == ','));
	return (t.kind == T_MARK && t.text.p[0] == ')') || unknown(r);
}

/* The name of a plain type: one word, or with WITH TIME ZONE behind it. */
static struct str plain_name(struct reading *r, struct token first)
{
	static const struct str words[] = {S_INIT("WITH"), S_INIT("TIME"), S_INIT("ZONE")};
	struct str rest = r->rest;

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct token t = next_token(&rest);

		if (t.kind != T_WORD || !str_ieq(t.text, words[i]))
			return unquoted(r->c->arena, first);
	}
	r->rest = rest;
	return arena_fmt(r->c->arena, "%.*s WITH TIME ZONE", SARG(str_head(first.text, 20)));
}

static bool read_plain(struct reading *r, struct token first, struct ice_type *ret)
{
	struct str name = plain_name(r, first);

	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (!str_ieq(name, known[i].name))
			continue;
		*ret = (struct ice_type){.kind = known[i].kind, .precision = known[i].precision};
		r->cast |= known[i].cast;
		return skip_parameters(r);
	}
	return unknown(r);
}

static void wrap_in_list(struct reading *r, struct ice_type *t)
{
	struct ice_field *element = ARENA_NEW(r->c->arena, struct ice_field);

	element->name = S("element");
	element->type = *t;
	*t = (struct ice_type){ICE_LIST, 0, 0, element, 1};
}

/* "[]" is a list, "[3]" an array, which is kept as a list. */
static bool read_brackets(struct reading *r, struct ice_type *t)
{
	int size;

	for (int n = 0; take(r, '['); n++) {
		if (n == ICE_DEPTH_MAX)
			return refuse(r, "its type is nested too deep");
		if (!take(r, ']')) {
			if (!read_number(r, INT32_MAX, &size) || !take(r, ']'))
				return unknown(r);
			r->cast = true;
		}
		if (!count_fields(r, 1))
			return false;
		wrap_in_list(r, t);
	}
	return true;
}

static bool read_type(struct reading *r, int depth, struct ice_type *ret)
{
	struct token t = next_token(&r->rest);
	bool ok;

	if (depth > ICE_DEPTH_MAX)
		return refuse(r, "its type is nested too deep");
	if (t.kind != T_WORD && t.kind != T_QUOTED)
		return unknown(r);
	if (str_ieq(t.text, S("STRUCT")))
		ok = read_struct(r, depth, ret);
	else if (str_ieq(t.text, S("MAP")))
		ok = read_map(r, depth, ret);
	else if (str_ieq(t.text, S("DECIMAL")) || str_ieq(t.text, S("NUMERIC")))
		ok = read_decimal(r, ret);
	else
		ok = read_plain(r, t, ret);
	return ok && read_brackets(r, ret);
}

/* How many types stand in one another: 0 for a plain one. */
static int height(const struct ice_type *t)
{
	int most = -1;

	for (int i = 0; i < t->nfields; i++) {
		int h = height(&t->fields[i].type);

		most = h > most ? h : most;
	}
	return most + 1;
}

bool ice_type_parse(struct call *c, struct str column, struct str text, struct ice_type *ret, struct str *ret_cast)
{
	struct reading r = {.c = c, .column = column, .rest = arena_dup(c->arena, text)}; /* names point into it */
	OWNS(buf) cast = {0};
	struct ice_type t;

	if (!str_is_utf8(text))
		return unknown(&r);
	if (!read_type(&r, 0, &t))
		return false;
	if (peek(&r).kind != T_END || str_trim(r.rest).n > 0)
		return unknown(&r);
	if (height(&t) > ICE_DEPTH_MAX)
		return refuse(&r, "its type is nested too deep");
	if (r.cast)
		ice_put_duckdb_type(&cast, &t);
	*ret = t;
	*ret_cast = arena_dup(c->arena, buf_str(&cast));
	return true;
}

/* --- their names --- */
static const struct {
	const char *iceberg, *duckdb;
} names[ICE_KINDS] = {
	[ICE_BOOLEAN] = {"boolean", "BOOLEAN"}, [ICE_INT] = {"int", "INTEGER"}, [ICE_LONG] = {"long", "BIGINT"},
	[ICE_FLOAT] = {"float", "FLOAT"}, [ICE_DOUBLE] = {"double", "DOUBLE"}, [ICE_DECIMAL] = {"decimal", "DECIMAL"},
	[ICE_DATE] = {"date", "DATE"}, [ICE_TIME] = {"time", "TIME"}, [ICE_TIMESTAMP] = {"timestamp", "TIMESTAMP"},
	[ICE_TIMESTAMPTZ] = {"timestamptz", "TIMESTAMP WITH TIME ZONE"}, [ICE_STRING] = {"string", "VARCHAR"},
	[ICE_UUID] = {"uuid", "UUID"}, [ICE_BINARY] = {"binary", "BLOB"}, [ICE_FIXED] = {"fixed", "BLOB"},
	[ICE_LIST] = {"list", ""}, [ICE_STRUCT] = {"struct", "STRUCT"}, [ICE_MAP] = {"map", "MAP"},
};

const char *ice_kind_name(enum ice_kind kind)
{
	return names[kind].iceberg;
}

void ice_put_duckdb_type(struct buf *b, const struct ice_type *t)
{
	buf_add(b, str_of(names[t->kind].duckdb));
	if (t->kind == ICE_DECIMAL)
		buf_fmt(b, "(%d,%d)", t->precision, t->scale);
	if (t->kind == ICE_STRUCT || t->kind == ICE_MAP)
		buf_addc(b, '(');
	for (int i = 0; i < t->nfields; i++) {
		if (i > 0)
			buf_lit(b, ", ");
		if (t->kind == ICE_STRUCT) {
			sql_quote_name(b, t->fields[i].name);
			buf_addc(b, ' ');
		}
		ice_put_duckdb_type(b, &t->fields[i].type);
	}
	if (t->kind == ICE_LIST)
		buf_lit(b, "[]");
	else if (t->kind == ICE_STRUCT || t->kind == ICE_MAP)
		buf_addc(b, ')');
}

static bool is_plain_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && s.p[i] != '_' && !(i > 0 && ascii_digit(s.p[i])))
			return false;
	return s.n > 0;
}

static void put_type_name(struct buf *b, const struct ice_type *t)
{
	buf_add(b, str_of(names[t->kind].iceberg));
	if (t->kind == ICE_DECIMAL)
		buf_fmt(b, "(%d, %d)", t->precision, t->scale);
	else if (t->kind == ICE_FIXED)
		buf_fmt(b, "[%d]", t->precision);
	if (t->kind != ICE_LIST && t->kind != ICE_STRUCT && t->kind != ICE_MAP)
		return;
	buf_addc(b, '<');
	for (int i = 0; i < t->nfields; i++) {
		if (i > 0)
			buf_lit(b, ", ");
		if (t->kind == ICE_STRUCT && is_plain_name(t->fields[i].name))
			buf_add(b, t->fields[i].name);
		else if (t->kind == ICE_STRUCT)
			sql_quote_name(b, t->fields[i].name);
		if (t->kind == ICE_STRUCT)
			buf_lit(b, ": ");
		put_type_name(b, &t->fields[i].type);
	}
	buf_addc(b, '>');
}

struct str ice_type_name(struct arena *a, const struct ice_type *t)
{
	OWNS(buf) b = {0};

	put_type_name(&b, t);
	return arena_dup(a, buf_str(&b));
}
