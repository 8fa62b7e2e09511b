/* script_run_test.c - files of a small project run on a real PostgreSQL: order, variables, includes, COPY, and where errors are. */
#include "runner/runner_int.h"

#include "pg_rig.h"

enum { FILES_MAX = 80 };

static struct pg_rig rig;

struct bench {
	struct arena arena;
	struct call c;
	struct pg_conn *p;
	struct pg_stop stop;
	struct tree_file files[FILES_MAX];
	struct tree tree;
	struct script_run run;
	struct buf told;       /* what the sink heard */
	atomic_bool canceled;
};

static int setup(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	arena_open(&b->arena);
	call_open(&b->c, &b->arena);
	pg_stop_open(&b->stop);
	assert_true(pg_connect(&b->c, &(struct pg_target){.conninfo = str_of(rig.conninfo), .stop = &b->stop}, &b->p));
	(void)pg_rig_sql(&b->c, b->p, "SET client_min_messages = warning");
	(void)pg_rig_sql(&b->c, b->p, "DROP SCHEMA public CASCADE");
	(void)pg_rig_sql(&b->c, b->p, "CREATE SCHEMA public");
	(void)pg_rig_sql(&b->c, b->p, "SET client_min_messages = notice");
	b->tree.files = b->files;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	pg_conn_close(b->p);
	pg_stop_close(&b->stop);
	buf_drop(&b->told);
	arena_close(&b->arena);
	free(b);
	return 0;
}

/* In the order of paths. */
static void file(struct bench *b, const char *path, const char *text)
{
	int i = b->tree.n++;

	assert_true(i < FILES_MAX);
	for (; i > 0 && strcmp(b->files[i - 1].path.p, path) > 0; i--)
		b->files[i] = b->files[i - 1];
	b->files[i] = (struct tree_file){.path = str_of(path), .content = str_of(text), .size = (int64_t)strlen(text)};
}

static void on_notice(void *arg, const struct pg_notice *n)
{
	buf_fmt(&((struct bench *)arg)->told, "(%s %.*s)", n->sqlstate, SARG(n->message));
}

static void on_echo(void *arg, struct str text)
{
	buf_fmt(&((struct bench *)arg)->told, "{%.*s}", SARG(text));
}

static void on_answer(void *arg, struct pg_answer *a)
{
	struct bench *b = arg;

	assert_int_equal(a->outcome, PG_OK);
	buf_fmt(&b->told, "%.*s", SARG(a->command_tag));
	if (a->nparts) {
		struct str rows = pg_rig_rows(&b->c, a);

		buf_fmt(&b->told, "=%.*s", SARG(rows));
	}
	buf_lit(&b->told, ";");
	pg_answer_drop(a);
}

static enum pg_outcome go(struct bench *b, const char *path)
{
	b->run.tree = &b->tree;
	b->run.conn = b->p;
	b->run.sink = (struct script_sink){on_notice, on_echo, on_answer, b};
	buf_clear(&b->told);
	return script_run(&b->c, &b->run, str_of(path));
}

static void expect(struct bench *b, const char *path, const char *told)
{
	enum pg_outcome o = go(b, path);

	if (o != PG_OK)
		print_error("%s: outcome %d: %.*s\n", path, o, SARG(b->run.error.message));
	assert_int_equal(o, PG_OK);
	assert_string_equal(buf_cstr(&b->told), told);
}

static void head(struct bench *b)
{
	b->run.head = true;
	b->run.caps = (struct pg_caps){100, 1 << 20};
}

struct place {
	const char *code, *state, *path;
	int line, column, statement;
	int64_t position;
	const char *words;
};

