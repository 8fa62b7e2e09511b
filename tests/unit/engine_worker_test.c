/* engine_worker_test.c - the worker side of engine/, in a process of its own over its two sockets. */
#include "engine/engine.h"
#include "engine/wire.h"
#include "engine/worker.h"

#include "folder.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* --- a worker --- */
struct peer {
	pid_t pid;
	int jobs, control;
	uint64_t next;
	char dir[FOLDER_PATH_MAX];
	bool landlock, seccomp, rlimits;
};

static void become_worker(const char *dir, int jobs, int control, const char *memory, const char *concurrent)
{
	char *argv[] = {"engine", "--dir", (char *)(uintptr_t)dir, "--memory", (char *)(uintptr_t)memory, "--temp",
		"100000000", "--threads", "2", "--concurrent", (char *)(uintptr_t)concurrent, NULL};
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

static size_t next_packet(struct peer *w, char *packet, int *ret_fd, int wait_ms)
{
	struct pollfd p = {.fd = w->jobs, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, wait_ms) != 1)
		return 0;
	n = wire_recv(w->jobs, packet, WIRE_PACKET, ret_fd, 0);
	return n > 0 ? (size_t)n : 0;
}

static void start_in(struct peer *w, const char *memory, const char *concurrent)
{
	static char packet[WIRE_PACKET];
	int jobs[2], control[2], fd;
	struct wire_in in;
	struct wire_head h;
	struct str body;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, jobs), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	w->pid = fork();
	if (w->pid == 0)
		become_worker(w->dir, jobs[1], control[1], memory, concurrent);
	close(jobs[1]);
	close(control[1]);
	w->jobs = jobs[0];
	w->control = control[0];
	in = wire_in(str_from(packet, next_packet(w, packet, &fd, 20000)));
	assert_true(wire_next(&in, &h, &body));
	if (h.kind == WIRE_FATAL)
		print_error("%.*s\n", SARG(str_tail(body, 4)));
	assert_int_equal(h.kind, WIRE_HELLO);
	in = wire_in(body);
	assert_true(str_starts(wire_get_text(&in), S("v1.")));
	w->landlock = wire_get_u8(&in);
	w->seccomp = wire_get_u8(&in);
	w->rlimits = wire_get_u8(&in);
	assert_false(in.bad);
}

static struct peer start(const char *memory, const char *concurrent)
{
	struct peer w = {.next = 1};

	folder_make(w.dir);
	start_in(&w, memory, concurrent);
	return w;
}

static int wait_gone(struct peer *w)
{
	int status = 0;

	for (int i = 0; i < 1000; i++) {
		if (waitpid(w->pid, &status, WNOHANG) == w->pid)
			return status;
		poll(NULL, 0, 10);
	}
	kill(w->pid, SIGKILL);
	waitpid(w->pid, &status, 0);
	return -1;
}

static void stop(struct peer *w)
{
	if (w->pid <= 0)
		return;
	close(w->control);
	assert_int_equal(wait_gone(w), 0);
	close(w->jobs);
	folder_remove(w->dir);
}

/* --- a statement --- */
struct answer {
	struct arena arena;
	struct engine_column *columns;
	int ncolumns;
	struct buf data;    /* the rows of all partitions, joined by commas */
	int parts;
	struct wire_part part[64];
	struct engine_end end;
	bool gone;          /* the worker went instead */
	int progress;
};

static void control_send(struct peer *w, enum wire_kind kind, uint64_t task, uint32_t n)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, kind, task);

	if (kind == WIRE_ACK)
		wire_u32(&b, n);
	wire_end_record(&b, at);
	if (wire_send(w->control, buf_str(&b), -1) != 0)
		assert_true(errno == EPIPE || errno == ECONNRESET); /* it went; the answer tells */
}

static uint64_t submit(struct peer *w, const struct engine_ask *ask)
{
	OWNS(buf) b = {0}, body = {0};
	uint64_t task = w->next++;
	size_t at = wire_begin_record(&b, WIRE_RUN, task);
	int fd = -1;

	wire_put_ask(&body, ask, NULL);
	if (body.n > WIRE_INLINE)
		fd = wire_memfd(buf_str(&body));
	else
		buf_add(&b, buf_str(&body));
	wire_end_record(&b, at);
	if (fd >= 0)
		b.p[at + offsetof(struct wire_head, in_fd)] = 1;
	assert_int_equal(wire_send(w->jobs, buf_str(&b), fd), 0);
	if (fd >= 0)
		close(fd);
	return task;
}

static void add_rows(struct answer *a, struct str json)
{
	struct str rows;

	assert_true(str_starts(json, S("{\"data\":[")));
	assert_true(str_ends(json, S("]}")));
	rows = str_head(str_tail(json, 9), json.n - 11);
	if (a->data.n && rows.n)
		buf_addc(&a->data, ',');
	buf_add(&a->data, rows);
}

static void take_part(struct answer *a, struct str body, int fd)
{
	struct wire_part head;
	struct str bytes;
	void *p = NULL;
	bool mapped = false;
	struct call c;

	call_open(&c, &a->arena);
	memcpy(&head, body.p, sizeof(head));
	bytes = str_tail(body, sizeof(head));
	if (fd >= 0) {
		assert_true(wire_take_memfd(&c, fd, head.size, &p, &mapped));
		assert_true(mapped);
		bytes = str_from(p, head.size);
	}
	assert_int_equal(bytes.n, head.size);
	if (a->parts < 64)
		a->part[a->parts] = head;
	a->parts++;
	if (head.gzip) {
		struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
		size_t cap = (size_t)(head.row_bytes + head.rows + 64), n;
		char *text = base_alloc(cap);

		assert_int_equal(libdeflate_gzip_decompress(d, bytes.p, bytes.n, text, cap, &n), LIBDEFLATE_SUCCESS);
		add_rows(a, str_from(text, n));
		free(text);
		libdeflate_free_decompressor(d);
	} else {
		add_rows(a, bytes);
	}
	if (p)
		engine_bytes_unref(engine_bytes_adopt(p, head.size, mapped));
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
	wire_get_usage(&in);
	assert_false(in.bad);
}

static void take_columns(struct answer *a, struct str body, int fd)
{
	struct call c;
	void *p = NULL;
	bool mapped;

	call_open(&c, &a->arena);
	if (fd >= 0) {
		size_t size = wire_fd_size(fd);

		assert_true(wire_take_memfd(&c, fd, size, &p, &mapped));
		body = str_from(p, size);
	}
	body = arena_dup(&a->arena, body);
	if (p)
		engine_bytes_unref(engine_bytes_adopt(p, body.n, mapped));
	assert_true(engine_columns(&c, body, &a->columns, &a->ncolumns));
}

/* Reads until the end of this task; other tasks' records are not expected. */
static void collect_acking(struct peer *w, uint64_t task, struct answer *a, bool ack)
{
	static char packet[WIRE_PACKET];

	*a = (struct answer){.end.outcome = ENGINE_LOST};
	for (;;) {
		int fd = -1;
		size_t n = next_packet(w, packet, &fd, 60000);
		struct wire_in in = wire_in(str_from(packet, n));
		struct wire_head h;
		struct str body;

		if (n == 0) {
			a->gone = true;
			return;
		}
		while (wire_next(&in, &h, &body)) {
			if (h.kind == WIRE_FATAL)
				continue;
			assert_int_equal(h.task, task);
			if (h.kind == WIRE_COLUMNS)
				take_columns(a, body, h.in_fd ? fd : -1);
			else if (h.kind == WIRE_PROGRESS)
				a->progress++;
			else if (h.kind == WIRE_PART) {
				take_part(a, body, h.in_fd ? fd : -1);
				if (ack)
					control_send(w, WIRE_ACK, task, 1);
			} else {
				assert_int_equal(h.kind, WIRE_END);
				take_end(a, body);
				return;
			}
		}
		assert_false(in.bad);
	}
}

