/* layers_doc.c - what is written about layers: their manifests, and the items of GET /v1/layers.
 *
 * A manifest is JSON that only this file reads; it goes with the layer wherever that goes, so its id is what is believed,
 * and what is not readable belongs to nobody until its TTL drops it.
 */
#include "runner/layers_int.h"

#include <stdlib.h>

enum { VOLATILE_MAX = 100, MANIFEST_VERSION = 1 };

void layer_manifest(const struct layer_made *m, struct str base, struct buf *out)
{
	struct json_out o = json_out(out);

	json_begin_object(&o);
	JSON_FIELD_INT(&o, "version", MANIFEST_VERSION);
	JSON_FIELD_TEXT(&o, "tenant", m->tenant);
	JSON_FIELD_TEXT(&o, "path", m->path);
	JSON_FIELD_TEXT(&o, "base", base);
	JSON_FIELD_TEXT(&o, "parent", m->parent);
	JSON_FIELD_INT(&o, "created_ms", m->created_ms);
	JSON_FIELD_INT(&o, "replay_ms", m->replay_ms);
	JSON_FIELD_BOOL(&o, "opaque", m->opaque);
	json_literal_key(&o, S("\"volatile\":"));
	json_put_texts(&o, m->volatile_names, m->nvolatile < VOLATILE_MAX ? m->nvolatile : VOLATILE_MAX);
	json_end_object(&o);
}

static bool read_manifest(struct call *c, struct str text, struct layer_made *ret)
{
	const json_node *o;

	if (!json_read_object(c, text, &o) || !json_want_text(c, o, "tenant", &ret->tenant) ||
	    !json_want_text(c, o, "path", &ret->path) || !json_want_int(c, o, "created_ms", 0, INT64_MAX, &ret->created_ms) ||
	    !json_want_int(c, o, "replay_ms", 0, INT64_MAX, &ret->replay_ms) || !json_want_bool(c, o, "opaque", &ret->opaque) ||
	    !json_want_texts(c, o, "volatile", VOLATILE_MAX, &ret->volatile_names, &ret->nvolatile))
		return false;
	return tenant_name_valid(ret->tenant) && ret->path.n <= LAYER_PATH_MAX;
}

void layer_found(struct call *c, const struct pg_found *f, struct layer_made *ret)
{
	*ret = (struct layer_made){.opaque = true, .created_ms = f->published_ms};
	if (!read_manifest(c, arena_dup(c->arena, f->manifest), ret)) {
		call_forgive(c);
		*ret = (struct layer_made){.opaque = true, .created_ms = f->published_ms, .path = S("")};
		ret->tenant = S("");
	}
	ret->id = arena_dup(c->arena, f->id);
	ret->parent = arena_dup(c->arena, f->parent);
	ret->bytes = f->bytes;
}

const char *layer_deterministic(const struct layer *l, bool names_found)
{
	if (l->verified)
		return l->verified == 'y' ? "yes" : "no";
	return names_found || l->opaque ? "unverified" : "yes";
}

/* --- the listing --- */

bool layers_unreachable(struct call *c, const struct runner *r)
{
	return fail(c, ERR_ENGINE_UNREACHABLE, "%s", r->o.backend_missing ? r->o.backend_missing : "there is no PostgreSQL");
}

struct shown { /* a copy, so that nothing is written under the lock */
	char id[RUNNER_HEX + 1], parent[RUNNER_HEX + 1];
	struct str path;
	int64_t bytes, created_ms, used_ms, hits, pinned_ms, replay_ms;
	bool in_use;
	const char *deterministic;
	struct str *volatile_names;
	int nvolatile;
};

static void show(struct call *c, const struct layer *l, struct shown *ret)
{
	*ret = (struct shown){
		.path = arena_dup(c->arena, l->path), .bytes = l->bytes, .created_ms = l->created_ms, .used_ms = l->used_ms,
		.hits = l->hits_total, .pinned_ms = l->pinned_ms, .replay_ms = l->replay_ms, .in_use = l->uses > 0 || l->children > 0,
		.deterministic = layer_deterministic(l, l->nvolatile > 0), .nvolatile = l->nvolatile,
	};
	memcpy(ret->id, l->id, sizeof(ret->id));
	memcpy(ret->parent, l->parent_id, sizeof(ret->parent));
	ret->volatile_names = ARENA_ARRAY(c->arena, struct str, (size_t)l->nvolatile + 1);
	for (int i = 0; i < l->nvolatile; i++)
		ret->volatile_names[i] = arena_dup(c->arena, l->volatile_names[i]);
}

static int newest_first(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? 1 : -1;
	return strcmp(x->id, y->id);
}

/* After the cursor "<created_ms>.<id>"? */
static bool is_after(struct str after, const struct shown *s)
{
	struct shown at = {0};
	struct str rest = after, ms = str_cut(&rest, '.');

	if (!after.n || !str_to_i64(ms, &at.created_ms) || rest.n != RUNNER_HEX)
		return true;
	memcpy(at.id, rest.p, RUNNER_HEX);
	return newest_first(&at, s) < 0;
}

static void put_item(struct json_out *o, const struct shown *s)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "layer_id", str_of(s->id));
	json_literal_key(o, S("\"parent\":"));
	if (s->parent[0])
		json_put_text(o, str_of(s->parent));
	else
		json_put_null(o);
	JSON_FIELD_TEXT(o, "path", s->path);
	JSON_FIELD_INT(o, "bytes", s->bytes);
	JSON_FIELD_TIME(o, "created_at", s->created_ms);
	JSON_FIELD_TIME(o, "last_used_at", s->used_ms);
	JSON_FIELD_INT(o, "hits", s->hits);
	json_literal_key(o, S("\"pinned_until\":"));
	if (s->pinned_ms > clock_wall_ms())
		json_put_time(o, s->pinned_ms);
	else
		json_put_null(o);
	JSON_FIELD_INT(o, "replay_ms", s->replay_ms);
	JSON_FIELD_BOOL(o, "in_use", s->in_use);
	JSON_FIELD_TEXT(o, "deterministic", str_of(s->deterministic));
	json_literal_key(o, S("\"volatile\":"));
	json_put_texts(o, s->volatile_names, s->nvolatile);
	json_end_object(o);
}

bool runner_layers(struct call *c, struct runner *r, struct job_page *page, struct json_out *items)
{
	struct layers *ls = r->layers;
	struct shown *all;
	struct map_slot slot;
	int n = 0, put = 0;

	if (!ls)
		return layers_unreachable(c, r);
	pthread_mutex_lock(&ls->lock);
	all = ARENA_ARRAY(c->arena, struct shown, ls->by_key.n + 1);
	for (size_t i = 0; map_next(&ls->by_key, &i, &slot);) {
		const struct layer *l = slot.value;

		if (!l->base && !l->going && str_eq(l->tenant, c->tenant))
			show(c, l, &all[n++]);
	}
	pthread_mutex_unlock(&ls->lock);
	qsort(all, (size_t)n, sizeof(*all), newest_first);
	page->next = S("");
	for (int i = 0; i < n; i++) {
		if (!is_after(page->after, &all[i]))
			continue;
		if (put == page->limit) {
			page->next = arena_fmt(c->arena, "%lld.%s", (long long)all[i - 1].created_ms, all[i - 1].id);
			break;
		}
		put_item(items, &all[i]);
		put++;
	}
	return true;
}
