/* view_saved_test.c - saved SQL over real workers: created, updated, refreshed, deleted; races, crashes, deaths of servers. */
#include "view_pages_rig.h"

#include <poll.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
enum { LATE_MS = ATTEMPT_MS + 1 };

/* --- asking --- */

static bool save_on(struct fixture *f, struct server *s, const struct saved_ask *ask, struct saved_sql *ret)
{
	struct view_op *op;
	struct view_result r;

	call_forgive(&f->c);
	if (!view_save(&f->c, s->views, ask, &op) || !wait_for(f, op, &r))
		return false;
	*ret = saved_copy(&f->arena, r.saved);
	view_op_unref(op);
	return true;
}

static bool make(struct fixture *f, const char *sql, struct saved_sql *ret)
{
	return save_on(f, &f->a, &(struct saved_ask){.space = S("lab"), .name = S("v"), .sql = str_of(sql)}, ret);
}

static bool revise(struct fixture *f, struct server *s, const struct saved_sql *old, const char *sql, struct saved_sql *ret)
{
	return save_on(f, s, &(struct saved_ask){.space = S("lab"), .id = old->id, .parent_revision_id = old->revision_id,
						 .name = S("v"), .sql = str_of(sql)}, ret);
}

static struct saved_sql get(struct fixture *f, struct server *s, struct str id)
{
	struct saved_sql q;

	must(f, view_saved_get(&f->c, s->views, S("lab"), id, &q));
	return q;
}

static bool is_gone(struct fixture *f, struct str id)
{
	struct saved_sql q;

	return !view_saved_get(&f->c, f->a.views, S("lab"), id, &q) && failed(f, ERR_NOT_FOUND);
}

/* What is stored below a folder of the space. */
static int objects(struct fixture *f, const char *folder)
{
	struct store_entry *e;
	size_t n;

	assert_true(f->store->ops->list(&f->c, f->store, key_space(&f->c, S("lab"), folder), S(""), &e, &n));
	return (int)n;
}

static struct saved_sql wait_built(struct fixture *f, struct str id)
{
	struct saved_sql q;

	for (int i = 0; i < 6000; i++) {
		q = get(f, &f->a, id);
		if (q.view.state != VIEW_BUILDING)
			return q;
		poll(NULL, 0, 10);
	}
	assert_true(false);
	return q;
}

static struct str meta_of(struct fixture *f, struct str id, const char *key)
{
	const json_node *o;

	must(f, view_read_json(&f->c, f->a.views,
			       arena_fmt(&f->arena, "%.*s/meta.json", SARG(key_view(&f->c, S("lab"), id))), &o));
	assert_non_null(json_get(o, key));
	if (json_kind(json_get(o, key)) == JSON_KIND_INT)
		return arena_fmt(&f->arena, "%lld", (long long)json_int(json_get(o, key)));
	return json_text(json_get(o, key));
}

/* --- the life of one --- */

