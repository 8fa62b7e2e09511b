/* events_read.c - reading a tenant's streams, merged by time, from a cursor.
 *
 * A cursor is base64url of
 *
 *   1\n<tenant>\n{<topic, a digit> <server> <offset of the next item>\n}
 *
 * and says where to go on in each stream; what it does not name begins at the
 * start. It is no secret and no permission: the tenant comes from the filter, and one
 * of another tenant is refused. Items that do not pass the filter move it as well.
 */
#include "lifecycle/events_int.h"

#include "json/json.h"

enum { CURSOR_MAX = 64 * 1024, PLACES_MAX = 1024, LOOK_UP_EVERY = 4096 };

struct place {
	int topic;
	struct str server;
	int64_t next;
};
struct source {
	size_t place;
	int64_t limit;        /* the first offset that is not to be read */
	struct event_line cur;
	bool has;             /* cur is the next item */
	struct stored stored; /* from the store */
	struct lines lines;
	const struct list *ring, *at; /* or from memory */
};
struct reading {
	struct call *c;
	struct events *e;
	const struct event_filter *f;
	struct str event, session_id, principal; /* as JSON writes them */
	bool from_start;      /* no cursor */
	struct place *places;
	size_t nplaces;
	struct source *sources;
	size_t nsources;
	struct buf items;
	int64_t lost;
};
struct own {                  /* this server's stream of a topic */
	int64_t first, next;
};

/* --- cursors --- */
static bool bad_cursor(struct call *c)
{
	return fail(c, ERR_INVALID_FIELD, "this is not a cursor of the event log");
}

static bool parse_place(struct str line, struct place *ret)
{
	struct str topic = str_cut(&line, ' '), server = str_cut(&line, ' ');
	struct place p = {.server = server};

	if (topic.n != 1 || topic.p[0] < '0' || topic.p[0] >= '0' + EVENT_TOPICS || !server.n || !str_to_i64(line, &p.next))
		return false;
	p.topic = topic.p[0] - '0';
	if (p.next < 0 || p.next > OFFSET_MAX + 1)
		return false;
	*ret = p;
	return true;
}

static bool cursor_parse(struct reading *r, struct str cursor)
{
	OWNS(buf) text = {0};
	struct str rest;

	r->places = ARENA_ARRAY(r->c->arena, struct place, PLACES_MAX);
	r->from_start = cursor.n == 0;
	if (r->from_start)
		return true;
	if (cursor.n > CURSOR_MAX || !hash_unbase64url(cursor, &text))
		return bad_cursor(r->c);
	rest = arena_dup(r->c->arena, buf_str(&text));
	if (!str_eq(str_cut(&rest, '\n'), S("1")) || !str_eq(str_cut(&rest, '\n'), r->f->tenant))
		return bad_cursor(r->c);
	while (rest.n) {
		if (r->nplaces == PLACES_MAX || !parse_place(str_cut(&rest, '\n'), &r->places[r->nplaces]))
			return bad_cursor(r->c);
		r->nplaces++;
	}
	return rest.p || bad_cursor(r->c);
}

static struct str cursor_print(const struct reading *r)
{
	OWNS(buf) text = {0};
	OWNS(buf) coded = {0};

	buf_lit(&text, "1\n");
	buf_add(&text, r->f->tenant);
	buf_addc(&text, '\n');
	for (size_t i = 0; i < r->nplaces; i++)
		buf_fmt(&text, "%d %.*s %lld\n", r->places[i].topic, SARG(r->places[i].server), (long long)r->places[i].next);
	hash_base64url(buf_str(&text), &coded);
	return arena_dup(r->c->arena, buf_str(&coded));
}

static bool place_of(struct reading *r, int topic, struct str server, size_t *ret)
{
	for (size_t i = 0; i < r->nplaces; i++) {
		if (r->places[i].topic == topic && str_eq(r->places[i].server, server)) {
			*ret = i;
			return true;
		}
	}
	if (r->nplaces == PLACES_MAX)
		return fail(r->c, ERR_STORAGE, "the tenant has more than %d streams of events", PLACES_MAX);
	*ret = r->nplaces;
	r->places[r->nplaces++] = (struct place){topic, arena_dup(r->c->arena, server), 0};
	return true;
}

/* --- the filter --- */
static struct str as_written(struct arena *a, struct str s)
{
	OWNS(buf) quoted = {0};

