/* job_queue.c - the jobs of this server: the map, each tenant's count and queue, the places to run.
 *
 * A tenant that has jobs waiting stands in the ring `ready`; places are given round the ring, one job a turn, to who
 * runs fewer than it may. Owns the threads that jobs run on. One lock, jobs.lock, under which nothing blocks.
 */
#include "runner/job_int.h"

#include <stdlib.h>

static struct jobs *of(struct runner *r)
{
	return r->jobs;
}

bool jobs_open(struct call *c, struct runner *r)
{
	struct jobs *js = base_zalloc(sizeof(*js));

	(void)c;
	pthread_mutex_init(&js->lock, NULL);
	list_init(&js->ready);
	list_init(&js->ended);
	list_init(&js->gone);
	js->threads = exec_pool_open("job", r->o.concurrent, r->o.concurrent);
	r->jobs = js;
	return true;
}

static void let_go(struct runner *r, struct job *j)
{
	lease_clear(r->o.lifecycle, &j->ttl);
	pthread_mutex_lock(&r->jobs->lock);
	list_del(&j->in_queue);
	list_del(&j->in_ended);
	list_del(&j->in_gone);
	pthread_mutex_unlock(&r->jobs->lock);
	job_unref(j);
}

void jobs_threads_end(struct runner *r)
{
	struct exec_pool *threads;

	pthread_mutex_lock(&of(r)->lock);
	of(r)->stopping = true;
	threads = of(r)->threads;
	of(r)->threads = NULL;
	pthread_mutex_unlock(&of(r)->lock);
	if (threads)
		exec_pool_close(threads);
}

void jobs_close(struct runner *r)
{
	struct jobs *js = of(r);
	struct map_slot slot;

	if (!js)
		return;
	jobs_threads_end(r);
	for (size_t i = 0; map_next(&js->map, &i, &slot);)
		let_go(r, slot.value);
	map_close(&js->map);
	for (size_t i = 0; map_next(&js->tenants, &i, &slot);)
		free(slot.value);
	map_close(&js->tenants);
	pthread_mutex_destroy(&js->lock);
	free(js);
	r->jobs = NULL;
}

/* --- tenants --- */

static struct job_tenant *tenant_locked(struct jobs *js, struct str name)
{
	struct job_tenant *t = map_get(&js->tenants, name);

	if (t)
		return t;
	t = base_zalloc(sizeof(*t));
	INVARIANT(name.n <= TENANT_NAME_MAX);
	memcpy(t->name, name.p, name.n);
	list_init(&t->queue);
	list_init(&t->in_ready);
	t->may_run = 1;
	map_put(&js->tenants, str_of(t->name), t);
	return t;
}

struct job_tenant *jobs_tenant(struct runner *r, struct str name)
{
	struct job_tenant *t;

	pthread_mutex_lock(&of(r)->lock);
	t = tenant_locked(of(r), name);
	pthread_mutex_unlock(&of(r)->lock);
	return t;
}

/* --- the map --- */

struct job *jobs_get(struct runner *r, struct str id)
{
	struct job *j;

	pthread_mutex_lock(&of(r)->lock);
	j = map_get(&of(r)->map, id);
	if (j)
		job_ref(j);
	pthread_mutex_unlock(&of(r)->lock);
	return j;
}

struct job *jobs_put(struct job *j)
{
	struct jobs *js = of(j->runner);
	struct job *there;

	pthread_mutex_lock(&js->lock);
	there = map_get(&js->map, job_id(j));
	if (!there) {
		map_put(&js->map, job_id(j), j);
		j->mapped = true;
		job_ref(j);
		there = j;
	}
	job_ref(there);
	pthread_mutex_unlock(&js->lock);
	return there;
}

bool jobs_count(struct call *c, struct job *j, int64_t max)
{
	struct jobs *js = of(j->runner);
	bool room;

	pthread_mutex_lock(&js->lock);
	room = j->tenant->kept + j->tenant->batched < max;
	if (room && !j->counted) {
		j->tenant->kept++;
		j->counted = true;
	}
	pthread_mutex_unlock(&js->lock);
	return room || fail(c, ERR_TOO_MANY, "the tenant keeps %lld jobs already, its most: delete some, or give them a shorter job_ttl",
			    (long long)max);
}

void jobs_known(struct call *c, struct job *j)
{
	int64_t left;
	bool ended;

	if (!j->batch && !jobs_count(c, j, INT64_MAX))
		call_forgive(c);
	pthread_mutex_lock(&j->lock);
	left = j->expires_ms - clock_wall_ms();
	ended = job_terminal(j->status);
	pthread_mutex_unlock(&j->lock);
	lease_set(j->runner->o.lifecycle, &j->ttl, clock_mono_ms() + left);
	if (ended)
		jobs_remember(j);
}

