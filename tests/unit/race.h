/* race.h - threads of a test that start together. */
#ifndef MAYFLY_TEST_RACE_H
#define MAYFLY_TEST_RACE_H

#include "test.h"

#include <pthread.h>

enum { RACERS = 16 };

struct racer {
	pthread_t thread;
	pthread_barrier_t *start;
	void (*run)(struct racer *r);
	void *arg;
	int number;
	int wins; /* set by run */
};

static inline void *racer_main(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->start);
	r->run(r);
	return NULL;
}

/* Runs on RACERS threads at once; returns the sum of their wins. */
static inline int race(void (*run)(struct racer *r), void *arg)
{
	struct racer racers[RACERS];
	pthread_barrier_t start;
	int wins = 0;

	pthread_barrier_init(&start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){.start = &start, .run = run, .arg = arg, .number = i};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, racer_main, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		wins += racers[i].wins;
	}
	pthread_barrier_destroy(&start);
	return wins;
}

#endif
