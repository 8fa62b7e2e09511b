/* job_end.c - how jobs end, what the event log is told of them, and how they go.
 *
 * The end is written before anybody hears of it: into the record of a job that is recorded, else into the journal.
 */
#include "runner/job_int.h"

#include <stdio.h>

/* --- the event log: that something happened, never what the SQL says or a row holds --- */

static void tell_end(struct json_out *o, struct job *j, const struct job_body *b)
{
	if (!job_terminal(b->end))
		return;
	JSON_FIELD_TEXT(o, "outcome", b->end == JOB_COMPLETED ? S("succeeded") : b->end == JOB_FAILED ? S("failed") : S("canceled"));
	JSON_FIELD_INT(o, "duration_ms", b->duration_ms);
	JSON_FIELD_INT(o, "latency_ms", b->latency_us / 1000);
	JSON_FIELD_TEXT(o, "stage", str_of(job_stage_name(b->stage)));
	if (b->looked_up)
		JSON_FIELD_BOOL(o, "cache_hit", b->hit);
	if (b->error)
		JSON_FIELD_TEXT(o, "error_code", b->error->code);
	if (b->error && b->error->sqlstate[0])
		JSON_FIELD_TEXT(o, "sqlstate", str_of(b->error->sqlstate));
	(void)j;
}

static void write_payload(struct buf *to, struct job *j, const struct job_body *b, const struct call *c, const char *event)
{
	struct json_out o = json_out(to);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "event", str_of(event));
	JSON_FIELD_TEXT(&o, "kind", S("job"));
	JSON_FIELD_TEXT(&o, "id", job_id(j));
	JSON_FIELD_TEXT(&o, "tenant_id", job_tenant_of(j));
	if (j->principal.n)
		JSON_FIELD_TEXT(&o, "principal", j->principal);
	if (c && c->principal.n && !str_eq(c->principal, j->principal))
		JSON_FIELD_TEXT(&o, "by", c->principal);
	JSON_FIELD_TIME(&o, "occurred_at", clock_wall_ms());
	JSON_FIELD_TIME(&o, "created_at", j->created_ms);
	if (b) {
		if (b->user_id.n)
			JSON_FIELD_TEXT(&o, "user_id", b->user_id);
		if (b->call_id.n)
			JSON_FIELD_TEXT(&o, "request_id", b->call_id);
		if (b->traceparent.n)
			JSON_FIELD_TEXT(&o, "traceparent", b->traceparent);
		if (b->tail_hash[0])
			JSON_FIELD_TEXT(&o, "tail_hash", str_of(b->tail_hash));
		tell_end(&o, j, b);
	}
	json_end_object(&o);
}

void job_tell(struct job *j, const struct call *c, const char *event)
{
	struct events *events = j->runner->o.events;
	OWNS(buf) payload = {0};
	struct job_body *b;

	if (!events)
		return;
	b = job_body_of(j);
	pthread_mutex_lock(&j->lock);
	write_payload(&payload, j, b, c, event);
	pthread_mutex_unlock(&j->lock);
	job_body_unref(b);
	event_post(events, EVENT_JOB, job_tenant_of(j), buf_str(&payload));
}

/* --- errors --- */

void job_error_of_call(const struct call *c, enum job_stage stage, struct job_error *ret)
{
	*ret = (struct job_error){.code = str_of(err_code(c->err.kind)), .message = arena_dup(c->arena, str_of(c->err.text)),
				  .stage = stage, .position = c->err.position};
	memcpy(ret->sqlstate, c->err.sqlstate, sizeof(ret->sqlstate));
}

/* --- the end --- */

static void fill_end(struct job *j, struct job_body *b, enum job_status to, const struct job_error *e)
{
	struct job_error canceled = {.code = S("canceled"), .message = S("the job was canceled"), .stage = b->stage,
				     .sqlstate = "57014"};
	int64_t now = clock_mono_ns();

	if (to == JOB_CANCELED && !e)
		e = &canceled;
	pthread_mutex_lock(&j->lock);
	b->end = to;
	b->finished_ms = clock_wall_ms();
	b->latency_us = (now - b->created_ns) / 1000;
	b->duration_ms = b->started_ns ? (now - b->started_ns) / 1000000 : 0;
	if (to != JOB_COMPLETED && e)
		job_error_copy(&b->arena, e, &b->error);
	pthread_mutex_unlock(&j->lock);
}

