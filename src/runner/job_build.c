/* job_build.c - jobs that are there: found, assembled in parts, started, acknowledged, extended, listed.
 *
 * Whoever changes a job holds its turn. A job that is recorded is changed in its record first: what was answered
 * survives this process, and another server that appends to the same job is seen.
 */
#include "runner/job_int.h"

#include <stdio.h>
#include <stdlib.h>

/* --- found --- */

static bool check_found(struct call *c, struct job *j)
{
	bool gone, expired;

	pthread_mutex_lock(&j->lock);
	gone = j->gone;
	expired = j->expired;
	pthread_mutex_unlock(&j->lock);
	if (!job_visible(c, j) || (gone && !expired))
		return fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(job_id(j)));
	return !expired || fail(c, ERR_JOB_EXPIRED, "job %.*s has expired", SARG(job_id(j)));
}

static bool is_elsewhere(struct job *j)
{
	bool elsewhere;

	pthread_mutex_lock(&j->lock);
	elsewhere = !j->gone && j->recorded && !job_terminal(j->status) && !(j->mine && j->started);
	pthread_mutex_unlock(&j->lock);
	return elsewhere;
}

/* Of another server, or not started: its record may say more by now. With its turn. */
static bool look_again(struct call *c, struct job *j)
{
	return !is_elsewhere(j) || record_refresh(c, j);
}

static bool look_with_turn(struct call *c, struct job *j)
{
	bool ok;

	if (!is_elsewhere(j))
		return true;
	job_enter(j);
	ok = look_again(c, j);
	job_leave(j);
	return ok;
}

bool job_find(struct call *c, struct runner *r, struct str id, struct job **ret)
{
	struct job *j = NULL, *loaded;

	if (!id_valid(id))
		return fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(str_head(id, 64)));
	j = jobs_get(r, id);
	if (!j) {
		if (!record_load(c, r, c->tenant, id, &loaded))
			return false;
		j = jobs_put(loaded);
		job_unref(loaded);
		jobs_known(c, j);
	}
	if (check_found(c, j) && look_with_turn(c, j) && check_found(c, j)) {
		*ret = j;
		return true;
	}
	job_unref(j);
	return false;
}

/* --- acknowledged --- */

static bool put_request(struct call *c, struct job *j)
{
	struct store *s = j->runner->o.store;
	OWNS(buf) b = {0};
	bool ok, begun;

	if (j->started && !keep_lease(c, j))
		return false;
	record_request(j, j->body, &b);
	ok = s->ops->put(c, s, job_record_key(c->arena, j, "request"), buf_str(&b), STORE_REPLACE);
	if (!ok)
		return false;
	pthread_mutex_lock(&j->lock);
	j->recorded = true;
	begun = j->status != JOB_PENDING;
	pthread_mutex_unlock(&j->lock);
	if (begun && j->started) /* it may not have seen that it was recorded */
		keep_started(c, j);
	return true;
}

bool job_acknowledge(struct call *c, struct job *j)
{
	bool gone, ended, done, ok = true;

	job_enter(j);
	pthread_mutex_lock(&j->lock);
	gone = j->gone;
	ended = job_terminal(j->status);
	done = ended ? j->stored : j->recorded;
	pthread_mutex_unlock(&j->lock);
	if (gone)
		ok = fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(job_id(j)));
	else if (!done)
		ok = ended ? record_put_end(c, j) : put_request(c, j);
	job_leave(j);
	return ok;
}

/* --- assembled --- */

void part_fingerprint(const struct job_ask *ask, char ret[RUNNER_HEX + 1])
{
	OWNS(buf) all = {0};

	buf_add(&all, ask->fingerprint);
	for (int i = 0; !ask->fingerprint.n && i < ask->nfiles; i++) {
		const struct job_file *f = &ask->files[i];

		buf_fmt(&all, "f%zu:%.*s%zu:%.*s", f->path.n, SARG(f->path), f->etag.n, SARG(f->etag));
		buf_fmt(&all, "%zu:", f->content.n);
		buf_add(&all, f->content);
	}
	for (int i = 0; !ask->fingerprint.n && ask->chain && i < ask->nchain; i++)
		buf_fmt(&all, "c%zu:%.*s", ask->chain[i].n, SARG(ask->chain[i]));
	hash_sha256_hex(buf_str(&all), ret);
}

