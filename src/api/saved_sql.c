/* saved_sql.c - /v1/spaces/{space_id}/sql: SQL that is kept, and the state of its views. */
#include "api/api_int.h"

enum { VARIABLES_MAX = 1000, ORDER_MAX = 1000 };

/* --- the entry --- */

static void put_int_or_null(struct json_out *o, const char *key, int64_t v)
{
	json_key(o, str_of(key));
	if (v)
		json_put_int(o, v);
	else
		json_put_null(o);
}

static void put_variables(struct json_out *o, const struct saved_sql *s)
{
	json_key(o, S("variables"));
	json_begin_array(o);
	for (int i = 0; i < s->nvariables; i++) {
		const struct view_variable *v = &s->variables[i];

		json_begin_object(o);
		JSON_FIELD_TEXT(o, "name", v->name);
		JSON_FIELD_TEXT(o, "type", v->type);
		if (v->has_default) {
			json_key(o, S("default"));
			json_put_raw(o, v->dflt);
		}
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_view(struct json_out *o, const struct saved_sql *s)
{
	bool built = s->view.snapshot_id != 0;

	json_key(o, S("view"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "sql_id", s->id);
	JSON_FIELD_TEXT(o, "state", str_of(view_fsm[s->view.state].name));
	api_put_text(o, "error", s->view.error);
	put_int_or_null(o, "snapshot_id", s->view.snapshot_id);
	api_put_time(o, "snapshot_at", s->view.snapshot_ms);
	api_put_text(o, "schema_hash", s->view.schema_hash);
	put_int_or_null(o, "schema_version", s->view.schema_version);
	json_key(o, S("row_count"));
	if (built)
		json_put_int(o, s->view.rows);
	else
		json_put_null(o);
	api_put_text(o, "location", s->view.location);
	json_end_object(o);
}

static void put_saved(struct json_out *o, const struct saved_sql *s)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "id", s->id);
	JSON_FIELD_TEXT(o, "name", s->name);
	JSON_FIELD_TEXT(o, "sql", s->sql);
	json_key(o, S("order_by"));
	json_put_texts(o, s->order_by, s->norder);
	put_variables(o, s);
	JSON_FIELD_TEXT(o, "revision_id", s->revision_id);
	api_put_time(o, "created_at", s->created_ms);
	api_put_time(o, "updated_at", s->updated_ms);
	put_view(o, s);
	json_end_object(o);
}

/* --- asking for it --- */

bool api_read_order(struct call *c, const json_node *body, const struct str **ret, int *ret_n)
{
	return json_want_texts(c, body, "order_by", ORDER_MAX, ret, ret_n);
}

static bool read_variable(struct call *c, const json_node *n, size_t i, struct view_variable *ret)
{
	static const char *const keys[] = {"name", "type", "default", NULL};
	const json_node *dflt;

	*ret = (struct view_variable){0};
	if (json_kind(n) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "variables[%zu] must be an object", i);
	if (!json_only(c, n, keys) || !json_want_text(c, n, "name", &ret->name) || !json_want_text(c, n, "type", &ret->type))
		return false;
	if (!ret->name.n || !ret->type.n)
		return fail(c, ERR_INVALID_FIELD, "variables[%zu] needs name and type", i);
	dflt = json_get(n, "default");
	ret->has_default = dflt != NULL;
	if (dflt)
		ret->dflt = json_node_text(c->arena, dflt);
	return true;
}

static bool read_variables(struct call *c, const json_node *body, struct saved_ask *ask)
{
	const json_node *list = json_get(body, "variables");
	struct view_variable *v;

	if (!list || json_kind(list) == JSON_KIND_NULL)
		return true;
	if (json_kind(list) != JSON_KIND_ARRAY || json_count(list) > VARIABLES_MAX)
		return fail(c, ERR_INVALID_FIELD, "variables must be an array of at most %d {\"name\", \"type\", \"default\"}", VARIABLES_MAX);
	v = ARENA_ARRAY(c->arena, struct view_variable, json_count(list) + 1);
	for (size_t i = 0; i < json_count(list); i++)
		if (!read_variable(c, json_at(list, i), i, &v[i]))
			return false;
	ask->variables = v;
	ask->nvariables = (int)json_count(list);
	return true;
}

static bool read_ask(struct call *c, const struct http_req *in, struct saved_ask *ask)
{
	static const char *const keys[] = {"name", "sql", "order_by", "variables", "parent_revision_id", NULL};
	const json_node *body;

	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) || !json_want_text(c, body, "name", &ask->name) ||
	    !json_want_text(c, body, "sql", &ask->sql) ||
	    !json_want_text(c, body, "parent_revision_id", &ask->parent_revision_id) ||
	    !api_read_order(c, body, &ask->order_by, &ask->norder) || !read_variables(c, body, ask))
		return false;
	if (!ask->name.p || !ask->sql.p)
		return fail(c, ERR_INVALID_FIELD, "%s is missing", ask->name.p ? "sql" : "name");
	if (ask->id.n && !ask->parent_revision_id.n)
		return fail(c, ERR_INVALID_FIELD, "parent_revision_id is missing");
	return ask->id.n || !ask->parent_revision_id.p || fail(c, ERR_UNKNOWN_FIELD, "parent_revision_id is for updates");
}

