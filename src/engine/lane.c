/* lane.c - one tenant's queue in front of its worker. */
#include "engine/engine_int.h"

struct lane *lane_of(struct engine *e, struct str tenant)
{
	struct lane *lane = map_get(&e->lanes, tenant);

	if (lane)
		return lane;
	lane = base_zalloc(sizeof(*lane));
	INVARIANT(tenant.n < sizeof(lane->name));
	memcpy(lane->name, tenant.p, tenant.n);
	lane->tenant = str_from(lane->name, tenant.n);
	lane->engine = e;
	list_init(&lane->queue);
	list_init(&lane->scripts);
	e->o.limits(e->o.arg, lane->tenant, &lane->limits);
	map_put(&e->lanes, lane->tenant, lane);
	return lane;
}

static void pump_posted(void *arg)
{
	struct lane *lane = arg;

	pthread_mutex_lock(&lane->engine->lock);
	lane->pump_posted = false;
	pthread_mutex_unlock(&lane->engine->lock);
	lane_pump(lane);
}

/* Lock held. */
static void pump_soon(struct lane *lane)
{
	if (lane->pump_posted)
		return;
	lane->pump_posted = true;
	exec_post(lane->engine->o.loop, pump_posted, lane);
}

static void count_queued(struct lane *lane, const struct engine_task *t, int by)
{
	lane->queued += t->express ? 0 : by;
	lane->engine->report.queued += by;
}

/* The first that is not express, or the queue itself. */
static struct list *behind_express(struct lane *lane)
{
	LIST_EACH(&lane->queue, it)
		if (!LIST_ITEM(it, struct engine_task, node)->express)
			return it;
	return &lane->queue;
}

void lane_changed(struct lane *lane, int more_changing)
{
	lane->changed++;
	lane->changing += more_changing;
}

void lane_add(struct lane *lane, struct engine_task *t)
{
	t->id = ++lane->engine->next_task;
	t->lane = lane;
	if (t->changes)
		lane_changed(lane, 1);
	list_add_tail(t->express ? behind_express(lane) : &lane->queue, &t->node);
	count_queued(lane, t, 1);
	pump_soon(lane);
}

void lane_remove(struct lane *lane, struct engine_task *t)
{
	list_del(&t->node);
	count_queued(lane, t, -1);
}

void task_end(struct engine_task *t, const struct engine_end *end)
{
	pthread_mutex_lock(&t->engine->lock);
	t->state = TASK_ENDED;
	if (t->changes)
		lane_changed(t->lane, -1);
	pthread_mutex_unlock(&t->engine->lock);
	if (t->feed)
		feed_over(t->feed);
	catalog_task_over(t);
	t->listener->ended(t->arg, end);
	engine_task_unref(t);
}

void task_end_lost(struct engine_task *t, const char *text)
{
	enum engine_outcome outcome = t->cancel_asked ? ENGINE_INTERRUPTED : ENGINE_LOST;

	task_end(t, &(struct engine_end){.outcome = outcome, .position = -1, .text = str_of(text)});
}

/* The next to go: uploads and exports let others pass while enough of them run,
 * batches of a file while one of it runs. Only the loop takes tasks out, so it stays in the
 * queue until it is taken. */
static struct engine_task *head(struct lane *lane)
{
	struct engine_task *t = NULL;

	pthread_mutex_lock(&lane->engine->lock);
	LIST_EACH(&lane->queue, it) {
		t = LIST_ITEM(it, struct engine_task, node);
		if (!lane->link || link_takes(lane->link, t))
			break;
		t = NULL;
	}
	pthread_mutex_unlock(&lane->engine->lock);
	return t;
}

static void take(struct lane *lane, struct engine_task *t, enum task_state next)
{
	pthread_mutex_lock(&lane->engine->lock);
	lane_remove(lane, t);
	t->state = next;
	pthread_mutex_unlock(&lane->engine->lock);
}

