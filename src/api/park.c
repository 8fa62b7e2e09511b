/* park.c - requests that wait for a statement or an operation, and references that calls hold. */
#include "api/api_int.h"

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

struct wait {
	struct stmt *st;
	struct http_park *park;
};

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

/* When the call ends, answered or left. */
static void stop_waiting(void *arg)
{
	struct wait *w = arg;

	statement_unwatch(w->st, w->park);
}

static void cancel(void *arg)
{
	statement_cancel(arg);
}

bool api_wait_end(struct call *c, struct http_res *out, struct stmt *st, int64_t wait_ms, bool cancel_on_leave)
{
	struct wait *w = ARENA_NEW(c->arena, struct wait);

	*w = (struct wait){st, http_park(out, wait_ms)};
	http_keep(out, st);
	arena_defer(c->arena, stop_waiting, w);
	if (cancel_on_leave)
		http_on_leave(w->park, cancel, st);
	api_wake_by(st, w->park, false);
	return true;
}

/* --- operations of sessions --- */

struct op_wait {
	struct session_op *op; /* NULL: something else is waited for */
	struct http_park *park;
	void *note;
};

static void stop_op(void *arg)
{
	struct op_wait *w = arg;

	session_op_unwatch(w->op, w->park);
	session_op_unref(w->op);
}

bool api_wait_op(struct call *c, struct http_res *out, struct session_op *op, void *note)
{
	struct op_wait *w = ARENA_NEW(c->arena, struct op_wait);

	*w = (struct op_wait){op, http_park(out, -1), note};
	http_keep(out, w);
	arena_defer(c->arena, stop_op, w);
	session_op_watch(op, &(struct watch){.fn = wake, .drop = drop, .arg = w->park});
	return true;
}

void api_keep_note(struct call *c, struct http_res *out, void *note)
{
	struct op_wait *w = ARENA_NEW(c->arena, struct op_wait);

	w->note = note;
	http_keep(out, w);
}

void *api_op_note(struct http_res *out)
{
	return ((struct op_wait *)http_kept(out))->note;
}

bool api_op_result(struct call *c, struct http_res *out, struct session_result *ret)
{
	struct op_wait *w = http_kept(out);

	if (http_park_gone(w->park)) /* nobody waits for it any more, and it may still run */
		return fail(c, ERR_CANCELED, "the client has left");
	return session_op_result(c, w->op, ret);
}
