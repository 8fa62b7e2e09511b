/* view_sessions_test.c - SQL sessions over real workers: documents, which SQL, orders, variables, who sees them, how they end. */
#include "view_pages_rig.h"

#include <poll.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
enum { LATE_MS = ATTEMPT_MS + 1 };

/* --- asking --- */

/* The document that the opening gave; it ends with the fixture. */
static bool open_on(struct fixture *f, struct server *s, const struct sql_session_ask *ask, const json_node **ret)
{
	struct view_op *op;
	struct view_result r;

	call_forgive(&f->c);
	if (!view_session_open(&f->c, s->views, ask, &op) || !wait_for(f, op, &r))
		return false;
	must(f, json_read_object(&f->c, arena_dup(&f->arena, r.session), ret));
	view_op_unref(op);
	return true;
}

static bool open_sql(struct fixture *f, struct str sql, const json_node **ret)
{
	return open_on(f, &f->a, &(struct sql_session_ask){.space = S("lab"), .sql = sql, .norder = -1}, ret);
}

static bool refused(struct fixture *f, const struct sql_session_ask *ask, enum err_kind kind)
{
	const json_node *doc;

	return !open_on(f, &f->a, ask, &doc) && failed(f, kind);
}

static bool look(struct fixture *f, struct str id, const json_node **ret)
{
	OWNS(buf) json = {0};

	call_forgive(&f->c);
	if (!view_session_get(&f->c, f->a.views, S("lab"), id, &json))
		return false;
	must(f, json_read_object(&f->c, arena_dup(&f->arena, buf_str(&json)), ret));
	return true;
}

static struct str text(const json_node *o, const char *key)
{
	assert_non_null(json_get(o, key));
	assert_int_equal(json_kind(json_get(o, key)), JSON_KIND_TEXT);
	return json_text(json_get(o, key));
}

static int64_t snapshot(const json_node *doc)
{
	return json_int(json_get(json_get(doc, "view"), "snapshot_id"));
}

static struct str order_text(struct fixture *f, const json_node *doc)
{
	const json_node *order = json_get(json_get(doc, "pagination"), "order_by");
	OWNS(buf) b = {0};

	for (size_t i = 0; i < json_count(order); i++)
		buf_fmt(&b, "%s%.*s", i ? "," : "", SARG(json_text(json_at(order, i))));
	return arena_dup(&f->arena, buf_str(&b));
}

static const json_node *object(struct fixture *f, const char *json)
{
	const json_node *o;

	must(f, json_read_object(&f->c, str_of(json), &o));
	return o;
}

static const json_node *wait_status(struct fixture *f, struct str id)
{
	const json_node *doc = NULL;

	for (int i = 0; i < 6000; i++) {
		must(f, look(f, id, &doc));
		if (!str_eq(text(doc, "status"), S("running")))
			return doc;
		poll(NULL, 0, 10);
	}
	assert_true(false);
	return doc;
}

static struct sql_session_ask of(struct str sql_id)
{
	return (struct sql_session_ask){.space = S("lab"), .sql_id = sql_id, .norder = -1};
}

static void drop_saved(struct fixture *f, struct str id)
{
	must(f, view_saved_drop(&f->c, f->a.views, S("lab"), id));
}

static struct str save_variables(struct fixture *f, const char *sql, const struct view_variable *v, int n)
{
	const struct saved_ask ask = {.space = S("lab"), .name = S("p"), .sql = str_of(sql), .variables = v, .nvariables = n};
	struct view_op *op;

	must(f, view_save(&f->c, f->a.views, &ask, &op));
	return take_saved(f, op);
}

/* --- documents --- */

