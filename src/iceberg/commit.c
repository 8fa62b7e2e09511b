/* commit.c - commits: look at the latest version, build on it, create the next; again when another was first.
 *
 * Not the creating itself (publish.c) nor what a snapshot names (snapshot.c). Ids of
 * snapshots are their sequence numbers: they grow whatever was expired meanwhile.
 * Times grow too, where the clocks of servers differ. Any thread; blocks.
 */
#include "iceberg/iceberg_int.h"

static const int64_t SNAPSHOT_ID_END = INT64_C(1) << 53; /* clients that read numbers as doubles */

struct commit {
	struct call *c;
	struct store *s;
	struct str prefix;
	const struct ice_change *change;
	struct ice_draft draft;
	struct ice_table base;         /* of this attempt, as what follows */
	struct ice_schema schema;
	struct ice_snapshot snapshot;
	struct ice_next next;
};

/* --- schema --- */
static bool nested(const struct ice_type *t)
{
	return t->kind == ICE_LIST || t->kind == ICE_STRUCT || t->kind == ICE_MAP;
}

static bool same_field(const struct ice_field *was, const struct ice_field *f, bool named)
{
	if (named && !str_eq(was->name, f->name))
		return false;
	return nested(&f->type) ? was->type.kind == f->type.kind : ice_promotes(&was->type, &f->type);
}

static bool known_field(const struct ice_table *t, const struct ice_field *f, bool named)
{
	for (int i = 0; i < t->nschemas; i++) {
		const struct ice_field *was = ice_field_by_id(&t->schemas[i], f->id);

		if (was && same_field(was, f, named))
			return true;
	}
	return false;
}

/* Does no id of these fields mean another field in the table? A schema may have been made before another's commit. */
static bool fits(const struct ice_table *t, const struct ice_field *v, int n, bool named)
{
	for (int i = 0; i < n; i++) {
		const struct ice_field *f = &v[i];

		if (f->id <= t->last_column_id && !known_field(t, f, named))
			return false;
		if (nested(&f->type) && !fits(t, f->type.fields, f->type.nfields, f->type.kind == ICE_STRUCT))
			return false;
	}
	return true;
}

static int free_schema_id(const struct ice_table *t, int wanted)
{
	int id = wanted;

	for (int i = 0; i < t->nschemas; i++) {
		if (t->schemas[i].id >= id)
			id = t->schemas[i].id + 1;
	}
	return id;
}

static bool choose_schema(struct commit *m)
{
	const struct ice_schema *wanted = m->change->schema;
	const struct ice_table *base = &m->base;

	if (!wanted && !base->version)
		return fail(m->c, ERR_NOT_FOUND, "there is no table at %.*s", SARG(m->prefix));
	m->schema = wanted ? *wanted : *base->schema;
	m->next.new_schema = wanted ? &m->schema : NULL;
	for (int i = 0; wanted && i < base->nschemas; i++) {
		if (!ice_schema_same(&base->schemas[i], wanted))
			continue;
		m->schema = base->schemas[i];
		m->next.new_schema = NULL;
	}
	if (m->next.new_schema && !fits(base, wanted->fields, wanted->n, true))
		return fail(m->c, ERR_CONFLICT, "the columns of %.*s were changed by another", SARG(m->prefix));
	if (m->next.new_schema)
		m->schema.id = free_schema_id(base, wanted->id);
	m->next.schema_id = m->change->beside && base->version ? base->schema->id : m->schema.id;
	return true;
}

/* --- sort order --- */
static bool member_is(const json_node *o, const char *key, struct str want)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_TEXT && str_eq(json_text(n), want);
}

static bool order_is(const json_node *order, const struct ice_order *v, int n)
{
	const json_node *fields = json_get(order, "fields");

	if (json_count(fields) != (size_t)n)
		return false;
	for (int i = 0; i < n; i++) {
		const json_node *f = json_at(fields, (size_t)i), *source;

		source = json_kind(f) == JSON_KIND_OBJECT ? json_get(f, "source-id") : NULL;
		if (!source || json_kind(source) != JSON_KIND_INT || json_int(source) != v[i].field_id)
			return false;
		if (!member_is(f, "transform", S("identity")) || !member_is(f, "direction", v[i].desc ? S("desc") : S("asc")) ||
		    !member_is(f, "null-order", v[i].nulls_first ? S("nulls-first") : S("nulls-last")))
			return false;
	}
	return true;
}

