/* runner_chain_test.c - chains of SQL over real PostgreSQL in the jail: plans, layers and instances together.
 *
 * The base is made once; each test has a tenant of its own.
 */
#include "runner/layers_int.h"

#include "folder.h"
#include "test.h"

#include <stdio.h>
#include <unistd.h>

enum { FILES = 24, LIMIT_MS = 60000 };

static char place[FOLDER_PATH_MAX], objects[FOLDER_PATH_MAX];

struct chain {
	struct runner r;
	struct arena a;
	struct call c;
	struct pg_stop stop;
	char tenant[32];
	struct job_file files[FILES];
	int nfiles;
	struct job_variable variables[4];
	int nvariables;
	struct tree tree;
	struct plan plan;
	struct layer_got got;
};

static bool fine(struct chain *k, bool ok)
{
	if (!ok)
		print_error("%s: %s (%.*s %.*s)\n", err_code(k->c.err.kind), k->c.err.text, SARG(k->got.error.path), SARG(k->got.error.message));
	return ok;
}

static void open_backend(struct chain *k)
{
	const struct pg_jail_options o = {.dir = str_of(place), .driver = S("auto"), .uid = 639999, .max = 8, .memory_bytes = 1 << 30,
					  .disk_bytes = 1 << 30, .pids = 64};

	assert_true(fine(k, pg_jail_open(&k->c, &o, &k->r.o.backend)));
}

static void open_runner(struct chain *k)
{
	open_backend(k);
	assert_true(fine(k, plans_open(&k->c, &k->r)));
	assert_true(fine(k, layers_open(&k->c, &k->r)));
	assert_true(fine(k, instances_open(&k->c, &k->r)));
}

static void close_runner(struct chain *k)
{
	instances_close(&k->r);
	layers_close(&k->r);
	plans_close(&k->r);
	k->r.o.backend->ops->close(k->r.o.backend);
}

static int begin(void **state)
{
	static int number;
	struct chain *k = base_zalloc(sizeof(*k));

	call_open(&k->c, &k->a);
	snprintf(k->tenant, sizeof(k->tenant), "t%d", ++number);
	k->c.tenant = str_of(k->tenant);
	pg_stop_open(&k->stop);
	k->c.cancel = &k->stop.on;
	k->r.o = (struct runner_options){
		.store = store_folder_open(&k->c, str_of(objects)), .kv = kv_memory_open(1000), .replay_ms = 10000, .layer_bytes = 4LL << 30,
		.layer_ttl_s = 86400, .instance_ttl_s = 3600, .instance_idle_s = 60, .instances = 6, .warm_bytes = 1LL << 30,
		.project_files = 100, .project_bytes = 1 << 20, .blob_ttl_s = 86400,
	};
	assert_non_null(k->r.o.store);
	open_runner(k);
	*state = k;
	return 0;
}

static int end(void **state)
{
	struct chain *k = *state;

	close_runner(k);
	k->r.o.store->ops->close(k->r.o.store);
	k->r.o.kv->ops->close(k->r.o.kv);
	pg_stop_close(&k->stop);
	arena_close(&k->a);
	free(k);
	return 0;
}

static void file(struct chain *k, const char *path, const char *content)
{
	int i = 0;

	while (i < k->nfiles && !str_eq(k->files[i].path, str_of(path)))
		i++;
	k->files[i] = (struct job_file){.path = str_of(path), .content = str_of(content)};
	k->nfiles += i == k->nfiles;
}

static void plan(struct chain *k, const char *head)
{
	struct job_error error;
	const struct plan_ask ask = {.tree = &k->tree, .head = str_of(head), .nchain = -1, .variables = k->variables,
				     .nvariables = k->nvariables};

	k->tree = (struct tree){0};
	assert_true(fine(k, tree_add(&k->c, &k->r, &k->a, &k->tree, k->files, k->nfiles)));
	assert_true(fine(k, plan_make(&k->c, &k->r, &ask, &k->plan, &error)));
}

