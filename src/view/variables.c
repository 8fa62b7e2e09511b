/* variables.c - variables of saved SQL: their types, their values, their places in the text.
 *
 * A value is checked here against its type and then bound by name, as text that
 * the CAST in its place reads: it never becomes part of the SQL. The types are a
 * short list of DuckDB's scalar ones; what stands in the CAST comes from that
 * list, not from the client. Pure functions, any thread.
 */
#include "view/view_int.h"

#include "sql/sql.h"

#include <float.h>
#include <math.h>

enum { VARIABLES_MAX = 200, VARIABLE_NAME_MAX = 63, VALUE_MAX = 1 << 20, DECIMAL_DIGITS = 38, TEXT_SHOWN = 60 };

/* --- types --- */
enum variable_kind { V_BOOLEAN, V_INTEGER, V_DECIMAL, V_REAL, V_TEXT, V_DATE, V_TIME, V_TIMESTAMP, V_TIMESTAMPTZ, V_UUID };
struct variable_type {
	struct str name;               /* DuckDB's */
	enum variable_kind kind;
	bool is_signed;
	int bits;                      /* of an integer or a real */
	int precision, scale;          /* of a DECIMAL */
};
struct type_name {
	struct str alias;
	struct variable_type type;
};
#define TYPE(alias, name, ...) {S_INIT(alias), {S_INIT(name), __VA_ARGS__}}
static const struct type_name type_names[] = {
	TYPE("BOOLEAN", "BOOLEAN", .kind = V_BOOLEAN), TYPE("BOOL", "BOOLEAN", .kind = V_BOOLEAN),
	TYPE("TINYINT", "TINYINT", .kind = V_INTEGER, .is_signed = true, .bits = 8),
	TYPE("SMALLINT", "SMALLINT", .kind = V_INTEGER, .is_signed = true, .bits = 16),
	TYPE("INTEGER", "INTEGER", .kind = V_INTEGER, .is_signed = true, .bits = 32),
	TYPE("INT", "INTEGER", .kind = V_INTEGER, .is_signed = true, .bits = 32),
	TYPE("BIGINT", "BIGINT", .kind = V_INTEGER, .is_signed = true, .bits = 64),
	TYPE("LONG", "BIGINT", .kind = V_INTEGER, .is_signed = true, .bits = 64),
	TYPE("HUGEINT", "HUGEINT", .kind = V_INTEGER, .is_signed = true, .bits = 128),
	TYPE("UTINYINT", "UTINYINT", .kind = V_INTEGER, .bits = 8),
	TYPE("USMALLINT", "USMALLINT", .kind = V_INTEGER, .bits = 16),
	TYPE("UINTEGER", "UINTEGER", .kind = V_INTEGER, .bits = 32),
	TYPE("UBIGINT", "UBIGINT", .kind = V_INTEGER, .bits = 64),
	TYPE("UHUGEINT", "UHUGEINT", .kind = V_INTEGER, .bits = 128),
	TYPE("FLOAT", "FLOAT", .kind = V_REAL, .bits = 32), TYPE("REAL", "FLOAT", .kind = V_REAL, .bits = 32),
	TYPE("DOUBLE", "DOUBLE", .kind = V_REAL, .bits = 64), TYPE("DOUBLE PRECISION", "DOUBLE", .kind = V_REAL, .bits = 64),
	TYPE("VARCHAR", "VARCHAR", .kind = V_TEXT), TYPE("TEXT", "VARCHAR", .kind = V_TEXT),
	TYPE("STRING", "VARCHAR", .kind = V_TEXT), TYPE("CHAR", "VARCHAR", .kind = V_TEXT),
	TYPE("DATE", "DATE", .kind = V_DATE), TYPE("TIME", "TIME", .kind = V_TIME),
	TYPE("TIMESTAMP", "TIMESTAMP", .kind = V_TIMESTAMP), TYPE("DATETIME", "TIMESTAMP", .kind = V_TIMESTAMP),
	TYPE("TIMESTAMPTZ", "TIMESTAMPTZ", .kind = V_TIMESTAMPTZ),
	TYPE("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", .kind = V_TIMESTAMPTZ),
	TYPE("UUID", "UUID", .kind = V_UUID),
	TYPE("DECIMAL", "DECIMAL(18,3)", .kind = V_DECIMAL, .precision = 18, .scale = 3),
	TYPE("NUMERIC", "DECIMAL(18,3)", .kind = V_DECIMAL, .precision = 18, .scale = 3),
};

