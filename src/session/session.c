/* session.c - the room: sessions made, found, listed, counted; their clocks and limits.
 *
 * Not here: opening (open.c), ending (end.c), what is done inside (tables.c).
 */
#include "session/session_int.h"

#include "json/json.h"

#include <stdlib.h>

/* --- references --- */

static void session_free(struct session *se)
{
	se->room->ops->unref(se->catalog);
	free(se->tail);
	free(se);
}

void session_unref(struct session *se)
{
	if (se && atomic_fetch_sub(&se->refs, 1) == 1)
		session_free(se);
}

static struct session *of_lease(struct lease *l)
{
	return CONTAINER_OF(l, struct session, lease);
}

static void lease_hold(struct lease *l)
{
	session_ref(of_lease(l));
}

static void lease_drop(struct lease *l)
{
	session_unref(of_lease(l));
}

static void lease_due(struct lease *l)
{
	struct session *se = of_lease(l);
	enum session_cause cause;

	room_lock(se->room);
	cause = session_due_cause(se, clock_wall_ms());
	room_unlock(se->room);
	if (cause == CAUSE_NONE)
		session_clock(se); /* it was used, or extended, since */
	else
		session_end_swept(se, cause);
}

/* Nothing owns a session, so its end() is never called. */
static const struct lease_kind session_kind = {"session", lease_hold, lease_drop, lease_due, NULL};

/* --- a session --- */

static void add_usage(struct engine_usage *to, const struct engine_usage *n, int64_t sign)
{
	to->tables += sign * n->tables;
	to->rows += sign * n->rows;
	to->bytes += sign * n->bytes;
}

static void on_used(void *arg, const struct engine_usage *now)
{
	struct session *se = arg;

	room_lock(se->room);
	if (se->in_map) {
		add_usage(&se->tenant->usage, &se->usage, -1);
		add_usage(&se->tenant->usage, now, 1);
		se->usage = *now;
	}
	room_unlock(se->room);
}

/* The worker ended, and a memory session's tables with it. Not so when we stop it ourselves. */
static void on_lost(void *arg)
{
	struct session *se = arg;
	bool stopping;

	room_lock(se->room);
	stopping = se->room->stopping;
	room_unlock(se->room);
	if (!stopping)
		(void)!session_end(NULL, se, CAUSE_ENGINE_LOST, NULL);
}

static void copy_texts(struct session *se, const struct record *r)
{
	char *at;

	memcpy(se->id, r->id.p, ID_LEN);
	se->r.id = str_from(se->id, ID_LEN);
	se->tail = at = base_alloc(r->tenant.n + r->principal.n + r->labels.n + 1);
	se->r.tenant = str_copy_to(&at, r->tenant);
	se->r.principal = str_copy_to(&at, r->principal);
	se->r.labels = str_copy_to(&at, r->labels);
	se->r.server = se->room->o.server;
	se->r.location = se->room->o.location;
}

struct session *session_new(struct sessions *s, const struct record *r)
{
	struct session *se = base_zalloc(sizeof(*se));
	struct engine_catalog_options k = {.persistent = r->persistent, .lost = on_lost, .used = on_used, .arg = se};

	atomic_init(&se->refs, 2);
	se->room = s;
	se->r = *r;
	copy_texts(se, r);
	sql_catalog_of(se->r.id, se->name);
	list_init(&se->in_tenant);
	lease_init(&se->lease, &session_kind);
	lease_owner_init(&se->owner);
	atomic_init(&se->used_ms, clock_wall_ms());
	se->left_ms = clock_wall_ms();
	k.tenant = se->r.tenant;
	k.name = str_from(se->name, SQL_CATALOG_LEN);
	se->catalog = s->ops->open(s->o.engine, &k);
	return se;
}

void session_move(struct session *se, enum session_state to)
{
	INVARIANT(fsm_may(session_fsm, se->r.state, to));
	se->r.state = to;
	se->clock_turn++;
}

/* --- its place --- */

