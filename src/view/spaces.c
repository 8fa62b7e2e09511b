/* spaces.c - spaces: made, listed, dropped with all that is in them.
 *
 * A space is there as long as its meta.json is and does not say that it is being
 * deleted. Its deletion says so first and removes meta.json last, so that one
 * that was interrupted is found and finished by any server. Whatever commits
 * into a space looks here before and after.
 */
#include "view/view_int.h"

enum { PASSES = 100 };

struct meta {
	struct space space;
	int64_t deleting_ms; /* wall: since when; 0 = it is not */
};

static struct str meta_key(struct call *c, struct str id)
{
	return key_space(c, id, "/meta.json");
}

static bool no_space(struct call *c, struct str id)
{
	return fail(c, ERR_NOT_FOUND, "no space %.*s", SARG(str_head(id, VIEW_ID_MAX)));
}

static bool read_meta(struct call *c, struct views *v, struct str id, struct meta *ret)
{
	const json_node *o;

	if (!view_read_json(c, v, meta_key(c, id), &o)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return no_space(c, id);
	}
	*ret = (struct meta){.space = {.id = arena_dup(c->arena, id)}};
	if (!json_want_time(c, o, "created_at", &ret->space.created_ms) || !json_want_time(c, o, "deleting_at", &ret->deleting_ms) ||
	    !ret->space.created_ms) {
		call_forgive(c);
		return fail(c, ERR_CORRUPT_TABLE, "%.*s does not say when it was made", SARG(meta_key(c, id)));
	}
	return true;
}

static bool write_meta(struct call *c, struct views *v, const struct meta *m, enum store_put how)
{
	struct store *s = v->o.store;
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "id", m->space.id);
	JSON_FIELD_TIME(&o, "created_at", m->space.created_ms);
	if (m->deleting_ms)
		JSON_FIELD_TIME(&o, "deleting_at", m->deleting_ms);
	json_end_object(&o);
	return s->ops->put(c, s, meta_key(c, m->space.id), buf_str(&b), how);
}

static bool read_live(struct call *c, struct views *v, struct str id, struct meta *ret)
{
	return read_meta(c, v, id, ret) && (!ret->deleting_ms || no_space(c, id));
}

bool space_check(struct call *c, struct views *v, struct str space)
{
	struct meta m;

	return view_id_check(c, "space_id", space) && read_live(c, v, space, &m);
}

bool view_space_get(struct call *c, struct views *v, struct str id, struct space *ret)
{
	struct meta m;

	if (!view_id_check(c, "space_id", id) || !read_live(c, v, id, &m))
		return false;
	*ret = m.space;
	return true;
}

/* --- making one --- */

static bool room_for_one(struct call *c, struct views *v)
{
	struct str prefix = key_spaces(c->arena, c->tenant);
	struct view_page page = {0};
	struct view_caps caps;
	struct str *ids;
	int n;

	view_caps_of(v, c->tenant, &caps);
	if (caps.spaces <= 0 || caps.spaces > INT32_MAX)
		return true;
	page.limit = (int)caps.spaces;
	if (!key_children(c, v, prefix, &page, &ids, &n))
		return false;
	return n < caps.spaces || fail(c, ERR_QUOTA, "there are %lld spaces already", (long long)caps.spaces);
}

static bool is_there(struct call *c, struct views *v, struct str id, struct space *ret)
{
	struct meta m;

	if (!read_meta(c, v, id, &m))
		return false;
	if (m.deleting_ms)
		return fail(c, ERR_CONFLICT, "space %.*s is being deleted", SARG(id));
	*ret = m.space;
	return true;
}

bool view_space_put(struct call *c, struct views *v, struct str id, struct space *ret, bool *ret_new)
{
	struct meta m = {.space = {.created_ms = clock_wall_ms()}};

	*ret_new = false;
	if (!view_id_check(c, "space_id", id))
		return false;
	if (is_there(c, v, id, ret))
		return true;
	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	if (!room_for_one(c, v))
		return false;
	m.space.id = arena_dup(c->arena, id);
	if (write_meta(c, v, &m, STORE_NEW)) {
		*ret = m.space;
		*ret_new = true;
		view_tell(v, c, &(struct view_told){VIEW_E_SPACE_CREATED, id, id, -1, -1, -1, S("")});
		return true;
	}
	if (c->err.kind != ERR_CONFLICT) /* else another one was first */
		return false;
	call_forgive(c);
	return is_there(c, v, id, ret);
}

