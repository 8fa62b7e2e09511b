/* view_build_test.c - a SELECT becomes a snapshot: what it may name, what its rows become, who wins. */
#include "view_pages_rig.h"

/* --- asking --- */

static bool save_as(struct fixture *f, const char *name, const char *sql, struct str *ret)
{
	const struct saved_ask ask = {.space = S("lab"), .name = str_of(name), .sql = str_of(sql)};
	struct view_op *op;
	struct view_result r;

	if (!view_save(&f->c, f->a.views, &ask, &op) || !wait_for(f, op, &r))
		return false;
	if (ret)
		*ret = arena_dup(&f->arena, r.saved->id);
	view_op_unref(op);
	return true;
}

static struct str rows_of(struct fixture *f, const char *sql)
{
	struct str id;

	must(f, save_as(f, "rows", sql, &id));
	return page(f, open_session(f, id), 0, 1000);
}

static bool refused(struct fixture *f, const char *sql, enum err_kind kind, int position)
{
	if (save_as(f, "refused", sql, NULL)) {
		fprintf(stderr, "was saved: %s\n", sql);
		return false;
	}
	if (f->c.err.position != position) {
		fprintf(stderr, "position %d of: %s\n  %s\n", f->c.err.position, sql, f->c.err.text);
		return false;
	}
	return failed(f, kind);
}

/* Is this in the last error's text? */
static bool says(struct fixture *f, const char *what)
{
	return strstr(f->c.err.text, what) != NULL;
}

/* --- what may be asked --- */

static void names_are_found(void **state)
{
	struct fixture *f = *state;

	upload(f, "people", VIEW_CREATE, S("id,name\n1,Ada\n2,Bob\n3,\n"));
	upload(f, "Pets", VIEW_CREATE, S("owner,pet\n1,cat\n1,dog\n3,owl\n"));
	must(f, save_as(f, "owners", "SELECT DISTINCT owner FROM pets", NULL));
	assert_str_equal(rows_of(f, "SELECT p.name, q.pet FROM people p JOIN PETS q ON p.id = q.owner ORDER BY q.pet"),
			 "[\"Ada\",\"cat\"],[\"Ada\",\"dog\"],[null,\"owl\"]");
	assert_str_equal(rows_of(f, "WITH people AS (SELECT 7 AS id) SELECT id FROM people"), "[7]");
	/* inside its own text a CTE of that name is not there yet */
	assert_str_equal(rows_of(f, "WITH people AS (SELECT id + 10 AS id FROM people) SELECT max(id) FROM people"), "[13]");
	assert_str_equal(rows_of(f, "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT sum(n)::INT FROM t"), "[10]");
	assert_str_equal(rows_of(f, "SELECT (SELECT count(*) FROM pets WHERE owner = people.id) FROM people ORDER BY id"), "[2],[0],[1]");
	assert_str_equal(rows_of(f, "SELECT count(*) FROM owners"), "[2]");
	assert_str_equal(rows_of(f, "SELECT id FROM people WHERE id IN (FROM owners) ORDER BY id DESC LIMIT 1 -- the last"), "[3]");
	assert_str_equal(rows_of(f, "SELECT n FROM range(3) r(n), unnest([1]) u ORDER BY n DESC;"), "[2],[1],[0]");
	assert_str_equal(rows_of(f, "SELECT * FROM (VALUES (1, 'a'), (2, 'b'))"), "[1,\"a\"],[2,\"b\"]");
	assert_str_equal(rows_of(f, "SELECT p.id, people.name FROM people p, people WHERE people.id = p.id AND p.id = 1"), "[1,\"Ada\"]");
}

