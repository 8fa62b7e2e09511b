/* catalog_test.c - sessions' own databases in real workers: seen by their own session only, within limits, dropped once.
 *
 * Workers are processes of the mayfly binary named by MAYFLY_BINARY.
 */
#include "engine/engine.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { CONCURRENT = 2, WAIT_MS = 30000 };

struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	struct engine_limits limits;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopped;
	char dir[FOLDER_PATH_MAX];
};
static struct fixture *fx; /* of the test that runs */

/* --- one catalog, and what its owner was told --- */
struct owned {
	struct engine_catalog *k;
	int lost, used;
	struct engine_usage usage;
	char hex[33];
};

static void on_lost(void *arg)
{
	struct owned *o = arg;

	pthread_mutex_lock(&fx->lock);
	o->lost++;
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

static void on_used(void *arg, const struct engine_usage *now)
{
	struct owned *o = arg;

	pthread_mutex_lock(&fx->lock);
	o->used++;
	o->usage = *now;
	pthread_mutex_unlock(&fx->lock);
}

static const char *name_of(struct owned *o)
{
	return arena_fmt(&fx->arena, "__eph_%s", o->hex).p;
}

static struct owned *open_in(const char *tenant, bool persistent)
{
	struct owned *o = arena_zalloc(&fx->arena, sizeof(*o));
	struct engine_catalog_options options = {.tenant = str_of(tenant), .persistent = persistent, .lost = on_lost, .used = on_used,
						 .arg = o};
	struct id id = id_v4();
	int n = 0;

	for (int i = 0; i < ID_LEN; i++)
		if (id.text[i] != '-')
			o->hex[n++] = id.text[i];
	options.name = str_of(name_of(o));
	o->k = engine_catalog_open(fx->engine, &options);
	return o;
}

static struct owned *open_catalog(bool persistent)
{
	return open_in("acme", persistent);
}

static void close_catalog(struct owned *o)
{
	engine_catalog_forget(o->k);
	engine_catalog_unref(o->k);
}

/* --- one task --- */
struct told {
	struct engine_task *task;
	struct buf rows, text, class;
	int started, parts, ended;
	enum engine_outcome outcome;
	int64_t count;
};

static void on_started(void *arg)
{
	struct told *t = arg;

	pthread_mutex_lock(&fx->lock);
	t->started++;
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

static void on_part(void *arg, const struct engine_part *p)
{
	struct told *t = arg;

	t->parts++;
	if (!p->gzip)
		buf_add(&t->rows, engine_bytes_str(p->bytes));
	engine_bytes_unref(p->bytes);
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct told *t = arg;

	pthread_mutex_lock(&fx->lock);
	t->ended++;
	t->outcome = end->outcome;
	t->count = end->rows;
	buf_add(&t->text, end->text);
	buf_add(&t->class, end->class);
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

static void wait_for(const int *what)
{
	pthread_mutex_lock(&fx->lock);
	while (!*what)
		pthread_cond_wait(&fx->changed, &fx->lock);
	pthread_mutex_unlock(&fx->lock);
}

static struct engine_ask ask_of(struct owned *o, const char *sql)
{
	return (struct engine_ask){.sql = str_of(sql), .tenant = S("acme"), .form = ENGINE_NATIVE, .first_part_bytes = 1 << 20,
				   .catalog = o ? o->k : NULL};
}

static void begin_ask(struct told *t, const struct engine_ask *ask)
{
	*t = (struct told){0};
	assert_true(engine_run(&fx->c, fx->engine, ask, &listener, t, &t->task));
}

static void begin_task(struct told *t, struct owned *o, const char *sql)
{
	struct engine_ask ask = ask_of(o, sql);

	begin_ask(t, &ask);
}

static void finish(struct told *t)
{
	wait_for(&t->ended);
	engine_task_unref(t->task);
	buf_drop(&t->rows);
	buf_drop(&t->text);
	buf_drop(&t->class);
}

/* Runs it and gives how it ended; a text of what came and of the error lives in the fixture's arena. */
struct done {
	enum engine_outcome outcome;
	struct str rows, text, class;
	int64_t count;
};

static struct done run_ask(const struct engine_ask *ask)
{
	struct told t;
	struct done d;

	begin_ask(&t, ask);
	wait_for(&t.ended);
	d = (struct done){t.outcome, arena_dup(&fx->arena, buf_str(&t.rows)), arena_dup(&fx->arena, buf_str(&t.text)),
			  arena_dup(&fx->arena, buf_str(&t.class)), t.count};
	finish(&t);
	return d;
}

static struct done run(struct owned *o, const char *sql)
{
	struct engine_ask ask = ask_of(o, sql);

	return run_ask(&ask);
}

static struct done change(struct owned *o, const char *sql, enum engine_counts counts)
{
	struct engine_ask ask = ask_of(o, sql);

	ask.writes = true;
	ask.counts = counts;
	return run_ask(&ask);
}

static void must(struct done d)
{
	if (d.outcome != ENGINE_OK)
		print_error("%.*s: %.*s\n", SARG(d.class), SARG(d.text));
	assert_int_equal(d.outcome, ENGINE_OK);
}

static void ddl(struct owned *o, const char *sql)
{
	must(change(o, sql, ENGINE_STATUS));
}

static void insert(struct owned *o, const char *sql)
{
	must(change(o, sql, ENGINE_INSERTED));
}

static void assert_rows(struct owned *o, const char *sql, const char *rows)
{
	struct done d = run(o, sql);

	must(d);
	if (!str_eq(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", rows)))
		print_error("%s gave %.*s\n", sql, SARG(d.rows));
	assert_true(str_eq(d.rows, arena_fmt(&fx->arena, "{\"data\":[%s]}", rows)));
}

/* --- a verb --- */
static void begin_verb(struct told *t, struct owned *o, enum engine_catalog_verb verb, struct owned *to)
{
	*t = (struct told){0};
	assert_true(engine_catalog_run(&fx->c, o->k, verb, to ? to->k : NULL, &listener, t, &t->task));
}

struct listed {
	enum engine_outcome outcome;
	struct engine_table_info *v;
	int n;
	struct str text;
};

static struct listed listed_of(struct told *t)
{
	struct listed l = {0};

	wait_for(&t->ended);
	l.outcome = t->outcome;
	l.text = arena_dup(&fx->arena, buf_str(&t->text));
	if (t->outcome == ENGINE_OK) {
		assert_int_equal(t->parts, 1);
		assert_true(engine_tables(&fx->c, arena_dup(&fx->arena, buf_str(&t->rows)), &l.v, &l.n));
	}
	finish(t);
	return l;
}

static struct listed verb(struct owned *o, enum engine_catalog_verb v, struct owned *to)
{
	struct told t;

	begin_verb(&t, o, v, to);
	return listed_of(&t);
}

static struct listed drop(struct owned *o)
{
	return verb(o, ENGINE_CATALOG_DROP, NULL);
}

/* --- the engine --- */
static void limits_of(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)tenant;
	*ret = *(struct engine_limits *)arg;
}

static void open_engine(void)
{
	struct engine_options o = {.max_workers = 2, .idle_ms = 60000, .cancel_grace_ms = 5000, .uid_base = 640000, .limits = limits_of,
				   .arg = &fx->limits, .program = getenv("MAYFLY_BINARY")};

	assert_non_null(o.program);
	fx->loop = o.loop = exec_loop_open("engine");
	o.data_dir = str_of(fx->dir);
	fx->engine = engine_open(&fx->c, &o);
	assert_non_null(fx->engine);
	exec_loop_start(fx->loop);
}

static int begin(void **state)
{
	(void)state;
	fx = calloc(1, sizeof(*fx));
	call_open(&fx->c, &fx->arena);
	pthread_mutex_init(&fx->lock, NULL);
	pthread_cond_init(&fx->changed, NULL);
	folder_make(fx->dir);
	assert_int_equal(chmod(fx->dir, 0711), 0);
	fx->limits = (struct engine_limits){.memory_bytes = 1LL << 31, .temp_bytes = 1 << 30, .threads = 2, .concurrent = CONCURRENT,
					    .queued = 100};
	open_engine();
	return 0;
}

static void on_stopped(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&fx->lock);
	fx->stopped = true;
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

static void close_engine(void)
{
	fx->stopped = false;
	engine_stop(fx->engine, on_stopped, NULL);
	pthread_mutex_lock(&fx->lock);
	while (!fx->stopped)
		pthread_cond_wait(&fx->changed, &fx->lock);
	pthread_mutex_unlock(&fx->lock);
	exec_loop_stop(fx->loop);
	exec_loop_join(fx->loop);
	engine_close(fx->engine);
	exec_loop_close(fx->loop);
}

static int end(void **state)
{
	(void)state;
	close_engine();
	folder_remove(fx->dir);
	arena_close(&fx->arena);
	free(fx);
	return 0;
}

static bool has_file(struct owned *o, const char *ends)
{
	return access(arena_fmt(&fx->arena, "%s/tenants/acme/sessions/%s.db%s", fx->dir, name_of(o), ends).p, F_OK) == 0;
}

static pid_t parent_of(const char *pid)
{
	char path[300];
	FILE *f;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

/* The only child of this process. */
static pid_t worker_pid(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (ascii_digit(e->d_name[0]) && parent_of(e->d_name) == getpid())
			found = atoi(e->d_name);
	closedir(d);
	assert_true(found > 0);
	return found;
}

static int workers(void)
{
	struct engine_report r;

	engine_report(fx->engine, &r);
	return r.workers;
}

#define LONG "select count(*) from range(100000000) a, range(100000) b"

/* --- seen by their own session only --- */

static void a_session_finds_its_tables_and_the_tenants(void **state)
{
	struct owned *o = open_catalog(false);

	(void)state;
	ddl(NULL, "create table base as select i as id, 'name ' || i as name from range(10) t(i)");
	ddl(o, "create table Mine(id int primary key, v varchar)");
	insert(o, "insert into mine values (1, 'a'), (2, 'b')");
	assert_rows(o, "select m.v, b.name from mine m join base b on b.id = m.id order by 1", "[\"a\",\"name 1\"],[\"b\",\"name 2\"]");
	assert_rows(o, arena_fmt(&fx->arena, "select count(*) from \"%s\".public.\"Mine\"", name_of(o)).p, "[2]");
	must(change(o, "update mine set v = 'c' where id = 2", ENGINE_UPDATED));
	must(change(o, "delete from mine where id = 1", ENGINE_DELETED));
	assert_rows(o, "select * from mine", "[2,\"c\"]");
	assert_rows(o, "select name from mayfly_tables()", "[\"Mine\"]");
	assert_rows(NULL, "select name from mayfly_tables()", "");
	assert_int_equal(run(NULL, "select * from mine").outcome, ENGINE_FAILED);
	assert_int_equal(drop(o).n, 1);
	close_catalog(o);
}

/* Everything that lists, or that guesses what was meant. */
static void two_sessions_do_not_see_each_other(void **state)
{
	static const char *const lists[] = {
		"select * from duckdb_tables()", "select * from duckdb_columns()", "select * from duckdb_constraints()",
		"select * from duckdb_sequences()", "select * from duckdb_schemas()", "select * from duckdb_databases()",
		"select * from duckdb_views()", "select * from duckdb_indexes()", "select * from information_schema.tables",
		"select * from information_schema.columns", "select * from information_schema.schemata",
		"select * from information_schema.table_constraints", "select * from pg_catalog.pg_class",
		"select * from pg_catalog.pg_namespace",
		"select * from pg_catalog.pg_tables", "select * from sqlite_master", "show tables", "show all tables", "show databases",
		"select * from pg_catalog.pg_sequences", "select * from pg_catalog.pg_attribute", "select name from mayfly_tables()"};
	static const char *const guesses[] = {
		"select * from secret_tabl", "select * from secret_tables", "insert into secret_tabl values (1)", "drop table secret_tabl",
		"select secret_column from secret_table", "describe secret_table", "select nextval('secret_sequence')",
		"select * from public.secret_table", "alter table secret_table add column x int", "select * from secret_vie",
		"select secret_macr(1)", "select null::secret_typ", "summarize secret_table", "comment on table secret_table is 'x'"};
	struct owned *a = open_catalog(false), *b = open_catalog(true);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct owned *o = i ? b : a;

		ddl(o, "create table secret_table(secret_column int primary key)");
		ddl(o, "create sequence secret_sequence");
		ddl(o, "create view secret_view as select * from secret_table");
		ddl(o, "create type secret_type as enum ('x')");
		ddl(o, "create macro secret_macro(x) as x + 1");
		ddl(o, "drop table secret_table cascade");
		ddl(o, "create table secret_table(secret_column int primary key)");
	}
	for (int i = 0; i < 3; i++) {
		struct owned *asks = i == 0 ? NULL : open_catalog(i == 2);

		for (size_t j = 0; j < COUNT_OF(lists); j++) {
			struct done d = run(asks, lists[j]);

			must(d);
			assert_int_equal(str_search(d.rows, S("secret")), d.rows.n);
			assert_int_equal(str_search(d.rows, str_of(a->hex)), d.rows.n);
			assert_int_equal(str_search(d.rows, str_of(b->hex)), d.rows.n);
		}
		for (size_t j = 0; j < COUNT_OF(guesses); j++) {
			struct done d = run(asks, guesses[j]);

			assert_int_equal(d.outcome, ENGINE_FAILED);
			assert_int_equal(str_search(d.text, str_of(a->hex)), d.text.n);
			assert_int_equal(str_search(d.text, str_of(b->hex)), d.text.n);
			assert_int_equal(str_search(d.text, S("Did you mean \"secret")), d.text.n);
			assert_int_equal(str_search(d.text, S("__eph_")), d.text.n);
		}
		if (asks)
			close_catalog(asks);
	}
	close_catalog(a);
	close_catalog(b);
}

/* --- limits --- */

static void a_change_beyond_a_limit_leaves_nothing(void **state)
{
	const struct engine_usage max = {2, 1000, 100000};
	struct owned *o = open_catalog(false);
	struct done d;

	(void)state;
	engine_catalog_limit(o->k, &max);
	ddl(o, "create table a(i bigint, s varchar)");
	insert(o, "insert into a select i, 'x' from range(900) t(i)");
	d = change(o, "insert into a select i, 'y' from range(101) t(i)", ENGINE_INSERTED);
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "rows");
	assert_str_equal(d.text, "tenants.session_rows: limit 1000, this statement would make it 1001");
	assert_rows(o, "select count(*) from a", "[900]");
	insert(o, "insert into a select i, 'y' from range(100) t(i)");
	d = change(o, "update a set s = repeat('z', 100)", ENGINE_UPDATED);
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "bytes");
	assert_rows(o, "select max(length(s)) from a", "[1]");
	must(change(o, "delete from a where i > 10", ENGINE_DELETED));
	d = change(o, "insert into a values (1, repeat('q', 200000))", ENGINE_INSERTED);
	assert_int_equal(d.outcome, ENGINE_FULL);
	ddl(o, "create table b as select 1 as x");
	d = change(o, "create table c as select 1 as x", ENGINE_STATUS);
	assert_int_equal(d.outcome, ENGINE_FULL);
	assert_str_equal(d.class, "tables");
	assert_rows(o, "select name from mayfly_tables() order by 1", "[\"a\"],[\"b\"]");
	ddl(o, "drop table b");
	ddl(o, "create table c as select 1 as x");
	d = change(o, "create or replace table c as select i from range(5000) t(i)", ENGINE_STATUS);
	assert_str_equal(d.class, "rows");
	assert_rows(o, "select * from c", "[1]");
	close_catalog(o);
}

static void usage_is_told_after_each_change(void **state)
{
	struct owned *o = open_catalog(false);

	(void)state;
	ddl(o, "create table a(i bigint, s varchar)");
	assert_int_equal(o->usage.tables, 1);
	insert(o, "insert into a values (1, 'abc'), (2, NULL)");
	assert_int_equal(o->usage.rows, 2);
	assert_int_equal(o->usage.bytes, 19);
	must(change(o, "update a set s = 'abcdef' where i = 1", ENGINE_UPDATED));
	assert_int_equal(o->usage.bytes, 22);
	insert(o, "insert into a select * from a");
	assert_int_equal(o->usage.rows, 4);
	assert_int_equal(o->usage.bytes, 44);
	must(change(o, "delete from a", ENGINE_DELETED));
	assert_int_equal(o->usage.rows, 0);
	assert_int_equal(o->usage.bytes, 0);
	ddl(o, "create table rowids(rowid bigint)");
	insert(o, "insert into rowids values (5)");
	insert(o, "insert into rowids values (6)");
	assert_int_equal(o->usage.rows, 2);
	assert_int_equal(change(o, "insert into a values ('x', 'y')", ENGINE_INSERTED).outcome, ENGINE_FAILED);
	ddl(o, "alter table a rename to \"The Second\"");
	assert_rows(o, "select name from mayfly_tables() order by 1", "[\"The Second\"],[\"rowids\"]");
	assert_int_equal(o->usage.tables, 2);
	ddl(o, "create view seen as select * from rowids");
	ddl(o, "create temp table passing(i int)");
	assert_int_equal(o->usage.tables, 2);
	must(change(o, "vacuum", ENGINE_STATUS));
	must(change(o, "truncate rowids", ENGINE_DELETED));
	assert_int_equal(o->usage.rows, 0);
	close_catalog(o);
}

static void writers_at_once_keep_the_count(void **state)
{
	struct owned *o = open_catalog(false);
	struct told t[40];

	(void)state;
	ddl(o, "create table a(i bigint)");
	for (int i = 0; i < 40; i++) {
		struct engine_ask ask = ask_of(o, i % 4 ? "insert into a select * from range(100)"
							: "create or replace table b as select 1 as x");

		ask.writes = true;
		ask.counts = i % 4 ? ENGINE_INSERTED : ENGINE_STATUS;
		begin_ask(&t[i], &ask);
	}
	for (int i = 0; i < 40; i++) {
		wait_for(&t[i].ended);
		assert_true(t[i].outcome == ENGINE_OK || i % 4 == 0); /* two replacing at once: one may fail */
		finish(&t[i]);
	}
	assert_rows(o, "select count(*) from a", "[3000]");
	must(change(o, "delete from b", ENGINE_DELETED));
	assert_int_equal(o->usage.rows, 3000);
	assert_int_equal(o->usage.tables, 2);
	close_catalog(o);
}

/* --- the worker ends --- */

static void a_killed_worker_takes_memory_and_leaves_files(void **state)
{
	struct owned *memory[3], *file = open_catalog(true), *fresh = open_catalog(false);
	struct listed l;

	(void)state;
	for (int i = 0; i < 3; i++) {
		memory[i] = open_catalog(false);
		ddl(memory[i], "create table t as select 1 as x");
	}
	ddl(file, "create table Kept(x int, s varchar)");
	ddl(file, "create view v as select * from Kept");
	insert(file, "insert into kept values (7, 'seven')");
	kill(worker_pid(), SIGKILL);
	for (int ms = 0; ms < WAIT_MS && workers() > 0; ms += 20)
		usleep(20000);
	for (int i = 0; i < 3; i++) {
		wait_for(&memory[i]->lost);
		assert_int_equal(run(memory[i], "select * from t").outcome, ENGINE_LOST);
		assert_false(engine_catalog_exists(memory[i]->k));
		assert_int_equal(drop(memory[i]).n, 0);
		assert_int_equal(memory[i]->lost, 1);
	}
	assert_int_equal(workers(), 0); /* none was started for those */
	assert_true(engine_catalog_exists(file->k));
	l = verb(file, ENGINE_CATALOG_TABLES, NULL);
	assert_int_equal(l.n, 1);
	assert_str_equal(l.v[0].name, "Kept");
	assert_int_equal(l.v[0].rows, 1);
	assert_rows(file, "select x from v", "[7]");
	insert(file, "insert into kept values (8, 'eight')");
	assert_int_equal(file->usage.rows, 2);
	assert_int_equal(file->usage.bytes, 18);
	assert_int_equal(file->lost, 0);
	ddl(fresh, "create table t as select 1 as x"); /* first used in the new worker */
	assert_int_equal(fresh->lost, 0);
	for (int i = 0; i < 3; i++)
		close_catalog(memory[i]);
	close_catalog(file);
	close_catalog(fresh);
}

/* As if it had been killed while it spilled. */
static void what_a_killed_worker_spilled_is_gone_with_it(void **state)
{
	static const char *const folders[] = {"tmp", "incoming"};
	struct owned *o = open_catalog(false);
	const char *paths[COUNT_OF(folders)];

	(void)state;
	ddl(o, "create table t as select 1 as x");
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		FILE *f;

		paths[i] = arena_fmt(&fx->arena, "%s/tenants/acme/%s/spilled", fx->dir, folders[i]).p;
		f = fopen(paths[i], "w");
		assert_non_null(f);
		fputs("planted-secret", f);
		fclose(f);
	}
	kill(worker_pid(), SIGKILL);
	wait_for(&o->lost);
	for (int ms = 0; ms < WAIT_MS && workers() > 0; ms += 20)
		usleep(20000);
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		assert_int_not_equal(access(paths[i], F_OK), 0);
	close_catalog(o);
}

static void an_idle_worker_stays_for_memory_and_goes_without(void **state)
{
	struct owned *o = open_catalog(false), *p = open_catalog(true);

	(void)state;
	ddl(o, "create table t as select 1 as x");
	ddl(p, "create table t as select 2 as x");
	for (int i = 0; i < 3; i++) {
		struct told other;
		struct engine_ask ask = ask_of(NULL, "select 1");

		clock_advance(3600000);
		ask.tenant = S("other"); /* and no other tenant sends it away */
		begin_ask(&other, &ask);
		finish(&other);
	}
	usleep(1200000); /* two ticks of the engine, real ones */
	assert_int_equal(o->lost, 0);
	assert_rows(o, "select * from t", "[1]");
	assert_int_equal(drop(o).n, 1);
	clock_advance(3600000);
	for (int ms = 0; ms < WAIT_MS && workers() > 0; ms += 20)
		usleep(20000);
	assert_int_equal(workers(), 0);
	assert_int_equal(o->lost, 0);
	assert_rows(p, "select * from t", "[2]");
	close_catalog(o);
	close_catalog(p);
}

static void tenants_with_sessions_keep_their_workers(void **state)
{
	struct owned *a = open_in("a", false), *b = open_in("b", false), *all[2] = {a, b};
	struct engine_ask ask = ask_of(NULL, "select 1");
	struct told t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct engine_ask make = ask_of(all[i], "create table t as select 1 as x");

		make.tenant = i ? S("b") : S("a");
		make.writes = true;
		must(run_ask(&make));
	}
	ask.tenant = S("c");
	assert_false(engine_run(&fx->c, fx->engine, &ask, &listener, &t, &t.task));
	assert_int_equal(fx->c.err.kind, ERR_UNAVAILABLE);
	call_forgive(&fx->c);
	assert_int_equal(drop(a).n, 1);
	must(run_ask(&ask));
	assert_int_equal(a->lost + b->lost, 0);
	close_catalog(a);
	close_catalog(b);
}

