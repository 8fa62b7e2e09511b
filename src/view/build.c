/* build.c - is what is there enough, and what has to be built before?
 *
 *   build_begin ─▶ start ─▶ names ─▶ resolve ─▶ compare ─▶ build_run ─▶ finish
 *                    ▲        (a view among them is a frame of its own,   │
 *                    │         looked at the same way first)              │
 *                    └───────── another one refreshed it meanwhile ◀──────┘
 *
 * Simultaneous refreshes of one view in this process share one build: who comes
 * later waits, and looks again. Between processes the commit decides. Nobody
 * waits while he holds a flight, so no two can wait for each other. Not here: the
 * build itself (build_run.c).
 */
#include "view/build_int.h"

#include <stdio.h>
#include <stdlib.h>

struct flight {
	struct str key;
	struct list waiting;   /* operations */
};
struct fresh { /* a view that this operation has brought up to date */
	struct fresh *next;
	struct str id;
};
struct child {
	struct build b;
	struct bound bound;
	struct named_table named;
};

static struct frame *frame_of(struct view_op *op)
{
	return op->build->inner;
}

/* --- flights --- */

static struct str flight_key(struct arena *a, struct view_op *op)
{
	const struct build *b = op->build;

	return arena_fmt(a, "%.*s\n%.*s\n%lld", SARG(b->prefix), SARG(b->bindings), (long long)b->revision);
}

/* True: it is ours. False: the operation waits, or goes on at once because it was canceled. */
static bool enter_flight(struct view_op *op)
{
	struct views *v = op->room;
	struct frame *f = frame_of(op);
	struct str key = flight_key(&op->arena, op);
	struct flight *flight;

	pthread_mutex_lock(&v->lock);
	flight = map_get(&v->flights, key);
	if (flight) {
		op_wait(op, &flight->waiting, build_start);
		return false;
	}
	flight = base_zalloc(sizeof(*flight));
	flight->key = key; /* in the operation's arena: it ends later */
	list_init(&flight->waiting);
	(void)!map_put(&v->flights, key, flight);
	f->flight = flight;
	pthread_mutex_unlock(&v->lock);
	return true;
}

static void leave_flight(struct view_op *op, struct frame *f)
{
	struct views *v = op->room;
	struct flight *flight = f->flight;

	if (!flight)
		return;
	f->flight = NULL;
	pthread_mutex_lock(&v->lock);
	(void)!map_del(&v->flights, flight->key);
	pthread_mutex_unlock(&v->lock);
	op_resume(v, &flight->waiting);
	free(flight);
}

/* --- what is there --- */

static int64_t revision_of(const struct ice_property *v, int n)
{
	int64_t revision;

	return str_to_i64(ice_value(v, n, PROP_REVISION), &revision) ? revision : 0;
}

const struct ice_snapshot *build_there(const struct build *b, const struct ice_table *t, int64_t oldest_ms)
{
	for (int i = t->nsnapshots - 1; i >= 0; i--) {
		const struct ice_snapshot *s = &t->snapshots[i];
		bool main = !b->bindings.n;

		if (revision_of(s->summary, s->nsummary) != b->revision ||
		    !str_eq(ice_value(s->summary, s->nsummary, PROP_BINDINGS), b->bindings))
			continue;
		if (main ? s == t->current : s->at_ms >= oldest_ms)
			return s;
	}
	return NULL;
}

static bool load_there(struct view_op *op, struct frame *f)
{
	struct views *v = op->room;
	struct call *c = &op->call;
	struct build *b = f->b;

	f->table = (struct ice_table){.prefix = b->prefix};
	f->there = NULL;
	if (b->table && b->table->version) {
		f->table = *b->table;
	} else if (!ice_load(c, v->o.store, b->prefix, &f->table)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		f->table = (struct ice_table){.prefix = b->prefix};
		return true;
	}
	b->table = NULL;
	/* one beside the main branch lives a session longer than others, from its making on */
	f->there = build_there(b, &f->table, clock_wall_ms() - v->o.max_ttl_s * 1000);
	return true;
}

