/* duckdb.c - the instance, locked down, and the sessions on it.
 *
 * Order matters: open, files attached, settings, external access off, lock.
 * A session is what one request sees; it is used again by the next request
 * as long as no statement may have left anything in it.
 */
#include "engine/functions/json_of.h"
#include "engine/functions/functions.h"
#include "engine/worker/databases.h"
#include "engine/worker/helper_image.h"
#include "engine/functions/types.h"
#include "sql/sql.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

bool database_query(struct call *c, duckdb_connection con, const char *sql)
{
	duckdb_result r;
	bool ok = duckdb_query(con, sql, &r) == DuckDBSuccess;

	if (!ok)
		fail(c, ERR_INTERNAL, "%s", duckdb_result_error(&r));
	duckdb_destroy_result(&r);
	return ok;
}

bool database_query_all(struct call *c, duckdb_connection con, const char *const *v)
{
	for (; *v; v++)
		if (!database_query(c, con, *v))
			return false;
	return true;
}

/* --- folder --- */
static bool empty_folder(struct call *c, const char *path)
{
	int fd = file_make_folder(path, 0700) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool ok = fd >= 0 && file_empty_folder(fd);

	if (fd >= 0)
		close(fd);
	return ok || fail(c, ERR_INTERNAL, "the folder %s cannot be read", path);
}

static bool make_folders(struct call *c)
{
	static const char *const kept[] = {"sessions", ENGINE_EXPORTS};

	for (size_t i = 0; i < COUNT_OF(kept); i++)
		if (!file_make_folder(kept[i], 0700))
			return fail(c, ERR_INTERNAL, "the folder %s cannot be made", kept[i]);
	return empty_folder(c, "tmp") && empty_folder(c, "spill") && empty_folder(c, "incoming");
}

/* --- opening --- */
bool database_open_with(struct call *c, const char *name, const char *const settings[][2], size_t n, duckdb_database *ret)
{
	duckdb_config config;
	char *error = NULL;
	bool ok = duckdb_create_config(&config) == DuckDBSuccess;

	for (size_t i = 0; ok && i < n; i++)
		ok = duckdb_set_config(config, settings[i][0], settings[i][1]) == DuckDBSuccess ||
		     fail(c, ERR_INTERNAL, "DuckDB has no setting %s", settings[i][0]);
	if (ok && duckdb_open_ext(name, ret, config, &error) != DuckDBSuccess)
		ok = fail(c, ERR_INTERNAL, "%s", error ? error : "DuckDB could not be opened");
	duckdb_free(error);
	duckdb_destroy_config(&config);
	return ok;
}

bool database_open_instance(struct call *c, const struct worker_options *o, int share, duckdb_database *ret)
{
	const char *memory = arena_fmt(c->arena, "%lldB", (long long)(o->memory / 10 * share)).p;
	const char *const settings[][2] = {
		{"threads", "1"},
		{"memory_limit", memory},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_unsigned_extensions", "false"},
		{"allow_persistent_secrets", "false"},
		{"allow_community_extensions", "false"},
	};

	return database_open_with(c, ":memory:", settings, COUNT_OF(settings), ret);
}

enum { LOCK_WAIT_MS = 10000, LOCK_POLL_MS = 20 };

/* The worker of a server that was killed may still be on its way out, with the file locked. */
static bool attach_main(struct call *c, duckdb_connection con)
{
	const struct timespec moment = {.tv_nsec = LOCK_POLL_MS * 1000000L};
	int64_t until = clock_mono_ms() + LOCK_WAIT_MS;

	while (!database_query(c, con, "ATTACH 'mayfly.db' AS MAYFLY")) {
		if (!strstr(c->err.text, "Could not set lock") || clock_mono_ms() > until)
			return false;
		call_forgive(c);
		nanosleep(&moment, NULL);
	}
	return true;
}

/* Of catalogs, of rows on their way in, of databases; the gate refuses files to users. */
static const char allowed_directories[] = "SET GLOBAL allowed_directories = ['sessions', 'incoming', '" DATABASES "']";
/* What the worker itself changes later; the gate refuses SET to users. */
static const char allowed_configs[] =
	"SET GLOBAL allowed_configs = ['TimeZone', 'default_null_order', 'old_implicit_casting', 'threads', 'enable_progress_bar', "
	"'enable_progress_bar_print', 'max_temp_directory_size']";