static void answer_drop(struct answer *a)
{
	arena_close(&a->arena);
	buf_drop(&a->data);
}

static void run(struct peer *w, const struct engine_ask *ask, struct answer *a)
{
	collect_acking(w, submit(w, ask), a, true);
}

static struct engine_ask asking(const char *sql, enum engine_form form)
{
	return (struct engine_ask){.sql = str_of(sql), .form = form, .helpers = form == ENGINE_SNOWFLAKE,
		.first_part_bytes = 100000};
}

static void assert_ok(const struct answer *a)
{
	if (a->end.outcome != ENGINE_OK)
		print_error("%.*s: %.*s\n", SARG(a->end.class), SARG(a->end.text));
	assert_int_equal(a->end.outcome, ENGINE_OK);
}

static void assert_data(struct peer *w, enum engine_form form, const char *sql, const char *rows)
{
	struct engine_ask ask = asking(sql, form);
	OWNS(answer) a;

	run(w, &ask, &a);
	assert_ok(&a);
	if (strcmp(buf_cstr(&a.data), rows) != 0)
		print_error("%s\n  got  %s\n  want %s\n", sql, buf_cstr(&a.data), rows);
	assert_string_equal(buf_cstr(&a.data), rows);
}

static void do_sql(struct peer *w, const char *sql)
{
	struct engine_ask ask = asking(sql, ENGINE_NATIVE);
	OWNS(answer) a;

	ask.counts = ENGINE_STATUS;
	run(w, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.end.rows, 0);
	assert_int_equal(a.parts, 0);
}

static struct peer the; /* most tests share one worker: four executors */

static int shared_start(void **state)
{
	(void)state;
	the = start("400000000", "4");
	return 0;
}

static int shared_stop(void **state)
{
	(void)state;
	stop(&the);
	return 0;
}

static void a_select_comes_back_in_both_forms(void **state)
{
	(void)state;
	assert_data(&the, ENGINE_NATIVE, "SELECT 1 AS a, 'x' AS b, NULL AS c", "[1,\"x\",null]");
	assert_data(&the, ENGINE_SNOWFLAKE, "SELECT 1 AS a, 'x' AS b, NULL AS c", "[\"1\",\"x\",null]");
}