static void test_created_read_listed_updated_deleted(void **state)
{
	struct fixture *f = *state;
	struct view_page page = {.limit = 10};
	struct saved_sql a, b, *list;
	struct str created;
	int n;

	must(f, make(f, "SELECT i AS id, 'x' AS t FROM range(10) r(i) ORDER BY i DESC", &a));
	assert_int_equal(a.view.state, VIEW_READY);
	assert_int_equal(a.view.rows, 10);
	assert_int_equal(a.view.schema_version, 1);
	assert_true(a.view.snapshot_id > 0 && a.view.snapshot_id < INT64_C(1) << 53);
	assert_true(str_starts(a.view.schema_hash, S("sha256:")));
	assert_true(str_ends(a.view.location, a.id));
	assert_true(id_valid(a.id) && id_valid(a.revision_id));
	b = get(f, &f->a, a.id);
	assert_true(str_eq(b.sql, a.sql) && str_eq(b.revision_id, a.revision_id) && b.view.snapshot_id == a.view.snapshot_id);
	assert_true(b.created_ms == a.created_ms && b.updated_ms == a.updated_ms && b.view.snapshot_ms == a.view.snapshot_ms);
	must(f, view_saved_list(&f->c, f->a.views, S("lab"), &page, &list, &n));
	assert_int_equal(n, 1);
	assert_true(str_eq(list[0].id, a.id));
	created = meta_of(f, a.id, "created_at");
	assert_true(str_eq(meta_of(f, a.id, "sql_id"), a.id));
	assert_true(str_eq(meta_of(f, a.id, "schema_hash"), a.view.schema_hash));
	must(f, revise(f, &f->a, &a, "SELECT i AS id FROM range(5) r(i)", &b));
	assert_false(str_eq(a.revision_id, b.revision_id));
	assert_true(str_eq(a.id, b.id) && b.created_ms == a.created_ms && b.updated_ms > a.updated_ms);
	assert_true(b.view.snapshot_id > a.view.snapshot_id);
	assert_int_equal(b.view.rows, 5);
	assert_int_equal(b.view.schema_version, 2);
	assert_true(str_eq(meta_of(f, a.id, "created_at"), created));
	assert_true(str_eq(meta_of(f, a.id, "snapshot_id"), arena_fmt(&f->arena, "%lld", (long long)b.view.snapshot_id)));
	must(f, view_saved_drop(&f->c, f->a.views, S("lab"), a.id));
	assert_true(is_gone(f, a.id));
	assert_int_equal(objects(f, "/materialized_views/"), 0);
	assert_false(view_saved_drop(&f->c, f->a.views, S("lab"), a.id));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, view_saved_list(&f->c, f->a.views, S("lab"), &page, &list, &n));
	assert_int_equal(n, 0);
}

static void test_refreshed(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, b;

	must(f, make(f, "SELECT 1 AS id", &a));
	refresh(f, a.id);
	b = get(f, &f->a, a.id);
	assert_true(b.view.snapshot_id > a.view.snapshot_id);
	assert_true(str_eq(b.revision_id, a.revision_id) && b.updated_ms == a.updated_ms);
	assert_int_equal(b.view.schema_version, 1);
	must(f, revise(f, &f->a, &b, "SELECT 'x' AS name", &a));
	assert_int_equal(a.view.schema_version, 2);
	must(f, revise(f, &f->a, &a, "SELECT 1 AS id", &b)); /* the columns of before, but another change */
	assert_int_equal(b.view.schema_version, 3);
}

static struct str padded(struct fixture *f, size_t n)
{
	struct str head = S("SELECT 1 AS id --");
	char *p = arena_alloc(&f->arena, n);

	memset(p, 'x', n);
	memcpy(p, head.p, head.n);
	return str_from(p, n);
}

