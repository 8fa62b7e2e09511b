/* ddl.c - names of tables, and the text of CREATE TABLE from what a client said.
 *
 * The text runs without passing the SQL gate, so what stands in it is made
 * here: names are quoted, and a type is written anew from its tokens after a
 * look that it is nothing but a type. Whether there is such a type, the engine
 * says.
 */
#include "session/session_int.h"


/* --- names --- */

struct str session_physical_id(struct arena *a, const struct session *se, struct str name)
{
	return arena_fmt(a, "%.*s_%.*s", SQL_CATALOG_LEN, se->name, SARG(name));
}

struct str session_table_ref(struct arena *a, const struct session *se, struct str name)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "mutable.public.");
	sql_quote_name(&b, session_physical_id(a, se, name));
	return arena_dup(a, buf_str(&b));
}

bool session_name_check(struct call *c, struct str name)
{
	return sql_name_check(c, name, SESSION_NAME_MAX);
}

/* --- columns --- */

static bool is_plain_text(struct str s)
{
	return s.n > 0 && !memchr(s.p, 0, s.n) && str_is_utf8(s);
}

/* Takes `name` as one of a set without regard to case; false: it is there already. */
static bool take_name(struct call *c, struct map *set, struct str name)
{
	struct str low = arena_lower(c->arena, name);

	if (map_get(set, low))
		return false;
	map_put(set, low, set);
	return true;
}

static bool has_name(struct call *c, const struct map *set, struct str name)
{
	return map_get(set, arena_lower(c->arena, name)) != NULL;
}

static bool check_columns(struct call *c, const struct session_table_ask *ask, struct map *names)
{
	if (ask->ncolumns < 1)
		return fail(c, ERR_INVALID_FIELD, "columns: at least one");
	if (ask->ncolumns > COLUMNS_MAX)
		return fail(c, ERR_INVALID_FIELD, "columns: at most %d", COLUMNS_MAX);
	for (int i = 0; i < ask->ncolumns; i++) {
		struct str name = ask->columns[i].name;

		if (!is_plain_text(name) || name.n > COLUMN_NAME_MAX)
			return fail(c, ERR_INVALID_FIELD, "name of column %d: 1 to %d bytes of text", i + 1, COLUMN_NAME_MAX);
		if (str_istarts(name, S(SQL_EPHEMERAL)))
			return fail(c, ERR_INVALID_FIELD, "name of column %d: names that begin with " SQL_EPHEMERAL " are reserved", i + 1);
		if (!take_name(c, names, name))
			return fail(c, ERR_INVALID_FIELD, "columns: %.*s is there twice", SARG(name));
	}
	return true;
}

static bool check_key(struct call *c, const struct session_table_ask *ask, const struct map *columns, struct map *key)
{
	if (ask->nkey > ask->ncolumns)
		return fail(c, ERR_INVALID_FIELD, "primary_key: more names than columns");
	for (int i = 0; i < ask->nkey; i++) {
		struct str name = ask->key[i];

		if (!name.n || !has_name(c, columns, name))
			return fail(c, ERR_INVALID_FIELD, "primary_key: no column %.*s", SARG(str_head(name, 64)));
		if (!take_name(c, key, name))
			return fail(c, ERR_INVALID_FIELD, "primary_key: %.*s is there twice", SARG(name));
	}
	return true;
}

/* --- types --- */

static bool is_one_of(const struct sql_tokens *t, int i, const char *const *words)
{
	for (; *words; words++)
		if (sql_is(t, i, *words))
			return true;
	return false;
}

/* Words that would make a constraint or an expression of it. */
static bool is_forbidden(const struct sql_tokens *t, int i)
{
	static const char *const words[] = {"default", "check", "references", "generated", "always", "collate", "primary", "unique",
					    "not", "null", "as", "using", "constraint", "foreign", "select", "from", NULL};

	return is_one_of(t, i, words);
}

/* Outside of brackets a type is one name and, of some, words that belong to it. */
static bool may_follow(const struct sql_tokens *t, int i)
{
	static const char *const words[] = {"precision", "varying", "with", "without", "local", "time", "zone", "array", "large",
					    "object", "to", "year", "month", "day", "hour", "minute", "second", NULL};

	return t->v[i].kind == SQL_WORD && is_one_of(t, i, words);
}

