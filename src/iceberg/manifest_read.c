/* manifest_read.c - manifests and manifest lists of any writer, read; every number is checked. Any thread. */
#include "iceberg/avro.h"

#include <stdlib.h>

enum { STATS_MAX = 1000000 /* of the entries of a manifest together */ };

/* Of rows or bytes: sums over ICE_ENTRIES_MAX of them do not overflow. */
#define COUNT_MAX (INT64_C(1) << 43)

static bool corrupt(const struct ice_read *r, struct call *c, const char *what)
{
	return fail(c, ERR_CORRUPT_TABLE, "%.*s: %s", SARG(r->key), what);
}

/* Room for one more in a growing array of the arena; NULL when there are too many. */
static void *one_more(struct arena *a, void **v, int n, size_t size)
{
	bool full = n == 0 || (n & (n - 1)) == 0; /* grows at the powers of two */
	void *more;

	if (n == ICE_ENTRIES_MAX)
		return NULL;
	if (full) {
		more = arena_alloc(a, size * (size_t)(n ? 2 * n : 1));
		if (n > 0)
			memcpy(more, *v, size * (size_t)n);
		*v = more;
	}
	return (char *)*v + size * (size_t)n;
}

/* --- manifest lists --- */
struct raw_manifest {
	struct str path;
	int64_t length, spec_id, content, sequence, min_sequence, snapshot_id;
	int64_t added_files, existing_files, deleted_files, added_rows, existing_rows, deleted_rows;
};

#define AT(member) offsetof(struct raw_manifest, member)
static const struct avro_want of_manifest[] = {
	{500, AVRO_TEXT, AT(path), NULL, "a manifest has no path"},
	{501, AVRO_INT, AT(length), NULL, "a manifest has no length"},
	{502, AVRO_INT, AT(spec_id), NULL, "a manifest has no partition spec"},
	{517, AVRO_INT, AT(content), NULL, NULL},
	{515, AVRO_INT, AT(sequence), NULL, NULL},
	{516, AVRO_INT, AT(min_sequence), NULL, NULL},
	{503, AVRO_INT, AT(snapshot_id), NULL, "a manifest has no snapshot id"},
	{504, AVRO_INT, AT(added_files), NULL, NULL},
	{505, AVRO_INT, AT(existing_files), NULL, NULL},
	{506, AVRO_INT, AT(deleted_files), NULL, NULL},
	{512, AVRO_INT, AT(added_rows), NULL, NULL},
	{513, AVRO_INT, AT(existing_rows), NULL, NULL},
	{514, AVRO_INT, AT(deleted_rows), NULL, NULL},
};
#undef AT
static const struct avro_shape manifest_shape = {of_manifest, COUNT_OF(of_manifest)};

static bool is_int(int64_t v)
{
	return v >= 0 && v <= INT32_MAX;
}

static bool is_count(int64_t v)
{
	return v >= 0 && v <= COUNT_MAX;
}

static bool take_manifest(struct call *c, const struct ice_read *r, const struct raw_manifest *raw, struct ice_manifest *ret)
{
	if (!is_count(raw->length) || !is_int(raw->spec_id) || !is_int(raw->content) || raw->sequence < 0 || raw->min_sequence < 0)
		return corrupt(r, c, "a number of a manifest is out of range");
	if (!is_int(raw->added_files) || !is_int(raw->existing_files) || !is_int(raw->deleted_files))
		return corrupt(r, c, "a count of files is out of range");
	if (!is_count(raw->added_rows) || !is_count(raw->existing_rows) || !is_count(raw->deleted_rows))
		return corrupt(r, c, "a count of rows is out of range");
	*ret = (struct ice_manifest){
		.length = raw->length, .spec_id = (int)raw->spec_id, .content = (int)raw->content,
		.sequence = raw->sequence, .min_sequence = raw->min_sequence, .added_snapshot_id = raw->snapshot_id,
		.added_files = (int)raw->added_files, .existing_files = (int)raw->existing_files, .deleted_files = (int)raw->deleted_files,
		.added_rows = raw->added_rows, .existing_rows = raw->existing_rows, .deleted_rows = raw->deleted_rows,
	};
	return ice_path(c, r->key, r->location, raw->path, &ret->path);
}

static bool read_list(struct call *c, const struct ice_read *r, struct avro_in *in, struct ice_manifest **ret, int *ret_n)
{
	struct raw_manifest raw = {0};
	void *v = NULL;
	int n = 0;

	while (avro_next(in, &manifest_shape, &raw)) {
		struct ice_manifest *m = one_more(c->arena, &v, n, sizeof(*m));

		if (!m)
			return corrupt(r, c, "it names too many manifests");
		if (!take_manifest(c, r, &raw, m))
			return false;
		n++;
		raw = (struct raw_manifest){0};
	}
	if (in->why)
		return corrupt(r, c, in->why);
	*ret = v;
	*ret_n = n;
	return true;
}

