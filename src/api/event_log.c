/* event_log.c - GET /v1/events and /v1/sessions/{id}/events: the log, as a list and live.
 *
 * A live stream is a cursor: it takes what is new from memory, and what is not
 * kept there any more (a slow reader, a resumed one) from the store. The id of
 * an event is the cursor behind it, so Last-Event-ID resumes without gap or
 * duplicate.
 */
#include "api/api_int.h"

#include <stdlib.h>

enum { A_PULL = 100 };

static bool read_filter(struct call *c, struct api *a, const struct http_req *in, struct event_filter *f)
{
	enum event_topic topic;
	struct str name;

	*f = (struct event_filter){.tenant = c->tenant, .topic = -1};
	if (c->role != ROLE_ADMIN)
		f->principal = c->principal;
	http_query(c, in, "event", &f->event);
	http_query(c, in, "session_id", &f->session_id);
	if (!http_query(c, in, "topic", &name))
		return true;
	if (!event_topic_of(a->events, name, &topic))
		return fail(c, ERR_INVALID_FIELD, "topic %.*s is none of this server", SARG(str_head(name, 100)));
	f->topic = (int)topic;
	return true;
}

/* --- the list --- */

static bool write_list(struct call *c, struct api *a, const struct http_req *in, struct http_res *out)
{
	struct event_page page = {0};
	struct event_filter f;
	struct json_out o;

	if (!read_filter(c, a, in, &f) || !api_query_limit(c, in, &page.limit))
		return false;
	http_query(c, in, "after", &page.cursor);
	if (!events_read(c, a->events, &f, &page))
		return false;
	o = api_begin_list(out);
	for (int i = 0; i < page.n; i++)
		json_put_raw(&o, page.items[i].line);
	json_end_array(&o);
	api_put_next(&o, page.n == page.limit ? page.cursor : S(""));
	JSON_FIELD_TEXT(&o, "cursor", page.cursor);
	JSON_FIELD_INT(&o, "lost", page.lost);
	json_end_object(&o);
	return true;
}

/* --- live --- */

struct tail {
	struct events *events;
	struct event_filter filter;
	struct event_watcher *watcher;
	struct http_park *park;
	struct session *session;  /* NULL, or the one whose events these are */
	struct buf cursor, names; /* names: the texts of the filter */
	bool from_store;          /* memory does not have what comes next */
	bool over;
};

static void on_news(void *arg)
{
	http_wake(arg);
}

static void close_tail(void *self)
{
	struct tail *t = self;

	events_unwatch(t->events, t->watcher);
	if (t->session)
		session_let_go(t->session);
	session_unref(t->session);
	http_unref(t->park);
	buf_drop(&t->cursor);
	buf_drop(&t->names);
	free(t);
}

/* The last event that a session has. */
static bool is_last(struct call *c, const struct tail *t, const struct event_item *item)
{
	const json_node *payload;
	struct str event = {0};

	if (!t->session || item->topic != EVENT_SESSION_LIFECYCLE)
		return false;
	if (!json_read_object(c, item->payload, &payload) || !json_want_text(c, payload, "event", &event))
		call_forgive(c);
	return str_eq(event, S("closed")) || str_eq(event, S("timed_out"));
}

static void put_items(struct call *c, struct tail *t, const struct event_page *page, struct buf *into)
{
	for (int i = 0; i < page->n && !t->over; i++) {
		http_sse_event(into, page->items[i].cursor, S(""), page->items[i].line);
		t->over = is_last(c, t, &page->items[i]);
	}
}

static void put_gap(struct buf *into, const char *reason, int64_t lost)
{
	OWNS(buf) data = {0};

	buf_fmt(&data, "{\"reason\":\"%s\",\"lost\":%lld}", reason, (long long)lost);
	http_sse_event(into, S(""), S("gap"), buf_str(&data));
}

