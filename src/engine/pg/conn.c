/* conn.c - connections to PostgreSQL: made, asked, closed, and results taken from them, never blocking in libpq.
 *
 * Not quite never: libpq looks up a host's name by getaddrinfo() before the first packet, which takes as long as the
 * resolver's own limits. A connection has the settings that results depend on from its first packet on, so that
 * DISCARD ALL, RESET and settings of roles and databases leave them as they are.
 */
#include "engine/pg/pg_int.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { CONNECT_MS = 15000, TICKS_PER_LOOK = 128, PARAMS_MAX = 16, MESSAGE_KEPT = 1 << 20 };

static const char session_options[] =
	"-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 -c bytea_output=hex";

void pg_conn_stop(struct pg_conn *p, struct pg_stop *stop)
{
	p->stop = stop;
}

int pg_conn_version(const struct pg_conn *p)
{
	return PQserverVersion(p->db);
}

struct pg_limits pg_limits_of(const struct call *c, const struct pg_conn *p)
{
	return (struct pg_limits){p->stop, c->cancel, c->deadline_ms};
}

enum pg_outcome pg_woken_outcome(enum pg_woken w)
{
	return w == PG_ASKED_TO_STOP ? PG_STOPPED : w == PG_TOO_LATE ? PG_LATE : PG_OK;
}

static void take_notice(void *arg, const PGresult *res)
{
	struct pg_conn *p = arg;

	p->coming = 0;
	if (p->making)
		pg_making_notice(p->making, res);
}

/* --- connecting --- */
struct params {
	const char *keys[PARAMS_MAX], *values[PARAMS_MAX];
	int n;
};

static void param(struct params *v, const char *key, const char *value)
{
	INVARIANT(v->n < PARAMS_MAX - 1);
	v->keys[v->n] = key;
	v->values[v->n++] = value;
}

static const char *given(const PQconninfoOption *v, const char *key)
{
	for (; v && v->keyword; v++)
		if (v->val && strcmp(v->keyword, key) == 0)
			return v->val;
	return NULL;
}

/* The first is the conninfo; what stands behind it in the list wins. */
static bool params_of(struct call *c, const struct pg_target *t, struct params *ret)
{
	const char *conninfo = arena_cstr(c->arena, t->conninfo), *options;
	PQconninfoOption *v = PQconninfoParse(conninfo, NULL);
	struct str all;

	if (!v) /* libpq's words may quote a part of the password */
		return fail(c, ERR_ENGINE_UNREACHABLE, "the connection string of PostgreSQL is not well-formed");
	*ret = (struct params){.n = 0};
	options = given(v, "options");
	all = arena_fmt(c->arena, "%s %s %.*s", options ? options : "", session_options, SARG(t->options));
	param(ret, "dbname", conninfo);
	if (t->dbname.n)
		param(ret, "dbname", arena_cstr(c->arena, t->dbname));
	if (t->user.n) {
		param(ret, "user", arena_cstr(c->arena, t->user));
		param(ret, "password", arena_cstr(c->arena, t->password));
	}
	param(ret, "options", all.p);
	param(ret, "client_encoding", "UTF8");
	param(ret, "fallback_application_name", "mayfly");
	if (!given(v, "tcp_user_timeout"))
		param(ret, "tcp_user_timeout", "30000");
	if (!given(v, "keepalives_idle"))
		param(ret, "keepalives_idle", "30");
	PQconninfoFree(v);
	return true;
}

/* The library's words, on one line, unless they hold the password. */
static bool unreachable(struct call *c, PGconn *db)
{
	const char *password = PQpass(db);
	struct str words = arena_dup(c->arena, str_trim(str_of(PQerrorMessage(db))));

	for (size_t i = 0; i < words.n; i++)
		if (words.p[i] == '\n')
			((char *)words.p)[i] = ' ';
	if (words.n == 0 || !str_is_utf8(words))
		words = S("no connection");
	if (password && *password && str_search(words, str_of(password)) < words.n)
		words = S("no connection");
	return fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL cannot be reached: %.*s", SARG(words));
}

static bool ended_early(struct call *c, enum pg_woken w, bool own_limit)
{
	if (w == PG_ASKED_TO_STOP)
		return fail(c, ERR_CANCELED, "canceled while connecting to PostgreSQL");
	if (own_limit)
		return fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL cannot be reached: no answer within %d s", CONNECT_MS / 1000);
	return fail(c, ERR_STATEMENT_TIMEOUT, "the deadline passed while connecting to PostgreSQL");
}

