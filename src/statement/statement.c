/* statement.c - the room: handles found, listed, counted and forgotten.
 *
 * Not here: moves of state (life.c), the engine's answers (run.c), bytes of
 * results (results.c), counts and caps (places.c).
 */
#include "statement/statement_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
	free((void *)st->columns.p);
	free(st->error);
	free(st->tail);
	free(st);
}

void statement_unref(struct stmt *st)
{
	if (st && atomic_fetch_sub(&st->refs, 1) == 1)
		stmt_free(st);
}

/* --- the map --- */

static struct shard *shard_of(struct statements *s, struct str handle)
{
	return &s->shards[hash_bytes(handle) >> 60];
}

static bool may_see(const struct call *c, const struct stmt *st)
{
	return str_eq(c->tenant, str_of(st->tenant->name)) &&
	       (c->role == ROLE_ADMIN || str_eq(c->principal, st->principal));
}

bool statement_find(struct call *c, struct statements *s, struct str handle, struct stmt **ret)
{
	struct shard *shard = shard_of(s, handle);
	struct stmt *st;
	bool expired = false;

	pthread_mutex_lock(&shard->lock);
	st = map_get(&shard->map, handle);
	if (st && may_see(c, st)) {
		expired = st->expired;
		if (!expired)
			stmt_ref(st);
	} else {
		st = NULL;
	}
	pthread_mutex_unlock(&shard->lock);
	if (!st)
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(str_head(handle, 64)));
	if (expired)
		return fail(c, ERR_RESULT_EXPIRED, "the result of statement %.*s has expired", SARG(handle));
	*ret = st;
	return true;
}

/* Out of the map and of every list; the map's reference goes. */
static void unlink_stmt(struct stmt *st)
{
	struct statements *s = st->room;
	bool first;

	stmt_lock(st);
	first = !st->forgotten;
	st->forgotten = true;
	if (first)
		map_del(&st->shard->map, stmt_handle(st));
	stmt_unlock(st);
	if (!first)
		return;
	atomic_fetch_sub(stmt_leave_place(st) ? &s->live : &s->expired, 1);
	pthread_mutex_lock(&s->tenants_lock);
	list_del(&st->in_tenant);
	list_del(&st->in_memory);
	pthread_mutex_unlock(&s->tenants_lock);
	lease_clear(s->o.lifecycle, &st->lease);
	statement_unref(st);
}

void statement_forget_soon(struct stmt *st)
{
	statement_cancel_soon(st);
	unlink_stmt(st);
}

bool statement_forget(struct call *c, struct stmt *st)
{
	(void)c;
	statement_forget_soon(st);
	return true;
}

/* --- the lease --- */

static struct stmt *stmt_of(struct lease *l)
{
	return CONTAINER_OF(l, struct stmt, lease);
}

static void hold(struct lease *l)
{
	stmt_ref(stmt_of(l));
}

static void drop(struct lease *l)
{
	statement_unref(stmt_of(l));
}

/* One that was forgotten meanwhile is not left with a lease. */
static void clear_if_forgotten(struct stmt *st)
{
	bool forgotten;

	stmt_lock(st);
	forgotten = st->forgotten;
	stmt_unlock(st);
	if (forgotten)
		lease_clear(st->room->o.lifecycle, &st->lease);
}

void stmt_due(struct stmt *st, int64_t due_mono_ms)
{
	stmt_lock(st);
	st->due_mono_ms = due_mono_ms;
	stmt_unlock(st);
	lease_set(st->room->o.lifecycle, &st->lease, due_mono_ms);
	clear_if_forgotten(st);
}

/* A timeout, the end of a TTL, or the end of what is remembered of an expired handle. */
static void on_due(struct lease *l)
{
	struct stmt *st = stmt_of(l);
	bool running, expired, moved;

	stmt_lock(st);
	running = !fsm_terminal(stmt_fsm, st->state);
	expired = st->expired;
	moved = st->forgotten || clock_mono_ms() < st->due_mono_ms;
	stmt_unlock(st);
	if (moved)
		return;
	if (running)
		stmt_end(st, STMT_FAILED, stmt_error_simple(ERR_STATEMENT_TIMEOUT, st->timeout_ms));
	else if (expired || atomic_load(&st->room->expired) >= TOMBSTONES)
		unlink_stmt(st);
	else
		stmt_expire(st);
	lifecycle_swept(st->room->o.lifecycle, l, true);
}

