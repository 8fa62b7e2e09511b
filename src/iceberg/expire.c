/* expire.c - snapshots that nobody can be reading any more leave the table.
 *
 * The rule is the age of a snapshot's successor, not its own: whoever read it while
 * it was the latest may read on for so long. First a commit without the old
 * snapshots; only then are the objects removed that they alone named. After a crash between the two those
 * are orphans, and go as such (sweep.c). Never the current snapshot, nor one that a ref names. Any thread; blocks.
 */
#include "iceberg/iceberg_int.h"

struct expiring {
	struct call *c;
	struct store *s;
	struct str prefix;
	const struct ice_expiry *rule;
	struct ice_table base;         /* of this attempt */
	bool *kept;                    /* of base's snapshots */
	int ngone;
};

/* --- which --- */
static void keep(struct expiring *e, const struct ice_snapshot *s)
{
	if (s)
		e->kept[s - e->base.snapshots] = true;
}

static void keep_refs(struct expiring *e)
{
	const json_node *refs = json_get(e->base.metadata, "refs"), *ref;
	struct str name;

	for (void *it = NULL; refs && json_kind(refs) == JSON_KIND_OBJECT && json_each(refs, &it, &name, &ref);)
		keep(e, ice_find(&e->base, json_int(json_get(ref, "snapshot-id"))));
}

static bool older(const struct expiring *e, int64_t at_ms, int64_t age_ms)
{
	return e->rule->now_ms - at_ms > age_ms;
}

/* Along branch main, each after its successor. */
static void judge_main(struct expiring *e, bool *on_main)
{
	const struct ice_snapshot *next = e->base.current;

	for (int i = 0; next && i < e->base.nsnapshots; i++) {
		const struct ice_snapshot *s = next->parent ? ice_find(&e->base, next->parent) : NULL;

		on_main[next - e->base.snapshots] = true;
		if (s && !older(e, next->at_ms, e->rule->successor_age_ms))
			keep(e, s);
		next = s;
	}
}

static void judge(struct expiring *e)
{
	const struct ice_table *t = &e->base;
	bool *on_main = ARENA_ARRAY(e->c->arena, bool, (size_t)t->nsnapshots + 1);

	e->kept = ARENA_ARRAY(e->c->arena, bool, (size_t)t->nsnapshots + 1);
	e->ngone = 0;
	keep(e, t->current);
	keep_refs(e);
	judge_main(e, on_main);
	for (int i = 0; i < t->nsnapshots; i++) {
		if (!on_main[i] && !older(e, t->snapshots[i].at_ms, e->rule->successor_age_ms + e->rule->beside_age_ms))
			e->kept[i] = true;
		e->ngone += !e->kept[i];
	}
}

static bool is_gone(const void *arg, int64_t snapshot_id)
{
	const struct expiring *e = arg;
	const struct ice_snapshot *s = ice_find(&e->base, snapshot_id);

	return !s || !e->kept[s - e->base.snapshots]; /* what the log names and the table has no more goes too */
}

/* --- the commit without them --- */
static enum ice_outcome commit(struct expiring *e, struct ice_table *ret)
{
	struct ice_next next = {.base = &e->base, .at_ms = ice_next_ms(&e->base), .dropped = is_gone, .arg = e};

	next.schema_id = e->base.schema->id;
	next.order_id = (int)json_int(json_get(e->base.metadata, "default-sort-order-id"));
	next.current_id = e->base.current ? e->base.current->id : 0;
	ice_next_properties(e->c->arena, &next, NULL, 0);
	return ice_publish(e->c, e->s, &next, 0, ret);
}

/* *ret: the table without them, while e->base is as it was before. */
static bool drop_snapshots(struct expiring *e, struct ice_table *ret)
{
	for (int i = 0; i < ICE_ATTEMPTS; i++) {
		enum ice_outcome outcome;

		if (!ice_load(e->c, e->s, e->prefix, &e->base))
			return false;
		judge(e);
		if (e->ngone == 0) {
			*ret = e->base;
			return true;
		}
		outcome = commit(e, ret);
		if (outcome != ICE_LOST)
			return outcome == ICE_WON;
		ice_back_off(i);
	}
	return fail(e->c, ERR_CONFLICT, "%.*s is being changed by others; tried %d times", SARG(e->prefix), ICE_ATTEMPTS);
}

static bool remove_objects(struct expiring *e, struct ice_table *t, struct ice_sweep *w)
{
	struct ice_table gone = e->base;
	struct ice_snapshot *v = ARENA_ARRAY(e->c->arena, struct ice_snapshot, (size_t)e->ngone + 1);
	int n = 0;

	for (int i = 0; i < e->base.nsnapshots; i++) {
		if (!e->kept[i])
			v[n++] = e->base.snapshots[i];
	}
	gone.snapshots = v;
	gone.nsnapshots = n;
	return (n == 0 || ice_sweep_snapshots(w, t, &gone)) && ice_sweep_versions(w, t->version) && ice_sweep_orphans(w, t);
}

bool ice_expire(struct call *c, struct store *s, struct str prefix, const struct ice_expiry *x, struct ice_expired *ret)
{
	struct expiring e = {.c = c, .s = s, .prefix = prefix, .rule = x};
	struct ice_sweep w = {.c = c, .s = s, .prefix = prefix, .rule = x};
	struct ice_table t;
	bool ok;

	ok = drop_snapshots(&e, &t) && remove_objects(&e, &t, &w);
	map_close(&w.named);
	if (ok)
		*ret = (struct ice_expired){e.ngone, w.removed, w.more};
	return ok;
}
