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

void lane_add(struct lane *lane, struct engine_task *t)
{
	t->id = ++lane->engine->next_task;
	t->lane = lane;
	list_add_tail(&lane->queue, &t->node);
	lane->queued++;
	lane->engine->report.queued++;
	pump_soon(lane);
}

void task_end(struct engine_task *t, const struct engine_end *end)
{
	pthread_mutex_lock(&t->engine->lock);
	t->state = TASK_ENDED;
	pthread_mutex_unlock(&t->engine->lock);
	t->listener->ended(t->arg, end);
	engine_task_unref(t);
}

void task_end_lost(struct engine_task *t, const char *text)
{
	enum engine_outcome outcome = t->cancel_asked ? ENGINE_INTERRUPTED : ENGINE_LOST;

	task_end(t, &(struct engine_end){.outcome = outcome, .position = -1, .text = str_of(text)});
}

static struct engine_task *pop(struct lane *lane, enum task_state next)
{
	struct engine *e = lane->engine;
	struct list *first;
	struct engine_task *t;

	pthread_mutex_lock(&e->lock);
	first = list_pop(&lane->queue);
	t = first ? LIST_ITEM(first, struct engine_task, node) : NULL;
	if (t) {
		t->state = next;
		lane->queued--;
		e->report.queued--;
	}
	pthread_mutex_unlock(&e->lock);
	return t;
}

void lane_take_back(struct lane *lane, struct engine_task *t)
{
	struct engine *e = lane->engine;
	bool canceled;

	pthread_mutex_lock(&e->lock);
	canceled = t->cancel_asked;
	if (!canceled) {
		t->state = TASK_QUEUED;
		list_add_head(&lane->queue, &t->node);
		lane->queued++;
		e->report.queued++;
	}
	pthread_mutex_unlock(&e->lock);
	if (canceled)
		task_end_lost(t, "");
}

void lane_fail_queue(struct lane *lane, const char *text)
{
	struct engine_task *t;

	while ((t = pop(lane, TASK_ENDED)) != NULL)
		task_end_lost(t, text);
}

static bool has_work(struct lane *lane)
{
	bool any;

	pthread_mutex_lock(&lane->engine->lock);
	any = !list_empty(&lane->queue);
	pthread_mutex_unlock(&lane->engine->lock);
	return any;
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

void lane_pump_all(struct engine *e)
{
	OWNS(arena) a = {0};
	size_t n;
	struct lane **lanes = engine_lanes(e, &a, &n);

	for (size_t i = 0; i < n; i++)
		lane_pump(lanes[i]);
}

void lane_pump(struct lane *lane)
{
	struct engine_task *t;

	if (!lane->link) {
		if (has_work(lane))
			start_worker(lane);
		return; /* goes on when the worker said hello */
	}
	/* Sending may find the worker dead. */
	while (link_state(lane->link) == LINK_READY && link_room(lane->link) > 0 && (t = pop(lane, TASK_SENT)) != NULL)
		link_send(lane->link, t);
}