/* --- dropping --- */

static void a_drop_gets_through_when_all_statements_are_long(void **state)
{
	struct owned *o = open_catalog(false), *other = open_catalog(true);
	struct told busy[CONCURRENT + 3], late;
	struct listed l;

	(void)state;
	ddl(o, "create table t as select * from range(10)");
	ddl(o, "create table u(i int)");
	ddl(other, "create table t as select * from range(10)");
	for (int i = 0; i < CONCURRENT + 3; i++)
		begin_task(&busy[i], NULL, LONG);
	begin_task(&late, o, "select 1");
	wait_for(&busy[CONCURRENT - 1].started);
	l = drop(o);
	assert_int_equal(l.outcome, ENGINE_OK);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[0].rows + l.v[1].rows, 10);
	assert_int_equal(l.v[0].error.n, 0);
	wait_for(&late.ended);
	assert_int_equal(late.outcome, ENGINE_GONE);
	finish(&late);
	l = verb(other, ENGINE_CATALOG_TABLES, NULL);
	assert_int_equal(l.v[0].rows, 10);
	assert_int_equal(drop(other).n, 1);
	assert_int_equal(drop(o).n, 0); /* again: nothing left */
	assert_false(engine_catalog_exists(o->k));
	for (int i = 0; i < CONCURRENT + 3; i++) {
		engine_cancel(busy[i].task);
		finish(&busy[i]);
	}
	assert_int_equal(run(o, "select 1").outcome, ENGINE_GONE);
	close_catalog(o);
	close_catalog(other);
}

