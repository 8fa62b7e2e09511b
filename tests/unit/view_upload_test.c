/* view_upload_test.c - rows of clients become tables: formats, types that are inferred, what is refused, who wins. */
#include "view_pages_rig.h"

#include <sched.h>

/* --- sending --- */

struct sender { /* a client that stops where the queue is full */
	struct view_upload *u;
	struct flag room;
	_Atomic int dropped;
};

static void on_room(void *arg)
{
	flag_raise(&((struct sender *)arg)->room);
}

static void on_drop(void *arg)
{
	atomic_fetch_add(&((struct sender *)arg)->dropped, 1);
}

struct sent {
	const char *table;
	enum view_upload_mode mode;
	enum engine_rows_format format;
	struct str body;
	size_t piece; /* bytes at once; 0 = all */
	bool cut;     /* the client leaves before the end */
};

/* Waits until the room has let go of the sender, too. */
static bool send(struct fixture *f, const struct sent *s, struct space_table *ret)
{
	struct sender from = {.room = FLAG};
	const struct view_upload_ask ask = {.space = S("lab"), .table = str_of(s->table), .mode = s->mode, .format = s->format,
					    .room = on_room, .room_drop = on_drop, .arg = &from};
	size_t piece = s->piece ? s->piece : s->body.n;
	struct view_result r;
	struct view_op *op;
	int full = 0;
	bool ok;

	if (!view_upload(&f->c, f->a.views, &ask, &from.u, &op))
		return false;
	for (size_t at = 0; at < s->body.n; at += piece)
		if (!view_upload_put(from.u, str_head(str_tail(s->body, at), piece)))
			flag_wait(&from.room, ++full);
	view_upload_end(from.u, !s->cut);
	ok = wait_for(f, op, &r);
	if (ok && ret)
		*ret = *r.table;
	if (ok)
		view_op_unref(op);
	for (int64_t until = clock_mono_ms() + WAIT_S * 1000; !atomic_load(&from.dropped) && clock_mono_ms() < until;)
		sched_yield();
	assert_int_equal(atomic_load(&from.dropped), 1);
	return ok;
}

static bool csv(struct fixture *f, const char *table, enum view_upload_mode mode, const char *text)
{
	return send(f, &(struct sent){table, mode, ENGINE_ROWS_CSV, str_of(text), 0, false}, NULL);
}

static bool json(struct fixture *f, const char *table, enum view_upload_mode mode, const char *text)
{
	enum engine_rows_format format = text[0] == '[' ? ENGINE_ROWS_JSON : ENGINE_ROWS_NDJSON;

	return send(f, &(struct sent){table, mode, format, str_of(text), 0, false}, NULL);
}

/* "a BIGINT, b VARCHAR: [1,"x"]" */
static struct str table_text(struct fixture *f, const char *table)
{
	struct str sql = arena_fmt(&f->arena, "SELECT * FROM %s", table), session;

	session = session_with(f, &(struct sql_session_ask){.space = S("lab"), .sql = sql, .norder = -1});
	return arena_fmt(&f->arena, "%.*s: %.*s", SARG(columns_of(f, session)), SARG(page(f, session, 0, 1000)));
}

#define assert_table(f, name, text) \
	do { \
		struct str is_ = table_text(f, name); \
		if (!str_eq(is_, str_of(text))) \
			fprintf(stderr, "%.*s\n", SARG(is_)); \
		assert_true(str_eq(is_, str_of(text))); \
	} while (0)

/* Refused, and the text of the error and its members say this. */
static bool mismatch(struct fixture *f, bool ok, const char *text, const char *more)
{
	if (ok || !strstr(f->c.err.text, text) || !str_eq(f->c.err.more, str_of(more))) {
		fprintf(stderr, "%s, %.*s\n", f->c.err.text, SARG(f->c.err.more));
		return false;
	}
	return failed(f, ERR_SCHEMA_MISMATCH);
}

