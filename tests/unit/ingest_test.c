/* ingest_test.c - rows into a table, the worker's side: formats, types, errors, limits, ends. */
#include "engine/engine.h"
#include "engine/wire.h"
#include "engine/worker.h"
#include "json/json.h"

#include "folder.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { WAIT_MS = 60000 };

/* --- a worker --- */
struct peer {
	pid_t pid;
	int jobs, control;
	uint64_t next;
	char dir[FOLDER_PATH_MAX];
};
static struct peer the;

static struct wire_catalog scope = {.name = S_INIT("__eph_0123456789abcdef0123456789abcdef"),
				    .max = {1000, 1000000000, 1000000000000}};

static void become_worker(const char *dir, int jobs, int control)
{
	char *argv[] = {"engine", "--dir", (char *)(uintptr_t)dir, "--memory", "700000000", "--temp",
		"1000000000", "--threads", "2", "--concurrent", "3", NULL};
	int null = open("/dev/null", O_RDWR);

	jobs = fcntl(jobs, F_DUPFD, 10);
	control = fcntl(control, F_DUPFD, 10);
	dup2(jobs, WIRE_JOBS_FD);
	dup2(control, WIRE_CONTROL_FD);
	dup2(null, 0);
	dup2(null, 1);
	if (!SANITIZED)
		dup2(null, 2);
	for (int fd = 5; fd < 64; fd++)
		close(fd);
	_exit(engine_worker_main(11, argv));
}

static size_t next_packet(struct peer *w, char *packet)
{
	struct pollfd p = {.fd = w->jobs, .events = POLLIN};
	int fd = -1;
	ssize_t n = poll(&p, 1, WAIT_MS) == 1 ? wire_recv(w->jobs, packet, WIRE_PACKET, &fd, 0) : 0;

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static void start_in(struct peer *w)
{
	static char packet[WIRE_PACKET];
	int jobs[2], control[2];
	struct wire_in in;
	struct wire_head h;
	struct str body;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, jobs), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	w->pid = fork();
	if (w->pid == 0)
		become_worker(w->dir, jobs[1], control[1]);
	close(jobs[1]);
	close(control[1]);
	w->jobs = jobs[0];
	w->control = control[0];
	in = wire_in(str_from(packet, next_packet(w, packet)));
	assert_true(wire_next(&in, &h, &body));
	assert_int_equal(h.kind, WIRE_HELLO);
}

static int wait_gone(struct peer *w)
{
	int status = 0;

	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(w->pid, &status, WNOHANG) == w->pid)
			return status;
		poll(NULL, 0, 10);
	}
	return -1;
}

static int begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	the.next = 1;
	folder_make(the.dir);
	start_in(&the);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	close(the.control);
	assert_int_equal(wait_gone(&the), 0);
	close(the.jobs);
	folder_remove(the.dir);
	return 0;
}

/* --- answers --- */
struct answer {
	struct arena arena;
	struct buf rows;
	struct engine_end end;
	struct engine_usage usage;
	bool gone;
};

static void answer_drop(struct answer *a)
{
	arena_close(&a->arena);
	buf_drop(&a->rows);
}

static void acknowledge(struct peer *w, uint64_t task)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_ACK, task);

	wire_u32(&b, 1);
	wire_end_record(&b, at);
	assert_int_equal(wire_send(w->control, buf_str(&b), -1), 0);
}

static void take_end(struct answer *a, struct str body)
{
	struct wire_in in = wire_in(arena_dup(&a->arena, body));

	a->end.outcome = (enum engine_outcome)wire_get_u8(&in);
	a->end.rows = wire_get_i64(&in);
	a->end.position = wire_get_i64(&in);
	a->end.class = wire_get_text(&in);
	a->end.text = wire_get_text(&in);
	a->end.bad_bind = wire_get_text(&in);
	a->end.row = wire_get_i64(&in);
	a->end.column = wire_get_text(&in);
	a->usage = wire_get_usage(&in);
	assert_false(in.bad);
}

static void take_part(struct answer *a, struct str body)
{
	struct str json = str_tail(body, sizeof(struct wire_part));

	assert_true(str_starts(json, S("{\"data\":["))); /* short results are not compressed */
	buf_add(&a->rows, str_from(json.p + 9, json.n - 11));
}

static void collect(struct peer *w, uint64_t task, struct answer *a)
{
	static char packet[WIRE_PACKET];

	*a = (struct answer){.end.outcome = ENGINE_LOST};
	for (;;) {
		struct wire_in in = wire_in(str_from(packet, next_packet(w, packet)));
		struct wire_head h;
		struct str body;

		a->gone = in.p == in.end;
		if (a->gone)
			return;
		while (wire_next(&in, &h, &body)) {
			assert_int_equal(h.task, task);
			if (h.kind == WIRE_PART) {
				take_part(a, body);
				acknowledge(w, task);
			} else if (h.kind == WIRE_END) {
				take_end(a, body);
				return;
			}
		}
	}
}

static struct str zone;

static void run(struct peer *w, const char *sql, bool writes, struct answer *a)
{
	struct engine_ask ask = {.sql = str_of(sql), .form = ENGINE_NATIVE, .first_part_bytes = 1 << 20, .writes = writes,
				 .timezone = zone, .counts = writes ? ENGINE_STATUS : ENGINE_ROWS};
	OWNS(buf) b = {0};
	uint64_t task = w->next++;
	size_t at = wire_begin_record(&b, WIRE_RUN, task);

	wire_put_ask(&b, &ask, &scope);
	wire_end_record(&b, at);
	assert_int_equal(wire_send(w->jobs, buf_str(&b), -1), 0);
	collect(w, task, a);
	if (a->end.outcome != ENGINE_OK)
		print_message("%s: %.*s: %.*s\n", sql, SARG(a->end.class), SARG(a->end.text));
	assert_int_equal(a->end.outcome, ENGINE_OK);
}

