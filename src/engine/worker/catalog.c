/* catalog.c - sessions' own databases in this process: attached, entered, left, detached.
 *
 * A catalog is attached HIDDEN when its first task comes, as memory or as the file `sessions/<name>.db`. A file may be
 * detached again while nobody is inside; what is known of its tables stays. Not here: which tables there are and how
 * large (usage.c), what is done with a whole catalog (verbs.c).
 *
 * Any executor's thread.
 */
#include "engine/worker/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct catalogs *catalogs_open(void)
{
	struct catalogs *all = base_zalloc(sizeof(*all));
	pthread_condattr_t clock;

	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&all->changed, &clock);
	pthread_condattr_destroy(&clock);
	list_init(&all->idle);
	return all;
}

/* --- statements of our own --- */
bool catalog_query(struct task *t, duckdb_connection con, const char *sql)
{
	duckdb_result r;
	bool ok = duckdb_query(con, sql, &r) == DuckDBSuccess || task_failed_by_duckdb(t, duckdb_result_error(&r));

	duckdb_destroy_result(&r);
	return ok;
}

bool catalog_first_row(duckdb_result *r, int64_t *ret, int n)
{
	duckdb_data_chunk chunk = duckdb_fetch_chunk(*r);
	bool ok = chunk && duckdb_data_chunk_get_size(chunk) > 0;

	for (int i = 0; ok && i < n; i++) {
		duckdb_vector v = duckdb_data_chunk_get_vector(chunk, (idx_t)i);

		ok = duckdb_column_type(r, (idx_t)i) == DUCKDB_TYPE_BIGINT &&
		     duckdb_validity_row_is_valid(duckdb_vector_get_validity(v), 0);
		ret[i] = ok ? *(int64_t *)duckdb_vector_get_data(v) : 0;
	}
	if (chunk)
		duckdb_destroy_data_chunk(&chunk);
	return ok;
}

bool catalog_numbers(struct task *t, duckdb_connection con, const char *sql, int64_t *ret, int n)
{
	duckdb_result r;
	bool ok = duckdb_query(con, sql, &r) == DuckDBSuccess || task_failed_by_duckdb(t, duckdb_result_error(&r));

	ok = ok && (catalog_first_row(&r, ret, n) || task_fails(t, "Invalid", "a measure gave no row"));
	duckdb_destroy_result(&r);
	return ok;
}

bool catalog_admin(struct executor *x, struct task *t)
{
	return x->admin || duckdb_connect(executor_database(x), &x->admin) == DuckDBSuccess ||
	       task_fails(t, "Connection", "DuckDB gave no connection");
}

/* --- connections kept --- */
static void session_unlink(struct catalogs *all, struct session *s)
{
	list_del(&s->of_catalog);
	list_del(&s->of_all);
	all->nidle--;
}

static void session_free(struct session *s)
{
	worker_session_close(s);
	free(s);
}

void catalog_close_sessions(struct catalogs *all, struct catalog *k)
{
	for (;;) {
		struct list *first;
		struct session *s;

		pthread_mutex_lock(&all->lock);
		first = list_empty(&k->idle) ? NULL : k->idle.next;
		s = first ? LIST_ITEM(first, struct session, of_catalog) : NULL;
		if (s)
			session_unlink(all, s);
		pthread_mutex_unlock(&all->lock);
		if (!s)
			return;
		session_free(s);
	}
}

static struct session *kept_session(struct catalogs *all, struct catalog *k, bool helpers)
{
	struct session *found = NULL;

	pthread_mutex_lock(&all->lock);
	LIST_EACH(&k->idle, it) {
		struct session *s = LIST_ITEM(it, struct session, of_catalog);

		if (s->helpers != helpers)
			continue;
		session_unlink(all, s);
		found = s;
		break;
	}
	pthread_mutex_unlock(&all->lock);
	return found;
}

struct session *catalog_session(struct executor *x, struct task *t)
{
	struct session *s = kept_session(executor_catalogs(x), t->catalog, t->ask.helpers);

	if (s)
		return s;
	s = base_zalloc(sizeof(*s));
	if (worker_session_open(t, executor_database(x), t->ask.helpers, s)) {
		s->catalog = t->catalog;
		return s;
	}
	free(s);
	return NULL;
}

