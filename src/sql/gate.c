/* gate.c - what user SQL may not do, judged on tokens before an engine sees it.
 *
 * An allow-list of statement kinds and objects, a deny-list of functions and
 * views (gate.def), and file names and foreign catalogs wherever a table may
 * stand. It errs on the side of refusing: only words that cannot be anything
 * else end a FROM list. It is not the last wall: the worker has no file access
 * either.
 */
#include "sql/sql_int.h"

struct rule {
	struct str pattern;
	const char *reason;
};

#define GROUP(id, reason) static const char reason_##id[] = reason;
#define FUNCTION(group, pattern)
#define TABLE_FUNCTION(group, pattern)
#define VIEW(group, pattern)
#define SPACE_FUNCTION(group, pattern)
#define SPACE_VIEW(pattern)
#define NAMING(name)
#include "sql/gate.def"
#undef GROUP
#undef FUNCTION
#define GROUP(id, reason)
#define FUNCTION(group, pattern) {S_INIT(pattern), reason_##group},
static const struct rule functions[] = {
#include "sql/gate.def"
};
#undef FUNCTION
#undef TABLE_FUNCTION
#define FUNCTION(group, pattern)
#define TABLE_FUNCTION(group, pattern) {S_INIT(pattern), reason_##group},
static const struct rule table_functions[] = {
#include "sql/gate.def"
};
#undef TABLE_FUNCTION
#undef VIEW
#define TABLE_FUNCTION(group, pattern)
#define VIEW(group, pattern) {S_INIT(pattern), reason_##group},
static const struct rule views[] = {
#include "sql/gate.def"
};
#undef VIEW
#undef SPACE_FUNCTION
#define VIEW(group, pattern)
#define SPACE_FUNCTION(group, pattern) {S_INIT(pattern), reason_##group},
static const struct rule space_functions[] = {
#include "sql/gate.def"
};
#undef SPACE_FUNCTION
#undef SPACE_VIEW
#define SPACE_FUNCTION(group, pattern)
#define SPACE_VIEW(pattern) {S_INIT(pattern), reason_others},
static const struct rule space_views[] = {
#include "sql/gate.def"
};
#undef SPACE_VIEW
#undef NAMING
#define SPACE_VIEW(pattern)
#define NAMING(name) S_INIT(name),
static const struct str naming[] = {
#include "sql/gate.def"
};
#undef GROUP
#undef FUNCTION
#undef TABLE_FUNCTION
#undef VIEW
#undef SPACE_FUNCTION
#undef SPACE_VIEW
#undef NAMING

/* Catalogs no statement names unless the caller's list has them. */
static const char *const reserved[] = {"system", "temp", "memory", "_sf", "mutable", NULL};
/* Those that are no alias either. */
static const char *const made_up[] = {"_sf", "mutable", NULL};

/* What DuckDB opens as a file when no table has the name. */
static const struct str file_endings[] = {
	S_INIT(".csv"),	 S_INIT(".tsv"),    S_INIT(".parquet"), S_INIT(".json"), S_INIT(".jsonl"), S_INIT(".ndjson"),
	S_INIT(".db"),	 S_INIT(".ddb"),    S_INIT(".duckdb"),	S_INIT(".avro"), S_INIT(".xlsx"),  S_INIT(".shp"),
	S_INIT(".gpkg"), S_INIT(".fgb"),    S_INIT(".arrow"),	S_INIT(".orc"),	 S_INIT(".txt"),   S_INIT(".sqlite"),
	S_INIT(".gz"),	 S_INIT(".zst"),
};

enum listing {
	NO_LIST,
	TABLES, /* a comma brings the next table */
	TUPLES, /* VALUES (…), (…) where a table stands: a comma brings the next row */
};

struct walk {
	struct call *c;
	const struct sql_tokens *t;
	const struct sql_gate *g;
	struct sql_head head;
	bool space;            /* a SELECT over the tables of a space: no catalog is the caller's */
	int to;
	bool table;            /* the next token may be a table */
	unsigned char *lists;  /* enum listing, by depth */
	bool computed;         /* the last bracket in the outermost ones is AS (…): a generated column's */
};

