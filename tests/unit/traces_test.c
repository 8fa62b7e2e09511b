/* traces_test.c - spans: ids, parents, sampling; OTLP to a collector that looks at it, hangs, fails, or is not there. */
#include "obs/obs.h"
#include "out/out.h"

#include "json/json.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum how { ANSWERS, HANGS, REFUSES };

struct collector {
	struct arena arena;
	struct call c;
	enum how how;
	int listener, stop[2];
	char url[64];
	pthread_t thread;
	pthread_mutex_t lock;
	struct buf bodies[64]; /* of requests, as they came */
	int nbodies;
	char path[64], type[64];
	struct traces *traces;
};

/* --- the collector: a thread, one connection after the other --- */

static bool readable(struct collector *k, int fd)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = k->stop[0], .events = POLLIN}};

	assert_true(poll(p, 2, 60000) > 0);
	return !p[1].revents;
}

static bool read_request(struct collector *k, int fd, struct buf *b)
{
	for (;;) {
		const char *text = buf_cstr(b), *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
		char *room;
		ssize_t n;

		if (end && b->n >= (size_t)(end + 4 - text) + strtoul(length + 15, NULL, 10))
			return true;
		if (!readable(k, fd))
			return false;
		room = buf_room(b, 65536);
		n = read(fd, room, 65536);
		if (n <= 0)
			return false;
		b->n += (size_t)n;
	}
}

static void keep_request(struct collector *k, struct buf *b)
{
	struct str text = buf_str(b);
	const char *type = strcasestr(buf_cstr(b), "content-type: ");

	pthread_mutex_lock(&k->lock);
	assert_true(k->nbodies < 64);
	snprintf(k->path, sizeof(k->path), "%.*s", (int)str_find(text, '\r'), text.p);
	snprintf(k->type, sizeof(k->type), "%.*s", type ? (int)strcspn(type, "\r") : 0, type);
	buf_add(&k->bodies[k->nbodies++], str_tail(text, str_search(text, S("\r\n\r\n")) + 4));
	pthread_mutex_unlock(&k->lock);
}

static void serve(struct collector *k, int fd)
{
	for (;;) {
		OWNS(buf) b = {0};
		const char *answer = k->how == REFUSES ? "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" :
							 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

		if (!read_request(k, fd, &b))
			return;
		keep_request(k, &b);
		if (k->how == HANGS)
			(void)readable(k, k->stop[0]);
		else
			assert_int_equal(write(fd, answer, strlen(answer)), strlen(answer));
	}
}

static void *collect(void *arg)
{
	struct collector *k = arg;

	while (readable(k, k->listener)) {
		int fd = accept(k->listener, NULL, NULL);

		serve(k, fd);
		close(fd);
	}
	return NULL;
}

static void listens(struct collector *k, enum how how)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);

	k->how = how;
	k->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(k->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(k->listener, 8), 0);
	assert_int_equal(getsockname(k->listener, (struct sockaddr *)&a, &n), 0);
	snprintf(k->url, sizeof(k->url), "http://127.0.0.1:%d/", ntohs(a.sin_port));
	assert_int_equal(pipe(k->stop), 0);
	assert_int_equal(pthread_create(&k->thread, NULL, collect, k), 0);
}

static int begin(void **state)
{
	struct collector *k = base_zalloc(sizeof(*k));

	call_open(&k->c, &k->arena);
	pthread_mutex_init(&k->lock, NULL);
	k->listener = -1;
	*state = k;
	return 0;
}

static void close_traces(struct collector *k)
{
	traces_close(k->traces);
	k->traces = NULL;
}

static int end(void **state)
{
	struct collector *k = *state;

	close_traces(k);
	if (k->listener >= 0) {
		assert_int_equal(write(k->stop[1], "x", 1), 1);
		pthread_join(k->thread, NULL);
		close(k->listener);
		close(k->stop[0]);
		close(k->stop[1]);
	}
	for (int i = 0; i < k->nbodies; i++)
		buf_drop(&k->bodies[i]);
	pthread_mutex_destroy(&k->lock);
	arena_close(&k->arena);
	free(k);
	return 0;
}
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