/* Its session has ended: nothing is left of it, but for who reads a part just now. */
static void on_owner_ended(struct lease *l)
{
	struct stmt *st = stmt_of(l);

	if (st->detached)
		return;
	statement_cancel_soon(st);
	stmt_drop_results(st);
	unlink_stmt(st);
}

static const struct lease_kind lease_kind = {"statement", hold, drop, on_due, on_owner_ended};

/* --- a new handle --- */

static struct stmt *stmt_new(struct call *c, struct statements *s, const struct stmt_ask *ask)
{
	struct stmt *st = base_zalloc(sizeof(*st));
	struct id id = id_v7();
	int64_t ttl = ask->ttl_seconds < 0 ? s->o.default_ttl_s : ask->ttl_seconds;
	char *at;

	atomic_init(&st->refs, 2); /* the map's and the caller's */
	st->room = s;
	memcpy(st->handle, id.text, ID_LEN);
	st->shard = shard_of(s, stmt_handle(st));
	list_init(&st->in_tenant);
	list_init(&st->in_memory);
	lease_init(&st->lease, &lease_kind);
	st->snowflake = ask->snowflake;
	st->null_text = ask->null_text;
	st->form = ask->snowflake ? ENGINE_SNOWFLAKE : ENGINE_NATIVE;
	st->created_ms = clock_wall_ms();
	st->created_mono_ms = clock_mono_ms();
	st->timeout_ms = ask->timeout_ms;
	st->ttl_ms = (ttl > s->o.max_ttl_s ? s->o.max_ttl_s : ttl) * 1000;
	st->kind = SQL_UNKNOWN;
	st->progress = -1;
	st->detached = ask->scope.detached;
	st->tail = at = base_alloc(ask->sql.n + c->principal.n + ask->scope.session_id.n + c->request_id.n);
	st->sql = str_copy_to(&at, ask->sql);
	st->principal = str_copy_to(&at, c->principal);
	st->session_id = str_copy_to(&at, ask->scope.session_id);
	st->request_id = str_copy_to(&at, c->request_id);
	return st;
}

static void enter(struct stmt *st)
{
	struct statements *s = st->room;

	stmt_lock(st);
	map_put(&st->shard->map, stmt_handle(st), st);
	stmt_unlock(st);
	atomic_fetch_add(&s->live, 1);
	atomic_fetch_add(&s->active, 1);
	atomic_fetch_add(&s->submitted, 1);
	if (st->timeout_ms)
		stmt_due(st, st->created_mono_ms + st->timeout_ms);
}

/* --- idempotency: (tenant, principal, requestId) -> handle, as long as the statement --- */

static struct str request_key(struct call *c, struct str request_id)
{
	return arena_fmt(c->arena, "stmt/%.*s/%zu/%.*s/%.*s", SARG(c->tenant), c->principal.n, SARG(c->principal), SARG(request_id));
}

static bool find_former(struct call *c, struct statements *s, const struct stmt_ask *ask, struct stmt **ret)
{
	struct kv_record r;

	if (!ask->retry || !ask->request_id.n)
		return false;
	if (kv_get(c, s->o.kv, request_key(c, ask->request_id), &r) && statement_find(c, s, r.value, ret))
		return true;
	call_forgive(c);
	return false;
}

