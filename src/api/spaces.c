/* spaces.c - /v1/spaces: make, look, drop. Reads the store, so all of it runs on the pool. */
#include "api/api_int.h"

static void put_space(struct json_out *o, const struct space *s)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "space_id", s->id);
	api_put_time(o, "created_at", s->created_ms);
	json_end_object(o);
}

static bool write_space(struct http_res *out, int status, const struct space *s)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, status);
	put_space(&o, s);
	return true;
}

bool api_put_space(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct space s;
	bool made;

	if (!api_read_nothing(c, in) || !view_space_put(c, a->views, http_param(in, 0), &s, &made))
		return false;
	if (made)
		http_set(out, "Location", arena_fmt(c->arena, "/v1/spaces/%.*s", SARG(s.id)));
	return write_space(out, made ? 201 : 200, &s);
}

bool api_get_space(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct space s;

	return view_space_get(c, a->views, http_param(in, 0), &s) && write_space(out, 200, &s);
}

bool api_list_spaces(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct view_page page;
	struct space *items;
	struct json_out o;
	int n;

	if (!api_read_page(c, in, &page) || !view_space_list(c, a->views, &page, &items, &n))
		return false;
	o = api_begin_list(out);
	for (int i = 0; i < n; i++)
		put_space(&o, &items[i]);
	api_end_list(&o, page.next);
	return true;
}

bool api_drop_space(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;

	if (!view_space_drop(c, a->views, http_param(in, 0), api_query_flag(c, in, "force")))
		return false;
	http_status(out, 204);
	return true;
}