static void jobs_uncount(struct job *j)
{
	struct jobs *js = of(j->runner);

	pthread_mutex_lock(&js->lock);
	if (j->counted)
		j->tenant->kept--;
	j->counted = false;
	pthread_mutex_unlock(&js->lock);
}

void jobs_batched(struct job *j)
{
	struct jobs *js = of(j->runner);

	pthread_mutex_lock(&js->lock);
	j->tenant->kept -= j->counted;
	j->counted = false;
	j->tenant->batched++;
	pthread_mutex_unlock(&js->lock);
}

void jobs_unbatched(struct job *j)
{
	struct jobs *js = of(j->runner);

	pthread_mutex_lock(&js->lock);
	j->tenant->batched -= j->tenant->batched > 0;
	pthread_mutex_unlock(&js->lock);
}

void jobs_set_batched(struct runner *r, struct str tenant, int64_t n)
{
	struct jobs *js = of(r);

	pthread_mutex_lock(&js->lock);
	tenant_locked(js, tenant)->batched = n;
	pthread_mutex_unlock(&js->lock);
}

/* The oldest that is remembered as expired, when there are too many or its time is over; out of the map. */
static struct job *pop_gone(struct jobs *js)
{
	struct job *j;

	if (list_empty(&js->gone))
		return NULL;
	j = LIST_ITEM(js->gone.next, struct job, in_gone);
	if (js->ngone <= JOBS_GONE && clock_wall_ms() < j->expires_ms + JOB_GONE_MS)
		return NULL;
	list_del(&j->in_gone);
	js->ngone--;
	map_del(&js->map, job_id(j));
	return j;
}

static struct job *forget_locked(struct jobs *js, struct job *j, bool expired)
{
	if (list_linked(&j->in_ended)) {
		list_del(&j->in_ended);
		js->nbodies--;
		js->result_bytes -= j->held_bytes;
	}
	if (!j->mapped)
		return NULL;
	if (!expired) {
		j->mapped = false;
		map_del(&js->map, job_id(j));
		return j;
	}
	if (!list_linked(&j->in_gone)) {
		list_add_tail(&js->gone, &j->in_gone);
		js->ngone++;
	}
	return NULL;
}

void jobs_forget(struct job *j, bool expired)
{
	struct jobs *js = of(j->runner);
	struct job *first, *old;

	lease_clear(j->runner->o.lifecycle, &j->ttl);
	pthread_mutex_lock(&js->lock);
	first = forget_locked(js, j, expired);
	old = pop_gone(js);
	pthread_mutex_unlock(&js->lock);
	jobs_uncount(j);
	job_unref(first);
	job_unref(old);
}

int jobs_all(struct runner *r, struct job ***ret)
{
	struct jobs *js = of(r);
	struct map_slot slot;
	int n = 0;

	pthread_mutex_lock(&js->lock);
	*ret = base_alloc(sizeof(struct job *) * (js->map.n + 1));
	for (size_t i = 0; map_next(&js->map, &i, &slot);) {
		job_ref(slot.value);
		(*ret)[n++] = slot.value;
	}
	pthread_mutex_unlock(&js->lock);
	return n;
}

/* --- bodies of those that ended: the latest stay --- */

static struct job *pop_ended(struct jobs *js)
{
	struct job *j;

	if (js->nbodies <= JOBS_BODIES && js->result_bytes <= JOBS_RESULT_BYTES)
		return NULL;
	if (list_empty(&js->ended))
		return NULL;
	j = LIST_ITEM(js->ended.next, struct job, in_ended);
	list_del(&j->in_ended);
	js->nbodies--;
	js->result_bytes -= j->held_bytes;
	job_ref(j);
	return j;
}

/* One in a batch is not known here any more: its batch has its TTL. */
static void unload(struct job *j)
{
	struct job_body *b;
	bool batched;

	pthread_mutex_lock(&j->lock);
	b = j->body;
	j->body = NULL;
	batched = j->batch && !j->gone;
	pthread_mutex_unlock(&j->lock);
	job_body_unref(b);
	if (batched)
		jobs_forget(j, false);
	job_unref(j);
}

void jobs_remember(struct job *j)
{
	struct jobs *js = of(j->runner);
	struct job_body *b = job_body_of(j);
	struct job *old;

	if (!b)
		return;
	pthread_mutex_lock(&js->lock);
	if (!list_linked(&j->in_ended) && j->mapped) {
		list_add_tail(&js->ended, &j->in_ended);
		js->nbodies++;
		js->result_bytes += j->held_bytes = b->result_bytes;
	}
	pthread_mutex_unlock(&js->lock);
	job_body_unref(b);
	for (;;) {
		pthread_mutex_lock(&js->lock);
		old = pop_ended(js);
		pthread_mutex_unlock(&js->lock);
		if (!old)
			return;
		unload(old);
	}
}

/* --- places --- */

