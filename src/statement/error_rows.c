/* error_rows.c - what DuckDB's texts mean in Snowflake's words: one row a meaning, the first that fits counts.
 *
 * A sentence is a pattern: {N} the name that the text tells, {U} in upper case, {I} that name as the client wrote it with what it
 * is qualified by, {P} "error line 1 at position 7", {L} and {C} line and position, {T} the token there, {F} the first line
 * of the text, {M} the last word of that, {2} the second number, {O} the kind of object, {S} the
 * call that stands there, {B} which branches of a set operation differ, {H} the handle.
 * Source: the specification, sections 9.1 and 9.2, and what the service is known to say.
 */
#include "statement/errors_int.h"

#include <stdio.h>

#define COMPILE "SQL compilation error:\n"
#define COMPILE_AT "SQL compilation error: {P}\n"
#define REGEXP(what) {"Invalid Input", what, "100048", "2201B", what, '\n', "Invalid regular expression: '{N}', {F}"}

static const struct row {
	const char *class, *holds; /* "" = any */
	const char *native, *sqlstate;
	const char *after;         /* the name starts behind this … */
	char until;                /* … and ends here */
	const char *sentence;
} rows[] = {
	{"Parser", "syntax error at end of input", "001003", "42000", "", 0,
	 COMPILE "syntax error line {L} at position {C} unexpected '{T}'."},
	{"Parser", "syntax error at or near", "001003", "42000", "near \"", '"',
	 COMPILE "syntax error line {L} at position {C} unexpected '{T}'."},
	{"", "Max expression depth limit", "001003", "42000", "", 0, COMPILE "the expression is nested too deep, or has too many terms"},
	{"Parser", "memory exhausted", "001003", "42000", "", 0, COMPILE "the statement is nested too deep"},
	{"Parser", "", "001003", "42000", "", 0, COMPILE "{F}"},
	{"Catalog", "Scalar Function with name", "002140", "42601", "with name ", ' ', COMPILE "Unknown function {I}."},
	{"Catalog", "Table Function with name", "002140", "42601", "with name ", ' ', COMPILE "Unknown table function {I}."},
	{"Catalog", "Aggregate Function with name", "002140", "42601", "with name ", ' ', COMPILE "Unknown function {I}."},
	{"Catalog", "Type with name", "002040", "42601", "with name ", ' ', COMPILE "Unsupported data type '{N}'."},
	{"Catalog", "Column with name", "002025", "42S21", "with name ", ' ', COMPILE "duplicate column name '{N}'"},
	{"Catalog", "this name already exists", "002002", "42710", "to \"", '"', COMPILE "Object '{N}' already exists."},
	{"Catalog", "already exists", "002002", "42710", "with name \"", '"', COMPILE "Object '{N}' already exists."},
	{"Catalog", "trying to drop type", "002203", "02000", "is of type ", ',',
	 COMPILE "Object found is of type '{U}', not specified type '{M}'."},
	{"Catalog", "trying to replace with type", "002203", "02000", "is of type ", ',',
	 COMPILE "Object found is of type '{U}', not specified type '{M}'."},
	{"", "is not an table", "002203", "02000", "", 0, COMPILE "Object found is of type 'VIEW', not specified type 'TABLE'."},
	{"Catalog", "SET schema", "002043", "02000", "", 0, COMPILE "Object does not exist, or operation cannot be performed."},
	{"Catalog", "because schema", "002003", "02000", "schema \"", '"', COMPILE "Schema '{N}' does not exist or not authorized."},
	{"Catalog", "Schema with name", "002003", "02000", "with name ", ' ', COMPILE "Schema '{N}' does not exist or not authorized."},
	{"Catalog", "Database with name", "002003", "02000", "with name ", ' ',
	 COMPILE "Database '{N}' does not exist or not authorized."},
	{"", "Catalog \"", "002003", "02000", "Catalog \"", '"', COMPILE "Database '{N}' does not exist or not authorized."},
	{"Catalog", "does not exist", "002003", "42S02", "with name ", ' ', COMPILE "{O} '{I}' does not exist or not authorized."},
	{"Catalog", "", "002003", "42S02", "", 0, COMPILE "{F}"},
	{"Binder", "must appear in the GROUP BY", "000979", "42601", "column \"", '"',
	 COMPILE_AT "'{I}' in select clause is neither an aggregate nor in the group by clause."},
	{"Binder", "Ambiguous reference to column", "002028", "42601", "name \"", '"', COMPILE_AT "ambiguous column name '{I}'"},
	{"Binder", "values were supplied", "002020", "21S01", "expected ", ' ',
	 COMPILE "Insert value list does not match column list expecting {N} but got {2}"},
	{"Binder", "values were supplied", "002020", "21S01", " has ", ' ',
	 COMPILE "Insert value list does not match column list expecting {N} but got {2}"},
	{"Binder", "Duplicate column name", "002025", "42S21", "name \"", '"', COMPILE "duplicate column name '{N}'"},
	{"Binder", "already has a column", "002025", "42S21", "column named \"", '"', COMPILE "duplicate column name '{N}'"},
	{"Binder", "same number of result columns", "001789", "42601", "", 0,
	 COMPILE "invalid number of result columns for set operator input branches{B}"},
	{"Binder", "cannot contain aggregates", "002035", "42601", "", 0, COMPILE "Invalid aggregate function in where clause [{S}]"},
	{"Binder", "cannot contain window functions", "002303", "42601", "", 0,
	 COMPILE "Window function [{S}] appears outside of SELECT, QUALIFY, and ORDER BY clauses."},
	{"Binder", "No function matches", "001044", "42P13", "types '", '(', ""},
	{"Binder", "Could not choose a best candidate", "001044", "42P13", "call \"", '(', ""},
	{"Binder", "does not support the supplied arguments", "001044", "42P13", "Macro ", '(', ""},
	{"Binder", "Referenced column", "000904", "42000", "column \"", '"', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "Referenced update column", "000904", "42000", "column ", ' ', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "does not have a column", "000904", "42000", "column named \"", '"', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "does not have a column", "000904", "42000", "with name \"", '"', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "cannot be referenced before it is defined", "000904", "42000", "Column \"", '"',
	 COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "side of join", "000904", "42000", "Column \"", '"', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "in EXCLUDE list not found", "000904", "42000", "Column \"", '"', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "Referenced table", "000904", "42000", "table \"", '"', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "Cannot extract field", "000904", "42000", "field '", '\'', COMPILE_AT "invalid identifier '{I}'"},
	{"Binder", "type of a column that has a CHECK constraint", "000002", "0A000", "", 0,
	 "Unsupported feature 'SET DATA TYPE of a column that has a length'."},
	{"Binder", "", "001003", "42000", "", 0, COMPILE "{F}"},
	{"Bind", "Expression type does not match", "002023", "22000", "", 0, COMPILE "{F}"},
	{"Bind", "", "002049", "42601", "", 0, COMPILE "{F}"},
	{"Too long", "", "100078", "22000", "", 0, "{F}"},
	{"Constraint", "is too long and would be truncated", "100078", "22000", "(Error: ", '\n', "{N}"}, /* of a CHECK of ours */
	{"", "is too long and would be truncated", "100078", "22000", "", 0, "{F}"},
	{"", "Error parsing JSON", "100069", "22P02", "", 0, "{F}"},
	{"", "Malformed JSON", "100069", "22P02", "input: ", '.', "Error parsing JSON: {N}"},
	{"", "Invalid bind value", "002086", "22000", "", 0, COMPILE "{F}"}, /* an empty value */
	/* what our own functions say is in the service's words already */
	{"", "extract specifier", "001008", "22023", "specifier \"", '"', COMPILE "'{N}' is not a valid date/time component."},
	{"", "Unknown TimeZone", "001008", "22023", "TimeZone '", '\'', COMPILE "unknown timezone: '{N}'"},
	{"", "Failed to cast variant value", "100071", "22000", "", 0, "{F}"},
	{"", "Duplicate field key", "100069", "22000", "", 0, "{F}"},
	{"", "not enough arguments for function [", "000938", "22023", "", 0, COMPILE "{F}"},
	{"", "too many arguments for function [", "000939", "22023", "", 0, COMPILE "{F}"},
	{"", "Numeric value '", "100038", "22018", "", 0, "{F}"},
	{"", "Boolean value '", "100037", "22018", "", 0, "{F}"},
	{"", "Timestamp '", "100035", "22007", "", 0, "{F}"},
	{"", "Can't parse '", "100096", "22007", "", 0, "{F}"},
	{"", "Number out of representable range", "100046", "22003", "", 0, "{F}"},
	{"", "not a legal hex-encoded value", "100115", "22000", "", 0, "{F}"},
	{"", "not a legal base64-encoded value", "100116", "22000", "", 0, "{F}"},
	{"", "Invalid regular expression", "100048", "2201B", "", 0, "{F}"},
	{"Conversion", "to BOOL", "100037", "22018", "string '", '\'', "Boolean value '{N}' is not recognized"},
	{"Conversion", "date field", "100040", "22007", "\"", '"', "Date '{N}' is not recognized"},
	{"Conversion", "timestamp field", "100035", "22007", "\"", '"', "Timestamp '{N}' is not recognized"},
	{"Conversion", "time field", "100108", "22007", "\"", '"', "Time '{N}' is not recognized"},
	{"", "Date '", "100040", "22007", "", 0, "{F}"},
	{"", "Time '", "100108", "22007", "", 0, "{F}"},
	{"Conversion", "Casting value \"", "100039", "22003", "value \"", '"', "Numeric value '{N}' is out of range"},
	{"Conversion", "out of range", "100039", "22003", "with value ", ' ', "Numeric value '{N}' is out of range"},
	{"Conversion", "Could not cast value", "100039", "22003", "cast value ", ' ', "Numeric value '{N}' is out of range"},
	{"Conversion", "Could not convert string \"", "100038", "22018", "string \"", '"', "Numeric value '{N}' is not recognized"},
	{"Conversion", "Could not convert string", "100038", "22018", "string '", '\'', "Numeric value '{N}' is not recognized"},
	{"Conversion", "Unimplemented type for cast", "001065", "22023", "", 0, COMPILE "invalid type [{F}]"},
	{"Conversion", "", "100038", "22018", "", 0, "{F}"},
	{"Out of Range", "Overflow in", "100046", "22003", "", 0, "Number out of representable range: {F}"},
	{"Out of Range", "negative number", "100132", "22003", "", 0, "Invalid floating point operation: {F}"},
	{"Out of Range", "", "100039", "22003", "", 0, "{F}"},
	{"", "Division by zero", "100051", "22012", "", 0, "Division by zero"},
	{"", "More than one row returned by a subquery", "090150", "22000", "", 0, "Single-row subquery returns more than one row."},
	{"Constraint", "NOT NULL constraint failed", "100072", "22000", "", 0, "NULL result in a non-nullable column"},
	{"Constraint", "", "100072", "22000", "", 0, "{F}"},
	{"TransactionContext", "Attempting to write to database", "000002", "0A000", "", 0,
	 "Unsupported feature 'one transaction that writes to two databases'."},
	{"TransactionContext", "", "000625", "57014", "", 0,
	 "Statement '{H}' was aborted: another transaction has changed what it would change."},
	{"Not implemented", "", "000002", "0A000", "", 0, "Unsupported feature '{F}'."},
	{"Permission", "", "003001", "42501", "", 0, "SQL access control error:\n{F}"},
	{"Format", "", "001008", "22023", "", 0, COMPILE "{F}"},
	{"Invalid Input", "Unknown time zone", "001008", "22023", "", 0, COMPILE "{F}"},
	/* of RE2, with the part of the pattern that is wrong */
	REGEXP("missing ): "),
	REGEXP("unexpected ): "),
	REGEXP("missing ]: "),
	REGEXP("bad repetition operator: "),
	REGEXP("no argument for repetition operator: "),
	REGEXP("invalid repetition size: "),
	REGEXP("invalid perl operator: "),
	REGEXP("invalid escape sequence: "),
	REGEXP("invalid character class: "),
	REGEXP("invalid character class range: "),
	REGEXP("invalid named capture group: "),
	{"Invalid Input", "trailing \\", "100048", "2201B", "", 0, "Invalid regular expression: {F}"},
	{"Invalid Input", "pattern too large", "100048", "2201B", "", 0, "Invalid regular expression: {F}"},
	{"Invalid Input", "Cannot prepare multiple statements", "000002", "0A000", "", 0,
	 "Unsupported feature 'PIVOT without the values'."},
	{"Invalid Input", "which is attached in read-only mode", "003001", "42501", "", 0,
	 "SQL access control error:\nInsufficient privileges to operate on the object."},
	{"Invalid Input", "", "100132", "P0000", "", 0, "{F}"},
	{"", "", "000603", "XX000", "", 0, "{F}"},
};

