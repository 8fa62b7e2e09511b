/* traces.h - part of out/'s door: spans, sent to a collector as OTLP over HTTP, in JSON.
 *
 * One thread sends what has come, a batch at a time. Who reports a span never waits: what the queue has no room for, and what the
 * collector does not take, is dropped and counted (mayfly_spans_total).
 */
#ifndef MAYFLY_OUT_TRACES_H
#define MAYFLY_OUT_TRACES_H

#include "base/base.h"

struct traces;

struct traces_options {
	struct str endpoint;             /* "http://host:4318"; /v1/traces is added */
	struct str service, version, instance; /* service.name, service.version, service.instance.id */
	int queue;                       /* spans that wait; 0 = 8192 */
	int64_t batch_ms;                /* how long the first of a batch waits for others; 0 = 1000 */
	int64_t timeout_ms;              /* of one request; 0 = 10000 */
};
/* From now on spans of obs/ are sent. ERR_INVALID_FIELD: the endpoint is no http or https URL. */
struct traces *traces_open(struct call *c, const struct traces_options *o) NODISCARD;
/* Sends what waits, for two seconds at most. Nobody reports any more. NULL is fine. */
void traces_close(struct traces *t);

#endif