static bool refuse(const struct walk *w, int i, const char *what, struct str name, const char *why)
{
	if (name.n > 200)
		name.n = 200;
	fail_at(w->c, ERR_NOT_ALLOWED, (int)w->t->v[i].at + 1, "%s %.*s is not allowed here%s%s", what, SARG(name), *why ? ": " : "", why);
	return fail_state(w->c, "42501", "003001");
}

static bool read_only(const struct walk *w, int i, const char *what, struct str name)
{
	fail_at(w->c, ERR_READ_ONLY, (int)w->t->v[i].at + 1, "only a SELECT is allowed here, not %s %.*s", what, SARG(name));
	return fail_state(w->c, "42501", "003001");
}

/* --- statement kinds --- */
#define KIND(k) (1ULL << (k))
static const uint64_t allowed_kinds =
	KIND(SQL_SELECT) | KIND(SQL_SHOW) | KIND(SQL_INSERT) | KIND(SQL_UPDATE) | KIND(SQL_DELETE) | KIND(SQL_MERGE) |
	KIND(SQL_TRUNCATE) | KIND(SQL_CREATE) | KIND(SQL_DROP) | KIND(SQL_ALTER) | KIND(SQL_COMMENT) | KIND(SQL_BEGIN) |
	KIND(SQL_COMMIT) | KIND(SQL_ROLLBACK) | KIND(SQL_SET) | KIND(SQL_RESET) | KIND(SQL_CALL) | KIND(SQL_VACUUM) |
	KIND(SQL_ANALYZE);

/* SET and RESET: variables and the time zone, of this session only. */
static bool setting_allowed(const struct walk *w, int i)
{
	static const char *const allowed[] = {"variable", "timezone", NULL};

	i++;
	if (sql_is(w->t, i, "session"))
		i++;
	if (sql_is(w->t, i, "time") && sql_is(w->t, i + 1, "zone"))
		return true;
	return i < w->to && word_in(&w->t->v[i], allowed);
}

static bool call_allowed(const struct walk *w, int i)
{
	static const struct str allowed = S_INIT("system$wait");

	return i + 2 < w->to && is_name(&w->t->v[i + 1]) && is_punct(&w->t->v[i + 2], '(') &&
	       word_is(sql_name_of(w->c->arena, w->t->dialect, &w->t->v[i + 1]), allowed);
}

/* UPDATE EXTENSIONS [(…)] goes to the network; a table of that name has a SET behind it. */
static bool updates_extensions(const struct walk *w, int i)
{
	return sql_is(w->t, i + 1, "extensions") && (i + 2 >= w->to || is_punct(&w->t->v[i + 2], '('));
}

static bool object_allowed(struct str object)
{
	static const struct str allowed[] = {S_INIT("TABLE"), S_INIT("VIEW"),  S_INIT("SCHEMA"), S_INIT("SEQUENCE"),
					     S_INIT("INDEX"), S_INIT("TYPE"),  S_INIT("MACRO"),  S_INIT("FUNCTION"),
					     S_INIT("COLUMN")};

	for (size_t i = 0; i < COUNT_OF(allowed); i++)
		if (str_eq(object, allowed[i]))
			return true;
	return false;
}

static bool statement_allowed(const struct walk *w)
{
	const struct sql_class *k = &w->head.class;
	int i = w->head.explained;

	if (k->kind == SQL_UNKNOWN)
		return unknown_statement(w->c, w->t, &w->head, w->to);
	if (!(allowed_kinds & KIND(k->kind)) || (k->kind == SQL_CALL && !call_allowed(w, i)) ||
	    (k->kind == SQL_UPDATE && updates_extensions(w, i)) ||
	    ((k->kind == SQL_SET || k->kind == SQL_RESET) && !setting_allowed(w, i)))
		return refuse(w, i, "The statement", str_of(sql_kind_name(k->kind)), "");
	if (k->kind >= SQL_CREATE && k->kind <= SQL_COMMENT && !object_allowed(k->object))
		return refuse(w, i, sql_kind_name(k->kind), k->object, "");
	if (w->g->select_only && (k->kind != SQL_SELECT || w->head.explain))
		return read_only(w, i, "the statement", str_of(w->head.explain ? "EXPLAIN" : sql_kind_name(k->kind)));
	return true;
}