/* --- every type: SQL, native cell, Snowflake cell --- */
struct sample {
	const char *sql, *native, *snowflake;
};
static const struct sample samples[] = {
	{"true", "true", "\"true\""},
	{"false", "false", "\"false\""},
	{"(-128)::TINYINT", "-128", "\"-128\""},
	{"(-32768)::SMALLINT", "-32768", "\"-32768\""},
	{"(-2147483648)::INTEGER", "-2147483648", "\"-2147483648\""},
	{"(-9223372036854775808)::BIGINT", "-9223372036854775808", "\"-9223372036854775808\""},
	{"9223372036854775807::BIGINT", "9223372036854775807", "\"9223372036854775807\""},
	{"255::UTINYINT", "255", "\"255\""},
	{"65535::USMALLINT", "65535", "\"65535\""},
	{"4294967295::UINTEGER", "4294967295", "\"4294967295\""},
	{"18446744073709551615::UBIGINT", "18446744073709551615", "\"18446744073709551615\""},
	{"(-170141183460469231731687303715884105728)::HUGEINT", "\"-170141183460469231731687303715884105728\"",
		"\"-170141183460469231731687303715884105728\""},
	{"0::HUGEINT", "\"0\"", "\"0\""},
	{"340282366920938463463374607431768211455::UHUGEINT", "\"340282366920938463463374607431768211455\"",
		"\"340282366920938463463374607431768211455\""},
	{"12.5::DECIMAL(4,1)", "\"12.5\"", "\"12.5\""},
	{"(-0.05)::DECIMAL(4,2)", "\"-0.05\"", "\"-0.05\""},
	{"12.5::DECIMAL(9,4)", "\"12.5000\"", "\"12.5000\""},
	{"(-999999999999.999999)::DECIMAL(18,6)", "\"-999999999999.999999\"", "\"-999999999999.999999\""},
	{"99999999999999999999999999999999999999::DECIMAL(38,0)", "\"99999999999999999999999999999999999999\"",
		"\"99999999999999999999999999999999999999\""},
	{"0.00000000000000000000000000000000000001::DECIMAL(38,38)", "\"0.00000000000000000000000000000000000001\"",
		"\"0.00000000000000000000000000000000000001\""},
	{"1.0::DOUBLE", "1.0", "\"1\""},
	{"0.1::DOUBLE", "0.1", "\"0.1\""},
	{"(-1.5e300)::DOUBLE", "-1.5e+300", "\"-1.5e+300\""},
	{"(1.0::DOUBLE/3)", "0.3333333333333333", "\"0.3333333333333333\""},
	{"5e-324::DOUBLE", "4.94065645841247e-324", "\"4.94065645841247e-324\""},
	{"'NaN'::DOUBLE", "\"NaN\"", "\"NaN\""},
	{"'inf'::DOUBLE", "\"Infinity\"", "\"inf\""},
	{"'-inf'::DOUBLE", "\"-Infinity\"", "\"-inf\""},
	{"0.1::FLOAT", "0.1", "\"0.1\""},
	{"16777216::FLOAT", "16777216.0", "\"16777216\""},
	{"'NaN'::FLOAT", "\"NaN\"", "\"NaN\""},
	{"''", "\"\"", "\"\""},
	{"'Zo\xC3\xAB \"quoted\" back\\slash'", "\"Zo\xC3\xAB \\\"quoted\\\" back\\\\slash\"",
		"\"Zo\xC3\xAB \\\"quoted\\\" back\\\\slash\""},
	{"chr(10) || chr(9) || chr(1) || 'exactly 12345' || chr(0)", "\"\\n\\t\\u0001exactly 12345\\u0000\"",
		"\"\\n\\t\\u0001exactly 12345\\u0000\""},
	{"'\\x00\\xFF\\x10'::BLOB", "\"AP8Q\"", "\"00FF10\""},
	{"''::BLOB", "\"\"", "\"\""},
	{"'0101'::BIT", "\"0101\"", "\"0101\""},
	{"'101010101'::BIT", "\"101010101\"", "\"101010101\""},
	{"DATE '2024-02-29'", "\"2024-02-29\"", "\"19782\""},
	{"DATE '1900-01-01'", "\"1900-01-01\"", "\"-25567\""},
	{"DATE '0044-03-15 (BC)'", "\"0044-03-15 (BC)\"", "\"-735160\""},
	{"'infinity'::DATE", "\"infinity\"", "\"infinity\""},
	{"'-infinity'::DATE", "\"-infinity\"", "\"-infinity\""},
	{"TIME '13:05:07.25'", "\"13:05:07.250000\"", "\"47107.250000000\""},
	{"TIME '00:00:00'", "\"00:00:00.000000\"", "\"0.000000000\""},
	{"'13:05:07.123456789'::TIME_NS", "\"13:05:07.123456789\"", "\"47107.123456789\""},
	{"'13:05:07.25+02:30'::TIMETZ", "\"13:05:07.250000+02:30\"", "\"13:05:07.250000+02:30\""},
	{"'13:05:07-08'::TIMETZ", "\"13:05:07.000000-08:00\"", "\"13:05:07.000000-08:00\""},
	{"TIMESTAMP '2024-02-29 13:05:07.25'", "\"2024-02-29T13:05:07.250000\"", "\"1709211907.250000000\""},
	{"TIMESTAMP '1969-12-31 23:59:59.5'", "\"1969-12-31T23:59:59.500000\"", "\"-0.500000000\""},
	{"TIMESTAMP '1969-12-31 23:59:58.25'", "\"1969-12-31T23:59:58.250000\"", "\"-1.750000000\""},
	{"'2024-02-29 13:05:07'::TIMESTAMP_S", "\"2024-02-29T13:05:07\"", "\"1709211907.000000000\""},
	{"'1969-12-31 23:59:59'::TIMESTAMP_S", "\"1969-12-31T23:59:59\"", "\"-1.000000000\""},
	{"'2024-02-29 13:05:07.25'::TIMESTAMP_MS", "\"2024-02-29T13:05:07.250\"", "\"1709211907.250000000\""},
	{"'2024-02-29 13:05:07.123456789'::TIMESTAMP_NS", "\"2024-02-29T13:05:07.123456789\"",
		"\"1709211907.123456789\""},
	{"TIMESTAMPTZ '2024-02-29 13:05:07.25+02'", "\"2024-02-29T11:05:07.250000Z\"", "\"1709204707.250000000\""},
	{"'infinity'::TIMESTAMP", "\"infinity\"", "\"infinity\""},
	{"'-infinity'::TIMESTAMPTZ", "\"-infinity\"", "\"-infinity\""},
	{"INTERVAL '14 months 2 days 4 hours 5.5 seconds'", "\"1 year 2 months 2 days 04:00:05.5\"",
		"\"1 year 2 months 2 days 04:00:05.5\""},
	{"INTERVAL '-1 month -1 year'", "\"-1 year -1 month\"", "\"-1 year -1 month\""},
	{"INTERVAL '0 day'", "\"00:00:00\"", "\"00:00:00\""},
	{"INTERVAL '-3.25 seconds'", "\"-00:00:03.25\"", "\"-00:00:03.25\""},
	{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
		"\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
	{"'b''c'::ENUM('a', 'b''c')", "\"b'c\"", "\"b'c\""},
	{"[1, NULL, 3]", "[1,null,3]", "\"[\\n  1,\\n  undefined,\\n  3\\n]\""},
	{"[]::INTEGER[]", "[]", "\"[]\""},
	{"[[1], NULL, []]", "[[1],null,[]]", "\"[\\n  [\\n    1\\n  ],\\n  undefined,\\n  []\\n]\""},
	{"[1, 2]::INTEGER[2]", "[1,2]", "\"[\\n  1,\\n  2\\n]\""},
	{"{'b': 1, 'a': 'x\"y'}", "{\"b\":1,\"a\":\"x\\\"y\"}", "\"{\\n  \\\"a\\\": \\\"x\\\\\\\"y\\\",\\n  \\\"b\\\": 1\\n}\""},
	{"{'n': NULL, 'd': 1.50::DECIMAL(4,2), 't': TIMESTAMP '2024-02-29 13:05:07.25'}",
		"{\"n\":null,\"d\":\"1.50\",\"t\":\"2024-02-29T13:05:07.250000\"}",
		"\"{\\n  \\\"d\\\": 1.50,\\n  \\\"n\\\": null,\\n  \\\"t\\\": \\\"2024-02-29 13:05:07.250000\\\"\\n}\""},
	{"MAP {'z': 1, 'a': NULL}", "{\"z\":1,\"a\":null}", "\"{\\n  \\\"a\\\": null,\\n  \\\"z\\\": 1\\n}\""},
	{"MAP {1: 'x'}", "[{\"key\":1,\"value\":\"x\"}]", "\"{\\n  \\\"1\\\": \\\"x\\\"\\n}\""},
	{"union_value(num := 7)", "{\"num\":7}", "\"7\""},
	{"'{\"b\": [1, null], \"a\": {}}'::JSON", "{\"b\":[1,null],\"a\":{}}",
		"\"{\\n  \\\"a\\\": {},\\n  \\\"b\\\": [\\n    1,\\n    null\\n  ]\\n}\""},
	{"'1.50'::JSON", "1.50", "\"1.50\""},
	{"'\"s\"'::JSON", "\"s\"", "\"\\\"s\\\"\""},
	{"'null'::JSON", "null", "\"null\""},
	{"['{\"k\":1}'::JSON]", "[{\"k\":1}]", "\"[\\n  {\\n    \\\"k\\\": 1\\n  }\\n]\""},
	{"{'a': 1}::VARIANT", "{\"a\":1}", "\"{\\n  \\\"a\\\": 1\\n}\""},
	{"[1::VARIANT, NULL]", "[1,null]", NULL},
	{"'12345678901234567890123456789012345678901234567890'::BIGNUM",
		"\"12345678901234567890123456789012345678901234567890\"",
		"\"12345678901234567890123456789012345678901234567890\""},
};

static void every_type_has_its_cell_in_both_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		char sql[512], want[512];

		snprintf(sql, sizeof(sql), "SELECT %s AS v", samples[i].sql);
		snprintf(want, sizeof(want), "[%s]", samples[i].native);
		assert_data(&the, ENGINE_NATIVE, sql, want);
		snprintf(want, sizeof(want), "[%s]", samples[i].snowflake);
		if (samples[i].snowflake)
			assert_data(&the, ENGINE_SNOWFLAKE, sql, want);
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static double some_double(uint64_t *x, int i)
{
	switch (i % 4) {
	case 0:
		return (double)(next_random(x) >> 11) / 9007199254740992.0;
	case 1:
		return (double)(next_random(x) % 100000000) / 100.0;
	case 2:
		return (double)(1ULL << next_random(x) % 53) / (double)(1ULL << next_random(x) % 13);
	default:
		return -(double)(next_random(x) % 10000000000000) / (double)(1 + next_random(x) % 1000);
	}
}

static void reals_read_back_and_are_no_longer_than_needed(void **state)
{
	uint64_t x = 88172645463325252U;
	char text[TEXT_ROOM], shorter[64];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		double v = some_double(&x, i);
		char *end = text_double(text, v);

		if (!end)
			continue;
		*end = '\0';
		assert_true(strtod(text, NULL) == v);
		snprintf(shorter, sizeof(shorter), "%.15g", v);
		if (strtod(shorter, NULL) == v && !strchr(shorter, 'e'))
			assert_string_equal(text, shorter);
	}
	for (int i = 0; i < 200000; i++) {
		uint32_t bits = (uint32_t)next_random(&x);
		char *end;
		float v;

		memcpy(&v, &bits, sizeof(v));
		end = text_float(text, v);
		if (!end)
			continue;
		*end = '\0';
		assert_true(strtof(text, NULL) == v);
	}
}

static void a_null_of_every_type_is_null(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		char sql[512];

		if (strstr(samples[i].sql, "::INTEGER[2]")) /* DuckDB has no CASE of arrays */
			continue;
		snprintf(sql, sizeof(sql), "SELECT CASE WHEN r %% 2 = 1 THEN NULL ELSE %s END IS NULL AS n, "
			"CASE WHEN r %% 2 = 0 THEN NULL ELSE %s END AS v FROM range(1) t(r)", samples[i].sql, samples[i].sql);
		assert_data(&the, ENGINE_NATIVE, sql, "[false,null]");
		assert_data(&the, ENGINE_SNOWFLAKE, sql, "[\"false\",null]");
	}
}

