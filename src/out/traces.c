/* traces.c - a queue of spans as JSON, and the thread that sends them.
 *
 * A span is written as JSON by the thread that ends it, so that the queue owns plain bytes. Not here: what a span is (obs/), who
 * makes them.
 *
 * Threads: traces_open and traces_close one; take() any; send_all() the pool's only one.
 */
#include "out/out.h"

#include "exec/exec.h"
#include "json/json.h"
#include "obs/obs.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
	QUEUE = 8192, BATCH_SPANS = 512, BATCH_MS = 1000, TIMEOUT_MS = 10000, CLOSE_MS = 2000,
	PAUSE_MS = 1000, PAUSE_MOST_MS = 30000, /* after a failure; doubled each time */
	TEXT_MAX = 256,                         /* bytes of an attribute's text */
};

struct traces {
	pthread_mutex_t lock;
	pthread_cond_t news;             /* for the thread: a span came, or the end */
	pthread_cond_t ended;            /* for traces_close: the thread has sent all */
	struct str *ring;                /* spans as JSON, each allocated */
	int size, first, n;
	bool closing, over;
	atomic_bool abort;               /* cancels a request that takes too long to end */
	int64_t batch_ms, timeout_ms;
	struct exec_pool *thread;
	struct buf url, head;            /* head: the document up to the spans */
	bool failing;                    /* told in the log already */
};

/* --- a span as JSON --- */

static void put_attr(struct json_out *o, const char *key, struct str text, int64_t number)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "key", str_of(key));
	json_key(o, S("value"));
	json_begin_object(o);
	if (text.p)
		JSON_FIELD_TEXT(o, "stringValue", str_head(text, TEXT_MAX));
	else { /* OTLP writes 64-bit integers as texts */
		OWNS(buf) digits = {0};

		buf_i64(&digits, number);
		JSON_FIELD_TEXT(o, "intValue", buf_str(&digits));
	}
	json_end_object(o);
	json_end_object(o);
}

static void put_nanos(struct json_out *o, const char *key, int64_t ns)
{
	OWNS(buf) digits = {0};

	buf_i64(&digits, ns);
	json_key(o, str_of(key));
	json_put_text(o, buf_str(&digits));
}

static void span_write(const struct obs_span_told *t, struct buf *b)
{
	const struct obs_span *s = t->span;
	struct json_out o = json_out(b);
	int64_t began = s->wall_ms * 1000000;

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "traceId", str_of(s->trace));
	JSON_FIELD_TEXT(&o, "spanId", str_of(s->id));
	if (s->parent[0])
		JSON_FIELD_TEXT(&o, "parentSpanId", str_of(s->parent));
	JSON_FIELD_TEXT(&o, "name", t->name);
	JSON_FIELD_INT(&o, "kind", (int64_t)s->kind);
	put_nanos(&o, "startTimeUnixNano", began);
	put_nanos(&o, "endTimeUnixNano", began + (t->ended_ns - s->began_ns));
	json_key(&o, S("attributes"));
	json_begin_array(&o);
	for (int i = 0; i < t->nattrs; i++)
		put_attr(&o, t->attrs[i].key, t->attrs[i].text, t->attrs[i].number);
	json_end_array(&o);
	json_key(&o, S("status"));
	json_begin_object(&o);
	if (t->failed)
		JSON_FIELD_INT(&o, "code", 2);
	json_end_object(&o);
	json_end_object(&o);
}

/* --- the queue --- */

static void take(void *arg, const struct obs_span_told *told)
{
	struct traces *t = arg;
	struct buf b = {0};
	bool room;

	span_write(told, &b);
	pthread_mutex_lock(&t->lock);
	room = t->n < t->size && !t->closing;
	if (room)
		t->ring[(t->first + t->n++) % t->size] = buf_str(&b);
	if (room && (t->n == 1 || t->n == BATCH_SPANS)) /* the first sets the clock, a whole batch ends the wait */
		pthread_cond_signal(&t->news);
	pthread_mutex_unlock(&t->lock);
	if (room)
		return;
	buf_drop(&b);
	obs_count(OBS_M_SPANS_DROPPED);
}

/* Under the lock: at most ms, real time; ends early when closing, or at a whole batch. */
static void wait_ms(struct traces *t, int64_t ms, bool for_batch)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!t->closing && !(for_batch && t->n >= BATCH_SPANS))
		if (pthread_cond_timedwait(&t->news, &t->lock, &until) != 0)
			return;
}

/* The next batch as a document; 0: the end. */
static int next_batch(struct traces *t, struct buf *b)
{
	struct str spans[BATCH_SPANS];
	int n;

	pthread_mutex_lock(&t->lock);
	while (!t->n && !t->closing)
		pthread_cond_wait(&t->news, &t->lock);
	wait_ms(t, t->batch_ms, true);
	n = t->n < BATCH_SPANS ? t->n : BATCH_SPANS;
	for (int i = 0; i < n; i++)
		spans[i] = t->ring[(t->first + i) % t->size];
	t->first = (t->first + n) % t->size;
	t->n -= n;
	pthread_mutex_unlock(&t->lock);
	buf_clear(b);
	buf_add(b, buf_str(&t->head));
	for (int i = 0; i < n; i++) {
		if (i)
			buf_addc(b, ',');
		buf_add(b, spans[i]);
		free((char *)spans[i].p);
	}
	buf_lit(b, "]}]}]}");
	return n;
}

