/* show.c - SHOW, DESCRIBE and DESC as SELECTs over the table macros of helper_metadata.def.
 *
 * The text that comes out is ours and reads the catalog, so it is not for the gate: names and patterns of the client
 * are literals in it. An object that is not there is an error that the text itself raises, "SF <code>/<sqlstate> <words>"
 * (statement/errors.c reads it). Not here: DESCRIBE of a SELECT, which is DuckDB's.
 */
#include "sql/rewrite_int.h"

enum level { ACCOUNT, DATABASE, SCHEMA, TABLE };
enum { NAME_SHOWN = 255 }; /* bytes of a part of a name, in messages */

static const struct kind {
	const char *words[2];
	const char *source;      /* what to read; %d and %s stand for the current database and schema, %w, %r, %u and %n for the
				  * warehouse, role, user and session */
	enum level level;        /* of what it is within: the usual scope */
	bool bare_table;         /* IN x names a table, else a schema, of schemas a database */
	bool terse, history;     /* has fewer columns, has one more */
	const char *left_out;    /* columns for TERSE only */
} kinds[] = {
	{{"tables"}, "sf_show_tables(%d, %s)", SCHEMA, false, true, true, ""},
	{{"objects"}, "sf_show_objects(%d, %s)", SCHEMA, false, true, false, ""},
	{{"views"}, "sf_show_views(%d, %s)", SCHEMA, false, true, false, ", \"kind\""},
	{{"schemas"}, "sf_show_schemas(%d, %s)", DATABASE, false, true, true, ", \"kind\", \"schema_name\""},
	{{"databases"}, "sf_show_databases(%d, %s)", ACCOUNT, false, true, true, ", \"database_name\", \"schema_name\""},
	{{"columns"}, "sf_show_columns(%d, %s)", SCHEMA, true, false, false, ""},
	{{"primary", "keys"}, "sf_show_keys(%d, %s, 'PRIMARY KEY')", SCHEMA, true, false, false, ""},
	{{"unique", "keys"}, "sf_show_keys(%d, %s, 'UNIQUE')", SCHEMA, true, false, false, ""},
	{{"imported", "keys"}, "sf_show_foreign_keys(%d, %s)", SCHEMA, true, false, false, ""},
	{{"exported", "keys"}, "sf_show_exported_keys(%d, %s)", SCHEMA, true, false, false, ""},
	{{"sequences"}, "sf_show_sequences(%d, %s)", SCHEMA, false, false, false, ""},
	{{"stages"}, "sf_show_stages(%d, %s)", SCHEMA, false, false, false, ""},
	{{"functions"}, "sf_show_functions(%d, %s)", SCHEMA, false, false, false, ""},
	{{"user", "functions"}, "sf_show_functions(%d, %s)", SCHEMA, false, false, false, ""},
	{{"procedures"}, "sf_show_procedures(%d, %s)", SCHEMA, false, false, false, ""},
	{{"user", "procedures"}, "sf_show_procedures(%d, %s)", SCHEMA, false, false, false, ""},
	{{"users"}, "sf_show_users(%u)", ACCOUNT, false, false, false, ""},
	{{"warehouses"}, "sf_show_warehouses(%w)", ACCOUNT, false, false, false, ""},
	{{"roles"}, "sf_show_roles(%r)", ACCOUNT, false, false, false, ""},
	{{"parameters"}, "sf_show_parameters()", ACCOUNT, false, false, false, ""},
	{{"variables"}, "sf_show_variables(%n)", ACCOUNT, false, false, false, ""},
	{{"transactions"}, "sf_show_transactions()", ACCOUNT, false, false, false, ""},
};

/* The five columns of our own are behind none of these. */
#define OWN "\"=db\", \"=schema\", \"=table\", \"=at\", \"=name\""
#define TERSE "\"created_on\", \"name\", \"kind\", \"database_name\", \"schema_name\""

