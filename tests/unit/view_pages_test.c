/* view_pages_test.c - rows, counts and streams of sessions: each row once, whatever happens to the view meanwhile. */
#include "view_pages_rig.h"

/* As long as any file of two rows. */
#define JUNK_64 "no Parquet file begins or ends like this, whatever its length.\n\n"
#define JUNK_512 JUNK_64 JUNK_64 JUNK_64 JUNK_64 JUNK_64 JUNK_64 JUNK_64 JUNK_64
#define JUNK JUNK_512 JUNK_512 JUNK_512 JUNK_512

static int begin_small(void **state) /* several data files a view */
{
	return rig_open(state, 64 << 10, 256 << 10);
}

/* Every id from 0 to n-1 once; rows whose first cell is the id, a page at a time. */
static void each_id_once(struct fixture *f, struct str session, int n, int limit)
{
	int *seen = calloc((size_t)n, sizeof(*seen));
	int found = 0, rows = limit;

	for (int offset = 0; rows == limit; offset += limit) {
		struct str text = page(f, session, offset, limit);
		struct json_scan s = json_scan(text);
		struct json_cell cell;

		for (rows = 0; json_scan_row(&s); rows++) {
			int64_t id;
			bool first = true;

			for (; json_scan_cell(&s, &cell); first = false)
				if (first)
					assert_true(str_to_i64(cell.raw, &id) && id >= 0 && id < n && !seen[id]++);
			found++;
		}
		assert_false(s.bad);
	}
	assert_int_equal(found, n);
	free(seen);
}

static int files_of(struct fixture *f, struct str sql_id)
{
	struct ice_table t;
	struct ice_file *files;
	int n;

	must(f, ice_load(&f->c, f->store, key_view(&f->c, S("lab"), sql_id), &t));
	must(f, ice_files(&f->c, f->store, t.prefix, t.location, t.current->manifest_list, &files, &n));
	return n;
}

/* U-18 */
static void rows_that_are_equal_are_paged_once(void **state)
{
	struct fixture *f = *state;
	struct str id, session;

	upload_rows(f, "t", 1000, "id,updated_at\n", "%d,2026-01-01 00:00:00\n");
	id = save(f, "SELECT id, updated_at FROM t", "updated_at");
	session = open_session(f, id);
	each_id_once(f, session, 1000, 7);
	each_id_once(f, session, 1000, 1000);
	assert_true(str_eq(page(f, session, 500, 50), page(f, session, 500, 50)));
}

static void an_order_is_the_pages_order(void **state)
{
	struct fixture *f = *state;
	struct str id;

	upload_rows(f, "t", 100, "id,v\n", "%d,%d\n");
	id = save(f, "SELECT id, v FROM t", "v desc");
	assert_str_equal(page(f, open_session(f, id), 0, 2), "[99,99],[98,98]");
	assert_str_equal(page(f, open_session(f, save(f, "SELECT id FROM t ORDER BY id DESC LIMIT 10", NULL)), 0, 2), "[99],[98]");
}

static void a_sessions_own_order_is_sorted(void **state)
{
	struct fixture *f = *state;
	struct str items[] = {S("g desc nulls last")}, session;
	struct sql_session_ask ask = {.space = S("lab"), .order_by = items, .norder = 1};

	upload_rows(f, "t", 1000, "id,g\n", "%d,same\n");
	upload(f, "t", VIEW_APPEND, S("id,g\n1000,zz\n1001,\n1002,aa\n"));
	ask.sql_id = save(f, "SELECT id, g FROM t", "id");
	session = session_with(f, &ask);
	assert_str_equal(page(f, session, 0, 2), "[1000,\"zz\"],[0,\"same\"]");
	assert_str_equal(page(f, session, 1000, 9), "[999,\"same\"],[1002,\"aa\"],[1001,null]");
	each_id_once(f, session, 1003, 100);
}

static void an_order_that_the_files_do_not_have_is_made(void **state)
{
	struct str items[] = {S("v desc"), S(TIE_BREAKER)};
	struct fixture *f = *state;
	struct session_doc doc;
	struct str session;

	upload_rows(f, "t", 10, "id,v\n", "%d,%d\n");
	session = open_session(f, save(f, "SELECT id, v FROM t", "id"));
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &doc));
	assert_true(doc.pin.ordered && !doc.own_order);
	doc.pin.ordered = false;
	doc.order_by = items;
	doc.norder = 2;
	must(f, session_doc_put(&f->c, f->a.views, &doc, STORE_REPLACE));
	assert_str_equal(page(f, session, 0, 2), "[9,9],[8,8]");
	assert_str_equal(page(f, session, 9, 2), "[0,0]");
}

