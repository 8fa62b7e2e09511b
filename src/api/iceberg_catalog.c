/* iceberg_catalog.c - /iceberg/v1: a read-only Iceberg REST catalog over the spaces.
 *
 * A namespace is a space, with one level; its tables are "{table}" and
 * "view_{sql_id}". Errors have the form of that specification (errors.c).
 * Source: the Iceberg REST catalog's OpenAPI document.
 */
#include "api/api_int.h"

enum { PAGE_MAX = 1000 };

bool api_iceberg_config(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	(void)in;
	api_json(out, 200);
	buf_lit(http_out(out), "{\"defaults\":{},\"overrides\":{},\"endpoints\":["
			       "\"GET /v1/{prefix}/namespaces\",\"GET /v1/{prefix}/namespaces/{namespace}\","
			       "\"HEAD /v1/{prefix}/namespaces/{namespace}\",\"GET /v1/{prefix}/namespaces/{namespace}/tables\","
			       "\"GET /v1/{prefix}/namespaces/{namespace}/tables/{table}\","
			       "\"HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}\"]}");
	return true;
}

/* What can be no name is not there: a client asks so whether something exists. */
static bool absent(struct call *c, enum err_kind kind, const char *what, struct str name)
{
	if (c->err.kind != ERR_NOT_FOUND && c->err.kind != ERR_INVALID_FIELD && c->err.kind != ERR_UNKNOWN_TABLE)
		return false;
	call_forgive(c);
	return fail(c, kind, "%s does not exist: %.*s", what, SARG(str_head(name, 100)));
}

static bool find_namespace(struct call *c, struct api *a, struct str name)
{
	struct space s;

	return view_space_get(c, a->views, name, &s) || absent(c, ERR_NOT_FOUND, "Namespace", name);
}

static bool find_table(struct call *c, struct api *a, const struct http_req *in, struct ice_table *ret)
{
	return find_namespace(c, a, http_param(in, 0)) &&
	       (view_catalog_load(c, a->views, http_param(in, 0), http_param(in, 1), ret) ||
		absent(c, ERR_UNKNOWN_TABLE, "Table", http_param(in, 1)));
}

/* --- pages: all at once, but with a pageToken (also an empty one) or a pageSize --- */

static bool read_paging(struct call *c, const struct http_req *in, struct view_page *page, bool *ret_all)
{
	int64_t size = 0;

	*page = (struct view_page){0};
	*ret_all = !http_query(c, in, "pageToken", &page->after);
	if (!api_query_int(c, in, "pageSize", 1, INT32_MAX, &size))
		return false;
	*ret_all = *ret_all && !size;
	page->limit = !size || size > PAGE_MAX ? PAGE_MAX : (int)size;
	return true;
}

static bool next_page(struct view_page *page, bool all)
{
	page->after = page->next;
	return all && page->next.n > 0;
}

static struct json_out begin_list(struct http_res *out, const char *key)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, 200);
	json_begin_object(&o);
	json_key(&o, str_of(key));
	json_begin_array(&o);
	return o;
}

static bool end_list(struct json_out *o, struct str next)
{
	json_end_array(o);
	api_put_text(o, "next-page-token", next);
	json_end_object(o);
	return true;
}

static void put_namespace(struct json_out *o, struct str name)
{
	json_begin_array(o);
	json_put_text(o, name);
	json_end_array(o);
}

static bool put_namespaces(struct call *c, struct api *a, struct view_page *page, struct json_out *o)
{
	struct space *items;
	int n;

	page->next = S("");
	if (!view_space_list(c, a->views, page, &items, &n))
		return false;
	for (int i = 0; i < n; i++)
		put_namespace(o, items[i].id);
	return true;
}

bool api_iceberg_namespaces(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct view_page page;
	struct json_out o;
	struct str parent;
	bool all;

	if (!read_paging(c, in, &page, &all))
		return false;
	if (http_query(c, in, "parent", &parent) && parent.n) {
		if (!find_namespace(c, rooms, parent))
			return false;
		o = begin_list(out, "namespaces"); /* there are none in one */
		return end_list(&o, S(""));
	}
	o = begin_list(out, "namespaces");
	do
		if (!put_namespaces(c, rooms, &page, &o))
			return false;
	while (next_page(&page, all));
	return end_list(&o, page.next);
}

bool api_iceberg_namespace(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));

	if (!find_namespace(c, rooms, http_param(in, 0)))
		return false;
	api_json(out, 200);
	json_begin_object(&o);
	json_key(&o, S("namespace"));
	put_namespace(&o, http_param(in, 0));
	json_key(&o, S("properties"));
	json_put_raw(&o, S("{}"));
	json_end_object(&o);
	return true;
}

bool api_iceberg_has_namespace(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	http_status(out, 204);
	return find_namespace(c, rooms, http_param(in, 0));
}

/* --- tables --- */

static bool put_tables(struct call *c, struct api *a, struct str space, struct view_page *page, struct json_out *o)
{
	struct str *names;
	int n;

	page->next = S("");
	if (!view_catalog_tables(c, a->views, space, page, &names, &n))
		return false;
	for (int i = 0; i < n; i++) {
		json_begin_object(o);
		json_key(o, S("namespace"));
		put_namespace(o, space);
		JSON_FIELD_TEXT(o, "name", names[i]);
		json_end_object(o);
	}
	return true;
}

bool api_iceberg_tables(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct view_page page;
	struct json_out o;
	bool all;

	if (!read_paging(c, in, &page, &all) || !find_namespace(c, rooms, http_param(in, 0)))
		return false;
	o = begin_list(out, "identifiers");
	do
		if (!put_tables(c, rooms, http_param(in, 0), &page, &o))
			return false;
	while (next_page(&page, all));
	return end_list(&o, page.next);
}

bool api_iceberg_table(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct ice_table t;
	struct str tag;

	if (!find_table(c, rooms, in, &t))
		return false;
	tag = arena_fmt(c->arena, "\"%.*s-%lld\"", SARG(t.uuid), (long long)t.version);
	http_set(out, "ETag", tag);
	if (str_eq(http_header(in, "If-None-Match"), tag)) {
		http_status(out, 304);
		return true;
	}
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "metadata-location",
			arena_fmt(c->arena, "%.*s%.*s", SARG(t.location), SARG(str_tail(t.metadata_key, t.prefix.n))));
	json_key(&o, S("metadata"));
	json_put_node(&o, t.metadata);
	json_key(&o, S("config"));
	json_put_raw(&o, S("{}"));
	json_end_object(&o);
	return true;
}

bool api_iceberg_has_table(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct ice_table t;

	http_status(out, 204);
	return find_table(c, rooms, in, &t);
}

/* Every endpoint of the specification that writes. */
bool api_iceberg_refuse(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)rooms;
	(void)in;
	(void)out;
	return fail(c, ERR_NOT_ACCEPTABLE, "this catalog is read-only; tables and views are written through /v1/spaces");
}
