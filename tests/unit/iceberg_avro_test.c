/* iceberg_avro_test.c - manifests and manifest lists: ours back, those of other writers, and what is broken. */
#include "iceberg/avro.h"

#include "folder.h"

#include <zlib.h>

#define LOCATION "file:///srv/store/t"

static int open_call(void **state)
{
	struct call *c = base_zalloc(sizeof(*c));

	call_open(c, base_zalloc(sizeof(struct arena)));
	*state = c;
	return 0;
}

static int close_call(void **state)
{
	struct call *c = *state;

	arena_close(c->arena);
	free(c->arena);
	free(c);
	return 0;
}

static struct ice_read reading(struct str bytes, bool stats)
{
	return (struct ice_read){.key = S("t/metadata/m.avro"), .location = S(LOCATION), .bytes = bytes, .stats = stats};
}

static void expect_corrupt(struct call *c, bool ok, const char *words)
{
	assert_false(ok);
	assert_int_equal(c->err.kind, ERR_CORRUPT_TABLE);
	assert_non_null(strstr(c->err.text, "t/metadata/m.avro"));
	if (!strstr(c->err.text, words))
		assert_string_equal(c->err.text, words);
	call_forgive(c);
}

/* --- what we write --- */
static struct ice_field fields[] = {{1, S_INIT("a"), false, {.kind = ICE_LONG}}, {2, S_INIT("b"), false, {.kind = ICE_DOUBLE}}};
static const struct ice_schema schema = {3, fields, 2};
static const int64_t splits[] = {4, 1000000};
static const struct ice_stats stats[] = {
	{1, 100, 10, 2, -1, true, S_INIT("\1\0\0\0\0\0\0\0"), S_INIT("\x09\0\0\0\0\0\0\0")},
	{2, 200, 10, 0, 3, false, S_INIT(""), S_INIT("")},
};
static const struct ice_entry entries[] = {
	{ICE_ADDED, 0, -1, -1, 1, {S_INIT("data/1.parquet"), 10, 2000000, splits, 2, stats, 2}},
	{ICE_EXISTING, (1LL << 53) - 1, 7, 6, 0, {S_INIT("data/2.parquet"), 0, 115, NULL, 0, NULL, 0}},
	{ICE_DELETED, 5, 7, 7, 0, {S_INIT("data/3.parquet"), 1LL << 43, 1, NULL, 0, stats, 1}},
};

static struct str manifest_bytes(struct call *c, const struct ice_entry *v, int n)
{
	OWNS(buf) b = {0};

	ice_put_manifest(&b, S(LOCATION "/"), &schema, v, n);
	return arena_dup(c->arena, buf_str(&b));
}

static void same_stats(const struct ice_stats *a, const struct ice_stats *b)
{
	assert_int_equal(a->field_id, b->field_id);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->values, b->values);
	assert_int_equal(a->nulls, b->nulls);
	assert_int_equal(a->nans, b->nans);
	assert_int_equal(a->has_bounds, b->has_bounds);
	assert_true(str_eq(a->lower, b->lower) && str_eq(a->upper, b->upper));
}

static void same_entry(const struct ice_entry *a, const struct ice_entry *b)
{
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->snapshot_id, b->snapshot_id);
	assert_int_equal(a->sequence, b->sequence);
	assert_int_equal(a->file_sequence, b->file_sequence);
	assert_int_equal(a->sort_order_id, b->sort_order_id);
	assert_true(str_eq(a->file.path, b->file.path));
	assert_int_equal(a->file.rows, b->file.rows);
	assert_int_equal(a->file.bytes, b->file.bytes);
	assert_int_equal(a->file.nsplits, b->file.nsplits);
	for (int i = 0; i < a->file.nsplits; i++)
		assert_int_equal(a->file.splits[i], b->file.splits[i]);
	assert_int_equal(a->file.nstats, b->file.nstats);
	for (int i = 0; i < a->file.nstats; i++)
		same_stats(&a->file.stats[i], &b->file.stats[i]);
}

static void a_manifest_is_read_as_it_was_written(void **state)
{
	struct call *c = *state;
	struct ice_read r = reading(manifest_bytes(c, entries, 3), true);
	struct ice_entry *v;
	int n;

	assert_true(ice_read_manifest(c, &r, NULL, &v, &n));
	assert_int_equal(n, 3);
	for (int i = 0; i < n; i++)
		same_entry(&v[i], &entries[i]);
	r.stats = false;
	assert_true(ice_read_manifest(c, &r, NULL, &v, &n));
	assert_int_equal(v[0].file.nstats, 0);
	assert_int_equal(v[0].file.nsplits, 2);
}