static bool is_bracket(const struct sql_token *k)
{
	return k->kind == SQL_PUNCT && strchr("()[]", k->text.p[0]) != NULL;
}

static bool is_type_token(const struct sql_tokens *t, int i)
{
	const struct sql_token *k = &t->v[i];
	bool inside = k->depth > 0;

	if (is_forbidden(t, i))
		return false;
	switch (k->kind) {
	case SQL_WORD:
		return i == 0 || inside || may_follow(t, i);
	case SQL_QUOTED:
		return i == 0 || inside;
	case SQL_NUMBER:
	case SQL_STRING: /* of an ENUM */
		return inside;
	case SQL_PUNCT:
		return (is_bracket(k) && i > 0) || (inside && k->text.p[0] == ',');
	case SQL_PLACEHOLDER:
	case SQL_OPERATOR:
	case SQL_END:
		break;
	}
	return false;
}

static bool add_type(struct call *c, const struct session_column *col, struct buf *out)
{
	struct sql_tokens t;
	bool lexed;

	if (!is_plain_text(col->type) || col->type.n > TYPE_MAX)
		return fail(c, ERR_INVALID_FIELD, "type of column %.*s: 1 to %d bytes of text", SARG(col->name), TYPE_MAX);
	lexed = sql_lex(c, SQL_DUCKDB, col->type, &t);
	if (!lexed)
		call_forgive(c);
	if (!lexed || t.n == 0)
		return fail(c, ERR_INVALID_FIELD, "type of column %.*s: not a type", SARG(col->name));
	for (int i = 0; i < t.n; i++) {
		if (!is_type_token(&t, i))
			return fail(c, ERR_INVALID_FIELD, "type of column %.*s: not a type at %.*s", SARG(col->name),
				    SARG(str_head(t.v[i].text, 64)));
		buf_addc(out, ' ');
		buf_add(out, t.v[i].text);
	}
	return true;
}

/* --- the statement --- */

static bool add_columns(struct call *c, const struct session_table_ask *ask, struct buf *sql, size_t *at)
{
	for (int i = 0; i < ask->ncolumns; i++) {
		buf_add(sql, i ? S(", ") : S(""));
		sql_quote_name(sql, ask->columns[i].name);
		at[i] = sql->n;
		if (!add_type(c, &ask->columns[i], sql))
			return false;
		if (!ask->columns[i].nullable)
			buf_lit(sql, " NOT NULL");
	}
	at[ask->ncolumns] = sql->n;
	return true;
}

static void add_key(const struct session_table_ask *ask, struct buf *sql)
{
	for (int i = 0; i < ask->nkey; i++) {
		buf_add(sql, i ? S(", ") : S(", PRIMARY KEY ("));
		sql_quote_name(sql, ask->key[i]);
	}
	if (ask->nkey)
		buf_addc(sql, ')');
}

static bool write_ddl(struct call *c, struct session *se, const struct session_table_ask *ask, struct ddl *ret)
{
	size_t *at = ARENA_ARRAY(c->arena, size_t, (size_t)ask->ncolumns + 1);
	OWNS(buf) sql = {0};

	buf_lit(&sql, "CREATE TABLE ");
	sql_quote_name(&sql, str_from(se->name, SQL_CATALOG_LEN));
	buf_lit(&sql, ".public.");
	sql_quote_name(&sql, ask->name);
	buf_lit(&sql, " (");
	if (!add_columns(c, ask, &sql, at))
		return false;
	add_key(ask, &sql);
	buf_addc(&sql, ')');
	*ret = (struct ddl){arena_dup(c->arena, buf_str(&sql)), at};
	return true;
}

bool ddl_build(struct call *c, struct session *se, const struct session_table_ask *ask, struct ddl *ret)
{
	struct map columns = {0}, key = {0};
	struct ddl ddl;
	bool ok = session_name_check(c, ask->name) && check_columns(c, ask, &columns) && write_ddl(c, se, ask, &ddl) &&
		  check_key(c, ask, &columns, &key);

	map_close(&columns);
	map_close(&key);
	if (ok)
		*ret = ddl;
	return ok;
}
