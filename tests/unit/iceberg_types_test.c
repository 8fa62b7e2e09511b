/* iceberg_types_test.c - types, schemas, bounds and leaves; at the end DuckDB itself writes and reads what we told it. */
#include "iceberg/iceberg_int.h"

#include "folder.h"

#include <duckdb.h>
#include <math.h>

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

/* --- types --- */
static void is_kept(struct call *c, const char *duckdb, const char *iceberg, const char *cast)
{
	struct ice_type t;
	struct str ret_cast;

	assert_true(ice_type_parse(c, S("x"), str_of(duckdb), &t, &ret_cast));
	assert_str_equal(ice_type_name(c->arena, &t), iceberg);
	assert_str_equal(ret_cast, cast);
}

static void is_refused(struct call *c, struct str duckdb, const char *words)
{
	struct ice_type t;
	struct str cast;

	assert_false(ice_type_parse(c, S("the column"), duckdb, &t, &cast));
	assert_int_equal(c->err.kind, ERR_SQL_INVALID);
	assert_non_null(strstr(c->err.text, "the column"));
	assert_non_null(strstr(c->err.text, words));
	call_forgive(c);
}

static void every_type_of_duckdb_has_one_to_be_kept_as(void **state)
{
	static const char *const types[][3] = {
		{"BOOLEAN", "boolean", ""}, {"INTEGER", "int", ""}, {"BIGINT", "long", ""}, {"FLOAT", "float", ""}, {"DOUBLE", "double", ""},
		{"DATE", "date", ""}, {"TIME", "time", ""}, {"TIMESTAMP", "timestamp", ""},
		{"TIMESTAMP WITH TIME ZONE", "timestamptz", ""}, {"timestamptz", "timestamptz", ""},
		{"VARCHAR", "string", ""}, {"BLOB", "binary", ""}, {"UUID", "uuid", ""},
		{"DECIMAL(10,2)", "decimal(10, 2)", ""}, {"DECIMAL( 38 , 38 )", "decimal(38, 38)", ""}, {"DECIMAL(5)", "decimal(5, 0)", ""},
		{"DECIMAL", "decimal(18, 3)", ""},
		{"TINYINT", "int", "INTEGER"}, {"SMALLINT", "int", "INTEGER"}, {"UTINYINT", "int", "INTEGER"}, {"USMALLINT", "int", "INTEGER"},
		{"UINTEGER", "long", "BIGINT"}, {"UBIGINT", "decimal(20, 0)", "DECIMAL(20,0)"},
		{"HUGEINT", "decimal(38, 0)", "DECIMAL(38,0)"}, {"UHUGEINT", "decimal(38, 0)", "DECIMAL(38,0)"},
		{"TIMESTAMP_S", "timestamp", "TIMESTAMP"}, {"TIMESTAMP_MS", "timestamp", "TIMESTAMP"},
		{"TIMESTAMP_NS", "timestamp", "TIMESTAMP"},
		{"TIME_NS", "time", "TIME"}, {"TIME WITH TIME ZONE", "string", "VARCHAR"}, {"INTERVAL", "string", "VARCHAR"},
		{"BIT", "string", "VARCHAR"}, {"JSON", "string", "VARCHAR"}, {"BIGNUM", "string", "VARCHAR"}, {"\"NULL\"", "string", "VARCHAR"},
		{"ENUM('a', 'it''s \"x\"', 'ü,)')", "string", "VARCHAR"},
		{"INTEGER[]", "list<int>", ""}, {"INTEGER[3]", "list<int>", "INTEGER[]"}, {"TINYINT[2][]", "list<list<int>>", "INTEGER[][]"},
		{"MAP(VARCHAR, INTEGER[])", "map<string, list<int>>", ""},
		{"MAP(ENUM('a)', ','), JSON)", "map<string, string>", "MAP(VARCHAR, VARCHAR)"},
		{"STRUCT(a INTEGER, \"b c\" VARCHAR)", "struct<a: int, \"b c\": string>", ""},
		{"STRUCT(\"q\"\"x\" TINYINT, \"time\" TIME, z TIMESTAMP WITH TIME ZONE)[]",
		 "list<struct<\"q\"\"x\": int, time: time, z: timestamptz>>",
		 "STRUCT(\"q\"\"x\" INTEGER, \"time\" TIME, \"z\" TIMESTAMP WITH TIME ZONE)[]"},
		{"STRUCT(INTEGER, TIMESTAMP WITH TIME ZONE, INTEGER[])", "struct<f1: int, f2: timestamptz, f3: list<int>>",
		 "STRUCT(\"f1\" INTEGER, \"f2\" TIMESTAMP WITH TIME ZONE, \"f3\" INTEGER[])"},
		{"STRUCT(\"NULL\")", "struct<f1: string>", "STRUCT(\"f1\" VARCHAR)"},
		{"STRUCT(n \"NULL\")", "struct<n: string>", "STRUCT(\"n\" VARCHAR)"},
		{"STRUCT(\"STRUCT\" STRUCT(é DOUBLE))", "struct<STRUCT: struct<\"é\": double>>", ""},
		{"VARCHAR(10)", "string", ""},
	};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		is_kept(*state, types[i][0], types[i][1], types[i][2]);
}

