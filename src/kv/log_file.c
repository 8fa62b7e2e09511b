/* log_file.c - the log as a file: locked, read at the start, added to, compacted.
 *
 * The lock is on the file itself, so compaction locks the new file before it
 * takes the old one's name. A write that fails is cut off again and the log
 * lives on; after a sync that fails nobody knows what is on the disk, so
 * then, and when cutting fails, the log is broken and refuses all writes.
 */
#include "kv/kv_int.h"

#include "obs/obs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BATCH = 1024 * 1024 };

int kv_log_add(struct kv_log *l, struct str batch)
{
	int error;

	if (l->broken)
		return l->broken;
	if (!file_write_at(l->fd, batch, l->n)) {
		error = errno;
		if (ftruncate(l->fd, l->n) < 0)
			l->broken = error;
		return error;
	}
	if (fdatasync(l->fd) < 0) {
		l->broken = errno;
		if (ftruncate(l->fd, l->n) < 0)
			obs_log(OBS_ERROR, "kv", "cannot cut what failed to be synced: %s", strerror(errno));
		return l->broken;
	}
	l->n += (int64_t)batch.n;
	return 0;
}

/* --- opening --- */

static bool same_file(const struct kv_log *l)
{
	struct stat named, open;

	return fstatat(l->dir, l->name.p, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(l->fd, &open) == 0 &&
	       named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

/* A compaction elsewhere may give the name to another file before ours is locked: then once more. */
static bool open_locked(struct call *c, struct kv_log *l)
{
	for (;;) {
		l->fd = openat(l->dir, l->name.p, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (l->fd < 0)
			return fail(c, ERR_STORAGE, "cannot open %s: %s", l->name.p, strerror(errno));
		if (flock(l->fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno == EWOULDBLOCK)
				return fail(c, ERR_CONFLICT, "%s is in use: another server has it open", l->name.p);
			return fail(c, ERR_STORAGE, "cannot lock %s: %s", l->name.p, strerror(errno));
		}
		if (same_file(l))
			return true;
		close(l->fd);
	}
}

static bool read_all(struct call *c, const struct kv_log *l, struct buf *ret)
{
	struct stat st;

	if (fstat(l->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fail(c, ERR_STORAGE, "%s is not a file", l->name.p);
	buf_room(ret, (size_t)st.st_size); /* once, not by doubling */
	if (!file_read_at(l->fd, 0, (size_t)st.st_size, ret))
		return fail(c, ERR_STORAGE, "cannot read %s: %s", l->name.p, strerror(errno));
	return true;
}

/* What a killed process wrote and did not sync is read as well: so it becomes durable here. */
static bool settle(struct call *c, struct kv_log *l, size_t whole)
{
	OWNS(buf) head = {0};

	kv_log_head(&head);
	l->n = (int64_t)whole;
	if (ftruncate(l->fd, l->n) < 0 || (l->n == 0 && !file_write_at(l->fd, buf_str(&head), 0)) || fsync(l->fd) < 0 || fsync(l->dir) < 0)
		return fail(c, ERR_STORAGE, "cannot write %s: %s", l->name.p, strerror(errno));
	if (l->n == 0)
		l->n = KV_LOG_HEAD;
	return true;
}

static bool load(struct call *c, struct kv_log *l, struct kv_table *t)
{
	OWNS(buf) bytes = {0};
	size_t whole;

	if (!open_locked(c, l))
		return false;
	if (unlinkat(l->dir, l->temp_name.p, 0) < 0 && errno != ENOENT)
		return fail(c, ERR_STORAGE, "cannot remove %s: %s", l->temp_name.p, strerror(errno));
	if (!read_all(c, l, &bytes) || !kv_log_read(c, buf_str(&bytes), t, &whole))
		return false;
	if (whole < bytes.n)
		obs_log(OBS_WARN, "kv", "%s: cut the torn end of %zu bytes at byte %zu", l->name.p, bytes.n - whole, whole);
	return settle(c, l, whole);
}

static struct str own_text(const char *a, size_t n, const char *b)
{
	size_t more = strlen(b);
	char *p = base_alloc(n + more + 1);

	memcpy(p, a, n);
	memcpy(p + n, b, more + 1);
	return str_from(p, n + more);
}

bool kv_log_open(struct call *c, struct kv_log *l, struct str path, struct kv_table *t)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
	size_t folder_n = slash ? (size_t)(slash - path.p) + 1 : 0;
	const char *folder = folder_n ? arena_cstr(c->arena, str_head(path, folder_n)) : ".";
	struct str name = str_tail(path, folder_n);

	*l = (struct kv_log){.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .fd = -1};
	l->name = own_text(name.p, name.n, "");
	l->temp_name = own_text(name.p, name.n, ".new");
	if (l->dir >= 0)
		return load(c, l, t);
	return fail(c, ERR_STORAGE, "cannot open the folder %s: %s", folder, strerror(errno));
}

void kv_log_close(struct kv_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	free((char *)l->name.p);
	free((char *)l->temp_name.p);
}

/* --- compaction --- */

static bool flush(int fd, struct buf *batch, size_t begun, int64_t *n)
{
	if (batch->n - begun <= KV_BATCH_HEAD)
		return true;
	kv_batch_end(batch, begun);
	if (!file_write_at(fd, buf_str(batch), *n))
		return false;
	*n += (int64_t)batch->n;
	buf_clear(batch);
	return true;
}

/* The table as a log. The last version goes in too: it may have been a dropped record's. */
static bool write_copy(int fd, const struct kv_table *t, uint64_t versions, int64_t *ret_n)
{
	const struct kv_item last = {.version = versions};
	OWNS(buf) batch = {0};
	struct map_slot slot;
	size_t begun;

	*ret_n = 0;
	kv_log_head(&batch);
	begun = kv_batch_begin(&batch);
	kv_batch_add(&batch, KV_LOG_VERSION, &last);
	for (size_t i = 0; map_next(&t->items, &i, &slot);) {
		kv_batch_add(&batch, KV_LOG_PUT, slot.value);
		if (batch.n < COPY_BATCH)
			continue;
		if (!flush(fd, &batch, begun, ret_n))
			return false;
		begun = kv_batch_begin(&batch);
	}
	return flush(fd, &batch, begun, ret_n) && fsync(fd) == 0;
}

/* From the rename on, the old log is the past: without a durable name the new one must not grow. */
static int take_over(struct kv_log *l, int fd, int64_t n)
{
	if (renameat(l->dir, l->temp_name.p, l->dir, l->name.p) < 0)
		return errno;
	close(l->fd);
	l->fd = fd;
	l->n = n;
	if (fsync(l->dir) < 0)
		l->broken = errno;
	return l->broken;
}

int kv_log_compact(struct kv_log *l, const struct kv_table *t, uint64_t versions)
{
	int fd = openat(l->dir, l->temp_name.p, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t n;
	int error;

	if (fd < 0)
		return errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || !write_copy(fd, t, versions, &n))
		error = errno;
	else
		error = take_over(l, fd, n);
	if (l->fd != fd) {
		close(fd);
		unlinkat(l->dir, l->temp_name.p, 0);
	}
	return error;
}
