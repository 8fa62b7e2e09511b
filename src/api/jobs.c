/* jobs.c - /v1/jobs: made, assembled, run, looked at, waited for, extended, canceled, dropped.
 *
 * Everything that reads or writes records runs on the pool; a job that is in memory is answered from the loop
 * once its end woke the request. A small job that nobody can know before it has ended is made on the loop as well.
 */
#include "api/api_int.h"

/* --- references and waiting --- */

static void unref(void *arg)
{
	job_unref(arg);
}

bool api_find_job(struct call *c, struct api *a, const struct http_req *in, struct job **ret)
{
	if (!job_find(c, a->runner, http_param(in, 0), ret))
		return false;
	arena_defer(c->arena, unref, *ret);
	return true;
}

static void watch_job(void *what, const struct watch *w)
{
	job_watch(what, w);
}

static void unwatch_job(void *what, const void *arg)
{
	job_unwatch(what, arg);
}

static const struct api_waitable jobs = {watch_job, unwatch_job, NULL, NULL};

static bool wait_for_end(struct call *c, struct http_res *out, struct job *j, int64_t wait_ms)
{
	return api_wait_for(c, out, &(struct api_wait){&jobs, j, j, wait_ms, false});
}

/* --- answers --- */

static bool write_job(struct call *c, struct http_res *out, int status, struct job *j, bool whole)
{
	struct json_out o = json_out(http_out(out));

	if (!job_write(c, j, whole, &o))
		return false;
	api_json(out, status);
	return true;
}

static struct str path_of(struct call *c, struct job *j, const char *more)
{
	return arena_fmt(c->arena, "/v1/jobs/%.*s%s", SARG(job_id(j)), more);
}

/* It goes on. */
static bool write_accepted(struct call *c, struct http_res *out, struct job *j)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, 202);
	http_set(out, "Location", path_of(c, j, ""));
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "job_id", job_id(j));
	JSON_FIELD_TEXT(&o, "status", str_of(job_fsm[job_status_of(j)].name));
	json_key(&o, S("links"));
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "self", path_of(c, j, ""));
	JSON_FIELD_TEXT(&o, "logs", path_of(c, j, "/logs"));
	JSON_FIELD_TEXT(&o, "results", path_of(c, j, "/results"));
	JSON_FIELD_TEXT(&o, "cancel", path_of(c, j, "/cancel"));
	json_end_object(&o);
	json_end_object(&o);
	return true;
}

/* --- making and running --- */

/* Begun, perhaps queued: waited for if the client prefers that. */
static bool answer_begun(struct call *c, const struct http_req *in, struct http_res *out, struct job *j)
{
	int64_t wait_ms = 0;

	if (api_prefer_wait(c, in, &wait_ms) && wait_ms > 0)
		return wait_for_end(c, out, j, wait_ms);
	return job_acknowledge(c, j) && write_accepted(c, out, j);
}

enum { SMALL_FILES = 200 };

/* Nothing of it is to be read, claimed or written down: it is handed to its thread, and the request waits. */
static bool is_light(struct call *c, const struct http_req *in, const struct job_ask *ask)
{
	int64_t wait_ms = 0;

	if (!ask->head_path.n || ask->request_id.n || ask->nfiles > SMALL_FILES || !api_prefer_wait(c, in, &wait_ms) || wait_ms <= 0)
		return false;
	for (int i = 0; i < ask->nfiles; i++)
		if (!ask->files[i].content.p)
			return false;
	return true;
}

bool api_create_job(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	bool on_pool = http_is_on_pool(out);
	struct api *a = rooms;
	struct job_ask ask;
	struct job *j;

	if (http_body(in).n > API_LARGE_BODY && !on_pool)
		return http_on_pool(out);
	if (!api_read_job(c, a, in, &ask))
		return false;
	if (!on_pool && !is_light(c, in, &ask))
		return http_on_pool(out);
	if (!job_create(c, a->runner, &ask, &j))
		return false;
	arena_defer(c->arena, unref, j);
	if (!ask.head_path.p) /* it waits to be assembled */
		return job_acknowledge(c, j) && write_accepted(c, out, j);
	return answer_begun(c, in, out, j);
}

