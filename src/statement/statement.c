/* statement.c - handles: made, found, looked at, forgotten.
 *
 * Not here: submitting (submit.c), lists (lists.c), moves of state (life.c),
 * leases (leases.c), bytes of results (results.c), stores (kept.c).
 */
#include "statement/kept.h"

#include <stdlib.h>

const struct fsm_state stmt_fsm[STMT_STATES] = {
	[STMT_SUBMITTED] = {"SUBMITTED", TO(STMT_RUNNING) | TO(STMT_FAILED) | TO(STMT_CANCELED)},
	[STMT_RUNNING] = {"RUNNING", TO(STMT_SUCCEEDED) | TO(STMT_FAILED) | TO(STMT_CANCELED)},
	[STMT_SUCCEEDED] = {"SUCCEEDED", 0},
	[STMT_FAILED] = {"FAILED", 0},
	[STMT_CANCELED] = {"CANCELED", 0},
};

/* --- references --- */

static void stmt_free(struct stmt *st)
{
	stmt_drop_results(st);
	stmt_columns_unref(st->columns);
	stmt_kept_free(st->kept);
	free(st->grants);
	free(st->error);
	free(st->counts);
	free(st->children);
	stmt_running_free(st->run);
	watch_drop(st->watchers);
	free(st);
}

void stmt_running_free(struct running *run)
{
	if (!run)
		return;
	statement_unref(run->child);
	free(run->origins);
	free(run->shape);
	free(run);
}

void statement_unref(struct stmt *st)
{
	if (st && atomic_fetch_sub(&st->refs, 1) == 1)
		stmt_free(st);
}

struct stmt *stmt_alloc(struct statements *s, const struct stmt_texts *t)
{
	struct stmt *st = base_zalloc(sizeof(*st) + t->sql.n + t->principal.n + t->session_id.n + t->query_tag.n);
	char *at = st->tail;

	INVARIANT(t->handle.n == ID_LEN && t->sql.n <= UINT32_MAX);
	atomic_init(&st->refs, 1);
	st->room = s;
	memcpy(st->handle, t->handle.p, ID_LEN);
	st->shard_at = (uint8_t)(hash_bytes(t->handle) >> 60);
	list_init(&st->in_tenant);
	list_init(&st->in_memory);
	lease_init(&st->lease, &stmt_lease_kind);
	st->kind = SQL_UNKNOWN;
	st->progress = -1;
	st->sql_n = (uint32_t)str_copy_to(&at, t->sql).n;
	st->principal_n = (uint32_t)str_copy_to(&at, t->principal).n;
	st->session_n = (uint32_t)str_copy_to(&at, t->session_id).n;
	st->tag_n = (uint32_t)str_copy_to(&at, t->query_tag).n;
	return st;
}

struct str stmt_request(const struct stmt *st)
{
	if (st->kept)
		return st->kept->request;
	return st->run ? str_from(st->run->request, st->run->request_n) : S("");
}

/* --- the map --- */

static struct shard *shard_of(struct statements *s, struct str handle)
{
	return &s->shards[hash_bytes(handle) >> 60];
}

bool stmt_owns(const struct call *c, const struct stmt *st)
{
	return str_eq(c->tenant, str_of(st->tenant->name)) && (c->role == ROLE_ADMIN || str_eq(c->principal, stmt_principal(st)));
}

void stmt_enter(struct stmt *st)
{
	stmt_lock(st);
	stmt_map_put(&stmt_shard(st)->map, stmt_ref(st));
	stmt_unlock(st);
	atomic_fetch_add(&st->room->live, 1);
}

struct stmt *stmt_get(struct statements *s, struct str handle)
{
	struct shard *shard = shard_of(s, handle);
	struct stmt *st;

	pthread_mutex_lock(&shard->lock);
	st = stmt_map_get(&shard->map, handle);
	if (st)
		stmt_ref(st);
	pthread_mutex_unlock(&shard->lock);
	return st;
}

enum found { FOUND_NOTHING, FOUND_HIDDEN, FOUND_EXPIRED, FOUND };

static enum found find_here(struct call *c, struct statements *s, struct str handle, struct stmt **ret)
{
	struct shard *shard = shard_of(s, handle);
	enum found found = FOUND_NOTHING;
	struct stmt *st;

	pthread_mutex_lock(&shard->lock);
	st = stmt_map_get(&shard->map, handle);
	if (st)
		found = !stmt_may_read(c, st) ? FOUND_HIDDEN : st->expired ? FOUND_EXPIRED : FOUND;
	if (found == FOUND)
		*ret = stmt_ref(st);
	pthread_mutex_unlock(&shard->lock);
	return found;
}

