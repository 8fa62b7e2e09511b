/* ticket.c - waiting for another thread, ended by a stop sign and the call's deadline as well. */
#include "runner/layers_int.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SLICE_MS = 50 }; /* the clock may be turned by tests */

void ticket_open(struct ticket *t)
{
	*t = (struct ticket){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	INVARIANT(t->fd >= 0);
	list_init(&t->in);
}

void ticket_wake(struct ticket *t)
{
	uint64_t one = 1;

	INVARIANT(write(t->fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN);
}

void ticket_close(struct ticket *t)
{
	INVARIANT(!list_linked(&t->in));
	close(t->fd);
	t->fd = -1;
}

bool ticket_may_go_on(struct call *c, struct pg_stop *stop)
{
	if ((stop && atomic_load(&stop->on)) || (c->cancel && atomic_load(c->cancel)))
		return fail(c, ERR_CANCELED, "canceled");
	if (c->deadline_ms && clock_mono_ms() >= c->deadline_ms)
		return fail(c, ERR_STATEMENT_TIMEOUT, "the time for this was over");
	return true;
}

static int slice_ms(const struct call *c, int64_t until_ms)
{
	int64_t now = clock_mono_ms(), left = SLICE_MS;

	if (c->deadline_ms && c->deadline_ms - now < left)
		left = c->deadline_ms - now;
	if (until_ms && until_ms - now < left)
		left = until_ms - now;
	return left < 0 ? 0 : (int)left;
}

bool ticket_wait(struct call *c, struct ticket *t, struct pg_stop *stop, int64_t most_ms)
{
	struct pollfd fds[2] = {{.fd = t->fd, .events = POLLIN}, {.fd = stop ? stop->fd : -1, .events = POLLIN}};
	int64_t until = most_ms ? clock_mono_ms() + most_ms : 0;
	uint64_t told;

	for (;;) {
		int n = poll(fds, 2, slice_ms(c, until));

		INVARIANT(n >= 0 || errno == EINTR || errno == ENOMEM);
		if (n > 0 && fds[0].revents) {
			INVARIANT(read(t->fd, &told, sizeof(told)) == sizeof(told) || errno == EAGAIN);
			return true;
		}
		if (!ticket_may_go_on(c, stop))
			return false;
		if (until && clock_mono_ms() >= until)
			return true;
	}
}

void ticket_pause(int ms)
{
	INVARIANT(poll(NULL, 0, ms) == 0 || errno == EINTR);
}