/* "(10, 2)" */
static bool decimal_size(struct str text, struct variable_type *t)
{
	int64_t precision, scale = 0;
	struct str first;

	if (text.n < 3 || text.p[0] != '(' || text.p[text.n - 1] != ')')
		return false;
	text = str_from(text.p + 1, text.n - 2);
	first = str_trim(str_cut(&text, ','));
	if (!str_to_i64(first, &precision) || (text.p && !str_to_i64(str_trim(text), &scale)) || precision < 1 ||
	    precision > DECIMAL_DIGITS || scale < 0 || scale > precision)
		return false;
	t->precision = (int)precision;
	t->scale = (int)scale;
	return true;
}

static bool type_of(struct arena *a, struct str text, struct variable_type *ret)
{
	struct str word;
	size_t open;

	text = str_trim(text);
	open = str_find(text, '(');
	word = str_trim(str_head(text, open));
	for (size_t i = 0; i < COUNT_OF(type_names); i++) {
		struct variable_type t = type_names[i].type;

		if (!str_ieq(word, type_names[i].alias))
			continue;
		if (open < text.n && (t.kind != V_DECIMAL || !decimal_size(str_tail(text, open), &t)))
			return false;
		if (open < text.n)
			t.name = arena_fmt(a, "DECIMAL(%d,%d)", t.precision, t.scale);
		*ret = t;
		return true;
	}
	return false;
}

/* --- values: the text that is bound, one form a value --- */

static bool all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]))
			return false;
	return s.n > 0;
}

/* Cuts a sign and leading zeros away. */
static struct str magnitude_of(struct str s, bool *ret_negative)
{
	*ret_negative = s.n > 0 && s.p[0] == '-';
	if (*ret_negative)
		s = str_tail(s, 1);
	while (s.n > 1 && s.p[0] == '0' && ascii_digit(s.p[1]))
		s = str_tail(s, 1);
	return s;
}

static bool digits_at_most(struct str digits, struct str bound)
{
	return digits.n < bound.n || (digits.n == bound.n && str_cmp(digits, bound) <= 0);
}

static struct str limit_of(struct arena *a, const struct variable_type *t, bool negative)
{
	unsigned __int128 one = 1;
	char room[TEXT_ROOM];
	unsigned __int128 top;

	if (negative && !t->is_signed)
		return S("0");
	if (t->is_signed)
		top = (one << (t->bits - 1)) - (negative ? 0 : 1);
	else
		top = t->bits == 128 ? ~(unsigned __int128)0 : (one << t->bits) - 1;
	return arena_dup(a, str_from(room, (size_t)(text_u128(room, top) - room)));
}

/* A JSON integer, or its digits as a string: what is beyond 64 bits has no other way. */
static bool integer_text(struct arena *a, const struct variable_type *t, const json_node *n, struct str *ret)
{
	struct str text, digits;
	bool negative;

	if (json_kind(n) == JSON_KIND_INT)
		text = arena_fmt(a, "%lld", (long long)json_int(n));
	else if (json_kind(n) == JSON_KIND_TEXT)
		text = json_text(n);
	else
		return false;
	digits = magnitude_of(text, &negative);
	if (!all_digits(digits) || !digits_at_most(digits, limit_of(a, t, negative)))
		return false;
	if (str_eq(digits, S("0")))
		negative = false;
	*ret = arena_fmt(a, "%s%.*s", negative ? "-" : "", SARG(digits));
	return true;
}

static struct str number_text(struct arena *a, const json_node *n)
{
	OWNS(buf) b = {0};

	if (json_kind(n) == JSON_KIND_TEXT)
		return json_text(n);
	if (json_kind(n) == JSON_KIND_INT)
		return arena_fmt(a, "%lld", (long long)json_int(n));
	if (json_kind(n) != JSON_KIND_REAL)
		return S("");
	json_real_text(&b, json_number(n));
	return arena_dup(a, buf_str(&b));
}

/* All of its digits are kept, or it does not fit. "1.5" and "1.50" are the same value and get the same text. */
static bool decimal_text(struct arena *a, const struct variable_type *t, const json_node *n, struct str *ret)
{
	struct str fraction = number_text(a, n), whole;
	bool negative, zero;
	char zeros[DECIMAL_DIGITS + 1];

	fraction = magnitude_of(fraction, &negative);
	whole = str_cut(&fraction, '.');
	if (!all_digits(whole) || (fraction.p && !all_digits(fraction)))
		return false;
	while (fraction.n && fraction.p[fraction.n - 1] == '0')
		fraction.n--;
	zero = fraction.n == 0 && str_eq(whole, S("0"));
	if (fraction.n > (size_t)t->scale || (whole.n > (size_t)(t->precision - t->scale) && !str_eq(whole, S("0"))))
		return false;
	memset(zeros, '0', sizeof(zeros));
	*ret = arena_fmt(a, "%s%.*s%s%.*s%.*s", negative && !zero ? "-" : "", SARG(whole), t->scale ? "." : "", SARG(fraction),
			 t->scale - (int)fraction.n, zeros);
	return true;
}

