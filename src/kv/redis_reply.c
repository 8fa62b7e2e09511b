/* redis_reply.c - answers of Redis, parsed by hiredis, as values in the arena of who waits for them.
 *
 * The reader's objects are values at their place: those of an exchange, or of
 * the array around them.
 * Threads: the loop; redis_format() and redis_error_… any.
 */
#include "kv/redis_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#if HIREDIS_MAJOR >= 1
typedef size_t item_count;
#else
typedef int item_count;
#endif

/* --- values --- */
static bool weigh(struct redis_conn *k, size_t n)
{
	k->answer_bytes += n;
	return k->answer_bytes <= REDIS_ANSWER_MAX;
}

static struct arena *arena_of(struct redis_conn *k)
{
	return k->number < 0 && k->state == CONN_UP ? &k->scratch : k->flying->arena;
}

/* Where the value of this task belongs. */
static struct redis_value *place(const redisReadTask *t, enum redis_kind kind)
{
	struct redis_conn *k = t->privdata;
	struct redis_value *v = k->item;

	if (!arena_of(k))
		v = &k->dropped;
	else if (t->parent)
		v = (struct redis_value *)((struct redis_value *)t->parent->obj)->items + t->idx;
	*v = (struct redis_value){.kind = kind};
	return v;
}

static void *create_string(const redisReadTask *t, char *text, size_t n)
{
	struct redis_conn *k = t->privdata;
	enum redis_kind kind = t->type == REDIS_REPLY_ERROR ? REDIS_ERROR : t->type == REDIS_REPLY_STATUS ? REDIS_STATUS : REDIS_TEXT;
	struct redis_value *v = place(t, kind);

	if (!weigh(k, n))
		return NULL;
	if (kind == REDIS_ERROR && str_eq(redis_error_word(str_from(text, n)), S("READONLY")))
		k->stale = true;
	if (v != &k->dropped)
		v->text = arena_dup(arena_of(k), str_from(text, n));
	return v;
}

static void *create_array(const redisReadTask *t, item_count n)
{
	struct redis_conn *k = t->privdata;
	struct redis_value *v = place(t, REDIS_ARRAY);

	if (n > REDIS_ANSWER_MAX / (item_count)sizeof(*v) || !weigh(k, (size_t)n * sizeof(*v)))
		return NULL;
	if (v == &k->dropped)
		return v;
	v->n = (int)n;
	v->items = ARENA_ARRAY(arena_of(k), struct redis_value, (size_t)n);
	return v;
}

static void *create_integer(const redisReadTask *t, long long number)
{
	struct redis_value *v = place(t, REDIS_INT);

	v->integer = number;
	return v;
}

static void *create_nil(const redisReadTask *t)
{
	return place(t, REDIS_NIL);
}

static void free_nothing(void *v)
{
	(void)v; /* it is its arena's */
}

static redisReplyObjectFunctions functions = {
	.createString = create_string, .createArray = create_array, .createInteger = create_integer,
	.createNil = create_nil, .freeObject = free_nothing,
};

struct redisReader *redis_reader_open(struct redis_conn *k)
{
	redisReader *reader = redisReaderCreateWithFunctions(&functions);

	INVARIANT(reader);
	reader->privdata = k;
	return reader;
}

void redis_reader_close(struct redisReader *reader)
{
	if (reader)
		redisReaderFree(reader);
}

bool redis_reader_laden(const struct redis_conn *k, size_t n)
{
	return k->reader->len - k->reader->pos + k->answer_bytes > n;
}

/* --- exchanges --- */
void redis_exchange_end(struct redis *r, struct redis_exchange *e, const char *why)
{
	if (e->kind == EXCHANGE_POSTED) {
		free(e);
		return;
	}
	e->failed = why != NULL;
	if (why)
		snprintf(e->why, sizeof(e->why), "%s", why);
	if (e->kind == EXCHANGE_WAITED)
		redis_answered(r, e); /* it is gone */
}

/* Is somebody waiting for what comes? Then k->item is where it goes. */
static bool expect(struct redis_conn *k)
{
	if (k->number < 0 && k->state == CONN_UP) {
		arena_reset(&k->scratch);
		k->item = ARENA_NEW(&k->scratch, struct redis_value);
		return true;
	}
	if (!k->flying) {
		pthread_mutex_lock(&k->lock);
		k->flying = k->first;
		k->first = NULL;
		k->last = &k->first;
		pthread_mutex_unlock(&k->lock);
	}
	if (k->flying && k->flying->arena)
		k->item = &k->flying->values[k->flying->got];
	return k->flying;
}

static void take_answer(struct redis_conn *k)
{
	struct redis_exchange *e = k->flying;

	if (k->number < 0 && k->state == CONN_UP) {
		redis_listener_heard(k, k->item);
		return;
	}
	if (++e->got < e->n)
		return;
	k->flying = e->next;
	if (e->kind == EXCHANGE_GREETING) {
		redis_greeted(k);
		return;
	}
	atomic_fetch_sub(&k->waiting, 1);
	redis_exchange_end(k->r, e, NULL);
}

/* --- reading --- */
static bool is_text(const redisReader *reader)
{
#if HIREDIS_MAJOR >= 1
	return reader->ridx >= 0 && reader->task[reader->ridx]->type == REDIS_REPLY_STRING;
#else
	return reader->ridx >= 0 && reader->rstack[reader->ridx].type == REDIS_REPLY_STRING;
#endif
}

