/* wheel.c - a hashed timing wheel. */
#include "base/wheel.h"

static struct list *slot_of(struct wheel *w, int64_t ms)
{
	return &w->slots[(uint64_t)(ms / w->tick_ms) % WHEEL_SLOTS];
}

void wheel_open(struct wheel *w, int64_t tick_ms, int64_t now_ms)
{
	for (int i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
	w->tick_ms = tick_ms;
	w->now_ms = now_ms;
}

void wheel_del(struct wheel_node *n)
{
	list_del(&n->link);
}

void wheel_put(struct wheel *w, struct wheel_node *n, int64_t due_ms)
{
	wheel_del(n);
	n->due_ms = due_ms;
	/* What is due already goes where the next advance looks first. */
	list_add_tail(slot_of(w, due_ms > w->now_ms ? due_ms : w->now_ms), &n->link);
}

static int take_due(struct list *slot, int64_t now_ms, struct list *due, int max)
{
	int taken = 0;

	LIST_EACH(slot, it) {
		struct wheel_node *n = LIST_ITEM(it, struct wheel_node, link);

		if (n->due_ms > now_ms)
			continue;
		if (taken == max)
			break;
		list_del(it);
		list_add_tail(due, it);
		taken++;
	}
	return taken;
}

int wheel_advance(struct wheel *w, int64_t now_ms, struct list *due, int max)
{
	int64_t ticks = now_ms / w->tick_ms - w->now_ms / w->tick_ms;
	int taken = 0;

	if (ticks < 0)
		return 0;
	if (ticks >= WHEEL_SLOTS)
		ticks = WHEEL_SLOTS - 1; /* every slot once */
	for (int64_t i = ticks; i >= 0; i--) {
		taken += take_due(slot_of(w, now_ms - i * w->tick_ms), now_ms, due, max - taken);
		if (taken < max)
			continue;
		w->now_ms = now_ms - i * w->tick_ms; /* the next advance goes on in this slot */
		return taken;
	}
	w->now_ms = now_ms;
	return taken;
}
