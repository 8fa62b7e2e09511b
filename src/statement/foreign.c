/* foreign.c - statements of other servers, by the store that is shared with them.
 *
 * A handle that is not in the map becomes a copy of its record: in no map,
 * nothing counts it, its bytes stay in the store. One that runs and is waited
 * for is looked at again every LOOK_MS, and when a message says that it changed.
 */
#include "statement/kept.h"

#include "obs/obs.h"

#include <stdlib.h>

static struct stmt_store *shared_of(const struct stmt *st)
{
	return st->room->keeping->at.shared;
}

/* --- finding --- */

bool stmt_record_visible(const struct call *c, const struct stmt_record *r)
{
	if (!str_eq(r->tenant, c->tenant))
		return false;
	if (c->role == ROLE_ADMIN || str_eq(r->principal, c->principal))
		return true;
	for (int i = 0; i < r->ngrants; i++)
		if (str_eq(r->grants[i], S("*")) || str_eq(r->grants[i], c->principal))
			return true;
	return false;
}

struct stmt *stmt_foreign(struct statements *s, const struct stmt_record *r)
{
	struct stmt *st = stmt_of_record(s, r);

	if (!st)
		return NULL;
	st->foreign = true;
	if (r->first.n && st->nparts > 0 && r->first.n == stmt_parts(st)->stored)
		stmt_parts(st)->bytes = engine_bytes_copy(r->first); /* it came along; nothing counts it */
	stmt_keep(st, &(struct stmt_place){.shared = true, .claim = r->claim, .owner = r->owner, .request = r->request_id});
	return st;
}

/* Forgotten here, and the store does not know yet? */
static bool is_dropped_here(struct call *c, struct statements *s, struct str handle)
{
	struct keeping *kg = s->keeping;
	bool found = false;

	if (c->err.kind != ERR_UNAVAILABLE)
		return false;
	pthread_mutex_lock(&kg->lock);
	LIST_EACH(&kg->busy, it) {
		const struct kept *k = LIST_ITEM(it, struct kept, busy);

		found = found || (k->dropped && str_eq(handle, stmt_handle(k->st)));
	}
	pthread_mutex_unlock(&kg->lock);
	return found;
}

bool stmt_find_shared(struct call *c, struct statements *s, struct str handle, struct stmt **ret)
{
	struct stmt_store *shared = s->keeping->at.shared;
	const struct stmt_store_key key = {.tenant = c->tenant, .handle = handle};
	struct stmt_record r;
	struct stmt *st;

	if (!shared->ops->find(c, shared, &key, &r)) {
		if (!is_dropped_here(c, s, handle))
			return false;
		call_forgive(c);
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(handle));
	}
	if (!stmt_record_visible(c, &r))
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(handle));
	st = str_eq(r.handle, handle) ? stmt_foreign(s, &r) : NULL;
	if (!st)
		return fail(c, ERR_STORAGE, "the record of statement %.*s is damaged", SARG(handle));
	*ret = st;
	return true;
}

/* This process has found its server dead, and ended it: so it tells of it. */
void stmt_told_lost(void *room, struct call *c, const struct stmt_record *r)
{
	struct stmt *st = stmt_foreign(room, r);

	(void)c;
	if (st)
		stmt_tell(st);
	statement_unref(st);
}

/* --- looking again --- */

/* A move that the record tells; takes `error`. Watchers of it, or NULL. */
static struct watcher *move(struct stmt *st, const struct stmt_record *r, struct stmt_error *error)
{
	struct watcher *w = NULL;
	bool ended = fsm_terminal(stmt_fsm, r->state);

	if (r->state != st->state && !fsm_terminal(stmt_fsm, st->state)) {
		st->state = (uint8_t)r->state;
		st->started_ms = r->started_ms;
		w = watch_take(&st->watchers, ended);
	}
	if (!ended || st->completed_ms) {
		free(error);
		return w;
	}
	st->completed_ms = r->completed_ms;
	st->error = error;
	st->progress = r->state == STMT_SUCCEEDED ? 1 : -1;
	stmt_take_result(st, r);
	return w;
}

static void see(struct stmt *st, const struct stmt_record *r)
{
	struct stmt_error *error = stmt_error_copy(r->error);
	struct watcher *w;

	stmt_lock(st);
	w = move(st, r, error);
	stmt_unlock(st);
	watch_fire(w);
}

/* Dropped: for who waits it has been canceled. */
static void see_nothing(struct stmt *st)
{
	struct stmt_error *error = stmt_error_simple(ERR_CANCELED, 0);
	const struct stmt_record r = {.state = STMT_CANCELED, .completed_ms = clock_wall_ms(), .error = error};

	see(st, &r);
	free(error);
}

