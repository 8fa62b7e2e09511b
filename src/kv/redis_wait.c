/* redis_wait.c - who waits for an answer, and how it is woken.
 *
 * A semaphore each would cost the loop a call of the system's, and the other
 * processor an interrupt, for every answer. Here the answers of one read are
 * gathered first: one futex call wakes the waiters of 32 neighbouring seats.
 * Seats are given in turn, so that neighbours are answered together; somebody
 * else's answer wakes only who has the same seat, SEATS questions later.
 */
#include "kv/redis_int.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(atomic_uint) == sizeof(uint32_t), "what the kernel looks at");

static struct redis_row *row_of(struct redis *r, const struct redis_exchange *e)
{
	return &r->rows[e->seat / REDIS_SEATS_A_ROW];
}

static unsigned bit_of(const struct redis_exchange *e)
{
	return 1U << e->seat % REDIS_SEATS_A_ROW;
}

void redis_wait_begin(struct redis *r, struct redis_exchange *e)
{
	e->seat = atomic_fetch_add_explicit(&r->seats, 1, memory_order_relaxed) % REDIS_SEATS;
	atomic_fetch_add(&r->asking, 1);
}

void redis_wait(struct redis *r, struct redis_exchange *e)
{
	struct redis_row *row = row_of(r, e);

	for (;;) {
		unsigned turns = atomic_load(&row->turns);

		if (atomic_load(&e->done))
			return;
		/* whatever ends it: the answer is looked for again */
		syscall(SYS_futex, &row->turns, FUTEX_WAIT_BITSET_PRIVATE, turns, NULL, NULL, bit_of(e));
	}
}

void redis_wait_end(struct redis *r)
{
	atomic_fetch_sub(&r->asking, 1);
}

void redis_answered(struct redis *r, struct redis_exchange *e)
{
	row_of(r, e)->due |= bit_of(e);
	atomic_store(&e->done, true);
}

void redis_ring(struct redis *r)
{
	for (struct redis_row *row = r->rows; row < r->rows + REDIS_ROWS; row++) {
		if (!row->due)
			continue;
		atomic_fetch_add(&row->turns, 1);
		syscall(SYS_futex, &row->turns, FUTEX_WAKE_BITSET_PRIVATE, INT32_MAX, NULL, NULL, row->due);
		row->due = 0;
	}
}

/* They have their answers, and are about to leave. */
void redis_wait_all(struct redis *r)
{
	while (atomic_load(&r->asking))
		sched_yield();
}