static void execute(const char *sql)
{
	OWNS(answer) a;

	run(&the, sql, true, &a);
}

static void assert_rows(const char *sql, const char *rows)
{
	OWNS(answer) a;

	run(&the, sql, false, &a);
	if (!str_eq(buf_str(&a.rows), str_of(rows)))
		print_message("%s\n  is  %.*s\n  not %s\n", sql, SARG(buf_str(&a.rows)), rows);
	assert_str_equal(buf_str(&a.rows), rows);
}

/* --- ingests --- */
struct upload {
	uint64_t task;
	int fd;
};

static struct upload open_upload(struct peer *w, const char *table, enum engine_rows_format format)
{
	struct wire_ingest g = {.catalog = scope, .table = str_of(table), .format = format};
	struct upload u = {.task = w->next++};
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_INGEST, u.task);
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	wire_put_ingest(&b, &g);
	wire_end_record(&b, at);
	assert_int_equal(wire_send(w->jobs, buf_str(&b), fds[1]), 0);
	close(fds[1]);
	u.fd = fds[0];
	return u;
}

/* What the worker does not want any more goes nowhere. */
static void put_bytes(struct upload *u, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t sent = send(u->fd, (const char *)p + at, n - at, MSG_NOSIGNAL);

		if (sent < 0) {
			assert_true(errno == EPIPE || errno == ECONNRESET);
			return;
		}
		at += (size_t)sent;
	}
}

static void put_frame(struct upload *u, struct str bytes)
{
	uint32_t n = (uint32_t)bytes.n;

	put_bytes(u, &n, sizeof(n));
	put_bytes(u, bytes.p, bytes.n);
}

static void end_upload(struct peer *w, struct upload *u, bool complete, struct answer *a)
{
	if (complete)
		put_frame(u, S(""));
	close(u->fd);
	collect(w, u->task, a);
}

static void ingest(const char *table, enum engine_rows_format format, struct str bytes, size_t piece, struct answer *a)
{
	struct upload u = open_upload(&the, table, format);

	for (size_t at = 0; at < bytes.n; at += piece)
		put_frame(&u, str_head(str_tail(bytes, at), piece));
	end_upload(&the, &u, true, a);
}

static void takes(const char *table, enum engine_rows_format format, struct str bytes, int64_t rows)
{
	OWNS(answer) a;

	ingest(table, format, bytes, 4096, &a);
	if (a.end.outcome != ENGINE_OK)
		print_message("%.*s\n%.*s: %.*s: row %lld\n", SARG(str_head(bytes, 300)), SARG(a.end.class), SARG(a.end.text),
			      (long long)a.end.row);
	assert_int_equal(a.end.outcome, ENGINE_OK);
	assert_int_equal(a.end.rows, rows);
}

/* Nothing of it is kept. */
static void refuses(const char *table, enum engine_rows_format format, struct str bytes, const char *class, int64_t row,
		    const char *column)
{
	OWNS(answer) a;
	OWNS(answer) count = {0};
	char sql[128];

	ingest(table, format, bytes, 1000, &a);
	if (a.end.outcome != ENGINE_FAILED || !str_eq(a.end.class, str_of(class)) || a.end.row != row ||
	    !str_eq(a.end.column, str_of(column)))
		print_message("%.*s\n%d %.*s: %.*s: row %lld, column %.*s\n", SARG(str_head(bytes, 300)), (int)a.end.outcome,
			      SARG(a.end.class), SARG(a.end.text), (long long)a.end.row, SARG(a.end.column));
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_str_equal(a.end.class, class);
	assert_int_equal(a.end.row, row);
	assert_str_equal(a.end.column, column);
	assert_true(a.end.text.n > 0);
	if (strcmp(class, "Unknown Table") == 0)
		return;
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE id <> 1000", table);
	run(&the, sql, false, &count);
	assert_str_equal(buf_str(&count.rows), "[0]");
}

/* --- rows come in --- */
static void every_format_brings_rows(void **state)
{
	(void)state;
	execute("CREATE TABLE f (id INTEGER, name VARCHAR, price DOUBLE)");
	takes("f", ENGINE_ROWS_JSON, S("[{\"id\":1,\"name\":\"a\",\"price\":1.5},[2,\"b\",null]]"), 2);
	takes("f", ENGINE_ROWS_NDJSON, S("{\"NAME\":\"c\",\"id\":3}\n\n[4,\"d\",1e3]\n"), 2);
	takes("f", ENGINE_ROWS_CSV, S("price,ID\r\n2.5,5\r\n,6\r\n"), 2);
	takes("f", ENGINE_ROWS_CSV, S("name,id\n,7\n\"\",8\n\"x,\"\"\n\",9\n"), 3);
	takes("F", ENGINE_ROWS_JSON, S("[]"), 0);
	takes("f", ENGINE_ROWS_NDJSON, S(""), 0);
	takes("f", ENGINE_ROWS_CSV, S("id\n"), 0);
	assert_rows("SELECT * FROM f ORDER BY id", "[1,\"a\",1.5],[2,\"b\",null],[3,\"c\",null],[4,\"d\",1000.0],[5,null,2.5],"
						   "[6,null,null],[7,null,null],[8,\"\",null],[9,\"x,\\\"\\n\",null]");
	execute("DROP TABLE f");
}

