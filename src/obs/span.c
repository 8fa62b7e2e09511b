/* span.c - ids and times of spans; where they go. The random bytes of ids are base/id.h's. */
#include "obs/obs_int.h"

#include <stdatomic.h>
#include <stdio.h>

static _Atomic(obs_span_fn *) taker;
static void *taker_arg;

void obs_spans_to(obs_span_fn *fn, void *arg)
{
	if (fn)
		taker_arg = arg;
	atomic_store(&taker, fn);
}

bool obs_spans_on(void)
{
	return atomic_load_explicit(&taker, memory_order_relaxed) != NULL;
}

static void random_hex(char *to, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[OBS_TRACE_HEX / 2];

	id_random(bytes, n / 2);
	bytes[0] |= 1; /* all zeros are no id */
	for (size_t i = 0; i < n / 2; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
	to[n] = '\0';
}

void obs_span_begin(struct obs_span *s, enum obs_span_kind kind, const char *name, struct str traceparent)
{
	bool child = traceparent_valid(traceparent);

	s->on = obs_spans_on() && (!child || (ascii_hex(traceparent.p[54]) & 1));
	if (!s->on)
		return;
	s->kind = kind;
	s->name = name;
	s->parent[0] = '\0';
	if (child) {
		memcpy(s->trace, traceparent.p + 3, OBS_TRACE_HEX);
		memcpy(s->parent, traceparent.p + 36, OBS_SPAN_HEX);
		s->trace[OBS_TRACE_HEX] = s->parent[OBS_SPAN_HEX] = '\0';
	} else {
		random_hex(s->trace, OBS_TRACE_HEX);
	}
	random_hex(s->id, OBS_SPAN_HEX);
	s->wall_ms = clock_wall_ms();
	s->began_ns = clock_mono_ns();
}

struct str obs_span_context(const struct obs_span *s, char to[OBS_TRACEPARENT_LEN + 1], struct str otherwise)
{
	if (!s->on)
		return otherwise;
	snprintf(to, OBS_TRACEPARENT_LEN + 1, "00-%s-%s-01", s->trace, s->id);
	return str_from(to, OBS_TRACEPARENT_LEN);
}

void obs_span_end(struct obs_span *s, struct str name, bool failed, const struct obs_attr *attrs, int nattrs)
{
	obs_span_fn *fn = atomic_load(&taker);
	struct obs_span_told t = {
		.span = s, .name = name.n ? name : str_of(s->name), .failed = failed, .attrs = attrs, .nattrs = nattrs,
	};

	if (s->on && fn) {
		t.ended_ns = clock_mono_ns();
		fn(taker_arg, &t);
	}
	s->on = false;
}