static void pages_go_across_files(void **state)
{
	struct fixture *f = *state;
	struct str id, session;
	int64_t count;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	id = save(f, "SELECT i AS id, md5(CAST(i AS VARCHAR)) AS h, i % 2 AS c FROM range(150000) r(i), t", "id");
	assert_true(files_of(f, id) >= 3);
	session = open_session(f, id);
	must(f, view_session_count(&f->c, f->a.views, S("lab"), session, &count));
	assert_int_equal(count, 150000);
	each_id_once(f, session, 150000, 997);
}

static void a_page_of_many_files_is_in_order(void **state)
{
	struct fixture *f = *state;
	struct str id, session, text;
	struct json_scan s;
	struct json_cell cell;
	int64_t n = 0, is;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	id = save(f, "SELECT i AS id, md5(CAST(i AS VARCHAR)) AS h FROM range(150000) r(i), t", "id desc");
	session = open_session(f, id);
	for (int64_t at = 149999; at >= 0; at -= 20000) {
		text = page(f, session, at > 500 ? at - 500 : 0, 1000);
		s = json_scan(text);
		n = 149999 - (at > 500 ? at - 500 : 0);
		while (json_scan_row(&s)) {
			assert_true(json_scan_cell(&s, &cell) && str_to_i64(cell.raw, &is));
			assert_int_equal(is, n--);
			while (json_scan_cell(&s, &cell))
				;
		}
	}
}

static void names_and_types_come_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct str session;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	session = open_session(f, save(f, "SELECT 1 AS file_row_number, 2 AS c0, 3 AS f, 4 AS r, 5 AS \"a\"\"b\", "
				       "{'x': [1, NULL]} AS q, CAST('2026-01-02 03:04:05+00' AS TIMESTAMPTZ) AS z, "
				       "CAST(1.5 AS DECIMAL(10,2)) AS d, NULL AS n, MAP {'k': 1} AS m, true AS b FROM t", NULL));
	assert_str_equal(columns_of(f, session), "file_row_number_1 INTEGER, c0 INTEGER, f INTEGER, r INTEGER, a\"b INTEGER, "
						 "q STRUCT(x INTEGER[]), z TIMESTAMP WITH TIME ZONE, d DECIMAL(10,2), n INTEGER, "
						 "m MAP(VARCHAR, INTEGER), b BOOLEAN");
	assert_str_equal(page(f, session, 0, 9), "[1,2,3,4,5,{\"x\":[1,null]},\"2026-01-02T03:04:05.000000Z\",\"1.50\",null,{\"k\":1},true]");
}

static void past_the_end_there_are_no_rows_but_columns(void **state)
{
	struct fixture *f = *state;
	struct str session;

	upload_rows(f, "t", 3, "id,v\n", "%d,x%d\n");
	session = open_session(f, save(f, "SELECT id, v FROM t", "id"));
	assert_str_equal(page(f, session, 2, 50), "[2,\"x2\"]");
	assert_str_equal(page(f, session, 3, 50), "");
	assert_str_equal(page(f, session, INT64_MAX, 1000), "");
	assert_str_equal(columns_of(f, session), "id BIGINT, v VARCHAR");
	session = open_session(f, save(f, "SELECT id, v FROM t WHERE id > 10", "id"));
	assert_str_equal(page(f, session, 0, 50), "");
	assert_str_equal(columns_of(f, session), "id BIGINT, v VARCHAR");
}

static void what_is_asked_for_has_limits(void **state)
{
	struct fixture *f = *state;
	struct view_rows_ask ask = {S("lab"), S("x"), -1, 1};
	struct view_op *op;

	assert_false(view_rows(&f->c, f->a.views, &ask, &op));
	assert_true(failed(f, ERR_INVALID_FIELD));
	ask.offset = ask.limit = 0;
	assert_false(view_rows(&f->c, f->a.views, &ask, &op));
	assert_true(failed(f, ERR_INVALID_FIELD));
	ask.limit = VIEW_ROWS_MAX + 1;
	assert_false(view_rows(&f->c, f->a.views, &ask, &op));
	assert_str_equal(f->c.err.more, "\"max_limit\":1000");
	assert_true(failed(f, ERR_LIMIT_TOO_LARGE));
}

