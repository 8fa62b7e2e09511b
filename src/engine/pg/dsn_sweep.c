/* dsn_sweep.c - who lives, what the dead left, and locks between servers.
 *
 * Each process holds an advisory lock on its tag as long as it has a connection. Databases whose tag nobody holds, and on which nobody
 * has a session, belong to nobody: any server may drop them. When the connection of the tag is lost (a
 * restart of PostgreSQL, a cut network) the process takes the lock anew and gives up the instances that it had.
 * One thread of the backend's does that, and drops what was released. Advisory locks count within one database: the catalog.
 */
#include "engine/pg/dsn_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LOOK_MS = 500, SWEEP_EVERY = 120 /* looks: a minute */ };

struct dsn_lock {
	struct dsn *d;
	struct pg_conn *p;
};

static long long key_of(const char *kind, struct str of)
{
	unsigned char sum[SHA256_LEN];
	OWNS(buf) text = {0};
	int64_t key;

	buf_fmt(&text, "mayfly %s %.*s", kind, SARG(of));
	hash_sha256(buf_str(&text), sum);
	memcpy(&key, sum, sizeof(key));
	return key;
}

/* --- locks --- */
bool dsn_lock(struct call *c, struct pg_backend *b, struct str id, struct pg_stop *stop, void **ret)
{
	struct dsn *d = CONTAINER_OF(b, struct dsn, backend);
	struct dsn_lock *l;
	struct pg_conn *p;

	if (!dsn_take(c, d, stop, &p))
		return false;
	if (!dsn_run(c, p, "SELECT pg_advisory_lock(%lld)", key_of("layer", id))) {
		dsn_give(d, p, false); /* closed: the lock may have come with the cancel */
		return false;
	}
	pg_conn_stop(p, NULL);
	l = base_zalloc(sizeof(*l));
	*l = (struct dsn_lock){d, p};
	*ret = l;
	return true;
}

void dsn_unlock(void *lock)
{
	struct dsn_lock *l = lock;
	OWNS(arena) arena = {0};
	struct call c = {.arena = &arena, .deadline_ms = clock_mono_ms() + DSN_OWN_MS};

	dsn_give(l->d, l->p, dsn_run(&c, l->p, "SELECT pg_advisory_unlock_all()"));
	free(l);
}

/* --- the tag --- */
bool dsn_live(struct call *c, struct dsn *d)
{
	struct pg_conn *p;

	if (!dsn_connect(c, d, DSN_CATALOG, NULL, &p))
		return false;
	if (!dsn_run(c, p, "SELECT pg_advisory_lock(%lld)", key_of("process", str_of(d->tag)))) {
		pg_conn_close(p);
		return false;
	}
	d->living = p;
	return true;
}

static void live_on(struct call *c, struct dsn *d)
{
	if (d->living && pg_conn_alive(d->living))
		return;
	pthread_mutex_lock(&d->lock);
	d->epoch += d->living != NULL;
	pthread_mutex_unlock(&d->lock);
	pg_conn_close(d->living);
	d->living = NULL;
	if (!dsn_live(c, d))
		call_forgive(c); /* at the next look */
}

/* --- leftovers --- */
static void drop_unused(struct call *c, struct pg_conn *p, struct str name)
{
	/* Without FORCE: whoever has a session on it after all keeps it. */
	if (!dsn_run(c, p, "DROP DATABASE IF EXISTS %.*s", SARG(name)))
		call_forgive(c);
}

static bool sweep_tag(struct call *c, struct pg_conn *p, struct str tag, const json_node *names)
{
	long long key = key_of("process", tag);
	const json_node *rows;

	if (!dsn_ask(c, p, &rows, "SELECT pg_try_advisory_lock(%lld)", key))
		return false;
	if (!json_bool(json_at(json_at(rows, 0), 0)))
		return true; /* it lives */
	for (size_t i = 0; i < json_count(names); i++)
		if (str_eq(json_text(json_at(json_at(names, i), 1)), tag))
			drop_unused(c, p, json_text(json_at(json_at(names, i), 0)));
	return dsn_run(c, p, "SELECT pg_advisory_unlock(%lld)", key);
}