static void test_what_may_not_be_saved(void **state)
{
	static const struct view_variable variable[] = {{S_INIT("a"), S_INIT("int"), false, {NULL, 0}}};
	static const struct {
		const char *sql;
		enum err_kind kind;
		int position;
	} bad[] = {
		{"FROM range(10)", ERR_SQL_INVALID, 1}, {"VALUES (1)", ERR_SQL_INVALID, 1}, {"", ERR_SQL_INVALID, 0},
		{"SELECT 1; SELECT 2", ERR_SQL_INVALID, -1}, {"SELECT", ERR_SQL_INVALID, -1}, {"SELECT * FROM nothing", ERR_SQL_INVALID, 15},
		{"SELECT nix FROM range(10) r(i)", ERR_SQL_INVALID, 8}, {"SELECT {{b}}", ERR_SQL_INVALID, 8},
		{"INSERT INTO x VALUES (1)", ERR_SQL_INVALID, 1}, {"SELECT * FROM read_csv('/etc/passwd')", ERR_NOT_ALLOWED, -1},
		{"SELECT * FROM '/etc/passwd'", ERR_NOT_ALLOWED, -1}, {"SELECT CAST('x' AS INTEGER) AS a", ERR_VIEW_FAILED, -1},
		{"SELECT * FROM information_schema.tables", 0, -1}, {"SELECT 'x", ERR_SQL_INVALID, 8}, {"SELECT 1 AS a --\xff", ERR_SQL_INVALID, 0},
	};
	struct fixture *f = *state;
	struct str order[] = {S("nix"), S("id")};
	struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = S("SELECT 1 AS id")};
	struct saved_sql q;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(make(f, bad[i].sql, &q));
		if (bad[i].position >= 0 && f->c.err.position != bad[i].position)
			print_error("%s: %d: %s\n", bad[i].sql, f->c.err.position, f->c.err.text);
		if (bad[i].position >= 0)
			assert_int_equal(f->c.err.position, bad[i].position);
		if (!bad[i].kind && f->c.err.kind != ERR_SQL_INVALID)
			assert_true(failed(f, ERR_NOT_ALLOWED));
		else if (!failed(f, bad[i].kind ? bad[i].kind : ERR_SQL_INVALID))
			_fail(__FILE__, __LINE__);
	}
	ask.variables = variable; /* declared, not used */
	ask.nvariables = 1;
	assert_false(save_on(f, &f->a, &ask, &q));
	assert_true(failed(f, ERR_SQL_INVALID));
	ask.nvariables = 0;
	ask.order_by = order;
	ask.norder = 1;
	assert_false(save_on(f, &f->a, &ask, &q));
	assert_true(failed(f, ERR_INVALID_FIELD));
	order[0] = S("id desc");
	ask.norder = 2;
	assert_false(save_on(f, &f->a, &ask, &q));
	assert_true(failed(f, ERR_INVALID_FIELD));
	ask.norder = 0;
	ask.space = S("nowhere");
	assert_false(save_on(f, &f->a, &ask, &q));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_int_equal(objects(f, "/sql/"), 0);
	assert_int_equal(objects(f, "/materialized_views/"), 0);
}

static void test_lengths(void **state)
{
	struct fixture *f = *state;
	struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = padded(f, VIEW_SQL_MAX + 1)};
	char name[2 * VIEW_NAME_MAX + 2];
	struct saved_sql q;

	assert_false(save_on(f, &f->a, &ask, &q));
	assert_non_null(strstr(f->c.err.text, "`sql`"));
	assert_true(failed(f, ERR_SQL_INVALID));
	ask.sql = padded(f, VIEW_SQL_MAX);
	must(f, save_on(f, &f->a, &ask, &q));
	assert_int_equal(get(f, &f->a, q.id).sql.n, VIEW_SQL_MAX);
	for (int i = 0; i <= VIEW_NAME_MAX; i++)
		memcpy(name + 2 * i, "\xC3\xA4", 2);
	ask.sql = S("SELECT 1 AS id");
	ask.name = str_from(name, 2 * VIEW_NAME_MAX + 2);
	assert_false(save_on(f, &f->a, &ask, &q));
	assert_non_null(strstr(f->c.err.text, "`name`"));
	assert_true(failed(f, ERR_SQL_INVALID));
	ask.name.n -= 2;
	must(f, save_on(f, &f->a, &ask, &q));
	ask.name = S("");
	assert_false(save_on(f, &f->a, &ask, &q));
	assert_true(failed(f, ERR_SQL_INVALID));
}

