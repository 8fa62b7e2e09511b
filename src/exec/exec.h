/* exec.h - the door of exec/: threads, loops, timers, watches, child processes.
 *
 * Owns every thread of the server. A loop is one thread that runs callbacks one
 * after the other and never blocks; a pool is a set of threads for work that
 * may. The rooms above get work onto a loop with exec_post, from any thread.
 * Everything else named "on the loop" must be called from the loop's thread, or
 * before the loop runs.
 */
#ifndef MAYFLY_EXEC_H
#define MAYFLY_EXEC_H

#include "base/base.h"

#include <sys/types.h>

struct exec_loop;
struct exec_timer;
struct exec_watch;
struct exec_child;
struct exec_pool;

typedef void exec_fn(void *arg);

/* --- loops --- */
struct exec_loop *exec_loop_open(const char *name); /* name: at most 15 characters, for ps and gdb */
void exec_loop_start(struct exec_loop *l);          /* on a thread of its own */
void exec_loop_run(struct exec_loop *l);            /* on this thread, until exec_loop_stop */
void exec_loop_stop(struct exec_loop *l);           /* any thread; what was posted before still runs */
void exec_loop_join(struct exec_loop *l);           /* waits for a started loop's thread */
void exec_loop_close(struct exec_loop *l);          /* stopped and joined; all handles closed before */
bool exec_on_loop(const struct exec_loop *l);       /* is this the loop's thread? */
bool exec_on_any_loop(void);                        /* a thread that must not block: for invariants */

/* Runs fn(arg) on the loop soon, in the order of posting. Any thread, also the
 * loop's own: then it runs after the current callback, never inside it. */
void exec_post(struct exec_loop *l, exec_fn *fn, void *arg);
/* Posts and waits until fn has run. Not from a loop's thread (but from this
 * loop's own: runs at once). */
void exec_call(struct exec_loop *l, exec_fn *fn, void *arg);

/* --- timers, on the loop; real time, not the fakeable clock --- */
struct exec_timer *exec_timer_open(struct exec_loop *l, exec_fn *fn, void *arg);
void exec_timer_set(struct exec_timer *t, int64_t after_ms, int64_t repeat_ms); /* 0 = once */
void exec_timer_stop(struct exec_timer *t);
void exec_timer_close(struct exec_timer *t); /* NULL is fine */

/* --- file descriptors, on the loop --- */
enum { EXEC_READ = 1, EXEC_WRITE = 2 };
typedef void exec_watch_fn(void *arg, int events); /* EXEC_READ is also told for a hang-up */
struct exec_watch *exec_watch_open(struct exec_loop *l, int fd, exec_watch_fn *fn, void *arg);
void exec_watch_set(struct exec_watch *w, int events); /* 0 = none */
void exec_watch_close(struct exec_watch *w);           /* the fd stays the caller's; NULL is fine */

/* --- signals, on the loop --- */
void exec_on_signal(struct exec_loop *l, int signo, exec_fn *fn, void *arg);

/* --- child processes, on the loop --- */
enum { EXEC_CHILD_FDS = 8 };
struct exec_child_spec {
	const char *file;           /* path of the program */
	char *const *argv;          /* NULL-terminated */
	char *const *env;           /* NULL-terminated; NULL = a bare environment (LANG=C.UTF-8) */
	int fds[EXEC_CHILD_FDS];    /* child's fd i is fds[i]; -1 = /dev/null */
	int nfds;
};
/* status: exit code, or -1; signo: the signal that ended it, or 0. */
typedef void exec_child_fn(void *arg, int status, int signo);
struct exec_child *exec_child_open(struct call *c, struct exec_loop *l, const struct exec_child_spec *spec,
				   exec_child_fn *on_exit, void *arg) NODISCARD;
void exec_child_kill(struct exec_child *ch, int signo); /* nothing once it has exited */
void exec_child_close(struct exec_child *ch);           /* after on_exit, or to be told nothing */

/* --- pools --- */
struct exec_pool *exec_pool_open(const char *name, int threads, int max_queued);
bool exec_pool_run(struct exec_pool *p, exec_fn *fn, void *arg) NODISCARD; /* false: the queue is full */
int exec_pool_queued(struct exec_pool *p);
void exec_pool_close(struct exec_pool *p); /* runs what is queued, then joins */

#endif
