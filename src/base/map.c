/* map.c - open addressing with backward-shift deletion. */
#include "base/map.h"

#include "base/hash.h"

#include <stdlib.h>

static uint64_t key_hash(struct str key)
{
	uint64_t h = hash_bytes(key);

	return h ? h : 1;
}

void map_close(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

/* The slot of `key`, or the free slot where it would go. */
static size_t probe(const struct map *m, struct str key, uint64_t hash)
{
	size_t mask = m->cap - 1;
	size_t i = hash & mask;

	while (m->slots[i].hash &&
	       !(m->slots[i].hash == hash && str_eq(m->slots[i].key, key)))
		i = (i + 1) & mask;
	return i;
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->cap = old.cap ? old.cap * 2 : 16;
	m->slots = base_zalloc(m->cap * sizeof(*m->slots));
	for (size_t i = 0; i < old.cap; i++) {
		struct map_slot *s = &old.slots[i];

		if (s->hash)
			m->slots[probe(m, s->key, s->hash)] = *s;
	}
	free(old.slots);
}

void *map_get(const struct map *m, struct str key)
{
	struct map_slot *s;

	if (m->n == 0)
		return NULL;
	s = &m->slots[probe(m, key, key_hash(key))];
	return s->hash ? s->value : NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = key_hash(key);
	struct map_slot *s;
	void *old;

	INVARIANT(value);
	if ((m->n + 1) * 4 > m->cap * 3)
		grow(m);
	s = &m->slots[probe(m, key, hash)];
	old = s->hash ? s->value : NULL;
	if (!old)
		m->n++;
	*s = (struct map_slot){hash, key, value};
	return old;
}

static void close_gap(struct map *m, size_t hole)
{
	size_t mask = m->cap - 1;

	for (size_t i = (hole + 1) & mask; m->slots[i].hash; i = (i + 1) & mask) {
		size_t home = m->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){0};
}

void *map_del(struct map *m, struct str key)
{
	size_t i;
	void *old;

	if (m->n == 0)
		return NULL;
	i = probe(m, key, key_hash(key));
	if (!m->slots[i].hash)
		return NULL;
	old = m->slots[i].value;
	close_gap(m, i);
	m->n--;
	return old;
}

bool map_next(const struct map *m, size_t *i, struct map_slot *ret)
{
	for (; *i < m->cap; (*i)++) {
		if (m->slots[*i].hash) {
			*ret = m->slots[(*i)++];
			return true;
		}
	}
	return false;
}
