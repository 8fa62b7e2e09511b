/* buf.c - owned bytes that grow. */
#include "base/buf.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

void buf_drop(struct buf *b)
{
	size_t limit = b->limit;

	free(b->p);
	*b = (struct buf){.limit = limit};
}

struct buf buf_take(struct buf *b)
{
	struct buf out = *b;

	*b = (struct buf){.limit = out.limit};
	return out;
}

void buf_give(struct buf *to, struct buf *made)
{
	if (to->p || to->limit) {
		buf_add(to, buf_str(made));
		return;
	}
	*to = buf_take(made);
	to->limit = 0;
}

bool buf_grow(struct buf *b, size_t more)
{
	size_t need = b->n + more;
	size_t cap = b->cap ? b->cap * 2 : 64;

	if (b->bad || need < more || (b->limit && need > b->limit)) {
		b->bad = true;
		return false;
	}
	while (cap < need)
		cap *= 2;
	if (b->limit && cap > b->limit)
		cap = b->limit;
	b->p = base_realloc(b->p, cap);
	b->cap = cap;
	return true;
}

const char *buf_cstr(struct buf *b)
{
	size_t limit = b->limit;
	char *to;

	b->limit = 0; /* the terminator is ours, not the user's */
	to = buf_room(b, 1);
	b->limit = limit;
	if (!to)
		return "";
	*to = '\0';
	return b->p;
}

void buf_u64(struct buf *b, uint64_t v)
{
	char text[TEXT_ROOM];

	buf_add(b, str_from(text, (size_t)(text_u64(text, v) - text)));
}

void buf_i64(struct buf *b, int64_t v)
{
	char text[TEXT_ROOM];

	buf_add(b, str_from(text, (size_t)(text_i64(text, v) - text)));
}

void buf_vfmt(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *to = buf_room(b, 64);
	int n;

	if (!to)
		return;
	va_copy(again, ap);
	n = vsnprintf(to, b->cap - b->n, fmt, ap);
	INVARIANT(n >= 0);
	if ((size_t)n >= b->cap - b->n) {
		to = buf_room(b, (size_t)n + 1);
		if (to)
			vsnprintf(to, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	if (to)
		b->n += (size_t)n;
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vfmt(b, fmt, ap);
	va_end(ap);
}

void buf_cut_front(struct buf *b, size_t n)
{
	INVARIANT(n <= b->n);
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}