bool ice_read_manifest_list(struct call *c, const struct ice_read *r, struct ice_manifest **ret, int *ret_n)
{
	struct avro_in in;
	bool ok = avro_open(&in, c, r->bytes);

	ok = ok ? read_list(c, r, &in, ret, ret_n) : corrupt(r, c, in.why);
	avro_close(&in);
	return ok;
}

/* --- manifests --- */
struct raw_entry {
	int64_t status, snapshot_id, sequence, file_sequence;
	int64_t content, rows, bytes, sort_order;
	struct str path, format;
};

enum { SIZES = 108, VALUES = 109, NULLS = 110, NANS = 137, LOWER = 125, UPPER = 128 }; /* their field ids */

#define AT(member) offsetof(struct avro_pair, member)
#define PAIR(name, type, member, key_id, value_id) \
	static const struct avro_want name##_wants[] = { \
		{key_id, AVRO_INT, AT(key), NULL, "a statistic has no field"}, \
		{value_id, type, AT(member), NULL, "a statistic has no value"}}; \
	static const struct avro_shape name = {name##_wants, 2}
PAIR(sizes, AVRO_INT, number, 117, 118);
PAIR(values, AVRO_INT, number, 119, 120);
PAIR(nulls, AVRO_INT, number, 121, 122);
PAIR(nans, AVRO_INT, number, 138, 139);
PAIR(lower, AVRO_TEXT, bytes, 126, 127);
PAIR(upper, AVRO_TEXT, bytes, 129, 130);
#undef AT

#define AT(member) offsetof(struct raw_entry, member)
#define OF_FILE \
	{134, AVRO_INT, AT(content), NULL, NULL}, {100, AVRO_TEXT, AT(path), NULL, "an entry has no file_path"}, \
	{101, AVRO_TEXT, AT(format), NULL, "an entry has no file_format"}, \
	{103, AVRO_INT, AT(rows), NULL, "an entry has no record_count"}, \
	{104, AVRO_INT, AT(bytes), NULL, "an entry has no file_size_in_bytes"}, \
	{132, AVRO_INTS, 0, NULL, NULL}, {140, AVRO_INT, AT(sort_order), NULL, NULL}
static const struct avro_want of_file[] = {OF_FILE};
static const struct avro_want of_file_with_stats[] = {
	OF_FILE, {SIZES, AVRO_PAIRS, 0, &sizes, NULL}, {VALUES, AVRO_PAIRS, 0, &values, NULL}, {NULLS, AVRO_PAIRS, 0, &nulls, NULL},
	{NANS, AVRO_PAIRS, 0, &nans, NULL}, {LOWER, AVRO_PAIRS, 0, &lower, NULL}, {UPPER, AVRO_PAIRS, 0, &upper, NULL},
};
static const struct avro_shape file_shape = {of_file, COUNT_OF(of_file)};
static const struct avro_shape file_shape_with_stats = {of_file_with_stats, COUNT_OF(of_file_with_stats)};
#define OF_ENTRY(shape) \
	{0, AVRO_INT, AT(status), NULL, "an entry has no status"}, {1, AVRO_INT, AT(snapshot_id), NULL, NULL}, \
	{3, AVRO_INT, AT(sequence), NULL, NULL}, {4, AVRO_INT, AT(file_sequence), NULL, NULL}, \
	{2, AVRO_RECORD, 0, shape, "an entry has no data_file"}
static const struct avro_want of_entry[] = {OF_ENTRY(&file_shape)};
static const struct avro_want of_entry_with_stats[] = {OF_ENTRY(&file_shape_with_stats)};
#undef AT

struct entries {
	struct call *c;
	const struct ice_read *r;
	const struct ice_manifest *m;
	struct avro_in in;
	int nstats;                    /* of all so far */
	bool partitioned;
};

static int by_field(const void *a, const void *b)
{
	const struct avro_pair *x = a, *y = b;

	if (x->key != y->key)
		return (x->key > y->key) - (x->key < y->key);
	return (x->id > y->id) - (x->id < y->id);
}

static void set_stat(struct ice_stats *s, const struct avro_pair *p, bool *lower_too)
{
	switch (p->id) {
	case SIZES:
		s->bytes = p->number;
		break;
	case VALUES:
		s->values = p->number;
		break;
	case NULLS:
		s->nulls = p->number;
		break;
	case NANS:
		s->nans = p->number;
		break;
	case LOWER:
		s->lower = p->bytes;
		*lower_too = true;
		break;
	default:
		s->upper = p->bytes;
		s->has_bounds = *lower_too;
		break;
	}
}

/* The pairs of all maps, sorted by their fields, become one statistic a field. */
static bool take_stats(struct entries *e, struct ice_file *f)
{
	struct avro_pair *p = e->in.pairs;
	struct ice_stats *v;
	bool lower_too = false;
	int n = 0, at = -1;

	if (e->in.npairs == 0)
		return true;
	qsort(p, (size_t)e->in.npairs, sizeof(*p), by_field);
	for (int i = 0; i < e->in.npairs; i++)
		n += i == 0 || p[i].key != p[i - 1].key;
	e->nstats += n;
	if (e->nstats > STATS_MAX)
		return corrupt(e->r, e->c, "it has too many statistics");
	v = ARENA_ARRAY(e->c->arena, struct ice_stats, n);
	f->stats = v;
	f->nstats = n;
	for (int i = 0; i < e->in.npairs; i++) {
		if (!is_int(p[i].key) || p[i].number < 0)
			return corrupt(e->r, e->c, "a statistic is out of range");
		if (i == 0 || p[i].key != p[i - 1].key) {
			v[++at] = (struct ice_stats){.field_id = (int)p[i].key, .nans = -1};
			lower_too = false;
		}
		set_stat(&v[at], &p[i], &lower_too);
	}
	return true;
}

static bool take_splits(struct entries *e, struct ice_file *f)
{
	int64_t *v;

	if (e->in.nints == 0)
		return true;
	v = arena_alloc(e->c->arena, sizeof(*v) * (size_t)e->in.nints);
	memcpy(v, e->in.ints, sizeof(*v) * (size_t)e->in.nints);
	f->splits = v;
	f->nsplits = e->in.nints;
	return true;
}

/* What an entry inherits: in added ones the snapshot and the sequence of their manifest. */
static void inherit(const struct ice_manifest *m, struct ice_entry *e)
{
	bool added = e->status == ICE_ADDED || m->sequence == 0;

	if (e->snapshot_id == 0)
		e->snapshot_id = m->added_snapshot_id;
	if (e->sequence < 0 && added)
		e->sequence = m->sequence;
	if (e->file_sequence < 0 && added)
		e->file_sequence = m->sequence;
}

static bool check_live(struct entries *e, const struct raw_entry *raw)
{
	if (raw->content != 0)
		return corrupt(e->r, e->c, "it has delete files, which are not supported");
	if (e->partitioned)
		return corrupt(e->r, e->c, "it is partitioned, which is not supported");
	if (!str_ieq(raw->format, S("parquet")))
		return corrupt(e->r, e->c, "it has files of another format than Parquet");
	return true;
}

static bool take_entry(struct entries *e, const struct raw_entry *raw, struct ice_entry *ret)
{
	if (raw->status < ICE_EXISTING || raw->status > ICE_DELETED)
		return corrupt(e->r, e->c, "an entry is of no known status");
	if (!is_count(raw->rows) || !is_count(raw->bytes) || raw->snapshot_id < 0 || raw->sequence < -1 || raw->file_sequence < -1 ||
	    !is_int(raw->sort_order))
		return corrupt(e->r, e->c, "a number of an entry is out of range");
	if (raw->status != ICE_DELETED && !check_live(e, raw))
		return false;
	*ret = (struct ice_entry){
		.status = (enum ice_status)raw->status, .snapshot_id = raw->snapshot_id, .sequence = raw->sequence,
		.file_sequence = raw->file_sequence, .sort_order_id = (int)raw->sort_order,
		.file = {.rows = raw->rows, .bytes = raw->bytes},
	};
	if (e->m)
		inherit(e->m, ret);
	return take_splits(e, &ret->file) && take_stats(e, &ret->file) &&
	       ice_path(e->c, e->r->key, e->r->location, raw->path, &ret->file.path);
}

static bool read_entries(struct entries *e, struct ice_entry **ret, int *ret_n)
{
	const struct raw_entry empty = {.sequence = -1, .file_sequence = -1};
	const struct avro_shape shape = {e->r->stats ? of_entry_with_stats : of_entry, COUNT_OF(of_entry)};
	struct raw_entry raw = empty;
	void *v = NULL;
	int n = 0;

	while (avro_next(&e->in, &shape, &raw)) {
		struct ice_entry *entry = one_more(e->c->arena, &v, n, sizeof(*entry));

		if (!entry)
			return corrupt(e->r, e->c, "it has too many entries");
		if (!take_entry(e, &raw, entry))
			return false;
		n++;
		raw = empty;
	}
	if (e->in.why)
		return corrupt(e->r, e->c, e->in.why);
	*ret = v;
	*ret_n = n;
	return true;
}

/* The header says it as the JSON of the spec's fields: "[]" where there are none. */
static bool is_partitioned(struct str spec)
{
	spec = str_trim(spec);
	return spec.n < 2 || spec.p[0] != '[' || str_trim(str_from(spec.p + 1, spec.n - 2)).n > 0;
}

bool ice_read_manifest(struct call *c, const struct ice_read *r, const struct ice_manifest *m, struct ice_entry **ret, int *ret_n)
{
	struct entries e = {.c = c, .r = r, .m = m};
	bool ok = avro_open(&e.in, c, r->bytes);

	if (ok)
		e.partitioned = is_partitioned(avro_value(&e.in, "partition-spec"));
	ok = ok ? read_entries(&e, ret, ret_n) : corrupt(r, c, e.in.why);
	avro_close(&e.in);
	return ok;
}