static void test_stale_and_unknown(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, b, c;
	struct view_op *op;
	struct view_result r;
	struct id id = id_v7();

	must(f, make(f, "SELECT 1 AS id", &a));
	must(f, revise(f, &f->a, &a, "SELECT 2 AS id", &b));
	assert_false(revise(f, &f->a, &a, "SELECT 3 AS id", &c));
	assert_true(failed(f, ERR_REVISION_CONFLICT));
	assert_str_equal(get(f, &f->a, a.id).sql, "SELECT 2 AS id");
	c = b;
	c.id = id_str(&id);
	assert_true(is_gone(f, c.id));
	assert_true(is_gone(f, S("../../x")));
	assert_false(revise(f, &f->a, &c, "SELECT 3 AS id", &a));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, view_refresh(&f->c, f->a.views, S("lab"), c.id, false, &op));
	assert_false(wait_for(f, op, &r));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_false(view_saved_drop(&f->c, f->a.views, S("lab"), c.id));
	assert_true(failed(f, ERR_NOT_FOUND));
}

/* --- failures leave what is there --- */

static void test_a_failed_rebuild_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, b, c;

	must(f, make(f, "SELECT 1 AS id", &a));
	assert_false(revise(f, &f->a, &a, "SELECT CAST(CASE WHEN i = 7 THEN 'x' ELSE '1' END AS INTEGER) AS id FROM range(10) r(i)", &b));
	assert_true(failed(f, ERR_VIEW_FAILED));
	c = get(f, &f->a, a.id);
	assert_true(str_eq(c.sql, a.sql) && str_eq(c.revision_id, a.revision_id) && c.view.snapshot_id == a.view.snapshot_id);
	assert_int_equal(c.view.state, VIEW_READY);
	assert_int_equal(c.view.error.n, 0);
	must(f, revise(f, &f->a, &a, "SELECT 2 AS id", &b));
}

static void test_async(void **state)
{
	static const char *const slow_failure = "SELECT CAST(CASE WHEN i = 7 THEN 'x' ELSE '1' END AS INTEGER) AS id FROM range(10) r(i)";
	struct fixture *f = *state;
	struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = S("SELECT i AS id FROM range(1000) r(i)"), .async = true};
	struct saved_sql a, b;

	must(f, save_on(f, &f->a, &ask, &a));
	assert_int_equal(a.view.state, VIEW_BUILDING);
	assert_int_equal(a.view.snapshot_id, 0);
	b = wait_built(f, a.id);
	assert_int_equal(b.view.state, VIEW_READY);
	assert_int_equal(b.view.rows, 1000);
	ask.id = a.id; /* a rebuild that fails: the former stays, and the entry says why */
	ask.parent_revision_id = a.revision_id;
	ask.sql = str_of(slow_failure);
	must(f, save_on(f, &f->a, &ask, &a));
	assert_int_equal(a.view.state, VIEW_BUILDING);
	a = wait_built(f, a.id);
	assert_int_equal(a.view.state, VIEW_READY);
	assert_true(a.view.error.n > 0);
	assert_true(str_eq(a.revision_id, b.revision_id) && str_eq(a.sql, b.sql));
	must(f, revise(f, &f->a, &a, "SELECT 2 AS id", &b)); /* one that does not clears it */
	assert_int_equal(get(f, &f->a, a.id).view.error.n, 0);
	ask = (struct saved_ask){.space = S("lab"), .name = S("v"), .sql = str_of(slow_failure), .async = true};
	must(f, save_on(f, &f->a, &ask, &a));
	a = wait_built(f, a.id);
	assert_int_equal(a.view.state, VIEW_FAILED);
	assert_true(a.view.error.n > 0);
	must(f, revise(f, &f->a, &a, "SELECT 3 AS id", &b)); /* its parent is the entry's, where there is no table */
	assert_int_equal(get(f, &f->a, a.id).view.state, VIEW_READY);
	ask.sql = S("SELECT * FROM (");
	assert_false(save_on(f, &f->a, &ask, &a)); /* what cannot be read is refused at once */
	assert_true(failed(f, ERR_SQL_INVALID));
}