static void test_the_document(void **state)
{
	static const char *const keys[] = {"id", "space_id", "sql_id", "sql", "status", "created_at", "expires_at", "error", "view",
					   "pagination", "count"};
	struct fixture *f = *state;
	struct str id = save(f, "SELECT i AS id FROM range(10) r(i) ORDER BY id DESC", NULL), key;
	int64_t created = 0, expires = 0, rows;
	const json_node *doc, *again, *value;
	struct saved_sql q;
	int n = 0;

	must(f, open_on(f, &f->a, &(struct sql_session_ask){.space = S("lab"), .sql_id = id, .norder = -1}, &doc));
	for (void *it = NULL; json_each(doc, &it, &key, &value); n++)
		assert_true(n < (int)COUNT_OF(keys) && str_eq(key, str_of(keys[n])));
	assert_int_equal(n, COUNT_OF(keys));
	must(f, view_saved_get(&f->c, f->a.views, S("lab"), id, &q));
	assert_int_equal(snapshot(doc), q.view.snapshot_id);
	assert_true(str_eq(text(doc, "sql_id"), id) && str_eq(text(doc, "sql"), q.sql));
	assert_str_equal(text(doc, "status"), "ready");
	assert_true(clock_parse_rfc3339(text(doc, "created_at"), &created) && clock_parse_rfc3339(text(doc, "expires_at"), &expires));
	assert_int_equal(expires - created, 600000);
	assert_str_equal(order_text(f, doc), "id desc,$position");
	must(f, look(f, text(doc, "id"), &again));
	assert_true(str_eq(text(again, "created_at"), text(doc, "created_at")) && snapshot(again) == snapshot(doc));
	assert_int_equal(json_kind(json_get(json_get(again, "count"), "value")), JSON_KIND_NULL);
	must(f, view_session_count(&f->c, f->a.views, S("lab"), text(doc, "id"), &rows));
	assert_int_equal(rows, 10);
	must(f, look(f, text(doc, "id"), &again));
	assert_int_equal(json_int(json_get(json_get(again, "count"), "value")), 10);
	assert_true(text(json_get(again, "count"), "cached_at").n > 0);
	assert_str_equal(page(f, text(doc, "id"), 8, 5), "[1],[0]");
}

static void test_bad_asks(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT i AS id FROM range(10) r(i)", NULL);
	struct sql_session_ask ask = of(id);
	struct id other = id_v7();
	const json_node *doc;

	ask.sql = S("SELECT 1 AS id");
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	ask = (struct sql_session_ask){.space = S("lab"), .norder = -1};
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	ask = of(id_str(&other));
	assert_true(refused(f, &ask, ERR_NOT_FOUND));
	ask = of(S("../x"));
	assert_true(refused(f, &ask, ERR_NOT_FOUND));
	ask = of(id);
	ask.space = S("nowhere");
	assert_true(refused(f, &ask, ERR_NOT_FOUND));
	ask = of(id);
	ask.ttl_seconds = 3601;
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	ask.ttl_seconds = -1;
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	ask.ttl_seconds = 3600;
	must(f, open_on(f, &f->a, &ask, &doc));
	assert_false(open_sql(f, S("FROM range(3)"), &doc));
	assert_true(failed(f, ERR_SQL_INVALID));
	assert_false(open_sql(f, S("SELECT {{x}}"), &doc));
	assert_true(failed(f, ERR_SQL_INVALID));
	assert_false(open_sql(f, S("SELECT * FROM nothing"), &doc));
	assert_int_equal(f->c.err.position, 15);
	assert_true(failed(f, ERR_SQL_INVALID));
	assert_false(open_sql(f, S("SELECT * FROM read_text('/etc/passwd')"), &doc));
	assert_true(failed(f, ERR_NOT_ALLOWED));
}

/* --- which SQL --- */

