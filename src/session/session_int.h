/* session_int.h - inside session/.
 *
 * One lock a room guards its map, the lists and sums of tenants, and of each
 * session everything behind the mark in the struct. It is held for a few
 * instructions, never while another room is called. A session is in the map (one
 * reference) from the claim of its place until its terminal event is told and
 * its tombstone written.
 */
#ifndef MAYFLY_SESSION_INT_H
#define MAYFLY_SESSION_INT_H

#include "session/session.h"
#include "sql/sql.h"

#include <pthread.h>

enum {
	RETRY_MIN_MS = 1000, RETRY_MAX_MS = 60000,
	SERVER_BEAT_MS = 3000,        /* a shared kv: a server says that it lives, and looks who else does */
	SERVER_DEAD_MS = 15000,       /* one that has not said so for that long is dead */
	TICK_MS = 1000,               /* between looks at what the pool had no place for, and at old tombstones */
	LABELS_MAX = 16 * 1024, COLUMNS_MAX = 2000, COLUMN_NAME_MAX = 255, TYPE_MAX = 4096,
	NEVER_SAID = -1,              /* idle_seconds: none */
};

/* --- record.c: what kv/ keeps of a session, and what the event log is told --- */
enum session_cause { /* why it ended */
	CAUSE_NONE, CAUSE_CLOSED, CAUSE_DROPPED, CAUSE_SERVER_SHUTDOWN, CAUSE_TENANT_REMOVED, CAUSE_FORK_FAILED,
	CAUSE_TIMED_OUT, CAUSE_IDLE, CAUSE_SERVER_RESTART, CAUSE_ENGINE_LOST, CAUSE_SERVER_LOST, CAUSES
};
struct session_causes {
	const char *name;   /* in the record */
	const char *event;  /* the terminal one */
	const char *reason; /* details.reason; NULL = no details */
};
extern const struct session_causes session_causes[CAUSES];

struct record {
	struct str id, tenant, principal, server, location, labels;
	bool persistent, close_on_disconnect;
	int64_t created_ms, timeout_s, idle_s, expires_ms;
	enum session_state state;
	enum session_cause cause;
	int64_t at;                           /* the event stream's head when the present transition began */
	int64_t left_tables, left_rows;       /* when they were last counted; -1 = not yet */
	int64_t dropped_tables, dropped_rows; /* by attempts that have ended */
};
struct str record_key(struct arena *a, struct str tenant, struct str id);
/* How long a shared kv keeps what must not be lost before `until_ms` (wall), for a server that is away; 0 = for ever. */
int64_t record_keep_ms(const struct sessions *s, int64_t until_ms);
/* The same, of a session's record. */
int64_t record_ttl_ms(const struct sessions *s, const struct record *r);
void record_text(const struct record *r, struct buf *out);
/* Borrows from the call's arena. ERR_STORAGE for what is no record. */
bool record_read(struct call *c, struct str text, struct record *ret) NODISCARD;
bool record_get(struct call *c, struct sessions *s, struct str key, struct record *ret, uint64_t *ret_version) NODISCARD;
bool record_create(struct call *c, struct sessions *s, const struct record *r) NODISCARD;
/* Over what is there, if that is in one of the states `from` (TO(…) | …) and of this server: ERR_CONFLICT. */
bool record_move(struct call *c, struct sessions *s, const struct record *r, unsigned from) NODISCARD;
/* An error of kv/ or of the event log in the words of this room. */
bool record_failed(struct call *c, const char *what);

struct session_event {
	struct str event;
	int64_t tables, rows;
	struct str details; /* a JSON object; empty = none */
	bool terminal;
};
bool session_tell(struct call *c, struct session *se, const struct session_event *e) NODISCARD;

