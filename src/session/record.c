/* record.c - what kv/ keeps of a session, and what the event log is told of it.
 *
 * A record is one JSON object at session/<tenant>/<id>. Its moves are
 * compare-and-sets by version. Not here: when it moves (open.c, end.c).
 */
#include "session/session_int.h"

#include "json/json.h"

const struct fsm_state session_fsm[SESSION_STATES] = {
	[SESSION_OPENING] = {"opening", TO(SESSION_OPEN) | TO(SESSION_CLOSING)},
	[SESSION_OPEN] = {"open", TO(SESSION_CLOSING)},
	[SESSION_CLOSING] = {"closing", TO(SESSION_CLOSED)},
	[SESSION_CLOSED] = {"closed", 0},
};

const struct session_causes session_causes[CAUSES] = {
	[CAUSE_NONE] = {"", NULL, NULL},
	[CAUSE_CLOSED] = {"closed", "closed", NULL},
	[CAUSE_DROPPED] = {"dropped", "closed", "dropped"},
	[CAUSE_SERVER_SHUTDOWN] = {"server_shutdown", "closed", "server_shutdown"},
	[CAUSE_TENANT_REMOVED] = {"tenant_removed", "closed", "tenant_removed"},
	[CAUSE_FORK_FAILED] = {"fork_failed", "closed", "fork_failed"},
	[CAUSE_TIMED_OUT] = {"timed_out", "timed_out", NULL},
	[CAUSE_IDLE] = {"idle", "timed_out", "idle"},
	[CAUSE_SERVER_RESTART] = {"server_restart", "timed_out", "server_restart"},
	[CAUSE_ENGINE_LOST] = {"engine_lost", "timed_out", "engine_lost"},
	[CAUSE_SERVER_LOST] = {"server_lost", "timed_out", "server_lost"},
};

bool record_failed(struct call *c, const char *what)
{
	struct err e = c->err;

	if (e.kind == ERR_STORAGE || e.kind == ERR_TOO_MANY || e.kind == ERR_UNAVAILABLE)
		return false;
	call_forgive(c);
	return fail(c, ERR_STORAGE, "%s: %s", what, e.text);
}

/* --- text --- */

struct str record_key(struct arena *a, struct str tenant, struct str id)
{
	return arena_fmt(a, "session/%.*s/%.*s", SARG(tenant), SARG(id));
}

void record_text(const struct record *r, struct buf *out)
{
	struct json_out o = json_out(out);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "id", r->id);
	JSON_FIELD_TEXT(&o, "tenant", r->tenant);
	JSON_FIELD_TEXT(&o, "principal", r->principal);
	JSON_FIELD_TEXT(&o, "storage", r->persistent ? S("persistent") : S("memory"));
	JSON_FIELD_TEXT(&o, "server", r->server);
	JSON_FIELD_TEXT(&o, "location", r->location);
	JSON_FIELD_INT(&o, "created_ms", r->created_ms);
	JSON_FIELD_INT(&o, "timeout_s", r->timeout_s);
	JSON_FIELD_INT(&o, "idle_s", r->idle_s);
	JSON_FIELD_INT(&o, "expires_ms", r->expires_ms);
	JSON_FIELD_BOOL(&o, "close_on_disconnect", r->close_on_disconnect);
	JSON_FIELD_TEXT(&o, "labels", r->labels);
	JSON_FIELD_TEXT(&o, "state", str_of(session_fsm[r->state].name));
	JSON_FIELD_TEXT(&o, "cause", str_of(session_causes[r->cause].name));
	JSON_FIELD_INT(&o, "at", r->at);
	JSON_FIELD_INT(&o, "left_tables", r->left_tables);
	JSON_FIELD_INT(&o, "left_rows", r->left_rows);
	JSON_FIELD_INT(&o, "dropped_tables", r->dropped_tables);
	JSON_FIELD_INT(&o, "dropped_rows", r->dropped_rows);
	json_end_object(&o);
}

