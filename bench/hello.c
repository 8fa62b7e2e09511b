/* hello.c - the floor: bare libuv and llhttp answering a fixed 200.
 *
 * What http/ is compared with: one loop, keep-alive, pipelining (answers of one
 * read go out in one write), no limits, no strictness, no headers of use.
 * Usage: hello PORT BYTES    the body is BYTES long
 */
#include <llhttp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_SIZE = 64 * 1024, ANSWERS = 1024, HEAD_SIZE = 128, BODY_MAX = 1 << 20 };

struct conn {
	uv_tcp_t tcp;
	llhttp_t parser;
	int done; /* requests seen whole in this read */
};

static llhttp_settings_t settings;
static char read_buffer[READ_SIZE];
static char answer[HEAD_SIZE + BODY_MAX];
static size_t answer_size;

static int on_message(llhttp_t *p)
{
	struct conn *c = p->data;

	c->done++;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status;
	free(w);
}

static void answer_all(struct conn *c)
{
	uv_buf_t bufs[ANSWERS];
	uv_write_t *w;
	int n = c->done < ANSWERS ? c->done : ANSWERS;

	c->done = 0;
	for (int i = 0; i < n; i++)
		bufs[i] = uv_buf_init(answer, (unsigned)answer_size);
	if (n == 0 || uv_try_write((uv_stream_t *)&c->tcp, bufs, (unsigned)n) == n * (int)answer_size)
		return;
	w = malloc(sizeof(*w)); /* the floor drops what a slow reader does not take */
	if (w && uv_write(w, (uv_stream_t *)&c->tcp, bufs, 0, on_written) != 0)
		free(w);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	(void)h;
	(void)hint;
	*ret = uv_buf_init(read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = s->data;

	if (n > 0 && llhttp_execute(&c->parser, buf->base, (size_t)n) == HPE_OK)
		answer_all(c);
	else if (n != 0)
		uv_close((uv_handle_t *)s, on_closed);
}

static void on_connection(uv_stream_t *s, int status)
{
	struct conn *c = status == 0 ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return;
	uv_tcp_init(s->loop, &c->tcp);
	c->tcp.data = c;
	llhttp_init(&c->parser, HTTP_REQUEST, &settings);
	c->parser.data = c;
	uv_accept(s, (uv_stream_t *)&c->tcp);
	uv_tcp_nodelay(&c->tcp, 1);
	uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static bool make_answer(const char *bytes)
{
	size_t n = strtoul(bytes, NULL, 10);

	if (n > BODY_MAX)
		return false;
	answer_size = (size_t)snprintf(answer, HEAD_SIZE, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", n);
	memset(answer + answer_size, 'a', n);
	answer_size += n;
	return true;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	uv_tcp_t tcp;

	if (argc != 3 || !make_answer(argv[2]) || uv_ip4_addr("127.0.0.1", atoi(argv[1]), &sa) != 0)
		return 2;
	settings.on_message_complete = on_message;
	uv_tcp_init(uv_default_loop(), &tcp);
	if (uv_tcp_bind(&tcp, (const struct sockaddr *)&sa, 0) != 0 ||
	    uv_listen((uv_stream_t *)&tcp, 1024, on_connection) != 0) {
		fprintf(stderr, "hello: cannot listen on port %s\n", argv[1]);
		return 1;
	}
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
