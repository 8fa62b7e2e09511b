/* results.c - the bytes of results: in memory, spooled to files beyond, or in a store alone.
 *
 * A spool file is spool/<handle>, the parts one after the other. It is written
 * by one pool job at a time and lives as long as the statement's results, or
 * until a store on this server's disk has them: what memory gives up then is
 * read back from there.
 */
#include "statement/kept.h"

#include "obs/obs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void spool_path(const struct stmt *st, char *to, size_t cap)
{
	snprintf(to, cap, "%s/%.*s", st->room->spool_dir, ID_LEN, st->handle);
}

/* `kept` bytes are in a store alone: under the tenant's cap, but neither in memory nor spooled. */
static void count_bytes(struct stmt *st, int64_t memory, int64_t spooled, int64_t kept)
{
	struct statements *s = st->room;

	atomic_fetch_add(&s->memory_bytes, memory);
	atomic_fetch_add(&s->spooled_bytes, spooled);
	if (memory + spooled + kept == 0)
		return;
	pthread_mutex_lock(&s->tenants_lock);
	st->tenant->bytes += memory + spooled + kept;
	pthread_mutex_unlock(&s->tenants_lock);
}

void stmt_count_kept(struct stmt *st, int64_t bytes)
{
	stmt_lock(st);
	st->kept->bytes += bytes;
	stmt_unlock(st);
	count_bytes(st, 0, 0, bytes);
}

/* --- spooling --- */

/* The next part to write, with a reference; -1 when all are written. */
static int next_unspooled(struct stmt *st, struct engine_bytes **ret, int64_t *ret_offset)
{
	int found = -1;

	stmt_lock(st);
	*ret_offset = st->spooled_bytes;
	for (int i = 0; i < st->nparts && found < 0; i++) {
		if (!stmt_parts(st)[i].bytes)
			continue;
		found = i;
		*ret = engine_bytes_ref(stmt_parts(st)[i].bytes);
	}
	if (found < 0)
		st->spooling = false;
	stmt_unlock(st);
	return found;
}

static void mark_spooled(struct stmt *st, int i, int64_t offset)
{
	struct engine_bytes *bytes = NULL;
	int64_t stored = 0;

	stmt_lock(st);
	if (i < st->nparts && stmt_parts(st)[i].bytes) {
		struct part *p = &stmt_parts(st)[i];

		bytes = p->bytes;
		stored = p->stored;
		p->bytes = NULL;
		p->offset = offset;
		st->memory_bytes -= stored;
		st->spooled_bytes += stored;
	}
	stmt_unlock(st);
	if (!bytes)
		return;
	engine_bytes_unref(bytes);
	count_bytes(st, -stored, stored, 0);
}

static void spool_failed(struct stmt *st, const char *path)
{
	obs_log(OBS_ERROR, "statement", "cannot write %s: %s; the result stays in memory", path, strerror(errno));
	stmt_lock(st);
	st->spooling = false;
	stmt_unlock(st);
}

/* Results that were dropped or given up meanwhile leave no file behind. */
static void remove_if_dropped(struct stmt *st, const char *path)
{
	bool dropped;

	stmt_lock(st);
	dropped = st->spooled_bytes == 0;
	stmt_unlock(st);
	if (dropped)
		unlink(path);
}

