/* engine_worker_rig.h - a worker process and the statements it is sent. */
#ifndef MAYFLY_TEST_ENGINE_WORKER_RIG_H
#define MAYFLY_TEST_ENGINE_WORKER_RIG_H

#include "engine/engine.h"
#include "engine/wire.h"
#include "engine/worker/worker.h"

#include "folder.h"
#include "test.h"
#include "worker_child.h"

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

/* --- a worker --- */
struct peer {
	pid_t pid;
	int jobs, control;
	uint64_t next;
	char dir[FOLDER_PATH_MAX];
	bool landlock, seccomp, rlimits;
	bool records; /* it keeps records */
};

UNUSED static size_t next_packet(struct peer *w, char *packet, int *ret_fd, int wait_ms)
{
	struct pollfd p = {.fd = w->jobs, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, wait_ms) != 1)
		return 0;
	n = wire_recv(w->jobs, packet, WIRE_PACKET, ret_fd, 0);
	return n > 0 ? (size_t)n : 0;
}

UNUSED static void start_in(struct peer *w, const char *memory, const char *concurrent)
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
		become_worker(&(struct worker_child){w->dir, memory, "100000000", concurrent, w->records}, jobs[1], control[1]);
	close(jobs[1]);
	close(control[1]);
	w->jobs = jobs[0];
	w->control = control[0];
	in = wire_in(str_from(packet, next_packet(w, packet, &fd, 60000)));
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

UNUSED static struct peer start(const char *memory, const char *concurrent)
{
	struct peer w = {.next = 1};

	folder_make(w.dir);
	start_in(&w, memory, concurrent);
	return w;
}

UNUSED static int wait_gone(struct peer *w)
{
	int status = 0;

	for (int i = 0; i < 6000; i++) {
		if (waitpid(w->pid, &status, WNOHANG) == w->pid)
			return status;
		poll(NULL, 0, 10);
	}
	kill(w->pid, SIGKILL);
	waitpid(w->pid, &status, 0);
	return -1;
}

UNUSED static void stop(struct peer *w)
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

UNUSED static void control_send(struct peer *w, enum wire_kind kind, uint64_t task, uint32_t n)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, kind, task);

	if (kind == WIRE_ACK)
		wire_u32(&b, n);
	wire_end_record(&b, at);
	if (wire_send(w->control, buf_str(&b), -1) != 0)
		assert_true(errno == EPIPE || errno == ECONNRESET); /* it went; the answer tells */
}

UNUSED static uint64_t submit(struct peer *w, const struct engine_ask *ask)
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

UNUSED static void add_rows(struct answer *a, struct str json)
{
	struct str rows;

	assert_true(str_starts(json, S("{\"data\":[")));
	assert_true(str_ends(json, S("]}")));
	rows = str_head(str_tail(json, 9), json.n - 11);
	if (a->data.n && rows.n)
		buf_addc(&a->data, ',');
	buf_add(&a->data, rows);
}

UNUSED static void take_part(struct answer *a, struct str body, int fd)
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
	wire_get_usage(&in);
	a->end.inserted = wire_get_i64(&in);
	a->end.updated = wire_get_i64(&in);
	a->end.deleted = wire_get_i64(&in);
	a->end.nowhere = wire_get_u8(&in);
	a->end.nsteps = (int)wire_get_u32(&in);
	a->end.step_rows = arena_alloc(&a->arena, sizeof(int64_t) * (size_t)(a->end.nsteps + 1));
	for (int i = 0; i < a->end.nsteps; i++)
		((int64_t *)(uintptr_t)a->end.step_rows)[i] = wire_get_i64(&in);
	assert_false(in.bad);
	assert_ptr_equal(in.p, in.end);
}

UNUSED static void take_columns(struct answer *a, struct str body, int fd)
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
UNUSED static void collect_acking(struct peer *w, uint64_t task, struct answer *a, bool ack)
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

UNUSED static void answer_drop(struct answer *a)
{
	arena_close(&a->arena);
	buf_drop(&a->data);
}

UNUSED static void run(struct peer *w, const struct engine_ask *ask, struct answer *a)
{
	collect_acking(w, submit(w, ask), a, true);
}

UNUSED static struct engine_ask asking(const char *sql, enum engine_form form)
{
	return (struct engine_ask){.sql = str_of(sql), .form = form, .helpers = form == ENGINE_SNOWFLAKE,
		.first_part_bytes = 100000};
}

UNUSED static void assert_ok(const struct answer *a)
{
	if (a->end.outcome != ENGINE_OK)
		print_error("%.*s: %.*s\n", SARG(a->end.class), SARG(a->end.text));
	assert_int_equal(a->end.outcome, ENGINE_OK);
}

UNUSED static void assert_data(struct peer *w, enum engine_form form, const char *sql, const char *rows)
{
	struct engine_ask ask = asking(sql, form);
	OWNS(answer) a;

	run(w, &ask, &a);
	assert_ok(&a);
	if (strcmp(buf_cstr(&a.data), rows) != 0)
		print_error("%s\n  got  %s\n  want %s\n", sql, buf_cstr(&a.data), rows);
	assert_string_equal(buf_cstr(&a.data), rows);
}

UNUSED static void do_sql(struct peer *w, const char *sql)
{
	struct engine_ask ask = asking(sql, ENGINE_NATIVE);
	OWNS(answer) a;

	ask.counts = ENGINE_STATUS;
	run(w, &ask, &a);
	assert_ok(&a);
	assert_int_equal(a.end.rows, 0);
	assert_int_equal(a.parts, 0);
}

UNUSED static struct peer the; /* most tests share one worker: four executors */

UNUSED static int shared_start(void **state)
{
	(void)state;
	the = start("400000000", "4");
	return 0;
}

UNUSED static int shared_stop(void **state)
{
	(void)state;
	stop(&the);
	return 0;
}

#endif
