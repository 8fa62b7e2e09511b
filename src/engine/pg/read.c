/* read.c - statements that only read, on a connection that many share one after the other: one round trip.
 *
 *   BEGIN READ ONLY · SELECT 1 · statement … · ROLLBACK · sync · DISCARD ALL · sync
 *
 * SELECT 1 takes the snapshot, after which a transaction cannot be made writable any more. ROLLBACK undoes what a read-only
 * transaction may still do (large objects), DISCARD ALL what a session keeps (settings, advisory locks, LISTEN); that has
 * a sync before it since it runs in no transaction and no pipeline. Nobody waits for these two: their results are read before the
 * connection is used again. After an error both are done anew, one by one.
 */
#include "engine/pg/pg_int.h"

#include <poll.h>

enum { ALL_BYTES = 128 << 20 }; /* of all answers, which are held at once, when one alone may not have more */

struct reading {
	struct pg_conn *p;
	struct pg_limits limits;
	struct pg_answer *answers;
	int n;
	struct pg_caps caps;
	struct call *c;
};

static bool send_one(PGconn *db, const char *sql)
{
	return PQsendQueryParams(db, sql, 0, NULL, NULL, NULL, NULL, 0);
}

static bool send_all(struct reading *r, const struct str *sql)
{
	PGconn *db = r->p->db;

	if (!PQenterPipelineMode(db) || !send_one(db, "BEGIN READ ONLY") || !send_one(db, "SELECT 1"))
		return false;
	for (int i = 0; i < r->n; i++)
		if (!send_one(db, arena_cstr(r->c->arena, sql[i])))
			return false;
	if (!send_one(db, "ROLLBACK") || !PQpipelineSync(db) || !send_one(db, "DISCARD ALL") || !PQpipelineSync(db))
		return false;
	r->p->syncs = 2;
	return true;
}

/* --- results --- */
static enum pg_outcome take(struct reading *r, struct pg_making *m, PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_SINGLE_TUPLE:
		pg_making_row(m, r->p->db, res);
		return PG_OK;
	case PGRES_TUPLES_OK:
		pg_making_columns(m, r->p->db, res);
		pg_making_tag(m, res);
		return PG_OK;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		pg_making_tag(m, res);
		return PG_OK;
	case PGRES_FATAL_ERROR:
		pg_making_error(m, res);
		return PG_OK;
	default: /* COPY, which a pipeline cannot have */
		return PG_LOST;
	}
}

/* The results of one query, to the NULL behind them. */
static enum pg_outcome collect(struct reading *r, struct pg_making *m)
{
	PGresult *res;
	enum pg_outcome o;

	PQsetSingleRowMode(r->p->db);
	for (;;) {
		o = pg_next(r->p, &r->limits, &res);
		if (o != PG_OK)
			return o;
		if (!res)
			return PQstatus(r->p->db) == CONNECTION_OK ? m->a->outcome : PG_LOST;
		o = take(r, m, res);
		PQclear(res);
		if (o != PG_OK)
			return o;
	}
}

static bool wants_to_write(const struct pg_answer *a)
{
	return strcmp(a->error.sqlstate, "25006") == 0 || strcmp(a->error.sqlstate, "25001") == 0;
}

/* Into `a`, whose index decides nothing: BEGIN and SELECT 1 use the first statement's, which is set anew after them. */
static enum pg_outcome read_one(struct reading *r, struct pg_answer *a, struct pg_caps caps)
{
	struct pg_making m;
	enum pg_outcome o;

	pg_making_begin(&m, r->c, a, caps);
	r->p->making = &m;
	o = collect(r, &m);
	r->p->making = NULL;
	if (o == PG_FAILED && wants_to_write(a))
		o = PG_NOT_READ_ONLY;
	pg_making_end(&m, o);
	return o;
}

/* --- what follows the statements --- */
/* One result of them; false: an error. */
static bool take_tail(struct pg_conn *p, PGresult *res)
{
	ExecStatusType s = res ? PQresultStatus(res) : PGRES_COMMAND_OK;

	PQclear(res);
	p->syncs -= s == PGRES_PIPELINE_SYNC;
	return s != PGRES_FATAL_ERROR;
}

