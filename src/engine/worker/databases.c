/* databases.c - the tenant's databases beside its own: files that only this code names and attaches.
 *
 *   made under another name ──▶ synced, renamed, attached ──▶ … ──▶ detached, unlinked
 *
 * All are attached when the worker starts. Who still has one that is dropped ends with an error or, in a transaction, with what
 * it began; DuckDB keeps it until then. One change at a time; finding one does not wait for it.
 *
 * Any executor's thread.
 */
#include "engine/worker/catalog.h"
#include "engine/worker/databases.h"
#include "engine/worker/process.h"
#include "sql/sql.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 2000, LOCK_POLL_MS = 20 };
#define BUILDING "__eph_new_database" /* no name of a user begins so */

struct dbase {
	char *name;       /* as it was written */
	uint64_t number;  /* of its file */
	char *damage;     /* why it is not attached; NULL: it is */
};
struct databases {
	pthread_mutex_t changing; /* one at a time */
	pthread_mutex_t lock;     /* taken behind it: of what follows */
	struct dbase *v;
	int n, most;
};

/* --- the list; lock held --- */
static struct dbase *find(const struct databases *all, struct str name)
{
	for (int i = 0; i < all->n; i++)
		if (str_ieq(str_of(all->v[i].name), name))
			return &all->v[i];
	return NULL;
}

static void add(struct databases *all, struct str name, uint64_t number, const char *damage)
{
	all->v = base_realloc(all->v, sizeof(*all->v) * (size_t)(all->n + 1));
	all->v[all->n++] = (struct dbase){strndup(name.p, name.n), number, damage ? strdup(damage) : NULL};
}

static void take_out(struct databases *all, struct dbase *d)
{
	free(d->name);
	free(d->damage);
	memmove(d, d + 1, sizeof(*d) * (size_t)(all->v + --all->n - d));
}

/* --- files --- */
static const char *attach_sql(struct arena *a, const char *path, struct str name, const char *how)
{
	OWNS(buf) b = {0};

	buf_lit(&b, "ATTACH ");
	sql_quote_literal(&b, str_of(path));
	buf_lit(&b, " AS ");
	sql_quote_name(&b, name);
	buf_add(&b, str_of(how));
	return arena_cstr(a, buf_str(&b));
}

static const char *about(struct arena *a, const char *verb, struct str name, const char *behind)
{
	OWNS(buf) b = {0};

	buf_add(&b, str_of(verb));
	sql_quote_name(&b, name);
	buf_add(&b, str_of(behind));
	return arena_cstr(a, buf_str(&b));
}