/* --- CSV --- */

static void csv_is_read_as_written(void **state)
{
	struct fixture *f = *state;

	must(f, csv(f, "a", VIEW_CREATE, "id,\"the \"\"name\"\"\",note\r\n1,\"a,b\",\r\n2,\"line\nline\",\"\"\r\n"));
	assert_table(f, "a", "id BIGINT, the \"name\" VARCHAR, note VARCHAR: [1,\"a,b\",null],[2,\"line\\nline\",\"\"]");
	must(f, csv(f, "b", VIEW_CREATE, "\xEF\xBB\xBFx\n1\n\n3"));
	assert_table(f, "b", "x BIGINT: [1],[null],[3]");
	must(f, csv(f, "c", VIEW_CREATE, "x,y\n1,2\r\n\r\n3,4\n\n"));
	assert_table(f, "c", "x BIGINT, y BIGINT: [1,2],[3,4]");
	must(f, csv(f, "d", VIEW_CREATE, "x,y\n"));
	assert_table(f, "d", "x VARCHAR, y VARCHAR: ");
	must(f, csv(f, "e", VIEW_CREATE, "x,X,x,\n1,2,3,4\n"));
	assert_table(f, "e", "x BIGINT, X_1 BIGINT, x_2 BIGINT, column4 BIGINT: [1,2,3,4]");
	must(f, csv(f, "g", VIEW_CREATE, "x\n\"x's\\n\"\n"));
	assert_table(f, "g", "x VARCHAR: [\"x's\\\\n\"]");
}

static void csv_types_are_inferred_over_all_rows(void **state)
{
	struct fixture *f = *state;

	must(f, csv(f, "a", VIEW_CREATE,
		    "i,big,huge,zip,d,b,day,at,atz,clock,mix,nan\n"
		    "1,9223372036854775807,1,007,1,true,1969-12-31,2020-01-02 03:04:05,2020-01-02T03:04:05Z,10:11:12,1,NaN\n"
		    "-2,9223372036854775808,123456789012345678901234567890123456789,1,2.5,FALSE,2020-02-29,2020-01-02T03:04:05.5,"
		    "2020-01-02 03:04:05+02,23:59:59.5,x,1.5\n"
		    ",,,,,,,,,,,\n"));
	assert_table(f, "a",
		     "i BIGINT, big DECIMAL(38,0), huge VARCHAR, zip VARCHAR, d DOUBLE, b BOOLEAN, day DATE, at TIMESTAMP, "
		     "atz TIMESTAMP WITH TIME ZONE, clock TIME, mix VARCHAR, nan DOUBLE: "
		     "[1,\"9223372036854775807\",\"1\",\"007\",1.0,true,\"1969-12-31\",\"2020-01-02T03:04:05.000000\","
		     "\"2020-01-02T03:04:05.000000Z\",\"10:11:12.000000\",\"1\",\"NaN\"],"
		     "[-2,\"9223372036854775808\",\"123456789012345678901234567890123456789\",\"1\",2.5,false,\"2020-02-29\","
		     "\"2020-01-02T03:04:05.500000\",\"2020-01-02T01:04:05.000000Z\",\"23:59:59.500000\",\"x\",1.5],"
		     "[null,null,null,null,null,null,null,null,null,null,null,null]");
	must(f, csv(f, "b", VIEW_CREATE, "d,n,z,e\n2020-01-02,NaN,-0,1e400\n2020-13-01,inf,-1,1\n"));
	assert_table(f, "b", "d VARCHAR, n VARCHAR, z DOUBLE, e VARCHAR: [\"2020-01-02\",\"NaN\",-0.0,\"1e400\"],[\"2020-13-01\",\"inf\",-1.0,\"1\"]");
}