static void frames_and_rows_are_cut_anywhere(void **state)
{
	static const size_t pieces[] = {1, 2, 3, 5, 7, 1 << 20};
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE cut (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 500; i++)
		buf_fmt(&b, "{\"id\":%d,\"name\":\"row \\u20ac %d\"}\n", i, i);
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		OWNS(answer) a;

		ingest("cut", ENGINE_ROWS_NDJSON, buf_str(&b), pieces[i], &a);
		assert_int_equal(a.end.outcome, ENGINE_OK);
		assert_int_equal(a.end.rows, 500);
	}
	assert_rows("SELECT count(*), sum(id), count(DISTINCT name), max(name) FROM cut",
		    "[3000,\"748500\",500,\"row \xE2\x82\xAC 99\"]");
	execute("DROP TABLE cut");
}

static void many_rows_keep_their_order(void **state)
{
	struct upload u;
	OWNS(answer) a;
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE many (id BIGINT PRIMARY KEY, name VARCHAR, at_day DATE)");
	u = open_upload(&the, "many", ENGINE_ROWS_NDJSON);
	for (int i = 0; i < 300000; i++) {
		/* dates of two writings: the column goes another way from row 150000 on */
		buf_fmt(&b, "{\"id\":%d,\"name\":\"row number %d\",\"at_day\":\"%s\"}\n", i, i,
			i < 150000 ? "2024-02-29" : "2024-2-29");
		if (b.n > 100000 || i == 299999) {
			put_frame(&u, buf_str(&b));
			buf_clear(&b);
		}
	}
	end_upload(&the, &u, true, &a);
	assert_int_equal(a.end.outcome, ENGINE_OK);
	assert_int_equal(a.end.rows, 300000);
	assert_int_equal(a.usage.tables, 1);
	assert_int_equal(a.usage.rows, 300000);
	assert_true(a.usage.bytes > 300000 * 20);
	assert_rows("SELECT count(*), sum(id), min(at_day), max(at_day), count(*) FILTER (name = 'row number ' || id) FROM many",
		    "[300000,\"44999850000\",\"2024-02-29\",\"2024-02-29\",300000]");
	assert_rows("SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY rowid) AS before FROM many) WHERE id < before", "[0]");
	execute("DROP TABLE many");
}

static void a_long_row_comes_whole(void **state)
{
	OWNS(buf) b = {0};
	OWNS(answer) a;

	(void)state;
	execute("CREATE TABLE long (id INTEGER, name VARCHAR)");
	for (int row = 0; row < 3; row++) {
		buf_fmt(&b, "{\"id\":%d,\"name\":\"", row);
		for (int i = 0; i < 600000; i++)
			buf_lit(&b, "0123456789");
		buf_lit(&b, "\"}\n");
	}
	ingest("long", ENGINE_ROWS_NDJSON, buf_str(&b), 60000, &a);
	assert_int_equal(a.end.rows, 3);
	assert_rows("SELECT id, length(name) FROM long ORDER BY id", "[0,6000000],[1,6000000],[2,6000000]");
	execute("DELETE FROM long");
	buf_clear(&b);
	buf_lit(&b, "{\"id\":1,\"name\":\"");
	while (b.n < (17 << 20))
		buf_lit(&b, "0123456789");
	refuses("long", ENGINE_ROWS_NDJSON, buf_str(&b), "Mismatch", 1, "");
	execute("DROP TABLE long");
}

