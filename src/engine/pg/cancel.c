/* cancel.c - asking a server to cancel what runs, without hanging on it.
 *
 * libpq's PQcancel() connects and waits without any limit, so each request has a thread of its own, which owns
 * all that it touches and may outlive whoever asked: it ends with the socket's own time limits. A request that comes before
 * the server has read the statement is forgotten there: it is repeated until nothing runs. Who gets true may use the
 * connection again, since no request is on its way any more.
 */
#include "engine/pg/pg_int.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

enum { REPEAT_MS = 60, STACK_BYTES = 256 * 1024, WORDS_MAX = 256 };

struct request {
	atomic_int refs;
	PGcancel *cancel;
	struct pg_stop done;
};

static void request_unref(struct request *r)
{
	if (atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	PQfreeCancel(r->cancel);
	pg_stop_close(&r->done);
	free(r);
}

static void *request_main(void *arg)
{
	struct request *r = arg;
	char words[WORDS_MAX];

	PQcancel(r->cancel, words, sizeof(words)); /* that it failed shows: the statement goes on */
	pg_stop_ask(&r->done);
	request_unref(r);
	return NULL;
}

static struct request *request_send(struct pg_conn *p)
{
	PGcancel *cancel = PQgetCancel(p->db);
	struct request *r;
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	if (!cancel)
		return NULL;
	r = base_zalloc(sizeof(*r));
	r->cancel = cancel;
	atomic_init(&r->refs, 2);
	pg_stop_open(&r->done);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	failed = pthread_create(&thread, &attr, request_main, r);
	pthread_attr_destroy(&attr);
	if (!failed)
		return r;
	request_unref(r);
	request_unref(r);
	return NULL;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool pg_call_off(struct pg_conn *p, int grace_ms, bool (*settle)(struct pg_conn *p, const struct pg_limits *l))
{
	struct pg_limits all = {.deadline_ms = clock_mono_ms() + grace_ms};
	bool idle = false, heard = true;

	do {
		struct pg_limits once = {.deadline_ms = earlier(all.deadline_ms, clock_mono_ms() + REPEAT_MS)};
		struct request *r = request_send(p);

		if (!r)
			return false;
		idle = settle(p, &once);
		heard = pg_wait(&all, r->done.fd, POLLIN) == PG_READY;
		request_unref(r);
	} while (!idle && heard && PQstatus(p->db) == CONNECTION_OK && pg_look(&all) == PG_READY);
	return idle && heard;
}
