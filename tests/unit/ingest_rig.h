/* ingest_rig.h - a worker process and the rows it is sent. */
#ifndef MAYFLY_TEST_INGEST_RIG_H
#define MAYFLY_TEST_INGEST_RIG_H

#include "engine/engine.h"
#include "engine/wire.h"
#include "engine/worker/worker.h"
#include "json/json.h"

#include "folder.h"
#include "test.h"
#include "worker_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

/* --- a worker --- */
struct peer {
	pid_t pid;
	int jobs, control;
	uint64_t next;
	char dir[FOLDER_PATH_MAX];
};
UNUSED static struct peer the;

static struct wire_catalog scope = {.name = S_INIT("__eph_0123456789abcdef0123456789abcdef"),
				    .max = {1000, 1000000000, 1000000000000}};

UNUSED static size_t next_packet(struct peer *w, char *packet)
{
	struct pollfd p = {.fd = w->jobs, .events = POLLIN};
	int fd = -1;
	ssize_t n = poll(&p, 1, WAIT_MS) == 1 ? wire_recv(w->jobs, packet, WIRE_PACKET, &fd, 0) : 0;

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

UNUSED static void start_in(struct peer *w)
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
		become_worker(&(struct worker_child){w->dir, "700000000", "1000000000", "3", false}, jobs[1], control[1]);
	close(jobs[1]);
	close(control[1]);
	w->jobs = jobs[0];
	w->control = control[0];
	in = wire_in(str_from(packet, next_packet(w, packet)));
	assert_true(wire_next(&in, &h, &body));
	assert_int_equal(h.kind, WIRE_HELLO);
}

UNUSED static int wait_gone(struct peer *w)
{
	int status = 0;

	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(w->pid, &status, WNOHANG) == w->pid)
			return status;
		poll(NULL, 0, 10);
	}
	return -1;
}

UNUSED static int begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	the.next = 1;
	folder_make(the.dir);
	start_in(&the);
	return 0;
}

UNUSED static int finish(void **state)
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

UNUSED static void answer_drop(struct answer *a)
{
	arena_close(&a->arena);
	buf_drop(&a->rows);
}

UNUSED static void acknowledge(struct peer *w, uint64_t task)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_ACK, task);

	wire_u32(&b, 1);
	wire_end_record(&b, at);
	assert_int_equal(wire_send(w->control, buf_str(&b), -1), 0);
}

UNUSED static void take_end(struct answer *a, struct str body)
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

UNUSED static void take_part(struct answer *a, struct str body)
{
	struct str json = str_tail(body, sizeof(struct wire_part));

	assert_true(str_starts(json, S("{\"data\":["))); /* short results are not compressed */
	buf_add(&a->rows, str_from(json.p + 9, json.n - 11));
}

UNUSED static void collect(struct peer *w, uint64_t task, struct answer *a)
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

UNUSED static struct str zone;

UNUSED static void run(struct peer *w, const char *sql, bool writes, struct answer *a)
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

UNUSED static void execute(const char *sql)
{
	OWNS(answer) a;

	run(&the, sql, true, &a);
}

UNUSED static void assert_rows(const char *sql, const char *rows)
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

UNUSED static struct upload open_upload(struct peer *w, const char *table, enum engine_rows_format format)
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
UNUSED static void put_bytes(struct upload *u, const void *p, size_t n)
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

UNUSED static void put_frame(struct upload *u, struct str bytes)
{
	uint32_t n = (uint32_t)bytes.n;

	put_bytes(u, &n, sizeof(n));
	put_bytes(u, bytes.p, bytes.n);
}

UNUSED static void end_upload(struct peer *w, struct upload *u, bool complete, struct answer *a)
{
	if (complete)
		put_frame(u, S(""));
	close(u->fd);
	collect(w, u->task, a);
}

UNUSED static void ingest(const char *table, enum engine_rows_format format, struct str bytes, size_t piece, struct answer *a)
{
	struct upload u = open_upload(&the, table, format);

	for (size_t at = 0; at < bytes.n; at += piece)
		put_frame(&u, str_head(str_tail(bytes, at), piece));
	end_upload(&the, &u, true, a);
}

UNUSED static void takes(const char *table, enum engine_rows_format format, struct str bytes, int64_t rows)
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
UNUSED static void refuses(const char *table, enum engine_rows_format format, struct str bytes, const char *class, int64_t row,
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

#endif
