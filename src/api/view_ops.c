/* view_ops.c - requests that wait for an operation of views. */
#include "api/api_int.h"

static void watch_op(void *what, const struct watch *w)
{
	view_op_watch(what, w);
}

static void unwatch_op(void *what, const void *arg)
{
	view_op_unwatch(what, arg);
}

static void unref_op(void *what)
{
	view_op_unref(what);
}

static void cancel_op(void *what)
{
	view_op_cancel(what);
}

static const struct api_waitable view_ops = {watch_op, unwatch_op, unref_op, cancel_op};

bool api_wait_view(struct call *c, struct http_res *out, struct view_op *op, void *note, bool cancel_on_leave)
{
	return api_wait_for(c, out, &(struct api_wait){&view_ops, op, note, -1, cancel_on_leave});
}

bool api_view_result(struct call *c, struct http_res *out, struct view_result *ret)
{
	struct view_op *op = api_waited(c, out, &view_ops);

	return op && view_op_result(c, op, ret);
}
