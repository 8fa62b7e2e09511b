/* events_live.c - the newest items in memory, and who wants to be told of new ones. */
#include "lifecycle/events_int.h"

#include <stdlib.h>

/* --- recent items; held --- */
static void forget(struct events *e, struct recent *r)
{
	list_del(&r->in_all);
	list_del(&r->in_stream);
	e->recent_bytes -= sizeof(*r) + r->l.line.n;
	free(r);
}

void recent_add(struct events *e, struct list *ring, struct str line)
{
	struct recent *r = base_alloc(sizeof(*r) + line.n);

	memcpy(r->bytes, line.p, line.n);
	INVARIANT(event_line_parse(str_from(r->bytes, line.n), &r->l));
	r->event = event_member(r->l.payload, S("event"));
	r->session_id = event_member(r->l.payload, S("session_id"));
	r->principal = event_member(r->l.payload, S("principal"));
	list_add_tail(&e->recent, &r->in_all);
	list_add_tail(ring, &r->in_stream);
	e->recent_bytes += sizeof(*r) + line.n;
	while (e->recent_bytes > EVENT_RECENT_MAX)
		forget(e, LIST_ITEM(e->recent.next, struct recent, in_all));
}

void recent_forget(struct events *e, struct list *ring)
{
	while (!list_empty(ring))
		forget(e, LIST_ITEM(ring->next, struct recent, in_stream));
}

/* --- watchers --- */
struct event_watcher {
	struct list in_watched;
	struct watched *of;
	void (*fn)(void *arg);
	void *arg;
	int topic;
	int calls; /* that are under way */
};

static struct watched *watched_get(struct events *e, struct str tenant)
{
	struct watched *w = map_get(&e->watched, tenant);

	if (w)
		return w;
	w = base_alloc(sizeof(*w) + tenant.n);
	memcpy(w + 1, tenant.p, tenant.n);
	w->tenant = str_from((char *)(w + 1), tenant.n);
	list_init(&w->watchers);
	map_put(&e->watched, w->tenant, w);
	return w;
}

struct event_watcher *events_watch(struct events *e, const struct event_watch *w)
{
	struct event_watcher *to = base_zalloc(sizeof(*to));

	to->fn = w->fn;
	to->arg = w->arg;
	to->topic = w->filter.topic;
	pthread_mutex_lock(&e->lock);
	to->of = watched_get(e, w->filter.tenant);
	list_add_tail(&to->of->watchers, &to->in_watched);
	pthread_mutex_unlock(&e->lock);
	return to;
}

void events_unwatch(struct events *e, struct event_watcher *w)
{
	struct watched *of = w->of;

	pthread_mutex_lock(&e->lock);
	list_del(&w->in_watched);
	if (list_empty(&of->watchers)) {
		map_del(&e->watched, of->tenant);
		free(of);
	}
	while (w->calls)
		pthread_cond_wait(&e->changed, &e->lock);
	pthread_mutex_unlock(&e->lock);
	free(w);
}

void watchers_call(struct events *e, enum event_topic t, struct str tenant)
{
	const struct watched *of = map_get(&e->watched, tenant);
	struct event_watcher **all;
	OWNS(buf) found = {0};
	size_t n;

	if (!of)
		return;
	LIST_EACH(&of->watchers, it) {
		struct event_watcher *w = LIST_ITEM(it, struct event_watcher, in_watched);

		if (w->topic >= 0 && w->topic != (int)t)
			continue;
		w->calls++;
		buf_add(&found, str_from((char *)&w, sizeof(w)));
	}
	all = (struct event_watcher **)found.p;
	n = found.n / sizeof(struct event_watcher *);
	pthread_mutex_unlock(&e->lock);
	for (size_t i = 0; i < n; i++)
		all[i]->fn(all[i]->arg);
	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < n; i++)
		all[i]->calls--;
	pthread_cond_broadcast(&e->changed);
}