static void spool(void *arg)
{
	struct stmt *st = arg;
	char path[PATH_MAX];
	struct engine_bytes *bytes;
	int64_t offset;
	int fd, i;

	spool_path(st, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		spool_failed(st, path);
	while (fd >= 0 && (i = next_unspooled(st, &bytes, &offset)) >= 0) {
		bool ok = file_write_at(fd, engine_bytes_str(bytes), offset);

		engine_bytes_unref(bytes);
		if (!ok) {
			spool_failed(st, path);
			break;
		}
		mark_spooled(st, i, offset);
	}
	if (fd >= 0)
		close(fd);
	remove_if_dropped(st, path);
	statement_unref(st);
}

static void spool_soon(struct stmt *st)
{
	bool start;

	stmt_lock(st);
	start = !st->spooling && !st->expired && !st->forgotten;
	st->spooling = st->spooling || start;
	stmt_unlock(st);
	if (!start)
		return;
	stmt_ref(st);
	if (exec_pool_run(st->room->o.pool, spool, st))
		return;
	stmt_lock(st); /* the pool is full: the next part or result tries again */
	st->spooling = false;
	stmt_unlock(st);
	statement_unref(st);
}

/* The oldest finished result that is in memory, with a reference. */
static struct stmt *oldest_in_memory(struct statements *s)
{
	struct stmt *st = NULL;
	struct list *first;

	pthread_mutex_lock(&s->tenants_lock);
	first = list_pop(&s->in_memory);
	if (first)
		st = stmt_ref(LIST_ITEM(first, struct stmt, in_memory));
	pthread_mutex_unlock(&s->tenants_lock);
	return st;
}

static void spool_oldest(struct statements *s)
{
	int64_t over = atomic_load(&s->memory_bytes) - s->o.memory_bytes;
	struct stmt *st;

	while (over > 0 && (st = oldest_in_memory(s)) != NULL) {
		stmt_lock(st);
		over -= st->memory_bytes;
		stmt_unlock(st);
		if (stmt_on_disk(st))
			stmt_give_up(st);
		else
			spool_soon(st);
		statement_unref(st);
	}
}

/* --- adding and dropping --- */

/* A worker keeps to the limits; one that was taken over might not. */
static bool within_limits(const struct stmt *st, const struct part *p)
{
	/* Commas may be as long as the row texts; then what is around each part. */
	int64_t most = 2 * st->room->o.max_result_bytes + (int64_t)(st->nparts + 1) * PART_ENVELOPE;

	return st->run->stored_bytes + p->stored <= most && (p->rows > 0 ? st->nparts < PARTS_MAX : st->nparts == 0);
}

/* One part is in the statement itself. */
static struct part *place_of_next(struct stmt *st)
{
	const struct part one = st->parts.one;
	struct running *run = st->run;

	if (st->nparts == 0)
		return &st->parts.one;
	if (st->nparts == 1)
		run->parts_cap = 0;
	if (st->nparts >= run->parts_cap) {
		run->parts_cap = st->nparts * 2;
		st->parts.many = base_realloc(st->nparts > 1 ? st->parts.many : NULL, sizeof(one) * (size_t)run->parts_cap);
	}
	if (st->nparts == 1)
		st->parts.many[0] = one;
	return &st->parts.many[st->nparts];
}

static void append(struct stmt *st, const struct part *p)
{
	struct running *run = st->run;

	*place_of_next(st) = *p;
	st->nparts++;
	st->rows += p->rows;
	st->row_bytes += p->row_bytes;
	run->stored_bytes += p->stored;
	st->memory_bytes += p->stored;
}

static bool in_range(const struct engine_part *ep, const struct engine_bytes *bytes)
{
	return ep->rows >= 0 && ep->rows <= UINT32_MAX && ep->row_bytes >= 0 && ep->row_bytes <= CONVERT_PLAIN_MAX &&
	       engine_bytes_str(bytes).n <= CONVERT_PLAIN_MAX;
}

/* Takes the reference of the part; results without rows share theirs. */
static struct engine_bytes *kept_bytes(const struct statements *s, const struct engine_part *ep)
{
	if (ep->gzip || !str_eq(engine_bytes_str(ep->bytes), engine_bytes_str(s->no_rows)))
		return ep->bytes;
	engine_bytes_unref(ep->bytes);
	return engine_bytes_ref(s->no_rows);
}

bool stmt_add_part(struct stmt *st, const struct engine_part *ep)
{
	struct engine_bytes *bytes = kept_bytes(st->room, ep);
	struct part p = {.bytes = bytes, .stored = (uint32_t)engine_bytes_str(bytes).n, .rows = (uint32_t)ep->rows,
			 .row_bytes = (uint32_t)ep->row_bytes, .gzip = ep->gzip};
	bool open, fits, large;

	stmt_lock(st);
	open = st->run && !stmt_over(st);
	fits = open && in_range(ep, bytes) && within_limits(st, &p);
	if (fits)
		append(st, &p);
	large = fits && st->run->stored_bytes > INLINE_RESULT_BYTES;
	stmt_unlock(st);
	if (open && !fits)
		stmt_end(st, STMT_FAILED, stmt_error_simple(ERR_RESULT_TOO_LARGE, 0));
	if (!fits) {
		engine_bytes_unref(bytes);
		return false;
	}
	count_bytes(st, p.stored, 0, 0);
	if (large)
		spool_soon(st);
	return true;
}

void stmt_results_done(struct stmt *st)
{
	struct statements *s = st->room;
	bool spooling;

	stmt_lock(st);
	spooling = st->spooling || st->spooled_bytes;
	stmt_unlock(st);
	if (spooling) {
		if (stmt_on_disk(st))
			stmt_give_up(st);
		return;
	}
	pthread_mutex_lock(&s->tenants_lock);
	if (list_linked(&st->in_tenant)) /* not forgotten meanwhile */
		list_add_tail(&s->in_memory, &st->in_memory);
	pthread_mutex_unlock(&s->tenants_lock);
	if (atomic_load(&s->memory_bytes) > s->o.memory_bytes)
		spool_oldest(s);
}

/* Under the lock: every part is in the store alone. Returns what held the bytes, for who frees it. */
static struct engine_bytes **leave_bytes(struct stmt *st)
{
	struct engine_bytes **held = base_zalloc(sizeof(struct engine_bytes *) * (size_t)(st->nparts + 1));

	for (int i = 0; i < st->nparts; i++) {
		held[i] = stmt_parts(st)[i].bytes;
		stmt_parts(st)[i].bytes = NULL;
		stmt_parts(st)[i].offset = PART_KEPT;
	}
	st->kept->bytes += st->memory_bytes + st->spooled_bytes;
	st->memory_bytes = st->spooled_bytes = 0;
	return held;
}

void stmt_give_up(struct stmt *st)
{
	char path[PATH_MAX];
	struct engine_bytes **held;
	int64_t memory, spooled;
	bool unlink_now;
	int n;

	stmt_lock(st);
	memory = st->memory_bytes;
	spooled = st->spooled_bytes;
	unlink_now = spooled && !st->spooling; /* else the job that writes the file removes it */
	n = st->nparts;
	held = leave_bytes(st);
	stmt_unlock(st);
	for (int i = 0; i < n; i++)
		engine_bytes_unref(held[i]);
	free(held);
	pthread_mutex_lock(&st->room->tenants_lock);
	list_del(&st->in_memory);
	pthread_mutex_unlock(&st->room->tenants_lock);
	count_bytes(st, -memory, -spooled, memory + spooled);
	if (!unlink_now)
		return;
	spool_path(st, path, sizeof(path));
	unlink(path);
}

static void free_parts(union stmt_parts parts, int n)
{
	struct part *v = n > 1 ? parts.many : &parts.one;

	for (int i = 0; i < n; i++)
		engine_bytes_unref(v[i].bytes);
	if (n > 1)
		free(parts.many);
}

void stmt_drop_results(struct stmt *st)
{
	char path[PATH_MAX];
	union stmt_parts was;
	int64_t memory, spooled, kept = 0;
	bool in_file;
	int n;

	stmt_lock(st);
	was = st->parts;
	n = st->nparts;
	memory = st->memory_bytes;
	spooled = st->spooled_bytes;
	in_file = spooled || st->spooling; /* a job may be writing its first bytes */
	st->nparts = 0;
	if (st->run)
		st->run->parts_cap = 0;
	st->memory_bytes = st->spooled_bytes = 0;
	if (st->kept) {
		kept = st->kept->bytes;
		st->kept->bytes = 0;
	}
	stmt_unlock(st);
	free_parts(was, n);
	pthread_mutex_lock(&st->room->tenants_lock);
	list_del(&st->in_memory);
	pthread_mutex_unlock(&st->room->tenants_lock);
	if (memory || spooled || kept)
		count_bytes(st, -memory, -spooled, -kept);
	if (!in_file)
		return;
	spool_path(st, path, sizeof(path));
	unlink(path);
}

/* --- reading --- */

bool statement_part_info(struct stmt *st, int i, struct stmt_part *ret)
{
	bool there;

	stmt_lock(st);
	there = i >= 0 && i < st->nparts;
	if (there) {
		const struct part *p = &stmt_parts(st)[i];

		*ret = (struct stmt_part){p->rows, p->row_bytes, p->stored, p->gzip, p->bytes != NULL};
	}
	stmt_unlock(st);
	return there;
}

/* False without an error when the file is not there any more: the bytes are in a store by now. */
static bool read_spooled(struct stmt *st, const struct part *p, struct engine_bytes **ret)
{
	char path[PATH_MAX], *bytes;
	bool ok;
	int fd;

	spool_path(st, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bytes = base_alloc(p->stored);
	ok = fd >= 0 && file_fill_at(fd, p->offset, bytes, p->stored);
	if (fd >= 0)
		close(fd);
	if (ok)
		*ret = engine_bytes_copy(str_from(bytes, p->stored));
	free(bytes);
	return ok;
}

static bool part_at(struct stmt *st, int i, struct part *ret)
{
	bool there;

	stmt_lock(st);
	there = i >= 0 && i < st->nparts;
	if (there) {
		*ret = stmt_parts(st)[i];
		if (ret->bytes)
			engine_bytes_ref(ret->bytes);
	}
	stmt_unlock(st);
	return there;
}

bool stmt_stored_part(struct call *c, struct stmt *st, int i, struct engine_bytes **ret, bool *ret_gzip)
{
	struct part p;

	for (int tries = 0; tries < 2; tries++) { /* it may be given up between the look and the file */
		if (!part_at(st, i, &p))
			return fail(c, ERR_RESULT_EXPIRED, "the result of statement %.*s is gone", ID_LEN, st->handle);
		if (!p.bytes && p.offset == PART_KEPT && !stmt_storing_part(c, i, st, &p.bytes))
			return false;
		if (!p.bytes && p.offset != PART_KEPT && !read_spooled(st, &p, &p.bytes))
			continue;
		*ret = p.bytes;
		*ret_gzip = p.gzip;
		return true;
	}
	return fail(c, ERR_INTERNAL, "a stored partition of statement %.*s cannot be read", ID_LEN, st->handle);
}