static void expect_error(struct bench *b, const char *path, struct place p)
{
	const struct job_error *e = &b->run.error;
	enum pg_outcome o = go(b, path);
	char words[600];

	snprintf(words, sizeof(words), "%.*s", SARG(e->message));
	if (o != PG_FAILED || e->line != p.line || e->column != p.column || e->statement != p.statement || e->position != p.position)
		print_error("%s: outcome %d at %.*s:%d:%d, statement %d, position %lld: %s\n", path, o, SARG(e->path), e->line, e->column,
			    e->statement, (long long)e->position, words);
	assert_int_equal(o, PG_FAILED);
	assert_str_equal(e->code, p.code);
	assert_string_equal(e->sqlstate, p.state);
	assert_str_equal(e->path, p.path);
	assert_int_equal(e->line, p.line);
	assert_int_equal(e->column, p.column);
	assert_int_equal(e->statement, p.statement);
	assert_int_equal(e->position, p.position);
	assert_non_null(strstr(words, p.words));
	call_forgive(&b->c);
}

/* --- what runs --- */

static void statements_run_one_by_one_in_order(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "create table t (a int primary key);\ninsert into t values (1), (2); -- two\n"
			 "create index concurrently on t (a);\nvacuum t;\n"
			 "create function f(n int) returns int begin atomic select n; select n + 1; end;\n"
			 "do $$ begin raise notice 'hello %', f(1); end $$;\ndrop table if exists nothing");
	expect(b, "a.sql", "CREATE TABLE;INSERT 0 2;CREATE INDEX;VACUUM;CREATE FUNCTION;(00000 hello 2)DO;"
			   "(00000 table \"nothing\" does not exist, skipping)DROP TABLE;");
	head(b);
	file(b, "head.sql", "select a, f(a) from t order by a; delete from t where a = 1; table t;");
	expect(b, "head.sql", "SELECT 2=[1,2],[2,3];DELETE 1;SELECT 1=[2];");
}

static void variables_come_from_the_job_and_from_set(void **state)
{
	static const struct job_variable given[] = {{S_INIT("name"), S_INIT("it's")}, {S_INIT("n"), S_INIT("7")}};
	struct bench *b = *state;

	head(b);
	b->run.variables = given;
	b->run.nvariables = 2;
	file(b, "a.sql", "\\set n 8\n\\set both :n ' and ' :name\n\\echo -n :both\n\\unset n\n\\set col 'a \"b\"'\n"
			 "select :'both' as :\"col\", :{?n}, :{?name}, (array[1,2,3])[1:2];\n\\echo :'name'\n\\set\n\\set empty\nselect :'empty' || '';\n");
	expect(b, "a.sql", "{8 and it's}SELECT 1=[\"8 and it's\",false,true,[1,2]];{'it''s'}SELECT 1=[\"\"];");
	/* The next run begins with those of the job again. */
	file(b, "b.sql", "select :n, :{?both}");
	expect(b, "b.sql", "SELECT 1=[7,false];");
}

static void one_row_becomes_variables(void **state)
{
	struct bench *b = *state;

	head(b);
	file(b, "a.sql", "\\set gone 1\nselect 'a''b' as \"text\", 1.50 as num, true as yes, null as gone, '{1,2}'::int[] as v, '{\"a\": 1}'::jsonb as j,\n"
			 "  '\\x00ff'::bytea as bytes, 1e20::float8 as big, timestamp '2024-02-03 04:05:06' as t \\gset p_\n"
			 "select :'p_text', :'p_num', :'p_yes', :{?p_gone}, :'p_v', :'p_j', :'p_bytes', :'p_big', :'p_t';\n"
			 "select 1 as gone, null as nothing \\gset\nselect :gone;");
	expect(b, "a.sql", "SELECT 1;SELECT 1=[\"a'b\",\"1.50\",\"t\",false,\"{1,2}\",\"{\\\"a\\\": 1}\",\"\\\\x00ff\",\"1e+20\",\"2024-02-03 04:05:06\"];"
			   "SELECT 1;SELECT 1=[1];");
	file(b, "b.sql", "create table t (a int); select 1;\nselect * from t \\gset\n");
	expect_error(b, "b.sql", (struct place){"syntax_error", "42601", "b.sql", 2, 1, 3, 35, "no row"});
	file(b, "c.sql", "select generate_series(1, 3) as a \\gset\n");
	expect_error(b, "c.sql", (struct place){"syntax_error", "42601", "c.sql", 1, 1, 1, 1, "more than one"});
	file(b, "d.sql", "select 1 as \"a b\" \\gset\n");
	expect_error(b, "d.sql", (struct place){"syntax_error", "42601", "d.sql", 1, 1, 1, 1, "a b"});
	file(b, "e.sql", "create table u (a int) \\gset\nselect 1;");
	expect(b, "e.sql", "CREATE TABLE;SELECT 1=[1];");
}