bool api_run_job(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct job_ask ask;
	struct job *j;

	return api_read_run(c, a, in, &ask) && api_find_job(c, a, in, &j) && job_run(c, j, &ask) && answer_begun(c, in, out, j);
}

/* After waiting for what was begun: finished, or on its way and recorded. */
bool api_begun_job_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct job *j = api_note(out);
	bool ended = job_ended(j);

	(void)rooms;
	(void)in;
	if (!(ended && job_in_memory(j)) && !http_is_on_pool(out))
		return http_on_pool(out);
	if (!ended)
		return job_acknowledge(c, j) && write_accepted(c, out, j);
	http_set(out, "Preference-Applied", S("wait"));
	return write_job(c, out, 200, j, true);
}

bool api_append_job(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct api *a = rooms;
	struct job_size size;
	struct job_ask ask;
	struct job *j;

	if (!api_read_append(c, a, in, &ask) || !api_find_job(c, a, in, &j) || !job_append(c, j, &ask, &size))
		return false;
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_INT(&o, "parts", size.parts);
	JSON_FIELD_INT(&o, "files", size.files);
	JSON_FIELD_INT(&o, "bytes", size.bytes);
	json_end_object(&o);
	return true;
}

/* --- looking --- */

bool api_get_job(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	int64_t wait_s = 0, wait_ms = 0;
	struct job *j;

	if (!api_query_int(c, in, "wait", 0, API_WAIT_MAX_S, &wait_s) || !api_find_job(c, rooms, in, &j))
		return false;
	if (wait_s)
		wait_ms = wait_s * 1000;
	else
		api_prefer_wait(c, in, &wait_ms);
	if (wait_ms && !job_ended(j))
		return wait_for_end(c, out, j, wait_ms);
	return write_job(c, out, 200, j, true);
}

bool api_get_job_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct job *j = api_note(out);

	(void)rooms;
	(void)in;
	if (!job_in_memory(j) && !http_is_on_pool(out))
		return http_on_pool(out);
	return write_job(c, out, 200, j, true);
}

bool api_list_jobs(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct job_page page = {0};
	struct api *a = rooms;
	struct json_out o;
	struct job **items;
	bool ok = true;
	int n;

	http_query(c, in, "after", &page.after);
	if (!api_query_limit(c, in, &page.limit) || !job_list(c, a->runner, &page, &items, &n))
		return false;
	o = api_begin_list(out);
	for (int i = 0; i < n; i++) {
		ok = ok && job_write(c, items[i], false, &o);
		job_unref(items[i]);
	}
	api_end_list(&o, page.next);
	return ok;
}

/* --- its life --- */

bool api_extend_job(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const keys[] = {"job_ttl", NULL};
	const json_node *body;
	int64_t ttl_s = 0;
	struct job *j;

	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) || !json_want_int(c, body, "job_ttl", 1, API_JOB_TTL_MAX_S, &ttl_s))
		return false;
	if (!ttl_s)
		return fail(c, ERR_INVALID_FIELD, "job_ttl is missing");
	return api_find_job(c, rooms, in, &j) && job_extend(c, j, ttl_s) && write_job(c, out, 200, j, false);
}

/* 202 while it is being canceled, 200 when it had ended before: nothing happened. */
bool api_cancel_job(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct job *j;
	bool ended;

	if (!api_read_nothing(c, in) || !api_find_job(c, rooms, in, &j))
		return false;
	ended = job_ended(j);
	return job_cancel(c, j) && write_job(c, out, ended ? 200 : 202, j, false);
}

bool api_drop_job(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct job *j;

	if (!api_find_job(c, rooms, in, &j) || !job_drop(c, j))
		return false;
	http_status(out, 204);
	return true;
}
