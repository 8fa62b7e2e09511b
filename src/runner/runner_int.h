/* runner_int.h - inside runner/: who does what, and what they hand each other.
 *
 *   blobs.c, project.c        contents by etag, their TTL; trees: paths, the tail rule
 *   facts.c, plan.c           what a file holds; includes; the hash chain    plan_doc.c: plans as JSON, what differs from the last
 *   script.c, script_*.c      runs one file on a connection, as psql would: variables, places of errors   (script_parts.h)
 *   layers.c, layers_*.c      which layers are there; pins, eviction, documents                           (layers_int.h)
 *   build.c, replay.c         single flight, the nearest layer; steps on a build; verify.c: a tail twice   share.c: through the store
 *   instances.c, instances_*.c  places, warm and shared instances, leases of them                         ticket.c: waiting for a place
 *   job.c, job_make.c, job_build.c, job_queue.c, job_run.c, job_end.c, job_doc.c                          (job_int.h, job_parts.h)
 *                             states; asked for; in parts; whose turn; the walk on a thread; the end; the document
 *   logs.c, results.c, hooks.c, request_ids.c   of a job
 *   records.c, records_read.c, journal.c, batches.c   what outlives the process                           keep.c: take-over
 *   runner.c                  the room: opened, closed, sweeps; room.h: what it is given
 *
 * Locks: each file's own, never held while another's is taken or anything blocks.
 */
#ifndef MAYFLY_RUNNER_INT_H
#define MAYFLY_RUNNER_INT_H

#include "runner/runner.h"
#include "sql/sql.h"

enum { RUNNER_HEX = SHA256_HEX };

/* --- a tree: files by path, bytewise --- */
struct tree_file {
	struct str path;
	char etag[RUNNER_HEX + 1];       /* SHA-256 of the content */
	struct str content;              /* p = NULL: not fetched yet */
	int64_t size;                    /* -1 = not known yet: tree_check_blobs() finds out */
};
struct tree {
	struct tree_file *files;         /* by path, bytewise */
	int n, cap;
	int64_t bytes;                   /* of the sizes that are known */
	int64_t taken;                   /* bytes that were ever given to it: replaced ones stay in its arena */
};
bool tree_path_check(struct call *c, struct str path) NODISCARD; /* ERR_INVALID_PATH: absolute, `..`, `.`, empty parts, control bytes, too long */
const struct tree_file *tree_find(const struct tree *t, struct str path);
/* `into` gets the files, those of the same path replaced; all in `a`, contents copied. On failure it is as before. ERR_INVALID_PATH, also
 * for a path twice in `files`; ERR_INVALID_FIELD: an etag; ERR_PROJECT_TOO_LARGE. */
bool tree_add(struct call *c, struct runner *r, struct arena *a, struct tree *into, const struct job_file *files, int n) NODISCARD;
/* All contents are there, are kept for another TTL at least, and have sizes now. ERR_MISSING_BLOBS (`"missing":[etags]`),
 * ERR_PROJECT_TOO_LARGE. Blocks. */
bool tree_check_blobs(struct call *c, struct runner *r, struct tree *t) NODISCARD;
/* A job that lives until then (wall) refers to them: no sweep drops them before. Blocks. */
bool tree_hold(struct call *c, struct runner *r, const struct tree *t, int64_t until_ms) NODISCARD;
/* The path in the tree of a file that `from` names in \ir (empty: \i, from the root): without `.` and `..`. ERR_MISSING_INCLUDE when it
 * leaves the project; it need not be there. */
bool tree_resolve(struct call *c, struct str from, struct str spelled, struct str *ret) NODISCARD;
bool tree_content(struct call *c, struct runner *r, const struct tree *t, struct str path, struct str *ret) NODISCARD; /* by blob when need be */
/* The tail by the contract's rule; `unused`: *.sql that are neither. ERR_HEAD_NOT_FOUND, ERR_EMPTY_PROJECT. */
struct tree_order {
	const struct str *tail, *unused;
	int ntail, nunused;
};
bool tree_order(struct call *c, const struct tree *t, struct str head, const struct str *chain, int nchain, struct tree_order *ret) NODISCARD;