	json_quote(&quoted, s);
	return arena_dup(a, str_from(quoted.p + 1, quoted.n - 2));
}

static bool reading_open(struct reading *r, struct call *c, struct events *e, const struct event_filter *f)
{
	*r = (struct reading){.c = c, .e = e, .f = f};
	r->event = as_written(c->arena, f->event);
	r->session_id = as_written(c->arena, f->session_id);
	r->principal = as_written(c->arena, f->principal);
	return true;
}

static void reading_drop(struct reading *r)
{
	for (size_t i = 0; i < r->nsources; i++)
		lines_close(&r->sources[i].lines);
	buf_drop(&r->items);
}

static bool passes(const struct reading *r, const struct source *s)
{
	const struct recent *m = s->ring ? CONTAINER_OF(s->at, struct recent, in_stream) : NULL;
	struct str payload = s->cur.payload;

	if (r->event.n && !str_eq(r->event, m ? m->event : event_member(payload, S("event"))))
		return false;
	if (r->session_id.n && !str_eq(r->session_id, m ? m->session_id : event_member(payload, S("session_id"))))
		return false;
	return !r->f->principal.p || str_eq(r->principal, m ? m->principal : event_member(payload, S("principal")));
}

static bool wanted(const struct event_filter *f, int topic)
{
	return f->topic < 0 || f->topic == topic;
}

/* --- moving a source to its next item --- */

/* A line that cannot be read is passed over: what is missing then shows as a gap, and in events_verify(). */
static bool take_line(struct reading *r, struct source *s, struct str line)
{
	int64_t next = r->places[s->place].next;
	struct event_line l;

	if (!event_line_parse(line, &l) || l.offset < next || l.offset >= s->limit)
		return false;
	r->lost += l.offset - next;
	s->cur = l;
	s->has = true;
	return true;
}

static bool step_stored(struct reading *r, struct source *s)
{
	enum lines_step step;
	struct str line;

	while (s->lines.segment < s->stored.nsegments && r->places[s->place].next < s->limit) {
		step = lines_next(&s->lines, &line);
		if (step == LINES_FAILED)
			return false;
		if (step == LINES_ONE && take_line(r, s, line))
			return true;
		if (step != LINES_ONE)
			lines_next_segment(&s->lines);
	}
	return true;
}

static bool step(struct reading *r, struct source *s)
{
	s->has = false;
	if (!s->ring)
		return step_stored(r, s);
	s->at = s->at->next;
	s->has = s->at != s->ring;
	if (s->has)
		s->cur = CONTAINER_OF(s->at, struct recent, in_stream)->l;
	return true;
}

/* --- merging --- */
static struct source *oldest(struct reading *r)
{
	struct source *best = NULL;

	for (size_t i = 0; i < r->nsources; i++) {
		struct source *s = &r->sources[i];

		if (s->has && (!best || s->cur.time_ms < best->cur.time_ms))
			best = s;
	}
	return best;
}

static void add_item(struct reading *r, const struct source *s)
{
	struct str line = arena_dup(r->c->arena, s->cur.line);
	struct event_item item = {
		.topic = (enum event_topic)r->places[s->place].topic, .line = line, .offset = s->cur.offset,
		.payload = str_from(line.p + (s->cur.payload.p - s->cur.line.p), s->cur.payload.n), .cursor = cursor_print(r),
	};

	buf_add(&r->items, str_from((char *)&item, sizeof(item)));
}

static bool in_time(struct call *c)
{
	if (c->cancel && atomic_load(c->cancel))
		return fail(c, ERR_CANCELED, "the call was canceled");
	return !c->deadline_ms || clock_mono_ms() < c->deadline_ms || fail(c, ERR_REQUEST_TIMEOUT, "reading events took too long");
}

static bool merge(struct reading *r, int limit)
{
	struct source *s;

	for (int64_t looked = 1, found = 0; found < limit && (s = oldest(r)); looked++) {
		r->places[s->place].next = s->cur.offset + 1;
		if (passes(r, s)) {
			add_item(r, s);
			found++;
		}
		if (!step(r, s) || (looked % LOOK_UP_EVERY == 0 && !in_time(r->c)))
			return false;
	}
	return true;
}

