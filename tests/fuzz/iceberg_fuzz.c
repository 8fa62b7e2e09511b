/* iceberg_fuzz.c - libFuzzer entry: type texts, schemas, bounds, leaves, manifests and manifest lists from any bytes.
 *
 * The first byte says which. clang -fsanitize=fuzzer,address,undefined; not in the default build.
 */
#include "iceberg/avro.h"

#define LOCATION "file:///t"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A type that is kept is kept as itself. */
static void fuzz_type(struct call *c, struct str text)
{
	struct ice_type t, again;
	OWNS(buf) b = {0};
	struct str cast;

	if (!ice_type_parse(c, S("x"), text, &t, &cast)) {
		INVARIANT(c->err.kind == ERR_SQL_INVALID);
		return;
	}
	ice_put_duckdb_type(&b, &t);
	INVARIANT(cast.n == 0 || str_eq(cast, buf_str(&b)));
	INVARIANT(ice_type_parse(c, S("x"), buf_str(&b), &again, &cast));
	INVARIANT(cast.n == 0 && ice_type_same(&t, &again));
}

/* Columns, a line each: what can be kept can be written as JSON and read again. */
static void fuzz_columns(struct call *c, struct str text)
{
	struct ice_column v[64];
	struct ice_schema s, back;
	const json_node *node;
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);
	struct str *casts;
	int n = 0;

	while (text.n > 0 && n < 64) {
		struct str line = str_cut(&text, '\n');

		v[n].name = str_cut(&line, ':');
		v[n++].type = line;
	}
	if (!ice_schema_of(c, NULL, v, n, &s, &casts))
		return;
	ice_put_schema_json(&o, &s);
	INVARIANT(json_read(c, buf_str(&b), &node));
	INVARIANT(ice_schema_from_json(c, S("k"), node, &back));
	INVARIANT(ice_schema_same(&s, &back));
	buf_clear(&b);
	ice_put_field_ids(&b, &s);
	ice_put_read_schema(&b, &s);
	INVARIANT(ice_schema_hash(c->arena, &s).n == 7 + 2 * SHA256_LEN);
}

static void fuzz_schema(struct call *c, struct str text)
{
	struct ice_schema s;
	const json_node *node;

	if (!json_read(c, text, &node))
		return;
	if (ice_schema_from_json(c, S("k"), node, &s))
		(void)ice_leaf(&s, str_head(text, 20));
	else
		INVARIANT(c->err.kind == ERR_CORRUPT_TABLE);
}

/* The lower bound of a text is not above its upper bound where both are text. */
static void fuzz_bound(struct call *c, struct str text)
{
	struct str lower, upper;

	for (int kind = 0; kind < ICE_KINDS; kind++) {
		struct ice_type t = {.kind = (enum ice_kind)kind, .precision = 38, .scale = text.n ? text.p[0] & 31 : 0};

		if (!ice_bound(c->arena, &t, text, false, &lower) || !ice_bound(c->arena, &t, text, true, &upper))
			continue;
		if (kind == ICE_STRING)
			INVARIANT(str_cmp(lower, text) <= 0 && str_cmp(text, upper) <= 0 && str_is_utf8(upper));
		if (kind == ICE_BINARY)
			INVARIANT(str_cmp(lower, upper) <= 0);
	}
}

static void read_both(struct call *c, struct str bytes)
{
	struct ice_read r = {.key = S("k"), .location = S(LOCATION), .bytes = bytes, .stats = true};
	struct ice_manifest *m;
	struct ice_entry *e;
	OWNS(buf) b = {0};
	int n;

	if (ice_read_manifest(c, &r, NULL, &e, &n)) {
		struct ice_schema none = {0};

		ice_put_manifest(&b, S(LOCATION), &none, e, n);
		r.bytes = buf_str(&b);
		INVARIANT(ice_read_manifest(c, &r, NULL, &e, &n));
		return;
	}
	INVARIANT(c->err.kind == ERR_CORRUPT_TABLE);
	call_forgive(c);
	if (!ice_read_manifest_list(c, &r, &m, &n))
		INVARIANT(c->err.kind == ERR_CORRUPT_TABLE);
}

/* The bytes as the only block behind a header of ours. */
static void fuzz_block(struct call *c, struct str bytes, bool list)
{
	struct ice_schema none = {0};
	OWNS(buf) b = {0};
	struct str sync;

	if (bytes.n == 0)
		return;
	if (list)
		ice_put_manifest_list(&b, S(LOCATION), &(struct ice_snapshot){.id = 1}, NULL, 0);
	else
		ice_put_manifest(&b, S(LOCATION), &none, NULL, 0);
	sync = arena_dup(c->arena, str_tail(buf_str(&b), b.n - 16));
	avro_put_long(&b, bytes.p[0]);
	avro_put_bytes(&b, str_tail(bytes, 1));
	buf_add(&b, sync);
	read_both(c, buf_str(&b));
}

/* A schema, a line feed, and the bytes of a block. */
static void fuzz_foreign(struct call *c, struct str bytes)
{
	struct str schema = str_cut(&bytes, '\n');
	struct avro_out o;
	OWNS(buf) b = {0};

	avro_begin(&o, &b, (const struct avro_meta[]){{S("avro.schema"), schema}, {S("partition-spec"), S("[]")}}, 2);
	avro_put_long(&b, 3);
	avro_put_bytes(&b, bytes);
	buf_add(&b, str_from((const char *)o.sync, sizeof(o.sync)));
	avro_end(&o);
	read_both(c, buf_str(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str text = str_from((const char *)bytes, n);
	struct arena arena = {0};
	struct call c;

	if (n == 0)
		return 0;
	call_open(&c, &arena);
	text = str_tail(text, 1);
	switch (bytes[0] % 8) {
	case 0:
		fuzz_type(&c, text);
		break;
	case 1:
		fuzz_columns(&c, text);
		break;
	case 2:
		fuzz_schema(&c, text);
		break;
	case 3:
		fuzz_bound(&c, text);
		break;
	case 4:
		read_both(&c, text);
		break;
	case 5:
		fuzz_foreign(&c, text);
		break;
	default:
		fuzz_block(&c, text, bytes[0] % 8 == 6);
		break;
	}
	arena_close(&arena);
	return 0;
}
