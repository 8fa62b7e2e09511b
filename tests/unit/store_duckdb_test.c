/* store_duckdb_test.c - statements in DuckDB files: what is kept, in which form, and what damaged files do.
 *
 * What all stores must do is in stmt_store_test.c; kills are in store_duckdb_crash_test.c.
 */
#include "store_duckdb_rig.h"

#include <fcntl.h>
#include <sys/mount.h>

#define SESSION "0192f0c0-0000-7000-8000-00000000abcd"
#define SESSION_FILE "acme." SESSION ".db"

static int begin(void **state)
{
	struct duck_rig *g = calloc(1, sizeof(*g));

	duck_rig_open(g);
	*state = g;
	return 0;
}

static int end(void **state)
{
	duck_rig_close(*state);
	free(*state);
	return 0;
}

static void ok(struct duck_rig *g, bool done)
{
	if (!done)
		print_error("%s: %s\n", err_code(g->c.err.kind), g->c.err.text);
	assert_true(done);
}

static void fails(struct duck_rig *g, bool done, enum err_kind kind)
{
	assert_false(done);
	if (g->c.err.kind != kind)
		print_error("%s: %s\n", err_code(g->c.err.kind), g->c.err.text);
	assert_int_equal(g->c.err.kind, kind);
	call_forgive(&g->c);
}

static bool find(struct duck_rig *g, const struct stmt_record *r, struct stmt_record *ret)
{
	struct stmt_store_key k = duck_rig_key(r);

	return g->store->ops->find(&g->c, g->store, &k, ret);
}

static bool drop(struct duck_rig *g, const struct stmt_record *r)
{
	struct stmt_store_key k = duck_rig_key(r);

	return g->store->ops->drop(&g->c, g->store, &k);
}

static bool there(const struct duck_rig *g, const char *file)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", g->dir, file);
	return access(path, F_OK) == 0;
}

/* --- one statement --- */

static void assert_same(const struct stmt_record *a, const struct stmt_record *b)
{
	assert_true(str_eq(a->handle, b->handle) && str_eq(a->tenant, b->tenant) && str_eq(a->session_id, b->session_id));
	assert_true(str_eq(a->principal, b->principal) && str_eq(a->owner, b->owner) && str_eq(a->sql, b->sql));
	assert_true(str_eq(a->request_id, b->request_id) && str_eq(a->claim, b->claim) && str_eq(a->columns, b->columns));
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->kind, b->kind);
	assert_true(a->created_ms == b->created_ms && a->started_ms == b->started_ms && a->completed_ms == b->completed_ms);
	assert_true(a->expires_ms == b->expires_ms && a->ttl_ms == b->ttl_ms && a->timeout_ms == b->timeout_ms);
	assert_true(a->rows == b->rows && a->row_bytes == b->row_bytes && a->nparts == b->nparts && a->ngrants == b->ngrants);
	for (int i = 0; i < a->nparts; i++)
		assert_true(a->parts[i].stored == b->parts[i].stored && a->parts[i].gzip == b->parts[i].gzip);
	for (int i = 0; i < a->ngrants; i++)
		assert_true(str_eq(a->grants[i], b->grants[i]));
}

static void a_statement_is_there_after_a_restart(void **state)
{
	const struct str grants[] = {S_INIT("bob"), S_INIT("*")};
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", SESSION), got;
	char handle[ID_LEN];

	ok(g, duck_rig_add(g, &g->c, &r));
	assert_true(there(g, SESSION_FILE) && !there(g, "acme.db"));
	r.grants = grants;
	ok(g, find(g, &r, &got));
	assert_int_equal(got.state, STMT_SUBMITTED);
	r.started_ms = r.created_ms + 1;
	r.state = STMT_RUNNING;
	ok(g, g->store->ops->started(&g->c, g->store, &r));
	ok(g, find(g, &r, &got));
	assert_same(&got, &r);
	duck_rig_succeed(g, &g->c, &r, 3, 70001);
	ok(g, duck_rig_end(g, &g->c, &r));
	for (int i = 0; i < 2; i++) {
		struct stmt_store_key k = duck_rig_key(&r);

		ok(g, g->store->ops->grant(&g->c, g->store, &k, grants[i], true));
	}
	r.ngrants = 2;
	ok(g, find(g, &r, &got));
	assert_same(&got, &r);
	memcpy(handle, r.handle.p, ID_LEN);
	duck_rig_reopen(g);
	r.handle = str_from(handle, ID_LEN);
	r.parts = NULL;
	r.ngrants = 0;
	ok(g, find(g, &r, &got));
	assert_int_equal(got.nparts, 3);
	assert_int_equal(got.ngrants, 2);
	ok(g, duck_rig_whole(g, &g->c, &got));
}