/* --- names --- */
static struct str name_of(const struct walk *w, int i)
{
	return sql_name_of(w->c->arena, w->t->dialect, &w->t->v[i]);
}

static bool in_list(struct str name, const char *const *list)
{
	for (; list && *list; list++)
		if (str_ieq(name, str_of(*list)))
			return true;
	return false;
}

static bool matches(struct str name, struct str pattern)
{
	if (pattern.p[0] == '*')
		return name.n >= pattern.n - 1 && str_ieq(str_tail(name, name.n + 1 - pattern.n), str_tail(pattern, 1));
	if (pattern.p[pattern.n - 1] == '*')
		return str_istarts(name, str_head(pattern, pattern.n - 1));
	return word_is(name, pattern);
}

static const struct rule *rule_for(const struct rule *rules, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (matches(name, rules[i].pattern))
			return &rules[i];
	return NULL;
}

bool sql_reserved_database(struct str name)
{
	return in_list(name, reserved) || str_istarts(name, S(SQL_EPHEMERAL));
}

/* The catalog of a dotted name of tokens [i, end]. All of an instance are the tenant's own, but for those of
 * sessions and the reserved ones. */
static bool check_catalog(const struct walk *w, int i, int end)
{
	struct str first = name_of(w, i);

	if (end == i || in_list(first, w->g->catalogs) || !sql_reserved_database(first))
		return true;
	return refuse(w, i, "The catalog", first, "");
}

static bool zone_argument(const struct walk *w, int i)
{
	const struct sql_token *arg = &w->t->v[i + 1];

	return w->t->v[i].match == i + 2 && arg->kind == SQL_STRING &&
	       word_is(string_value(w->c->arena, w->t->dialect, arg->text), S("timezone"));
}

static bool holds_reserved(struct str text)
{
	for (size_t i = 0; i + sizeof(SQL_EPHEMERAL) - 1 <= text.n; i++)
		if (str_istarts(str_tail(text, i), S(SQL_EPHEMERAL)))
			return true;
	return false;
}

/* The last argument in the brackets at `open`: one string as it stands, maybe cast. It may be
 * JSON, so escapes are not looked into. */
static bool plain_name_argument(const struct walk *w, int open)
{
	const struct sql_token *v = w->t->v;
	int close = v[open].match, from = open + 1;
	struct str text;

	for (int i = open + 1; i < close; i++) {
		if (v[i].match > i)
			i = v[i].match;
		else if (is_punct(&v[i], ','))
			from = i + 1;
	}
	if (v[from].kind != SQL_STRING || !(close == from + 1 || (close == from + 3 && is_operator(&v[from + 1], S("::")))))
		return false;
	text = string_value(w->c->arena, w->t->dialect, v[from].text);
	return str_find(text, '\\') == text.n && !holds_reserved(text);
}

/* What is kept and runs when others read: it may change nothing, neither a sequence nor a connection. */
static bool is_kept(const struct walk *w, int i)
{
	const struct sql_class *k = &w->head.class;

	return k->kind == SQL_CREATE && (str_eq(k->object, S("VIEW")) || str_eq(k->object, S("MACRO")) ||
					 str_eq(k->object, S("FUNCTION")) ||
					 (str_eq(k->object, S("TABLE")) && !k->as_select && w->computed && w->t->v[i].depth > 1));
}

static bool check_effects(const struct walk *w, int i, struct str name)
{
	const struct sql_class *k = &w->head.class;
	bool seeds = word_is(name, S("setseed"));

	if (!seeds && !word_is(name, S("nextval")))
		return true;
	if (is_kept(w, i) || (seeds && (k->kind == SQL_ALTER || (k->kind == SQL_CREATE && !k->as_select))))
		return refuse(w, i, "The function", name, "it has an effect whenever it is read");
	return true;
}

static bool check_naming(const struct walk *w, int end, struct str name)
{
	for (size_t i = 0; i < COUNT_OF(naming); i++) {
		if (!word_is(name, naming[i]))
			continue;
		if (w->g->select_only && word_is(name, S("nextval")))
			return read_only(w, end, "the function", name);
		if (!plain_name_argument(w, end + 1))
			return refuse(w, end, "The function", name, "but for a name written out, of what is the caller's own");
	}
	return true;
}