static void what_an_entry_leaves_out_is_its_manifests(void **state)
{
	const struct ice_manifest m = {.sequence = 9, .added_snapshot_id = 77}, first = {.sequence = 0, .added_snapshot_id = 1};
	struct call *c = *state;
	struct ice_read r = reading(manifest_bytes(c, entries, 3), false);
	struct ice_entry *v, lone = entries[1];
	int n;

	assert_true(ice_read_manifest(c, &r, &m, &v, &n));
	assert_int_equal(v[0].snapshot_id, 77);
	assert_int_equal(v[0].sequence, 9);
	assert_int_equal(v[0].file_sequence, 9);
	assert_int_equal(v[1].snapshot_id, (1LL << 53) - 1);
	assert_int_equal(v[1].sequence, 7);
	assert_int_equal(v[1].file_sequence, 6);
	lone.sequence = lone.file_sequence = -1; /* of format version 1: only then an existing file may leave it out */
	r.bytes = manifest_bytes(c, &lone, 1);
	assert_true(ice_read_manifest(c, &r, &m, &v, &n));
	assert_int_equal(v[0].sequence, -1);
	assert_true(ice_read_manifest(c, &r, &first, &v, &n));
	assert_int_equal(v[0].sequence, 0);
}

static const struct ice_manifest manifests[] = {
	{S_INIT("metadata/a-m0.avro"), 7000, 0, 0, 12, 3, 99, 1, 2, 3, 4, 5, 6},
	{S_INIT("metadata/b-m0.avro"), 1, 0, 0, 1, 1, (1LL << 53) - 1, INT32_MAX, 0, 0, 1LL << 43, 0, 0},
};

static void a_manifest_list_is_read_as_it_was_written(void **state)
{
	const struct ice_snapshot of = {.id = 99, .parent = 98, .sequence = 12};
	struct call *c = *state;
	OWNS(buf) b = {0};
	struct ice_manifest *v;
	struct ice_read r;
	int n;

	ice_put_manifest_list(&b, S(LOCATION), &of, manifests, 2);
	r = reading(buf_str(&b), false);
	assert_true(ice_read_manifest_list(c, &r, &v, &n));
	assert_int_equal(n, 2);
	for (int i = 0; i < n; i++) {
		assert_true(str_eq(v[i].path, manifests[i].path));
		v[i].path = manifests[i].path;
		assert_memory_equal(&v[i], &manifests[i], sizeof(*v));
	}
}

/* Sums over all entries must not overflow. */
static void counts_that_cannot_be_are_refused(void **state)
{
	const struct ice_snapshot of = {.id = 99, .parent = 98, .sequence = 12};
	struct ice_manifest *v;
	struct call *c = *state;
	struct ice_entry *ignored;
	struct ice_read r;
	int n;

	for (int i = 0; i < 6; i++) {
		int64_t most = i % 2 ? (1LL << 43) + 1 : INT64_MAX;
		struct ice_manifest m = manifests[1];
		struct ice_entry e = entries[0];
		OWNS(buf) b = {0};

		*(i < 2 ? &m.length : i < 4 ? &m.added_rows : &m.existing_rows) = most;
		ice_put_manifest_list(&b, S(LOCATION), &of, &m, 1);
		r = reading(buf_str(&b), false);
		assert_false(ice_read_manifest_list(c, &r, &v, &n));
		assert_int_equal(c->err.kind, ERR_CORRUPT_TABLE);
		call_forgive(c);
		*(i < 2 ? &e.file.bytes : &e.file.rows) = most;
		r = reading(manifest_bytes(c, &e, 1), false);
		assert_false(ice_read_manifest(c, &r, NULL, &ignored, &n));
		assert_int_equal(c->err.kind, ERR_CORRUPT_TABLE);
		call_forgive(c);
	}
}

static void headers_say_what_readers_ask_for(void **state)
{
	static const char *const of_manifest[][2] = {
		{"avro.codec", "null"}, {"schema-id", "3"}, {"partition-spec", "[]"}, {"partition-spec-id", "0"}, {"format-version", "2"},
		{"content", "data"},
		{"schema", "{\"schema-id\":3,\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":false,\"type\":\"long\"},"
			"{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":\"double\"}]}"},
	};
	static const char *const of_list[][2] = {{"avro.codec", "null"}, {"snapshot-id", "5"}, {"parent-snapshot-id", "null"},
		{"sequence-number", "1"}, {"format-version", "2"}};
	struct call *c = *state;
	OWNS(buf) b = {0};
	struct avro_in in;

	assert_true(avro_open(&in, c, manifest_bytes(c, entries, 3)));
	for (size_t i = 0; i < COUNT_OF(of_manifest); i++)
		assert_str_equal(avro_value(&in, of_manifest[i][0]), of_manifest[i][1]);
	assert_null(avro_value(&in, "other").p);
	avro_close(&in);
	ice_put_manifest_list(&b, S(LOCATION), &(struct ice_snapshot){.id = 5, .sequence = 1}, NULL, 0);
	assert_true(avro_open(&in, c, buf_str(&b)));
	for (size_t i = 0; i < COUNT_OF(of_list); i++)
		assert_str_equal(avro_value(&in, of_list[i][0]), of_list[i][1]);
	avro_close(&in);
}

