/* submit.c - a new statement: its place, its record, its key, the engine. */
#include "statement/kept.h"

#include <stdlib.h>

static struct stmt *stmt_new(struct call *c, struct statements *s, const struct stmt_ask *ask)
{
	const struct id id = id_ordered();
	const struct stmt_texts texts = {id_str(&id), ask->sql, c->principal, ask->scope.session_id, ask->parameters.query_tag};
	int64_t ttl = ask->ttl_seconds < 0 ? s->o.default_ttl_s : ask->ttl_seconds;
	struct stmt *st = stmt_alloc(s, &texts);

	st->run = base_zalloc(sizeof(*st->run) + c->request_id.n);
	st->run->timeout_ms = ask->timeout_ms;
	st->run->created_mono_ms = clock_mono_ms();
	st->run->request_n = (uint32_t)c->request_id.n;
	if (c->request_id.n)
		memcpy(st->run->request, c->request_id.p, c->request_id.n);
	st->snowflake = ask->snowflake;
	st->null_text = ask->null_text;
	st->created_ms = clock_wall_ms();
	st->ttl_s = (int32_t)(ttl > s->o.max_ttl_s ? s->o.max_ttl_s : ttl);
	st->detached = ask->scope.detached;
	return st;
}

static void enter(struct stmt *st, int64_t timeout_ms)
{
	struct statements *s = st->room;

	stmt_enter(st);
	atomic_fetch_add(&s->active, 1);
	atomic_fetch_add(&s->submitted, 1);
	if (timeout_ms)
		stmt_due(st, st->run->created_mono_ms + timeout_ms);
}

/* --- idempotency: (tenant, principal, requestId) -> handle, as long as the statement --- */

static struct str request_key(struct call *c, struct str request_id)
{
	return arena_fmt(c->arena, "stmt/%.*s/%zu/%.*s/%.*s", SARG(c->tenant), c->principal.n, SARG(c->principal), SARG(request_id));
}

/* Is there nobody to ask for the keys of all servers, and does this one go on alone? */
static bool alone(struct call *c, const struct statements *s)
{
	return c->err.kind == ERR_UNAVAILABLE && s->o.degrade && s->o.kv_local;
}

static bool get_key(struct call *c, struct statements *s, struct str key, struct kv_record *ret)
{
	if (kv_get(c, s->o.kv, key, ret))
		return true;
	if (!alone(c, s) && !(c->err.kind == ERR_NOT_FOUND && s->o.degrade && s->o.kv_local))
		return false;
	call_forgive(c);
	return kv_get(c, s->o.kv_local, key, ret); /* a key that was claimed while there was nobody */
}

static bool unknown(const struct call *c)
{
	return c->err.kind == ERR_NOT_FOUND || c->err.kind == ERR_RESULT_EXPIRED;
}

enum former { FORMER_NONE, FORMER_FOUND, FORMER_FAILED };

/* The statement that has the key of the request. FORMER_NONE with ret_version: the key names one that is gone. */
static enum former find_former(struct call *c, struct statements *s, const struct stmt_ask *ask, struct stmt **ret,
			       uint64_t *ret_version)
{
	struct kv_record r = {.version = KV_ABSENT};

	*ret_version = KV_ABSENT;
	if (!ask->retry || !ask->request_id.n)
		return FORMER_NONE;
	if (get_key(c, s, request_key(c, ask->request_id), &r) && statement_find(c, s, r.value, ret))
		return FORMER_FOUND;
	if (!unknown(c))
		return FORMER_FAILED;
	call_forgive(c);
	*ret_version = r.version;
	return FORMER_NONE;
}

static bool put_key(struct call *c, struct stmt *st, const struct stmt_ask *ask, uint64_t expected)
{
	struct statements *s = st->room;
	int64_t ttl = TOMBSTONE_MS + s->o.max_ttl_s * 1000;
	struct str key = request_key(c, ask->request_id);

	if (!ask->retry)
		expected = KV_ANY;
	if (kv_put(c, s->o.kv, key, stmt_handle(st), expected, ttl))
		return true;
	if (!alone(c, s))
		return false;
	call_forgive(c);
	return kv_put(c, s->o.kv_local, key, stmt_handle(st), expected, ttl);
}

