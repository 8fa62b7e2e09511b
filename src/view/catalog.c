/* catalog.c - a space as the Iceberg REST catalog shows it: tables under their names, views as "view_{sql_id}".
 *
 * Read only. Not here: the protocol (api/). A cursor is "t" or "v", then the
 * place in that listing: tables come first.
 */
#include "view/view_int.h"

#define VIEW_PREFIX "view_"

struct names {
	struct str *v;
	int n, limit;
	struct str next;
};

static bool add_tables(struct call *c, struct views *v, struct str space, struct str after, struct names *k)
{
	struct view_page page = {.after = after, .limit = k->limit};
	struct space_table *tables;
	int n;

	if (!view_table_list(c, v, space, &page, &tables, &n))
		return false;
	for (int i = 0; i < n; i++)
		k->v[k->n++] = tables[i].name;
	k->next = page.next.n ? arena_fmt(c->arena, "t%.*s", SARG(page.next)) : S("");
	return true;
}

static bool add_views(struct call *c, struct views *v, struct str space, struct str after, struct names *k)
{
	struct view_page page = {.after = after, .limit = k->limit - k->n};
	struct str *ids;
	int n;

	if (!entry_ids(c, v, space, &page, &ids, &n))
		return false;
	for (int i = 0; i < n; i++)
		k->v[k->n++] = arena_fmt(c->arena, VIEW_PREFIX "%.*s", SARG(ids[i]));
	k->next = page.next.n ? arena_fmt(c->arena, "v%.*s", SARG(page.next)) : S("");
	return true;
}

/* Tables filled the page: do views follow? */
static bool any_view(struct call *c, struct views *v, struct str space, struct names *k)
{
	struct view_page page = {.limit = 1};
	struct str *ids;
	int n;

	if (!entry_ids(c, v, space, &page, &ids, &n))
		return false;
	if (n)
		k->next = S("v");
	return true;
}

bool view_catalog_tables(struct call *c, struct views *v, struct str space, struct view_page *page, struct str **ret, int *ret_n)
{
	struct names k = {.v = ARENA_ARRAY(c->arena, struct str, (size_t)page->limit + 1), .limit = page->limit};
	char part = page->after.n ? page->after.p[0] : 't';
	struct str after = str_tail(page->after, page->after.n ? 1 : 0);
	bool ok;

	if (!space_check(c, v, space))
		return false;
	if ((part != 't' && part != 'v') || (part == 'v' && after.n && !id_valid(after)))
		return fail(c, ERR_INVALID_FIELD, "not a page of this list");
	if (part == 't' && !add_tables(c, v, space, after, &k))
		return false;
	if (part == 'v')
		ok = add_views(c, v, space, after, &k);
	else if (k.next.n)
		ok = true;
	else
		ok = k.n < k.limit ? add_views(c, v, space, S(""), &k) : any_view(c, v, space, &k);
	if (!ok)
		return false;
	page->next = k.next;
	*ret = k.v;
	*ret_n = k.n;
	return true;
}

static bool unknown(struct call *c, struct str table)
{
	call_forgive(c);
	return fail(c, ERR_NOT_FOUND, "there is no table %.*s", SARG(str_head(table, VIEW_NAME_MAX)));
}

/* The view of a saved SQL; false, without an error: the name is none, or there is no such one. */
static bool load_view(struct call *c, struct views *v, struct str space, struct str name, struct ice_table *ret)
{
	struct str id = str_tail(name, sizeof(VIEW_PREFIX) - 1);
	struct entry e;

	if (!str_starts(name, S(VIEW_PREFIX)) || !id_valid(id))
		return false;
	if (entry_read(c, v, space, id, &e) && entry_visible(c, &e) && ice_load(c, v->o.store, key_view(c, space, id), ret))
		return true;
	if (c->err.kind == ERR_NOT_FOUND)
		call_forgive(c);
	return false;
}

bool view_catalog_load(struct call *c, struct views *v, struct str space, struct str table, struct ice_table *ret)
{
	struct space_table t;

	if (!space_check(c, v, space))
		return false;
	if (load_view(c, v, space, table, ret))
		return true;
	if (c->err.kind != ERR_NONE)
		return false;
	if (view_table_get(c, v, space, table, &t) && ice_load(c, v->o.store, key_table(c, space, t.name), ret))
		return true;
	return c->err.kind == ERR_NOT_FOUND || c->err.kind == ERR_INVALID_FIELD || c->err.kind == ERR_UNKNOWN_TABLE
		       ? unknown(c, table)
		       : false;
}