/* A new one, or with an id in the path an update. */
bool api_save_sql(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct saved_ask ask = {.space = http_param(in, 0), .id = http_param(in, 1), .async = api_prefer_async(in)};
	struct api *a = rooms;
	struct view_op *op;

	return read_ask(c, in, &ask) && view_save(c, a->views, &ask, &op) && api_wait_view(c, out, op, NULL, false);
}

bool api_refresh_sql(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct view_op *op;

	return api_read_nothing(c, in) && view_refresh(c, a->views, http_param(in, 0), http_param(in, 1), api_prefer_async(in), &op) &&
	       api_wait_view(c, out, op, NULL, false);
}

static bool write_saved(struct call *c, const struct http_req *in, struct http_res *out, int status)
{
	struct json_out o = json_out(http_out(out));
	struct view_result r;

	if (!api_view_result(c, out, &r))
		return false;
	if (api_prefer_async(in))
		http_set(out, "Preference-Applied", S("respond-async"));
	api_json(out, r.saved->view.state == VIEW_BUILDING ? 202 : status);
	if (status == 201)
		http_set(out, "Location", arena_fmt(c->arena, "/v1/spaces/%.*s/sql/%.*s", SARG(http_param(in, 0)), SARG(r.saved->id)));
	put_saved(&o, r.saved);
	return true;
}

bool api_save_sql_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)rooms;
	return write_saved(c, in, out, str_eq(http_method(in), S("POST")) ? 201 : 200);
}

bool api_refresh_sql_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)rooms;
	return write_saved(c, in, out, 200);
}

/* --- looking and dropping --- */

bool api_get_saved(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct api *a = rooms;
	struct saved_sql s;

	if (!view_saved_get(c, a->views, http_param(in, 0), http_param(in, 1), &s))
		return false;
	api_json(out, 200);
	put_saved(&o, &s);
	return true;
}

bool api_list_saved(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct saved_sql *items;
	struct view_page page;
	struct json_out o;
	int n;

	if (!api_read_page(c, in, &page) || !view_saved_list(c, a->views, http_param(in, 0), &page, &items, &n))
		return false;
	o = api_begin_list(out);
	for (int i = 0; i < n; i++)
		put_saved(&o, &items[i]);
	api_end_list(&o, page.next);
	return true;
}

bool api_drop_saved(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;

	if (!view_saved_drop(c, a->views, http_param(in, 0), http_param(in, 1)))
		return false;
	http_status(out, 204);
	return true;
}
