/* errors.c - an engine's error in the words of both surfaces.
 *
 * Natively a client sees DuckDB's own text. On /api/v2 the error's class and
 * text choose a row of `rows` below: Snowflake's code, SQLSTATE and sentence.
 * Source: the specification, sections 9.1 and 9.2.
 */
#include "statement/statement_int.h"

#include <stdio.h>

/* --- building --- */

static struct stmt_error *error_new(enum err_kind kind, struct str text, struct str snowflake)
{
	struct stmt_error *e = base_zalloc(sizeof(*e) + text.n + snowflake.n);
	char *at = (char *)(e + 1);

	e->kind = kind;
	memcpy(at, text.p, text.n);
	memcpy(at + text.n, snowflake.p, snowflake.n);
	e->text = str_from(at, text.n);
	e->snowflake = str_from(at + text.n, snowflake.n);
	return e;
}

static void set_codes(struct stmt_error *e, const char *sqlstate, const char *native)
{
	snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", sqlstate);
	snprintf(e->native, sizeof(e->native), "%s", native);
}

/* What sql/ says is in Snowflake's words; natively its prefix says nothing. */
static struct str without_prefix(struct str text)
{
	struct str prefix = S("SQL compilation error:");

	return str_starts(text, prefix) ? str_trim(str_tail(text, prefix.n)) : text;
}

struct stmt_error *stmt_error_of_call(const struct call *c)
{
	const struct err *err = &c->err;
	bool gate = err->kind == ERR_NOT_ALLOWED && !err->native[0];
	struct buf sf = {0};
	struct stmt_error *e;

	buf_fmt(&sf, "%s%s", gate ? "SQL compilation error:\nUnsupported feature: " : "", err->text);
	e = error_new(err->kind, without_prefix(str_of(err->text)), buf_str(&sf));
	e->position = err->position;
	set_codes(e, gate ? "0A000" : err->sqlstate, gate ? "000002" : err->native);
	buf_drop(&sf);
	return e;
}

enum { SHOWN_STATEMENT = 30 }; /* characters of the statement that failed */

static struct str shown_head(struct str text, bool *ret_cut)
{
	size_t at = 0;

	for (int chars = 0; at < text.n; at++)
		if (((unsigned char)text.p[at] & 0xC0) != 0x80 && ++chars > SHOWN_STATEMENT)
			break;
	*ret_cut = at < text.n;
	return str_head(text, at);
}

/* The sentence of the service's own procedure that runs scripts. */
struct stmt_error *stmt_error_of_child(const struct stmt_error *inner, struct str script, size_t at, struct str text)
{
	OWNS(buf) sf = {0};
	OWNS(buf) native = {0};
	int line, column;
	bool cut;
	struct str head = shown_head(text, &cut);
	struct stmt_error *e;

	sql_line_column(script, at, &line, &column);
	buf_fmt(&sf, "JavaScript execution error: Uncaught Execution of multiple statements failed on statement \"%.*s%s\""
		     " (at line %d, position %d).\n%.*s in SYSTEM$MULTISTMT at '    throw `Execution of multiple statements failed on"
		     " statement {0} (at line {1}, position {2}).`.replace('{1}', LINES[i])' position 4\nstackstrace: \n"
		     "SYSTEM$MULTISTMT line: 10",
		SARG(head), cut ? "..." : "", line, column - 1, SARG(inner->snowflake));
	buf_fmt(&native, "the statement at line %d, column %d failed: %.*s", line, column, SARG(inner->text));
	e = error_new(inner->kind, buf_str(&native), buf_str(&sf));
	e->position = (int)at + (inner->position ? inner->position : 1);
	set_codes(e, "P0000", "100132");
	return e;
}

struct stmt_error *stmt_error_simple(enum err_kind kind, int64_t timeout_ms)
{
	struct buf text = {0};
	struct stmt_error *e;