static bool holds(struct str s, const char *part)
{
	return !*part || str_search(s, str_of(part)) < s.n;
}

static bool fits(const struct row *r, struct str class, struct str text)
{
	return (!*r->class || str_eq(class, str_of(r->class))) && holds(text, r->holds) && holds(text, r->after);
}

/* A row whose name is not in the text gives way to a later one; of the last, everything fits. */
static const struct row *row_of(struct str class, struct str text)
{
	const struct row *r = rows;

	while (!fits(r, class, text))
		r++;
	return r;
}

static struct str behind(struct str text, const char *after, char until)
{
	struct str rest = str_tail(text, str_search(text, str_of(after)) + strlen(after));

	rest = str_head(rest, str_find(rest, until));
	if (rest.n > 1 && (rest.p[rest.n - 1] == '!' || (*after == '(' && rest.p[rest.n - 1] == ')')))
		rest.n--;
	if (rest.n > 2 && rest.p[0] == '"' && rest.p[rest.n - 1] == '"')
		rest = str_from(rest.p + 1, rest.n - 2);
	return rest;
}

static struct str name_in(const struct row *r, struct str text)
{
	return *r->after ? behind(text, r->after, r->until) : S("");
}

struct str error_name(struct str class, struct str text)
{
	const struct row *r = row_of(class, text);

