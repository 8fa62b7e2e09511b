/* iceberg_metadata_test.c - metadata that others wrote: what is unknown is kept, what is wrong is named. */
#include "iceberg_rig.h"

#define PLACE "s3://bucket/warehouse/t"
#define KEY TABLE "/metadata/v1.metadata.json"

struct member {
	const char *key, *value;
	bool optional;
	const char *wrong[6];          /* values of it that are refused */
};

/* A table as another engine has it. */
static const struct member document[] = {
	{"format-version", "2", false, {"\"2\"", "1", "3", "null"}},
	{"table-uuid", "\"9c12d441-03fe-4693-9a96-a0705ddf69c1\"", false, {"1", "null"}},
	{"location", "\"" PLACE "/\"", false, {"1", "\"\"", "\"s3://elsewhere\"", "\"/\""}},
	{"last-sequence-number", "34", false, {"\"34\"", "-1", "0", "1.5"}},
	{"last-updated-ms", "1602638573590", false, {"true", "-5"}},
	{"last-column-id", "3", false, {"[]", "2", "99999999999"}},
	{"current-schema-id", "1", false, {"\"1\"", "7"}},
	{"schemas",
	 "[{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true,\"type\":\"long\"}]},"
	 "{\"type\":\"struct\",\"schema-id\":1,\"identifier-field-ids\":[1],\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true,\"type\":\"long\","
	 "\"doc\":\"kept\"},{\"id\":2,\"name\":\"y\",\"required\":true,\"type\":\"long\"},{\"id\":3,\"name\":\"z\",\"required\":false,\"type\":\"string\"}]}]",
	 false, {"{}", "[]", "[1]", "[{\"schema-id\":1}]", "[{\"type\":\"struct\",\"schema-id\":1,\"fields\":[{\"id\":1,\"name\":\"x\"}]}]"}},
	{"partition-specs", "[{\"spec-id\":0,\"fields\":[]}]", false,
	 {"[]", "{}", "[7]", "[{\"spec-id\":\"0\",\"fields\":[]}]", "[{\"spec-id\":0}]",
	  "[{\"spec-id\":0,\"fields\":[{\"name\":\"x\",\"transform\":\"identity\",\"source-id\":1,\"field-id\":1000}]}]"}},
	{"default-spec-id", "0", false, {"1", "null"}},
	{"last-partition-id", "999", false, {"\"999\""}},
	{"sort-orders", "[{\"order-id\":0,\"fields\":[]},{\"order-id\":3,\"fields\":[{\"transform\":\"bucket[4]\",\"source-id\":3,"
			"\"direction\":\"desc\",\"null-order\":\"nulls-last\"}]}]", false, {"{}", "[null]", "[{\"order-id\":0}]", "[{\"fields\":[]}]"}},
	{"default-sort-order-id", "3", false, {"\"3\"", "-1", "9"}},
	{"properties", "{\"read.split.target.size\":\"134217728\"}", true, {"[]", "{\"a\":1}", "\"x\""}},
	{"current-snapshot-id", "3055729675574597004", true, {"\"3055729675574597004\"", "5", "-2"}},
	{"refs", "{\"main\":{\"snapshot-id\":3055729675574597004,\"type\":\"branch\",\"min-snapshots-to-keep\":3},"
		 "\"audit\":{\"snapshot-id\":3051729675574597004,\"type\":\"tag\"}}", true,
	 {"[]", "{\"main\":5}", "{\"main\":{\"type\":\"branch\"}}", "{\"main\":{\"snapshot-id\":1}}"}},
	{"snapshots",
	 "[{\"snapshot-id\":3051729675574597004,\"timestamp-ms\":1515100955770,\"sequence-number\":0,\"summary\":{\"operation\":\"append\"},"
	 "\"manifest-list\":\"" PLACE "/metadata/1.avro\",\"key-id\":\"kept\"},"
	 "{\"snapshot-id\":3055729675574597004,\"parent-snapshot-id\":3051729675574597004,\"timestamp-ms\":1555100955770,\"sequence-number\":1,"
	 "\"summary\":{\"operation\":\"append\",\"spark.app.id\":\"local\"},\"manifest-list\":\"" PLACE "/metadata/2.avro\",\"schema-id\":1}]",
	 true, {"{}", "[5]", "[]", "[{\"snapshot-id\":\"3055729675574597004\"}]"}},
	{"snapshot-log", "[{\"snapshot-id\":3051729675574597004,\"timestamp-ms\":1515100955770},{\"snapshot-id\":3055729675574597004,"
			 "\"timestamp-ms\":1555100955770}]", true, {"{}", "[5]"}},
	{"metadata-log", "[{\"metadata-file\":\"" PLACE "/metadata/v0.json\",\"timestamp-ms\":1515100}]", true, {"5", "[\"x\"]"}},
	{"statistics", "[{\"snapshot-id\":3055729675574597004,\"statistics-path\":\"" PLACE "/metadata/s.puffin\",\"blob-metadata\":[]}]", true, {"{}"}},
	{"next-row-id", "12", true, {NULL}},
	{"org.example", "{\"z\":[1,2.5,null],\"a\":\"\\u00e9\\u0000\"}", true, {NULL}},
};

