/* layers_int.h - between the files of layers and instances; nothing else in runner/ needs it.
 *
 *   layers.c       what is there, and who uses it        layers_kept.c   pins and last uses, durable in kv/
 *   layers_drop.c  eviction, TTL, DELETE                 layers_doc.c    manifests; the listing
 *   build.c        single flight                         replay.c        an instance, the missing steps, publish
 *   verify.c       the tail once more, and compared      ticket.c        waiting that a stop sign and a deadline end
 *   instances.c    leases, the sweep                     instances_pool.c places, boots, what waits
 *   instances_shared.c   readers of one instance
 */
#ifndef MAYFLY_RUNNER_LAYERS_INT_H
#define MAYFLY_RUNNER_LAYERS_INT_H

#include "runner/runner_int.h"

#include <pthread.h>

/* --- ticket.c --- */
struct box;
struct ticket {
	struct list in;      /* of whoever is to wake it; under that one's lock */
	int fd;              /* an eventfd */
	bool granted;
	enum pg_use use;     /* instances: of what it waits for, and what it was given; NULL: it was not made */
	struct box *given;
	enum job_stage stage;/* flights: how far it is */
	int done, total;
	char message[96];
	bool told;
};
void ticket_open(struct ticket *t);
void ticket_wake(struct ticket *t); /* any thread, with the lock that guards it */
void ticket_close(struct ticket *t);/* it is in no list */
/* Woken, or `most_ms` passed (0 = no such limit): true. ERR_CANCELED, ERR_STATEMENT_TIMEOUT. Blocks. */
bool ticket_wait(struct call *c, struct ticket *t, struct pg_stop *stop, int64_t most_ms) NODISCARD;
void ticket_pause(int ms); /* where nobody wakes: for what ends by itself, soon */
bool ticket_may_go_on(struct call *c, struct pg_stop *stop) NODISCARD; /* the same errors, at once */

/* --- layers --- */
struct instance_pool {       /* of one layer; the instances' lock */
	struct list warm;        /* boxes, the latest first */
	int boxes;               /* that are not removed yet, leased ones too */
	int nwarm[PG_SHARED + 1], booting[PG_SHARED + 1]; /* by use; booting: in the background */
	struct list waiting;     /* tickets for one that boots */
	struct box *shared;
	bool shared_boots;
	struct list readers;     /* tickets for a connection of the shared one */
	bool closed;             /* the layer goes: nothing may wait on it */
	double rate;             /* leases of writable ones, decayed to rate_ms */
	int64_t rate_ms, used_ms;/* mono */
};
enum { LAYER_KEY_MAX = TENANT_NAME_MAX + 1 + RUNNER_HEX, LAYER_PATH_MAX = JOB_PATH_MAX };
struct layer {
	struct layers *of;
	atomic_int refs;         /* of the memory */
	/* never change */
	char id[RUNNER_HEX + 1], parent_id[RUNNER_HEX + 1];
	struct str key, tenant, path; /* key: tenant '/' id */
	struct layer *parent;    /* NULL: the base, or unknown */
	bool base;               /* the empty database, of one tenant: in no listing, never dropped */
	int64_t created_ms, replay_ms;
	const struct str *volatile_names;
	int nvolatile;
	bool opaque;             /* its SQL can hide a function whose answer differs from run to run */
	/* the layers' lock */
	int64_t bytes;
	int uses, children;
	bool going, gone;
	uint64_t seen;           /* the listing of the backend that last had it */
	double hits;             /* decayed to hits_ms */
	int64_t hits_total, hits_ms, used_ms, pinned_ms; /* wall */
	int64_t kept_ms;         /* pinned until then in kv */
	bool keep;               /* kv is to be written */
	char verified;           /* 'y', 'n'; 0 = never compared */
	/* the instances' lock */
	struct instance_pool pool;
};
struct layer_made {          /* a layer to be registered */
	struct str tenant, id, parent, path;
	int64_t bytes, created_ms, replay_ms;
	const struct str *volatile_names;
	int nvolatile;
	bool opaque;
};
struct flight;               /* an id that is on its way: built, or dropped */
struct failure;
struct layers {
	struct runner *r;
	pthread_mutex_t lock;
	struct map by_key;       /* struct layer */
	struct map flights;      /* struct flight, by the key of the layer */
	struct map failures;     /* struct failure, by the key of the step */
	struct map seen;         /* struct sighting, by the key of the step */
	struct list sightings;   /* the oldest first */
	int64_t bytes;
	int n;
	uint64_t listing;        /* counts listings of the backend */
	int64_t listed_ms;       /* mono */
	atomic_bool keeping;     /* a task writes to kv */
};
struct layer_key {
	char text[LAYER_KEY_MAX];
	size_t n;
};
struct layer_key layer_key(struct str tenant, struct str id);
static inline struct str layer_key_str(const struct layer_key *k)
{
	return str_from(k->text, k->n);
}
/* layers.c. "locked": the layers' lock is held. */
struct layer *layer_get_locked(struct layers *ls, struct str tenant, struct str id); /* NULL: not there, or going */
struct layer *layer_base_locked(struct layers *ls, struct str tenant);
struct layer *layer_add_locked(struct layers *ls, const struct layer_made *m);       /* there already: that one */
void layer_forget_locked(struct layers *ls, struct layer *l);                        /* not in the backend any more */
void layer_hit_locked(struct layer *l, int64_t now_ms);
void layer_pin_locked(struct layer *l, int64_t until_ms);
double layer_hits_locked(const struct layer *l, int64_t now_ms);
void layer_use(struct layer *l);              /* one more; the caller has one */
struct layer *layer_hold(struct layer *l);    /* the memory */
void layer_unhold(struct layer *l);
bool layers_refresh(struct call *c, struct runner *r) NODISCARD; /* what other processes made and dropped; blocks */
void layer_lost(struct runner *r, struct layer *l);              /* the backend does not know it any more */