static bool read_more(struct call *c, struct tail *t, struct buf *into)
{
	struct event_page page = {.cursor = buf_str(&t->cursor), .limit = A_PULL};

	if (!t->from_store && !events_recent(c, t->events, &t->filter, &page)) {
		call_forgive(c);
		if (!page.elsewhere)
			put_gap(into, "slow", 0);
		t->from_store = true;
	}
	if (t->from_store) {
		if (!events_read(c, t->events, &t->filter, &page))
			return false;
		if (page.lost)
			put_gap(into, "retention", page.lost);
		t->from_store = page.n == A_PULL;
	}
	put_items(c, t, &page, into);
	buf_clear(&t->cursor);
	buf_add(&t->cursor, page.cursor);
	return true;
}

static enum http_more pull_tail(void *self, struct buf *into)
{
	struct tail *t = self;
	OWNS(arena) a = {0};
	struct call c;

	if (t->over)
		return HTTP_END;
	call_open(&c, &a);
	c.tenant = t->filter.tenant;
	if (!read_more(&c, t, into))
		return HTTP_BROKEN;
	return into->n || t->over ? HTTP_MORE : HTTP_WAIT;
}

static struct str keep(struct buf *names, struct str s)
{
	size_t at = names->n;

	buf_add(names, s);
	return s.p ? str_from(names->p + at, s.n) : s;
}

/* Copies of the filter's texts, which outlive the request. */
static void keep_filter(struct tail *t, const struct event_filter *f)
{
	buf_room(&t->names, f->tenant.n + f->event.n + f->session_id.n + f->principal.n + 1);
	t->filter = *f;
	t->filter.tenant = keep(&t->names, f->tenant);
	t->filter.event = keep(&t->names, f->event);
	t->filter.session_id = keep(&t->names, f->session_id);
	t->filter.principal = keep(&t->names, f->principal);
}

/* Begins behind Last-Event-ID or `after`, else where `start` stands. On the pool: cursors are checked. */
static bool begin(struct call *c, struct api *a, const struct http_req *in, struct http_res *out, const struct event_filter *f,
		  struct session *session)
{
	static const struct http_source source = {pull_tail, close_tail, true};
	struct str cursor = http_header(in, "Last-Event-ID");
	bool given = cursor.n || http_query(c, in, "after", &cursor);
	struct event_page checked = {.cursor = cursor, .limit = 1};
	struct tail *t;

	if (given && cursor.n && !events_read(c, a->events, f, &checked))
		return false;
	if (!given && !session && !events_tail(c, a->events, f, &cursor))
		return false;
	t = base_zalloc(sizeof(*t));
	t->events = a->events;
	t->session = session;
	t->from_store = true;
	t->park = http_park_of(out);
	keep_filter(t, f);
	buf_add(&t->cursor, cursor);
	t->watcher = events_watch(a->events, &(struct event_watch){.fn = on_news, .arg = t->park, .filter = t->filter});
	http_stream_sse(out, &source, t);
	return true;
}

static const char json_media[] = "application/json", sse_media[] = "text/event-stream";

bool api_list_events(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const offers[] = {json_media, sse_media, NULL};
	const char *form = http_accept(in, offers);
	struct event_filter f;

	if (!form)
		return fail(c, ERR_NOT_ACCEPTABLE, "events are %s or %s", json_media, sse_media);
	if (!http_is_on_pool(out))
		return http_on_pool(out);
	if (form == json_media)
		return write_list(c, rooms, in, out);
	return read_filter(c, rooms, in, &f) && begin(c, rooms, in, out, &f, NULL);
}

/* From the session's first event to its last, then the stream ends. Holds the session open (close_on_disconnect). */
bool api_session_events(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct event_filter f;
	struct session *se;

	if (!read_filter(c, a, in, &f) || !session_find(c, a->sessions, http_param(in, 0), &se))
		return false;
	f.session_id = arena_dup(c->arena, http_param(in, 0));
	session_hold(se);
	if (begin(c, a, in, out, &f, se))
		return true;
	session_let_go(se);
	session_unref(se);
	return false;
}
