/* threads.c - how many threads DuckDB gets: all while a statement runs long, else one.
 *
 * Small statements are twice as dear with two. Changing the number waits for
 * what runs, so a thread of its own does it: the governor.
 */
#include "engine/worker/process.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { LIGHT_MS = 2000 /* without a long one for so long the threads go again */ };

void executor_is_heavy(struct executor *x)
{
	enum { WAIT_MS = 200 };
	struct worker *w = x->w;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAIT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&w->lock);
	w->heavy_ms = clock_mono_ms();
	w->wanted = w->o.threads;
	pthread_cond_signal(&w->wants);
	while (w->threads != w->wanted)
		if (pthread_cond_timedwait(&w->governed, &w->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&w->lock);
}

NORETURN void *threads_main(void *arg)
{
	struct worker *w = arg;
	char sql[64];
	duckdb_result r;

	for (;;) {
		duckdb_connection bare;
		int n;

		pthread_mutex_lock(&w->lock);
		while (w->wanted == w->threads)
			pthread_cond_wait(&w->wants, &w->lock);
		n = w->wanted;
		bare = w->governors[1];
		pthread_mutex_unlock(&w->lock);
		snprintf(sql, sizeof(sql), "SET GLOBAL threads = %d", n);
		for (int i = 0; i < 2; i++) {
			duckdb_connection con = i == 0 ? w->governors[0] : bare;

			if (!con)
				continue;
			duckdb_query(con, sql, &r); /* refused: then as before */
			duckdb_destroy_result(&r);
		}
		pthread_mutex_lock(&w->lock);
		w->threads = bare == w->governors[1] ? n : 0;
		pthread_cond_broadcast(&w->governed);
		pthread_mutex_unlock(&w->lock);
	}
}

void threads_tick(struct worker *w, bool heavy, int64_t now)
{
	pthread_mutex_lock(&w->lock);
	if (heavy)
		w->heavy_ms = now;
	if (heavy || now - w->heavy_ms > LIGHT_MS)
		w->wanted = heavy ? w->o.threads : 1;
	pthread_cond_signal(&w->wants);
	pthread_mutex_unlock(&w->lock);
}
