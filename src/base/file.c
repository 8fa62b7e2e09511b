/* file.c - loops around read and write. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1024 * 1024, OWN_POSITION = -1 };

static ssize_t write_some(int fd, struct str s, int64_t offset)
{
	return offset == OWN_POSITION ? write(fd, s.p, s.n) : pwrite(fd, s.p, s.n, offset);
}

static ssize_t read_some(int fd, char *to, size_t n, int64_t offset)
{
	return offset == OWN_POSITION ? read(fd, to, n) : pread(fd, to, n, offset);
}

static bool write_all(int fd, struct str s, int64_t offset)
{
	while (s.n) {
		ssize_t n = write_some(fd, s, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return false;
		}
		s = str_tail(s, (size_t)n);
		offset += offset == OWN_POSITION ? 0 : n;
	}
	return true;
}

bool file_write(int fd, struct str bytes)
{
	return write_all(fd, bytes, OWN_POSITION);
}

bool file_write_at(int fd, struct str bytes, int64_t offset)
{
	INVARIANT(offset >= 0);
	return write_all(fd, bytes, offset);
}

static bool read_all(int fd, int64_t offset, size_t left, struct buf *ret)
{
	while (left) {
		size_t want = left < PIECE ? left : PIECE;
		char *to = buf_room(ret, want);
		ssize_t n;

		if (!to) {
			errno = EFBIG;
			return false;
		}
		n = read_some(fd, to, want, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		ret->n += (size_t)n;
		left -= (size_t)n;
		offset += offset == OWN_POSITION ? 0 : n;
	}
	return true;
}

bool file_read(int fd, size_t max, struct buf *ret)
{
	return read_all(fd, OWN_POSITION, max, ret);
}

bool file_read_at(int fd, int64_t offset, size_t max, struct buf *ret)
{
	INVARIANT(offset >= 0);
	return read_all(fd, offset, max, ret);
}

bool file_fill_at(int fd, int64_t offset, char *to, size_t n)
{
	while (n) {
		ssize_t got = pread(fd, to, n, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got < 0 ? errno : EIO;
			return false;
		}
		to += got;
		n -= (size_t)got;
		offset += got;
	}
	return true;
}

void file_close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

bool file_make_folder(const char *path, unsigned mode)
{
	return mkdir(path, (mode_t)mode) == 0 || errno == EEXIST;
}

bool file_sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

bool file_empty_folder(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	const struct dirent *e;

	if (!d) {
		if (own >= 0)
			file_close_quietly(own);
		return false;
	}
	while ((e = readdir(d)))
		unlinkat(fd, e->d_name, 0); /* "." and ".." refuse */
	closedir(d);
	return true;
}
