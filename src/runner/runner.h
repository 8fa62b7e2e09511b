/* runner.h - the door of runner/: jobs that replay a chain of SQL files onto cached PostgreSQL layers and run the head.
 *
 * A job is a project tree, a head, variables and what came of them. Its tail, hashed step by step, names layers;
 * the deepest that is there is opened, what is missing is replayed and published, the head runs in a copy. Records,
 * results and blobs are in the store; leases with fencing tokens are in kv/, so a job outlives its server.
 *
 * Threads: any but a loop's where it says "blocks"; the rest any. Source: the contract, section 4.
 */
#ifndef MAYFLY_RUNNER_H
#define MAYFLY_RUNNER_H

#include "engine/engine.h"
#include "exec/exec.h"
#include "json/json.h"
#include "kv/kv.h"
#include "lifecycle/lifecycle.h"
#include "runner/room.h"
#include "store/store.h"

struct job; /* reference-counted */

enum { JOB_PATH_MAX = 512, JOB_WEBHOOKS_MAX = 10, JOB_VARIABLES_MAX = 1000, JOB_LOGS_MAX = 10000, JOB_LOGS_LAST = 20, JOB_LAST_ROWS = -1 };

/* --- states and stages: the only tables --- */
enum job_status { JOB_PENDING, JOB_PREPARING, JOB_RUNNING, JOB_PUBLISHING, JOB_COMPLETED, JOB_FAILED, JOB_CANCELED, JOB_STATUSES };
extern const struct fsm_state job_fsm[JOB_STATUSES];
#define JOB_STAGE_LIST(X) \
	X(PARSING, "parsing") X(SNAPSHOT_LOOKUP, "snapshot_lookup") X(TAIL_REPLAY, "tail_replay") X(INSTANCE_BOOT, "instance_boot") \
	X(HEAD_EXECUTION, "head_execution") X(PUBLISHING, "publishing")
enum job_stage {
#define X(id, name) JOB_AT_##id,
	JOB_STAGE_LIST(X)
#undef X
	JOB_STAGES
};
const char *job_stage_name(enum job_stage s);

/* --- making one --- */
struct job_file {
	struct str path;
	struct str content;              /* p = NULL: by etag */
	struct str etag;                 /* "sha256:<64 hex>" */
};
struct job_variable {
	struct str name, value;
};
struct job_hook {
	struct str url, secret;
};
struct job_ask {
	struct str request_id, user_id;  /* empty = none */
	struct str fingerprint;          /* of the whole body: the same request_id with another one is ERR_REQUEST_ID_CONFLICT */
	const struct job_file *files;
	int nfiles;
	const struct str *chain;         /* p = NULL: by the rule */
	int nchain;                      /* -1 = not given */
	struct str head_path;            /* empty: it waits to be assembled */
	const struct job_variable *variables;
	int nvariables;
	int64_t snapshot_ttl_s, job_ttl_s, timeout_ms; /* 0 = the default */
	struct str traceparent, tracestate;
	const struct job_hook *hooks;
	int nhooks;
	bool private_instance;           /* `isolation: private`: never the shared, read-only instance */
	bool verify;                     /* the tail is built twice and compared */
	struct str part;                 /* of an append: its name; empty = none */
};
/* Starts when it has a head. Blocks. ERR_INVALID_PATH, ERR_MISSING_BLOBS (the list), ERR_HEAD_NOT_FOUND, ERR_EMPTY_PROJECT,
 * ERR_PROJECT_TOO_LARGE, ERR_REQUEST_ID_CONFLICT, ERR_INVALID_FIELD, ERR_TOO_MANY, ERR_ENGINE_UNREACHABLE.
 * Another server, or this one after a crash, knows it only after job_acknowledge(). */
bool job_create(struct call *c, struct runner *r, const struct job_ask *ask, struct job **ret) NODISCARD;
bool job_acknowledge(struct call *c, struct job *j) NODISCARD; /* recorded durably, with a lease; blocks; again is fine */
bool job_find(struct call *c, struct runner *r, struct str id, struct job **ret) NODISCARD; /* blocks; ERR_NOT_FOUND, ERR_JOB_EXPIRED */
struct job_size {
	int parts, files;
	int64_t bytes;
};
/* ERR_JOB_STARTED; ERR_PART_CONFLICT: the part came before, with other files. Blocks. */
bool job_append(struct call *c, struct job *j, const struct job_ask *ask, struct job_size *ret) NODISCARD;
bool job_run(struct call *c, struct job *j, const struct job_ask *ask) NODISCARD; /* head_path, and what else is given; blocks */

/* --- having one --- */
struct str job_id(const struct job *j);
enum job_status job_status_of(struct job *j);
bool job_ended(struct job *j);
void job_unref(struct job *j);
bool job_cancel(struct call *c, struct job *j) NODISCARD;  /* asked; it ends soon. Of one that has ended: nothing, true. Blocks */
bool job_extend(struct call *c, struct job *j, int64_t job_ttl_s) NODISCARD; /* ERR_PLAN_LIMIT; blocks */
bool job_drop(struct call *c, struct job *j) NODISCARD;    /* canceled when it runs, then gone with all its artifacts; blocks */
void job_watch(struct job *j, const struct watch *w);      /* at its end; with on_change at any change and log line */
void job_unwatch(struct job *j, const void *arg);
/* The contract's document, one JSON object. `whole`: with columns, rows, results, logs. Rows may have to be read: blocks unless
 * job_in_memory(). */
bool job_write(struct call *c, struct job *j, bool whole, struct json_out *o) NODISCARD;
bool job_in_memory(struct job *j);
struct job_page { /* of lists, by creation, newest first */
	struct str after, next;
	int limit;
};
bool job_list(struct call *c, struct runner *r, struct job_page *page, struct job ***ret, int *ret_n) NODISCARD; /* references; blocks */
struct job_log {
	int64_t seq, time_ms;
	enum job_stage stage;
	const char *level;               /* "info", "notice", "warn", "error" */
	struct str message;
};
/* Lines with seq > after, at most `limit`, in the call's arena. */
bool job_logs(struct call *c, struct job *j, int64_t after, int limit, struct job_log **ret, int *ret_n) NODISCARD;
void job_log_write(struct json_out *o, const struct job_log *l);
struct job_result { /* of a statement of the head */
	struct str command_tag;
	bool has_rows, truncated;
	struct str columns;              /* packed */
	struct engine_part *parts;       /* native, plain; references are the caller's: job_result_drop() */
	int nparts;
	int64_t rows;
	struct str notices;              /* a JSON array, as in the document; empty = none */
};
/* n: from 0, or JOB_LAST_ROWS: the last that returned rows. ERR_NOT_FOUND, ERR_NOT_FINISHED; of a failed job those that ran. Blocks. */
bool job_results(struct call *c, struct job *j, int64_t n, struct job_result *ret) NODISCARD;
void job_result_drop(struct job_result *r);

/* --- plans, layers, blobs; all block --- */
bool runner_plan(struct call *c, struct runner *r, const struct job_ask *ask, struct json_out *o) NODISCARD; /* the contract's object */
bool runner_layers(struct call *c, struct runner *r, struct job_page *page, struct json_out *items) NODISCARD; /* objects into an open array */
bool runner_layer_drop(struct call *c, struct runner *r, struct str id) NODISCARD; /* ERR_LAYER_IN_USE */
bool runner_blob_put(struct call *c, struct runner *r, struct str etag, struct str bytes) NODISCARD; /* ERR_ETAG_MISMATCH */
bool runner_blob_has(struct call *c, struct runner *r, struct str etag) NODISCARD; /* ERR_NOT_FOUND */

#endif
