/* events_mirror.c - the mirror of events: its life, its thread, what makes it work.
 *
 * A pass runs when something was written here (the log tells), when another server says so (a hint through Redis), when Redis
 * has come back, and once a second. Not here: sending, taking, keeping.
 */
#include "lifecycle/events_mirror_int.h"

#include "obs/obs.h"

#include <stdlib.h>

/* --- what is due --- */
struct sending *mirror_sending(struct events_mirror *m, struct str name)
{
	struct sending *s = map_get(&m->sending, name);

	if (s)
		return s;
	s = base_zalloc(sizeof(*s) + name.n);
	memcpy(s + 1, name.p, name.n);
	s->name = str_from((char *)(s + 1), name.n);
	s->sent = SENT_UNKNOWN;
	list_init(&s->due);
	map_put(&m->sending, s->name, s);
	return s;
}

void mirror_put_due(struct events_mirror *m, struct sending *s)
{
	if (list_linked(&s->due))
		return;
	s->due_ns = clock_mono_ns();
	list_add_tail(&m->due, &s->due);
	m->stats.behind++;
	obs_gauge_set(OBS_M_MIRROR_BEHIND, (int64_t)m->stats.behind);
}

/* Those that are not due are asked for again when they are. */
static void forget_sent(struct events_mirror *m, size_t most)
{
	struct map kept = {0};
	struct map_slot slot;

	if (m->sending.n <= most)
		return;
	for (size_t i = 0; map_next(&m->sending, &i, &slot);) {
		struct sending *s = slot.value;

		if (list_linked(&s->due))
			map_put(&kept, s->name, s);
		else
			free(s);
	}
	map_close(&m->sending);
	m->sending = kept;
}

static void pass(void *arg);

static void pass_soon(struct events_mirror *m) /* held (m->lock) */
{
	if (!m->queued && !atomic_load(&m->stop))
		m->queued = exec_pool_run(m->thread, pass, m);
}

static void on_written(struct events_mirror *m, const struct stream *s)
{
	pthread_mutex_lock(&m->lock);
	mirror_put_due(m, mirror_sending(m, s->name));
	pass_soon(m);
	pthread_mutex_unlock(&m->lock);
}

/* --- what Redis tells; on its thread --- */
static void on_news(void *arg, struct str text)
{
	struct events_mirror *m = arg;

	if (text.p && str_eq(text, m->e->server))
		return;
	pthread_mutex_lock(&m->lock);
	m->look |= text.p == NULL;
	m->unknown |= text.p && !map_get(&m->known, text);
	pass_soon(m);
	pthread_mutex_unlock(&m->lock);
}

static void on_second(void *arg)
{
	struct events_mirror *m = arg;

	pthread_mutex_lock(&m->lock);
	pass_soon(m);
	pthread_mutex_unlock(&m->lock);
}

/* --- a pass --- */
bool mirror_failed(struct events_mirror *m, const struct call *c, const char *what)
{
	int64_t now = clock_mono_ms();

	if (m->told_ms && now - m->told_ms < MIRROR_TELL_MS)
		return false;
	m->told_ms = now;
	obs_log(OBS_WARN, "events", "the mirror: %s: %s", what, c->err.text);
	return true;
}

static bool connect(struct call *c, struct events_mirror *m)
{
	const struct redis_listener l = {.channel = m->channel, .told = on_news, .arg = m};

	m->redis = redis_open(c, &m->redis_options);
	if (!m->redis)
		return false;
	m->news = redis_subscribe(m->redis, &l);
	pthread_mutex_lock(&m->lock);
	m->look = true;
	pthread_mutex_unlock(&m->lock);
	return true;
}

static bool take_flag(struct events_mirror *m, bool *flag)
{
	bool was;

	pthread_mutex_lock(&m->lock);
	was = *flag;
	*flag = false;
	pthread_mutex_unlock(&m->lock);
	return was;
}

static bool look(struct call *c, struct events_mirror *m)
{
	bool nothing_sure = take_flag(m, &m->look), ok = true;
	int64_t now = clock_mono_ms();

	if (!take_flag(m, &m->unknown) && !nothing_sure && m->looked_ms && now - m->looked_ms < MIRROR_LOOK_MS)
		return true;
	if (nothing_sure)
		ok = mirror_look_out(c, m);
	ok = ok && mirror_look_around(c, m);
	if (ok)
		m->looked_ms = now;
	if (!ok && nothing_sure) {
		pthread_mutex_lock(&m->lock);
		m->look = true;
		pthread_mutex_unlock(&m->lock);
	}
	return ok;
}

/* ret_more: there is more to do at once. */
static bool work(struct call *c, struct events_mirror *m, bool *ret_more)
{
	bool sent = false, taken = false;

	if ((!m->redis && !connect(c, m)) || !look(c, m) || !mirror_send(c, m, &sent) || !mirror_take(c, m, &taken))
		return false;
	*ret_more = sent || taken;
	return true;
}

static void set_up(struct events_mirror *m, bool up)
{
	if (up && m->complained)
		obs_log(OBS_INFO, "events", "the mirror works again");
	m->complained = m->complained && !up;
	pthread_mutex_lock(&m->lock);
	m->stats.up = up;
	forget_sent(m, MIRROR_SENT_KEPT);
	pthread_mutex_unlock(&m->lock);
}