/* Other readers stumble over a block of no records. */
static void without_records_there_is_no_block(void **state)
{
	struct call *c = *state;
	struct str bytes = manifest_bytes(c, NULL, 0);
	struct ice_read r = reading(bytes, false);
	struct ice_entry *v;
	struct avro_in in;
	int n;

	assert_true(avro_open(&in, c, bytes));
	assert_ptr_equal(in.next, bytes.p + bytes.n);
	assert_ptr_equal(in.sync + 16, in.next);
	avro_close(&in);
	assert_true(ice_read_manifest(c, &r, NULL, &v, &n));
	assert_int_equal(n, 0);
}

static void many_entries_are_several_blocks(void **state)
{
	enum { MANY = 3000 };
	struct call *c = *state;
	struct ice_entry *v = ARENA_ARRAY(c->arena, struct ice_entry, MANY), *back;
	struct ice_manifest m = {.sequence = 4};
	struct ice_read r;
	int n;

	for (int i = 0; i < MANY; i++) {
		v[i] = entries[i % 2];
		v[i].file.path = arena_fmt(c->arena, "data/%05d.parquet", i);
		v[i].file.rows = i;
	}
	r = reading(manifest_bytes(c, v, MANY), true);
	assert_true(r.bytes.n > 3 * (64 << 10));
	assert_true(ice_read_manifest(c, &r, NULL, &back, &n));
	assert_int_equal(n, MANY);
	for (int i = 0; i < n; i++)
		same_entry(&back[i], &v[i]);
	ice_count_entries(&m, v, MANY);
	assert_int_equal(m.added_files, MANY / 2);
	assert_int_equal(m.existing_files, MANY / 2);
	assert_int_equal(m.deleted_files, 0);
	assert_int_equal(m.added_rows + m.existing_rows, MANY * (MANY - 1) / 2);
	assert_int_equal(m.min_sequence, 4);
}

static void counts_are_by_status(void **state)
{
	struct ice_manifest m = {.sequence = 9, .added_files = 5};

	(void)state;
	ice_count_entries(&m, entries, 3);
	assert_int_equal(m.added_files, 1);
	assert_int_equal(m.existing_files, 1);
	assert_int_equal(m.deleted_files, 1);
	assert_int_equal(m.added_rows, 10);
	assert_int_equal(m.existing_rows, 0);
	assert_true(m.deleted_rows == 1LL << 43);
	assert_int_equal(m.min_sequence, 7);
}

/* --- other writers --- */
#define F(name, type, id) "{\"name\":\"" name "\",\"type\":" type ",\"field-id\":" #id "}"
/* Another order, other names, unions the other way round, and fields of every kind that nobody asked for. */
static const char foreign[] =
	"{\"type\":\"record\",\"name\":\"ns.entry\",\"fields\":["
	"{\"name\":\"tree\",\"type\":{\"type\":\"record\",\"name\":\"ns.node\",\"fields\":["
		"{\"name\":\"v\",\"type\":\"int\"},{\"name\":\"kids\",\"type\":{\"type\":\"array\",\"items\":\"node\"}}]}},"
	"{\"name\":\"color\",\"type\":{\"type\":\"enum\",\"name\":\"color\",\"symbols\":[\"R\",\"G\"]}},"
	F("file", "{\"type\":\"record\",\"name\":\"f\",\"fields\":["
		F("rows", "[\"long\",\"null\"]", 103) ","
		F("offsets", "[{\"type\":\"array\",\"items\":\"int\"},\"null\"]", 132) ","
		F("lows", "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"pair\",\"fields\":["
			F("v", "\"bytes\"", 127) "," F("k", "\"long\"", 126) "]}}", 125) ","
		F("size", "{\"type\":\"long\",\"logicalType\":\"x\"}", 104) ","
		F("fmt", "{\"type\":\"fixed\",\"name\":\"x7\",\"size\":7}", 101) ","
		F("first", "[\"null\",\"long\"]", 142) ","
		F("loc", "\"string\"", 100) "]}", 2) ","
	"{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"double\",\"float\",\"boolean\"]}},"
	F("s", "\"int\"", 0) "]}";

/* A map with one negative block, whose length lets a reader skip it, and one plain. */
static void put_foreign_map(struct buf *b)
{
	static const char two[] = "\2a\0\2b\2\1\2\3\4\5\6\7\10"; /* "a": null, "b": a double */

	avro_put_long(b, -2);
	avro_put_long(b, (int64_t)sizeof(two) - 1);
	buf_add(b, str_from(two, sizeof(two) - 1));
	avro_put_long(b, 2);
	avro_put_bytes(b, S("c"));
	avro_put_long(b, 2);
	buf_lit(b, "\1\2\3\4");
	avro_put_bytes(b, S("d"));
	avro_put_long(b, 3);
	buf_lit(b, "\1");
	avro_put_long(b, 0);
}