/* 1: it came before, the same; 0: it is new; -1: it came before with other files. */
static int find_part(const struct job_spec *s, const struct job_ask *ask)
{
	char fingerprint[RUNNER_HEX + 1];

	if (!ask->part.n)
		return 0;
	part_fingerprint(ask, fingerprint);
	for (int i = 0; i < s->nparts; i++)
		if (str_eq(s->parts[i].name, ask->part))
			return strcmp(s->parts[i].fingerprint, fingerprint) == 0 ? 1 : -1;
	return 0;
}

static bool may_change(struct call *c, struct job *j)
{
	bool started;

	if (!look_again(c, j) || !check_found(c, j))
		return false;
	pthread_mutex_lock(&j->lock);
	started = j->started || j->status != JOB_PENDING;
	pthread_mutex_unlock(&j->lock);
	return !started || fail(c, ERR_JOB_STARTED, "job %.*s has started", SARG(job_id(j)));
}

static bool check_contents(struct call *c, struct job *j)
{
	struct job_spec *s = j->body->spec;

	for (int i = 0; i < s->tree.n; i++)
		if (!s->tree.files[i].content.p)
			return tree_check_blobs(c, j->runner, &s->tree) && tree_hold(c, j->runner, &s->tree, j->expires_ms);
	return true;
}

/* The contents that an append names must be there; said before it changes anything. */
static bool check_new(struct call *c, struct job *j, const struct job_ask *ask)
{
	struct job_spec *s;
	bool ok = true, etags = false;

	for (int i = 0; i < ask->nfiles; i++)
		etags |= ask->files[i].content.p == NULL;
	if (!etags)
		return true;
	if (!spec_of_ask(c, j->runner, ask, &s))
		return false;
	ok = tree_check_blobs(c, j->runner, &s->tree) && tree_hold(c, j->runner, &s->tree, j->expires_ms);
	spec_drop(j->runner, s);
	return ok;
}

/* Its place among the parts is its name in the record: who puts it first has it. */
static bool put_part(struct call *c, struct job *j, const struct job_ask *ask)
{
	struct store *s = j->runner->o.store;
	char name[32], fingerprint[RUNNER_HEX + 1];
	OWNS(buf) b = {0};

	if (!j->recorded)
		return true;
	part_fingerprint(ask, fingerprint);
	record_part(ask, fingerprint, &b);
	snprintf(name, sizeof(name), "parts/%06d", j->body->spec->nparts - 1);
	return s->ops->put(c, s, job_record_key(c->arena, j, name), buf_str(&b), STORE_NEW);
}

static void told_size(struct job *j, struct job_size *ret)
{
	body_measure(j, j->body);
	ret->parts = j->body->nparts;
	ret->files = j->body->nfiles;
	ret->bytes = j->body->bytes;
}

/* What is in memory is not what its record is any more: the record decides. */
static bool forget_body(struct call *c, struct job *j)
{
	struct err why = c->err;

	call_forgive(c);
	if (!record_refresh(c, j))
		call_forgive(c);
	return fail_as(c, &why);
}

static bool append(struct call *c, struct job *j, const struct job_ask *ask, struct job_size *ret)
{
	struct job_ask part = {.files = ask->files, .nfiles = ask->nfiles, .chain = ask->chain, .nchain = ask->nchain,
			       .part = ask->part, .fingerprint = ask->fingerprint};
	int before;

	if (!may_change(c, j))
		return false;
	before = find_part(j->body->spec, &part);
	if (before < 0)
		return fail(c, ERR_PART_CONFLICT, "part %.*s came before, with other files", SARG(part.part));
	if (before > 0) {
		told_size(j, ret);
		return true;
	}
	if (!check_new(c, j, &part) || !spec_add(c, j->runner, &j->body->spec, &part))
		return false;
	if (!put_part(c, j, &part))
		return forget_body(c, j);
	told_size(j, ret);
	return true;
}

