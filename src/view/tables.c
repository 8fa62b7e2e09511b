/* tables.c - tables of a space: looked at, listed, dropped.
 *
 * table_names/{name in lower case} says that a table is there and how its name is
 * written: of names that differ in case only one wins. A table that is being
 * dropped says so there first, and the object goes last; nothing is made under
 * that name meanwhile. Not here: how rows come in (upload.c).
 */
#include "view/view_int.h"

/* --- the object that says it is there --- */

static bool no_table(struct call *c, struct str name)
{
	call_forgive(c);
	return fail(c, ERR_NOT_FOUND, "no table %.*s", SARG(str_head(name, VIEW_ID_MAX)));
}

bool table_mark_read(struct call *c, struct views *v, struct str space, struct str name, struct table_mark *ret)
{
	struct str key = key_table_name(c, space, name);
	const json_node *o;
	struct table_mark m = {0};

	if (!view_read_json(c, v, key, &o))
		return c->err.kind == ERR_NOT_FOUND ? no_table(c, name) : false;
	if (!json_want_text(c, o, "name", &m.name) || !json_want_text(c, o, "id", &m.id) ||
	    !json_want_time(c, o, "deleting_at", &m.deleting_ms) || !str_ieq(m.name, name)) {
		call_forgive(c);
		return fail(c, ERR_CORRUPT_TABLE, "%.*s names no table", SARG(key));
	}
	*ret = m;
	return true;
}

bool table_mark_write(struct call *c, struct views *v, struct str space, const struct table_mark *m, enum store_put how)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "name", m->name);
	JSON_FIELD_TEXT(&o, "id", m->id);
	if (m->deleting_ms)
		JSON_FIELD_TIME(&o, "deleting_at", m->deleting_ms);
	json_end_object(&o);
	return v->o.store->ops->put(c, v->o.store, key_table_name(c, space, m->name), buf_str(&b), how);
}

bool table_find(struct call *c, struct views *v, struct str space, struct str name, struct str *ret)
{
	struct table_mark m;

	if (!table_mark_read(c, v, space, name, &m))
		return false;
	if (m.deleting_ms)
		return no_table(c, name);
	*ret = m.name;
	return true;
}

/* --- looking --- */

bool table_describe(struct call *c, const struct ice_table *t, struct str name, struct space_table *ret)
{
	const struct ice_snapshot *s = t->current;
	const struct ice_schema *schema = s ? ice_schema_by_id(t, s->schema_id) : NULL;
	struct space_table d = {.name = name, .location = t->location};

	if (!schema || !str_to_i64(ice_value(s->summary, s->nsummary, "total-records"), &d.rows) ||
	    !str_to_i64(ice_value(s->summary, s->nsummary, "total-files-size"), &d.bytes))
		return fail(c, ERR_CORRUPT_TABLE, "%.*s: its current snapshot has no schema or no count", SARG(t->metadata_key));
	d.snapshot_id = s->id;
	d.snapshot_ms = s->at_ms;
	d.schema = *schema;
	*ret = d;
	return true;
}

/* Of a name in any case. A name that was taken for a table that never came is none. */
static bool load(struct call *c, struct views *v, struct str space, struct str name, struct space_table *ret)
{
	struct ice_table t;

	if (!table_find(c, v, space, name, &name))
		return false;
	if (!ice_load(c, v->o.store, key_table(c, space, name), &t))
		return c->err.kind == ERR_NOT_FOUND ? no_table(c, name) : false;
	return t.current ? table_describe(c, &t, name, ret) : no_table(c, name);
}

bool view_table_get(struct call *c, struct views *v, struct str space, struct str name, struct space_table *ret)
{
	struct space_table t;

	if (!space_check(c, v, space) || !view_id_check(c, "table", name) || !load(c, v, space, name, &t))
		return false;
	if (!str_eq(t.name, name))
		return no_table(c, name);
	*ret = t;
	return true;
}

bool view_table_list(struct call *c, struct views *v, struct str space, struct view_page *page, struct space_table **ret,
		     int *ret_n)
{
	struct space_table *found;
	struct str *names;
	int n, nfound = 0;

	if (!space_check(c, v, space) || !key_children(c, v, key_space(c, space, "/table_names"), page, &names, &n))
		return false;
	found = ARENA_ARRAY(c->arena, struct space_table, (size_t)n + 1);
	for (int i = 0; i < n; i++) {
		if (load(c, v, space, names[i], &found[nfound]))
			nfound++;
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

static bool drop_marked(struct call *c, struct views *v, struct str space, const struct table_mark *m)
{
	struct store *s = v->o.store;
	struct str prefix = key_table(c, space, m->name);

	if (!ice_drop(c, s, prefix))
		return false;
	store_cache_forget(v->o.cache, c->tenant, prefix);
	return s->ops->drop(c, s, key_table_name(c, space, m->name));
}

bool view_table_drop(struct call *c, struct views *v, struct str space, struct str name)
{
	struct table_mark m;

	if (!space_check(c, v, space) || !view_id_check(c, "table", name) || !table_mark_read(c, v, space, name, &m))
		return false;
	if (m.deleting_ms || !str_eq(m.name, name))
		return no_table(c, name);
	m.deleting_ms = clock_wall_ms();
	if (!table_mark_write(c, v, space, &m, STORE_REPLACE) || !drop_marked(c, v, space, &m))
		return false;
	view_tell(v, c, &(struct view_told){VIEW_E_TABLE_DELETED, space, name, -1, -1, -1, S("")});
	return true;
}

bool table_finish_drop(struct call *c, struct views *v, struct str space, struct str name)
{
	struct table_mark m;

	if (table_mark_read(c, v, space, name, &m))
		return !m.deleting_ms || clock_wall_ms() - m.deleting_ms < views_late_ms(v) || drop_marked(c, v, space, &m);
	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	return true;
}
