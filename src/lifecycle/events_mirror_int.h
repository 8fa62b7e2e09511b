/* events_mirror_int.h - the inside of the mirror of events.
 *
 * In Redis, under the prefix:
 *
 *   stream:<server>    a Redis Stream, an entry an item: field `item` is its line; about `items` of them
 *   sent:<server>      a hash: `<topic>/<tenant>` is the offset of the next item of that stream to come
 *   servers            a sorted set: the servers, by the time (wall, ms) when they last sent something
 *   news               a channel: the server that has sent something; a hint, since the streams are looked at every second
 *
 * A server adds to its own stream only, by a script that compares `sent` with where the batch begins: so an answer that was lost
 * neither loses nor repeats an item, and when Redis has lost its memory, or has an old one, the log is sent again from there.
 * Who reads drops what it has already, by offset.
 */
#ifndef MAYFLY_LIFECYCLE_EVENTS_MIRROR_INT_H
#define MAYFLY_LIFECYCLE_EVENTS_MIRROR_INT_H

#include "kv/kv.h"
#include "lifecycle/events_int.h"
#include "lifecycle/events_mirror.h"

enum {
	MIRROR_TICK_MS = 1000,
	MIRROR_LOOK_MS = 10000,          /* between looks for servers, and for a Redis that has lost its memory */
	MIRROR_SWEEP_MS = 60000,
	MIRROR_SEND_STREAMS = 64,        /* in one batch */
	MIRROR_SEND_BYTES = 1 << 20,     /* of lines in one batch, about */
	MIRROR_SEND_ITEMS = 1000,
	MIRROR_TAKE_ITEMS = 32,          /* of one server at once: an item may have a MiB */
	MIRROR_SERVERS_MAX = 128,
	MIRROR_SENT_KEPT = 65536,        /* streams whose place in Redis is remembered */
	MIRROR_FOREIGN_KEPT = 16384,     /* streams of others whose end is remembered */
	MIRROR_TELL_MS = 10000,          /* between two lines in the log of the same kind */
	SENT_UNKNOWN = -2,
	SENT_ABSENT = -1,                /* Redis knows nothing of it */
};
#define MIRROR_KEEP_MS (INT64_C(7) * 86400000) /* keys of a server that says nothing any more; the servers of that time are read */

struct sending { /* a stream of this server and how far it was sent */
	struct str name;                 /* as of struct stream; behind the struct */
	struct list due;
	int64_t sent;                    /* offset of the next item that Redis wants; the mirror's thread only */
	int64_t due_ns;                  /* since when it is due; the lock's, as `due` */
};
struct server { /* another one */
	struct str id;                   /* behind the struct */
	char cursor[48];                 /* id of the last entry that was read */
	int64_t told_ms;
	uint64_t refused;                /* since it was told */
};
struct mirrored { /* a stream of another server; the mirror's thread only, but what struct foreign has */
	struct foreign f;
	struct list in_use, touched;
	struct str name, dir;            /* "<topic><tenant>/<server>"; behind the struct */
	char hash[HEX + 1];              /* of the item before f.next; empty = not known */
	int64_t segment, segment_bytes;
	bool any;                        /* f.first and f.next are known */
	bool uncut;                      /* a failed write may have left bytes behind segment_bytes */
	/* of the batch that is being taken */
	struct buf lines;
	int64_t from, to;                /* offsets of lines; to = behind the last */
	char to_hash[HEX + 1];
};
struct events_mirror {
	struct events *e;
	struct arena arena;
	struct str prefix, channel, stream_key, sent_key, servers_key;
	struct redis_options redis_options;
	int64_t items;
	struct exec_pool *thread;
	struct exec_timer *timer;
	atomic_bool stop;

	pthread_mutex_t lock;            /* of what follows; taken with e->lock held, never the other way round */
	pthread_cond_t idle;
	struct map sending;              /* name -> struct sending */
	struct list due;
	bool queued, running;
	bool look;                       /* Redis has come (back): nothing is sure */
	bool unknown;                    /* a server that is not known yet has sent */
	struct map known;                /* id -> struct server; changed by the mirror's thread only */
	struct events_mirror_stats stats;

	/* the mirror's thread only */
	struct redis *redis;
	struct redis_subscription *news;
	struct redis_script script;
	struct map mirrored;             /* name -> struct mirrored */
	struct list in_use;              /* oldest first */
	int64_t looked_ms, swept_ms, told_ms; /* mono */
	bool complained;                 /* the log's reader thinks that it does not work */
};

/* --- events_mirror.c --- */
bool mirror_failed(struct events_mirror *m, const struct call *c, const char *what); /* tells the server's log, now and then: was it now? */
struct sending *mirror_sending(struct events_mirror *m, struct str name); /* held (m->lock); made when it is not there */
void mirror_put_due(struct events_mirror *m, struct sending *s);          /* held (m->lock) */
/* --- events_mirror_send.c; the mirror's thread --- */
extern const char mirror_send_script[];
/* Every stream of this server that has items which Redis may not have is due. */
bool mirror_look_out(struct call *c, struct events_mirror *m) NODISCARD;
/* One batch. ret: something was sent, and there may be more. */
bool mirror_send(struct call *c, struct events_mirror *m, bool *ret_more) NODISCARD;
/* --- events_mirror_take.c; the mirror's thread --- */
bool mirror_look_around(struct call *c, struct events_mirror *m) NODISCARD; /* which servers there are, and where their streams end */
bool mirror_take(struct call *c, struct events_mirror *m, bool *ret_more) NODISCARD;
/* --- events_mirror_keep.c; the mirror's thread --- */
/* What came of `sv`. False: it cannot be kept now, the error is in the call. */
bool mirror_keep(struct call *c, struct events_mirror *m, struct server *sv, const struct str *lines, int n) NODISCARD;
void mirror_sweep(struct events_mirror *m);
void mirror_forget(struct events_mirror *m);     /* all that is in memory */

#endif
