/* share.c - layers that servers on one storage give each other.
 *
 *   [tenants/<tenant>/]layers/<id>/manifest          JSON: the layer, its pieces with their SHA-256; written last, one writer wins
 *   [tenants/<tenant>/]layers/<id>/<nonce>.<number>  a piece of the archive that the backend packs; the nonce is the writer's
 *
 * A layer is laid over the very bytes that it was made over (its parent's build). Whoever made the parent itself, and found another's
 * layer over another's build of it, replays; whoever could only give such a one gives nothing.
 *
 * Owns nothing: which layers are here, when to give and when to take is layers.c's to know. An archive goes through a
 * file without a name, so that memory holds one piece at a time.
 *
 * Threads: any that may block.
 */
#include "runner/runner_int.h"

#include "obs/obs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PIECE_BYTES = 8 << 20,
	MANIFEST_MAX = 16 << 20,
	ANCESTORS_MAX = 256,
	LEFTOVER_MS = 6 * 3600 * 1000,   /* pieces without a manifest: somebody may still be writing them */
	NONCE_LEN = 16,
};

struct piece {
	struct str name, sha;
	int64_t bytes;
};
struct shared { /* a manifest */
	struct pg_found layer;
	const struct piece *pieces;
	int npieces;
};

static struct str layer_key(struct arena *a, struct str tenant, struct str id, struct str name)
{
	return arena_fmt(a, "%.*slayers/%.*s/%.*s", SARG(store_tenant_prefix(a, tenant)), SARG(id), SARG(name));
}

static bool shares(const struct runner *r)
{
	return r->o.backend && r->o.backend->ops->pack && r->o.backend->ops->unpack;
}

/* --- a file for an archive --- */

struct spool {
	int fd;
};

static void spool_drop(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
}

static bool spool_open(struct call *c, struct spool *s)
{
	const char *dir = getenv("TMPDIR");

	s->fd = open(dir && *dir ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0)
		s->fd = memfd_create("layer", MFD_CLOEXEC);
	return s->fd >= 0 || fail(c, ERR_STORAGE, "cannot make a temporary file: %s", strerror(errno));
}

/* --- manifests --- */

static bool broken(struct call *c, struct str id, const char *why)
{
	return fail(c, ERR_STORAGE, "the shared layer %.*s %s", SARG(id), why);
}

static bool text_of(const json_node *o, const char *key, struct str *ret)
{
	const json_node *n = json_get(o, key);

	if (!n || json_kind(n) != JSON_KIND_TEXT)
		return false;
	*ret = json_text(n);
	return true;
}

static bool int_of(const json_node *o, const char *key, int64_t *ret)
{
	const json_node *n = json_get(o, key);

	if (!n || json_kind(n) != JSON_KIND_INT || json_int(n) < 0)
		return false;
	*ret = json_int(n);
	return true;
}

static bool read_pieces(struct call *c, const json_node *list, struct shared *ret)
{
	size_t n = list && json_kind(list) == JSON_KIND_ARRAY ? json_count(list) : 0;
	struct piece *v = ARENA_ARRAY(c->arena, struct piece, n + 1);

	for (size_t i = 0; i < n; i++) {
		const json_node *o = json_at(list, i);

		if (json_kind(o) != JSON_KIND_OBJECT || !text_of(o, "name", &v[i].name) || !text_of(o, "sha256", &v[i].sha) ||
		    !int_of(o, "bytes", &v[i].bytes) || !str_is_hex(v[i].sha, PG_LAYER_LEN) || v[i].bytes > PIECE_BYTES || !store_key_valid(v[i].name) ||
		    str_find(v[i].name, '/') < v[i].name.n)
			return false;
	}
	ret->pieces = v;
	ret->npieces = (int)n;
	return n > 0;
}

static bool read_members(struct call *c, struct runner *r, const json_node *o, struct shared *ret)
{
	struct str base;
	int64_t format;

	return int_of(o, "format", &format) && format == 1 && text_of(o, "base", &base) && str_eq(base, str_of(r->base)) &&
	       text_of(o, "id", &ret->layer.id) && text_of(o, "parent", &ret->layer.parent) &&
	       (ret->layer.parent.n == 0 || str_is_hex(ret->layer.parent, PG_LAYER_LEN)) && int_of(o, "bytes", &ret->layer.bytes) &&
	       int_of(o, "published_ms", &ret->layer.published_ms) && text_of(o, "manifest", &ret->layer.manifest) &&
	       text_of(o, "build", &ret->layer.build) && text_of(o, "parent_build", &ret->layer.parent_build) &&
	       read_pieces(c, json_get(o, "pieces"), ret);
}