static bool read_texts(struct call *c, const json_node *o, struct record *r, struct str *state, struct str *cause)
{
	struct str storage = {0};

	if (!json_want_text(c, o, "id", &r->id) || !json_want_text(c, o, "tenant", &r->tenant) ||
	    !json_want_text(c, o, "principal", &r->principal) || !json_want_text(c, o, "storage", &storage) ||
	    !json_want_text(c, o, "server", &r->server) || !json_want_text(c, o, "location", &r->location) ||
	    !json_want_text(c, o, "labels", &r->labels) || !json_want_text(c, o, "state", state) ||
	    !json_want_text(c, o, "cause", cause) || !json_want_bool(c, o, "close_on_disconnect", &r->close_on_disconnect))
		return false;
	r->persistent = str_eq(storage, S("persistent"));
	return (id_valid(r->id) && r->tenant.n > 0 && r->tenant.n < sizeof(((struct tenant_sessions *)0)->name) &&
		(r->persistent || str_eq(storage, S("memory")))) ||
	       fail(c, ERR_INVALID_FIELD, "id, tenant or storage");
}

static bool read_numbers(struct call *c, const json_node *o, struct record *r)
{
	return json_want_int(c, o, "created_ms", 0, INT64_MAX, &r->created_ms) &&
	       json_want_int(c, o, "timeout_s", 0, INT64_MAX, &r->timeout_s) &&
	       json_want_int(c, o, "idle_s", NEVER_SAID, INT64_MAX, &r->idle_s) &&
	       json_want_int(c, o, "expires_ms", 0, INT64_MAX, &r->expires_ms) &&
	       json_want_int(c, o, "at", 0, INT64_MAX, &r->at) &&
	       json_want_int(c, o, "left_tables", -1, INT64_MAX, &r->left_tables) &&
	       json_want_int(c, o, "left_rows", -1, INT64_MAX, &r->left_rows) &&
	       json_want_int(c, o, "dropped_tables", 0, INT64_MAX, &r->dropped_tables) &&
	       json_want_int(c, o, "dropped_rows", 0, INT64_MAX, &r->dropped_rows);
}

static bool state_of(struct call *c, struct str state, struct str cause, struct record *r)
{
	unsigned i = 0, k = 0;

	while (i < SESSION_STATES && !str_eq(state, str_of(session_fsm[i].name)))
		i++;
	while (k < CAUSES && !str_eq(cause, str_of(session_causes[k].name)))
		k++;
	if (i == SESSION_STATES || k == CAUSES || (i >= SESSION_CLOSING) != (k != CAUSE_NONE))
		return fail(c, ERR_INVALID_FIELD, "state and cause");
	r->state = (enum session_state)i;
	r->cause = (enum session_cause)k;
	return true;
}

bool record_read(struct call *c, struct str text, struct record *ret)
{
	struct record r = {.idle_s = NEVER_SAID, .left_tables = -1, .left_rows = -1, .labels = S("{}")};
	struct str state = {0}, cause = {0};
	const json_node *o;

	if (!json_read_object(c, text, &o) || !read_texts(c, o, &r, &state, &cause) || !read_numbers(c, o, &r) ||
	    !state_of(c, state, cause, &r))
		return record_failed(c, "a session's record cannot be read");
	*ret = r;
	return true;
}

/* --- in kv/ --- */

static const int64_t away_ms = INT64_C(365) * 24 * 3600 * 1000; /* nobody comes back after that */

int64_t record_keep_ms(const struct sessions *s, int64_t until_ms)
{
	int64_t left = until_ms - clock_wall_ms();

	if (!s->o.shared || left > INT64_MAX - away_ms - clock_wall_ms())
		return 0;
	return (left > 0 ? left : 0) + away_ms;
}

int64_t record_ttl_ms(const struct sessions *s, const struct record *r)
{
	return r->state == SESSION_CLOSED ? s->o.tombstone_ms : record_keep_ms(s, r->expires_ms);
}

