/* store_redis_end.c - how a statement ends in Redis: its partitions first, then one script that ends it, or does not.
 *
 * A few small partitions travel with the script. Others are written beside it,
 * under a name of this attempt's own, which the script turns into theirs: an
 * attempt that loses, or whose answer was lost, never touches those of the one
 * that won. Partitions that the room stores plain are gzipped here, and given
 * back plain (store_redis_read.c). Blocks; threads: any.
 */
#include "statement/store_redis_int.h"

#include <libdeflate.h>

enum { GZIP_LEVEL = 1, UNLINK_KEYS = 500, FIXED_ARGS = 16, WORDS_AT = FIXED_ARGS - 1 };

/* One attempt. */
struct ending {
	const struct stmt_record *r;
	stmt_bytes_fn *bytes;
	void *arg;
	struct id stage;
	bool staged;        /* partitions are written under `stage`, not sent along */
	bool only_lost;     /* only if its owner has no lease */
	int held;           /* of `bytes_of`, in use */
	struct held {
		struct engine_bytes *bytes;
		struct buf packed;
	} hold[WRITE_PARTS];
};

static void let_go(struct ending *e)
{
	for (int i = 0; i < e->held; i++) {
		engine_bytes_unref(e->hold[i].bytes);
		buf_drop(&e->hold[i].packed);
		e->hold[i] = (struct held){0};
	}
	e->held = 0;
}

static bool pack(struct call *c, struct str plain, struct buf *out)
{
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(GZIP_LEVEL);
	char *to = z ? buf_room(out, libdeflate_gzip_compress_bound(z, plain.n)) : NULL;

	if (to)
		out->n = libdeflate_gzip_compress(z, plain.p, plain.n, to, out->cap);
	libdeflate_free_compressor(z);
	return out->n > 0 || fail(c, ERR_INTERNAL, "a partition cannot be compressed");
}

/* Partition i as Redis keeps it; lives until let_go(). */
static bool gzipped(struct call *c, struct ending *e, int i, struct str *ret)
{
	struct held *h = &e->hold[e->held];
	struct str stored;

	if (!e->bytes(e->arg, c, i, &h->bytes))
		return false;
	e->held++;
	stored = engine_bytes_str(h->bytes);
	if ((int64_t)stored.n != e->r->parts[i].stored)
		return fail(c, ERR_INTERNAL, "partition %d of statement %.*s is not as long as it says", i, SARG(e->r->handle));
	if (e->r->parts[i].gzip) {
		*ret = stored;
		return true;
	}
	if (!pack(c, stored, &h->packed))
		return false;
	*ret = buf_str(&h->packed);
	return true;
}

/* --- partitions beside the script --- */

static struct str staged_key(struct call *c, struct store_redis *s, const struct ending *e, int i)
{
	return arena_fmt(c->arena, "%.*s%.*s:staged:%s:%d", SARG(s->prefix), SARG(e->r->tenant), e->stage.text, i);
}

static int64_t stored_bytes(const struct stmt_record *r)
{
	int64_t n = 0;

	for (int i = 0; i < r->nparts; i++)
		n += r->parts[i].stored;
	return n;
}

/* Writes partitions from *at on, as many as one piece may have. */
static bool stage_piece(struct call *c, struct store_redis *s, struct ending *e, int *at)
{
	struct redis_command *commands = ARENA_ARRAY(c->arena, struct redis_command, WRITE_PARTS);
	struct redis_value *answers = ARENA_ARRAY(c->arena, struct redis_value, WRITE_PARTS);
	struct str ttl = arena_fmt(c->arena, "%lld", (long long)(STAGED_MS + stored_bytes(e->r) / STAGED_BYTES_MS));
	size_t bytes = 0;
	int n = 0;

	for (; n < WRITE_PARTS && *at < e->r->nparts && (!n || bytes < WRITE_BYTES); n++, (*at)++) {
		struct str *words = ARENA_ARRAY(c->arena, struct str, 5);

		words[0] = S("SET");
		words[1] = staged_key(c, s, e, *at);
		words[3] = S("PX");
		words[4] = ttl;
		if (!gzipped(c, e, *at, &words[2]))
			return false;
		bytes += words[2].n;
		commands[n] = (struct redis_command){words, 5};
	}
	if (!redis_ask(c, s->o.redis, commands, n, answers))
		return false;
	for (int i = 0; i < n; i++)
		if (answers[i].kind == REDIS_ERROR)
			return redis_failed(c, &answers[i]);
	return true;
}