struct show {
	struct call *c;
	const struct sql_tokens *t;
	const struct sql_context *x;
	struct sql_span s;
	int at;                       /* the token to read next */
	const struct kind *kind;
	bool terse, history;
	enum level level;             /* of the scope */
	struct str database, schema, table; /* of the scope, down to its level; empty = any */
	struct str written;           /* its name, as it was given, unquoted */
	struct str like, starts, from; /* p NULL: not asked */
	int64_t limit;                /* -1 = none */
	struct buf out;
};

/* --- reading --- */

static bool more(const struct show *w)
{
	return w->at < w->s.to;
}

static bool take(struct show *w, const char *word)
{
	if (!more(w) || !sql_is(w->t, w->at, word))
		return false;
	w->at++;
	return true;
}

static bool unexpected(struct show *w)
{
	const struct sql_token *k = &w->t->v[w->at];

	return syntax_error(w->c, w->t->text, k->at, more(w) ? k->text : S("<EOF>"));
}

static struct str upper(const struct show *w, struct str s)
{
	char *copy = arena_cstr(w->c->arena, s);

	for (size_t i = 0; i < s.n; i++)
		copy[i] = ascii_upper(copy[i]);
	return str_from(copy, s.n);
}

static bool take_text(struct show *w, struct str *ret)
{
	if (!more(w) || w->t->v[w->at].kind != SQL_STRING)
		return unexpected(w);
	*ret = string_value(w->c->arena, SQL_SNOWFLAKE, w->t->v[w->at++].text);
	return true;
}

static struct str current_database(const struct show *w)
{
	return w->x->database.n ? w->x->database : S("MAYFLY");
}

static struct str current_schema(const struct show *w)
{
	return w->x->schema.n ? w->x->schema : S("PUBLIC");
}

/* The words that begin a clause are no names of a scope. */
static bool at_name(const struct show *w)
{
	static const char *const clauses[] = {"like", "starts", "limit", "history", NULL};

	return more(w) && is_name(&w->t->v[w->at]) && !word_in(&w->t->v[w->at], clauses);
}

/* A dotted name of at most three parts, unquoted; the last one is at ret[2]. */
static bool take_name(struct show *w, struct str ret[3])
{
	int n = 0;

	for (int i = 0; i < 3; i++)
		ret[i] = S("");
	do {
		if (n == 3 || !more(w) || !is_name(&w->t->v[w->at]))
			return unexpected(w);
		ret[0] = ret[1];
		ret[1] = ret[2];
		ret[2] = sql_name_of(w->c->arena, SQL_SNOWFLAKE, &w->t->v[w->at++]);
		n++;
	} while (more(w) && is_punct(&w->t->v[w->at], '.') && w->at++ >= 0);
	w->written = arena_fmt(w->c->arena, "%.*s%s%.*s%s%.*s", SARG(str_head(ret[0], NAME_SHOWN)), n > 2 ? "." : "",
			       SARG(str_head(ret[1], NAME_SHOWN)), n > 1 ? "." : "", SARG(str_head(ret[2], NAME_SHOWN)));
	return true;
}

static void set_scope(struct show *w, enum level level, struct str database, struct str schema, struct str table)
{
	if (w->x->session_catalog.n && str_ieq(database, w->x->session_catalog)) /* its tables are shown in the current schema */
		database = schema = S("");
	w->level = level;
	w->database = database.n || level < DATABASE ? database : current_database(w);
	w->schema = schema.n || level < SCHEMA ? schema : current_schema(w);
	w->table = table;
}

/* A name whose level is known: the last part is of that level, those before it are above. */
static void scope_of_name(struct show *w, enum level level, const struct str name[3])
{
	if (level == TABLE)
		set_scope(w, TABLE, name[0], name[1], name[2]);
	else if (level == SCHEMA)
		set_scope(w, SCHEMA, name[1], name[2], S(""));
	else
		set_scope(w, DATABASE, name[2], S(""), S(""));
}