void lane_take_back(struct lane *lane, struct engine_task *t)
{
	struct engine *e = lane->engine;
	bool canceled;

	pthread_mutex_lock(&e->lock);
	canceled = t->cancel_asked;
	if (!canceled) {
		t->state = TASK_QUEUED;
		list_add_tail(t->express ? lane->queue.next : behind_express(lane), &t->node);
		count_queued(lane, t, 1);
	}
	pthread_mutex_unlock(&e->lock);
	if (canceled)
		task_end_lost(t, "");
}

void lane_fail_queue(struct lane *lane, const char *text)
{
	struct engine_task *t;

	while ((t = head(lane)) != NULL) {
		take(lane, t, TASK_ENDED);
		task_end_lost(t, text);
	}
}

/* Asks an idle worker of another tenant to go; its end pumps the lanes that wait. */
static void make_room(struct engine *e)
{
	OWNS(arena) a = {0};
	struct link *oldest = NULL;
	size_t n;
	struct lane **lanes = engine_lanes(e, &a, &n);

	for (size_t i = 0; i < n; i++)
		if (lanes[i]->link && link_idle_since(lanes[i]->link) &&
		    (!oldest || link_idle_since(lanes[i]->link) < link_idle_since(oldest)))
			oldest = lanes[i]->link;
	if (oldest)
		link_quit(oldest);
}

static void start_worker(struct lane *lane)
{
	OWNS(arena) a = {0};
	struct call c;

	if (!link_slot_free(lane->engine)) {
		make_room(lane->engine);
		return;
	}
	call_open(&c, &a);
	c.tenant = lane->tenant;
	lane->link = link_open(&c, lane);
	if (!lane->link)
		lane_fail_queue(lane, c.err.text);
}

void engine_start_ahead(struct engine *e, struct str tenant)
{
	struct lane *lane;

	pthread_mutex_lock(&e->lock);
	lane = lane_of(e, tenant);
	pthread_mutex_unlock(&e->lock);
	if (!lane->link)
		start_worker(lane);
}

void lane_pump_all(struct engine *e)
{
	OWNS(arena) a = {0};
	size_t n;
	struct lane **lanes = engine_lanes(e, &a, &n);

	for (size_t i = 0; i < n; i++)
		lane_pump(lanes[i]);
}

/* What waits for a catalog that is being dropped need not wait any longer. */
static void end_waiting(struct lane *lane, const struct engine_catalog *k)
{
	struct list gone, *it;

	list_init(&gone);
	pthread_mutex_lock(&lane->engine->lock);
	LIST_EACH(&lane->queue, at) {
		struct engine_task *t = LIST_ITEM(at, struct engine_task, node);

		if (t->catalog != k || t->express)
			continue;
		lane_remove(lane, t);
		t->state = TASK_ENDED;
		list_add_tail(&gone, &t->node);
	}
	pthread_mutex_unlock(&lane->engine->lock);
	while ((it = list_pop(&gone)) != NULL)
		catalog_end(LIST_ITEM(it, struct engine_task, node), ADMIT_GONE);
}

/* Sends or ends the head of the queue; false: it has to wait. */
static bool advance(struct lane *lane, struct engine_task *t)
{
	enum admit a = catalog_admit(t);

	if (t->drops)
		end_waiting(lane, t->catalog);
	if (a != ADMIT_SEND) {
		take(lane, t, TASK_ENDED);
		catalog_end(t, a);
		return true;
	}
	if (!script_admit(t)) {
		take(lane, t, TASK_ENDED);
		task_end_lost(t, "the engine worker that held the script's connection has ended");
		return true;
	}
	if (!lane->link) {
		start_worker(lane);
		return false; /* goes on when the worker said hello */
	}
	if (link_state(lane->link) != LINK_READY || !link_has_room(lane->link, t->express))
		return false;
	take(lane, t, TASK_SENT);
	link_send(lane->link, t); /* may find the worker dead */
	return true;
}

void lane_pump(struct lane *lane)
{
	struct engine_task *t;

	while ((t = head(lane)) != NULL && advance(lane, t))
		;
}