static bool handshake(struct call *c, struct pg_conn *p)
{
	struct pg_limits l = pg_limits_of(c, p);
	int64_t own = clock_mono_ms() + CONNECT_MS;
	bool own_limit = !l.deadline_ms || own < l.deadline_ms;
	PostgresPollingStatusType s = PGRES_POLLING_WRITING;

	if (own_limit)
		l.deadline_ms = own;
	while (s != PGRES_POLLING_OK) {
		enum pg_woken w;

		if (s == PGRES_POLLING_FAILED || PQsocket(p->db) < 0)
			return unreachable(c, p->db);
		w = pg_wait(&l, PQsocket(p->db), s == PGRES_POLLING_READING ? POLLIN : POLLOUT);
		if (w != PG_READY)
			return ended_early(c, w, own_limit);
		s = PQconnectPoll(p->db);
	}
	return PQsetnonblocking(p->db, 1) == 0 || unreachable(c, p->db);
}

bool pg_connect(struct call *c, const struct pg_target *t, struct pg_conn **ret)
{
	struct pg_conn *p;
	struct params params;

	if (!params_of(c, t, &params))
		return false;
	params.keys[params.n] = params.values[params.n] = NULL;
	p = base_zalloc(sizeof(*p));
	p->stop = t->stop;
	p->db = PQconnectStartParams(params.keys, params.values, 1);
	INVARIANT(p->db);
	PQsetNoticeReceiver(p->db, take_notice, p);
	if (PQstatus(p->db) == CONNECTION_BAD ? !unreachable(c, p->db) : !handshake(c, p)) {
		pg_conn_close(p);
		return false;
	}
	*ret = p;
	return true;
}

void pg_conn_close(struct pg_conn *p)
{
	if (!p)
		return;
	PQfinish(p->db);
	free(p);
}

bool pg_conn_alive(struct pg_conn *p)
{
	struct pollfd fd = {.fd = PQsocket(p->db), .events = POLLIN};

	if (p->broken || PQstatus(p->db) != CONNECTION_OK)
		return false;
	if (!pg_read_tail_fine(p))
		return false;
	if (p->syncs) /* the end of a pg_read() is still on its way */
		return true;
	if (PQtransactionStatus(p->db) == PQTRANS_ACTIVE)
		return false;
	/* Something to read between statements: a notice, a parting word, or the end. */
	for (int i = 0; i < 2 && poll(&fd, 1, 0) != 0; i++)
		if (!PQconsumeInput(p->db) || PQisBusy(p->db) || PQstatus(p->db) != CONNECTION_OK)
			return false;
	return true;
}

/* --- sending and receiving --- */
/* libpq keeps the room of the largest message as long as the connection. What is still in the socket is the least that a message has
 * which is not whole yet. */
static void weigh(struct pg_conn *p)
{
	int n = 0;

	if (ioctl(PQsocket(p->db), FIONREAD, &n) == 0)
		p->coming += n;
	p->swollen = p->swollen || p->coming > MESSAGE_KEPT;
}

/* Nobody listens, and libpq would keep them. */
static void drop_notifications(struct pg_conn *p)
{
	PGnotify *n;

	while ((n = PQnotifies(p->db)) != NULL) {
		PQfreemem(n);
		p->coming = 0;
	}
}

/* Once around: waits for the socket, then reads what is there. Also while something is to be sent: a server that
 * does not get rid of its words does not listen. */
static enum pg_outcome turn(struct pg_conn *p, const struct pg_limits *l, int unsent)
{
	enum pg_woken w = pg_wait(l, PQsocket(p->db), (short)(unsent ? POLLIN | POLLOUT : POLLIN));

	if (w != PG_READY)
		return pg_woken_outcome(w);
	weigh(p);
	if (!PQconsumeInput(p->db))
		return PG_LOST;
	drop_notifications(p);
	return PG_OK;
}

enum pg_outcome pg_receive(struct pg_conn *p, const struct pg_limits *l)
{
	return turn(p, l, 0);
}

/* Rows that come faster than they are read leave no wait in which somebody looks. */
enum pg_outcome pg_tick(struct pg_conn *p, const struct pg_limits *l)
{
	p->coming = 0;
	return ++p->ticks % TICKS_PER_LOOK ? PG_OK : pg_woken_outcome(pg_look(l));
}

bool pg_flush(struct pg_conn *p, const struct pg_limits *l, enum pg_outcome *ret)
{
	int unsent;

	while ((unsent = PQflush(p->db)) > 0) {
		*ret = turn(p, l, unsent);
		if (*ret != PG_OK)
			return false;
	}
	*ret = unsent < 0 ? PG_LOST : PG_OK;
	return unsent == 0;
}

enum pg_outcome pg_next(struct pg_conn *p, const struct pg_limits *l, PGresult **ret)
{
	enum pg_outcome o = pg_tick(p, l);

	while (o == PG_OK && PQstatus(p->db) == CONNECTION_OK) {
		int unsent = PQflush(p->db);

		if (unsent < 0 || !PQisBusy(p->db))
			break;
		o = turn(p, l, unsent);
	}
	if (o == PG_STOPPED || o == PG_LATE)
		return o;
	*ret = PQgetResult(p->db); /* of a lost connection: the error, then NULL */
	return PG_OK;
}