/* --- sending --- */

static void tell_failure(struct traces *t, const struct call *c, int status)
{
	if (t->failing)
		return;
	t->failing = true; /* once, until it works again */
	if (status)
		obs_log(OBS_WARN, "out", "the collector of traces answered %d: spans are dropped", status);
	else
		obs_log(OBS_WARN, "out", "the collector of traces cannot be reached, spans are dropped: %s", c->err.text);
}

static bool send_batch(struct traces *t, struct out_client *client, struct str body)
{
	static const struct out_header type = {S_INIT("Content-Type"), S_INIT("application/json")};
	struct out_request q = {.method = S("POST"), .url = buf_str(&t->url), .headers = &type, .nheaders = 1, .body = body,
				.timeout_ms = t->timeout_ms, .connect_ms = t->timeout_ms, .max_body_bytes = 1 << 20};
	struct out_answer a = {0};
	OWNS(arena) arena = {0};
	struct call c;
	bool ok;

	call_open(&c, &arena);
	c.cancel = &t->abort;
	ok = out_fetch(&c, client, &q, &a);
	if (ok && a.status >= 200 && a.status < 300) {
		t->failing = false;
		return true;
	}
	tell_failure(t, &c, ok ? a.status : 0);
	return false;
}

static void pause_after(struct traces *t, int64_t *ms)
{
	pthread_mutex_lock(&t->lock);
	wait_ms(t, *ms, false);
	pthread_mutex_unlock(&t->lock);
	*ms = *ms * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : *ms * 2;
}

static void send_all(void *arg)
{
	struct traces *t = arg;
	struct out_client *client = out_open();
	OWNS(buf) b = {0};
	int64_t pause = PAUSE_MS;

	for (int n; (n = next_batch(t, &b)) > 0;) {
		bool sent = !atomic_load(&t->abort) && send_batch(t, client, buf_str(&b));

		obs_add(sent ? OBS_M_SPANS_SENT : OBS_M_SPANS_DROPPED, n);
		if (sent)
			pause = PAUSE_MS;
		else
			pause_after(t, &pause);
	}
	out_close(client);
	pthread_mutex_lock(&t->lock);
	t->over = true;
	pthread_cond_signal(&t->ended);
	pthread_mutex_unlock(&t->lock);
}

/* --- open and close --- */

static void head_write(const struct traces_options *o, struct buf *b)
{
	struct json_out j = {.b = b};

	buf_lit(b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	put_attr(&j, "service.name", o->service, 0);
	put_attr(&j, "service.version", o->version, 0);
	put_attr(&j, "service.instance.id", o->instance, 0);
	buf_lit(b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"mayfly\",\"version\":");
	json_quote(b, o->version);
	buf_lit(b, "},\"spans\":[");
}

static void conds_open(struct traces *t)
{
	pthread_condattr_t a;

	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&t->news, &a);
	pthread_cond_init(&t->ended, &a);
	pthread_condattr_destroy(&a);
}

struct traces *traces_open(struct call *c, const struct traces_options *o)
{
	struct str url = o->endpoint;
	struct traces *t;

	if (!str_istarts(url, S("http://")) && !str_istarts(url, S("https://"))) {
		fail(c, ERR_INVALID_FIELD, "traces.otlp_endpoint is no http or https URL: %.*s", SARG(url));
		return NULL;
	}
	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	t = base_zalloc(sizeof(*t));
	conds_open(t);
	t->size = o->queue ? o->queue : QUEUE;
	t->ring = base_zalloc(sizeof(*t->ring) * (size_t)t->size);
	t->batch_ms = o->batch_ms ? o->batch_ms : BATCH_MS;
	t->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
	buf_add(&t->url, url);
	buf_lit(&t->url, "/v1/traces");
	head_write(o, &t->head);
	t->thread = exec_pool_open("traces", 1, 1);
	INVARIANT(exec_pool_run(t->thread, send_all, t));
	obs_spans_to(take, t);
	return t;
}

static void wait_for_end(struct traces *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSE_MS / 1000;
	pthread_mutex_lock(&t->lock);
	t->closing = true;
	pthread_cond_signal(&t->news);
	while (!t->over)
		if (pthread_cond_timedwait(&t->ended, &t->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&t->lock);
}

void traces_close(struct traces *t)
{
	if (!t)
		return;
	obs_spans_to(NULL, NULL);
	wait_for_end(t);
	atomic_store(&t->abort, true); /* what is still on its way, and what waits, is dropped */
	exec_pool_close(t->thread);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->news);
	pthread_cond_destroy(&t->ended);
	buf_drop(&t->url);
	buf_drop(&t->head);
	free(t->ring);
	free(t);
}
