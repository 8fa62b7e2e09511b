/* load.c - the latest version of a table: the hint, then upwards; a listing where the hint is of no use.
 *
 * The hint is advice: it may be missing, behind, ahead or anything at all. What is
 * true is which vN.metadata.json there are. Any thread; blocks.
 */
#include "iceberg/iceberg_int.h"

#include <stdlib.h>

enum {
	HINT_MAX = 32,                 /* bytes that are looked at */
	CLIMB_MAX = 16,                /* versions above the hint before a listing is cheaper */
	FIND_TRIES = 3,                /* what a listing named may be gone: a drop is under way */
	VERSION_DIGITS = 15,
};

struct str ice_metadata_key(struct arena *a, struct str prefix, int64_t version)
{
	return arena_fmt(a, "%.*s/metadata/v%lld.metadata.json", SARG(prefix), (long long)version);
}

struct str ice_hint_key(struct arena *a, struct str prefix)
{
	return arena_fmt(a, "%.*s/metadata/version-hint.text", SARG(prefix));
}

/* As it is written: no sign, no leading zero. */
static bool read_version(struct str digits, int64_t *ret)
{
	return digits.n > 0 && digits.n <= VERSION_DIGITS && ascii_digit(digits.p[0]) && digits.p[0] != '0' && str_to_i64(digits, ret);
}

bool ice_version_of(struct str name, int64_t *ret)
{
	static const struct str end = S_INIT(".metadata.json");

	if (!str_starts(name, S("v")) || !str_ends(name, end) || name.n <= 1 + end.n)
		return false;
	return read_version(str_from(name.p + 1, name.n - 1 - end.n), ret);
}

bool ice_hint(struct call *c, struct store *s, struct str prefix, int64_t *ret)
{
	OWNS(buf) b = {0};
	int64_t version = 0;

	if (!s->ops->get(c, s, ice_hint_key(c->arena, prefix), 0, HINT_MAX, &b)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
	}
	*ret = read_version(str_trim(buf_str(&b)), &version) ? version : 0;
	return true;
}

/* --- all versions --- */
static int by_version(const void *a, const void *b)
{
	const struct ice_version *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void versions_add(struct arena *a, struct ice_versions *vs, const struct ice_version *v)
{
	if (vs->n == vs->cap) {
		struct ice_version *grown = ARENA_ARRAY(a, struct ice_version, vs->cap ? vs->cap * 2 : 64);

		if (vs->n)
			memcpy(grown, vs->all, vs->n * sizeof(*grown));
		vs->cap = vs->cap ? vs->cap * 2 : 64;
		vs->all = grown;
	}
	vs->all[vs->n++] = *v;
}

bool ice_versions(struct call *c, struct store *s, struct str prefix, struct ice_versions *ret)
{
	struct str folder = arena_fmt(c->arena, "%.*s/metadata/", SARG(prefix)), after = {0};
	struct str stem = arena_fmt(c->arena, "%.*sv", SARG(folder));
	struct ice_versions vs = {0};
	struct store_entry *page;
	size_t n;

	do {
		if (!s->ops->list(c, s, stem, after, &page, &n))
			return false;
		for (size_t i = 0; i < n; i++) {
			struct ice_version v = {.changed_ms = page[i].changed_ms};

			if (ice_version_of(str_tail(page[i].key, folder.n), &v.number))
				versions_add(c->arena, &vs, &v);
		}
		if (n)
			after = page[n - 1].key;
	} while (n == STORE_LIST_MAX);
	if (vs.n)
		qsort(vs.all, vs.n, sizeof(*vs.all), by_version);
	*ret = vs;
	return true;
}

/* --- the latest --- */
/* ret_found false, without an error: there is no such version. */
static bool version_get(struct call *c, struct store *s, struct str prefix, int64_t version, struct ice_found *ret,
			bool *ret_found)
{
	struct str bytes;

	*ret_found = ice_object(c, s, ice_metadata_key(c->arena, prefix, version), &bytes);
	if (!*ret_found && c->err.kind != ERR_NOT_FOUND)
		return false;
	if (!*ret_found)
		call_forgive(c);
	else
		*ret = (struct ice_found){version, bytes};
	return true;
}

/* From a version on, upwards. *ret_more: there are many above it. */
static bool climb(struct call *c, struct store *s, struct str prefix, int64_t from, struct ice_found *ret, bool *ret_more)
{
	struct ice_found at = {0};
	bool found = true;

	for (int i = 0; found && i < CLIMB_MAX; i++) {
		if (!version_get(c, s, prefix, from + i, &at, &found))
			return false;
	}
	*ret = at;
	*ret_more = found;
	return true;
}

bool ice_latest(struct call *c, struct store *s, struct str prefix, int64_t hint, struct ice_found *ret)
{
	struct ice_found at = {0};
	bool more = false;

	if (hint && !climb(c, s, prefix, hint, &at, &more))
		return false;
	for (int tries = 0; (at.version == 0 || more) && tries < FIND_TRIES; tries++) {
		struct ice_versions vs;

		if (!ice_versions(c, s, prefix, &vs))
			return false;
		if (vs.n == 0)
			break;
		if (!climb(c, s, prefix, vs.all[vs.n - 1].number, &at, &more))
			return false;
	}
	*ret = at;
	return true;
}

bool ice_load(struct call *c, struct store *s, struct str prefix, struct ice_table *ret)
{
	struct ice_found at;
	int64_t hint;

	if (!ice_hint(c, s, prefix, &hint) || !ice_latest(c, s, prefix, hint, &at))
		return false;
	if (at.version == 0)
		return fail(c, ERR_NOT_FOUND, "there is no table at %.*s", SARG(prefix));
	return ice_metadata_read(c, prefix, at.version, at.bytes, ret);
}
