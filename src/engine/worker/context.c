/* context.c - where names are looked up: the session's catalog, the statement's database and schema, helpers.
 *
 * A connection's search path is set where it differs from what the statement asks for, or where it may not be what it says any
 * more, since something was defined meanwhile. Not here: which databases there are (databases.c).
 *
 * On its executor's thread.
 */
#include "engine/worker/catalog.h"
#include "engine/worker/databases.h"
#include "engine/worker/process.h"
#include "sql/sql.h"

void worker_ddl(struct worker *w)
{
	atomic_fetch_add(&w->ddl, 1);
}

void executor_defined(struct executor *x)
{
	worker_ddl(x->w);
}

uint64_t executor_ddl(const struct executor *x)
{
	return atomic_load(&x->w->ddl);
}

static struct str upper(struct arena *a, struct str s)
{
	char *to = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		to[i] = (char)(s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 'a' + 'A' : s.p[i]);
	return str_from(to, s.n);
}

/* --- the path --- */
static void put_path(struct buf *b, const struct task *t, bool helpers)
{
	if (t->scope.name.n) /* hexadecimal: nothing in it to quote */
		buf_fmt(b, "%.*s.public", SARG(t->scope.name));
	if (t->database.n) {
		buf_add(b, b->n ? S(",") : S(""));
		sql_quote_name(b, t->database);
		buf_addc(b, '.');
		sql_quote_name(b, t->schema);
	}
	if (helpers || !b->n)
		buf_add(b, b->n ? S(",_sf.main") : S("_sf.main"));
}

/* False: something in it is not there. */
static bool set_path(struct task *t, struct session *s, struct str path)
{
	OWNS(buf) sql = {0};
	duckdb_result r;
	bool ok;

	buf_lit(&sql, "SET SESSION search_path = ");
	sql_quote_literal(&sql, path);
	ok = duckdb_query(s->con, arena_cstr(t->call.arena, buf_str(&sql)), &r) == DuckDBSuccess;
	duckdb_destroy_result(&r);
	if (ok) {
		buf_clear(&s->path);
		buf_add(&s->path, path);
	}
	return ok;
}

static bool take_path(struct executor *x, struct task *t, struct session *s)
{
	OWNS(buf) path = {0};

	t->ddl = executor_ddl(x); /* before: what is defined meanwhile is looked at again */
	put_path(&path, t, s->helpers);
	if (s->path_ddl == t->ddl && str_eq(buf_str(&s->path), buf_str(&path)))
		return true;
	s->path_ddl = t->ddl;
	return set_path(t, s, buf_str(&path));
}

/* --- what is not there --- */
static bool create_schema(struct executor *x, struct task *t)
{
	OWNS(buf) sql = {0};

	if (!catalog_admin(x, t))
		return false;
	buf_lit(&sql, "CREATE SCHEMA IF NOT EXISTS ");
	sql_quote_name(&sql, t->database);
	buf_addc(&sql, '.');
	sql_quote_name(&sql, t->schema);
	if (!catalog_query(t, x->admin, arena_cstr(t->call.arena, buf_str(&sql))))
		return false;
	worker_ddl(x->w);
	return true;
}

/* Names without a database are found nowhere. */
static bool is_nowhere(struct executor *x, struct task *t, struct session *s)
{
	t->nowhere = true;
	t->database = t->schema = S("");
	t->end = (struct engine_end){.position = -1};
	return take_path(x, t, s) || task_fails(t, "Catalog", "names cannot be looked up");
}

/* Another that makes it at the same time is in the way until it is there. */
static bool make_schema(struct executor *x, struct task *t, struct session *s)
{
	enum { TRIES = 50, PAUSE_MS = 2 };

	t->schema = upper(t->call.arena, t->schema);
	for (int i = 0; i < TRIES; i++) {
		bool made = create_schema(x, t);

		if (take_path(x, t, s)) {
			t->end = (struct engine_end){.position = -1};
			return true;
		}
		if (made || t->broken || !executor_pause(x, PAUSE_MS))
			break;
	}
	return t->end.outcome == ENGINE_OK && is_nowhere(x, t, s);
}

/* Another may have made it at the same time. */
static bool create_database(struct executor *x, struct task *t, struct str name)
{
	struct str made;

	if (database_create(x, t, name))
		return true;
	if (database_find(x, t, name, &made) != DATABASE_THERE)
		return false;
	t->end = (struct engine_end){.position = -1};
	return true;
}

bool session_context(struct executor *x, struct task *t, struct session *s)
{
	const struct engine_context *k = &t->ask.context;
	struct str name = k->database.n ? k->database : S(OWN_DATABASE);
	enum database_found found;

	if (t->ask.bare)
		return true;
	found = database_find(x, t, name, &t->database);
	if (found == DATABASE_DAMAGED)
		return false;
	t->schema = k->schema.n ? k->schema : S(OWN_SCHEMA);
	if (found == DATABASE_NONE && !(k->create_missing && database_name_ok(name)))
		return is_nowhere(x, t, s);
	if (found == DATABASE_NONE) {
		t->database = upper(t->call.arena, name);
		if (!create_database(x, t, t->database))
			return false;
	}
	if (take_path(x, t, s))
		return true;
	if (!k->create_missing)
		return is_nowhere(x, t, s);
	return make_schema(x, t, s);
}

/* --- verbs --- */
static bool has_schema(struct executor *x, struct task *t, struct str database, struct str schema)
{
	OWNS(buf) sql = {0};
	int64_t n;

	buf_lit(&sql, "SELECT count(*) FROM duckdb_schemas() WHERE database_name = ");
	sql_quote_literal(&sql, database);
	buf_lit(&sql, " AND lower(schema_name) = lower(");
	sql_quote_literal(&sql, schema);
	buf_lit(&sql, ")");
	return catalog_admin(x, t) && catalog_numbers(t, x->admin, arena_cstr(t->call.arena, buf_str(&sql)), &n, 1) && n > 0;
}

static bool use(struct executor *x, struct task *t)
{
	const struct engine_context *k = &t->ask.context;
	struct str name = k->database.n ? k->database : S(OWN_DATABASE), there;

	switch (database_find(x, t, name, &there)) {
	case DATABASE_DAMAGED:
		return false;
	case DATABASE_NONE:
		return task_fails(t, "Catalog", "SET schema: No catalog + schema named \"%.*s\" found.", SARG(name));
	case DATABASE_THERE:
		break;
	}
	if (!k->schema.n || has_schema(x, t, there, k->schema))
		return true;
	return task_fails(t, "Catalog", "SET schema: No catalog + schema named \"%.*s.%.*s\" found.", SARG(there), SARG(k->schema));
}

bool run_verb(struct executor *x, struct task *t)
{
	struct str name = t->ask.context.database;

	switch (t->ask.verb) {
	case ENGINE_CREATE_DATABASE:
		return database_create(x, t, name);
	case ENGINE_DROP_DATABASE:
		return database_drop(x, t, name);
	case ENGINE_USE:
		return use(x, t);
	case ENGINE_SQL:
	case ENGINE_PARSE:
		break;
	}
	return task_fails(t, "Invalid Input", "there is no such verb");
}
