/* scripts.c - scripts as the server knows them: which worker has the connection that a script's statements share.
 *
 *   open ──first statement sent──▶ held by a link ──engine_script_end(), or the worker's end──▶ gone
 *
 * A statement of one that is gone is not sent. Not here: the connections (engine/worker/scripts.c).
 *
 * Threads: entries are under the engine's lock.
 */
#include "engine/engine_int.h"

#include <stdlib.h>

struct script {
	struct list node;    /* in lane.scripts */
	uint64_t number;
	uint64_t generation; /* of the link that has it; 0 = none yet */
};

static struct script *find(const struct lane *lane, uint64_t number)
{
	LIST_EACH(&lane->scripts, it)
		if (LIST_ITEM(it, struct script, node)->number == number)
			return LIST_ITEM(it, struct script, node);
	return NULL;
}

static void forget(struct lane *lane, struct script *s)
{
	list_del(&s->node);
	lane->nscripts--;
	free(s);
}

bool script_open(struct lane *lane, uint64_t number)
{
	struct script *s;

	INVARIANT(number && !find(lane, number));
	if (lane->nscripts >= lane->limits.scripts)
		return false;
	s = base_zalloc(sizeof(*s));
	s->number = number;
	list_add_tail(&lane->scripts, &s->node);
	lane->nscripts++;
	return true;
}

bool script_admit(const struct engine_task *t)
{
	const struct lane *lane = t->lane;
	const struct script *s;
	bool ok = t->script == 0;

	if (ok)
		return true;
	pthread_mutex_lock(&t->engine->lock);
	s = find(lane, t->script);
	if (s && t->script_begins)
		ok = s->generation == 0;
	else if (s)
		ok = lane->link && s->generation == link_generation(lane->link);
	pthread_mutex_unlock(&t->engine->lock);
	return ok;
}

void script_sent(struct lane *lane, uint64_t number, uint64_t generation)
{
	struct script *s = find(lane, number);

	if (s)
		s->generation = generation;
}

void scripts_lost(struct lane *lane, uint64_t generation)
{
	LIST_EACH(&lane->scripts, it) {
		struct script *s = LIST_ITEM(it, struct script, node);

		if (s->generation == generation)
			forget(lane, s);
	}
}

void scripts_close(struct lane *lane)
{
	while (!list_empty(&lane->scripts))
		forget(lane, LIST_ITEM(lane->scripts.next, struct script, node));
}

/* --- the end of one --- */
struct ending {
	struct lane *lane;
	uint64_t number, generation;
};

static void end_on_loop(void *arg)
{
	struct ending *end = arg;

	link_script_end(end->lane->link, end->number, end->generation);
	free(end);
}

void engine_script_end(struct engine *e, struct str tenant, uint64_t script)
{
	struct ending *end = base_zalloc(sizeof(*end));
	struct script *s;

	pthread_mutex_lock(&e->lock);
	end->lane = lane_of(e, tenant);
	end->number = script;
	s = find(end->lane, script);
	end->generation = s ? s->generation : 0;
	if (s)
		forget(end->lane, s);
	pthread_mutex_unlock(&e->lock);
	if (end->generation)
		exec_post(e->o.loop, end_on_loop, end);
	else
		free(end);
}