/* --- types: what a native result writes comes back as the same value --- */
static const struct {
	const char *type, *value;
} typed[] = {
	{"BOOLEAN", "true"}, {"BOOLEAN", "false"},
	{"TINYINT", "-128"}, {"SMALLINT", "32767"}, {"INTEGER", "-2147483648"}, {"BIGINT", "-9223372036854775808"},
	{"BIGINT", "9223372036854775807"}, {"UTINYINT", "255"}, {"USMALLINT", "65535"}, {"UINTEGER", "4294967295"},
	{"UBIGINT", "18446744073709551615"},
	{"HUGEINT", "'-170141183460469231731687303715884105728'"}, {"HUGEINT", "'170141183460469231731687303715884105727'"},
	{"UHUGEINT", "'340282366920938463463374607431768211455'"},
	{"FLOAT", "0.1"}, {"FLOAT", "'NaN'"}, {"DOUBLE", "0.14285714285714285"}, {"DOUBLE", "'Infinity'"}, {"DOUBLE", "'-Infinity'"},
	{"DOUBLE", "'NaN'"}, {"DOUBLE", "1.7976931348623157e308"}, {"DOUBLE", "5e-324"}, {"DOUBLE", "-0.0"},
	{"DECIMAL(4,1)", "-999.9"}, {"DECIMAL(9,2)", "1234567.89"}, {"DECIMAL(18,3)", "123456789012345.678"},
	{"DECIMAL(38,10)", "1234567890123456789012345678.0123456789"}, {"DECIMAL(38,0)", "'-99999999999999999999999999999999999999'"},
	{"VARCHAR", "''"}, {"VARCHAR", "'a \"q\" \\ b' || chr(10) || chr(1) || '\xE2\x82\xAC \xF0\x9F\x98\x80'"}, {"VARCHAR", "'null'"},
	{"BLOB", "'\\x00\\xFFabc'::BLOB"}, {"BLOB", "''::BLOB"}, {"BIT", "'0101101'"},
	{"UUID", "'00112233-4455-6677-8899-aabbccddeeff'"},
	{"DATE", "'2024-02-29'"}, {"DATE", "'0044-03-15 (BC)'"}, {"DATE", "'infinity'"}, {"DATE", "'12345-01-01'"},
	{"TIME", "'23:59:59.999999'"}, {"TIME_NS", "'12:34:56.123456789'"}, {"TIMETZ", "'12:34:56.5+05:30'"},
	{"TIMESTAMP", "'2024-02-29 12:34:56.123456'"}, {"TIMESTAMP", "'-infinity'"}, {"TIMESTAMP", "'0044-03-15 (BC) 01:02:03.5'"}, {"TIMESTAMP", "'1969-12-31 23:59:59.999999'"},
	{"TIMESTAMP_S", "'2024-02-29 12:34:56'"}, {"TIMESTAMP_MS", "'2024-02-29 12:34:56.123'"},
	{"TIMESTAMP_NS", "'2024-02-29 12:34:56.123456789'"}, {"TIMESTAMPTZ", "'2024-02-29 12:34:56.123456+00'"},
	{"INTERVAL", "'1 year 2 months 3 days 04:05:06.789'"}, {"INTERVAL", "'-5 days -01:00:00'"},
	{"ENUM('x', 'y''z')", "'y''z'"},
	{"JSON", "'{\"a\":[1,2.50,\"x\",null]}'"}, {"JSON", "'\"text\"'"}, {"JSON", "'12'"},
	{"INTEGER[]", "[1,NULL,3]"}, {"VARCHAR[]", "['a','b\"c',NULL]"}, {"INTEGER[3]", "[1,2,3]"}, {"INTEGER[][]", "[[1],[],NULL]"},
	{"DOUBLE[]", "['NaN'::DOUBLE, 'Infinity', 1.5]"}, {"DECIMAL(10,2)[]", "[1.25, -3.5]"},
	{"HUGEINT[]", "['170141183460469231731687303715884105727']"},
	{"TIMESTAMP[]", "['2024-02-29 12:34:56.123456']"}, {"UUID[]", "['00112233-4455-6677-8899-aabbccddeeff']"},
	{"STRUCT(a INTEGER, \"b c\" VARCHAR)", "{'a': 1, 'b c': 'x'}"},
	{"STRUCT(a INTEGER, b STRUCT(c DATE, d INTERVAL))", "{'a': NULL, 'b': {'c': '2024-01-01', 'd': '3 days'}}"},
	{"MAP(VARCHAR, INTEGER)", "MAP {'k': 1, 'l': NULL}"}, {"MAP(INTEGER, VARCHAR)", "MAP {1: 'x', 2: 'y'}"},
	{"MAP(DATE, INTEGER[])", "MAP {'2024-01-01'::DATE: [1,2]}"}, {"STRUCT(m MAP(INTEGER, INTEGER))", "{'m': MAP {1: 2}}"},
	{"BLOB[]", "['\\x00\\x01\\x02'::BLOB, NULL, ''::BLOB]"}, {"STRUCT(\"a'\"\"b\" BLOB, c BIT)", "row('\\xFF'::BLOB, '011'::BIT)"},
	{"UNION(n INTEGER, s VARCHAR)", "union_value(s := '1')"}, {"UNION(n INTEGER, s VARCHAR)[]", "[union_value(n := 1), NULL]"},
	{"BIGNUM", "'123456789012345678901234567890123456789012345'"}, {"GEOMETRY", "'POINT (1 2)'"},
	{"STRUCT(a BLOB)[2]", "[{'a': '\\x01'::BLOB}, NULL]"}, {"MAP(VARCHAR, BLOB)", "MAP {'k': '\\x09'::BLOB}"},
};

static void write_out(struct buf *b)
{
	OWNS(answer) a;

	run(&the, "SELECT v FROM src ORDER BY id", false, &a);
	buf_lit(b, "[[7,");
	buf_add(b, str_from(a.rows.p + 1, a.rows.n - 2));
	buf_lit(b, "],{\"id\":8}]");
}

static void every_type_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(typed); i++) {
		OWNS(buf) sql = {0}, json = {0};

		buf_fmt(&sql, "CREATE TABLE src AS SELECT 7 AS id, CAST(%s AS %s) AS v", typed[i].value, typed[i].type);
		execute(buf_cstr(&sql));
		execute("CREATE TABLE dst AS SELECT * FROM src LIMIT 0");
		write_out(&json);
		takes("dst", ENGINE_ROWS_JSON, buf_str(&json), 2);
		assert_rows("SELECT count(*), count(*) FILTER (d.v IS NOT DISTINCT FROM s.v) FROM dst d, src s WHERE d.id = 7",
			    "[1,1]");
		assert_rows("SELECT v FROM dst WHERE id = 8", "[null]");
		execute("DROP TABLE src");
		execute("DROP TABLE dst");
	}
}

/* --- CSV has the cells as native results write them, without the quotes of JSON --- */
static void put_csv(struct buf *b, struct str cell)
{
	OWNS(arena) a = {0};

	if (str_eq(cell, S("null")))
		return;
	if (cell.n && cell.p[0] == '"')
		cell = json_unescape(&a, str_from(cell.p + 1, cell.n - 2));
	buf_addc(b, '"');
	for (size_t i = 0; i < cell.n; i++) {
		if (cell.p[i] == '"')
			buf_addc(b, '"');
		buf_addc(b, cell.p[i]);
	}
	buf_addc(b, '"');
}

