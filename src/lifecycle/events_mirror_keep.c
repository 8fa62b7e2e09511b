/* events_mirror_keep.c - items of other servers in this server's store.
 *
 * They lie as their server wrote them, in a folder of its name, without a head. An item is checked by itself (its server, a
 * tenant, a topic, JSON, its hash) and against the one before it. What is here already is passed over. Behind a gap begins a new
 * segment. Appends are not synced: what a loss of power takes is read from Redis once more.
 */
#include "lifecycle/events_mirror_int.h"

#include "json/json.h"
#include "obs/obs.h"

#include <stdio.h>
#include <stdlib.h>

/* --- streams in memory --- */
static void forget_one(struct events_mirror *m, struct mirrored *r)
{
	struct events *e = m->e;

	pthread_mutex_lock(&e->lock);
	recent_forget(e, &r->f.recent);
	list_del(&r->f.in_stream);
	r->f.beside->foreign_left = true;
	stream_put(r->f.beside);
	pthread_mutex_unlock(&e->lock);
	map_del(&m->mirrored, r->name);
	list_del(&r->in_use);
	list_del(&r->touched);
	buf_drop(&r->lines);
	free(r);
}

void mirror_forget(struct events_mirror *m)
{
	while (!list_empty(&m->in_use))
		forget_one(m, LIST_ITEM(m->in_use.next, struct mirrored, in_use));
}

static struct mirrored *mirrored_new(struct events_mirror *m, struct str name, struct str dir, struct str server)
{
	struct mirrored *r = base_zalloc(sizeof(*r) + name.n + dir.n);
	char *at = (char *)(r + 1);

	r->name = str_copy_to(&at, name);
	r->dir = str_copy_to(&at, dir);
	r->f.server = str_tail(r->name, r->name.n - server.n);
	list_init(&r->f.in_stream);
	list_init(&r->f.recent);
	list_init(&r->touched);
	list_add_tail(&m->in_use, &r->in_use);
	map_put(&m->mirrored, r->name, r);
	return r;
}

/* --- what the store has --- */

/* Whole, true, chained lines count; the tail behind them is what a crash has left. */
static bool read_segment(struct call *c, struct events_mirror *m, const struct stored *s, struct mirrored *r, bool *ret_any)
{
	struct event_line item;
	enum lines_step step;
	struct str line;
	struct lines l;

	*ret_any = false;
	lines_open(&l, c, m->e->store, s, s->nsegments - 1);
	while ((step = lines_next(&l, &line)) == LINES_ONE) {
		if (!event_line_parse(line, &item) || !event_line_true(&item) ||
		    (*ret_any && (item.offset != r->f.next || !str_eq(item.prev_hash, str_of(r->hash)))))
			break;
		*ret_any = true;
		r->f.next = item.offset + 1;
		memcpy(r->hash, item.hash.p, HEX);
		r->segment_bytes = l.at;
	}
	lines_close(&l);
	r->segment = s->segments[s->nsegments - 1].first;
	r->uncut = step != LINES_SEGMENT_END;
	return step != LINES_FAILED;
}

/* A segment without one good line goes: another one may have to have its name. */
static bool read_end(struct call *c, struct events_mirror *m, struct mirrored *r)
{
	struct store *store = m->e->store;
	struct stored s;

	if (!stored_one(c, store, r->dir, &s))
		return false;
	if (s.nheads)
		return fail(c, ERR_STORAGE, "%.*s is no mirror: it has a head", SARG(r->dir));
	for (; s.nsegments && !r->any; s.nsegments -= !r->any) {
		if (!read_segment(c, m, &s, r, &r->any))
			return false;
		if (!r->any && !store->ops->drop(c, store, segment_key(c->arena, r->dir, r->segment)))
			return false;
	}
	if (r->any)
		r->f.first = s.segments[0].first;
	else
		r->segment_bytes = 0;
	return true;
}

static bool attach(struct call *c, struct events_mirror *m, struct mirrored *r, enum event_topic t, struct str tenant)
{
	struct events *e = m->e;
	bool ok;

	pthread_mutex_lock(&e->lock);
	ok = stream_get(c, e, t, tenant, &r->f.beside);
	if (ok)
		list_add_tail(&r->f.beside->foreign, &r->f.in_stream);
	pthread_mutex_unlock(&e->lock);
	return ok;
}

static void drop_unattached(struct events_mirror *m, struct mirrored *r)
{
	map_del(&m->mirrored, r->name);
	list_del(&r->in_use);
	free(r);
}

