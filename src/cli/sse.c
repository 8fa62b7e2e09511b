/* sse.c - server-sent events, as browsers read them. */
#include "cli/cli_int.h"

enum { LINE_MAX_BYTES = 16 << 20 };

void sse_drop(struct sse *s)
{
	buf_drop(&s->line);
	buf_drop(&s->data);
	buf_drop(&s->event);
	buf_drop(&s->id);
	buf_drop(&s->coming);
}

void sse_again(struct sse *s)
{
	buf_clear(&s->line);
	buf_clear(&s->data);
	buf_clear(&s->event);
	buf_clear(&s->coming);
	buf_add(&s->coming, buf_str(&s->id));
	s->cr = s->has_data = false;
}

static void set(struct buf *b, struct str value)
{
	buf_clear(b);
	buf_add(b, value);
}

static void take_field(struct sse *s, struct str name, struct str value)
{
	if (str_eq(name, S("data"))) {
		if (s->has_data)
			buf_addc(&s->data, '\n');
		buf_add(&s->data, value);
		s->has_data = true;
	} else if (str_eq(name, S("event"))) {
		set(&s->event, value);
	} else if (str_eq(name, S("id")) && str_find(value, '\0') == value.n) {
		set(&s->coming, value);
	}
}

/* An empty line: only now the id counts, so that what was cut is asked for again. */
static bool dispatch(struct sse *s)
{
	bool go_on;

	set(&s->id, buf_str(&s->coming));
	go_on = !s->has_data || s->fn(s->arg, s);
	buf_clear(&s->data);
	buf_clear(&s->event);
	s->has_data = false;
	return go_on;
}

static bool take_line(struct sse *s)
{
	struct str value = buf_str(&s->line), name;

	if (value.n == 0)
		return dispatch(s);
	name = str_cut(&value, ':');
	if (value.n && value.p[0] == ' ')
		value = str_tail(value, 1);
	take_field(s, name, value);
	buf_clear(&s->line);
	return true;
}

static size_t until_end(struct str s)
{
	size_t lf = str_find(s, '\n'), cr = str_find(s, '\r');

	return lf < cr ? lf : cr;
}

bool sse_feed(struct sse *s, struct str bytes)
{
	while (bytes.n) {
		size_t n = until_end(bytes);

		if (s->cr && bytes.p[0] == '\n') {
			s->cr = false;
			bytes = str_tail(bytes, 1);
			continue;
		}
		if (s->line.n + s->data.n + n > LINE_MAX_BYTES)
			return false;
		buf_add(&s->line, str_head(bytes, n));
		s->cr = n < bytes.n && bytes.p[n] == '\r';
		if (n < bytes.n && !take_line(s))
			return false;
		bytes = str_tail(bytes, n + 1);
	}
	return true;
}