static struct tenant_sessions *tenant_of(struct sessions *s, struct str tenant)
{
	struct tenant_sessions *t = map_get(&s->tenants, tenant);

	if (t)
		return t;
	t = base_zalloc(sizeof(*t));
	INVARIANT(tenant.n < sizeof(t->name));
	memcpy(t->name, tenant.p, tenant.n);
	list_init(&t->sessions);
	map_put(&s->tenants, str_of(t->name), t);
	return t;
}

static bool is_before(const struct session *se, int64_t created_ms, struct str id)
{
	return se->r.created_ms != created_ms ? se->r.created_ms < created_ms : str_cmp(se->r.id, id) < 0;
}

static void insert_by_age(struct list *oldest, struct session *se)
{
	struct list *at = oldest->prev;

	while (at != oldest && !is_before(LIST_ITEM(at, struct session, in_tenant), se->r.created_ms, se->r.id))
		at = at->prev;
	list_add_head(at, &se->in_tenant);
}

bool session_enter(struct session *se, int64_t most)
{
	struct sessions *s = se->room;
	struct tenant_sessions *t;
	bool fits;

	room_lock(s);
	t = tenant_of(s, se->r.tenant);
	fits = t->places < most;
	if (fits) {
		t->places++;
		se->tenant = t;
		se->in_map = true;
		map_put(&s->map, se->r.id, se);
		insert_by_age(&t->sessions, se);
	}
	room_unlock(s);
	return fits;
}

void session_leave(struct session *se)
{
	struct sessions *s = se->room;
	bool was;

	s->ops->forget(se->catalog);
	room_lock(s);
	was = se->in_map;
	if (was) {
		se->in_map = false;
		se->clock_turn++;
		map_del(&s->map, se->r.id);
		list_del(&se->in_tenant);
		se->tenant->places--;
		add_usage(&se->tenant->usage, &se->usage, -1);
	}
	room_unlock(s);
	lease_end_owned(s->o.lifecycle, &se->owner);
	lease_clear(s->o.lifecycle, &se->lease);
	session_awaited(se);
	if (was)
		session_unref(se);
}

void session_awaited(struct session *se)
{
	struct sessions *s = se->room;
	bool last = false;

	room_lock(s);
	if (se->awaited) {
		se->awaited = false;
		last = --s->awaited == 0;
	}
	room_unlock(s);
	if (last)
		s->told(s->told_arg);
}

/* --- clocks: all of the wall, so that they are what clients are told --- */

/* A session whose statements run is in use until they end. */
static int64_t last_use_of(const struct session *se)
{
	int64_t used = atomic_load(&se->used_ms), worked = se->room->ops->worked(se->catalog);

	if (worked == INT64_MAX)
		worked = clock_wall_ms();
	return worked > used ? worked : used;
}

static int64_t idle_ms_of(const struct session *se)
{
	int64_t ms;

	if (se->r.idle_s < 0)
		return INT64_MAX;
	if (__builtin_mul_overflow(se->r.idle_s, 1000, &ms))
		return INT64_MAX;
	return add_capped(last_use_of(se), ms);
}

static int64_t disconnect_ms_of(const struct session *se)
{
	return se->r.close_on_disconnect && se->holders == 0 ? add_capped(se->left_ms, SESSION_DISCONNECT_MS) : INT64_MAX;
}

/* Under the lock: when something is due next, INT64_MAX = never. */
static int64_t due_ms_of(const struct session *se)
{
	int64_t due = se->r.expires_ms;

	if (!se->in_map || se->ending || se->r.state == SESSION_OPENING || se->r.state == SESSION_CLOSED)
		return INT64_MAX;
	if (se->r.state == SESSION_CLOSING)
		return se->retry_ms;
	if (idle_ms_of(se) < due)
		due = idle_ms_of(se);
	if (disconnect_ms_of(se) < due)
		due = disconnect_ms_of(se);
	return due;
}

