/* events_mirror_send.c - this server's items on their way to Redis.
 *
 * Nothing is kept in memory for it: what waits is in the log, and a stream that is due says only that there is something. What
 * retention took before it was sent is a gap to those who read.
 */
#include "lifecycle/events_mirror_int.h"

#include "obs/obs.h"

/* KEYS: stream, sent, servers. ARGV: items that are kept, ms that the keys live, this server, now, channel; then for each stream
 * its field, where the batch begins and ends, the number of lines, the lines. Answers for each where Redis is now: a batch that
 * does not begin there is not taken. (replicate_commands: XADD chooses the ids, which Redis 5 takes for a random command.) */
const char mirror_send_script[] =
	"if redis.replicate_commands then redis.replicate_commands() end\n"
	"local at, answer, some = 6, {}, false\n"
	"while ARGV[at] do\n"
	"  local field, from, to, n = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])\n"
	"  local there = redis.call('HGET', KEYS[2], field) or '-1'\n"
	"  if there == from then\n"
	"    for i = at + 4, at + 3 + n do redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'item', ARGV[i]) end\n"
	"    redis.call('HSET', KEYS[2], field, to)\n"
	"    there, some = to, true\n"
	"  end\n"
	"  answer[#answer + 1] = tonumber(there) or -1\n"
	"  at = at + 4 + n\n"
	"end\n"
	"if some then\n"
	"  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])\n"
	"  for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end\n"
	"  redis.call('PUBLISH', ARGV[5], ARGV[3])\n"
	"end\n"
	"return answer\n";

enum { FIXED_ARGS = 5, ARGS_MAX = FIXED_ARGS + 4 * MIRROR_SEND_STREAMS + MIRROR_SEND_ITEMS };

struct one { /* a stream in a batch */
	struct sending *s;
	struct str field;
	int64_t first, next;             /* what the log has, now */
	int64_t from, to;                /* of the batch */
	int64_t due_ns;
	int items;
};
struct batch {
	struct events_mirror *m;
	struct call *c;
	struct one v[MIRROR_SEND_STREAMS];
	int n;
	struct str *args;
	int nargs, items, failed;
	size_t bytes;
};

/* --- names --- */
static enum event_topic topic_of(struct str name)
{
	return (enum event_topic)name.p[0];
}

static struct str field_of(struct arena *a, struct str name)
{
	return arena_fmt(a, "%.*s/%.*s", SARG(event_topic_ids[topic_of(name)]), SARG(str_tail(name, 1)));
}

/* --- which streams are due --- */
static bool head_of(struct call *c, struct events_mirror *m, const struct stored *s, int64_t *ret_next)
{
	struct head_found h;

	if (!head_find(c, m->e->store, s, m->e->key, &h))
		return false;
	*ret_next = h.any && h.state == HEAD_GOOD ? h.head.next : -1;
	return true;
}

/* What Redis has all of costs one look at its head. */
static bool look_at(void *arg, struct call *c, const struct stored *s)
{
	struct events_mirror *m = arg;
	struct redis_value there;
	OWNS(arena) a = {0};
	struct call k = *c;
	int64_t next, sent = SENT_UNKNOWN;
	struct str name;
	int t = 0;

	while (t < EVENT_TOPICS && !str_eq(s->topic, event_topic_ids[t]))
		t++;
	if (!str_eq(s->server, m->e->server) || t == EVENT_TOPICS || s->nsegments + s->nheads == 0)
		return true;
	k.arena = &a;
	name = arena_fmt(&a, "%c%.*s", (char)t, SARG(s->tenant));
	if (!head_of(&k, m, s, &next) ||
	    !redis_one(&k, m->redis, REDIS_COMMAND(S("HGET"), m->sent_key, field_of(&a, name)), &there))
		return fail_as(c, &k.err);
	if (there.kind == REDIS_TEXT && str_to_i64(there.text, &sent) && sent == next)
		return true;
	pthread_mutex_lock(&m->lock);
	mirror_put_due(m, mirror_sending(m, name));
	pthread_mutex_unlock(&m->lock);
	return true;
}

static void all_unknown(struct events_mirror *m)
{
	struct map_slot slot;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; map_next(&m->sending, &i, &slot);)
		((struct sending *)slot.value)->sent = SENT_UNKNOWN;
	pthread_mutex_unlock(&m->lock);
}

