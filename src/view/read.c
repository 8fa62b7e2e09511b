/* read.c - what a client's SELECT names, by the worker's own parser.
 *
 * The gate sees the tokens first; then json_serialize_sql() gives the tree of
 * the one statement as text, which is walked here once: tables, common table
 * expressions with where they may be seen, table functions. What a worker sends
 * is input: the walk is iterative, and stops at the first thing it does not
 * know. Not here: where a name leads (sources.c).
 */
#include "view/view_int.h"

#include "sql/sql.h"

#include <stdlib.h>

enum { TREE_MAX = 48 << 20, NESTING_MAX = 100000, NAMES_MAX = 1000, TABLE_NAME_MAX = 255 };

/* --- places --- */

static int chars_before(struct str text, size_t at)
{
	int chars = 0;

	for (size_t i = 0; i < at && i < text.n; i++)
		chars += ((unsigned char)text.p[i] & 0xC0) != 0x80;
	return chars;
}

/* How long the text is that stands at `at` for a variable of this name: $name, or CAST($name AS …). */
static size_t replacement(struct str sql, size_t at, struct str name)
{
	struct str rest = str_tail(sql, at);
	int depth = 0;

	if (!str_starts(rest, S("CAST(")))
		return 1 + name.n;
	for (size_t i = 0; i < rest.n; i++) {
		depth += (rest.p[i] == '(') - (rest.p[i] == ')');
		if (depth == 0 && rest.p[i] == ')')
			return i + 1;
	}
	return rest.n;
}

/* The end of the placeholder that begins at `at`. */
static size_t use_end(struct str client, size_t at)
{
	size_t close = str_search(str_tail(client, at), S("}}"));

	return at + close + 2 > client.n ? client.n : at + close + 2;
}

int read_position(struct arena *a, struct str client, struct str sql, int64_t at)
{
	size_t in = 0, out = 0, where = (size_t)at;
	struct sql_variable_use *use;
	struct str ignored;
	struct call c;
	int n;

	call_open(&c, a);
	if (at < 0 || where > sql.n || !sql_variables(&c, client, &ignored, &use, &n))
		return 0;
	for (int i = 0; i < n && out + (use[i].at - in) <= where; i++) {
		size_t start = out + (use[i].at - in), length = replacement(sql, start, use[i].name);

		if (where < start + length)
			return chars_before(client, use[i].at) + 1;
		out = start + length;
		in = use_end(client, use[i].at);
	}
	in += where - out;
	return in > client.n ? 0 : chars_before(client, in) + 1;
}

/* --- the tree --- */

struct reference { /* of a table that is not qualified */
	size_t at;     /* in the tree */
	struct str name;
	int64_t place; /* in the text; -1 = not told */
};
struct cte {
	struct str name;
	size_t from, to;       /* its own text in the tree */
	size_t owner, owner_to; /* the query that it belongs to; owner_to 0: not closed yet */
	bool recursive;
};
struct node { /* an object or array that is open */
	size_t from;
	bool array, recursive_cte;
	bool is_function;      /* the value of the key "function" */
	/* of an object: members that count */
	struct str type, key, table, schema, catalog, function, schema2, catalog2;
	int64_t place;
	bool has_sample, has_alias;
	int items;             /* of an array: objects */
};
struct tree {
	struct call *c;
	const struct select_read *ret;
	struct str sql;
	const char *p, *start, *end;
	struct node *nodes;
	int n, room;
	struct reference *refs;
	int nrefs, refs_room;
	struct cte *ctes;
	int nctes, ctes_room;
	int statements;
	bool error;
	struct str message, position;
};

static bool invalid(struct tree *t, int64_t place, const char *what, struct str name)
{
	int at = place < 0 ? 0 : read_position(t->c->arena, t->ret->client, t->sql, place);

	return fail_at(t->c, ERR_SQL_INVALID, at, "%s%.*s", what, SARG(str_head(name, 100)));
}

static bool unreadable(struct tree *t)
{
	return fail(t->c, ERR_ENGINE_LOST, "the engine's parser answered something that cannot be read");
}

static void *grown(struct arena *a, void *v, int n, int *room, size_t size)
{
	char *more;

	if (n < *room)
		return v;
	*room = *room ? 2 * *room : 16;
	more = arena_alloc(a, size * (size_t)*room);
	if (n)
		memcpy(more, v, size * (size_t)n);
	return more;
}

static void add_reference(struct tree *t, const struct node *o)
{
	t->refs = grown(t->c->arena, t->refs, t->nrefs, &t->refs_room, sizeof(*t->refs));
	t->refs[t->nrefs++] = (struct reference){o->from, o->table, o->place};
}