	return strstr(r->sentence, "{I}") || strstr(r->sentence, "{P}") ? name_in(r, text) : S("");
}

static struct str first_line(struct str text)
{
	return str_head(text, str_find(text, '\n'));
}

const char *error_native(struct str class, struct str text)
{
	return row_of(class, text)->native;
}

/* --- the client's words --- */

static bool is_dot(const struct sql_tokens *t, int i)
{
	return i >= 0 && i < t->n && t->v[i].kind == SQL_PUNCT && t->v[i].text.p[0] == '.';
}

static bool is_name(const struct sql_tokens *t, int i)
{
	return i >= 0 && i < t->n && (t->v[i].kind == SQL_WORD || t->v[i].kind == SQL_QUOTED);
}

/* Needs it no quotes? */
static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'A' && s.p[i] <= 'Z') && s.p[i] != '_' && !(i && (ascii_digit(s.p[i]) || s.p[i] == '$')))
			return false;
	return s.n > 0;
}

static void put_name(const struct error_case *k, int i, struct buf *out)
{
	const struct sql_token *token = &k->tokens->v[i];
	struct str name = sql_name_of(k->c->arena, k->tokens->dialect, token);

	buf_add(out, token->kind == SQL_QUOTED && !is_plain(name) ? token->text : name);
}

