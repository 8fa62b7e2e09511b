/* events_stored.c - streams as they lie in a store: which there are, their heads, their lines. Reads only.
 *
 * What is read is input: names, sizes and bytes may be anything.
 */
#include "lifecycle/events_int.h"

#include <stdlib.h>

enum { CHUNK = 256 * 1024, NEAR = 64 * 1024, PEEK = 8192, HEAD_TAIL = 4096 };

struct str segment_key(struct arena *a, struct str dir, int64_t first)
{
	return arena_fmt(a, "%.*s%020lld.ndjson", SARG(dir), (long long)first);
}

struct str head_key(struct arena *a, struct str dir, int64_t number)
{
	return arena_fmt(a, "%.*shead-%020lld.ndjson", SARG(dir), (long long)number);
}

/* --- which streams there are --- */
struct grouping {
	struct call *c;
	stored_fn *fn;
	void *arg;
	struct buf dir, segments, heads, foreign;
	bool stopped;
};

static void grouping_drop(struct grouping *g)
{
	buf_drop(&g->dir);
	buf_drop(&g->segments);
	buf_drop(&g->heads);
	buf_drop(&g->foreign);
}

static void tell(struct grouping *g)
{
	struct stored s = {
		.dir = buf_str(&g->dir),
		.segments = (struct segment *)g->segments.p, .nsegments = g->segments.n / sizeof(struct segment),
		.heads = (struct segment *)g->heads.p, .nheads = g->heads.n / sizeof(struct segment),
		.foreign = buf_str(&g->foreign),
	};
	struct str rest = str_tail(s.dir, S("events/").n);

	s.tenant = str_cut(&rest, '/');
	s.topic = str_cut(&rest, '/');
	s.server = str_cut(&rest, '/');
	if (g->dir.n && !g->stopped)
		g->stopped = !g->fn(g->arg, g->c, &s);
	buf_clear(&g->dir);
	buf_clear(&g->segments);
	buf_clear(&g->heads);
	buf_clear(&g->foreign);
}

static bool object_name(struct str name, struct str before, int64_t *ret)
{
	struct str digits;

	if (!str_starts(name, before) || !str_ends(name, S(".ndjson")) || name.n != before.n + OFFSET_DIGITS + S(".ndjson").n)
		return false;
	digits = str_head(str_tail(name, before.n), OFFSET_DIGITS);
	return ascii_digit(digits.p[0]) && str_to_i64(digits, ret) && *ret <= OFFSET_MAX;
}

/* "events/<tenant>/<topic>/<server>/", or all of a key that is not below such a folder. */
static struct str dir_of(struct str key)
{
	struct str rest = key;

	for (int i = 0; i < 4; i++) {
		str_cut(&rest, '/');
		if (!rest.p)
			return key;
	}
	return str_from(key.p, (size_t)(rest.p - key.p));
}

static void group(struct grouping *g, const struct store_entry *it)
{
	struct str dir = dir_of(it->key), name = str_tail(it->key, dir.n);
	struct segment seg = {.bytes = it->size, .changed_ms = it->changed_ms};

	if (!str_eq(dir, buf_str(&g->dir)))
		tell(g);
	if (g->dir.n == 0)
		buf_add(&g->dir, dir);
	if (object_name(name, S(""), &seg.first))
		buf_add(&g->segments, str_from((char *)&seg, sizeof(seg)));
	else if (object_name(name, S("head-"), &seg.first))
		buf_add(&g->heads, str_from((char *)&seg, sizeof(seg)));
	else if (g->foreign.n == 0)
		buf_add(&g->foreign, it->key);
}

static bool page(struct call *c, struct store *store, struct str prefix, struct buf *after, struct grouping *g)
{
	struct arena a = {0};
	struct store_entry *all;
	struct call k = *c;
	size_t n = 0;
	bool ok;

	k.arena = &a;
	ok = store->ops->list(&k, store, prefix, buf_str(after), &all, &n);
	if (!ok)
		fail_as(c, &k.err);
	for (size_t i = 0; i < n; i++)
		group(g, &all[i]);
	buf_clear(after);
	if (n == STORE_LIST_MAX)
		buf_add(after, all[n - 1].key);
	arena_close(&a);
	return ok;
}

bool stored_each(struct call *c, struct store *store, struct str prefix, stored_fn *fn, void *arg)
{
	OWNS(grouping) g = {.c = c, .fn = fn, .arg = arg};
	OWNS(buf) after = {0};
	bool ok;

	do
		ok = page(c, store, prefix, &after, &g);
	while (ok && after.n && !g.stopped);
	if (ok)
		tell(&g);
	return ok;
}

static void *copy(struct arena *a, const void *from, size_t n)
{
	void *to = arena_alloc(a, n ? n : 1);

	if (n)
		memcpy(to, from, n);
	return to;
}

struct stored stored_dup(struct arena *a, const struct stored *s)
{
	struct stored to = *s;

	to.dir = arena_dup(a, s->dir);
	to.tenant = arena_dup(a, s->tenant);
	to.topic = arena_dup(a, s->topic);
	to.server = arena_dup(a, s->server);
	to.foreign = arena_dup(a, s->foreign);
	to.segments = copy(a, s->segments, s->nsegments * sizeof(*s->segments));
	to.heads = copy(a, s->heads, s->nheads * sizeof(*s->heads));
	return to;
}

static bool take_it(void *arg, struct call *c, const struct stored *s)
{
	struct stored *to = arg;

	if (str_eq(s->dir, to->dir))
		*to = stored_dup(c->arena, s);
	return true;
}

bool stored_one(struct call *c, struct store *store, struct str dir, struct stored *ret)
{
	struct stored s = {.dir = dir};

	if (!stored_each(c, store, dir, take_it, &s))
		return false;
	*ret = s;
	return true;
}

