/* events_sweep.c - retention: whole segments go, the oldest first.
 *
 * The head says the new first item, durably, before a segment is dropped: what a
 * crash leaves below it is dropped by the next sweep. A stream's newest segment goes
 * for its age only. Mirrors of other servers' streams have no head; while there is a
 * mirror, it sweeps them, since it writes them.
 */
#include "lifecycle/events_int.h"

#include "obs/obs.h"

struct sweep {
	struct events *e;
	int64_t now_ms;
};

static bool too_old(const struct sweep *w, const struct segment *seg)
{
	return w->e->retention_ms && seg->changed_ms + w->e->retention_ms < w->now_ms;
}

/* How many of the oldest segments are not kept. */
static size_t excess(const struct sweep *w, const struct stored *s)
{
	int64_t bytes = 0;
	size_t n = 0;

	for (size_t i = 0; i < s->nsegments; i++)
		bytes += s->segments[i].bytes;
	while (n < s->nsegments && too_old(w, &s->segments[n]))
		bytes -= s->segments[n++].bytes;
	while (w->e->retention_bytes && n + 1 < s->nsegments && bytes > w->e->retention_bytes)
		bytes -= s->segments[n++].bytes;
	return n;
}

/* The head without the first n segments. */
static bool move_first(struct call *c, struct stream *st, struct tip *t, const struct stored *s, size_t n)
{
	bool all = n == s->nsegments;

	if (!all && t->head.first >= s->segments[n].first)
		return true; /* only left-overs */
	if (all) {
		t->head.first = t->head.next;
		memcpy(t->head.first_prev, t->head.hash, sizeof(t->head.hash));
		t->segment = t->head.next;
		t->segment_bytes = 0;
	} else {
		if (!segment_prev(c, st->e->store, s, n, t->head.first_prev))
			return false;
		t->head.first = s->segments[n].first;
	}
	t->head.closed = !t->opened;
	return head_write(c, st, t, true);
}

static bool drop_segments(struct call *c, const struct sweep *w, struct stream *st, struct tip *t)
{
	struct store *store = w->e->store;
	struct stored s;
	size_t n;

	if (!stored_one(c, store, st->dir, &s))
		return false;
	n = excess(w, &s);
	while (n < s.nsegments && s.segments[n].first < t->head.first)
		n++;
	if (t->uncut || t->head_uncut || n == 0)
		return true;
	if (!move_first(c, st, t, &s, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!store->ops->drop(c, store, segment_key(c->arena, s.dir, s.segments[i].first)))
			return false;
	}
	return true;
}

/* --- mirrors --- */
bool stored_mirrored(const struct stored *s, struct str server)
{
	return s->server.n && !str_eq(s->server, server) && s->nheads == 0;
}

bool mirrored_sweep(struct call *c, struct events *e, const struct stored *s, size_t *ret)
{
	struct sweep w = {e, clock_wall_ms()};
	size_t n = excess(&w, s);

	for (size_t i = 0; i < n; i++) {
		if (!e->store->ops->drop(c, e->store, segment_key(c->arena, s->dir, s->segments[i].first)))
			return false;
	}
	*ret = n;
	return true;
}

/* held */
static bool sweep_stream(struct call *c, const struct sweep *w, struct stream *st)
{
	struct events *e = w->e;
	struct tip t;
	bool ok;

	if (!stream_load(c, st))
		return false;
	stream_seize(st);
	t = st->tip;
	pthread_mutex_unlock(&e->lock);
	ok = drop_segments(c, w, st, &t);
	pthread_mutex_lock(&e->lock);
	st->tip = t;
	stream_release(st);
	return ok;
}

static void sweep_tenant(struct call *c, const struct sweep *w, enum event_topic t, struct str tenant)
{
	struct stream *st;

	pthread_mutex_lock(&w->e->lock);
	if (stream_get(c, w->e, t, tenant, &st)) {
		if (!sweep_stream(c, w, st))
			obs_log(OBS_WARN, "events", "%.*s: retention: %s", SARG(st->dir), c->err.text);
		stream_put(st);
	}
	pthread_mutex_unlock(&w->e->lock);
}

/* Only streams that look as if something goes are opened. */
static bool sweep_one(void *arg, struct call *c, const struct stored *s)
{
	struct sweep *w = arg;
	struct arena a = {0};
	struct call k = *c;
	size_t n;

	k.arena = &a;
	if (!w->e->mirror && stored_mirrored(s, w->e->server) && !mirrored_sweep(&k, w->e, s, &n))
		obs_log(OBS_WARN, "events", "%.*s: retention: %s", SARG(s->dir), k.err.text);
	for (int t = 0; t < EVENT_TOPICS; t++) {
		if (str_eq(s->server, w->e->server) && str_eq(s->topic, event_topic_ids[t]) && excess(w, s))
			sweep_tenant(&k, w, (enum event_topic)t, s->tenant);
	}
	arena_close(&a);
	return true;
}

void events_sweep(struct events *e)
{
	struct sweep w = {e, clock_wall_ms()};
	struct arena a = {0};
	struct call c;

	call_open(&c, &a);
	if ((e->retention_ms || e->retention_bytes) && !stored_each(&c, e->store, S("events/"), sweep_one, &w))
		obs_log(OBS_WARN, "events", "retention: %s", c.err.text);
	arena_close(&a);
}