static void gauges(const struct jobs *js)
{
	obs_gauge_set(OBS_M_JOBS_RUNNING, js->running);
	obs_gauge_set(OBS_M_JOBS_QUEUED, js->queued);
}

/* The next that has a place, out of its queue, counted as running; NULL when none has. */
static struct job *next_locked(struct runner *r)
{
	struct jobs *js = of(r);

	if (js->stopping || js->running >= r->o.concurrent)
		return NULL;
	LIST_EACH(&js->ready, it) {
		struct job_tenant *t = LIST_ITEM(it, struct job_tenant, in_ready);
		struct job *j;

		if (t->running >= t->may_run)
			continue;
		j = LIST_ITEM(list_pop(&t->queue), struct job, in_queue);
		list_del(&t->in_ready);
		if (!list_empty(&t->queue))
			list_add_tail(&js->ready, &t->in_ready);
		t->running++;
		js->running++;
		js->queued--;
		gauges(js);
		return j;
	}
	return NULL;
}

static void run_on_thread(void *arg);

/* Under the lock: a place is never given twice. */
static void give_places(struct runner *r)
{
	struct job *j;

	while ((j = next_locked(r)) != NULL)
		INVARIANT(exec_pool_run(of(r)->threads, run_on_thread, j));
}

/* The told of runner_stop(), once nothing runs; called outside the lock. */
static exec_fn *take_told(struct jobs *js, void **ret_arg)
{
	exec_fn *fn = js->stopping && js->running == 0 && js->working == 0 ? js->told : NULL;

	if (fn)
		js->told = NULL;
	*ret_arg = js->told_arg;
	return fn;
}

static void run_on_thread(void *arg)
{
	struct job *j = arg;
	struct runner *r = j->runner;
	struct jobs *js = of(r);
	exec_fn *told;
	void *told_arg;

	job_walk(j);
	pthread_mutex_lock(&js->lock);
	j->tenant->running--;
	js->running--;
	gauges(js);
	give_places(r);
	told = take_told(js, &told_arg);
	pthread_mutex_unlock(&js->lock);
	job_unref(j);
	if (told)
		told(told_arg);
}

bool jobs_queue(struct call *c, struct job *j, bool again)
{
	struct runner *r = j->runner;
	struct jobs *js = of(r);
	struct runner_caps caps;
	bool room;

	r->o.caps(r->o.arg, job_tenant_of(j), &caps);
	pthread_mutex_lock(&js->lock);
	room = !js->stopping && (again || js->queued < r->o.queued || js->running < r->o.concurrent);
	j->tenant->may_run = caps.running > 0 ? (int)(caps.running > 1 << 20 ? 1 << 20 : caps.running) : 1;
	if (room && !list_linked(&j->in_queue)) {
		job_ref(j);
		list_add_tail(&j->tenant->queue, &j->in_queue);
		if (!list_linked(&j->tenant->in_ready))
			list_add_tail(&js->ready, &j->tenant->in_ready);
		js->queued++;
		give_places(r);
		gauges(js);
	}
	pthread_mutex_unlock(&js->lock);
	if (room)
		return true;
	return js->stopping ? fail(c, ERR_UNAVAILABLE, "the server is stopping")
			    : fail(c, ERR_TOO_MANY, "%d jobs wait already", r->o.queued);
}

bool jobs_unqueue(struct job *j)
{
	struct jobs *js = of(j->runner);
	bool waited;

	pthread_mutex_lock(&js->lock);
	waited = list_linked(&j->in_queue);
	if (waited) {
		list_del(&j->in_queue);
		js->queued--;
		if (list_empty(&j->tenant->queue))
			list_del(&j->tenant->in_ready);
		gauges(js);
	}
	pthread_mutex_unlock(&js->lock);
	if (waited)
		job_unref(j);
	return waited;
}

/* --- background work, one of a kind at a time --- */

bool jobs_work(struct runner *r, bool *which, exec_fn *fn)
{
	struct jobs *js = of(r);
	bool begins;

	pthread_mutex_lock(&js->lock);
	begins = !*which && !js->stopping && exec_pool_run(r->o.pool, fn, r);
	if (begins) {
		*which = true;
		js->working++;
	}
	pthread_mutex_unlock(&js->lock);
	return begins;
}

void jobs_work_ended(struct runner *r, bool *which)
{
	struct jobs *js = of(r);
	exec_fn *told;
	void *told_arg;

	pthread_mutex_lock(&js->lock);
	*which = false;
	js->working--;
	told = take_told(js, &told_arg);
	pthread_mutex_unlock(&js->lock);
	if (told)
		told(told_arg);
}

/* --- the room's own --- */

bool runner_idle(struct runner *r)
{
	bool idle;

	pthread_mutex_lock(&of(r)->lock);
	idle = of(r)->running == 0 && of(r)->queued == 0;
	pthread_mutex_unlock(&of(r)->lock);
	return idle;
}