static void conditions_choose_what_runs(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "\\if yes\n\\echo 1\n\\if 0\n\\echo 2\n\\elif on\n\\echo 3\n\\else\n\\echo 4\n\\endif\n\\elif :nothing\n\\echo 5\n\\else\n\\echo 6\n\\endif\n"
			 "\\if off\nselect :nothing; select 1 as n \\gset\n\\i nowhere.sql\n\\copy t from nowhere.csv\n\\if :nothing\n\\echo 7\n\\else\n\\echo 8\n\\endif\n"
			 "\\else\n\\echo 9\n\\endif\n\\if :{?n}\n\\echo 10\n\\endif\n");
	expect(b, "a.sql", "{1}{3}{9}");
	file(b, "b.sql", "\n \\if maybe\n\\endif\n");
	expect_error(b, "b.sql", (struct place){"syntax_error", "42601", "b.sql", 2, 6, 0, 7, "maybe"});
}

static void files_include_files_of_the_project(void **state)
{
	struct bench *b = *state;

	file(b, "a/b/one.sql", "\\echo one\n\\ir two.sql\n\\ir ../three.sql\n\\i a/three.sql;\n\\ir './../../a/three.sql'\n");
	file(b, "a/b/two.sql", "\\echo two\n\\set x 2\ncreate table t (a int);");
	file(b, "a/three.sql", "\\echo three :x\n\\set x 3\n");
	expect(b, "a/b/one.sql", "{one}{two}CREATE TABLE;{three 2}{three 3}{three 3}");
}

static void rows_are_copied_from_the_script_and_from_files(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "create table t (a int, b text);\ncopy t from stdin;\n1\tone\n2\t;'\\\\\n\\.\ncopy t (b) from stdin with (format csv);\n\"a,b\"\n\\.\n"
			 "\\copy t from 'data/t.csv' csv header\n\\copy t (a) from stdin\n9\n\\.\n\\copy t from data/t.csv with (format csv, header);\ncopy t from stdin;\n\\.\n");
	file(b, "data/t.csv", "a,b\n3,drei\n");
	expect(b, "a.sql", "CREATE TABLE;COPY 2;COPY 1;COPY 1;COPY 1;COPY 1;COPY 0;");
	head(b);
	file(b, "b.sql", "select * from t order by a, b; copy (select a from t where a < 3 order by 1) to stdout;");
	expect(b, "b.sql", "SELECT 6=[1,\"one\"],[2,\";'\\\\\"],[3,\"drei\"],[3,\"drei\"],[9,null],[null,\"a,b\"];COPY 2=[\"1\"],[\"2\"];");
}

