/* job_hooks_test.c - webhooks: what receivers get, and receivers that fail, hang, redirect, or are where none may be. */
#include "job_rig.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { ASKED_MAX = 64, BODY_MAX = 16384 };

/* A receiver: the path of a request says how it is answered. */
struct receiver {
	int listener, port;
	pthread_t thread;
	_Atomic int asked, open;
	_Atomic bool closing;
	pthread_mutex_t lock;
	struct {
		char path[32], signature[128], trace[64], body[BODY_MAX];
	} got[ASKED_MAX];
};
struct bench {
	struct rig g;
	struct rig_server s;
	struct receiver r;
};
struct visit {
	struct receiver *r;
	int fd;
};

static void header(const char *head, const char *name, char *to, size_t n)
{
	const char *at = strcasestr(head, name);
	size_t i = 0;

	for (at = at ? at + strlen(name) : ""; *at && *at != '\r' && i + 1 < n; at++)
		to[i++] = *at;
	to[i] = '\0';
}

static bool whole(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");

	return end && strlen(end + 4) >= (length ? strtoul(length + 15, NULL, 10) : 0);
}

static const char *answer_to(struct receiver *r, const char *path)
{
	int before = 0;

	for (int i = 0; i < r->asked; i++)
		before += strcmp(r->got[i].path, path) == 0;
	if (strcmp(path, "/fail") == 0 || (strcmp(path, "/flaky") == 0 && before <= 2))
		return "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	if (strcmp(path, "/redirect") == 0)
		return "HTTP/1.1 302 There\r\nLocation: /ok\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	return "HTTP/1.1 204 Yes\r\nConnection: close\r\n\r\n";
}

static const char *note(struct receiver *r, const char *text)
{
	const char *answer;
	int i;

	pthread_mutex_lock(&r->lock);
	i = r->asked;
	assert_true(i < ASKED_MAX);
	sscanf(text, "POST %31s", r->got[i].path);
	header(text, "X-Mayfly-Signature: ", r->got[i].signature, sizeof(r->got[i].signature));
	header(text, "traceparent: ", r->got[i].trace, sizeof(r->got[i].trace));
	snprintf(r->got[i].body, BODY_MAX, "%s", strstr(text, "\r\n\r\n") + 4);
	r->asked = i + 1;
	answer = strcmp(r->got[i].path, "/hang") == 0 ? NULL : answer_to(r, r->got[i].path);
	pthread_mutex_unlock(&r->lock);
	return answer;
}

static void *serve(void *arg)
{
	struct visit *v = arg;
	static const struct timeval slice = {.tv_usec = 20000};
	char *text = base_zalloc(BODY_MAX * 2), rest[16];
	size_t n = 0;
	const char *answer;

	setsockopt(v->fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice));
	while (n < BODY_MAX * 2 - 1 && !whole(text) && !v->r->closing) {
		ssize_t got = read(v->fd, text + n, BODY_MAX * 2 - 1 - n);

		if (got == 0)
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	answer = whole(text) ? note(v->r, text) : NULL;
	if (answer)
		(void)!write(v->fd, answer, strlen(answer));
	while (!answer && !v->r->closing && read(v->fd, rest, sizeof(rest)) != 0)
		continue;
	close(v->fd);
	free(text);
	atomic_fetch_sub(&v->r->open, 1);
	free(v);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct receiver *r = arg;

	for (;;) {
		int fd = accept(r->listener, NULL, NULL);
		struct visit *v;
		pthread_t t;

		if (fd < 0)
			return NULL;
		v = base_alloc(sizeof(*v));
		*v = (struct visit){r, fd};
		atomic_fetch_add(&r->open, 1);
		assert_int_equal(pthread_create(&t, NULL, serve, v), 0);
		pthread_detach(t);
	}
}

static int open_bench(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);

	rig_open(&b->g);
	pthread_mutex_init(&b->r.lock, NULL);
	b->r.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->r.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(b->r.listener, 64), 0);
	assert_int_equal(getsockname(b->r.listener, (struct sockaddr *)&a, &n), 0);
	b->r.port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&b->r.thread, NULL, accept_all, &b->r), 0);
	rig_start(&b->g, &b->s, 1);
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	b->r.closing = true;
	rig_stop(&b->s);
	shutdown(b->r.listener, SHUT_RDWR);
	pthread_join(b->r.thread, NULL);
	close(b->r.listener);
	RIG_UNTIL(b->r.open == 0);
	rig_close(&b->g);
	free(b);
	return 0;
}

