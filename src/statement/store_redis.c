/* store_redis.c - statements in Redis, shared by servers: opened, added, moved and dropped.
 *
 * Not here: ends (store_redis_end.c), reading (store_redis_read.c), leases,
 * messages and the sweep (store_redis_owner.c). Nothing of a statement is
 * kept in this process; threads: any.
 */
#include "statement/store_redis_int.h"

#include <stdlib.h>

/* --- names of keys --- */

struct str store_redis_join(struct call *c, const struct str *v, int n)
{
	size_t size = 0;
	char *text, *at;

	for (int i = 0; i < n; i++)
		size += v[i].n;
	text = at = arena_alloc(c->arena, size);
	for (int i = 0; i < n; i++)
		str_copy_to(&at, v[i]);
	return str_from(text, size);
}

struct str prefixed(struct call *c, const struct store_redis *s, const char *rest)
{
	return JOIN(c, s->prefix, str_of(rest));
}

struct str tenant_key(struct call *c, const struct store_redis *s, struct str tenant, const char *rest)
{
	return JOIN(c, s->prefix, tenant, S(":"), str_of(rest));
}

struct str statement_key(struct call *c, const struct store_redis *s, struct str tenant, struct str handle)
{
	return JOIN(c, s->prefix, tenant, S(":statement:"), handle);
}

struct str session_key(struct call *c, const struct store_redis *s, struct str tenant, struct str id, const char *rest)
{
	return JOIN(c, s->prefix, tenant, S(":session:"), id, S(":"), str_of(rest));
}

struct str owner_key(struct call *c, const struct store_redis *s, struct str owner, const char *rest)
{
	return JOIN(c, s->prefix, S("owner:"), owner, str_of(rest));
}

/* --- words of a script's call --- */

void args_key(struct script_args *a, struct str key)
{
	INVARIANT(a->nkeys < (int)COUNT_OF(a->keys));
	a->keys[a->nkeys++] = key;
}

void args_text(struct script_args *a, struct str s)
{
	INVARIANT(a->nargs < (int)COUNT_OF(a->args));
	a->args[a->nargs++] = s;
}

void args_int(struct call *c, struct script_args *a, int64_t v)
{
	char digits[TEXT_ROOM];

	args_text(a, arena_dup(c->arena, str_from(digits, (size_t)(text_i64(digits, v) - digits))));
}

void args_session(struct call *c, const struct store_redis *s, struct script_args *a, const struct stmt_record *r)
{
	if (!r->session_id.n)
		return;
	args_key(a, session_key(c, s, r->tenant, r->session_id, "statements"));
	args_key(a, session_key(c, s, r->tenant, r->session_id, "live"));
	args_key(a, session_key(c, s, r->tenant, r->session_id, "closed"));
}

bool store_redis_run(struct call *c, struct store_redis *s, enum script which, const struct script_args *a,
		     struct redis_value *ret)
{
	const struct redis_args words = {a->keys, a->args, a->nkeys, a->nargs};

	return redis_run(c, s->o.redis, &s->scripts[which], &words, ret);
}

bool store_redis_word(struct call *c, struct store_redis *s, enum script which, const struct script_args *a, struct str *ret)
{
	struct redis_value v;

	if (!store_redis_run(c, s, which, a, &v))
		return false;
	if (v.kind != REDIS_TEXT)
		return fail(c, ERR_STORAGE, "Redis answers a script with what it cannot answer");
	*ret = v.text;
	return true;
}

/* What a script said, other than that it is done. */
static bool refused(struct call *c, struct str word, struct str handle)
{
	if (str_eq(word, S("damaged")))
		return fail(c, ERR_STORAGE, "the record of statement %.*s in Redis is damaged", SARG(str_head(handle, ID_LEN)));
	if (str_eq(word, S("absent")) || str_eq(word, S("dropped")))
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(str_head(handle, ID_LEN)));
	if (str_eq(word, S("expired")))
		return fail(c, ERR_RESULT_EXPIRED, "the result of statement %.*s has expired", SARG(str_head(handle, ID_LEN)));
	return fail(c, ERR_CONFLICT, "statement %.*s: %.*s", SARG(str_head(handle, ID_LEN)), SARG(word));
}