/* False: another server has the job, so its end is not this one. */
static bool write_end(struct call *c, struct job *j)
{
	bool recorded;

	pthread_mutex_lock(&j->lock);
	recorded = j->recorded;
	pthread_mutex_unlock(&j->lock);
	if (recorded ? record_put_end(c, j) : journal_end(c, j))
		return true;
	if (c->err.kind == ERR_CONFLICT) {
		call_forgive(c);
		return false;
	}
	obs_log(OBS_ERROR, "runner", "the end of job %s cannot be written yet: %s", j->id, err_code(c->err.kind));
	call_forgive(c);
	journal_later(j);
	return true;
}

static void count_end(const struct job_body *b)
{
	static const enum obs_metric ends[JOB_STATUSES] = {[JOB_COMPLETED] = OBS_M_JOBS_COMPLETED, [JOB_FAILED] = OBS_M_JOBS_FAILED,
							   [JOB_CANCELED] = OBS_M_JOBS_CANCELED};

	obs_count(ends[b->end]);
	obs_observe(OBS_M_JOB_SECONDS, b->latency_us * 1000);
	if (b->error && str_eq(b->error->code, S("timeout")))
		obs_count(OBS_M_JOB_TIMEOUTS);
	if (b->error && str_eq(b->error->code, str_of(err_code(ERR_SQL))))
		obs_count(OBS_M_JOB_SQL_ERRORS);
	if (b->error && (str_eq(b->error->code, S("instance_lost")) || str_eq(b->error->code, str_of(err_code(ERR_ENGINE_UNREACHABLE)))))
		obs_count(OBS_M_JOB_CONNECTION_ERRORS);
}

static void log_end(struct job *j, const struct job_body *b, enum job_status to)
{
	if (b->error)
		job_line(j, b->stage, "error", "%s: %.*s%s%s", job_fsm[to].name, SARG(b->error->code),
			 b->error->sqlstate[0] ? ", sqlstate " : "", b->error->sqlstate);
	else
		job_line(j, b->stage, "info", "%s after %lld ms", job_fsm[to].name, (long long)b->duration_ms);
}

static void after_end(struct call *c, struct job *j, struct job_body *b)
{
	job_tell(j, c, job_fsm[b->end].name);
	count_end(b);
	hooks_begin(j, b);
	keep_ended(c, j);
	job_body_end(j, b);
	if (j->stored)
		jobs_remember(j);
}

void job_finish(struct call *c, struct job *j, enum job_status to, const struct job_error *e)
{
	struct job_body *b;
	bool ended, wrote;

	job_enter(j);
	b = job_body_of(j);
	pthread_mutex_lock(&j->lock);
	ended = job_terminal(j->status) || !b;
	pthread_mutex_unlock(&j->lock);
	if (ended) {
		job_body_unref(b);
		job_leave(j);
		return;
	}
	fill_end(j, b, to, e);
	log_end(j, b, to);
	wrote = write_end(c, j);
	if (wrote)
		INVARIANT(job_move(j, to));
	else
		keep_lost(c, j);
	if (wrote)
		after_end(c, j, b);
	job_leave(j);
	job_body_unref(b);
}

/* --- gone --- */

static void stop_and_wait(struct job *j)
{
	for (;;) { /* its thread ends it soon: jobs end within the grace of a cancel */
		pthread_mutex_lock(&j->lock);
		if (job_terminal(j->status) || !j->mine || j->left) {
			pthread_mutex_unlock(&j->lock);
			return;
		}
		pthread_cond_wait(&j->turn, &j->lock);
		pthread_mutex_unlock(&j->lock);
	}
}

static void mark_gone(struct job *j, bool expired)
{
	struct watcher *told;

	pthread_mutex_lock(&j->lock);
	j->gone = true;
	j->expired = expired;
	told = watch_take(&j->watchers, true);
	pthread_mutex_unlock(&j->lock);
	watch_fire(told);
}

