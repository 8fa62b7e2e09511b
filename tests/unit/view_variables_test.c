/* view_variables_test.c - variables of saved SQL: declared, checked, bound; documents of sessions and entries as they are stored. */
#include "view/view_int.h"

#include "folder.h"
#include "test.h"

struct fixture {
	struct arena arena;
	struct call c;
	struct views v;
	char dir[FOLDER_PATH_MAX];
};

static void caps_of(void *arg, struct str tenant, struct view_caps *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct view_caps){.spaces = 10, .tables = 10, .saved = 10, .sql_sessions = 2, .view_bytes = 1 << 20};
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	call_open(&f->c, &f->arena);
	f->c.tenant = S("acme");
	folder_make(f->dir);
	pthread_mutex_init(&f->v.lock, NULL);
	f->v.o = (struct views_options){.store = store_folder_open(&f->c, str_of(f->dir)), .caps = caps_of, .skew_ms = 1000};
	assert_non_null(f->v.o.store);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	memo_close(&f->v);
	f->v.o.store->ops->close(f->v.o.store);
	pthread_mutex_destroy(&f->v.lock);
	folder_remove(f->dir);
	arena_close(&f->arena);
	free(f);
	return 0;
}
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

static void expect_error(struct fixture *f, bool ok, enum err_kind kind)
{
	assert_false(ok);
	assert_int_equal(f->c.err.kind, kind);
	call_forgive(&f->c);
}

static bool fine(struct fixture *f, bool ok)
{
	if (!ok)
		print_error("%s: %s\n", err_code(f->c.err.kind), f->c.err.text);
	return ok;
}

/* --- declarations --- */

#define VAR(name, type) {S_INIT(name), S_INIT(type), false, {NULL, 0}}
#define VAR_OF(name, type, dflt) {S_INIT(name), S_INIT(type), true, S_INIT(dflt)}

static bool check(struct fixture *f, const char *sql, const struct view_variable *v, int n)
{
	struct str text;

	return variables_check(&f->c, str_of(sql), v, n, &text);
}

static void test_declared_and_used_agree(void **state)
{
	static const struct view_variable a[] = {VAR("a", "int"), VAR_OF("b", "text", "\"x\"")};
	static const struct view_variable twice[] = {VAR("a", "int"), VAR("A", "int")};
	struct fixture *f = *state;
	struct str text;

	assert_true(fine(f, variables_check(&f->c, S("SELECT {{a}} + 1, {{ b }}"), a, 2, &text)));
	assert_str_equal(text, "SELECT $a + 1, $b");
	assert_true(fine(f, check(f, "SELECT '{{c}}' -- {{d}}", NULL, 0)));
	expect_error(f, check(f, "SELECT {{a}}", a, 2), ERR_SQL_INVALID);         /* b is not used */
	expect_error(f, check(f, "SELECT {{a}}", twice, 2), ERR_SQL_INVALID);
	assert_false(check(f, "SELECT 1, {{c}}", NULL, 0));                       /* not declared */
	assert_int_equal(f->c.err.kind, ERR_SQL_INVALID);
	assert_int_equal(f->c.err.position, 11);
	call_forgive(&f->c);
	assert_false(check(f, "SELECT $1", NULL, 0));
	assert_int_equal(f->c.err.position, 8);
	call_forgive(&f->c);
	expect_error(f, check(f, "SELECT $a, {{a}}, {{b}}", a, 2), ERR_SQL_INVALID);
	expect_error(f, check(f, "SELECT ?", NULL, 0), ERR_SQL_INVALID);
	expect_error(f, check(f, "SELECT 'x", NULL, 0), ERR_SQL_INVALID);
}