static void ragged_csv_is_refused(void **state)
{
	struct fixture *f = *state;
	struct space_table t;

	assert_true(mismatch(f, csv(f, "a", VIEW_CREATE, "x,y\n1,2\n3\n"), "row 2: it has fewer fields", "\"row\":2"));
	assert_true(mismatch(f, csv(f, "a", VIEW_CREATE, "x,y\n1,2,3\n"), "row 1: it has more fields", "\"row\":1"));
	assert_true(mismatch(f, csv(f, "a", VIEW_CREATE, "x,y\n1,\"2\n"), "row 1: a quoted field does not end", "\"row\":1"));
	assert_true(mismatch(f, csv(f, "a", VIEW_CREATE, "x,y\n1,2\"\n"), "row 1: there is a quote", "\"row\":1"));
	assert_true(mismatch(f, csv(f, "a", VIEW_CREATE, "x,y\n1,\"2\"3\n"), "row 1: there is text behind", "\"row\":1"));
	assert_true(mismatch(f, csv(f, "a", VIEW_CREATE, ""), "there is no header row", ""));
	assert_false(csv(f, "a", VIEW_CREATE, "x\n\xFF\n"));
	assert_true(failed(f, ERR_SCHEMA_MISMATCH));
	assert_false(view_table_get(&f->c, f->a.views, S("lab"), S("a"), &t));
	assert_true(failed(f, ERR_NOT_FOUND));
}

static void csv_comes_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct str text = S("a,\"b\"\"\"\r\n1,\"x\r\n\"\"\"\r\n\r\n2,\r\n");
	struct str whole;

	must(f, send(f, &(struct sent){"whole", VIEW_CREATE, ENGINE_ROWS_CSV, text, 0, false}, NULL));
	whole = table_text(f, "whole");
	for (size_t piece = 1; piece < 6; piece++) {
		must(f, send(f, &(struct sent){"pieces", VIEW_OVERWRITE, ENGINE_ROWS_CSV, text, piece, false}, NULL));
		assert_true(str_eq(table_text(f, "pieces"), whole));
	}
}

/* --- JSON --- */

static void json_types_are_inferred_over_all_rows(void **state)
{
	struct fixture *f = *state;

	must(f, json(f, "a", VIEW_CREATE,
		     "[{\"i\":1,\"s\":\"01-02-2020\",\"d\":\"2020-01-02\",\"o\":{\"x\":1,\"y\":[{\"z\":\"q\"}]},\"m\":1,\"b\":true},"
		     "{\"i\":-5,\"f\":2.5,\"t\":\"2020-01-02T03:04:05Z\",\"m\":\"one\",\"o\":{\"y\":null},\"n\":null,\"big\":18446744073709551616}]"));
	assert_table(f, "a",
		     "i BIGINT, s VARCHAR, d DATE, o STRUCT(x BIGINT, y STRUCT(z VARCHAR)[]), m VARCHAR, b BOOLEAN, f DOUBLE, "
		     "t TIMESTAMP WITH TIME ZONE, n VARCHAR, big DECIMAL(38,0): "
		     "[1,\"01-02-2020\",\"2020-01-02\",{\"x\":1,\"y\":[{\"z\":\"q\"}]},\"1\",true,null,null,null,null],"
		     "[-5,null,null,{\"x\":null,\"y\":null},\"\\\"one\\\"\",null,2.5,\"2020-01-02T03:04:05.000000Z\",null,\"18446744073709551616\"]");
	must(f, json(f, "b", VIEW_CREATE, "{\"a\":1}\n\n{\"a\":9223372036854775808,\"l\":[1,123456789012345678901]}\n"));
	assert_table(f, "b", "a DECIMAL(38,0), l VARCHAR: [\"1\",null],[\"9223372036854775808\",\"[1,123456789012345678901]\"]");
	must(f, json(f, "c", VIEW_CREATE, "[{\"x\":1},{\"x\":[1]},{\"x\":\"s\"}]"));
	assert_table(f, "c", "x VARCHAR: [\"1\"],[\"[1]\"],[\"\\\"s\\\"\"]");
}