/* In a space: functions of rows, and three that make rows of values. */
static bool check_space_function(const struct walk *w, int end, struct str name)
{
	static const char *const makes_rows[] = {"unnest", "range", "generate_series", NULL};
	const struct rule *r = rule_for(space_functions, COUNT_OF(space_functions), name);

	if (r)
		return refuse(w, end, "The function", name, r->reason);
	if (w->table && !in_list(name, makes_rows))
		return refuse(w, end, "The table function", name, "rows come from the tables of the space");
	return true;
}

/* A function name of tokens [i, end], an opening bracket behind it. */
static bool check_function(const struct walk *w, int i, int end)
{
	struct str name = name_of(w, end);
	const struct rule *r = rule_for(functions, COUNT_OF(functions), name);

	if (!r && w->table)
		r = rule_for(table_functions, COUNT_OF(table_functions), name);
	if (r && !w->space && word_is(name, S("current_setting")) && zone_argument(w, end + 1))
		r = NULL;
	if (r)
		return refuse(w, end, "The function", name, r->reason);
	return (!w->space || check_space_function(w, end, name)) && check_naming(w, end, name) && check_effects(w, end, name) &&
	       check_catalog(w, i, end);
}

static bool like_a_file(struct str name)
{
	static const struct str marks[] = {S_INIT("/"), S_INIT("\\"), S_INIT("*"), S_INIT("?"), S_INIT("://")};

	for (size_t i = 0; i < COUNT_OF(marks); i++)
		if (str_search(name, marks[i]) < name.n)
			return true;
	for (size_t i = 0; i < COUNT_OF(file_endings); i++)
		if (name.n > file_endings[i].n && str_ieq(str_tail(name, name.n - file_endings[i].n), file_endings[i]))
			return true;
	return false;
}

/* DuckDB looks for a file under all parts joined, so ".csv" may be one of them. */
static bool names_file(const struct walk *w, int i, int end)
{
	struct str name = name_of(w, end);

	if (end > i)
		name = arena_fmt(w->c->arena, "x.%.*s", SARG(name));
	return (end > i || w->t->v[i].kind == SQL_QUOTED) && like_a_file(name);
}

static bool check_table(const struct walk *w, int i, int end)
{
	struct str name = name_of(w, end);
	const struct rule *r = rule_for(views, COUNT_OF(views), name);

	if (!r && w->space)
		r = rule_for(space_views, COUNT_OF(space_views), name);
	if (r)
		return refuse(w, end, "The view", name, r->reason);
	if (names_file(w, i, end))
		return refuse(w, i, "The file", name, "tables are named, not files");
	if (w->space && end > i)
		return refuse(w, i, "The catalog", name_of(w, i), "tables of the space are named alone");
	return check_catalog(w, i, end);
}

/* --- where a table may stand --- */

/* Words before a table name, those that begin a list of them, those that may stand between,
 * and those that end the list: reserved in DuckDB, so that no alias can imitate them. */
static const char *const before_table[] = {"from",	"join", "into",	 "update",  "table",	   "describe",	  "desc",
					   "summarize", "show", "using", "pivot",   "unpivot",	   "pivot_wider", "pivot_longer",
					   "only",	NULL};
static const char *const begins_list[] = {"from", "using", NULL};
static const char *const between[] = {"lateral", "if", "not", "exists", "only", "analyze", "analyse", NULL};
static const char *const ends_list[] = {"where", "having", "limit",	"offset", "select",
					"qualify", "window", "fetch", "returning", NULL};

static bool ends(const struct walk *w, int i)
{
	if (sql_is(w->t, i - 1, "as"))
		return false;
	return word_in(&w->t->v[i], ends_list) || ((sql_is(w->t, i, "group") || sql_is(w->t, i, "order")) && sql_is(w->t, i + 1, "by"));
}

static bool begins_query(const struct sql_token *k)
{
	static const char *const words[] = {"from",  "select",  "with",     "values", "table", "pivot", "pivot_wider", "pivot_longer",
					    "show", "unpivot", "describe", "desc",	"summarize", NULL};

	return is_punct(k, '(') || word_in(k, words);
}