static void test_text_that_is_saved_uses_its_view(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT i AS id FROM range(10) r(i)", NULL), own;
	struct view_page one = {.limit = 10};
	const json_node *doc;
	struct saved_sql *list, q;
	int n;

	must(f, open_sql(f, S("SELECT i AS id FROM range(10) r(i)"), &doc));
	assert_true(str_eq(text(doc, "sql_id"), id));
	must(f, open_sql(f, S("select i AS id FROM range(10) r(i)"), &doc));
	own = text(doc, "sql_id");
	assert_false(str_eq(own, id));
	assert_str_equal(page(f, text(doc, "id"), 3, 2), "[3],[4]");
	must(f, view_saved_list(&f->c, f->a.views, S("lab"), &one, &list, &n));
	assert_int_equal(n, 1);
	must(f, view_saved_get(&f->c, f->a.views, S("lab"), own, &q)); /* by its own principal, not by others */
	f->c.principal = S("bob");
	assert_false(view_saved_get(&f->c, f->a.views, S("lab"), own, &q));
	assert_true(failed(f, ERR_NOT_FOUND));
	f->c.principal = S("");
	assert_false(view_saved_drop(&f->c, f->a.views, S("lab"), own));
	assert_true(failed(f, ERR_NOT_FOUND));
	clock_advance(601000);
	views_sweep(&f->c, f->a.views);
	assert_false(view_saved_get(&f->c, f->a.views, S("lab"), own, &q));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, view_saved_get(&f->c, f->a.views, S("lab"), id, &q));
}

/* --- a store that does something between two steps --- */

struct meddler {
	struct store base;
	struct store *real;
	atomic_int writes_left;        /* then it is dead */
	bool collect;                  /* behind each document of a session comes the mark of the sweep */
};
#define REAL(s) (((struct meddler *)(s))->real)

static bool is_alive(struct call *c, struct store *s, bool write)
{
	struct meddler *m = (struct meddler *)s;

	if (write ? atomic_fetch_sub(&m->writes_left, 1) > 0 : atomic_load(&m->writes_left) >= 0)
		return true;
	return fail(c, ERR_STORAGE, "dead");
}

static bool collect(struct call *c, struct store *s, struct str document)
{
	struct session_doc d;
	struct views v = {.o = {.store = REAL(s)}};

	return session_doc_read(c, &v, document, &d) &&
	       REAL(s)->ops->put(c, REAL(s), key_collecting(c, d.space, d.sql_id), S("x"), STORE_REPLACE);
}

static bool m_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	struct meddler *m = (struct meddler *)s;
	bool document = str_search(key, S("/sql_sessions/")) < key.n && str_ends(key, S("/meta.json"));

	return is_alive(c, s, true) && REAL(s)->ops->put(c, REAL(s), key, bytes, how) && (!m->collect || !document || collect(c, s, key));
}

static bool m_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	return is_alive(c, s, false) && REAL(s)->ops->get(c, REAL(s), key, offset, max, ret);
}

static bool m_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret, size_t *ret_n)
{
	return is_alive(c, s, false) && REAL(s)->ops->list(c, REAL(s), prefix, after, ret, ret_n);
}

static bool m_drop(struct call *c, struct store *s, struct str key)
{
	return is_alive(c, s, true) && REAL(s)->ops->drop(c, REAL(s), key);
}

static const struct store_ops meddler_ops = {.name = "meddler", .put = m_put, .get = m_get, .list = m_list, .drop = m_drop};

static void open_meddler(struct fixture *f, struct meddler *m)
{
	struct store *real = f->store;

	*m = (struct meddler){.base = {.ops = &meddler_ops, .location = real->location}, .real = real};
	atomic_init(&m->writes_left, INT32_MAX);
	f->store = &m->base;
	server_open(f, &f->b, "b");
	f->store = real;
}

static void test_a_view_that_is_collected_just_then(void **state)
{
	struct fixture *f = *state;
	struct store_entry *e;
	const json_node *doc;
	static struct meddler m; /* server b is closed after the test */
	size_t n;

	open_meddler(f, &m);
	m.collect = true;
	assert_false(open_on(f, &f->b, &(struct sql_session_ask){.space = S("lab"), .sql = S("SELECT 1 AS id"), .norder = -1}, &doc));
	assert_true(failed(f, ERR_VIEW_DELETED));
	assert_true(f->store->ops->list(&f->c, f->store, key_space(&f->c, S("lab"), "/sql_sessions/"), S(""), &e, &n));
	for (size_t i = 0; i < n; i++)
		assert_false(str_ends(e[i].key, S("/meta.json")));
}