/* ERR_NOT_FOUND: nobody shares it. ERR_STORAGE: it is no manifest of this layer on this engine. */
static bool manifest_get(struct call *c, struct runner *r, struct str tenant, struct str id, struct shared *ret)
{
	struct store *s = r->o.store;
	const json_node *o;
	OWNS(buf) b = {0};

	if (!s->ops->get(c, s, layer_key(c->arena, tenant, id, S("manifest")), 0, MANIFEST_MAX, &b))
		return false;
	if (!json_read_object(c, arena_dup(c->arena, buf_str(&b)), &o)) {
		call_forgive(c);
		return broken(c, id, "has a manifest that is no JSON");
	}
	*ret = (struct shared){0};
	if (!read_members(c, r, o, ret) || !str_eq(ret->layer.id, id))
		return broken(c, id, "has a manifest that is not of it, or of another engine");
	return true;
}

static void manifest_write(struct runner *r, const struct shared *m, struct buf *b)
{
	struct json_out o = json_out(b);

	json_begin_object(&o);
	JSON_FIELD_INT(&o, "format", 1);
	JSON_FIELD_TEXT(&o, "id", m->layer.id);
	JSON_FIELD_TEXT(&o, "parent", m->layer.parent);
	JSON_FIELD_TEXT(&o, "base", str_of(r->base));
	JSON_FIELD_TEXT(&o, "build", m->layer.build);
	JSON_FIELD_TEXT(&o, "parent_build", m->layer.parent_build);
	JSON_FIELD_INT(&o, "bytes", m->layer.bytes);
	JSON_FIELD_INT(&o, "published_ms", m->layer.published_ms);
	JSON_FIELD_TEXT(&o, "manifest", m->layer.manifest);
	json_key(&o, S("pieces"));
	json_begin_array(&o);
	for (int i = 0; i < m->npieces; i++) {
		json_begin_object(&o);
		JSON_FIELD_TEXT(&o, "name", m->pieces[i].name);
		JSON_FIELD_INT(&o, "bytes", m->pieces[i].bytes);
		JSON_FIELD_TEXT(&o, "sha256", m->pieces[i].sha);
		json_end_object(&o);
	}
	json_end_array(&o);
	json_end_object(&o);
}

/* --- what the backend has --- */

struct search {
	struct call *c;
	struct str id;
	struct pg_found found;
	bool there;
};

static bool is_it(void *arg, const struct pg_found *f)
{
	struct search *s = arg;
	struct arena *a = s->c->arena;

	if (!str_eq(f->id, s->id))
		return true;
	s->there = true;
	s->found = (struct pg_found){.id = arena_dup(a, f->id), .parent = arena_dup(a, f->parent), .bytes = f->bytes,
				     .published_ms = f->published_ms, .manifest = arena_dup(a, f->manifest),
				     .build = arena_dup(a, f->build), .parent_build = arena_dup(a, f->parent_build)};
	return false;
}

static bool find_here(struct call *c, struct runner *r, struct str id, struct search *ret)
{
	*ret = (struct search){.c = c, .id = id};
	return r->o.backend->ops->list(c, r->o.backend, is_it, ret);
}

/* --- export --- */

struct export {
	struct call *c;
	struct runner *r;
	struct str tenant;
	char nonce[NONCE_LEN + 1];
	bool below_is_there; /* put by somebody, perhaps of another build */
};

static bool put_piece(struct export *x, const struct shared *m, struct piece *p, struct str bytes)
{
	char sum[RUNNER_HEX + 1];
	struct store *s = x->r->o.store;

	hash_sha256_hex(bytes, sum);
	p->name = arena_fmt(x->c->arena, "%s.%06d", x->nonce, m->npieces);
	p->sha = arena_dup(x->c->arena, str_of(sum));
	p->bytes = (int64_t)bytes.n;
	return s->ops->put(x->c, s, layer_key(x->c->arena, x->tenant, m->layer.id, p->name), bytes, STORE_REPLACE);
}

static bool put_pieces(struct export *x, int fd, struct shared *m)
{
	off_t size = lseek(fd, 0, SEEK_END);
	struct piece *v;

	if (size < 0)
		return fail(x->c, ERR_STORAGE, "cannot read a temporary file: %s", strerror(errno));
	v = ARENA_ARRAY(x->c->arena, struct piece, (size_t)(size / PIECE_BYTES) + 1);
	m->pieces = v;
	for (off_t at = 0; at < size || m->npieces == 0; at += PIECE_BYTES) {
		OWNS(buf) b = {0};

		if (!file_read_at(fd, at, PIECE_BYTES, &b))
			return fail(x->c, ERR_STORAGE, "cannot read a temporary file: %s", strerror(errno));
		if (!put_piece(x, m, &v[m->npieces], buf_str(&b)))
			return false;
		m->npieces++;
	}
	return true;
}

