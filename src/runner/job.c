/* job.c - one job: its references and turns, its states and who may see it.
 *
 * The only function that moves a job's state is job_move(). Not here: how it is made (job_make.c), waits (job_queue.c),
 * runs (job_run.c), ends and goes (job_end.c), is told (job_doc.c).
 */
#include "runner/job_int.h"

#include <malloc.h>
#include <stdlib.h>

enum { HEAVY_BYTES = 16 << 20 };

const struct fsm_state job_fsm[JOB_STATUSES] = {
	[JOB_PENDING] = {"pending", TO(JOB_PREPARING) | TO(JOB_FAILED) | TO(JOB_CANCELED)},
	[JOB_PREPARING] = {"preparing", TO(JOB_RUNNING) | TO(JOB_FAILED) | TO(JOB_CANCELED)},
	[JOB_RUNNING] = {"running", TO(JOB_PUBLISHING) | TO(JOB_FAILED) | TO(JOB_CANCELED)},
	[JOB_PUBLISHING] = {"publishing", TO(JOB_COMPLETED) | TO(JOB_FAILED) | TO(JOB_CANCELED)},
	[JOB_COMPLETED] = {"completed", 0},
	[JOB_FAILED] = {"failed", 0},
	[JOB_CANCELED] = {"canceled", 0},
};

static const char *const stage_names[JOB_STAGES] = {
#define X(id, name) [JOB_AT_##id] = name,
	JOB_STAGE_LIST(X)
#undef X
};

const char *job_stage_name(enum job_stage s)
{
	return stage_names[s];
}

bool job_terminal(enum job_status s)
{
	return fsm_terminal(job_fsm, s);
}

/* --- bodies --- */

struct job_body *job_body_new(void)
{
	struct job_body *b = base_zalloc(sizeof(*b));

	atomic_init(&b->refs, 1);
	b->last_log = &b->logs;
	b->deterministic = "";
	b->created_ns = clock_mono_ns();
	return b;
}

/* What large results leave free in the heaps of threads is given back: each thread's heap keeps the most it ever had. */
void job_body_unref(struct job_body *b)
{
	bool heavy;

	if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	INVARIANT(!b->spec);
	for (int i = 0; i < b->nresults; i++)
		kept_drop(&b->results[i]);
	heavy = b->result_bytes >= HEAVY_BYTES;
	arena_close(&b->arena);
	free(b);
	if (heavy)
		malloc_trim(0);
}

struct job_body *job_body_of(struct job *j)
{
	struct job_body *b;

	pthread_mutex_lock(&j->lock);
	b = j->body;
	if (b)
		atomic_fetch_add(&b->refs, 1);
	pthread_mutex_unlock(&j->lock);
	return b;
}

void job_body_end(struct job *j, struct job_body *b)
{
	struct job_spec *s;

	pthread_mutex_lock(&j->lock);
	s = b->spec;
	b->spec = NULL;
	pthread_mutex_unlock(&j->lock);
	spec_drop(j->runner, s);
}

/* --- references --- */

struct job *job_new(struct runner *r, const struct job_new_ask *a)
{
	struct job *j = base_zalloc(sizeof(*j) + a->principal.n + 1);
	char *at = j->tail_text;

	atomic_init(&j->refs, 1);
	j->runner = r;
	if (a->id.n)
		memcpy(j->id, a->id.p, ID_LEN);
	else
		memcpy(j->id, id_v7().text, ID_LEN);
	j->tenant = jobs_tenant(r, a->tenant);
	j->principal = str_copy_to(&at, a->principal);
	j->created_ms = a->created_ms;
	j->expires_ms = a->expires_ms;
	list_init(&j->in_queue);
	list_init(&j->in_ended);
	list_init(&j->in_gone);
	lease_init(&j->ttl, &job_ttl_kind);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->turn, NULL);
	return j;
}

void job_ref(struct job *j)
{
	atomic_fetch_add(&j->refs, 1);
}

