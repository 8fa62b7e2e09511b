/* arena.h - memory with one end of life, and an undo list beside it.
 *
 * Everything allocated from an arena lives until arena_reset or arena_close.
 * Functions put on it by arena_defer run then, newest first. One thread at a
 * time. In ASan builds each allocation is its own malloc, so that the
 * sanitizer sees inside.
 */
#ifndef MAYFLY_BASE_ARENA_H
#define MAYFLY_BASE_ARENA_H

#include "base/str.h"

#include <stdarg.h>

struct arena_block;
struct arena_undo;

struct arena {
	struct arena_block *blocks; /* newest first */
	struct arena_undo *undo;    /* newest first */
	char *at, *end;             /* free part of the newest block */
	size_t used;                /* bytes handed out since the last reset */
};

void arena_open(struct arena *a); /* a zeroed struct is open as well */
void arena_close(struct arena *a);
void arena_reset(struct arena *a); /* keeps one small block for reuse */
void arena_drop(struct arena *a);  /* for OWNS(arena): closes */

void *arena_slow(struct arena *a, size_t n);
void *arena_alloc(struct arena *a, size_t n) NODISCARD;  /* 16-byte aligned, not zeroed */
void *arena_zalloc(struct arena *a, size_t n) NODISCARD; /* zeroed */
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (n)))

struct str arena_dup(struct arena *a, struct str s);  /* a copy, terminated behind its end */
char *arena_cstr(struct arena *a, struct str s);      /* the same as char* */
struct str arena_lower(struct arena *a, struct str s); /* a copy, its ASCII letters in lower case */
struct str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
struct str arena_vfmt(struct arena *a, const char *fmt, va_list ap);

void arena_defer(struct arena *a, void (*fn)(void *), void *arg);

#endif