static void test_names_types_and_defaults(void **state)
{
	static const struct view_variable bad[] = {
		VAR("", "int"), VAR("1a", "int"), VAR("a b", "int"), VAR("a", "intt"), VAR("a", "BLOB"), VAR("a", "INTEGER[]"),
		VAR("a", "DECIMAL(39,1)"), VAR("a", "DECIMAL(5,6)"), VAR("a", "DECIMAL(5"), VAR("a", "INTEGER(5)"),
		VAR("a", "INT); DROP TABLE x; --"), VAR("a", "STRUCT(a INT)"), VAR_OF("a", "int", "\"x\""), VAR_OF("a", "int", "[1]"),
		VAR_OF("a", "date", "\"2025-02-29\""), VAR_OF("a", "tinyint", "128"), VAR_OF("a", "int", "{"),
	};
	static const struct view_variable good[] = {
		VAR("a", "Decimal( 10 , 2 )"), VAR("a", " varchar "), VAR("a", "timestamp with time zone"), VAR("a", "numeric"),
		VAR_OF("a", "uuid", "\"0190A000-0000-7000-8000-000000000000\""), VAR_OF("a", "double", "1"), VAR_OF("a", "hugeint", "\"-1\""),
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (check(f, "SELECT {{a}}", &bad[i], 1))
			print_error("%.*s %.*s\n", SARG(bad[i].name), SARG(bad[i].type));
		assert_int_equal(f->c.err.kind, ERR_SQL_INVALID);
		call_forgive(&f->c);
	}
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(fine(f, check(f, "SELECT {{a}}", &good[i], 1)));
}

/* --- values --- */

static bool bind(struct fixture *f, const char *type, const char *values, struct bound *ret)
{
	const struct view_variable v = {S("a"), str_of(type), false, {NULL, 0}};
	const json_node *o;

	assert_true(json_read_object(&f->c, str_of(values), &o));
	return variables_bind(&f->c, S("SELECT {{a}}"), &v, 1, o, ret);
}

