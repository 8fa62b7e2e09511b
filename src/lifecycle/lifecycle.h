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
#include "store/store.h"

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
	struct list in_owner, owned;
	bool over;                     /* it owns nothing any more */
};
void lease_init(struct lease *l, const struct lease_kind *kind);
void lease_set(struct lifecycle *lc, struct lease *l, int64_t due_mono_ms); /* moves it when it is set already */
void lease_clear(struct lifecycle *lc, struct lease *l);                    /* no time any more; leaves its owner as well */
/* False: the owner is over. A child is in at most one owner. Any lease must be cleared before its last
 * reference goes, an owner have ended or own nothing. */
bool lease_own(struct lifecycle *lc, struct lease *owner, struct lease *child) NODISCARD;
void lease_end_owned(struct lifecycle *lc, struct lease *owner);            /* from now on it owns nothing; calls end() of each */

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
void lifecycle_close(struct lifecycle *lc); /* the loop has stopped */

/* --- the event log (contract, section 2) --- */
struct events;
enum event_topic { EVENT_SESSION_LIFECYCLE, EVENT_STATEMENT, EVENT_VIEW, EVENT_JOB, EVENT_TOPICS };
enum event_sync { EVENT_SYNC_ALWAYS, EVENT_SYNC_INTERVAL /* once a second */, EVENT_SYNC_NEVER };
struct events_options {
	struct store *store;
	struct str server;             /* id of this server: the name of its streams */
	struct str key;                /* secret of this server, authenticates heads */
	struct str topic_prefix;       /* "mayfly" */
	enum event_sync sync;
	int64_t segment_bytes, retention_ms, retention_bytes; /* retention: a stream; 0 = for ever */
	struct exec_loop *loop;        /* for the once-a-second batches */
	struct exec_pool *pool;        /* for what blocks */
};
struct events *events_open(struct call *c, const struct events_options *o) NODISCARD;
void events_close(struct events *e); /* writes what waits; the loop has stopped */
struct str event_topic_name(struct arena *a, const struct events *e, enum event_topic t); /* "mayfly.audit.statement.v1" */
/* The founding name jammi.audit.session_lifecycle.v1 is an alias. */
bool event_topic_of(const struct events *e, struct str name, enum event_topic *ret);

/* The event is in the log, and with EVENT_SYNC_ALWAYS durable, before this returns. Blocks. Payload: a JSON object. */
bool event_append(struct call *c, struct events *e, enum event_topic t, struct str tenant, struct str payload) NODISCARD;
/* Soon, in a batch: never blocks. When too much waits it is dropped, counted, and a later event tells how many. */
void event_post(struct events *e, enum event_topic t, struct str tenant, struct str payload);
/* Where the next event of a tenant's topic will be, in this server's stream. */
bool event_head(struct call *c, struct events *e, enum event_topic t, struct str tenant, int64_t *ret_offset) NODISCARD;

/* --- reading: a cursor stands behind the last item read in every stream it covers --- */
struct event_item {
	enum event_topic topic;
	struct str line;               /* the JSON object as the contract has it, one line, without its end */
	struct str payload;            /* inside line */
	struct str cursor;             /* that stands behind it: where a reader of this item goes on */
	int64_t offset;
};
struct event_filter {
	struct str tenant;             /* always */
	int topic;                     /* -1 = all */
	struct str event, session_id;  /* of the payload; empty = any */
	struct str principal;          /* with p != NULL: only items whose payload names this principal */
};
/* Reads at most `limit` items that pass, in the order of their time, from `cursor` (empty: from the oldest that is
 * kept) and moves it. ERR_INVALID_FIELD for a cursor that is none. *ret_lost: how many items behind the cursor
 * are not kept any more (retention). Everything in the call's arena; blocks. */
bool events_read(struct call *c, struct events *e, const struct event_filter *f, struct str cursor, int limit,
		 struct event_item **ret, int *ret_n, struct str *ret_cursor, int64_t *ret_lost) NODISCARD;
bool events_tail(struct call *c, struct events *e, const struct event_filter *f, struct str *ret_cursor) NODISCARD; /* behind the newest */

/* --- live --- */
struct event_watch {
	void (*fn)(void *arg);         /* something may be new for `filter`'s tenant and topic; any thread; must not block */
	void *arg;
	struct event_filter filter;    /* texts are copied */
};
struct event_watcher *events_watch(struct events *e, const struct event_watch *w);
void events_unwatch(struct events *e, struct event_watcher *w); /* after it fn is not called any more */
/* Items since `cursor` from the newest that are kept in memory, without blocking: false when they are not there
 * any more (a slow reader): then events_read() has them. Same results as events_read(). */
bool events_recent(struct call *c, struct events *e, const struct event_filter *f, struct str cursor, int limit,
		   struct event_item **ret, int *ret_n, struct str *ret_cursor) NODISCARD;

/* --- verifying a store that no server writes, or one's own --- */
struct events_verdict {
	int64_t streams, items;
	struct str *bad;               /* what and where, one text a fault */
	int nbad;
};
bool events_verify(struct call *c, struct store *s, struct str key, struct events_verdict *ret) NODISCARD;
void events_sweep(struct events *e); /* retention; blocks */
struct events_stats {
	uint64_t appended, dropped, bytes, batches;
};
void events_stats(struct events *e, struct events_stats *ret);

/* --- identity.c: the server's id and key in `<data>/server.json` --- */
struct server_identity {
	struct str id, key; /* a UUID; 32 bytes, secret; in the call's arena */
};
bool server_identity(struct call *c, struct str data_dir, bool make, struct server_identity *ret) NODISCARD; /* make: when it is missing */

#endif