static struct str url_of(struct bench *b, const char *host, const char *path)
{
	return arena_fmt(&b->g.arena, "http://%s:%d%s", host, b->r.port, path);
}

static struct job *run_with(struct bench *b, const struct job_hook *hooks, int n)
{
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 'loud';");
	struct job *j;

	ask.hooks = hooks;
	ask.nhooks = n;
	ask.traceparent = S("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	j = rig_create(&b->g, &b->s, &ask);
	rig_wait(j);
	return j;
}

static bool document_has(struct bench *b, struct job *j, const char *part)
{
	return strstr(rig_document(&b->g, j), part) != NULL;
}

static void a_receiver_gets_the_document_without_rows_signed(void **state)
{
	struct bench *b = *state;
	struct job_hook hook = {url_of(b, "127.0.0.1", "/ok"), S("hush")};
	struct job *j = run_with(b, &hook, 1);
	unsigned char mac[SHA256_LEN];
	OWNS(buf) hex = {0};

	RIG_UNTIL(document_has(b, j, "\"state\":\"delivered\""));
	assert_int_equal(b->r.asked, 1);
	assert_has(b->r.got[0].body, "\"status\":\"completed\"");
	assert_has(b->r.got[0].body, j->id);
	assert_has_not(b->r.got[0].body, "\"rows\"");
	assert_has_not(b->r.got[0].body, "\"results\":[");
	assert_has_not(b->r.got[0].body, "secret notice");
	assert_has_not(b->r.got[0].body, "hush");
	assert_string_equal(b->r.got[0].trace, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	hash_hmac_sha256(S("hush"), str_of(b->r.got[0].body), mac);
	buf_lit(&hex, "sha256=");
	hash_hex(str_from((const char *)mac, SHA256_LEN), &hex);
	assert_string_equal(b->r.got[0].signature, buf_cstr(&hex));
	assert_has(rig_document(&b->g, j), "\"deliveries\":[{\"attempt\":1,\"at\":");
	assert_has(rig_document(&b->g, j), "\"status\":204}]");
	assert_has_not(rig_document(&b->g, j), "hush");
	job_unref(j);
}

static void failures_and_cancels_are_told_as_well(void **state)
{
	struct bench *b = *state;
	struct job_hook hook = {url_of(b, "127.0.0.1", "/ok"), S("")};
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 'broken';"), hang = rig_ask(&b->g, "SELECT 1;", "SELECT 'hang';");
	struct job *j;

	ask.hooks = hang.hooks = &hook;
	ask.nhooks = hang.nhooks = 1;
	j = rig_create(&b->g, &b->s, &ask);
	RIG_UNTIL(b->r.asked == 1);
	assert_has(b->r.got[0].body, "\"status\":\"failed\"");
	assert_string_equal(b->r.got[0].signature, "");
	job_unref(j);
	j = rig_create(&b->g, &b->s, &hang);
	assert_true(job_cancel(&b->g.c, j));
	RIG_UNTIL(b->r.asked == 2);
	assert_has(b->r.got[1].body, "\"status\":\"canceled\"");
	job_unref(j);
}

static void one_that_fails_is_tried_again_with_growing_pauses(void **state)
{
	struct bench *b = *state;
	struct job_hook hooks[] = {{url_of(b, "127.0.0.1", "/flaky"), S("")}, {url_of(b, "localhost", "/fail"), S("")}};
	struct job *j = run_with(b, hooks, 2);

	RIG_UNTIL(b->r.asked == 2);
	for (int i = 0; i < 20; i++)
		rig_tick(&b->s);
	assert_int_equal(b->r.asked, 2); /* not before its pause is over */
	clock_advance(1300);
	RIG_UNTIL((rig_tick(&b->s), b->r.asked == 4));
	clock_advance(1300);
	rig_tick(&b->s);
	assert_int_equal(b->r.asked, 4); /* the second is twice as long */
	clock_advance(1300);
	RIG_UNTIL((rig_tick(&b->s), b->r.asked == 6));
	RIG_UNTIL(document_has(b, j, "\"state\":\"delivered\"") && document_has(b, j, "\"state\":\"failed\""));
	clock_advance(100000);
	for (int i = 0; i < 20; i++)
		rig_tick(&b->s);
	assert_int_equal(b->r.asked, 6);
	assert_has(rig_document(&b->g, j), "\"attempt\":3,");
	job_unref(j);
}

static void redirects_are_not_followed(void **state)
{
	struct bench *b = *state;
	struct job_hook hook = {url_of(b, "127.0.0.1", "/redirect"), S("")};
	struct job *j;

	rig_stop(&b->s);
	b->g.o.hook_attempts = 1;
	rig_start(&b->g, &b->s, 1);
	j = run_with(b, &hook, 1);
	RIG_UNTIL(document_has(b, j, "\"state\":\"failed\""));
	assert_has(rig_document(&b->g, j), "\"status\":302");
	assert_int_equal(b->r.asked, 1);
	job_unref(j);
}

static void private_addresses_are_refused_when_connecting(void **state)
{
	struct bench *b = *state;
	const char *hosts[] = {"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1", "169.254.169.254"};
	struct job_hook hooks[COUNT_OF(hosts)];
	struct job *j;

	rig_stop(&b->s);
	b->g.o.hooks_private = false;
	rig_start(&b->g, &b->s, 1);
	for (size_t i = 0; i < COUNT_OF(hosts); i++)
		hooks[i] = (struct job_hook){url_of(b, hosts[i], "/ok"), S("")};
	j = run_with(b, hooks, COUNT_OF(hosts));
	RIG_UNTIL((rig_tick(&b->s), !document_has(b, j, "\"state\":\"pending\"")));
	assert_has(rig_document(&b->g, j), "\"error\":\"forbidden\"}]");
	assert_has_not(rig_document(&b->g, j), "\"attempt\":2");
	assert_has_not(rig_document(&b->g, j), "delivered");
	assert_int_equal(b->r.asked, 0);
	job_unref(j);
}

static void one_that_hangs_holds_up_nobody(void **state)
{
	struct bench *b = *state;
	struct job_hook slow[6], hook = {url_of(b, "localhost", "/ok"), S("")};
	struct job *first, *j;

	for (int i = 0; i < 6; i++)
		slow[i] = (struct job_hook){url_of(b, "127.0.0.1", "/hang"), S("")};
	first = run_with(b, slow, 6);
	RIG_UNTIL(b->r.asked == 2); /* of one host two are tried at once */
	j = run_with(b, &hook, 1);
	RIG_UNTIL(document_has(b, j, "\"state\":\"delivered\""));
	assert_has(rig_document(&b->g, first), "\"state\":\"pending\",\"deliveries\":[]");
	assert_int_equal(b->r.asked, 3);
	job_unref(first);
	job_unref(j);
}

static void what_is_to_be_delivered_survives_a_restart(void **state)
{
	struct bench *b = *state;
	struct job_hook hooks[] = {{url_of(b, "127.0.0.1", "/flaky"), S("hush")}, {url_of(b, "127.0.0.1", "/ok"), S("")}};
	struct job *j = run_with(b, hooks, 2);
	char id[ID_LEN + 1];

	RIG_UNTIL(document_has(b, j, "\"state\":\"delivered\"") && document_has(b, j, "\"status\":500"));
	strcpy(id, j->id);
	job_unref(j);
	rig_stop(&b->s);
	assert_int_equal(b->r.asked, 2);
	rig_start(&b->g, &b->s, 1);
	rig_keep(&b->s, true);
	assert_true(job_find(&b->g.c, b->s.runner, str_of(id), &j));
	RIG_UNTIL((rig_tick(&b->s), clock_advance(100), !document_has(b, j, "\"state\":\"pending\"")));
	assert_int_equal(b->r.asked, 4);
	assert_has(b->r.got[3].signature, "sha256=");
	assert_has(rig_document(&b->g, j), "\"attempt\":3,");
	job_unref(j);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	const struct CMUnitTest tests[] = {
		T(a_receiver_gets_the_document_without_rows_signed),
		T(failures_and_cancels_are_told_as_well),
		T(one_that_fails_is_tried_again_with_growing_pauses),
		T(redirects_are_not_followed),
		T(private_addresses_are_refused_when_connecting),
		T(one_that_hangs_holds_up_nobody),
		T(what_is_to_be_delivered_survives_a_restart),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
