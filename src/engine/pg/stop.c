/* stop.c - stop signs, and waiting that looks at them.
 *
 * A stop sign is a flag for who looks and an eventfd for who polls. Waiting is poll() on a socket, the sign
 * and a clock; the clock may be turned by tests, so no sleep is longer than a slice.
 */
#include "engine/pg/pg_int.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SLICE_MS = 50 };

void pg_stop_open(struct pg_stop *s)
{
	atomic_init(&s->on, false);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	INVARIANT(s->fd >= 0);
}

void pg_stop_ask(struct pg_stop *s)
{
	uint64_t one = 1;

	atomic_store(&s->on, true);
	/* A counter that is full is readable as well. */
	INVARIANT(write(s->fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN);
}

void pg_stop_close(struct pg_stop *s)
{
	close(s->fd);
	s->fd = -1;
}

enum pg_woken pg_look(const struct pg_limits *l)
{
	if (l->stop && atomic_load(&l->stop->on))
		return PG_ASKED_TO_STOP;
	if (l->cancel && atomic_load(l->cancel))
		return PG_ASKED_TO_STOP;
	if (l->deadline_ms && clock_mono_ms() >= l->deadline_ms)
		return PG_TOO_LATE;
	return PG_READY;
}

static int slice(const struct pg_limits *l)
{
	int64_t left = l->deadline_ms ? l->deadline_ms - clock_mono_ms() : SLICE_MS;

	return left < 0 ? 0 : left < SLICE_MS ? (int)left : SLICE_MS;
}

enum pg_woken pg_wait(const struct pg_limits *l, int fd, short events)
{
	struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = l->stop ? l->stop->fd : -1, .events = POLLIN}};

	for (;;) {
		enum pg_woken w = pg_look(l);
		int n;

		if (w != PG_READY)
			return w;
		n = poll(fds, 2, slice(l));
		INVARIANT(n >= 0 || errno == EINTR || errno == ENOMEM);
		if (n > 0 && fds[0].revents)
			return PG_READY;
	}
}
