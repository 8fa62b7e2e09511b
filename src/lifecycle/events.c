/* events.c - the event log: opening, appending, posting, the once-a-second batch.
 *
 * Owns the streams of this server that were used lately. What a stream has in the
 * store is events_write.c's; the locks and waits are here.
 */
#include "lifecycle/events_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { TENANT_MAX = 128, BATCH_MS = 1000, STREAM_POSTED_MAX = EVENT_POSTED_MAX / 4, COMMITS_A_FLUSH = 64, SHUTS_A_FLUSH = 256 };

static const char alias[] = "jammi.audit.session_lifecycle.v1";

const struct str event_topic_ids[EVENT_TOPICS] = {
	[EVENT_SESSION_LIFECYCLE] = S_INIT("session_lifecycle"),
	[EVENT_STATEMENT] = S_INIT("statement"),
	[EVENT_VIEW] = S_INIT("view"),
	[EVENT_JOB] = S_INIT("job"),
};

/* --- names --- */
struct str event_topic_name(struct arena *a, const struct events *e, enum event_topic t)
{
	return arena_fmt(a, "%.*s.audit.%.*s.v1", SARG(e->topic_prefix), SARG(event_topic_ids[t]));
}

bool event_topic_of(const struct events *e, struct str name, enum event_topic *ret)
{
	struct arena a = {0};
	bool found = str_eq(name, str_of(alias));
	enum event_topic t = EVENT_SESSION_LIFECYCLE;

	for (int i = 0; i < EVENT_TOPICS && !found; i++) {
		t = (enum event_topic)i;
		found = str_eq(name, event_topic_name(&a, e, t));
	}
	arena_close(&a);
	if (found)
		*ret = t;
	return found;
}

/* One part of a key, which also needs no escapes in JSON. */
static bool part_valid(struct str s)
{
	return s.n <= TENANT_MAX && str_find(s, '/') == s.n && store_key_valid(s);
}

/* --- streams --- */
static size_t put(char *to, size_t at, struct str s)
{
	memcpy(to + at, s.p, s.n);
	return at + s.n;
}

static struct stream *stream_new(struct events *e, enum event_topic t, struct str tenant)
{
	struct str parts[] = {S("events/"), tenant, S("/"), event_topic_ids[t], S("/"), e->server, S("/")};
	size_t n = 1 + tenant.n, at;
	struct stream *s;
	char *text;

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		n += parts[i].n;
	s = base_zalloc(sizeof(*s) + n);
	text = (char *)(s + 1);
	text[0] = (char)t;
	at = put(text, 1, tenant);
	s->name = str_from(text, at);
	s->tenant = str_tail(s->name, 1);
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		at = put(text, at, parts[i]);
	s->dir = str_from(text + s->name.n, at - s->name.n);
	s->e = e;
	s->topic = t;
	pthread_cond_init(&s->idle, NULL);
	list_init(&s->waiting);
	list_init(&s->recent);
	list_init(&s->foreign);
	map_put(&e->streams, s->name, s);
	return s;
}

static void stream_free(struct stream *s)
{
	recent_forget(s->e, &s->recent);
	map_del(&s->e->streams, s->name);
	list_del(&s->in_use);
	list_del(&s->due);
	pthread_cond_destroy(&s->idle);
	free((char *)s->broken.p);
	free(s);
}

struct stream *stream_find(struct events *e, enum event_topic t, struct str tenant)
{
	char name[1 + TENANT_MAX];

	if (!part_valid(tenant))
		return NULL;
	name[0] = (char)t;
	memcpy(name + 1, tenant.p, tenant.n);
	return map_get(&e->streams, str_from(name, 1 + tenant.n));
}

bool stream_get(struct call *c, struct events *e, enum event_topic t, struct str tenant, struct stream **ret)
{
	struct stream *s = stream_find(e, t, tenant);

	if (!s && !part_valid(tenant))
		return fail(c, ERR_INVALID_TENANT, "%.*s is not a tenant's name", (int)str_head(tenant, 100).n, tenant.p);
	if (!s)
		s = stream_new(e, t, tenant);
	s->refs++;
	list_del(&s->in_use);
	list_add_tail(&e->in_use, &s->in_use);
	*ret = s;
	return true;
}

void stream_put(struct stream *s)
{
	INVARIANT(s->refs > 0);
	s->refs--;
}

