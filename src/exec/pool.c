/* pool.c - threads for work that may block. */
#include "exec/exec_int.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct work {
	struct work *next;
	exec_fn *fn;
	void *arg;
};

struct exec_pool {
	char name[16];
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *first, **last;
	int queued, max_queued;
	bool closing;
	atomic_int waking;                   /* threads that signal `more` outside the lock */
	int nthreads;
	pthread_t threads[];
};

bool exec_thread_start(pthread_t *ret, void *(*main)(void *), void *arg)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(ret, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0;
}

/* The next piece of work; NULL when the pool closes and nothing is left. */
static struct work *next_work(struct exec_pool *p)
{
	struct work *w;

	pthread_mutex_lock(&p->lock);
	while (!p->first && !p->closing)
		pthread_cond_wait(&p->more, &p->lock);
	w = p->first;
	if (w) {
		p->first = w->next;
		if (!p->first)
			p->last = &p->first;
		p->queued--;
	}
	pthread_mutex_unlock(&p->lock);
	return w;
}

static void *thread_main(void *arg)
{
	struct exec_pool *p = arg;
	struct work *w;

	pthread_setname_np(pthread_self(), p->name);
	while ((w = next_work(p)) != NULL) {
		w->fn(w->arg);
		free(w);
	}
	return NULL;
}

struct exec_pool *exec_pool_open(const char *name, int threads, int max_queued)
{
	struct exec_pool *p = base_zalloc(sizeof(*p) + sizeof(pthread_t) * (size_t)threads);

	snprintf(p->name, sizeof(p->name), "%s", name);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->last = &p->first;
	p->max_queued = max_queued;
	p->nthreads = threads;
	for (int i = 0; i < threads; i++)
		INVARIANT(exec_thread_start(&p->threads[i], thread_main, p));
	return p;
}

bool exec_pool_run(struct exec_pool *p, exec_fn *fn, void *arg)
{
	struct work *w = base_alloc(sizeof(*w));
	bool taken;

	*w = (struct work){NULL, fn, arg};
	pthread_mutex_lock(&p->lock);
	taken = !p->closing && p->queued < p->max_queued;
	if (taken) {
		*p->last = w;
		p->last = &w->next;
		p->queued++;
		atomic_fetch_add(&p->waking, 1);
	}
	pthread_mutex_unlock(&p->lock);
	if (!taken) {
		free(w);
		return false;
	}
	pthread_cond_signal(&p->more); /* outside, so that who wakes finds the lock free */
	atomic_fetch_sub(&p->waking, 1);
	return true;
}

int exec_pool_queued(struct exec_pool *p)
{
	int n;

	pthread_mutex_lock(&p->lock);
	n = p->queued;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void exec_pool_close(struct exec_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	while (atomic_load(&p->waking) > 0)
		sched_yield();
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	free(p);
}
