/* metadata_write.c - the next vN.metadata.json: its base with what a commit changes; all other keys as they were.
 *
 * Not the decision what changes: commit.c, expire.c. Any thread.
 */
#include "iceberg/iceberg_int.h"

static void put_members(struct json_out *o, const json_node *list)
{
	for (size_t i = 0; list && i < json_count(list); i++)
		json_put_node(o, json_at(list, i));
}

static const json_node *of_base(const struct ice_next *n, const char *key)
{
	return n->base->metadata ? json_get(n->base->metadata, key) : NULL;
}

/* --- values; each writes its key, or nothing --- */
static void put_format(struct json_out *o, const struct ice_next *n)
{
	(void)n;
	JSON_FIELD_INT(o, "format-version", 2);
}

static void put_uuid(struct json_out *o, const struct ice_next *n)
{
	JSON_FIELD_TEXT(o, "table-uuid", n->base->uuid);
}

static void put_location(struct json_out *o, const struct ice_next *n)
{
	const json_node *was = of_base(n, "location");

	JSON_FIELD_TEXT(o, "location", was ? json_text(was) : n->base->location);
}

static void put_sequence(struct json_out *o, const struct ice_next *n)
{
	JSON_FIELD_INT(o, "last-sequence-number", n->snapshot ? n->snapshot->sequence : ice_last_sequence(n->base));
}

static void put_updated(struct json_out *o, const struct ice_next *n)
{
	JSON_FIELD_INT(o, "last-updated-ms", n->at_ms);
}

static void put_last_column(struct json_out *o, const struct ice_next *n)
{
	int last = n->new_schema ? ice_schema_last_id(n->new_schema) : 0;

	JSON_FIELD_INT(o, "last-column-id", last > n->base->last_column_id ? last : n->base->last_column_id);
}

static void put_schemas(struct json_out *o, const struct ice_next *n)
{
	json_literal_key(o, S("\"schemas\":"));
	json_begin_array(o);
	put_members(o, of_base(n, "schemas"));
	if (n->new_schema)
		ice_put_schema_json(o, n->new_schema);
	json_end_array(o);
}

static void put_current_schema(struct json_out *o, const struct ice_next *n)
{
	JSON_FIELD_INT(o, "current-schema-id", n->schema_id);
}

static void put_specs(struct json_out *o, const struct ice_next *n)
{
	const json_node *was = of_base(n, "partition-specs");

	json_literal_key(o, S("\"partition-specs\":"));
	if (was)
		json_put_node(o, was);
	else
		json_put_raw(o, S("[{\"spec-id\":0,\"fields\":[]}]"));
}

static void put_default_spec(struct json_out *o, const struct ice_next *n)
{
	(void)n;
	JSON_FIELD_INT(o, "default-spec-id", 0);
}

/* 999 is what the specification has where no field was ever given an id. */
static void put_last_partition(struct json_out *o, const struct ice_next *n)
{
	const json_node *was = of_base(n, "last-partition-id");

	JSON_FIELD_INT(o, "last-partition-id", was ? json_int(was) : 999);
}

static void put_order(struct json_out *o, int id, const struct ice_order *v, int n)
{
	json_begin_object(o);
	JSON_FIELD_INT(o, "order-id", id);
	json_literal_key(o, S("\"fields\":"));
	json_begin_array(o);
	for (int i = 0; i < n; i++) {
		json_begin_object(o);
		JSON_FIELD_TEXT(o, "transform", S("identity"));
		JSON_FIELD_INT(o, "source-id", v[i].field_id);
		JSON_FIELD_TEXT(o, "direction", v[i].desc ? S("desc") : S("asc"));
		JSON_FIELD_TEXT(o, "null-order", v[i].nulls_first ? S("nulls-first") : S("nulls-last"));
		json_end_object(o);
	}
	json_end_array(o);
	json_end_object(o);
}

static void put_orders(struct json_out *o, const struct ice_next *n)
{
	json_literal_key(o, S("\"sort-orders\":"));
	json_begin_array(o);
	put_members(o, of_base(n, "sort-orders"));
	if (!n->base->metadata)
		put_order(o, 0, NULL, 0);
	if (n->norder)
		put_order(o, n->new_order_id, n->new_order, n->norder);
	json_end_array(o);
}