bool record_get(struct call *c, struct sessions *s, struct str key, struct record *ret, uint64_t *ret_version)
{
	struct kv_record v;

	if (!kv_get(c, s->o.kv, key, &v))
		return c->err.kind == ERR_NOT_FOUND ? false : record_failed(c, "reading a session's record");
	*ret_version = v.version;
	return record_read(c, v.value, ret);
}

bool record_create(struct call *c, struct sessions *s, const struct record *r)
{
	OWNS(buf) text = {0};

	record_text(r, &text);
	return kv_put(c, s->o.kv, record_key(c->arena, r->tenant, r->id), buf_str(&text), KV_ABSENT, record_ttl_ms(s, r)) ||
	       record_failed(c, "recording a session");
}

static bool put_over(struct call *c, struct sessions *s, const struct record *r, uint64_t version)
{
	struct str key = record_key(c->arena, r->tenant, r->id);
	OWNS(buf) text = {0};

	if (r->state == SESSION_CLOSED && s->o.tombstone_ms <= 0)
		return kv_drop(c, s->o.kv, key, version);
	record_text(r, &text);
	return kv_put(c, s->o.kv, key, buf_str(&text), version, record_ttl_ms(s, r));
}

bool record_move(struct call *c, struct sessions *s, const struct record *r, unsigned from)
{
	enum { TRIES = 100 }; /* of two that extend at once one finds the other's version */

	for (int i = 0; i < TRIES; i++) {
		struct record old;
		uint64_t version;

		if (!record_get(c, s, record_key(c->arena, r->tenant, r->id), &old, &version)) {
			if (c->err.kind != ERR_NOT_FOUND)
				return false;
			call_forgive(c);
			if (s->o.shared && s->o.tombstone_ms > 0 && put_over(c, s, r, KV_ABSENT))
				return true; /* with tombstones, a record that is not there was lost, not closed */
			if (c->err.kind != ERR_NONE && c->err.kind != ERR_CONFLICT)
				return record_failed(c, "recording a session");
			call_forgive(c);
			return fail(c, ERR_CONFLICT, "session %.*s is not recorded any more", SARG(r->id));
		}
		if (!(TO(old.state) & from) || !str_eq(old.server, s->o.server))
			return fail(c, ERR_CONFLICT, "session %.*s is %s", SARG(r->id), session_fsm[old.state].name);
		if (put_over(c, s, r, version))
			return true;
		if (c->err.kind != ERR_CONFLICT)
			return record_failed(c, "recording a session");
		call_forgive(c);
	}
	return fail(c, ERR_CONFLICT, "session %.*s is changing", SARG(r->id));
}

/* --- events --- */

/* The first seven members are the contract's; `details` is absent when there are none. */
static void event_text(const struct call *c, struct session *se, const struct session_event *e, struct buf *out)
{
	struct json_out o = json_out(out);
	int64_t now = clock_wall_ms();

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "session_id", se->r.id);
	JSON_FIELD_TEXT(&o, "tenant_id", se->r.tenant);
	JSON_FIELD_TEXT(&o, "event", e->event);
	JSON_FIELD_TIME(&o, "occurred_at", now);
	JSON_FIELD_INT(&o, "ephemeral_table_count", e->tables);
	JSON_FIELD_INT(&o, "deleted_row_count", e->rows);
	if (e->details.n) {
		json_literal_key(&o, S("\"details\":"));
		json_put_raw(&o, e->details);
	}
	if (se->r.principal.n)
		JSON_FIELD_TEXT(&o, "principal", se->r.principal);
	if (c->request_id.n)
		JSON_FIELD_TEXT(&o, "request_id", c->request_id);
	if (e->terminal)
		JSON_FIELD_INT(&o, "duration_ms", now > se->r.created_ms ? now - se->r.created_ms : 0);
	json_end_object(&o);
}

bool session_tell(struct call *c, struct session *se, const struct session_event *e)
{
	OWNS(buf) text = {0};

	event_text(c, se, e, &text);
	return event_append(c, se->room->o.events, EVENT_SESSION_LIFECYCLE, se->r.tenant, buf_str(&text)) ||
	       record_failed(c, "telling the event log");
}