static enum pg_outcome drain(struct pg_conn *p, const struct pg_limits *l, bool *ret_clean)
{
	*ret_clean = true;
	while (p->syncs > 0) {
		PGresult *res;
		enum pg_outcome o = pg_next(p, l, &res);

		if (o != PG_OK)
			return o;
		*ret_clean = take_tail(p, res) && *ret_clean;
		if (PQstatus(p->db) != CONNECTION_OK)
			return PG_LOST;
	}
	return PG_OK;
}

bool pg_read_tail_fine(struct pg_conn *p)
{
	struct pollfd fd = {.fd = PQsocket(p->db), .events = POLLIN};

	while (p->syncs > 0) {
		if (PQisBusy(p->db) && poll(&fd, 1, 0) == 0)
			return true;
		if (PQisBusy(p->db) ? !PQconsumeInput(p->db) : !take_tail(p, PQgetResult(p->db)))
			p->broken = true;
		if (p->broken || PQstatus(p->db) != CONNECTION_OK)
			return false;
	}
	return true;
}

static bool settle(struct pg_conn *p, const struct pg_limits *l)
{
	bool clean;

	return drain(p, l, &clean) == PG_OK;
}

enum pg_outcome pg_read_finish(struct pg_conn *p, const struct pg_limits *l)
{
	bool clean;
	enum pg_outcome o;

	if (p->syncs == 0)
		return PG_OK;
	o = drain(p, l, &clean);
	if (o != PG_OK || !clean)
		p->broken = true;
	return o == PG_OK && !clean ? PG_LOST : o;
}

/* In an aborted transaction: as new again, or of no use any more. */
static void recover(struct reading *r, enum pg_outcome o)
{
	static const struct str words[] = {S_INIT("ROLLBACK"), S_INIT("DISCARD ALL")};
	struct pg_limits own = {.deadline_ms = clock_mono_ms() + PG_GRACE_MS};
	struct pg_stop *stop = r->p->stop;
	struct call quiet = {.arena = r->c->arena, .deadline_ms = own.deadline_ms};
	struct pg_answer a;
	bool idle;

	if (o == PG_STOPPED || o == PG_LATE)
		idle = pg_call_off(r->p, PG_GRACE_MS, settle);
	else
		idle = o != PG_LOST && settle(r->p, &own);
	r->p->stop = NULL;
	for (size_t i = 0; idle && i < COUNT_OF(words); i++) {
		pg_run(&quiet, r->p, &(struct pg_ask){.sql = words[i]}, 0, &a);
		idle = a.outcome == PG_OK;
	}
	r->p->stop = stop;
	r->p->broken = r->p->broken || !idle;
}

static enum pg_outcome read_all(struct reading *r)
{
	enum pg_outcome o = read_one(r, &r->answers[0], (struct pg_caps){0, 0});
	int64_t left = r->caps.bytes > ALL_BYTES ? r->caps.bytes : ALL_BYTES;

	if (o == PG_OK)
		o = read_one(r, &r->answers[0], (struct pg_caps){0, 0});
	for (int i = 0; i < r->n && o == PG_OK; i++) {
		struct pg_caps caps = r->caps;

		if (caps.bytes > left)
			caps.bytes = left > 0 ? left : 1; /* none: rows would not be counted as cut */
		o = read_one(r, &r->answers[i], caps);
		left -= r->answers[i].bytes;
	}
	return o;
}

static enum pg_outcome unsent(struct reading *r, enum pg_outcome o)
{
	r->answers[0] = (struct pg_answer){.outcome = o, .affected = -1};
	return o;
}

enum pg_outcome pg_read(struct call *c, struct pg_conn *p, const struct str *sql, int n, struct pg_caps caps,
	struct pg_answer *answers)
{
	struct reading r = {p, pg_limits_of(c, p), answers, n, caps, c};
	enum pg_outcome o = pg_woken_outcome(pg_look(&r.limits));

	INVARIANT(n > 0);
	for (int i = 0; i < n; i++)
		if (sql[i].n && memchr(sql[i].p, '\0', sql[i].n))
			return unsent(&r, PG_NOT_READ_ONLY); /* pg_run() says what is wrong */
	if (o == PG_OK)
		o = p->broken ? PG_LOST : pg_read_finish(p, &r.limits);
	if (o != PG_OK)
		return unsent(&r, o);
	if (!send_all(&r, sql)) {
		p->broken = true;
		return unsent(&r, PG_LOST);
	}
	o = read_all(&r);
	if (o != PG_OK)
		recover(&r, o);
	r.p->broken = r.p->broken || r.p->swollen;
	return o;
}
