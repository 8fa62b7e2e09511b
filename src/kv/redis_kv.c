/* redis_kv.c - records in Redis, which servers share.
 *
 *   <prefix>record:<key>   hash: value, version, expires (ms since 1970 by the servers' clocks; 0 = never); expires in Redis as well
 *   <prefix>names          sorted set of keys, all scores 0: for scans by prefix
 *   <prefix>expiries       sorted set of keys by `expires`: for sweeps
 *   <prefix>version        the last version given, for a day
 *
 * The sets live a minute longer than the longest of their records; for ever once one of those does, until they are empty.
 * Every change is one script. A version is the time of Redis in microseconds, or
 * the last one and 1 if that is more: it never comes again, not even after
 * Redis has lost everything. What expired, or was evicted, stays in the sets
 * until a sweep or a scan comes by. A put that failed with ERR_UNAVAILABLE may
 * have been done. There is no limit of records but Redis's memory.
 */
#include "kv/kv_int.h"
#include "kv/redis_int.h"

#include <stdlib.h>

enum { NAMES_A_PAGE = 1000, RECORDS_A_PAGE = 128, A_SWEEP = 2000 };
static const int64_t longest_ms = INT64_C(100) * 365 * 24 * 3600 * 1000;

struct kv_redis {
	struct kv kv;
	struct redis *redis;
	struct str records;     /* what their keys begin with */
	struct str names, expiries, version;
	struct redis_script put, drop, forget;
	struct arena arena;     /* of the names */
};

/* ARGV: now, expected ("any"), key. Leaves `version`, "0" for absent. */
#define AS_EXPECTED \
	"local was = redis.call('HMGET', KEYS[1], 'version', 'expires')\n" \
	"local expires = tonumber(was[2] or '0') or 0\n" \
	"local version = was[1] and (expires == 0 or expires > tonumber(ARGV[1])) and was[1] or '0'\n" \
	"if ARGV[2] ~= 'any' and ARGV[2] ~= version then return 0 end\n"

/* More of ARGV: value, expires, ttl. The first write is the one that a full Redis refuses: nothing is half done. */
static const char put_script[] =
	AS_EXPECTED
	"local time = redis.call('TIME')\n"
	"local last = tonumber(redis.call('GET', KEYS[4]) or '0') or 0\n"
	"local fresh = math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))\n"
	"fresh = string.format('%.0f', fresh)\n"
	"redis.call('HSET', KEYS[1], 'value', ARGV[4], 'version', fresh, 'expires', ARGV[5])\n"
	"redis.call('SET', KEYS[4], fresh, 'PX', 86400000)\n"
	"local function add(set, score)\n"
	"  local left, ttl = redis.call('PTTL', set), tonumber(ARGV[6])\n"
	"  redis.call('ZADD', set, score, ARGV[3])\n"
	"  if ttl == 0 then\n"
	"    redis.call('PERSIST', set)\n"
	"  elseif left ~= -1 then\n"
	"    redis.call('PEXPIRE', set, string.format('%.0f', math.max(left, ttl + 60000)))\n"
	"  end\n"
	"end\n"
	"add(KEYS[2], 0)\n"
	"if ARGV[5] == '0' then\n"
	"  redis.call('PERSIST', KEYS[1])\n"
	"  redis.call('ZREM', KEYS[3], ARGV[3])\n"
	"else\n"
	"  redis.call('PEXPIRE', KEYS[1], ARGV[6])\n"
	"  add(KEYS[3], ARGV[5])\n"
	"end\n"
	"return 1";

static const char drop_script[] =
	AS_EXPECTED
	"redis.call('DEL', KEYS[1])\n"
	"redis.call('ZREM', KEYS[2], ARGV[3])\n"
	"redis.call('ZREM', KEYS[3], ARGV[3])\n"
	"return 1";

