/* watch.c - lists of watchers. */
#include "base/watch.h"

#include "base/attr.h"

#include <stdlib.h>

struct watcher {
	struct watcher *next;
	struct watch w;
};

void watch_add(struct watcher **list, const struct watch *w)
{
	struct watcher *node = base_alloc(sizeof(*node));

	*node = (struct watcher){*list, *w};
	*list = node;
}

struct watcher *watch_take(struct watcher **list, bool all)
{
	struct watcher *taken = NULL, **at = list;

	while (*at) {
		struct watcher *node = *at;

		if (!all && !node->w.on_change) {
			at = &node->next;
			continue;
		}
		*at = node->next;
		node->next = taken;
		taken = node;
	}
	return taken;
}

struct watcher *watch_take_of(struct watcher **list, const void *arg)
{
	for (struct watcher **at = list; *at; at = &(*at)->next) {
		struct watcher *found = *at;

		if (found->w.arg != arg)
			continue;
		*at = found->next;
		found->next = NULL;
		return found;
	}
	return NULL;
}

static void end(struct watcher *node, bool told)
{
	while (node) {
		struct watcher *next = node->next;

		if (told)
			node->w.fn(node->w.arg);
		node->w.drop(node->w.arg);
		free(node);
		node = next;
	}
}

void watch_fire(struct watcher *taken)
{
	end(taken, true);
}

void watch_drop(struct watcher *taken)
{
	end(taken, false);
}