/* The entry of a query's cte_map ends: the query is three levels out. */
static bool add_cte(struct tree *t, const struct node *o)
{
	if (t->n < 4)
		return unreadable(t);
	t->ctes = grown(t->c->arena, t->ctes, t->nctes, &t->ctes_room, sizeof(*t->ctes));
	t->ctes[t->nctes++] = (struct cte){.name = o->key, .from = o->from, .to = (size_t)(t->p - t->start),
					   .owner = t->nodes[t->n - 4].from, .recursive = o->recursive_cte};
	return true;
}

static bool table_ok(struct tree *t, const struct node *o)
{
	if (o->schema.n || o->catalog.n)
		return invalid(t, o->place, "a table of a space is named without schema or catalog: ", o->table);
	if (!o->table.n)
		return unreadable(t);
	if (o->table.n > TABLE_NAME_MAX)
		return invalid(t, o->place, "no table or view ", o->table);
	add_reference(t, o);
	return true;
}

static bool function_ok(struct tree *t, const struct node *o)
{
	static const char *const allowed[] = {"unnest", "range", "generate_series"};
	bool own = (!o->schema2.n || str_ieq(o->schema2, S("main"))) && (!o->catalog2.n || str_ieq(o->catalog2, S("system")));

	for (size_t i = 0; own && i < COUNT_OF(allowed); i++)
		if (str_ieq(o->function, str_of(allowed[i])))
			return true;
	fail_at(t->c, ERR_NOT_ALLOWED, o->place < 0 ? 0 : read_position(t->c->arena, t->ret->client, t->sql, o->place),
		"the table function %.*s is not allowed here", SARG(str_head(o->function, 100)));
	return false;
}

/* What may stand in FROM. */
static bool from_ok(struct tree *t, const struct node *o)
{
	static const char *const kinds[] = {"SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "EMPTY_FROM",
					    "PIVOT"};

	if (str_eq(o->type, S("BASE_TABLE")))
		return table_ok(t, o);
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (str_eq(o->type, str_of(kinds[i])))
			return true;
	return invalid(t, o->place, "this cannot stand in the SQL of a view: ", o->type);
}

static void close_query(struct tree *t, const struct node *o)
{
	for (int i = t->nctes - 1; i >= 0 && t->ctes[i].from > o->from; i--)
		if (t->ctes[i].owner == o->from)
			t->ctes[i].owner_to = (size_t)(t->p - t->start);
}

/* t->p stands behind it; it is still the innermost. */
static bool close_object(struct tree *t)
{
	const struct node *o = &t->nodes[t->n - 1];
	struct str array = t->n >= 2 && t->nodes[t->n - 2].array ? t->nodes[t->n - 2].key : S("");

	if (o->is_function && !function_ok(t, o))
		return false;
	if (o->has_alias && o->has_sample && !from_ok(t, o))
		return false;
	if (str_eq(o->type, S("RECURSIVE_CTE_NODE")) && t->n >= 4)
		t->nodes[t->n - 4].recursive_cte = true; /* entry, value, query, node */
	if (o->key.p && str_eq(array, S("map")) && !add_cte(t, o))
		return false;
	close_query(t, o);
	if (str_eq(array, S("statements")))
		t->statements++;
	return true;
}

/* --- walking --- */

static void blanks(struct tree *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\n' || *t->p == '\t' || *t->p == '\r'))
		t->p++;
}

static bool text(struct tree *t, struct str *ret)
{
	const char *from = ++t->p;

	while (t->p < t->end && *t->p != '"')
		t->p += *t->p == '\\' ? 2 : 1;
	if (t->p >= t->end)
		return unreadable(t);
	*ret = str_from(from, (size_t)(t->p++ - from));
	return true;
}

static void member(struct tree *t, struct node *o, struct str key, struct str value, bool quoted)
{
	static const struct {
		const char *key;
		size_t at;
	} wanted[] = {{"type", offsetof(struct node, type)}, {"key", offsetof(struct node, key)},
		      {"table_name", offsetof(struct node, table)}, {"schema_name", offsetof(struct node, schema)},
		      {"catalog_name", offsetof(struct node, catalog)}, {"function_name", offsetof(struct node, function)},
		      {"schema", offsetof(struct node, schema2)}, {"catalog", offsetof(struct node, catalog2)}};
	int64_t number;

	for (size_t i = 0; quoted && i < COUNT_OF(wanted); i++)
		if (str_eq(key, str_of(wanted[i].key)))
			*(struct str *)((char *)o + wanted[i].at) = json_unescape(t->c->arena, value);
	if (str_eq(key, S("alias")))
		o->has_alias = true;
	if (str_eq(key, S("sample")))
		o->has_sample = true;
	if (str_eq(key, S("query_location")) && str_to_i64(value, &number))
		o->place = number;
	if (t->n > 1)
		return;
	if (str_eq(key, S("error")))
		t->error = str_eq(value, S("true"));
	else if (str_eq(key, S("error_message")))
		t->message = json_unescape(t->c->arena, value);
	else if (str_eq(key, S("position")))
		t->position = value;
}