static void test_values_fit_their_types(void **state)
{
	static const struct {
		const char *type, *value, *text; /* text NULL: refused */
	} cases[] = {
		{"BOOLEAN", "true", "true"}, {"BOOLEAN", "1", NULL}, {"BOOLEAN", "\"true\"", NULL},
		{"TINYINT", "127", "127"}, {"TINYINT", "128", NULL}, {"TINYINT", "-128", "-128"}, {"TINYINT", "-129", NULL},
		{"UTINYINT", "255", "255"}, {"UTINYINT", "-1", NULL}, {"UTINYINT", "256", NULL}, {"UTINYINT", "\"-0\"", "0"},
		{"INTEGER", "2147483647", "2147483647"}, {"INTEGER", "2147483648", NULL}, {"INTEGER", "1.0", NULL},
		{"INTEGER", "\"007\"", "7"}, {"INTEGER", "\"1 OR 1=1\"", NULL}, {"INTEGER", "\"\"", NULL}, {"INTEGER", "\"-\"", NULL},
		{"BIGINT", "-9223372036854775808", "-9223372036854775808"}, {"BIGINT", "\"9223372036854775808\"", NULL},
		{"UBIGINT", "\"18446744073709551615\"", "18446744073709551615"}, {"UBIGINT", "\"18446744073709551616\"", NULL},
		{"HUGEINT", "\"170141183460469231731687303715884105727\"", "170141183460469231731687303715884105727"},
		{"HUGEINT", "\"170141183460469231731687303715884105728\"", NULL},
		{"HUGEINT", "\"-170141183460469231731687303715884105728\"", "-170141183460469231731687303715884105728"},
		{"UHUGEINT", "\"340282366920938463463374607431768211455\"", "340282366920938463463374607431768211455"},
		{"UHUGEINT", "\"340282366920938463463374607431768211456\"", NULL},
		{"DECIMAL(5,2)", "1.5", "1.50"}, {"DECIMAL(5,2)", "\"1.50\"", "1.50"}, {"DECIMAL(5,2)", "1.555", NULL},
		{"DECIMAL(5,2)", "999.99", "999.99"}, {"DECIMAL(5,2)", "1000", NULL}, {"DECIMAL(5,2)", "-0", "0.00"},
		{"DECIMAL(5,2)", "\"1e2\"", NULL}, {"DECIMAL(5,2)", "\"1.\"", NULL}, {"DECIMAL(5,2)", "\".5\"", NULL},
		{"DECIMAL(3,3)", "0.125", "0.125"}, {"DECIMAL(3,0)", "12", "12"}, {"DECIMAL(3,3)", "1", NULL},
		{"DOUBLE", "1", "1"}, {"DOUBLE", "1.5", "1.5"}, {"DOUBLE", "\"NaN\"", "NaN"}, {"DOUBLE", "\"1\"", NULL},
		{"FLOAT", "4e38", NULL}, {"FLOAT", "0.25", "0.25"},
		{"VARCHAR", "\"it's $b {{c}}\"", "it's $b {{c}}"}, {"VARCHAR", "\"\"", ""}, {"VARCHAR", "1", NULL},
		{"DATE", "\"2024-02-29\"", "2024-02-29"}, {"DATE", "\"2025-02-29\"", NULL}, {"DATE", "\"1900-02-29\"", NULL},
		{"DATE", "\"2025-13-01\"", NULL}, {"DATE", "\"2025-1-1\"", NULL}, {"DATE", "\"2025-04-31\"", NULL},
		{"TIME", "\"23:59:59.999999\"", "23:59:59.999999"}, {"TIME", "\"24:00:00\"", NULL}, {"TIME", "\"1:00:00\"", NULL},
		{"TIME", "\"10:00:00.\"", NULL}, {"TIME", "\"10:00\"", NULL},
		{"TIMESTAMP", "\"2025-01-02T03:04:05\"", "2025-01-02 03:04:05"}, {"TIMESTAMP", "\"2025-01-02\"", "2025-01-02 00:00:00"},
		{"TIMESTAMP", "\"2025-01-02T03:04:05Z\"", NULL}, {"TIMESTAMP", "\"2025-01-02x03:04:05\"", NULL},
		{"TIMESTAMPTZ", "\"2025-01-02T03:04:05Z\"", "2025-01-02 03:04:05+00"},
		{"TIMESTAMPTZ", "\"2025-01-02 03:04:05.25-05:30\"", "2025-01-02 03:04:05.25-05:30"},
		{"TIMESTAMPTZ", "\"2025-01-02T03:04:05\"", NULL}, {"TIMESTAMPTZ", "\"2025-01-02T03:04:05+24\"", NULL},
		{"UUID", "\"0190A000-0000-7000-8000-000000000000\"", "0190a000-0000-7000-8000-000000000000"}, {"UUID", "\"x\"", NULL},
		{"INTEGER", "[1]", NULL}, {"INTEGER", "{}", NULL}, {"VARCHAR", "[]", NULL},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *values = arena_cstr(&f->arena, arena_fmt(&f->arena, "{\"a\": %s}", cases[i].value));
		struct bound b;
		bool ok = bind(f, cases[i].type, values, &b);

		if (ok != (cases[i].text != NULL))
			print_error("%s %s\n", cases[i].type, cases[i].value);
		assert_int_equal(ok, cases[i].text != NULL);
		if (ok)
			assert_str_equal(b.binds[0].value, cases[i].text);
		else
			assert_non_null(strstr(f->c.err.text, "`a`"));
		assert_int_equal(f->c.err.kind, ok ? ERR_NONE : ERR_INVALID_FIELD);
		call_forgive(&f->c);
	}
}

static void test_binding(void **state)
{
	static const struct view_variable v[] = {VAR_OF("a", "decimal(5,2)", "1.5"), VAR("name_2", "text")};
	struct fixture *f = *state;
	const json_node *o;
	struct bound b;

	assert_true(fine(f, variables_bind(&f->c, S("SELECT {{ a }}, {{name_2}}, {{a}} + 1"), v, 2, NULL, &b)));
	assert_str_equal(b.sql, "SELECT CAST($a AS DECIMAL(5,2)), CAST($name_2 AS VARCHAR), CAST($a AS DECIMAL(5,2)) + 1");
	assert_true(b.missing);
	assert_int_equal(b.canonical.n, 0);
	assert_int_equal(b.binds[1].type, ENGINE_B_NULL);
	assert_true(json_read_object(&f->c, S("{\"name_2\": \"q\\\"\", \"a\": \"1.50\"}"), &o));
	assert_true(fine(f, variables_bind(&f->c, S("SELECT {{a}}, {{name_2}}"), v, 2, o, &b)));
	assert_false(b.missing);
	assert_str_equal(b.canonical, "{\"a\":\"1.50\",\"name_2\":\"q\\\"\"}");
	assert_true(json_read_object(&f->c, S("{\"a\": 1.5}"), &o));
	assert_true(fine(f, variables_bind(&f->c, S("SELECT {{a}}"), v, 1, o, &b)));
	assert_int_equal(b.canonical.n, 0); /* the default, said again */
	assert_true(json_read_object(&f->c, S("{\"a\": null}"), &o));
	assert_true(fine(f, variables_bind(&f->c, S("SELECT {{a}}"), v, 1, o, &b)));
	assert_str_equal(b.canonical, "{\"a\":null}");
	assert_true(json_read_object(&f->c, S("{\"name_2\": null}"), &o));
	assert_true(fine(f, variables_bind(&f->c, S("SELECT {{name_2}}"), &v[1], 1, o, &b)));
	assert_false(b.missing);
	assert_str_equal(b.canonical, "{\"name_2\":null}"); /* not what a variable without a value is */
	assert_true(json_read_object(&f->c, S("{\"A\": 1}"), &o));
	expect_error(f, variables_bind(&f->c, S("SELECT {{a}}"), v, 1, o, &b), ERR_INVALID_FIELD);
}