bool statement_find(struct call *c, struct statements *s, struct str handle, struct stmt **ret)
{
	enum found found = find_here(c, s, handle, ret);

	if (found == FOUND)
		return true;
	if (found == FOUND_EXPIRED)
		return fail(c, ERR_RESULT_EXPIRED, "the result of statement %.*s has expired", SARG(handle));
	if (found == FOUND_NOTHING && s->keeping && s->keeping->at.shared && id_valid(handle))
		return stmt_find_shared(c, s, handle, ret);
	return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(str_head(handle, 64)));
}

bool stmt_unlink(struct stmt *st)
{
	struct statements *s = st->room;
	bool first;

	stmt_lock(st);
	first = !st->forgotten;
	st->forgotten = true;
	if (first)
		stmt_map_del(&stmt_shard(st)->map, st);
	stmt_unlock(st);
	if (!first)
		return false;
	atomic_fetch_sub(stmt_leave_place(st) ? &s->live : &s->expired, 1);
	pthread_mutex_lock(&s->tenants_lock);
	list_del(&st->in_tenant);
	list_del(&st->in_memory);
	pthread_mutex_unlock(&s->tenants_lock);
	lease_clear(s->o.lifecycle, &st->lease);
	statement_unref(st);
	return true;
}

struct stmt **stmt_all(struct statements *s, size_t *ret_n)
{
	size_t n = 0, cap = 0;
	struct stmt **v = NULL;

	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &s->shards[i];

		pthread_mutex_lock(&shard->lock);
		cap += shard->map.n;
		v = base_realloc(v, (cap + 1) * sizeof(*v));
		for (size_t at = 0; at < shard->map.cap; at++)
			if (shard->map.v[at])
				v[n++] = stmt_ref(shard->map.v[at]);
		pthread_mutex_unlock(&shard->lock);
	}
	*ret_n = n;
	return v;
}

/* --- ending by request --- */

bool statement_blocks(const struct stmt *st)
{
	return st->kept != NULL;
}

static bool may_end(struct call *c, const struct stmt *st)
{
	return stmt_owns(c, st) || fail(c, ERR_FORBIDDEN, "statement %.*s may only be read", ID_LEN, st->handle);
}

void statement_cancel_soon(struct stmt *st)
{
	if (st->foreign)
		stmt_foreign_cancel_soon(st);
	else
		stmt_end(st, STMT_CANCELED, stmt_error_simple(ERR_CANCELED, 0));
}

bool statement_cancel(struct call *c, struct stmt *st)
{
	if (!may_end(c, st))
		return false;
	if (st->foreign)
		return stmt_foreign_cancel(c, st);
	if (!st->kept) {
		statement_cancel_soon(st);
		return true;
	}
	stmt_write_begin(st); /* so that it is recorded when this returns, where the stores can be reached */
	statement_cancel_soon(st);
	stmt_write_done(st);
	return true;
}

void statement_forget_soon(struct stmt *st)
{
	if (st->foreign) {
		stmt_foreign_forget_soon(st);
		return;
	}
	statement_cancel_soon(st);
	if (st->kept)
		stmt_owe(st, stmt_drop_debt(st->kept), 0);
	stmt_unlink(st);
}

static bool forget_kept(struct call *c, struct stmt *st)
{
	bool dropped;

	stmt_write_begin(st);
	if (!st->foreign)
		statement_cancel_soon(st);
	dropped = stmt_drop_now(c, st);
	stmt_write_done(st);
	if (dropped && !st->foreign)
		stmt_unlink(st);
	return dropped;
}

bool statement_forget(struct call *c, struct stmt *st)
{
	if (!may_end(c, st))
		return false;
	if (st->foreign && !stmt_foreign_cancel(c, st))
		return false;
	if (st->kept)
		return forget_kept(c, st);
	statement_forget_soon(st);
	return true;
}

/* --- looking --- */

void statement_view(struct stmt *st, struct stmt_view *v)
{
	bool ended;

	stmt_lock(st);
	ended = fsm_terminal(stmt_fsm, st->state);
	*v = (struct stmt_view){
		.handle = stmt_handle(st), .tenant = str_of(st->tenant->name), .session_id = stmt_session(st), .sql = stmt_sql(st),
		.state = st->state, .created_ms = st->created_ms, .started_ms = st->started_ms,
		.completed_ms = ended ? st->completed_ms : 0, .expires_ms = ended ? stmt_expires_ms(st) : 0,
		.progress = st->progress, .form = stmt_form(st), .columns = stmt_columns(st), .parts = st->nparts,
		.rows = st->rows, .row_bytes = st->row_bytes, .counts = stmt_counts(st), .error = st->error,
		.children = st->state == STMT_SUCCEEDED ? stmt_children(st) : S(""), .query_tag = stmt_query_tag(st),
	};
	stmt_unlock(st);
}