static void a_transaction_that_stays_open_is_rolled_back(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "create table t (a int); begin; insert into t values (1); commit; begin; insert into t values (2);");
	expect(b, "a.sql", "CREATE TABLE;BEGIN;INSERT 0 1;COMMIT;BEGIN;INSERT 0 1;(25000 the file leaves a transaction open: it is rolled back)");
	file(b, "b.sql", "start transaction; insert into t values (3); rollback; begin; savepoint s; release s; end;");
	expect(b, "b.sql", "START TRANSACTION;INSERT 0 1;ROLLBACK;BEGIN;SAVEPOINT;RELEASE;COMMIT;");
	assert_str_equal(pg_rig_sql(&b->c, b->p, "table t"), "[1]");
	/* As in psql: both in one message, and so in one transaction. */
	file(b, "c.sql", "insert into t values (4)\\; begin; insert into t values (5);");
	expect(b, "c.sql", "BEGIN;INSERT 0 1;(25000 the file leaves a transaction open: it is rolled back)");
	assert_str_equal(pg_rig_sql(&b->c, b->p, "table t"), "[1]");
}

/* --- what fails, and where --- */

static void errors_have_their_place_in_the_file(void **state)
{
	static const struct job_variable given[] = {{S_INIT("long"), S_INIT("'a value that is longer than its name'")}, {S_INIT("tbl"), S_INIT("nowhere")}};
	struct bench *b = *state;

	b->run.variables = given;
	b->run.nvariables = 2;
	file(b, "a.sql", "select 1;\n-- c\n  select '\xC3\xA9\xC3\xA9', :long, :long as x, nix;\n");
	expect_error(b, "a.sql", (struct place){"sql_error", "42703", "a.sql", 3, 35, 2, 50, "nix"});
	file(b, "b.sql", "select 1\nfrom :tbl;\n");
	expect_error(b, "b.sql", (struct place){"sql_error", "42P01", "b.sql", 2, 6, 1, 15, "nowhere"});
	file(b, "c.sql", "select 1 where\n  selec;");
	expect_error(b, "c.sql", (struct place){"sql_error", "42703", "c.sql", 2, 3, 1, 18, "selec"});
	file(b, "d.sql", "create table t (a int);\n\n   insert into t select 1 / 0;\n");
	expect_error(b, "d.sql", (struct place){"sql_error", "22012", "d.sql", 3, 4, 2, 0, "division"});
	file(b, "e.sql", "select f(1)");
	expect_error(b, "e.sql", (struct place){"sql_error", "42883", "e.sql", 1, 8, 1, 8, "f(integer)"});
	assert_true(b->run.error.hint.n > 0);
	file(b, "f.sql", "\xEF\xBB\xBFselect\n\\: 1;");
	expect_error(b, "f.sql", (struct place){"sql_error", "42601", "f.sql", 2, 2, 1, 10, "syntax error"});
}

static void errors_of_an_included_file_are_there(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "create table t (a int);\n\\i sub/b.sql\n");
	file(b, "sub/b.sql", "insert into t values (1);\n\\ir c.sql\n");
	file(b, "sub/c.sql", "\\echo here\n\n insert into t\nvalues ('x');\n");
	expect_error(b, "a.sql", (struct place){"sql_error", "22P02", "sub/c.sql", 4, 9, 1, 36, "invalid input syntax"});
	assert_string_equal(buf_cstr(&b->told), "CREATE TABLE;INSERT 0 1;{here}");
	assert_int_equal(b->run.error.stage, JOB_AT_TAIL_REPLAY);
	file(b, "d.sql", "\\i sub/e.sql");
	file(b, "sub/e.sql", "select 1;\nselect '");
	expect_error(b, "d.sql", (struct place){"syntax_error", "42601", "sub/e.sql", 2, 8, 0, 18, "no end"});
	file(b, "g.sql", "\\i sub/h.sql");
	file(b, "sub/h.sql", "select 1;\n\\! ls");
	expect_error(b, "g.sql", (struct place){"unsupported_meta_command", "0A000", "sub/h.sql", 2, 1, 0, 11, "\\!"});
}