static void nulls_at_every_level_stay_in_their_rows(void **state)
{
	(void)state;
	assert_data(&the, ENGINE_NATIVE,
		"SELECT CASE WHEN r = 1 THEN NULL ELSE [{'a': r, 'b': CASE WHEN r = 2 THEN NULL ELSE [r, NULL] END}, NULL] END v "
		"FROM range(4) t(r) ORDER BY r",
		"[[{\"a\":0,\"b\":[0,null]},null]],[null],[[{\"a\":2,\"b\":null},null]],[[{\"a\":3,\"b\":[3,null]},null]]");
	do_sql(&the, "CREATE OR REPLACE TABLE arrays (a INTEGER[2])");
	do_sql(&the, "INSERT INTO arrays VALUES ([0, NULL]), (NULL), ([2, NULL])");
	assert_data(&the, ENGINE_NATIVE, "SELECT a FROM arrays", "[[0,null]],[null],[[2,null]]");
	assert_data(&the, ENGINE_NATIVE, "SELECT [1, 2] AS constant, {'x': 'y'} AS s FROM range(3)",
		"[[1,2],{\"x\":\"y\"}],[[1,2],{\"x\":\"y\"}],[[1,2],{\"x\":\"y\"}]");
}

static void json_that_is_not_quite_json_leaves_as_json(void **state)
{
	(void)state;
	assert_data(&the, ENGINE_NATIVE, "SELECT '[1, NaN, -Infinity]'::JSON", "[[1,\"NaN\",\"-Infinity\"]]");
	assert_data(&the, ENGINE_NATIVE, "SELECT '{\"a\" :\n1}'::JSON", "[{\"a\":1}]");
}

static void columns_carry_names_types_and_precision(void **state)
{
	struct engine_ask ask = asking("SELECT 1::DECIMAL(10,2) AS \"Price\", [1] AS l, {'a b': 1, 'c': '{}'::JSON} AS s, MAP {'k': 1} m, "
		"'a'::ENUM('a', 'b''c') e, [1]::INTEGER[1] f, now() AS n, 1 AS \"Price\", '1'::VARIANT v, union_value(x := 1) u",
		ENGINE_NATIVE);
	static const char *const types[] = {"DECIMAL(10,2)", "INTEGER[]", "STRUCT(\"a b\" INTEGER, c JSON)", "MAP(VARCHAR, INTEGER)",
		"ENUM('a', 'b''c')", "INTEGER[1]", "TIMESTAMP WITH TIME ZONE", "INTEGER", "JSON", "UNION(x INTEGER)"};
	OWNS(answer) a;

	(void)state;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.ncolumns, COUNT_OF(types));
	for (int i = 0; i < a.ncolumns; i++)
		assert_str_equal(a.columns[i].type, types[i]);
	assert_str_equal(a.columns[0].name, "Price");
	assert_str_equal(a.columns[7].name, "Price");
	assert_int_equal(a.columns[0].precision, 10);
	assert_int_equal(a.columns[0].scale, 2);
	assert_int_equal(a.columns[0].kind, ENGINE_T_DECIMAL);
	assert_int_equal(a.columns[8].kind, ENGINE_T_JSON);
}

/* --- Parquet --- */
static void take_file(struct peer *w, uint64_t task, const char *path, struct answer *a)
{
	static char packet[WIRE_PACKET];
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	*a = (struct answer){.end.outcome = ENGINE_LOST};
	while (a->end.outcome == ENGINE_LOST) {
		int fd = -1;
		size_t n = next_packet(w, packet, &fd, 20000);
		struct wire_in in = wire_in(str_from(packet, n));
		struct wire_head h;
		struct str body;

		assert_true(n > 0);
		while (wire_next(&in, &h, &body)) {
			struct wire_part head;

			if (h.kind == WIRE_END) {
				take_end(a, body);
				continue;
			}
			assert_int_equal(h.kind, WIRE_PART);
			memcpy(&head, body.p, sizeof(head));
			assert_int_equal(head.gzip, 0);
			if (h.in_fd) {
				void *p;
				bool mapped;
				struct call c;

				call_open(&c, &a->arena);
				assert_true(wire_take_memfd(&c, fd, head.size, &p, &mapped));
				assert_int_equal(write(out, p, head.size), head.size);
				engine_bytes_unref(engine_bytes_adopt(p, head.size, mapped));
			} else {
				assert_int_equal(write(out, body.p + sizeof(head), head.size), head.size);
			}
			a->parts++;
			control_send(w, WIRE_ACK, task, 1);
		}
	}
	close(out);
}

/* What a SELECT gave is made a Parquet file, put where SQL may read it, and read back. */
static void stored_rows_become_a_parquet_file(void **state)
{
	const char *sql = "SELECT 1::TINYINT a, 170141183460469::HUGEINT h, 1.50::DECIMAL(4,2) d, 'NaN'::DOUBLE r, 'x\"y' \"T\", 2 AS t, "
		"'\\x00\\xFF'::BLOB b, DATE '2024-02-29' dt, TIMESTAMP '2024-02-29 13:05:07.25' ts, TIMESTAMPTZ '2024-02-29 13:05:07Z' tz, "
		"{'order': [1, NULL]} s, MAP {'k': 1} m, MAP {1: 'x'} mm, '{\"j\": 1}'::JSON j, 'a'::ENUM('a', 'b') e, INTERVAL '1 day' i, "
		"NULL n, '01'::BIT bits FROM range(3)";
	struct engine_ask ask = asking(sql, ENGINE_NATIVE);
	OWNS(buf) b = {0}, packed = {0}, json = {0};
	char path[128];
	OWNS(answer) a;
	OWNS(answer) file;
	uint64_t task = the.next + 1;
	size_t at;
	int fd = -1;

	(void)state;
	run(&the, &ask, &a);
	assert_ok(&a);
	buf_fmt(&json, "{\"data\":[%s]}", buf_cstr(&a.data));
	engine_pack_columns(a.columns, a.ncolumns, &packed);
	at = wire_begin_record(&b, WIRE_PARQUET, task);
	the.next = task + 1;
	wire_text(&b, buf_str(&packed));
	wire_u32(&b, 2);
	wire_text(&b, buf_str(&json));
	wire_text(&b, S("{\"data\":[]}"));
	wire_end_record(&b, at);
	assert_int_equal(wire_send(the.jobs, buf_str(&b), fd), 0);
	snprintf(path, sizeof(path), "%s/tmp/back.parquet", the.dir);
	take_file(&the, task, path, &file);
	assert_ok(&file);
	assert_true(file.parts >= 1);
	assert_data(&the, ENGINE_NATIVE, "SELECT a, h, d, r, \"T\", t_5, b, dt, ts, tz, s, m, mm, j, e, i, n, bits "
		"FROM 'tmp/back.parquet' LIMIT 1",
		"[1,\"170141183460469\",\"1.50\",\"NaN\",\"x\\\"y\",2,\"AP8=\",\"2024-02-29\",\"2024-02-29T13:05:07.250000\","
		"\"2024-02-29T13:05:07.000000Z\",{\"order\":[1,null]},{\"k\":1},[{\"key\":1,\"value\":\"x\"}],{\"j\":1},\"a\",\"1 day\",null,\"01\"]");
	assert_data(&the, ENGINE_NATIVE, "SELECT count(*), (SELECT count(*) FROM glob('tmp/rows-*')) FROM 'tmp/back.parquet'", "[3,0]");
}

