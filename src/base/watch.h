/* watch.h - who wants to hear when something changes or ends: a list under its owner's lock.
 *
 * What watch_take and watch_take_of return is told or dropped outside that lock.
 */
#ifndef MAYFLY_BASE_WATCH_H
#define MAYFLY_BASE_WATCH_H

#include <stdbool.h>

/* fn(arg) once, from any thread; drop(arg) always follows, also when fn was never called. */
struct watch {
	void (*fn)(void *arg);
	void (*drop)(void *arg);
	void *arg;
	bool on_change; /* not only at the end */
};
struct watcher; /* a list of them; NULL = none */

void watch_add(struct watcher **list, const struct watch *w);
struct watcher *watch_take(struct watcher **list, bool all); /* all, or those for any change */
struct watcher *watch_take_of(struct watcher **list, const void *arg);
void watch_fire(struct watcher *taken); /* tells them, and forgets them */
void watch_drop(struct watcher *taken); /* forgets them untold */

#endif
