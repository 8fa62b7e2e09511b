/* ingest_test.c - rows into a table, the worker's side: formats, types, errors, limits, ends. */
#include "engine/engine.h"
#include "engine/wire.h"
#include "engine/worker.h"

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
	char dir[64];
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
	strcpy(the.dir, "/tmp/mayfly-ingest-XXXXXX");
	assert_non_null(mkdtemp(the.dir));
	start_in(&the);
	return 0;
}

static int finish(void **state)
{
	char command[128];

	(void)state;
	close(the.control);
	assert_int_equal(wait_gone(&the), 0);
	close(the.jobs);
	snprintf(command, sizeof(command), "rm -rf %s", the.dir);
	assert_int_equal(system(command), 0);
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

static void run(struct peer *w, const char *sql, bool writes, struct answer *a)
{
	struct engine_ask ask = {.sql = str_of(sql), .form = ENGINE_NATIVE, .first_part_bytes = 1 << 20, .writes = writes,
				 .counts = writes ? ENGINE_STATUS : ENGINE_ROWS};
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
static void refuses(const char *table, enum engine_rows_format format, struct str bytes, const char *class, int64_t row, const char *column)
{
	OWNS(answer) a;
	OWNS(answer) count;
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
	assert_rows("SELECT count(*), sum(id), count(DISTINCT name), max(name) FROM cut", "[3000,\"748500\",500,\"row \xE2\x82\xAC 99\"]");
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
		buf_fmt(&b, "{\"id\":%d,\"name\":\"row number %d\",\"at_day\":\"%s\"}\n", i, i, i < 150000 ? "2024-02-29" : "2024-2-29");
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
	{"TIMESTAMP", "'2024-02-29 12:34:56.123456'"}, {"TIMESTAMP", "'-infinity'"}, {"TIMESTAMP", "'1969-12-31 23:59:59.999999'"},
	{"TIMESTAMP_S", "'2024-02-29 12:34:56'"}, {"TIMESTAMP_MS", "'2024-02-29 12:34:56.123'"},
	{"TIMESTAMP_NS", "'2024-02-29 12:34:56.123456789'"}, {"TIMESTAMPTZ", "'2024-02-29 12:34:56.123456+00'"},
	{"INTERVAL", "'1 year 2 months 3 days 04:05:06.789'"}, {"INTERVAL", "'-5 days -01:00:00'"},
	{"ENUM('x', 'y''z')", "'y''z'"},
	{"JSON", "'{\"a\":[1,2.50,\"x\",null]}'"}, {"JSON", "'\"text\"'"}, {"JSON", "'12'"},
	{"INTEGER[]", "[1,NULL,3]"}, {"VARCHAR[]", "['a','b\"c',NULL]"}, {"INTEGER[3]", "[1,2,3]"}, {"INTEGER[][]", "[[1],[],NULL]"},
	{"DOUBLE[]", "['NaN'::DOUBLE, 'Infinity', 1.5]"}, {"DECIMAL(10,2)[]", "[1.25, -3.5]"}, {"HUGEINT[]", "['170141183460469231731687303715884105727']"},
	{"TIMESTAMP[]", "['2024-02-29 12:34:56.123456']"}, {"UUID[]", "['00112233-4455-6677-8899-aabbccddeeff']"},
	{"STRUCT(a INTEGER, \"b c\" VARCHAR)", "{'a': 1, 'b c': 'x'}"}, {"STRUCT(a INTEGER, b STRUCT(c DATE, d INTERVAL))", "{'a': NULL, 'b': {'c': '2024-01-01', 'd': '3 days'}}"},
	{"MAP(VARCHAR, INTEGER)", "MAP {'k': 1, 'l': NULL}"}, {"MAP(INTEGER, VARCHAR)", "MAP {1: 'x', 2: 'y'}"},
	{"MAP(DATE, INTEGER[])", "MAP {'2024-01-01'::DATE: [1,2]}"}, {"STRUCT(m MAP(INTEGER, INTEGER))", "{'m': MAP {1: 2}}"},
	{"BLOB[]", "['\\x00\\x01\\x02'::BLOB, NULL, ''::BLOB]"}, {"STRUCT(\"a'\"\"b\" BLOB, c BIT)", "row('\\xFF'::BLOB, '011'::BIT)"},
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
		assert_rows("SELECT count(*), count(*) FILTER (d.v IS NOT DISTINCT FROM s.v) FROM dst d, src s WHERE d.id = 7", "[1,1]");
		assert_rows("SELECT v FROM dst WHERE id = 8", "[null]");
		execute("DROP TABLE src");
		execute("DROP TABLE dst");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_brings_rows),
		cmocka_unit_test(frames_and_rows_are_cut_anywhere),
		cmocka_unit_test(many_rows_keep_their_order),
		cmocka_unit_test(a_long_row_comes_whole),
		cmocka_unit_test(every_type_comes_back),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
