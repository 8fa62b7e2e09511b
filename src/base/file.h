/* file.h - bytes of files and entries of folders, whatever one system call leaves over.
 *
 * Everything here answers false with errno set; it is the caller who knows what to say. Any thread.
 */
#ifndef MAYFLY_BASE_FILE_H
#define MAYFLY_BASE_FILE_H

#include "base/buf.h"

/* All of `bytes`: at the descriptor's own position, or from `offset` on. */
bool file_write(int fd, struct str bytes) NODISCARD;
bool file_write_at(int fd, struct str bytes, int64_t offset) NODISCARD;

/* Adds to `ret` what is there, at most `max` bytes; EFBIG when the buffer's limit is in the way. */
bool file_read(int fd, size_t max, struct buf *ret) NODISCARD;
bool file_read_at(int fd, int64_t offset, size_t max, struct buf *ret) NODISCARD;
/* Exactly `n` bytes; EIO when the file ends before. */
bool file_fill_at(int fd, int64_t offset, char *to, size_t n) NODISCARD;

/* A folder of this mode unless there is one (or anything else of that name). */
bool file_make_folder(const char *path, unsigned mode) NODISCARD;
/* Makes the folder's entries durable. */
bool file_sync_folder(const char *path) NODISCARD;
/* Removes the folder's files; folders in it stay, and `fd` stays open. */
bool file_empty_folder(int fd);

void file_close_quietly(int fd); /* errno stays what it was */

#endif
