/* job_parts.h - the second half of job_int.h: functions, by file. */
#ifndef MAYFLY_JOB_PARTS_H
#define MAYFLY_JOB_PARTS_H

#include "runner/job_int.h"

/* --- job.c: references, turns, the one mover --- */
struct job_new_ask {
	struct str id, tenant, principal;    /* id: empty = a new one */
	int64_t created_ms, expires_ms;
};
struct job *job_new(struct runner *r, const struct job_new_ask *a);
void job_ref(struct job *j);
void job_enter(struct job *j);
bool job_try_enter(struct job *j);
void job_leave(struct job *j);
struct job_body *job_body_new(void);
struct job_body *job_body_of(struct job *j);             /* a reference; NULL = not in memory */
void job_body_unref(struct job_body *b);
void job_body_end(struct job *j, struct job_body *b);    /* its tree is not needed any more */
bool job_move(struct job *j, enum job_status to);        /* false: not from where it is */
void job_begin_again(struct job *j);                     /* another server's, taken over */
void job_told(struct job *j);                            /* something changed: who watches any change hears */
void job_error_copy(struct arena *a, const struct job_error *from, struct job_error **ret);
bool job_visible(const struct call *c, const struct job *j);
bool job_terminal(enum job_status s);
struct str job_tenant_of(const struct job *j);

/* --- job_make.c, job_build.c: from what was asked --- */
void spec_drop(struct runner *r, struct job_spec *s);
bool spec_of_ask(struct call *c, struct runner *r, const struct job_ask *ask, struct job_spec **ret) NODISCARD;
bool spec_add(struct call *c, struct runner *r, struct job_spec **at, const struct job_ask *ask) NODISCARD;
bool spec_set(struct call *c, struct runner *r, struct job_spec *s, const struct job_ask *ask) NODISCARD;
void spec_unset(struct job_spec *s, const struct job_spec *before);
void body_measure(struct job *j, struct job_body *b);    /* counts of its spec, for documents */
void job_expect(struct call *c, struct job *j);          /* an instance will be wanted */
bool job_may_start(struct call *c, struct runner *r, struct job_spec *s) NODISCARD;
bool job_limits(struct call *c, struct runner *r, const struct job_ask *ask, struct runner_caps *caps) NODISCARD;
void part_fingerprint(const struct job_ask *ask, char ret[RUNNER_HEX + 1]);

/* --- job_queue.c: the map, tenants, places --- */
bool jobs_open(struct call *c, struct runner *r) NODISCARD;
void jobs_close(struct runner *r);
struct job_tenant *jobs_tenant(struct runner *r, struct str name);
struct job *jobs_get(struct runner *r, struct str id);   /* a reference, or NULL */
struct job *jobs_put(struct job *j);                     /* the one that is in the map now: `j`, or who was first; a reference */
bool jobs_count(struct call *c, struct job *j, int64_t max) NODISCARD; /* one more of its tenant */
void jobs_known(struct call *c, struct job *j);          /* found in the store: counted, its TTL watched */
void jobs_batched(struct job *j);                        /* its batch counts it now */
void jobs_unbatched(struct job *j);
void jobs_set_batched(struct runner *r, struct str tenant, int64_t n);
void jobs_threads_end(struct runner *r);
void jobs_forget(struct job *j, bool expired);           /* out of the map, or kept as expired for a while */
bool jobs_queue(struct call *c, struct job *j, bool again) NODISCARD; /* again: taken up, whatever waits */
bool jobs_unqueue(struct job *j);                        /* it waited, and does not any more */
void jobs_remember(struct job *j);                       /* it ended, its record is stored: its body may go */
int jobs_all(struct runner *r, struct job ***ret);       /* references to all; free() */
void jobs_work_ended(struct runner *r, bool *which);
bool jobs_work(struct runner *r, bool *which, exec_fn *fn);

/* --- job_run.c, job_end.c --- */
void job_walk(struct job *j);                            /* on its thread */
void job_finish(struct call *c, struct job *j, enum job_status to, const struct job_error *e);
void job_error_of_call(const struct call *c, enum job_stage stage, struct job_error *ret);
void job_tell(struct job *j, const struct call *c, const char *event); /* the event log */
bool job_remove(struct call *c, struct job *j, bool expired) NODISCARD;
void job_vanish(struct job *j);                          /* another server dropped it */
bool job_expire(struct call *c, struct job *j) NODISCARD; /* unless it was extended */
extern const struct lease_kind job_ttl_kind;

/* --- logs.c --- */
void job_line(struct job *j, enum job_stage stage, const char *level, const char *fmt, ...) PRINTF(4, 5);
void job_line_add(struct job_body *b, const struct job_log *l); /* as it was; the job's lock is held */

/* --- results.c --- */
void results_take(struct job *j, struct job_body *b, struct pg_answer *v, int n);
void kept_drop(struct kept_result *k);
bool results_load(struct call *c, struct job *j, struct job_body *b, int n, struct kept_result *ret) NODISCARD;
void result_rows(struct json_out *o, struct call *c, const struct kept_result *k); /* the members columns and rows */
void result_write(struct json_out *o, struct call *c, const struct kept_result *k);

/* --- job_doc.c --- */
void job_error_write(struct json_out *o, const struct job_error *e);