static void a_failure_keeps_its_words(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", ""), got;
	struct stmt_error e = {.kind = ERR_SQL, .text = S("bad \xc3"), .snowflake = S("worse"), .sqlstate = "42601",
			       .native = "001003", .position = 7};

	r.state = STMT_FAILED;
	r.error = &e;
	r.completed_ms = r.created_ms + 5;
	r.expires_ms = r.completed_ms + 1000;
	ok(g, duck_rig_end(g, &g->c, &r)); /* never added */
	ok(g, find(g, &r, &got));
	assert_int_equal(got.state, STMT_FAILED);
	assert_int_equal(got.error->kind, ERR_SQL);
	assert_true(str_eq(got.error->snowflake, S("worse")));
	assert_string_equal(got.error->native, "001003");
	assert_true(there(g, "acme.db"));
}

static void sizes_decide_where_rows_are(void **state)
{
	static const struct {
		int parts;
		int64_t stored, batches;
	} sizes[] = {{1, 0, 0}, {3, 1, 0}, {10, 1038090, 0}, {1, 10 * 1024 * 1024 - 1, 0}, {1, 10 * 1024 * 1024, 1},
		     {10, 1048576, 10}, {100, 1048576, 100}};
	struct duck_rig *g = *state;
	int64_t batches = 0, inlined = 0;

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct stmt_record r = duck_rig_record(g, &g->c, "acme", SESSION), got;

		ok(g, duck_rig_add(g, &g->c, &r));
		duck_rig_succeed(g, &g->c, &r, sizes[i].parts, sizes[i].stored);
		ok(g, duck_rig_end(g, &g->c, &r));
		batches += sizes[i].batches;
		inlined += sizes[i].batches == 0;
		assert_int_equal(duck_rig_sql(g, SESSION_FILE, "SELECT count(*) FROM statement_results"), batches);
		assert_int_equal(duck_rig_sql(g, SESSION_FILE, "SELECT count(result_rows) FROM statements"), inlined);
		ok(g, find(g, &r, &got));
		ok(g, duck_rig_whole(g, &g->c, &got));
	}
}

static void the_first_end_stays(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", ""), big, got;

	ok(g, duck_rig_add(g, &g->c, &r));
	fails(g, duck_rig_add(g, &g->c, &r), ERR_CONFLICT);
	duck_rig_succeed(g, &g->c, &r, 2, 100);
	ok(g, duck_rig_end(g, &g->c, &r));
	big = r;
	duck_rig_succeed(g, &g->c, &big, 12, 1 << 20);
	fails(g, duck_rig_end(g, &g->c, &big), ERR_CONFLICT);
	fails(g, duck_rig_end(g, &g->c, &r), ERR_CONFLICT);
	assert_int_equal(duck_rig_sql(g, "acme.db", "SELECT count(*) FROM statement_results"), 0);
	ok(g, find(g, &r, &got));
	assert_int_equal(got.nparts, 2);
	ok(g, duck_rig_whole(g, &g->c, &got));
}

/* --- gone --- */