/* The id of this order, which is made unless the table has it; returned: of the change's files. */
static int choose_order(struct commit *m)
{
	const struct ice_change *x = m->change;
	const json_node *all = m->base.metadata ? json_get(m->base.metadata, "sort-orders") : NULL;
	int was = m->base.metadata ? (int)json_int(json_get(m->base.metadata, "default-sort-order-id")) : 0;
	int id = x->norder ? -1 : 0, highest = 0;

	for (size_t i = 0; all && i < json_count(all); i++) {
		const json_node *order = json_at(all, i);
		int at = (int)json_int(json_get(order, "order-id"));

		highest = at > highest ? at : highest;
		if (x->norder && order_is(order, x->order, x->norder))
			id = at;
	}
	if (id < 0) {
		id = highest + 1;
		m->next.new_order = x->order;
		m->next.norder = x->norder;
		m->next.new_order_id = id;
	}
	m->next.order_id = x->beside || x->how == ICE_PROPERTIES_ONLY ? was : id;
	return id;
}

/* --- properties --- */
/* Other engines shall leave the table alone: what they take for rubbish may be pinned. */
static const struct ice_property own[] = {
	{S_INIT("gc.enabled"), S_INIT("false")},
	{S_INIT("history.expire.min-snapshots-to-keep"), S_INIT("2147483647")},
};

static void set(struct ice_property *v, int *n, const struct ice_property *p)
{
	int at = 0;

	while (at < *n && !str_eq(v[at].name, p->name))
		at++;
	if (p->value.n) {
		v[at] = *p;
		*n += at == *n;
	} else if (at < *n) {
		memmove(&v[at], &v[at + 1], (size_t)(*n - at - 1) * sizeof(*v));
		--*n;
	}
}

void ice_next_properties(struct arena *a, struct ice_next *n, const struct ice_property *change, int nchange)
{
	const struct ice_table *base = n->base;
	struct ice_property *v = ARENA_ARRAY(a, struct ice_property, (size_t)base->nproperties + (size_t)nchange + COUNT_OF(own) + 1);
	struct id id = id_v4();
	int count = 0;

	for (int i = 0; i < base->nproperties; i++)
		set(v, &count, &base->properties[i]);
	for (size_t i = 0; i < COUNT_OF(own); i++) {
		if (!ice_has(v, count, own[i].name))
			set(v, &count, &own[i]);
	}
	for (int i = 0; i < nchange; i++)
		set(v, &count, &change[i]);
	set(v, &count, &(struct ice_property){S(ICE_COMMIT_ID), arena_dup(a, id_str(&id))});
	n->properties = v;
	n->nproperties = count;
}

int64_t ice_next_ms(const struct ice_table *base)
{
	int64_t now = clock_wall_ms();

	return now > base->updated_ms ? now : base->updated_ms + 1;
}

/* --- snapshot --- */
static bool choose_snapshot_id(struct commit *m, int64_t *ret)
{
	int64_t last = ice_last_sequence(&m->base), id = last < SNAPSHOT_ID_END ? last + 1 : SNAPSHOT_ID_END;

	if (id < m->change->min_snapshot_id)
		id = m->change->min_snapshot_id;
	for (int i = 0; i < m->base.nsnapshots; i++) {
		int64_t other = m->base.snapshots[i].id;

		if (other >= id && other < SNAPSHOT_ID_END - 1) /* others choose ids at random, of 63 bits */
			id = other + 1;
	}
	if (id >= SNAPSHOT_ID_END || ice_find(&m->base, id))
		return fail(m->c, ERR_CORRUPT_TABLE, "%.*s: no id is left for a snapshot", SARG(m->base.metadata_key));
	*ret = id;
	return true;
}

static bool make_snapshot(struct commit *m, int order_id)
{
	const struct ice_change *x = m->change;
	bool follows = m->base.current && !(x->beside && x->how == ICE_OVERWRITE);
	struct ice_snapshot *s = &m->snapshot;

	*s = (struct ice_snapshot){.schema_id = m->schema.id, .at_ms = m->next.at_ms};
	if (!choose_snapshot_id(m, &s->id))
		return false;
	s->sequence = s->id;
	s->parent = follows ? m->base.current->id : 0;
	m->next.snapshot = s;
	if (!x->beside)
		m->next.current_id = s->id;
	return ice_draft_write(&m->draft, &m->base, &m->schema, order_id, s);
}