static void what_cannot_be_kept_names_its_column(void **state)
{
	static const char *const types[] = {
		"UNION(num INTEGER, str VARCHAR)", "VARIANT", "GEOMETRY", "GEOMETRY('OGC:CRS84')", "GEOMETRY[]", "MAP(VARCHAR, VARIANT)",
		"STRUCT(a UNION(b INTEGER))", "", "INTEGER x", "INTEGER]", "INTEGER[", "INTEGER[x]", "INTEGER[-1]", "DECIMAL(39,0)",
		"DECIMAL(0,0)", "DECIMAL(5,6)", "DECIMAL(5", "DECIMAL(5,2", "STRUCT", "STRUCT(", "STRUCT()", "STRUCT(a INTEGER", "STRUCT(a)",
		"STRUCT(a INTEGER,)", "MAP(VARCHAR)", "MAP(VARCHAR, INTEGER", "ENUM('a", "ENUM('a'", "\"", "\"a", "'a'", "(", ")", ",",
		"TIMESTAMP WITH", "TIMESTAMP WITH TIME", "DATE WITH TIME ZONE", "INTEGER \"", "STRUCT(a INTEGER \")", "STRUCT(\xFF INTEGER)",
	};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		is_refused(*state, str_of(types[i]), "cannot be kept");
	is_refused(*state, S("STRUCT(\"__duckdb_field_id\" INTEGER)"), "name");
	is_refused(*state, S("STRUCT(\"\" INTEGER)"), "name");
}

static void nesting_and_width_of_a_type_are_limited(void **state)
{
	struct call *c = *state;
	struct buf b = {0};
	struct ice_type t;
	struct str cast;

	buf_lit(&b, "INTEGER");
	for (int i = 0; i < ICE_DEPTH_MAX; i++)
		buf_lit(&b, "[]");
	assert_true(ice_type_parse(c, S("x"), buf_str(&b), &t, &cast));
	buf_lit(&b, "[]");
	is_refused(c, buf_str(&b), "too deep");

	buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		buf_lit(&b, "STRUCT(a ");
	is_refused(c, buf_str(&b), "too deep");
	buf_clear(&b);
	for (int i = 0; i < ICE_DEPTH_MAX / 2 + 1; i++)
		buf_lit(&b, "MAP(INTEGER,");
	buf_lit(&b, "INTEGER");
	for (int i = 0; i < ICE_DEPTH_MAX / 2 + 1; i++)
		buf_lit(&b, "[])");
	is_refused(c, buf_str(&b), "too deep");

	buf_clear(&b);
	buf_lit(&b, "STRUCT(");
	for (int i = 0; i <= ICE_FIELDS_MAX; i++)
		buf_fmt(&b, "%sf%d INTEGER", i ? "," : "", i);
	buf_lit(&b, ")");
	is_refused(c, buf_str(&b), "too many fields");
	buf_drop(&b);
}

/* --- schemas --- */
static struct ice_schema schema_of(struct call *c, const struct ice_table *former, const struct ice_column *v, int n)
{
	struct ice_schema s;
	struct str *casts;

	assert_true(ice_schema_of(c, former, v, n, &s, &casts));
	return s;
}

static struct str json_of(struct call *c, const struct ice_schema *s)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	ice_put_schema_json(&o, s);
	return arena_dup(c->arena, buf_str(&b));
}

static const struct ice_column nested[] = {
	{S_INIT("a"), S_INIT("INTEGER")},
	{S_INIT("l"), S_INIT("STRUCT(x FLOAT, y VARCHAR)[]")},
	{S_INIT("m"), S_INIT("MAP(VARCHAR, DECIMAL(10,2))")},
	{S_INIT("q\"x"), S_INIT("TINYINT")},
};

static void columns_become_a_schema_with_ids_from_one(void **state)
{
	struct call *c = *state;
	struct ice_schema s;
	struct str *casts;
	struct buf b = {0};

	assert_true(ice_schema_of(c, NULL, nested, COUNT_OF(nested), &s, &casts));
	assert_int_equal(ice_schema_last_id(&s), 9);
	assert_str_equal(casts[0], "");
	assert_str_equal(casts[3], "INTEGER");
	assert_str_equal(json_of(c, &s),
		"{\"schema-id\":0,\"type\":\"struct\",\"fields\":["
		"{\"id\":1,\"name\":\"a\",\"required\":false,\"type\":\"int\"},"
		"{\"id\":2,\"name\":\"l\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":3,"
		"\"element-required\":false,\"element\":{\"type\":\"struct\",\"fields\":[{\"id\":4,\"name\":\"x\",\"required\":false,\"type\":\"float\"},"
		"{\"id\":5,\"name\":\"y\",\"required\":false,\"type\":\"string\"}]}}},"
		"{\"id\":6,\"name\":\"m\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":7,\"key\":\"string\",\"value-id\":8,"
		"\"value-required\":false,\"value\":\"decimal(10, 2)\"}},"
		"{\"id\":9,\"name\":\"q\\\"x\",\"required\":false,\"type\":\"int\"}]}");
	ice_put_field_ids(&b, &s);
	assert_str_equal(buf_str(&b), "{\"a\": 1, \"l\": {__duckdb_field_id: 2, element: {__duckdb_field_id: 3, \"x\": 4, \"y\": 5}}, "
		"\"m\": {__duckdb_field_id: 6, key: 7, value: 8}, \"q\"\"x\": 9}");
	buf_clear(&b);
	ice_put_read_schema(&b, &s);
	assert_str_equal(buf_str(&b), "map{1: {name: 'a', type: 'INTEGER', default_value: NULL}, "
		"2: {name: 'l', type: 'STRUCT(\"x\" FLOAT, \"y\" VARCHAR)[]', default_value: NULL}, "
		"6: {name: 'm', type: 'MAP(VARCHAR, DECIMAL(10,2))', default_value: NULL}, "
		"9: {name: 'q\"x', type: 'INTEGER', default_value: NULL}}");
	buf_drop(&b);
}