static void what_was_dropped_does_not_come_back(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record running = duck_rig_record(g, &g->c, "acme", SESSION), got;
	struct stmt_record large = duck_rig_record(g, &g->c, "acme", SESSION);
	struct engine_bytes *bytes;

	ok(g, drop(g, &running)); /* no file yet */
	assert_false(there(g, SESSION_FILE));
	ok(g, duck_rig_add(g, &g->c, &running) && duck_rig_add(g, &g->c, &large));
	duck_rig_succeed(g, &g->c, &large, 11, 1 << 20);
	ok(g, duck_rig_end(g, &g->c, &large));
	ok(g, drop(g, &running) && drop(g, &large) && drop(g, &large));
	fails(g, find(g, &running, &got), ERR_NOT_FOUND);
	fails(g, find(g, &large, &got), ERR_NOT_FOUND);
	fails(g, g->store->ops->part(&g->c, g->store, &large, 3, &bytes), ERR_NOT_FOUND);
	duck_rig_succeed(g, &g->c, &running, 1, 10);
	fails(g, duck_rig_end(g, &g->c, &running), ERR_CONFLICT);
	fails(g, duck_rig_add(g, &g->c, &running), ERR_CONFLICT);
	fails(g, duck_rig_end(g, &g->c, &large), ERR_CONFLICT);
	assert_int_equal(duck_rig_sql(g, SESSION_FILE, "SELECT count(*) FROM statement_results"), 0);
	assert_int_equal(duck_rig_sql(g, SESSION_FILE, "SELECT count(*) FROM statements WHERE sql <> '' OR result_metadata IS NOT NULL"), 0);
	g->store->ops->sweep(g->store);
	assert_int_equal(duck_rig_sql(g, SESSION_FILE, "SELECT count(*) FROM statements"), 2);
	clock_advance(25 * 3600 * 1000);
	g->store->ops->sweep(g->store);
	assert_int_equal(duck_rig_sql(g, SESSION_FILE, "SELECT count(*) FROM statements"), 0);
}

static void what_is_past_its_time_is_told_for_a_day(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", ""), kept = duck_rig_record(g, &g->c, "acme", ""), got;
	struct engine_bytes *bytes;

	duck_rig_succeed(g, &g->c, &r, 12, 1 << 20);
	kept.ttl_ms *= 100;
	duck_rig_succeed(g, &g->c, &kept, 12, 1 << 20);
	ok(g, duck_rig_end(g, &g->c, &r) && duck_rig_end(g, &g->c, &kept));
	g->store->ops->sweep(g->store);
	ok(g, find(g, &r, &got));
	clock_advance(3600 * 1000 + 10);
	for (int swept = 0; swept < 2; swept++) {
		fails(g, find(g, &r, &got), ERR_RESULT_EXPIRED);
		g->c.tenant = S("acme");
		g->c.principal = S("mallory");
		fails(g, find(g, &r, &got), ERR_NOT_FOUND);
		g->c.principal = S("alice");
		fails(g, find(g, &r, &got), ERR_RESULT_EXPIRED);
		g->c.tenant = g->c.principal = S("");
		g->store->ops->sweep(g->store);
		fails(g, g->store->ops->part(&g->c, g->store, &r, 0, &bytes), ERR_RESULT_EXPIRED);
	}
	assert_int_equal(duck_rig_sql(g, "acme.db", "SELECT count(*) FROM statement_results"), 12);
	ok(g, find(g, &kept, &got));
	ok(g, duck_rig_whole(g, &g->c, &got));
	clock_advance(24 * 3600 * 1000);
	g->store->ops->sweep(g->store);
	fails(g, find(g, &r, &got), ERR_NOT_FOUND);
}

static void batches_without_an_end_are_swept(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record running = duck_rig_record(g, &g->c, "acme", ""), large = duck_rig_record(g, &g->c, "acme", ""), got;

	ok(g, duck_rig_add(g, &g->c, &running));
	duck_rig_succeed(g, &g->c, &large, 12, 1 << 20);
	ok(g, duck_rig_end(g, &g->c, &large));
	duck_rig_sql(g, "acme.db",
		     "INSERT INTO statement_results SELECT handle, 7, 'x'::BLOB FROM statements WHERE status = 'SUBMITTED'");
	duck_rig_sql(g, "acme.db", "INSERT INTO statement_results VALUES ('nobody', 0, 'x'::BLOB)");
	g->store->ops->sweep(g->store);
	assert_int_equal(duck_rig_sql(g, "acme.db", "SELECT count(*) FROM statement_results"), 12);
	ok(g, find(g, &large, &got));
	ok(g, duck_rig_whole(g, &g->c, &got));
}