/* --- adding --- */

static bool add_refused(struct call *c, struct str word, const struct stmt_record *r, const struct stmt_store_limits *most)
{
	if (str_eq(word, S("tenant")))
		return fail(c, ERR_TOO_MANY, "tenants.max_statements: %lld live statement handles", (long long)most->tenant);
	if (str_eq(word, S("session")))
		return fail(c, ERR_TOO_MANY, "snowflake_api.statement_storage.max_statements_per_session: %lld live statement handles",
			    (long long)most->session);
	if (str_eq(word, S("closed")))
		return fail(c, ERR_SESSION_CLOSED, "session %.*s has ended", SARG(r->session_id));
	return refused(c, word, r->handle);
}

bool store_redis_refuses(const struct call *c)
{
	return c->err.kind == ERR_UNAVAILABLE && str_starts(str_of(c->err.text), S("Redis: "));
}

/* It is not there: who hears that owes nothing. */
static bool add_failed(struct call *c)
{
	struct err why = c->err;

	if (!store_redis_refuses(c))
		return false;
	why.kind = ERR_QUOTA;
	call_forgive(c);
	return fail_as(c, &why);
}

static bool add(struct call *c, struct stmt_store *st, const struct stmt_record *r, const struct stmt_store_limits *most)
{
	struct store_redis *s = store_redis_of(st);
	struct script_args a;
	struct str word;

	if (!store_redis_leased(c, s))
		return add_failed(c);
	args_open(&a);
	args_key(&a, statement_key(c, s, r->tenant, r->handle));
	args_key(&a, tenant_key(c, s, r->tenant, "index"));
	args_key(&a, tenant_key(c, s, r->tenant, "ended"));
	args_key(&a, owner_key(c, s, r->owner, ":running"));
	args_key(&a, prefixed(c, s, "tenants"));
	args_session(c, s, &a, r);
	args_int(c, &a, clock_wall_ms());
	args_text(&a, r->handle);
	args_text(&a, r->tenant);
	args_int(c, &a, most ? most->tenant : 0);
	args_int(c, &a, most ? most->session : 0);
	args_int(c, &a, RUNNING_MS);
	args_int(c, &a, r->detached);
	hash_add(c, &a, r);
	if (!store_redis_word(c, s, SCRIPT_ADD, &a, &word))
		return add_failed(c);
	return str_eq(word, S("ok")) || add_refused(c, word, r, most);
}

static bool started(struct call *c, struct stmt_store *st, const struct stmt_record *r)
{
	struct store_redis *s = store_redis_of(st);
	struct script_args a = {0};
	struct str word;

	args_key(&a, statement_key(c, s, r->tenant, r->handle));
	args_int(c, &a, r->started_ms);
	return store_redis_word(c, s, SCRIPT_STARTED, &a, &word) && (str_eq(word, S("ok")) || refused(c, word, r->handle));
}

/* --- grants --- */

static bool grant(struct call *c, struct stmt_store *st, const struct stmt_store_key *k, struct str principal, bool give)
{
	struct store_redis *s = store_redis_of(st);
	struct script_args a = {0};
	struct str word;

	args_key(&a, statement_key(c, s, k->tenant, k->handle));
	args_text(&a, principal);
	args_int(c, &a, give);
	args_int(c, &a, STMT_GRANTS_MAX);
	args_text(&a, s->prefix);
	args_text(&a, arena_fmt(c->arena, "%.*s %.*s %.*s", SARG(k->tenant), SARG(k->handle), SARG(s->owner)));
	if (!store_redis_word(c, s, SCRIPT_GRANT, &a, &word))
		return false;
	if (str_eq(word, S("full")))
		return fail(c, ERR_TOO_MANY, "a statement has at most %d grants", STMT_GRANTS_MAX);
	return str_eq(word, S("ok")) || refused(c, word, k->handle);
}

