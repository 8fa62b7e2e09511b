/* event_pages.h - pages of the event log by their parts, for tests that look at single ones. */
#ifndef MAYFLY_TEST_EVENT_PAGES_H
#define MAYFLY_TEST_EVENT_PAGES_H

#include "lifecycle/lifecycle.h"

static inline bool read_events(struct call *c, struct events *e, const struct event_filter *filter, struct str cursor, int limit,
			       struct event_item **ret, int *ret_n, struct str *ret_cursor, int64_t *ret_lost)
{
	struct event_page page = {.cursor = cursor, .limit = limit};
	bool ok = events_read(c, e, filter, &page);

	*ret = page.items;
	*ret_n = page.n;
	*ret_cursor = page.cursor;
	*ret_lost = page.lost;
	return ok;
}

static inline bool recent_events(struct call *c, struct events *e, const struct event_filter *filter, struct str cursor, int limit,
				 struct event_item **ret, int *ret_n, struct str *ret_cursor)
{
	struct event_page page = {.cursor = cursor, .limit = limit};
	bool ok = events_recent(c, e, filter, &page);

	*ret = page.items;
	*ret_n = page.n;
	*ret_cursor = page.cursor;
	return ok;
}

#endif
