/* feed.c - rows on their way to a worker: an ingest's stream, written without ever waiting.
 *
 *   put ──▶ frame ──▶ socket ──▶ worker        what a full socket leaves of a frame waits in `rest`,
 *             └──▶ rest ──(loop: writable)──┘  so that a frame is never half lost
 *
 * Two references: the caller's until engine_feed_end(), the task's until it has ended. The watch and
 * the descriptor's end belong to the loop; bytes are written by whoever puts them, under the lock.
 */
#include "engine/engine_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_MAX = 256 * 1024, SOCKET_BUFFER = 1024 * 1024, TABLE_NAME_MAX = 4096 };

struct engine_feed {
	atomic_int refs;
	struct exec_loop *loop;
	void (*room)(void *arg);
	void *arg;
	struct exec_watch *watch; /* on the loop */
	pthread_mutex_t lock;
	/* under the lock */
	int fd;          /* -1: nothing goes to the worker any more */
	struct buf rest; /* of the last frame */
	bool watching;   /* the loop waits for room */
	bool hungry;     /* somebody was told that it is full */
	bool ended;      /* by the caller */
};

static struct engine_feed *feed_new(struct exec_loop *loop, const struct engine_ingest *in, void *arg, int fd)
{
	struct engine_feed *f = base_zalloc(sizeof(*f));
	const int size = SOCKET_BUFFER;

	atomic_init(&f->refs, 2);
	pthread_mutex_init(&f->lock, NULL);
	f->loop = loop;
	f->room = in->room;
	f->arg = arg;
	f->fd = fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return f;
}

