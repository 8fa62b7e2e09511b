/* store_fake.h - a store of statements in this process's memory, with switches: for what a real one does only when it must.
 *
 * As a shared one it serves several rooms, which hear of each other's changes. It outlives the rooms that use it.
 */
#ifndef MAYFLY_STORE_FAKE_H
#define MAYFLY_STORE_FAKE_H

#include "statement/kept.h"

#include <stdlib.h>
#include <unistd.h>

#include "test.h"

struct fake_row {
	struct arena arena;
	struct stmt_record r;
	struct stmt_kept_part *parts;
	struct engine_bytes **bytes;
	struct str grants[STMT_GRANTS_MAX];
	bool dropped;
};

enum { FAKE_ROWS = 4096, FAKE_ROOMS = 3 };
struct fake {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct fake_row *rows[FAKE_ROWS]; /* oldest first */
	int n;
	bool down;                        /* not reachable */
	bool hang;                        /* every call waits, until it is false */
	enum err_kind add_fails, end_fails, part_fails, drop_fails;
	int fails;                        /* how often the above; -1 = always */
	bool end_lost;                    /* end is done, and the answer lost, once */
	int hanging, adds, ends, drops, finds;
	struct statements *rooms[FAKE_ROOMS]; /* that hear */
};
struct fake_store { /* one room's way to it */
	struct stmt_store store;
	struct fake *fake;
	struct statements *room;
	char owner[16];
};

static struct fake *fake_of(struct stmt_store *s)
{
	return ((struct fake_store *)s)->fake;
}

/* Takes the lock; false without it. */
static bool fake_enter(struct call *c, struct fake *f, const enum err_kind *fails)
{
	pthread_mutex_lock(&f->lock);
	f->hanging++;
	pthread_cond_broadcast(&f->cond);
	while (f->hang)
		pthread_cond_wait(&f->cond, &f->lock);
	f->hanging--;
	if (f->down) {
		pthread_mutex_unlock(&f->lock);
		return fail(c, ERR_UNAVAILABLE, "the store cannot be reached");
	}
	if (fails && *fails && f->fails) {
		enum err_kind kind = *fails;

		f->fails -= f->fails > 0;
		pthread_mutex_unlock(&f->lock);
		return fail(c, kind, "the store has no room");
	}
	return true;
}

