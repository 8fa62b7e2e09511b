/* buf.h - owned bytes that grow.
 *
 * A zeroed struct is an empty buffer. With a limit set, growing past it makes
 * the buffer bad: what does not fit is dropped and every later add does
 * nothing, so a writer asks buf_ok() once at the end. Without a limit adds
 * cannot fail. `p` is NULL while cap is 0; bytes are not terminated unless
 * buf_cstr() was asked.
 */
#ifndef MAYFLY_BASE_BUF_H
#define MAYFLY_BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

struct buf {
	char *p;
	size_t n, cap;
	size_t limit; /* bytes; 0 = none */
	bool bad;
};

/* life cycle */
void buf_drop(struct buf *b);                  /* frees, leaves it empty */
static inline void buf_clear(struct buf *b)    /* keeps the memory */
{
	b->n = 0;
	b->bad = false;
}
struct buf buf_take(struct buf *b);            /* moves the bytes out, leaves b empty */
void buf_give(struct buf *to, struct buf *made); /* adds `made`; an empty `to` without a limit takes it over */

/* size */
bool buf_grow(struct buf *b, size_t more);     /* slow path of buf_room */
static inline char *buf_room(struct buf *b, size_t more) /* where `more` bytes may be written, or NULL */
{
	if (b->cap - b->n < more && !buf_grow(b, more))
		return NULL;
	return b->p + b->n;
}
static inline bool buf_ok(const struct buf *b)
{
	return !b->bad;
}

/* content */
static inline struct str buf_str(const struct buf *b)
{
	return (struct str){b->p, b->n};
}
const char *buf_cstr(struct buf *b);           /* terminates in place; "" when bad or empty */
static inline void buf_add(struct buf *b, struct str s)
{
	char *to = buf_room(b, s.n);

	if (to && s.n) {
		memcpy(to, s.p, s.n);
		b->n += s.n;
	}
}
static inline void buf_addc(struct buf *b, char c)
{
	char *to = buf_room(b, 1);

	if (to) {
		*to = c;
		b->n++;
	}
}
#define buf_lit(b, lit) buf_add((b), S(lit))
void buf_i64(struct buf *b, int64_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vfmt(struct buf *b, const char *fmt, va_list ap);
void buf_cut_front(struct buf *b, size_t n);   /* drops the first n bytes */

#endif
