/* events_open.c - where a stream of this server goes on after a start.
 *
 * The end of the log is checked from the segment that has the head's item:
 *
 *   the log ends at the head, or behind it in true items   it goes on there (a crash came before the head)
 *   behind that a piece of a line                          a torn write that nobody was told of: cut off
 *   anything else                                          it was changed or cut: `broken`
 *
 * A broken stream is told in the server's log, and what is there stays as it is: the
 * stream goes on in a new segment, at an offset never used, behind the hash that the
 * signed head knows. The first item there says {"event":"chain_broken"}; events_verify()
 * tells the fault until retention drops it.
 */
#include "lifecycle/events_int.h"

#include <stdio.h>

struct first_fault {
	struct call *c;
	struct str text;
};

static void keep_first(void *arg, int64_t offset, const char *what)
{
	struct first_fault *f = arg;

	if (!f->text.n)
		f->text = arena_fmt(f->c->arena, "offset %lld %s", (long long)offset, what);
}

static void tip_fresh(struct tip *t)
{
	*t = (struct tip){0};
	snprintf(t->head.hash, sizeof(t->head.hash), "%s", event_no_hash);
	snprintf(t->head.first_prev, sizeof(t->head.first_prev), "%s", event_no_hash);
}

bool segment_prev(struct call *c, struct store *store, const struct stored *s, size_t segment, char ret[HEX + 1])
{
	struct event_line first;
	enum lines_step step;
	struct str line;
	struct lines l;

	lines_open(&l, c, store, s, segment);
	step = lines_next(&l, &line);
	if (step == LINES_ONE && event_line_parse(line, &first))
		memcpy(ret, first.prev_hash.p, HEX);
	lines_close(&l);
	return step != LINES_FAILED;
}

static void chain_from_head(struct chain *ch, const struct head *h, size_t *ret_from)
{
	size_t first = chain_first(ch->s, h), from = first;

	while (from + 1 < ch->s->nsegments && ch->s->segments[from + 1].first < h->next)
		from++;
	ch->next = h->first;
	snprintf(ch->prev, sizeof(ch->prev), "%s", h->first_prev);
	if (from > first && from < ch->s->nsegments) {
		ch->next = ch->s->segments[from].first;
		ch->prev[0] = 0;
	}
	*ret_from = from;
}

/* An offset that no item and no segment has had, as far as can be told, and the best hash before it. */
static void go_on_elsewhere(struct tip *t, const struct chain *ch, int64_t told)
{
	const struct stored *s = ch->s;
	int64_t next = ch->next > told ? ch->next : told;

	if (s->nsegments && s->segments[s->nsegments - 1].first >= next)
		next = s->segments[s->nsegments - 1].first + 1;
	if (!ch->head && s->nsegments == 0)
		t->head.first = next;
	t->head.next = next;
	if (ch->head || ch->prev[0])
		snprintf(t->head.hash, sizeof(t->head.hash), "%s", ch->head ? ch->head->hash : ch->prev);
	t->segment = next;
	t->segment_bytes = 0;
}

static void go_on(struct tip *t, const struct chain *ch)
{
	const struct stored *s = ch->s;
	bool any = chain_first(s, ch->head) < s->nsegments;

	t->head.next = ch->next;
	snprintf(t->head.hash, sizeof(t->head.hash), "%s", ch->prev);
	t->segment = any ? s->segments[s->nsegments - 1].first : ch->next;
	t->segment_bytes = any && ch->last == s->nsegments - 1 ? ch->last_end : 0;
	t->uncut = ch->torn;
}

/* One that cannot be trusted stays as it is, too: a new object is begun behind it. */
static void take_head(struct tip *t, const struct stored *s, const struct head_found *h)
{
	int64_t newest = s->nheads ? s->heads[s->nheads - 1].first : -1;

	t->head_number = newest + 1;
	if (!h->any)
		return;
	t->head = h->head;
	t->head.closed = false;
	t->head_number = newest;
	t->head_bytes = h->at == s->nheads - 1 ? h->whole : 0;
	t->head_uncut = t->head_bytes != s->heads[s->nheads - 1].bytes;
}

static bool read_chain(struct call *c, struct events *e, struct tip *t, struct chain *ch)
{
	struct first_fault *f = ch->arg;
	size_t from = 0;

	if (ch->head) {
		chain_from_head(ch, ch->head, &from);
	} else if (ch->s->nsegments) {
		f->text = S("its signed head is missing or was changed");
		ch->next = t->head.first = ch->s->segments[0].first;
		ch->prev[0] = 0;
		if (!segment_prev(c, e->store, ch->s, 0, t->head.first_prev))
			return false;
	}
	return chain_walk(c, e->store, ch, from);
}

bool tip_read(struct call *c, struct events *e, struct str dir, struct tip *ret, struct str *ret_broken)
{
	struct first_fault f = {.c = c, .text = {"", 0}};
	struct chain ch = {.fault = keep_first, .arg = &f};
	struct head_found h;
	struct stored s;
	int64_t told;
	struct tip t;

	tip_fresh(&t);
	if (!stored_one(c, e->store, dir, &s) || !head_find(c, e->store, &s, e->key, &h))
		return false;
	ch.s = &s;
	if (h.any && h.state == HEAD_GOOD)
		ch.head = &h.head;
	else if (h.any)
		f.text = S("its signed head was changed");
	told = h.any ? h.head.next : 0;
	h.any = ch.head != NULL;
	take_head(&t, &s, &h);
	snprintf(ch.prev, sizeof(ch.prev), "%s", event_no_hash);
	if (!read_chain(c, e, &t, &ch))
		return false;
	if (f.text.n)
		go_on_elsewhere(&t, &ch, told);
	else
		go_on(&t, &ch);
	t.last_ms = ch.last_ms;
	*ret = t;
	*ret_broken = f.text;
	return true;
}
