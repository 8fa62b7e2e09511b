/* load.c - asks one server the same again and again, and counts the answers.
 *
 * One thread, epoll, keep-alive connections with one request each in flight:
 * as little work a request as a client can do. Every answer must be a 200
 * whose body holds the expected text.
 * Usage: load PORT CONNECTIONS SECONDS EXPECTED < request
 * Prints answers a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 256 * 1024, REQUEST_MAX = 64 * 1024, EVENTS = 256 };

struct conn {
	int fd;
	size_t got;
	char in[ANSWER_MAX];
};

struct load {
	int epoll;
	char request[REQUEST_MAX];
	size_t request_size;
	const char *expected;
	size_t expected_size;
	long answers;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(const struct load *l, const struct conn *c)
{
	if (write(c->fd, l->request, l->request_size) != (ssize_t)l->request_size)
		die("a request could not be sent at once");
}

/* Size of the answer that begins at in, 0 while its head is not whole. */
static size_t answer_size(const struct conn *c, size_t *ret_head)
{
	static const char length[] = "\r\nContent-Length: ";
	const char *end = memmem(c->in, c->got, "\r\n\r\n", 4), *at;

	if (!end)
		return 0;
	*ret_head = (size_t)(end - c->in) + 4;
	at = memmem(c->in, *ret_head, length, sizeof(length) - 1);
	if (!at)
		die("an answer without a length");
	return *ret_head + strtoul(at + sizeof(length) - 1, NULL, 10);
}

static void check(const struct load *l, const struct conn *c, size_t head, size_t size)
{
	static const char good[] = "HTTP/1.1 200 ";

	if (memcmp(c->in, good, sizeof(good) - 1) == 0 && memmem(c->in + head, size - head, l->expected, l->expected_size))
		return;
	fprintf(stderr, "load: not the expected answer:\n%.*s\n", (int)(size < 2000 ? size : 2000), c->in);
	exit(1);
}

static void hear(struct load *l, struct conn *c)
{
	ssize_t n = read(c->fd, c->in + c->got, ANSWER_MAX - c->got);
	size_t head = 0, size;

	if (n <= 0)
		die("a connection was closed, or an answer is too large");
	c->got += (size_t)n;
	size = answer_size(c, &head);
	if (size == 0 || c->got < size)
		return;
	if (c->got > size)
		die("more than one answer to a request");
	check(l, c, head, size);
	l->answers++;
	c->got = 0;
	ask(l, c);
}

static void open_connection(struct load *l, struct conn *c, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	const int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		die("cannot connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
		die("epoll");
	ask(l, c);
}

static void run_until(struct load *l, double end)
{
	struct epoll_event events[EVENTS];

	while (now() < end) {
		int n = epoll_wait(l->epoll, events, EVENTS, 10000);

		if (n == 0)
			die("no answer in ten seconds");
		if (n < 0 && errno != EINTR)
			die("epoll");
		for (int i = 0; i < n; i++)
			hear(l, events[i].data.ptr);
	}
}

int main(int argc, char **argv)
{
	static struct load l;
	int connections = argc == 5 ? atoi(argv[2]) : 0;
	double seconds, begin;
	struct conn *v;

	if (connections < 1 || (seconds = atof(argv[3])) <= 0) {
		fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS EXPECTED < request\n");
		return 2;
	}
	l.expected = argv[4];
	l.expected_size = strlen(argv[4]);
	l.request_size = fread(l.request, 1, sizeof(l.request), stdin);
	l.epoll = epoll_create1(0);
	v = calloc((size_t)connections, sizeof(*v));
	if (!v || l.request_size == 0 || l.request_size == REQUEST_MAX)
		die("no memory, or no request");
	for (int i = 0; i < connections; i++)
		open_connection(&l, &v[i], atoi(argv[1]));
	begin = now();
	run_until(&l, begin + seconds);
	printf("%.1f\n", (double)l.answers / (now() - begin));
	free(v);
	return 0;
}