	if (kind == ERR_RESULT_TOO_LARGE) {
		e = error_new(kind, S("the result is larger than max_result_size_mb allows"),
			      S("The result set size exceeded the maximum number of bytes allowed."));
		set_codes(e, "54000", "391908");
		return e;
	}
	if (kind == ERR_STATEMENT_TIMEOUT)
		buf_fmt(&text, "Statement reached its statement or warehouse timeout of %lld second(s) and was canceled.",
			(long long)((timeout_ms + 999) / 1000));
	else
		buf_lit(&text, "SQL execution canceled");
	e = error_new(kind, buf_str(&text), buf_str(&text));
	set_codes(e, "57014", kind == ERR_STATEMENT_TIMEOUT ? "000630" : "000604");
	buf_drop(&text);
	return e;
}

struct stmt_error *stmt_error_of_store(enum err_kind kind, struct str text)
{
	struct stmt_error *e = error_new(kind, text, text);

	set_codes(e, "XX000", "000603");
	return e;
}

struct stmt_error *stmt_error_copy(const struct stmt_error *e)
{
	struct stmt_error *copy;

	if (!e)
		return NULL;
	copy = error_new(e->kind, e->text, e->snowflake);
	set_codes(copy, e->sqlstate, e->native);
	copy->position = e->position;
	return copy;
}

/* --- what DuckDB's texts mean --- */

enum shape {
	PLAIN,       /* the first line */
	COMPILE,     /* "SQL compilation error:" and the first line */
	SYNTAX, OBJECT, EXISTS, IDENTIFIER, FUNCTION,
	NUMERIC, BOOLEAN_VALUE, DATE_VALUE, TIMESTAMP_VALUE,
	FIXED_TEXT,  /* `after` is the whole text */
};
static const struct row {
	const char *class, *holds; /* "" = any */
	const char *native, *sqlstate;
	enum shape shape;
	const char *after;         /* the name starts behind this … */
	char until;                /* … and ends here */
} rows[] = {
	{"Parser", "syntax error at end of input", "001003", "42000", SYNTAX, "", 0},
	{"Parser", "syntax error at or near", "001003", "42000", SYNTAX, "near \"", '"'},
	{"Parser", "", "001003", "42000", COMPILE, "", 0},
	{"Catalog", "Scalar Function with name", "002140", "42601", FUNCTION, "with name ", ' '},
	{"Catalog", "Table Function with name", "002140", "42601", FUNCTION, "with name ", ' '},
	{"Catalog", "Aggregate Function with name", "002140", "42601", FUNCTION, "with name ", ' '},
	{"Catalog", "already exists", "002002", "42710", EXISTS, "with name \"", '"'},
	{"Catalog", "SET schema", "002043", "02000", COMPILE, "", 0},
	{"Catalog", "does not exist", "002003", "42S02", OBJECT, "with name ", ' '},
	{"Catalog", "", "002003", "42S02", COMPILE, "", 0},
	{"Binder", "must appear in the GROUP BY", "000979", "42601", COMPILE, "", 0},
	{"Binder", "Ambiguous reference to column", "002028", "42601", COMPILE, "", 0},
	{"Binder", "columns but", "002020", "21S01", COMPILE, "", 0},
	{"Binder", "No function matches", "001044", "42P13", COMPILE, "", 0},
	{"Binder", "Referenced column", "000904", "42000", IDENTIFIER, "column \"", '"'},
	{"Binder", "Referenced update column", "000904", "42000", IDENTIFIER, "column ", ' '},
	{"Binder", "does not have a column", "000904", "42000", IDENTIFIER, "named \"", '"'},
	{"Binder", "cannot be referenced before it is defined", "000904", "42000", IDENTIFIER, "Column \"", '"'},
	{"Binder", "Referenced table", "000904", "42000", IDENTIFIER, "table \"", '"'},
	{"Binder", "", "001003", "42000", COMPILE, "", 0},
	{"Bind", "", "002049", "42601", COMPILE, "", 0},
	{"", "Malformed JSON", "100069", "22P02", PLAIN, "", 0},
	{"", "Invalid bind value", "002086", "22000", COMPILE, "", 0}, /* an empty value */
	{"Conversion", "to BOOL", "100037", "22018", BOOLEAN_VALUE, "string '", '\''},
	{"Conversion", "date field", "100040", "22007", DATE_VALUE, "\"", '"'},
	{"Conversion", "timestamp field", "100035", "22007", TIMESTAMP_VALUE, "\"", '"'},
	{"Conversion", "out of range", "100039", "22003", PLAIN, "", 0},
	{"Conversion", "Could not cast value", "100039", "22003", PLAIN, "", 0},
	{"Conversion", "Could not convert string \"", "100038", "22018", NUMERIC, "string \"", '"'},
	{"Conversion", "Could not convert string", "100038", "22018", NUMERIC, "string '", '\''},
	{"Conversion", "", "100038", "22018", PLAIN, "", 0},
	{"Out of Range", "", "100039", "22003", PLAIN, "", 0},
	{"", "Division by zero", "100051", "22012", FIXED_TEXT, "Division by zero", 0},
	{"", "More than one row returned by a subquery", "090150", "22000", FIXED_TEXT,
	 "Single-row subquery returns more than one row.", 0},
	{"Constraint", "NOT NULL constraint failed", "100072", "22000", FIXED_TEXT, "NULL result in a non-nullable column", 0},
	{"Constraint", "", "100072", "22000", PLAIN, "", 0},
	{"TransactionContext", "", "000625", "57014", PLAIN, "", 0},
	{"Not implemented", "", "000002", "0A000", PLAIN, "", 0},
	{"Permission", "", "003001", "42501", PLAIN, "", 0},
	{"Invalid Input", "Unknown time zone", "001008", "22023", COMPILE, "", 0},
	{"Invalid Input", "", "100132", "P0000", PLAIN, "", 0},
	{"", "", "000603", "XX000", PLAIN, "", 0},
};

