/* keep.c - who has a job: leases with fencing tokens in kv/, take-over from servers that died, the scan of the store.
 *
 *   runner/lease/<tenant>/<id>    "<server> <nonce> <status> <stage>", JOB_LEASE_MS, renewed; its version is the token
 *   runner/active/<tenant>/<id>   "<server> <0|1: started>": recorded and not ended (or with webhooks to deliver)
 *   runner/cancel/<tenant>/<id>   somebody asked another server
 *
 * What is active and has no lease belongs to who takes the lease. A job is begun JOB_ATTEMPTS times at most; each further attempt
 * is an object of its own in the record, so two servers cannot both make it. Where kv/ is not shared, servers do not see each
 * other's active jobs and leave them alone.
 */
#include "runner/job_int.h"

#include <stdio.h>
#include <stdlib.h>

static struct str key_of(struct call *c, const char *kind, struct str tenant, struct str id)
{
	return arena_fmt(c->arena, "runner/%s/%.*s/%.*s", kind, SARG(tenant), SARG(id));
}

static struct str key_for(struct call *c, const char *kind, const struct job *j)
{
	return key_of(c, kind, job_tenant_of(j), job_id(j));
}

static struct str lease_text(struct call *c, struct job *j)
{
	struct job_body *b = job_body_of(j);
	struct str text = arena_fmt(c->arena, "%.*s %s %s", SARG(j->runner->o.server), job_fsm[job_status_of(j)].name,
				    job_stage_name(b ? b->stage : JOB_AT_PARSING));

	job_body_unref(b);
	return text;
}

static bool of_server(const struct runner *r, struct str value)
{
	return str_eq(str_cut(&value, ' '), r->o.server);
}

/* --- one lease --- */

/* The version that a put of ours gave. */
static bool learn(struct call *c, struct job *j)
{
	struct kv_record there;

	if (!kv_get(c, j->runner->o.kv, key_for(c, "lease", j), &there))
		return false;
	if (!of_server(j->runner, there.value))
		return fail(c, ERR_CONFLICT, "another server has job %s", j->id);
	pthread_mutex_lock(&j->lock);
	j->lease_version = there.version;
	j->renewed_ms = clock_mono_ms();
	pthread_mutex_unlock(&j->lock);
	return true;
}

static bool put_lease(struct call *c, struct job *j, uint64_t expected)
{
	return kv_put(c, j->runner->o.kv, key_for(c, "lease", j), lease_text(c, j), expected, JOB_LEASE_MS) && learn(c, j);
}

static bool put_active(struct call *c, struct job *j, bool started)
{
	int64_t ttl = j->expires_ms - clock_wall_ms() + JOB_GONE_MS;

	return kv_put(c, j->runner->o.kv, key_for(c, "active", j), arena_fmt(c->arena, "%.*s %d", SARG(j->runner->o.server), started),
		      KV_ANY, ttl > JOB_GONE_MS ? ttl : JOB_GONE_MS);
}

bool keep_lease(struct call *c, struct job *j)
{
	struct kv_record there;

	if (j->lease_version)
		return true;
	if (!put_lease(c, j, KV_ABSENT)) {
		if (c->err.kind != ERR_CONFLICT)
			return false;
		call_forgive(c);
		if (!kv_get(c, j->runner->o.kv, key_for(c, "lease", j), &there))
			return false;
		if (!of_server(j->runner, there.value)) /* ours are those of a process that is dead */
			return fail(c, ERR_CONFLICT, "another server has job %s", j->id);
		if (!put_lease(c, j, there.version))
			return false;
	}
	return put_active(c, j, job_status_of(j) != JOB_PENDING);
}

/* An answer that does not come says nothing: then the record, which is written once, decides. */
bool keep_still(struct call *c, struct job *j)
{
	bool ok;

	ok = j->lease_version ? put_lease(c, j, j->lease_version) : keep_lease(c, j);
	if (!ok && c->err.kind == ERR_CONFLICT && j->lease_version) { /* it ran out: is it free? */
		call_forgive(c);
		ok = put_lease(c, j, KV_ABSENT);
	}
	if (!ok && c->err.kind == ERR_CONFLICT) {
		call_forgive(c);
		return false;
	}
	if (!ok)
		call_forgive(c);
	return true;
}