/* Keeps it for later, the oldest goes for it; what is not kept is given back to be closed. */
static struct session *keep_session(struct catalogs *all, struct session *s)
{
	struct catalog *k = s->catalog;
	struct session *oldest = NULL;

	if (!s->con || k->closing)
		return s;
	list_add_head(&k->idle, &s->of_catalog);
	list_add_head(&all->idle, &s->of_all);
	if (++all->nidle > CATALOG_SESSIONS) {
		oldest = LIST_ITEM(all->idle.prev, struct session, of_all);
		session_unlink(all, oldest);
	}
	return oldest;
}

/* --- attaching --- */
void catalog_path(const struct catalog *k, const char *end, char ret[CATALOG_PATH])
{
	snprintf(ret, CATALOG_PATH, "sessions/%s.db%s", k->name, end);
}

bool catalog_detach(struct executor *x, struct catalog *k)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	return database_query(&c, x->admin, arena_fmt(&a, "DETACH \"%s\"", k->name).p);
}

/* Marks a file that nobody is in as busy, where there are too many. Lock held. */
static struct catalog *pick_file(struct executor *x, struct catalogs *all)
{
	struct catalog *oldest = NULL;
	struct map_slot slot;

	if (all->nfiles < CATALOG_FILES)
		return NULL;
	for (size_t i = 0; map_next(&all->all, &i, &slot);) {
		struct catalog *k = slot.value;

		if (k->persistent && k->attached && !k->busy && k->users == 0 && (!oldest || k->used < oldest->used) &&
		    !scripts_in_catalog(x, k))
			oldest = k;
	}
	if (oldest)
		oldest->busy = true;
	return oldest;
}

static void make_place(struct executor *x)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog *k;
	bool ok;

	pthread_mutex_lock(&all->lock);
	k = pick_file(x, all);
	pthread_mutex_unlock(&all->lock);
	if (!k)
		return;
	catalog_close_sessions(all, k);
	ok = catalog_detach(x, k);
	pthread_mutex_lock(&all->lock);
	k->attached = !ok;
	k->busy = false;
	all->nfiles -= ok;
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

static bool attach(struct executor *x, struct task *t, struct catalog *k)
{
	struct arena *a = t->call.arena;
	char path[CATALOG_PATH] = ":memory:";

	if (!catalog_admin(x, t))
		return false;
	if (k->persistent) {
		make_place(x);
		catalog_path(k, "", path);
		if (!k->listed && access(path, F_OK) == 0 && !catalog_list_file(t, k))
			return false;
	}
	if (!catalog_query(t, x->admin, arena_fmt(a, "ATTACH '%s' AS \"%s\" (HIDDEN)", path, k->name).p))
		return false;
	if (catalog_query(t, x->admin, arena_fmt(a, "CREATE SCHEMA IF NOT EXISTS \"%s\".public", k->name).p))
		return true;
	(void)!catalog_detach(x, k);
	return false;
}

/* --- entering and leaving --- */
static bool was_dropped(const struct catalogs *all, struct str name)
{
	for (size_t i = 0; i < CATALOG_GONE && i < all->ndropped; i++)
		if (str_eq(str_of(all->dropped[i]), name))
			return true;
	return false;
}

static struct catalog *catalog_new(struct catalogs *all, const struct wire_catalog *scope)
{
	struct catalog *k = base_zalloc(sizeof(*k));

	memcpy(k->name, scope->name.p, scope->name.n);
	k->persistent = scope->persistent;
	pthread_mutex_init(&k->commit, NULL);
	list_init(&k->idle);
	map_put(&all->all, str_of(k->name), k);
	return k;
}

static void catalog_free(struct catalog *k)
{
	for (int i = 0; i < k->ntables; i++) {
		free(k->tables[i].name);
		free(k->tables[i].measure);
	}
	free(k->tables);
	pthread_mutex_destroy(&k->commit);
	free(k);
}

static bool is_gone(struct task *t)
{
	task_fails(t, "", "the session is closed");
	t->end.outcome = ENGINE_GONE;
	return false;
}