static void rows_that_do_not_fit_have_their_line(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "create table t (a int);\ncopy t from stdin;\n1\n2\nthree\n4\n\\.\nselect 1;\n");
	expect_error(b, "a.sql", (struct place){"sql_error", "22P02", "a.sql", 5, 1, 2, 48, "three"});
	assert_non_null(strstr(arena_cstr(&b->arena, b->run.error.detail), "line 3"));
	file(b, "b.sql", "\\copy t from x.csv csv\n");
	file(b, "x.csv", "1\ntwo\n");
	expect_error(b, "b.sql", (struct place){"sql_error", "22P02", "b.sql", 1, 1, 1, 0, "two"});
	assert_non_null(strstr(arena_cstr(&b->arena, b->run.error.detail), "line 2"));
	assert_int_equal(b->run.error.statement, 1);
	/* The connection is of use afterwards. */
	assert_str_equal(pg_rig_sql(&b->c, b->p, "select count(*) from t"), "[0]");
}

static void what_is_not_there_is_an_error_of_the_file(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "select 1;\nselect 2, :'what';");
	expect_error(b, "a.sql", (struct place){"missing_variable", "42601", "a.sql", 2, 11, 2, 21, "what"});
	file(b, "b.sql", "\\i nowhere.sql\n");
	expect_error(b, "b.sql", (struct place){"missing_include", "", "b.sql", 1, 4, 0, 4, "nowhere.sql"});
	file(b, "c.sql", "\\ir ../up.sql\n");
	expect_error(b, "c.sql", (struct place){"missing_include", "", "c.sql", 1, 5, 0, 5, "../up.sql"});
	file(b, "d.sql", "\\i /etc/passwd\n");
	expect_error(b, "d.sql", (struct place){"missing_include", "", "d.sql", 1, 4, 0, 4, "/etc/passwd"});
	file(b, "e.sql", "\\copy t from '/etc/passwd'\n");
	expect_error(b, "e.sql", (struct place){"missing_include", "", "e.sql", 1, 7, 1, 7, "/etc/passwd"});
	file(b, "f.sql", "\n\\i\n");
	expect_error(b, "f.sql", (struct place){"syntax_error", "", "f.sql", 2, 3, 0, 4, "name of a file"});
	file(b, "g.sql", "\\set AUTOCOMMIT off\n");
	expect_error(b, "g.sql", (struct place){"syntax_error", "42601", "g.sql", 1, 6, 0, 6, "BEGIN"});
	file(b, "h.sql", "\\set a-b 1\n");
	expect_error(b, "h.sql", (struct place){"syntax_error", "42601", "h.sql", 1, 6, 0, 6, "letters"});
	file(b, "i.sql", "\\set a '\\377'\n");
	expect_error(b, "i.sql", (struct place){"syntax_error", "42601", "i.sql", 1, 6, 0, 6, "no text"});
}

static void files_that_include_each_other_end(void **state)
{
	static char paths[70][16], texts[70][32];
	struct bench *b = *state;

	file(b, "a.sql", "\\i b.sql\n");
	file(b, "b.sql", "\n\\ir a.sql\n");
	expect_error(b, "a.sql", (struct place){"include_cycle", "", "b.sql", 2, 5, 0, 6, "a.sql"});
	for (int i = 0; i < 70; i++) {
		snprintf(paths[i], sizeof(paths[i]), "deep%02d.sql", i);
		snprintf(texts[i], sizeof(texts[i]), "\\ir deep%02d.sql\n", i + 1);
		file(b, paths[i], texts[i]);
	}
	expect_error(b, "deep00.sql", (struct place){"include_cycle", "", "deep64.sql", 1, 5, 0, 5, "64 deep"});
}

/* Each file includes the next one twice: 2^40 includes. */
static void includes_stop_at_the_deadline_and_at_the_sign(void **state)
{
	static char paths[41][16], texts[41][48];
	struct bench *b = *state;

	for (int i = 0; i < 41; i++) {
		snprintf(paths[i], sizeof(paths[i]), "x%02d.sql", i);
		snprintf(texts[i], sizeof(texts[i]), i < 40 ? "\\ir x%02d.sql\n\\ir x%02d.sql\n" : "", i + 1, i + 1);
		file(b, paths[i], texts[i]);
	}
	b->c.deadline_ms = clock_mono_ms() + 30;
	assert_int_equal(go(b, "x00.sql"), PG_LATE);
	b->c.deadline_ms = 0;
	b->c.cancel = &b->canceled;
	atomic_store(&b->canceled, true);
	assert_int_equal(go(b, "x00.sql"), PG_STOPPED);
}