/* --- documents --- */

static struct ice_field nested[] = {{.id = 3, .name = S_INIT("x"), .required = true, .type = {.kind = ICE_DECIMAL, .precision = 10, .scale = 2}}};
static struct ice_field element[] = {{.id = 4, .name = S_INIT("element"), .type = {.kind = ICE_STRUCT, .fields = nested, .nfields = 1}}};
static struct ice_field fields[] = {{.id = 1, .name = S_INIT("id"), .type = {.kind = ICE_LONG}},
				    {.id = 2, .name = S_INIT("l\""), .type = {.kind = ICE_LIST, .fields = element, .nfields = 1}}};

static struct session_doc a_doc(struct fixture *f)
{
	static const struct str order[] = {S_INIT("id desc"), S_INIT("$position")};
	struct id id = id_v4(), sql_id = id_v7();

	return (struct session_doc){
		.id = arena_dup(&f->arena, id_str(&id)), .space = S("s"), .sql_id = arena_dup(&f->arena, id_str(&sql_id)),
		.sql = S("SELECT 1"), .status = S("ready"), .owner = S("ann"), .created_ms = 1700000000000, .expires_ms = 1700000600000,
		.pin = {.snapshot_id = 77, .snapshot_ms = 1700000000123, .rows = 9, .schema_version = 2,
			.schema = {.id = 5, .fields = fields, .n = 2}, .manifest_list = S("metadata/snap.avro"), .location = S("file:///x"),
			.schema_hash = S("sha256:00"), .ordered = true},
		.order_by = order, .norder = 2, .own_order = true, .variables = S("{\"a\":\"1\",\"b\":null}")};
}

static void test_the_document_is_the_contracts(void **state)
{
	struct fixture *f = *state;
	struct session_doc d = a_doc(f);
	OWNS(buf) json = {0};
	struct str want;

	want = arena_fmt(&f->arena,
			 "{\"id\":\"%.*s\",\"space_id\":\"s\",\"sql_id\":\"%.*s\",\"sql\":\"SELECT 1\",\"status\":\"ready\","
			 "\"created_at\":\"2023-11-14T22:13:20.000Z\",\"expires_at\":\"2023-11-14T22:23:20.000Z\",\"error\":null,"
			 "\"view\":{\"sql_id\":\"%.*s\",\"snapshot_id\":77,\"snapshot_at\":\"2023-11-14T22:13:20.123Z\",\"schema_version\":2},"
			 "\"pagination\":{\"strategy\":\"offset\",\"order_by\":[\"id desc\",\"$position\"],\"default_limit\":50,"
			 "\"max_limit\":1000},\"count\":{\"mode\":\"on_demand\",\"cached_at\":null,\"value\":null}}",
			 SARG(d.id), SARG(d.sql_id), SARG(d.sql_id));
	session_doc_json(&json, &d, false);
	assert_str_equal(buf_str(&json), want.p);
	d.counted_ms = 1700000000000;
	d.count = 9;
	buf_clear(&json);
	session_doc_json(&json, &d, false);
	assert_true(str_ends(buf_str(&json), S("\"count\":{\"mode\":\"on_demand\",\"cached_at\":\"2023-11-14T22:13:20.000Z\",\"value\":9}}")));
	assert_null(memmem(json.p, json.n, "\"_", 2));
}

