/* template.c - {table} and {table:name} in a session's query.
 *
 * Looked for between tokens, so strings and comments stay as they are. What
 * stands apart, `{table: 1}` or {'table': a}, is a struct.
 */
#include "sql/sql_int.h"

static bool glued(const struct sql_tokens *t, int i)
{
	return t->v[i].at + t->v[i].text.n == t->v[i + 1].at;
}

/* Tokens of the placeholder that begins at `i`, and the name in it; 0 when there is none. */
static int placeholder(const struct sql_tokens *t, int i, struct str *ret_name)
{
	int close = t->v[i].match;

	if (!is_punct(&t->v[i], '{') || !(close == i + 2 || close == i + 4) || t->v[i + 1].kind != SQL_WORD ||
	    !str_eq(t->v[i + 1].text, S("table")))
		return 0;
	for (int j = i; j < close; j++)
		if (!glued(t, j))
			return 0;
	*ret_name = S("");
	if (close == i + 2)
		return 3;
	if (!is_operator(&t->v[i + 2], S(":")) || t->v[i + 3].kind != SQL_WORD)
		return 0;
	*ret_name = t->v[i + 3].text;
	return 5;
}

struct source {
	struct str table;
	struct str (*reference)(void *arg, struct str name);
	void *arg;
};

static bool put_reference(struct call *c, const struct source *from, const struct sql_token *at, struct str name, struct buf *out)
{
	struct str text;

	if (!name.n && !from->table.n)
		return fail_at(c, ERR_INVALID_FIELD, (int)at->at + 1, "`sql` uses {table}, but `table` is not given");
	if (!name.n)
		name = from->table;
	text = from->reference(from->arg, name);
	if (!text.p)
		return fail_at(c, ERR_UNKNOWN_TABLE, (int)at->at + 1, "the session has no table %.*s", SARG(str_head(name, 100)));
	buf_add(out, text);
	return true;
}

bool sql_template(struct call *c, struct str text, struct str table, struct str (*reference)(void *arg, struct str name),
		  void *arg, struct str *ret)
{
	const struct source from = {table, reference, arg};
	OWNS(buf) out = {0};
	struct sql_tokens t;
	size_t copied = 0;
	struct str name;
	int n;

	if (!sql_lex(c, SQL_DUCKDB, text, &t))
		return false;
	for (int i = 0; i < t.n; i += n ? n : 1) {
		n = placeholder(&t, i, &name);
		if (!n)
			continue;
		buf_add(&out, str_from(text.p + copied, t.v[i].at - copied));
		if (!put_reference(c, &from, &t.v[i], name, &out))
			return false;
		copied = t.v[i + n - 1].at + 1;
	}
	if (copied)
		buf_add(&out, str_tail(text, copied));
	*ret = copied ? arena_dup(c->arena, buf_str(&out)) : text;
	return true;
}
