/* jail_room.c - the folders of an instance, made over its layer as the driver does it, and taken away. Any thread. */
#include "engine/pg/jail_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct jail_owner jail_owner(const struct jail *j)
{
	return (struct jail_owner){j->uid, j->gid};
}

static bool is_overlay(const struct jail *j)
{
	return j->driver == JAIL_OVERLAY || j->driver == JAIL_OVERLAY_TMPFS;
}

static const char *lowers(struct call *c, struct str top, const struct jail_layer *l)
{
	OWNS(buf) b = {0};

	buf_fmt(&b, "layers/%.*s/data", SARG(top));
	for (int i = 0; i < l->nbelow; i++)
		buf_fmt(&b, ":layers/%.*s/data", SARG(l->below[i]));
	return arena_cstr(c->arena, buf_str(&b));
}

static bool no_room(struct call *c, struct jail *j, const struct jail_room *r)
{
	int why = errno;

	if (r->on_disk)
		jail_to_trash(j, r->name);
	return fail(c, ERR_STORAGE, "the folder of an instance cannot be made: %s", strerror(why));
}

/* data: what the instance sees at /d, or writes over the layers. */
static bool fill(struct jail *j, struct str top, const char *data)
{
	char from[JAIL_NAME + 16];

	snprintf(from, sizeof(from), "layers/%.*s/data", SARG(top));
	if (top.n == 0)
		return j->driver == JAIL_BTRFS ? jail_tree_subvolume(j->root, data, jail_owner(j)) : jail_tree_make(j->root, data, jail_owner(j));
	switch (j->driver) {
	case JAIL_BTRFS: return jail_tree_snapshot(j->root, from, data);
	case JAIL_REFLINK: return jail_tree_copy(j->root, from, data, COPY_SHARED, jail_owner(j));
	default: return jail_tree_copy(j->root, from, data, COPY_BYTES, jail_owner(j));
	}
}

static bool make(struct call *c, struct jail *j, struct str top, struct jail_room *r)
{
	const char *data = arena_fmt(c->arena, "%s/data", r->name).p;
	bool over = is_overlay(j) && top.n > 0;

	if (!jail_tree_make(j->root, r->name, jail_owner(j)))
		return false;
	if (over)
		return jail_tree_make(j->root, data, jail_owner(j)) &&
		       jail_tree_make(j->root, arena_fmt(c->arena, "%s/work", r->name).p, jail_owner(j));
	return fill(j, top, data) && jail_tree_make(j->root, arena_fmt(c->arena, "%s/s", r->name).p, jail_owner(j));
}

bool jail_room_make(struct call *c, struct jail *j, enum pg_use use, struct str top, const struct jail_layer *l, struct jail_room *ret)
{
	unsigned long long n = atomic_fetch_add(&j->serial, 1);
	struct jail_room r = {.on_disk = true};

	snprintf(r.name, sizeof(r.name), "%s/%s-%llu", use == PG_BUILD ? "build" : "run", j->server, n);
	if (is_overlay(j) && top.n)
		r.mount.lowers = lowers(c, top, l);
	if (j->driver == JAIL_OVERLAY_TMPFS && use != PG_BUILD)
		r.on_disk = false;
	else if (!make(c, j, top, &r))
		return no_room(c, j, &r);
	*ret = r;
	ret->mount.folder = r.on_disk ? arena_cstr(c->arena, str_of(r.name)) : NULL;
	return true;
}

void jail_room_drop(struct jail *j, struct jail_room *r)
{
	if (r->on_disk)
		jail_to_trash(j, r->name);
	r->on_disk = false;
}

/* --- trash --- */
void jail_to_trash(struct jail *j, const char *name)
{
	char to[JAIL_NAME + 32];

	snprintf(to, sizeof(to), "trash/%s-%llu", j->server, (unsigned long long)atomic_fetch_add(&j->serial, 1));
	if (renameat(j->root, name, j->root, to) == 0 && j->threads)
		jail_threads_wake(j, WAKE_TRASH);
}
