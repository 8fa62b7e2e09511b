/* scope.c - the names of a session's tables, from what is on the wire to what the engine knows.
 *
 *   mutable.public."__eph_<hex>_<name>"   ->   "__eph_<hex>".public."<name>"
 *
 * Works on the client's own text, before anything else is rewritten, and changes no
 * more than the names. It refuses by the look of a name alone: it knows no session
 * but its own, so a refusal cannot tell whether another one exists. Strings are
 * data here; the gate looks at those that functions take for names.
 */
#include "sql/rewrite_int.h"

enum { NAME_MAX = 24, PREFIX = sizeof(SQL_EPHEMERAL) - 1 };

struct scoping {
	struct call *c;
	const struct sql_tokens *t;
	struct sql_span s;
	const struct sql_scope *scope;
	struct sql_head head;   /* filled for statements about objects */
	bool kept;              /* the body of a view or macro, which a fork copies as text: no catalog in it */
	bool foreign;           /* it is made in the tenant's own database */
	struct buf out;
	size_t copied;          /* bytes of the source that are in `out` or replaced */
	struct marks marks;
	const char **catalogs;
	int ncatalogs;
};

static bool refuse(const struct scoping *x, int i, const char *why)
{
	fail_at(x->c, ERR_NOT_ALLOWED, (int)x->t->v[i].at + 1, "%s", why);
	return fail_state(x->c, "42501", "003001");
}

static bool reserved_name(const struct scoping *x, int i)
{
	return refuse(x, i, "names that begin with " SQL_EPHEMERAL " are reserved");
}

static bool in_session(const struct scoping *x)
{
	return x->scope->catalog.n > 0;
}

static struct str name_of(const struct scoping *x, int i)
{
	return sql_name_of(x->c->arena, x->t->dialect, &x->t->v[i]);
}

/* Without looking behind doubled quotes: no name that is asked for has any. */
static struct str bare(const struct sql_token *k)
{
	return k->kind == SQL_QUOTED ? str_from(k->text.p + 1, k->text.n - 2) : k->text;
}

static bool called(const struct scoping *x, int i, struct str name)
{
	return i < x->s.to && is_name(&x->t->v[i]) && str_ieq(bare(&x->t->v[i]), name);
}

static bool is_reserved(const struct sql_token *k)
{
	return is_name(k) && str_istarts(bare(k), S(SQL_EPHEMERAL));
}

static bool first_part(const struct scoping *x, int i)
{
	return i == x->s.from || !is_punct(&x->t->v[i - 1], '.');
}

static bool more_parts(const struct scoping *x, int i)
{
	return i + 1 < x->s.to && is_punct(&x->t->v[i + 1], '.');
}

/* --- physical names --- */

struct str sql_catalog_of(struct str session_id, char ret[SQL_CATALOG_LEN])
{
	char *to = ret;

	str_copy_to(&to, S(SQL_EPHEMERAL));
	for (size_t i = 0; i < session_id.n; i++)
		if (session_id.p[i] != '-') {
			INVARIANT(to < ret + SQL_CATALOG_LEN);
			*to++ = session_id.p[i];
		}
	INVARIANT(to == ret + SQL_CATALOG_LEN);
	return str_from(ret, SQL_CATALOG_LEN);
}

bool sql_is_catalog(struct str name)
{
	bool ok = name.n >= SQL_CATALOG_LEN && str_starts(name, S(SQL_EPHEMERAL));

	for (size_t i = PREFIX; ok && i < SQL_CATALOG_LEN; i++)
		ok = ascii_hex(name.p[i]) >= 0 && ascii_lower(name.p[i]) == name.p[i];
	return ok;
}

struct physical {
	struct str catalog, name;
	bool own;
};

/* __eph_<32 hex>_<name>, of the session or of one that it may name. */
static bool physical_of(const struct scoping *x, struct str id, struct physical *ret)
{
	if (!in_session(x) || id.n < SQL_CATALOG_LEN + 2 || id.p[SQL_CATALOG_LEN] != '_')
		return false;
	ret->catalog = arena_lower(x->c->arena, str_head(id, SQL_CATALOG_LEN));
	if (!sql_is_catalog(ret->catalog))
		return false;
	ret->name = str_tail(id, SQL_CATALOG_LEN + 1);
	ret->own = str_eq(ret->catalog, x->scope->catalog);
	return (ret->own || x->scope->share) && !str_istarts(ret->name, S(SQL_EPHEMERAL));
}

