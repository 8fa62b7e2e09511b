/* told.c - what the event log is told of a statement: that it ended, never what it said or found. */
#include "statement/statement_int.h"

#include "json/json.h"

enum { LOGGED_SQL_MAX = 128 * 1024 }; /* bytes of the text, where events carry it: escaped it is six times as long at most */

static const struct str outcomes[STMT_STATES] = {
	[STMT_SUCCEEDED] = S_INIT("succeeded"), [STMT_FAILED] = S_INIT("failed"), [STMT_CANCELED] = S_INIT("canceled"),
};

/* What a payload needs of a statement that has ended. */
struct ending {
	enum stmt_state state;
	enum sql_kind kind;
	enum err_kind error;
	bool has_error, told;
	int64_t rows, duration_ms;
};

static struct ending ending_of(struct stmt *st)
{
	struct ending e;

	stmt_lock(st);
	e = (struct ending){
		.state = st->state, .kind = st->kind, .has_error = st->error != NULL, .told = !st->withdrawn,
		.error = st->error ? st->error->kind : ERR_NONE, .rows = st->state == STMT_SUCCEEDED ? st->rows : 0,
		.duration_ms = st->kept || !st->run ? st->completed_ms - st->created_ms : clock_mono_ms() - st->run->created_mono_ms,
	};
	stmt_unlock(st);
	return e;
}

/* Not cut inside of a character. */
static struct str logged_sql(const struct stmt *st)
{
	struct str s = str_head(stmt_sql(st), LOGGED_SQL_MAX);

	while (s.n && s.n < st->sql_n && ((unsigned char)s.p[s.n] & 0xC0) == 0x80)
		s.n--;
	return s;
}

static void write_payload(struct buf *b, const struct stmt *st, const struct ending *e)
{
	struct json_out o = json_out(b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "event", outcomes[e->state]);
	JSON_FIELD_TEXT(&o, "kind", S("statement"));
	JSON_FIELD_TEXT(&o, "id", stmt_handle(st));
	JSON_FIELD_TEXT(&o, "tenant_id", str_of(st->tenant->name));
	if (st->principal_n)
		JSON_FIELD_TEXT(&o, "principal", stmt_principal(st));
	if (st->session_n)
		JSON_FIELD_TEXT(&o, "session_id", stmt_session(st));
	JSON_FIELD_TEXT(&o, "surface", st->snowflake ? S("snowflake") : S("native"));
	JSON_FIELD_TEXT(&o, "statement", st->several ? S("MULTI_STATEMENT") : str_of(sql_kind_name(e->kind)));
	JSON_FIELD_TIME(&o, "created_at", st->created_ms);
	JSON_FIELD_INT(&o, "duration_ms", e->duration_ms);
	JSON_FIELD_INT(&o, "row_count", e->rows);
	if (st->tag_n)
		JSON_FIELD_TEXT(&o, "query_tag", stmt_query_tag(st));
	if (stmt_request(st).n)
		JSON_FIELD_TEXT(&o, "request_id", stmt_request(st));
	if (e->has_error)
		JSON_FIELD_TEXT(&o, "error_code", str_of(err_code(e->error)));
	if (st->room->o.log_sql)
		JSON_FIELD_TEXT(&o, "sql", logged_sql(st));
	json_end_object(&o);
}

void stmt_tell(struct stmt *st)
{
	struct events *events = st->room->o.events;
	OWNS(buf) payload = {0};
	struct ending e;

	if (!events)
		return;
	e = ending_of(st);
	if (!e.told)
		return;
	write_payload(&payload, st, &e);
	event_post(events, EVENT_STATEMENT, str_of(st->tenant->name), buf_str(&payload));
}
