/* open.c - opening and extending.
 *
 * One record and one event. The record says opening until the event is in the
 * log, and a start after a crash looks there: found, it was opened, not found,
 * nobody was answered. So a memory session, which a crash ends anyway, needs no
 * second put; a persistent one gets it, lest retention takes the event first.
 */
#include "session/session_int.h"

#include <stdlib.h>

enum { DEFAULT_S = 3600 };

static bool check_timeout(struct call *c, int64_t seconds, const struct session_caps *caps)
{
	return (seconds >= 0 && seconds <= caps->max_timeout_seconds) ||
	       fail(c, ERR_INVALID_FIELD, "timeout_seconds: 0 to %lld", (long long)caps->max_timeout_seconds);
}

static bool check_ask(struct call *c, const struct session_ask *ask, const struct session_caps *caps)
{
	if (!c->tenant.n)
		return fail(c, ERR_NO_TENANT_BINDING, "a session needs a tenant");
	if (ask->idle_seconds != NEVER_SAID && ask->idle_seconds < 1)
		return fail(c, ERR_INVALID_FIELD, "idle_timeout_seconds: at least 1");
	if (ask->labels.n > LABELS_MAX)
		return fail(c, ERR_INVALID_FIELD, "labels: at most %d bytes", LABELS_MAX);
	return check_timeout(c, ask->timeout_seconds, caps);
}

/* A sum that overflows is no deadline. */
static int64_t deadline(int64_t from_ms, int64_t timeout_s)
{
	int64_t ms;

	return __builtin_mul_overflow(timeout_s, 1000, &ms) ? INT64_MAX : add_capped(from_ms, ms);
}

static struct session *session_for(struct call *c, struct sessions *s, const struct session_ask *ask)
{
	struct id id = id_v4();
	int64_t now = clock_wall_ms();
	const struct record r = {
		.id = id_str(&id), .tenant = c->tenant, .principal = c->principal, .labels = ask->labels.n ? ask->labels : S("{}"),
		.persistent = ask->persistent, .close_on_disconnect = ask->close_on_disconnect, .created_ms = now,
		.timeout_s = ask->timeout_seconds, .idle_s = ask->idle_seconds, .expires_ms = deadline(now, ask->timeout_seconds),
		.state = SESSION_OPENING, .left_tables = -1, .left_rows = -1,
	};

	return session_new(s, &r);
}

/* Recorded, then told. What is recorded and could not be told is forgotten again. */
static bool announce(struct call *c, struct session *se)
{
	struct sessions *s = se->room;
	struct record open = se->r;
	struct err err;

	if (!event_head(c, s->o.events, EVENT_SESSION_LIFECYCLE, se->r.tenant, &open.at))
		return record_failed(c, "reading the event log");
	if (!record_create(c, s, &open)) {
		if (c->err.kind == ERR_UNAVAILABLE)
			servers_orphan(s, record_key(c->arena, open.tenant, open.id));
		return false;
	}
	if (session_tell(c, se, &(struct session_event){.event = S("opened")})) {
		open.state = SESSION_OPEN;
		if (open.persistent && !record_move(c, s, &open, TO(SESSION_OPENING)))
			call_forgive(c); /* a start finds the event */
		return true;
	}
	err = c->err;
	call_forgive(c);
	if (!kv_drop(c, s->o.kv, record_key(c->arena, open.tenant, open.id), KV_ANY)) /* else a restart forgets it */
		servers_orphan(s, record_key(c->arena, open.tenant, open.id));
	c->err = err;
	return false;
}

static void go(struct session *se)
{
	struct sessions *s = se->room;
	bool late;

	room_lock(s);
	session_move(se, SESSION_OPEN);
	late = s->stopping && !se->r.persistent;
	room_unlock(s);
	atomic_fetch_add(&s->opened, 1);
	session_clock(se);
	if (late)
		(void)!session_end(NULL, se, CAUSE_SERVER_SHUTDOWN, NULL);
}

bool session_open(struct call *c, struct sessions *s, const struct session_ask *ask, struct session **ret)
{
	struct session_ask timed = *ask;
	struct session_caps caps;
	struct session *se;

	s->o.caps(s->o.arg, c->tenant, &caps);
	if (timed.timeout_seconds == SESSION_TIMEOUT_DEFAULT)
		timed.timeout_seconds = caps.max_timeout_seconds < DEFAULT_S ? caps.max_timeout_seconds : DEFAULT_S;
	if (!check_ask(c, &timed, &caps))
		return false;
	se = session_for(c, s, &timed);
	if (!session_enter(se, caps.max_sessions)) {
		session_leave(se);
		session_unref(se);
		session_unref(se);
		fail(c, ERR_QUOTA, "max_sessions: at most %lld open sessions", (long long)caps.max_sessions);
		return fail_more(c, "\"quota\":\"max_sessions\",\"limit\":%lld,\"usage\":%lld", (long long)caps.max_sessions,
				 (long long)caps.max_sessions);
	}
	if (!announce(c, se)) {
		session_leave(se);
		session_unref(se);
		return false;
	}
	go(se);
	*ret = se;
	return true;
}

bool session_extend(struct call *c, struct session *se, int64_t timeout_seconds)
{
	struct sessions *s = se->room;
	struct session_caps caps;
	struct record r;
	bool open;

	s->o.caps(s->o.arg, se->r.tenant, &caps);
	if (!session_usable(c, se) || !check_timeout(c, timeout_seconds, &caps))
		return false;
	session_touch(se);
	room_lock(s);
	r = se->r;
	room_unlock(s);
	r.state = SESSION_OPEN;
	r.cause = CAUSE_NONE;
	r.timeout_s = timeout_seconds;
	r.expires_ms = deadline(clock_wall_ms(), timeout_seconds);
	if (!record_move(c, s, &r, TO(SESSION_OPENING) | TO(SESSION_OPEN))) {
		if (c->err.kind != ERR_CONFLICT)
			return false;
		call_forgive(c);
		return fail(c, ERR_SESSION_CLOSED, "session %.*s is closed", SARG(se->r.id));
	}
	room_lock(s);
	open = se->r.state == SESSION_OPEN;
	if (open) {
		se->r.timeout_s = r.timeout_s;
		se->r.expires_ms = r.expires_ms;
		se->clock_turn++;
	}
	room_unlock(s);
	session_clock(se);
	return open || fail(c, ERR_SESSION_CLOSED, "session %.*s is closed", SARG(se->r.id));
}