/* --- binds --- */
struct bound {
	enum engine_bind_type type;
	const char *value, *type_name, *native; /* type_name NULL: refused as a value of `native` */
};
static const struct bound bounds[] = {
	{ENGINE_B_NULL, "", "INTEGER", "null"},
	{ENGINE_B_FIXED, "-12", "BIGINT", "-12"},
	{ENGINE_B_FIXED, "12.50", "DECIMAL(4,2)", "\"12.50\""},
	{ENGINE_B_FIXED, "0.05", "DECIMAL(2,2)", "\"0.05\""},
	{ENGINE_B_FIXED, "-.5", "DECIMAL(1,1)", "\"-0.5\""},
	{ENGINE_B_FIXED, "12345678901234567890123456789012345678", "DECIMAL(38,0)", "\"12345678901234567890123456789012345678\""},
	{ENGINE_B_FIXED, "123456789012345678901234567890123456789", NULL, "FIXED"},
	{ENGINE_B_FIXED, "abc", NULL, "FIXED"},
	{ENGINE_B_FIXED, "", NULL, "FIXED"},
	{ENGINE_B_FIXED, "1e5", NULL, "FIXED"},
	{ENGINE_B_FIXED, "1.2.3", NULL, "FIXED"},
	{ENGINE_B_REAL, "1.5e3", "DOUBLE", "1500.0"},
	{ENGINE_B_REAL, "NaN", "DOUBLE", "\"NaN\""},
	{ENGINE_B_REAL, "-Infinity", "DOUBLE", "\"-Infinity\""},
	{ENGINE_B_REAL, "1e999", "DOUBLE", "\"Infinity\""},
	{ENGINE_B_REAL, "inf", NULL, "REAL"},
	{ENGINE_B_REAL, "nan", NULL, "REAL"},
	{ENGINE_B_REAL, "0x10", NULL, "REAL"},
	{ENGINE_B_REAL, " 1", NULL, "REAL"},
	{ENGINE_B_TEXT, "Zo\xC3\xAB", "VARCHAR", "\"Zo\xC3\xAB\""},
	{ENGINE_B_TEXT, "\xFF", NULL, "TEXT"},
	{ENGINE_B_BOOLEAN, "TRUE", "BOOLEAN", "true"},
	{ENGINE_B_BOOLEAN, "0", "BOOLEAN", "false"},
	{ENGINE_B_BOOLEAN, "yes", NULL, "BOOLEAN"},
	{ENGINE_B_DATE, "1709164800000", "DATE", "\"2024-02-29\""},
	{ENGINE_B_DATE, "-1", "DATE", "\"1969-12-31\""},
	{ENGINE_B_DATE, "2024-02-29", NULL, "DATE"},
	{ENGINE_B_TIME, "47107250000999", "TIME", "\"13:05:07.250000\""},
	{ENGINE_B_TIME, "86400000000000", NULL, "TIME"},
	{ENGINE_B_TIMESTAMP_NTZ, "1709211907250000000", "TIMESTAMP", "\"2024-02-29T13:05:07.250000\""},
	{ENGINE_B_TIMESTAMP_NTZ, "-500000000", "TIMESTAMP", "\"1969-12-31T23:59:59.500000\""},
	{ENGINE_B_TIMESTAMP_NTZ, "1709211907123456789", "TIMESTAMP_NS", "\"2024-02-29T13:05:07.123456789\""},
	{ENGINE_B_TIMESTAMP_LTZ, "1709211907250000000", "TIMESTAMP WITH TIME ZONE", "\"2024-02-29T13:05:07.250000Z\""},
	{ENGINE_B_TIMESTAMP_TZ, "1709211907250000000 1560", "TIMESTAMP WITH TIME ZONE", "\"2024-02-29T13:05:07.250000Z\""},
	{ENGINE_B_TIMESTAMP_TZ, "1709211907250000000", NULL, "TIMESTAMP_TZ"},
	{ENGINE_B_TIMESTAMP_TZ, "1709211907250000000 9999", NULL, "TIMESTAMP_TZ"},
	{ENGINE_B_BINARY, "00ff", "BLOB", "\"AP8=\""},
	{ENGINE_B_BINARY, "0", NULL, "BINARY"},
	{ENGINE_B_INT, "9223372036854775807", "BIGINT", "9223372036854775807"},
	{ENGINE_B_INT, "9223372036854775808", "HUGEINT", "\"9223372036854775808\""},
	{ENGINE_B_DOUBLE, "0.25", "DOUBLE", "0.25"},
};

static void binds_go_in_as_their_types_or_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bounds); i++) {
		const struct bound *v = &bounds[i];
		const struct engine_bind bind = {v->type, str_of(v->value)};
		struct engine_ask ask = asking("SELECT ? AS v, typeof(?1) AS t", ENGINE_NATIVE);
		char want[256];
		OWNS(answer) a;

		ask.sql = S("SELECT $1 AS v");
		ask.binds = &bind;
		ask.nbinds = 1;
		run(&the, &ask, &a);
		if (v->type_name) {
			assert_ok(&a);
			snprintf(want, sizeof(want), "[%s]", v->native);
			assert_string_equal(buf_cstr(&a.data), want);
			assert_str_equal(a.columns[0].type, v->type_name);
			continue;
		}
		assert_int_equal(a.end.outcome, ENGINE_FAILED);
		assert_str_equal(a.end.class, v->native);
		assert_str_equal(a.end.bad_bind, v->value);
		assert_int_equal(a.parts, 0);
	}
}

static void binds_are_found_by_place_and_by_name(void **state)
{
	const struct engine_bind binds[] = {{ENGINE_B_FIXED, S("1")}, {ENGINE_B_TEXT, S("two")}};
	const struct str names[] = {S_INIT("one"), S_INIT("Two")};
	struct engine_ask ask = asking("SELECT $two, $one, $two", ENGINE_NATIVE);

	(void)state;
	ask.binds = binds;
	ask.bind_names = names;
	ask.nbinds = 2;
	for (int i = 0; i < 2; i++) { /* the second from the cache */
		OWNS(answer) a;

		run(&the, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), "[\"two\",1,\"two\"]");
	}
	ask.sql = S("SELECT ?, ?");
	for (int i = 0; i < 2; i++) {
		OWNS(answer) a;

		run(&the, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), "[1,\"two\"]");
	}
}

static void a_missing_bind_is_said(void **state)
{
	struct engine_ask ask = asking("SELECT ?", ENGINE_NATIVE);
	OWNS(answer) a;
	OWNS(answer) b;

	(void)state;
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_str_equal(a.end.class, "Bind");
	assert_str_equal(a.end.text, "Bind variable ? not set.");
	assert_int_equal(a.end.bad_bind.n, 0);
	ask.sql = S("SELECT $who");
	run(&the, &ask, &b);
	assert_str_equal(b.end.text, "Bind variable :who not set.");
}

static void a_cached_statement_takes_binds_of_other_types(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		const struct engine_bind binds[] = {{i % 2 ? ENGINE_B_TEXT : ENGINE_B_FIXED, i % 2 ? S("abc") : S("41")}};
		struct engine_ask ask = asking("SELECT ? AS v", ENGINE_NATIVE);
		OWNS(answer) a;

		ask.binds = binds;
		ask.nbinds = 1;
		run(&the, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), i % 2 ? "[\"abc\"]" : "[41]");
	}
}