/* The dotted name at the place, where one of its parts is the one told; else that one. */
static void put_identifier(const struct error_case *k, struct str name, struct buf *out)
{
	const struct sql_tokens *t = k->tokens;
	int from = k->place.token, to = from;
	bool is_it = false;

	if (!t || !k->place.known || !is_name(t, from)) {
		buf_add(out, name);
		return;
	}
	while (is_dot(t, from - 1) && is_name(t, from - 2))
		from -= 2;
	while (is_dot(t, to + 1) && is_name(t, to + 2))
		to += 2;
	for (int i = from; i <= to; i += 2)
		is_it = is_it || str_ieq(sql_name_of(k->c->arena, t->dialect, &t->v[i]), name);
	if (!is_it)
		buf_add(out, name);
	for (int i = from; i <= to && is_it; i++) {
		if (is_dot(t, i))
			buf_addc(out, '.');
		else
			put_name(k, i, out);
	}
}

static void put_upper(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, ascii_upper(s.p[i]));
}

/* The call at the place, in upper case outside of strings; else only its name. */
static void put_call(const struct error_case *k, struct str name, struct buf *out)
{
	const struct sql_tokens *t = k->tokens;
	int from = k->place.token, to;

	if (!t || !k->place.known || !is_name(t, from) || from + 1 >= t->n || t->v[from + 1].match <= from) {
		put_upper(name, out);
		buf_lit(out, "()");
		return;
	}
	to = t->v[from + 1].match;
	for (int i = from; i <= to; i++) {
		const struct sql_token *token = &t->v[i];

		if (i > from && token[-1].at + token[-1].text.n < token->at)
			buf_addc(out, ' ');
		if (token->kind == SQL_STRING || token->kind == SQL_QUOTED)
			buf_add(out, token->text);
		else
			put_upper(token->text, out);
	}
}

/* --- arguments that do not fit --- */