bool job_append(struct call *c, struct job *j, const struct job_ask *ask, struct job_size *ret)
{
	bool ok;

	job_enter(j);
	ok = append(c, j, ask, ret);
	if (ok)
		job_expect(c, j);
	job_leave(j);
	if (ok)
		job_told(j);
	return ok;
}

/* --- started --- */

static bool put_run(struct call *c, struct job *j)
{
	struct store *s = j->runner->o.store;
	OWNS(buf) b = {0};

	if (!j->recorded)
		return true;
	if (!keep_lease(c, j))
		return false;
	record_run(j, j->body, &b);
	if (s->ops->put(c, s, job_record_key(c->arena, j, "run"), buf_str(&b), STORE_NEW))
		return true;
	if (c->err.kind != ERR_CONFLICT)
		return false;
	call_forgive(c);
	return fail(c, ERR_JOB_STARTED, "job %.*s has started", SARG(job_id(j)));
}

static void add_hooks(struct job_body *b, const struct job_ask *ask)
{
	struct job_hook *v = ARENA_ARRAY(&b->arena, struct job_hook, (size_t)ask->nhooks + 1);

	if (ask->nhooks == 0)
		return;
	for (int i = 0; i < ask->nhooks; i++)
		v[i] = (struct job_hook){arena_dup(&b->arena, ask->hooks[i].url), arena_dup(&b->arena, ask->hooks[i].secret)};
	b->hooks = v;
	b->nhooks = ask->nhooks;
}

/* All that can be refused, before it is written down. */
static bool check_run(struct call *c, struct job *j, const struct job_ask *ask)
{
	struct job_spec *s = j->body->spec, before = *s;

	if (!ask->head_path.n && !s->head.n)
		return fail(c, ERR_INVALID_FIELD, "head_path is missing");
	if (check_new(c, j, ask) && spec_set(c, j->runner, s, ask) && check_contents(c, j) && job_may_start(c, j->runner, s))
		return true;
	spec_unset(s, &before);
	return false;
}

static bool run(struct call *c, struct job *j, const struct job_ask *ask)
{
	struct runner *r = j->runner;
	struct runner_caps caps;

	if (!r->o.backend)
		return fail(c, ERR_ENGINE_UNREACHABLE, "%s", r->o.backend_missing ? r->o.backend_missing : "there is no PostgreSQL");
	if (!job_limits(c, r, ask, &caps) || !may_change(c, j) || !check_run(c, j, ask))
		return false;
	pthread_mutex_lock(&j->lock);
	add_hooks(j->body, ask);
	if (ask->job_ttl_s)
		j->expires_ms = clock_wall_ms() + ask->job_ttl_s * 1000;
	pthread_mutex_unlock(&j->lock);
	body_measure(j, j->body);
	if (!put_run(c, j))
		return false;
	pthread_mutex_lock(&j->lock);
	j->mine = true;
	j->started = true;
	pthread_mutex_unlock(&j->lock);
	lease_set(r->o.lifecycle, &j->ttl, clock_mono_ms() + j->expires_ms - clock_wall_ms());
	if (jobs_queue(c, j, j->recorded)) /* what is written down is run, however many wait */
		return true;
	pthread_mutex_lock(&j->lock);
	j->started = j->recorded;
	pthread_mutex_unlock(&j->lock);
	return false;
}

bool job_run(struct call *c, struct job *j, const struct job_ask *ask)
{
	bool ok;

	job_enter(j);
	ok = run(c, j, ask);
	job_leave(j);
	return ok;
}

/* --- canceled, extended, dropped --- */

/* One that waits to be assembled cannot start any more. */
static bool take_unstarted(struct job *j)
{
	bool waited;

	job_enter(j);
	pthread_mutex_lock(&j->lock);
	waited = j->status == JOB_PENDING && !j->started;
	j->started |= waited;
	pthread_mutex_unlock(&j->lock);
	job_leave(j);
	return waited;
}