static void test_async_refresh(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, b;
	struct view_result r;
	struct view_op *op;

	must(f, make(f, "SELECT 1 AS id", &a));
	must(f, view_refresh(&f->c, f->a.views, S("lab"), a.id, true, &op));
	must(f, wait_for(f, op, &r));
	assert_int_equal(r.saved->view.state, VIEW_BUILDING);
	assert_int_equal(r.saved->view.snapshot_id, a.view.snapshot_id);
	view_op_unref(op);
	b = wait_built(f, a.id);
	assert_int_equal(b.view.state, VIEW_READY);
	assert_true(b.view.snapshot_id > a.view.snapshot_id);
	assert_int_equal(b.view.error.n, 0);
}

/* --- a store that ends for one server: as if that had been killed --- */

struct dying {
	struct store base;
	struct store *real;
	atomic_int left;               /* writes that still come through; then nothing does */
};

static bool alive(struct call *c, struct store *s, bool write)
{
	struct dying *d = (struct dying *)s;

	if (write ? atomic_fetch_sub(&d->left, 1) > 0 : atomic_load(&d->left) >= 0)
		return true;
	return fail(c, ERR_STORAGE, "dead");
}

#define REAL(s) (((struct dying *)(s))->real)
#define PASS(fn, ...) REAL(s)->ops->fn(c, REAL(s), __VA_ARGS__)

static bool dying_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	return alive(c, s, true) && PASS(put, key, bytes, how);
}

static bool dying_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	return alive(c, s, false) && PASS(get, key, offset, max, ret);
}

static bool dying_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret, size_t *ret_n)
{
	return alive(c, s, false) && PASS(list, prefix, after, ret, ret_n);
}

static bool dying_drop(struct call *c, struct store *s, struct str key)
{
	return alive(c, s, true) && PASS(drop, key);
}

static const struct store_ops dying_ops = {.name = "dying", .put = dying_put, .get = dying_get, .list = dying_list, .drop = dying_drop};

static void open_dying(struct fixture *f, struct dying *d)
{
	struct store *real = f->store;

	*d = (struct dying){.base = {.ops = &dying_ops, .location = real->location}, .real = real};
	atomic_init(&d->left, INT32_MAX);
	f->store = &d->base;
	server_open(f, &f->b, "b");
	f->store = real;
}

/* Everything that is no part of a saved SQL is removed in the end. */
static void expect_tidy(struct fixture *f, int saved)
{
	struct str *ids;
	int n;

	clock_advance(25 * 60 * MINUTE_MS);
	views_sweep(&f->c, f->a.views);
	must(f, key_children(&f->c, f->a.views, key_space(&f->c, S("lab"), "/materialized_views"), &(struct view_page){.limit = 100}, &ids, &n));
	assert_int_equal(n, saved);
	assert_int_equal(objects(f, "/sql/"), saved);
}

static void test_a_crash_while_it_is_created(void **state)
{
	struct fixture *f = *state;
	struct saved_sql q, *list;
	static struct dying d; /* server b is closed after the test */
	int n = 0, points = 0;

	open_dying(f, &d);
	for (bool made = false; !made; points++) {
		struct view_page page = {.limit = 10};

		assert_true(points < 40);
		atomic_store(&d.left, points);
		made = save_on(f, &f->b, &(struct saved_ask){.space = S("lab"), .name = S("v"), .sql = S("SELECT 1 AS id")}, &q);
		call_forgive(&f->c);
		must(f, view_saved_list(&f->c, f->a.views, S("lab"), &page, &list, &n));
		assert_true(n <= 1);
		for (int i = 0; i < n; i++) { /* its answer may have been lost, but what is there is whole */
			assert_int_equal(list[i].view.state, VIEW_READY);
			must(f, view_saved_drop(&f->c, f->a.views, S("lab"), list[i].id));
		}
		assert_true(n == 1 || !made);
	}
	assert_true(points > 4);
	expect_tidy(f, 0);
}

