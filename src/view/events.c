/* events.c - what the event log is told of spaces: that something happened, never what a SQL says or a row holds. */
#include "view/view_int.h"

#include "json/json.h"

static const struct {
	struct str event, kind;
} names[VIEW_EVENTS] = {
	[VIEW_E_CREATED] = {S_INIT("created"), S_INIT("view")},
	[VIEW_E_UPDATED] = {S_INIT("updated"), S_INIT("view")},
	[VIEW_E_REFRESHED] = {S_INIT("refreshed"), S_INIT("view")},
	[VIEW_E_FAILED] = {S_INIT("failed"), S_INIT("view")},
	[VIEW_E_DELETED] = {S_INIT("deleted"), S_INIT("view")},
	[VIEW_E_TABLE_WRITTEN] = {S_INIT("written"), S_INIT("table")},
	[VIEW_E_TABLE_DELETED] = {S_INIT("deleted"), S_INIT("table")},
	[VIEW_E_SESSION_OPENED] = {S_INIT("opened"), S_INIT("sql_session")},
	[VIEW_E_SESSION_CLOSED] = {S_INIT("closed"), S_INIT("sql_session")},
	[VIEW_E_SESSION_EXPIRED] = {S_INIT("expired"), S_INIT("sql_session")},
	[VIEW_E_SPACE_CREATED] = {S_INIT("created"), S_INIT("space")},
	[VIEW_E_SPACE_DELETED] = {S_INIT("deleted"), S_INIT("space")},
};

static void write_payload(struct buf *b, const struct call *c, const struct view_told *t)
{
	struct json_out o = json_out(b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "event", names[t->event].event);
	JSON_FIELD_TEXT(&o, "kind", names[t->event].kind);
	JSON_FIELD_TEXT(&o, "id", t->id.n ? t->id : t->space);
	JSON_FIELD_TEXT(&o, "space_id", t->space);
	JSON_FIELD_TEXT(&o, "tenant_id", c->tenant);
	if (c->principal.n)
		JSON_FIELD_TEXT(&o, "principal", c->principal);
	JSON_FIELD_TIME(&o, "occurred_at", clock_wall_ms());
	JSON_FIELD_TEXT(&o, "outcome", t->error.n ? S("failed") : S("succeeded"));
	if (t->snapshot_id > 0)
		JSON_FIELD_INT(&o, "snapshot_id", t->snapshot_id);
	if (t->rows >= 0)
		JSON_FIELD_INT(&o, "row_count", t->rows);
	if (t->duration_ms >= 0)
		JSON_FIELD_INT(&o, "duration_ms", t->duration_ms);
	if (c->request_id.n)
		JSON_FIELD_TEXT(&o, "request_id", c->request_id);
	if (t->error.n)
		JSON_FIELD_TEXT(&o, "error_code", t->error);
	json_end_object(&o);
}

void view_tell(struct views *v, const struct call *c, const struct view_told *t)
{
	OWNS(buf) payload = {0};

	if (!v->o.events)
		return;
	write_payload(&payload, c, t);
	event_post(v->o.events, EVENT_VIEW, c->tenant, buf_str(&payload));
}