/* --- listing --- */

bool view_space_list(struct call *c, struct views *v, struct view_page *page, struct space **ret, int *ret_n)
{
	struct str prefix = key_spaces(c->arena, c->tenant), *ids;
	struct space *found;
	int n, nfound = 0;

	if (!key_children(c, v, prefix, page, &ids, &n))
		return false;
	found = ARENA_ARRAY(c->arena, struct space, (size_t)n);
	for (int i = 0; i < n; i++) {
		struct meta m;

		if (read_live(c, v, ids[i], &m))
			found[nfound++] = m.space;
		else if (c->err.kind == ERR_NOT_FOUND)
			call_forgive(c);
		else
			return false;
	}
	*ret = found;
	*ret_n = nfound;
	return true;
}

/* --- dropping --- */

static bool is_empty(struct call *c, struct views *v, struct str id, bool *ret)
{
	struct view_page one = {.limit = 1}, other = {.limit = 1};
	struct str *names;
	int tables, saved;

	if (!key_children(c, v, key_space(c, id, "/table_names"), &one, &names, &tables) ||
	    !entry_ids(c, v, id, &other, &names, &saved))
		return false;
	*ret = !tables && !saved;
	return true;
}

static bool not_empty(struct call *c, struct str id)
{
	return fail(c, ERR_SPACE_NOT_EMPTY, "space %.*s has tables or saved SQL", SARG(id));
}

/* One that another server finished, and that was made anew since, is not ours to empty. */
static bool is_ours(struct call *c, struct views *v, const struct meta *m)
{
	struct meta now;

	if (!read_meta(c, v, m->space.id, &now))
		return false;
	return now.deleting_ms == m->deleting_ms ||
	       fail(c, ERR_CONFLICT, "space %.*s was deleted by another server", SARG(m->space.id));
}

/* What a listing shows but meta.json; what authorises other things (`sql/`) goes in the same pass. */
static bool drop_pass(struct call *c, struct views *v, const struct meta *m, int *ret_dropped)
{
	struct str prefix = key_space(c, m->space.id, "/"), meta = meta_key(c, m->space.id), after = S("");
	struct store *s = v->o.store;

	*ret_dropped = 0;
	for (;;) {
		struct store_entry *e;
		size_t n;

		if (!is_ours(c, v, m) || !s->ops->list(c, s, prefix, after, &e, &n))
			return false;
		if (n == 0)
			return true;
		for (size_t i = 0; i < n; i++) {
			if (str_eq(e[i].key, meta))
				continue;
			if (!s->ops->drop(c, s, e[i].key))
				return false;
			++*ret_dropped;
		}
		after = e[n - 1].key;
	}
}

static bool drop_all(struct call *c, struct views *v, const struct meta *m)
{
	struct str id = m->space.id;
	struct store *s = v->o.store;
	int dropped = 1;

	for (int i = 0; i < PASSES && dropped > 0; i++)
		if (!drop_pass(c, v, m, &dropped))
			return false;
	if (dropped)
		return fail(c, ERR_CONFLICT, "space %.*s is still being written to", SARG(id));
	store_cache_forget(v->o.cache, c->tenant, key_space(c, id, "/"));
	if (!s->ops->drop(c, s, meta_key(c, id)))
		return false;
	view_tell(v, c, &(struct view_told){VIEW_E_SPACE_DELETED, id, id, -1, -1, -1, S("")});
	return true;
}

bool space_finish_drop(struct call *c, struct views *v, struct str id)
{
	struct meta m;

	if (read_meta(c, v, id, &m))
		return !m.deleting_ms || clock_wall_ms() - m.deleting_ms < views_late_ms(v) || drop_all(c, v, &m);
	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	return true;
}

bool view_space_drop(struct call *c, struct views *v, struct str id, bool force)
{
	struct meta m;
	bool empty = true;

	if (!view_id_check(c, "space_id", id) || !read_live(c, v, id, &m))
		return false;
	if (!force && !is_empty(c, v, id, &empty))
		return false;
	if (!empty)
		return not_empty(c, id);
	m.deleting_ms = clock_wall_ms();
	if (!write_meta(c, v, &m, STORE_REPLACE) || (!force && !is_empty(c, v, id, &empty)))
		return false;
	if (empty)
		return drop_all(c, v, &m);
	m.deleting_ms = 0; /* something came in between */
	return write_meta(c, v, &m, STORE_REPLACE) && not_empty(c, id);
}
