/* job_int.h - inside runner/: what a job is, and what job*.c, records.c, journal.c, keep.c and hooks.c ask of each other.
 *
 * Every job that this server knows is a struct job in the map of struct jobs; its body is in memory while it has not ended
 * and, of those that ended, for the latest ones; else it is read from its record.
 *
 * Locks: jobs.lock (map, tenants, queues, lists) and job.lock (one job) are never held together. Who changes a job's spec or
 * record holds its turn, job_enter(), and may block.
 */
#ifndef MAYFLY_JOB_INT_H
#define MAYFLY_JOB_INT_H

#include "obs/obs.h"
#include "runner/runner_int.h"

#include <pthread.h>

enum {
	JOBS_BODIES = 2048,                  /* of ended jobs, in memory */
	JOBS_RESULT_BYTES = 64 << 20,        /* of their results */
	JOBS_GONE = 10000,                   /* remembered as expired */
	JOB_GONE_MS = 3600 * 1000,           /* for this long */
	JOB_PARTS_MAX = 10000,
	JOB_LEASE_MS = 20000, JOB_RENEW_MS = 5000, JOBS_SCAN_MS = 300000,
	JOB_RECORD_AFTER_MS = 1000,          /* a job that runs for longer is recorded, asked or not */
	JOB_ATTEMPTS = 2,
};
#define JOBS_TREE_BYTES (INT64_C(1) << 30) /* of jobs that have not ended */

/* --- a job --- */
struct job_part {
	struct str name;
	char fingerprint[RUNNER_HEX + 1];
};
struct job_spec { /* what to do; changes while the job is pending, by who has its turn */
	struct arena arena;
	struct tree tree;
	struct str head, *chain;
	int nchain;                          /* -1 = by the rule */
	struct job_variable *variables;
	int nvariables;
	struct job_part *parts;
	int nparts;
	int64_t snapshot_ttl_s, timeout_ms;
	bool private_instance, verify;
	int64_t counted;                     /* in jobs.tree_bytes */
};
struct kept_result {
	struct str command_tag, columns, notices; /* notices: a JSON array, or empty */
	bool has_rows, truncated;
	struct engine_part *parts;
	int nparts;
	int64_t rows, affected, ns;
	int64_t bytes;                       /* of columns and parts */
};
struct job_line {
	struct job_line *next;
	struct job_log log;
};
struct job_delivery {
	int64_t at_ms, ms;
	int status;                          /* HTTP; 0 = there was no answer, see error */
	char error[32];
};
enum { HOOK_DELIVERIES_MAX = 100 };          /* kept of one hook; runner.webhooks.attempts is at most this */
enum hook_state { HOOK_PENDING, HOOK_DELIVERED, HOOK_FAILED };
struct job_body {
	atomic_int refs;
	struct arena arena;                  /* under the job's lock */
	struct str request_id, user_id, fingerprint, call_id, traceparent, tracestate;
	const struct job_hook *hooks;
	int nhooks;
	bool lengthy;                        /* type "long" */
	enum job_status end;                 /* how it ends */
	struct job_spec *spec;               /* NULL once it has ended */
	enum job_stage stage;
	struct str head;
	int nparts, nfiles, steps_total, steps_done;
	int64_t bytes, started_ms, finished_ms, started_ns, created_ns, duration_ms;
	/* what came of it */
	bool planned, looked_up, hit;
	char tail_hash[RUNNER_HEX + 1], layer_id[RUNNER_HEX + 1];
	const struct str *tail, *unused, *volatile_names;
	int ntail, nunused, nvolatile, steps_reused, retries;
	const char *deterministic;
	int64_t latency_us, boot_us, head_us, replay_ms;
	struct job_error *error;
	struct kept_result *results;
	int nresults;
	bool cut;                            /* there were more statements than are kept */
	int64_t result_bytes;                /* in memory */
	struct job_line *logs, **last_log;
	int64_t nlogs;
};
struct batch;
struct hooks_of_job; /* hooks.c: what was tried; under the hooks' lock */

struct job_tenant;
struct job {
	atomic_int refs;
	struct runner *runner;
	char id[ID_LEN + 1];
	struct job_tenant *tenant;
	struct str principal;                /* with the job */
	int64_t created_ms;
	struct list in_queue, in_ended, in_gone; /* jobs.lock */
	bool mapped, counted;                /* jobs.lock */
	int64_t held_bytes;                  /* jobs.lock: of its results, as counted in jobs.result_bytes */
	struct lease ttl;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	/* under lock: */
	bool busy;                           /* somebody has the turn */
	enum job_status status;
	bool gone, expired;                  /* dropped; by its TTL */
	bool started;                        /* has a head, and is queued or runs or has ended */
	bool recorded;                       /* its request is in the store, with a lease */
	bool stored, journaled;              /* its end is in the store; in the journal */
	bool mine;                           /* this server runs it */
	bool asked;                          /* to be canceled */
	bool theirs;                         /* its record was another server's */
	bool left;                           /* the server stops: another start takes it up */
	bool stop_open;
	struct pg_stop stop;
	uint64_t lease_version;
	int attempts;                        /* begun so far */
	int64_t expires_ms, renewed_ms;
	struct watcher *watchers;
	struct job_body *body;
	struct batch *batch;                 /* its end is there, with others'; NULL: it has a record of its own, or none yet */
	struct hooks_of_job *hooks;
	char tail_text[];                    /* principal */
};

/* --- the room's jobs --- */
struct job_tenant { /* never freed before the room */
	char name[TENANT_NAME_MAX + 1];
	struct list queue, in_ready;
	int running, may_run;
	int64_t kept, batched;               /* those here; those in batches of the store, as the last scan and what came since say */
};
struct journal;
struct jobs {
	pthread_mutex_t lock;
	struct map map, tenants;
	struct list ready, ended, gone;
	int running, queued, nbodies, ngone;
	int64_t result_bytes;
	_Atomic int64_t tree_bytes;
	struct exec_pool *threads;
	bool stopping;
	int working;                         /* background work under way */
	bool keeping, writing, sweeping, stopping_jobs; /* which */
	exec_fn *told, *stopped;             /* once nothing runs; the caller's of runner_stop() */
	void *told_arg, *stopped_arg;
	struct journal *journal;
	_Atomic int64_t kept_ms, scanned_ms, swept_ms, written_ms;
	_Atomic int64_t blind_ms;            /* mono: kv could not be reached then; 0 = never */
};

#include "runner/job_parts.h"

#endif
