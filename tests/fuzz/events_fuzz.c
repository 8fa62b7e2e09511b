/* events_fuzz.c - libFuzzer entry: the bytes of a stream may be anything.
 *
 * The input is a segment and, behind a byte 0, the object of its head. They are
 * walked as a start and a verification do, and read at random places.
 */
#include "lifecycle/events_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct fuzzed {
	struct store store;
	struct str segment, head;
};

static bool get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	const struct fuzzed *f = CONTAINER_OF(s, struct fuzzed, store);
	struct str all = str_search(key, S("/head-")) < key.n ? f->head : f->segment;

	(void)c;
	buf_add(ret, str_head(str_tail(all, (size_t)offset), (size_t)max));
	return true;
}

static const struct store_ops ops = {.name = "fuzzed", .get = get};

static void on_fault(void *arg, int64_t offset, const char *what)
{
	(void)offset;
	INVARIANT(what[0]);
	++*(int64_t *)arg;
}

static void walk(struct call *c, struct fuzzed *f, const struct stored *s)
{
	struct head_found h;
	struct chain ch = {.s = s, .fault = on_fault};
	int64_t faults = 0;

	ch.arg = &faults;
	INVARIANT(head_find(c, &f->store, s, S("key"), &h));
	INVARIANT(!h.any || h.state == HEAD_UNREADABLE || h.head.first <= h.head.next);
	if (h.any && h.state != HEAD_UNREADABLE) { /* nobody can sign: taken as if it were */
		ch.head = &h.head;
		ch.next = h.head.first;
	}
	INVARIANT(chain_walk(c, &f->store, &ch, chain_first(s, ch.head)));
	INVARIANT(faults || !ch.head || ch.next >= ch.head->next);
}

static void seek(struct call *c, struct fuzzed *f, const struct stored *s)
{
	struct str line;
	struct lines l;

	lines_open(&l, c, &f->store, s, 0);
	for (int64_t offset = 0; offset < 300; offset += 70) {
		INVARIANT(lines_seek(&l, offset));
		for (int i = 0; i < 3 && lines_next(&l, &line) == LINES_ONE; i++)
			INVARIANT(line.n <= f->segment.n);
	}
	lines_close(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str input = str_from((const char *)bytes, n), member;
	struct fuzzed f = {.store = {&ops}, .head = input};
	struct segment segment, head = {0};
	struct event_line line;
	struct arena arena = {0};
	struct stored s;
	struct call c;

	call_open(&c, &arena);
	f.segment = str_cut(&f.head, 0);
	segment = (struct segment){.bytes = (int64_t)f.segment.n};
	head.bytes = (int64_t)f.head.n;
	s = (struct stored){.dir = S("events/acme/job/server-a/"), .tenant = S("acme"), .topic = S("job"), .server = S("server-a"),
			    .segments = &segment, .nsegments = 1, .heads = &head, .nheads = 1};
	walk(&c, &f, &s);
	seek(&c, &f, &s);
	if (event_line_parse(input, &line))
		(void)event_line_true(&line);
	member = event_member(input, S("event"));
	INVARIANT(member.n == 0 || (member.p >= input.p && member.p + member.n <= input.p + input.n));
	arena_close(&arena);
	return 0;
}
