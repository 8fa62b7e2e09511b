/* events.h - the second half of the door of lifecycle/: the event log (contract, section 2).
 *
 * A stream is one server's part of a tenant's topic. Its items have contiguous
 * offsets from 0 and are hash-chained; its head is authenticated with the
 * server's key. Rooms include lifecycle/lifecycle.h. Threads: any.
 */
#ifndef MAYFLY_LIFECYCLE_EVENTS_H
#define MAYFLY_LIFECYCLE_EVENTS_H

#include "base/base.h"
#include "exec/exec.h"
#include "store/store.h"

struct events;
enum event_topic { EVENT_SESSION_LIFECYCLE, EVENT_STATEMENT, EVENT_VIEW, EVENT_JOB, EVENT_TOPICS };
enum event_sync { EVENT_SYNC_ALWAYS, EVENT_SYNC_INTERVAL /* once a second */, EVENT_SYNC_NEVER };
enum {
	EVENT_PAYLOAD_MAX = 1 << 20,      /* bytes of a payload */
	EVENT_POSTED_MAX = 32 << 20,      /* bytes that wait for the next batch; a stream may have a quarter */
	EVENT_RECENT_MAX = 16 << 20,      /* bytes of the newest items of all streams in memory */
	EVENT_STREAMS_KEPT = 4096,        /* streams of this server that stay open when nobody uses them */
	EVENT_FAULTS_MAX = 1000,          /* faults that a verdict tells */
};
struct events_options {
	struct store *store;           /* one with append and cut */
	struct str server;             /* id of this server: the name of its streams */
	struct str key;                /* secret of this server, authenticates heads */
	struct str topic_prefix;       /* "mayfly"; letters, digits, `_`, `-`, `.` */
	enum event_sync sync;
	int64_t segment_bytes, retention_ms, retention_bytes; /* retention: a stream; 0 = for ever */
	struct exec_loop *loop;        /* for the once-a-second batches; NULL: events_flush() is the caller's business */
	struct exec_pool *pool;        /* for what blocks; NULL with loop */
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
void events_flush(struct events *e); /* writes and syncs what was posted before; blocks; the once-a-second batch */
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
	struct str principal;          /* with p != NULL: only items whose payload names this principal ("" = names none) */
};
struct event_page {
	struct str cursor;             /* where it begins (empty: at the oldest that is kept); then behind its last item */
	int limit;                     /* items at most; fewer: there are no more now */
	struct event_item *items;      /* in the order of their time */
	int n;
	int64_t lost;                  /* items behind the cursor that are not kept any more (retention), or never came (mirror) */
	bool elsewhere;                /* of events_recent(): it is other servers' items that only the store has */
};
/* Reads the items that pass, from page->cursor and at most page->limit, and moves the cursor. ERR_INVALID_FIELD for a
 * cursor that is none, or is another tenant's. Everything in the call's arena; blocks. */
bool events_read(struct call *c, struct events *e, const struct event_filter *f, struct event_page *page) NODISCARD;
bool events_tail(struct call *c, struct events *e, const struct event_filter *f, struct str *ret_cursor) NODISCARD; /* behind the newest */

/* --- live --- */
struct event_watch {
	void (*fn)(void *arg);         /* something may be new for `filter`'s tenant and topic; any thread; must not block */
	void *arg;
	struct event_filter filter;    /* tenant and topic count; texts are copied */
};
struct event_watcher *events_watch(struct events *e, const struct event_watch *w);
void events_unwatch(struct events *e, struct event_watcher *w); /* after it fn is not called any more; not from fn */
/* The same from the newest that are kept in memory, without blocking: false, without an error, when what follows the
 * cursor is not there any more (a slow reader) or not yet (after a start): then events_read() has it. */
bool events_recent(struct call *c, struct events *e, const struct event_filter *f, struct event_page *page) NODISCARD;

/* --- verifying a store that no server writes, or one's own --- */
struct events_verdict {
	int64_t streams, items;
	int64_t unsealed;              /* items behind the signed head, as a loss of power leaves them: chained, not authenticated */
	int64_t mirrored, missing;     /* streams of them that are mirrors of other servers': chained, their heads are there; items that never came */
	struct str *bad;               /* what and where, one text a fault */
	int nbad;
};
/* `server` and `key`: whose store it is. */
bool events_verify(struct call *c, struct store *s, struct str server, struct str key, struct events_verdict *ret) NODISCARD;
void events_sweep(struct events *e); /* retention, of this server's streams and of mirrors that nobody writes; blocks */
struct events_stats {
	uint64_t appended, dropped, bytes, batches;
	uint64_t broken;               /* streams that were found changed or cut when they were opened */
};
void events_stats(struct events *e, struct events_stats *ret);

#endif
