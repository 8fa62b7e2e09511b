/* servers.c - the servers that share one kv: which of them live, and the end of the sessions of those that do not.
 *
 *   session_server/<id>    "alive <n>", put anew every SERVER_BEAT_MS, so that its version grows; or
 *                          "dead <wall ms>": its memory sessions were ended, persistent ones are looked at again then
 *
 * A server is dead when its record has stayed the same for SERVER_DEAD_MS of another one's looking: no two clocks are compared,
 * and while kv/ cannot be reached nobody dies. Whoever finds it so says so in its record, by compare-and-set, and ends its
 * memory sessions (server_lost), each by taking over its record; persistent ones are left to it until their time is over. The
 * dead one that was only away finds its record changed, and looks after its sessions' records: what was ended goes.
 *
 * Only with a shared kv. Everything here runs on the pool, one at a time.
 */
#include "session/session_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { CHECKS = 3 /* beats after an absence in which somebody may still be ending its sessions */, LATER_MS = 60000,
       ORPHANS_BYTES = 1 << 20 };

struct seen { /* another server's record */
	struct str id;           /* behind the struct */
	uint64_t version;
	int64_t since_ms;        /* mono: the version is as it was then */
	bool there;              /* in the scan that runs */
};
struct servers {
	struct map seen;
	uint64_t version;        /* of our record; 0 = not known */
	uint64_t beats;
	int64_t looked_ms;       /* mono; 0 = never */
	int checks;              /* of our sessions that are still to be made */
};

static struct str server_key(struct arena *a, struct str id)
{
	return arena_fmt(a, "session_server/%.*s", SARG(id));
}

/* --- our own record --- */
static bool learn_version(struct call *c, struct sessions *s)
{
	struct kv_record r;

	if (!kv_get(c, s->o.kv, server_key(c->arena, s->o.server), &r))
		return false;
	s->servers->version = r.version;
	return true;
}

static bool beat(struct call *c, struct sessions *s)
{
	struct servers *v = s->servers;
	struct str text = arena_fmt(c->arena, "alive %llu", (unsigned long long)++v->beats), key = server_key(c->arena, s->o.server);
	int64_t ttl = record_keep_ms(s, 0);

	if (v->version && kv_put(c, s->o.kv, key, text, v->version, ttl))
		return learn_version(c, s);
	if (v->version && c->err.kind != ERR_CONFLICT)
		return false;
	call_forgive(c);
	if (v->version) {
		obs_log(OBS_WARN, "session", "this server was away: others may have ended its sessions, which are looked after");
		v->checks = CHECKS;
	}
	return kv_put(c, s->o.kv, key, text, KV_ANY, ttl) && learn_version(c, s);
}

/* --- records of sessions that never were --- */
void servers_orphan(struct sessions *s, struct str key)
{
	room_lock(s);
	if (s->o.shared && s->orphans.n < ORPHANS_BYTES) {
		buf_add(&s->orphans, key);
		buf_addc(&s->orphans, '\n');
	}
	room_unlock(s);
}

static bool drop_orphans(struct call *c, struct sessions *s)
{
	OWNS(buf) keys = {0};
	struct str rest;

	room_lock(s);
	keys = buf_take(&s->orphans);
	room_unlock(s);
	rest = buf_str(&keys);
	while (rest.n) {
		struct str key = str_cut(&rest, '\n');

		if (kv_drop(c, s->o.kv, key, KV_ANY))
			continue;
		for (; key.n; key = str_cut(&rest, '\n'))
			servers_orphan(s, key);
		return false;
	}
	return true;
}

/* --- after an absence: what has become of our sessions --- */

/* A kv that has lost its memory is told again. Tombstones are: without any, a record that is not there was ended. */
static bool record_again(struct call *c, struct session *se)
{
	struct record r;

	room_lock(se->room);
	r = se->r;
	room_unlock(se->room);
	if (r.state != SESSION_OPEN)
		return true;
	r.state = r.persistent ? SESSION_OPEN : SESSION_OPENING;
	if (record_create(c, se->room, &r) || c->err.kind != ERR_CONFLICT)
		return c->err.kind == ERR_NONE;
	call_forgive(c);
	return true;
}