static const char *const before_lock[] = {
	"CREATE SCHEMA IF NOT EXISTS MAYFLY.PUBLIC",
	"SET GLOBAL errors_as_json = true",
	"SET GLOBAL TimeZone = 'UTC'",
	"SET GLOBAL temp_directory = 'tmp'",
	"SET GLOBAL catalog_error_max_schemas = 0", /* no suggestion names what another session has */
	allowed_directories,
	NULL,
};
static const char *const lock[] = {
	allowed_configs,
	"SET GLOBAL enable_external_access = false",
	"SET GLOBAL lock_configuration = true",
	NULL,
};

bool database_register(struct call *c, duckdb_connection con)
{
	return sf_types_register(c, con) && sf_functions_register(c, con) &&
	       (variant_register(con) || fail(c, ERR_INTERNAL, "the functions of VARIANT could not be registered"));
}

static bool set_up(struct call *c, const struct worker_options *o, duckdb_connection con)
{
	const char *temp = arena_fmt(c->arena, "SET GLOBAL max_temp_directory_size = '%lldB'", (long long)o->temp).p;

	return database_register(c, con) && attach_main(c, con) && database_query_all(c, con, before_lock) &&
	       database_query(c, con, temp) && helper_attach(c, con) && database_query_all(c, con, lock);
}

bool database_open(struct call *c, const struct worker_options *o, duckdb_database *ret, struct databases **ret_all)
{
	duckdb_database db = NULL;
	duckdb_connection con;
	bool ok;

	if (!make_folders(c) || !database_open_instance(c, o, 8, &db))
		return false;
	if (duckdb_connect(db, &con) != DuckDBSuccess)
		return fail(c, ERR_INTERNAL, "DuckDB gave no connection");
	ok = set_up(c, o, con);
	if (ok)
		*ret_all = databases_open(c, con, o->databases);
	duckdb_disconnect(&con);
	*ret = db;
	return ok && *ret_all;
}

/* --- sessions --- */
/* Progress is counted only while the bar is on; its printing is off. */
#define PROGRESS "SET SESSION enable_progress_bar_print = false", "SET SESSION enable_progress_bar = true"
static const char *const session_sql[2][5] = {
	{PROGRESS, NULL},
	{PROGRESS, "SET SESSION default_null_order = 'nulls_last_on_asc_first_on_desc'", "SET SESSION old_implicit_casting = true",
	 NULL},
};

static const char *search_path(struct task *t, bool helpers)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "SET SESSION search_path = '");
	if (t->scope.name.n) /* hexadecimal: nothing in it to quote */
		buf_fmt(&b, "%.*s.public,", SARG(t->scope.name));
	buf_add(&b, helpers ? S("MAYFLY.PUBLIC,_sf.main'") : S("MAYFLY.PUBLIC'"));
	return arena_cstr(t->call.arena, buf_str(&b));
}

static uint64_t connection_number(duckdb_connection con)
{
	duckdb_client_context context;
	uint64_t n;

	duckdb_connection_get_client_context(con, &context);
	n = duckdb_client_context_get_connection_id(context);
	duckdb_destroy_client_context(&context);
	return n;
}

bool session_connect(struct task *t, duckdb_database db, struct session *s)
{
	*s = (struct session){.timezone = "UTC"};
	if (duckdb_connect(db, &s->con) != DuckDBSuccess)
		return task_fails(t, "Connection", "DuckDB gave no connection");
	s->number = connection_number(s->con);
	return true;
}

bool worker_session_open(struct task *t, duckdb_database db, bool helpers, struct session *s)
{
	if (!session_connect(t, db, s))
		return false;
	s->helpers = helpers;
	s->path_ddl = UINT64_MAX; /* the first statement says where */
	if (database_query(&t->call, s->con, search_path(t, helpers)) &&
	    database_query_all(&t->call, s->con, session_sql[helpers]))
		return true;
	task_failed_by_duckdb(t, t->call.err.text);
	worker_session_close(s);
	return false;
}

void session_forget(struct session *s)
{
	for (size_t i = 0; i < WORKER_CACHE; i++) {
		duckdb_destroy_prepare(&s->cache[i].statement);
		buf_drop(&s->cache[i].sql);
	}
}

