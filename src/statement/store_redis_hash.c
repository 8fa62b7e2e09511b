/* store_redis_hash.c - a statement's hash in Redis, and the record that it is.
 *
 * What is read may have been written by anybody: tenant and handle must be those
 * that were asked for, and all else must fit together, or this statement's
 * record is damaged (ERR_STORAGE). Pure functions, any thread.
 */
#include "statement/store_redis_int.h"

static const struct str fields[FIELDS] = {
	[F_HANDLE] = S_INIT("handle"), [F_TENANT] = S_INIT("tenant"), [F_PRINCIPAL] = S_INIT("principal"),
	[F_SESSION] = S_INIT("session_id"), [F_OWNER] = S_INIT("owner"), [F_STATUS] = S_INIT("status"),
	[F_CREATED] = S_INIT("created_at"), [F_STARTED] = S_INIT("started_at"), [F_COMPLETED] = S_INIT("completed_at"),
	[F_EXPIRES] = S_INIT("expires_at"), [F_ROWS] = S_INIT("result_row_count"), [F_GONE] = S_INIT("gone"),
	[F_GRANTS] = S_INIT("grants"), [F_SQL] = S_INIT("sql"), [F_METADATA] = S_INIT("result_metadata"),
};

struct redis_command hash_command(struct call *c, struct str key, enum field to)
{
	struct str *words = ARENA_ARRAY(c->arena, struct str, 2 + FIELDS);
	int n = 0;

	words[n++] = S("HMGET");
	words[n++] = key;
	for (int i = 0; i < (int)to; i++)
		words[n++] = fields[i];
	return (struct redis_command){words, n};
}

static bool damaged(struct call *c, const struct stmt_record *r, const char *what)
{
	return fail(c, ERR_STORAGE, "the record of statement %.*s in Redis is damaged: %s", SARG(str_head(r->handle, ID_LEN)), what);
}

/* --- the head --- */

static bool state_of(struct str name, enum stmt_state *ret)
{
	int i = 0;

	while (i < STMT_STATES && !str_eq(name, str_of(stmt_fsm[i].name)))
		i++;
	if (i < STMT_STATES)
		*ret = (enum stmt_state)i;
	return i < STMT_STATES;
}

/* A field that may be absent: then it is 0. */
static bool number(const struct redis_value *v, int64_t *ret)
{
	*ret = 0;
	return v->kind == REDIS_NIL || (str_to_i64(v->text, ret) && *ret >= 0);
}

static bool times_of(struct call *c, const struct redis_value *v, struct stmt_record *r)
{
	if (!number(&v[F_CREATED], &r->created_ms) || !number(&v[F_STARTED], &r->started_ms) ||
	    !number(&v[F_COMPLETED], &r->completed_ms) || !number(&v[F_EXPIRES], &r->expires_ms) || !number(&v[F_ROWS], &r->rows))
		return damaged(c, r, "a number");
	if (fsm_terminal(stmt_fsm, r->state) != (r->expires_ms > 0))
		return damaged(c, r, "its end has no time");
	return true;
}

/* One of `<length>:<principal>`; false when the text is none. */
static bool next_grant(struct str *rest, struct str *ret)
{
	struct str tail = *rest, digits = str_cut(&tail, ':');
	int64_t n;

	if (!tail.p || !str_to_i64(digits, &n) || n < 0 || (size_t)n > tail.n)
		return false;
	*ret = str_head(tail, (size_t)n);
	*rest = str_tail(tail, (size_t)n);
	return true;
}

static bool grants_of(struct call *c, struct str text, struct stmt_record *r)
{
	struct str *v = ARENA_ARRAY(c->arena, struct str, STMT_GRANTS_MAX);
	int n = 0;

	while (text.n)
		if (n == STMT_GRANTS_MAX || !next_grant(&text, &v[n++]))
			return damaged(c, r, "grants");
	r->grants = v;
	r->ngrants = n;
	return true;
}

/* All of them texts or absent? */
static bool texts(struct call *c, const struct redis_value *v, int n, const struct stmt_record *r)
{
	for (int i = 0; i < n; i++)
		if (v[i].kind != REDIS_TEXT && v[i].kind != REDIS_NIL)
			return damaged(c, r, "its shape");
	return true;
}

static bool gone_of(struct str text, enum record_gone *ret)
{
	*ret = str_eq(text, S("expired")) ? RECORD_EXPIRED : RECORD_DROPPED;
	return *ret == RECORD_EXPIRED || str_eq(text, S("dropped"));
}

bool hash_head(struct call *c, const struct stmt_store_key *k, const struct redis_value *a, struct stmt_record *ret,
	       enum record_gone *ret_gone)
{
	struct stmt_record r = {.handle = k->handle};
	const struct redis_value *v = a->items;
	enum record_gone gone = RECORD_THERE;