static void a_slow_statement_ends_at_the_deadline(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "create table t (a int); select pg_sleep(60); create table never (a int);");
	b->c.deadline_ms = clock_mono_ms() + 2000; /* more than the table takes */
	assert_int_equal(go(b, "a.sql"), PG_LATE);
	b->c.deadline_ms = 0;
	assert_string_equal(buf_cstr(&b->told), "CREATE TABLE;");
	assert_str_equal(pg_rig_sql(&b->c, b->p, "select to_regclass('never') is null"), "[true]");
}

static void a_lost_connection_is_told(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "select 1; select pg_terminate_backend(pg_backend_pid()); select 2;");
	assert_int_equal(go(b, "a.sql"), PG_LOST);
	assert_string_equal(buf_cstr(&b->told), "SELECT 1;");
}

static void a_head_takes_one_statement_a_message(void **state)
{
	struct bench *b = *state;

	head(b);
	file(b, "a.sql", "select 1\\; select 2;");
	expect_error(b, "a.sql", (struct place){"sql_error", "42601", "a.sql", 1, 1, 1, 0, "multiple commands"});
	assert_int_equal(b->run.error.stage, JOB_AT_HEAD_EXECUTION);
	file(b, "c.sql", "create table t (a int); copy t from stdin;\n1\n\\.\n\\copy t from x.txt\ntable t;");
	file(b, "x.txt", "2\n");
	expect(b, "c.sql", "CREATE TABLE;COPY 1;COPY 1;SELECT 2=[1],[2];");
	b->run.caps.rows = 2;
	file(b, "b.sql", "select generate_series(1, 5);");
	expect(b, "b.sql", "SELECT 5=[1],[2];");
}

static void what_is_beyond_one_database_is_refused_there(void **state)
{
	struct bench *b = *state;

	file(b, "a.sql", "create table t (a int);\n /* c */ create role r;\n");
	b->run.one_database = true;
	expect_error(b, "a.sql", (struct place){"cluster_wide", "42501", "a.sql", 2, 10, 2, 34, "beyond its own database"});
	assert_string_equal(buf_cstr(&b->told), "CREATE TABLE;");
}

/* --- the fast path --- */

static bool reads(struct bench *b, const char *text, struct str **v, int *n)
{
	bool ok;

	b->tree.n = 0;
	file(b, "head.sql", text);
	b->run.tree = &b->tree;
	ok = script_read_only(&b->c, &b->run, S("head.sql"), v, n);
	call_forgive(&b->c);
	return ok;
}

static void heads_that_only_read_are_known(void **state)
{
	static const struct job_variable given[] = {{S_INIT("n"), S_INIT("7")}, {S_INIT("bad"), S_INIT("1; drop table t")}};
	static const char *const others[] = {"", "insert into t values (1)", "select 1; begin;", "\\echo 1\nselect 1;", "select 1 as n \\gset", "select nextval('s')",
					     "select :bad", "select :missing", "select 'x", "copy t to stdout", "select 1\\; select 2"};
	struct bench *b = *state;
	struct str *v;
	int n;

	b->run.variables = given;
	b->run.nvariables = 2;
	assert_true(reads(b, "-- c\nselect :n; table t;\n\nshow all", &v, &n));
	assert_int_equal(n, 3);
	assert_str_equal(v[0], "select 7");
	assert_str_equal(v[1], "table t");
	assert_str_equal(v[2], "show all");
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		if (reads(b, others[i], &v, &n))
			print_error("%s\n", others[i]);
		assert_false(reads(b, others[i], &v, &n));
	}
}