static void names_are_made_unique(void **state)
{
	static const char *const given[] = {"a", "A", "", "a_1", "a", "file_row_number", "__duckdb_field_id", "column_3", "B"};
	static const char *const made[] = {"a", "A_1", "column_3", "a_1_1", "a_2", "file_row_number_1", "__duckdb_field_id_1",
		"column_3_1", "B"};
	struct call *c = *state;
	struct ice_column v[COUNT_OF(given)];
	struct ice_schema s;
	struct str *casts;
	char longest[ICE_NAME_MAX];

	for (size_t i = 0; i < COUNT_OF(given); i++)
		v[i] = (struct ice_column){str_of(given[i]), S("INTEGER")};
	s = schema_of(c, NULL, v, COUNT_OF(given));
	for (size_t i = 0; i < COUNT_OF(given); i++)
		assert_str_equal(s.fields[i].name, made[i]);

	memset(longest, 'x', sizeof(longest));
	v[0].name = v[1].name = str_from(longest, ICE_NAME_MAX - 16);
	s = schema_of(c, NULL, v, 2);
	assert_true(s.fields[1].name.n <= ICE_NAME_MAX && s.fields[1].name.n > s.fields[0].name.n);
	v[1].name = str_from(longest, ICE_NAME_MAX);
	assert_false(ice_schema_of(c, NULL, v, 2, &s, &casts));
	assert_int_equal(c->err.kind, ERR_SQL_INVALID);
	assert_non_null(strstr(c->err.text, "column 2"));
	call_forgive(c);
	v[1].name = S("a\0b");
	assert_false(ice_schema_of(c, NULL, v, 2, &s, &casts));
	call_forgive(c);
}

static void a_thousand_columns_of_one_name_are_named_quickly(void **state)
{
	struct call *c = *state;
	struct ice_column *v = ARENA_ARRAY(c->arena, struct ice_column, ICE_FIELDS_MAX);
	struct ice_schema s;
	struct str *casts;

	for (int i = 0; i < ICE_FIELDS_MAX; i++)
		v[i] = (struct ice_column){S("x"), S("INTEGER")};
	s = schema_of(c, NULL, v, ICE_FIELDS_MAX);
	assert_str_equal(s.fields[ICE_FIELDS_MAX - 1].name, "x_9999");
	assert_false(ice_schema_of(c, NULL, v, ICE_FIELDS_MAX + 1, &s, &casts));
	assert_int_equal(c->err.kind, ERR_SQL_INVALID);
	call_forgive(c);
	for (int i = 0; i < ICE_FIELDS_MAX; i++)
		v[i].type = S("INTEGER[]");
	assert_false(ice_schema_of(c, NULL, v, ICE_FIELDS_MAX, &s, &casts));
	assert_non_null(strstr(c->err.text, "more than 10000"));
	call_forgive(c);
}

static struct ice_table table_with(struct ice_schema *schemas, int n)
{
	struct ice_table t = {.version = 1, .schemas = schemas, .nschemas = n, .schema = &schemas[n - 1]};

	for (int i = 0; i < n; i++)
		if (ice_schema_last_id(&schemas[i]) > t.last_column_id)
			t.last_column_id = ice_schema_last_id(&schemas[i]);
	return t;
}

static void ids_stay_where_old_files_can_be_read(void **state)
{
	static const struct ice_column changed[] = {
		{S_INIT("new"), S_INIT("DATE")},
		{S_INIT("a"), S_INIT("BIGINT")},                                  /* promoted */
		{S_INIT("m"), S_INIT("MAP(VARCHAR, DECIMAL(12,2))")},             /* wider */
		{S_INIT("l"), S_INIT("STRUCT(z INTEGER, x DOUBLE)[]")},           /* promoted inside, one new, one gone */
		{S_INIT("q\"x"), S_INIT("VARCHAR")},                              /* another type */
	};
	struct call *c = *state;
	struct ice_schema both[2];
	struct ice_table t;
	struct ice_schema s;

	both[0] = schema_of(c, NULL, nested, COUNT_OF(nested));
	t = table_with(both, 1);
	s = schema_of(c, &t, changed, COUNT_OF(changed));
	assert_int_equal(s.id, 1);
	assert_int_equal(s.fields[0].id, 10);
	assert_int_equal(s.fields[1].id, 1);
	assert_int_equal(s.fields[2].id, 6);
	assert_int_equal(s.fields[2].type.fields[0].id, 7);
	assert_int_equal(s.fields[2].type.fields[1].id, 8);
	assert_int_equal(s.fields[3].id, 2);
	assert_int_equal(s.fields[3].type.fields[0].id, 3);
	assert_int_equal(s.fields[3].type.fields[0].type.fields[0].id, 11);
	assert_int_equal(s.fields[3].type.fields[0].type.fields[1].id, 4);
	assert_int_equal(s.fields[4].id, 12);

	both[1] = s;
	t = table_with(both, 2);
	s = schema_of(c, &t, nested, COUNT_OF(nested)); /* as it was: the first schema again */
	assert_int_equal(s.id, 0);
	assert_true(ice_schema_same(&s, &both[0]));
	assert_false(ice_schema_same(&s, &both[1]));
	s = schema_of(c, &t, changed, COUNT_OF(changed));
	assert_int_equal(s.id, 1);
}

static void a_field_inside_that_changes_its_type_makes_the_column_new(void **state)
{
	static const struct ice_column was[] = {{S_INIT("s"), S_INIT("STRUCT(x BIGINT, y MAP(INTEGER, INTEGER))")}};
	static const char *const now[] = {"STRUCT(x VARCHAR)", "STRUCT(x INTEGER)", "STRUCT(y MAP(BIGINT, INTEGER))", "BIGINT",
		"STRUCT(x BIGINT)[]", "STRUCT(y MAP(INTEGER, DECIMAL(9,1)))"};
	struct call *c = *state;
	struct ice_schema first = schema_of(c, NULL, was, 1);
	struct ice_table t = table_with(&first, 1);

	for (size_t i = 0; i < COUNT_OF(now); i++) {
		struct ice_schema s = schema_of(c, &t, &(struct ice_column){S("s"), str_of(now[i])}, 1);

		assert_int_equal(s.fields[0].id, t.last_column_id + 1);
	}
}

