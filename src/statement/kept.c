/* kept.c - what stores are told of a statement: the steps that pay a debt.
 *
 * A step returns false when it must be tried again later. What a store says
 * counts more than what was decided here: who comes second adopts it.
 */
#include "statement/kept.h"

#include "obs/obs.h"

#include <stdlib.h>

/* --- its place --- */

static bool wants_disk(const struct statements *s, const struct stmt_scope *scope)
{
	return scope->persistent || ((!scope->session_id.n || scope->detached) && s->o.default_persistent);
}

void stmt_keep(struct stmt *st, const struct stmt_place *p)
{
	struct keeping *kg = st->room->keeping;
	bool disk = kg->at.disk && (p->scope ? wants_disk(st->room, p->scope) : p->disk);
	bool shared = kg->at.shared && (p->scope || p->shared);
	struct kept *k;
	char *at;

	if (!disk && !shared)
		return;
	k = base_zalloc(sizeof(*k) + p->claim.n + p->owner.n + p->request.n);
	at = k->text;
	k->st = st;
	k->claim = str_copy_to(&at, p->claim);
	k->owner = str_copy_to(&at, p->owner);
	k->request = str_copy_to(&at, p->request);
	atomic_init(&k->disk, disk);
	atomic_init(&k->shared, shared);
	list_init(&k->busy);
	list_init(&k->watched);
	list_init(&k->due.link);
	st->kept = k;
}

void stmt_kept_free(struct kept *k)
{
	if (!k)
		return;
	free(k->error);
	free(k);
}

struct stmt_store_key stmt_key(const struct stmt *st)
{
	return (struct stmt_store_key){str_of(st->tenant->name), st->detached ? S("") : stmt_session(st), stmt_handle(st)};
}

struct stmt_store *stmt_store_of(const struct stmt *st)
{
	const struct stmt_stores *at = &st->room->keeping->at;

	return stmt_on_disk(st) ? at->disk : atomic_load(&st->kept->shared) ? at->shared : NULL;
}

bool stmt_storing_part(struct call *c, int i, struct stmt *st, struct engine_bytes **ret)
{
	struct stmt_store *store = st->kept ? stmt_store_of(st) : NULL;
	struct stmt_record r;

	if (!store)
		return fail(c, ERR_STORAGE, "the result of statement %.*s is in no store", ID_LEN, st->handle);
	stmt_record_of(c, st, &r);
	return store->ops->part(c, store, &r, i, ret);
}

/* --- adding --- */

/* Not to be taken now, but it goes on without: the store follows. */
static bool goes_on_alone(struct call *c, const struct statements *s)
{
	if (c->err.kind != ERR_UNAVAILABLE || !s->o.degrade)
		return false;
	call_forgive(c);
	return true;
}

/* A handle that is there already is a fault of the store, or of who writes to it. */
static bool is_there(struct call *c, const struct stmt *st)
{
	if (c->err.kind != ERR_CONFLICT)
		return false;
	call_forgive(c);
	return fail(c, ERR_STORAGE, "the store has a statement %.*s already", ID_LEN, st->handle);
}

/* A store that is known to be away is not asked, so that nothing is owed to it but by who was on his way when it left. */
static bool ask_shared(struct call *c, struct stmt *st, const struct stmt_record *r, bool *ret_maybe_there)
{
	struct statements *s = st->room;
	struct stmt_store *shared = s->keeping->at.shared;
	struct statement_caps caps;
	struct err why;

	*ret_maybe_there = false;
	if (!atomic_load(&s->keeping->up))
		return fail(c, ERR_UNAVAILABLE, "Redis cannot be reached");
	s->o.caps(s->o.arg, c->tenant, &caps);
	if (shared->ops->add(c, shared, r, &(struct stmt_store_limits){caps.max_statements, s->o.max_per_session}))
		return true;
	*ret_maybe_there = c->err.kind == ERR_UNAVAILABLE;
	why = c->err;
	if (why.kind == ERR_QUOTA)
		why.kind = ERR_UNAVAILABLE;
	call_forgive(c);
	return fail_as(c, &why);
}

static bool add_shared(struct call *c, struct stmt *st, const struct stmt_record *r)
{
	bool maybe_there;

	if (ask_shared(c, st, r, &maybe_there))
		return true;
	if (goes_on_alone(c, st->room)) {
		stmt_late(st->kept);
		stmt_owe(st, DEBT_ADD, BACKOFF_MIN_MS);
		return true;
	}
	atomic_store(&st->kept->shared, maybe_there);
	return is_there(c, st);
}

static bool add_disk(struct call *c, struct stmt *st, const struct stmt_record *r)
{
	struct stmt_store *disk = st->room->keeping->at.disk;

	if (disk->ops->add(c, disk, r, &(struct stmt_store_limits){0, 0}))
		return true;
	atomic_store(&st->kept->disk, c->err.kind == ERR_UNAVAILABLE);
	return is_there(c, st);
}

