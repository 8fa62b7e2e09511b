/* events_mirror.h - part of the door of lifecycle/: servers that tell each other their events, through Redis Streams.
 *
 * What this server has written to its log goes to a stream of its own in Redis; what others sent is kept in this server's
 * store beside its own streams, as the other server wrote it, and read from there like these. The log is never held
 * up: what could not be sent waits in it. Threads: any; the mirror has one of its own.
 */
#ifndef MAYFLY_LIFECYCLE_EVENTS_MIRROR_H
#define MAYFLY_LIFECYCLE_EVENTS_MIRROR_H

#include "base/base.h"
#include "exec/exec.h"

struct events;
struct events_mirror;
struct redis_options;

struct events_mirror_options {
	struct events *events;
	const struct redis_options *redis; /* url, ca_file, timeout_ms; a connection of the mirror's own is made */
	struct str prefix;                 /* of its keys: "mayfly:statements:events:" */
	int64_t items;                     /* of this server that Redis keeps for others, about */
	struct exec_loop *loop;            /* for a look once a second; NULL: events_mirror_now() is the caller's business */
};
/* Where Redis is not reachable now, it goes on trying. ERR_INVALID_FIELD: what redis_open() says of the rest. */
struct events_mirror *events_mirror_open(struct call *c, const struct events_mirror_options *o) NODISCARD;
void events_mirror_close(struct events_mirror *m); /* sends what waits, if it can; the loop has stopped; before events_close() */
/* Sends what is there to send and takes what is there to take; blocks. Waits for one that runs. */
void events_mirror_now(struct events_mirror *m);
struct events_mirror_stats {
	uint64_t sent, received;
	uint64_t refused;                  /* received and not kept: no item, not its server's, not chained */
	uint64_t lost;                     /* never came: Redis kept no more */
	uint64_t behind;                   /* streams with items that are not sent yet */
	bool up;
};
void events_mirror_stats(struct events_mirror *m, struct events_mirror_stats *ret);

#endif