/* --- counters, errors --- */
static void changes_are_counted_without_rows(void **state)
{
	static const struct {
		const char *sql;
		enum engine_counts counts;
		int64_t rows;
	} steps[] = {
		{"CREATE OR REPLACE TABLE counted (a INTEGER)", ENGINE_STATUS, 0},
		{"INSERT INTO counted SELECT * FROM range(10)", ENGINE_INSERTED, 10},
		{"UPDATE counted SET a = a + 1 WHERE a < 3", ENGINE_UPDATED, 3},
		{"DELETE FROM counted WHERE a = 100", ENGINE_DELETED, 0},
		{"DROP TABLE counted", ENGINE_STATUS, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct engine_ask ask = asking(steps[i].sql, ENGINE_SNOWFLAKE);
		OWNS(answer) a;

		ask.counts = steps[i].counts;
		run(&the, &ask, &a);
		assert_ok(&a);
		assert_int_equal(a.end.rows, steps[i].rows);
		assert_int_equal(a.parts, 0);
		assert_null(a.columns);
	}
}

enum { ANYWHERE = -2 };
struct wrong {
	const char *sql, *class, *text;
	int64_t position;
};
static const struct wrong wrongs[] = {
	{"SELEC 1", "Parser", "syntax error at or near \"SELEC\"", 0},
	{"SELECT 1 FROM nope", "Catalog", "Table with name nope does not exist!", 14},
	{"SELECT '\xC3\xA9', nope FROM range(1)", "Binder", "Referenced column \"nope\" not found in FROM clause!", 13},
	{"SELECT CAST('abc' AS INTEGER)", "Conversion", "Could not convert string 'abc' to INT32", 7},
	{"SELECT 1; SELECT 2", "Invalid Input", "Cannot prepare multiple statements at once!", -1},
	{"SELECT error('boom')", "Invalid Input", "boom", -1},
	{"-- nothing", "Invalid Input", "No statement to prepare!", -1},
	{"SELECT * FROM read_text('/etc/passwd')", "Permission", "Cannot access file", 14},
	{"COPY (SELECT 1) TO '/tmp/mayfly-worker-out'", "Permission", "Cannot access file", -1},
	{"SET memory_limit = '1TB'", "Invalid Input", "", -1},
	{"SET lock_configuration = false", "Invalid Input", "", -1},
	{"SELECT * FROM glob('/etc/*')", "Permission", "Cannot access", ANYWHERE},
	{"COPY (SELECT 1) TO 'mayfly.db'", "Permission", "Cannot access", ANYWHERE},
	{"SELECT * FROM '/proc/self/environ.csv'", "Permission", "", ANYWHERE},
	{"INSTALL httpfs", "Permission", "", -1},
	{"ATTACH '/tmp/mayfly-worker-other.db'", "Permission", "", -1},
};

static void errors_have_class_text_and_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
		struct engine_ask ask = asking(wrongs[i].sql, ENGINE_NATIVE);
		OWNS(answer) a;

		run(&the, &ask, &a);
		assert_int_equal(a.end.outcome, ENGINE_FAILED);
		if (!str_eq(a.end.class, str_of(wrongs[i].class)) || !str_starts(a.end.text, str_of(wrongs[i].text)))
			print_error("%s: %.*s: %.*s\n", wrongs[i].sql, SARG(a.end.class), SARG(a.end.text));
		assert_str_equal(a.end.class, wrongs[i].class);
		assert_true(str_starts(a.end.text, str_of(wrongs[i].text)));
		if (wrongs[i].position != ANYWHERE)
			assert_int_equal(a.end.position, wrongs[i].position);
	}
}

static void an_endless_error_is_cut_between_characters(void **state)
{
	struct engine_ask ask = asking("SELECT error('x' || repeat('\xC3\xA9', 100000))", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_in_range(a.end.text.n, 8000, 8192);
	assert_true(str_is_utf8(a.end.text));
}

/* --- partitions --- */
static void partitions_close_at_their_sizes_and_double(void **state)
{
	struct engine_ask ask = asking("SELECT r FROM range(100000) t(r)", ENGINE_SNOWFLAKE);
	int64_t limit = 10000, rows = 0, bytes = 0;
	OWNS(answer) a;

	(void)state;
	ask.first_part_bytes = limit;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.end.rows, 100000);
	assert_true(a.parts > 4);
	for (int i = 0; i < a.parts; i++) {
		const struct wire_part *p = &a.part[i];

		if (i < a.parts - 1) {
			assert_true(p->row_bytes >= limit);
			assert_true(p->row_bytes < limit + 16);
		}
		assert_true(p->gzip || p->row_bytes < 4096);
		limit *= 2;
		rows += p->rows;
		bytes += p->row_bytes;
	}
	assert_int_equal(rows, 100000);
	assert_int_equal(bytes + rows - 1, a.data.n);
}

static void a_partition_holds_at_most_so_many_rows(void **state)
{
	struct engine_ask ask = asking("SELECT r FROM range(10) t(r)", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	ask.max_part_rows = 4;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.parts, 3);
	assert_int_equal(a.part[0].rows, 4);
	assert_int_equal(a.part[2].rows, 2);
	assert_string_equal(buf_cstr(&a.data), "[0],[1],[2],[3],[4],[5],[6],[7],[8],[9]");
}

static void no_rows_are_one_empty_partition(void **state)
{
	struct engine_ask ask = asking("SELECT 1 AS a WHERE false", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.parts, 1);
	assert_int_equal(a.part[0].rows, 0);
	assert_int_equal(a.part[0].row_bytes, 0);
	assert_int_equal(a.ncolumns, 1);
}

static void null_as_text_is_only_where_it_was_asked(void **state)
{
	struct engine_ask ask = asking("SELECT NULL, [NULL]", ENGINE_SNOWFLAKE);
	OWNS(answer) a;

	(void)state;
	ask.null_text = true;
	run(&the, &ask, &a);
	assert_string_equal(buf_cstr(&a.data), "[\"null\",\"[\\n  undefined\\n]\"]");
}

static void a_result_too_large_ends_at_once(void **state)
{
	struct engine_ask ask = asking("SELECT r, 'some text' FROM range(100000000) t(r)", ENGINE_NATIVE);
	int64_t began = clock_mono_ms();
	OWNS(answer) a;

	(void)state;
	ask.max_result_bytes = 1000000;
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_TOO_LARGE);
	assert_true(clock_mono_ms() - began < 2000 * (1 + 9 * SANITIZED));
	assert_data(&the, ENGINE_NATIVE, "SELECT 1", "[1]");
}

static void a_statement_too_long_for_a_packet_comes_in_a_memfd(void **state)
{
	OWNS(buf) sql = {0};
	struct engine_ask ask;
	OWNS(answer) a;

	(void)state;
	buf_lit(&sql, "SELECT length('");
	for (int i = 0; i < 100000; i++)
		buf_addc(&sql, 'x');
	buf_lit(&sql, "')");
	ask = asking(buf_cstr(&sql), ENGINE_NATIVE);
	run(&the, &ask, &a);
	assert_ok(&a);
	assert_string_equal(buf_cstr(&a.data), "[100000]");
}

/* --- sessions, the cache --- */
static void run_state(struct peer *w, const char *sql, const char *rows)
{
	struct engine_ask ask = asking(sql, ENGINE_NATIVE);
	OWNS(answer) a;

	ask.session_state = true;
	run(w, &ask, &a);
	assert_ok(&a);
	if (rows)
		assert_string_equal(buf_cstr(&a.data), rows);
}

