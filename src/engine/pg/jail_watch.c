/* jail_watch.c - what instances write to disk, looked at while they run.
 *
 * In memory the size of the file system is the limit. On disk there is none that works on every file system without being set up by
 * an administrator (quotas), so one who has written too much is killed; it may write for a look's time more than it may.
 * A file that shares its blocks with the layer's counts whole once it is written to. Called from the background thread.
 */
#include "engine/pg/jail_layer.h"

#include <stdio.h>

void jail_watch_add(struct jail_instance *i)
{
	struct jail *j = i->jail;

	pthread_mutex_lock(&j->watch_lock);
	i->disk_before = -1;
	list_add_tail(&j->watched, &i->node);
	pthread_mutex_unlock(&j->watch_lock);
	jail_threads_wake(j, WAKE_WATCH);
}

void jail_watch_remove(struct jail_instance *i)
{
	pthread_mutex_lock(&i->jail->watch_lock);
	list_del(&i->node);
	pthread_mutex_unlock(&i->jail->watch_lock);
}

/* Of a copy, what it began with does not count: what the first look finds, less what the limit would forgive anyhow. */
static bool writes_too_much(struct jail_instance *i)
{
	char path[TREE_PATH];
	int64_t bytes;

	snprintf(path, sizeof(path), "%s/data", i->room.name);
	bytes = jail_tree_bytes(i->jail->root, path);
	if (i->disk_before < 0)
		i->disk_before = i->room.mount.lowers ? 0 : bytes;
	return bytes - i->disk_before > i->jail->disk_bytes;
}

static struct jail_instance *not_looked_at(struct jail *j, uint64_t look)
{
	LIST_EACH(&j->watched, it) {
		struct jail_instance *i = LIST_ITEM(it, struct jail_instance, node);

		if (i->looked < look)
			return i;
	}
	return NULL;
}

/* The lock is given up between two, so that who releases an instance waits for one look at most. */
bool jail_watch_look(struct jail *j)
{
	uint64_t look = ++j->looks;
	bool any = false;

	for (struct jail_instance *i = NULL;; any = true) {
		pthread_mutex_lock(&j->watch_lock);
		i = not_looked_at(j, look);
		if (i && writes_too_much(i))
			jail_kill(&i->child, j->level);
		if (i)
			i->looked = look;
		pthread_mutex_unlock(&j->watch_lock);
		if (!i)
			return any;
	}
}