static void put_foreign_entry(struct buf *b, int i)
{
	avro_put_long(b, 1); /* tree: a node with one kid, which has none */
	avro_put_long(b, 1);
	avro_put_long(b, 2);
	avro_put_long(b, 0);
	avro_put_long(b, 0);
	avro_put_long(b, 1); /* color */
	avro_put_long(b, 0);
	avro_put_long(b, 1000 + i);
	avro_put_long(b, 0); /* offsets: a negative block of two, then one of one */
	avro_put_long(b, -2);
	avro_put_long(b, 2);
	avro_put_long(b, 4);
	avro_put_long(b, 5);
	avro_put_long(b, 1);
	avro_put_long(b, 6);
	avro_put_long(b, 0);
	avro_put_long(b, 2); /* lows of fields 9 and 3 */
	avro_put_bytes(b, S("nine"));
	avro_put_long(b, 9);
	avro_put_bytes(b, S("three"));
	avro_put_long(b, 3);
	avro_put_long(b, 0);
	avro_put_long(b, 555);
	buf_lit(b, "parquet");
	avro_put_long(b, 0);
	avro_put_bytes(b, S(LOCATION "/data/x.parquet"));
	put_foreign_map(b);
	avro_put_long(b, 1);
}

static struct str deflated(struct call *c, struct str s)
{
	char *to = arena_alloc(c->arena, s.n + 1000);
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)s.p, .avail_in = (unsigned)s.n, .next_out = (unsigned char *)to,
		.avail_out = (unsigned)s.n + 1000};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&z);
	return str_from(to, z.total_out);
}

/* A file of one block, of any schema; what avro_end() would write, by hand where it is deflated. */
static struct str file_of(struct call *c, const char *json, struct str records, int64_t n, const char *codec)
{
	bool deflate_it = strcmp(codec, "deflate") == 0;
	OWNS(buf) b = {0};
	struct avro_out o;

	avro_begin(&o, &b, (const struct avro_meta[]){{S("avro.schema"), str_of(json)}, {S("avro.codec"), str_of(codec)},
		{S("partition-spec"), S(" [ ] ")}}, 3);
	avro_put_long(&b, n);
	avro_put_bytes(&b, deflate_it ? deflated(c, records) : records);
	buf_add(&b, str_from((const char *)o.sync, 16));
	avro_end(&o);
	return arena_dup(c->arena, buf_str(&b));
}

static void expect_foreign(struct call *c, struct str bytes, int count)
{
	struct ice_read r = reading(bytes, true);
	struct ice_entry *v;
	int n;

	assert_true(ice_read_manifest(c, &r, NULL, &v, &n));
	assert_int_equal(n, count);
	for (int i = 0; i < n; i++) {
		assert_int_equal(v[i].status, ICE_ADDED);
		assert_int_equal(v[i].snapshot_id, 0);
		assert_int_equal(v[i].sequence, -1);
		assert_int_equal(v[i].file.rows, 1000 + i);
		assert_int_equal(v[i].file.bytes, 555);
		assert_str_equal(v[i].file.path, "data/x.parquet");
		assert_int_equal(v[i].file.nsplits, 3);
		assert_int_equal(v[i].file.splits[2], 6);
		assert_int_equal(v[i].file.nstats, 2);
		assert_int_equal(v[i].file.stats[0].field_id, 3);
		assert_str_equal(v[i].file.stats[0].lower, "three");
		assert_false(v[i].file.stats[0].has_bounds); /* one of the two is none */
		assert_str_equal(v[i].file.stats[1].lower, "nine");
	}
}

static void manifests_of_other_writers_are_read_by_their_field_ids(void **state)
{
	struct call *c = *state;
	OWNS(buf) b = {0};

	for (int i = 0; i < 300; i++)
		put_foreign_entry(&b, i);
	expect_foreign(c, file_of(c, foreign, buf_str(&b), 300, "null"), 300);
	expect_foreign(c, file_of(c, foreign, buf_str(&b), 300, "deflate"), 300);
	expect_foreign(c, file_of(c, foreign, buf_str(&b), 300, ""), 300);
}

/* --- what is not supported --- */
static void refused(struct call *c, struct str bytes, const char *words)
{
	struct ice_read r = reading(bytes, true);
	struct ice_entry *v;
	int n;

	expect_corrupt(c, ice_read_manifest(c, &r, NULL, &v, &n), words);
}

static const char plain[] =
	"{\"type\":\"record\",\"name\":\"e\",\"fields\":[" F("status", "\"int\"", 0) "," F("n", "[\"null\",\"long\"]", 3) ","
	F("data_file", "{\"type\":\"record\",\"name\":\"f\",\"fields\":[" F("content", "\"int\"", 134) "," F("path",
		"\"string\"", 100) ","
		F("format", "\"string\"", 101) "," F("rows", "\"long\"", 103) "," F("bytes", "[\"null\",\"long\"]", 104) "]}", 2) "]}";
