/* errors.c - an engine's error in the words of both surfaces.
 *
 * Natively a client sees DuckDB's own text; what /api/v2 says of it is in
 * error_rows.c. Here: places in the client's text, and errors that are no SQL's.
 * Source: the specification, sections 9.1 and 9.2.
 */
#include "statement/errors_int.h"

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

	if (inner->kind == ERR_QUOTA || inner->kind == ERR_TOO_MANY) /* nothing of it was tried: "Too many requests" */
		return stmt_error_copy(inner);
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

/* --- places --- */

/* Where the client wrote this name, from a byte of the text on; -1 = nowhere. */
static int64_t position_of_name(struct call *c, const struct sql_tokens *t, struct str name, size_t from)
{
	for (int i = 0; i < t->n && name.n; i++) {
		const struct sql_token *token = &t->v[i];

		if (token->at >= from && (token->kind == SQL_WORD || token->kind == SQL_QUOTED) &&
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

/* What an error is of: a place in the client's text, -1 where it is not known, and where its statement begins. */
struct source {
	int64_t position;
	size_t from;
};

static bool find_place(struct call *c, struct stmt *st, const struct source *source, struct error_case *k)
{
	const struct sql_tokens *t = k->tokens;
	struct error_place *p = &k->place;
	int64_t position = source->position;

	if (position < 0)
		position = position_of_name(c, t, error_name(k->class, k->text), source->from);
	if (position < 0)
		return false;
	p->at = (size_t)position > st->sql_n ? st->sql_n : (size_t)position;
	while (p->token < t->n && t->v[p->token].at + t->v[p->token].text.n <= p->at)
		p->token++;
	if (p->token < t->n && t->v[p->token].at > p->at) /* what we wrote stands between two of the client's */
		p->at = t->v[p->token].at;
	sql_line_column(stmt_sql(st), p->at, &p->line, &p->column);
	p->column--;
	p->known = true;
	return true;
}

/* --- a session's catalog --- */

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

/* What our own SQL and functions raise: "SF 002043/02000 words"; codes of 00… are of a compilation. */
enum { OWN_STATE = 10, OWN_TEXT = 16 };

static bool is_own(const struct engine_end *end)
{
	struct str t = end->text;
	bool ok = t.n > OWN_TEXT && str_starts(t, S("SF ")) && t.p[OWN_STATE - 1] == '/' &&
		  t.p[OWN_TEXT - 1] == ' ';

	for (int i = 3; ok && i < OWN_STATE - 1; i++)
		ok = ascii_digit(t.p[i]);
	for (int i = OWN_STATE; ok && i < OWN_TEXT - 1; i++)
		ok = ascii_digit(t.p[i]) || (t.p[i] >= 'A' && t.p[i] <= 'Z');
	return ok;
}

static struct stmt_error *own_error(const struct engine_end *end)
{
	struct str words = str_tail(end->text, OWN_TEXT);
	struct buf b = {0};
	struct stmt_error *e;

	words = str_head(words, str_find(words, '\n'));
	buf_fmt(&b, "%s%.*s", str_starts(str_tail(end->text, 3), S("00")) ? "SQL compilation error:\n" : "", SARG(words));
	e = error_new(ERR_SQL, words, buf_str(&b));
	memcpy(e->native, end->text.p + 3, 6);
	memcpy(e->sqlstate, end->text.p + OWN_STATE, 5);
	buf_drop(&b);
	return e;
}

static struct stmt_error *sql_error(struct stmt *st, const struct engine_end *end, const struct source *source)
{
	struct error_case k = {.class = end->class, .text = end->text, .place = {.line = 1}, .kind = (enum sql_kind)st->kind,
			       .handle = stmt_handle(st)};
	OWNS(arena) a = {0};
	struct error_said said = {0};
	struct sql_tokens t;
	struct buf b = {0};
	struct stmt_error *e;
	struct call c;

	call_open(&c, &a);
	k.c = &c;
	k.tokens = sql_lex(&c, st->snowflake ? SQL_SNOWFLAKE : SQL_DUCKDB, stmt_sql(st), &t) ? &t : NULL;
	if (!k.tokens || !find_place(&c, st, source, &k))
		k.place.known = false;
	error_say(&k, &b, &said);
	e = error_new(ERR_SQL, end->text, buf_str(&b));
	e->position = k.place.known ? (int)k.place.at + 1 : 0;
	set_codes(e, said.sqlstate, said.native);
	buf_drop(&b);
	return e;
}

/* BEGIN where a transaction is open, and COMMIT or ROLLBACK where none is, change nothing. */
static bool holds(struct str s, const char *part)
{
	return str_search(s, str_of(part)) < s.n;
}

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
	native = str_of(error_native(end->class, end->text));
	return (st->may_be_missing && str_eq(native, S("002003"))) || (st->may_be_there && str_eq(native, S("002002"))) ||
	       is_open_or_not(st, end);
}

/* What the statement would use is not there. */
static struct stmt_error *nowhere(const struct stmt *st, const struct engine_end *end)
{
	bool needs = st->kind != SQL_USE && end->nowhere && st->kind >= SQL_CREATE && st->kind <= SQL_COMMENT;
	struct buf b = {0};
	struct stmt_error *e;

	if (needs)
		buf_fmt(&b, "Cannot perform %s. This session does not have a current database. Set the field `database` of the request, or the"
			    " DEFAULT_NAMESPACE of the user.", sql_kind_name((enum sql_kind)st->kind));
	else
		buf_lit(&b, "SQL compilation error:\nObject does not exist, or operation cannot be performed.");
	e = error_new(ERR_SQL, end->text.n ? end->text : without_prefix(buf_str(&b)), buf_str(&b));
	set_codes(e, needs ? "22000" : "02000", needs ? "391918" : "002043");
	buf_drop(&b);
	return e;
}

static struct stmt_error *error_of(struct stmt *st, const struct engine_end *end, const struct source *source)
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
	if (end->nowhere || st->kind == SQL_USE)
		return nowhere(st, end);
	if (is_own(end))
		return own_error(end);
	return end->bad_bind.n ? bad_bind(end) : sql_error(st, end, source);
}

struct stmt_error *stmt_error_of_engine(struct stmt *st, const struct engine_end *end)
{
	return stmt_error_at(st, end, source_position(st, end->position), 0);
}

struct stmt_error *stmt_error_at(struct stmt *st, const struct engine_end *end, int64_t position, size_t from)
{
	const struct source source = {position, from};
	struct engine_end shown = *end;
	OWNS(buf) text = {0};

	shown.text = without_catalogs(&text, end->text);
	return error_of(st, &shown, &source);
}