static void a_schema_survives_its_json(void **state)
{
	static const struct ice_column v[] = {
		{S_INIT("b"), S_INIT("BOOLEAN")}, {S_INIT("i"), S_INIT("INTEGER")}, {S_INIT("l"), S_INIT("BIGINT")},
		{S_INIT("f"), S_INIT("FLOAT")}, {S_INIT("d"), S_INIT("DOUBLE")}, {S_INIT("n"), S_INIT("DECIMAL(38,10)")},
		{S_INIT("da"), S_INIT("DATE")}, {S_INIT("t"), S_INIT("TIME")}, {S_INIT("ts"), S_INIT("TIMESTAMP")},
		{S_INIT("tz"), S_INIT("TIMESTAMPTZ")}, {S_INIT("s"), S_INIT("VARCHAR")}, {S_INIT("u"), S_INIT("UUID")},
		{S_INIT("y"), S_INIT("BLOB")}, {S_INIT("x"), S_INIT("MAP(STRUCT(a DATE[]), STRUCT(\"b\" MAP(INTEGER, TIME))[])")},
	};
	struct call *c = *state;
	struct ice_schema s = schema_of(c, NULL, v, COUNT_OF(v)), back;
	const json_node *n;
	struct ice_type t;

	s.id = 7;
	s.fields[0].required = true;
	assert_true(json_read(c, json_of(c, &s), &n));
	assert_true(ice_schema_from_json(c, S("k"), n, &back));
	assert_int_equal(back.id, 7);
	assert_true(ice_schema_same(&s, &back));
	assert_true(json_read(c, S("\"fixed[ 16]\""), &n) && ice_type_from_json(c, S("k"), n, &t));
	assert_str_equal(ice_type_name(c->arena, &t), "fixed[16]");
	assert_true(json_read(c, S("\"decimal(9,2)\""), &n) && ice_type_from_json(c, S("k"), n, &t));
	assert_str_equal(ice_type_name(c->arena, &t), "decimal(9, 2)");
}

