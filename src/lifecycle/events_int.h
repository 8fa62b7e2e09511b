/* events_int.h - the inside of the event log.
 *
 * In the store, a stream is one folder, events/<tenant>/<topic>/<server>/, its `dir`:
 *
 *   <20 digits>.ndjson        a segment: items, one a line; its name is the offset of the first
 *   head-<20 digits>.ndjson   records of the head, the last one counts; a new object when one has HEAD_BYTES
 *
 * An item's `hash` is the hex SHA-256 of the bytes of its line before `,"hash":"`; `prev_hash` is among them
 * and is the hash of the item before, 64 zeros for offset 0. A record of the head says which item is the
 * first that is kept and what its prev_hash is, where the next item will be and what its prev_hash will be;
 * its `mac` is the HMAC-SHA256 of dir and the record's bytes before `,"mac":"`, by the server's key.
 *
 * The order of writing is: the lines (synced, as events.fsync has it), then a record of the head (not
 * synced: that follows within a second and at the end), then the callers are told. So whatever was
 * acknowledged is behind an authenticated head, also when the process was killed. After a loss of power the
 * last second's items may stand behind the head on the disk: they are kept, being chained, but a cut of
 * just these cannot be told from the loss of power. Once closed, the head says that there is nothing behind it.
 * Someone who can put back an old head together with the old lines, or remove a stream altogether, is not
 * found: that takes a copy of the newest item's hash outside of the store.
 */
#ifndef MAYFLY_LIFECYCLE_EVENTS_INT_H
#define MAYFLY_LIFECYCLE_EVENTS_INT_H

#include "lifecycle/events.h"

#include <pthread.h>

enum { HEX = 2 * SHA256_LEN, LINE_MAX = EVENT_PAYLOAD_MAX + 4096, HEAD_BYTES = 65536, OFFSET_DIGITS = 20 };
#define OFFSET_MAX (INT64_C(1) << 53) /* exact in every reader of JSON */

/* --- events_line.c: the bytes of items and of heads --- */
struct event_line { /* all inside line */
	struct str line, topic, stream, time, tenant, payload, prev_hash, hash;
	int64_t offset, time_ms;
};
struct head {
	int64_t first, next;
	char first_prev[HEX + 1], hash[HEX + 1]; /* hash: of the item before `next` */
	bool closed;
};
enum head_state { HEAD_GOOD, HEAD_UNREADABLE, HEAD_NOT_OURS };
extern const char event_no_hash[HEX + 1];        /* 64 zeros */
bool event_line_parse(struct str line, struct event_line *ret) NODISCARD; /* shape only; `line` without its end */
void event_line_hash(struct str hashed, char ret[HEX + 1]);
/* Adds the line with its end; takes topic, stream, offset, time, tenant, payload and prev_hash. */
void event_line_print(struct buf *b, const struct event_line *l, char ret_hash[HEX + 1]);
bool event_line_true(const struct event_line *l); /* is its hash that of its bytes? */
void head_print(struct buf *b, struct str dir, struct str key, const struct head *h);
enum head_state head_parse(struct str record, struct str dir, struct str key, struct head *ret);
/* The value of a member of an object as it is written, without quotes; empty when absent, null or no text. */
struct str event_member(struct str object, struct str name);

/* --- events_stored.c: streams as they lie in a store --- */
struct segment {
	int64_t first;                           /* offset, by its name */
	int64_t bytes, changed_ms;
};
struct stored { /* one stream */
	struct str dir, tenant, topic, server;
	struct segment *segments, *heads;        /* ascending; heads: `first` is their number */
	size_t nsegments, nheads;
	struct str foreign;                      /* a key that does not belong here, or empty */
};
typedef bool stored_fn(void *arg, struct call *c, const struct stored *s);
/* Calls fn for each stream below `prefix`, until it returns false; what it gets lives until it returns. */
bool stored_each(struct call *c, struct store *store, struct str prefix, stored_fn *fn, void *arg) NODISCARD;
bool stored_one(struct call *c, struct store *store, struct str dir, struct stored *ret) NODISCARD; /* empty when absent */
struct stored stored_dup(struct arena *a, const struct stored *s);
struct str segment_key(struct arena *a, struct str dir, int64_t first);
struct str head_key(struct arena *a, struct str dir, int64_t number);
struct head_found {
	struct head head;
	struct str record;                       /* as it is in the store */
	enum head_state state;
	bool any;
	size_t at;                               /* index in heads */
	int64_t whole;                           /* bytes of that object up to the end of its last whole record */
};
bool head_find(struct call *c, struct store *store, const struct stored *s, struct str key, struct head_found *ret) NODISCARD;

