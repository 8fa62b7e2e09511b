/* job_run.c - the walk of a job on its thread: parsing, lookup and replay of the tail, an instance, the head, the end.
 *
 * Straight line; whatever blocks looks at the call's deadline (timeout_ms from here on) and at the job's stop sign.
 * Not here: layers (layers.c), instances (instances.c), how a file is run (script.c).
 */
#include "runner/job_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { NOTICES_MAX = 100 };

struct walk {
	struct call call, *c;            /* with the job's deadline and stop sign */
	struct job *j;
	struct runner *r;
	struct job_body *b;
	struct job_spec *s;
	struct plan plan;
	struct layer *layer;
	struct job_error error;          /* code empty: from the call's error */
	int64_t head_ns;
	int notices;                     /* of the tail that the log tells */
	int executed;                    /* statements of the head that were answered */
	struct obs_span span, at;        /* of the job; of its stage */
	char trace[OBS_TRACEPARENT_LEN + 1];
};

/* --- what it tells --- */

static void span_stage(struct walk *w, enum job_stage stage)
{
	const char *name = job_stage_name(stage);

	if (!w->span.on || (w->at.on && w->at.name == name))
		return;
	obs_span_end(&w->at, S(""), false, NULL, 0);
	obs_span_begin(&w->at, OBS_SPAN_INTERNAL, name, w->c->traceparent);
}

static void span_end(struct walk *w, enum job_status to, const struct job_error *e)
{
	const struct obs_attr attrs[] = {
		{.key = "mayfly.tenant", .text = w->c->tenant}, {.key = "mayfly.job_id", .text = job_id(w->j)},
		{.key = "mayfly.layer_id", .text = str_of(w->b->layer_id)}, {.key = "mayfly.cache_hit", .number = w->b->looked_up && w->b->hit},
		{.key = "error.type", .text = to == JOB_FAILED && e->code.p ? e->code : to == JOB_CANCELED ? S("canceled") : S("")},
	};

	if (!w->span.on)
		return;
	obs_span_end(&w->at, S(""), to == JOB_FAILED, NULL, 0);
	obs_span_end(&w->span, S(""), to == JOB_FAILED, attrs, to == JOB_COMPLETED ? 4 : 5);
}

static void enter_stage(struct walk *w, enum job_stage stage)
{
	span_stage(w, stage);
	pthread_mutex_lock(&w->j->lock);
	w->b->stage = stage;
	pthread_mutex_unlock(&w->j->lock);
	job_told(w->j);
}

static void on_step(void *arg, enum job_stage stage, int done, int total, const char *message)
{
	struct walk *w = arg;

	span_stage(w, stage);
	pthread_mutex_lock(&w->j->lock);
	w->b->stage = stage;
	w->b->steps_done = done;
	w->b->steps_total = total;
	pthread_mutex_unlock(&w->j->lock);
	if (message && message[0])
		job_line(w->j, stage, "info", "%s", message);
	else
		job_told(w->j);
}

/* No text of the SQL's own: it may hold rows. Those of the head are in its results. */
static void on_notice(void *arg, const struct pg_notice *n)
{
	struct walk *w = arg;
	enum job_stage stage = w->b->stage;

	if (str_eq(n->message, S(SCRIPT_LEFT_OPEN)))
		job_line(w->j, stage, "warn", SCRIPT_LEFT_OPEN);
	else if (stage != JOB_AT_HEAD_EXECUTION && w->notices++ < NOTICES_MAX)
		job_line(w->j, stage, "notice", "%.*s %s", SARG(n->severity), n->sqlstate);
}

/* --- stages; each false with the call's error, or w->error --- */

static void keep_plan(struct walk *w)
{
	struct arena *a = &w->b->arena;
	struct str *tail, *unused, *names;

	pthread_mutex_lock(&w->j->lock);
	tail = ARENA_ARRAY(a, struct str, (size_t)w->plan.nsteps + 1);
	unused = ARENA_ARRAY(a, struct str, (size_t)w->plan.order.nunused + 1);
	names = ARENA_ARRAY(a, struct str, (size_t)w->plan.nvolatile + 1);
	for (int i = 0; i < w->plan.nsteps; i++)
		tail[i] = arena_dup(a, w->plan.steps[i].path);
	for (int i = 0; i < w->plan.order.nunused; i++)
		unused[i] = arena_dup(a, w->plan.order.unused[i]);
	for (int i = 0; i < w->plan.nvolatile; i++)
		names[i] = arena_dup(a, w->plan.volatile_names[i]);
	w->b->tail = tail;
	w->b->ntail = w->b->steps_total = w->plan.nsteps;
	w->b->unused = unused;
	w->b->nunused = w->plan.order.nunused;
	w->b->volatile_names = names;
	w->b->nvolatile = w->plan.nvolatile;
	memcpy(w->b->tail_hash, w->plan.tail_hash, RUNNER_HEX);
	w->b->planned = true;
	pthread_mutex_unlock(&w->j->lock);
}

