/* end.c - the one way in which a session ends, whatever the cause.
 *
 *   claim     in the process, then the record: open -> closing   (first attempt)
 *   count     the engine lists tables and rows; the record keeps the numbers
 *   drop      the engine drops table by table
 *   tell      the terminal event                                  (once)
 *   tombstone the record: closing -> closed, forgotten later
 *
 * Every step that fails leaves the session closing and another attempt due; an
 * attempt goes on where the one before stopped. The numbers in the record
 * carry what is dropped already over attempts and over a crash.
 */
#include "session/session_int.h"

#include "json/json.h"
#include "obs/obs.h"

/* --- one attempt's end --- */

static void attempt_over(struct session_op *op, bool ok)
{
	struct session *se = op->se;

	if (op->by_sweeper)
		lifecycle_swept(se->room->o.lifecycle, &se->lease, ok);
	session_awaited(se);
	op_done(op);
}

/* Something is left to do: again after a while, each time twice as long. */
static void attempt_failed(struct session_op *op)
{
	struct session *se = op->se;
	const struct err *e = &op->call.err;

	if (e->kind != ERR_PARTIAL_DELETION && e->kind != ERR_STORAGE && e->kind != ERR_UNAVAILABLE) {
		struct err was = *e;

		call_forgive(&op->call);
		fail(&op->call, ERR_STORAGE, "%s", was.text);
	}
	obs_log_call(&op->call, OBS_WARN, "session", "session %.*s could not be ended: %s", SARG(se->r.id), err_code(e->kind));
	room_lock(se->room);
	se->ending = false;
	se->backoff_ms = se->backoff_ms ? se->backoff_ms * 2 : RETRY_MIN_MS;
	if (se->backoff_ms > RETRY_MAX_MS)
		se->backoff_ms = RETRY_MAX_MS;
	se->retry_ms = add_capped(clock_wall_ms(), se->backoff_ms);
	se->clock_turn++;
	room_unlock(se->room);
	session_clock(se);
	attempt_over(op, false);
}

/* --- numbers: what was there when it was last counted is either still there or dropped --- */

/* The engine answered: its numbers hold, not what it told last before the end began. */
static void forget_guess(struct session *se)
{
	room_lock(se->room);
	if (se->guessed)
		se->r.left_tables = se->r.left_rows = -1;
	se->guessed = false;
	room_unlock(se->room);
}

static void account(struct session *se, int64_t tables, int64_t rows)
{
	struct record *r = &se->r;

	room_lock(se->room);
	if (r->left_tables >= 0) {
		r->dropped_tables += r->left_tables > tables ? r->left_tables - tables : 0;
		r->dropped_rows += r->left_rows > rows ? r->left_rows - rows : 0;
	}
	r->left_tables = tables;
	r->left_rows = rows;
	room_unlock(se->room);
}

/* What the engine dropped just now: exact, and rows may have come or gone since they were counted. A table that was
 * counted and is in neither list went with its worker. */
static void account_dropped(struct session_op *op, const struct engine_usage *gone, const struct engine_usage *left)
{
	struct record *r = &op->se->r;

	op->rows = gone->rows;
	room_lock(op->room);
	if (r->left_tables > gone->tables + left->tables) {
		r->dropped_tables += r->left_tables - left->tables;
		r->dropped_rows += r->left_rows > left->rows ? r->left_rows - left->rows : 0;
	} else {
		r->dropped_tables += gone->tables;
		r->dropped_rows += gone->rows;
	}
	r->left_tables = left->tables;
	r->left_rows = left->rows;
	room_unlock(op->room);
}

/* Tables and rows of the list that are dropped, or that are not. */
static struct engine_usage sum(const struct session_op *op, bool dropped)
{
	struct engine_usage n = {0};

	for (int i = 0; i < op->ntables; i++) {
		if ((op->tables[i].error.n == 0) != dropped)
			continue;
		n.tables++;
		n.rows = add_capped(n.rows, op->tables[i].rows > 0 ? op->tables[i].rows : 0);
	}
	return n;
}

/* --- the tombstone --- */

void session_told_gone(const struct sessions *s, const struct record *r)
{
	if (s->o.gone)
		s->o.gone(s->o.gone_arg, r->tenant, r->id);
}

