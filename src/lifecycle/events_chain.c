/* events_chain.c - are the lines of a stream those that were written?
 *
 * Walks them from a segment to the end, and tells every fault; after one it goes
 * on from what is there. Used for all of a stream by events_verify(), and for its
 * end when a server opens it.
 */
#include "lifecycle/events_int.h"

#include <stdio.h>

static PRINTF(3, 4) void fault(const struct chain *ch, int64_t offset, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ch->fault(ch->arg, offset, text);
}

size_t chain_first(const struct stored *s, const struct head *h)
{
	size_t i = 0;

	while (h && i < s->nsegments && s->segments[i].first < h->first)
		i++;
	return i;
}

/* The item before the head's `next` was seen: is it the one that was signed? */
static void meet_head(const struct chain *ch)
{
	if (ch->head && ch->next == ch->head->next && !str_eq(str_of(ch->prev), str_of(ch->head->hash)))
		fault(ch, ch->next - 1, "is not the item that the signed head tells");
}

static bool of_stream(const struct stored *s, const struct event_line *l)
{
	struct str end = str_head(l->topic, l->topic.n - (str_ends(l->topic, S(".v1")) ? 3 : 0));

	return str_eq(l->tenant, s->tenant) && str_eq(l->stream, s->server) && end.n < l->topic.n && str_ends(end, s->topic) &&
	       str_ends(str_head(end, end.n - s->topic.n), S(".audit."));
}

static void check(struct chain *ch, struct str line)
{
	struct event_line l;

	ch->items++;
	if (!event_line_parse(line, &l)) {
		fault(ch, ch->next, "cannot be read");
		ch->next++;
		ch->prev[0] = 0;
		return;
	}
	if (l.offset != ch->next)
		fault(ch, ch->next, "is not where it should be: offset %lld is there", (long long)l.offset);
	if (!of_stream(ch->s, &l))
		fault(ch, l.offset, "is an item of another stream");
	if (ch->prev[0] && !str_eq(l.prev_hash, str_of(ch->prev)))
		fault(ch, l.offset, "does not follow the item before it: its prev_hash is not that item's hash");
	if (!event_line_true(&l))
		fault(ch, l.offset, "was changed: its hash is not that of its bytes");
	ch->next = l.offset + 1;
	ch->last_ms = l.time_ms > ch->last_ms ? l.time_ms : ch->last_ms;
	memcpy(ch->prev, l.hash.p, HEX);
	ch->prev[HEX] = 0;
	meet_head(ch);
}

static void begin_segment(struct chain *ch, const struct segment *seg)
{
	if (seg->first == ch->next)
		return;
	if (ch->mirrored && seg->first > ch->next) {
		ch->missing += seg->first - ch->next;
		ch->next = seg->first;
		ch->prev[0] = 0;
		return;
	}
	if (seg->first > ch->next)
		fault(ch, ch->next, "is missing, and all up to %lld", (long long)seg->first - 1);
	else
		fault(ch, seg->first, "begins a segment that was not here");
	ch->next = seg->first;
	ch->prev[0] = 0;
}

static void torn(struct chain *ch, const struct lines *l)
{
	bool open = ch->mirrored || (ch->head && !ch->head->closed && ch->next >= ch->head->next);
	bool crash = l->segment + 1 == ch->s->nsegments && open;

	if (crash)
		ch->torn = true;
	else
		fault(ch, ch->next, "has no end");
}

static bool walk_segment(struct chain *ch, struct lines *l)
{
	enum lines_step step;
	struct str line;

	begin_segment(ch, &ch->s->segments[l->segment]);
	while ((step = lines_next(l, &line)) == LINES_ONE) {
		check(ch, line);
		ch->last = l->segment;
		ch->last_end = l->at;
	}
	if (step == LINES_TORN)
		torn(ch, l);
	if (step == LINES_GONE)
		fault(ch, ch->next, "is missing with its segment");
	return step != LINES_FAILED;
}

static void end_of_stream(const struct chain *ch)
{
	if (!ch->head)
		return;
	if (ch->next < ch->head->next)
		fault(ch, ch->next, "is missing, and all up to %lld: the end was cut off", (long long)ch->head->next - 1);
	if (ch->next > ch->head->next && ch->head->closed)
		fault(ch, ch->head->next, "stands behind the end that the signed head tells");
}

bool chain_walk(struct call *c, struct store *store, struct chain *ch, size_t from)
{
	struct lines l;
	bool ok = true;

	meet_head(ch);
	lines_open(&l, c, store, ch->s, from);
	for (; ok && l.segment < ch->s->nsegments; lines_next_segment(&l))
		ok = walk_segment(ch, &l);
	lines_close(&l);
	if (ok)
		end_of_stream(ch);
	return ok;
}
