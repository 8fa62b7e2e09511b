/* batches.c - ends of jobs that were over within their request: many in one object of the store, newest first in its order.
 *
 *   [tenants/<t>/]ended/<name>               magic u32 · n u32 · n rows: id, at u64, bytes u64 · the ends, as in records.c
 *   [tenants/<t>/]ended_gone/<name>/<id>     one of them that was dropped, or has a record of its own
 *
 * The name says all that a scan asks for: `<newest, inverted>-<oldest>-<last expiry>-<n>-<random>`, times in milliseconds as
 * 12 hex digits (those of the ids), so a batch goes as a whole. What is in one was created within BATCH_SPAN_MS. Blocks.
 */
#include "runner/job_int.h"

#include <stdlib.h>

enum { MAGIC = 0x3142464d, HEAD = 8, ROW = ID_LEN + 16 };
#define TIME_MAX INT64_C(0xffffffffffff)

struct batch_at { /* one in the store; in the walk's arena */
	struct str name;
	int64_t newest_ms, oldest_ms, expires_ms, n;
};
struct batch_walk {
	struct call *c;
	struct runner *r;
	struct str prefix;                   /* of all batches of the tenant */
	struct arena arena;
	struct store_entry *v;
	size_t n, i;
	bool failed;
};

void batch_unref(struct batch *b)
{
	if (b && atomic_fetch_sub(&b->refs, 1) == 1)
		free(b);
}

struct batch *batch_ref(struct batch *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

static struct batch *batch_new(struct str name, int64_t n)
{
	struct batch *b = base_zalloc(sizeof(*b));

	INVARIANT(name.n == BATCH_NAME_LEN);
	atomic_init(&b->refs, 1);
	memcpy(b->name, name.p, name.n);
	b->n = n;
	return b;
}

/* --- names --- */

static bool hex_of(struct str s, int64_t *ret)
{
	int64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];

		if (!ascii_digit(ch) && !(ch >= 'a' && ch <= 'f'))
			return false;
		v = v * 16 + (ascii_digit(ch) ? ch - '0' : ch - 'a' + 10);
	}
	*ret = v;
	return s.n > 0;
}

int64_t id_time_ms(struct str id)
{
	int64_t high = 0, low = 0;

	if (id.n < 13 || !hex_of(str_head(id, 8), &high) || !hex_of(str_head(str_tail(id, 9), 4), &low))
		return 0;
	return high << 16 | low;
}

static bool parse_name(struct str name, struct batch_at *ret)
{
	*ret = (struct batch_at){.name = name};
	if (name.n != BATCH_NAME_LEN || !hex_of(str_head(name, 12), &ret->newest_ms) ||
	    !hex_of(str_head(str_tail(name, 13), 12), &ret->oldest_ms) ||
	    !hex_of(str_head(str_tail(name, 26), 12), &ret->expires_ms) || !hex_of(str_head(str_tail(name, 39), 6), &ret->n))
		return false;
	ret->newest_ms = TIME_MAX - ret->newest_ms;
	return true;
}

static struct str key_of(struct call *c, struct str tenant, struct str name)
{
	return arena_fmt(c->arena, "%.*sended/%.*s", SARG(store_tenant_prefix(c->arena, tenant)), SARG(name));
}

static struct str gone_key(struct call *c, struct str tenant, struct str name, struct str id)
{
	return arena_fmt(c->arena, "%.*sended_gone/%.*s%s%.*s", SARG(store_tenant_prefix(c->arena, tenant)), SARG(name), name.n ? "/" : "", SARG(id));
}

/* --- walking, newest first --- */

static void walk_page(struct batch_walk *w, struct str after)
{
	struct arena *callers = w->c->arena;

	w->c->arena = &w->arena;
	w->failed = !w->r->o.store->ops->list(w->c, w->r->o.store, w->prefix, after, &w->v, &w->n);
	w->c->arena = callers;
	w->i = 0;
	if (w->failed)
		w->n = 0;
}

