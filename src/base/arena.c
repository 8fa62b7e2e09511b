/* arena.c - memory with one end of life. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_EMULATE 1 /* one malloc an allocation */
#else
#define ARENA_EMULATE 0
#endif

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 256 * 1024, ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of the payload behind this head */
};

struct arena_undo {
	struct arena_undo *next;
	void (*fn)(void *);
	void *arg;
};

static char *payload(struct arena_block *b)
{
	return (char *)b + ((sizeof(*b) + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = base_alloc(size + sizeof(*b) + ALIGN);

	b->size = size;
	b->next = NULL;
	return b;
}

void arena_open(struct arena *a)
{
	*a = (struct arena){0};
}

static void run_undo(struct arena *a)
{
	while (a->undo) {
		struct arena_undo *u = a->undo;

		a->undo = u->next;
		u->fn(u->arg);
	}
}

static void free_blocks(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void arena_close(struct arena *a)
{
	run_undo(a);
	free_blocks(a->blocks);
	*a = (struct arena){0};
}

void arena_drop(struct arena *a)
{
	arena_close(a);
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->blocks;

	run_undo(a);
	if (ARENA_EMULATE || !keep || keep->size > FIRST_BLOCK * 4) {
		arena_close(a);
		return;
	}
	free_blocks(keep->next);
	keep->next = NULL;
	*a = (struct arena){.blocks = keep, .at = payload(keep), .end = payload(keep) + keep->size};
}

/* A block for n more bytes; a large request gets a block of its own behind the
 * newest one, so that the newest keeps its free part. */
void *arena_slow(struct arena *a, size_t n)
{
	size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
	struct arena_block *b;

	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (ARENA_EMULATE || (n > size / 4 && a->blocks)) {
		b = block_new(n);
		if (a->blocks) {
			b->next = a->blocks->next;
			a->blocks->next = b;
		} else {
			a->blocks = b;
			a->at = a->end = payload(b) + n;
		}
		return payload(b);
	}
	b = block_new(size > n ? size : n);
	b->next = a->blocks;
	a->blocks = b;
	a->at = payload(b) + n;
	a->end = payload(b) + b->size;
	return payload(b);
}

void *arena_alloc(struct arena *a, size_t n)
{
	char *at = a->at;

	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	a->used += n;
	if (ARENA_EMULATE || (size_t)(a->end - at) < n)
		return arena_slow(a, n);
	a->at = at + n;
	return at;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	memset(p, 0, n);
	return p;
}

struct str arena_lower(struct arena *a, struct str s)
{
	char *low = arena_cstr(a, s);

	for (size_t i = 0; i < s.n; i++)
		low[i] = ascii_lower(low[i]);
	return str_from(low, s.n);
}

char *arena_cstr(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
	return (struct str){arena_cstr(a, s), s.n};
}

struct str arena_vfmt(struct arena *a, const char *fmt, va_list ap)
{
	char probe[1], *p;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(probe, sizeof(probe), fmt, ap);
	INVARIANT(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return (struct str){p, (size_t)n};
}

struct str arena_fmt(struct arena *a, const char *fmt, ...)
{
	struct str s;
	va_list ap;

	va_start(ap, fmt);
	s = arena_vfmt(a, fmt, ap);
	va_end(ap);
	return s;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
	struct arena_undo *u = arena_alloc(a, sizeof(*u));

	*u = (struct arena_undo){a->undo, fn, arg};
	a->undo = u;
}
