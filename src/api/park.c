/* park.c - requests that wait for a statement, and references that calls hold. */
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
	statement_watch(st, &(struct stmt_watch){.fn = wake, .drop = drop, .arg = park, .on_change = on_change});
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