/* --- records.c: objects of the store --- */
struct str job_record_key(struct arena *a, const struct job *j, const char *name);
struct str record_key_of(struct arena *a, struct str tenant, struct str id, const char *name);
void record_request(struct job *j, struct job_body *b, struct buf *ret);
void record_part(const struct job_ask *ask, const char *fingerprint, struct buf *ret);
void record_run(struct job *j, const struct job_body *b, struct buf *ret);
void record_end(struct job *j, struct job_body *b, struct buf *ret);
bool record_end_small(const struct job_body *b);         /* all of it is in record_end() */
bool record_put_end(struct call *c, struct job *j) NODISCARD; /* ERR_CONFLICT: another server has ended it, or has it */
typedef bool record_id_fn(void *arg, struct str id);
bool record_ids(struct call *c, struct runner *r, struct str tenant, record_id_fn *fn, void *arg) NODISCARD; /* oldest first */
bool record_drop(struct call *c, struct runner *r, struct str tenant, struct str id) NODISCARD;

/* --- records_read.c --- */
struct record_at {
	struct str tenant, id;
};
struct record_head {                     /* strs in the call's arena */
	struct job_body *body;
	enum job_status status;
	struct str principal, server;    /* server: who has it, or ended it */
	int64_t created_ms, expires_ms;
	bool recorded, started;
	int attempts;
	struct batch *batch;             /* a reference; NULL: it has a record of its own */
};
bool job_record_read(struct call *c, struct runner *r, const struct record_at *at, struct record_head *ret) NODISCARD;
bool record_read_end(struct call *c, struct job_body *b, struct str bytes, struct record_head *ret) NODISCARD;
/* ERR_NOT_FOUND */
bool record_load(struct call *c, struct runner *r, struct str tenant, struct str id, struct job **ret) NODISCARD;
bool record_body(struct call *c, struct job *j, struct job_body **ret) NODISCARD; /* of one that has ended; a reference */
bool record_refresh(struct call *c, struct job *j) NODISCARD; /* what others did to it; with its turn */
bool record_expiry(struct call *c, struct job *j) NODISCARD; /* as another server may have extended it */

/* --- batches.c: ends that many jobs share an object for --- */
enum { BATCH_NAME_LEN = 12 * 3 + 6 + 8 + 4, BATCH_MAX = 2000, BATCH_BYTES = 8 << 20, BATCH_SPAN_MS = 120000 };
struct batch {                           /* one that is in the store */
	atomic_int refs;
	int64_t n;
	char name[BATCH_NAME_LEN + 1];
};
struct batch *batch_ref(struct batch *b);
void batch_unref(struct batch *b);
struct batch_item {
	struct str tenant, id, record;
	int64_t expires_ms;
	void *of;                        /* the caller's */
	struct batch *batch;             /* a reference, once it is stored */
};
/* In as few objects as they fit; in another order then. False: those that have a batch are stored, the rest is not. */
bool batches_put(struct call *c, struct runner *r, struct batch_item *v, int n) NODISCARD;
/* The end of a job; *in_out: where it is, or NULL = it is looked for; a reference. ERR_NOT_FOUND. */
bool batch_read(struct call *c, struct runner *r, const struct record_at *at, struct batch **in_out, struct buf *ret) NODISCARD;
bool batch_drop(struct call *c, struct runner *r, const struct record_at *at, const struct batch *b) NODISCARD;
/* Ids, the newest batches first, from those that may have one before `before` (empty: all) until enough(): none of what follows is
 * newer than that. Those that were dropped are among them. */
struct batch_list {
	record_id_fn *fn;
	bool (*enough)(void *arg, int64_t newest_ms);
	void *arg;
};
bool batch_ids(struct call *c, struct runner *r, struct str tenant, struct str before, const struct batch_list *l) NODISCARD;
int64_t id_time_ms(struct str id);       /* when it was made */
bool batches_sweep(struct call *c, struct runner *r, struct str tenant, int64_t *ret_kept) NODISCARD; /* what has expired goes */

/* --- journal.c --- */
bool journal_open(struct call *c, struct runner *r) NODISCARD; /* and what it holds goes to the store */
bool journal_end(struct call *c, struct job *j) NODISCARD;
void journal_later(struct job *j);                       /* its end is to be written with the next flush */
bool journal_forget(struct call *c, struct job *j) NODISCARD;
void journal_flush(struct call *c, struct runner *r);
void journal_close(struct runner *r);

/* --- keep.c: leases, take-over, the scan --- */
bool keep_lease(struct call *c, struct job *j) NODISCARD; /* takes it */
bool keep_still(struct call *c, struct job *j);          /* renewed; false: another has it */
enum job_status keep_status(struct job *j, struct record_head *h); /* as its lease tells; the stage into its body */
void keep_started(struct call *c, struct job *j);
void keep_ended(struct call *c, struct job *j);
void keep_lost(struct call *c, struct job *j);           /* another server has it */
void keep_gone(struct call *c, struct job *j);
void keep_leave(struct call *c, struct job *j);          /* who takes it up next may do so at once */
void keep_now(struct call *c, struct runner *r, bool scan); /* renews, takes over; for tests as well */
bool keep_cancel(struct call *c, struct job *j) NODISCARD; /* of a job of another server */

/* --- request_ids.c --- */
bool request_claim(struct call *c, struct job *j, struct job **ret) NODISCARD; /* the job that the request id names */
void request_forget(struct call *c, struct job *j, struct job_body *b);
void request_extend(struct call *c, struct job *j, struct job_body *b, int64_t ttl_ms);

/* --- hooks.c --- */
bool hooks_open(struct call *c, struct runner *r) NODISCARD;
void hooks_close(struct runner *r);
void hooks_begin(struct job *j, struct job_body *b);     /* it has ended */
void hooks_resume(struct call *c, struct job *j, struct job_body *b); /* of an earlier process, or a lost server */
bool hooks_pending(struct job *j);
void hooks_load(struct call *c, struct job *j, struct job_body *b); /* what was tried of one whose tries are not in memory */
void hooks_write(struct job *j, const struct job_body *b, struct json_out *o);
bool hooks_known(struct job *j);
void hooks_tick(struct runner *r);
void hooks_free(struct hooks_of_job *h);

#endif