/* --- orders --- */

static void test_orders(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT i AS id, i % 3 AS k FROM range(9) r(i)", "k desc"), items[2];
	struct sql_session_ask ask = of(id);
	const json_node *doc;

	must(f, open_on(f, &f->a, &ask, &doc));
	assert_str_equal(order_text(f, doc), "k desc,$position");
	assert_str_equal(page(f, text(doc, "id"), 0, 4), "[2,2],[5,2],[8,2],[1,1]");
	ask.order_by = items;
	ask.norder = 0;
	must(f, open_on(f, &f->a, &ask, &doc)); /* none at all: as they are stored */
	assert_str_equal(order_text(f, doc), "$position");
	items[0] = S("K");
	items[1] = S("id desc");
	ask.norder = 2;
	must(f, open_on(f, &f->a, &ask, &doc));
	assert_str_equal(order_text(f, doc), "K,id desc,$position");
	assert_str_equal(page(f, text(doc, "id"), 0, 4), "[6,0],[3,0],[0,0],[7,1]");
	items[1] = S("$position");
	must(f, open_on(f, &f->a, &ask, &doc));
	assert_str_equal(order_text(f, doc), "K,$position");
	items[1] = S("k desc");
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	items[1] = S("nix");
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	items[1] = S("");
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	items[0] = S("$position"); /* it is no column */
	items[1] = S("id");
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
}

/* U-18 */
static void test_pages_partition_rows_that_tie(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT i AS id, 'same' AS updated_at FROM range(1000) r(i)", "updated_at"), session;
	bool seen[1000] = {0};
	const json_node *doc;
	struct sql_session_ask ask = of(id);
	struct str item = S("updated_at desc");

	for (int own = 0; own < 2; own++) {
		ask.order_by = &item;
		ask.norder = own ? 1 : -1;
		memset(seen, 0, sizeof(seen));
		must(f, open_on(f, &f->a, &ask, &doc));
		session = text(doc, "id");
		for (int at = 0; at < 1000; at += 7) {
			struct str rows = page(f, session, at, 7);

			for (struct json_scan s = json_scan(rows); json_scan_row(&s);) {
				struct json_cell cell;
				int64_t n;

				assert_true(json_scan_cell(&s, &cell) && str_to_i64(cell.raw, &n));
				assert_false(seen[n]);
				seen[n] = true;
				while (json_scan_cell(&s, &cell))
					;
			}
		}
		for (int i = 0; i < 1000; i++)
			assert_true(seen[i]);
	}
}

/* --- which snapshot --- */

static void test_refresh_modes(void **state)
{
	struct fixture *f = *state;
	struct saved_ask base = {.space = S("lab"), .name = S("base"), .sql = S("SELECT 1 AS id")};
	const json_node *first, *second;
	struct sql_session_ask ask;
	struct str id, source;
	struct view_op *op;

	must(f, view_save(&f->c, f->a.views, &base, &op));
	source = take_saved(f, op);
	id = save(f, "SELECT id + 1 AS id FROM base", NULL);
	ask = of(id);
	must(f, open_on(f, &f->a, &ask, &first));
	must(f, open_on(f, &f->a, &ask, &second));
	assert_int_equal(snapshot(first), snapshot(second)); /* auto: nothing has changed */
	refresh(f, source);
	ask.refresh = VIEW_REFRESH_NEVER;
	must(f, open_on(f, &f->a, &ask, &second));
	assert_int_equal(snapshot(first), snapshot(second));
	ask.refresh = VIEW_REFRESH_AUTO;
	must(f, open_on(f, &f->a, &ask, &second));
	assert_true(snapshot(second) > snapshot(first));
	ask.refresh = VIEW_REFRESH_FORCE;
	must(f, open_on(f, &f->a, &ask, &first));
	assert_true(snapshot(first) > snapshot(second));
}