/* KEYS: names, expiries; ARGV: now, what records begin with, at most so many. */
static const char sweep_script[] =
	"for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do\n"
	"  local expires = redis.pcall('HGET', ARGV[2] .. key, 'expires')\n"
	"  local at = type(expires) == 'string' and tonumber(expires)\n"
	"  if at and at > tonumber(ARGV[1]) then\n"
	"    redis.call('ZADD', KEYS[2], at, key)\n"
	"  else\n"
	"    if at and at > 0 then redis.call('DEL', ARGV[2] .. key) end\n"
	"    if at ~= 0 then redis.call('ZREM', KEYS[1], key) end\n"
	"    redis.call('ZREM', KEYS[2], key)\n"
	"  end\n"
	"end";

/* KEYS: names, expiries; ARGV: what records begin with, then keys that were not there. */
static const char forget_script[] =
	"for i = 2, #ARGV do\n"
	"  if redis.call('EXISTS', ARGV[1] .. ARGV[i]) == 0 then\n"
	"    redis.call('ZREM', KEYS[1], ARGV[i])\n"
	"    redis.call('ZREM', KEYS[2], ARGV[i])\n"
	"  end\n"
	"end\n"
	"return 1";

static struct kv_redis *self(struct kv *kv)
{
	return CONTAINER_OF(kv, struct kv_redis, kv);
}

static struct str joined(struct arena *a, struct str first, struct str second)
{
	char *p = arena_alloc(a, first.n + second.n + 1), *at = p;

	str_copy_to(&at, first);
	str_copy_to(&at, second);
	*at = '\0';
	return str_from(p, first.n + second.n);
}

static struct str record_name(struct arena *a, const struct kv_redis *s, struct str key)
{
	return joined(a, s->records, key);
}

static struct str number(struct call *c, int64_t v)
{
	return arena_fmt(c->arena, "%lld", (long long)v);
}

static struct str expectation(struct call *c, uint64_t expected)
{
	return expected == KV_ANY ? S("any") : arena_fmt(c->arena, "%llu", (unsigned long long)expected);
}

/* --- one record --- */
enum reading { READ_RECORD, READ_ABSENT, READ_DAMAGED };

static enum reading read_record(const struct redis_value *v, int64_t now, struct kv_record *ret)
{
	const struct redis_value *f = v->items;
	struct kv_record r;

	if (v->kind != REDIS_ARRAY || v->n != 3)
		return READ_DAMAGED;
	if (f[0].kind == REDIS_NIL && f[1].kind == REDIS_NIL && f[2].kind == REDIS_NIL)
		return READ_ABSENT;
	if (f[0].kind != REDIS_TEXT || f[1].kind != REDIS_TEXT || f[2].kind != REDIS_TEXT)
		return READ_DAMAGED;
	r.value = f[0].text;
	if (!str_to_u64(f[1].text, &r.version) || r.version == KV_ABSENT || r.version == KV_ANY ||
	    !str_to_i64(f[2].text, &r.expires_ms) || r.expires_ms < 0)
		return READ_DAMAGED;
	if (r.expires_ms && now >= r.expires_ms)
		return READ_ABSENT;
	*ret = r;
	return READ_RECORD;
}

static bool redis_kv_get(struct call *c, struct kv *kv, struct str key, struct kv_record *ret)
{
	struct kv_redis *s = self(kv);
	struct str name = record_name(c->arena, s, key);
	struct redis_value v;

	if (!redis_one(c, s->redis, REDIS_COMMAND(S("HMGET"), name, S("value"), S("version"), S("expires")), &v))
		return false;
	switch (read_record(&v, clock_wall_ms(), ret)) {
	case READ_RECORD:
		return true;
	case READ_ABSENT:
		return fail(c, ERR_NOT_FOUND, "no record %.*s", SARG(key));
	case READ_DAMAGED:
		break;
	}
	return fail(c, ERR_STORAGE, "the record %.*s in Redis is not one of ours", SARG(key));
}

static bool run(struct call *c, struct kv_redis *s, const struct redis_script *script, const struct str *args, int nargs)
{
	const struct str keys[] = {record_name(c->arena, s, args[2]), s->names, s->expiries, s->version};
	const struct redis_args a = {.keys = keys, .nkeys = COUNT_OF(keys), .args = args, .nargs = nargs};
	struct redis_value v;

	if (!redis_run(c, s->redis, script, &a, &v))
		return false;
	if (v.kind != REDIS_INT)
		return redis_failed(c, &v);
	return v.integer == 1 || fail(c, ERR_CONFLICT, "the record has changed");
}