/* layers_doc.c */
void layer_manifest(const struct layer_made *m, struct str base, struct buf *out);
/* What its manifest says; where it says nothing readable, a layer of nobody. In the call's arena. */
void layer_found(struct call *c, const struct pg_found *f, struct layer_made *ret);
const char *layer_deterministic(const struct layer *l, bool names_found); /* locked */

bool layers_unreachable(struct call *c, const struct runner *r) NODISCARD; /* false: there is no backend */

/* layers_kept.c */
void layers_keep(struct runner *r);           /* writes what is due, in the background where there is one */
void layers_keep_now(struct call *c, struct runner *r);
bool layers_kept(struct call *c, struct runner *r) NODISCARD; /* at open: takes up what was kept */
void layer_unkeep(struct call *c, struct runner *r, struct layer *l);

/* layers_drop.c */
/* Below the caps, dropping what is worth least; ERR_QUOTA with the reasons. Blocks. */
bool layers_make_room(struct call *c, struct runner *r, struct str tenant) NODISCARD;
void layers_disk_full(struct runner *r); /* a tenth of them goes, what is worth least; blocks */

/* build.c */
struct build {               /* one call of layer_acquire() that builds */
	struct call *c;
	struct runner *r;
	const struct layer_ask *ask;
	struct layer_got *got;
	struct layer *at;        /* the deepest that is there; a use of it is the build's */
	int step;                /* its index + 1; 0 = the base */
	bool *flown;             /* by step: this build's flight */
	bool opaque;             /* of what was replayed since `at`, and at itself */
};
void build_told(struct build *b, enum job_stage stage, int done, const char *message); /* the caller, and who waits */
void flight_end_locked(struct layers *ls, struct str key);
bool flight_begin_locked(struct layers *ls, struct str key);     /* false: there is one */
/* Remembers an error of the SQL itself, for who waits and who comes soon. */
void failure_remember(struct runner *r, struct str tenant, const char *step_id, const struct job_error *e);

