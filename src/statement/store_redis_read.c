/* store_redis_read.c - statements read from Redis: by handle, by partition, and as lists.
 *
 * Whether a record is past its time is said by this server's clock, not by
 * Redis's. A list reads heads first, and SQL and metadata of those that it shows,
 * so many bytes at a time as a connection should carry. Threads: any.
 */
#include "statement/store_redis_int.h"

#include <stdlib.h>

static const struct str last_byte = S_INIT("16383");
_Static_assert(FIRST_BYTES == 16383 + 1, "the last byte that comes along");

static struct str part_key(struct call *c, const struct store_redis *s, struct str tenant, struct str handle, int i)
{
	char digits[TEXT_ROOM];

	return JOIN(c, s->prefix, tenant, S(":result:"), handle, S(":"), str_from(digits, (size_t)(text_i64(digits, i) - digits)));
}

/* --- one --- */

static bool plain(const struct stmt_record *r, int i, struct str stored, struct buf *ret)
{
	*ret = (struct buf){.limit = (size_t)r->parts[i].stored + 1};
	return convert_gunzip(stored, ret) && (int64_t)ret->n == r->parts[i].stored;
}

/* The first partition, when it is a small one and whole; of damage part() tells. */
static void take_first(struct call *c, struct str stored, struct stmt_record *r)
{
	OWNS(buf) bytes = {0};

	if (!r->nparts || !stored.n)
		return;
	if (r->parts[0].gzip && (int64_t)stored.n == r->parts[0].stored)
		r->first = stored;
	else if (!r->parts[0].gzip && plain(r, 0, stored, &bytes))
		r->first = arena_dup(c->arena, buf_str(&bytes));
}

bool store_redis_read(struct call *c, struct store_redis *s, const struct stmt_store_key *k, struct stmt_record *ret,
		      enum record_gone *ret_gone)
{
	const struct redis_command commands[2] = {
		hash_command(c, statement_key(c, s, k->tenant, k->handle), FIELDS),
		REDIS_COMMAND(S("GETRANGE"), part_key(c, s, k->tenant, k->handle, 0), S("0"), last_byte),
	};
	struct redis_value v[2];

	if (!redis_ask(c, s->o.redis, commands, 2, v) || !hash_record(c, k, &v[0], ret, ret_gone))
		return false;
	if (v[1].kind == REDIS_TEXT)
		take_first(c, v[1].text, ret);
	return true;
}

static bool running(const struct stmt_record *r)
{
	return !fsm_terminal(stmt_fsm, r->state);
}

static bool expired(const struct stmt_record *r)
{
	return !running(r) && r->expires_ms <= clock_wall_ms();
}

static bool granted(const struct call *c, const struct stmt_record *r)
{
	bool found = false;

	for (int i = 0; i < r->ngrants && !found; i++)
		found = str_eq(r->grants[i], S("*")) || str_eq(r->grants[i], c->principal);
	return found;
}

/* Is it one of whose former existence this call may hear? The server's own calls have no tenant. */
static bool may_hear(const struct call *c, const struct stmt_record *r)
{
	return !c->tenant.n || (str_eq(c->tenant, r->tenant) &&
				(c->role == ROLE_ADMIN || str_eq(c->principal, r->principal) || granted(c, r)));
}

static bool past(struct call *c, const struct store_redis *s, const struct stmt_record *r, enum record_gone gone)
{
	if (gone == RECORD_DROPPED || clock_wall_ms() - r->expires_ms >= s->o.tombstone_ms || !may_hear(c, r))
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(r->handle));
	return fail(c, ERR_RESULT_EXPIRED, "the result of statement %.*s has expired", SARG(r->handle));
}

/* A running one whose owner is gone has failed, and is read again. */
static bool settle(struct call *c, struct store_redis *s, const struct stmt_store_key *k, struct stmt_record *r,
		   enum record_gone *gone)
{
	bool alive;

	if (*gone != RECORD_THERE || !running(r) || str_eq(r->owner, s->owner))
		return true;
	if (!store_redis_alive(c, s, r->owner, &alive))
		return false;
	if (alive)
		return true;
	if (!store_redis_lost(c, s, r)) {
		if (c->err.kind != ERR_CONFLICT)
			return false;
		call_forgive(c); /* it ended, or its owner lives again */
	}
	return store_redis_read(c, s, k, r, gone);
}

