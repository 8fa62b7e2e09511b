/* view_sweep_test.c - what a sweep drops, and above all what it does not. */
#include "view_pages_rig.h"

#include <dirent.h>
#include <fcntl.h>

#define SECRET "0123-planted"

/* --- looking for bytes in files --- */

static int found_in; /* files with the secret */

static int look(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	OWNS(buf) b = {0};
	int fd;

	(void)where;
	if (kind != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && file_read(fd, SIZE_MAX / 2, &b));
	close(fd);
	found_in += str_search(buf_str(&b), S(SECRET)) < b.n;
	return 0;
}

static int secrets_below(struct fixture *f, const char *folder)
{
	found_in = 0;
	nftw(arena_cstr(&f->arena, arena_fmt(&f->arena, "%s/%s", f->dir, folder)), look, 32, FTW_PHYS);
	return found_in;
}

static int objects_below(struct fixture *f, const char *what)
{
	struct store_entry *e;
	size_t n;

	must(f, f->store->ops->list(&f->c, f->store, key_space(&f->c, S("lab"), what), S(""), &e, &n));
	return (int)n;
}

static void sweep(struct fixture *f)
{
	views_sweep(&f->c, f->a.views);
	assert_int_equal(f->c.err.kind, ERR_NONE);
}

/* A source that has no secret; the secret comes by the view's SQL. */
#define SECRET_SQL "SELECT id, '" SECRET "-' || id AS s FROM t"

static void plain_table(struct fixture *f)
{
	upload(f, "t", VIEW_CREATE, S("id\n1\n2\n"));
}

/* --- sessions --- */

/* U-20 */
static void an_expired_session_is_gone(void **state)
{
	struct fixture *f = *state;
	struct str id, session, other;
	struct sql_session_ask longer = {.space = S("lab"), .norder = -1, .ttl_seconds = 3600};
	OWNS(buf) b = {0};

	plain_table(f);
	longer.sql_id = id = save(f, "SELECT id FROM t", NULL);
	session = open_session(f, id);
	other = session_with(f, &longer);
	clock_advance(9 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 2);
	must(f, read_page(f, &f->a, session, 0, 9, &b));
	clock_advance(2 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 1);
	assert_int_equal(atomic_load(&f->a.views->expired), 1);
	assert_false(read_page(f, &f->a, session, 0, 9, &b));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, read_page(f, &f->a, other, 0, 9, &b));
}

static void marks_of_deleted_sessions_go_late(void **state)
{
	struct fixture *f = *state;
	struct session_doc doc;
	struct str session;

	plain_table(f);
	session = open_session(f, save(f, "SELECT id FROM t", NULL));
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &doc));
	must(f, view_session_drop(&f->c, f->a.views, S("lab"), session));
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 1);
	must(f, session_doc_put(&f->c, f->a.views, &doc, STORE_NEW)); /* one that did not look for the mark */
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 1);
	clock_advance(21 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 0);
}

static void a_session_of_a_dead_server_fails(void **state)
{
	struct fixture *f = *state;
	struct session_doc doc;
	struct str session;

	plain_table(f);
	session = open_session(f, save(f, "SELECT id FROM t", NULL));
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &doc));
	doc.status = S("running");
	doc.attempt.until_ms = clock_wall_ms() + MINUTE_MS;
	must(f, session_doc_put(&f->c, f->a.views, &doc, STORE_REPLACE));
	sweep(f);
	must(f, session_doc_read(&f->c, f->a.views, key_session(&f->c, S("lab"), session), &doc));
	assert_str_equal(doc.status, "running");
	clock_advance(7 * MINUTE_MS);
	sweep(f);
	must(f, session_doc_read(&f->c, f->a.views, key_session(&f->c, S("lab"), session), &doc));
	assert_str_equal(doc.status, "failed");
	assert_true(doc.error.n > 0);
}

static void a_document_that_nobody_can_read_goes_late(void **state)
{
	struct fixture *f = *state;
	struct str session;

	plain_table(f);
	session = open_session(f, save(f, "SELECT id FROM t", NULL));
	must(f, f->store->ops->put(&f->c, f->store, key_session(&f->c, S("lab"), session), S("{}"), STORE_REPLACE));
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 1);
	clock_advance(90 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 0);
}

