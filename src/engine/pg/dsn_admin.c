/* dsn_admin.c - the backend's own connections, and statements on them.
 *
 * A few connections to the catalog are kept; after a restart of the server they are found dead and made anew. Whatever the
 * server says becomes an error of the call, by its SQLSTATE.
 */
#include "engine/pg/dsn_int.h"
#include "sql/sql.h"

#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 1000000, BYTES_MAX = 512 << 20, GRACE_MS = 5000 };

/* --- connections --- */
bool dsn_connect(struct call *c, struct dsn *d, const char *dbname, struct pg_stop *stop, struct pg_conn **ret)
{
	struct pg_target t = {.conninfo = d->conninfo, .dbname = str_of(dbname), .stop = stop,
		.options = S("-c standard_conforming_strings=on -c search_path=pg_catalog -c statement_timeout=0 -c lock_timeout=0 "
			     "-c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off")};

	return pg_connect(c, &t, ret);
}

bool dsn_take(struct call *c, struct dsn *d, struct pg_stop *stop, struct pg_conn **ret)
{
	struct pg_conn *p;

	for (;;) {
		pthread_mutex_lock(&d->lock);
		p = d->nidle ? d->idle[--d->nidle] : NULL;
		pthread_mutex_unlock(&d->lock);
		if (!p)
			return dsn_connect(c, d, DSN_CATALOG, stop, ret);
		if (pg_conn_alive(p))
			break;
		pg_conn_close(p);
	}
	pg_conn_stop(p, stop);
	*ret = p;
	return true;
}

void dsn_give(struct dsn *d, struct pg_conn *p, bool fine)
{
	bool kept = fine && pg_conn_alive(p) && PQtransactionStatus(p->db) == PQTRANS_IDLE;

	pg_conn_stop(p, NULL);
	pthread_mutex_lock(&d->lock);
	kept = kept && d->nidle < DSN_IDLE_MAX;
	if (kept)
		d->idle[d->nidle++] = p;
	pthread_mutex_unlock(&d->lock);
	if (!kept)
		pg_conn_close(p);
}

/* --- statements --- */
static bool state_starts(const struct pg_notice *e, const char *start)
{
	return strncmp(e->sqlstate, start, strlen(start)) == 0;
}

static enum err_kind kind_of(const struct pg_notice *e)
{
	if (strcmp(e->sqlstate, "3D000") == 0)
		return ERR_NOT_FOUND;
	if (strcmp(e->sqlstate, "53300") == 0)
		return ERR_TOO_MANY;
	if (state_starts(e, "53") || state_starts(e, "58"))
		return ERR_STORAGE;
	return ERR_ENGINE_UNREACHABLE;
}

static bool told(struct call *c, const struct pg_answer *a)
{
	const struct pg_notice *e = &a->error;

	switch (a->outcome) {
	case PG_OK:
		return true;
	case PG_STOPPED:
		return fail(c, ERR_CANCELED, "canceled");
	case PG_LATE:
		return fail(c, ERR_STATEMENT_TIMEOUT, "the deadline passed while PostgreSQL was at work");
	case PG_LOST:
		return fail(c, ERR_ENGINE_UNREACHABLE, "the connection to PostgreSQL was lost");
	default:
		fail(c, kind_of(e), "PostgreSQL: %.*s", SARG(e->message));
		return fail_state(c, e->sqlstate, NULL);
	}
}

static bool run(struct call *c, struct pg_conn *p, struct str sql, struct pg_answer *ret)
{
	pg_run(c, p, &(struct pg_ask){.sql = sql, .caps = {ROWS_MAX, BYTES_MAX}}, GRACE_MS, ret);
	return told(c, ret);
}

bool dsn_run(struct call *c, struct pg_conn *p, const char *fmt, ...)
{
	struct pg_answer a;
	struct str sql;
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	sql = arena_vfmt(c->arena, fmt, ap);
	va_end(ap);
	ok = run(c, p, sql, &a);
	pg_answer_drop(&a);
	return ok;
}

static bool read_rows(struct call *c, const struct pg_answer *a, const json_node **ret)
{
	static const size_t head = sizeof("{\"data\":[") - 1;
	OWNS(buf) all = {0};

	buf_addc(&all, '[');
	for (int i = 0; i < a->nparts; i++) {
		struct str s = engine_bytes_str(a->parts[i].bytes);

		if (i)
			buf_addc(&all, ',');
		buf_add(&all, str_from(s.p + head, s.n - head - 2));
	}
	buf_addc(&all, ']');
	return json_read(c, arena_dup(c->arena, buf_str(&all)), ret);
}

bool dsn_ask(struct call *c, struct pg_conn *p, const json_node **ret, const char *fmt, ...)
{
	struct pg_answer a;
	struct str sql;
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	sql = arena_vfmt(c->arena, fmt, ap);
	va_end(ap);
	ok = run(c, p, sql, &a) && read_rows(c, &a, ret);
	pg_answer_drop(&a);
	return ok;
}

bool dsn_state_is(const struct call *c, const char *a, const char *b)
{
	return strcmp(c->err.sqlstate, a) == 0 || (b && strcmp(c->err.sqlstate, b) == 0);
}

struct str dsn_literal(struct arena *a, struct str s)
{
	OWNS(buf) out = {0};

	sql_quote_literal(&out, s);
	return arena_dup(a, buf_str(&out));
}

/* --- names --- */
void dsn_hex(struct str of, int digits, char *ret)
{
	char sum[SHA256_HEX + 1];

	hash_sha256_hex(of, sum);
	snprintf(ret, (size_t)digits + 1, "%s", sum);
}

void dsn_nonce(char ret[17])
{
	uint64_t v;

	id_random(&v, sizeof(v));
	snprintf(ret, 17, "%016llx", (unsigned long long)v);
}