static void test_a_crash_while_it_is_updated(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, b, now;
	static struct dying d; /* server b is closed after the test */
	int points = 0;

	open_dying(f, &d);
	must(f, make(f, "SELECT 1 AS id", &a));
	for (bool made = false; !made; points++) {
		bool wide = points % 2 == 0;

		assert_true(points < 40);
		atomic_store(&d.left, points);
		made = revise(f, &f->b, &a, wide ? "SELECT 1 AS id, 2 AS b" : "SELECT 1 AS id", &b);
		call_forgive(&f->c);
		now = get(f, &f->a, a.id);
		assert_int_equal(now.view.state, VIEW_READY);
		if (str_eq(now.revision_id, a.revision_id)) {
			assert_true(str_eq(now.sql, a.sql) && str_eq(now.view.schema_hash, a.view.schema_hash));
			assert_false(made);
		} else {
			assert_str_equal(now.sql, wide ? "SELECT 1 AS id, 2 AS b" : "SELECT 1 AS id");
			assert_true(now.updated_ms > a.updated_ms && now.view.snapshot_id > a.view.snapshot_id);
		}
		a = saved_copy(&f->arena, &now);
	}
	assert_true(points > 4);
	expect_tidy(f, 1);
	assert_true(str_eq(get(f, &f->a, a.id).revision_id, a.revision_id));
}

/* The copy at sql/{id}.json is behind after such a crash: whoever reads it later mends it. */
static void test_the_entry_is_mended(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, b, now;
	struct entry e;
	static struct dying d; /* server b is closed after the test */

	open_dying(f, &d);
	must(f, make(f, "SELECT 1 AS id", &a));
	for (int left = 1;; left++) { /* until it dies just behind the commit */
		assert_true(left < 40);
		atomic_store(&d.left, left);
		(void)!revise(f, &f->b, &a, "SELECT 2 AS id", &b);
		call_forgive(&f->c);
		now = get(f, &f->a, a.id);
		if (!str_eq(now.revision_id, a.revision_id))
			break;
	}
	must(f, entry_read(&f->c, f->a.views, S("lab"), a.id, &e));
	assert_str_equal(e.saved.sql, "SELECT 1 AS id");
	clock_advance(MINUTE_MS);
	(void)get(f, &f->a, a.id);
	must(f, entry_read(&f->c, f->a.views, S("lab"), a.id, &e));
	assert_str_equal(e.saved.sql, "SELECT 2 AS id");
	assert_true(str_eq(e.saved.revision_id, now.revision_id));
}

static void test_a_server_dies_while_it_builds_behind(void **state)
{
	struct fixture *f = *state;
	struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = S("SELECT 1 AS id"), .async = true};
	struct saved_sql a, b, c;
	static struct dying d; /* server b is closed after the test */

	open_dying(f, &d);
	atomic_store(&d.left, 1); /* the entry */
	must(f, save_on(f, &f->b, &ask, &a));
	assert_int_equal(get(f, &f->a, a.id).view.state, VIEW_BUILDING);
	clock_advance(LATE_MS);
	b = get(f, &f->a, a.id);
	assert_int_equal(b.view.state, VIEW_FAILED);
	assert_true(b.view.error.n > 0);
	must(f, revise(f, &f->a, &b, "SELECT 2 AS id", &c));
	atomic_store(&d.left, 1);
	ask.id = c.id;
	ask.parent_revision_id = c.revision_id;
	ask.sql = S("SELECT 3 AS id");
	must(f, save_on(f, &f->b, &ask, &a));
	assert_int_equal(get(f, &f->a, a.id).view.state, VIEW_BUILDING);
	clock_advance(LATE_MS);
	b = get(f, &f->a, a.id);
	assert_int_equal(b.view.state, VIEW_READY);
	assert_str_equal(b.sql, "SELECT 2 AS id");
	assert_true(b.view.error.n > 0);
}

/* --- two servers --- */