static void drop_pieces(struct export *x, const struct shared *m)
{
	struct err e = x->c->err;

	call_forgive(x->c);
	for (int i = 0; i < m->npieces; i++) {
		struct str key = layer_key(x->c->arena, x->tenant, m->layer.id, m->pieces[i].name);

		if (!x->r->o.store->ops->drop(x->c, x->r->o.store, key))
			call_forgive(x->c); /* the sweep finds it */
	}
	x->c->err = e;
}

static bool put_manifest(struct export *x, const struct shared *m)
{
	struct store *s = x->r->o.store;
	OWNS(buf) b = {0};

	manifest_write(x->r, m, &b);
	if (b.n > MANIFEST_MAX)
		return fail(x->c, ERR_STORAGE, "the manifest of the layer is too large to share");
	return s->ops->put(x->c, s, layer_key(x->c->arena, x->tenant, m->layer.id, S("manifest")), buf_str(&b), STORE_NEW);
}

static bool export_one(struct export *x, const struct pg_found *layer)
{
	struct pg_backend *b = x->r->o.backend;
	struct shared m = {.layer = *layer};
	OWNS(spool) s = {.fd = -1};

	if (!spool_open(x->c, &s) || !b->ops->pack(x->c, b, layer->id, s.fd))
		return false;
	x->below_is_there = false;
	if (put_pieces(x, s.fd, &m) && put_manifest(x, &m))
		return true;
	drop_pieces(x, &m);
	if (x->c->err.kind != ERR_CONFLICT)
		return false;
	call_forgive(x->c); /* another was first, which is as good */
	x->below_is_there = true;
	return true;
}

static bool is_shared(struct call *c, struct runner *r, struct str tenant, struct str id, bool *ret)
{
	OWNS(buf) first = {0};
	bool there = r->o.store->ops->get(c, r->o.store, layer_key(c->arena, tenant, id, S("manifest")), 0, 1, &first);

	if (!there && c->err.kind != ERR_NOT_FOUND)
		return false;
	if (!there)
		call_forgive(c);
	*ret = there;
	return true;
}

/* Whether who takes the shared layer can lay ours over it. */
static bool is_ours(struct call *c, struct runner *r, struct str tenant, const struct pg_found *over, bool *ret)
{
	struct shared m;

	if (!manifest_get(c, r, tenant, over->parent, &m))
		return false;
	*ret = !over->parent_build.n || str_eq(m.layer.build, over->parent_build);
	return true;
}

static bool export_all(struct export *x, const struct search *found, int n)
{
	unsigned char noise[NONCE_LEN / 2];
	bool ours = true;

	id_random(noise, sizeof(noise));
	for (int i = 0; i < NONCE_LEN / 2; i++)
		snprintf(x->nonce + 2 * i, 3, "%02x", noise[i]);
	while (n > 0) {
		const struct pg_found *layer = &found[--n].found;

		if (x->below_is_there && !is_ours(x->c, x->r, x->tenant, layer, &ours))
			return false;
		if (!ours)
			return true;
		if (!export_one(x, layer))
			return false;
	}
	return true;
}

bool share_export(struct call *c, struct runner *r, struct str tenant, struct str id)
{
	struct export x = {.c = c, .r = r, .tenant = tenant};
	struct search found[ANCESTORS_MAX];
	struct str next = id;
	int n = 0;

	if (!shares(r))
		return true;
	for (; next.n && n < ANCESTORS_MAX; next = found[n++].found.parent) {
		if (!is_shared(c, r, tenant, next, &x.below_is_there))
			return false;
		if (x.below_is_there)
			break;
		if (!find_here(c, r, next, &found[n]))
			return false;
		if (!found[n].there)
			return fail(c, ERR_NOT_FOUND, "the layer %.*s is not here", SARG(next));
	}
	if (n == ANCESTORS_MAX)
		return fail(c, ERR_STORAGE, "the layer has more than %d ancestors", ANCESTORS_MAX);
	return export_all(&x, found, n);
}

/* --- import --- */