static void a_page_that_is_too_large_says_so(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct str session;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	session = open_session(f, save(f, "SELECT i AS id, repeat('x', 1000) AS v FROM range(1000) r(i), t", "id"));
	assert_false(read_page(f, &f->a, session, 0, 1000, &b));
	assert_true(str_search(str_of(f->c.err.text), S("spaces.page_bytes")) < strlen(f->c.err.text));
	assert_true(failed(f, ERR_RESULT_TOO_LARGE));
	must(f, read_page(f, &f->a, session, 0, 100, &b));
	assert_true(b.n > 100000);
}

static void a_refresh_changes_no_page(void **state)
{
	struct fixture *f = *state;
	struct str id, before, session;
	int64_t count;

	upload_rows(f, "t", 100, "id,v\n", "%d,a\n");
	id = save(f, "SELECT id, v FROM t", "id");
	session = open_session(f, id);
	before = page(f, session, 50, 50);
	upload(f, "t", VIEW_OVERWRITE, S("id,v\n1,new\n"));
	refresh(f, id);
	assert_true(str_eq(page(f, session, 50, 50), before));
	must(f, view_session_count(&f->c, f->a.views, S("lab"), session, &count));
	assert_int_equal(count, 100);
	assert_str_equal(page(f, open_session(f, id), 0, 50), "[1,\"new\"]");
}

static void a_session_keeps_its_columns(void **state)
{
	struct fixture *f = *state;
	struct str id, session;

	upload_rows(f, "t", 2, "id,v\n", "%d,%d\n");
	id = save(f, "SELECT id, v FROM t", NULL);
	session = open_session(f, id);
	update(f, id, "SELECT v + 0.5 AS v, 'n' AS extra, id AS id2 FROM t");
	assert_str_equal(columns_of(f, session), "id BIGINT, v BIGINT");
	assert_str_equal(page(f, session, 0, 9), "[0,0],[1,1]");
	session = open_session(f, id);
	assert_true(str_starts(columns_of(f, session), S("v DECIMAL(")));
	assert_str_equal(page(f, session, 0, 1), "[\"0.5\",\"n\",0]");
}

static void what_is_deleted_is_not_read(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct str id, closed, open;
	int64_t count;

	upload_rows(f, "t", 2, "id\n", "%d\n");
	id = save(f, "SELECT id FROM t", NULL);
	closed = open_session(f, id);
	open = open_session(f, id);
	must(f, view_session_drop(&f->c, f->a.views, S("lab"), closed));
	assert_false(read_page(f, &f->a, closed, 0, 9, &b));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, view_saved_drop(&f->c, f->a.views, S("lab"), id));
	assert_false(read_page(f, &f->a, open, 0, 9, &b));
	assert_true(failed(f, ERR_VIEW_DELETED));
	assert_false(view_session_count(&f->c, f->a.views, S("lab"), open, &count));
	assert_true(failed(f, ERR_VIEW_DELETED));
	clock_advance(11 * MINUTE_MS);
	assert_false(read_page(f, &f->a, open, 0, 9, &b));
	assert_true(failed(f, ERR_SESSION_EXPIRED));
}

static void a_session_that_is_not_ready_has_no_rows(void **state)
{
	struct fixture *f = *state;
	struct view_stream *stream;
	struct session_doc doc;
	struct str session;
	OWNS(buf) b = {0};
	int64_t count;

	upload_rows(f, "t", 2, "id\n", "%d\n");
	session = open_session(f, save(f, "SELECT id FROM t", NULL));
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &doc));
	doc.status = S("running");
	doc.attempt.until_ms = clock_wall_ms() + MINUTE_MS;
	must(f, session_doc_put(&f->c, f->a.views, &doc, STORE_REPLACE));
	assert_false(read_page(f, &f->a, session, 0, 9, &b));
	assert_true(failed(f, ERR_NOT_FINISHED));
	assert_false(view_session_count(&f->c, f->a.views, S("lab"), session, &count));
	assert_true(failed(f, ERR_NOT_FINISHED));
	doc.status = S("failed");
	doc.error = S("what was wrong");
	must(f, session_doc_put(&f->c, f->a.views, &doc, STORE_REPLACE));
	assert_false(view_stream_open(&f->c, f->a.views, S("lab"), session, &stream));
	assert_true(str_ends(str_of(f->c.err.text), S("what was wrong")));
	assert_true(failed(f, ERR_VIEW_FAILED));
}

