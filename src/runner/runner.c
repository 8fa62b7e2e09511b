/* runner.c - the room of SQL chains: opened, stopped, closed, reported; its background work.
 *
 * Four kinds of work go on behind the requests, each on a thread of the pool, one of a kind at a time: leases and take-over
 * (keep.c), ends into the store (journal.c), layers and contents, instances.
 */
#include "runner/job_int.h"

#include <stdlib.h>

enum { TICK_MS = 250, KEEP_MS = 1000, WRITE_MS = 1000, SWEEP_MS = 5000 };

static void open_work(struct call *c, struct arena *a)
{
	call_open(c, a);
	c->role = ROLE_ADMIN;
}

static void keep_work(void *arg)
{
	struct runner *r = arg;
	OWNS(arena) a = {0};
	struct call c;
	int64_t now = clock_mono_ms();
	bool scan = now - atomic_load(&r->jobs->scanned_ms) >= JOBS_SCAN_MS;

	open_work(&c, &a);
	if (scan)
		atomic_store(&r->jobs->scanned_ms, now);
	keep_now(&c, r, scan);
	jobs_work_ended(r, &r->jobs->keeping);
}

static void write_work(void *arg)
{
	struct runner *r = arg;
	OWNS(arena) a = {0};
	struct call c;

	open_work(&c, &a);
	journal_flush(&c, r);
	jobs_work_ended(r, &r->jobs->writing);
}

static void sweep_work(void *arg)
{
	struct runner *r = arg;
	OWNS(arena) a = {0};
	struct call c;

	open_work(&c, &a);
	instances_sweep(r);
	layers_sweep(&c, r);
	call_forgive(&c);
	blobs_sweep(&c, r);
	call_forgive(&c);
	if (r->o.share)
		share_sweep(&c, r);
	jobs_work_ended(r, &r->jobs->sweeping);
}

static bool is_due(_Atomic int64_t *last, int64_t every)
{
	int64_t now = clock_mono_ms();

	if (now - atomic_load(last) < every)
		return false;
	atomic_store(last, now);
	return true;
}

static void tick(void *arg)
{
	struct runner *r = arg;
	struct jobs *js = r->jobs;

	hooks_tick(r);
	if (is_due(&js->kept_ms, KEEP_MS))
		jobs_work(r, &js->keeping, keep_work);
	if (is_due(&js->written_ms, WRITE_MS))
		jobs_work(r, &js->writing, write_work);
	if (r->o.backend && is_due(&js->swept_ms, SWEEP_MS))
		jobs_work(r, &js->sweeping, sweep_work);
}

/* --- opened and closed --- */

static bool open_engine_side(struct call *c, struct runner *r)
{
	if (!plans_open(c, r))
		return false;
	return !r->o.backend || (layers_open(c, r) && instances_open(c, r));
}

struct runner *runner_open(struct call *c, const struct runner_options *o)
{
	struct runner *r = base_zalloc(sizeof(*r));

	r->o = *o;
	if (r->o.hook_attempts > HOOK_DELIVERIES_MAX)
		r->o.hook_attempts = HOOK_DELIVERIES_MAX;
	if (!jobs_open(c, r) || !hooks_open(c, r) || !open_engine_side(c, r) || !journal_open(c, r)) {
		runner_close(r);
		return NULL;
	}
	r->jobs->scanned_ms = clock_mono_ms() - JOBS_SCAN_MS; /* the first comes at once */
	jobs_work(r, &r->jobs->keeping, keep_work);
	lifecycle_every(r->o.lifecycle, TICK_MS, tick, r);
	return r;
}

static void stopped(void *arg)
{
	struct runner *r = arg;
	exec_fn *told = r->jobs->stopped;
	void *told_arg = r->jobs->stopped_arg;

	if (r->instances)
		instances_close(r);
	r->instances = NULL;
	told(told_arg);
}

/* On the pool: instances take their time. */
static void nothing_runs(void *arg)
{
	struct runner *r = arg;

	if (!exec_pool_run(r->o.pool, stopped, r))
		stopped(r);
}

static void stop_job(struct call *c, struct job *j)
{
	bool waited = jobs_unqueue(j), recorded, mine;

	pthread_mutex_lock(&j->lock);
	recorded = j->recorded;
	mine = j->mine && j->started && !job_terminal(j->status) && !j->gone;
	j->left = waited && recorded;
	pthread_mutex_unlock(&j->lock);
	if (waited && recorded)
		keep_leave(c, j); /* the next start, or another server, takes it up */
	else if (mine && waited)
		job_finish(c, j, JOB_CANCELED, NULL);
	else if (mine && !job_cancel(c, j))
		call_forgive(c);
}

static void stop_jobs(void *arg)
{
	struct runner *r = arg;
	OWNS(arena) a = {0};
	struct call c;
	struct job **all;
	int n = jobs_all(r, &all);

	open_work(&c, &a);
	for (int i = 0; i < n; i++) {
		c.tenant = job_tenant_of(all[i]);
		stop_job(&c, all[i]);
		job_unref(all[i]);
	}
	free(all);
	journal_flush(&c, r);
	jobs_work_ended(r, &r->jobs->stopping_jobs);
}

void runner_stop(struct runner *r, exec_fn *told, void *arg)
{
	struct jobs *js = r->jobs;

	pthread_mutex_lock(&js->lock);
	js->stopping = true;
	js->stopped = told;
	js->stopped_arg = arg;
	js->told = nothing_runs;
	js->told_arg = r;
	js->stopping_jobs = true;
	js->working++;
	pthread_mutex_unlock(&js->lock);
	if (!exec_pool_run(r->o.pool, stop_jobs, r))
		stop_jobs(r);
}

void runner_close(struct runner *r)
{
	OWNS(arena) a = {0};
	struct call c;

	if (!r)
		return;
	open_work(&c, &a);
	hooks_close(r);
	if (r->jobs && r->jobs->journal)
		journal_flush(&c, r);
	if (r->jobs)
		jobs_threads_end(r);
	if (r->instances)
		instances_close(r);
	if (r->layers)
		layers_close(r);
	if (r->jobs)
		journal_close(r);
	jobs_close(r);
	plans_close(r);
	free(r);
}

/* --- told --- */

void runner_report(struct runner *r, struct runner_report *ret)
{
	*ret = (struct runner_report){.ready = r->o.backend != NULL, .missing = r->o.backend ? NULL : r->o.backend_missing};
	if (r->o.backend)
		r->o.backend->ops->report(r->o.backend, &ret->pg);
	pthread_mutex_lock(&r->jobs->lock);
	ret->jobs_running = r->jobs->running;
	ret->jobs_queued = r->jobs->queued;
	pthread_mutex_unlock(&r->jobs->lock);
	if (r->layers)
		layers_counted(r, &ret->layers, &ret->layer_bytes);
	if (r->instances)
		instances_counted(r, &ret->instances_warm, &ret->instances_busy);
}