static void a_drop_ends_what_runs_there_but_for_what_outlives_it(void **state)
{
	struct owned *o = open_catalog(true);
	struct engine_ask stays = ask_of(o, "select count(*), SYSTEM$WAIT(2) from t");
	struct told running, outlives;

	(void)state;
	ddl(o, "create table t as select * from range(10)");
	stays.outlives = true;
	begin_task(&running, o, "select count(*) from t, range(100000000) a, range(100000) b");
	begin_ask(&outlives, &stays);
	wait_for(&running.started);
	wait_for(&outlives.started);
	assert_true(has_file(o, ""));
	assert_int_equal(drop(o).n, 1);
	wait_for(&running.ended);
	assert_int_equal(running.outcome, ENGINE_GONE);
	wait_for(&outlives.ended);
	assert_true(outlives.outcome == ENGINE_OK || outlives.outcome == ENGINE_FAILED); /* it had begun, or not yet */
	finish(&running);
	finish(&outlives);
	assert_rows(NULL, "select 1", "[1]");
	assert_false(has_file(o, "") || has_file(o, ".wal"));
	close_catalog(o);
}

static void a_table_that_cannot_be_dropped_is_named_and_the_rest_is_gone(void **state)
{
	struct owned *o = open_catalog(false);
	struct engine_ask holds = ask_of(o, "create or replace table held as select SYSTEM$WAIT(20) as w");
	struct told holding;
	struct listed l;
	int survivors = 0;

	(void)state;
	ddl(o, "create table a as select * from range(3)");
	ddl(o, "create table held as select 1 as i");
	ddl(o, "create table z as select * from range(4)");
	holds.writes = holds.outlives = true;
	holds.counts = ENGINE_STATUS;
	begin_ask(&holding, &holds);
	wait_for(&holding.started);
	usleep(300000); /* it has changed the table, and waits */
	l = drop(o);
	assert_int_equal(l.outcome, ENGINE_OK);
	assert_int_equal(l.n, 3);
	for (int i = 0; i < l.n; i++) {
		survivors += l.v[i].error.n > 0;
		assert_true((l.v[i].error.n > 0) == str_eq(l.v[i].name, S("held")));
	}
	assert_int_equal(survivors, 1);
	assert_int_equal(o->usage.tables, 1);
	assert_int_equal(run(o, "select 1").outcome, ENGINE_GONE);
	assert_true(engine_catalog_exists(o->k));
	engine_cancel(holding.task);
	finish(&holding);
	l = drop(o);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.v[0].error.n, 0);
	assert_int_equal(o->usage.tables, 0);
	close_catalog(o);
}

