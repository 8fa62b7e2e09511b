/* wheel.h - many deadlines, cheaply: put, move and delete in constant time.
 *
 * A hashed wheel: a node sits in the slot of its due time; wheel_advance()
 * visits the slots that time has passed over and hands out what is due, late
 * by at most one tick. Not thread-safe; the owner locks.
 */
#ifndef MAYFLY_BASE_WHEEL_H
#define MAYFLY_BASE_WHEEL_H

#include "base/list.h"

#include <stdint.h>

enum { WHEEL_SLOTS = 4096 };

struct wheel_node {
	struct list link;
	int64_t due_ms;
};

struct wheel {
	struct list slots[WHEEL_SLOTS];
	int64_t tick_ms, now_ms; /* now_ms: advanced to here */
};

void wheel_open(struct wheel *w, int64_t tick_ms, int64_t now_ms);
void wheel_put(struct wheel *w, struct wheel_node *n, int64_t due_ms); /* moves it when it is in already */
void wheel_del(struct wheel_node *n);                                 /* not being in is fine */
/* Moves what is due at now_ms to `due` (linked by wheel_node.link), at most `max` nodes. */
int wheel_advance(struct wheel *w, int64_t now_ms, struct list *due, int max);

#endif
