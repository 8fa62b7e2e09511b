/* jail_lock.c - locks between threads, processes and servers: flock() on a file that is there only while somebody wants it. */
#include "engine/pg/jail_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_MS = 1, MOST_MS = 20 };

struct lock {
	struct jail *jail;
	int fd;
	char path[JAIL_NAME + 16];
};

/* 1 = ours, 0 = another's for now, -1 with errno. The file may have been removed between opening and locking. */
static int attempt(struct lock *k)
{
	struct stat held, named;
	int fd = openat(k->jail->root, k->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
	    fstatat(k->jail->root, k->path, &named, AT_SYMLINK_NOFOLLOW) == 0 && held.st_ino == named.st_ino) {
		k->fd = fd;
		return 1;
	}
	close(fd);
	return 0;
}

static bool wait_for(struct call *c, struct lock *k, const struct pg_limits *l)
{
	int ms = FIRST_MS, got;

	while ((got = attempt(k)) == 0) {
		int64_t until = clock_mono_ms() + ms;
		struct pg_limits slice = *l;
		enum pg_woken w = pg_look(l);

		if (!l->deadline_ms || until < l->deadline_ms)
			slice.deadline_ms = until;
		if (w == PG_READY)
			w = pg_wait(&slice, -1, 0);
		if (w == PG_ASKED_TO_STOP)
			return fail(c, ERR_CANCELED, "canceled while another builds the layer");
		if (l->deadline_ms && clock_mono_ms() >= l->deadline_ms)
			return fail(c, ERR_STATEMENT_TIMEOUT, "the deadline passed while another builds the layer");
		ms = ms * 2 < MOST_MS ? ms * 2 : MOST_MS;
	}
	return got > 0 || fail(c, ERR_STORAGE, "a lock cannot be taken: %s", strerror(errno));
}

bool jail_lock(struct call *c, struct pg_backend *b, struct str id, struct pg_stop *stop, void **ret)
{
	struct lock *k;

	if (!jail_layer_id_valid(id))
		return fail(c, ERR_NOT_FOUND, "no such layer");
	k = base_zalloc(sizeof(*k));
	k->jail = jail_of(b);
	snprintf(k->path, sizeof(k->path), "locks/%.*s", SARG(id));
	if (!wait_for(c, k, &(struct pg_limits){stop, c->cancel, c->deadline_ms})) {
		free(k);
		return false;
	}
	*ret = k;
	return true;
}

void jail_unlock(void *lock)
{
	struct lock *k = lock;

	unlinkat(k->jail->root, k->path, 0);
	close(k->fd);
	free(k);
}