static void test_a_table_changes(void **state)
{
	struct fixture *f = *state;
	const json_node *first, *second;
	struct sql_session_ask ask;
	int64_t rows;

	upload(f, "t", VIEW_CREATE, S("id,name\n1,a\n2,b\n"));
	ask = of(save(f, "SELECT * FROM t WHERE id > 0", "id desc"));
	must(f, open_on(f, &f->a, &ask, &first));
	must(f, open_on(f, &f->a, &ask, &second));
	assert_int_equal(snapshot(first), snapshot(second));
	upload(f, "t", VIEW_APPEND, S("id,name\n3,c\n"));
	must(f, open_on(f, &f->a, &ask, &second));
	assert_true(snapshot(second) > snapshot(first));
	assert_str_equal(page(f, text(second, "id"), 0, 5), "[3,\"c\"],[2,\"b\"],[1,\"a\"]");
	assert_str_equal(page(f, text(first, "id"), 0, 5), "[2,\"b\"],[1,\"a\"]");
	must(f, view_session_count(&f->c, f->a.views, S("lab"), text(first, "id"), &rows));
	assert_int_equal(rows, 2);
}

/* U-17: what was pinned stays, whatever becomes of the SQL, until that is deleted. */
static void test_a_session_is_pinned(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT i AS id FROM range(10) r(i)", NULL), session, later;
	const json_node *doc;
	struct saved_sql q;
	struct view_op *op;
	int64_t rows;

	session = open_session(f, id);
	must(f, view_saved_get(&f->c, f->a.views, S("lab"), id, &q));
	must(f, view_save(&f->c, f->a.views, &(struct saved_ask){.space = S("lab"), .id = id, .parent_revision_id = q.revision_id,
								 .name = S("v"), .sql = S("SELECT 'a' AS other, 2.5 AS b")}, &op));
	(void)take_saved(f, op);
	assert_str_equal(page(f, session, 8, 50), "[8],[9]");
	assert_str_equal(columns_of(f, session), "id BIGINT");
	must(f, view_session_count(&f->c, f->a.views, S("lab"), session, &rows));
	assert_int_equal(rows, 10);
	later = open_session(f, id);
	assert_str_equal(page(f, later, 0, 50), "[\"a\",\"2.5\"]");
	must(f, look(f, later, &doc));
	assert_int_equal(json_int(json_get(json_get(doc, "view"), "schema_version")), 2);
	drop_saved(f, id);
	assert_false(look(f, session, &doc));
	assert_true(failed(f, ERR_VIEW_DELETED));
	assert_false(view_session_count(&f->c, f->a.views, S("lab"), session, &rows));
	assert_true(failed(f, ERR_VIEW_DELETED));
	must(f, view_session_drop(&f->c, f->a.views, S("lab"), session));
	assert_false(look(f, session, &doc));
	assert_true(failed(f, ERR_NOT_FOUND));
	clock_advance(601000);
	assert_false(look(f, later, &doc));
	assert_true(failed(f, ERR_SESSION_EXPIRED));
	assert_false(look(f, later, &doc));
	assert_true(failed(f, ERR_NOT_FOUND));
}

/* U-19 */
static void test_another_server_serves_it(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT i AS id, 'x' || i AS t FROM range(100) r(i)", NULL), session = open_session(f, id);
	struct str before = page(f, session, 40, 20);
	OWNS(buf) after = {0};

	server_open(f, &f->b, "b");
	server_close(&f->a);
	must(f, read_page(f, &f->b, session, 40, 20, &after));
	assert_str_equal(buf_str(&after), before.p);
}

/* --- variables --- */