/* Those whose newest is not after that time. */
static void walk_open(struct batch_walk *w, struct call *c, struct runner *r, struct str tenant, int64_t newest_ms)
{
	int64_t at = newest_ms < 0 ? 0 : newest_ms > TIME_MAX ? TIME_MAX : newest_ms;

	*w = (struct batch_walk){.c = c, .r = r};
	w->prefix = arena_fmt(&w->arena, "%.*sended/", SARG(store_tenant_prefix(&w->arena, tenant)));
	walk_page(w, arena_fmt(&w->arena, "%.*s%012llx", SARG(w->prefix), (unsigned long long)(TIME_MAX - at)));
}

static bool walk_next(struct batch_walk *w, struct batch_at *ret)
{
	for (;;) {
		if (w->i == w->n && w->n == STORE_LIST_MAX)
			walk_page(w, w->v[w->n - 1].key);
		if (w->i == w->n)
			return false;
		if (parse_name(str_tail(w->v[w->i++].key, w->prefix.n), ret))
			return true;
	}
}

static bool walk_close(struct batch_walk *w)
{
	arena_close(&w->arena);
	return !w->failed;
}

/* --- one batch --- */

struct row {
	struct str id;
	uint64_t at, n;
};

static bool read_rows(struct call *c, struct runner *r, struct str key, int64_t n, struct row **ret)
{
	struct row *v = ARENA_ARRAY(c->arena, struct row, (size_t)n + 1);
	OWNS(buf) b = {0};
	struct str all;
	uint32_t magic, count;

	if (!r->o.store->ops->get(c, r->o.store, key, 0, HEAD + n * ROW, &b))
		return false;
	if (b.n != (size_t)(HEAD + n * ROW))
		return fail(c, ERR_STORAGE, "%.*s is too short", SARG(key));
	memcpy(&magic, b.p, 4);
	memcpy(&count, b.p + 4, 4);
	if (magic != MAGIC || count != n)
		return fail(c, ERR_STORAGE, "%.*s cannot be read", SARG(key));
	all = arena_dup(c->arena, str_tail(buf_str(&b), HEAD));
	for (int64_t i = 0; i < n; i++, all = str_tail(all, ROW)) {
		v[i].id = str_head(all, ID_LEN);
		memcpy(&v[i].at, all.p + ID_LEN, 8);
		memcpy(&v[i].n, all.p + ID_LEN + 8, 8);
	}
	*ret = v;
	return true;
}

static bool is_gone(struct call *c, struct runner *r, struct str key, bool *ret)
{
	OWNS(buf) b = {0};

	*ret = r->o.store->ops->get(c, r->o.store, key, 0, 1, &b);
	if (!*ret && c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	return true;
}

/* The row of a job in a batch; ERR_NOT_FOUND. */
static bool find_in(struct call *c, struct runner *r, const struct record_at *at, struct str name, int64_t n, struct row *ret)
{
	struct row *v;
	bool gone;

	if (!read_rows(c, r, key_of(c, at->tenant, name), n, &v))
		return false;
	for (int64_t i = 0; i < n; i++) {
		if (!str_eq(v[i].id, at->id))
			continue;
		if (!is_gone(c, r, gone_key(c, at->tenant, name, at->id), &gone))
			return false;
		if (gone)
			break;
		*ret = v[i];
		return true;
	}
	return fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(at->id));
}

/* Where it is: each batch that can have it is asked. ERR_NOT_FOUND. */
static bool find(struct call *c, struct runner *r, const struct record_at *at, struct batch **ret, struct row *ret_row)
{
	int64_t ms = id_time_ms(at->id);
	struct batch_walk w;
	struct batch_at b;
	bool found = false, broken = false;

	walk_open(&w, c, r, at->tenant, ms + BATCH_SPAN_MS);
	while (!found && !broken && walk_next(&w, &b) && b.newest_ms >= ms) {
		if (b.oldest_ms > ms)
			continue;
		found = find_in(c, r, at, b.name, b.n, ret_row);
		if (found)
			*ret = batch_new(b.name, b.n);
		broken = !found && c->err.kind != ERR_NOT_FOUND;
		if (!found && !broken)
			call_forgive(c);
	}
	if (!walk_close(&w) || broken)
		return false;
	return found || fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(at->id));
}

