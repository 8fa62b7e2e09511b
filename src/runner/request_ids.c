/* request_ids.c - the same request_id from the same tenant is the same job, on whatever server.
 *
 * One record in kv/ a request id: the job's id and the body's fingerprint, as long as the job. Who makes it is the one.
 * A job is in the map, its turn taken, before its record is made: who finds the record on this server waits for the turn,
 * who finds it on another waits for the job's record in the store.
 */
#include "runner/job_int.h"

#include <unistd.h>

enum { WAIT_MS = 5000, WAIT_STEP_US = 20000, TRIES = 4 };

static struct str request_key(struct call *c, const struct job *j, struct str request_id)
{
	char sum[SHA256_HEX + 1];

	hash_sha256_hex(request_id, sum);
	return arena_fmt(c->arena, "runner/request/%s/%s", j->tenant->name, sum);
}

static struct str record_of(struct call *c, const struct job *j, const struct job_body *b)
{
	char sum[SHA256_HEX + 1];

	hash_sha256_hex(b->fingerprint, sum);
	return arena_fmt(c->arena, "%s %s", j->id, sum);
}

/* The job of the id that is here and was made: NULL when it is not, or failed to be made. */
static struct job *found_here(struct runner *r, struct str id)
{
	struct job *j = jobs_get(r, id);
	bool gone;

	if (!j)
		return NULL;
	job_enter(j);
	job_leave(j);
	pthread_mutex_lock(&j->lock);
	gone = j->gone;
	pthread_mutex_unlock(&j->lock);
	if (!gone)
		return j;
	job_unref(j);
	return NULL;
}

static bool visible(struct call *c, struct job *there, struct job **ret)
{
	if (!job_visible(c, there)) {
		job_unref(there);
		return fail(c, ERR_REQUEST_ID_CONFLICT, "the request_id belongs to another job");
	}
	*ret = there;
	return true;
}

/* Another server has it: its record comes when it is acknowledged or has ended, a second later at most. */
static bool find_elsewhere(struct call *c, struct runner *r, struct str id, struct job **ret)
{
	for (int64_t end = clock_mono_ms() + WAIT_MS;;) {
		if (job_find(c, r, id, ret))
			return true;
		if (c->err.kind != ERR_NOT_FOUND || clock_mono_ms() >= end || (c->deadline_ms && clock_mono_ms() >= c->deadline_ms))
			return false;
		call_forgive(c);
		usleep(WAIT_STEP_US); /* another process: there is nothing to wait on */
	}
}

/* False with ERR_NOT_FOUND: the record's job is none any more. */
static bool follow(struct call *c, struct job *j, struct str record, struct job **ret)
{
	struct str id = str_head(record, ID_LEN), mine = record_of(c, j, j->body);
	struct job *there;

	if (!id_valid(id))
		return fail(c, ERR_NOT_FOUND, "no job");
	if (!str_eq(str_tail(record, ID_LEN), str_tail(mine, ID_LEN)))
		return fail(c, ERR_REQUEST_ID_CONFLICT, "the request_id came before, with another body");
	there = found_here(j->runner, id);
	if (there)
		return visible(c, there, ret);
	return find_elsewhere(c, j->runner, id, ret);
}

bool request_claim(struct call *c, struct job *j, struct job **ret)
{
	struct kv *kv = j->runner->o.kv;
	struct str key = request_key(c, j, j->body->request_id), mine = record_of(c, j, j->body);
	uint64_t expected = KV_ABSENT;

	for (int i = 0; i < TRIES; i++) {
		struct kv_record there;

		if (kv_put(c, kv, key, mine, expected, j->expires_ms - clock_wall_ms()))
			return true;
		if (c->err.kind != ERR_CONFLICT)
			return false;
		call_forgive(c);
		expected = KV_ABSENT;
		if (!kv_get(c, kv, key, &there)) {
			if (c->err.kind != ERR_NOT_FOUND)
				return false;
			call_forgive(c);
			continue;
		}
		if (follow(c, j, there.value, ret))
			return true;
		if (c->err.kind != ERR_NOT_FOUND && c->err.kind != ERR_JOB_EXPIRED)
			return false;
		call_forgive(c);
		expected = there.version; /* its job is gone: the id is free */
	}
	return fail(c, ERR_UNAVAILABLE, "the request_id is being used by others");
}

/* Only when it is this job's. */
static bool read_own(struct call *c, struct job *j, struct str key, struct kv_record *ret)
{
	if (kv_get(c, j->runner->o.kv, key, ret) && str_eq(str_head(ret->value, ID_LEN), job_id(j)))
		return true;
	call_forgive(c);
	return false;
}

void request_forget(struct call *c, struct job *j, struct job_body *b)
{
	struct kv_record there;
	struct str key;

	if (!b->request_id.n)
		return;
	key = request_key(c, j, b->request_id);
	if (read_own(c, j, key, &there) && !kv_drop(c, j->runner->o.kv, key, there.version))
		call_forgive(c);
}

void request_extend(struct call *c, struct job *j, struct job_body *b, int64_t ttl_ms)
{
	struct kv_record there;
	struct str key;

	if (!b->request_id.n)
		return;
	key = request_key(c, j, b->request_id);
	if (read_own(c, j, key, &there) && !kv_put(c, j->runner->o.kv, key, there.value, there.version, ttl_ms))
		call_forgive(c);
}