bool store_redis_find(struct call *c, struct stmt_store *st, const struct stmt_store_key *k, struct stmt_record *ret)
{
	struct store_redis *s = store_redis_of(st);
	enum record_gone gone;
	struct stmt_record r;

	if (!store_redis_read(c, s, k, &r, &gone) || !settle(c, s, k, &r, &gone))
		return false;
	if (gone != RECORD_THERE || expired(&r))
		return past(c, s, &r, gone);
	*ret = r;
	return true;
}

/* --- partitions --- */

static bool part_damaged(struct call *c, const struct stmt_record *r, int i)
{
	return fail(c, ERR_STORAGE, "partition %d of statement %.*s in Redis is damaged", i, SARG(r->handle));
}

/* It may have been dropped, or have expired, since `r` was read; else it is damage. */
static bool part_missing(struct call *c, struct store_redis *s, const struct stmt_record *r, int i)
{
	const struct stmt_store_key k = {.tenant = r->tenant, .handle = r->handle};
	struct stmt_record now;

	return store_redis_find(c, &s->base, &k, &now) &&
	       fail(c, ERR_STORAGE, "partition %d of statement %.*s is missing in Redis", i, SARG(r->handle));
}

bool store_redis_part(struct call *c, struct stmt_store *st, const struct stmt_record *r, int i, struct engine_bytes **ret)
{
	struct store_redis *s = store_redis_of(st);
	OWNS(buf) bytes = {0};
	struct str key;
	struct redis_value v;

	if (i < 0 || i >= r->nparts)
		return fail(c, ERR_NOT_FOUND, "statement %.*s has no partition %d", SARG(r->handle), i);
	if (i == 0 && r->first.n) {
		*ret = engine_bytes_copy(r->first);
		return true;
	}
	key = part_key(c, s, r->tenant, r->handle, i);
	if (!redis_one(c, s->o.redis, REDIS_COMMAND(S("GET"), key), &v))
		return false;
	if (v.kind == REDIS_NIL)
		return part_missing(c, s, r, i);
	if (v.kind != REDIS_TEXT)
		return part_damaged(c, r, i);
	if (r->parts[i].gzip ? (int64_t)v.text.n != r->parts[i].stored : !plain(r, i, v.text, &bytes))
		return part_damaged(c, r, i);
	*ret = engine_bytes_copy(r->parts[i].gzip ? v.text : buf_str(&bytes));
	return true;
}

/* --- lists --- */

struct listing {
	struct store_redis *s;
	const struct stmt_store_page *p;
	stmt_record_fn *fn;
	void *arg;
	bool enough;
};
/* One page of handles, what was read of them, and which of them are shown. */
struct page {
	struct str *handles;
	int n;
	struct str *shown;
	int64_t *bytes;             /* of SQL and metadata of those that are shown */
	int nshown;
	struct str *missing;        /* without a record */
	int nmissing;
};

static bool passes(const struct stmt_store_page *p, const struct stmt_record *r)
{
	const struct stmt_filter *f = p->filter;
	const struct call *v = p->viewer;

	if (expired(r) || (v && v->role != ROLE_ADMIN && !str_eq(v->principal, r->principal)))
		return false;
	return !f || ((f->state < 0 || r->state == (enum stmt_state)f->state) && (!f->since_ms || r->created_ms >= f->since_ms) &&
		      (!f->until_ms || r->created_ms <= f->until_ms) && (!f->session_id.n || str_eq(f->session_id, r->session_id)));
}

/* Handles without a record are taken out of the tenant's sets. */
static void tidy(struct call *c, struct listing *l, const struct str *handles, int n)
{
	enum { AT_ONCE = 80 };
	struct str word;

	for (int at = 0; at < n; at += AT_ONCE) {
		struct script_args a = {0};

		args_key(&a, tenant_key(c, l->s, l->p->tenant, "index"));
		args_key(&a, tenant_key(c, l->s, l->p->tenant, "ended"));
		args_text(&a, tenant_key(c, l->s, l->p->tenant, ""));
		for (int i = at; i < n && i < at + AT_ONCE; i++)
			args_text(&a, handles[i]);
		if (!store_redis_word(c, l->s, SCRIPT_TIDY, &a, &word))
			call_forgive(c); /* the next list tries again */
	}
}

