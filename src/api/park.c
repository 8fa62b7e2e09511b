/* park.c - requests that wait for something under way, and references that calls hold. */
#include "api/api_int.h"

bool api_goes_to_pool(const struct api *a, const struct http_req *in, const struct http_res *out)
{
	return !http_is_on_pool(out) && (a->redis || statements_block(a->statements) || http_body(in).n > API_LARGE_BODY);
}

static void unref(void *arg)
{
	statement_unref(arg);
}

void api_hold(struct call *c, struct stmt *st)
{
	arena_defer(c->arena, unref, st);
}

bool api_find(struct call *c, struct api *a, const struct http_req *in, struct stmt **ret)
{
	if (!statement_find(c, a->statements, http_param(in, 0), ret))
		return false;
	api_hold(c, *ret);
	return true;
}

static void wake(void *arg)
{
	http_wake(arg);
}

static void drop(void *arg)
{
	http_unref(arg);
}

void api_wake_by(struct stmt *st, struct http_park *park, bool on_change)
{
	statement_watch(st, &(struct watch){.fn = wake, .drop = drop, .arg = park, .on_change = on_change});
}

/* --- what can be waited for --- */

static void watch_statement(void *what, const struct watch *w)
{
	statement_watch(what, w);
}

static void unwatch_statement(void *what, const void *arg)
{
	statement_unwatch(what, arg);
}

static void cancel_statement(void *what)
{
	statement_cancel_soon(what);
}

static void watch_session(void *what, const struct watch *w)
{
	session_op_watch(what, w);
}

static void unwatch_session(void *what, const void *arg)
{
	session_op_unwatch(what, arg);
}

static void unref_session(void *what)
{
	session_op_unref(what);
}

static const struct api_waitable statements = {watch_statement, unwatch_statement, NULL, cancel_statement},
				 session_ops = {watch_session, unwatch_session, unref_session, NULL};

/* --- waiting --- */

struct waiting { /* what http_kept() has */
	const struct api_waitable *kind; /* NULL: a note alone */
	void *what;
	struct http_park *park;
	void *note;
};

/* When the call ends, answered or left. */
static void stop_waiting(void *arg)
{
	struct waiting *w = arg;

	w->kind->unwatch(w->what, w->park);
	if (w->kind->unref)
		w->kind->unref(w->what);
}

bool api_wait_for(struct call *c, struct http_res *out, const struct api_wait *ask)
{
	struct waiting *w = ARENA_NEW(c->arena, struct waiting);

	*w = (struct waiting){ask->kind, ask->what, http_park(out, ask->wait_ms), ask->note};
	http_keep(out, w);
	arena_defer(c->arena, stop_waiting, w);
	if (ask->cancel_on_leave)
		http_on_leave(w->park, w->kind->cancel, w->what);
	w->kind->watch(w->what, &(struct watch){.fn = wake, .drop = drop, .arg = w->park});
	return true;
}

bool api_wait_end(struct call *c, struct http_res *out, struct stmt *st, int64_t wait_ms, bool cancel_on_leave)
{
	return api_wait_for(c, out, &(struct api_wait){&statements, st, st, wait_ms, cancel_on_leave});
}

bool api_wait_op(struct call *c, struct http_res *out, struct session_op *op, void *note)
{
	return api_wait_for(c, out, &(struct api_wait){&session_ops, op, note, -1, false});
}

void api_keep_note(struct call *c, struct http_res *out, void *note)
{
	struct waiting *w = ARENA_NEW(c->arena, struct waiting);

	w->note = note;
	http_keep(out, w);
}

void *api_note(struct http_res *out)
{
	return ((struct waiting *)http_kept(out))->note;
}

/* --- what came of it --- */

void *api_waited(struct call *c, struct http_res *out, const struct api_waitable *kind)
{
	struct waiting *w = http_kept(out);

	INVARIANT(w->kind == kind);
	if (!http_park_gone(w->park))
		return w->what;
	fail(c, ERR_CANCELED, "the client has left"); /* nobody waits for it any more, and it may still run */
	return NULL;
}

bool api_op_result(struct call *c, struct http_res *out, struct session_result *ret)
{
	struct session_op *op = api_waited(c, out, &session_ops);

	return op && session_op_result(c, op, ret);
}