static bool real_text(struct arena *a, const struct variable_type *t, const json_node *n, struct str *ret)
{
	static const struct str special[] = {S_INIT("NaN"), S_INIT("Infinity"), S_INIT("-Infinity")};
	OWNS(buf) b = {0};
	double v;

	for (size_t i = 0; json_kind(n) == JSON_KIND_TEXT && i < COUNT_OF(special); i++)
		if (str_eq(json_text(n), special[i])) {
			*ret = special[i];
			return true;
		}
	if (json_kind(n) != JSON_KIND_REAL && json_kind(n) != JSON_KIND_INT)
		return false;
	v = json_number(n);
	if (t->bits == 32 && fabs(v) > (double)FLT_MAX)
		return false;
	json_real_text(&b, v);
	*ret = arena_dup(a, buf_str(&b));
	return true;
}

static bool number_in(struct str digits, size_t n, int64_t min, int64_t max)
{
	int64_t v;

	return digits.n == n && all_digits(digits) && str_to_i64(digits, &v) && v >= min && v <= max;
}

static bool is_date(struct str s)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t year, month;
	bool leap;

	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' || !number_in(str_head(s, 4), 4, 0, 9999) ||
	    !number_in(str_from(s.p + 5, 2), 2, 1, 12) || !str_to_i64(str_head(s, 4), &year) ||
	    !str_to_i64(str_from(s.p + 5, 2), &month))
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return number_in(str_tail(s, 8), 2, 1, days[month - 1] + (month == 2 && leap));
}

/* "09:30:00", "09:30:00.25" */
static bool is_time(struct str s)
{
	struct str fraction = s, clock = str_cut(&fraction, '.');

	return clock.n == 8 && clock.p[2] == ':' && clock.p[5] == ':' && number_in(str_head(clock, 2), 2, 0, 23) &&
	       number_in(str_from(clock.p + 3, 2), 2, 0, 59) && number_in(str_tail(clock, 6), 2, 0, 59) &&
	       (!fraction.p || (fraction.n <= 6 && all_digits(fraction)));
}

/* "Z", "+02", "-05:30" */
static bool is_zone(struct str s)
{
	if (str_eq(s, S("Z")) || str_eq(s, S("z")))
		return true;
	return s.n >= 3 && (s.p[0] == '+' || s.p[0] == '-') && number_in(str_from(s.p + 1, 2), 2, 0, 15) &&
	       (s.n == 3 || (s.n == 6 && s.p[3] == ':' && number_in(str_tail(s, 4), 2, 0, 59)));
}

/* A date, then maybe `T` or a blank and a time; with a zone that is asked for. */
static bool timestamp_text(struct arena *a, struct str s, bool zone, struct str *ret)
{
	struct str time = str_tail(s, 11), suffix = {0};
	size_t at = 0;

	if (s.n == 10 && !zone && is_date(s)) {
		*ret = arena_fmt(a, "%.*s 00:00:00", SARG(s));
		return true;
	}
	if (s.n < 19 || !is_date(str_head(s, 10)) || (s.p[10] != 'T' && s.p[10] != 't' && s.p[10] != ' '))
		return false;
	if (zone) {
		while (at < time.n && (ascii_digit(time.p[at]) || time.p[at] == ':' || time.p[at] == '.'))
			at++;
		suffix = str_tail(time, at);
		time = str_head(time, at);
		if (!is_zone(suffix))
			return false;
	}
	if (!is_time(time))
		return false;
	if (str_ieq(suffix, S("z")))
		suffix = S("+00");
	*ret = arena_fmt(a, "%.*s %.*s%.*s", SARG(str_head(s, 10)), SARG(time), SARG(suffix));
	return true;
}

static bool quoted_text(struct arena *a, const struct variable_type *t, struct str s, struct str *ret)
{
	*ret = s;
	switch (t->kind) {
	case V_TEXT:
		return s.n <= VALUE_MAX;
	case V_DATE:
		return is_date(s);
	case V_TIME:
		return is_time(s);
	case V_TIMESTAMP:
		return timestamp_text(a, s, false, ret);
	case V_TIMESTAMPTZ:
		return timestamp_text(a, s, true, ret);
	case V_UUID:
		*ret = arena_lower(a, s);
		return id_valid(*ret);
	case V_BOOLEAN:
	case V_INTEGER:
	case V_DECIMAL:
	case V_REAL:
		break;
	}
	return false;
}