static bool redis_kv_put(struct call *c, struct kv *kv, struct str key, struct str value, uint64_t expected, int64_t ttl_ms)
{
	int64_t now = clock_wall_ms(), ttl = ttl_ms < longest_ms ? ttl_ms : longest_ms;
	const struct str args[] = {number(c, now), expectation(c, expected), key, value, number(c, ttl ? now + ttl : 0), number(c, ttl)};

	return kv_sizes_valid(c, key, value) && run(c, self(kv), &self(kv)->put, args, COUNT_OF(args));
}

static bool redis_kv_drop(struct call *c, struct kv *kv, struct str key, uint64_t expected)
{
	const struct str args[] = {number(c, clock_wall_ms()), expectation(c, expected), key};

	return run(c, self(kv), &self(kv)->drop, args, COUNT_OF(args));
}

/* --- all below a prefix --- */
struct names {
	struct str *v;
	size_t n, cap;
};

static void add_name(struct arena *a, struct names *to, struct str name)
{
	if (to->n == to->cap) {
		struct str *more = arena_alloc(a, sizeof(*more) * (to->cap * 2 + NAMES_A_PAGE));

		if (to->n)
			memcpy(more, to->v, sizeof(*more) * to->n);
		to->v = more;
		to->cap = to->cap * 2 + NAMES_A_PAGE;
	}
	to->v[to->n++] = name;
}

/* What comes behind all that begins with `prefix`, as ZRANGEBYLEX wants it. */
static struct str behind(struct arena *a, struct str prefix)
{
	struct str ret;

	while (prefix.n && (unsigned char)prefix.p[prefix.n - 1] == 0xff)
		prefix.n--;
	if (prefix.n == 0)
		return S("+");
	ret = joined(a, S("("), prefix);
	((char *)ret.p)[prefix.n]++;
	return ret;
}

static bool names_below(struct call *c, struct kv_redis *s, struct str prefix, struct names *ret)
{
	struct str from = prefix.n ? joined(c->arena, S("["), prefix) : S("-"), to = behind(c->arena, prefix);
	struct str page = number(c, NAMES_A_PAGE);
	struct redis_value v = {.n = NAMES_A_PAGE};

	while (v.n == NAMES_A_PAGE) {
		if (!redis_one(c, s->redis, REDIS_COMMAND(S("ZRANGEBYLEX"), s->names, from, to, S("LIMIT"), S("0"), page), &v))
			return false;
		if (v.kind != REDIS_ARRAY)
			return redis_failed(c, &v);
		for (int i = 0; i < v.n; i++)
			add_name(c->arena, ret, v.items[i].text);
		if (v.n)
			from = joined(c->arena, S("("), v.items[v.n - 1].text);
	}
	return true;
}

static void forget(struct call *c, struct kv_redis *s, const struct names *gone)
{
	struct str *args = ARENA_ARRAY(c->arena, struct str, gone->n + 1);
	const struct str keys[] = {s->names, s->expiries};
	const struct redis_args a = {.keys = keys, .nkeys = 2, .args = args, .nargs = (int)gone->n + 1};
	struct redis_value v;

	args[0] = s->records;
	memcpy(args + 1, gone->v, sizeof(*args) * gone->n);
	if (!redis_run(c, s->redis, &s->forget, &a, &v))
		call_forgive(c); /* the next scan finds them again */
}

struct scan {
	struct kv_redis *s;
	kv_scan_fn *fn;
	void *arg;
	struct names gone;
	bool enough;
};