/* Does the bracket hold the arguments of EXTRACT and its like, not a query? */
static bool takes_from(const struct walk *w, int open)
{
	static const char *const callers[] = {"extract", "trim", "substring", "overlay", NULL};
	const struct sql_token *k = &w->t->v[open];

	return is_punct(k, '(') && open > 0 && word_in(k - 1, callers) && !begins_query(k + 1);
}

/* t PIVOT (sum(x) FOR …), not PIVOT (SELECT …) ON …; what a space's SELECT names is read once more by the worker's parser. */
static bool pivots_what_stands_before(const struct walk *w, int i)
{
	static const char *const words[] = {"pivot", "unpivot", "pivot_wider", "pivot_longer", NULL};
	const struct sql_token *k = &w->t->v[i];

	return w->space && word_in(k, words) && is_punct(k + 1, '(') && !begins_query(k + 2);
}

/* FROM that is no clause: IS [NOT] DISTINCT FROM, EXTRACT(… FROM …). */
static bool is_plain_from(const struct walk *w, int i)
{
	const struct sql_tokens *t = w->t;
	int depth = t->v[i].depth;

	if (sql_is(t, i - 1, "distinct"))
		return sql_is(t, i - 2, "is") || (sql_is(t, i - 2, "not") && sql_is(t, i - 3, "is"));
	for (i--; i > 0 && depth > 0; i--) {
		if (t->v[i].match > i)
			return takes_from(w, i);
		if (t->v[i].match >= 0)
			i = t->v[i].match;
		else if (sql_is(t, i, "from"))
			return false;
	}
	return false;
}

/* Words behind which a table stands in this statement only. */
static bool before_its_table(const struct walk *w, int i)
{
	const struct sql_class *k = &w->head.class;

	if (i == w->head.explained)
		return k->kind == SQL_TRUNCATE || k->kind == SQL_VACUUM || k->kind == SQL_ANALYZE;
	return k->kind == SQL_CREATE && sql_is(w->t, i, "on") && str_eq(k->object, S("INDEX"));
}

/* A single word that is no name but says where tables stand. */
static bool keyword(struct walk *w, int i)
{
	const struct sql_token *k = &w->t->v[i];

	if (k->kind != SQL_WORD || (i > 0 && is_punct(k - 1, '.')))
		return false;
	if (w->table && word_in(k, between))
		return true;
	if (pivots_what_stands_before(w, i))
		return true;
	if (w->space && sql_is(w->t, i, "using")) /* columns of a join, sums of a pivot, a sample */
		return true;
	if (word_in(k, before_table) || before_its_table(w, i)) {
		if (sql_is(w->t, i, "from") && is_plain_from(w, i))
			return true;
		w->table = true;
		if (word_in(k, begins_list))
			w->lists[k->depth] = TABLES;
		return true;
	}
	if (w->table && sql_is(w->t, i, "values") && is_punct(k + 1, '('))
		w->lists[k->depth] = TUPLES;
	else if (ends(w, i))
		w->lists[k->depth] = NO_LIST;
	else
		return false;
	w->table = false;
	return true;
}

/* What no name may be, wherever it stands: a session's catalog that is not the caller's, a physical id that the
 * scope's rewriting did not take away, the catalogs that are made up. */
static bool check_reserved(const struct walk *w, int i, int end)
{
	bool qualified = end > i && !(i > 0 && is_punct(&w->t->v[i - 1], '.'));

	for (int j = i; j <= end; j += 2) {
		struct str name = name_of(w, j);

		if (str_istarts(name, S(SQL_EPHEMERAL)) && !(j == i && qualified && in_list(name, w->g->catalogs)))
			return refuse(w, j, "The name", name, "names that begin with " SQL_EPHEMERAL " are reserved");
	}
	if (qualified && in_list(name_of(w, i), made_up))
		return check_catalog(w, i, end);
	return true;
}

/* SHOW, DESCRIBE and SUMMARIZE inside of a SELECT. */
static bool check_listing(const struct walk *w, int i)
{
	static const char *const words[] = {"show", "describe", "summarize", NULL};
	const struct sql_token *k = &w->t->v[i];
	bool label = i > 0 && (is_punct(k - 1, '.') || sql_is(w->t, i - 1, "as"));

	if (!w->space || label)
		return true;
	if (!word_in(k, words) && !(sql_is(w->t, i, "desc") && i > 0 && is_punct(k - 1, '(')))
		return true;
	return refuse(w, i, "The statement", k->text, "");
}