static bool value_text(struct arena *a, const struct variable_type *t, const json_node *n, struct str *ret)
{
	if (t->kind == V_BOOLEAN && json_kind(n) == JSON_KIND_BOOL) {
		*ret = json_bool(n) ? S("true") : S("false");
		return true;
	}
	if (t->kind == V_INTEGER)
		return integer_text(a, t, n, ret);
	if (t->kind == V_DECIMAL)
		return decimal_text(a, t, n, ret);
	if (t->kind == V_REAL)
		return real_text(a, t, n, ret);
	return json_kind(n) == JSON_KIND_TEXT && quoted_text(a, t, json_text(n), ret);
}

/* NULL of the type, or its text. */
static bool read_value(struct arena *a, const struct variable_type *t, const json_node *n, struct engine_bind *ret)
{
	struct str text;

	if (json_kind(n) == JSON_KIND_NULL) {
		*ret = (struct engine_bind){.type = ENGINE_B_NULL};
		return true;
	}
	if (!value_text(a, t, n, &text))
		return false;
	*ret = (struct engine_bind){.type = ENGINE_B_TEXT, .value = text};
	return true;
}

/* --- declarations --- */

static bool name_valid(struct str s)
{
	if (!s.n || s.n > VARIABLE_NAME_MAX || ascii_digit(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) && !ascii_alpha(s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

/* Its default as a value; absent: NULL is bound, *ret_missing. */
static bool read_default(struct call *c, const struct view_variable *v, const struct variable_type *t, struct engine_bind *ret)
{
	const json_node *n;

	*ret = (struct engine_bind){.type = ENGINE_B_NULL};
	if (!v->has_default)
		return true;
	return (json_read(c, v->dflt, &n) && read_value(c->arena, t, n, ret)) ||
	       (call_forgive(c), fail(c, ERR_SQL_INVALID, "the default of variable `%.*s` is no %.*s", SARG(v->name), SARG(t->name)));
}

static bool check_declared(struct call *c, const struct view_variable *v, int i)
{
	struct variable_type t;
	struct engine_bind bind;

	if (!name_valid(v[i].name))
		return fail(c, ERR_SQL_INVALID, "variable %d: a name has letters, digits and `_`, does not begin with a digit, and is "
			    "at most %d long", i + 1, VARIABLE_NAME_MAX);
	for (int k = 0; k < i; k++)
		if (str_ieq(v[k].name, v[i].name))
			return fail(c, ERR_SQL_INVALID, "variable `%.*s` is declared twice", SARG(v[i].name));
	if (!type_of(c->arena, v[i].type, &t))
		return fail(c, ERR_SQL_INVALID, "variable `%.*s`: `%.*s` is no type of variables", SARG(v[i].name),
			    SARG(str_head(v[i].type, TEXT_SHOWN)));
	return read_default(c, &v[i], &t, &bind);
}

/* Index of the declaration, or -1. */
static int declared(const struct view_variable *v, int n, struct str name)
{
	for (int i = 0; i < n; i++)
		if (str_eq(v[i].name, name))
			return i;
	return -1;
}

/* A client's own $1 or ? would be bound to what is not there. */
static bool no_placeholders(struct call *c, struct str sql)
{
	struct sql_tokens t;

	if (!sql_lex(c, SQL_DUCKDB, sql, &t)) {
		struct err e = c->err;

		if (e.kind != ERR_SQL)
			return false;
		call_forgive(c);
		return fail_at(c, ERR_SQL_INVALID, e.position, "%s", e.text);
	}
	for (int i = 0; i < t.n; i++)
		if (t.v[i].kind == SQL_PLACEHOLDER)
			return fail_at(c, ERR_SQL_INVALID, (int)t.v[i].at + 1, "%.*s: values are written {{name}} and declared in `variables`",
				       SARG(str_head(t.v[i].text, TEXT_SHOWN)));
	return true;
}

bool variables_check(struct call *c, struct str sql, const struct view_variable *v, int n, struct str *ret_sql)
{
	struct sql_variable_use *uses;
	struct str text;
	bool *used;
	int nuses;

	if (n > VARIABLES_MAX)
		return fail(c, ERR_SQL_INVALID, "there are at most %d variables", VARIABLES_MAX);
	for (int i = 0; i < n; i++)
		if (!check_declared(c, v, i))
			return false;
	if (!no_placeholders(c, sql) || !sql_variables(c, sql, &text, &uses, &nuses))
		return false;
	used = ARENA_ARRAY(c->arena, bool, (size_t)n + 1);
	for (int i = 0; i < nuses; i++) {
		int at = declared(v, n, uses[i].name);

		if (at < 0)
			return fail_at(c, ERR_SQL_INVALID, (int)uses[i].at + 1, "variable `%.*s` is not declared",
				       SARG(str_head(uses[i].name, TEXT_SHOWN)));
		used[at] = true;
	}
	for (int i = 0; i < n; i++)
		if (!used[i])
			return fail(c, ERR_SQL_INVALID, "variable `%.*s` is declared, but not in the SQL", SARG(v[i].name));
	*ret_sql = text;
	return true;
}

/* --- binding --- */

static bool known_names(struct call *c, const struct view_variable *v, int n, const json_node *values)
{
	const json_node *value;
	struct str key;

	for (void *it = NULL; values && json_each(values, &it, &key, &value);)
		if (declared(v, n, key) < 0)
			return fail(c, ERR_INVALID_FIELD, "variables: `%.*s` is none of this SQL", SARG(str_head(key, TEXT_SHOWN)));
	return true;
}

static bool bind_one(struct call *c, const struct view_variable *v, const struct variable_type *t, const json_node *value,
		     struct engine_bind *ret)
{
	if (!value)
		return read_default(c, v, t, ret);
	return read_value(c->arena, t, value, ret) ||
	       fail(c, ERR_INVALID_FIELD, "variables: the value of `%.*s` is no %.*s", SARG(v->name), SARG(t->name));
}

static bool same_bind(const struct engine_bind *a, const struct engine_bind *b)
{
	return a->type == b->type && str_eq(a->value, b->value);
}

/* The text with a CAST in place of each {{name}}. */
static bool put_casts(struct call *c, struct str sql, const struct view_variable *v, const struct variable_type *types, int n,
		      struct str *ret)
{
	struct sql_variable_use *uses;
	OWNS(buf) out = {0};
	size_t copied = 0;
	struct str ignored;
	int nuses;

	if (!sql_variables(c, sql, &ignored, &uses, &nuses))
		return false;
	for (int i = 0; i < nuses; i++) {
		size_t end = uses[i].at + str_search(str_tail(sql, uses[i].at), S("}}"));
		int at = declared(v, n, uses[i].name);

		if (at < 0 || end >= sql.n)
			return fail(c, ERR_SQL_INVALID, "variable `%.*s` is not declared", SARG(str_head(uses[i].name, TEXT_SHOWN)));
		buf_add(&out, str_from(sql.p + copied, uses[i].at - copied));
		buf_fmt(&out, "CAST($%.*s AS %.*s)", SARG(v[at].name), SARG(types[at].name));
		copied = end + 2;
	}
	buf_add(&out, str_tail(sql, copied));
	*ret = arena_dup(c->arena, buf_str(&out));
	return true;
}

static struct str canonical_of(struct arena *a, const struct bound *b)
{
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);

	json_begin_object(&o);
	for (int i = 0; i < b->n; i++) {
		json_key(&o, b->names[i]);
		if (b->binds[i].type == ENGINE_B_NULL)
			json_put_null(&o);
		else
			json_put_text(&o, b->binds[i].value);
	}
	json_end_object(&o);
	return arena_dup(a, buf_str(&text));
}

bool variables_bind(struct call *c, struct str sql, const struct view_variable *v, int n, const json_node *values, struct bound *ret)
{
	struct bound b = {.n = n, .binds = ARENA_ARRAY(c->arena, struct engine_bind, (size_t)n + 1),
			  .names = ARENA_ARRAY(c->arena, struct str, (size_t)n + 1)};
	struct variable_type *types = ARENA_ARRAY(c->arena, struct variable_type, (size_t)n + 1);
	bool defaults = true;

	if (!known_names(c, v, n, values))
		return false;
	for (int i = 0; i < n; i++) {
		const json_node *value = values ? json_get(values, arena_cstr(c->arena, v[i].name)) : NULL;
		struct engine_bind dflt;

		if (!type_of(c->arena, v[i].type, &types[i]))
			return fail(c, ERR_SQL_INVALID, "variable `%.*s` has no type", SARG(v[i].name));
		if (!read_default(c, &v[i], &types[i], &dflt) || !bind_one(c, &v[i], &types[i], value, &b.binds[i]))
			return false;
		b.names[i] = v[i].name;
		b.missing |= !value && !v[i].has_default;
		defaults = defaults && !(value && !v[i].has_default) && same_bind(&b.binds[i], &dflt);
	}
	if (!put_casts(c, sql, v, types, n, &b.sql))
		return false;
	if (!defaults)
		b.canonical = canonical_of(c->arena, &b);
	*ret = b;
	return true;
}
