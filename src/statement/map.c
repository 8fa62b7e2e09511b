/* map.c - handles of a shard: open addressing over pointers alone.
 *
 * A handle's text is in its statement, so that a place costs eight bytes; base's
 * map would cost four times that for each of a million. Not thread-safe.
 */
#include "statement/handle.h"

#include <stdlib.h>

enum { CAP_LEAST = 16 };

static size_t home_of(const struct stmt_map *m, const struct stmt *st)
{
	return hash_bytes(stmt_handle(st)) & (m->cap - 1);
}

/* The place of `handle`, or the free one where it would go. */
static size_t probe(const struct stmt_map *m, struct str handle)
{
	size_t mask = m->cap - 1, i = hash_bytes(handle) & mask;

	while (m->v[i] && !str_eq(stmt_handle(m->v[i]), handle))
		i = (i + 1) & mask;
	return i;
}

static void grow(struct stmt_map *m)
{
	struct stmt_map old = *m;

	m->cap = old.cap ? old.cap * 2 : CAP_LEAST;
	m->v = base_zalloc(m->cap * sizeof(*m->v));
	for (size_t i = 0; i < old.cap; i++)
		if (old.v[i])
			m->v[probe(m, stmt_handle(old.v[i]))] = old.v[i];
	free(old.v);
}

struct stmt *stmt_map_get(const struct stmt_map *m, struct str handle)
{
	return m->cap ? m->v[probe(m, handle)] : NULL;
}

void stmt_map_put(struct stmt_map *m, struct stmt *st)
{
	size_t i;

	if ((m->n + 1) * 4 > m->cap * 3)
		grow(m);
	i = probe(m, stmt_handle(st));
	m->n += !m->v[i];
	m->v[i] = st;
}

void stmt_map_del(struct stmt_map *m, const struct stmt *st)
{
	size_t mask = m->cap - 1, i, next;

	if (!m->cap)
		return;
	i = probe(m, stmt_handle(st));
	if (!m->v[i])
		return;
	m->n--;
	for (next = (i + 1) & mask; m->v[next]; next = (next + 1) & mask) {
		if (((next - home_of(m, m->v[next])) & mask) < ((next - i) & mask))
			continue; /* it would go before its home */
		m->v[i] = m->v[next];
		i = next;
	}
	m->v[i] = NULL;
}

void stmt_map_close(struct stmt_map *m)
{
	free(m->v);
	*m = (struct stmt_map){0};
}