static void wrong_json_is_refused(void **state)
{
	struct fixture *f = *state;

	static const struct {
		const char *text;
		enum err_kind kind;
	} v[] = {
		{"[]", ERR_SCHEMA_MISMATCH}, {"[1]", ERR_SCHEMA_MISMATCH}, {"[{}]", ERR_SCHEMA_MISMATCH}, {"3\n", ERR_SCHEMA_MISMATCH},
		{"[{\"a\":1},]", ERR_INVALID_JSON}, {"[{\"a\":1}", ERR_INVALID_JSON}, {"{\"a\":1", ERR_INVALID_JSON},
		{"[{\"a\":1,\"A\":2}]", ERR_SCHEMA_MISMATCH}, {"[{\"\":1}]", ERR_SCHEMA_MISMATCH}, {"[{\"a\":1,\"a\":2}]", ERR_SCHEMA_MISMATCH},
	};

	for (size_t i = 0; i < COUNT_OF(v); i++) {
		if (json(f, "a", VIEW_CREATE, v[i].text)) {
			fprintf(stderr, "taken: %s\n", v[i].text);
			assert_true(false);
		}
		assert_null(strstr(f->c.err.text, "/tmp")); /* no path of the server */
		assert_true(failed(f, v[i].kind));
	}
}

/* --- Parquet --- */

static struct str a_parquet_file(struct fixture *f, const char *sql)
{
	struct str id = save(f, sql, NULL);
	struct store_entry *e;
	size_t n;
	OWNS(buf) b = {0};

	assert_true(f->store->ops->list(&f->c, f->store, arena_fmt(&f->arena, "tenants/acme/spaces/lab/materialized_views/%.*s/data/", SARG(id)),
					S(""), &e, &n));
	assert_int_equal(n, 1);
	assert_true(f->store->ops->get(&f->c, f->store, e[0].key, 0, 1 << 20, &b));
	return arena_dup(&f->arena, buf_str(&b));
}

static void parquet_is_taken(void **state)
{
	struct fixture *f = *state;
	struct str file = a_parquet_file(f, "SELECT n AS id, [n] AS l, {'a': n} AS s FROM range(3) t(n)");
	struct space_table t;

	must(f, send(f, &(struct sent){"p", VIEW_CREATE, ENGINE_ROWS_PARQUET, file, 100, false}, &t));
	assert_int_equal(t.rows, 3);
	assert_int_equal(t.schema.n, 3);
	assert_table(f, "p", "id BIGINT, l BIGINT[], s STRUCT(a BIGINT): [0,[0],{\"a\":0}],[1,[1],{\"a\":1}],[2,[2],{\"a\":2}]");
	must(f, send(f, &(struct sent){"p", VIEW_APPEND, ENGINE_ROWS_PARQUET, file, 0, false}, &t));
	assert_int_equal(t.rows, 6);
	assert_false(send(f, &(struct sent){"q", VIEW_CREATE, ENGINE_ROWS_PARQUET, str_head(file, file.n - 1), 0, false}, NULL));
	assert_null(strstr(f->c.err.text, "/"));
	assert_true(failed(f, ERR_SCHEMA_MISMATCH));
}

/* --- appending --- */

