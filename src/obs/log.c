/* log.c - log lines.
 *
 * A line is built on the stack and written at once; what does not fit is cut,
 * the message last, so that the fields before it are always whole.
 */
#include "obs/obs_int.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

_Static_assert((int)OBS_LINE_MAX <= (int)PIPE_BUF, "a longer line to a pipe may be torn");

enum {
	FIELD_MAX = 128, /* bytes of a request id, tenant or traceparent that are shown */
	TAIL_ROOM = 8,   /* for what closes a line: …"}\n */
};

static atomic_int log_least = OBS_INFO;
static atomic_bool log_json;
static atomic_int_least64_t opened_ms;

static const struct {
	const char *name, *text;
} levels[OBS_LEVEL_COUNT] = {
	[OBS_DEBUG] = {"debug", "DEBUG"},
	[OBS_INFO] = {"info", "INFO "},
	[OBS_WARN] = {"warn", "WARN "},
	[OBS_ERROR] = {"error", "ERROR"},
};

void obs_log_open(enum obs_level least, bool json)
{
	atomic_store(&log_least, (int)least);
	atomic_store(&log_json, json);
	atomic_store(&opened_ms, clock_mono_ms());
}

int64_t obs_opened_ms(void)
{
	return atomic_load(&opened_ms);
}

bool obs_level_of(struct str name, enum obs_level *ret)
{
	for (int i = 0; i < OBS_LEVEL_COUNT; i++) {
		if (str_eq(str_of(levels[i].name), name)) {
			*ret = (enum obs_level)i;
			return true;
		}
	}
	return false;
}

struct line {
	char space[OBS_LINE_MAX];
	struct buf b;
	bool json;
};

/* One byte of a value as it is shown; returns its length. */
static size_t escape(char ch, bool utf8, bool json, char to[7])
{
	static const char hex[] = "0123456789abcdef";
	static const char plain[] = "\n\r\t\\\"", letter[] = "nrt\\\"";
	const char *at = ch ? strchr(plain, ch) : NULL;
	unsigned char u = (unsigned char)ch;

	if (at && (ch != '"' || json)) {
		to[0] = '\\';
		to[1] = letter[at - plain];
		return 2;
	}
	if (u >= ' ' && u != 0x7F && (u < 0x80 || utf8)) {
		to[0] = ch;
		return 1;
	}
	memcpy(to, "\\u00", 4);
	to[4] = hex[u >> 4];
	to[5] = hex[u & 15];
	return 6;
}

static bool utf8_continues(char ch)
{
	return ((unsigned char)ch & 0xC0) == 0x80;
}

/* Adds s, escaped, as far as the line goes. */
static void put_value(struct line *l, struct str s)
{
	bool utf8 = str_is_utf8(s);

	for (size_t i = 0; i < s.n; i++) {
		bool whole = !utf8 || !utf8_continues(s.p[i]);
		char text[7];
		size_t n = escape(s.p[i], utf8, l->json, text);

		/* A character of up to four bytes goes in whole or not at all. */
		if (whole && l->b.n + (n > 4 ? n : 4) + TAIL_ROOM > sizeof(l->space)) {
			buf_lit(&l->b, "\xE2\x80\xA6");
			return;
		}
		buf_add(&l->b, str_from(text, n));
	}
}

static void put_field(struct line *l, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	buf_fmt(&l->b, l->json ? "\"%s\":\"" : "%s=", name);
	put_value(l, str_head(value, FIELD_MAX));
	buf_add(&l->b, l->json ? S("\",") : S(" "));
}

static void put_head(struct line *l, enum obs_level level, const char *room)
{
	char time[CLOCK_RFC3339_MAX];

	clock_rfc3339(clock_wall_ms(), time);
	if (l->json)
		buf_fmt(&l->b, "{\"time\":\"%s\",\"level\":\"%s\",\"room\":\"%s\",", time, levels[level].name, room);
	else
		buf_fmt(&l->b, "%s %s %s: ", time, levels[level].text, room);
}

static void put_message(struct line *l, const char *fmt, va_list ap)
{
	char text[OBS_LINE_MAX];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	INVARIANT(n >= 0);
	if (l->json)
		buf_lit(&l->b, "\"message\":\"");
	put_value(l, str_head(str_from(text, (size_t)n), sizeof(text) - 1));
	buf_add(&l->b, l->json ? S("\"}\n") : S("\n"));
}

static void write_line(struct str s)
{
	ssize_t n;

	do
		n = write(STDERR_FILENO, s.p, s.n);
	while (n < 0 && errno == EINTR);
}

static void log_line(const struct call *c, enum obs_level level, const char *room, const char *fmt, va_list ap)
{
	struct line l;

	l.json = atomic_load_explicit(&log_json, memory_order_relaxed);
	l.b = (struct buf){.p = l.space, .cap = sizeof(l.space), .limit = sizeof(l.space)};
	put_head(&l, level, room);
	if (c) {
		put_field(&l, "request_id", c->request_id);
		put_field(&l, "tenant", c->tenant);
		put_field(&l, "traceparent", c->traceparent);
	}
	put_message(&l, fmt, ap);
	write_line(buf_str(&l.b));
}

static bool wanted(enum obs_level level)
{
	return (int)level >= atomic_load_explicit(&log_least, memory_order_relaxed);
}

void obs_log(enum obs_level level, const char *room, const char *fmt, ...)
{
	va_list ap;

	if (!wanted(level))
		return;
	va_start(ap, fmt);
	log_line(NULL, level, room, fmt, ap);
	va_end(ap);
}

void obs_log_call(const struct call *c, enum obs_level level, const char *room, const char *fmt, ...)
{
	va_list ap;

	if (!wanted(level))
		return;
	va_start(ap, fmt);
	log_line(c, level, room, fmt, ap);
	va_end(ap);
}
