/* park.c - the handle by which other threads wake a request.
 *
 * It outlives the request: whoever holds a reference may wake it at any time,
 * and nothing happens when the request is over.
 */
#include "http/http_int.h"

struct http_park {
	struct http_item item;
	atomic_int refs;
	atomic_bool queued;  /* the item is on its way to the loop */
	atomic_bool wake, go; /* what it brings */
	atomic_bool gone;
	struct http_loop *loop;
	struct http_req *req; /* the loop's; NULL when over */
	void (*leave)(void *);
	void *leave_arg;
};

static void on_item(struct http_item *it)
{
	struct http_park *p = CONTAINER_OF(it, struct http_park, item);

	atomic_store(&p->queued, false);
	if (atomic_exchange(&p->go, false) && p->req)
		http_upload_resume(p->req);
	if (atomic_exchange(&p->wake, false) && p->req)
		http_req_woken(p->req);
	http_unref(p);
}

static struct http_park *new_park(struct http_req *r)
{
	struct http_park *p = base_zalloc(sizeof(*p));

	p->item.fn = on_item;
	atomic_init(&p->refs, 1); /* the request's */
	p->loop = r->loop;
	p->req = r;
	return p;
}

struct http_park *http_park_of(struct http_res *out)
{
	struct http_req *r = CONTAINER_OF(out, struct http_req, res);

	if (!r->park)
		r->park = new_park(r);
	atomic_fetch_add(&r->park->refs, 1);
	return r->park;
}

struct http_park *http_park(struct http_res *out, int64_t wait_ms)
{
	out->want_park = true;
	out->wait_ms = wait_ms;
	return http_park_of(out);
}

static void bring(struct http_park *p, atomic_bool *what)
{
	if (atomic_load_explicit(&p->gone, memory_order_acquire))
		return;
	atomic_store(what, true);
	if (atomic_exchange(&p->queued, true))
		return;
	atomic_fetch_add(&p->refs, 1);
	http_loop_push(p->loop, &p->item);
}

void http_wake(struct http_park *p)
{
	bring(p, &p->wake);
}

void http_upload_go(struct http_park *p)
{
	bring(p, &p->go);
}

bool http_park_gone(struct http_park *p)
{
	return atomic_load_explicit(&p->gone, memory_order_acquire);
}

void http_unref(struct http_park *p)
{
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		free(p);
}

void http_on_leave(struct http_park *p, void (*fn)(void *), void *arg)
{
	p->leave = fn;
	p->leave_arg = arg;
}

void http_park_leave(struct http_req *r)
{
	struct http_park *p = r->park;

	if (!p)
		return;
	atomic_store(&p->gone, true);
	if (p->leave)
		p->leave(p->leave_arg);
	p->leave = NULL;
}

void http_park_over(struct http_req *r)
{
	struct http_park *p = r->park;

	if (!p)
		return;
	r->park = NULL;
	atomic_store(&p->gone, true);
	p->req = NULL;
	http_unref(p);
}