	if (a->kind == REDIS_ERROR)
		return redis_failed(c, a);
	if (a->kind != REDIS_ARRAY || a->n < F_HEAD)
		return damaged(c, &r, "its shape");
	if (!texts(c, v, F_HEAD, &r))
		return false;
	if (v[F_HANDLE].kind == REDIS_NIL && v[F_STATUS].kind == REDIS_NIL)
		return fail(c, ERR_NOT_FOUND, "no statement %.*s", SARG(str_head(k->handle, ID_LEN)));
	if (!str_eq(v[F_HANDLE].text, k->handle) || !str_eq(v[F_TENANT].text, k->tenant))
		return damaged(c, &r, "it is another statement's");
	r = (struct stmt_record){.handle = v[F_HANDLE].text, .tenant = v[F_TENANT].text, .principal = v[F_PRINCIPAL].text,
				 .session_id = v[F_SESSION].text, .owner = v[F_OWNER].text};
	if (v[F_GONE].kind == REDIS_TEXT && !gone_of(v[F_GONE].text, &gone))
		return damaged(c, &r, "gone");
	if (gone != RECORD_DROPPED && (!state_of(v[F_STATUS].text, &r.state) || !times_of(c, v, &r)))
		return c->err.kind ? false : damaged(c, &r, "status");
	if (!grants_of(c, v[F_GRANTS].text, &r))
		return false;
	*ret = r;
	*ret_gone = gone;
	return true;
}

bool hash_record(struct call *c, const struct stmt_store_key *k, const struct redis_value *a, struct stmt_record *ret,
		 enum record_gone *ret_gone)
{
	struct stmt_record r;
	enum record_gone gone;

	if (!hash_head(c, k, a, &r, &gone))
		return false;
	if (gone == RECORD_THERE) {
		if (a->n != FIELDS || a->items[F_SQL].kind != REDIS_TEXT || a->items[F_METADATA].kind != REDIS_TEXT)
			return damaged(c, &r, "SQL or metadata");
		r.sql = a->items[F_SQL].text;
		if (!stmt_metadata_read(c, a->items[F_METADATA].text, &r))
			return false;
	}
	*ret = r;
	*ret_gone = gone;
	return true;
}

/* --- words for a script --- */

static void put(struct script_args *a, enum field f, struct str value)
{
	args_text(a, fields[f]);
	args_text(a, value);
}

static void put_time(struct call *c, struct script_args *a, enum field f, int64_t ms)
{
	if (!ms)
		return;
	args_text(a, fields[f]);
	args_int(c, a, ms);
}

static struct str metadata_of(struct call *c, const struct stmt_record *r)
{
	OWNS(buf) text = {0};

	stmt_metadata_text(r, &text);
	return arena_dup(c->arena, buf_str(&text));
}

static void put_grants(struct call *c, struct script_args *a, const struct stmt_record *r)
{
	OWNS(buf) text = {0};

	for (int i = 0; i < r->ngrants; i++)
		buf_fmt(&text, "%zu:%.*s", r->grants[i].n, SARG(r->grants[i]));
	put(a, F_GRANTS, arena_dup(c->arena, buf_str(&text)));
}

static void put_optional(struct call *c, struct script_args *a, const struct stmt_record *r)
{
	if (r->principal.n)
		put(a, F_PRINCIPAL, r->principal);
	if (r->session_id.n)
		put(a, F_SESSION, r->session_id);
	if (r->ngrants)
		put_grants(c, a, r);
	put_time(c, a, F_STARTED, r->started_ms);
}

static void put_identity(struct call *c, struct script_args *a, const struct stmt_record *r)
{
	put(a, F_HANDLE, r->handle);
	put(a, F_TENANT, r->tenant);
	put(a, F_OWNER, r->owner);
	put(a, F_SQL, r->sql);
	put_time(c, a, F_CREATED, r->created_ms);
}

void hash_add(struct call *c, struct script_args *a, const struct stmt_record *r)
{
	args_text(a, r->owner);
	args_text(a, r->sql);
	args_int(c, a, r->created_ms);
	args_text(a, str_of(stmt_fsm[r->state].name));
	args_text(a, metadata_of(c, r));
	put_optional(c, a, r);
}

void hash_finish(struct call *c, struct script_args *a, const struct stmt_record *r)
{
	args_text(a, str_of(stmt_fsm[r->state].name));
	args_int(c, a, r->started_ms);
	args_int(c, a, r->completed_ms);
	args_int(c, a, r->rows);
	args_text(a, metadata_of(c, r));
}

static void put_error(struct script_args *a, const struct stmt_error *e)
{
	args_text(a, S("error_message"));
	args_text(a, e->text);
	args_text(a, S("error_code"));
	args_text(a, str_of(err_code(e->kind)));
}

void hash_end(struct call *c, struct script_args *a, const struct stmt_record *r, bool all)
{
	if (all)
		put_identity(c, a, r);
	put(a, F_STATUS, str_of(stmt_fsm[r->state].name));
	if (all)
		put_optional(c, a, r);
	else
		put_time(c, a, F_STARTED, r->started_ms);
	put_time(c, a, F_COMPLETED, r->completed_ms);
	put_time(c, a, F_EXPIRES, r->expires_ms);
	args_text(a, fields[F_ROWS]);
	args_int(c, a, r->rows);
	if (r->nparts != 1) {
		args_text(a, S("parts"));
		args_int(c, a, r->nparts);
	}
	if (r->error)
		put_error(a, r->error);
	put(a, F_METADATA, metadata_of(c, r));
}
