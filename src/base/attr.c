/* attr.c - the last resort and the allocators that never fail. */
#include "base/attr.h"

#include <stdio.h>
#include <stdlib.h>

void base_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "mayfly: %s:%d: broken invariant: %s\n", file, line, what);
	abort();
}

void *base_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		base_panic(__FILE__, __LINE__, "out of memory");
	return p;
}

void *base_zalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		base_panic(__FILE__, __LINE__, "out of memory");
	return p;
}

void *base_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		base_panic(__FILE__, __LINE__, "out of memory");
	return q;
}