/* blobs.c: by tenant and etag, in the store, a few in memory; all block */
bool blob_get(struct call *c, struct runner *r, struct str hex, struct str *ret) NODISCARD; /* in the call's arena; ERR_NOT_FOUND */
/* Stores the content under its SHA-256 and keeps it until then at least. ERR_QUOTA. */
/* It is there (ERR_NOT_FOUND) and is kept until then at least. ret_size may be NULL. */
bool blob_hold(struct call *c, struct runner *r, struct str hex, int64_t until_ms, int64_t *ret_size) NODISCARD;
int64_t blob_used_until(const struct runner *r); /* for the two above: what was used now is kept about the TTL */
void blobs_sweep(struct call *c, struct runner *r);  /* of all tenants: what nobody holds any more; nothing when it was just done */
bool runner_sweep_due(int64_t *last_ms, int64_t ttl_s); /* is a pass over the store due again? */
bool blobs_open(struct call *c, struct runner *r) NODISCARD;
void blobs_close(struct runner *r);
bool etag_hex(struct call *c, struct str etag, struct str *ret) NODISCARD; /* of "sha256:<64 hex>"; ERR_INVALID_FIELD */
/* Tenants of whom the store has something, bytewise, `default` first; in the call's arena. */
bool runner_tenants(struct call *c, struct runner *r, struct str **ret, int *ret_n) NODISCARD;

/* --- an error of a job --- */
struct job_error {
	struct str code;                 /* err_code(), "canceled", "timeout" */
	struct str message, detail, hint, path;
	char sqlstate[6];
	enum job_stage stage;
	int64_t position;                /* characters in the file, from 1; 0 = unknown */
	int line, column, statement;     /* from 1; 0 = unknown. statement: which one of the file */
};

/* --- a plan --- */
struct plan_use {                        /* of a variable of the job by a step */
	struct str name;
	uint64_t value;                  /* hash_bytes of it; 0 = it is not given */
};
struct plan_step {
	struct str path;                 /* borrowed from the tree */
	char id[RUNNER_HEX + 1];         /* of the chain up to here: the layer's id */
	bool must;                       /* a layer is published here by rule: end of a top-level folder, before the last, at the end */
	unsigned char content[SHA256_LEN], includes[SHA256_LEN]; /* to tell what changed */
	const struct plan_use *uses;
	int nuses;
};
struct plan {
	char base[RUNNER_HEX + 1];
	struct plan_step *steps;
	int nsteps;
	const char *tail_hash;           /* the last step's id, or the base's */
	struct str head;
	struct tree_order order;
	const struct str *volatile_names;/* found in the tail and its includes */
	int nvolatile;
};
struct plan_ask {
	const struct tree *tree;
	struct str head;
	const struct str *chain;
	int nchain;
	const struct job_variable *variables;
	int nvariables;
};
/* Splits and hashes everything that counts (cached by content); in the call's arena. What is wrong in a file is told in
 * `error` (with path, line, column) and as an error of the call: ERR_SCRIPT, ERR_META_COMMAND, ERR_MISSING_VARIABLE, ERR_MISSING_INCLUDE,
 * ERR_INCLUDE_CYCLE, ERR_BINARY_FILE. */
bool plan_make(struct call *c, struct runner *r, const struct plan_ask *ask, struct plan *ret, struct job_error *error) NODISCARD;
/* Its layers are there now: later plans are compared with it. */
void plan_remember(struct runner *r, struct str tenant, const struct plan *plan);
/* Blobs, facts, remembered plans; r->base when there is a backend. */
bool plans_open(struct call *c, struct runner *r) NODISCARD;
void plans_close(struct runner *r);

/* --- script.c: one file on one connection --- */
#define SCRIPT_LEFT_OPEN "the file leaves a transaction open: it is rolled back"
struct script_sink {                     /* what a run tells; NULL functions are not told. Texts of a tail live until they return */
	void (*notice)(void *arg, const struct pg_notice *n);
	void (*echo)(void *arg, struct str text);
	void (*answer)(void *arg, struct pg_answer *a); /* of each statement that did, in order; takes the parts; \gset: without rows */
	void *arg;
};
struct script_run {
	struct runner *runner;
	const struct tree *tree;
	struct pg_conn *conn;
	const struct job_variable *variables;
	int nvariables;
	struct pg_caps caps;             /* of each statement's rows */
	bool head;                       /* one statement a message; rows are kept */
	bool one_database;               /* what is beyond one database is refused: ERR_NOT_ALLOWED, error.code "cluster_wide" */
	struct script_sink sink;
	struct job_error error;          /* set when it fails */
};
/* Statement by statement, autocommit, with variables, includes and meta-commands; stops at the first error. An open transaction at its
 * end is rolled back with a warning. PG_OK, PG_FAILED (error; the call has one too when it was no statement that failed), PG_STOPPED,
 * PG_LATE, PG_LOST. */
enum pg_outcome script_run(struct call *c, struct script_run *run, struct str path);
/* The head as statements for pg_read(): false when it cannot be (meta-commands, COPY, statements that may write). */
bool script_read_only(struct call *c, const struct script_run *run, struct str path, struct str **ret, int *ret_n) NODISCARD;
/* The error of one of these statements, by its index, as script_run would have set it. */
void script_place_error(struct call *c, struct script_run *run, struct str path, int index, const struct pg_notice *n);