static bool cancel_here(struct call *c, struct job *j)
{
	bool started;

	pthread_mutex_lock(&j->lock);
	j->asked = true;
	if (j->stop_open)
		pg_stop_ask(&j->stop);
	started = j->started;
	pthread_mutex_unlock(&j->lock);
	if (jobs_unqueue(j) || (!started && (take_unstarted(j) || jobs_unqueue(j))))
		job_finish(c, j, JOB_CANCELED, NULL);
	return true;
}

bool job_cancel(struct call *c, struct job *j)
{
	bool ended, here;

	if (!look_with_turn(c, j) || !check_found(c, j))
		return false;
	pthread_mutex_lock(&j->lock);
	ended = job_terminal(j->status);
	here = j->mine || !j->started;
	pthread_mutex_unlock(&j->lock);
	if (ended)
		return true;
	return here ? cancel_here(c, j) : keep_cancel(c, j);
}

static bool put_expiry(struct call *c, struct job *j, int64_t expires_ms)
{
	struct store *s = j->runner->o.store;
	struct str text = arena_fmt(c->arena, "%lld", (long long)expires_ms);

	return s->ops->put(c, s, job_record_key(c->arena, j, "expires"), text, STORE_REPLACE);
}

/* What goes by a time of its own has a record of its own. */
static bool leave_batch(struct call *c, struct job *j)
{
	struct job_body *b = NULL;
	bool own, ok;

	pthread_mutex_lock(&j->lock);
	own = !j->batch && !(j->journaled && !j->stored);
	pthread_mutex_unlock(&j->lock);
	if (own)
		return true;
	b = job_body_of(j);
	if (!b && !record_body(c, j, &b))
		return false;
	ok = record_put_end(c, j);
	if (!ok && c->err.kind == ERR_CONFLICT) { /* an earlier try got that far */
		call_forgive(c);
		ok = true;
	}
	ok = ok && (!j->batch || batch_drop(c, j->runner, &(struct record_at){job_tenant_of(j), job_id(j)}, j->batch));
	job_body_unref(b);
	if (!ok || !j->batch)
		return ok;
	jobs_unbatched(j);
	pthread_mutex_lock(&j->lock);
	batch_unref(j->batch);
	j->batch = NULL;
	pthread_mutex_unlock(&j->lock);
	return jobs_count(c, j, INT64_MAX);
}

static bool extend(struct call *c, struct job *j, int64_t expires_ms)
{
	struct job_body *b;
	bool written;

	if (!leave_batch(c, j))
		return false;
	b = job_body_of(j);

	pthread_mutex_lock(&j->lock);
	written = j->recorded || j->stored || j->journaled;
	pthread_mutex_unlock(&j->lock);
	if (b && b->spec && !tree_hold(c, j->runner, &b->spec->tree, expires_ms)) {
		job_body_unref(b);
		return false;
	}
	if (b)
		request_extend(c, j, b, expires_ms - clock_wall_ms());
	job_body_unref(b);
	if (written && !put_expiry(c, j, expires_ms))
		return false;
	pthread_mutex_lock(&j->lock);
	j->expires_ms = expires_ms;
	pthread_mutex_unlock(&j->lock);
	lease_set(j->runner->o.lifecycle, &j->ttl, clock_mono_ms() + expires_ms - clock_wall_ms());
	return true;
}

bool job_extend(struct call *c, struct job *j, int64_t job_ttl_s)
{
	struct runner_caps caps;
	bool ok;

	j->runner->o.caps(j->runner->o.arg, job_tenant_of(j), &caps);
	if (job_ttl_s < 1)
		return fail(c, ERR_INVALID_FIELD, "job_ttl: 1 or more");
	if (job_ttl_s > caps.job_ttl_s)
		return fail(c, ERR_PLAN_LIMIT, "job_ttl: at most %lld seconds for this tenant", (long long)caps.job_ttl_s);
	job_enter(j);
	ok = check_found(c, j) && extend(c, j, clock_wall_ms() + job_ttl_s * 1000);
	job_leave(j);
	return ok;
}

bool job_drop(struct call *c, struct job *j)
{
	return check_found(c, j) && job_remove(c, j, false);
}