static void every_type_comes_back_from_csv(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(typed); i++) {
		OWNS(buf) sql = {0}, csv = {0};
		OWNS(answer) a;

		if (strcmp(typed[i].value, "'\"text\"'") == 0)
			continue; /* a JSON text loses its quotes in CSV: what is left is no JSON */
		buf_fmt(&sql, "CREATE TABLE src AS SELECT 7 AS id, CAST(%s AS %s) AS v", typed[i].value, typed[i].type);
		execute(buf_cstr(&sql));
		execute("CREATE TABLE dst AS SELECT * FROM src LIMIT 0");
		run(&the, "SELECT v FROM src", false, &a);
		buf_lit(&csv, "v,id\r\n");
		put_csv(&csv, str_from(a.rows.p + 1, a.rows.n - 2));
		buf_lit(&csv, ",7\r\n,8\r\n");
		takes("dst", ENGINE_ROWS_CSV, buf_str(&csv), 2);
		assert_rows("SELECT count(*), count(*) FILTER (d.v IS NOT DISTINCT FROM s.v) FROM dst d, src s WHERE d.id = 7",
			    "[1,1]");
		assert_rows("SELECT v FROM dst WHERE id = 8", "[null]");
		execute("DROP TABLE src");
		execute("DROP TABLE dst");
	}
}

static void values_of_other_writings_fit(void **state)
{
	(void)state;
	execute("CREATE TABLE w (id INTEGER, small TINYINT, name VARCHAR, "
		"price DECIMAL(6,2), day DATE, at_time TIMESTAMP, yes BOOLEAN)");
	takes("w", ENGINE_ROWS_JSON, S("[[1.0,\"42\",7,1.005,\"2024-2-9\",\"2024-02-09\",\"TRUE\"],"
				       "[2e0,4.2e1,true,\"-1.5\",\"2024-02-10\",\"2024-02-09 01:02\",false],"
				       "[\"3\",-1,{\"a\":[1]},0,null,\"2024-02-09T00:00:00Z\",null]]"), 3);
	assert_rows("SELECT * FROM w ORDER BY id",
		    "[1,42,\"7\",\"1.01\",\"2024-02-09\",\"2024-02-09T00:00:00.000000\",true],"
		    "[2,42,\"true\",\"-1.50\",\"2024-02-10\",\"2024-02-09T01:02:00.000000\",false],"
		    "[3,-1,\"{\\\"a\\\":[1]}\",\"0.00\",null,\"2024-02-09T00:00:00.000000\",null]");
	execute("DROP TABLE w");
}

static void times_without_a_zone_are_utc(void **state)
{
	(void)state;
	execute("CREATE TABLE z (id INTEGER, v TIMESTAMPTZ)");
	zone = S("America/New_York");
	assert_rows("SELECT CAST(TIMESTAMPTZ '2024-01-01 00:00:00Z' AS DATE)", "[\"2023-12-31\"]");
	zone = (struct str){NULL, 0};
	takes("z", ENGINE_ROWS_JSON, S("[[1,\"2024-01-01 00:00:00\"],[2,\"2024-01-01T02:00:00+02:00\"]]"), 2);
	assert_rows("SELECT count(*) FROM z WHERE epoch(v) = 1704067200", "[2]");
	execute("DROP TABLE z");
}

static void defaults_stand_for_what_is_not_given(void **state)
{
	(void)state;
	execute("CREATE SEQUENCE numbers START 5");
	execute("CREATE TABLE d (id INTEGER, n INTEGER NOT NULL DEFAULT nextval('numbers'), "
		"s VARCHAR DEFAULT 'it''s', twice AS (id * 2))");
	takes("d", ENGINE_ROWS_NDJSON, S("{\"id\":1}\n{\"id\":2,\"s\":null,\"n\":0}\n{\"id\":3,\"s\":\"x\"}\n"), 3);
	takes("d", ENGINE_ROWS_CSV, S("id\n4\n"), 1);
	takes("d", ENGINE_ROWS_JSON, S("[[5,6,\"y\"]]"), 1);
	assert_rows("SELECT id, s, twice FROM d ORDER BY id",
		    "[1,\"it's\",2],[2,null,4],[3,\"x\",6],[4,\"it's\",8],[5,\"y\",10]");
	assert_rows("SELECT count(DISTINCT n), min(n) FROM d WHERE id IN (1, 3, 4)", "[3,5]");
	execute("DELETE FROM d");
	refuses("d", ENGINE_ROWS_JSON, S("[{\"id\":1,\"twice\":2}]"), "Mismatch", 1, "twice");
	refuses("d", ENGINE_ROWS_JSON, S("[{\"id\":1,\"n\":null}]"), "Mismatch", 1, "n");
	execute("DROP TABLE d");
	execute("DROP SEQUENCE numbers");
}

