/* bare.c - the second instance of a worker, for statements that see nothing of the tenant's.
 *
 * An instance of its own, since no setting of a connection takes another
 * catalog of the same one away. It has no table and no file attached; it reads
 * the cache, writes exports and spills. Opened with the first statement that
 * needs it; the two share the room for spilling from then on. What both have
 * in memory is bounded by the process's own limit.
 */
#include "engine/worker/process.h"
#include "sql/sql.h"

enum { BARE_SHARE = 4 }; /* of ten parts of the memory */

static const char *room(struct call *c, const struct worker_options *o)
{
	return arena_fmt(c->arena, "SET GLOBAL max_temp_directory_size = '%lldB'", (long long)(o->temp / 2)).p;
}

static const char *directories(struct call *c, const struct worker_options *o)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "SET GLOBAL allowed_directories = ['" ENGINE_EXPORTS "'");
	if (o->cache) {
		buf_lit(&b, ", ");
		sql_quote_literal(&b, str_of(o->cache));
	}
	buf_lit(&b, "]");
	return arena_cstr(c->arena, buf_str(&b));
}

static bool set_up(struct call *c, const struct worker_options *o, duckdb_connection con)
{
	const char *const settings[] = {
		"SET GLOBAL errors_as_json = true",
		"SET GLOBAL TimeZone = 'UTC'",
		"SET GLOBAL temp_directory = 'spill'",
		"SET GLOBAL catalog_error_max_schemas = 0",
		/* Not parquet_metadata_cache: it keeps what it has seen of every file, outside of the memory's limit. */
		room(c, o),
		directories(c, o),
		"SET GLOBAL allowed_configs = ['TimeZone', 'threads']",
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL lock_configuration = true",
		NULL,
	};

	return database_query_all(c, con, settings);
}

static bool open_instance(struct call *c, const struct worker_options *o, duckdb_database *ret)
{
	duckdb_connection con;
	duckdb_database db;
	bool ok;

	if (!database_open_instance(c, o, BARE_SHARE, &db))
		return false;
	ok = duckdb_connect(db, &con) == DuckDBSuccess || fail(c, ERR_INTERNAL, "DuckDB gave no connection");
	if (ok) {
		ok = set_up(c, o, con);
		duckdb_disconnect(&con);
	}
	if (!ok)
		duckdb_close(&db);
	else
		*ret = db;
	return ok;
}

/* Lock not held. */
static void take_bare(struct worker *w, duckdb_database db, duckdb_connection governor)
{
	w->bare = db;
	pthread_mutex_lock(&w->lock);
	w->governors[1] = governor;
	w->threads = 0; /* it has one, whatever the other has */
	pthread_cond_signal(&w->wants);
	pthread_mutex_unlock(&w->lock);
}

static bool open_bare(struct call *c, struct worker *w)
{
	duckdb_connection governor;
	duckdb_result r;
	duckdb_database db;

	if (!open_instance(c, &w->o, &db))
		return false;
	if (duckdb_connect(db, &governor) != DuckDBSuccess) {
		duckdb_close(&db);
		return fail(c, ERR_INTERNAL, "DuckDB gave no connection");
	}
	duckdb_query(w->con, room(c, &w->o), &r); /* refused: it has spilled more; then as before */
	duckdb_destroy_result(&r);
	take_bare(w, db, governor);
	return true;
}

static duckdb_database bare_of(struct executor *x, struct task *t)
{
	struct worker *w = x->w;
	duckdb_database db;

	pthread_mutex_lock(&w->opening);
	if (!w->bare && !open_bare(&t->call, w)) {
		task_fails(t, "Connection", "%s", t->call.err.text);
		call_forgive(&t->call);
	}
	db = w->bare;
	pthread_mutex_unlock(&w->opening);
	return db;
}

static bool open_bare_session(struct executor *x, struct task *t, struct session *s)
{
	duckdb_database db = bare_of(x, t);

	if (!db || !session_connect(t, db, s))
		return false;
	s->number = UINT64_MAX; /* numbers are the other instance's */
	return true;
}

struct session *executor_session(struct executor *x, struct task *t)
{
	struct session *s = &x->sessions[t->ask.bare ? 2 : t->ask.helpers];
	bool ok = s->con || (t->ask.bare ? open_bare_session(x, t, s) : worker_session_open(t, x->w->db, t->ask.helpers, s));

	return ok ? s : NULL;
}

void executor_renew(struct executor *x, struct task *t)
{
	(void)executor_session(x, t); /* the next statement tries again and says why */
}
