/* obs.h - the door of obs/: logs, metrics. See the rows in obs/metrics.def. */
#ifndef MAYFLY_OBS_H
#define MAYFLY_OBS_H

#include "base/base.h"

/* --- log: one JSON object a line on stderr (or `key=value` text on a terminal) --- */
enum obs_level { OBS_DEBUG, OBS_INFO, OBS_WARN, OBS_ERROR };
void obs_log_open(enum obs_level least, bool json); /* once, at start; default: INFO, text */
void obs_log(enum obs_level level, const char *room, const char *fmt, ...) PRINTF(3, 4);
/* With the request id, tenant and traceparent of the call. */
void obs_log_call(const struct call *c, enum obs_level level, const char *room, const char *fmt, ...) PRINTF(4, 5);
void obs_sd_notify(const char *state); /* systemd's NOTIFY_SOCKET, when there is one */

#endif