/* --- dropping --- */

static int64_t tombstone_ms(const struct store_redis *s)
{
	return s->o.tombstone_ms > 0 ? s->o.tombstone_ms : 1;
}

static bool drop(struct call *c, struct stmt_store *st, const struct stmt_store_key *k)
{
	struct store_redis *s = store_redis_of(st);
	struct script_args a = {0};
	struct str word;

	args_key(&a, statement_key(c, s, k->tenant, k->handle));
	args_text(&a, k->handle);
	args_text(&a, k->tenant);
	args_text(&a, tenant_key(c, s, k->tenant, ""));
	args_text(&a, s->prefix);
	args_int(c, &a, tombstone_ms(s));
	args_text(&a, s->owner);
	return store_redis_word(c, s, SCRIPT_DROP, &a, &word) && (str_eq(word, S("ok")) || refused(c, word, k->handle));
}

/* A batch; ret[0]: how many are left, ret[1]: how many keys were no statements. */
static bool drop_some(struct call *c, struct store_redis *s, struct str tenant, struct str session_id, int64_t ret[2])
{
	struct script_args a = {0};
	struct redis_value v;

	args_key(&a, session_key(c, s, tenant, session_id, "statements"));
	args_key(&a, session_key(c, s, tenant, session_id, "closed"));
	args_text(&a, tenant);
	args_text(&a, tenant_key(c, s, tenant, ""));
	args_text(&a, s->prefix);
	args_int(c, &a, tombstone_ms(s));
	args_text(&a, s->owner);
	args_int(c, &a, SWEEP_BATCH);
	if (!store_redis_run(c, s, SCRIPT_DROP_SESSION, &a, &v))
		return false;
	if (v.kind != REDIS_ARRAY || v.n != 2)
		return fail(c, ERR_STORAGE, "Redis answers a script with what it cannot answer");
	ret[0] = v.items[0].integer;
	ret[1] = v.items[1].integer;
	return true;
}

static bool drop_session(struct call *c, struct stmt_store *st, struct str tenant, struct str session_id)
{
	struct store_redis *s = store_redis_of(st);
	int64_t got[2], foreign = 0;

	do {
		if (!drop_some(c, s, tenant, session_id, got))
			return false;
		foreign += got[1];
	} while (got[0] > 0);
	return !foreign || fail(c, ERR_STORAGE, "%lld keys of session %.*s in Redis hold no statements", (long long)foreign,
				SARG(str_head(session_id, ID_LEN)));
}

/* --- the store --- */

static void close_store(struct stmt_store *st)
{
	struct store_redis *s = store_redis_of(st);

	store_redis_deaf(s);
	free(s->text);
	free(s);
}

static const struct stmt_store_ops ops = {
	.name = "redis", .shared = true, .add = add, .started = started, .end = store_redis_end, .find = store_redis_find,
	.part = store_redis_part, .list = store_redis_list, .grant = grant, .drop = drop, .drop_session = drop_session,
	.sweep = store_redis_sweep, .close = close_store,
};

struct str stmt_store_redis_owner(struct stmt_store *s)
{
	return store_redis_of(s)->owner;
}

struct stmt_store *stmt_store_redis(struct call *c, const struct store_redis_options *o)
{
	struct store_redis *s = base_zalloc(sizeof(*s));
	struct id incarnation = id_v4();
	struct buf text = {0};

	buf_add(&text, o->prefix);
	buf_fmt(&text, "%.*s/%.*s", SARG(o->server), ID_LEN, incarnation.text);
	s->base.ops = &ops;
	s->o = *o;
	s->text = text.p;
	s->prefix = s->o.prefix = str_head(buf_str(&text), o->prefix.n);
	s->owner = str_tail(buf_str(&text), o->prefix.n);
	for (int i = 0; i < SCRIPTS; i++) {
		s->scripts[i].text = store_redis_scripts[i];
		redis_script_open(&s->scripts[i]);
	}
	if (store_redis_listen(c, s))
		return &s->base;
	close_store(&s->base);
	return NULL;
}
