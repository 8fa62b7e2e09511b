/* stop.c - the end: drain, cancel what is left, stop builds, close memory sessions, end the workers, stop the loops. */
#include "main/server.h"

#include <signal.h>

enum { STOP_TICK_MS = 50, SESSIONS_STOP_MS = 10000 };

static void on_engine_stopped(void *arg)
{
	struct server *s = arg;

	exec_timer_close(s->stop_timer);
	s->stop_timer = NULL;
	for (int i = s->nloops - 1; i >= 0; i--)
		exec_loop_stop(s->loops[i]);
}

static void on_drained(void *arg)
{
	struct server *s = arg;

	engine_stop(s->engine, on_engine_stopped, s);
}

static void on_sessions_ended(void *arg)
{
	struct server *s = arg;

	atomic_store(&s->sessions_ended, true);
}

static void on_views_ended(void *arg)
{
	struct server *s = arg;

	atomic_store(&s->views_ended, true);
}

static void on_runner_ended(void *arg)
{
	struct server *s = arg;

	atomic_store(&s->runner_ended, true);
}

/* Statements have ended when their stores have what came of them. */
static bool all_ended(struct server *s)
{
	return atomic_load(&s->sessions_ended) && atomic_load(&s->views_ended) && atomic_load(&s->runner_ended) &&
	       statements_idle(s->statements);
}

static void on_stop_tick(void *arg)
{
	struct server *s = arg;
	int64_t now = clock_mono_ms();

	bool idle = statements_idle(s->statements) && views_idle(s->views) && runner_idle(s->runner);

	if (!s->canceled && !idle && now < s->cancel_at_ms)
		return;
	if (!s->canceled) {
		statements_cancel_all(s->statements);
		s->canceled = true;
		s->give_up_at_ms = now + SESSIONS_STOP_MS;
		views_stop(s->views, on_views_ended, s);
		runner_stop(s->runner, on_runner_ended, s);
		sessions_shutdown(s->sessions, on_sessions_ended, s);
	}
	if (!all_ended(s) && now < s->give_up_at_ms)
		return;
	exec_timer_stop(s->stop_timer);
	http_drain(s->http, 2000, on_drained, s);
}

static void on_stop_signal(void *arg)
{
	struct server *s = arg;

	if (s->stopping) { /* asked twice: no more waiting */
		s->cancel_at_ms = 0;
		return;
	}
	s->stopping = true;
	obs_log(OBS_INFO, "main", "draining for at most %lld s", (long long)s->conf.server_drain_seconds);
	obs_sd_notify("STOPPING=1");
	atomic_store(&s->api.draining, true);
	s->cancel_at_ms = clock_mono_ms() + s->conf.server_drain_seconds * 1000;
	exec_timer_set(s->stop_timer, 0, STOP_TICK_MS);
}

void server_stop_on_signals(struct server *s)
{
	s->stop_timer = exec_timer_open(s->loops[0], on_stop_tick, s);
	exec_on_signal(s->loops[0], SIGTERM, on_stop_signal, s);
	exec_on_signal(s->loops[0], SIGINT, on_stop_signal, s);
}