static void rows_are_appended_by_name(void **state)
{
	struct fixture *f = *state;
	struct space_table before, after;

	must(f, csv(f, "t", VIEW_CREATE, "id,name,day\n1,a,2020-01-01\n"));
	must(f, view_table_get(&f->c, f->a.views, S("lab"), S("t"), &before));
	must(f, csv(f, "t", VIEW_APPEND, "NAME,id\nb,2\n"));
	must(f, json(f, "t", VIEW_APPEND, "[{\"day\":\"2020-02-02\",\"name\":{\"x\":1}},{\"id\":3,\"name\":7}]"));
	assert_table(f, "t",
		     "id BIGINT, name VARCHAR, day DATE: [1,\"a\",\"2020-01-01\"],[2,\"b\",null],[null,\"{\\\"x\\\":1}\",\"2020-02-02\"],[3,\"7\",null]");
	must(f, view_table_get(&f->c, f->a.views, S("lab"), S("t"), &after));
	assert_true(after.snapshot_id > before.snapshot_id);
	assert_int_equal(after.schema.id, before.schema.id);
	assert_int_equal(after.rows, 4);
	assert_true(mismatch(f, csv(f, "t", VIEW_APPEND, "id,other\n1,2\n"), "the table has no column other", "\"column\":\"other\""));
	assert_true(mismatch(f, csv(f, "t", VIEW_APPEND, "id,ID\n1,2\n"), "twice", "\"column\":\"ID\""));
	assert_true(mismatch(f, csv(f, "t", VIEW_APPEND, "id\n1\n2\nx\n"), "row 3, column id", "\"row\":3,\"column\":\"id\""));
	assert_true(mismatch(f, csv(f, "t", VIEW_APPEND, "id\n1.5\n"), "row 1, column id", "\"row\":1,\"column\":\"id\""));
	assert_true(mismatch(f, csv(f, "t", VIEW_APPEND, "id\n99999999999999999999\n"), "row 1, column id", "\"row\":1,\"column\":\"id\""));
	assert_true(mismatch(f, json(f, "t", VIEW_APPEND, "[{\"id\":1},{\"day\":\"no day\"}]"), "row 2, column day", "\"row\":2,\"column\":\"day\""));
	must(f, view_table_get(&f->c, f->a.views, S("lab"), S("t"), &before));
	assert_int_equal(before.snapshot_id, after.snapshot_id);
}

static void every_type_is_appended(void **state)
{
	struct fixture *f = *state;
	struct str file = a_parquet_file(f, "SELECT true AS b, 1::INTEGER AS i, 1.5::FLOAT AS f, 1.25::DECIMAL(10,2) AS d, TIME '01:02:03' AS t, "
					    "'\\x00\\xFF'::BLOB AS x, '550e8400-e29b-41d4-a716-446655440000'::UUID AS u, [1] AS l, {'a': 1} AS s, "
					    "MAP {'k': 1} AS m");

	must(f, send(f, &(struct sent){"t", VIEW_CREATE, ENGINE_ROWS_PARQUET, file, 0, false}, NULL));
	must(f, json(f, "t", VIEW_APPEND,
		     "[{\"b\":false,\"i\":2,\"f\":\"NaN\",\"d\":\"-3.50\",\"t\":\"10:11:12\",\"x\":\"AP8=\",\"u\":\"550E8400-E29B-41D4-A716-446655440000\","
		     "\"l\":[2,null],\"s\":{\"a\":null},\"m\":{\"q\":2}}]"));
	must(f, csv(f, "t", VIEW_APPEND, "b,i,x\ntrue,3,AA==\n"));
	assert_table(f, "t",
		     "b BOOLEAN, i INTEGER, f FLOAT, d DECIMAL(10,2), t TIME, x BLOB, u UUID, l INTEGER[], s STRUCT(a INTEGER), m MAP(VARCHAR, INTEGER): "
		     "[true,1,1.5,\"1.25\",\"01:02:03.000000\",\"AP8=\",\"550e8400-e29b-41d4-a716-446655440000\",[1],{\"a\":1},{\"k\":1}],"
		     "[false,2,\"NaN\",\"-3.50\",\"10:11:12.000000\",\"AP8=\",\"550e8400-e29b-41d4-a716-446655440000\",[2,null],{\"a\":null},{\"q\":2}],"
		     "[true,3,null,null,null,\"AA==\",null,null,null,null]");
	assert_true(mismatch(f, csv(f, "t", VIEW_APPEND, "x\n!!\n"), "row 1, column x", "\"row\":1,\"column\":\"x\""));
}

/* --- who wins --- */