/* One snapshot, whose every key has to be right. */
static const struct member snapshot[] = {
	{"snapshot-id", "3055729675574597004", false, {"\"1\"", "0", "-1", "1e3"}},
	{"parent-snapshot-id", "1", true, {"\"1\"", "-1"}},
	{"sequence-number", "1", false, {"null", "-1", "35"}},
	{"timestamp-ms", "1555100955770", false, {"\"x\""}},
	{"manifest-list", "\"" PLACE "/metadata/2.avro\"", false,
	 {"5", "\"s3://bucket/warehouse/other/metadata/2.avro\"", "\"" PLACE "/../t2/2.avro\"", "\"" PLACE "\"", "\"" PLACE "x/1\"", "\"\""}},
	{"schema-id", "1", true, {"\"1\"", "9"}},
	{"summary", "{\"operation\":\"append\"}", false, {"[]", "{}", "{\"operation\":5}"}},
};

/* The members, but one of them with another value, or left out (NULL). -1 = as they are. */
static struct str text_of(struct rig *r, const struct member *v, int n, int at, const char *value)
{
	struct buf b = {0};
	struct str text;

	for (int i = 0; i < n; i++) {
		if (i == at && !value)
			continue;
		buf_fmt(&b, "%s\"%s\":%s", b.n ? "," : "{", v[i].key, i == at ? value : v[i].value);
	}
	buf_lit(&b, "}");
	text = arena_dup(&r->arena, buf_str(&b));
	buf_drop(&b);
	return text;
}

static int index_of(const char *key)
{
	for (int i = 0; i < (int)COUNT_OF(document); i++) {
		if (strcmp(document[i].key, key) == 0)
			return i;
	}
	assert_non_null(NULL);
	return -1;
}

static void corrupt(struct rig *r, struct str text)
{
	struct ice_table t;

	store_text(r, "metadata/v1.metadata.json", text);
	if (ice_load(&r->c, r->s, S(TABLE), &t))
		print_error("accepted: %.*s\n", SARG(text));
	assert_int_equal(r->c.err.kind, ERR_CORRUPT_TABLE);
	assert_non_null(strstr(r->c.err.text, KEY));
	call_forgive(&r->c);
}

static void is_read(struct rig *r, struct str text)
{
	struct ice_table t;

	store_text(r, "metadata/v1.metadata.json", text);
	worked(r, ice_load(&r->c, r->s, S(TABLE), &t));
}

/* --- what is wrong is named --- */
static void every_key_of_a_document_is_checked(void **state)
{
	int n = COUNT_OF(document);
	struct rig r;

	(void)state;
	rig_open(&r);
	is_read(&r, text_of(&r, document, n, -1, NULL));
	for (int i = 0; i < n; i++) {
		struct str without = text_of(&r, document, n, i, NULL);

		if (document[i].optional && strcmp(document[i].key, "snapshots") != 0)
			is_read(&r, without);
		else
			corrupt(&r, without);
		for (int k = 0; k < 6 && document[i].wrong[k]; k++)
			corrupt(&r, text_of(&r, document, n, i, document[i].wrong[k]));
	}
	rig_close(&r);
}

static void every_key_of_a_snapshot_is_checked(void **state)
{
	int n = COUNT_OF(snapshot), at = index_of("snapshots");
	struct rig r;

	(void)state;
	rig_open(&r);
	for (int i = -1; i < n; i++) {
		for (int k = -1; k < 6 && (k < 0 || (i >= 0 && snapshot[i].wrong[k])); k++) {
			struct str one = text_of(&r, snapshot, n, i, k < 0 ? NULL : snapshot[i].wrong[k]);
			struct str text = text_of(&r, document, COUNT_OF(document), at, arena_fmt(&r.arena, "[%.*s]", SARG(one)).p);

			if (k < 0 && (i < 0 || snapshot[i].optional))
				is_read(&r, text);
			else
				corrupt(&r, text);
		}
	}
	rig_close(&r);
}

static void what_is_no_document_is_refused(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "null", "{\"a\":1}{}", "{\"a\":1,\"a\":2}", "\xff", "{\"format-version\":2}",
	                                    "{\"format-version\":99999999999999999999999}"};
	struct str text;
	struct rig r;

	(void)state;
	rig_open(&r);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		corrupt(&r, str_of(texts[i]));
	text = text_of(&r, document, COUNT_OF(document), -1, NULL);
	for (size_t n = 0; n < text.n; n += 7)
		corrupt(&r, str_head(text, n));
	rig_close(&r);
}