static void test_the_document_comes_back(void **state)
{
	struct fixture *f = *state;
	struct session_doc d = a_doc(f), back;
	OWNS(buf) one = {0}, two = {0};

	assert_true(fine(f, session_doc_put(&f->c, &f->v, &d, STORE_NEW)));
	assert_true(fine(f, session_doc_read(&f->c, &f->v, key_session(&f->c, d.space, d.id), &back)));
	session_doc_json(&one, &d, true);
	session_doc_json(&two, &back, true);
	assert_str_equal(buf_str(&two), buf_cstr(&one));
	assert_true(back.pin.ordered && back.own_order);
	assert_int_equal(back.pin.rows, 9);
	assert_int_equal(back.pin.schema.fields[1].type.fields[0].type.fields[0].type.scale, 2);
	assert_true(back.pin.schema.fields[1].type.fields[0].type.fields[0].required);
}

static void store_text(struct fixture *f, struct str key, struct str text)
{
	assert_true(f->v.o.store->ops->put(&f->c, f->v.o.store, key, text, STORE_REPLACE));
}

/* Every prefix of it, and with each of its members gone wrong. */
static void test_what_is_no_document(void **state)
{
	static const char *const wrong[][2] = {
		{"\"snapshot_id\":77", "\"snapshot_id\":-1"}, {"\"fields\":[", "\"fields\":[1,"}, {"\"long\"", "\"lonk\""},
		{"\"list\"", "\"map\""}, {"\"order_by\":[", "\"order_by\":[1,"}, {"\"id\":1", "\"id\":0"}, {"2023-11-14T22:23:20", "soon"},
		{"\"_manifest_list\"", "\"_x\""}, {"\"pagination\"", "\"p\""}, {"\"count\"", "\"c\""}, {"\"view\"", "\"v\""},
	};
	struct fixture *f = *state;
	struct session_doc d = a_doc(f), back;
	struct str key = key_session(&f->c, d.space, d.id);
	OWNS(buf) json = {0};

	session_doc_json(&json, &d, true);
	for (size_t n = 0; n < json.n; n += 7) {
		store_text(f, key, str_head(buf_str(&json), n));
		expect_error(f, session_doc_read(&f->c, &f->v, key, &back), ERR_CORRUPT_TABLE);
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		size_t at = str_search(buf_str(&json), str_of(wrong[i][0]));

		assert_true(at < json.n);
		store_text(f, key, arena_fmt(&f->arena, "%.*s%s%s", (int)at, json.p, wrong[i][1],
					     buf_cstr(&json) + at + strlen(wrong[i][0])));
		if (session_doc_read(&f->c, &f->v, key, &back))
			print_error("%s\n", wrong[i][1]);
		assert_int_equal(f->c.err.kind, ERR_CORRUPT_TABLE);
		call_forgive(&f->c);
	}
}

static void test_a_late_write_does_not_bring_it_back(void **state)
{
	struct fixture *f = *state;
	struct session_doc d = a_doc(f), back;

	assert_true(fine(f, session_doc_put(&f->c, &f->v, &d, STORE_NEW)));
	assert_true(fine(f, session_doc_put(&f->c, &f->v, &d, STORE_REPLACE)));
	assert_true(fine(f, session_doc_drop(&f->c, &f->v, d.space, d.id)));
	expect_error(f, session_doc_put(&f->c, &f->v, &d, STORE_REPLACE), ERR_NOT_FOUND);
	expect_error(f, session_doc_read(&f->c, &f->v, key_session(&f->c, d.space, d.id), &back), ERR_NOT_FOUND);
}