bool stmt_add(struct call *c, struct stmt *st)
{
	bool shared = atomic_load(&st->kept->shared), disk = atomic_load(&st->kept->disk), ok;
	struct stmt_record r;

	stmt_write_begin(st);
	stmt_record_of(c, st, &r);
	ok = !shared || add_shared(c, st, &r);
	if (!ok)
		atomic_store(&st->kept->disk, false);
	ok = ok && (!disk || add_disk(c, st, &r));
	stmt_write_done(st);
	return ok;
}

/* The key of its request, claimed while there was nobody to ask, or forgotten: the first one stays. */
static void claim_again(struct call *c, struct stmt *st)
{
	struct statements *s = st->room;
	int64_t ttl = TOMBSTONE_MS + s->o.max_ttl_s * 1000;

	if (!st->kept->claim.n)
		return;
	if (!kv_put(c, s->o.kv, st->kept->claim, stmt_handle(st), KV_ABSENT, ttl))
		call_forgive(c);
}

static bool add_running(struct call *c, struct stmt *st)
{
	struct stmt_store *shared = st->room->keeping->at.shared;
	struct stmt_record r;

	stmt_record_of(c, st, &r);
	r.state = STMT_SUBMITTED;
	r.completed_ms = r.expires_ms = 0;
	if (!shared->ops->add(c, shared, &r, &(struct stmt_store_limits){0, 0}))
		return false;
	claim_again(c, st);
	return true;
}

static bool pay_add(struct call *c, struct stmt *st)
{
	return stmt_owes(st->kept, DEBT_END) || add_running(c, st) || c->err.kind == ERR_CONFLICT; /* an end adds it, too */
}

static bool pay_start(struct call *c, struct stmt *st)
{
	const struct stmt_stores *at = &st->room->keeping->at;
	struct stmt_record r;

	stmt_record_of(c, st, &r);
	if (r.state != STMT_RUNNING)
		return true;
	if (atomic_load(&st->kept->shared) && !at->shared->ops->started(c, at->shared, &r))
		call_forgive(c); /* others see it as SUBMITTED */
	if (atomic_load(&st->kept->disk) && !at->disk->ops->started(c, at->disk, &r))
		call_forgive(c);
	return true;
}

/* --- ending --- */

void stmt_kept_end(struct stmt *st, enum stmt_state to, struct stmt_error *error)
{
	struct keeping *kg = st->room->keeping;
	struct kept *k = st->kept;
	unsigned ends = (atomic_load(&k->shared) ? DEBT_END : 0U) | (atomic_load(&k->disk) ? DEBT_DISK_END : 0U);

	if (to != STMT_SUCCEEDED)
		stmt_drop_results(st);
	pthread_mutex_lock(&kg->lock);
	k->to = to;
	k->error = error;
	k->waits = ends;
	pthread_mutex_unlock(&kg->lock);
	stmt_owe(st, ends | DEBT_SETTLE, 0);
}

/* With type redis, what the shared store has of one that has ended is all there is. */
static void leave_if_kept_elsewhere(struct stmt *st)
{
	struct kept *k = st->kept;

	if (k->settled && atomic_load(&k->shared) && !st->room->o.keep_local && !stmt_owes(k, DEBT_END))
		stmt_unlink(st);
}

static void settle(struct stmt *st)
{
	struct kept *k = st->kept;
	struct stmt_error *error = k->error;

	if (k->settled)
		return;
	k->settled = true;
	k->error = NULL;
	stmt_settle(st, k->to, error, !k->adopted);
	if (k->gone)
		stmt_unlink(st);
	leave_if_kept_elsewhere(st);
}

static bool is_expired(struct stmt *st)
{
	bool expired;

	stmt_lock(st);
	expired = st->expired;
	stmt_unlock(st);
	return expired;
}

/* As it is decided to end. */
static void record_of_end(struct call *c, struct stmt *st, struct stmt_record *ret)
{
	stmt_record_of(c, st, ret);
	if (st->kept->settled)
		return;
	ret->state = st->kept->to;
	ret->error = st->kept->error;
}

static bool bytes_of(void *arg, struct call *c, int i, struct engine_bytes **ret)
{
	bool gzip;

	return stmt_stored_part(c, arg, i, ret, &gzip);
}

/* Its result cannot be kept: then it has none, and says why. */
static void spoil(struct call *c, struct stmt *st, const struct stmt_store *store, unsigned debt)
{
	OWNS(buf) text = {0};
	struct kept *k = st->kept;

	stmt_excuse(k, debt);
	if (k->settled)
		return;
	obs_log_call(c, OBS_WARN, "statement", "statement %.*s cannot be written to %s: %s", ID_LEN, st->handle, store->ops->name,
		     err_code(c->err.kind));
	if (k->to != STMT_SUCCEEDED)
		return;
	buf_fmt(&text, "the result could not be kept: %s", c->err.text);
	k->to = STMT_FAILED;
	k->error = stmt_error_of_store(ERR_STORAGE, buf_str(&text));
	stmt_drop_results(st);
}

