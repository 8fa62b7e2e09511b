/* publish.c - the one step that commits: vN+1.metadata.json is created, which the store grants to one; then the hint.
 *
 * An answer that the store did not give, or gave twice (a retry below us meets
 * what the first try made), is settled by reading the object: it is ours byte for
 * byte, or another's. Each document names its commit, so no two are equal. Any thread; blocks.
 */
#include "iceberg/iceberg_int.h"

#include <time.h>

enum {
	PUT_TRIES = 5,
	HINT_TRIES = 8,                /* versions that others commit meanwhile */
	BACK_OFF_FIRST_MS = 4,
	BACK_OFF_LAST_MS = 400,
};

bool ice_may_go_on(struct call *c, int64_t deadline_mono_ms)
{
	int64_t now = clock_mono_ms();

	if (c->cancel && atomic_load(c->cancel))
		return fail(c, ERR_CANCELED, "the commit was canceled");
	if ((deadline_mono_ms && now >= deadline_mono_ms) || (c->deadline_ms && now >= c->deadline_ms))
		return fail(c, ERR_STATEMENT_TIMEOUT, "the time ended before the commit");
	return true;
}

void ice_back_off(int attempt)
{
	int64_t longest = attempt < 7 ? BACK_OFF_FIRST_MS << attempt : BACK_OFF_LAST_MS;
	struct timespec t;
	uint64_t random;
	int64_t us;

	id_random(&random, sizeof(random));
	us = (int64_t)(random % ((uint64_t)longest * 1000));
	t = (struct timespec){us / 1000000, us % 1000000 * 1000};
	nanosleep(&t, NULL);
}

void ice_drop_quietly(struct call *c, struct store *s, struct str prefix, struct str path)
{
	struct err was = c->err;

	call_forgive(c);
	(void)s->ops->drop(c, s, arena_fmt(c->arena, "%.*s/%.*s", SARG(prefix), SARG(path)));
	c->err = was;
}

/* --- the hint --- */
/* Another may write an older one after us: who wrote one looks whether it is the latest, and goes on until it is. */
static bool move_hint(struct call *c, struct store *s, struct str prefix, int64_t version)
{
	for (int i = 0; i < HINT_TRIES; i++) {
		struct str text = arena_fmt(c->arena, "%lld", (long long)version), next;
		struct ice_found latest;

		if (!s->ops->put(c, s, ice_hint_key(c->arena, prefix), text, STORE_REPLACE))
			return false;
		if (!ice_object(c, s, ice_metadata_key(c->arena, prefix, version + 1), &next))
			return c->err.kind == ERR_NOT_FOUND;
		if (!ice_latest(c, s, prefix, version + 1, &latest))
			return false;
		version = latest.version;
	}
	return true;
}

void ice_fix_hint(struct call *c, struct store *s, struct str prefix, int64_t version)
{
	struct err was = c->err;

	call_forgive(c);
	(void)move_hint(c, s, prefix, version); /* advice only: readers find the way without it */
	c->err = was;
}

/* --- creating the version --- */
struct put {
	struct call *c;
	struct store *s;
	struct str prefix, key, doc;
	int64_t version, deadline_mono_ms;
};

