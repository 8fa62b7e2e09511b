/* snapshot.c - the manifests and the manifest list of a snapshot that is about to be committed.
 *
 * The manifest of added files names neither its snapshot nor its sequence number: it
 * outlives lost attempts unless schema, order or location turn out to be others.
 * Files that an overwrite takes out are in a manifest of their own, as deleted; it
 * and the list are made for each attempt. Appends make one of many small manifests.
 * Any thread; blocks.
 */
#include "iceberg/iceberg_int.h"

enum {
	MANIFESTS_MAX = 50,            /* of a list; an append to so many makes one of them */
	MERGED_MAX = 4 << 20,          /* bytes of manifests that are made one */
};

struct counts {
	int64_t files, rows, bytes;
};

static struct str key_of(struct ice_draft *d, const struct ice_table *base, struct str path)
{
	return arena_fmt(d->c->arena, "%.*s/%.*s", SARG(base->prefix), SARG(path));
}

static bool put(struct ice_draft *d, const struct ice_table *base, struct str path, const struct buf *b)
{
	return d->s->ops->put(d->c, d->s, key_of(d, base, path), buf_str(b), STORE_REPLACE);
}

/* --- manifests --- */
/* m comes with sequence and added_snapshot_id. */
static bool put_manifest(struct ice_draft *d, const struct ice_table *base, const struct ice_schema *schema,
			 const struct ice_entry *v, struct ice_manifest *m, int n)
{
	OWNS(buf) b = {0};

	m->path = arena_fmt(d->c->arena, "metadata/%s-m%d.avro", d->uuid.text, d->manifests++);
	ice_put_manifest(&b, base->location, schema, v, n);
	ice_count_entries(m, v, n);
	m->length = (int64_t)b.n;
	return put(d, base, m->path, &b);
}

static bool write_added(struct ice_draft *d, const struct ice_table *base, const struct ice_schema *schema, int order_id,
			const struct ice_snapshot *snapshot)
{
	const struct ice_change *x = d->change;
	struct ice_manifest m = {.sequence = snapshot->sequence, .added_snapshot_id = snapshot->id};
	struct ice_entry *v = ARENA_ARRAY(d->c->arena, struct ice_entry, (size_t)x->nfiles + 1);

	for (int i = 0; i < x->nfiles; i++) {
		v[i] = (struct ice_entry){.status = ICE_ADDED, .sequence = -1, .file_sequence = -1, .sort_order_id = order_id};
		v[i].file = x->files[i];
	}
	if (!put_manifest(d, base, schema, v, &m, x->nfiles))
		return false;
	d->added = m;
	d->added_schema_id = schema->id;
	d->added_order_id = order_id;
	d->added_location = base->location;
	return true;
}

static void drop_added(struct ice_draft *d)
{
	if (d->added.path.n)
		ice_drop_quietly(d->c, d->s, d->prefix, d->added.path);
	d->added = (struct ice_manifest){0};
}

static bool add_files(struct ice_draft *d, const struct ice_table *base, const struct ice_schema *schema, int order_id,
		      const struct ice_snapshot *snapshot)
{
	if (d->added_schema_id != schema->id || d->added_order_id != order_id || !str_eq(d->added_location, base->location))
		drop_added(d);
	if (d->change->nfiles == 0)
		return true;
	if (!d->added.path.n)
		return write_added(d, base, schema, order_id, snapshot);
	d->added.sequence = d->added.min_sequence = snapshot->sequence;
	d->added.added_snapshot_id = snapshot->id;
	return true;
}

