/* fsm.c - printing state tables. */
#include "base/fsm.h"

void fsm_print(const struct fsm_state *table, unsigned states, struct buf *out)
{
	for (unsigned s = 0; s < states; s++) {
		const char *between = " -> ";

		buf_add(out, str_of(table[s].name));
		for (unsigned t = 0; t < states; t++) {
			if (!fsm_may(table, s, t))
				continue;
			buf_fmt(out, "%s%s", between, table[t].name);
			between = " | ";
		}
		buf_addc(out, '\n');
	}
}
