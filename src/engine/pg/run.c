/* run.c - one statement on a connection, with what COPY wants to be told and tells.
 *
 * Rows come one by one (single-row mode), so that libpq never holds more than one; a row may be as large as PostgreSQL
 * lets a message be, 1 GB. Not the place of scripts: whoever calls has split them.
 */
#include "engine/pg/pg_int.h"

#include <stdlib.h>

enum { COPY_CHUNK = 256 * 1024 };

struct run {
	struct pg_conn *p;
	struct pg_limits limits;
	struct pg_making *m;
	struct str data; /* of COPY FROM STDIN; taken by the first */
};

/* --- COPY FROM STDIN --- */
/* A server that found an error in the data drops the rest of it, and says so at the end. */
static enum pg_outcome feed(struct run *r)
{
	enum pg_outcome o;

	for (size_t at = 0; at < r->data.n;) {
		size_t n = r->data.n - at < COPY_CHUNK ? r->data.n - at : COPY_CHUNK;
		int sent = PQputCopyData(r->p->db, r->data.p + at, (int)n);

		if (sent < 0)
			return PG_LOST;
		if (sent > 0)
			at += n;
		if (!pg_flush(r->p, &r->limits, &o))
			return o;
	}
	return PG_OK;
}

static enum pg_outcome copy_in(struct run *r)
{
	const char *refusal = r->data.p ? NULL : "COPY FROM STDIN has no data here";
	enum pg_outcome o = feed(r);
	int ended;

	if (o != PG_OK)
		return o;
	r->data = (struct str){NULL, 0};
	while ((ended = PQputCopyEnd(r->p->db, refusal)) == 0)
		if (!pg_flush(r->p, &r->limits, &o))
			return o;
	if (ended < 0)
		return PG_LOST;
	return pg_flush(r->p, &r->limits, &o) ? PG_OK : o;
}

/* --- COPY TO STDOUT --- */
/* 1: a row; 0: none is there yet; -1: the end, or an error that the result tells */
static int copied_row(struct run *r, bool binary)
{
	char *row = NULL;
	int n = PQgetCopyData(r->p->db, &row, 1);

	if (n <= 0)
		return n == 0 ? 0 : -1;
	pg_making_copied(r->m, str_from(row, (size_t)n), binary);
	PQfreemem(row);
	return 1;
}

static enum pg_outcome copy_out(struct run *r, bool binary)
{
	enum pg_outcome o = PG_OK;
	int got;

	pg_making_copy_columns(r->m, binary);
	while (o == PG_OK && (got = copied_row(r, binary)) >= 0)
		o = got ? pg_tick(r->p, &r->limits) : pg_receive(r->p, &r->limits);
	return o;
}

/* --- results --- */
static enum pg_outcome take(struct run *r, PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_SINGLE_TUPLE:
		pg_making_row(r->m, r->p->db, res);
		return PG_OK;
	case PGRES_TUPLES_OK:
		pg_making_columns(r->m, r->p->db, res);
		pg_making_tag(r->m, res);
		return PG_OK;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		pg_making_tag(r->m, res);
		return PG_OK;
	case PGRES_COPY_IN:
		return copy_in(r);
	case PGRES_COPY_OUT:
		return copy_out(r, PQbinaryTuples(res));
	case PGRES_FATAL_ERROR:
		pg_making_error(r->m, res);
		return PG_OK;
	default: /* COPY BOTH and what is newer: nothing that a statement of ours leads to */
		return PG_LOST;
	}
}

static enum pg_outcome collect(struct run *r)
{
	enum pg_outcome o;
	PGresult *res;

	for (;;) {
		o = pg_next(r->p, &r->limits, &res);
		if (o != PG_OK || !res)
			break;
		o = take(r, res);
		PQclear(res);
		if (o != PG_OK)
			break;
	}
	return o != PG_OK ? o : r->m->a->outcome;
}

static bool start(struct run *r, const struct pg_ask *ask)
{
	char *sql = strndup(ask->sql.n ? ask->sql.p : "", ask->sql.n); /* the call's arena lives longer than a statement */
	int ok = !sql ? 0 : ask->one_only ? PQsendQueryParams(r->p->db, sql, 0, NULL, NULL, NULL, NULL, 0) : PQsendQuery(r->p->db, sql);

	free(sql);
	return ok && PQsetSingleRowMode(r->p->db);
}

/* --- calling off --- */
static bool drop_copied(struct pg_conn *p, const struct pg_limits *l)
{
	for (;;) {
		char *row = NULL;
		int n = PQgetCopyData(p->db, &row, 1);

		PQfreemem(row);
		if (n < 0)
			return true;
		if ((n ? pg_tick(p, l) : pg_receive(p, l)) != PG_OK)
			return false;
	}
}

/* All that comes is dropped, until the server waits for the next statement. */
static bool settle(struct pg_conn *p, const struct pg_limits *l)
{
	PGresult *res;

	for (;;) {
		ExecStatusType s;

		if (pg_next(p, l, &res) != PG_OK)
			return false;
		if (!res)
			return PQstatus(p->db) == CONNECTION_OK;
		s = PQresultStatus(res);
		PQclear(res);
		/* A server that reads COPY's data does not look at requests to cancel. */
		if (s == PGRES_COPY_IN && PQputCopyEnd(p->db, "canceled") < 0)
			return false;
		if (s == PGRES_COPY_OUT && !drop_copied(p, l))
			return false;
	}
}

static enum pg_outcome leave_pipeline(struct run *r)
{
	enum pg_outcome o = r->p->broken ? PG_LOST : pg_read_finish(r->p, &r->limits);

	if (o == PG_OK && PQpipelineStatus(r->p->db) != PQ_PIPELINE_OFF && !PQexitPipelineMode(r->p->db))
		return PG_LOST;
	return o;
}

void pg_run(struct call *c, struct pg_conn *p, const struct pg_ask *ask, int grace_ms, struct pg_answer *ret)
{
	struct pg_making m;
	struct run r = {p, pg_limits_of(c, p), &m, ask->data};
	enum pg_outcome o;

	pg_making_begin(&m, c, ret, ask->caps);
	m.text_only = ask->text;
	if (ask->sql.n && memchr(ask->sql.p, '\0', ask->sql.n)) {
		pg_making_refuse(&m, "22021", S("invalid byte sequence for encoding \"UTF8\": 0x00"));
		pg_making_end(&m, PG_FAILED);
		return;
	}
	o = pg_woken_outcome(pg_look(&r.limits));
	if (o == PG_OK)
		o = leave_pipeline(&r);
	if (o == PG_OK) {
		p->making = &m;
		o = start(&r, ask) ? collect(&r) : PG_LOST;
		p->making = NULL;
		if ((o == PG_STOPPED || o == PG_LATE) && !pg_call_off(p, grace_ms, settle))
			p->broken = true;
	}
	if (o != PG_STOPPED && o != PG_LATE && PQstatus(p->db) != CONNECTION_OK)
		o = PG_LOST;
	p->broken = p->broken || o == PG_LOST;
	pg_making_end(&m, o);
}