static bool holds(struct str s, const char *part)
{
	return !*part || str_search(s, str_of(part)) < s.n;
}

static const struct row *row_of(struct str class, struct str text)
{
	const struct row *r = rows;

	while ((*r->class && !str_eq(class, str_of(r->class))) || !holds(text, r->holds))
		r++;
	return r;
}

static struct str name_in(const struct row *r, struct str text)
{
	size_t at = str_search(text, str_of(r->after));
	struct str rest;

	if (!*r->after || at == text.n)
		return S("");
	rest = str_tail(text, at + strlen(r->after));
	rest = str_head(rest, str_find(rest, r->until));
	if (rest.n > 1 && rest.p[rest.n - 1] == '!')
		rest.n--;
	if (rest.n > 2 && rest.p[0] == '"' && rest.p[rest.n - 1] == '"')
		rest = str_from(rest.p + 1, rest.n - 2);
	return rest;
}

static struct str first_line(struct str text)
{
	return str_head(text, str_find(text, '\n'));
}

/* --- places --- */

struct place {
	size_t at;        /* byte in the client's text */
	int line, column; /* from 1; from 0 */
	struct str token; /* what stands there, as written */
	bool known;
};

/* Where the client wrote this name; -1 = nowhere. */
static int64_t position_of_name(struct call *c, const struct sql_tokens *t, struct str name)
{
	for (int i = 0; i < t->n && name.n; i++) {
		const struct sql_token *token = &t->v[i];

		if ((token->kind == SQL_WORD || token->kind == SQL_QUOTED) &&
		    str_ieq(sql_name_of(c->arena, t->dialect, token), name))
			return (int64_t)token->at;
	}
	return -1;
}

/* An offset in the text that ran, carried back to the client's. */
static int64_t source_position(struct stmt *st, int64_t position)
{
	int64_t at;

	stmt_lock(st);
	at = st->run ? stmt_origin(st->run->origins, position) : -1;
	stmt_unlock(st);
	return at;
}

static bool find_place(struct call *c, struct stmt *st, int64_t position, struct str name, struct place *ret)
{
	struct sql_tokens t;
	size_t at;

	if (!sql_lex(c, st->snowflake ? SQL_SNOWFLAKE : SQL_DUCKDB, stmt_sql(st), &t))
		return false;
	position = source_position(st, position);
	if (position < 0)
		position = position_of_name(c, &t, name);
	if (position < 0 || (size_t)position > st->sql_n) /* a worker's word */
		return false;
	at = (size_t)position;
	*ret = (struct place){.at = at, .token = S("<EOF>"), .known = true};
	for (int i = 0; i < t.n; i++) {
		if (t.v[i].at + t.v[i].text.n <= at)
			continue;
		ret->token = t.v[i].text;
		break;
	}
	sql_line_column(stmt_sql(st), at, &ret->line, &ret->column);
	ret->column--;
	return true;
}