void keep_started(struct call *c, struct job *j)
{
	bool recorded;

	pthread_mutex_lock(&j->lock);
	recorded = j->recorded;
	pthread_mutex_unlock(&j->lock);
	if (recorded && !put_active(c, j, true))
		call_forgive(c);
}

void keep_ended(struct call *c, struct job *j)
{
	struct kv *kv = j->runner->o.kv;
	uint64_t version;

	if (hooks_pending(j))
		return;
	pthread_mutex_lock(&j->lock);
	version = j->lease_version;
	j->lease_version = 0;
	pthread_mutex_unlock(&j->lock);
	if (version == 0)
		return;
	if (!kv_drop(c, kv, key_for(c, "active", j), KV_ANY))
		call_forgive(c);
	if (!kv_drop(c, kv, key_for(c, "lease", j), version))
		call_forgive(c);
}

void keep_gone(struct call *c, struct job *j)
{
	static const char *const kinds[] = {"active", "lease", "cancel"};

	if (!j->recorded)
		return;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (!kv_drop(c, j->runner->o.kv, key_for(c, kinds[i], j), KV_ANY))
			call_forgive(c);
	j->lease_version = 0;
}

void keep_leave(struct call *c, struct job *j)
{
	uint64_t version;

	pthread_mutex_lock(&j->lock);
	version = j->lease_version;
	j->lease_version = 0;
	j->mine = false;
	pthread_mutex_unlock(&j->lock);
	if (version && !kv_drop(c, j->runner->o.kv, key_for(c, "lease", j), version))
		call_forgive(c);
}

void keep_lost(struct call *c, struct job *j)
{
	pthread_mutex_lock(&j->lock);
	j->mine = false;
	j->lease_version = 0;
	pthread_mutex_unlock(&j->lock);
	obs_log(OBS_WARN, "runner", "job %s belongs to another server now", j->id);
	if (!record_refresh(c, j))
		call_forgive(c);
}

enum job_status keep_status(struct job *j, struct record_head *h)
{
	struct runner *r = j->runner;
	enum job_status found = JOB_PENDING;
	OWNS(arena) a = {0};
	struct kv_record there;
	struct str rest, status;
	struct call c;

	call_open(&c, &a);
	if (!kv_get(&c, r->o.kv, key_for(&c, "lease", j), &there))
		return JOB_PENDING;
	rest = there.value;
	str_cut(&rest, ' ');
	status = str_cut(&rest, ' ');
	for (int i = JOB_PENDING; i <= JOB_PUBLISHING; i++)
		if (str_eq(status, str_of(job_fsm[i].name)))
			found = (enum job_status)i;
	for (int i = 0; i < JOB_STAGES; i++)
		if (str_eq(rest, str_of(job_stage_name((enum job_stage)i))))
			h->body->stage = (enum job_stage)i;
	return found;
}

bool keep_cancel(struct call *c, struct job *j)
{
	struct kv_record there;

	if (!kv_get(c, j->runner->o.kv, key_for(c, "lease", j), &there)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return fail(c, ERR_WRONG_SERVER, "job %s is another server's, which cannot be asked from here", j->id);
	}
	return kv_put(c, j->runner->o.kv, key_for(c, "cancel", j), S("1"), KV_ANY, JOB_GONE_MS);
}

/* --- taking over --- */

static bool fail_lost(struct call *c, struct job *j)
{
	struct job_error e = {.code = S("server_lost"), .sqlstate = "57P01", .stage = JOB_AT_PARSING,
			      .message = arena_fmt(c->arena, "the server that ran the job ended, %d times", JOB_ATTEMPTS)};

	job_finish(c, j, JOB_FAILED, &e);
	return true;
}

/* The next attempt is whose object it is. */
static bool claim_attempt(struct call *c, struct job *j)
{
	struct store *s = j->runner->o.store;
	char name[32];

	snprintf(name, sizeof(name), "attempt_%d", j->attempts);
	if (!s->ops->put(c, s, job_record_key(c->arena, j, name), j->runner->o.server, STORE_NEW))
		return false;
	pthread_mutex_lock(&j->lock);
	j->body->retries = j->attempts;
	j->attempts++;
	pthread_mutex_unlock(&j->lock);
	return true;
}