static bool check_one(struct call *c, struct session *se)
{
	struct sessions *s = se->room;
	enum session_cause cause = CAUSE_SERVER_LOST;
	struct record r;
	uint64_t version;
	bool there = record_get(c, s, record_key(c->arena, se->r.tenant, se->r.id), &r, &version);

	if (!there && c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	if (!there && s->o.tombstone_ms > 0)
		return record_again(c, se);
	if (there && str_eq(r.server, s->o.server) && r.state <= SESSION_OPEN)
		return true;
	if (there && r.cause != CAUSE_NONE)
		cause = r.cause;
	(void)!session_end(NULL, se, cause, NULL); /* its record is another's, so it is told by that one */
	return true;
}

static bool check_ours(struct call *c, struct sessions *s)
{
	struct session **v;
	bool ok = true;
	size_t n;

	v = session_all_open(s, &n);
	for (size_t i = 0; i < n; i++) {
		OWNS(arena) a = {0};
		struct call k = *c;

		k.arena = &a;
		ok = ok && (check_one(&k, v[i]) || fail_as(c, &k.err));
		session_unref(v[i]);
	}
	free(v);
	return ok;
}

/* --- the sessions of one that is dead --- */
struct bereaved {
	struct call *c;
	struct sessions *s;
	struct str server;
	uint64_t version;        /* of its record: who has it may go on */
	int64_t again_ms;        /* wall: when the first of what is left is due; INT64_MAX = nothing is left */
	bool failed;
};

/* Its record becomes ours, and says closing; then it ends here as any other does. */
static bool adopt(struct call *c, struct sessions *s, struct record *r, uint64_t version)
{
	bool closing = r->state == SESSION_CLOSING;
	OWNS(buf) text = {0};
	struct session *se;

	if (!event_head(c, s->o.events, EVENT_SESSION_LIFECYCLE, r->tenant, &r->at))
		return record_failed(c, "reading the event log");
	r->server = s->o.server;
	r->location = s->o.location;
	r->state = SESSION_CLOSING;
	if (!closing)
		r->cause = r->persistent ? CAUSE_TIMED_OUT : CAUSE_SERVER_LOST;
	record_text(r, &text);
	if (!kv_put(c, s->o.kv, record_key(c->arena, r->tenant, r->id), buf_str(&text), version, record_ttl_ms(s, r))) {
		if (c->err.kind != ERR_CONFLICT)
			return false;
		call_forgive(c); /* another one was faster, or the dead */
		return true;
	}
	se = session_new(s, r);
	se->claimed = true;
	se->doubtful = closing; /* the dead may have told it: the log may have that from a mirror */
	se->retry_ms = clock_wall_ms();
	INVARIANT(session_enter(se, INT64_MAX));
	session_clock(se);
	session_unref(se);
	return true;
}

static bool still_dead(struct call *c, struct bereaved *b)
{
	struct kv_record r;

	return kv_get(c, b->s->o.kv, server_key(c->arena, b->server), &r) && r.version == b->version;
}

static bool on_record(void *arg, struct str key, const struct kv_record *kr)
{
	struct bereaved *b = arg;
	OWNS(arena) a = {0};
	struct call k = *b->c;
	struct record r;

	k.arena = &a;
	if (!record_read(&k, kr->value, &r) || !str_eq(key, record_key(&a, r.tenant, r.id)) || !str_eq(r.server, b->server) ||
	    r.state == SESSION_CLOSED)
		return true;
	if (r.persistent && clock_wall_ms() < r.expires_ms) {
		b->again_ms = r.expires_ms < b->again_ms ? r.expires_ms : b->again_ms;
		return true;
	}
	b->failed = !still_dead(&k, b) || !adopt(&k, b->s, &r, kr->version);
	return !b->failed;
}

/* What its record says next: when to look again, or nothing any more. A put or drop that fails is made by a later look. */
static void leave(struct call *c, struct bereaved *b)
{
	struct str key = server_key(c->arena, b->server), dead = arena_fmt(c->arena, "dead %lld", (long long)b->again_ms);

	if (b->again_ms == INT64_MAX ? kv_drop(c, b->s->o.kv, key, b->version) :
				       kv_put(c, b->s->o.kv, key, dead, b->version, record_keep_ms(b->s, b->again_ms)))
		return;
	call_forgive(c);
}

/* By compare-and-set over `version`: of many that find it dead one goes on. */
static void bury_server(struct call *c, struct sessions *s, struct str server, uint64_t version)
{
	struct bereaved b = {.c = c, .s = s, .server = server, .again_ms = INT64_MAX};
	struct str later = arena_fmt(c->arena, "dead %lld", (long long)(clock_wall_ms() + LATER_MS));
	struct kv_record r;

	if (!kv_put(c, s->o.kv, server_key(c->arena, server), later, version, record_keep_ms(s, 0)) ||
	    !kv_get(c, s->o.kv, server_key(c->arena, server), &r) || !str_eq(r.value, later)) {
		call_forgive(c);
		return;
	}
	b.version = r.version;
	obs_log(OBS_WARN, "session", "server %.*s is dead: its sessions in memory end", SARG(server));
	if (kv_scan(c, s->o.kv, S("session/"), on_record, &b) && !b.failed)
		leave(c, &b);
	call_forgive(c);
}

/* --- looking at the others --- */
static struct seen *seen_of(struct servers *v, struct str id, uint64_t version, int64_t now)
{
	struct seen *n = map_get(&v->seen, id);

	if (!n) {
		n = base_zalloc(sizeof(*n) + id.n);
		memcpy(n + 1, id.p, id.n);
		n->id = str_from((char *)(n + 1), id.n);
		map_put(&v->seen, n->id, n);
	}
	if (n->version != version) {
		n->version = version;
		n->since_ms = now;
	}
	n->there = true;
	return n;
}

struct dead {
	struct str id;
	uint64_t version;
};
struct looking {
	struct sessions *s;
	struct call *c;
	int64_t now;             /* mono */
	struct buf dead;         /* of struct dead */
};

static bool is_due(const struct looking *l, const struct seen *n, struct str value)
{
	int64_t at;

	if (str_starts(value, S("dead ")))
		return str_to_i64(str_tail(value, 5), &at) && clock_wall_ms() >= at;
	return l->now - n->since_ms >= SERVER_DEAD_MS;
}

static bool look_at(void *arg, struct str key, const struct kv_record *r)
{
	struct looking *l = arg;
	struct str id = str_tail(key, S("session_server/").n);
	const struct seen *n;

	if (str_eq(id, l->s->o.server) || !id.n)
		return true;
	n = seen_of(l->s->servers, id, r->version, l->now);
	if (is_due(l, n, r->value)) {
		const struct dead d = {arena_dup(l->c->arena, id), r->version};

		buf_add(&l->dead, str_from((const char *)&d, sizeof(d)));
	}
	return true;
}

/* Those without a record any more. */
static void forget(struct servers *v, bool all)
{
	struct map kept = {0};
	struct map_slot slot;

	for (size_t i = 0; map_next(&v->seen, &i, &slot);) {
		struct seen *n = slot.value;

		if (n->there && !all)
			map_put(&kept, n->id, n);
		else
			free(n);
	}
	map_close(&v->seen);
	v->seen = kept;
	for (size_t i = 0; map_next(&v->seen, &i, &slot);)
		((struct seen *)slot.value)->there = false;
}

static bool look(struct call *c, struct sessions *s)
{
	struct looking l = {.s = s, .c = c, .now = clock_mono_ms()};
	const struct dead *d;
	bool ok;

	if (s->servers->looked_ms && l.now - s->servers->looked_ms >= SERVER_DEAD_MS)
		forget(s->servers, true); /* it was us who did not look */
	ok = kv_scan(c, s->o.kv, S("session_server/"), look_at, &l);
	if (ok) {
		forget(s->servers, false);
		s->servers->looked_ms = l.now;
	}
	d = (const struct dead *)l.dead.p;
	for (size_t i = 0; ok && i < l.dead.n / sizeof(*d); i++)
		bury_server(c, s, d[i].id, d[i].version);
	buf_drop(&l.dead);
	return ok;
}

/* --- the beat --- */
void servers_beat(struct sessions *s)
{
	OWNS(arena) a = {0};
	struct call c;
	bool ok;

	call_open(&c, &a);
	ok = beat(&c, s) && drop_orphans(&c, s);
	if (ok && s->servers->checks > 0) {
		ok = check_ours(&c, s);
		s->servers->checks -= ok;
	}
	if (!ok || !look(&c, s)) {
		forget(s->servers, true); /* who cannot look cannot say who is dead */
		s->servers->looked_ms = 0;
		obs_log_call(&c, OBS_DEBUG, "session", "the other servers cannot be seen: %s", c.err.text);
	}
}

bool servers_join(struct call *c, struct sessions *s)
{
	if (!s->o.shared)
		return true;
	s->servers = base_zalloc(sizeof(*s->servers));
	return beat(c, s) || record_failed(c, "telling the other servers");
}

void servers_leave(struct sessions *s)
{
	if (!s->servers)
		return;
	forget(s->servers, true);
	map_close(&s->servers->seen);
	free(s->servers);
	s->servers = NULL;
}