static void a_schema_of_another_shape_is_corrupt(void **state)
{
	static const char *const bad[] = {
		"[]", "{}", "{\"fields\":{}}", "{\"schema-id\":-1,\"fields\":[]}", "{\"schema-id\":\"0\",\"fields\":[]}", "{\"fields\":[1]}",
		"{\"fields\":[{\"id\":0,\"name\":\"a\",\"type\":\"int\"}]}",
		"{\"fields\":[{\"id\":3000000000,\"name\":\"a\",\"type\":\"int\"}]}",
		"{\"fields\":[{\"id\":1,\"type\":\"int\"}]}", "{\"fields\":[{\"id\":1,\"name\":\"a\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"\",\"type\":\"int\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"decimal\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"decimal(39,0)\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"decimal(9)\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"decimal(9,10)\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"fixed[0]\"}]}", "{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"list\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"timestamp_ns\"}]}", "{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":{}}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":{\"type\":\"list\",\"element\":\"int\"}}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":{\"type\":\"map\",\"key-id\":2,\"key\":\"int\"}}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":{\"type\":\"struct\"}}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"int\"},{\"id\":1,\"name\":\"b\",\"type\":\"int\"}]}",
		"{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":{\"type\":\"list\",\"element-id\":1,\"element\":\"int\"}}]}",
	};
	struct call *c = *state;
	struct ice_schema s;
	const json_node *n;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_true(json_read(c, str_of(bad[i]), &n));
		assert_false(ice_schema_from_json(c, S("metadata/v1"), n, &s));
		assert_int_equal(c->err.kind, ERR_CORRUPT_TABLE);
		assert_non_null(strstr(c->err.text, "metadata/v1"));
		call_forgive(c);
	}
}

static void nested_json(struct buf *b, int depth)
{
	buf_lit(b, "{\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":");
	for (int i = 0; i < depth; i++)
		buf_fmt(b, "{\"type\":\"list\",\"element-id\":%d,\"element\":", i + 2);
	buf_lit(b, "\"int\"");
	for (int i = 0; i < depth; i++)
		buf_lit(b, "}");
	buf_lit(b, "}]}");
}

static void the_nesting_of_a_schema_is_limited(void **state)
{
	struct call *c = *state;
	struct ice_schema s;
	const json_node *n;
	struct buf b = {0};

	nested_json(&b, ICE_DEPTH_MAX);
	assert_true(json_read(c, buf_str(&b), &n));
	assert_true(ice_schema_from_json(c, S("k"), n, &s));
	buf_clear(&b);
	nested_json(&b, ICE_DEPTH_MAX + 1);
	assert_true(json_read(c, buf_str(&b), &n));
	assert_false(ice_schema_from_json(c, S("k"), n, &s));
	assert_non_null(strstr(c->err.text, "too deep"));
	buf_drop(&b);
}

/* The deepest struct there may be, in the places where schemas stand, is within what json/ writes and reads. */
static void the_deepest_type_fits_a_document(void **state)
{
	struct call *c = *state;
	const json_node *n;
	struct ice_schema s;
	struct buf b = {0};
	struct json_out o;

	for (int i = 0; i < ICE_DEPTH_MAX; i++)
		buf_lit(&b, "STRUCT(a ");
	buf_lit(&b, "INTEGER");
	for (int i = 0; i < ICE_DEPTH_MAX; i++)
		buf_lit(&b, ")");
	s = schema_of(c, NULL, &(struct ice_column){S("x"), buf_str(&b)}, 1);
	buf_clear(&b);
	o = json_out(&b);
	for (int i = 0; i < 8; i++)
		json_begin_array(&o);
	ice_put_schema_json(&o, &s);
	for (int i = 0; i < 8; i++)
		json_end_array(&o);
	assert_true(json_read(c, buf_str(&b), &n));
	buf_drop(&b);
}

static void the_hash_is_of_names_and_types(void **state)
{
	struct call *c = *state;
	struct ice_column v[2] = {{S("a"), S("INTEGER")}, {S("b"), S("VARCHAR")}};
	struct ice_schema s = schema_of(c, NULL, v, 2);
	struct str hash = ice_schema_hash(c->arena, &s);

	/* printf '["a","int","b","string"]' | sha256sum */
	assert_str_equal(hash, "sha256:41a6ec4358acdedfcf16e9eddb9b5e900495ceb2f96db6826afe99c07f4d314b");
	s.fields[0].id = 9;
	assert_true(str_eq(ice_schema_hash(c->arena, &s), hash));
	v[0].type = S("BIGINT");
	s = schema_of(c, NULL, v, 2);
	assert_false(str_eq(ice_schema_hash(c->arena, &s), hash));
}

/* --- bounds --- */
static void bound(struct call *c, const char *type, struct str text, bool upper, const char *hex)
{
	struct buf got = {0};
	struct ice_type t;
	struct str cast, bytes = S("");

	assert_true(ice_type_parse(c, S("x"), str_of(type), &t, &cast));
	if (!hex) {
		assert_false(ice_bound(c->arena, &t, text, upper, &bytes));
		return;
	}
	assert_true(ice_bound(c->arena, &t, text, upper, &bytes));
	hash_hex(bytes, &got);
	assert_str_equal(buf_str(&got), hex);
	buf_drop(&got);
}

static void numbers_have_bounds(void **state)
{
	static const struct {
		const char *type, *text, *lower, *upper;
	} v[] = {
		{"BOOLEAN", "0", "00", "00"}, {"BOOLEAN", "true", "01", "01"}, {"BOOLEAN", "maybe", NULL, NULL},
		{"INTEGER", "-1", "ffffffff", "ffffffff"}, {"INTEGER", "2147483648", NULL, NULL},
		{"INTEGER", "-2147483648", "00000080", "00000080"},
		{"INTEGER", "", NULL, NULL}, {"INTEGER", "1.0", NULL, NULL},
		{"BIGINT", "34", "2200000000000000", "2200000000000000"},
		{"BIGINT", "-9223372036854775808", "0000000000000080", "0000000000000080"},
		{"FLOAT", "1.5", "0000c03f", "0000c03f"}, {"FLOAT", "-0.0", "00000080", "00000000"}, {"FLOAT", "0.1", "cdcccc3d", "cdcccc3d"},
		{"FLOAT", "-inf", "000080ff", "000080ff"}, {"FLOAT", "nan", NULL, NULL}, {"FLOAT", "x", NULL, NULL}, {"FLOAT", "", NULL, NULL},
		{"DOUBLE", "1e+300", "9c7500883ce4377e", "9c7500883ce4377e"}, {"DOUBLE", "0.0", "0000000000000080", "0000000000000000"},
		{"DOUBLE", "inf", "000000000000f07f", "000000000000f07f"}, {"DOUBLE", "-nan", NULL, NULL}, {"DOUBLE", "1 ", NULL, NULL},
		{"DECIMAL(4,2)", "14.20", "058c", "058c"}, {"DECIMAL(4,2)", "-0.01", "ff", "ff"}, {"DECIMAL(4,2)", "1.28", "0080", "0080"},
		{"DECIMAL(4,2)", "-1.28", "80", "80"}, {"DECIMAL(4,2)", "-1.29", "ff7f", "ff7f"}, {"DECIMAL(4,2)", "0", "00", "00"},
		{"DECIMAL(4,2)", "3", "012c", "012c"}, {"DECIMAL(4,2)", "3.100", "0136", "0136"}, {"DECIMAL(4,2)", "3.001", NULL, NULL},
		{"DECIMAL(4,2)", "-", NULL, NULL}, {"DECIMAL(4,2)", ".", NULL, NULL}, {"DECIMAL(4,2)", "1.2.3", NULL, NULL},
		{"DECIMAL(4,2)", "", NULL, NULL},
		{"DECIMAL(38,0)", "99999999999999999999999999999999999999", "4b3b4ca85a86c47a098a223fffffffff",
		"4b3b4ca85a86c47a098a223fffffffff"},
		{"DECIMAL(38,0)", "-99999999999999999999999999999999999999", "b4c4b357a5793b85f675ddc000000001",
		"b4c4b357a5793b85f675ddc000000001"},
		{"DECIMAL(38,38)", "-0.99999999999999999999999999999999999999", "b4c4b357a5793b85f675ddc000000001",
		"b4c4b357a5793b85f675ddc000000001"},
		{"DECIMAL(38,0)", "100000000000000000000000000000000000000", NULL, NULL},
		{"DECIMAL(38,0)", "000000000000000000000000000000000000000000001", "01", "01"}, {"DECIMAL(38,38)", "1", NULL, NULL},
		{"INTEGER[]", "[1]", NULL, NULL},
	};

	for (size_t i = 0; i < COUNT_OF(v); i++) {
		bound(*state, v[i].type, str_of(v[i].text), false, v[i].lower);
		bound(*state, v[i].type, str_of(v[i].text), true, v[i].upper);
	}
}

static void times_have_bounds(void **state)
{
	static const struct {
		const char *type, *text, *hex;
	} v[] = {
		{"DATE", "1970-01-01", "00000000"}, {"DATE", "2017-11-16", "4e440000"}, {"DATE", "1969-12-31", "ffffffff"},
		{"DATE", "0001-01-01", "c606f5ff"}, {"DATE", "0001-12-31 (BC)", "c506f5ff"}, {"DATE", "0044-03-15 (BC)", "48c8f4ff"},
		{"DATE", "5881580-07-10", "feffff7f"}, {"DATE", "infinity", "ffffff7f"}, {"DATE", "-infinity", "01000080"},
		{"DATE", "9999999-01-01", NULL}, {"DATE", "2020-13-01", NULL}, {"DATE", "2020-01-00", NULL}, {"DATE", "2020-1-1", NULL},
		{"DATE", "2020-01-01x", NULL}, {"DATE", "", NULL}, {"DATE", "infinity ", NULL},
		{"TIME", "22:31:08", "008307e012000000"}, {"TIME", "00:00:00.5", "20a1070000000000"}, {"TIME", "24:00:00", "0060d71d14000000"},
		{"TIME", "00:00:00.000001", "0100000000000000"}, {"TIME", "00:00:00.0000001", NULL}, {"TIME", "25:00:00", NULL},
		{"TIME", "1:00:00", NULL},
		{"TIMESTAMP", "1970-01-01 00:00:00", "0000000000000000"}, {"TIMESTAMP", "1969-12-31 23:59:59.999999", "ffffffffffffffff"},
		{"TIMESTAMP", "infinity", "ffffffffffffff7f"}, {"TIMESTAMP", "-infinity", "0100000000000080"},
		{"TIMESTAMP", "0044-03-15 (BC) 01:02:03.000004", "c4787b05e1561eff"},
		{"TIMESTAMP", "294247-01-10 04:00:54.775806", "feffffffffffff7f"}, {"TIMESTAMP", "294247-01-10 04:00:54.775808", NULL},
		{"TIMESTAMP", "290309-12-22 (BC) 00:00:00", "0060925d03000080"}, {"TIMESTAMP", "2020-01-01", NULL},
		{"TIMESTAMP", "2020-01-01 00:00:00+00", NULL},
		{"TIMESTAMPTZ", "1970-01-01 00:00:00+00", "0000000000000000"}, {"TIMESTAMPTZ", "1970-01-01 02:00:01+02", "40420f0000000000"},
		{"TIMESTAMPTZ", "1969-12-31 18:30:00-05:30", "0000000000000000"},
		{"TIMESTAMPTZ", "1970-01-01 00:00:10+00:00:10", "0000000000000000"},
		{"TIMESTAMPTZ", "1970-01-01 00:00:00 +2", NULL}, {"TIMESTAMPTZ", "1970-01-01 00:00:00+2", NULL},
		{"TIMESTAMPTZ", "infinity", "ffffffffffffff7f"},
	};

	for (size_t i = 0; i < COUNT_OF(v); i++)
		bound(*state, v[i].type, str_of(v[i].text), i % 2, v[i].hex);
}

static void texts_are_cut_and_rounded_outwards(void **state)
{
	struct call *c = *state;
	const char *fifteen = "616161616161616161616161616161";

	bound(c, "VARCHAR", S(""), false, "");
	bound(c, "VARCHAR", S(""), true, "");
	bound(c, "VARCHAR", S("sixteen letters!"), true, "7369787465656e206c65747465727321");
	bound(c, "VARCHAR", S("sixteen letters!!"), false, "7369787465656e206c65747465727321");
	bound(c, "VARCHAR", S("sixteen letters!!"), true, "7369787465656e206c65747465727322");
	bound(c, "VARCHAR", S("aaaaaaaaaaaaaaa\xC3\xBFz"), false, arena_fmt(c->arena, "%sc3bf", fifteen).p);
	bound(c, "VARCHAR", S("aaaaaaaaaaaaaaa\xC3\xBFz"), true, arena_fmt(c->arena, "%sc480", fifteen).p);
	bound(c, "VARCHAR", S("aaaaaaaaaaaaaaa\x7Fz"), true, arena_fmt(c->arena, "%sc280", fifteen).p);
	bound(c, "VARCHAR", S("aaaaaaaaaaaaaaa\xDF\xBFz"), true, arena_fmt(c->arena, "%se0a080", fifteen).p);
	bound(c, "VARCHAR", S("aaaaaaaaaaaaaaa\xED\x9F\xBFz"), true, arena_fmt(c->arena, "%see8080", fifteen).p);
	bound(c, "VARCHAR", S("aaaaaaaaaaaaaaa\xEF\xBF\xBFz"), true, arena_fmt(c->arena, "%sf0908080", fifteen).p);
	bound(c, "VARCHAR", S("aaaaaaaaaaaaaaa\xF4\x8F\xBF\xBFz"), true, "616161616161616161616161616162");
	bound(c, "VARCHAR", S("\xF0\x9F\x8D\xAA"), true, "f09f8daa");
	bound(c, "VARCHAR", S("\xFF"), false, NULL);
	for (int i = 0; i < 2; i++) { /* sixteen times the last character there is, and one more */
		struct buf b = {0};

		for (int k = 0; k < 17; k++)
			buf_lit(&b, "\xF4\x8F\xBF\xBF");
		bound(c, "VARCHAR", buf_str(&b), true, NULL);
		buf_drop(&b);
	}
	bound(c, "BLOB", S("\\x00ab\\xFF"), false, "006162ff");
	bound(c, "BLOB", S("0123456789abcdefg"), false, "30313233343536373839616263646566");
	bound(c, "BLOB", S("0123456789abcdefg"), true, "30313233343536373839616263646567");
	bound(c, "BLOB", S("0123456789abcde\\xFFg"), true, "303132333435363738396162636466");
	bound(c, "BLOB", S("\\x0"), true, NULL);
	bound(c, "BLOB", S("\\y00"), true, NULL);
	bound(c, "BLOB", S("\\xgg"), true, NULL);
	bound(c, "UUID", S("f79c3e09-677c-4bbd-a479-3f349cb785e7"), true, "f79c3e09677c4bbda4793f349cb785e7");
	bound(c, "UUID", S("F79C3E09-677C-4BBD-A479-3F349CB785E7"), false, "f79c3e09677c4bbda4793f349cb785e7");
	bound(c, "UUID", S("f79c3e09-677c-4bbd-a4793-f349cb785e7"), false, NULL);
}

/* --- leaves --- */
static int leaf_id(const struct ice_schema *s, const char *path)
{
	const struct ice_field *f = ice_leaf(s, str_of(path));

	return f ? f->id : 0;
}

static void leaves_are_found_by_either_form_of_their_path(void **state)
{
	static const struct ice_column v[] = {
		{S_INIT("a"), S_INIT("INTEGER")}, {S_INIT("l"), S_INIT("STRUCT(x FLOAT, \"y.z\" INTEGER[])[]")},
		{S_INIT("m"), S_INIT("MAP(VARCHAR, INTEGER)")}, {S_INIT("s"), S_INIT("STRUCT(x INTEGER)")}, {S_INIT("s.x"), S_INIT("INTEGER")},
		{S_INIT("q\"x"), S_INIT("INTEGER")}, {S_INIT("\"a\""), S_INIT("INTEGER")},
		{S_INIT("list"), S_INIT("STRUCT(\"list\" INTEGER)[]")},
	};
	struct ice_schema s = schema_of(*state, NULL, v, COUNT_OF(v));

	assert_int_equal(leaf_id(&s, "a"), 1);
	assert_int_equal(leaf_id(&s, "\"a\""), 1);
	assert_int_equal(leaf_id(&s, "l.list.element.x"), 4);
	assert_int_equal(leaf_id(&s, "l.element.x"), 4);
	assert_int_equal(leaf_id(&s, "\"l\".\"element\".\"x\""), 4);
	assert_int_equal(leaf_id(&s, "l.list.element.y.z.list.element"), 6);
	assert_int_equal(leaf_id(&s, "\"l\".\"element\".\"y.z\".\"element\""), 6);
	assert_int_equal(leaf_id(&s, "m.key_value.key"), 8);
	assert_int_equal(leaf_id(&s, "\"m\".\"value\""), 9);
	assert_int_equal(leaf_id(&s, "\"s\".\"x\""), 11);
	assert_int_equal(leaf_id(&s, "\"s.x\""), 12);
	assert_int_equal(leaf_id(&s, "s.x"), 0); /* which of the two? */
	assert_int_equal(leaf_id(&s, "q\"x"), 13);
	assert_int_equal(leaf_id(&s, "\"q\"\"x\""), 13);
	assert_int_equal(leaf_id(&s, "\"\"\"a\"\"\""), 14);
	assert_int_equal(leaf_id(&s, "list.list.element.list"), 17);
	assert_int_equal(leaf_id(&s, "l"), 0);
	assert_int_equal(leaf_id(&s, "\"l\""), 0);
	assert_int_equal(leaf_id(&s, "s"), 0);
	assert_int_equal(leaf_id(&s, "a.x"), 0);
	assert_int_equal(leaf_id(&s, "ab"), 0);
	assert_int_equal(leaf_id(&s, ""), 0);
	assert_int_equal(leaf_id(&s, "\"s\"."), 0);
	assert_int_equal(leaf_id(&s, "\"s\"\"x\""), 0);
	assert_int_equal(leaf_id(&s, "\"s"), 0);
}

/* --- DuckDB --- */
struct duck {
	duckdb_database db;
	duckdb_connection con;
};

/* The first value of the first row, which must be text. */
static struct str ask(struct call *c, struct duck *d, struct str sql)
{
	duckdb_result r;
	struct str got;
	char *text;

	if (duckdb_query(d->con, arena_cstr(c->arena, sql), &r) != DuckDBSuccess)
		assert_string_equal(duckdb_result_error(&r), "");
	text = duckdb_column_count(&r) ? duckdb_value_varchar(&r, 0, 0) : NULL;
	got = arena_dup(c->arena, str_of(text ? text : ""));
	duckdb_free(text);
	duckdb_destroy_result(&r);
	return got;
}

static const struct {
	const char *value, *back;
} written[] = {
	{"true", "true"}, {"(-5)::TINYINT", "-5"}, {"255::UTINYINT", "255"}, {"65535::USMALLINT", "65535"}, {"7::SMALLINT", "7"},
	{"-8", "-8"},
	{"4294967295::UINTEGER", "4294967295"}, {"-9::BIGINT", "-9"}, {"18446744073709551615::UBIGINT", "18446744073709551615"},
	{"99999999999999999999999999999999999999::HUGEINT", "99999999999999999999999999999999999999"}, {"3::UHUGEINT", "3"},
	{"'-0.0'::FLOAT", "-0.0"}, {"'nan'::DOUBLE", "nan"}, {"-1.25::DECIMAL(4,2)", "-1.25"},
	{"-1.25::DECIMAL(38,10)", "-1.2500000000"},
	{"DATE '0044-03-15 (BC)'", "0044-03-15 (BC)"}, {"TIME '01:02:03.000004'", "01:02:03.000004"},
	{"'01:02:03.000004'::TIME_NS", "01:02:03.000004"},
	{"TIMESTAMP '1969-12-31 23:59:59.999999'", "1969-12-31 23:59:59.999999"},
	{"TIMESTAMPTZ '1969-01-01 00:00:00+00'", "1969-01-01 00:00:00+00"},
	{"'2020-01-01 00:00:01'::TIMESTAMP_S", "2020-01-01 00:00:01"}, {"'2020-01-01 00:00:01'::TIMESTAMP_NS", "2020-01-01 00:00:01"},
	{"'a'::ENUM('a', 'it''s')", "a"}, {"'{\"a\":1}'::JSON", "{\"a\":1}"}, {"'0101'::BIT", "0101"}, {"INTERVAL 3 DAYS", "3 days"},
	{"'01:02:03+03'::TIMETZ", "01:02:03+03"}, {"NULL", ""}, {"'\\x00\\xFF'::BLOB", "\\x00\\xFF"},
	{"UUID 'ffffffff-0000-0000-0000-000000000001'", "ffffffff-0000-0000-0000-000000000001"}, {"'zü\"rich'", "zü\"rich"},
	{"[1, NULL]::TINYINT[2]", "[1, NULL]"}, {"[[1], NULL]", "[[1], NULL]"},
	{"{'a b': 1::UTINYINT, 'q\"x': ['x'::ENUM('x')], 'select': NULL}", "{'a b': 1, 'q\"x': [x], 'select': NULL}"},
	{"MAP {'k'::ENUM('k'): {'v': 1::HUGEINT}}", "{k={'v': 1}}"}, {"row(1, 'a')", "{'f1': 1, 'f2': a}"},
	{"MAP {1: [MAP {2: 3}]}", "{1=[{2=3}]}"},
};

/* A column for each: odd names as well. */
static struct str name_of(struct arena *a, size_t i)
{
	static const char *const odd[] = {"a b", "q\"x", "select", "it's", "ü", "x.y", "FILE_ROW_NUMBER"};

	return i < COUNT_OF(odd) ? str_of(odd[i]) : arena_fmt(a, "c%d", (int)i);
}

static void put_name(struct buf *b, struct str name)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < name.n; i++)
		buf_fmt(b, name.p[i] == '"' ? "\"\"" : "%c", name.p[i]);
	buf_addc(b, '"');
}