static void a_missing_batch_is_that_handle_s_alone(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record a = duck_rig_record(g, &g->c, "acme", ""), b = duck_rig_record(g, &g->c, "acme", "");
	struct engine_bytes *bytes;
	char sql[200];

	duck_rig_succeed(g, &g->c, &a, 12, 1 << 20);
	duck_rig_succeed(g, &g->c, &b, 4, 1000);
	ok(g, duck_rig_end(g, &g->c, &a) && duck_rig_end(g, &g->c, &b));
	duck_rig_sql(g, "acme.db", "DELETE FROM statement_results WHERE batch_number = 5");
	duck_rig_sql(g, "acme.db", "UPDATE statement_results SET result_data = 'x'::BLOB WHERE batch_number = 6");
	fails(g, g->store->ops->part(&g->c, g->store, &a, 5, &bytes), ERR_STORAGE);
	fails(g, g->store->ops->part(&g->c, g->store, &a, 6, &bytes), ERR_STORAGE);
	fails(g, g->store->ops->part(&g->c, g->store, &a, 12, &bytes), ERR_STORAGE);
	ok(g, g->store->ops->part(&g->c, g->store, &a, 7, &bytes));
	engine_bytes_unref(bytes);
	ok(g, duck_rig_whole(g, &g->c, &b));
	snprintf(sql, sizeof(sql), "UPDATE statements SET result_rows = 'x'::BLOB WHERE handle = '%.*s'", SARG(b.handle));
	duck_rig_sql(g, "acme.db", sql);
	fails(g, g->store->ops->part(&g->c, g->store, &b, 0, &bytes), ERR_STORAGE);
}

static void a_session_goes_with_its_file(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", SESSION), detached = duck_rig_record(g, &g->c, "acme", SESSION), got;

	detached.detached = true;
	ok(g, duck_rig_add(g, &g->c, &r) && duck_rig_add(g, &g->c, &detached));
	ok(g, g->store->ops->started(&g->c, g->store, &r));
	ok(g, g->store->ops->drop_session(&g->c, g->store, S("acme"), S(SESSION)));
	ok(g, g->store->ops->drop_session(&g->c, g->store, S("acme"), S(SESSION)));
	assert_false(there(g, SESSION_FILE));
	fails(g, find(g, &r, &got), ERR_NOT_FOUND);
	ok(g, find(g, &detached, &got));
	assert_true(got.detached && str_eq(got.session_id, S(SESSION)));
	fails(g, g->store->ops->started(&g->c, g->store, &r), ERR_SESSION_CLOSED);
	ok(g, drop(g, &r));
	fails(g, duck_rig_add(g, &g->c, &r), ERR_SESSION_CLOSED);
	duck_rig_succeed(g, &g->c, &r, 1, 10);
	fails(g, duck_rig_end(g, &g->c, &r), ERR_CONFLICT);
	g->store->ops->sweep(g->store);
	assert_false(there(g, SESSION_FILE));
	clock_advance(25 * 3600 * 1000);
	g->store->ops->sweep(g->store);
	assert_false(there(g, SESSION_FILE));
}

/* --- lists --- */

static void start_with_one(struct duck_rig *g, const char *tenant)
{
	struct stmt_record r = duck_rig_record(g, &g->c, tenant, "");

	ok(g, duck_rig_add(g, &g->c, &r));
}

struct seen {
	int n, most;
	char last[ID_LEN];
	bool ordered;
};

static bool on_record(void *arg, struct call *c, const struct stmt_record *r)
{
	struct seen *s = arg;

	(void)c;
	s->ordered = s->ordered && (s->n == 0 || memcmp(r->handle.p, s->last, ID_LEN) < 0);
	memcpy(s->last, r->handle.p, ID_LEN);
	s->n++;
	return !s->most || s->n < s->most;
}

