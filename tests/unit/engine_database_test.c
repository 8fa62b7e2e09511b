/* engine_database_test.c - a tenant's databases, and where its statements look up names; with real workers. */
#include "catalog_rig.h"

#include <fcntl.h>

static struct engine_ask verb_of(enum engine_verb verb, const char *database)
{
	struct engine_ask ask = ask_of(NULL, "");

	ask.verb = verb;
	ask.context.database = str_of(database);
	ask.counts = ENGINE_STATUS;
	ask.helpers = true;
	return ask;
}

static struct done create(const char *database)
{
	struct engine_ask ask = verb_of(ENGINE_CREATE_DATABASE, database);

	return run_ask(&ask);
}

static struct done drop_database(const char *database)
{
	struct engine_ask ask = verb_of(ENGINE_DROP_DATABASE, database);

	return run_ask(&ask);
}

static struct done use(const char *database, const char *schema)
{
	struct engine_ask ask = verb_of(ENGINE_USE, database);

	ask.context.schema = str_of(schema);
	return run_ask(&ask);
}

static struct engine_ask ask_in(const char *database, const char *schema, const char *sql)
{
	struct engine_ask ask = ask_of(NULL, sql);

	ask.helpers = true;
	ask.context = (struct engine_context){.database = str_of(database), .schema = str_of(schema)};
	return ask;
}

static struct done run_at(const char *database, const char *schema, const char *sql)
{
	struct engine_ask ask = ask_in(database, schema, sql);

	return run_ask(&ask);
}

static struct done make_at(const char *database, const char *schema, const char *sql)
{
	struct engine_ask ask = ask_in(database, schema, sql);

	ask.writes = true;
	ask.counts = ENGINE_STATUS;
	return run_ask(&ask);
}

static void assert_at(const char *database, const char *schema, const char *sql, const char *rows)
{
	struct done d = run_at(database, schema, sql);

	must(d);
	assert_str_equal(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", rows).p);
}

static bool says(struct done d, const char *text)
{
	if (strstr(arena_cstr(&fx->arena, d.text), text))
		return true;
	print_error("%.*s: %.*s\n", SARG(d.class), SARG(d.text));
	return false;
}

static void restart(void)
{
	struct engine_report r;

	kill_worker();
	do {
		poll(NULL, 0, 10);
		engine_report(fx->engine, &r);
	} while (r.workers);
}

/* How many files of databases there are, and the path of one. */
static int files(char *ret_path, size_t n)
{
	char folder[FOLDER_PATH_MAX + 64];
	struct dirent *e;
	int found = 0;
	DIR *d;

	snprintf(folder, sizeof(folder), "%s/tenants/acme/databases", fx->dir);
	d = opendir(folder);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		found++;
		if (ret_path)
			snprintf(ret_path, n, "%s/%s", folder, e->d_name);
	}
	closedir(d);
	return found;
}

/* --- making and dropping --- */
static void a_database_outlives_its_worker(void **state)
{
	(void)state;
	must(create("SALES"));
	must(make_at("SALES", "", "CREATE TABLE t AS SELECT 5 AS a"));
	restart();
	assert_at("SALES", "PUBLIC", "SELECT a FROM t", "[5]");
	assert_at("", "", "SELECT a FROM SALES.PUBLIC.t", "[5]");
	must(use("sales", "public"));
}

static void a_name_is_there_once(void **state)
{
	struct engine_ask ask = verb_of(ENGINE_CREATE_DATABASE, "sales");

	(void)state;
	must(create("SALES"));
	assert_true(says(create("sales"), "Database with name \"sales\" already exists!"));
	must(make_at("SALES", "", "CREATE TABLE t AS SELECT 5 AS a"));
	ask.if_not_exists = true;
	must(run_ask(&ask));
	assert_at("SALES", "", "SELECT a FROM t", "[5]");
	ask.if_not_exists = false;
	ask.or_replace = true;
	must(run_ask(&ask));
	assert_int_equal(run_at("SALES", "", "SELECT a FROM t").outcome, ENGINE_FAILED);
	assert_true(files(NULL, 0) <= 2);
}

static void a_drop_takes_file_and_log(void **state)
{
	struct engine_ask ask = verb_of(ENGINE_DROP_DATABASE, "SALES");

	(void)state;
	must(create("SALES"));
	must(make_at("SALES", "", "CREATE TABLE t AS SELECT 5 AS a"));
	assert_true(files(NULL, 0) >= 1);
	must(drop_database("Sales"));
	assert_int_equal(files(NULL, 0), 0);
	assert_true(says(drop_database("SALES"), "Database with name SALES does not exist!"));
	ask.if_exists = true;
	must(run_ask(&ask));
	must(create("SALES"));
	assert_int_equal(run_at("SALES", "", "SELECT a FROM t").outcome, ENGINE_FAILED);
}