/* Where nothing says it, somebody else made the snapshot: the place of its schema among the table's. */
int build_schema_version(const struct ice_table *t, const struct ice_snapshot *s)
{
	int64_t version;

	if (str_to_i64(ice_value(s->summary, s->nsummary, PROP_SCHEMA_VERSION), &version) && version > 0 && version < INT32_MAX)
		return (int)version;
	return (int)(ice_schema_by_id(t, s->schema_id) - t->schemas) + 1;
}

bool build_pin(struct call *c, const struct ice_table *t, const struct ice_snapshot *s, struct pin *ret)
{
	const struct ice_schema *schema = ice_schema_by_id(t, s->schema_id);
	struct pin p = {.snapshot_id = s->id, .snapshot_ms = s->at_ms, .manifest_list = s->manifest_list, .location = t->location};

	if (!schema || !str_to_i64(ice_value(s->summary, s->nsummary, "total-records"), &p.rows))
		return fail(c, ERR_CORRUPT_TABLE, "%.*s: snapshot %lld has no schema or no count", SARG(t->metadata_key),
			    (long long)s->id);
	p.schema = *schema;
	p.schema_version = build_schema_version(t, s);
	p.schema_hash = ice_schema_hash(c->arena, schema);
	p.ordered = str_eq(ice_value(s->summary, s->nsummary, PROP_ORDERED), S("true"));
	*ret = p;
	return true;
}

/* --- sources as text --- */

static void put_group(struct json_out *o, const struct frame *f, bool views)
{
	json_begin_object(o);
	for (int i = 0; i < f->nsources; i++) {
		const struct source *s = &f->sources[i];

		if ((s->sql_id.n > 0) != views)
			continue;
		json_key(o, s->name);
		json_begin_array(o);
		json_put_text(o, s->table.uuid);
		json_put_int(o, s->snapshot->id);
		json_end_array(o);
	}
	json_end_object(o);
}

static struct str sources_text(struct call *c, const struct frame *f)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_begin_object(&o);
	json_literal_key(&o, S("\"table\":"));
	put_group(&o, f, false);
	json_literal_key(&o, S("\"view\":"));
	put_group(&o, f, true);
	json_end_object(&o);
	return arena_dup(c->arena, buf_str(&b));
}

static const char *const groups[] = {"table", "view"};

static bool read_sources(struct call *c, struct str text, const json_node **ret)
{
	if (!text.n || !json_read_object(c, text, ret)) {
		call_forgive(c);
		return false;
	}
	for (size_t i = 0; i < COUNT_OF(groups); i++)
		if (!json_get(*ret, groups[i]) || json_kind(json_get(*ret, groups[i])) != JSON_KIND_OBJECT)
			return false;
	return true;
}

/* The names that the snapshot was made of: the same text names them again. */
static bool names_of_snapshot(struct call *c, struct frame *f)
{
	struct str text = ice_value(f->there->summary, f->there->nsummary, PROP_SOURCES), key;
	struct named_table *names;
	const json_node *o, *value;

	if (!read_sources(c, text, &o))
		return false;
	names = ARENA_ARRAY(c->arena, struct named_table, json_count(json_get(o, "table")) + json_count(json_get(o, "view")) + 1);
	f->nnames = 0;
	for (size_t i = 0; i < COUNT_OF(groups); i++)
		for (void *it = NULL; json_each(json_get(o, groups[i]), &it, &key, &value);)
			names[f->nnames++] = (struct named_table){arena_dup(c->arena, key), 0};
	f->names = names;
	f->parsed = false;
	return true;
}

static bool one_state(const json_node *pair, struct str *ret_uuid, int64_t *ret_snapshot)
{
	if (!pair || json_kind(pair) != JSON_KIND_ARRAY || json_count(pair) != 2 ||
	    json_kind(json_at(pair, 0)) != JSON_KIND_TEXT || json_kind(json_at(pair, 1)) != JSON_KIND_INT)
		return false;
	*ret_uuid = json_text(json_at(pair, 0));
	*ret_snapshot = json_int(json_at(pair, 1));
	return true;
}

enum build_age build_compare(struct call *c, struct str ours, struct str theirs)
{
	enum build_age age = BUILD_SAME;
	const json_node *a, *b, *value;
	struct str key, mine, other;
	int64_t here, there;