bool batch_read(struct call *c, struct runner *r, const struct record_at *at, struct batch **in_out, struct buf *ret)
{
	struct batch *b = *in_out;
	struct row row;
	bool ok = b ? find_in(c, r, at, str_of(b->name), b->n, &row) : find(c, r, at, &b, &row);

	if (!ok)
		return false;
	if (r->o.store->ops->get(c, r->o.store, key_of(c, at->tenant, str_of(b->name)), (int64_t)row.at, (int64_t)row.n, ret)) {
		*in_out = b;
		return true;
	}
	if (b != *in_out)
		batch_unref(b);
	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c); /* it went meanwhile */
	return fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(at->id));
}

bool batch_drop(struct call *c, struct runner *r, const struct record_at *at, const struct batch *b)
{
	struct str name = str_of(b->name);

	if (b->n == 1)
		return r->o.store->ops->drop(c, r->o.store, key_of(c, at->tenant, name));
	return r->o.store->ops->put(c, r->o.store, gone_key(c, at->tenant, name, at->id), S("1"), STORE_REPLACE);
}

/* --- made --- */

static int64_t oldest_of(const struct batch_item *v, int n)
{
	int64_t least = TIME_MAX;

	for (int i = 0; i < n; i++)
		if (id_time_ms(v[i].id) < least)
			least = id_time_ms(v[i].id);
	return least;
}

static struct str name_of(struct call *c, const struct batch_item *v, int n)
{
	int64_t newest = 0, expires = 0;
	uint32_t random;

	id_random(&random, sizeof(random));
	for (int i = 0; i < n; i++) {
		newest = id_time_ms(v[i].id) > newest ? id_time_ms(v[i].id) : newest;
		expires = v[i].expires_ms > expires ? v[i].expires_ms : expires;
	}
	expires = expires > TIME_MAX ? TIME_MAX : expires;
	return arena_fmt(c->arena, "%012llx-%012llx-%012llx-%06x-%08x", (unsigned long long)(TIME_MAX - newest),
			 (unsigned long long)oldest_of(v, n), (unsigned long long)expires, (unsigned)n, random);
}

static void put_u64(struct buf *b, uint64_t v)
{
	buf_add(b, str_from((const char *)&v, sizeof(v)));
}

static bool put_one(struct call *c, struct runner *r, struct batch_item *v, int n)
{
	struct str name = name_of(c, v, n);
	const uint32_t head[] = {MAGIC, (uint32_t)n};
	uint64_t at = HEAD + (uint64_t)n * ROW;
	OWNS(buf) b = {0};

	INVARIANT(n > 0 && n <= BATCH_MAX);
	buf_add(&b, str_from((const char *)head, sizeof(head)));
	for (int i = 0; i < n; i++) {
		buf_add(&b, str_head(v[i].id, ID_LEN));
		put_u64(&b, at);
		put_u64(&b, v[i].record.n);
		at += v[i].record.n;
	}
	for (int i = 0; i < n; i++)
		buf_add(&b, v[i].record);
	if (!r->o.store->ops->put(c, r->o.store, key_of(c, v[0].tenant, name), buf_str(&b), STORE_NEW))
		return false;
	for (int i = 0; i < n; i++)
		v[i].batch = i ? batch_ref(v[0].batch) : batch_new(name, n);
	return true;
}

/* May they share one: of one tenant, about as old, to go about the same time? */
static bool fits(const struct batch_item *first, const struct batch_item *next)
{
	int64_t apart = id_time_ms(next->id) - id_time_ms(first->id);

	return str_eq(first->tenant, next->tenant) && first->expires_ms / 60000 == next->expires_ms / 60000 && apart < BATCH_SPAN_MS &&
	       apart > -BATCH_SPAN_MS;
}