/* --- what does not fit --- */
static void rows_that_do_not_fit_leave_nothing(void **state)
{
	static const struct {
		const char *rows;
		int row;
		const char *column;
	} bad[] = {
		{"[[1,2,3]]", 1, ""}, {"[[1]]", 1, ""}, {"[{\"id\":1},{\"idd\":2}]", 2, "idd"}, {"[{\"id\":1,\"ID\":2}]", 1, "id"},
		{"[{\"id\":1},{\"id\":1.5}]", 2, "id"}, {"[{\"id\":\"NaN\"}]", 1, "id"}, {"[{\"id\":NaN}]", 1, "id"},
		{"[{\"id\":\"text\"}]", 1, "id"}, {"[{\"id\":2147483648}]", 1, "id"}, {"[{\"id\":-2147483649}]", 1, "id"},
		{"[{\"id\":true}]", 1, "id"}, {"[{\"id\":[1]}]", 1, "id"}, {"[{\"id\":\"\"}]", 1, "id"}, {"[{\"id\":\" 1\"}]", 1, "id"},
		{"[{\"id\":99999999999999999999999999999999999999999999}]", 1, "id"}, {"[{\"id\":1},{\"id\":null}]", 2, "id"},
		{"[{\"id\":1},{\"v\":5}]", 2, "id"}, {"[{\"id\":1}", 2, ""}, {"[{\"id\":1},{\"id\":2", 2, ""}, {"", 1, ""},
	};
	static const struct {
		const char *type, *value;
	} cells[] = {
		{"BOOLEAN", "1"}, {"BOOLEAN", "\"maybe\""}, {"UTINYINT", "-1"}, {"UBIGINT", "18446744073709551616"}, {"HUGEINT", "0.5"},
		{"UHUGEINT", "-1"}, {"HUGEINT", "170141183460469231731687303715884105728"}, {"DECIMAL(4,1)", "1000"},
		{"DECIMAL(4,1)", "999.95"}, {"DECIMAL(4,1)", "\"NaN\""}, {"DOUBLE", "1e400"}, {"DOUBLE", "\"abc\""}, {"DOUBLE", "true"},
		{"FLOAT", "1e39"}, {"DATE", "20240101"}, {"DATE", "\"2024-02-30\""}, {"DATE", "\"soon\""},
		{"TIMESTAMP", "\"2024-01-01 25:00:00\""},
		{"TIMESTAMP", "17e8"}, {"TIME", "\"25:00\""}, {"UUID", "\"abc\""}, {"INTERVAL", "\"3 moons\""}, {"ENUM('a')", "\"b\""},
		{"BLOB", "\"no base64\""}, {"BLOB", "\"A\""}, {"BIT", "\"012\""}, {"INTEGER[]", "[1,\"x\"]"}, {"INTEGER[]", "5"},
		{"INTEGER[2]", "[1]"}, {"STRUCT(a INTEGER)", "{\"b\":1}"}, {"STRUCT(a BLOB)", "[1]"}, {"MAP(INTEGER, INTEGER)", "{\"x\":1}"},
		{"BLOB[]", "[\"!\"]"},
	};

	(void)state;
	execute("CREATE TABLE bad (id INTEGER NOT NULL, v INTEGER)");
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		refuses("bad", ENGINE_ROWS_JSON, str_of(bad[i].rows), "Mismatch", bad[i].row, bad[i].column);
	refuses("bad", ENGINE_ROWS_CSV, S("id,id\n1,2\n"), "Mismatch", 0, "id");
	refuses("bad", ENGINE_ROWS_CSV, S("id,x\n1,2\n"), "Mismatch", 0, "x");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,2\n1\n"), "Mismatch", 2, "");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,2\n1,2,3\n"), "Mismatch", 2, "");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,2\n,2\n"), "Mismatch", 2, "id");
	refuses("bad", ENGINE_ROWS_CSV, S("v\n1\n"), "Mismatch", 0, "id");
	refuses("bad", ENGINE_ROWS_CSV, S("id,v\n1,\"x"), "Mismatch", 1, "");
	refuses("nowhere", ENGINE_ROWS_JSON, S("[]"), "Unknown Table", 0, "");
	refuses("", ENGINE_ROWS_JSON, S("[]"), "Unknown Table", 0, "");
	execute("CREATE VIEW looks AS SELECT * FROM bad");
	refuses("looks", ENGINE_ROWS_JSON, S("[]"), "Unknown Table", 0, "");
	execute("DROP VIEW looks");
	execute("DROP TABLE bad");
	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		OWNS(buf) sql = {0}, rows = {0};

		buf_fmt(&sql, "CREATE TABLE cells (id INTEGER, v %s)", cells[i].type);
		execute(buf_cstr(&sql));
		for (int n = 1; n < 5000; n++)
			buf_fmt(&rows, "{\"id\":%d,\"v\":null}\n", n);
		buf_fmt(&rows, "{\"id\":5000,\"v\":%s}\n{\"id\":5001,\"v\":%s}\n", cells[i].value, cells[i].value);
		refuses("cells", ENGINE_ROWS_NDJSON, buf_str(&rows), "Mismatch", 5000, "v");
		execute("DROP TABLE cells");
	}
}

static void constraints_are_told_from_mismatches(void **state)
{
	(void)state;
	execute("CREATE TABLE keyed (id INTEGER PRIMARY KEY, code VARCHAR UNIQUE, n INTEGER CHECK (n > 0))");
	execute("INSERT INTO keyed VALUES (1000, 'x', 1)");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[2,\"b\",1],[1,\"c\",1]]"), "Constraint", 3, "id");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[1000,\"b\",1]]"), "Constraint", 2, "id");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[2,\"x\",1]]"), "Constraint", 2, "code");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\",1],[2,\"b\",0]]"), "Constraint", 0, "");
	takes("keyed", ENGINE_ROWS_JSON, S("[[1,null,1],[2,null,null]]"), 2);
	execute("DROP TABLE keyed");
	execute("CREATE TABLE keyed (id INTEGER, code VARCHAR, PRIMARY KEY (id, code))");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\"],[1,\"b\"],[1,\"a\"]]"), "Constraint", 0, "");
	refuses("keyed", ENGINE_ROWS_JSON, S("[[1,\"a\"],[1,null]]"), "Mismatch", 2, "code");
	execute("DROP TABLE keyed");
}

static void a_clash_far_behind_is_found(void **state)
{
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE far (id INTEGER PRIMARY KEY)");
	for (int i = 0; i < 250000; i++)
		buf_fmt(&b, "[%d]\n", i == 249990 ? 3 : i);
	refuses("far", ENGINE_ROWS_NDJSON, buf_str(&b), "Constraint", 249991, "id");
	execute("DROP TABLE far");
}