/* --- layers.c, build.c, share.c --- */
struct layer;                            /* reference-counted: it is not dropped meanwhile */
struct layer_told {                      /* progress, on whatever thread builds; waiters are told as well */
	void (*step)(void *arg, enum job_stage stage, int done, int total, const char *message);
	const struct script_sink *sink;  /* of the replay, for who builds */
	void *arg;
};
struct layer_ask {
	const struct plan *plan;
	const struct tree *tree;
	const struct job_variable *variables;
	int nvariables;
	int64_t pin_s;                   /* snapshot_ttl: kept at least this long from now */
	bool verify;
	struct pg_stop *stop;
	struct layer_told told;
};
struct layer_got {
	struct layer *layer;
	bool built;                      /* by this call: the job has no hit */
	int steps_reused;
	int64_t replay_ms;
	const char *deterministic;       /* "yes", "unverified", "no" */
	struct job_error error;
};
/* The tail's layer: there, waited for, imported, or built from its nearest ancestor. One builds, whoever asks; when the builder is
 * canceled, a waiter goes on. Blocks. */
bool layer_acquire(struct call *c, struct runner *r, const struct layer_ask *ask, struct layer_got *ret) NODISCARD;
void layer_release(struct layer *l);
struct str layer_id(const struct layer *l);
bool layer_there(struct runner *r, struct str tenant, struct str id); /* for plans: does not count as a use */
struct layers;
bool layers_open(struct call *c, struct runner *r) NODISCARD;
void layers_sweep(struct call *c, struct runner *r); /* TTL, byte cap; blocks */
void layers_close(struct runner *r);     /* instances are closed, and no job has one */
void layers_counted(struct runner *r, int *ret_n, int64_t *ret_bytes);
/* share.c: layers/<id>/ in the store: pieces of the backend's archive, and a manifest that names them with their SHA-256, written last.
 * Export takes ancestors along that are not shared; import brings those that are missing first, each published by the
 * backend as it comes. ERR_NOT_FOUND: nobody shares it, or one below; ERR_STORAGE: it is not what its manifest says (and is dropped).
 * Both block; ids are the tenant's; a backend without archives has nothing to share. */
bool share_import(struct call *c, struct runner *r, struct str tenant, struct str id) NODISCARD;
bool share_export(struct call *c, struct runner *r, struct str tenant, struct str id) NODISCARD;
void share_sweep(struct call *c, struct runner *r); /* unused for the layers' TTL, parents not before their children; leftovers; as blobs_sweep */

/* --- instances.c --- */
struct tenancy {                         /* a lease of an instance */
	struct pg_instance *instance;    /* NULL: a shared one, which another lease's watchdog may kill at any time */
	struct pg_conn *conn;            /* as the owner, ready; who closes it sets NULL */
	bool shared, warm;               /* warm: it ran already */
	int64_t boot_ns;                 /* 0 when warm */
	void *of;                        /* instances.c's */
};
/* shared: for pg_read(), given back; else writable, never used again. Blocks: when all instances are busy, in turn. ERR_NOT_FOUND: the
 * layer is not there any more, another process dropped it: acquire it anew. */
bool instance_lease(struct call *c, struct runner *r, struct layer *l, bool shared, struct pg_stop *stop, struct tenancy *ret) NODISCARD;
/* A writable one is killed and removed, in the background. Of a shared one: unless healthy its connection is closed, and where a
 * statement still runs on it the instance is killed. */
void instance_return(struct runner *r, struct tenancy *t, bool healthy);
/* Somebody will want one soon: booting begins. Of the deepest layer of `plan` that is there. Does not block. */
void instance_expect(struct runner *r, struct str tenant, const struct plan *plan);
bool instances_open(struct call *c, struct runner *r) NODISCARD;
void instances_drop(struct runner *r, struct layer *l); /* none of it waits any more; blocks */
void instances_sweep(struct runner *r);  /* TTL, idle, memory; blocks */
void instances_close(struct runner *r);  /* nothing is leased */
void instances_counted(struct runner *r, int *ret_warm, int *ret_busy);

struct runner {
	struct runner_options o;
	struct layers *layers;
	struct instances *instances;
	struct blobs *blobs;
	struct facts *facts;             /* of files, by content */
	struct chains *chains;           /* plans that were built, by tenant */
	int64_t blobs_swept_ms, share_swept_ms; /* clock_mono_ms(); 0: not yet. Of the one who sweeps */
	struct jobs *jobs;
	struct hooks *hooks;
	char base[RUNNER_HEX + 1];       /* id of the empty database */
};

/* Is a layer a database of a server that others use as well, so that nothing beyond it may be changed? */
static inline bool runner_one_database(const struct runner *r)
{
	return strcmp(r->o.backend->ops->name, "dsn") == 0;
}

#endif