static bool acquire(struct chain *k, bool verify)
{
	const struct layer_ask ask = {.plan = &k->plan, .tree = &k->tree, .variables = k->variables, .nvariables = k->nvariables,
				      .pin_s = 60, .verify = verify, .stop = &k->stop};

	k->c.deadline_ms = clock_mono_ms() + LIMIT_MS;
	return layer_acquire(&k->c, &k->r, &ask, &k->got);
}

/* The one cell that `sql` gives, read on the shared instance or a writable one. */
static struct str cell(struct chain *k, bool shared, const char *sql, struct tenancy *kept)
{
	const struct pg_caps caps = {10, 10000};
	struct str text, one = str_of(sql), got;
	struct pg_ask ask = {.sql = one, .caps = caps};
	struct pg_answer a;
	struct tenancy t;

	assert_true(fine(k, instance_lease(&k->c, &k->r, k->got.layer, shared, &k->stop, &t)));
	if (shared)
		assert_int_equal(pg_read(&k->c, t.conn, &one, 1, caps, &a), PG_OK);
	else
		pg_run(&k->c, t.conn, &ask, 0, &a);
	if (a.outcome != PG_OK)
		print_error("%.*s\n", SARG(a.error.message));
	assert_int_equal(a.outcome, PG_OK);
	assert_int_equal(a.nparts, a.has_rows ? 1 : 0);
	got = a.nparts ? arena_dup(&k->a, engine_bytes_str(a.parts[0].bytes)) : S("");
	pg_answer_drop(&a);
	if (kept)
		*kept = t;
	else
		instance_return(&k->r, &t, true);
	text = str_starts(got, S("{\"data\":[[")) ? str_head(str_tail(got, 10), got.n - 13) : got;
	return text;
}

static void shop(struct chain *k)
{
	file(k, "init/1.sql", "CREATE TABLE goods (id int PRIMARY KEY, name text);\n");
	file(k, "init/2.sql", "CREATE FUNCTION doubled(i int) RETURNS int LANGUAGE sql AS 'SELECT 2 * i';\n");
	file(k, "seed/1.sql", "INSERT INTO goods SELECT i, 'thing ' || i FROM generate_series(1, 1000) i;\n");
	file(k, "seed/2.sql", "DELETE FROM goods WHERE id > 500;\n");
	file(k, "zz/head.sql", "SELECT count(*) FROM goods;\n");
}

/* miss, hit, the same tail and layer */
static void test_miss_then_hit(void **state)
{
	struct chain *k = *state;
	char first[RUNNER_HEX + 1];

	shop(k);
	plan(k, "zz/head.sql");
	assert_int_equal(k->plan.nsteps, 4);
	assert_true(fine(k, acquire(k, false)));
	assert_true(k->got.built);
	assert_int_equal(k->got.steps_reused, 0);
	memcpy(first, k->plan.tail_hash, sizeof(first));
	assert_str_equal(cell(k, true, "SELECT count(*)::int FROM goods", NULL), "500");
	assert_str_equal(cell(k, true, "SELECT doubled(21)", NULL), "42");
	layer_release(k->got.layer);
	plan(k, "zz/head.sql");
	assert_string_equal(k->plan.tail_hash, first);
	assert_true(fine(k, acquire(k, false)));
	assert_false(k->got.built);
	assert_int_equal(k->got.steps_reused, 4);
	assert_str_equal(cell(k, true, "SELECT count(*)::int FROM goods", NULL), "500");
	layer_release(k->got.layer);
}