static void unload(struct job *j)
{
	struct job_body *b;

	pthread_mutex_lock(&j->lock);
	b = j->body;
	j->body = NULL;
	pthread_mutex_unlock(&j->lock);
	if (b && b->spec) {
		spec_drop(j->runner, b->spec);
		b->spec = NULL;
	}
	job_body_unref(b);
}

void job_vanish(struct job *j)
{
	mark_gone(j, false);
	jobs_forget(j, false);
}

/* What has expired goes with its batch. With the job's turn. */
static bool leave_batch(struct call *c, struct job *j, bool expired)
{
	if (!j->batch)
		return true;
	if (!expired && !batch_drop(c, j->runner, &(struct record_at){job_tenant_of(j), job_id(j)}, j->batch))
		return false;
	jobs_unbatched(j);
	return true;
}

/* Everything of it: record, logs, results, request key. */
static bool drop_all(struct call *c, struct job *j, bool expired)
{
	struct job_body *b = NULL;
	bool gone;

	pthread_mutex_lock(&j->lock);
	gone = j->gone;
	pthread_mutex_unlock(&j->lock);
	if (gone)
		return true;
	b = job_body_of(j);
	if (!b && !record_body(c, j, &b))
		call_forgive(c); /* then the request key ends by its own TTL */
	if (!journal_forget(c, j) || !record_drop(c, j->runner, job_tenant_of(j), job_id(j)) || !leave_batch(c, j, expired)) {
		job_body_unref(b);
		return false;
	}
	if (b)
		request_forget(c, j, b);
	keep_gone(c, j);
	job_tell(j, c, expired ? "expired" : "deleted");
	job_body_unref(b);
	mark_gone(j, expired);
	unload(j);
	jobs_forget(j, expired);
	obs_count(OBS_M_JOBS_SWEPT);
	return true;
}

bool job_remove(struct call *c, struct job *j, bool expired)
{
	bool ok;

	if (!job_ended(j)) {
		if (!job_cancel(c, j))
			return false;
		stop_and_wait(j);
	}
	job_enter(j);
	ok = drop_all(c, j, expired);
	job_leave(j);
	return ok;
}

/* --- the TTL --- */

static struct job *job_of(struct lease *l)
{
	return CONTAINER_OF(l, struct job, ttl);
}

static void hold(struct lease *l)
{
	job_ref(job_of(l));
}

static void drop(struct lease *l)
{
	job_unref(job_of(l));
}

enum { EXPIRE_AGAIN_MS = 5000 };

static void expire(void *arg)
{
	struct job *j = arg;
	OWNS(arena) a = {0};
	struct call c;
	bool ok;

	call_open(&c, &a);
	c.tenant = job_tenant_of(j);
	c.role = ROLE_ADMIN;
	ok = job_expire(&c, j);
	if (!ok)
		lease_set(j->runner->o.lifecycle, &j->ttl, clock_mono_ms() + EXPIRE_AGAIN_MS);
	lifecycle_swept(j->runner->o.lifecycle, &j->ttl, ok);
	job_unref(j);
}

/* Another server may have extended it: its record decides. */
bool job_expire(struct call *c, struct job *j)
{
	int64_t left;

	if (!record_expiry(c, j))
		return false;
	pthread_mutex_lock(&j->lock);
	left = j->gone ? 0 : j->expires_ms - clock_wall_ms();
	pthread_mutex_unlock(&j->lock);
	if (left > 0) {
		lease_set(j->runner->o.lifecycle, &j->ttl, clock_mono_ms() + left);
		return true;
	}
	return job_remove(c, j, true);
}

static void due(struct lease *l)
{
	struct job *j = job_of(l);

	job_ref(j);
	if (exec_pool_run(j->runner->o.pool, expire, j))
		return;
	job_unref(j);
	lease_set(j->runner->o.lifecycle, l, clock_mono_ms() + EXPIRE_AGAIN_MS);
}

static void owner_ended(struct lease *l)
{
	(void)l; /* jobs have no owner */
}

const struct lease_kind job_ttl_kind = {"job", hold, drop, due, owner_ended};