static bool take_scope(struct show *w)
{
	static const struct {
		const char *word;
		enum level level;
	} words[] = {{"database", DATABASE}, {"schema", SCHEMA}, {"table", TABLE}, {"view", TABLE}};
	enum level level = w->kind->bare_table ? TABLE : w->kind->level;
	bool said = false;
	struct str name[3];

	if (take(w, "account")) {
		set_scope(w, ACCOUNT, S(""), S(""), S(""));
		return true;
	}
	for (size_t i = 0; !said && i < COUNT_OF(words); i++) {
		said = take(w, words[i].word);
		level = said ? words[i].level : level;
	}
	if (said && level != TABLE && !at_name(w)) {
		set_scope(w, level, S(""), S(""), S(""));
		return true;
	}
	if (!take_name(w, name))
		return false;
	scope_of_name(w, level, name);
	return true;
}

/* IN ACCOUNT; parameters are the session's, whatever they are asked IN or FOR. */
static bool skip_target(struct show *w)
{
	struct str name[3];

	if (take(w, "account") || take(w, "session"))
		return true;
	if (!sql_is(w->t, w->s.from + 1, "parameters") || !at_name(w))
		return unexpected(w);
	w->at++;
	return !at_name(w) || take_name(w, name);
}

static bool take_limit(struct show *w)
{
	if (!more(w) || w->t->v[w->at].kind != SQL_NUMBER || !str_to_i64(w->t->v[w->at].text, &w->limit))
		return unexpected(w);
	w->at++;
	return !take(w, "from") || take_text(w, &w->from);
}

static bool take_clauses(struct show *w)
{
	bool account = w->kind->level == ACCOUNT, ok = true;

	while (ok && more(w)) {
		if (take(w, "like"))
			ok = take_text(w, &w->like);
		else if (take(w, "history"))
			w->history = w->kind->history;
		else if (take(w, "starts"))
			ok = take(w, "with") ? take_text(w, &w->starts) : unexpected(w);
		else if (take(w, "limit"))
			ok = take_limit(w);
		else if (account && (take(w, "in") || take(w, "for")))
			ok = skip_target(w);
		else if (!account && (take(w, "in") || take(w, "from")))
			ok = take_scope(w);
		else
			return unexpected(w);
	}
	return ok;
}

static bool take_kind(struct show *w)
{
	const struct sql_token *k = &w->t->v[w->at];

	w->terse = take(w, "terse");
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		const char *second = kinds[i].words[1];
		int n = second ? 2 : 1;

		if (w->at + n > w->s.to || !sql_is(w->t, w->at, kinds[i].words[0]) || (second && !sql_is(w->t, w->at + 1, second)))
			continue;
		w->at += n;
		w->kind = &kinds[i];
		w->terse = w->terse && kinds[i].terse;
		set_scope(w, kinds[i].level, S(""), S(""), S(""));
		return true;
	}
	if (!more(w) || k->kind != SQL_WORD)
		return unexpected(w);
	fail_at(w->c, ERR_SQL, (int)k->at + 1, "Unsupported feature 'SHOW %.*s'.", SARG(upper(w, str_head(k->text, 64))));
	return fail_state(w->c, "0A000", "000002");
}

/* --- writing --- */

static void put_literal(struct show *w, struct str s)
{
	if (s.n)
		sql_quote_literal(&w->out, s);
	else
		buf_lit(&w->out, "NULL");
}

static void put_source(struct show *w, const char *source)
{
	for (const char *p = source; *p; p++) {
		if (*p != '%') {
			buf_addc(&w->out, *p);
			continue;
		}
		switch (*++p) {
		case 'd': put_literal(w, current_database(w)); break;
		case 's': put_literal(w, current_schema(w)); break;
		case 'w': put_literal(w, w->x->warehouse); break;
		case 'r': put_literal(w, w->x->role); break;
		case 'u': put_literal(w, w->x->user.n ? w->x->user : S("MAYFLY")); break;
		default: put_literal(w, w->x->session); break;
		}
	}
}

