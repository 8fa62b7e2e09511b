/* iceberg_metadata_fuzz.c - libFuzzer entry: any bytes as the metadata of a table.
 *
 * What is read is written by a commit, and reads back with the same in it.
 * clang -fsanitize=fuzzer,address,undefined; not in the default build.
 */
#include "iceberg/iceberg_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void expect_same(const struct ice_table *a, const struct ice_table *b)
{
	INVARIANT(a->nsnapshots == b->nsnapshots && a->nschemas == b->nschemas);
	INVARIANT(str_eq(a->uuid, b->uuid) && str_eq(a->location, b->location));
	INVARIANT((a->current ? a->current->id : 0) == (b->current ? b->current->id : 0));
	INVARIANT(a->last_column_id == b->last_column_id && ice_last_sequence(a) == ice_last_sequence(b));
	INVARIANT(b->updated_ms > a->updated_ms);
	for (int i = 0; i < a->nsnapshots; i++) {
		const struct ice_snapshot *x = &a->snapshots[i], *y = &b->snapshots[i];

		INVARIANT(x->id == y->id && x->parent == y->parent && str_eq(x->manifest_list, y->manifest_list) && x->nsummary == y->nsummary);
	}
}

static void write_next(struct call *c, const struct ice_table *t)
{
	struct ice_next next = {.base = t, .at_ms = t->updated_ms + 1, .schema_id = t->schema->id};
	struct ice_table again;
	OWNS(buf) b = {0};

	next.order_id = (int)json_int(json_get(t->metadata, "default-sort-order-id"));
	next.current_id = t->current ? t->current->id : 0;
	ice_next_properties(c->arena, &next, NULL, 0);
	ice_put_metadata(&b, &next);
	if (t->nproperties + 3 > ICE_PROPERTIES_MAX)
		return;
	if (!ice_metadata_read(c, t->prefix, t->version + 1, buf_str(&b), &again))
		base_panic(__FILE__, __LINE__, c->err.text);
	expect_same(t, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena arena = {0};
	struct ice_table t;
	int64_t version;
	struct call c;

	call_open(&c, &arena);
	(void)!ice_version_of(str_from((const char *)bytes, n), &version);
	if (ice_metadata_read(&c, S("t"), 7, str_from((const char *)bytes, n), &t))
		write_next(&c, &t);
	else
		INVARIANT(c.err.kind == ERR_CORRUPT_TABLE && strstr(c.err.text, "t/metadata/v7.metadata.json"));
	arena_close(&arena);
	return 0;
}