/* After a put that was not acknowledged. ret_there false: no such object (yet). */
static bool look(struct put *p, bool *ret_there, bool *ret_ours)
{
	struct str bytes;
	bool there = ice_object(p->c, p->s, p->key, &bytes);

	if (!there && p->c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(p->c);
	*ret_there = there;
	*ret_ours = there && str_eq(bytes, p->doc);
	return true;
}

static enum ice_outcome create(struct put *p)
{
	struct err first = {0};

	for (int i = 0; i < PUT_TRIES; i++) {
		bool there = false, ours = false;

		if (!ice_may_go_on(p->c, p->deadline_mono_ms)) {
			if (i == 0)
				return ICE_NOT_DONE;
			break;
		}
		if (p->s->ops->put(p->c, p->s, p->key, p->doc, STORE_NEW))
			return ICE_WON;
		if (i == 0)
			first = p->c->err;
		call_forgive(p->c);
		if (look(p, &there, &ours) && there)
			return ours ? ICE_WON : ICE_LOST;
		call_forgive(p->c);
		ice_back_off(i + 2);
	}
	call_forgive(p->c);
	fail(p->c, first.kind == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_STORAGE, "it is unknown whether this was committed: %s",
	     first.text);
	return ICE_UNCLEAR;
}

/* --- was the name free because its time is over? --- */
static bool builds_on(const struct ice_table *next, const struct ice_table *ours)
{
	const json_node *log = json_get(next->metadata, "metadata-log"), *last;
	const json_node *at;

	if (!log || json_kind(log) != JSON_KIND_ARRAY || json_count(log) == 0)
		return true; /* it does not tell */
	last = json_at(log, json_count(log) - 1);
	at = json_get(last, "timestamp-ms");
	return !at || json_kind(at) != JSON_KIND_INT || json_int(at) == ours->updated_ms;
}

/* A writer that stood still for a day may create a version that was there, and removed as old, long ago. Then what is above it
 * does not build on it: true. When that cannot be told: false. */
static bool outdated(struct put *p, const struct ice_table *ours)
{
	struct ice_table next;
	struct str bytes;
	int64_t hint;

	if (!ice_hint(p->c, p->s, p->prefix, &hint) || hint <= p->version)
		return false;
	if (!ice_object(p->c, p->s, ice_metadata_key(p->c->arena, p->prefix, hint), &bytes))
		return false; /* the hint is ahead of everything */
	if (!ice_object(p->c, p->s, ice_metadata_key(p->c->arena, p->prefix, p->version + 1), &bytes))
		return p->c->err.kind == ERR_NOT_FOUND;
	return ice_metadata_read(p->c, p->prefix, p->version + 1, bytes, &next) && !builds_on(&next, ours);
}

static enum ice_outcome won(struct put *p, const struct ice_table *ours)
{
	bool late = outdated(p, ours);

	call_forgive(p->c);
	if (late) {
		ice_drop_quietly(p->c, p->s, p->prefix, str_tail(p->key, p->prefix.n + 1));
		return ICE_LOST;
	}
	ice_fix_hint(p->c, p->s, p->prefix, p->version);
	return ICE_WON;
}

enum ice_outcome ice_publish(struct call *c, struct store *s, const struct ice_next *n, int64_t deadline_mono_ms,
			     struct ice_table *ret_table)
{
	struct put p = {.c = c, .s = s, .prefix = n->base->prefix, .deadline_mono_ms = deadline_mono_ms};
	struct ice_table table;
	OWNS(buf) doc = {.limit = ICE_OBJECT_MAX};
	enum ice_outcome outcome;
	int64_t readable;

	ice_put_metadata(&doc, n);
	p.version = n->base->version + 1;
	p.doc = buf_str(&doc);
	p.key = ice_metadata_key(c->arena, p.prefix, p.version);
	if (!ice_version_of(str_tail(p.key, p.prefix.n + sizeof("/metadata/") - 1), &readable)) {
		fail(c, ERR_QUOTA, "the table has no versions left");
		return ICE_NOT_DONE;
	}
	if (!buf_ok(&doc)) {
		fail(c, ERR_QUOTA, "the table has too many snapshots, schemas or properties: its metadata would be too large");
		return ICE_NOT_DONE;
	}
	if (!ice_metadata_read(c, p.prefix, p.version, p.doc, &table)) { /* what cannot be read must not be written */
		struct err e = c->err;

		call_forgive(c);
		fail(c, ERR_QUOTA, "the table cannot be committed: %s", e.text);
		return ICE_NOT_DONE;
	}
	outcome = create(&p);
	if (outcome == ICE_WON)
		outcome = won(&p, &table);
	if (outcome == ICE_WON)
		*ret_table = table;
	return outcome;
}
