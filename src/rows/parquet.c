/* parquet.c - rows in native form as one Parquet file, made by the tenant's worker.
 *
 * The caller's thread waits on a condition; the worker's answers come on the
 * engine's loop, under the lock of `struct making`, which outlives them: after
 * ended() there is nothing more. Not here: cells (cells.c).
 */
#include "rows/rows.h"

#include <pthread.h>
#include <time.h>

enum { LOOK_MS = 50 }; /* how often a waiting call looks at its cancel flag and deadline */

struct making {
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct buf file;
	bool ended, bad_piece;
	enum engine_outcome outcome;
	struct buf text; /* of the failure */
};

/* --- on the engine's loop --- */

static void on_started(void *arg)
{
	(void)arg;
}

static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void on_part(void *arg, const struct engine_part *part)
{
	struct making *m = arg;

	pthread_mutex_lock(&m->lock);
	m->bad_piece |= part->gzip;
	buf_add(&m->file, engine_bytes_str(part->bytes));
	if (!buf_ok(&m->file))
		pthread_cond_signal(&m->news);
	pthread_mutex_unlock(&m->lock);
	engine_bytes_unref(part->bytes);
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct making *m = arg;

	pthread_mutex_lock(&m->lock);
	m->ended = true;
	m->outcome = end->outcome;
	buf_add(&m->text, end->text);
	pthread_cond_signal(&m->news);
	pthread_mutex_unlock(&m->lock);
}

static const struct engine_listener listener = {
	.started = on_started,
	.columns = on_columns,
	.part = on_part,
	.progress = on_progress,
	.ended = on_ended,
};

/* --- on the caller's thread --- */

static void making_open(struct making *m)
{
	pthread_condattr_t attr;

	*m = (struct making){.file = {.limit = CONVERT_PARQUET_MAX}, .text = {.limit = sizeof(((struct err *)0)->text)}};
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->news, &attr);
	pthread_condattr_destroy(&attr);
}

static void making_drop(struct making *m)
{
	pthread_cond_destroy(&m->news);
	pthread_mutex_destroy(&m->lock);
	buf_drop(&m->file);
	buf_drop(&m->text);
}

/* A pause, not a deadline: the clock that tests turn has no say in it. */
static void wait_a_little(struct making *m)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&m->news, &m->lock, &until);
}

static bool may_go_on(struct call *c, const struct making *m)
{
	if (!buf_ok(&m->file))
		return fail(c, ERR_RESULT_TOO_LARGE, "the result is too large for one Parquet file");
	if (c->cancel && atomic_load(c->cancel))
		return fail(c, ERR_CANCELED, "the request was canceled while its Parquet file was made");
	if (c->deadline_ms && clock_mono_ms() >= c->deadline_ms)
		return fail(c, ERR_UNAVAILABLE, "the Parquet file was not ready in time");
	return true;
}

/* Until the task has ended; false with the call's error when it was canceled here. */
static bool wait_for_end(struct call *c, struct making *m, struct engine_task *task)
{
	bool ok = true;

	pthread_mutex_lock(&m->lock);
	while (!m->ended) {
		if (!ok || may_go_on(c, m)) {
			wait_a_little(m);
			continue;
		}
		ok = false;
		pthread_mutex_unlock(&m->lock);
		engine_cancel(task);
		pthread_mutex_lock(&m->lock);
	}
	pthread_mutex_unlock(&m->lock);
	return ok;
}

static bool check_outcome(struct call *c, struct making *m)
{
	switch (m->outcome) {
	case ENGINE_OK:
		if (m->bad_piece)
			return fail(c, ERR_INTERNAL, "the engine worker sent no Parquet file");
		return buf_ok(&m->file) || fail(c, ERR_RESULT_TOO_LARGE, "the result is too large for one Parquet file");
	case ENGINE_FAILED:
		return fail(c, ERR_SQL, "the result cannot be written as Parquet: %s", buf_cstr(&m->text));
	case ENGINE_INTERRUPTED:
		return fail(c, ERR_CANCELED, "the making of the Parquet file was canceled");
	case ENGINE_TOO_LARGE:
		return fail(c, ERR_RESULT_TOO_LARGE, "the result is too large for one Parquet file");
	case ENGINE_GONE:
	case ENGINE_FULL: /* of catalogs only */
		break;
	case ENGINE_LOST:
		return fail(c, ERR_UNAVAILABLE, "the engine worker ended while it made the Parquet file");
	}
	return fail(c, ERR_INTERNAL, "the engine worker's answer is not known");
}

bool convert_to_parquet(struct call *c, struct engine *e, const struct engine_table *table, struct buf *ret)
{
	OWNS(making) m;
	struct engine_task *task;
	bool ok;

	making_open(&m);
	ok = engine_to_parquet(c, e, table, &listener, &m, &task);
	for (int i = 0; i < table->nparts; i++) /* the task has its own */
		engine_bytes_unref(table->parts[i]);
	if (!ok)
		return false;
	ok = wait_for_end(c, &m, task) && check_outcome(c, &m);
	engine_task_unref(task);
	if (ok)
		buf_give(ret, &m.file);
	return ok;
}