/* another last file reuses what stands before it. R-06: each layer is over the one before. */
static void test_last_file_changes(void **state)
{
	struct chain *k = *state;
	struct job_page page = {.limit = 10};
	struct buf b = {0};
	struct json_out o = json_out(&b);
	const json_node *items;

	shop(k);
	plan(k, "zz/head.sql");
	assert_true(fine(k, acquire(k, false)));
	layer_release(k->got.layer);
	file(k, "seed/2.sql", "DELETE FROM goods WHERE id > 100;\n");
	plan(k, "zz/head.sql");
	assert_true(fine(k, acquire(k, false)));
	assert_true(k->got.built);
	assert_int_equal(k->got.steps_reused, 3);
	assert_str_equal(cell(k, false, "SELECT count(*)::int FROM goods", NULL), "100");
	layer_release(k->got.layer);
	json_begin_array(&o);
	assert_true(runner_layers(&k->c, &k->r, &page, &o));
	json_end_array(&o);
	assert_true(json_read(&k->c, buf_str(&b), &items));
	assert_int_equal(json_count(items), 4); /* end of init/, before the last, two ends */
	for (size_t i = 0; i < 4; i++) {
		assert_true(json_int(json_get(json_at(items, i), "bytes")) > 0);
		if (str_eq(json_text(json_get(json_at(items, i), "path")), S("init/2.sql")))
			assert_int_equal(json_kind(json_get(json_at(items, i), "parent")), JSON_KIND_NULL);
		else
			assert_int_equal(json_kind(json_get(json_at(items, i), "parent")), JSON_KIND_TEXT);
	}
	buf_drop(&b);
}

/* What a head writes stays in its own instance. */
static void test_writable_ones_see_nothing_of_each_other(void **state)
{
	struct chain *k = *state;
	struct tenancy a, b;

	shop(k);
	plan(k, "zz/head.sql");
	assert_true(fine(k, acquire(k, false)));
	assert_str_equal(cell(k, false, "DELETE FROM goods", &a), "");
	assert_str_equal(cell(k, false, "SELECT count(*)::int FROM goods", &b), "500");
	assert_str_equal(cell(k, true, "SELECT count(*)::int FROM goods", NULL), "500");
	instance_return(&k->r, &a, true);
	instance_return(&k->r, &b, true);
	layer_release(k->got.layer);
}

/* A step's session is its own, and what is set for the role or the database counts for the next one, as it does on a hit. */
static void test_steps_have_sessions_of_their_own(void **state)
{
	struct chain *k = *state;

	file(k, "init/1.sql", "CREATE SCHEMA inner_one; CREATE TEMP TABLE gone (i int); SET search_path = inner_one;\n"
			      "ALTER DATABASE app SET work_mem = '3MB'; SET my.setting = 'left';\n");
	file(k, "init/2.sql", "CREATE TABLE seen AS SELECT current_setting('work_mem') AS app,"
			      " coalesce(current_setting('my.setting', true), 'never set') AS mine, to_regclass('gone') IS NULL AS clean;\n");
	file(k, "z.sql", "SELECT 1;\n");
	plan(k, "z.sql");
	assert_true(fine(k, acquire(k, false)));
	assert_str_equal(cell(k, true, "SELECT app || ', ' || mine || ', ' || clean FROM public.seen", NULL),
			 "\"3MB, never set, true\"");
	layer_release(k->got.layer);
}

/* where the error is; the good steps before it stay layers. */
static void test_error_says_where(void **state)
{
	struct chain *k = *state;

	file(k, "init/1.sql", "CREATE TABLE a (i int);\n");
	file(k, "seed/1.sql", "INSERT INTO a VALUES (1);\n\nINSERT INTO nowhere VALUES (2);\n");
	file(k, "z.sql", "SELECT 1;\n");
	plan(k, "z.sql");
	assert_false(acquire(k, false));
	assert_string_equal(k->got.error.sqlstate, "42P01");
	assert_str_equal(k->got.error.path, "seed/1.sql");
	assert_int_equal(k->got.error.line, 3);
	assert_int_equal(k->got.error.stage, JOB_AT_TAIL_REPLAY);
	call_forgive(&k->c);
	assert_true(layer_there(&k->r, k->c.tenant, str_of(k->plan.steps[0].id)));
	file(k, "seed/1.sql", "INSERT INTO a VALUES (1);\n");
	plan(k, "z.sql");
	assert_true(fine(k, acquire(k, false)));
	assert_int_equal(k->got.steps_reused, 1);
	layer_release(k->got.layer);
}

static void test_layers_outlive_the_process(void **state)
{
	struct chain *k = *state;

	shop(k);
	plan(k, "zz/head.sql");
	assert_true(fine(k, acquire(k, false)));
	layer_release(k->got.layer);
	close_runner(k);
	open_runner(k);
	plan(k, "zz/head.sql");
	assert_true(fine(k, acquire(k, false)));
	assert_false(k->got.built);
	assert_str_equal(cell(k, true, "SELECT count(*)::int FROM goods", NULL), "500");
	layer_release(k->got.layer);
}