static int count_all(struct duck_rig *g, struct stmt_store_page p, int most, bool ordered)
{
	struct seen s = {.most = most, .ordered = true};

	ok(g, g->store->ops->list(&g->c, g->store, &p, on_record, &s));
	assert_true(!ordered || s.ordered);
	return s.n;
}

enum { ADDERS = 8 };
struct adder {
	pthread_t thread;
	struct duck_rig *g;
	const char *tenant, *session;
	int n;
	bool ends;
};

static void *add_many(void *arg)
{
	struct adder *a = arg;

	for (int i = 0; i < a->n; i++) {
		struct arena arena = {0};
		struct stmt_record r;
		struct call c;

		call_open(&c, &arena);
		r = duck_rig_record(a->g, &c, a->tenant, a->session);
		if (!duck_rig_add(a->g, &c, &r))
			print_error("%s\n", c.err.text);
		assert_int_equal(c.err.kind, ERR_NONE);
		if (a->ends && i % 2) {
			duck_rig_succeed(a->g, &c, &r, 1, 100);
			assert_true(duck_rig_end(a->g, &c, &r));
		}
		arena_close(&arena);
	}
	return NULL;
}

static void add_in_threads(struct duck_rig *g, const char *tenant, const char *session, int n, bool ends)
{
	struct adder v[ADDERS];

	for (int i = 0; i < ADDERS; i++) {
		v[i] = (struct adder){.g = g, .tenant = tenant, .session = session, .n = n / ADDERS, .ends = ends};
		assert_int_equal(pthread_create(&v[i].thread, NULL, add_many, &v[i]), 0);
	}
	for (int i = 0; i < ADDERS; i++)
		pthread_join(v[i].thread, NULL);
}

/* The file's one statement, many times. */
static void multiply(struct duck_rig *g, const char *file, int n)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO statements SELECT r.* REPLACE (printf('0192f0c0-0000-7000-8000-%%012x', i) AS handle) "
		 "FROM statements r, range(1, %d) t(i)", n);
	duck_rig_sql(g, file, sql);
}

static void thousands_are_listed(void **state)
{
	const int n = 10000;
	struct duck_rig *g = *state;
	struct stmt_filter all = {.state = -1}, done = {.state = STMT_SUCCEEDED}, of_session = {.state = -1, .session_id = S(SESSION)};
	struct call mallory = {.tenant = S("acme"), .principal = S("mallory")}, alice = {.tenant = S("acme"), .principal = S("alice")};
	struct seen s = {.ordered = true};
	struct stmt_filter after;

	start_with_one(g, "acme");
	multiply(g, "acme.db", n);
	add_in_threads(g, "acme", SESSION, 400, true);
	add_in_threads(g, "other", "", 160, false);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("")}, 0, false), n + 560);
	duck_rig_reopen(g);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("")}, 0, false), n + 560);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("acme"), .filter = &all}, 0, true), n + 400);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("acme"), .filter = &all}, 777, true), 777);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("acme"), .filter = &done}, 0, true), 200);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("acme"), .filter = &of_session}, 0, true), 400);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("acme"), .viewer = &mallory}, 0, true), 0);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("acme"), .viewer = &alice}, 0, true), n + 400);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("nobody")}, 0, true), 0);
	s.most = 1000;
	ok(g, g->store->ops->list(&g->c, g->store, &(struct stmt_store_page){.tenant = S("acme"), .filter = &all}, on_record, &s));
	after = all;
	after.after = str_from(s.last, ID_LEN);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("acme"), .filter = &after}, 0, true), n + 400 - 1000);
}

static void long_texts_are_listed_in_pieces(void **state)
{
	struct duck_rig *g = *state;
	char *text = malloc(4 << 20);

	memset(text, 'x', 4 << 20);
	for (int i = 0; i < 60; i++) {
		struct stmt_record r = duck_rig_record(g, &g->c, "acme", "");

		r.sql = str_from(text, 4 << 20);
		ok(g, duck_rig_add(g, &g->c, &r));
	}
	free(text);
	assert_int_equal(count_all(g, (struct stmt_store_page){.tenant = S("")}, 0, true), 60);
}

/* --- files that are not as they should be --- */