/* Claims the key for `st`. FORMER_FOUND: another submit with retry=true was first; *ret is its statement. */
static enum former claim_request(struct call *c, struct stmt *st, const struct stmt_ask *ask, struct stmt **ret)
{
	uint64_t version = KV_ABSENT;
	enum former former;

	if (!ask->request_id.n)
		return FORMER_NONE;
	for (int tries = 0; tries < 3; tries++) {
		if (put_key(c, st, ask, version))
			return FORMER_NONE;
		if (c->err.kind == ERR_UNAVAILABLE)
			return FORMER_FAILED;
		if (c->err.kind != ERR_CONFLICT)
			break;
		call_forgive(c);
		former = find_former(c, st->room, ask, ret, &version);
		if (former != FORMER_NONE)
			return former;
	}
	call_forgive(c); /* a full table of keys costs idempotency, not the statement */
	return FORMER_NONE;
}

/* --- submitting --- */

void stmt_keep_task(struct stmt *st, struct engine_task *task)
{
	struct engine_task *former = NULL;
	bool ended;

	stmt_lock(st);
	ended = stmt_over(st) || !st->run;
	if (!ended) {
		former = st->run->task;
		st->run->task = task;
	}
	stmt_unlock(st);
	if (former)
		engine_task_unref(former);
	if (!ended)
		return;
	engine_cancel(task);
	engine_task_unref(task);
}

static bool give_to_engine(struct call *c, struct stmt *st, struct compiled *k)
{
	struct engine_task *task;

	stmt_shape_plan(st, k);
	stmt_ref(st); /* the engine's, until ended() */
	if (!engine_run(c, st->room->o.engine, &k->ask, &stmt_listener, st, &task)) {
		statement_unref(st);
		return false;
	}
	stmt_keep_task(st, task);
	return true;
}

