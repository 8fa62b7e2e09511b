/* lifecycle.h - the door of lifecycle/: leases, the sweeper, the event log.
 *
 * A lease says that something is needed until a time, or as long as its owner
 * is. One sweeper loop looks after the leases of every room. The event log keeps
 * what happened, a stream a tenant, topic and server, hash-chained, on store/.
 */
#ifndef MAYFLY_LIFECYCLE_H
#define MAYFLY_LIFECYCLE_H

#include "base/base.h"
#include "exec/exec.h"
#include "lifecycle/events.h"
#include "lifecycle/events_mirror.h"

/* --- leases and the sweeper. Any thread, but where it says otherwise --- */
struct lifecycle;
struct lease;
struct lease_kind { /* one a kind of state */
	const char *name;              /* "statement", for logs */
	void (*hold)(struct lease *l); /* takes a reference on what the lease is in; with the room's lock held */
	void (*drop)(struct lease *l); /* gives it back; no lock held */
	/* Its time is over: on the sweeper's loop, must not block; may set it anew. Also comes to a lease that was moved
	 * or cleared just then, so it looks at its own state. */
	void (*due)(struct lease *l);
	void (*end)(struct lease *l);  /* its owner has ended; on the thread that ended it */
};
struct lease { /* inside what it is for */
	const struct lease_kind *kind;
	struct wheel_node due;
	struct list in_owner;
};
struct lease_owner { /* of leases: they end with it */
	struct list owned;
	bool over;                     /* it owns nothing any more */
};
void lease_init(struct lease *l, const struct lease_kind *kind);
void lease_owner_init(struct lease_owner *o);
void lease_set(struct lifecycle *lc, struct lease *l, int64_t due_mono_ms); /* moves it when it is set already */
void lease_clear(struct lifecycle *lc, struct lease *l);                    /* no time any more; leaves its owner as well */
/* False: the owner is over. A child is in at most one owner. Any lease must be cleared before its last
 * reference goes, an owner have ended or own nothing. */
bool lease_own(struct lifecycle *lc, struct lease_owner *owner, struct lease *child) NODISCARD;
/* The same for a child of the owner that `sibling` has; false: it has none (any more). */
bool lease_own_beside(struct lifecycle *lc, struct lease *sibling, struct lease *child) NODISCARD;
void lease_end_owned(struct lifecycle *lc, struct lease_owner *owner);      /* from now on it owns nothing; calls end() of each */

struct lifecycle_options {
	struct exec_loop *loop;
	int64_t tick_ms;  /* 250 */
	int batch;        /* leases a pass at most; the next comes at once when it was full, but lets the loop work in between */
};
struct lifecycle_stats {
	uint64_t leases;               /* with a time */
	uint64_t due, swept, failed;   /* due handed out; ended well; tried in vain */
	int64_t lag_ms;                /* of the latest that was due */
};
struct lifecycle *lifecycle_open(const struct lifecycle_options *o);
/* fn(arg) on the loop about every interval_ms (of the fakeable clock); must not block. Before the loop runs. */
void lifecycle_every(struct lifecycle *lc, int64_t interval_ms, exec_fn *fn, void *arg);
void lifecycle_swept(struct lifecycle *lc, const struct lease *l, bool ok); /* a due lease was dealt with */
void lifecycle_stats(struct lifecycle *lc, struct lifecycle_stats *ret);
void lifecycle_sweep(struct lifecycle *lc); /* one pass now, on the loop's thread or before it runs; for tests */
void lifecycle_sweep_all(struct lifecycle *lc); /* passes until nothing is due; any thread that is no loop's waits for it */
void lifecycle_close(struct lifecycle *lc); /* the loop has stopped */

/* --- identity.c: the server's id and key in `<data>/server.json` --- */
struct server_identity {
	struct str id, key; /* a UUID; 32 bytes, secret; in the call's arena */
};
bool server_identity(struct call *c, struct str data_dir, bool make, struct server_identity *ret) NODISCARD; /* make: when it is missing */

#endif
