/* verbs.c - what is done with a whole catalog: list, drop, fork.
 *
 * A drop closes the catalog to all but later drops, cancels what runs in it and waits for that, then counts and drops
 * table by table. When all are gone the catalog is detached and its files are unlinked; else it stays, closed.
 */
#include "engine/worker/catalog.h"

#include <unistd.h>
#include <time.h>

enum {
	DROP_WAIT_MS = 3000,   /* for what runs in the catalog */
	DROP_POLL_MS = 20,     /* between two cancels of it: one may have come before it began */
	CONFLICT_WAIT_MS = 500,/* for a transaction that has changed a table */
};

/* --- answers --- */
struct dropped {
	struct str name;
	int64_t rows;
	struct str error;      /* empty: done */
	bool done;
};

static bool send_tables(struct executor *x, struct task *t, const struct dropped *v, int n)
{
	struct wire_part head = {.rows = n};
	OWNS(buf) b = {0};

	wire_u32(&b, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		wire_text(&b, v[i].name);
		wire_i64(&b, v[i].rows);
		wire_text(&b, v[i].error);
	}
	head.size = b.n;
	return parts_bytes(&x->parts, t, &head, buf_str(&b));
}

static struct dropped *known_tables(struct executor *x, struct task *t, struct catalog *k, int *ret_n)
{
	struct str *names = catalog_names(x, k, t->call.arena, ret_n);
	struct dropped *v = ARENA_ARRAY(t->call.arena, struct dropped, (size_t)*ret_n + 1);

	for (int i = 0; i < *ret_n; i++)
		v[i].name = names[i];
	return v;
}

static bool count_rows(struct task *t, duckdb_connection con, struct catalog *k, struct dropped *v)
{
	OWNS(buf) sql = {0};

	buf_lit(&sql, "SELECT count(*) FROM ");
	catalog_put_name(&sql, k, v->name);
	return catalog_numbers(t, con, buf_cstr(&sql), &v->rows, 1);
}

static void tell_usage(struct executor *x, struct task *t, struct catalog *k)
{
	struct catalogs *all = executor_catalogs(x);

	pthread_mutex_lock(&all->lock);
	if (k->measured)
		t->usage = k->usage;
	pthread_mutex_unlock(&all->lock);
}

/* --- TABLES --- */
static void tables(struct executor *x, struct task *t)
{
	struct dropped *v;
	bool ok = catalog_admin(x, t);
	int n;

	v = known_tables(x, t, t->catalog, &n);
	for (int i = 0; ok && i < n; i++)
		ok = count_rows(t, x->admin, t->catalog, &v[i]);
	if (ok && send_tables(x, t, v, n))
		tell_usage(x, t, t->catalog);
}

/* --- DROP --- */
static void wait_a_moment(struct catalogs *all)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += DROP_POLL_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&all->changed, &all->lock, &until);
}

/* Until only this drop, and who outlives it, are inside; not for ever. */
static void wait_for_users(struct executor *x, struct catalog *k)
{
	struct catalogs *all = executor_catalogs(x);
	int64_t until = clock_mono_ms() + DROP_WAIT_MS;

	pthread_mutex_lock(&all->lock);
	while (k->users - k->stayers > 1 && clock_mono_ms() < until) {
		pthread_mutex_unlock(&all->lock);
		executor_interrupt_others(x, k);
		pthread_mutex_lock(&all->lock);
		if (k->users - k->stayers > 1)
			wait_a_moment(all);
	}
	pthread_mutex_unlock(&all->lock);
}

static void sleep_a_moment(void)
{
	const struct timespec moment = {.tv_nsec = DROP_POLL_MS * 1000000L};

	nanosleep(&moment, NULL);
}

static bool is_conflict(const struct task *t)
{
	return str_ieq(t->end.class, S("TransactionContext")) || str_ieq(t->end.class, S("Transaction"));
}

static bool drop_table(struct task *t, duckdb_connection con, struct catalog *k, struct dropped *v)
{
	int64_t until = clock_mono_ms() + CONFLICT_WAIT_MS;
	OWNS(buf) sql = {0};

	buf_lit(&sql, "DROP TABLE ");
	catalog_put_name(&sql, k, v->name);
	while (!catalog_query(t, con, buf_cstr(&sql))) {
		if (!is_conflict(t) || clock_mono_ms() > until)
			return false;
		sleep_a_moment();
	}
	return true;
}

static void drop_one(struct executor *x, struct task *t, struct catalog *k, struct dropped *v)
{
	struct catalogs *all = executor_catalogs(x);

	v->error = (struct str){NULL, 0};
	if (count_rows(t, x->admin, k, v) && drop_table(t, x->admin, k, v)) {
		v->done = true;
		pthread_mutex_lock(&all->lock);
		catalog_remove_name(k, v->name);
		catalog_sum(k);
		pthread_mutex_unlock(&all->lock);
	} else {
		v->error = t->end.text.n ? t->end.text : S("it could not be dropped");
	}
	t->end = (struct engine_end){.position = -1};
}

/* A table that others refer to goes after them: again as long as that helps. Returns how many stay. */
static int drop_tables(struct executor *x, struct task *t, struct catalog *k, struct dropped *v, int n)
{
	int left = n, before;

	do {
		before = left;
		for (int i = 0; i < n && !t->broken; i++) {
			if (v[i].done)
				continue;
			drop_one(x, t, k, &v[i]);
			left -= v[i].done;
		}
	} while (left && left < before && !t->broken);
	return left;
}

