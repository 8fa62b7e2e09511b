/* room.h - part of runner/'s door: the room itself. */
#ifndef MAYFLY_RUNNER_ROOM_H
#define MAYFLY_RUNNER_ROOM_H

#include "engine/engine.h"
#include "exec/exec.h"
#include "kv/kv.h"
#include "lifecycle/lifecycle.h"
#include "out/out.h"
#include "store/store.h"

struct runner;

struct runner_caps { /* of one tenant */
	int64_t jobs, running;           /* jobs that are kept; that run at once: more wait */
	int64_t job_ttl_s;               /* most that may be asked for, and extended to */
	int64_t blob_bytes, layer_bytes;
};
struct runner_options {
	struct store *store;             /* records, results, blobs, shared layers; shared with other servers */
	struct store *journal;           /* of this server alone, with append: what was answered and is not yet in `store` */
	struct kv *kv;                   /* leases and request ids */
	struct pg_backend *backend;      /* NULL: there is no PostgreSQL; jobs answer ERR_ENGINE_UNREACHABLE */
	const char *backend_missing;     /* why */
	struct engine *engine;           /* for Parquet */
	struct lifecycle *lifecycle;
	struct events *events;           /* NULL = none */
	struct exec_pool *pool;          /* for short work that blocks */
	struct str server;
	int concurrent;                  /* jobs that run at once, a thread each */
	int queued;                      /* that wait; more answer ERR_TOO_MANY */
	int64_t project_files, project_bytes;     /* of a tree */
	int64_t result_rows, result_bytes, result_statements; /* of a head: rows and bytes a statement, statements kept */
	int64_t replay_ms;               /* a layer is worth it after this much replay */
	int64_t layer_bytes, layer_ttl_s;/* of all layers; unused for this long and not pinned: dropped */
	bool share;                      /* layers are packed into `store`, and taken from there */
	int64_t instance_ttl_s, instance_idle_s; /* a warm or shared one is given up after this long; unused for this long */
	int instances;                   /* at once, busy and warm */
	int64_t warm_bytes;              /* memory of those that wait */
	int64_t blob_ttl_s;
	bool hooks_private;              /* webhooks may go to loopback and private addresses */
	int hook_attempts;
	int64_t hook_backoff_ms;         /* first pause, doubled each time */
	void (*caps)(void *arg, struct str tenant, struct runner_caps *ret);
	void *arg;
};
struct runner *runner_open(struct call *c, const struct runner_options *o) NODISCARD; /* takes up what an earlier process left */
bool runner_idle(struct runner *r);      /* no job runs */
/* No job begins any more; those that run are canceled. told(arg) when nothing runs and every instance is released. */
void runner_stop(struct runner *r, exec_fn *told, void *arg);
void runner_close(struct runner *r);     /* the backend is the caller's */

struct runner_report {                   /* for /readyz */
	bool ready;
	struct pg_report pg;
	const char *missing;             /* why it is not ready */
	int jobs_running, jobs_queued, instances_warm, instances_busy, layers;
	int64_t layer_bytes;
};
void runner_report(struct runner *r, struct runner_report *ret);
/* OTLP spans: out_traces of out/, when configured, is told by obs; metrics are rows of obs/metrics.def, set here. */

#endif
