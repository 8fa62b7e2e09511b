/* loop.c - what an event loop keeps for its connections: clocks, spare
 * requests, and a queue of items from other threads.
 *
 * Clocks are lists in order of their end, looked at a few times a second: a
 * connection costs no timer. Pushing an item is one exchange; only the first
 * of a batch wakes the loop.
 */
#include "http/http_int.h"

#include <libdeflate.h>
#include <stdio.h>
#include <time.h>

enum { SWEEP_MS = 250, SWEEP_LEAST_MS = 10 };

static int64_t clock_ms(const struct http_limits *m, enum http_clock kind)
{
	const int64_t ms[CLOCK_KINDS] = {
		[CLOCK_IDLE] = m->idle_ms, [CLOCK_HEAD] = m->head_ms, [CLOCK_BODY] = m->body_ms,
		[CLOCK_WRITE] = m->write_stall_ms, [CLOCK_LINGER] = HTTP_LINGER_MS, [CLOCK_NONE] = 0,
	};

	return ms[kind];
}

void http_clock_set(struct http_conn *c, enum http_clock kind)
{
	c->clock = kind;
	c->due_ms = (int64_t)uv_now(c->loop->uv) + clock_ms(&c->loop->server->limits, kind);
	if (kind == CLOCK_WRITE)
		c->queued = http_wire_queued(c);
	list_del(&c->link);
	list_add_tail(&c->loop->clocks[kind], &c->link);
}

static void on_sweep(uv_timer_t *t)
{
	struct http_loop *l = t->data;
	int64_t now = (int64_t)uv_now(l->uv);

	for (int kind = 0; kind < CLOCK_NONE; kind++) {
		struct list *head = &l->clocks[kind];

		while (!list_empty(head)) {
			struct http_conn *c = LIST_ITEM(head->next, struct http_conn, link);

			if (c->due_ms > now)
				break;
			http_conn_due(c);
		}
	}
}

static int64_t sweep_ms(const struct http_limits *m)
{
	int64_t ms = SWEEP_MS;

	for (int kind = 0; kind < CLOCK_NONE; kind++)
		if (clock_ms(m, kind) / 4 < ms)
			ms = clock_ms(m, kind) / 4;
	return ms > SWEEP_LEAST_MS ? ms : SWEEP_LEAST_MS;
}

void http_loop_open(struct http_loop *l, struct http_server *s, struct exec_loop *exec)
{
	l->server = s;
	l->exec = exec;
	l->uv = exec_loop_uv(exec);
	for (int i = 0; i < CLOCK_KINDS; i++)
		list_init(&l->clocks[i]);
	list_init(&l->spare);
	list_init(&l->listeners);
	l->read = base_alloc(HTTP_READ_SIZE);
	l->gzip = libdeflate_alloc_compressor(1);
	INVARIANT(l->gzip);
	INVARIANT(uv_timer_init(l->uv, &l->sweep) == 0);
	l->sweep.data = l;
	l->handles = 1;
	uv_timer_start(&l->sweep, on_sweep, (uint64_t)sweep_ms(&s->limits), (uint64_t)sweep_ms(&s->limits));
}

/* --- items --- */

static void run_items(void *loop)
{
	struct http_loop *l = loop;
	struct http_item *newest = atomic_exchange_explicit(&l->items, NULL, memory_order_acq_rel);
	struct http_item *oldest = NULL;

	while (newest) {
		struct http_item *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct http_item *next = oldest->next;

		oldest->fn(oldest);
		oldest = next;
	}
}

void http_loop_push(struct http_loop *l, struct http_item *it)
{
	struct http_item *first = atomic_load_explicit(&l->items, memory_order_relaxed);

	do
		it->next = first;
	while (!atomic_compare_exchange_weak_explicit(&l->items, &first, it, memory_order_acq_rel,
						      memory_order_relaxed));
	if (!first)
		exec_post(l->exec, run_items, l);
}

/* --- the end --- */

static void on_sweep_closed(uv_handle_t *h)
{
	struct http_loop *l = h->data;

	l->handles--;
}

static void on_listener_closed(uv_handle_t *h)
{
	struct http_listener *li = h->data;

	li->loop->handles--;
	free(li);
}

void http_listeners_close(struct http_loop *l)
{
	while (!list_empty(&l->listeners)) {
		struct http_listener *li = LIST_ITEM(list_pop(&l->listeners), struct http_listener, link);

		uv_close(&li->uv.handle, on_listener_closed);
	}
}