static bool stage(struct call *c, struct store_redis *s, struct ending *e)
{
	bool ok = true;
	int at = 0;

	while (ok && at < e->r->nparts) {
		ok = stage_piece(c, s, e, &at);
		let_go(e);
	}
	return ok;
}

/* What was written of an attempt that did not end the statement. Where this is lost, their time to live is short. */
static void unstage(struct call *c, struct store_redis *s, const struct ending *e)
{
	struct str *words = ARENA_ARRAY(c->arena, struct str, UNLINK_KEYS + 1);

	words[0] = S("UNLINK");
	for (int at = 0; at < e->r->nparts;) {
		int n = 1;

		while (n <= UNLINK_KEYS && at < e->r->nparts)
			words[n++] = staged_key(c, s, e, at++);
		redis_post(s->o.redis, (struct redis_command){words, n});
	}
}

static bool few(const struct stmt_record *r)
{
	return r->nparts <= INLINE_PARTS && stored_bytes(r) <= INLINE_BYTES;
}

/* --- the script --- */

static void end_keys(struct call *c, struct store_redis *s, struct script_args *a, const struct stmt_record *r)
{
	args_key(a, statement_key(c, s, r->tenant, r->handle));
	args_key(a, tenant_key(c, s, r->tenant, "index"));
	args_key(a, tenant_key(c, s, r->tenant, "ended"));
	args_key(a, prefixed(c, s, "tenants"));
	args_key(a, owner_key(c, s, r->owner, ""));
	args_session(c, s, a, r);
}

static int64_t at_least_one(int64_t ms)
{
	return ms > 0 ? ms : 1;
}

static void end_args(struct call *c, struct store_redis *s, struct script_args *a, const struct ending *e, bool all)
{
	const struct stmt_record *r = e->r;
	int64_t left = r->expires_ms - clock_wall_ms();

	args_text(a, r->handle);
	args_text(a, r->tenant);
	args_text(a, r->owner);
	args_int(c, a, r->expires_ms);
	args_int(c, a, at_least_one(left + s->o.tombstone_ms));
	args_int(c, a, at_least_one(left + RESULT_SLACK_MS));
	args_text(a, tenant_key(c, s, r->tenant, ""));
	args_text(a, JOIN(c, S("staged:"), id_str(&e->stage), S(":")));
	args_int(c, a, e->staged ? r->nparts : 0);
	args_int(c, a, e->staged ? 0 : r->nparts);
	args_text(a, s->prefix);
	args_int(c, a, all);
	args_int(c, a, r->detached);
	args_int(c, a, e->only_lost);
	args_text(a, s->owner);
	args_text(a, S(""));
	INVARIANT(a->nargs == FIXED_ARGS);
	hash_end(c, a, r, all);
	a->args[WORDS_AT] = arena_fmt(c->arena, "%d", a->nargs - FIXED_ARGS);
}

static bool parts(struct call *c, struct script_args *a, struct ending *e)
{
	for (int i = 0; i < e->r->nparts; i++) {
		struct str part;

		if (!gzipped(c, e, i, &part))
			return false;
		args_text(a, part);
	}
	return true;
}

static bool end_script(struct call *c, struct store_redis *s, struct ending *e, bool all, struct str *ret)
{
	struct script_args a;
	bool ok;

	args_open(&a);
	end_keys(c, s, &a, e->r);
	end_args(c, s, &a, e, all);
	ok = (e->staged || parts(c, &a, e)) && store_redis_word(c, s, SCRIPT_END, &a, ret);
	let_go(e);
	return ok;
}

/* A result that travels along, and nothing that is not always there. An end without one has a way of its own through a full Redis. */
static bool usual(const struct store_redis *s, const struct ending *e)
{
	const struct stmt_record *r = e->r;

	return r->nparts && !e->staged && !e->only_lost && !r->error && r->started_ms && r->completed_ms && str_eq(r->owner, s->owner);
}