static void files_that_are_not_what_they_were_are_told(void **state)
{
	struct fixture *f = *state;
	struct str id, session, prefix;
	struct store_entry *e;
	OWNS(buf) b = {0};
	size_t n;

	upload_rows(f, "t", 2, "id\n", "%d\n");
	id = save(f, "SELECT id FROM t", NULL);
	session = open_session(f, id);
	prefix = key_view(&f->c, S("lab"), id);
	must(f, f->store->ops->list(&f->c, f->store, arena_fmt(&f->arena, "%.*s/data/", SARG(prefix)), S(""), &e, &n));
	assert_int_equal(n, 1);
	must(f, f->store->ops->put(&f->c, f->store, e[0].key, arena_dup(&f->arena, str_head(S(JUNK), (size_t)e[0].size)), STORE_REPLACE));
	store_cache_forget(f->a.cache, f->c.tenant, prefix);
	assert_false(read_page(f, &f->a, session, 0, 9, &b));
	assert_true(failed(f, ERR_CORRUPT_TABLE));
	must(f, f->store->ops->put(&f->c, f->store, e[0].key, S("short"), STORE_REPLACE));
	store_cache_forget(f->a.cache, f->c.tenant, prefix);
	assert_false(read_page(f, &f->a, session, 0, 9, &b));
	assert_true(failed(f, ERR_STORAGE));
}

static void drop_below(struct fixture *f, struct str prefix)
{
	struct store_entry *e;
	size_t n;

	must(f, f->store->ops->list(&f->c, f->store, prefix, S(""), &e, &n));
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++)
		must(f, f->store->ops->drop(&f->c, f->store, e[i].key));
}

static void a_snapshot_that_is_gone_ends_its_session(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct str id, session, prefix;
	struct view_stream *stream;

	upload_rows(f, "t", 2, "id\n", "%d\n");
	id = save(f, "SELECT id FROM t", NULL);
	session = open_session(f, id);
	prefix = key_view(&f->c, S("lab"), id);
	drop_below(f, arena_fmt(&f->arena, "%.*s/data/", SARG(prefix)));
	store_cache_forget(f->a.cache, f->c.tenant, prefix);
	assert_false(read_page(f, &f->a, session, 0, 9, &b));
	assert_true(failed(f, ERR_SESSION_EXPIRED));
	drop_below(f, arena_fmt(&f->arena, "%.*s/metadata/snap-", SARG(prefix)));
	listings_close(f->a.views);
	assert_false(view_stream_open(&f->c, f->a.views, S("lab"), session, &stream));
	assert_true(failed(f, ERR_SESSION_EXPIRED));
}

static void the_first_count_is_kept(void **state)
{
	struct fixture *f = *state;
	struct session_doc d;
	struct str session;
	int64_t count;

	upload_rows(f, "t", 12, "id\n", "%d\n");
	session = open_session(f, save(f, "SELECT id FROM t", NULL));
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &d));
	assert_int_equal(d.counted_ms, 0);
	must(f, view_session_count(&f->c, f->a.views, S("lab"), session, &count));
	must(f, session_doc_get(&f->c, f->a.views, S("lab"), session, &d));
	assert_int_equal(count, 12);
	assert_int_equal(d.count, 12);
	assert_true(d.counted_ms > 0);
}

/* --- streams --- */

/* false: it was broken. Waits where it must; `stop_at` bytes: leaves it there. */
static bool pull_all(struct view_stream *s, size_t stop_at, struct buf *ret)
{
	for (;;) {
		struct flag woken = FLAG;
		size_t before = ret->n;

		switch (view_stream_pull(s, ret, &(struct watch){.fn = nothing, .drop = flag_raise, .arg = &woken})) {
		case VIEW_PULL_ROWS:
			assert_true(ret->n > before);
			if (ret->n >= stop_at)
				return true;
			break;
		case VIEW_PULL_WAIT:
			flag_wait(&woken, 1);
			break;
		case VIEW_PULL_END:
			assert_int_equal(ret->n, before);
			return true;
		case VIEW_PULL_BROKEN:
			return false;
		}
	}
}

static int lines_of(const struct buf *b)
{
	int n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->p[i] == '\n';
	return n;
}

/* U-13 */
static void a_stream_has_an_object_a_row(void **state)
{
	struct fixture *f = *state;
	struct view_stream *s;
	OWNS(buf) b = {0}, none = {0};

	upload_rows(f, "t", 2, "id,v\n", "%d,x%d\n");
	must(f, view_stream_open(&f->c, f->a.views, S("lab"), open_session(f, save(f, "SELECT id, v FROM t", "id")), &s));
	assert_true(pull_all(s, SIZE_MAX, &b));
	view_stream_close(s);
	assert_str_equal(buf_str(&b), "{\"id\":0,\"v\":\"x0\"}\n{\"id\":1,\"v\":\"x1\"}\n");
	must(f, view_stream_open(&f->c, f->a.views, S("lab"), open_session(f, save(f, "SELECT id FROM t WHERE id > 5", "id")), &s));
	assert_true(pull_all(s, SIZE_MAX, &none));
	assert_int_equal(none.n, 0);
	view_stream_close(s);
}