/* --- limits --- */
static void limits_end_an_ingest_early(void **state)
{
	const struct wire_catalog before = scope;
	struct upload u;
	OWNS(answer) a;
	OWNS(answer) b;
	OWNS(buf) rows = {0};

	(void)state;
	execute("CREATE TABLE small (id INTEGER, name VARCHAR)");
	for (int i = 0; i < 20000; i++)
		buf_fmt(&rows, "[%d,\"some text of a row\"]\n", i);
	scope.max.rows = 10000;
	u = open_upload(&the, "small", ENGINE_ROWS_NDJSON);
	put_frame(&u, buf_str(&rows)); /* and no end: it is refused before that */
	collect(&the, u.task, &a);
	close(u.fd);
	assert_int_equal(a.end.outcome, ENGINE_FULL);
	assert_str_equal(a.end.class, "rows");
	scope.max = before.max;
	scope.max.bytes = 100000;
	ingest("small", ENGINE_ROWS_NDJSON, buf_str(&rows), 4096, &b);
	assert_int_equal(b.end.outcome, ENGINE_FULL);
	assert_str_equal(b.end.class, "bytes");
	scope = before;
	assert_rows("SELECT count(*) FROM small", "[0]");
	takes("small", ENGINE_ROWS_NDJSON, buf_str(&rows), 20000);
	execute("DROP TABLE small");
}

/* --- ends --- */
static void a_stream_that_just_ends_leaves_nothing(void **state)
{
	struct upload u;

	(void)state;
	execute("CREATE TABLE half (id INTEGER)");
	for (int how = 0; how < 4; how++) {
		OWNS(answer) a;
		const uint32_t size = 100;

		u = open_upload(&the, "half", how == 3 ? ENGINE_ROWS_PARQUET : ENGINE_ROWS_JSON);
		if (how > 0)
			put_frame(&u, S("[[1],[2]]"));
		if (how == 2)
			put_bytes(&u, &size, 3);
		end_upload(&the, &u, false, &a);
		assert_int_equal(a.end.outcome, ENGINE_FAILED);
		assert_str_equal(a.end.class, "Incomplete");
	}
	assert_rows("SELECT count(*) FROM half", "[0]");
	execute("DROP TABLE half");
}

static void send_cancel(struct peer *w, uint64_t task)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_CANCEL, task);

	wire_end_record(&b, at);
	assert_int_equal(wire_send(w->control, buf_str(&b), -1), 0);
}

static void a_cancel_ends_a_silent_stream(void **state)
{
	static const enum engine_rows_format formats[] = {ENGINE_ROWS_NDJSON, ENGINE_ROWS_CSV, ENGINE_ROWS_PARQUET};

	(void)state;
	execute("CREATE TABLE silent (id INTEGER)");
	for (size_t i = 0; i < COUNT_OF(formats); i++) {
		struct upload u = open_upload(&the, "silent", formats[i]);
		OWNS(answer) a;

		put_frame(&u, formats[i] == ENGINE_ROWS_CSV ? S("id\n1\n") : S("[1]\n"));
		send_cancel(&the, u.task);
		collect(&the, u.task, &a);
		close(u.fd);
		assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
	}
	assert_rows("SELECT count(*) FROM silent", "[0]");
	execute("DROP TABLE silent");
}

static void two_streams_go_side_by_side(void **state)
{
	struct upload one, two;
	OWNS(answer) a;
	OWNS(answer) b;

	(void)state;
	execute("CREATE TABLE side (id INTEGER)");
	one = open_upload(&the, "side", ENGINE_ROWS_NDJSON);
	two = open_upload(&the, "side", ENGINE_ROWS_NDJSON);
	for (int i = 0; i < 5000; i++) {
		put_frame(&one, S("[1]\n"));
		put_frame(&two, S("[2]\n"));
	}
	end_upload(&the, &one, true, &a);
	assert_int_equal(a.end.rows, 5000);
	assert_rows("SELECT id, count(*) FROM side GROUP BY id", "[1,5000]");
	end_upload(&the, &two, true, &b);
	assert_int_equal(b.end.rows, 5000);
	assert_int_equal(b.usage.rows, 10000);
	execute("DROP TABLE side");
}

static void the_second_commit_of_a_key_is_refused(void **state)
{
	struct upload one, two;
	OWNS(answer) a;
	OWNS(answer) b;
	OWNS(buf) rows = {0};

	(void)state;
	execute("CREATE TABLE race (id INTEGER PRIMARY KEY)");
	for (int i = 0; i < 200000; i++)
		buf_fmt(&rows, "[%d]\n", i);
	one = open_upload(&the, "race", ENGINE_ROWS_NDJSON);
	two = open_upload(&the, "race", ENGINE_ROWS_NDJSON);
	put_frame(&one, buf_str(&rows));
	put_frame(&two, buf_str(&rows));
	end_upload(&the, &one, true, &a);
	end_upload(&the, &two, true, &b);
	assert_int_equal(a.end.outcome, ENGINE_OK);
	assert_int_equal(b.end.outcome, ENGINE_FAILED);
	assert_str_equal(b.end.class, "Constraint");
	assert_rows("SELECT count(*) FROM race", "[200000]");
	execute("DROP TABLE race");
}

/* --- Parquet --- */
static void put_parquet(struct buf *b, const char *select)
{
	char path[128], sql[512], piece[4096];
	duckdb_database db;
	duckdb_connection con;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/made.parquet", the.dir);
	snprintf(sql, sizeof(sql), "COPY (%s) TO '%s' (FORMAT parquet)", select, path);
	assert_int_equal(duckdb_open(NULL, &db), DuckDBSuccess);
	assert_int_equal(duckdb_connect(db, &con), DuckDBSuccess);
	assert_int_equal(duckdb_query(con, sql, NULL), DuckDBSuccess);
	duckdb_disconnect(&con);
	duckdb_close(&db);
	file = fopen(path, "rb");
	assert_non_null(file);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(b, str_from(piece, n));
	fclose(file);
	unlink(path);
}