/* Claims the key for `st`. False: another submit with retry=true was first; *ret is its statement. */
static bool claim_request(struct call *c, struct stmt *st, const struct stmt_ask *ask, struct stmt **ret)
{
	struct statements *s = st->room;
	int64_t ttl = TOMBSTONE_MS + s->o.max_ttl_s * 1000;
	struct str key;

	if (!ask->request_id.n)
		return true;
	key = request_key(c, ask->request_id);
	for (int tries = 0; tries < 3; tries++) {
		if (kv_put(c, s->o.kv, key, stmt_handle(st), ask->retry ? KV_ABSENT : KV_ANY, ttl))
			return true;
		if (c->err.kind != ERR_CONFLICT)
			break;
		call_forgive(c);
		if (find_former(c, s, ask, ret))
			return false;
		if (!kv_drop(c, s->o.kv, key, KV_ANY)) /* it named a statement that is gone */
			break;
	}
	call_forgive(c); /* a full table of keys costs idempotency, not the statement */
	return true;
}

/* --- submitting --- */

/* The task stays with the statement while it runs; one that has ended meanwhile lets it go. */
static void keep_task(struct stmt *st, struct engine_task *task)
{
	bool ended;

	stmt_lock(st);
	ended = fsm_terminal(stmt_fsm, st->state);
	if (!ended)
		st->task = task;
	stmt_unlock(st);
	if (!ended)
		return;
	engine_cancel(task);
	engine_task_unref(task);
}

static bool give_to_engine(struct call *c, struct stmt *st, struct compiled *k)
{
	struct engine_task *task;

	stmt_lock(st);
	st->counting = k->ask.counts;
	st->status_shape = st->snowflake && (k->ask.counts == ENGINE_STATUS || k->class.kind == SQL_TRUNCATE);
	st->may_be_missing = st->snowflake && stmt_drops_if_exists(&k->class);
	stmt_unlock(st);
	stmt_ref(st); /* the engine's, until ended() */
	if (!engine_run(c, st->room->o.engine, &k->ask, &stmt_listener, st, &task)) {
		statement_unref(st);
		return false;
	}
	keep_task(st, task);
	return true;
}

static void engine_limits_of(const struct statements *s, struct engine_ask *ask)
{
	ask->max_result_bytes = s->o.max_result_bytes;
	ask->max_part_rows = s->o.max_part_rows;
	ask->first_part_bytes = s->o.whole_first ? INLINE_RESULT_BYTES : FIRST_PART_BYTES;
	if (s->o.whole_first)
		ask->max_part_rows = 0;
}

/* Errors that are the statement's own: it is recorded as FAILED with a handle. */
static bool belongs_to_statement(const struct call *c, const struct stmt_ask *ask)
{
	switch (c->err.kind) {
	case ERR_SQL:
		return true;
	case ERR_NOT_ALLOWED:
	case ERR_READ_ONLY:
	case ERR_INVALID_NAME:
	case ERR_NAME_TOO_LONG:
		return ask->snowflake;
	default:
		return false;
	}
}

static bool start(struct call *c, struct stmt *st, const struct stmt_ask *ask)
{
	struct compiled k;
	bool ok = stmt_compile(c, ask, &k);

	stmt_lock(st);
	st->kind = k.class.kind;
	stmt_unlock(st);
	if (ok) {
		engine_limits_of(st->room, &k.ask);
		return give_to_engine(c, st, &k);
	}
	if (!belongs_to_statement(c, ask))
		return false;
	stmt_end(st, STMT_FAILED, stmt_error_of_call(c));
	call_forgive(c);
	return true;
}

/* From here on it ends with its session. */
static bool join_session(struct call *c, struct stmt *st, const struct stmt_scope *scope)
{
	if (!scope->owner)
		return true;
	if (!lease_own(st->room->o.lifecycle, scope->owner, &st->lease))
		return fail(c, ERR_SESSION_CLOSED, "session %.*s has ended", SARG(scope->session_id));
	clear_if_forgotten(st);
	return true;
}

/* The caller's statement is none after all: false, for what failed in the call. */
static bool withdraw(struct call *c, struct stmt *st)
{
	struct err err = c->err;

	stmt_lock(st);
	st->withdrawn = true;
	stmt_unlock(st);
	statement_forget_soon(st);
	statement_unref(st);
	c->err = err;
	return false;
}