/* It is not here any more; what the store says of it, if anything, is what everybody hears. */
static void leave(struct stmt *st)
{
	if (atomic_load(&st->kept->disk))
		stmt_owe(st, DEBT_DISK_DROP, 0);
	stmt_unlink(st);
}

/* Somebody else has ended it: so it did. */
static void adopt_record(struct stmt *st, const struct stmt_record *r)
{
	struct kept *k = st->kept;

	free(k->error);
	k->to = r->state;
	k->error = stmt_error_copy(r->error);
	k->adopted = true;
	stmt_drop_results(st);
	stmt_lock(st);
	st->started_ms = r->started_ms;
	st->completed_ms = r->completed_ms;
	if (r->state == STMT_SUCCEEDED)
		stmt_take_result(st, r);
	stmt_unlock(st);
}

/* The same end, told twice because the first answer was lost? */
static bool is_mine(struct stmt *st, const struct stmt_record *r)
{
	bool same_time;

	stmt_lock(st);
	same_time = r->completed_ms == st->completed_ms;
	stmt_unlock(st);
	return same_time && r->state == (st->kept->settled ? st->state : st->kept->to);
}

static bool is_unknown(const struct call *c)
{
	return c->err.kind == ERR_NOT_FOUND || c->err.kind == ERR_RESULT_EXPIRED;
}

static bool adopt(struct call *c, struct stmt *st)
{
	struct stmt_store *shared = st->room->keeping->at.shared;
	const struct stmt_store_key key = stmt_key(st);
	struct stmt_record r;

	if (shared->ops->find(c, shared, &key, &r)) {
		if (!fsm_terminal(stmt_fsm, r.state))
			return false;
		if (is_mine(st, &r))
			return true;
		if (st->kept->settled) /* it went on without that store */
			leave(st);
		else
			adopt_record(st, &r);
		return true;
	}
	if (!is_unknown(c))
		return false;
	st->kept->gone = true;
	atomic_store(&st->kept->shared, false);
	if (st->kept->settled)
		leave(st);
	else if (atomic_load(&st->kept->disk))
		stmt_owe(st, DEBT_DISK_DROP, 0);
	return true;
}

/* Redis answers, and has no room. */
static bool is_full(const struct call *c)
{
	return c->err.kind == ERR_QUOTA;
}

static bool pay_end(struct call *c, struct stmt *st)
{
	struct stmt_store *shared = st->room->keeping->at.shared;
	struct kept *k = st->kept;
	struct stmt_record r;

	if (is_expired(st))
		return true;
	record_of_end(c, st, &r);
	if (shared->ops->end(c, shared, &r, bytes_of, st)) {
		if (k->late)
			claim_again(c, st);
		leave_if_kept_elsewhere(st);
		return true;
	}
	if (c->err.kind == ERR_CONFLICT) {
		call_forgive(c);
		return adopt(c, st);
	}
	stmt_late(k);
	if (c->err.kind != ERR_UNAVAILABLE || is_full(c))
		spoil(c, st, shared, DEBT_END);
	else if (st->room->o.degrade)
		stmt_excuse(k, DEBT_END);
	return false;
}

/* The shared store has its result: it is kept there. */
static bool keep_without_disk(struct call *c, struct stmt *st)
{
	struct kept *k = st->kept;

	if (k->to != STMT_SUCCEEDED || !atomic_load(&k->shared) || stmt_owes(k, DEBT_END))
		return false;
	obs_log_call(c, OBS_WARN, "statement", "statement %.*s is kept in the shared store alone: %s", ID_LEN, st->handle,
		     err_code(c->err.kind));
	atomic_store(&k->disk, false);
	return true;
}

static bool pay_disk_end(struct call *c, struct stmt *st)
{
	struct stmt_store *disk = st->room->keeping->at.disk;
	struct kept *k = st->kept;
	struct stmt_record r;

	if (k->gone || is_expired(st))
		return true;
	record_of_end(c, st, &r);
	if (disk->ops->end(c, disk, &r, bytes_of, st) || c->err.kind == ERR_CONFLICT) { /* conflict: the first answer was lost */
		atomic_store(&k->on_disk, r.state == STMT_SUCCEEDED);
		return true;
	}
	if (c->err.kind == ERR_UNAVAILABLE)
		return false;
	if (keep_without_disk(c, st))
		return true;
	spoil(c, st, disk, DEBT_DISK_END);
	return false;
}

/* --- dropping --- */

