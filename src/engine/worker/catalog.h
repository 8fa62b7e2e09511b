/* catalog.h - inside the worker's catalogs: catalog.c, usage.c, verbs.c.
 *
 * Locks: catalogs.lock for everything in struct catalog but `commit`, which is held across one COMMIT and taken
 * before it. Neither is held while a connection runs a statement of a user.
 */
#ifndef MAYFLY_ENGINE_WORKER_CATALOG_H
#define MAYFLY_ENGINE_WORKER_CATALOG_H

#include "engine/worker/worker.h"

enum {
	CATALOG_FILES = 128,      /* persistent ones attached at once: each has descriptors */
	CATALOG_SESSIONS = 128,   /* connections kept for later, of all catalogs */
	CATALOG_GONE = 256,       /* dropped names remembered, for tasks that were under way */
	CATALOG_PATH = 64,
};

struct catalog_table {
	char *name;          /* as it was written */
	char *measure;       /* sums of the sizes of what has no fixed width, one a column; "" = none, NULL = not known */
	int nmeasures;
	int64_t width;       /* of a row, of what has one */
	int64_t rows, bytes;
	bool own_rowid;      /* a column hides the rows' ids */
};
struct catalog {
	char name[SQL_CATALOG_LEN + 1];
	bool persistent;
	bool listed;         /* tables is complete */
	bool measured;       /* and so are their rows and bytes */
	bool attached, busy; /* busy: one attaches or detaches it */
	bool closing;        /* only a drop enters */
	bool dropping;       /* one is under way */
	bool gone;           /* dropped; the last user frees it */
	int users, stayers;  /* tasks inside; of them: a drop does not wait for */
	uint64_t version;    /* grows with each commit */
	uint64_t used;       /* when, by catalogs.clock */
	struct catalog_table *tables;
	int ntables;
	struct engine_usage usage;
	pthread_mutex_t commit;
	struct list idle;    /* sessions, the latest first */
};
struct catalogs {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* busy, users */
	struct map all;
	struct list idle;       /* sessions of all, the latest first */
	int nidle, nfiles;
	uint64_t clock;
	char dropped[CATALOG_GONE][SQL_CATALOG_LEN + 1];
	size_t ndropped;        /* how many ever */
};

/* --- catalog.c --- */
/* As catalog_enter, without a task that a drop would interrupt; a drop enters what others may not. */
struct catalog *catalog_hold(struct executor *x, struct task *t, const struct wire_catalog *scope, bool drop) NODISCARD;
void catalog_release(struct executor *x, struct catalog *k);
void catalog_path(const struct catalog *k, const char *end, char ret[CATALOG_PATH]);
void catalog_close_sessions(struct catalogs *all, struct catalog *k);
void catalog_forget(struct executor *x, struct catalog *k); /* detached after its drop: files, entry, name */
bool catalog_admin(struct executor *x, struct task *t) NODISCARD; /* x->admin is open */
bool catalog_detach(struct executor *x, struct catalog *k) NODISCARD;
bool catalog_query(struct task *t, duckdb_connection con, const char *sql) NODISCARD; /* false: t->end */
/* Of the first row: n columns of type BIGINT, none of them NULL. */
bool catalog_first_row(duckdb_result *r, int64_t *ret, int n) NODISCARD;
bool catalog_numbers(struct task *t, duckdb_connection con, const char *sql, int64_t *ret, int n) NODISCARD;

/* --- usage.c --- */
bool catalog_has_table(duckdb_connection con, const struct catalog *k, struct str name) NODISCARD;
struct catalog_table *catalog_find(struct catalog *k, struct str name);              /* lock held */
bool catalog_list_file(struct task *t, struct catalog *k) NODISCARD; /* of a file that is not attached */
bool catalog_measure_all(struct executor *x, struct task *t, struct catalog *k, duckdb_connection con) NODISCARD;
struct str *catalog_names(struct executor *x, struct catalog *k, struct arena *a, int *ret_n); /* copies */
struct catalog_table *catalog_add_name(struct catalog *k, struct str name);          /* lock held */
void catalog_remove_name(struct catalog *k, struct str name);                        /* lock held */
void catalog_sum(struct catalog *k);                                                 /* lock held: usage of tables */
void catalog_put_name(struct buf *b, const struct catalog *k, struct str table);     /* "k".public."table" */
/* Does `now` break a limit that it was not over before? Then t->end. */
bool catalog_within(struct task *t, const struct engine_usage *was, const struct engine_usage *now) NODISCARD;

#endif