static void write_file(const struct duck_rig *g, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", g->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* It is refused with its name, and nothing else is hidden by it. */
static void refused(struct duck_rig *g, const char *tenant, const char *file)
{
	struct stmt_record r = duck_rig_record(g, &g->c, tenant, ""), got;
	struct seen s = {.ordered = true};

	assert_false(duck_rig_add(g, &g->c, &r));
	assert_non_null(strstr(g->c.err.text, file));
	fails(g, false, ERR_STORAGE);
	fails(g, find(g, &r, &got), ERR_STORAGE);
	assert_false(g->store->ops->list(&g->c, g->store, &(struct stmt_store_page){.tenant = S("")}, on_record, &s));
	assert_non_null(strstr(g->c.err.text, file));
	fails(g, false, ERR_STORAGE);
	assert_int_equal(s.n, 1);
}

static void a_text_file_is_refused(void **state)
{
	start_with_one(*state, "good");
	write_file(*state, "bad.db", "this is no database at all, but a text of some length");
	refused(*state, "bad", "bad.db");
}

static void a_file_of_other_tables_is_refused(void **state)
{
	start_with_one(*state, "good");
	duck_rig_sql(*state, "bad.db", "CREATE TABLE statements (a INTEGER)");
	refused(*state, "bad", "bad.db");
	assert_int_equal(duck_rig_sql(*state, "bad.db", "SELECT count(*) FROM duckdb_tables()"), 1);
}

static void a_newer_layout_is_refused(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "bad", "");

	start_with_one(g, "good");
	ok(g, duck_rig_add(g, &g->c, &r));
	duck_rig_sql(g, "bad.db", "UPDATE mayfly SET layout = 2");
	duck_rig_reopen(g);
	refused(g, "bad", "bad.db");
}

static void a_damaged_file_is_refused(void **state)
{
	struct duck_rig *g = *state;
	char path[256], zeros[65536] = {0};
	int fd;

	start_with_one(g, "good");
	add_in_threads(g, "bad", "", 800, false);
	duck_rig_stop(g);
	snprintf(path, sizeof(path), "%s/bad.db", g->dir);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 12288 + i * (int)sizeof(zeros)), sizeof(zeros));
	close(fd);
	duck_rig_start(g);
	refused(g, "bad", "bad.db");
}

static void a_name_of_nobody_is_told(void **state)
{
	struct duck_rig *g = *state;
	struct seen s = {.ordered = true};

	start_with_one(g, "good");
	duck_rig_sql(g, "a.b.c.db", "CREATE TABLE t (a INTEGER)");
	assert_false(g->store->ops->list(&g->c, g->store, &(struct stmt_store_page){.tenant = S("")}, on_record, &s));
	assert_non_null(strstr(g->c.err.text, "a.b.c.db"));
	fails(g, false, ERR_STORAGE);
	assert_int_equal(s.n, 1);
}

static void a_damaged_row_hides_no_other(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", ""), got;
	struct seen s = {.ordered = true};
	char sql[200];

	ok(g, duck_rig_add(g, &g->c, &r));
	add_in_threads(g, "acme", "", 80, false);
	snprintf(sql, sizeof(sql), "UPDATE statements SET result_metadata = '{\"version\":99}' WHERE handle = '%.*s'", SARG(r.handle));
	duck_rig_sql(g, "acme.db", sql);
	fails(g, find(g, &r, &got), ERR_STORAGE);
	fails(g, g->store->ops->list(&g->c, g->store, &(struct stmt_store_page){.tenant = S("")}, on_record, &s), ERR_STORAGE);
	assert_int_equal(s.n, 80);
}

static void an_empty_database_becomes_one_of_ours(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", ""), got;

	assert_int_equal(duck_rig_sql(g, "acme.db", "SELECT 5"), 5); /* makes it, and no table */
	fails(g, find(g, &r, &got), ERR_NOT_FOUND);
	ok(g, duck_rig_add(g, &g->c, &r));
	ok(g, find(g, &r, &got));
}

/* --- disks --- */