static void put_default_order(struct json_out *o, const struct ice_next *n)
{
	JSON_FIELD_INT(o, "default-sort-order-id", n->order_id);
}

static void put_texts(struct json_out *o, const struct ice_property *v, int n)
{
	for (int i = 0; i < n; i++) {
		json_key(o, v[i].name);
		json_put_text(o, v[i].value);
	}
}

static void put_properties(struct json_out *o, const struct ice_next *n)
{
	json_literal_key(o, S("\"properties\":"));
	json_begin_object(o);
	put_texts(o, n->properties, n->nproperties);
	json_end_object(o);
}

static void put_current(struct json_out *o, const struct ice_next *n)
{
	if (n->current_id)
		JSON_FIELD_INT(o, "current-snapshot-id", n->current_id);
}

/* Branch main keeps what else it had, such as its own rules of retention. */
static void put_main(struct json_out *o, const struct ice_next *n, const json_node *was)
{
	const json_node *value;
	struct str key;

	json_literal_key(o, S("\"main\":"));
	json_begin_object(o);
	JSON_FIELD_INT(o, "snapshot-id", n->current_id);
	JSON_FIELD_TEXT(o, "type", S("branch"));
	for (void *it = NULL; was && json_each(was, &it, &key, &value);) {
		if (str_eq(key, S("snapshot-id")) || str_eq(key, S("type")))
			continue;
		json_key(o, key);
		json_put_node(o, value);
	}
	json_end_object(o);
}

static void put_refs(struct json_out *o, const struct ice_next *n)
{
	const json_node *was = of_base(n, "refs"), *ref;
	struct str name;

	if (was && json_kind(was) != JSON_KIND_OBJECT)
		was = NULL;
	json_literal_key(o, S("\"refs\":"));
	json_begin_object(o);
	if (n->current_id)
		put_main(o, n, was ? json_get(was, "main") : NULL);
	for (void *it = NULL; was && json_each(was, &it, &name, &ref);) {
		if (str_eq(name, S("main")))
			continue;
		json_key(o, name);
		json_put_node(o, ref);
	}
	json_end_object(o);
}

/* --- snapshots --- */
static bool dropped(const struct ice_next *n, const json_node *snapshot_id)
{
	return n->dropped && snapshot_id && json_kind(snapshot_id) == JSON_KIND_INT && n->dropped(n->arg, json_int(snapshot_id));
}

static void put_snapshot(struct json_out *o, const struct ice_next *n, const struct ice_snapshot *s)
{
	struct buf uri = {0};

	ice_put_uri(&uri, n->base->location, s->manifest_list);
	json_begin_object(o);
	JSON_FIELD_INT(o, "snapshot-id", s->id);
	if (s->parent)
		JSON_FIELD_INT(o, "parent-snapshot-id", s->parent);
	JSON_FIELD_INT(o, "sequence-number", s->sequence);
	JSON_FIELD_INT(o, "timestamp-ms", s->at_ms);
	JSON_FIELD_TEXT(o, "manifest-list", buf_str(&uri));
	JSON_FIELD_INT(o, "schema-id", s->schema_id);
	json_literal_key(o, S("\"summary\":"));
	json_begin_object(o);
	put_texts(o, s->summary, s->nsummary);
	json_end_object(o);
	json_end_object(o);
	buf_drop(&uri);
}

/* Members of the base's array that no dropped snapshot is the matter of, from `from` on. */
static void put_kept(struct json_out *o, const struct ice_next *n, const json_node *list, size_t from)
{
	for (size_t i = from; list && i < json_count(list); i++) {
		const json_node *member = json_at(list, i);

		if (!dropped(n, json_get(member, "snapshot-id")))
			json_put_node(o, member);
	}
}

static const json_node *list_of_base(const struct ice_next *n, const char *key)
{
	const json_node *list = of_base(n, key);

	return list && json_kind(list) == JSON_KIND_ARRAY ? list : NULL;
}