static void takes_parquet(const char *table, const char *select, int64_t rows)
{
	OWNS(buf) b = {0};

	put_parquet(&b, select);
	takes(table, ENGINE_ROWS_PARQUET, buf_str(&b), rows);
}

static void refuses_parquet(const char *table, const char *select, int64_t row, const char *column)
{
	OWNS(buf) b = {0};

	put_parquet(&b, select);
	refuses(table, ENGINE_ROWS_PARQUET, buf_str(&b), "Mismatch", row, column);
}

static int files_in_incoming(void)
{
	char command[128];
	int n = -1;
	FILE *p;

	snprintf(command, sizeof(command), "ls %s/incoming | wc -l", the.dir);
	p = popen(command, "r");
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

static void parquet_files_bring_rows(void **state)
{
	OWNS(buf) b = {0};

	(void)state;
	execute("CREATE TABLE pq (id INTEGER NOT NULL, name VARCHAR DEFAULT 'none', day DATE, list INTEGER[])");
	takes_parquet("pq", "SELECT DATE '2024-01-01' + i::INT AS day, i AS ID, [i, 2] AS list FROM range(100000) t(i)", 100000);
	assert_rows("SELECT count(*), sum(id), min(name), max(day), max(list[1]) FROM pq",
		    "[100000,\"4999950000\",\"none\",\"2297-10-15\",99999]");
	execute("DELETE FROM pq");
	refuses_parquet("pq", "SELECT 1 AS id, 2 AS other", 0, "other");
	refuses_parquet("pq", "SELECT CASE WHEN i = 70 THEN 3000000000 ELSE i END AS id FROM range(100) t(i)", 71, "id");
	refuses_parquet("pq", "SELECT i AS id, CASE WHEN i = 7 THEN 'soon' ELSE '2024-01-01' END AS day FROM range(100) t(i)", 8, "day");
	refuses_parquet("pq", "SELECT CASE WHEN i <> 5 THEN i END AS id FROM range(10) t(i)", 6, "id");
	put_parquet(&b, "SELECT i AS id FROM range(100000) t(i)");
	refuses("pq", ENGINE_ROWS_PARQUET, str_head(buf_str(&b), b.n / 2), "Mismatch", 0, "");
	refuses("pq", ENGINE_ROWS_PARQUET, S("id\n1\n"), "Mismatch", 0, "");
	refuses("pq", ENGINE_ROWS_PARQUET, S(""), "Mismatch", 0, "");
	b.p[b.n / 3] ^= 0x55;
	memset(b.p + 100, 0x5A, 1000);
	refuses("pq", ENGINE_ROWS_PARQUET, buf_str(&b), "Mismatch", 0, "");
	assert_int_equal(files_in_incoming(), 0);
	execute("DROP TABLE pq");
}

static void parquet_values_count_as_large_as_they_are(void **state)
{
	const struct wire_catalog before = scope;
	OWNS(buf) b = {0};
	OWNS(answer) a;

	(void)state;
	execute("CREATE TABLE large (id INTEGER, v VARCHAR)");
	put_parquet(&b, "SELECT i AS id, repeat('x', 10000) AS v FROM range(1000) t(i)"); /* one value in its dictionary */
	assert_true(b.n < 100000);
	scope.max.bytes = 1000000;
	ingest("large", ENGINE_ROWS_PARQUET, buf_str(&b), 4096, &a);
	assert_int_equal(a.end.outcome, ENGINE_FULL);
	assert_str_equal(a.end.class, "bytes");
	scope = before;
	assert_rows("SELECT count(*) FROM large", "[0]");
	takes("large", ENGINE_ROWS_PARQUET, buf_str(&b), 1000);
	execute("DROP TABLE large");
}

static void a_bad_packet_ends_the_worker(void **state)
{
	struct peer w = {.next = 1};
	struct wire_ingest g = {.catalog = scope, .table = S("x")};
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_INGEST, 1);

	(void)state;
	folder_make(w.dir);
	start_in(&w);
	wire_put_ingest(&b, &g);
	wire_end_record(&b, at);
	assert_int_equal(wire_send(w.jobs, buf_str(&b), -1), 0); /* no stream came along */
	assert_int_equal(WEXITSTATUS(wait_gone(&w)), WORKER_EXIT_BAD_PACKET);
	close(w.jobs);
	close(w.control);
	folder_remove(w.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_brings_rows),
		cmocka_unit_test(frames_and_rows_are_cut_anywhere),
		cmocka_unit_test(many_rows_keep_their_order),
		cmocka_unit_test(a_long_row_comes_whole),
		cmocka_unit_test(every_type_comes_back),
		cmocka_unit_test(every_type_comes_back_from_csv),
		cmocka_unit_test(values_of_other_writings_fit),
		cmocka_unit_test(times_without_a_zone_are_utc),
		cmocka_unit_test(defaults_stand_for_what_is_not_given),
		cmocka_unit_test(rows_that_do_not_fit_leave_nothing),
		cmocka_unit_test(constraints_are_told_from_mismatches),
		cmocka_unit_test(a_clash_far_behind_is_found),
		cmocka_unit_test(limits_end_an_ingest_early),
		cmocka_unit_test(a_stream_that_just_ends_leaves_nothing),
		cmocka_unit_test(a_cancel_ends_a_silent_stream),
		cmocka_unit_test(two_streams_go_side_by_side),
		cmocka_unit_test(the_second_commit_of_a_key_is_refused),
		cmocka_unit_test(parquet_files_bring_rows),
		cmocka_unit_test(parquet_values_count_as_large_as_they_are),
		cmocka_unit_test(a_bad_packet_ends_the_worker),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
