/* obs.h - the door of obs/: logs, metrics, spans, and telling the service manager.
 *
 * Holds the only state of the process that is not handed around: the log sink,
 * the metrics, and who takes spans; atomics all. Every function here may be called from any
 * thread. Callers keep users' SQL and credentials out of log texts.
 */
#ifndef MAYFLY_OBS_H
#define MAYFLY_OBS_H

#include "base/base.h"
#include "obs/span.h"

/* --- log: one JSON object a line on stderr (or text on a terminal), one write(2) a line --- */
enum obs_level { OBS_DEBUG, OBS_INFO, OBS_WARN, OBS_ERROR, OBS_LEVEL_COUNT };
enum { OBS_LINE_MAX = 4096 }; /* longer texts are cut, so that a line to a pipe is never torn */
void obs_log_open(enum obs_level least, bool json); /* once, at start; default: INFO, text */
/* "warn" to OBS_WARN, for log.level. */
bool obs_level_of(struct str name, enum obs_level *ret) NODISCARD;
void obs_log(enum obs_level level, const char *room, const char *fmt, ...) PRINTF(3, 4);
/* With the request id, tenant and traceparent of the call. */
void obs_log_call(const struct call *c, enum obs_level level, const char *room, const char *fmt, ...) PRINTF(4, 5);

/* --- metrics: rows of metrics.def --- */
enum obs_metric {
#define METRIC(id, kind, name, label, value, help) OBS_M_##id,
#include "obs/metrics.def"
#undef METRIC
	OBS_M_COUNT
};
void obs_add(enum obs_metric m, int64_t delta); /* counters: delta >= 0 */
static inline void obs_count(enum obs_metric m)
{
	obs_add(m, 1);
}
/* Gauges; and counters that another room keeps, set by its source. */
void obs_gauge_set(enum obs_metric m, int64_t v);
int64_t obs_value(enum obs_metric m); /* of a histogram: how many were observed */
/* Histograms: a duration by clock_mono_ns(). */
void obs_observe(enum obs_metric m, int64_t ns);

/* A source sets its gauges just before they are printed. At most
 * OBS_MAX_SOURCES; obs_source_del while no obs_metrics_text runs. */
enum { OBS_MAX_SOURCES = 16 };
typedef void obs_source_fn(void *arg);
void obs_source_add(obs_source_fn *fn, void *arg);
void obs_source_del(obs_source_fn *fn, void *arg);
/* Prometheus' text exposition, version 0.0.4. */
#define OBS_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
void obs_metrics_text(struct buf *out);

/* --- systemd: "READY=1", "STOPPING=1" to NOTIFY_SOCKET, when there is one --- */
void obs_sd_notify(const char *state);

#endif
