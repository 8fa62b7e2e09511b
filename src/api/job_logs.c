/* job_logs.c - /v1/jobs/{id}/logs: its lines behind a number, by polling and live.
 *
 * Live, a line's number is the id of its event, so Last-Event-ID resumes without gap or duplicate; the last event is
 * `done` with the job's document. Reading may block: a stream is pulled on the pool.
 */
#include "api/api_int.h"

#include <stdlib.h>

enum { LINES_MAX = 1000, LINES_DEFAULT = 1000 };

static const char json_media[] = "application/json", sse_media[] = "text/event-stream";

/* --- polling --- */

struct poll {
	struct job *job;
	int64_t after, limit, until_ms; /* until_ms: the end of a long poll */
};

static void watch_log(void *what, const struct watch *w)
{
	struct poll *p = what;
	struct watch any = *w;

	any.on_change = true;
	job_watch(p->job, &any);
}

static void unwatch_log(void *what, const void *arg)
{
	struct poll *p = what;

	job_unwatch(p->job, arg);
}

static const struct api_waitable news = {watch_log, unwatch_log, NULL, NULL};

static bool write_lines(struct http_res *out, const struct poll *p, const struct job_log *v, int n)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, 200);
	json_begin_object(&o);
	json_key(&o, S("items"));
	json_begin_array(&o);
	for (int i = 0; i < n; i++)
		job_log_write(&o, &v[i]);
	json_end_array(&o);
	JSON_FIELD_INT(&o, "next", n ? v[n - 1].seq : p->after);
	json_end_object(&o);
	return true;
}

static bool read_place(struct call *c, const struct http_req *in, struct poll *p)
{
	struct str last = http_header(in, "Last-Event-ID");

	p->limit = LINES_DEFAULT;
	if (last.n && (!str_to_i64(last, &p->after) || p->after < 0))
		return fail(c, ERR_INVALID_FIELD, "Last-Event-ID must be the id of an event of this stream");
	return (last.n || api_query_int(c, in, "after", 0, INT64_MAX, &p->after)) &&
	       api_query_int(c, in, "limit", 1, LINES_MAX, &p->limit);
}

/* --- live --- */

struct live {
	struct job *job;
	struct http_park *park; /* names our watch */
	struct http_res *out;
	struct arena who;
	struct str tenant, principal;
	enum call_role role;
	int64_t seen;
	bool over;
};

static void wake(void *arg)
{
	http_wake(arg);
}

static void drop(void *arg)
{
	http_unref(arg);
}

static void put_event(struct buf *into, int64_t seq, const char *event, const struct buf *text)
{
	OWNS(buf) id = {0};

	if (seq)
		buf_i64(&id, seq);
	http_sse_event(into, buf_str(&id), str_of(event), buf_str(text));
}

static bool put_done(struct call *c, struct live *l, struct buf *into)
{
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);

	l->over = true;
	if (!job_write(c, l->job, false, &o))
		return false;
	put_event(into, 0, "done", &text);
	return true;
}

/* Looked at before the lines are read: what is written later wakes us, and of an ended job nothing is. */
static bool read_more(struct call *c, struct live *l, struct buf *into)
{
	bool ended = job_ended(l->job);
	struct job_log *v;
	int n;

	if (!job_logs(c, l->job, l->seen, LINES_MAX, &v, &n))
		return false;
	for (int i = 0; i < n; i++) {
		OWNS(buf) text = {0};
		struct json_out o = json_out(&text);

		job_log_write(&o, &v[i]);
		put_event(into, v[i].seq, "log", &text);
		l->seen = v[i].seq;
	}
	return !ended || n == LINES_MAX || put_done(c, l, into);
}

static enum http_more pull(void *self, struct buf *into)
{
	struct live *l = self;
	OWNS(arena) a = {0};
	struct call c;

	if (l->over)
		return HTTP_END;
	job_unwatch(l->job, l->park);
	job_watch(l->job, &(struct watch){.fn = wake, .drop = drop, .arg = http_park_of(l->out), .on_change = true});
	call_open(&c, &a);
	c.tenant = l->tenant;
	c.principal = l->principal;
	c.role = l->role;
	if (!read_more(&c, l, into))
		return HTTP_BROKEN;
	return into->n ? HTTP_MORE : HTTP_WAIT;
}

static void close_live(void *self)
{
	struct live *l = self;

	job_unwatch(l->job, l->park);
	http_unref(l->park);
	job_unref(l->job);
	arena_close(&l->who);
	free(l);
}

static bool begin(struct call *c, struct api *a, const struct http_req *in, struct http_res *out, int64_t after)
{
	static const struct http_source source = {pull, close_live, true};
	struct live *l;
	struct job *j;

	if (!job_find(c, a->runner, http_param(in, 0), &j))
		return false;
	l = base_zalloc(sizeof(*l));
	l->job = j;
	l->out = out;
	l->park = http_park_of(out);
	l->tenant = arena_dup(&l->who, c->tenant);
	l->principal = arena_dup(&l->who, c->principal);
	l->role = c->role;
	l->seen = after;
	http_stream_sse(out, &source, l);
	return true;
}

/* --- both --- */

static bool wait_for_news(struct call *c, struct http_res *out, struct poll *p)
{
	return api_wait_for(c, out, &(struct api_wait){&news, p, p, p->until_ms - clock_mono_ms(), false});
}

bool api_job_logs(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const offers[] = {json_media, sse_media, NULL};
	const char *form = http_accept(in, offers);
	struct poll *p = ARENA_NEW(c->arena, struct poll);
	int64_t wait_ms = 0;
	struct job_log *v;
	int n;

	if (!form)
		return fail(c, ERR_NOT_ACCEPTABLE, "logs are %s or %s", json_media, sse_media);
	if (!read_place(c, in, p))
		return false;
	if (form == sse_media)
		return begin(c, rooms, in, out, p->after);
	if (!api_find_job(c, rooms, in, &p->job) || !job_logs(c, p->job, p->after, (int)p->limit, &v, &n))
		return false;
	if (n || !api_prefer_wait(c, in, &wait_ms) || !wait_ms || job_ended(p->job))
		return write_lines(out, p, v, n);
	p->until_ms = clock_mono_ms() + wait_ms;
	return wait_for_news(c, out, p);
}

/* Something happened, perhaps no line, or the time is over. */
bool api_job_logs_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct poll *p = api_note(out);
	struct job_log *v;
	bool ended;
	int n;

	(void)rooms;
	(void)in;
	if (!http_is_on_pool(out))
		return http_on_pool(out);
	ended = job_ended(p->job);
	if (!api_waited(c, out, &news) || !job_logs(c, p->job, p->after, (int)p->limit, &v, &n))
		return false;
	if (n || ended || clock_mono_ms() >= p->until_ms)
		return write_lines(out, p, v, n);
	return wait_for_news(c, out, p);
}