static void test_verify(void **state)
{
	struct chain *k = *state;

	shop(k);
	plan(k, "zz/head.sql");
	assert_true(fine(k, acquire(k, false)));
	assert_string_equal(k->got.deterministic, "unverified"); /* there is a function */
	layer_release(k->got.layer);
	assert_true(fine(k, acquire(k, true)));
	assert_string_equal(k->got.deterministic, "yes");
	layer_release(k->got.layer);
	file(k, "seed/3.sql", "DO $$ BEGIN UPDATE goods SET name = random()::text WHERE id = 7; END $$;\n");
	plan(k, "zz/head.sql");
	assert_true(fine(k, acquire(k, true)));
	assert_string_equal(k->got.deterministic, "no");
	layer_release(k->got.layer);
}

static void test_cancel_while_a_step_runs(void **state)
{
	struct chain *k = *state;

	file(k, "init/1.sql", "SELECT pg_sleep(600);\n");
	file(k, "z.sql", "SELECT 1;\n");
	plan(k, "z.sql");
	k->c.deadline_ms = clock_mono_ms() + 300;
	{
		const struct layer_ask ask = {.plan = &k->plan, .tree = &k->tree, .pin_s = 60, .stop = &k->stop};

		assert_false(layer_acquire(&k->c, &k->r, &ask, &k->got));
	}
	assert_int_equal(k->c.err.kind, ERR_STATEMENT_TIMEOUT);
	assert_str_equal(k->got.error.code, "timeout");
	call_forgive(&k->c);
}

/* How long things take is told, not judged. */
static void test_how_long(void **state)
{
	struct chain *k = *state;
	struct tenancy t;
	struct str one = S("SELECT count(*) FROM goods");
	struct pg_answer a;
	int64_t ns;

	shop(k);
	plan(k, "zz/head.sql");
	ns = clock_mono_ns();
	assert_true(fine(k, acquire(k, false)));
	print_message("miss, 4 steps, 3 layers: %.1f ms\n", (double)(clock_mono_ns() - ns) / 1e6);
	ns = clock_mono_ns();
	assert_true(fine(k, instance_lease(&k->c, &k->r, k->got.layer, false, &k->stop, &t)));
	print_message("cold writable lease: %.1f ms\n", (double)(clock_mono_ns() - ns) / 1e6);
	instance_return(&k->r, &t, true);
	instance_expect(&k->r, k->c.tenant, &k->plan);
	ns = clock_mono_ns();
	assert_true(fine(k, instance_lease(&k->c, &k->r, k->got.layer, true, &k->stop, &t)));
	print_message("first shared lease: %.1f ms\n", (double)(clock_mono_ns() - ns) / 1e6);
	instance_return(&k->r, &t, true);
	ns = clock_mono_ns();
	for (int i = 0; i < 1000; i++) {
		struct layer_got got;
		const struct layer_ask ask = {.plan = &k->plan, .tree = &k->tree, .pin_s = 60, .stop = &k->stop};

		assert_true(layer_acquire(&k->c, &k->r, &ask, &got));
		assert_true(instance_lease(&k->c, &k->r, got.layer, true, &k->stop, &t));
		assert_int_equal(pg_read(&k->c, t.conn, &one, 1, (struct pg_caps){10, 1000}, &a), PG_OK);
		pg_answer_drop(&a);
		instance_return(&k->r, &t, true);
		layer_release(got.layer);
	}
	ns = (clock_mono_ns() - ns) / 1000;
	print_message("hit, shared lease, read: %.3f ms\n", (double)ns / 1e6);
	layer_release(k->got.layer);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_miss_then_hit), T(test_last_file_changes), T(test_writable_ones_see_nothing_of_each_other),
		T(test_steps_have_sessions_of_their_own), T(test_error_says_where), T(test_layers_outlive_the_process), T(test_verify),
		T(test_cancel_while_a_step_runs), T(test_how_long),
	};
#undef T

	folder_make(place);
	folder_make(objects);
	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