	if (str_eq(ours, theirs))
		return BUILD_SAME;
	if (!read_sources(c, ours, &a) || !read_sources(c, theirs, &b))
		return BUILD_OTHER;
	for (size_t i = 0; i < COUNT_OF(groups); i++) {
		const json_node *group = json_get(b, groups[i]);

		if (json_count(group) != json_count(json_get(a, groups[i])))
			return BUILD_OTHER;
		for (void *it = NULL; json_each(json_get(a, groups[i]), &it, &key, &value);) {
			if (!one_state(value, &mine, &here) ||
			    !one_state(json_get(group, arena_cstr(c->arena, key)), &other, &there) || !str_eq(mine, other) ||
			    there < here)
				return BUILD_OTHER;
			if (there > here)
				age = BUILD_NEWER;
		}
	}
	return age;
}

/* --- views among the sources --- */

static struct frame *outermost(struct frame *f)
{
	while (f->outer)
		f = f->outer;
	return f;
}

static bool is_fresh(struct frame *f, struct str id)
{
	for (const struct fresh *at = outermost(f)->fresh; at; at = at->next)
		if (str_eq(at->id, id))
			return true;
	return false;
}

static void add_fresh(struct view_op *op, struct frame *f, struct str id)
{
	struct fresh *node = ARENA_NEW(&op->arena, struct fresh);
	struct frame *root = outermost(f);

	*node = (struct fresh){root->fresh, id};
	root->fresh = node;
}

/* The names from the view that is reached again down to where it is. */
static void put_chain(struct buf *b, const struct frame *f, struct str id)
{
	if (!str_eq(f->b->saved->id, id) && f->outer)
		put_chain(b, f->outer, id);
	buf_fmt(b, "%.*s \xE2\x86\x92 ", SARG(str_head(f->b->saved->name, 60)));
}

static bool no_cycle(struct view_op *op, struct frame *f, const struct named_table *named, struct str id)
{
	OWNS(buf) chain = {0};

	for (const struct frame *at = f; at; at = at->outer) {
		if (!str_eq(at->b->saved->id, id))
			continue;
		put_chain(&chain, f, id);
		buf_add(&chain, str_head(at->b->saved->name, 60));
		return fail_at(&op->call, ERR_SQL_INVALID, named->position, "the view would be made of itself: %s",
			       buf_cstr(&chain));
	}
	return f->depth < VIEW_DEPTH_MAX || fail_at(&op->call, ERR_SQL_INVALID, named->position,
						    "views are nested more than %d deep", VIEW_DEPTH_MAX);
}

static void resolve(struct view_op *op);

static void child_done(struct view_op *op)
{
	struct frame *f = frame_of(op);
	struct child *k = f->child;
	struct call *c = &op->call;
	struct views *v = op->room;
	char why[sizeof(c->err.text)];

	if (c->err.kind != ERR_NONE) {
		/* a position would be one in the other text */
		memcpy(why, c->err.text, sizeof(why));
		snprintf(c->err.text, sizeof(c->err.text), "the view %.*s: %s", SARG(str_head(k->named.name, 60)), why);
		c->err.position = f->depth == 0 ? k->named.position : 0;
		build_finish(op);
		return;
	}
	if (k->b.committed) {
		view_meta_put(c, v, k->b.space, k->b.saved, &k->b.pin);
		view_tell(v, c, &(struct view_told){VIEW_E_REFRESHED, k->b.space, k->b.saved->id, k->b.pin.snapshot_id,
						    k->b.pin.rows, -1, S("")});
	}
	add_fresh(op, f, k->b.saved->id);
	op_step_next(op, resolve); /* not deeper into this stack: there may be many */
}

static bool begin_child(struct view_op *op, struct frame *f, const struct source *s, const struct named_table *named)
{
	struct child *k = ARENA_NEW(&op->arena, struct child);
	const struct saved_sql *q = &s->entry->saved;

	if (!no_cycle(op, f, named, s->sql_id) ||
	    !variables_bind(&op->call, q->sql, q->variables, q->nvariables, NULL, &k->bound))
		return false;
	leave_flight(op, f);
	k->named = *named;
	k->b = (struct build){.space = f->b->space, .prefix = s->table.prefix, .saved = q, .sql = k->bound.sql,
			      .revision = s->entry->revision, .binds = k->bound.binds, .bind_names = k->bound.names,
			      .nbinds = k->bound.n, .mode = VIEW_REFRESH_AUTO, .next = child_done};
	f->child = k;
	build_begin(op, &k->b);
	return true;
}

