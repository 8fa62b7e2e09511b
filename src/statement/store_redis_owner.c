/* store_redis_owner.c - who runs what: leases, messages between servers, and the sweep.
 *
 * A server holds a lease under its owner name and renews it; what it runs is in
 * a set beside. Whoever finds the lease gone ends what is in the set, each by a
 * script that looks at the lease again. The sweep is safe to run on all servers
 * at once: every step of it is such a script, or takes out what is not there.
 * Told on the Redis client's thread; all else blocks.
 */
#include "statement/store_redis_int.h"

/* --- leases --- */

bool store_redis_alive(struct call *c, struct store_redis *s, struct str owner, bool *ret)
{
	struct redis_value v;

	if (!redis_one(c, s->o.redis, REDIS_COMMAND(S("EXISTS"), owner_key(c, s, owner, "")), &v))
		return false;
	*ret = v.integer != 0;
	return true;
}

/* "tenant handle rest"; false when it is not. */
static bool parse_name(struct str text, struct stmt_store_key *ret, struct str *ret_rest)
{
	struct str rest = text, tenant = str_cut(&rest, ' '), handle = str_cut(&rest, ' ');

	if (!tenant_name_valid(tenant) || !handle.n || handle.n > ID_LEN)
		return false;
	*ret = (struct stmt_store_key){.tenant = tenant, .handle = handle};
	*ret_rest = rest;
	return true;
}

static void tell_cancels(struct store_redis *s, const struct redis_value *v)
{
	struct stmt_store_key k;
	struct str rest;

	for (int i = 0; v->kind == REDIS_ARRAY && i < v->n; i++)
		if (s->o.cancel && parse_name(v->items[i].text, &k, &rest))
			s->o.cancel(s->o.arg, k.tenant, k.handle);
}

/* A batch of what this server runs; *cursor: of the next, "0" when that was all. Sets *new when Redis did not know the owner. */
static bool renew_some(struct call *c, struct store_redis *s, struct str *cursor, bool *new)
{
	struct script_args a = {0};
	struct redis_value v;

	args_key(&a, owner_key(c, s, s->owner, ""));
	args_key(&a, owner_key(c, s, s->owner, ":running"));
	args_key(&a, prefixed(c, s, "owners"));
	args_text(&a, s->owner);
	args_int(c, &a, LEASE_MS);
	args_int(c, &a, RUNNING_MS);
	args_text(&a, s->prefix);
	args_text(&a, *cursor);
	if (!store_redis_run(c, s, SCRIPT_RENEW, &a, &v))
		return false;
	if (v.kind != REDIS_ARRAY || v.n != 3)
		return fail(c, ERR_STORAGE, "Redis answers a script with what it cannot answer");
	tell_cancels(s, &v.items[1]);
	*cursor = v.items[0].text;
	*new = *new || v.items[2].integer;
	return true;
}

static bool renew_all(struct call *c, struct store_redis *s)
{
	int64_t now = clock_mono_ms();
	struct str cursor = S("0");
	bool new = false;

	do {
		if (!renew_some(c, s, &cursor, &new))
			return false;
	} while (!str_eq(cursor, S("0")));
	/* Redis lost what it knew, or others took this server for dead. */
	if (atomic_exchange(&s->renewed_ms, now) && new && s->o.changed)
		s->o.changed(s->o.arg, S(""), S(""));
	return true;
}

bool store_redis_leased(struct call *c, struct store_redis *s)
{
	return clock_mono_ms() - atomic_load(&s->renewed_ms) < LEASE_DUE_MS || renew_all(c, s);
}

void stmt_store_redis_renew(struct stmt_store *st)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	if (!renew_all(&c, store_redis_of(st)))
		call_forgive(&c); /* the next one is due before the lease ends */
}

/* --- messages --- */

static void told_cancel(void *arg, struct str text)
{
	struct store_redis *s = arg;
	struct stmt_store_key k;
	struct str rest;

	if (s->o.cancel && text.p && parse_name(text, &k, &rest))
		s->o.cancel(s->o.arg, k.tenant, k.handle);
}

