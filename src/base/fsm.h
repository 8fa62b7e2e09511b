/* fsm.h - life cycles as tables.
 *
 * A life cycle is one enum, one array of fsm_state indexed by it, and one
 * function in the owning room that moves, which asks fsm_may() first. The
 * diagrams in docs/ are printed from the arrays by fsm_print().
 */
#ifndef MAYFLY_BASE_FSM_H
#define MAYFLY_BASE_FSM_H

#include "base/buf.h"

#define TO(state) (1U << (state))

struct fsm_state {
	const char *name;
	unsigned to; /* TO(a) | TO(b); 0 = terminal */
};

static inline bool fsm_may(const struct fsm_state *table, unsigned from, unsigned to)
{
	return (table[from].to & TO(to)) != 0;
}
static inline bool fsm_terminal(const struct fsm_state *table, unsigned state)
{
	return table[state].to == 0;
}

/* One line a state: "SUBMITTED -> RUNNING | CANCELED". */
void fsm_print(const struct fsm_state *table, unsigned states, struct buf *out);

#endif
