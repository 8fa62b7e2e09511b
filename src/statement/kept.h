/* kept.h - inside statement/: statements that stores have a place for.
 *
 * What a store is still to be told of a statement is a set of bits, its debt.
 * One thread at a time, the writer, pays it, step by step; what a store cannot
 * take now waits in a wheel, and holds no thread.
 *
 * `keeping->lock` guards debts and lists; the only lock under which another
 * room is called: a pool takes work under it, so that none comes after close.
 */
#ifndef MAYFLY_STATEMENT_KEPT_H
#define MAYFLY_STATEMENT_KEPT_H

#include "statement/statement_int.h"
#include "statement/store.h"

enum {
	WRITERS = 8,                /* threads for what stores are told behind the back of calls */
	WRITES_QUEUED = 1 << 20,
	BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 2000,
	TICK_MS = 100,
	STARTED_AFTER_MS = 100,     /* a statement that runs longer is RUNNING in its stores as well */
	LOOK_MS = 200,              /* between looks at other servers' statements that are waited for */
	RENEW_MS = 5000,
	GONE_WAIT_MS = 100,
};

/* The stores, and what only the shared one can. */
struct stmt_stores {
	struct stmt_store *disk, *shared; /* NULL = none; closed with the room */
	struct str owner;                 /* of this process, in records; borrowed from `shared` */
	bool (*cancel)(struct call *c, struct stmt_store *shared, const struct stmt_record *r);
	void (*renew)(struct stmt_store *shared);
};

enum debt { /* in the order of payment */
	DEBT_DROP = 1 << 0, DEBT_DISK_DROP = 1 << 1,
	DEBT_ADD = 1 << 2, DEBT_END = 1 << 3, DEBT_DISK_END = 1 << 4,
	DEBT_SETTLE = 1 << 5,       /* it ends for everybody, once nothing is waited for */
	DEBT_START = 1 << 6,
	DEBT_LOOK = 1 << 7,         /* what has become of it in the shared store? */
	DEBT_DROPS = DEBT_DROP | DEBT_DISK_DROP,
	DEBT_SHARED = DEBT_DROP | DEBT_ADD | DEBT_END | DEBT_START | DEBT_LOOK,
};

struct kept {
	struct stmt *st;
	struct list busy, watched;  /* with a reference each */
	struct wheel_node due;      /* when the rest is tried again */
	unsigned debt;
	unsigned waits;             /* of the debt: what must be paid before it has ended for everybody */
	int backoff_ms;
	bool writing;
	bool late;                  /* counted among what is owed to the shared store */
	bool dropped;               /* nothing is written any more */
	atomic_bool disk, shared;   /* they have it, or may have */
	/* the writer's: */
	bool adopted;               /* ended by another; it is not told again */
	bool gone;                  /* dropped by another */
	bool settled;
	enum stmt_state to;         /* how it ends, from the decision on */
	struct stmt_error *error;   /* until it is settled; owned */
	atomic_bool on_disk;        /* its end and result: the bytes can be read back */
	int64_t bytes;              /* that only a store has; shard lock */
	struct str claim, owner, request; /* in text; owner: of another server's */
	char text[];
};

struct keeping {
	struct stmt_stores at;
	struct statements *room;
	struct exec_pool *writers;
	struct exec_timer *tick;
	pthread_mutex_t lock;
	pthread_cond_t freed;       /* a writer is done */
	struct wheel later;
	struct list busy, watched, gone;
	int64_t nbusy, nlate;
	int nwaiting;               /* who want to be writers */
	bool closing, looking, look_again, dropping;
	int64_t look_ms;            /* when the watched are looked at again; 0 = at the next tick */
	atomic_bool up, renewing, sweeping;
};

/* --- the room: keeping.c --- */
/* The room is to keep statements; before any store is opened, since messages may come from then on. */
void stmt_keeping_new(struct statements *s);
/* s->keeping->at has the stores: reads what they have. */
bool stmt_keeping_open(struct call *c, struct statements *s) NODISCARD;
void stmt_keeping_stop(struct statements *s);   /* nothing is written any more */
void stmt_keeping_close(struct statements *s);
bool stmt_keeping_idle(struct statements *s);
void stmt_keeping_stats(struct statements *s, struct statement_stats *ret);
void stmt_told_cancel(void *room, struct str tenant, struct str handle);  /* messages of other servers */
void stmt_told_changed(void *room, struct str tenant, struct str handle);
/* A call of the room itself, for a tenant: it may see all. */
void stmt_call(struct call *c, struct arena *a, struct str tenant);

