/* ingest.c - rows that come on a socket, into one table of a catalog: all of them, or none.
 *
 * One transaction. It is committed only when the stream said that it is complete;
 * a stream that just ends leaves nothing. A client that sends nothing more cannot
 * hold the executor: the server ends the stream, and a cancel is seen between reads.
 */
#include "engine/worker/ingest.h"
#include "engine/worker/catalog.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- how it fails --- */
bool ingest_mismatch(struct ingest *g, int64_t row, struct str column, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	task_fails(g->t, "Mismatch", "%s", text);
	g->t->end.row = row;
	g->t->end.column = arena_dup(g->t->call.arena, column);
	return false;
}

/* "NOT NULL constraint failed: table.column" */
static bool is_not_null(struct ingest *g, struct str text, struct str *ret_column)
{
	const struct str words = S("NOT NULL constraint failed: ");
	size_t at = str_search(text, words);
	struct str name;

	if (at == text.n)
		return false;
	name = str_tail(text, at + words.n);
	*ret_column = (struct str){NULL, 0};
	for (int i = 0; i < g->nfields; i++)
		if (str_ends(name, arena_fmt(g->t->call.arena, ".%.*s", SARG(g->names[i]))))
			*ret_column = g->names[i];
	return true;
}

bool ingest_failed(struct ingest *g, const char *message)
{
	static const char *const of_values[] = {"Conversion", "Invalid Input", "Out of Range", "Mismatch Type", "Decimal",
						"Not implemented", "Invalid type", "Unhandled Time"};
	struct engine_end *e = &g->t->end;
	struct str column;

	task_failed_by_duckdb(g->t, message);
	e->position = -1; /* there is no text of the client's */
	if (e->outcome != ENGINE_FAILED)
		return false;
	for (size_t i = 0; i < COUNT_OF(of_values); i++)
		if (str_ieq(e->class, str_of(of_values[i])))
			e->class = S("Mismatch");
	if (str_ieq(e->class, S("Constraint"))) {
		e->class = S("Constraint");
		if (is_not_null(g, e->text, &column)) {
			e->class = S("Mismatch");
			e->column = column;
		}
	}
	return false;
}

bool ingest_query(struct ingest *g, const char *sql)
{
	duckdb_result r;
	bool ok = duckdb_query(g->con, sql, &r) == DuckDBSuccess;

	if (!ok)
		ingest_failed(g, duckdb_result_error(&r));
	duckdb_destroy_result(&r);
	return ok;
}

bool ingest_numbers(struct ingest *g, const char *sql, int64_t ret[2])
{
	duckdb_result r;
	bool ok = duckdb_query(g->con, sql, &r) == DuckDBSuccess && catalog_first_row(&r, ret, 2);

	duckdb_destroy_result(&r);
	return ok;
}

/* --- the stream --- */
static ssize_t interrupted(struct ingest *g)
{
	task_fails(g->t, "INTERRUPT", "Interrupted!");
	return -1;
}

/* What is there, waiting for it; 0 at the end of file. */
static ssize_t receive(struct ingest *g, void *to, size_t n)
{
	struct pollfd p = {.fd = g->stream.fd, .events = POLLIN};

	for (;;) {
		ssize_t got = recv(g->stream.fd, to, n, MSG_DONTWAIT);

		if (got >= 0)
			return got;
		if (errno != EAGAIN && errno != EINTR)
			return 0;
		if (executor_canceled(g->x))
			return interrupted(g);
		if (poll(&p, 1, INGEST_POLL_MS) < 0 && errno != EINTR)
			return 0;
	}
}

static ssize_t cut_off(struct ingest *g)
{
	if (executor_canceled(g->x))
		return interrupted(g);
	task_fails(g->t, "Incomplete", "The rows ended before they were complete");
	return -1;
}

static bool next_frame(struct ingest *g)
{
	char head[sizeof(uint32_t)];

	for (size_t n = 0; n < sizeof(head);) {
		ssize_t got = receive(g, head + n, sizeof(head) - n);

		if (got < 0)
			return false;
		if (got == 0)
			return cut_off(g) == 0;
		n += (size_t)got;
	}
	memcpy(&g->stream.left, head, sizeof(head));
	g->stream.complete = g->stream.left == 0;
	return true;
}

ssize_t ingest_read(struct ingest *g, char *to, size_t n)
{
	struct stream *s = &g->stream;
	ssize_t got;

	if (executor_canceled(g->x))
		return interrupted(g);
	if (s->left == 0 && !s->complete && !next_frame(g))
		return -1;
	if (s->complete)
		return 0;
	got = receive(g, to, n < s->left ? n : s->left);
	if (got == 0)
		return cut_off(g);
	if (got > 0)
		s->left -= (uint32_t)got;
	return got;
}

