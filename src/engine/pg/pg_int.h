/* pg_int.h - inside engine/: what the files behind pg.h hand each other.
 *
 *   stop.c    stop signs; waiting       conn.c    connecting, closing       cancel.c  cancel requests
 *   run.c     one statement; COPY       read.c    the read-only pipeline
 *   answer.c  answers: rows into parts, notices, errors       cells.c, times.c  cells
 */
#ifndef MAYFLY_ENGINE_PG_INT_H
#define MAYFLY_ENGINE_PG_INT_H

#include "engine/pg/pg.h"

#include <libpq-fe.h>

/* --- stop.c: what ends a wait before its socket is ready --- */
enum pg_woken { PG_READY, PG_ASKED_TO_STOP, PG_TOO_LATE };
struct pg_limits {
	struct pg_stop *stop;      /* NULL = none */
	const atomic_bool *cancel; /* the same for who has no stop sign; looked at now and then */
	int64_t deadline_ms;       /* 0 = none */
};
enum pg_woken pg_look(const struct pg_limits *l); /* without waiting */
enum pg_woken pg_wait(const struct pg_limits *l, int fd, short events);

/* --- answer.c: an answer while it is made --- */
struct pg_cells;
struct pg_making {
	struct call *c;
	struct pg_answer *a;
	struct pg_caps caps;
	bool text_only;                 /* of pg_ask */
	const struct pg_cells *cells;   /* of the rows that come now */
	struct buf text;                /* of the part that is filled */
	int64_t part_rows, part_row_bytes;
	size_t notice_bytes;
	int parts_room, notices_room;
	int64_t began_ns;
};
void pg_making_begin(struct pg_making *m, struct call *c, struct pg_answer *a, struct pg_caps caps);
void pg_making_row(struct pg_making *m, PGconn *db, const PGresult *res); /* the first gives the columns */
void pg_making_columns(struct pg_making *m, PGconn *db, const PGresult *res); /* of a result without rows */
void pg_making_copied(struct pg_making *m, struct str line, bool binary);
void pg_making_copy_columns(struct pg_making *m, bool binary);
void pg_making_tag(struct pg_making *m, PGresult *res);
void pg_making_error(struct pg_making *m, const PGresult *res);
void pg_making_refuse(struct pg_making *m, const char *sqlstate, struct str message); /* an error of our own */
void pg_making_notice(struct pg_making *m, const PGresult *res);
void pg_making_end(struct pg_making *m, enum pg_outcome outcome);

/* --- conn.c --- */
struct pg_conn {
	PGconn *db;
	struct pg_stop *stop;
	struct pg_making *making; /* gets the notices; NULL between statements */
	unsigned ticks;           /* results since somebody looked at the clock */
	int syncs;                /* of pg_read(), still to be read */
	int64_t coming;           /* bytes since the last whole message, at least */
	bool swollen;             /* libpq keeps the room of a large one */
	bool broken;              /* must not be used again */
};
struct pg_limits pg_limits_of(const struct call *c, const struct pg_conn *p);
bool pg_flush(struct pg_conn *p, const struct pg_limits *l, enum pg_outcome *ret); /* all that is to be sent is sent */
enum pg_outcome pg_receive(struct pg_conn *p, const struct pg_limits *l); /* waits once, reads what is there */
enum pg_outcome pg_tick(struct pg_conn *p, const struct pg_limits *l);    /* after each row: looks now and then */
/* The next result, NULL after the last. PG_OK, PG_STOPPED, PG_LATE. */
enum pg_outcome pg_next(struct pg_conn *p, const struct pg_limits *l, PGresult **ret);
enum pg_outcome pg_woken_outcome(enum pg_woken w);

/* --- read.c: reads what a pg_read() before left to be read --- */
enum pg_outcome pg_read_finish(struct pg_conn *p, const struct pg_limits *l);
bool pg_read_tail_fine(struct pg_conn *p); /* as far as it has come; does not wait */

/* --- cancel.c --- */
enum { PG_GRACE_MS = 250 };
/* Cancels what runs, until `settle` says that nothing does; false: it did not within the time. */
bool pg_call_off(struct pg_conn *p, int grace_ms, bool (*settle)(struct pg_conn *p, const struct pg_limits *l));

/* --- cells.c: rows in the native form --- */
const struct pg_cells *pg_cells_of(struct arena *a, PGconn *db, const PGresult *res, struct str *ret_columns);
const struct pg_cells *pg_cells_text(struct arena *a, const PGresult *res, struct str *ret_columns); /* all of them as text */
void pg_cells_row(const struct pg_cells *v, const PGresult *res, struct buf *out);
struct str pg_cells_copy_columns(struct arena *a, bool binary);

/* --- times.c: PostgreSQL's texts as DuckDB writes them, without quotes; false: not such a text, nothing is written --- */
bool pg_date(struct str s, struct buf *out) NODISCARD;
bool pg_time(struct str s, struct buf *out) NODISCARD;
bool pg_timetz(struct str s, struct buf *out) NODISCARD;
bool pg_timestamp(struct str s, struct buf *out) NODISCARD;
bool pg_timestamptz(struct str s, struct buf *out) NODISCARD; /* in UTC, with a Z */
bool pg_interval(struct str s, struct buf *out) NODISCARD;

#endif