/* --- the base's --- */
/* What metadata names must be there. */
static bool read_named(struct ice_draft *d, const struct ice_table *base, struct str path, struct ice_read *ret)
{
	struct str key = key_of(d, base, path), bytes;

	if (!ice_object(d->c, d->s, key, &bytes)) {
		if (d->c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(d->c);
		return fail(d->c, ERR_CORRUPT_TABLE, "%.*s is not there, but the table names it", SARG(key));
	}
	*ret = (struct ice_read){.key = key, .location = base->location, .bytes = bytes};
	return true;
}

static bool read_list(struct ice_draft *d, const struct ice_table *base, struct ice_manifest **ret, int *ret_n)
{
	struct ice_read r;

	return read_named(d, base, base->current->manifest_list, &r) && ice_read_manifest_list(d->c, &r, ret, ret_n);
}

static bool has_files(const struct ice_manifest *m)
{
	return m->added_files > 0 || m->existing_files > 0;
}

struct entries {
	struct ice_entry *v;
	int n, cap;
	struct counts counts;
};

static void entries_add(struct arena *a, struct entries *r, const struct ice_entry *e)
{
	if (r->n == r->cap) {
		int cap = r->cap ? r->cap * 2 : 64;
		struct ice_entry *grown = ARENA_ARRAY(a, struct ice_entry, (size_t)cap);

		if (r->n)
			memcpy(grown, r->v, (size_t)r->n * sizeof(*grown));
		r->v = grown;
		r->cap = cap;
	}
	r->v[r->n++] = *e;
	r->counts.files++;
	r->counts.rows += e->file.rows;
	r->counts.bytes += e->file.bytes;
}

/* The files that live in a manifest. */
static bool read_entries(struct ice_draft *d, const struct ice_table *base, const struct ice_manifest *m, struct entries *ret)
{
	struct ice_entry *v;
	struct ice_read r;
	int n;

	if (!read_named(d, base, m->path, &r))
		return false;
	r.stats = true; /* some readers want them of deleted files too */
	if (!ice_read_manifest(d->c, &r, m, &v, &n))
		return false;
	for (int i = 0; i < n; i++) {
		if (v[i].status != ICE_DELETED)
			entries_add(d->c->arena, ret, &v[i]);
	}
	return true;
}

static bool read_all(struct ice_draft *d, const struct ice_table *base, struct entries *ret)
{
	struct ice_manifest *list;
	int n;

	if (!read_list(d, base, &list, &n))
		return false;
	for (int i = 0; i < n; i++) {
		if (list[i].content == 0 && has_files(&list[i]) && !read_entries(d, base, &list[i], ret))
			return false;
	}
	return true;
}

/* Bounds are values of rows, which shall go with their snapshot: this entry stays for as long as the next one is the latest. */
static void drop_bounds(struct arena *a, struct ice_file *f)
{
	struct ice_stats *v = ARENA_ARRAY(a, struct ice_stats, (size_t)f->nstats + 1);

	for (int i = 0; i < f->nstats; i++) {
		v[i] = f->stats[i];
		v[i].has_bounds = false;
		v[i].lower = v[i].upper = S("");
	}
	f->stats = v;
}

/* Files that cannot be told any more need not stop what replaces them: so a broken table is mended by a refresh. */
static bool remove_files(struct ice_draft *d, const struct ice_table *base, const struct ice_snapshot *snapshot,
			 struct ice_manifest *ret, struct counts *ret_counts)
{
	struct ice_manifest m = {.sequence = snapshot->sequence, .added_snapshot_id = snapshot->id};
	const struct ice_schema *schema = ice_schema_by_id(base, base->current->schema_id);
	struct entries r = {0};

	if (!read_all(d, base, &r)) {
		if (d->c->err.kind != ERR_CORRUPT_TABLE)
			return false;
		call_forgive(d->c);
		r = (struct entries){0};
	}
	if (r.n == 0)
		return true;
	for (int i = 0; i < r.n; i++) {
		r.v[i].status = ICE_DELETED;
		drop_bounds(d->c->arena, &r.v[i].file);
		r.v[i].snapshot_id = snapshot->id;
	}
	if (!put_manifest(d, base, schema, r.v, &m, r.n))
		return false;
	d->remade = m.path;
	*ret = m;
	*ret_counts = r.counts;
	return true;
}

/* --- the summary --- */
struct summary {
	struct arena *a;
	struct ice_property *v;
	int n;
};

static void say(struct summary *s, const char *name, int64_t v)
{
	s->v[s->n++] = (struct ice_property){str_of(name), arena_fmt(s->a, "%lld", (long long)v)};
}

static void say_counts(struct summary *s, const char *const names[3], const struct counts *v)
{
	say(s, names[0], v->files);
	say(s, names[1], v->rows);
	say(s, names[2], v->bytes);
}

static void summarize(struct ice_draft *d, const struct counts v[3], struct ice_snapshot *snapshot)
{
	static const char *const added[] = {"added-data-files", "added-records", "added-files-size"};
	static const char *const deleted[] = {"deleted-data-files", "deleted-records", "removed-files-size"};
	static const char *const total[] = {"total-data-files", "total-records", "total-files-size"};
	const struct ice_change *x = d->change;
	struct summary s = {.a = d->c->arena, .v = ARENA_ARRAY(d->c->arena, struct ice_property, (size_t)x->nsummary + 16)};
	int own;

	snapshot->operation = v[1].files ? S("overwrite") : S("append");
	s.v[s.n++] = (struct ice_property){S("operation"), snapshot->operation};
	say_counts(&s, added, &v[0]);
	if (v[1].files)
		say_counts(&s, deleted, &v[1]);
	say_counts(&s, total, &v[2]);
	say(&s, "total-delete-files", 0);
	say(&s, "total-position-deletes", 0);
	say(&s, "total-equality-deletes", 0);
	own = s.n;
	for (int i = 0; i < x->nsummary; i++) {
		if (!ice_has(s.v, own, x->summary[i].name))
			s.v[s.n++] = x->summary[i];
	}
	snapshot->summary = s.v;
	snapshot->nsummary = s.n;
}

/* --- the list --- */
struct listing {
	struct ice_manifest *v;
	int n;
	struct counts added, removed, total;
};

static void listing_add(struct listing *l, const struct ice_manifest *m)
{
	l->v[l->n++] = *m;
	l->total.files += m->added_files + m->existing_files;
	l->total.rows += m->added_rows + m->existing_rows;
}

/* The size of all files is in no manifest list: the base's summary says it, or it is unknown and counted from here. */
static int64_t bytes_of_base(const struct ice_table *base)
{
	int64_t bytes = 0;

	if (!str_to_i64(ice_value(base->current->summary, base->current->nsummary, "total-files-size"), &bytes) || bytes < 0 ||
	    bytes > INT64_MAX / 2)
		return 0;
	return bytes;
}

/* From which of the list on they can be made one: what is left of the others is large, or not ours to touch. */
static int merge_from(const struct listing *l)
{
	int64_t bytes = 0;
	int from = l->n;

	while (from > 0 && l->v[from - 1].content == 0 && l->v[from - 1].spec_id == 0 && bytes + l->v[from - 1].length <= MERGED_MAX)
		bytes += l->v[--from].length;
	return from;
}

/* Readers fetch every manifest: of many small ones one is made, in the order of the rows. */
static bool merge(struct ice_draft *d, const struct ice_table *base, const struct ice_snapshot *snapshot, struct listing *l)
{
	struct ice_manifest m = {.sequence = snapshot->sequence, .added_snapshot_id = snapshot->id};
	int from = merge_from(l);
	struct entries kept = {0};

	if (l->n < MANIFESTS_MAX || l->n - from < 2)
		return true;
	for (int i = from; i < l->n; i++) {
		if (!read_entries(d, base, &l->v[i], &kept))
			return false;
	}
	for (int i = 0; i < kept.n; i++)
		kept.v[i].status = ICE_EXISTING;
	if (!put_manifest(d, base, base->schema, kept.v, &m, kept.n))
		return false;
	d->remade = m.path;
	l->v[from] = m;
	l->n = from + 1;
	return true;
}

static bool list_former(struct ice_draft *d, const struct ice_table *base, const struct ice_snapshot *snapshot, struct listing *l)
{
	struct ice_manifest *former;
	int n;

	if (!read_list(d, base, &former, &n))
		return false;
	l->v = ARENA_ARRAY(d->c->arena, struct ice_manifest, (size_t)n + 2);
	for (int i = 0; i < n; i++) {
		if (has_files(&former[i]))
			listing_add(l, &former[i]);
	}
	l->total.bytes = bytes_of_base(base);
	return merge(d, base, snapshot, l);
}

static bool put_list(struct ice_draft *d, const struct ice_table *base, const struct listing *l, struct ice_snapshot *snapshot)
{
	OWNS(buf) b = {0};

	d->list = arena_fmt(d->c->arena, "metadata/snap-%lld-%d-%s.avro", (long long)snapshot->id, d->manifests, d->uuid.text);
	snapshot->manifest_list = d->list;
	ice_put_manifest_list(&b, base->location, snapshot, l->v, l->n);
	return put(d, base, d->list, &b);
}

bool ice_draft_write(struct ice_draft *d, const struct ice_table *base, const struct ice_schema *schema, int order_id,
		     struct ice_snapshot *snapshot)
{
	const struct ice_change *x = d->change;
	struct listing l = {.v = ARENA_ARRAY(d->c->arena, struct ice_manifest, 2)};
	struct ice_manifest removed = {0};

	if (base->current && x->how == ICE_APPEND && !list_former(d, base, snapshot, &l))
		return false;
	if (!add_files(d, base, schema, order_id, snapshot))
		return false;
	if (base->current && x->how == ICE_OVERWRITE && !x->beside && !remove_files(d, base, snapshot, &removed, &l.removed))
		return false;
	if (d->added.path.n)
		listing_add(&l, &d->added);
	if (removed.path.n)
		listing_add(&l, &removed);
	for (int i = 0; i < x->nfiles; i++)
		l.added.bytes += x->files[i].bytes;
	l.added.files = x->nfiles;
	l.added.rows = d->added.added_rows;
	l.total.bytes += l.added.bytes;
	summarize(d, (struct counts[]){l.added, l.removed, l.total}, snapshot);
	return put_list(d, base, &l, snapshot);
}

void ice_draft_lost(struct ice_draft *d)
{
	if (d->list.n)
		ice_drop_quietly(d->c, d->s, d->prefix, d->list);
	if (d->remade.n)
		ice_drop_quietly(d->c, d->s, d->prefix, d->remade);
	d->list = d->remade = (struct str){0};
}

void ice_draft_remove(struct ice_draft *d)
{
	ice_draft_lost(d);
	drop_added(d);
}