static bool take_piece(struct call *c, struct runner *r, struct str key, const struct piece *p, int fd)
{
	char sum[RUNNER_HEX + 1];
	OWNS(buf) b = {0};

	if (!r->o.store->ops->get(c, r->o.store, key, 0, PIECE_BYTES + 1, &b))
		return false;
	hash_sha256_hex(buf_str(&b), sum);
	if ((int64_t)b.n != p->bytes || !str_eq(p->sha, str_of(sum)))
		return fail(c, ERR_STORAGE, "a piece is not what the manifest says");
	return file_write(fd, buf_str(&b)) || fail(c, ERR_STORAGE, "cannot write a temporary file: %s", strerror(errno));
}

static bool import_one(struct call *c, struct runner *r, struct str tenant, const struct shared *m, bool *ret_spoiled)
{
	struct pg_backend *b = r->o.backend;
	OWNS(spool) s = {.fd = -1};

	if (!spool_open(c, &s))
		return false;
	for (int i = 0; i < m->npieces; i++) {
		*ret_spoiled = true;
		if (!take_piece(c, r, layer_key(c->arena, tenant, m->layer.id, m->pieces[i].name), &m->pieces[i], s.fd))
			return false;
		*ret_spoiled = false;
	}
	if (lseek(s.fd, 0, SEEK_SET) != 0)
		return fail(c, ERR_STORAGE, "cannot read a temporary file: %s", strerror(errno));
	return b->ops->unpack(c, b, &m->layer, s.fd);
}

/* A layer whose pieces are gone or changed helps nobody: dropped, so that it can be shared anew. */
static bool give_up(struct call *c, struct runner *r, struct str tenant, struct str id)
{
	struct err e = c->err;

	if (e.kind != ERR_NOT_FOUND && e.kind != ERR_STORAGE)
		return false;
	obs_log(OBS_WARN, "runner", "the shared layer %.*s is broken: it is dropped from the storage", SARG(id));
	call_forgive(c);
	if (!r->o.store->ops->drop(c, r->o.store, layer_key(c->arena, tenant, id, S("manifest"))))
		call_forgive(c);
	return broken(c, id, e.kind == ERR_NOT_FOUND ? "lacks a piece" : e.text);
}

/* So that sweeps see its use. */
static void touch(struct call *c, struct runner *r, struct str tenant, const struct shared *m)
{
	struct store *s = r->o.store;
	OWNS(buf) b = {0};

	manifest_write(r, m, &b);
	if (!s->ops->put(c, s, layer_key(c->arena, tenant, m->layer.id, S("manifest")), buf_str(&b), STORE_REPLACE))
		call_forgive(c);
}

bool share_import(struct call *c, struct runner *r, struct str tenant, struct str id)
{
	struct shared *todo = ARENA_ARRAY(c->arena, struct shared, ANCESTORS_MAX);
	struct str next = id;
	struct str build = {0}; /* of the nearest that is here */
	int n = 0;

	if (!shares(r))
		return fail(c, ERR_NOT_FOUND, "layers cannot be shared on this backend");
	for (; next.n && n < ANCESTORS_MAX; n++) {
		struct search here;

		if (!find_here(c, r, next, &here))
			return false;
		build = here.found.build;
		if (here.there)
			break;
		if (!manifest_get(c, r, tenant, next, &todo[n]))
			return false;
		next = todo[n].layer.parent;
	}
	if (n == ANCESTORS_MAX)
		return fail(c, ERR_STORAGE, "the layer has more than %d ancestors", ANCESTORS_MAX);
	while (n > 0) {
		const struct shared *m = &todo[--n];
		bool spoiled = false;

		if (m->layer.parent_build.n && !str_eq(m->layer.parent_build, build))
			return fail(c, ERR_CONFLICT, "the shared layer %.*s is over another build of its parent", SARG(m->layer.id));
		build = m->layer.build;
		if (!import_one(c, r, tenant, m, &spoiled))
			return spoiled ? give_up(c, r, tenant, m->layer.id) : false;
		touch(c, r, tenant, m);
	}
	return true;
}

/* --- the sweep --- */

struct kept { /* a layer's folder in the store */
	struct list link;
	char id[PG_LAYER_LEN + 1];
	struct str parent;
	int64_t manifest_ms, latest_ms;  /* 0: there is no manifest; of all its objects */
	bool keep;
};
struct pass {
	struct call *c;
	struct runner *r;
	struct str tenant;
	struct list all;
	struct map by_id;
	struct arena arena;
};

static void pass_drop(struct pass *p)
{
	map_close(&p->by_id);
	arena_close(&p->arena);
}