/* Names are compared without their case, as DuckDB does. */
static void put_equal(struct show *w, const char *column, struct str name)
{
	if (!name.n)
		return;
	buf_fmt(&w->out, " AND system.main.lower(%s) = system.main.lower(", column);
	sql_quote_literal(&w->out, name);
	buf_lit(&w->out, ")");
}

/* A backslash that escapes nothing stands for itself. */
static struct str whole_pattern(const struct show *w)
{
	size_t slashes = 0;

	while (slashes < w->like.n && w->like.p[w->like.n - slashes - 1] == '\\')
		slashes++;
	return slashes % 2 ? arena_fmt(w->c->arena, "%.*s\\", SARG(w->like)) : w->like;
}

static void put_filters(struct show *w)
{
	if (w->like.p) {
		buf_lit(&w->out, " AND \"=name\" ILIKE ");
		sql_quote_literal(&w->out, whole_pattern(w));
		buf_lit(&w->out, " ESCAPE '\\'");
	}
	if (w->starts.p) {
		buf_lit(&w->out, " AND system.main.starts_with(\"=name\", ");
		sql_quote_literal(&w->out, w->starts);
		buf_lit(&w->out, ")");
	}
	if (w->from.p) {
		buf_lit(&w->out, " AND \"=name\" > ");
		sql_quote_literal(&w->out, w->from);
	}
}

/* Another row, of no name, whose making fails where what `list` holds is not there. */
static void put_check(struct show *w, const char *list, const char *error)
{
	buf_lit(&w->out, " UNION ALL BY NAME SELECT \"=name\" FROM (SELECT CASE WHEN EXISTS (SELECT 1 FROM ");
	put_source(w, list);
	buf_lit(&w->out, " WHERE true");
	put_equal(w, "database_name", w->database);
	put_equal(w, "schema_name", w->schema);
	put_equal(w, "table_name", w->table);
	buf_lit(&w->out, ") THEN NULL ELSE error(");
	sql_quote_literal(&w->out, str_of(error));
	buf_lit(&w->out, ") END AS \"=name\") WHERE \"=name\" IS NOT NULL");
}

#define NOWHERE "SF 002043/02000 Object does not exist, or operation cannot be performed."

static struct str no_table(struct show *w, const char *kind)
{
	return arena_fmt(w->c->arena, "SF 002003/42S02 %s '%.*s' does not exist or not authorized.", kind, SARG(w->written));
}

static void check_scope(struct show *w)
{
	if (w->level == DATABASE)
		put_check(w, "sf_list_databases()", NOWHERE);
	else if (w->level == SCHEMA)
		put_check(w, "sf_list_schemas()", NOWHERE);
	else if (w->level == TABLE)
		put_check(w, "sf_list_columns(%d, %s)", no_table(w, "Table").p);
}

static void write_show(struct show *w)
{
	buf_lit(&w->out, "SELECT ");
	if (w->terse)
		buf_lit(&w->out, TERSE);
	else
		buf_fmt(&w->out, "* EXCLUDE (" OWN "%s%s)", w->kind->left_out,
			w->kind->history && !w->history ? ", \"dropped_on\"" : "");
	buf_lit(&w->out, " FROM (SELECT * FROM ");
	put_source(w, w->kind->source);
	buf_lit(&w->out, " WHERE true");
	put_equal(w, "\"=db\"", w->database);
	put_equal(w, "\"=schema\"", w->schema);
	put_equal(w, "\"=table\"", w->table);
	put_filters(w);
	check_scope(w);
	buf_lit(&w->out, ") ORDER BY " OWN);
	if (w->limit >= 0)
		buf_fmt(&w->out, " LIMIT %lld", (long long)w->limit);
}

/* --- DESCRIBE --- */