/* --- snapshots --- */

static int snapshots_of(struct fixture *f, struct str sql_id)
{
	struct ice_table t;

	must(f, ice_load(&f->c, f->store, key_view(&f->c, S("lab"), sql_id), &t));
	return t.nsnapshots;
}

/* Opened just before the successor is committed, as long as a session may be. */
static void a_pinned_snapshot_stays_as_long_as_its_sessions(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask ask = {.space = S("lab"), .norder = -1, .ttl_seconds = 3600};
	struct str session;
	int64_t count;
	OWNS(buf) b = {0};

	plain_table(f);
	ask.sql_id = save(f, SECRET_SQL, "id");
	session = session_with(f, &ask);
	upload(f, "t", VIEW_OVERWRITE, S("id\n7\n"));
	upload(f, "t", VIEW_APPEND, S("id\n8\n"));
	update(f, ask.sql_id, "SELECT id FROM t");
	for (int minute = 0; minute < 59; minute++) {
		clock_advance(MINUTE_MS);
		sweep(f);
		buf_clear(&b);
		must(f, read_page(f, &f->a, session, 0, 9, &b));
		assert_str_equal(buf_str(&b), "[1,\"" SECRET "-1\"],[2,\"" SECRET "-2\"]");
	}
	must(f, view_session_count(&f->c, f->a.views, S("lab"), session, &count));
	assert_int_equal(count, 2);
	assert_int_equal(snapshots_of(f, ask.sql_id), 2);
	assert_true(secrets_below(f, "store") > 0 && secrets_below(f, "a/cache") > 0);
	clock_advance(25 * MINUTE_MS);
	sweep(f);
	assert_false(read_page(f, &f->a, session, 0, 9, &b));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_int_equal(snapshots_of(f, ask.sql_id), 1);
	assert_int_equal(atomic_load(&f->a.views->snapshots_dropped), 1 + 2); /* of the view, and of the table */
	clock_advance(24 * 60 * MINUTE_MS); /* old versions of the metadata hold the former SQL */
	sweep(f);
	assert_int_equal(secrets_below(f, "store"), 0);
	assert_int_equal(secrets_below(f, "a/cache"), 0);
	assert_str_equal(page(f, open_session(f, ask.sql_id), 0, 9), "[7],[8]");
}

static void the_latest_snapshot_never_goes(void **state)
{
	struct fixture *f = *state;
	struct str id;

	plain_table(f);
	id = save(f, "SELECT id FROM t", "id");
	clock_advance(400LL * 24 * 60 * MINUTE_MS);
	sweep(f);
	sweep(f);
	assert_str_equal(page(f, open_session(f, id), 0, 9), "[1],[2]");
}

/* --- what was deleted --- */

static void nothing_is_left_of_what_was_deleted(void **state)
{
	struct fixture *f = *state;
	struct str id;

	upload(f, "secrets", VIEW_CREATE, S("s\n" SECRET "-1\n" SECRET "-2\n"));
	id = save(f, "SELECT s FROM secrets", NULL);
	page(f, open_session(f, id), 0, 9);
	assert_true(secrets_below(f, "store") >= 2 && secrets_below(f, "a/cache") >= 2);
	must(f, view_saved_drop(&f->c, f->a.views, S("lab"), id));
	must(f, view_table_drop(&f->c, f->a.views, S("lab"), S("secrets")));
	assert_int_equal(secrets_below(f, "store"), 0);
	assert_int_equal(secrets_below(f, "a/cache"), 0);
	clock_advance(21 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 0);
	assert_int_equal(objects_below(f, "/sql/"), 0);
}

static void nothing_is_left_of_a_space(void **state)
{
	struct fixture *f = *state;

	upload(f, "secrets", VIEW_CREATE, S("s\n" SECRET "-1\n"));
	page(f, open_session(f, save(f, "SELECT s FROM secrets", NULL)), 0, 9);
	must(f, view_space_drop(&f->c, f->a.views, S("lab"), true));
	assert_int_equal(secrets_below(f, "store"), 0);
	assert_int_equal(secrets_below(f, "a/cache"), 0);
	assert_int_equal(objects_below(f, "/"), 0);
}