struct plain {
	int64_t status, content, rows;
	const char *path, *format;
	int64_t sequence, bytes;       /* -1 = null */
};
static const struct plain good = {1, 0, 5, LOCATION "/data/x.parquet", "PARQUET", 1, 100};

static struct str plain_file(struct call *c, struct plain p)
{
	OWNS(buf) b = {0};

	avro_put_long(&b, p.status);
	avro_put_long(&b, 1);
	avro_put_long(&b, p.sequence);
	avro_put_long(&b, p.content);
	avro_put_bytes(&b, str_of(p.path));
	avro_put_bytes(&b, str_of(p.format));
	avro_put_long(&b, p.rows);
	avro_put_long(&b, p.bytes >= 0);
	if (p.bytes >= 0)
		avro_put_long(&b, p.bytes);
	return file_of(c, plain, buf_str(&b), 1, "null");
}

static void accepted(struct call *c, struct plain p)
{
	struct ice_read r = reading(plain_file(c, p), true);
	struct ice_entry *v;
	int n;

	assert_true(ice_read_manifest(c, &r, NULL, &v, &n));
	assert_int_equal(n, 1);
}

static struct plain with(struct plain p, const char *path, const char *format)
{
	p.path = path ? path : p.path;
	p.format = format ? format : p.format;
	return p;
}

static void what_is_not_supported_is_told(void **state)
{
	static const char *const elsewhere[] = {"data/x.parquet",
		"file:///srv/store/tt/data/x.parquet", LOCATION, LOCATION "/", LOCATION "//x",
		LOCATION "/../x", LOCATION "/data/./x", LOCATION "/a\nb", "", "s3://srv/store/t/x"};
	struct call *c = *state;
	struct plain p = good;

	accepted(c, good);
	accepted(c, with(good, NULL, "parquet"));
	refused(c, plain_file(c, with(good, NULL, "ORC")), "Parquet");
	for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
		refused(c, plain_file(c, with(good, elsewhere[i], NULL)), "names");
	p.content = 1;
	refused(c, plain_file(c, p), "delete files");
	p.status = 2; /* what is deleted is not read */
	p.format = "AVRO";
	accepted(c, p);
	p = good;
	p.status = 3;
	refused(c, plain_file(c, p), "status");
	p = good;
	p.rows = -1;
	refused(c, plain_file(c, p), "out of range");
	p = good;
	p.sequence = -2;
	refused(c, plain_file(c, p), "out of range");
	p = good;
	p.bytes = -1;
	refused(c, plain_file(c, p), "file_size_in_bytes");
}

static void partitions_are_refused(void **state)
{
	static const char *const specs[] = {"", "[", "{}",
		"[{\"name\":\"p\",\"transform\":\"identity\",\"source-id\":1,\"field-id\":1000}]"};
	struct call *c = *state;

	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		OWNS(buf) b = {0};
		struct str whole = plain_file(c, good), behind = str_tail(whole, str_search(whole, S(" [ ] ")) + 5);

		/* the same file with another spec: its length stands before it in one byte */
		buf_add(&b, str_head(whole, whole.n - behind.n - 6));
		avro_put_bytes(&b, str_of(specs[i]));
		buf_add(&b, behind);
		refused(c, arena_dup(c->arena, buf_str(&b)), "partitioned");
	}
}

static void a_manifest_must_say_what_is_needed(void **state)
{
	static const char *const schemas[] = {
		"{\"type\":\"record\",\"name\":\"e\",\"fields\":[" F("s", "\"int\"", 0) "]}",
		"{\"type\":\"record\",\"name\":\"e\",\"fields\":[" F("s", "\"int\"", 0) "," F("f", "\"int\"", 2) "]}",
		"{\"type\":\"record\",\"name\":\"e\",\"fields\":[" F("s", "\"string\"", 0) "]}",
		"{\"type\":\"record\",\"name\":\"e\",\"fields\":[]}",
		"{\"type\":\"record\",\"name\":\"e\",\"fields\":[" F("s", "\"int\"", 0) "," F("f",
		"{\"type\":\"record\",\"name\":\"f\",\"fields\":["
			F("r", "{\"type\":\"array\",\"items\":\"string\"}", 132) "]}", 2) "]}",
		"{\"type\":\"record\",\"name\":\"e\",\"fields\":[" F("s", "\"int\"", 0) "," F("f",
		"{\"type\":\"record\",\"name\":\"f\",\"fields\":["
			F("r", "{\"type\":\"map\",\"values\":\"long\"}", 125) "]}", 2) "]}",
	};
	static const char *const words[] = {"no data_file", "of the type", "of the type", "no status", "hold what", "of the type"};
	struct call *c = *state;

	for (size_t i = 0; i < COUNT_OF(schemas); i++)
		refused(c, file_of(c, schemas[i], S("\2\2\2\2\0"), 1, "null"), words[i]);
}