/* --- writing --- */
static void keep(struct scoping *x, size_t end)
{
	mark_add(x->c->arena, &x->marks, x->out.n, x->copied);
	buf_add(&x->out, str_from(x->t->text.p + x->copied, end - x->copied));
	x->copied = end;
}

static size_t behind(const struct scoping *x, int i)
{
	return x->t->v[i].at + x->t->v[i].text.n;
}

static void note_catalog(struct scoping *x, struct str name)
{
	const char **more;

	for (int i = 0; i < x->ncatalogs; i++)
		if (str_eq(str_of(x->catalogs[i]), name))
			return;
	more = ARENA_ARRAY(x->c->arena, const char *, (size_t)x->ncatalogs + 2);
	if (x->ncatalogs)
		memcpy(more, x->catalogs, sizeof(*more) * (size_t)x->ncatalogs);
	more[x->ncatalogs++] = arena_cstr(x->c->arena, name);
	x->catalogs = more;
}

/* Tokens [i, last] give way to the name; with its catalog when there is one. */
static void write_name(struct scoping *x, int i, int last, const struct physical *p)
{
	keep(x, x->t->v[i].at);
	if (p->catalog.n) {
		note_catalog(x, p->catalog);
		sql_quote_name(&x->out, p->catalog);
		buf_lit(&x->out, ".public.");
	}
	mark_add(x->c->arena, &x->marks, x->out.n, x->t->v[last].at);
	sql_quote_name(&x->out, p->name);
	x->copied = behind(x, last);
}

/* --- names in the text --- */

/* May a name alone, as token i, be a table? Not an alias, a column, a common table expression, an argument's name. */
static bool stands_as_table(const struct scoping *x, int i)
{
	static const char *const before[] = {"from",  "join",	   "into",   "update", "table",	 "describe", "desc",	  "summarize",
					     "show",  "using",	   "only",   "exists", "to",	 "on",	     "references", "like",
					     "pivot", "unpivot",   "view",   "lateral", "truncate", "vacuum", "analyze",   "index",
					     "pivot_wider", "pivot_longer", "sequence", "type", "macro", "function", NULL};
	const struct sql_tokens *t = x->t;
	bool listed = i > x->s.from && (is_punct(&t->v[i - 1], ',') || is_punct(&t->v[i - 1], '('));
	int next = i + 1;

	if (i == x->s.from || !(listed || word_in(&t->v[i - 1], before) || is_operator(&t->v[i - 1], S(":"))))
		return false;
	if (!listed || next >= x->s.to)
		return true;
	if (is_punct(&t->v[next], '(') || t->v[next].kind == SQL_OPERATOR)
		return false;
	if (sql_is(t, next, "as"))
		return !is_punct(&t->v[next + 1], '(') && !sql_is(t, next + 1, "materialized") && !sql_is(t, next + 1, "not");
	return !(x->head.class.kind == SQL_CREATE && str_eq(x->head.class.object, S("TABLE")) && !x->head.class.as_select);
}

/* Where DuckDB takes no catalog: t.* and REFERENCES t. */
static bool no_catalog(const struct scoping *x, int i, int last)
{
	return (more_parts(x, last) && last + 2 < x->s.to && is_operator(&x->t->v[last + 2], S("*"))) || sql_is(x->t, i - 1, "references");
}

/* A session's table; where the text is kept by its name alone, which a fork finds as its own. */
static bool write_table(struct scoping *x, int i, int last, struct physical *p)
{
	bool itself = i == x->head.name_from && x->head.name_to > x->head.name_from;

	if (!p->own && (itself || str_eq(x->head.class.object, S("INDEX"))))
		return refuse(x, i, "only a session itself makes, alters and drops its tables");
	if (x->foreign && p->catalog.n)
		return refuse(x, i, "what is made in the tenant's database cannot name a session's tables");
	if ((x->kept && !itself && p->own) || no_catalog(x, i, last))
		p->catalog = S("");
	write_name(x, i, last, p);
	return true;
}

/* mutable.public.<name>, physical or logical; nothing else is in that catalog. */
static bool mutable_name(struct scoping *x, int *i)
{
	struct physical p = {x->scope->catalog, S(""), true};
	int first = *i, last = first + 4;

	if (!called(x, first + 2, S("public")) || !more_parts(x, first + 2) || last >= x->s.to || !is_name(&x->t->v[last]) ||
	    !in_session(x))
		return refuse(x, first, "the catalog mutable holds the tables of the session alone, as mutable.public.\"<physical id>\"");
	p.name = name_of(x, last);
	if (is_reserved(&x->t->v[last]) && !physical_of(x, p.name, &p))
		return reserved_name(x, last);
	*i = last;
	return write_table(x, first, last, &p);
}

