/* events_verify.c - checks every stream of a store against its signed head.
 *
 * A server may go on writing meanwhile. So a stream with faults is looked at once
 * more, the head first and then what there is: then writing only adds items behind the
 * head, and retention, which may drop what was listed, moves the head before it does.
 */
#include "lifecycle/events_int.h"

#include <stdio.h>

enum { TRIES = 5 };

struct verifying {
	struct call *c;
	struct store *store;
	struct str server, key;
	struct events_verdict v;
	struct buf bad;        /* of struct str */
	struct buf now;        /* the same, of the stream that is looked at */
	struct str dir;
	bool failed;
};

static void add_fault(struct verifying *v, struct str text)
{
	struct str s = arena_fmt(v->c->arena, "%.*s: %.*s", SARG(v->dir), SARG(text));

	if (v->now.n / sizeof(s) + v->bad.n / sizeof(s) < EVENT_FAULTS_MAX)
		buf_add(&v->now, str_from((char *)&s, sizeof(s)));
}

static void on_fault(void *arg, int64_t offset, const char *what)
{
	struct arena a = {0};

	add_fault(arg, arena_fmt(&a, "offset %lld %s", (long long)offset, what));
	arena_close(&a);
}

static bool read_head(struct verifying *v, const struct stored *s, struct head_found *ret)
{
	if (!head_find(v->c, v->store, s, v->key, ret))
		return false;
	if (s->nsegments && !ret->any && !stored_mirrored(s, v->server))
		add_fault(v, S("has no head"));
	else if (ret->any && ret->state == HEAD_UNREADABLE)
		add_fault(v, S("its head cannot be read"));
	else if (ret->any && ret->state == HEAD_NOT_OURS)
		add_fault(v, S("its head was changed, or is signed with another key"));
	if (s->foreign.n)
		add_fault(v, arena_fmt(v->c->arena, "%.*s does not belong here", SARG(s->foreign)));
	return true;
}

static bool walk(struct verifying *v, const struct stored *s, const struct head_found *h, struct chain *ch)
{
	const struct head *head = h->any && h->state == HEAD_GOOD ? &h->head : NULL;

	*ch = (struct chain){.s = s, .head = head, .mirrored = stored_mirrored(s, v->server), .fault = on_fault, .arg = v};
	if (head) {
		ch->next = head->first;
		snprintf(ch->prev, sizeof(ch->prev), "%s", head->first_prev);
	} else if (s->nsegments) {
		ch->next = s->segments[0].first;
	}
	return chain_walk(v->c, v->store, ch, chain_first(s, head));
}

static bool moved_on(struct verifying *v, struct str dir, struct str record)
{
	struct head_found now;
	struct stored s;

	if (!stored_one(v->c, v->store, dir, &s) || !head_find(v->c, v->store, &s, v->key, &now))
		return false;
	return !str_eq(now.record, record);
}

/* The segments are listed once more, behind the head. */
static bool look_again(struct verifying *v, struct stored *s, struct head_found *h)
{
	return stored_one(v->c, v->store, s->dir, s) && read_head(v, s, h) && stored_one(v->c, v->store, s->dir, s);
}

static bool verify_stream(struct verifying *v, const struct stored *found)
{
	struct stored s = *found;
	struct head_found h;
	struct chain ch;

	for (int i = 0; i < TRIES; i++) {
		buf_clear(&v->now);
		if (!(i ? look_again(v, &s, &h) : read_head(v, &s, &h)) || !walk(v, &s, &h, &ch))
			return false;
		if (v->now.n == 0 || (i && !moved_on(v, s.dir, h.record)))
			break;
	}
	if (v->c->err.kind != ERR_NONE)
		return false;
	v->v.streams += s.nsegments || s.nheads;
	v->v.mirrored += s.nsegments && ch.mirrored;
	v->v.missing += ch.missing;
	v->v.items += ch.items;
	if (ch.head && ch.next > ch.head->next && !ch.head->closed)
		v->v.unsealed += ch.next - ch.head->next;
	buf_add(&v->bad, buf_str(&v->now));
	return true;
}

/* Faults stay in the caller's arena, all else of a stream goes. */
static bool verify_one(void *arg, struct call *c, const struct stored *found)
{
	struct verifying *v = arg;
	struct arena a = {0};
	struct call k = *c;
	struct str *faults;
	size_t from = v->bad.n / sizeof(*faults);

	k.arena = &a;
	v->c = &k;
	v->dir = found->dir;
	v->failed = !verify_stream(v, found);
	v->c = c;
	if (v->failed)
		fail_as(c, &k.err);
	faults = (struct str *)v->bad.p;
	for (size_t i = from; i < v->bad.n / sizeof(*faults); i++)
		faults[i] = arena_dup(c->arena, faults[i]);
	arena_close(&a);
	return !v->failed;
}

bool events_verify(struct call *c, struct store *s, struct str server, struct str key, struct events_verdict *ret)
{
	struct verifying v = {.c = c, .store = s, .server = server, .key = key};
	bool ok = stored_each(c, s, S("events/"), verify_one, &v) && !v.failed;
	struct str all = arena_dup(c->arena, buf_str(&v.bad));

	if (ok) {
		*ret = v.v;
		ret->bad = (struct str *)all.p;
		ret->nbad = (int)(all.n / sizeof(struct str));
	}
	buf_drop(&v.bad);
	buf_drop(&v.now);
	return ok;
}