struct lines { /* reads the lines of a stream */
	struct call *c;
	struct store *store;
	const struct stored *s;
	size_t segment;                          /* index */
	int64_t at;                              /* where in the segment the next line begins */
	struct buf got;
	size_t used;                             /* of got */
	bool end;                                /* the segment has no more than what was got */
};
enum lines_step { LINES_ONE, LINES_TORN, LINES_SEGMENT_END, LINES_GONE, LINES_FAILED };
void lines_open(struct lines *l, struct call *c, struct store *store, const struct stored *s, size_t segment);
void lines_close(struct lines *l);
/* ONE: a line, valid until the next call. TORN: bytes without a line's end, the last of this segment. GONE: the
 * segment is not there any more. FAILED: the store did, the error is in the call. */
enum lines_step lines_next(struct lines *l, struct str *ret);
void lines_next_segment(struct lines *l);
size_t segment_of(const struct stored *s, int64_t offset); /* index of the one that has it, or the first */
bool lines_seek(struct lines *l, int64_t offset) NODISCARD; /* close before the item, in its segment */

/* --- events_chain.c: are the lines of a stream those that were written? --- */
struct chain {
	const struct stored *s;
	const struct head *head;                 /* NULL: none that can be trusted */
	int64_t next, last_ms, items;
	char prev[HEX + 1];                      /* hash of the item before `next`; empty: not known */
	size_t last;                             /* segment of the last whole line, and where that ends */
	int64_t last_end;
	bool torn;                               /* bytes without a line's end behind it, and behind the head */
	bool mirrored;                           /* another server's: what did not come here is missing, and no fault */
	int64_t missing;
	void (*fault)(void *arg, int64_t offset, const char *what);
	void *arg;
};
/* From the segment `from` to the end of the stream. False: the store failed. */
bool chain_walk(struct call *c, struct store *store, struct chain *ch, size_t from) NODISCARD;
size_t chain_first(const struct stored *s, const struct head *h); /* index of the first segment that is not retention's left-over */