static void on_req_closed(uv_handle_t *h)
{
	struct http_req *r = h->data;

	r->loop->handles--;
	buf_drop(&r->body);
	buf_drop(&r->line);
	buf_drop(&r->piece);
	buf_drop(&r->res.fields);
	buf_drop(&r->res.body);
	buf_drop(&r->res.packed);
	arena_close(&r->arena);
	free(r);
}

static void free_req(struct http_req *r)
{
	uv_close((uv_handle_t *)&r->timer, on_req_closed);
}

void http_loop_cut(struct http_loop *l)
{
	for (int i = 0; i < CLOCK_KINDS; i++)
		while (!list_empty(&l->clocks[i]))
			http_conn_close(LIST_ITEM(l->clocks[i].next, struct http_conn, link));
}

void http_loop_close(struct http_loop *l)
{
	run_items(l);
	http_listeners_close(l);
	http_loop_cut(l);
	uv_close((uv_handle_t *)&l->sweep, on_sweep_closed);
	while (l->handles > 0 || atomic_load(&l->connections) > 0) {
		run_items(l); /* requests that were on the pool come back */
		while (!list_empty(&l->spare))
			free_req(LIST_ITEM(list_pop(&l->spare), struct http_req, link));
		uv_run(l->uv, UV_RUN_NOWAIT);
	}
	libdeflate_free_compressor(l->gzip);
	free(l->read);
	free(l->unzip);
}

/* --- requests --- */

static struct http_req *new_req(struct http_loop *l)
{
	struct http_req *r = base_zalloc(sizeof(*r));

	r->loop = l;
	INVARIANT(uv_timer_init(l->uv, &r->timer) == 0);
	r->timer.data = r;
	l->handles++;
	return r;
}

struct http_req *http_req_get(struct http_loop *l)
{
	struct list *spare = list_pop(&l->spare);
	struct http_req *r = spare ? LIST_ITEM(spare, struct http_req, link) : new_req(l);

	if (spare)
		l->nspare--;
	call_open(&r->call, &r->arena);
	return r;
}

static void clear(struct buf *b)
{
	if (b->cap > HTTP_KEEP_BYTES)
		buf_drop(b);
	buf_clear(b);
	b->limit = 0;
}

void http_req_put(struct http_req *r)
{
	struct http_loop *l = r->loop;

	uv_timer_stop(&r->timer);
	http_res_reset(&r->res);
	clear(&r->res.fields);
	clear(&r->res.body);
	clear(&r->res.packed);
	clear(&r->body);
	clear(&r->line);
	clear(&r->piece);
	arena_reset(&r->arena);
	r->conn = NULL;
	r->state = REQ_HEAD;
	r->scan = (struct http_head_scan){0};
	r->chunks = (struct http_chunks){0};
	r->head = r->method = r->target = r->path = r->query = (struct str){0};
	r->nfields = r->nparams = r->nbufs = r->status = 0;
	r->began_ns = 0;
	r->running = NULL;
	r->ok = false;
	r->route = NULL;
	r->node = NULL;
	r->is_head = r->keep_alive = r->gzipped = r->discard = r->expects = false;
	r->woken = r->linger = r->unread = r->some_is_here = r->answered = false;
	INVARIANT(!r->up.sink);
	r->up = (struct http_upload){0};
	if (l->nspare == HTTP_SPARE_REQS) {
		free_req(r);
		return;
	}
	l->nspare++;
	list_add_head(&l->spare, &r->link);
}

/* --- the Date line --- */

struct str http_date(struct http_loop *l)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int64_t now = clock_wall_ms() / 1000;
	time_t t = (time_t)now;
	struct tm tm;

	if (now != l->date_s) {
		l->date_s = now;
		gmtime_r(&t, &tm);
		snprintf(l->date, sizeof(l->date), "Date: %s, %02u %s %04u %02u:%02u:%02u GMT\r\n", days[tm.tm_wday],
			 (unsigned)tm.tm_mday % 100U, months[tm.tm_mon], (unsigned)(tm.tm_year + 1900) % 10000U,
			 (unsigned)tm.tm_hour % 100U, (unsigned)tm.tm_min % 100U, (unsigned)tm.tm_sec % 100U);
	}
	return str_from(l->date, sizeof("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n") - 1);
}
