/* manifest.c - manifests and manifest lists, written, as format version 2 has them. Not read here. Any thread. */
#include "iceberg/avro.h"

/* --- the schemas --- */
#define FIELD(name, type, id) "{\"name\":\"" name "\",\"type\":" type ",\"field-id\":" #id "}"
#define OPTIONAL(name, type, id) "{\"name\":\"" name "\",\"type\":[\"null\"," type "],\"default\":null,\"field-id\":" #id "}"
#define BOOLEAN "\"boolean\""
#define INT "\"int\""
#define LONG "\"long\""
#define STRING "\"string\""
#define BYTES "\"bytes\""
#define LIST(items, id) "{\"type\":\"array\",\"items\":" items ",\"element-id\":" #id "}"
#define BY_FIELD(key, value, type) \
	"{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k" #key "_v" #value "\",\"fields\":[" \
	FIELD("key", INT, key) "," FIELD("value", type, value) "]},\"logicalType\":\"map\"}"

static const char list_schema[] =
	"{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":["
	FIELD("manifest_path", STRING, 500) ","
	FIELD("manifest_length", LONG, 501) ","
	FIELD("partition_spec_id", INT, 502) ","
	FIELD("content", INT, 517) ","
	FIELD("sequence_number", LONG, 515) ","
	FIELD("min_sequence_number", LONG, 516) ","
	FIELD("added_snapshot_id", LONG, 503) ","
	FIELD("added_files_count", INT, 504) ","
	FIELD("existing_files_count", INT, 505) ","
	FIELD("deleted_files_count", INT, 506) ","
	FIELD("added_rows_count", LONG, 512) ","
	FIELD("existing_rows_count", LONG, 513) ","
	FIELD("deleted_rows_count", LONG, 514) ","
	OPTIONAL("partitions",
		LIST("{\"type\":\"record\",\"name\":\"r508\",\"fields\":["
			FIELD("contains_null", BOOLEAN, 509) ","
			OPTIONAL("contains_nan", BOOLEAN, 518) ","
			OPTIONAL("lower_bound", BYTES, 510) ","
			OPTIONAL("upper_bound", BYTES, 511) "]}", 508), 507) ","
	OPTIONAL("key_metadata", BYTES, 519) "]}";

static const char manifest_schema[] =
	"{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":["
	FIELD("status", INT, 0) ","
	OPTIONAL("snapshot_id", LONG, 1) ","
	OPTIONAL("sequence_number", LONG, 3) ","
	OPTIONAL("file_sequence_number", LONG, 4) ","
	FIELD("data_file", "{\"type\":\"record\",\"name\":\"r2\",\"fields\":["
		FIELD("content", INT, 134) ","
		FIELD("file_path", STRING, 100) ","
		FIELD("file_format", STRING, 101) ","
		FIELD("partition", "{\"type\":\"record\",\"name\":\"r102\",\"fields\":[]}", 102) ","
		FIELD("record_count", LONG, 103) ","
		FIELD("file_size_in_bytes", LONG, 104) ","
		OPTIONAL("column_sizes", BY_FIELD(117, 118, LONG), 108) ","
		OPTIONAL("value_counts", BY_FIELD(119, 120, LONG), 109) ","
		OPTIONAL("null_value_counts", BY_FIELD(121, 122, LONG), 110) ","
		OPTIONAL("nan_value_counts", BY_FIELD(138, 139, LONG), 137) ","
		OPTIONAL("lower_bounds", BY_FIELD(126, 127, BYTES), 125) ","
		OPTIONAL("upper_bounds", BY_FIELD(129, 130, BYTES), 128) ","
		OPTIONAL("key_metadata", BYTES, 131) ","
		OPTIONAL("split_offsets", LIST(LONG, 133), 132) ","
		OPTIONAL("equality_ids", LIST(INT, 136), 135) ","
		OPTIONAL("sort_order_id", INT, 140) "]}", 2) "]}";

/* --- values --- */
static void put_null(struct buf *b)
{
	avro_put_long(b, 0);
}

/* `none` is written as null. */
static void put_optional(struct buf *b, int64_t v, int64_t none)
{
	avro_put_long(b, v != none);
	if (v != none)
		avro_put_long(b, v);
}

static void put_uri(struct buf *b, struct str location, struct str path)
{
	OWNS(buf) uri = {0};

	ice_put_uri(&uri, location, path);
	avro_put_bytes(b, buf_str(&uri));
}

/* --- manifests --- */
enum part { SIZES, VALUES, NULLS, NANS, LOWER, UPPER };

static bool has_part(const struct ice_stats *s, enum part part)
{
	if (part == NANS)
		return s->nans >= 0;
	return (part != LOWER && part != UPPER) || s->has_bounds;
}

static void put_part(struct buf *b, const struct ice_stats *s, enum part part)
{
	avro_put_long(b, s->field_id);
	switch (part) {
	case SIZES:
		avro_put_long(b, s->bytes);
		break;
	case VALUES:
		avro_put_long(b, s->values);
		break;
	case NULLS:
		avro_put_long(b, s->nulls);
		break;
	case NANS:
		avro_put_long(b, s->nans);
		break;
	case LOWER:
		avro_put_bytes(b, s->lower);
		break;
	case UPPER:
		avro_put_bytes(b, s->upper);
		break;
	}
}

static void put_parts(struct buf *b, const struct ice_file *f, enum part part)
{
	int n = 0;

	for (int i = 0; i < f->nstats; i++)
		n += has_part(&f->stats[i], part);
	avro_put_long(b, n > 0);
	if (n == 0)
		return;
	avro_put_long(b, n);
	for (int i = 0; i < f->nstats; i++)
		if (has_part(&f->stats[i], part))
			put_part(b, &f->stats[i], part);
	avro_put_long(b, 0);
}

static void put_splits(struct buf *b, const struct ice_file *f)
{
	avro_put_long(b, f->nsplits > 0);
	if (f->nsplits == 0)
		return;
	avro_put_long(b, f->nsplits);
	for (int i = 0; i < f->nsplits; i++)
		avro_put_long(b, f->splits[i]);
	avro_put_long(b, 0);
}

static void put_entry(struct buf *b, struct str location, const struct ice_entry *e)
{
	avro_put_long(b, e->status);
	put_optional(b, e->snapshot_id, 0);
	put_optional(b, e->sequence, -1);
	put_optional(b, e->file_sequence, -1);
	avro_put_long(b, 0); /* content: data */
	put_uri(b, location, e->file.path);
	avro_put_bytes(b, S("PARQUET"));
	avro_put_long(b, e->file.rows);
	avro_put_long(b, e->file.bytes);
	for (int part = SIZES; part <= UPPER; part++)
		put_parts(b, &e->file, (enum part)part);
	put_null(b); /* key_metadata */
	put_splits(b, &e->file);
	put_null(b); /* equality_ids */
	avro_put_long(b, 1);
	avro_put_long(b, e->sort_order_id);
}

void ice_put_manifest(struct buf *b, struct str location, const struct ice_schema *schema, const struct ice_entry *v, int n)
{
	OWNS(buf) json = {0};
	OWNS(buf) id = {0};
	struct json_out o = json_out(&json);
	struct avro_out out;

	ice_put_schema_json(&o, schema);
	buf_i64(&id, schema->id);
	avro_begin(&out, b, (const struct avro_meta[]){
		{S("avro.schema"), S(manifest_schema)}, {S("avro.codec"), S("null")},
		{S("schema"), buf_str(&json)}, {S("schema-id"), buf_str(&id)},
		{S("partition-spec"), S("[]")}, {S("partition-spec-id"), S("0")},
		{S("format-version"), S("2")}, {S("content"), S("data")}}, 8);
	for (int i = 0; i < n; i++) {
		put_entry(&out.block, location, &v[i]);
		avro_record_end(&out);
	}
	avro_end(&out);
}

/* --- manifest lists --- */
static void put_manifest(struct buf *b, struct str location, const struct ice_manifest *m)
{
	put_uri(b, location, m->path);
	avro_put_long(b, m->length);
	avro_put_long(b, m->spec_id);
	avro_put_long(b, m->content);
	avro_put_long(b, m->sequence);
	avro_put_long(b, m->min_sequence);
	avro_put_long(b, m->added_snapshot_id);
	avro_put_long(b, m->added_files);
	avro_put_long(b, m->existing_files);
	avro_put_long(b, m->deleted_files);
	avro_put_long(b, m->added_rows);
	avro_put_long(b, m->existing_rows);
	avro_put_long(b, m->deleted_rows);
	avro_put_long(b, 1); /* partitions: an empty list */
	avro_put_long(b, 0);
	put_null(b); /* key_metadata */
}

void ice_put_manifest_list(struct buf *b, struct str location, const struct ice_snapshot *of, const struct ice_manifest *v, int n)
{
	OWNS(buf) id = {0};
	OWNS(buf) parent = {0};
	OWNS(buf) sequence = {0};
	struct avro_out out;

	buf_i64(&id, of->id);
	buf_i64(&parent, of->parent);
	buf_i64(&sequence, of->sequence);
	avro_begin(&out, b, (const struct avro_meta[]){
		{S("avro.schema"), S(list_schema)}, {S("avro.codec"), S("null")},
		{S("snapshot-id"), buf_str(&id)}, {S("parent-snapshot-id"), of->parent ? buf_str(&parent) : S("null")},
		{S("sequence-number"), buf_str(&sequence)}, {S("format-version"), S("2")}}, 6);
	for (int i = 0; i < n; i++) {
		put_manifest(&out.block, location, &v[i]);
		avro_record_end(&out);
	}
	avro_end(&out);
}

static void count_entry(struct ice_manifest *m, const struct ice_entry *e)
{
	switch (e->status) {
	case ICE_ADDED:
		m->added_files++;
		m->added_rows += e->file.rows;
		break;
	case ICE_EXISTING:
		m->existing_files++;
		m->existing_rows += e->file.rows;
		break;
	case ICE_DELETED:
		m->deleted_files++;
		m->deleted_rows += e->file.rows;
		break;
	}
}

void ice_count_entries(struct ice_manifest *m, const struct ice_entry *v, int n)
{
	m->added_files = m->existing_files = m->deleted_files = 0;
	m->added_rows = m->existing_rows = m->deleted_rows = 0;
	m->min_sequence = m->sequence;
	for (int i = 0; i < n; i++) {
		count_entry(m, &v[i]);
		if (v[i].status != ICE_DELETED && v[i].sequence >= 0 && v[i].sequence < m->min_sequence)
			m->min_sequence = v[i].sequence;
	}
}