enum taken { NOT_TAKEN, TO_RUN, TO_FAIL };

/* A lease that nobody renews would keep others away until it is over. */
static enum taken left(struct call *c, struct job *j)
{
	keep_leave(c, j);
	return NOT_TAKEN;
}

static enum taken take(struct call *c, struct job *j, bool begun)
{
	bool ended, started;

	if (!keep_lease(c, j))
		return NOT_TAKEN;
	if (!record_refresh(c, j))
		return left(c, j);
	pthread_mutex_lock(&j->lock);
	ended = job_terminal(j->status);
	started = j->started && !j->gone;
	pthread_mutex_unlock(&j->lock);
	if (ended && started) {
		struct job_body *b = job_body_of(j);

		if (b)
			hooks_resume(c, j, b);
		job_body_unref(b);
	}
	if (ended || !started) {
		keep_ended(c, j);
		return NOT_TAKEN;
	}
	if (begun && j->attempts >= JOB_ATTEMPTS)
		return TO_FAIL;
	return begun && !claim_attempt(c, j) ? left(c, j) : TO_RUN;
}

/* `begun`: it may have run, so this is another attempt. */
static void take_over(struct call *c, struct job *j, bool begun)
{
	enum taken t;
	bool mine;

	job_enter(j);
	pthread_mutex_lock(&j->lock);
	mine = j->mine || j->gone;
	pthread_mutex_unlock(&j->lock);
	t = mine ? NOT_TAKEN : take(c, j, begun);
	call_forgive(c);
	if (t != NOT_TAKEN)
		job_begin_again(j);
	pthread_mutex_lock(&j->lock);
	j->mine |= t != NOT_TAKEN;
	pthread_mutex_unlock(&j->lock);
	job_leave(j);
	if (t == TO_FAIL)
		fail_lost(c, j);
	if (t != TO_RUN)
		return;
	obs_log(OBS_INFO, "runner", "job %s is taken up", j->id);
	job_line(j, JOB_AT_PARSING, "warn", "taken up by another process: %s",
		 begun ? "once more from its beginning" : "it had not begun");
	if (!jobs_queue(c, j, true))
		call_forgive(c); /* the server stops */
}

static struct job *find_or_load(struct call *c, struct runner *r, struct str tenant, struct str id)
{
	struct job *j = jobs_get(r, id), *loaded;

	c->tenant = tenant;
	if (j)
		return j;
	if (!record_load(c, r, tenant, id, &loaded)) {
		call_forgive(c);
		return NULL;
	}
	j = jobs_put(loaded);
	job_unref(loaded);
	jobs_known(c, j);
	return j;
}

static bool on_active(void *arg, struct str key, const struct kv_record *value)
{
	struct { struct call *c; struct runner *r; } *at = arg;
	struct call *c = at->c;
	struct kv_record there;
	struct str rest = str_tail(key, sizeof("runner/active/") - 1), tenant = str_cut(&rest, '/');
	struct job *j;

	if (kv_get(c, at->r->o.kv, key_of(c, "lease", tenant, rest), &there) || c->err.kind != ERR_NOT_FOUND) {
		call_forgive(c);
		return true;
	}
	call_forgive(c);
	j = tenant_name_valid(tenant) && id_valid(rest) ? find_or_load(c, at->r, tenant, rest) : NULL;
	if (j)
		take_over(c, j, !str_ends(value->value, S(" 0")));
	else if (!kv_drop(c, at->r->o.kv, key, value->version)) /* its record is gone */
		call_forgive(c);
	job_unref(j);
	return true;
}

static bool nothing(void *arg, struct str key, const struct kv_record *value)
{
	(void)arg;
	(void)key;
	(void)value;
	return false;
}