static void describe_columns(struct show *w, bool view)
{
	buf_lit(&w->out, "SELECT * EXCLUDE (" OWN);
	buf_fmt(&w->out, "%s) FROM (SELECT * FROM ", view ? ", \"write default\"" : "");
	put_source(w, "sf_describe_columns(%d, %s)");
	buf_lit(&w->out, " WHERE true");
	put_equal(w, "\"=db\"", w->database);
	put_equal(w, "\"=schema\"", w->schema);
	put_equal(w, "\"=table\"", w->table);
	buf_lit(&w->out, " QUALIFY \"=name\" = system.main.min(\"=name\") OVER ()"); /* the session's hides the tenant's */
	put_check(w, "sf_list_columns(%d, %s)", no_table(w, view ? "View" : "Table").p);
	buf_lit(&w->out, ") ORDER BY \"=at\"");
}

static void describe_place(struct show *w, const char *source)
{
	buf_lit(&w->out, "SELECT \"created_on\", \"name\", \"kind\" FROM (SELECT * FROM ");
	put_source(w, source);
	buf_lit(&w->out, " WHERE true");
	put_equal(w, "\"=db\"", w->database);
	put_equal(w, "\"=schema\"", w->schema);
	check_scope(w);
	buf_lit(&w->out, ") ORDER BY \"name\"");
}

/* TYPE = COLUMNS, which is the usual. */
static bool take_type(struct show *w)
{
	if (!take(w, "type"))
		return !more(w) || unexpected(w);
	if (!more(w) || !is_operator(&w->t->v[w->at], S("=")))
		return unexpected(w);
	w->at++;
	return take(w, "columns") && !more(w) ? true : unexpected(w);
}

static bool describe_what(struct show *w, enum level *ret_level, bool *ret_view)
{
	static const struct {
		const char *word;
		enum level level;
		bool view;
	} words[] = {{"table", TABLE, false}, {"view", TABLE, true}, {"schema", SCHEMA, false}, {"database", DATABASE, false}};
	const struct sql_token *k = &w->t->v[w->at];
	bool object = w->at + 1 < w->s.to && is_name(k + 1);

	*ret_level = TABLE; /* DESC t */
	*ret_view = false;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (!take(w, words[i].word))
			continue;
		if (!object)
			return unexpected(w);
		*ret_level = words[i].level;
		*ret_view = words[i].view;
		return true;
	}
	if (!object || k->kind != SQL_WORD)
		return true;
	fail_at(w->c, ERR_SQL, (int)k->at + 1, "Unsupported feature 'DESCRIBE %.*s'.", SARG(upper(w, str_head(k->text, 64))));
	return fail_state(w->c, "0A000", "000002");
}

static bool write_describe(struct show *w)
{
	enum level level;
	struct str name[3];
	bool view;

	if (!describe_what(w, &level, &view) || !take_name(w, name) || !take_type(w))
		return false;
	scope_of_name(w, level, name);
	if (level == TABLE)
		describe_columns(w, view);
	else if (level == SCHEMA)
		describe_place(w, "sf_show_objects(%d, %s)");
	else
		describe_place(w, "sf_describe_database(%d, %s)");
	return true;
}

/* --- the whole --- */

bool sql_is_show(const struct sql_tokens *t, struct sql_span s)
{
	static const char *const queries[] = {"select", "with", "from", "values", NULL};

	if (s.from == s.to)
		return false;
	if (sql_is(t, s.from, "show"))
		return true;
	return (sql_is(t, s.from, "describe") || sql_is(t, s.from, "desc")) && s.from + 1 < s.to && is_name(&t->v[s.from + 1]) &&
	       !word_in(&t->v[s.from + 1], queries);
}

bool sql_show(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_context *x, struct sql_rewrite *ret)
{
	struct show w = {.c = c, .t = t, .x = x, .s = s, .at = s.from + 1, .limit = -1};
	bool ok;

	if (!sql_is(t, s.from, "show"))
		ok = write_describe(&w);
	else if ((ok = take_kind(&w) && take_clauses(&w)))
		write_show(&w);
	if (ok)
		*ret = (struct sql_rewrite){.text = arena_dup(c->arena, buf_str(&w.out)), .sf.own = true};
	buf_drop(&w.out);
	return ok;
}
