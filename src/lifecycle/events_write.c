/* events_write.c - writing a stream: batches, its head, its segments.
 *
 * One writer at a time has a stream's tip (`busy`); it works on a copy, without the
 * lock, and puts it back when all of it is written. A batch that fails is undone:
 * first the head, then the log, so that the head never tells more than there is. What
 * could not be undone is cut before the next batch.
 */
#include "lifecycle/events_int.h"

#include "json/json.h"
#include "obs/obs.h"

#include <stdlib.h>

enum { BATCH_BYTES = 4 << 20 };

/* --- whose turn it is --- */
void stream_seize(struct stream *s)
{
	while (s->busy)
		pthread_cond_wait(&s->idle, &s->e->lock);
	s->busy = true;
}

void stream_release(struct stream *s)
{
	s->busy = false;
	pthread_cond_broadcast(&s->idle);
}

static bool later_synced(const struct events *e)
{
	return e->sync != EVENT_SYNC_NEVER;
}

/* --- opening --- */
static struct str keep(struct str s)
{
	char *p = s.n ? base_alloc(s.n) : NULL;

	if (p)
		memcpy(p, s.p, s.n);
	return str_from(p, s.n);
}

static bool load_seized(struct call *c, struct stream *s)
{
	struct events *e = s->e;
	struct str broken;
	struct tip t;
	bool ok;

	pthread_mutex_unlock(&e->lock);
	ok = tip_read(c, e, s->dir, &t, &broken);
	pthread_mutex_lock(&e->lock);
	if (!ok)
		return false;
	s->tip = t;
	s->loaded = true;
	if (broken.n) {
		s->broken = keep(broken);
		e->stats.broken++;
		obs_log(OBS_ERROR, "events", "%.*s was changed or cut: %.*s; it goes on at offset %lld", SARG(s->dir),
			SARG(broken), (long long)t.head.next);
	}
	return true;
}

bool stream_load(struct call *c, struct stream *s)
{
	bool ok = true;

	if (s->loaded)
		return true;
	stream_seize(s);
	if (!s->loaded)
		ok = load_seized(c, s);
	stream_release(s);
	return ok;
}

/* --- the head --- */
static bool head_roll(struct call *c, struct stream *s, struct tip *t, struct str record)
{
	struct store *store = s->e->store;
	int64_t before = t->head_number;

	t->head_number++;
	t->head_bytes = 0;
	t->head_uncut = true;
	if (!store->ops->append(c, store, head_key(c->arena, s->dir, t->head_number), 0, record, later_synced(s->e)))
		return false;
	t->head_uncut = false;
	t->head_bytes = (int64_t)record.n;
	if (!store->ops->drop(c, store, head_key(c->arena, s->dir, before))) {
		obs_log(OBS_WARN, "events", "%.*s: %s", SARG(s->dir), c->err.text);
		call_forgive(c);
	}
	return true;
}

bool head_write(struct call *c, struct stream *s, struct tip *t, bool sync)
{
	struct store *store = s->e->store;
	OWNS(buf) record = {0};

	head_print(&record, s->dir, s->e->key, &t->head);
	if (t->head_bytes && t->head_bytes + (int64_t)record.n > HEAD_BYTES)
		return head_roll(c, s, t, buf_str(&record));
	t->head_uncut = true;
	if (!store->ops->append(c, store, head_key(c->arena, s->dir, t->head_number), t->head_bytes, buf_str(&record), sync))
		return false;
	t->head_uncut = false;
	t->head_bytes += (int64_t)record.n;
	return true;
}