static void duckdb_reads_what_it_wrote_with_our_ids_and_casts(void **state)
{
	struct call *c = *state;
	struct ice_column v[COUNT_OF(written)];
	char place[FOLDER_PATH_MAX];
	struct ice_schema s;
	struct buf b = {0};
	struct str *casts;
	struct duck d;

	folder_make(place);
	assert_int_equal(duckdb_open(NULL, &d.db), DuckDBSuccess);
	assert_int_equal(duckdb_connect(d.db, &d.con), DuckDBSuccess);
	(void)ask(c, &d, S("SET TimeZone='UTC'"));
	for (size_t i = 0; i < COUNT_OF(written); i++)
		v[i] = (struct ice_column){name_of(c->arena, i), ask(c, &d, arena_fmt(c->arena, "SELECT typeof(%s)", written[i].value))};
	assert_true(ice_schema_of(c, NULL, v, COUNT_OF(v), &s, &casts));
	buf_lit(&b, "COPY (SELECT ");
	for (size_t i = 0; i < COUNT_OF(written); i++) {
		buf_fmt(&b, casts[i].n ? "CAST(%s AS " : "%s", written[i].value);
		buf_fmt(&b, casts[i].n ? "%.*s) AS " : "%.*s AS ", SARG(casts[i]));
		put_name(&b, s.fields[i].name);
		buf_lit(&b, ", ");
	}
	buf_fmt(&b, ") TO '%s/x.parquet' (FORMAT PARQUET, FIELD_IDS ", place);
	ice_put_field_ids(&b, &s);
	buf_lit(&b, ")");
	(void)ask(c, &d, buf_str(&b));
	for (size_t i = 0; i < COUNT_OF(written); i++) {
		buf_clear(&b);
		buf_lit(&b, "SELECT CAST(");
		put_name(&b, s.fields[i].name);
		buf_fmt(&b, " AS VARCHAR) FROM read_parquet(['%s/x.parquet'], schema = ", place);
		ice_put_read_schema(&b, &s);
		buf_lit(&b, ", file_row_number = true)");
		assert_str_equal(ask(c, &d, buf_str(&b)), written[i].back);
	}
	duckdb_disconnect(&d.con);
	duckdb_close(&d.db);
	buf_drop(&b);
	folder_remove(place);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_call, close_call)
	const struct CMUnitTest tests[] = {
		TEST(every_type_of_duckdb_has_one_to_be_kept_as),
		TEST(what_cannot_be_kept_names_its_column),
		TEST(nesting_and_width_of_a_type_are_limited),
		TEST(columns_become_a_schema_with_ids_from_one),
		TEST(names_are_made_unique),
		TEST(a_thousand_columns_of_one_name_are_named_quickly),
		TEST(ids_stay_where_old_files_can_be_read),
		TEST(a_field_inside_that_changes_its_type_makes_the_column_new),
		TEST(a_schema_survives_its_json),
		TEST(a_schema_of_another_shape_is_corrupt),
		TEST(the_nesting_of_a_schema_is_limited),
		TEST(the_deepest_type_fits_a_document),
		TEST(the_hash_is_of_names_and_types),
		TEST(numbers_have_bounds),
		TEST(times_have_bounds),
		TEST(texts_are_cut_and_rounded_outwards),
		TEST(leaves_are_found_by_either_form_of_their_path),
		TEST(duckdb_reads_what_it_wrote_with_our_ids_and_casts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