static void sql_of_a_session_goes_with_it(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask ask = {.space = S("lab"), .sql = S(SECRET_SQL), .norder = -1};
	struct session_doc doc;
	struct str session;

	plain_table(f);
	session = session_with(f, &ask);
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &doc));
	clock_advance(9 * MINUTE_MS);
	sweep(f);
	session = session_with(f, &(struct sql_session_ask){.space = S("lab"), .sql_id = doc.sql_id, .norder = -1});
	clock_advance(2 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 1);
	assert_int_equal(objects_below(f, "/sql/"), 1);
	assert_str_equal(page(f, session, 0, 1), "[1,\"" SECRET "-1\"]");
	assert_true(secrets_below(f, "store") > 0 && secrets_below(f, "a/cache") > 0);
	clock_advance(9 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/materialized_views/"), 0);
	assert_int_equal(secrets_below(f, "store"), 0);
	assert_int_equal(secrets_below(f, "a/cache"), 0);
	clock_advance(21 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql/"), 0);
}

static void sql_that_is_taken_up_again_stays(void **state)
{
	struct fixture *f = *state;
	const struct sql_session_ask ask = {.space = S("lab"), .sql = S("SELECT id FROM t"), .norder = -1};
	struct sql_session_ask again = {.space = S("lab"), .norder = -1};
	struct session_doc doc;
	struct str session;

	plain_table(f);
	session = session_with(f, &ask);
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &doc));
	again.sql_id = doc.sql_id;
	clock_advance(11 * MINUTE_MS);
	session = session_with(f, &again); /* before a sweep has seen that the first one is over */
	sweep(f);
	assert_str_equal(page(f, session, 0, 1), "[1]");
	must(f, view_session_drop(&f->c, f->a.views, S("lab"), session));
	sweep(f);
	assert_int_equal(objects_below(f, "/materialized_views/"), 0);
}

static void other_servers_caches_forget_too(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct str id;

	plain_table(f);
	id = save(f, SECRET_SQL, NULL);
	server_open(f, &f->b, "b");
	must(f, read_page(f, &f->b, open_session(f, id), 0, 9, &b));
	assert_int_equal(secrets_below(f, "b/cache"), 1);
	must(f, view_saved_drop(&f->c, f->a.views, S("lab"), id));
	assert_int_equal(secrets_below(f, "b/cache"), 1);
	views_sweep(&f->c, f->b.views);
	assert_int_equal(secrets_below(f, "b/cache"), 0);
}

/* --- what was begun and never ended --- */

static void views_and_tables_without_an_owner_go_late(void **state)
{
	struct fixture *f = *state;
	const char *const keys[] = {"/tables/half/data/00000-0-x.parquet", "/materialized_views/0198aaaa-0000-7000-8000-000000000001/data/x.parquet"};
	struct str id;

	plain_table(f);
	id = save(f, "SELECT id FROM t", NULL);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		must(f, f->store->ops->put(&f->c, f->store, key_space(&f->c, S("lab"), keys[i]), S(SECRET), STORE_NEW));
	clock_advance(50 * MINUTE_MS);
	sweep(f);
	assert_int_equal(secrets_below(f, "store"), 2);
	clock_advance(11 * MINUTE_MS);
	sweep(f);
	assert_int_equal(secrets_below(f, "store"), 0);
	assert_str_equal(page(f, open_session(f, id), 0, 9), "[1],[2]");
}