/* Whatever comes in between: every task ends once, and after the drop nothing is there. */
static void drops_race_statements(void **state)
{
	static const char *const texts[] = {"insert into t select * from range(1000)", "select count(*) from t",
					    "create or replace table u as select * from range(100)", "update t set range = 1",
					    "select count(*) from t, range(100000000) a, range(100000) b", "drop table if exists u"};
	enum { ROUNDS = 60, TASKS = 6 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct owned *o = open_catalog(round % 4 == 0);
		struct told t[TASKS];
		struct listed l;

		if (round % 3)
			ddl(o, "create table t as select * from range(10)");
		for (int i = 0; i < TASKS; i++) {
			struct engine_ask ask = ask_of(o, texts[(round + i) % COUNT_OF(texts)]);

			ask.writes = !str_starts(ask.sql, S("select"));
			ask.counts = ask.writes ? ENGINE_STATUS : ENGINE_ROWS;
			begin_ask(&t[i], &ask);
		}
		if (round % 5)
			wait_for(&t[round % 2].started);
		l = drop(o);
		assert_int_equal(l.outcome, ENGINE_OK);
		for (int i = 0; i < l.n; i++)
			assert_int_equal(l.v[i].error.n, 0);
		for (int i = 0; i < TASKS; i++) {
			wait_for(&t[i].ended);
			assert_int_equal(t[i].ended, 1);
			assert_true(t[i].outcome == ENGINE_OK || t[i].outcome == ENGINE_FAILED || t[i].outcome == ENGINE_GONE);
			finish(&t[i]);
		}
		assert_int_equal(run(o, "select 1").outcome, ENGINE_GONE);
		assert_int_equal(o->lost, 0);
		assert_false(has_file(o, "") || has_file(o, ".wal"));
		close_catalog(o);
	}
	assert_int_equal(workers(), 1);
}