static void check_rising(const struct buf *b, int n)
{
	struct str rest = buf_str(b);

	assert_int_equal(lines_of(b), n);
	for (int i = 0; i < n; i++) {
		struct str line = str_cut(&rest, '\n');
		int64_t id;

		assert_true(str_starts(line, S("{\"id\":")));
		assert_true(str_to_i64(str_head(str_tail(line, 6), str_find(line, ',') - 6), &id));
		assert_int_equal(id, i);
	}
}

static void a_stream_of_many_stretches_has_all_rows(void **state)
{
	struct fixture *f = *state;
	struct str items[] = {S("id")}, id;
	struct sql_session_ask own = {.space = S("lab"), .order_by = items, .norder = 1};
	struct view_stream *s;
	OWNS(buf) b = {0}, sorted = {0};
	unsigned long long before;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	id = save(f, "SELECT i AS id, repeat('x', CASE WHEN i > 100000 THEN 200 ELSE 0 END) AS v FROM range(200000) r(i), t", "id");
	before = atomic_load(&f->a.views->pages);
	must(f, view_stream_open(&f->c, f->a.views, S("lab"), open_session(f, id), &s));
	assert_true(pull_all(s, SIZE_MAX, &b));
	view_stream_close(s);
	check_rising(&b, 200000);
	assert_true(atomic_load(&f->a.views->pages) - before >= 4);
	own.sql_id = save(f, "SELECT i AS id, 1 AS v FROM range(50000) r(i), t", "id desc");
	must(f, view_stream_open(&f->c, f->a.views, S("lab"), session_with(f, &own), &s));
	assert_true(pull_all(s, SIZE_MAX, &sorted));
	view_stream_close(s);
	check_rising(&sorted, 50000);
}

static void a_stream_ends_with_its_session(void **state)
{
	struct fixture *f = *state;
	struct view_stream *s;
	OWNS(buf) b = {0};
	struct str session;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	session = open_session(f, save(f, "SELECT i AS id, repeat('x', 200) AS v FROM range(300000) r(i), t", "id"));
	must(f, view_stream_open(&f->c, f->a.views, S("lab"), session, &s));
	assert_true(pull_all(s, 1, &b));
	clock_advance(11 * MINUTE_MS);
	assert_false(pull_all(s, SIZE_MAX, &b));
	assert_true(lines_of(&b) < 300000);
	view_stream_close(s);
}

static void a_stream_may_be_left_at_any_time(void **state)
{
	struct fixture *f = *state;
	struct str session;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	session = open_session(f, save(f, "SELECT i AS id, repeat('x', 200) AS v FROM range(100000) r(i), t", "id"));
	for (size_t i = 0; i < 6; i++) {
		struct view_stream *s;
		OWNS(buf) b = {0};

		must(f, view_stream_open(&f->c, f->a.views, S("lab"), session, &s));
		if (i)
			assert_true(pull_all(s, i * 1000000, &b));
		view_stream_close(s);
	}
}

static void a_stream_that_waits_may_be_left(void **state)
{
	struct fixture *f = *state;
	struct flag dropped = FLAG;
	struct view_stream *s;
	enum view_pull got;
	OWNS(buf) b = {0};

	upload_rows(f, "t", 1, "id\n", "%d\n");
	must(f, view_stream_open(&f->c, f->a.views, S("lab"), open_session(f, save(f, "SELECT id FROM t", NULL)), &s));
	got = view_stream_pull(s, &b, &(struct watch){.fn = nothing, .drop = flag_raise, .arg = &dropped});
	view_stream_close(s);
	if (got == VIEW_PULL_WAIT)
		flag_wait(&dropped, 1);
}

/* --- servers --- */

/* U-19 */
static void any_server_serves_a_session(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct str session, before;
	int64_t count;

	upload_rows(f, "t", 100, "id,v\n", "%d,x%d\n");
	session = open_session(f, save(f, "SELECT id, v FROM t", "id desc"));
	before = page(f, session, 40, 20);
	server_open(f, &f->b, "b");
	server_close(&f->a);
	must(f, read_page(f, &f->b, session, 40, 20, &b));
	assert_true(str_eq(buf_str(&b), before));
	must(f, view_session_count(&f->c, f->b.views, S("lab"), session, &count));
	assert_int_equal(count, 100);
}

