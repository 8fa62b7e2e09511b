/* events_mirror_take.c - what other servers have put into Redis: which there are, where we are in their streams, what is new.
 *
 * What Redis answers is input: here its shape is checked, the items in events_mirror_keep.c.
 */
#include "lifecycle/events_mirror_int.h"

#include "obs/obs.h"

#include <stdio.h>
#include <stdlib.h>

static const char from_start[] = "0-0";

static struct str stream_of(struct call *c, const struct events_mirror *m, const struct server *sv)
{
	return arena_fmt(c->arena, "%.*sstream:%.*s", SARG(m->prefix), SARG(sv->id));
}

static bool strange(struct call *c, const char *what)
{
	return fail(c, ERR_STORAGE, "%s answered something else", what);
}

/* --- ids of entries: <ms>-<number> --- */
static bool entry_id(struct str s, uint64_t *ret_ms, uint64_t *ret_number)
{
	struct str ms = str_cut(&s, '-');

	return s.n && str_to_u64(ms, ret_ms) && str_to_u64(s, ret_number);
}

static bool is_before(struct str a, struct str b)
{
	uint64_t a_ms, a_n, b_ms, b_n;

	if (!entry_id(a, &a_ms, &a_n) || !entry_id(b, &b_ms, &b_n))
		return true;
	return a_ms != b_ms ? a_ms < b_ms : a_n < b_n;
}

/* --- the servers --- */
static bool server_id_valid(const struct events_mirror *m, struct str id)
{
	return id.n && id.n <= 128 && str_find(id, '/') == id.n && store_key_valid(id) && !str_eq(id, m->e->server);
}

static void add_server(struct events_mirror *m, struct str id)
{
	struct server *sv;

	if (!server_id_valid(m, id) || m->known.n >= MIRROR_SERVERS_MAX || map_get(&m->known, id))
		return;
	sv = base_zalloc(sizeof(*sv) + id.n);
	memcpy(sv + 1, id.p, id.n);
	sv->id = str_from((char *)(sv + 1), id.n);
	snprintf(sv->cursor, sizeof(sv->cursor), "%s", from_start);
	pthread_mutex_lock(&m->lock);
	map_put(&m->known, sv->id, sv);
	pthread_mutex_unlock(&m->lock);
}

static struct server **all_servers(struct call *c, struct events_mirror *m, int *ret_n)
{
	struct server **v = ARENA_ARRAY(c->arena, struct server *, m->known.n + 1);
	struct map_slot slot;
	int n = 0;

	for (size_t i = 0; map_next(&m->known, &i, &slot);)
		v[n++] = slot.value;
	*ret_n = n;
	return v;
}

/* One command for each server; v[i] is of ret_servers[i]. An error reply is of that server's stream alone. */
struct asking {
	struct server **servers;
	struct redis_command *v;
	struct redis_value *answers;
	int n;
};

static struct asking asking(struct call *c, struct events_mirror *m)
{
	struct asking k;

	k.servers = all_servers(c, m, &k.n);
	k.v = ARENA_ARRAY(c->arena, struct redis_command, (size_t)k.n + 1);
	k.answers = ARENA_ARRAY(c->arena, struct redis_value, (size_t)k.n + 1);
	return k;
}

static bool has_failed(struct call *c, struct events_mirror *m, const struct redis_value *v)
{
	if (v->kind != REDIS_ERROR)
		return false;
	(void)redis_failed(c, v);
	mirror_failed(m, c, "the stream of a server");
	call_forgive(c);
	return true;
}

/* A Redis that has lost its memory may count from before where we are: then all is read again, and what is here is known by
 * its offset. */
static bool look_at_ends(struct call *c, struct events_mirror *m)
{
	struct asking k = asking(c, m);

	for (int i = 0; i < k.n; i++) {
		struct str *words = ARENA_ARRAY(c->arena, struct str, 6);

		memcpy(words, (struct str[]){S("XREVRANGE"), stream_of(c, m, k.servers[i]), S("+"), S("-"), S("COUNT"), S("1")},
		       6 * sizeof(*words));
		k.v[i] = (struct redis_command){words, 6};
	}
	if (k.n && !redis_ask(c, m->redis, k.v, k.n, k.answers))
		return false;
	for (int i = 0; i < k.n; i++) {
		const struct redis_value *e = &k.answers[i];
		char *cursor = k.servers[i]->cursor;

		if (has_failed(c, m, e))
			continue;
		if (e->kind != REDIS_ARRAY || (e->n && (e->items[0].kind != REDIS_ARRAY || e->items[0].n < 1)))
			return strange(c, "XREVRANGE");
		if (!e->n || is_before(e->items[0].items[0].text, str_of(cursor)))
			snprintf(cursor, sizeof(k.servers[i]->cursor), "%s", from_start);
	}
	return true;
}

