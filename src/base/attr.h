/* attr.h - compiler attributes and the three macros used everywhere. */
#ifndef MAYFLY_BASE_ATTR_H
#define MAYFLY_BASE_ATTR_H

#include <stddef.h>

#define NODISCARD __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* OWNS(type) var = …; calls type_drop(&var) when var leaves its scope. */
#define OWNS(type) __attribute__((cleanup(type##_drop))) struct type

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* A broken promise between parts of Mayfly: prints where and aborts.
 * Never for anything that a client, a worker or a store sent. */
NORETURN void base_panic(const char *file, int line, const char *what);
#define INVARIANT(cond) \
	do { \
		if (!(cond)) \
			base_panic(__FILE__, __LINE__, #cond); \
	} while (0)

/* malloc family that aborts when memory ends: a server without memory cannot
 * keep its promises, and a restart loses nothing that was acknowledged. */
void *base_alloc(size_t n) NODISCARD __attribute__((malloc, alloc_size(1)));
void *base_zalloc(size_t n) NODISCARD __attribute__((malloc, alloc_size(1)));
void *base_realloc(void *p, size_t n) NODISCARD __attribute__((alloc_size(2)));

#endif