static void *sweep_all_the_time(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < 50; i++) {
		OWNS(arena) a = {0};
		struct call c;

		call_open(&c, &a);
		views_sweep(&c, f->b.views);
	}
	return NULL;
}

static void pages_and_sweeps_do_not_meet(void **state)
{
	struct fixture *f = *state;
	pthread_t sweeper;
	struct str id, session;

	upload_rows(f, "t", 1000, "id\n", "%d\n");
	id = save(f, "SELECT id FROM t", "id");
	server_open(f, &f->b, "b");
	assert_int_equal(pthread_create(&sweeper, NULL, sweep_all_the_time, f), 0);
	for (int i = 0; i < 10; i++) {
		struct view_stream *s;
		OWNS(buf) b = {0};

		session = open_session(f, id);
		each_id_once(f, session, 1000, 200);
		must(f, view_stream_open(&f->c, f->a.views, S("lab"), session, &s));
		assert_true(pull_all(s, SIZE_MAX, &b));
		assert_int_equal(lines_of(&b), 1000);
		view_stream_close(s);
		refresh(f, id);
		must(f, view_session_drop(&f->c, f->a.views, S("lab"), session));
	}
	assert_int_equal(pthread_join(sweeper, NULL), 0);
}

static void others_do_not_see_a_session(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	struct str session;

	upload_rows(f, "t", 1, "id\n", "%d\n");
	session = open_session(f, save(f, "SELECT id FROM t", NULL));
	f->c.principal = S("eve");
	assert_false(read_page(f, &f->a, session, 0, 1, &b));
	assert_true(failed(f, ERR_NOT_FOUND));
	f->c.principal = S("");
	f->c.tenant = S("globex");
	assert_false(read_page(f, &f->a, session, 0, 1, &b));
	assert_true(failed(f, ERR_NOT_FOUND));
	f->c.tenant = S("acme");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_that_are_equal_are_paged_once, begin, end),
		cmocka_unit_test_setup_teardown(an_order_is_the_pages_order, begin, end),
		cmocka_unit_test_setup_teardown(a_sessions_own_order_is_sorted, begin, end),
		cmocka_unit_test_setup_teardown(an_order_that_the_files_do_not_have_is_made, begin, end),
		cmocka_unit_test_setup_teardown(pages_go_across_files, begin_small, end),
		cmocka_unit_test_setup_teardown(a_page_of_many_files_is_in_order, begin_small, end),
		cmocka_unit_test_setup_teardown(names_and_types_come_as_they_are, begin, end),
		cmocka_unit_test_setup_teardown(past_the_end_there_are_no_rows_but_columns, begin, end),
		cmocka_unit_test_setup_teardown(what_is_asked_for_has_limits, begin, end),
		cmocka_unit_test_setup_teardown(a_page_that_is_too_large_says_so, begin_small, end),
		cmocka_unit_test_setup_teardown(a_refresh_changes_no_page, begin, end),
		cmocka_unit_test_setup_teardown(a_session_keeps_its_columns, begin, end),
		cmocka_unit_test_setup_teardown(what_is_deleted_is_not_read, begin, end),
		cmocka_unit_test_setup_teardown(a_snapshot_that_is_gone_ends_its_session, begin, end),
		cmocka_unit_test_setup_teardown(a_session_that_is_not_ready_has_no_rows, begin, end),
		cmocka_unit_test_setup_teardown(files_that_are_not_what_they_were_are_told, begin, end),
		cmocka_unit_test_setup_teardown(the_first_count_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(a_stream_has_an_object_a_row, begin, end),
		cmocka_unit_test_setup_teardown(a_stream_of_many_stretches_has_all_rows, begin_small, end),
		cmocka_unit_test_setup_teardown(a_stream_ends_with_its_session, begin, end),
		cmocka_unit_test_setup_teardown(a_stream_may_be_left_at_any_time, begin, end),
		cmocka_unit_test_setup_teardown(a_stream_that_waits_may_be_left, begin, end),
		cmocka_unit_test_setup_teardown(any_server_serves_a_session, begin, end),
		cmocka_unit_test_setup_teardown(pages_and_sweeps_do_not_meet, begin, end),
		cmocka_unit_test_setup_teardown(others_do_not_see_a_session, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