/* --- debts: owed.c --- */
void stmt_owe(struct stmt *st, unsigned debt, int64_t delay_ms);
void stmt_pay_due(struct keeping *k);           /* what has waited long enough goes to the writers */
/* The caller is the writer, once nobody else is; until stmt_write_done(), which pays what can be paid. */
void stmt_write_begin(struct stmt *st);
void stmt_write_done(struct stmt *st);
/* Of the writer: */
void stmt_excuse(struct kept *k, unsigned debt); /* its end does not wait for that */
void stmt_late(struct kept *k);                  /* the shared store cannot be told now: it counts as owed, until it is */
bool stmt_owes(struct kept *k, unsigned debt);
void stmt_dropped(struct kept *k, unsigned left); /* of the debt, only `left` and the end for everybody are left */
/* fn(arg) on a writer's thread; false when the room closes. */
bool stmt_run_soon(struct keeping *kg, exec_fn *fn, void *arg);

/* --- steps: kept.c --- */
struct stmt_place {
	const struct stmt_scope *scope; /* of a submit; or NULL: */
	bool disk, shared;
	struct str claim, owner, request;
};
void stmt_keep(struct stmt *st, const struct stmt_place *p); /* nothing where no store has a place for it */
void stmt_kept_free(struct kept *k);                         /* NULL is fine */
bool stmt_add(struct call *c, struct stmt *st) NODISCARD;    /* to its stores */
void stmt_kept_end(struct stmt *st, enum stmt_state to, struct stmt_error *error);
bool stmt_pay(struct call *c, struct stmt *st, enum debt d); /* one step; false: later */
bool stmt_drop_now(struct call *c, struct stmt *st) NODISCARD; /* in its stores; of the writer */
unsigned stmt_drop_debt(const struct kept *k);
void stmt_drop_if_under_way(struct stmt *st);                /* one that has not ended for everybody */
struct stmt_store_key stmt_key(const struct stmt *st);
static inline bool stmt_on_disk(const struct stmt *st)
{
	return st->kept && atomic_load(&st->kept->on_disk);
}
/* The store that has its bytes; NULL = none. */
struct stmt_store *stmt_store_of(const struct stmt *st);
bool stmt_storing_part(struct call *c, int i, struct stmt *st, struct engine_bytes **ret) NODISCARD;

/* --- recorded.c --- */
void stmt_record_of(struct call *c, struct stmt *st, struct stmt_record *ret); /* as it is, or as it is decided to end */
struct stmt *stmt_of_record(struct statements *s, const struct stmt_record *r); /* one reference; in no map */
void stmt_take_result(struct stmt *st, const struct stmt_record *r); /* columns, rows, parts; under its lock */

/* --- foreign.c --- */
void stmt_told_lost(void *room, struct call *c, const struct stmt_record *r);
struct stmt *stmt_foreign(struct statements *s, const struct stmt_record *r); /* NULL: no well-formed record */
bool stmt_find_shared(struct call *c, struct statements *s, struct str handle, struct stmt **ret) NODISCARD;
bool stmt_record_visible(const struct call *c, const struct stmt_record *r);
bool stmt_foreign_cancel(struct call *c, struct stmt *st) NODISCARD;
void stmt_foreign_cancel_soon(struct stmt *st);
void stmt_foreign_forget_soon(struct stmt *st);
void stmt_foreign_watch(struct stmt *st);
void stmt_foreign_unwatch(struct stmt *st);
void stmt_look_soon(struct keeping *kg);        /* at what is watched */
void stmt_foreign_close(struct keeping *kg);

/* --- restart.c --- */
bool stmt_restart(struct call *c, struct statements *s) NODISCARD;

/* --- sessions.c: sessions that are gone --- */
void stmt_gone_due(struct keeping *kg);
void stmt_gone_close(struct keeping *k);

#endif