/* --- what session/ needs of the engine; engine.c has the real one, tests others --- */
struct session_tables_ops {
	struct engine_catalog *(*open)(struct engine *e, const struct engine_catalog_options *o);
	void (*forget)(struct engine_catalog *k);
	void (*unref)(struct engine_catalog *k);
	void (*limit)(struct engine_catalog *k, const struct engine_usage *max);
	bool (*exists)(struct engine_catalog *k);
	int64_t (*worked)(const struct engine_catalog *k);
	/* tables, drop, fork */
	bool (*run)(struct call *c, struct engine_catalog *k, enum engine_catalog_verb verb, struct engine_catalog *to,
		    const struct engine_listener *l, void *arg, struct engine_task **ret) NODISCARD;
	bool (*create)(struct call *c, struct engine *e, const struct engine_ask *ask, const struct engine_listener *l, void *arg,
		       struct engine_task **ret) NODISCARD;
	bool (*insert)(struct call *c, struct engine *e, const struct engine_ingest *in, const struct engine_listener *l, void *arg,
		       struct engine_feed **ret_feed, struct engine_task **ret) NODISCARD;
	void (*task_unref)(struct engine_task *t);
	bool (*unpack)(struct call *c, struct str packed, struct engine_table_info **ret, int *ret_n) NODISCARD;
};
struct sessions *sessions_open_on(struct call *c, const struct session_options *o,
				  const struct session_tables_ops *ops) NODISCARD;

/* --- the room and its sessions --- */
struct tenant_sessions {
	char name[64];
	int64_t places;              /* sessions in the map */
	struct engine_usage usage;   /* of them together */
	struct list sessions;        /* by time of creation, then id */
};
struct session {
	atomic_int refs;
	struct sessions *room;
	struct tenant_sessions *tenant;
	struct list in_tenant;
	struct lease lease;
	struct lease_owner owner;       /* of its statements */
	struct engine_catalog *catalog;
	char id[ID_LEN], name[SQL_CATALOG_LEN];
	char *tail;                  /* texts of r */
	_Atomic int64_t used_ms;     /* wall */
	/* the room's lock from here; of r: what can change */
	struct record r;
	bool in_map, ending, awaited; /* ending: an attempt runs; awaited: a shutdown waits for it */
	bool touched;                /* the engine may have, or get, tasks of its catalog */
	/* the running attempt's own, and of what it counts in r */
	bool claimed, mute;          /* the record says closing; mute: another one moved it, so it is theirs to tell */
	bool guessed;                /* r.left_… are what the engine told last, not counted */
	bool told, doubtful;         /* the terminal event is in the log; an append failed, so look first */
	/* the lock's again */
	int holders;
	int64_t left_ms;             /* wall: since when nobody holds it */
	int64_t retry_ms, backoff_ms; /* wall */
	uint64_t clock_turn;         /* grows with whatever moves its clocks */
	struct engine_usage usage;
};
struct sessions {
	struct session_options o;
	const struct session_tables_ops *ops;
	pthread_mutex_t lock;
	struct map map, tenants;
	struct list stuck;           /* operations that the pool had no place for */
	bool stopping;
	int64_t awaited;             /* sessions that a shutdown waits for */
	struct servers *servers;     /* of a shared kv; of whoever has `beating` */
	struct buf orphans;          /* keys, a line each, of records that may have been made though that failed */
	bool beating;
	int64_t beat_ms;             /* mono: the next */
	exec_fn *told;
	void *told_arg;
	_Atomic uint64_t opened, closed, timed_out, partial;
};