static void reserved_names_are_refused(void **state)
{
	static const char *const names[] = {"mutable", "SYSTEM", "temp", "Memory", "_sf", "_SF", "__eph_0123", "__EPH_x", "mayfly", "MAYFLY", "",
					    "information_schema"};
	char longest[400];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_true(says(create(names[i]), "cannot be the name of a database"));
		assert_int_equal(drop_database(names[i]).outcome, ENGINE_FAILED);
	}
	assert_true(says(create(longest), "cannot be the name of a database"));
	assert_true(says(create("a\xFF"), "cannot be the name of a database"));
	must(run(NULL, "SELECT 1"));
}

static void any_other_name_is_fine(void **state)
{
	static const char *const names[] = {"a b", "a.b", "quo\"te", "it's", "../../etc", "Zo\xC3\xAB", "%41", "a;b", "-", "/", "x.db", "ünï%"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		must(create(names[i]));
		must(make_at(names[i], "", "CREATE SCHEMA \"s.\"\"'\xC3\xAB\""));
		must(make_at(names[i], "s.\"'\xC3\xAB", arena_fmt(&fx->arena, "CREATE TABLE t AS SELECT %zu AS a", i).p));
	}
	restart();
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_at(names[i], "s.\"'\xC3\xAB", "SELECT a FROM t", arena_fmt(&fx->arena, "[%zu]", i).p);
	assert_int_equal(files(NULL, 0) >= (int)COUNT_OF(names), 1);
}

static void only_so_many_databases(void **state)
{
	struct done d;

	(void)state;
	for (int i = 0; i < 70; i++)
		must(create(arena_fmt(&fx->arena, "DB%d", i).p));
	d = create("ONE_MORE");
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "databases");
	restart();
	assert_at("DB69", "", "SELECT current_database()", "[\"DB69\"]");
	must(drop_database("DB3"));
	must(create("ONE_MORE"));
}

/* --- where names are looked up --- */
static void the_same_text_means_another_table_elsewhere(void **state)
{
	(void)state;
	must(create("A"));
	must(create("B"));
	must(make_at("A", "", "CREATE TABLE t AS SELECT 'a' AS x"));
	must(make_at("B", "", "CREATE TABLE t AS SELECT 'b' AS x"));
	must(make_at("B", "", "CREATE SCHEMA S"));
	must(make_at("B", "S", "CREATE TABLE t AS SELECT 's' AS x"));
	must(make_at("", "", "CREATE TABLE t AS SELECT 'own' AS x"));
	for (int i = 0; i < 3; i++) {
		assert_at("A", "", "SELECT x FROM t", "[\"a\"]");
		assert_at("B", "", "SELECT x FROM t", "[\"b\"]");
		assert_at("b", "s", "SELECT x FROM t", "[\"s\"]");
		assert_at("", "", "SELECT x FROM t", "[\"own\"]");
	}
	must(make_at("A", "", "CREATE OR REPLACE TABLE t AS SELECT 9 AS x"));
	assert_at("A", "", "SELECT x FROM t", "[9]");
}

/* A table that comes before another on the path changes what a kept statement means. */
static void what_is_defined_counts_at_once(void **state)
{
	struct owned *o = open_catalog(false), *other = open_catalog(false);
	struct told slow[CONCURRENT];

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT 'own' AS x");
	for (int i = 0; i < CONCURRENT; i++) { /* as many connections of the session */
		struct engine_ask ask = ask_of(o, "SELECT x, SYSTEM$WAIT(1) FROM t");

		begin_ask(&slow[i], &ask);
	}
	for (int i = 0; i < CONCURRENT; i++)
		finish(&slow[i]);
	assert_rows(o, "SELECT x FROM t", "[\"own\"]");
	ddl(o, "CREATE TABLE t AS SELECT 'session' AS x");
	for (int i = 0; i < CONCURRENT; i++) {
		struct engine_ask ask = ask_of(o, "SELECT x, SYSTEM$WAIT(1) FROM t");

		begin_ask(&slow[i], &ask);
	}
	for (int i = 0; i < CONCURRENT; i++) {
		wait_for(&slow[i].ended);
		assert_true(str_starts(buf_str(&slow[i].rows), S("{\"data\":[[\"session\"")));
		finish(&slow[i]);
	}
	assert_rows(other, "SELECT x FROM t", "[\"own\"]");
	close_catalog(o);
	close_catalog(other);
}