/* What waits for the rest of it must not be without bounds. */
static bool bounded(const redisReader *reader)
{
	struct str rest = str_from(reader->buf + reader->pos, reader->len - reader->pos);
	size_t end = str_find(str_head(rest, rest.n < REDIS_LINE_MAX ? rest.n : REDIS_LINE_MAX), '\r');
	int64_t size;

	if (end == REDIS_LINE_MAX)
		return false;
	if (end < rest.n && is_text(reader) && str_to_i64(str_head(rest, end), &size) && size > REDIS_ANSWER_MAX)
		return false;
	return rest.n <= (size_t)REDIS_ANSWER_MAX + REDIS_LINE_MAX;
}

static bool unreadable(struct redis_conn *k, const redisReader *reader, char why[REDIS_WHY_MAX])
{
	if (k->answer_bytes > REDIS_ANSWER_MAX || reader->err == REDIS_ERR_OOM)
		snprintf(why, REDIS_WHY_MAX, "an answer is larger than %d MB", REDIS_ANSWER_MAX >> 20);
	else if (k->state != CONN_UP)
		snprintf(why, REDIS_WHY_MAX, "no Redis answers there");
	else
		snprintf(why, REDIS_WHY_MAX, "an answer cannot be read");
	return false;
}

bool redis_reader_feed(struct redis_conn *k, struct str bytes, char why[REDIS_WHY_MAX])
{
	redisReader *reader = k->reader;
	bool idle = reader->len == reader->pos && reader->ridx < 0;

	if (redisReaderFeed(reader, bytes.p, bytes.n) != REDIS_OK)
		return unreadable(k, reader, why);
	for (;;) {
		void *done = NULL;

		if (idle && reader->len == reader->pos)
			return true;
		if (idle && !expect(k)) {
			snprintf(why, REDIS_WHY_MAX, "it sent what nobody asked for");
			return false;
		}
		if (redisReaderGetReply(reader, &done) != REDIS_OK)
			return unreadable(k, reader, why);
		idle = done != NULL;
		if (!done && !bounded(reader)) {
			snprintf(why, REDIS_WHY_MAX, k->state == CONN_UP ? "an answer is larger than %d MB" : "no Redis answers there",
				 REDIS_ANSWER_MAX >> 20);
			return false;
		}
		if (!done)
			return true;
		k->answer_bytes = 0;
		take_answer(k);
		if (k->reader != reader) /* lost on the way */
			return true;
	}
}

/* --- errors --- */
/* Up to Redis 6 an error within a script is "ERR Error running script (…): @user_script:1: -OOM …". */
struct str redis_error_word(struct str text)
{
	size_t within = str_search(text, S(": -"));

	if (str_starts(text, S("ERR Error ")) && within < text.n)
		text = str_tail(text, within + 3);
	return str_cut(&text, ' ');
}

struct str redis_error_words(struct str text, char to[REDIS_WHY_MAX])
{
	size_t args = str_search(text, S(", with args beginning with")), n = 0;

	for (size_t i = 0; i < args && n < REDIS_WHY_MAX - 1; i++)
		to[n++] = text.p[i] >= ' ' && text.p[i] < 127 ? text.p[i] : '?';
	to[n] = '\0';
	return str_from(to, n);
}

bool redis_failed(struct call *c, const struct redis_value *v)
{
	static const struct str passing[] = {S_INIT("OOM"), S_INIT("READONLY"), S_INIT("LOADING"), S_INIT("BUSY"), S_INIT("MASTERDOWN"),
					     S_INIT("CLUSTERDOWN"), S_INIT("MISCONF"), S_INIT("NOREPLICAS"), S_INIT("TRYAGAIN")};
	enum err_kind kind = ERR_STORAGE;
	char words[REDIS_WHY_MAX];

	if (v->kind != REDIS_ERROR)
		return fail(c, ERR_STORAGE, "Redis gave an answer of another shape than was asked for");
	for (size_t i = 0; i < COUNT_OF(passing); i++)
		if (str_eq(redis_error_word(v->text), passing[i]))
			kind = ERR_UNAVAILABLE;
	redis_error_words(v->text, words);
	return fail(c, kind, "Redis: %s", words);
}

/* --- commands --- */
enum { LENGTH_ROOM = 24 }; /* of a sign, digits and an end of line */

/* An upper bound. */
static size_t size_of(struct redis_command cmd)
{
	size_t n = LENGTH_ROOM;

	for (int i = 0; i < cmd.n; i++)
		n += cmd.words[i].n + LENGTH_ROOM;
	return n;
}

static char *put_length(char *at, char sign, size_t n)
{
	*at++ = sign;
	at = text_i64(at, (int64_t)n);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

bool redis_format(struct redis_command cmd, struct buf *out)
{
	size_t size = size_of(cmd);
	char *from, *at;

	INVARIANT(cmd.n > 0);
	if (size > REDIS_COMMAND_MAX)
		return false;
	from = buf_room(out, size + TEXT_ROOM);
	at = put_length(from, '*', (size_t)cmd.n);
	for (int i = 0; i < cmd.n; i++) {
		at = put_length(at, '$', cmd.words[i].n);
		str_copy_to(&at, cmd.words[i]);
		*at++ = '\r';
		*at++ = '\n';
	}
	out->n += (size_t)(at - from);
	return true;
}