/* --- attempts --- */
static bool load_base(struct commit *m)
{
	if (ice_load(m->c, m->s, m->prefix, &m->base))
		return true;
	if (m->c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(m->c);
	m->base = (struct ice_table){.prefix = m->prefix};
	m->base.uuid = id_str(&m->draft.uuid);
	m->base.location = arena_fmt(m->c->arena, "%.*s/%.*s", SARG(m->s->location), SARG(m->prefix));
	return true;
}

static enum ice_outcome attempt(struct commit *m, struct ice_table *ret)
{
	int order_id;

	m->next = (struct ice_next){.base = &m->base, .at_ms = ice_next_ms(&m->base)};
	m->next.current_id = m->base.current ? m->base.current->id : 0;
	if (!choose_schema(m))
		return ICE_NOT_DONE;
	order_id = choose_order(m);
	ice_next_properties(m->c->arena, &m->next, m->change->properties, m->change->nproperties);
	if (m->change->how != ICE_PROPERTIES_ONLY && !make_snapshot(m, order_id))
		return ICE_NOT_DONE;
	return ice_publish(m->c, m->s, &m->next, m->change->deadline_mono_ms, ret);
}

static bool check_change(struct call *c, const struct ice_change *x)
{
	if (x->nfiles > ICE_ENTRIES_MAX)
		return fail(c, ERR_QUOTA, "%d files are too many for a commit; %d are the most", x->nfiles, ICE_ENTRIES_MAX);
	if (x->min_snapshot_id < 0 || x->min_snapshot_id >= SNAPSHOT_ID_END)
		return fail(c, ERR_QUOTA, "no id is left for a snapshot");
	return true;
}

/* One look and, if it comes to that, one attempt. */
static enum ice_outcome look_and_try(struct commit *m, ice_check_fn *check, void *arg, struct ice_committed *ret)
{
	enum ice_verdict verdict = ICE_GO;
	struct ice_committed done = {.attempts = ret->attempts + 1};
	enum ice_outcome outcome = ICE_WON;

	if (!ice_may_go_on(m->c, m->change->deadline_mono_ms) || !load_base(m))
		return ICE_NOT_DONE;
	if (check)
		verdict = check(m->c, arg, &m->base);
	switch (verdict) {
	case ICE_REFUSE:
		return ICE_NOT_DONE;
	case ICE_ENOUGH:
		ice_draft_remove(&m->draft);
		done.table = m->base;
		break;
	case ICE_GO:
		outcome = attempt(m, &done.table);
		if (outcome == ICE_WON && m->next.snapshot)
			done.snapshot = ice_find(&done.table, m->snapshot.id);
		break;
	}
	*ret = done;
	return outcome;
}

bool ice_commit(struct call *c, struct store *s, struct str prefix, const struct ice_change *change, ice_check_fn *check,
		void *arg, struct ice_committed *ret)
{
	struct commit m = {.c = c, .s = s, .prefix = prefix, .change = change};
	struct ice_committed done = {0};

	if (!check_change(c, change))
		return false;
	m.draft = (struct ice_draft){.c = c, .s = s, .prefix = prefix, .change = change, .uuid = id_v4()};
	for (int i = 0; i < ICE_ATTEMPTS; i++) {
		switch (look_and_try(&m, check, arg, &done)) {
		case ICE_WON:
			*ret = done;
			return true;
		case ICE_LOST:
			ice_draft_lost(&m.draft);
			ice_back_off(i);
			break;
		case ICE_NOT_DONE:
			ice_draft_remove(&m.draft);
			return false;
		case ICE_UNCLEAR:
			return false;
		}
	}
	ice_draft_remove(&m.draft);
	return fail(c, ERR_CONFLICT, "%.*s is being changed by others; tried %d times", SARG(prefix), ICE_ATTEMPTS);
}

struct str ice_new_data_path(struct arena *a, int part)
{
	struct id id = id_v4();

	return arena_fmt(a, "data/%05d-0-%s.parquet", part, id.text);
}