static void drop_closed(struct executor *x, struct task *t, struct catalog *k)
{
	struct dropped *v;
	int n, left;

	wait_for_users(x, k);
	catalog_close_sessions(executor_catalogs(x), k);
	scripts_leave_catalog(x, k);
	v = known_tables(x, t, k, &n);
	left = drop_tables(x, t, k, v, n);
	if (t->broken)
		return;
	if (left == 0) {
		if (!catalog_detach(x, k)) {
			task_fails(t, "Catalog", "the session's tables are dropped, but its catalog could not be detached");
			return;
		}
		catalog_forget(x, k);
	}
	if (send_tables(x, t, v, n))
		t->usage = (struct engine_usage){left, 0, 0};
	for (int i = 0; i < n; i++)
		t->usage.rows += v[i].done ? 0 : v[i].rows;
}

static void already_dropping(struct task *t)
{
	task_fails(t, "", "the session is being closed");
	t->end.outcome = ENGINE_GONE;
}

static void nothing_left(struct executor *x, struct task *t)
{
	t->end = (struct engine_end){.position = -1};
	t->usage = (struct engine_usage){0};
	(void)!send_tables(x, t, NULL, 0);
}

static void drop(struct executor *x, struct task *t)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog *k;
	bool first;

	k = catalog_hold(x, t, &t->scope, true);
	if (!k) {
		if (t->end.outcome == ENGINE_GONE)
			nothing_left(x, t);
		return;
	}
	pthread_mutex_lock(&all->lock);
	first = !k->dropping && !k->gone;
	k->closing = true;
	k->dropping = k->dropping || first;
	pthread_mutex_unlock(&all->lock);
	if (!first)
		already_dropping(t);
	else if (catalog_admin(x, t))
		drop_closed(x, t, k);
	pthread_mutex_lock(&all->lock);
	if (first)
		k->dropping = false;
	pthread_mutex_unlock(&all->lock);
	catalog_release(x, k);
}

/* --- FORK --- */
/* The names of `from` that are tables of `to` now. */
static void take_names(struct executor *x, struct task *t, struct catalog *from, struct catalog *to)
{
	struct catalogs *all = executor_catalogs(x);
	int n;
	struct str *names = catalog_names(x, from, t->call.arena, &n);

	pthread_mutex_lock(&all->lock);
	for (int i = 0; i < n; i++)
		if (catalog_has_table(x->admin, to, names[i]) && !catalog_find(to, names[i]))
			catalog_add_name(to, names[i]);
	to->measured = to->ntables == 0;
	pthread_mutex_unlock(&all->lock);
}

static bool copy(struct executor *x, struct task *t, struct catalog *from, struct catalog *to)
{
	static const struct engine_usage nothing;
	struct session s = {.con = x->admin};
	struct dropped *v;
	bool ok;
	int n;

	if (!executor_runs(x, &s))
		return task_fails(t, "INTERRUPT", "Interrupted!");
	ok = catalog_query(t, x->admin, arena_fmt(t->call.arena, "COPY FROM DATABASE \"%s\" TO \"%s\"", from->name, to->name).p);
	executor_runs(x, NULL);
	if (!ok)
		return false;
	take_names(x, t, from, to);
	if (!catalog_measure_all(x, t, to, x->admin) || !catalog_within(t, &nothing, &to->usage))
		return false;
	v = known_tables(x, t, to, &n);
	for (int i = 0; i < n; i++)
		v[i].rows = to->tables[i].rows;
	t->usage = to->usage;
	return send_tables(x, t, v, n);
}

/* What a copy that failed has made. */
static void undo_copy(struct executor *x, struct catalog *to)
{
	catalog_close_sessions(executor_catalogs(x), to);
	if (catalog_detach(x, to))
		catalog_forget(x, to);
}

static void fork_into(struct executor *x, struct task *t, const struct wire_catalog *target)
{
	struct catalog *to = catalog_hold(x, t, target, false);

	if (!to)
		return;
	t->scope.max = target->max;
	if (to->ntables)
		task_fails(t, "Catalog", "the session to copy into has tables");
	else if (!copy(x, t, t->catalog, to))
		undo_copy(x, to);
	catalog_release(x, to);
}

/* --- all verbs --- */
void run_catalog(struct executor *x, struct task *t, struct str body)
{
	struct wire_in in = wire_in(body);
	unsigned verb = wire_get_u8(&in);
	struct wire_catalog to;
	bool ok = wire_get_catalog(&in, &t->scope) && wire_get_catalog(&in, &to) && in.p == in.end &&
		  verb <= ENGINE_CATALOG_FORK && t->scope.name.n && (to.name.n != 0) == (verb == ENGINE_CATALOG_FORK);

	if (!ok)
		_exit(WORKER_EXIT_BAD_PACKET);
	t->end.position = -1;
	if (verb == ENGINE_CATALOG_DROP) {
		drop(x, t);
		return;
	}
	if (!catalog_enter(x, t, false))
		return;
	if (verb == ENGINE_CATALOG_TABLES)
		tables(x, t);
	else
		fork_into(x, t, &to);
	if (t->end.outcome == ENGINE_FAILED && executor_canceled(x))
		t->end.outcome = ENGINE_INTERRUPTED;
	catalog_leave(x, t, NULL);
}