static void tables_that_refer_to_each_other_are_dropped(void **state)
{
	struct owned *o = open_catalog(false);
	struct listed l;

	(void)state;
	ddl(o, "create table a(i int primary key)");
	ddl(o, "create table b(i int primary key references a(i))");
	ddl(o, "create table c(i int references b(i))");
	insert(o, "insert into a values (1)");
	insert(o, "insert into b values (1)");
	l = drop(o);
	assert_int_equal(l.n, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(l.v[i].error.n, 0);
	close_catalog(o);
}

static void what_was_never_used_is_dropped_without_a_worker(void **state)
{
	struct owned *memory = open_catalog(false), *file = open_catalog(true);

	(void)state;
	assert_false(engine_catalog_exists(memory->k));
	assert_false(engine_catalog_exists(file->k));
	assert_int_equal(verb(memory, ENGINE_CATALOG_TABLES, NULL).n, 0);
	assert_int_equal(drop(memory).outcome, ENGINE_OK);
	assert_int_equal(drop(file).outcome, ENGINE_OK);
	assert_int_equal(workers(), 0);
	close_catalog(memory);
	close_catalog(file);
}

static void a_persistent_catalog_outlives_the_server_and_its_files_go_with_it(void **state)
{
	struct owned *o = open_catalog(true), *again;
	struct engine_catalog_options same = {.tenant = S("acme"), .persistent = true};

	(void)state;
	ddl(o, "create table t(i int primary key, s varchar)");
	insert(o, "insert into t select i, 'planted-secret-' || i from range(1000) t(i)");
	close_catalog(o);
	close_engine();
	assert_true(has_file(o, ""));
	open_engine();
	same.name = str_of(name_of(o));
	again = arena_zalloc(&fx->arena, sizeof(*again));
	memcpy(again->hex, o->hex, sizeof(o->hex));
	again->k = engine_catalog_open(fx->engine, &same);
	assert_true(engine_catalog_exists(again->k));
	assert_rows(again, "select count(*) from t", "[1000]");
	assert_int_equal(change(again, "insert into t values (5, '')", ENGINE_INSERTED).outcome, ENGINE_FAILED);
	assert_int_equal(drop(again).n, 1);
	assert_false(has_file(o, "") || has_file(o, ".wal"));
	close_catalog(again);
}

static void more_files_than_are_open_at_once(void **state)
{
	enum { N = 300 };
	struct owned **v = arena_alloc(&fx->arena, sizeof(struct owned *) * N);

	(void)state;
	for (int i = 0; i < N; i++) {
		v[i] = open_catalog(true);
		ddl(v[i], arena_fmt(&fx->arena, "create table t as select %d as i", i).p);
	}
	for (int i = 0; i < N; i++) {
		assert_rows(v[i], "select i from t", arena_fmt(&fx->arena, "[%d]", i).p);
		assert_rows(v[i], "select name from mayfly_tables()", "[\"t\"]");
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(drop(v[i]).n, 1);
		assert_false(has_file(v[i], "") || has_file(v[i], ".wal"));
		close_catalog(v[i]);
	}
}

/* --- fork --- */

static void a_fork_has_the_same_and_goes_its_own_way(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct owned *a = open_catalog(i), *b = open_catalog(i);
		struct listed l;

		ddl(a, "create table \"T\"(i int primary key, s varchar)");
		ddl(a, "create view v as select count(*) as n from t");
		insert(a, "insert into t values (1, 'one'), (2, 'two')");
		l = verb(a, ENGINE_CATALOG_FORK, b);
		assert_int_equal(l.outcome, ENGINE_OK);
		assert_int_equal(l.n, 1);
		assert_str_equal(l.v[0].name, "T");
		assert_int_equal(l.v[0].rows, 2);
		assert_int_equal(b->usage.rows, 2);
		insert(b, "insert into t values (3, 'three')");
		assert_int_equal(change(b, "insert into t values (1, 'again')", ENGINE_INSERTED).outcome, ENGINE_FAILED);
		assert_rows(a, "select count(*) from t", "[2]");
		assert_int_equal(drop(a).n, 1);
		assert_rows(b, "select n from v", "[3]");
		assert_int_equal(drop(b).n, 1);
		close_catalog(a);
		close_catalog(b);
	}
}

