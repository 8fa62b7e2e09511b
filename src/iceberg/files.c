/* files.c - the files of a snapshot, from its manifest list and manifests. Blocks. */
#include "iceberg/iceberg_int.h"

struct gathering {
	struct call *c;
	struct store *store;
	struct str prefix, location;
	struct ice_file *v;
	int n, cap;
};

static bool read_object(struct gathering *g, struct str path, struct ice_read *ret)
{
	*ret = (struct ice_read){.location = g->location};
	ret->key = arena_fmt(g->c->arena, "%.*s/%.*s", SARG(g->prefix), SARG(path));
	return ice_object(g->c, g->store, ret->key, &ret->bytes);
}

static bool add_live(struct gathering *g, const struct ice_entry *e, int n, struct str key)
{
	struct ice_file *more;

	if (n > ICE_ENTRIES_MAX - g->n)
		return fail(g->c, ERR_CORRUPT_TABLE, "%.*s: with it the snapshot has too many files", SARG(key));
	if (g->n + n > g->cap) {
		g->cap = 2 * g->cap > g->n + n ? 2 * g->cap : g->n + n;
		more = ARENA_ARRAY(g->c->arena, struct ice_file, g->cap);
		if (g->n > 0)
			memcpy(more, g->v, sizeof(*more) * (size_t)g->n);
		g->v = more;
	}
	for (int i = 0; i < n; i++)
		if (e[i].status != ICE_DELETED)
			g->v[g->n++] = e[i].file;
	return true;
}

static bool add_manifest(struct gathering *g, const struct ice_manifest *m, struct str list_key)
{
	struct ice_entry *entries;
	struct ice_read r;
	int n;

	if (m->content != 0)
		return fail(g->c, ERR_CORRUPT_TABLE, "%.*s: it has delete files, which are not supported", SARG(list_key));
	return read_object(g, m->path, &r) && ice_read_manifest(g->c, &r, m, &entries, &n) && add_live(g, entries, n, r.key);
}

bool ice_files(struct call *c, struct store *s, struct str prefix, struct str location, struct str manifest_list,
	       struct ice_file **ret, int *ret_n)
{
	struct gathering g = {.c = c, .store = s, .prefix = prefix, .location = location};
	struct ice_manifest *manifests;
	struct ice_read r;
	int n;

	if (!read_object(&g, manifest_list, &r) || !ice_read_manifest_list(c, &r, &manifests, &n))
		return false;
	for (int i = 0; i < n; i++)
		if (!add_manifest(&g, &manifests[i], r.key))
			return false;
	*ret = g.v;
	*ret_n = g.n;
	return true;
}