/* --- broken files --- */
static void no_prefix_of_a_manifest_is_one(void **state)
{
	struct call *c = *state;
	struct str whole = manifest_bytes(c, entries, 3);
	struct avro_in in;
	size_t header;

	assert_true(avro_open(&in, c, whole));
	header = (size_t)(in.next - whole.p);
	avro_close(&in);
	for (size_t n = 0; n < whole.n; n++) {
		struct ice_read r = reading(str_from(base_alloc(n + 1), n), true);
		struct ice_entry *v;
		int count;

		memcpy((char *)(uintptr_t)r.bytes.p, whole.p, n); /* of its own: the sanitizer sees its end */
		assert_int_equal(ice_read_manifest(c, &r, NULL, &v, &count), n == header);
		call_forgive(c);
		free((void *)(uintptr_t)r.bytes.p);
	}
}

static void changed_bytes_are_read_or_refused(void **state)
{
	struct call *c = *state;
	struct str whole = manifest_bytes(c, entries, 3);
	char *copy = base_alloc(whole.n);
	int good_ones = 0;

	for (size_t i = 0; i < whole.n * 3; i++) {
		struct ice_read r = reading(str_from(copy, whole.n), true);
		struct arena arena = {0};
		struct ice_entry *v;
		struct call own;
		int n;

		call_open(&own, &arena);
		memcpy(copy, whole.p, whole.n);
		copy[i / 3] = (char)(copy[i / 3] ^ (i % 3 == 0 ? 1 : i % 3 == 1 ? 0x80 : 0xFF));
		if (ice_read_manifest(&own, &r, NULL, &v, &n))
			good_ones++;
		else
			assert_int_equal(own.err.kind, ERR_CORRUPT_TABLE);
		arena_close(&arena);
	}
	assert_true(good_ones > 0 && good_ones < (int)whole.n * 3);
	free(copy);
}

