/* redis_subscribe.c - messages of Redis: one connection for all channels, and who wants to hear of them.
 *
 * Everything runs on the client's loop; the door's functions bring it there.
 * A listener is told of a connection once Redis has confirmed its channel: from then on no message is missed.
 */
#include "kv/redis_int.h"

#include <stdlib.h>

struct redis_subscription {
	struct list link;
	struct redis *r;
	struct redis_listener l;
	bool confirmed;         /* by this connection */
	char channel[];
};

static struct redis_subscription *of(struct list *it)
{
	return LIST_ITEM(it, struct redis_subscription, link);
}

void redis_listener_ask(struct redis_conn *k, struct redis_command cmd)
{
	OWNS(buf) made = {0};

	if (!redis_format(cmd, &made))
		return;
	pthread_mutex_lock(&k->lock);
	buf_give(&k->out, &made);
	pthread_mutex_unlock(&k->lock);
	if (!k->asked_tick)
		k->asked_tick = atomic_load(&k->r->tick);
	redis_conn_turn(k);
}

void redis_listener_up(struct redis_conn *k)
{
	LIST_EACH(&k->r->subscriptions, it)
		of(it)->confirmed = false;
	LIST_EACH(&k->r->subscriptions, it)
		if (k->state == CONN_UP)
			redis_listener_ask(k, REDIS_COMMAND(S("SUBSCRIBE"), of(it)->l.channel));
}

/* Listeners leave by exec_call() on this loop, so none goes while it is told. */
static void tell(struct redis *r, struct str channel, struct str text)
{
	LIST_EACH(&r->subscriptions, it)
	{
		struct redis_subscription *s = of(it);

		if (!str_eq(s->l.channel, channel) || (text.p ? !s->confirmed : s->confirmed))
			continue;
		s->confirmed = true;
		s->l.told(s->l.arg, text);
	}
}

void redis_listener_heard(struct redis_conn *k, const struct redis_value *v)
{
	bool three = v->kind == REDIS_ARRAY && v->n == 3 && v->items[0].kind == REDIS_TEXT && v->items[1].kind == REDIS_TEXT;

	if (!three)
		return;
	if (str_eq(v->items[0].text, S("message")) && v->items[2].kind == REDIS_TEXT)
		tell(k->r, v->items[1].text, v->items[2].text);
	else if (str_eq(v->items[0].text, S("subscribe")))
		tell(k->r, v->items[1].text, (struct str){0});
}

/* --- the door --- */
static void add(void *arg)
{
	struct redis_subscription *s = arg;
	struct redis *r = s->r;

	list_add_tail(&r->subscriptions, &s->link);
	if (!r->listener && !r->closing) {
		r->listener = base_zalloc(sizeof(*r->listener));
		redis_conn_open(r, r->listener, -1);
		redis_conn_start(r->listener);
	} else if (r->listener && r->listener->state == CONN_UP)
		redis_listener_ask(r->listener, REDIS_COMMAND(S("SUBSCRIBE"), s->l.channel));
}

struct redis_subscription *redis_subscribe(struct redis *r, const struct redis_listener *l)
{
	struct redis_subscription *s = base_zalloc(sizeof(*s) + l->channel.n + 1);

	s->r = r;
	s->l = *l;
	memcpy(s->channel, l->channel.p, l->channel.n);
	s->l.channel = str_from(s->channel, l->channel.n);
	exec_post(r->loop, add, s);
	return s;
}

static bool wanted(struct redis *r, struct str channel)
{
	LIST_EACH(&r->subscriptions, it)
		if (str_eq(of(it)->l.channel, channel))
			return true;
	return false;
}

static void leave(void *arg)
{
	struct redis_subscription *s = arg;
	struct redis *r = s->r;

	list_del(&s->link);
	if (!wanted(r, s->l.channel) && r->listener && r->listener->state == CONN_UP)
		redis_listener_ask(r->listener, REDIS_COMMAND(S("UNSUBSCRIBE"), s->l.channel));
}

void redis_unsubscribe(struct redis *r, struct redis_subscription *s)
{
	INVARIANT(!exec_on_loop(r->loop));
	exec_call(r->loop, leave, s);
	free(s);
}

void redis_listener_close(struct redis *r)
{
	if (r->listener)
		redis_conn_close(r->listener);
}
