/* stmt_record_test.c - what stores keep of a statement as one JSON text: it reads back, and what is damaged is refused. */
#include "rows/rows.h"
#include "statement/store.h"

#include "test.h"

struct fixture {
	struct arena a;
	struct call c;
	struct buf columns, text;
};

static void open_fixture(struct fixture *f)
{
	const struct engine_column columns[] = {
		{.name = S("n\"ä"), .type = S("DECIMAL(10,2)"), .kind = ENGINE_T_DECIMAL, .precision = 10, .scale = 2, .nullable = true},
		{.name = S(""), .type = S("VARCHAR"), .kind = ENGINE_T_TEXT},
	};

	*f = (struct fixture){0};
	call_open(&f->c, &f->a);
	engine_pack_columns(columns, 2, &f->columns);
}

static void close_fixture(struct fixture *f)
{
	buf_drop(&f->columns);
	buf_drop(&f->text);
	arena_close(&f->a);
}

static struct str text_of(struct fixture *f, const struct stmt_record *r)
{
	buf_clear(&f->text);
	stmt_metadata_text(r, &f->text);
	return arena_dup(&f->a, buf_str(&f->text));
}

/* What a store knows by its own columns before it asks for the rest. */
static struct stmt_record known(const struct stmt_record *r)
{
	return (struct stmt_record){.handle = r->handle, .state = r->state, .rows = r->rows};
}

static const struct stmt_kept_part parts[] = {{1024, 700, 9000, true}, {0, 0, 0, false}, {CONVERT_PLAIN_MAX, 300, 77, true}};

static struct stmt_record succeeded(struct fixture *f)
{
	return (struct stmt_record){
		.handle = S("0192f0c0-0000-7000-8000-000000000001"), .tenant = S("acme"), .sql = S("SELECT 'secret'"),
		.request_id = S("req \"1\"\n"), .claim = {"k\0\xff\n", 4}, .snowflake = true, .null_text = true, .detached = true, .status_shape = true,
		.kind = SQL_SELECT, .state = STMT_SUCCEEDED, .ttl_ms = 3600000, .timeout_ms = 5, .rows = 1000, .row_bytes = 9077,
		.query_tag = {"tag\0\xff", 5}, .several = true,
		.children = S("0192f0c0-1234-7abc-8def-0000000000020192f0c0-1234-7abc-8def-000000000003"),
		.counts = {1, 2, INT64_MAX}, .columns = buf_str(&f->columns), .nparts = 3, .parts = parts,
	};
}

static void all_of_it_reads_back(void **state)
{
	struct fixture f;
	struct stmt_record r, got;

	(void)state;
	open_fixture(&f);
	r = succeeded(&f);
	got = known(&r);
	assert_true(stmt_metadata_read(&f.c, text_of(&f, &r), &got));
	assert_true(str_eq(got.request_id, r.request_id) && str_eq(got.claim, r.claim) && str_eq(got.columns, r.columns));
	assert_true(got.snowflake && got.null_text && got.detached && got.status_shape && got.several);
	assert_true(str_eq(got.query_tag, r.query_tag) && str_eq(got.children, r.children));
	assert_true(got.kind == r.kind && got.ttl_ms == r.ttl_ms && got.timeout_ms == r.timeout_ms && got.row_bytes == r.row_bytes);
	assert_memory_equal(&got.counts, &r.counts, sizeof(r.counts));
	assert_int_equal(got.nparts, 3);
	for (int i = 0; i < 3; i++)
		assert_true(got.parts[i].stored == parts[i].stored && got.parts[i].rows == parts[i].rows &&
			    got.parts[i].row_bytes == parts[i].row_bytes && got.parts[i].gzip == parts[i].gzip);
	assert_null(got.error);
	assert_true(str_search(buf_str(&f.text), S("secret")) == f.text.n); /* the SQL is a column's */
	close_fixture(&f);
}

static void an_error_reads_back_and_a_new_one_has_little(void **state)
{
	struct stmt_error e = {.kind = ERR_STATEMENT_TIMEOUT, .text = S("too\nlong"), .snowflake = S("ö"), .sqlstate = "57014",
			       .native = "000630", .position = 12};
	struct stmt_record r = {.handle = S("h"), .kind = SQL_UNKNOWN}, got;
	struct fixture f;

	(void)state;
	open_fixture(&f);
	got = known(&r);
	assert_true(stmt_metadata_read(&f.c, text_of(&f, &r), &got));
	assert_true(!got.error && !got.nparts && !got.columns.n && !got.claim.n && got.kind == SQL_UNKNOWN && !got.snowflake);
	r.state = STMT_FAILED;
	r.error = &e;
	got = known(&r);
	assert_true(stmt_metadata_read(&f.c, text_of(&f, &r), &got));
	assert_true(got.error->kind == e.kind && got.error->position == 12);
	assert_str_equal(got.error->text, "too\nlong");
	assert_str_equal(got.error->snowflake, "ö");
	assert_string_equal(got.error->sqlstate, "57014");
	assert_string_equal(got.error->native, "000630");
	close_fixture(&f);
}

