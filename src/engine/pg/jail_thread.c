/* jail_thread.c - the two threads of the jail backend.
 *
 * The creator clones every instance: the kernel's signal for a parent's death is for its thread's, and this one lives as long as
 * the backend. The second one works behind: it makes layers durable, removes what is in trash/ and cgroups that were busy, and looks what instances write.
 */
#include "engine/pg/jail_cgroup.h"
#include "engine/pg/jail_layer.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_S = 1 };

struct request {
	struct list node;
	const struct jail_plan *plan;
	struct jail_child child;
	int error; /* errno */
	bool done;
};

struct jail_threads {
	struct jail *jail;
	pthread_t creator, background;
	pthread_mutex_t lock;
	pthread_cond_t asked, answered, work;
	struct list requests;
	bool closing;
	int awake; /* what is to be done */
	struct buf fds; /* ints, to be closed */
};

static struct request *next_request(struct jail_threads *t)
{
	while (list_empty(&t->requests) && !t->closing)
		pthread_cond_wait(&t->asked, &t->lock);
	return list_empty(&t->requests) ? NULL : LIST_ITEM(list_pop(&t->requests), struct request, node);
}

static void *create(void *arg)
{
	struct jail_threads *t = arg;
	struct request *r;

	INVARIANT(unshare(CLONE_FS) == 0); /* a working folder of its own */
	pthread_mutex_lock(&t->lock);
	while ((r = next_request(t))) {
		pthread_mutex_unlock(&t->lock);
		errno = 0;
		r->error = jail_clone(r->plan, &r->child) ? 0 : errno;
		pthread_mutex_lock(&t->lock);
		r->done = true;
		pthread_cond_broadcast(&t->answered);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

bool jail_spawn(struct call *c, struct jail *j, const struct jail_plan *p, struct jail_child *ret)
{
	struct jail_threads *t = j->threads;
	struct request r = {.plan = p};

	pthread_mutex_lock(&t->lock);
	list_add_tail(&t->requests, &r.node);
	pthread_cond_signal(&t->asked);
	while (!r.done)
		pthread_cond_wait(&t->answered, &t->lock);
	pthread_mutex_unlock(&t->lock);
	if (r.error)
		return fail(c, ERR_ENGINE_UNREACHABLE, "an instance of PostgreSQL cannot be made: %s", strerror(r.error));
	*ret = r.child;
	return true;
}

static void close_all(struct jail_threads *t)
{
	OWNS(buf) taken = {0};
	int fd;

	pthread_mutex_lock(&t->lock);
	taken = buf_take(&t->fds);
	pthread_mutex_unlock(&t->lock);
	for (size_t at = 0; at < taken.n; at += sizeof(fd)) {
		memcpy(&fd, taken.p + at, sizeof(fd));
		close(fd);
	}
}

void jail_close_behind(struct jail *j, const int *fds, int n)
{
	struct jail_threads *t = j->threads;

	pthread_mutex_lock(&t->lock);
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			buf_add(&t->fds, str_from((const char *)&fds[i], sizeof(fds[i])));
	t->awake |= WAKE_CLOSE;
	pthread_cond_signal(&t->work);
	pthread_mutex_unlock(&t->lock);
}

/* Until there is something to do, or it is time for the next look. */
static void rest(struct jail_threads *t, bool again)
{
	struct timespec at;

	if (t->awake || t->closing)
		return;
	if (!again) {
		pthread_cond_wait(&t->work, &t->lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += LOOK_S;
	pthread_cond_timedwait(&t->work, &t->lock, &at);
}

static void *work_behind(void *arg)
{
	struct jail_threads *t = arg;
	bool again;

	pthread_mutex_lock(&t->lock);
	while (!t->closing) {
		int what = t->awake;

		t->awake = 0;
		pthread_mutex_unlock(&t->lock);
		if (what & WAKE_CLOSE)
			close_all(t);
		if (what & WAKE_DURABLE)
			jail_make_durable(t->jail);
		if (what & WAKE_TRASH)
			jail_empty_trash(t->jail);
		again = jail_watch_look(t->jail);
		again = jail_cgroups_again(t->jail) || again;
		pthread_mutex_lock(&t->lock);
		rest(t, again);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

void jail_threads_wake(struct jail *j, int what)
{
	struct jail_threads *t = j->threads;

	pthread_mutex_lock(&t->lock);
	t->awake |= what;
	pthread_cond_signal(&t->work);
	pthread_mutex_unlock(&t->lock);
}

struct jail_threads *jail_threads_open(struct jail *j)
{
	struct jail_threads *t = base_zalloc(sizeof(*t));

	t->jail = j;
	list_init(&t->requests);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->asked, NULL);
	pthread_cond_init(&t->answered, NULL);
	pthread_cond_init(&t->work, NULL);
	INVARIANT(pthread_create(&t->creator, NULL, create, t) == 0);
	INVARIANT(pthread_create(&t->background, NULL, work_behind, t) == 0);
	return t;
}

void jail_threads_close(struct jail_threads *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->closing = true;
	pthread_cond_broadcast(&t->asked);
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->creator, NULL);
	pthread_join(t->background, NULL);
	close_all(t);
	pthread_cond_destroy(&t->asked);
	pthread_cond_destroy(&t->answered);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