/* Text of the failure, in the arena; NULL: it is attached. */
static const char *attach_file(struct call *c, duckdb_connection con, const char *path, struct str name)
{
	const struct timespec moment = {.tv_nsec = LOCK_POLL_MS * 1000000L};
	int64_t until = clock_mono_ms() + LOCK_WAIT_MS;
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return "it is no file";
	while (!database_query(c, con, attach_sql(c->arena, path, name, ""))) {
		struct str why = arena_dup(c->arena, str_of(c->err.text));

		call_forgive(c);
		/* The worker before this one may still be on its way out. */
		if (str_search(why, S("Could not set lock")) == why.n || clock_mono_ms() > until)
			return arena_cstr(c->arena, why);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

static void unlink_of(struct str name, uint64_t number)
{
	OWNS(buf) encoded = {0};

	if (database_encode(name, &encoded))
		database_unlink(buf_str(&encoded), number);
}

/* Of two files of one name the later one counts: the other was about to be replaced by it. */
static void take_file(struct call *c, struct databases *all, struct str file)
{
	struct str name;
	uint64_t number;
	struct dbase *there;

	if (!database_decode(c->arena, file, &name, &number))
		return;
	there = find(all, name);
	if (!there) {
		add(all, name, number, NULL);
		return;
	}
	unlink_of(there->number < number ? str_of(there->name) : name, there->number < number ? there->number : number);
	if (there->number < number) {
		take_out(all, there);
		add(all, name, number, NULL);
	}
}

static void list_files(struct call *c, struct databases *all, DIR *d)
{
	struct dirent *e;

	while ((e = readdir(d)) != NULL)
		take_file(c, all, str_of(e->d_name));
}

/* What was never put in place, and logs of what is gone. */
static void sweep_files(struct call *c, struct databases *all, DIR *d)
{
	struct dirent *e;

	rewinddir(d);
	while ((e = readdir(d)) != NULL) {
		struct str file = str_of(e->d_name), name;
		uint64_t number;
		bool log = str_ends(file, S(".db.wal")), half = str_ends(file, S(".new")) || str_ends(file, S(".new.wal"));
		const struct dbase *of;

		if (log && database_decode(c->arena, str_head(file, file.n - strlen(".wal")), &name, &number)) {
			of = find(all, name);
			half = !of || of->number != number;
		}
		if (half)
			unlink(arena_fmt(c->arena, DATABASES "/%.*s", SARG(file)).p);
	}
}

static void attach_one(struct call *c, duckdb_connection con, struct databases *all, struct dbase *d)
{
	OWNS(buf) encoded = {0};
	char path[DATABASE_PATH];
	const char *why;

	if (!database_encode(str_of(d->name), &encoded))
		return;
	database_path(buf_str(&encoded), d->number, "db", path);
	why = attach_file(c, con, path, str_of(d->name));
	pthread_mutex_lock(&all->lock);
	d->damage = why ? strdup(why) : NULL;
	pthread_mutex_unlock(&all->lock);
}

struct databases *databases_open(struct call *c, duckdb_connection con, int most)
{
	struct databases *all = base_zalloc(sizeof(*all));
	DIR *d = file_make_folder(DATABASES, 0700) ? opendir(DATABASES) : NULL;

	pthread_mutex_init(&all->changing, NULL);
	pthread_mutex_init(&all->lock, NULL);
	all->most = most;
	if (!d) {
		fail(c, ERR_INTERNAL, "the folder " DATABASES " cannot be read");
		free(all);
		return NULL;
	}
	list_files(c, all, d);
	sweep_files(c, all, d);
	closedir(d);
	for (int i = 0; i < all->n; i++)
		attach_one(c, con, all, &all->v[i]);
	return all;
}

void databases_checkpoint(struct databases *all, duckdb_connection con)
{
	OWNS(arena) a = {0};
	duckdb_result r;

	for (int i = 0; i < all->n; i++) {
		if (all->v[i].damage)
			continue;
		duckdb_query(con, about(&a, "CHECKPOINT ", str_of(all->v[i].name), ""), &r);
		duckdb_destroy_result(&r);
	}
}

/* --- finding --- */
enum database_found database_find(struct executor *x, struct task *t, struct str name, struct str *ret)
{
	struct databases *all = x->w->databases;
	enum database_found found = DATABASE_NONE;
	const struct dbase *d;

	if (str_ieq(name, S(OWN_DATABASE))) {
		*ret = S(OWN_DATABASE);
		return DATABASE_THERE;
	}
	pthread_mutex_lock(&all->lock);
	d = find(all, name);
	if (d) {
		found = d->damage ? DATABASE_DAMAGED : DATABASE_THERE;
		*ret = arena_dup(t->call.arena, str_of(d->name));
	}
	if (found == DATABASE_DAMAGED)
		task_fails(t, "IO", "Database \"%s\" cannot be opened: %s", d->name, d->damage);
	pthread_mutex_unlock(&all->lock);
	return found;
}

/* --- making --- */
struct making {
	struct str name, encoded;
	uint64_t number;
	char building[DATABASE_PATH], path[DATABASE_PATH];
};

/* A file of its own that holds an empty schema, under a name that is no database's. */
static bool build(struct executor *x, struct task *t, const struct making *m)
{
	struct arena *a = t->call.arena;
	bool ok;

	if (!catalog_query(t, x->admin, attach_sql(a, m->building, S(BUILDING), " (HIDDEN)")))
		return false;
	ok = catalog_query(t, x->admin, "CREATE SCHEMA " BUILDING "." OWN_SCHEMA) && catalog_query(t, x->admin, "CHECKPOINT " BUILDING);
	return catalog_query(t, x->admin, "DETACH " BUILDING) && ok;
}

static void take_number(const struct dbase *former, struct making *m)
{
	m->number = (uint64_t)clock_wall_ms();
	if (former && m->number <= former->number)
		m->number = former->number + 1;
	database_path(m->encoded, m->number, "new", m->building);
	database_path(m->encoded, m->number, "db", m->path);
}

static bool too_many(struct task *t, const struct databases *all)
{
	task_fails(t, "databases", "tenants.databases: limit %d", all->most);
	t->end.outcome = ENGINE_FULL;
	return false;
}

static bool detach(struct executor *x, struct task *t, const struct dbase *d)
{
	return d->damage || catalog_query(t, x->admin, about(t->call.arena, "DETACH ", str_of(d->name), ""));
}

/* `changing` is held: nobody else changes the list. The former one goes when the new one is in its place. */
static bool replace(struct executor *x, struct task *t, const struct making *m, struct dbase *former)
{
	struct databases *all = x->w->databases;
	uint64_t old = former ? former->number : 0;
	const char *why;

	if (former && !detach(x, t, former))
		return false;
	if (!database_put_in_place(m->building, m->path)) {
		if (former) /* it stays */
			attach_one(&t->call, x->admin, all, former);
		return task_fails(t, "IO", "the file of the database cannot be put in place");
	}
	why = attach_file(&t->call, x->admin, m->path, m->name);
	pthread_mutex_lock(&all->lock);
	if (former)
		take_out(all, former);
	add(all, m->name, m->number, why);
	pthread_mutex_unlock(&all->lock);
	if (old)
		database_unlink(m->encoded, old);
	worker_ddl(x->w);
	return !why || task_fails(t, "IO", "Database \"%.*s\" cannot be opened: %s", SARG(m->name), why);
}

static bool create(struct executor *x, struct task *t, struct making *m, bool or_replace)
{
	struct databases *all = x->w->databases;
	struct dbase *former = find(all, m->name);

	if (former && !or_replace)
		return task_fails(t, "Catalog", "Database with name \"%.*s\" already exists!", SARG(m->name));
	if (!former && all->n >= all->most)
		return too_many(t, all);
	take_number(former, m);
	if (build(x, t, m) && replace(x, t, m, former))
		return true;
	if (access(m->building, F_OK) == 0)
		database_unlink(m->encoded, m->number);
	return false;
}

static bool refuse_name(struct task *t, struct str name)
{
	return task_fails(t, "Permission", "\"%.*s\" cannot be the name of a database here", SARG(str_head(name, 200)));
}

bool database_create(struct executor *x, struct task *t, struct str name)
{
	struct databases *all = x->w->databases;
	struct making m = {.name = name};
	OWNS(buf) encoded = {0};
	bool ok;

	if (!database_name_ok(name) || !database_encode(name, &encoded))
		return refuse_name(t, name);
	if (!catalog_admin(x, t))
		return false;
	m.encoded = buf_str(&encoded);
	pthread_mutex_lock(&all->changing);
	ok = (t->ask.if_not_exists && find(all, name)) || create(x, t, &m, t->ask.or_replace && t->ask.verb == ENGINE_CREATE_DATABASE);
	pthread_mutex_unlock(&all->changing);
	return ok;
}

/* --- dropping --- */
static bool drop(struct executor *x, struct task *t, struct dbase *d)
{
	struct databases *all = x->w->databases;
	struct str name = arena_dup(t->call.arena, str_of(d->name));
	uint64_t number = d->number;

	if (!detach(x, t, d))
		return false;
	pthread_mutex_lock(&all->lock);
	take_out(all, d);
	pthread_mutex_unlock(&all->lock);
	unlink_of(name, number);
	worker_ddl(x->w);
	return file_sync_folder(DATABASES) || task_fails(t, "IO", "the folder of databases cannot be written");
}

bool database_drop(struct executor *x, struct task *t, struct str name)
{
	struct databases *all = x->w->databases;
	struct dbase *d;
	bool ok;

	if (!database_name_ok(name))
		return refuse_name(t, name);
	if (!catalog_admin(x, t))
		return false;
	pthread_mutex_lock(&all->changing);
	d = find(all, name);
	if (d)
		ok = drop(x, t, d);
	else
		ok = t->ask.if_exists || task_fails(t, "Catalog", "Database with name %.*s does not exist!", SARG(name));
	pthread_mutex_unlock(&all->changing);
	return ok;
}