static void what_is_missing_is_made_when_asked(void **state)
{
	struct engine_ask ask = ask_in("new one", "its schema", "CREATE TABLE t AS SELECT 1 AS a");

	(void)state;
	ask.writes = true;
	ask.counts = ENGINE_STATUS;
	ask.context.create_missing = true;
	must(run_ask(&ask));
	assert_at("NEW ONE", "ITS SCHEMA", "SELECT a FROM t", "[1]");
	assert_at("NEW ONE", "ITS SCHEMA", "SELECT current_database(), current_schema()", "[\"NEW ONE\",\"ITS SCHEMA\"]");
	must(make_at("NEW ONE", "", "DROP SCHEMA \"ITS SCHEMA\" CASCADE"));
	must(run_ask(&ask));
	ask.context.database = S("temp");
	assert_true(run_ask(&ask).nowhere);
}

static void two_at_once_make_one(void **state)
{
	struct told t[20];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct engine_ask ask = ask_in("TOGETHER", arena_fmt(&fx->arena, "S%zu", i % 3).p, "SELECT 1");

		ask.context.create_missing = true;
		begin_ask(&t[i], &ask);
	}
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		wait_for(&t[i].ended);
		if (t[i].outcome != ENGINE_OK)
			print_error("%s\n", buf_cstr(&t[i].text));
		assert_int_equal(t[i].outcome, ENGINE_OK);
		finish(&t[i]);
	}
	assert_int_equal(files(NULL, 0) <= 2, 1);
}

static void what_is_not_there_is_nowhere(void **state)
{
	struct done d;

	(void)state;
	ddl(NULL, "CREATE TABLE t AS SELECT 1 AS a");
	d = run_at("NOPE", "", "SELECT 1");
	must(d);
	assert_true(d.nowhere);
	d = run_at("NOPE", "", "SELECT a FROM t");
	assert_int_equal(d.outcome, ENGINE_FAILED);
	assert_true(d.nowhere);
	d = make_at("", "NOPE", "CREATE TABLE u (a INT)");
	assert_int_equal(d.outcome, ENGINE_FAILED);
	assert_true(d.nowhere);
	assert_at("NOPE", "", "SELECT a FROM MAYFLY.PUBLIC.t", "[1]");
	d = run_at("", "", "SELECT a FROM t");
	must(d);
	assert_false(d.nowhere);
}

static void use_says_what_is_there(void **state)
{
	(void)state;
	must(create("A"));
	must(use("", ""));
	must(use("", "public"));
	must(use("a", ""));
	must(use("A", "PUBLIC"));
	assert_true(says(use("B", ""), "SET schema: No catalog + schema named \"B\" found."));
	assert_true(says(use("A", "S"), "SET schema: No catalog + schema named \"A.S\" found."));
	assert_int_equal(use("_sf", "main").outcome, ENGINE_FAILED);
	assert_int_equal(use("temp", "main").outcome, ENGINE_FAILED);
	assert_int_equal(use("memory", "").outcome, ENGINE_FAILED);
}

static void a_session_comes_before_the_database(void **state)
{
	struct owned *o = open_catalog(false);
	struct engine_ask ask = ask_in("A", "", "SELECT x FROM t");
	struct done d;

	(void)state;
	must(create("A"));
	must(make_at("A", "", "CREATE TABLE t AS SELECT 'a' AS x"));
	ask.catalog = o->k;
	d = run_ask(&ask);
	must(d);
	assert_str_equal(d.rows, "{\"data\":[[\"a\"]]}");
	ddl(o, "CREATE TABLE t AS SELECT 'session' AS x");
	d = run_ask(&ask);
	assert_str_equal(d.rows, "{\"data\":[[\"session\"]]}");
	close_catalog(o);
}

/* --- texts that are only parsed --- */
static struct done parse(const struct engine_sql *steps, int n)
{
	struct engine_ask ask = verb_of(ENGINE_PARSE, "NOWHERE");

	ask.steps = steps;
	ask.nsteps = n;
	return run_ask(&ask);
}