/* What is damaged is left out: who asks for its handle hears of it. False: Redis fails. */
static bool take_head(struct call *c, struct listing *l, struct page *g, struct str handle, const struct redis_value v[3])
{
	const struct stmt_store_key k = {.tenant = l->p->tenant, .handle = handle};
	enum record_gone gone;
	struct stmt_record r;

	if (!hash_head(c, &k, &v[0], &r, &gone)) {
		if (c->err.kind == ERR_UNAVAILABLE)
			return false;
		if (c->err.kind == ERR_NOT_FOUND)
			g->missing[g->nmissing++] = handle;
		call_forgive(c);
		return true;
	}
	if (gone != RECORD_THERE || !passes(l->p, &r))
		return true;
	g->bytes[g->nshown] = (v[1].kind == REDIS_INT ? v[1].integer : 0) + (v[2].kind == REDIS_INT ? v[2].integer : 0);
	g->shown[g->nshown++] = handle;
	return true;
}

static bool read_heads(struct call *c, struct listing *l, struct page *g)
{
	struct redis_command *commands = ARENA_ARRAY(c->arena, struct redis_command, (size_t)g->n * 3);
	struct redis_value *v = ARENA_ARRAY(c->arena, struct redis_value, (size_t)g->n * 3);

	for (int i = 0; i < g->n; i++) {
		struct str key = statement_key(c, l->s, l->p->tenant, g->handles[i]);
		struct str *words = ARENA_ARRAY(c->arena, struct str, 6);

		memcpy(words, (struct str[]){S("HSTRLEN"), key, S("sql"), S("HSTRLEN"), key, S("result_metadata")}, 6 * sizeof(*words));
		commands[i * 3] = hash_command(c, key, F_HEAD);
		commands[i * 3 + 1] = (struct redis_command){words, 3};
		commands[i * 3 + 2] = (struct redis_command){words + 3, 3};
	}
	if (!redis_ask(c, l->s->o.redis, commands, g->n * 3, v))
		return false;
	for (int i = 0; i < g->n; i++)
		if (!take_head(c, l, g, g->handles[i], &v[i * 3]))
			return false;
	tidy(c, l, g->missing, g->nmissing);
	return true;
}

static void show(struct call *c, struct listing *l, struct call *inner, struct str handle, const struct redis_value *v)
{
	const struct stmt_store_key k = {.tenant = l->p->tenant, .handle = handle};
	enum record_gone gone;
	struct stmt_record r;

	if (!hash_record(inner, &k, v, &r, &gone))
		call_forgive(inner); /* damaged, or forgotten since */
	else if (gone == RECORD_THERE && passes(l->p, &r))
		l->enough = !l->fn(l->arg, c, &r);
}

/* Whole records, as many as PAGE_BYTES allow, from *at on. */
static bool show_some(struct call *c, struct listing *l, const struct page *g, int *at)
{
	OWNS(arena) scratch = {0};
	struct redis_command *commands;
	struct redis_value *v;
	struct call inner = *c;
	int64_t bytes = 0;
	int n = 0;

	inner.arena = &scratch;
	commands = ARENA_ARRAY(&scratch, struct redis_command, (size_t)(g->nshown - *at));
	v = ARENA_ARRAY(&scratch, struct redis_value, (size_t)(g->nshown - *at));
	for (; *at + n < g->nshown && (!n || bytes < PAGE_BYTES); n++) {
		commands[n] = hash_command(&inner, statement_key(&inner, l->s, l->p->tenant, g->shown[*at + n]), FIELDS);
		bytes += g->bytes[*at + n];
	}
	if (!redis_ask(&inner, l->s->o.redis, commands, n, v))
		return fail_as(c, &inner.err);
	for (int i = 0; i < n && !l->enough; i++)
		show(c, l, &inner, g->shown[*at + i], &v[i]);
	*at += n;
	return true;
}

/* A page of handles, in a call of its own: what it read is gone with it. */
static bool show_page(struct call *c, struct listing *l, struct str *handles, int n)
{
	OWNS(arena) scratch = {0};
	struct call inner = *c;
	struct page g = {.handles = handles, .n = n};
	int at = 0;

	inner.arena = &scratch;
	g.shown = ARENA_ARRAY(&scratch, struct str, (size_t)n);
	g.missing = ARENA_ARRAY(&scratch, struct str, (size_t)n);
	g.bytes = ARENA_ARRAY(&scratch, int64_t, (size_t)n);
	if (!read_heads(&inner, l, &g))
		return fail_as(c, &inner.err);
	while (at < g.nshown && !l->enough)
		if (!show_some(c, l, &g, &at))
			return false;
	return true;
}