static const struct {
	const char *type, *shown;
} types[] = {
	{"STRING_LITERAL", "VARCHAR"}, {"VARCHAR", "VARCHAR(16777216)"}, {"INTEGER_LITERAL", "NUMBER(38,0)"},
	{"TINYINT", "NUMBER(38,0)"},
	{"SMALLINT", "NUMBER(38,0)"}, {"INTEGER", "NUMBER(38,0)"}, {"BIGINT", "NUMBER(38,0)"}, {"HUGEINT", "NUMBER(38,0)"},
	{"DOUBLE", "FLOAT"}, {"FLOAT", "FLOAT"}, {"TIMESTAMP", "TIMESTAMP_NTZ(9)"}, {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP_LTZ(9)"},
	{"TIME", "TIME(9)"}, {"BLOB", "BINARY(8388608)"}, {"JSON", "VARIANT"}, {"SF_VARIANT", "VARIANT"}, {"SF_OBJECT", "OBJECT"},
	{"SF_ARRAY", "ARRAY"}, {"\"NULL\"", "NULL"},
};

static void put_type(struct str type, struct buf *out)
{
	if (str_starts(type, S("DECIMAL("))) {
		buf_fmt(out, "NUMBER%.*s", SARG(str_tail(type, 7)));
		return;
	}
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (!str_eq(type, str_of(types[i].type)))
			continue;
		buf_add(out, str_of(types[i].shown));
		return;
	}
	buf_add(out, type);
}

/* The next argument of a list in brackets, from *at, which is behind the opening one or a comma; false: no more. */
static bool next_argument(struct str text, size_t *at, struct str *ret)
{
	size_t from = *at, i = from;
	int depth = 0;

	for (; i < text.n && text.p[i] != '\n'; i++) {
		if (depth == 0 && (text.p[i] == ',' || text.p[i] == ')'))
			break;
		depth += text.p[i] == '(' ? 1 : text.p[i] == ')' ? -1 : 0;
	}
	*ret = str_trim(str_from(text.p + from, i - from));
	*at = i + 1;
	return i < text.n && ret->n > 0;
}

/* Behind "name(": its arguments; ret_more: there may be any number. */
static int count_arguments(struct str text, size_t at, bool *ret_more)
{
	struct str one;
	int n = 0;

	for (*ret_more = false; next_argument(text, &at, &one);) {
		*ret_more = *ret_more || str_search(one, S("...")) < one.n;
		n++;
		if (text.p[at - 1] == ')')
			break;
	}
	return n;
}

struct arity {
	int least, most;
};

/* Of the candidates, one a line, "\tupper(VARCHAR) -> VARCHAR". */
static struct arity arity_of(struct str text)
{
	struct arity a = {-1, -1};
	size_t at = str_find(text, '\n');

	while (at < text.n) {
		struct str rest = str_tail(text, at + 1), line = first_line(rest);
		size_t open = str_find(line, '(');
		bool more;
		int n;

		at += 1 + line.n;
		if (open == line.n || !line.n || line.p[0] != '\t')
			continue;
		n = count_arguments(line, open + 1, &more);
		a.least = a.least < 0 || n < a.least ? n : a.least;
		a.most = more ? INT32_MAX : n > a.most ? n : a.most;
	}
	return a;
}

/* How many arguments the call at the place has; -1 = not known. */
static int written_arguments(const struct error_case *k)
{
	const struct sql_tokens *t = k->tokens;
	int open = k->place.token + 1, n;

	if (!t || !k->place.known || open >= t->n || t->v[open].match <= open)
		return -1;
	n = t->v[open].match > open + 1;
	for (int i = open + 1; i < t->v[open].match; i++)
		n += t->v[i].depth == t->v[open].depth + 1 && t->v[i].kind == SQL_PUNCT && t->v[i].text.p[0] == ',';
	return n;
}

static void say_types(const struct row *r, struct str text, struct buf *out)
{
	size_t at = str_search(text, str_of(r->after)) + strlen(r->after);
	struct str rest = str_tail(text, at), one;
	bool first = true;

	at = str_find(rest, '(') + 1;
	buf_lit(out, ": (");
	while (at < rest.n && next_argument(rest, &at, &one)) {
		if (!first)
			buf_lit(out, ", ");
		put_type(one, out);
		first = false;
		if (rest.p[at - 1] == ')')
			break;
	}
	buf_addc(out, ')');
}