bool mirror_look_out(struct call *c, struct events_mirror *m)
{
	all_unknown(m);
	return stored_each(c, m->e->store, S("events/"), look_at, m) && c->err.kind == ERR_NONE;
}

/* --- a batch --- */
static void take_due(struct batch *b)
{
	struct events_mirror *m = b->m;

	pthread_mutex_lock(&m->lock);
	for (; b->n < MIRROR_SEND_STREAMS && !list_empty(&m->due); b->n++) {
		b->v[b->n].s = LIST_ITEM(list_pop(&m->due), struct sending, due);
		b->v[b->n].due_ns = b->v[b->n].s->due_ns;
	}
	pthread_mutex_unlock(&m->lock);
	for (int i = 0; i < b->n; i++)
		b->v[i].field = field_of(b->c->arena, b->v[i].s->name);
}

/* Where Redis is, of those for which it is not known. */
static bool ask_where(struct batch *b)
{
	struct str *words = ARENA_ARRAY(b->c->arena, struct str, MIRROR_SEND_STREAMS + 2);
	struct redis_value there;
	int n = 2, at = 0;

	words[0] = S("HMGET");
	words[1] = b->m->sent_key;
	for (int i = 0; i < b->n; i++)
		if (b->v[i].s->sent == SENT_UNKNOWN)
			words[n++] = b->v[i].field;
	if (n == 2)
		return true;
	if (!redis_one(b->c, b->m->redis, (struct redis_command){words, n}, &there))
		return false;
	if (there.kind != REDIS_ARRAY || there.n != n - 2)
		return fail(b->c, ERR_STORAGE, "HMGET answered something else");
	for (int i = 0; i < b->n; i++) {
		struct sending *s = b->v[i].s;

		if (s->sent != SENT_UNKNOWN)
			continue;
		if (there.items[at].kind != REDIS_TEXT || !str_to_i64(there.items[at].text, &s->sent) || s->sent < 0)
			s->sent = SENT_ABSENT;
		at++;
	}
	return true;
}

/* What is committed, and where. */
static bool extent(struct call *c, struct events *e, struct one *o, struct str *ret_dir)
{
	struct stream *s;
	bool ok;

	pthread_mutex_lock(&e->lock);
	ok = stream_get(c, e, topic_of(o->s->name), str_tail(o->s->name, 1), &s);
	if (ok) {
		ok = stream_load(c, s);
		o->first = s->tip.head.first;
		o->next = s->tip.head.next;
		*ret_dir = arena_dup(c->arena, s->dir);
		stream_put(s);
	}
	pthread_mutex_unlock(&e->lock);
	return ok;
}

/* Where a stream begins of which Redis knows nothing: no more than Redis would keep. */
static int64_t begin_of(const struct batch *b, const struct one *o)
{
	int64_t from = o->s->sent;

	if (from == SENT_ABSENT && o->next - o->first > b->m->items)
		return o->next - b->m->items;
	return from > o->first ? from : o->first;
}

static bool full(const struct batch *b)
{
	return b->items == MIRROR_SEND_ITEMS || b->bytes >= MIRROR_SEND_BYTES;
}

static bool read_lines(struct batch *b, struct one *o, struct lines *l)
{
	int64_t begin = begin_of(b, o);
	struct str line;

	if (!lines_seek(l, begin))
		return false;
	o->to = begin;
	while (!full(b) && o->to < o->next && l->segment < l->s->nsegments) {
		enum lines_step step = lines_next(l, &line);
		struct event_line item;

		if (step == LINES_FAILED)
			return false;
		if (step != LINES_ONE) {
			lines_next_segment(l);
			continue;
		}
		if (!event_line_parse(line, &item) || item.offset < o->to || item.offset >= o->next)
			continue;
		b->args[b->nargs++] = arena_dup(b->c->arena, line);
		b->bytes += line.n;
		b->items++;
		o->items++;
		o->to = item.offset + 1;
	}
	if (!full(b)) /* what is not there any more is not sent */
		o->to = o->next;
	return true;
}

static bool add_stream(struct batch *b, struct one *o)
{
	struct arena *a = b->c->arena;
	struct stored stored;
	struct lines l;
	struct str dir;
	int at;
	bool ok;

	if (!extent(b->c, b->m->e, o, &dir))
		return false;
	o->from = o->to = o->s->sent;
	if (o->s->sent >= o->next || full(b))
		return true;
	if (!stored_one(b->c, b->m->e->store, dir, &stored))
		return false;
	at = b->nargs;
	b->nargs += 4;
	lines_open(&l, b->c, b->m->e->store, &stored, 0);
	ok = read_lines(b, o, &l);
	lines_close(&l);
	b->args[at] = o->field;
	b->args[at + 1] = arena_fmt(a, "%lld", (long long)o->from);
	b->args[at + 2] = arena_fmt(a, "%lld", (long long)o->to);
	b->args[at + 3] = arena_fmt(a, "%d", o->items);
	return ok;
}

