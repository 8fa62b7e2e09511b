/* span.h - part of obs/'s door: spans of traces, OpenTelemetry's, told to the one who takes them (out/). With nobody, all
 * of this is nothing.
 *
 * A span is a value on its owner's side; obs_span_end() tells it. What a client sent never enters a name or an attribute.
 *
 * Threads: any; a span one at a time.
 */
#ifndef MAYFLY_OBS_SPAN_H
#define MAYFLY_OBS_SPAN_H

#include "base/base.h"

enum obs_span_kind { OBS_SPAN_INTERNAL = 1, OBS_SPAN_SERVER }; /* numbered as OTLP does */
enum { OBS_TRACE_HEX = 32, OBS_SPAN_HEX = 16, OBS_TRACEPARENT_LEN = 55 };

struct obs_span { /* zeroed: none */
	bool on;                         /* else nobody takes it, or its parent is not sampled */
	enum obs_span_kind kind;
	const char *name;                /* lives as long as the process */
	char trace[OBS_TRACE_HEX + 1], id[OBS_SPAN_HEX + 1], parent[OBS_SPAN_HEX + 1]; /* hex; parent "": a root */
	int64_t wall_ms, began_ns;       /* when it began: clock_wall_ms(), clock_mono_ns() */
};
struct obs_attr {
	const char *key;                 /* "http.route" */
	struct str text;                 /* p = NULL: it is the number */
	int64_t number;
};

bool obs_spans_on(void);
/* A child of the traceparent, or the root of a new trace where that is empty or invalid. */
void obs_span_begin(struct obs_span *s, enum obs_span_kind kind, const char *name, struct str traceparent);
/* The traceparent for what is below the span: written to `to`; of a span that is not on, `otherwise`. */
struct str obs_span_context(const struct obs_span *s, char to[OBS_TRACEPARENT_LEN + 1], struct str otherwise);
/* Tells it, once: ended now. Never blocks. `name` replaces the first one; empty = as it began. */
void obs_span_end(struct obs_span *s, struct str name, bool failed, const struct obs_attr *attrs, int nattrs);

/* --- who takes them --- */
struct obs_span_told {
	const struct obs_span *span;
	struct str name;
	int64_t ended_ns;                /* clock_mono_ns() */
	bool failed;
	const struct obs_attr *attrs;
	int nattrs;
};
typedef void obs_span_fn(void *arg, const struct obs_span_told *t); /* any thread; must not block */
/* fn NULL: nobody; then no span may be told by another thread any more. */
void obs_spans_to(obs_span_fn *fn, void *arg);

#endif