static void a_missing_current_snapshot_may_be_minus_one(void **state)
{
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	is_read(&r, text_of(&r, document, COUNT_OF(document), index_of("current-snapshot-id"), "-1"));
	t = load_table(&r);
	assert_null(t.current);
	is_read(&r, text_of(&r, document, COUNT_OF(document), index_of("current-snapshot-id"), "null"));
	rig_close(&r);
}

/* --- what others wrote --- */
static struct str json_of(struct rig *r, const json_node *n)
{
	struct buf b = {0};
	struct json_out o = json_out(&b);
	struct str text;

	assert_non_null(n);
	json_put_node(&o, n);
	text = arena_dup(&r->arena, buf_str(&b));
	buf_drop(&b);
	return text;
}

/* The value of a key, or of a member of its array, begins as it was. */
static void is_kept(struct rig *r, const struct ice_table *was, const struct ice_table *t, const char *key)
{
	struct str before = json_of(r, json_get(was->metadata, key)), after = json_of(r, json_get(t->metadata, key));

	if (before.p[0] == '[')
		before = str_head(before, before.n - 1);
	assert_true(str_starts(after, before));
}

static void a_commit_keeps_what_others_wrote(void **state)
{
	static const char *const kept[] = {"table-uuid", "location", "schemas", "partition-specs", "last-partition-id", "sort-orders", "snapshots",
	                                   "snapshot-log", "metadata-log", "statistics", "next-row-id", "org.example"};
	struct ice_table was, t;
	const json_node *refs;
	struct ice_change x;
	struct rig r;

	(void)state;
	rig_open(&r);
	is_read(&r, text_of(&r, document, COUNT_OF(document), -1, NULL));
	was = load_table(&r);
	assert_str_equal(was.location, PLACE);
	assert_int_equal(was.nsnapshots, 2);
	assert_int_equal(was.current->id, 3055729675574597004);
	assert_str_equal(was.current->manifest_list, "metadata/2.avro");
	x = change_of(&r.c, r.s, ICE_OVERWRITE, 1);
	x.order = &(struct ice_order){.field_id = 5};
	x.norder = 1;
	x.schema = schema_of(&r.c, &was, two_columns, 2);
	t = commit_change(&r, &x).table;
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		is_kept(&r, &was, &t, kept[i]);
	assert_str_equal(ice_value(t.properties, t.nproperties, "read.split.target.size"), "134217728");
	refs = json_get(t.metadata, "refs");
	assert_int_equal(json_int(json_get(json_get(refs, "main"), "min-snapshots-to-keep")), 3);
	assert_int_equal(json_int(json_get(json_get(refs, "main"), "snapshot-id")), t.current->id);
	assert_int_equal(json_int(json_get(json_get(refs, "audit"), "snapshot-id")), 3051729675574597004);
	assert_int_equal(t.current->parent, was.current->id);
	assert_int_equal(t.current->sequence, 35);
	assert_int_equal(t.current->id, 35); /* theirs have 63 bits */
	assert_int_equal(t.last_column_id, 5);
	assert_int_equal(json_int(json_get(t.metadata, "default-sort-order-id")), 4);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 1);
	rig_close(&r);
}

static void a_table_that_moved_still_opens(void **state)
{
	struct ice_change x;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_APPEND, 1);
	r.flaky.store.location = S("s3://elsewhere");
	t = load_table(&r);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 1);
	x = change_of(&r.c, r.s, ICE_APPEND, 1);
	t = commit_change(&r, &x).table;
	assert_str_equal(t.location, "file:///srv/mayfly/" TABLE);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 2);
	rig_close(&r);
}

/* A commit that could not be read again is not made. */
static void a_table_has_only_so_many_properties(void **state)
{
	struct ice_property *v;
	struct ice_change x;
	struct ice_committed done;
	struct rig r;

	(void)state;
	rig_open(&r);
	x = change_of(&r.c, r.s, ICE_APPEND, 1);
	v = ARENA_ARRAY(&r.arena, struct ice_property, ICE_PROPERTIES_MAX);
	for (int i = 0; i < ICE_PROPERTIES_MAX; i++)
		v[i] = (struct ice_property){arena_fmt(&r.arena, "p%d", i), S("x")};
	x.properties = v;
	x.nproperties = ICE_PROPERTIES_MAX;
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_QUOTA);
	assert_int_equal(objects_below(&r, "metadata/"), 0);
	x.nproperties = 900;
	assert_int_equal(commit_change(&r, &x).table.nproperties, 903);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_a_document_is_checked),
		cmocka_unit_test(every_key_of_a_snapshot_is_checked),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(a_missing_current_snapshot_may_be_minus_one),
		cmocka_unit_test(a_commit_keeps_what_others_wrote),
		cmocka_unit_test(a_table_that_moved_still_opens),
		cmocka_unit_test(a_table_has_only_so_many_properties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
