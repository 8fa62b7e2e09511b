/* store_duckdb_int.h - inside the DuckDB store: files, the queue before each, and records as cells.
 *
 *   ops (store_duckdb.c) -> steps of one statement (_rows.c) -> queue of its file (_batch.c) -> engine/records.h
 *
 * What waits before a file goes to it as one batch, one transaction: a
 * transaction costs the same sync for one statement as for hundreds. One of
 * those who wait runs it for all (group commit). The store's lock guards the
 * map of files and their queues, never while a batch runs.
 */
#ifndef MAYFLY_STATEMENT_STORE_DUCKDB_INT_H
#define MAYFLY_STATEMENT_STORE_DUCKDB_INT_H

#include "engine/engine.h"
#include "statement/statement_int.h"
#include "statement/store.h"

enum {
	DUCK_LAYOUT = 1,               /* of the tables; a file with a higher one is not touched */
	DUCK_BATCH_STEPS = 1024,
	DUCK_BATCH_BYTES = 16 << 20,   /* beyond, what waits goes in several batches */
	DUCK_TRIES = 4,                /* while workers are lost */
	DUCK_RACES = 16,               /* others that may change the grants meanwhile */
};

/* How a batch ended, as far as one piece of work is concerned. */
struct duck_end {
	enum engine_outcome outcome;
	char class[32], text[256];
};

/* Steps of one caller: all or nothing. */
struct duck_work {
	struct list node;
	struct engine_step *steps;
	int nsteps;
	size_t bytes;
	bool make;               /* the file may be new */
	bool drop;               /* of the file itself; no steps */
	bool alone;              /* a batch with it was lost: it may be the reason */
	bool done;
	struct duck_end end;
};

struct duck_file {
	char *name;              /* of the file; the key in the map */
	struct str tenant, session_id; /* in `name`; session_id empty: the tenant's own file */
	/* store's lock */
	pthread_cond_t turn;
	struct list queue;
	int users;
	bool led;                /* somebody runs a batch */
	bool ready;              /* its tables were looked at */
	bool dropped;            /* with its session: nothing comes in any more */
	int64_t dropped_ms;      /* wall */
	int64_t sweep_ms;        /* wall; when something may be past its time. 0: look now */
	bool sweeping;
	struct map ending;       /* handles whose partitions are being written */
};

struct duck_store {
	struct stmt_store store; /* first */
	struct engine *engine;
	pthread_mutex_t lock;
	struct map files;
};

/* --- store_duckdb_batch.c --- */
/* The file of a tenant's session, or the tenant's own; used until duck_file_leave. ERR_STORAGE: no names of ours. */
struct duck_file *duck_file_of(struct call *c, struct duck_store *s, struct str tenant, struct str session_id) NODISCARD;
void duck_file_leave(struct duck_store *s, struct duck_file *f);
void duck_file_free(struct duck_file *f);
/* The parts of a file's name; false: it is none of ours. */
bool duck_name_read(struct str name, struct str *ret_tenant, struct str *ret_session_id);
/* Waits until it is on the disk; w->end tells. False: the session of the file is gone, and w was not run. */
bool duck_run(struct duck_store *s, struct duck_file *f, struct duck_work *w) NODISCARD;
/* The same, repeated while workers are lost. `again` may change the steps of what may have been done already; NULL = the same. */
typedef void duck_again_fn(struct duck_work *w);
bool duck_write(struct call *c, struct duck_store *s, struct duck_file *f, struct duck_work *w, duck_again_fn *again) NODISCARD;
/* Leaves what `end` says in the call; false. */
bool duck_fail(struct call *c, const struct duck_file *f, const struct duck_end *end);

struct duck_rows {               /* in the call's arena */
	const struct engine_cell *cells;
	int n, ncells;
};
/* Rows of one SELECT, after all that was queued before. ERR_NOT_FOUND: there is no such file. */
bool duck_read(struct call *c, struct duck_store *s, struct duck_file *f, const struct engine_step *step,
	       struct duck_rows *ret) NODISCARD;

/* --- store_duckdb_rows.c: steps and rows; everything in the call's arena --- */
extern const struct engine_step duck_tables[]; /* that make a new file's tables */
extern const int duck_ntables;
#define DUCK_DROPPED "DROPPED" /* status of a handle that is remembered only */
/* SUBMITTED; fails where there is one. ON CONFLICT costs four times as much: it is for what seldom is. */
struct engine_step duck_insert(struct call *c, const struct stmt_record *r);
void duck_insert_again(struct engine_step *s); /* and now leaves what is there */
struct engine_step duck_started(struct call *c, const struct stmt_record *r);
/* The end of one that is there and runs; `rows` NULL: none, or in batches. */
struct engine_step duck_end_of(struct call *c, const struct stmt_record *r, const struct str *rows);
/* Also where it is not there. */
struct engine_step duck_ended(struct call *c, const struct stmt_record *r, const struct str *rows);
struct engine_step duck_batch(struct call *c, struct str handle, int i, struct str bytes);
struct engine_step duck_orphans(struct call *c, struct str handle); /* batches without an end; empty: of all */
struct engine_step duck_select(struct call *c, struct str handle);
/* Inline: the part's bytes, size of all. */
struct engine_step duck_select_rows(struct call *c, const struct stmt_record *r, int i);
struct engine_step duck_select_batch(struct call *c, const struct stmt_record *r, int i);
struct engine_step duck_grants(struct call *c, struct str handle, struct str from, struct str to);
void duck_drops(struct call *c, struct str handle, int64_t now_ms, struct engine_step ret[2]);
struct engine_step duck_expire(struct call *c, int64_t now_ms);    /* keeps of what is past its time that it was */
struct engine_step duck_forget(struct call *c, int64_t before_ms); /* and forgets it */
struct engine_step duck_next_due(void);                            /* selects when one of both has something to do */
struct duck_page {
	const struct stmt_filter *filter; /* NULL: all */
	struct str before;       /* handles below this one; empty: all */
	int64_t now_ms, rows, bytes; /* at most so many, but one row at least */
};
struct engine_step duck_select_page(struct call *c, const struct duck_page *p);
struct engine_step duck_select_handles(struct call *c, const struct duck_page *p); /* the rows alone are counted */

enum { DUCK_CELLS = 13 };
enum duck_left { DUCK_LIVE, DUCK_EXPIRED, DUCK_DROP /* only the handle is told */ };
/* A row of duck_select or duck_select_page. ERR_STORAGE. */
bool duck_record(struct call *c, const struct duck_file *f, const struct engine_cell *cells, struct stmt_record *ret,
		 enum duck_left *ret_left) NODISCARD;
struct str duck_grants_text(struct call *c, const struct str *v, int n);
/* Rows of the result that are with its statement, and not in batches. */
bool duck_inline(const struct stmt_record *r);

/* --- store_duckdb_list.c --- */
bool duck_visible(const struct call *c, const struct stmt_record *r); /* its own, granted, or c is an admin */
struct duck_listener {
	stmt_record_fn *fn;
	void *arg;
};
bool duck_list(struct call *c, struct duck_store *s, const struct stmt_store_page *p, const struct duck_listener *to) NODISCARD;

#endif