static void errors_of_the_fast_path_are_the_same(void **state)
{
	static const struct job_variable given[] = {{S_INIT("n"), S_INIT("'seven and more'")}};
	struct bench *b = *state;
	struct pg_answer answers[2];
	struct job_error slow;
	struct str *v;
	int n;

	b->run.variables = given;
	b->run.nvariables = 1;
	head(b);
	assert_true(reads(b, "select 1;\n select :n,\n nix", &v, &n));
	assert_int_equal(pg_read(&b->c, b->p, v, n, b->run.caps, answers), PG_FAILED);
	pg_answer_drop(&answers[0]);
	assert_int_equal(go(b, "head.sql"), PG_FAILED);
	slow = b->run.error;
	b->run.error = (struct job_error){0};
	script_place_error(&b->c, &b->run, S("head.sql"), 1, &answers[1].error);
	assert_true(str_eq(slow.message, b->run.error.message) && str_eq(slow.path, b->run.error.path));
	assert_string_equal(slow.sqlstate, b->run.error.sqlstate);
	assert_int_equal(b->run.error.line, 3);
	assert_int_equal(b->run.error.column, 2);
	assert_int_equal(b->run.error.statement, 2);
	assert_int_equal(b->run.error.position, slow.position);
	assert_int_equal(slow.line, 3);
}

/* --- sizes --- */

static void a_long_file_takes_no_more_memory_than_a_short_one(void **state)
{
	struct bench *b = *state;
	struct buf text = {0};
	size_t before;

	buf_lit(&text, "create table t (a int);\n\\set n 1\n");
	for (int i = 0; i < 3000; i++)
		buf_lit(&text, "insert into t values (:n);\n\\set n 1\n");
	file(b, "a.sql", buf_cstr(&text));
	before = b->arena.used;
	assert_int_equal(go(b, "a.sql"), PG_OK);
	/* The pieces, and nothing for each statement that ran. */
	assert_true(b->arena.used - before < 6002 * (sizeof(struct script_piece) + sizeof(struct script_use)) + 65536);
	assert_str_equal(pg_rig_sql(&b->c, b->p, "select count(*) from t"), "[3000]");
	buf_drop(&text);
}

static int open_rig(void **state)
{
	(void)state;
	pg_rig_open(&rig);
	return 0;
}

static int close_rig(void **state)
{
	(void)state;
	pg_rig_close(&rig);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(statements_run_one_by_one_in_order),
		TEST(variables_come_from_the_job_and_from_set),
		TEST(one_row_becomes_variables),
		TEST(conditions_choose_what_runs),
		TEST(files_include_files_of_the_project),
		TEST(rows_are_copied_from_the_script_and_from_files),
		TEST(a_transaction_that_stays_open_is_rolled_back),
		TEST(errors_have_their_place_in_the_file),
		TEST(errors_of_an_included_file_are_there),
		TEST(rows_that_do_not_fit_have_their_line),
		TEST(what_is_not_there_is_an_error_of_the_file),
		TEST(files_that_include_each_other_end),
		TEST(includes_stop_at_the_deadline_and_at_the_sign),
		TEST(a_slow_statement_ends_at_the_deadline),
		TEST(a_lost_connection_is_told),
		TEST(a_head_takes_one_statement_a_message),
		TEST(what_is_beyond_one_database_is_refused_there),
		TEST(heads_that_only_read_are_known),
		TEST(errors_of_the_fast_path_are_the_same),
		TEST(a_long_file_takes_no_more_memory_than_a_short_one),
	};

	if (!pg_rig_there("postgres") || !pg_rig_there("initdb")) {
		print_message("SKIPPED: there is no PostgreSQL in /usr/lib/postgresql\n");
		return PG_RIG_SKIPPED;
	}
	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