static void a_name_without_a_table_is_given_back(void **state)
{
	const struct table_mark mark = {.name = S("Half"), .id = S("x")};
	struct fixture *f = *state;

	plain_table(f);
	must(f, table_mark_write(&f->c, f->a.views, S("lab"), &mark, STORE_NEW));
	clock_advance(50 * MINUTE_MS);
	sweep(f);
	clock_advance(11 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/table_names/"), 2);
	clock_advance(21 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/table_names/"), 1);
	assert_str_equal(page(f, open_session(f, save(f, "SELECT id FROM t", "id")), 0, 9), "[1],[2]");
}

static void a_deletion_that_was_cut_short_is_finished(void **state)
{
	struct fixture *f = *state;
	struct str id, prefix, entry;
	OWNS(buf) b = {0};

	plain_table(f);
	id = save(f, SECRET_SQL, NULL);
	entry = key_saved(&f->c, S("lab"), id);
	must(f, f->store->ops->get(&f->c, f->store, entry, 0, 1 << 20, &b));
	must(f, f->store->ops->put(&f->c, f->store, key_saved_deleted(&f->c, S("lab"), id), S("x"), STORE_NEW));
	prefix = key_view(&f->c, S("lab"), id);
	sweep(f);
	assert_int_equal(objects_below(f, "/materialized_views/"), 0);
	assert_int_equal(secrets_below(f, "store"), 0);
	must(f, f->store->ops->put(&f->c, f->store, entry, buf_str(&b), STORE_NEW)); /* late */
	sweep(f);
	assert_int_equal(secrets_below(f, "store"), 0);
	assert_true(prefix.n > 0);
}

static void a_space_that_was_half_dropped_is_finished(void **state)
{
	struct fixture *f = *state;
	char at[CLOCK_RFC3339_MAX];
	struct str meta;

	upload(f, "secrets", VIEW_CREATE, S("s\n" SECRET "-1\n"));
	clock_rfc3339(clock_wall_ms(), at);
	meta = arena_fmt(&f->arena, "{\"id\":\"lab\",\"created_at\":\"%s\",\"deleting_at\":\"%s\"}", at, at);
	must(f, f->store->ops->put(&f->c, f->store, key_space(&f->c, S("lab"), "/meta.json"), meta, STORE_REPLACE));
	clock_advance(21 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/"), 0);
	assert_int_equal(secrets_below(f, "a/cache"), 0);
}

static void what_is_left_of_a_space_goes_late(void **state)
{
	struct fixture *f = *state;
	struct str key = key_space(&f->c, S("gone"), "/tables/t/data/x.parquet");

	must(f, f->store->ops->put(&f->c, f->store, key, S(SECRET), STORE_NEW));
	clock_advance(50 * MINUTE_MS);
	sweep(f);
	assert_int_equal(secrets_below(f, "store"), 1);
	clock_advance(11 * MINUTE_MS);
	sweep(f);
	assert_int_equal(secrets_below(f, "store"), 0);
}

/* --- passes --- */

static int marks_in(struct fixture *f, const char *const *spaces, size_t n)
{
	struct store_entry *e;
	size_t found = 0, all;

	for (size_t i = 0; i < n; i++) {
		must(f, f->store->ops->list(&f->c, f->store, key_space(&f->c, str_of(spaces[i]), "/sql_sessions/"), S(""), &e, &all));
		found += all;
	}
	return (int)found;
}

static void every_tenant_is_swept(void **state)
{
	static const char *const tenants[] = {"default", "acme", "globex"};
	struct fixture *f = *state;
	struct space space;
	bool made;

	for (size_t i = 0; i < COUNT_OF(tenants); i++) {
		f->c.tenant = str_of(tenants[i]);
		must(f, view_space_put(&f->c, f->a.views, S("lab"), &space, &made));
		plain_table(f);
		open_session(f, save(f, "SELECT id FROM t", NULL));
	}
	clock_advance(11 * MINUTE_MS);
	sweep(f);
	for (size_t i = 0; i < COUNT_OF(tenants); i++) {
		f->c.tenant = str_of(tenants[i]);
		assert_int_equal(objects_below(f, "/sql_sessions/"), 0);
		assert_str_equal(page(f, open_session(f, save(f, "SELECT 1 + id AS a FROM t", "a")), 0, 9), "[2],[3]");
	}
	f->c.tenant = S("acme");
}

static void a_pass_is_bounded_and_the_next_goes_on(void **state)
{
	static const char *const spaces[] = {"lab", "lab2", "lab3"};
	struct fixture *f = *state;
	struct space space;
	bool made;

	f->a.views->sweep_budget = 1;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT_OF(spaces); i++) {
			must(f, view_space_put(&f->c, f->a.views, str_of(spaces[i]), &space, &made));
			must(f, f->store->ops->put(&f->c, f->store, key_session_deleted(&f->c, str_of(spaces[i]), S("x")), S(""), STORE_NEW));
		}
		clock_advance(21 * MINUTE_MS);
		for (int pass = 3; pass > 0; pass--) {
			assert_int_equal(marks_in(f, spaces, COUNT_OF(spaces)), pass);
			sweep(f);
		}
		assert_int_equal(marks_in(f, spaces, COUNT_OF(spaces)), 0);
		sweep(f); /* from here to the end there is nothing */
	}
}

static void a_space_that_cannot_be_read_keeps_no_other(void **state)
{
	struct fixture *f = *state;
	struct space space;
	bool made;

	must(f, view_space_put(&f->c, f->a.views, S("aaa"), &space, &made));
	must(f, f->store->ops->put(&f->c, f->store, key_space(&f->c, S("aaa"), "/meta.json"), S("no JSON"), STORE_REPLACE));
	must(f, f->store->ops->put(&f->c, f->store, key_space(&f->c, S("aaa"), "/tables/x/metadata/v1.metadata.json"), S("none"), STORE_NEW));
	must(f, f->store->ops->put(&f->c, f->store, key_space(&f->c, S("aaa"), "/table_names/x"), S("none"), STORE_NEW));
	plain_table(f);
	open_session(f, save(f, "SELECT id FROM t", NULL));
	clock_advance(11 * MINUTE_MS);
	sweep(f);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 0);
}