static void what_a_session_leaves_is_gone_with_it(void **state)
{
	struct peer w = start("400000000", "1"); /* one executor: the same thread every time */
	struct engine_ask ask = asking("SELECT * FROM left_behind", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	run_state(&w, "CREATE TEMP TABLE left_behind AS SELECT 1 AS a", NULL);
	run_state(&w, "SET VARIABLE v = 42", NULL);
	run_state(&w, "BEGIN TRANSACTION", NULL);
	run(&w, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_str_equal(a.end.class, "Catalog");
	assert_data(&w, ENGINE_NATIVE, "SELECT getvariable('v')", "[null]");
	stop(&w);
}

static void a_cached_statement_sees_ddl(void **state)
{
	struct peer w = start("400000000", "2");

	(void)state;
	for (int i = 0; i < 4; i++) {
		do_sql(&w, i % 2 ? "CREATE OR REPLACE TABLE moving AS SELECT 'x' AS a, 2 AS b" : "CREATE OR REPLACE TABLE moving AS SELECT 1 AS a");
		for (int j = 0; j < 3; j++)
			assert_data(&w, ENGINE_NATIVE, "SELECT * FROM moving", i % 2 ? "[\"x\",2]" : "[1]");
	}
	stop(&w);
}

static void a_cached_statement_reads_the_clock_again(void **state)
{
	struct engine_ask ask = asking("SELECT now()::VARCHAR, random(), uuid()", ENGINE_NATIVE);
	OWNS(answer) a;
	OWNS(answer) b;

	(void)state;
	for (int i = 0; i < 5; i++) { /* on every executor */
		OWNS(answer) warm;

		run(&the, &ask, &warm);
	}
	run(&the, &ask, &a);
	poll(NULL, 0, 5);
	run(&the, &ask, &b);
	assert_ok(&b);
	assert_string_not_equal(buf_cstr(&a.data), buf_cstr(&b.data));
	assert_memory_not_equal(a.data.p, b.data.p, 28);
}

static void a_time_zone_is_of_one_statement(void **state)
{
	struct peer w = start("400000000", "1");
	struct engine_ask ask = asking("SELECT (TIMESTAMPTZ '2024-07-01 12:00:00Z')::VARCHAR", ENGINE_NATIVE);

	(void)state;
	for (int i = 0; i < 4; i++) {
		OWNS(answer) a;

		ask.timezone = i % 2 ? S("America/New_York") : S("");
		run(&w, &ask, &a);
		assert_ok(&a);
		assert_string_equal(buf_cstr(&a.data), i % 2 ? "[\"2024-07-01 08:00:00-04\"]" : "[\"2024-07-01 12:00:00+00\"]");
	}
	ask.timezone = S("Nowhere/'X");
	OWNS(answer) a;
	run(&w, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_FAILED);
	assert_str_equal(a.end.text, "Unknown time zone 'Nowhere/'X'");
	stop(&w);
}

static void nulls_are_ordered_as_the_surface_expects(void **state)
{
	const char *sql = "SELECT a FROM (VALUES (1), (NULL), (2)) t(a) ORDER BY a DESC";

	(void)state;
	assert_data(&the, ENGINE_NATIVE, sql, "[2],[1],[null]");
	assert_data(&the, ENGINE_SNOWFLAKE, sql, "[null],[\"2\"],[\"1\"]");
}

/* --- cancel, window, end --- */
static int64_t cancel_takes_ms(const char *sql)
{
	struct engine_ask ask = asking(sql, ENGINE_NATIVE);
	uint64_t task = submit(&the, &ask);
	int64_t began;
	OWNS(answer) a;

	poll(NULL, 0, 100);
	began = clock_mono_ms();
	control_send(&the, WIRE_CANCEL, task, 0);
	collect_acking(&the, task, &a, false);
	assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
	return clock_mono_ms() - began;
}

static void a_cancel_ends_a_statement_soon(void **state)
{
	static const char *const long_ones[] = {"SELECT \"SYSTEM$WAIT\"(60)",
		"SELECT count(*) FROM range(3000000000) a(x), range(1000) b(y) WHERE (x * y) % 7 = 3",
		"SELECT x FROM range(1000000000000) t(x)"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(long_ones); i++) {
		int64_t best = INT64_MAX;

		for (int tries = 0; tries < 10 && best >= 50; tries++) { /* the machine may be busy */
			int64_t ms = cancel_takes_ms(long_ones[i]);

			best = ms < best ? ms : best;
		}
		assert_true(best < 50);
	}
	assert_data(&the, ENGINE_NATIVE, "SELECT 1", "[1]");
}

static void a_cancel_may_come_before_its_statement(void **state)
{
	struct engine_ask ask = asking("SELECT \"SYSTEM$WAIT\"(60)", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	control_send(&the, WIRE_CANCEL, the.next, 0);
	poll(NULL, 0, 50);
	run(&the, &ask, &a);
	assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
}

static void a_wait_waits(void **state)
{
	int64_t began = clock_mono_ms();

	(void)state;
	assert_data(&the, ENGINE_SNOWFLAKE, "SELECT \"SYSTEM$WAIT\"(1)", "[\"waited 1 seconds\"]");
	assert_true(clock_mono_ms() - began >= 1000);
	assert_data(&the, ENGINE_SNOWFLAKE, "SELECT \"SYSTEM$WAIT\"(0)", "[\"waited 0 seconds\"]");
	assert_data(&the, ENGINE_NATIVE, "SELECT \"SYSTEM$WAIT\"(CASE WHEN r > 0 THEN NULL ELSE 0 END) FROM range(2) t(r)",
		"[\"waited 0 seconds\"],[null]");
}

static void at_most_a_window_of_partitions_is_unacknowledged(void **state)
{
	struct engine_ask ask = asking("SELECT r FROM range(1000) t(r)", ENGINE_NATIVE);
	static char packet[WIRE_PACKET];
	int parts = 0, fd;
	uint64_t task;
	size_t n;

	(void)state;
	ask.max_part_rows = 1;
	task = submit(&the, &ask);
	while ((n = next_packet(&the, packet, &fd, 300)) > 0) {
		struct wire_in in = wire_in(str_from(packet, n));
		struct wire_head h;
		struct str body;

		while (wire_next(&in, &h, &body))
			parts += h.kind == WIRE_PART;
	}
	assert_int_equal(parts, WIRE_WINDOW);
	control_send(&the, WIRE_CANCEL, task, 0);
	OWNS(answer) a;
	collect_acking(&the, task, &a, false);
	assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
}

static void progress_is_told_of_long_statements(void **state)
{
	OWNS(buf) sql = {0};
	struct engine_ask ask;
	uint64_t task;
	OWNS(answer) a;

	(void)state;
	do_sql(&the, "CREATE OR REPLACE TABLE many AS SELECT * FROM range(10000000) t(x)");
	buf_lit(&sql, "SELECT sum(0");
	for (int i = 0; i < 100; i++)
		buf_fmt(&sql, " + sin(x + %d)", i);
	buf_lit(&sql, ") FROM many");
	ask = asking(buf_cstr(&sql), ENGINE_NATIVE);
	task = submit(&the, &ask);
	poll(NULL, 0, 2500);
	control_send(&the, WIRE_CANCEL, task, 0);
	collect_acking(&the, task, &a, true);
	assert_int_equal(a.end.outcome, ENGINE_INTERRUPTED);
	assert_in_range(a.progress, 1, 4);
	do_sql(&the, "DROP TABLE many");
}

static void a_worker_ends_when_its_control_socket_does(void **state)
{
	struct peer w = start("400000000", "2");
	struct engine_ask ask = asking("SELECT \"SYSTEM$WAIT\"(60)", ENGINE_NATIVE);

	(void)state;
	submit(&w, &ask);
	poll(NULL, 0, 50);
	stop(&w);
}

static void quitting_waits_for_statements_and_keeps_what_was_written(void **state)
{
	struct peer w = start("400000000", "2");
	struct engine_ask ask = asking("SELECT \"SYSTEM$WAIT\"(1)", ENGINE_NATIVE);
	uint64_t task;
	char wal[128];
	OWNS(answer) a;

	(void)state;
	do_sql(&w, "CREATE TABLE kept AS SELECT 7 AS a");
	task = submit(&w, &ask);
	poll(NULL, 0, 50);
	control_send(&w, WIRE_QUIT, 0, 0);
	collect_acking(&w, task, &a, true);
	assert_ok(&a);
	assert_int_equal(wait_gone(&w), 0);
	snprintf(wal, sizeof(wal), "%s/mayfly.db.wal", w.dir);
	assert_int_not_equal(access(wal, F_OK), 0);
	close(w.jobs);
	close(w.control);
	start_in(&w, "400000000", "1");
	assert_data(&w, ENGINE_NATIVE, "SELECT a FROM kept", "[7]");
	stop(&w);
}

static void a_packet_that_is_not_well_formed_ends_the_worker(void **state)
{
	struct peer w = start("400000000", "1");

	(void)state;
	assert_int_equal(wire_send(w.jobs, S("not a packet"), -1), 0);
	int status = wait_gone(&w);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	w.pid = fork(); /* stop() reaps something that ended well */
	if (w.pid == 0)
		_exit(0);
	stop(&w);
}

/* --- the sandbox --- */
static void the_kernel_holds_the_worker(void **state)
{
	(void)state;
	assert_true(the.landlock);
	assert_true(the.seccomp);
	assert_int_equal(the.rlimits, !SANITIZED);
}

static bool denied(long rc, int why)
{
	return rc == -1 && errno == why;
}

static void *no_work(void *arg)
{
	return arg;
}

/* In a child behind both walls: the first thing that is not as it should be, 0 = all is. */
static int behind_the_walls(pid_t parent)
{
	const struct worker_options o = {.no_rlimit_as = true, .concurrent = 1, .threads = 1};
	struct sandbox s = {0};
	pthread_t thread;
	int fd;

	sandbox_enter(&o, &s);
	sandbox_seal(&s);
	if (!s.landlock || !s.seccomp)
		return 1;
	if (!denied(socket(AF_INET, SOCK_STREAM, 0), EPERM) || !denied(socket(AF_UNIX, SOCK_STREAM, 0), EPERM))
		return 2;
	if (!denied(open("/etc/passwd", O_RDONLY), EACCES) || !denied(open("/proc/self/maps", O_RDONLY), EACCES))
		return 3;
	if (!denied(open("../mayfly-outside", O_WRONLY | O_CREAT, 0600), EACCES) || !denied(rename("inside", "../outside"), EACCES))
		return 4;
	if (!denied(kill(parent, 0), EPERM) || !denied(syscall(SYS_tgkill, parent, parent, 0), EPERM))
		return 5;
	if (!denied(syscall(SYS_fork), EPERM) || !denied(execl("/bin/true", "true", NULL), EPERM))
		return 6;
	if (!denied(truncate("inside", 0), EPERM) || !denied(symlink("/etc/passwd", "link"), EACCES))
		return 7;
	fd = open("inside", O_RDWR);
	if (fd < 0 || ftruncate(fd, 1) != 0 || unlink("inside") != 0)
		return 8;
	if (memfd_create("x", 0) < 0 || (!SANITIZED && pthread_create(&thread, NULL, no_work, NULL) != 0))
		return 9;
	return 0;
}

static void behind_the_walls_nothing_else_is_in_reach(void **state)
{
	char dir[FOLDER_PATH_MAX];
	pid_t parent = getpid(), child;
	int status;

	(void)state;
	folder_make(dir);
	child = fork();
	if (child == 0) {
		int fd = chdir(dir) == 0 ? open("inside", O_WRONLY | O_CREAT, 0600) : -1;

		_exit(fd < 0 ? 99 : behind_the_walls(parent));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	folder_remove(dir);
}

static void sql_that_breaks_duckdb_ends_only_the_worker(void **state)
{
	struct peer w = start("400000000", "1");
	struct engine_ask ask = asking("SELECT * FROM enable_logging('QueryLog', storage='file', storage_path='/tmp/mayfly-x')", ENGINE_NATIVE);
	OWNS(answer) a;

	(void)state;
	ask.session_state = true; /* the connection is closed behind it, which is where DuckDB aborts */
	run(&w, &ask, &a);
	close(w.control);
	wait_gone(&w);
	close(w.jobs);
	folder_remove(w.dir);
	assert_int_not_equal(access("/tmp/mayfly-x", F_OK), 0);
	assert_data(&the, ENGINE_NATIVE, "SELECT 1", "[1]");
}

static void memory_bombs_hurt_only_themselves(void **state)
{
	static const char *const bombs[] = {"SELECT length(repeat('x', 1500000000))", "SELECT list_sum(range(100000000))",
		"SELECT repeat('x', 900000000)"};

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t i = 0; i < COUNT_OF(bombs); i++) {
		struct peer w = start("700000000", "2");
		struct engine_ask ask = asking(bombs[i], ENGINE_NATIVE);
		OWNS(answer) a;

		run(&w, &ask, &a);
		if (!a.gone) {
			print_message("%s: %.*s: %.*s\n", bombs[i], SARG(a.end.class), (int)(a.end.text.n < 70 ? a.end.text.n : 70), a.end.text.p);
			assert_int_not_equal(a.end.outcome, ENGINE_LOST);
			assert_data(&w, ENGINE_NATIVE, "SELECT 1", "[1]");
			stop(&w);
		} else {
			print_message("%s: the worker went\n", bombs[i]);
			wait_gone(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_select_comes_back_in_both_forms),
		cmocka_unit_test(every_type_has_its_cell_in_both_forms),
		cmocka_unit_test(reals_read_back_and_are_no_longer_than_needed),
		cmocka_unit_test(a_null_of_every_type_is_null),
		cmocka_unit_test(nulls_at_every_level_stay_in_their_rows),
		cmocka_unit_test(json_that_is_not_quite_json_leaves_as_json),
		cmocka_unit_test(columns_carry_names_types_and_precision),
		cmocka_unit_test(stored_rows_become_a_parquet_file),
		cmocka_unit_test(binds_go_in_as_their_types_or_are_refused),
		cmocka_unit_test(binds_are_found_by_place_and_by_name),
		cmocka_unit_test(a_missing_bind_is_said),
		cmocka_unit_test(a_cached_statement_takes_binds_of_other_types),
		cmocka_unit_test(changes_are_counted_without_rows),
		cmocka_unit_test(errors_have_class_text_and_place),
		cmocka_unit_test(an_endless_error_is_cut_between_characters),
		cmocka_unit_test(partitions_close_at_their_sizes_and_double),
		cmocka_unit_test(a_partition_holds_at_most_so_many_rows),
		cmocka_unit_test(no_rows_are_one_empty_partition),
		cmocka_unit_test(null_as_text_is_only_where_it_was_asked),
		cmocka_unit_test(a_result_too_large_ends_at_once),
		cmocka_unit_test(a_statement_too_long_for_a_packet_comes_in_a_memfd),
		cmocka_unit_test(what_a_session_leaves_is_gone_with_it),
		cmocka_unit_test(a_cached_statement_sees_ddl),
		cmocka_unit_test(a_cached_statement_reads_the_clock_again),
		cmocka_unit_test(a_time_zone_is_of_one_statement),
		cmocka_unit_test(nulls_are_ordered_as_the_surface_expects),
		cmocka_unit_test(a_cancel_ends_a_statement_soon),
		cmocka_unit_test(a_cancel_may_come_before_its_statement),
		cmocka_unit_test(a_wait_waits),
		cmocka_unit_test(at_most_a_window_of_partitions_is_unacknowledged),
		cmocka_unit_test(progress_is_told_of_long_statements),
		cmocka_unit_test(a_worker_ends_when_its_control_socket_does),
		cmocka_unit_test(quitting_waits_for_statements_and_keeps_what_was_written),
		cmocka_unit_test(a_packet_that_is_not_well_formed_ends_the_worker),
		cmocka_unit_test(the_kernel_holds_the_worker),
		cmocka_unit_test(behind_the_walls_nothing_else_is_in_reach),
		cmocka_unit_test(sql_that_breaks_duckdb_ends_only_the_worker),
		cmocka_unit_test(memory_bombs_hurt_only_themselves),
	};

	return cmocka_run_group_tests(tests, shared_start, shared_stop);
}
