/* conf_test.c - options from defaults, file, environment and flags, and their errors. */
#include "conf/conf_int.h"

#include "folder.h"
#include "test.h"

#include <stdio.h>
#include <unistd.h>

struct fixture {
	struct arena arena;
	struct call c;
	struct conf f;
	char dir[FOLDER_PATH_MAX];
	char file[FOLDER_PATH_MAX + 8]; /* in dir; empty = none */
};

static int open_fixture(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	call_open(&t->c, &t->arena);
	folder_make(t->dir);
	*state = t;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *t = *state;

	folder_remove(t->dir);
	arena_close(&t->arena);
	free(t);
	return 0;
}

static void write_file(struct fixture *t, struct str text)
{
	FILE *f;

	snprintf(t->file, sizeof(t->file), "%s/conf", t->dir);
	f = fopen(t->file, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	fclose(f);
}

/* Loads with a file of this text, one variable and one --set; NULL = none. */
static bool load(struct fixture *t, const char *yaml, const char *variable, const char *set)
{
	char *env[] = {(char *)variable, NULL};
	struct str sets[] = {str_of(set)};

	call_forgive(&t->c);
	t->file[0] = '\0';
	if (yaml)
		write_file(t, str_of(yaml));
	return conf_load(&t->c, str_of(t->file), sets, set ? 1 : 0, variable ? env : NULL, &t->f);
}

static void assert_refused(struct fixture *t, bool loaded, const char *says)
{
	assert_false(loaded);
	if (!strstr(t->c.err.text, says))
		print_error("got: %s\n", t->c.err.text);
	assert_non_null(strstr(t->c.err.text, says));
}

static void defaults_are_the_table(void **state)
{
	struct fixture *t = *state;

	assert_true(load(t, NULL, NULL, NULL));
	assert_int_equal(t->f.server_listen.n, 1);
	assert_str_equal(t->f.server_listen.v[0], "127.0.0.1:8484");
	assert_int_equal(t->f.server_hosts.n, 0);
	assert_str_equal(t->f.auth_mode, "none");
	assert_false(t->f.auth_require_tenant);
	assert_int_equal(t->f.snowflake_sync_wait_seconds, 45);
	assert_int_equal(t->f.caps.result_bytes, 10737418240);
	assert_ptr_equal(conf_caps_of(&t->f, S("acme")), &t->f.caps);
}

static void later_sources_win(void **state)
{
	struct fixture *t = *state;
	const char *yaml = "server: {drain_seconds: 1, idle_seconds: 1, head_seconds: 1}\n";
	char *env[] = {"MAYFLY_SERVER_IDLE_SECONDS=2", "MAYFLY_SERVER_HEAD_SECONDS=2", NULL};
	struct str sets[] = {S("server.head_seconds=3"), S("server.head_seconds=4")};

	write_file(t, str_of(yaml));
	assert_true(conf_load(&t->c, str_of(t->file), sets, 2, env, &t->f));
	assert_int_equal(t->f.server_drain_seconds, 1);
	assert_int_equal(t->f.server_idle_seconds, 2);
	assert_int_equal(t->f.server_head_seconds, 4);
}

static void postgres_dsn_is_weaker_than_any_source_of_ours(void **state)
{
	struct fixture *t = *state;

	assert_true(load(t, NULL, "POSTGRES_DSN=host=there", NULL));
	assert_str_equal(t->f.runner_postgres_dsn, "host=there");
	assert_true(load(t, "runner: {postgres: {dsn: host=mine}}", "POSTGRES_DSN=host=there", NULL));
	assert_str_equal(t->f.runner_postgres_dsn, "host=mine");
	assert_true(load(t, NULL, NULL, NULL));
	assert_int_equal(t->f.runner_postgres_dsn.n, 0);
}

static void lists_come_as_sequences_or_with_commas(void **state)
{
	struct fixture *t = *state;

	assert_true(load(t, "server:\n  listen:\n    - unix:/run/m.sock\n    - '[::1]:1'\n", NULL, NULL));
	assert_int_equal(t->f.server_listen.n, 2);
	assert_str_equal(t->f.server_listen.v[1], "[::1]:1");
	assert_true(load(t, NULL, "MAYFLY_SERVER_LISTEN=a:1, b:2", NULL));
	assert_int_equal(t->f.server_listen.n, 2);
	assert_str_equal(t->f.server_listen.v[1], "b:2");
	assert_true(load(t, "server: {hosts: [x]}", NULL, "server.hosts="));
	assert_int_equal(t->f.server_hosts.n, 0);
	assert_refused(t, load(t, NULL, NULL, "server.listen=a:1,,b:2"), "--set: server.listen has an empty element");
	assert_refused(t, load(t, NULL, NULL, "server.listen="), "server.listen is empty");
}

static void a_tenant_overrides_the_final_caps(void **state)
{
	struct fixture *t = *state;
	const char *yaml = "tenants:\n  overrides:\n    acme:\n      threads: 7\n  memory_bytes: 100000000\n";
	const struct conf_caps *acme;

	assert_true(load(t, yaml, "MAYFLY_TENANTS_MEMORY_BYTES=200000000", "tenants.overrides.acme.max_statements=5"));
	acme = conf_caps_of(&t->f, S("acme"));
	assert_int_equal(acme->threads, 7);
	assert_int_equal(acme->memory_bytes, 200000000);
	assert_int_equal(acme->max_statements, 5);
	assert_int_equal(conf_caps_of(&t->f, S("other"))->threads, 2);
	assert_refused(t, load(t, "tenants: {overrides: {Acme: {threads: 1}}}", NULL, NULL), "not a tenant's name");
	assert_refused(t, load(t, "tenants: {overrides: {acme: {thread: 1}}}", NULL, NULL), "unknown option");
	assert_refused(t, load(t, "tenants: {overrides: {acme: 1}}", NULL, NULL), "unknown option");
}

static void an_error_says_where_and_what_was_expected(void **state)
{
	struct fixture *t = *state;

	assert_refused(t, load(t, "log:\n  level: info\nserver:\n  loops: many\n", NULL, NULL),
		       ":4: server.loops takes a whole number from 0 to 64, not \"many\"");
	assert_refused(t, load(t, NULL, "MAYFLY_SERVER_LOOPS=65", NULL), "MAYFLY_SERVER_LOOPS: server.loops takes");
	assert_refused(t, load(t, NULL, NULL, "server.loops=-1"), "--set: server.loops takes");
	assert_refused(t, load(t, NULL, NULL, "server.loops= 1"), "not \" 1\"");
	assert_refused(t, load(t, NULL, NULL, "tenants.memory_bytes=1"), "a whole number of at least 67108864");
	assert_refused(t, load(t, NULL, NULL, "auth.require_tenant=yes"), "true or false");
	assert_refused(t, load(t, NULL, NULL, "log.format=xml"), "one of auto, text, json");
	assert_refused(t, load(t, NULL, NULL, "server.loops"), "expected key=value");
	assert_refused(t, load(t, "data: {dir: }", NULL, NULL), "data.dir has no value");
	assert_refused(t, load(t, "data: {dir: [a, b]}", NULL, NULL), "not a list");
	assert_refused(t, load(t, "data: {dir: \"a\\0b\"}", NULL, NULL), "control character");
	assert_int_equal(t->c.err.kind, ERR_INVALID_FIELD);
}

static void unknown_keys_are_refused_with_the_nearest(void **state)
{
	struct fixture *t = *state;

	assert_refused(t, load(t, "server:\n  listn: x\n", NULL, NULL),
		       ":2: unknown option server.listn; did you mean server.listen?");
	assert_int_equal(t->c.err.kind, ERR_UNKNOWN_FIELD);
	assert_refused(t, load(t, NULL, NULL, "listen=x"), "did you mean server.listen?");
	assert_refused(t, load(t, NULL, "MAYFLY_SERVER_LISTN=x", NULL), "did you mean MAYFLY_SERVER_LISTEN?");
	assert_refused(t, load(t, NULL, NULL, "server=x"), "server is a section, not an option");
	assert_refused(t, load(t, NULL, NULL, "zzzzzzzzzzzzzz=x"), "unknown option zzzzzzzzzzzzzz");
	assert_null(strstr(t->c.err.text, "did you mean"));
	assert_true(load(t, NULL, "MAYFLY_BINARY=/usr/bin/mayfly", NULL));
	assert_true(load(t, NULL, "HOME=/root", NULL));
}

static void every_row_has_a_variable_of_its_own(void **state)
{
	struct fixture *t = *state;

	for (const struct conf_row *row = conf_options; row->key; row++) {
		OWNS(buf) text = {0};

		conf_env_name("", row->key, &text);
		buf_fmt(&text, "=%s", row->type == CONF_T_TEXT ? "x" : row->dflt);
		if (str_eq(str_of(row->key), S("server.tls_cert")) || str_eq(str_of(row->key), S("server.tls_key")))
			assert_refused(t, load(t, NULL, buf_cstr(&text), NULL), "go together");
		else
			assert_true(load(t, NULL, buf_cstr(&text), NULL));
	}
}

static struct str pair(const struct conf *f, const char *key)
{
	for (int i = 0; i < f->storage_options.n; i++)
		if (str_eq(f->storage_options.v[i].key, str_of(key)))
			return f->storage_options.v[i].value;
	return S("");
}

static void a_library_s_section_takes_its_own_keys(void **state)
{
	struct fixture *t = *state;
	OWNS(buf) many = {0};

	assert_true(load(t, "storage: {scheme: s3, bucket: a, region: here}\n", "MAYFLY_STORAGE_SECRET_ACCESS_KEY=hush",
			 "storage.bucket=b"));
	assert_str_equal(t->f.storage_scheme, "s3");
	assert_int_equal(t->f.storage_options.n, 3);
	assert_str_equal(pair(&t->f, "bucket"), "b");
	assert_str_equal(pair(&t->f, "region"), "here");
	assert_str_equal(pair(&t->f, "secret_access_key"), "hush");
	assert_true(load(t, "storage:\n", NULL, NULL));
	assert_int_equal(t->f.storage_options.n, 0);
	assert_refused(t, load(t, NULL, NULL, "storage.a-b=x"), "keys of storage are made of");
	assert_refused(t, load(t, "storage: s3", NULL, NULL), "storage takes keys with a text each");
	assert_refused(t, load(t, "storage: {bucket: [a]}", NULL, NULL), "not a list");
	assert_refused(t, load(t, "storage: {bucket: \"hush\\0\"}", NULL, NULL), "control character");
	assert_null(strstr(t->c.err.text, "hush"));
	buf_lit(&many, "storage:\n");
	for (int i = 0; i < 65; i++)
		buf_fmt(&many, "  k%d: x\n", i);
	assert_refused(t, load(t, buf_cstr(&many), NULL, NULL), "more than 64 keys");
}

static void duplicates_are_refused(void **state)
{
	struct fixture *t = *state;

	assert_refused(t, load(t, "server:\n  loops: 1\n  loops: 2\n", NULL, NULL), ":3: server.loops is given twice");
	assert_refused(t, load(t, "server: {loops: 1}\nserver: {loops: 1}\n", NULL, NULL), ":2: server is given twice");
	assert_refused(t, load(t, "server.loops: 1\nserver: {loops: 1}\n", NULL, NULL), "given twice");
}

static void a_file_must_be_one_plain_mapping(void **state)
{
	static const struct {
		const char *yaml, *says;
	} wrong[] = {
		{"- a\n", "must be a mapping"},
		{"text\n", "must be a mapping"},
		{"server: {loops: 1\n", ":2: "},
		{"server:\n\tloops: 1\n", ":2: "},
		{"a: &x 1\nb: *x\n", "anchors and tags"},
		{"server: &x {loops: 1}\n", "anchors and tags"},
		{"server: !!map {loops: 1}\n", "anchors and tags"},
		{"server: {listen: [[a]]}\n", "a list may hold texts only"},
		{"{[a]: 1}\n", "a key must be text"},
		{"log: {level: info}\n---\nlog: {level: warn}\n", "one document"},
		{"a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}\n", "nested too deep"},
		{"\xFF\xFE\xFA\n", ":1: "},
	};

	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_refused(*state, load(*state, wrong[i].yaml, NULL, NULL), wrong[i].says);
	assert_true(load(*state, "", NULL, NULL));
	assert_true(load(*state, "# nothing\n", NULL, NULL));
	assert_true(load(*state, "server:\n  # all commented out\nlog: ~\n", NULL, NULL));
}

static void files_and_values_have_limits(void **state)
{
	struct fixture *t = *state;
	OWNS(buf) text = {0};

	buf_lit(&text, "server: {listen: [a");
	for (int i = 1; i < CONF_MAX_ITEMS; i++)
		buf_lit(&text, ",a");
	buf_lit(&text, "]}");
	assert_true(load(t, buf_cstr(&text), NULL, NULL));
	assert_int_equal(t->f.server_listen.n, CONF_MAX_ITEMS);
	text.n -= 2;
	buf_lit(&text, ",a]}");
	assert_refused(t, load(t, buf_cstr(&text), NULL, NULL), "too many elements");
	buf_clear(&text);
	buf_lit(&text, "data.dir=");
	for (int i = 0; i <= CONF_MAX_TEXT; i++)
		buf_addc(&text, 'x');
	assert_refused(t, load(t, NULL, NULL, buf_cstr(&text)), "longer than 4096 bytes");
	buf_clear(&text);
	while (text.n <= CONF_MAX_FILE)
		buf_lit(&text, "# a comment that fills the file\n");
	assert_refused(t, load(t, buf_cstr(&text), NULL, NULL), "the file is larger than");
	call_forgive(&t->c);
	assert_false(conf_load(&t->c, S("/nonexistent/mayfly.yaml"), NULL, 0, NULL, &t->f));
	assert_non_null(strstr(t->c.err.text, "/nonexistent/mayfly.yaml: "));
	call_forgive(&t->c);
	assert_false(conf_load(&t->c, S("/tmp"), NULL, 0, NULL, &t->f));
}

static void options_that_go_together_are_checked(void **state)
{
	struct fixture *t = *state;

	assert_refused(t, load(t, NULL, NULL, "server.tls_cert=a.pem"), "go together");
	assert_true(load(t, "server: {tls_cert: a.pem, tls_key: b.pem}", NULL, NULL));
	assert_refused(t, load(t, NULL, NULL, "auth.mode=jwt"), "auth.jwt_keys");
	assert_refused(t, load(t, NULL, NULL, "snowflake_api.statement_storage.max_ttl_seconds=60"), "larger than");
}

static void ret_is_written_only_on_success(void **state)
{
	struct fixture *t = *state;

	t->f.server_loops = 77;
	assert_false(load(t, NULL, NULL, "server.loops=x"));
	assert_int_equal(t->f.server_loops, 77);
}

static void documents_name_every_row(void **state)
{
	(void)state;
	for (int form = CONF_MARKDOWN; form <= CONF_HELP; form++) {
		OWNS(buf) out = {0};

		conf_document((enum conf_doc)form, &out);
		for (const struct conf_row *row = conf_options; row->key; row++)
			assert_non_null(strstr(buf_cstr(&out), row->key));
		for (const struct conf_row *row = conf_caps_rows; row->key; row++)
			assert_non_null(strstr(buf_cstr(&out), row->key));
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(defaults_are_the_table),
		CASE(later_sources_win),
		CASE(postgres_dsn_is_weaker_than_any_source_of_ours),
		CASE(lists_come_as_sequences_or_with_commas),
		CASE(a_tenant_overrides_the_final_caps),
		CASE(an_error_says_where_and_what_was_expected),
		CASE(unknown_keys_are_refused_with_the_nearest),
		CASE(every_row_has_a_variable_of_its_own),
		CASE(a_library_s_section_takes_its_own_keys),
		CASE(duplicates_are_refused),
		CASE(a_file_must_be_one_plain_mapping),
		CASE(files_and_values_have_limits),
		CASE(options_that_go_together_are_checked),
		CASE(ret_is_written_only_on_success),
		cmocka_unit_test(documents_name_every_row),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