static bool parse(struct walk *w)
{
	struct plan_ask ask = {.tree = &w->s->tree, .head = w->s->head, .chain = w->s->nchain >= 0 ? w->s->chain : NULL,
			       .nchain = w->s->nchain, .variables = w->s->variables, .nvariables = w->s->nvariables};

	enter_stage(w, JOB_AT_PARSING);
	if (!plan_make(w->c, w->r, &ask, &w->plan, &w->error))
		return false;
	keep_plan(w);
	job_line(w->j, JOB_AT_PARSING, "info", "%d steps, tail %.12s", w->plan.nsteps, w->plan.tail_hash);
	for (int i = 0; i < w->plan.order.nunused; i++)
		job_line(w->j, JOB_AT_PARSING, "notice", "not used: %.*s", SARG(w->plan.order.unused[i]));
	return true;
}

static void keep_layer(struct walk *w, const struct layer_got *got)
{
	struct str id = layer_id(got->layer);

	w->layer = got->layer;
	pthread_mutex_lock(&w->j->lock);
	memcpy(w->b->layer_id, id.p, id.n < RUNNER_HEX ? id.n : RUNNER_HEX);
	w->b->looked_up = true;
	w->b->hit = !got->built;
	w->b->steps_reused = got->steps_reused;
	w->b->steps_done = w->b->steps_total;
	w->b->replay_ms = got->replay_ms;
	w->b->deterministic = got->deterministic ? (const char *)arena_cstr(&w->b->arena, str_of(got->deterministic)) : "";
	pthread_mutex_unlock(&w->j->lock);
	job_line(w->j, JOB_AT_SNAPSHOT_LOOKUP, "info", "layer %.12s: %s, %d of %d steps reused", w->b->layer_id,
		 got->built ? "miss" : "hit", got->steps_reused, w->plan.nsteps);
}

static bool look_up(struct walk *w)
{
	const struct script_sink sink = {.notice = on_notice, .arg = w};
	struct layer_ask ask = {
		.plan = &w->plan, .tree = &w->s->tree, .variables = w->s->variables, .nvariables = w->s->nvariables,
		.pin_s = w->s->snapshot_ttl_s, .verify = w->s->verify, .stop = &w->j->stop, .told = {.step = on_step, .sink = &sink, .arg = w},
	};
	struct layer_got got = {0};

	enter_stage(w, JOB_AT_SNAPSHOT_LOOKUP);
	if (!layer_acquire(w->c, w->r, &ask, &got)) {
		w->error = got.error;
		if (got.error.code.n && got.error.stage > JOB_AT_SNAPSHOT_LOOKUP)
			enter_stage(w, got.error.stage); /* of a build that it waited for */
		return false;
	}
	keep_layer(w, &got);
	return true;
}

/* --- the head --- */

