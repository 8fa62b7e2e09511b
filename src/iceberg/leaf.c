/* leaf.c - the leaf columns of Parquet files, found by their paths.
 *
 * Two forms: as DuckDB's RETURN_STATS writes them, each name quoted
 * ("l"."element"), and as Parquet's metadata, plain and with the layers of
 * lists and maps (l.list.element). In the second a dot may belong to a name:
 * what could be two leaves is none. Pure functions, any thread.
 */
#include "iceberg/iceberg_int.h"

/* Takes one quoted name, and the dot behind it, off *path. */
static bool next_quoted(struct str *path, struct str *ret)
{
	size_t i = 1;

	if (path->n < 2 || path->p[0] != '"')
		return false;
	while (i < path->n && !(path->p[i] == '"' && (i + 1 == path->n || path->p[i + 1] != '"')))
		i += path->p[i] == '"' ? 2 : 1;
	if (i >= path->n || (i + 1 < path->n && path->p[i + 1] != '.'))
		return false;
	*ret = str_from(path->p + 1, i - 1);
	*path = str_tail(*path, i + 1 < path->n ? i + 2 : path->n);
	return true;
}

static bool quoted_is(struct str quoted, struct str name)
{
	size_t at = 0;

	for (size_t i = 0; i < name.n; i++) {
		if (at >= quoted.n || quoted.p[at] != name.p[i])
			return false;
		at += name.p[i] == '"' ? 2 : 1;
	}
	return at == quoted.n;
}

static const struct ice_field *walk_quoted(const struct ice_schema *s, struct str path)
{
	struct ice_type at = {ICE_STRUCT, 0, 0, s->fields, s->n};
	const struct ice_field *found = NULL;
	struct str name;

	while (path.n > 0) {
		found = NULL;
		if (!next_quoted(&path, &name))
			return NULL;
		for (int i = 0; i < at.nfields && !found; i++)
			if (quoted_is(name, at.fields[i].name))
				found = &at.fields[i];
		if (!found)
			return NULL;
		at = found->type;
	}
	return found && found->type.nfields == 0 ? found : NULL;
}

static int count_plain(const struct ice_field *v, int n, struct str path, const struct ice_field **ret);

static int count_inside(const struct ice_field *f, struct str rest, const struct ice_field **ret)
{
	if (rest.n == 0 && f->type.nfields == 0) {
		*ret = f;
		return 1;
	}
	if (rest.n == 0 || rest.p[0] != '.')
		return 0;
	rest = str_tail(rest, 1);
	if (f->type.kind == ICE_LIST && str_starts(rest, S("list.")))
		rest = str_tail(rest, 5);
	else if (f->type.kind == ICE_MAP && str_starts(rest, S("key_value.")))
		rest = str_tail(rest, 10);
	return count_plain(f->type.fields, f->type.nfields, rest, ret);
}

/* How many leaves the path can mean, as far as two. */
static int count_plain(const struct ice_field *v, int n, struct str path, const struct ice_field **ret)
{
	int found = 0;

	for (int i = 0; i < n && found < 2; i++)
		if (str_starts(path, v[i].name))
			found += count_inside(&v[i], str_tail(path, v[i].name.n), ret);
	return found;
}

const struct ice_field *ice_leaf(const struct ice_schema *s, struct str path)
{
	const struct ice_field *leaf = walk_quoted(s, path);

	if (leaf)
		return leaf;
	return count_plain(s->fields, s->n, path, &leaf) == 1 ? leaf : NULL;
}