static void give(struct reading *r, struct event_page *ret)
{
	struct str all = arena_dup(r->c->arena, buf_str(&r->items));

	ret->items = (struct event_item *)all.p;
	ret->n = (int)(all.n / sizeof(struct event_item));
	ret->cursor = cursor_print(r);
	ret->lost = r->lost;
}

/* --- from the store --- */
static bool own_streams(struct reading *r, struct own own[EVENT_TOPICS])
{
	struct events *e = r->e;
	bool ok = true;

	pthread_mutex_lock(&e->lock);
	for (int t = 0; t < EVENT_TOPICS && ok; t++) {
		struct stream *s;

		if (!wanted(r->f, t))
			continue;
		ok = stream_get(r->c, e, (enum event_topic)t, r->f->tenant, &s);
		if (!ok)
			break;
		ok = stream_load(r->c, s);
		own[t] = (struct own){s->tip.head.first, s->tip.head.next};
		stream_put(s);
	}
	pthread_mutex_unlock(&e->lock);
	return ok;
}

struct finding {
	struct reading *r;
	struct buf stored;
};

static bool find_one(void *arg, struct call *c, const struct stored *s)
{
	struct finding *f = arg;
	struct stored kept = stored_dup(c->arena, s);

	buf_add(&f->stored, str_from((char *)&kept, sizeof(kept)));
	return true;
}

static int topic_of_id(struct str id)
{
	for (int t = 0; t < EVENT_TOPICS; t++) {
		if (str_eq(id, event_topic_ids[t]))
			return t;
	}
	return -1;
}

/* What another server has written: as far as its own head says. */
static bool extent(struct reading *r, const struct stored *s, const struct own *own, struct own *ret)
{
	struct own x = {s->nsegments ? s->segments[0].first : 0, INT64_MAX};
	struct head_found h;

	if (str_eq(s->server, r->e->server)) {
		*ret = *own;
		return true;
	}
	if (!head_find(r->c, r->e->store, s, r->e->key, &h))
		return false;
	if (h.any && h.state != HEAD_UNREADABLE)
		x = (struct own){h.head.first, h.head.next};
	*ret = x;
	return true;
}

static bool add_source(struct reading *r, const struct stored *stored, int topic, const struct own *extent)
{
	struct source *s = &r->sources[r->nsources];
	struct place *p;

	*s = (struct source){.stored = *stored, .limit = extent->next};
	if (!place_of(r, topic, stored->server, &s->place))
		return false;
	p = &r->places[s->place];
	if (p->next < extent->first) {
		r->lost += r->from_start ? 0 : extent->first - p->next;
		p->next = extent->first;
	}
	r->nsources++;
	lines_open(&s->lines, r->c, r->e->store, &s->stored, 0);
	return true;
}

static bool sources_open(struct reading *r)
{
	struct finding found = {.r = r};
	struct own own[EVENT_TOPICS] = {{0}};
	struct str prefix = arena_fmt(r->c->arena, "events/%.*s/", SARG(r->f->tenant));
	const struct stored *all;
	bool ok;

	if (r->f->topic >= 0)
		prefix = arena_fmt(r->c->arena, "%.*s%.*s/", SARG(prefix), SARG(event_topic_ids[r->f->topic]));
	ok = own_streams(r, own) && stored_each(r->c, r->e->store, prefix, find_one, &found);
	r->sources = ARENA_ARRAY(r->c->arena, struct source, found.stored.n / sizeof(*all) + 1);
	all = (const struct stored *)found.stored.p;
	for (size_t i = 0; ok && i < found.stored.n / sizeof(*all); i++) {
		int topic = topic_of_id(all[i].topic);
		struct own x;

		if (topic >= 0 && wanted(r->f, topic) && all[i].server.n)
			ok = extent(r, &all[i], &own[topic], &x) && add_source(r, &all[i], topic, &x);
	}
	buf_drop(&found.stored);
	return ok;
}

static bool sources_seek(struct reading *r)
{
	for (size_t i = 0; i < r->nsources; i++) {
		struct source *s = &r->sources[i];

		if (r->places[s->place].next < s->limit && !(lines_seek(&s->lines, r->places[s->place].next) && step(r, s)))
			return false;
	}
	return true;
}

