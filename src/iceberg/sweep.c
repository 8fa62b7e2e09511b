/* sweep.c - objects that go: of dropped snapshots, old versions, orphans, and all of a table.
 *
 * Nothing is removed before it is known what the table still names; where that cannot
 * be read, nothing is. Removing is idempotent, any number of servers may do it. Any thread; blocks.
 */
#include "iceberg/iceberg_int.h"

static struct str key_of(struct ice_sweep *w, struct str path)
{
	return arena_fmt(w->c->arena, "%.*s/%.*s", SARG(w->prefix), SARG(path));
}

static bool full(struct ice_sweep *w)
{
	if (w->removed >= w->rule->batch)
		w->more = true;
	return w->more;
}

static bool remove_one(struct ice_sweep *w, struct str key)
{
	if (!w->s->ops->drop(w->c, w->s, key))
		return false;
	w->removed++;
	return true;
}

/* --- what snapshots name --- */
typedef bool named_fn(struct ice_sweep *w, struct str path);

static bool note(struct ice_sweep *w, struct str path)
{
	map_put(&w->named, path, w);
	return true;
}

struct walk {
	const struct ice_table *t;
	struct map seen;               /* lists and manifests that were read */
	bool missing;                  /* an object that is not there is fine */
	named_fn *named;
};