/* A server that shares the backend may have dropped the layer since it was looked up: then once more from there. */
static bool lease_or_look_up(struct walk *w, bool shared, struct tenancy *ret)
{
	enter_stage(w, JOB_AT_INSTANCE_BOOT);
	if (instance_lease(w->c, w->r, w->layer, shared, &w->j->stop, ret))
		return true;
	if (w->c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(w->c);
	layer_release(w->layer);
	w->layer = NULL;
	if (!look_up(w))
		return false;
	enter_stage(w, JOB_AT_INSTANCE_BOOT);
	return instance_lease(w->c, w->r, w->layer, shared, &w->j->stop, ret);
}

static bool lease(struct walk *w, bool shared, struct tenancy *ret)
{
	int64_t begun = clock_mono_ns(), ns;

	if (!lease_or_look_up(w, shared, ret))
		return false;
	ns = clock_mono_ns() - begun;
	pthread_mutex_lock(&w->j->lock);
	w->b->boot_us += ns / 1000;
	pthread_mutex_unlock(&w->j->lock);
	job_line(w->j, JOB_AT_INSTANCE_BOOT, "info", "%s%s instance after %lld us", ret->warm ? "warm" : "new",
		 ret->shared ? ", shared" : "", (long long)(ns / 1000));
	return true;
}

static bool begin_head(struct walk *w)
{
	enter_stage(w, JOB_AT_HEAD_EXECUTION);
	if (job_status_of(w->j) == JOB_PREPARING)
		return job_move(w->j, JOB_RUNNING);
	return true; /* once more */
}

static void log_answer(struct walk *w, int n, const struct pg_answer *a)
{
	job_line(w->j, JOB_AT_HEAD_EXECUTION, "info", "statement %d: %.*s, %lld us%s", n + 1, SARG(a->command_tag),
		 (long long)(a->ns / 1000), a->truncated ? ", cut" : "");
}

static void on_answer(void *arg, struct pg_answer *a)
{
	struct walk *w = arg;

	w->executed++;
	if (a->outcome != PG_OK) {
		pg_answer_drop(a);
		return;
	}
	log_answer(w, w->executed - 1, a);
	results_take(w->j, w->b, a, 1);
}

static struct script_run run_of(struct walk *w, struct pg_conn *conn)
{
	return (struct script_run){
		.runner = w->r, .tree = &w->s->tree, .conn = conn, .variables = w->s->variables, .nvariables = w->s->nvariables,
		.caps = {w->r->o.result_rows, w->r->o.result_bytes}, .head = true,
		.one_database = runner_one_database(w->r), .sink = {.notice = on_notice, .answer = on_answer, .arg = w},
	};
}

/* The first that is not PG_OK is the last that is set. */
static int first_failed(const struct pg_answer *v, int n)
{
	int i = 0;

	while (i < n && v[i].outcome == PG_OK)
		i++;
	return i;
}

/* One round trip on the shared instance. */
static enum pg_outcome read_shared(struct walk *w, struct tenancy *t, const struct str *sql, int n)
{
	struct pg_answer *v = ARENA_ARRAY(w->c->arena, struct pg_answer, (size_t)n + 1);
	struct script_run run = run_of(w, t->conn);
	enum pg_outcome o = pg_read(w->c, t->conn, sql, n, run.caps, v);
	int good = o == PG_OK ? n : first_failed(v, n);

	if (o == PG_NOT_READ_ONLY || o == PG_LOST) { /* all of it again, elsewhere */
		for (int i = 0; i < n; i++)
			pg_answer_drop(&v[i]);
		return o;
	}
	for (int i = 0; i < good; i++)
		log_answer(w, i, &v[i]);
	if (o == PG_FAILED && good < n) {
		script_place_error(w->c, &run, w->s->head, good, &v[good].error);
		w->error = run.error;
	}
	results_take(w->j, w->b, v, good);
	w->executed = good;
	return o;
}

static enum pg_outcome run_private(struct walk *w, struct tenancy *t)
{
	struct script_run run = run_of(w, t->conn);
	enum pg_outcome o = script_run(w->c, &run, w->s->head);

	w->error = run.error;
	return o;
}

/* One try: shared for statements (sql), else private. False: an error of the call or of the head. */
static bool try_head(struct walk *w, const struct str *sql, int n, enum pg_outcome *ret)
{
	struct tenancy t = {0};
	int64_t begun;

	if (!lease(w, sql != NULL, &t))
		return false;
	begun = clock_mono_ns();
	if (begin_head(w)) {
		*ret = sql ? read_shared(w, &t, sql, n) : run_private(w, &t);
		w->head_ns += clock_mono_ns() - begun;
	} else {
		*ret = PG_STOPPED;
	}
	instance_return(w->r, &t, *ret == PG_OK || *ret == PG_FAILED || *ret == PG_NOT_READ_ONLY);
	return true;
}

static void count_retry(struct walk *w)
{
	pthread_mutex_lock(&w->j->lock);
	w->b->retries++;
	pthread_mutex_unlock(&w->j->lock);
	obs_count(OBS_M_JOB_RETRIES);
	w->error = (struct job_error){0};
	job_line(w->j, JOB_AT_HEAD_EXECUTION, "warn", "the instance was lost; once more");
}

static bool end_head(struct walk *w, enum pg_outcome o)
{
	pthread_mutex_lock(&w->j->lock);
	w->b->head_us = w->head_ns / 1000;
	pthread_mutex_unlock(&w->j->lock);
	obs_observe(OBS_M_JOB_HEAD_SECONDS, w->head_ns);
	switch (o) {
	case PG_OK:
		return true;
	case PG_STOPPED:
		return fail(w->c, ERR_CANCELED, "the job was canceled");
	case PG_LATE:
		return fail(w->c, ERR_STATEMENT_TIMEOUT, "the job timed out");
	case PG_LOST:
		w->error = (struct job_error){.code = S("instance_lost"), .message = S("the PostgreSQL instance ended"),
					      .stage = JOB_AT_HEAD_EXECUTION, .sqlstate = "57P01"};
		return false;
	case PG_FAILED:
	case PG_NOT_READ_ONLY:
		break;
	}
	return w->error.code.n ? false : fail(w->c, ERR_INTERNAL, "the head failed without a word");
}

/* Read-only heads on the shared instance. What is lost is tried once more when nothing of it can have had an effect. */
static bool run_head(struct walk *w)
{
	struct script_run run = run_of(w, NULL);
	enum pg_outcome o = PG_OK;
	struct str *sql = NULL;
	bool retried = false;
	int n = 0;

	if (w->s->private_instance || !script_read_only(w->c, &run, w->s->head, &sql, &n)) {
		sql = NULL;
		call_forgive(w->c);
	}
	for (;;) {
		if (!try_head(w, sql, n, &o))
			return false;
		if (o == PG_NOT_READ_ONLY && sql) {
			sql = NULL;
			w->executed = 0;
			continue;
		}
		if (o != PG_LOST || retried || w->executed > 0 || atomic_load(&w->j->stop.on))
			return end_head(w, o);
		retried = true;
		count_retry(w);
	}
}

/* --- the end --- */

static bool asked_to_stop(struct job *j)
{
	bool asked;

	pthread_mutex_lock(&j->lock);
	asked = j->asked;
	pthread_mutex_unlock(&j->lock);
	return asked;
}

/* What PostgreSQL or a file said of itself wins over the clock that passed meanwhile. */
static bool late(const struct walk *w)
{
	bool told = w->error.code.n && strcmp(w->error.sqlstate, "57014") != 0;

	return w->c->err.kind == ERR_STATEMENT_TIMEOUT || (!told && clock_mono_ms() >= w->c->deadline_ms);
}

static enum job_status judge(struct walk *w, struct job_error *ret)
{
	enum job_stage stage = w->b->stage;

	if (asked_to_stop(w->j))
		return JOB_CANCELED; /* its own words */
	if (late(w))
		*ret = (struct job_error){.code = S("timeout"), .sqlstate = "57014", .path = w->error.path, .line = w->error.line,
					  .column = w->error.column, .statement = w->error.statement,
					  .message = arena_fmt(w->c->arena, "the job took longer than %lld ms, in stage %s",
							       (long long)w->s->timeout_ms, job_stage_name(stage))};
	else if (w->error.code.n)
		*ret = w->error;
	else
		job_error_of_call(w->c, stage, ret);
	ret->stage = stage;
	return JOB_FAILED;
}

static bool walk(struct walk *w)
{
	if (!parse(w) || !look_up(w) || !run_head(w))
		return false;
	enter_stage(w, JOB_AT_PUBLISHING);
	return job_move(w->j, JOB_PUBLISHING);
}

static void open_walk(struct walk *w, struct job *j, struct arena *a)
{
	pthread_mutex_lock(&j->lock);
	pg_stop_open(&j->stop);
	j->stop_open = true;
	if (j->asked)
		pg_stop_ask(&j->stop);
	j->body->started_ms = clock_wall_ms();
	j->body->started_ns = clock_mono_ns();
	pthread_mutex_unlock(&j->lock);
	*w = (struct walk){.j = j, .r = j->runner, .b = job_body_of(j)};
	w->s = w->b->spec;
	call_open(&w->call, a);
	w->c = &w->call;
	w->c->tenant = job_tenant_of(j);
	w->c->principal = j->principal;
	w->c->request_id = w->b->call_id;
	obs_span_begin(&w->span, OBS_SPAN_INTERNAL, "job", w->b->traceparent);
	w->c->traceparent = obs_span_context(&w->span, w->trace, w->b->traceparent);
	w->c->deadline_ms = clock_mono_ms() + w->s->timeout_ms;
	w->c->cancel = &j->stop.on;
}

/* What follows looks at no deadline and no stop sign: the end is written in any case. */
static void close_walk(struct walk *w, enum job_status to, const struct job_error *e)
{
	span_end(w, to, e);
	if (w->layer)
		layer_release(w->layer);
	w->c->deadline_ms = 0;
	w->c->cancel = NULL;
	call_forgive(w->c);
	job_finish(w->c, w->j, to, to == JOB_FAILED ? e : NULL);
	pthread_mutex_lock(&w->j->lock);
	w->j->stop_open = false;
	pg_stop_close(&w->j->stop);
	pthread_mutex_unlock(&w->j->lock);
	job_body_unref(w->b);
}

void job_walk(struct job *j)
{
	struct job_error error = {0};
	OWNS(arena) a = {0};
	struct walk w;

	open_walk(&w, j, &a);
	INVARIANT(job_move(j, JOB_PREPARING)); /* who was queued is canceled by taking it out of the queue */
	job_tell(j, w.c, "started");
	keep_started(w.c, j);
	if (walk(&w))
		close_walk(&w, JOB_COMPLETED, NULL);
	else
		close_walk(&w, judge(&w, &error), &error);
}