static void say_arguments(const struct error_case *k, const struct row *r, struct buf *out, struct error_said *ret)
{
	struct str name = name_in(r, k->text);
	struct arity a = arity_of(k->text);
	int got = written_arguments(k);
	bool few = got >= 0 && a.least >= 0 && got < a.least, many = got >= 0 && a.most >= 0 && got > a.most;

	buf_fmt(out, "SQL compilation error: error line %d at position %d\n", k->place.line, k->place.column);
	if (few || many) {
		snprintf(ret->native, sizeof(ret->native), "%s", few ? "000938" : "000939");
		snprintf(ret->sqlstate, sizeof(ret->sqlstate), "22023");
		buf_fmt(out, "%s arguments for function [", few ? "not enough" : "too many");
		put_call(k, name, out);
		buf_fmt(out, "], expected %d, got %d", few ? a.least : a.most, got);
		return;
	}
	buf_lit(out, "Invalid argument types for function '");
	put_upper(name, out);
	buf_addc(out, '\'');
	say_types(r, k->text, out);
}

/* --- set operations --- */

/* Items of the select list that begins behind token i; -1 = they cannot be counted. */
static int count_items(const struct sql_tokens *t, int i)
{
	int depth = t->v[i].depth, n = 1;

	for (i++; i < t->n && t->v[i].depth >= depth; i++) {
		const struct sql_token *token = &t->v[i];

		if (token->depth > depth)
			continue;
		if (token->kind == SQL_OPERATOR && str_eq(token->text, S("*")))
			return -1;
		if (sql_is(t, i, "from") || sql_is(t, i, "union") || sql_is(t, i, "except") ||
		    sql_is(t, i, "intersect") || sql_is(t, i, "minus"))
			break;
		n += token->kind == SQL_PUNCT && token->text.p[0] == ',';
	}
	return n;
}

static void put_branches(const struct error_case *k, struct buf *out)
{
	const struct sql_tokens *t = k->tokens;
	int first = -1, branch = 0;

	for (int i = 0; t && i < t->n; i++) {
		int n = sql_is(t, i, "select") && t->v[i].depth == 0 ? count_items(t, i) : 0;

		if (n < 0)
			return;
		branch += n > 0;
		if (n > 0 && first < 0)
			first = n;
		if (n == 0 || n == first)
			continue;
		buf_fmt(out, ", expected %d, got %d in branch {%d}", first, n, branch);
		return;
	}
}

/* --- sentences --- */

static void put_object(const struct error_case *k, struct buf *out)
{
	bool named = k->kind == SQL_DROP || k->kind == SQL_ALTER || k->kind == SQL_TRUNCATE || k->kind == SQL_COMMENT;
	size_t end = str_find(k->text, ' ');

	buf_add(out, named && end < k->text.n ? str_head(k->text, end) : S("Object"));
}

static void put_token(const struct error_case *k, const struct row *r, struct buf *out)
{
	if (k->tokens && k->place.known)
		buf_add(out, k->place.token < k->tokens->n ? k->tokens->v[k->place.token].text : S("<EOF>"));
	else
		buf_add(out, *r->after ? name_in(r, k->text) : S("<EOF>"));
}

/* The last word of the first line but for its '!', in upper case. */
static void put_last_word(struct str text, struct buf *out)
{
	struct str line = first_line(text);
	size_t at = line.n;

	while (at > 0 && line.p[at - 1] != ' ')
		at--;
	put_upper(str_tail(line, at), out);
}

/* "but 1 values": the number. */
static void put_second(struct str text, struct buf *out)
{
	struct str rest = str_tail(text, str_search(text, S(" but ")) + 5);

	buf_add(out, str_head(rest, str_find(rest, ' ')));
}

/* A query's cast of a number to fewer digits: "Could not cast value 1000 to DECIMAL(3,0)". */
static bool say_range(const struct error_case *k, struct buf *out, struct error_said *ret)
{
	static const char mark[] = " to DECIMAL";
	size_t at = str_search(k->text, str_of(mark));
	struct str type = first_line(str_tail(k->text, at + sizeof(mark) - 1)), digits = str_tail(type, 1);
	int64_t precision;

	if (k->kind != SQL_SELECT || at == k->text.n || !str_starts(k->text, S("Could not cast value ")) ||
	    !str_to_i64(str_head(digits, str_find(digits, ',')), &precision))
		return false;
	buf_fmt(out, "Number out of representable range: type FIXED[SB%d]%.*s{not null}, value %.*s",
		precision <= 2 ? 1 : precision <= 4 ? 2 : precision <= 9 ? 4 : precision <= 18 ? 8 : 16, SARG(type),
		SARG(behind(k->text, "cast value ", ' ')));
	*ret = (struct error_said){.native = "100046", .sqlstate = "22003"};
	return true;
}