/* One that cannot be read now does not hold up the others. */
static void leave_out(struct batch *b, const struct batch *before, struct one *o)
{
	mirror_failed(b->m, b->c, "a stream cannot be read");
	call_forgive(b->c);
	b->nargs = before->nargs;
	b->items = before->items;
	b->bytes = before->bytes;
	b->failed++;
	o->from = o->to = o->s->sent;
	o->next = INT64_MAX;
}

static void fill(struct batch *b)
{
	struct arena *a = b->c->arena;
	struct events_mirror *m = b->m;

	b->args = ARENA_ARRAY(a, struct str, ARGS_MAX);
	b->args[0] = arena_fmt(a, "%lld", (long long)m->items);
	b->args[1] = arena_fmt(a, "%lld", (long long)MIRROR_KEEP_MS);
	b->args[2] = m->e->server;
	b->args[3] = arena_fmt(a, "%lld", (long long)clock_wall_ms());
	b->args[4] = m->channel;
	b->nargs = FIXED_ARGS;
	for (int i = 0; i < b->n; i++) {
		struct batch before = *b;

		if (!add_stream(b, &b->v[i]))
			leave_out(b, &before, &b->v[i]);
	}
}

static bool send(struct batch *b, struct redis_value *ret)
{
	const struct str keys[] = {b->m->stream_key, b->m->sent_key, b->m->servers_key};
	const struct redis_args args = {.keys = keys, .nkeys = COUNT_OF(keys), .args = b->args, .nargs = b->nargs};

	return redis_run(b->c, b->m->redis, &b->m->script, &args, ret);
}

/* Those of the batch, in its order, that something was sent of. */
static bool heed(struct batch *b, const struct redis_value *answer)
{
	int at = 0;

	for (int i = 0; i < b->n; i++) {
		struct one *o = &b->v[i];

		if (o->from == o->to)
			continue;
		if (answer->kind != REDIS_ARRAY || at == answer->n || answer->items[at].kind != REDIS_INT)
			return fail(b->c, ERR_STORAGE, "the script answered something else");
		o->s->sent = answer->items[at++].integer;
		if (o->s->sent < 0)
			o->s->sent = SENT_ABSENT;
		if (o->s->sent != o->to)
			continue;
		obs_add(OBS_M_MIRROR_SENT, o->items);
		obs_observe(OBS_M_MIRROR_LAG, clock_mono_ns() - o->due_ns);
		pthread_mutex_lock(&b->m->lock);
		b->m->stats.sent += (uint64_t)o->items;
		pthread_mutex_unlock(&b->m->lock);
	}
	return true;
}

/* Due again: what is not all in Redis, or all of a batch that failed. */
static void put_back(struct batch *b, bool ok)
{
	struct events_mirror *m = b->m;

	pthread_mutex_lock(&m->lock);
	m->stats.behind -= (uint64_t)b->n; /* until now they were */
	for (int i = 0; i < b->n; i++) {
		struct one *o = &b->v[i];

		if (!ok)
			o->s->sent = SENT_UNKNOWN; /* it may have been done */
		if (!ok || o->s->sent < o->next)
			mirror_put_due(m, o->s);
	}
	obs_gauge_set(OBS_M_MIRROR_BEHIND, (int64_t)m->stats.behind);
	pthread_mutex_unlock(&m->lock);
}

bool mirror_send(struct call *c, struct events_mirror *m, bool *ret_more)
{
	struct batch *b = ARENA_NEW(c->arena, struct batch);
	struct redis_value answer;
	bool ok;

	b->m = m;
	b->c = c;
	take_due(b);
	if (b->n == 0)
		return true;
	ok = ask_where(b);
	if (ok)
		fill(b);
	ok = ok && (b->nargs == FIXED_ARGS || (send(b, &answer) && heed(b, &answer)));
	put_back(b, ok);
	*ret_more = ok && b->failed < b->n && (b->nargs > FIXED_ARGS || b->n == MIRROR_SEND_STREAMS);
	return ok;
}