bool statement_submit(struct call *c, struct statements *s, const struct stmt_ask *ask, struct stmt **ret)
{
	struct stmt *st, *former;

	if (find_former(c, s, ask, ret))
		return true;
	st = stmt_new(c, s, ask);
	if (!stmt_take_place(c, st)) {
		atomic_store(&st->refs, 1);
		statement_unref(st);
		return false;
	}
	enter(st);
	if (!join_session(c, st, &ask->scope))
		return withdraw(c, st);
	if (!claim_request(c, st, ask, &former)) {
		withdraw(c, st);
		*ret = former;
		return true;
	}
	if (!start(c, st, ask))
		return withdraw(c, st);
	*ret = st;
	return true;
}

void statement_cancel_soon(struct stmt *st)
{
	stmt_end(st, STMT_CANCELED, stmt_error_simple(ERR_CANCELED, 0));
}

bool statement_cancel(struct call *c, struct stmt *st)
{
	(void)c;
	statement_cancel_soon(st);
	return true;
}

bool statements_block(const struct statements *s)
{
	(void)s;
	return false;
}

/* --- views and lists --- */

void statement_view(struct stmt *st, struct stmt_view *v)
{
	stmt_lock(st);
	*v = (struct stmt_view){
		.handle = stmt_handle(st), .tenant = str_of(st->tenant->name), .session_id = st->session_id, .sql = st->sql,
		.state = st->state, .created_ms = st->created_ms, .started_ms = st->started_ms,
		.completed_ms = st->completed_ms, .expires_ms = st->expires_ms,
		.progress = st->progress, .form = st->form, .columns = st->columns, .parts = st->nparts,
		.rows = st->rows, .row_bytes = st->row_bytes, .counts = st->counts, .error = st->error,
	};
	stmt_unlock(st);
}

static bool passes(struct stmt *st, const struct stmt_filter *f)
{
	bool pass;

	stmt_lock(st);
	pass = !st->expired && (f->state < 0 || st->state == (enum stmt_state)f->state) &&
	       (!f->since_ms || st->created_ms >= f->since_ms) && (!f->until_ms || st->created_ms <= f->until_ms) &&
	       (!f->session_id.n || str_eq(f->session_id, st->session_id));
	stmt_unlock(st);
	return pass;
}

/* The statement behind which a page begins, with a reference; NULL when it is gone. */
static struct stmt *page_start(struct statements *s, struct str after)
{
	struct shard *shard = shard_of(s, after);
	struct stmt *st;

	pthread_mutex_lock(&shard->lock);
	st = map_get(&shard->map, after);
	if (st)
		stmt_ref(st);
	pthread_mutex_unlock(&shard->lock);
	return st;
}

/* The tenant's statements that c may see, newest first, behind `after`; references. At most `max`. */
static int collect(struct call *c, struct statements *s, struct str after, struct stmt **v, int max)
{
	struct stmt *start = after.n ? page_start(s, after) : NULL;
	struct tenant_use *u;
	int n = 0;

	pthread_mutex_lock(&s->tenants_lock);
	u = map_get(&s->tenants, c->tenant);
	if (u) {
		bool jump = start && start->tenant == u && list_linked(&start->in_tenant);
		struct list *it = jump ? start->in_tenant.next : u->statements.next;

		for (; it != &u->statements && n < max; it = it->next) {
			struct stmt *st = LIST_ITEM(it, struct stmt, in_tenant);

			if (may_see(c, st) && (!after.n || str_cmp(stmt_handle(st), after) < 0))
				v[n++] = stmt_ref(st);
		}
	}
	pthread_mutex_unlock(&s->tenants_lock);
	statement_unref(start);
	return n;
}

bool statement_list(struct call *c, struct statements *s, const struct stmt_filter *f, struct stmt ***ret, int *ret_n,
		    struct str *ret_next)
{
	enum { A_LOOK = 256 };
	struct stmt **items = ARENA_ARRAY(c->arena, struct stmt *, (size_t)f->limit + 1);
	struct stmt *look[A_LOOK];
	struct str after = f->after;
	int n = 0, got;