static void expect_damaged(struct fixture *f, const struct stmt_record *as, struct str text)
{
	struct stmt_record got = known(as);

	assert_false(stmt_metadata_read(&f->c, text, &got));
	assert_int_equal(f->c.err.kind, ERR_STORAGE);
	assert_non_null(strstr(f->c.err.text, "statement"));
	assert_true(!got.nparts && !got.columns.p && !got.error); /* as it was */
	call_forgive(&f->c);
}

static struct str with(struct fixture *f, struct str text, const char *old, const char *new)
{
	size_t at = str_search(text, str_of(old));

	assert_true(at < text.n);
	return arena_fmt(&f->a, "%.*s%s%.*s", (int)at, text.p, new, (int)(text.n - at - strlen(old)), text.p + at + strlen(old));
}

static void damage_is_told(void **state)
{
	static const char *const changes[][2] = {
		{"\"version\":1", "\"version\":2"}, {"\"version\":1,", ""}, {"\"SELECT\"", "\"SELECTED\""}, {"\"kind\":", "\"kinds\":"},
		{"\"ttl_ms\":3600000", "\"ttl_ms\":-1"}, {"\"ttl_ms\":3600000", "\"ttl_ms\":1.5"}, {"\"snowflake\":true", "\"snowflake\":1"},
		{"[1024,", "[1024,1,"}, {"[1024,", "[-1,"}, {"[1024,", "[\"1024\","}, {"700", "701"}, {"9000", "9001"}, {"9000,1", "9000,2"},
		{"536870912", "536870913"}, {"\"parts\":[", "\"party\":["}, {"\"row_bytes\":9077", "\"row_bytes\":9078"},
		{"\"columns\":\"", "\"columns\":\"AAAA"}, {"\"columns\":\"", "\"columns\":\"!"}, {"\"claim\":\"", "\"claim\":\"="},
		{"\"children\":\"", "\"children\":\"x"}, {"\"children\":\"0192f0c0-", "\"children\":\"../../x/-"}, {"\"query_tag\":\"", "\"query_tag\":\"!"},
		{"{", "["}, {"{", ""}, {"{", "{\"kind\":\"SELECT\","}, {"9077,", "9077,\"error\":{},"}, {"9077,", "9077,\"error\":1,"},
	};
	struct stmt_record r;
	struct fixture f;
	struct str text;

	(void)state;
	open_fixture(&f);
	r = succeeded(&f);
	text = text_of(&f, &r);
	for (size_t i = 0; i < COUNT_OF(changes); i++)
		expect_damaged(&f, &r, with(&f, text, changes[i][0], changes[i][1]));
	for (size_t n = 0; n < text.n; n++)
		expect_damaged(&f, &r, str_head(text, n));
	r.rows = 999; /* another column says so */
	expect_damaged(&f, &r, text);
	r.rows = 1000;
	r.state = STMT_RUNNING;
	expect_damaged(&f, &r, text);
	close_fixture(&f);
}

static void an_error_that_is_none_is_damage(void **state)
{
	static const char *const changes[][2] = {
		{"\"canceled\"", "\"cancelled\""}, {"\"canceled\"", "\"ok\""}, {"57014", "570145"}, {"000604", "00060400"},
		{"\"position\":0", "\"position\":-1"}, {"\"text\":\"\"", "\"text\":7"}, {"\"error\":", "\"errors\":"}, {"57014", "5\\u000014"},
	};
	struct stmt_error e = {.kind = ERR_CANCELED, .sqlstate = "57014", .native = "000604"};
	struct stmt_record r = {.handle = S("h"), .state = STMT_CANCELED, .error = &e};
	struct fixture f;
	struct str text;

	(void)state;
	open_fixture(&f);
	text = text_of(&f, &r);
	for (size_t i = 0; i < COUNT_OF(changes); i++)
		expect_damaged(&f, &r, with(&f, text, changes[i][0], changes[i][1]));
	r.state = STMT_SUCCEEDED;
	expect_damaged(&f, &r, text);
	close_fixture(&f);
}

/* Whatever a byte is changed to, it is read or it is damage. */
static void any_byte_may_be_another(void **state)
{
	struct stmt_record r;
	struct fixture f;
	struct str text;
	int refused = 0;

	(void)state;
	open_fixture(&f);
	r = succeeded(&f);
	text = text_of(&f, &r);
	for (size_t i = 0; i < text.n; i++) {
		static const char others[] = {0, '"', '9', ']', (char)0xff};

		for (size_t k = 0; k < COUNT_OF(others); k++) {
			struct stmt_record got = known(&r);
			OWNS(arena) a = {0};
			struct call c;
			char *changed;

			call_open(&c, &a);
			changed = arena_cstr(&a, text);
			changed[i] = others[k];
			if (stmt_metadata_read(&c, str_from(changed, text.n), &got))
				continue;
			assert_int_equal(c.err.kind, ERR_STORAGE);
			refused++;
		}
	}
	assert_true(refused > (int)text.n);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_reads_back),
		cmocka_unit_test(an_error_reads_back_and_a_new_one_has_little),
		cmocka_unit_test(damage_is_told),
		cmocka_unit_test(an_error_that_is_none_is_damage),
		cmocka_unit_test(any_byte_may_be_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