static void wrong_sql_tells_where(void **state)
{
	struct fixture *f = *state;

	upload(f, "t", VIEW_CREATE, S("a,b\n1,2\n"));
	assert_true(refused(f, "SELECT a FROM nowhere", ERR_SQL_INVALID, 15));
	assert_true(refused(f, "SELECT '\xC3\xA4\xE2\x82\xAC' FROM nowhere", ERR_SQL_INVALID, 18)); /* characters, not bytes */
	assert_true(refused(f, "SELECT a,\n  zz FROM t", ERR_SQL_INVALID, 13));
	assert_true(refused(f, "SELECT a FROM", ERR_SQL_INVALID, 14));
	assert_true(refused(f, "SELEC a FROM t", ERR_SQL_INVALID, 1));
	assert_true(refused(f, "SELECT 1; SELECT 2", ERR_SQL_INVALID, 11));
	assert_true(refused(f, "DELETE FROM t", ERR_SQL_INVALID, 1));
	assert_true(refused(f, "DESCRIBE t", ERR_SQL_INVALID, 1));
	assert_true(refused(f, "SELECT * FROM (DESCRIBE t)", ERR_NOT_ALLOWED, 16));
	assert_true(refused(f, "SELECT * FROM main.t", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT a + 'x' FROM t", ERR_VIEW_FAILED, 12));
	assert_true(refused(f, "SELECT union_value(n := 1) AS u", ERR_SQL_INVALID, 0));
	assert_true(refused(f, "SELECT $1", ERR_SQL_INVALID, 8));
	assert_true(refused(f, "SELECT $x", ERR_SQL_INVALID, 8));
	assert_true(refused(f, "SELECT ?", ERR_SQL_INVALID, 8));
	assert_true(refused(f, "SELECT * FROM t AT (VERSION => 1)", ERR_SQL_INVALID, 15));
	assert_true(refused(f, "SELECT * FROM t, \"T\" AS u, T AS v, nowhere AS w", ERR_SQL_INVALID, 36));
	assert_true(refused(f, "", ERR_SQL_INVALID, 0));
}

/* As long as a text may be, wide and deep. */
static void long_texts_are_read(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) wide = {0}, deep = {0}, many = {0};

	upload(f, "t", VIEW_CREATE, S("a\n1\n"));
	buf_lit(&wide, "SELECT a");
	for (int i = 1; i < 49000; i++)
		buf_lit(&wide, ",a");
	buf_lit(&wide, " FROM t");
	assert_true(refused(f, buf_cstr(&wide), ERR_SQL_INVALID, 0));
	buf_lit(&many, "SELECT 0");
	for (int i = 0; i < 1000; i++)
		buf_fmt(&many, " + (SELECT max(a) FROM t AS t%d)", i);
	assert_str_equal(rows_of(f, arena_cstr(&f->arena, arena_fmt(&f->arena, "SELECT count(*) FROM t WHERE a > 0 AND (%.*s) > 0",
									100, "SELECT max(a) FROM t"))), "[1]");
	for (int i = 0; i < 100; i++)
		buf_lit(&deep, "SELECT * FROM (");
	buf_lit(&deep, "SELECT a FROM t");
	for (int i = 0; i < 100; i++)
		buf_lit(&deep, ")");
	assert_str_equal(rows_of(f, buf_cstr(&deep)), "[1]");
	assert_true(refused(f, buf_cstr(&many), ERR_SQL_INVALID, 0)); /* the parser's limit on nesting */
}

static void places_are_those_of_the_client(void **state)
{
	struct fixture *f = *state;
	const struct view_variable least = {.name = S("least"), .type = S("DECIMAL(10,2)"), .has_default = true, .dflt = S("1.5")};
	struct saved_ask ask = {.space = S("lab"), .name = S("v"), .variables = &least, .nvariables = 1,
				.sql = S("SELECT {{ least }} AS a, {{least}}, zz")};
	struct view_op *op;
	struct view_result r;

	must(f, view_save(&f->c, f->a.views, &ask, &op));
	assert_false(wait_for(f, op, &r));
	assert_int_equal(f->c.err.position, 37);
	assert_true(failed(f, ERR_SQL_INVALID));
	ask.sql = S("SELECT {{ least }} AS a FROM nowhere");
	must(f, view_save(&f->c, f->a.views, &ask, &op));
	assert_false(wait_for(f, op, &r));
	assert_int_equal(f->c.err.position, 30);
	assert_true(failed(f, ERR_SQL_INVALID));
}

static void nothing_else_is_in_sight(void **state)
{
	struct fixture *f = *state;
	struct space other;
	bool made;

	must(f, view_space_put(&f->c, f->a.views, S("other"), &other, &made));
	upload(f, "t", VIEW_CREATE, S("a\n1\n"));
	assert_true(refused(f, "SELECT * FROM MAYFLY.PUBLIC.x", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM other.t", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM information_schema.tables", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM duckdb_tables()", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM sqlite_master", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM pg_catalog.pg_class", ERR_NOT_ALLOWED, 26));
	assert_true(refused(f, "SELECT * FROM read_parquet('/etc/passwd')", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM \"/etc/passwd\"", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM 'x.parquet'", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM repeat_row(1, num_rows = 2)", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT * FROM query('SELECT 1')", ERR_NOT_ALLOWED, 15));
	assert_true(refused(f, "SELECT current_setting('memory_limit')", ERR_NOT_ALLOWED, 8));
	assert_true(refused(f, "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", ERR_SQL_INVALID, 26));
	/* another tenant has neither the space nor what is in it */
	f->c.tenant = S("globex");
	assert_false(save_as(f, "v", "SELECT * FROM t", NULL));
	assert_true(failed(f, ERR_NOT_FOUND));
	f->c.tenant = S("acme");
}

/* --- rows --- */

static void every_type_comes_back(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *sql, *type, *rows;
	} v[] = {
		{"SELECT x FROM (VALUES (true), (NULL)) t(x)", "x BOOLEAN", "[true],[null]"},
		{"SELECT x::TINYINT AS x FROM (VALUES (-128), (NULL)) t(x)", "x INTEGER", "[-128],[null]"},
		{"SELECT 65535::USMALLINT AS x", "x INTEGER", "[65535]"},
		{"SELECT 4294967295::UINTEGER AS x", "x BIGINT", "[4294967295]"},
		{"SELECT 18446744073709551615::UBIGINT AS x", "x DECIMAL(20,0)", "[\"18446744073709551615\"]"},
		{"SELECT sum(x) AS x FROM (VALUES (9223372036854775807), (1)) t(x)", "x DECIMAL(38,0)", "[\"9223372036854775808\"]"},
		{"SELECT (-9223372036854775807 - 1)::BIGINT AS x", "x BIGINT", "[-9223372036854775808]"},
		{"SELECT x::FLOAT AS x FROM (VALUES ('NaN'), ('-0.0'), ('inf'), (NULL), ('1.5')) t(x)", "x FLOAT",
		 "[\"NaN\"],[-0.0],[\"Infinity\"],[null],[1.5]"},
		{"SELECT x::DOUBLE AS x FROM (VALUES ('-inf'), ('-0.0'), ('NaN')) t(x)", "x DOUBLE", "[\"-Infinity\"],[-0.0],[\"NaN\"]"},
		{"SELECT x FROM (VALUES (-12.50::DECIMAL(10,2)), (NULL)) t(x)", "x DECIMAL(10,2)", "[\"-12.50\"],[null]"},
		{"SELECT -0.00000000000000000000000000000000000001::DECIMAL(38,38) AS x", "x DECIMAL(38,38)",
		 "[\"-0.00000000000000000000000000000000000001\"]"},
		{"SELECT x FROM (VALUES (DATE '1969-12-31'), (DATE '0001-01-01'), (NULL)) t(x)", "x DATE",
		 "[\"1969-12-31\"],[\"0001-01-01\"],[null]"},
		{"SELECT TIME '23:59:59.999999' AS x", "x TIME", "[\"23:59:59.999999\"]"},
		{"SELECT TIMESTAMP '1969-12-31 23:59:59.999999' AS x", "x TIMESTAMP", "[\"1969-12-31T23:59:59.999999\"]"},
		{"SELECT TIMESTAMPTZ '1969-12-31 23:59:59+02' AS x", "x TIMESTAMP WITH TIME ZONE", "[\"1969-12-31T21:59:59.000000Z\"]"},
		{"SELECT TIMESTAMP_NS '2020-01-02 03:04:05.123456' AS x", "x TIMESTAMP", "[\"2020-01-02T03:04:05.123456\"]"},
		{"SELECT x FROM (VALUES ('a\"b'), (''), (NULL)) t(x)", "x VARCHAR", "[\"a\\\"b\"],[\"\"],[null]"},
		{"SELECT '\\x00\\xFF'::BLOB AS x", "x BLOB", "[\"AP8=\"]"},
		{"SELECT '550e8400-e29b-41d4-a716-446655440000'::UUID AS x", "x UUID", "[\"550e8400-e29b-41d4-a716-446655440000\"]"},
		{"SELECT [1, NULL, 3] AS x", "x INTEGER[]", "[[1,null,3]]"},
		{"SELECT {'a': 1, 'b': [{'c': NULL::DATE}]} AS x", "x STRUCT(a INTEGER, b STRUCT(c DATE)[])", "[{\"a\":1,\"b\":[{\"c\":null}]}]"},
		{"SELECT MAP {'k': 1.5::DOUBLE} AS x", "x MAP(VARCHAR, DOUBLE)", "[{\"k\":1.5}]"},
		{"SELECT 'a'::ENUM ('a', 'b') AS x", "x VARCHAR", "[\"a\"]"},
		{"SELECT INTERVAL 1 DAY AS x", "x VARCHAR", "[\"1 day\"]"},
		{"SELECT '{\"a\": 1}'::JSON AS x", "x VARCHAR", "[\"{\\\"a\\\": 1}\"]"},
		{"SELECT [1, 2]::INTEGER[2] AS x", "x INTEGER[]", "[[1,2]]"},
		{"SELECT NULL AS x", "x INTEGER", "[null]"},
	};

	for (size_t i = 0; i < COUNT_OF(v); i++) {
		struct str id, type, rows;

		must(f, save_as(f, "types", v[i].sql, &id));
		type = columns_of(f, open_session(f, id));
		rows = page(f, open_session(f, id), 0, 100);
		if (!str_eq(rows, str_of(v[i].rows)) || !str_eq(type, str_of(v[i].type)))
			fprintf(stderr, "%s\n  %.*s %.*s\n", v[i].sql, SARG(type), SARG(rows));
		assert_str_equal(type, v[i].type);
		assert_str_equal(rows, v[i].rows);
	}
}

static void names_are_made_unique(void **state)
{
	struct fixture *f = *state;
	struct str id;

	must(f, save_as(f, "twice", "SELECT 1 AS a, 2 AS A, 3 AS a, 4 AS \"x y\", sum(5), sum(5)", &id));
	assert_str_equal(page(f, open_session(f, id), 0, 10), "[1,2,3,4,\"5\",\"5\"]");
	must(f, save_as(f, "none", "SELECT 1 AS a WHERE false", &id));
	assert_str_equal(page(f, open_session(f, id), 0, 10), "");
	assert_str_equal(rows_of(f, "SELECT count(*), max(a) FROM none"), "[0,null]");
}

static void rows_keep_their_order(void **state)
{
	struct fixture *f = *state;
	struct str id;

	assert_str_equal(rows_of(f, "SELECT n % 3 AS k, n FROM range(7) t(n) ORDER BY k DESC, n"), "[2,2],[2,5],[1,1],[1,4],[0,0],[0,3],[0,6]");
	id = save(f, "SELECT CASE WHEN n = 2 THEN NULL ELSE n END AS n FROM range(4) t(n)", "n desc nulls first");
	assert_str_equal(page(f, open_session(f, id), 0, 10), "[null],[3],[1],[0]");
	id = save(f, "SELECT n AS c1, 3 - n AS c0 FROM range(4) t(n)", "c0");
	assert_str_equal(page(f, open_session(f, id), 0, 10), "[3,0],[2,1],[1,2],[0,3]");
}

/* --- views of views --- */

static void views_are_brought_up_to_date(void **state)
{
	struct fixture *f = *state;
	struct str top, session;

	upload(f, "t", VIEW_CREATE, S("a\n1\n2\n"));
	must(f, save_as(f, "one", "SELECT a + 1 AS a FROM t", NULL));
	must(f, save_as(f, "two", "SELECT sum(a)::BIGINT AS s FROM one", &top));
	session = open_session(f, top);
	upload(f, "t", VIEW_APPEND, S("a\n10\n"));
	assert_str_equal(page(f, session, 0, 10), "[5]");
	assert_str_equal(page(f, open_session(f, top), 0, 10), "[16]");
}

static void no_view_is_made_of_itself(void **state)
{
	struct fixture *f = *state;
	struct saved_ask ask = {.space = S("lab"), .name = S("b")};
	struct saved_sql now;
	struct view_op *op;
	struct view_result r;
	struct str a, b;

	assert_true(refused(f, "SELECT * FROM refused", ERR_SQL_INVALID, 15));
	must(f, save_as(f, "a", "SELECT 1 AS n", &a));
	must(f, save_as(f, "b", "SELECT n FROM a", &b));
	must(f, save_as(f, "c", "SELECT n FROM b", NULL));
	ask.id = a;
	ask.name = S("a");
	ask.sql = S("SELECT n FROM c");
	must(f, view_saved_get(&f->c, f->a.views, S("lab"), a, &now));
	ask.parent_revision_id = now.revision_id;
	must(f, view_save(&f->c, f->a.views, &ask, &op));
	assert_false(wait_for(f, op, &r));
	assert_true(says(f, "a \xE2\x86\x92 c \xE2\x86\x92 b \xE2\x86\x92 a"));
	assert_int_equal(f->c.err.position, 15);
	assert_true(failed(f, ERR_SQL_INVALID));
	assert_str_equal(page(f, open_session(f, b), 0, 10), "[1]"); /* what was in force still is */
}

static void views_are_nested_so_deep(void **state)
{
	struct fixture *f = *state;
	char name[16], sql[64];

	must(f, save_as(f, "v0", "SELECT 1 AS n", NULL));
	for (int i = 1; i <= VIEW_DEPTH_MAX; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		snprintf(sql, sizeof(sql), "SELECT n FROM v%d", i - 1);
		must(f, save_as(f, name, sql, NULL));
	}
	assert_true(refused(f, "SELECT n FROM v16", ERR_SQL_INVALID, 15));
}

static void a_source_must_be_one(void **state)
{
	struct fixture *f = *state;
	const struct view_variable open = {.name = S("x"), .type = S("INTEGER")};
	const struct saved_ask ask = {.space = S("lab"), .name = S("open"), .sql = S("SELECT {{x}} AS n"), .variables = &open, .nvariables = 1};
	struct view_op *op;
	struct str id;
	char sql[80];

	must(f, view_save(&f->c, f->a.views, &ask, &op));
	take_saved(f, op);
	assert_true(refused(f, "SELECT * FROM open", ERR_SQL_INVALID, 15));
	must(f, save_as(f, "same", "SELECT 1 AS n", NULL));
	must(f, save_as(f, "SAME", "SELECT 2 AS n", &id));
	assert_true(refused(f, "SELECT * FROM same", ERR_SQL_INVALID, 15));
	snprintf(sql, sizeof(sql), "SELECT n FROM \"view_%.*s\"", SARG(id));
	assert_str_equal(rows_of(f, sql), "[2]");
	upload(f, "same", VIEW_CREATE, S("n\n3\n")); /* a table comes first */
	assert_str_equal(rows_of(f, "SELECT n FROM same"), "[3]");
}

static void what_fails_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct view_result r;
	struct view_op *op;
	struct str id;

	upload(f, "t", VIEW_CREATE, S("a\n1\n"));
	must(f, save_as(f, "v", "SELECT a::VARCHAR::INTEGER AS a FROM t", &id));
	upload(f, "t", VIEW_OVERWRITE, S("a\nx\n"));
	must(f, view_refresh(&f->c, f->a.views, S("lab"), id, false, &op));
	assert_false(wait_for(f, op, &r));
	assert_true(failed(f, ERR_VIEW_FAILED));
	assert_str_equal(page(f, session_with(f, &(struct sql_session_ask){.space = S("lab"), .sql_id = id, .norder = -1,
									   .refresh = VIEW_REFRESH_NEVER}), 0, 10), "[1]");
	must(f, view_table_drop(&f->c, f->a.views, S("lab"), S("t")));
	must(f, view_refresh(&f->c, f->a.views, S("lab"), id, false, &op));
	assert_false(wait_for(f, op, &r));
	assert_int_equal(f->c.err.position, 38);
	assert_true(failed(f, ERR_SQL_INVALID));
}

/* --- many at once --- */

enum { MANY = 12 };

static void one_build_for_many(void **state)
{
	struct fixture *f = *state;
	struct view_op *op[MANY];
	struct view_result r;
	struct views_stats before, after;
	struct str id;

	upload_rows(f, "t", 20000, "a,b\n", "%d,%d\n");
	must(f, save_as(f, "v", "SELECT a, b, hash(a) % 7 AS h FROM t ORDER BY h, a", &id));
	upload(f, "t", VIEW_APPEND, S("a,b\n-1,-1\n"));
	views_stats(f->a.views, &before);
	for (int i = 0; i < MANY; i++)
		must(f, view_session_open(&f->c, f->a.views, &(struct sql_session_ask){.space = S("lab"), .sql_id = id, .norder = -1}, &op[i]));
	for (int i = 0; i < MANY; i++) {
		must(f, wait_for(f, op[i], &r));
		view_op_unref(op[i]);
	}
	views_stats(f->a.views, &after);
	assert_int_equal(after.built - before.built, 1);
	assert_int_equal(after.failed - before.failed, 0);
}

static void two_servers_agree(void **state)
{
	struct fixture *f = *state;
	struct view_op *op[2 * MANY];
	struct view_result r;
	struct ice_table t;
	struct str id;
	int committed = 0;

	server_open(f, &f->b, "b");
	upload(f, "t", VIEW_CREATE, S("a\n1\n"));
	must(f, save_as(f, "v", "SELECT a FROM t", &id));
	for (int i = 0; i < 2 * MANY; i++)
		must(f, view_refresh(&f->c, i % 2 ? f->a.views : f->b.views, S("lab"), id, false, &op[i]));
	for (int i = 0; i < 2 * MANY; i++) {
		bool ok = wait_for(f, op[i], &r);

		committed += ok;
		if (ok)
			view_op_unref(op[i]);
		else
			assert_true(failed(f, ERR_CONFLICT)); /* many retries were used up */
	}
	assert_true(committed > 0);
	must(f, view_catalog_load(&f->c, f->b.views, S("lab"), arena_fmt(&f->arena, "view_%.*s", SARG(id)), &t));
	assert_int_equal(t.nsnapshots, committed + 1);
	for (int i = 1; i < t.nsnapshots; i++)
		assert_true(t.snapshots[i].id > t.snapshots[i - 1].id && t.snapshots[i].parent == t.snapshots[i - 1].id);
}

static const char endless[] = "SELECT count(*) FROM range(1000000) a(x), range(1000000) b(y) WHERE hash(x, y) % 3 = 1";

static void a_stop_ends_what_runs(void **state)
{
	struct fixture *f = *state;
	const struct saved_ask ask = {.space = S("lab"), .name = S("long"),
				      .sql = str_of(endless)};
	struct flag over = FLAG;
	struct view_op *op;
	struct view_result r;

	must(f, view_save(&f->c, f->a.views, &ask, &op));
	views_stop(f->a.views, flag_raise, &over);
	assert_false(wait_for(f, op, &r));
	assert_true(failed(f, ERR_CANCELED));
	flag_wait(&over, 1);
	assert_false(view_save(&f->c, f->a.views, &ask, &op));
	assert_true(failed(f, ERR_UNAVAILABLE));
}

static void a_build_has_a_deadline(void **state)
{
	struct fixture *f = *state;
	struct exec_loop *loop = exec_loop_open("sweeper");
	const struct lifecycle_options lo = {.loop = loop, .tick_ms = 20, .batch = 10};
	const struct saved_ask ask = {.space = S("lab"), .name = S("long"), .sql = str_of(endless)};
	struct views_options vo = f->a.views->o;
	struct flag over = FLAG;
	struct views *views;
	struct view_op *op;
	struct view_result r;

	vo.lifecycle = lifecycle_open(&lo);
	vo.build_ms = 500;
	views = views_open(&f->c, &vo);
	exec_loop_start(loop);
	must(f, view_save(&f->c, views, &ask, &op));
	assert_false(wait_for(f, op, &r));
	assert_true(failed(f, ERR_STATEMENT_TIMEOUT));
	views_stop(views, flag_raise, &over);
	flag_wait(&over, 1);
	exec_loop_stop(loop);
	exec_loop_join(loop);
	views_close(views);
	lifecycle_close(vo.lifecycle);
	exec_loop_close(loop);
	assert_str_equal(rows_of(f, "SELECT 1"), "[1]"); /* the worker goes on */
}

/* --- what is deleted while it is written --- */

static struct {
	const struct store_ops *real;
	struct store_ops ops;
	const char *after, *key, *text; /* after a put of a key that ends so, this is written there */
} hook;

static bool hooked_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	if (!hook.real->put(c, s, key, bytes, how))
		return false;
	if (str_search(key, str_of(hook.after)) == key.n)
		return true;
	hook.after = "never";
	return hook.real->put(c, s, str_of(hook.key), str_of(hook.text), STORE_REPLACE);
}

static void hook_after(struct fixture *f, const char *after, const char *key, const char *text)
{
	hook.real = f->store->ops;
	hook.ops = *f->store->ops;
	hook.ops.put = hooked_put;
	hook.after = after;
	hook.key = key;
	hook.text = text;
	f->store->ops = &hook.ops;
}

static size_t objects_below(struct fixture *f, const char *prefix)
{
	struct store_entry *left;
	size_t n;

	assert_true(hook.real->list(&f->c, f->store, str_of(prefix), S(""), &left, &n));
	return n;
}

static void a_commit_into_what_is_gone_is_undone(void **state)
{
	struct fixture *f = *state;
	const struct view_upload_ask ask = {.space = S("lab"), .table = S("t"), .mode = VIEW_CREATE, .format = ENGINE_ROWS_CSV,
					    .room = nothing, .room_drop = nothing};
	struct view_upload *u;
	struct view_op *op;
	struct view_result r;

	hook_after(f, "tables/t/metadata/v1.metadata.json", "tenants/acme/spaces/lab/table_names/t",
		   "{\"name\":\"t\",\"id\":\"another\",\"deleting_at\":\"2026-01-01T00:00:00Z\"}");
	must(f, view_upload(&f->c, f->a.views, &ask, &u, &op));
	assert_true(view_upload_put(u, S("a\n1\n")));
	view_upload_end(u, true);
	assert_false(wait_for(f, op, &r));
	assert_true(failed(f, ERR_NOT_FOUND));
	f->store->ops = hook.real;
	hook_after(f, "metadata/v1.metadata.json", "tenants/acme/spaces/lab/meta.json",
		   "{\"id\":\"lab\",\"created_at\":\"2026-01-01T00:00:00Z\",\"deleting_at\":\"2026-01-01T00:00:00Z\"}");
	assert_false(save_as(f, "v", "SELECT 1 AS a", NULL));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_int_equal(objects_below(f, "tenants/acme/spaces/lab/materialized_views/"), 0);
	f->store->ops = hook.real;
}

static void a_stop_ends_uploads_that_wait(void **state)
{
	struct fixture *f = *state;
	const struct view_upload_ask ask = {.space = S("lab"), .table = S("t"), .mode = VIEW_CREATE, .format = ENGINE_ROWS_CSV,
					    .room = nothing, .room_drop = nothing};
	struct flag over = FLAG;
	struct view_upload *u;
	struct view_op *op;
	struct view_result r;

	must(f, view_upload(&f->c, f->a.views, &ask, &u, &op));
	assert_true(view_upload_put(u, S("a\n1\n")));
	views_stop(f->a.views, flag_raise, &over);
	assert_false(wait_for(f, op, &r));
	assert_true(failed(f, ERR_CANCELED));
	flag_wait(&over, 1);
	assert_true(view_upload_put(u, S("2\n"))); /* to nobody */
	view_upload_end(u, true);
}

/* --- spaces --- */

static void a_space_goes_with_all(void **state)
{
	struct fixture *f = *state;
	struct store_entry *left;
	struct space space;
	struct str id;
	bool made;
	size_t n;

	upload(f, "t", VIEW_CREATE, S("a\n1\n"));
	must(f, save_as(f, "v", "SELECT a FROM t", &id));
	assert_false(view_space_drop(&f->c, f->a.views, S("lab"), false));
	assert_true(failed(f, ERR_SPACE_NOT_EMPTY));
	must(f, view_space_get(&f->c, f->a.views, S("lab"), &space));
	must(f, view_space_drop(&f->c, f->a.views, S("lab"), true));
	assert_false(view_space_get(&f->c, f->a.views, S("lab"), &space));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_true(f->store->ops->list(&f->c, f->store, S("tenants/acme/spaces/lab"), S(""), &left, &n));
	assert_int_equal(n, 0);
	must(f, view_space_put(&f->c, f->a.views, S("lab"), &space, &made));
	assert_true(made);
	must(f, view_space_drop(&f->c, f->a.views, S("lab"), false)); /* it is empty */
}

static void a_deletion_is_finished(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;
	struct space space;
	struct store_entry *left;
	bool made;
	size_t n;

	upload(f, "t", VIEW_CREATE, S("a\n1\n"));
	must(f, s->ops->put(&f->c, s, S("tenants/acme/spaces/lab/meta.json"),
			    arena_fmt(&f->arena, "{\"id\":\"lab\",\"created_at\":\"2026-01-01T00:00:00Z\",\"deleting_at\":\"2026-01-01T00:00:00Z\"}"),
			    STORE_REPLACE));
	assert_false(view_space_get(&f->c, f->a.views, S("lab"), &space));
	assert_true(failed(f, ERR_NOT_FOUND));
	assert_false(view_space_put(&f->c, f->a.views, S("lab"), &space, &made));
	assert_true(failed(f, ERR_CONFLICT));
	must(f, space_finish_drop(&f->c, f->a.views, S("lab")));
	assert_true(s->ops->list(&f->c, s, S("tenants/acme/spaces/lab"), S(""), &left, &n));
	assert_int_equal(n, 0);
	must(f, view_space_put(&f->c, f->a.views, S("lab"), &space, &made));
	assert_true(made);
}

static void spaces_are_listed_in_pages(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"a", "a-b", "a_b", "a0", "B"};
	static const char *const sorted[] = {"B", "a-b", "a", "a0", "a_b", "lab"};
	struct view_page page = {.limit = 2};
	struct space *v;
	bool made;
	int n, seen = 0;

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct space one;

		must(f, view_space_put(&f->c, f->a.views, str_of(names[i]), &one, &made));
		must(f, view_space_put(&f->c, f->a.views, str_of(names[i]), &one, &made));
		assert_false(made);
	}
	do {
		must(f, view_space_list(&f->c, f->a.views, &page, &v, &n));
		for (int i = 0; i < n; i++, seen++)
			assert_str_equal(v[i].id, sorted[seen]);
		page.after = page.next;
	} while (page.next.n);
	assert_int_equal(seen, COUNT_OF(sorted));
	assert_false(view_space_put(&f->c, f->a.views, S("../x"), v, &made));
	assert_true(failed(f, ERR_INVALID_FIELD));
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
		T(names_are_found), T(wrong_sql_tells_where), T(long_texts_are_read), T(places_are_those_of_the_client), T(nothing_else_is_in_sight),
		T(every_type_comes_back), T(names_are_made_unique), T(rows_keep_their_order), T(views_are_brought_up_to_date),
		T(no_view_is_made_of_itself), T(views_are_nested_so_deep), T(a_source_must_be_one), T(what_fails_changes_nothing),
		T(one_build_for_many), T(two_servers_agree), T(a_stop_ends_what_runs), T(a_build_has_a_deadline),
		T(a_commit_into_what_is_gone_is_undone), T(a_stop_ends_uploads_that_wait), T(a_space_goes_with_all),
		T(a_deletion_is_finished), T(spaces_are_listed_in_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