void worker_session_close(struct session *s)
{
	session_forget(s);
	buf_drop(&s->path);
	duckdb_disconnect(&s->con);
}

bool session_timezone(struct task *t, struct session *s, struct str zone)
{
	OWNS(buf) sql = {0};
	duckdb_result r;
	bool ok;

	if (zone.n == 0)
		zone = S("UTC");
	if (str_eq(zone, str_of(s->timezone)))
		return true;
	if (zone.n >= sizeof(s->timezone) || memchr(zone.p, '\0', zone.n))
		return task_fails(t, "Invalid Input", "Unknown time zone '%.*s'", SARG(str_head(zone, 100)));
	session_forget(s); /* constants were folded in the former zone */
	buf_lit(&sql, "SET SESSION TimeZone = ");
	sql_quote_literal(&sql, zone);
	ok = duckdb_query(s->con, buf_cstr(&sql), &r) == DuckDBSuccess;
	duckdb_destroy_result(&r);
	if (!ok)
		return task_fails(t, "Invalid Input", "Unknown time zone '%.*s'", SARG(zone));
	snprintf(s->timezone, sizeof(s->timezone), "%.*s", SARG(zone));
	return true;
}

/* --- prepared statements, by their text --- */
static struct cached *cache_find(struct session *s, struct str key)
{
	struct cached *oldest = &s->cache[0];

	for (size_t i = 0; i < WORKER_CACHE; i++) {
		struct cached *e = &s->cache[i];

		if (e->statement && str_eq(buf_str(&e->sql), key))
			return e;
		if (oldest->statement && (!e->statement || e->used < oldest->used))
			oldest = e;
	}
	return oldest;
}

static bool worth_keeping(const struct engine_ask *ask)
{
	/* A bare one names files: kept, it would keep them open. */
	return !ask->session_state && !ask->bare && !ask->set_based && ask->counts != ENGINE_STATUS && ask->sql.n <= WORKER_CACHE_SQL;
}

static bool prepare_text(struct task *t, struct session *s, const char *sql, duckdb_prepared_statement *ret)
{
	if (duckdb_prepare(s->con, sql, ret) == DuckDBSuccess)
		return true;
	task_failed_by_duckdb(t, duckdb_prepare_error(*ret));
	duckdb_destroy_prepare(ret);
	return false;
}

static bool prepare(struct task *t, struct session *s, duckdb_prepared_statement *ret)
{
	const char *sql = arena_cstr(t->call.arena, t->ask.sql);

	if (memchr(sql, '\0', t->ask.sql.n))
		return task_fails(t, "Parser", "A statement cannot hold a zero byte");
	if (!prepare_text(t, s, sql, ret))
		return false;
	if (!bind_fits(t, s->con)) {
		duckdb_destroy_prepare(ret);
		return false;
	}
	sql = readable_sql(t, *ret);
	if (!sql)
		return true;
	duckdb_destroy_prepare(ret);
	return prepare_text(t, s, sql, ret);
}

/* A name means what the path makes of it, and what is defined. */
static bool cache_knows(const struct cached *e, struct str key, uint64_t ddl)
{
	return e->statement && e->ddl == ddl && str_eq(buf_str(&e->sql), key);
}

bool session_prepare(struct task *t, struct session *s, duckdb_prepared_statement *ret, bool *ret_kept)
{
	struct cached *e;
	struct str key;

	bind_casts(t);
	*ret_kept = worth_keeping(&t->ask);
	if (!*ret_kept)
		return prepare(t, s, ret);
	key = arena_fmt(t->call.arena, "%.*s%c%.*s", SARG(buf_str(&s->path)), t->ncasts ? '\1' : '\0', SARG(t->ask.sql));
	e = cache_find(s, key);
	if (!cache_knows(e, key, t->ddl)) {
		duckdb_prepared_statement st;

		if (!prepare(t, s, &st))
			return false;
		duckdb_destroy_prepare(&e->statement);
		buf_clear(&e->sql);
		buf_add(&e->sql, key);
		e->statement = st;
		e->ddl = t->ddl;
	} else {
		duckdb_clear_bindings(e->statement);
	}
	e->used = ++s->uses;
	*ret = e->statement;
	return true;
}