static void a_full_disk_refuses_and_the_store_lives_on(void **state)
{
	struct duck_rig *g = *state;
	struct stmt_record r = duck_rig_record(g, &g->c, "acme", ""), got, large, *kept[64];
	int nkept = 0, refusals = 0;

	duck_rig_stop(g);
	if (mount("tmpfs", g->dir, "tmpfs", 0, "size=24m,mode=711") != 0) {
		duck_rig_start(g);
		skip();
	}
	duck_rig_start(g);
	r = duck_rig_record(g, &g->c, "acme", "");
	ok(g, duck_rig_add(g, &g->c, &r));
	for (int i = 0; i < 64; i++) {
		kept[nkept] = ARENA_NEW(&g->arena, struct stmt_record);
		*kept[nkept] = duck_rig_record(g, &g->c, "acme", "");
		duck_rig_succeed(g, &g->c, kept[nkept], i % 4 == 3 ? 12 : 1, 1 << 20);
		if (duck_rig_end(g, &g->c, kept[nkept])) {
			nkept++;
			continue;
		}
		refusals++;
		assert_true(g->c.err.kind == ERR_UNAVAILABLE || g->c.err.kind == ERR_STORAGE);
		call_forgive(&g->c);
	}
	assert_true(nkept > 0 && refusals > 0);
	for (int i = 0; i < nkept; i++) {
		ok(g, find(g, kept[i], &got));
		ok(g, duck_rig_whole(g, &g->c, &got));
	}
	assert_int_equal(mount("tmpfs", g->dir, "tmpfs", MS_REMOUNT, "size=200m,mode=711"), 0);
	large = duck_rig_record(g, &g->c, "acme", "");
	duck_rig_succeed(g, &g->c, &large, 12, 1 << 20);
	ok(g, duck_rig_end(g, &g->c, &large));
	ok(g, find(g, &large, &got));
	ok(g, duck_rig_whole(g, &g->c, &got));
	for (int i = 0; i < nkept; i++) {
		ok(g, find(g, kept[i], &got));
		ok(g, duck_rig_whole(g, &g->c, &got));
	}
	duck_rig_stop(g);
	assert_int_equal(umount2(g->dir, MNT_DETACH), 0);
	duck_rig_start(g);
}

/* --- many at once --- */

struct dropper {
	struct duck_rig *g;
	atomic_int adds;
};

static void *add_until_closed(void *arg)
{
	struct dropper *d = arg;

	for (;;) {
		struct arena arena = {0};
		struct stmt_record r;
		struct call c;
		bool added;

		call_open(&c, &arena);
		r = duck_rig_record(d->g, &c, "acme", SESSION);
		added = duck_rig_add(d->g, &c, &r);
		if (!added)
			assert_int_equal(c.err.kind, ERR_SESSION_CLOSED);
		arena_close(&arena);
		if (!added)
			return NULL;
		atomic_fetch_add(&d->adds, 1);
	}
}

static void a_session_ends_while_statements_come(void **state)
{
	struct dropper d = {.g = *state};
	pthread_t v[ADDERS];

	for (int i = 0; i < ADDERS; i++)
		assert_int_equal(pthread_create(&v[i], NULL, add_until_closed, &d), 0);
	while (atomic_load(&d.adds) < 200)
		sched_yield();
	ok(d.g, d.g->store->ops->drop_session(&d.g->c, d.g->store, S("acme"), S(SESSION)));
	for (int i = 0; i < ADDERS; i++)
		pthread_join(v[i], NULL);
	assert_false(there(d.g, SESSION_FILE));
}

enum { MIXERS = 16 };
struct mixer {
	pthread_t thread;
	struct duck_rig *g;
	int number, n;
};