static void test_variables(void **state)
{
	static const struct view_variable v[] = {{S_INIT("n"), S_INIT("integer"), true, S_INIT("3")},
						 {S_INIT("t"), S_INIT("varchar"), false, {NULL, 0}}};
	static const char *const wrong[] = {"{\"t\": 1}", "{\"n\": 1}", "{}", "{\"t\": \"a\", \"x\": 1}",
					    "{\"t\": [1]}", "{\"t\": \"a\", \"n\": \"1; x\"}"};
	struct fixture *f = *state;
	struct str id = save_variables(f, "SELECT i AS id, {{ t }} AS t FROM range({{n}}) r(i)", v, 2);
	const json_node *doc, *same, *other;
	struct sql_session_ask ask = of(id);
	struct saved_sql q;

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		ask.variables = object(f, wrong[i]);
		assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	}
	ask.variables = NULL;
	assert_true(refused(f, &ask, ERR_INVALID_FIELD));
	ask.variables = object(f, "{\"t\": \"x'); DROP TABLE y; --\"}");
	must(f, open_on(f, &f->a, &ask, &doc));
	assert_str_equal(page(f, text(doc, "id"), 1, 1), "[1,\"x'); DROP TABLE y; --\"]");
	must(f, open_on(f, &f->a, &ask, &same));
	assert_int_equal(snapshot(doc), snapshot(same));
	ask.variables = object(f, "{\"n\": 1, \"t\": null}");
	must(f, open_on(f, &f->a, &ask, &other));
	assert_int_not_equal(snapshot(doc), snapshot(other));
	assert_str_equal(page(f, text(other, "id"), 0, 5), "[0,null]");
	assert_str_equal(page(f, text(doc, "id"), 2, 5), "[2,\"x'); DROP TABLE y; --\"]");
	must(f, view_saved_get(&f->c, f->a.views, S("lab"), id, &q));
	assert_int_equal(q.view.state, VIEW_PARAMETERIZED);
	assert_int_equal(q.view.rows, 0);
}

/* Names as they come: keywords, capitals; each type through the worker and back. */
static void test_variables_of_every_type(void **state)
{
	static const struct {
		const char *name, *type, *value, *cell;
	} cases[] = {
		{"Select", "BOOLEAN", "true", "true"}, {"ORDER", "tinyint", "-128", "-128"}, {"_x1", "utinyint", "255", "255"},
		{"group", "BIGINT", "-9223372036854775808", "-9223372036854775808"},
		{"e", "HUGEINT", "\"-17014118346046923173168730371588410572\"", NULL}, {"d", "DECIMAL(5,2)", "-1.5", "\"-1.50\""},
		{"f", "FLOAT", "0.25", "0.25"}, {"g", "double", "\"-Infinity\"", "\"-Infinity\""}, {"h", "text", "\"Ã¤'\"", "\"Ã¤'\""},
		{"i", "DATE", "\"0001-01-01\"", "\"0001-01-01\""}, {"j", "time", "\"23:59:59.5\"", NULL},
		{"k", "timestamp", "\"1969-12-31T23:59:59.25\"", NULL}, {"l", "timestamptz", "\"2025-01-01T00:00:00+02:00\"", NULL},
		{"m", "uuid", "\"0190a000-0000-7000-8000-00000000000F\"", "\"0190a000-0000-7000-8000-00000000000f\""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct view_variable v = {str_of(cases[i].name), str_of(cases[i].type), false, {NULL, 0}};
		const char *sql = arena_cstr(&f->arena, arena_fmt(&f->arena, "SELECT {{%s}} AS a, %d AS b", cases[i].name, (int)i));
		struct sql_session_ask ask = of(save_variables(f, sql, &v, 1));
		const json_node *doc;
		struct str rows;

		ask.variables = object(f, arena_cstr(&f->arena, arena_fmt(&f->arena, "{\"%s\": %s}", cases[i].name, cases[i].value)));
		must(f, open_on(f, &f->a, &ask, &doc));
		rows = page(f, text(doc, "id"), 0, 5);
		assert_true(rows.n > 2 && !str_starts(rows, S("[null")));
		if (cases[i].cell)
			assert_str_equal(rows, arena_fmt(&f->arena, "[%s,%d]", cases[i].cell, (int)i).p);
	}
}

/* --- who sees it --- */

static void test_principals(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT 1 AS id", NULL), session;
	const json_node *doc;
	OWNS(buf) rows = {0};

	f->c.principal = S("ann");
	session = open_session(f, id);
	f->c.principal = S("bob");
	assert_false(look(f, session, &doc));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_false(read_page(f, &f->a, session, 0, 1, &rows));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_false(view_session_drop(&f->c, f->a.views, S("lab"), session));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, open_on(f, &f->a, &(struct sql_session_ask){.space = S("lab"), .sql_id = id, .norder = -1}, &doc)); /* SQL is the tenant's */
	f->c.role = ROLE_ADMIN;
	must(f, look(f, session, &doc));
	f->c.role = ROLE_USER;
	f->c.principal = S("ann");
	must(f, view_session_drop(&f->c, f->a.views, S("lab"), session));
	assert_false(view_session_drop(&f->c, f->a.views, S("lab"), session));
	assert_true(failed(f, ERR_NOT_FOUND));
}