static void bury(struct session_op *op)
{
	struct session *se = op->se;
	struct sessions *s = op->room;
	struct record r = se->r;

	r.state = SESSION_CLOSED;
	if (!se->mute && !record_move(&op->call, s, &r, TO(SESSION_CLOSING)) && op->call.err.kind != ERR_CONFLICT) {
		attempt_failed(op);
		return;
	}
	call_forgive(&op->call); /* a record that somebody else took away needs no tombstone */
	room_lock(s);
	session_move(se, SESSION_CLOSED);
	room_unlock(s);
	session_leave(se);
	session_told_gone(s, &r);
	atomic_fetch_add(strcmp(session_causes[r.cause].event, "closed") == 0 ? &s->closed : &s->timed_out, 1);
	attempt_over(op, true);
}

/* --- the terminal event --- */

static struct str reason_of(struct arena *a, enum session_cause cause)
{
	const char *reason = session_causes[cause].reason;

	return reason ? arena_fmt(a, "{\"reason\":\"%s\"}", reason) : S("");
}

/* An append that failed may be in the log all the same: then it is not said again. */
static bool look_whether_told(struct session_op *op)
{
	struct session *se = op->se;
	struct doubt d = {.at = se->r.at};
	struct map doubts = {0};
	bool ok;

	map_put(&doubts, se->r.id, &d);
	ok = session_look_up(&op->call, op->room, se->r.tenant, &doubts);
	map_close(&doubts);
	se->told = ok && d.ended;
	return ok;
}

static void tell_terminal(struct session_op *op)
{
	struct session *se = op->se;
	const struct record *r = &se->r;

	if (!se->mute && se->doubtful && !look_whether_told(op)) {
		attempt_failed(op);
		return;
	}
	se->doubtful = false;
	if (!se->mute && !se->told) {
		const struct session_event e = {.event = str_of(session_causes[r->cause].event), .tables = r->dropped_tables,
						.rows = r->dropped_rows, .details = reason_of(&op->arena, r->cause), .terminal = true};

		se->told = session_tell(&op->call, se, &e);
		if (!se->told) {
			se->doubtful = true;
			attempt_failed(op);
			return;
		}
	}
	bury(op);
}

static void nothing_left(struct session_op *op)
{
	account(op->se, 0, 0);
	tell_terminal(op);
}

/* --- dropping --- */

/* The survivors' physical ids as a JSON array. */
static struct str surviving(struct session_op *op)
{
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);

	json_begin_array(&o);
	for (int i = 0; i < op->ntables; i++)
		if (op->tables[i].error.n)
			json_put_text(&o, session_physical_id(&op->arena, op->se, op->tables[i].name));
	json_end_array(&o);
	return arena_dup(&op->arena, buf_str(&text));
}

static void partial(struct session_op *op, int failed)
{
	struct session *se = op->se;
	struct str names = surviving(op);
	struct record r = se->r;
	struct session_event e = {.event = S("partial_deletion_failure"), .tables = op->ntables, .rows = op->rows};

	atomic_fetch_add(&op->room->partial, 1);
	e.details = arena_fmt(&op->arena, "{\"surviving_tables\":%.*s,\"attempted_event\":\"%s\"}", SARG(names),
			      session_causes[r.cause].event);
	if (se->mute || (record_move(&op->call, op->room, &r, TO(SESSION_CLOSING)) && session_tell(&op->call, se, &e))) {
		fail(&op->call, ERR_PARTIAL_DELETION, "%d of %d tables could not be dropped", failed, op->ntables);
		fail_more(&op->call, "\"failed\":%d,\"total\":%d,\"surviving\":%.*s", failed, op->ntables, SARG(names));
	}
	attempt_failed(op);
}

/* The answer to whoever closed lists what is dropped. */
static void keep_dropped(struct session_op *op)
{
	int n = 0;

	for (int i = 0; i < op->ntables; i++)
		if (!op->tables[i].error.n)
			op->tables[n++] = op->tables[i];
	op->ntables = n;
}

static void after_drop(struct session_op *op)
{
	struct engine_usage gone, left;

	if (!op_unpack(op)) {
		attempt_failed(op);
		return;
	}
	gone = sum(op, true);
	left = sum(op, false);
	if (op->ntables) /* else they may have gone with their worker */
		forget_guess(op->se);
	account_dropped(op, &gone, &left);
	if (left.tables > 0) {
		partial(op, (int)left.tables);
		return;
	}
	keep_dropped(op);
	tell_terminal(op);
}

static void dropped(struct session_op *op)
{
	switch (op->end.outcome) {
	case ENGINE_OK:
		after_drop(op);
		return;
	case ENGINE_GONE:
		nothing_left(op);
		return;
	case ENGINE_LOST:
		if (!op->se->r.persistent) { /* with the worker went its memory */
			nothing_left(op);
			return;
		}
		break;
	case ENGINE_FAILED:
	case ENGINE_INTERRUPTED:
	case ENGINE_TOO_LARGE:
	case ENGINE_FULL:
		break;
	}
	op_engine_error(op);
	attempt_failed(op);
}