/* --- sentences --- */

static void say_value(struct buf *b, const char *what, struct str name)
{
	buf_fmt(b, "%s value '%.*s' is not recognized", what, SARG(name));
}

static void say(struct buf *b, const struct row *r, struct str text, const struct place *p)
{
	struct str name = name_in(r, text), line = first_line(text);
	enum shape shape = r->shape;

	if ((shape == OBJECT || shape == EXISTS || shape == IDENTIFIER || shape == FUNCTION) && !name.n)
		shape = COMPILE;
	switch (shape) {
	case SYNTAX:
		buf_fmt(b, "SQL compilation error:\nsyntax error line %d at position %d unexpected '%.*s'.", p->line, p->column,
			SARG(p->token));
		break;
	case OBJECT:
		buf_fmt(b, "SQL compilation error:\nObject '%.*s' does not exist or not authorized.", SARG(name));
		break;
	case EXISTS:
		buf_fmt(b, "SQL compilation error:\nObject '%.*s' already exists.", SARG(name));
		break;
	case IDENTIFIER:
		buf_fmt(b, "SQL compilation error: error line %d at position %d\ninvalid identifier '%.*s'", p->line, p->column,
			SARG(name));
		break;
	case FUNCTION:
		buf_lit(b, "SQL compilation error:\nUnknown function ");
		for (size_t i = 0; i < name.n; i++)
			buf_addc(b, ascii_upper(name.p[i]));
		buf_addc(b, '.');
		break;
	case NUMERIC:
		say_value(b, "Numeric", name);
		break;
	case BOOLEAN_VALUE:
		say_value(b, "Boolean", name);
		break;
	case DATE_VALUE:
		say_value(b, "Date", name);
		break;
	case TIMESTAMP_VALUE:
		say_value(b, "Timestamp", name);
		break;
	case FIXED_TEXT:
		buf_add(b, str_of(r->after));
		break;
	case COMPILE:
		buf_fmt(b, "SQL compilation error:\n%.*s", SARG(line));
		break;
	case PLAIN:
		buf_add(b, line);
		break;
	}
}

/* Does the text begin with the name of a catalog, and not with the longer one of a table? */
static bool is_catalog(struct str text)
{
	return sql_is_catalog(text) && (text.n == SQL_CATALOG_LEN || text.p[SQL_CATALOG_LEN] != '_');
}

/* A session's catalog has a name that no client ever writes: in texts it is `mutable`, as on the wire. */
static struct str without_catalogs(struct buf *b, struct str text)
{
	size_t at;

	while ((at = str_search(text, S(SQL_EPHEMERAL))) < text.n) {
		struct str rest = str_tail(text, at);
		bool found = is_catalog(rest);
		bool quoted = found && at > 0 && text.p[at - 1] == '"' && rest.n > SQL_CATALOG_LEN && rest.p[SQL_CATALOG_LEN] == '"';

		buf_add(b, str_head(text, quoted ? at - 1 : at));
		buf_add(b, found ? S("mutable") : S(SQL_EPHEMERAL));
		text = str_tail(rest, found ? (size_t)SQL_CATALOG_LEN + quoted : sizeof(SQL_EPHEMERAL) - 1);
	}
	buf_add(b, text);
	return buf_str(b);
}

static struct stmt_error *bad_bind(const struct engine_end *end)
{
	struct buf b = {0};
	struct stmt_error *e;

	buf_fmt(&b, "SQL compilation error:\nInvalid bind value (%.*s) for type (%.*s).", SARG(end->bad_bind), SARG(end->class));
	e = error_new(ERR_SQL, without_prefix(buf_str(&b)), buf_str(&b));
	set_codes(e, "22000", "002086");
	buf_drop(&b);
	return e;
}

/* What our own SQL raises (SHOW, DESCRIBE, the helper catalog): "SF 002043/02000 words". */
enum { OWN_STATE = 10, OWN_TEXT = 16 };