static bool open_node(struct tree *t, struct str key)
{
	if (t->n >= NESTING_MAX)
		return unreadable(t);
	if (t->n && str_eq(key, S("at_clause"))) /* of a CTE, DuckDB would forget it */
		return invalid(t, t->nodes[t->n - 1].place, "a table is read as it is now, without AT", S(""));
	t->nodes = grown(t->c->arena, t->nodes, t->n, &t->room, sizeof(*t->nodes));
	if (t->n && !t->nodes[t->n - 1].array && str_eq(key, S("sample")))
		t->nodes[t->n - 1].has_sample = true;
	if (t->n && t->nodes[t->n - 1].array && ++t->nodes[t->n - 1].items > VIEW_COLUMNS_MAX &&
	    str_eq(t->nodes[t->n - 1].key, S("select_list"))) /* DuckDB would make names unique, one by one */
		return fail(t->c, ERR_SQL_INVALID, "it has more than %d columns", VIEW_COLUMNS_MAX);
	t->nodes[t->n++] = (struct node){.from = (size_t)(t->p - t->start), .array = *t->p == '[', .place = -1,
					 .is_function = str_eq(key, S("function"))};
	if (*t->p == '[')
		t->nodes[t->n - 1].key = key; /* an array's is the name of its member */
	t->p++;
	return true;
}

static bool close_node(struct tree *t)
{
	bool array = *t->p++ == ']';

	if (array != t->nodes[t->n - 1].array || (!array && !close_object(t)))
		return t->c->err.kind != ERR_NONE ? false : unreadable(t);
	t->n--;
	return true;
}

static bool scalar(struct tree *t, struct str key)
{
	const char *from = t->p;
	struct str value;
	bool quoted = *t->p == '"';

	if (quoted && !text(t, &value))
		return false;
	while (!quoted && t->p < t->end && !strchr(",]} \n\t\r", *t->p))
		t->p++;
	if (!quoted)
		value = str_from(from, (size_t)(t->p - from));
	if (t->p == from)
		return unreadable(t);
	if (!t->nodes[t->n - 1].array)
		member(t, &t->nodes[t->n - 1], key, value, quoted);
	return true;
}

/* One value or the end of what is open; t->n is 0 when all is read. */
static bool step(struct tree *t)
{
	struct str key = {0};

	blanks(t);
	if (t->p >= t->end)
		return unreadable(t);
	if (*t->p == ']' || *t->p == '}')
		return close_node(t);
	if (*t->p == ',') {
		t->p++;
		return true;
	}
	if (!t->nodes[t->n - 1].array) {
		if (*t->p != '"' || !text(t, &key))
			return unreadable(t);
		blanks(t);
		if (t->p >= t->end || *t->p++ != ':')
			return unreadable(t);
		blanks(t);
		if (t->p >= t->end)
			return unreadable(t);
	}
	return *t->p == '{' || *t->p == '[' ? open_node(t, key) : scalar(t, key);
}

static bool walk(struct tree *t, struct str json)
{
	t->p = t->start = json.p;
	t->end = json.p + json.n;
	if (!json.n || *t->p != '{' || !open_node(t, S("")))
		return unreadable(t);
	while (t->n > 0)
		if (!step(t))
			return t->c->err.kind != ERR_NONE ? false : unreadable(t);
	return true;
}

/* --- names --- */

/* A query sees its own, those of the queries around it, and of those beside it the earlier ones. */
static bool sees(const struct tree *t, const struct reference *r, const struct cte *k)
{
	bool inside = r->at >= k->from && r->at < k->to, earlier = r->at < k->from;

	if (!str_ieq(r->name, k->name) || r->at < k->owner || r->at >= k->owner_to)
		return false;
	if (inside)
		return k->recursive;
	if (!earlier)
		return true;
	for (int i = 0; i < t->nctes; i++) /* in the text of one that stands before it in the same list? */
		if (t->ctes[i].owner == k->owner && r->at >= t->ctes[i].from && r->at < t->ctes[i].to)
			return false;
	return true; /* ORDER BY stands first in the tree */
}

static bool is_cte(const struct tree *t, const struct reference *r)
{
	for (int i = 0; i < t->nctes; i++)
		if (sees(t, r, &t->ctes[i]))
			return true;
	return false;
}

static int by_place(const void *a, const void *b)
{
	int64_t x = ((const struct reference *)a)->place, y = ((const struct reference *)b)->place;

	return (x > y) - (x < y);
}