void stream_due(struct stream *s)
{
	if (!list_linked(&s->due))
		list_add_tail(&s->e->due, &s->due);
}

/* --- appending --- */

/* A line must stay one: line ends between the tokens of a JSON text are spaces. */
static void one_line(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n' || p[i] == '\r')
			p[i] = ' ';
	}
}

static bool payload_valid(struct str p)
{
	return p.n <= EVENT_PAYLOAD_MAX && str_starts(p, S("{")) && str_ends(p, S("}"));
}

bool event_append(struct call *c, struct events *e, enum event_topic t, struct str tenant, struct str payload)
{
	struct ticket ticket = {.at_ms = clock_wall_ms(), .payload = arena_dup(c->arena, payload)};
	struct stream *s;

	if (!payload_valid(payload))
		return fail(c, ERR_STORAGE, "an event of %zu bytes cannot be kept", payload.n);
	one_line((char *)ticket.payload.p, ticket.payload.n);
	pthread_mutex_lock(&e->lock);
	if (!stream_get(c, e, t, tenant, &s)) {
		pthread_mutex_unlock(&e->lock);
		return false;
	}
	list_add_tail(&s->waiting, &ticket.in_stream);
	while (!ticket.done) {
		if (s->busy)
			pthread_cond_wait(&s->idle, &e->lock);
		else
			stream_commit(s);
	}
	stream_put(s);
	pthread_mutex_unlock(&e->lock);
	return ticket.ok || fail_as(c, &ticket.err);
}

bool event_head(struct call *c, struct events *e, enum event_topic t, struct str tenant, int64_t *ret_offset)
{
	struct stream *s;
	bool ok;

	pthread_mutex_lock(&e->lock);
	ok = stream_get(c, e, t, tenant, &s);
	if (ok) {
		ok = stream_load(c, s);
		if (ok)
			*ret_offset = s->tip.head.next;
		stream_put(s);
	}
	pthread_mutex_unlock(&e->lock);
	return ok;
}

/* --- posting --- */
static void on_batch(void *arg);

static void batch_soon(struct events *e)
{
	if (!e->batch_queued && e->pool)
		e->batch_queued = exec_pool_run(e->pool, on_batch, e);
}

static struct ticket *ticket_new(struct str payload)
{
	struct ticket *t = base_alloc(sizeof(*t) + payload.n);
	char *text = (char *)(t + 1);

	memcpy(text, payload.p, payload.n);
	one_line(text, payload.n);
	*t = (struct ticket){.at_ms = clock_wall_ms(), .payload = str_from(text, payload.n), .posted = true};
	return t;
}

static bool has_room(const struct events *e, const struct stream *s, size_t n)
{
	return s->posted_bytes + n <= STREAM_POSTED_MAX && e->posted_bytes + n <= EVENT_POSTED_MAX;
}

static void post_held(struct stream *s, struct ticket *t)
{
	struct events *e = s->e;

	stream_due(s);
	if (!has_room(e, s, t->payload.n)) {
		s->dropped++;
		e->stats.dropped++;
		free(t);
		return;
	}
	s->posted_bytes += t->payload.n;
	e->posted_bytes += t->payload.n;
	list_add_tail(&s->waiting, &t->in_stream);
	if (s->posted_bytes > STREAM_POSTED_MAX / 2 || e->posted_bytes > EVENT_POSTED_MAX / 2)
		batch_soon(e);
}

void event_post(struct events *e, enum event_topic t, struct str tenant, struct str payload)
{
	struct ticket *ticket = payload_valid(payload) ? ticket_new(payload) : NULL;
	struct arena a = {0};
	struct stream *s;
	struct call c;

	call_open(&c, &a);
	pthread_mutex_lock(&e->lock);
	if (ticket && stream_get(&c, e, t, tenant, &s)) {
		post_held(s, ticket);
		stream_put(s);
	} else {
		e->stats.dropped++;
		free(ticket);
	}
	pthread_mutex_unlock(&e->lock);
	arena_close(&a);
}

/* --- the once-a-second batch; held --- */
static void flush_stream(struct stream *s)
{
	for (int i = 0; i < COMMITS_A_FLUSH && (!list_empty(&s->waiting) || (i == 0 && s->dropped)); i++) {
		if (s->busy)
			pthread_cond_wait(&s->idle, &s->e->lock);
		else
			stream_commit(s);
	}
	if (s->head_unsynced)
		stream_sync(s);
	if (!list_empty(&s->waiting))
		stream_due(s);
}

