/* mirror.c - the events of servers on one Redis, told to each other: which Redis, under which names. */
#include "main/server.h"

bool server_open_mirror(struct server *s)
{
	const struct conf *f = &s->conf;
	const struct redis_options redis = {.url = f->storage_redis_url, .ca_file = f->storage_redis_ca_file,
					    .timeout_ms = f->storage_redis_timeout_ms};
	const struct events_mirror_options o = {
		.events = s->events, .redis = &redis, .items = f->events_mirror_items, .loop = s->loops[0],
		.prefix = arena_fmt(&s->arena, "%.*sevents:", SARG(f->storage_redis_key_prefix)),
	};

	if (str_eq(f->events_mirror, S("none")))
		return true;
	s->mirror = events_mirror_open(&s->call, &o);
	return s->mirror != NULL;
}