void job_unref(struct job *j)
{
	if (!j || atomic_fetch_sub(&j->refs, 1) != 1)
		return;
	if (j->body)
		job_body_end(j, j->body);
	job_body_unref(j->body);
	watch_drop(watch_take(&j->watchers, true));
	hooks_free(j->hooks);
	batch_unref(j->batch);
	if (j->stop_open)
		pg_stop_close(&j->stop);
	pthread_cond_destroy(&j->turn);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

/* --- turns --- */

void job_enter(struct job *j)
{
	pthread_mutex_lock(&j->lock);
	while (j->busy)
		pthread_cond_wait(&j->turn, &j->lock);
	j->busy = true;
	pthread_mutex_unlock(&j->lock);
}

bool job_try_enter(struct job *j)
{
	bool mine;

	pthread_mutex_lock(&j->lock);
	mine = !j->busy;
	j->busy = true;
	pthread_mutex_unlock(&j->lock);
	return mine;
}

void job_leave(struct job *j)
{
	pthread_mutex_lock(&j->lock);
	j->busy = false;
	pthread_cond_broadcast(&j->turn);
	pthread_mutex_unlock(&j->lock);
}

/* --- states --- */

bool job_move(struct job *j, enum job_status to)
{
	struct watcher *told = NULL;
	bool may;

	pthread_mutex_lock(&j->lock);
	may = fsm_may(job_fsm, j->status, to);
	if (may) {
		j->status = to;
		told = watch_take(&j->watchers, job_terminal(to));
	}
	pthread_mutex_unlock(&j->lock);
	watch_fire(told);
	return may;
}

/* What another server's lease told of it is over: its next attempt begins here as any job does. */
void job_begin_again(struct job *j)
{
	pthread_mutex_lock(&j->lock);
	INVARIANT(!j->mine && !job_terminal(j->status));
	j->status = JOB_PENDING;
	pthread_mutex_unlock(&j->lock);
}

void job_told(struct job *j)
{
	struct watcher *told;

	pthread_mutex_lock(&j->lock);
	told = watch_take(&j->watchers, false);
	pthread_mutex_unlock(&j->lock);
	watch_fire(told);
}

enum job_status job_status_of(struct job *j)
{
	enum job_status s;

	pthread_mutex_lock(&j->lock);
	s = j->status;
	pthread_mutex_unlock(&j->lock);
	return s;
}

bool job_ended(struct job *j)
{
	return job_terminal(job_status_of(j));
}

void job_watch(struct job *j, const struct watch *w)
{
	struct watcher *now = NULL;

	pthread_mutex_lock(&j->lock);
	watch_add(job_terminal(j->status) || j->gone ? &now : &j->watchers, w);
	pthread_mutex_unlock(&j->lock);
	watch_fire(now);
}

void job_unwatch(struct job *j, const void *arg)
{
	struct watcher *found;

	pthread_mutex_lock(&j->lock);
	found = watch_take_of(&j->watchers, arg);
	pthread_mutex_unlock(&j->lock);
	watch_drop(found);
}

/* --- who it is --- */

struct str job_id(const struct job *j)
{
	return str_from(j->id, ID_LEN);
}

struct str job_tenant_of(const struct job *j)
{
	return str_of(j->tenant->name);
}

bool job_visible(const struct call *c, const struct job *j)
{
	return str_eq(c->tenant, job_tenant_of(j)) && (c->role == ROLE_ADMIN || str_eq(c->principal, j->principal));
}

bool job_in_memory(struct job *j)
{
	bool in;

	pthread_mutex_lock(&j->lock);
	in = j->body != NULL && (j->body->nhooks == 0 || !job_terminal(j->status) || hooks_known(j));
	for (int i = 0; in && i < j->body->nresults; i++)
		in = j->body->results[i].nparts == 0 || j->body->results[i].parts != NULL;
	pthread_mutex_unlock(&j->lock);
	return in;
}

void job_error_copy(struct arena *a, const struct job_error *from, struct job_error **ret)
{
	struct job_error *e = ARENA_NEW(a, struct job_error);

	*e = *from;
	e->code = arena_dup(a, from->code);
	e->message = arena_dup(a, from->message);
	e->detail = arena_dup(a, from->detail);
	e->hint = arena_dup(a, from->hint);
	e->path = arena_dup(a, from->path);
	*ret = e;
}