/* A reserved name outside of mutable.public. */
static bool bare_name(struct scoping *x, int i)
{
	bool qualifier = more_parts(x, i);
	struct physical p;

	if (!first_part(x, i) || !physical_of(x, name_of(x, i), &p) || !(qualifier || stands_as_table(x, i)))
		return reserved_name(x, i);
	if (qualifier || p.own)
		p.catalog = S("");
	return write_table(x, i, i, &p);
}

/* RENAME TO takes no dotted name: the last part, at `*i` before. */
static bool renamed(struct scoping *x, int *i)
{
	int first = *i, last = name_end(x->t, first, x->s.to);
	struct physical p = {.name = name_of(x, last)};

	if (is_reserved(&x->t->v[last]) && !physical_of(x, p.name, &p))
		return reserved_name(x, last);
	p.catalog = S("");
	*i = last;
	write_name(x, first, last, &p);
	return true;
}

static int rename_target(const struct scoping *x)
{
	const struct sql_head *h = &x->head;
	int i = h->name_to + 2;

	if (h->class.kind != SQL_ALTER || !str_eq(h->class.object, S("TABLE")) || i >= x->s.to || !is_name(&x->t->v[i]) ||
	    !sql_is(x->t, i - 2, "rename") || !sql_is(x->t, i - 1, "to"))
		return -1;
	return i;
}

static bool write_names(struct scoping *x)
{
	int target = in_session(x) ? rename_target(x) : -1;

	for (int i = x->s.from; i < x->s.to; i++) {
		const struct sql_token *k = &x->t->v[i];
		bool ok = true;

		if (!is_name(k))
			continue;
		if (i == target && (is_reserved(k) || more_parts(x, i)))
			ok = renamed(x, &i);
		else if (is_reserved(k))
			ok = bare_name(x, i);
		else if (called(x, i, S("mutable")) && first_part(x, i) && more_parts(x, i))
			ok = mutable_name(x, &i);
		if (!ok)
			return false;
	}
	return true;
}

/* --- objects --- */

/* Does a dotted name [from, to) mean something in the session's own catalog? */
static bool falls_into_session(const struct scoping *x, int from, int to)
{
	int parts = (to - from + 1) / 2;

	return parts == 1 || (parts == 2 && called(x, from, S("public"))) ||
	       (parts == 3 && called(x, from, S("mutable")) && called(x, from + 2, S("public")));
}

/* The rule for names of tables; what is reserved and not the session's own is for write_names() to refuse. */
static bool check_table_name(const struct scoping *x, int i)
{
	struct physical p = {.name = name_of(x, i)};
	enum { SHAPE = SQL_CATALOG_LEN + 1 };

	if (!physical_of(x, p.name, &p) && is_reserved(&x->t->v[i]) && p.name.n > SHAPE && p.name.p[SHAPE - 1] == '_')
		return true;
	if (sql_name_check(x->c, p.name, NAME_MAX))
		return true;
	x->c->err.position = (int)x->t->v[i].at + 1;
	return false;
}

static bool check_schema(const struct scoping *x)
{
	const struct sql_head *h = &x->head;

	if (h->name_to - h->name_from == 3 && called(x, h->name_from, S("MAYFLY")))
		return true;
	return refuse(x, h->explained, "a session has no schemas of its own: name the tenant's as MAYFLY.<schema>");
}

static bool check_object(struct scoping *x)
{
	const struct sql_head *h = &x->head;
	const struct sql_class *k = &h->class;
	bool table = str_eq(k->object, S("TABLE")), named = h->name_to > h->name_from;
	int target = rename_target(x);

	if (k->kind < SQL_CREATE || k->kind > SQL_ALTER)
		return true;
	if (str_eq(k->object, S("SCHEMA")))
		return check_schema(x);
	if (!named || k->temporary)
		return true;
	if (k->kind == SQL_CREATE && h->name_to - h->name_from == 3 && called(x, h->name_from, S("main")))
		return refuse(x, h->name_from, "the tables of a session are in its schema public");
	if (!table || !falls_into_session(x, h->name_from, h->name_to))
		return true;
	if (k->kind == SQL_CREATE)
		return check_table_name(x, h->name_to - 1);
	return target < 0 || check_table_name(x, name_end(x->t, target, x->s.to));
}