/* From where on a log has at most `max` members, with one more. */
static size_t log_from(const json_node *list, size_t max)
{
	size_t n = list ? json_count(list) : 0;

	return n >= max ? n - max + 1 : 0;
}

static void put_snapshots(struct json_out *o, const struct ice_next *n)
{
	json_literal_key(o, S("\"snapshots\":"));
	json_begin_array(o);
	put_kept(o, n, list_of_base(n, "snapshots"), 0);
	if (n->snapshot)
		put_snapshot(o, n, n->snapshot);
	json_end_array(o);
}

static void put_snapshot_log(struct json_out *o, const struct ice_next *n)
{
	const json_node *was = list_of_base(n, "snapshot-log");

	json_literal_key(o, S("\"snapshot-log\":"));
	json_begin_array(o);
	put_kept(o, n, was, log_from(was, ICE_SNAPSHOT_LOG_MAX));
	if (n->snapshot && n->snapshot->id == n->current_id) {
		json_begin_object(o);
		JSON_FIELD_INT(o, "timestamp-ms", n->snapshot->at_ms);
		JSON_FIELD_INT(o, "snapshot-id", n->snapshot->id);
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_metadata_log(struct json_out *o, const struct ice_next *n)
{
	const json_node *was = list_of_base(n, "metadata-log");
	struct buf uri = {0};

	json_literal_key(o, S("\"metadata-log\":"));
	json_begin_array(o);
	for (size_t i = log_from(was, ICE_METADATA_LOG_MAX); was && i < json_count(was); i++)
		json_put_node(o, json_at(was, i));
	if (n->base->version) {
		ice_put_uri(&uri, n->base->location, str_tail(n->base->metadata_key, n->base->prefix.n + 1));
		json_begin_object(o);
		JSON_FIELD_INT(o, "timestamp-ms", n->base->updated_ms);
		JSON_FIELD_TEXT(o, "metadata-file", buf_str(&uri));
		json_end_object(o);
	}
	json_end_array(o);
	buf_drop(&uri);
}

static void put_statistics(struct json_out *o, const struct ice_next *n)
{
	json_literal_key(o, S("\"statistics\":"));
	json_begin_array(o);
	put_kept(o, n, list_of_base(n, "statistics"), 0);
	json_end_array(o);
}

static void put_partition_statistics(struct json_out *o, const struct ice_next *n)
{
	json_literal_key(o, S("\"partition-statistics\":"));
	json_begin_array(o);
	put_kept(o, n, list_of_base(n, "partition-statistics"), 0);
	json_end_array(o);
}

/* --- the document --- */
static const struct member {
	const char *key;
	void (*put)(struct json_out *o, const struct ice_next *n);
} members[] = {
	{"format-version", put_format},
	{"table-uuid", put_uuid},
	{"location", put_location},
	{"last-sequence-number", put_sequence},
	{"last-updated-ms", put_updated},
	{"last-column-id", put_last_column},
	{"schemas", put_schemas},
	{"current-schema-id", put_current_schema},
	{"partition-specs", put_specs},
	{"default-spec-id", put_default_spec},
	{"last-partition-id", put_last_partition},
	{"sort-orders", put_orders},
	{"default-sort-order-id", put_default_order},
	{"properties", put_properties},
	{"current-snapshot-id", put_current},
	{"refs", put_refs},
	{"snapshots", put_snapshots},
	{"snapshot-log", put_snapshot_log},
	{"metadata-log", put_metadata_log},
	{"statistics", put_statistics},
	{"partition-statistics", put_partition_statistics},
};

static bool known(struct str key)
{
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (str_eq(key, str_of(members[i].key)))
			return true;
	}
	return false;
}

void ice_put_metadata(struct buf *b, const struct ice_next *n)
{
	struct json_out o = json_out(b);
	const json_node *value;
	struct str key;

	json_begin_object(&o);
	for (size_t i = 0; i < COUNT_OF(members); i++)
		members[i].put(&o, n);
	for (void *it = NULL; n->base->metadata && json_each(n->base->metadata, &it, &key, &value);) {
		if (known(key))
			continue;
		json_key(&o, key);
		json_put_node(&o, value);
	}
	json_end_object(&o);
}