static void what_is_parsed_does_not_run(void **state)
{
	const struct engine_sql steps[] = {
		{S("CREATE TABLE p (a INT)"), ENGINE_STATUS}, {S("SELECT * FROM nothing_such JOIN p USING (b)"), ENGINE_STATUS},
		{S("PIVOT p ON a USING count(*)"), ENGINE_STATUS}, {S("-- nothing"), ENGINE_STATUS}, {S("SELECT (1,,2)"), ENGINE_STATUS},
		{S("selec 1"), ENGINE_STATUS}};
	const struct engine_sql zero = {str_from("SELECT 1\0, 2", 12), ENGINE_STATUS};
	struct done d;

	(void)state;
	must(create("A"));
	must(parse(steps, 4));
	must(parse(steps, 0));
	d = parse(steps, 6);
	assert_int_equal(d.outcome, ENGINE_FAILED);
	assert_str_equal(d.class, "Parser");
	assert_int_equal(d.count, 4);
	assert_true(says(d, "syntax error at or near \",\""));
	d = parse(&steps[5], 1);
	assert_int_equal(d.outcome, ENGINE_FAILED);
	assert_int_equal(d.count, 0);
	assert_str_equal(parse(&zero, 1).class, "Parser");
	assert_true(says(run_at("", "", "SELECT * FROM p"), "p does not exist"));
	assert_at("", "", "SELECT count(*) FROM duckdb_databases() WHERE database_name = 'NOWHERE'", "[0]");
}

/* --- one transaction writes to one database --- */
static void a_transaction_writes_to_one_database(void **state)
{
	const struct engine_sql steps[] = {{S("INSERT INTO A.PUBLIC.t VALUES (1)"), ENGINE_INSERTED}};
	struct engine_ask ask = ask_of(NULL, "INSERT INTO B.PUBLIC.t VALUES (1)");

	(void)state;
	must(create("A"));
	must(create("B"));
	must(make_at("A", "", "CREATE TABLE t (a INT)"));
	must(make_at("B", "", "CREATE TABLE t (a INT)"));
	ask.writes = true;
	ask.counts = ENGINE_INSERTED;
	ask.steps = steps;
	ask.nsteps = 1;
	assert_true(says(run_ask(&ask), "Attempting to write to database \"B\""));
	assert_at("A", "", "SELECT count(*) FROM t", "[0]");
	ask.nsteps = 0;
	ask.sql = S("INSERT INTO B.PUBLIC.t SELECT count(*) FROM A.PUBLIC.t");
	must(run_ask(&ask));
	assert_at("B", "", "SELECT * FROM t", "[0]");
}

/* --- in use while it is dropped --- */
static void dropped_in_use_ends_what_has_it(void **state)
{
	struct engine_ask slow = ask_in("A", "", "SELECT count(*) FROM t, range(4000000000)");
	struct engine_ask open = ask_in("A", "", "BEGIN TRANSACTION");
	struct told t;
	struct done d;

	(void)state;
	must(create("A"));
	must(make_at("A", "", "CREATE TABLE t AS SELECT * FROM range(1000)"));
	open.script = 1;
	open.script_begins = true;
	open.writes = true;
	open.counts = ENGINE_STATUS;
	must(run_ask(&open));
	open.script_begins = false;
	open.counts = ENGINE_INSERTED;
	open.sql = S("INSERT INTO t VALUES (1)");
	must(run_ask(&open));
	begin_ask(&t, &slow);
	wait_for(&t.started);
	must(drop_database("A"));
	engine_cancel(t.task);
	wait_for(&t.ended);
	assert_int_not_equal(t.outcome, ENGINE_LOST);
	finish(&t);
	must(create("A"));
	must(make_at("A", "", "CREATE TABLE t (a VARCHAR)"));
	open.counts = ENGINE_STATUS;
	open.sql = S("COMMIT");
	d = run_ask(&open);
	assert_int_not_equal(d.outcome, ENGINE_LOST);
	engine_script_end(fx->engine, S("acme"), 1);
	assert_at("A", "", "SELECT count(*) FROM t", "[0]");
	restart();
	assert_at("A", "", "SELECT count(*) FROM t", "[0]");
}

static void made_and_dropped_under_load(void **state)
{
	struct told t[CONCURRENT];

	(void)state;
	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < COUNT_OF(t); i++) {
			struct engine_ask ask = ask_in("A", "", "SELECT count(*) FROM range(100000) r, (SELECT 1 FROM PUBLIC.t)");

			ask.context.create_missing = true;
			begin_ask(&t[i], &ask);
		}
		(void)make_at("A", "", "CREATE TABLE t AS SELECT * FROM range(10)");
		(void)drop_database("A");
		for (size_t i = 0; i < COUNT_OF(t); i++) {
			wait_for(&t[i].ended);
			assert_int_not_equal(t[i].outcome, ENGINE_LOST);
			finish(&t[i]);
		}
	}
	must(run(NULL, "SELECT 1"));
}