static void mix_one(struct mixer *m, struct call *c, int i)
{
	static const char *const sessions[] = {"", SESSION, "0192f0c0-0000-7000-8000-00000000eeee"};
	struct stmt_record r = duck_rig_record(m->g, c, "acme", sessions[(m->number + i) % 3]), got;
	struct stmt_store_key k = duck_rig_key(&r);
	const struct stmt_store_ops *ops = m->g->store->ops;

	assert_true(duck_rig_add(m->g, c, &r));
	assert_true(ops->started(c, m->g->store, &r));
	duck_rig_succeed(m->g, c, &r, i % 12 == 7 ? 11 : 3, i % 12 == 7 ? 1 << 20 : 3000);
	assert_true(duck_rig_end(m->g, c, &r));
	assert_true(ops->grant(c, m->g->store, &k, S("bob"), true));
	assert_true(ops->find(c, m->g->store, &k, &got));
	assert_true(got.state == STMT_SUCCEEDED && got.ngrants == 1 && duck_rig_whole(m->g, c, &got));
	if (i % 3 == 0)
		assert_true(ops->drop(c, m->g->store, &k));
}

static void *mix(void *arg)
{
	struct mixer *m = arg;

	for (int i = 0; i < m->n; i++) {
		struct arena arena = {0};
		struct call c;

		call_open(&c, &arena);
		mix_one(m, &c, i);
		arena_close(&arena);
		if (m->number == 0)
			m->g->store->ops->sweep(m->g->store);
	}
	return NULL;
}

static void many_threads_do_everything(void **state)
{
	const int n = SANITIZED ? 8 : 12;
	struct mixer v[MIXERS];

	for (int i = 0; i < MIXERS; i++) {
		v[i] = (struct mixer){.g = *state, .number = i, .n = n};
		assert_int_equal(pthread_create(&v[i].thread, NULL, mix, &v[i]), 0);
	}
	for (int i = 0; i < MIXERS; i++)
		pthread_join(v[i].thread, NULL);
	assert_int_equal(count_all(*state, (struct stmt_store_page){.tenant = S("acme")}, 0, true), MIXERS * n * 2 / 3);
}

/* Records that the tables do not take, among others that come at the same time: only they fail. */
static void *end_wrongly(void *arg)
{
	struct mixer *m = arg;

	for (int i = 0; i < m->n; i++) {
		struct arena arena = {0};
		struct stmt_record r;
		struct call c;

		call_open(&c, &arena);
		r = duck_rig_record(m->g, &c, "acme", "");
		if (m->number % 2)
			r.owner = S("\xff not UTF-8");
		assert_int_equal(duck_rig_add(m->g, &c, &r), m->number % 2 == 0);
		assert_int_equal(c.err.kind, m->number % 2 ? ERR_STORAGE : ERR_NONE);
		arena_close(&arena);
	}
	return NULL;
}

static void a_bad_record_fails_no_other(void **state)
{
	struct mixer v[MIXERS];

	for (int i = 0; i < MIXERS; i++) {
		v[i] = (struct mixer){.g = *state, .number = i, .n = 20};
		assert_int_equal(pthread_create(&v[i].thread, NULL, end_wrongly, &v[i]), 0);
	}
	for (int i = 0; i < MIXERS; i++)
		pthread_join(v[i].thread, NULL);
	assert_int_equal(count_all(*state, (struct stmt_store_page){.tenant = S("acme")}, 0, true), MIXERS * 20 / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_statement_is_there_after_a_restart), TEST(a_failure_keeps_its_words), TEST(sizes_decide_where_rows_are),
		TEST(the_first_end_stays), TEST(what_was_dropped_does_not_come_back), TEST(what_is_past_its_time_is_told_for_a_day),
		TEST(batches_without_an_end_are_swept), TEST(a_missing_batch_is_that_handle_s_alone), TEST(a_session_goes_with_its_file),
		TEST(thousands_are_listed), TEST(long_texts_are_listed_in_pieces), TEST(a_text_file_is_refused),
		TEST(a_file_of_other_tables_is_refused), TEST(a_newer_layout_is_refused), TEST(a_damaged_file_is_refused),
		TEST(a_name_of_nobody_is_told), TEST(a_damaged_row_hides_no_other), TEST(an_empty_database_becomes_one_of_ours),
		TEST(a_full_disk_refuses_and_the_store_lives_on), TEST(a_session_ends_while_statements_come), TEST(many_threads_do_everything),
		TEST(a_bad_record_fails_no_other),
	};

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