static void broken_files_are_refused_with_the_reason(void **state)
{
	struct call *c = *state;
	struct ice_read r = reading(S("Obj"), false);
	struct ice_manifest *v;
	int n;

	refused(c, S(""), "no Avro file");
	refused(c, S("Obj\2"), "no Avro file");
	refused(c, S("Obj\1\1"), "cut off");
	refused(c, S("Obj\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "number");
	refused(c, S("Obj\1\x02\x01"), "negative length");
	refused(c, S("Obj\1\x02\x80\x80\x80\x80\x10"), "cut off");
	refused(c, S("Obj\1\x01\x7E"), "impossible length"); /* a negative count with more bytes than there are */
	refused(c, file_of(c, plain, S(""), 1, "null"), "impossible length");
	refused(c, file_of(c, plain, S("\2"), -1, "null"), "impossible length");
	refused(c, file_of(c, plain, S("\2"), INT64_MAX, "null"), "cut off");
	refused(c, file_of(c, plain, S("xyz"), 0, "null"), "behind its records");
	refused(c, file_of(c, plain, S("xyz"), 1, "snappy"), "compressed");
	expect_corrupt(c, ice_read_manifest_list(c, &r, &v, &n), "no Avro file");
}

static void markers_are_checked(void **state)
{
	struct call *c = *state;
	struct str file = manifest_bytes(c, entries, 3);

	((char *)(uintptr_t)file.p)[file.n - 1] ^= 1;
	refused(c, file, "marker");
}

static void broken_deflate_is_refused(void **state)
{
	struct call *c = *state;
	struct str bomb = {base_zalloc(ICE_OBJECT_MAX + 1000), ICE_OBJECT_MAX + 1000}, file, packed;
	size_t at;

	packed = deflated(c, S("0123456789 0123456789 0123456789"));
	file = file_of(c, plain, S("0123456789 0123456789 0123456789"), 1, "deflate");
	at = str_search(file, packed);
	assert_true(at < file.n);
	((char *)(uintptr_t)file.p)[at] ^= 0x07; /* a kind of block that there is not */
	refused(c, file, "inflated");
	refused(c, file_of(c, plain, bomb, 1, "deflate"), "inflated");
	free((void *)(uintptr_t)bomb.p);
}

static void broken_schemas_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "{", "3", "{\"type\":\"record\"}", "{\"type\":\"record\",\"name\":\"a\"}",
		"{\"type\":\"record\",\"name\":\"a\",\"fields\":{}}", "{\"type\":\"record\",\"name\":\"a\",\"fields\":[1]}",
		"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{}]}", "{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":\"b\"}]}",
		"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":\"array\"}]}",
		"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":[\"x\"]}]}",
		"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":{\"type\":\"fixed\",\"name\":\"f\"}}]}",
		"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":{\"type\":\"fixed\",\"name\":\"f\",\"size\":-1}}]}",
		"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":{\"type\":\"enum\"}}]}",
	};
	struct call *c = *state;
	struct buf b = {0};

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		refused(c, file_of(c, bad[i], S("\2"), 1, "null"), "its schema");
	refused(c, file_of(c, "[]", S("\2"), 1, "null"), "does not hold records");
	refused(c, file_of(c, "\"int\"", S("\2"), 1, "null"), "does not hold records");
	for (int i = 0; i < 100000; i++)
		buf_lit(&b, "[");
	refused(c, file_of(c, buf_cstr(&b), S("\2"), 1, "null"), "no JSON");
	buf_clear(&b);
	buf_lit(&b, "[\"int\"");
	for (int i = 0; i < AVRO_TYPES_MAX; i++)
		buf_lit(&b, ",\"int\"");
	buf_lit(&b, "]");
	refused(c, file_of(c, buf_cstr(&b), S("\2"), 1, "null"), "too many types");
	for (int i = 0; i < AVRO_SCHEMA_MAX; i++)
		buf_lit(&b, " ");
	refused(c, file_of(c, buf_cstr(&b), S("\2"), 1, "null"), "too large");
	buf_drop(&b);
}

/* --- hostile ones --- */
static void a_type_that_holds_itself_ends(void **state)
{
	static const char endless[] = "{\"type\":\"record\",\"name\":\"n\",\"fields\":[{\"name\":\"n\",\"type\":\"n\"}]}";
	static const char deep[] =
		"{\"type\":\"record\",\"name\":\"n\",\"fields\":[{\"name\":\"n\",\"type\":{\"type\":\"array\",\"items\":\"n\"}}]}";
	struct call *c = *state;
	struct buf b = {0};

	refused(c, file_of(c, endless, S("\2"), 1, "null"), "nested too deep");
	for (int i = 0; i < 100000; i++)
		buf_lit(&b, "\2");
	refused(c, file_of(c, deep, buf_str(&b), 1, "null"), "nested too deep");
	buf_drop(&b);
}

static void values_without_bytes_end(void **state)
{
	static const char nulls[] =
		"{\"type\":\"record\",\"name\":\"n\",\"fields\":[{\"name\":\"n\",\"type\":{\"type\":\"array\",\"items\":\"null\"}}]}";
	struct call *c = *state;
	struct buf b = {0};

	avro_put_long(&b, INT64_MAX);
	refused(c, file_of(c, nulls, buf_str(&b), 1, "null"), "more values");
	buf_drop(&b);
}

static void lists_have_a_limit(void **state)
{
	static const char longs[] = "{\"type\":\"record\",\"name\":\"e\",\"fields\":[" F("s", "\"int\"", 0) "," F("f",
		"{\"type\":\"record\",\"name\":\"f\",\"fields\":[" F("r", "{\"type\":\"array\",\"items\":\"long\"}", 132) "]}", 2) "]}";
	struct call *c = *state;
	struct buf b = {0};

	avro_put_long(&b, 1);
	avro_put_long(&b, AVRO_ITEMS_MAX + 1);
	for (int i = 0; i <= AVRO_ITEMS_MAX; i++)
		avro_put_long(&b, 1);
	avro_put_long(&b, 0);
	refused(c, file_of(c, longs, buf_str(&b), 1, "null"), "too many items");
	buf_drop(&b);
}

static void entries_have_a_limit(void **state)
{
	struct call *c = *state;
	struct buf b = {0};

	for (int i = 0; i <= ICE_ENTRIES_MAX; i++) {
		avro_put_long(&b, ICE_ADDED);
		avro_put_long(&b, 0);
		avro_put_long(&b, 0);
		avro_put_bytes(&b, S(LOCATION "/x"));
		avro_put_bytes(&b, S("PARQUET"));
		avro_put_long(&b, 1);
		avro_put_long(&b, 1);
		avro_put_long(&b, 1);
	}
	refused(c, file_of(c, plain, buf_str(&b), ICE_ENTRIES_MAX + 1, "null"), "too many entries");
	buf_drop(&b);
}

/* --- the files of a snapshot --- */
struct rig {
	char place[FOLDER_PATH_MAX];
	struct store *store;
};

static void put_object(struct call *c, struct rig *r, const char *key, struct str bytes)
{
	assert_true(r->store->ops->put(c, r->store, str_of(key), bytes, STORE_NEW));
}

static void put_list(struct call *c, struct rig *r, const char *key, const struct ice_manifest *v, int n)
{
	OWNS(buf) b = {0};

	ice_put_manifest_list(&b, S(LOCATION), &(struct ice_snapshot){.id = 1, .sequence = 1}, v, n);
	put_object(c, r, key, buf_str(&b));
}

static bool files_of(struct call *c, struct rig *r, const char *list, struct ice_file **ret, int *ret_n)
{
	return ice_files(c, r->store, S("t"), S(LOCATION), str_of(list), ret, ret_n);
}

static void open_rig(struct call *c, struct rig *r)
{
	folder_make(r->place);
	r->store = store_folder_open(c, str_of(r->place));
	assert_non_null(r->store);
}

static void close_rig(struct rig *r)
{
	r->store->ops->close(r->store);
	folder_remove(r->place);
}

static void files_come_in_the_order_of_their_rows(void **state)
{
	static const char *const order[] = {"data/1.parquet", "data/2.parquet", "data/2.parquet", "data/1.parquet"};
	static const struct ice_manifest list[] = {{S_INIT("metadata/a.avro"), 1, .sequence = 1},
		{S_INIT("metadata/b.avro"), 1, .sequence = 1}};
	static const struct ice_manifest deletes[] = {{S_INIT("metadata/a.avro"), 1, .content = 1}};
	const struct ice_entry turned[] = {entries[2], entries[1], entries[0]};
	struct call *c = *state;
	struct ice_file *v;
	struct rig r;
	int n;

	open_rig(c, &r);
	put_object(c, &r, "t/metadata/a.avro", manifest_bytes(c, entries, 3));
	put_object(c, &r, "t/metadata/b.avro", manifest_bytes(c, turned, 3));
	put_list(c, &r, "t/metadata/list.avro", list, 2);
	put_list(c, &r, "t/metadata/empty.avro", NULL, 0);
	put_list(c, &r, "t/metadata/deletes.avro", deletes, 1);
	assert_true(files_of(c, &r, "metadata/list.avro", &v, &n));
	assert_int_equal(n, 4);
	for (int i = 0; i < n; i++)
		assert_str_equal(v[i].path, order[i]);
	assert_int_equal(v[0].rows, 10);
	assert_true(files_of(c, &r, "metadata/empty.avro", &v, &n));
	assert_int_equal(n, 0);
	assert_false(files_of(c, &r, "metadata/deletes.avro", &v, &n));
	assert_int_equal(c->err.kind, ERR_CORRUPT_TABLE);
	assert_non_null(strstr(c->err.text, "t/metadata/deletes.avro"));
	call_forgive(c);
	close_rig(&r);
}

static void a_missing_object_is_not_found(void **state)
{
	static const struct ice_manifest list[] = {{S_INIT("metadata/gone.avro"), 1, .sequence = 1}};
	struct call *c = *state;
	struct ice_file *v;
	struct rig r;
	int n;

	open_rig(c, &r);
	put_list(c, &r, "t/metadata/list.avro", list, 1);
	assert_false(files_of(c, &r, "metadata/list.avro", &v, &n));
	assert_int_equal(c->err.kind, ERR_NOT_FOUND);
	call_forgive(c);
	assert_false(files_of(c, &r, "metadata/none.avro", &v, &n));
	assert_int_equal(c->err.kind, ERR_NOT_FOUND);
	call_forgive(c);
	close_rig(&r);
}

static bool get_too_much(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	char *to = buf_room(ret, (size_t)max);

	(void)c;
	(void)s;
	(void)key;
	assert_int_equal(offset, 0);
	memset(to, 'x', (size_t)max);
	ret->n += (size_t)max;
	return true;
}

static void an_object_has_a_size_limit(void **state)
{
	static const struct store_ops ops = {.name = "endless", .get = get_too_much};
	struct store endless = {.ops = &ops};
	struct call *c = *state;
	struct str bytes;

	assert_false(ice_object(c, &endless, S("t/metadata/x"), &bytes));
	assert_int_equal(c->err.kind, ERR_CORRUPT_TABLE);
	assert_non_null(strstr(c->err.text, "t/metadata/x is larger than"));
	call_forgive(c);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_call, close_call)
	const struct CMUnitTest tests[] = {
		TEST(a_manifest_is_read_as_it_was_written),
		TEST(what_an_entry_leaves_out_is_its_manifests),
		TEST(a_manifest_list_is_read_as_it_was_written),
		TEST(counts_that_cannot_be_are_refused),
		TEST(headers_say_what_readers_ask_for),
		TEST(without_records_there_is_no_block),
		TEST(many_entries_are_several_blocks),
		TEST(counts_are_by_status),
		TEST(manifests_of_other_writers_are_read_by_their_field_ids),
		TEST(what_is_not_supported_is_told),
		TEST(partitions_are_refused),
		TEST(a_manifest_must_say_what_is_needed),
		TEST(no_prefix_of_a_manifest_is_one),
		TEST(changed_bytes_are_read_or_refused),
		TEST(broken_files_are_refused_with_the_reason),
		TEST(markers_are_checked),
		TEST(broken_deflate_is_refused),
		TEST(broken_schemas_are_refused),
		TEST(a_type_that_holds_itself_ends),
		TEST(values_without_bytes_end),
		TEST(lists_have_a_limit),
		TEST(entries_have_a_limit),
		TEST(files_come_in_the_order_of_their_rows),
		TEST(a_missing_object_is_not_found),
		TEST(an_object_has_a_size_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