enum session_cause session_due_cause(struct session *se, int64_t now)
{
	if (now < due_ms_of(se))
		return CAUSE_NONE;
	if (se->r.state == SESSION_CLOSING)
		return se->r.cause;
	if (now >= se->r.expires_ms)
		return CAUSE_TIMED_OUT;
	return now >= idle_ms_of(se) ? CAUSE_IDLE : CAUSE_DROPPED;
}

/* Two that move the clocks at once both come here; the one whose turn was overtaken looks again. */
void session_clock(struct session *se)
{
	struct sessions *s = se->room;
	uint64_t turn, now_turn;

	do {
		int64_t due, in;

		room_lock(s);
		due = due_ms_of(se);
		turn = se->clock_turn;
		room_unlock(s);
		in = due - clock_wall_ms();
		if (due == INT64_MAX)
			lease_clear(s->o.lifecycle, &se->lease);
		else
			lease_set(s->o.lifecycle, &se->lease, add_capped(clock_mono_ms(), in > 0 ? in : 0));
		room_lock(s);
		now_turn = se->clock_turn;
		room_unlock(s);
	} while (now_turn != turn);
}

void session_touch(struct session *se)
{
	atomic_store(&se->used_ms, clock_wall_ms()); /* its lease comes too early then, and is set anew */
}

void session_hold(struct session *se)
{
	room_lock(se->room);
	se->holders++;
	se->clock_turn++;
	room_unlock(se->room);
}

void session_let_go(struct session *se)
{
	room_lock(se->room);
	INVARIANT(se->holders > 0);
	se->holders--;
	se->left_ms = clock_wall_ms();
	se->clock_turn++;
	room_unlock(se->room);
	session_clock(se);
}

/* --- finding --- */

bool session_visible(const struct call *c, struct str tenant, struct str principal)
{
	return str_eq(c->tenant, tenant) && (c->role == ROLE_ADMIN || str_eq(c->principal, principal));
}

bool session_gone(struct call *c, struct str id, enum session_cause cause)
{
	const struct session_causes *k = &session_causes[cause];

	if (strcmp(k->event, "timed_out") == 0)
		return fail(c, ERR_SESSION_EXPIRED, "session %.*s has ended: %s", SARG(id), k->reason ? k->reason : "its time is over");
	return fail(c, ERR_SESSION_CLOSED, "session %.*s is closed%s%s", SARG(id), k->reason ? ": " : "", k->reason ? k->reason : "");
}

/* Judges an open or closing session for whoever wants to look at it (closing_too) or to use it; ends it when its time
 * is over. */
static bool judge(struct call *c, struct session *se, bool closing_too)
{
	enum session_state state;
	enum session_cause cause;
	bool ending, untried;

	room_lock(se->room);
	state = se->r.state;
	ending = se->ending;
	untried = se->backoff_ms == 0; /* a former process left it: it ends now, for whoever comes first */
	cause = state == SESSION_OPEN ? session_due_cause(se, clock_wall_ms()) : se->r.cause;
	se->touched = se->touched || !closing_too;
	room_unlock(se->room);
	if (state == SESSION_OPEN && cause == CAUSE_NONE)
		return true;
	if (state == SESSION_CLOSING && !ending && !untried && closing_too)
		return true;
	if (state == SESSION_OPEN || (state == SESSION_CLOSING && untried))
		session_end_swept(se, cause);
	if (state == SESSION_OPENING)
		return fail(c, ERR_NO_SESSION, "no session %.*s", SARG(se->r.id));
	return session_gone(c, se->r.id, cause);
}

bool session_usable(struct call *c, struct session *se)
{
	return judge(c, se, false);
}