static inline void room_lock(struct sessions *s)
{
	pthread_mutex_lock(&s->lock);
}
static inline void room_unlock(struct sessions *s)
{
	pthread_mutex_unlock(&s->lock);
}
static inline struct session *session_ref(struct session *se)
{
	atomic_fetch_add(&se->refs, 1);
	return se;
}
static inline int64_t add_capped(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* session.c */
struct session *session_new(struct sessions *s, const struct record *r);  /* two references: the map's, which it is not in yet */
bool session_enter(struct session *se, int64_t most);  /* takes its place among the tenant's; false: there are `most` */
void session_move(struct session *se, enum session_state to); /* the one that moves; with the lock */
void session_leave(struct session *se);                /* out of the map; gives back the map's reference */
void session_awaited(struct session *se);              /* a shutdown need not wait for it any more */
bool session_visible(const struct call *c, struct str tenant, struct str principal);
/* Open and in time, else its error. From then on an end asks the engine, so that what is on its way there comes too late. */
bool session_usable(struct call *c, struct session *se) NODISCARD;
/* Under the lock: why it should end now, or CAUSE_NONE. */
enum session_cause session_due_cause(struct session *se, int64_t now);
void session_clock(struct session *se);                /* moves its lease to where its clocks stand; no lock held */
void session_limits(struct session *se);               /* tells the engine what it may still grow by */
bool session_quota(struct call *c, struct session *se, struct str class);
bool session_gone(struct call *c, struct str id, enum session_cause cause);

/* end.c */
struct session_op;
/* Begins an attempt to end it, unless it has ended or an attempt runs. `by` is who asked, NULL = the server. A
 * first attempt takes `cause`, later ones the first one's. ret may be NULL. */
bool session_end(const struct call *by, struct session *se, enum session_cause cause, struct session_op **ret) NODISCARD;
void session_end_swept(struct session *se, enum session_cause cause);
void session_told_gone(const struct sessions *s, const struct record *r); /* it has ended for good */

/* servers.c: with a shared kv */
bool servers_join(struct call *c, struct sessions *s) NODISCARD; /* from now on it counts as alive */
void servers_beat(struct sessions *s);                 /* says so again, looks at the others; blocks; one at a time */
void servers_leave(struct sessions *s);
void servers_orphan(struct sessions *s, struct str key); /* it may be there, of a session that nobody was told of: it goes */
struct session **session_all_open(struct sessions *s, size_t *ret_n); /* session.c; references; freed with free() */

/* restart.c */
bool sessions_resume(struct call *c, struct sessions *s) NODISCARD;
/* Looks into the log for the events of the sessions in `doubts` (id -> struct doubt), all of one tenant. */
struct doubt {
	bool opened, ended, forgotten; /* forgotten: the log does not reach back to `at` any more */
	int64_t at;
};
bool session_look_up(struct call *c, struct sessions *s, struct str tenant, struct map *doubts) NODISCARD;

/* op.c: one operation; its steps follow each other, on the pool or the engine's loop */
struct session_op {
	atomic_int refs;
	struct sessions *room;
	struct session *se;
	struct arena arena;
	struct call call;                       /* who asked, and what went wrong */
	struct list in_stuck;
	void (*step)(struct session_op *op);    /* what the pool runs */
	void (*ended)(struct session_op *op);   /* what follows the engine's task; on its loop */
	struct engine_end end;                  /* how its latest task ended, in the arena */
	struct str packed;
	bool by_sweeper;
	void (*fed)(void *arg);                 /* of an insert: its feed takes bytes again */
	void *fed_arg;
	/* the answer */
	struct session *made;
	struct engine_table_info *tables;
	int ntables;
	int64_t rows;
	const void *own;                        /* what the kind of operation keeps; in the arena */
	/* the room's lock */
	bool done;
	struct watcher *watchers;
};
extern const struct engine_listener session_op_listener;
struct session_op *session_op_new(struct session *se, const struct call *by); /* two references: the steps' and the caller's */
void op_run(struct session_op *op, void (*step)(struct session_op *op)); /* on the pool */
void op_abandon(struct session_op *op);                /* it never began: both references go */
void op_done(struct session_op *op);                   /* wakes, and gives back the steps' reference */
void op_run_stuck(struct sessions *s);
/* The error of an engine's task that did not end well. */
bool op_engine_error(struct session_op *op);
/* Begins a task of the engine for the session's whole catalog; `ended` follows it. */
bool op_run_verb(struct call *c, struct session_op *op, enum engine_catalog_verb verb, struct engine_catalog *to,
		 void (*ended)(struct session_op *op)) NODISCARD;
bool op_unpack(struct session_op *op) NODISCARD;       /* packed into tables; ERR_STORAGE */

/* ddl.c */
struct ddl {
	struct str sql;
	const size_t *column_at;                /* where the definition of column i begins; ncolumns + 1 */
};
bool ddl_build(struct call *c, struct session *se, const struct session_table_ask *ask, struct ddl *ret) NODISCARD;

#endif