/* --- steps --- */

/* Enough as it is? Where it is not, only one goes on. */
static void compare(struct view_op *op)
{
	struct frame *f = frame_of(op);
	struct call *c = &op->call;
	struct build *b = f->b;

	f->sources_json = sources_text(c, f);
	if (b->mode != VIEW_REFRESH_AUTO) {
		build_run(op);
		return;
	}
	if (f->there && str_eq(ice_value(f->there->summary, f->there->nsummary, PROP_SOURCES), f->sources_json)) {
		(void)!build_pin(c, &f->table, f->there, &b->pin);
		build_finish(op);
		return;
	}
	if (f->flight)
		build_run(op);
	else if (enter_flight(op))
		build_start(op); /* somebody may have ended just now */
}

static void parsed(struct view_op *op)
{
	struct frame *f = frame_of(op);

	if (op->call.err.kind != ERR_NONE) {
		build_finish(op);
		return;
	}
	f->names = f->read.tables;
	f->nnames = f->read.ntables;
	f->parsed = true;
	resolve(op);
}

static void parse(struct view_op *op)
{
	struct frame *f = frame_of(op);

	f->read = (struct select_read){.client = f->b->saved->sql};
	read_select(op, f->b->sql, &f->read, parsed);
}

static void resolve(struct view_op *op)
{
	struct frame *f = frame_of(op);
	struct call *c = &op->call;

	f->sources = ARENA_ARRAY(c->arena, struct source, (size_t)f->nnames + 1);
	for (f->nsources = 0; f->nsources < f->nnames; f->nsources++) {
		const struct named_table *named = &f->names[f->nsources];
		struct source *s = &f->sources[f->nsources];

		if (!op_going(op) || !source_find(c, op->room, f->b->space, named, s)) {
			if (f->parsed || c->err.kind != ERR_SQL_INVALID) {
				build_finish(op);
				return;
			}
			call_forgive(c); /* the parser tells where it stands */
			parse(op);
			return;
		}
		if (!s->sql_id.n || f->b->check_only || is_fresh(f, s->sql_id))
			continue;
		if (!begin_child(op, f, s, named))
			build_finish(op);
		return;
	}
	compare(op);
}

void build_start(struct view_op *op)
{
	struct frame *f = frame_of(op);
	struct call *c = &op->call;
	struct build *b = f->b;

	if (!op_going(op) || !load_there(op, f)) {
		build_finish(op);
		return;
	}
	if (b->mode == VIEW_REFRESH_NEVER && f->there) {
		(void)!build_pin(c, &f->table, f->there, &b->pin);
		build_finish(op);
		return;
	}
	if ((b->mode == VIEW_REFRESH_AUTO && f->there && names_of_snapshot(c, f)) || f->parsed)
		resolve(op);
	else
		parse(op);
}

void build_begin(struct view_op *op, struct build *b)
{
	struct frame *f = ARENA_NEW(&op->arena, struct frame);

	f->b = b;
	f->outer = op->build ? op->build->inner : NULL;
	f->depth = f->outer ? f->outer->depth + 1 : 0;
	f->began_ms = clock_mono_ms();
	b->inner = f;
	b->committed = false;
	op->build = b;
	build_start(op);
}

void build_finish(struct view_op *op)
{
	struct frame *f = frame_of(op);
	struct views *v = op->room;

	for (int i = 0; i < f->nsources; i++)
		source_release(&f->sources[i]);
	f->nsources = 0;
	op->build = f->outer ? f->outer->b : NULL;
	leave_flight(op, f);
	if (op->call.err.kind != ERR_NONE)
		atomic_fetch_add(&v->failed, 1);
	else if (f->b->committed)
		atomic_fetch_add(&v->built, 1);
	f->b->next(op);
}