static bool evictable(const struct stream *s)
{
	return s->refs == 0 && !s->busy && list_empty(&s->waiting) && s->dropped == 0 && !list_linked(&s->due);
}

/* Streams that nobody used for long are closed. */
static void evict(struct events *e)
{
	struct list *it = e->in_use.next;

	for (int i = 0; i < SHUTS_A_FLUSH && it != &e->in_use && e->streams.n > EVENT_STREAMS_KEPT; i++) {
		struct stream *s = LIST_ITEM(it, struct stream, in_use);

		it = it->next;
		if (!evictable(s))
			continue;
		s->refs++;
		if (!stream_shut(s))
			stream_due(s);
		s->refs--;
		if (evictable(s))
			stream_free(s);
		it = e->in_use.next; /* the lock was let go */
	}
}

static void flush(struct events *e)
{
	struct list now;

	e->flushing++;
	list_init(&now);
	for (struct list *it; (it = list_pop(&e->due));)
		list_add_tail(&now, it);
	for (struct list *it; (it = list_pop(&now));) {
		struct stream *s = LIST_ITEM(it, struct stream, due);

		s->refs++;
		flush_stream(s);
		s->refs--;
	}
	evict(e);
	e->flushing--;
	pthread_cond_broadcast(&e->changed);
}

void events_flush(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	while (e->flushing)
		pthread_cond_wait(&e->changed, &e->lock);
	flush(e);
	pthread_mutex_unlock(&e->lock);
}

static void on_batch(void *arg)
{
	struct events *e = arg;

	pthread_mutex_lock(&e->lock);
	if (!e->flushing)
		flush(e);
	e->batch_queued = false;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static void on_second(void *arg)
{
	struct events *e = arg;

	pthread_mutex_lock(&e->lock);
	if (!list_empty(&e->due) || e->streams.n > EVENT_STREAMS_KEPT)
		batch_soon(e);
	pthread_mutex_unlock(&e->lock);
}

/* --- life --- */
struct events *events_open(struct call *c, const struct events_options *o)
{
	struct events *e;

	if (!o->store->ops->append || !o->store->ops->cut) {
		fail(c, ERR_STORAGE, "the event log needs a store with appends, %s has none", o->store->ops->name);
		return NULL;
	}
	if (!part_valid(o->server) || !part_valid(o->topic_prefix)) {
		fail(c, ERR_INVALID_FIELD, "a server's id and a topic prefix are of letters, digits, `_`, `-` and `.`");
		return NULL;
	}
	e = base_zalloc(sizeof(*e));
	e->store = o->store;
	e->server = arena_dup(&e->arena, o->server);
	e->key = arena_dup(&e->arena, o->key);
	e->topic_prefix = arena_dup(&e->arena, o->topic_prefix);
	e->sync = o->sync;
	e->segment_bytes = o->segment_bytes;
	e->retention_ms = o->retention_ms;
	e->retention_bytes = o->retention_bytes;
	e->pool = o->pool;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->changed, NULL);
	list_init(&e->in_use);
	list_init(&e->due);
	list_init(&e->recent);
	if (o->loop) {
		e->timer = exec_timer_open(o->loop, on_second, e);
		exec_timer_set(e->timer, BATCH_MS, BATCH_MS);
	}
	return e;
}

void events_close(struct events *e)
{
	exec_timer_close(e->timer);
	pthread_mutex_lock(&e->lock);
	while (e->batch_queued || e->flushing)
		pthread_cond_wait(&e->changed, &e->lock);
	flush(e);
	while (!list_empty(&e->in_use)) {
		struct stream *s = LIST_ITEM(e->in_use.next, struct stream, in_use);

		INVARIANT(s->refs == 0);
		stream_shut(s);
		for (struct list *it; (it = list_pop(&s->waiting));)
			free(LIST_ITEM(it, struct ticket, in_stream));
		stream_free(s);
	}
	pthread_mutex_unlock(&e->lock);
	INVARIANT(e->watched.n == 0);
	map_close(&e->streams);
	map_close(&e->watched);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	arena_close(&e->arena);
	free(e);
}

void events_stats(struct events *e, struct events_stats *ret)
{
	pthread_mutex_lock(&e->lock);
	*ret = e->stats;
	pthread_mutex_unlock(&e->lock);
}
