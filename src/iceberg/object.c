/* object.c - whole objects of the store, and the paths that stand in them. Blocks where it takes a store. */
#include "iceberg/iceberg_int.h"

bool ice_object(struct call *c, struct store *s, struct str key, struct str *ret)
{
	OWNS(buf) bytes = {0};

	if (!s->ops->get(c, s, key, 0, ICE_OBJECT_MAX + 1, &bytes))
		return false;
	if (bytes.n > ICE_OBJECT_MAX)
		return fail(c, ERR_CORRUPT_TABLE, "%.*s is larger than %d bytes", SARG(key), ICE_OBJECT_MAX);
	*ret = arena_dup(c->arena, buf_str(&bytes));
	return true;
}

static struct str without_slash(struct str location)
{
	while (location.n > 0 && location.p[location.n - 1] == '/')
		location.n--;
	return location;
}

bool ice_path(struct call *c, struct str key, struct str location, struct str uri, struct str *ret)
{
	struct str root = without_slash(location), path;

	if (!str_starts(uri, root) || uri.n <= root.n + 1 || uri.p[root.n] != '/')
		return fail(c, ERR_CORRUPT_TABLE, "%.*s names %.*s, which is not below the table's location", SARG(key),
		            SARG(str_head(uri, 200)));
	path = str_tail(uri, root.n + 1);
	if (!store_key_valid(path))
		return fail(c, ERR_CORRUPT_TABLE, "%.*s names %.*s, which is no key", SARG(key), SARG(str_head(uri, 200)));
	*ret = path;
	return true;
}

void ice_put_uri(struct buf *b, struct str location, struct str path)
{
	buf_add(b, without_slash(location));
	buf_addc(b, '/');
	buf_add(b, path);
}
