/* operations.c - health, readiness, version, metrics, the contract itself. */
#include "api/api_int.h"

#include "obs/obs.h"

bool api_healthz(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	(void)in;
	api_json(out, 200);
	buf_lit(http_out(out), "{\"status\":\"ok\"}");
	return true;
}

/* --- /readyz: one entry a component --- */

static void put_layers(struct json_out *o, const struct engine_report *r)
{
	json_key(o, S("sandbox"));
	json_begin_object(o);
	JSON_FIELD_BOOL(o, "landlock", r->landlock);
	JSON_FIELD_BOOL(o, "seccomp", r->seccomp);
	JSON_FIELD_BOOL(o, "rlimits", r->rlimits);
	JSON_FIELD_BOOL(o, "own_uid", r->own_uid);
	json_end_object(o);
}

static void put_engine(struct json_out *o, struct api *a)
{
	struct engine_report r;

	engine_report(a->engine, &r);
	json_key(o, S("engine"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "status", S("ok"));
	JSON_FIELD_INT(o, "workers", r.workers);
	JSON_FIELD_INT(o, "running", r.running);
	JSON_FIELD_INT(o, "queued", r.queued);
	put_layers(o, &r);
	json_end_object(o);
}

static struct str store_status(const struct statement_stats *s)
{
	return s->unavailable ? S("unavailable") : s->degraded ? S("degraded") : S("ok");
}

static void put_redis(struct json_out *o, struct redis *r)
{
	struct redis_stats s;

	redis_stats(r, &s);
	json_key(o, S("redis"));
	json_begin_object(o);
	JSON_FIELD_BOOL(o, "up", redis_up(r));
	api_put_text(o, "version", str_of(s.version));
	JSON_FIELD_INT(o, "connections", s.connections);
	api_put_text(o, "missing", str_of(s.why));
	json_end_object(o);
}

static void put_store(struct json_out *o, struct api *a, const struct statement_stats *s)
{
	json_key(o, S("statement_store"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "status", store_status(s));
	JSON_FIELD_TEXT(o, "type", a->conf->storage_type);
	JSON_FIELD_INT(o, "live", (int64_t)s->live);
	JSON_FIELD_INT(o, "owed", (int64_t)s->owed);
	if (a->redis)
		put_redis(o, a->redis);
	json_end_object(o);
}

/* Asks it for a key that nobody writes: an answer is all that counts. */
static bool storage_answers(struct call *c, struct store *s)
{
	OWNS(buf) none = {0};
	bool ok = s->ops->get(c, s, S("ready"), 0, 1, &none) || c->err.kind == ERR_NOT_FOUND;

	call_forgive(c);
	return ok;
}

static void put_storage(struct json_out *o, struct api *a, bool ok)
{
	json_key(o, S("storage"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "status", ok ? S("ok") : S("unavailable"));
	JSON_FIELD_TEXT(o, "data_dir", a->conf->data_dir);
	JSON_FIELD_TEXT(o, "backend", str_of(a->storage->ops->name));
	JSON_FIELD_TEXT(o, "location", a->storage->location);
	json_end_object(o);
}

/* --- of the runner: without PostgreSQL the server does the rest of its work, unless it was told which one to use --- */

static const char *runner_status(const struct runner_report *r)
{
	return r->ready ? "ok" : r->missing ? "unavailable" : "disabled";
}

static bool runner_counts(struct api *a, const struct runner_report *r)
{
	return r->ready || !(a->conf->runner_postgres_dsn.n || a->conf->runner_postgres_bin_dir.n);
}

static void put_isolation(struct json_out *o, const struct pg_report *r)
{
	json_key(o, S("isolation"));
	json_begin_object(o);
	JSON_FIELD_BOOL(o, "user_namespace", r->userns);
	JSON_FIELD_BOOL(o, "pid_namespace", r->pidns);
	JSON_FIELD_BOOL(o, "network_namespace", r->netns);
	JSON_FIELD_BOOL(o, "mount_namespace", r->mountns);
	JSON_FIELD_BOOL(o, "seccomp", r->seccomp);
	JSON_FIELD_BOOL(o, "cgroup", r->cgroup);
	json_end_object(o);
}

static void put_runner(struct json_out *o, const struct runner_report *r)
{
	json_key(o, S("runner"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "status", str_of(runner_status(r)));
	api_put_text(o, "backend", str_of(r->pg.backend));
	api_put_text(o, "driver", str_of(r->pg.driver));
	api_put_text(o, "version", str_of(r->pg.version));
	api_put_text(o, "missing", r->missing ? str_of(r->missing) : str_of(r->pg.missing));
	if (r->ready) {
		put_isolation(o, &r->pg);
		JSON_FIELD_INT(o, "jobs_running", r->jobs_running);
		JSON_FIELD_INT(o, "jobs_queued", r->jobs_queued);
		JSON_FIELD_INT(o, "instances_warm", r->instances_warm);
		JSON_FIELD_INT(o, "instances_busy", r->instances_busy);
		JSON_FIELD_INT(o, "layers", r->layers);
		JSON_FIELD_INT(o, "layer_bytes", r->layer_bytes);
	}
	json_end_object(o);
}

bool api_readyz(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	bool draining = atomic_load(&a->draining), stored, ready;
	struct runner_report runs = {0};
	struct statement_stats kept;
	struct json_out o;

	(void)in;
	stored = storage_answers(c, a->storage);
	statements_stats(a->statements, &kept);
	runner_report(a->runner, &runs);
	ready = stored && !kept.unavailable && runner_counts(a, &runs);
	o = json_out(http_out(out));
	api_json(out, draining || !ready ? 503 : 200);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "status", draining ? S("draining") : ready ? (kept.degraded ? S("degraded") : S("ok")) : S("unavailable"));
	put_engine(&o, a);
	put_storage(&o, a, stored);
	put_store(&o, a, &kept);
	put_runner(&o, &runs);
	json_end_object(&o);
	return true;
}

bool api_version(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct api *a = rooms;
	struct runner_report runs = {0};
	struct engine_report r;

	(void)c;
	(void)in;
	engine_report(a->engine, &r);
	runner_report(a->runner, &runs);
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "name", S("mayfly"));
	JSON_FIELD_TEXT(&o, "version", S(MAYFLY_VERSION));
	json_key(&o, S("duckdb"));
	if (r.version[0])
		json_put_text(&o, str_of(r.version));
	else
		json_put_null(&o);
	api_put_text(&o, "postgres", str_of(runs.pg.version));
	json_end_object(&o);
	return true;
}

bool api_metrics(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	(void)in;
	http_status(out, 200);
	http_set(out, "Content-Type", S(OBS_METRICS_TYPE));
	obs_metrics_text(http_out(out));
	return true;
}

bool api_openapi(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	(void)c;
	(void)rooms;
	(void)in;
	api_json(out, 200);
	api_write_openapi(http_out(out));
	return true;
}

bool api_index(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct buf *b = http_out(out);

	(void)c;
	(void)rooms;
	(void)in;
	http_status(out, 200);
	http_set(out, "Content-Type", S("text/html; charset=utf-8"));
	buf_lit(b, "<!doctype html><html lang=\"en\"><title>Mayfly</title><h1>Mayfly " MAYFLY_VERSION "</h1>"
		   "<p>The whole contract: <a href=\"/openapi.json\">/openapi.json</a></p><table>");
	for (const struct http_route *r = api_routes; r->method; r++)
		if (r->summary)
			buf_fmt(b, "<tr><td><code>%s</code><td><code>%s</code><td>%s", r->method, r->path, r->summary);
	buf_lit(b, "</table></html>\n");
	return true;
}

/* Turns the server's clocks forward; only with server.test_clock. */
bool api_test_clock(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const keys[] = {"advance_ms", NULL};
	struct api *a = rooms;
	const json_node *body;
	int64_t ms = 0;

	if (!http_peer_is_local(in))
		return fail(c, ERR_FORBIDDEN, "the test clock is for loopback clients");
	if (!http_is_on_pool(out)) /* it waits for the sweeper */
		return http_on_pool(out);
	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) ||
	    !json_want_int(c, body, "advance_ms", 0, (int64_t)400 * 86400000, &ms))
		return false;
	clock_advance(ms);
	lifecycle_sweep_all(a->lifecycle);
	api_json(out, 200);
	buf_lit(http_out(out), "{\"status\":\"ok\"}");
	return true;
}