/* --- text rows --- */
static enum rows_put on_header(void *arg, const bool *given)
{
	struct ingest *g = arg;

	for (int i = 0; i < g->nfields; i++) {
		g->fields[i].given = given[i];
		g->fields[i].fallback = (struct str){NULL, 0}; /* the INSERT leaves the column out */
	}
	return ingest_open(g) ? ROWS_PUT_OK : ROWS_PUT_STOP;
}

/* The error of the rows, unless the sink has left one. */
static bool stopped(struct ingest *g, enum rows_state state)
{
	const struct rows_error *e = rows_error(g->rows);

	if (state == ROWS_BAD || g->t->end.outcome == ENGINE_OK)
		return ingest_mismatch(g, e->row, e->column, "%s", e->text);
	return false;
}

static bool read_rows(struct ingest *g)
{
	enum rows_state state = ROWS_MORE;

	while (state != ROWS_END) {
		if (state == ROWS_MORE) {
			size_t room;
			char *to = rows_room(g->rows, &room);
			ssize_t got = ingest_read(g, to, room);

			if (got < 0)
				return false;
			rows_added(g->rows, (size_t)got);
		}
		state = rows_run(g->rows, g->stream.complete);
		if (state == ROWS_STOPPED || state == ROWS_BAD)
			return stopped(g, state);
	}
	return true;
}

static bool ingest_texts(struct ingest *g)
{
	const struct rows_sink sink = {on_header, ingest_cell, ingest_row, g};
	bool ok = g->what.format == ENGINE_ROWS_CSV || ingest_open(g);

	g->rows = rows_open(g->what.format, g->names, g->nfields, &sink);
	ok = ok && read_rows(g) && ingest_close(g);
	rows_close(g->rows);
	return ok;
}

/* --- the task --- */
/* Values in a Parquet file are as large as they are only in the table. */
static bool commit(struct ingest *g)
{
	struct str insert = arena_fmt(g->t->call.arena, "INSERT INTO %.*s SELECT 1", SARG(g->table));

	if (g->what.format == ENGINE_ROWS_PARQUET)
		return catalog_commit(g->x, g->t, &g->change, insert);
	return catalog_commit_rows(g->x, g->t, &g->change, &g->sum, g->what.table);
}

/* Somebody else's commit brought the key first. */
static bool not_committed(struct ingest *g)
{
	struct engine_end *e = &g->t->end;

	e->rows = 0;
	e->position = -1;
	if (e->outcome == ENGINE_FAILED && str_search(e->text, S("onstraint")) < e->text.n)
		e->class = S("Constraint");
	return false;
}

static bool transact(struct ingest *g, struct session *s)
{
	struct task *t = g->t;
	bool ok;

	if (!catalog_begin(g->x, t, s, &g->change))
		return false;
	ok = ingest_describe(g) && (g->what.format == ENGINE_ROWS_PARQUET ? ingest_parquet(g) : ingest_texts(g));
	ingest_drop(g); /* what the appender still holds is in the transaction, not behind it */
	if (!ok) {
		catalog_rollback(&g->change);
		return false;
	}
	t->end.rows = g->sum.rows;
	return commit(g) || not_committed(g);
}

static void run_in(struct ingest *g, struct session *s)
{
	struct task *t = g->t;

	g->con = s->con;
	if (!executor_runs(g->x, s))
		task_fails(t, "INTERRUPT", "Interrupted!");
	else if (session_timezone(t, s, t->ask.timezone)) /* UTC; the session may have served another */
		transact(g, s);
	executor_runs(g->x, NULL);
	if (t->end.outcome == ENGINE_FAILED && executor_canceled(g->x) && !t->broken)
		t->end.outcome = ENGINE_INTERRUPTED;
}

void run_ingest(struct executor *x, struct task *t, struct str body, int fd)
{
	struct ingest *g = ARENA_NEW(t->call.arena, struct ingest);
	struct session *s;

	t->end.position = -1;
	*g = (struct ingest){.x = x, .t = t, .stream.fd = fd};
	if (fd < 0 || !wire_get_ingest(&t->call, body, &g->what))
		_exit(WORKER_EXIT_BAD_PACKET);
	t->scope = g->what.catalog;
	if (catalog_enter(x, t, false)) {
		s = catalog_session(x, t);
		if (s)
			run_in(g, s);
		catalog_leave(x, t, s);
	}
	close(fd);
}