static void test_who_sees_it_and_until_when(void **state)
{
	struct fixture *f = *state;
	struct session_doc d = a_doc(f), back;

	d.expires_ms = clock_wall_ms() + 60000;
	assert_true(fine(f, session_doc_put(&f->c, &f->v, &d, STORE_NEW)));
	store_text(f, key_saved(&f->c, d.space, d.sql_id), S("{}"));
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back), ERR_NOT_FOUND);
	f->c.principal = S("bob");
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back), ERR_NOT_FOUND);
	expect_error(f, view_session_drop(&f->c, &f->v, d.space, d.id), ERR_NOT_FOUND);
	f->c.role = ROLE_ADMIN;
	assert_true(fine(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back)));
	f->c = (struct call){.arena = &f->arena, .tenant = S("acme"), .principal = S("ann")};
	assert_true(fine(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back)));
	f->c.tenant = S("other");
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back), ERR_NOT_FOUND);
	f->c.tenant = S("acme");
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, S("../x"), &back), ERR_NOT_FOUND);
	assert_true(f->v.o.store->ops->drop(&f->c, f->v.o.store, key_saved(&f->c, d.space, d.sql_id)));
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back), ERR_VIEW_DELETED);
	clock_advance(60001);
	f->c.principal = S("bob");
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back), ERR_NOT_FOUND);
	f->c.principal = S("ann");
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back), ERR_SESSION_EXPIRED);
	expect_error(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back), ERR_NOT_FOUND);
	assert_int_equal(atomic_load(&f->v.expired), 1);
}

static void test_a_dead_servers_session_reads_as_failed(void **state)
{
	struct fixture *f = *state;
	struct session_doc d = a_doc(f), back;

	d.pin = (struct pin){0};
	d.status = S("running");
	d.owner = S("");
	d.expires_ms = clock_wall_ms() + 3600000;
	d.attempt.until_ms = clock_wall_ms() + 1000;
	assert_true(fine(f, session_doc_put(&f->c, &f->v, &d, STORE_NEW)));
	store_text(f, key_saved(&f->c, d.space, d.sql_id), S("{}"));
	assert_true(fine(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back)));
	assert_str_equal(back.status, "running");
	clock_advance(1001);
	assert_true(fine(f, session_doc_get(&f->c, &f->v, d.space, d.id, &back)));
	assert_str_equal(back.status, "failed");
	assert_true(back.error.n > 0);
}

/* --- entries --- */

static struct entry an_entry(struct fixture *f, const char *name, const char *sql)
{
	static const struct str order[] = {S_INIT("b"), S_INIT("a desc")};
	static const struct view_variable v[] = {VAR("a", "int"), VAR_OF("b", "text", "\"x\""), VAR_OF("c", "double", "1.5")};
	struct id id = id_v7(), revision = id_v4();

	return (struct entry){
		.saved = {.id = arena_dup(&f->arena, id_str(&id)), .name = str_of(name), .sql = str_of(sql), .order_by = order, .norder = 2,
			  .variables = v, .nvariables = 3, .revision_id = arena_dup(&f->arena, id_str(&revision)),
			  .created_ms = 1700000000001, .updated_ms = 1700000000002},
		.revision = 3, .principal = S("ann")};
}

static void test_entries_come_back(void **state)
{
	struct fixture *f = *state;
	struct entry e = an_entry(f, "näme", "SELECT {{a}}, '\n'"), back;
	OWNS(buf) one = {0}, two = {0};

	e.saved.view.error = S("no");
	e.attempt.until_ms = 5;
	e.building_from = 4;
	assert_true(fine(f, entry_store(&f->c, &f->v, S("s"), &e, STORE_NEW)));
	expect_error(f, entry_store(&f->c, &f->v, S("s"), &e, STORE_NEW), ERR_CONFLICT);
	assert_true(fine(f, entry_read(&f->c, &f->v, S("s"), e.saved.id, &back)));
	entry_put(&one, &e);
	entry_put(&two, &back);
	assert_str_equal(buf_str(&two), buf_cstr(&one));
	for (size_t n = 0; n < one.n; n += 5) {
		store_text(f, key_saved(&f->c, S("s"), e.saved.id), str_head(buf_str(&one), n));
		expect_error(f, entry_read(&f->c, &f->v, S("s"), e.saved.id, &back), ERR_CORRUPT_TABLE);
	}
}

