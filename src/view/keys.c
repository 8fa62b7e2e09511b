/* keys.c - where things are in the store: the layout of the contract, section 3.
 *
 * Pure but for listings and whole objects. Not here: what the objects hold.
 */
#include "view/view_int.h"

enum { DOCUMENT_MAX = 16 << 20 };

bool view_id_check(struct call *c, const char *what, struct str id)
{
	bool right = id.n > 0 && id.n <= VIEW_ID_MAX;

	for (size_t i = 0; right && i < id.n; i++) {
		char l = id.p[i];

		right = ascii_alpha(l) || ascii_digit(l) || (i && (l == '_' || l == '-'));
	}
	return right || fail(c, ERR_INVALID_FIELD, "%s: at most %d letters, digits, `_` and `-`, beginning with a letter or digit",
			     what, VIEW_ID_MAX);
}

struct str key_spaces(struct arena *a, struct str tenant)
{
	return arena_fmt(a, "%.*sspaces", SARG(store_tenant_prefix(a, tenant)));
}

struct str key_space(struct call *c, struct str space, const char *rest)
{
	return arena_fmt(c->arena, "%.*s/%.*s%s", SARG(key_spaces(c->arena, c->tenant)), SARG(space), rest);
}

static struct str below(struct call *c, struct str space, const char *folder, struct str name, const char *rest)
{
	return arena_fmt(c->arena, "%.*s/%.*s%s", SARG(key_space(c, space, folder)), SARG(name), rest);
}

struct str key_table(struct call *c, struct str space, struct str table)
{
	return below(c, space, "/tables", table, "");
}

struct str key_table_name(struct call *c, struct str space, struct str table)
{
	return below(c, space, "/table_names", arena_lower(c->arena, table), "");
}

struct str key_saved(struct call *c, struct str space, struct str id)
{
	return below(c, space, "/sql", id, ".json");
}

struct str key_saved_deleted(struct call *c, struct str space, struct str id)
{
	return below(c, space, "/sql", id, ".deleted");
}

struct str key_view(struct call *c, struct str space, struct str id)
{
	return below(c, space, "/materialized_views", id, "");
}

struct str key_view_meta(struct call *c, struct str space, struct str id)
{
	return below(c, space, "/materialized_views", id, "/meta.json");
}

struct str key_collecting(struct call *c, struct str space, struct str id)
{
	return below(c, space, "/materialized_views", id, "/collecting");
}

struct str key_session(struct call *c, struct str space, struct str id)
{
	return below(c, space, "/sql_sessions", id, "/meta.json");
}

struct str key_session_deleted(struct call *c, struct str space, struct str id)
{
	return below(c, space, "/sql_sessions", id, "/deleted");
}

struct str key_file(struct arena *a, struct str prefix, struct str path)
{
	return arena_fmt(a, "%.*s/%.*s", SARG(prefix), SARG(path));
}

/* --- listings --- */

struct children {
	struct str *v;
	int n, limit;
	struct str last; /* as a cursor has it: with a slash when it is a folder */
	bool more;
};

/* One entry's child; false: there is no room for it. */
static bool add_child(struct call *c, struct children *k, struct str rest)
{
	size_t slash = str_find(rest, '/');
	struct str name = str_head(rest, slash), cursor = str_head(rest, slash < rest.n ? slash + 1 : slash);

	if (str_eq(cursor, k->last))
		return true;
	if (k->n == k->limit) {
		k->more = true;
		return false;
	}
	k->last = arena_dup(c->arena, cursor);
	k->v[k->n++] = str_head(k->last, name.n);
	return true;
}

/* Behind everything of the last child; its keys hold nothing above 'z'. */
static struct str behind(struct call *c, struct str prefix, struct str cursor)
{
	if (!cursor.n)
		return S("");
	return arena_fmt(c->arena, "%.*s/%.*s%s", SARG(prefix), SARG(cursor), cursor.p[cursor.n - 1] == '/' ? "~" : "");
}

bool key_children(struct call *c, struct views *v, struct str prefix, struct view_page *page, struct str **ret, int *ret_n)
{
	struct store *s = v->o.store;
	struct str start = arena_fmt(c->arena, "%.*s/", SARG(prefix)), after = behind(c, prefix, page->after);
	struct children k = {.limit = page->limit, .v = ARENA_ARRAY(c->arena, struct str, (size_t)page->limit)};
	struct arena *callers = c->arena;
	OWNS(arena) pages = {0}; /* a folder may have many */
	bool room = true, ok;

	for (;;) {
		struct store_entry *e;
		size_t n;

		arena_reset(&pages);
		c->arena = &pages;
		ok = s->ops->list(c, s, start, after, &e, &n);
		c->arena = callers;
		if (!ok)
			return false;
		for (size_t i = 0; room && i < n; i++)
			room = add_child(c, &k, str_tail(e[i].key, start.n));
		if (!room || n == 0)
			break;
		after = behind(c, prefix, k.last);
	}
	page->next = k.more ? k.last : S("");
	*ret = k.v;
	*ret_n = k.n;
	return true;
}

/* --- objects --- */

bool key_there(struct call *c, struct views *v, struct str key, bool *ret)
{
	OWNS(buf) first = {0};
	bool there = v->o.store->ops->get(c, v->o.store, key, 0, 1, &first);

	if (!there && c->err.kind != ERR_NOT_FOUND)
		return false;
	if (!there)
		call_forgive(c);
	*ret = there;
	return true;
}

bool key_mark(struct call *c, struct views *v, struct str key)
{
	char at[CLOCK_RFC3339_MAX];

	return v->o.store->ops->put(c, v->o.store, key, str_of(clock_rfc3339(clock_wall_ms(), at)), STORE_REPLACE);
}

bool view_read_json(struct call *c, struct views *v, struct str key, const json_node **ret)
{
	struct store *s = v->o.store;
	OWNS(buf) b = {0};

	if (!s->ops->get(c, s, key, 0, DOCUMENT_MAX, &b))
		return false;
	if (json_read_object(c, arena_dup(c->arena, buf_str(&b)), ret))
		return true;
	call_forgive(c);
	return fail(c, ERR_CORRUPT_TABLE, "%.*s is no JSON object", SARG(key));
}