static int item_order(const void *a, const void *b)
{
	const struct batch_item *x = a, *y = b;
	int d = str_cmp(x->tenant, y->tenant);

	if (d == 0)
		d = (x->expires_ms / 60000 > y->expires_ms / 60000) - (x->expires_ms / 60000 < y->expires_ms / 60000);
	return d ? d : str_cmp(x->id, y->id);
}

bool batches_put(struct call *c, struct runner *r, struct batch_item *v, int n)
{
	if (n)
		qsort(v, (size_t)n, sizeof(*v), item_order);
	for (int from = 0, to; from < n; from = to) {
		size_t bytes = v[from].record.n;

		for (to = from + 1; to < n && to - from < BATCH_MAX && fits(&v[from], &v[to]) && bytes < BATCH_BYTES; to++)
			bytes += v[to].record.n;
		if (!put_one(c, r, &v[from], to - from))
			return false;
	}
	return true;
}

/* --- listed --- */

static bool tell_ids(struct call *c, struct runner *r, struct str tenant, const struct batch_at *b, record_id_fn *fn, void *arg)
{
	struct row *v;

	if (!read_rows(c, r, key_of(c, tenant, b->name), b->n, &v)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c); /* it went meanwhile */
		return true;
	}
	for (int64_t i = 0; i < b->n; i++)
		(void)fn(arg, v[i].id);
	return true;
}

bool batch_ids(struct call *c, struct runner *r, struct str tenant, struct str before, const struct batch_list *l)
{
	struct batch_walk w;
	struct batch_at b;
	bool ok = true;

	walk_open(&w, c, r, tenant, before.n ? id_time_ms(before) + BATCH_SPAN_MS : TIME_MAX);
	while (ok && walk_next(&w, &b) && !l->enough(l->arg, b.newest_ms))
		ok = tell_ids(c, r, tenant, &b, l->fn, l->arg);
	return walk_close(&w) && ok;
}

/* --- swept --- */

static bool drop_under(struct call *c, struct runner *r, struct str prefix)
{
	struct store_entry *v;
	size_t n;

	do {
		if (!r->o.store->ops->list(c, r->o.store, prefix, S(""), &v, &n))
			return false;
		for (size_t i = 0; i < n; i++)
			if (!r->o.store->ops->drop(c, r->o.store, v[i].key))
				return false;
	} while (n > 0);
	return true;
}

static bool drop_whole(struct call *c, struct runner *r, struct str tenant, struct str name)
{
	return r->o.store->ops->drop(c, r->o.store, key_of(c, tenant, name)) &&
	       drop_under(c, r, gone_key(c, tenant, arena_fmt(c->arena, "%.*s/", SARG(name)), S("")));
}

/* How many of them are dropped one by one. */
static bool count_gone(struct call *c, struct runner *r, struct str tenant, int64_t *ret)
{
	struct str prefix = gone_key(c, tenant, S(""), S("")), after = S("");
	struct store_entry *v;
	size_t n;

	*ret = 0;
	do {
		if (!r->o.store->ops->list(c, r->o.store, prefix, after, &v, &n))
			return false;
		*ret += (int64_t)n;
		after = n ? v[n - 1].key : after;
	} while (n == STORE_LIST_MAX);
	return true;
}

bool batches_sweep(struct call *c, struct runner *r, struct str tenant, int64_t *ret_kept)
{
	int64_t now = clock_wall_ms(), kept = 0, gone = 0;
	struct batch_walk w;
	struct batch_at b;
	bool ok = true;

	walk_open(&w, c, r, tenant, TIME_MAX);
	while (ok && walk_next(&w, &b)) {
		if (b.expires_ms < now) {
			ok = drop_whole(c, r, tenant, b.name);
		} else {
			kept += b.n;
		}
	}
	if (!walk_close(&w) || !ok || !count_gone(c, r, tenant, &gone))
		return false;
	*ret_kept = kept > gone ? kept - gone : 0;
	return true;
}