/* The bounds of a page by name: handles begin with the time they were made at. */
static struct str bound(struct call *c, int64_t ms, struct str otherwise)
{
	if (ms <= 0)
		return otherwise;
	return arena_fmt(c->arena, "[%08llx-%04llx", (unsigned long long)ms >> 16 & 0xffffffff, (unsigned long long)ms & 0xffff);
}

static struct str upper_bound(struct call *c, const struct stmt_filter *f)
{
	struct str by_time = bound(c, f && f->until_ms ? f->until_ms + LIST_SLACK_MS : 0, S("+"));

	if (!f || !f->after.n)
		return by_time;
	if (by_time.n > 1 && str_cmp(str_tail(by_time, 1), f->after) < 0)
		return by_time;
	return arena_fmt(c->arena, "(%.*s", SARG(f->after));
}

static bool texts_of(struct call *c, const struct redis_value *v, struct str **ret, int *ret_n)
{
	struct str *texts;

	if (v->kind != REDIS_ARRAY)
		return fail(c, ERR_STORAGE, "Redis answers a list with what it cannot answer");
	texts = ARENA_ARRAY(c->arena, struct str, (size_t)v->n + 1);
	for (int i = 0; i < v->n; i++)
		texts[i] = v->items[i].text;
	*ret = texts;
	*ret_n = v->n;
	return true;
}

/* By the tenant's index, a page at a time. */
static bool list_tenant(struct call *c, struct listing *l)
{
	const struct stmt_filter *f = l->p->filter;
	struct str index = tenant_key(c, l->s, l->p->tenant, "index"), limit = arena_fmt(c->arena, "%d", PAGE_HANDLES);
	struct str from = upper_bound(c, f), to = bound(c, f && f->since_ms ? f->since_ms - LIST_SLACK_MS : 0, S("-"));
	struct str *handles = NULL;
	struct redis_value v;
	int n;

	do {
		if (!redis_one(c, l->s->o.redis,
			       REDIS_COMMAND(S("ZREVRANGEBYLEX"), index, from, to, S("LIMIT"), S("0"), limit), &v) ||
		    !texts_of(c, &v, &handles, &n) || (n && !show_page(c, l, handles, n)))
			return false;
		if (n)
			from = arena_fmt(c->arena, "(%.*s", SARG(handles[n - 1]));
	} while (n == PAGE_HANDLES && !l->enough);
	return true;
}

static int newest_first(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)b, *(const struct str *)a);
}

/* Handles of one session, when they are few enough to be sorted here. */
static bool list_session(struct call *c, struct listing *l, struct str *handles, int n)
{
	struct str after = l->p->filter->after;
	int at = 0;

	qsort(handles, (size_t)n, sizeof(*handles), newest_first);
	while (after.n && at < n && str_cmp(handles[at], after) >= 0)
		at++;
	while (at < n && !l->enough) {
		int piece = n - at < PAGE_HANDLES ? n - at : PAGE_HANDLES;

		if (!show_page(c, l, handles + at, piece))
			return false;
		at += piece;
	}
	return true;
}

bool store_redis_list(struct call *c, struct stmt_store *st, const struct stmt_store_page *p, stmt_record_fn *fn, void *arg)
{
	struct listing l = {store_redis_of(st), p, fn, arg, false};
	struct str live, last = arena_fmt(c->arena, "%d", SESSION_SORTED - 1), *handles = NULL;
	struct redis_value v[2];
	int n;

	INVARIANT(p->tenant.n);
	if (!p->filter || !p->filter->session_id.n)
		return list_tenant(c, &l);
	live = session_key(c, l.s, p->tenant, p->filter->session_id, "live");
	if (!redis_ask(c, l.s->o.redis,
		       (const struct redis_command[]){REDIS_COMMAND(S("ZCARD"), live), REDIS_COMMAND(S("ZRANGE"), live, S("0"), last)}, 2, v))
		return false;
	if (v[0].kind == REDIS_ERROR)
		return redis_failed(c, &v[0]);
	if (v[0].integer > SESSION_SORTED)
		return list_tenant(c, &l);
	return texts_of(c, &v[1], &handles, &n) && list_session(c, &l, handles, n);
}