static void engine_limits_of(const struct statements *s, struct engine_ask *ask)
{
	ask->max_result_bytes = s->o.max_result_bytes;
	ask->max_part_rows = s->o.max_part_rows;
	ask->first_part_bytes = s->o.whole_first ? INLINE_RESULT_BYTES : FIRST_PART_BYTES;
	ask->first_part_whole = s->o.whole_first;
	ask->context.create_missing = s->o.create_missing;
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

/* A block of Snowflake Scripting: its `;` separate no statements. */
static bool is_block(const struct stmt_text *text)
{
	const struct sql_tokens *t = text->tokens;
	int from = text->spans[0].from;

	if (sql_is(t, from, "declare"))
		return true;
	return sql_is(t, from, "begin") && text->spans[0].to > from + 1 && !sql_is(t, from + 1, "transaction") &&
	       !sql_is(t, from + 1, "work") && !sql_is(t, from + 1, "name");
}

static bool no_blocks(struct call *c, const struct stmt_ask *ask, const struct stmt_text *text)
{
	if (!ask->snowflake || !is_block(text))
		return true;
	fail(c, ERR_SQL, "Unsupported feature 'Snowflake Scripting'.");
	return fail_state(c, "0A000", "000002");
}

static bool count_is_right(struct call *c, const struct stmt_ask *ask, int n)
{
	if (!ask->snowflake && n > 1) {
		fail(c, ERR_SQL, "one statement is expected, %d were given", n);
		return fail_state(c, "42601", "000008");
	}
	if (!ask->snowflake || !ask->statements || ask->statements == n)
		return true;
	fail(c, ERR_SQL, "Actual statement count %d did not match the desired statement count %lld.", n, (long long)ask->statements);
	return fail_state(c, "0A000", "000008");
}

static void set_kind(struct stmt *st, enum sql_kind kind)
{
	stmt_lock(st);
	st->kind = (uint8_t)kind;
	stmt_unlock(st);
}

/* False: it did not begin, and the call says why. */
static bool run(struct call *c, struct stmt *st, struct compiled *k)
{
	if (k->at_once) {
		stmt_shape_plan(st, k);
		stmt_succeed_at_once(st);
		return true;
	}
	engine_limits_of(st->room, &k->ask);
	return give_to_engine(c, st, k);
}

static bool run_one(struct call *c, struct stmt *st, const struct stmt_ask *ask, const struct stmt_text *text)
{
	const struct stmt_world world = stmt_world_of(ask);
	struct compiled k;
	bool compiled = stmt_compile(c, ask, &world, text, &k);

	set_kind(st, k.class.kind);
	return compiled && (stmt_cache_answers(c, st, ask, &k) || run(c, st, &k));
}

static bool begin(struct call *c, struct stmt *st, const struct stmt_ask *ask)
{
	struct sql_tokens tokens;
	struct stmt_text text;

	if (ask->refused)
		return fail_as(c, ask->refused);
	if (!stmt_lex(c, ask, &tokens, &text) || !no_blocks(c, ask, &text) || !count_is_right(c, ask, text.n))
		return false;
	return text.n > 1 ? stmt_multi_start(c, st, ask, &text) : run_one(c, st, ask, &text);
}

static bool start(struct call *c, struct stmt *st, const struct stmt_ask *ask)
{
	if (begin(c, st, ask))
		return true;
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
	stmt_clear_if_forgotten(st);
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

static void place_in_stores(struct call *c, struct stmt *st, const struct stmt_ask *ask)
{
	if (st->room->keeping)
		stmt_keep(st, &(struct stmt_place){.scope = &ask->scope,
						   .request = c->request_id, .claim = ask->request_id.n ? request_key(c, ask->request_id) : S("")});
}

/* One that has failed at once is recorded when the caller hears of it, where the stores can be reached. */
static void record_early_end(struct stmt *st)
{
	bool over;

	stmt_lock(st);
	over = stmt_over(st);
	stmt_unlock(st);
	if (!over || !st->kept)
		return;
	stmt_write_begin(st);
	stmt_write_done(st);
}

bool statement_submit(struct call *c, struct statements *s, const struct stmt_ask *ask, struct stmt **ret)
{
	struct stmt *st, *found = NULL;
	uint64_t version;
	enum former former = find_former(c, s, ask, &found, &version);

	if (former == FORMER_FOUND)
		*ret = found;
	if (former != FORMER_NONE)
		return former == FORMER_FOUND;
	st = stmt_new(c, s, ask);
	place_in_stores(c, st, ask);
	if (!stmt_take_place(c, st)) {
		statement_unref(st);
		return false;
	}
	enter(st, ask->timeout_ms);
	if (!join_session(c, st, &ask->scope) || (st->kept && !stmt_add(c, st)))
		return withdraw(c, st);
	former = claim_request(c, st, ask, &found);
	if (former == FORMER_FAILED || (former == FORMER_NONE && !start(c, st, ask)))
		return withdraw(c, st);
	if (former == FORMER_FOUND)
		withdraw(c, st);
	else
		record_early_end(st);
	*ret = former == FORMER_FOUND ? found : st;
	return true;
}

/* --- statements of a script --- */

bool stmt_child_new(struct call *c, struct stmt *parent, const struct stmt_ask *ask, struct stmt **ret)
{
	struct statements *s = parent->room;
	struct stmt *st = stmt_new(c, s, ask);

	place_in_stores(c, st, ask);
	if (!stmt_take_place(c, st)) {
		statement_unref(st);
		return false;
	}
	enter(st, 0);
	if (ask->scope.owner && !lease_own_beside(s->o.lifecycle, &parent->lease, &st->lease)) {
		fail(c, ERR_SESSION_CLOSED, "the session of the script has ended");
		return withdraw(c, st);
	}
	stmt_clear_if_forgotten(st);
	if (st->kept && !stmt_add(c, st))
		return withdraw(c, st);
	*ret = st;
	return true;
}

void stmt_child_start(struct call *c, struct stmt *st, struct compiled *k, bool compiled)
{
	set_kind(st, k->class.kind);
	if (compiled && run(c, st, k))
		return;
	stmt_end(st, STMT_FAILED, stmt_error_of_call(c));
	call_forgive(c);
}