/* [+-] digits [. digits] [e [+-] digits] */
static bool is_number(struct str s)
{
	bool any = false, point = false;
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+');
	int64_t exponent;

	for (; i < s.n && (ascii_digit(s.p[i]) || (s.p[i] == '.' && !point)); i++) {
		point = point || s.p[i] == '.';
		any = any || s.p[i] != '.';
	}
	if (i == s.n || ascii_upper(s.p[i]) != 'E')
		return any && i == s.n;
	i += 1 + (i + 1 < s.n && s.p[i + 1] == '+');
	return any && str_to_i64(str_tail(s, i), &exponent);
}

/* A text is a number, but one of more digits than the type has: "Could not convert string "1000" to DECIMAL(3,0)". */
static bool say_digits(const struct error_case *k, struct buf *out, struct error_said *ret)
{
	static const char mark[] = "Could not convert string ";
	struct str line = first_line(k->text), text = str_tail(line, sizeof(mark));
	size_t end;

	if (!str_starts(line, S(mark)) || text.n == 0)
		return false;
	end = str_find(text, line.p[sizeof(mark) - 1]);
	if (!is_number(str_trim(str_head(text, end))) || str_search(str_tail(text, end), S(" to DOUBLE")) < text.n - end)
		return false;
	buf_fmt(out, "Numeric value '%.*s' is out of range", SARG(str_head(text, end)));
	*ret = (struct error_said){.native = "100039", .sqlstate = "22003"};
	return true;
}

/* "Overflow in addition of DECIMAL(38) (1 + 2). You might …": its digits have no point, nor does DuckDB tell where one is. */
static bool say_overflow(const struct error_case *k, struct buf *out, struct error_said *ret)
{
	struct str line = first_line(k->text), operands = str_tail(line, str_search(line, S(" (")));

	if (!str_starts(line, S("Overflow in ")) || str_search(line, S(" of ")) == line.n)
		return false;
	buf_lit(out, "Number out of representable range: type FIXED[SB16](38,0){nullable}");
	if (operands.n > 2)
		buf_fmt(out, ", value %.*s", SARG(str_head(str_tail(operands, 2), str_find(str_tail(operands, 2), ')'))));
	*ret = (struct error_said){.native = "100046", .sqlstate = "22003"};
	return true;
}

static void put_field(const struct error_case *k, const struct row *r, char field, struct buf *out)
{
	switch (field) {
	case 'N':
		buf_add(out, name_in(r, k->text));
		break;
	case 'U':
		put_upper(name_in(r, k->text), out);
		break;
	case 'I':
		put_identifier(k, name_in(r, k->text), out);
		break;
	case 'P':
		buf_fmt(out, "error line %d at position %d", k->place.line, k->place.column);
		break;
	case 'L':
		buf_i64(out, k->place.line);
		break;
	case 'C':
		buf_i64(out, k->place.column);
		break;
	case 'T':
		put_token(k, r, out);
		break;
	case 'F':
		buf_add(out, first_line(k->text));
		break;
	case 'M':
		put_last_word(k->text, out);
		break;
	case '2':
		put_second(k->text, out);
		break;
	case 'O':
		put_object(k, out);
		break;
	case 'S':
		put_call(k, S("expression"), out);
		break;
	case 'B':
		put_branches(k, out);
		break;
	case 'H':
		buf_add(out, k->handle);
		break;
	default:
		INVARIANT(!"a field that is none");
	}
}

void error_say(const struct error_case *k, struct buf *out, struct error_said *ret)
{
	const struct row *r = row_of(k->class, k->text);

	if (say_range(k, out, ret) || say_digits(k, out, ret) || say_overflow(k, out, ret))
		return;
	snprintf(ret->native, sizeof(ret->native), "%s", r->native);
	snprintf(ret->sqlstate, sizeof(ret->sqlstate), "%s", r->sqlstate);
	if (!*r->sentence)
		say_arguments(k, r, out, ret);
	for (const char *p = r->sentence; *p; p++) {
		if (*p != '{') {
			buf_addc(out, *p);
			continue;
		}
		put_field(k, r, p[1], out);
		p += 2;
	}
}