/* ret_there false, without an error: it is not. */
static bool read_one(struct ice_sweep *w, const struct walk *k, struct str path, struct ice_read *ret, bool *ret_there)
{
	struct str key = key_of(w, path), bytes;

	*ret_there = ice_object(w->c, w->s, key, &bytes);
	if (*ret_there) {
		*ret = (struct ice_read){.key = key, .location = k->t->location, .bytes = bytes};
		return true;
	}
	if (w->c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(w->c);
	return k->missing || fail(w->c, ERR_CORRUPT_TABLE, "%.*s is not there, but the table names it", SARG(key));
}

/* Has the walk been here? */
static bool seen(struct walk *k, struct str path)
{
	return map_put(&k->seen, path, k) != NULL;
}

static bool walk_manifest(struct ice_sweep *w, struct walk *k, const struct ice_manifest *m)
{
	struct ice_entry *v;
	struct ice_read r;
	bool there;
	int n;

	if (seen(k, m->path) || map_get(&w->named, m->path)) /* what a named one names is named */
		return true;
	if (!read_one(w, k, m->path, &r, &there))
		return false;
	if (there && !ice_read_manifest(w->c, &r, m, &v, &n))
		return false;
	for (int i = 0; there && i < n; i++) {
		if (v[i].status != ICE_DELETED && !k->named(w, v[i].file.path))
			return false;
	}
	return k->named(w, m->path);
}

static bool walk_snapshot(struct ice_sweep *w, struct walk *k, const struct ice_snapshot *s)
{
	struct ice_manifest *v;
	struct ice_read r;
	bool there;
	int n;

	if (seen(k, s->manifest_list))
		return true;
	if (!read_one(w, k, s->manifest_list, &r, &there))
		return false;
	if (there && !ice_read_manifest_list(w->c, &r, &v, &n))
		return false;
	for (int i = 0; there && i < n; i++) {
		if (!walk_manifest(w, k, &v[i]))
			return false;
	}
	return k->named(w, s->manifest_list);
}

/* Every object that the snapshots of a table name. */
static bool walk(struct ice_sweep *w, const struct ice_table *t, bool missing, named_fn *named)
{
	struct walk k = {.t = t, .missing = missing, .named = named};
	bool ok = true;

	for (int i = 0; ok && i < t->nsnapshots; i++)
		ok = walk_snapshot(w, &k, &t->snapshots[i]);
	map_close(&k.seen);
	return ok;
}

static bool learn(struct ice_sweep *w, const struct ice_table *t)
{
	if (!w->learned && !walk(w, t, false, note))
		return false;
	w->learned = true;
	return true;
}

/* --- of dropped snapshots --- */
static bool remove_unnamed(struct ice_sweep *w, struct str path)
{
	if (map_get(&w->named, path) || full(w))
		return true;
	return remove_one(w, key_of(w, path));
}

bool ice_sweep_snapshots(struct ice_sweep *w, const struct ice_table *t, const struct ice_table *gone)
{
	return learn(w, t) && walk(w, gone, true, remove_unnamed);
}

/* --- old versions --- */
/* From the oldest on, up to the first that is not old: a name that becomes free must be one that no writer still aims at, and
 * what is above a version that is there is there. */
bool ice_sweep_versions(struct ice_sweep *w, int64_t latest)
{
	struct ice_versions vs;
	int64_t hint;

	if (!ice_hint(w->c, w->s, w->prefix, &hint))
		return false;
	if (hint != latest)
		ice_fix_hint(w->c, w->s, w->prefix, latest);
	if (!ice_versions(w->c, w->s, w->prefix, &vs))
		return false;
	for (size_t i = 0; i < vs.n && vs.all[i].number < latest; i++) {
		if (w->rule->now_ms - vs.all[i].changed_ms <= w->rule->metadata_age_ms || full(w))
			break;
		if (!remove_one(w, ice_metadata_key(w->c->arena, w->prefix, vs.all[i].number)))
			return false;
	}
	return true;
}

/* --- orphans --- */
static bool sweep_page(struct ice_sweep *w, const struct ice_table *t, struct str ending, const struct store_entry *v, size_t n)
{
	for (size_t i = 0; i < n && !w->more; i++) {
		struct str path = str_tail(v[i].key, w->prefix.n + 1);

		if (w->rule->now_ms - v[i].changed_ms <= w->rule->orphan_age_ms || !str_ends(path, ending))
			continue;
		if (!learn(w, t))
			return false;
		if (!map_get(&w->named, path) && !full(w) && !remove_one(w, v[i].key))
			return false;
	}
	return true;
}

static bool sweep_folder(struct ice_sweep *w, const struct ice_table *t, const char *folder, struct str ending)
{
	struct str stem = key_of(w, str_of(folder)), after = {0};
	struct store_entry *page;
	size_t n;

	do {
		if (!w->s->ops->list(w->c, w->s, stem, after, &page, &n) || !sweep_page(w, t, ending, page, n))
			return false;
		if (n)
			after = page[n - 1].key;
	} while (n == STORE_LIST_MAX && !w->more);
	return true;
}

/* Only what Mayfly itself makes: whatever else lies there is somebody's. */
bool ice_sweep_orphans(struct ice_sweep *w, const struct ice_table *t)
{
	return sweep_folder(w, t, "data/", S(".parquet")) && sweep_folder(w, t, "metadata/", S(".avro"));
}

/* --- all of it --- */
static bool is_version(struct str prefix, struct str key)
{
	static const struct str folder = S_INIT("metadata/");
	struct str path = str_tail(key, prefix.n + 1);
	int64_t number;

	return str_starts(path, folder) && ice_version_of(str_tail(path, folder.n), &number);
}

static bool drop_others(struct call *c, struct store *s, struct str prefix)
{
	struct str stem = arena_fmt(c->arena, "%.*s/", SARG(prefix)), after = {0};
	struct store_entry *page;
	size_t n;

	do {
		if (!s->ops->list(c, s, stem, after, &page, &n))
			return false;
		for (size_t i = 0; i < n; i++) {
			if (!is_version(prefix, page[i].key) && !s->ops->drop(c, s, page[i].key))
				return false;
		}
		if (n)
			after = page[n - 1].key;
	} while (n == STORE_LIST_MAX);
	return true;
}

/* The versions last, from the oldest on: until the end there is a table to be dropped, and never a former one. */
bool ice_drop(struct call *c, struct store *s, struct str prefix)
{
	struct ice_versions vs;

	if (!drop_others(c, s, prefix) || !ice_versions(c, s, prefix, &vs))
		return false;
	for (size_t i = 0; i < vs.n; i++) {
		if (!s->ops->drop(c, s, ice_metadata_key(c->arena, prefix, vs.all[i].number)))
			return false;
	}
	return true;
}
