/* exec_int.h - inside exec/. */
#ifndef MAYFLY_EXEC_INT_H
#define MAYFLY_EXEC_INT_H

#include "exec/exec_uv.h"

#include <pthread.h>

enum { EXEC_SIGNALS = 8 };

struct exec_signal {
	uv_signal_t uv;
	exec_fn *fn;
	void *arg;
};

struct exec_loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t before_poll; /* both run what the loop's own thread posted, so that */
	uv_check_t after_poll;    /* posting there costs no system call */
	char name[16];
	pthread_t thread; /* of exec_loop_start, for join */
	pthread_t self;   /* of exec_loop_run; read only while running */
	bool joinable;
	atomic_bool running, stopping;
	pthread_mutex_t lock; /* first, last */
	struct post *first, **last;
	struct exec_signal signals[EXEC_SIGNALS];
};

/* A thread with all signals blocked, so that they reach the loop that asked for them. */
bool exec_thread_start(pthread_t *ret, void *(*main)(void *), void *arg) NODISCARD;

#endif