static void names_are_taken_once(void **state)
{
	struct fixture *f = *state;
	struct space_table t;
	struct view_page page = {.limit = 10};
	struct space_table *v;
	int n;

	must(f, csv(f, "Orders", VIEW_CREATE, "a\n1\n"));
	assert_false(csv(f, "Orders", VIEW_CREATE, "a\n1\n"));
	assert_true(failed(f, ERR_DUPLICATE_TABLE));
	assert_false(csv(f, "orders", VIEW_OVERWRITE, "a\n1\n"));
	assert_true(failed(f, ERR_DUPLICATE_TABLE));
	assert_false(csv(f, "orders", VIEW_APPEND, "a\n1\n"));
	assert_true(failed(f, ERR_UNKNOWN_TABLE));
	assert_false(csv(f, "x/y", VIEW_CREATE, "a\n1\n"));
	assert_true(failed(f, ERR_INVALID_FIELD));
	assert_false(csv(f, "view_550e8400-e29b-41d4-a716-446655440000", VIEW_CREATE, "a\n1\n"));
	assert_true(failed(f, ERR_INVALID_NAME));
	assert_false(view_table_get(&f->c, f->a.views, S("lab"), S("orders"), &t));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, csv(f, "a", VIEW_CREATE, "a\n1\n"));
	must(f, view_table_list(&f->c, f->a.views, S("lab"), &page, &v, &n));
	assert_int_equal(n, 2);
	assert_str_equal(v[0].name, "a");
	assert_str_equal(v[1].name, "Orders");
	must(f, view_table_drop(&f->c, f->a.views, S("lab"), S("Orders")));
	assert_false(view_table_drop(&f->c, f->a.views, S("lab"), S("Orders")));
	assert_true(failed(f, ERR_NOT_FOUND));
	must(f, csv(f, "orders", VIEW_CREATE, "a\n2\n"));
	assert_table(f, "orders", "a BIGINT: [2]");
}

static void what_is_cut_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_entry *left;
	struct space_table before, after;
	size_t n;

	assert_false(send(f, &(struct sent){"t", VIEW_CREATE, ENGINE_ROWS_CSV, S("a\n1\n2\n"), 0, true}, NULL));
	assert_true(failed(f, ERR_BAD_REQUEST));
	assert_true(f->store->ops->list(&f->c, f->store, S("tenants/acme/spaces/lab/table"), S(""), &left, &n));
	assert_int_equal(n, 0);
	must(f, csv(f, "t", VIEW_CREATE, "a\n1\n"));
	must(f, view_table_get(&f->c, f->a.views, S("lab"), S("t"), &before));
	assert_false(send(f, &(struct sent){"t", VIEW_OVERWRITE, ENGINE_ROWS_CSV, S("b\n1\n2\n"), 0, true}, NULL));
	assert_true(failed(f, ERR_BAD_REQUEST));
	must(f, view_table_get(&f->c, f->a.views, S("lab"), S("t"), &after));
	assert_int_equal(after.snapshot_id, before.snapshot_id);
	must(f, csv(f, "t", VIEW_OVERWRITE, "a,b\nx,2\n"));
	assert_table(f, "t", "a VARCHAR, b BIGINT: [\"x\",2]");
}

static void a_large_upload_waits_for_room(void **state)
{
	struct fixture *f = *state;
	struct space_table t;
	OWNS(buf) b = {0};

	buf_lit(&b, "a,b\n");
	for (int i = 0; i < 1000000; i++)
		buf_fmt(&b, "%d,text of row %d\n", i, i);
	must(f, send(f, &(struct sent){"t", VIEW_CREATE, ENGINE_ROWS_CSV, buf_str(&b), 64 << 10, false}, &t));
	assert_int_equal(t.rows, 1000000);
	assert_str_equal(page(f, session_with(f, &(struct sql_session_ask){.space = S("lab"), .sql = S("SELECT * FROM t"), .norder = -1}), 777777, 1),
			 "[777777,\"text of row 777777\"]");
}