static void on_dropped(struct session_op *op)
{
	op_run(op, dropped);
}

static void drop(struct session_op *op)
{
	if (!op_run_verb(&op->call, op, ENGINE_CATALOG_DROP, NULL, on_dropped))
		attempt_failed(op);
}

/* --- counting; what cannot be counted is dropped all the same --- */

static void counted(struct session_op *op)
{
	struct session *se = op->se;

	if (op->end.outcome == ENGINE_OK && op_unpack(op)) {
		struct engine_usage n;
		struct record r;

		n = sum(op, true);
		forget_guess(se);
		account(se, n.tables, n.rows);
		r = se->r;
		if (!se->mute && !record_move(&op->call, op->room, &r, TO(SESSION_CLOSING))) {
			attempt_failed(op);
			return;
		}
	}
	call_forgive(&op->call);
	op->tables = NULL;
	op->ntables = 0;
	drop(op);
}

static void on_counted(struct session_op *op)
{
	op_run(op, counted);
}

/* --- the claim --- */

/* False: kv/ failed. Whoever finds the record moved by another has lost: the tables go, the tale is the winner's. */
static bool claim_record(struct session_op *op)
{
	struct session *se = op->se;
	struct record r = se->r;

	if (!event_head(&op->call, op->room->o.events, EVENT_SESSION_LIFECYCLE, r.tenant, &r.at))
		return record_failed(&op->call, "reading the event log");
	if (!record_move(&op->call, op->room, &r, TO(SESSION_OPENING) | TO(SESSION_OPEN))) {
		if (op->call.err.kind != ERR_CONFLICT)
			return false;
		call_forgive(&op->call);
		se->mute = true;
	}
	room_lock(se->room);
	se->r.at = r.at;
	room_unlock(se->room);
	se->claimed = true;
	return true;
}

static void claimed(struct session_op *op)
{
	struct session *se = op->se;
	bool touched;

	if (!se->claimed && !claim_record(op)) {
		attempt_failed(op);
		return;
	}
	lease_end_owned(se->room->o.lifecycle, &se->owner); /* who got in before this has touched it */
	room_lock(se->room);
	touched = se->touched;
	room_unlock(se->room);
	if (!op->room->ops->exists(se->catalog)) {
		if (touched)
			drop(op); /* costs no worker */
		else
			nothing_left(op);
		return;
	}
	if (!op_run_verb(&op->call, op, ENGINE_CATALOG_TABLES, NULL, on_counted)) {
		call_forgive(&op->call);
		drop(op);
	}
}

/* Under the lock. */
static bool claim(struct session *se, enum session_cause cause)
{
	if (se->ending || !se->in_map)
		return false;
	if (se->r.state == SESSION_OPEN) {
		session_move(se, SESSION_CLOSING);
		se->r.cause = cause;
		if (!se->r.persistent) { /* what goes with its process before it is counted */
			se->r.left_tables = se->usage.tables;
			se->r.left_rows = se->usage.rows;
			se->guessed = true;
		}
	} else if (se->r.state != SESSION_CLOSING) {
		return false;
	}
	se->ending = true;
	se->clock_turn++;
	return true;
}

static bool begin(const struct call *by, struct session *se, enum session_cause cause, struct session_op **ret)
{
	struct session_op *op;
	bool won;

	room_lock(se->room);
	won = claim(se, cause);
	room_unlock(se->room);
	if (!won)
		return false;
	session_clock(se);
	op = session_op_new(se, by);
	*ret = op;
	return true;
}

bool session_end(const struct call *by, struct session *se, enum session_cause cause, struct session_op **ret)
{
	struct session_op *op;

	if (!begin(by, se, cause, &op))
		return false;
	if (ret)
		*ret = op;
	op_run(op, claimed);
	if (!ret)
		session_op_unref(op);
	return true;
}

void session_end_swept(struct session *se, enum session_cause cause)
{
	struct session_op *op;

	if (!begin(NULL, se, cause, &op))
		return;
	op->by_sweeper = true;
	op_run(op, claimed);
	session_op_unref(op);
}

bool session_close(struct call *c, struct session *se, struct session_op **ret)
{
	if (session_end(c, se, CAUSE_CLOSED, ret))
		return true;
	return fail(c, ERR_SESSION_CLOSED, "session %.*s is closed, or is being closed", SARG(se->r.id));
}