size_t segment_of(const struct stored *s, int64_t offset)
{
	size_t i = s->nsegments;

	while (i > 1 && s->segments[i - 1].first > offset)
		i--;
	return i ? i - 1 : 0;
}

/* --- heads --- */

/* Absent is nothing, and no error. */
static bool get_if_there(struct call *c, struct store *store, struct str key, int64_t offset, int64_t max, struct buf *ret,
			 bool *ret_there)
{
	struct call k = *c;
	bool ok;

	k.err = (struct err){0};
	ok = store->ops->get(&k, store, key, offset, max, ret);
	if (!ok && k.err.kind != ERR_NOT_FOUND)
		return fail_as(c, &k.err);
	*ret_there = ok;
	return true;
}

static bool head_in(struct call *c, struct store *store, const struct stored *s, struct str key, struct head_found *h)
{
	int64_t from = s->heads[h->at].bytes > HEAD_TAIL ? s->heads[h->at].bytes - HEAD_TAIL : 0;
	OWNS(buf) tail = {0};
	size_t end, begin;
	bool there;

	if (!get_if_there(c, store, head_key(c->arena, s->dir, s->heads[h->at].first), from, 16 * HEAD_TAIL, &tail, &there))
		return false;
	for (end = tail.n; end > 0 && tail.p[end - 1] != '\n';)
		end--;
	if (!there || end == 0)
		return true;
	for (begin = end - 1; begin > 0 && tail.p[begin - 1] != '\n';)
		begin--;
	h->any = true;
	h->whole = from + (int64_t)end;
	h->record = arena_dup(c->arena, str_from(tail.p + begin, end - 1 - begin));
	h->state = head_parse(h->record, s->dir, key, &h->head);
	return true;
}

/* One that a crash left without a whole record does not count. */
bool head_find(struct call *c, struct store *store, const struct stored *s, struct str key, struct head_found *ret)
{
	struct head_found h = {0};

	for (size_t i = s->nheads; i > 0 && !h.any; i--) {
		h.at = i - 1;
		if (!head_in(c, store, s, key, &h))
			return false;
	}
	*ret = h;
	return true;
}

/* --- lines --- */
void lines_open(struct lines *l, struct call *c, struct store *store, const struct stored *s, size_t segment)
{
	*l = (struct lines){.c = c, .store = store, .s = s, .segment = segment};
}

void lines_close(struct lines *l)
{
	buf_drop(&l->got);
}

void lines_next_segment(struct lines *l)
{
	buf_clear(&l->got);
	l->segment++;
	l->at = 0;
	l->used = 0;
	l->end = false;
}

static enum lines_step fetch(struct lines *l)
{
	struct arena a = {0};
	struct call k = *l->c;
	size_t before;
	bool ok, there;

	k.arena = &a;
	buf_cut_front(&l->got, l->used);
	l->used = 0;
	before = l->got.n;
	ok = get_if_there(&k, l->store, segment_key(&a, l->s->dir, l->s->segments[l->segment].first), l->at + (int64_t)before,
			  CHUNK, &l->got, &there);
	if (!ok)
		fail_as(l->c, &k.err);
	l->end = l->got.n - before < CHUNK;
	arena_close(&a);
	return !ok ? LINES_FAILED : there ? LINES_ONE : LINES_GONE;
}

static struct str take_bytes(struct lines *l, size_t n, size_t end)
{
	struct str s = str_from(l->got.p + l->used, n);

	l->used += n + end;
	l->at += (int64_t)(n + end);
	return s;
}

enum lines_step lines_next(struct lines *l, struct str *ret)
{
	while (true) {
		struct str left = str_tail(buf_str(&l->got), l->used);
		size_t n = str_find(left, '\n');
		enum lines_step step;

		if (n < left.n || left.n > LINE_MAX) {
			*ret = take_bytes(l, n, n < left.n);
			return LINES_ONE;
		}
		if (l->end) {
			*ret = left;
			return left.n ? LINES_TORN : LINES_SEGMENT_END;
		}
		step = fetch(l);
		if (step != LINES_ONE)
			return step;
	}
}

/* The offset in the first whole line of a piece that begins anywhere. */
static bool peek_offset(struct str piece, size_t *ret_begin, int64_t *ret_offset)
{
	size_t begin = str_find(piece, '\n') + 1, at;
	struct str digits;

	piece = str_tail(piece, begin);
	at = str_search(piece, S(",\"offset\":"));
	digits = str_tail(piece, at + S(",\"offset\":").n);
	digits = str_head(digits, str_find(digits, ','));
	*ret_begin = begin;
	return at < piece.n && digits.p + digits.n < piece.p + piece.n && str_to_i64(digits, ret_offset);
}

/* Halves the segment while it is long: lines say their offset. */
bool lines_seek(struct lines *l, int64_t offset)
{
	int64_t low = 0, high, middle, found;
	OWNS(buf) piece = {0};
	size_t begin;
	bool there;

	lines_next_segment(l);
	l->segment = segment_of(l->s, offset);
	high = l->segment < l->s->nsegments ? l->s->segments[l->segment].bytes : 0;
	while (high - low > NEAR) {
		struct str key = segment_key(l->c->arena, l->s->dir, l->s->segments[l->segment].first);

		middle = low + (high - low) / 2;
		buf_clear(&piece);
		if (!get_if_there(l->c, l->store, key, middle, PEEK, &piece, &there))
			return false;
		if (!there || !peek_offset(buf_str(&piece), &begin, &found))
			break;
		if (found > offset)
			high = middle;
		else
			low = middle + (int64_t)begin;
	}
	l->at = low;
	return true;
}