static bool add_names(struct tree *t, struct select_read *ret)
{
	struct map seen = {0};
	bool ok = true;

	ret->tables = ARENA_ARRAY(t->c->arena, struct named_table, NAMES_MAX);
	ret->ntables = 0;
	for (int i = 0; ok && i < t->nrefs; i++) {
		const struct reference *r = &t->refs[i];
		struct str lower = arena_lower(t->c->arena, r->name);

		if (map_get(&seen, lower) || is_cte(t, r))
			continue;
		if (ret->ntables == NAMES_MAX) {
			ok = invalid(t, r->place, "it names too many tables: ", r->name);
			continue;
		}
		(void)!map_put(&seen, lower, t);
		ret->tables[ret->ntables++] = (struct named_table){
			r->name, r->place < 0 ? 0 : read_position(t->c->arena, ret->client, t->sql, r->place)};
	}
	map_close(&seen);
	return ok;
}

/* --- the step --- */

struct reading {
	struct select_read *ret;
	struct str sql;
	op_step *next;
};

static bool parse_error(struct tree *t)
{
	int64_t at;

	if (!str_to_i64(t->position, &at))
		at = -1;
	if (str_search(t->message, S("Only SELECT")) < t->message.n)
		return invalid(t, at, "it is not one SELECT", S(""));
	return invalid(t, at, "", t->message);
}

static bool read_tree(struct view_op *op, struct reading *r, struct str json)
{
	struct tree t = {.c = &op->call, .ret = r->ret, .sql = r->sql};

	if (!walk(&t, json))
		return false;
	if (t.error)
		return parse_error(&t);
	if (t.statements != 1)
		return invalid(&t, -1, "it is not one SELECT", S(""));
	if (t.nrefs)
		qsort(t.refs, (size_t)t.nrefs, sizeof(*t.refs), by_place);
	return add_names(&t, r->ret);
}

static bool answer(struct view_op *op, struct str *ret)
{
	struct json_cell cell;
	struct json_scan s;
	struct str data;

	if (!op_got_plain(op))
		return false;
	data = op->got.nparts ? engine_bytes_str(op->got.parts[0]) : S("");
	if (str_starts(data, S("{\"data\":[")) && str_ends(data, S("]}"))) {
		s = json_scan(str_from(data.p + 9, data.n - 11));
		if (json_scan_row(&s) && json_scan_cell(&s, &cell) && cell.quoted && !s.bad) {
			*ret = json_unescape(&op->arena, cell.raw);
			return true;
		}
	}
	return fail(&op->call, ERR_ENGINE_LOST, "the engine's parser gave no answer");
}

static void parsed(struct view_op *op)
{
	struct select_read *ret = op->reading;
	struct reading *r = ret->inner;
	struct str json;

	if (op->got.end.outcome != ENGINE_OK)
		(void)!op_fail_engine(op, S(""), S(""), 0);
	else if (answer(op, &json))
		(void)!read_tree(op, r, json);
	op_got_drop(op);
	r->next(op);
}

/* --- the gate --- */

static bool gate(struct call *c, struct str sql, struct str client)
{
	static const struct sql_gate g = {.catalogs = NULL, .select_only = true};
	struct sql_tokens t;
	struct sql_span *spans;
	int n;

	if (!sql_lex(c, SQL_DUCKDB, sql, &t) || !sql_split(c, &t, &spans, &n))
		return false;
	if (n != 1)
		return fail_at(c, ERR_SQL_INVALID, n ? read_position(c->arena, client, sql, (int64_t)t.v[spans[1].from].at) : 1,
			       n ? "it is more than one statement" : "it is empty");
	return sql_gate(c, &t, spans[0], &g);
}

/* What the gate found, in the words and with the places of a saved SQL. */
static bool gated(struct call *c, struct str sql, struct str client)
{
	int at;

	if (gate(c, sql, client))
		return true;
	if (c->err.kind == ERR_READ_ONLY || c->err.kind == ERR_SQL || c->err.kind == ERR_SQL_EMPTY)
		c->err.kind = ERR_SQL_INVALID;
	else if (c->err.kind == ERR_SQL_INVALID)
		return false;
	at = c->err.position;
	c->err.position = at > 0 ? read_position(c->arena, client, sql, at - 1) : 0;
	return false;
}

void read_select(struct view_op *op, struct str sql, struct select_read *ret, op_step *next)
{
	struct reading *r = ARENA_NEW(&op->arena, struct reading);
	const struct engine_bind bind = {.type = ENGINE_B_TEXT, .value = sql};
	const struct engine_ask ask = {.sql = S("SELECT json_serialize_sql($1::VARCHAR)::VARCHAR"), .binds = &bind, .nbinds = 1,
				       .form = ENGINE_NATIVE, .counts = ENGINE_ROWS, .bare = true, .max_result_bytes = TREE_MAX};

	*r = (struct reading){ret, sql, next};
	ret->inner = r;
	op->reading = ret;
	if (gated(&op->call, sql, ret->client))
		op_ask(op, &ask, parsed);
	else
		next(op);
}