static void rewrite_and_refresh(struct fixture *f, struct str id, int n)
{
	upload(f, "t", VIEW_OVERWRITE, arena_fmt(&f->arena, "id\n%d\n", n));
	refresh(f, id);
}

static void *sweep_b(void *arg)
{
	struct fixture *f = arg;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	views_sweep(&c, f->b.views);
	return NULL;
}

static void two_servers_may_sweep_at_once(void **state)
{
	struct fixture *f = *state;
	pthread_t other;
	struct str id;

	plain_table(f);
	id = save(f, "SELECT id FROM t", "id");
	for (int i = 0; i < 20; i++)
		open_session(f, id);
	server_open(f, &f->b, "b");
	for (int i = 0; i < 5; i++)
		rewrite_and_refresh(f, id, i);
	clock_advance(90 * MINUTE_MS);
	assert_int_equal(pthread_create(&other, NULL, sweep_b, f), 0);
	sweep(f);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(objects_below(f, "/sql_sessions/"), 0);
	assert_int_equal(snapshots_of(f, id), 1);
	assert_str_equal(page(f, open_session(f, id), 0, 9), "[4]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_expired_session_is_gone, begin, end),
		cmocka_unit_test_setup_teardown(marks_of_deleted_sessions_go_late, begin, end),
		cmocka_unit_test_setup_teardown(a_session_of_a_dead_server_fails, begin, end),
		cmocka_unit_test_setup_teardown(a_document_that_nobody_can_read_goes_late, begin, end),
		cmocka_unit_test_setup_teardown(a_pinned_snapshot_stays_as_long_as_its_sessions, begin, end),
		cmocka_unit_test_setup_teardown(the_latest_snapshot_never_goes, begin, end),
		cmocka_unit_test_setup_teardown(nothing_is_left_of_what_was_deleted, begin, end),
		cmocka_unit_test_setup_teardown(nothing_is_left_of_a_space, begin, end),
		cmocka_unit_test_setup_teardown(sql_of_a_session_goes_with_it, begin, end),
		cmocka_unit_test_setup_teardown(sql_that_is_taken_up_again_stays, begin, end),
		cmocka_unit_test_setup_teardown(other_servers_caches_forget_too, begin, end),
		cmocka_unit_test_setup_teardown(views_and_tables_without_an_owner_go_late, begin, end),
		cmocka_unit_test_setup_teardown(a_name_without_a_table_is_given_back, begin, end),
		cmocka_unit_test_setup_teardown(a_deletion_that_was_cut_short_is_finished, begin, end),
		cmocka_unit_test_setup_teardown(a_space_that_was_half_dropped_is_finished, begin, end),
		cmocka_unit_test_setup_teardown(every_tenant_is_swept, begin, end),
		cmocka_unit_test_setup_teardown(a_pass_is_bounded_and_the_next_goes_on, begin, end),
		cmocka_unit_test_setup_teardown(what_is_left_of_a_space_goes_late, begin, end),
		cmocka_unit_test_setup_teardown(a_space_that_cannot_be_read_keeps_no_other, begin, end),
		cmocka_unit_test_setup_teardown(two_servers_may_sweep_at_once, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