/* One that is not here: remembered as ended, another server's, or none. */
static bool find_record(struct call *c, struct sessions *s, struct str id)
{
	struct record r;
	uint64_t version;
	bool known = id_valid(id) && record_get(c, s, record_key(c->arena, c->tenant, id), &r, &version);

	if (!known && c->err.kind != ERR_NONE && c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	if (known && session_visible(c, r.tenant, r.principal)) {
		if (r.state == SESSION_CLOSED)
			return session_gone(c, id, r.cause);
		if (!str_eq(r.server, s->o.server)) {
			OWNS(buf) where = {0};

			json_quote(&where, r.location);
			fail(c, ERR_WRONG_SERVER, "session %.*s lives on another server", SARG(id));
			return fail_more(c, "\"location\":%s", buf_cstr(&where));
		}
	}
	return fail(c, ERR_NO_SESSION, "no session %.*s", SARG(str_head(id, 64)));
}

bool session_find(struct call *c, struct sessions *s, struct str id, struct session **ret)
{
	struct session *se;

	room_lock(s);
	se = map_get(&s->map, id);
	if (se && session_visible(c, se->r.tenant, se->r.principal))
		session_ref(se);
	else
		se = NULL;
	room_unlock(s);
	if (!se)
		return find_record(c, s, id);
	if (!judge(c, se, true)) {
		session_unref(se);
		return false;
	}
	*ret = se;
	return true;
}

void session_view(struct session *se, struct session_view *v)
{
	room_lock(se->room);
	*v = (struct session_view){
		.id = se->r.id, .tenant = se->r.tenant, .principal = se->r.principal, .labels = se->r.labels,
		.state = se->r.state, .persistent = se->r.persistent, .close_on_disconnect = se->r.close_on_disconnect,
		.created_ms = se->r.created_ms, .expires_ms = se->r.expires_ms, .timeout_seconds = se->r.timeout_s,
		.idle_seconds = se->r.idle_s, .idle_expires_ms = se->r.idle_s < 0 ? 0 : idle_ms_of(se), .usage = se->usage,
	};
	room_unlock(se->room);
}

/* --- pages: a cursor is `<created_ms>-<id>`, so that a page goes on when its last session is gone --- */

static bool read_cursor(struct call *c, struct str after, int64_t *ret_ms, struct str *ret_id)
{
	size_t dash = str_find(after, '-');

	*ret_ms = INT64_MIN;
	*ret_id = S("");
	if (!after.n)
		return true;
	*ret_id = str_tail(after, dash + 1 < after.n ? dash + 1 : after.n);
	return (str_to_i64(str_head(after, dash), ret_ms) && id_valid(*ret_id)) ||
	       fail(c, ERR_INVALID_FIELD, "after: no such cursor");
}

bool session_list(struct call *c, struct sessions *s, const struct session_filter *f, struct session ***ret, int *ret_n,
		  struct str *ret_next)
{
	struct session **v = ARENA_ARRAY(c->arena, struct session *, (size_t)f->limit + 1);
	int64_t now = clock_wall_ms(), ms;
	struct tenant_sessions *t;
	struct str id;
	int n = 0;

	if (!read_cursor(c, f->after, &ms, &id))
		return false;
	room_lock(s);
	t = map_get(&s->tenants, c->tenant);
	for (struct list *it = t ? t->sessions.next : NULL; it && it != &t->sessions && n <= f->limit; it = it->next) {
		struct session *se = LIST_ITEM(it, struct session, in_tenant);
		bool behind = !is_before(se, ms, id) && !str_eq(se->r.id, id);

		if (behind && se->r.state == SESSION_OPEN && session_visible(c, se->r.tenant, se->r.principal) &&
		    session_due_cause(se, now) == CAUSE_NONE)
			v[n++] = session_ref(se);
	}
	room_unlock(s);
	*ret_next = S("");
	if (n > f->limit) {
		session_unref(v[--n]);
		if (n > 0)
			*ret_next = arena_fmt(c->arena, "%lld-%.*s", (long long)v[n - 1]->r.created_ms, SARG(v[n - 1]->r.id));
	}
	*ret = v;
	*ret_n = n;
	return true;
}

/* --- limits --- */

static int64_t rest(int64_t of_session, int64_t of_tenant, int64_t tenant_uses, int64_t session_uses)
{
	int64_t mine = add_capped(of_tenant - tenant_uses, session_uses);

	if (mine < 0)
		mine = 0;
	return mine < of_session ? mine : of_session;
}

void session_limits(struct session *se)
{
	struct sessions *s = se->room;
	struct session_caps caps;
	struct engine_usage max, t, u;

	s->o.caps(s->o.arg, se->r.tenant, &caps);
	room_lock(s);
	t = se->tenant ? se->tenant->usage : (struct engine_usage){0};
	u = se->usage;
	se->touched = true;
	room_unlock(s);
	max.tables = rest(caps.session.tables, caps.tenant.tables, t.tables, u.tables);
	max.rows = rest(caps.session.rows, caps.tenant.rows, t.rows, u.rows);
	max.bytes = rest(caps.session.bytes, caps.tenant.bytes, t.bytes, u.bytes);
	s->ops->limit(se->catalog, &max);
}

/* Which of two limits it was: the one that leaves less. */
static bool quota_error(struct call *c, const char *what, const int64_t limit[2], const int64_t usage[2])
{
	int of_tenant = limit[1] - usage[1] < limit[0] - usage[0];

	fail(c, ERR_QUOTA, "%s_%s: at most %lld %s, %lld are used", of_tenant ? "ephemeral" : "session", what,
	     (long long)limit[of_tenant], of_tenant ? "in all sessions together" : "in a session", (long long)usage[of_tenant]);
	return fail_more(c, "\"quota\":\"%s_%s\",\"limit\":%lld,\"usage\":%lld", of_tenant ? "ephemeral" : "session", what,
			 (long long)limit[of_tenant], (long long)usage[of_tenant]);
}

bool session_quota(struct call *c, struct session *se, struct str class)
{
	struct sessions *s = se->room;
	struct session_caps k;
	struct engine_usage t, u;

	s->o.caps(s->o.arg, se->r.tenant, &k);
	room_lock(s);
	t = se->tenant->usage;
	u = se->usage;
	room_unlock(s);
	if (str_eq(class, S("tables")))
		return quota_error(c, "tables", (int64_t[]){k.session.tables, k.tenant.tables}, (int64_t[]){u.tables, t.tables});
	if (str_eq(class, S("rows")))
		return quota_error(c, "rows", (int64_t[]){k.session.rows, k.tenant.rows}, (int64_t[]){u.rows, t.rows});
	return quota_error(c, "bytes", (int64_t[]){k.session.bytes, k.tenant.bytes}, (int64_t[]){u.bytes, t.bytes});
}

void session_scope(struct session *se, struct session_scope *ret)
{
	session_touch(se);
	session_limits(se);
	*ret = (struct session_scope){.catalog = se->catalog, .owner = &se->owner, .share = se->room->o.share_within_tenant};
}

/* --- the room --- */

static void on_beat(void *arg)
{
	struct sessions *s = arg;

	servers_beat(s);
	room_lock(s);
	s->beating = false;
	room_unlock(s);
}

static void beat_soon(struct sessions *s)
{
	bool due;

	room_lock(s);
	due = !s->beating && clock_mono_ms() >= s->beat_ms;
	if (due) {
		s->beating = true;
		s->beat_ms = clock_mono_ms() + SERVER_BEAT_MS;
	}
	room_unlock(s);
	if (!due || exec_pool_run(s->o.pool, on_beat, s))
		return;
	room_lock(s);
	s->beating = false;
	s->beat_ms = 0; /* the pool is full: with the next tick */
	room_unlock(s);
}

static void on_tick(void *arg)
{
	struct sessions *s = arg;

	op_run_stuck(s);
	s->o.kv->ops->sweep(s->o.kv); /* tombstones past their time */
	if (s->o.shared)
		beat_soon(s);
}

struct sessions *sessions_open_on(struct call *c, const struct session_options *o, const struct session_tables_ops *ops)
{
	struct sessions *s = base_zalloc(sizeof(*s));

	s->o = *o;
	s->ops = ops;
	pthread_mutex_init(&s->lock, NULL);
	list_init(&s->stuck);
	if (!servers_join(c, s) || !sessions_resume(c, s)) {
		sessions_close(s);
		return NULL;
	}
	lifecycle_every(o->lifecycle, TICK_MS, on_tick, s);
	return s;
}

void sessions_stats(struct sessions *s, struct session_stats *ret)
{
	struct map_slot slot;

	*ret = (struct session_stats){.opened = atomic_load(&s->opened), .closed = atomic_load(&s->closed),
				      .timed_out = atomic_load(&s->timed_out), .partial = atomic_load(&s->partial)};
	room_lock(s);
	for (size_t i = 0; map_next(&s->tenants, &i, &slot);) {
		const struct tenant_sessions *t = slot.value;

		ret->open += (uint64_t)t->places;
		ret->tables += (uint64_t)t->usage.tables;
		ret->rows += (uint64_t)t->usage.rows;
		ret->bytes += (uint64_t)t->usage.bytes;
	}
	room_unlock(s);
}

/* Sessions of the map that `pick` takes, with references; frees with free(). */
static struct session **pick_sessions(struct sessions *s, bool (*pick)(struct session *se, struct str arg), struct str arg,
				      size_t *ret_n)
{
	struct session **v;
	struct map_slot slot;
	size_t n = 0;

	room_lock(s);
	v = base_alloc((s->map.n + 1) * sizeof(*v));
	for (size_t i = 0; map_next(&s->map, &i, &slot);)
		if (pick(slot.value, arg))
			v[n++] = session_ref(slot.value);
	room_unlock(s);
	*ret_n = n;
	return v;
}

static bool is_open(struct session *se, struct str arg)
{
	(void)arg;
	return se->r.state == SESSION_OPEN;
}

struct session **session_all_open(struct sessions *s, size_t *ret_n)
{
	return pick_sessions(s, is_open, S(""), ret_n);
}

/* Under the lock: those that a shutdown ends are those that it waits for. */
static bool await(struct session *se, struct str arg)
{
	(void)arg;
	if (se->r.persistent || se->awaited)
		return false;
	se->awaited = true;
	se->room->awaited++;
	return true;
}

void sessions_shutdown(struct sessions *s, exec_fn *told, void *arg)
{
	struct session **v;
	size_t n;

	room_lock(s);
	s->stopping = true;
	s->told = told;
	s->told_arg = arg;
	s->awaited = 1; /* this function itself */
	room_unlock(s);
	v = pick_sessions(s, await, S(""), &n);
	for (size_t i = 0; i < n; i++) {
		(void)!session_end(NULL, v[i], CAUSE_SERVER_SHUTDOWN, NULL);
		session_unref(v[i]);
	}
	free(v);
	room_lock(s);
	n = (size_t)--s->awaited;
	room_unlock(s);
	if (n == 0)
		told(arg);
}

static bool of_tenant(struct session *se, struct str tenant)
{
	return str_eq(se->r.tenant, tenant);
}

void sessions_remove_tenant(struct call *c, struct sessions *s, struct str tenant)
{
	size_t n;
	struct session **v = pick_sessions(s, of_tenant, tenant, &n);

	for (size_t i = 0; i < n; i++) {
		(void)!session_end(c, v[i], CAUSE_TENANT_REMOVED, NULL);
		session_unref(v[i]);
	}
	free(v);
}

static bool any(struct session *se, struct str arg)
{
	(void)se;
	(void)arg;
	return true;
}

void sessions_close(struct sessions *s)
{
	struct list *node;
	struct map_slot slot;
	size_t n;
	struct session **v;

	while ((node = list_pop(&s->stuck)) != NULL) {
		struct session_op *op = LIST_ITEM(node, struct session_op, in_stuck);

		fail(&op->call, ERR_UNAVAILABLE, "the server is stopping");
		op_done(op);
	}
	v = pick_sessions(s, any, S(""), &n);
	for (size_t i = 0; i < n; i++) {
		session_leave(v[i]);
		session_unref(v[i]);
	}
	free(v);
	map_close(&s->map);
	for (size_t i = 0; map_next(&s->tenants, &i, &slot);)
		free(slot.value);
	map_close(&s->tenants);
	servers_leave(s);
	buf_drop(&s->orphans);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