	do {
		got = collect(c, s, after, look, A_LOOK);
		if (got)
			after = arena_dup(c->arena, stmt_handle(look[got - 1]));
		for (int i = 0; i < got; i++) {
			if (n <= f->limit && passes(look[i], f))
				items[n++] = look[i];
			else
				statement_unref(look[i]);
		}
	} while (got == A_LOOK && n <= f->limit);
	*ret_next = S("");
	if (n > f->limit) {
		statement_unref(items[--n]);
		*ret_next = arena_dup(c->arena, stmt_handle(items[n - 1]));
	}
	*ret = items;
	*ret_n = n;
	return true;
}

/* --- the room --- */

static void clean_up(void *arg)
{
	struct statements *s = arg;

	s->o.kv->ops->sweep(s->o.kv);
}

static bool empty_spool(struct call *c, struct statements *s)
{
	bool made = file_make_folder(s->spool_dir, 0700);
	int fd = made ? open(s->spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool emptied = fd >= 0 && file_empty_folder(fd);

	if (fd >= 0)
		file_close_quietly(fd);
	return emptied || fail(c, ERR_UNAVAILABLE, "cannot %s %s: %s", made ? "read" : "make", s->spool_dir, strerror(errno));
}

struct statements *statements_open(struct call *c, const struct statement_options *o)
{
	struct statements *s = base_zalloc(sizeof(*s));

	s->o = *o;
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&s->shards[i].lock, NULL);
	pthread_mutex_init(&s->tenants_lock, NULL);
	list_init(&s->in_memory);
	if (asprintf(&s->spool_dir, "%.*s/spool", SARG(o->data_dir)) < 0)
		s->spool_dir = NULL;
	INVARIANT(s->spool_dir);
	if (!empty_spool(c, s)) {
		statements_close(s);
		return NULL;
	}
	lifecycle_every(o->lifecycle, o->cleanup_ms, clean_up, s);
	return s;
}

void statements_stats(struct statements *s, struct statement_stats *ret)
{
	*ret = (struct statement_stats){
		.live = (uint64_t)atomic_load(&s->live), .expired = (uint64_t)atomic_load(&s->expired),
		.submitted = atomic_load(&s->submitted), .succeeded = atomic_load(&s->ended[STMT_SUCCEEDED]),
		.failed = atomic_load(&s->ended[STMT_FAILED]), .canceled = atomic_load(&s->ended[STMT_CANCELED]),
		.memory_bytes = (uint64_t)atomic_load(&s->memory_bytes),
		.spooled_bytes = (uint64_t)atomic_load(&s->spooled_bytes),
		.active = atomic_load(&s->active),
	};
}

bool statements_idle(struct statements *s)
{
	return atomic_load(&s->active) == 0;
}

/* Every statement of the room, with references; frees with free(). */
static struct stmt **all_statements(struct statements *s, size_t *ret_n)
{
	size_t n = 0, cap = 0;
	struct stmt **v = NULL;
	struct map_slot slot;

	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &s->shards[i];

		pthread_mutex_lock(&shard->lock);
		cap += shard->map.n;
		v = base_realloc(v, (cap + 1) * sizeof(*v));
		for (size_t at = 0; map_next(&shard->map, &at, &slot);)
			v[n++] = stmt_ref(slot.value);
		pthread_mutex_unlock(&shard->lock);
	}
	*ret_n = n;
	return v;
}

void statements_cancel_all(struct statements *s)
{
	size_t n;
	struct stmt **v = all_statements(s, &n);

	for (size_t i = 0; i < n; i++) {
		statement_cancel_soon(v[i]);
		statement_unref(v[i]);
	}
	free(v);
}

void statements_close(struct statements *s)
{
	size_t n;
	struct stmt **v = all_statements(s, &n);

	for (size_t i = 0; i < n; i++) {
		statement_forget_soon(v[i]);
		statement_unref(v[i]);
	}
	free(v);
	for (int i = 0; i < SHARDS; i++) {
		map_close(&s->shards[i].map);
		pthread_mutex_destroy(&s->shards[i].lock);
	}
	stmt_places_close(s);
	pthread_mutex_destroy(&s->tenants_lock);
	free(s->spool_dir);
	free(s);
}