static void told_changed(void *arg, struct str text)
{
	struct store_redis *s = arg;
	struct stmt_store_key k = {0};
	struct str by;

	if (!s->o.changed)
		return;
	if (!text.p)
		s->o.changed(s->o.arg, S(""), S(""));
	else if (parse_name(text, &k, &by) && !str_eq(by, s->owner))
		s->o.changed(s->o.arg, k.tenant, k.handle);
}

bool store_redis_listen(struct call *c, struct store_redis *s)
{
	const struct redis_listener cancels = {owner_key(c, s, s->owner, ""), told_cancel, s};
	const struct redis_listener changed = {prefixed(c, s, "changed"), told_changed, s};

	if (!renew_all(c, s))
		return false;
	s->cancels = redis_subscribe(s->o.redis, &cancels);
	s->changed = redis_subscribe(s->o.redis, &changed);
	return true;
}

void store_redis_deaf(struct store_redis *s)
{
	if (s->cancels)
		redis_unsubscribe(s->o.redis, s->cancels);
	if (s->changed)
		redis_unsubscribe(s->o.redis, s->changed);
}

/* --- canceling elsewhere --- */

static bool cancel_lost(struct call *c, struct store_redis *s, const struct stmt_record *r)
{
	if (!store_redis_lost(c, s, r)) {
		if (c->err.kind != ERR_CONFLICT)
			return false;
		call_forgive(c);
	}
	return fail(c, ERR_NOT_FOUND, "the server that runs statement %.*s has ended", SARG(r->handle));
}

bool stmt_store_redis_cancel(struct call *c, struct stmt_store *st, const struct stmt_record *r)
{
	struct store_redis *s = store_redis_of(st);
	struct script_args a = {0};
	struct str word;

	args_key(&a, statement_key(c, s, r->tenant, r->handle));
	args_key(&a, owner_key(c, s, r->owner, ""));
	args_text(&a, owner_key(c, s, r->owner, ""));
	args_text(&a, arena_fmt(c->arena, "%.*s %.*s", SARG(r->tenant), SARG(r->handle)));
	if (!store_redis_word(c, s, SCRIPT_CANCEL, &a, &word))
		return false;
	if (str_eq(word, S("lost")))
		return cancel_lost(c, s, r);
	if (str_eq(word, S("absent")))
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(r->handle));
	return !str_eq(word, S("deaf")) ||
	       fail(c, ERR_UNAVAILABLE, "the server that runs statement %.*s cannot be told", SARG(r->handle));
}

/* --- the sweep: what dead owners left --- */

static bool forget_member(struct call *c, struct store_redis *s, struct str key, struct str member)
{
	struct redis_value v;

	return redis_one(c, s->o.redis, REDIS_COMMAND(S("SREM"), key, member), &v);
}

/* One of its statements; out of its set it goes whatever it is, but for what Redis cannot do now. */
static bool bury(struct call *c, struct store_redis *s, struct str owner, struct str member)
{
	struct str running = owner_key(c, s, owner, ":running"), rest;
	struct stmt_store_key k;
	struct stmt_record r;
	enum record_gone gone;

	if (!parse_name(member, &k, &rest))
		return forget_member(c, s, running, member);
	if (store_redis_read(c, s, &k, &r, &gone)) {
		bool its = gone == RECORD_THERE && !fsm_terminal(stmt_fsm, r.state) && str_eq(r.owner, owner);

		if (!its)
			return forget_member(c, s, running, member);
		if (store_redis_lost(c, s, &r))
			return true;
	}
	switch (c->err.kind) {
	case ERR_CONFLICT: /* it lives again, or somebody else was first */
		call_forgive(c);
		return true;
	case ERR_NOT_FOUND:
	case ERR_STORAGE:
		break;
	default:
		return false;
	}
	call_forgive(c);
	return forget_member(c, s, running, member);
}