/* A dotted name: a function, a table, or something of no interest. */
static bool check_name(struct walk *w, int i, int *ret_end)
{
	int end = name_end(w->t, i, w->to);
	bool called = end + 1 < w->to && is_punct(&w->t->v[end + 1], '('), ok = true;

	*ret_end = end;
	if (!check_listing(w, i))
		return false;
	if (w->lists[w->t->v[i].depth] == TUPLES)
		w->lists[w->t->v[i].depth] = TABLES;
	if (end == i && keyword(w, i))
		return true;
	ok = check_reserved(w, i, end);
	if (ok && called)
		ok = check_function(w, i, end);
	if (ok && w->table)
		ok = check_table(w, i, end);
	w->table = false;
	return ok;
}

static void check_punct(struct walk *w, int i)
{
	const struct sql_token *k = &w->t->v[i];

	if (k->match > i) {
		w->table = w->table && k->text.p[0] == '(' && w->lists[k->depth] != TUPLES;
		w->lists[k->depth + 1] = w->table ? TABLES : NO_LIST;
		if (k->depth == 1)
			w->computed = sql_is(w->t, i - 1, "as");
	} else {
		w->table = is_punct(k, ',') && w->lists[k->depth] != NO_LIST;
	}
}

/* CREATE VIEW 'name' and RENAME TO 'name': DuckDB takes a string for a name there too. */
static bool string_for_name(const struct walk *w, int i)
{
	static const char *const objects[] = {"view", "schema", "sequence", "index", "type", "macro", "function", "exists", NULL};
	enum sql_kind k = w->head.class.kind;

	if (i <= w->head.explained || w->t->v[i].depth > 0 || k < SQL_CREATE || k > SQL_ALTER)
		return false;
	return (k == SQL_ALTER && sql_is(w->t, i - 1, "to")) || (i < w->head.explained + 6 && word_in(&w->t->v[i - 1], objects));
}

static bool check_token(struct walk *w, int *i)
{
	const struct sql_token *k = &w->t->v[*i];

	switch (k->kind) {
	case SQL_WORD:
	case SQL_QUOTED:
		return check_name(w, *i, i);
	case SQL_STRING:
		if (w->table)
			return refuse(w, *i, "The file", k->text, "tables are named, not files");
		if (string_for_name(w, *i))
			return refuse(w, *i, "The string", k->text, "names are written without quotes or with double ones");
		return true;
	case SQL_PUNCT:
		check_punct(w, *i);
		return true;
	case SQL_OPERATOR: /* `alias : table` */
		w->table = is_operator(k, S(":")) && w->lists[k->depth] != NO_LIST;
		return true;
	case SQL_NUMBER:
	case SQL_PLACEHOLDER:
	case SQL_END:
		break;
	}
	w->table = false;
	return true;
}

/* The name of a CREATE, DROP, ALTER or COMMENT. */
static bool check_object(const struct walk *w)
{
	const struct sql_head *h = &w->head;

	if (h->name_to == h->name_from)
		return true;
	return check_catalog(w, h->name_from, h->name_to - 1);
}

static int deepest(const struct sql_tokens *t, struct sql_span s)
{
	int depth = 0;

	for (int i = s.from; i < s.to; i++)
		if (t->v[i].depth > depth)
			depth = t->v[i].depth;
	return depth;
}

bool sql_gate(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_gate *g)
{
	struct walk w = {.c = c, .t = t, .g = g, .to = s.to, .space = g->select_only && !(g->catalogs && g->catalogs[0])};

	if (s.from >= s.to)
		return fail(c, ERR_SQL_EMPTY, "SQL compilation error:\nEmpty SQL statement.");
	head_of(c, t, s, &w.head);
	if (!statement_allowed(&w) || !check_object(&w))
		return false;
	w.lists = arena_zalloc(c->arena, (size_t)deepest(t, s) + 2);
	for (int i = w.head.explained; i < s.to; i++)
		if (!check_token(&w, &i))
			return false;
	return true;
}