/* --- async --- */

static void test_async(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask ask = {.space = S("lab"), .sql = S("SELECT i AS id FROM range(1000) r(i)"), .norder = -1, .async = true};
	const json_node *doc;
	struct str id;

	must(f, open_on(f, &f->a, &ask, &doc));
	assert_str_equal(text(doc, "status"), "running");
	assert_int_equal(json_kind(json_get(json_get(doc, "view"), "snapshot_id")), JSON_KIND_NULL);
	id = text(doc, "id");
	doc = wait_status(f, id);
	assert_str_equal(text(doc, "status"), "ready");
	assert_str_equal(page(f, id, 999, 50), "[999]");
	ask.sql = S("SELECT CAST(CASE WHEN i = 7 THEN 'x' ELSE '1' END AS INTEGER) AS id FROM range(10) r(i)");
	must(f, open_on(f, &f->a, &ask, &doc));
	doc = wait_status(f, text(doc, "id"));
	assert_str_equal(text(doc, "status"), "failed");
	assert_true(text(doc, "error").n > 0);
	ask.sql = S("SELECT * FROM read_csv('x')");
	assert_true(refused(f, &ask, ERR_NOT_ALLOWED));
	ask = of(save(f, "SELECT 1 AS id", NULL));
	ask.async = true;
	must(f, open_on(f, &f->a, &ask, &doc));
	doc = wait_status(f, text(doc, "id"));
	assert_str_equal(text(doc, "status"), "ready");
}

static void test_a_session_dropped_while_it_is_made(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask ask = {.space = S("lab"), .norder = -1, .async = true};
	const json_node *doc;
	struct store_entry *e;
	size_t n;

	for (int i = 0; i < 10; i++) {
		ask.sql = arena_fmt(&f->arena, "SELECT i AS id FROM range(%d) r(i)", 1000 + i);
		must(f, open_on(f, &f->a, &ask, &doc));
		poll(NULL, 0, i);
		must(f, view_session_drop(&f->c, f->a.views, S("lab"), text(doc, "id")));
		assert_false(look(f, text(doc, "id"), &doc));
		assert_true(failed(f, ERR_NOT_FOUND));
	}
	for (int i = 0; i < 6000 && !views_idle(f->a.views); i++)
		poll(NULL, 0, 10);
	assert_true(f->store->ops->list(&f->c, f->store, key_space(&f->c, S("lab"), "/sql_sessions/"), S(""), &e, &n));
	for (size_t i = 0; i < n; i++)
		assert_false(str_ends(e[i].key, S("/meta.json")));
}

