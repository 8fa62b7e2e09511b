/* pg.h - part of engine/'s door: connections to PostgreSQL, and statements on them.
 *
 * Threads: any but a loop's; everything blocks, until the call's deadline or its stop sign. One thread at a time a connection.
 */
#ifndef MAYFLY_ENGINE_PG_H
#define MAYFLY_ENGINE_PG_H

#include "base/base.h"
#include "engine/result.h"

/* --- a stop sign: whoever waits in this room looks at it. c->cancel is &stop->on --- */
struct pg_stop {
	atomic_bool on;
	int fd; /* an eventfd: readable once on */
};
void pg_stop_open(struct pg_stop *s);
void pg_stop_ask(struct pg_stop *s); /* any thread, any number of times */
void pg_stop_close(struct pg_stop *s);

/* --- connections (conn.c) --- */
struct pg_conn;
struct pg_target {
	struct str conninfo; /* libpq's: a DSN or key=value */
	struct str dbname;       /* instead of the conninfo's; empty = as there */
	struct str user, password; /* the same; the password counts only with a user */
	struct str options;      /* more settings of the session: "-c a=b"; empty = none */
	struct pg_stop *stop;    /* NULL = none; a connection outlives a stop sign: pg_conn_stop() */
};
/* ERR_ENGINE_UNREACHABLE, without secrets in its words; ERR_CANCELED, ERR_STATEMENT_TIMEOUT. */
bool pg_connect(struct call *c, const struct pg_target *t, struct pg_conn **ret) NODISCARD;
void pg_conn_stop(struct pg_conn *p, struct pg_stop *stop); /* from now on this one */
bool pg_conn_alive(struct pg_conn *p);                      /* no statement runs, and the socket is not closed */
int pg_conn_version(const struct pg_conn *p);               /* 150018 */
void pg_conn_close(struct pg_conn *p);                      /* NULL is fine; at once */

/* --- statements --- */
enum pg_outcome {
	PG_OK, PG_FAILED,  /* the server's error */
	PG_STOPPED,        /* by the stop sign */
	PG_LATE,           /* the call's deadline */
	PG_LOST,           /* the connection broke: the connection is of no use any more */
	PG_NOT_READ_ONLY,  /* of pg_read(): needs a private instance; nothing has happened */
};
struct pg_notice { /* and an error; strs are empty where there is none */
	char sqlstate[6];
	struct str severity, message, detail, hint, context, schema, table, column, constraint;
	int position;      /* characters in the statement, from 1; 0 = unknown */
};
struct pg_caps {
	/* Of a result. What is beyond is read and dropped, up to the call's deadline, and `truncated` says so: a statement that
	 * was cut short would have no tag, and its functions' effects would be undone. */
	int64_t rows, bytes;
};
struct pg_ask {
	struct str sql;      /* one statement */
	struct str data;     /* for COPY … FROM STDIN; p = NULL: such a COPY is ended with an error */
	struct pg_caps caps; /* zero: rows are not kept */
	bool one_only;       /* the extended protocol: a text that is two statements is an error */
	bool text;           /* every column is VARCHAR, its cells are the server's own text */
};
struct pg_answer { /* in the call's arena, but for the parts */
	enum pg_outcome outcome;
	struct pg_notice error;       /* of PG_FAILED */
	struct str command_tag;       /* "SELECT 3" */
	bool has_rows;
	struct str columns;           /* packed; DuckDB's type names */
	struct engine_part *parts;    /* native form, plain; the receiver takes their references */
	int nparts;
	int64_t rows, bytes;          /* that were kept */
	int64_t affected;             /* -1 = the command has no count */
	bool truncated;
	const struct pg_notice *notices;
	int nnotices;                 /* at most PG_NOTICES_MAX are kept */
	int64_t ns;
};
enum { PG_NOTICES_MAX = 1000, PG_PART_BYTES = 1 << 20 };
/* Never fails by itself: whatever happens is an outcome. COPY … TO STDOUT gives rows of one text column. After PG_STOPPED and
 * PG_LATE the statement was canceled, and the connection is alive when it obeyed within `grace_ms`, else it is lost. */
void pg_run(struct call *c, struct pg_conn *p, const struct pg_ask *ask, int grace_ms, struct pg_answer *ret);
/* One round trip: BEGIN READ ONLY, a snapshot, the statements one by one by the extended protocol, ROLLBACK, DISCARD ALL.
 * answers[i] is of sql[i]; the first that is not PG_OK is the last that is set. Returns its outcome. The caller lets only statements
 * through that read (a COMMIT would end the transaction, a COPY costs the connection). The connection is as new afterwards. */
enum pg_outcome pg_read(struct call *c, struct pg_conn *p, const struct str *sql, int n, struct pg_caps caps,
			struct pg_answer *answers);
void pg_answer_drop(struct pg_answer *a); /* gives back its parts */

#endif