static void sends(struct collector *k, struct traces_options o)
{
	o.endpoint = str_of(k->url);
	o.service = S("mayfly");
	o.version = S("0.1.0");
	o.instance = S("server-1");
	k->traces = traces_open(&k->c, &o);
	assert_non_null(k->traces);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until so many requests came. */
static void await(struct collector *k, int requests)
{
	int64_t give_up = now_ms() + 60000;

	for (int n = 0; n < requests;) {
		pthread_mutex_lock(&k->lock);
		n = k->nbodies;
		pthread_mutex_unlock(&k->lock);
		assert_true(now_ms() < give_up);
		sched_yield();
	}
}

static void a_span(const char *name)
{
	struct obs_span s = {0};

	obs_span_begin(&s, OBS_SPAN_INTERNAL, name, S(""));
	obs_span_end(&s, S(""), false, NULL, 0);
}

/* --- ids --- */

static const char PARENT[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static void ignore(void *arg, const struct obs_span_told *t)
{
	(*(int *)arg)++;
	assert_non_null(t->span);
}

static void spans_have_parents(void **state)
{
	struct obs_span s, child, other;
	char context[OBS_TRACEPARENT_LEN + 1];
	struct str c;
	int told = 0;

	(void)state;
	obs_span_begin(&s, OBS_SPAN_SERVER, "x", str_of(PARENT));
	assert_false(s.on); /* nobody takes them */
	assert_str_equal(obs_span_context(&s, context, str_of(PARENT)), PARENT);
	obs_spans_to(ignore, &told);
	obs_span_begin(&s, OBS_SPAN_SERVER, "x", str_of(PARENT));
	assert_true(s.on);
	assert_string_equal(s.trace, "0af7651916cd43dd8448eb211c80319c");
	assert_string_equal(s.parent, "b7ad6b7169203331");
	assert_int_equal(strlen(s.id), OBS_SPAN_HEX);
	c = obs_span_context(&s, context, S(""));
	assert_true(traceparent_valid(c));
	obs_span_begin(&child, OBS_SPAN_INTERNAL, "y", c);
	assert_string_equal(child.trace, s.trace);
	assert_string_equal(child.parent, s.id);
	assert_string_not_equal(child.id, s.id);
	obs_span_begin(&other, OBS_SPAN_INTERNAL, "z", S("nonsense"));
	assert_true(other.on);
	assert_string_equal(other.parent, "");
	assert_string_not_equal(other.trace, s.trace);
	obs_span_end(&s, S(""), false, NULL, 0);
	obs_span_end(&s, S(""), false, NULL, 0); /* once */
	assert_int_equal(told, 1);
	obs_span_begin(&s, OBS_SPAN_SERVER, "x", S("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
	assert_false(s.on); /* its parent is not sampled */
	obs_span_end(&s, S(""), false, NULL, 0);
	assert_int_equal(told, 1);
	obs_spans_to(NULL, NULL);
}

/* --- the document --- */

static const json_node *only(const json_node *o, const char *key)
{
	const json_node *list = json_get(o, key);

	assert_non_null(list);
	assert_int_equal(json_kind(list), JSON_KIND_ARRAY);
	assert_int_equal(json_count(list), 1);
	return json_at(list, 0);
}

static const json_node *spans_of(struct collector *k, int i)
{
	const json_node *doc, *resource, *scope;

	if (!json_read_object(&k->c, buf_str(&k->bodies[i]), &doc))
		print_error("%s\n%s\n", k->c.err.text, buf_cstr(&k->bodies[i]));
	assert_int_equal(k->c.err.kind, ERR_NONE);
	resource = only(doc, "resourceSpans");
	assert_int_equal(json_count(json_get(json_get(resource, "resource"), "attributes")), 3);
	scope = only(resource, "scopeSpans");
	assert_str_equal(json_text(json_get(json_get(scope, "scope"), "name")), "mayfly");
	return json_get(scope, "spans");
}

static struct str attribute(const json_node *span, const char *key, const char *type)
{
	const json_node *list = json_get(span, "attributes");

	for (size_t i = 0; i < json_count(list); i++)
		if (str_eq(json_text(json_get(json_at(list, i), "key")), str_of(key)))
			return json_text(json_get(json_get(json_at(list, i), "value"), type));
	return S("(none)");
}

static void the_document_is_otlp(void **state)
{
	struct collector *k = *state;
	const struct obs_attr attrs[] = {{.key = "http.route", .text = S("/v1/jobs/{id}")}, {.key = "http.response.status_code", .number = 200},
					 {.key = "odd", .text = S("\"\\\n\xff")}};
	const json_node *span, *root;
	struct obs_span s;
	int64_t began, ended;

	listens(k, ANSWERS);
	sends(k, (struct traces_options){.batch_ms = 50});
	obs_span_begin(&s, OBS_SPAN_SERVER, "HTTP", str_of(PARENT));
	obs_span_end(&s, S("GET /v1/jobs/{id}"), true, attrs, 3);
	a_span("job");
	await(k, 1);
	assert_string_equal(k->path, "POST /v1/traces HTTP/1.1");
	assert_true(str_ieq(str_of(k->type), S("Content-Type: application/json")));
	assert_int_equal(json_count(spans_of(k, 0)), 2);
	span = json_at(spans_of(k, 0), 0);
	assert_str_equal(json_text(json_get(span, "traceId")), "0af7651916cd43dd8448eb211c80319c");
	assert_str_equal(json_text(json_get(span, "parentSpanId")), "b7ad6b7169203331");
	assert_int_equal(json_text(json_get(span, "spanId")).n, 16);
	assert_str_equal(json_text(json_get(span, "name")), "GET /v1/jobs/{id}");
	assert_int_equal(json_int(json_get(span, "kind")), 2);
	assert_int_equal(json_int(json_get(json_get(span, "status"), "code")), 2);
	assert_str_equal(attribute(span, "http.route", "stringValue"), "/v1/jobs/{id}");
	assert_str_equal(attribute(span, "http.response.status_code", "intValue"), "200");
	assert_str_equal(attribute(span, "odd", "stringValue"), "\"\\\n\xEF\xBF\xBD");
	assert_true(str_to_i64(json_text(json_get(span, "startTimeUnixNano")), &began));
	assert_true(str_to_i64(json_text(json_get(span, "endTimeUnixNano")), &ended));
	assert_true(ended >= began && ended - began < 10000000000LL);
	assert_true(llabs(began / 1000000 - clock_wall_ms()) < 60000);
	root = json_at(spans_of(k, 0), 1);
	assert_null(json_get(root, "parentSpanId"));
	assert_null(json_get(json_get(root, "status"), "code"));
	assert_int_equal(json_int(json_get(root, "kind")), 1);
}

static void spans_go_in_batches(void **state)
{
	struct collector *k = *state;
	int64_t sent = obs_value(OBS_M_SPANS_SENT), dropped = obs_value(OBS_M_SPANS_DROPPED);
	size_t n = 0;

	listens(k, ANSWERS);
	sends(k, (struct traces_options){.batch_ms = 60000});
	for (int i = 0; i < 1500; i++)
		a_span("x");
	await(k, 2); /* whole batches do not wait */
	close_traces(k); /* and the rest goes with the end */
	for (int i = 0; i < k->nbodies; i++)
		n += json_count(spans_of(k, i));
	assert_int_equal(n, 1500);
	assert_int_equal(k->nbodies, 3);
	assert_int_equal(obs_value(OBS_M_SPANS_SENT) - sent, 1500);
	assert_int_equal(obs_value(OBS_M_SPANS_DROPPED), dropped);
}

/* --- collectors that are no help: who reports does not notice --- */

static void report_many(int n)
{
	int64_t began = now_ms();

	for (int i = 0; i < n; i++)
		a_span("x");
	assert_true(now_ms() - began < 5000);
}

static void a_hanging_collector_disturbs_nobody(void **state)
{
	struct collector *k = *state;
	int64_t dropped = obs_value(OBS_M_SPANS_DROPPED), began;

	listens(k, HANGS);
	sends(k, (struct traces_options){.batch_ms = 1, .queue = 100});
	a_span("x");
	await(k, 1);
	report_many(5000);
	assert_int_equal(obs_value(OBS_M_SPANS_DROPPED) - dropped, 4900); /* what the queue had no room for */
	began = now_ms();
	close_traces(k);
	assert_true(now_ms() - began < 10000); /* two seconds, and one until libcurl notices */
	assert_int_equal(obs_value(OBS_M_SPANS_DROPPED) - dropped, 5001);
}

static void an_absent_collector_disturbs_nobody(void **state)
{
	struct collector *k = *state;
	int64_t sent = obs_value(OBS_M_SPANS_SENT), dropped = obs_value(OBS_M_SPANS_DROPPED);

	snprintf(k->url, sizeof(k->url), "http://127.0.0.1:1");
	sends(k, (struct traces_options){.batch_ms = 1, .queue = 100});
	report_many(5000);
	close_traces(k);
	assert_int_equal(obs_value(OBS_M_SPANS_SENT), sent);
	assert_int_equal(obs_value(OBS_M_SPANS_DROPPED) - dropped, 5000);
}

static void a_refusing_collector_disturbs_nobody(void **state)
{
	struct collector *k = *state;
	int64_t dropped = obs_value(OBS_M_SPANS_DROPPED);

	listens(k, REFUSES);
	sends(k, (struct traces_options){.batch_ms = 1});
	a_span("x");
	await(k, 1);
	a_span("y"); /* while it pauses */
	close_traces(k);
	assert_int_equal(k->nbodies, 2);
	assert_int_equal(obs_value(OBS_M_SPANS_DROPPED) - dropped, 2);
}

static void endpoints_are_urls(void **state)
{
	static const char *const bad[] = {"", "127.0.0.1:4318", "ftp://x", "grpc://127.0.0.1:4317"};
	struct collector *k = *state;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct traces_options o = {.endpoint = str_of(bad[i])};

		assert_null(traces_open(&k->c, &o));
		assert_int_equal(k->c.err.kind, ERR_INVALID_FIELD);
		call_forgive(&k->c);
		assert_false(obs_spans_on());
	}
	traces_close(NULL);
}

/* Many threads at once, for the sanitizers; each span is sent or counted as dropped. */
static void *report(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++)
		a_span("x");
	return NULL;
}

static void threads_report_at_once(void **state)
{
	struct collector *k = *state;
	int64_t before = obs_value(OBS_M_SPANS_SENT) + obs_value(OBS_M_SPANS_DROPPED);
	pthread_t threads[4];

	listens(k, ANSWERS);
	sends(k, (struct traces_options){.batch_ms = 1});
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, report, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close_traces(k);
	assert_int_equal(obs_value(OBS_M_SPANS_SENT) + obs_value(OBS_M_SPANS_DROPPED) - before, 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(spans_have_parents), CASE(the_document_is_otlp), CASE(spans_go_in_batches), CASE(a_hanging_collector_disturbs_nobody),
		CASE(an_absent_collector_disturbs_nobody), CASE(a_refusing_collector_disturbs_nobody), CASE(endpoints_are_urls),
		CASE(threads_report_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
