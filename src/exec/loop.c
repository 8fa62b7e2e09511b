/* loop.c - one thread, one uv loop, and work posted to it.
 *
 * Posting takes a mutex for a few instructions and wakes the loop once a batch.
 * Not here: sockets of clients (http/ uses the uv loop itself).
 */
#include "exec/exec_int.h"

#include <signal.h>
#include <stdlib.h>

static _Thread_local bool runs_a_loop;

struct post {
	struct post *next;
	exec_fn *fn;
	void *arg;
};

static struct post *take_posts(struct exec_loop *l)
{
	struct post *p;

	pthread_mutex_lock(&l->lock);
	p = l->first;
	l->first = NULL;
	l->last = &l->first;
	pthread_mutex_unlock(&l->lock);
	return p;
}

static void run_posts(struct exec_loop *l)
{
	struct post *p = take_posts(l);

	while (p) {
		struct post *next = p->next;

		p->fn(p->arg);
		free(p);
		p = next ? next : take_posts(l);
	}
}

static void on_before_poll(uv_prepare_t *h)
{
	run_posts(h->data);
}

static void on_after_poll(uv_check_t *h)
{
	run_posts(h->data);
}

static void on_wake(uv_async_t *a)
{
	struct exec_loop *l = a->data;

	if (atomic_load(&l->stopping))
		uv_stop(&l->uv);
}

struct exec_loop *exec_loop_open(const char *name)
{
	struct exec_loop *l = base_zalloc(sizeof(*l));