static void test_a_server_dies_while_it_computes(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask ask = of(save(f, "SELECT 1 AS id", NULL));
	const json_node *doc;
	static struct meddler m; /* server b is closed after the test */

	ask.async = true;
	ask.refresh = VIEW_REFRESH_FORCE;
	ask.ttl_seconds = 3600;
	open_meddler(f, &m);
	atomic_store(&m.writes_left, 1); /* the document */
	must(f, open_on(f, &f->b, &ask, &doc));
	must(f, look(f, text(doc, "id"), &doc));
	assert_str_equal(text(doc, "status"), "running");
	clock_advance(LATE_MS);
	must(f, look(f, text(doc, "id"), &doc));
	assert_str_equal(text(doc, "status"), "failed");
	assert_true(text(doc, "error").n > 0);
}

/* A crash between any two writes leaves no session whose rows cannot be read. */
static void test_a_crash_while_it_is_opened(void **state)
{
	struct fixture *f = *state;
	const json_node *doc;
	static struct meddler m; /* server b is closed after the test */
	int points = 0;

	open_meddler(f, &m);
	for (bool made = false; !made; points++) {
		struct store_entry *e;
		size_t n;

		assert_true(points < 40);
		atomic_store(&m.writes_left, points);
		made = open_on(f, &f->b, &(struct sql_session_ask){.space = S("lab"), .sql = S("SELECT 1 AS id"), .norder = -1}, &doc);
		call_forgive(&f->c);
		assert_true(f->store->ops->list(&f->c, f->store, key_space(&f->c, S("lab"), "/sql_sessions/"), S(""), &e, &n));
		for (size_t i = 0; i < n; i++) {
			struct str id = str_head(str_tail(e[i].key, key_space(&f->c, S("lab"), "/sql_sessions/").n), ID_LEN);

			assert_str_equal(page(f, id, 0, 5), "[1]");
			must(f, view_session_drop(&f->c, f->a.views, S("lab"), id));
			assert_true(f->store->ops->drop(&f->c, f->store, key_session_deleted(&f->c, S("lab"), id)));
		}
	}
	assert_true(points > 4);
}

static void test_a_session_and_an_update(void **state)
{
	struct fixture *f = *state;
	struct str id = save(f, "SELECT 0 AS id", NULL);

	server_open(f, &f->b, "b");
	for (int round = 0; round < 10; round++) {
		struct sql_session_ask ask = of(id);
		struct str sql = arena_fmt(&f->arena, "SELECT %d AS id", round + 1), session;
		struct view_result r;
		struct saved_sql q;
		struct view_op *op;
		OWNS(buf) rows = {0};

		ask.refresh = VIEW_REFRESH_FORCE;
		must(f, view_session_open(&f->c, f->b.views, &ask, &op));
		must(f, view_saved_get(&f->c, f->a.views, S("lab"), id, &q));
		update(f, id, arena_cstr(&f->arena, sql));
		must(f, wait_for(f, op, &r));
		session = text_of(f, arena_dup(&f->arena, r.session), "id");
		view_op_unref(op);
		must(f, read_page(f, &f->b, session, 0, 5, &rows));
		assert_true(str_eq(buf_str(&rows), arena_fmt(&f->arena, "[%d]", round)) ||
			    str_eq(buf_str(&rows), arena_fmt(&f->arena, "[%d]", round + 1)));
		must(f, view_saved_get(&f->c, f->b.views, S("lab"), id, &q));
		assert_true(str_eq(q.sql, sql));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_document), CASE(test_bad_asks), CASE(test_text_that_is_saved_uses_its_view),
		CASE(test_a_view_that_is_collected_just_then), CASE(test_orders), CASE(test_pages_partition_rows_that_tie),
		CASE(test_refresh_modes), CASE(test_a_table_changes), CASE(test_a_session_is_pinned),
		CASE(test_another_server_serves_it), CASE(test_variables), CASE(test_variables_of_every_type),
		CASE(test_principals), CASE(test_async), CASE(test_a_session_dropped_while_it_is_made),
		CASE(test_a_server_dies_while_it_computes), CASE(test_a_crash_while_it_is_opened),
		CASE(test_a_session_and_an_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