unsigned stmt_drop_debt(const struct kept *k)
{
	return (atomic_load(&k->shared) ? DEBT_DROP : 0U) | (atomic_load(&k->disk) ? DEBT_DISK_DROP : 0U);
}

void stmt_drop_if_under_way(struct stmt *st)
{
	if (!stmt_has_ended(st))
		stmt_owe(st, stmt_drop_debt(st->kept), 0);
}

static bool drop_in(struct call *c, struct stmt *st, struct stmt_store *store)
{
	const struct stmt_store_key key = stmt_key(st);

	return store->ops->drop(c, store, &key);
}

static bool pay_drop(struct call *c, struct stmt *st, struct stmt_store *store)
{
	if (drop_in(c, st, store))
		return true;
	if (c->err.kind == ERR_UNAVAILABLE) {
		if (store == st->room->keeping->at.shared)
			stmt_late(st->kept);
		return false;
	}
	obs_log_call(c, OBS_WARN, "statement", "statement %.*s cannot be dropped from %s: %s", ID_LEN, st->handle, store->ops->name,
		     err_code(c->err.kind));
	return true; /* it is swept when its time is over */
}

bool stmt_drop_now(struct call *c, struct stmt *st)
{
	const struct stmt_stores *at = &st->room->keeping->at;
	struct kept *k = st->kept;
	unsigned left = 0;

	if (atomic_load(&k->shared) && !drop_in(c, st, at->shared)) {
		if (st->foreign || !goes_on_alone(c, st->room))
			return false;
		stmt_late(k);
		left = DEBT_DROP;
	}
	if (atomic_load(&k->disk) && !drop_in(c, st, at->disk))
		return false;
	stmt_dropped(k, left);
	return true;
}

/* --- looking --- */

static void take_grants(struct stmt *st, const struct stmt_record *r)
{
	struct stmt_grants *now = stmt_grants_of(r->grants, r->ngrants), *was;

	stmt_lock(st);
	was = st->grants;
	st->grants = now;
	stmt_unlock(st);
	free(was);
}

/* Dropped by another server: it goes here as well. */
static void follow_drop(struct stmt *st)
{
	atomic_store(&st->kept->shared, false);
	stmt_end(st, STMT_CANCELED, stmt_error_simple(ERR_CANCELED, 0));
	if (atomic_load(&st->kept->disk))
		stmt_owe(st, DEBT_DISK_DROP, 0);
	else
		stmt_dropped(st->kept, 0);
	stmt_unlink(st);
}

/* It runs here, and the store does not know it: the store has forgotten it, or knows that it was dropped. */
static bool add_or_follow(struct call *c, struct stmt *st)
{
	call_forgive(c);
	if (stmt_owes(st->kept, DEBT_END)) /* which finds out */
		return true;
	if (add_running(c, st)) {
		stmt_owe(st, DEBT_START, 0);
		return true;
	}
	if (c->err.kind == ERR_CONFLICT || c->err.kind == ERR_SESSION_CLOSED)
		follow_drop(st);
	return c->err.kind != ERR_UNAVAILABLE && c->err.kind != ERR_QUOTA;
}

/* What has become of it elsewhere; what the store lacks is written. */
static bool pay_look(struct call *c, struct stmt *st)
{
	struct stmt_store *shared = st->room->keeping->at.shared;
	const struct stmt_store_key key = stmt_key(st);
	struct stmt_record r;

	if (is_expired(st))
		return true;
	if (shared->ops->find(c, shared, &key, &r)) {
		take_grants(st, &r);
		if (fsm_terminal(stmt_fsm, r.state)) /* it may run here still: in vain */
			stmt_end(st, STMT_CANCELED, stmt_error_simple(ERR_CANCELED, 0));
		return true;
	}
	if (!is_unknown(c))
		return c->err.kind != ERR_UNAVAILABLE;
	if (!st->kept->settled)
		return add_or_follow(c, st);
	stmt_late(st->kept);
	stmt_owe(st, DEBT_END, 0); /* which finds out whether it was dropped, or never there */
	return true;
}

bool stmt_pay(struct call *c, struct stmt *st, enum debt d)
{
	const struct stmt_stores *at = &st->room->keeping->at;

	switch (d) {
	case DEBT_DROP:
		return pay_drop(c, st, at->shared);
	case DEBT_DISK_DROP:
		return pay_drop(c, st, at->disk);
	case DEBT_ADD:
		return pay_add(c, st);
	case DEBT_END:
		return pay_end(c, st);
	case DEBT_DISK_END:
		return pay_disk_end(c, st);
	case DEBT_SETTLE:
		settle(st);
		return true;
	case DEBT_START:
		return pay_start(c, st);
	case DEBT_LOOK:
		return pay_look(c, st);
	case DEBT_DROPS:
	case DEBT_SHARED:
		break;
	}
	INVARIANT(!"one step at a time");
	return true;
}