	strncpy(l->name, name, sizeof(l->name) - 1);
	INVARIANT(uv_loop_init(&l->uv) == 0);
	INVARIANT(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
	INVARIANT(uv_prepare_init(&l->uv, &l->before_poll) == 0 && uv_check_init(&l->uv, &l->after_poll) == 0);
	l->wake.data = l->before_poll.data = l->after_poll.data = l;
	uv_prepare_start(&l->before_poll, on_before_poll);
	uv_check_start(&l->after_poll, on_after_poll);
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void exec_loop_run(struct exec_loop *l)
{
	l->self = pthread_self();
	runs_a_loop = true;
	atomic_store(&l->running, true);
	pthread_setname_np(pthread_self(), l->name);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	run_posts(l);
	atomic_store(&l->running, false);
	runs_a_loop = false;
}

static void *thread_main(void *arg)
{
	exec_loop_run(arg);
	return NULL;
}

void exec_loop_start(struct exec_loop *l)
{
	INVARIANT(exec_thread_start(&l->thread, thread_main, l));
	l->joinable = true;
}

void exec_loop_stop(struct exec_loop *l)
{
	atomic_store(&l->stopping, true);
	uv_async_send(&l->wake);
}

void exec_loop_join(struct exec_loop *l)
{
	if (l->joinable)
		pthread_join(l->thread, NULL);
	l->joinable = false;
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void exec_loop_close(struct exec_loop *l)
{
	run_posts(l);
	for (int i = 0; i < EXEC_SIGNALS; i++)
		if (l->signals[i].fn)
			uv_close((uv_handle_t *)&l->signals[i].uv, NULL);
	uv_close((uv_handle_t *)&l->wake, NULL);
	uv_close((uv_handle_t *)&l->before_poll, NULL);
	uv_close((uv_handle_t *)&l->after_poll, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	if (uv_loop_close(&l->uv) == UV_EBUSY) { /* a handle that its owner left open */
		uv_walk(&l->uv, close_handle, NULL);
		uv_run(&l->uv, UV_RUN_DEFAULT);
		INVARIANT(uv_loop_close(&l->uv) == 0);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

bool exec_on_loop(const struct exec_loop *l)
{
	return atomic_load(&l->running) && pthread_equal(l->self, pthread_self());
}

bool exec_on_any_loop(void)
{
	return runs_a_loop;
}

uv_loop_t *exec_loop_uv(struct exec_loop *l)
{
	return &l->uv;
}

void exec_post(struct exec_loop *l, exec_fn *fn, void *arg)
{
	struct post *p = base_alloc(sizeof(*p));
	bool first;

	*p = (struct post){NULL, fn, arg};
	pthread_mutex_lock(&l->lock);
	first = !l->first;
	*l->last = p;
	l->last = &p->next;
	pthread_mutex_unlock(&l->lock);
	if (first && !exec_on_loop(l))
		uv_async_send(&l->wake);
}

struct waited {
	exec_fn *fn;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void run_waited(void *arg)
{
	struct waited *w = arg;

	w->fn(w->arg);
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

void exec_call(struct exec_loop *l, exec_fn *fn, void *arg)
{
	struct waited w = {.fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

	if (exec_on_loop(l)) {
		fn(arg);
		return;
	}
	exec_post(l, run_waited, &w);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.cond);
}

/* --- signals --- */

static void on_signal(uv_signal_t *s, int signo)
{
	struct exec_signal *sig = s->data;

	(void)signo;
	sig->fn(sig->arg);
}

void exec_on_signal(struct exec_loop *l, int signo, exec_fn *fn, void *arg)
{
	for (int i = 0; i < EXEC_SIGNALS; i++) {
		struct exec_signal *s = &l->signals[i];

		if (s->fn)
			continue;
		*s = (struct exec_signal){.fn = fn, .arg = arg};
		INVARIANT(uv_signal_init(&l->uv, &s->uv) == 0);
		s->uv.data = s;
		INVARIANT(uv_signal_start(&s->uv, on_signal, signo) == 0);
		uv_unref((uv_handle_t *)&s->uv);
		return;
	}
	INVARIANT(!"more signals than EXEC_SIGNALS");
}

/* --- timers --- */

struct exec_timer {
	uv_timer_t uv;
	exec_fn *fn;
	void *arg;
};

static void on_timer(uv_timer_t *t)
{
	struct exec_timer *et = t->data;

	et->fn(et->arg);
}

static void free_handle(uv_handle_t *h)
{
	free(h->data);
}

struct exec_timer *exec_timer_open(struct exec_loop *l, exec_fn *fn, void *arg)
{
	struct exec_timer *t = base_zalloc(sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	INVARIANT(uv_timer_init(&l->uv, &t->uv) == 0);
	t->uv.data = t;
	return t;
}

void exec_timer_set(struct exec_timer *t, int64_t after_ms, int64_t repeat_ms)
{
	uv_update_time(t->uv.loop);
	uv_timer_start(&t->uv, on_timer, (uint64_t)(after_ms > 0 ? after_ms : 0), (uint64_t)repeat_ms);
}

void exec_timer_stop(struct exec_timer *t)
{
	uv_timer_stop(&t->uv);
}

void exec_timer_close(struct exec_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, free_handle);
}

/* --- watches --- */

struct exec_watch {
	uv_poll_t uv;
	exec_watch_fn *fn;
	void *arg;
};

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct exec_watch *w = p->data;
	int told = 0;

	if (events & UV_READABLE || events & UV_DISCONNECT || status < 0)
		told |= EXEC_READ;
	if (events & UV_WRITABLE)
		told |= EXEC_WRITE;
	w->fn(w->arg, told);
}

struct exec_watch *exec_watch_open(struct exec_loop *l, int fd, exec_watch_fn *fn, void *arg)
{
	struct exec_watch *w = base_zalloc(sizeof(*w));

	w->fn = fn;
	w->arg = arg;
	INVARIANT(uv_poll_init(&l->uv, &w->uv, fd) == 0);
	w->uv.data = w;
	return w;
}

void exec_watch_set(struct exec_watch *w, int events)
{
	int uv = 0;

	if (events & EXEC_READ)
		uv |= UV_READABLE | UV_DISCONNECT;
	if (events & EXEC_WRITE)
		uv |= UV_WRITABLE;
	if (uv)
		uv_poll_start(&w->uv, uv, on_poll);
	else
		uv_poll_stop(&w->uv);
}

void exec_watch_close(struct exec_watch *w)
{
	if (w)
		uv_close((uv_handle_t *)&w->uv, free_handle);
}