/* A batch; *ret_left: its set may hold more. */
static bool bury_some(struct call *c, struct store_redis *s, struct str owner, bool *ret_left)
{
	OWNS(arena) scratch = {0};
	struct str running = owner_key(c, s, owner, ":running"), count = arena_fmt(c->arena, "%d", SWEEP_BATCH);
	struct call inner = *c;
	struct redis_value v;

	inner.arena = &scratch;
	if (!redis_one(&inner, s->o.redis, REDIS_COMMAND(S("SRANDMEMBER"), running, count), &v))
		return fail_as(c, &inner.err);
	for (int i = 0; v.kind == REDIS_ARRAY && i < v.n; i++)
		if (!bury(&inner, s, owner, v.items[i].text))
			return fail_as(c, &inner.err);
	*ret_left = v.kind == REDIS_ARRAY && v.n > 0;
	return true;
}

static bool sweep_owner(struct call *c, struct store_redis *s, struct str owner)
{
	bool alive, left = true;

	while (left) {
		if (!store_redis_alive(c, s, owner, &alive))
			return false;
		if (alive)
			return true;
		if (bury_some(c, s, owner, &left))
			continue;
		if (c->err.kind != ERR_STORAGE)
			return false;
		call_forgive(c); /* its set is something else */
		left = false;
	}
	return forget_member(c, s, prefixed(c, s, "owners"), owner);
}

/* --- the sweep: what is past its time --- */

static bool expire_some(struct call *c, struct store_redis *s, struct str tenant, int64_t *ret_n)
{
	struct script_args a = {0};
	struct redis_value v;

	args_key(&a, tenant_key(c, s, tenant, "index"));
	args_key(&a, tenant_key(c, s, tenant, "ended"));
	args_key(&a, prefixed(c, s, "tenants"));
	args_text(&a, tenant);
	args_text(&a, tenant_key(c, s, tenant, ""));
	args_text(&a, s->prefix);
	args_int(c, &a, clock_wall_ms());
	args_int(c, &a, s->o.tombstone_ms);
	args_int(c, &a, SWEEP_BATCH);
	if (!store_redis_run(c, s, SCRIPT_EXPIRE, &a, &v))
		return false;
	*ret_n = v.integer;
	return true;
}

static bool sweep_tenant(struct call *c, struct store_redis *s, struct str tenant)
{
	int64_t n;

	do {
		if (!expire_some(c, s, tenant, &n)) {
			if (c->err.kind == ERR_UNAVAILABLE)
				return false;
			call_forgive(c); /* its keys are something else; the others' go on */
			return true;
		}
	} while (n > 0);
	return true;
}

/* --- the sweep --- */

/* Calls `each` for every member of a set, a batch at a time. */
static bool each_member(struct call *c, struct store_redis *s, struct str key,
			bool (*each)(struct call *c, struct store_redis *s, struct str member))
{
	struct str cursor = S("0");

	do {
		OWNS(arena) scratch = {0};
		struct call inner = *c;
		struct redis_value v;

		inner.arena = &scratch;
		if (!redis_one(&inner, s->o.redis, REDIS_COMMAND(S("SSCAN"), key, cursor, S("COUNT"), S("200")), &v))
			return fail_as(c, &inner.err);
		if (v.kind != REDIS_ARRAY || v.n != 2 || v.items[1].kind != REDIS_ARRAY)
			return fail(c, ERR_STORAGE, "Redis answers a scan with what it cannot answer");
		for (int i = 0; i < v.items[1].n; i++)
			if (!each(&inner, s, v.items[1].items[i].text))
				return fail_as(c, &inner.err);
		cursor = arena_dup(c->arena, v.items[0].text);
	} while (!str_eq(cursor, S("0")));
	return true;
}

void store_redis_sweep(struct stmt_store *st)
{
	struct store_redis *s = store_redis_of(st);
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	if (!each_member(&c, s, prefixed(&c, s, "owners"), sweep_owner))
		call_forgive(&c); /* the next sweep, of this server or another, goes on */
	if (!each_member(&c, s, prefixed(&c, s, "tenants"), sweep_tenant))
		call_forgive(&c);
}
