/* real.c - reals of cells: those without an exponent by base/, the few that are very large or very small here. */
#include "engine/worker/worker.h"
#include "json/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_float_slowly(struct buf *b, float v)
{
	char text[32];
	int n = 0;

	for (int precision = fabsf(v) < FLT_MIN ? 1 : 6; precision <= 9; precision++) { /* denormals have fewer */
		n = snprintf(text, sizeof(text), "%.*g", precision, (double)v);
		if (strtof(text, NULL) == v)
			break;
	}
	buf_add(b, str_from(text, (size_t)n));
}

void put_float(struct buf *b, float v)
{
	char *to = buf_room(b, TEXT_ROOM), *end = to ? text_float(to, v) : to;

	if (end)
		b->n = (size_t)(end - b->p);
	else
		put_float_slowly(b, v);
}

void put_double(struct buf *b, double v)
{
	char *to = buf_room(b, TEXT_ROOM), *end = to ? text_double(to, v) : to;

	if (end)
		b->n = (size_t)(end - b->p);
	else
		json_real_text(b, v);
}