static void note_object(struct pass *p, const struct store_entry *e, struct str rest)
{
	struct str id = str_cut(&rest, '/');
	struct kept *k = map_get(&p->by_id, id);

	if (!str_is_hex(id, PG_LAYER_LEN))
		return;
	if (!k) {
		k = ARENA_NEW(&p->arena, struct kept);
		memcpy(k->id, id.p, PG_LAYER_LEN);
		list_add_tail(&p->all, &k->link);
		map_put(&p->by_id, str_of(k->id), k);
	}
	if (str_eq(rest, S("manifest")))
		k->manifest_ms = e->changed_ms;
	if (e->changed_ms > k->latest_ms)
		k->latest_ms = e->changed_ms;
}

/* Calls note_object for all keys of the tenant's layers; or drops those of one layer that are not `but`. */
static bool each_object(struct pass *p, struct str prefix, struct str drop_but)
{
	struct store *s = p->r->o.store;
	struct arena *callers = p->c->arena;
	OWNS(arena) page = {0};
	OWNS(buf) after = {0};
	bool ok = true;

	for (size_t n = 1; ok && n > 0;) {
		struct store_entry *e;

		arena_reset(&page);
		p->c->arena = &page;
		ok = s->ops->list(p->c, s, prefix, buf_str(&after), &e, &n);
		for (size_t i = 0; ok && i < n; i++) {
			if (!drop_but.p)
				note_object(p, &e[i], str_tail(e[i].key, prefix.n));
			else if (!str_eq(e[i].key, drop_but))
				ok = s->ops->drop(p->c, s, e[i].key);
		}
		if (ok && n) {
			buf_clear(&after);
			buf_add(&after, e[n - 1].key);
		}
		p->c->arena = callers;
	}
	return ok;
}

static bool read_parent(struct pass *p, struct kept *k)
{
	struct arena *callers = p->c->arena;
	OWNS(arena) scratch = {0};
	struct shared m;
	bool ok;

	p->c->arena = &scratch;
	ok = manifest_get(p->c, p->r, p->tenant, str_of(k->id), &m);
	p->c->arena = callers;
	if (ok)
		k->parent = arena_dup(&p->arena, m.layer.parent);
	else if (p->c->err.kind != ERR_STORAGE && p->c->err.kind != ERR_NOT_FOUND)
		return false;
	if (!ok)
		call_forgive(p->c); /* of another engine, or broken: on its own age alone */
	return true;
}

/* Young ones are kept, with all that is below them. */
static bool choose(struct pass *p)
{
	int64_t before = clock_wall_ms() - p->r->o.layer_ttl_s * 1000;

	LIST_EACH(&p->all, it) {
		struct kept *k = LIST_ITEM(it, struct kept, link);

		if (k->manifest_ms && !read_parent(p, k))
			return false;
	}
	LIST_EACH(&p->all, it) {
		struct kept *k = LIST_ITEM(it, struct kept, link);

		for (int n = 0; k && k->manifest_ms && !k->keep && n < ANCESTORS_MAX; n++) {
			if (n == 0 && k->manifest_ms < before)
				break;
			k->keep = true;
			k = k->parent.n ? map_get(&p->by_id, k->parent) : NULL;
		}
	}
	return true;
}

static bool sweep_layer(struct pass *p, struct kept *k)
{
	struct store *s = p->r->o.store;
	struct str folder = layer_key(p->c->arena, p->tenant, str_of(k->id), S(""));

	if (k->keep)
		return true;
	if (k->manifest_ms) { /* from here on nobody begins to take it */
		obs_log(OBS_INFO, "runner", "the shared layer %s is dropped: nobody used it", k->id);
		return s->ops->drop(p->c, s, layer_key(p->c->arena, p->tenant, str_of(k->id), S("manifest"))) &&
		       each_object(p, folder, S("-"));
	}
	return k->latest_ms > clock_wall_ms() - LEFTOVER_MS || each_object(p, folder, S("-"));
}

static bool sweep_tenant(struct call *c, struct runner *r, struct str tenant)
{
	OWNS(pass) p = {.c = c, .r = r, .tenant = tenant};
	struct str prefix = arena_fmt(c->arena, "%.*slayers/", SARG(store_tenant_prefix(c->arena, tenant)));

	list_init(&p.all);
	if (!each_object(&p, prefix, (struct str){0}) || !choose(&p))
		return false;
	LIST_EACH(&p.all, it)
		if (!sweep_layer(&p, LIST_ITEM(it, struct kept, link)))
			return false;
	return true;
}

void share_sweep(struct call *c, struct runner *r)
{
	struct str *tenants;
	int n;

	if (!runner_sweep_due(&r->share_swept_ms, r->o.layer_ttl_s) || !runner_tenants(c, r, &tenants, &n))
		return;
	for (int i = 0; i < n && sweep_tenant(c, r, tenants[i]); i++)
		;
}