bool events_read(struct call *c, struct events *e, const struct event_filter *f, struct event_page *page)
{
	OWNS(reading) r;

	if (!reading_open(&r, c, e, f) || !cursor_parse(&r, page->cursor) || !sources_open(&r) || !sources_seek(&r) ||
	    !merge(&r, page->limit))
		return false;
	give(&r, page);
	return true;
}

bool events_tail(struct call *c, struct events *e, const struct event_filter *f, struct str *ret_cursor)
{
	OWNS(reading) r;

	if (!reading_open(&r, c, e, f) || !cursor_parse(&r, S("")) || !sources_open(&r))
		return false;
	for (size_t i = 0; i < r.nsources; i++) {
		struct source *s = &r.sources[i];
		struct place *p = &r.places[s->place];

		if (s->limit != INT64_MAX) {
			p->next = s->limit;
			continue;
		}
		if (!lines_seek(&s->lines, INT64_MAX) || !step(&r, s))
			return false;
		while (s->has) {
			p->next = s->cur.offset + 1;
			if (!step(&r, s))
				return false;
		}
	}
	*ret_cursor = cursor_print(&r);
	return true;
}

/* --- from memory; held --- */

struct ring {
	const struct list *items;
	struct str server;
	int64_t first, next;
};

/* The place before the first item from `next`, walking back from the newest; false: it is not there. */
static bool ring_seek(const struct ring *k, int64_t next, const struct list **ret)
{
	const struct list *at = k->items->prev;
	int64_t offset = k->next;

	while (at != k->items && offset > next) {
		offset = CONTAINER_OF(at, struct recent, in_stream)->l.offset;
		at = at->prev;
	}
	*ret = at;
	return offset <= next;
}

static bool add_ring(struct reading *r, int topic, const struct ring *k)
{
	struct source *to = &r->sources[r->nsources];
	struct place *p;

	*to = (struct source){.ring = k->items, .limit = k->next};
	if (!place_of(r, topic, k->server, &to->place))
		return false;
	p = &r->places[to->place];
	if (r->from_start)
		p->next = k->first;
	if (!ring_seek(k, p->next, &to->at))
		return false;
	r->nsources++;
	return step(r, to);
}

/* What memory does not have of other servers is no fault of the reader. */
static bool add_foreign(struct reading *r, int topic, const struct stream *s, bool *ret_elsewhere)
{
	bool ok = !s->foreign_left;

	for (struct list *it = s->foreign.next; ok && it != &s->foreign; it = it->next) {
		const struct foreign *f = LIST_ITEM(it, struct foreign, in_stream);

		ok = add_ring(r, topic, &(struct ring){&f->recent, f->server, f->first, f->next});
	}
	*ret_elsewhere |= !ok;
	return ok;
}

static bool add_recent(struct reading *r, int topic, bool *ret_elsewhere)
{
	const struct stream *s = stream_find(r->e, (enum event_topic)topic, r->f->tenant);

	if (!s || !s->loaded || (r->e->mirror && r->from_start))
		return false;
	return add_ring(r, topic, &(struct ring){&s->recent, r->e->server, s->tip.head.first, s->tip.head.next}) &&
	       add_foreign(r, topic, s, ret_elsewhere);
}

/* How many rings there are to read. */
static size_t count_rings(const struct reading *r)
{
	size_t n = EVENT_TOPICS;

	for (int t = 0; t < EVENT_TOPICS; t++) {
		const struct stream *s = wanted(r->f, t) ? stream_find(r->e, (enum event_topic)t, r->f->tenant) : NULL;

		for (const struct list *it = s ? s->foreign.next : NULL; it && it != &s->foreign; it = it->next)
			n++;
	}
	return n;
}

bool events_recent(struct call *c, struct events *e, const struct event_filter *f, struct event_page *page)
{
	OWNS(reading) r;
	bool ok = true;

	if (!reading_open(&r, c, e, f) || !cursor_parse(&r, page->cursor))
		return false;
	page->elsewhere = false;
	pthread_mutex_lock(&e->lock);
	r.sources = ARENA_ARRAY(c->arena, struct source, count_rings(&r));
	for (int t = 0; t < EVENT_TOPICS && ok; t++)
		ok = !wanted(f, t) || add_recent(&r, t, &page->elsewhere);
	ok = ok && merge(&r, page->limit);
	pthread_mutex_unlock(&e->lock);
	if (ok)
		give(&r, page);
	return ok;
}