bool mirror_look_around(struct call *c, struct events_mirror *m)
{
	int64_t since = clock_wall_ms() - MIRROR_KEEP_MS;
	struct str from = arena_fmt(c->arena, "%lld", (long long)since), most = arena_fmt(c->arena, "%d", MIRROR_SERVERS_MAX);
	struct redis_value found;

	if (!redis_one(c, m->redis, REDIS_COMMAND(S("ZREMRANGEBYSCORE"), m->servers_key, S("-inf"), from), &found) ||
	    !redis_one(c, m->redis, REDIS_COMMAND(S("ZREVRANGEBYSCORE"), m->servers_key, S("+inf"), from, S("LIMIT"), S("0"), most), &found))
		return false;
	if (found.kind != REDIS_ARRAY)
		return strange(c, "ZREVRANGEBYSCORE");
	for (int i = 0; i < found.n; i++)
		add_server(m, found.items[i].text);
	return look_at_ends(c, m);
}

/* --- what is new --- */
/* An entry is [id, [field, value, …]]: the value of `item`. */
static bool item_of(const struct redis_value *entry, struct str *ret_id, struct str *ret_line)
{
	const struct redis_value *fields;
	uint64_t ms, number;

	if (entry->kind != REDIS_ARRAY || entry->n != 2 || !entry_id(entry->items[0].text, &ms, &number) ||
	    entry->items[0].text.n >= sizeof(((struct server *)0)->cursor))
		return false;
	*ret_id = entry->items[0].text;
	*ret_line = S("");
	fields = &entry->items[1];
	for (int i = 0; fields->kind == REDIS_ARRAY && i + 1 < fields->n; i += 2)
		if (str_eq(fields->items[i].text, S("item")))
			*ret_line = fields->items[i + 1].text;
	return true;
}

static bool take_entries(struct call *c, struct events_mirror *m, struct server *sv, const struct redis_value *entries)
{
	struct str *lines, id = {0};

	if (entries->kind != REDIS_ARRAY)
		return strange(c, "XREAD");
	lines = ARENA_ARRAY(c->arena, struct str, (size_t)entries->n + 1);
	for (int i = 0; i < entries->n; i++)
		if (!item_of(&entries->items[i], &id, &lines[i]))
			return strange(c, "XREAD");
	if (entries->n == 0)
		return true;
	if (!mirror_keep(c, m, sv, lines, entries->n))
		return false;
	snprintf(sv->cursor, sizeof(sv->cursor), "%.*s", SARG(id));
	return true;
}

/* [[stream, entries]], or nothing. */
static bool take_one(struct call *c, struct events_mirror *m, struct server *sv, const struct redis_value *answer, bool *ret_more)
{
	const struct redis_value *s;

	if (answer->kind == REDIS_NIL || has_failed(c, m, answer))
		return true;
	if (answer->kind != REDIS_ARRAY || answer->n != 1)
		return strange(c, "XREAD");
	s = &answer->items[0];
	if (s->kind != REDIS_ARRAY || s->n != 2)
		return strange(c, "XREAD");
	if (!take_entries(c, m, sv, &s->items[1]))
		return false;
	*ret_more |= s->items[1].n > 0;
	return true;
}

bool mirror_take(struct call *c, struct events_mirror *m, bool *ret_more)
{
	struct asking k = asking(c, m);
	struct str most = arena_fmt(c->arena, "%d", MIRROR_TAKE_ITEMS);
	bool ok = true;

	for (int i = 0; i < k.n; i++) {
		struct str *words = ARENA_ARRAY(c->arena, struct str, 6);

		memcpy(words, (struct str[]){S("XREAD"), S("COUNT"), most, S("STREAMS"), stream_of(c, m, k.servers[i]),
					     str_of(k.servers[i]->cursor)}, 6 * sizeof(*words));
		k.v[i] = (struct redis_command){words, 6};
	}
	if (k.n && !redis_ask(c, m->redis, k.v, k.n, k.answers))
		return false;
	for (int i = 0; i < k.n && ok; i++)
		ok = take_one(c, m, k.servers[i], &k.answers[i], ret_more);
	return ok;
}
