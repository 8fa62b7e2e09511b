/* attempts.c - builds that nobody waits for: whose they are, and that whoever makes them still lives.
 *
 * The entry or document that says "building" carries the attempt: its id, the
 * server, the process, and until when it holds. The process that builds renews
 * that; when it ends, or cannot reach the store any more, the time passes and
 * everybody sees that it has gone.
 *
 * A renewal reads, compares the id, and writes: an object that is finished, or
 * is another's attempt, is left alone. In this process no renewal is under way
 * when the builder says how it ended. What is left is another server that writes
 * the same object between the two (an update of the entry): its word that it
 * builds is lost then. What decides is the view's commit, which this does not
 * touch; a copy that is behind is mended by readers.
 *
 * Clocks: the time is of the builder's clock, a reader compares with its own. One
 * that is ahead by more than ATTEMPT_MS - RENEW_MS may see a build as failed
 * until it ends; one that is behind sees a failure later by as much. Only readers
 * do: what is stored is changed after `skew_ms` more.
 *
 * Threads: any but a loop's; `attempts_renew` the loop's.
 */
#include "view/view_int.h"

#include "json/json.h"

#include <stdlib.h>

struct building {
	struct list node;
	struct str tenant, space, sql_id, session; /* behind it; sql_id and session: empty where that says nothing of it */
	struct id id;
	unsigned round;                /* of the renewals; the room's lock, as what follows */
	bool renewing, ending;
};

/* With the lock held. */
static struct building *find(struct views *v, struct str id)
{
	LIST_EACH(&v->building, it) {
		struct building *b = LIST_ITEM(it, struct building, node);

		if (str_eq(id_str(&b->id), id))
			return b;
	}
	return NULL;
}

struct attempt attempt_begin(struct call *c, struct views *v, struct str space, struct str sql_id, struct str session)
{
	struct building *b = base_zalloc(sizeof(*b) + c->tenant.n + space.n + sql_id.n + session.n);
	char *text = (char *)(b + 1);

	b->id = id_v4();
	b->tenant = str_copy_to(&text, c->tenant);
	b->space = str_copy_to(&text, space);
	b->sql_id = str_copy_to(&text, sql_id);
	b->session = str_copy_to(&text, session);
	pthread_mutex_lock(&v->lock);
	b->round = v->renewals;
	list_add_tail(&v->building, &b->node);
	pthread_mutex_unlock(&v->lock);
	return (struct attempt){.id = arena_dup(c->arena, id_str(&b->id)), .server = v->o.server, .process = id_str(&v->process),
				.until_ms = clock_wall_ms() + ATTEMPT_MS};
}

static void end(struct views *v, struct str id, bool forget)
{
	struct building *b;

	pthread_mutex_lock(&v->lock);
	b = find(v, id);
	if (b)
		b->ending = true;
	while (b && b->renewing) /* it is at the store just now, on another thread */
		pthread_cond_wait(&v->renewed, &v->lock);
	if (b && forget)
		list_del(&b->node);
	pthread_mutex_unlock(&v->lock);
	if (forget)
		free(b);
}

void attempt_end(struct views *v, struct str id)
{
	end(v, id, false);
}

void attempt_forget(struct views *v, struct str id)
{
	end(v, id, true);
}

bool attempt_gone(struct views *v, const struct attempt *a, int64_t slack_ms)
{
	bool here;

	if (a->process.n && str_eq(a->process, id_str(&v->process))) {
		pthread_mutex_lock(&v->lock);
		here = find(v, a->id) != NULL;
		pthread_mutex_unlock(&v->lock);
		return !here;
	}
	if (a->server.n && str_eq(a->server, v->o.server)) /* this server, before it was started again */
		return true;
	return a->until_ms + slack_ms <= clock_wall_ms();
}

/* --- as it is stored --- */

void attempt_put(struct json_out *o, const struct attempt *a)
{
	JSON_FIELD_INT(o, "_building_until_ms", a->until_ms);
	if (!a->id.n)
		return;
	JSON_FIELD_TEXT(o, "_building_id", a->id);
	JSON_FIELD_TEXT(o, "_building_server", a->server);
	JSON_FIELD_TEXT(o, "_building_process", a->process);
}

bool attempt_read(struct call *c, const json_node *o, struct attempt *ret)
{
	return json_want_int(c, o, "_building_until_ms", 0, INT64_MAX, &ret->until_ms) && json_want_text(c, o, "_building_id", &ret->id) &&
	       json_want_text(c, o, "_building_server", &ret->server) && json_want_text(c, o, "_building_process", &ret->process);
}

/* --- renewing --- */

static bool renew_entry(struct call *c, struct views *v, const struct building *b)
{
	struct entry e;

	if (!b->sql_id.n)
		return true;
	if (!entry_read(c, v, b->space, b->sql_id, &e))
		return false;
	if (!str_eq(e.attempt.id, id_str(&b->id)))
		return true;
	e.attempt.until_ms = clock_wall_ms() + ATTEMPT_MS;
	return entry_store(c, v, b->space, &e, STORE_REPLACE);
}

static bool renew_session(struct call *c, struct views *v, const struct building *b)
{
	struct session_doc d;

	if (!b->session.n)
		return true;
	if (!session_doc_read(c, v, key_session(c, b->space, b->session), &d))
		return false;
	if (!str_eq(d.attempt.id, id_str(&b->id)))
		return true;
	d.attempt.until_ms = clock_wall_ms() + ATTEMPT_MS;
	return session_doc_put(c, v, &d, STORE_REPLACE);
}

/* What cannot be renewed now is tried again in the next round; what was deleted has nothing to be renewed. */
static void renew(struct views *v, const struct building *b)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = b->tenant;
	if (!renew_entry(&c, v, b))
		call_forgive(&c);
	if (!renew_session(&c, v, b))
		call_forgive(&c);
}

/* The next of this round, that nobody frees meanwhile. */
static struct building *next_of_round(struct views *v)
{
	struct building *found = NULL;

	pthread_mutex_lock(&v->lock);
	LIST_EACH(&v->building, it) {
		struct building *b = LIST_ITEM(it, struct building, node);

		if (found || v->stopping || b->ending || b->round == v->renewals)
			continue;
		b->round = v->renewals;
		b->renewing = true;
		found = b;
	}
	pthread_mutex_unlock(&v->lock);
	return found;
}

static void renew_round(struct views *v)
{
	struct building *b;

	pthread_mutex_lock(&v->lock);
	v->renewals++;
	pthread_mutex_unlock(&v->lock);
	while ((b = next_of_round(v)) != NULL) {
		renew(v, b);
		pthread_mutex_lock(&v->lock);
		b->renewing = false;
		pthread_cond_broadcast(&v->renewed);
		pthread_mutex_unlock(&v->lock);
	}
}

static void renew_all(void *arg)
{
	struct views *v = arg;

	do
		renew_round(v);
	while (!views_leave_unless(v, &v->renewer, &v->renew_again));
}

void attempts_renew(void *arg)
{
	struct views *v = arg;
	bool begin;

	pthread_mutex_lock(&v->lock);
	begin = !v->stopping && !list_empty(&v->building) && !list_linked(&v->renewer);
	v->renew_again = list_linked(&v->renewer); /* a slow store must not cost the next round, too */
	if (begin)
		list_add_tail(&v->sweeps, &v->renewer);
	pthread_mutex_unlock(&v->lock);
	if (begin && !exec_pool_run(v->o.pool, renew_all, v))
		views_leave(v, &v->renewer);
}
