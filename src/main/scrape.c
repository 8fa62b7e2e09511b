/* scrape.c - what the rooms count, as gauges. */
#include "main/server.h"

static void scrape_redis(struct server *s)
{
	struct redis_stats r = {0};

	if (s->redis)
		redis_stats(s->redis, &r);
	obs_gauge_set(OBS_M_REDIS_UP, s->redis && redis_up(s->redis));
	obs_gauge_set(OBS_M_REDIS_CONNECTIONS, r.connections);
	obs_gauge_set(OBS_M_REDIS_COMMANDS, (int64_t)r.commands);
	obs_gauge_set(OBS_M_REDIS_RECONNECTS, (int64_t)r.reconnects);
	obs_gauge_set(OBS_M_REDIS_TIMEOUTS, (int64_t)r.timeouts);
	obs_gauge_set(OBS_M_RECORDS, s->redis ? 0 : (int64_t)s->records->ops->count(s->records));
}

static void scrape_sessions(struct server *s)
{
	struct lifecycle_stats l;
	struct session_stats se;
	struct events_stats ev;

	lifecycle_stats(s->lifecycle, &l);
	sessions_stats(s->sessions, &se);
	events_stats(s->events, &ev);
	obs_gauge_set(OBS_M_SESSIONS_OPEN, (int64_t)se.open);
	obs_gauge_set(OBS_M_SESSIONS_OPENED, (int64_t)se.opened);
	obs_gauge_set(OBS_M_SESSIONS_CLOSED, (int64_t)se.closed);
	obs_gauge_set(OBS_M_SESSIONS_TIMED_OUT, (int64_t)se.timed_out);
	obs_gauge_set(OBS_M_SESSIONS_PARTIAL, (int64_t)se.partial);
	obs_gauge_set(OBS_M_EPHEMERAL_TABLES, (int64_t)se.tables);
	obs_gauge_set(OBS_M_EPHEMERAL_ROWS, (int64_t)se.rows);
	obs_gauge_set(OBS_M_EPHEMERAL_BYTES, (int64_t)se.bytes);
	obs_gauge_set(OBS_M_EVENTS_APPENDED, (int64_t)ev.appended);
	obs_gauge_set(OBS_M_EVENTS_DROPPED, (int64_t)ev.dropped);
	obs_gauge_set(OBS_M_EVENT_BYTES, (int64_t)ev.bytes);
	obs_gauge_set(OBS_M_SWEEPER_LEASES, (int64_t)l.leases);
	obs_gauge_set(OBS_M_SWEEPER_DUE, (int64_t)l.due);
	obs_gauge_set(OBS_M_SWEEPER_SWEPT, (int64_t)l.swept);
	obs_gauge_set(OBS_M_SWEEPER_FAILED, (int64_t)l.failed);
}

void server_scrape(void *arg)
{
	struct server *s = arg;
	struct http_stats h = http_server_stats(s->http);
	struct statement_stats st;
	struct engine_report e;

	engine_report(s->engine, &e);
	statements_stats(s->statements, &st);
	obs_gauge_set(OBS_M_HTTP_CONNECTIONS, (int64_t)h.connections_open);
	obs_gauge_set(OBS_M_HTTP_PARKED, (int64_t)h.parked);
	obs_gauge_set(OBS_M_HTTP_REFUSED, (int64_t)h.refused_total);
	obs_gauge_set(OBS_M_STATEMENTS_SUCCEEDED, (int64_t)st.succeeded);
	obs_gauge_set(OBS_M_STATEMENTS_FAILED, (int64_t)st.failed);
	obs_gauge_set(OBS_M_STATEMENTS_CANCELED, (int64_t)st.canceled);
	obs_gauge_set(OBS_M_STATEMENTS_RUNNING, e.running);
	obs_gauge_set(OBS_M_STATEMENTS_QUEUED, e.queued);
	obs_gauge_set(OBS_M_STATEMENTS_LIVE, (int64_t)st.live);
	obs_gauge_set(OBS_M_STATEMENTS_OWED, (int64_t)st.owed);
	obs_gauge_set(OBS_M_STORE_DEGRADED, st.degraded);
	obs_gauge_set(OBS_M_STORE_UNAVAILABLE, st.unavailable);
	obs_gauge_set(OBS_M_RESULT_CACHE_HITS, (int64_t)st.cache_hits);
	obs_gauge_set(OBS_M_RESULT_CACHE_MISSES, (int64_t)st.cache_misses);
	obs_gauge_set(OBS_M_RESULT_BYTES_MEMORY, (int64_t)st.memory_bytes);
	obs_gauge_set(OBS_M_RESULT_BYTES_SPOOLED, (int64_t)st.spooled_bytes);
	obs_gauge_set(OBS_M_WORKERS_RUNNING, e.workers);
	obs_gauge_set(OBS_M_WORKERS_STARTED, (int64_t)e.started);
	obs_gauge_set(OBS_M_WORKERS_CRASHED, (int64_t)e.crashed);
	obs_gauge_set(OBS_M_WORKERS_KILLED, (int64_t)e.killed);
	scrape_redis(s);
	scrape_sessions(s);
}