enum { RACERS = 8 };

static void of_racing_creations_one_wins(void **state)
{
	struct fixture *f = *state;
	struct view_upload *u[RACERS];
	struct view_op *op[RACERS];
	int won = 0;

	for (int i = 0; i < RACERS; i++) {
		const struct view_upload_ask ask = {.space = S("lab"), .table = i % 2 ? S("T") : S("t"), .mode = VIEW_CREATE,
						    .format = ENGINE_ROWS_CSV, .room = nothing, .room_drop = nothing};

		must(f, view_upload(&f->c, f->a.views, &ask, &u[i], &op[i]));
	}
	for (int i = 0; i < RACERS; i++) {
		assert_true(view_upload_put(u[i], S("a\n1\n")));
		view_upload_end(u[i], true);
	}
	for (int i = 0; i < RACERS; i++) {
		struct view_result r;

		if (wait_for(f, op[i], &r)) {
			won++;
			view_op_unref(op[i]);
		} else {
			assert_true(failed(f, ERR_DUPLICATE_TABLE));
		}
	}
	assert_int_equal(won, 1);
}

static void racing_appends_all_come(void **state)
{
	struct fixture *f = *state;
	struct view_upload *u[RACERS];
	struct view_op *op[RACERS];
	struct space_table t;

	must(f, csv(f, "t", VIEW_CREATE, "a\n0\n"));
	for (int i = 0; i < RACERS; i++) {
		const struct view_upload_ask ask = {.space = S("lab"), .table = S("t"), .mode = VIEW_APPEND, .format = ENGINE_ROWS_CSV,
						    .room = nothing, .room_drop = nothing};

		must(f, view_upload(&f->c, f->a.views, &ask, &u[i], &op[i]));
		assert_true(view_upload_put(u[i], S("a\n1\n")));
		view_upload_end(u[i], true);
	}
	for (int i = 0; i < RACERS; i++) {
		struct view_result r;

		must(f, wait_for(f, op[i], &r));
		view_op_unref(op[i]);
	}
	must(f, view_table_get(&f->c, f->a.views, S("lab"), S("t"), &t));
	assert_int_equal(t.rows, RACERS + 1);
}

static void a_drop_that_died_is_finished(void **state)
{
	struct fixture *f = *state;
	struct table_mark m;

	must(f, csv(f, "t", VIEW_CREATE, "a\n1\n"));
	must(f, table_mark_read(&f->c, f->a.views, S("lab"), S("t"), &m));
	m.deleting_ms = clock_wall_ms();
	must(f, table_mark_write(&f->c, f->a.views, S("lab"), &m, STORE_REPLACE));
	assert_false(csv(f, "t", VIEW_CREATE, "a\n1\n"));
	assert_true(failed(f, ERR_CONFLICT));
	must(f, table_finish_drop(&f->c, f->a.views, S("lab"), S("t")));
	assert_false(csv(f, "t", VIEW_CREATE, "a\n1\n")); /* whoever drops it may still be at it */
	assert_true(failed(f, ERR_CONFLICT));
	clock_advance(3600 * 1000);
	must(f, table_finish_drop(&f->c, f->a.views, S("lab"), S("t")));
	must(f, csv(f, "t", VIEW_CREATE, "a\n2\n"));
	assert_table(f, "t", "a BIGINT: [2]");
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
		T(csv_is_read_as_written), T(csv_types_are_inferred_over_all_rows), T(ragged_csv_is_refused), T(csv_comes_in_pieces),
		T(json_types_are_inferred_over_all_rows), T(wrong_json_is_refused), T(parquet_is_taken), T(rows_are_appended_by_name),
		T(every_type_is_appended), T(names_are_taken_once), T(what_is_cut_leaves_nothing), T(a_large_upload_waits_for_room),
		T(of_racing_creations_one_wins), T(racing_appends_all_come), T(a_drop_that_died_is_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
