/* out.c - one easy handle a client, reset between requests (which keeps its
 * connections). Not for thousands of requests at once: that will be a multi
 * handle on a loop of exec/.
 */
#include "out/out.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECT_MS = 10000,
	BODY_MAX = 64 << 20,
	HEADERS_MAX = 200,
	HEADER_BYTES_MAX = 256 << 10,
	SOURCE_BYTES = 256 << 10, /* of a body that streams, at a time */
};

struct out_client {
	CURL *curl;
};

/* What one request collects. */
struct exchange {
	struct call *c;
	const struct out_request *q;
	CURL *curl;
	struct curl_slist *headers;
	struct out_header *got;  /* HEADERS_MAX */
	int ngot;
	size_t header_bytes;
	struct buf body;
	size_t sunk;             /* bytes given to the sink */
	enum err_kind stop;      /* why we ended it ourselves */
	bool refused;            /* an address that is not public */
	char error[CURL_ERROR_SIZE];
};

static void init_curl(void)
{
	INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct out_client *out_open(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct out_client *o = base_zalloc(sizeof(*o));

	pthread_once(&once, init_curl);
	o->curl = curl_easy_init();
	INVARIANT(o->curl);
	return o;
}

void out_close(struct out_client *o)
{
	if (!o)
		return;
	curl_easy_cleanup(o->curl);
	free(o);
}

static void exchange_drop(struct exchange *x)
{
	curl_slist_free_all(x->headers);
	buf_drop(&x->body);
}

static bool stop(struct exchange *x, enum err_kind why)
{
	x->stop = why;
	return false;
}

/* --- what libcurl calls --- */

static bool add_header(struct exchange *x, struct str line)
{
	struct str name = str_cut(&line, ':');

	if (x->ngot == HEADERS_MAX || x->header_bytes > HEADER_BYTES_MAX)
		return stop(x, ERR_HEADERS_TOO_LARGE);
	x->got[x->ngot].name = arena_dup(x->c->arena, str_trim(name));
	x->got[x->ngot].value = arena_dup(x->c->arena, str_trim(line));
	x->ngot++;
	return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	struct str line = str_from(p, size * n);

	x->header_bytes += line.n;
	if (str_starts(line, S("HTTP/")))
		x->ngot = 0; /* an interim answer came before */
	else if (str_find(line, ':') < line.n && !add_header(x, line))
		return 0;
	return line.n;
}

static bool wants_sink(const struct exchange *x)
{
	long status = 0;

	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	return x->q->sink && status >= 200 && status < 300;
}

static bool sink(struct exchange *x, struct str piece)
{
	x->sunk += piece.n;
	if (x->q->max_body_bytes && x->sunk > x->q->max_body_bytes)
		return stop(x, ERR_BODY_TOO_LARGE);
	return x->q->sink(x->q->arg, piece) || stop(x, ERR_CANCELED);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	struct str piece = str_from(p, size * n);

	if (wants_sink(x))
		return sink(x, piece) ? piece.n : CURL_WRITEFUNC_ERROR;
	buf_add(&x->body, piece);
	if (!buf_ok(&x->body))
		stop(x, ERR_BODY_TOO_LARGE);
	return buf_ok(&x->body) ? piece.n : CURL_WRITEFUNC_ERROR;
}

static size_t on_source(char *to, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	int64_t got = x->q->source(x->q->arg, to, size * n);

	if (got >= 0)
		return (size_t)got;
	stop(x, ERR_CANCELED);
	return CURL_READFUNC_ABORT;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct exchange *x = arg;

	(void)total, (void)now, (void)up_total, (void)up_now;
	if (!x->c->cancel || !atomic_load(x->c->cancel))
		return 0;
	stop(x, ERR_CANCELED);
	return 1;
}

/* --- setting up --- */

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
			return false;
	return true;
}

static bool is_token(struct str s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !(s.p[i] && strchr(marks, s.p[i])))
			return false;
	return s.n > 0;
}

static bool check_request(struct call *c, const struct out_request *q)
{
	if (q->method.n && !is_token(q->method))
		return fail(c, ERR_INVALID_FIELD, "the method of a request is one word");
	if (q->source && q->body.p)
		return fail(c, ERR_INVALID_FIELD, "a request has one body");
	if (!is_plain(q->url) || !(str_istarts(q->url, S("http://")) || str_istarts(q->url, S("https://"))))
		return fail(c, ERR_INVALID_FIELD, "not an http or https URL: %.*s", SARG(q->url));
	for (int i = 0; i < q->nheaders; i++)
		if (!is_token(q->headers[i].name) || !is_plain(q->headers[i].value))
			return fail(c, ERR_INVALID_FIELD, "header %.*s cannot be sent", SARG(q->headers[i].name));
	return true;
}

static void put_headers(struct exchange *x)
{
	if (!x->q->source)
		x->headers = curl_slist_append(NULL, "Expect:"); /* no wait for 100 before the body */
	for (int i = 0; i < x->q->nheaders; i++) {
		const struct out_header *h = &x->q->headers[i];
		/* libcurl's way to send an empty value is a semicolon */
		struct str line = h->value.n ? arena_fmt(x->c->arena, "%.*s: %.*s", SARG(h->name), SARG(h->value))
		                             : arena_fmt(x->c->arena, "%.*s;", SARG(h->name));

		x->headers = curl_slist_append(x->headers, line.p);
	}
	curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers);
}