/* Lock held, and let go while it is attached. */
static bool attach_once(struct executor *x, struct task *t, struct catalog *k)
{
	struct catalogs *all = executor_catalogs(x);
	bool ok;

	if (k->attached)
		return true;
	k->busy = true;
	pthread_mutex_unlock(&all->lock);
	ok = attach(x, t, k);
	pthread_mutex_lock(&all->lock);
	k->busy = false;
	k->attached = ok;
	k->listed = k->listed || ok;
	k->measured = k->measured || (ok && k->ntables == 0);
	all->nfiles += ok && k->persistent;
	pthread_cond_broadcast(&all->changed);
	return ok;
}

static void unlink_files(const struct catalog *k)
{
	char path[CATALOG_PATH];

	catalog_path(k, "", path);
	unlink(path);
	catalog_path(k, ".wal", path);
	unlink(path);
}

/* Lock held. */
static void unhold(struct catalogs *all, struct catalog *k)
{
	k->users--;
	pthread_cond_broadcast(&all->changed);
	if (k->users || (!k->gone && (k->attached || k->listed)))
		return;
	if (!k->gone)
		map_del(&all->all, str_of(k->name));
	else if (k->persistent)
		unlink_files(k); /* who outlived the drop may have written a log */
	catalog_free(k);
}

/* Lock held. NULL: t->end. */
static struct catalog *hold(struct executor *x, struct task *t, const struct wire_catalog *scope, bool drop)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog *k = map_get(&all->all, scope->name);

	if (!k && was_dropped(all, scope->name))
		return is_gone(t), NULL;
	k = k ? k : catalog_new(all, scope);
	k->users++;
	while (k->busy)
		pthread_cond_wait(&all->changed, &all->lock);
	k->used = ++all->clock;
	if (k->gone || (k->closing && !drop))
		is_gone(t);
	else if (attach_once(x, t, k))
		return k;
	unhold(all, k);
	return NULL;
}

struct catalog *catalog_hold(struct executor *x, struct task *t, const struct wire_catalog *scope, bool drop)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog *k;

	pthread_mutex_lock(&all->lock);
	k = hold(x, t, scope, drop);
	pthread_mutex_unlock(&all->lock);
	return k;
}

void catalog_release(struct executor *x, struct catalog *k)
{
	struct catalogs *all = executor_catalogs(x);

	pthread_mutex_lock(&all->lock);
	unhold(all, k);
	pthread_mutex_unlock(&all->lock);
}

bool catalog_enter(struct executor *x, struct task *t, bool outlives)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog *k;

	pthread_mutex_lock(&all->lock);
	k = hold(x, t, &t->scope, false);
	if (k)
		k->stayers += outlives;
	pthread_mutex_unlock(&all->lock);
	if (!k)
		return false;
	t->catalog = k;
	executor_uses(x, k, outlives);
	return true;
}

void catalog_leave(struct executor *x, struct task *t, struct session *s)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog *k = t->catalog;
	bool outlives = x->outlives; /* only this thread sets it */

	executor_uses(x, NULL, false);
	if (s && (t->ask.session_state || t->end.outcome != ENGINE_OK))
		worker_session_close(s);
	pthread_mutex_lock(&all->lock);
	s = s ? keep_session(all, s) : NULL;
	pthread_mutex_unlock(&all->lock);
	if (s)
		session_free(s);
	pthread_mutex_lock(&all->lock);
	if (k->closing && (t->end.outcome == ENGINE_INTERRUPTED || t->end.outcome == ENGINE_FAILED) && !outlives)
		is_gone(t);
	k->stayers -= outlives;
	unhold(all, k);
	pthread_mutex_unlock(&all->lock);
	t->catalog = NULL;
}

void catalog_forget(struct executor *x, struct catalog *k)
{
	struct catalogs *all = executor_catalogs(x);

	if (k->persistent)
		unlink_files(k);
	pthread_mutex_lock(&all->lock);
	k->gone = true;
	k->attached = false;
	all->nfiles -= k->persistent;
	map_del(&all->all, str_of(k->name));
	memcpy(all->dropped[all->ndropped++ % CATALOG_GONE], k->name, sizeof(k->name));
	pthread_mutex_unlock(&all->lock);
}