static void a_fork_beyond_the_limits_leaves_nothing(void **state)
{
	const struct engine_usage max = {10, 5, 1 << 20};
	struct owned *a = open_catalog(false), *b = open_catalog(false);
	struct listed l;

	(void)state;
	ddl(a, "create table t as select * from range(6)");
	engine_catalog_limit(b->k, &max);
	l = verb(a, ENGINE_CATALOG_FORK, b);
	assert_int_equal(l.outcome, ENGINE_FULL);
	assert_int_equal(drop(b).n, 0);
	assert_int_equal(drop(a).n, 1);
	close_catalog(a);
	close_catalog(b);
}

/* --- many --- */

static int64_t rss_kb(pid_t pid)
{
	char path[64], line[256];
	long long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* MAYFLY_CATALOGS sets how many, for measurements. */
static void thousands_of_catalogs_are_small(void **state)
{
	int n = getenv("MAYFLY_CATALOGS") ? atoi(getenv("MAYFLY_CATALOGS")) : 1000;
	struct owned **v = arena_alloc(&fx->arena, sizeof(struct owned *) * (size_t)n);
	int64_t before, after, began, used;

	(void)state;
	ddl(NULL, "create table warm as select 1 as x");
	before = rss_kb(worker_pid());
	began = clock_mono_ms();
	for (int i = 0; i < n; i++) {
		v[i] = open_catalog(false);
		ddl(v[i], "create table t(id int, name varchar)");
		insert(v[i], "insert into t values (1, 'one'), (2, 'two')");
	}
	used = clock_mono_ms() - began;
	after = rss_kb(worker_pid());
	print_message("%d catalogs: %.1f KB each (%lld MB in all), %.2f ms each\n", n, (double)(after - before) / n,
		      (long long)after / 1024, (double)used / n);
	assert_true(SANITIZED || (after - before) / n < 200);
	began = clock_mono_ms();
	for (int i = 0; i < n; i++) {
		assert_int_equal(drop(v[i]).n, 1);
		close_catalog(v[i]);
	}
	print_message("dropped in %.2f ms each, %lld MB left\n", (double)(clock_mono_ms() - began) / n,
		      (long long)rss_kb(worker_pid()) / 1024);
}

/* --- lists on the wire --- */

static void a_list_of_tables_is_checked(void **state)
{
	static const char good[] = "\1\0\0\0\1\0\0\0t\5\0\0\0\0\0\0\0\0\0\0\0";
	static const char *const bad[] = {"\xff\xff\xff\xff", "\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0",
					  "\1\0\0\0\1\0\0\0\xff\5\0\0\0\0\0\0\0\0\0\0\0", "\1\0\0\0\1\0\0\0t\5\0\0\0\0\0\0\xff\0\0\0\0"};
	static const size_t lengths[] = {4, 20, 21, 21};
	struct engine_table_info *v;
	int n;

	(void)state;
	assert_true(engine_tables(&fx->c, str_from(good, 21), &v, &n));
	assert_int_equal(v[0].rows, 5);
	for (size_t i = 0; i < 21; i++) {
		assert_false(engine_tables(&fx->c, str_from(good, i), &v, &n));
		call_forgive(&fx->c);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(engine_tables(&fx->c, str_from(bad[i], lengths[i]), &v, &n));
		call_forgive(&fx->c);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(a_session_finds_its_tables_and_the_tenants),
		CASE(two_sessions_do_not_see_each_other),
		CASE(a_change_beyond_a_limit_leaves_nothing),
		CASE(usage_is_told_after_each_change),
		CASE(writers_at_once_keep_the_count),
		CASE(a_killed_worker_takes_memory_and_leaves_files),
		CASE(what_a_killed_worker_spilled_is_gone_with_it),
		CASE(an_idle_worker_stays_for_memory_and_goes_without),
		CASE(tenants_with_sessions_keep_their_workers),
		CASE(a_drop_gets_through_when_all_statements_are_long),
		CASE(a_drop_ends_what_runs_there_but_for_what_outlives_it),
		CASE(a_table_that_cannot_be_dropped_is_named_and_the_rest_is_gone),
		CASE(drops_race_statements),
		CASE(tables_that_refer_to_each_other_are_dropped),
		CASE(what_was_never_used_is_dropped_without_a_worker),
		CASE(a_persistent_catalog_outlives_the_server_and_its_files_go_with_it),
		CASE(more_files_than_are_open_at_once),
		CASE(a_fork_has_the_same_and_goes_its_own_way),
		CASE(a_fork_beyond_the_limits_leaves_nothing),
		CASE(thousands_of_catalogs_are_small),
		CASE(a_list_of_tables_is_checked),
	};

	return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