/* replay.c */
bool replay(struct build *b) NODISCARD;       /* from b->at to the tail */
struct replaying {           /* one instance on which steps run */
	struct tenancy t;
	int64_t ms;              /* of steps since it was opened */
};
bool replay_step(struct build *b, struct replaying *p, int step) NODISCARD; /* index of the step */
void sightings_close(struct layers *ls);

/* verify.c */
bool layer_verify(struct build *b, struct layer *l, const char **ret) NODISCARD;

/* --- instances --- */
enum { SHARED_CONNS = 8 };
struct box {                 /* one instance that is not leased, or a shared one */
	struct list all, in;     /* in: its pool's warm ones */
	struct layer *layer;     /* memory held */
	enum pg_use use;
	struct pg_instance *pg;
	struct pg_conn *conn;    /* of a waiting one */
	int64_t born_ms, since_ms, memory, boot_ns; /* mono; since: it waits */
	/* a shared one */
	struct pg_conn *idle[SHARED_CONNS];
	int nidle, nconns;       /* nconns: idle, leased and on their way */
	int leases, connecting;
	bool retired;            /* in no pool; goes with its last lease */
	bool killed;             /* goes at once, and its leases' connections break */
};
struct boot {                /* in the background */
	struct list in;
	struct instances *is;
	struct layer *layer;     /* memory held */
	enum pg_use use;
};
struct instances {
	struct runner *r;
	pthread_mutex_t lock;
	struct list all;         /* boxes */
	struct list queue;       /* tickets for a place, first come first served */
	struct list wanted;      /* boots, until the lock is given back */
	int places, booting, warm, shared; /* places: taken, of o.instances */
	int64_t warm_bytes;
	double boot_ms;          /* of the latest, decayed */
	struct exec_pool *boots, *reaps;
	struct pg_stop stop;     /* of boots in the background */
	bool closing;
};
/* instances_pool.c */
void instances_unlock(struct instances *is);             /* and begins what is wanted */
bool place_take(struct call *c, struct runner *r, struct pg_stop *stop) NODISCARD; /* blocks, fairly; ERR_TOO_MANY never */
void place_give(struct instances *is);
/* A running instance with a connection that has run a SELECT; the caller has a place. Blocks. */
/* instances_warm.c: false: it is of no use any more. */
bool instance_warm_up(struct call *c, struct runner *r, struct pg_conn *conn) NODISCARD;
bool box_boot(struct call *c, struct runner *r, const struct boot *what, struct pg_stop *stop, struct box **ret) NODISCARD;
void box_release(struct instances *is, struct box *b);   /* in the background; gives its place back */
void box_release_now(struct instances *is, struct box *b);
void box_free(struct box *b);
struct box *warm_pop_locked(struct instances *is, struct layer *l, enum pg_use use);
void box_out_locked(struct instances *is, struct box *b); /* of what waits */
bool box_lives(const struct box *b);                     /* a waiting one */
bool boot_soon_locked(struct instances *is, struct layer *l, enum pg_use use);
void pool_refill_locked(struct instances *is, struct layer *l);
void pool_arrival_locked(struct layer *l);
int pool_waiting_locked(const struct layer *l, enum pg_use use); /* tickets */
/* instances_shared.c */
bool lease_shared(struct call *c, struct runner *r, struct layer *l, struct pg_stop *stop, struct tenancy *ret) NODISCARD;
void shared_return(struct runner *r, struct tenancy *t, bool healthy);
void shared_retire_and_unlock(struct instances *is, struct box *b, bool kill);
/* instances.c */
/* A writable one, waiting, on its way, or booted here; its place is the lease's. */
bool box_take(struct call *c, struct runner *r, const struct boot *what, struct pg_stop *stop, struct box **ret) NODISCARD;
bool instance_build(struct call *c, struct runner *r, struct layer *l, struct pg_stop *stop, struct tenancy *ret) NODISCARD; /* PG_BUILD */
void instance_published(struct runner *r, struct tenancy *t);  /* publish has ended it */
void instances_take(struct runner *r, struct layer *l);        /* after instances_drop(): they may wait on it again */

#endif