static bool is_own(const struct engine_end *end)
{
	struct str t = end->text;
	bool ok = str_eq(end->class, S("Invalid Input")) && t.n > OWN_TEXT && str_starts(t, S("SF ")) && t.p[OWN_STATE - 1] == '/' &&
		  t.p[OWN_TEXT - 1] == ' ';

	for (int i = 3; ok && i < OWN_STATE - 1; i++)
		ok = ascii_digit(t.p[i]);
	for (int i = OWN_STATE; ok && i < OWN_TEXT - 1; i++)
		ok = ascii_digit(t.p[i]) || (t.p[i] >= 'A' && t.p[i] <= 'Z');
	return ok;
}

static struct stmt_error *own_error(const struct engine_end *end)
{
	struct str words = first_line(str_tail(end->text, OWN_TEXT));
	struct buf b = {0};
	struct stmt_error *e;

	buf_fmt(&b, "SQL compilation error:\n%.*s", SARG(words));
	e = error_new(ERR_SQL, words, buf_str(&b));
	memcpy(e->native, end->text.p + 3, 6);
	memcpy(e->sqlstate, end->text.p + OWN_STATE, 5);
	buf_drop(&b);
	return e;
}

static struct stmt_error *sql_error(struct stmt *st, const struct engine_end *end)
{
	const struct row *r = row_of(end->class, end->text);
	struct place place = {.line = 1, .token = S("<EOF>")};
	OWNS(arena) a = {0};
	struct buf b = {0};
	struct stmt_error *e;
	struct call c;

	call_open(&c, &a);
	if (!find_place(&c, st, end->position, r->shape == IDENTIFIER ? name_in(r, end->text) : S(""), &place) &&
	    r->shape == SYNTAX && r->until)
		place.token = name_in(r, end->text);
	say(&b, r, end->text, &place);
	e = error_new(ERR_SQL, end->text, buf_str(&b));
	e->position = place.known ? (int)place.at + 1 : 0;
	set_codes(e, r->sqlstate, r->native);
	buf_drop(&b);
	return e;
}

/* BEGIN where a transaction is open, and COMMIT or ROLLBACK where none is, change nothing. */
static bool is_open_or_not(const struct stmt *st, const struct engine_end *end)
{
	if (!st->snowflake || !str_eq(end->class, S("TransactionContext")))
		return false;
	if (st->kind == SQL_BEGIN)
		return holds(end->text, "within a transaction");
	return (st->kind == SQL_COMMIT || st->kind == SQL_ROLLBACK) && holds(end->text, "no transaction is active");
}

bool stmt_error_is_forgiven(const struct stmt *st, const struct engine_end *end)
{
	struct str native;

	if (end->outcome != ENGINE_FAILED)
		return false;
	native = str_of(row_of(end->class, end->text)->native);
	return (st->may_be_missing && str_eq(native, S("002003"))) || (st->may_be_there && str_eq(native, S("002002"))) ||
	       is_open_or_not(st, end);
}

static struct stmt_error *error_of(struct stmt *st, const struct engine_end *end)
{
	struct stmt_error *e;

	switch (end->outcome) {
	case ENGINE_INTERRUPTED:
		return stmt_error_simple(ERR_CANCELED, 0);
	case ENGINE_TOO_LARGE:
		return stmt_error_simple(ERR_RESULT_TOO_LARGE, 0);
	case ENGINE_LOST:
		e = error_new(ERR_ENGINE_LOST, end->text, S("The statement ended because its engine worker ended."));
		set_codes(e, "XX000", "000603");
		return e;
	case ENGINE_GONE:
		return error_new(ERR_SESSION_CLOSED, end->text, S("The session of the statement has ended."));
	case ENGINE_FULL:
		return error_new(ERR_QUOTA, end->text, end->text);
	case ENGINE_OK:
	case ENGINE_FAILED:
		break;
	}
	if (is_own(end))
		return own_error(end);
	return end->bad_bind.n ? bad_bind(end) : sql_error(st, end);
}

struct stmt_error *stmt_error_of_engine(struct stmt *st, const struct engine_end *end)
{
	struct engine_end shown = *end;
	OWNS(buf) text = {0};

	shown.text = without_catalogs(&text, end->text);
	return error_of(st, &shown);
}