/* --- files --- */
static void damage(const char *path, long at)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "garbage garbage", 15, at), 15);
	close(fd);
}

static void a_damaged_file_is_refused_alone(void **state)
{
	static const long places[] = {0, 100, 4096 + 20, 8192 + 20, 12288 + 20};
	char path[FOLDER_PATH_MAX + 512];

	(void)state;
	must(create("GOOD"));
	must(make_at("GOOD", "", "CREATE TABLE t AS SELECT 1 AS a"));
	must(drop_database("GOOD"));
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct done d;

		must(create("BAD"));
		assert_int_equal(files(path, sizeof(path)), 1);
		must(create("GOOD"));
		restart();
		damage(path, places[i]);
		must(run(NULL, "SELECT 1"));
		assert_at("GOOD", "", "SELECT 1", "[1]");
		d = run_at("BAD", "", "SELECT 1");
		if (places[i] < 8192) /* else nothing is read of it */
			assert_true(says(d, "Database \"BAD\" cannot be opened"));
		must(drop_database("BAD"));
		must(create("BAD"));
		assert_at("BAD", "", "SELECT 1", "[1]");
		must(drop_database("BAD"));
		must(drop_database("GOOD"));
	}
}

static void put_file(const char *name, const char *text)
{
	char path[FOLDER_PATH_MAX + 512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tenants/acme/databases/%s", fx->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0666), 0);
}

static void foreign_files_do_no_harm(void **state)
{
	char path[FOLDER_PATH_MAX + 512], to[FOLDER_PATH_MAX + 512];

	(void)state;
	must(create("A"));
	must(make_at("A", "", "CREATE TABLE t AS SELECT 1 AS a"));
	restart();
	put_file("README", "hello");
	put_file("x.db", "hello");
	put_file("B.0000000000000001.new", "half");
	put_file("C.0000000000000001.db.wal", "a log of nothing");
	put_file("D.0000000000000001.db", "not a database");
	put_file("temp.0000000000000001.db", "reserved");
	put_file("A.0000000000000001.db", "an older one");
	snprintf(path, sizeof(path), "%s/tenants/acme/databases/E.0000000000000001.db", fx->dir);
	snprintf(to, sizeof(to), "%s/tenants/acme/mayfly.db", fx->dir);
	assert_int_equal(symlink(to, path), 0);
	assert_at("A", "", "SELECT a FROM t", "[1]");
	assert_true(says(use("D", ""), "Database \"D\" cannot be opened"));
	assert_true(says(use("E", ""), "Database \"E\" cannot be opened"));
	assert_int_equal(use("B", "").outcome, ENGINE_FAILED);
	must(drop_database("D"));
	must(drop_database("E"));
	must(run(NULL, "SELECT 1"));
}

static void hidden_ones_stay_hidden(void **state)
{
	struct owned *o = open_catalog(false);

	(void)state;
	must(create("A"));
	ddl(o, "CREATE TABLE t AS SELECT 1 AS a");
	assert_at("A", "", "SELECT database_name FROM duckdb_databases() WHERE NOT internal ORDER BY 1", "[\"A\"],[\"MAYFLY\"],[\"memory\"]");
	assert_at("A", "", "SELECT count(*) FROM duckdb_tables() WHERE database_name LIKE '\\_%' ESCAPE '\\'", "[0]");
	close_catalog(o);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(a_database_outlives_its_worker),
		CASE(a_name_is_there_once),
		CASE(a_drop_takes_file_and_log),
		CASE(reserved_names_are_refused),
		CASE(any_other_name_is_fine),
		CASE(only_so_many_databases),
		CASE(the_same_text_means_another_table_elsewhere),
		CASE(what_is_defined_counts_at_once),
		CASE(what_is_missing_is_made_when_asked),
		CASE(two_at_once_make_one),
		CASE(what_is_not_there_is_nowhere),
		CASE(use_says_what_is_there),
		CASE(a_session_comes_before_the_database),
		CASE(a_transaction_writes_to_one_database),
		CASE(what_is_parsed_does_not_run),
		CASE(dropped_in_use_ends_what_has_it),
		CASE(made_and_dropped_under_load),
		CASE(a_damaged_file_is_refused_alone),
		CASE(foreign_files_do_no_harm),
		CASE(hidden_ones_stay_hidden),
	};

	return cmocka_run_group_tests_name("engine databases", tests, NULL, NULL);
}