/* A record that is damaged, or no hash, is nobody's but who asks for it. */
static bool scan_page(struct call *c, struct scan *scan, const struct str *names, int n)
{
	struct redis_command *v = ARENA_ARRAY(c->arena, struct redis_command, (size_t)n);
	struct redis_value *got = ARENA_ARRAY(c->arena, struct redis_value, (size_t)n);
	int64_t now = clock_wall_ms();

	for (int i = 0; i < n; i++) {
		struct str *words = ARENA_ARRAY(c->arena, struct str, 5);

		words[0] = S("HMGET");
		words[1] = record_name(c->arena, scan->s, names[i]);
		words[2] = S("value");
		words[3] = S("version");
		words[4] = S("expires");
		v[i] = (struct redis_command){words, 5};
	}
	if (!redis_ask(c, scan->s->redis, v, n, got))
		return false;
	for (int i = 0; i < n && !scan->enough; i++) {
		struct kv_record r;

		if (got[i].kind == REDIS_ERROR && !str_eq(redis_error_word(got[i].text), S("WRONGTYPE")))
			return redis_failed(c, &got[i]);
		if (read_record(&got[i], now, &r) == READ_RECORD)
			scan->enough = !scan->fn(scan->arg, names[i], &r);
		else if (scan->gone.n < NAMES_A_PAGE && got[i].kind == REDIS_ARRAY && got[i].n == 3 && got[i].items[1].kind == REDIS_NIL)
			add_name(c->arena, &scan->gone, names[i]);
	}
	return true;
}

static bool redis_kv_scan(struct call *c, struct kv *kv, struct str prefix, kv_scan_fn *fn, void *arg)
{
	struct scan scan = {.s = self(kv), .fn = fn, .arg = arg};
	struct names names = {.n = 0};

	if (!names_below(c, scan.s, prefix, &names))
		return false;
	for (size_t i = 0; i < names.n && !scan.enough; i += RECORDS_A_PAGE) {
		size_t n = names.n - i < RECORDS_A_PAGE ? names.n - i : RECORDS_A_PAGE;

		if (!scan_page(c, &scan, names.v + i, (int)n))
			return false;
	}
	if (scan.gone.n)
		forget(c, scan.s, &scan.gone);
	return true;
}

/* --- the whole --- */
/* Sends it and does not wait: it is called on loops. */
static void redis_kv_sweep(struct kv *kv)
{
	struct kv_redis *s = self(kv);
	OWNS(arena) arena = {0};
	struct call c;

	call_open(&c, &arena);
	redis_post(s->redis, REDIS_COMMAND(S("EVAL"), str_of(sweep_script), S("2"), s->names, s->expiries, number(&c, clock_wall_ms()),
					   s->records, number(&c, A_SWEEP)));
}

/* 0 when Redis cannot be reached. */
static uint64_t redis_kv_count(struct kv *kv)
{
	struct kv_redis *s = self(kv);
	struct redis_value v[2];
	OWNS(arena) arena = {0};
	struct call c;
	bool ok;

	call_open(&c, &arena);
	ok = redis_ask(&c, s->redis,
		       (struct redis_command[]){REDIS_COMMAND(S("ZCARD"), s->names),
						REDIS_COMMAND(S("ZCOUNT"), s->expiries, S("-inf"), number(&c, clock_wall_ms()))}, 2, v);
	ok = ok && v[0].kind == REDIS_INT && v[1].kind == REDIS_INT && v[0].integer >= v[1].integer;
	return ok ? (uint64_t)(v[0].integer - v[1].integer) : 0;
}

static void redis_kv_close(struct kv *kv)
{
	arena_close(&self(kv)->arena);
	free(self(kv));
}

static const struct kv_ops redis_ops = {
	.name = "redis", .get = redis_kv_get, .put = redis_kv_put, .drop = redis_kv_drop, .scan = redis_kv_scan,
	.sweep = redis_kv_sweep, .count = redis_kv_count, .close = redis_kv_close,
};

struct kv *kv_redis_open(struct redis *r, struct str prefix)
{
	struct kv_redis *s = base_zalloc(sizeof(*s));

	s->kv.ops = &redis_ops;
	s->redis = r;
	s->records = joined(&s->arena, prefix, S("record:"));
	s->names = joined(&s->arena, prefix, S("names"));
	s->expiries = joined(&s->arena, prefix, S("expiries"));
	s->version = joined(&s->arena, prefix, S("version"));
	s->put.text = put_script;
	s->drop.text = drop_script;
	s->forget.text = forget_script;
	redis_script_open(&s->put);
	redis_script_open(&s->drop);
	redis_script_open(&s->forget);
	return &s->kv;
}