static void test_of_two_updates_one_wins(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, now;

	server_open(f, &f->b, "b");
	must(f, make(f, "SELECT 0 AS id", &a));
	for (int round = 0; round < 10; round++) {
		struct server *servers[] = {&f->a, &f->b};
		struct view_op *ops[2];
		struct str won = {0};
		int wins = 0;

		for (int i = 0; i < 2; i++) {
			struct str sql = arena_fmt(&f->arena, "SELECT %d AS id", 10 * round + i);

			must(f, view_save(&f->c, servers[i]->views,
					  &(struct saved_ask){.space = S("lab"), .id = a.id, .parent_revision_id = a.revision_id,
							      .name = S("v"), .sql = sql}, &ops[i]));
		}
		for (int i = 0; i < 2; i++) {
			struct view_result r;

			if (wait_for(f, ops[i], &r)) {
				wins++;
				won = arena_dup(&f->arena, r.saved->revision_id);
				view_op_unref(ops[i]);
			} else {
				assert_true(failed(f, ERR_REVISION_CONFLICT));
			}
		}
		assert_int_equal(wins, 1);
		now = get(f, &f->a, a.id);
		assert_true(str_eq(now.revision_id, won));
		assert_true(str_eq(get(f, &f->b, a.id).revision_id, won));
		a = saved_copy(&f->arena, &now);
	}
}

static void test_a_refresh_never_brings_an_old_revision_back(void **state)
{
	struct fixture *f = *state;
	struct saved_sql a, b;

	server_open(f, &f->b, "b");
	must(f, make(f, "SELECT 0 AS id", &a));
	for (int round = 0; round < 10; round++) {
		const char *sql = arena_cstr(&f->arena, arena_fmt(&f->arena, "SELECT %d AS id", round + 1));
		struct view_result r;
		struct view_op *op;

		must(f, view_refresh(&f->c, f->b.views, S("lab"), a.id, false, &op));
		must(f, revise(f, &f->a, &a, sql, &b));
		must(f, wait_for(f, op, &r)); /* of whichever revision is in force when it commits */
		view_op_unref(op);
		a = get(f, &f->b, a.id);
		assert_str_equal(a.sql, sql);
		assert_true(str_eq(a.revision_id, b.revision_id));
	}
}

static void test_a_delete_and_a_late_update(void **state)
{
	struct fixture *f = *state;

	server_open(f, &f->b, "b");
	for (int round = 0; round < 10; round++) {
		struct saved_sql a;
		struct view_result r;
		struct view_op *op;

		must(f, make(f, "SELECT 0 AS id", &a));
		must(f, view_save(&f->c, f->b.views, &(struct saved_ask){.space = S("lab"), .id = a.id, .parent_revision_id = a.revision_id,
									 .name = S("v"), .sql = S("SELECT 1 AS id")}, &op));
		if (round % 2)
			poll(NULL, 0, round);
		must(f, view_saved_drop(&f->c, f->a.views, S("lab"), a.id));
		if (wait_for(f, op, &r))
			view_op_unref(op);
		else
			call_forgive(&f->c); /* not found, or the store was pulled away under it */
		assert_true(is_gone(f, a.id));
	}
	expect_tidy(f, 0);
}

/* --- variables --- */

static void test_variables(void **state)
{
	static const struct view_variable v[] = {{S_INIT("n"), S_INIT("integer"), true, S_INIT("3")},
						 {S_INIT("t"), S_INIT("varchar"), false, {NULL, 0}}};
	struct fixture *f = *state;
	struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = S("SELECT i AS id FROM range({{n}}) r(i)"),
				.variables = v, .nvariables = 1};
	struct saved_sql a, b;

	must(f, save_on(f, &f->a, &ask, &a));
	assert_int_equal(a.view.state, VIEW_READY);
	assert_int_equal(a.view.rows, 3);
	ask.sql = S("SELECT i AS id, {{ t }} AS t FROM range({{n}}) r(i)");
	ask.nvariables = 2;
	must(f, save_on(f, &f->a, &ask, &b));
	assert_int_equal(b.view.state, VIEW_PARAMETERIZED);
	assert_int_equal(b.view.rows, 0);
	assert_true(b.view.snapshot_id > 0);
	b = get(f, &f->a, b.id);
	assert_int_equal(b.view.state, VIEW_PARAMETERIZED);
	assert_int_equal(b.nvariables, 2);
	assert_true(b.variables[0].has_default && !b.variables[1].has_default);
	refresh(f, b.id);
	assert_int_equal(get(f, &f->a, b.id).view.rows, 0);
}