static void feed_unref(struct engine_feed *f)
{
	if (atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	if (f->fd >= 0)
		close(f->fd);
	buf_drop(&f->rest);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* --- writing; lock held --- */
/* The worker reads no more. Its end of the task is on its way; the loop closes the descriptor. */
static void give_up(struct engine_feed *f)
{
	buf_clear(&f->rest);
	shutdown(f->fd, SHUT_RDWR);
}

static bool flush(struct engine_feed *f)
{
	while (f->rest.n) {
		ssize_t n = send(f->fd, f->rest.p, f->rest.n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (n < 0)
			give_up(f);
		else
			buf_cut_front(&f->rest, (size_t)n);
	}
	return true;
}

static ssize_t send_frame(struct engine_feed *f, const uint32_t *size, struct str bytes)
{
	struct iovec iov[2] = {{(void *)(uintptr_t)size, sizeof(*size)}, {(void *)(uintptr_t)bytes.p, bytes.n}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	do
		n = sendmsg(f->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

/* With `rest` empty. False: not a byte of it could be taken. */
static bool put_frame(struct engine_feed *f, struct str bytes)
{
	const uint32_t size = (uint32_t)bytes.n;
	ssize_t n = send_frame(f, &size, bytes);
	size_t sent = n < 0 ? 0 : (size_t)n;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n < 0) {
		give_up(f);
		return true;
	}
	if (sent < sizeof(size))
		buf_add(&f->rest, str_from((const char *)&size + sent, sizeof(size) - sent));
	buf_add(&f->rest, str_tail(bytes, sent > sizeof(size) ? sent - sizeof(size) : 0));
	return true;
}

/* --- on the loop --- */
static void close_on_loop(struct engine_feed *f)
{
	exec_watch_close(f->watch);
	f->watch = NULL;
	pthread_mutex_lock(&f->lock);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	buf_clear(&f->rest);
	pthread_mutex_unlock(&f->lock);
}

static void on_writable(void *arg, int events)
{
	struct engine_feed *f = arg;
	bool written, told, last;

	(void)events;
	pthread_mutex_lock(&f->lock);
	written = flush(f);
	told = written && f->hungry && !f->ended;
	last = written && f->ended;
	f->watching = !written;
	f->hungry = f->hungry && !written;
	pthread_mutex_unlock(&f->lock);
	if (last)
		close_on_loop(f);
	else if (written)
		exec_watch_set(f->watch, 0);
	if (told && f->room)
		f->room(f->arg);
}

static void watch_on_loop(void *arg)
{
	struct engine_feed *f = arg;

	if (f->fd >= 0 && !f->watch)
		f->watch = exec_watch_open(f->loop, f->fd, on_writable, f);
	if (f->fd >= 0)
		exec_watch_set(f->watch, EXEC_WRITE);
	feed_unref(f);
}

/* Lock held. */
static void watch_soon(struct engine_feed *f)
{
	if (f->watching)
		return;
	f->watching = true;
	atomic_fetch_add(&f->refs, 1);
	exec_post(f->loop, watch_on_loop, f);
}

static void ended_on_loop(void *arg)
{
	struct engine_feed *f = arg;
	bool last;

	pthread_mutex_lock(&f->lock);
	last = f->rest.n == 0;
	pthread_mutex_unlock(&f->lock);
	if (last)
		close_on_loop(f);
	feed_unref(f);
}

/* Whoever waits for room is told: what comes from now on is taken and forgotten. */
void feed_over(struct engine_feed *f)
{
	bool told;

	close_on_loop(f);
	pthread_mutex_lock(&f->lock);
	told = f->hungry && !f->ended;
	f->hungry = false;
	pthread_mutex_unlock(&f->lock);
	if (told && f->room)
		f->room(f->arg);
	feed_unref(f);
}

/* --- the door --- */
bool engine_ingest(struct call *c, struct engine *e, const struct engine_ingest *in, const struct engine_listener *l,
		   void *arg, struct engine_feed **ret_feed, struct engine_task **ret)
{
	struct wire_ingest w = {.table = in->table, .format = in->format};
	struct engine_feed *f;
	struct engine_task *t;
	int fds[2];

	if (in->table.n > TABLE_NAME_MAX)
		return fail(c, ERR_UNKNOWN_TABLE, "there is no table with a name of %zu bytes", in->table.n);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return fail(c, ERR_UNAVAILABLE, "no socket for rows: %s", strerror(errno));
	f = feed_new(e->o.loop, in, arg, fds[0]);
	t = task_new(e, WIRE_INGEST, l, arg);
	t->fd = fds[1];
	t->changes = true;
	t->feed = f;
	t->catalog = engine_catalog_ref(in->catalog);
	catalog_scope(in->catalog, &w.catalog);
	wire_put_ingest(&t->body, &w);
	if (!task_queue(c, t, catalog_tenant(in->catalog))) {
		feed_unref(f);
		feed_unref(f);
		return false;
	}
	*ret_feed = f;
	*ret = t;
	return true;
}

size_t engine_feed_put(struct engine_feed *f, struct str bytes)
{
	size_t taken = 0;

	pthread_mutex_lock(&f->lock);
	INVARIANT(!f->ended);
	while (f->fd >= 0 && taken < bytes.n && flush(f)) {
		struct str frame = str_head(str_tail(bytes, taken), FRAME_MAX);

		if (!put_frame(f, frame))
			break;
		taken += frame.n;
	}
	if (f->fd < 0)
		taken = bytes.n;
	f->hungry = taken < bytes.n;
	if (f->hungry || f->rest.n)
		watch_soon(f);
	pthread_mutex_unlock(&f->lock);
	return taken;
}

void engine_feed_end(struct engine_feed *f, bool complete)
{
	const uint32_t last = 0;
	bool open;

	pthread_mutex_lock(&f->lock);
	INVARIANT(!f->ended);
	f->ended = true;
	open = f->fd >= 0;
	if (!complete)
		buf_clear(&f->rest);
	else if (open && (!flush(f) || !put_frame(f, (struct str){NULL, 0})))
		buf_add(&f->rest, str_from((const char *)&last, sizeof(last)));
	if (open && f->rest.n)
		watch_soon(f);
	else if (open)
		exec_post(f->loop, ended_on_loop, f); /* with the caller's reference */
	open = open && f->rest.n == 0;
	pthread_mutex_unlock(&f->lock);
	if (!open)
		feed_unref(f);
}