static bool sweep_on(struct call *c, struct dsn *d, struct pg_conn *p)
{
	const json_node *names;
	struct str done = {NULL, 0};

	if (!dsn_ask(c, p, &names, "SELECT datname::text, substr(datname, 10, %d) FROM pg_database "
		     "WHERE datname ~ '^mayfly_[bi]_[0-9a-f]{8}_[0-9a-f]{8}_[0-9a-f]{16}$' AND substr(datname, 10, %d) <> '%s' "
		     "AND NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.datid = pg_database.oid) ORDER BY 2, 1", DSN_TAG, DSN_TAG, d->tag))
		return false;
	for (size_t i = 0; i < json_count(names); i++) {
		struct str tag = json_text(json_at(json_at(names, i), 1));

		if (str_eq(tag, done))
			continue;
		done = tag;
		if (!sweep_tag(c, p, tag, names))
			return false;
	}
	/* Layers that somebody began to drop. */
	if (!dsn_ask(c, p, &names, "SELECT datname::text FROM pg_database "
		     "WHERE datname ~ '^mayfly_l_[0-9a-f]{40}$' AND NOT datistemplate"))
		return false;
	for (size_t i = 0; i < json_count(names); i++)
		drop_unused(c, p, json_text(json_at(json_at(names, i), 0)));
	return dsn_run(c, p, "DELETE FROM mayfly.layer l WHERE NOT EXISTS (SELECT FROM pg_database d WHERE d.oid = l.db)");
}

void dsn_sweep(struct call *c, struct dsn *d)
{
	struct pg_conn *p;
	bool ok;

	if (dsn_take(c, d, NULL, &p)) {
		ok = sweep_on(c, d, p);
		dsn_give(d, p, ok);
	}
	call_forgive(c);
}

/* --- what was released --- */
void dsn_throw(struct dsn *d, const char *name)
{
	struct dsn_trash *t = base_zalloc(sizeof(*t));

	snprintf(t->name, sizeof(t->name), "%s", name);
	pthread_mutex_lock(&d->lock);
	t->next = d->trash;
	d->trash = t;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

static struct dsn_trash *take_trash(struct dsn *d)
{
	struct dsn_trash *all;

	pthread_mutex_lock(&d->lock);
	all = d->trash;
	d->trash = NULL;
	pthread_mutex_unlock(&d->lock);
	return all;
}

/* What cannot be dropped now is kept for the next time. */
static void drop_trash(struct call *c, struct dsn *d)
{
	struct dsn_trash *t = take_trash(d), *next;
	struct pg_conn *p = NULL;
	bool ok = t && dsn_take(c, d, NULL, &p);

	for (; t; t = next) {
		next = t->next;
		ok = ok && dsn_run(c, p, "DROP DATABASE IF EXISTS %s WITH (FORCE)", t->name);
		if (!ok)
			dsn_throw(d, t->name);
		free(t);
	}
	if (p)
		dsn_give(d, p, ok);
	call_forgive(c);
}

/* --- the thread --- */
static void sleep_until_wanted(struct dsn *d, bool failed)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += LOOK_MS * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_mutex_lock(&d->lock);
	while (!d->closing && (failed || !d->trash))
		if (pthread_cond_timedwait(&d->wake, &d->lock, &t) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&d->lock);
}

static bool is_closing(struct dsn *d)
{
	bool closing;

	pthread_mutex_lock(&d->lock);
	closing = d->closing;
	pthread_mutex_unlock(&d->lock);
	return closing;
}

static bool has_trash(struct dsn *d)
{
	bool some;

	pthread_mutex_lock(&d->lock);
	some = d->trash != NULL;
	pthread_mutex_unlock(&d->lock);
	return some;
}

static void *sweeper_main(void *arg)
{
	struct dsn *d = arg;
	struct arena arena = {0};
	bool last = false;

	for (unsigned looks = 1; !last; looks++) {
		struct call c = {.arena = &arena, .deadline_ms = clock_mono_ms() + DSN_OWN_MS};

		last = is_closing(d); /* what was released before is dropped still */
		drop_trash(&c, d);
		if (!last)
			live_on(&c, d);
		call_forgive(&c);
		if (!last && looks % SWEEP_EVERY == 0)
			dsn_sweep(&c, d);
		arena_reset(&arena);
		if (!last)
			sleep_until_wanted(d, has_trash(d));
	}
	arena_close(&arena);
	return NULL;
}

void dsn_sweeper_start(struct dsn *d)
{
	INVARIANT(pthread_create(&d->sweeper, NULL, sweeper_main, d) == 0);
	d->sweeping = true;
}

void dsn_sweeper_end(struct dsn *d)
{
	struct dsn_trash *t, *next;

	if (d->sweeping) {
		pthread_mutex_lock(&d->lock);
		d->closing = true;
		pthread_cond_signal(&d->wake);
		pthread_mutex_unlock(&d->lock);
		INVARIANT(pthread_join(d->sweeper, NULL) == 0);
	}
	for (t = take_trash(d); t; t = next) { /* another server's sweep finds them */
		next = t->next;
		free(t);
	}
	pg_conn_close(d->living);
	d->living = NULL;
}