static void look_at(struct stmt *st)
{
	const struct stmt_store_key key = stmt_key(st);
	OWNS(arena) a = {0};
	struct stmt_record r;
	struct call c;

	stmt_call(&c, &a, str_of(st->tenant->name));
	if (shared_of(st)->ops->find(&c, shared_of(st), &key, &r))
		see(st, &r);
	else if (c.err.kind == ERR_NOT_FOUND || c.err.kind == ERR_RESULT_EXPIRED)
		see_nothing(st);
	if (stmt_has_ended(st))
		stmt_foreign_unwatch(st);
}

static struct stmt **all_watched(struct keeping *kg, int *ret_n)
{
	struct stmt **v;
	int n = 0;

	pthread_mutex_lock(&kg->lock);
	LIST_EACH(&kg->watched, it)
		n++;
	v = base_alloc(sizeof(struct stmt *) * (size_t)(n + 1));
	n = 0;
	LIST_EACH(&kg->watched, it)
		v[n++] = stmt_ref(LIST_ITEM(it, struct kept, watched)->st);
	pthread_mutex_unlock(&kg->lock);
	*ret_n = n;
	return v;
}

static void look_at_all(void *arg)
{
	struct keeping *kg = arg;
	struct stmt **v;
	int n;

	v = all_watched(kg, &n);
	for (int i = 0; i < n; i++) {
		look_at(v[i]);
		statement_unref(v[i]);
	}
	free(v);
	pthread_mutex_lock(&kg->lock);
	kg->looking = false;
	kg->look_ms = kg->look_again ? 0 : clock_mono_ms() + LOOK_MS;
	kg->look_again = false;
	pthread_mutex_unlock(&kg->lock);
}

void stmt_look_soon(struct keeping *kg)
{
	pthread_mutex_lock(&kg->lock);
	if (kg->looking)
		kg->look_again = true;
	else if (!kg->closing && !list_empty(&kg->watched) && exec_pool_run(kg->writers, look_at_all, kg))
		kg->looking = true;
	pthread_mutex_unlock(&kg->lock);
}

void stmt_foreign_watch(struct stmt *st)
{
	struct keeping *kg = st->room->keeping;
	bool ended = stmt_has_ended(st);

	pthread_mutex_lock(&kg->lock);
	if (!ended && !kg->closing && !list_linked(&st->kept->watched)) {
		list_add_tail(&kg->watched, &st->kept->watched);
		stmt_ref(st);
	}
	pthread_mutex_unlock(&kg->lock);
}

void stmt_foreign_unwatch(struct stmt *st)
{
	struct keeping *kg = st->room->keeping;
	bool was;

	pthread_mutex_lock(&kg->lock);
	was = list_linked(&st->kept->watched);
	list_del(&st->kept->watched);
	pthread_mutex_unlock(&kg->lock);
	if (was)
		statement_unref(st);
}

void stmt_foreign_close(struct keeping *kg)
{
	struct list *first;

	while ((first = list_pop(&kg->watched)) != NULL)
		statement_unref(LIST_ITEM(first, struct kept, watched)->st);
}

/* --- ending --- */

bool stmt_foreign_cancel(struct call *c, struct stmt *st)
{
	struct keeping *kg = st->room->keeping;
	struct stmt_record r;

	if (stmt_has_ended(st))
		return true;
	stmt_record_of(c, st, &r);
	if (kg->at.cancel(c, kg->at.shared, &r))
		return true;
	if (c->err.kind != ERR_NOT_FOUND) /* nobody runs it: it has ended by that */
		return false;
	call_forgive(c);
	return true;
}

static void soon(struct stmt *st, exec_fn *fn)
{
	stmt_ref(st);
	if (!stmt_run_soon(st->room->keeping, fn, st))
		statement_unref(st);
}

static void cancel_job(void *arg)
{
	struct stmt *st = arg;
	OWNS(arena) a = {0};
	struct call c;

	stmt_call(&c, &a, str_of(st->tenant->name));
	if (!stmt_foreign_cancel(&c, st))
		obs_log_call(&c, OBS_WARN, "statement", "the server of statement %.*s could not be told to cancel it: %s", ID_LEN,
			     st->handle, err_code(c.err.kind));
	statement_unref(st);
}

void stmt_foreign_cancel_soon(struct stmt *st)
{
	soon(st, cancel_job);
}

void stmt_foreign_forget_soon(struct stmt *st)
{
	stmt_foreign_cancel_soon(st);
	stmt_owe(st, DEBT_DROP, 0);
}
