/* call.c - leaving an error in a call. */
#include "base/call.h"

#include <stdio.h>

void call_open(struct call *c, struct arena *a)
{
	*c = (struct call){.arena = a};
}

bool tenant_name_valid(struct str name)
{
	if (name.n == 0 || name.n > TENANT_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char ch = name.p[i];
		bool inner = ch == '_' || ch == '-';

		if (!ascii_digit(ch) && !(ch >= 'a' && ch <= 'z') && !(inner && i > 0))
			return false;
	}
	return true;
}

static bool is_zero(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '0')
			return false;
	return true;
}

bool traceparent_valid(struct str s)
{
	if (s.n != 55 || !str_starts(s, S("00-")) || s.p[35] != '-' || s.p[52] != '-')
		return false;
	return str_is_hex(str_from(s.p + 3, 32), 32) && !is_zero(str_from(s.p + 3, 32)) && str_is_hex(str_from(s.p + 36, 16), 16) &&
	       !is_zero(str_from(s.p + 36, 16)) && str_is_hex(str_from(s.p + 53, 2), 2);
}

static void leave(struct call *c, enum err_kind kind, const char *fmt, va_list ap)
{
	INVARIANT(kind != ERR_NONE);
	if (c->err.kind != ERR_NONE)
		return;
	c->err.kind = kind;
	vsnprintf(c->err.text, sizeof(c->err.text), fmt, ap);
}

bool fail(struct call *c, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	leave(c, kind, fmt, ap);
	va_end(ap);
	return false;
}

bool fail_at(struct call *c, enum err_kind kind, int position, const char *fmt, ...)
{
	bool first = c->err.kind == ERR_NONE;
	va_list ap;

	va_start(ap, fmt);
	leave(c, kind, fmt, ap);
	va_end(ap);
	if (first)
		c->err.position = position;
	return false;
}

bool fail_state(struct call *c, const char *sqlstate, const char *native)
{
	snprintf(c->err.sqlstate, sizeof(c->err.sqlstate), "%s", sqlstate ? sqlstate : "");
	snprintf(c->err.native, sizeof(c->err.native), "%s", native ? native : "");
	return false;
}

bool fail_more(struct call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->err.more = arena_vfmt(c->arena, fmt, ap);
	va_end(ap);
	return false;
}

bool fail_as(struct call *c, const struct err *e)
{
	INVARIANT(e->kind != ERR_NONE);
	if (c->err.kind != ERR_NONE)
		return false;
	c->err = *e;
	c->err.more = arena_dup(c->arena, e->more);
	return false;
}

void call_forgive(struct call *c)
{
	c->err = (struct err){0};
}