static void work_on(struct events_mirror *m)
{
	bool more = true, ok = true;

	while (more && ok) {
		OWNS(arena) a = {0};
		struct call c;

		call_open(&c, &a);
		more = false;
		ok = work(&c, m, &more);
		if (!ok)
			m->complained |= mirror_failed(m, &c, "not now");
		more = more && !atomic_load(&m->stop);
	}
	set_up(m, ok);
	if (clock_mono_ms() - m->swept_ms >= MIRROR_SWEEP_MS) {
		m->swept_ms = clock_mono_ms();
		mirror_sweep(m);
	}
}

static void pass_at_turn(struct events_mirror *m)
{
	pthread_mutex_lock(&m->lock);
	while (m->running)
		pthread_cond_wait(&m->idle, &m->lock);
	m->running = true;
	pthread_mutex_unlock(&m->lock);
	work_on(m);
	pthread_mutex_lock(&m->lock);
	m->running = false;
	pthread_cond_broadcast(&m->idle);
	pthread_mutex_unlock(&m->lock);
}

static void pass(void *arg)
{
	struct events_mirror *m = arg;

	take_flag(m, &m->queued);
	if (!atomic_load(&m->stop))
		pass_at_turn(m);
}

void events_mirror_now(struct events_mirror *m)
{
	pass_at_turn(m);
}

/* --- life --- */
static void set_mirror(struct events *e, struct events_mirror *m)
{
	pthread_mutex_lock(&e->lock);
	e->mirror_due = on_written;
	e->mirror = m;
	pthread_mutex_unlock(&e->lock);
}

static struct events_mirror *mirror_new(const struct events_mirror_options *o)
{
	struct events_mirror *m = base_zalloc(sizeof(*m));

	m->e = o->events;
	m->items = o->items;
	m->prefix = arena_dup(&m->arena, o->prefix);
	m->channel = arena_fmt(&m->arena, "%.*snews", SARG(m->prefix));
	m->stream_key = arena_fmt(&m->arena, "%.*sstream:%.*s", SARG(m->prefix), SARG(m->e->server));
	m->sent_key = arena_fmt(&m->arena, "%.*ssent:%.*s", SARG(m->prefix), SARG(m->e->server));
	m->servers_key = arena_fmt(&m->arena, "%.*sservers", SARG(m->prefix));
	m->redis_options = (struct redis_options){
		.url = arena_dup(&m->arena, o->redis->url), .ca_file = arena_dup(&m->arena, o->redis->ca_file),
		.connections = 1, .timeout_ms = o->redis->timeout_ms,
	};
	m->script.text = mirror_send_script;
	redis_script_open(&m->script);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->idle, NULL);
	list_init(&m->due);
	list_init(&m->in_use);
	m->swept_ms = clock_mono_ms();
	m->thread = exec_pool_open("mirror", 1, 2);
	return m;
}

static void mirror_free(struct events_mirror *m)
{
	struct map_slot slot;

	exec_pool_close(m->thread);
	if (m->news)
		redis_unsubscribe(m->redis, m->news);
	if (m->redis)
		redis_close(m->redis);
	mirror_forget(m);
	for (size_t i = 0; map_next(&m->sending, &i, &slot);)
		free(slot.value);
	for (size_t i = 0; map_next(&m->known, &i, &slot);)
		free(slot.value);
	map_close(&m->sending);
	map_close(&m->known);
	map_close(&m->mirrored);
	pthread_cond_destroy(&m->idle);
	pthread_mutex_destroy(&m->lock);
	arena_close(&m->arena);
	free(m);
}

struct events_mirror *events_mirror_open(struct call *c, const struct events_mirror_options *o)
{
	struct events_mirror *m = mirror_new(o);

	if (!connect(c, m)) {
		if (c->err.kind != ERR_UNAVAILABLE) {
			atomic_store(&m->stop, true);
			mirror_free(m);
			return NULL;
		}
		m->complained = mirror_failed(m, c, "events stay here until Redis can be reached");
		call_forgive(c);
		m->look = true;
	}
	set_mirror(m->e, m);
	if (o->loop) {
		m->timer = exec_timer_open(o->loop, on_second, m);
		exec_timer_set(m->timer, MIRROR_TICK_MS, MIRROR_TICK_MS);
	}
	return m;
}

/* The last events are those of the sessions that ended with the server. */
void events_mirror_close(struct events_mirror *m)
{
	exec_timer_close(m->timer);
	events_flush(m->e);
	if (m->redis && redis_up(m->redis))
		events_mirror_now(m);
	set_mirror(m->e, NULL);
	pthread_mutex_lock(&m->lock); /* whoever queues a pass has looked by then */
	atomic_store(&m->stop, true);
	pthread_mutex_unlock(&m->lock);
	mirror_free(m);
}

void events_mirror_stats(struct events_mirror *m, struct events_mirror_stats *ret)
{
	pthread_mutex_lock(&m->lock);
	*ret = m->stats;
	pthread_mutex_unlock(&m->lock);
}