static void put_method(struct exchange *x)
{
	const struct out_request *q = x->q;

	if (q->body.p) {
		curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
		curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, q->body.p);
	}
	if (q->source) {
		curl_easy_setopt(x->curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(x->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->source_bytes);
		curl_easy_setopt(x->curl, CURLOPT_READFUNCTION, on_source);
		curl_easy_setopt(x->curl, CURLOPT_READDATA, x);
		curl_easy_setopt(x->curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)SOURCE_BYTES);
	}
	if (str_eq(q->method, S("HEAD")))
		curl_easy_setopt(x->curl, CURLOPT_NOBODY, 1L);
	else if (q->method.n)
		curl_easy_setopt(x->curl, CURLOPT_CUSTOMREQUEST, arena_cstr(x->c->arena, q->method));
	else if (q->body.p || q->source)
		curl_easy_setopt(x->curl, CURLOPT_CUSTOMREQUEST, "GET");
}

/* What is left of the request's own time and of its call's; 0 = no end. */
static int64_t time_left(const struct call *c, const struct out_request *q)
{
	int64_t left = q->timeout_ms;

	if (c->deadline_ms) {
		int64_t of_call = c->deadline_ms - clock_mono_ms();

		if (of_call < 1)
			of_call = 1;
		if (!left || of_call < left)
			left = of_call;
	}
	return left;
}

static void put_limits(struct exchange *x)
{
	const struct out_request *q = x->q;

	curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, (long)time_left(x->c, q));
	curl_easy_setopt(x->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(q->connect_ms ? q->connect_ms : CONNECT_MS));
	if (q->stall_ms) {
		curl_easy_setopt(x->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(x->curl, CURLOPT_LOW_SPEED_TIME, (long)((q->stall_ms + 999) / 1000));
	}
	curl_easy_setopt(x->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(x->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(x->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(x->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(x->curl, CURLOPT_ACCEPT_ENCODING, "");
	x->body.limit = q->max_body_bytes ? q->max_body_bytes : BODY_MAX;
}

/* After resolution, when connecting: what a name stood for before does not count. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct exchange *x = arg;

	(void)purpose;
	if (!out_public(&a->addr)) {
		x->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void put_public_only(struct exchange *x)
{
	if (!x->q->public_only)
		return;
	curl_easy_setopt(x->curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(x->curl, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(x->curl, CURLOPT_FRESH_CONNECT, 1L); /* one that is kept was not looked at */
	curl_easy_setopt(x->curl, CURLOPT_FORBID_REUSE, 1L);
}

static void put_callbacks(struct exchange *x)
{
	curl_easy_setopt(x->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(x->curl, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(x->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(x->curl, CURLOPT_XFERINFODATA, x);
	curl_easy_setopt(x->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(x->curl, CURLOPT_ERRORBUFFER, x->error);
}

/* --- and the end --- */

static bool explain(struct exchange *x, CURLcode code)
{
	const char *words = x->error[0] ? x->error : curl_easy_strerror(code);
	struct str url = x->q->url;

	switch (x->stop) {
	case ERR_CANCELED:
		return fail(x->c, ERR_CANCELED, "the request to %.*s was canceled", SARG(url));
	case ERR_BODY_TOO_LARGE:
		return fail(x->c, ERR_BODY_TOO_LARGE, "the answer of %.*s is too large", SARG(url));
	case ERR_HEADERS_TOO_LARGE:
		return fail(x->c, ERR_HEADERS_TOO_LARGE, "the headers of the answer of %.*s are too large", SARG(url));
	default:
		break;
	}
	if (x->refused && code == CURLE_COULDNT_CONNECT)
		return fail(x->c, ERR_FORBIDDEN, "%.*s: not a public address", SARG(url));
	if (code == CURLE_OPERATION_TIMEDOUT)
		return fail(x->c, ERR_REQUEST_TIMEOUT, "%.*s: %s", SARG(url), words);
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return fail(x->c, ERR_INVALID_FIELD, "%.*s: %s", SARG(url), words);
	if (code == CURLE_COULDNT_CONNECT && x->q->unix_socket.n) /* libcurl's words name the URL's host */
		return fail(x->c, ERR_UNAVAILABLE, "cannot connect to unix:%.*s", SARG(x->q->unix_socket));
	return fail(x->c, ERR_UNAVAILABLE, "%.*s: %s", SARG(url), words);
}

static void collect(struct exchange *x, struct out_answer *ret)
{
	long status = 0;

	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	*ret = (struct out_answer){
	        .status = (int)status,
	        .headers = x->got,
	        .nheaders = x->ngot,
	        .body = arena_dup(x->c->arena, buf_str(&x->body)),
	};
}

bool out_fetch(struct call *c, struct out_client *o, const struct out_request *q, struct out_answer *ret)
{
	OWNS(exchange) x = {.c = c, .q = q, .curl = o->curl};
	CURLcode code;

	if (!check_request(c, q))
		return false;
	x.got = ARENA_ARRAY(c->arena, struct out_header, HEADERS_MAX);
	curl_easy_reset(o->curl);
	curl_easy_setopt(o->curl, CURLOPT_URL, arena_cstr(c->arena, q->url));
	if (q->unix_socket.n)
		curl_easy_setopt(o->curl, CURLOPT_UNIX_SOCKET_PATH, arena_cstr(c->arena, q->unix_socket));
	put_headers(&x);
	put_method(&x);
	put_limits(&x);
	put_callbacks(&x);
	put_public_only(&x);
	code = curl_easy_perform(o->curl);
	curl_easy_setopt(o->curl, CURLOPT_ERRORBUFFER, NULL); /* x ends here, the handle does not */
	if (code != CURLE_OK)
		return explain(&x, code);
	collect(&x, ret);
	return true;
}

struct str out_header(const struct out_answer *a, const char *name)
{
	for (int i = 0; i < a->nheaders; i++)
		if (str_ieq(a->headers[i].name, str_of(name)))
			return a->headers[i].value;
	return (struct str){0};
}