/* While kv could not be reached nobody renewed, and leases ran out: whoever lives has time to renew first. */
static void take_over_lost(struct call *c, struct runner *r)
{
	struct { struct call *c; struct runner *r; } at = {c, r};
	int64_t now = clock_mono_ms(), blind = atomic_load(&r->jobs->blind_ms);
	bool wait = blind && now - blind < JOB_RENEW_MS;

	if (kv_scan(c, r->o.kv, S("runner/active/"), wait ? nothing : on_active, &at))
		return;
	if (c->err.kind == ERR_UNAVAILABLE)
		atomic_store(&r->jobs->blind_ms, now);
	call_forgive(c);
}

/* --- the scan: what the store has that this server does not know; at start what this server had --- */

struct scan {
	struct call *c;
	struct runner *r;
	struct str tenant;
};

static bool was_begun(struct call *c, struct job *j)
{
	struct kv_record there;
	bool begun = !kv_get(c, j->runner->o.kv, key_for(c, "active", j), &there) || !str_ends(there.value, S(" 0"));

	call_forgive(c);
	return begun;
}

static bool on_record(void *arg, struct str id)
{
	struct scan *s = arg;
	struct job *j = jobs_get(s->r, id);
	struct job_body *b;

	if (!j && (j = find_or_load(s->c, s->r, s->tenant, id)) != NULL && !j->theirs) {
		b = job_ended(j) ? job_body_of(j) : NULL;
		if (b && b->nhooks)
			hooks_resume(s->c, j, b);
		else if (!b)
			take_over(s->c, j, was_begun(s->c, j));
		job_body_unref(b);
	}
	job_unref(j);
	return true;
}

static void scan(struct call *c, struct runner *r)
{
	struct scan s = {.c = c, .r = r};
	struct str *tenants;
	int64_t kept;
	int n;

	if (!runner_tenants(c, r, &tenants, &n)) {
		call_forgive(c);
		return;
	}
	for (int i = 0; i < n; i++) {
		s.tenant = tenants[i];
		if (!record_ids(c, r, tenants[i], on_record, &s))
			call_forgive(c);
		if (batches_sweep(c, r, tenants[i], &kept))
			jobs_set_batched(r, tenants[i], kept);
		else
			call_forgive(c);
	}
}

/* --- the tick --- */

static void renew(struct call *c, struct job *j)
{
	if (keep_still(c, j))
		return;
	pthread_mutex_lock(&j->lock); /* its walk ends, and finds that its end is not to be written */
	j->lease_version = 0;
	if (j->stop_open)
		pg_stop_ask(&j->stop);
	pthread_mutex_unlock(&j->lock);
}

static void look_for_cancel(struct call *c, struct job *j)
{
	struct kv_record there;

	if (kv_get(c, j->runner->o.kv, key_for(c, "cancel", j), &there) && !job_cancel(c, j))
		call_forgive(c);
	call_forgive(c);
}

static void look_after(struct call *c, struct job *j)
{
	bool mine, active, watched, leased, recorded, late;

	c->tenant = job_tenant_of(j);
	pthread_mutex_lock(&j->lock);
	active = j->started && !job_terminal(j->status) && !j->gone && !j->left;
	mine = j->mine;
	leased = j->lease_version != 0 && clock_mono_ms() - j->renewed_ms >= JOB_RENEW_MS;
	recorded = j->recorded;
	watched = j->watchers != NULL;
	late = clock_wall_ms() - j->created_ms >= JOB_RECORD_AFTER_MS;
	pthread_mutex_unlock(&j->lock);
	if (mine && leased && job_try_enter(j)) { /* who has its turn now looks at the lease itself, or is soon done */
		renew(c, j);
		job_leave(j);
	}
	if (mine && active && recorded)
		look_for_cancel(c, j);
	if (mine && active && !recorded && late && !job_acknowledge(c, j))
		call_forgive(c);
	if (!mine && active && watched) {
		job_enter(j);
		if (!record_refresh(c, j))
			call_forgive(c);
		job_leave(j);
		job_told(j);
	}
}

void keep_now(struct call *c, struct runner *r, bool scan_too)
{
	struct job **all;
	int n = jobs_all(r, &all);

	for (int i = 0; i < n; i++) {
		look_after(c, all[i]);
		job_unref(all[i]);
	}
	free(all);
	take_over_lost(c, r);
	if (scan_too)
		scan(c, r);
}