static bool mirrored_get(struct call *c, struct events_mirror *m, enum event_topic t, const struct event_line *l, struct mirrored **ret)
{
	struct str name = arena_fmt(c->arena, "%c%.*s/%.*s", (char)t, SARG(l->tenant), SARG(l->stream));
	struct mirrored *r = map_get(&m->mirrored, name);

	if (r) {
		list_del(&r->in_use);
		list_add_tail(&m->in_use, &r->in_use);
		*ret = r;
		return true;
	}
	r = mirrored_new(m, name, arena_fmt(c->arena, "events/%.*s/%.*s/%.*s/", SARG(l->tenant), SARG(event_topic_ids[t]), SARG(l->stream)),
			 l->stream);
	if (!read_end(c, m, r) || !attach(c, m, r, t, l->tenant)) {
		drop_unattached(m, r);
		return false;
	}
	*ret = r;
	return true;
}

/* --- one item --- */
static bool topic_of(struct str name, enum event_topic *ret)
{
	struct arena a = {0};
	bool found = false;

	for (int t = 0; t < EVENT_TOPICS && !found; t++) {
		struct str end = arena_fmt(&a, ".audit.%.*s.v1", SARG(event_topic_ids[t]));

		found = str_ends(name, end) && name.n > end.n && name.n <= end.n + 128 &&
			store_key_valid(str_head(name, name.n - end.n)) && str_find(name, '/') == name.n;
		if (found)
			*ret = (enum event_topic)t;
	}
	arena_close(&a);
	return found;
}

static bool is_json(struct str payload)
{
	OWNS(arena) a = {0};
	const json_node *o;
	struct call c;

	call_open(&c, &a);
	return json_read_object(&c, payload, &o);
}

/* By itself. NULL: it is one. */
static const char *fault_of(const struct server *sv, struct str line, struct event_line *l, enum event_topic *ret_topic)
{
	if (line.n > LINE_MAX || str_find(line, '\n') < line.n || !event_line_parse(line, l))
		return "is no item";
	if (!event_line_true(l))
		return "was changed: its hash is not that of its bytes";
	if (!str_eq(l->stream, sv->id))
		return "is of another server's stream";
	if (!tenant_name_valid(l->tenant))
		return "has no tenant";
	if (!topic_of(l->topic, ret_topic))
		return "has an unknown topic";
	if (l->payload.n > EVENT_PAYLOAD_MAX || !is_json(l->payload))
		return "has a payload that is no JSON";
	return NULL;
}

static void refuse(struct events_mirror *m, struct server *sv, const char *what)
{
	int64_t now = clock_mono_ms();

	obs_add(OBS_M_MIRROR_REFUSED, 1);
	pthread_mutex_lock(&m->lock);
	m->stats.refused++;
	pthread_mutex_unlock(&m->lock);
	sv->refused++;
	if (sv->told_ms && now - sv->told_ms < MIRROR_TELL_MS)
		return;
	obs_log(OBS_WARN, "events", "the mirror: %llu items of server %.*s were refused, the latest %s", (unsigned long long)sv->refused,
		SARG(sv->id), what);
	sv->told_ms = now;
	sv->refused = 0;
}

/* --- writing --- */

/* What a failed write has left under the name of a new segment is in its way. */
static bool begin_segment(struct call *c, struct events_mirror *m, struct mirrored *r)
{
	r->segment = r->from;
	r->segment_bytes = 0;
	return m->e->store->ops->drop(c, m->e->store, segment_key(c->arena, r->dir, r->segment));
}

static bool write_lines(struct call *c, struct events_mirror *m, struct mirrored *r)
{
	struct store *store = m->e->store;

	if (r->uncut && r->segment_bytes == 0 && !store->ops->drop(c, store, segment_key(c->arena, r->dir, r->segment)))
		return false;
	if (r->uncut && r->segment_bytes && !store->ops->cut(c, store, segment_key(c->arena, r->dir, r->segment), r->segment_bytes))
		return false;
	r->uncut = false;
	if ((!r->any || r->from != r->f.next || r->segment_bytes >= m->e->segment_bytes || r->segment_bytes == 0) &&
	    !begin_segment(c, m, r))
		return false;
	r->uncut = true;
	if (!store->ops->append(c, store, segment_key(c->arena, r->dir, r->segment), r->segment_bytes, buf_str(&r->lines), false))
		return false;
	r->uncut = false;
	r->segment_bytes += (int64_t)r->lines.n;
	return true;
}

/* Those who read see it, those who wait are told. */
static void show(struct events_mirror *m, struct mirrored *r)
{
	struct str rest = buf_str(&r->lines);
	struct events *e = m->e;
	struct foreign *f = &r->f;

	pthread_mutex_lock(&e->lock);
	if (!r->any || r->from != f->next) { /* what is in memory must be without gaps */
		recent_forget(e, &f->recent);
		if (!r->any)
			f->first = r->from;
	}
	f->next = r->to;
	while (rest.n)
		recent_add(e, &f->recent, str_cut(&rest, '\n'));
	watchers_call(e, f->beside->topic, f->beside->tenant);
	pthread_mutex_unlock(&e->lock);
	memcpy(r->hash, r->to_hash, sizeof(r->hash));
	r->any = true;
}