/* --- cutting what a failed write has left --- */
static bool cut(struct call *c, struct stream *s, struct str key, int64_t to)
{
	struct store *store = s->e->store;

	if (store->ops->cut(c, store, key, to))
		return true;
	if (to > 0 || c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	return true;
}

static bool make_clean(struct call *c, struct stream *s, struct tip *t)
{
	if (t->head_uncut && !cut(c, s, head_key(c->arena, s->dir, t->head_number), t->head_bytes))
		return false;
	t->head_uncut = false;
	if (t->uncut && !cut(c, s, segment_key(c->arena, s->dir, t->segment), t->segment_bytes))
		return false;
	t->uncut = false;
	return true;
}

/* --- a batch --- */
struct batch {
	struct call c;
	struct arena arena;
	struct stream *s;
	struct list tickets;
	uint64_t dropped;
	struct str broken;
	struct tip tip;
	struct buf lines;
	uint64_t items;
};

static void add_item(struct batch *b, int64_t at_ms, struct str payload)
{
	struct stream *s = b->s;
	char time[CLOCK_RFC3339_MAX];
	struct head *h = &b->tip.head;
	struct event_line l = {
		.topic = event_topic_name(&b->arena, s->e, s->topic), .stream = s->e->server, .tenant = s->tenant,
		.payload = payload, .offset = h->next,
	};
	char prev[HEX + 1];

	memcpy(prev, h->hash, sizeof(prev));
	l.prev_hash = str_from(prev, HEX);
	if (at_ms > b->tip.last_ms)
		b->tip.last_ms = at_ms;
	l.time = str_of(clock_rfc3339(b->tip.last_ms, time));
	event_line_print(&b->lines, &l, h->hash);
	h->next++;
	b->items++;
}

static void print_items(struct batch *b)
{
	OWNS(buf) payload = {0};

	if (b->broken.n) {
		buf_lit(&payload, "{\"event\":\"chain_broken\",\"fault\":");
		json_quote(&payload, b->broken);
		buf_addc(&payload, '}');
		add_item(b, clock_wall_ms(), buf_str(&payload));
	}
	if (b->dropped) {
		buf_clear(&payload);
		buf_fmt(&payload, "{\"event\":\"dropped\",\"count\":%llu}", (unsigned long long)b->dropped);
		add_item(b, clock_wall_ms(), buf_str(&payload));
	}
	LIST_EACH(&b->tickets, it) {
		const struct ticket *t = LIST_ITEM(it, struct ticket, in_stream);

		add_item(b, t->at_ms, t->payload);
	}
}

/* The former segment is never touched again: what is in it must not depend on a later sync. */
static bool roll(struct batch *b)
{
	struct stream *s = b->s;
	struct store *store = s->e->store;
	struct tip *t = &b->tip;

	if (t->segment_bytes < s->e->segment_bytes)
		return true;
	if (s->e->sync == EVENT_SYNC_INTERVAL &&
	    !store->ops->append(&b->c, store, segment_key(&b->arena, s->dir, t->segment), t->segment_bytes, S(""), true))
		return false;
	t->segment = t->head.next;
	t->segment_bytes = 0;
	return true;
}

static bool open_head(struct batch *b)
{
	struct tip *t = &b->tip;

	if (t->opened)
		return true;
	t->head.closed = false;
	t->opened = head_write(&b->c, b->s, t, later_synced(b->s->e));
	return t->opened;
}

/* Head first: it must not tell what the log does not have. Then the error of the write is the call's again. */
static void undo(struct batch *b, const struct tip *before)
{
	struct err err = b->c.err;
	struct tip *t = &b->tip;

	t->head = before->head;
	t->last_ms = before->last_ms;
	t->segment_bytes = before->segment_bytes;
	t->segment = before->segment;
	call_forgive(&b->c);
	if (!make_clean(&b->c, b->s, t))
		obs_log(OBS_ERROR, "events", "%.*s: %s: %s", SARG(b->s->dir), err.text, b->c.err.text);
	b->c.err = err;
}

static bool write_batch(struct batch *b)
{
	struct store *store = b->s->e->store;
	struct tip *t = &b->tip, before;
	bool ok;

	if (!make_clean(&b->c, b->s, t) || !open_head(b) || !roll(b))
		return false;
	before = *t;
	print_items(b);
	t->uncut = true;
	ok = store->ops->append(&b->c, store, segment_key(&b->arena, b->s->dir, t->segment), t->segment_bytes,
				buf_str(&b->lines), b->s->e->sync == EVENT_SYNC_ALWAYS);
	ok = ok && head_write(&b->c, b->s, t, false);
	if (!ok) {
		undo(b, &before);
		return false;
	}
	t->segment_bytes += (int64_t)b->lines.n;
	t->uncut = false;
	return true;
}

/* --- taking tickets, and telling how it went; held --- */
static void take_tickets(struct batch *b)
{
	size_t bytes = 0;

	while (!list_empty(&b->s->waiting) && bytes < BATCH_BYTES) {
		struct ticket *t = LIST_ITEM(list_pop(&b->s->waiting), struct ticket, in_stream);

		bytes += t->payload.n;
		list_add_tail(&b->tickets, &t->in_stream);
	}
	b->dropped = b->s->dropped;
	b->broken = b->s->broken;
	b->s->dropped = 0;
	b->s->broken = (struct str){0};
}

static void end_posted(struct stream *s, struct ticket *t, bool ok)
{
	s->posted_bytes -= t->payload.n;
	s->e->posted_bytes -= t->payload.n;
	if (!ok) {
		s->dropped++;
		s->e->stats.dropped++;
		stream_due(s);
	}
	free(t);
}

static void end_tickets(struct batch *b, bool ok)
{
	LIST_EACH(&b->tickets, it) {
		struct ticket *t = LIST_ITEM(it, struct ticket, in_stream);

		list_del(it);
		if (t->posted) {
			end_posted(b->s, t, ok);
			continue;
		}
		t->done = true;
		t->ok = ok;
		t->err = b->c.err;
	}
}

static void publish(struct batch *b)
{
	struct stream *s = b->s;
	struct str rest = buf_str(&b->lines);

	s->e->stats.appended += b->items;
	s->e->stats.bytes += b->lines.n;
	s->e->stats.batches++;
	s->unsynced |= s->e->sync == EVENT_SYNC_INTERVAL;
	s->head_unsynced |= later_synced(s->e);
	if (s->head_unsynced)
		stream_due(s);
	while (rest.n)
		recent_add(s->e, &s->recent, str_cut(&rest, '\n'));
	if (s->e->mirror)
		s->e->mirror_due(s->e->mirror, s);
	free((char *)b->broken.p);
}

static void give_back(struct batch *b)
{
	b->s->dropped += b->dropped;
	b->s->broken = b->broken;
	if (b->s->dropped)
		stream_due(b->s);
}

void stream_commit(struct stream *s)
{
	struct events *e = s->e;
	struct batch b = {.s = s};
	bool ok;

	call_open(&b.c, &b.arena);
	list_init(&b.tickets);
	stream_seize(s);
	if (list_empty(&s->waiting) && s->dropped == 0) { /* another one took them */
		stream_release(s);
		return;
	}
	ok = s->loaded || load_seized(&b.c, s);
	take_tickets(&b);
	b.tip = s->tip;
	pthread_mutex_unlock(&e->lock);
	ok = ok && write_batch(&b);
	pthread_mutex_lock(&e->lock);
	if (s->loaded)
		s->tip = b.tip;
	if (ok)
		publish(&b);
	else
		give_back(&b);
	if (!ok)
		obs_log(OBS_ERROR, "events", "%.*s: %s", SARG(s->dir), b.c.err.text);
	end_tickets(&b, ok);
	stream_release(s);
	if (ok)
		watchers_call(e, s->topic, s->tenant);
	buf_drop(&b.lines);
	arena_close(&b.arena);
}

/* --- what is left for later --- */
static bool sync_tip(struct call *c, struct stream *s, const struct tip *t)
{
	struct store *store = s->e->store;

	if (s->unsynced &&
	    !store->ops->append(c, store, segment_key(c->arena, s->dir, t->segment), t->segment_bytes, S(""), true))
		return false;
	return store->ops->append(c, store, head_key(c->arena, s->dir, t->head_number), t->head_bytes, S(""), true);
}

void stream_sync(struct stream *s)
{
	struct events *e = s->e;
	struct arena a = {0};
	struct call c;
	struct tip t;
	bool ok = true;

	call_open(&c, &a);
	stream_seize(s);
	t = s->tip;
	pthread_mutex_unlock(&e->lock);
	if (s->head_unsynced)
		ok = make_clean(&c, s, &t) && sync_tip(&c, s, &t);
	pthread_mutex_lock(&e->lock);
	s->tip = t;
	if (ok) {
		s->unsynced = s->head_unsynced = false;
	} else {
		obs_log(OBS_ERROR, "events", "%.*s is not synced: %s", SARG(s->dir), c.err.text);
		stream_due(s);
	}
	stream_release(s);
	arena_close(&a);
}

bool stream_shut(struct stream *s)
{
	struct events *e = s->e;
	struct arena a = {0};
	struct call c;
	struct tip t;
	bool ok = true;

	call_open(&c, &a);
	stream_seize(s);
	t = s->tip;
	pthread_mutex_unlock(&e->lock);
	if (t.opened) {
		t.head.closed = true;
		t.opened = false;
		ok = make_clean(&c, s, &t) && (!s->unsynced || sync_tip(&c, s, &s->tip)) && head_write(&c, s, &t, later_synced(e));
	}
	pthread_mutex_lock(&e->lock);
	if (ok) {
		s->tip = t;
		s->unsynced = s->head_unsynced = false;
	} else {
		obs_log(OBS_ERROR, "events", "%.*s is not closed: %s", SARG(s->dir), c.err.text);
	}
	stream_release(s);
	arena_close(&a);
	return ok;
}