static void test_entries_found_by_what_they_say(void **state)
{
	struct fixture *f = *state;
	struct entry a = an_entry(f, "One", "SELECT 1"), b = an_entry(f, "one", "SELECT 2"), adhoc = an_entry(f, "", "SELECT 1"), found;
	struct id id = id_v4();
	struct str *ids;
	bool is;
	int n;

	adhoc.saved.id = id_str(&id);
	adhoc.adhoc = true;
	assert_true(entry_store(&f->c, &f->v, S("s"), &adhoc, STORE_NEW));
	assert_true(entry_by_sql(&f->c, &f->v, S("s"), S("SELECT 1"), &found, &is));
	assert_false(is);
	assert_true(entry_store(&f->c, &f->v, S("s"), &a, STORE_NEW) && entry_store(&f->c, &f->v, S("s"), &b, STORE_NEW));
	clock_advance(3600000); /* what is settled is remembered */
	for (int i = 0; i < 3; i++) {
		assert_true(entry_by_sql(&f->c, &f->v, S("s"), S("SELECT 1"), &found, &is));
		assert_true(is);
		assert_true(str_eq(found.saved.id, a.saved.id));
		assert_true(entry_by_sql(&f->c, &f->v, S("s"), S("select 1"), &found, &is));
		assert_false(is);
		assert_true(entry_by_name(&f->c, &f->v, S("s"), S("ONE"), &ids, &n));
		assert_int_equal(n, 2);
	}
	a.saved.sql = S("SELECT 3, 4");
	assert_true(entry_store(&f->c, &f->v, S("s"), &a, STORE_REPLACE));
	assert_true(entry_by_sql(&f->c, &f->v, S("s"), S("SELECT 1"), &found, &is));
	assert_false(is);
	assert_true(entry_by_sql(&f->c, &f->v, S("s"), S("SELECT 3, 4"), &found, &is));
	assert_true(is);
	assert_true(f->v.o.store->ops->drop(&f->c, f->v.o.store, key_saved(&f->c, S("s"), a.saved.id)));
	assert_true(entry_by_sql(&f->c, &f->v, S("s"), S("SELECT 3, 4"), &found, &is));
	assert_false(is);
}

static void test_pages_of_ids(void **state)
{
	struct fixture *f = *state;
	struct view_page page = {.limit = 2};
	struct str *ids;
	int n, all = 0;

	for (int i = 0; i < 5; i++) {
		struct entry e = an_entry(f, "n", "SELECT 1");

		assert_true(entry_store(&f->c, &f->v, S("s"), &e, STORE_NEW));
	}
	store_text(f, key_saved_deleted(&f->c, S("s"), S("0190a000-0000-7000-8000-000000000000")), S("x"));
	do {
		assert_true(entry_ids(&f->c, &f->v, S("s"), &page, &ids, &n));
		all += n;
		page.after = page.next;
	} while (page.next.n);
	assert_int_equal(all, 5);
}

static void test_sessions_of_a_space_are_counted(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->v.o.store;
	struct store_entry *e;
	size_t n;

	for (int i = 0; i < 2; i++) {
		struct session_doc d = a_doc(f);

		assert_true(fine(f, memo_session(&f->c, &f->v, S("s"))));
		assert_true(session_doc_put(&f->c, &f->v, &d, STORE_NEW));
	}
	expect_error(f, memo_session(&f->c, &f->v, S("s")), ERR_QUOTA);
	assert_true(fine(f, memo_session(&f->c, &f->v, S("t"))));
	assert_true(s->ops->list(&f->c, s, key_space(&f->c, S("s"), "/sql_sessions/"), S(""), &e, &n));
	assert_int_equal(n, 2);
	assert_true(s->ops->drop(&f->c, s, e[0].key));
	clock_advance(1001);
	assert_true(fine(f, memo_session(&f->c, &f->v, S("s"))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_declared_and_used_agree), CASE(test_names_types_and_defaults), CASE(test_values_fit_their_types),
		CASE(test_binding), CASE(test_the_document_is_the_contracts), CASE(test_the_document_comes_back),
		CASE(test_what_is_no_document), CASE(test_a_late_write_does_not_bring_it_back), CASE(test_who_sees_it_and_until_when),
		CASE(test_a_dead_servers_session_reads_as_failed), CASE(test_entries_come_back), CASE(test_entries_found_by_what_they_say),
		CASE(test_pages_of_ids), CASE(test_sessions_of_a_space_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