static bool flush(struct call *c, struct events_mirror *m, struct mirrored *r)
{
	int64_t n = r->to - r->from, lost = r->any ? r->from - r->f.next : 0;
	bool ok = r->lines.n == 0 || write_lines(c, m, r);

	if (ok && r->lines.n) {
		obs_add(OBS_M_MIRROR_RECEIVED, n);
		obs_add(OBS_M_MIRROR_LOST, lost);
		pthread_mutex_lock(&m->lock);
		m->stats.received += (uint64_t)n;
		m->stats.lost += (uint64_t)lost;
		pthread_mutex_unlock(&m->lock);
		if (lost)
			obs_log(OBS_WARN, "events", "the mirror: %lld events of %.*s never came", (long long)lost, SARG(r->dir));
		show(m, r);
	}
	buf_drop(&r->lines);
	list_del(&r->touched);
	return ok;
}

/* --- a batch --- */
static bool too_old(const struct events *e, const struct event_line *l)
{
	return e->retention_ms && l->time_ms + e->retention_ms < clock_wall_ms();
}

static bool add(struct call *c, struct events_mirror *m, struct mirrored *r, const struct event_line *l, struct list *touched)
{
	bool empty = r->lines.n == 0;
	int64_t next = empty ? r->f.next : r->to;

	if (!empty && l->offset != next) {
		if (!flush(c, m, r))
			return false;
		empty = true;
	}
	if (empty) {
		r->from = l->offset;
		list_add_tail(touched, &r->touched);
	}
	buf_add(&r->lines, l->line);
	buf_addc(&r->lines, '\n');
	r->to = l->offset + 1;
	memcpy(r->to_hash, l->hash.p, HEX);
	r->to_hash[HEX] = 0;
	return true;
}

/* What is not to be kept is told, and true. */
static bool keep_one(struct call *c, struct events_mirror *m, struct server *sv, struct str line, struct list *touched)
{
	enum event_topic topic = EVENT_SESSION_LIFECYCLE;
	struct event_line l;
	struct mirrored *r;
	const char *fault = fault_of(sv, line, &l, &topic);
	bool any;

	if (fault) {
		refuse(m, sv, fault);
		return true;
	}
	if (too_old(m->e, &l))
		return true;
	if (!mirrored_get(c, m, topic, &l, &r))
		return false;
	any = r->any || r->lines.n;
	if (any && l.offset < (r->lines.n ? r->to : r->f.next))
		return true; /* it is here */
	if (any && l.offset == (r->lines.n ? r->to : r->f.next) && !str_eq(l.prev_hash, str_of(r->lines.n ? r->to_hash : r->hash))) {
		refuse(m, sv, "does not follow the item before it");
		return true;
	}
	return add(c, m, r, &l, touched);
}

bool mirror_keep(struct call *c, struct events_mirror *m, struct server *sv, const struct str *lines, int n)
{
	struct list touched;
	bool ok = true;

	list_init(&touched);
	for (int i = 0; i < n && ok; i++)
		ok = keep_one(c, m, sv, lines[i], &touched);
	while (!list_empty(&touched)) {
		struct mirrored *r = LIST_ITEM(touched.next, struct mirrored, touched);

		if (!ok)
			buf_drop(&r->lines);
		ok = flush(c, m, r) && ok;
	}
	while (m->mirrored.n > MIRROR_FOREIGN_KEPT)
		forget_one(m, LIST_ITEM(m->in_use.next, struct mirrored, in_use));
	return ok;
}

/* --- retention --- */

/* A stream that is in memory learns what it does not have any more. */
static void learn_swept(struct events_mirror *m, const struct stored *s, size_t n)
{
	for (struct list *it = m->in_use.next; it != &m->in_use; it = it->next) {
		struct mirrored *r = LIST_ITEM(it, struct mirrored, in_use);

		if (!str_eq(r->dir, s->dir))
			continue;
		pthread_mutex_lock(&m->e->lock);
		r->f.first = n < s->nsegments ? s->segments[n].first : r->f.next;
		pthread_mutex_unlock(&m->e->lock);
		if (n == s->nsegments) {
			r->segment_bytes = 0;
			r->uncut = false;
		}
		return;
	}
}

static bool sweep_one(void *arg, struct call *c, const struct stored *s)
{
	struct events_mirror *m = arg;
	OWNS(arena) a = {0};
	struct call k = *c;
	size_t n = 0;

	k.arena = &a;
	if (!stored_mirrored(s, m->e->server))
		return true;
	if (!mirrored_sweep(&k, m->e, s, &n))
		mirror_failed(m, &k, "retention");
	else if (n)
		learn_swept(m, s, n);
	return true;
}

void mirror_sweep(struct events_mirror *m)
{
	struct events *e = m->e;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	if ((e->retention_ms || e->retention_bytes) && !stored_each(&c, e->store, S("events/"), sweep_one, m))
		mirror_failed(m, &c, "retention");
}