static void look_at_body(struct scoping *x)
{
	const struct sql_head *h = &x->head;
	const struct sql_class *k = &h->class;

	if (k->kind != SQL_CREATE || k->temporary ||
	    !(str_eq(k->object, S("VIEW")) || str_eq(k->object, S("MACRO")) || str_eq(k->object, S("FUNCTION"))))
		return;
	x->kept = falls_into_session(x, h->name_from, h->name_to);
	x->foreign = !x->kept;
}

/* --- SHOW TABLES --- */
#define SESSION_TABLES "SELECT name FROM mayfly_tables()"
#define TENANT_TABLES \
	"SELECT table_name FROM duckdb_tables() WHERE database_name = 'MAYFLY' AND schema_name = 'PUBLIC'" \
	" UNION SELECT view_name FROM duckdb_views() WHERE database_name = 'MAYFLY' AND NOT internal"

/* What a SHOW TABLES of the session asks for; NULL leaves it as it is. */
static const char *tables_query(const struct scoping *x)
{
	int i = x->s.from + 2, end;

	if (!sql_is(x->t, i - 2, "show") || !sql_is(x->t, i - 1, "tables"))
		return NULL;
	if (i >= x->s.to)
		return "SELECT name AS \"name\" FROM (" SESSION_TABLES " UNION " TENANT_TABLES ") ORDER BY 1";
	if (!sql_is(x->t, i, "from") || i + 1 >= x->s.to || !is_name(&x->t->v[i + 1]))
		return NULL;
	end = name_end(x->t, i + 1, x->s.to);
	if (end + 1 != x->s.to)
		return NULL;
	if (end == i + 1 && called(x, end, S("public")))
		return "SELECT name AS \"name\" FROM (" SESSION_TABLES " UNION " TENANT_TABLES ") ORDER BY 1";
	if (called(x, i + 1, S("mutable")) && (end == i + 1 || (end == i + 3 && called(x, end, S("public")))))
		return "SELECT name AS \"name\" FROM (" SESSION_TABLES ") ORDER BY 1";
	return NULL;
}

static void write_query(struct scoping *x, const char *query)
{
	keep(x, x->t->v[x->s.from].at);
	buf_add(&x->out, str_of(query));
	x->copied = behind(x, x->s.to - 1);
}

/* --- the whole --- */
static bool about_objects(const struct scoping *x)
{
	static const char *const heads[] = {"create", "alter", "drop", "explain", NULL};

	return word_in(&x->t->v[x->s.from], heads);
}

static bool rewrite(struct scoping *x)
{
	const char *query = in_session(x) && x->t->dialect == SQL_DUCKDB ? tables_query(x) : NULL; /* else show.c's */

	if (query) {
		write_query(x, query);
		return true;
	}
	if (about_objects(x))
		head_of(x->c, x->t, x->s, &x->head);
	if (in_session(x) && !check_object(x))
		return false;
	look_at_body(x);
	return write_names(x);
}

bool sql_rewrite_scope(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_scope *scope,
		       struct sql_rewrite *ret)
{
	struct scoping x = {.c = c, .t = t, .s = s, .scope = scope};
	bool ok;

	INVARIANT(s.from <= s.to && s.to <= t->n);
	ok = s.from == s.to || rewrite(&x);
	if (ok)
		*ret = (struct sql_rewrite){.text = t->text, .catalogs = x.catalogs};
	if (ok && x.copied > 0) {
		keep(&x, t->text.n);
		ret->text = arena_dup(c->arena, buf_str(&x.out));
		ret->marks = x.marks.v;
		ret->nmarks = x.marks.n;
	}
	buf_drop(&x.out);
	return ok;
}

bool sql_name_check(struct call *c, struct str name, size_t max)
{
	size_t characters = 0;
	bool ok = name.n > 0 && !ascii_digit(name.p[0]) && !str_istarts(name, S(SQL_EPHEMERAL));

	for (size_t i = 0; i < name.n; i++) {
		characters += ((unsigned char)name.p[i] & 0xC0) != 0x80;
		ok = ok && (ascii_alpha(name.p[i]) || ascii_digit(name.p[i]) || name.p[i] == '_');
	}
	if (characters > max) {
		fail(c, ERR_NAME_TOO_LONG, "a table name has at most %zu characters, this one has %zu", max, characters);
		return fail_more(c, "\"max\":%zu", max);
	}
	return ok || fail(c, ERR_INVALID_NAME, "a table name is made of letters, digits and _, and does not begin with a digit or "
					       SQL_EPHEMERAL);
}