/* --- this server's streams --- */
struct tip {
	struct head head;
	int64_t last_ms;                         /* time of the last item: times do not go back in a stream */
	int64_t segment, segment_bytes;          /* the open one; bytes 0: it begins with the next item */
	int64_t head_number, head_bytes;
	bool opened;                             /* its head says that it is open */
	bool uncut;                              /* a failed write may have left bytes behind segment_bytes */
	bool head_uncut;                         /* the same of the head */
};
struct recent { /* an item in memory */
	struct list in_all, in_stream;
	struct event_line l;
	struct str event, session_id, principal;
	char bytes[];
};
struct ticket { /* an event that waits to be written */
	struct list in_stream;
	int64_t at_ms;
	struct str payload;
	bool posted;                             /* nobody waits, it is freed with its end */
	bool done, ok;
	struct err err;
};
struct stream {
	struct events *e;
	enum event_topic topic;
	struct str name, tenant, dir;            /* behind the struct; name: the key in events.streams */
	pthread_cond_t idle;                     /* not busy any more, tickets are done */
	struct list in_use;                      /* LRU */
	struct list due;                         /* the next batch has something to do here */
	int refs;
	bool busy;                               /* somebody has `tip` */
	bool loaded;
	struct tip tip;                          /* written by who set busy, read under the lock */
	struct str broken;                       /* what was found when it was opened and is not in the log yet; owned */
	bool unsynced, head_unsynced;
	struct list waiting;                     /* tickets */
	size_t posted_bytes;
	uint64_t dropped;                        /* not told yet */
	struct list recent;
	struct list foreign;                     /* streams of other servers of this tenant and topic, mirrored lately */
	bool foreign_left;                       /* there was one more: only the store has them all */
};
struct foreign { /* another server's stream as it is mirrored here */
	struct list in_stream;                   /* of `beside`, which it has a reference of */
	struct stream *beside;
	struct str server;
	int64_t first, next;                     /* offsets that are here */
	struct list recent;
};
struct watched { /* a tenant that is watched */
	struct str tenant;
	struct list watchers;
};
struct events {
	struct store *store;
	struct str server, key, topic_prefix;
	enum event_sync sync;
	int64_t segment_bytes, retention_ms, retention_bytes;
	struct exec_pool *pool;
	struct exec_timer *timer;
	struct arena arena;                      /* of what stays */
	pthread_mutex_t lock;                    /* of all below; never held while the store is called */
	pthread_cond_t changed;                  /* a batch is over, a watcher is not called any more */
	struct map streams;                      /* name -> struct stream */
	struct list in_use, due;                 /* oldest use first */
	struct list recent;                      /* oldest first */
	size_t recent_bytes, posted_bytes;
	struct map watched;                      /* tenant -> struct watched */
	struct events_mirror *mirror;            /* NULL: other servers neither tell nor are told */
	void (*mirror_due)(struct events_mirror *m, const struct stream *s); /* held: it has new items */
	bool batch_queued;
	int flushing;
	struct events_stats stats;
};
extern const struct str event_topic_ids[EVENT_TOPICS];

/* --- events.c; "held": e->lock is --- */
bool stream_get(struct call *c, struct events *e, enum event_topic t, struct str tenant, struct stream **ret) NODISCARD; /* held; a reference */
struct stream *stream_find(struct events *e, enum event_topic t, struct str tenant); /* held; NULL when not open */
void stream_put(struct stream *s);               /* held; gives it back */
void stream_due(struct stream *s);               /* held: the next batch looks at it */
/* --- events_write.c; all held, all let the lock go meanwhile --- */
void stream_seize(struct stream *s);             /* waits until nobody has the tip */
void stream_release(struct stream *s);
bool stream_load(struct call *c, struct stream *s) NODISCARD; /* loaded, or an error */
void stream_commit(struct stream *s);            /* not busy: writes one batch of what waits */
void stream_sync(struct stream *s);              /* what events.fsync leaves for later */
bool stream_shut(struct stream *s);              /* the head says that it is closed */
/* Of a tip that the caller has seized; not held. */
bool head_write(struct call *c, struct stream *s, struct tip *t, bool sync) NODISCARD;
/* --- events_open.c: what a stream has in the store; not held. ret_broken: what is wrong with it, or empty --- */
bool tip_read(struct call *c, struct events *e, struct str dir, struct tip *ret, struct str *ret_broken) NODISCARD;
/* prev_hash of the first item of a segment; left as it is when that cannot be read. */
bool segment_prev(struct call *c, struct store *store, const struct stored *s, size_t segment, char ret[HEX + 1]) NODISCARD;
/* --- events_live.c; held --- */
void recent_add(struct events *e, struct list *ring, struct str line);
void recent_forget(struct events *e, struct list *ring);
void watchers_call(struct events *e, enum event_topic t, struct str tenant); /* lets the lock go meanwhile */
/* --- events_sweep.c; not held --- */
/* Is it another server's, kept here as a mirror of it? Such a one has no head. */
bool stored_mirrored(const struct stored *s, struct str server);
/* Retention of a mirrored stream: drops its oldest segments. ret: how many. */
bool mirrored_sweep(struct call *c, struct events *e, const struct stored *s, size_t *ret) NODISCARD;

#endif