/* --- lists, caps, catalog --- */

static void test_lists_and_the_catalog(void **state)
{
	struct fixture *f = *state;
	struct view_page page = {.limit = 2};
	struct saved_sql q, *list;
	struct ice_table table;
	struct str *names;
	int n, all = 0;

	for (int i = 0; i < 5; i++)
		must(f, make(f, "SELECT 1 AS id", &q));
	do {
		must(f, view_saved_list(&f->c, f->a.views, S("lab"), &page, &list, &n));
		all += n;
		page.after = page.next;
	} while (page.next.n);
	assert_int_equal(all, 5);
	page = (struct view_page){.limit = 2};
	all = 0;
	do {
		must(f, view_catalog_tables(&f->c, f->a.views, S("lab"), &page, &names, &n));
		for (int i = 0; i < n; i++) {
			must(f, view_catalog_load(&f->c, f->a.views, S("lab"), names[i], &table));
			assert_non_null(table.current);
		}
		all += n;
		page.after = page.next;
	} while (page.next.n);
	assert_int_equal(all, 5);
	must(f, view_saved_drop(&f->c, f->a.views, S("lab"), q.id));
	assert_false(view_catalog_load(&f->c, f->a.views, S("lab"), arena_fmt(&f->arena, "view_%.*s", SARG(q.id)), &table));
	assert_true(failed(f, ERR_NOT_FOUND));
}

static void test_one_that_is_corrupt_does_not_hide_the_others(void **state)
{
	struct fixture *f = *state;
	struct view_page page = {.limit = 10};
	struct saved_sql a, b, *list;
	struct str key;
	int n;

	must(f, make(f, "SELECT 1 AS id", &a));
	must(f, make(f, "SELECT 2 AS id", &b));
	key = arena_fmt(&f->arena, "%.*s/metadata/v1.metadata.json", SARG(key_view(&f->c, S("lab"), a.id)));
	assert_true(f->store->ops->put(&f->c, f->store, key, S("{\"format-version\":"), STORE_REPLACE));
	must(f, view_saved_list(&f->c, f->a.views, S("lab"), &page, &list, &n));
	assert_int_equal(n, 2);
	assert_int_equal(list[0].view.state, VIEW_FAILED);
	assert_true(list[0].view.error.n > 0);
	assert_int_equal(list[1].view.state, VIEW_READY);
	assert_false(view_saved_get(&f->c, f->a.views, S("lab"), a.id, &a));
	assert_true(failed(f, ERR_CORRUPT_TABLE));
	must(f, view_saved_drop(&f->c, f->a.views, S("lab"), list[0].id));
	assert_true(is_gone(f, list[0].id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_created_read_listed_updated_deleted), CASE(test_refreshed), CASE(test_what_may_not_be_saved), CASE(test_lengths),
		CASE(test_stale_and_unknown), CASE(test_a_failed_rebuild_changes_nothing), CASE(test_async), CASE(test_async_refresh),
		CASE(test_a_crash_while_it_is_created), CASE(test_a_crash_while_it_is_updated), CASE(test_the_entry_is_mended),
		CASE(test_a_server_dies_while_it_builds_behind), CASE(test_of_two_updates_one_wins),
		CASE(test_a_refresh_never_brings_an_old_revision_back), CASE(test_a_delete_and_a_late_update), CASE(test_variables),
		CASE(test_lists_and_the_catalog), CASE(test_one_that_is_corrupt_does_not_hide_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