static bool finish_script(struct call *c, struct store_redis *s, struct ending *e, struct str *ret)
{
	const struct stmt_record *r = e->r;
	int64_t left = r->expires_ms - clock_wall_ms();
	struct script_args a;
	bool ok;

	args_open(&a);
	args_key(&a, statement_key(c, s, r->tenant, r->handle));
	args_key(&a, tenant_key(c, s, r->tenant, "ended"));
	args_key(&a, owner_key(c, s, r->owner, ":running"));
	args_key(&a, prefixed(c, s, "owners"));
	if (r->session_id.n) {
		args_key(&a, session_key(c, s, r->tenant, r->session_id, "live"));
		args_key(&a, session_key(c, s, r->tenant, r->session_id, "statements"));
	}
	args_text(&a, r->handle);
	args_text(&a, JOIN(c, r->tenant, S(" "), r->handle));
	args_int(c, &a, r->expires_ms);
	args_int(c, &a, at_least_one(left + s->o.tombstone_ms));
	args_int(c, &a, at_least_one(left + RESULT_SLACK_MS));
	args_text(&a, s->owner);
	args_int(c, &a, r->detached);
	hash_finish(c, &a, r);
	ok = parts(c, &a, e) && store_redis_word(c, s, SCRIPT_FINISH, &a, ret);
	let_go(e);
	return ok;
}

static bool end_refused(struct call *c, struct str word, const struct stmt_record *r)
{
	if (str_eq(word, S("lost")))
		return fail(c, ERR_UNAVAILABLE, "Redis lost partitions of statement %.*s before it ended", SARG(r->handle));
	if (str_eq(word, S("damaged")))
		return fail(c, ERR_STORAGE, "the record of statement %.*s in Redis is damaged", SARG(r->handle));
	if (str_eq(word, S("alive")))
		return fail(c, ERR_CONFLICT, "the server that runs statement %.*s lives", SARG(r->handle));
	return fail(c, ERR_CONFLICT, "statement %.*s %s", SARG(r->handle),
		    str_eq(word, S("gone")) ? "was dropped" : "has ended already");
}

/* The whole record is sent only where Redis does not have it. */
static bool end_once(struct call *c, struct store_redis *s, struct ending *e)
{
	struct str word = S("other");

	if (usual(s, e) && !finish_script(c, s, e, &word))
		return false;
	if (str_eq(word, S("other")) && !end_script(c, s, e, false, &word))
		return false;
	if (str_eq(word, S("absent")) && !end_script(c, s, e, true, &word))
		return false;
	return str_eq(word, S("ok")) || end_refused(c, word, e->r);
}

/* A Redis without room says so in words only. */
static bool is_full(const struct call *c)
{
	return c->err.kind == ERR_UNAVAILABLE && str_search(str_of(c->err.text), S("OOM")) < strlen(c->err.text);
}

static bool full(struct call *c, const struct stmt_record *r)
{
	call_forgive(c);
	return fail(c, ERR_QUOTA, "Redis has no room for the result of statement %.*s", SARG(r->handle));
}

static bool attempt(struct call *c, struct store_redis *s, struct ending *e)
{
	if ((!e->staged || stage(c, s, e)) && end_once(c, s, e))
		return true;
	if (e->staged)
		unstage(c, s, e);
	return is_full(c) && full(c, e->r);
}

bool store_redis_end(struct call *c, struct stmt_store *st, const struct stmt_record *r, stmt_bytes_fn *bytes, void *arg)
{
	struct ending e = {.r = r, .bytes = bytes, .arg = arg, .staged = !few(r)};

	e.stage = id_v4();
	return attempt(c, store_redis_of(st), &e);
}

bool store_redis_lost(struct call *c, struct store_redis *s, const struct stmt_record *r)
{
	struct stmt_error error = {
		.kind = ERR_SERVER_LOST, .text = S("the server that ran the statement ended before it did"),
		.snowflake = S("The statement ended because the server that ran it ended."), .sqlstate = "XX000", .native = "000603",
	};
	struct stmt_record failed = *r;
	struct ending e = {.r = &failed, .only_lost = true};

	failed.state = STMT_FAILED;
	failed.error = &error;
	failed.completed_ms = clock_wall_ms();
	failed.expires_ms = failed.completed_ms + r->ttl_ms;
	failed.nparts = 0;
	failed.rows = failed.row_bytes = 0;
	if (!attempt(c, s, &e))
		return false;
	if (s->o.lost)
		s->o.lost(s->o.arg, c, &failed);
	return true;
}