UNUSED static void fake_switch(struct fake *f, bool *what, bool on)
{
	pthread_mutex_lock(&f->lock);
	*what = on;
	pthread_cond_broadcast(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

UNUSED static void fake_fails(struct fake *f, enum err_kind *what, enum err_kind kind, int times)
{
	pthread_mutex_lock(&f->lock);
	*what = kind;
	f->fails = times;
	pthread_mutex_unlock(&f->lock);
}

UNUSED static int fake_count(struct fake *f, const int *what)
{
	int n;

	pthread_mutex_lock(&f->lock);
	n = *what;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static struct fake_row *fake_row(struct fake *f, struct str handle)
{
	for (int i = 0; i < f->n; i++)
		if (str_eq(f->rows[i]->r.handle, handle))
			return f->rows[i];
	return NULL;
}

/* Tells the other rooms, without the lock. */
static void fake_leave(struct stmt_store *s, struct str handle, bool changed)
{
	struct fake_store *me = (struct fake_store *)s;
	struct fake *f = me->fake;
	struct statements *rooms[FAKE_ROOMS];
	char tenant[64] = "", text[ID_LEN + 1] = "";
	struct fake_row *row = changed ? fake_row(f, handle) : NULL;

	if (row) {
		memcpy(tenant, row->r.tenant.p, row->r.tenant.n);
		memcpy(text, handle.p, handle.n);
	}
	memcpy(rooms, f->rooms, sizeof(rooms));
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; row && i < FAKE_ROOMS; i++)
		if (rooms[i] && rooms[i] != me->room)
			stmt_told_changed(rooms[i], str_of(tenant), str_of(text));
}

static void fake_free_result(struct fake_row *row)
{
	for (int i = 0; row->bytes && i < row->r.nparts; i++)
		engine_bytes_unref(row->bytes[i]);
	row->bytes = NULL;
	row->r.nparts = 0;
}

static void fake_copy(struct fake_row *row, const struct stmt_record *r)
{
	struct arena *a = &row->arena;
	struct str *const texts[] = {&row->r.handle, &row->r.tenant, &row->r.principal, &row->r.session_id, &row->r.request_id,
				     &row->r.owner, &row->r.claim, &row->r.sql, &row->r.columns};

	row->r = *r;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		*texts[i] = arena_dup(a, *texts[i]);
	if (r->error) {
		row->r.error = ARENA_NEW(a, struct stmt_error);
		*row->r.error = *r->error;
		row->r.error->text = arena_dup(a, r->error->text);
		row->r.error->snowflake = arena_dup(a, r->error->snowflake);
	}
	row->parts = ARENA_ARRAY(a, struct stmt_kept_part, (size_t)r->nparts + 1);
	for (int i = 0; i < r->nparts; i++)
		row->parts[i] = r->parts[i];
	row->r.parts = row->parts;
	for (int i = 0; i < r->ngrants; i++)
		row->grants[i] = arena_dup(a, r->grants[i]);
	row->r.grants = row->grants;
}

static struct fake_row *fake_put(struct fake *f, const struct stmt_record *r)
{
	struct fake_row *row = base_zalloc(sizeof(*row));

	assert_true(f->n < FAKE_ROWS);
	fake_copy(row, r);
	row->r.nparts = 0;
	f->rows[f->n++] = row;
	return row;
}

/* A deep copy, in the call's arena. */
static void fake_get(struct call *c, const struct fake_row *row, struct stmt_record *ret)
{
	struct fake_row *copy = ARENA_NEW(c->arena, struct fake_row);

	fake_copy(copy, &row->r);
	arena_defer(c->arena, (void (*)(void *))arena_close, &copy->arena);
	*ret = copy->r;
}

static int fake_live(struct fake *f, struct str tenant, struct str session)
{
	int n = 0;

	for (int i = 0; i < f->n; i++)
		n += !f->rows[i]->dropped && str_eq(f->rows[i]->r.tenant, tenant) &&
		     (!session.p || str_eq(f->rows[i]->r.session_id, session));
	return n;
}

static bool fake_add(struct call *c, struct stmt_store *s, const struct stmt_record *r, const struct stmt_store_limits *most)
{
	struct fake *f = fake_of(s);
	bool ok;

	if (!fake_enter(c, f, &f->add_fails))
		return false;
	f->adds++;
	ok = !fake_row(f, r->handle) || fail(c, ERR_CONFLICT, "there");
	if (ok && most->tenant > 0 && fake_live(f, r->tenant, (struct str){0}) >= most->tenant)
		ok = fail(c, ERR_TOO_MANY, "tenant");
	if (ok && most->session > 0 && r->session_id.n && fake_live(f, r->tenant, r->session_id) >= most->session)
		ok = fail(c, ERR_TOO_MANY, "session");
	if (ok)
		fake_put(f, r);
	fake_leave(s, r->handle, false);
	return ok;
}

static bool fake_started(struct call *c, struct stmt_store *s, const struct stmt_record *r)
{
	struct fake *f = fake_of(s);
	struct fake_row *row;

	if (!fake_enter(c, f, NULL))
		return false;
	row = fake_row(f, r->handle);
	if (row && row->r.state == STMT_SUBMITTED) {
		row->r.state = STMT_RUNNING;
		row->r.started_ms = r->started_ms;
	}
	fake_leave(s, r->handle, false);
	return true;
}

static bool fake_end(struct call *c, struct stmt_store *s, const struct stmt_record *r, stmt_bytes_fn *bytes, void *arg)
{
	struct engine_bytes **v = ARENA_ARRAY(c->arena, struct engine_bytes *, (size_t)r->nparts + 1), **kept;
	struct fake *f = fake_of(s);
	struct fake_row *row;
	bool ok, lost;

	for (int i = 0; i < r->nparts; i++)
		if (!bytes(arg, c, i, &v[i]))
			return false;
	if (!fake_enter(c, f, &f->end_fails)) {
		for (int i = 0; i < r->nparts; i++)
			engine_bytes_unref(v[i]);
		return false;
	}
	f->ends++;
	row = fake_row(f, r->handle);
	ok = !row || (!row->dropped && !fsm_terminal(stmt_fsm, row->r.state));
	if (ok) {
		row = row ? row : fake_put(f, r);
		fake_copy(row, r);
		kept = row->bytes = ARENA_ARRAY(&row->arena, struct engine_bytes *, (size_t)r->nparts + 1);
		for (int i = 0; i < r->nparts; i++)
			kept[i] = v[i];
	} else {
		for (int i = 0; i < r->nparts; i++)
			engine_bytes_unref(v[i]);
	}
	lost = ok && f->end_lost;
	f->end_lost = f->end_lost && !lost;
	fake_leave(s, r->handle, ok);
	if (lost)
		return fail(c, ERR_UNAVAILABLE, "the answer is lost");
	return ok || fail(c, ERR_CONFLICT, "it has ended");
}

static bool fake_found(struct call *c, const struct fake_row *row)
{
	if (!row || row->dropped)
		return fail(c, ERR_NOT_FOUND, "no such statement");
	if (row->r.expires_ms && clock_wall_ms() >= row->r.expires_ms)
		return fail(c, ERR_RESULT_EXPIRED, "expired");
	return true;
}

static bool fake_find(struct call *c, struct stmt_store *s, const struct stmt_store_key *k, struct stmt_record *ret)
{
	struct fake *f = fake_of(s);
	struct fake_row *row;
	bool ok;

	if (!fake_enter(c, f, NULL))
		return false;
	f->finds++;
	row = fake_row(f, k->handle);
	ok = fake_found(c, row);
	if (ok)
		fake_get(c, row, ret);
	fake_leave(s, k->handle, false);
	return ok;
}

static bool fake_part(struct call *c, struct stmt_store *s, const struct stmt_record *r, int i, struct engine_bytes **ret)
{
	struct fake *f = fake_of(s);
	struct fake_row *row;
	bool ok;

	if (!fake_enter(c, f, &f->part_fails))
		return false;
	row = fake_row(f, r->handle);
	ok = row && row->bytes && i < row->r.nparts;
	if (ok)
		*ret = engine_bytes_ref(row->bytes[i]);
	fake_leave(s, r->handle, false);
	return ok || fail(c, ERR_STORAGE, "a partition is missing");
}

static int fake_newer(const void *a, const void *b)
{
	return str_cmp(((const struct stmt_record *)b)->handle, ((const struct stmt_record *)a)->handle);
}

static bool fake_list(struct call *c, struct stmt_store *s, const struct stmt_store_page *p, stmt_record_fn *fn, void *arg)
{
	struct fake *f = fake_of(s);
	struct stmt_record *v;
	int n = 0;

	if (!fake_enter(c, f, NULL))
		return false;
	v = ARENA_ARRAY(c->arena, struct stmt_record, (size_t)f->n + 1);
	for (int i = f->n - 1; i >= 0; i--) {
		const struct fake_row *row = f->rows[i];

		if (row->dropped || (p->tenant.n && !str_eq(p->tenant, row->r.tenant)) ||
		    (p->filter && p->filter->after.n && str_cmp(row->r.handle, p->filter->after) >= 0) ||
		    (row->r.expires_ms && clock_wall_ms() >= row->r.expires_ms))
			continue;
		fake_get(c, row, &v[n++]);
	}
	fake_leave(s, S(""), false);
	qsort(v, (size_t)n, sizeof(*v), fake_newer);
	for (int i = 0; i < n && fn(arg, c, &v[i]); i++)
		;
	return true;
}

static bool fake_grant(struct call *c, struct stmt_store *s, const struct stmt_store_key *k, struct str principal, bool give)
{
	struct fake *f = fake_of(s);
	struct fake_row *row;
	int n = 0;
	bool ok;

	if (!fake_enter(c, f, NULL))
		return false;
	row = fake_row(f, k->handle);
	ok = fake_found(c, row);
	if (ok) {
		for (int i = 0; i < row->r.ngrants; i++)
			if (!str_eq(row->grants[i], principal))
				row->grants[n++] = row->grants[i];
		if (give)
			row->grants[n++] = arena_dup(&row->arena, principal);
		row->r.ngrants = n;
	}
	fake_leave(s, k->handle, ok);
	return ok;
}

static bool fake_drop(struct call *c, struct stmt_store *s, const struct stmt_store_key *k)
{
	struct fake *f = fake_of(s);
	struct fake_row *row;

	if (!fake_enter(c, f, &f->drop_fails))
		return false;
	f->drops++;
	row = fake_row(f, k->handle);
	if (row) {
		fake_free_result(row);
		row->dropped = true;
	}
	fake_leave(s, k->handle, row != NULL);
	return true;
}

static bool fake_drop_session(struct call *c, struct stmt_store *s, struct str tenant, struct str session_id)
{
	struct fake *f = fake_of(s);

	if (!fake_enter(c, f, NULL))
		return false;
	for (int i = 0; i < f->n; i++) {
		struct fake_row *row = f->rows[i];

		if (!str_eq(row->r.tenant, tenant) || !str_eq(row->r.session_id, session_id) || row->r.detached)
			continue;
		fake_free_result(row);
		row->dropped = true;
	}
	fake_leave(s, S(""), false);
	return true;
}

static void fake_sweep(struct stmt_store *s)
{
	(void)s;
}

static void fake_close(struct stmt_store *s)
{
	struct fake_store *me = (struct fake_store *)s;

	pthread_mutex_lock(&me->fake->lock);
	for (int i = 0; i < FAKE_ROOMS; i++)
		if (me->fake->rooms[i] == me->room)
			me->fake->rooms[i] = NULL;
	pthread_mutex_unlock(&me->fake->lock);
	free(me);
}

static const struct stmt_store_ops fake_ops = {"fake", true, fake_add, fake_started, fake_end, fake_find, fake_part, fake_list,
					       fake_grant, fake_drop, fake_drop_session, fake_sweep, fake_close};

/* The owner is told; without one the record is FAILED. */
static bool fake_cancel(struct call *c, struct stmt_store *s, const struct stmt_record *r)
{
	struct fake *f = fake_of(s);
	struct statements *rooms[FAKE_ROOMS];

	if (!fake_enter(c, f, NULL))
		return false;
	memcpy(rooms, f->rooms, sizeof(rooms));
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < FAKE_ROOMS; i++) {
		if (!rooms[i] || !str_eq(rooms[i]->keeping->at.owner, r->owner))
			continue;
		stmt_told_cancel(rooms[i], r->tenant, r->handle);
		return true;
	}
	return fail(c, ERR_NOT_FOUND, "nobody runs it");
}

static void fake_renew(struct stmt_store *s)
{
	(void)s;
}

static struct fake *fake_open(void)
{
	struct fake *f = base_zalloc(sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->cond, NULL);
	return f;
}

static struct stmt_store *fake_store(struct fake *f, struct statements *room, const char *owner)
{
	struct fake_store *s = base_zalloc(sizeof(*s));
	int i = 0;

	s->store.ops = &fake_ops;
	s->fake = f;
	s->room = room;
	snprintf(s->owner, sizeof(s->owner), "%s", owner);
	pthread_mutex_lock(&f->lock);
	while (i < FAKE_ROOMS - 1 && f->rooms[i])
		i++;
	f->rooms[i] = room;
	pthread_mutex_unlock(&f->lock);
	return &s->store;
}

static void fake_forget(struct fake *f)
{
	for (int i = 0; i < f->n; i++) {
		fake_free_result(f->rows[i]);
		arena_close(&f->rows[i]->arena);
		free(f->rows[i]);
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->cond);
	free(f);
}

#endif
